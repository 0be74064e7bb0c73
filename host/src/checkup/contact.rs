//! The port and the first exchange: what the system says of the one, and what an error says of both.

use std::path::Path;

use super::{
    Finding,
    port::{Access, Holder, PortFacts, System},
};
use crate::{config::Port, device::DeviceError};

/// Name of the check of the port.
pub(super) const PORT: &str = "port";
/// Name of the check of the first exchange.
pub(super) const EXCHANGE: &str = "first exchange";
/// Name of the check for other programs that have the port open.
pub(super) const OTHERS: &str = "other programs";

/// Largest delay of an FTDI adapter that is none, milliseconds.
const QUICK_MS: u32 = 1;

/// What there is to say about a port before it is opened: what it is, and what will slow it down or disturb it.
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

/// What the error of a first contact says: about the port if it is the port, about the exchange otherwise.
pub(super) fn of_error(error: &DeviceError, system: &System, port: &Port, baud: u32) -> Finding {
    let message = error.to_string();
    let path = match port {
        Port::Serial(path) => Some(path.as_path()),
        _ => None,
    };
    match error {
        DeviceError::NoPort { path, available } => {
            let here = if available.is_empty() { "none".into() } else { available.join(", ") };
            Finding::failed(
                PORT,
                format!("there is no port {}; serial ports here: {here}", path.display()),
                "the system has not seen the device",
                "plug it in and power it, then look at `ls -l /dev/serial/by-id`; a device that is plugged in and not \
                 listed there leaves its reason in `sudo dmesg | tail`",
            )
        }
        DeviceError::Permission { path } => of_permission(path, system.look(path).access.as_ref()),
        DeviceError::Busy { path } => {
            let holders = system.look(path).holders;
            let (by, next) = if holders.is_empty() {
                ("another program".into(), format!("`sudo fuser -v {}` names it; close it", path.display()))
            } else {
                (named(&holders), "close it, or stop the service that started it".into())
            };
            Finding::failed(
                PORT,
                format!("{} is in use by {by}", path.display()),
                "only one program can talk to a device",
                next,
            )
        }
        DeviceError::NotAPort { path, reason } => Finding::failed(
            PORT,
            format!("{} is not a serial port ({reason})", path.display()),
            "nothing can be sent there",
            "give the path of a serial port (`ls -l /dev/serial/by-id`), `tcp://HOST:PORT` or `sim`",
        ),
        DeviceError::NoListener { place, reason } => Finding::failed(
            PORT,
            format!("nothing answers at {place} ({reason})"),
            "nobody listens at that address",
            "start the device's server (`xyloop sim serve --tcp` for a simulated one), or check address and firewall",
        ),
        DeviceError::TurnedAway { place } => Finding::failed(
            PORT,
            format!("{place} closed the connection at once"),
            "it is in use by another host, or it is no xyloop device",
            "end the other host's run and try again",
        ),
        DeviceError::NotADevice { waited, received, bad, echoed, first, .. } => {
            of_silence(Heard { waited: *waited, received: *received, bad: *bad, echoed: *echoed, first }, path, baud)
        }
        DeviceError::Version { ours, theirs, .. } => Finding::failed(
            EXCHANGE,
            format!("the device speaks wire version {theirs}, this program version {ours}"),
            "neither can read what the other says",
            "install the firmware that belongs to this program, or the program that belongs to the firmware",
        ),
        DeviceError::Schema { ours, theirs, .. } => Finding::failed(
            EXCHANGE,
            format!("the device knows other messages (schema {theirs:016x}) than this program (schema {ours:016x})"),
            "a message would be taken for another one",
            "flash firmware built from the same release as this program",
        ),
        DeviceError::Open { .. } | DeviceError::NothingToSimulate | DeviceError::Embedded(_) => {
            Finding::failed(PORT, message, "the way to the device cannot be opened", "see to the reason given")
        }
        _ => Finding::failed(
            EXCHANGE,
            message,
            "a device that stops in the first exchange will not carry a run",
            "power-cycle the device and try again; `--trace FILE` and `xyloop device trace FILE` show what was said",
        ),
    }
}

/// What came instead of an answer.
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
        return Finding::failed(EXCHANGE, found, "a device answers within milliseconds", next);
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
        "give the rig file with the device's rate (`device.serial.baud`; `--config RIG --set rig.device.serial.baud=…` \
         tries another one); if that is right, it is another device"
    } else {
        "check that the address is that of an xyloop device"
    };
    Finding::failed(EXCHANGE, found, "either end's baud rate is another one, or it is another device", next)
}

fn of_permission(path: &Path, access: Option<&Access>) -> Finding {
    let shown = path.display();
    let (found, next) = match access {
        Some(Access { group, mode, in_session: false }) if mode & 0o060 == 0o060 => (
            format!(
                "no permission to open {shown}: it belongs to group `{group}` (mode {mode:o}), which you are not in"
            ),
            format!("sudo usermod -aG {group} $USER, then log out and in again"),
        ),
        Some(Access { group, mode, .. }) => (
            format!("no permission to open {shown}: group `{group}` may not write to it (mode {mode:o})"),
            format!("let a udev rule give it MODE=\"0660\", or for now: sudo chmod g+rw {shown}"),
        ),
        None => (
            format!("no permission to open {shown}"),
            format!("`ls -l {shown}` shows the group that may; add yourself to it"),
        ),
    };
    Finding::failed(PORT, found, "a program has the rights of the user who starts it", next)
}

fn named(holders: &[Holder]) -> String {
    let each: Vec<String> =
        holders.iter().map(|holder| format!("`{}` (process {})", holder.name, holder.pid)).collect();
    each.join(", ")
}

/// Bytes as they can be shown: text in quotes, the rest as numbers.
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
