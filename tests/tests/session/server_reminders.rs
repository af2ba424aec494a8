//! What a server does about messages that its client has not acknowledged, and what it tells of the
//! client's.

use mtproto_proto::server::{Event, ServerConfig};
use mtproto_proto::{ConnId, MsgId};
use mtproto_test::Seed;
use mtproto_test::rogue::{RogueClient, Said};

use crate::support::{content, said, secs, server_config, settled_server};

const LONG: [u8; 4_000] = [7; 4_000];

fn with(seed: u64, change: impl FnOnce(&mut ServerConfig)) -> (RogueClient, ConnId) {
    let mut config = server_config();
    change(&mut config);
    RogueClient::settled(config, Seed::from_env_or(seed))
}

/// A call and the id of its answer, which is not acknowledged.
fn answered(rogue: &mut RogueClient, conn: ConnId, answer: &[u8]) -> (MsgId, MsgId) {
    let req = rogue.say(conn, Said::other(b"the call"));
    let (id, _) = rogue.calls()[0];
    rogue.respond(id, answer);
    let packets = rogue.hear(conn);
    assert_eq!(said(&packets), [Said::result(req, answer)]);
    (req, packets[0].msg_id)
}

fn announced(said: &Said) -> bool {
    matches!(
        said,
        Said::DetailedInfo { .. } | Said::NewDetailedInfo { .. }
    )
}

#[test]
fn long_messages_are_announced_on_a_new_stream_and_sent_when_they_are_asked_for() {
    let (mut rogue, conn) = settled_server(1501);
    let (req, answer) = answered(&mut rogue, conn, &LONG);
    rogue.push(&LONG);
    let update = rogue.hear(conn).remove(0).msg_id;
    let (short_req, _) = answered(&mut rogue, conn, b"short answer");
    rogue.disconnect(conn);

    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let told = rogue.hear_said(conn);
    assert_eq!(
        told[..3],
        [
            Said::result(short_req, b"short answer"),
            Said::DetailedInfo {
                msg_id: req,
                answer
            },
            Said::NewDetailedInfo { answer: update },
        ]
    );
    rogue.say(conn, Said::Ping(2));
    assert!(!rogue.hear_said(conn).iter().any(announced), "once");

    rogue.say(conn, Said::ResendReq(vec![answer, update]));
    let again = rogue.hear(conn);
    assert_eq!(said(&again), [Said::result(req, &LONG), Said::other(&LONG)]);
    assert_eq!(content(&again), [answer, update], "under their ids");
}

#[test]
fn a_thousand_long_messages_are_announced_without_closing_the_stream() {
    let (mut rogue, conn) = with(1502, |config| {
        config.session.max_notices = 1_000;
        config.session.max_notice_bytes = 8 << 20;
    });
    for _ in 0..1_000 {
        assert!(rogue.push(&LONG));
        rogue.hear(conn);
    }
    rogue.disconnect(conn);
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let told = rogue.hear_said(conn);
    assert_eq!(told.iter().filter(|said| announced(said)).count(), 1_000);
    assert_eq!(rogue.closed(conn), None);
}

#[test]
fn what_stays_unacknowledged_is_asked_after_less_and_less_often() {
    let (mut rogue, conn) = with(1503, |config| {
        config.session.state_after = secs(10);
        config.idle_timeout = secs(100_000);
    });
    let (_, answer) = answered(&mut rogue, conn, b"answered");
    let began = rogue.now();
    let mut asked = Vec::new();
    for n in 0..1_000 {
        rogue.later(secs(1));
        if n % 5 == 0 {
            rogue.say(conn, Said::Ping(n));
        }
        for told in rogue.hear_said(conn) {
            if let Said::StateReq(ids) = told {
                assert_eq!(ids, [answer]);
                asked.push(rogue.now().saturating_since(began).as_secs());
            }
        }
    }
    assert_eq!(asked, [10, 30, 70, 150, 310, 630], "and then no more");
    let fired = rogue.timers_fired();
    rogue.later(secs(50_000));
    assert!(rogue.timers_fired() - fired <= 2);
}

