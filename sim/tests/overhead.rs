//! What the wire costs at 921 600 baud, in virtual time, with the real Controller behind the line: a stream of shot
//! results, and the write of a generation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{line::*, *};
use xyloop_protocol::message::{Block, Command, Cost, Plan};

#[test]
fn a_stream_of_shot_results_fills_the_line() {
    let mut bench = LineBench::new();
    let codes = Codes::new(&parameters(&large(), 3, 0.2), &CONVERTERS);
    bench.stage(1, Block::Couplings, &codes.couplings);
    bench.stage(1, Block::Fields, &codes.fields);
    let generation = codes.generation(1);
    bench.tell(Command::Commit(generation));
    bench.tell(Command::Plan(Plan { generation, ..plan(&symmetric(0.05, Cost::Cosine)) }));
    let asked = bench.tag;
    bench.run_until(1_000_000, |bench| bench.answers == asked);
    assert_eq!(bench.answers, asked);
    bench.shoot(&xor_shots(1..=200));
    // From a moment at which the stream runs to its end.
    bench.run_until(bench.now_us + 10_000_000, |bench| bench.results >= 40);
    let (start_us, messages, phases) = (bench.now_us, bench.messages, bench.phases);
    bench.run_until(bench.now_us + 10_000_000, |bench| bench.results == 800);
    assert_eq!(bench.results, 800);
    let line_bytes = (bench.now_us - start_us) as f64 / BYTE_US;
    let messages = (bench.messages - messages) as f64 / line_bytes;
    let phases = (bench.phases - phases) as f64 / line_bytes;
    println!("shot results: {:.1} % of the line, {:.1} % phases alone", 100.0 * messages, 100.0 * phases);
    assert!(messages >= 0.95, "{messages}");
    assert!(phases >= 0.92, "{phases}");
}

#[test]
fn a_write_of_1930_codes_takes_little_more_than_its_bytes() {
    let mut bench = LineBench::new();
    let codes = Codes::new(&parameters(&large(), 4, 0.2), &CONVERTERS);
    assert_eq!(codes.couplings.len(), 1930);
    for number in 1..=5 {
        let start_us = bench.now_us;
        bench.stage(number, Block::Couplings, &codes.couplings);
        let asked = bench.tag;
        bench.run_until(start_us + 1_000_000, |bench| bench.answers == asked);
        assert_eq!(bench.answers, asked);
        let took_us = (bench.now_us - start_us) as f64;
        // There and back: two delays, and the frame that carries the last answer.
        let round_trip_us = 2.0 * 300.0 + 40.0 * BYTE_US;
        let raw_us = 2.0 * 1930.0 * BYTE_US;
        let ratio = (took_us - round_trip_us) / raw_us;
        println!(
            "write {number}: {:.1} ms, {ratio:.3} of the codes' own bytes, {} B frames",
            took_us / 1e3,
            bench.host.payload()
        );
        assert!(ratio <= 1.1, "write {number}: {ratio}");
    }
}
