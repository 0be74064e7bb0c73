//! The memory a Controller works in, handed over at construction: the same code serves 25 sites on a small
//! microcontroller and 1 600 sites × 200 shots in the simulator. The sizes are announced in the identity's limits.

use xyloop_protocol::{
    link,
    units::{DacCode, IqCode, Turn},
};

use crate::{phase::IqSum, shot::Replica, slots::Slot};

/// What a device can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Sites of the wiring.
    pub sites: usize,
    /// Couplings of the wiring.
    pub couplings: usize,
    /// Input sites.
    pub inputs: usize,
    /// Output sites.
    pub outputs: usize,
    /// Replicas of the board.
    pub replicas: usize,
    /// Shots queued, running or not yet retired, together.
    pub slots: usize,
    /// Read-out bytes of one shot, all its equilibria together.
    pub result_bytes: usize,
}

impl Sizes {
    /// Codes of one generation: couplings, then two per site.
    pub const fn generation(&self) -> usize {
        self.couplings + 2 * self.sites
    }

    /// Longest message in either direction: a read-out of every site, or as many codes, with its head.
    pub const fn message(&self) -> usize {
        let read_out = 4 * self.sites + 64;
        if read_out < 576 { 576 } else { read_out }
    }
}

/// The slices. Lengths are those in the comments; longer ones are used in part, shorter ones refused.
pub struct Storage<'a> {
    /// The link's own buffers.
    pub link: link::Storage<'a>,
    /// One received message: [`Sizes::message`].
    pub message_in: &'a mut [u8],
    /// One message to send: [`Sizes::message`].
    pub message_out: &'a mut [u8],
    /// Codes in force: [`Sizes::generation`].
    pub committed: &'a mut [DacCode],
    /// Codes to come: [`Sizes::generation`].
    pub staged: &'a mut [DacCode],
    /// One field code pair per site, scratch: 2 × sites.
    pub fields: &'a mut [DacCode],
    /// One read, scratch: sites.
    pub codes: &'a mut [IqCode],
    /// Sums over the reads of each replica so far: replicas × sites.
    pub sums: &'a mut [IqSum],
    /// Mean phases, scratch: sites.
    pub phases: &'a mut [Turn],
    /// The free state of each replica's shot: replicas × sites.
    pub free: &'a mut [Turn],
    /// The earlier window of each replica: replicas × sites.
    pub windows: &'a mut [Turn],
    /// One per replica.
    pub replicas: &'a mut [Replica],
    /// The ring of shots: slots.
    pub slots: &'a mut [Slot],
    /// Inputs of each slot: slots × inputs.
    pub inputs: &'a mut [Turn],
    /// Targets of each slot: slots × outputs.
    pub targets: &'a mut [Turn],
    /// Read-outs of each slot: slots × `result_bytes`.
    pub results: &'a mut [u8],
    /// Contrast sums: [`Sizes::generation`]; empty if the device does not offer them.
    pub contrast: &'a mut [i32],
    /// cos and sin of one equilibrium, scratch for the contrast: sites, or empty.
    pub trigonometry: &'a mut [(i32, i32)],
}

impl Storage<'_> {
    /// Whether every slice is long enough; if not, the name of the first that is not.
    pub fn check(&self, sizes: &Sizes) -> Result<(), &'static str> {
        let s = sizes;
        let offers_contrast = !self.contrast.is_empty();
        let wanted = [
            ("message_in", self.message_in.len(), s.message()),
            ("message_out", self.message_out.len(), s.message()),
            ("committed", self.committed.len(), s.generation()),
            ("staged", self.staged.len(), s.generation()),
            ("fields", self.fields.len(), 2 * s.sites),
            ("codes", self.codes.len(), s.sites),
            ("sums", self.sums.len(), s.replicas * s.sites),
            ("phases", self.phases.len(), s.sites),
            ("free", self.free.len(), s.replicas * s.sites),
            ("windows", self.windows.len(), s.replicas * s.sites),
            ("replicas", self.replicas.len(), s.replicas),
            ("slots", self.slots.len(), s.slots),
            ("inputs", self.inputs.len(), s.slots * s.inputs),
            ("targets", self.targets.len(), s.slots * s.outputs),
            ("results", self.results.len(), s.slots * s.result_bytes),
            ("contrast", self.contrast.len(), if offers_contrast { s.generation() } else { 0 }),
            ("trigonometry", self.trigonometry.len(), if offers_contrast { s.sites } else { 0 }),
        ];
        wanted.iter().find(|(_, have, want)| have < want).map_or(Ok(()), |(name, ..)| Err(name))
    }
}
