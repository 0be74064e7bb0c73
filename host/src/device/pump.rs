//! The task that owns a transport and the link over it, and nothing else.
//!
//! It never touches a disk and never computes: keep-alives leave on time whatever the trainer does. Messages to the
//! device come in over a bounded channel, messages from it leave over another one; a full channel is back-pressure,
//! which the link passes on to the device.

use std::{future::poll_fn, io, pin::Pin, task::Poll, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    time::Instant,
};
use xyloop_protocol::{
    frame,
    greeting::Greeting,
    link::{self, Link, State},
    message::SCHEMA_HASH,
};

use super::{
    error::DeviceError,
    figures::{Gauge, LinkFigures},
    fresh_number::fresh_number,
    outcome::{Cause, End, Judge, NotOpened, Peer},
    transport::Transport,
};

/// Limits how long a device may take to answer the first exchange.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// Limits how long the last bytes may take to leave when a connection is closed.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes each direction of the link can hold.
const LINK_BYTES: usize = 1 << 17;
/// Frames in flight.
const FLIGHT: usize = 256;
/// Payload of a frame where there is no line rate to respect.
const MAX_PAYLOAD: u16 = 8192;
/// Payload of a frame on a serial line.
const SERIAL_PAYLOAD: u16 = 4096;
/// Payload of a frame on the slowest line.
const LEAST_PAYLOAD: u16 = 16;
/// A frame, its header and delimiters included, takes no longer than this on a serial line of 9 600 baud or more. (Only
/// the two frames of the first exchange are longer, on lines below 20 000 baud.)
const FRAME_TIME: Duration = Duration::from_millis(50);
/// Messages handed to the owner at once.
const GROUP: usize = 64;
/// Bytes kept of what a device says first: enough to recognise something that is none.
const FIRST_BYTES: usize = 64;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;

/// Says for the first exchange what is said, who judges the answer, who is told.
pub(super) struct Exchange {
    pub wiring_hash: u64,
    pub judge: Judge,
    pub first: oneshot::Sender<Result<(), NotOpened>>,
}

/// Holds the ends of the channels to the owner.
pub(super) struct Ends {
    pub requests: mpsc::Receiver<Vec<u8>>,
    pub events: mpsc::Sender<Vec<Vec<u8>>>,
    pub farewell: oneshot::Sender<End>,
    pub gauge: Gauge,
}

/// Carries a connection: first exchange, then messages both ways until one side goes.
pub(super) async fn carry(mut transport: Transport, exchange: Exchange, ends: Ends) {
    let payload = match transport.baud {
        None => MAX_PAYLOAD,
        // 10 bits a byte.
        Some(baud) => {
            let frame_bytes = u64::from(baud) / 10 * FRAME_TIME.as_millis() as u64 / 1000;
            let payload = frame::payload_fitting(usize::try_from(frame_bytes).unwrap_or(usize::MAX));
            payload.clamp(usize::from(LEAST_PAYLOAD), usize::from(SERIAL_PAYLOAD)) as u16
        }
    };
    let mut buffers = Buffers::new(payload);
    let config = link::Config { max_payload: payload, salt: fresh_number(), ..link::Config::host() };
    let mut link = Link::new(link::Role::Host, buffers.storage(), config);
    link.set_payload_limit(usize::from(payload));
    let scratch = [vec![0; 2 * usize::from(MAX_PAYLOAD)], vec![0; READ_BYTES]];
    let ahead_bytes = scratch[0].len().min(2 * usize::from(payload));
    let Ends { requests, events, farewell, gauge } = ends;
    let Exchange { wiring_hash, judge, first } = exchange;
    let mut pump =
        Pump { ahead_bytes, link, epoch: Instant::now(), scratch, unwritten: Vec::new(), gauge, first: Vec::new() };
    match pump.open(&mut transport, wiring_hash, judge).await {
        Ok(()) => {
            if first.send(Ok(())).is_err() {
                return;
            }
            let cause = pump.run(&mut transport, requests, events).await;
            let works = matches!(cause, Cause::Forgotten | Cause::Closed);
            let _ = farewell.send(End { cause, transport: works.then_some(transport) });
        }
        Err(error) => {
            // Opening a serial port again may reset the board; a socket to a machine that is gone has to be opened again.
            let works = matches!(error, DeviceError::NotADevice { .. }) && transport.baud.is_some();
            let _ = first.send(Err(NotOpened { error, transport: works.then_some(transport) }));
        }
    }
}

struct Buffers {
    frame: Vec<u8>,
    receive: Vec<u8>,
    send: Vec<u8>,
    flight: Vec<link::InFlight>,
}

