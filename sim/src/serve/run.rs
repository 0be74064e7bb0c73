//! The loop that owns the device: what can happen to it, and who is connected.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use xyloop_firmware::{Board, Controller};
use xyloop_protocol::message::State;

use super::{line::Line, outlet::Outlet, tcp::Candidate};
use crate::{
    board::{Notify, SimulatedBoard, Workers},
    device::{DeviceError, Memory},
    plant::Description,
};

/// Bytes handed to a writer at once, and read from a host at once.
pub(super) const CHUNK: usize = 16 << 10;
/// Events handled before the device is polled again.
const EVENTS_A_TURN: usize = 16;
/// Longest sleep of the loop: the link and the deadman are looked at this often even when nothing happens.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);
/// Sleep of the loop while a real-time plant settles.
const REALTIME_SLEEP: Duration = Duration::from_millis(1);
/// A host of which no valid frame was heard for this long, device clock, is not there any more: it sends one at least
/// every 50 ms. A new connection has as long for its first frame.
const SILENCE_US: u64 = 1_000_000;
/// How long the next host waits for the last one's end to be noticed, device clock, before it is turned away. Longer
/// than [`SILENCE_US`] and a keep-alive, so that it is never kept out by one that vanished before it came; shorter than
/// hosts try.
const FAREWELL_US: u64 = 1_250_000;

/// What can happen to a served device.
pub(super) enum Event {
    /// A host is there, instead of any other one; its bytes will follow, ours go into its outlet.
    Connected(Connection),
    /// A host asks to be served, and is if there is no other one.
    Asking(Candidate),
    /// Bytes from the host of a connection. Whoever read them is told when they have been taken, and reads on then.
    Bytes {
        from: u64,
        bytes: Vec<u8>,
        taken: Option<Sender<()>>,
    },
    /// Something was finished: look again.
    Wake,
    /// The host of a connection hung up.
    Closed {
        from: u64,
    },
    /// The device starts anew, with this boot id.
    Reboot(u32),
    Stop,
}

/// A host that is served.
pub(super) struct Connection {
    /// Names it in [`Event`]s: those of earlier connections are ignored.
    pub id: u64,
    pub outlet: Box<dyn Outlet>,
    /// Ends the connection; dropped, and not called, when the host ended it. `None` where only the host can (a pty).
    pub hang_up: Option<Box<dyn FnOnce() + Send>>,
}

/// Why a device ended.
enum End {
    Stop,
    Reboot(u32),
}

/// Makes the board of each start of a device. The board calls what it is given when it has finished something.
pub(super) type MakeBoard<B> = dyn FnMut(Notify) -> Result<B, DeviceError> + Send;

/// The plant that is described, computed on threads.
pub(super) fn simulated(description: &Arc<Description>) -> Box<MakeBoard<SimulatedBoard>> {
    let description = Arc::clone(description);
    Box::new(move |notify| Ok(SimulatedBoard::new(Arc::clone(&description), Workers::Threads(notify))?))
}

/// Serves a device until `Stop`, or until every sender is gone. Between two starts of the device the line stays as it is.
pub(super) fn serve<B: Board>(
    description: &Arc<Description>,
    mut make_board: Box<MakeBoard<B>>,
    boot_id: u32,
    (events, wake): (&Receiver<Event>, &Sender<Event>),
    line: &mut Line,
) -> Result<(), DeviceError> {
    let mut hosts = Hosts { line, present: None, asking: None, held: None };
    let mut boot_id = boot_id;
    loop {
        let mut memory = Memory::new(Arc::clone(description), boot_id);
        let wake = wake.clone();
        let board = make_board(Arc::new(move || {
            let _ = wake.send(Event::Wake);
        }))?;
        let device = memory.controller(board)?;
        match run(device, events, &mut hosts, description.realtime) {
            End::Stop => return Ok(()),
            End::Reboot(next) => boot_id = next,
        }
    }
}

/// From one start of the device to the next.
fn run(mut device: Controller<'_, impl Board>, events: &Receiver<Event>, hosts: &mut Hosts<'_>, realtime: bool) -> End {
    let epoch = Instant::now();
    let now_us = || epoch.elapsed().as_micros() as u64;
    if let Some(present) = &mut hosts.present {
        present.since_us = 0;
    }
    let mut buffer = vec![0; CHUNK];
    loop {
        hosts.line.release(&mut device, now_us());
        device.poll(now_us());
        hosts.write(&mut device, &now_us, &mut buffer);
        hosts.judge(&mut device, now_us());
        // What the link wants to send cannot be sent while nobody takes it.
        let takes = hosts.take_bytes();
        let wakeup = if takes { device.next_wakeup_us() } else { device.next_deadman_us() };
        let due = wakeup.map_or(LONGEST_SLEEP, |at| Duration::from_micros(at.saturating_sub(now_us())));
        let due = hosts.line.quiet_for(takes).map_or(due, |quiet| due.min(quiet));
        // What a slow board has begun goes on, whoever takes the bytes.
        let due = if device.is_working() { Duration::ZERO } else { due };
        let most = if realtime && device.state() == State::Running { REALTIME_SLEEP } else { LONGEST_SLEEP };
        let mut next = match events.recv_timeout(due.min(most)) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return End::Stop,
        };
        let mut handled = 0;
        while let Some(event) = next {
            if let Some(end) = hosts.handle(event, &mut device, now_us()) {
                return end;
            }
            // A flood must not keep the deadman from being judged.
            handled += 1;
            next = if handled < EVENTS_A_TURN { events.try_recv().ok() } else { None };
        }
    }
}

