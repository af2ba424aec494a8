//! Floods of keys.

use mtproto_proto::crypto::AuthKey;
use mtproto_proto::handshake::bind::{BindInner, bind_message};
use mtproto_proto::handshake::client;
use mtproto_proto::server::{Action, Event};
use mtproto_proto::transport::Frame;
use mtproto_proto::{AuthKeyId, ConnId};
use mtproto_test::peer;

use crate::both::{client_config, server_config};
use crate::house::{Client, House, TOO_MANY, secs};

fn forgotten(house: &mut House) -> Vec<AuthKeyId> {
    let gone = |event| match event {
        Event::KeyForgotten { auth_key_id } => Some(auth_key_id),
        _ => None,
    };
    house.events().into_iter().filter_map(gone).collect()
}

#[test]
fn h7_a_key_that_was_used_outlives_a_flood_of_keys_that_were_not() {
    let mut config = server_config();
    config.max_keys = 6;
    let mut house = House::new(config, 4_201);
    let mut stored = house.client();
    let conn = house.connect();
    let mut made = house.newcomer(conn).unwrap();
    house.assert_served(&mut made);
    house.events();
    for n in 0..12 {
        let conn = house.connect();
        assert!(house.make_key(conn, None).is_some(), "{n}");
        house.disconnect(conn);
        house.later(secs(1));
    }
    let gone = forgotten(&mut house);
    assert_eq!(gone.len(), 8);
    assert_eq!(house.server.stats().keys_forgotten, 8);
    for client in [&mut stored, &mut made] {
        assert!(!gone.contains(&client.peer.key.id()));
        house.assert_served(client);
        // And over another stream.
        client.conn = house.connect();
        house.assert_served(client);
    }
}

#[test]
fn h7_without_room_for_another_key_it_is_refused_before_it_is_made() {
    let mut config = server_config();
    config.max_keys = 2;
    let mut house = House::new(config, 4_202);
    let mut clients = [(); 2].map(|()| house.client());
    let conn = house.connect();
    assert!(house.make_key(conn, None).is_none());
    assert_eq!(house.frames(conn), [Frame::Status(-429)]);
    assert_eq!(house.server.stats().keys_refused, 1);
    // Not the first question: that costs little, and there may be room by the time of the second.
    let conn = house.connect();
    let question = house.first_question();
    house.send_packet(conn, &question);
    assert_eq!(house.packets(conn).len(), 1);
    for client in &mut clients {
        house.assert_served(client);
    }
}

#[test]
fn h7_a_key_for_which_there_was_room_when_it_was_begun_is_told_429_too() {
    let mut config = server_config();
    config.max_keys = 1;
    let mut house = House::new(config, 4_206);
    let conn = house.connect();
    let known = client_config();
    let known = client::Config::new(known.public_keys, known.dc);
    let (now, mut rng) = (house.now, house.dice.rng());
    let (mut steps, mut first) = (0, None);
    let made = peer::make_key(known, now, &mut rng, |packet| {
        steps += 1;
        if steps == 3 {
            first = Some(house.client());
        }
        house.send_packet(conn, packet);
        match house.frames(conn).pop() {
            Some(Frame::Packet { data, .. }) => data.to_vec(),
            told => {
                assert_eq!(told, Some(Frame::Status(-429)));
                Vec::new()
            }
        }
    });
    assert!(made.is_err());
    assert_eq!(steps, 3);
    assert_eq!(house.server.stats().keys_refused, 1);
    house.assert_served(&mut first.unwrap());
}

#[test]
fn keys_that_came_and_went_are_in_the_next_change() {
    let mut config = server_config();
    config.journal = true;
    config.max_keys = 1;
    let mut house = House::new(config, 4_207);
    let mut state = house.server.suspend();
    let mut known = Vec::new();
    for _ in 0..2 {
        let conn = house.connect();
        let key = house.make_key(conn, None).unwrap().key.id();
        state.apply(house.server.poll_change().unwrap());
        assert_eq!(*state.to_bytes(), *house.server.suspend().to_bytes());
        assert_eq!(state.keys().collect::<Vec<_>>(), [key]);
        known.push(key);
    }
    assert_eq!(forgotten(&mut house), known[..1], "the unused one gave way");
}

#[test]
fn keys_that_nobody_vouches_for_give_way_if_the_owner_wants_it() {
    let mut config = server_config();
    config.max_keys = 3;
    config.forget_unkept_keys = true;
    let mut house = House::new(config, 4_203);
    let mut kept = house.client();
    house.server.keep_key(house.now, kept.peer.key.id(), true);
    for _ in 0..5 {
        let conn = house.connect();
        let mut used = house.newcomer(conn).unwrap();
        house.assert_served(&mut used);
        house.later(secs(61));
        kept.conn = house.connect();
        house.assert_served(&mut kept);
    }
    assert_eq!(forgotten(&mut house).len(), 3);
    // Its login ended: it is the first to go, unless it is used.
    let id = kept.peer.key.id();
    house.server.keep_key(house.now, id, false);
    house.later(secs(600));
    for _ in 0..2 {
        let conn = house.connect();
        let mut used = house.newcomer(conn).unwrap();
        house.assert_served(&mut used);
        house.later(secs(61));
    }
    house.later(secs(61));
    let conn = house.connect();
    assert!(house.make_key(conn, None).is_some());
    assert!(forgotten(&mut house).contains(&id));
}

