//! AD5370: DAC, 40 channels of 16 bits, outputs around ground.
//!
//! A frame is 24 bits: mode (2), address (6), data (16). Modes: 3 writes the input register X, 2 the offset C, 1 the gain
//! M, 0 is a special function whose code is the address. Each channel has two X registers (A, B); what reaches the DAC
//! register at LDAC is X (M + 1) / 2^16 + C - 2^15, and the output is that code less four times its group's offset DAC:
//! channels 0 to 7 have offset DAC 0, the others offset DAC 1.
//!
//! At power-up X = 0x5554, M = 0xFFFF, C = 0x8000 and offset DACs 0x1555: ground, and not what a code of 0x8000 means
//! later. Outputs are *held* at ground from power-up, from a reset and while CLR is low; the hold ends with the next
//! falling edge of LDAC with CLR high (edges while CLR is low are ignored). An offset DAC moves outputs at once.
//! RESET acts with its rising edge.

use super::{FrameError, GROUND, Written, word24};

const CHANNELS: u8 = 40;
const ALL: u64 = (1 << CHANNELS) - 1;
/// Bits of the offset DACs.
const OFFSET_MAX: u16 = 0x3fff;

const POWER_DOWN: u16 = 1;
const WRITE_B: u16 = 4;

/// Registers as they are after power-up or a reset.
#[derive(Clone, Debug)]
struct Registers {
    x: [[u16; 2]; CHANNELS as usize],
    gain: [u16; CHANNELS as usize],
    offset: [u16; CHANNELS as usize],
    /// One bit per channel: X comes from its B register.
    select_b: u64,
    offset_dacs: [u16; 2],
    control: u16,
    /// What the last read-back command asked for.
    read_back: Option<u16>,
    /// In the DAC registers, since LDAC.
    latched: [u16; CHANNELS as usize],
    /// Outputs are at ground until LDAC falls.
    held: bool,
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            x: [[0x5554; 2]; CHANNELS as usize],
            gain: [0xffff; CHANNELS as usize],
            offset: [0x8000; CHANNELS as usize],
            select_b: 0,
            offset_dacs: [0x1555; 2],
            control: 0,
            read_back: None,
            latched: [0x5554; CHANNELS as usize],
            held: true,
        }
    }
}

impl Registers {
    /// What a read-back command with this data shifts out in the next frame.
    fn addressed(&self, data: u16) -> Result<u16, FrameError> {
        let (kind, address) = (data >> 13, (data >> 7 & 0x3f) as u8);
        if kind < 4 {
            let channel = address.checked_sub(8).filter(|channel| *channel < CHANNELS);
            let channel = usize::from(channel.ok_or(FrameError::Channel(address))?);
            return Ok(match kind {
                0 => self.x[channel][0],
                1 => self.x[channel][1],
                2 => self.offset[channel],
                _ => self.gain[channel],
            });
        }
        match (kind, address) {
            (4, 1) => Ok(self.control),
            (4, 2 | 3) => Ok(self.offset_dacs[usize::from(address - 2)]),
            (4, 6..=10) => Ok((self.select_b >> (8 * u32::from(address - 6))) as u16 & 0xff),
            _ => Err(FrameError::Channel(address)),
        }
    }

    /// X through gain and offset into the DAC registers.
    fn latch(&mut self) {
        for (channel, latched) in self.latched.iter_mut().enumerate() {
            let x = self.x[channel][(self.select_b >> channel & 1) as usize];
            let scaled = (u64::from(x) * (u64::from(self.gain[channel]) + 1)) >> 16;
            let code = scaled as i32 + i32::from(self.offset[channel]) - 0x8000;
            *latched = code.clamp(0, 0xffff) as u16;
        }
    }
}

/// The chip.
#[derive(Clone, Debug)]
pub struct Ad5370 {
    registers: Registers,
    ldac: bool,
    clear: bool,
    reset: bool,
}

impl Default for Ad5370 {
    /// Just powered up, its pins at their resistors: LDAC and RESET high, CLR low.
    fn default() -> Self {
        Self { registers: Registers::default(), ldac: true, clear: false, reset: true }
    }
}

