//! What a device says of itself, judged: identity, wiring, limits, state; and what the exchange showed of link and clock.

use serde_json::json;
use xyloop_protocol::{
    codec::Codec,
    message::{BootCause, Limits, SafeCause, State, Status},
};

use super::{
    finding::Finding,
    subject::Subject,
    trips::{Quantiles, Trip, clock_rate},
};
use crate::{
    device::{DeviceError, Identity, LinkFigures, WHY_OTHER_DEVICE, WHY_WIRING, boot_in_words, state_in_words},
    error::Action,
};

/// Time between two keep-alives of a host, milliseconds.
const KEEPALIVE_MS: u16 = 50;
/// Keep-alives that may be lost before outputs go safe.
const KEEPALIVES: u16 = 4;
/// Equilibria of a symmetric training shot: free, nudged, released, nudged.
const EQUILIBRIA: u32 = 4;
/// A line that damages this percentage of its frames crawls soon.
const BAD_PERCENT: u64 = 1;
/// Repeats may also come from a host or device that was held up: only many of them tell of a line.
const RESENT_PERCENT: u64 = 10;
/// A single bad frame says nothing.
const BAD_MIN: u64 = 2;
/// Largest deviation of a device's clock.
const CLOCK_PERCENT: f64 = 2.0;

/// Says who it is.
pub(super) fn identity(identity: &Identity, status: &Status) -> Finding {
    let Identity { vendor, model, serial, firmware, boot_id, .. } = identity;
    let up = status.uptime_us as f64 / 1e6;
    Finding::ok(
        "identity",
        format!("{vendor} {model}, number `{serial}`, firmware {firmware}, boot id {boot_id:08x}, up {up:.1} s"),
    )
    .with(json!({
        "vendor": vendor, "model": model, "serial": serial, "firmware": firmware, "boot_id": format!("{boot_id:08x}"),
    }))
}

/// Says why it started: a firmware that came to an end by itself did so for a reason.
pub(super) fn boot(cause: BootCause, note: &str) -> Finding {
    let (check, found) = ("boot", boot_in_words(cause, note));
    let finding = match cause {
        BootCause::Unknown | BootCause::PowerOn | BootCause::Pin | BootCause::Asked => Finding::ok(check, &found),
        BootCause::BrownOut => Finding::warning(
            check,
            &found,
            "it restarted because its supply sagged",
            "check supply, cable and hub; a run goes on by itself, only slower",
        ),
        BootCause::Watchdog | BootCause::Panic | BootCause::HardFault => Finding::warning(
            check,
            &found,
            "its firmware came to an end by a mistake of its own, and restarted with safe outputs",
            "report what it left behind, with the firmware's version; power-cycle the device to forget it",
        ),
    };
    finding.with(json!({ "cause": cause, "note": note }))
}

/// Judges if it is the one that the rig file wants.
pub(super) fn serial_number(subject: &Subject<'_>, theirs: &str) -> Finding {
    let check = "serial number";
    match subject.rig.as_ref().map(|rig| (rig.file.display(), &rig.wanted.serial_number)) {
        Some((file, Some(ours))) if ours != theirs => Finding::failed(
            check,
            format!("the device is `{theirs}`, {file} wants `{ours}`"),
            WHY_OTHER_DEVICE,
            format!("connect `{ours}`, or write serial_number = \"{theirs}\" in [device] of {file}"),
        ),
        Some((file, Some(_))) => Finding::ok(check, format!("`{theirs}`, as {file} wants it")),
        _ => Finding::ok(
            check,
            format!("`{theirs}`; with serial_number = \"{theirs}\" in [device] of the rig file no other one will do"),
        ),
    }
}

/// Judges if it is wired as the rig file says.
pub(super) fn wiring(subject: &Subject<'_>, theirs: u64, limits: &Limits) -> Finding {
    let (check, Limits { sites, couplings, inputs, outputs, .. }) = ("wiring", limits);
    let theirs_is = format!("{sites} sites, {couplings} couplings, {inputs} inputs, {outputs} outputs");
    let Some(rig) = &subject.rig else {
        let found = format!("{theirs:016x} ({theirs_is}); there is no rig file to compare it with");
        return Finding::ok(check, found).offering(Action::NameRig);
    };
    let (file, wanted) = (rig.file.display(), &rig.wanted);
    let ours = wanted.wiring_hash;
    if ours == theirs {
        return Finding::ok(check, format!("{theirs:016x} ({theirs_is}), as {file} says"));
    }
    let same_size = wanted.array == theirs_is;
    Finding::failed(
        check,
        format!(
            "the device says {theirs:016x} ({theirs_is}), rig `{}` says {ours:016x} ({})",
            wanted.rig, wanted.array
        ),
        WHY_WIRING,
        if same_size {
            format!("the sizes agree: compare converters (bits, ranges), offsets and the order of terminals in {file}")
        } else {
            format!("give the rig file that describes this device, or correct [lattice] in {file}")
        },
    )
}

