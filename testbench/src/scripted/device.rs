//! The rig: a Controller over the scripted board, the host, and an instant line between them.

use std::{
    ops::{Deref, DerefMut},
    rc::Rc,
};

use xyloop_firmware::{BoardError, Controller, Identification, SafeTable, Sizes};
use xyloop_protocol::{
    codec::Codecs,
    link::Config,
    message::{BootCause, Command, Cost},
    units::{DacCode, ShotId, Turn},
};

use super::{
    board::ScriptedBoard,
    script::{BoardScript, Call},
    task::{DEADMAN_US, RESULT_BYTES, SLOTS, order, plan},
    wiring::{COUPLINGS, INPUTS, OUTPUTS, SITES, WIRING, safe_couplings, safe_fields, safe_inputs},
};
use crate::{
    end::End,
    heard::Row,
    host::ScriptedHost,
    memory::{DeviceMemory, LinkSizes},
    orders::Codes,
    pair::Pair,
};

/// How a device has started, and what it offers.
#[derive(Clone, Copy, Debug)]
pub struct Boot {
    /// Codecs it offers besides words.
    pub codecs: Codecs,
    /// Why it started.
    pub cause: BootCause,
    /// What its firmware left behind before.
    pub note: &'static str,
}

impl Boot {
    /// Its supply came; it offers every codec.
    pub const POWER_ON: Self = Self { codecs: Codecs::ALL, cause: BootCause::PowerOn, note: "" };
}

/// Owns what a scripted device borrows.
pub struct ScriptedMemory {
    memory: DeviceMemory,
    safe_couplings: Vec<DacCode>,
    safe_fields: Vec<DacCode>,
    safe_inputs: Vec<Turn>,
}

impl ScriptedMemory {
    /// Allocates exactly what a device of so many replicas and slots asks for.
    pub fn new(replicas: usize, slots: usize, link: LinkSizes) -> Self {
        let sizes = Sizes {
            sites: SITES,
            couplings: COUPLINGS.len(),
            inputs: INPUTS.len(),
            outputs: OUTPUTS.len(),
            replicas,
            slots,
            result_bytes: RESULT_BYTES,
        };
        Self {
            memory: DeviceMemory::new(sizes, link),
            safe_couplings: safe_couplings().into_iter().map(DacCode).collect(),
            safe_fields: safe_fields().into_iter().map(DacCode).collect(),
            safe_inputs: safe_inputs().into_iter().map(Turn).collect(),
        }
    }

    /// Makes the device at reset, over a board that does as the script says.
    pub fn controller(&mut self, script: &Rc<BoardScript>, boot: Boot) -> Controller<'_, ScriptedBoard> {
        let who = Identification {
            vendor: "xyloop",
            model: "scripted",
            serial: "1",
            boot_id: 5,
            boot_cause: boot.cause,
            boot_note: boot.note,
            wiring: WIRING,
            deadman_ms: (DEADMAN_US / 1000) as u16,
            codecs: boot.codecs,
            safe: SafeTable { couplings: &self.safe_couplings, fields: &self.safe_fields, inputs: &self.safe_inputs },
        };
        let (board, slots_of) = (ScriptedBoard::new(Rc::clone(script)), self.memory.slots_of());
        let config = Config { salt: 5, ..Config::device() };
        Controller::new(board, who, slots_of, self.memory.storage(), config).expect("the memory is long enough")
    }
}

/// A Controller over a scripted board whose clock follows the line's.
pub struct ScriptedDevice {
    /// What left the board, and its knobs.
    pub script: Rc<BoardScript>,
    /// When bytes last reached it, microseconds.
    pub received_us: u64,
    controller: Controller<'static, ScriptedBoard>,
}

impl ScriptedDevice {
    /// Makes the device at reset, in leaked memory.
    pub fn new(script: Rc<BoardScript>, slots: usize, boot: Boot) -> Self {
        let link = LinkSizes { flight: 32, ..LinkSizes::new(1024, 4096, 4096) };
        let memory = Box::leak(Box::new(ScriptedMemory::new(script.slowness.len(), slots, link)));
        Self { controller: memory.controller(&script, boot), script, received_us: 0 }
    }

