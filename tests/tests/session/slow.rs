//! Requests that are not acknowledged: when the server is asked about them, what its answers do, and
//! what it may ask for itself.

use mtproto_proto::Fate::MaybeExecuted;
use mtproto_proto::connection::{ClientEvent, Error};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{MsgId, Progress};
use mtproto_test::Seed;
use mtproto_test::rogue::{Packet, RogueServer, Said};

use crate::support::{acked, config, lost, response, secs, settled};

fn patient() -> SendOptions {
    SendOptions::default().deadline(secs(900))
}

/// What is asked in these packets, one list for each question.
fn questions(packets: &[Packet]) -> Vec<Vec<MsgId>> {
    packets
        .iter()
        .flat_map(Packet::said)
        .filter_map(|said| match said {
            Said::StateReq(ids) => Some(ids),
            _ => None,
        })
        .collect()
}

#[test]
fn the_server_is_asked_after_four_seconds_and_then_ever_more_rarely() {
    let mut rogue = settled(1101);
    rogue.call_with(b"the call", &patient());
    let Packet { at, msg_id, .. } = rogue.hear_one();
    let mut asked = Vec::new();
    while rogue.error().is_none() && rogue.now() < at + secs(55) {
        rogue.later(secs(1));
        // Something else comes all the time.
        rogue.say(Said::Acks(Vec::new()));
        for packet in rogue.hear() {
            for ids in questions(std::slice::from_ref(&packet)) {
                assert_eq!(ids, [msg_id]);
                asked.push(packet.at.saturating_since(at).as_secs());
            }
        }
    }
    assert_eq!(asked, [4, 12, 28]);
    assert_eq!(rogue.error(), None);
}

#[test]
fn what_is_acknowledged_or_answered_is_not_asked_for() {
    let mut rogue = settled(1102);
    rogue.answers_pings(true);
    let fast = rogue.call(b"call one");
    let slow = rogue.call(b"call two");
    let packet = rogue.hear_one();
    rogue.say(Said::result(packet.messages[0].msg_id, b"answered"));
    rogue.say(Said::Acks(vec![packet.messages[1].msg_id]));
    rogue.later(secs(50));
    assert_eq!(questions(&rogue.hear()), Vec::<Vec<MsgId>>::new());
    assert_eq!(rogue.news(), [response(fast, b"answered"), acked(slow)]);
}

#[test]
fn one_question_is_for_all_that_is_slow_and_names_at_most_8192() {
    let mut config = config();
    config.session.request_timeout = secs(900);
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(1103));
    for n in 0..10_000_u32 {
        rogue.call(&n.to_le_bytes().repeat(2));
    }
    let sent = rogue.hear();
    rogue.later(secs(4));
    let asked = questions(&rogue.hear());
    assert_eq!(
        asked.iter().map(Vec::len).collect::<Vec<_>>(),
        [8_192, 1_808]
    );
    let ids: Vec<_> = sent
        .iter()
        .flat_map(|packet| packet.messages.iter().map(|message| message.msg_id))
        .collect();
    assert_eq!(asked.concat(), ids);
}

/// A request every ten milliseconds, none acknowledged.
#[test]
fn a_server_that_acknowledges_nothing_is_asked_once_a_second_at_most() {
    let mut rogue = settled(1104);
    let start = rogue.now();
    let mut asked = 0;
    while rogue.now() < start + secs(30) {
        rogue.call_with(b"the call", &patient());
        rogue.later(std::time::Duration::from_millis(10));
        rogue.say(Said::Acks(Vec::new()));
        asked += questions(&rogue.hear()).len();
    }
    assert_eq!(rogue.error(), None);
    assert!((20..=30).contains(&asked), "{asked} questions in 30 s");
}

#[test]
fn a_server_that_does_not_read_gets_one_question_when_it_does() {
    let mut rogue = settled(1105);
    rogue.call_with(b"the call", &patient());
    rogue.hear();
    rogue.reads(false);
    for _ in 0..40 {
        rogue.later(secs(1));
        rogue.say(Said::Acks(Vec::new()));
    }
    rogue.reads(true);
    assert_eq!(questions(&rogue.hear()).len(), 1);
}

#[test]
fn each_state_decides_over_a_stream_that_lives() {
    for (state, idempotent) in (0..=255_u8).flat_map(|state| [(state, false), (state, true)]) {
        let mut rogue = settled(1106);
        let mut options = patient();
        options.idempotent = idempotent;
        let id = rogue.call_with(b"the call", &options);
        let first = rogue.hear_one().msg_id;
        rogue.later(secs(4));
        let req = rogue.hear_one().id_of(&Said::StateReq(vec![first]));
        let info = vec![state];
        rogue.say(Said::StateInfo { req, info });
        let (events, again) = (rogue.news(), rogue.hear());
        let left = again.iter().flat_map(Packet::said).collect::<Vec<_>>();
        let resent = [Said::other(b"the call")];
        // Acknowledged already, in progress or done, answered, known to be received.
        let has_it = state & (8 | 32 | 64 | 128) != 0;
        match state & 7 {
            4 => assert_eq!((events, left), (vec![acked(id)], vec![]), "{state}"),
            _ if has_it => assert_eq!((events, left), (vec![acked(id)], vec![]), "{state}"),
            2 | 3 => {
                assert_eq!((events, &left[..]), (vec![], &resent[..]), "{state}");
                assert_ne!(again[0].msg_id, first);
            }
            1 if idempotent => assert_eq!((events, &left[..]), (vec![], &resent[..]), "{state}"),
            1 => assert_eq!(
                (events, left),
                (vec![lost(id, MaybeExecuted)], vec![]),
                "{state}"
            ),
            _ => assert_eq!((events, left), (vec![], vec![]), "{state}: no state"),
        }
    }
}

