//! Order between requests: `invokeAfterMsg`, what is held back, what fails with what.

use mtproto_proto::Fate::{MaybeExecuted, NotReceived, NotSent};
use mtproto_proto::connection::{ClientEvent, InitParams};
use mtproto_proto::session::{MAX_AFTER, MAX_BODY, SendOptions};
use mtproto_proto::{MsgId, Progress, RequestError, RequestId, SendError};
use mtproto_schema::Encode;
use mtproto_schema::api::functions::{InvokeAfterMsg, InvokeAfterMsgs};
use mtproto_schema::mtproto::functions::Ping;
use mtproto_schema::{Decode, Raw};
use mtproto_test::Seed;
use mtproto_test::rogue::{Message, Packet, RogueServer, Said};

use crate::both::{Both, client_config, server_config};
use crate::support::{acked, config, failed, lost, response, rpc_error, secs, settled};

fn after(ids: &[RequestId]) -> SendOptions {
    let options = SendOptions::default();
    ids.iter().fold(options, |options, id| options.after(*id))
}

/// What a message is to be executed after, and what it says. Reads with the generated types, so that
/// the wrappers are what the schema says.
fn wrapped(message: &Message) -> (Vec<MsgId>, Vec<u8>) {
    if let Ok(one) = InvokeAfterMsg::<Raw>::from_bytes(&message.body) {
        return (vec![MsgId(one.msg_id)], one.query.0.to_vec());
    }
    if let Ok(many) = InvokeAfterMsgs::<Raw>::from_bytes(&message.body) {
        let ids = many.msg_ids.into_iter().map(MsgId).collect();
        return (ids, many.query.0.to_vec());
    }
    (Vec::new(), message.body.to_vec())
}

/// The messages of all packets that are calls.
fn calls(packets: &[Packet]) -> Vec<Message> {
    packets
        .iter()
        .flat_map(|packet| &packet.messages)
        .filter(|message| matches!(message.said(), Said::Other(_)))
        .cloned()
        .collect()
}

fn dependency_failed(id: RequestId, dependency: RequestId) -> ClientEvent {
    failed(id, RequestError::DependencyFailed(dependency))
}

#[test]
fn a_request_travels_with_what_it_comes_after_and_names_it() {
    let mut rogue = settled(901);
    let first = rogue.call(b"call one");
    let second = rogue.call_with(b"call two", &after(&[first]));
    let third = rogue.call_with(b"call 3..", &after(&[first, second, first]));
    let packet = rogue.hear_one();

    let ids: Vec<_> = packet.messages.iter().map(|m| m.msg_id).collect();
    assert_eq!(
        packet.messages.iter().map(wrapped).collect::<Vec<_>>(),
        [
            (vec![], b"call one".to_vec()),
            (vec![ids[0]], b"call two".to_vec()),
            (vec![ids[0], ids[1]], b"call 3..".to_vec()),
        ]
    );
    for (id, req) in [first, second, third].into_iter().zip(ids) {
        rogue.say(Said::result(req, b"answered"));
        assert_eq!(rogue.news(), [response(id, b"answered")]);
    }
}

#[test]
fn what_was_written_before_is_named_and_what_was_answered_is_not() {
    let mut rogue = settled(902);
    let first = rogue.call(b"call one");
    let req = rogue.hear_one().msg_id;
    rogue.call_with(b"call two", &after(&[first]));
    assert_eq!(
        wrapped(&rogue.hear_one().messages[0]),
        (vec![req], b"call two".to_vec())
    );
    rogue.reads(false);
    rogue.call_with(b"call 3..", &after(&[first]));
    rogue.say(Said::result(req, b"answered"));
    rogue.reads(true);
    assert_eq!(
        wrapped(&calls(&rogue.hear())[0]),
        (vec![], b"call 3..".to_vec())
    );
}

#[test]
fn requests_that_have_ended_or_never_were_hold_nothing_back() {
    let mut rogue = settled(903);
    let answered = rogue.call(b"call one");
    let refused = rogue.call(b"call two");
    let packet = rogue.hear_one();
    rogue.say(Said::result(packet.messages[0].msg_id, b"answered"));
    rogue.say(Said::error(packet.messages[1].msg_id, 400, "NO"));
    rogue.news();
    let options = after(&[answered, refused, RequestId(0), RequestId(u64::MAX)]);
    rogue.call_with(b"call 3..", &options);
    assert_eq!(
        wrapped(&calls(&rogue.hear())[0]),
        (vec![], b"call 3..".to_vec())
    );
}

