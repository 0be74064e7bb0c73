//! The array of a rack: a simulated board of one replica, driven as the Controller drives it.

use std::sync::Arc;

use xyloop_firmware::{Board, ReadKey};
use xyloop_hil_config::scaling::Scaling;
use xyloop_protocol::{
    units::{DacCode, IqCode, ShotId, Turn},
    wiring::Converters,
};

use crate::{board::SimulatedBoard, plant::Description};

/// The array, and where its shot stands.
pub(super) struct Array {
    board: SimulatedBoard,
    converters: Converters,
    couplings: Vec<DacCode>,
    fields: Vec<DacCode>,
    marked: Option<ShotId>,
    shot: ShotId,
    /// Latches since the mark: kick 0, free 1, …
    segment: Option<u8>,
    reads: u16,
    codes: Vec<IqCode>,
    /// The state is not a number.
    failed: bool,
}

impl Array {
    /// Behind outputs at ground.
    pub fn new(description: Description) -> Self {
        let description = Description { replicas: 1, realtime: false, ..description };
        let (converters, graph) = (description.converters, &description.graph);
        let couplings = vec![DacCode::mid(converters.coupling_bits); graph.couplings().len()];
        let fields = vec![DacCode::mid(converters.field_bits); 2 * graph.len()];
        let codes = vec![IqCode::default(); graph.len()];
        let mut array = Self {
            board: SimulatedBoard::inline(Arc::new(description)),
            converters,
            couplings: Vec::new(),
            fields: Vec::new(),
            marked: None,
            shot: 0,
            segment: None,
            reads: 0,
            codes,
            failed: false,
        };
        array.follow(couplings, fields, false);
        array
    }

    pub fn converters(&self) -> Converters {
        self.converters
    }

    /// Whether the state is not a number any more: a converter would never be ready.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Whoever drives it begins anew.
    pub fn restart(&mut self) {
        (self.marked, self.segment, self.reads, self.failed) = (None, None, 0, false);
    }

    /// The next latch begins this shot.
    pub fn mark(&mut self, shot: ShotId) {
        self.marked = Some(shot);
    }

    pub fn take_mark(&mut self) -> Option<ShotId> {
        self.marked.take()
    }

    /// A shot begins; its first segment does with the latch that follows.
    pub fn begin(&mut self, shot: ShotId, inputs: &[Turn]) {
        (self.shot, self.segment) = (shot, None);
        self.failed |= self.board.begin_shot(0, shot, inputs).is_err();
    }

    /// The outputs carry these codes; `latched`: a segment begins with them.
    pub fn follow(&mut self, couplings: Vec<DacCode>, fields: Vec<DacCode>, latched: bool) {
        let new_couplings = self.couplings != couplings;
        if new_couplings {
            self.couplings = couplings;
            self.failed |= self.board.stage_couplings(0, &self.couplings).is_err();
        }
        if new_couplings || latched || self.fields != fields {
            self.fields = fields;
            self.failed |= self.board.latch_fields(0, &self.fields).is_err();
        }
        if latched {
            self.segment = Some(self.segment.map_or(0, |segment| segment.saturating_add(1)));
            self.reads = 0;
        }
    }

    /// So much time passes.
    pub fn advance(&mut self, duration_us: u32) {
        if duration_us == 0 || self.failed {
            return;
        }
        let done = self.board.start(0, self.segment.unwrap_or(0), duration_us).and_then(|()| self.board.poll(0));
        self.failed |= done.is_err() || self.board.ready(0).is_none();
    }

    /// I and Q of each site in turn, as fractions of full scale on the grid of the rig's codes; `None` if there is nothing
    /// to read any more.
    pub fn read(&mut self) -> Option<impl Iterator<Item = f64>> {
        let key = ReadKey { shot: self.shot, segment: self.segment.unwrap_or(0), read: self.reads };
        self.reads = self.reads.wrapping_add(1);
        self.failed |= self.board.read(0, key, &mut self.codes).is_err();
        let scaling = Scaling::new(self.converters);
        (!self.failed).then(|| self.codes.iter().flat_map(move |code| scaling.iq(*code)))
    }
}
