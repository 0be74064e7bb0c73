//! The messages between an emulated board and the chips that are simulated beside it.
//!
//! ```text
//! kind u8, argument u8, length u8, payload
//! 1 Hello     0        "xyloop carrier 1"        answered by ACKNOWLEDGEMENT
//! 2 Write     chip     bytes shifted out
//! 3 Transfer  chip     bytes shifted out         answered by as many bytes shifted in
//! 4 Line      line     level u8, stamp u64 us
//! 5 Sense     line                               answered by one byte, the level
//! 6 Mark      0        shot u64
//! 7 Rig       0        CRC-32C of the board's rig image, u32
//! ```
//! Whoever starts anew says Hello first; whatever came before it on the stream is meant for nobody.

use xyloop_protocol::units::ShotId;

/// Longest payload: an ADC's frame of ten 24-bit words is 30 bytes.
pub const PAYLOAD_MAX: usize = 64;
/// Longest message.
pub const REQUEST_MAX: usize = 3 + PAYLOAD_MAX;
/// What answers a Hello.
pub const ACKNOWLEDGEMENT: [u8; 8] = *b"xyplant1";

const GREETING: &[u8; 16] = b"xyloop carrier 1";

/// A line that all chips share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Line {
    /// Latches all DACs when it falls.
    Ldac = 0,
    /// Holds all DAC outputs at ground while it is low.
    Clear = 1,
    /// Starts a conversion of all ADCs when it rises.
    Convert = 2,
    /// High while any ADC converts; the only one that chips drive.
    Busy = 3,
    /// Resets all converters that have such a pin, while it is low.
    Reset = 4,
}

impl Line {
    const ALL: [Self; 5] = [Self::Ldac, Self::Clear, Self::Convert, Self::Busy, Self::Reset];
}

/// One message of the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A new start of the board.
    Hello,
    /// One transaction whose answer nobody reads.
    Write {
        /// Address of the chip.
        chip: u8,
        /// Bytes shifted out, at most [`PAYLOAD_MAX`].
        mosi: &'a [u8],
    },
    /// One transaction, answered by what was shifted in.
    Transfer {
        /// Address of the chip.
        chip: u8,
        /// Bytes shifted out, at most [`PAYLOAD_MAX`].
        mosi: &'a [u8],
    },
    /// A line goes high or low.
    Line {
        /// Which.
        line: Line,
        /// To which level.
        high: bool,
        /// The board's time, microseconds since its start: the array evolves up to it first.
        stamp_us: u64,
    },
    /// Which level a line has.
    Sense(Line),
    /// A shot begins.
    Mark(ShotId),
    /// Which rig the board serves, by the CRC of its image: said right after Hello.
    Rig(u32),
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Request<'a> {
    /// Writes the message and returns its length; 0 if a payload is too long.
    pub fn encode(&self, out: &mut [u8; REQUEST_MAX]) -> usize {
        let mut put = |kind: u8, argument: u8, payload: &[u8]| {
            let Some(place) = out.get_mut(3..3 + payload.len()) else { return 0 };
            place.copy_from_slice(payload);
            out[..3].copy_from_slice(&[kind, argument, payload.len() as u8]);
            3 + payload.len()
        };
        match *self {
            Self::Hello => put(1, 0, GREETING),
            Self::Write { chip, mosi } => put(2, chip, mosi),
            Self::Transfer { chip, mosi } => put(3, chip, mosi),
            Self::Line { line, high, stamp_us } => {
                let mut payload = [u8::from(high); 9];
                payload[1..].copy_from_slice(&stamp_us.to_le_bytes());
                put(4, line as u8, &payload)
            }
            Self::Sense(line) => put(5, line as u8, &[]),
            Self::Mark(shot) => put(6, 0, &shot.to_le_bytes()),
            Self::Rig(crc) => put(7, 0, &crc.to_le_bytes()),
        }
    }

    /// The message at the beginning of `bytes` and its length; `None` if it is not all there yet.
    ///
    /// # Errors
    /// If no message begins there.
    pub fn decode(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some((&[kind, argument, length], rest)) = bytes.split_first_chunk::<3>() else { return Ok(None) };
        let length = usize::from(length);
        if length > PAYLOAD_MAX || !(1..=7).contains(&kind) {
            return Err(Malformed);
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let line = || Line::ALL.get(usize::from(argument)).copied().ok_or(Malformed);
        let long = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|_| Malformed);
        let request = match kind {
            1 if payload == GREETING => Self::Hello,
            2 => Self::Write { chip: argument, mosi: payload },
            3 => Self::Transfer { chip: argument, mosi: payload },
            4 => match payload {
                [level @ 0..=1, stamp @ ..] => Self::Line { line: line()?, high: *level == 1, stamp_us: long(stamp)? },
                _ => return Err(Malformed),
            },
            5 if payload.is_empty() => Self::Sense(line()?),
            6 => Self::Mark(long(payload)?),
            7 => Self::Rig(payload.try_into().map(u32::from_le_bytes).map_err(|_| Malformed)?),
            _ => return Err(Malformed),
        };
        Ok(Some((request, 3 + length)))
    }

    /// Where the first Hello of a stream begins, if it is in these bytes as a whole.
    pub fn find_hello(bytes: &[u8]) -> Option<usize> {
        let mut hello = [0; REQUEST_MAX];
        let length = Request::Hello.encode(&mut hello);
        bytes.windows(length).position(|window| *window == hello[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: [Request<'_>; 7] = [
        Request::Hello,
        Request::Write { chip: 59, mosi: &[1, 2, 3] },
        Request::Transfer { chip: 60, mosi: &[0; PAYLOAD_MAX] },
        Request::Line { line: Line::Ldac, high: false, stamp_us: u64::MAX - 1 },
        Request::Sense(Line::Busy),
        Request::Mark(1 << 40),
        Request::Rig(0xdead_beef),
    ];

    #[test]
    fn messages_come_back_as_they_were_and_wait_until_they_are_whole() {
        for request in REQUESTS {
            let mut bytes = [0; REQUEST_MAX];
            let length = request.encode(&mut bytes);
            assert_eq!(Request::decode(&bytes[..length]), Ok(Some((request, length))));
            for cut in 0..length {
                assert_eq!(Request::decode(&bytes[..cut]), Ok(None), "{request:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut bytes = [0; REQUEST_MAX];
        assert_eq!(Request::Write { chip: 0, mosi: &[0; PAYLOAD_MAX + 1] }.encode(&mut bytes), 0);
        let no_messages: [&[u8]; 7] =
            [&[0, 0, 0], &[8, 0, 0], &[2, 0, 65], &[5, 5, 0], &[5, 0, 1, 0], &[4, 0, 1, 2], &[6, 0, 1, 0]];
        for bytes in no_messages {
            assert_eq!(Request::decode(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_hello_is_found_behind_the_rest_of_an_earlier_stream() {
        let (mut stream, mut hello) = ([0x02; 100], [0; REQUEST_MAX]);
        let length = Request::Hello.encode(&mut hello);
        stream[41..41 + length].copy_from_slice(&hello[..length]);
        assert_eq!(Request::find_hello(&stream), Some(41));
        assert_eq!(Request::find_hello(&stream[..41 + length - 1]), None);
    }
}
