//! Made-up systems, and errors of first contacts.

use std::{fs, path::PathBuf, time::Duration};

use super::*;
use crate::checkup::Verdict;

/// A made-up system with one port in it.
struct MadeUp {
    folder: tempfile::TempDir,
    port: PathBuf,
}

impl MadeUp {
    fn new(name: &str) -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        // As the system names it: the folder for temporary files may be a link.
        let port = folder.path().canonicalize()?.join("dev").join(name);
        let made = Self { folder, port };
        made.write(&format!("dev/{name}"), "")?;
        Ok(made)
    }

    fn write(&self, path: &str, text: &str) -> std::io::Result<()> {
        let path = self.folder.path().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)
    }

    /// A process that has the port open, and other things.
    fn process(&self, pid: u32, name: &str, open: &[&Path]) -> std::io::Result<()> {
        self.write(&format!("proc/{pid}/comm"), &format!("{name}\n"))?;
        let descriptors = self.folder.path().join(format!("proc/{pid}/fd"));
        fs::create_dir_all(&descriptors)?;
        for (number, target) in open.iter().enumerate() {
            std::os::unix::fs::symlink(target, descriptors.join(number.to_string()))?;
        }
        Ok(())
    }

    fn system(&self) -> System {
        System::below(self.folder.path())
    }

    fn findings(&self) -> Vec<Finding> {
        port_findings(&self.system(), &Port::Serial(self.port.clone()), 921_600)
    }

    fn finding(&self, check: &str) -> Option<Finding> {
        self.findings().into_iter().find(|finding| finding.check == check)
    }

    fn of_error(&self, error: &DeviceError) -> Finding {
        of_error(error, &self.system(), &Port::Serial(self.port.clone()), 921_600)
    }
}

#[track_caller]
fn expect(finding: &Finding, verdict: Verdict, words: &[&str]) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    let said = format!("{} | {} | {}", finding.found, finding.why, finding.next);
    for word in words {
        assert!(said.contains(word), "`{word}` is missing: {said}");
    }
}

#[test]
fn a_port_about_which_nothing_is_known_is_just_a_port() -> std::io::Result<()> {
    let system = MadeUp::new("ttyS3")?;
    let findings = system.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    expect(&findings[0], Verdict::Ok, &["ttyS3", "serial port at 921600 bits/s"]);
    Ok(())
}

#[test]
fn a_slow_latency_timer_is_told_of_with_the_command_that_sets_it() -> std::io::Result<()> {
    let system = MadeUp::new("ttyUSB4")?;
    let timer = "sys/bus/usb-serial/devices/ttyUSB4/latency_timer";
    assert_eq!(system.finding("latency timer"), None, "no FTDI adapter");
    system.write(timer, "16\n")?;
    let command = format!("echo 1 | sudo tee /{timer}");
    expect(&system.finding("latency timer").unwrap_or_else(none), Verdict::Warning, &["16 ms", &command]);
    system.write(timer, "1\n")?;
    expect(&system.finding("latency timer").unwrap_or_else(none), Verdict::Ok, &["1 ms"]);
    // The same port under the name that people should use.
    let by_id = system.folder.path().join("by-id");
    std::os::unix::fs::symlink(&system.port, &by_id)?;
    system.write(timer, "16\n")?;
    let findings = port_findings(&system.system(), &Port::Serial(by_id), 0);
    expect(&findings[1], Verdict::Warning, &[&command]);
    Ok(())
}

fn none() -> Finding {
    Finding::ok("none", "nothing was found")
}

#[test]
fn modem_manager_is_told_of_where_it_runs_and_may_probe() -> std::io::Result<()> {
    let system = MadeUp::new("ttyACM1")?;
    system.process(77, "bash", &[])?;
    assert_eq!(system.finding("modem manager"), None);
    system.process(78, "ModemManager", &[])?;
    let found = system.finding("modem manager").unwrap_or_else(none);
    expect(&found, Verdict::Warning, &["KERNEL==\"ttyACM1\"", "ENV{ID_MM_DEVICE_IGNORE}=\"1\"", "udevadm"]);
    system.write("sys/class/tty/ttyACM1/idVendor", "0483\n")?;
    system.write("sys/class/tty/ttyACM1/idProduct", "5740\n")?;
    system.write("sys/class/tty/ttyACM1/device/driver", "")?;
    let found = system.finding("modem manager").unwrap_or_else(none);
    expect(&found, Verdict::Warning, &["ATTRS{idVendor}==\"0483\", ATTRS{idProduct}==\"5740\""]);
    expect(&system.findings()[0], Verdict::Ok, &["USB 0483:5740"]);
    // With the rule in place udev says so.
    system.write("sys/class/tty/ttyACM1/dev", "166:1\n")?;
    system.write("run/udev/data/c166:1", "S:serial/by-id/x\nE:ID_MM_DEVICE_IGNORE=1\n")?;
    assert_eq!(system.finding("modem manager"), None);
    let other = MadeUp::new("ttyS0")?;
    other.process(78, "ModemManager", &[])?;
    assert_eq!(other.finding("modem manager"), None, "it does not probe these");
    Ok(())
}

