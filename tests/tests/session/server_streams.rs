//! A server's streams: sessions that move, deadlines, limits.

use mtproto_proto::connection::Error;
use mtproto_proto::server::{Event, ServerConfig};
use mtproto_proto::{ConnId, SessionId};
use mtproto_test::Seed;
use mtproto_test::rogue::{RogueClient, Said};

use crate::support::{secs, server_config, settled_server};

fn with(seed: u64, change: impl FnOnce(&mut ServerConfig)) -> (RogueClient, ConnId) {
    let mut config = server_config();
    change(&mut config);
    RogueClient::settled(config, Seed::from_env_or(seed))
}

#[test]
fn a_session_speaks_through_the_stream_that_it_was_last_heard_on() {
    let (mut rogue, first) = settled_server(1301);
    let second = rogue.connect();
    rogue.say(second, Said::Ping(1));
    rogue.hear(second);
    rogue.push(b"update 1");
    assert_eq!(rogue.hear_said(first), []);
    let update = rogue.hear(second).remove(0);
    assert_eq!(update.said(), [Said::other(b"update 1")]);
    rogue.say(second, Said::Acks(vec![update.msg_id]));

    rogue.say(first, Said::Ping(2));
    rogue.hear(first);
    rogue.push(b"update 2");
    assert_eq!(rogue.hear_said(first), [Said::other(b"update 2")]);
    assert_eq!(rogue.hear_said(second), []);

    // The stream that it left may go.
    rogue.disconnect(second);
    assert!(rogue.push(b"update 3"));
}

#[test]
fn an_answer_follows_its_session_to_the_next_stream() {
    let (mut rogue, first) = settled_server(1302);
    let req = rogue.say(first, Said::other(b"the call"));
    let (id, _) = rogue.calls()[0];
    rogue.disconnect(first);
    assert!(rogue.respond(id, b"answered"), "it waits");
    let second = rogue.connect();
    rogue.say(second, Said::Ping(1));
    assert!(
        rogue
            .hear_said(second)
            .contains(&Said::result(req, b"answered"))
    );
}

#[test]
fn two_sessions_share_a_stream_without_mixing() {
    let (mut rogue, conn) = settled_server(1303);
    let own = rogue.session;
    let other = SessionId(0x0456);
    rogue.session = other;
    let req_other = rogue.say(conn, Said::other(b"call two"));
    rogue.session = own;
    let req_own = rogue.say(conn, Said::other(b"call one"));
    for (id, body) in rogue.calls() {
        rogue.respond(id, &body);
    }
    let packets = rogue.hear(conn);
    for (session, req, answer) in [(own, req_own, b"call one"), (other, req_other, b"call two")] {
        let results: Vec<_> = packets
            .iter()
            .filter(|packet| packet.session == session)
            .flat_map(|packet| packet.said())
            .filter(|said| matches!(said, Said::Result { .. }))
            .collect();
        assert_eq!(results, [Said::result(req, answer)]);
    }
}

#[test]
fn a_session_without_a_stream_is_forgotten_in_time() {
    let (mut rogue, conn) = settled_server(1304);
    let (auth_key_id, session) = (rogue.key().id(), rogue.session);
    rogue.disconnect(conn);
    rogue.later(secs(3_599));
    assert_eq!(rogue.server.sessions().count(), 1);
    rogue.later(secs(1));
    assert_eq!(
        rogue.events(),
        [Event::SessionClosed {
            auth_key_id,
            session
        }]
    );
    assert_eq!(rogue.server.sessions().count(), 0);
    assert_eq!(rogue.server.poll_timeout(), None, "nothing is left");
}

#[test]
fn a_stream_that_says_nothing_is_closed_and_so_is_one_that_says_one_byte_at_a_time() {
    let (mut rogue, _) = settled_server(1305);
    let silent = rogue.connect();
    let slow = rogue.connect();
    let frame = {
        let plain = rogue.plain(&Said::Ping(1));
        let packet = rogue.seal(&plain);
        rogue.frame(slow, &packet, false)
    };
    for byte in &frame[..6] {
        rogue.send_bytes(slow, &[*byte]);
        rogue.later(secs(11));
    }
    assert_eq!(rogue.closed(silent), Some(Error::Silent));
    assert_eq!(rogue.closed(slow), Some(Error::Silent));
}

