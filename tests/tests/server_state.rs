//! A server that outlives its process: what its state holds, what a restart costs a client.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod server_state {
    mod bytes;
    mod conversation;
    mod journal;
    mod restart;
    pub mod support;
}
