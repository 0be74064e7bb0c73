//! Staged and committed parameters. A generation is staged as absolute codes in any number of pieces, checked by the
//! CRC-32C of the whole set and then latched at once; what was committed stays in force until then.

use xyloop_protocol::{
    crc::Crc32c,
    message::{Block, Generation, Reason, Refusal, Stage},
    units::DacCode,
};

/// Both sets of codes.
pub struct Generations<'a> {
    couplings: usize,
    committed: &'a mut [DacCode],
    staged: &'a mut [DacCode],
    current: Option<Generation>,
    coming: Option<u32>,
}

impl<'a> Generations<'a> {
    /// Nothing committed. Both slices: couplings, then two per site.
    pub fn new(couplings: usize, committed: &'a mut [DacCode], staged: &'a mut [DacCode]) -> Self {
        Self { couplings, committed, staged, current: None, coming: None }
    }

    /// What is committed.
    pub fn current(&self) -> Option<Generation> {
        self.current
    }

    /// Committed coupling codes.
    pub fn couplings(&self) -> &[DacCode] {
        self.committed.get(..self.couplings).unwrap_or_default()
    }

    /// Committed field codes, x and y of each site.
    pub fn fields(&self) -> &[DacCode] {
        self.committed.get(self.couplings..).unwrap_or_default()
    }

    /// Takes a piece of the generation to come. The first piece of a new number starts from the committed codes.
    pub fn stage(&mut self, stage: &Stage<'_>) -> Result<(), Refusal> {
        let block = match stage.block {
            Block::Couplings => 0..self.couplings,
            Block::Fields => self.couplings..self.staged.len(),
        };
        let limit = block.len();
        let out_of_range = Refusal { reason: Reason::OutOfRange, detail: limit as u64 };
        let codes = stage.codes.as_u16s().ok_or(out_of_range)?;
        // A piece that is refused changes nothing, so this comes first.
        let first = block.start.saturating_add(stage.first as usize);
        let place = first..first.saturating_add(codes.len());
        if place.end > block.end {
            return Err(out_of_range);
        }
        if self.coming != Some(stage.generation) {
            self.staged.copy_from_slice(self.committed);
            self.coming = Some(stage.generation);
        }
        let target = self.staged.get_mut(place).ok_or(out_of_range)?;
        for (place, code) in target.iter_mut().zip(codes) {
            *place = DacCode(code);
        }
        Ok(())
    }

    /// Makes the staged codes the committed ones. Repeating a commit that was done is no error.
    pub fn commit(&mut self, generation: Generation) -> Result<(), Refusal> {
        if self.coming != Some(generation.number) {
            if self.current == Some(generation) {
                return Ok(());
            }
            let detail = u64::from(self.coming.unwrap_or(0));
            return Err(Refusal { reason: Reason::NotStaged, detail });
        }
        let crc = crc_of(self.staged);
        if crc != generation.crc {
            return Err(Refusal { reason: Reason::CrcMismatch, detail: u64::from(crc) });
        }
        self.committed.copy_from_slice(self.staged);
        self.current = Some(generation);
        self.coming = None;
        Ok(())
    }
}

/// CRC-32C of codes as they travel: 16 bits each, little endian.
pub fn crc_of(codes: &[DacCode]) -> u32 {
    let mut crc = Crc32c::new();
    for code in codes {
        crc.update(&code.0.to_le_bytes());
    }
    crc.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use xyloop_protocol::message::Bytes;

    fn stage(generation: u32, block: Block, first: u32, codes: &[u8]) -> Stage<'_> {
        Stage { generation, block, first, codes: Bytes(codes) }
    }

    #[test]
    fn a_generation_comes_into_force_whole_or_not_at_all() {
        let (mut committed, mut staged) = ([DacCode(7); 7], [DacCode(0); 7]);
        let mut generations = Generations::new(3, &mut committed, &mut staged);
        assert!(generations.stage(&stage(1, Block::Couplings, 1, &[1, 0, 2, 0])).is_ok());
        assert!(generations.stage(&stage(1, Block::Fields, 3, &[9, 0])).is_ok());
        let want = [7, 1, 2, 7, 7, 7, 9].map(DacCode);
        let wrong = Generation { number: 1, crc: crc_of(&want) ^ 1 };
        let refusal = generations.commit(wrong).err().map(|refusal| refusal.reason);
        assert_eq!(refusal, Some(Reason::CrcMismatch));
        assert_eq!(generations.couplings(), [DacCode(7); 3]);
        let right = Generation { number: 1, crc: crc_of(&want) };
        assert_eq!(generations.commit(right), Ok(()));
        assert_eq!(generations.commit(right), Ok(()), "a commit can be repeated");
        assert_eq!(generations.couplings(), &want[..3]);
        assert_eq!(generations.fields(), &want[3..]);
    }

    #[test]
    fn another_number_starts_again_from_what_is_in_force() {
        let (mut committed, mut staged) = ([DacCode(7); 5], [DacCode(0); 5]);
        let mut generations = Generations::new(3, &mut committed, &mut staged);
        assert!(generations.stage(&stage(1, Block::Couplings, 0, &[1, 0])).is_ok());
        assert!(generations.stage(&stage(2, Block::Couplings, 1, &[2, 0])).is_ok());
        let want = [7, 2, 7, 7, 7].map(DacCode);
        assert_eq!(generations.commit(Generation { number: 2, crc: crc_of(&want) }), Ok(()));
    }

    #[test]
    fn pieces_outside_a_block_are_refused() {
        let (mut committed, mut staged) = ([DacCode(7); 5], [DacCode(0); 5]);
        let mut generations = Generations::new(3, &mut committed, &mut staged);
        for bad in [
            stage(1, Block::Couplings, 3, &[1, 0]),
            stage(1, Block::Couplings, u32::MAX, &[1, 0]),
            stage(1, Block::Fields, 1, &[1, 0, 2, 0]),
            stage(1, Block::Fields, 0, &[1]),
        ] {
            assert_eq!(generations.stage(&bad).err().map(|r| r.reason), Some(Reason::OutOfRange));
        }
        // Nor does a refused piece of another number undo what is staged.
        assert!(generations.stage(&stage(1, Block::Couplings, 0, &[1, 0])).is_ok());
        assert!(generations.stage(&stage(2, Block::Couplings, 9, &[1, 0])).is_err());
        let want = [1, 7, 7, 7, 7].map(DacCode);
        assert_eq!(generations.commit(Generation { number: 1, crc: crc_of(&want) }), Ok(()));
    }
}