#[test]
fn a_client_that_says_nothing_after_a_message_is_not_asked_for_it() {
    let (mut rogue, conn) = with(1504, |config| config.session.state_after = secs(10));
    answered(&mut rogue, conn, b"answered");
    rogue.later(secs(500));
    assert_eq!(rogue.hear_said(conn), []);
}

#[test]
fn a_client_without_a_stream_is_not_asked() {
    let (mut rogue, conn) = with(1505, |config| config.session.state_after = secs(10));
    let (req, _) = answered(&mut rogue, conn, b"answered");
    rogue.later(secs(5));
    rogue.say(conn, Said::Ping(1));
    rogue.hear(conn);
    rogue.disconnect(conn);
    let fired = rogue.timers_fired();
    rogue.later(secs(1_000));
    assert_eq!(rogue.timers_fired(), fired);

    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(2));
    assert_eq!(rogue.hear_said(conn)[0], Said::result(req, b"answered"));
    rogue.later(secs(5));
    rogue.say(conn, Said::Ping(3));
    rogue.hear(conn);
    rogue.later(secs(4));
    assert_eq!(rogue.hear_said(conn), []);
    rogue.later(secs(1));
    assert!(matches!(rogue.hear_said(conn)[..], [Said::StateReq(_)]));
}

/// The question about this answer, which has waited long enough.
fn question(rogue: &mut RogueClient, conn: ConnId) -> MsgId {
    rogue.later(secs(5));
    rogue.say(conn, Said::Ping(1));
    rogue.hear(conn);
    rogue.later(secs(5));
    let packets = rogue.hear(conn);
    assert!(matches!(said(&packets)[..], [Said::StateReq(_)]));
    packets[0].msg_id
}

#[test]
fn a_message_that_came_is_forgotten_and_one_that_did_not_is_sent_again() {
    for (state, again) in [(1, true), (2, true), (3, true), (4, false), (12, false)] {
        let (mut rogue, conn) = with(1506, |config| config.session.state_after = secs(10));
        let (req, answer) = answered(&mut rogue, conn, b"answered");
        let asked = question(&mut rogue, conn);
        let info = vec![state];
        rogue.say(conn, Said::StateInfo { req: asked, info });
        let told = rogue.hear(conn);
        if again {
            assert_eq!(said(&told), [Said::result(req, b"answered")], "{state}");
            assert_eq!(content(&told), [answer]);
        } else {
            assert_eq!(said(&told), [], "{state}");
            rogue.say(conn, Said::ResendReq(vec![answer]));
            assert!(matches!(
                &rogue.hear_said(conn)[..],
                [Said::StateInfo { info, .. }] if *info == [1]
            ));
        }
    }
}

#[test]
fn a_long_message_that_did_not_come_is_announced() {
    let (mut rogue, conn) = with(1507, |config| config.session.state_after = secs(10));
    let (msg_id, answer) = answered(&mut rogue, conn, &LONG);
    let req = question(&mut rogue, conn);
    let info = vec![2];
    rogue.say(conn, Said::StateInfo { req, info });
    let announced = [Said::DetailedInfo { msg_id, answer }];
    assert_eq!(rogue.hear_said(conn), announced);
    // A client may tell by itself.
    let (ids, info) = (vec![answer, MsgId(5)], vec![1, 1]);
    rogue.say(conn, Said::AllInfo { ids, info });
    assert_eq!(rogue.hear_said(conn), announced);
    let (ids, info) = (vec![answer], vec![4]);
    rogue.say(conn, Said::AllInfo { ids, info });
    rogue.disconnect(conn);
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    assert!(matches!(rogue.hear_said(conn)[..], [Said::Pong { .. }]));
}

#[test]
fn states_that_nobody_asked_for_or_too_few_change_nothing() {
    let (mut rogue, conn) = with(1508, |config| config.session.state_after = secs(10));
    let (req, _) = answered(&mut rogue, conn, b"answered");
    let asked = question(&mut rogue, conn);
    for (of, info) in [
        (MsgId(asked.0 + 4), vec![4]),
        (asked, vec![]),
        (asked, vec![4]),
    ] {
        rogue.say(conn, Said::StateInfo { req: of, info });
        assert_eq!(rogue.hear_said(conn), []);
    }
    rogue.disconnect(conn);
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    assert_eq!(rogue.hear_said(conn)[0], Said::result(req, b"answered"));
}