impl Ad5370 {
    /// See [`super::Chip::transfer`].
    pub fn transfer(&mut self, mosi: &[u8], miso: &mut [u8]) -> Result<Option<Written>, FrameError> {
        let word = word24(mosi)?;
        if let Some(register) = self.registers.read_back.take() {
            miso[1..].copy_from_slice(&register.to_be_bytes());
        }
        let (address, data) = ((word >> 16 & 0x3f) as u8, word as u16);
        let registers = &mut self.registers;
        let per_channel = match word >> 22 {
            0 => return self.special(address, data),
            1 => "gain",
            2 => "offset",
            _ if registers.control & WRITE_B != 0 => "input b",
            _ => "input",
        };
        let channels = addressed(address)?;
        for channel in ones(channels) {
            let place = match per_channel {
                "gain" => &mut registers.gain[channel],
                "offset" => &mut registers.offset[channel],
                "input" => &mut registers.x[channel][0],
                _ => &mut registers.x[channel][1],
            };
            *place = data;
        }
        self.pass_through();
        Ok(Some(Written { register: per_channel, channels, code: data }))
    }

    fn special(&mut self, function: u8, data: u16) -> Result<Option<Written>, FrameError> {
        let registers = &mut self.registers;
        let (register, channels) = match function {
            0 => return Ok(None),
            1 => {
                // The two bits above are the temperature monitor's and read only.
                registers.control = data & 7;
                ("control", 0)
            }
            2 | 3 => {
                let group = usize::from(function - 2);
                registers.offset_dacs[group] = data & OFFSET_MAX;
                (["ofs0", "ofs1"][group], 0)
            }
            5 => {
                let asked = registers.addressed(data)?;
                registers.read_back = Some(asked);
                return Ok(None);
            }
            6..=10 => {
                let group = 8 * u32::from(function - 6);
                registers.select_b = registers.select_b & !(0xff << group) | u64::from(data & 0xff) << group;
                ("select", 0xff << group)
            }
            11 => {
                registers.select_b = [0, ALL][usize::from(data & 0xff != 0)];
                if !matches!(data & 0xff, 0 | 0xff) {
                    return Err(FrameError::Command(data));
                }
                ("select", ALL)
            }
            _ => return Err(FrameError::Command(function.into())),
        };
        self.pass_through();
        Ok(Some(Written { register, channels, code: data }))
    }

    /// With LDAC low, what is written goes to the DAC registers at once.
    fn pass_through(&mut self) {
        if !self.ldac && self.clear {
            self.registers.latch();
        }
    }

    /// The LDAC pin.
    pub fn ldac(&mut self, high: bool) {
        let falls = std::mem::replace(&mut self.ldac, high) && !high;
        if falls && self.clear {
            self.registers.latch();
            self.registers.held = false;
        }
    }

    /// The CLR pin.
    pub fn clear(&mut self, high: bool) {
        self.clear = high;
        self.registers.held |= !high;
    }

    /// The RESET pin.
    pub fn reset(&mut self, high: bool) {
        let rises = !std::mem::replace(&mut self.reset, high) && high;
        if rises {
            self.registers = Registers::default();
        }
    }

    /// What an output carries; 0x8000 is ground. Beyond the range that is symmetrical around ground: its end.
    pub fn output(&self, channel: u8) -> Option<u16> {
        let registers = &self.registers;
        let latched = *registers.latched.get(usize::from(channel))?;
        if registers.held || registers.control & POWER_DOWN != 0 {
            return Some(GROUND);
        }
        let offset = 4 * i32::from(registers.offset_dacs[usize::from(channel >= 8)]);
        Some((i32::from(latched) - offset + i32::from(GROUND)).clamp(0, 0xffff) as u16)
    }
}

/// The channels that an address of a channel's register means.
fn addressed(address: u8) -> Result<u64, FrameError> {
    let (group, channel) = (address >> 3, address & 7);
    let in_groups = |groups: std::ops::Range<u32>| groups.map(|group| 1 << (8 * group + u32::from(channel))).sum();
    match (group, channel) {
        (0, 0) => Ok(ALL),
        (0, 1..=5) => Ok(0xff << (8 * (channel - 1))),
        (0, _) => Err(FrameError::Channel(address)),
        (1..=5, _) => Ok(1 << (address - 8)),
        (6, _) => Ok(in_groups(0..5)),
        _ => Ok(in_groups(1..5)),
    }
}

fn ones(mask: u64) -> impl Iterator<Item = usize> {
    (0..usize::from(CHANNELS)).filter(move |channel| mask >> channel & 1 == 1)
}
