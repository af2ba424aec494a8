//! Answers: results, errors, bare answers, answers that do not come or come in odd ways.

use mtproto_proto::Fate::{MaybeExecuted, NotReceived, NotSent};
use mtproto_proto::connection::ClientEvent;
use mtproto_proto::session::SendOptions;
use mtproto_proto::{MsgId, RequestError, RpcError};
use mtproto_schema::mtproto::enums::DestroyAuthKeyRes;
use mtproto_schema::mtproto::functions::{DestroyAuthKey, DestroySession, GetFutureSalts, Ping};
use mtproto_schema::{Encode, tl};
use mtproto_test::rogue::Said;
use mtproto_test::tamper::{gzip, gzip_packed};

use crate::support::{acked, failed, lost, response, rpc_error, secs, settled};

/// R1: a client that takes `new_session_created` for a lost request runs it twice.
#[test]
fn r1_a_new_session_and_the_answer_in_one_container_are_one_answer() {
    let mut rogue = settled(401);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    rogue.say_all(&[
        Said::NewSession {
            first: req,
            unique_id: 5,
            salt: rogue.salt,
        },
        Said::result(req, b"answered"),
    ]);
    assert_eq!(
        rogue.news(),
        [
            ClientEvent::SessionRenewed {
                first_msg_id: req,
                unique_id: 5
            },
            response(id, b"answered"),
        ]
    );
    rogue.later(secs(30));
    assert!(
        rogue
            .hear_said()
            .iter()
            .all(|said| matches!(said, Said::Acks(_) | Said::PingDelay { .. })),
        "nothing is sent again"
    );
}

#[test]
fn a_new_session_whose_first_message_is_a_container_covers_its_members() {
    let mut rogue = settled(402);
    let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
    let packet = rogue.hear_one();
    for first in [packet.msg_id, packet.messages[1].msg_id] {
        rogue.say(Said::NewSession {
            first,
            unique_id: first.0,
            salt: rogue.salt,
        });
    }
    assert_eq!(rogue.hear(), [], "nothing is sent again");
    for message in &packet.messages {
        rogue.say(Said::result(message.msg_id, b"answered"));
    }
    let mut events = rogue.news();
    events.retain(|event| !matches!(event, ClientEvent::SessionRenewed { .. }));
    assert_eq!(events, ids.map(|id| response(id, b"answered")));
}

#[test]
fn what_a_new_session_does_not_know_is_sent_again_if_it_may_be_executed_twice() {
    let mut rogue = settled(403);
    let once = rogue.call(b"only one");
    rogue.hear();
    let twice = rogue.call_idempotent(b"ask me again");
    rogue.hear();
    let third = rogue.call(b"call 3..");
    let first = rogue.hear_one().msg_id;
    let said = Said::NewSession {
        first,
        unique_id: 6,
        salt: rogue.salt,
    };
    rogue.say(said.clone());
    // The same event again, as a server does that was not acknowledged.
    rogue.say(said);

    let again = rogue.hear_one();

    assert_eq!(again.messages.last().unwrap().body, b"ask me again"[..]);
    rogue.say(Said::result(first, b"answer 3"));
    rogue.say(Said::result(
        again.messages.last().unwrap().msg_id,
        b"answer 2",
    ));
    assert_eq!(
        rogue.news(),
        [
            lost(once, MaybeExecuted),
            ClientEvent::SessionRenewed {
                first_msg_id: first,
                unique_id: 6
            },
            response(third, b"answer 3"),
            response(twice, b"answer 2"),
        ]
    );
}

#[test]
fn an_answer_comes_once_whatever_the_server_repeats() {
    let mut rogue = settled(404);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    for _ in 0..3 {
        rogue.say(Said::result(req, b"answered"));
        rogue.say(Said::error(req, 400, "NO"));
    }
    assert_eq!(rogue.news(), [response(id, b"answered")]);
}

