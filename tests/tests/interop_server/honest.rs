//! A server that does what servers do: our client gets its answers and breaks no rule.

use std::time::Duration;

use futures_util::future::join_all;
use mtproto_proto::Fate;
use mtproto_proto::transport::Framing;
use mtproto_schema::mtproto::functions::{GetFutureSalts, Ping};
use mtproto_test::Dice;
use mtproto_tokio::{Error, Incoming, KeyState, SendOptions, Start, Updates};
use serde_json::json;

use crate::support::{Line, SECRET, Strict, assert_answered, nearest_dc, run};

/// `updateShort`, the update that the server sends.
const UPDATE_SHORT: u32 = 0x78d4_dec1;

async fn next_update(updates: &mut Updates) {
    let next = tokio::time::timeout(Duration::from_secs(30), updates.next());
    match next.await.expect("an update in time") {
        Some(Incoming::Update(update)) => assert_eq!(update.constructor_id(), Some(UPDATE_SHORT)),
        other => panic!("no update but {other:?}"),
    }
}

/// Everything that a connection does in its life.
async fn live(server: &mut Strict, line: Line) {
    let context = format!("{line:?}");
    let before = server.state();

    let connection = server.connect(line, Start::NewKey).await;
    let mut updates = connection.updates();
    let config = connection
        .invoke_json("help.getConfig", &json!({}))
        .await
        .unwrap();
    assert_eq!(config["_"], "config", "{context}");
    assert_eq!(config["this_dc"], 2, "{context}");
    assert_eq!(config["dc_options"][0]["ip_address"], "127.0.0.1");
    assert_eq!(config["dc_options"][0]["port"], server.addr.port());
    assert_eq!(config["reactions_default"]["emoticon"], "👍");
    assert_answered(&connection).await;
    let refused = connection
        .invoke_json("updates.getState", &json!({}))
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Error::Rpc(e) if (e.code, &*e.message) == (401, "AUTH_KEY_UNREGISTERED")),
        "{context}: {refused:?}"
    );

    // Updates, plain and compressed; answers, compressed and in containers.
    server.command(json!({ "do": "push" }));
    next_update(&mut updates).await;
    server.command(json!({ "do": "push", "gzip": true }));
    next_update(&mut updates).await;
    for (gzip, container) in [(true, false), (false, true), (true, true)] {
        server.command(json!({ "do": "option", "gzip": gzip, "container": container }));
        let again = connection.invoke_json("help.getConfig", &json!({})).await;
        assert_eq!(again.unwrap()["this_dc"], 2, "{context}");
    }
    server.command(json!({ "do": "push" }));
    next_update(&mut updates).await;
    server.command(json!({ "do": "option", "gzip": false, "container": false }));

    // Service messages in both directions.
    let pong = connection.invoke(&Ping { ping_id: 7 }).await.unwrap();
    assert_eq!(pong.ping_id, 7);
    let salts = connection.invoke(&GetFutureSalts { num: 8 }).await.unwrap();
    assert_eq!(salts.salts.len(), 8, "{context}");
    let pongs = server.count("pongs");
    server.command(json!({ "do": "ping" }));
    server.wait_for("pongs", pongs + 1);
    let states = server.count("states");
    server.command(json!({ "do": "ask_state" }));
    server.wait_for("states", states + 1);

    // The salts change: nothing is lost, and the server sees each call once.
    let refused = server.count("refused_salts");
    server.command(json!({ "do": "rotate" }));
    let calls = server.count("calls");
    join_all((0..20).map(|_| assert_answered(&connection))).await;
    assert_eq!(server.count("calls"), calls + 20, "{context}");
    assert!(server.count("refused_salts") > refused, "{context}");

    // A large call, in a frame with a long header, with a quick acknowledgement where there is one.
    let mut options = SendOptions::default();
    options.quick_ack = line.framing != Framing::Full;
    let bytes = "AAAA".repeat(70_000);
    let large = json!({ "id": 1, "bytes": bytes });
    let quick_acks = server.count("quick_acks");
    let answer = connection
        .invoke_json_with("auth.importAuthorization", &large, options)
        .await;
    assert!(matches!(answer, Err(Error::Rpc(e)) if e.code == 401));
    let wanted = quick_acks + u64::from(line.framing != Framing::Full);
    assert_eq!(server.count("quick_acks"), wanted, "{context}");

    connection.close().await;
    server.wait_for("open", 0);
    assert_eq!(
        server.count("missed_acks"),
        0,
        "{context}: closing leaves nothing unacknowledged"
    );

    let key = connection.key_state().unwrap();
    server.assert_key_serves(&key, line).await;
    let after = server.state();
    let more = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    assert_eq!(more("keys"), 1, "{context}");
    assert_eq!(more("streams"), 2, "{context}");
    // The second connection made one of its own.
    let temporary = if line.temporary { 2 } else { 0 };
    assert_eq!(more("temporary_keys"), temporary, "{context}");
    assert_eq!(more("binds"), temporary, "{context}");
    let (now, then) = (&after["framings"], &before["framings"]);
    let streams = now[line.name()].as_u64().unwrap() - then[line.name()].as_u64().unwrap_or(0);
    assert_eq!(streams, 2, "{context}");
    server.assert_no_violations(&context);
}

