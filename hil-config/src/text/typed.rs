//! From a parsed tree to typed settings: keys, types and finite numbers, with messages a person can act on.
//!
//! What serde reports is translated here: "expected u32" becomes "a whole number", an unknown key gets its nearest
//! neighbour. Ranges and everything that spans several values come later, in the `*_rules` modules.

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeValue;

use super::device::Device;
use super::document::Document;
use super::error::ConfigError;
use super::issue::{Issue, show};
use super::refuse::{refusal, refuse};
use super::rig::{Converters, Plant, Timing};
use super::spelling::nearest;
use super::training::Train;

/// Reads a document as `T`. Refuses `nan` and `inf` by name, unknown keys, wrong types and wrong shapes.
pub(super) fn read<T>(document: &Document<'_>) -> Result<T, ConfigError>
where
    T: Serialize + DeserializeOwned,
{
    refuse(&not_finite(document), document, None)?;
    let tree = Spanned::new(0..0, document.root.clone());
    let value = T::deserialize(toml::Deserializer::from(tree))
        .map_err(|error| refusal(&translate(&error, document), document))?;
    refuse(&misshapen(&value, document), document, None)?;
    Ok(value)
}

fn not_finite(document: &Document<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    document.walk(|path, _, value| {
        let written = match value.get_ref() {
            DeValue::Float(float) => float.as_str(),
            _ => return,
        };
        if !written.parse::<f64>().is_ok_and(f64::is_finite) {
            let issue = Issue::at(path, format!("{} is `{written}`: only finite numbers are allowed", show(path)));
            issues.push(
                issue.help(
                    "`nan` and `inf` are refused everywhere; leave the key out to get its default, if it has one",
                ),
            );
        }
    });
    issues
}

/// Finds what serde lets through although nobody means it: tables written as arrays, by position, and pairs with a third entry.
fn misshapen<T: Serialize>(value: &T, document: &Document<'_>) -> Vec<Issue> {
    let Ok(shape) = toml::Table::try_from(value) else {
        return Vec::new();
    };
    let shape = toml::Value::Table(shape);
    let mut issues = Vec::new();
    document.walk(|path, _, node| {
        let DeValue::Array(written) = node.get_ref() else {
            return;
        };
        let understood = path.split('.').try_fold(&shape, |at, key| match at {
            toml::Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            at => at.get(key),
        });
        match understood {
            Some(toml::Value::Table(_)) => {
                let issue = Issue::at(path, format!("{} is an array, a table is expected", show(path)));
                issues.push(issue.help(format!("write it as `[{path}]` with one `key = value` per line")));
            }
            Some(toml::Value::Array(items)) if items.len() != written.len() => {
                let (wanted, found) = (items.len(), written.len());
                let issue = Issue::at(path, format!("{} has {found} entries, {wanted} are expected", show(path)));
                issues.push(issue.help("sites are [row, column], offsets [rows down, columns right]"));
            }
            _ => {}
        }
    });
    issues
}

fn translate(error: &toml::de::Error, document: &Document<'_>) -> Issue {
    let message = error.message();
    let path = error.span().and_then(|span| document.path_at(&span)).unwrap_or_default();
    let issue = |title: String| match error.span() {
        Some(span) if !path.is_empty() => Issue::spanned(span, title),
        _ => Issue::at("", title),
    };

    if let Some((key, allowed)) = named(message, "unknown field `") {
        let table = path.rsplit_once('.').map_or("", |(table, _)| table);
        let place = if table.is_empty() { "at the top of the file".to_owned() } else { format!("in [{table}]") };
        let title = format!("unknown key `{key}` {place}");
        let keys = allowed.join(", ");
        let issue = issue(title).choices("allowed keys here", keys);
        return match (nearest(key, allowed.iter().copied()), home_of(key)) {
            (Some(near), _) => issue.guess(format!("did you mean `{near}`?")),
            (None, Some(home)) => issue.guess(format!("`{key}` belongs in [{home}]")),
            (None, None) => issue,
        };
    }
    if let Some((found, allowed)) = named(message, "unknown variant `") {
        let choices = allowed.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let marked = issue(format!("{} cannot be \"{found}\"", show(&path))).choices("allowed", choices);
        return match nearest(found, allowed.iter().copied()) {
            Some(near) => marked.guess(format!("did you mean \"{near}\"?")),
            None => marked,
        };
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let place = if path.is_empty() { String::new() } else { format!(" in [{path}]") };
        let missing = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        return issue(format!("`{key}` is missing{place}")).about(missing).help(missing_help(&path, key));
    }
    if let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .or_else(|| message.strip_prefix("invalid length "))
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        let found = found.strip_prefix("map").map_or(found, |_| "a table");
        let found = if found == "sequence" { "an array" } else { found };
        let found = if message.starts_with("invalid length") { format!("{found} numbers") } else { found.to_owned() };
        let wanted = in_words(expected);
        let issue = issue(format!("{}: found {found}, expected {wanted}", show(&path)));
        if found.starts_with("string") && wanted.contains("number") {
            return issue.help("write the number alone: its unit is part of the key's name");
        }
        return issue;
    }
    if message == "wanted string or table" {
        return issue(format!("{}: expected a name in quotes", show(&path)));
    }
    if path.is_empty() { issue(message.to_owned()) } else { issue(format!("{}: {message}", show(&path))) }
}

