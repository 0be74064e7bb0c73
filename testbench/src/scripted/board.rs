//! A board that remembers every code that left it and plays phases by a rule a test can compute itself: a site
//! relaxes towards the direction of its field, shifted by its couplings and the inputs; input sites stand where they
//! are clamped.

use std::{
    f64::consts::{PI, TAU},
    rc::Rc,
};

use xyloop_firmware::{Board, BoardError, Pace, ReadKey, SafeTable};
use xyloop_protocol::units::{AdcCode, DacCode, IqCode, ShotId, Turn};

use super::{
    script::{Act, BoardScript, Call},
    wiring::{COUPLING_BITS, COUPLINGS, FIELD_BITS, INPUTS, OUTPUTS, SITES},
};

/// Relaxation time of the scripted plant.
const TAU_US: f64 = 50.0;
/// Shift of a site per step of a coupling that ends there, radians.
pub const PER_COUPLING_STEP: f64 = 1e-4;
/// Shift of a site per radian of each input.
pub const PER_INPUT: f64 = 0.2;

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

/// The board. Whoever holds its [`BoardScript`] sees and decides what happens on it.
pub struct ScriptedBoard {
    script: Rc<BoardScript>,
    plants: Vec<Plant>,
}

impl ScriptedBoard {
    /// Makes a board that does as this script says.
    pub fn new(script: Rc<BoardScript>) -> Self {
        let plants = vec![Plant::default(); script.slowness.len()];
        Self { script, plants }
    }

    /// Returns where a site comes to rest.
    fn rest(&self, replica: usize, site: usize) -> f64 {
        let (plant, fields) = (&self.plants[replica], &self.script.fields.borrow()[replica]);
        if let Some(input) = INPUTS.iter().position(|at| usize::from(*at) == site) {
            return plant.inputs[input];
        }
        let steps = |code: u16| f64::from(DacCode(code).steps(FIELD_BITS));
        let mut phase = steps(fields[2 * site + 1]).atan2(steps(fields[2 * site]));
        for ((a, b), code) in COUPLINGS.iter().zip(self.script.couplings.borrow().iter()) {
            if [usize::from(*a), usize::from(*b)].contains(&site) {
                phase += PER_COUPLING_STEP * f64::from(DacCode(*code).steps(COUPLING_BITS));
            }
        }
        phase += PER_INPUT * plant.inputs.iter().sum::<f64>();
        if plant.nudged && site == usize::from(OUTPUTS[0]) && (self.script.hysteresis.get())(plant.shot) {
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

/// Brings an angle into (−π, π].
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
        self.script.pace()
    }

    fn stage_couplings(&mut self, first: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.script.check(Call::StageCouplings)?;
        self.script.note(Act::Staged { first, codes: raw(codes) });
        self.script.note_work(codes.len(), None);
        for (place, code) in self.script.staged.borrow_mut()[first..first + codes.len()].iter_mut().zip(codes) {
            *place = Some(code.0);
        }
        Ok(())
    }

    fn latch_fields(&mut self, replica: usize, codes: &[DacCode]) -> Result<(), BoardError> {
        self.script.check(Call::LatchFields)?;
        self.script.latch_couplings();
        self.script.note(Act::Fields { replica, codes: raw(codes) });
        self.script.fields.borrow_mut()[replica] = raw(codes);
        Ok(())
    }

    fn begin_shot(&mut self, replica: usize, shot: ShotId, inputs: &[Turn]) -> Result<(), BoardError> {
        self.script.check(Call::BeginShot)?;
        self.script.note(Act::Begin { replica, shot, inputs: inputs.iter().map(|turn| turn.0).collect() });
        let plant = &mut self.plants[replica];
        (plant.shot, plant.nudged, plant.in_segment_us) = (shot, false, 0);
        for (place, turn) in plant.inputs.iter_mut().zip(inputs) {
            *place = f64::from(turn.0 as i16) / 65536.0 * TAU;
        }
        Ok(())
    }

    fn start(&mut self, replica: usize, segment: u8, duration_us: u32) -> Result<(), BoardError> {
        self.script.check(Call::Start)?;
        self.script.note(Act::Start { replica, segment, duration_us });
        let plant = &mut self.plants[replica];
        if plant.segment != segment {
            plant.in_segment_us = 0;
        }
        // By the plans of these tests, every segment behind the free phase follows a nudge.
        plant.nudged |= segment >= 2;
        (plant.segment, plant.duration_us) = (segment, duration_us);
        let due = self.script.now_us.get() + u64::from(duration_us) * self.script.slowness[replica];
        self.script.due_us.borrow_mut()[replica] = Some(due);
        Ok(())
    }

    fn poll(&mut self, now_us: u64) -> Result<(), BoardError> {
        assert_eq!(now_us, self.script.now_us.get(), "one clock");
        self.script.check(Call::Poll)
    }

    fn ready(&mut self, replica: usize) -> Option<u32> {
        let now = self.script.now_us.get();
        self.script.due_us.borrow_mut()[replica].take_if(|due| *due <= now)?;
        self.evolve(replica);
        Some(self.plants[replica].duration_us)
    }

    fn read(&mut self, replica: usize, key: ReadKey, codes: &mut [IqCode]) -> Result<(), BoardError> {
        self.script.check(Call::Read)?;
        self.script.note(Act::Read { replica, key });
        self.script.note_work(0, Some(replica));
        let plant = &self.plants[replica];
        for (site, code) in codes.iter_mut().enumerate() {
            let mut phase = plant.phases[site];
            if let Some((_, rate, until_us)) = self.script.drift.get().filter(|(moving, ..)| *moving == site) {
                phase += rate * f64::from(plant.in_segment_us.min(until_us));
            }
            let full = 32768.0 * self.script.amplitude.get();
            let dither = self.script.dither.get() * i32::from(key.read % 8);
            let code_of = |x: f64, add: i32| {
                AdcCode(((x * full).round() as i32 + add).clamp(i16::MIN.into(), i16::MAX.into()) as i16)
            };
            *code = IqCode { i: code_of(phase.cos(), dither), q: code_of(phase.sin(), 0) };
        }
        Ok(())
    }

    fn make_safe(&mut self, safe: &SafeTable<'_>) {
        let inputs = safe.inputs.iter().map(|turn| turn.0).collect();
        self.script.note(Act::Safe { couplings: raw(safe.couplings), fields: raw(safe.fields), inputs });
        *self.script.couplings.borrow_mut() = raw(safe.couplings);
        self.script.staged.borrow_mut().fill(None);
        self.script.fields.borrow_mut().fill(raw(safe.fields));
        self.script.due_us.borrow_mut().fill(None);
    }

    fn recover(&mut self, safe: &SafeTable<'_>) -> Result<(), BoardError> {
        self.script.check(Call::Recover)?;
        self.script.note(Act::Recover);
        self.make_safe(safe);
        Ok(())
    }
}