#[test]
fn an_rpc_error_is_typed_and_an_odd_one_is_500() {
    let long = "X".repeat(5_000);
    for (code, message, expected) in [
        (420, "FLOOD_WAIT_7", (420, "FLOOD_WAIT_7")),
        (-503, "Timeout", (-503, "Timeout")),
        (9_999, "EDGE", (9_999, "EDGE")),
        (0, "ZERO", (500, "ZERO")),
        (10_000, "BEYOND", (500, "BEYOND")),
        (i32::MIN, "BEYOND", (500, "BEYOND")),
        (400, long.as_str(), (400, &long[..512])),
    ] {
        let mut rogue = settled(405);
        let id = rogue.call(b"the call");
        let req = rogue.hear_one().msg_id;
        rogue.say(Said::error(req, code, message));
        assert_eq!(rogue.news(), [rpc_error(id, expected.0, expected.1)]);
    }
}

#[test]
fn an_rpc_error_whose_text_is_no_text_or_is_cut_off_is_500() {
    let text = |bytes: &[u8]| {
        let mut out = Vec::new();
        tl::put_u32(&mut out, 0x2144_ca19);
        tl::put_i32(&mut out, 400);
        tl::put_bytes(&mut out, bytes);
        out
    };
    let whole = text(b"CUT_OFF_1");
    for (body, message) in [
        (text(b"\xff\xfe"), "\u{fffd}\u{fffd}"),
        (whole[..12].to_vec(), ""),
        (whole[..8].to_vec(), ""),
        (whole[..4].to_vec(), ""),
    ] {
        let mut rogue = settled(406);
        let id = rogue.call(b"the call");
        let req = rogue.hear_one().msg_id;
        rogue.say(Said::result(req, &body));
        assert_eq!(rogue.news(), [rpc_error(id, 500, message)]);
    }
}

#[test]
fn pings_and_other_bare_answers_are_matched_by_the_message_they_name() {
    let mut rogue = settled(407);
    let ping = rogue.call(&Ping { ping_id: 11 }.to_bytes());
    let salts = rogue.call(&GetFutureSalts { num: 2 }.to_bytes());
    let packet = rogue.hear_one();
    assert_eq!(packet.said(), [Said::Ping(11), Said::GetFutureSalts(2)]);
    let future = rogue.future_salts(packet.messages[1].msg_id);
    let pong = Said::Pong {
        req: packet.messages[0].msg_id,
        ping_id: 11,
    };
    rogue.say_all(&[future.clone(), pong.clone()]);
    assert_eq!(
        rogue.news(),
        [
            response(salts, &future.to_bytes()),
            response(ping, &pong.to_bytes())
        ]
    );
}

#[test]
fn answers_that_name_no_message_belong_to_the_oldest_such_request() {
    let mut rogue = settled(408);
    let session = mtproto_proto::SessionId(9);
    let destroy = DestroySession {
        session_id: session.0,
    };
    let ids = [
        rogue.call(&destroy.to_bytes()),
        rogue.call(&DestroyAuthKey.to_bytes()),
    ];
    assert_eq!(
        rogue.hear_one().said(),
        [Said::DestroySession(session), Said::DestroyAuthKey]
    );
    let key = Said::KeyDestroyed(DestroyAuthKeyRes::DestroyAuthKeyOk);
    let destroyed = Said::SessionDestroyed {
        session,
        found: true,
    };
    rogue.say(key.clone());
    rogue.say(destroyed.clone());
    rogue.say(destroyed.clone());
    assert_eq!(
        rogue.news(),
        [
            response(ids[1], &key.to_bytes()),
            response(ids[0], &destroyed.to_bytes())
        ]
    );
    assert_eq!(rogue.client.stats().unknown_answers, 1);
}

#[test]
fn such_an_answer_inside_rpc_result_is_taken_too() {
    let mut rogue = settled(409);
    let id = rogue.call(&DestroyAuthKey.to_bytes());
    let req = rogue.hear_one().msg_id;
    let body = DestroyAuthKeyRes::DestroyAuthKeyNone.to_bytes();
    rogue.say(Said::result(req, &body));
    assert_eq!(rogue.news(), [response(id, &body)]);
}

