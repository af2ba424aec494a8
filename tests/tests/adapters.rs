//! The adapters, over real TCP against the test DC: one suite, run once per runtime.
//!
//! A third runtime is a third module at the end.

#[path = "common/relay.rs"]
mod relay;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use mtproto_driver::{
    ClientConfig, CloseReason, Config, Connection, Error, Gap, Incoming, InitParams, KeyFile,
    Runtime, SendOptions, Start,
};
use mtproto_proto::connection::{self, ConfigError};
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_proto::{DcId, Fate, Progress, SendError, handshake};
use mtproto_schema::api::enums::Updates;
use mtproto_schema::api::functions::help;
use mtproto_schema::mtproto::functions::Ping;
use mtproto_schema::{Encode, LAYER};
use mtproto_test::{DcConfig, TestDc};
use relay::Relay;
use serde_json::json;

/// No test takes longer, whatever goes wrong.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where a test waits for something to fail.
const SHORT: Duration = Duration::from_millis(500);
const DC: DcId = DcId(2);

/// What has to hold on every runtime.
mod suite {
    use super::*;

    // Connecting.

    pub async fn a_new_key_serves_calls_as_types_by_name_and_as_bytes<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        assert!(connection.key_state().is_some());
        connection.connected().await.unwrap();

        let answer = connection.invoke(&help::GetConfig).await.unwrap();
        assert_eq!(answer.this_dc, 2);
        let answer = connection
            .invoke_json("help.getNearestDc", &json!({}))
            .await
            .unwrap();
        let expected = json!({ "_": "nearestDc", "country": "XX", "this_dc": 2, "nearest_dc": 2 });
        assert_eq!(answer, expected);
        let body = help::GetNearestDc.to_bytes();
        let answer = connection.invoke_raw(body).await.unwrap();
        assert_eq!(answer.first_chunk(), Some(&0x8e1a_1775_u32.to_le_bytes()));
        assert_eq!(
            connection
                .invoke(&Ping { ping_id: 7 })
                .await
                .unwrap()
                .ping_id,
            7
        );
        connection.close().await;
    }

    pub async fn a_key_that_was_kept_in_a_file_is_taken_again<R: Runtime>(rt: R) {
        let dc = start_dc();
        let folder = Folder::new();
        let file = KeyFile::open(folder.0.join("a.key")).unwrap();
        assert!(file.load().unwrap().is_none());

        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        connection.invoke(&help::GetNearestDc).await.unwrap();
        let made = connection.key_state().unwrap();
        file.save(&made).unwrap();
        connection.close().await;

        let kept = file.load().unwrap().unwrap();
        assert_eq!(kept, made);
        // No handshake: it would fail without public keys.
        let config = config_with(vec![]);
        let connection = connect(&rt, dc.addr(), config, Start::Key(kept)).await;
        connection.connected().await.unwrap();
        connection.invoke(&help::GetNearestDc).await.unwrap();
        let key = connection.key_state().unwrap();
        assert_eq!(key.auth_key_id(), made.auth_key_id());
        connection.close().await;
    }

    pub async fn a_session_goes_on_over_another_stream<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let mut connection = connect(&rt, relay.addr, config(&dc), Start::NewKey).await;
        let key = connection.key_state().unwrap().auth_key_id();
        for _ in 0..3 {
            connection.invoke(&help::GetNearestDc).await.unwrap();
            relay.cut();
            let closed = connection.closed().await;
            assert!(
                matches!(closed.reason, CloseReason::Peer | CloseReason::Io(_)),
                "{:?}",
                closed.reason
            );
            let start = Start::Resume(closed.suspended.unwrap());
            assert!(
                connection.closed().await.suspended.is_none(),
                "it can be had once"
            );
            assert!(matches!(
                connection.invoke(&help::GetNearestDc).await,
                Err(Error::Closed(_))
            ));
            connection = connect(&rt, relay.addr, config_with(vec![]), start).await;
            assert_eq!(connection.key_state().unwrap().auth_key_id(), key);
        }
        connection.invoke(&help::GetNearestDc).await.unwrap();
        connection.close().await;
    }

    pub async fn a_failed_attempt_to_resume_hands_back_what_was_to_be_resumed<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let connection = connect(&rt, relay.addr, config(&dc), Start::NewKey).await;
        relay.cut();
        let mut start = Start::Resume(connection.closed().await.suspended.unwrap());
        for _ in 0..2 {
            let failed = Connection::connect(&rt, nobody(), config_with(vec![]), start)
                .await
                .unwrap_err();
            assert!(matches!(failed.error, Error::Connect { .. }), "{failed}");
            start = failed.retry.unwrap();
        }
        let again = connect(&rt, relay.addr, config_with(vec![]), start).await;
        again.invoke(&help::GetNearestDc).await.unwrap();
    }

    pub async fn every_framing_works_plain_and_obfuscated<R: Runtime>(rt: R) {
        let dc = start_dc();
        let framings = [
            Framing::Abridged,
            Framing::Intermediate,
            Framing::PaddedIntermediate,
            Framing::Full,
        ];
        for framing in framings {
            for obfuscated in [false, true] {
                let mut client = client_config(vec![dc.public_key()]);
                client.framing = framing;
                client.obfuscation = obfuscated.then_some(Obfuscation {
                    secret: None,
                    dc: Some(DC),
                });
                let connected =
                    Connection::connect(&rt, dc.addr(), Config::new(client), Start::NewKey).await;
                if framing == Framing::Full && obfuscated {
                    let failed = connected.unwrap_err();
                    assert!(
                        matches!(failed.error, Error::Config(ConfigError::Transport(_))),
                        "{failed}"
                    );
                    continue;
                }
                let connection = connected.unwrap();
                let answer = connection.invoke(&help::GetConfig).await.unwrap();
                assert_eq!(answer.this_dc, 2, "{framing:?}, obfuscated: {obfuscated}");
                connection.close().await;
            }
        }
    }

    pub async fn temporary_keys_are_made_and_bound_under_a_new_and_a_stored_key<R: Runtime>(rt: R) {
        let dc = start_dc();
        let mut client = client_config(vec![dc.public_key()]);
        client.pfs = Some(Duration::from_secs(3600));
        let config = Config::new(client);

        let connection = connect(&rt, dc.addr(), config.clone(), Start::NewKey).await;
        connection.invoke(&help::GetConfig).await.unwrap();
        let key = connection.key_state().unwrap();
        connection.close().await;

        let connection = connect(&rt, dc.addr(), config, Start::Key(key.clone())).await;
        connection.invoke(&help::GetConfig).await.unwrap();
        let id = connection.key_state().unwrap().auth_key_id();
        assert_eq!(
            id,
            key.auth_key_id(),
            "the key that is kept is the permanent one"
        );
        connection.close().await;
    }

    // Failing to connect.

    pub async fn a_refused_connection_says_so<R: Runtime>(rt: R) {
        let failed = fail_to_connect(&rt, nobody(), config_with(vec![public_key()])).await;
        let Error::Connect { error, .. } = &failed else {
            panic!("{failed:?}");
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(
            failed.to_string().contains("check address, port"),
            "{failed}"
        );
    }

    pub async fn a_server_that_never_speaks_is_given_up<R: Runtime>(rt: R) {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = client_config(vec![public_key()]);
        client.handshake_timeout = SHORT;
        let to = silent.local_addr().unwrap();
        let begin = rt.now();
        let failed = fail_to_connect(&rt, to, Config::new(client)).await;
        let waited = rt.now() - begin;
        assert!((SHORT..SHORT * 10).contains(&waited), "{waited:?}");
        let error = protocol_error(&failed);
        assert!(
            matches!(error, connection::Error::Handshake(_)),
            "{error:?}"
        );
    }

    pub async fn a_server_that_hangs_up_at_once_is_an_error<R: Runtime>(rt: R) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        thread::spawn(move || while listener.accept().is_ok() {});
        let failed = fail_to_connect(&rt, to, config_with(vec![public_key()])).await;
        assert!(
            matches!(
                failed,
                Error::Closed(CloseReason::Peer | CloseReason::Io(_))
            ),
            "{failed:?}"
        );
    }

    pub async fn a_foreign_fingerprint_is_named<R: Runtime>(rt: R) {
        let dc = start_dc();
        let other = start_other_dc();
        let config = config_with(vec![other.public_key()]);
        let failed = fail_to_connect(&rt, dc.addr(), config).await;
        let error = protocol_error(&failed);
        assert!(
            matches!(
                error,
                connection::Error::Handshake(handshake::Error::UnknownFingerprints { .. })
            ),
            "{error:?}"
        );
        assert!(
            failed.to_string().contains("add the public key"),
            "{failed}"
        );
    }

    pub async fn an_unknown_dc_is_named<R: Runtime>(rt: R) {
        let dc = start_dc();
        let mut client = client_config(vec![dc.public_key()]);
        client.dc = DcId(5);
        let failed = fail_to_connect(&rt, dc.addr(), Config::new(client)).await;
        assert_eq!(
            protocol_error(&failed),
            connection::Error::Status { code: -444 }
        );
        assert!(failed.to_string().contains("check the DC id"), "{failed}");
    }

    pub async fn no_key_to_trust_is_an_error_before_a_packet_is_sent<R: Runtime>(rt: R) {
        let dc = start_dc();
        let failed = fail_to_connect(&rt, dc.addr(), config_with(vec![])).await;
        assert!(
            matches!(failed, Error::Config(ConfigError::NoPublicKey)),
            "{failed:?}"
        );
    }

    pub async fn a_key_that_the_server_does_not_know_is_an_error_and_survives<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        let key = connection.key_state().unwrap();
        connection.close().await;

        let other = start_other_dc();
        let config = config(&other);
        let connection = connect(&rt, other.addr(), config, Start::Key(key.clone())).await;
        let failed = connection.connected().await.unwrap_err();
        assert_eq!(
            protocol_error(&failed),
            connection::Error::Status { code: -404 }
        );
        assert_eq!(connection.key_state(), Some(key));
    }

    pub async fn a_server_that_is_silent_to_a_stored_key_is_given_up<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        let key = connection.key_state().unwrap();
        connection.close().await;

        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = client_config(vec![]);
        client.handshake_timeout = SHORT;
        let to = silent.local_addr().unwrap();
        let connection = connect(&rt, to, Config::new(client), Start::Key(key)).await;
        let (proved, call) = both(
            connection.connected(),
            connection.invoke(&help::GetNearestDc),
        )
        .await;
        assert_eq!(
            protocol_error(&proved.unwrap_err()),
            connection::Error::Silent
        );
        let call = call.unwrap_err();
        assert!(
            matches!(
                &call,
                Error::Cut {
                    fate: Fate::MaybeExecuted,
                    reason: CloseReason::Protocol(_)
                }
            ),
            "{call:?}"
        );
    }

    // Calls that fail.

    pub async fn an_unknown_method_is_the_servers_error_or_the_schemas<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;

        let body = Bytes::from_static(&[0x0d, 0xf0, 0xad, 0xba]);
        let failed = connection.invoke_raw(body).await.unwrap_err();
        let Error::Rpc(error) = &failed else {
            panic!("{failed:?}");
        };
        assert_eq!(error.code, 400);
        assert!(
            error.message.starts_with("INPUT_METHOD_INVALID_"),
            "{error}"
        );

        let failed = connection
            .invoke_json("help.getNothing", &json!({}))
            .await
            .unwrap_err();
        assert!(matches!(failed, Error::UnknownMethod { .. }), "{failed:?}");
        assert!(failed.to_string().contains("help.getNothing"), "{failed}");

        // Neither disturbs the connection.
        connection.invoke(&help::GetNearestDc).await.unwrap();
    }

    pub async fn json_that_does_not_fit_the_method_names_the_place<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        for (method, params, place) in [
            ("auth.sendCode", json!({}), "phone_number"),
            ("users.getUsers", json!({ "id": 7 }), "id"),
            (
                "users.getUsers",
                json!({ "id": [{ "_": "inputUserNobody" }] }),
                "inputUserNobody",
            ),
            ("help.getConfig", json!([]), "help.getConfig"),
        ] {
            let failed = connection.invoke_json(method, &params).await.unwrap_err();
            assert!(
                matches!(failed, Error::Arguments { .. }),
                "{method}: {failed:?}"
            );
            assert!(failed.to_string().contains(place), "{method}: {failed}");
        }
    }

    pub async fn an_answer_of_another_type_is_a_decode_error<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        let failed = connection.invoke(&Mistyped).await.unwrap_err();
        assert!(
            matches!(
                failed,
                Error::Decode {
                    method: "help.getNearestDc",
                    ..
                }
            ),
            "{failed:?}"
        );
    }

    pub async fn a_request_that_is_too_large_fails_at_once<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        let body = Bytes::from(vec![1; 2 << 20]);
        let failed = connection.invoke_raw(body).await.unwrap_err();
        assert!(
            matches!(
                failed,
                Error::Send(SendError::TooLarge { got: 0x20_0000, .. })
            ),
            "{failed:?}"
        );
        let body = Bytes::from_static(b"odd");
        let failed = connection.invoke_raw(body).await.unwrap_err();
        assert!(
            matches!(failed, Error::Send(SendError::Unaligned { got: 3 })),
            "{failed:?}"
        );
        connection.invoke(&help::GetNearestDc).await.unwrap();
    }

    pub async fn a_deadline_ends_a_call_and_tells_its_fate<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let connection = connect(&rt, relay.addr, config(&dc), Start::NewKey).await;
        connection.invoke(&help::GetNearestDc).await.unwrap();

        relay.hold(true);
        let options = SendOptions::default().deadline(SHORT);
        let failed = connection
            .invoke_with(&help::GetNearestDc, options)
            .await
            .unwrap_err();
        assert!(
            matches!(failed, Error::TimedOut(Fate::MaybeExecuted)),
            "{failed:?}"
        );
        assert!(
            failed.to_string().contains("check before repeating"),
            "{failed}"
        );

        relay.hold(false);
        connection.invoke(&help::GetNearestDc).await.unwrap();
    }

    pub async fn calls_have_names_an_order_and_progress<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let connection = connect(&rt, relay.addr, config(&dc), Start::NewKey).await;
        let nearest = help::GetNearestDc;
        let first = connection.submit(&nearest, SendOptions::default()).await;
        let first = first.unwrap();
        let behind = SendOptions::default().after(first.id());
        let second = connection.submit(&nearest, behind).await.unwrap();
        second.await.unwrap();
        let ended = connection.progress(first.id()).await.unwrap();
        assert_eq!(ended, None, "it came before");
        first.await.unwrap();

        // The server orders calls of the API only: what comes after a ping waits here for its pong.
        relay.hold(true);
        let ping = Ping { ping_id: 1 }.to_bytes();
        let options = SendOptions::default().deadline(SHORT);
        let ping = connection.submit_raw(ping, options).await.unwrap();
        let named = ping.id();
        let behind = SendOptions::default().after(named);
        let behind = connection.submit(&nearest, behind).await.unwrap();
        let held = connection.progress(behind.id()).await.unwrap();
        assert_eq!(held, Some(Progress::Queued));
        let failed = ping.await.unwrap_err();
        assert_eq!(failed.fate(), Some(Fate::MaybeExecuted), "{failed}");
        let failed = behind.await.unwrap_err();
        assert!(
            matches!(failed, Error::DependencyFailed(id) if id == named),
            "{failed:?}"
        );
        assert_eq!(failed.fate(), Some(Fate::NotReceived));
        relay.hold(false);
        connection.invoke(&nearest).await.unwrap();
    }

    pub async fn dropping_a_calls_future_cancels_it<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let mut client = client_config(vec![dc.public_key()]);
        client.session.max_requests = 2;
        let connection = connect(&rt, relay.addr, Config::new(client), Start::NewKey).await;
        connection.invoke(&help::GetNearestDc).await.unwrap();

        relay.hold(true);
        {
            let mut first = pin!(connection.invoke(&help::GetNearestDc));
            let mut second = pin!(connection.invoke(&help::GetNearestDc));
            assert!(!ready_within(&rt, SHORT / 5, first.as_mut()).await);
            assert!(!ready_within(&rt, SHORT / 5, second.as_mut()).await);
            let third = connection.invoke(&help::GetNearestDc).await.unwrap_err();
            assert!(
                matches!(third, Error::Send(SendError::TooMany { max: 2 })),
                "{third:?}"
            );
        }
        // Both places are free again, though the server has not answered.
        let (one, two) = (
            connection.invoke(&help::GetNearestDc),
            connection.invoke(&help::GetNearestDc),
        );
        let later = async {
            rt.sleep_until(rt.now() + SHORT / 5).await;
            relay.hold(false);
        };
        let ((one, two), ()) = both(both(one, two), later).await;
        one.unwrap();
        two.unwrap();
    }

    pub async fn calls_in_flight_end_when_the_server_dies<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let connection = connect(&rt, relay.addr, config(&dc), Start::NewKey).await;
        relay.hold(true);
        let calls = join_all((0..10).map(|_| connection.invoke(&help::GetNearestDc)));
        let cut = async {
            rt.sleep_until(rt.now() + SHORT / 5).await;
            relay.cut();
        };
        let (results, ()) = both(calls, cut).await;
        for result in results {
            let failed = result.unwrap_err();
            assert!(
                matches!(
                    failed,
                    Error::Cut {
                        fate: Fate::MaybeExecuted,
                        ..
                    }
                ),
                "{failed:?}"
            );
        }
    }

    // Closing.

    pub async fn closing_writes_what_is_queued_first<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let mut config = config(&dc);
        // A busy machine seals and moves 10 MiB more slowly than the usual patience allows.
        config.close_timeout = PATIENCE / 4;
        let connection = connect(&rt, relay.addr, config, Start::NewKey).await;
        connection.invoke(&help::GetNearestDc).await.unwrap();
        let before = relay.to_server();

        // 10 MiB that the server will not like, not answered before the stream is closed.
        let body = Bytes::from(vec![1; 1 << 19]);
        let calls = join_all((0..20).map(|_| connection.invoke_raw(body.clone())));
        let close = async {
            rt.sleep_until(rt.now() + Duration::from_millis(1)).await;
            connection.close().await;
        };
        let (results, ()) = both(calls, close).await;
        let reason = connection.closed().await.reason;
        assert!(matches!(reason, CloseReason::Requested), "{reason:?}");
        let until = rt.now() + PATIENCE / 2;
        while relay.to_server() - before < 20 << 19 && rt.now() < until {
            rt.sleep_until(rt.now() + Duration::from_millis(10)).await;
        }
        assert!(
            relay.to_server() - before >= 20 << 19,
            "{} bytes",
            relay.to_server() - before
        );
        for failed in results.into_iter().filter_map(Result::err) {
            assert!(
                matches!(
                    failed,
                    Error::Rpc(_)
                        | Error::Cut {
                            fate: Fate::MaybeExecuted,
                            reason: CloseReason::Requested
                        }
                ),
                "{failed:?}"
            );
        }
        let failed = connection.invoke(&help::GetNearestDc).await.unwrap_err();
        assert!(
            matches!(failed, Error::Closed(CloseReason::Requested)),
            "{failed:?}"
        );
        // Once more is no harm.
        connection.close().await;
    }

    pub async fn closing_towards_a_peer_that_does_not_read_is_bounded<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let mut config = config(&dc);
        config.close_timeout = SHORT;
        let connection = connect(&rt, relay.addr, config, Start::NewKey).await;
        relay.hold(true);
        // More than two socket buffers take.
        let body = Bytes::from(vec![1; 1 << 19]);
        let calls = join_all((0..64).map(|_| connection.invoke_raw(body.clone())));
        let close = async {
            rt.sleep_until(rt.now() + SHORT / 5).await;
            let begin = rt.now();
            connection.close().await;
            rt.now() - begin
        };
        let (results, took) = both(calls, close).await;
        assert!((SHORT..SHORT * 10).contains(&took), "{took:?}");
        let unsent = results.iter().filter(|result| {
            matches!(
                result,
                Err(Error::Cut {
                    fate: Fate::NotSent,
                    ..
                })
            )
        });
        assert!(
            unsent.count() > 0,
            "what was not written is known not to be sent"
        );
    }

    pub async fn the_last_handle_closes_the_connection_and_a_call_counts_as_one<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let connection = connect(&rt, relay.addr, config(&dc), Start::NewKey).await;
        let mut updates = connection.updates();
        let call = connection.invoke(&help::GetNearestDc);
        let clone = connection.clone();
        drop(connection);
        clone.invoke(&help::GetNearestDc).await.unwrap();
        drop(clone);
        call.await.unwrap();
        assert_eq!(updates.next().await, None);
        let until = rt.now() + PATIENCE / 2;
        while relay.open() > 0 && rt.now() < until {
            rt.sleep_until(rt.now() + Duration::from_millis(10)).await;
        }
        assert_eq!(relay.open(), 0);
    }

    // Updates.

    pub async fn updates_reach_every_subscriber_in_order<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        connection.invoke(&help::GetNearestDc).await.unwrap();
        let mut one = connection.updates();
        let mut two = connection.updates();
        for n in 0..100 {
            assert_eq!(dc.push(numbered(n)), 1);
        }
        for updates in [&mut one, &mut two] {
            for n in 0..100 {
                match updates.next().await {
                    Some(Incoming::Update(update)) => assert_eq!(*update.body(), numbered(n)),
                    other => panic!("{other:?} instead of number {n}"),
                }
            }
        }
        dc.push(Updates::TooLong.to_bytes());
        match one.next().await {
            Some(Incoming::Update(update)) => {
                assert!(matches!(update.decode(), Ok(Updates::TooLong)));
            }
            other => panic!("{other:?}"),
        }
        connection.close().await;
        assert_eq!(one.next().await, None);
    }

    pub async fn a_slow_subscriber_with_a_full_queue_can_call_and_learns_of_the_gap<R: Runtime>(
        rt: R,
    ) {
        const PUSHED: u64 = 500;
        let dc = start_dc();
        let mut config = config(&dc);
        config.update_queue = 4;
        let connection = connect(&rt, dc.addr(), config, Start::NewKey).await;
        connection.invoke(&help::GetNearestDc).await.unwrap();
        let mut updates = connection.updates();
        for n in 0..PUSHED {
            dc.push(numbered(n));
        }
        let (mut taken, mut dropped, mut last) = (0, 0, None);
        while taken + dropped < PUSHED {
            match updates.next().await {
                Some(Incoming::Update(update)) => {
                    taken += 1;
                    let n = number(update.body());
                    assert!(last < Some(n), "{n} after {last:?}");
                    last = Some(n);
                }
                Some(Incoming::Gap(Gap::Dropped { count })) => dropped += count,
                other => panic!("{other:?}"),
            }
            // Inside the loop, while more updates come than fit.
            connection.invoke(&help::GetNearestDc).await.unwrap();
        }
        assert_eq!(taken + dropped, PUSHED);
        assert!(dropped > 0, "the queue was never full");
    }

    // Load.

    pub async fn five_thousand_calls_at_once_are_all_answered<R: Runtime>(rt: R) {
        let dc = start_dc();
        let connection = connect(&rt, dc.addr(), config(&dc), Start::NewKey).await;
        let calls = (0..5000).map(|n| connection.invoke(&Ping { ping_id: n }));
        for (n, result) in join_all(calls).await.into_iter().enumerate() {
            assert_eq!(usize::try_from(result.unwrap().ping_id), Ok(n));
        }
        let calls = (0..5000).map(|_| connection.invoke(&help::GetNearestDc));
        for result in join_all(calls).await {
            assert_eq!(result.unwrap().this_dc, 2);
        }
    }

    pub async fn five_thousand_calls_that_arrive_all_together_are_all_answered<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let connection = connect(&rt, relay.addr, config(&dc), Start::NewKey).await;
        connection.invoke(&help::GetNearestDc).await.unwrap();
        relay.hold(true);
        let calls = join_all((0..5000).map(|_| connection.invoke(&help::GetNearestDc)));
        let release = async {
            rt.sleep_until(rt.now() + SHORT * 2).await;
            relay.hold(false);
        };
        let (results, ()) = both(calls, release).await;
        for result in results {
            result.unwrap();
        }
    }

    pub async fn a_command_queue_of_one_makes_callers_wait_and_loses_nothing<R: Runtime>(rt: R) {
        let dc = start_dc();
        let mut config = config(&dc);
        config.command_queue = 1;
        let connection = connect(&rt, dc.addr(), config, Start::NewKey).await;
        let calls = (0..300).map(|n| connection.invoke(&Ping { ping_id: n }));
        for (n, result) in join_all(calls).await.into_iter().enumerate() {
            assert_eq!(usize::try_from(result.unwrap().ping_id), Ok(n));
        }
    }

    pub async fn large_requests_pass_both_ways_through_a_server_that_reads_late<R: Runtime>(rt: R) {
        let dc = start_dc();
        let relay = Relay::start(dc.addr());
        let connection = connect(&rt, relay.addr, config(&dc), Start::NewKey).await;
        connection.invoke(&help::GetNearestDc).await.unwrap();
        let mut updates = connection.updates();
        relay.hold(true);
        let body = Bytes::from(vec![1; 1 << 19]);
        let calls = join_all((0..16).map(|_| connection.invoke_raw(body.clone())));
        let mut large = numbered(0).to_vec();
        large.resize(1 << 20, 0);
        for _ in 0..8 {
            dc.push(large.clone().into());
        }
        let release = async {
            rt.sleep_until(rt.now() + SHORT / 5).await;
            relay.hold(false);
        };
        let (results, ()) = both(calls, release).await;
        for result in results {
            assert!(matches!(result, Err(Error::Rpc(_))), "{result:?}");
        }
        for _ in 0..8 {
            match updates.next().await {
                Some(Incoming::Update(update)) => assert_eq!(update.body().len(), 1 << 20),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Instantiates the suite.
macro_rules! suite {
    ($runtime:expr, $block_on:path; $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $block_on(async {
                    let test = suite::$test($runtime);
                    assert!(
                        ready_within(&$runtime, PATIENCE, pin!(test)).await,
                        "not done within {PATIENCE:?}"
                    );
                });
            }
        )*
    };
    ($runtime:expr, $block_on:path) => {
        suite! { $runtime, $block_on;
            a_new_key_serves_calls_as_types_by_name_and_as_bytes
            a_key_that_was_kept_in_a_file_is_taken_again
            a_session_goes_on_over_another_stream
            a_failed_attempt_to_resume_hands_back_what_was_to_be_resumed
            every_framing_works_plain_and_obfuscated
            temporary_keys_are_made_and_bound_under_a_new_and_a_stored_key
            a_refused_connection_says_so
            a_server_that_never_speaks_is_given_up
            a_server_that_hangs_up_at_once_is_an_error
            a_foreign_fingerprint_is_named
            an_unknown_dc_is_named
            no_key_to_trust_is_an_error_before_a_packet_is_sent
            a_key_that_the_server_does_not_know_is_an_error_and_survives
            a_server_that_is_silent_to_a_stored_key_is_given_up
            an_unknown_method_is_the_servers_error_or_the_schemas
            json_that_does_not_fit_the_method_names_the_place
            an_answer_of_another_type_is_a_decode_error
            a_request_that_is_too_large_fails_at_once
            a_deadline_ends_a_call_and_tells_its_fate
            calls_have_names_an_order_and_progress
            dropping_a_calls_future_cancels_it
            calls_in_flight_end_when_the_server_dies
            closing_writes_what_is_queued_first
            closing_towards_a_peer_that_does_not_read_is_bounded
            the_last_handle_closes_the_connection_and_a_call_counts_as_one
            updates_reach_every_subscriber_in_order
            a_slow_subscriber_with_a_full_queue_can_call_and_learns_of_the_gap
            five_thousand_calls_at_once_are_all_answered
            five_thousand_calls_that_arrive_all_together_are_all_answered
            a_command_queue_of_one_makes_callers_wait_and_loses_nothing
            large_requests_pass_both_ways_through_a_server_that_reads_late
        }
    };
}

mod on_tokio {
    use super::*;
    use mtproto_tokio::Tokio;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
            .block_on(test)
    }

    suite!(Tokio, block_on);

    #[test]
    fn a_runtime_of_one_thread_serves_as_well() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(suite::five_thousand_calls_at_once_are_all_answered(Tokio));
    }

    #[test]
    fn the_end_of_the_runtime_ends_everything() {
        let dc = start_dc();
        let (connection, mut updates) = block_on(async {
            let connection = connect(&Tokio, dc.addr(), config(&dc), Start::NewKey).await;
            let updates = connection.updates();
            (connection, updates)
        });
        // The runtime is gone, and with it the connection's task.
        block_on(async {
            let failed = connection.invoke(&help::GetNearestDc).await.unwrap_err();
            assert!(
                matches!(failed, Error::Closed(CloseReason::Aborted)),
                "{failed:?}"
            );
            assert!(matches!(
                connection.closed().await.reason,
                CloseReason::Aborted
            ));
            assert_eq!(updates.next().await, None);
            connection.close().await;
        });
    }
}

