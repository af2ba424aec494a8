//! What the rooms depend on: no std below the driver, few crates, one direction, and a reason for
//! each.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The core's whole tree, itself and its build scripts included: what the chosen set comes to. More
/// is not forbidden, but has to be wanted: then this number and DEPS.md change together.
const MAX_CRATES: usize = 36;

/// The same with feature `client`: `hmac` and `pbkdf2` more.
const MAX_CRATES_CLIENT: usize = 38;

/// Which rooms each room may use, apart from its tests.
const BELOW: [(&str, &[&str]); 7] = [
    ("mtproto-schema", &[]),
    ("mtproto-proto", &["mtproto-schema"]),
    ("mtproto-test", &["mtproto-proto", "mtproto-schema"]),
    // Tests alone.
    ("mtproto-test-guards", &[]),
    ("mtproto-driver", &["mtproto-proto", "mtproto-schema"]),
    (
        "mtproto-tokio",
        &["mtproto-driver", "mtproto-proto", "mtproto-schema"],
    ),
    (
        "mtproto-async-std",
        &["mtproto-driver", "mtproto-proto", "mtproto-schema"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs cargo with what is downloaded already, and only if that is not enough with the network.
fn cargo(args: &[&str]) -> Output {
    let run = |offline: &[&str]| {
        Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .current_dir(root())
            .args(args)
            .args(offline)
            .output()
            .unwrap()
    };
    let output = run(&["--offline"]);
    if output.status.success() || !text(&output.stderr).contains("--offline") {
        return output;
    }
    run(&[])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn expect(output: Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The rooms as cargo sees them.
fn packages() -> BTreeMap<String, Value> {
    let metadata = expect(cargo(&["metadata", "--no-deps", "--format-version=1"]));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| (name(package).to_owned(), package.clone()))
        .collect()
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap()
}

/// The dependencies of a room that are not only for its tests.
fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    let all = package["dependencies"].as_array().unwrap();
    all.iter().filter(|dependency| dependency["kind"] != "dev")
}

#[test]
fn rooms_depend_downwards_only() {
    let packages = packages();
    let known: BTreeSet<_> = packages.keys().map(String::as_str).collect();
    assert_eq!(known, BELOW.iter().map(|(room, _)| *room).collect());
    for (room, allowed) in BELOW {
        for dependency in dependencies(&packages[room]) {
            let name = name(dependency);
            let ok = !known.contains(name) || allowed.contains(&name);
            assert!(ok, "{room} must not use {name}");
        }
    }
}

#[test]
fn the_test_kit_is_not_needed_to_publish_what_it_tests() {
    for (room, package) in packages() {
        for dependency in package["dependencies"].as_array().unwrap() {
            if name(dependency) == "mtproto-test" {
                assert_eq!(dependency["kind"], "dev", "{room}");
                // With a version, cargo would look for it in the registry.
                assert_eq!(dependency["req"], "*", "{room}");
            }
        }
    }
}

#[test]
fn the_core_stays_small() {
    for (features, max) in [("", MAX_CRATES), ("client", MAX_CRATES_CLIENT)] {
        let features = format!("--features={features}");
        let tree = expect(cargo(&[
            "tree",
            "--package=mtproto-proto",
            "--edges=normal,build",
            "--prefix=none",
            "--format={p}",
            &features,
        ]));
        let crates: BTreeSet<_> = tree
            .lines()
            .map(|line| line.trim_end_matches(" (*)"))
            .filter(|line| !line.is_empty())
            .collect();
        assert!(crates.len() > 10, "{tree}");
        let all: Vec<_> = crates.into_iter().collect();
        assert!(
            all.len() <= max,
            "{} crates, at most {max} with {features}:\n{}",
            all.len(),
            all.join("\n")
        );
    }
}

#[test]
fn every_dependency_of_the_core_has_a_reason() {
    let deps = fs::read_to_string(root().join("mtproto-proto/DEPS.md")).unwrap();
    let reasons: BTreeMap<_, _> = deps
        .lines()
        .filter_map(|line| {
            let row = line.strip_prefix("| `")?;
            let (name, reason) = row.split_once("` | ")?;
            Some((name, reason))
        })
        .collect();
    let packages = packages();
    let used: BTreeSet<_> = dependencies(&packages["mtproto-proto"]).map(name).collect();
    assert_eq!(reasons.keys().copied().collect::<BTreeSet<_>>(), used);
    for (name, reason) in reasons {
        assert!(reason.len() > 20, "{name}: {reason}");
    }
}

fn probe(args: &[&str]) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-std-probe");
    let target = format!("--target-dir={}", target.display());
    let manifest = "--manifest-path=tests/no-std-probe/Cargo.toml";
    cargo(&[args, &[manifest, &target]].concat())
}

#[test]
fn core_and_schema_need_no_std() {
    expect(probe(&["build"]));
    // It is a program that does something: a request reaches the server's application.
    expect(probe(&["run"]));
    // And it is a probe: a crate with std anywhere below does not build.
    let failed = probe(&["build", "--features=with-std"]);
    assert!(!failed.status.success());
    let why = text(&failed.stderr);
    assert!(why.contains("duplicate lang item `panic_impl`"), "{why}");
}
