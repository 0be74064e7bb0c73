//! Staged and committed parameters. A generation is staged as codes, or differences to those committed, in any number of pieces, checked by the
//! CRC-32C of the whole set and then latched at once; what was committed stays in force until then.

use xyloop_protocol::{
    codec::rice,
    crc::Crc32c,
    message::{Block, CodeArray, Differences, Generation, Reason, Refusal, Stage},
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

    /// Takes a piece of the generation to come, whose codes must not be above `top`. The first piece of a new number
    /// starts from the committed codes. Differences are to the committed codes too, whatever was staged: a piece may come
    /// twice.
    pub fn stage(&mut self, stage: &Stage<'_>, top: u16) -> Result<(), Refusal> {
        let block = match stage.block {
            Block::Couplings => 0..self.couplings,
            Block::Fields => self.couplings..self.staged.len(),
        };
        let limit = block.len();
        let out_of_range = Refusal { reason: Reason::OutOfRange, detail: limit as u64 };
        let count = match stage.codes {
            CodeArray::Words(words) => words.as_u16s().ok_or(out_of_range)?.len(),
            CodeArray::Differences(differences) => differences.count as usize,
        };
        let first = block.start.saturating_add(stage.first as usize);
        let place = first..first.saturating_add(count);
        if place.end > block.end {
            return Err(out_of_range);
        }
        let committed = self.committed.get(place.clone()).ok_or(out_of_range)?;
        // A piece that is refused changes nothing, so it is looked through before any of it is taken.
        let largest = match stage.codes {
            CodeArray::Words(words) => words.as_u16s().and_then(Iterator::max).unwrap_or(0),
            CodeArray::Differences(differences) => {
                check_base(differences.base, self.current)?;
                let mut largest = 0;
                add(&differences, committed, |_, code| largest = largest.max(code))?;
                largest
            }
        };
        if largest > top {
            return Err(Refusal { reason: Reason::OutOfRange, detail: top.into() });
        }
        if self.coming != Some(stage.generation) {
            self.staged.copy_from_slice(self.committed);
            self.coming = Some(stage.generation);
        }
        let target = self.staged.get_mut(place).ok_or(out_of_range)?;
        match stage.codes {
            CodeArray::Words(words) => {
                for (place, code) in target.iter_mut().zip(words.as_u16s().into_iter().flatten()) {
                    *place = DacCode(code);
                }
                Ok(())
            }
            CodeArray::Differences(differences) => add(&differences, committed, |index, code| {
                if let Some(place) = target.get_mut(index) {
                    *place = DacCode(code);
                }
            }),
        }
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

fn check_base(base: Generation, current: Option<Generation>) -> Result<(), Refusal> {
    let held = current.unwrap_or_default();
    if base.number != held.number || current.is_none() {
        return Err(Refusal { reason: Reason::WrongGeneration, detail: held.number.into() });
    }
    if base.crc != held.crc {
        return Err(Refusal { reason: Reason::CrcMismatch, detail: held.crc.into() });
    }
    Ok(())
}

/// Each code with its index, from its difference to the committed one.
fn add(differences: &Differences<'_>, committed: &[DacCode], mut take: impl FnMut(usize, u16)) -> Result<(), Refusal> {
    let coded = differences.coded.0;
    rice::decode::<16>(coded, committed.len(), |index, folded| {
        let base = committed.get(index).copied().unwrap_or_default();
        take(index, base.0.wrapping_add(rice::unfold16(folded)));
    })
    .map_err(|_| Refusal { reason: Reason::Malformed, detail: coded.len() as u64 })
}

/// CRC-32C of codes as they travel: 16 bits each, little endian.
pub fn crc_of(codes: &[DacCode]) -> u32 {
    let mut crc = Crc32c::new();
    for codes in codes.chunks(64) {
        let mut bytes = [0; 128];
        for (place, code) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(codes) {
            *place = code.0.to_le_bytes();
        }
        crc.update(bytes.get(..2 * codes.len()).unwrap_or_default());
    }
    crc.finish()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use xyloop_protocol::message::Bytes;

    fn stage(generation: u32, block: Block, first: u32, codes: &[u8]) -> Stage<'_> {
        Stage { generation, block, first, codes: CodeArray::Words(Bytes(codes)) }
    }

    #[test]
    fn a_generation_comes_into_force_whole_or_not_at_all() {
        let (mut committed, mut staged) = ([DacCode(7); 7], [DacCode(0); 7]);
        let mut generations = Generations::new(3, &mut committed, &mut staged);
        assert!(generations.stage(&stage(1, Block::Couplings, 1, &[1, 0, 2, 0]), u16::MAX).is_ok());
        assert!(generations.stage(&stage(1, Block::Fields, 3, &[9, 0]), u16::MAX).is_ok());
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
        assert!(generations.stage(&stage(1, Block::Couplings, 0, &[1, 0]), u16::MAX).is_ok());
        assert!(generations.stage(&stage(2, Block::Couplings, 1, &[2, 0]), u16::MAX).is_ok());
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
            assert_eq!(generations.stage(&bad, u16::MAX).err().map(|r| r.reason), Some(Reason::OutOfRange));
        }
        // Nor does a refused piece of another number undo what is staged.
        assert!(generations.stage(&stage(1, Block::Couplings, 0, &[1, 0]), u16::MAX).is_ok());
        assert!(generations.stage(&stage(2, Block::Couplings, 9, &[1, 0]), u16::MAX).is_err());
        let want = [1, 7, 7, 7, 7].map(DacCode);
        assert_eq!(generations.commit(Generation { number: 1, crc: crc_of(&want) }), Ok(()));
    }

    /// As a host would: what the codes are to be, against what is committed.
    fn differences(base: Generation, from: &[u16], to: &[u16]) -> CodeArray<'static> {
        let folded = to.iter().zip(from).map(|(to, from)| rice::fold16(to.wrapping_sub(*from)));
        let out = std::vec![0; rice::most_bytes::<16>(to.len())].leak();
        let bytes = rice::encode::<16>(folded, out).unwrap_or(0);
        CodeArray::Differences(Differences { base, count: to.len() as u32, coded: Bytes(&out[..bytes]) })
    }

    #[test]
    fn differences_are_to_the_committed_codes_however_often_they_come() {
        let (mut committed, mut staged) = ([DacCode(7); 5], [DacCode(0); 5]);
        let mut generations = Generations::new(3, &mut committed, &mut staged);
        let first = Generation { number: 1, crc: crc_of(&[60_000, 1, 2, 7, 7].map(DacCode)) };
        let piece = |generation, codes| Stage { generation, block: Block::Couplings, first: 0, codes };
        let early = piece(1, differences(Generation::default(), &[7; 3], &[8; 3]));
        let refusal = generations.stage(&early, u16::MAX).err().map(|refusal| refusal.reason);
        assert_eq!(refusal, Some(Reason::WrongGeneration), "nothing is committed yet");
        assert!(generations.stage(&stage(1, Block::Couplings, 0, &[0x60, 0xea, 1, 0, 2, 0]), u16::MAX).is_ok());
        assert_eq!(generations.commit(first), Ok(()));

        // Modulo 2^16, too; and a first attempt at the same generation leaves nothing behind.
        let (from, wrong, to) = ([60_000, 1, 2], [5, 6, 7], [10, 65_535, 3]);
        for codes in [wrong, to, to] {
            let again = piece(2, differences(first, &from, &codes));
            assert_eq!(generations.stage(&again, u16::MAX), Ok(()));
        }
        let want = [10, 65_535, 3, 7, 7].map(DacCode);
        assert_eq!(generations.commit(Generation { number: 2, crc: crc_of(&want) }), Ok(()));
    }

    #[test]
    fn differences_to_other_codes_damaged_or_too_large_are_refused_and_change_nothing() {
        let (mut committed, mut staged) = ([DacCode(7); 5], [DacCode(0); 5]);
        let mut generations = Generations::new(3, &mut committed, &mut staged);
        let held = Generation { number: 4, crc: crc_of(&[7; 5].map(DacCode)) };
        assert!(generations.stage(&stage(4, Block::Fields, 0, &[]), u16::MAX).is_ok());
        assert_eq!(generations.commit(held), Ok(()));
        assert!(generations.stage(&stage(5, Block::Couplings, 0, &[1, 0]), u16::MAX).is_ok());
        let refused = |generations: &mut Generations<'_>, codes, top| {
            let piece = Stage { generation: 6, block: Block::Couplings, first: 1, codes };
            generations.stage(&piece, top).err().map(|refusal| (refusal.reason, refusal.detail))
        };
        let good = |base| differences(base, &[7; 2], &[9, 4000]);
        let other_number = good(Generation { number: 3, ..held });
        assert_eq!(refused(&mut generations, other_number, u16::MAX), Some((Reason::WrongGeneration, 4)));
        let other_codes = good(Generation { crc: held.crc ^ 1, ..held });
        assert_eq!(refused(&mut generations, other_codes, u16::MAX), Some((Reason::CrcMismatch, held.crc.into())));
        let right = good(held);
        assert_eq!(refused(&mut generations, right, 3999), Some((Reason::OutOfRange, 3999)));
        let CodeArray::Differences(differences) = right else { unreachable!() };
        let cut = Differences { coded: Bytes(&differences.coded.0[1..]), ..differences };
        assert_eq!(
            refused(&mut generations, CodeArray::Differences(cut), u16::MAX).map(|r| r.0),
            Some(Reason::Malformed)
        );
        let many = Differences { count: u32::MAX, ..differences };
        assert_eq!(refused(&mut generations, CodeArray::Differences(many), u16::MAX), Some((Reason::OutOfRange, 3)));
        let beyond = self::differences(held, &[7; 3], &[8; 3]);
        assert_eq!(refused(&mut generations, beyond, u16::MAX), Some((Reason::OutOfRange, 3)), "from code 1 on");
        // Generation 5 is as it was staged.
        let want = [1, 7, 7, 7, 7].map(DacCode);
        assert_eq!(generations.commit(Generation { number: 5, crc: crc_of(&want) }), Ok(()));
    }
}
