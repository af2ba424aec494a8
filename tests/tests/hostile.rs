//! What the other end, or someone on the wire, may send: each case ends in a typed error or a
//! counted drop; never in a panic, a spin, a lost key, or memory beyond the bound. Names begin with
//! the row of the table of hostile cases.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "common/both.rs"]
mod both;
#[path = "hostile/handshakes.rs"]
mod handshakes;
#[path = "hostile/messages.rs"]
mod messages;
#[path = "hostile/packets.rs"]
mod packets;
#[path = "hostile/refusals.rs"]
mod refusals;
#[path = "hostile/streams.rs"]
mod streams;
#[path = "session/support.rs"]
mod support;

/// Memory is claimed to be bounded, so it is counted.
#[global_allocator]
static ALLOCATOR: mtproto_test::alloc::Counting = mtproto_test::alloc::Counting;
