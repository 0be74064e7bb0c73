//! A simulated device behind a line that does harm, for the host's own code on tokio's paused clock: bytes take their
//! time, faults happen to them, the line can be cut, the device rebooted, and old bytes played again.

#![allow(dead_code)]

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, Sleep, sleep_until},
};
use xyloop::device::{DeviceError, Opener, Transport};
use xyloop_protocol::{
    adversary::{Faults, Line},
    link::Role,
    message::{Counts, State},
};
use xyloop_sim::{Description, Memory, board::Workers};

/// Looks at the device in a row while it computes, before others have their turn.
const STEPS_A_TURN: usize = 64;
/// Frames are written in pieces of at most this, in bytes.
const PIECE: usize = 4096;

/// Both ends and what lies between them.
struct World {
    up: Line,
    down: Line,
    /// Number of the connection that is open; a host's end with another number is dead.
    connection: u64,
    is_open: bool,
    host: Option<Waker>,
    /// The device is to be dropped and made anew.
    reboot: bool,
    boots: u32,
    counts: Counts,
    /// Everything that either end has written since it was last asked for.
    record: Option<[Vec<u8>; 2]>,
    /// Played to the host, and to the device, as if it came over the line.
    replay: [Vec<u8>; 2],
    connections: u64,
}

/// A device and the line to it. Cheap to clone: all clones are the same one.
#[derive(Clone)]
pub struct Rig {
    world: Arc<Mutex<World>>,
    changed: Arc<Notify>,
    epoch: Instant,
}

impl Rig {
    /// Starts a device on the runtime at hand, which must run on a paused clock and one thread.
    pub fn start(description: Description, baud: u64, faults: &Faults) -> Self {
        let line = |sender| Line::new(baud, 200, faults, sender);
        let world = World {
            up: line(Role::Host),
            down: line(Role::Device),
            connection: 0,
            is_open: false,
            host: None,
            reboot: false,
            boots: 0,
            counts: Counts::default(),
            record: None,
            replay: [Vec::new(), Vec::new()],
            connections: 0,
        };
        let rig = Self { world: Arc::new(Mutex::new(world)), changed: Arc::new(Notify::new()), epoch: Instant::now() };
        tokio::spawn(rig.clone().run(Arc::new(description)));
        rig
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }

    fn at(&self, us: u64) -> Instant {
        self.epoch + Duration::from_micros(us)
    }

    /// Cuts the line: what is on it is lost, both ends notice. It can be opened again at once.
    pub fn cut(&self) {
        let mut world = self.lock();
        world.hang_up();
        drop(world);
        self.changed.notify_one();
    }

    /// Restarts the device, under another boot id, with nothing of the old one left; the line stays open.
    pub fn reboot(&self) {
        self.lock().reboot = true;
        self.changed.notify_one();
    }

    /// From now on, everything that goes over the line is kept.
    pub fn record(&self) {
        self.lock().record = Some([Vec::new(), Vec::new()]);
    }

    /// Plays everything that was recorded to both ends, in front of what comes next.
    pub fn replay(&self) {
        let mut world = self.lock();
        let [from_host, from_device] = world.record.clone().unwrap_or_default();
        world.replay = [from_device, from_host];
        world.wake_host();
        drop(world);
        self.changed.notify_one();
    }

    /// What the device has done since its last start.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Lines opened and devices started so far.
    pub fn connections_and_boots(&self) -> (u64, u32) {
        let world = self.lock();
        (world.connections, world.boots)
    }

    async fn run(self, description: Arc<Description>) {
        loop {
            let boot_id = {
                let mut world = self.lock();
                world.boots += 1;
                world.reboot = false;
                0x1000 + world.boots
            };
            let mut memory = Memory::new(Arc::clone(&description), boot_id);
            self.one_boot(&mut memory).await;
        }
    }

