//! Counts instructions: a timer of 25 MHz without prescaler, under `-icount shift=10`, where each instruction takes 1.024 µs of
//! the machine's time. So 128 ticks are 5 instructions, and an error of a tick is none.

use core::{
    cell::Cell,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use xyloop_mps2::registers::Register;

use crate::stack;

const LOAD: Register = Register::at(0x4000_2000);
const VALUE: Register = Register::at(0x4000_2004);
const CONTROL: Register = Register::at(0x4000_2008);
/// Enabled, free-running, 32 bits.
const RUN: u32 = 1 << 7 | 1 << 1;

/// Ticks that were left out of whatever is being counted, and how often.
static LEFT_OUT: AtomicU32 = AtomicU32::new(0);
static TIMES_LEFT_OUT: AtomicU32 = AtomicU32::new(0);

/// What counting itself adds: ticks of counting nothing, and of leaving nothing out.
#[derive(Clone, Copy, Default)]
struct Overhead {
    count: u32,
    leaving_out: u32,
}

/// The counter, checked.
pub struct Counter(Overhead);

/// What some calls took together.
#[derive(Default)]
pub struct Tally {
    ticks: Cell<u64>,
}

impl Tally {
    /// Instructions.
    pub fn instructions(&self) -> u64 {
        (self.ticks.get() * 5 + 64) / 128
    }
}

impl Counter {
    /// Starts the timer, checks it against instructions whose number is known, and measures what counting itself adds.
    pub fn start() -> Self {
        LOAD.write(u32::MAX);
        CONTROL.write(RUN);
        let (mut counter, known, nothing, nothing_left_out) =
            (Self(Overhead::default()), Tally::default(), Tally::default(), Tally::default());
        counter.count(&nothing, || ());
        counter.0.count = nothing.ticks.get() as u32;
        counter.count(&nothing_left_out, || leave_out(|| ()));
        counter.0.leaving_out = nothing_left_out.ticks.get() as u32;
        // SAFETY: a thousand instructions that do nothing.
        counter.count(&known, || unsafe { core::arch::asm!(".rept 1000", "nop", ".endr") });
        let counted = known.instructions();
        assert!(
            (998..=1002).contains(&counted),
            "1000 instructions counted as {counted}: start QEMU with -icount shift=10"
        );
        counter
    }

    /// Adds what a call takes to a tally, without the parts that [`leave_out`] leaves out; also looks how much stack it takes.
    pub fn count<T>(&self, tally: &Tally, call: impl FnOnce() -> T) -> T {
        let (left_out, times) = (LEFT_OUT.load(Relaxed), TIMES_LEFT_OUT.load(Relaxed));
        stack::before_a_call();
        let from = now();
        let result = call();
        let all = now().wrapping_sub(from);
        stack::after_a_call();
        let left_out = LEFT_OUT.load(Relaxed).wrapping_sub(left_out);
        let overhead = self.0.count + self.0.leaving_out * TIMES_LEFT_OUT.load(Relaxed).wrapping_sub(times);
        let ticks = all.wrapping_sub(left_out).saturating_sub(overhead);
        tally.ticks.set(tally.ticks.get() + u64::from(ticks));
        result
    }
}

/// Runs something that belongs to the bench and not to the firmware, in the middle of what is counted.
pub fn leave_out<T>(call: impl FnOnce() -> T) -> T {
    let from = now();
    let result = call();
    let ticks = now().wrapping_sub(from);
    LEFT_OUT.store(LEFT_OUT.load(Relaxed).wrapping_add(ticks), Relaxed);
    TIMES_LEFT_OUT.store(TIMES_LEFT_OUT.load(Relaxed).wrapping_add(1), Relaxed);
    result
}

/// Ticks; it counts down. Not inlined, so that it is the same everywhere and nothing is moved across it.
#[inline(never)]
fn now() -> u32 {
    u32::MAX - VALUE.read()
}
