//! Streams that end, and what goes on over the next one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "common/both.rs"]
mod both;
#[path = "session/support.rs"]
mod support;

use mtproto_proto::Fate::{MaybeExecuted, NotReceived, NotSent};
use mtproto_proto::connection::{ClientEvent, Error};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{RequestError, SendError};
use mtproto_test::rogue::Said;

use both::{Both, Owner, client_config, server_config};
use support::{acked, failed, lost, response, secs, settled, update};

/// The end of a stream, and the next one.
fn next_stream(mut rogue: mtproto_test::rogue::RogueServer) -> mtproto_test::rogue::RogueServer {
    rogue.send_eof();
    assert_eq!(rogue.error(), Some(&Error::Eof));
    rogue.reconnect()
}

#[test]
fn what_waits_leaves_on_the_next_stream_under_the_same_session_and_request_id() {
    let mut rogue = settled(3001);
    rogue.reads(false);
    let id = rogue.call(b"the call");
    let session = rogue.session();
    let mut rogue = next_stream(rogue);
    rogue.reads(true);
    let packet = rogue.hear_one();
    // The kit checks that ids and numbers go on where they were.
    assert_eq!(packet.session, session);
    let req = packet.id_of(&Said::other(b"the call"));
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(
        rogue.news(),
        [ClientEvent::Connected, response(id, b"answered")]
    );
}

#[test]
fn what_was_written_is_asked_for_or_sent_again_if_that_is_harmless() {
    let mut rogue = settled(3002);
    let once = rogue.call(b"only one");
    let twice = rogue.call_idempotent(b"ask me again");
    let first = rogue.hear_one();
    let mut rogue = next_stream(rogue);

    let packet = rogue.hear_one();

    let said = packet.said();
    assert!(
        matches!(
            &said[..],
            [Said::StateReq(asked), Said::Other(again), Said::PingDelay { .. }]
                if asked[..] == [first.messages[0].msg_id] && again[..] == b"ask me again"[..]
        ),
        "{said:?}"
    );
    // The first sending of what was sent again is not awaited any more.
    rogue.say(Said::result(first.messages[1].msg_id, b"too late"));
    rogue.say(Said::result(packet.messages[1].msg_id, b"answer 2"));
    rogue.say(Said::result(first.messages[0].msg_id, b"answer 1"));
    assert_eq!(
        rogue.news(),
        [
            ClientEvent::Connected,
            response(twice, b"answer 2"),
            response(once, b"answer 1")
        ]
    );
}

#[test]
fn r7_requests_in_flight_have_typed_fates_when_nobody_resumes() {
    let mut rogue = settled(3003);
    let written = rogue.call(b"written.");
    let refused = rogue.call(b"refused.");
    let packet = rogue.hear_one();
    rogue.reads(false);
    rogue.say(Said::bad_msg(packet.messages[1].msg_id, 16));
    let queued = rogue.call(b"queued..");
    rogue.send_eof();
    assert_eq!(rogue.news(), [], "they may still be resumed");

    let mut failures = rogue.client.suspend().into_failures();
    failures.sort_by_key(|(id, _)| *id);
    assert_eq!(
        failures,
        [
            (written, RequestError::Lost(MaybeExecuted)),
            (refused, RequestError::Lost(NotReceived)),
            (queued, RequestError::Lost(NotSent)),
        ]
    );
}

#[test]
fn a_stream_over_which_nothing_was_heard_costs_no_retry() {
    let mut rogue = settled(3031);
    let id = rogue.call_idempotent(b"ask me again");
    rogue.hear();
    // The first one was heard, all others lead nowhere: more of them than there are retries.
    for _ in 0..50 {
        rogue = next_stream(rogue);
        rogue.hear();
    }
    let mut rogue = next_stream(rogue);
    let question = rogue.hear_one();
    let Said::StateReq(asked) = question.messages[0].said() else {
        panic!("{question:?}");
    };
    let req = question.messages[0].msg_id;
    rogue.say(Said::StateInfo { req, info: vec![2] });
    let again = rogue.hear_one();
    assert_eq!(again.said(), [Said::other(b"ask me again")]);
    assert_eq!(asked, [again.messages[0].msg_id]);
    rogue.say(Said::result(asked[0], b"at last."));
    assert_eq!(
        rogue.news(),
        [ClientEvent::Connected, response(id, b"at last.")]
    );
}