#[test]
fn a_whole_life_over_every_line_breaks_no_rule() {
    let Some(mut server) = Strict::start("lines") else {
        return;
    };
    run(async {
        for line in Line::ALL {
            live(&mut server, line).await;
        }
    });
    server.stop_content();
}

#[test]
fn a_whole_life_under_temporary_keys_over_every_line_breaks_no_rule() {
    let Some(mut server) = Strict::start("temporary") else {
        return;
    };
    run(async {
        for line in Line::ALL {
            live(&mut server, line.temporary(true)).await;
        }
    });
    server.stop_content();
}

#[test]
fn a_whole_life_behind_a_secret_breaks_no_rule() {
    let Some(mut server) = Strict::start("secret") else {
        return;
    };
    run(async {
        for framing in [Framing::Abridged, Framing::PaddedIntermediate] {
            let line = Line {
                secret: Some(SECRET),
                ..Line::obfuscated(framing)
            };
            live(&mut server, line).await;
        }
    });
    server.stop_content();
}

#[test]
fn streams_in_pieces_of_one_byte_change_nothing() {
    let Some(mut server) = Strict::start("split") else {
        return;
    };
    run(async {
        server.option("split", true);
        for line in Line::ALL {
            let connection = server.connect(line, Start::NewKey).await;
            let config = connection.invoke_json("help.getConfig", &json!({})).await;
            assert_eq!(config.unwrap()["this_dc"], 2, "{line:?}");
            connection.close().await;
        }
    });
    server.stop_content();
}

#[test]
fn keys_are_agreed_upon_after_refusals_and_over_an_unknown_prime() {
    let Some(mut server) = Strict::start("handshakes") else {
        return;
    };
    run(async {
        for retries in 1..=5 {
            server.option("retries", retries);
            server.new_key().await;
        }
        server.option("retries", 0);
        server.option("group", "other");
        for temporary in [false, true] {
            let line = Line::INTERMEDIATE.temporary(temporary);
            let connection = server.connect(line, Start::NewKey).await;
            assert_answered(&connection).await;
            connection.close().await;
        }
    });
    server.stop_content();
}

#[test]
fn a_handshake_goes_on_over_another_stream_with_the_same_bytes() {
    let Some(mut server) = Strict::start("cut") else {
        return;
    };
    run(async {
        for (repeats, step) in ["res_pq", "dh_params", "dh_gen"].into_iter().enumerate() {
            let repeats = repeats as u64;
            server.attack(&format!("H6-cut-{step}"));
            let config = server.config(Line::INTERMEDIATE);
            let failed = mtproto_tokio::connect(server.addr, config, Start::NewKey).await;
            let start = failed.unwrap_err().retry.unwrap();
            assert_eq!(server.relent(), 1, "{step}");
            assert_eq!(server.count("repeats"), repeats, "{step}");
            let connection = server.connect(Line::INTERMEDIATE, start).await;
            assert_answered(&connection).await;
            connection.close().await;
            assert_eq!(server.count("repeats"), repeats + 1, "{step}");
            assert_eq!(server.count("keys"), repeats + 1, "{step}");
        }
    });
    server.stop_content();
}

