//! The transport room, through its public interface: known answers, both roles against each other,
//! and what a hostile peer sends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "../common/both.rs"]
mod both;
mod detection;
mod fake_tls;
mod hostile;
mod round_trip;
mod secrets;
mod support;
mod vectors;
mod writing;

/// Memory is claimed to be bounded, so it is counted.
#[global_allocator]
static ALLOCATOR: mtproto_test::alloc::Counting = mtproto_test::alloc::Counting;
