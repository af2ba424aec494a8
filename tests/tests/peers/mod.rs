//! Where the programs of other projects are, and what to do when they are not.

use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIRE: &str = "MTPROTO_REQUIRE_PEERS";

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Says what is missing; fails where nothing may be.
pub fn skip(what: &str) {
    let required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
    assert!(
        !required,
        "{what} is missing, and {REQUIRE}=1; see tests/peers/README.md"
    );
    eprintln!("SKIPPED: {what} is missing; see tests/peers/README.md");
}

/// The command that runs a Python script, if its libraries are installed.
pub fn python(script: &str) -> Option<Command> {
    let interpreter = folder().join(".venv/bin/python");
    if !interpreter.exists() {
        skip("tests/peers/.venv");
        return None;
    }
    let mut command = Command::new(interpreter);
    command.arg(folder().join(script));
    Some(command)
}
