//! How much memory something takes: an allocator that counts.
//!
//! Does: [`Counting`] passes everything on to the system's allocator and counts bytes, for each
//! thread by itself; [`peak`] tells the most that was held while something ran.
//! In: a test binary that makes it its allocator. Out: bytes.
//! Must not know: what runs.
//! Spec: none. This is the only file of the kit with unsafe code.
//!
//! ```
//! use mtproto_test::alloc::{Counting, peak};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! let (len, bytes) = peak(|| vec![0_u8; 1_000_000].len());
//! assert!((len..len + 10_000).contains(&bytes));
//! ```
#![expect(
    unsafe_code,
    reason = "an allocator cannot be written without; it only counts and passes on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constant and without destructors: reading them never allocates.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counting;

/// The most bytes that this thread held while `run` ran, beyond what it held before. 0 unless
/// [`Counting`] is the program's allocator.
pub fn peak<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let before = held();
    PEAK.set(before);
    let result = run();
    (result, usize::try_from(PEAK.get() - before).unwrap_or(0))
}

/// Bytes that this thread holds: allocated less freed, negative if it frees what others allocated.
pub fn held() -> isize {
    HELD.get()
}

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

fn size(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to `System` with the arguments that were given; counting neither
// allocates nor panics (the counters are far from overflow: memory would end first).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout.size()));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout.size()));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-size(layout.size()));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // While it moves, both are held.
        count(size(new_size));
        count(-size(layout.size()));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(at, layout, new_size) }
    }
}