#[test]
fn a_session_goes_on_over_another_stream() {
    let Some(mut server) = Strict::start("resume") else {
        return;
    };
    run(async {
        for line in Line::ALL {
            for temporary in [false, true] {
                let line = line.temporary(temporary);
                let sessions = server.count("sessions");
                let mut connection = server.connect(line, Start::NewKey).await;
                for round in 0..3 {
                    assert_answered(&connection).await;
                    let mut updates = connection.updates();
                    server.command(json!({ "do": "push" }));
                    next_update(&mut updates).await;
                    server.command(json!({ "do": "cut" }));
                    let closed = connection.closed().await;
                    let start = Start::Resume(closed.suspended.unwrap());
                    connection = server.connect(line, start).await;
                    let context = format!("{line:?}, round {round}");
                    server.assert_no_violations(&context);
                }
                assert_answered(&connection).await;
                connection.close().await;
                assert_eq!(server.count("sessions"), sessions + 1, "{line:?}");
            }
        }
        server.wait_for("open", 0);
        server.wait_for("missed_acks", 0);
    });
    server.stop_content();
}

#[test]
fn refused_calls_are_sent_again_once_whatever_the_code() {
    let Some(mut server) = Strict::start("refusals") else {
        return;
    };
    run(async {
        let connection = server.connect(Line::INTERMEDIATE, Start::NewKey).await;
        assert_answered(&connection).await;
        for code in [16, 17, 18, 19, 32, 33, 34, 35, 64] {
            let calls = server.count("calls");
            server.option("refuse", code);
            assert_answered(&connection).await;
            assert_eq!(server.count("calls"), calls + 1, "code {code}");
            server.assert_no_violations(&format!("code {code}"));
            // Several in a container are refused together.
            server.option("refuse", code);
            join_all((0..5).map(|_| assert_answered(&connection))).await;
            assert_eq!(server.count("calls"), calls + 6, "code {code}");
            server.assert_no_violations(&format!("code {code}, in a container"));
        }
        // Whether it came is not known: only what may be executed twice is sent again.
        for code in [19, 20] {
            server.option("refuse", code);
            assert_answered(&connection).await;
            server.option("refuse", code);
            let once = json!({ "id": 1, "bytes": "AAAA" });
            let call = connection.invoke_json("auth.importAuthorization", &once);
            let error = call.await.unwrap_err();
            assert!(
                matches!(error, Error::Lost(Fate::MaybeExecuted)),
                "code {code}: {error:?}"
            );
        }
        connection.close().await;
    });
    server.stop_content();
}

#[test]
fn a_key_alone_without_its_salts_serves_after_one_refusal() {
    let Some(mut server) = Strict::start("bare") else {
        return;
    };
    run(async {
        let key = server.new_key().await;
        let bare = KeyState::from_auth_key(*key.auth_key(), key.dc());
        server.assert_key_serves(&bare, Line::INTERMEDIATE).await;
        assert!(server.count("refused_salts") >= 1);
    });
    // Who has only a key makes the first salt up, and says so to a server that has given others.
    let (last, _) = server.stop();
    let violations = last["violations"].as_array().unwrap();
    assert!(!violations.is_empty());
    assert!(
        violations.iter().all(|found| found["violation"] == "salt"
            && found["detail"]
                .as_str()
                .unwrap()
                .ends_with("was never given")),
        "{last}"
    );
}

