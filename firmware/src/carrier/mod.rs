//! Chips that are elsewhere: every SPI transaction, every edge of a line becomes a message to whoever simulates them.
//!
//! So the drivers and the front end of an emulated board run as they are, over a pipe or a second serial port. Time is the
//! board's own, logical: a wait is over as soon as it is asked for, its microseconds are on the stamps, and the simulated
//! array evolves between stamps only. How fast anything runs cannot change a result.

mod request;

use embedded_hal::{
    delay::DelayNs,
    spi::{ErrorKind, ErrorType, Operation, SpiDevice},
};
use xyloop_protocol::units::ShotId;

pub use self::request::{ACKNOWLEDGEMENT, Line, Malformed, PAYLOAD_MAX, REQUEST_MAX, Request};
use crate::{board::BoardError, front_end::Hardware};

/// A stream of bytes both ways.
pub trait Carrier {
    /// Sends all of it.
    ///
    /// # Errors
    /// If nobody takes it.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Broken>;

    /// Receives as many bytes as `bytes` holds.
    ///
    /// # Errors
    /// If they do not come in a time that the carrier decides.
    fn receive(&mut self, bytes: &mut [u8]) -> Result<(), Broken>;

    /// The same for what answers a greeting: a carrier that says at once that nobody is there may have to ask again until
    /// the other end has opened its side.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    fn receive_greeting(&mut self, bytes: &mut [u8]) -> Result<(), Broken> {
        self.receive(bytes)
    }
}

/// The other end is gone or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl embedded_hal::spi::Error for Broken {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// Messages that nobody waits for are sent together: so many bytes of them at most.
const GATHERED: usize = 2048;

/// How often BUSY is looked at before a conversion counts as stuck.
const LOOKS: u32 = 100;

/// Bytes of an old stream that are skipped in search of the acknowledgement.
const STALE_MAX: usize = 4096;

/// The [`Hardware`] at the other end of a [`Carrier`].
pub struct Remote<C> {
    carrier: C,
    rig_crc: u32,
    gathered: [u8; GATHERED],
    length: usize,
    /// Whether the other end has been greeted and has answered ever since.
    works: bool,
    now_us: u64,
    wait_us: Option<u32>,
}

impl<C: Carrier> Remote<C> {
    /// Chips at the other end of `carrier`, of the rig whose image has this CRC. Nothing is sent before the first reset.
    pub fn new(carrier: C, rig_crc: u32) -> Self {
        Self { carrier, rig_crc, gathered: [0; GATHERED], length: 0, works: false, now_us: 0, wait_us: None }
    }

    /// The board's time, microseconds since its start: waits that were asked for.
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    fn post(&mut self, request: &Request<'_>) -> Result<(), Broken> {
        if !self.works {
            return Err(Broken);
        }
        let mut bytes = [0; REQUEST_MAX];
        let length = request.encode(&mut bytes);
        if length == 0 {
            return Err(Broken);
        }
        if self.length + length > GATHERED {
            self.flush()?;
        }
        self.gathered[self.length..self.length + length].copy_from_slice(&bytes[..length]);
        self.length += length;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Broken> {
        let sent = self.carrier.send(&self.gathered[..self.length]);
        self.length = 0;
        self.works &= sent.is_ok();
        sent
    }

    fn ask(&mut self, request: &Request<'_>, answer: &mut [u8]) -> Result<(), Broken> {
        self.post(request)?;
        self.flush()?;
        let received = self.carrier.receive(answer);
        self.works &= received.is_ok();
        received
    }

    fn line(&mut self, line: Line, high: bool) -> Result<(), Broken> {
        self.post(&Request::Line { line, high, stamp_us: self.now_us })
    }

    fn pulse(&mut self, line: Line) -> Result<(), BoardError> {
        self.line(line, false)
            .and_then(|()| self.line(line, true))
            .and_then(|()| self.flush())
            .map_err(|_| BoardError::Converter)
    }

    /// Says who is there, and waits for the other end behind whatever is left of an earlier stream.
    fn greet(&mut self) -> Result<(), Broken> {
        (self.works, self.length) = (true, 0);
        let mut answer = [0; ACKNOWLEDGEMENT.len()];
        self.post(&Request::Hello)?;
        self.flush()?;
        let received = self.carrier.receive_greeting(&mut answer);
        self.works &= received.is_ok();
        received?;
        for _ in 0..STALE_MAX {
            if answer == ACKNOWLEDGEMENT {
                return self.post(&Request::Rig(self.rig_crc));
            }
            answer.rotate_left(1);
            let last = answer.len() - 1;
            let received = self.carrier.receive(&mut answer[last..]);
            self.works &= received.is_ok();
            received?;
        }
        self.works = false;
        Err(Broken)
    }
}

impl<C: Carrier> Hardware for Remote<C> {
    type Spi<'a>
        = Chip<'a, C>
    where
        Self: 'a;
    type Delay = NoDelay;

