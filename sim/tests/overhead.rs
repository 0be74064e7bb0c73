//! What the wire costs at 921 600 baud, in virtual time, with the real Controller behind the line: a stream of shot
//! results, and the write of a generation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{line::*, *};
use xyloop_protocol::message::{Block, Command, Cost, Plan};

#[test]
fn a_stream_of_shot_results_fills_the_line() {
    let mut device = DeviceOnLine::new();
    let codes = codes_of(&parameters(&large(), 3, 0.2), &CONVERTERS);
    let generation = codes.generation(1);
    let mut tags = device.tell_stage_all(1, &codes, CODES);
    tags.push(device.tell(Command::Commit(generation)));
    tags.push(device.tell(Command::Plan(Plan { generation, ..plan(&symmetric(0.05, Cost::Cosine)) })));
    device.wait_until_done(&tags);
    for shot in xor_shots(1..=200) {
        device.queue(&shot);
    }
    // From a moment at which the stream runs to its end.
    device.run_until(10_000_000, |pair| pair.host.rows.len() >= 40);
    let (start_us, before) = (device.now_us, device.host.result_bytes);
    device.run_until(10_000_000, |pair| pair.host.rows.len() == 800);
    let line_bytes = (device.now_us - start_us) as f64 / BYTE_US;
    let messages = (device.host.result_bytes.messages - before.messages) as f64 / line_bytes;
    let phases = (device.host.result_bytes.read_outs - before.read_outs) as f64 / line_bytes;
    println!("shot results: {:.1} % of the line, {:.1} % phases alone", 100.0 * messages, 100.0 * phases);
    assert!(messages >= 0.95, "{messages}");
    assert!(phases >= 0.92, "{phases}");
}

#[test]
fn a_write_of_1930_codes_takes_little_more_than_its_bytes() {
    let mut device = DeviceOnLine::new();
    let codes = codes_of(&parameters(&large(), 4, 0.2), &CONVERTERS);
    assert_eq!(codes.couplings.len(), 1930);
    for number in 1..=5 {
        let start_us = device.now_us;
        let tags = device.tell_stage(number, Block::Couplings, &codes.couplings, CODES);
        device.wait_until_done(&tags);
        let took_us = (device.now_us - start_us) as f64;
        // There and back: two delays, and the frame that carries the last answer.
        let round_trip_us = 2.0 * 300.0 + 40.0 * BYTE_US;
        let raw_us = 2.0 * 1930.0 * BYTE_US;
        let ratio = (took_us - round_trip_us) / raw_us;
        println!(
            "write {number}: {:.1} ms, {ratio:.3} of the codes' own bytes, {} B frames",
            took_us / 1e3,
            device.host.link.payload()
        );
        assert!(ratio <= 1.1, "write {number}: {ratio}");
    }
}
