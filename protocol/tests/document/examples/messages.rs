//! What is said: the first exchange, a generation, a shot and its equilibrium, a refusal.

use std::fmt::Write;

use xyloop_protocol::{
    codec::{Codec, Codecs, read_out, rice},
    crc::crc32c,
    link::{Config, Role},
    message::{
        self, Block, BootCause, Bytes, CodeArray, Command, Cost, Equilibria, EquilibriaWriter, Equilibrium, Event,
        Fault, Generation, Identity, Kick, Limits, MAX_SEGMENTS, Nudge, Plan, ReadOut, Reason, Refusal, Report,
        Request, SCHEMA_HASH, SafeCause, Segment, Settle, Shot, Stage, State,
    },
    origin::PlanOrigin,
    units::Flags,
};

use crate::{
    parts::{Parts, fenced, hex},
    talk::{BOOT_ID, SERIAL, Talk, WIRING, opening, stream},
};

const COUPLINGS: [u16; 2] = [0xc000, 0x4000];
const FIELDS: [u16; 6] = [0x8000, 0x8000, 0x8100, 0x8000, 0x8000, 0x7f00];
const SHOT: Shot<'_> = Shot { id: 1, flip: false, inputs: Bytes(&[0x00, 0x40]), targets: Bytes(&[0x00, 0xc0]) };

