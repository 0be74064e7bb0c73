//! Locally connected layers: counts, windows against brute force, terminals, initial scale, refusals; large lattices.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use proptest::prelude::*;
use xyloop_lattice::geometry::{Below, Padding, Plane, coupling_std};
use xyloop_lattice::solver::flow::{self, FlowTolerance};
use xyloop_lattice::{Ensemble, Geometry, GeometryError, Graph, GraphError, LANES, Network, Preset};

fn window(rows: usize, columns: usize, size: usize, stride: usize, padding: Padding) -> Plane {
    Plane { rows, columns, below: Below::Window { size, stride, padding }, inside: Vec::new() }
}

fn dense(rows: usize, columns: usize) -> Plane {
    Plane { rows, columns, below: Below::Dense, inside: Vec::new() }
}

fn lcl(input: [usize; 2], planes: Vec<Plane>) -> Geometry {
    Geometry::LocallyConnected { input, planes }
}

#[test]
fn the_replicators_mnist_has_its_couplings() {
    let geometry = lcl([28, 28], vec![window(23, 23, 6, 1, Padding::Valid), dense(1, 10)]);
    let graph = Graph::new(&geometry).unwrap();
    assert_eq!(graph.len(), 784 + 529 + 10);
    let local = graph.couplings().iter().filter(|&&(i, _)| i < 784).count();
    assert_eq!((local, graph.couplings().len() - local), (19_044, 5_290));
    assert_eq!(graph.inputs(), (0..784).collect::<Vec<u32>>());
    assert_eq!(graph.outputs(), (1313..1323).collect::<Vec<u32>>());
}

#[test]
fn a_hidden_plane_may_be_a_lattice_of_its_own() {
    let mut hidden = window(28, 28, 5, 1, Padding::Same);
    hidden.inside = Preset::Square.offsets();
    let graph = Graph::new(&lcl([28, 28], vec![hidden, dense(1, 10)])).unwrap();
    let between = |from: std::ops::Range<u32>, to: std::ops::Range<u32>| {
        graph.couplings().iter().filter(|&&(i, j)| from.contains(&i) && to.contains(&j)).count()
    };
    // Along a side the windows cover 5 sites but for 3 and 4 at each end: 28 × 5 − 2 (2 + 1) = 134.
    assert_eq!(between(0..784, 784..1568), 134 * 134);
    assert_eq!(between(784..1568, 784..1568), 2 * 28 * 27);
    assert_eq!(between(784..1568, 1568..1578), 7_840);
    assert_eq!(graph.couplings().len(), 134 * 134 + 1_512 + 7_840);
    assert!(graph.couplings().windows(2).all(|pair| pair[0] < pair[1]), "sorted, none twice");
    // A corner of the hidden plane sees the 3 × 3 corner of the inputs, a middle site the 5 × 5 around itself.
    let seen = |site: u32| graph.couplings().iter().filter(move |&&(i, j)| j == site && i < 784).map(|&(i, _)| i);
    assert_eq!(seen(784).collect::<Vec<_>>(), [0, 1, 2, 28, 29, 30, 56, 57, 58]);
    let middle: Vec<u32> = (12..17).flat_map(|row| (8..13).map(move |column| row * 28 + column)).collect();
    assert_eq!(seen(784 + 14 * 28 + 10).collect::<Vec<_>>(), middle);
}

#[test]
fn dense_planes_are_layers() {
    let planes = Graph::new(&lcl([1, 3], vec![dense(2, 2), dense(1, 2)])).unwrap();
    let layers = Geometry::Layered { widths: vec![3, 4, 2] };
    let layered = Graph::new(&layers).unwrap();
    assert_eq!(planes.couplings(), layered.couplings());
    assert_eq!((planes.inputs(), planes.outputs()), (layered.inputs(), layered.outputs()));
    let std = coupling_std(&lcl([1, 3], vec![dense(2, 2), dense(1, 2)])).unwrap();
    assert_eq!(std, coupling_std(&layers).unwrap());
    // Side by side: the second plane starts in column 3, the third in column 5.
    assert_eq!(planes.site_at(0, 3), Some(3));
    assert_eq!(planes.site_at(1, 4), Some(6));
    assert_eq!(planes.site_at(0, 5), Some(7));
}

#[test]
fn the_initial_scale_counts_what_meets_at_a_coupling() {
    let mut hidden = window(3, 3, 2, 1, Padding::Valid);
    hidden.inside = Preset::Square.offsets();
    let geometry = lcl([4, 4], vec![hidden, dense(1, 2)]);
    let graph = Graph::new(&geometry).unwrap();
    for (&pair, std) in graph.couplings().iter().zip(coupling_std(&geometry).unwrap()) {
        let meets = match pair {
            (0, 16) => 1 + 4,   // the input in the corner is in one window, of four inputs
            (5, 16) => 4 + 4,   // one in the middle is in four
            (16, 17 | 19) => 6, // 3 × 2 couplings to the right, 2 × 3 downwards
            (16, 25) => 2 + 9,  // two outputs, nine hidden sites
            _ => continue,
        };
        assert_eq!(std, 1.0 / f64::from(meets).sqrt(), "{pair:?}");
    }
}

