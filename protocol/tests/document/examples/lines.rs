//! Frames and what links do with them, whatever the messages.

use std::fmt::Write;

use xyloop_protocol::{
    frame::{self, Deframer, Header, Kind, WIRE_VERSION},
    link::{Config, Link, Role, State},
};

use crate::{
    parts::{Parts, fenced, hex},
    talk::{DEVICE_START, HOST_START, SESSION, Talk, decode, link, opening},
};

/// Long runs in few words.
fn short(bytes: &[u8]) -> String {
    if bytes.len() > 20 { format!("{} … {}", hex(&bytes[..4]), hex(&bytes[bytes.len() - 3..])) } else { hex(bytes) }
}

pub fn cobs() -> String {
    let run = |last: u8| (1..=last).collect::<Vec<u8>>();
    let contents = [vec![0], vec![0x11, 0x22], vec![0x11, 0, 0, 0x22, 0], run(253), run(254), run(255)];
    let mut text = String::from("content                                  COBS\n");
    for content in contents {
        let mut encoded = [0; 300];
        let length = ::cobs::encode(&content, &mut encoded);
        let same = decode_cobs(&encoded[..length]);
        assert_eq!(same, content);
        let note = if content.len() == 254 { "     (or the same and 01)" } else { "" };
        if content.len() == 254 {
            assert_eq!(decode_cobs(&[&encoded[..length], &[1]].concat()), content);
        }
        let shown =
            if content.len() > 20 { format!("{} ({} bytes)", short(&content), content.len()) } else { short(&content) };
        writeln!(text, "{shown:<40} {}{note}", short(&encoded[..length])).unwrap();
    }
    fenced(&text)
}

/// As chapter 1.1 says it.
fn decode_cobs(mut encoded: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some((&code, rest)) = encoded.split_first() {
        let (run, rest) = rest.split_at(usize::from(code) - 1);
        content.extend_from_slice(run);
        if code != 0xff && !rest.is_empty() {
            content.push(0);
        }
        encoded = rest;
    }
    content
}

fn ack_of(credit: u16) -> Vec<u8> {
    let header = Header {
        version: WIRE_VERSION,
        sender: Role::Host,
        kind: Kind::Ack,
        session: SESSION,
        seq: HOST_START,
        ack: DEVICE_START,
        credit,
    };
    let mut out = [0; 64];
    let length = frame::encode(&header, &[], &mut out).unwrap();
    out[..length].to_vec()
}

/// What a deframer makes of bytes, in words.
fn judge(bytes: &[u8]) -> String {
    let mut storage = [0; frame::storage_len(64)];
    let mut deframer = Deframer::new(&mut storage);
    let mut words = Vec::new();
    for byte in bytes {
        let before = deframer.counters();
        match deframer.feed(&mut &[*byte][..]) {
            Some(frame) if frame.header.credit == 1000 => words.push("A"),
            Some(_) => words.push("B"),
            None => {
                let after = deframer.counters();
                let reasons = [
                    (after.bad_crc > before.bad_crc, "bad CRC"),
                    (after.bad_cobs > before.bad_cobs, "bad COBS"),
                    (after.short > before.short, "short"),
                    (after.oversized > before.oversized, "oversized"),
                ];
                words.extend(reasons.iter().filter(|(happened, _)| *happened).map(|(_, reason)| *reason));
            }
        }
    }
    words.join(", ")
}

pub fn damaged() -> String {
    let (a, b) = (ack_of(1000), ack_of(2000));
    let last = a.len() - 1;
    let mut text = format!("A     {}\nB     {}\n\n", hex(&a), hex(&b));
    let mut case = |what: &str, bytes: &[u8]| writeln!(text, "{what:<44}{}", judge(bytes)).unwrap();
    let changed = |at: usize, to: u8| {
        let mut bytes = a.clone();
        bytes[at] = to;
        [bytes, b.clone()].concat()
    };
    case("A B", &[a.clone(), b.clone()].concat());
    case("A B with one 00 between them", &[&a[..last], &b[..]].concat());
    case("one bit of A inverted (byte 3)", &changed(3, a[3] ^ 1));
    case("a byte of A became 00 (byte 4)", &changed(4, 0));
    case("the last 00 of A became 55", &changed(last, 0x55));
    case("a byte of A is missing (byte 4)", &[&a[..4], &a[5..], &b].concat());
    case("A cut off after byte 10", &[&a[..10], &b].concat());
    case("90 bytes 55 in front, storage for 83", &[&[0x55; 90][..], &a, &b].concat());
    fenced(&text)
}

