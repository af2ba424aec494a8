//! The example `call` of our adapter, as a program of its own, against the strict server.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::Strict;

/// Builds the example and says where it is.
fn program() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--package",
            "mtproto-tokio",
            "--example",
            "call",
        ])
        .arg("--message-format=json")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let executable = String::from_utf8(output.stdout).unwrap();
    let executable = executable
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "call")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.expect("cargo names what it has built")
}

/// Runs it; what it printed, or its error.
fn call(server: &Strict, timeout: &str, flags: &[&str], method: &str) -> Result<Value, Value> {
    let output = Command::new(program())
        .args(["--server", &server.addr.to_string(), "--dc", "2"])
        .arg("--key")
        .arg(&server.key_file)
        .args(["--timeout", timeout])
        .args(flags)
        .arg(method)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let json = |bytes: &[u8]| -> Value {
        let text = String::from_utf8_lossy(bytes);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    };
    if output.status.success() {
        Ok(json(&output.stdout))
    } else {
        Err(json(&output.stderr)["error"].clone())
    }
}

#[test]
fn the_program_is_answered_over_several_lines_and_breaks_no_rule() {
    let Some(server) = Strict::start("program") else {
        return;
    };
    let lines: [&[&str]; 5] = [
        &[],
        &["--framing", "full"],
        &["--framing", "abridged", "--obfuscated"],
        &["--framing", "padded", "--obfuscated", "--temp-key"],
        &["--framing", "intermediate", "--temp-key"],
    ];
    for flags in lines {
        let config = call(&server, "60", flags, "help.getConfig").unwrap();
        assert_eq!(config["this_dc"], 2, "{flags:?}");
        let error = call(&server, "60", flags, "updates.getState").unwrap_err();
        assert_eq!(error["kind"], "rpc", "{error}");
        assert_eq!(error["code"], 401, "{error}");
    }
    server.stop_content();
}

#[test]
fn the_program_names_what_a_hostile_server_did() {
    let Some(mut server) = Strict::start("program-attacked") else {
        return;
    };
    for (case, kind) in [
        ("H2-square", "handshake"),
        ("H4-fingerprints-foreign", "foreign_fingerprint"),
        ("H5-fail", "handshake"),
        ("M1-middle-0", "protocol"),
        ("T1-404", "transport_error"),
    ] {
        server.attack(case);
        let error = call(&server, "60", &[], "help.getNearestDc").unwrap_err();
        assert_eq!(error["kind"], kind, "{case}: {error}");
        assert_ne!(server.relent(), 0, "{case}");
    }
    // A silent server is given up at the program's own deadline.
    server.attack("H6-silent-dh_params");
    let error = call(&server, "1", &[], "help.getNearestDc").unwrap_err();
    let kind = error["kind"].as_str().unwrap();
    assert!(["silent_server", "timeout"].contains(&kind), "{error}");
    server.relent();
    assert_eq!(
        call(&server, "60", &[], "help.getNearestDc").unwrap()["_"],
        json!("nearestDc")
    );
    server.stop_content();
}
