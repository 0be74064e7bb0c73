//! The port and the first exchange: what the system says of the one, and what an error says of both.

use std::path::Path;

use super::{
    finding::Finding,
    port::{Access, Holder, PortFacts, System},
};
use crate::{
    config::Port,
    device::{DeviceError, WHY_SILENCE},
    error::{Action, ErrorKind},
};

/// Name of the check of the port.
pub(super) const PORT: &str = "port";
/// Name of the check of the first exchange.
pub(super) const EXCHANGE: &str = "first exchange";
/// Name of the check for other programs that have the port open.
pub(super) const OTHERS: &str = "other programs";

/// Largest delay of an FTDI adapter that is none, milliseconds.
const QUICK_MS: u32 = 1;

/// Says what there is to say about a port before it is opened: what it is, and what will slow it down or disturb it.
pub fn port_findings(system: &System, port: &Port, baud: u32) -> Vec<Finding> {
    match port {
        Port::Sim => vec![Finding::ok(PORT, "the embedded simulated device, in this process")],
        Port::Tcp(address) => vec![Finding::ok(PORT, format!("TCP, {address}"))],
        Port::Serial(path) => of_serial(&system.look(path), path, baud),
    }
}

fn of_serial(facts: &PortFacts, path: &Path, baud: u32) -> Vec<Finding> {
    let shown = path.display();
    if facts.is_pty {
        return vec![Finding::ok(PORT, format!("{shown}, a pseudo-terminal"))];
    }
    let usb = facts.usb.as_ref().map_or(String::new(), |(vendor, product)| format!(", USB {vendor}:{product}"));
    let rate = if baud == 0 { "at the rate it is set to".into() } else { format!("at {baud} bits/s") };
    let node = if facts.node == path { String::new() } else { format!(" ({})", facts.node.display()) };
    let mut findings = vec![Finding::ok(PORT, format!("{shown}{node}, a serial port {rate}{usb}"))];
    if !facts.holders.is_empty() {
        findings.push(Finding::warning(
            OTHERS,
            format!("{shown} is open in {}, too", named(&facts.holders)),
            "two programs that read one port take each other's bytes",
            "close it, or stop the service that started it",
        ));
    }
    if let Some(latency_ms) = facts.latency_ms {
        let (check, name) = ("latency timer", facts.name());
        let found = format!("the adapter hands bytes on after {latency_ms} ms at the latest");
        findings.push(if latency_ms <= QUICK_MS {
            Finding::ok(check, found)
        } else {
            Finding::warning(
                check,
                found,
                format!("every answer waits for it: a round trip takes {latency_ms} ms whatever the baud rate"),
                format!("echo 1 | sudo tee /sys/bus/usb-serial/devices/{name}/latency_timer"),
            )
        });
    }
    if facts.is_probed {
        let of_device = facts.usb.as_ref().map_or_else(
            || format!("KERNEL==\"{}\"", facts.name()),
            |(vendor, product)| format!("ATTRS{{idVendor}}==\"{vendor}\", ATTRS{{idProduct}}==\"{product}\""),
        );
        findings.push(Finding::warning(
            "modem manager",
            "ModemManager runs and may take the port for a modem",
            "for some seconds after the device was plugged in it writes to the port and holds it",
            format!(
                "put `{of_device}, ENV{{ID_MM_DEVICE_IGNORE}}=\"1\"` into /etc/udev/rules.d/99-xyloop.rules, \
                 then `sudo udevadm control --reload` and plug the device in again"
            ),
        ));
    }
    findings
}

/// Says what the error of a first contact comes to: a finding about the port if it is the port, about the exchange
/// otherwise. Where the system knows more than the error, the finding has it.
pub(super) fn of_error(error: &DeviceError, system: &System, port: &Port, baud: u32) -> Finding {
    let path = match port {
        Port::Serial(path) => Some(path.as_path()),
        _ => None,
    };
    match error {
        DeviceError::Permission { path } => of_permission(error, path, system.look(path).access.as_ref()),
        DeviceError::Busy { path } => {
            let holders = system.look(path).holders;
            if holders.is_empty() {
                return Finding::of_error(PORT, error.to_string(), error.advice());
            }
            Finding::failed(
                PORT,
                format!("port {} is in use by {}", path.display(), named(&holders)),
                error.advice().why,
                "close it, or stop the service that started it",
            )
        }
        DeviceError::NotADevice { waited, received, bad, echoed, first, .. } => {
            of_silence(Heard { waited: *waited, received: *received, bad: *bad, echoed: *echoed, first }, path, baud)
        }
        _ => Finding::of_error(if is_of_port(error) { PORT } else { EXCHANGE }, error.to_string(), error.advice()),
    }
}

