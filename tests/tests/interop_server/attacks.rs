//! A hostile server: our client refuses with a typed error, or drops and counts, in bounded time,
//! and the stored key serves on.
//!
//! Every case that the server knows is listed here with what it must lead to; one that is not
//! fails.

use std::time::Duration;

use mtproto_proto::crypto::FactorError;
use mtproto_proto::crypto::dh::DhError;
use mtproto_proto::handshake::{Error as Handshake, MAX_RETRIES};
use mtproto_proto::transport::{Error as Transport, Framing};
use mtproto_proto::{PeerMisbehaved, RequestError, connection};
use mtproto_tokio::{CloseReason, Connection, Error, Incoming, KeyState, Start};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::peers::python;
use crate::support::{Line, Strict, assert_answered, nearest_dc, run};

/// Nothing that is refused takes longer, even on a loaded machine and without optimisation.
const BOUND: Duration = Duration::from_secs(20);

/// How long our client waits for a silent server here.
const SILENCE: Duration = Duration::from_millis(700);

/// What the client's memory may grow by under attack, in KiB: several of the largest frames, and
/// what may be inflated of each.
const MEMORY: u64 = 128 << 10;

type Expected<E> = Box<dyn Fn(&E) -> bool>;

fn exactly<E: PartialEq + 'static>(wanted: E) -> Expected<E> {
    Box::new(move |got| *got == wanted)
}

macro_rules! like {
    ($pattern:pat $(if $guard:expr)?) => {
        Box::new(|got| matches!(got, $pattern $(if $guard)?))
    };
}

/// All cases of the server whose names begin like this.
fn cases(prefixes: &[&str]) -> Option<Vec<String>> {
    let output = python("strict_server.py")?.arg("--list").output().unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all: Vec<String> = serde_json::from_value(listed["cases"].clone()).unwrap();
    let mut names = all;
    names.retain(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    assert!(!names.is_empty(), "{prefixes:?}");
    Some(names)
}

/// How a handshake under this attack must end.
fn refusal(case: &str) -> Expected<Handshake> {
    let numbered = |prefix: &str| -> i64 { case.strip_prefix(prefix).unwrap().parse().unwrap() };
    match case {
        "H1-0" | "H1-8" | "H1-16" | "H1-601" => exactly(Handshake::EncryptedLength {
            got: numbered("H1-") as usize,
        }),
        "H2-empty" => exactly(Handshake::PqLength { got: 0, max: 8 }),
        "H2-9-bytes" => exactly(Handshake::PqLength { got: 9, max: 8 }),
        "H2-1000-bytes" => exactly(Handshake::PqLength { got: 1000, max: 8 }),
        "H2-0" | "H2-1" | "H2-even" => exactly(Handshake::Pq(FactorError::NotOddProduct)),
        "H2-3" | "H2-prime" | "H2-prime-63" => exactly(Handshake::Pq(FactorError::Prime)),
        "H2-9" | "H2-square" => exactly(Handshake::Pq(FactorError::Square)),
        "H2-three" => exactly(Handshake::Pq(FactorError::ManyFactors)),
        "H2-2-63" | "H2-prime-64" => exactly(Handshake::Pq(FactorError::TooLarge)),
        "H3-prime-0" => exactly(Handshake::Dh(DhError::PrimeSize { got: 0 })),
        "H3-prime-2001-bits" => exactly(Handshake::Dh(DhError::PrimeSize { got: 2001 })),
        "H3-prime-2049-bits" => exactly(Handshake::Dh(DhError::PrimeSize { got: 2049 })),
        "H3-prime-4096-bits" => exactly(Handshake::Dh(DhError::PrimeSize { got: 4096 })),
        // 3 divides it, which the generator's rule finds first.
        "H3-prime-3-1292" => exactly(Handshake::Dh(DhError::Generator { got: 3 })),
        "H3-prime-even" | "H3-prime-2047-1000" | "H3-prime-composite" | "H3-prime-lonely" => {
            exactly(Handshake::Dh(DhError::NotSafePrime))
        }
        g if g.starts_with("H3-g-") => exactly(Handshake::Dh(DhError::Generator {
            got: numbered("H3-g-") as i32,
        })),
        g_a if g_a.starts_with("H3-g_a-") => exactly(Handshake::Dh(DhError::PublicValue)),
        "H4-res_pq-nonce" | "H4-dh_params-nonce" | "H4-dh_inner-nonce" | "H4-dh_gen-nonce" => {
            exactly(Handshake::Nonce)
        }
        "H4-dh_params-server_nonce" | "H4-dh_inner-server_nonce" | "H4-dh_gen-server_nonce" => {
            exactly(Handshake::ServerNonce)
        }
        "H4-dh_inner-hash" | "H4-dh_inner-bytes" => exactly(Handshake::Hash),
        "H4-dh_inner-missing" => like!(Handshake::Decode(_)),
        "H4-dh_inner-trailing" => like!(Handshake::Padding { max: 15, .. }),
        "H4-length-beyond" | "H4-length-huge" => like!(Handshake::Plain(_)),
        "H4-fingerprints-foreign" => exactly(Handshake::UnknownFingerprints {
            offered: vec![1, 2, 3],
        }),
        "H4-dh_params-fail" => exactly(Handshake::DhParamsFail),
        "H4-dh_params-fail-hash" | "H4-dh_gen-hash" => exactly(Handshake::NewNonceHash),
        // Another step's message, an unknown one, one cut off, one with endless counts.
        other if other.starts_with("H4-") => like!(Handshake::Decode(_)),
        "H5-retry" => exactly(Handshake::TooManyRetries { max: MAX_RETRIES }),
        "H5-fail" => exactly(Handshake::DhGenFail),
        "H5-ok-with-hash-2" | "H5-retry-with-hash-1" | "H5-fail-with-hash-1" => {
            exactly(Handshake::NewNonceHash)
        }
        silent if silent.starts_with("H6-silent-") => exactly(Handshake::TimedOut),
        _ => panic!("{case}: not in the list"),
    }
}

/// What our client said of the end of its stream.
fn protocol_error<'e>(context: &str, error: &'e Error) -> &'e connection::Error {
    if let Error::Closed(reason) | Error::Cut { reason, .. } = error
        && let CloseReason::Protocol(error) = reason
    {
        return error;
    }
    panic!("{context}: {error:?}");
}

