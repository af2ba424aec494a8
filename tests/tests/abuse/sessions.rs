//! Floods within a key: sessions, calls, answers that nobody reads.

use bytes::Bytes;
use mtproto_proto::MsgId;
use mtproto_proto::server::Event;
use mtproto_proto::session::MAX_ANSWER;
use mtproto_schema::mtproto::functions::RpcDropAnswer;
use mtproto_schema::mtproto::types::{BadMsgNotification, Pong, RpcError, RpcResult};
use mtproto_schema::{Constructor, Decode, Encode};
use mtproto_test::alloc::{held, peak};
use mtproto_test::tamper::Item;

use crate::both::server_config;
use crate::house::{Client, House, TOO_MANY, secs};

/// The answers to calls among what was heard.
fn results(house: &mut House, client: &mut Client) -> Vec<Bytes> {
    let result = |item: Item| Some(RpcResult::from_bytes(&item.body.into()).ok()?.result.0);
    house.hear(client).into_iter().filter_map(result).collect()
}

#[test]
fn thousands_of_sessions_of_one_key_cost_others_none() {
    let mut config = server_config();
    config.max_sessions = 100;
    config.max_sessions_per_key = 64;
    let mut house = House::new(config, 4_301);
    // A call that is answered while its client is away.
    let mut honest = house.client();
    house.say(&mut honest, true, b"call".to_vec());
    let (id, _) = house.calls().pop().unwrap();
    house.disconnect(honest.conn);
    assert!(house.server.respond(house.now, id, b"answered"[..].into()));

    let bad = [house.client(), house.client()];
    let before = held();
    for n in 0..2_000_usize {
        let mut sibling = house.sibling(&bad[n % 2]);
        house.is_served(&mut sibling);
        house.disconnect(sibling.conn);
    }
    let sessions = house.server.sessions().count();
    assert!(sessions <= 100, "{sessions}");
    let most = held() - before;
    assert!(most < 100 * 8_000, "{most} bytes");
    assert!(house.server.stats().sessions_displaced >= 1_800);

    honest.conn = house.connect();
    house.say(&mut honest, false, vec![0; 4]);
    assert_eq!(results(&mut house, &mut honest), [&b"answered"[..]]);
}

#[test]
fn a_member_of_a_container_from_the_future_is_refused_and_the_key_goes_on() {
    let mut house = House::new(server_config(), 4_312);
    let mut client = house.client();
    let mut item = client.peer.item(house.now, true, b"call".to_vec());
    item.msg_id = MsgId(i64::MAX & !3);
    let plain = client.peer.container(house.now, &[item]);
    let packet = client.peer.seal(&plain);
    house.send_packet(client.conn, &packet);
    assert_eq!(house.calls(), []);
    let refused = house.hear(&mut client);
    let refused: Vec<i32> = refused
        .into_iter()
        .filter_map(|item| BadMsgNotification::from_bytes(&item.body.into()).ok())
        .map(|bad| bad.error_code)
        .collect();
    assert_eq!(refused, [17]);
    // The session moves on to another stream, and what comes after it is not taken for old.
    house.disconnect(client.conn);
    client.conn = house.connect();
    house.assert_served(&mut client);
    house.disconnect(client.conn);
    house.later(secs(3_700));
    assert_eq!(house.server.sessions().count(), 0);
    let mut sibling = house.sibling(&client);
    house.assert_served(&mut sibling);
}

#[test]
fn a_session_with_a_stream_and_something_unanswered_does_not_give_way() {
    let mut config = server_config();
    config.max_sessions_per_key = 3;
    let mut house = House::new(config, 4_302);
    let mut first = house.client();
    house.say(&mut first, true, b"call".to_vec());
    let (id, _) = house.calls().pop().unwrap();
    for _ in 0..20 {
        house.later(secs(1));
        let mut sibling = house.sibling(&first);
        house.assert_served(&mut sibling);
    }
    assert!(house.server.respond(house.now, id, b"answered"[..].into()));
    assert_eq!(results(&mut house, &mut first), [&b"answered"[..]]);
    // When none can go, whoever comes last is refused.
    let mut busy: Vec<Client> = (0..3)
        .map(|_| {
            house.later(secs(1));
            let mut sibling = house.sibling(&first);
            house.assert_served(&mut sibling);
            house.say(&mut sibling, true, b"call".to_vec());
            sibling
        })
        .collect();
    let mut late = house.sibling(&first);
    assert!(!house.is_served(&mut late));
    assert_eq!(house.closed(late.conn), Some(TOO_MANY));
    for client in &mut busy {
        house.assert_served(client);
    }
    assert_eq!(house.server.stats().sessions_refused, 1);
}

