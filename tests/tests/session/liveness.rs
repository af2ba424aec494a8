//! Liveness: pings, silence, quick acknowledgements.

use mtproto_proto::connection::Error;
use mtproto_proto::session::SendOptions;
use mtproto_test::Seed;
use mtproto_test::rogue::{Packet, RogueServer, Said};

use crate::support::{acked, config, response, secs, settled};

#[test]
fn an_idle_stream_is_asked_once_a_minute_whether_it_lives() {
    let mut rogue = settled(701);
    rogue.answers_pings(true);
    rogue.later(secs(600));
    let pings = rogue.hear();
    assert_eq!(pings.len(), 10);
    for ping in pings {
        assert!(
            matches!(ping.said()[..], [Said::PingDelay { delay: 77, .. }]),
            "{ping:?}"
        );
    }
    assert_eq!(rogue.error(), None);
}

#[test]
fn r6_a_stream_that_does_not_answer_a_ping_ends() {
    let mut rogue = settled(702);
    let ping = rogue.wait(secs(60)).at;
    rogue.later(secs(14));
    assert_eq!(rogue.error(), None);
    rogue.later(secs(1));
    assert_eq!(rogue.error(), Some(&Error::Silent));
    assert_eq!(rogue.now().saturating_since(ping), secs(15));
}

#[test]
fn r6_a_stream_that_answers_pings_and_nothing_else_ends_and_the_request_does_not() {
    let mut rogue = settled(709);
    let slow = SendOptions::default().deadline(secs(600));
    let id = rogue.call_with(b"the call", &slow);
    let req = rogue.hear_one().msg_id;
    let written = rogue.now();
    rogue.answers_pings(true);
    while rogue.error().is_none() {
        rogue.later(secs(1));
        assert!(rogue.now() < written + secs(80), "it is noticed");
    }
    assert_eq!(rogue.error(), Some(&Error::Silent));
    assert!(rogue.now() >= written + secs(60));
    // On the next stream the server is asked, and has as much time again.
    let mut rogue = rogue.reconnect();
    assert!(rogue.hear_one().said().contains(&Said::StateReq(vec![req])));
    rogue.later(secs(59));
    assert_eq!(rogue.error(), None);
    rogue.say(Said::result(req, b"answered"));
    assert!(rogue.news().contains(&response(id, b"answered")));
    rogue.later(secs(3_600));
    assert_eq!(rogue.error(), None, "nothing is awaited");
}

#[test]
fn any_packet_counts_as_a_pong() {
    let mut rogue = settled(703);
    for _ in 0..5 {
        rogue.wait(secs(60));
        rogue.later(secs(14));
        rogue.say(Said::Acks(Vec::new()));
    }
    assert_eq!(rogue.error(), None);
}

#[test]
fn with_requests_in_flight_silence_is_noticed_sooner() {
    let mut rogue = settled(704);
    rogue.call(b"the call");
    let Packet { at, msg_id, .. } = rogue.hear_one();
    let written = at;
    rogue.say(Said::Acks(vec![msg_id]));
    let ping = rogue.wait(secs(60));
    assert!(matches!(ping.said()[..], [Said::PingDelay { .. }]));
    assert_eq!(ping.at.saturating_since(written), secs(15));
    rogue.later(secs(15));
    assert_eq!(rogue.error(), Some(&Error::Silent));
}

#[test]
fn a_stored_key_that_nobody_answers_ends_the_stream_within_its_time() {
    let mut rogue = RogueServer::new(config(), Seed::from_env_or(705));
    assert!(matches!(
        rogue.hear_one().said()[..],
        [Said::PingDelay { .. }]
    ));
    rogue.later(secs(9));
    assert_eq!(rogue.error(), None);
    rogue.later(secs(1));
    assert_eq!(rogue.error(), Some(&Error::Silent));
}

#[test]
fn a_quick_ack_is_an_event_and_changes_no_fate() {
    let mut rogue = settled(706);
    let mut options = SendOptions::default();
    options.quick_ack = true;
    let id = rogue.call_with(b"the call", &options);
    let packet = rogue.hear_one();
    assert!(packet.quick_ack);
    rogue.send_quick_ack(&packet);
    assert_eq!(rogue.news(), [acked(id)]);
    // The same again, and others that nobody asked for.
    rogue.send_quick_ack(&packet);
    for token in [0, 1, 1 << 31, u32::MAX] {
        rogue.send_quick_ack_token(token);
    }
    assert_eq!(rogue.news(), []);
    rogue.say(Said::result(packet.msg_id, b"answered"));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
}

#[test]
fn a_forged_quick_ack_does_not_keep_a_request_from_being_asked_after() {
    let mut rogue = settled(707);
    let mut options = SendOptions::default();
    options.quick_ack = true;
    let id = rogue.call_with(b"the call", &options);
    let packet = rogue.hear_one();
    rogue.send_quick_ack(&packet);
    rogue.send_eof();
    assert_eq!(rogue.news(), [acked(id)]);
    let mut rogue = rogue.reconnect();
    let question = rogue.hear_one();
    let req = question.id_of(&Said::StateReq(vec![packet.msg_id]));
    rogue.say(Said::StateInfo { req, info: vec![2] });
    assert_eq!(rogue.hear_said(), [Said::other(b"the call")]);
}

#[test]
fn only_packets_of_requests_that_want_it_ask_for_quick_acks() {
    let mut rogue = settled(708);
    rogue.call(b"call one");
    assert!(!rogue.hear_one().quick_ack);
}

#[test]
fn a_pong_does_not_answer_a_call_of_the_api() {
    let mut rogue = settled(710);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::Pong { req, ping_id: 1 });
    assert_eq!(rogue.news(), []);
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
}
