//! The device at its end of the line: boots, computes at a pace on the virtual clock, restarts.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};
use xyloop_firmware::{Board, BoardError, Pace, ReadKey, SafeTable};
use xyloop_protocol::{
    link::Role,
    message::{Counts, State},
    units::{DacCode, IqCode, ShotId, Turn},
};
use xyloop_sim::{Memory, SimulatedBoard, board::Workers};

use super::{cable::News, virtual_rig::Shared};

/// Frames are written in pieces of at most this, in bytes.
const PIECE: usize = 4096;
/// Between two looks at the plant while shots run: their time passes on the virtual clock as well.
const STEP: Duration = Duration::from_millis(1);

/// How slow the board's buses are.
#[derive(Clone, Copy, Debug)]
pub struct Buses {
    /// What is done in one go.
    pub pace: Pace,
    /// How long that takes.
    pub step: Duration,
}

impl Buses {
    /// Nothing takes any time.
    pub const NONE: Self = Self { pace: Pace::UNBOUNDED, step: Duration::ZERO };
}

/// The simulated board behind such buses.
pub struct OnBuses {
    pub board: SimulatedBoard,
    pub pace: Pace,
}

impl Board for OnBuses {
    fn replicas(&self) -> usize {
        self.board.replicas()
    }

    fn pace(&self) -> Pace {
        self.pace
    }

    fn stage_couplings(&mut self, first: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.board.stage_couplings(first, codes)
    }

    fn latch_fields(&mut self, replica: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.board.latch_fields(replica, codes)
    }

    fn begin_shot(&mut self, replica: usize, shot: ShotId, inputs: &[Turn]) -> Result<(), BoardError> {
        self.board.begin_shot(replica, shot, inputs)
    }

    fn start(&mut self, replica: usize, segment: u8, duration_us: u32) -> Result<(), BoardError> {
        self.board.start(replica, segment, duration_us)
    }

    fn poll(&mut self, now_us: u64) -> Result<(), BoardError> {
        self.board.poll(now_us)
    }

    fn ready(&mut self, replica: usize) -> Option<u32> {
        self.board.ready(replica)
    }

    fn read(&mut self, replica: usize, key: ReadKey, codes: &mut [IqCode]) -> Result<(), BoardError> {
        self.board.read(replica, key, codes)
    }

    fn make_safe(&mut self, safe: &SafeTable<'_>) {
        self.board.make_safe(safe);
    }
}

/// Boots, runs until it restarts, and so on.
pub async fn run(shared: Arc<Shared>) {
    loop {
        let (description, boot, buses, (cause, note)) = {
            let mut world = shared.lock();
            world.boots += 1;
            (Arc::clone(&world.description), world.boots, world.buses, world.cause.clone())
        };
        let board = SimulatedBoard::new(Arc::clone(&description), Workers::Inline);
        let board = OnBuses { board: board.expect("inline workers need no threads"), pace: buses.pace };
        let mut memory = Memory::new(description, 1000 + boot).booted_by(cause, &note);
        one_boot(&shared, &mut memory, board, buses.step).await;
    }
}

/// From a start of the device to the next one.
async fn one_boot(shared: &Shared, memory: &mut Memory, board: OnBuses, work_step: Duration) {
    let mut device = memory.controller(board).expect("the board is the one described");
    let mut buffer = vec![0; PIECE];
    let (booted, earlier) = (Instant::now(), shared.lock().counts);
    loop {
        let line_us = shared.now_us();
        let now_us = booted.elapsed().as_micros() as u64;
        device.poll(now_us);
        let due = {
            let mut world = shared.lock();
            let cable = &mut world.cable;
            loop {
                match cable.take_news() {
                    News::None => {}
                    News::HangUp => device.hang_up(),
                    News::Reboot => return,
                }
                let Some(bytes) = cable.take(Role::Host, line_us) else { break };
                device.receive(now_us, &bytes);
                if !device.is_working() {
                    device.poll(now_us);
                }
            }
            while cable.writable_at_us(Role::Device) <= line_us {
                let length = device.transmit(now_us, &mut buffer);
                if length == 0 {
                    break;
                }
                cable.write(Role::Device, line_us, &buffer[..length]);
                // There is room for more results now.
                if !device.is_working() {
                    device.poll(now_us);
                }
            }
            let writable = shared.at(cable.writable_at_us(Role::Device));
            let wakeup = device.next_wakeup_us().map(|us| (booted + Duration::from_micros(us)).max(writable));
            let arrival = cable.next_arrival_us(Role::Host).map(|us| shared.at(us));
            let step = (device.state() == State::Running).then(|| Instant::now() + STEP);
            world.state = device.state();
            world.is_working = device.is_working();
            world.counts = sum(earlier, device.counts());
            [wakeup, arrival, step].into_iter().flatten().min()
        };
        if device.is_working() {
            // Busy with its buses: it looks at nothing until then.
            sleep(work_step).await;
            continue;
        }
        let asleep = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.changed.notified() => {}
            () = asleep => {}
        }
    }
}

fn sum(a: Counts, b: Counts) -> Counts {
    Counts {
        shots_begun: a.shots_begun + b.shots_begun,
        shots_finished: a.shots_finished + b.shots_finished,
        shots_discarded: a.shots_discarded + b.shots_discarded,
        equilibria: a.equilibria + b.equilibria,
        reads: a.reads + b.reads,
        deadman: a.deadman + b.deadman,
    }
}
