//! Clients of other projects against our DC, and another framing against ours.
//!
//! `tests/peers/README.md` says how to install them. What is not installed is skipped with a word,
//! or, with `MTPROTO_REQUIRE_PEERS=1`, fails.

#[path = "interop/ours.rs"]
mod ours;
#[path = "interop/pairs.rs"]
mod pairs;
mod peers;
mod program;
#[path = "interop/sessions.rs"]
mod sessions;
#[path = "interop/talk.rs"]
mod talk;
#[path = "interop/users.rs"]
mod users;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mtproto_proto::DcId;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_test::{Dice, Line};
use serde_json::{Value, json};

use peers::{folder, python, skip};
use program::Program;

/// How long one client may take, in seconds; it ends by itself then.
const TIMEOUT: &str = "60";

/// The command that runs a JavaScript client, if its libraries are installed.
fn node(script: &str) -> Option<Command> {
    if !folder().join("node_modules").exists() {
        skip("tests/peers/node_modules");
        return None;
    }
    if Command::new("node").arg("--version").output().is_err() {
        skip("node");
        return None;
    }
    let mut command = Command::new("node");
    command.arg(folder().join(script));
    Some(command)
}

/// A DC, and the file with its key.
struct Dc {
    program: Program,
    key: PathBuf,
}

impl Dc {
    /// A DC for the test of this name. It is not shared: a static is never dropped, and the program
    /// would outlive the tests.
    fn start(test: &str) -> Self {
        Dc::with_flags(test, &[])
    }

    /// A DC that is set up like this.
    fn with(test: &str, setup: &Value) -> Self {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interop-{test}.json"));
        std::fs::write(&file, setup.to_string()).unwrap();
        Dc::with_flags(test, &["--config", file.to_str().unwrap()])
    }

    fn with_flags(test: &str, flags: &[&str]) -> Self {
        let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interop-{test}.pem"));
        let mut all = vec!["--key-out", key.to_str().unwrap()];
        all.extend(flags);
        let program = Program::start(&all);
        Dc { program, key }
    }

    /// Runs a client against the DC and checks what it got.
    fn get_config(
        &self,
        mut command: Command,
        framing: &str,
        flags: &[&str],
        refusal: &str,
    ) -> Value {
        let port = self.program.port();
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--framing", framing])
            .args(flags)
            .arg("--key")
            .arg(&self.key);
        let got = run(command);
        eprintln!("{got}");
        assert_eq!(got["framing"], framing);
        assert_eq!(got["this_dc"], 2, "{got}");
        assert_eq!(
            got["dc_options"],
            json!([{"id": 2, "ip": "127.0.0.1", "port": port}]),
            "{got}"
        );
        assert_eq!(got["nearest_dc"], 2, "{got}");
        assert_eq!(got["refusal"], refusal, "{got}");
        got
    }
}

/// Runs a client and gives what it printed.
fn run(command: Command) -> Value {
    run_with(command, "")
}

/// The same with something on stdin, which no pipe has to wait for: a few kilobytes.
fn run_with(mut command: Command, input: &str) -> Value {
    let mut child = command
        .args(["--timeout", TIMEOUT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}{stderr}",
        output.status
    );
    serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{command:?}: {e}\n{stdout}{stderr}"))
}

fn key_ids(results: &[Value]) -> BTreeSet<&str> {
    results
        .iter()
        .filter_map(|r| r["key_id"].as_str())
        .collect()
}

#[test]
fn telethon_gets_the_configuration_over_each_of_its_framings() {
    let dc = Dc::start("telethon");
    let framings = ["full", "intermediate", "abridged", "obfuscated"];
    let mut results = Vec::new();
    for framing in framings {
        let Some(command) = python("telethon_client.py") else {
            return;
        };
        let refusal = "401 AuthKeyUnregisteredError";
        results.push(dc.get_config(command, framing, &[], refusal));
    }
    assert_eq!(key_ids(&results).len(), framings.len(), "a key each");
}

