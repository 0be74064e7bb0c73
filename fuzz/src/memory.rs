//! How much memory a piece of code holds at its worst: an allocator that counts, per thread.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The system's allocator, counting.
struct Counting;

thread_local! {
    /// Bytes allocated less bytes freed by this thread, and the most that was since the last reset.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    // A thread that is ending has no counter any more, and nobody asks it.
    let _ = HELD.try_with(|held| {
        let now = held.get().0 + bytes;
        held.set((now, held.get().1.max(now)));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be held for a moment.
        count(size as isize);
        count(-(layout.size() as isize));
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs `work`; panics if this thread held more than `bytes` at any moment of it, beyond what it held before.
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let before = HELD.with(|held| {
        let (now, _) = held.get();
        held.set((now, now));
        now
    });
    let result = work();
    let most = HELD.with(Cell::get).1 - before;
    assert!(most <= bytes as isize, "{most} bytes were held at once, {bytes} are allowed");
    result
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn what_is_held_at_once_counts_and_what_is_freed_does_not() {
        within(5_000, || {
            for _ in 0..100 {
                assert_eq!(std::hint::black_box(vec![1_u8; 4_000]).len(), 4_000);
            }
        });
        let too_much = std::panic::catch_unwind(|| within(3_000, || std::hint::black_box(vec![1_u8; 4_000]).len()));
        assert!(too_much.is_err());
    }
}
