//! Coupling counts, terminals, offsets and initial scales.
// Exact results are compared exactly.
#![allow(clippy::unwrap_used, clippy::float_cmp, clippy::needless_range_loop, clippy::doc_markdown)]

use proptest::prelude::*;
use xyloop_lattice::geometry::coupling_std;
use xyloop_lattice::{Geometry, GeometryError, Graph, GraphError, Preset};

#[test]
fn presets_have_the_couplings_of_the_physics_table() {
    let expected = [("sq", 420, 4), ("triangular", 616, 6), ("3nsq", 1202, 12), ("p3nsq", 810, 8), ("4nsq", 1930, 20)];
    for (name, count, degree) in expected {
        let preset: Preset = name.parse().unwrap();
        assert_eq!(preset.name(), name);
        let graph = Graph::new(&Geometry::preset(preset, 15, 15)).unwrap();
        assert_eq!(graph.couplings().len(), count, "{name}");
        let centre = graph.site_at(7, 7).unwrap();
        let neighbours = graph.couplings().iter().filter(|&&(i, j)| i == centre || j == centre).count();
        assert_eq!(neighbours, degree, "{name}");
        assert!(graph.couplings().windows(2).all(|pair| pair[0] < pair[1]), "sorted, none twice");
        assert!(graph.couplings().iter().all(|&(i, j)| i < j));
    }
    let graph = Graph::new(&Geometry::AllToAll { rows: 15, columns: 15 }).unwrap();
    assert_eq!(graph.couplings().len(), 25_200);
    assert!(matches!("5nsq".parse::<Preset>(), Err(GeometryError::UnknownPreset { .. })));
}

#[test]
fn lattices_are_open_edged_and_keep_their_distances() {
    let geometry = Geometry::preset(Preset::UpToFourthShell, 4, 7);
    let graph = Graph::new(&geometry).unwrap();
    for &(i, j) in graph.couplings() {
        let (a, b) = (graph.positions()[i as usize], graph.positions()[j as usize]);
        let distance = (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
        assert!([1.0, 2.0, 4.0, 5.0].contains(&distance), "{i}-{j}: {distance}");
    }
    assert_eq!(graph.positions()[graph.site_at(3, 5).unwrap() as usize], [5.0, 3.0]);
    assert_eq!(graph.site_at(4, 0), None);
}

#[test]
fn layers_are_dense_and_bring_their_terminals() {
    let graph = Graph::new(&Geometry::Layered { widths: vec![3, 4, 2] }).unwrap();
    assert_eq!(graph.couplings().len(), 3 * 4 + 4 * 2);
    assert_eq!((graph.inputs(), graph.outputs()), (&[0, 1, 2][..], &[7, 8][..]));
    assert_eq!(graph.positions()[7], [2.0, 0.0]);
}

#[test]
fn wrong_terminals_are_refused_by_name() {
    let graph = || Graph::new(&Geometry::preset(Preset::Square, 3, 3)).unwrap();
    let cases: [(&[u32], &[u32], GraphError); 3] = [
        (&[9], &[0], GraphError::OutOfRange { role: "input", site: 9, sites: 9 }),
        (&[1], &[4, 4], GraphError::Repeated { role: "output", site: 4 }),
        (&[1, 2], &[2], GraphError::InputAndOutput { site: 2 }),
    ];
    for (inputs, outputs, expected) in cases {
        let error = graph().with_terminals(inputs, outputs).unwrap_err();
        assert_eq!(error, expected);
        let site = inputs.iter().chain(outputs).find(|site| error.to_string().contains(&site.to_string()));
        assert!(site.is_some(), "{error}");
    }
    assert_eq!(
        Graph::from_couplings(vec![[0.0; 2]; 3], &[(0, 1), (1, 0)]).unwrap_err(),
        GraphError::RepeatedCoupling { first: 0, second: 1 }
    );
    let large = Graph::new(&Geometry::preset(Preset::Square, 1024, 1025)).unwrap_err();
    assert_eq!(large, GeometryError::TooManySites { sites: 1024 * 1025 }.into());
}

#[test]
fn initial_scale_follows_the_authors() {
    let all = coupling_std(&Geometry::AllToAll { rows: 3, columns: 3 }).unwrap();
    assert!(all.len() == 36 && all.iter().all(|std| (std - 1.0 / 3.0).abs() < 1e-15));
    let widths = vec![3, 6, 10];
    let geometry = Geometry::Layered { widths };
    let layered = coupling_std(&geometry).unwrap();
    for (&(i, _), std) in Graph::new(&geometry).unwrap().couplings().iter().zip(layered) {
        assert_eq!(std, if i < 3 { 1.0 / 3.0 } else { 0.25 });
    }
    // 4 × 5, offsets (0,1) and (1,-1): 16 and 12 couplings.
    let geometry = Geometry::Lattice { rows: 4, columns: 5, offsets: vec![(0, 1), (1, -1)] };
    let lattice = coupling_std(&geometry).unwrap();
    for (&(i, j), std) in Graph::new(&geometry).unwrap().couplings().iter().zip(lattice) {
        assert_eq!(std, if j == i + 1 { 0.25 } else { 1.0 / 12.0_f64.sqrt() });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn offset_lists_are_accepted_exactly_when_each_pair_is_listed_once(
        offsets in prop::collection::vec((-3_i32..=3, -3_i32..=3), 0..6)
    ) {
        let geometry = Geometry::Lattice { rows: 5, columns: 6, offsets: offsets.clone() };
        let zero = offsets.contains(&(0, 0));
        let repeated = (0..offsets.len())
            .any(|a| (0..a).any(|b| offsets[a] == offsets[b] || offsets[a] == (-offsets[b].0, -offsets[b].1)));
        match Graph::new(&geometry) {
            Ok(graph) => {
                prop_assert!(!zero && !repeated);
                // Brute force: every pair whose difference is an offset or its negative.
                let mut expected = Vec::new();
                for i in 0..30_i32 {
                    for j in i + 1..30 {
                        let step = (j / 6 - i / 6, j % 6 - i % 6);
                        if offsets.contains(&step) || offsets.contains(&(-step.0, -step.1)) {
                            expected.push((i as u32, j as u32));
                        }
                    }
                }
                prop_assert_eq!(graph.couplings(), &expected[..]);
            }
            Err(GraphError::Geometry(GeometryError::ZeroOffset { .. })) => prop_assert!(zero),
            Err(GraphError::Geometry(GeometryError::RepeatedOffset { .. })) => prop_assert!(repeated),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn extreme_offsets_neither_panic_nor_couple(row in any::<i32>(), column in any::<i32>()) {
        prop_assume!(row.unsigned_abs() > 4 || column.unsigned_abs() > 4);
        let geometry = Geometry::Lattice { rows: 4, columns: 4, offsets: vec![(row, column)] };
        prop_assert_eq!(Graph::new(&geometry).map(|graph| graph.couplings().len()), Ok(0));
    }
}