#[test]
fn calls_that_nobody_answers_are_bounded_over_all_and_leave_room_for_others() {
    const BOUND: usize = 8 << 20;
    let mut config = server_config();
    config.max_running_bytes = BOUND;
    let mut house = House::new(config, 4_303);
    let bad = house.client();
    let mut siblings: Vec<Client> = (0..30).map(|_| house.sibling(&bad)).collect();
    let ((), most) = peak(|| {
        for _ in 0..20 {
            for sibling in &mut siblings {
                house.say(sibling, true, vec![1; 100_000]);
                // The owner takes them and does nothing.
                house.events();
            }
        }
    });
    assert!(most < BOUND + (4 << 20), "{most} bytes");
    assert!(house.server.stats().calls_refused > 0);
    let told = results(&mut house, &mut siblings[7]);
    let error = RpcError::from_bytes(told.last().unwrap()).unwrap();
    assert_eq!(error.error_code, 429);

    let mut honest = house.client();
    house.say(&mut honest, true, vec![1; 20_000]);
    let (id, key) = house.calls().pop().expect("it is handed out");
    assert_eq!(key, honest.peer.key.id());
    assert!(house.server.respond(house.now, id, b"answered"[..].into()));
    assert_eq!(results(&mut house, &mut honest), [&b"answered"[..]]);
    // Tiny ones count for what they take.
    let mut counted = house.sibling(&honest);
    for _ in 0..3 {
        let items: Vec<_> = (0..1_000)
            .map(|_| counted.peer.item(house.now, true, vec![1; 4]))
            .collect();
        let plain = counted.peer.container(house.now, &items);
        let packet = counted.peer.seal(&plain);
        house.send_packet(counted.conn, &packet);
    }
    assert!(house.calls().len() < BOUND / 256 / 5);
}

#[test]
fn clients_that_never_acknowledge_hold_no_more_than_the_bound_whatever_the_answers_length() {
    const BOUND: usize = 2 << 20;
    for len in [4, 20_000] {
        let mut config = server_config();
        config.max_unacked_bytes = BOUND;
        let mut house = House::new(config, 4_304);
        let mut honest = house.client();
        house.say(&mut honest, true, b"call".to_vec());
        let (waiting, _) = house.calls().pop().unwrap();
        let bad = house.client();
        let mut siblings: Vec<Client> = (0..20).map(|_| house.sibling(&bad)).collect();
        let answer = Bytes::from(vec![7; len]);
        let before = held();
        let mut most = 0;
        for _ in 0..12 {
            for sibling in &mut siblings {
                let items: Vec<_> = (0..100)
                    .map(|_| sibling.peer.item(house.now, true, vec![1; 4]))
                    .collect();
                let plain = sibling.peer.container(house.now, &items);
                let packet = sibling.peer.seal(&plain);
                house.send_packet(sibling.conn, &packet);
                for (id, _) in house.calls() {
                    // Each with bytes of its own.
                    let answer = Bytes::copy_from_slice(&answer);
                    house.server.respond(house.now, id, answer);
                }
                // They read, and say nothing.
                house.packets(sibling.conn);
                most = most.max(held() - before);
            }
        }
        let slack = 20 * 100_000;
        assert!(most < (BOUND + slack) as isize, "{len}: {most} bytes");
        let now = house.now;
        assert!(house.server.respond(now, waiting, b"answered"[..].into()));
        assert_eq!(results(&mut house, &mut honest), [&b"answered"[..]]);
    }
}

#[test]
fn a_client_that_asks_without_reading_disturbs_nobody() {
    let mut config = server_config();
    config.session.max_notice_bytes = 1 << 20;
    let mut house = House::new(config, 4_305);
    let mut honest = house.client();
    let mut bad = house.client();
    house.reads(bad.conn, false);
    let ((), most) = peak(|| {
        // Salts make much of little.
        let salts = mtproto_schema::mtproto::functions::GetFutureSalts { num: 64 };
        let salts = salts.to_bytes().to_vec();
        let mut packets = 0;
        while house.closed(bad.conn).is_none() {
            packets += 1;
            assert!(packets <= 20, "it may ask for ever");
            let items: Vec<_> = (0..500)
                .map(|_| bad.peer.item(house.now, false, salts.clone()))
                .collect();
            let plain = bad.peer.container(house.now, &items);
            let packet = bad.peer.seal(&plain);
            house.send_packet(bad.conn, &packet);
            house.assert_served(&mut honest);
        }
    });
    assert!(most < 4 << 20, "{most} bytes");
}