mod on_async_std {
    use super::*;
    use async_std::task::block_on;
    use mtproto_async_std::AsyncStd;

    suite!(AsyncStd, block_on);
}

// Helpers.

fn start_dc() -> TestDc {
    TestDc::start(DcConfig::default()).unwrap()
}

/// A server with another key.
fn start_other_dc() -> TestDc {
    let mut config = DcConfig::default();
    config.key = Some(include_str!("keys/server.pem").to_owned());
    TestDc::start(config).unwrap()
}

fn client_config(keys: Vec<RsaPublicKey>) -> ClientConfig {
    let mut client = ClientConfig::new(DC, keys);
    client.init = Some(InitParams::new(1, LAYER));
    client
}

fn config_with(keys: Vec<RsaPublicKey>) -> Config {
    Config::new(client_config(keys))
}

fn config(dc: &TestDc) -> Config {
    config_with(vec![dc.public_key()])
}

/// Some server's key, where none will be reached.
fn public_key() -> RsaPublicKey {
    start_dc().public_key()
}

async fn connect<R: Runtime>(rt: &R, to: SocketAddr, config: Config, start: Start) -> Connection {
    Connection::connect(rt, to, config, start).await.unwrap()
}

async fn fail_to_connect<R: Runtime>(rt: &R, to: SocketAddr, config: Config) -> Error {
    Connection::connect(rt, to, config, Start::NewKey)
        .await
        .unwrap_err()
        .error
}

