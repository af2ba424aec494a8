//! Files that are cut off, changed, or no traces at all.

use std::fs;
use std::process::Command;

use mtproto_test::trace::{ReadError, ReplayError, Trace, replay};
use mtproto_test::{Dice, Seed};

use crate::pairs::converse;

/// A short trace: the beginning of a conversation, with a whole end. Without a handshake, for it is
/// done again thousands of times.
fn small() -> Vec<u8> {
    let file = crate::sessions::recorded(Seed(1));
    let text = String::from_utf8(file).unwrap();
    let steps = 30;
    let head = text
        .lines()
        .take_while(|line| !line.contains(" new "))
        .count();
    let mut small: String = text
        .lines()
        .take(head + steps)
        .flat_map(|line| [line, "\n"])
        .collect();
    // The head's comments do not count.
    small += &format!("end {steps}\n");
    small.into_bytes()
}

#[test]
fn every_truncation_is_noticed() {
    let file = small();
    assert_eq!(replay(&file[..]).unwrap().cut, None);
    let first_line = file.iter().position(|byte| *byte == b'\n').unwrap();
    for len in 0..file.len() {
        match replay(&file[..len]) {
            Ok(replayed) => assert!(replayed.cut.is_some(), "{len} bytes"),
            Err(ReplayError::Read(ReadError::NotATrace)) => {
                assert!(len <= first_line, "{len} bytes");
            }
            // The number of lines is cut as well.
            Err(error) => panic!("{len} bytes: {error}"),
        }
    }
}

#[test]
fn what_is_no_trace_is_refused_in_words() {
    let full = "mtproto-trace 1 full\n";
    let cases: &[(&str, &str)] = &[
        ("", "this is no trace"),
        ("GET / HTTP/1.1\n", "this is no trace"),
        ("mtproto-trace one full\n", "this is no trace"),
        ("mtproto-trace 1 half\n", "this is no trace"),
        (
            "mtproto-trace 2 full\n",
            "version 2, this release reads versions up to 1",
        ),
        ("1 1 timeout = ok\n", "line 2: there is no such machine"),
        ("1 1 timeout\n", "line 2: it is no step"),
        ("1 1 dance = ok\n", "line 2: it is no step"),
        ("x 1 timeout = ok\n", "line 2: it is no step"),
        ("1 1 input 0 0g = ok\n", "line 2: it is no step"),
        ("1 1 input 0 00 00 = ok\n", "line 2: it is no step"),
        ("1 1 new teapot = ok\n", "line 2: no such kind of machine"),
        (
            "1 1 new server = ok\n",
            "line 2: it does not say what the machine is made from",
        ),
        (
            "1 1 new client-connection seed=00 dc=2 = ok\n",
            "line 2: it does not say",
        ),
        ("end 1\n", "line 2: lines are missing before the end"),
        ("end 0\nmore\n", "line 3: something follows the end"),
    ];
    for (text, expected) in cases {
        let head = if text.contains("trace") || text.is_empty() || text.starts_with("GET") {
            ""
        } else {
            full
        };
        let error = replay(format!("{head}{text}").as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{text:?}: {error}");
    }
    let server = format!("1 1 new server seed={} dc=2", "00".repeat(32));
    for (twice, why) in [
        (
            format!("{full}{server} tea=1 = ok\n"),
            "words of a newer release",
        ),
        (
            format!("{full}{server} max_keys=x = ok\n"),
            "it does not say",
        ),
        (
            format!("{full}{server} max_keys=1 max_keys=2 = ok\n"),
            "it does not say",
        ),
    ] {
        let error = replay(twice.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let endless = std::io::Read::chain(
        &b"mtproto-trace 1 full\n"[..],
        std::io::Read::take(std::io::repeat(b'0'), 1 << 40),
    );
    let error = replay(std::io::BufReader::new(endless)).unwrap_err();
    assert!(
        matches!(
            error,
            ReplayError::Read(ReadError::LineTooLong { line: 2, .. })
        ),
        "{error}"
    );
    let error = replay(std::io::BufReader::new(std::io::repeat(b'0'))).unwrap_err();
    assert!(
        matches!(error, ReplayError::Read(ReadError::NotATrace)),
        "{error}"
    );
}

#[test]
fn changed_files_are_refused_or_differ_and_never_panic() {
    let file = small();
    let mut dice = Dice::from_env_or(8_101);
    let (rounds, mut noticed) = (2_000, 0);
    for _ in 0..rounds {
        let mut changed = file.clone();
        for _ in 0..dice.range(1..=3) {
            let at = dice.range(0..=changed.len() as u64 - 1) as usize;
            match dice.range(0..=3) {
                0 => changed[at] = dice.range(0..=255) as u8,
                1 => _ = changed.remove(at),
                2 => changed.insert(at, b"0 =\n@-9f"[dice.range(0..=7) as usize]),
                _ => changed[at] = b"0123456789abcdef"[dice.range(0..=15) as usize],
            }
        }
        noticed += u32::from(!replay(&changed[..]).is_ok_and(|replayed| replayed.cut.is_none()));
    }
    // The rest are comments, and bounds of a configuration that the conversation does not reach.
    assert!(noticed > rounds * 8 / 10, "{noticed} of {rounds}");
}

#[test]
fn the_program_says_what_it_finds_and_its_exit_code_too() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("traces");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("conversation.trace");
    // What others may read is replaced, not written into.
    fs::write(&path, "before").unwrap();
    let trace = Trace::full(&path).unwrap();
    converse(&trace, Seed(4));
    trace.finish().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let replay = |path: &std::path::Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_replay"))
            .arg(path)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, out, err) = replay(&path);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("SECRET. THIS FILE CONTAINS KEYS"), "{out}");
    assert!(out.contains("OWNS THE ACCOUNT"), "{out}");
    assert!(
        out.contains("every byte, event and timer is as recorded"),
        "{out}"
    );

    let whole = fs::read_to_string(&path).unwrap();
    assert!(
        whole
            .lines()
            .nth(1)
            .unwrap()
            .contains("THIS FILE CONTAINS KEYS")
    );
    let cut = folder.join("cut.trace");
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let (code, out, err) = replay(&cut);
    assert_eq!((code, err.as_str()), (Some(3), ""));
    assert!(out.contains("THE FILE IS CUT OFF in line"), "{out}");

    let changed = folder.join("changed.trace");
    let at = whole.find(" transmit 0 = ").unwrap() + " transmit 0 = ".len() + 20;
    let digit = if whole.as_bytes()[at] == b'0' {
        "1"
    } else {
        "0"
    };
    fs::write(
        &changed,
        format!("{}{digit}{}", &whole[..at], &whole[at + 1..]),
    )
    .unwrap();
    let (code, _, err) = replay(&changed);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("of machine 1 at 1767225600.000000000 differs"),
        "{err}"
    );

    let nothing = folder.join("nothing.trace");
    fs::write(&nothing, "nothing\n").unwrap();
    let (code, _, err) = replay(&nothing);
    assert_eq!(code, Some(2));
    assert!(err.contains("this is no trace"), "{err}");
    let (code, _, err) = replay(&folder.join("missing.trace"));
    assert_eq!(code, Some(2));
    assert!(err.contains("cannot be read"), "{err}");
    let output = Command::new(env!("CARGO_BIN_EXE_replay")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("usage: replay FILE")
    );
}
