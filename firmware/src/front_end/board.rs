//! The [`Board`] over converters: codes to channels, latches, conversions, safe outputs.

use embedded_hal::delay::DelayNs;
use xyloop_protocol::units::{AdcCode, DacCode, IqCode, ShotId, Turn};

use super::Hardware;
use crate::{
    board::{Board, BoardError, Pace, ReadKey, SafeTable},
    converters::{Ad5370, Ad5676r, Ad7606, Ads131m08, Oversampling},
    rig_image::{Channel, ChipKind, RigImage},
};

/// What a poll may take on the buses, microseconds: a few milliseconds between two looks at the link.
const POLL_US: u32 = 3_000;

/// After a reset an AD5370 hears nothing for 400 µs.
const RESET_US: u32 = 500;

/// Memory of a front end.
pub struct Memory<'a> {
    /// The bias-field codes that the chips hold: 2 × sites.
    pub fields: &'a mut [DacCode],
    /// One reading of all ADCs: [`CHANNELS_PER_ADC`] × number of chips.
    pub readings: &'a mut [i16],
}

/// Channels of an ADC in [`Memory::readings`].
pub const CHANNELS_PER_ADC: usize = 8;

/// Converters on SPI as a board.
pub struct FrontEnd<'a, H> {
    hardware: H,
    image: RigImage<'a>,
    memory: Memory<'a>,
    pace: Pace,
    /// Whether the chips hold the fields in `memory`.
    fields_known: bool,
    /// Whether the clear line is held low: since reset, or since codes could not be written.
    cleared: bool,
    /// The last attempt to set the chips up failed: no code means on them what it should.
    broken: bool,
    /// The chip that is looked at when the next shot begins.
    next_look: u8,
}

