//! T4, T6: floods of streams, and streams that are not what they seem.

use std::time::Duration;

use mtproto_proto::connection::Error;
use mtproto_proto::transport::{Frame, Framing, Obfuscation};
use mtproto_proto::{ConnId, DcId};
use mtproto_schema::Encode;
use mtproto_schema::mtproto::functions::Ping;
use mtproto_test::alloc::{held, peak};

use crate::both::server_config;
use crate::house::{House, TOO_MANY, secs};

fn obfuscated() -> Option<Obfuscation> {
    Some(Obfuscation {
        secret: None,
        dc: Some(DcId(2)),
    })
}

#[test]
fn t6_a_flood_of_streams_that_never_speak_displaces_strangers_only() {
    let mut config = server_config();
    config.max_streams = 100;
    let mut house = House::new(config, 4_001);
    let mut honest = house.client();
    let before = held();
    let mut most = 0;
    for n in 0..5_000 {
        let conn = house.connect();
        if n % 2 == 0 {
            // A beginning, and nothing more.
            house.send_bytes(conn, &[0xee; 4]);
        }
        most = most.max(held() - before);
        if n % 500 == 0 {
            house.assert_served(&mut honest);
            // Somebody new is let in, and served before he has to give way.
            let newcomer = house.connect();
            assert!(house.newcomer(newcomer).is_some(), "after {n}");
            house.disconnect(newcomer);
            house.later(secs(1));
        }
    }
    assert!(house.server.streams() <= 100);
    assert_eq!(house.closed(ConnId(2)), Some(TOO_MANY));
    assert!(house.server.stats().streams_displaced >= 4_900);
    // What the test itself keeps of a stream is some hundred bytes.
    assert!(most < 5_000 * 1_024 + 100 * 10_000, "{most} bytes");
    house.later(secs(61));
    assert_eq!(house.server.streams(), 1, "the silent ones are gone");
    house.assert_served(&mut honest);
}

#[test]
fn t6_who_finds_no_place_is_told_429_in_his_framing() {
    let mut config = server_config();
    config.max_streams = 3;
    config.max_refused_streams = 4;
    let mut house = House::new(config, 4_002);
    let mut clients = [(); 3].map(|()| house.client());
    for (framing, obfuscation) in [
        (Framing::Abridged, None),
        (Framing::Intermediate, None),
        (Framing::PaddedIntermediate, None),
        (Framing::Full, None),
        (Framing::Abridged, obfuscated()),
        (Framing::PaddedIntermediate, obfuscated()),
    ] {
        let conn = house.connect_as(framing, obfuscation, None);
        let packet = house.first_question();
        let bytes = house.frame(conn, &packet);
        // Its first bytes do.
        let (first, rest) = bytes.split_at(bytes.len().min(65));
        house.send_bytes(conn, first);
        assert_eq!(house.closed(conn), Some(TOO_MANY), "{framing:?}");
        house.send_bytes(conn, rest);
        assert_eq!(house.frames(conn), [Frame::Status(-429)], "{framing:?}");
        house.disconnect(conn);
    }
    assert_eq!(house.server.stats().streams_refused, 6);
    assert_eq!(house.server.stats().streams_displaced, 0);

    // Those that do not even show it are kept for a moment, and not in any number.
    let silent = [(); 6].map(|()| house.connect());
    assert_eq!(house.server.streams(), 3 + 4);
    let closed = silent.map(|conn| house.closed(conn));
    assert_eq!(closed[3], None);
    assert_eq!(closed[4..], [Some(TOO_MANY), Some(TOO_MANY)]);
    house.later(secs(5));
    assert_eq!(house.closed(silent[0]), Some(Error::Silent));
    assert_eq!(house.server.streams(), 3);
    for client in &mut clients {
        house.assert_served(client);
    }
}

#[test]
fn t6_many_streams_of_one_key_displace_each_other_and_nobody_else() {
    let mut config = server_config();
    config.max_streams = 200;
    config.max_streams_per_key = 10;
    let mut house = House::new(config, 4_003);
    let mut honest = house.client();
    let mut bad = house.client();
    // One session that changes its stream each time, and sessions of their own.
    for n in 0..2_000 {
        house.later(Duration::from_millis(1));
        if n % 2 == 0 {
            bad.conn = house.connect();
            house.is_served(&mut bad);
        } else {
            let mut sibling = house.sibling(&bad);
            house.is_served(&mut sibling);
        }
    }
    assert!(house.server.streams() <= 11, "{}", house.server.streams());
    house.assert_served(&mut honest);
    house.assert_served(&mut bad);
    // It has as many as it may, and the honest one may have another.
    let mut second = house.sibling(&honest);
    house.assert_served(&mut second);
}

