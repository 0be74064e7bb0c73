//! Contrast sums: added up on the device over a batch, asked for behind its last shot, held against the batch's size.

use xyloop_protocol::message::Report;

use super::{client::Client, decode, error::DeviceError, pending_batch::PendingBatch, session::Trouble};

/// Holds the contrast sums of the shots since the plan, model units (radians are in the cosines).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// Shots in the sums.
    pub shots: u32,
    /// Shots left out because of their flags.
    pub left_out: u32,
    /// One per coupling, then x and y of each site.
    pub values: Vec<f64>,
}

impl Client {
    /// Collects the contrast sums of the batch whose results were all taken.
    ///
    /// # Errors
    /// If a sum did not fit, the sums are not those of the batch, or the device is lost for good;
    /// [`DeviceError::Interrupted`].
    pub async fn collect(&mut self) -> Result<Sums, DeviceError> {
        loop {
            // After a reconnect the whole batch runs once more, for its sums alone.
            if self.next_result().await?.is_some() {
                let what = "sums were asked for before every result was taken".into();
                return Err(DeviceError::Protocol { what });
            }
            match self.try_collect().await {
                Ok(sums) => return Ok(sums),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
    }

    async fn try_collect(&mut self) -> Result<Sums, Trouble> {
        let protocol = |what: String| Trouble::from(DeviceError::Protocol { what });
        let total = self.identity.limits.couplings as usize + 2 * usize::from(self.identity.limits.sites);
        let mut sums = Sums::default();
        while sums.values.len() < total {
            let asked = sums.values.len() as u32;
            let part = |report: &Report<'_>| match report {
                Report::Contrast(part) if part.first == asked => {
                    let values = decode::sums(part, total - sums.values.len()).unwrap_or_default();
                    Some((part.shots, part.left_out, part.saturated, values))
                }
                _ => None,
            };
            let (shots, left_out, saturated, values) = self.session.late_answer("collect", part).await?;
            if saturated {
                return Err(protocol("a contrast sum did not fit its 32 bits: use smaller batches".into()));
            }
            if values.is_empty() {
                return Err(protocol("no sums, or damaged ones".into()));
            }
            (sums.shots, sums.left_out) = (shots, left_out);
            sums.values.extend(values);
        }
        self.session.late_is_over();
        let (have, want) =
            (u64::from(sums.shots) + u64::from(sums.left_out), self.pending.as_ref().map_or(0, PendingBatch::len));
        if have != want as u64 {
            return Err(protocol(format!("its sums are over {have} shots, the batch has {want}")));
        }
        Ok(sums)
    }
}
