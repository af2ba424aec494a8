//! Ids and salts that a client makes up: of now, random, never 0.

use std::collections::BTreeSet;
use std::sync::Arc;

use mtproto_proto::connection::{ClientConnection, KeyState, Start};
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::session::SendOptions;
use mtproto_proto::transport::{Codec, Frame, ServerTransport};
use mtproto_proto::{DcId, Machine, Rng};
use mtproto_test::Seed;
use mtproto_test::pair::START;
use mtproto_test::rogue::{Packet, RogueServer, Said};
use mtproto_test::tamper::{self, Plain};

use crate::support::{config, secs, settled};

/// Seconds between a message's id and the server's clock.
fn off(rogue: &RogueServer, packet: &Packet) -> i64 {
    let ids = packet.messages.iter().map(|message| message.msg_id);
    ids.chain([packet.msg_id])
        .map(|id| (id.unix() - rogue.server_now().unix() as i64).abs())
        .max()
        .unwrap()
}

#[test]
fn an_id_is_as_young_as_its_packet_however_long_the_call_waited() {
    let patient = SendOptions::default().deadline(secs(100_000));
    // The socket takes nothing for a while.
    let mut rogue = settled(6101);
    rogue.reads(false);
    rogue.call_with(b"the call", &patient);
    rogue.later(secs(25));
    rogue.reads(true);
    let packet = rogue.hear_one();
    assert!(packet.said().contains(&Said::other(b"the call")));
    assert!(off(&rogue, &packet) <= 1);

    // There is no stream for hours.
    let mut rogue = settled(6102);
    rogue.reads(false);
    rogue.call_with(b"the call", &patient);
    rogue.send_eof();
    rogue.later(secs(4 * 3_600));
    let mut rogue = rogue.reconnect();
    rogue.reads(true);
    let packet = rogue.hear_one();
    assert!(packet.said().contains(&Said::other(b"the call")));
    assert!(off(&rogue, &packet) <= 1);

    // It was refused, and leaves again later.
    let mut rogue = settled(6103);
    rogue.answers_pings(true);
    rogue.call_with(b"the call", &patient);
    let first = rogue.hear_one();
    rogue.reads(false);
    rogue.say(Said::bad_msg(first.msg_id, 16));
    rogue.later(secs(10));
    rogue.reads(true);
    let again = rogue.hear_one();
    assert!(again.said().contains(&Said::other(b"the call")));
    assert!(off(&rogue, &again) <= 1);
    assert!(again.msg_id.unix() - first.msg_id.unix() >= 9);
}

#[test]
fn the_low_bits_of_ids_are_random() {
    // The same instant in forty runs: what is random differs, what is time does not.
    let ids: Vec<i64> = (6110..6150)
        .map(|seed| {
            let mut rogue = RogueServer::new(config(), Seed(seed));
            rogue.call(b"the call");
            rogue.hear_one().messages[0].msg_id.0
        })
        .collect();
    let low: BTreeSet<i64> = ids.iter().map(|id| id & 0x3f_ffff).collect();
    let high: BTreeSet<i64> = ids.iter().map(|id| id >> 22).collect();
    assert_eq!(high.len(), 1, "about a millisecond");
    assert_eq!(low.len(), ids.len());
    // Each of the bits above the parity takes both values.
    for bit in 2..22 {
        let set = low.iter().filter(|id| *id >> bit & 1 == 1).count();
        assert!((5..=35).contains(&set), "bit {bit}: {set} of 40");
    }
}

/// The first packet of a client that draws these numbers.
fn first_packet(numbers: &[u64]) -> Plain {
    let key = AuthKey::from_bytes(&[9; 256]);
    let state = KeyState::from_auth_key([9; 256], DcId(2));
    let rng = Rng::scripted_numbers(numbers);
    let mut client =
        ClientConnection::new(Arc::new(config()), Start::Key(state), rng, START).unwrap();
    let mut bytes = Vec::new();
    assert!(client.poll_transmit(START, &mut bytes));
    let mut codec = Codec::server(ServerTransport::default());
    codec.feed(&bytes);
    let Some(Frame::Packet { data, .. }) = codec.next_frame().unwrap() else {
        panic!("a packet");
    };
    tamper::open(&key, Direction::ToServer, &data).unwrap()
}

#[test]
fn a_session_id_is_never_0() {
    // A salt may be drawn before it.
    for zeros in [1, 2, 3, 10] {
        let plain = first_packet(&vec![0; zeros]);
        assert_ne!(plain.session.0, 0, "{zeros} zeros");
        assert_ne!(plain.salt, 0, "{zeros} zeros");
    }
    // Where a number that is not 0 is drawn, it is taken.
    let plain = first_packet(&[0, 5, 0, 6]);
    assert_eq!((plain.salt, plain.session.0), (5, 6));
}

#[test]
fn the_first_salt_of_a_bare_key_is_random() {
    let salts: BTreeSet<i64> = (6160..6180)
        .map(|seed| RogueServer::new(config(), Seed(seed)).hear_one().salt)
        .collect();
    assert_eq!(salts.len(), 20);
    assert!(!salts.contains(&0));
}

#[test]
fn a_new_session_tells_a_salt_to_whoever_has_no_good_one() {
    let announce = |rogue: &mut RogueServer, salt| {
        let first = rogue.hear_one().msg_id;
        rogue.say(Said::NewSession {
            first,
            unique_id: 1,
            salt,
        });
        rogue.call(b"the next");
        rogue.hear_one().salt
    };
    let mut bare = RogueServer::new(config(), Seed::from_env_or(6190));
    assert_eq!(announce(&mut bare, 77), 77);
    // Whoever has one keeps it: it may be newer than the announcement.
    let mut rogue = settled(6191);
    rogue.call(b"the call");
    let good = rogue.salt;
    assert_eq!(announce(&mut rogue, 77), good);
}