impl<'a, H: Hardware> FrontEnd<'a, H> {
    /// A front end by its image. No chip is touched before [`Board::recover`], which sets them up. The error names the slice
    /// that is too short.
    pub fn new(hardware: H, image: RigImage<'a>, memory: Memory<'a>) -> Result<Self, &'static str> {
        if memory.fields.len() < 2 * usize::from(image.sites()) {
            return Err("front end: fields");
        }
        if memory.readings.len() < CHANNELS_PER_ADC * image.chips().len() {
            return Err("front end: readings");
        }
        let times = image.times();
        let couplings = image.couplings().len().max(1) as u32;
        // Rounded up to 1 in case a single code or reading takes longer than that.
        let codes = (u64::from(POLL_US) * u64::from(couplings) / u64::from(times.generation_us.max(1))).max(1);
        let reads = (POLL_US / times.read_us.max(1)).clamp(1, 64);
        let pace = Pace { codes: codes as usize, reads: reads as u8 };
        Ok(Self { hardware, image, memory, pace, fields_known: false, cleared: true, broken: false, next_look: 0 })
    }

    /// The board below.
    pub fn hardware(&mut self) -> &mut H {
        &mut self.hardware
    }

    fn write(&mut self, at: Channel, code: u16) -> Result<(), BoardError> {
        let spi = self.hardware.chip(at.chip);
        let written = match self.image.kind(at.chip) {
            Some(ChipKind::Ad5370) => Ad5370::new(spi).write(at.channel, code).is_ok(),
            Some(ChipKind::Ad5676r) => Ad5676r::new(spi).write(at.channel, code).is_ok(),
            _ => false,
        };
        if written { Ok(()) } else { Err(BoardError::Converter) }
    }

    fn write_fields(&mut self, codes: &[DacCode], all: bool) -> Result<(), BoardError> {
        let bits = self.image.converters().field_bits;
        let all = all || !self.fields_known;
        // Until it is done nobody knows what the chips hold.
        self.fields_known = false;
        for (index, (at, code)) in self.image.field_channels().zip(codes).enumerate() {
            if all || self.memory.fields[index] != *code {
                self.write(at, left_aligned(*code, bits))?;
                self.memory.fields[index] = *code;
            }
        }
        self.fields_known = true;
        Ok(())
    }

    fn write_inputs(&mut self, inputs: &[Turn]) -> Result<(), BoardError> {
        // The bits that the rig's converter does not have are dropped.
        let dropped = 16u32.saturating_sub(self.image.converters().input_bits.into());
        for (at, turn) in self.image.input_channels().zip(inputs) {
            self.write(at, (turn.0 >> dropped) << dropped)?;
        }
        Ok(())
    }

    /// Safe codes into every register; when they have been seen there the clear line is let go and they are latched.
    fn write_safe(&mut self, safe: &SafeTable<'_>) -> Result<(), BoardError> {
        self.stage_couplings(0, safe.couplings)?;
        self.write_fields(safe.fields, true)?;
        self.write_inputs(safe.inputs)?;
        // Moves only DACs that have no clear line, and lets them settle before the board connects their outputs.
        self.hardware.latch()?;
        self.check_safe(safe)?;
        self.release()
    }

    /// Whether every DAC is set up and holds the safe code of the last channel that is in use.
    fn check_safe(&mut self, safe: &SafeTable<'_>) -> Result<(), BoardError> {
        let c = self.image.converters();
        let dropped = 16u32.saturating_sub(c.input_bits.into());
        let couplings = safe.couplings.iter().map(|code| left_aligned(*code, c.coupling_bits));
        let fields = safe.fields.iter().map(|code| left_aligned(*code, c.field_bits));
        let inputs = safe.inputs.iter().map(|turn| (turn.0 >> dropped) << dropped);
        let (image, mut codes) = (self.image, couplings.chain(fields).chain(inputs));
        let mut last: Option<(Channel, u16)> = None;
        let channels = image.coupling_channels().chain(image.field_channels()).chain(image.input_channels());
        for at in channels {
            let code = codes.next().unwrap_or_default();
            if let Some((before, code)) = last
                && before.chip != at.chip
            {
                self.check(before, code)?;
            }
            last = Some((at, code));
        }
        last.map_or(Ok(()), |(at, code)| self.check(at, code))
    }

    fn check(&mut self, at: Channel, code: u16) -> Result<(), BoardError> {
        let spi = self.hardware.chip(at.chip);
        let held = match self.image.kind(at.chip) {
            Some(ChipKind::Ad5370) => {
                let mut dac = Ad5370::new(spi);
                dac.check().and_then(|()| dac.read_back(at.channel)).ok()
            }
            Some(ChipKind::Ad5676r) => Ad5676r::new(spi).read_back(at.channel).ok(),
            _ => None,
        };
        if held == Some(code) { Ok(()) } else { Err(BoardError::Converter) }
    }

    /// Lets the clear line go and latches what was written.
    fn release(&mut self) -> Result<(), BoardError> {
        // The outputs stay at ground until the latch.
        self.hardware.clear(false);
        match self.hardware.latch() {
            Ok(()) => self.cleared = false,
            Err(_) => self.hardware.clear(true),
        }
        if self.cleared { Err(BoardError::Converter) } else { Ok(()) }
    }

    fn initialise(&mut self) -> Result<(), BoardError> {
        self.hardware.reset()?;
        let mut delay = self.hardware.delay();
        delay.delay_us(RESET_US);
        for (address, kind) in self.image.chips().enumerate() {
            let address = address as u8;
            let initialised = match kind {
                ChipKind::Ad5370 => Ad5370::new(self.hardware.chip(address)).initialise().is_ok(),
                ChipKind::Ad5676r => Ad5676r::new(self.hardware.chip(address)).initialise().is_ok(),
                // Nothing to set: its ranges are pins.
                ChipKind::Ad7606 => true,
                ChipKind::Ads131m08 => {
                    Ads131m08::new(self.hardware.chip(address)).initialise(Oversampling::X128, &mut delay).is_ok()
                }
            };
            if !initialised {
                return Err(BoardError::Converter);
            }
        }
        Ok(())
    }

    /// Looks whether the next of the DACs still is as it was set up, one a shot.
    fn look(&mut self) -> Result<(), BoardError> {
        let address = self.next_look;
        let kind = self.image.kind(address);
        self.next_look = if kind.is_some() { address.wrapping_add(1) } else { 0 };
        if kind != Some(ChipKind::Ad5370) {
            return Ok(());
        }
        Ad5370::new(self.hardware.chip(address)).check().map_err(|_| BoardError::Converter)
    }
}

