//! What is held for each byte that came.

use std::sync::Arc;

use mtproto_proto::server::{Action, Server};
use mtproto_proto::{ConnId, MsgId, Rng};
use mtproto_test::alloc::{held, peak};
use mtproto_test::pair::START;
use mtproto_test::rogue::{RogueServer, Said};
use mtproto_test::tamper::{Item, container, gzip_packed, put_bytes, zlib};

use crate::support::server_config;
use crate::unread::{alone_to_client, feed_client, feed_server, to_client, to_server};
use crate::{client, server};

/// A packet takes at most so many times its bytes while it is handled and its events wait. The
/// worst are messages of four bytes: an event each.
const FACTOR: usize = 32;

const MESSAGES: usize = 1_020;

/// The smallest messages of each kind that leave something behind at a client.
fn tiny_to_client(rogue: &mut RogueServer) -> Vec<(&'static str, Vec<Item>)> {
    let session = mtproto_proto::SessionId(5);
    let kinds = [
        ("updates", Said::other(b"tiny")),
        ("pings", Said::Ping(1)),
        ("answers", Said::result(MsgId(4), b"")),
        ("questions", Said::StateReq(vec![MsgId(1)])),
        ("descriptions", Said::NewDetailedInfo { answer: MsgId(9) }),
        ("compressed", Said::other(&gzip_packed(&zlib(b"tiny")))),
        (
            "ends",
            Said::SessionDestroyed {
                session,
                found: true,
            },
        ),
    ];
    let mut all: Vec<_> = kinds
        .into_iter()
        .map(|(name, said)| (name, (0..MESSAGES).map(|_| rogue.item(&said)).collect()))
        .collect();
    let salt = rogue.salt;
    let sessions = (0..MESSAGES as i64).map(|unique_id| {
        let first = MsgId(4);
        let said = Said::NewSession {
            first,
            unique_id,
            salt,
        };
        rogue.item(&said)
    });
    all.push(("sessions", sessions.collect()));
    all
}

#[test]
fn tiny_messages_take_a_bounded_multiple_of_their_bytes_at_a_client() {
    let kinds = tiny_to_client(&mut client::with(7401, |_| ())).len();
    for kind in 0..kinds {
        let mut rogue = client::with(7401, |_| ());
        let (name, items) = tiny_to_client(&mut rogue).swap_remove(kind);
        let bytes = to_client(&mut rogue, &items);
        let cost = feed_client(&mut rogue, &bytes);
        println!("{name}: {cost:?}, {} times", cost.peak / cost.fed);
        assert!(cost.peak < FACTOR * cost.fed, "{name}: {cost:?}");
    }
}

#[test]
fn tiny_messages_take_a_bounded_multiple_of_their_bytes_at_a_server() {
    for (name, said) in [
        ("calls", Said::other(b"tiny")),
        ("pings", Said::Ping(1)),
        ("questions", Said::StateReq(vec![MsgId(4)])),
        ("drops", Said::DropAnswer(MsgId(4))),
        ("acks", Said::Acks(vec![])),
        (
            "sessions",
            Said::DestroySession(mtproto_proto::SessionId(1)),
        ),
    ] {
        let (mut rogue, conn) = server::with(7402, |_| ());
        let items: Vec<_> = (0..MESSAGES).map(|_| rogue.item(&said)).collect();
        let bytes = to_server(&mut rogue, conn, &items);
        let cost = feed_server(&mut rogue, conn, &bytes);
        println!("{name}: {cost:?}, {} times", cost.peak / cost.fed);
        assert!(cost.peak < FACTOR * cost.fed, "{name}: {cost:?}");
    }
}

/// What follows a service message is ignored, so that it can be as long as one likes.
fn ballast(len: usize) -> Said {
    let mut body = Said::Acks(vec![]).to_bytes();
    body.resize(len, 0);
    Said::Other(body.into())
}

#[test]
fn what_is_kept_of_a_packet_does_not_keep_the_packet() {
    let mut rogue = client::with(7403, |_| ());
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().id_of(&Said::other(b"the call"));
    let small = [Said::other(b"update 1"), Said::result(req, b"answered")];
    for said in small {
        for inflated in [false, true] {
            let items = [rogue.item(&said), rogue.item(&ballast(1_000_000))];
            let packed = gzip_packed(&zlib(&container(&items, None)));
            let bytes = if inflated {
                alone_to_client(&mut rogue, &Said::other(&packed))
            } else {
                to_client(&mut rogue, &items)
            };
            let cost = feed_client(&mut rogue, &bytes);
            assert!(cost.held < 10_000, "{said:?} {inflated}: {cost:?}");
        }
    }
    let events = rogue.news();
    assert_eq!(events.len(), 3, "they are there: {events:?} {id}");

    // Many packets in one read: one update does not keep the others.
    let mut bytes = alone_to_client(&mut rogue, &Said::other(b"update 2"));
    for _ in 0..500 {
        bytes.extend(alone_to_client(
            &mut rogue,
            &Said::result(MsgId(4), &[0; 1_000]),
        ));
    }
    let cost = feed_client(&mut rogue, &bytes);
    assert!(cost.fed > 500_000 && cost.held < 60_000, "{cost:?}");

    let (mut rogue, conn) = server::with(7404, |_| ());
    let items = [
        rogue.item(&Said::other(b"a call..")),
        rogue.item(&ballast(900_000)),
    ];
    let bytes = to_server(&mut rogue, conn, &items);
    let cost = feed_server(&mut rogue, conn, &bytes);
    assert_eq!(rogue.calls().len(), 1);
    assert!(cost.held < 10_000, "{cost:?}");
}

