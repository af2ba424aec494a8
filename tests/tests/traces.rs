//! What is recorded can be done again, bit for bit; what differs is found where it differs; what is
//! no trace is refused.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "traces/clients.rs"]
mod clients;
#[path = "traces/configs.rs"]
mod configs;
#[path = "traces/driver.rs"]
mod driver;
#[path = "traces/files.rs"]
mod files;
#[path = "traces/kept.rs"]
mod kept;
#[path = "traces/pairs.rs"]
mod pairs;
#[path = "traces/runs.rs"]
mod runs;
#[path = "traces/sessions.rs"]
mod sessions;
#[path = "traces/shared.rs"]
mod shared;
