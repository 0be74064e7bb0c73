//! Served devices: hosts come, vanish and come back; lines are cut; devices start anew.
//!
//! These run on the real clock. Nothing sleeps: a test waits for bytes or for the end of a connection.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use common::{ideal, small};
use xyloop_firmware::generations::crc_of;
use xyloop_protocol::{
    greeting::Greeting,
    link::{self, Role},
    message::{Block, Bytes, CodeArray, Command, Generation, SafeCause, Stage, State, Status},
    trace::{FrameFinder, Trace},
    units::DacCode,
};
use xyloop_sim::{Description, Embedded, Served, serve::LineReport};
use xyloop_testbench::{Answer, LinkSizes, ScriptedHost};

/// Longest wait for anything that has to happen.
const DEADLINE: Duration = Duration::from_mins(1);

/// A device that a busy machine does not drive into its deadman.
fn patient() -> Description {
    Description { deadman_ms: 60_000, ..ideal(small(), 8) }
}

/// A way to a device.
trait Line {
    /// Writes; `false` if the line is cut.
    fn write(&mut self, bytes: &[u8]) -> bool;
    /// Reads what comes within this time, maybe nothing; `None` if the line is cut.
    fn read(&mut self, within: Duration) -> Option<Vec<u8>>;
}

/// To an embedded device.
struct InProcess<'d>(&'d Embedded, Receiver<Vec<u8>>);

impl<'d> InProcess<'d> {
    fn connect(device: &'d Embedded) -> Self {
        let (sender, receiver) = channel();
        device.connect(move |bytes| drop(sender.send(bytes)));
        Self(device, receiver)
    }
}

