//! Which lattices a rig file may describe: grids with their terminals, layers, planes, and how large they may be.

use xyloop_lattice::GeometryError;

use super::issue::{Issue, show};
use super::lattice::{Geometry, Lattice, PlaneTable};
use super::rig_array::geometry;
use super::rules::Rules;

/// A read-out of all sites, I and Q, must fit the longest message of the wire.
const SITES_MAX: usize = 16_000;
/// Beyond this a lattice is a typing error rather than a rig (a dense one of 2 897 sites).
const COUPLINGS_MAX: usize = 4_194_304;

/// Adds everything that can be said about `[lattice]`.
pub(super) fn check(lattice: &Lattice, rules: &mut Rules) {
    match lattice.geometry {
        Geometry::Layered => layered(lattice, rules),
        Geometry::LocallyConnected => lcl(lattice, rules),
        _ => grid(lattice, rules),
    }
}

/// Keys of `[lattice]` that say nothing about layers or planes: `words` are what the terminals are, and what to give.
fn only(lattice: &Lattice, own_key: &str, words: [&str; 2], rules: &mut Rules) {
    let given = [
        ("rows", lattice.rows.is_some()),
        ("columns", lattice.columns.is_some()),
        ("offsets", !lattice.offsets.is_empty()),
        ("layers", !lattice.layers.is_empty()),
        ("planes", !lattice.planes.is_empty()),
        ("inputs", !lattice.inputs.is_empty()),
        ("outputs", !lattice.outputs.is_empty()),
    ];
    let name = lattice.geometry.name();
    for (key, _) in given.iter().filter(|(key, given)| *given && *key != own_key) {
        let title = format!("`lattice.{key}` has no meaning in {name} rig", name = article(name));
        let issue = Issue::at(&format!("lattice.{key}"), title);
        let issue = issue.also("lattice.geometry", format!("{name}: {}", words[0]));
        rules.push(issue.help(format!("remove `{key}` and give {}, or choose another geometry", words[1])));
    }
}

fn article(name: &str) -> String {
    format!("{} {name}", if name == "lcl" { "an" } else { "a" })
}