#[test]
fn an_idle_stream_is_closed_after_ten_minutes_or_when_the_client_said() {
    let (mut rogue, conn) = settled_server(1306);
    rogue.later(secs(598));
    assert_eq!(rogue.closed(conn), None);
    rogue.later(secs(2));
    assert_eq!(rogue.closed(conn), Some(Error::Silent));

    let (mut rogue, conn) = settled_server(1307);
    let delay = |delay| Said::PingDelay { ping_id: 1, delay };
    rogue.say(conn, delay(75));
    rogue.later(secs(74));
    rogue.say(conn, delay(20));
    rogue.later(secs(19));
    assert_eq!(rogue.closed(conn), None);
    rogue.later(secs(1));
    assert_eq!(rogue.closed(conn), Some(Error::Silent));
}

#[test]
fn a_delay_beyond_reason_is_ten_minutes_and_a_negative_one_is_now() {
    for (delay, lives) in [(i32::MAX, 600), (-1, 0), (i32::MIN, 0)] {
        let (mut rogue, conn) = settled_server(1308);
        rogue.say(conn, Said::PingDelay { ping_id: 1, delay });
        if lives > 0 {
            rogue.later(secs(lives - 1));
            assert_eq!(rogue.closed(conn), None, "{delay}");
        }
        rogue.later(secs(1));
        assert_eq!(rogue.closed(conn), Some(Error::Silent), "{delay}");
    }
}

#[test]
fn streams_are_limited_and_the_stranger_who_came_first_gives_way() {
    let (mut rogue, first) = with(1309, |config| config.max_streams = 3);
    let conns = [(); 4].map(|()| rogue.connect());
    let gave_way: Vec<_> = conns.iter().map(|conn| rogue.closed(*conn)).collect();
    let limit = Some(Error::Status { code: -429 });
    assert_eq!(gave_way, [limit.clone(), limit, None, None]);
    rogue.disconnect(conns[0]);
    rogue.disconnect(conns[1]);
    assert_eq!(rogue.server.streams(), 3);
    rogue.say(first, Said::Ping(1));
    assert!(matches!(rogue.hear_said(first)[..], [Said::Pong { .. }]));
}

#[test]
fn sessions_of_a_key_are_limited_and_the_one_unheard_of_for_longest_gives_way() {
    let (mut rogue, conn) = with(1310, |config| config.max_sessions_per_key = 4);
    let own = rogue.session;
    rogue.disconnect(conn);
    let conn = rogue.connect();
    for n in 1..=10 {
        rogue.later(secs(1));
        rogue.session = SessionId(n);
        rogue.say(conn, Said::Ping(1));
    }
    let sessions: Vec<_> = rogue.server.sessions().map(|(_, id)| id).collect();
    assert_eq!(sessions, [7, 8, 9, 10].map(SessionId));
    assert!(rogue.events().iter().any(|event| matches!(
        event,
        Event::SessionClosed { session, .. } if *session == own
    )));
}

#[test]
fn sessions_on_one_stream_are_limited_and_leave_nothing_behind() {
    let (mut rogue, conn) = settled_server(1311);
    for n in 1..=20 {
        rogue.session = SessionId(n);
        rogue.say(conn, Said::Ping(1));
    }
    assert_eq!(rogue.closed(conn), Some(Error::Status { code: -429 }));
    rogue.disconnect(conn);
    rogue.later(secs(3_600));
    assert_eq!(rogue.server.sessions().count(), 0);
}

#[test]
fn a_client_that_never_reads_is_closed_within_the_bound() {
    let (mut rogue, conn) = with(1312, |config| config.session.max_notice_bytes = 100_000);
    rogue.reads(conn, false);
    let mut pushed = 0;
    while rogue.closed(conn).is_none() {
        rogue.push(&[0; 1_000]);
        pushed += 1;
        assert!(pushed <= 101);
    }
    assert_eq!(rogue.closed(conn), Some(Error::Silent));
}

#[test]
fn a_client_that_asks_and_never_reads_is_closed_within_the_bound() {
    let (mut rogue, conn) = with(1313, |config| config.session.max_notices = 100);
    rogue.reads(conn, false);
    let mut asked = 0;
    while rogue.closed(conn).is_none() {
        rogue.say(conn, Said::Ping(1));
        asked += 1;
        assert!(asked <= 101);
    }
    assert_eq!(rogue.closed(conn), Some(Error::Silent));
}