impl Buffers {
    fn new(payload: u16) -> Self {
        let frame = frame::storage_len(usize::from(payload)).max(link::FRAME_STORAGE_MIN);
        let flight = vec![link::InFlight::default(); FLIGHT];
        Self { frame: vec![0; frame], receive: vec![0; LINK_BYTES], send: vec![0; LINK_BYTES], flight }
    }

    fn storage(&mut self) -> link::Storage<'_> {
        link::Storage {
            frame: &mut self.frame,
            receive: &mut self.receive,
            send: &mut self.send,
            flight: &mut self.flight,
        }
    }
}

/// Drives the link, with the bytes on their way out of it.
struct Pump<'b> {
    link: Link<'b>,
    epoch: Instant,
    /// Where frames are written, and where bytes are read.
    scratch: [Vec<u8>; 2],
    unwritten: Vec<u8>,
    /// Frames are queued up to here before the line has taken them: little enough that an order to be safe does not wait.
    ahead_bytes: usize,
    gauge: Gauge,
    /// What came first, at most [`FIRST_BYTES`].
    first: Vec<u8>,
}

impl Pump<'_> {
    fn now_us(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }

    /// Collects frames that are due, unless the last ones still wait for the transport.
    fn collect_frames(&mut self) {
        while self.unwritten.is_empty() || self.unwritten.len() < self.ahead_bytes {
            let now_us = self.now_us();
            let out = &mut self.scratch[0];
            let length = self.link.transmit(now_us, out);
            if length == 0 {
                break;
            }
            self.unwritten.extend_from_slice(&out[..length]);
        }
    }

    /// Takes one turn: writes, reads or sleeps, whatever is possible first. `Err` is the reason why the transport is gone.
    async fn turn(&mut self, transport: &mut Transport, longest: Duration) -> Result<(), String> {
        self.collect_frames();
        // While the line has not taken the last frames, the link's timers have nothing to do.
        let wakeup_us = self.link.next_wakeup_us().filter(|_| self.unwritten.is_empty());
        let due = wakeup_us.map_or(longest, |at| Duration::from_micros(at.saturating_sub(self.now_us())));
        let (mut reader, mut writer) = tokio::io::split(transport);
        let buffer = &mut self.scratch[1];
        // What the line takes at once is written first: a line that can always be read must not keep us from writing.
        if !self.unwritten.is_empty() {
            let now = poll_fn(|cx| Poll::Ready(Pin::new(&mut writer).poll_write(cx, &self.unwritten))).await;
            match now {
                Poll::Ready(Ok(length)) => drop(self.unwritten.drain(..length)),
                Poll::Ready(Err(error)) => return Err(error.to_string()),
                Poll::Pending => {}
            }
        }
        tokio::select! {
            biased;
            read = reader.read(buffer) => match read {
                // A hang-up reads as end of stream, for ever.
                Ok(0) => return Err("it hung up".into()),
                Ok(length) => {
                    let now_us = self.now_us();
                    let came = &self.scratch[1][..length];
                    self.first.extend(came.iter().take(FIRST_BYTES - self.first.len()));
                    self.link.receive(now_us, came);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            },
            written = writer.write(&self.unwritten), if !self.unwritten.is_empty() => match written {
                Ok(length) => drop(self.unwritten.drain(..length)),
                Err(error) => return Err(error.to_string()),
            },
            () = tokio::time::sleep(due.min(longest)) => {}
        }
        Ok(())
    }

    async fn open(&mut self, transport: &mut Transport, wiring_hash: u64, judge: Judge) -> Result<(), DeviceError> {
        let place = transport.place.clone();
        let lost = |reason: String| DeviceError::Lost { place: place.clone(), reason };
        let mut greeting = [0; Greeting::MAX];
        let greeting = Greeting::new(wiring_hash, 0).encode(&mut greeting).unwrap_or_default();
        let now_us = self.now_us();
        self.link.connect(fresh_number(), greeting, now_us).map_err(|error| lost(error.to_string()))?;
        let started = Instant::now();
        while started.elapsed() < OPEN_TIMEOUT {
            if let Err(reason) = self.turn(transport, Duration::from_millis(20)).await {
                let nothing_came = self.link.counters().bytes_in == 0;
                return Err(if nothing_came { DeviceError::TurnedAway { place } } else { lost(reason) });
            }
            match self.link.state() {
                State::Connected { .. } => {
                    // Nothing has left since the answer came: the device has no host yet.
                    judge(&self.peer(place)?)?;
                    self.publish();
                    return Ok(());
                }
                State::VersionMismatch { ours, theirs } => return Err(DeviceError::Version { place, ours, theirs }),
                _ => {}
            }
        }
        let counters = self.link.counters();
        let (received, bad, echoed) = (counters.bytes_in, counters.framing.bad(), counters.echoed);
        let first = std::mem::take(&mut self.first);
        Err(DeviceError::NotADevice { place, waited: OPEN_TIMEOUT, received, bad, echoed, first })
    }

    fn peer(&self, place: String) -> Result<Peer, DeviceError> {
        let said = self.link.peer_greeting();
        // Before the rest is looked at: of a device with other messages only these bytes are sure.
        let Some(schema_hash) = said.first_chunk::<8>() else {
            return Err(DeviceError::Protocol { what: format!("{place} greeted with too few bytes") });
        };
        if *schema_hash != SCHEMA_HASH {
            let (ours, theirs) = (u64::from_be_bytes(SCHEMA_HASH), u64::from_be_bytes(*schema_hash));
            return Err(DeviceError::Schema { place, ours, theirs });
        }
        let greeting = Greeting::from_bytes(said).ok_or_else(|| DeviceError::Protocol {
            what: format!("{place} greeted with too few bytes, or with a serial number that is none"),
        })?;
        Ok(Peer { wiring_hash: greeting.wiring_hash, boot_id: greeting.boot_id, serial: greeting.serial.to_owned() })
    }

    /// Carries messages until the owner has gone and everything is out, or the connection ends; says why it ended.
    async fn run(
        &mut self,
        transport: &mut Transport,
        mut to_device: mpsc::Receiver<Vec<u8>>,
        to_owner: mpsc::Sender<Vec<Vec<u8>>>,
    ) -> Cause {
        let mut waiting: Option<Vec<u8>> = None;
        let mut owner_left: Option<Instant> = None;
        loop {
            // First: who gets a message may want to know that the device was heard.
            self.publish();
            while self.link.front().is_some()
                && let Ok(place) = to_owner.try_reserve()
            {
                place.send(self.next_group());
            }
            match self.link.state() {
                State::Connected { .. } => {}
                State::Reset { .. } => return Cause::Forgotten,
                State::Closed { .. } => return Cause::Closed,
                State::Failed { fault, .. } => return Cause::Failed(fault.to_string()),
                other => return Cause::Failed(format!("the link is {other:?}")),
            }
            loop {
                let message = match waiting.take() {
                    Some(message) => message,
                    None => match to_device.try_recv() {
                        Ok(message) => message,
                        Err(mpsc::error::TryRecvError::Empty) => break,
                        Err(mpsc::error::TryRecvError::Disconnected) => {
                            owner_left.get_or_insert_with(Instant::now);
                            break;
                        }
                    },
                };
                match self.link.send(&message) {
                    Ok(()) => {}
                    Err(link::SendError::Full) => {
                        waiting = Some(message);
                        break;
                    }
                    Err(error) => return Cause::Failed(error.to_string()),
                }
            }
            if let Some(since) = owner_left
                && (self.link.all_acked() || since.elapsed() > CLOSE_TIMEOUT)
            {
                self.leave(transport).await;
                return Cause::Left;
            }
            // Wake for whatever comes first: the line, a timer, a message to send, room for a message received.
            let has_message = self.link.front().is_some();
            let listens = waiting.is_none() && owner_left.is_none();
            let ended = tokio::select! {
                biased;
                turned = self.turn(transport, Duration::from_millis(50)) => turned.err(),
                message = to_device.recv(), if listens => {
                    match message {
                        Some(message) => waiting = Some(message),
                        None => drop(owner_left.get_or_insert_with(Instant::now)),
                    }
                    None
                }
                _ = to_owner.reserve(), if has_message && owner_left.is_none() => None,
            };
            if let Some(reason) = ended {
                return Cause::Broken(reason);
            }
        }
    }

    /// Takes what has come together: the owner is woken once for it.
    fn next_group(&mut self) -> Vec<Vec<u8>> {
        let mut group = Vec::new();
        while group.len() < GROUP
            && let Some(message) = self.link.front()
        {
            group.push(message.to_vec());
            self.link.pop();
        }
        group
    }

    /// Tells the device and waits until the transport has taken the bytes.
    async fn leave(&mut self, transport: &mut Transport) {
        self.link.close();
        self.collect_frames();
        let bytes = std::mem::take(&mut self.unwritten);
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, async {
            let _ = transport.write_all(&bytes).await;
            let _ = transport.flush().await;
        })
        .await;
    }

    fn publish(&self) {
        let counters = self.link.counters();
        self.gauge.write(LinkFigures {
            bytes: (counters.bytes_in, counters.bytes_out),
            frames: (counters.frames_in.into(), counters.data_out.into()),
            bad_frames: (counters.framing.bad() + counters.foreign_session).into(),
            resends: counters.resends.into(),
            rtt_us: counters.rtt_us,
            heard: self.link.last_heard_us().map(|at| self.epoch + Duration::from_micros(at)),
        });
    }
}