fn assert_refused(case: &str, error: &Error, since: Instant) {
    let took = since.elapsed();
    assert!(took < BOUND, "{case}: {took:?}");
    let error = protocol_error(case, error);
    let expected = if case == "H4-encrypted" {
        // No handshake answers with an encrypted packet.
        *error == connection::Error::PeerMisbehaved(PeerMisbehaved::EncryptedBeforeKey)
    } else {
        matches!(error, connection::Error::Handshake(e) if refusal(case)(e))
    };
    assert!(expected, "{case}: {error:?}");
}

async fn refuse(server: &mut Strict, case: &str, line: Line, stored: &KeyState) {
    let silent = case.starts_with("H6-silent");
    let config = |server: &Strict, line| {
        let mut config = server.config(line);
        if silent {
            let mut client = (*config.client).clone();
            client.handshake_timeout = SILENCE;
            config.client = client.into();
        }
        config
    };

    // The first key.
    server.attack(case);
    let since = Instant::now();
    let attempt = mtproto_tokio::connect(server.addr, config(server, line), Start::NewKey).await;
    let failed = attempt.unwrap_err();
    assert_refused(case, &failed.error, since);
    assert_ne!(server.relent(), 0, "{case}: no attack");
    let connection = server.connect(line, failed.retry.unwrap()).await;
    assert_answered(&connection).await;
    connection.close().await;

    // A temporary key beside a stored one.
    server.attack(case);
    let since = Instant::now();
    let temporary = config(server, line.temporary(true));
    let start = Start::Key(stored.clone());
    let connection = mtproto_tokio::connect(server.addr, temporary, start).await;
    let connection = connection.unwrap();
    let error = connection.connected().await.unwrap_err();
    assert_refused(case, &error, since);
    assert_ne!(server.relent(), 0, "{case}: no attack");
    assert_eq!(connection.key_state().as_ref(), Some(stored), "{case}");
    let suspended = connection.closed().await.suspended.unwrap();
    let start = Start::Resume(suspended);
    let resumed = server.connect(line.temporary(true), start).await;
    assert_answered(&resumed).await;
    let key = resumed.key_state().unwrap();
    assert_eq!(key.auth_key_id(), stored.auth_key_id(), "{case}");
    resumed.close().await;

    server.assert_no_violations(case);
}