#[test]
fn what_is_not_acknowledged_is_kept_within_the_bound() {
    let (mut rogue, conn) = with(1314, |config| config.session.max_notice_bytes = 10_000);
    for _ in 0..100 {
        rogue.push(&[0; 1_000]);
        rogue.hear(conn);
    }
    rogue.disconnect(conn);
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let updates = rogue
        .hear_said(conn)
        .into_iter()
        .filter(|said| matches!(said, Said::Other(_)))
        .count();
    assert_eq!(updates, 10);
}

#[test]
fn packets_of_a_key_that_is_asked_for_wait_within_bounds() {
    // The key comes: all are taken, in order.
    let mut config = server_config();
    config.external_keys = true;
    let mut rogue = RogueClient::unknown(config, Seed::from_env_or(1315));
    let key = rogue.key().clone();
    let conn = rogue.connect();
    let pings = [1, 2, 3].map(|n| rogue.say(conn, Said::Ping(n)));
    assert_eq!(
        rogue.events(),
        [Event::KeyNeeded {
            auth_key_id: key.id()
        }]
    );
    assert_eq!(rogue.hear_said(conn), []);
    rogue
        .server
        .provide_key(rogue.now(), key.id(), Some(key.clone()));
    let refused: Vec<_> = rogue
        .hear_said(conn)
        .into_iter()
        .map(|said| match said {
            Said::BadSalt { bad, .. } => bad,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(refused, pings);
}

#[test]
fn a_key_that_does_not_come_closes_the_stream() {
    let stranger = |seed| {
        let mut config = server_config();
        config.external_keys = true;
        let mut rogue = RogueClient::unknown(config, Seed::from_env_or(seed));
        let conn = rogue.connect();
        (rogue, conn)
    };
    // The owner says that there is none.
    let (mut rogue, conn) = stranger(1317);
    rogue.say(conn, Said::Ping(1));
    let id = rogue.key().id();
    rogue.server.provide_key(rogue.now(), id, None);
    assert_eq!(rogue.statuses(conn), [-404]);
    // The owner says nothing.
    let (mut rogue, conn) = stranger(1319);
    rogue.say(conn, Said::Ping(1));
    rogue.later(secs(60));
    assert_eq!(rogue.closed(conn), Some(Error::Silent));
    // The client sends more and more: many small packets, a few large ones.
    let (mut rogue, conn) = stranger(1321);
    let mut sent = 0;
    while rogue.closed(conn).is_none() {
        rogue.say(conn, Said::Ping(1));
        sent += 1;
        assert!(sent <= 65);
    }
    assert_eq!(rogue.closed(conn), Some(Error::Status { code: -429 }));
    let (mut rogue, conn) = stranger(1323);
    let mut sent = 0;
    while rogue.closed(conn).is_none() {
        rogue.say(conn, Said::other(&vec![0; 1 << 19]));
        sent += 1;
        assert!(sent <= 3);
    }
    assert_eq!(rogue.closed(conn), Some(Error::Status { code: -429 }));
}

#[test]
fn quick_acks_are_told_at_once_and_many_of_them_close_nothing() {
    let (mut rogue, conn) = settled_server(1325);
    let mut tokens = Vec::new();
    for n in 0..600 {
        let plain = rogue.plain(&Said::Ping(n));
        let bytes = plain.to_bytes(rogue.dice());
        let packet = mtproto_test::tamper::seal_bytes(
            &rogue.key().clone(),
            mtproto_proto::crypto::Direction::ToServer,
            &bytes,
        );
        let token = mtproto_proto::crypto::msg_key(
            rogue.key(),
            mtproto_proto::crypto::Direction::ToServer,
            &bytes,
        );
        tokens.push(token.quick_ack);
        if n == 0 {
            rogue.send_packet(conn, &packet, true);
            assert_eq!(rogue.quick_acks(conn), [token.quick_ack]);
            rogue.reads(conn, false);
        } else {
            rogue.send_packet(conn, &packet, true);
        }
    }
    assert_eq!(rogue.closed(conn), None);
    rogue.reads(conn, true);
    let heard = rogue.quick_acks(conn);
    assert_eq!(heard.len(), 64);
    assert_eq!(heard[..], tokens[1..=64]);
}
