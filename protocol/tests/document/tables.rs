//! What the tables of the document must say: taken from the types and the constants.

use std::fmt::Write;

use postcard_schema::{
    Schema,
    schema::{DataModelType, DataModelVariant, NamedType},
};
use xyloop_protocol::{
    frame::{CRC_LEN, HEADER_LEN, WIRE_VERSION},
    greeting::Greeting,
    link::{Config, FRAME_STORAGE_MIN, GREETING_MAX, MESSAGE_MAX},
    message::{CONTRAST_FRACTION_BITS, Equilibrium, Event, MAX_SEGMENTS, Request},
    units::Flags,
};

type Rows = Vec<(String, String)>;

/// Every struct and enum of the messages with the first two columns of its table.
pub fn types() -> Vec<(String, Rows)> {
    let mut found = Vec::new();
    for root in [Request::SCHEMA, Event::SCHEMA, Equilibrium::SCHEMA] {
        collect(root, &mut found);
    }
    found
}

fn collect(of: &'static NamedType, found: &mut Vec<(String, Rows)>) {
    if found.iter().any(|(name, _)| name == of.name) {
        return;
    }
    match of.ty {
        DataModelType::Struct(fields) => {
            let rows = fields.iter().map(|field| (field.name.to_owned(), type_name(field.ty))).collect();
            found.push((of.name.to_owned(), rows));
            for field in *fields {
                collect(field.ty, found);
            }
        }
        DataModelType::Enum(variants) => {
            let rows = variants.iter().enumerate().map(|(number, variant)| {
                let data = match variant.ty {
                    DataModelVariant::UnitVariant => String::new(),
                    DataModelVariant::NewtypeVariant(inner) => format!("({})", type_name(inner)),
                    DataModelVariant::StructVariant(fields) => {
                        let fields: Vec<String> =
                            fields.iter().map(|field| format!("{}: {}", field.name, type_name(field.ty))).collect();
                        format!(" {{ {} }}", fields.join(", "))
                    }
                    DataModelVariant::TupleVariant(_) => panic!("{}: describe tuples first", of.name),
                };
                (number.to_string(), format!("{}{data}", variant.name))
            });
            found.push((of.name.to_owned(), rows.collect()));
            for variant in *variants {
                if let DataModelVariant::NewtypeVariant(inner) = variant.ty {
                    collect(inner, found);
                }
            }
        }
        DataModelType::Tuple(parts) => parts.iter().for_each(|part| collect(part, found)),
        _ => {}
    }
}

fn type_name(of: &NamedType) -> String {
    match of.ty {
        DataModelType::Tuple(parts) => {
            assert!(parts.iter().all(|part| part == &parts[0]), "only arrays are described");
            format!("[{}; {}]", type_name(parts[0]), parts.len())
        }
        DataModelType::String => "str".into(),
        DataModelType::ByteArray => "bytes".into(),
        _ => of.name.to_owned(),
    }
}

pub fn flags() -> String {
    let mut text = String::from("| bit | flag | value |\n|---|---|---|\n");
    for (bit, (flag, name)) in Flags::NAMES.iter().enumerate() {
        writeln!(text, "| {bit} | {name} | {} |", flag.0).unwrap();
        assert_eq!(flag.0, 1 << bit);
    }
    text
}

pub fn constants() -> String {
    let (host, device) = (Config::host(), Config::device());
    let ms = |host_us: u32, device_us: u32| {
        let (host_ms, device_ms) = (host_us / 1000, device_us / 1000);
        if host_ms == device_ms { format!("{host_ms} ms") } else { format!("host {host_ms} ms, device {device_ms} ms") }
    };
    let rows = [
        ("wire version", WIRE_VERSION.to_string()),
        ("keep-alive after silence", ms(host.keepalive_us, device.keepalive_us)),
        ("Open repeated every", ms(host.open_interval_us, host.open_interval_us)),
        ("resend time-out before the first round trip", ms(host.rto_initial_us, device.rto_initial_us)),
        ("least slack of the resend time-out", ms(host.rto_min_us, device.rto_min_us)),
        ("bound of the doubled resend time-out", ms(host.rto_max_us, device.rto_max_us)),
        ("`max_payload` unless configured", host.max_payload.to_string()),
        ("bytes of a header; of the CRC", format!("{HEADER_LEN}; {CRC_LEN}")),
        ("longest greeting", format!("{GREETING_MAX} bytes")),
        ("longest payload of Open and Accept", format!("{} bytes", FRAME_STORAGE_MIN - HEADER_LEN - CRC_LEN)),
        ("longest serial number in a greeting", format!("{} bytes", Greeting::SERIAL_MAX)),
        ("longest message any session can carry", format!("{MESSAGE_MAX} bytes")),
        ("segments of a plan", MAX_SEGMENTS.to_string()),
        ("one unit of a contrast sum", format!("2^-{CONTRAST_FRACTION_BITS}")),
    ];
    let mut text = String::from("| what | value |\n|---|---|\n");
    for (what, value) in rows {
        writeln!(text, "| {what} | {value} |").unwrap();
    }
    text
}