fn refuse_all(prefixes: &[&str]) {
    let Some(names) = cases(prefixes) else {
        return;
    };
    let Some(mut server) = Strict::start(prefixes[0]) else {
        return;
    };
    run(async {
        let stored = server.new_key().await;
        for (i, case) in names.iter().enumerate() {
            if !case.starts_with("H6-cut") {
                refuse(&mut server, case, Line::ALL[i % Line::ALL.len()], &stored).await;
            }
        }
        server.assert_key_serves(&stored, Line::INTERMEDIATE).await;
    });
    server.stop_content();
}

#[test]
fn the_server_may_be_hostile_from_its_start() {
    let Some(mut server) = Strict::start_with("named", &["--evil", "H2-9"]) else {
        return;
    };
    run(async {
        let config = server.config(Line::INTERMEDIATE);
        let failed = mtproto_tokio::connect(server.addr, config, Start::NewKey).await;
        let error = failed.unwrap_err().error;
        let expected = connection::Error::Handshake(Handshake::Pq(FactorError::Square));
        assert_eq!(*protocol_error("H2-9", &error), expected);
        assert_eq!(server.relent(), 1);
    });
    server.stop_content();
}

#[test]
fn h1_h2_encrypted_answers_and_products_that_cannot_be() {
    refuse_all(&["H1", "H2"]);
}

#[test]
fn h3_groups_and_public_values_that_are_not_safe() {
    refuse_all(&["H3"]);
}

#[test]
fn h4_answers_of_other_exchanges_and_steps_and_cut_off() {
    refuse_all(&["H4"]);
}

#[test]
fn h5_h6_refused_keys_and_silence() {
    refuse_all(&["H5", "H6"]);
}

/// What an attack on an established session must lead to.
enum Outcome {
    /// The stream ends with this error.
    Ends(Expected<connection::Error>),
    /// The server is seen to have closed.
    Closes,
    /// The call fails like this, and the stream goes on.
    Fails(Expected<Error>),
    /// The call is answered with the truth.
    Answers,
}

fn misbehaved(what: PeerMisbehaved) -> Outcome {
    Outcome::Ends(exactly(connection::Error::PeerMisbehaved(what)))
}

fn transport(expected: Expected<Transport>) -> Outcome {
    Outcome::Ends(Box::new(
        move |e| matches!(e, connection::Error::Transport(e) if expected(e)),
    ))
}

/// `rpc_error` with this code and text.
fn rpc(code: i32, text: &'static str) -> Outcome {
    Outcome::Fails(Box::new(
        move |e| matches!(e, Error::Rpc(e) if (e.code, &*e.message) == (code, text)),
    ))
}

