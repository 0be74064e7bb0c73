//! A board that remembers every code that left it and plays phases by a rule a test can compute itself: a site
//! relaxes towards the direction of its field, shifted by its couplings and the inputs; input sites stand where they
//! are clamped.

use std::{
    cell::{Cell, RefCell},
    f64::consts::{PI, TAU},
    rc::Rc,
};

use xyloop_firmware::{Board, BoardError, Pace, ReadKey, SafeTable};
use xyloop_protocol::units::{AdcCode, DacCode, IqCode, ShotId, Turn};

pub const SITES: usize = 6;
pub const COUPLINGS: [(u16, u16); 6] = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)];
pub const INPUTS: [u16; 2] = [0, 5];
pub const OUTPUTS: [u16; 2] = [2, 4];
pub const COUPLING_BITS: u8 = 12;
pub const FIELD_BITS: u8 = 16;
/// Relaxation time of the scripted plant.
const TAU_US: f64 = 50.0;
/// Shift of a site per step of a coupling that ends there, and per radian of each input.
pub const PER_COUPLING_STEP: f64 = 1e-4;
pub const PER_INPUT: f64 = 0.2;

/// Something the Controller asked the board for.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Handed to the converters; on no output yet.
    Staged {
        first: usize,
        codes: Vec<u16>,
    },
    /// On the outputs.
    Couplings(Vec<u16>),
    Fields {
        replica: usize,
        codes: Vec<u16>,
    },
    Safe {
        couplings: Vec<u16>,
        fields: Vec<u16>,
        inputs: Vec<u16>,
    },
    Begin {
        replica: usize,
        shot: ShotId,
        inputs: Vec<u16>,
    },
    Start {
        replica: usize,
        segment: u8,
        duration_us: u32,
    },
    Read {
        replica: usize,
        key: ReadKey,
    },
    Recover,
}

/// Calls that can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    StageCouplings,
    LatchFields,
    BeginShot,
    Start,
    Poll,
    Read,
    Recover,
}

/// The clock, the record and the knobs, shared by a test and the board.
pub struct Bench {
    pub now_us: Cell<u64>,
    pub log: RefCell<Vec<(u64, Act)>>,
    /// Codes on the converters now: couplings, and fields per replica.
    pub couplings: RefCell<Vec<u16>>,
    pub fields: RefCell<Vec<Vec<u16>>>,
    /// Coupling codes that come into force with the next latch, as far as they were staged.
    staged: RefCell<Vec<Option<u16>>>,
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
    due_us: RefCell<Vec<Option<u64>>>,
}

impl Bench {
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

    /// What the board says from now on that it can do between two looks at the link.
    pub fn set_pace(&self, pace: Pace) {
        self.pace.set(pace);
        self.most_work.set((0, 0));
    }

    /// What it says now.
    pub fn pace(&self) -> Pace {
        self.pace.get()
    }

    /// The Controller is polled: what it asks for from now on is of one go.
    pub fn begin_poll(&self) {
        *self.work.borrow_mut() = (0, vec![0; self.slowness.len()]);
    }

    /// The most codes that were staged in a poll, and the most reads of a replica, since the pace was set.
    pub fn most_work(&self) -> (usize, u8) {
        self.most_work.get()
    }

    fn note_work(&self, codes: usize, reads: Option<usize>) {
        let mut work = self.work.borrow_mut();
        work.0 += codes;
        if let Some(replica) = reads {
            work.1[replica] += 1;
        }
        let (most_codes, most_reads) = self.most_work.get();
        let reads = work.1.iter().copied().max().unwrap_or(0);
        self.most_work.set((most_codes.max(work.0), most_reads.max(reads)));
    }

    /// When the board has something to tell.
    pub fn next_due_us(&self) -> Option<u64> {
        self.due_us.borrow().iter().flatten().min().copied()
    }

    /// Whether every output carries its safe code.
    pub fn is_safe(&self) -> bool {
        *self.couplings.borrow() == safe_couplings()
            && self.fields.borrow().iter().all(|fields| *fields == safe_fields())
    }

    /// Entries of the record from `from` on that put a code on a converter which is not the safe one.
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

    /// Moments at which the outputs were made safe.
    pub fn safe_moments(&self) -> Vec<u64> {
        let log = self.log.borrow();
        log.iter().filter(|(_, act)| matches!(act, Act::Safe { .. })).map(|(at, _)| *at).collect()
    }

