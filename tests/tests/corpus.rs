//! Replays the fuzzers' inputs on stable: the corpora in `fuzz/corpus`, and what was once a
//! finding, in `fuzz/findings`.
//!
//! `MTPROTO_WRITE_CORPUS=1 cargo test -p mtproto-test --test corpus` writes the first inputs and
//! the dictionary anew; do so after a target's input has changed its meaning.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use mtproto_test::alloc::{Counting, peak};
use mtproto_test::targets::{MAX_HELD, TARGETS, Target, dictionary};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test for each target, and the names of all.
macro_rules! replays {
    ($($target:ident),* $(,)?) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
    };
}

replays! {
    client_answers,
    codec,
    fake_tls,
    handshake_client,
    handshake_server,
    pair_script,
    schema_json,
    schema_text,
    session_open,
    session_plain,
    session_strings,
    stored_state,
    tl_dynamic,
    tl_typed,
    updates,
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// Files of a folder and their contents; none if there is no such folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let content = fs::read(&path).unwrap();
            (path, content)
        })
        .collect()
}

/// The names of what is in a folder, without their ends.
fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return BTreeSet::new();
    };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect()
}

fn writing() -> bool {
    std::env::var_os("MTPROTO_WRITE_CORPUS").is_some()
}

fn replay(name: &str) {
    let target: &Target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let folder = fuzz().join("corpus").join(name);
    for (seed, input) in (target.seeds)() {
        let path = folder.join(format!("seed-{seed}"));
        if writing() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &input).unwrap();
        }
        let stored = fs::read(&path).unwrap_or_default();
        assert_eq!(
            stored,
            input,
            "{} is not what the target makes",
            path.display()
        );
    }
    let mut inputs = files(&folder);
    inputs.extend(files(&fuzz().join("findings").join(name)));
    assert!(!inputs.is_empty());
    let mut most = 0;
    for (path, input) in &inputs {
        // Every prefix means something too; a few will do.
        for len in [
            input.len(),
            0,
            1,
            input.len() / 2,
            input.len().saturating_sub(1),
        ] {
            let (run, held) = peak(|| panic::catch_unwind(|| (target.run)(&input[..len])));
            assert!(run.is_ok(), "{len} bytes of {} fail", path.display());
            assert!(
                held <= MAX_HELD,
                "{len} bytes of {} make it hold {held} bytes",
                path.display()
            );
            most = most.max(held);
        }
    }
    println!("{name}: {} inputs, at most {most} bytes", inputs.len());
}

#[test]
fn every_target_is_replayed_here_and_has_a_binary() {
    let targets: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(targets.len(), TARGETS.len(), "names differ");
    let replayed: BTreeSet<_> = REPLAYED.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(replayed, targets);
    assert_eq!(names(&fuzz().join("fuzz_targets")), targets);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let readme = fs::read_to_string(fuzz().join("README.md")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
        let binary = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
        let binary = fs::read_to_string(binary).unwrap();
        assert!(binary.contains(&format!("(\"{name}\")")), "{name}");
    }
    // What nobody replays would be kept for nothing.
    for kept in ["corpus", "findings"] {
        let strays = &names(&fuzz().join(kept)) - &targets;
        assert_eq!(strays, BTreeSet::new(), "in {kept}");
    }
}

#[test]
fn the_dictionary_is_what_the_targets_say() {
    let path = fuzz().join("mtproto.dict");
    if writing() {
        fs::write(&path, dictionary()).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), dictionary());
}
