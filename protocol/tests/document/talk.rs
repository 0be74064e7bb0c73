//! Two real links in virtual time, and what passes between them written down.

use std::fmt::Write;

use xyloop_protocol::{
    crc::crc32c,
    frame::{Deframer, HEADER_LEN, Header, Kind},
    greeting::Greeting,
    link::{Config, Link, Role},
    wiring::Wiring,
};
use xyloop_testbench::{CONVERTERS, LinkSizes};

use super::parts::{Parts, rows};

pub const SESSION: u32 = 0x5e55_1071;
pub const HOST_START: u32 = 0x1000;
pub const DEVICE_START: u32 = 0x2000;
pub const BOOT_ID: u32 = 0xb001_0001;
pub const WIRING: Wiring<'static> =
    Wiring { sites: 3, couplings: &[(0, 1), (1, 2)], inputs: &[0], outputs: &[2], converters: CONVERTERS };
pub const SERIAL: &str = "bench-7";

/// Makes a link with 4 kB of storage either way; a device has its greeting.
pub fn link(role: Role, config: Config) -> Link<'static> {
    let sizes = LinkSizes { flight: 32, ..LinkSizes::new(usize::from(config.max_payload), 4096, 4096) };
    let mut link = xyloop_testbench::link(role, sizes, config);
    if role == Role::Device {
        link.set_greeting(&greeting(BOOT_ID, SERIAL)).unwrap();
    }
    link
}

pub fn greeting(boot_id: u32, serial: &str) -> Vec<u8> {
    let greeting = Greeting { serial, ..Greeting::new(WIRING.hash(), boot_id) };
    greeting.encode(&mut [0; Greeting::MAX]).unwrap().to_vec()
}

/// A host, a device, and what was written down so far.
pub struct Talk {
    pub host: Link<'static>,
    pub device: Link<'static>,
    pub now_us: u64,
    pub text: String,
}

impl Talk {
    /// Nothing said yet; the host asks for a session.
    pub fn begin(host: Config) -> Self {
        let mut talk = Self {
            host: link(Role::Host, Config { start_offset: Some(HOST_START), ..host }),
            device: link(Role::Device, Config { start_offset: Some(DEVICE_START), ..Config::device() }),
            now_us: 0,
            text: String::new(),
        };
        talk.host.connect(SESSION, &greeting(0, ""), 0).unwrap();
        talk
    }

    /// In a session, nothing under way, nothing written down.
    pub fn connected() -> Self {
        let mut talk = Self::begin(Config::host());
        for _ in 0..2 {
            let frames = talk.frames(Role::Host);
            talk.deliver(Role::Host, &frames);
            let frames = talk.frames(Role::Device);
            talk.deliver(Role::Device, &frames);
        }
        assert_eq!((talk.host.session(), talk.device.session()), (Some(SESSION), Some(SESSION)));
        talk
    }

    pub fn say(&mut self, words: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        writeln!(self.text, "{words}").unwrap();
    }

    fn end(&mut self, role: Role) -> &mut Link<'static> {
        match role {
            Role::Host => &mut self.host,
            Role::Device => &mut self.device,
        }
    }

    /// The frames that are due at one end.
    pub fn frames(&mut self, from: Role) -> Vec<Vec<u8>> {
        let (now_us, mut buffer, mut frames) = (self.now_us, [0; 4096], Vec::new());
        loop {
            let length = self.end(from).transmit(now_us, &mut buffer);
            if length == 0 {
                return frames;
            }
            let contents = buffer[..length].split(|byte| *byte == 0).filter(|content| !content.is_empty());
            frames.extend(contents.map(|content| [&[0], content, &[0]].concat()));
        }
    }

    pub fn deliver(&mut self, from: Role, frames: &[Vec<u8>]) {
        self.now_us += 1000;
        let now_us = self.now_us;
        for frame in frames {
            self.end(from.peer()).receive(now_us, frame);
        }
    }

    /// The one frame that is due at this end is written down, with the parts of its payload, and delivered.
    pub fn pass(&mut self, from: Role, words: &str, payload: &Parts) {
        let frames = self.frames(from);
        assert_eq!(frames.len(), 1, "{words}");
        self.note(words, &frames[0], payload);
        self.deliver(from, &frames);
    }

    /// Writes a frame down.
    pub fn note(&mut self, words: &str, line: &[u8], payload: &Parts) {
        let (header, content) = decode(line);
        assert_eq!(content, payload.bytes(), "{words}");
        let arrow = if header.sender == Role::Host { '>' } else { '<' };
        self.say(&format!("{arrow} {words}"));
        rows(&mut self.text, "line  ", line);
        let mut parts = of_header(&header);
        parts.append(payload);
        let crc = crc32c(&[&header.to_bytes()[..], &content].concat());
        parts.raw(&crc.to_le_bytes(), format!("CRC-32C {crc:#010x}"));
        parts.write(&mut self.text);
    }
}

/// Header and payload of one frame.
pub fn decode(line: &[u8]) -> (Header, Vec<u8>) {
    let mut storage = [0; 2048];
    let mut deframer = Deframer::new(&mut storage);
    let frame = deframer.feed(&mut &*line).expect("a good frame");
    (frame.header, frame.payload.to_vec())
}

fn of_header(header: &Header) -> Parts {
    let bytes: [u8; HEADER_LEN] = header.to_bytes();
    let side = if header.sender == Role::Host { "host" } else { "device" };
    let mut parts = Parts::default();
    parts.raw(
        &bytes[..1],
        format!("version {}, from the {side}, kind {} {:?}", header.version, header.kind as u8, header.kind),
    );
    parts.raw(&bytes[1..5], format!("session {:#010x}", header.session));
    parts.raw(&bytes[5..9], format!("seq {:#x}", header.seq));
    parts.raw(&bytes[9..13], format!("ack {:#x}", header.ack));
    parts.raw(&bytes[13..], format!("credit {}", header.credit));
    parts
}

/// The payload of an Open or Accept.
pub fn opening(line: &[u8]) -> Parts {
    let (header, payload) = decode(line);
    assert!(matches!(header.kind, Kind::Open | Kind::Accept));
    let (opening, greeting) = payload.split_at(7);
    let mut parts = Parts::default();
    parts.raw(&opening[..1], format!("wire version {}", opening[0]));
    parts.raw(&opening[1..3], format!("max_payload {}", u16::from_le_bytes(opening[1..3].try_into().unwrap())));
    parts.raw(&opening[3..], format!("window {}", u32::from_le_bytes(opening[3..].try_into().unwrap())));
    let said = Greeting::from_bytes(greeting).unwrap();
    parts.raw(&greeting[..8], "greeting: schema hash");
    parts.raw(&greeting[8..16], format!("wiring hash {:#018x}", said.wiring_hash));
    parts.raw(&greeting[16..20], format!("boot id {:#010x}", said.boot_id));
    parts.raw(&greeting[20..21], format!("{} bytes of serial number", said.serial.len()));
    if !said.serial.is_empty() {
        parts.raw(&greeting[21..], format!("\"{}\"", said.serial));
    }
    parts
}

/// Several messages in the stream, each behind its length.
pub fn stream(messages: &[Parts]) -> Parts {
    let mut parts = Parts::default();
    for message in messages {
        let length = message.bytes().len() as u16;
        parts.raw(&length.to_le_bytes(), format!("a message of {length} bytes"));
        parts.append(message);
    }
    parts
}
