//! Chips that cost nothing: they answer as the drivers' checks want, and ADCs give the codes of phases that are known. Whatever
//! they do is left out of the count.
//!
//! Each latch is taken for the next segment of a shot. Site by site the phase of the free state is drawn; under +β it moves
//! by up to [`MOVED`] either way, under −β by the opposite up to a step, and a release comes back up to a step: about what the
//! 15 × 15 XOR task shows, so that the delta codec has the work it has there.

use core::convert::Infallible;

use embedded_hal::{
    delay::DelayNs,
    spi::{ErrorType, Operation, SpiDevice},
};
use xyloop_firmware::{
    BoardError,
    front_end::Hardware,
    keyed::philox,
    phase::cossin,
    rig_image::{CHIPS_MAX, ChipKind, RigImage},
};
use xyloop_protocol::units::{ShotId, Turn};

use crate::counter::leave_out;

/// Most that a nudge moves a phase, 2^-16 turns.
const MOVED: u32 = 24;

/// The codes of all chips' channels: what was written to a DAC, what an ADC gives.
pub type Codes = [[u16; MOST_CHANNELS]; CHIPS_MAX];

const MOST_CHANNELS: usize = ChipKind::Ad5370.channels() as usize;

/// The hardware below the front end.
pub struct Chips {
    image: RigImage<'static>,
    codes: &'static mut Codes,
    /// The last word that any DAC got.
    last: [u8; 3],
    /// Latches since the shot began.
    segment: u32,
    waits_us: Option<u32>,
    /// The plant's time stands still.
    pub held: bool,
    /// No conversion comes to an end.
    pub broken: bool,
}

impl Chips {
    /// Chips as an image names them. `codes` is no part of them, because they are on the stack.
    pub fn new(image: RigImage<'static>, codes: &'static mut Codes) -> Self {
        let mut chips = Self { image, codes, last: [0; 3], segment: 0, waits_us: None, held: false, broken: false };
        chips.play();
        chips
    }

    /// Puts the codes of this segment's phases on the ADCs.
    fn play(&mut self) {
        let mut channels = self.image.read_channels();
        for site in 0..self.image.sites() {
            let (cos, sin) = cossin(phase(site, self.segment));
            for (at, x) in channels.by_ref().take(2).zip([cos, sin]) {
                let code = (i64::from(x) * 29_000) >> 31;
                self.codes[usize::from(at.chip)][usize::from(at.channel)] = code as u16;
            }
        }
    }

    /// A word that a DAC got; a code is kept.
    fn write(&mut self, chip: u8, word: [u8; 3]) {
        self.last = word;
        let channel = match (self.image.kind(chip), word[0]) {
            (Some(ChipKind::Ad5370), head @ 0xc8..) => head - 0xc8,
            (Some(ChipKind::Ad5676r), head @ 0x10..0x18) => head - 0x10,
            _ => return,
        };
        if let Some(code) = self.codes[usize::from(chip)].get_mut(usize::from(channel)) {
            *code = u16::from_be_bytes([word[1], word[2]]);
        }
    }

    #[inline(never)]
    fn answer(&mut self, chip: u8, operations: &mut [Operation<'_, u8>]) {
        for operation in operations {
            match operation {
                Operation::Write([head, high, low]) => self.write(chip, [*head, *high, *low]),
                Operation::Read(bytes) => {
                    let codes = self.codes[usize::from(chip)];
                    for (place, code) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(codes) {
                        *place = code.to_be_bytes();
                    }
                }
                Operation::TransferInPlace([_, data @ ..]) => {
                    data.copy_from_slice(&self.read_back(chip).to_be_bytes());
                }
                _ => panic!("an operation that these chips do not know"),
            }
        }
    }

    /// What comes back of the register that the last word named.
    fn read_back(&self, chip: u8) -> u16 {
        let named = u16::from_be_bytes([self.last[1], self.last[2]]);
        let (which, register) = (named >> 13, usize::from(named >> 7 & 0x3f));
        let code = |channel| self.codes[usize::from(chip)].get(channel).copied().unwrap_or(0);
        match (self.image.kind(chip), which, register) {
            (Some(ChipKind::Ad5676r), ..) => code(usize::from(self.last[0] & 7)),
            (_, 0, _) => code(register.wrapping_sub(8)),
            // Trims as the driver sets them, the control register, the offset DACs; the A/B select registers hold zeros.
            (_, 2, _) => 0x8000,
            (_, 3, _) => 0xffff,
            (_, 4, 1) => 0b10,
            (_, 4, 2 | 3) => 0x2000,
            _ => 0,
        }
    }
}

/// Of the kick, the free state, +β, the release, −β and the end.
pub fn phase(site: u16, segment: u32) -> Turn {
    let [free, moved, step, _] = philox([1, 2], [site.into(), 0, 0, 0]);
    let moved = (moved % (2 * MOVED + 1)) as u16;
    let moved = moved.wrapping_sub(MOVED as u16);
    // Of one site in four, as nudges are small and the loop is not quite linear.
    let step = u16::from(step.is_multiple_of(4));
    let difference = match segment {
        2 => moved,
        3 => step,
        4 => step.wrapping_sub(moved),
        _ => 0,
    };
    Turn((free as u16).wrapping_add(difference))
}

/// One of them, selected.
pub struct Chip<'a>(&'a mut Chips, u8);

impl ErrorType for Chip<'_> {
    type Error = Infallible;
}

impl SpiDevice for Chip<'_> {
    // A call, as to any driver of a bus: that is counted.
    #[inline(never)]
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        leave_out(|| self.0.answer(self.1, operations));
        Ok(())
    }
}

/// They need no waits.
pub struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}

impl Hardware for Chips {
    type Spi<'a> = Chip<'a>;
    type Delay = NoDelay;

    fn chip(&mut self, address: u8) -> Chip<'_> {
        Chip(self, address)
    }

    fn delay(&mut self) -> NoDelay {
        NoDelay
    }

    #[inline(never)]
    fn latch(&mut self) -> Result<(), BoardError> {
        leave_out(|| {
            self.segment = self.segment.wrapping_add(1);
            self.play();
        });
        Ok(())
    }

    fn clear(&mut self, _: bool) {}

    fn reset(&mut self) -> Result<(), BoardError> {
        Ok(())
    }

    fn convert(&mut self) -> Result<(), BoardError> {
        if self.broken { Err(BoardError::Converter) } else { Ok(()) }
    }

    fn mark(&mut self, _: ShotId) {
        // The kick's latch comes next.
        self.segment = u32::MAX;
    }

    fn start(&mut self, duration_us: u32) {
        self.waits_us = Some(duration_us);
    }

    fn elapsed_us(&mut self) -> Option<u32> {
        if self.held { None } else { self.waits_us.take() }
    }

    fn stop(&mut self) {
        self.waits_us = None;
    }
}
