//! A Controller over chips that cost nothing, a host's end of the link, and the line between them, in turns as the firmware's
//! main loop takes them. Only the Controller's calls are counted.

use embedded_hal::spi::{Operation, SpiDevice};
use xyloop_firmware::{
    Controller,
    front_end::{FrontEnd, Hardware},
};
use xyloop_protocol::{
    link::Link,
    message::{self, Command, Event, Report, Request},
};

use crate::{
    chips::Chips,
    counter::{Counter, Tally},
};

/// Bytes taken from the line, or given to it, in one turn, as in the firmware.
pub const CHUNK: usize = 512;
/// Longest message of the host.
const MESSAGE: usize = 2048;
/// A turn of a script that does not come to an end.
const MOST_TURNS: u32 = 200_000;

/// What the host has heard since it was last asked.
#[derive(Default)]
pub struct Heard {
    pub done: u32,
    pub equilibria: u32,
    /// Bytes of read-outs, or of sums.
    pub bytes: u32,
    pub sums: u32,
    pub states: u32,
    pub max_message: u16,
}

/// Both ends.
pub struct CountedPair<'a> {
    pub device: Controller<'a, FrontEnd<'a, Chips>>,
    pub host: Link<'a>,
    pub heard: Heard,
    pub now_us: u64,
    counter: Counter,
    session: u32,
    tag: u16,
    /// What the host has to say and the line has not carried yet.
    to_device: &'a mut [u8],
    message: &'a mut [u8],
}

/// Memory for the line and one message.
pub struct Memory {
    line: [u8; 4096],
    message: [u8; MESSAGE],
}

impl Memory {
    pub const fn new() -> Self {
        Self { line: [0; _], message: [0; _] }
    }
}

impl<'a> CountedPair<'a> {
    pub fn new(
        device: Controller<'a, FrontEnd<'a, Chips>>,
        host: Link<'a>,
        counter: Counter,
        memory: &'a mut Memory,
    ) -> Self {
        Self {
            device,
            host,
            heard: Heard::default(),
            now_us: 1_000_000,
            counter,
            session: 0,
            tag: 0,
            to_device: &mut memory.line,
            message: &mut memory.message,
        }
    }

    /// The chips.
    pub fn chips(&mut self) -> &mut Chips {
        self.device.board().hardware()
    }

    /// What a hundred transactions of the bus add to whatever is counted.
    pub fn transactions(&mut self) -> u64 {
        let (tally, mut place) = (Tally::default(), [0; 3]);
        for _ in 0..100 {
            let Self { device, counter, .. } = self;
            let mut chip = device.board().hardware().chip(0);
            let mut operations = [Operation::TransferInPlace(&mut place)];
            let Ok(()) = counter.count(&tally, || chip.transaction(&mut operations));
        }
        tally.instructions()
    }

    /// The host asks for a session and gets it, and hears whatever is offered to it then.
    pub fn connect(&mut self) -> Tally {
        self.session += 1;
        if self.host.connect(self.session, &[], self.now_us).is_err() {
            panic!("a greeting without a byte is not too long");
        }
        let tally = Tally::default();
        self.until(&tally, |pair| pair.host.session() == Some(pair.session));
        self.finish(&tally);
        tally
    }

    /// The host leaves.
    pub fn leave(&mut self) {
        self.host.close();
        self.turns(&Tally::default());
    }

    /// Sends a request, without waiting for the answer.
    pub fn tell(&mut self, command: Command<'_>) {
        self.tag += 1;
        let request = Request { tag: self.tag, command };
        let Some(bytes) = message::encode(&request, self.message) else {
            panic!("a request of the script is too long")
        };
        if let Err(error) = self.host.send(bytes) {
            panic!("the host's link: {error}");
        }
    }

    /// What it takes until a request is done.
    pub fn ask(&mut self, command: Command<'_>) -> Tally {
        let tally = Tally::default();
        self.tell(command);
        self.answered(&tally, 1);
        tally
    }

