//! Signing in, step by step: what each step asks, what each answer and each wrong input leads to.
//! Answers are crafted; the password meets the server's half of the proof.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "sign_in/code.rs"]
mod code;
#[path = "sign_in/garbage.rs"]
mod garbage;
#[path = "sign_in/others.rs"]
mod others;
#[path = "sign_in/password.rs"]
mod password;
#[path = "sign_in/qr.rs"]
mod qr;
#[path = "sign_in/support.rs"]
mod support;
#[path = "sign_in/two_factor.rs"]
mod two_factor;