#[test]
fn what_comes_after_a_failure_that_nobody_has_heard_of_fails_with_it() {
    let mut rogue = settled(921);
    rogue.reads(false);
    let first = rogue.call(b"call one");
    rogue.cancel(first);
    let second = rogue.call_with(b"call two", &after(&[first]));
    let third = rogue.call_with(b"call 3..", &after(&[second]));
    assert_eq!(
        rogue.news(),
        [
            failed(first, RequestError::Cancelled(NotSent)),
            dependency_failed(second, first),
            dependency_failed(third, second),
        ]
    );
    // Whoever names it now knows.
    rogue.call_with(b"call 4..", &after(&[first, third]));
    rogue.reads(true);
    let left: Vec<_> = calls(&rogue.hear()).iter().map(wrapped).collect();
    assert_eq!(left, [(vec![], b"call 4..".to_vec())]);
}

/// After a broken stream nobody knows whether the first one is there: what comes after it waits, the
/// rest does not.
#[test]
fn what_is_held_back_holds_up_nothing_else_and_each_state_decides() {
    for state in [1, 2, 3, 4] {
        let mut rogue = settled(904);
        let first = rogue.call(b"call one");
        let req = rogue.hear_one().msg_id;
        rogue.send_eof();
        let mut rogue = rogue.reconnect();
        let second = rogue.call_with(b"call two", &after(&[first]));
        let third = rogue.call_with(b"call 3..", &after(&[second]));
        rogue.call(b"another.");
        let question = rogue.hear_one();
        let asked = question.id_of(&Said::StateReq(vec![req]));
        assert_eq!(calls(&[question])[0].said(), Said::other(b"another."));
        assert_eq!(rogue.client.progress(third), Some(Progress::Queued));

        rogue.say(Said::StateInfo {
            req: asked,
            info: vec![state],
        });

        let mut events = rogue.news();
        events.retain(|event| *event != ClientEvent::Connected);
        let packets = rogue.hear();
        let left: Vec<_> = calls(&packets).iter().map(wrapped).collect();
        let own = |n: usize| calls(&packets)[n].msg_id;
        match state {
            1 => {
                assert_eq!(left, []);
                assert_eq!(
                    events,
                    [
                        lost(first, MaybeExecuted),
                        dependency_failed(second, first),
                        dependency_failed(third, second)
                    ]
                );
            }
            2 | 3 => {
                assert_eq!(
                    left,
                    [
                        (vec![], b"call one".to_vec()),
                        (vec![own(0)], b"call two".to_vec()),
                        (vec![own(1)], b"call 3..".to_vec()),
                    ]
                );
                assert_eq!(events, []);
            }
            _ => {
                assert_eq!(
                    left,
                    [
                        (vec![req], b"call two".to_vec()),
                        (vec![own(0)], b"call 3..".to_vec())
                    ]
                );
                assert_eq!(events, [acked(first)]);
            }
        }
    }
}

#[test]
fn whatever_ends_a_request_without_success_ends_what_waits_behind_it() {
    for cause in ["cancelled", "timed out", "an error", "no answer"] {
        let mut rogue = settled(905);
        let options = SendOptions::default().deadline(secs(3));
        let first = rogue.call_with(b"call one", &options);
        let req = rogue.hear_one().msg_id;
        rogue.reads(false);
        let second = rogue.call_with(b"call two", &after(&[first]));
        let third = rogue.call_with(b"call 3..", &after(&[second]));
        let other = rogue.call(b"another.");
        let error = match cause {
            "cancelled" => {
                rogue.cancel(first);
                RequestError::Cancelled(MaybeExecuted)
            }
            "timed out" => {
                rogue.later(secs(3));
                RequestError::TimedOut(MaybeExecuted)
            }
            "an error" => {
                rogue.say(Said::error(req, 400, "NO"));
                match rpc_error(first, 400, "NO") {
                    ClientEvent::Failed { error, .. } => error,
                    event => panic!("{event:?}"),
                }
            }
            _ => {
                let broken = mtproto_test::tamper::gzip_packed(b"no gzip!");
                rogue.say(Said::result(req, &broken));
                RequestError::BadAnswer
            }
        };
        assert_eq!(
            rogue.news(),
            [
                failed(first, error),
                dependency_failed(second, first),
                dependency_failed(third, second),
            ],
            "{cause}"
        );
        rogue.reads(true);
        let left: Vec<_> = calls(&rogue.hear()).iter().map(wrapped).collect();
        assert_eq!(left, [(vec![], b"another.".to_vec())], "{cause}");
        assert_eq!(rogue.client.progress(other), Some(Progress::Written));
    }
}

