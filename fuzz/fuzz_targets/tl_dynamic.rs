//! See `mtproto_test::targets`.
#![no_main]

mtproto_fuzz::target!("tl_dynamic");