/// Judges if it can take what a training asks for.
pub(super) fn limits(subject: &Subject<'_>, limits: &Limits) -> Vec<Finding> {
    let needed = EQUILIBRIA * 2 * u32::from(limits.sites);
    let held = limits.result_bytes;
    let results = if held >= needed {
        Finding::ok(
            "results",
            format!("{held} B a shot, {needed} B are needed for {EQUILIBRIA} equilibria of all sites"),
        )
    } else {
        Finding::warning(
            "results",
            format!("{held} B a shot, {needed} B are needed for {EQUILIBRIA} equilibria of all sites"),
            "a symmetric training shot that reads all phases is refused",
            "build firmware with larger slots, read only outputs, or train with nudge mode one-sided or linear-response",
        )
    };
    let (slots, busy) = (limits.shot_slots, limits.replicas.max(1).saturating_mul(2));
    let found = format!("{slots} shots held, {} run at the same time", limits.replicas);
    let slots = match slots {
        0 => Finding::failed("slots", found, "no shot can be run", "build firmware with shot slots"),
        slots if slots < busy => Finding::warning(
            "slots",
            found,
            "with fewer than two slots for each shot that runs, the array waits for the line after every shot",
            format!("build firmware with {busy} slots or more"),
        ),
        _ => Finding::ok("slots", found),
    };
    vec![results, slots, deadman(subject, limits.deadman_ms), codecs(limits)]
}

fn deadman(subject: &Subject<'_>, deadman_ms: u16) -> Finding {
    let (check, least) = ("deadman", KEEPALIVES * KEEPALIVE_MS);
    let found = format!("outputs go safe after {deadman_ms} ms without a host");
    let wanted = subject.rig.as_ref().map(|rig| (rig.deadman_ms, rig.file.display()));
    match wanted {
        _ if deadman_ms < least => Finding::warning(
            check,
            format!("{found}, keep-alives come every {KEEPALIVE_MS} ms"),
            "a few that are late or lost stop the run",
            format!("build firmware with a deadman of {least} ms or more"),
        ),
        Some((ours_ms, file)) if u32::from(deadman_ms) > ours_ms => Finding::warning(
            check,
            format!("{found}, {file} says {ours_ms} ms"),
            "a host that vanished drives the array for longer than was planned",
            format!(
                "build firmware with the deadman of the rig file, or write what is true in timing.deadman_ms of {file}"
            ),
        ),
        _ => Finding::ok(check, found),
    }
}

fn codecs(limits: &Limits) -> Finding {
    Finding::ok(
        "codecs",
        if limits.codecs.offers(Codec::Delta) {
            "words and delta: on a serial line, codec = \"delta\" in [link] of the experiment file saves half the bytes"
        } else {
            "words only: leave codec = \"words\" in [link] of the experiment file"
        },
    )
}

/// Says how it is, and what others have left on it.
pub(super) fn state(place: &str, status: &Status) -> Vec<Finding> {
    let (check, words) = ("state", state_in_words(&status.state));
    let (generation, stops) = (status.generation.number, status.counts.deadman);
    let found = format!("{words}, generation {generation}, {stops} deadman stops since it started");
    let of_state = match status.state {
        State::Faulted(_) => {
            let fault = DeviceError::Fault { place: place.to_owned(), state: status.state };
            Finding::of_error(check, found, fault.advice())
        }
        State::Boot => Finding::warning(
            check,
            found,
            "it has not finished starting",
            "try again in a second; a device that stays like this did not get through its self-test",
        ),
        State::Safe(SafeCause::Deadman) => {
            Finding::ok(check, format!("{found}; the last host left without a word, the next one arms it again"))
        }
        State::Ready | State::Running => {
            Finding::ok(check, format!("{found}; outputs are driven until this host leaves"))
        }
        State::Safe(_) => Finding::ok(check, found),
    };
    let mut findings = vec![of_state.with(json!(status))];
    let (pending, finished) = (status.shots_pending, status.shots_unretired);
    if pending > 0 || finished > 0 {
        findings.push(Finding::warning(
            "shots",
            format!(
                "{finished} shots whose results nobody has taken, {pending} under way, the last one {}",
                status.last_shot
            ),
            "an earlier host left before it had logged them; a new training drops them",
            "start the next training: it begins with an empty device",
        ));
    }
    findings
}

