//! See `mtproto_test::targets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mtproto_test::targets::session_strings(data));
