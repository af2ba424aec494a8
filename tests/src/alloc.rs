//! How much memory something takes, and what it leaves behind: allocators that count and look.
//!
//! Does: [`Counting`] passes everything on to the system's allocator and counts bytes, for each
//! thread by itself; [`peak`] tells the most that was held while something ran. [`Watching`] looks
//! at each block that is freed; [`freed_with`] tells which still held a secret.
//! In: a test binary that makes one of them its allocator. Out: bytes; [`Freed`].
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
    reason = "an allocator cannot be written without; it counts, looks and passes on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ptr;

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

/// Bytes in a row that count as a piece of a secret: chance does not bring them about.
pub const PIECE: usize = size_of::<u64>();

/// The most findings that are told; one place that leaks does so again and again.
const MAX_FOUND: usize = 16;

/// A block of memory that was given back with a piece of a secret in it.
#[derive(Clone, Debug)]
pub struct Freed {
    /// Which secret, by the name that it was given.
    pub secret: &'static str,
    /// Bytes of the block.
    pub size: usize,
    /// Who freed it.
    pub by: String,
}

/// The system's allocator, which looks at what is freed while [`freed_with`] runs.
///
/// A block that grows always moves, so that what a growing buffer leaves behind is seen.
#[derive(Debug)]
pub struct Watching;

/// What is looked for, and what was found.
struct Watch {
    /// Pieces of the secrets as they lie in memory, and whose they are.
    pieces: BTreeMap<u64, &'static str>,
    /// A bit for each hash of a piece: most places of most blocks need no more than this.
    hashes: Vec<u64>,
    found: Vec<Freed>,
}

thread_local! {
    /// Null while nobody watches, and while the watch itself allocates.
    static WATCH: Cell<*mut Watch> = const { Cell::new(ptr::null_mut()) };
}

/// The blocks that this thread freed while `run` ran and that held [`PIECE`] bytes in a row of a
/// secret, forwards or backwards (numbers lie in memory with their low end first). Secrets are told
/// with their names; they and what `run` returns must not be freed within. Finds nothing unless
/// [`Watching`] is the program's allocator: look for something that is there first.
pub fn freed_with<T>(
    secrets: &[(&'static str, &[u8])],
    run: impl FnOnce() -> T,
) -> (T, Vec<Freed>) {
    /// Ends the watch however `run` ends.
    struct Guard;

    impl Drop for Guard {
        fn drop(&mut self) {
            WATCH.set(ptr::null_mut());
        }
    }

    let mut pieces = BTreeMap::new();
    for (name, secret) in secrets {
        for window in secret.windows(PIECE) {
            let mut piece = [0; PIECE];
            piece.copy_from_slice(window);
            pieces.insert(u64::from_ne_bytes(piece), *name);
            piece.reverse();
            pieces.insert(u64::from_ne_bytes(piece), *name);
        }
    }
    let mut hashes = vec![0; 1 << (HASH_BITS - 6)];
    for piece in pieces.keys() {
        let (word, bit) = place(*piece);
        hashes[word] |= bit;
    }
    let mut watch = Watch {
        pieces,
        hashes,
        found: Vec::with_capacity(MAX_FOUND),
    };
    let result = {
        let _guard = Guard;
        WATCH.set(&raw mut watch);
        run()
    };
    (result, watch.found)
}

const HASH_BITS: u32 = 16;

/// Where a piece stands among the hashes.
fn place(piece: u64) -> (usize, u64) {
    // Multiplied by 2^64 over the golden ratio: the upper bits depend on all of the lower ones.
    let hash = piece.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASH_BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}

impl Watch {
    /// Looks at a block that is about to be freed.
    ///
    /// # Safety
    /// `at` is the beginning of an allocated block of `size` bytes.
    unsafe fn look(&mut self, at: *const u8, size: usize) {
        for offset in 0..(size + 1).saturating_sub(PIECE) {
            // SAFETY: inside of the block. Bytes of it may never have been written; what is found
            // there then is no secret, and volatile keeps the compiler from reasoning about it.
            let piece = unsafe { at.add(offset).cast::<[u8; PIECE]>().read_volatile() };
            let piece = u64::from_ne_bytes(piece);
            let (word, bit) = place(piece);
            if self.hashes[word] & bit != 0
                && let Some(secret) = self.pieces.get(&piece)
                && self.found.len() < MAX_FOUND
            {
                let by = Backtrace::force_capture().to_string();
                self.found.push(Freed { secret, size, by });
                return;
            }
        }
    }
}

/// Lets who watches on this thread, if anybody does, look at a block.
///
/// # Safety
/// As for [`Watch::look`].
unsafe fn seen_off(at: *const u8, size: usize) {
    let Ok(watch) = WATCH.try_with(|watch| watch.replace(ptr::null_mut())) else {
        return;
    };
    // SAFETY: not null only while `freed_with` holds the watch, on this thread; taken out above, so
    // that there is no second reference while this one lives.
    if let Some(found) = unsafe { watch.as_mut() } {
        // SAFETY: the caller's promise, passed on.
        unsafe { found.look(at, size) };
        WATCH.set(watch);
    }
}

// SAFETY: every call goes to `Counting` with the arguments that were given. Looking at a block may
// allocate, which is another call; the block itself is looked at while it is still allocated.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, passed on.
        unsafe { Counting.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise, passed on.
        unsafe { Counting.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: the block is allocated and has this layout.
        unsafe {
            seen_off(at, layout.size());
            Counting.dealloc(at, layout);
        }
    }

    // Growing is the trait's own: a new block, a copy, and `dealloc` of the old one.
}
