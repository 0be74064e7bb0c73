//! What stands at an end of a line, seen from the line.

use xyloop_firmware::{Board, Controller};
use xyloop_protocol::link::Link;

/// Something that is given bytes and the time, and gives bytes. Times are microseconds on one clock.
pub trait End {
    /// Takes bytes that came over the line.
    fn receive(&mut self, now_us: u64, bytes: &[u8]);

    /// Writes whole frames that are due to the front of `out`; returns how many bytes, 0 if nothing is due.
    fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize;

    /// Works on what has come. A bare link leaves that to its owner.
    fn poll(&mut self, _now_us: u64) {}

    /// Returns when it wants to be looked at if nothing comes.
    fn next_wakeup_us(&self) -> Option<u64>;

    /// Returns whether it has begun something that takes more than one poll.
    fn is_working(&self) -> bool {
        false
    }
}

impl End for Link<'_> {
    fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        Link::receive(self, now_us, bytes);
    }

    fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize {
        Link::transmit(self, now_us, out)
    }

    fn next_wakeup_us(&self) -> Option<u64> {
        Link::next_wakeup_us(self)
    }
}

impl<B: Board> End for Controller<'_, B> {
    fn receive(&mut self, now_us: u64, bytes: &[u8]) {
        Controller::receive(self, now_us, bytes);
    }

    fn transmit(&mut self, now_us: u64, out: &mut [u8]) -> usize {
        Controller::transmit(self, now_us, out)
    }

    fn poll(&mut self, now_us: u64) {
        Controller::poll(self, now_us);
    }

    fn next_wakeup_us(&self) -> Option<u64> {
        Controller::next_wakeup_us(self)
    }

    fn is_working(&self) -> bool {
        Controller::is_working(self)
    }
}
