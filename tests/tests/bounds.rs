//! Every bound on what a peer can make a machine keep or do, pushed against in both roles: at the
//! bound, one beyond, and with memory and time measured. `mtproto-proto/BOUNDS.md` lists them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "bounds/client.rs"]
mod client;
#[path = "bounds/extremes.rs"]
mod extremes;
#[path = "bounds/flood.rs"]
mod flood;
#[path = "bounds/memory.rs"]
mod memory;
#[path = "bounds/own.rs"]
mod own;
#[path = "bounds/server.rs"]
mod server;
#[path = "bounds/steps.rs"]
mod steps;
#[path = "session/support.rs"]
mod support;
#[path = "bounds/table.rs"]
mod table;
#[path = "bounds/unread.rs"]
mod unread;

/// Memory is claimed to be bounded, so it is counted.
#[global_allocator]
static ALLOCATOR: mtproto_test::alloc::Counting = mtproto_test::alloc::Counting;