/// Counts what happened on the line during the round trips, at both ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    /// Good frames received here, data frames sent from here.
    pub frames: (u64, u64),
    /// Damaged frames here, and at the device.
    pub bad: [u64; 2],
    /// Frames sent again from here, and from the device.
    pub resent: [u64; 2],
}

impl Traffic {
    /// Counts between two looks at both ends.
    pub fn between(before: (&LinkFigures, &Status), after: (&LinkFigures, &Status)) -> Self {
        let ((from, their_from), (to, their_to)) = (before, after);
        let grown = |now: u64, then: u64| now.saturating_sub(then);
        let (theirs, before) = (&their_to.link, &their_from.link);
        Self {
            frames: (grown(to.frames.0, from.frames.0), grown(to.frames.1, from.frames.1)),
            bad: [grown(to.bad_frames, from.bad_frames), grown(theirs.bad_frames, before.bad_frames)],
            resent: [grown(to.resends, from.resends), grown(theirs.resends, before.resends)],
        }
    }
}

/// Judges how good the line is.
pub(super) fn link(asked: usize, quantiles: &Quantiles, traffic: &Traffic, deadman_ms: u16) -> Finding {
    let Traffic { frames: (received, sent), bad: [bad_here, bad_there], resent: [ours, theirs] } = *traffic;
    let count = quantiles.count;
    let found = format!(
        "{count} round trips: {}; {bad_here} bad frames here, {bad_there} there; {ours} resent from here, {theirs} from there",
        quantiles.in_words()
    );
    let beyond =
        |part: u64, all: u64, percent: u64| part >= BAD_MIN && part.saturating_mul(100) >= all.saturating_mul(percent);
    let is_bad =
        beyond(bad_here, received.saturating_add(bad_here), BAD_PERCENT) || beyond(bad_there, sent, BAD_PERCENT);
    let repeats = beyond(ours, sent, RESENT_PERCENT) || beyond(theirs, received, RESENT_PERCENT);
    let finding = if is_bad {
        Finding::warning(
            "link",
            found,
            "nothing measured is lost by it, but every damaged frame costs a wait: a run crawls",
            "check cable, connectors and ground, shorten the line, or lower the baud rate at both ends",
        )
    } else if repeats {
        Finding::warning(
            "link",
            found,
            "frames vanish without a trace, or an end is too busy to answer in time: a run crawls",
            "check cable and adapter, and what else keeps this computer or a server in between busy",
        )
    } else if quantiles.worst_us.saturating_sub(quantiles.p50_us) >= 500 * u64::from(deadman_ms) {
        Finding::warning(
            "link",
            found,
            format!("the device goes safe after {deadman_ms} ms of silence: pauses like the longest one stop shots"),
            "find what holds up the line (a VPN, a busy computer, power saving of a USB port), or give the device a longer \
             deadman",
        )
    } else if count < asked {
        Finding::warning(
            "link",
            format!("{found}; {asked} were to be made in that time"),
            "a step of training takes at least one of them",
            "raise the baud rate at both ends, or use a shorter way to the device",
        )
    } else {
        Finding::ok("link", found)
    };
    finding.with(json!({
        "round_trips": quantiles, "frames_received": received, "data_frames_sent": sent,
        "bad_frames_here": bad_here, "bad_frames_there": bad_there, "resent_here": ours, "resent_there": theirs,
    }))
}

/// Judges if its clock agrees with ours.
pub(super) fn clock(trips: &[Trip]) -> Finding {
    let check = "clock";
    let why = "settle times and the deadman are counted by the device's clock";
    if trips.windows(2).any(|pair| pair[1].uptime_us < pair[0].uptime_us) {
        return Finding::failed(
            check,
            "the device's clock went back while it was examined",
            why,
            "its clock overflows or was set: see to the firmware's time base",
        );
    }
    let Some((slowest, fastest)) = clock_rate(trips) else {
        return Finding::ok(check, "one answer is too little to judge it");
    };
    let percent = |rate: f64| 100.0 * (rate - 1.0);
    let (slow, fast) = (percent(slowest), percent(fastest));
    let found = format!("between {slow:+.1} and {fast:+.1} % of this computer's clock");
    let finding = if slow > CLOCK_PERCENT || fast < -CLOCK_PERCENT {
        Finding::warning(
            check,
            found,
            why,
            "check the crystal and clock settings of the board, and `tau_us` against a time that was measured otherwise",
        )
    } else {
        Finding::ok(check, found)
    };
    finding.with(json!({ "percent_from": slow, "percent_to": fast }))
}

#[cfg(test)]
mod tests;
