//! What a host asks of a device, each until it is done: the line may be lost and made again meanwhile.

use std::time::Duration;

use xyloop_protocol::{
    crc::Crc32c,
    message::{Command, Generation, State, Status},
};

use super::{client::Client, decode::bytes_of, error::DeviceError, holding::Target};
use crate::calibration::Codes;

/// Limits how long a farewell may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    /// Asks how the device is.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn status(&mut self) -> Result<Status, DeviceError> {
        loop {
            match self.ask_status().await {
                Ok(status) => return Ok(status),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
    }

    /// Clears a latched fault; the device stays safe.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn clear(&mut self) -> Result<(), DeviceError> {
        self.order("clear", Command::Clear).await
    }

    /// Makes the outputs safe.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn make_safe(&mut self) -> Result<(), DeviceError> {
        self.order("safe", Command::Safe).await
    }

    /// Drops what an earlier host may have left, shots queued and results not retired, and goes on from its
    /// generation's number.
    ///
    /// # Errors
    /// If it does not answer, or is faulted.
    pub async fn take_over(&mut self) -> Result<(), DeviceError> {
        let status = self.status().await?;
        if matches!(status.state, State::Faulted(_)) {
            return Err(self.session.faulted(status.state));
        }
        match self.drop_everything().await {
            Ok(()) => Ok(()),
            Err(trouble) => self.overcome(trouble).await,
        }
    }

    /// Stages and commits a generation of codes under the next number. This returns when the orders are on their way: a
    /// refusal is the error of whatever waits for the device next, and leaves the generation before in force.
    ///
    /// # Errors
    /// If results wait, the codes do not fit the device, or it is lost for good; [`DeviceError::Interrupted`].
    pub async fn commit(&mut self, codes: &Codes) -> Result<Generation, DeviceError> {
        self.check_retired()?;
        self.check_fit(codes)?;
        let mut crc = Crc32c::new();
        crc.update(&bytes_of(&codes.couplings));
        crc.update(&bytes_of(&codes.fields));
        let generation = Generation { number: self.generation.number.wrapping_add(1).max(1), crc: crc.finish() };
        self.pending = None;
        let registers = self.session.holding.commit(Target { generation, codes: codes.clone() });
        if let Err(trouble) = self.order_target(registers).await {
            // Ends with the target in force.
            self.overcome(trouble).await?;
        }
        Ok(generation)
    }

    /// Stages all codes under a number, as words, and waits until the device has them. Nothing is committed: no output
    /// changes, and what is in force stays. A number that is in force is never that of a generation to come.
    ///
    /// # Errors
    /// If the codes do not fit the device, it refuses them, or it is lost for good; [`DeviceError::Interrupted`].
    pub async fn stage(&mut self, number: u32, codes: &Codes) -> Result<(), DeviceError> {
        self.check_fit(codes)?;
        // What is staged now is not what the next commit would be made from.
        self.session.holding.overwrite();
        loop {
            match self.try_stage(number, codes).await {
                Ok(()) => return Ok(()),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
    }

    /// Drops whatever is queued, in progress, or finished and not handed out.
    ///
    /// # Errors
    /// If the device is lost for good; [`DeviceError::Interrupted`].
    pub async fn abort(&mut self) -> Result<(), DeviceError> {
        self.pending = None;
        match self.drop_everything().await {
            Ok(()) => Ok(()),
            Err(trouble) => self.overcome(trouble).await,
        }
    }

    /// Leaves everything as it is, once everything sent has arrived.
    pub async fn leave(self) {
        self.session.close().await;
    }

    /// Makes the outputs safe, waits until everything sent has arrived, and leaves. A device that cannot be reached is
    /// not waited for: its outputs are safe by themselves.
    pub async fn close(mut self) {
        self.session.liveness.stop = None;
        let farewell = async {
            if self.session.is_heard() && self.make_safe().await.is_ok() {
                self.session.close().await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, farewell).await;
    }

    /// Gives an order until it is done.
    async fn order(&mut self, asked: &'static str, command: Command<'_>) -> Result<(), DeviceError> {
        loop {
            match self.session.order(asked, command).await {
                Ok(()) => return Ok(()),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
    }
}
