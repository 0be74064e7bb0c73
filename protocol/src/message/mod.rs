//! What host and device say to each other once they are connected: [`Request`]s down, [`Event`]s up.
//!
//! Encoded by postcard; bulk arrays are [`Bytes`], little endian. Commands are absolute and idempotent. Enum variants
//! are numbered by position: new ones are appended, old ones never move. [`SCHEMA_HASH`] changes with any type here.
//!
//! A request that expects an answer carries a `tag` which the answer repeats; equilibria and changes of state come
//! unasked, with tag 0.

use postcard_schema::{
    Schema,
    key::Key,
    schema::{DataModelType, NamedType},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod command;
mod report;

pub use command::{
    Block, Command, Cost, Generation, Kick, Nudge, Plan, ReadOut, Request, Segment, Settle, Shot, Stage,
};
pub use report::{
    Contrast, Counts, Equilibrium, Event, Fault, Identity, Limits, LinkCounts, Reason, Refusal, Report, SafeCause,
    State, Status,
};

/// Hash of both directions' message types.
pub const SCHEMA_HASH: [u8; 8] = Key::for_path::<(Request<'static>, Event<'static>)>("xyloop/1").to_bytes();

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
            command: Command::Stage(Stage { generation: 3, block: Block::Fields, first: 10, codes: Bytes(&codes) }),
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
