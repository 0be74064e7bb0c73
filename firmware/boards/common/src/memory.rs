//! The memory of a Controller and its front end as one static value, made by the macro [`memory!`](crate::memory).

use xyloop_firmware::{Sizes, Storage, front_end};
use xyloop_protocol::units::{DacCode, Turn};

/// The largest rig that a board's memory serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Sites.
    pub sites: usize,
    /// Couplings.
    pub couplings: usize,
    /// Input sites.
    pub inputs: usize,
    /// Output sites.
    pub outputs: usize,
    /// Addresses of converters.
    pub chips: usize,
    /// Shots queued, running or not yet retired, at most.
    pub shots: usize,
    /// Read-out bytes of all shots together. A small rig needs less of them per shot and so holds more shots.
    pub results: usize,
    /// Bytes that the link can hold in each direction.
    pub link: usize,
    /// Largest payload of a frame.
    pub payload: usize,
}

impl Room {
    /// Equilibria that a slot has room for, read as raw I/Q codes of all sites.
    const EQUILIBRIA: usize = 5;

    /// Read-out bytes that one shot of so many sites needs.
    pub const fn result_bytes(sites: usize) -> usize {
        Self::EQUILIBRIA * 4 * sites
    }

    /// The same room as sizes of a Controller.
    pub const fn sizes(&self) -> Sizes {
        Sizes {
            sites: self.sites,
            couplings: self.couplings,
            inputs: self.inputs,
            outputs: self.outputs,
            replicas: 1,
            slots: self.shots,
            result_bytes: Self::result_bytes(self.sites),
        }
    }
}

/// A board's memory, cut into its parts.
pub struct Buffers<'a> {
    /// How much there is.
    pub room: Room,
    /// The Controller's.
    pub storage: Storage<'a>,
    /// The front end's.
    pub front_end: front_end::Memory<'a>,
    /// Both ends of each coupling.
    pub couplings: &'a mut [(u16, u16)],
    /// Input sites.
    pub inputs: &'a mut [u16],
    /// Output sites.
    pub outputs: &'a mut [u16],
    /// Safe codes: couplings, then two per site.
    pub safe: &'a mut [DacCode],
    /// Safe phases of the inputs.
    pub safe_inputs: &'a mut [Turn],
}

