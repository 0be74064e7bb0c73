//! A Controller over the scripted board of the firmware's own tests, in memory that is given back after each run.

use std::rc::Rc;

use xyloop_firmware::{Controller, Identification, Replica, SafeTable, Sizes, Storage, phase::IqSum, slots::Slot};
use xyloop_protocol::{
    codec::Codecs,
    link,
    message::BootCause,
    units::{DacCode, IqCode, Turn},
};

use super::{
    board::{Bench, COUPLINGS, INPUTS, OUTPUTS, SITES, ScriptedBoard, safe_couplings, safe_fields, safe_inputs},
    words::{DEADMAN_US, RESULT_BYTES, WIRING},
};
use crate::wire::LinkMemory;

/// Slots of the device: few, so that they fill up.
pub const SLOTS: usize = 5;

/// Owns what the device borrows.
pub struct DeviceMemory {
    sizes: Sizes,
    link: LinkMemory,
    message_in: Vec<u8>,
    message_out: Vec<u8>,
    committed: Vec<DacCode>,
    staged: Vec<DacCode>,
    fields: Vec<DacCode>,
    codes: Vec<IqCode>,
    sums: Vec<IqSum>,
    phases: Vec<Turn>,
    free: Vec<Turn>,
    windows: Vec<Turn>,
    replicas: Vec<Replica>,
    slots: Vec<Slot>,
    inputs: Vec<Turn>,
    targets: Vec<Turn>,
    results: Vec<u8>,
    contrast: Vec<i32>,
    trigonometry: Vec<(i32, i32)>,
    safe_couplings: Vec<DacCode>,
    safe_fields: Vec<DacCode>,
    safe_inputs: Vec<Turn>,
}

impl DeviceMemory {
    /// Exactly what a device of so many replicas asks for.
    pub fn new(replicas: usize) -> Self {
        let s = Sizes {
            sites: SITES,
            couplings: COUPLINGS.len(),
            inputs: INPUTS.len(),
            outputs: OUTPUTS.len(),
            replicas,
            slots: SLOTS,
            result_bytes: RESULT_BYTES,
        };
        Self {
            sizes: s,
            link: LinkMemory::new(256, 2048, 2048),
            message_in: vec![0; s.message()],
            message_out: vec![0; s.message()],
            committed: vec![DacCode(0); s.generation()],
            staged: vec![DacCode(0); s.generation()],
            fields: vec![DacCode(0); 2 * SITES],
            codes: vec![IqCode::default(); SITES],
            sums: vec![IqSum::default(); replicas * SITES],
            phases: vec![Turn(0); SITES],
            free: vec![Turn(0); replicas * SITES],
            windows: vec![Turn(0); replicas * SITES],
            replicas: vec![Replica::default(); replicas],
            slots: vec![Slot::default(); SLOTS],
            inputs: vec![Turn(0); SLOTS * INPUTS.len()],
            targets: vec![Turn(0); SLOTS * OUTPUTS.len()],
            results: vec![0; SLOTS * RESULT_BYTES],
            contrast: vec![0; s.generation()],
            trigonometry: vec![(0, 0); SITES],
            safe_couplings: safe_couplings().into_iter().map(DacCode).collect(),
            safe_fields: safe_fields().into_iter().map(DacCode).collect(),
            safe_inputs: safe_inputs().into_iter().map(Turn).collect(),
        }
    }

    /// The device at reset.
    pub fn device(&mut self, bench: &Rc<Bench>) -> Controller<'_, ScriptedBoard> {
        let who = Identification {
            vendor: "xyloop",
            model: "scripted",
            serial: "1",
            boot_id: 5,
            boot_cause: BootCause::Watchdog,
            boot_note: "",
            wiring: WIRING,
            deadman_ms: (DEADMAN_US / 1000) as u16,
            codecs: Codecs::ALL,
            safe: SafeTable { couplings: &self.safe_couplings, fields: &self.safe_fields, inputs: &self.safe_inputs },
        };
        let storage = Storage {
            link: self.link.storage(),
            message_in: &mut self.message_in,
            message_out: &mut self.message_out,
            committed: &mut self.committed,
            staged: &mut self.staged,
            fields: &mut self.fields,
            codes: &mut self.codes,
            sums: &mut self.sums,
            phases: &mut self.phases,
            free: &mut self.free,
            windows: &mut self.windows,
            replicas: &mut self.replicas,
            slots: &mut self.slots,
            inputs: &mut self.inputs,
            targets: &mut self.targets,
            results: &mut self.results,
            contrast: &mut self.contrast,
            trigonometry: &mut self.trigonometry,
        };
        let slots_of = (self.sizes.slots, self.sizes.result_bytes);
        let config = link::Config { salt: 5, ..link::Config::device() };
        Controller::new(ScriptedBoard::new(Rc::clone(bench)), who, slots_of, storage, config)
            .expect("the memory is long enough")
    }
}
