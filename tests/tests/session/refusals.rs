//! `bad_msg_notification`: what each code does to the request, the session and the clock.

use mtproto_proto::Fate::{MaybeExecuted, NotReceived};
use mtproto_proto::connection::ClientEvent;
use mtproto_proto::session::SendOptions;
use mtproto_test::rogue::{Packet, Said};

use crate::support::{lost, response, secs, settled};

/// Codes that ask for a new session.
const NEW_SESSION: [i32; 7] = [17, 18, 32, 33, 34, 35, 64];

#[test]
fn code_16_sends_the_message_again_in_the_same_session() {
    let mut rogue = settled(201);
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    rogue.say(Said::bad_msg(first.msg_id, 16));

    let second = rogue.hear_one();

    assert_eq!(second.said(), first.said());
    assert_eq!(second.session, first.session);
    assert!(second.msg_id > first.msg_id && second.seq_no > first.seq_no);
    rogue.say(Said::result(second.msg_id, b"answered"));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
}

#[test]
fn other_codes_send_the_message_again_in_a_new_session() {
    for code in NEW_SESSION {
        let mut rogue = settled(202);
        let id = rogue.call(b"the call");
        let first = rogue.hear_one();
        rogue.say(Said::bad_msg(first.msg_id, code));

        let second = rogue.hear_one();

        assert_eq!(second.said(), first.said(), "code {code}");
        assert_ne!(second.session, first.session, "code {code}");
        assert_eq!(second.seq_no, 1, "code {code}: numbers begin anew");
        rogue.say(Said::result(second.msg_id, b"answered"));
        assert_eq!(rogue.news(), [response(id, b"answered")], "code {code}");
        assert_eq!(rogue.client.stats().sessions_renewed, 1, "code {code}");
    }
}

/// A container's id that was seen before can mean that the container was executed: anybody who can
/// write to the stream can send its packet a second time.
#[test]
fn codes_19_and_20_repeat_only_what_may_be_executed_twice() {
    for code in [19, 20] {
        let mut rogue = settled(203);
        let once = rogue.call(b"only one");
        let twice = rogue.call_idempotent(b"ask me again");
        let first = rogue.hear_one();
        rogue.say(Said::bad_msg(first.msg_id, code));

        let second = rogue.hear_one();

        assert_eq!(second.said(), [Said::other(b"ask me again")], "code {code}");
        assert_eq!(rogue.news(), [lost(once, MaybeExecuted)], "code {code}");
        rogue.say(Said::result(second.msg_id, b"answered"));
        assert_eq!(rogue.news(), [response(twice, b"answered")], "code {code}");
    }
}

#[test]
fn code_17_puts_the_clock_back() {
    let mut rogue = settled(204);
    rogue.skew(-3600);
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    rogue.say(Said::bad_msg(first.msg_id, 17));

    let second = rogue.hear_one();

    assert_ne!(second.session, first.session);
    let off = second.msg_id.unix() - rogue.server_now().unix() as i64;
    assert!(off.abs() <= 1, "{off} s off");
    rogue.say(Said::result(second.msg_id, b"answered"));
    assert_eq!(
        rogue.news(),
        [
            ClientEvent::ClockCorrected { by: -3600 },
            response(id, b"answered")
        ]
    );
}

#[test]
fn code_16_finds_the_clock_put_forward() {
    let mut rogue = settled(205);
    rogue.skew(3600);
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    rogue.say(Said::bad_msg(first.msg_id, 16));

    let second = rogue.hear_one();

    assert_eq!(second.session, first.session);
    let off = second.msg_id.unix() - rogue.server_now().unix() as i64;
    assert!(off.abs() <= 1, "{off} s off");
    rogue.say(Said::result(second.msg_id, b"answered"));
    assert_eq!(
        rogue.news(),
        [
            ClientEvent::ClockCorrected { by: 3600 },
            response(id, b"answered")
        ]
    );
}

#[test]
fn a_refused_container_is_refused_with_all_its_members() {
    for code in NEW_SESSION.into_iter().chain([16]) {
        let mut rogue = settled(206);
        let calls: [&[u8]; 3] = [b"call one", b"call two", b"call 3.."];
        let ids = calls.map(|call| rogue.call(call));
        let first = rogue.hear_one();
        rogue.say(Said::bad_msg(first.msg_id, code));

        let second = rogue.hear_one();

        assert_eq!(
            second.said(),
            calls.map(Said::other),
            "code {code}: in order"
        );
        for message in &second.messages {
            rogue.say(Said::result(message.msg_id, b"answered"));
        }
        assert_eq!(
            rogue.news(),
            ids.map(|id| response(id, b"answered")),
            "code {code}"
        );
    }
}

