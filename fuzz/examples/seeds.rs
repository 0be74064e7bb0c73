//! Makes the seeds in `corpus/`: real frames, messages, files and short scripts. Run it when the wire or a script changes:
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --no-default-features --example seeds
//! ```
//!
//! Seeds are called `seed-…`; what a fuzzer found has the name that libFuzzer gave it.

use std::{fs, io, path::Path};

use xyloop_fuzz::{
    config, controller, link, run_folder,
    wire::{frame_around, framed, plain_header},
};
use xyloop_protocol::{
    frame::{Header, Kind, Role, WIRE_VERSION},
    greeting::Greeting,
};

fn main() -> io::Result<()> {
    deframer()?;
    payload()?;
    links()?;
    controllers()?;
    configs()?;
    for (which, name) in run_folder::FILES.iter().enumerate() {
        let bytes = [&[which as u8], &run_folder::right(which)[..]].concat();
        write("run_folder", &name.replace('/', "-"), &bytes)?;
    }
    Ok(())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{name}")), bytes)
}

fn headers() -> [Header; 6] {
    [Kind::Data, Kind::Ack, Kind::Open, Kind::Accept, Kind::Reset, Kind::Close].map(|kind| {
        let sender = if matches!(kind, Kind::Accept | Kind::Reset) { Role::Device } else { Role::Host };
        Header { kind, seq: 0x0102_0304, ack: 0x0506_0000, credit: 300, ..plain_header(sender, 7) }
    })
}

fn deframer() -> io::Result<()> {
    for (nth, length) in [0_u16, 1, 44, 230, 235, 236, 1100].into_iter().enumerate() {
        let header = headers()[nth % 6];
        let payload: Vec<u8> = (0..length).map(|i| (i * 7 % 256) as u8).collect();
        let no_zeros: Vec<u8> = payload.iter().map(|byte| byte | 1).collect();
        let line = [framed(&header, &payload), framed(&header, &no_zeros)].concat();
        write("deframer", &format!("line-{length}"), &[&[5, 7, 3, 0], &line[..]].concat())?;
    }
    let mut script = vec![3, 5, 1, 1];
    for how in 0..4 {
        let content = [&headers()[0].to_bytes()[..], b"abc"].concat();
        script.extend([how, content.len() as u8]);
        script.extend(content);
    }
    write("deframer", "pieces", &script)?;
    let too_long = frame_around(&[5; 400], 0);
    write("deframer", "too-long", &[&[4, 1, 0, 0], &too_long[..], &too_long].concat())
}

fn payload() -> io::Result<()> {
    for header in headers() {
        let bytes = [&[0], &header.to_bytes()[..], b"payload"].concat();
        write("payload", &format!("header-{:?}", header.kind).to_lowercase(), &bytes)?;
    }
    let (requests, events) = controller::conversation();
    for (what, name, messages) in [(1, "request", requests), (2, "event", events)] {
        for (nth, message) in messages.into_iter().enumerate() {
            write("payload", &format!("{name}-{nth:02}"), &[&[what], &message[..]].concat())?;
        }
    }
    for (name, bytes) in [
        ("rice-16", &[3, 0, 0xe1, 0x0c][..]),
        ("rice-32", &[4, 1, 0x4a, 0xbc, 0x3c, 0x58, 0x2b, 0x9f, 0]),
        ("rice-escape", &[5, 0, 0xc0, 0x0c, 0, 0x80, 0x25, 0]),
        ("read-out", &[3, 5, 0, 0x15, 0x88, 0x20, 2]),
    ] {
        write("payload", name, &[&[6], bytes].concat())?;
    }
    let mut room = [0; Greeting::MAX];
    let greeting = Greeting { serial: "A1", ..Greeting::new(0x0123_4567_89ab_cdef, 5) };
    let greeting = greeting.encode(&mut room).unwrap_or_default();
    write("payload", "greeting", &[&[3], greeting].concat())?;
    let opening = [&[WIRE_VERSION, 0, 1, 200, 0, 0, 0], greeting].concat();
    write("payload", "open", &[&[4], &opening[..]].concat())?;
    write("payload", "accept", &[&[5], &opening[..]].concat())
}