/// Makes a type that owns every buffer of a [`Room`], all zero at first (so that it costs no flash), with `new` for a static
/// and `buffers` to cut it up.
///
/// ```
/// xyloop_board_common::memory! {
///     /// Memory for a small rig.
///     struct Memory = xyloop_board_common::Room {
///         sites: 25, couplings: 300, inputs: 2, outputs: 1, chips: 16,
///         shots: 32, results: 16_000, link: 4096, payload: 1024,
///     };
/// }
/// let mut memory = Memory::new();
/// assert_eq!(memory.buffers(&mut [Default::default()]).storage.contrast.len(), 350);
/// ```
#[macro_export]
macro_rules! memory {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident = $room:expr;) => {
        $(#[$attribute])*
        $visibility struct $name {
            frame: [u8; $crate::protocol::frame::storage_len(Self::ROOM.payload)],
            link: [[u8; Self::ROOM.link]; 2],
            flight: [$crate::protocol::link::InFlight; Self::ROOM.link / 128],
            messages: [[u8; Self::ROOM.sizes().message()]; 2],
            generations: [[$crate::protocol::units::DacCode; Self::ROOM.sizes().generation()]; 2],
            fields: [[$crate::protocol::units::DacCode; 2 * Self::ROOM.sites]; 2],
            codes: [$crate::protocol::units::IqCode; Self::ROOM.sites],
            sums: [$crate::firmware::phase::IqSum; Self::ROOM.sites],
            turns: [[$crate::protocol::units::Turn; Self::ROOM.sites]; 3],
            slots: [$crate::firmware::slots::Slot; Self::ROOM.shots],
            shot_inputs: [$crate::protocol::units::Turn; Self::ROOM.shots * Self::ROOM.inputs],
            shot_targets: [$crate::protocol::units::Turn; Self::ROOM.shots * Self::ROOM.outputs],
            results: [u8; Self::ROOM.results],
            contrast: [i32; Self::ROOM.sizes().generation()],
            trigonometry: [(i32, i32); Self::ROOM.sites],
            readings: [i16; $crate::firmware::front_end::CHANNELS_PER_ADC * Self::ROOM.chips],
            couplings: [(u16, u16); Self::ROOM.couplings],
            inputs: [u16; Self::ROOM.inputs],
            outputs: [u16; Self::ROOM.outputs],
            safe: [$crate::protocol::units::DacCode; Self::ROOM.sizes().generation()],
            safe_inputs: [$crate::protocol::units::Turn; Self::ROOM.inputs],
        }

        impl $name {
            /// The largest rig it serves.
            pub const ROOM: $crate::Room = $room;

            /// All zero.
            #[allow(clippy::new_without_default, clippy::large_stack_arrays)]
            pub const fn new() -> Self {
                use $crate::protocol::units::{AdcCode, DacCode, IqCode, Turn};
                let room = Self::ROOM;
                // A read-out of the largest rig fits at least once.
                assert!(room.results >= room.sizes().result_bytes);
                Self {
                    frame: [0; _],
                    link: [[0; _]; 2],
                    flight: [$crate::protocol::link::InFlight::NONE; _],
                    messages: [[0; _]; 2],
                    generations: [[DacCode(0); _]; 2],
                    fields: [[DacCode(0); _]; 2],
                    codes: [IqCode { i: AdcCode(0), q: AdcCode(0) }; _],
                    sums: [$crate::firmware::phase::IqSum { i: 0, q: 0 }; _],
                    turns: [[Turn(0); _]; 3],
                    slots: [$crate::firmware::slots::Slot::EMPTY; _],
                    shot_inputs: [Turn(0); _],
                    shot_targets: [Turn(0); _],
                    results: [0; _],
                    contrast: [0; _],
                    trigonometry: [(0, 0); _],
                    readings: [0; _],
                    couplings: [(0, 0); _],
                    inputs: [0; _],
                    outputs: [0; _],
                    safe: [DacCode(0); _],
                    safe_inputs: [Turn(0); _],
                }
            }

            /// Cuts it up. The one replica's place is the caller's.
            pub fn buffers<'a>(&'a mut self, replicas: &'a mut [$crate::firmware::Replica; 1]) -> $crate::Buffers<'a> {
                let [receive, send] = &mut self.link;
                let [message_in, message_out] = &mut self.messages;
                let [committed, staged] = &mut self.generations;
                let [fields, held] = &mut self.fields;
                let [phases, free, windows] = &mut self.turns;
                $crate::Buffers {
                    room: Self::ROOM,
                    storage: $crate::firmware::Storage {
                        link: $crate::protocol::link::Storage {
                            frame: &mut self.frame,
                            receive,
                            send,
                            flight: &mut self.flight,
                        },
                        message_in,
                        message_out,
                        committed,
                        staged,
                        fields,
                        codes: &mut self.codes,
                        sums: &mut self.sums,
                        phases,
                        free,
                        windows,
                        replicas,
                        slots: &mut self.slots,
                        inputs: &mut self.shot_inputs,
                        targets: &mut self.shot_targets,
                        results: &mut self.results,
                        contrast: &mut self.contrast,
                        trigonometry: &mut self.trigonometry,
                    },
                    front_end: $crate::firmware::front_end::Memory { fields: held, readings: &mut self.readings },
                    couplings: &mut self.couplings,
                    inputs: &mut self.inputs,
                    outputs: &mut self.outputs,
                    safe: &mut self.safe,
                    safe_inputs: &mut self.safe_inputs,
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::Room;
    use xyloop_firmware::{Replica, slots::Slot};
    use xyloop_protocol::link::InFlight;

    crate::memory! {
        struct Memory = Room {
            sites: 3, couplings: 3, inputs: 1, outputs: 1, chips: 2, shots: 2, results: 120, link: 1024, payload: 256,
        };
    }

    #[test]
    fn a_static_starts_as_a_value_made_at_run_time_would() {
        let (mut memory, mut replica) = (Memory::new(), [Replica::default()]);
        let buffers = memory.buffers(&mut replica);
        assert_eq!(buffers.storage.slots, [Slot::default(); 2]);
        assert_eq!(buffers.storage.link.flight, [InFlight::default(); 8]);
        assert_eq!(buffers.storage.check(&buffers.room.sizes()), Ok(()));
    }
}
