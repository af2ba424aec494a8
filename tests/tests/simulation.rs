//! The simulator: some thousand seeds of each profile, those that once showed a bug, and that the
//! checker sees.
//!
//! More seeds: `cargo run --release -p mtproto-test --bin simulate -- --seeds 100000`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "simulation/blindness.rs"]
mod blindness;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use mtproto_test::Seed;
use mtproto_test::sim::{self, End, Fault, Options, Profile, Report};

/// Runs these seeds on all cores; the report does not depend on how many there are.
fn run(profile: Profile, seeds: &[u64]) -> Report {
    let next = AtomicU64::new(0);
    let total = Mutex::new(Report::default());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    match sim::run(profile, Seed(*seed), &Options::default()) {
                        Ok(outcome) => total.lock().unwrap().add(&outcome),
                        Err(violation) => panic!("{violation}"),
                    }
                }
            });
        }
    });
    total.into_inner().unwrap()
}

/// These seeds, or the one of the environment.
fn seeds(first: u64, count: u64) -> Vec<u64> {
    match std::env::var(mtproto_test::dice::SEED_VARIABLE) {
        Ok(_) => vec![Seed::from_env_or(first).0],
        Err(_) => (first..first + count).collect(),
    }
}

/// What only whole clients meet.
const OF_CLIENTS: [Fault; 13] = [
    Fault::Refused,
    Fault::BlackHole,
    Fault::Mute,
    Fault::SilentDc,
    Fault::NetworkChange,
    Fault::Sleep,
    Fault::FloodWait,
    Fault::RpcTimeout,
    Fault::Unregistered,
    Fault::LostKey,
    Fault::Moved,
    Fault::Revoked,
    Fault::SignOut,
];

/// Every kind of fault was injected, but for these.
fn check_faults(report: &Report, but: &[Fault]) {
    let expected = |fault: &&Fault| !but.contains(fault) && !OF_CLIENTS.contains(fault);
    for fault in Fault::ALL.iter().filter(expected) {
        assert!(
            report.total().faults.of(*fault) > 0,
            "{fault}: never\n{report}"
        );
    }
}

#[test]
fn sessions_keep_every_invariant() {
    let seeds = seeds(1_000_000, 2_000);
    let report = run(Profile::Session, &seeds);
    println!("{report}");
    if seeds.len() > 1 {
        check_faults(
            &report,
            &[
                Fault::Segments,
                Fault::SlowReader,
                Fault::Status404,
                Fault::Status429,
                Fault::Status444,
            ],
        );
        assert!(report.total().ends[&End::Answered] > 10_000, "{report}");
    }
}

#[test]
fn connections_keep_every_invariant() {
    let seeds = seeds(2_000_000, 600);
    let report = run(Profile::Connection, &seeds);
    println!("{report}");
    if seeds.len() > 1 {
        // A server's salts follow its clock and its restarts.
        check_faults(&report, &[Fault::Salts]);
        assert!(report.total().handshakes > 0, "{report}");
        assert!(report.total().ends[&End::Answered] > 5_000, "{report}");
    }
}

#[test]
fn what_once_showed_a_bug_shows_none() {
    run(
        Profile::Session,
        &[
            // A request that had "not come" came over the older stream and was executed again.
            181, // A question about a request was dropped for the refusals of the stream before.
            240, // An update that was too old to tell was acknowledged, and nobody heard of it.
            11_917, // What was dropped for its age could not come again when the clock was right.
            55_588, // A refusal in a container did not repair a clock that was years wrong.
            236_893, // An answer from before a repetition ended the request it was about.
            231, 9, 307, 887, 1_259, 2_560, 67_965, 108_006,
        ],
    );
    run(Profile::Connection, &[57, 135, 155, 235, 339, 2_257]);
}

#[test]
fn a_seed_is_a_run() {
    for profile in [Profile::Session, Profile::Connection] {
        let once = sim::run(profile, Seed(5), &Options::default()).unwrap();
        assert_eq!(
            sim::run(profile, Seed(5), &Options::default()).unwrap(),
            once
        );
        let other = sim::run(profile, Seed(6), &Options::default()).unwrap();
        assert_ne!(once, other);
    }
}

/// With everything calm every request is answered, so that what fails elsewhere is the faults' doing.
#[test]
fn without_faults_every_request_is_answered_whatever_the_clocks_say() {
    let mut options = Options::default();
    options.storms = false;
    let mut report = Report::default();
    for seed in 0..100 {
        for profile in [Profile::Session, Profile::Connection] {
            match sim::run(profile, Seed(seed), &options) {
                Ok(outcome) => report.add(&outcome),
                Err(violation) => panic!("{violation}"),
            }
        }
    }
    let ends: Vec<End> = report.total().ends.keys().copied().collect();
    assert_eq!(ends, [End::Answered], "{report}");
    assert!(
        report.total().faults.of(Fault::ClientClock) > 20,
        "{report}"
    );
}