/// Who is served, who would like to be, and the line to the former.
struct Hosts<'l> {
    line: &'l mut Line,
    present: Option<Present>,
    /// Who asks to be served, and until when, device clock.
    asking: Option<(Candidate, u64)>,
    /// Bytes that the present host's outlet had no room for.
    held: Option<Vec<u8>>,
}

struct Present {
    connection: Connection,
    /// Since when, device clock.
    since_us: u64,
}

impl Hosts<'_> {
    /// Whether there is somebody who takes bytes now.
    fn take_bytes(&self) -> bool {
        self.present.is_some() && self.held.is_none()
    }

    fn handle(&mut self, event: Event, device: &mut Controller<'_, impl Board>, now_us: u64) -> Option<End> {
        match event {
            Event::Connected(connection) => self.connect(connection, device, now_us),
            Event::Asking(candidate) => self.asking = Some((candidate, now_us.saturating_add(FAREWELL_US))),
            Event::Bytes { from, bytes, taken } => {
                if self.is_present(from) {
                    self.line.carry_in(device, now_us, &bytes);
                    self.mind_the_cut(device);
                }
                if let Some(taken) = taken {
                    let _ = taken.send(());
                }
            }
            Event::Wake => {}
            Event::Closed { from } => {
                if self.is_present(from) {
                    self.present = None;
                    self.forget_line(device);
                }
            }
            Event::Reboot(boot_id) => {
                // What the old device wrote and the line has not taken is gone with it.
                self.held = None;
                return Some(End::Reboot(boot_id));
            }
            Event::Stop => {
                device.hang_up();
                return Some(End::Stop);
            }
        }
        None
    }

    fn is_present(&self, id: u64) -> bool {
        self.present.as_ref().is_some_and(|present| present.connection.id == id)
    }

    fn connect(&mut self, connection: Connection, device: &mut Controller<'_, impl Board>, now_us: u64) {
        self.cut(device);
        self.present = Some(Present { connection, since_us: now_us });
    }

    /// Ends the present host's connection, if there is one.
    fn cut(&mut self, device: &mut Controller<'_, impl Board>) {
        let Some(present) = self.present.take() else { return };
        if let Some(hang_up) = present.connection.hang_up {
            hang_up();
        }
        self.forget_line(device);
    }

    /// Nothing is left on the line.
    fn empty_line(&mut self) {
        self.held = None;
        self.line.mend();
    }

    /// Nobody is at the other end any more, nor anything in between.
    fn forget_line(&mut self, device: &mut Controller<'_, impl Board>) {
        self.empty_line();
        device.hang_up();
    }

    /// Does what an injected cut asks for. Where the connection cannot be ended, as on a pty, it is as if the plug had
    /// been pulled and put back at once: everything under way is lost, and neither end is told. The session goes on.
    fn mind_the_cut(&mut self, device: &mut Controller<'_, impl Board>) {
        if !self.line.is_cut() {
            return;
        }
        match &self.present {
            Some(present) if present.connection.hang_up.is_none() => self.empty_line(),
            _ => self.cut(device),
        }
    }

    /// Writes what is due until the outlet has no room.
    fn write(&mut self, device: &mut Controller<'_, impl Board>, now_us: &impl Fn() -> u64, buffer: &mut [u8]) {
        self.mind_the_cut(device);
        while let Some(present) = &mut self.present {
            let most = present.connection.outlet.most();
            let buffer = buffer.get_mut(..most).unwrap_or_default();
            let Some(bytes) = self.held.take().or_else(|| self.line.carry_out(device, now_us(), buffer)) else { break };
            self.held = present.connection.outlet.offer(bytes);
            if self.held.is_some() {
                break;
            }
        }
        self.mind_the_cut(device);
    }

    /// Lets the host that asks in, sends it away, or lets it wait.
    fn judge(&mut self, device: &mut Controller<'_, impl Board>, now_us: u64) {
        let Some((candidate, until_us)) = self.asking.take() else { return };
        let silent = self.present.as_ref().map(|present| {
            let heard_us = device.last_heard_us().unwrap_or(0).max(present.since_us);
            now_us.saturating_sub(heard_us) >= SILENCE_US
        });
        match silent {
            Some(false) if now_us < until_us => self.asking = Some((candidate, until_us)),
            Some(false) => tracing::warn!("turned a second host away: the device is in use"),
            silent => {
                if silent.is_some() {
                    tracing::warn!("replaced a host that was not heard of for a second");
                }
                match candidate.accept() {
                    Ok(connection) => self.connect(connection, device, now_us),
                    Err(error) => tracing::warn!("lost a host before it could be served: {error}"),
                }
            }
        }
    }
}
