//! The session, in both roles, behaviour by behaviour: a real machine on one side, a scripted peer
//! on the other.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "session/acks.rs"]
mod acks;
#[path = "session/after.rs"]
mod after;
#[path = "session/answers.rs"]
mod answers;
#[path = "common/both.rs"]
mod both;
#[path = "session/init.rs"]
mod init;
#[path = "session/liveness.rs"]
mod liveness;
#[path = "session/missed.rs"]
mod missed;
#[path = "session/packing.rs"]
mod packing;
#[path = "session/pfs.rs"]
mod pfs;
#[path = "session/progress.rs"]
mod progress;
#[path = "session/refusals.rs"]
mod refusals;
#[path = "session/salts.rs"]
mod salts;
#[path = "session/server_calls.rs"]
mod server_calls;
#[path = "session/server_checks.rs"]
mod server_checks;
#[path = "session/server_reminders.rs"]
mod server_reminders;
#[path = "session/server_services.rs"]
mod server_services;
#[path = "session/server_streams.rs"]
mod server_streams;
#[path = "session/slow.rs"]
mod slow;
#[path = "session/state.rs"]
mod state;
#[path = "session/support.rs"]
mod support;
