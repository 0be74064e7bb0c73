//! Memory for links and Controllers, owned, of exactly the size that is asked for.

use xyloop_firmware::{Replica, Sizes, Storage, phase::IqSum, slots::Slot};
use xyloop_protocol::{
    frame,
    link::{self, Config, FLIGHT_MIN, FRAME_STORAGE_MIN, InFlight, Link, Role},
    units::{DacCode, IqCode, Turn},
};

/// How much a link can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkSizes {
    /// Largest payload of a frame it takes, bytes.
    pub payload: usize,
    /// Received and not yet read, bytes.
    pub receive: usize,
    /// Sent and not yet acknowledged, bytes.
    pub send: usize,
    /// Data frames in flight at most, and one.
    pub flight: usize,
}

impl LinkSizes {
    /// Returns sizes with a record for every 64 bytes sent: few enough that records run out before the storage now and then.
    pub const fn new(payload: usize, receive: usize, send: usize) -> Self {
        let flight = send / 64;
        Self { payload, receive, send, flight: if flight < FLIGHT_MIN { FLIGHT_MIN } else { flight } }
    }
}

/// Owns what [`link::Storage`] borrows.
#[derive(Debug)]
pub struct LinkMemory {
    frame: Vec<u8>,
    receive: Vec<u8>,
    send: Vec<u8>,
    flight: Vec<InFlight>,
}

impl LinkMemory {
    /// Allocates memory of these sizes.
    pub fn new(sizes: LinkSizes) -> Self {
        Self {
            frame: vec![0; frame::storage_len(sizes.payload).max(FRAME_STORAGE_MIN)],
            receive: vec![0; sizes.receive],
            send: vec![0; sizes.send],
            flight: vec![InFlight::default(); sizes.flight],
        }
    }

    /// Lends the slices to one link.
    pub fn storage(&mut self) -> link::Storage<'_> {
        let Self { frame, receive, send, flight } = self;
        link::Storage { frame, receive, send, flight }
    }
}

/// Makes a link over leaked memory that offers to take frames of the payload given.
pub fn link(role: Role, sizes: LinkSizes, config: Config) -> Link<'static> {
    let max_payload = u16::try_from(sizes.payload).expect("a frame's payload has at most 65 535 bytes");
    Link::new(role, Box::leak(Box::new(LinkMemory::new(sizes))).storage(), Config { max_payload, ..config })
}

/// Owns what a Controller borrows.
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
}

impl DeviceMemory {
    /// Allocates exactly these sizes: one byte less would be refused.
    pub fn new(sizes: Sizes, link: LinkSizes) -> Self {
        let s = sizes;
        Self {
            sizes,
            link: LinkMemory::new(link),
            message_in: vec![0; s.message()],
            message_out: vec![0; s.message()],
            committed: vec![DacCode(0); s.generation()],
            staged: vec![DacCode(0); s.generation()],
            fields: vec![DacCode(0); 2 * s.sites],
            codes: vec![IqCode::default(); s.sites],
            sums: vec![IqSum::default(); s.replicas * s.sites],
            phases: vec![Turn(0); s.sites],
            free: vec![Turn(0); s.replicas * s.sites],
            windows: vec![Turn(0); s.replicas * s.sites],
            replicas: vec![Replica::default(); s.replicas],
            slots: vec![Slot::default(); s.slots],
            inputs: vec![Turn(0); s.slots * s.inputs],
            targets: vec![Turn(0); s.slots * s.outputs],
            results: vec![0; s.slots * s.result_bytes],
            contrast: vec![0; s.generation()],
            trigonometry: vec![(0, 0); s.sites],
        }
    }

    /// Returns the slots and the result bytes of a slot, as a Controller is told.
    pub fn slots_of(&self) -> (usize, usize) {
        (self.sizes.slots, self.sizes.result_bytes)
    }

    /// Lends the slices to one Controller.
    pub fn storage(&mut self) -> Storage<'_> {
        Storage {
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
        }
    }
}