#[test]
fn a_flood_of_small_calls_is_handed_out_in_turn_with_the_honest_one() {
    let mut house = House::new(server_config(), 4_306);
    let mut honest = house.client();
    let mut bad = house.client();
    for _ in 0..20 {
        let items: Vec<_> = (0..1_000)
            .map(|_| bad.peer.item(house.now, true, vec![1; 4]))
            .collect();
        let plain = bad.peer.container(house.now, &items);
        let packet = bad.peer.seal(&plain);
        house.send_packet(bad.conn, &packet);
    }
    house.say(&mut honest, true, b"call".to_vec());
    let calls = house.calls();
    // A session has 16,384 at most; the honest call is there, behind them.
    assert_eq!(calls.len(), 16_384 + 1);
    let (id, key) = *calls.last().unwrap();
    assert_eq!(key, honest.peer.key.id());
    assert!(house.server.respond(house.now, id, b"answered"[..].into()));
    assert_eq!(results(&mut house, &mut honest), [&b"answered"[..]]);
}

#[test]
fn the_end_of_a_session_is_not_forgotten_for_the_sessions_of_many_others() {
    let mut house = House::new(server_config(), 4_307);
    let mut victim = house.client();
    let call = victim.peer.plain(house.now, true, b"call".to_vec());
    let packet = victim.peer.seal(&call);
    house.send_packet(victim.conn, &packet);
    assert_eq!(house.calls().len(), 1);
    let destroy = |house: &mut House, client: &mut Client| {
        // From another session of the key, as nobody destroys his own.
        let session_id = client.peer.session.0;
        let mut other = house.sibling(client);
        let body = mtproto_schema::mtproto::functions::DestroySession { session_id };
        house.say(&mut other, false, body.to_bytes().to_vec());
        house.disconnect(other.conn);
    };
    destroy(&mut house, &mut victim);
    for _ in 0..17_000 {
        let mut other = house.client();
        destroy(&mut house, &mut other);
        house.disconnect(other.conn);
        house.events();
    }
    let conn = house.connect();
    house.send_packet(conn, &packet);
    let again = house.events();
    assert!(
        !again.iter().any(|e| matches!(e, Event::Request { .. })),
        "a copy was executed"
    );
}

#[test]
fn sessions_that_are_destroyed_leave_the_stream_that_they_spoke_through() {
    let mut house = House::new(server_config(), 4_308);
    let mut client = house.client();
    let mut other = house.sibling(&client);
    house.disconnect(other.conn);
    other.conn = client.conn;
    let mut live_once = |house: &mut House, other: &mut Client| {
        house.assert_served(other);
        let session_id = other.peer.session.0;
        let body = mtproto_schema::mtproto::functions::DestroySession { session_id };
        house.say(&mut client, false, body.to_bytes().to_vec());
        house.events();
    };
    // More of them than speak through one stream at once, …
    for _ in 0..40 {
        live_once(&mut house, &mut other);
        house.later(secs(1));
        other.peer.renew();
    }
    // … and the same again and again.
    let before = held();
    for _ in 0..6_000 {
        live_once(&mut house, &mut other);
    }
    let kept = held() - before;
    // The ids of the messages that came take eight bytes each.
    assert!(kept < 80_000, "{kept} bytes");
}

#[test]
fn a_call_whose_answer_is_too_long_can_be_answered_otherwise() {
    let mut house = House::new(server_config(), 4_309);
    let mut client = house.client();
    house.say(&mut client, true, b"call".to_vec());
    let (id, _) = house.calls().pop().unwrap();
    let too_long = Bytes::from(vec![0; MAX_ANSWER + 4]);
    assert!(!house.server.respond(house.now, id, too_long));
    let told = house.server.respond_error(house.now, id, 500, "TOO_LONG");
    assert!(told, "it waits still");
    let error = RpcError::from_bytes(&results(&mut house, &mut client)[0]).unwrap();
    assert_eq!(error.error_code, 500);
}

#[test]
fn calls_that_the_owner_has_not_taken_are_bounded_though_they_are_dropped() {
    const BOUND: usize = 4 << 20;
    let mut config = server_config();
    config.max_running_bytes = BOUND;
    let mut house = House::new(config, 4_310);
    let mut bad = house.client();
    let before = held();
    for _ in 0..40 {
        let call = bad.peer.item(house.now, true, vec![1; 500_000]);
        let dropped = RpcDropAnswer {
            req_msg_id: call.msg_id.0,
        };
        let drop = bad.peer.item(house.now, false, dropped.to_bytes().to_vec());
        let plain = bad.peer.container(house.now, &[call, drop]);
        let packet = bad.peer.seal(&plain);
        let bytes = house.frame(bad.conn, &packet);
        // The owner takes no events.
        house.server.handle_input(house.now, bad.conn, &bytes);
    }
    let most = held() - before;
    assert!(most < BOUND as isize + (1 << 20), "{most} bytes");
    house.events();
    house.assert_served(&mut bad);
    house.say(&mut bad, true, b"call".to_vec());
    assert_eq!(house.calls().len(), 1, "once they are taken");
}

