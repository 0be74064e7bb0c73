//! The workloads: geometry, parameters, samples and starts, every number drawn from a fixed seed.
//!
//! A workload is a sequence of steps. Step k has the parameters of step k − 1 moved by Gaussian noise of standard deviation
//! [`MOVE`] per parameter, which is what a training step does to them. A *cold* step starts all free sites at fresh uniform
//! phases, a *warm* one at the same sample's equilibrium of the step before.

use std::f64::consts::{FRAC_PI_2, PI};
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use xyloop_lattice::geometry::{Below, Padding, Plane, coupling_std};
use xyloop_lattice::{Geometry, Graph, GraphError, Parameters, Preset, math};

use crate::npy;

/// Nudge strength β of the log cost, frozen at the free state; symmetric, so that a contrast is divided by 2β.
pub const BETA: f64 = 0.03;
/// Least 1 + cos Δ in the frozen amplitude.
pub const CLIP: f64 = 0.1;
/// Standard deviation of a parameter's change from one step to the next.
pub const MOVE: f64 = 0.003;
/// Standard deviation of each quadrature of the bias fields.
pub const FIELD_STD: f64 = 0.3;

/// The names [`Workload::named`] knows besides sizes.
pub const NAMES: [&str; 4] = ["xor-4nsq", "xor-sq", "iris", "mnist"];

/// One workload.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Short name, also the name of its seed.
    pub name: String,
    /// Sites, couplings, inputs and outputs.
    pub graph: Graph,
    /// Number of samples.
    pub batch: usize,
    /// Clamped phases, radians: one per sample and input.
    pub clamps: Vec<f64>,
    /// Target phases, radians: one per sample and output.
    pub targets: Vec<f64>,
    coupling_std: Vec<f64>,
    seed: u64,
}

/// Which numbers a generator draws: their streams never meet.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Initial = 1,
    Move = 2,
    Start = 3,
    Input = 4,
    Label = 5,
}

