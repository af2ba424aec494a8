//! Runs the simulator for many seeds.
//!
//! Does: reads what to run, runs it on all cores, prints what happened; the first invariant that did
//! not hold ends it with code 1. What it prints does not depend on the number of threads.
//! In: arguments, see `--help`. Out: a report on stdout, a violation on stderr.
//! Must not know: how a run is made.
//! Spec: none.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use mtproto_test::Seed;
use mtproto_test::sim::{self, Options, Profile, Report, Violation};
use mtproto_test::trace::Trace;

const HELP: &str = "\
Runs the simulator: both roles of MTProto under seeded faults.

  simulate [--profile NAME] [--seeds N] [--from S] [--threads N]
  simulate [--profile NAME] --seed S [--trace FILE]
  simulate --script FILE [--trace FILE]

  --profile NAME   session (default), connection, client
  --seeds N        how many runs: 1000
  --from S         the first seed: 0
  --seed S         this run only
  --script FILE    what the fuzz target pair_script was given, instead of a seed
  --trace FILE     write down everything that is done to its machines; `replay FILE` does it again
  --threads N      how many at once: as many as there are cores
  --calm           nothing goes wrong
  --narrate        tell on stderr what happens
  --rules          name the rules that can be broken, one a line (as below)
  --sabotage NAME  break a rule of the core (builds with --cfg mtproto_sabotage only)

Exit code 1: an invariant did not hold; the seed repeats the run.
";

/// Seeds that a thread takes at once.
const BATCH: u64 = 16;

struct Arguments {
    profile: Profile,
    from: u64,
    seeds: u64,
    threads: usize,
    options: Options,
    trace: Trace,
    /// Instead of seeds.
    script: Option<Vec<u8>>,
}

enum Command {
    Run(Arguments),
    Print(String),
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long it took is for whoever waits, not for the runs"
)]
fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Command::Run(arguments)) => arguments,
        Ok(Command::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let (report, violation) = match &arguments.script {
        Some(script) => run_script(script, &arguments),
        None => run(&arguments),
    };
    print!("{report}");
    eprintln!("{:>12.1}  seconds", began.elapsed().as_secs_f64());
    if let Err(error) = arguments.trace.finish() {
        eprintln!("the trace is cut off: {error}");
        return ExitCode::from(2);
    }
    match violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            let (profile, seed) = (violation.profile, violation.seed);
            eprintln!("{violation}");
            if arguments.script.is_none() {
                eprintln!("  repeat: simulate --profile {profile} --seed {seed}");
            }
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut arguments = Arguments {
        profile: Profile::Session,
        from: 0,
        seeds: 1_000,
        threads: thread::available_parallelism().map_or(1, usize::from),
        options: Options::default(),
        trace: Trace::off(),
        script: None,
    };
    let mut path = None;
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Command::Print(HELP.into())),
            "--calm" => arguments.options.storms = false,
            "--narrate" => arguments.options.narrates = true,
            "--profile" => arguments.profile = profile(&value()?)?,
            "--seeds" => arguments.seeds = number(&value()?)?,
            "--from" => arguments.from = number(&value()?)?,
            "--threads" => arguments.threads = number(&value()?)?.max(1) as usize,
            "--seed" => {
                arguments.from = number(&value()?)?;
                arguments.seeds = 1;
            }
            "--script" => {
                let path = value()?;
                let script = std::fs::read(&path).map_err(|error| format!("{path}: {error}"))?;
                arguments.script = Some(script);
            }
            "--trace" => {
                path = Some(value()?);
            }
            "--sabotage" => sabotage(&value()?)?,
            "--rules" => return Ok(Command::Print(rules()?)),
            _ => return Err(format!("{word}: no such argument")),
        }
    }
    if let Some(path) = path {
        if arguments.seeds != 1 && arguments.script.is_none() {
            return Err("--trace is of one run: name its --seed".into());
        }
        let trace = Trace::full(&path);
        arguments.trace = trace.map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(Command::Run(arguments))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|e| format!("{text:?} is no number: {e}"))
}

fn profile(name: &str) -> Result<Profile, String> {
    let found = Profile::ALL
        .into_iter()
        .find(|profile| profile.name() == name);
    let profile = found.ok_or(format!("{name:?} is no profile"))?;
    if !sim::is_available(profile) {
        return Err(format!("the profile {name} is not in this build"));
    }
    Ok(profile)
}

#[cfg(mtproto_sabotage)]
fn sabotage(name: &str) -> Result<(), String> {
    use mtproto_proto::sabotage::{Sabotage, set};

    let found = Sabotage::ALL.into_iter().find(|rule| rule.name() == name);
    let rule = found.ok_or_else(|| {
        let names: Vec<_> = Sabotage::ALL.iter().map(|rule| rule.name()).collect();
        format!("{name:?} is no rule; there are {}", names.join(", "))
    })?;
    set(Some(rule));
    Ok(())
}

/// The rules that can be broken, one a line.
#[cfg(mtproto_sabotage)]
fn rules() -> Result<String, String> {
    use mtproto_proto::sabotage::Sabotage;

    let lines = Sabotage::ALL
        .iter()
        .map(|rule| format!("{}\n", rule.name()));
    Ok(lines.collect())
}

#[cfg(not(mtproto_sabotage))]
fn rules() -> Result<String, String> {
    sabotage("").map(|()| String::new())
}

#[cfg(not(mtproto_sabotage))]
fn sabotage(_: &str) -> Result<(), String> {
    Err("rules can be broken in a build with RUSTFLAGS=\"--cfg mtproto_sabotage\" only".into())
}

/// Runs what bytes say.
fn run_script(script: &[u8], arguments: &Arguments) -> (Report, Option<Violation>) {
    let mut report = Report::default();
    match sim::run_script(script, &arguments.options, &arguments.trace) {
        Ok(outcome) => report.add(&outcome),
        Err(violation) => return (report, Some(violation)),
    }
    (report, None)
}

/// Runs all seeds below the first that breaks something, and some above it.
fn run(arguments: &Arguments) -> (Report, Option<Violation>) {
    let end = arguments.from.saturating_add(arguments.seeds);
    let next = AtomicU64::new(arguments.from);
    // The lowest seed that broke something: seeds above it need not run.
    let worst = AtomicU64::new(u64::MAX);
    let results = Mutex::new((Vec::new(), Vec::new()));
    thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| {
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= end || first > worst.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut report = Report::default();
                    let mut broken = None;
                    for seed in first..end.min(first.saturating_add(BATCH)) {
                        match sim::run_traced(
                            arguments.profile,
                            Seed(seed),
                            &arguments.options,
                            &arguments.trace,
                        ) {
                            Ok(outcome) => report.add(&outcome),
                            Err(violation) => {
                                worst.fetch_min(seed, Ordering::Relaxed);
                                broken = Some(violation);
                                break;
                            }
                        }
                    }
                    let mut results = results.lock().expect("no thread panics with it");
                    results.0.push((first, report));
                    results.1.extend(broken);
                }
            });
        }
    });
    let (reports, violations) = results.into_inner().expect("no thread panics with it");
    let violation = violations
        .into_iter()
        .min_by_key(|violation| violation.seed);
    let last = violation
        .as_ref()
        .map_or(u64::MAX, |violation| violation.seed.0);
    let mut total = Report::default();
    for (_, report) in reports.iter().filter(|(first, _)| *first <= last) {
        total.merge(report);
    }
    (total, violation)
}