#[test]
fn planes_that_do_not_fit_are_refused_with_the_size_that_would() {
    let refusal = |input, planes| Graph::new(&lcl(input, planes)).unwrap_err();
    let error = refusal([28, 28], vec![window(24, 23, 6, 1, Padding::Valid)]);
    assert!(matches!(
        error,
        GraphError::Geometry(GeometryError::WindowMismatch { plane: 1, side: "rows", has: 24, fits: 23, .. })
    ));
    assert!(error.to_string().contains("make it 23"), "{error}");
    let error = refusal([5, 5], vec![dense(9, 9), window(5, 4, 3, 2, Padding::Same)]);
    assert!(matches!(
        error,
        GraphError::Geometry(GeometryError::WindowMismatch { plane: 2, side: "columns", has: 4, fits: 5, .. })
    ));
    let error = refusal([3, 3], vec![window(1, 1, 4, 1, Padding::Valid)]);
    assert!(matches!(error, GraphError::Geometry(GeometryError::WindowMismatch { fits: 0, .. })));
    assert!(matches!(
        refusal([3, 3], vec![window(3, 3, 1, 0, Padding::Same)]),
        GraphError::Geometry(GeometryError::EmptyWindow { plane: 1, stride: 0, .. })
    ));
    assert_eq!(refusal([3, 3], vec![]), GeometryError::TooFewLayers { layers: 1 }.into());
    assert_eq!(refusal([3, 0], vec![dense(1, 1)]), GeometryError::EmptyLayer { layer: 0 }.into());
    assert_eq!(refusal([3, 3], vec![dense(1, 1), dense(0, 1)]), GeometryError::EmptyLayer { layer: 2 }.into());
    let mut plane = dense(3, 3);
    plane.inside = vec![(0, 1), (0, -1)];
    assert!(matches!(refusal([3, 3], vec![plane]), GraphError::Geometry(GeometryError::RepeatedOffset { .. })));
    let couplings = 65_536 * 65_536;
    assert_eq!(refusal([256, 256], vec![dense(256, 256)]), GeometryError::TooManyCouplings { couplings }.into());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_cover_what_their_definition_says(
        rows in 1_usize..9, columns in 1_usize..9, size in 1_usize..8, stride in 1_usize..5, same in any::<bool>(),
    ) {
        let padding = if same { Padding::Same } else { Padding::Valid };
        prop_assume!(same || (size <= rows && size <= columns));
        let places = |n: usize| if same { n.div_ceil(stride) } else { (n - size) / stride + 1 };
        let (up, right) = (places(rows), places(columns));
        let graph = Graph::new(&lcl([rows, columns], vec![window(up, right, size, stride, padding)])).unwrap();
        // Brute force, on a plane below with a margin: a window starts at stride × place − margin.
        let margin = |n: usize| {
            let over = (places(n) as i64 - 1) * stride as i64 + size as i64 - n as i64;
            if same { over.max(0) / 2 } else { 0 }
        };
        let inside = |site: usize, place: usize, n: usize| {
            let start = (place * stride) as i64 - margin(n);
            (start..start + size as i64).contains(&(site as i64))
        };
        let mut expected = Vec::new();
        for low in 0..rows * columns {
            for high in 0..up * right {
                if inside(low / columns, high / right, rows) && inside(low % columns, high % right, columns) {
                    expected.push((low as u32, (rows * columns + high) as u32));
                }
            }
        }
        prop_assert_eq!(graph.couplings(), &expected[..]);
    }

    #[test]
    fn extreme_planes_are_refused_without_panic(
        input in any::<[usize; 2]>(), rows in any::<usize>(), columns in any::<usize>(),
        size in any::<usize>(), stride in any::<usize>(), same in any::<bool>(),
    ) {
        let padding = if same { Padding::Same } else { Padding::Valid };
        let refused = Graph::new(&lcl(input, vec![window(rows, columns, size, stride, padding)])).is_err();
        prop_assert!(refused);
        // One site, whatever the window's reach.
        let one = Graph::new(&lcl([1, 1], vec![window(1, 1, size.max(1), stride.max(1), Padding::Same)])).unwrap();
        prop_assert_eq!(one.couplings(), &[(0, 1)]);
    }
}

#[test]
fn a_lattice_of_256_by_256_settles() {
    let graph = Graph::new(&Geometry::preset(Preset::Square, 256, 256)).unwrap();
    assert_eq!((graph.len(), graph.couplings().len()), (65_536, 2 * 256 * 255));
    let (last, before) = (65_535, 65_534);
    assert_eq!(graph.couplings().last(), Some(&(before, last)));
    let mut network = Network::new(&graph.with_terminals(&[last], &[0]).unwrap());
    network.set_couplings(&vec![0.5; 2 * 256 * 255]);
    let mut ensemble = Ensemble::new(&network);
    ensemble.clamp(0, 0, 1.0);
    let mut duration = [0.0; LANES];
    duration[0] = 1.0;
    let report = flow::advance(&network, &mut ensemble, &duration, &FlowTolerance::default());
    assert!(!report[0].failed, "{:?}", report[0]);
    let mut phases = vec![0.0; 65_536];
    ensemble.phases(0, &mut phases);
    // After one time unit the clamped corner has drawn its neighbour along, and nothing has reached the other end.
    assert_eq!(phases[last as usize], 1.0);
    assert!(phases[before as usize] > 0.1 && phases[0].abs() < 1e-9, "{} {}", phases[before as usize], phases[0]);
}