    /// From a start of the device to the next one.
    async fn one_boot(&self, memory: &mut Memory) {
        let mut device = memory.device(Workers::Inline).expect("inline workers need no threads");
        let mut buffer = vec![0; PIECE];
        loop {
            let now_us = self.now_us();
            let next_us = {
                let mut world = self.lock();
                if world.reboot {
                    return;
                }
                let replay = std::mem::take(&mut world.replay[1]);
                device.receive(now_us, &replay);
                while let Some(bytes) = world.up.take(now_us) {
                    device.receive(now_us, &bytes);
                }
                for _ in 0..STEPS_A_TURN {
                    device.poll(now_us);
                    if device.state() != State::Running {
                        break;
                    }
                }
                while world.is_open && world.down.writable_at_us() <= now_us {
                    let length = device.transmit(now_us, &mut buffer);
                    if length == 0 {
                        break;
                    }
                    let bytes = &buffer[..length];
                    world.note(1, bytes);
                    world.down.write(now_us, bytes);
                    // There is room for more results now.
                    device.poll(now_us);
                }
                world.hang_up_if_cut();
                world.counts = device.counts();
                world.wake_host();
                let wakeup = device.next_wakeup_us();
                let writable_us = world.down.writable_at_us();
                let due = if world.is_open { wakeup.map(|at| at.max(writable_us)) } else { device.next_deadman_us() };
                [due, world.up.next_arrival_us()].into_iter().flatten().min()
            };
            if device.state() == State::Running {
                tokio::task::yield_now().await;
                continue;
            }
            let asleep = async {
                match next_us {
                    Some(at_us) => sleep_until(self.at(at_us)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = asleep => {}
            }
        }
    }
}

impl World {
    fn wake_host(&mut self) {
        if let Some(waker) = self.host.take() {
            waker.wake();
        }
    }

    fn note(&mut self, end: usize, bytes: &[u8]) {
        if let Some(record) = &mut self.record {
            record[end].extend_from_slice(bytes);
        }
    }

    fn hang_up(&mut self) {
        self.is_open = false;
        self.up.reconnect();
        self.down.reconnect();
        self.wake_host();
    }

    fn hang_up_if_cut(&mut self) {
        if self.up.is_cut() || self.down.is_cut() {
            self.hang_up();
        }
    }
}

impl Opener for Rig {
    fn open(&self) -> Pin<Box<dyn Future<Output = Result<Transport, DeviceError>> + Send + '_>> {
        let number = {
            let mut world = self.lock();
            world.hang_up();
            world.connection += 1;
            world.connections += 1;
            world.is_open = true;
            world.connection
        };
        self.changed.notify_one();
        let end = HostEnd { rig: self.clone(), number, sleeps: [None, None], rest: Vec::new(), taken: 0 };
        Box::pin(std::future::ready(Ok(Transport::over(end, "rig", None))))
    }
}

/// The host's end of a line.
struct HostEnd {
    rig: Rig,
    number: u64,
    /// What reading and what writing wait for.
    sleeps: [Option<Pin<Box<Sleep>>>; 2],
    rest: Vec<u8>,
    taken: usize,
}

impl HostEnd {
    /// Whether that time is still to come; we are woken then, or when the world changes.
    fn waits(&mut self, which: usize, at_us: Option<u64>, cx: &mut Context<'_>) -> bool {
        let Some(at_us) = at_us else { return true };
        let mut sleep = Box::pin(sleep_until(self.rig.at(at_us)));
        let pending = sleep.as_mut().poll(cx).is_pending();
        self.sleeps[which] = Some(sleep);
        pending
    }
}

impl AsyncRead for HostEnd {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.taken < self.rest.len() {
                let length = buf.remaining().min(self.rest.len() - self.taken);
                buf.put_slice(&self.rest[self.taken..self.taken + length]);
                self.taken += length;
                return Poll::Ready(Ok(()));
            }
            let now_us = self.rig.now_us();
            let rig = self.rig.clone();
            let mut world = rig.lock();
            if !world.is_open || world.connection != self.number {
                return Poll::Ready(Ok(()));
            }
            let replay = std::mem::take(&mut world.replay[0]);
            let bytes = if replay.is_empty() { world.down.take(now_us) } else { Some(replay) };
            if let Some(bytes) = bytes {
                (self.rest, self.taken) = (bytes, 0);
                continue;
            }
            world.host = Some(cx.waker().clone());
            let at_us = world.down.next_arrival_us();
            drop(world);
            if self.waits(0, at_us, cx) {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for HostEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let now_us = self.rig.now_us();
            let rig = self.rig.clone();
            let mut world = rig.lock();
            if !world.is_open || world.connection != self.number {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let at_us = world.up.writable_at_us();
            if at_us <= now_us {
                world.note(0, bytes);
                world.up.write(now_us, bytes);
                world.hang_up_if_cut();
                drop(world);
                rig.changed.notify_one();
                return Poll::Ready(Ok(bytes.len()));
            }
            world.host = Some(cx.waker().clone());
            drop(world);
            if self.waits(1, Some(at_us), cx) {
                return Poll::Pending;
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
