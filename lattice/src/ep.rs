//! Equilibrium Propagation: the contrast between two equilibria and the gradients it gives (arXiv:2402.08579).
//!
//! For the energy's parameters θ: ∂L/∂θ ≈ (1/β) [∂E/∂θ (nudged) − ∂E/∂θ (free)], with ∂E/∂W_ij = −cos(φ_i − φ_j),
//! ∂E/∂b_x = −cos φ_i, ∂E/∂b_y = −sin φ_i. Symmetric nudging replaces free by the −β state and 1/β by 1/2β.

use crate::graph::Graph;
use crate::math;
use crate::parameters::Parameters;

/// How the pair of states of a contrast was nudged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Nudging {
    /// Nudged with β ≠ 0 against free; β may be negative.
    OneSided {
        /// Nudge strength.
        beta: f64,
    },
    /// Nudged with +β against nudged with −β.
    Symmetric {
        /// Nudge strength, the positive one.
        beta: f64,
    },
}

impl Nudging {
    /// What the contrast is divided by: β, or 2β.
    pub fn divisor(self) -> f64 {
        match self {
            Self::OneSided { beta } => beta,
            Self::Symmetric { beta } => 2.0 * beta,
        }
    }
}

/// Sums over samples of cos(φ_i − φ_j), cos φ_i and sin φ_i in the nudged minus the reference state.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrast {
    /// Σ cos(φ_i − φ_j)ⁿ − cos(φ_i − φ_j)ᶠ, one per coupling.
    pub couplings: Vec<f64>,
    /// Σ cos φ_iⁿ − cos φ_iᶠ, one per site.
    pub field_x: Vec<f64>,
    /// Σ sin φ_iⁿ − sin φ_iᶠ, one per site.
    pub field_y: Vec<f64>,
    /// Pairs of states added so far.
    pub samples: usize,
    /// (sin φ, cos φ) of both states of the pair being added.
    trigonometry: Vec<[(f64, f64); 2]>,
}

/// A gradient of the cost, in the layout of [`Parameters`].
pub type Gradient = Parameters;

impl Contrast {
    /// No samples yet.
    pub fn zeros(graph: &Graph) -> Self {
        let Parameters { couplings, field_x, field_y } = Parameters::zeros(graph);
        Self { couplings, field_x, field_y, samples: 0, trigonometry: vec![[(0.0, 0.0); 2]; graph.len()] }
    }

    /// Adds one pair of states, phases in radians of every site: nudged against free, or +β against −β.
    ///
    /// # Panics
    /// If the sizes are not the graph's.
    pub fn add(&mut self, graph: &Graph, nudged: &[f64], reference: &[f64]) {
        self.add_weighted(graph, nudged, reference, 1.0);
    }

    /// As [`add`](Self::add), with the pair's share of the sums scaled by `weight`; it counts as one sample all the same.
    ///
    /// # Panics
    /// If the sizes are not the graph's.
    pub fn add_weighted(&mut self, graph: &Graph, nudged: &[f64], reference: &[f64], weight: f64) {
        assert!(nudged.len() == graph.len() && reference.len() == graph.len(), "one phase per site");
        assert!(
            self.couplings.len() == graph.couplings().len() && self.field_x.len() == graph.len(),
            "the contrast belongs to another graph"
        );
        for (site, (&n, &f)) in nudged.iter().zip(reference).enumerate() {
            let ((sin_n, cos_n), (sin_f, cos_f)) = (math::sin_cos(n), math::sin_cos(f));
            self.field_x[site] += weight * (cos_n - cos_f);
            self.field_y[site] += weight * (sin_n - sin_f);
            self.trigonometry[site] = [(sin_n, cos_n), (sin_f, cos_f)];
        }
        for (sum, &(i, j)) in self.couplings.iter_mut().zip(graph.couplings()) {
            let ([ni, fi], [nj, fj]) = (self.trigonometry[i as usize], self.trigonometry[j as usize]);
            let cos_of = |a: (f64, f64), b: (f64, f64)| a.1 * b.1 + a.0 * b.0;
            *sum += weight * (cos_of(ni, nj) - cos_of(fi, fj));
        }
        self.samples += 1;
    }

    /// The gradient averaged over the samples, wrt W, b_x and b_y; zero if there are none.
    pub fn gradient(&self, nudging: Nudging) -> Gradient {
        let factor = if self.samples == 0 { 0.0 } else { -1.0 / (nudging.divisor() * self.samples as f64) };
        let scaled = |values: &[f64]| values.iter().map(|value| factor * value).collect();
        Gradient { couplings: scaled(&self.couplings), field_x: scaled(&self.field_x), field_y: scaled(&self.field_y) }
    }
}

/// The field gradient in amplitude and direction: ∂L/∂h and ∂L/∂ψ, one per site each, by the chain rule
/// ∂L/∂h = cos ψ ∂L/∂b_x + sin ψ ∂L/∂b_y, ∂L/∂ψ = h (cos ψ ∂L/∂b_y − sin ψ ∂L/∂b_x).
///
/// Equal to the published −(1/β)[cos(φ−ψ)ⁿ − cos(φ−ψ)ᶠ] and −(h/β)[sin(φ−ψ)ⁿ − sin(φ−ψ)ᶠ].
///
/// # Panics
/// If the slices differ in length.
pub fn polar_gradient(gradient: &Gradient, amplitude: &[f64], direction: &[f64]) -> (Vec<f64>, Vec<f64>) {
    assert!(
        amplitude.len() == gradient.field_x.len() && direction.len() == amplitude.len(),
        "one amplitude and one direction per site"
    );
    gradient
        .field_x
        .iter()
        .zip(&gradient.field_y)
        .zip(amplitude.iter().zip(direction))
        .map(|((&along_x, &along_y), (&h, &psi))| {
            let (sin, cos) = math::sin_cos(psi);
            (cos * along_x + sin * along_y, h * (cos * along_y - sin * along_x))
        })
        .unzip()
}