/// Says if the way to the device could not be opened, so that no word was exchanged.
fn is_of_port(error: &DeviceError) -> bool {
    match error {
        DeviceError::Lost { .. } | DeviceError::NoAnswer { .. } => false,
        // A simulated device that did not start is none that could be talked to.
        #[cfg(feature = "embedded")]
        DeviceError::Embedded(_) => true,
        error => matches!(error.kind(), ErrorKind::Link | ErrorKind::Config),
    }
}

/// Holds what came instead of an answer.
#[derive(Clone, Copy)]
struct Heard<'h> {
    waited: std::time::Duration,
    received: u64,
    bad: u32,
    echoed: u32,
    first: &'h [u8],
}

fn of_silence(heard: Heard<'_>, path: Option<&Path>, baud: u32) -> Finding {
    let Heard { waited, received, bad, echoed, first } = heard;
    let is_serial = path.is_some();
    if received == 0 {
        let next = if is_serial {
            "check the device's power, the cable (TX to RX, a ground wire, no charge-only USB cable), and that this is \
             its port"
        } else {
            "check that the address is that of a device, and that the device runs"
        };
        let found = format!("silence: nothing came within {waited:?}");
        return Finding::failed(EXCHANGE, found, WHY_SILENCE, next);
    }
    if echoed > 0 {
        return Finding::failed(
            EXCHANGE,
            format!("an echo: of {received} bytes that came, {echoed} frames were our own"),
            "the line sends back what is written to it",
            "take off a loopback plug, and check that TX and RX do not touch",
        );
    }
    let rate = if is_serial && baud > 0 { format!(" at {baud} bits/s") } else { String::new() };
    let found =
        format!("{received} bytes came{rate}, among them {bad} damaged frames and no valid one: {}", sample(first));
    if is_text(first) {
        let why = "that is text: a console, a boot loader, or an instrument of another kind";
        let next = "check that this is the right port, and that the board runs the xyloop firmware";
        return Finding::failed(EXCHANGE, found, why, next);
    }
    let next = if is_serial {
        "give the rig file with the device's rate (`device.serial.baud`); if that is right, it is another device"
    } else {
        "check that the address is that of an xyloop device"
    };
    let finding =
        Finding::failed(EXCHANGE, found, "either end's baud rate is another one, or it is another device", next);
    if is_serial { finding.offering(Action::TryRate) } else { finding }
}

fn of_permission(error: &DeviceError, path: &Path, access: Option<&Access>) -> Finding {
    let shown = path.display();
    let (found, next) = match access {
        Some(Access { group, mode, in_session: false }) if mode & 0o060 == 0o060 => (
            format!("{error}: it belongs to group `{group}` (mode {mode:o}), which you are not in"),
            format!("sudo usermod -aG {group} $USER, then log out and in again"),
        ),
        Some(Access { group, mode, .. }) => (
            format!("{error}: group `{group}` may not write to it (mode {mode:o})"),
            format!("let a udev rule give it MODE=\"0660\", or for now: sudo chmod g+rw {shown}"),
        ),
        None => return Finding::of_error(PORT, error.to_string(), error.advice()),
    };
    Finding::failed(PORT, found, error.advice().why, next)
}

fn named(holders: &[Holder]) -> String {
    let each: Vec<String> =
        holders.iter().map(|holder| format!("`{}` (process {})", holder.name, holder.pid)).collect();
    each.join(", ")
}

/// Shows bytes as they can be shown: text in quotes, the rest as numbers.
fn sample(bytes: &[u8]) -> String {
    if is_text(bytes) {
        return format!("{:?}", String::from_utf8_lossy(bytes));
    }
    let shown: Vec<String> = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}{}", shown.join(" "), if bytes.len() > 16 { " …" } else { "" })
}

fn is_text(bytes: &[u8]) -> bool {
    // Cut anywhere: the last character may be incomplete, the first bytes may be the rest of one.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    !bytes.is_empty() && bytes.iter().all(is_plain)
}

#[cfg(all(test, unix))]
mod tests;