#[test]
fn what_has_left_waits_for_its_own_answer_when_what_it_comes_after_fails() {
    for answer in ["an answer", "an error", "MSG_WAIT_FAILED"] {
        let mut rogue = settled(906);
        let first = rogue.call(b"call one");
        let second = rogue.call_with(b"call two", &after(&[first]));
        let packet = rogue.hear_one();
        rogue.say(Said::error(packet.messages[0].msg_id, 400, "NO"));
        assert_eq!(rogue.news(), [rpc_error(first, 400, "NO")]);
        let req = packet.messages[1].msg_id;
        match answer {
            "an answer" => rogue.say(Said::result(req, b"answered")),
            "an error" => rogue.say(Said::error(req, 400, "ANOTHER")),
            _ => rogue.say(Said::error(req, 400, answer)),
        };
        let end = match answer {
            "an answer" => response(second, b"answered"),
            "an error" => rpc_error(second, 400, "ANOTHER"),
            _ => dependency_failed(second, first),
        };
        assert_eq!(rogue.news(), [end], "{answer}");
        assert_eq!(calls(&rogue.hear()), [], "{answer}");
    }
}

/// Row 60: servers differ in the code and in which of the two they say.
#[test]
fn a_server_that_gave_up_waiting_gets_the_request_again_when_the_other_is_answered() {
    for (code, message) in [
        (400, "MSG_WAIT_FAILED"),
        (400, "MSG_WAIT_TIMEOUT"),
        (-500, "MSG_WAIT_TIMEOUT"),
        (500, "MSG_WAIT_FAILED"),
    ] {
        let mut rogue = settled(907);
        let first = rogue.call(b"call one");
        let second = rogue.call_with(b"call two", &after(&[first]));
        let third = rogue.call_with(b"call 3..", &after(&[second]));
        let packet = rogue.hear_one();
        for message_of in &packet.messages[1..] {
            rogue.say(Said::error(message_of.msg_id, code, message));
        }
        rogue.call(b"another.");
        let others: Vec<_> = calls(&rogue.hear()).iter().map(wrapped).collect();
        assert_eq!(others, [(vec![], b"another.".to_vec())], "{message}");
        assert_eq!(rogue.news(), []);

        rogue.say(Said::result(packet.messages[0].msg_id, b"answer 1"));
        // It comes after nothing that is not answered; the third waits for it in its turn.
        let again = calls(&rogue.hear());
        let left: Vec<_> = again.iter().map(wrapped).collect();
        assert_eq!(left, [(vec![], b"call two".to_vec())], "{message}");
        rogue.say(Said::result(again[0].msg_id, b"answer 2"));
        let again = calls(&rogue.hear());
        let left: Vec<_> = again.iter().map(wrapped).collect();
        assert_eq!(left, [(vec![], b"call 3..".to_vec())], "{message}");
        rogue.say(Said::result(again[0].msg_id, b"answer 3"));
        assert_eq!(
            rogue.news(),
            [
                response(first, b"answer 1"),
                response(second, b"answer 2"),
                response(third, b"answer 3")
            ],
            "{message}"
        );
    }
}

#[test]
fn a_server_that_did_not_wait_for_what_then_fails_executes_nothing_more() {
    let mut rogue = settled(908);
    let first = rogue.call(b"call one");
    let second = rogue.call_with(b"call two", &after(&[first]));
    let packet = rogue.hear_one();
    let req = packet.messages[1].msg_id;
    rogue.say(Said::error(req, 400, "MSG_WAIT_TIMEOUT"));
    rogue.say(Said::error(packet.messages[0].msg_id, 500, "NO"));
    assert_eq!(
        rogue.news(),
        [
            rpc_error(first, 500, "NO"),
            dependency_failed(second, first)
        ]
    );
    assert_eq!(calls(&rogue.hear()), []);
}

#[test]
fn a_wait_error_for_what_named_nothing_is_the_applications() {
    let mut rogue = settled(909);
    let id = rogue.call(b"call one");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::error(req, 400, "MSG_WAIT_FAILED"));
    assert_eq!(rogue.news(), [rpc_error(id, 400, "MSG_WAIT_FAILED")]);
}

