//! How deep the stack gets: free memory is painted, and what is no longer painted afterwards was used.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cortex_m::register::msp;

const PAINT: u32 = 0x5aa5_c33c;
/// Below the stack pointer, painted anew in front of each call that is looked at: more than any of them takes.
const WINDOW: usize = 16 * 1024;

/// The lowest address used so far, and the deepest call.
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);
static DEEPEST: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    /// The end of all statics.
    static __sheap: u32;
    /// Where the stack begins.
    static _stack_start: u32;
}

/// Paints all memory between statics and stack.
#[inline(never)]
pub fn paint() {
    paint_from(bottom());
}

/// Paints the window below the stack pointer, after looking how much of it was used since the last call.
#[inline(never)]
pub fn before_a_call() {
    note_lowest(window());
    paint_from(window());
}

/// Looks how deep the call went.
#[inline(never)]
pub fn after_a_call() {
    let lowest = note_lowest(window());
    DEEPEST.fetch_max(sp().saturating_sub(lowest), Relaxed);
}

/// Bytes of stack that were used since [`paint`], and by the deepest of the calls alone.
pub fn used() -> (usize, usize) {
    note_lowest(bottom());
    // SAFETY: a symbol of the linker script; its address is taken, nothing is read.
    let top = &raw const _stack_start as usize;
    (top - LOWEST.load(Relaxed), DEEPEST.load(Relaxed))
}

fn note_lowest(from: usize) -> usize {
    let mut at = from;
    // SAFETY: `at` is aligned and between the statics and the stack pointer: memory that belongs to the stack alone, of
    // which nothing but plain words is read.
    while at < sp() && unsafe { (at as *const u32).read_volatile() } == PAINT {
        at += 4;
    }
    LOWEST.fetch_min(at, Relaxed);
    at
}

fn paint_from(from: usize) {
    let mut at = from;
    // Not up to the stack pointer: this function may use some of what is below it.
    while at < sp() - 64 {
        // SAFETY: as above, and below the stack pointer: no frame in use lies there. Interrupts are masked.
        unsafe { (at as *mut u32).write_volatile(PAINT) };
        at += 4;
    }
}

fn sp() -> usize {
    msp::read() as usize
}

fn bottom() -> usize {
    // SAFETY: a symbol of the linker script; its address is taken, nothing is read.
    (&raw const __sheap as usize).next_multiple_of(4)
}

fn window() -> usize {
    (sp() - WINDOW).max(bottom())
}