#[test]
fn the_clocks_may_differ_by_a_minute_an_hour_or_ten_years() {
    const HOUR: i64 = 3_600;
    const TEN_YEARS: i64 = 10 * 365 * 24 * HOUR;
    let Some(mut server) = Strict::start("clocks") else {
        return;
    };
    run(async {
        let mut keys = Vec::new();
        for skew in [0, 60, -60, HOUR, -HOUR, TEN_YEARS, -TEN_YEARS] {
            // A new key comes with the server's time, so that no rule is broken.
            server.option("skew", skew);
            for temporary in [false, true] {
                let line = Line::INTERMEDIATE.temporary(temporary);
                let connection = server.connect(line, Start::NewKey).await;
                assert_answered(&connection).await;
                keys.push(connection.key_state().unwrap());
                connection.close().await;
                server.wait_for("open", 0);
                server.assert_no_violations(&format!("{skew} s, temporary: {temporary}"));
            }
        }
        // A stored key remembers another time: it is corrected by notifications.
        server.option("excuse", json!(["msg_id.window"]));
        for skew in [TEN_YEARS, 0, -HOUR, HOUR] {
            server.option("skew", skew);
            for key in &keys {
                server.assert_key_serves(key, Line::INTERMEDIATE).await;
            }
            server.wait_for("open", 0);
            server.assert_no_violations(&format!("stored keys, {skew} s"));
        }
    });
    server.stop_content();
}

#[test]
fn a_servers_clock_that_steps_breaks_no_rule_of_the_ids() {
    let Some(mut server) = Strict::start("steps") else {
        return;
    };
    run(async {
        for line in [Line::INTERMEDIATE, Line::INTERMEDIATE.temporary(true)] {
            server.option("skew", 0);
            server.option("excuse", json!([]));
            let connection = server.connect(line, Start::NewKey).await;
            assert_answered(&connection).await;
            // Within the window, so that nothing is refused.
            for skew in [20, 0, 200, 180, 400] {
                server.option("skew", skew);
                for _ in 0..3 {
                    assert_answered(&connection).await;
                }
                server.assert_no_violations(&format!("{skew} s"));
            }
            // Beyond it.
            server.option("excuse", json!(["msg_id.window"]));
            for skew in [-200, 2_000, -2_000, 0] {
                server.option("skew", skew);
                for _ in 0..3 {
                    assert_answered(&connection).await;
                }
                server.assert_no_violations(&format!("{skew} s"));
            }
            connection.close().await;
            server.wait_for("open", 0);
        }
    });
    server.stop_content();
}

#[test]
fn a_listener_that_never_sends_acknowledges_by_itself() {
    let Some(mut server) = Strict::start("listener") else {
        return;
    };
    run(async {
        let mut config = server.config(Line::INTERMEDIATE);
        let mut client = (*config.client).clone();
        client.session.ack_delay = Duration::from_millis(300);
        config.client = client.into();
        let connection = mtproto_tokio::connect(server.addr, config, Start::NewKey)
            .await
            .unwrap();
        assert_answered(&connection).await;
        let mut updates = connection.updates();
        for _ in 0..3 {
            server.command(json!({ "do": "push" }));
            next_update(&mut updates).await;
            server.wait_for("missed_acks", 0);
        }
        connection.close().await;
    });
    server.stop_content();
}

#[test]
fn compressed_calls_are_understood() {
    let Some(mut server) = Strict::start("compressed") else {
        return;
    };
    run(async {
        let mut config = server.config(Line::INTERMEDIATE);
        let mut client = (*config.client).clone();
        client.session.compress_from = Some(128);
        config.client = client.into();
        let connection = mtproto_tokio::connect(server.addr, config, Start::NewKey)
            .await
            .unwrap();
        // As the first call, inside of its envelopes, and later, alone.
        for gzipped in 1..=2 {
            let large = json!({ "id": 1, "bytes": "AAAA".repeat(5_000) });
            let answer = connection.invoke_json("auth.importAuthorization", &large);
            assert!(matches!(answer.await, Err(Error::Rpc(e)) if e.code == 401));
            assert_answered(&connection).await;
            assert_eq!(server.count("gzipped"), gzipped);
        }
        connection.close().await;
    });
    server.stop_content();
}

