//! Updates in order, each once: rules by name, hostile servers, and a model of everything at once.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "updates/build.rs"]
mod build;
#[path = "updates/channels.rs"]
mod channels;
#[path = "updates/check.rs"]
mod check;
#[path = "updates/haste.rs"]
mod haste;
#[path = "updates/hostile.rs"]
mod hostile;
#[path = "updates/keeping.rs"]
mod keeping;
#[path = "updates/model.rs"]
mod model;
#[path = "updates/peers.rs"]
mod peers;
#[path = "updates/recovery.rs"]
mod recovery;
#[path = "updates/rig.rs"]
mod rig;
#[path = "updates/rules.rs"]
mod rules;
#[path = "updates/seq.rs"]
mod seq;
#[path = "updates/server.rs"]
mod server;