    fn chip(&mut self, address: u8) -> Chip<'_, C> {
        Chip { remote: self, address }
    }

    fn delay(&mut self) -> NoDelay {
        NoDelay
    }

    fn latch(&mut self) -> Result<(), BoardError> {
        self.pulse(Line::Ldac)
    }

    fn clear(&mut self, low: bool) {
        // If nobody is there any more, there are no outputs either.
        let _ = self.line(Line::Clear, !low).and_then(|()| self.flush());
    }

    fn reset(&mut self) -> Result<(), BoardError> {
        self.greet().map_err(|_| BoardError::Converter)?;
        self.pulse(Line::Reset)
    }

    fn convert(&mut self) -> Result<(), BoardError> {
        self.pulse(Line::Convert)?;
        for _ in 0..LOOKS {
            let mut busy = [0];
            self.ask(&Request::Sense(Line::Busy), &mut busy).map_err(|_| BoardError::Converter)?;
            if busy == [0] {
                return Ok(());
            }
        }
        Err(BoardError::Converter)
    }

    fn mark(&mut self, shot: ShotId) {
        // A carrier that broke is noticed by the next transaction.
        let _ = self.post(&Request::Mark(shot));
    }

    fn start(&mut self, duration_us: u32) {
        self.wait_us = Some(duration_us);
    }

    fn elapsed_us(&mut self) -> Option<u32> {
        let wait_us = self.wait_us.take()?;
        self.now_us += u64::from(wait_us);
        Some(wait_us)
    }

    fn stop(&mut self) {
        self.wait_us = None;
    }
}

/// One chip at the other end.
pub struct Chip<'a, C> {
    remote: &'a mut Remote<C>,
    address: u8,
}

impl<C> ErrorType for Chip<'_, C> {
    type Error = Broken;
}

impl<C: Carrier> SpiDevice for Chip<'_, C> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Broken> {
        // One message for the whole transaction: what is shifted out, then shared out what came in.
        let (mut bytes, mut length, mut listens) = ([0u8; PAYLOAD_MAX], 0, false);
        for operation in operations.iter() {
            let (sent, count): (&[u8], usize) = match operation {
                Operation::Read(into) => (&[], into.len()),
                Operation::Write(from) => (from, from.len()),
                Operation::Transfer(into, from) => (from, into.len().max(from.len())),
                Operation::TransferInPlace(both) => (both, both.len()),
                Operation::DelayNs(_) => (&[], 0),
            };
            listens |= count > 0 && !matches!(operation, Operation::Write(_));
            let place = bytes.get_mut(length..length + count).ok_or(Broken)?;
            place[..sent.len()].copy_from_slice(sent);
            length += count;
        }
        if !listens {
            return self.remote.post(&Request::Write { chip: self.address, mosi: &bytes[..length] });
        }
        let mut miso = [0; PAYLOAD_MAX];
        self.remote.ask(&Request::Transfer { chip: self.address, mosi: &bytes[..length] }, &mut miso[..length])?;
        let mut rest = &miso[..length];
        for operation in operations.iter_mut() {
            let (into, count): (&mut [u8], usize) = match operation {
                Operation::Read(into) => (into, 0),
                Operation::Write(from) => (&mut [], from.len()),
                Operation::Transfer(into, from) => {
                    let behind = from.len().saturating_sub(into.len());
                    (into, behind)
                }
                Operation::TransferInPlace(both) => (both, 0),
                Operation::DelayNs(_) => (&mut [], 0),
            };
            let (own, others) = rest.split_at_checked(into.len()).ok_or(Broken)?;
            into.copy_from_slice(own);
            rest = others.get(count..).unwrap_or_default();
        }
        Ok(())
    }
}

/// A delay for chips that are simulated: they need none, and it is no time of the plant.
#[derive(Clone, Copy, Debug)]
pub struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _: u32) {}
}
