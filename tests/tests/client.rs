//! The client machine: calls over several DCs, in virtual time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "client/account.rs"]
mod account;
#[path = "client/addresses.rs"]
mod addresses;
#[path = "client/by_hand.rs"]
mod by_hand;
#[path = "client/calls.rs"]
mod calls;
#[path = "client/chaos.rs"]
mod chaos;
#[path = "client/dcs.rs"]
mod dcs;
#[path = "client/feed.rs"]
mod feed;
#[path = "client/idle.rs"]
mod idle;
#[path = "client/keys.rs"]
mod keys;
#[path = "client/memory.rs"]
mod memory;
#[path = "client/net.rs"]
mod net;
#[path = "client/order.rs"]
mod order;
#[path = "client/owner.rs"]
mod owner;
#[path = "client/pacing.rs"]
mod pacing;
#[path = "client/pauses.rs"]
mod pauses;
#[path = "client/queries.rs"]
mod queries;
#[path = "client/streams.rs"]
mod streams;

use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mtproto_test::alloc::Counting = mtproto_test::alloc::Counting;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}
