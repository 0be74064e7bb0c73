//! Everything in `corpus/`, and what a fuzzer is likely to begin with, through the targets: without libFuzzer, on any
//! toolchain. What once broke a target stays in the corpus and is tried here.

use std::{fs, path::Path};

use xyloop_fuzz::TARGETS;

#[test]
fn the_corpus_passes() {
    for (name, run) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut tried = 0;
        for file in files {
            let path = file.expect("a folder can be read").path();
            let data = fs::read(&path).expect("a file can be read");
            if let Err(panicked) = std::panic::catch_unwind(|| run(&data)) {
                eprintln!("broken by {}", path.display());
                std::panic::resume_unwind(panicked);
            }
            tried += 1;
        }
        assert!(tried > 0, "no corpus for {name}");
    }
}

#[test]
fn plain_inputs_pass() {
    for (_, run) in TARGETS {
        run(&[]);
        for byte in 0..=255_u8 {
            run(&[byte]);
            run(&[byte; 40]);
            run(&(0..60).map(|i| byte.wrapping_add(i)).collect::<Vec<_>>());
        }
    }
}