#[test]
fn a_refused_container_leaves_again_in_its_order_and_names_the_new_ids() {
    for code in [16, 17, 18, 32, 35, 48, 64] {
        let mut rogue = settled(910);
        let first = rogue.call(b"call one");
        rogue.call(b"another.");
        rogue.call_with(b"call two", &after(&[first]));
        let packet = rogue.hear_one();
        if code == 48 {
            rogue.say(Said::bad_salt(packet.msg_id, 7));
        } else {
            rogue.say(Said::bad_msg(packet.msg_id, code));
        }
        let again = calls(&rogue.hear());
        assert!(again[0].msg_id != packet.messages[0].msg_id);
        assert_eq!(
            again.iter().map(wrapped).collect::<Vec<_>>(),
            [
                (vec![], b"call one".to_vec()),
                (vec![], b"another.".to_vec()),
                (vec![again[0].msg_id], b"call two".to_vec()),
            ],
            "code {code}"
        );
    }
}

/// Only the first was refused: the server may have given up waiting for an id that never comes.
#[test]
fn a_refused_dependency_leaves_under_a_new_id_and_what_came_after_it_follows() {
    let mut rogue = settled(911);
    let first = rogue.call(b"call one");
    let refused = rogue.hear_one();
    let second = rogue.call_with(b"call two", &after(&[first]));
    let behind = rogue.hear_one();
    rogue.say(Said::bad_msg(refused.msg_id, 16));
    rogue.say(Said::error(behind.msg_id, 400, "MSG_WAIT_FAILED"));
    let again = calls(&rogue.hear());
    assert_eq!(wrapped(&again[0]), (vec![], b"call one".to_vec()));
    assert_eq!(again.len(), 1);
    rogue.say(Said::result(again[0].msg_id, b"answer 1"));
    let again = calls(&rogue.hear());
    assert_eq!(wrapped(&again[0]), (vec![], b"call two".to_vec()));
    rogue.say(Said::result(again[0].msg_id, b"answer 2"));
    assert_eq!(
        rogue.news(),
        [response(first, b"answer 1"), response(second, b"answer 2")]
    );
}

#[test]
fn what_was_refused_after_its_dependency_failed_is_not_sent_again() {
    let mut rogue = settled(912);
    let first = rogue.call(b"call one");
    let req = rogue.hear_one().msg_id;
    let second = rogue.call_with(b"call two", &after(&[first]));
    let behind = rogue.hear_one();
    rogue.say(Said::error(req, 400, "NO"));
    rogue.say(Said::bad_msg(behind.msg_id, 16));
    assert_eq!(
        rogue.news(),
        [
            rpc_error(first, 400, "NO"),
            dependency_failed(second, first)
        ]
    );
    assert_eq!(calls(&rogue.hear()), []);
}

/// "Not executed" would be a lie: its first sending may have been.
#[test]
fn what_may_have_been_executed_before_does_not_end_as_not_executed() {
    let mut rogue = settled(913);
    let first = rogue.call(b"call one");
    let options = after(&[first]).idempotent();
    let second = rogue.call_with(b"ask me again", &options);
    rogue.hear();
    rogue.send_eof();
    let mut rogue = rogue.reconnect();
    rogue.cancel(first);
    let mut events = rogue.news();
    events.retain(|event| *event != ClientEvent::Connected);
    assert_eq!(
        events,
        [
            failed(first, RequestError::Cancelled(MaybeExecuted)),
            lost(second, MaybeExecuted)
        ]
    );
}

#[test]
fn what_was_written_in_a_former_session_cannot_be_named_and_is_waited_for() {
    let mut rogue = settled(914);
    let first = rogue.call(b"call one");
    let in_former = rogue.hear_one();
    let late = rogue.plain(&Said::result(in_former.msg_id, b"answer 1"));
    rogue.call(b"is refused..");
    let refused = rogue.hear_one().msg_id;
    rogue.say(Said::bad_msg(refused, 32));
    rogue.call_with(b"call two", &after(&[first]));
    let left: Vec<_> = calls(&rogue.hear()).iter().map(wrapped).collect();
    assert_eq!(left, [(vec![], b"is refused..".to_vec())]);
    rogue.send(&late);
    let left: Vec<_> = calls(&rogue.hear()).iter().map(wrapped).collect();
    assert_eq!(left, [(vec![], b"call two".to_vec())]);
}

/// The server orders calls of the API, not service messages.
#[test]
fn service_calls_wait_for_answers_and_are_waited_for() {
    let mut rogue = settled(915);
    let first = rogue.call(b"call one");
    let ping = rogue.call_with(&Ping { ping_id: 5 }.to_bytes(), &after(&[first]));
    rogue.call_with(b"call two", &after(&[ping]));
    let packet = rogue.hear_one();
    assert_eq!(packet.said(), [Said::other(b"call one")]);
    rogue.say(Said::result(packet.msg_id, b"answered"));
    let packet = rogue.hear_one();
    let req = packet.id_of(&Said::Ping(5));
    assert_eq!(calls(&[packet]), []);
    rogue.say(Said::Pong { req, ping_id: 5 });
    assert_eq!(
        wrapped(&calls(&rogue.hear())[0]),
        (vec![], b"call two".to_vec())
    );
}