#[test]
fn an_idempotent_request_that_waits_to_be_sent_again_may_have_been_executed() {
    let mut rogue = settled(3004);
    let id = rogue.call_idempotent(b"ask me again");
    rogue.hear();
    rogue.reads(false);
    let mut rogue = next_stream(rogue);
    rogue.cancel(id);
    assert_eq!(
        rogue.news(),
        [failed(id, RequestError::Cancelled(MaybeExecuted))]
    );
}

#[test]
fn acknowledgements_and_cancellations_wait_for_the_next_stream() {
    let mut rogue = settled(3005);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    let update_id = rogue.say(Said::other(b"update 1"));
    rogue.reads(false);
    rogue.cancel(id);
    let mut rogue = next_stream(rogue);
    rogue.reads(true);
    let said = rogue.hear_one().said();
    assert_eq!(said[0], Said::Acks(vec![update_id]));
    assert_eq!(said[1], Said::DropAnswer(req));
    assert_eq!(
        rogue.news(),
        [
            update(b"update 1"),
            failed(id, RequestError::Cancelled(MaybeExecuted))
        ]
    );
}

#[test]
fn a_deadline_that_passed_between_two_streams_ends_the_request() {
    let mut rogue = settled(3006);
    let id = rogue.call_with(b"the call", &SendOptions::default().deadline(secs(30)));
    rogue.hear();
    rogue.send_eof();
    rogue.later(secs(100));
    let mut rogue = rogue.reconnect();
    rogue.later(secs(0));
    assert_eq!(
        rogue.news(),
        [failed(id, RequestError::TimedOut(MaybeExecuted))]
    );
}

#[test]
fn a_stream_that_ended_takes_no_requests() {
    let mut rogue = settled(3007);
    rogue.send_eof();
    let options = SendOptions::default();
    let sent = rogue
        .client
        .send(rogue.now(), b"the call"[..].into(), &options);
    assert_eq!(sent, Err(SendError::Ended));
}

/// The server knows messages by their session: asked about one of another session it says that it
/// does not have it, and it would be executed a second time.
#[test]
fn what_was_written_in_a_session_that_was_replaced_is_not_asked_for_in_the_next() {
    let mut rogue = settled(3008);
    let once = rogue.call(b"only one");
    rogue.hear();
    let twice = rogue.call_idempotent(b"ask me again");
    rogue.hear();
    let third = rogue.call(b"is refused..");
    let refused = rogue.hear_one();
    rogue.say(Said::bad_msg(refused.msg_id, 32));
    let again = rogue.hear_one();
    assert_ne!(again.session, refused.session);
    assert_eq!(again.said(), [Said::other(b"is refused..")]);

    let mut rogue = next_stream(rogue);

    let packet = rogue.hear_one();
    assert_eq!(packet.session, again.session);
    let said = packet.said();
    assert!(
        matches!(
            &said[..],
            [Said::StateReq(asked), Said::Other(_), Said::PingDelay { .. }]
                if asked[..] == [again.msg_id]
        ),
        "{said:?}"
    );
    rogue.say(Said::result(again.msg_id, b"answer 3"));
    rogue.say(Said::result(
        packet.id_of(&Said::other(b"ask me again")),
        b"answer 2",
    ));
    assert_eq!(
        rogue.news(),
        [
            lost(once, MaybeExecuted),
            ClientEvent::Connected,
            response(third, b"answer 3"),
            response(twice, b"answer 2"),
        ]
    );
}

