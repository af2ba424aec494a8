//! H7: floods of handshakes.

use mtproto_proto::handshake::client;
use mtproto_proto::server::Event;
use mtproto_proto::transport::Frame;
use mtproto_test::alloc::held;
use mtproto_test::peer::make_key;

use crate::both::{client_config, server_config};
use crate::house::{House, TOO_MANY, secs};

fn keys_made(house: &mut House) -> usize {
    let made = |event: &Event| matches!(event, Event::KeyCreated { .. });
    house.events().iter().filter(|event| made(event)).count()
}

#[test]
fn h7_handshakes_beyond_the_rate_are_told_429_and_disturb_nobody() {
    let mut config = server_config();
    config.handshakes_per_second = 3;
    let mut house = House::new(config, 4_101);
    let mut honest = house.client();
    for second in 0..3_u64 {
        let mut made = 0;
        for _ in 0..8 {
            let conn = house.connect();
            if house.newcomer(conn).is_some() {
                made += 1;
            } else {
                assert_eq!(house.closed(conn), Some(TOO_MANY));
                assert_eq!(house.frames(conn), [Frame::Status(-429)]);
            }
            house.assert_served(&mut honest);
        }
        // A first question counts as a 64th.
        assert_eq!(made, 2, "in second {second}");
        assert_eq!(keys_made(&mut house), made);
        house.later(secs(1));
    }
    assert_eq!(house.server.stats().handshakes_refused, 3 * 6);
    house.later(secs(1));
    let conn = house.connect();
    assert!(house.newcomer(conn).is_some(), "it is over");
}

#[test]
fn h7_first_questions_beyond_the_rate_are_told_429() {
    let mut config = server_config();
    config.handshakes_per_second = 2;
    let mut house = House::new(config, 4_102);
    let mut honest = house.client();
    let mut answered = 0;
    for _ in 0..300 {
        let conn = house.connect();
        let question = house.first_question();
        house.send_packet(conn, &question);
        answered += house.packets(conn).len();
    }
    assert_eq!(answered, 2 * 64);
    // A repetition costs nothing.
    house.later(secs(1));
    let (conn, question) = (house.connect(), house.first_question());
    for _ in 0..300 {
        house.send_packet(conn, &question);
        assert_eq!(house.packets(conn).len(), 1);
    }
    house.assert_served(&mut honest);
}

#[test]
fn h7_one_source_cannot_use_up_what_is_there_for_all() {
    let mut config = server_config();
    config.handshakes_per_second = 10;
    config.source_handshakes_per_minute = 3;
    config.max_streams_per_source = 5;
    let mut house = House::new(config, 4_103);
    let mut made = 0;
    for _ in 0..12 {
        let conn = house.connect_from(1);
        made += usize::from(house.newcomer(conn).is_some());
        house.disconnect(conn);
    }
    assert_eq!(made, 2);
    for source in 2..5 {
        let conn = house.connect_from(source);
        assert!(house.newcomer(conn).is_some(), "source {source}");
    }
    // Going away does not help, waiting does.
    let conn = house.connect_from(1);
    assert!(house.newcomer(conn).is_none());
    house.later(secs(60));
    let conn = house.connect_from(1);
    assert!(house.newcomer(conn).is_some());

    // Streams are counted too, and given back.
    let conns: Vec<_> = (0..8).map(|_| house.connect_from(1)).collect();
    for conn in &conns {
        house.send_bytes(*conn, &[0xee; 4]);
    }
    let open = |house: &mut House| {
        let open = conns.iter().filter(|conn| house.closed(**conn).is_none());
        open.count()
    };
    assert_eq!(open(&mut house), 4, "and the one before");
    assert_eq!(house.frames(conns[7]), [Frame::Status(-429)]);
    house.later(secs(61));
    let conn = house.connect_from(1);
    assert!(house.newcomer(conn).is_some());
}