#[test]
fn several_refused_packets_cost_one_session() {
    for code in NEW_SESSION {
        let mut rogue = settled(207);
        let calls: [&[u8]; 4] = [b"call one", b"call two", b"call 3..", b"call 4.."];
        let (ids, refused): (Vec<_>, Vec<_>) = calls
            .map(|call| (rogue.call(call), rogue.hear_one()))
            .into_iter()
            .unzip();
        // All were written before the first refusal came, so all of them come under the old id.
        let former = refused[0].session;
        let refusals: Vec<_> = refused
            .iter()
            .map(|packet| rogue.plain(&Said::bad_msg(packet.msg_id, code)))
            .collect();
        for refusal in refusals {
            assert_eq!(refusal.session, former);
            rogue.send(&refusal);
        }

        let again: Vec<Packet> = rogue.hear();

        assert_eq!(rogue.error(), None, "code {code}");
        assert_eq!(rogue.client.stats().sessions_renewed, 1, "code {code}");
        let said: Vec<_> = again.iter().flat_map(Packet::said).collect();
        assert_eq!(said.len(), 4, "code {code}");
        for message in again.iter().flat_map(|packet| &packet.messages) {
            assert_ne!(rogue.session(), former);
            rogue.say(Said::result(message.msg_id, &message.body));
        }
        let mut events = rogue.news();
        let mut expected: Vec<_> = ids
            .iter()
            .zip(calls)
            .map(|(id, call)| response(*id, call))
            .collect();
        let by_text = |event: &ClientEvent| format!("{event:?}");
        events.sort_by_key(by_text);
        expected.sort_by_key(by_text);
        assert_eq!(events, expected, "code {code}");
    }
}

#[test]
fn a_request_that_is_always_refused_ends_when_its_budget_is_used_up() {
    for code in NEW_SESSION.into_iter().chain([16, 48]) {
        let mut rogue = settled(208);
        let mut options = SendOptions::default();
        options.max_retries = Some(3);
        let id = rogue.call_with(b"the call", &options);
        let mut sent = 0;
        while let Some(packet) = rogue.hear().pop() {
            sent += 1;
            assert!(sent <= 4, "code {code}");
            let _ = packet.id_of(&Said::other(b"the call"));
            if code == 48 {
                rogue.say(Said::bad_salt(packet.msg_id, sent));
            } else {
                rogue.say(Said::bad_msg(packet.msg_id, code));
            }
        }
        assert_eq!(sent, 4, "code {code}: once, and three times again");
        let mut events = rogue.news();
        events.retain(|event| !matches!(event, ClientEvent::ClockCorrected { .. }));
        assert_eq!(events, [lost(id, NotReceived)], "code {code}");
    }
}

/// A server that refuses everything gets a few messages for each of its own at first, and then only
/// what timers send.
#[test]
fn service_messages_that_are_always_refused_are_not_sent_for_ever() {
    for code in NEW_SESSION.into_iter().chain([16, 48]) {
        let mut rogue = settled(209);
        rogue.say(Said::other(b"an update is to be acknowledged."));
        rogue.say(Said::Ping(5));
        let start = rogue.now();
        let mut sent = 0;
        while rogue.now() < start + secs(600) {
            for packet in rogue.hear() {
                sent += 1;
                if code == 48 {
                    rogue.say(Said::bad_salt(packet.msg_id, sent));
                } else {
                    rogue.say(Said::bad_msg(packet.msg_id, code));
                }
                assert!(sent < 200, "code {code}: a storm");
            }
            rogue.later(secs(1));
        }
        assert_eq!(rogue.error(), None);
        // A ping a minute, each tried a few times.
        assert!(sent <= 80, "code {code}: {sent} packets in ten minutes");
    }
}

#[test]
fn a_refused_ping_is_sent_again_at_once() {
    let mut rogue = settled(210);
    let first = rogue.wait(secs(60));
    let Said::PingDelay { delay, .. } = first.said()[0] else {
        panic!("{first:?}");
    };
    rogue.say(Said::bad_salt(first.msg_id, 5));
    let second = rogue.hear_one();
    assert!(matches!(second.said()[..], [Said::PingDelay { delay: again, .. }] if again == delay));
}

#[test]
fn notifications_about_messages_that_were_not_sent_change_nothing() {
    let mut rogue = settled(211);
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    let before = *rogue.client.stats();
    for said in [
        Said::bad_msg(rogue.msg_id_moved(0), 32),
        Said::bad_msg(rogue.msg_id_moved(-200), 17),
        Said::bad_salt(rogue.msg_id_moved(0), 5),
        Said::bad_salt(mtproto_proto::MsgId(0), 5),
    ] {
        rogue.say(said);
    }
    assert_eq!(rogue.hear(), []);
    let after = rogue.client.stats();
    assert_eq!(
        after.unknown_notifications,
        before.unknown_notifications + 4
    );
    assert_eq!(after.sessions_renewed, 0);
    rogue.say(Said::result(first.msg_id, b"answered"));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
}

#[test]
fn the_same_notification_twice_sends_once() {
    let mut rogue = settled(212);
    rogue.call(b"the call");
    let first = rogue.hear_one();
    rogue.say(Said::bad_salt(first.msg_id, 6));
    rogue.say(Said::bad_salt(first.msg_id, 7));
    assert_eq!(
        rogue.hear_said(),
        [Said::GetFutureSalts(64), Said::other(b"the call")]
    );
}
