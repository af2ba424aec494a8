//! Runs of the simulator, written down and done again without it.

use std::path::Path;
use std::process::Command;

use mtproto_test::Seed;
use mtproto_test::sim::{self, Options, Profile};
use mtproto_test::trace::{Buffer, Trace, replay};

#[test]
fn a_run_of_the_simulator_is_done_again_bit_for_bit() {
    for profile in Profile::ALL {
        if !sim::is_available(profile) {
            continue;
        }
        for seed in (0..4).map(Seed) {
            let file = Buffer::default();
            let trace = Trace::full_to(file.clone()).unwrap();
            let options = Options::default();
            let outcome = sim::run_traced(profile, seed, &options, &trace);
            trace.finish().unwrap();
            let replayed = replay(&file.take()[..])
                .unwrap_or_else(|error| panic!("{profile}, seed {seed}: {error}"));
            assert!(
                replayed.machines >= 2,
                "{profile}, seed {seed}: {replayed:?}"
            );
            assert!(replayed.steps > 100, "{profile}, seed {seed}: {replayed:?}");
            assert_eq!(replayed.cut, None, "{profile}, seed {seed}");
            // Writing it down changes nothing.
            let again = sim::run(profile, seed, &options);
            assert_eq!(
                format!("{outcome:?}"),
                format!("{again:?}"),
                "{profile}, seed {seed}"
            );
        }
    }
}

#[test]
fn the_simulators_program_writes_what_the_other_one_does_again() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("run.trace");
    let run = |arguments: &[&str]| {
        let mut simulate = Command::new(env!("CARGO_BIN_EXE_simulate"));
        simulate
            .args(arguments)
            .arg("--trace")
            .arg(&path)
            .output()
            .unwrap()
    };
    let refused = run(&["--seeds", "2"]);
    assert_eq!(refused.status.code(), Some(2));
    let run = run(&["--seed", "11"]);
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let replayed = Command::new(env!("CARGO_BIN_EXE_replay"))
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(replayed.stdout).unwrap();
    assert_eq!(replayed.status.code(), Some(0), "{text}");
    assert!(
        text.contains("every byte, event and timer is as recorded"),
        "{text}"
    );
}