#[test]
fn a_request_that_is_too_old_to_be_taken_under_its_own_id_is_not_repeated() {
    let mut rogue = settled(1108);
    rogue.call_with(b"the call", &patient());
    let first = rogue.hear_one();
    rogue.say(Said::Acks(vec![first.msg_id]));
    rogue.answers_pings(true);
    for _ in 0..5 {
        rogue.later(secs(59));
        rogue.send_eof();
        rogue = rogue.reconnect();
    }
    rogue.later(secs(10));
    rogue.hear();
    let asked = rogue.say(Said::ResendReq(vec![first.msg_id]));
    assert!(matches!(
        rogue.hear_said()[..],
        [Said::StateInfo { req, .. }] if req == asked
    ));
}

/// The container was refused; the message's first sending may still be executed.
#[test]
fn a_refused_repetition_is_asked_about_instead_of_being_sent_under_a_new_id() {
    let mut rogue = settled(1109);
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    rogue.say(Said::ResendReq(vec![first.msg_id]));
    let repeated = rogue.hear_one();
    rogue.say(Said::bad_salt(repeated.msg_id, 9));
    rogue.later(secs(1));
    let said = rogue.hear_said();
    assert!(
        said.contains(&Said::StateReq(vec![first.msg_id])),
        "{said:?}"
    );
    assert!(!said.contains(&Said::other(b"the call")), "{said:?}");
    rogue.say(Said::result(first.msg_id, b"answered"));
    assert!(rogue.news().contains(&response(id, b"answered")));
}

#[test]
fn a_server_that_never_has_it_uses_up_its_budget() {
    for reconnects in [false, true] {
        let mut rogue = settled(1110);
        let id = rogue.call_with(b"the call", &patient());
        rogue.hear();
        let (mut sent, mut end) = (1, Vec::new());
        rogue.answers_pings(true);
        while rogue.client.progress(id).is_some() {
            if reconnects {
                rogue.send_eof();
                rogue = rogue.reconnect();
            } else {
                rogue.later(secs(1));
                assert_eq!(rogue.error(), None);
            }
            for message in rogue.hear().iter().flat_map(|packet| &packet.messages) {
                if let Said::StateReq(ids) = message.said() {
                    let (req, info) = (message.msg_id, vec![2; ids.len()]);
                    rogue.say(Said::StateInfo { req, info });
                }
            }
            let left = rogue.hear_said();
            sent += left
                .iter()
                .filter(|said| matches!(said, Said::Other(_)))
                .count();
            end.extend(rogue.news());
        }
        end.retain(|event| *event != ClientEvent::Connected);
        // One of the six copies may be on its way still.
        assert_eq!(end, [lost(id, MaybeExecuted)], "{reconnects}");
        assert_eq!(sent, 6, "{reconnects}: once, and five times again");
    }
}

#[test]
fn a_server_may_ask_for_what_still_waits_and_gets_it_under_its_own_id_within_the_budget() {
    let mut rogue = settled(1111);
    let id = rogue.call(b"the call");
    let other = rogue.call(b"another.");
    let packet = rogue.hear_one();
    let req = packet.messages[0].msg_id;
    for _ in 0..5 {
        rogue.say(Said::ResendReq(vec![req, req]));
        let again = rogue.hear_one();
        assert!(again.is_container);
        assert_eq!(again.messages, packet.messages[..1]);
    }
    // Its budget is used up; it still waits for its answer.
    let asked = rogue.say(Said::ResendReq(vec![req]));
    assert!(matches!(
        rogue.hear_said()[..],
        [Said::StateInfo { req, .. }] if req == asked
    ));
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
    assert_eq!(rogue.client.progress(other), Some(Progress::Written));
}

