//! Recordings are what tools know, can be read back, and tell what is wrong with them and in them.

use xyloop_protocol::{
    frame::{FRAME_MAX, Header, Kind, Role},
    message::{self, Bytes, Command, Event, Reason, Refusal, Report, Request, Shot},
    trace::{BadFrame, Content, FrameFinder, MessageFinder, Record, Trace, TraceError, TracedFrame, Tracer},
};

use super::{frames, header, one_frame};

/// A recording of these records.
fn recording(records: &[Record]) -> Vec<u8> {
    let mut tracer = Tracer::new(Vec::new()).unwrap();
    for record in records {
        tracer.record(record.time_us, record.sender, &record.bytes).unwrap();
    }
    tracer.into_inner()
}

fn record(time_us: u64, sender: Role, bytes: &[u8]) -> Record {
    Record { time_us, sender, bytes: bytes.to_vec() }
}

#[test]
fn a_recording_is_the_pcap_that_tools_know() {
    let file = recording(&[record(1_500_000_123_456, Role::Device, b"\x00ab")]);
    #[rustfmt::skip]
    let expected = [
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 147, 0, 0, 0,
        0x60, 0xe3, 0x16, 0, 0x40, 0xe2, 0x01, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, b'a', b'b',
    ];
    assert_eq!(file, expected);
}

#[test]
fn a_recording_comes_back() {
    let records = [
        record(0, Role::Host, &frames(1)[0]),
        record(999_999, Role::Device, &[0]),
        record(1_000_000, Role::Device, &vec![7; 100_000]),
        record(4_294_967_295_999_999, Role::Host, b"the last second of 32 bits"),
    ];
    let file = recording(&records);
    let read: Result<Vec<Record>, _> = Trace::new(&file[..]).unwrap().collect();
    assert_eq!(read.unwrap(), records);
    // No bytes make no record, many make several of the same time.
    let file = recording(&[record(1, Role::Host, &[]), record(2, Role::Host, &vec![1; 600_000])]);
    let read: Vec<Record> = Trace::new(&file[..]).unwrap().map(Result::unwrap).collect();
    assert!(read.len() > 1 && read.iter().all(|record| record.time_us == 2));
    assert_eq!(read.iter().map(|record| record.bytes.len()).sum::<usize>(), 600_000);
}

#[test]
fn a_torn_recording_gives_what_is_there_and_says_how_much_is_torn() {
    let file = recording(&[record(1, Role::Host, b"first"), record(2, Role::Device, b"second")]);
    let second = file.len() - 16 - 7;
    for length in second..file.len() {
        let mut trace = Trace::new(&file[..length]).unwrap();
        assert_eq!(trace.next().unwrap().unwrap().bytes, b"first");
        match trace.next() {
            None => assert_eq!(length, second),
            Some(Err(TraceError::Torn { bytes })) => assert_eq!(bytes, length - second),
            other => panic!("{length}: {other:?}"),
        }
        assert!(trace.next().is_none());
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    let file = recording(&[record(1, Role::Host, b"first")]);
    let with = |at: usize, bytes: &[u8]| {
        let mut other = file.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        other
    };
    for (other, words) in [
        (b"name,value\n1,2\n".to_vec(), "no pcap file (it begins with [6e, 61, 6d, 65]"),
        (Vec::new(), "no pcap file"),
        (with(0, &[0x0a, 0x0d, 0x0d, 0x0a]), "pcapng"),
        (with(0, &[0xa1, 0xb2, 0xc3, 0xd4]), "another byte order"),
        (with(20, &[1]), "link type 1; recordings of a device's line have 147"),
        (file[..10].to_vec(), "10 bytes are torn off"),
    ] {
        let said = Trace::new(&other[..]).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
    for (other, words) in [
        (with(24 + 8, &[0]), "record 0 is said to have 0 bytes"),
        (with(24 + 8, &[0xff; 4]), "4294967295 bytes: the file is damaged"),
        (with(24 + 16, &[2]), "direction 2"),
    ] {
        let mut trace = Trace::new(&other[..]).unwrap();
        let said = trace.next().unwrap().unwrap_err().to_string();
        assert!(said.contains(words) && trace.next().is_none(), "{said}");
    }
}

#[test]
fn frames_are_found_wherever_the_records_are_cut() {
    let [first, second] = [one_frame(5, b"hello"), one_frame(6, &[0xee; 30])];
    let mut finder = FrameFinder::new();
    assert!(finder.frames(&record(1_000_000, Role::Host, &first[..9])).is_empty());
    assert_eq!((finder.unfinished(Role::Host), finder.unfinished(Role::Device)), (9, 0));
    // The other direction does not disturb it; a frame that says it is the host's is an echo there.
    let [echo] = &finder.frames(&record(1_500_000, Role::Device, &second))[..] else { panic!() };
    assert!(echo.to_string().ends_with("echoed  ee ee ee ee ee ee ee ee ee ee ee ee ..."), "{echo}");
    let found = finder.frames(&record(2_000_007, Role::Host, &[&first[9..], &second].concat()));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].content, Content::Good { header: header(5), payload: b"hello".to_vec() });
    assert_eq!((found[0].time_us, found[0].line_bytes, found[0].kind_name()), (2_000_007, first.len(), Some("Data")));
    let line = found[0].to_string();
    for word in ["2.000007  host -> device  Data", "0000feed", " 5  ack", " 7  credit   100", "5 B  68 65 6c 6c 6f"] {
        assert!(line.contains(word), "{line}");
    }
    assert_eq!(finder.unfinished(Role::Host), 0);
}