#[test]
fn ids_that_sessions_remember_are_bounded_over_all_and_none_is_executed_twice() {
    let mut house = House::new(server_config(), 4_311);
    let mut honest = house.client();
    let bad = house.client();
    let pong = [&Pong::ID.to_le_bytes()[..], &[0; 16]].concat();
    let flood = |house: &mut House, sibling: &mut Client| {
        // It does not read the acknowledgements.
        house.reads(sibling.conn, false);
        for _ in 0..16 {
            let items: Vec<_> = (0..1_020)
                .map(|_| sibling.peer.item(house.now, true, pong.clone()))
                .collect();
            let plain = sibling.peer.container(house.now, &items);
            let packet = sibling.peer.seal(&plain);
            house.send_packet(sibling.conn, &packet);
        }
    };
    let mut first = house.sibling(&bad);
    house.say(&mut first, true, b"call".to_vec());
    let call = house.say(&mut first, true, b"call".to_vec());
    assert_eq!(house.calls().len(), 2);
    let before = held();
    for n in 0..60 {
        let mut sibling = house.sibling(&bad);
        flood(&mut house, &mut sibling);
        house.disconnect(sibling.conn);
        if n == 0 {
            flood(&mut house, &mut first);
        }
    }
    let most = held() - before;
    assert!(most < 24 << 20, "{most} bytes");
    house.disconnect(first.conn);
    first.conn = house.connect();
    let again = first.peer.container(house.now, &[call]);
    let packet = first.peer.seal(&again);
    house.send_packet(first.conn, &packet);
    assert!(house.calls().is_empty(), "it was executed");
    house.assert_served(&mut first);
    house.assert_served(&mut honest);
}

#[test]
fn a_change_of_the_stream_does_not_look_at_all_that_is_not_acknowledged() {
    let mut house = House::new(server_config(), 4_312);
    let mut bad = house.client();
    let dropped = RpcDropAnswer { req_msg_id: 0 }.to_bytes().to_vec();
    for _ in 0..16 {
        let items: Vec<_> = (0..1_000)
            .map(|_| bad.peer.item(house.now, false, dropped.clone()))
            .collect();
        let plain = bad.peer.container(house.now, &items);
        let packet = bad.peer.seal(&plain);
        house.send_packet(bad.conn, &packet);
        // It reads, and acknowledges nothing.
        house.packets(bad.conn);
    }
    let conns = [house.connect(), bad.conn, house.connect()];
    let mut frames = Vec::new();
    for conn in conns {
        let plain = bad
            .peer
            .plain(house.now, false, Pong::ID.to_le_bytes().to_vec());
        let packet = bad.peer.seal(&plain);
        frames.push(house.frame(conn, &packet));
    }
    for (conn, bytes) in conns.into_iter().zip(&frames) {
        let (_, most) = peak(|| house.server.handle_input(house.now, conn, bytes));
        assert!(most < 20_000, "{most} bytes are set aside");
        // A packet's worth of it leaves.
        let mut out = Vec::new();
        assert!(house.server.poll_transmit(house.now, conn, &mut out));
        assert!(out.len() > 30_000);
    }
    // All of it comes again in the end.
    let mut out = Vec::new();
    while house.server.poll_transmit(house.now, conns[2], &mut out) {}
    assert!(out.len() > 15 * 1_000 * 32, "{} bytes", out.len());
}

#[test]
fn a_large_answer_makes_sessions_forget_as_many_small_ones_as_it_takes() {
    const BOUND: usize = 1 << 20;
    let mut config = server_config();
    config.max_unacked_bytes = BOUND;
    let mut house = House::new(config, 4_311);
    let mut clients = [(); 2].map(|()| house.client());
    let before = held();
    for (client, count, len) in [(0, 100, 9_000), (1, 1, 400_000)] {
        house.reads(clients[client].conn, false);
        for _ in 0..count {
            house.say(&mut clients[client], true, b"the call".to_vec());
            let (id, _) = house.calls().remove(0);
            let answer = Bytes::from(vec![7; len]);
            assert!(house.server.respond(house.now, id, answer));
        }
    }
    let held = held() - before;
    assert!(held < BOUND as isize + 100_000, "{held} bytes");
    assert!(
        held > BOUND as isize - 100_000,
        "no more than it takes: {held} bytes"
    );
}
