//! What is accepted, and what it comes to.

use std::fs;

use xyloop_hil_config::{
    self as config, Codec, Geometry, OptimiserKind, Port, Rig, Shape, Solver, TaskKind,
    rig_image::{BoardPlan, ChipKind},
};

use crate::files::*;

#[test]
fn the_shortest_experiment_has_the_documented_defaults() {
    let config = Files::new(EXPERIMENT, RIG).load(&[]).unwrap();
    let (experiment, rig) = (&config.experiment, &config.rig);
    assert_eq!(experiment.task.kind, TaskKind::Xor);
    assert_eq!(experiment.train.optimiser.kind, OptimiserKind::Adam);
    assert_eq!((experiment.train.starts, experiment.train.epochs_max, experiment.eval.starts), (4, 2000, 100));
    assert_eq!(experiment.train.init.coupling_std, None);
    assert_eq!(experiment.link.codec, Codec::Words);
    assert_eq!((rig.timing.tau_us, rig.timing.deadman_ms), (10.0, 250));
    assert_eq!((rig.plant.replicas, rig.plant.solver, &rig.device.port), (16, Solver::Twin, &Port::Sim));
    assert_eq!(rig.lattice.shape(), Shape::Grid { rows: 15, columns: 15 });
    assert_eq!((rig.sites(), rig.input_sites(), rig.output_sites()), (225, vec![80, 140], vec![114]));
}

#[test]
fn every_shipped_file_loads_and_survives_a_round_trip() {
    let mut seen = 0;
    for entry in fs::read_dir(hil_config()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("Cargo.toml") {
            let config = config::load(&path, &[]).unwrap();
            assert_eq!(config::from_resolved(&config.to_toml().unwrap()).unwrap(), config, "{}", path.display());
            assert_eq!(path.file_stem().unwrap().to_str().unwrap(), config.experiment.name);
            seen += 1;
        }
    }
    for entry in fs::read_dir(hil_config().join("rigs")).unwrap() {
        let path = entry.unwrap().path();
        let (rig, from) = config::load_rig(&path, &[]).unwrap();
        assert_eq!((path.file_stem().unwrap().to_str().unwrap(), &from), (rig.name.as_str(), &path));
    }
    assert!(seen >= 6, "{seen} experiments");
}

#[test]
fn layers_are_numbered_one_after_the_other() {
    let (rig, _) =
        config::load_rig(hil_config().join("iris.toml"), &strings(&["rig.lattice.layers=[4, 5, 3]"])).unwrap();
    assert_eq!(rig.lattice.geometry, Geometry::Layered);
    assert_eq!((rig.sites(), rig.input_sites(), rig.output_sites()), (12, vec![0, 1, 2, 3], vec![9, 10, 11]));
}

#[test]
fn planes_are_numbered_one_after_the_other_and_make_their_graph() {
    let load = |text: &str| {
        let files = Files::new(EXPERIMENT, text);
        config::load_rig(files.0.path().join("rig.toml"), &[]).unwrap().0
    };
    let rig = load(PLANES);
    assert_eq!((rig.lattice.geometry, rig.sites()), (Geometry::LocallyConnected, 1323));
    assert_eq!(rig.input_sites(), (0..784).collect::<Vec<_>>());
    assert_eq!(rig.output_sites(), (1313..1323).collect::<Vec<_>>());
    let graph = rig.array().unwrap().graph;
    assert_eq!((graph.len(), graph.couplings().len()), (1323, 19_044 + 2 * 23 * 22 + 5_290));
    // The defaults are stride 1 and no padding; the same in words makes the same array.
    let spelt = PLANES.replace("window = 6", "window = 6\nstride = 1\npadding = \"valid\"");
    let spelt = spelt.replace("\"sq\"", "\"offsets\"\noffsets = [[1, 0], [0, -1]]");
    assert_eq!(load(&spelt).array().unwrap().wiring_hash(), rig.array().unwrap().wiring_hash());
    let same = PLANES.replace("23", "14").replace("window = 6", "window = 5\nstride = 2\npadding = \"same\"");
    assert_eq!(load(&same).array().unwrap().graph.len(), 784 + 196 + 10);
}

#[test]
fn the_chips_of_a_board_are_no_part_of_the_wiring() {
    let load = |more: &str| {
        let files = Files::new(EXPERIMENT, &format!("{RIG}\n{more}"));
        config::load_rig(files.0.path().join("rig.toml"), &[]).unwrap().0
    };
    let (plain, other) = (load(""), load("[board]\nadc = \"ads131m08\"\nspi_mhz = 12.5\ngap_ns = 0\n"));
    assert_eq!(plain.board.plan(), BoardPlan::default());
    let plan = BoardPlan { adc: ChipKind::Ads131m08, spi_hz: 12_500_000, gap_ns: 0, ..BoardPlan::default() };
    assert_eq!(other.board.plan(), plan);
    let hash = |rig: &Rig| rig.array().unwrap().wiring_hash();
    assert_eq!(hash(&plain), hash(&other));
}