impl Line for InProcess<'_> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.send(bytes.to_vec())
    }

    fn read(&mut self, within: Duration) -> Option<Vec<u8>> {
        match self.1.recv_timeout(within) {
            Ok(bytes) => Some(bytes),
            Err(RecvTimeoutError::Timeout) => Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

impl Line for TcpStream {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.write_all(bytes).is_ok()
    }

    fn read(&mut self, within: Duration) -> Option<Vec<u8>> {
        self.set_read_timeout(Some(within.max(Duration::from_millis(1)))).unwrap();
        let mut buffer = vec![0; 4096];
        match Read::read(self, &mut buffer) {
            Ok(0) => None,
            Ok(length) => Some(buffer[..length].to_vec()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(Vec::new()),
            Err(_) => None,
        }
    }
}

/// A host on the real clock.
struct Host<L> {
    line: L,
    end: ScriptedHost<'static>,
    started: Instant,
}

impl<L: Line> Host<L> {
    fn new(line: L, session: u32) -> Self {
        let mut end = ScriptedHost::new(LinkSizes::new(1024, 1 << 14, 1 << 14));
        end.link.connect(session, Greeting::new(0, 0).encode(&mut [0; Greeting::MAX]).unwrap(), 0).unwrap();
        Self { line, end, started: Instant::now() }
    }

    /// Writes what is due and reads what comes; `false` if the line is cut.
    fn turn(&mut self) -> bool {
        let now_us = self.started.elapsed().as_micros() as u64;
        let mut buffer = [0; 4096];
        let length = self.end.link.transmit(now_us, &mut buffer);
        if length > 0 && !self.line.write(&buffer[..length]) {
            return false;
        }
        let within = if length > 0 { Duration::ZERO } else { Duration::from_millis(5) };
        let Some(bytes) = self.line.read(within) else { return false };
        self.end.link.receive(self.started.elapsed().as_micros() as u64, &bytes);
        true
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let due = Instant::now() + DEADLINE;
        while !done(self) {
            assert!(Instant::now() < due, "waited too long: {what}, {:?}", self.end.link.state());
            assert!(self.turn(), "the line was cut: {what}, {:?}", self.end.link.state());
        }
    }

    /// Until the line is cut from the other side.
    fn until_cut(&mut self) {
        let due = Instant::now() + DEADLINE;
        while self.turn() {
            assert!(Instant::now() < due, "the line is not cut, {:?}", self.end.link.state());
        }
    }

    /// Until the device has answered; its boot id.
    fn greet(&mut self) -> u32 {
        self.until("the first exchange", |host| host.end.link.session().is_some());
        Greeting::from_bytes(self.end.link.peer_greeting()).unwrap().boot_id
    }

    fn ask(&mut self, command: Command<'_>) -> Answer {
        let tag = self.end.try_tell(command).expect("a session, and room");
        self.until("an answer", |host| {
            host.end.listen();
            host.end.is_answered(tag)
        });
        self.end.take_answer(tag).unwrap()
    }

    fn order(&mut self, command: Command<'_>) {
        assert_eq!(self.ask(command), Answer::Done);
    }

    fn status(&mut self) -> Status {
        let answer = self.ask(Command::Status);
        let Answer::Status(status) = answer else { panic!("{answer:?}") };
        status
    }

    /// Commits the safe codes as generation 5.
    fn commit(&mut self) -> Generation {
        let codes = vec![DacCode::mid(16); small().couplings().len() + 2 * small().len()];
        let generation = Generation { number: 5, crc: crc_of(&codes) };
        let codes = CodeArray::Words(Bytes(&[0x00, 0x80]));
        self.order(Command::Stage(Stage { generation: 5, block: Block::Couplings, first: 0, codes }));
        self.order(Command::Commit(generation));
        generation
    }
}

#[test]
fn a_host_in_this_process_loses_and_regains_the_line() {
    let device = Embedded::start(patient(), 77).unwrap();
    let mut host = Host::new(InProcess::connect(&device), 1);
    assert_eq!(host.greet(), 77);
    let generation = host.commit();
    assert_eq!(host.status().state, State::Ready);

    device.disconnect();
    host.until_cut();
    let mut host = Host::new(InProcess::connect(&device), 2);
    assert_eq!(host.greet(), 77, "it was not started anew");
    let status = host.status();
    assert_eq!((status.state, status.generation), (State::Safe(SafeCause::Deadman), generation));
    host.order(Command::Arm(generation));
    assert_eq!(host.status().state, State::Ready);
}

#[test]
fn another_connection_replaces_the_host() {
    let device = Embedded::start(patient(), 77).unwrap();
    let mut first = Host::new(InProcess::connect(&device), 1);
    first.greet();
    first.commit();
    let mut second = Host::new(InProcess::connect(&device), 2);
    first.until_cut();
    second.greet();
    assert_eq!(second.status().state, State::Safe(SafeCause::Deadman), "nobody answered for the outputs in between");
}

#[test]
fn a_reboot_forgets_everything_but_the_line() {
    let device = Embedded::start(patient(), 77).unwrap();
    let mut host = Host::new(InProcess::connect(&device), 1);
    host.greet();
    host.commit();
    assert!(host.status().uptime_us > 0);
    device.reboot(78);
    host.until("a reset", |host| host.end.link.state() == link::State::Reset { session: 1 });
    host.end
        .link
        .connect(
            2,
            Greeting::new(0, 0).encode(&mut [0; Greeting::MAX]).unwrap(),
            host.started.elapsed().as_micros() as u64,
        )
        .unwrap();
    assert_eq!(host.greet(), 78);
    let status = host.status();
    assert_eq!((status.state, status.generation), (State::Safe(SafeCause::Reset), Generation::default()));
}

#[test]
fn what_is_sent_to_nobody_is_lost() {
    let device = Embedded::start(patient(), 77).unwrap();
    let (sender, lost) = channel();
    let mut buffer = [0; 512];
    let mut host = Host::new(InProcess(&device, lost), 1);
    drop(sender);
    let length = host.end.link.transmit(0, &mut buffer);
    assert!(length > 0 && device.send(buffer[..length].to_vec()), "the device is there, though");
    let mut next = Host::new(InProcess::connect(&device), 2);
    next.greet();
    assert_eq!(next.status().link.bytes_in as u32, next.end.link.counters().bytes_out as u32);
}

/// A device on TCP, on a thread of its own until the end of the test.
struct Tcp {
    address: String,
    stop: Box<dyn Fn()>,
    thread: Option<JoinHandle<LineReport>>,
}

impl Tcp {
    fn serve(way: impl FnOnce(Served) -> Served) -> Self {
        let served = way(Served::on_tcp(patient(), 77, "127.0.0.1:0", None).unwrap());
        let address = served.place().strip_prefix("tcp://").unwrap().to_owned();
        let stop = Box::new(served.stopper());
        Self { address, stop, thread: Some(thread::spawn(move || served.run().unwrap())) }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    fn end(&mut self) -> LineReport {
        (self.stop)();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        (self.stop)();
    }
}

#[test]
fn a_host_that_never_spoke_makes_room_for_the_next() {
    let device = Tcp::serve(|served| served);
    let mut silent = device.connect();
    let mut host = Host::new(device.connect(), 2);
    assert_eq!(host.greet(), 77);
    // Its machine may be gone; if it is not, it learns that it was replaced.
    silent.set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(matches!(Read::read(&mut silent, &mut [0; 16]), Ok(0) | Err(_)));
}

#[test]
fn a_host_that_fell_silent_makes_room_for_the_next() {
    let device = Tcp::serve(|served| served);
    let mut first = Host::new(device.connect(), 1);
    first.greet();
    let generation = first.commit();
    // From here on nothing comes from it, not even the end of the connection.
    let since = Instant::now();
    let mut second = Host::new(device.connect(), 2);
    second.greet();
    assert!(since.elapsed() >= Duration::from_millis(900), "it was given its time");
    let status = second.status();
    assert_eq!((status.state, status.generation), (State::Safe(SafeCause::Deadman), generation));
    first.until_cut();
}

#[test]
fn a_host_that_is_there_keeps_the_device() {
    let device = Tcp::serve(|served| served);
    let mut first = Host::new(device.connect(), 1);
    first.greet();
    let generation = first.commit();
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    let first = thread::spawn(move || {
        first.until("the second one to go", |_| over.load(Ordering::Relaxed));
        first
    });
    let mut second = Host::new(device.connect(), 2);
    second.until_cut();
    assert_eq!(second.end.link.counters().bytes_in, 0, "it was not served");
    done.store(true, Ordering::Relaxed);
    let mut first = first.join().unwrap();
    let status = first.status();
    assert_eq!((status.state, status.generation), (State::Ready, generation));
}

#[test]
fn a_cut_line_closes_the_connection_and_can_be_connected_again() {
    let mut device = Tcp::serve(|served| served.with_faults(&"disconnect=1".parse().unwrap()));
    for session in 1..=3 {
        let mut host = Host::new(device.connect(), session);
        host.until_cut();
        assert_eq!(host.end.link.counters().bytes_in, 0);
    }
    let [from_host, to_host] = device.end().faults.unwrap();
    assert_eq!((from_host.disconnects, from_host.frames, to_host.frames), (3, 3, 0));
}

#[test]
fn a_recording_is_what_the_device_saw() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line.pcap");
    let mut device =
        Tcp::serve(|served| served.with_faults(&"drop=0.2,seed=3".parse().unwrap()).with_trace(&path).unwrap());
    let mut host = Host::new(device.connect(), 1);
    host.greet();
    for _ in 0..8 {
        host.status();
    }
    let seen = host.status().link;
    host.line.shutdown(std::net::Shutdown::Both).unwrap();
    let report = device.end();
    assert!(report.recording.is_none() && report.unrecorded_bytes == 0);
    let [from_host, to_host] = report.faults.unwrap();

    let mut finder = FrameFinder::new();
    let (mut frames, mut bytes) = ([0, 0], [0, 0]);
    let mut last_us = 0;
    for record in Trace::new(std::fs::File::open(&path).unwrap()).unwrap() {
        let record = record.unwrap();
        assert!(record.time_us >= last_us);
        last_us = record.time_us;
        let direction = usize::from(record.sender == Role::Device);
        bytes[direction] += record.bytes.len() as u64;
        frames[direction] += finder.frames(&record).len() as u64;
    }
    assert!(from_host.drops > 0 && to_host.drops > 0);
    assert_eq!(frames, [from_host.frames - from_host.drops, to_host.frames]);
    assert!(bytes[0] >= seen.bytes_in && bytes[1] >= seen.bytes_out && seen.bytes_in > 0);
}
