//! What can be put on a line and taken down of it: faults and recordings.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod recordings;

use xyloop_protocol::frame::{self, Header, Kind, Role};

/// Frames of 0 to 60 payload bytes; the sequence number is the frame's index.
fn frames(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|seq| one_frame(seq, &vec![seq as u8; seq as usize * 7 % 61])).collect()
}

fn one_frame(seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; frame::encoded_len(payload.len())];
    let length = frame::encode(&header(seq), &[payload], &mut out).unwrap();
    out.truncate(length);
    out
}

fn header(seq: u32) -> Header {
    Header {
        version: xyloop_protocol::frame::WIRE_VERSION,
        sender: Role::Host,
        kind: Kind::Data,
        session: 0xfeed,
        seq,
        ack: 7,
        credit: 100,
    }
}