fn outcome(case: &str) -> Outcome {
    use Outcome::{Answers, Closes, Ends, Fails};
    match case {
        // No attack, so that the others are refused for nothing but their fault.
        "M3-control" => {
            Fails(like!(Error::Rpc(e) if e.code == 500 && e.message.starts_with("FORGED")))
        }
        bad if bad.starts_with("M1-") || bad.starts_with("M3-") => {
            misbehaved(PeerMisbehaved::BadPacket)
        }
        "M4-key" => misbehaved(PeerMisbehaved::BadPacket),
        "M4-session" | "M4-session-0" => misbehaved(PeerMisbehaved::ForeignSession),
        "M4-plain" => misbehaved(PeerMisbehaved::PlainPacket),
        "M6-gzip-in-result" => Fails(like!(Error::BadAnswer | Error::Answer { .. })),
        "M7-result" => Fails(like!(Error::BadAnswer)),
        "M9-error-utf-8" => Fails(like!(Error::Rpc(mtproto_proto::RpcError { code: 500, .. }))),
        "M9-error-code" => rpc(500, "TEXT"),
        "M9-error-length" => rpc(500, ""),
        "M9-result-vector" | "M9-result-empty" => Fails(like!(Error::Answer { .. })),
        dropped if ["M2", "M5", "M6", "M7", "M8", "M9"].contains(&&dropped[..2]) => Answers,
        "T1-404" | "T1-429" | "T1-444" => Ends(exactly(connection::Error::Status {
            code: case[2..].parse().unwrap(),
        })),
        "T2-header" | "T2-half" => Closes,
        "T2-half-silent" => Ends(exactly(connection::Error::Silent)),
        "T2-short" => misbehaved(PeerMisbehaved::BadPacket),
        "T2-intermediate-unaligned" | "T2-full-unaligned" => {
            transport(like!(Transport::Unaligned { .. }))
        }
        small if small.starts_with("T2-") && ["0", "3", "8", "11"].contains(&last(small)) => {
            transport(like!(
                Transport::TooShort { .. } | Transport::Unaligned { .. }
            ))
        }
        large if large.starts_with("T2-") => transport(like!(
            Transport::TooLong { .. } | Transport::Unaligned { .. }
        )),
        "T3-crc" => transport(like!(Transport::Checksum { .. })),
        "T3-seq-replayed" | "T3-seq-skipped" | "T3-seq-zero" => {
            transport(like!(Transport::Sequence { .. }))
        }
        "R10-bind-error" => Ends(Box::new(|e| {
            matches!(e, connection::Error::BindRefused(RequestError::Rpc(e))
                if (e.code, &*e.message) == (400, "ENCRYPTED_MESSAGE_INVALID"))
        })),
        "R10-bind-false" => Ends(like!(connection::Error::BindRefused(_))),
        _ => panic!("{case}: not in the list"),
    }
}

/// The last word of a case's name.
fn last(case: &str) -> &str {
    case.rsplit('-').next().unwrap()
}

/// The line on which an attack makes sense, or any one.
fn line_of(case: &str, number: usize) -> Line {
    match case.split('-').nth(1) {
        Some("abridged") => Line::plain(Framing::Abridged),
        Some("intermediate") => Line::plain(Framing::Intermediate),
        Some("padded") => Line::plain(Framing::PaddedIntermediate),
        Some("full") => Line::plain(Framing::Full),
        _ if case.starts_with("T3") => Line::plain(Framing::Full),
        _ => Line::ALL[number % Line::ALL.len()].temporary(number.is_multiple_of(5)),
    }
}

async fn attack_session(server: &mut Strict, case: &str, line: Line, stored: &KeyState) {
    let mut config = server.config(line);
    let mut client = (*config.client).clone();
    if case == "T2-half-silent" {
        client.session.ping_interval_busy = SILENCE;
        client.session.pong_timeout = SILENCE;
    }
    config.client = client.into();
    let connection = mtproto_tokio::connect(server.addr, config, Start::Key(stored.clone()))
        .await
        .unwrap();
    assert_answered(&connection).await;
    let mut updates = connection.updates();

    server.attack(case);
    let since = Instant::now();
    let answer = nearest_dc(&connection).await;
    let took = since.elapsed();
    assert!(took < BOUND, "{case}: {took:?}");
    assert_ne!(server.relent(), 0, "{case}: no attack");
    match (outcome(case), answer) {
        (Outcome::Answers, answer) => {
            let answer = answer.unwrap_or_else(|e| panic!("{case}: {e:?}"));
            assert_eq!(answer["_"], "nearestDc", "{case}");
            goes_on(&connection, case).await;
        }
        (Outcome::Fails(expected), answer) => {
            let error = answer.unwrap_err();
            assert!(expected(&error), "{case}: {error:?}");
            goes_on(&connection, case).await;
        }
        (Outcome::Closes, answer) => {
            let error = answer.unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Cut {
                        reason: CloseReason::Peer,
                        ..
                    }
                ),
                "{case}: {error:?}"
            );
            resumes(server, &connection, line, case).await;
        }
        (Outcome::Ends(expected), answer) => {
            let error = answer.unwrap_err();
            let error = protocol_error(case, &error);
            assert!(expected(error), "{case}: {error:?}");
            resumes(server, &connection, line, case).await;
        }
    }
    let mut seen = 0;
    while let Some(incoming) = updates.next().await {
        seen += usize::from(matches!(incoming, Incoming::Update(_)));
    }
    assert_eq!(seen, updates_of(case), "{case}");
    server.assert_key_serves(stored, line).await;
    server.assert_no_violations(case);
}

