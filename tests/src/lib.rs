//! Test kit for MTProto: faulty wire, virtual clock, local test DC.
//!
//! Does: what a test of a sans-IO machine needs. [`dice`] is randomness from one number, [`wire`]
//! a byte stream with faults, [`pair`](mod@pair) two machines on two wires under a virtual clock,
//! [`tamper`] what an attacker with the test's keys does to packets, [`rogue`] and [`peer`] scripted
//! peers that have them, `strategies` (feature `strategies`) what travels, for property tests.
//! `proxy` is a TCP proxy with faults, for what runs over sockets. [`dc`] is a
//! Telegram data centre for tests of clients and bots, on loopback; [`line`](mod@line) a stream to
//! talk to one by hand; [`alloc`](mod@alloc) counts memory; [`trace`] writes down what is done to a
//! machine and does it again.
//! In: machines and a seed, or a client. Out: events and errors, the same on every run.
//! Must not know: runtimes, drivers; it depends on the core and the schema only.
//! Spec: none.

pub mod alloc;
#[cfg(feature = "dc")]
pub mod dc;
pub mod dice;
pub mod line;
pub mod pair;
pub mod peer;
#[cfg(feature = "proxy")]
pub mod proxy;
pub mod rogue;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "strategies")]
pub mod strategies;
pub mod tamper;
#[cfg(feature = "fuzz")]
pub mod targets;
pub mod trace;
pub mod wire;

#[cfg(feature = "dc")]
pub use dc::{Account, DcConfig, Failure, TestDc};
pub use dice::{Dice, Seed};
pub use line::Line;
pub use pair::{Pair, pair};
pub use peer::Peer;
#[cfg(feature = "proxy")]
pub use proxy::Proxy;
pub use wire::Wire;

/// The example in the README.
#[cfg(all(doctest, feature = "dc"))]
#[doc = include_str!("../README.md")]
struct Readme;
