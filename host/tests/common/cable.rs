//! The line between host and device: both directions at their rate, with faults, cuts at a number of frames, and ears and
//! a mouth for whoever else is on it. Who reads and writes at its ends is told elsewhere.

use std::{collections::VecDeque, task::Waker};

use xyloop_protocol::{
    fault::{Faults, Line},
    link::Role,
};

/// How fast a line is.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Bits per second.
    pub baud: u64,
    /// From one end to the other.
    pub delay_us: u64,
}

impl Speed {
    /// A serial line on the bench.
    pub const BENCH: Self = Self { baud: 3_000_000, delay_us: 200 };
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection ends, and the device notices (a socket).
    HangUp,
    /// The host's end goes, the device is told nothing (a USB adapter).
    Unplug,
    /// The device restarts, the line stays.
    Reboot,
    /// The device restarts, and the line ends.
    PowerCycle,
}

impl Cut {
    pub const ALL: [Self; 4] = [Self::HangUp, Self::Reboot, Self::Unplug, Self::PowerCycle];
}

/// What the device is still to be told of a cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum News {
    #[default]
    None,
    HangUp,
    Reboot,
}

/// One direction.
struct Direction {
    line: Line,
    /// A frame has begun to arrive.
    inside: bool,
    /// What its sender has written since recording began.
    recorded: Option<Vec<u8>>,
    /// What somebody else says to its reader.
    played: Vec<u8>,
}

pub struct Cable {
    speed: Speed,
    /// What the host writes, what the device writes.
    directions: [Direction; 2],
    /// Names the connection that is open, or was the last.
    connection: u64,
    is_open: bool,
    /// Whole frames that arrived, at either end.
    frames: usize,
    /// What happens when so many frames have arrived, as the next one does.
    cuts: VecDeque<(usize, Cut)>,
    news: News,
    /// Who waits at the host's end.
    host: Option<Waker>,
}

impl Cable {
    pub fn new(speed: Speed) -> Self {
        let direction = |sender| Direction {
            line: Line::new(speed.baud, speed.delay_us, &Faults::default(), sender),
            inside: false,
            recorded: None,
            played: Vec::new(),
        };
        Self {
            speed,
            directions: [Role::Host, Role::Device].map(direction),
            connection: 0,
            is_open: false,
            frames: 0,
            cuts: VecDeque::new(),
            news: News::None,
            host: None,
        }
    }

    fn direction(&mut self, sender: Role) -> &mut Direction {
        &mut self.directions[usize::from(sender == Role::Device)]
    }

    pub fn frames(&self) -> usize {
        self.frames
    }

    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Whether this connection still is.
    pub fn carries(&self, connection: u64) -> bool {
        self.is_open && self.connection == connection
    }

    pub fn set_faults(&mut self, faults: &Faults) {
        let Speed { baud, delay_us } = self.speed;
        for sender in [Role::Host, Role::Device] {
            self.direction(sender).line = Line::new(baud, delay_us, faults, sender);
        }
    }

    pub fn set_deaf(&mut self, deaf: bool) {
        for direction in &mut self.directions {
            direction.line.unplugged = deaf;
        }
    }

    /// Something goes wrong when so many more frames have arrived, and again so many frames after that.
    pub fn cut_after(&mut self, cuts: &[(usize, Cut)]) {
        let mut at = self.frames;
        for (frames, cut) in cuts {
            at += frames;
            self.cuts.push_back((at, *cut));
        }
    }

    /// A new connection, in the place of the one that was.
    pub fn open(&mut self) {
        self.close();
        self.connection += 1;
        self.is_open = true;
    }

    pub fn cut(&mut self, cut: Cut) {
        if cut != Cut::Reboot {
            self.close();
        }
        match cut {
            // A device that restarts need not be told of the line.
            Cut::HangUp if self.news == News::None => self.news = News::HangUp,
            Cut::HangUp | Cut::Unplug => {}
            Cut::Reboot | Cut::PowerCycle => self.news = News::Reboot,
        }
    }

    /// What was under way is lost.
    fn close(&mut self) {
        self.is_open = false;
        for direction in &mut self.directions {
            direction.line.reconnect();
            direction.inside = false;
        }
        self.wake_host();
    }

    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    pub fn wait_at_the_host(&mut self, waker: &Waker) {
        self.host = Some(waker.clone());
    }

    pub fn wake_host(&mut self) {
        if let Some(waker) = self.host.take() {
            waker.wake();
        }
    }

    /// When this end can write again; at once where nobody is at the other one.
    pub fn writable_at_us(&mut self, sender: Role) -> u64 {
        self.direction(sender).line.writable_at_us()
    }

    /// Takes what this end writes; it is lost if the line is not open.
    pub fn write(&mut self, sender: Role, now_us: u64, bytes: &[u8]) {
        let is_open = self.is_open;
        let direction = self.direction(sender);
        if let Some(recorded) = &mut direction.recorded {
            recorded.extend_from_slice(bytes);
        }
        if is_open {
            direction.line.write(now_us, bytes);
            if direction.line.is_cut() {
                self.cut(Cut::HangUp);
            }
            self.wake_host();
        }
    }

    /// When the other end has something to read.
    pub fn next_arrival_us(&mut self, sender: Role) -> Option<u64> {
        let direction = self.direction(sender);
        if direction.played.is_empty() { direction.line.next_arrival_us() } else { Some(0) }
    }

    /// What has arrived at the other end, piece by piece.
    pub fn take(&mut self, sender: Role, now_us: u64) -> Option<Vec<u8>> {
        let direction = self.direction(sender);
        if !direction.played.is_empty() {
            return Some(std::mem::take(&mut direction.played));
        }
        let mut piece = direction.line.take(now_us)?;
        for (place, &byte) in piece.iter().enumerate() {
            let frames = self.frames;
            if let Some((_, cut)) = self.cuts.pop_front_if(|(at, _)| *at <= frames) {
                self.cut(cut);
                // What was to come in this piece is lost in any case.
                piece.truncate(place);
                break;
            }
            let direction = self.direction(sender);
            let ended = byte == 0 && direction.inside;
            direction.inside = byte != 0;
            self.frames += usize::from(ended);
        }
        Some(piece)
    }

    /// From now on, what both ends write is kept.
    pub fn record(&mut self) {
        for direction in &mut self.directions {
            direction.recorded = Some(Vec::new());
        }
    }

    pub fn recorded(&mut self, sender: Role) -> Vec<u8> {
        self.direction(sender).recorded.clone().unwrap_or_default()
    }

    /// Another mouth on the line: the other end hears it as if this one had written it, in front of what comes next.
    pub fn play(&mut self, sender: Role, bytes: &[u8]) {
        self.direction(sender).played.extend_from_slice(bytes);
        self.wake_host();
    }
}
