//! Frames for tests: any header, payloads that COBS finds hard, frames without a right CRC.

use xyloop_protocol::frame::{self, Header, Kind, Role};

use super::Rng;

/// Any header.
pub fn header(rng: &mut Rng) -> Header {
    const KINDS: [Kind; 6] = [Kind::Data, Kind::Ack, Kind::Open, Kind::Accept, Kind::Reset, Kind::Close];
    Header {
        version: rng.below(16) as u8,
        sender: if rng.chance(0.5) { Role::Host } else { Role::Device },
        kind: KINDS[rng.below(6)],
        session: rng.next() as u32,
        seq: rng.next() as u32,
        ack: rng.next() as u32 >> rng.below(32),
        credit: rng.next() as u16,
    }
}

/// The frame's bytes on the line.
pub fn encode(header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0xEE; frame::encoded_len(payload.len())];
    let n = frame::encode(header, &[payload], &mut out).unwrap();
    out.truncate(n);
    out
}

/// A payload of a mix that COBS finds hard: zeros, long runs without, random.
pub fn payload(rng: &mut Rng, most: usize) -> Vec<u8> {
    let n = rng.below(most + 1);
    match rng.below(3) {
        0 => vec![0; n],
        1 => (0..n).map(|_| 1 + rng.below(255) as u8).collect(),
        _ => rng.bytes(n),
    }
}

/// COBS of any content, without delimiters; its length.
pub fn cobs_encode(content: &[u8], out: &mut [u8]) -> usize {
    let (mut code_at, mut at) = (0, 1);
    for &byte in content {
        if byte == 0 {
            out[code_at] = (at - code_at) as u8;
            code_at = at;
        } else {
            out[at] = byte;
        }
        at += 1;
    }
    out[code_at] = (at - code_at) as u8;
    at
}