#[test]
fn what_initialises_the_connection_goes_outside() {
    let mut config = config();
    let init = InitParams::new(1, 230);
    let prefix = init.prefix();
    config.init = Some(init);
    let mut rogue = RogueServer::new(config, Seed::from_env_or(916));
    let first = rogue.call(b"call one");
    rogue.call_with(b"call two", &after(&[first]));
    let packet = rogue.hear_one();
    let calls: Vec<_> = calls(&[packet])
        .into_iter()
        .map(|mut message| {
            message.body = message.body.split_off(prefix.len());
            message
        })
        .collect();
    assert_eq!(
        wrapped(&calls[1]),
        (vec![calls[0].msg_id], b"call two".to_vec())
    );
}

#[test]
fn ids_that_may_go_before_a_request_count_for_its_length_and_are_bounded() {
    let mut rogue = settled(917);
    let ids: Vec<_> = (0..=MAX_AFTER).map(|_| rogue.call(b"call one")).collect();
    let mut send = |len: usize, ids: &[RequestId]| {
        rogue
            .client
            .send(rogue.now(), vec![7; len].into(), &after(ids))
    };
    for (named, prefix) in [(1, 12), (2, 28), (MAX_AFTER, 12 + 8 * MAX_AFTER)] {
        let max = MAX_BODY - prefix;
        assert_eq!(
            send(max + 4, &ids[..named]),
            Err(SendError::TooLarge { got: max + 4, max })
        );
        assert!(send(max, &ids[..named]).is_ok());
    }
    assert_eq!(
        send(4, &ids),
        Err(SendError::TooManyDependencies {
            got: MAX_AFTER + 1,
            max: MAX_AFTER
        })
    );
    // The kit checks the length of every packet.
    let longest = calls(&rogue.hear())
        .iter()
        .map(|call| call.body.len())
        .max();
    assert_eq!(longest, Some(MAX_BODY));
}

#[test]
fn a_chain_of_ten_thousand_leaves_in_order_and_fails_in_order() {
    let mut rogue = settled(918);
    rogue.reads(false);
    let mut ids = vec![rogue.call(b"call one")];
    for n in 1..10_000_u32 {
        let options = after(&ids[ids.len() - 1..]);
        ids.push(rogue.call_with(&n.to_le_bytes().repeat(2), &options));
    }
    rogue.cancel(ids[5_000]);
    let mut ends = vec![failed(ids[5_000], RequestError::Cancelled(NotSent))];
    ends.extend(
        ids[5_000..]
            .windows(2)
            .map(|pair| dependency_failed(pair[1], pair[0])),
    );
    assert_eq!(rogue.news(), ends);
    rogue.reads(true);
    let left = calls(&rogue.hear());
    assert_eq!(left.len(), 5_000);
    for pair in left.windows(2) {
        assert_eq!(wrapped(&pair[1]).0, [pair[0].msg_id]);
    }
}

#[test]
fn requests_that_wait_for_a_key_are_ordered_too() {
    let mut both = Both::new(client_config(), server_config(), 919);
    let first = both.call(b"call one");
    let second = both.call_with(b"call two", &after(&[first]));
    let kept = both.call_with(b"call 3..", &after(&[]));
    let now = both.pair.client_now();
    both.pair.client.cancel(now, first);
    let late = both.call_with(b"call 4..", &after(&[second]));
    assert_eq!(
        both.end_of(second, secs(10)),
        dependency_failed(second, first)
    );
    assert_eq!(both.end_of(late, secs(10)), dependency_failed(late, second));
    assert_eq!(both.end_of(kept, secs(10)), response(kept, b"call 3.."));
}

#[test]
fn when_nobody_resumes_each_has_its_own_fate() {
    let mut rogue = settled(920);
    let first = rogue.call(b"call one");
    let second = rogue.call_with(b"call two", &after(&[first]));
    let packet = rogue.hear_one();
    rogue.reads(false);
    rogue.say(Said::error(
        packet.messages[1].msg_id,
        400,
        "MSG_WAIT_TIMEOUT",
    ));
    let third = rogue.call_with(b"call 3..", &after(&[second]));
    rogue.send_eof();
    assert_eq!(
        rogue.client.suspend().into_failures(),
        [
            (first, RequestError::Lost(MaybeExecuted)),
            (second, RequestError::Lost(NotReceived)),
            (third, RequestError::Lost(NotSent)),
        ]
    );
}
