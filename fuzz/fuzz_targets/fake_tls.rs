//! See `mtproto_test::targets`.
#![no_main]

mtproto_fuzz::target!("fake_tls");
