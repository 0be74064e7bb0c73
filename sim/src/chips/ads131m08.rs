//! ADS131M08: ADC, 8 channels of 24 bits, sampled at once, frames with a CRC both ways.
//!
//! Words of 24 bits; what is shorter stands in the upper bits. A frame out: response, eight channels, CRC-16 (start
//! 0xFFFF) over them. A frame in: command, then for WREG the registers' words, then, if MODE says so, the CRC over them;
//! what follows does not matter. The response to a command comes with the next frame: the register for RREG of one,
//! 0xE000 | address and count in front of the registers for RREG of several, 0x4000 | address and count for WREG, STATUS
//! for NULL and for whatever was not carried out. With a wrong CRC nothing is carried out *except WREG*; STATUS tells it
//! once. RESET wants the whole frame of ten words.
//!
//! At power-up and after a reset STATUS and MODE have their RESET bit set, until MODE is written without it.

use super::{ADC_CHANNELS, FrameError, quantised};

const WORD: usize = 3;
/// Words of the usual frame.
const FRAME: usize = 2 + ADC_CHANNELS;
const REGISTERS: usize = 0x40;

const ID: usize = 0x00;
const STATUS: usize = 0x01;
const MODE: usize = 0x02;
const CLOCK: usize = 0x03;
const GAIN1: usize = 0x04;
const CONFIG: usize = 0x06;
const CHANNEL_0: usize = 0x09;
/// Registers of each channel: configuration, offset (24 bits in two), gain (24 bits in two).
const PER_CHANNEL: usize = 5;
const CHANNELS_END: usize = CHANNEL_0 + PER_CHANNEL * ADC_CHANNELS;

const STATUS_LOCK: u16 = 1 << 15;
const STATUS_CRC_ERROR: u16 = 1 << 12;
const MODE_INPUT_CRC: u16 = 1 << 12;
const MODE_ANSI_CRC: u16 = 1 << 11;
const RESET_BIT: u16 = 1 << 10;
const WORD_LENGTH: u16 = 3 << 8;
const WORD_24: u16 = 1 << 8;

const ADDRESS_AND_COUNT: u16 = 0x1fff;

/// What the next frame answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Status,
    Word(u16),
    /// From this register on so many.
    Registers(usize, usize),
}

/// The chip.
#[allow(clippy::struct_excessive_bools, reason = "one per state of the chip, as in the data sheet")]
#[derive(Clone, Debug)]
pub struct Ads131m08 {
    registers: [u16; REGISTERS],
    results: [i32; ADC_CHANNELS],
    /// One bit per channel with a result that was not read.
    ready: u16,
    answer: Answer,
    locked: bool,
    standby: bool,
    crc_error: bool,
    reset: bool,
}

impl Default for Ads131m08 {
    /// Just powered up.
    fn default() -> Self {
        let mut registers = [0; REGISTERS];
        registers[ID] = 0x2800;
        registers[MODE] = 0x0510;
        registers[CLOCK] = 0xff0e;
        registers[CONFIG] = 0x0600;
        for channel in 0..ADC_CHANNELS {
            registers[CHANNEL_0 + PER_CHANNEL * channel + 3] = 0x8000;
        }
        Self {
            registers,
            results: [0; ADC_CHANNELS],
            ready: 0,
            answer: Answer::Word(0xff28),
            locked: false,
            standby: false,
            crc_error: false,
            reset: true,
        }
    }
}

impl Ads131m08 {
    /// See [`super::Chip::transfer`].
    pub fn transfer(&mut self, mosi: &[u8], miso: &mut [u8]) -> Result<(), FrameError> {
        self.shift_out(miso);
        let (words, rest) = mosi.as_chunks::<WORD>();
        self.answer = Answer::Status;
        if words.is_empty() || !rest.is_empty() {
            return Err(FrameError::Bits { bits: 8 * mosi.len() as u32 });
        }
        let upper = |nth: usize| words.get(nth).map(|word| u16::from_be_bytes([word[0], word[1]]));
        let command = upper(0).unwrap_or_default();
        let writes = command & 0xe000 == 0x6000;
        let count = usize::from(command & 0x7f) + 1;
        let covered = if writes { 1 + count } else { 1 };
        let damage = self.judge_crc(words, covered);
        self.crc_error |= damage.is_err();
        match command {
            _ if writes && !self.locked => {
                let address = usize::from(command >> 7 & 0x3f);
                let mut written = 0;
                for (nth, register) in (address..).take(count).enumerate() {
                    let Some(value) = upper(1 + nth) else { break };
                    self.write(register, value)?;
                    written += 1;
                }
                if written < count {
                    return Err(FrameError::Bits { bits: 8 * mosi.len() as u32 });
                }
                if damage.is_ok() {
                    self.answer = Answer::Word(0x4000 | command & ADDRESS_AND_COUNT);
                }
                return damage;
            }
            _ if damage.is_err() => return damage,
            0x0000 => {}
            0x0655 => {
                self.locked = false;
                self.answer = Answer::Word(command);
            }
            _ if command & 0xe000 == 0xa000 => {
                let address = usize::from(command >> 7 & 0x3f);
                self.answer = match count {
                    1 => Answer::Word(self.read(address)),
                    _ => Answer::Registers(address, count),
                };
            }
            0x0011 | 0x0022 | 0x0033 | 0x0555 if self.locked => {}
            0x0011 if words.len() < FRAME => self.answer = Answer::Word(command),
            0x0011 => *self = Self { reset: self.reset, ..Self::default() },
            0x0022 | 0x0033 => {
                self.standby = command == 0x0022;
                self.answer = Answer::Word(command);
            }
            0x0555 => {
                self.locked = true;
                self.answer = Answer::Word(command);
            }
            _ if writes => {}
            _ => return Err(FrameError::Command(command)),
        }
        Ok(())
    }