#[test]
fn late_answers_of_a_replaced_session_are_taken_while_the_stream_lives() {
    let mut rogue = settled(3009);
    let slow = rogue.call(b"slow one");
    let slow_req = rogue.hear_one().msg_id;
    let late = rogue.plain(&Said::result(slow_req, b"answer 1"));
    rogue.call(b"is refused..");
    let refused = rogue.hear_one();
    rogue.say(Said::bad_msg(refused.msg_id, 32));
    let again = rogue.hear_one();
    // The new session is announced; it says nothing of the former one's requests.
    rogue.say(Said::NewSession {
        first: again.msg_id,
        unique_id: 1,
        salt: rogue.salt,
    });
    rogue.send(&late);
    let events = rogue.news();
    assert_eq!(events.last(), Some(&response(slow, b"answer 1")));
    assert!(!events.contains(&lost(slow, MaybeExecuted)));
    assert_eq!(rogue.error(), None);
}

#[test]
fn an_update_is_not_delivered_twice_over_two_streams() {
    let mut rogue = settled(3010);
    let item = rogue.item(&Said::other(b"update 1"));
    rogue.send_container(std::slice::from_ref(&item));
    assert_eq!(rogue.news(), [update(b"update 1")]);
    // Its acknowledgement is lost with the stream; the server sends it again.
    let mut rogue = next_stream(rogue);
    rogue.hear();
    rogue.send_container(&[item]);
    assert_eq!(rogue.news(), [ClientEvent::Connected]);
}

#[test]
fn five_broken_streams_in_a_row_cost_an_idempotent_request_its_budget_and_no_more() {
    let mut rogue = settled(3011);
    let id = rogue.call_idempotent(b"ask me again");
    let mut sent = 0;
    for _ in 0..10 {
        sent += rogue
            .hear_said()
            .iter()
            .filter(|said| matches!(said, Said::Other(_)))
            .count();
        // A stream over which nothing is heard costs nothing.
        rogue.say(Said::other(b"alive..."));
        assert_eq!(rogue.news().last(), Some(&update(b"alive...")));
        if sent == 6 {
            break;
        }
        rogue = next_stream(rogue);
    }
    assert_eq!(sent, 6, "once, and five times again");
    let mut rogue = next_stream(rogue);
    assert_eq!(rogue.news(), [lost(id, MaybeExecuted)]);
}

#[test]
fn an_acked_request_is_not_sent_again_whatever_the_server_says_later() {
    let mut rogue = settled(3012);
    let id = rogue.call(b"only one");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::Acks(vec![req]));
    assert_eq!(rogue.news(), [acked(id)]);
    let mut rogue = next_stream(rogue);
    let question = rogue.hear_one();
    let asked = question.id_of(&Said::StateReq(vec![req]));
    rogue.say(Said::StateInfo {
        req: asked,
        info: vec![3],
    });
    assert_eq!(rogue.hear(), []);
    assert_eq!(
        rogue.news(),
        [ClientEvent::Connected, lost(id, MaybeExecuted)]
    );
}

#[test]
fn what_the_server_said_that_it_had_is_asked_for_even_if_it_may_run_twice() {
    let mut rogue = settled(3019);
    let id = rogue.call_idempotent(b"ask me again");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::Acks(vec![req]));
    let mut rogue = next_stream(rogue);
    let question = rogue.hear_one();
    let asked = question.id_of(&Said::StateReq(vec![req]));
    assert!(!question.said().contains(&Said::other(b"ask me again")));
    // It lost it after all.
    rogue.say(Said::StateInfo {
        req: asked,
        info: vec![1],
    });
    let again = rogue.hear_one();
    assert_eq!(again.said(), [Said::other(b"ask me again")]);
    rogue.say(Said::result(again.msg_id, b"answered"));
    assert_eq!(
        rogue.news(),
        [acked(id), ClientEvent::Connected, response(id, b"answered")]
    );
}

