//! Sums over lanes that gradients are made of: contrasts of cosines, and linear responses times sines. One number per
//! coupling and two per free site, added up in a fixed order.
#![allow(clippy::inline_always)]

use super::ensemble::Ensemble;
use super::isa::Kernel;
use super::lanes::{LANES, Lanes, SinCos};
use super::network::Network;
use super::response::Response;
use super::vector::{Vector, sin_cos};
use crate::ep::Gradient;

/// Sums per coupling and per free site.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    couplings: Vec<f64>,
    /// x and y of each free site.
    fields: Vec<[f64; 2]>,
    /// Free sites, then clamped ones.
    phasors: Vec<SinCos>,
    response: Vec<Lanes>,
}

impl Sums {
    pub(crate) fn new(network: &Network) -> Self {
        let ends = network.free.len() + network.clamped.len();
        Self {
            couplings: vec![0.0; network.ends.len()],
            fields: vec![[0.0; 2]; network.free.len()],
            phasors: vec![SinCos::ZERO; ends],
            response: vec![Lanes::ZERO; ends],
        }
    }

    pub(crate) fn clear(&mut self) {
        self.couplings.fill(0.0);
        self.fields.fill([0.0; 2]);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, x) in self.couplings.iter_mut().zip(&other.couplings) {
            *sum += x;
        }
        for (sum, x) in self.fields.iter_mut().zip(&other.fields) {
            *sum = [sum[0] + x[0], sum[1] + x[1]];
        }
    }

    /// Adds weight × (cos(φ_i − φ_j), cos φ_i, sin φ_i) of every lane at a state. A weight of 0 leaves a lane out, NaN or
    /// not.
    pub(crate) fn add_cosines(&mut self, block: &Ensemble, network: &Network, state: &[Lanes], weights: Lanes) {
        self.take(block, state, weights);
        let Self { couplings, fields, phasors, .. } = self;
        block.isa.run(Cosines { ends: &network.ends, phasors, weights, couplings, fields });
    }

    /// Adds the linear-response gradient of the counted lanes at the block's state.
    pub(crate) fn add_response(
        &mut self,
        block: &Ensemble,
        network: &Network,
        response: &Response,
        counts: [bool; LANES],
    ) {
        self.take(block, &block.phase, Lanes(counts.map(f64::from)));
        for (own, value) in self.response.iter_mut().zip(&response.values) {
            *own = Lanes(std::array::from_fn(|l| if counts[l] { value.0[l] } else { 0.0 }));
        }
        let Self { couplings, fields, phasors, response } = self;
        block.isa.run(Responses { ends: &network.ends, phasors, response, couplings, fields });
    }

    /// Phasors of free and clamped sites; those of lanes that are left out are zero.
    fn take(&mut self, block: &Ensemble, state: &[Lanes], weights: Lanes) {
        let (free, clamped) = self.phasors.split_at_mut(state.len());
        block.isa.run(Masked { phase: state, phasors: free, weights });
        for (phasor, clamp) in clamped.iter_mut().zip(&block.clamp_phasors) {
            let keep = |x: Lanes| Lanes(std::array::from_fn(|l| if weights.0[l] == 0.0 { 0.0 } else { x.0[l] }));
            *phasor = SinCos { sin: keep(clamp.sin), cos: keep(clamp.cos) };
        }
    }

    /// `factor` times the sums, in the layout of the parameters; 0 at clamped sites, whose fields do nothing.
    pub(crate) fn gradient(&self, network: &Network, factor: f64) -> Gradient {
        let couplings = self.couplings.iter().map(|sum| factor * sum).collect();
        let (mut field_x, mut field_y) = (vec![0.0; network.sites], vec![0.0; network.sites]);
        for (&site, sum) in network.free.iter().zip(&self.fields) {
            (field_x[site as usize], field_y[site as usize]) = (factor * sum[0], factor * sum[1]);
        }
        Gradient { couplings, field_x, field_y }
    }
}

/// Sines and cosines of a state in the lanes with a weight, zero in the others.
struct Masked<'a> {
    phase: &'a [Lanes],
    phasors: &'a mut [SinCos],
    weights: Lanes,
}

impl Kernel for Masked<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let mask = super::lanes::Mask::new(self.weights.0.map(|weight| weight != 0.0));
        let zero = V::splat(0.0);
        for (phase, phasor) in self.phase.iter().zip(self.phasors) {
            let (sin, cos) = sin_cos(V::select(&mask, V::load(phase), zero));
            phasor.set((V::select(&mask, sin, zero), V::select(&mask, cos, zero)));
        }
    }
}

struct Cosines<'a> {
    ends: &'a [[u32; 2]],
    phasors: &'a [SinCos],
    weights: Lanes,
    couplings: &'a mut [f64],
    fields: &'a mut [[f64; 2]],
}

impl Kernel for Cosines<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let weights = V::load(&self.weights);
        for (sum, &[i, j]) in self.couplings.iter_mut().zip(self.ends) {
            let (a, b) = (&self.phasors[i as usize], &self.phasors[j as usize]);
            let sines = V::load(&a.sin) * V::load(&b.sin);
            *sum += across(weights * V::load(&a.cos).mul_add(V::load(&b.cos), sines));
        }
        for (sum, phasor) in self.fields.iter_mut().zip(self.phasors) {
            sum[0] += across(weights * V::load(&phasor.cos));
            sum[1] += across(weights * V::load(&phasor.sin));
        }
    }
}

struct Responses<'a> {
    ends: &'a [[u32; 2]],
    phasors: &'a [SinCos],
    response: &'a [Lanes],
    couplings: &'a mut [f64],
    fields: &'a mut [[f64; 2]],
}

impl Kernel for Responses<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        for (sum, &[i, j]) in self.couplings.iter_mut().zip(self.ends) {
            let (i, j) = (i as usize, j as usize);
            let (a, b) = (&self.phasors[i], &self.phasors[j]);
            let sine = V::load(&a.cos).mul_sub_from(V::load(&b.sin), V::load(&a.sin) * V::load(&b.cos));
            *sum -= across((V::load(&self.response[i]) - V::load(&self.response[j])) * sine);
        }
        for ((sum, phasor), response) in self.fields.iter_mut().zip(self.phasors).zip(self.response) {
            let response = V::load(response);
            sum[0] -= across(response * V::load(&phasor.sin));
            sum[1] += across(response * V::load(&phasor.cos));
        }
    }
}

/// The sum over lanes, always in the same order.
#[inline(always)]
fn across<V: Vector>(value: V) -> f64 {
    let mut lanes = Lanes::ZERO;
    value.store(&mut lanes);
    let [a, b, c, d, e, f, g, h] = lanes.0;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