fn layered(lattice: &Lattice, rules: &mut Rules) {
    let words = ["the first layer is the inputs, the last the outputs", "`layers = [4, 12, 3]`"];
    only(lattice, "layers", words, rules);
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

fn lcl(lattice: &Lattice, rules: &mut Rules) {
    let words = ["the first plane is the inputs, the last the outputs", "`[[lattice.planes]]` tables"];
    only(lattice, "planes", words, rules);
    let before = rules.issues.len();
    let count = lattice.planes.len();
    if !(2..=256).contains(&count) {
        let title = format!("`lattice.planes` has {count} planes: allowed are 2 to 256");
        let help = "the inputs first, e.g. [[lattice.planes]] with rows = 28 and columns = 28, then planes above them";
        rules.push(Issue::at("lattice.planes", title).help(help));
    }
    for (nth, table) in lattice.planes.iter().enumerate() {
        plane(nth, table, rules);
    }
    if rules.issues.len() > before {
        return;
    }
    // Sizes are in range; whether the planes fit on each other is the lattice's own judgement.
    let geometry = geometry(lattice);
    let sites = geometry.sites();
    match geometry.validate() {
        Err(GeometryError::WindowMismatch { plane, side, has, fits, count, size, stride }) => {
            let path = format!("lattice.planes.{plane}.{side}");
            let title = format!("plane {plane} has {has} {side}, its windows have {fits} places on the {count} below");
            let issue = Issue::at(&path, title);
            let issue = if fits == 0 { issue.label("no window fits") } else { issue.allowed(format!("{fits} {side}")) };
            rules.push(
                issue
                    .also(&format!("lattice.planes.{plane}.window"), format!("window {size}, stride {stride}"))
                    .help("change the plane's size, its window or stride, or write padding = \"same\""),
            );
        }
        Err(GeometryError::TooManyCouplings { couplings }) => size("lattice.planes", sites, couplings, rules),
        Err(other) => rules.push(Issue::at("lattice.planes", other.to_string())),
        Ok(()) => size("lattice.planes", sites, geometry.couplings(), rules),
    }
}

fn plane(nth: usize, table: &PlaneTable, rules: &mut Rules) {
    let path = |key: &str| format!("lattice.planes.{nth}.{key}");
    for (key, value) in [
        ("rows", Some(table.rows)),
        ("columns", Some(table.columns)),
        ("window", table.window),
        ("stride", table.stride),
    ] {
        rules.range_if(&path(key), value, 1..=1024, "");
    }
    let given = [
        ("window", table.window.is_some()),
        ("stride", table.stride.is_some()),
        ("padding", table.padding.is_some()),
        ("inside", table.inside.is_some()),
        ("offsets", !table.offsets.is_empty()),
    ];
    for (key, _) in given.iter().filter(|(_, given)| *given) {
        let (reason, help) = match *key {
            _ if nth == 0 => {
                ("the first plane is the inputs: nothing is below it, and its sites are clamped", "remove it")
            }
            "stride" | "padding" if table.window.is_none() => {
                ("the plane has no window", "remove it, or give the window's side, e.g. window = 5")
            }
            "offsets" if table.inside != Some(Geometry::Offsets) => {
                ("the offsets of a preset are known", "remove it, or write inside = \"offsets\"")
            }
            _ => continue,
        };
        let title = format!("`lattice.planes[{nth}].{key}` has no meaning: {reason}");
        rules.push(Issue::at(&path(key), title).help(help));
    }
    match table.inside {
        Some(name @ (Geometry::AllToAll | Geometry::Layered | Geometry::LocallyConnected)) => {
            let title =
                format!("`lattice.planes[{nth}].inside` is \"{}\": it is for neighbours in a plane", name.name());
            rules.push(Issue::at(&path("inside"), title).help("use sq, triangular, 3nsq, p3nsq, 4nsq or offsets"));
        }
        Some(Geometry::Offsets) => offsets(&path("offsets"), &table.offsets, table.rows, table.columns, rules),
        _ => {}
    }
}

fn grid(lattice: &Lattice, rules: &mut Rules) {
    let name = lattice.geometry.name();
    if !lattice.planes.is_empty() {
        let issue = Issue::at("lattice.planes", format!("`lattice.planes` has no meaning with geometry \"{name}\""));
        rules.push(issue.help("remove it, or write geometry = \"lcl\""));
    }
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
    if lattice.geometry == Geometry::Offsets {
        offsets("lattice.offsets", &lattice.offsets, rows, columns, rules);
    } else if !lattice.offsets.is_empty() {
        let title = format!("`lattice.offsets` has no meaning with geometry \"{name}\"");
        rules.push(Issue::at("lattice.offsets", title).help("remove it, or write geometry = \"offsets\""));
    }
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

fn offsets(at: &str, list: &[(i32, i32)], rows: usize, columns: usize, rules: &mut Rules) {
    if list.is_empty() || list.len() > 256 {
        let title = format!("{} has {} entries: allowed are 1 to 256", show(at), list.len());
        let issue = Issue::at(at, title);
        rules.push(issue.help("e.g. offsets = [[0, 1], [1, 0]] is the square lattice; one of each ± pair"));
    }
    for (nth, &(down, right)) in list.iter().enumerate() {
        let path = format!("{at}.{nth}");
        let opposite = (down.checked_neg(), right.checked_neg());
        let same = |&(d, r): &(i32, i32)| (d, r) == (down, right) || (Some(d), Some(r)) == opposite;
        if (down, right) == (0, 0) {
            rules.push(Issue::at(&path, "offset [0, 0] would couple every site to itself").help("remove it"));
        } else if down.unsigned_abs() as usize >= rows || right.unsigned_abs() as usize >= columns {
            let title = format!("offset [{down}, {right}] couples nothing on {rows} rows and {columns} columns");
            rules.push(Issue::at(&path, title).help("remove it, or make the lattice larger"));
        } else if let Some(first) = list[..nth].iter().position(same) {
            let issue =
                Issue::at(&path, format!("offset [{down}, {right}] is given twice: the opposite counts as the same"));
            rules.push(issue.also(&format!("{at}.{first}"), "first here").help("give one of each ± pair"));
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
                    let issue = Issue::at(&format!("{path}.{axis}"), title).allowed(allowed);
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
