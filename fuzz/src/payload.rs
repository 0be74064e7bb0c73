//! Target `payload`: what stands behind a right CRC, as each of the things it can be.
//!
//! The first byte chooses; the rest is the header and payload, the message, the greeting or the opening itself, so the
//! fuzzer need not find a CRC.

use serde::Serialize;
use xyloop_protocol::{
    codec,
    frame::{Deframer, HEADER_LEN, Header, Kind, Role, WIRE_VERSION},
    greeting::Greeting,
    link::{self, Config, GREETING_MAX, Link, State},
    message::{self, Event, Report, Request},
};
use xyloop_testbench::{LinkMemory, LinkSizes};

use crate::{
    script::Script,
    wire::{framed, plain_header},
};

const SESSION: u32 = 7;
const HOST_START: u32 = 1000;
const DEVICE_START: u32 = 2000;
/// Longer ones are oversized to the links here.
const MOST_PAYLOAD: usize = 256;
const SIZES: LinkSizes = LinkSizes::new(MOST_PAYLOAD, 256, 256);

/// Runs the target.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let what = script.below(7);
    let payload = script.piece(MOST_PAYLOAD);
    match what {
        0 => header(payload),
        1 => request(payload),
        2 => event(payload),
        3 => greeting(payload),
        4 => open(payload),
        5 => accept(payload),
        _ => coded(payload),
    }
}

fn header(bytes: &[u8]) {
    let Some((bytes, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else { return };
    let Some(header) = Header::from_bytes(bytes) else {
        assert!(bytes[0] & 7 > 5, "a known kind is refused");
        return;
    };
    assert_eq!(header.to_bytes(), *bytes);
    // The same through a whole frame, to either end, in no session at all.
    let frame = framed(&header, payload);
    for role in [Role::Host, Role::Device] {
        let mut memory = LinkMemory::new(SIZES);
        let mut link = Link::new(role, memory.storage(), Config::device());
        link.receive(1, &frame);
        assert_eq!(link.session(), None);
        assert_eq!(link.front(), None);
        answers(&mut link, 1);
    }
}

fn request(bytes: &[u8]) {
    if let Some(request) = message::decode::<Request<'_>>(bytes) {
        let mut out = vec![0; 2 * bytes.len() + 64];
        let again = encoded(&request, &mut out);
        assert_eq!(message::decode::<Request<'_>>(again), Some(request));
        is_shorter(again, bytes);
    }
}

fn event(bytes: &[u8]) {
    if let Some(event) = message::decode::<Event<'_>>(bytes) {
        if let Report::Equilibria(equilibria) = event.report {
            assert!(equilibria.iter().count() > 0, "no rows are damaged rows");
        }
        let mut out = vec![0; 2 * bytes.len() + 64];
        let again = encoded(&event, &mut out);
        assert_eq!(message::decode::<Event<'_>>(again), Some(event));
        is_shorter(again, bytes);
    }
}

fn encoded<'o, T: Serialize>(message: &T, out: &'o mut [u8]) -> &'o [u8] {
    message::encode(message, out).expect("it fits: it came from fewer bytes")
}

/// Integers of variable length have longer spellings than the one that is written, never shorter ones.
fn is_shorter(again: &[u8], bytes: &[u8]) {
    assert!(again.len() <= bytes.len());
    if again.len() == bytes.len() {
        assert_eq!(again, bytes);
    }
}

/// Coded integers: what is taken has no shorter form of the same values than the encoder's, and comes back from that.
fn coded(bytes: &[u8]) {
    let Some((&[count, kind], bytes)) = bytes.split_first_chunk::<2>() else { return };
    let count = usize::from(count);
    match kind % 3 {
        0 => rice_of::<16>(bytes, count),
        1 => rice_of::<32>(bytes, count),
        _ => {
            let mut words = Vec::new();
            let earlier = |ordinal: usize, index: usize| (ordinal * 7919 + index) as u16;
            let ordinal = usize::from(kind) / 3 % 7;
            let decoded = codec::read_out::decode(bytes, ordinal, count, earlier, |word| words.push(word));
            assert!(words.len() <= count && (decoded.is_err() || words.len() == count));
            if decoded.is_ok() {
                let word =
                    |state: usize, index: usize| if state == ordinal { words[index] } else { earlier(state, index) };
                let (mut out, mut again) = (vec![0; 2 * count], Vec::new());
                let length = codec::read_out::encode(ordinal, count, word, &mut out).expect("its words fit");
                codec::read_out::decode(&out[..length], ordinal, count, earlier, |word| again.push(word))
                    .expect("it was encoded");
                assert_eq!(again, words);
            }
        }
    }
}