/// A name that is no workload's.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// Not one of [`NAMES`] and not a size.
    #[error(
        "no workload `{name}`: use xor-4nsq, xor-sq, iris, mnist, or a size such as sq-64x64-b8 (preset, rows, columns, batch)"
    )]
    Unknown {
        /// The name given.
        name: String,
    },
    /// The size makes no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl Workload {
    /// A workload by name: one of [`NAMES`], or `PRESET-ROWSxCOLUMNS-bBATCH`.
    ///
    /// # Errors
    /// If there is none of that name, or its size is too large.
    pub fn named(name: &str) -> Result<Self, WorkloadError> {
        match name {
            "xor-4nsq" => Self::xor(name, Preset::UpToFourthShell, 0.072),
            "xor-sq" => Self::xor(name, Preset::Square, 0.145),
            "iris" => Self::iris(),
            "mnist" => Self::mnist(),
            _ => {
                let unknown = || WorkloadError::Unknown { name: name.to_owned() };
                let (preset, size, batch) = parse_size(name).ok_or_else(unknown)?;
                Self::lattice(preset, size, batch)
            }
        }
    }

    /// XOR on 15 × 15, terminals two hops apart, with the recipe's coupling scale.
    fn xor(name: &str, preset: Preset, std: f64) -> Result<Self, WorkloadError> {
        let graph =
            Graph::new(&Geometry::preset(preset, 15, 15))?.with_terminals(&[7 * 15 + 5, 7 * 15 + 9], &[7 * 15 + 7])?;
        let bits = [-FRAC_PI_2, FRAC_PI_2];
        let rows = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let mut workload = Self::new(name, graph, 4);
        workload.coupling_std.fill(std);
        workload.clamps = rows.iter().flat_map(|&(a, b)| [bits[a], bits[b]]).collect();
        workload.targets = rows.iter().map(|&(a, b)| bits[a ^ b]).collect();
        Ok(workload)
    }

    /// A lattice of Iris' terminals, 20 columns deep, with the authors' coupling scale and uniform features.
    fn iris() -> Result<Self, WorkloadError> {
        let geometry = Geometry::preset(Preset::UpToFourthShell, 7, 20);
        let graph = Graph::new(&geometry)?.with_terminals(&[0, 40, 80, 120], &[39, 79, 119])?;
        let mut workload = Self::new("iris", graph, 150);
        workload.coupling_std = coupling_std(&geometry).map_err(GraphError::from)?;
        workload.clamps = uniform(&mut workload.rng(Stream::Input, 0), FRAC_PI_2, 150 * 4);
        workload.draw_labels();
        Ok(workload)
    }

    /// Images of 28 × 28, a hidden plane of the same size with window 5 and nearest neighbours, ten dense outputs.
    fn mnist() -> Result<Self, WorkloadError> {
        let hidden = Plane {
            rows: 28,
            columns: 28,
            below: Below::Window { size: 5, stride: 1, padding: Padding::Same },
            inside: Preset::Square.offsets(),
        };
        let output = Plane { rows: 1, columns: 10, below: Below::Dense, inside: Vec::new() };
        let geometry = Geometry::LocallyConnected { input: [28, 28], planes: vec![hidden, output] };
        let mut workload = Self::new("mnist", Graph::new(&geometry)?, 100);
        workload.coupling_std = coupling_std(&geometry).map_err(GraphError::from)?;
        workload.clamps = (0..100).flat_map(|sample| smooth_image(&mut workload.rng(Stream::Input, sample))).collect();
        workload.draw_labels();
        Ok(workload)
    }

    /// A lattice of any size: two inputs and an output between them in the middle row, random bits, couplings as strong
    /// as in the XOR recipe.
    fn lattice(preset: Preset, [rows, columns]: [usize; 2], batch: usize) -> Result<Self, WorkloadError> {
        let middle = |column: usize| (rows / 2 * columns + column) as u32;
        let graph = Graph::new(&Geometry::preset(preset, rows, columns))?
            .with_terminals(&[middle(columns / 2 - 2), middle(columns / 2 + 2)], &[middle(columns / 2)])?;
        let mut workload = Self::new(&format!("{preset}-{rows}x{columns}-b{batch}"), graph, batch);
        // The degree sets the scale: 0.072 on 20 neighbours, 0.145 on 4.
        let degree = 2.0 * preset.offsets().len() as f64;
        workload.coupling_std.fill(if preset == Preset::Square { 0.145 } else { 0.072 * (20.0 / degree).sqrt() });
        let mut rng = workload.rng(Stream::Input, 0);
        let mut bits = |count: usize| -> Vec<f64> {
            (0..count).map(|_| if rng.random::<bool>() { FRAC_PI_2 } else { -FRAC_PI_2 }).collect()
        };
        workload.clamps = bits(2 * batch);
        workload.targets = bits(batch);
        Ok(workload)
    }

    fn new(name: &str, graph: Graph, batch: usize) -> Self {
        // FNV-1a: a seed per name that does not change with the library.
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let coupling_std = vec![0.0; graph.couplings().len()];
        Self { name: name.to_owned(), graph, batch, clamps: Vec::new(), targets: Vec::new(), coupling_std, seed }
    }

    /// One-hot targets of a random class per sample.
    fn draw_labels(&mut self) {
        let (mut rng, outputs) = (self.rng(Stream::Label, 0), self.graph.outputs().len());
        self.targets = (0..self.batch)
            .flat_map(|_| {
                let class = rng.random_range(0..outputs);
                (0..outputs).map(move |output| if output == class { FRAC_PI_2 } else { -FRAC_PI_2 })
            })
            .collect();
    }

    /// A generator for one stream and index of this workload.
    fn rng(&self, stream: Stream, index: u64) -> ChaCha8Rng {
        let mut seed = [0; 32];
        for (slot, value) in seed.chunks_exact_mut(8).zip([self.seed, stream as u64, index, 0]) {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        ChaCha8Rng::from_seed(seed)
    }

    /// Couplings and fields of a step.
    pub fn parameters(&self, step: usize) -> Parameters {
        let draw = |stream, index: u64, coupling: &dyn Fn(usize) -> f64, field: f64| {
            let mut rng = self.rng(stream, index);
            let mut normal = |std: f64| std * Distribution::<f64>::sample(&StandardNormal, &mut rng);
            Parameters {
                couplings: (0..self.coupling_std.len()).map(|k| normal(coupling(k))).collect(),
                field_x: (0..self.graph.len()).map(|_| normal(field)).collect(),
                field_y: (0..self.graph.len()).map(|_| normal(field)).collect(),
            }
        };
        let mut parameters = draw(Stream::Initial, 0, &|k| self.coupling_std[k], FIELD_STD);
        for index in 1..=step as u64 {
            let change = draw(Stream::Move, index, &|_| MOVE, MOVE);
            let add = |to: &mut [f64], by: &[f64]| to.iter_mut().zip(by).for_each(|(to, by)| *to += by);
            add(&mut parameters.couplings, &change.couplings);
            add(&mut parameters.field_x, &change.field_x);
            add(&mut parameters.field_y, &change.field_y);
        }
        parameters
    }

    /// Fresh uniform phases of a step, radians: one per sample and site, those of the inputs clamped.
    pub fn starts(&self, step: usize) -> Vec<f64> {
        let mut phases = uniform(&mut self.rng(Stream::Start, step as u64), PI, self.batch * self.graph.len());
        for (sample, state) in phases.chunks_exact_mut(self.graph.len()).enumerate() {
            for (&site, &clamp) in self.graph.inputs().iter().zip(self.clamps_of(sample)) {
                state[site as usize] = clamp;
            }
        }
        phases
    }

    /// The clamped phases of one sample.
    pub fn clamps_of(&self, sample: usize) -> &[f64] {
        let inputs = self.graph.inputs().len();
        &self.clamps[sample * inputs..(sample + 1) * inputs]
    }

    /// The target phases of one sample.
    pub fn targets_of(&self, sample: usize) -> &[f64] {
        let outputs = self.graph.outputs().len();
        &self.targets[sample * outputs..(sample + 1) * outputs]
    }

    /// Writes what another program needs for the steps 0 to `steps` − 1 into an existing folder: `workload.json`,
    /// and as `.npy` `edges` \[couplings, 2\], `inputs`, `outputs`, `clamps` and `targets` \[batch, …\], `couplings`,
    /// `field_x` and `field_y` \[steps, …\], `starts` \[steps, batch, sites\].
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path, steps: usize) -> std::io::Result<()> {
        let at = |name: &str| folder.join(format!("{name}.npy"));
        let (graph, sites) = (&self.graph, self.graph.len());
        let edges: Vec<u32> = graph.couplings().iter().flat_map(|&(i, j)| [i, j]).collect();
        npy::write(&at("edges"), &[edges.len() / 2, 2], &edges)?;
        npy::write(&at("inputs"), &[graph.inputs().len()], graph.inputs())?;
        npy::write(&at("outputs"), &[graph.outputs().len()], graph.outputs())?;
        npy::write(&at("clamps"), &[self.batch, graph.inputs().len()], &self.clamps)?;
        npy::write(&at("targets"), &[self.batch, graph.outputs().len()], &self.targets)?;
        let parameters: Vec<Parameters> = (0..steps).map(|step| self.parameters(step)).collect();
        let all = |of: fn(&Parameters) -> &Vec<f64>| parameters.iter().flat_map(|p| of(p).iter().copied()).collect();
        let (couplings, x, y): (Vec<f64>, Vec<f64>, Vec<f64>) =
            (all(|p| &p.couplings), all(|p| &p.field_x), all(|p| &p.field_y));
        npy::write(&at("couplings"), &[steps, edges.len() / 2], &couplings)?;
        npy::write(&at("field_x"), &[steps, sites], &x)?;
        npy::write(&at("field_y"), &[steps, sites], &y)?;
        let starts: Vec<f64> = (0..steps).flat_map(|step| self.starts(step)).collect();
        npy::write(&at("starts"), &[steps, self.batch, sites], &starts)?;
        let about = serde_json::json!({
            "name": self.name, "batch": self.batch, "sites": sites, "couplings": edges.len() / 2,
            "beta": BETA, "clip": CLIP, "steps": steps,
        });
        std::fs::write(folder.join("workload.json"), format!("{about:#}\n"))
    }
}