fn protocol_error(error: &Error) -> connection::Error {
    let Error::Closed(CloseReason::Protocol(error)) = error else {
        panic!("{error:?}");
    };
    (**error).clone()
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// An update that no schema knows, with a number inside.
fn numbered(n: u64) -> Bytes {
    let mut body = 0xdead_beef_u32.to_le_bytes().to_vec();
    body.extend(n.to_le_bytes());
    body.into()
}

fn number(body: &Bytes) -> u64 {
    u64::from_le_bytes(body[4..12].try_into().unwrap())
}

/// `help.getNearestDc` that expects another answer than it gets.
struct Mistyped;

impl Encode for Mistyped {
    fn encode(&self, out: &mut Vec<u8>) {
        help::GetNearestDc.encode(out);
    }
}

impl mtproto_schema::Function for Mistyped {
    const ID: u32 = <help::GetNearestDc as mtproto_schema::Function>::ID;
    const NAME: &'static str = "help.getNearestDc";
    const IDEMPOTENT: bool = true;
    type Response = mtproto_schema::api::types::Config;
}

async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    futures_util::future::join(a, b).await
}

/// Polls a future for a while.
async fn ready_within<R: Runtime, T>(
    rt: &R,
    time: Duration,
    mut future: std::pin::Pin<&mut impl Future<Output = T>>,
) -> bool {
    let mut sleep = pin!(rt.sleep_until(rt.now() + time));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| false),
    })
    .await
}

/// A folder that is gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mtproto-adapters-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
