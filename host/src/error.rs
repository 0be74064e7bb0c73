//! What every error of this library can be asked beside its message: of which kind it is ([`ErrorKind`]), and what is to
//! be done about it ([`Advice`]).
//!
//! An error's `Display` states the cause in one sentence and nothing else. Its `kind()` is for programs: they choose an
//! exit code or an exception by it. Its `advice()` is for people. The library does not know how the program around it is
//! called or which options it has: where the next step is something that a program can offer, the advice names it as an
//! [`Action`], and the program says how it is done there.

use std::borrow::Cow;

/// Says of which kind an error is. The list is closed: every error of this library is of one of these kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The caller asked for something that does not exist or cannot be: a wrong path, a wrong name.
    Usage,
    /// A file or a setting is refused.
    Config,
    /// A device refuses, is faulted, breaks the protocol, or is not the one that is wanted.
    Device,
    /// The way to a device: it cannot be opened, was lost, or nobody answers.
    Link,
    /// A file cannot be written or read.
    Storage,
    /// Training or measuring came to an end without a result, though device, line and disk work.
    Measurement,
    /// A stop was asked for.
    Interrupted,
    /// This library, or the program that uses it, contradicts itself.
    Internal,
}

/// Explains an error to the person who has to deal with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Says why it matters, or where it comes from: a clause without a full stop.
    pub why: Cow<'static, str>,
    /// Says what to do: a clause without a full stop. It names keys of configuration files, never a program's options.
    pub next: Cow<'static, str>,
    /// Names what the program around this library can offer beside that.
    pub action: Option<Action>,
}

impl Advice {
    /// Makes an advice of both clauses.
    pub fn new(why: impl Into<Cow<'static, str>>, next: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), next: next.into(), action: None }
    }

    /// Adds what the program can offer.
    #[must_use]
    pub fn with(self, action: Action) -> Self {
        Self { action: Some(action), ..self }
    }
}

/// Names a next step that the program around this library can offer: a command, a button, a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Shows what the device at a place says of itself.
    ShowDevice {
        /// Where it is: `sim`, `tcp://HOST:PORT` or a serial port.
        place: String,
    },
    /// Clears the latched fault of the device at a place.
    ClearFault {
        /// Where it is.
        place: String,
    },
    /// Serves a simulated device on a TCP port.
    ServeSimulated,
    /// Names the rig file: what is asked needs one, or could be compared with one.
    NameRig,
    /// Tries another rate of the serial line (`device.serial.baud` of the rig file).
    TryRate,
    /// Records what goes over the line, and shows it.
    RecordLine,
}