fn le(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn generation() -> Generation {
    Generation { number: 1, crc: crc32c(&[le(&COUPLINGS), le(&FIELDS)].concat()) }
}

fn plan() -> Plan {
    let mut segments = [Segment::End; MAX_SEGMENTS];
    let nudge = |beta_q8| Segment::Nudge(Nudge { beta_q8, cost: Cost::Log { bound_q14: 1638 } });
    segments[..5].copy_from_slice(&[Segment::Kick, Segment::Free, nudge(64_000), Segment::Release, nudge(-64_000)]);
    Plan {
        run: 0x00c0_ffee,
        generation: generation(),
        segments,
        kick: Kick { seed: 7, range_steps: 32_000, duration_us: 50 },
        settle: Settle { min_us: 3000, window_us: 1000, reads_per_window: 1, tolerance_turn: 2, timeout_us: 60_000 },
        reads: 4,
        read_out: ReadOut::Phases,
        basin_tolerance_turn: 100,
        leave_out: Flags::UNSETTLED,
        codec: Codec::Delta,
    }
}

/// The request's parts, which must be what it is encoded to.
fn request(tag: u16, command: Command<'_>, name: &str, data: &Parts) -> Parts {
    let encoded = encode(&Request { tag, command });
    let mut parts = Parts::default();
    parts.value(&tag, format!("tag {tag}"));
    let number = encoded[parts.bytes().len()];
    parts.raw(&[number], format!("command {number}, {name}"));
    parts.append(data);
    assert_eq!(parts.bytes(), encoded, "{name}");
    parts
}

/// The same of an event.
fn event(tag: u16, report: Report<'_>, name: &str, data: &Parts) -> Parts {
    let encoded = encode(&Event { tag, report });
    let mut parts = Parts::default();
    parts.value(&tag, if tag == 0 { "tag 0: unasked".to_owned() } else { format!("tag {tag}") });
    let number = encoded[parts.bytes().len()];
    parts.raw(&[number], format!("report {number}, {name}"));
    parts.append(data);
    assert_eq!(parts.bytes(), encoded, "{name}");
    parts
}

fn encode(message: &impl serde::Serialize) -> Vec<u8> {
    message::encode(message, &mut [0; 512]).unwrap().to_vec()
}

/// Queues messages at one end and passes the one frame that carries them.
fn pass(talk: &mut Talk, from: Role, words: &str, messages: &[Parts]) {
    for message in messages {
        let end = if from == Role::Host { &mut talk.host } else { &mut talk.device };
        end.send(&message.bytes()).unwrap();
    }
    talk.pass(from, words, &stream(messages));
    let other = if from == Role::Host { &mut talk.device } else { &mut talk.host };
    for message in messages {
        assert_eq!(other.front(), Some(&message.bytes()[..]));
        other.pop();
    }
}

fn of_generation() -> Parts {
    let (mut parts, generation) = (Parts::default(), generation());
    parts.value(&generation.number, format!("generation {}", generation.number));
    parts.value(&generation.crc, format!("crc {:#010x}", generation.crc));
    parts
}

pub fn wiring() -> String {
    let (mut parts, c) = (Parts::default(), WIRING.converters);
    parts.raw(b"xyloop wiring 1", "\"xyloop wiring 1\"");
    parts.raw(&3u16.to_le_bytes(), "3 sites");
    parts.raw(&2u32.to_le_bytes(), "2 couplings");
    parts.raw(&le(&[0, 1, 1, 2]), "0–1, 1–2");
    parts.raw(&1u32.to_le_bytes(), "1 input site");
    parts.raw(&le(&[0]), "site 0");
    parts.raw(&1u32.to_le_bytes(), "1 output site");
    parts.raw(&le(&[2]), "site 2");
    parts.raw(&[c.coupling_bits, c.field_bits, c.input_bits, c.iq_bits], "bits: coupling, field, input, I/Q");
    parts.raw(&c.coupling_range_micro.to_le_bytes(), "W within ±2");
    parts.raw(&c.field_range_micro.to_le_bytes(), "h within ±4");
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    assert_eq!(hash, WIRING.hash());
    let mut text = String::new();
    parts.write(&mut text);
    writeln!(text, "\n    wiring hash {hash:#018x}; in a greeting {}", hex(&hash.to_le_bytes())).unwrap();
    fenced(&text)
}

pub fn varints() -> String {
    let mut parts = Parts::default();
    for value in [0u16, 127, 128, 300, u16::MAX] {
        parts.value(&value, format!("u16  {value}"));
    }
    parts.value(&u32::MAX, format!("u32  {}", u32::MAX));
    parts.value(&u64::MAX, format!("u64  {}", u64::MAX));
    for value in [0i32, -1, 1, -64, 64, i32::MIN] {
        parts.value(&value, format!("i32  {value}"));
    }
    parts.value("µs", "str  \"µs\"");
    parts.value(&Bytes(&[1, 2, 3]), "bytes  01 02 03");
    parts.value(&State::Boot, "State::Boot");
    parts.value(&State::Faulted(Fault::Board), "State::Faulted(Fault::Board)");
    parts.value(&Cost::Log { bound_q14: 1638 }, "Cost::Log { bound_q14: 1638 }");
    let mut text = String::new();
    parts.write(&mut text);
    assert_eq!(postcard::from_bytes::<u16>(&[0x80, 0x80, 0]), Ok(0), "longer than necessary");
    assert!(postcard::from_bytes::<u16>(&[0xff, 0xff, 4]).is_err(), "too large");
    assert!(postcard::from_bytes::<u16>(&[0x80, 0x80, 0x80, 0]).is_err(), "too long");
    fenced(&text)
}

pub fn rice() -> String {
    let mut text = String::new();
    let mut line = |what: &str, bits: u32, values: &[i32]| {
        let mut out = [0; 512];
        let length = match bits {
            16 => rice::encode::<16>(values.iter().map(|value| rice::fold16(*value as u16)), &mut out),
            _ => rice::encode::<32>(values.iter().map(|value| rice::fold32(*value)), &mut out),
        };
        writeln!(text, "{:<24} {what}", hex(&out[..length.unwrap()])).unwrap();
    };
    line("16 bits: -2 0 -2, folded 3 0 3: k = 1", 16, &[-2, 0, -2]);
    line("16 bits: 40 zeros: twice k = 14", 16, &[0; 40]);
    line("16 bits: 5 -32768: k = 15", 16, &[5, -32768]);
    line("16 bits: 1 0 1 0 300: k = 0, the last one behind 16 zeros", 16, &[1, 0, 1, 0, 300]);
    line("32 bits: 700 -900 811 -20: k = 9", 32, &[700, -900, 811, -20]);
    line("32 bits: nothing", 32, &[]);
    fenced(&text)
}

pub fn schema_hash() -> String {
    fenced(&hex(&SCHEMA_HASH))
}

pub fn first_exchange() -> String {
    let mut talk = Talk::begin(Config::host());
    for (from, words) in [(Role::Host, "asks for a session"), (Role::Device, "accepts; its stream's start is fresh")] {
        let frames = talk.frames(from);
        talk.note(words, &frames[0], &opening(&frames[0]));
        talk.deliver(from, &frames);
    }
    talk.pass(Role::Host, "confirms: ack is the device's start", &Parts::default());
    pass(&mut talk, Role::Host, "asks who it is", &[request(1, Command::Identify, "Identify", &Parts::default())]);
    let limits = Limits {
        sites: 3,
        couplings: 2,
        inputs: 1,
        outputs: 1,
        shot_slots: 8,
        result_bytes: 60,
        replicas: 1,
        max_message: 576,
        deadman_ms: 250,
        codecs: Codecs::ALL,
    };
    let identity = Identity {
        vendor: "xyloop",
        model: "example",
        serial: SERIAL,
        firmware: "0.1.0",
        boot_id: BOOT_ID,
        boot_cause: BootCause::Watchdog,
        boot_note: "",
        wiring_hash: WIRING.hash(),
        calibration_id: 0,
        limits,
    };
    let mut data = Parts::default();
    for (name, text) in [("vendor", "xyloop"), ("model", "example"), ("serial", SERIAL), ("firmware", "0.1.0")] {
        data.value(text, format!("{name} \"{text}\""));
    }
    data.value(&BOOT_ID, format!("boot id {BOOT_ID:#010x}"));
    data.value(&BootCause::Watchdog, format!("boot cause {}, Watchdog", BootCause::Watchdog as u8));
    data.value("", "no boot note");
    data.value(&WIRING.hash(), format!("wiring hash {:#018x}", WIRING.hash()));
    data.value(&0u64, "no calibration");
    data.value(&3u16, "3 sites");
    data.value(&2u32, "2 couplings");
    data.value(&1u16, "1 input");
    data.value(&1u16, "1 output");
    data.value(&8u16, "8 slots");
    data.value(&60u32, "60 bytes of read-out a shot");
    data.value(&1u16, "1 replica");
    data.value(&576u16, "messages up to 576 bytes");
    data.value(&250u16, "deadman 250 ms");
    data.value(&Codecs::ALL, "codecs Words and Delta");
    let answer = event(1, Report::Identity(identity), "Identity", &data);
    pass(&mut talk, Role::Device, "answers; this acknowledges the question too", &[answer]);
    talk.pass(Role::Host, "acknowledges, having nothing to say", &Parts::default());
    fenced(&talk.text)
}

fn stage(tag: u16, block: Block, codes: &[u16], name: &str) -> Parts {
    let codes = le(codes);
    let stage = Stage { generation: 1, block, first: 0, codes: CodeArray::Words(Bytes(&codes)) };
    let mut data = Parts::default();
    data.value(&1u32, "generation 1");
    data.value(&block, format!("block {}, {block:?}", block as u8));
    data.value(&0u32, "from code 0 on");
    data.raw(&[0], "0, Words");
    data.value(&Bytes(&codes), format!("{} bytes of codes: {name}", codes.len()));
    request(tag, Command::Stage(stage), "Stage", &data)
}

pub fn commit() -> String {
    let mut talk = Talk::connected();
    let messages = [
        stage(2, Block::Couplings, &COUPLINGS, "W of 0–1, of 1–2"),
        stage(3, Block::Fields, &FIELDS, "x and y of site 0, of site 1, of site 2"),
        request(4, Command::Commit(generation()), "Commit", &of_generation()),
    ];
    pass(&mut talk, Role::Host, "stages and commits", &messages);
    let done = [2, 3, 4].map(|tag| event(tag, Report::Done, "Done", &Parts::default()));
    pass(&mut talk, Role::Device, "has latched them", &done);
    let codes = [le(&COUPLINGS), le(&FIELDS)].concat();
    talk.say(&format!("CRC-32C of the codes {}\nis {:#010x}.", hex(&codes), generation().crc));
    fenced(&talk.text)
}

fn of_plan() -> Parts {
    let (mut data, plan) = (Parts::default(), plan());
    data.value(&plan.run, format!("run {:#010x}", plan.run));
    data.append(&of_generation());
    for (index, segment) in plan.segments.iter().enumerate() {
        let name = match segment {
            Segment::Nudge(nudge) => {
                format!("Nudge, β {} · 2^-8, cost Log, bound 1638 · 2^-14", nudge.beta_q8)
            }
            other => format!("{other:?}"),
        };
        data.value(segment, format!("segment {index}: {name}"));
    }
    data.value(&plan.kick, "kick: seed 7, 32 000 steps, 50 us");
    let s = plan.settle;
    data.value(&s.min_us, format!("settle: not before {} us", s.min_us));
    data.value(&s.window_us, format!("window every {} us", s.window_us));
    data.value(&s.reads_per_window, "1 read a window");
    data.value(&s.tolerance_turn, "tolerance 2 · 2^-16 turns");
    data.value(&s.timeout_us, format!("time-out {} us", s.timeout_us));
    data.value(&plan.reads, "4 reads");
    data.value(&plan.read_out, "read-out 0, Phases");
    data.value(&plan.basin_tolerance_turn, "basin tolerance 100 · 2^-16 turns");
    data.value(&plan.leave_out, "leave out: unsettled");
    data.value(&plan.codec, "codec 1, Delta");
    data
}

pub fn shot() -> String {
    let mut talk = Talk::connected();
    let mut data = Parts::default();
    data.value(&SHOT.id, "id 1");
    data.value(&SHOT.flip, "no flip");
    data.value(&SHOT.inputs, "2 bytes of inputs: a quarter of a turn");
    data.value(&SHOT.targets, "2 bytes of targets: three quarters");
    let messages =
        [request(5, Command::Plan(plan()), "Plan", &of_plan()), request(6, Command::Shot(SHOT), "Shot", &data)];
    pass(&mut talk, Role::Host, "a plan and a shot", &messages);
    pass(
        &mut talk,
        Role::Device,
        "the plan is taken; so is the shot",
        &[event(5, Report::Done, "Done", &Parts::default())],
    );
    fenced(&talk.text)
}

pub fn equilibrium() -> String {
    let mut talk = Talk::connected();
    let origin = PlanOrigin::new(&plan()).of(&SHOT);
    let covered =
        [of_plan().bytes(), SHOT.id.to_le_bytes().to_vec(), vec![0], SHOT.inputs.0.to_vec(), SHOT.targets.0.to_vec()]
            .concat();
    assert_eq!(crc32c(&covered).to_le_bytes(), origin.0);
    // Free, +β, released, −β.
    let states =
        [[0x4000u16, 0x5a3c, 0x7b1d], [0x4000, 0x5a50, 0x7b61], [0x4000, 0x5a3c, 0x7b1d], [0x4000, 0x5a28, 0x7ada]];
    let heads = [(4000, 1, 0), (5000, 0, 68), (4000, 1, 0), (5000, 0, 67)];
    let (mut rows, mut buffer) = (Parts::default(), [0; 256]);
    let mut writer = EquilibriaWriter::new(&mut buffer);
    for (ordinal, (settle_us, residual_turn, moved_turn)) in heads.into_iter().enumerate() {
        let row = Equilibrium { settle_us, residual_turn, moved_turn, ..Equilibrium::default() };
        let mut coded = [0; 6];
        let length = read_out::encode(ordinal, 3, |state, index| states[state][index], &mut coded).unwrap();
        assert!(writer.push(&row, 6, |place| {
            place.copy_from_slice(&coded);
            Some(length)
        }));
        rows.value(&row.flags, format!("segment {}: no flags", ordinal + 1));
        rows.value(&row.settle_us, format!("settled after {settle_us} us"));
        rows.value(&row.residual_turn, format!("residual {residual_turn} · 2^-16 turns"));
        rows.value(&row.moved_turn, format!("moved {moved_turn}"));
        let data = Bytes(&coded[..length]);
        if length == 6 {
            rows.value(&data, "6 bytes of phases: sites 0, 1, 2");
        } else {
            let of = if coded[0] == 0 { "f".to_owned() } else { format!("2·f − e, e of segment {}", coded[0] + 1) };
            rows.value(&data, format!("{length} bytes: r = {}, differences to {of}", coded[0]));
        }
    }
    let head = Equilibria { shot: 1, generation: 1, origin, first: 1, rows: Bytes(&[]) };
    let message = writer.finish(head).unwrap().to_vec();
    let mut data = Parts::default();
    data.value(&head.shot, "shot 1");
    data.value(&head.generation, "generation 1");
    data.value(&head.origin, format!("origin {origin}"));
    data.value(&head.first, "from segment 1 on");
    data.value(&(rows.bytes().len() as u32), format!("{} bytes of rows", rows.bytes().len()));
    data.append(&rows);
    let of_rows = rows.bytes();
    let report = Report::Equilibria(Equilibria { rows: Bytes(&of_rows), ..head });
    let event = event(0, report, "Equilibria", &data);
    assert_eq!(event.bytes(), message);
    pass(&mut talk, Role::Device, "the whole shot", &[event]);
    talk.say("The origin is the CRC-32C of");
    for (bytes, what) in [
        (of_plan().bytes(), "the plan"),
        (SHOT.id.to_le_bytes().to_vec(), "the id"),
        (vec![0], "the flip"),
        ([SHOT.inputs.0, SHOT.targets.0].concat(), "inputs and targets"),
    ] {
        let mut part = Parts::default();
        part.raw(&bytes, what);
        part.write(&mut talk.text);
    }
    writeln!(talk.text, "which is 0x{origin}.").unwrap();
    let retire = {
        let mut id = Parts::default();
        id.value(&1u64, "up to shot 1");
        request(7, Command::Retire(1), "Retire", &id)
    };
    talk.say("When all four are on the host's disk:");
    retire.write(&mut talk.text);
    fenced(&talk.text)
}

pub fn refusal() -> String {
    let mut text = String::new();
    let mut note = |words: &str, message: &Parts| {
        if !text.is_empty() {
            text.push('\n');
        }
        writeln!(text, "{words}").unwrap();
        message.write(&mut text);
    };
    let refusal = Refusal { reason: Reason::OldShot, detail: 300 };
    let mut data = Parts::default();
    data.value(&refusal.reason, "reason 10, OldShot");
    data.value(&refusal.detail, "detail: the last shot held is 300");
    note("< a shot was refused", &event(12, Report::Refused(refusal), "Refused", &data));
    let mut data = Parts::default();
    data.value(&State::Safe(SafeCause::Deadman), "state 1, Safe; cause 2, Deadman");
    note("< nothing heard for 250 ms", &event(0, Report::State(State::Safe(SafeCause::Deadman)), "State", &data));
    note("> the host is back", &request(13, Command::Arm(generation()), "Arm", &of_generation()));
    note("< done; the shots go on", &event(13, Report::Done, "Done", &Parts::default()));
    fenced(&text)
}
