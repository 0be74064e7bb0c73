//! What host and device say to each other once they are connected: [`Request`]s down, [`Event`]s up.
//!
//! Encoded by postcard; bulk arrays are [`Bytes`], little endian. Commands are absolute and idempotent. Enum variants
//! are numbered by position: new ones are appended, old ones never move. [`SCHEMA_HASH`] changes with any type here.
//!
//! A request that expects an answer carries a `tag` which the answer repeats; equilibria and changes of state come
//! unasked, with tag 0.
//!
//! Bulk arrays travel in a [`Codec`](crate::codec::Codec) that the message itself, or the plan, names.

use core::ops::Range;

use postcard_schema::{
    Schema,
    key::Key,
    schema::{DataModelType, NamedType},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod command;
mod equilibria;
mod report;

pub use command::{
    Block, CodeArray, Command, Cost, Differences, Generation, Kick, Nudge, Plan, ReadOut, Request, Segment, Settle,
    Shot, Stage,
};
pub use equilibria::{Equilibria, EquilibriaWriter, Equilibrium};
pub use report::{
    BootCause, Contrast, Counts, Event, Fault, Identity, Limits, LinkCounts, Reason, Refusal, Report, SafeCause, State,
    Status,
};

/// Hash of both directions' message types, and of what stands in the bytes of [`Equilibria`].
pub const SCHEMA_HASH: [u8; 8] =
    Key::for_path::<(Request<'static>, Event<'static>, Equilibrium<'static>)>("xyloop/2").to_bytes();

/// Most segments a shot plan can have.
pub const MAX_SEGMENTS: usize = 8;

/// Fixed-point position of a contrast sum: one unit is 2^-20.
pub const CONTRAST_FRACTION_BITS: u32 = 20;

/// A byte array that is borrowed from the message it arrived in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a [u8]>::deserialize(deserializer).map(Self)
    }
}

impl Schema for Bytes<'_> {
    const SCHEMA: &'static NamedType = &NamedType { name: "Bytes", ty: &DataModelType::ByteArray };
}

impl<'a> Bytes<'a> {
    /// The array as 16-bit little-endian integers; `None` where the length is odd.
    pub fn as_u16s(&self) -> Option<impl ExactSizeIterator<Item = u16> + use<'a>> {
        let (pairs, rest) = self.0.as_chunks::<2>();
        rest.is_empty().then(|| pairs.iter().map(|pair| u16::from_le_bytes(*pair)))
    }
}

/// Encodes a message into `out`; `None` if it does not fit.
pub fn encode<'o, T: Serialize>(message: &T, out: &'o mut [u8]) -> Option<&'o [u8]> {
    postcard::to_slice(message, out).ok().map(|used| &*used)
}

/// Completes a message whose last field is [`Bytes`] that lie at `body` of the buffer already: puts the rest in front of
/// them. `message` has that field empty. `None` if there are fewer bytes in front than it takes, or no more than 64.
pub fn encode_in_front<'o, T: Serialize>(message: &T, buffer: &'o mut [u8], body: Range<usize>) -> Option<&'o [u8]> {
    let mut head = [0; 64];
    let most = head.len() - 5;
    // Last comes the length of no bytes at all: one byte, which gives way to the right one.
    let fields = encode(message, head.get_mut(..most)?)?.len().checked_sub(1)?;
    let length = encode(&(body.len() as u32), head.get_mut(fields..)?)?.len();
    let head = head.get(..fields + length)?;
    let start = body.start.checked_sub(head.len())?;
    buffer.get_mut(start..body.start)?.copy_from_slice(head);
    buffer.get(start..body.end)
}

/// Decodes a whole message; `None` if it is malformed or followed by other bytes.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Some(message),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_trip_and_trailing_bytes_are_refused() {
        let codes = [1, 2, 3, 4];
        let request = Request {
            tag: 7,
            command: Command::Stage(Stage {
                generation: 3,
                block: Block::Fields,
                first: 10,
                codes: CodeArray::Words(Bytes(&codes)),
            }),
        };
        let mut buffer = [0; 64];
        let length = encode(&request, &mut buffer).map_or(0, <[u8]>::len);
        assert_eq!(decode(&buffer[..length]), Some(request));
        assert_eq!(decode::<Request<'_>>(&buffer[..=length]), None);
        assert_eq!(decode::<Request<'_>>(&buffer[..length - 1]), None);
        assert!(encode(&request, &mut [0; 4]).is_none());
    }

    #[test]
    fn bytes_read_as_little_endian_words() {
        assert_eq!(Bytes(&[1, 2, 3]).as_u16s().map(|_| ()), None);
        let words = Bytes(&[1, 2, 3, 4]);
        assert!(words.as_u16s().is_some_and(|words| words.eq([0x0201, 0x0403])));
    }
}
