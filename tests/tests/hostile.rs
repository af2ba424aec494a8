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
#[path = "hostile/client_accounts.rs"]
mod client_accounts;
#[path = "hostile/client_tables.rs"]
mod client_tables;
#[path = "hostile/handshakes.rs"]
mod handshakes;
#[path = "hostile/messages.rs"]
mod messages;
#[allow(dead_code, reason = "the client's own tests use the rest")]
#[path = "client/net.rs"]
mod net;
#[path = "client/owner.rs"]
mod owner;
#[path = "hostile/packets.rs"]
mod packets;
#[allow(dead_code, reason = "the client's suite uses the rest")]
#[path = "client/queries.rs"]
mod queries;
#[path = "hostile/refusals.rs"]
mod refusals;
#[path = "hostile/slow.rs"]
mod slow;
#[path = "hostile/streams.rs"]
mod streams;
#[path = "session/support.rs"]
mod support;

/// Memory is claimed to be bounded, so it is counted.
#[global_allocator]
static ALLOCATOR: mtproto_test::alloc::Counting = mtproto_test::alloc::Counting;