#[test]
fn t6_when_all_seats_are_taken_the_client_that_has_most_gives_way() {
    let mut config = server_config();
    config.max_streams = 40;
    let mut house = House::new(config, 4_004);
    let mut honest = house.client();
    let bad = house.client();
    let mut siblings: Vec<_> = (0..50).map(|_| house.sibling(&bad)).collect();
    for sibling in &mut siblings {
        house.is_served(sibling);
    }
    for _ in 0..20 {
        let conn = house.connect();
        let mut newcomer = house.newcomer(conn).unwrap();
        house.assert_served(&mut newcomer);
        house.assert_served(&mut honest);
    }
    assert!(house.server.streams() <= 40);
    assert_eq!(house.server.stats().streams_refused, 0);
}

#[test]
fn t6_copies_of_a_packet_give_no_place_and_cost_its_sender_none() {
    let mut config = server_config();
    config.max_streams_per_key = 2;
    let mut house = House::new(config, 4_005);
    let mut honest = house.client();
    let body = Ping { ping_id: 1 }.to_bytes().to_vec();
    let plain = honest.peer.plain(house.now, false, body);
    let packet = honest.peer.seal(&plain);
    house.send_packet(honest.conn, &packet);
    house.hear(&mut honest);
    // Whoever was listening sends it again, over streams of his own.
    let copies = [(); 20].map(|()| {
        let conn = house.connect();
        house.send_packet(conn, &packet);
        conn
    });
    assert_eq!(house.closed(honest.conn), None);
    house.later(secs(60));
    for copy in copies {
        assert_eq!(house.closed(copy), Some(Error::Silent), "a stranger's time");
    }
    house.assert_served(&mut honest);
}

#[test]
fn t6_frames_that_never_end_hold_no_more_than_their_bound() {
    const BOUND: usize = 4 << 20;
    let mut config = server_config();
    config.max_input_bytes = BOUND;
    let mut house = House::new(config, 4_006);
    let mut honest = house.client();
    let mut held_most = 0;
    let before = held();
    for n in 0..300 {
        let conn = house.connect();
        let announced = 1_000_000_u32.to_le_bytes();
        house.send_bytes(conn, &[&[0xee; 4][..], &announced].concat());
        house.send_bytes(conn, &vec![7; 60_000]);
        held_most = held_most.max(held() - before);
        if n % 50 == 0 {
            house.assert_served(&mut honest);
        }
    }
    let streams = 300 * 4_000;
    assert!(
        held_most < (BOUND + streams) as isize,
        "{held_most} bytes for {BOUND}"
    );
    assert!(house.server.stats().inputs_shed > 100);

    // A long packet that takes its time comes through between them: it has a key.
    let body = vec![1; 500_000];
    let plain = honest.peer.plain(house.now, true, body);
    let packet = honest.peer.seal(&plain);
    let bytes = house.frame(honest.conn, &packet);
    for piece in bytes.chunks(50_000) {
        house.later(secs(1));
        house.send_bytes(honest.conn, piece);
        let conn = house.connect();
        let announced = 1_000_000_u32.to_le_bytes();
        house.send_bytes(conn, &[&[0xee; 4][..], &announced].concat());
        house.send_bytes(conn, &vec![7; 900_000]);
    }
    assert_eq!(house.calls().len(), 1);
}

#[test]
fn t6_who_took_longest_for_a_frame_gives_way_and_not_who_finished_one() {
    let mut config = server_config();
    // The least that is possible: two of the longest frames.
    config.max_input_bytes = 0;
    let mut house = House::new(config, 4_016);
    let begun = [&[0xee; 4][..], &1_000_000_u32.to_le_bytes()].concat();
    // One has asked its question, and holds nothing.
    let done = house.connect();
    let question = house.first_question();
    house.send_packet(done, &question);
    let slow = house.connect();
    house.send_bytes(slow, &begun);
    house.later(secs(1));
    // One began after the slow one, has finished that, and began again.
    let busy = house.connect();
    let question = house.first_question();
    let question = house.frame(busy, &question);
    house.send_bytes(busy, &question[..10]);
    house.later(secs(1));
    house.send_bytes(busy, &[&question[10..], &begun[4..]].concat());
    assert_eq!(house.packets(busy).len(), 1);
    for _ in 0..8 {
        house.later(secs(1));
        house.send_bytes(slow, &vec![7; 100_000]);
    }
    for _ in 0..2 {
        let conn = house.connect();
        house.send_bytes(conn, &begun);
        house.send_bytes(conn, &vec![7; 900_000]);
    }
    assert_eq!(house.server.stats().inputs_shed, 1);
    let closed = [done, slow, busy].map(|conn| house.closed(conn));
    assert_eq!(closed, [None, Some(TOO_MANY), None]);
}

#[test]
fn t6_sources_that_are_gone_take_no_memory() {
    let mut house = House::new(server_config(), 4_017);
    let flood = |house: &mut House, from: u64, asks: bool| {
        for source in from..from + 5_000 {
            let conn = house.connect_from(source);
            if asks {
                let question = house.first_question();
                house.send_packet(conn, &question);
                house.later(Duration::from_millis(1));
            }
            house.disconnect(conn);
        }
        // A source has its handshakes again after a minute; what it left half done is kept longer.
        house.later(secs(3_600));
        house.events();
    };
    for asks in [false, true] {
        flood(&mut house, 0, asks);
        let before = held();
        flood(&mut house, 1_000_000, asks);
        let more = held() - before;
        assert!(more < 50_000, "{more} bytes, asks: {asks}");
    }
}