fn links() -> io::Result<()> {
    use link::Op;
    let (host, device) = (1, 0);
    // Each script is cut out of this: a session, messages both ways, and one kind of trouble.
    let start = [&[0, 0, Op::Connect as u8, Op::Run as u8, 4][..]].concat();
    let talk = [
        &[Op::Send as u8, host, 9, 0, Op::Send as u8, device, 30, 0][..],
        &[Op::SendMany as u8, host, 6, 20, Op::Transmit as u8, host, 20, Op::Transmit as u8, device, 20],
    ]
    .concat();
    let trouble: [(&str, Vec<u8>); 12] = [
        ("good", vec![Op::Run as u8, 30]),
        ("drop", vec![Op::Drop as u8, device, 0]),
        ("duplicate", vec![Op::Duplicate as u8, device, 1, Op::Deliver as u8, device, 0, 5]),
        ("flip", vec![Op::Flip as u8, device, 1, 40, 0, Op::Deliver as u8, device, 1, 0]),
        ("truncate", vec![Op::Truncate as u8, device, 0, 12, Op::Deliver as u8, device, 0, 0]),
        ("reorder", vec![Op::Deliver as u8, device, 2, 0, Op::Deliver as u8, device, 0, 0]),
        ("silence", vec![Op::Wait as u8, 24, 9, Op::Wake as u8, Op::Transmit as u8, host, 99, Op::Wait as u8, 20, 200]),
        ("unread", vec![Op::SendMany as u8, device, 20, 10, Op::Transmit as u8, device, 99, Op::Pop as u8, host, 3]),
        ("again", vec![Op::Connect as u8, Op::Transmit as u8, host, 99, Op::Send as u8, device, 3, 0]),
        ("close", vec![Op::Close as u8, device, Op::Transmit as u8, device, 50]),
        ("limit", vec![Op::Limit as u8, host, 1, Op::SendMany as u8, host, 3, 30, Op::Transmit as u8, host, 255]),
        ("noise", vec![Op::Noise as u8, device, 3, 1, 0, 9]),
    ];
    for (name, ops) in trouble {
        write("link", name, &[&start, &talk, &ops[..], &talk, &[Op::Run as u8, 9]].concat())?;
    }
    for kind in 0..6 {
        let forged = [Op::Forge as u8, device, kind | 0x18, 1, 1, 4, 1, 2, 3, 4, Op::Run as u8, 3];
        write("link", &format!("forged-{kind}"), &[&start, &talk, &forged[..], &talk].concat())?;
    }
    Ok(())
}

