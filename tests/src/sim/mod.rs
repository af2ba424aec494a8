//! A deterministic simulator: both roles under every fault that we know, and what must hold anyway.
//!
//! Does: [`run`] lets clients and a server of the core live through one run that a seed decides:
//! streams that break, fall silent or crawl, clocks that are wrong, servers that forget, somebody on
//! the path who has the keys. It checks after every step that what must hold holds, and says what a
//! run came to.
//! In: a [`Profile`], a [`Seed`], [`Options`]; or a script ([`run_script`]). Out: an [`Outcome`], or
//! the [`Violation`] that ended the run; the same on every machine.
//! Must not know: real clocks, sockets, threads.
//! Spec: none; each invariant is one of [`Invariant`].
//!
//! ```
//! use mtproto_test::Seed;
//! use mtproto_test::sim::{self, Options, Profile, Report};
//!
//! let mut report = Report::default();
//! for seed in 0..3 {
//!     report.add(&sim::run(Profile::Session, Seed(seed), &Options::default())?);
//! }
//! println!("{report}");
//! # Ok::<(), sim::Violation>(())
//! ```
//!
//! The map: [`run`](fn@run) picks a *level*, the machines of a profile (`session.rs`,
//! `connection.rs`), and gives it to `run.rs`, which knows storms, calm and demands. `stage.rs` holds
//! what levels share: `model.rs` knows what was asked for, executed and told; `watch.rs` reads the
//! wire with the keys; `middle.rs` is the one on the path; `owner.rs` executes calls; `weather.rs` and
//! `clocks.rs` are the dice's. A new fault is a name in `faults.rs` and an arm where it happens; a new
//! invariant is a name in `outcome.rs` and a check in the model or the watch.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a run looks for a few kinds of messages and events and passes over the others"
)]

mod body;
#[cfg(feature = "dc")]
pub mod client;
mod clocks;
mod connection;
mod faults;
mod middle;
mod model;
mod outcome;
mod owner;
mod run;
mod session;
mod stage;
mod watch;
mod weather;

pub use body::Tag;
pub use faults::{Fault, Faults};
pub use model::{Broken, Checked, Model, Submission};
pub use outcome::{End, FateName, Invariant, Outcome, Profile, Report, Violation};

use crate::Seed;
use crate::trace::Trace;
use connection::ConnectionLevel;
use session::SessionLevel;
use stage::Stage;

/// How a run differs from the usual one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Whether anything goes wrong before the calm at the end: yes.
    pub storms: bool,
    /// One run in so many of the session profile makes its key by a whole handshake first, which
    /// costs as much as twenty others: 1,000. In the connection profile ten times as many do.
    pub handshake_one_in: u64,
    /// Tells on stderr what happens, to find out why something did: no.
    pub narrates: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            storms: true,
            handshake_one_in: 1_000,
            narrates: false,
        }
    }
}

/// Runs one seed of a profile.
///
/// # Errors
/// The first invariant that did not hold.
///
/// # Panics
/// If the profile is not in this build: [`is_available`].
pub fn run(profile: Profile, seed: Seed, options: &Options) -> Result<Outcome, Violation> {
    run_traced(profile, seed, options, &Trace::off())
}

/// [`run`](fn@run), and everything that is done to the run's machines is written to `trace`, which
/// [`replay`](crate::trace::replay) does again without the simulator.
///
/// # Errors
/// As [`run`](fn@run).
///
/// # Panics
/// As [`run`](fn@run).
pub fn run_traced(
    profile: Profile,
    seed: Seed,
    options: &Options,
    trace: &Trace,
) -> Result<Outcome, Violation> {
    #[cfg(feature = "dc")]
    if profile == Profile::Client {
        return client::run_traced(seed, options, trace).map(|(outcome, _)| outcome);
    }
    let mut stage = Stage::new(seed);
    stage.narrates = options.narrates;
    stage.trace = trace.clone();
    let outcome = match profile {
        Profile::Session => {
            let handshake = stage.dice.chance(1, options.handshake_one_in);
            SessionLevel::new(&mut stage, handshake)
                .and_then(|level| run::run(level, &mut stage, options.storms))
        }
        Profile::Connection => {
            let handshake_one_in = (options.handshake_one_in / 10).max(1);
            let level = ConnectionLevel::new(&mut stage, trace, handshake_one_in);
            run::run(level, &mut stage, options.storms)
        }
        Profile::Client => panic!("no {profile} profile in this build"),
    };
    outcome.map_err(|broken| violation(&stage, profile, broken))
}

/// Runs a script, which says step by step what is done and what goes wrong, to a client and a server
/// or (one script in four) to their bare sessions; then all becomes calm, as at the end of each run.
/// Any bytes are a script, of at most 64 steps. It is for fuzzers: what a step means is found in
/// `run/script.rs`, and changes.
///
/// # Errors
/// The first invariant that did not hold.
pub fn run_script(script: &[u8], options: &Options, trace: &Trace) -> Result<Outcome, Violation> {
    let mut head = [0; 3];
    let (begin, steps) = script.split_at(head.len().min(script.len()));
    head[..begin.len()].copy_from_slice(begin);
    let [how, seed @ ..] = head;
    let mut stage = Stage::new(Seed(u16::from_le_bytes(seed).into()));
    stage.trace = trace.clone();
    stage.narrates = options.narrates;
    let profile = match how & 3 {
        3 => Profile::Session,
        _ => Profile::Connection,
    };
    // Too dear to be done often.
    let handshake = how & 0xfc == 0xfc;
    let outcome = match profile {
        Profile::Session => SessionLevel::new(&mut stage, handshake)
            .and_then(|level| run::play(level, &mut stage, steps)),
        _ => {
            let one_in = if handshake { 1 } else { u64::MAX };
            let level = ConnectionLevel::new(&mut stage, trace, one_in);
            run::play(level, &mut stage, steps)
        }
    };
    outcome.map_err(|broken| violation(&stage, profile, broken))
}

/// Scripts with names, for a fuzzer to begin with: each trouble by itself, to both kinds of machines,
/// and a few in which many come together.
pub fn scripts() -> Vec<(String, Vec<u8>)> {
    run::scripts()
}

fn violation(stage: &Stage, profile: Profile, Broken(invariant, detail): Broken) -> Violation {
    Violation {
        seed: stage.dice.seed(),
        profile,
        invariant,
        at: stage.now,
        detail,
    }
}

/// Whether this build has the profile.
pub fn is_available(profile: Profile) -> bool {
    match profile {
        Profile::Session | Profile::Connection => true,
        Profile::Client => cfg!(feature = "dc"),
    }
}
