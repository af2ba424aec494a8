//! The transport room, through its public interface: known answers, both roles against each other,
//! and what a hostile peer sends.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod detection;
mod hostile;
mod round_trip;
mod support;
mod vectors;
mod writing;
