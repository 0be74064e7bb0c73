//! What a device said, in words: refusals, states, why it started.

use xyloop_protocol::{
    codec::Codec,
    message::{BootCause, Fault, Reason, Refusal, SafeCause, State},
};

/// Puts a refusal in words.
pub(super) fn refusal(refusal: &Refusal) -> String {
    let detail = refusal.detail;
    match refusal.reason {
        Reason::Malformed => format!("it could not decode a message of {detail} bytes"),
        Reason::OutOfRange => format!("a number is beyond its limit of {detail}"),
        Reason::Busy => format!("{detail} shots are still queued or running"),
        Reason::NotStaged => format!("generation {detail} is staged, not the one named"),
        Reason::CrcMismatch => format!("the staged codes have CRC {detail:08x}, not the one named"),
        Reason::WrongGeneration => format!("it holds generation {detail}"),
        Reason::NotReady => "its outputs are safe and no generation is latched".into(),
        Reason::NoPlan => "it has no plan for the shot".into(),
        Reason::BadPlan if detail == 255 => "the settle policy, the number of reads or the kick makes no sense".into(),
        Reason::BadPlan => format!("segment {detail} of the plan is not allowed there"),
        Reason::Full => format!("all its {detail} shot slots are taken"),
        Reason::OldShot => format!("shot ids must ascend, the last one was {detail}"),
        Reason::Faulted => {
            let faults = [Fault::Converter, Fault::Board, Fault::Plant, Fault::Link];
            let fault = faults.into_iter().find(|fault| *fault as u64 == detail);
            let fault = fault.map_or_else(|| "unknown".into(), |fault| format!("{fault:?}").to_lowercase());
            format!("a fault is latched ({fault}), outputs are safe")
        }
        Reason::NoCodec => format!("it does not offer this codec (its set is {detail:#b})"),
    }
}

/// Returns a codec as it is written in an experiment file.
pub(super) fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Words => "words",
        Codec::Delta => "delta",
    }
}

/// Puts in words why a device started, and what its firmware left behind before that, on one line.
pub fn boot_in_words(cause: BootCause, note: &str) -> String {
    let cause = match cause {
        BootCause::Unknown => "cause unknown",
        BootCause::PowerOn => "power-on",
        BootCause::Pin => "reset pin",
        BootCause::Asked => "asked for",
        BootCause::Watchdog => "watchdog",
        BootCause::Panic => "panic",
        BootCause::HardFault => "hard fault",
        BootCause::BrownOut => "brown-out",
    };
    // A note is what a failing device wrote: no line ends, nor anything a terminal would obey.
    let note = note.replace(char::is_control, " ");
    match note.trim() {
        "" => cause.into(),
        note => format!("{cause}: {note}"),
    }
}

/// Puts a device's state in words.
pub fn state_in_words(state: &State) -> String {
    match state {
        State::Boot => "booting".into(),
        State::Safe(SafeCause::Reset) => "safe (since reset)".into(),
        State::Safe(SafeCause::Asked) => "safe (as asked)".into(),
        State::Safe(SafeCause::Deadman) => "safe (the host was silent)".into(),
        State::Safe(SafeCause::Cleared) => "safe (a fault was cleared)".into(),
        State::Ready => "ready".into(),
        State::Running => "running".into(),
        State::Faulted(fault) => format!("faulted ({fault:?})").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_said_on_one_line_whatever_was_left_behind() {
        assert_eq!(boot_in_words(BootCause::Watchdog, ""), "watchdog");
        assert_eq!(boot_in_words(BootCause::Panic, "at a.rs:12:5:\nindex 7"), "panic: at a.rs:12:5: index 7");
        assert_eq!(boot_in_words(BootCause::BrownOut, "\u{1b}[2J\r\n"), "brown-out: [2J");
        assert_eq!(boot_in_words(BootCause::HardFault, " \0\n"), "hard fault");
    }
}
