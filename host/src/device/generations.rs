//! Generations of codes on a device: staged, committed, and armed again after the device went safe. What the device holds
//! of them follows `holding`.

use xyloop_protocol::{
    codec::Codec,
    message::{Block, Command, Stage},
};

use super::{
    client::Client,
    decode::{Piece, pieces_of_differences, pieces_of_words},
    error::DeviceError,
    holding::{Registers, Target},
    notice::Notice,
    session::{COMMIT, HEAD, Trouble},
};
use crate::calibration::Codes;

impl Client {
    /// Stages all codes under a number, as words, and waits until the device has them.
    pub(super) async fn try_stage(&mut self, number: u32, codes: &Codes) -> Result<(), Trouble> {
        let most = self.most_codes();
        for (block, codes) in [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)] {
            for piece in pieces_of_words(codes, None, most) {
                let stage = Stage { generation: number, block, first: piece.first, codes: piece.codes() };
                self.session.order_ahead("stage", Command::Stage(stage)).await?;
            }
        }
        self.session.settle().await
    }

    /// Returns how many bytes of codes a message takes.
    fn most_codes(&self) -> usize {
        usize::from(self.identity.limits.max_message).saturating_sub(HEAD)
    }

    /// Refuses codes for another array.
    pub(super) fn check_fit(&self, codes: &Codes) -> Result<(), DeviceError> {
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

    /// Puts the target in force, every code of it staged, and waits until it is.
    pub(super) async fn put_in_force(&mut self) -> Result<(), Trouble> {
        self.order_target(Registers::Unknown).await?;
        self.session.settle().await
    }

    /// Stages the target's codes and commits them, without waiting for an answer: as words, those that differ from what the
    /// registers are known to be; or all as differences to what is committed.
    pub(super) async fn order_target(&mut self, registers: Registers) -> Result<(), Trouble> {
        let Some((Target { generation, codes }, base)) = self.session.holding.staging() else { return Ok(()) };
        let (generation, most) = (*generation, self.most_codes());
        let blocks = [(Block::Couplings, &codes.couplings), (Block::Fields, &codes.fields)];
        let mut pieces = Vec::new();
        for (block, codes) in blocks {
            let base = base.map(|base| match block {
                Block::Couplings => (base.generation, &base.codes.couplings[..]),
                Block::Fields => (base.generation, &base.codes.fields[..]),
            });
            let of_block = match base {
                Some((base, committed)) if self.codec == Codec::Delta => {
                    pieces_of_differences(codes, committed, base, most)
                }
                base => {
                    let unchanged =
                        base.filter(|_| registers == Registers::AsCommitted).map(|(_, committed)| committed);
                    pieces_of_words(codes, unchanged, most)
                }
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
        self.session.order_ahead(COMMIT, Command::Commit(generation)).await?;
        // Of a device that refuses it, or is lost before it has it, both are asked again.
        self.generation = generation;
        self.session.holding.sent();
        Ok(())
    }

    /// Arms a device again that went safe because it had not heard of us for a while.
    pub(super) async fn arm_again(&mut self) -> Result<(), Trouble> {
        self.arm().await?;
        if !self.session.holding.is_safe() {
            self.rearmed += 1;
            self.tell(&Notice::Rearmed { place: self.place().to_owned() });
        }
        Ok(())
    }

    /// Arms the generation in force.
    pub(super) async fn arm(&mut self) -> Result<(), Trouble> {
        self.session.arm(self.generation).await
    }
}
