//! Equilibrium Propagation on a device: which shots are run, what their equilibria say about the gradient, how
//! parameters follow it, and how the result is judged.
//!
//! | Module | What lives there |
//! |---|---|
//! | `problem` | what is to be learnt, by which array, under which settings; initial parameters |
//! | `trainer` | the loop, a step at a time; parameters in high resolution |
//! | `state` | everything a training is between two steps |
//! | [`plan`] | from settings to what a device runs |
//! | `orders`, [`shots`] | the shots of samples; running them, every equilibrium into the log before the device forgets it |
//! | `measurement` | what the shots of a step say; of which [`gradient`] is made of nudges, [`response`] by the model |
//! | [`optimiser`] | from a gradient to a step |
//! | [`mod@evaluate`] | judging committed codes from starts that training never saw |

mod error;
pub mod evaluate;
pub mod gradient;
mod measurement;
pub mod optimiser;
mod orders;
pub mod plan;
mod problem;
mod report;
pub mod response;
pub mod shots;
mod state;
mod trainer;

pub use error::TrainError;
pub use evaluate::{Evaluation, evaluate};
pub use problem::Problem;
pub use report::{EpochReport, Judged, Outcome, Settling};
pub use state::{Best, EpochSoFar, TrainerState};
pub use trainer::{StepReport, Trainer};