    /// Takes bytes that came over the line.
    pub fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        self.script.now_us.set(now_us);
        self.received_us = now_us;
        self.controller.receive(now_us, bytes);
    }

    /// Polls the Controller once.
    pub fn poll(&mut self, now_us: u64) {
        self.script.now_us.set(now_us);
        self.script.begin_poll();
        self.controller.poll(now_us);
    }
}

impl Deref for ScriptedDevice {
    type Target = Controller<'static, ScriptedBoard>;

    fn deref(&self) -> &Self::Target {
        &self.controller
    }
}

impl DerefMut for ScriptedDevice {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.controller
    }
}

impl End for ScriptedDevice {
    fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        Self::receive(self, now_us, bytes);
    }

    fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize {
        self.controller.transmit(now_us, out)
    }

    fn poll(&mut self, now_us: u64) {
        Self::poll(self, now_us);
    }

    fn next_wakeup_us(&self) -> Option<u64> {
        [self.controller.next_wakeup_us(), self.script.next_due_us()].into_iter().flatten().min()
    }

    fn is_working(&self) -> bool {
        self.controller.is_working()
    }
}

/// A scripted device and its host.
pub type ScriptedRig = Pair<ScriptedHost<'static>, ScriptedDevice>;

impl ScriptedRig {
    /// Makes a device at reset and a host that is not connected. One replica per entry of `slowness`.
    pub fn at_reset(slowness: &[u64], slots: usize) -> Self {
        Self::of(BoardScript::new(slowness), slots, Boot::POWER_ON)
    }

    /// Makes the same with a device of one replica that has started like this.
    pub fn booted(boot: Boot) -> Self {
        Self::of(BoardScript::new(&[1]), SLOTS, boot)
    }

    /// Makes the same with a device whose board cannot be set up the first time.
    pub fn failing_at_reset(error: BoardError) -> Self {
        let script = BoardScript::new(&[1]);
        script.fail.set(Some((Call::Recover, 0, error)));
        Self::of(script, SLOTS, Boot::POWER_ON)
    }

    fn of(script: Rc<BoardScript>, slots: usize, boot: Boot) -> Self {
        let (host, now_us) = (
            ScriptedHost::new(LinkSizes { flight: 64, ..LinkSizes::new(1024, 1 << 15, 1 << 15) }),
            script.now_us.get(),
        );
        Self::new(host, ScriptedDevice::new(script, slots, boot), now_us)
    }

    /// Makes the same, connected.
    pub fn connected(slowness: &[u64]) -> Self {
        let mut rig = Self::at_reset(slowness, SLOTS);
        rig.connect(1);
        rig
    }

    /// Makes the same, connected, with generation 1 (of [`Codes::scripted`]`(1)`) in force and the usual plan.
    pub fn planned(slowness: &[u64], cost: Cost) -> Self {
        let mut rig = Self::connected(slowness);
        let generation = rig.commit(1, &Codes::scripted(1));
        rig.order(Command::Plan(plan(generation, cost)));
        rig
    }

    /// Returns how many entries the board's record has.
    pub fn log_length(&self) -> usize {
        self.device.script.log.borrow().len()
    }

    /// Queues a shot with the inputs and targets that go with its id; returns the request's tag.
    pub fn shoot(&mut self, id: ShotId, flip: bool) -> u16 {
        self.queue(&order(id, flip))
    }

    /// Runs shots to their end under the plan in force; returns their rows.
    pub fn run_shots(&mut self, ids: impl IntoIterator<Item = ShotId>) -> Vec<Row> {
        let before = self.host.rows.len();
        let count = ids.into_iter().map(|id| self.shoot(id, false)).count();
        self.run_until(60_000_000, |rig| rig.host.rows.len() == before + 4 * count || !rig.host.answers.is_empty());
        assert!(self.host.answers.is_empty(), "{:?}", self.host.answers);
        self.host.rows[before..].to_vec()
    }
}
