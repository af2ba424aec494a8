//! The lints that deny a panic stand where bytes of peers are read, and each exception is known.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// What must not be written without a reason.
const LINTS: [&str; 5] = [
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::panic",
    "clippy::indexing_slicing",
    "clippy::arithmetic_side_effects",
];

/// Rooms that take bytes from peers, from files or from whoever writes schemas: where the lints
/// stand, and the folder or file that they are for.
const ROOMS: [(&str, &str); 8] = [
    ("mtproto-proto/src/lib.rs", "mtproto-proto/src"),
    ("schema/src/lib.rs", "schema/src"),
    ("mtproto-driver/src/lib.rs", "mtproto-driver/src"),
    ("mtproto-tokio/src/lib.rs", "mtproto-tokio/src"),
    ("mtproto-async-std/src/lib.rs", "mtproto-async-std/src"),
    ("tests/src/dc/mod.rs", "tests/src/dc"),
    ("tests/src/proxy/mod.rs", "tests/src/proxy"),
    ("tests/src/line.rs", "tests/src/line.rs"),
];

/// Where one of them is allowed, outside of tests, and how often. Each place says why.
const EXCEPTIONS: &[(&str, usize)] = &[
    // The offsets of the specification's formulas.
    ("mtproto-proto/src/crypto/bytes.rs", 1),
    // The data that is compiled in.
    ("schema/src/schema.rs", 1),
    // A developer's tool: it reads reviewed files, and no program contains it.
    ("schema/src/codegen/mod.rs", 3),
    // The test DC: what is compiled in, constants, and its own DCs by number.
    ("tests/src/dc/layers.rs", 1),
    ("tests/src/dc/mod.rs", 1),
    ("tests/src/dc/owner.rs", 1),
    ("tests/src/dc/passwords.rs", 1),
    ("tests/src/dc/people.rs", 1),
    ("tests/src/dc/state/format.rs", 1),
    ("tests/src/dc/state/journal.rs", 1),
    ("tests/src/dc/talk/bare.rs", 1),
    // The proxy: it does not read what it carries.
    ("tests/src/proxy/engine.rs", 3),
    ("tests/src/proxy/mod.rs", 3),
    ("tests/src/proxy/stream.rs", 2),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file, or all sources below the folder, but for those that are made by `tl-gen`.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        let is_source = path.extension().is_some_and(|it| it == "rs");
        return is_source.then(|| path.to_owned()).into_iter().collect();
    }
    if path.ends_with("generated") {
        return Vec::new();
    }
    let mut inside: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    inside.sort();
    inside.iter().flat_map(|path| sources(path)).collect()
}

/// An attribute from its first line to the one that closes it.
fn attribute<'a>(lines: &mut impl Iterator<Item = &'a str>, first: &str) -> String {
    let mut text = first.to_owned();
    while !text.trim_end().ends_with(")]") {
        text.push_str(lines.next().unwrap());
    }
    text
}

#[test]
fn rooms_that_read_what_peers_send_deny_whatever_panics() {
    for (place, _) in ROOMS {
        let text = read(&root().join(place));
        let mut lines = text.lines();
        let mut denied = String::new();
        while let Some(line) = lines.next() {
            if line.starts_with("#![deny(") {
                denied.push_str(&attribute(&mut lines, line));
            }
        }
        for lint in LINTS {
            assert!(denied.contains(lint), "{place} does not deny {lint}");
        }
    }
}

#[test]
fn each_exception_is_known_and_says_why() {
    let mut found = Vec::new();
    for (_, room) in ROOMS {
        for path in sources(&root().join(room)) {
            let text = read(&path);
            // Tests stand at the end.
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let mut lines = text.lines();
            let mut count = 0;
            let mut before = "";
            while let Some(line) = lines.next() {
                let before = std::mem::replace(&mut before, line.trim());
                let start = line.trim_start();
                let excepts = ["#[allow(", "#[expect(", "#![allow(", "#![expect("]
                    .iter()
                    .any(|it| start.starts_with(it))
                    || start.starts_with("#![cfg_attr(")
                    || start.starts_with("#[cfg_attr(");
                if !excepts {
                    continue;
                }
                let text = attribute(&mut lines, start);
                let lints = LINTS.iter().filter(|lint| text.contains(**lint)).count();
                if lints == 0 {
                    continue;
                }
                let name = path.display();
                assert!(text.contains("reason = \""), "{name}: {text}");
                // Of a module of tests, or of a whole crate while it is tested.
                let of_tests =
                    before == "#[cfg(test)]" || text.starts_with("#![cfg_attr(    test,");
                assert_eq!(of_tests, text.contains("reason = \"tests\""), "{name}");
                if !of_tests {
                    count += lints;
                }
            }
            if count > 0 {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
                found.push((name.replace('\\', "/"), count));
            }
        }
    }
    found.sort();
    let mut known: Vec<_> = EXCEPTIONS
        .iter()
        .map(|(path, count)| ((*path).to_owned(), *count))
        .collect();
    known.sort();
    assert_eq!(found, known);
}
