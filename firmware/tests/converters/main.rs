//! The converter drivers, byte for byte: what goes over the bus, what is made of the answers, and what is refused.
//!
//! The words are written out from the data sheets, not computed with the drivers' constants.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ad5370;
mod ad5676r;
mod ad7606;
mod ads131m08;

use embedded_hal::spi::{ErrorKind, ErrorType, Operation, SpiDevice};
use embedded_hal_mock::eh1::spi::{Mock, Transaction};

/// One transaction on the bus, chip select and all.
#[derive(Clone, Debug)]
enum Step {
    /// Bytes that go out.
    Send(Vec<u8>),
    /// Bytes that go out while others come in.
    Swap(Vec<u8>, Vec<u8>),
    /// Bytes that come in, whatever goes out.
    Read(Vec<u8>),
}

/// A bus that expects these transactions and no other; `done` checks that all have come.
fn bus(steps: &[Step]) -> Mock<u8> {
    let transactions: Vec<_> = steps
        .iter()
        .flat_map(|step| {
            let inner = match step.clone() {
                Step::Send(out) => Transaction::write_vec(out),
                Step::Swap(out, back) => Transaction::transfer_in_place(out, back),
                Step::Read(back) => Transaction::read_vec(back),
            };
            [Transaction::transaction_start(), inner, Transaction::transaction_end()]
        })
        .collect();
    Mock::new(&transactions)
}

/// A bus that fails after some transactions, for good.
struct Failing<'a> {
    bus: &'a mut Mock<u8>,
    good: usize,
}

impl ErrorType for Failing<'_> {
    type Error = ErrorKind;
}

impl SpiDevice for Failing<'_> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), ErrorKind> {
        self.good = self.good.checked_sub(1).ok_or(ErrorKind::ModeFault)?;
        self.bus.transaction(operations)
    }
}

/// Runs `call` once for each transaction it makes, with the bus failing there: the error must come through, and nothing may be
/// sent after it. The mock fails when something is.
fn fails_everywhere<R: core::fmt::Debug + PartialEq>(steps: &[Step], error: &R, call: impl Fn(Failing<'_>) -> R) {
    for good in 0..steps.len() {
        let mut bus = bus(&steps[..good]);
        assert_eq!(&call(Failing { bus: &mut bus, good }), error, "transaction {good}");
        bus.done();
    }
}
