//! The handshake: both roles against each other, the specification's worked example, and every
//! row of the table of hostile cases (H1 to H7) in `tests/README.md`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "handshake/agreement.rs"]
mod agreement;
#[path = "handshake/example.rs"]
mod example;
#[path = "handshake/flips.rs"]
mod flips;
#[path = "handshake/hostile_client.rs"]
mod hostile_client;
#[path = "handshake/hostile_server.rs"]
mod hostile_server;
#[path = "handshake/puppets.rs"]
mod puppets;
#[path = "handshake/support.rs"]
mod support;
