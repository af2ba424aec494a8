//! States of messages: asked after and told; answers that wait elsewhere.

use mtproto_proto::Fate::MaybeExecuted;
use mtproto_proto::MsgId;
use mtproto_test::rogue::Said;

use crate::support::{acked, lost, response, secs, settled};

#[test]
fn the_server_learns_which_of_its_messages_came() {
    let mut rogue = settled(501);
    let old = rogue.say(Said::other(b"update 1"));
    rogue.later(secs(5));
    let newest = rogue.say(Said::other(b"update 2"));
    rogue.hear();
    let never = MsgId(newest.0 - 4);
    let later = rogue.msg_id_moved(10);
    let req = rogue.say(Said::StateReq(vec![newest, never, later, old]));
    assert_eq!(
        rogue.hear_said()[1..],
        [Said::StateInfo {
            req,
            info: vec![4, 2, 3, 4]
        }]
    );
}

#[test]
fn after_a_broken_stream_the_server_is_asked_and_each_state_decides() {
    let mut rogue = settled(502);
    let calls: [&[u8]; 5] = [
        b"state 1.",
        b"state 2.",
        b"state 3.",
        b"state 4.",
        b"with 32+4...",
    ];
    let ids = calls.map(|call| rogue.call(call));
    let packet = rogue.hear_one();
    let req_of = |n: usize| packet.messages[n].msg_id;
    rogue.send_eof();
    let mut rogue = rogue.reconnect();

    let question = rogue.hear_one();
    assert_eq!(question.session, packet.session, "the session lives on");
    let states = Said::StateReq((0..5).map(req_of).collect());
    let req = question.id_of(&states);
    rogue.say(Said::StateInfo {
        req,
        info: vec![1, 2, 3, 4, 4 | 32],
    });

    let again = rogue.hear_one();
    assert_eq!(again.said(), [Said::other(calls[1]), Said::other(calls[2])]);
    rogue.say_all(&[
        Said::result(req_of(3), b"answer 4"),
        Said::result(req_of(4), b"answer 5"),
        Said::result(again.messages[0].msg_id, b"answer 2"),
        Said::result(again.messages[1].msg_id, b"answer 3"),
    ]);
    let mut events = rogue.news();
    events.retain(|event| !matches!(event, mtproto_proto::connection::ClientEvent::Connected));
    assert_eq!(
        events,
        [
            lost(ids[0], MaybeExecuted),
            acked(ids[3]),
            acked(ids[4]),
            response(ids[3], b"answer 4"),
            response(ids[4], b"answer 5"),
            response(ids[1], b"answer 2"),
            response(ids[2], b"answer 3"),
        ]
    );
}

#[test]
fn states_of_the_wrong_number_or_of_no_question_change_nothing() {
    let mut rogue = settled(503);
    let id = rogue.call(b"the call");
    let call = rogue.hear_one().msg_id;
    rogue.send_eof();
    let mut rogue = rogue.reconnect();
    let req = rogue.hear_one().id_of(&Said::StateReq(vec![call]));
    for said in [
        Said::StateInfo {
            req,
            info: vec![2, 2],
        },
        Said::StateInfo {
            req,
            info: Vec::new(),
        },
        Said::StateInfo {
            req: call,
            info: vec![2],
        },
        Said::StateInfo {
            req: MsgId(8),
            info: vec![2],
        },
        Said::AllInfo {
            ids: vec![call, call],
            info: vec![2],
        },
        // Of messages that are not ours.
        Said::AllInfo {
            ids: vec![MsgId(16), MsgId(i64::MIN)],
            info: vec![2, 1],
        },
    ] {
        rogue.say(said);
    }
    assert_eq!(rogue.hear(), []);
    rogue.say(Said::result(call, b"answered"));
    assert_eq!(rogue.news().last(), Some(&response(id, b"answered")));
}

#[test]
fn volunteered_states_are_taken() {
    let mut rogue = settled(504);
    let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
    let packet = rogue.hear_one();
    rogue.say(Said::AllInfo {
        ids: packet.messages.iter().map(|m| m.msg_id).collect(),
        info: vec![4, 2],
    });
    assert_eq!(rogue.news(), [acked(ids[0])]);
    assert_eq!(rogue.hear_said(), [Said::other(b"call two")]);
}

#[test]
fn a_server_that_denies_what_it_had_acknowledged_is_not_believed() {
    let mut rogue = settled(505);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::Acks(vec![req]));
    rogue.say(Said::AllInfo {
        ids: vec![req],
        info: vec![2],
    });
    assert_eq!(rogue.news(), [acked(id), lost(id, MaybeExecuted)]);
    assert_eq!(rogue.hear(), []);
}

#[test]
fn an_answer_that_is_only_described_is_asked_for() {
    let mut rogue = settled(506);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    let answer = rogue.item(&Said::result(req, b"answered"));
    rogue.say(Said::DetailedInfo {
        msg_id: req,
        answer: answer.msg_id,
    });
    assert_eq!(rogue.hear_said(), [Said::ResendReq(vec![answer.msg_id])]);
    assert_eq!(rogue.news(), [acked(id)]);

    rogue.send_container(std::slice::from_ref(&answer));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
    // Described again: what came is acknowledged.
    rogue.later(secs(30));
    rogue.hear();
    rogue.say(Said::DetailedInfo {
        msg_id: req,
        answer: answer.msg_id,
    });
    rogue.later(secs(30));
    assert_eq!(rogue.hear_said()[..1], [Said::Acks(vec![answer.msg_id])]);
}

#[test]
fn an_update_that_is_only_described_is_asked_for() {
    let mut rogue = settled(507);
    let update = rogue.item(&Said::other(b"update 1"));
    rogue.say(Said::NewDetailedInfo {
        answer: update.msg_id,
    });
    assert_eq!(rogue.hear_said(), [Said::ResendReq(vec![update.msg_id])]);
    rogue.send_container(&[update]);
    assert_eq!(rogue.news(), [crate::support::update(b"update 1")]);
}

#[test]
fn the_servers_pings_are_answered() {
    let mut rogue = settled(508);
    let req = rogue.say(Said::Ping(77));
    assert_eq!(rogue.hear_said(), [Said::Pong { req, ping_id: 77 }]);
}
