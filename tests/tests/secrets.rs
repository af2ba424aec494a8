//! Keys, exponents, nonces, passwords and tokens are not printed, not logged, not traced unless that
//! was asked for, and not left in memory that was given back.
//!
//! Whole conversations run with secrets that the test knows; then eight bytes in a row of one, in any
//! form that bytes are printed in, are a failure. Names begin with the row of the table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "common/both.rs"]
mod both;
#[path = "secrets/constant_time.rs"]
mod constant_time;
#[path = "secrets/fields.rs"]
mod fields;
#[path = "secrets/freed.rs"]
mod freed;
#[path = "secrets/handshake.rs"]
mod handshake;
#[path = "secrets/logs.rs"]
mod logs;
#[path = "secrets/pieces.rs"]
mod pieces;
#[path = "secrets/shown.rs"]
mod shown;

/// What is freed is looked at.
#[global_allocator]
static ALLOCATOR: mtproto_test::alloc::Watching = mtproto_test::alloc::Watching;
