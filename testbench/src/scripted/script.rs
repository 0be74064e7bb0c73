//! What a test and the scripted board have in common: the record of what left the board, and the knobs.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use xyloop_firmware::{BoardError, Pace, ReadKey};
use xyloop_protocol::units::ShotId;

use super::wiring::{COUPLINGS, safe_couplings, safe_fields, safe_inputs};

/// Something the Controller asked the board for.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Handed to the converters; on no output yet.
    Staged {
        /// The first coupling.
        first: usize,
        /// Codes from there on.
        codes: Vec<u16>,
    },
    /// Couplings are on the outputs.
    Couplings(Vec<u16>),
    /// Fields are on the outputs.
    Fields {
        /// Of this replica.
        replica: usize,
        /// Two per site.
        codes: Vec<u16>,
    },
    /// Every output is safe.
    Safe {
        /// The table's couplings.
        couplings: Vec<u16>,
        /// Its fields.
        fields: Vec<u16>,
        /// Its inputs.
        inputs: Vec<u16>,
    },
    /// Inputs are clamped for a shot.
    Begin {
        /// On this replica.
        replica: usize,
        /// The shot.
        shot: ShotId,
        /// Phases of the inputs, 2^-16 turns.
        inputs: Vec<u16>,
    },
    /// The plant is left to itself.
    Start {
        /// On this replica.
        replica: usize,
        /// In this segment of the plan.
        segment: u8,
        /// For so long, microseconds.
        duration_us: u32,
    },
    /// The sites are read.
    Read {
        /// On this replica.
        replica: usize,
        /// Which read it is.
        key: ReadKey,
    },
    /// The converters are set up.
    Recover,
}

/// Calls that can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Board::stage_couplings`](xyloop_firmware::Board::stage_couplings).
    StageCouplings,
    /// [`Board::latch_fields`](xyloop_firmware::Board::latch_fields).
    LatchFields,
    /// [`Board::begin_shot`](xyloop_firmware::Board::begin_shot).
    BeginShot,
    /// [`Board::start`](xyloop_firmware::Board::start).
    Start,
    /// [`Board::poll`](xyloop_firmware::Board::poll).
    Poll,
    /// [`Board::read`](xyloop_firmware::Board::read).
    Read,
    /// [`Board::recover`](xyloop_firmware::Board::recover).
    Recover,
}

/// The clock, the record and the knobs of a [`ScriptedBoard`](super::ScriptedBoard).
pub struct BoardScript {
    /// The time as of the last look at the device, microseconds.
    pub now_us: Cell<u64>,
    /// Everything that was asked for, and when.
    pub log: RefCell<Vec<(u64, Act)>>,
    /// Coupling codes on the converters now.
    pub couplings: RefCell<Vec<u16>>,
    /// Field codes on the converters now, per replica.
    pub fields: RefCell<Vec<Vec<u16>>>,
    /// Coupling codes that come into force with the next latch, as far as they were staged.
    pub(super) staged: RefCell<Vec<Option<u16>>>,
    /// Fail with this error when that call has been made so many more times.
    pub fail: Cell<Option<(Call, u32, BoardError)>>,
    /// How many times longer than plant time a replica takes on the clock.
    pub slowness: Vec<u64>,
    /// Amplitude of I/Q in units of full scale.
    pub amplitude: Cell<f64>,
    /// (site, radians per microsecond, until so long after a segment's start): a site that does not come to rest.
    pub drift: Cell<Option<(usize, f64, u32)>>,
    /// Shots in which the first output, once nudged, stays 0.2 rad away from where it was.
    pub hysteresis: Cell<fn(ShotId) -> bool>,
    /// Added to every I code, times the read's ordinal modulo 8.
    pub dither: Cell<i32>,
    pace: Cell<Pace>,
    /// Codes that were staged in this poll, and reads of each replica; the most there were in any poll.
    work: RefCell<(usize, Vec<u8>)>,
    most_work: Cell<(usize, u8)>,
    /// When each replica that was started has something to tell.
    pub(super) due_us: RefCell<Vec<Option<u64>>>,
}

impl BoardScript {
    /// Makes a record of nothing yet, for a board with a replica per entry of `slowness`: how many times longer than plant time
    /// it takes on the clock.
    pub fn new(slowness: &[u64]) -> Rc<Self> {
        let replicas = slowness.len();
        Rc::new(Self {
            now_us: Cell::new(1_000_000),
            log: RefCell::default(),
            couplings: RefCell::default(),
            fields: RefCell::new(vec![Vec::new(); replicas]),
            staged: RefCell::new(vec![None; COUPLINGS.len()]),
            fail: Cell::new(None),
            slowness: slowness.to_vec(),
            amplitude: Cell::new(0.9),
            drift: Cell::new(None),
            hysteresis: Cell::new(|_| false),
            dither: Cell::new(0),
            pace: Cell::new(Pace::UNBOUNDED),
            work: RefCell::new((0, vec![0; replicas])),
            most_work: Cell::new((0, 0)),
            due_us: RefCell::new(vec![None; replicas]),
        })
    }