    /// Whether the CRC behind the words that it covers is right; always if none is asked for.
    fn judge_crc(&self, words: &[[u8; WORD]], covered: usize) -> Result<(), FrameError> {
        if self.registers[MODE] & MODE_INPUT_CRC == 0 {
            return Ok(());
        }
        let (Some(payload), Some(crc)) = (words.get(..covered), words.get(covered)) else {
            return Err(FrameError::Bits { bits: 24 * words.len() as u32 });
        };
        let (expected, received) = (self.crc(payload.as_flattened()), u16::from_be_bytes([crc[0], crc[1]]));
        if expected == received { Ok(()) } else { Err(FrameError::Crc { expected, received }) }
    }

    fn crc(&self, bytes: &[u8]) -> u16 {
        let polynomial = if self.registers[MODE] & MODE_ANSI_CRC == 0 { 0x1021 } else { 0x8005 };
        bytes.iter().fold(0xffff, |crc, byte| {
            (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| crc << 1 ^ if crc >> 15 == 1 { polynomial } else { 0 })
        })
    }

    /// Answer, channels and CRC, as far as the host clocks.
    fn shift_out(&mut self, miso: &mut [u8]) {
        let mut out = Vec::with_capacity(WORD * FRAME);
        let mut put = |word: u32| out.extend_from_slice(&word.to_be_bytes()[1..]);
        match self.answer {
            Answer::Registers(address, count) => {
                put(u32::from(0xe000 | (address as u16) << 7 | (count - 1) as u16) << 8);
                for register in (address..).take(count) {
                    put(u32::from(self.read(register)) << 8);
                }
            }
            Answer::Status | Answer::Word(_) => {
                put(match self.answer {
                    Answer::Word(word) => u32::from(word) << 8,
                    _ => u32::from(self.read(STATUS)) << 8,
                });
                if self.answer == Answer::Status {
                    self.crc_error = false;
                }
                for result in self.results {
                    put(result as u32 & 0x00ff_ffff);
                }
                if miso.len() >= WORD * (FRAME - 1) {
                    self.ready = 0;
                }
            }
        }
        out.extend_from_slice(&self.crc(&out).to_be_bytes());
        for (place, byte) in miso.iter_mut().zip(out) {
            *place = byte;
        }
    }

    fn read(&self, register: usize) -> u16 {
        match register {
            STATUS => {
                let mode = self.registers[MODE];
                let flags = [(self.locked, STATUS_LOCK), (self.crc_error, STATUS_CRC_ERROR)];
                let flags: u16 = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum();
                flags | mode & (MODE_ANSI_CRC | RESET_BIT | WORD_LENGTH) | self.ready
            }
            _ => self.registers.get(register).copied().unwrap_or_default(),
        }
    }

    fn write(&mut self, register: usize, value: u16) -> Result<(), FrameError> {
        match register {
            // Read only.
            ID | STATUS => {}
            MODE if value & WORD_LENGTH != WORD_24 => return Err(FrameError::WordLength(value)),
            // The reset bit can only be taken away.
            MODE => self.registers[MODE] = value & (!RESET_BIT | self.registers[MODE]),
            CLOCK..CHANNELS_END => self.registers[register] = value,
            _ => return Err(FrameError::Channel(register as u8)),
        }
        Ok(())
    }

    /// All channels are sampled: gain of the amplifier, offset and gain corrections, 24 bits.
    pub fn convert(&mut self, fractions: &[f64; ADC_CHANNELS]) {
        if self.standby {
            return;
        }
        for (channel, (result, fraction)) in self.results.iter_mut().zip(fractions).enumerate() {
            let enabled = self.registers[CLOCK] >> (8 + channel) & 1 == 1;
            if !enabled {
                *result = 0;
                continue;
            }
            let amplifier = self.registers[GAIN1 + channel / 4] >> (4 * (channel % 4)) & 7;
            let clip = |code: i64| code.clamp(-(1 << 23), (1 << 23) - 1);
            let code = clip((i64::from(quantised(*fraction)) << 8) << amplifier);
            let at = CHANNEL_0 + PER_CHANNEL * channel;
            let long = |at: usize| u32::from(self.registers[at]) << 8 | u32::from(self.registers[at + 1]) >> 8;
            let offset = i64::from((long(at + 1) << 8) as i32 >> 8);
            *result = clip(((code - offset) * i64::from(long(at + 3))) >> 23) as i32;
            self.ready |= 1 << channel;
        }
    }

    /// The SYNC/RESET pin, held low long enough.
    pub fn reset(&mut self, high: bool) {
        let falls = std::mem::replace(&mut self.reset, high) && !high;
        if falls {
            *self = Self { reset: high, ..Self::default() };
        }
    }
}
