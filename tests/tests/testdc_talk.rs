//! What accounts of the test DC do with each other, behaviour by behaviour, and all of it at
//! random: whoever follows pushes and differences ends with what the server has.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "testdc_talk/differences.rs"]
mod differences;
#[path = "testdc_talk/follower.rs"]
mod follower;
#[path = "testdc_talk/groups.rs"]
mod groups;
#[path = "testdc_talk/machine.rs"]
mod machine;
#[path = "testdc_talk/messages.rs"]
mod messages;
#[path = "testdc_talk/people.rs"]
mod people;
#[path = "testdc_talk/random.rs"]
mod random;
#[path = "testdc_talk/stage.rs"]
mod stage;