#[test]
fn an_answer_that_was_lost_with_its_stream_comes_over_the_next_one_and_the_call_runs_once() {
    let mut both = Both::new(client_config(), server_config(), 3013);
    both.run(secs(5));
    let id = both.call(b"only one");
    // The call arrives, its answer does not.
    both.pair.server_to_client.vanish_after(0);
    both.run(secs(2));
    assert_eq!(both.executed.len(), 1);
    both.pair.client_to_server.cut_after(0);
    both.run(secs(40));
    assert!(both.client_error().is_some());
    let mut both = both.reconnect();
    assert_eq!(both.end_of(id, secs(10)), response(id, b"only one"));
    assert_eq!(both.executed.len(), 1);
}

#[test]
fn a_server_that_forgot_its_sessions_runs_nothing_twice() {
    let mut both = Both::new(client_config(), server_config(), 3014);
    both.run(secs(5));
    both.owner = Owner::IsSilent;
    let once = both.call(b"only one");
    let twice = both.call_with(b"ask me again", &SendOptions::default().idempotent());
    both.run(secs(1));
    both.pair.server_to_client.cut_after(0);
    both.run(secs(1));
    both.owner = Owner::Echoes;
    let mut both = both.restart_server(server_config());
    assert_eq!(both.end_of(once, secs(10)), lost(once, MaybeExecuted));
    assert_eq!(
        both.end_of(twice, secs(10)),
        response(twice, b"ask me again")
    );
    let runs = |body: &[u8]| {
        both.executed
            .iter()
            .filter(|call| call.body[..] == *body)
            .count()
    };
    assert_eq!((runs(b"only one"), runs(b"ask me again")), (1, 2));
    assert!(
        both.events
            .iter()
            .any(|event| matches!(event, ClientEvent::SessionRenewed { .. })),
        "updates may have been missed: {:?}",
        both.events
    );
}

#[test]
fn requests_made_before_there_is_a_key_outlive_streams_that_break_in_the_handshake() {
    let mut both = Both::new(client_config(), server_config(), 3015);
    let id = both.call(b"the call");
    for at in [10, 100, 700] {
        both.pair.server_to_client.cut_after(at);
        both.run(secs(1));
        assert_eq!(both.client_error(), Some(&Error::Eof), "{at}");
        both = both.reconnect();
    }
    assert_eq!(both.end_of(id, secs(10)), response(id, b"the call"));
    assert_eq!(both.keys.len(), 1);
}

#[test]
fn a_stored_key_begins_a_new_session_and_a_resumed_one_does_not() {
    use mtproto_proto::connection::KeyState;
    use mtproto_test::rogue::RogueServer;

    let rogue = settled(3016);
    let session = rogue.session();
    let stored = rogue.client.key_state().unwrap().to_bytes();
    let now = rogue.now();
    let mut resumed = next_stream(rogue);
    assert_eq!(resumed.hear_one().session, session);
    let mut restarted = RogueServer::with_key(
        support::config(),
        KeyState::from_bytes(&stored).unwrap(),
        now,
        mtproto_test::Seed::from_env_or(3017),
    );
    assert_ne!(restarted.hear_one().session, session);
}

#[test]
fn closing_writes_what_waits_and_then_ends() {
    let mut rogue = settled(3018);
    let seen = rogue.say(Said::other(b"update 1"));
    let id = rogue.call(b"the call");
    rogue.client.close();
    assert!(!rogue.client.is_drained());
    let packet = rogue.hear_one();
    assert_eq!(
        packet.said(),
        [Said::Acks(vec![seen]), Said::other(b"the call")]
    );
    assert!(rogue.client.is_drained());
    let options = SendOptions::default();
    let sent = rogue
        .client
        .send(rogue.now(), b"another."[..].into(), &options);
    assert_eq!(sent, Err(SendError::Ended));
    // An answer that still comes is taken.
    rogue.say(Said::result(packet.messages[1].msg_id, b"answered"));
    assert_eq!(
        rogue.news(),
        [update(b"update 1"), response(id, b"answered")]
    );
    rogue.send_eof();
    assert_eq!(rogue.error(), Some(&Error::Closed));
}
