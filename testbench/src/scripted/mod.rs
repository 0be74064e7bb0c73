//! A device whose answers a test can compute itself: a Controller over a board of six sites that follows a script, and the
//! host that drives it.
//!
//! [`ScriptedRig`] is all of it on one clock. [`BoardScript`] holds what left the board and the knobs, [`ScriptedBoard`] is
//! the board, [`plan`] and [`order`] are the usual things to ask for.

mod board;
mod device;
mod script;
mod task;
mod wiring;

pub use board::{PER_COUPLING_STEP, PER_INPUT, ScriptedBoard, wrap};
pub use device::{Boot, ScriptedDevice, ScriptedMemory, ScriptedRig};
pub use script::{Act, BoardScript, Call};
pub use task::{BETA_Q8, DEADMAN_US, RESULT_BYTES, SETTLE, SHOT_US, SLOTS, inputs_of, order, plan, targets_of};
pub use wiring::{
    CONVERTERS, COUPLING_BITS, COUPLINGS, FIELD_BITS, INPUTS, OUTPUTS, SITES, WIRING, safe_couplings, safe_fields,
    safe_inputs,
};