#[test]
fn pyrogram_gets_the_configuration_over_each_of_its_framings() {
    let dc = Dc::start("pyrogram");
    for framing in [
        "abridged",
        "full",
        "intermediate",
        "obfuscated",
        "obfuscated-intermediate",
    ] {
        let Some(command) = python("pyrogram_client.py") else {
            return;
        };
        dc.get_config(command, framing, &[], "401 AUTH_KEY_UNREGISTERED");
    }
}

#[test]
fn mtcute_gets_the_configuration_with_and_without_temporary_keys() {
    let dc = Dc::start("mtcute");
    for framing in [
        "intermediate",
        "padded",
        "obfuscated-intermediate",
        "obfuscated-padded",
    ] {
        for flags in [&[][..], &["--pfs"]] {
            let Some(command) = node("mtcute_client.mjs") else {
                return;
            };
            let got = dc.get_config(command, framing, flags, "401 AUTH_KEY_UNREGISTERED");
            assert_eq!(got["temp_key_id"].is_string(), !flags.is_empty(), "{got}");
            assert_ne!(got["temp_key_id"], got["key_id"], "{got}");
        }
    }
}

#[test]
fn gramjs_gets_the_configuration_over_each_of_its_framings() {
    let dc = Dc::start("gramjs");
    for framing in ["full", "abridged", "obfuscated"] {
        let Some(command) = node("gramjs_client.mjs") else {
            return;
        };
        dc.get_config(command, framing, &[], "401 AUTH_KEY_UNREGISTERED");
    }
}

#[test]
fn another_framing_of_a_client_is_read_by_our_server() {
    let Some(mut command) = python("sansio_framing.py") else {
        return;
    };
    let dc = Dc::start("sansio");
    command
        .args(["--role", "client", "--host", "127.0.0.1"])
        .args(["--port", &dc.program.port().to_string()]);
    let got = run(command);
    assert_eq!(got["framings"].as_array().unwrap().len(), 7, "{got}");
}

#[test]
fn another_framing_of_a_server_reads_our_clients_and_is_read_by_them() {
    let secretless = || {
        Some(Obfuscation {
            secret: None,
            dc: Some(DcId(2)),
        })
    };
    let lines = [
        (Framing::Abridged, None),
        (Framing::Intermediate, None),
        (Framing::PaddedIntermediate, None),
        (Framing::Full, None),
        (Framing::Abridged, secretless()),
        (Framing::Intermediate, secretless()),
        (Framing::PaddedIntermediate, secretless()),
    ];
    let Some(mut command) = python("sansio_framing.py") else {
        return;
    };
    let mut child = command
        .args(["--role", "server", "--host", "127.0.0.1"])
        .args(["--connections", &lines.len().to_string()])
        .args(["--timeout", TIMEOUT])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    let port = serde_json::from_str::<Value>(&first).unwrap()["port"]
        .as_u64()
        .unwrap();
    let addr = format!("127.0.0.1:{port}").parse().unwrap();

    let mut dice = Dice::from_env_or(31);
    // Short and long forms of lengths.
    let lengths = [20, 40, 76, 480, 612, 1_004, 66_536];
    for (framing, obfuscation) in lines {
        let obfuscated = obfuscation.is_some();
        let mut line = Line::connect(addr, framing, obfuscation, dice.rng()).unwrap();
        for len in lengths {
            let body = dice.bytes(len);
            let echo = line.exchange(&plain_packet(4, &body)).unwrap();
            let expected = plain_packet(5, &body);
            assert_eq!(
                &echo[..expected.len()],
                expected,
                "{len} bytes over {framing:?}, obfuscated: {obfuscated}"
            );
            assert!(echo.len() < expected.len() + 16, "padding at most");
        }
    }
    let mut last = String::new();
    stdout.read_to_string(&mut last).unwrap();
    assert!(child.wait().unwrap().success());
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(last["echoed"], 7 * lengths.len());
}

/// An unencrypted message.
fn plain_packet(msg_id: i64, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 8];
    out.extend(msg_id.to_le_bytes());
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(body);
    out
}