#[test]
fn who_has_the_port_open_is_named() -> std::io::Result<()> {
    let system = MadeUp::new("ttyUSB0")?;
    let busy = || system.of_error(&DeviceError::Busy { path: system.port.clone() });
    expect(&busy(), Verdict::Failed, &["in use by another program", "sudo fuser -v"]);
    system.process(1234, "minicom", &[Path::new("/dev/null"), &system.port])?;
    system.process(1235, "cat", &[Path::new("/dev/ttyUSB1")])?;
    // Who serves a pseudo-terminal holds both of its ends.
    system.process(1236, "server", &[Path::new("/dev/ptmx"), &system.port])?;
    let found = busy();
    expect(&found, Verdict::Failed, &["`minicom` (process 1234)"]);
    assert!(!found.found.contains("cat") && !found.found.contains("server"), "{found:?}");
    expect(&system.finding("other programs").unwrap_or_else(none), Verdict::Warning, &["`minicom` (process 1234)"]);
    Ok(())
}

#[test]
fn the_group_that_may_is_named_with_the_command_that_joins_it() -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let system = MadeUp::new("ttyUSB0")?;
    let mode = |mode| fs::set_permissions(&system.port, fs::Permissions::from_mode(mode));
    let denied = || system.of_error(&DeviceError::Permission { path: system.port.clone() });
    let gid = fs::metadata(&system.port)?.gid();
    system.write("etc/group", &format!("root:x:{}:\ndialout:x:{gid}:amelia\n", gid + 1))?;
    system.write("proc/self/status", &format!("Name:\tx\nGid:\t{0}\t{0}\nGroups:\t{0} \n", gid + 7))?;
    mode(0o660)?;
    expect(&denied(), Verdict::Failed, &["group `dialout` (mode 660)", "sudo usermod -aG dialout $USER"]);
    // Who is in the group already, or could not write as a member, is told something else.
    mode(0o600)?;
    expect(&denied(), Verdict::Failed, &["`dialout` may not write", "MODE=\"0660\""]);
    system.write("proc/self/status", &format!("Groups:\t4 {gid} 27\n"))?;
    mode(0o660)?;
    assert!(!denied().next.contains("usermod"), "{:?}", denied());
    Ok(())
}

/// What came instead of a valid answer.
fn not_a_device(first: &[u8], echoed: u32) -> DeviceError {
    let received = first.len() as u64;
    let (place, waited) = ("there".into(), Duration::from_secs(2));
    DeviceError::NotADevice { place, waited, received, bad: 3, echoed, first: first.to_vec() }
}

#[test]
fn silence_rubbish_text_and_an_echo_are_told_apart() -> std::io::Result<()> {
    let system = MadeUp::new("ttyUSB0")?;
    let heard = |first: &[u8], echoed| system.of_error(&not_a_device(first, echoed));
    expect(&heard(b"", 0), Verdict::Failed, &["silence", "power", "cable"]);
    expect(&heard(b"\xfe\x00\x81", 0), Verdict::Failed, &["at 921600 bits/s", "fe 00 81", "device.serial.baud"]);
    expect(&heard(b"login: ", 0), Verdict::Failed, &["\"login: \"", "text", "firmware"]);
    expect(&heard(b"\x00\x01", 2), Verdict::Failed, &["an echo", "loopback"]);
    let tcp = of_error(&not_a_device(b"", 0), &system.system(), &Port::Tcp("h:1".into()), 921_600);
    assert!(tcp.next.contains("address") && !tcp.next.contains("cable"), "{tcp:?}");
    Ok(())
}
