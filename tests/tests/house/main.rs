//! The house: who may depend on whom, and that no two files need each other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod imports;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use xyloop_tests::repository;

/// Each crate with those of ours that it may name as normal dependencies: itself not among them, nobody else either.
const MAY_DEPEND_ON: [(&str, &[&str]); 10] = [
    ("xyloop-protocol", &[]),
    ("xyloop-lattice", &[]),
    ("xyloop-firmware", &["xyloop-protocol"]),
    ("xyloop-hil-config", &["xyloop-protocol", "xyloop-firmware", "xyloop-lattice"]),
    ("xyloop-sim", &["xyloop-protocol", "xyloop-firmware", "xyloop-lattice", "xyloop-hil-config"]),
    ("xyloop", &["xyloop-protocol", "xyloop-lattice", "xyloop-hil-config", "xyloop-sim"]),
    ("xyloop-cli", &["xyloop-protocol", "xyloop-hil-config", "xyloop-sim", "xyloop"]),
    // For tests alone.
    ("xyloop-testbench", &["xyloop-protocol", "xyloop-firmware"]),
    ("xyloop-benches", &["xyloop-lattice"]),
    (
        "xyloop-tests",
        &[
            "xyloop-protocol",
            "xyloop-firmware",
            "xyloop-lattice",
            "xyloop-hil-config",
            "xyloop-sim",
            "xyloop",
            "xyloop-testbench",
        ],
    ),
];

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(repository()).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_crate_depends_only_on_those_below_it() {
    let metadata = cargo(&["metadata", "--format-version=1", "--no-deps", "--offline"]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    let rule: BTreeMap<&str, BTreeSet<&str>> =
        MAY_DEPEND_ON.iter().map(|(name, below)| (*name, below.iter().copied().collect())).collect();
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        seen.insert(name);
        let allowed = rule.get(name).unwrap_or_else(|| panic!("{name} has no place in the house: give it one here"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            let is_normal = dependency["kind"].is_null();
            assert!(
                !is_normal || !on.starts_with("xyloop") || allowed.contains(on),
                "{name} must not depend on {on}: it may depend on {allowed:?}"
            );
        }
    }
    assert_eq!(seen, rule.keys().copied().collect(), "crates without a place, or places without a crate");
}

/// The name of each package of a dependency tree.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let tree = cargo(&[&["tree", "--prefix=none", "--edges=normal", "--offline"], arguments].concat());
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn a_host_for_real_rigs_has_no_simulator_in_it() {
    let without = tree(&["--package=xyloop", "--no-default-features"]);
    assert!(without.contains("xyloop-hil-config") && !without.contains("xyloop-sim"), "{without:?}");
    // The same question finds it where it is.
    assert!(tree(&["--package=xyloop"]).contains("xyloop-sim"));
    // And the simulator needs no text.
    let sim = tree(&["--package=xyloop-sim", "--no-default-features"]);
    assert!(sim.contains("xyloop-hil-config") && !sim.contains("toml"), "{sim:?}");
}

#[test]
fn no_two_files_import_each_other_directly_or_in_a_ring() {
    for folder in ["host/src", "hil-config/src", "cli/src"] {
        let imports = imports::of_crate(&repository().join(folder));
        assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 10, "{folder}: the imports were not found");
        let rings = imports::rings(&imports);
        assert!(rings.is_empty(), "{folder}: {}", imports::in_words(&imports, &rings));
    }
}

#[test]
fn no_file_of_the_command_is_long() {
    let files = imports::rust_files(&repository().join("cli/src"));
    assert!(files.len() > 10);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 250, "{} has {lines} lines, 250 at most", file.display());
    }
}
