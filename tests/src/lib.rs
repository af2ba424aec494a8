//! Test kit for MTProto: faulty wire, virtual clock, local test DC.
//!
//! Does: what a test of a sans-IO machine needs. [`dice`] is randomness from one number, [`wire`]
//! a byte stream with faults, [`pair`] two machines on two wires under a virtual clock, [`rogue`]
//! scripted peers, [`tamper`] what an attacker with the test's keys does to packets.
//! In: machines and a seed. Out: their events and errors, the same on every run.
//! Must not know: runtimes, drivers; it depends on the core and the schema only.
//! Spec: none; `ARCHITECTURE.md` says how the suites use it.

pub mod dice;
pub mod pair;
pub mod rogue;
pub mod tamper;
#[cfg(feature = "fuzz")]
pub mod targets;
pub mod wire;

pub use dice::{Dice, Seed};
pub use pair::{Pair, pair};
pub use wire::Wire;
