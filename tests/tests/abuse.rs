//! The server's role under load and abuse: next to each bad client there is an honest one, which is
//! answered without waiting; memory stays within the configured bounds. Names that belong to a row of
//! the table of hostile cases begin with its number.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "common/both.rs"]
mod both;
#[path = "abuse/bounds.rs"]
mod bounds;
mod by_hand;
#[path = "abuse/handshakes.rs"]
mod handshakes;
#[path = "abuse/house.rs"]
mod house;
#[path = "abuse/keys.rs"]
mod keys;
#[allow(dead_code, reason = "the test DC's own suite uses the rest")]
mod program;
#[path = "abuse/sessions.rs"]
mod sessions;
#[path = "abuse/sockets.rs"]
mod sockets;
#[path = "abuse/streams.rs"]
mod streams;

/// Memory is claimed to be bounded, so it is counted.
#[global_allocator]
static ALLOCATOR: mtproto_test::alloc::Counting = mtproto_test::alloc::Counting;
