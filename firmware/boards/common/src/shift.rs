//! SPI transactions through a pair of FIFOs, as the PL022 has them: kept full, never overrun.

use core::cell::Cell;

use embedded_hal::{delay::DelayNs, spi::Operation};

/// Words that either FIFO takes.
pub const FIFO: usize = 8;

/// A transmit and a receive FIFO; each byte that is sent brings one back.
pub trait Fifos {
    /// Whether a byte can be sent, and whether one has come.
    fn status(&self) -> (bool, bool);
    /// Sends a byte; asked for only if one can be.
    fn send(&mut self, byte: u8);
    /// The byte that has come; asked for only if one has.
    fn receive(&mut self) -> u8;
}

/// Runs the operations of one transaction. The chip is selected by whoever calls this.
pub fn run(fifos: &mut impl Fifos, delay: &mut impl DelayNs, operations: &mut [Operation<'_, u8>]) {
    for operation in operations {
        match operation {
            Operation::Read(into) => shift(fifos, into.len(), |_| 0, |at, byte| put(into, at, byte)),
            Operation::Write(from) => shift(fifos, from.len(), |at| get(from, at), |_, _| ()),
            Operation::Transfer(into, from) => {
                shift(fifos, into.len().max(from.len()), |at| get(from, at), |at, byte| put(into, at, byte));
            }
            Operation::TransferInPlace(both) => {
                let both = Cell::from_mut(&mut **both).as_slice_of_cells();
                let at = |index: usize| both.get(index);
                let out = |index| at(index).map_or(0, Cell::get);
                shift(fifos, both.len(), out, |index, byte| {
                    if let Some(place) = at(index) {
                        place.set(byte);
                    }
                });
            }
            Operation::DelayNs(ns) => delay.delay_ns(*ns),
        }
    }
}

/// A shorter side of a transfer sends zeros and drops what comes.
fn get(from: &[u8], at: usize) -> u8 {
    from.get(at).copied().unwrap_or(0)
}

fn put(into: &mut [u8], at: usize, byte: u8) {
    if let Some(place) = into.get_mut(at) {
        *place = byte;
    }
}

fn shift(fifos: &mut impl Fifos, count: usize, out: impl Fn(usize) -> u8, mut take: impl FnMut(usize, u8)) {
    let (mut sent, mut received) = (0, 0);
    while received < count {
        let (may_send, has_received) = fifos.status();
        // What is on its way must find room when it comes back.
        if may_send && sent < count && sent - received < FIFO {
            fifos.send(out(sent));
            sent += 1;
        }
        if has_received {
            take(received, fifos.receive());
            received += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::cell::RefCell;
    use std::{collections::VecDeque, vec::Vec};

    use super::*;

    /// Shifts one byte at every second look at its status, and brings back each byte inverted.
    #[derive(Default)]
    struct Model {
        looks: Cell<u32>,
        out: RefCell<VecDeque<u8>>,
        back: RefCell<VecDeque<u8>>,
        wire: RefCell<Vec<u8>>,
        fullest: Cell<usize>,
    }

    impl Fifos for Model {
        fn status(&self) -> (bool, bool) {
            self.looks.set(self.looks.get() + 1);
            if self.looks.get().is_multiple_of(2)
                && let Some(byte) = self.out.borrow_mut().pop_front()
            {
                self.wire.borrow_mut().push(byte);
                self.back.borrow_mut().push_back(!byte);
                assert!(self.back.borrow().len() <= FIFO, "a byte was lost");
            }
            // Reads of what has come are late now and then.
            let has_received = !self.back.borrow().is_empty() && self.looks.get() % 32 > 20;
            (self.out.borrow().len() < FIFO, has_received)
        }

        fn send(&mut self, byte: u8) {
            self.out.get_mut().push_back(byte);
            self.fullest.set(self.fullest.get().max(self.out.get_mut().len()));
            assert!(self.out.get_mut().len() <= FIFO, "a byte too many");
        }

        fn receive(&mut self) -> u8 {
            self.back.get_mut().pop_front().unwrap_or_else(|| panic!("nothing has come"))
        }
    }

    struct Waited(u32);

    impl DelayNs for Waited {
        fn delay_ns(&mut self, ns: u32) {
            self.0 += ns;
        }
    }

    #[test]
    fn every_kind_of_operation_sends_and_keeps_its_bytes_and_leaves_nothing_behind() {
        let (mut model, mut waited) = (Model::default(), Waited(0));
        let long: Vec<u8> = (0..30).collect();
        let (mut read, mut short, mut wide, mut place) = ([9; 3], [9; 2], [9; 4], long.clone());
        let mut operations = [
            Operation::Write(&long),
            Operation::Read(&mut read),
            Operation::Transfer(&mut short, &[1, 2, 3]),
            Operation::DelayNs(70),
            Operation::Transfer(&mut wide, &[4, 5]),
            Operation::TransferInPlace(&mut place),
            Operation::Write(&[]),
        ];
        run(&mut model, &mut waited, &mut operations);
        let want = [&long[..], &[0; 3], &[1, 2, 3], &[4, 5, 0, 0], &long].concat();
        assert_eq!(*model.wire.borrow(), want);
        assert_eq!((read, short, wide), ([0xff; 3], [!1, !2], [!4, !5, 0xff, 0xff]));
        assert_eq!(place, long.iter().map(|byte| !byte).collect::<Vec<_>>());
        assert!(model.back.borrow().is_empty() && model.out.borrow().is_empty());
        assert_eq!(waited.0, 70);
        assert!(model.fullest.get() > 1, "the bus would stand still between bytes");
    }
}