impl<H: Hardware> Board for FrontEnd<'_, H> {
    fn replicas(&self) -> usize {
        1
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn stage_couplings(&mut self, first: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        let bits = self.image.converters().coupling_bits;
        // With a generation every field is written too.
        self.fields_known = false;
        for (at, code) in self.image.coupling_channels().skip(first).zip(codes) {
            self.write(at, left_aligned(*code, bits))?;
        }
        Ok(())
    }

    fn latch_fields(&mut self, _: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        if self.cleared {
            // The safe codes did not get through: no output follows a latch until the chips have been set up anew.
            return Err(BoardError::Converter);
        }
        self.write_fields(codes, false)?;
        self.hardware.latch()
    }

    fn prepare_fields(&mut self, _: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        // They wait for the latch; then nothing is left to write.
        self.write_fields(codes, false)
    }

    fn begin_shot(&mut self, _: usize, shot: ShotId, inputs: &[Turn]) -> Result<(), BoardError> {
        self.look()?;
        self.hardware.mark(shot);
        // On the outputs with the first fields of the shot.
        self.write_inputs(inputs)
    }

    fn start(&mut self, _: usize, _: u8, duration_us: u32) -> Result<(), BoardError> {
        self.hardware.start(duration_us);
        Ok(())
    }

    fn poll(&mut self, now_us: u64) -> Result<(), BoardError> {
        self.hardware.poll(now_us)
    }

    fn ready(&mut self, _: usize) -> Option<u32> {
        self.hardware.elapsed_us()
    }

    fn read(&mut self, _: usize, _: ReadKey, codes: &mut [IqCode]) -> Result<(), BoardError> {
        self.hardware.convert()?;
        let readings = self.memory.readings.as_chunks_mut::<CHANNELS_PER_ADC>().0;
        for ((address, kind), readings) in self.image.chips().enumerate().zip(readings) {
            let address = address as u8;
            let read = match kind {
                ChipKind::Ad7606 => Ad7606::new(self.hardware.chip(address)).read(readings).is_ok(),
                ChipKind::Ads131m08 => {
                    let mut wide = [0; CHANNELS_PER_ADC];
                    let read = Ads131m08::new(self.hardware.chip(address)).read(&mut wide).is_ok();
                    *readings = wide.map(|code| (code >> 8) as i16);
                    read
                }
                ChipKind::Ad5370 | ChipKind::Ad5676r => true,
            };
            if !read {
                return Err(BoardError::Converter);
            }
        }
        let dropped = 16u32.saturating_sub(self.image.converters().iq_bits.into());
        let mut channels = self.image.read_channels().map(|at| {
            let index = CHANNELS_PER_ADC * usize::from(at.chip) + usize::from(at.channel);
            AdcCode(rounded(self.memory.readings.get(index).copied().unwrap_or_default(), dropped))
        });
        for code in codes {
            *code = IqCode { i: channels.next().unwrap_or_default(), q: channels.next().unwrap_or_default() };
        }
        Ok(())
    }

    fn make_safe(&mut self, safe: &SafeTable<'_>) {
        // At ground first: that is one line, and cannot fail.
        self.hardware.clear(true);
        self.hardware.stop();
        self.cleared = true;
        // If it fails the outputs stay at ground, and the next latch is refused.
        if !self.broken {
            let _ = self.write_safe(safe);
        }
    }

    fn recover(&mut self, safe: &SafeTable<'_>) -> Result<(), BoardError> {
        self.hardware.clear(true);
        self.hardware.stop();
        self.cleared = true;
        self.broken = true;
        self.initialise()?;
        self.write_safe(safe)?;
        self.broken = false;
        Ok(())
    }
}

/// A code of `bits` as a 16-bit converter takes it.
const fn left_aligned(code: DacCode, bits: u8) -> u16 {
    code.0 << 16u32.saturating_sub(bits as u32)
}

/// A 16-bit code without its lowest `dropped` bits, to nearest, at most the largest code.
fn rounded(code: i16, dropped: u32) -> i16 {
    if dropped == 0 {
        return code;
    }
    let top = (1 << (15 - dropped)) - 1;
    ((i32::from(code) + (1 << (dropped - 1))) >> dropped).min(top) as i16
}