#[test]
fn a_thousand_calls_at_once_fit_the_containers_bounds() {
    let Some(mut server) = Strict::start("many") else {
        return;
    };
    run(async {
        let connection = server.connect(Line::INTERMEDIATE, Start::NewKey).await;
        join_all((0..3_000).map(|_| assert_answered(&connection))).await;
        // Bodies that together are more than one container takes.
        let half = "AAAA".repeat(250_000);
        let large = json!({ "id": 1, "bytes": half });
        let answers = join_all((0..5).map(|_| {
            let call = connection.invoke_json("auth.importAuthorization", &large);
            async { matches!(call.await, Err(Error::Rpc(e)) if e.code == 401) }
        }));
        assert_eq!(answers.await, [true; 5]);
        connection.close().await;
        assert_eq!(server.count("calls"), 3_005);
    });
    server.stop_content();
}

#[test]
fn a_session_that_is_announced_beside_its_first_answer_runs_each_call_once() {
    let Some(mut server) = Strict::start("announced") else {
        return;
    };
    run(async {
        for gzip in [false, true] {
            server.command(json!({ "do": "option", "gzip": gzip, "container": true }));
            for line in Line::ALL {
                let calls = server.count("calls");
                let connection = server.connect(line, Start::NewKey).await;
                join_all((0..3).map(|_| assert_answered(&connection))).await;
                connection.close().await;
                assert_eq!(server.count("calls"), calls + 3, "{line:?}, gzip {gzip}");
            }
        }
        server.wait_for("open", 0);
        assert_eq!(server.count("missed_acks"), 0);
    });
    server.stop_content();
}

/// Everything that may happen without malice, in any order, with calls on their way.
#[test]
fn a_random_life_breaks_no_rule_and_each_call_ends() {
    const STEPS: usize = 150;
    let Some(mut server) = Strict::start("random") else {
        return;
    };
    let mut dice = Dice::from_env_or(51);
    let seed = dice.seed();
    run(async {
        let line = |dice: &mut Dice| {
            let line = *dice.choose(&Line::ALL);
            line.temporary(dice.chance(1, 3))
        };
        let mut over = line(&mut dice);
        let mut connection = server.connect(over, Start::NewKey).await;
        let mut answered = 0;
        for step in 0..STEPS {
            let context = format!("seed {seed}, step {step}, {over:?}");
            let count = dice.range(0..=30);
            let calls: Vec<_> = (0..count)
                .map(|_| {
                    let connection = connection.clone();
                    tokio::spawn(async move { nearest_dc(&connection).await })
                })
                .collect();
            let mut cut = false;
            match dice.index(9) {
                0 => _ = server.command(json!({ "do": "push", "gzip": dice.chance(1, 2) })),
                1 => _ = server.command(json!({ "do": "ping" })),
                2 => _ = server.command(json!({ "do": "ask_state" })),
                3 => _ = server.command(json!({ "do": "rotate" })),
                4 => server.option(
                    "refuse",
                    *dice.choose(&[16, 17, 18, 19, 20, 32, 33, 34, 64]),
                ),
                5 => server.option("gzip", dice.chance(1, 2)),
                6 => server.option("container", dice.chance(1, 2)),
                7 => server.option("split", dice.chance(1, 4)),
                _ => {
                    server.command(json!({ "do": "cut" }));
                    cut = true;
                }
            }
            for call in calls {
                match call.await.unwrap() {
                    Ok(answer) => assert_eq!(answer["nearest_dc"], 2, "{context}"),
                    Err(Error::Cut { .. } | Error::Closed(_)) if cut => {}
                    Err(e) => panic!("{context}: {e:?}"),
                }
                answered += 1;
            }
            if cut {
                let closed = connection.closed().await;
                let start = if dice.chance(3, 4) {
                    Start::Resume(closed.suspended.unwrap())
                } else {
                    let key = connection.key_state().unwrap();
                    over = line(&mut dice);
                    Start::Key(key)
                };
                connection = server.connect(over, start).await;
            }
            server.assert_no_violations(&context);
        }
        assert_answered(&connection).await;
        connection.close().await;
        eprintln!("seed {seed}: {STEPS} steps, {answered} calls");
    });
    server.stop_content();
}
