//! Which values a rig file may hold; those of `[lattice]` are judged in `lattice_rules`.

use super::issue::Issue;
use super::lattice_rules;
use super::rig::{Board, Rig};
use super::rules::{Rules, positive};
use crate::rig_image::ChipKind;

/// Returns everything that can be said about a rig by itself.
pub(super) fn check(rig: &Rig) -> Vec<Issue> {
    let mut rules = Rules::default();
    rules.name("name", &rig.name);
    let converters = &rig.converters;
    for (path, bits) in [
        ("converters.coupling_bits", converters.coupling_bits),
        ("converters.field_bits", converters.field_bits),
        ("converters.input_bits", converters.input_bits),
        ("converters.iq_bits", converters.iq_bits),
    ] {
        rules.range(path, bits, 2..=16, "bits");
    }
    rules.range("converters.coupling_range", converters.coupling_range, positive(4_000.0), "(model units)");
    rules.range("converters.field_range", converters.field_range, positive(4_000.0), "(model units)");
    rules.range("timing.tau_us", rig.timing.tau_us, positive(1e6), "µs");
    rules.range("timing.deadman_ms", rig.timing.deadman_ms, 100..=10_000, "ms (keep-alives come every 50 ms)");
    if rig.device.serial.baud != 0 {
        rules.range("device.serial.baud", rig.device.serial.baud, 1_200..=12_000_000, "bits/s, or 0 to leave it alone");
    }
    if let Some(serial) = &rig.device.serial_number
        && !(1..=64).contains(&serial.len())
    {
        let length = serial.len();
        let title = format!("`device.serial_number` has {length} bytes: allowed are 1 to 64");
        rules.push(
            Issue::at("device.serial_number", title)
                .allowed("1 to 64 bytes")
                .help("the device says it with its identity"),
        );
    }
    board(&rig.board, &mut rules);
    let plant = &rig.plant;
    rules.seed("plant.seed", plant.seed);
    rules.range("plant.threads", plant.threads, 0..=1024, "(0 = one per core)");
    rules.range("plant.replicas", plant.replicas, 1..=4096, "copies of the lattice");
    rules.range("plant.phase_diffusion_rad2_per_s", plant.phase_diffusion_rad2_per_s, 0.0..=1e9, "rad²/s");
    rules.range("plant.iq_noise", plant.iq_noise, 0.0..=1.0, "of full scale");
    lattice_rules::check(&rig.lattice, &mut rules);
    rules.issues
}

fn board(board: &Board, rules: &mut Rules) {
    for (key, chip, drives) in
        [("dac", board.dac, true), ("input_dac", board.input_dac, true), ("adc", board.adc, false)]
    {
        let kind = chip.kind();
        if kind.is_dac() != drives {
            let names = ChipKind::NAMES.iter().filter(|(kind, _)| kind.is_dac() == drives);
            let allowed = names.map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
            let (is, wants) = if drives { ("an ADC", "a DAC") } else { ("a DAC", "an ADC") };
            let title = format!("`board.{key}` is \"{}\", {is}: {wants} belongs there", name_of(kind));
            rules.push(Issue::at(&format!("board.{key}"), title).allowed(allowed));
        }
    }
    rules.range("board.spi_mhz", board.spi_mhz, 0.1..=50.0, "MHz");
    rules.range("board.gap_ns", board.gap_ns, 0..=1_000_000, "ns");
}

fn name_of(kind: ChipKind) -> &'static str {
    ChipKind::NAMES.iter().find(|(other, _)| *other == kind).map_or("", |(_, name)| name)
}