#[test]
fn a_server_that_asks_for_what_is_not_there_is_told() {
    let mut rogue = settled(1112);
    let id = rogue.call(b"the call");
    let ended = rogue.hear_one().msg_id;
    let answer = rogue.say(Said::result(ended, b"answered"));
    let waiting = rogue.call(b"call two");
    let packet = rogue.hear_one();
    let req = packet.id_of(&Said::other(b"call two"));
    // What has ended, what never was, what is the server's own, what is no request.
    for ids in [
        vec![ended],
        vec![MsgId(4)],
        vec![answer],
        vec![packet.msg_id],
        vec![req, ended],
        Vec::new(),
    ] {
        let count = ids.len();
        let named = ids.contains(&req);
        let asked = rogue.say(Said::ResendReq(ids));
        let said = rogue.hear_said();
        let told = said.iter().find_map(|said| match said {
            Said::StateInfo { req, info } if *req == asked => Some(info.len()),
            _ => None,
        });
        assert_eq!(told, (count > 0).then_some(count), "{said:?}");
        assert_eq!(said.contains(&Said::other(b"call two")), named, "{said:?}");
    }
    assert_eq!(rogue.news(), [response(id, b"answered")]);
    assert_eq!(rogue.client.progress(waiting), Some(Progress::Written));
}

#[test]
fn a_server_may_name_8192_messages_at_once_and_not_one_more() {
    let mut rogue = settled(1118);
    for question in [Said::ResendReq, Said::StateReq] {
        for (count, told) in [(8_192, Some(8_192)), (8_193, None)] {
            let asked = rogue.say(question(vec![MsgId(4); count]));
            let said = rogue.hear_said();
            let states = said.iter().find_map(|said| match said {
                Said::StateInfo { req, info } if *req == asked => Some(info.len()),
                _ => None,
            });
            assert_eq!(states, told, "of {count}: {said:?}");
        }
    }
}

#[test]
fn an_answer_that_was_described_and_does_not_come_is_asked_for_a_few_times() {
    let mut rogue = settled(1113);
    rogue.answers_pings(true);
    let id = rogue.call_with(b"the call", &patient());
    let req = rogue.hear_one().msg_id;
    let answer = rogue.item(&Said::result(req, b"answered"));
    rogue.say(Said::DetailedInfo {
        msg_id: req,
        answer: answer.msg_id,
    });
    let start = rogue.now();
    let wanted = Said::ResendReq(vec![answer.msg_id]);
    let mut asked = Vec::new();
    while rogue.now() < start + secs(40) {
        for packet in rogue.hear() {
            if packet.said().contains(&wanted) {
                asked.push(packet.at.saturating_since(start).as_secs());
            }
        }
        rogue.later(secs(1));
    }
    assert_eq!(asked, [0, 4, 12, 28]);
    // On a new stream at once, and not any more when it has come.
    rogue.send_eof();
    let mut rogue = rogue.reconnect();
    assert!(rogue.hear_said().contains(&wanted));
    rogue.send_container(&[answer]);
    assert!(rogue.news().contains(&response(id, b"answered")));
    rogue.later(secs(300));
    assert!(!rogue.hear_said().contains(&wanted));
}

#[test]
fn a_stream_that_answers_pings_but_no_question_ends_after_a_minute() {
    let mut rogue = settled(1114);
    let start = rogue.now();
    rogue.call_with(b"the call", &patient());
    rogue.answers_pings(true);
    while rogue.error().is_none() {
        rogue.later(secs(1));
        assert!(rogue.now() < start + secs(80), "it is noticed");
    }
    assert_eq!(rogue.error(), Some(&Error::Silent));
    assert!(rogue.now() >= start + secs(60));
    assert!(questions(&rogue.hear()).len() >= 3);
}

/// A ping is sent only into silence, but an unanswered request wants a pong to compare with.
#[test]
fn a_stream_on_which_only_updates_come_ends_too() {
    let mut rogue = settled(1115);
    let start = rogue.now();
    rogue.call_with(b"the call", &patient());
    rogue.answers_pings(true);
    let mut pings = 0;
    while rogue.error().is_none() {
        rogue.later(secs(1));
        rogue.say(Said::other(b"an update..."));
        let said = rogue.hear_said();
        pings += said
            .iter()
            .filter(|said| matches!(said, Said::PingDelay { .. }))
            .count();
        assert!(rogue.now() < start + secs(80), "it is noticed");
    }
    assert_eq!(rogue.error(), Some(&Error::Silent));
    assert_eq!(pings, 1);
}

#[test]
fn when_everything_is_answered_nothing_is_asked_any_more() {
    let mut rogue = settled(1116);
    rogue.answers_pings(true);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    rogue.later(secs(10));
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
    rogue.later(secs(60));
    rogue.hear();
    let before = rogue.timers_fired();
    rogue.later(secs(3_600));
    assert_eq!(rogue.timers_fired() - before, 60, "a ping a minute");
    assert_eq!(rogue.hear().len(), 60);
}

#[test]
fn what_is_cancelled_in_a_former_session_is_not_mentioned_in_the_next() {
    let mut rogue = settled(1117);
    let first = rogue.call(b"call one");
    rogue.hear();
    rogue.call(b"is refused..");
    let refused = rogue.hear_one().msg_id;
    rogue.say(Said::bad_msg(refused, 32));
    rogue.hear();
    rogue.cancel(first);
    assert_eq!(rogue.hear(), []);
}
