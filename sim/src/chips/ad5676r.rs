//! AD5676R: DAC, 8 channels of 16 bits, outputs from ground up.
//!
//! A frame is 24 bits: command (4), address (4), data (16). Each channel has an input register and a DAC register; LDAC
//! falling, or a command, carries the one into the other. There is no clear pin: after a reset of the microcontroller the
//! outputs stay what they were until the reset line is pulsed. Power-up and reset make them zero-scale or mid-scale, as
//! the RSTSEL pin is wired. A software reset takes the data 0x1234. A read-back brings the *input* register, in the frame
//! after the one that asks for it.

use super::{FrameError, Written, word24};

const CHANNELS: usize = 8;
const SOFTWARE_RESET: u16 = 0x1234;

/// Registers as they are after power-up or a reset.
#[derive(Clone, Debug, Default)]
struct Registers {
    input: [u16; CHANNELS],
    latched: [u16; CHANNELS],
    /// One bit per channel that LDAC does not reach.
    ldac_mask: u8,
    /// Two bits per channel, 0 in operation.
    power_down: u16,
    read_back: Option<u16>,
}

/// The chip.
#[derive(Clone, Debug)]
pub struct Ad5676r {
    registers: Registers,
    reset_code: u16,
    ldac: bool,
    reset: bool,
}

impl Registers {
    fn new(code: u16) -> Self {
        Self { input: [code; CHANNELS], latched: [code; CHANNELS], ..Self::default() }
    }
}

impl Ad5676r {
    /// Just powered up; `reset_code` is what RSTSEL chooses, 0 or 0x8000.
    pub fn new(reset_code: u16) -> Self {
        Self { registers: Registers::new(reset_code), reset_code, ldac: true, reset: true }
    }

    /// See [`super::Chip::transfer`].
    pub fn transfer(&mut self, mosi: &[u8], miso: &mut [u8]) -> Result<Option<Written>, FrameError> {
        let word = word24(mosi)?;
        let registers = &mut self.registers;
        if let Some(register) = registers.read_back.take() {
            miso[1..].copy_from_slice(&register.to_be_bytes());
        }
        let (command, address, data) = (word >> 20, (word >> 16 & 0xf) as u8, word as u16);
        let channel = || {
            let channel = usize::from(address);
            if channel < CHANNELS { Ok(channel) } else { Err(FrameError::Channel(address)) }
        };
        let (register, channels) = match command {
            0 => return Ok(None),
            1 => {
                let channel = channel()?;
                registers.input[channel] = data;
                if !self.ldac && self.reset && registers.ldac_mask >> channel & 1 == 0 {
                    registers.latched[channel] = data;
                }
                ("input", 1 << channel)
            }
            2 => {
                registers.latch(data as u8);
                ("update", u64::from(data as u8))
            }
            3 => {
                let channel = channel()?;
                (registers.input[channel], registers.latched[channel]) = (data, data);
                ("dac", 1 << channel)
            }
            4 => {
                registers.power_down = data;
                ("power", 0)
            }
            5 => {
                registers.ldac_mask = data as u8;
                ("ldac mask", 0)
            }
            6 if address == 0 && data == SOFTWARE_RESET => {
                *registers = Registers::new(self.reset_code);
                ("reset", 0)
            }
            // Reference and gain; daisy chain: neither changes what a code means in fractions of full scale.
            7 => ("reference", 0),
            8 => ("daisy chain", 0),
            9 => {
                registers.read_back = Some(registers.input[channel()?]);
                return Ok(None);
            }
            10 => {
                registers.input = [data; CHANNELS];
                if !self.ldac && self.reset {
                    registers.latch(!registers.ldac_mask);
                }
                ("input", 0xff)
            }
            11 => {
                (registers.input, registers.latched) = ([data; CHANNELS], [data; CHANNELS]);
                ("dac", 0xff)
            }
            _ => return Err(FrameError::Command((word >> 8) as u16)),
        };
        Ok(Some(Written { register, channels, code: data }))
    }

    /// The LDAC pin.
    pub fn ldac(&mut self, high: bool) {
        let falls = std::mem::replace(&mut self.ldac, high) && !high;
        if falls && self.reset {
            self.registers.latch(!self.registers.ldac_mask);
        }
    }

    /// The RESET pin: acts when it falls; LDAC is ignored while it is low.
    pub fn reset(&mut self, high: bool) {
        let falls = std::mem::replace(&mut self.reset, high) && !high;
        if falls {
            self.registers = Registers::new(self.reset_code);
        }
    }

    /// What an output carries; a channel that is powered down is at ground, code 0.
    pub fn output(&self, channel: u8) -> Option<u16> {
        let latched = *self.registers.latched.get(usize::from(channel))?;
        let down = self.registers.power_down >> (2 * channel) & 3 != 0;
        Some(if down { 0 } else { latched })
    }
}

impl Registers {
    /// Carries the input registers of these channels to the outputs.
    fn latch(&mut self, channels: u8) {
        for (channel, (latched, input)) in self.latched.iter_mut().zip(self.input).enumerate() {
            if channels >> channel & 1 == 1 {
                *latched = input;
            }
        }
    }
}
