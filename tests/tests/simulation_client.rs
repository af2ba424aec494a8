//! Whole clients against several data centres of one world, in any weather.
//!
//! A seed that fails is told again, line by line, by
//! `cargo run --release -p mtproto-test --bin simulate -- --profile client --seed <number> --narrate`.

use mtproto_test::Seed;
use mtproto_test::sim::{self, Fault, Options, Profile, Report, client};

/// Runs of the suite: about twenty seconds without optimisation of the kit.
const RUNS: u64 = 300;
fn run_all(seeds: impl Iterator<Item = u64>, options: &Options) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        match sim::run(Profile::Client, Seed(seed), options) {
            Ok(outcome) => report.add(&outcome),
            Err(violation) => panic!("{violation}"),
        }
    }
    report
}

#[test]
fn clients_keep_their_promises_in_any_weather() {
    let report = run_all(0..RUNS, &Options::default());
    println!("{report}");
    let all = report.total();
    // The storms were storms, and something came of what was asked in them.
    for fault in [
        Fault::Cut,
        Fault::Vanish,
        Fault::RestartKept,
        Fault::RestartLost,
        Fault::ClientRestart,
        Fault::SilentDc,
        Fault::Moved,
        Fault::RpcTimeout,
    ] {
        assert!(all.faults.of(fault) > 0, "no {fault} in {RUNS} runs");
    }
    assert!(all.handshakes > 0 && all.updates > RUNS && all.executed > 10 * RUNS);
}

#[test]
fn without_storms_every_call_is_answered() {
    let mut calm = Options::default();
    calm.storms = false;
    let report = run_all(0..20, &calm);
    let answered = [sim::End::Answered];
    let others: Vec<_> = report.total().ends.keys().collect();
    println!("{report}");
    // But for what a data centre is asked that is silent, and what is asked when all is closed.
    let lost = report.total().ends.iter();
    let lost: u64 = lost
        .filter(|(end, _)| !answered.contains(end))
        .map(|(_, count)| count)
        .sum();
    let all: u64 = report.total().ends.values().sum();
    assert!(lost * 4 < all, "{lost} of {all}: {others:?}");
}

#[test]
fn one_seed_gives_one_run_bit_for_bit() {
    for seed in [1, 2, 3, 5, 8, 13] {
        let run = || client::run(Seed(seed), &Options::default());
        let (first, second) = (run(), run());
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(first.unwrap().1, 0);
    }
}

#[test]
fn two_seeds_give_two_runs() {
    let run = |seed| client::run(Seed(seed), &Options::default()).unwrap().1;
    assert_ne!(run(1), run(2));
}
