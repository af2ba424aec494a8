//! Replays the fuzzers' inputs on stable: the corpora in `fuzz/corpus`, and what was once a
//! finding, in `fuzz/findings`.
//!
//! `MTPROTO_WRITE_CORPUS=1 cargo test -p mtproto-test --test corpus` writes the first inputs and
//! the dictionary anew; do so after a target's input has changed its meaning.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use mtproto_test::targets::{TARGETS, Target, dictionary};

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
    for (path, input) in &inputs {
        if panic::catch_unwind(|| (target.run)(input)).is_err() {
            panic!("{} fails: {input:02x?}", path.display());
        }
        // Every prefix means something too; a few will do.
        for len in [0, 1, input.len() / 2, input.len().saturating_sub(1)] {
            if panic::catch_unwind(|| (target.run)(&input[..len])).is_err() {
                panic!("{len} bytes of {} fail", path.display());
            }
        }
    }
    println!("{name}: {} inputs", inputs.len());
}

#[test]
fn client_answers_replays() {
    replay("client_answers");
}

#[test]
fn codec_replays() {
    replay("codec");
}

#[test]
fn handshake_client_replays() {
    replay("handshake_client");
}

#[test]
fn handshake_server_replays() {
    replay("handshake_server");
}

#[test]
fn session_plain_replays() {
    replay("session_plain");
}

#[test]
fn session_strings_replays() {
    replay("session_strings");
}

#[test]
fn updates_replays() {
    replay("updates");
}

#[test]
fn tl_dynamic_replays() {
    replay("tl_dynamic");
}

#[test]
fn every_target_is_replayed_here_and_has_a_binary() {
    let here = include_str!("corpus.rs");
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for Target { name, .. } in TARGETS {
        assert!(here.contains(&format!("replay(\"{name}\")")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let binary = fuzz().join("fuzz_targets").join(format!("{name}.rs"));
        let binary = fs::read_to_string(binary).unwrap();
        assert!(binary.contains(&format!("targets::{name}(")), "{name}");
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