fn rice_of<const WIDTH: u32>(bytes: &[u8], count: usize) {
    let mut values = Vec::new();
    let decoded = codec::rice::decode::<WIDTH>(bytes, count, |_, value| values.push(value));
    assert!(values.len() <= count && values.iter().all(|value| u64::from(*value) >> WIDTH == 0));
    if decoded.is_ok() {
        let mut out = vec![0; codec::rice::most_bytes::<WIDTH>(count)];
        let length = codec::rice::encode::<WIDTH>(values.iter().copied(), &mut out).expect("the bound suffices");
        assert!(length <= bytes.len(), "a longer form than was read");
        let mut again = Vec::new();
        codec::rice::decode::<WIDTH>(&out[..length], count, |_, value| again.push(value)).expect("it was encoded");
        assert_eq!(again, values);
    }
}

fn greeting(bytes: &[u8]) {
    let Some(greeting) = Greeting::from_bytes(bytes) else { return };
    let mut out = [0; Greeting::MAX];
    let again = greeting.encode(&mut out).expect("what was read can be written");
    assert_eq!(Greeting::from_bytes(again), Some(greeting));
    // A device without a serial number may leave out its length.
    assert!(bytes.starts_with(again) || (greeting.serial.is_empty() && bytes == &again[..again.len() - 1]));
}

/// The payload of an Open, to a device.
fn open(payload: &[u8]) {
    let mut memory = LinkMemory::new(SIZES);
    let config = Config { start_offset: Some(DEVICE_START), ..Config::device() };
    let mut device = Link::new(Role::Device, memory.storage(), config);
    let from_host = Header { seq: HOST_START, credit: 100, ..plain_header(Role::Host, SESSION) };
    device.receive(1, &framed(&Header { kind: Kind::Open, ..from_host }, payload));
    assert_eq!(device.session(), None, "an Open alone must not begin a session");
    let accepted = answers(&mut device, 1).iter().filter(|header| header.kind == Kind::Accept).count();
    device.receive(2, &framed(&Header { ack: DEVICE_START, ..from_host }, &[]));
    judge(&mut device, payload, accepted > 0);
}

/// The payload of an Accept, to a host that asked for the session.
fn accept(payload: &[u8]) {
    let mut memory = LinkMemory::new(SIZES);
    let config = Config { start_offset: Some(HOST_START), ..Config::host() };
    let mut host = Link::new(Role::Host, memory.storage(), config);
    host.connect(SESSION, b"fuzz", 1).expect("a short greeting");
    let asked = answers(&mut host, 1);
    assert!(asked.iter().any(|header| header.kind == Kind::Open && header.seq == HOST_START));
    let from_device = Header { seq: DEVICE_START, ack: HOST_START, credit: 100, ..plain_header(Role::Device, SESSION) };
    host.receive(2, &framed(&Header { kind: Kind::Accept, ..from_device }, payload));
    judge(&mut host, payload, true);
}

/// Whether a session came about exactly if the payload says what it has to; and if so, that it works.
fn judge(link: &mut Link<'_>, payload: &[u8], answered: bool) {
    let greeting = payload.get(7..);
    let right = payload.first() == Some(&WIRE_VERSION) && greeting.is_some_and(|bytes| bytes.len() <= GREETING_MAX);
    assert_eq!(link.session(), right.then_some(SESSION), "{:?}", link.state());
    if !right {
        let other_version = greeting.is_some() && payload[0] != WIRE_VERSION;
        assert_eq!(matches!(link.state(), State::VersionMismatch { .. }), other_version);
        return;
    }
    assert!(answered);
    assert_eq!(Some(link.peer_greeting()), greeting);
    let longest = link.longest_message();
    assert!(longest <= link::MESSAGE_MAX);
    let sent = link.send(&vec![3; longest]);
    assert!(sent.is_ok() || longest == 0, "{sent:?}");
    assert!(link.send(&vec![3; longest + 1]).is_err());
    answers(link, 3);
    answers(link, 10_000_000);
}

/// Everything a link has to say at this moment; each answer must be a frame, and there must be an end to them.
fn answers(link: &mut Link<'_>, now_us: u64) -> Vec<Header> {
    let (mut storage, mut out, mut headers) = ([0; 2048], [0; 1024], Vec::new());
    let mut deframer = Deframer::new(&mut storage);
    for _ in 0..2_000 {
        let length = link.transmit(now_us, &mut out);
        if length == 0 {
            assert_eq!(deframer.counters().bad(), 0);
            return headers;
        }
        let mut bytes = &out[..length];
        while let Some(frame) = deframer.feed(&mut bytes) {
            headers.push(frame.header);
        }
    }
    panic!("a link that never stops talking");
}
