//! Which values a rig file may hold.

use super::report::Issue;
use super::rig::{Geometry, Lattice, Rig};
use super::rules::{Rules, positive};

/// A read-out of all sites, I and Q, must fit the longest message of the wire.
const SITES_MAX: usize = 16_000;
/// Beyond this a lattice is a typing error rather than a rig (a dense one of 2 897 sites).
const COUPLINGS_MAX: usize = 4_194_304;

/// Everything that can be said about a rig by itself.
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
    rules.range("converters.coupling_range", converters.coupling_range, positive(1e6), "(model units)");
    rules.range("converters.field_range", converters.field_range, positive(1e6), "(model units)");
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
                .label("1 to 64 bytes")
                .help("`xyloop device info` shows it between the device's model and its firmware"),
        );
    }
    let plant = &rig.plant;
    rules.seed("plant.seed", plant.seed);
    rules.range("plant.threads", plant.threads, 0..=1024, "(0 = one per core)");
    rules.range("plant.replicas", plant.replicas, 1..=4096, "copies of the lattice");
    rules.range("plant.phase_diffusion_rad2_per_s", plant.phase_diffusion_rad2_per_s, 0.0..=1e9, "rad²/s");
    rules.range("plant.iq_noise", plant.iq_noise, 0.0..=1.0, "of full scale");
    if rig.lattice.geometry == Geometry::Layered {
        layered(&rig.lattice, &mut rules);
    } else {
        grid(&rig.lattice, &mut rules);
    }
    rules.issues
}

fn layered(lattice: &Lattice, rules: &mut Rules) {
    let given = [
        ("rows", lattice.rows.is_some()),
        ("columns", lattice.columns.is_some()),
        ("offsets", !lattice.offsets.is_empty()),
        ("inputs", !lattice.inputs.is_empty()),
        ("outputs", !lattice.outputs.is_empty()),
    ];
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        let issue = Issue::at(&format!("lattice.{key}"), format!("`lattice.{key}` has no meaning in a layered rig"));
        let issue = issue.also("lattice.geometry", "layered: the first layer is the inputs, the last the outputs");
        rules.push(issue.help(format!("remove `{key}` and give `layers = [4, 12, 3]`, or choose another geometry")));
    }
    if lattice.layers.len() < 2 || lattice.layers.len() > 256 {
        let title = format!("`lattice.layers` has {} layers: allowed are 2 to 256", lattice.layers.len());
        rules.push(Issue::at("lattice.layers", title).help("e.g. layers = [4, 12, 3]: inputs, hidden, outputs"));
    }
    for (nth, sites) in lattice.layers.iter().enumerate() {
        rules.range(&format!("lattice.layers.{nth}"), *sites, 1..=SITES_MAX, "sites");
    }
    let sites = lattice.layers.iter().fold(0_usize, |sum, n| sum.saturating_add(*n));
    let couplings = lattice.layers.windows(2).fold(0_usize, |sum, w| sum.saturating_add(w[0].saturating_mul(w[1])));
    size("lattice.layers", sites, couplings, rules);
}

fn grid(lattice: &Lattice, rules: &mut Rules) {
    let name = lattice.geometry.name();
    if !lattice.layers.is_empty() {
        let issue = Issue::at("lattice.layers", format!("`lattice.layers` has no meaning with geometry \"{name}\""));
        rules.push(issue.help("remove it, or write geometry = \"layered\""));
    }
    for (key, value) in [("rows", lattice.rows), ("columns", lattice.columns)] {
        rules.range_if(&format!("lattice.{key}"), value, 1..=1024, "");
        if value.is_none() {
            let issue = Issue::at("lattice", format!("`{key}` is missing in [lattice]"));
            rules.push(issue.help(format!("geometry \"{name}\" is a grid: add e.g. {key} = 15")));
        }
    }
    let (Some(rows), Some(columns)) = (lattice.rows, lattice.columns) else {
        return;
    };
    offsets(lattice, rows, columns, rules);
    terminals(lattice, rows, columns, rules);
    let sites = rows.saturating_mul(columns);
    let per_site = match lattice.geometry {
        Geometry::AllToAll => sites.saturating_sub(1).div_ceil(2),
        Geometry::Offsets => lattice.offsets.len(),
        _ => 10,
    };
    size("lattice.rows", sites, sites.saturating_mul(per_site), rules);
}