#[test]
fn states_tell_of_answers() {
    let (mut rogue, conn) = settled_server(1509);
    let (kept, _) = answered(&mut rogue, conn, b"answered");
    let (done, answer) = answered(&mut rogue, conn, b"answered");
    rogue.say(conn, Said::Acks(vec![answer]));
    let running = rogue.say(conn, Said::other(b"one that takes long."));
    rogue.later(secs(1));
    rogue.hear(conn);
    rogue.reads(conn, false);
    let queued = rogue.say(conn, Said::other(b"one that is answered"));
    let calls = rogue.calls();
    rogue.respond(calls[1].0, b"answered");
    let ping = rogue.say(conn, Said::Ping(1));
    let ids = vec![kept, done, running, queued, ping];
    let req = rogue.say(conn, Said::StateReq(ids));
    rogue.reads(conn, true);
    let (acked, call, there) = (8, 32, 64);
    let info = vec![
        4 | call | there | acked,
        4,
        4 | call | acked,
        4 | call | there,
        4,
    ];
    let told = rogue.hear_said(conn);
    assert!(told.contains(&Said::StateInfo { req, info }), "{told:?}");
}

#[test]
fn of_messages_that_cannot_be_sent_again_the_states_are_told() {
    let (mut rogue, conn) = settled_server(1510);
    let (req, answer) = answered(&mut rogue, conn, b"answered");
    let forgotten = MsgId(answer.0 - 4);
    let asked = rogue.say(conn, Said::ResendReq(vec![answer, forgotten, req]));
    let told = rogue.hear_said(conn);
    assert_eq!(
        told,
        [
            Said::result(req, b"answered"),
            Said::StateInfo {
                req: asked,
                info: vec![4, 1, 4 | 8 | 32 | 64]
            },
        ]
    );
    let asked = rogue.say(conn, Said::ResendReq(vec![answer; 8_193]));
    assert_eq!(rogue.hear_said(conn), [], "{asked}: too many");
}

#[test]
fn answers_are_sent_again_when_they_are_asked_for_by_their_questions() {
    let (mut rogue, conn) = settled_server(1516);
    let (req, answer) = answered(&mut rogue, conn, b"answered");
    rogue.say(conn, Said::ResendAnsReq(vec![req]));
    let again = rogue.hear(conn);
    assert_eq!(said(&again), [Said::result(req, b"answered")]);
    assert_eq!(content(&again), [answer], "under its id");

    // Of a call that runs and an answer that was acknowledged the states are told; no question is
    // an answer's own id.
    let running = rogue.say(conn, Said::other(b"one that takes long."));
    rogue.say(conn, Said::Acks(vec![answer]));
    for (id, state) in [(running, 4 | 32), (req, 4), (answer, 1)] {
        let asked = rogue.say(conn, Said::ResendAnsReq(vec![id]));
        let told = rogue.hear_said(conn);
        let states = told.iter().find_map(|said| match said {
            Said::StateInfo { req, info } if *req == asked => Some(info[..].to_vec()),
            _ => None,
        });
        assert_eq!(states.map(|info| info[0] & !8), Some(state), "{told:?}");
        assert!(!told.contains(&Said::result(req, b"answered")), "{told:?}");
    }
    assert_eq!(rogue.calls().len(), 1, "a question is no call");
}

#[test]
fn an_answer_that_was_sent_and_not_acknowledged_can_be_dropped() {
    let (mut rogue, conn) = settled_server(1511);
    let (dropped, answer) = answered(&mut rogue, conn, b"answered");
    let req = rogue.say(conn, Said::DropAnswer(dropped));
    let told = rogue.hear_said(conn);
    let [Said::AnswerDropped { seq_no, bytes, .. }] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((seq_no & 1, bytes), (1, 12 + 8));
    assert_eq!(
        told,
        [Said::AnswerDropped {
            req,
            answer,
            seq_no,
            bytes
        }]
    );
    let req = rogue.say(conn, Said::DropAnswer(dropped));
    let running = false;
    assert_eq!(rogue.hear_said(conn), [Said::Dropped { req, running }]);
    rogue.disconnect(conn);
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let told = rogue.hear_said(conn);
    assert!(
        !told.contains(&Said::result(dropped, b"answered")),
        "{told:?}"
    );
}

