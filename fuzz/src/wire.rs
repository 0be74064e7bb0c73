//! The wire as the targets see it: a second implementation of the framing to check the first one against, and forged
//! frames.

use xyloop_protocol::{
    crc::crc32c,
    frame::{HEADER_LEN, Header, Kind, Role, WIRE_VERSION},
};

use crate::script::Script;

/// COBS by the book (Cheshire and Baker 1999), without delimiters.
pub fn cobs(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 254 + 1);
    // A zero behind the content, which is not encoded, ends the last run.
    let mut runs = content.split(|byte| *byte == 0).peekable();
    while let Some(mut run) = runs.next() {
        while run.len() > 254 || (run.len() == 254 && runs.peek().is_some()) {
            out.push(0xFF);
            out.extend_from_slice(&run[..254]);
            run = &run[254..];
        }
        if run.len() == 254 {
            out.push(0xFF);
        } else {
            out.push(run.len() as u8 + 1);
        }
        out.extend_from_slice(run);
    }
    out
}

/// A frame around any content, both delimiters included; `spoil` goes onto its CRC.
pub fn frame_around(content: &[u8], spoil: u32) -> Vec<u8> {
    let mut content = content.to_vec();
    content.extend_from_slice(&(crc32c(&content) ^ spoil).to_le_bytes());
    [&[0], &cobs(&content)[..], &[0]].concat()
}

/// A header and a payload as a frame, by the second implementation.
pub fn framed(header: &Header, payload: &[u8]) -> Vec<u8> {
    frame_around(&[&header.to_bytes(), payload].concat(), 0)
}

/// A header that differs from `like` as the script wants; mostly close to it, so that it is not just foreign.
pub fn forged(script: &mut Script<'_>, like: &Header) -> Header {
    let what = script.byte();
    let mut header = *like;
    let kinds = [Kind::Data, Kind::Ack, Kind::Open, Kind::Accept, Kind::Reset, Kind::Close];
    header.kind = kinds[usize::from(what & 7) % kinds.len()];
    if what & 0x08 != 0 {
        header.seq = header.seq.wrapping_add_signed(i32::from(script.byte() as i8));
    }
    if what & 0x10 != 0 {
        header.ack = header.ack.wrapping_add_signed(i32::from(script.byte() as i8));
    }
    if what & 0x20 != 0 {
        header.credit = script.u16();
    }
    if what & 0x40 != 0 {
        header.session = script.u32();
    }
    if what & 0x80 != 0
        && let Some(any) = script.piece(HEADER_LEN).first_chunk()
        && let Some(any) = Header::from_bytes(any)
    {
        header = any;
    }
    header
}

/// The header of a frame that says nothing, to be forged from.
pub fn plain_header(sender: Role, session: u32) -> Header {
    Header { version: WIRE_VERSION, sender, kind: Kind::Ack, session, seq: 0, ack: 0, credit: 0 }
}