pub fn ranges() -> String {
    let mut talk = Talk::connected();
    talk.host.set_payload_limit(8);
    for message in [b"first.", b"second", b"third.", b"fourth"] {
        talk.host.send(message).unwrap();
    }
    let frames = talk.frames(Role::Host);
    assert_eq!(frames.len(), 4);
    talk.say("The host sends four messages of 6 bytes, each with its length in a Data frame of its own:");
    for (frame, fate) in frames.iter().zip(["lost", "arrives", "lost", "arrives"]) {
        let (header, payload) = decode(frame);
        writeln!(talk.text, "> Data  seq {:#x}  {}   {fate}", header.seq, hex(&payload)).unwrap();
    }
    talk.deliver(Role::Host, &[frames[1].clone(), frames[3].clone()]);
    let mut held = Parts::default();
    held.raw(&[8, 0, 8, 0], "holds 8 bytes from ack + 8 on");
    held.raw(&[24, 0, 8, 0], "holds 8 bytes from ack + 24 on");
    talk.pass(Role::Device, "The device tells what it holds beyond the gap", &held);
    let again = talk.frames(Role::Host);
    talk.say(
        "The fourth has arrived; the first and third were sent before it and have not: they are lost. The host sends",
    );
    for frame in &again {
        let (header, payload) = decode(frame);
        writeln!(talk.text, "> Data  seq {:#x}  {}", header.seq, hex(&payload)).unwrap();
    }
    assert_eq!(again, [frames[0].clone(), frames[2].clone()]);
    talk.deliver(Role::Host, &again);
    talk.pass(Role::Device, "and the device has everything", &Parts::default());
    assert!(talk.host.all_acked());
    fenced(&talk.text)
}

pub fn keep_alive() -> String {
    let mut talk = Talk::connected();
    talk.now_us = talk.host.next_wakeup_us().unwrap();
    talk.pass(Role::Host, "50 ms after the host's last frame", &Parts::default());
    assert_eq!(talk.device.last_heard_us(), Some(talk.now_us));
    assert!(talk.frames(Role::Device).is_empty(), "an Ack is not answered");
    fenced(&talk.text)
}

pub fn other_version() -> String {
    let mut talk = Talk::begin(Config { version: WIRE_VERSION + 1, ..Config::host() });
    for (from, words) in [(Role::Host, "a host of a later version"), (Role::Device, "is told the device's version")] {
        let frames = talk.frames(from);
        talk.note(words, &frames[0], &opening(&frames[0]));
        talk.deliver(from, &frames);
    }
    assert_eq!(talk.host.state(), State::VersionMismatch { ours: WIRE_VERSION + 1, theirs: WIRE_VERSION });
    fenced(&talk.text)
}

pub fn reset() -> String {
    let mut talk = Talk::connected();
    let restarted: Link<'_> = link(Role::Device, Config::device());
    let before = std::mem::replace(&mut talk.device, restarted);
    talk.now_us = 60_000;
    talk.pass(Role::Host, "a keep-alive to a device that was restarted", &Parts::default());
    talk.pass(Role::Device, "does not know that session", &Parts::default());
    assert_eq!(talk.host.state(), State::Reset { session: SESSION });
    let text = std::mem::take(&mut talk.text);

    let mut leaving = Talk { device: before, ..Talk::connected() };
    leaving.say("A host that leaves:");
    leaving.host.close();
    leaving.pass(Role::Host, "leaves the session", &Parts::default());
    assert_eq!(leaving.device.state(), State::Closed { session: SESSION, by_peer: true });
    fenced(&format!("{text}\n{}", leaving.text))
}