#[test]
fn damaged_frames_are_told_with_the_reason() {
    let whole = one_frame(1, &[0x31; 40]);
    let mut crc = whole.clone();
    crc[30] ^= 1;
    let mut kind = [0; 64];
    let mut raw = header(1).to_bytes().to_vec();
    raw[0] |= 7;
    raw.extend(xyloop_protocol::crc::crc32c(&raw).to_le_bytes());
    let length = cobs::encode(&raw, &mut kind[1..]);
    for (bytes, reason) in [
        (&crc[..], BadFrame::Crc),
        (&[&whole[..20], &[0]].concat(), BadFrame::Cobs),
        (&[0, 3, 1, 1, 0], BadFrame::Short),
        (&kind[..length + 2], BadFrame::Kind),
        (&vec![9; FRAME_MAX], BadFrame::Long),
    ] {
        let [found] = &FrameFinder::new().frames(&record(3, Role::Device, bytes))[..] else { panic!("{reason:?}") };
        let content: Vec<u8> = bytes.iter().copied().filter(|&byte| byte != 0).collect();
        let line = found.to_string();
        assert!(line.contains("host <- device  BAD") && line.contains(reason.name()), "{line}");
        assert!(line.contains(&format!("{} B", content.len())), "{line}");
        assert_eq!(found.content, Content::Bad { reason, bytes: content });
    }
}

/// A message as it lies in the stream.
fn in_stream(message: &impl serde::Serialize) -> Vec<u8> {
    let mut buffer = [0; 100];
    let bytes = message::encode(message, &mut buffer).unwrap();
    [&(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

#[test]
fn messages_are_named_once_and_in_order_whatever_the_order_of_the_frames() {
    let start = u32::MAX - 20;
    let shot = Shot { id: 12, flip: false, inputs: Bytes(&[1; 30]), targets: Bytes(&[2; 4]) };
    let requests = [
        Request { tag: 6, command: Command::Status },
        Request { tag: 0, command: Command::Shot(shot) },
        Request { tag: 7, command: Command::Retire(11) },
    ];
    let stream: Vec<u8> = requests.iter().flat_map(in_stream).collect();
    let frame = |sender, kind, session, seq, payload: &[u8]| TracedFrame {
        time_us: 0,
        sender,
        line_bytes: 0,
        content: Content::Good {
            header: Header { sender, kind, session, seq, ..header(0) },
            payload: payload.to_vec(),
        },
    };
    let piece =
        |from: usize, to: usize| frame(Role::Host, Kind::Data, 5, start.wrapping_add(from as u32), &stream[from..to]);
    let mut finder = MessageFinder::new();
    assert!(finder.messages(&piece(0, stream.len())).is_empty(), "where the stream begins is not known");
    let open = frame(Role::Host, Kind::Open, 5, start, b"greeting");
    assert!(finder.messages(&open).is_empty());
    let none: [&str; 0] = [];
    assert_eq!(finder.messages(&piece(30, stream.len())), none, "the beginning is missing");
    assert_eq!(finder.messages(&piece(0, 10)), ["#6 Status"]);
    assert_eq!(finder.messages(&open), none, "a repeated Open begins nothing anew");
    assert_eq!(finder.messages(&piece(0, 10)), none, "neither does a repeated frame");
    assert_eq!(finder.messages(&frame(Role::Host, Kind::Data, 6, start, &stream)), none, "another session");
    assert_eq!(finder.messages(&piece(5, 40)), ["Shot 12", "#7 Retire 11"]);

    let refusal = Refusal { reason: Reason::Busy, detail: 3 };
    let mut events = in_stream(&Event { tag: 6, report: Report::Done });
    events.extend(in_stream(&Event { tag: 7, report: Report::Refused(refusal) }));
    events.extend([2, 0, 0xff, 0xff]);
    finder.messages(&frame(Role::Device, Kind::Accept, 5, 1, b"greeting"));
    let said = finder.messages(&frame(Role::Device, Kind::Data, 5, 1, &events));
    assert_eq!(said, ["#6 Done", "#7 Refused Busy 3", "malformed, 2 B"]);
}
