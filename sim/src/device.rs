//! A whole simulated device: the Controller with its memory over a simulated board.

use std::sync::Arc;

use xyloop_firmware::{
    Board, Controller, Identification, Replica, SafeTable, Sizes, Storage, phase::IqSum, slots::Slot,
};
use xyloop_hil_config::WiringLists;
use xyloop_protocol::{
    codec::Codecs,
    frame, link,
    message::BootCause,
    units::{DacCode, IqCode, Turn},
};

use crate::{
    board::{SimulatedBoard, Workers},
    plant::Description,
};

/// The Controller over a simulated board.
pub type Device<'a> = Controller<'a, SimulatedBoard>;

/// Shots a simulated device holds at the same time.
pub const SLOTS: usize = 512;
/// Bytes the link can hold in each direction.
const LINK_BYTES: usize = 1 << 17;
/// Frames in flight.
const FLIGHT: usize = 256;
/// Largest payload of a frame the device offers to take. The host may ask for less.
const MAX_PAYLOAD: u16 = 8192;
/// Equilibria a slot has room for, read as raw I/Q codes of all sites.
const EQUILIBRIA: usize = 5;

/// The memory a device works in.
pub struct Memory {
    description: Arc<Description>,
    lists: WiringLists,
    safe: Vec<DacCode>,
    safe_inputs: Vec<Turn>,
    boot_id: u32,
    boot_cause: BootCause,
    boot_note: String,
    model: String,
    link: [Vec<u8>; 3],
    flight: Vec<link::InFlight>,
    messages: [Vec<u8>; 2],
    generations: [Vec<DacCode>; 2],
    fields: Vec<DacCode>,
    codes: Vec<IqCode>,
    sums: Vec<IqSum>,
    turns: [Vec<Turn>; 5],
    replicas: Vec<Replica>,
    slots: Vec<Slot>,
    results: Vec<u8>,
    contrast: Vec<i32>,
    trigonometry: Vec<(i32, i32)>,
}

/// Why a simulated device could not be started.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The operating system gave no threads.
    #[error("cannot start the simulated plant's worker threads")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The wire numbers sites with 16 bits.
    #[error(
        "the lattice has {sites} sites; the wire numbers at most 65535: make it smaller, or solve it without a device"
    )]
    TooManySites {
        /// Sites of the graph.
        sites: usize,
    },
    /// A slice is too short: a mistake in this module.
    #[error("the device's memory `{0}` is too small")]
    Memory(&'static str),
}

impl Memory {
    /// Memory for a device with these sites and couplings. `boot_id` names this start of it, by power-on.
    pub fn new(description: Arc<Description>, boot_id: u32) -> Self {
        let lists = WiringLists::new(&description.graph);
        let sizes = Self::sizes(&description);
        let s = sizes;
        let mid = |bits, count| std::iter::repeat_n(DacCode::mid(bits), count);
        let c = &description.converters;
        let safe = mid(c.coupling_bits, s.couplings).chain(mid(c.field_bits, 2 * s.sites)).collect();
        let turns = |count| vec![Turn::default(); count];
        Self {
            lists,
            safe,
            safe_inputs: vec![Turn::default(); s.inputs],
            boot_id,
            boot_cause: BootCause::PowerOn,
            boot_note: String::new(),
            model: description.model(),
            link: [vec![0; frame::storage_len(usize::from(MAX_PAYLOAD))], vec![0; LINK_BYTES], vec![0; LINK_BYTES]],
            flight: vec![link::InFlight::default(); FLIGHT],
            messages: [vec![0; s.message()], vec![0; s.message()]],
            generations: [vec![DacCode::default(); s.generation()], vec![DacCode::default(); s.generation()]],
            fields: vec![DacCode::default(); 2 * s.sites],
            codes: vec![IqCode::default(); s.sites],
            sums: vec![IqSum::default(); s.replicas * s.sites],
            turns: [
                turns(s.sites),
                turns(s.replicas * s.sites),
                turns(s.replicas * s.sites),
                turns(s.slots * s.inputs),
                turns(s.slots * s.outputs),
            ],
            replicas: vec![Replica::default(); s.replicas],
            slots: vec![Slot::default(); s.slots],
            results: vec![0; s.slots * s.result_bytes],
            contrast: vec![0; s.generation()],
            trigonometry: vec![(0, 0); s.sites],
            description,
        }
    }

    /// The device started for this reason, and its firmware left this note behind.
    #[must_use]
    pub fn booted_by(mut self, cause: BootCause, note: &str) -> Self {
        (self.boot_cause, self.boot_note) = (cause, note.to_owned());
        self
    }

    fn sizes(description: &Description) -> Sizes {
        let graph = &description.graph;
        Sizes {
            sites: graph.len(),
            couplings: graph.couplings().len(),
            inputs: graph.inputs().len(),
            outputs: graph.outputs().len(),
            replicas: description.replicas,
            slots: SLOTS,
            result_bytes: EQUILIBRIA * 4 * graph.len(),
        }
    }

    /// The device at reset, in this memory.
    ///
    /// # Errors
    /// If worker threads cannot be started, or the wire has no numbers for that many sites.
    pub fn device(&mut self, workers: Workers) -> Result<Device<'_>, DeviceError> {
        let board = SimulatedBoard::new(Arc::clone(&self.description), workers)?;
        self.controller(board)
    }

    /// The device at reset over any board with the same wiring and replicas: one that records what it is told, say.
    ///
    /// # Errors
    /// If the board has more replicas than the description says, or the wire has no numbers for that many sites.
    pub fn controller<B: Board>(&mut self, board: B) -> Result<Controller<'_, B>, DeviceError> {
        let sizes = Self::sizes(&self.description);
        if sizes.sites > usize::from(u16::MAX) {
            return Err(DeviceError::TooManySites { sites: sizes.sites });
        }
        let (couplings, fields) = self.safe.split_at(sizes.couplings);
        let who = Identification {
            vendor: "xyloop",
            model: &self.model,
            serial: &self.description.serial,
            boot_id: self.boot_id,
            boot_cause: self.boot_cause,
            boot_note: &self.boot_note,
            wiring: self.lists.wiring(sizes.sites, self.description.converters),
            deadman_ms: self.description.deadman_ms,
            codecs: Codecs::ALL,
            safe: SafeTable { couplings, fields, inputs: &self.safe_inputs },
        };
        let [frame, receive, send] = &mut self.link;
        let [message_in, message_out] = &mut self.messages;
        let [committed, staged] = &mut self.generations;
        let [phases, free, windows, inputs, targets] = &mut self.turns;
        let storage = Storage {
            link: link::Storage { frame, receive, send, flight: &mut self.flight },
            message_in,
            message_out,
            committed,
            staged,
            fields: &mut self.fields,
            codes: &mut self.codes,
            sums: &mut self.sums,
            phases,
            free,
            windows,
            replicas: &mut self.replicas,
            slots: &mut self.slots,
            inputs,
            targets,
            results: &mut self.results,
            contrast: &mut self.contrast,
            trigonometry: &mut self.trigonometry,
        };
        let link = link::Config { max_payload: MAX_PAYLOAD, salt: self.boot_id, ..link::Config::device() };
        Controller::new(board, who, (sizes.slots, sizes.result_bytes), storage, link).map_err(DeviceError::Memory)
    }
}