    /// Sets what the board says from now on that it can do between two looks at the link.
    pub fn set_pace(&self, pace: Pace) {
        self.pace.set(pace);
        self.most_work.set((0, 0));
    }

    /// Returns what it says now.
    pub fn pace(&self) -> Pace {
        self.pace.get()
    }

    /// Begins to count what the Controller asks for in one poll.
    pub fn begin_poll(&self) {
        *self.work.borrow_mut() = (0, vec![0; self.slowness.len()]);
    }

    /// Returns the most codes that were staged in a poll, and the most reads of a replica, since the pace was set.
    pub fn most_work(&self) -> (usize, u8) {
        self.most_work.get()
    }

    pub(super) fn note_work(&self, codes: usize, reads: Option<usize>) {
        let mut work = self.work.borrow_mut();
        work.0 += codes;
        if let Some(replica) = reads {
            work.1[replica] += 1;
        }
        let (most_codes, most_reads) = self.most_work.get();
        let reads = work.1.iter().copied().max().unwrap_or(0);
        self.most_work.set((most_codes.max(work.0), most_reads.max(reads)));
    }

    /// Returns when the board has something to tell.
    pub fn next_due_us(&self) -> Option<u64> {
        self.due_us.borrow().iter().flatten().min().copied()
    }

    /// Returns whether every output carries its safe code.
    pub fn is_safe(&self) -> bool {
        *self.couplings.borrow() == safe_couplings()
            && self.fields.borrow().iter().all(|fields| *fields == safe_fields())
    }

    /// Returns the entries of the record from `from` on that put a code on a converter which is not the safe one.
    pub fn unsafe_acts(&self, from: usize) -> Vec<(u64, Act)> {
        let is_safe = |act: &Act| match act {
            Act::Couplings(codes) => *codes == safe_couplings(),
            Act::Fields { codes, .. } => *codes == safe_fields(),
            Act::Safe { couplings, fields, inputs } => {
                *couplings == safe_couplings() && *fields == safe_fields() && *inputs == safe_inputs()
            }
            Act::Begin { .. } => false,
            _ => true,
        };
        self.log.borrow()[from..].iter().filter(|(_, act)| !is_safe(act)).cloned().collect()
    }

    /// Returns the moments at which the outputs were made safe.
    pub fn safe_moments(&self) -> Vec<u64> {
        let log = self.log.borrow();
        log.iter().filter(|(_, act)| matches!(act, Act::Safe { .. })).map(|(at, _)| *at).collect()
    }

    /// Returns the fields latched on a replica since entry `from`, in order.
    pub fn latched(&self, on: usize, from: usize) -> Vec<Vec<u16>> {
        let log = self.log.borrow();
        let of = |(_, act): &(u64, Act)| match act {
            Act::Fields { replica, codes } if *replica == on => Some(codes.clone()),
            _ => None,
        };
        log[from..].iter().filter_map(of).collect()
    }

    /// Counts entries of the record.
    pub fn count(&self, of: impl Fn(&Act) -> bool) -> u64 {
        self.log.borrow().iter().filter(|(_, act)| of(act)).count() as u64
    }

    /// Puts what was staged on the outputs; converters that were handed nothing keep their codes.
    pub(super) fn latch_couplings(&self) {
        let staged: Vec<_> = self.staged.borrow_mut().iter_mut().map(Option::take).collect();
        if staged.iter().any(Option::is_some) {
            let mut couplings = self.couplings.borrow_mut();
            for (code, staged) in couplings.iter_mut().zip(staged) {
                *code = staged.unwrap_or(*code);
            }
            self.note(Act::Couplings(couplings.clone()));
        }
    }

    pub(super) fn note(&self, act: Act) {
        self.log.borrow_mut().push((self.now_us.get(), act));
    }

    /// Fails if this call is to fail now.
    pub(super) fn check(&self, call: Call) -> Result<(), BoardError> {
        match self.fail.get() {
            Some((fails, 0, error)) if fails == call => {
                self.fail.set(None);
                Err(error)
            }
            Some((fails, left, error)) if fails == call => {
                self.fail.set(Some((fails, left - 1, error)));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
