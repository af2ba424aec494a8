//! See `mtproto_test::targets`.
#![no_main]

mtproto_fuzz::target!("client_answers");
