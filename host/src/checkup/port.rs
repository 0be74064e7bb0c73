//! What the system knows of a port, found out without opening it: who may, who has it open, which adapter it is.
//!
//! Opening a serial port can reset a board; reading files about it cannot.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::config::Port;

/// Says where the system's own files are looked for: `/proc`, `/sys`, `/etc/group` and `/run/udev` below a root.
#[derive(Clone, Debug)]
pub struct System {
    root: PathBuf,
}

impl Default for System {
    fn default() -> Self {
        Self::below("/")
    }
}

/// Holds what is known of a port. What a system does not tell is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PortFacts {
    /// The device node itself, symbolic links followed.
    pub node: PathBuf,
    /// Set if it is a pseudo-terminal.
    pub is_pty: bool,
    /// Who may open it, if it is there.
    pub access: Option<Access>,
    /// Programs that have it open, as far as the user may know.
    pub holders: Vec<Holder>,
    /// How long an FTDI adapter collects bytes before it hands them on, milliseconds.
    pub latency_ms: Option<u32>,
    /// Vendor and product id of the USB device behind it.
    pub usb: Option<(String, String)>,
    /// `ModemManager` runs and has not been told to leave this port alone.
    pub is_probed: bool,
}

impl PortFacts {
    /// Returns the node's last part, such as `ttyUSB0`.
    pub fn name(&self) -> String {
        self.node.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Says who may open a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    /// Its group, by name if it has one.
    pub group: String,
    /// Its permission bits.
    pub mode: u32,
    /// Set if the group's members include this process.
    pub in_session: bool,
}

/// Names a program that has a port open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// Number of the process.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl System {
    /// Looks below another root than `/`.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Finds out what there is to know of a port.
    pub(super) fn look(&self, port: &Path) -> PortFacts {
        let node = fs::canonicalize(port).unwrap_or_else(|_| port.to_owned());
        let is_pty = node.starts_with("/dev/pts") || cfg!(target_os = "macos") && is_mac_pty(&node);
        let mut facts = PortFacts { access: self.access(&node), holders: self.holders(&node), ..PortFacts::default() };
        (facts.node, facts.is_pty) = (node, is_pty);
        let name = facts.name();
        facts.latency_ms = self.number(&format!("sys/bus/usb-serial/devices/{name}/latency_timer"));
        facts.usb = self.usb(&name);
        facts.is_probed = name.starts_with("ttyACM") && self.runs("ModemManager") && !self.is_left_alone(&name);
        facts
    }

    /// Returns the rate of a port in bits per second, if it is one that has a rate; `baud` is what it is set to, 0 if it is left
    /// alone.
    pub fn line_rate(&self, port: &Port, baud: u32) -> Option<u32> {
        match port {
            Port::Serial(path) if baud > 0 && !self.look(path).is_pty => Some(baud),
            _ => None,
        }
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok().map(|text| text.trim().to_owned())
    }

    fn number(&self, path: &str) -> Option<u32> {
        self.text(path)?.parse().ok()
    }

    #[cfg(unix)]
    fn access(&self, node: &Path) -> Option<Access> {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata(node).ok()?;
        let groups = self.text("etc/group").unwrap_or_default();
        let named = groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(found.gid())).then(|| name.to_owned())
        });
        let status = self.text("proc/self/status").unwrap_or_default();
        let mut of_session = status
            .lines()
            .filter_map(|line| line.strip_prefix("Groups:").or_else(|| line.strip_prefix("Gid:")))
            .flat_map(str::split_whitespace);
        Some(Access {
            group: named.unwrap_or_else(|| format!("number {}", found.gid())),
            mode: found.mode() & 0o777,
            in_session: of_session.any(|gid| gid.parse() == Ok(found.gid())),
        })
    }

    #[cfg(not(unix))]
    fn access(&self, _: &Path) -> Option<Access> {
        None
    }

    /// Lists processes by number, with their folders.
    fn processes(&self) -> Vec<(u32, PathBuf)> {
        let Ok(entries) = fs::read_dir(self.root.join("proc")) else { return Vec::new() };
        let numbered = entries.flatten().filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, entry.path()))
        });
        let mut processes: Vec<_> = numbered.collect();
        processes.sort_unstable();
        processes
    }

    /// Finds out who has it open. A program that serves a pseudo-terminal keeps both ends open and is not meant.
    fn holders(&self, node: &Path) -> Vec<Holder> {
        let mut holders = Vec::new();
        for (pid, folder) in self.processes() {
            let Ok(entries) = fs::read_dir(folder.join("fd")) else { continue };
            let open: Vec<PathBuf> = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
            let serves = open.iter().any(|path| path.ends_with("ptmx"));
            if pid != std::process::id() && !serves && open.iter().any(|path| path == node) {
                holders.push(Holder { pid, name: process_name(&folder) });
            }
        }
        holders
    }

    fn runs(&self, name: &str) -> bool {
        self.processes().iter().any(|(_, folder)| process_name(folder) == name)
    }

    fn usb(&self, name: &str) -> Option<(String, String)> {
        // The port belongs to an interface, or to a port of one; the interface belongs to the USB device.
        ["..", "../.."].iter().find_map(|up| {
            let of = |file: &str| self.text(&format!("sys/class/tty/{name}/device/{up}/{file}"));
            Some((of("idVendor")?, of("idProduct")?))
        })
    }

    /// Says if a udev rule has told `ModemManager` to leave the port alone.
    fn is_left_alone(&self, name: &str) -> bool {
        let number = self.text(&format!("sys/class/tty/{name}/dev")).unwrap_or_default();
        let known = self.text(&format!("run/udev/data/c{number}")).unwrap_or_default();
        known.lines().any(|line| line == "E:ID_MM_DEVICE_IGNORE=1" || line == "E:ID_MM_PORT_IGNORE=1")
    }
}

fn is_mac_pty(node: &Path) -> bool {
    node.to_string_lossy().starts_with("/dev/ttys")
}

fn process_name(folder: &Path) -> String {
    fs::read_to_string(folder.join("comm")).map_or_else(|_| "?".into(), |name| name.trim().to_owned())
}
