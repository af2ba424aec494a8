//! Behaviours that hold across rooms, one by one: ids and salts, what leaves again, temporary keys,
//! the client's reaction to trouble of the server. The rest of the list of behaviours is held by the
//! suites of its rooms; `conformance.toml` says where.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "common/both.rs"]
mod both;
#[path = "behaviours/ids.rs"]
mod ids;
#[path = "behaviours/keys.rs"]
mod keys;
#[allow(dead_code, reason = "the client's own tests use the rest")]
#[path = "client/net.rs"]
mod net;
#[path = "client/owner.rs"]
mod owner;
#[allow(dead_code, reason = "the client's suite uses the rest")]
#[path = "client/queries.rs"]
mod queries;
#[path = "behaviours/questions.rs"]
mod questions;
#[path = "session/support.rs"]
mod support;
#[path = "behaviours/waiting.rs"]
mod waiting;
