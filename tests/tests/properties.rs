//! The contract of `Machine`, held by both ends of a connection for any slicing, any order of polls,
//! any cut.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "common/both.rs"]
mod both;
#[path = "properties/chaos.rs"]
mod chaos;
#[path = "properties/cuts.rs"]
mod cuts;
#[path = "properties/errors.rs"]
mod errors;
#[path = "properties/script.rs"]
mod script;
#[path = "properties/slicing.rs"]
mod slicing;
#[path = "session/support.rs"]
mod support;
