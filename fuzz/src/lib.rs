//! What every fuzz target has besides its body: bounds of memory and time that hold by default.
//!
//! Does: [`target!`] makes a binary of a target of `mtproto_test::targets`. Its memory is counted,
//! and an input that makes it hold more than `MAX_HELD` is a finding, as it is on stable. libFuzzer
//! is given defaults of flags, which flags of the command line go before.
//! In: the name of a target. Out: what libFuzzer calls.
//! Must not know: what targets do.
//! Spec: none. Flags: <https://llvm.org/docs/LibFuzzer.html#options>.
#![expect(
    unsafe_code,
    reason = "libFuzzer takes its flags from argv, which C code owns"
)]

use std::ffi::{CString, c_char, c_int};
use std::path::Path;

pub use libfuzzer_sys;
use mtproto_test::alloc::peak;
use mtproto_test::targets::{MAX_HELD, TARGETS};

/// Defaults of flags.
///
/// - An input ends within 60 s. The longest takes some seconds of processor time under
///   AddressSanitizer; the clock on the wall may run ten times as fast on a machine that is busy.
/// - The process stays within 768 MiB. That is the 64 MiB that an input may hold, the three times as
///   much that AddressSanitizer keeps of what was freed (256 MiB at most), its shadow of an eighth,
///   and libFuzzer's corpus with the tables of the coverage.
/// - One allocation stays within the 64 MiB of an input.
const FLAGS: &[&str] = &["-timeout=60", "-rss_limit_mb=768", "-malloc_limit_mb=64"];

/// The words of `mtproto.dict`, if the binary runs where it was built.
const DICTIONARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/mtproto.dict");

/// Makes a binary of the target with this name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        #[global_allocator]
        static ALLOCATOR: mtproto_test::alloc::Counting = mtproto_test::alloc::Counting;

        #[unsafe(no_mangle)]
        pub extern "C" fn rust_fuzzer_test_input(data: &[u8]) -> i32 {
            $crate::run($name, data);
            0
        }

        #[unsafe(no_mangle)]
        pub extern "C" fn LLVMFuzzerInitialize(
            argc: *mut std::ffi::c_int,
            argv: *mut *mut *mut std::ffi::c_char,
        ) -> isize {
            // SAFETY: libFuzzer calls this once, first, with pointers to its main's arguments.
            unsafe { $crate::initialize(argc, argv) }
        }
    };
}

/// Runs one input.
///
/// # Panics
/// If there is no such target, if what must hold does not, or if too much memory was held.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.expect("a target of mtproto-test");
    let ((), held) = peak(|| (target.run)(data));
    assert!(held <= MAX_HELD, "{} bytes make it hold {held}", data.len());
}

/// Puts the defaults of flags before those of the command line: of two, libFuzzer takes the later.
///
/// # Safety
/// `argc` and `argv` point to the arguments of the process, which nobody else uses meanwhile.
pub unsafe fn initialize(argc: *mut c_int, argv: *mut *mut *mut c_char) -> isize {
    let mut flags: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    if Path::new(DICTIONARY).exists() {
        flags.push(format!("-dict={DICTIONARY}"));
    }
    // SAFETY: as the caller promises; there are `argc` arguments, and they live as long as the process.
    let given = unsafe {
        std::slice::from_raw_parts(*argv, usize::try_from(*argc).expect("a count of arguments"))
    };
    let (program, rest) = given.split_first().expect("the name of the program");
    let flags = flags.into_iter().map(|flag| {
        let flag = CString::new(flag).expect("flags without zeros");
        flag.into_raw()
    });
    let mut all: Vec<*mut c_char> = vec![*program];
    all.extend(flags);
    all.extend(rest);
    let count = c_int::try_from(all.len()).expect("a few more arguments");
    all.push(std::ptr::null_mut());
    // SAFETY: as above; what the pointers now point to is never freed.
    unsafe {
        *argc = count;
        *argv = all.leak().as_mut_ptr();
    }
    // Makes panics end the process.
    libfuzzer_sys::initialize(std::ptr::null(), std::ptr::null())
}
