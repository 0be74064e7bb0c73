//! What is trained: couplings and bias fields, in Cartesian form, with conversion to and from amplitude and direction.

use crate::graph::Graph;
use crate::math;

/// Couplings W and bias fields b = h (cos ψ, sin ψ), in the model's energy unit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters {
    /// W, one per entry of [`Graph::couplings`].
    pub couplings: Vec<f64>,
    /// b_x = h cos ψ, one per site.
    pub field_x: Vec<f64>,
    /// b_y = h sin ψ, one per site.
    pub field_y: Vec<f64>,
}

impl Parameters {
    /// All zero, in the sizes of a graph.
    pub fn zeros(graph: &Graph) -> Self {
        let fields = vec![0.0; graph.len()];
        Self { couplings: vec![0.0; graph.couplings().len()], field_x: fields.clone(), field_y: fields }
    }

    /// From amplitudes h ≥ 0 and directions ψ (radians), one per site each.
    ///
    /// # Panics
    /// If the two slices differ in length.
    pub fn from_polar(couplings: Vec<f64>, amplitude: &[f64], direction: &[f64]) -> Self {
        assert_eq!(amplitude.len(), direction.len(), "one amplitude and one direction per site");
        let (field_x, field_y) = amplitude
            .iter()
            .zip(direction)
            .map(|(&h, &psi)| {
                let (sin, cos) = math::sin_cos(psi);
                (h * cos, h * sin)
            })
            .unzip();
        Self { couplings, field_x, field_y }
    }

    /// Amplitudes h ≥ 0 and directions ψ ∈ (−π, π] (0 where h = 0), one per site each.
    pub fn polar(&self) -> (Vec<f64>, Vec<f64>) {
        self.field_x.iter().zip(&self.field_y).map(|(&x, &y)| ((x * x + y * y).sqrt(), math::atan2(y, x))).unzip()
    }

    /// Whether the sizes are those of the graph.
    pub fn fits(&self, graph: &Graph) -> bool {
        self.couplings.len() == graph.couplings().len()
            && self.field_x.len() == graph.len()
            && self.field_y.len() == graph.len()
    }
}