#[test]
fn an_answer_that_waits_for_the_stream_can_be_dropped() {
    let (mut rogue, conn) = settled_server(1512);
    rogue.reads(conn, false);
    let calls = [(); 3].map(|()| rogue.say(conn, Said::other(b"the call")));
    for (id, _) in rogue.calls() {
        rogue.respond(id, b"answered");
    }
    let req = rogue.say(conn, Said::DropAnswer(calls[1]));
    rogue.reads(conn, true);
    assert_eq!(
        rogue.hear_said(conn),
        [
            Said::result(calls[0], b"answered"),
            Said::result(calls[2], b"answered"),
            Said::AnswerDropped {
                req,
                answer: MsgId(0),
                seq_no: 0,
                bytes: 12 + 8
            },
        ]
    );
}

#[test]
fn a_session_is_told_to_be_new_once_more_when_an_older_message_comes() {
    let (mut rogue, conn) = settled_server(1513);
    rogue.session.0 += 1;
    let older = rogue.plain(&Said::Ping(1));
    rogue.later(secs(1));
    let newer = rogue.plain(&Said::Ping(2));
    rogue.send(conn, &newer);
    let first = rogue.hear_said(conn);
    let Said::NewSession {
        unique_id, salt, ..
    } = first[0]
    else {
        panic!("{first:?}");
    };
    rogue.send(conn, &older);
    let created = Said::NewSession {
        first: older.msg_id,
        unique_id,
        salt,
    };
    let pong = Said::Pong {
        req: older.msg_id,
        ping_id: 1,
    };
    assert_eq!(rogue.hear_said(conn), [created, pong], "the same event");
    rogue.say(conn, Said::Ping(3));
    assert!(matches!(rogue.hear_said(conn)[..], [Said::Pong { .. }]));
}

#[test]
fn all_sessions_together_keep_no_more_than_the_bound() {
    let (mut rogue, conn) = with(1514, |config| config.max_unacked_bytes = 10_000);
    let first = rogue.session;
    let mut kept = Vec::new();
    for session in 0..4 {
        rogue.session.0 = first.0 + session;
        rogue.say(conn, Said::Ping(1));
        rogue.hear(conn);
        for _ in 0..=session {
            assert!(rogue.push(&LONG[..2_000]));
            kept.extend(content(&rogue.hear(conn)).iter().map(|id| (session, *id)));
        }
    }
    // Ten of 2,000 bytes are too many, and the session that has most gives.
    let mut known = [0; 4];
    for (session, id) in kept {
        rogue.session.0 = first.0 + session;
        rogue.say(conn, Said::ResendReq(vec![id]));
        let told = rogue.hear_said(conn);
        known[session as usize] += usize::from(told.contains(&Said::other(&LONG[..2_000])));
    }
    assert_eq!(known.iter().sum::<usize>(), 4, "{known:?}");
    assert!(known.iter().all(|n| *n == 1), "{known:?}");
}

#[test]
fn a_session_that_waits_without_a_stream_is_bounded_too() {
    let (mut rogue, conn) = with(1515, |config| config.max_unacked_bytes = 11_500);
    let calls = [(); 10].map(|()| rogue.say(conn, Said::other(b"the call")));
    let ids = rogue.calls();
    rogue.disconnect(conn);
    for (id, _) in ids {
        assert!(rogue.respond(id, &LONG[..1_600]));
    }
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let told = rogue.hear_said(conn);
    let results: Vec<_> = told
        .iter()
        .filter_map(|said| match said {
            Said::Result { req, .. } => Some(*req),
            _ => None,
        })
        .collect();
    assert_eq!(results, calls[4..], "the newest of them");
    assert!(
        !rogue
            .events()
            .iter()
            .any(|e| matches!(e, Event::Request { .. }))
    );
}