    /// Fields latched on a replica since entry `from`, in order.
    pub fn latched(&self, on: usize, from: usize) -> Vec<Vec<u16>> {
        let log = self.log.borrow();
        let of = |(_, act): &(u64, Act)| match act {
            Act::Fields { replica, codes } if *replica == on => Some(codes.clone()),
            _ => None,
        };
        log[from..].iter().filter_map(of).collect()
    }

    pub fn count(&self, of: impl Fn(&Act) -> bool) -> u64 {
        self.log.borrow().iter().filter(|(_, act)| of(act)).count() as u64
    }

    /// Converters that were handed nothing keep their codes.
    fn latch_couplings(&self) {
        let staged: Vec<_> = self.staged.borrow_mut().iter_mut().map(Option::take).collect();
        if staged.iter().any(Option::is_some) {
            let mut couplings = self.couplings.borrow_mut();
            for (code, staged) in couplings.iter_mut().zip(staged) {
                *code = staged.unwrap_or(*code);
            }
            self.note(Act::Couplings(couplings.clone()));
        }
    }

    fn note(&self, act: Act) {
        self.log.borrow_mut().push((self.now_us.get(), act));
    }

    fn check(&self, call: Call) -> Result<(), BoardError> {
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

/// The safe table: every code another one, none at zero output.
pub fn safe_couplings() -> Vec<u16> {
    (0..COUPLINGS.len() as u16).map(|i| 11 + i).collect()
}

pub fn safe_fields() -> Vec<u16> {
    (0..2 * SITES as u16).map(|i| 501 + i).collect()
}

pub fn safe_inputs() -> Vec<u16> {
    (0..INPUTS.len() as u16).map(|i| 901 + i).collect()
}

#[derive(Clone, Default)]
struct Plant {
    phases: [f64; SITES],
    inputs: [f64; 2],
    shot: ShotId,
    segment: u8,
    nudged: bool,
    in_segment_us: u32,
    duration_us: u32,
}

pub struct ScriptedBoard {
    bench: Rc<Bench>,
    plants: Vec<Plant>,
}

impl ScriptedBoard {
    pub fn new(bench: Rc<Bench>) -> Self {
        let plants = vec![Plant::default(); bench.slowness.len()];
        Self { bench, plants }
    }

    /// Where a site comes to rest.
    fn rest(&self, replica: usize, site: usize) -> f64 {
        let (plant, fields) = (&self.plants[replica], &self.bench.fields.borrow()[replica]);
        if let Some(input) = INPUTS.iter().position(|at| usize::from(*at) == site) {
            return plant.inputs[input];
        }
        let steps = |code: u16| f64::from(DacCode(code).steps(FIELD_BITS));
        let mut phase = steps(fields[2 * site + 1]).atan2(steps(fields[2 * site]));
        for ((a, b), code) in COUPLINGS.iter().zip(self.bench.couplings.borrow().iter()) {
            if [usize::from(*a), usize::from(*b)].contains(&site) {
                phase += PER_COUPLING_STEP * f64::from(DacCode(*code).steps(COUPLING_BITS));
            }
        }
        phase += PER_INPUT * plant.inputs.iter().sum::<f64>();
        if plant.nudged && site == usize::from(OUTPUTS[0]) && (self.bench.hysteresis.get())(plant.shot) {
            phase += 0.2;
        }
        phase
    }

    fn evolve(&mut self, replica: usize) {
        for site in 0..SITES {
            let rest = self.rest(replica, site);
            let plant = &mut self.plants[replica];
            let away = wrap(plant.phases[site] - rest) * (-f64::from(plant.duration_us) / TAU_US).exp();
            plant.phases[site] = rest + if away.abs() < 1e-6 { 0.0 } else { away };
        }
        let plant = &mut self.plants[replica];
        plant.in_segment_us += plant.duration_us;
    }
}

/// Into (−π, π].
pub fn wrap(angle: f64) -> f64 {
    PI - (PI - angle).rem_euclid(TAU)
}

fn raw(codes: &[DacCode]) -> Vec<u16> {
    codes.iter().map(|code| code.0).collect()
}

impl Board for ScriptedBoard {
    fn replicas(&self) -> usize {
        self.plants.len()
    }

    fn pace(&self) -> Pace {
        self.bench.pace()
    }

    fn stage_couplings(&mut self, first: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.bench.check(Call::StageCouplings)?;
        self.bench.note(Act::Staged { first, codes: raw(codes) });
        self.bench.note_work(codes.len(), None);
        for (place, code) in self.bench.staged.borrow_mut()[first..first + codes.len()].iter_mut().zip(codes) {
            *place = Some(code.0);
        }
        Ok(())
    }

    fn latch_fields(&mut self, replica: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.bench.check(Call::LatchFields)?;
        self.bench.latch_couplings();
        self.bench.note(Act::Fields { replica, codes: raw(codes) });
        self.bench.fields.borrow_mut()[replica] = raw(codes);
        Ok(())
    }

    fn begin_shot(&mut self, replica: usize, shot: ShotId, inputs: &[Turn]) -> Result<(), BoardError> {
        self.bench.check(Call::BeginShot)?;
        self.bench.note(Act::Begin { replica, shot, inputs: inputs.iter().map(|turn| turn.0).collect() });
        let plant = &mut self.plants[replica];
        (plant.shot, plant.nudged, plant.in_segment_us) = (shot, false, 0);
        for (place, turn) in plant.inputs.iter_mut().zip(inputs) {
            *place = f64::from(turn.0 as i16) / 65536.0 * TAU;
        }
        Ok(())
    }

    fn start(&mut self, replica: usize, segment: u8, duration_us: u32) -> Result<(), BoardError> {
        self.bench.check(Call::Start)?;
        self.bench.note(Act::Start { replica, segment, duration_us });
        let plant = &mut self.plants[replica];
        if plant.segment != segment {
            plant.in_segment_us = 0;
        }
        // By the plans of these tests, every segment behind the free phase follows a nudge.
        plant.nudged |= segment >= 2;
        (plant.segment, plant.duration_us) = (segment, duration_us);
        let due = self.bench.now_us.get() + u64::from(duration_us) * self.bench.slowness[replica];
        self.bench.due_us.borrow_mut()[replica] = Some(due);
        Ok(())
    }

    fn poll(&mut self, now_us: u64) -> Result<(), BoardError> {
        assert_eq!(now_us, self.bench.now_us.get(), "one clock");
        self.bench.check(Call::Poll)
    }

    fn ready(&mut self, replica: usize) -> Option<u32> {
        let now = self.bench.now_us.get();
        self.bench.due_us.borrow_mut()[replica].take_if(|due| *due <= now)?;
        self.evolve(replica);
        Some(self.plants[replica].duration_us)
    }

    fn read(&mut self, replica: usize, key: ReadKey, codes: &mut [IqCode]) -> Result<(), BoardError> {
        self.bench.check(Call::Read)?;
        self.bench.note(Act::Read { replica, key });
        self.bench.note_work(0, Some(replica));
        let plant = &self.plants[replica];
        for (site, code) in codes.iter_mut().enumerate() {
            let mut phase = plant.phases[site];
            if let Some((_, rate, until_us)) = self.bench.drift.get().filter(|(moving, ..)| *moving == site) {
                phase += rate * f64::from(plant.in_segment_us.min(until_us));
            }
            let full = 32768.0 * self.bench.amplitude.get();
            let dither = self.bench.dither.get() * i32::from(key.read % 8);
            let code_of = |x: f64, add: i32| {
                AdcCode(((x * full).round() as i32 + add).clamp(i16::MIN.into(), i16::MAX.into()) as i16)
            };
            *code = IqCode { i: code_of(phase.cos(), dither), q: code_of(phase.sin(), 0) };
        }
        Ok(())
    }

    fn make_safe(&mut self, safe: &SafeTable<'_>) {
        let inputs = safe.inputs.iter().map(|turn| turn.0).collect();
        self.bench.note(Act::Safe { couplings: raw(safe.couplings), fields: raw(safe.fields), inputs });
        *self.bench.couplings.borrow_mut() = raw(safe.couplings);
        self.bench.staged.borrow_mut().fill(None);
        self.bench.fields.borrow_mut().fill(raw(safe.fields));
        self.bench.due_us.borrow_mut().fill(None);
    }

    fn recover(&mut self, safe: &SafeTable<'_>) -> Result<(), BoardError> {
        self.bench.check(Call::Recover)?;
        self.bench.note(Act::Recover);
        self.make_safe(safe);
        Ok(())
    }
}