fn controllers() -> io::Result<()> {
    use controller::Op;
    let then = 1; // exchange behind a step
    let shots = [Op::Shoot as u8, 5, then, Op::Wait as u8, 6, 255];
    let half_latched = [Op::Commit as u8, 2, then, Op::Wait as u8, 10, 100];
    let silent = [Op::Cut as u8, 1, then, Op::Wait as u8, 11, 150, Op::Cut as u8, 1, then, Op::Wait as u8, 9, 9];
    let arm = [Op::Ask as u8, 4, 2, then];
    let scripts: [(&str, Vec<u8>); 13] = [
        ("shots", vec![]),
        (
            "silence",
            vec![Op::Cut as u8, 1, then, Op::Wait as u8, 11, 255, Op::Cut as u8, 1, then, Op::Wait as u8, 9, 9],
        ),
        ("results-wait", vec![Op::Cut as u8, 0, then, Op::Wait as u8, 10, 150, Op::Cut as u8, 0, then]),
        ("fault", vec![Op::Fail as u8, 5, 3, 0, then, Op::Wait as u8, 6, 200, Op::Ask as u8, 12, then]),
        ("again", vec![Op::Connect as u8, then, Op::Plan as u8, then]),
        ("commit", vec![Op::Commit as u8, 2, then, Op::Plan as u8, then]),
        ("hang-up", vec![Op::HangUp as u8, then, Op::Ask as u8, 4, 2, then]),
        ("damage", vec![Op::Flip as u8, 1, 100, 0, 0, Op::Lose as u8, 0, 0, Op::Wait as u8, 12, 60]),
        ("forged", vec![Op::Forge as u8, 0x18, 1, 1, 4, 1, 2, 3, 4, then, Op::Noise as u8, 3, 1, 0, 2, then]),
        ("half-latched-silence", [&half_latched[..], &silent, &arm].concat()),
        ("half-latched-again", [&half_latched[..], &[Op::Connect as u8, then], &arm].concat()),
        ("half-latched-fault", [&[Op::Fail as u8, 0, 4, 0, then], &half_latched[..], &arm].concat()),
        ("drift", vec![Op::Plant as u8, 20, 7, then, Op::Wait as u8, 8, 80]),
    ];
    for (nth, (name, script)) in scripts.into_iter().enumerate() {
        for (pace, suffix) in ["", "-paced", "-slow"].into_iter().enumerate() {
            let start = [(nth % 3 + 3 * pace) as u8, 2];
            let bytes = [&start[..], &shots, &script, &shots].concat();
            write("controller", &format!("{name}{suffix}"), &bytes)?;
        }
    }
    for what in 0..13 {
        let ask = [Op::Ask as u8, what, 1, 0, 4, 1, 0, 2, 0, 1, 3, then];
        write("controller", &format!("ask-{what:02}"), &[&[0, 2], &ask[..], &shots].concat())?;
    }
    let (requests, _) = controller::conversation();
    for (nth, request) in requests.iter().enumerate().filter(|(_, request)| request.len() < 100) {
        let raw = [&[0, 2, Op::Raw as u8, request.len() as u8], &request[..], &[then], &shots].concat();
        write("controller", &format!("raw-{nth:02}"), &raw)?;
    }
    Ok(())
}

fn configs() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hil-config");
    let text = |path: &Path| -> io::Result<String> {
        let text = fs::read_to_string(path)?;
        // Comments are room for nothing.
        let lines = text.lines().map(|line| line.split_once(" #").map_or(line, |(front, _)| front).trim_end());
        let told: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        Ok(told.join("\n") + "\n")
    };
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") && !path.ends_with("Cargo.toml") {
            let experiment = text(&path)?;
            let name = experiment.lines().find_map(|line| line.strip_prefix("rig = \"")?.strip_suffix('"'));
            let rig = name.map(|name| text(&folder.join(name))).transpose()?.unwrap_or_default();
            let experiment = experiment.replace(name.unwrap_or("rig.toml"), "rig.toml");
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            write("config", &stem, &config::joined(&experiment, &rig, &[]))?;
        }
    }
    for (name, sets) in [
        ("set-none", &[][..]),
        ("set-both", &["train.seed=7", "rig.plant.replicas=8", "read.what=contrast", "train.guard.basin=count"]),
        ("set-word", &["train.nudge.mode=random-sign", "start.policy=keep"]),
        ("set-array", &["rig.lattice.outputs=[[15, 3]]", "rig.lattice.inputs=[[5], [6, 6]]"]),
        ("set-table", &["settle={min_us = 1}", "train=3", "name.x=3"]),
        ("set-number", &["train.nudge.beta=nan", "train.optimiser.epsilon=1e999", "kick.range=-inf"]),
        (
            "set-rig",
            &["rig.lattice.geometry=\"offsets\"", "rig.lattice.offsets=[[0, 1], [1, 0]]", "rig.device.port=sim"],
        ),
        ("set-layers", &["rig.lattice={geometry = \"layered\", layers = [4, 30, 3]}", "task.kind=iris"]),
    ] {
        write("config", name, &config::joined("", "", sets))?;
    }
    // The record is the longest configuration there is.
    let record = run_folder::right(0);
    write("config", "record", &record)
}
