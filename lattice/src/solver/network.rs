//! [`Network`]: topology and coupling values in the order the kernels read them.
//!
//! Free sites are numbered in site order. Couplings among them are stored by receiving site (compressed rows, sorted);
//! those from a clamped site become static fields of the receiving one; those between clamped sites do nothing.

use super::envelope::Envelope;
use crate::graph::Graph;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the two directions of a coupling live.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Positions in `weight` of the entry received by i and of the one received by j.
    Free { into_i: usize, into_j: usize },
    /// Position in `clamp_links`; whether i is the receiving (free) site.
    Clamped { link: usize, into_i: bool },
    /// Between clamped sites.
    Idle,
}

/// A coupling from a clamped site to a free one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClampLink {
    pub(crate) free: usize,
    pub(crate) clamped: usize,
    pub(crate) weight: f64,
}

/// A graph with coupling values in kernel layout, shared by any number of ensembles.
#[derive(Debug, Clone)]
pub struct Network {
    pub(crate) sites: usize,
    pub(crate) free: Vec<u32>,
    pub(crate) clamped: Vec<u32>,
    pub(crate) row_start: Vec<usize>,
    pub(crate) column: Vec<u32>,
    pub(crate) weight: Vec<f64>,
    /// The mean of both directions of each coupling: `weight` unless they differ.
    pub(crate) mean_weight: Vec<f64>,
    pub(crate) clamp_links: Vec<ClampLink>,
    pub(crate) envelope: Envelope,
    /// Both ends of every coupling: free sites by their number, then clamped ones by theirs.
    pub(crate) ends: Vec<[u32; 2]>,
    /// Output sites by their number among the free ones, in the graph's order.
    pub(crate) outputs: Vec<u32>,
    places: Vec<Place>,
    version: u64,
}

/// Numbers every set of couplings there ever was in this process, so that no two networks can be confused.
static VERSIONS: AtomicU64 = AtomicU64::new(1);

impl Network {
    /// The topology of a graph with its inputs clamped and all couplings zero.
    pub fn new(graph: &Graph) -> Self {
        let sites = graph.len();
        let mut index = vec![None; sites];
        for (k, &site) in graph.inputs().iter().enumerate() {
            index[site as usize] = Some(Err(k));
        }
        let mut free = Vec::new();
        for (site, slot) in index.iter_mut().enumerate() {
            if slot.is_none() {
                *slot = Some(Ok(free.len()));
                free.push(site as u32);
            }
        }
        let role = |site: u32| index[site as usize].unwrap_or(Err(0));
        let end = |site: u32| match role(site) {
            Ok(free) => free as u32,
            Err(clamped) => (free.len() + clamped) as u32,
        };
        let ends = graph.couplings().iter().map(|&(i, j)| [end(i), end(j)]).collect();
        let outputs = graph.outputs().iter().map(|&site| end(site)).collect();

        // (receiver, sender, coupling, whether the receiver is i), sorted: the kernels' order of summation.
        let mut directed = Vec::new();
        let mut clamp_links = Vec::new();
        let mut places = vec![Place::Idle; graph.couplings().len()];
        for (k, &(i, j)) in graph.couplings().iter().enumerate() {
            match (role(i), role(j)) {
                (Ok(i), Ok(j)) => {
                    directed.push((i, j, k, true));
                    directed.push((j, i, k, false));
                    places[k] = Place::Free { into_i: 0, into_j: 0 };
                }
                (Ok(free), Err(clamped)) | (Err(clamped), Ok(free)) => {
                    places[k] = Place::Clamped { link: clamp_links.len(), into_i: role(i).is_ok() };
                    clamp_links.push(ClampLink { free, clamped, weight: 0.0 });
                }
                (Err(_), Err(_)) => {}
            }
        }
        directed.sort_unstable();
        let mut row_start = vec![0; free.len() + 1];
        for (entry, &(receiver, _, k, is_i)) in directed.iter().enumerate() {
            row_start[receiver + 1] = entry + 1;
            if let Place::Free { into_i, into_j } = &mut places[k] {
                *(if is_i { into_i } else { into_j }) = entry;
            }
        }
        for row in 0..free.len() {
            row_start[row + 1] = row_start[row + 1].max(row_start[row]);
        }
        let column: Vec<u32> = directed.iter().map(|&(_, sender, ..)| sender as u32).collect();
        Self {
            sites,
            envelope: Envelope::new(&row_start, &column),
            weight: vec![0.0; column.len()],
            mean_weight: vec![0.0; column.len()],
            clamped: graph.inputs().to_vec(),
            free,
            row_start,
            column,
            clamp_links,
            ends,
            outputs,
            places,
            version: VERSIONS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Sets W, one value per entry of [`Graph::couplings`]. Every ensemble forgets what it knew about rest.
    ///
    /// # Panics
    /// If the length is not the number of couplings.
    pub fn set_couplings(&mut self, couplings: &[f64]) {
        self.set_directed_couplings(couplings, couplings);
    }

    /// Sets couplings that act differently on their two ends, as an imperfect device has them: for the coupling (i, j)
    /// `into_i` acts on site i and `into_j` on site j. There is then no energy; the flow still follows the forces and
    /// Newton's matrix uses the mean of both.
    ///
    /// # Panics
    /// If a length is not the number of couplings.
    pub fn set_directed_couplings(&mut self, into_i: &[f64], into_j: &[f64]) {
        let count = self.places.len();
        assert!(into_i.len() == count && into_j.len() == count, "the network has {count} couplings");
        for (k, place) in self.places.iter().enumerate() {
            match *place {
                Place::Free { into_i: a, into_j: b } => {
                    self.weight[a] = into_i[k];
                    self.weight[b] = into_j[k];
                    let mean = 0.5 * (into_i[k] + into_j[k]);
                    (self.mean_weight[a], self.mean_weight[b]) = (mean, mean);
                }
                Place::Clamped { link, into_i: receives } => {
                    self.clamp_links[link].weight = if receives { into_i[k] } else { into_j[k] };
                }
                Place::Idle => {}
            }
        }
        self.version = VERSIONS.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes whenever the couplings do; no two networks of a process share one unless cloned and left unchanged.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Number of sites, clamped ones included.
    pub fn sites(&self) -> usize {
        self.sites
    }

    /// Sites that are not clamped, ascending.
    pub fn free_sites(&self) -> &[u32] {
        &self.free
    }

    /// Clamped sites, in the order of [`Graph::inputs`].
    pub fn clamped_sites(&self) -> &[u32] {
        &self.clamped
    }
}
