//! What is in force on a device: a generation of codes staged, committed, and armed again after the device went safe.

use xyloop_protocol::{
    codec::Codec,
    crc::Crc32c,
    message::{Block, Command, Generation, Stage},
    units::DacCode,
};

use super::{
    Client, DeviceError,
    decode::{Piece, pieces_of_differences, pieces_of_words},
    session::{COMMIT, HEAD, Trouble},
};
use crate::calibration::Codes;

/// Codes with the number and CRC under which they are to be in force.
pub(super) struct Target {
    pub generation: Generation,
    pub codes: Codes,
}

impl Client {
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
        self.target = Some(Target { generation, codes: codes.clone() });
        if let Err(trouble) = self.order_target().await {
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
        self.untouched = false;
        loop {
            match self.try_stage(number, codes).await {
                Ok(()) => return Ok(()),
                Err(trouble) => self.overcome(trouble).await?,
            }
        }
    }

    async fn try_stage(&mut self, number: u32, codes: &Codes) -> Result<(), Trouble> {
        let most = self.most_codes();
        for (block, codes) in [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)] {
            for piece in pieces_of_words(codes, None, most) {
                let stage = Stage { generation: number, block, first: piece.first, codes: piece.codes() };
                self.session.order_ahead("stage", Command::Stage(stage)).await?;
            }
        }
        self.session.settle().await
    }

    /// Bytes of codes that a message takes.
    fn most_codes(&self) -> usize {
        usize::from(self.identity.limits.max_message).saturating_sub(HEAD)
    }

    fn check_fit(&self, codes: &Codes) -> Result<(), DeviceError> {
        let limits = self.identity.limits;
        let (couplings, fields) = (limits.couplings as usize, 2 * usize::from(limits.sites));
        if (codes.couplings.len(), codes.fields.len()) != (couplings, fields) {
            let (ours, theirs) = (codes.couplings.len(), couplings);
            let what = format!(
                "it says it has {theirs} couplings and {fields} field converters, not {ours} and {}",
                codes.fields.len()
            );
            return Err(DeviceError::Protocol { what });
        }
        Ok(())
    }

    /// Puts the target in force and waits until it is.
    pub(super) async fn put_in_force(&mut self) -> Result<(), Trouble> {
        self.order_target().await?;
        self.session.settle().await
    }

    /// Stages the target's codes and commits them, without waiting for an answer: as words, those that differ from what the
    /// device is known to hold; or all as differences to it.
    async fn order_target(&mut self) -> Result<(), Trouble> {
        let untouched = std::mem::replace(&mut self.untouched, false);
        let Some(Target { generation, codes }) = &self.target else { return Ok(()) };
        let blocks = [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)];
        let most = self.most_codes();
        let mut pieces = Vec::new();
        for (block, codes) in blocks {
            let held = self.held.as_ref().map(|held| match block {
                Block::Couplings => (held.generation, &held.codes.couplings[..]),
                Block::Fields => (held.generation, &held.codes.fields[..]),
            });
            let of_block = match held {
                Some((base, held)) if self.codec == Codec::Delta => pieces_of_differences(codes, held, base, most),
                // After an attempt that failed nobody knows what is staged.
                held => pieces_of_words(codes, held.filter(|_| untouched).map(|(_, held)| held), most),
            };
            pieces.extend(of_block.into_iter().map(|piece| (block, piece)));
        }
        if pieces.is_empty() {
            // Nothing changed, and the number still has to exist on the device.
            pieces.push((Block::Couplings, Piece::empty()));
        }
        for (block, piece) in &pieces {
            let stage =
                Stage { generation: generation.number, block: *block, first: piece.first, codes: piece.codes() };
            self.session.order_ahead("stage", Command::Stage(stage)).await?;
        }
        self.session.order_ahead(COMMIT, Command::Commit(*generation)).await?;
        // Of a device that refuses it, or is lost before it has it, both are asked again.
        self.generation = *generation;
        (self.held, self.untouched) = (Some(Target { generation: *generation, codes: codes.clone() }), true);
        Ok(())
    }

    /// Arms a device again that went safe because it had not heard of us for a while.
    pub(super) async fn arm_again(&mut self) -> Result<(), Trouble> {
        self.arm().await?;
        if !self.session.went_safe {
            self.rearmed += 1;
            tracing::warn!(
                "{} had gone safe after a silence of the host: it is armed again, unfinished shots run again",
                self.place()
            );
        }
        Ok(())
    }

    pub(super) async fn arm(&mut self) -> Result<(), Trouble> {
        self.session.arm(self.generation).await
    }
}

pub(super) fn bytes_of(codes: &[DacCode]) -> Vec<u8> {
    let mut bytes = vec![0; 2 * codes.len()];
    for (place, code) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(codes) {
        *place = code.0.to_le_bytes();
    }
    bytes
}