/// Takes "unknown field `x`, expected one of `a`, `b`" apart.
fn named<'m>(message: &'m str, start: &str) -> Option<(&'m str, Vec<&'m str>)> {
    // A key may hold backquotes itself, so the word ends at the last ", expected" or ", there are no".
    let rest = message.strip_prefix(start)?;
    let (word, expected) = rest.rsplit_once("`, expected ").or_else(|| rest.rsplit_once("`, there are "))?;
    Some((word, expected.split('`').skip(1).step_by(2).collect()))
}

fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 up, without quotes",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number, without quotes",
        "f32" | "f64" => "a number, without quotes",
        "a string" | "path string" => "a string in quotes",
        "a boolean" => "true or false",
        "a sequence" => "an array, e.g. [[5, 5], [9, 5]]",
        "a tuple of size 2" => "two whole numbers, [row, column]",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// Finds the table in which a key is at home, for keys written one table too high or too low.
fn home_of(key: &str) -> Option<String> {
    fn find(table: &toml::Table, name: &str, key: &str) -> Option<String> {
        if table.contains_key(key) {
            return Some(name.to_owned());
        }
        table.iter().find_map(|(below, value)| find(value.as_table()?, &format!("{name}.{below}"), key))
    }
    let tables = [
        ("train", toml::Table::try_from(Train::default())),
        ("converters", toml::Table::try_from(Converters::default())),
        ("timing", toml::Table::try_from(Timing::default())),
        ("device", toml::Table::try_from(Device::default())),
        ("plant", toml::Table::try_from(Plant::default())),
    ];
    tables.iter().find_map(|(name, table)| find(table.as_ref().ok()?, name, key))
}

fn missing_help(table: &str, key: &str) -> String {
    let example = match (table, key) {
        ("", "settle") => "add [settle] with min_us, window_us, tolerance_rad and timeout_us",
        ("", "kick") => "add [kick] with range (model units) and duration_us",
        ("", "task") => "add [task] with kind = \"xor\" or kind = \"iris\"",
        ("", "lattice") => "add [lattice] with geometry, rows, columns, inputs and outputs",
        ("", "rig") => "name the rig file, e.g. rig = \"rigs/xor-15x15-4nsq.toml\", relative to this file",
        ("", "name") => "add a short name at the top, e.g. name = \"my-first\"",
        ("lattice", "geometry") => "add e.g. geometry = \"4nsq\"",
        _ => {
            return format!("add a line `{key} = …`; the ready-made files in hil-config/ show usual values");
        }
    };
    example.to_owned()
}
