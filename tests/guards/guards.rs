//! The suites that guard the checks which `mutants.toml` lists.
//!
//! Does: builds them as one program, without feature `client` and the API's types, in a tenth of
//! the time. What they hold, and under which names, is in `tests/tests`.
//! In and out: nothing. Must not know: anything of its own; a test belongs into its suite.
//! Spec: none.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "../tests/crypto.rs"]
mod crypto;
#[path = "../tests/handshake.rs"]
mod handshake;
#[path = "../tests/transport/main.rs"]
mod transport;

// `session.rs`, but for what comes after what: that is the API's.
#[path = "../tests/session/acks.rs"]
mod acks;
#[path = "../tests/session/answers.rs"]
mod answers;
#[path = "../tests/common/both.rs"]
mod both;
#[path = "../tests/session/init.rs"]
mod init;
#[path = "../tests/session/liveness.rs"]
mod liveness;
#[path = "../tests/session/missed.rs"]
mod missed;
#[path = "../tests/session/packing.rs"]
mod packing;
#[path = "../tests/session/pfs.rs"]
mod pfs;
#[path = "../tests/session/progress.rs"]
mod progress;
#[path = "../tests/session/refusals.rs"]
mod refusals;
#[path = "../tests/session/salts.rs"]
mod salts;
#[path = "../tests/session/server_calls.rs"]
mod server_calls;
#[path = "../tests/session/server_checks.rs"]
mod server_checks;
#[path = "../tests/session/server_reminders.rs"]
mod server_reminders;
#[path = "../tests/session/server_services.rs"]
mod server_services;
#[path = "../tests/session/server_streams.rs"]
mod server_streams;
#[path = "../tests/session/slow.rs"]
mod slow;
#[path = "../tests/session/state.rs"]
mod state;
#[path = "../tests/session/support.rs"]
mod support;

// `hostile.rs`, but for the client of many streams.
#[path = "../tests/hostile/handshakes.rs"]
mod hostile_handshakes;
#[path = "../tests/hostile/messages.rs"]
mod hostile_messages;
#[path = "../tests/hostile/packets.rs"]
mod hostile_packets;
#[path = "../tests/hostile/refusals.rs"]
mod hostile_refusals;
#[path = "../tests/hostile/streams.rs"]
mod hostile_streams;

// `abuse.rs`, but for what needs sockets or takes long.
#[path = "../tests/abuse/handshakes.rs"]
mod abuse_handshakes;
#[path = "../tests/abuse/keys.rs"]
mod abuse_keys;
#[path = "../tests/abuse/sessions.rs"]
mod abuse_sessions;
#[path = "../tests/abuse/streams.rs"]
mod abuse_streams;
#[path = "../tests/abuse/house.rs"]
mod house;