#[test]
fn t6_packets_that_wait_for_their_key_hold_no_more_than_the_same_bound() {
    const BOUND: usize = 4 << 20;
    let mut config = server_config();
    config.external_keys = true;
    config.max_input_bytes = BOUND;
    let mut house = House::new(config, 4_007);
    let mut honest = house.client();
    let ((), most) = peak(|| {
        for n in 0..100_u64 {
            let conn = house.connect();
            let mut packet = vec![9; 24 + 1_000_000];
            packet[..8].copy_from_slice(&(n + 77).to_le_bytes());
            house.send_packet(conn, &packet);
        }
    });
    // Two copies of a packet are made on the way.
    assert!(most < BOUND + 4_000_000, "{most} bytes");
    assert!(house.server.stats().inputs_shed >= 90);
    house.assert_served(&mut honest);
}

#[test]
fn t4_a_header_that_comes_again_is_met_with_silence_even_in_a_full_house() {
    for full in [false, true] {
        let mut config = server_config();
        if full {
            config.max_streams = 1;
        }
        let mut house = House::new(config, 4_008);
        let conn = house.connect_as(Framing::Intermediate, obfuscated(), None);
        let question = house.first_question();
        let bytes = house.frame(conn, &question);
        house.send_bytes(conn, &bytes);
        assert_eq!(house.packets(conn).len(), 1, "the first time");
        house.disconnect(conn);
        if full {
            let taken = house.client();
            assert_eq!(house.closed(taken.conn), None);
        }
        // Whole, and in two pieces, and with another question behind the header.
        let mut other = bytes.clone();
        *other.last_mut().unwrap() ^= 1;
        for replay in [&bytes, &bytes, &other] {
            let conn = house.connect();
            for piece in replay.chunks(70) {
                house.send_bytes(conn, piece);
            }
            assert!(house.closed(conn).is_some(), "full: {full}");
            assert_eq!(house.frames(conn), [], "full: {full}");
        }
        assert_eq!(house.server.stats().headers_replayed, 3, "full: {full}");
        // Another header is answered.
        let conn = house.connect_as(Framing::Intermediate, obfuscated(), None);
        let bytes = house.frame(conn, &question);
        house.send_bytes(conn, &bytes);
        assert_eq!(house.frames(conn).len(), 1, "full: {full}");
    }
}

#[test]
fn t4_the_headers_that_are_remembered_are_bounded() {
    let mut config = server_config();
    config.max_headers = 50;
    let mut house = House::new(config, 4_009);
    let replay = |house: &mut House, first: &mut Option<Vec<u8>>| {
        let question = house.first_question();
        let conn = house.connect_as(Framing::Abridged, obfuscated(), None);
        let fresh = house.frame(conn, &question);
        let bytes = first.get_or_insert(fresh).clone();
        house.send_bytes(conn, &bytes);
        let known = house.server.stats().headers_replayed;
        house.disconnect(conn);
        known
    };
    let mut first = None;
    assert_eq!(replay(&mut house, &mut first), 0);
    assert_eq!(replay(&mut house, &mut first), 1);
    for _ in 0..49 {
        replay(&mut house, &mut None);
    }
    assert_eq!(replay(&mut house, &mut first), 2, "among the last fifty");
    for _ in 0..50 {
        replay(&mut house, &mut None);
    }
    assert_eq!(replay(&mut house, &mut first), 2, "forgotten");
}

#[test]
fn a_copy_of_a_packet_that_was_refused_does_not_take_a_session_from_its_stream() {
    let mut house = House::new(server_config(), 4_120);
    // The salt is another one, or the clock an hour ahead: the client hears it and goes on.
    for (salt, ahead) in [(1, 0), (0, 3_600)] {
        let mut client = house.client();
        client.peer.salt = client.peer.salt.wrapping_add(salt);
        let plain = client
            .peer
            .plain(house.now + secs(ahead), false, vec![0; 4]);
        let packet = client.peer.seal(&plain);
        house.send_packet(client.conn, &packet);
        let (key, session) = (client.peer.key.id(), client.peer.session);
        assert_eq!(house.server.stream_of(key, session), Some(client.conn));
        let observer = house.connect();
        house.send_packet(observer, &packet);
        assert_eq!(house.server.stream_of(key, session), Some(client.conn));
        assert_eq!(house.frames(observer), []);
        let told = house.frames(client.conn).len();
        assert!(told > 0, "the client hears of it");
        // Without a stream it may be the client itself, which has not heard why.
        house.disconnect(client.conn);
        let again = house.connect();
        house.send_packet(again, &packet);
        assert_eq!(house.server.stream_of(key, session), Some(again));
    }
}