#[test]
fn the_codec_is_named_and_kept_in_the_resolved_file() {
    let config = Files::new(&format!("{EXPERIMENT}\n[link]\ncodec = \"delta\"\n"), RIG).load(&[]).unwrap();
    assert_eq!(config.experiment.link.codec, Codec::Delta);
    assert_eq!(xyloop_protocol::codec::Codec::from(config.experiment.link.codec), xyloop_protocol::codec::Codec::Delta);
    let resolved = config.to_toml().unwrap();
    assert!(resolved.contains("codec = \"delta\""), "{resolved}");
    assert_eq!(config::from_resolved(&resolved).unwrap(), config);
}

#[test]
fn overrides_reach_both_files_and_the_last_one_wins() {
    let files = Files::new(EXPERIMENT, RIG);
    let config = files
        .load(&[
            "train.nudge.beta=0.5",
            "train.nudge.beta = 0.1",
            "train.optimiser.kind=sgd",
            "rig.plant.replicas=8",
            "rig.plant.solver=\"flow\"",
            "rig.device.port=tcp://127.0.0.1:5555",
            "rig.device.serial_number=table-4",
            "rig.lattice.inputs=[[0, 0], [14, 14]]",
            "description=a bare string, with spaces",
        ])
        .unwrap();
    assert!((config.experiment.train.nudge.beta - 0.1).abs() < 1e-15);
    assert_eq!(config.experiment.train.optimiser.kind, OptimiserKind::Sgd);
    assert_eq!(config.experiment.description, "a bare string, with spaces");
    assert_eq!((config.rig.plant.replicas, config.rig.plant.solver), (8, Solver::Flow));
    assert_eq!(config.rig.device.port, Port::Tcp("127.0.0.1:5555".to_owned()));
    assert_eq!(config.rig.device.serial_number.as_deref(), Some("table-4"));
    assert_eq!(config::from_resolved(&config.to_toml().unwrap()).unwrap(), config);
    assert_eq!(config.rig.lattice.inputs, [(0, 0), (14, 14)]);
    // For a rig file by itself the prefix may be left out.
    for set in ["plant.replicas=3", "rig.plant.replicas=3"] {
        let (rig, _) = config::load_rig(files.0.path().join("rig.toml"), &strings(&[set])).unwrap();
        assert_eq!(rig.plant.replicas, 3);
    }
}

#[test]
fn a_rig_is_found_beside_its_experiment_or_through_an_override() {
    let files = Files::new(EXPERIMENT, RIG);
    fs::create_dir(files.0.path().join("rigs")).unwrap();
    fs::write(files.0.path().join("rigs/other.toml"), RIG.replace("bench", "other")).unwrap();
    let config = files.load(&["rig=rigs/other.toml", "rig.plant.seed=5"]).unwrap();
    assert_eq!((config.rig.name.as_str(), config.rig.plant.seed), ("other", 5));
    assert_eq!(config.rig_path, files.0.path().join("rigs/other.toml"));
    let (rig, path) = config::load_rig(files.path(), &[]).unwrap();
    assert_eq!((rig.name.as_str(), path), ("bench", files.0.path().join("rig.toml")));
}

#[test]
fn a_resolved_configuration_may_stand_inside_a_larger_document() {
    let config =
        Files::new(EXPERIMENT, RIG).load(&["train.seed=9223372036854775807", "train.optimiser.epsilon=1e-9"]).unwrap();
    let text = format!("format = 1\n{}\n[identity]\nserial = \"x\"\n", config.to_toml().unwrap());
    assert_eq!(config::from_resolved(&text).unwrap(), config);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("run.toml"), &text).unwrap();
    assert_eq!(config::load_resolved(folder.path().join("run.toml")).unwrap(), config);
}

#[test]
fn ports() {
    for (text, port) in [
        ("sim", Port::Sim),
        ("tcp://[::1]:80", Port::Tcp("[::1]:80".to_owned())),
        ("/dev/ttyACM0", Port::Serial("/dev/ttyACM0".into())),
        ("./pty", Port::Serial("./pty".into())),
        ("COM3", Port::Serial("COM3".into())),
    ] {
        assert_eq!(text.parse::<Port>().unwrap(), port);
        assert_eq!(port.to_string(), text);
    }
    for text in
        ["", "Sim", "ttyUSB0", "tcp://", "tcp://host", "tcp://host:0", "tcp://host:99999", "tcp://:5", "udp://h:1"]
    {
        assert!(text.parse::<Port>().is_err(), "{text}");
    }
}

#[test]
fn a_neighbourhood_has_one_name_in_files_and_in_the_lattice() {
    for preset in xyloop_lattice::Preset::ALL {
        let files = Files::new(EXPERIMENT, &RIG.replace("4nsq", preset.name()));
        let rig = config::load_rig(files.0.path().join("rig.toml"), &[]).unwrap().0;
        assert_eq!((rig.lattice.geometry.preset(), rig.lattice.geometry.name()), (Some(preset), preset.name()));
        assert_eq!(rig.array().unwrap().geometry, xyloop_lattice::Geometry::preset(preset, 15, 15));
    }
}
