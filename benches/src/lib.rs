//! What is measured and how: fixed workloads, an Equilibrium-Propagation step on them, and the files through which another
//! program is given exactly the same numbers.
//!
//! | Module | What lives there |
//! |---|---|
//! | [`workload`] | the workloads, drawn from fixed seeds |
//! | [`ours`] | one EP step over a batch with this project's solvers |
//! | [`npy`] | arrays as numpy reads and writes them |
//! | [`clock`] | wall and processor time, peak memory |
//!
//! `src/bin/side.rs` answers the Python script that times both programs in turns, `src/bin/size.rs` prints cost against
//! size; `benches/` holds the divan benches, `peer/` the authors' stack.
#![deny(missing_docs)]
#![forbid(unsafe_code)]
// Formulas in the documentation (φ_i, W_ij) are not identifiers.
#![allow(clippy::doc_markdown)]

pub mod clock;
pub mod npy;
pub mod ours;
pub mod workload;