fn size(path: &str, sites: usize, couplings: usize, rules: &mut Rules) {
    if sites > SITES_MAX {
        let title =
            format!("the lattice has {sites} sites: allowed are at most {SITES_MAX} (a read-out must fit one message)");
        rules.push(Issue::at(path, title).help("make it smaller"));
    } else if couplings > COUPLINGS_MAX {
        let title = format!("the lattice has about {couplings} couplings: allowed are at most {COUPLINGS_MAX}");
        rules.push(Issue::at(path, title).help("make it smaller, or couple fewer sites"));
    }
}

fn offsets(lattice: &Lattice, rows: usize, columns: usize, rules: &mut Rules) {
    if lattice.geometry != Geometry::Offsets {
        if !lattice.offsets.is_empty() {
            let title = format!("`lattice.offsets` has no meaning with geometry \"{}\"", lattice.geometry.name());
            rules.push(Issue::at("lattice.offsets", title).help("remove it, or write geometry = \"offsets\""));
        }
        return;
    }
    if lattice.offsets.is_empty() || lattice.offsets.len() > 256 {
        let title = format!("`lattice.offsets` has {} entries: allowed are 1 to 256", lattice.offsets.len());
        let issue = Issue::at("lattice.offsets", title);
        rules.push(issue.help("e.g. offsets = [[0, 1], [1, 0]] is the square lattice; one of each ± pair"));
    }
    for (nth, &(down, right)) in lattice.offsets.iter().enumerate() {
        let path = format!("lattice.offsets.{nth}");
        let opposite = (down.checked_neg(), right.checked_neg());
        let same = |&(d, r): &(i32, i32)| (d, r) == (down, right) || (Some(d), Some(r)) == opposite;
        if (down, right) == (0, 0) {
            rules.push(Issue::at(&path, "offset [0, 0] would couple every site to itself").help("remove it"));
        } else if down.unsigned_abs() as usize >= rows || right.unsigned_abs() as usize >= columns {
            let title = format!("offset [{down}, {right}] couples nothing on {rows} rows and {columns} columns");
            rules.push(Issue::at(&path, title).help("remove it, or make the lattice larger"));
        } else if let Some(first) = lattice.offsets[..nth].iter().position(same) {
            let issue =
                Issue::at(&path, format!("offset [{down}, {right}] is given twice: the opposite counts as the same"));
            rules.push(issue.also(&format!("lattice.offsets.{first}"), "first here").help("give one of each ± pair"));
        }
    }
}

fn terminals(lattice: &Lattice, rows: usize, columns: usize, rules: &mut Rules) {
    let mut taken: Vec<((usize, usize), &str, String)> = Vec::new();
    for (kind, key, sites) in [("input", "inputs", &lattice.inputs), ("output", "outputs", &lattice.outputs)] {
        if sites.is_empty() {
            let place = format!("lattice.{key}");
            let issue = Issue::at(&place, format!("`lattice.{key}` is empty: at least one {kind} site is needed"));
            rules.push(issue.help(format!("e.g. {key} = [[7, 9]], as [row, column] from 0")));
        }
        for (nth, &(row, column)) in sites.iter().enumerate() {
            let path = format!("lattice.{key}.{nth}");
            let mut inside = true;
            for (axis, what, value, count) in [(0, "row", row, rows), (1, "column", column, columns)] {
                if value >= count {
                    inside = false;
                    let allowed = format!("{what}s are 0..={}", count.saturating_sub(1));
                    let title = format!("{what} {value} of {kind} [{row}, {column}]: {allowed}");
                    let issue = Issue::at(&format!("{path}.{axis}"), title).label(allowed);
                    rules.push(issue.help(format!("the lattice is {rows} rows by {columns} columns, counted from 0")));
                }
            }
            if let Some((_, first_kind, first)) = taken.iter().find(|(site, ..)| *site == (row, column)) {
                let title = if *first_kind == kind {
                    format!("{kind} [{row}, {column}] is listed twice")
                } else {
                    format!("site [{row}, {column}] is an {first_kind} and an {kind}")
                };
                let issue = Issue::at(&path, title).also(first, format!("first here, as an {first_kind}"));
                rules.push(issue.help("every terminal is a site of its own: change or remove one of the two"));
            } else if inside {
                taken.push(((row, column), kind, path));
            }
        }
    }
}
