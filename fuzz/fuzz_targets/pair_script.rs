//! See `mtproto_test::targets`.
#![no_main]

mtproto_fuzz::target!("pair_script");