fn uniform(rng: &mut ChaCha8Rng, half_width: f64, count: usize) -> Vec<f64> {
    (0..count).map(|_| rng.random_range(-half_width..half_width)).collect()
}

/// 28 × 28 phases in \[−π/2, π/2\]: a sum of six plane waves of at most two periods, scaled to its largest value.
fn smooth_image(rng: &mut ChaCha8Rng) -> Vec<f64> {
    let waves: [[f64; 3]; 6] =
        std::array::from_fn(|_| [rng.random_range(-2.0..2.0), rng.random_range(-2.0..2.0), rng.random_range(-PI..PI)]);
    let value = |row: usize, column: usize| -> f64 {
        waves
            .iter()
            .map(|[a, b, shift]| math::sin(2.0 * PI / 28.0 * (a * row as f64 + b * column as f64) + shift))
            .sum()
    };
    let image: Vec<f64> =
        (0..28).flat_map(|row| (0..28).map(move |column| (row, column))).map(|(r, c)| value(r, c)).collect();
    let largest = image.iter().fold(f64::MIN_POSITIVE, |largest, value| value.abs().max(largest));
    image.into_iter().map(|value| FRAC_PI_2 * (value / largest)).collect()
}

/// `4nsq-64x64-b8`. At least five columns, for the terminals.
fn parse_size(name: &str) -> Option<(Preset, [usize; 2], usize)> {
    let mut parts = name.split('-');
    let (preset, size, batch) = (parts.next()?, parts.next()?, parts.next()?);
    let (rows, columns) = size.split_once('x')?;
    let (rows, columns): (usize, usize) = (rows.parse().ok()?, columns.parse().ok()?);
    let batch = batch.strip_prefix('b')?.parse().ok()?;
    (parts.next().is_none() && rows > 0 && columns >= 5 && batch > 0).then_some(())?;
    Some((preset.parse().ok()?, [rows, columns], batch))
}
