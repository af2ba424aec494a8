//! Traces that lie beside the tests: what was written once is read for ever.
//!
//! A full one goes on differently whenever the core does anything at another time or in other bytes.
//! If that is meant, `MTPROTO_RECORD=1 cargo test -p mtproto-test --test traces kept` writes them
//! anew.

use std::fs;
use std::path::{Path, PathBuf};

use mtproto_test::Seed;
use mtproto_test::trace::{Buffer, Shareable, Trace, Verdict, replay, shareable_to};

use crate::pairs::short;
use crate::shared::transcript;

/// Set to write the files.
const RECORD: &str = "MTPROTO_RECORD";
const SEED: Seed = Seed(2);

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/traces")
        .join(name)
}

/// The file, or what `record` writes into it.
fn kept(name: &str, record: impl FnOnce(Buffer)) -> Vec<u8> {
    let path = path(name);
    if std::env::var_os(RECORD).is_some() {
        let buffer = Buffer::default();
        record(buffer.clone());
        let text = String::from_utf8(buffer.take()).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let note = "# Test keys, made by tests/tests/traces/kept.rs: they are nobody's.";
        fs::write(&path, format!("{first}\n{note}\n{rest}")).unwrap();
    }
    fs::read(&path).unwrap()
}

#[test]
fn a_kept_trace_is_done_again() {
    let file = kept("conversation.trace", |buffer| {
        let trace = Trace::full_to(buffer).unwrap();
        short(&trace, None, SEED);
        trace.finish().unwrap();
    });
    let replayed = replay(&file[..]).unwrap_or_else(|error| {
        panic!("{error}\nif that is meant, record again with {RECORD}=1 (see kept.rs)")
    });
    assert_eq!((replayed.machines, replayed.cut), (3, None));
    assert!(file.len() < 200_000, "{} bytes", file.len());
    let text = String::from_utf8(file).unwrap();
    assert!(text.contains("WHOEVER HAS THIS FILE OWNS THE ACCOUNT"));
    assert!(text.contains("# Test keys"));
}

#[test]
fn a_kept_shareable_trace_is_shown() {
    let file = kept("shareable.trace", |buffer| {
        let tap: Shareable = shareable_to(buffer, [5; 32]).unwrap();
        short(&Trace::off(), Some(&tap), SEED);
        tap.finish().unwrap();
    });
    let (text, verdict) = transcript(&file);
    assert_eq!(verdict, Verdict::AsRecorded, "{text}");
    for expected in [
        "begins with a handshake: intermediate, temporary keys",
        "handshake: dh_gen_ok, 72 bytes",
        "auth.bindTempAuthKey, 132 bytes",
        "new_session_created from",
        "rpc_error 420 FLOOD_WAIT_3",
        "begins with the session of an earlier stream",
        " on 2 streams, 0 remarks.",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
}