#[test]
fn a_large_call_or_update_is_held_once() {
    const LEN: usize = 900_000;
    let mut rogue = client::with(7405, |_| ());
    let bytes = alone_to_client(&mut rogue, &Said::other(&vec![9; LEN]));
    let cost = feed_client(&mut rogue, &bytes);
    assert!(cost.held < LEN + 10_000, "{cost:?}");

    let (mut rogue, conn) = server::with(7406, |_| ());
    let items = [rogue.item(&Said::other(&vec![9; LEN]))];
    let bytes = to_server(&mut rogue, conn, &items);
    let cost = feed_server(&mut rogue, conn, &bytes);
    assert!(cost.held < LEN + 10_000, "{cost:?}");
}

#[test]
fn what_is_inflated_is_held_once_and_not_more_than_it_is() {
    for len in [8, 1_000, 60_000, 1_100_000] {
        let mut rogue = client::with(7407, |_| ());
        let mut data = rogue.dice().bytes(len);
        data[..4].copy_from_slice(b"some");
        let bytes = alone_to_client(&mut rogue, &Said::other(&gzip_packed(&zlib(&data))));
        let cost = feed_client(&mut rogue, &bytes);
        assert!(cost.held < len + 2_000, "{len}: {cost:?}");
        assert_eq!(rogue.news().len(), 1);
    }
}

/// Ten thousand of these are what a server allows by default.
#[test]
fn a_stranger_s_stream_holds_a_few_kilobytes_whatever_it_announces() {
    const STREAMS: usize = 1_000;
    let nop = [4, 0, 0, 0, 0, 0, 0, 0];
    let announced: Vec<u8> = [&[0xee; 4][..], &1_000_000_u32.to_le_bytes(), &[1; 8]].concat();
    let after_much: Vec<u8> = [&[0xee; 4][..], &nop.repeat(8_000), &[0x10, 0x27, 0]].concat();
    let both: Vec<u8> = [&after_much[..after_much.len() - 3], &announced[4..]].concat();
    for (name, bytes) in [
        ("announced", announced),
        ("after much that says nothing", after_much),
        ("both", both),
    ] {
        let config = Arc::new(server_config());
        let mut server = Server::new(config, Rng::from_seed([7; 32]), START);
        let before = held();
        for n in 0..STREAMS as u64 {
            server.handle_connected(START, ConnId(n));
            server.handle_input(START, ConnId(n), &bytes);
            server.handle_input(START, ConnId(n), &[0]);
            assert_eq!(
                server
                    .poll_action()
                    .map(|action| matches!(action, Action::Close { .. })),
                Some(false)
            );
            while server.poll_action().is_some() {}
        }
        let held = usize::try_from(held() - before).unwrap() / STREAMS;
        assert_eq!(server.streams(), STREAMS);
        println!("{name}: {held} bytes");
        assert!(held < 6_500, "{name}: {held} bytes for each");
    }
}

#[test]
fn vectors_and_strings_take_what_came_of_them() {
    let mut rogue = client::with(7408, |_| ());
    for constructor in [0x62d6_b459_u32, 0xda69_fb52, 0x7d86_1a08, 0x8cc0_d131] {
        for count in [i32::MAX, 1 << 24, 130_000] {
            let mut body = constructor.to_le_bytes().to_vec();
            body.extend(0x1cb5_c415_u32.to_le_bytes());
            body.extend(count.to_le_bytes());
            body.resize(1_040_000, 1);
            put_bytes(&mut body, &[4; 100]);
            let bytes = alone_to_client(&mut rogue, &Said::Other(body.into()));
            let cost = feed_client(&mut rogue, &bytes);
            assert!(
                cost.peak < 4 * cost.fed,
                "{constructor:#x} {count}: {cost:?}"
            );
            assert!(cost.held < 10_000, "{constructor:#x} {count}: {cost:?}");
        }
    }
}

#[test]
fn a_burst_that_was_taken_leaves_little_behind() {
    let mut rogue = client::with(7409, |_| ());
    let mut bytes = Vec::new();
    for _ in 0..30 {
        let items: Vec<_> = (0..MESSAGES)
            .map(|_| rogue.item(&Said::other(b"tiny")))
            .collect();
        bytes.extend(to_client(&mut rogue, &items));
    }
    rogue.hear();
    let before = held();
    let (_, most) = peak(|| feed_client(&mut rogue, &bytes));
    while mtproto_proto::Machine::poll_event(&mut rogue.client).is_some() {}
    rogue.hear();
    let left = held() - before;
    // 16,384 ids that came, and those that were acknowledged and are remembered.
    assert!(most > 4 << 20 && left < 1 << 20, "{most}, {left}");
}