#[test]
fn a_stored_key_for_which_there_is_no_room_is_not_denied() {
    let mut config = server_config();
    config.max_keys = 1;
    config.external_keys = true;
    let mut house = House::new(config.clone(), 4_204);
    let _first = house.client();
    // Somebody can be asked for the first one again.
    let mut second = house.client();
    house.assert_served(&mut second);

    config.max_keys = 0;
    let mut house = House::new(config, 4_205);
    let key = AuthKey::from_bytes(&house.dice.array());
    let peer = mtproto_test::Peer::client(key.clone(), 1, house.dice.fork());
    let conn = house.connect();
    let mut client = Client { peer, conn };
    house.say(&mut client, false, vec![0; 4]);
    house.server.provide_key(house.now, key.id(), Some(key));
    assert_eq!(house.frames(conn), [Frame::Status(-429)], "not -404");
}

#[test]
fn a_key_that_is_over_is_asked_for_once() {
    let mut config = server_config();
    config.external_keys = true;
    let mut house = House::new(config, 4_207);
    let conn = house.connect();
    let complete = house.make_key(conn, Some(60)).unwrap();
    let peer = mtproto_test::Peer::client(complete.key.clone(), complete.salt, house.dice.fork());
    let mut client = Client { peer, conn };
    house.assert_served(&mut client);
    // Its end comes, and a packet before the timer.
    house.now = house.now + secs(60);
    house.events();
    house.say(&mut client, false, vec![0; 4]);
    let mut asked = 0;
    while let Some(Event::KeyNeeded { auth_key_id }) = house.events().pop() {
        asked += 1;
        assert!(asked < 10, "asked for again and again");
        house.server.provide_key(house.now, auth_key_id, None);
    }
    assert_eq!(asked, 1);
    assert_eq!(house.frames(conn).last(), Some(&Frame::Status(-404)));
}

#[test]
fn events_that_the_owner_does_not_take_are_bounded_and_then_streams_are_refused() {
    const BOUND: usize = 1 << 17;
    let mut config = server_config();
    config.external_keys = true;
    let mut house = House::new(config, 4_208);
    let mut honest = house.client();
    house.events();
    // Strangers, each with a packet under a key of its own that nobody knows.
    let knock = |house: &mut House, n: usize| {
        let conn = ConnId(1_000_000 + n as u64);
        let mut bytes = vec![0xEE, 0xEE, 0xEE, 0xEE, 40, 0, 0, 0];
        bytes.extend([&(n as u64 + 1).to_le_bytes()[..], &[0; 32]].concat());
        house.server.handle_connected(house.now, conn);
        house.server.handle_input(house.now, conn, &bytes);
        let mut refused = None;
        while let Some(action) = house.server.poll_action() {
            if let Action::Close { error, .. } = action {
                refused = Some(error);
            }
        }
        house.server.handle_closed(house.now, conn);
        refused
    };
    for n in 0..BOUND {
        assert_eq!(knock(&mut house, n), None, "{n}");
    }
    for n in BOUND..BOUND + 9 {
        assert_eq!(knock(&mut house, n), Some(TOO_MANY), "{n}");
    }
    assert_eq!(house.events().len(), BOUND);
    // Once they are taken, everybody is heard again.
    assert_eq!(knock(&mut house, BOUND + 9), None);
    house.assert_served(&mut honest);
}

#[test]
fn temporary_keys_of_one_key_are_bounded_and_the_one_that_ends_first_gives_way() {
    let mut config = server_config();
    config.max_temp_keys_per_key = 3;
    let mut house = House::new(config, 4_206);
    let honest_perm = house.client();
    let mut honest = temp(&mut house, &honest_perm, 5_000);
    let perm = house.client();
    let mut temps = Vec::new();
    for n in 0..6_u32 {
        temps.push(temp(&mut house, &perm, 50_000 - n * 1_000));
    }
    let alive: Vec<bool> = temps
        .iter_mut()
        .map(|client| {
            client.conn = house.connect();
            house.is_served(client)
        })
        .collect();
    // Each newcomer ends sooner than all before and may stay: the one before it goes.
    assert_eq!(alive, [true, true, false, false, false, true]);
    house.assert_served(&mut honest);
    for key in [&perm, &honest_perm] {
        let mut again = house.sibling(key);
        house.assert_served(&mut again);
    }
    let left = house.server.poll_timeout();
    assert!(left.is_some_and(|at| at > house.now));
}

/// A client with a temporary key that is bound.
fn temp(house: &mut House, perm: &Client, expires_in: u32) -> Client {
    let conn = house.connect();
    let made = house.make_key(conn, Some(expires_in)).unwrap();
    let expires_at = made.expires_at.unwrap();
    let peer = mtproto_test::Peer::client(made.key, made.salt, house.dice.fork());
    let mut client = Client { peer, conn };
    let call = house.say(&mut client, true, b"bind".to_vec());
    let (id, _) = house.calls().pop().unwrap();
    let inner = BindInner {
        nonce: 7,
        temp_auth_key_id: client.peer.key.id(),
        perm_auth_key_id: perm.peer.key.id(),
        temp_session_id: client.peer.session,
        expires_at,
    };
    let mut rng = house.dice.rng();
    let message = bind_message(&perm.peer.key, call.msg_id, &inner, &mut rng);
    let (now, perm) = (house.now, perm.peer.key.id().0);
    house
        .server
        .bind_temp_key(now, id, perm, 7, expires_at, &message)
        .unwrap();
    house.server.respond(now, id, b"done"[..].into());
    house.hear(&mut client);
    client
}