#[test]
fn a_deadline_ends_the_request_and_drops_its_answer() {
    let mut rogue = settled(410);
    rogue.answers_pings(true);
    let id = rogue.call_with(b"the call", &SendOptions::default().deadline(secs(12)));
    let req = rogue.hear_one().msg_id;
    rogue.later(secs(11));
    assert_eq!(rogue.news(), []);
    rogue.hear();
    rogue.later(secs(1));

    assert_eq!(
        rogue.news(),
        [failed(id, RequestError::TimedOut(MaybeExecuted))]
    );
    let drop = rogue.hear_one();
    assert_eq!(drop.said(), [Said::DropAnswer(req)]);
    // Both answers that a server gives to this are expected.
    rogue.say_all(&[
        Said::Dropped { req, running: true },
        Said::Dropped {
            req: drop.msg_id,
            running: true,
        },
    ]);
    rogue.say(Said::result(req, b"too late"));
    assert_eq!(rogue.news(), []);
}

#[test]
fn what_was_not_written_when_its_deadline_passes_was_not_sent() {
    let mut rogue = settled(411);
    rogue.reads(false);
    let id = rogue.call_with(b"the call", &SendOptions::default().deadline(secs(12)));
    rogue.later(secs(12));
    assert_eq!(rogue.news(), [failed(id, RequestError::TimedOut(NotSent))]);
    rogue.reads(true);
    assert_eq!(rogue.hear(), []);
}

#[test]
fn a_cancelled_request_tells_its_fate() {
    let mut rogue = settled(412);
    let queued = rogue.call(b"call one");
    rogue.cancel(queued);
    assert_eq!(rogue.hear(), [], "what was not sent needs no dropping");
    let written = rogue.call(b"call two");
    let req = rogue.hear_one().msg_id;
    rogue.cancel(written);
    rogue.cancel(written);
    let refused = rogue.call(b"call 3..");
    let packet = rogue.hear_one();
    assert_eq!(
        packet.said(),
        [Said::DropAnswer(req), Said::other(b"call 3..")]
    );
    rogue.reads(false);
    rogue.say(Said::bad_msg(packet.messages[1].msg_id, 16));
    rogue.cancel(refused);
    rogue.reads(true);

    assert_eq!(
        rogue.news(),
        [
            failed(queued, RequestError::Cancelled(NotSent)),
            failed(written, RequestError::Cancelled(MaybeExecuted)),
            failed(refused, RequestError::Cancelled(NotReceived)),
        ]
    );
    assert_eq!(rogue.hear(), []);
}

#[test]
fn an_answer_and_a_cancellation_at_once_end_the_request_once() {
    let mut rogue = settled(413);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::result(req, b"answered"));
    rogue.cancel(id);
    assert_eq!(rogue.news(), [response(id, b"answered")]);
    assert_eq!(rogue.hear(), []);
}

#[test]
fn the_server_says_that_it_has_the_request() {
    let mut rogue = settled(414);
    let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
    let packet = rogue.hear_one();
    // The container, and then a member again.
    rogue.say(Said::Acks(vec![packet.msg_id]));
    rogue.say(Said::Acks(vec![packet.messages[0].msg_id, MsgId(4)]));
    assert_eq!(rogue.news(), ids.map(acked));
}

#[test]
fn an_answer_that_cannot_be_inflated_is_not_waited_for() {
    let bomb = gzip(&vec![0; 20 << 20]);
    for packed in [&b"no gzip at all"[..], &bomb] {
        let mut rogue = settled(415);
        let id = rogue.call(b"the call");
        let req = rogue.hear_one().msg_id;
        rogue.say(Said::result(req, &gzip_packed(packed)));
        assert_eq!(rogue.news(), [failed(id, RequestError::BadAnswer)]);
    }
}

#[test]
fn a_compressed_error_is_an_error() {
    let mut rogue = settled(416);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    let mut error = Vec::new();
    tl::put_u32(&mut error, 0x2144_ca19);
    tl::put_i32(&mut error, 404);
    tl::put_bytes(&mut error, b"NOT_FOUND");
    rogue.say(Said::result(req, &gzip_packed(&gzip(&error))));
    let error = RpcError {
        code: 404,
        message: "NOT_FOUND".into(),
    };
    assert_eq!(rogue.news(), [failed(id, RequestError::Rpc(error))]);
}