#[test]
fn h7_what_was_half_done_goes_on_however_many_others_stopped_before() {
    let mut config = server_config();
    config.max_half_open = 20;
    config.handshakes_per_second = 1_000;
    let mut house = House::new(config, 4_104);
    for n in 0..500_u64 {
        let conn = house.connect();
        let question = house.first_question();
        house.send_packet(conn, &question);
        house.later(secs(n % 2));
        house.disconnect(conn);
    }
    let question = house.first_question();
    let mut answers = Vec::new();
    for _ in 0..2 {
        // The stream breaks; over the next one the same question has the same answer.
        let conn = house.connect();
        house.send_packet(conn, &question);
        answers.extend(house.packets(conn));
        house.disconnect(conn);
    }
    // Behind the id of the message, which is another one.
    assert_eq!(answers[0][20..], answers[1][20..]);
    assert_eq!(house.server.stats().half_open_forgotten, 481);
    house.later(secs(601));
    assert_eq!(house.server.poll_timeout(), None, "nothing is left");
}

#[test]
fn h7_a_handshake_that_was_told_429_goes_on_over_another_stream() {
    let mut config = server_config();
    config.handshakes_per_second = 1;
    let mut house = House::new(config, 4_105);
    let first = house.connect();
    let question = house.first_question();
    house.send_packet(first, &question);
    let answer = house.packets(first).remove(0);
    for _ in 0..80 {
        let conn = house.connect();
        let question = house.first_question();
        house.send_packet(conn, &question);
    }
    // What is half done on this stream outlives a question too many.
    let another = house.first_question();
    house.send_packet(first, &another);
    assert_eq!(house.closed(first), Some(TOO_MANY));
    let second = house.connect();
    house.send_packet(second, &question);
    assert_eq!(house.packets(second).remove(0)[20..], answer[20..]);
}

#[test]
fn h7_a_server_that_keeps_no_half_open_handshakes_keeps_none() {
    for (most, goes_on) in [(1, true), (0, false)] {
        let mut config = server_config();
        config.max_half_open = most;
        let mut house = House::new(config, 4_109);
        let question = house.first_question();
        let answers = [(); 2].map(|()| {
            let conn = house.connect();
            house.send_packet(conn, &question);
            let answer = house.packets(conn).remove(0);
            house.disconnect(conn);
            answer[20..].to_vec()
        });
        assert_eq!(answers[0] == answers[1], goes_on, "{most}");
    }
}

#[test]
fn h7_a_long_unencrypted_packet_is_refused_unread() {
    let mut house = House::new(server_config(), 4_106);
    let conn = house.connect();
    let mut question = house.first_question();
    let body = u32::try_from(question.len() - 20).unwrap();
    question[16..20].copy_from_slice(&body.to_le_bytes());
    question.resize(4_096, 0);
    house.send_packet(conn, &question);
    assert_eq!(house.packets(conn).len(), 1, "the longest is answered");
    question.resize(4_096 + 4, 0);
    house.send_packet(conn, &question);
    assert_eq!(house.frames(conn), [Frame::Status(-404)]);
}

#[test]
fn answers_that_a_stranger_asks_for_again_and_does_not_read_take_little() {
    const STREAMS: isize = 20;
    let mut config = server_config();
    config.handshakes_per_second = 1_000;
    let mut house = House::new(config, 4_107);
    let mut honest = house.client();
    let before = held();
    for _ in 0..STREAMS {
        let conn = house.connect();
        let config = client_config();
        let config = client::Config::new(config.public_keys, config.dc);
        let (now, mut rng) = (house.now, house.dice.rng());
        let mut asked = 0;
        let made = make_key(config, now, &mut rng, |question| {
            asked += 1;
            if asked == 1 {
                house.send_packet(conn, question);
                return match house.frames(conn).pop() {
                    Some(Frame::Packet { data, .. }) => data.to_vec(),
                    other => panic!("{other:?}"),
                };
            }
            // The longest answer, which costs nothing to repeat.
            house.reads(conn, false);
            for _ in 0..256 {
                house.send_packet(conn, question);
            }
            Vec::new()
        });
        assert!(made.is_err());
    }
    let each = (held() - before) / STREAMS;
    assert!(each < 10_000, "{each} bytes");
    house.assert_served(&mut honest);
}