    /// Runs until so many more requests are done and nobody has anything to say.
    pub fn answered(&mut self, tally: &Tally, requests: u32) {
        self.heard.done = 0;
        self.until(tally, |pair| pair.heard.done >= requests);
        self.finish(tally);
    }

    /// Runs until the host has what it waits for.
    pub fn until(&mut self, tally: &Tally, done: impl Fn(&Self) -> bool) {
        for _ in 0..MOST_TURNS {
            if done(self) {
                return;
            }
            if !self.turn(tally) {
                let next = [self.host.next_wakeup_us(), self.device.next_wakeup_us()].into_iter().flatten().min();
                self.now_us = next.unwrap_or(0).max(self.now_us + 1);
            }
        }
        panic!("the script waits for something that does not come");
    }

    /// Runs until both links hold all that was sent.
    fn finish(&mut self, tally: &Tally) {
        self.until(tally, |pair| pair.host.all_acked() && !pair.device.is_working());
        self.turns(tally);
    }

    /// Turns until nothing moves.
    pub fn turns(&mut self, tally: &Tally) {
        while self.turn(tally) {}
    }

    /// What one poll takes.
    pub fn poll(&mut self, tally: &Tally) {
        let Self { device, counter, now_us, .. } = self;
        counter.count(tally, || device.poll(*now_us));
    }

    /// One turn of the firmware's loop, in which all is carried that the host has to say; whether anything moved.
    fn turn(&mut self, tally: &Tally) -> bool {
        let mut moved = self.device.is_working();
        let mut length = self.host.transmit(self.now_us, self.to_device);
        let mut from = 0;
        loop {
            let Self { device, counter, now_us, to_device, .. } = self;
            let chunk = &to_device[from..length.min(from + CHUNK)];
            moved |= !chunk.is_empty();
            if !chunk.is_empty() {
                counter.count(tally, || device.receive(*now_us, chunk));
            }
            from += chunk.len();
            self.poll(tally);
            moved |= self.carry(tally);
            if from == length {
                (from, length) = (0, self.host.transmit(self.now_us, self.to_device));
                if length == 0 {
                    return moved;
                }
            }
        }
    }

    /// From the device to the host, which listens.
    fn carry(&mut self, tally: &Tally) -> bool {
        let mut moved = false;
        loop {
            let Self { device, counter, now_us, host, .. } = self;
            let mut bytes = [0; CHUNK];
            let length = counter.count(tally, || device.transmit(*now_us, &mut bytes));
            if length == 0 {
                return moved;
            }
            moved = true;
            host.receive(*now_us, &bytes[..length]);
            self.listen();
        }
    }

    fn listen(&mut self) {
        while let Some(bytes) = self.host.front() {
            let Some(event) = message::decode::<Event<'_>>(bytes) else { panic!("the device sent no message") };
            let heard = &mut self.heard;
            match event.report {
                Report::Done => heard.done += 1,
                Report::Refused(refusal) => panic!("refused: {refusal:?}"),
                Report::Identity(identity) => {
                    heard.max_message = identity.limits.max_message;
                    heard.done += 1;
                }
                Report::Status(_) => heard.done += 1,
                Report::State(_) => heard.states += 1,
                Report::Contrast(contrast) => {
                    heard.sums += contrast.count;
                    heard.bytes += contrast.sums.0.len() as u32;
                    assert!(contrast.left_out == 0 && !contrast.saturated, "sums without every shot");
                }
                Report::Equilibria(equilibria) => {
                    for row in equilibria.iter() {
                        let Ok((_, row)) = row else { panic!("damaged rows") };
                        assert!(
                            row.flags.0 == 0 && row.settle_us == crate::script::SETTLED_US,
                            "not as planned: {row:?}"
                        );
                        heard.equilibria += 1;
                        heard.bytes += row.data.0.len() as u32;
                    }
                }
            }
            self.host.pop();
        }
    }
}