/// How many updates an attack delivers: replayed ones count once.
fn updates_of(case: &str) -> usize {
    match case {
        "M2-packet" | "M2-container" | "M2-bare-then-container" => 1,
        "M5-equal" => 1,
        // The unknown object beside the update is delivered raw.
        "M6-bad-among-good" => 2,
        // One more than a container may have.
        "M6-1025-items" => 1_024,
        "M9-unknown" | "M9-msg-copy" => 1,
        _ => 0,
    }
}

/// The connection serves on, and closes.
async fn goes_on(connection: &Connection, case: &str) {
    for _ in 0..3 {
        nearest_dc(connection)
            .await
            .unwrap_or_else(|e| panic!("after {case}: {e:?}"));
    }
    connection.close().await;
}

/// The session goes on over another stream.
async fn resumes(server: &Strict, connection: &Connection, line: Line, case: &str) {
    let suspended = connection.closed().await.suspended;
    let suspended = suspended.unwrap_or_else(|| panic!("{case}"));
    let resumed = server.connect(line, Start::Resume(suspended)).await;
    assert_answered(&resumed).await;
    resumed.close().await;
}

fn attack_all(prefixes: &[&str]) {
    let Some(names) = cases(prefixes) else {
        return;
    };
    let Some(mut server) = Strict::start(prefixes[0]) else {
        return;
    };
    run(async {
        let stored = server.new_key().await;
        for (i, case) in names.iter().enumerate() {
            // Who is told a wrong time by the server itself uses it until it is told better.
            let told = ["-ahead", "-behind", "M5-5-answer"];
            let excuse = told.iter().any(|end| case.ends_with(end));
            let rules = if excuse {
                json!(["msg_id.window"])
            } else {
                json!([])
            };
            server.option("excuse", rules);
            attack_session(&mut server, case, line_of(case, i), &stored).await;
        }
    });
    server.stop_content();
}

#[test]
fn m1_m3_packets_that_do_not_open() {
    attack_all(&["M1", "M3"]);
}

#[test]
fn m2_m8_what_came_before_and_what_nobody_asked_for() {
    attack_all(&["M2", "M8"]);
}

#[test]
fn m4_m5_packets_for_others_and_ids_out_of_range() {
    attack_all(&["M4", "M5"]);
}

#[test]
fn m6_m7_containers_and_bombs_in_bounded_memory() {
    let before = peak_memory();
    attack_all(&["M6", "M7"]);
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < MEMORY, "{grown} KiB");
}

/// The most memory that this process has had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

#[test]
fn m9_counts_and_lengths_in_service_messages() {
    attack_all(&["M9"]);
}

#[test]
fn t1_t2_t3_forged_errors_and_frames() {
    attack_all(&["T1", "T2", "T3"]);
}

#[test]
fn r10_a_binding_that_is_refused_leaves_the_permanent_key() {
    let Some(names) = cases(&["R10"]) else {
        return;
    };
    let Some(mut server) = Strict::start("R10") else {
        return;
    };
    run(async {
        let stored = server.new_key().await;
        for case in names {
            let line = Line::INTERMEDIATE.temporary(true);
            server.attack(&case);
            let connection = server.connect(line, Start::Key(stored.clone())).await;
            let error = connection.connected().await.unwrap_err();
            assert_ne!(server.relent(), 0, "{case}: no attack");
            let Outcome::Ends(expected) = outcome(&case) else {
                panic!("{case}");
            };
            let error = protocol_error(&case, &error);
            assert!(expected(error), "{case}: {error:?}");
            resumes(&server, &connection, line, &case).await;
            server.assert_key_serves(&stored, line).await;
            server.assert_no_violations(&case);
        }
    });
    server.stop_content();
}
