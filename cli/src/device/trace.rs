//! `xyloop device trace`: a recording of a device's line, one line of text for each frame.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde_json::json;
use xyloop_protocol::{
    link::Role,
    trace::{BadFrame, Content, FrameFinder, MessageFinder, Trace, TraceError, TracedFrame},
};

/// Messages named on a frame's line.
const MESSAGES_SHOWN: usize = 4;

/// Reads a recording.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// What `--trace` of another command recorded.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print one JSON object for each frame, and one with the summary.
    #[arg(long)]
    json: bool,
}

/// Says what is wrong with a recording.
#[derive(Debug)]
pub struct Unreadable {
    path: PathBuf,
    error: TraceError,
}

impl Unreadable {
    /// Says if the file is no recording at all: a wrong argument.
    pub fn is_other_file(&self) -> bool {
        matches!(self.error, TraceError::NotPcap { .. } | TraceError::OtherLinkType { .. } | TraceError::Io(_))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)?;
        match &self.error {
            TraceError::NotPcap { .. } | TraceError::OtherLinkType { .. } => {
                f.write_str(". Give a file that `--trace FILE` of another command wrote")
            }
            TraceError::Torn { .. } => f.write_str("; everything before is shown above"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Prints it; `true` if the recording is whole.
pub fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let unreadable = |error| Unreadable { path: arguments.file.clone(), error };
    let trace = open(&arguments.file).map_err(unreadable)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = print(trace, arguments.json, &mut out).and_then(|end| out.flush().map(|()| end));
    match printed {
        Ok(None) => Ok(true),
        Ok(Some(error)) => Err(unreadable(error).into()),
        // Whoever reads has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn open(path: &Path) -> Result<Trace<BufReader<File>>, TraceError> {
    Trace::new(BufReader::new(File::open(path).map_err(TraceError::Io)?))
}

/// Prints the frames and the summary; what ended the recording before its end, if anything did.
fn print(trace: Trace<BufReader<File>>, json: bool, out: &mut impl Write) -> io::Result<Option<TraceError>> {
    let (mut finder, mut messages) = (FrameFinder::new(), MessageFinder::new());
    let mut totals = Totals::default();
    let mut first_us = None;
    let mut end = None;
    for record in trace {
        let mut record = match record {
            Ok(record) => record,
            Err(error) => {
                end = Some(error);
                break;
            }
        };
        // Times are told from the first record on.
        let first_us = *first_us.get_or_insert(record.time_us);
        record.time_us = record.time_us.saturating_sub(first_us);
        totals.of(record.sender).bytes += record.bytes.len() as u64;
        for frame in finder.frames(&record) {
            totals.count(&frame);
            let messages = messages.messages(&frame);
            if json {
                writeln!(out, "{}", object(&frame, &messages))?;
            } else {
                writeln!(out, "{frame}{}", words(&messages))?;
            }
        }
    }
    for sender in [Role::Host, Role::Device] {
        totals.of(sender).unfinished = finder.unfinished(sender);
    }
    if json { totals.write_json(first_us, end.as_ref(), out) } else { totals.write_text(out) }?;
    Ok(end)
}

/// Adds up one direction of the line.
#[derive(Default)]
struct Total {
    bytes: u64,
    kinds: BTreeMap<&'static str, u64>,
    bad: BTreeMap<BadFrame, u64>,
    /// Bytes behind the last frame.
    unfinished: usize,
}

/// Adds up both.
#[derive(Default)]
struct Totals([Total; 2]);

impl Totals {
    fn of(&mut self, sender: Role) -> &mut Total {
        let [host, device] = &mut self.0;
        match sender {
            Role::Host => host,
            Role::Device => device,
        }
    }

    fn count(&mut self, frame: &TracedFrame) {
        let total = self.of(frame.sender);
        match &frame.content {
            Content::Bad { reason, .. } => *total.bad.entry(*reason).or_default() += 1,
            Content::Good { .. } => *total.kinds.entry(frame.kind_name().unwrap_or_default()).or_default() += 1,
        }
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for (direction, total) in ["host -> device", "host <- device"].into_iter().zip(&self.0) {
            let (good, bad): (u64, u64) = (total.kinds.values().sum(), total.bad.values().sum());
            write!(out, "{direction}: {} bytes, {good} frames{}", total.bytes, list(&total.kinds, |kind| kind))?;
            write!(out, ", {bad} bad{}", list(&total.bad, BadFrame::name))?;
            if total.unfinished > 0 {
                write!(out, ", {} bytes of an unfinished one", total.unfinished)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn write_json(&self, first_us: Option<u64>, end: Option<&TraceError>, out: &mut impl Write) -> io::Result<()> {
        let direction = |total: &Total| {
            let bad: BTreeMap<_, _> = total.bad.iter().map(|(reason, count)| (reason.name(), count)).collect();
            json!({ "bytes": total.bytes, "frames": total.kinds, "bad": bad, "unfinished_bytes": total.unfinished })
        };
        let torn = match end {
            Some(TraceError::Torn { bytes }) => *bytes,
            _ => 0,
        };
        let [host, device] = &self.0;
        let summary = json!({
            "host": direction(host), "device": direction(device), "first_unix_us": first_us, "torn_bytes": torn,
        });
        writeln!(out, "{}", json!({ "summary": summary }))
    }
}

/// Returns ` (3 Ack, 2 Data)`, or nothing.
fn list<K: Copy>(counts: &BTreeMap<K, u64>, name: impl Fn(K) -> &'static str) -> String {
    let words: Vec<String> = counts.iter().map(|(&key, count)| format!("{count} {}", name(key))).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

/// Lists the messages that a frame completes, behind it on its line; the first ones, if they are many.
fn words(messages: &[String]) -> String {
    let (shown, more) = messages.split_at(messages.len().min(MESSAGES_SHOWN));
    match (shown, more.len()) {
        ([], _) => String::new(),
        (shown, 0) => format!("  | {}", shown.join(", ")),
        (shown, more) => format!("  | {}, and {more} more", shown.join(", ")),
    }
}

fn object(frame: &TracedFrame, messages: &[String]) -> serde_json::Value {
    let from = match frame.sender {
        Role::Host => "host",
        Role::Device => "device",
    };
    match &frame.content {
        Content::Good { header, payload } => json!({
            "time_us": frame.time_us, "from": from, "line_bytes": frame.line_bytes,
            "kind": frame.kind_name(), "version": header.version, "echoed": header.sender != frame.sender,
            "session": format!("{:08x}", header.session), "seq": header.seq, "ack": header.ack, "credit": header.credit,
            "payload": hex(payload), "messages": messages,
        }),
        Content::Bad { reason, bytes } => json!({
            "time_us": frame.time_us, "from": from, "line_bytes": frame.line_bytes,
            "bad": reason.name(), "bytes": hex(bytes),
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
