//! Memory for just the rig that is counted, and how many bytes of it are for what.

use cortex_m_semihosting::hprintln;
use xyloop_board_common::{Buffers, Room};
use xyloop_protocol::{
    frame,
    link::{InFlight, Storage},
};

/// Shots that are held at a time.
const SHOTS: usize = 16;
/// Payload of a frame.
const PAYLOAD: usize = 1024;
const OF_HOST: usize = 32 * 1024;

xyloop_board_common::memory! {
    /// 15 × 15 sites with the neighbour shells 1 to 4, 16 shots.
    pub struct Memory = Room {
        sites: 225, couplings: 1930, inputs: 2, outputs: 1, chips: 118,
        shots: SHOTS, results: SHOTS * Room::result_bytes(225), link: 16 * 1024, payload: PAYLOAD,
    };
}

/// The host's end of the link.
pub struct HostMemory {
    frame: [u8; frame::storage_len(PAYLOAD)],
    receive: [u8; OF_HOST],
    send: [u8; OF_HOST],
    flight: [InFlight; 128],
}

impl HostMemory {
    pub const fn new() -> Self {
        Self { frame: [0; _], receive: [0; _], send: [0; _], flight: [InFlight::NONE; _] }
    }

    pub fn storage(&mut self) -> Storage<'_> {
        Storage { frame: &mut self.frame, receive: &mut self.receive, send: &mut self.send, flight: &mut self.flight }
    }
}

/// Prints what the parts take.
pub fn report(buffers: &Buffers<'_>) {
    let Buffers { storage: s, front_end, couplings, inputs, outputs, safe, safe_inputs, .. } = buffers;
    let link =
        size_of_val(s.link.frame) + size_of_val(s.link.receive) + size_of_val(s.link.send) + size_of_val(s.link.flight);
    let shots = size_of_val(s.slots) + size_of_val(s.inputs) + size_of_val(s.targets);
    let scratch = size_of_val(s.fields)
        + size_of_val(s.codes)
        + size_of_val(s.sums)
        + size_of_val(s.phases)
        + size_of_val(s.free)
        + size_of_val(s.windows);
    let wiring = size_of_val(*couplings) + size_of_val(*inputs) + size_of_val(*outputs);
    let parts = [
        ("link", link),
        ("messages", size_of_val(s.message_in) + size_of_val(s.message_out)),
        ("generations", size_of_val(s.committed) + size_of_val(s.staged)),
        ("safe_table", size_of_val(*safe) + size_of_val(*safe_inputs)),
        ("wiring", wiring),
        ("front_end", size_of_val(front_end.fields) + size_of_val(front_end.readings)),
        ("settling", scratch),
        ("contrast", size_of_val(s.contrast) + size_of_val(s.trigonometry)),
        ("shots", shots),
        ("results", size_of_val(s.results)),
    ];
    for (name, bytes) in parts {
        hprintln!("ram.{} {}", name, bytes);
    }
    hprintln!("ram.all {}", size_of::<Memory>());
    hprintln!("ram.shots_held {}", SHOTS);
}
