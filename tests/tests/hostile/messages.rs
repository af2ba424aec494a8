//! M5 to M10: messages inside packets that open.

use std::sync::LazyLock;

use bytes::Bytes;
use mtproto_proto::MsgId;
use mtproto_proto::RequestError;
use mtproto_proto::connection::{ClientEvent, Error};
use mtproto_proto::session::MAX_INFLATED;
use mtproto_schema::mtproto::enums::DestroyAuthKeyRes;
use mtproto_test::alloc::peak;
use mtproto_test::rogue::{RogueServer, Said};
use mtproto_test::tamper::{Item, Plain, container, gzip, gzip_packed, zlib};

use crate::support::{failed, response, rpc_error, secs, settled, settled_server, update};

/// The client answers a call as if nothing had been.
fn still_works(rogue: &mut RogueServer, what: &str) {
    assert_eq!(rogue.error(), None, "{what}");
    rogue.hear();
    rogue.news();
    let id = rogue.call(b"the call");
    let packets = rogue.hear();
    let message = packets
        .iter()
        .flat_map(|packet| &packet.messages)
        .find(|message| message.body == b"the call"[..]);
    let req = message
        .unwrap_or_else(|| panic!("{what}: {packets:?}"))
        .msg_id;
    rogue.say(Said::result(req, b"answered"));
    assert!(
        rogue.news().contains(&response(id, b"answered")),
        "{what}: the call is answered"
    );
}

#[test]
fn m5_ids_that_no_server_gives_and_old_ones_are_dropped() {
    let mut rogue = settled(2101);
    let before = *rogue.client.stats();
    for msg_id in [
        MsgId(rogue.msg_id_moved(0).0 & !3),
        MsgId(rogue.msg_id_moved(0).0 & !3 | 2),
        MsgId(5),
        MsgId(1),
        MsgId(-1),
        rogue.msg_id_moved(-302),
        rogue.msg_id_moved(-86_400),
    ] {
        let plain = Plain {
            msg_id,
            ..rogue.plain(&Said::other(b"an old update..."))
        };
        rogue.send(&plain);
        rogue.send(&plain);
    }
    assert_eq!(rogue.news(), [ClientEvent::UpdatesMissed], "but counted");
    let after = rogue.client.stats();
    assert_eq!(after.bad_msg_ids - before.bad_msg_ids, 4);
    // Their copies too: what is not taken has not come.
    assert_eq!(after.too_old - before.too_old, 10);
    still_works(&mut rogue, "old ids");
}

#[test]
fn m5_equal_ids_are_one_message() {
    let mut rogue = settled(2102);
    let first = rogue.plain(&Said::other(b"update 1"));
    rogue.send(&first);
    for n in 0..10_u32 {
        let plain = Plain {
            body: n.to_le_bytes().repeat(2),
            ..first.clone()
        };
        rogue.send(&plain);
    }
    assert_eq!(rogue.news(), [update(b"update 1")]);
    still_works(&mut rogue, "equal ids");
}

#[test]
fn m5_an_id_ahead_moves_the_clock_and_code_17_moves_it_back() {
    let mut rogue = settled(2103);
    let ahead = Plain {
        msg_id: rogue.msg_id_moved(86_400),
        ..rogue.plain(&Said::other(b"tomorrow"))
    };
    rogue.send(&ahead);
    assert_eq!(
        rogue.news(),
        [
            ClientEvent::ClockCorrected { by: 86_400 },
            update(b"tomorrow")
        ]
    );
    // What comes now looks a day old; the server says that we are a day ahead.
    rogue.say(Said::other(b"is dropped.."));
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    assert!(first.msg_id.unix() - rogue.server_now().unix() as i64 > 86_000);
    rogue.say(Said::bad_msg(first.msg_id, 17));
    let second = rogue.hear_one();
    assert!((second.msg_id.unix() - rogue.server_now().unix() as i64).abs() <= 1);
    let req = second.id_of(&Said::other(b"the call"));
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(
        rogue.news(),
        [
            ClientEvent::UpdatesMissed,
            ClientEvent::ClockCorrected { by: -86_400 },
            response(id, b"answered")
        ]
    );
}

#[test]
fn m5_an_id_from_the_end_of_time_leaves_us_ids_that_rise() {
    let mut rogue = settled(2106);
    let last = Plain {
        msg_id: MsgId(i64::MAX),
        ..rogue.plain(&Said::other(b"the end of time."))
    };
    rogue.send(&last);
    assert_eq!(rogue.news(), [update(b"the end of time.")]);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = rogue.call(b"the call");
        let heard = rogue.hear_one();
        ids.push(heard.msg_id);
        rogue.say(Said::result(
            heard.id_of(&Said::other(b"the call")),
            b"answered",
        ));
        assert_eq!(rogue.news(), [response(id, b"answered")]);
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[test]
fn m5_an_answer_older_than_its_request_moves_the_clock_back_and_is_taken() {
    for bare in [false, true] {
        let mut rogue = settled(2104);
        let ahead = Plain {
            msg_id: rogue.msg_id_moved(3_600),
            ..rogue.plain(&Said::other(b"too soon"))
        };
        rogue.send(&ahead);
        let body = if bare {
            Said::Ping(7).to_bytes()
        } else {
            b"the call".to_vec()
        };
        let id = rogue.call(&body);
        let req = rogue.hear_one().messages.last().unwrap().msg_id;
        let answer = if bare {
            Said::Pong { req, ping_id: 7 }
        } else {
            Said::result(req, b"answered")
        };
        rogue.say(answer.clone());
        let events = rogue.news();
        let expected = if bare {
            answer.to_bytes()
        } else {
            b"answered".to_vec()
        };
        assert_eq!(
            events[2..],
            [
                ClientEvent::ClockCorrected { by: -3_600 },
                response(id, &expected)
            ]
        );
        let next = rogue.call(b"the next");
        let packet = rogue.hear_one();
        assert!((packet.msg_id.unix() - rogue.server_now().unix() as i64).abs() <= 1);
        let req = packet.id_of(&Said::other(b"the next"));
        rogue.say(Said::result(req, b"answered"));
        assert_eq!(rogue.news(), [response(next, b"answered")]);
    }
}

/// The floor of what is remembered has risen with the traffic, and the server's clock went back.
#[test]
fn m5_what_repairs_the_clock_is_taken_even_from_below_the_floor() {
    let mut rogue = settled(2105);
    for _ in 0..400 {
        rogue.say(Said::other(b"an update..."));
        rogue.later(secs(1));
        rogue.answers_pings(true);
    }
    rogue.answers_pings(false);
    rogue.hear();
    rogue.news();
    rogue.skew(-7_200);
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    rogue.say(Said::bad_msg(first.msg_id, 17));
    let second = rogue.hear_one();
    let req = second.id_of(&Said::other(b"the call"));
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(
        rogue.news(),
        [
            ClientEvent::ClockCorrected { by: -7_200 },
            response(id, b"answered")
        ]
    );
}

/// Nobody can tell whether such an update came before; an answer ends its request, which waits.
#[test]
fn m5_of_old_messages_in_a_new_container_only_answers_are_taken() {
    let mut rogue = settled(2112);
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    let req = first.id_of(&Said::other(b"the call"));
    let old = [
        rogue.item(&Said::other(b"late update.")),
        rogue.item(&Said::result(req, b"answered")),
    ];
    // More than are remembered.
    for _ in 0..17 {
        let flood: Vec<_> = (0..1_000)
            .map(|_| rogue.item(&Said::other(b"an update...")))
            .collect();
        rogue.send_container(&flood);
        assert_eq!(rogue.news().len(), 1_000);
    }
    rogue.send_container(&old);
    assert_eq!(
        rogue.news(),
        [ClientEvent::UpdatesMissed, response(id, b"answered")]
    );
    assert_eq!(rogue.client.stats().too_old, 1);
}

#[test]
fn m6_containers_in_containers_are_bounded_and_what_is_good_is_delivered() {
    let mut rogue = settled(2106);
    // 12,000 deep, built from the inside; each has a good update before the nested one.
    let mut body = container(&[rogue.item(&Said::other(b"deep"))], None);
    for _ in 0..12_000 {
        let nested = Item::new(rogue.msg_id_moved(0), 0, body);
        body = container(&[nested], None);
    }
    let items = [
        rogue.item(&Said::other(b"good 1..")),
        Item::new(rogue.item(&Said::Ping(1)).msg_id, 0, body),
        rogue.item(&Said::other(b"good 2..")),
    ];
    rogue.send_container(&items);
    assert_eq!(rogue.news(), [update(b"good 1.."), update(b"good 2..")]);
    still_works(&mut rogue, "nested containers");

    let mut packed = b"in the middle...".to_vec();
    for _ in 0..50 {
        packed = gzip_packed(&gzip(&packed));
    }
    let items = [
        rogue.item(&Said::other(b"good 3..")),
        rogue.item(&Said::other(&packed)),
        rogue.item(&Said::other(b"good 4..")),
    ];
    rogue.send_container(&items);
    assert_eq!(
        rogue.news(),
        [
            update(b"good 3.."),
            ClientEvent::UpdatesMissed,
            update(b"good 4..")
        ]
    );
    still_works(&mut rogue, "nested compression");
}

#[test]
fn m6_of_a_container_that_breaks_off_the_good_messages_are_delivered() {
    /// What is done to the third of four messages.
    type Spoil = fn(&mut Vec<Item>);
    let spoils: [(&str, Spoil, bool); 9] = [
        (
            "beyond the end",
            |i| i[2].declared_len = Some(1 << 20),
            false,
        ),
        ("2^31 - 1", |i| i[2].declared_len = Some(i32::MAX), false),
        ("negative", |i| i[2].declared_len = Some(-4), false),
        ("no whole words", |i| i[2].declared_len = Some(7), false),
        ("empty", |i| i[2].body = Vec::new(), true),
        ("an id of a client", |i| i[2].msg_id.0 &= !3, true),
        (
            "broken compression",
            |i| i[2].body = gzip_packed(b"broken.."),
            true,
        ),
        ("a container", |i| i[2].body = container(&[], None), true),
        (
            "a service message cut off",
            |i| i[2].body = Said::bad_msg(MsgId(4), 16).to_bytes()[..12].to_vec(),
            true,
        ),
    ];
    for (what, spoil, rest_is_found) in spoils {
        let mut rogue = settled(2107);
        let mut items: Vec<_> = [b"good 1..", b"good 2..", b"spoiled.", b"good 4.."]
            .iter()
            .map(|body| rogue.item(&Said::other(*body)))
            .collect();
        spoil(&mut items);
        rogue.send_container(&items);
        let mut expected = vec![update(b"good 1.."), update(b"good 2..")];
        if rest_is_found {
            expected.push(update(b"good 4.."));
        }
        let mut events = rogue.news();
        let missed = events.contains(&ClientEvent::UpdatesMissed);
        assert_eq!(missed, what == "broken compression", "{what}");
        events.retain(|event| *event != ClientEvent::UpdatesMissed);
        assert_eq!(events, expected, "{what}");
        still_works(&mut rogue, what);
    }
}

#[test]
fn m6_a_container_that_claims_too_much_costs_nothing_and_its_good_messages_are_delivered() {
    for count in [3, 1_025, i32::MAX, i32::MIN, -1] {
        let mut rogue = settled(2108);
        let items = [
            rogue.item(&Said::other(b"good 1..")),
            rogue.item(&Said::other(b"good 2..")),
        ];
        let plain = rogue.container(container(&items, Some(count)));
        let (_, bytes) = peak(|| rogue.send(&plain));
        assert!(bytes < 100_000, "{count}: {bytes} bytes");
        assert_eq!(
            rogue.news(),
            [update(b"good 1.."), update(b"good 2..")],
            "{count}"
        );
        still_works(&mut rogue, "a large count");
    }
}

/// 512 MiB of zeros in half a MiB.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| zlib(&vec![0; 512 << 20]));

#[test]
fn m7_a_bomb_is_not_inflated_beyond_the_bound() {
    let bomb = gzip_packed(&BOMB);
    assert!(bomb.len() < 600 << 10);
    let mut rogue = settled(2109);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    for said in [
        Said::other(&bomb),
        Said::result(req, &bomb),
        Said::result(MsgId(1), &bomb),
    ] {
        let (_, bytes) = peak(|| {
            rogue.say(said);
        });
        assert!(bytes < 3 * MAX_INFLATED, "{bytes} bytes");
    }
    assert_eq!(
        rogue.news(),
        [
            ClientEvent::UpdatesMissed,
            failed(id, RequestError::BadAnswer)
        ]
    );
    still_works(&mut rogue, "a bomb");
}

#[test]
fn m7_small_bombs_in_one_packet_share_the_bound() {
    // Each a little below the ratio that is believed, together far beyond the bound.
    let one = gzip_packed(&zlib(&vec![0; 60 << 10]));
    let mut rogue = settled(2110);
    let items: Vec<_> = (0..1_000).map(|_| rogue.item(&Said::other(&one))).collect();
    let (_, bytes) = peak(|| rogue.send_container(&items));
    assert!(bytes < 3 * MAX_INFLATED, "{bytes} bytes");
    let mut events = rogue.news();
    events.retain(|event| matches!(event, ClientEvent::Update { .. }));
    let delivered = events.len();
    assert!(delivered * (60 << 10) <= MAX_INFLATED);
    assert!(delivered > 0, "within the bound they are delivered");
    still_works(&mut rogue, "small bombs");
}

#[test]
fn what_is_inflated_in_vain_counts_too() {
    let body: Vec<u8> = (0..4_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    let good = gzip_packed(&zlib(&body));
    // Too good to be true, and of a wrong checksum: both are noticed when most of it is there.
    let too_good = zlib(&vec![0; 8 << 20]);
    let mut damaged = zlib(&body.repeat(400));
    *damaged.last_mut().unwrap() ^= 1;
    for bad in [too_good, damaged] {
        let bad = gzip_packed(&bad);
        let mut rogue = settled(2120);
        for (count, delivered) in [(0, 1), (1, 1), (3, 0)] {
            let bodies = vec![&bad; count].into_iter().chain([&good]);
            let items: Vec<_> = bodies.map(|body| rogue.item(&Said::other(body))).collect();
            rogue.send_container(&items);
            let news = rogue.news();
            let updates = news.iter().filter(|event| **event == update(&body));
            assert_eq!(updates.count(), delivered, "{count}");
            still_works(&mut rogue, "bombs");
        }
    }
}

#[test]
fn m7_a_bomb_does_not_hurt_a_server() {
    let bomb = gzip_packed(&BOMB);
    let (mut rogue, conn) = settled_server(2111);
    let (_, bytes) = peak(|| {
        rogue.say(conn, Said::other(&bomb));
    });
    assert!(bytes < 3 * MAX_INFLATED, "{bytes} bytes");
    // The owner gets what came and answers that it cannot read it.
    let calls = rogue.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].1.len(), bomb.len());
    rogue.say(conn, Said::other(b"the next"));
    assert_eq!(rogue.calls().len(), 1);
}

#[test]
fn m8_answers_that_nobody_asked_for_are_dropped_and_at_last_the_session_is_renewed() {
    let mut rogue = settled(2112);
    let before = rogue.session();
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::result(req, b"answered"));
    rogue.say(Said::result(req, b"answered"));
    rogue.say(Said::result(MsgId(0), b"answered"));
    // Small ones are only dropped.
    for n in 0..1_000 {
        rogue.say(Said::result(MsgId(n * 4), &[0; 1_000]));
    }
    assert_eq!(rogue.news(), [response(id, b"answered")]);
    rogue.hear();
    assert_eq!(rogue.session(), before);
    assert_eq!(rogue.client.stats().sessions_renewed, 0);

    // Large ones: 256 KiB of them are enough.
    let mut sent = 0;
    while rogue.client.stats().sessions_renewed == 0 {
        rogue.say(Said::result(MsgId(4), &[0; 20 << 10]));
        sent += 1;
        assert!(sent <= 13);
    }
    assert_eq!(rogue.news(), []);
    still_works(&mut rogue, "unasked answers");
    assert_ne!(rogue.session(), before);
}

#[test]
fn m8_a_server_that_does_not_stop_loses_the_stream() {
    let mut rogue = settled(2113);
    let mut sent = 0;
    while rogue.error().is_none() {
        // Always under the first session, whatever the client does.
        rogue.say(Said::result(MsgId(4), &[0; 20 << 10]));
        sent += 1;
        assert!(sent <= 40);
    }
    assert_eq!(
        rogue.error(),
        Some(&Error::PeerMisbehaved(
            mtproto_proto::PeerMisbehaved::ForeignSession
        ))
    );
    assert_eq!(rogue.client.stats().sessions_renewed, 1);
}

/// One of each service message.
fn services() -> Vec<Said> {
    let id = MsgId(0x6955_b900_0000_0004);
    let session = mtproto_proto::SessionId(0x77);
    vec![
        Said::Acks(vec![id, id]),
        Said::bad_msg(id, 16),
        Said::bad_salt(id, 1),
        Said::StateReq(vec![id, id]),
        Said::StateInfo {
            req: id,
            info: vec![1; 9],
        },
        Said::AllInfo {
            ids: vec![id; 5],
            info: vec![4; 5],
        },
        Said::DetailedInfo {
            msg_id: id,
            answer: id,
        },
        Said::NewDetailedInfo { answer: id },
        Said::ResendReq(vec![id, id]),
        Said::result(id, b"result.."),
        Said::error(id, 420, "FLOOD_WAIT_5"),
        Said::Dropped {
            req: id,
            running: true,
        },
        Said::Ping(1),
        Said::PingDelay {
            ping_id: 1,
            delay: 75,
        },
        Said::Pong {
            req: id,
            ping_id: 1,
        },
        Said::GetFutureSalts(64),
        Said::FutureSalts {
            req: id,
            now: 1,
            salts: vec![(1, 2, 3), (4, 5, 6)],
        },
        Said::NewSession {
            first: id,
            unique_id: 2,
            salt: 3,
        },
        Said::DropAnswer(id),
        Said::DestroySession(session),
        Said::SessionDestroyed {
            session,
            found: true,
        },
        Said::SessionDestroyed {
            session,
            found: false,
        },
        Said::KeyDestroyed(DestroyAuthKeyRes::DestroyAuthKeyFail),
        Said::other(&[0x2b, 0x96, 0xce, 0x86, 1, 0, 0, 0]),
    ]
}

/// Each service message, with each of its words replaced by each of these, and cut off at every
/// byte.
fn mutations() -> Vec<Vec<u8>> {
    const WORDS: [u32; 8] = [
        0,
        1,
        8_193,
        0x00ff_ffff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffe,
        0xffff_ffff,
    ];
    let mut out = Vec::new();
    for said in services() {
        let body = said.to_bytes();
        for at in 1..body.len() / 4 {
            for word in WORDS {
                let mut changed = body.clone();
                changed[at * 4..][..4].copy_from_slice(&word.to_le_bytes());
                out.push(changed);
            }
        }
        for len in 0..body.len() {
            out.push(body[..len].to_vec());
        }
        out.push([&body[..], b"more"].concat());
    }
    out
}

#[test]
fn m9_service_messages_with_impossible_counts_and_lengths_are_bounded() {
    let mut rogue = settled(2114);
    let mutations = mutations();
    assert!(mutations.len() > 1_000);
    for body in mutations {
        let (_, bytes) = peak(|| {
            // A packet holds whole words; what is compressed may have any length.
            if body.len() % 4 == 0 && !body.is_empty() {
                rogue.say(Said::other(&body));
            }
            rogue.say(Said::other(&gzip_packed(&gzip(&body))));
            rogue.hear();
        });
        assert!(bytes < 1 << 20, "{bytes} bytes for {body:02x?}");
        assert_eq!(rogue.error(), None, "{body:02x?}");
        rogue.news();
    }
    still_works(&mut rogue, "service messages");
}

#[test]
fn m9_service_messages_with_impossible_counts_and_lengths_are_bounded_at_a_server_too() {
    let (mut rogue, conn) = settled_server(2115);
    for body in mutations() {
        let (_, bytes) = peak(|| {
            if body.len() % 4 == 0 && !body.is_empty() {
                rogue.say(conn, Said::other(&body));
            }
            rogue.say(conn, Said::other(&gzip_packed(&gzip(&body))));
            rogue.hear(conn);
            rogue.events();
        });
        assert!(bytes < 1 << 20, "{bytes} bytes for {body:02x?}");
        assert_eq!(rogue.closed(conn), None, "{body:02x?}");
    }
    let req = rogue.say(conn, Said::Ping(1));
    assert!(
        rogue
            .hear_said(conn)
            .contains(&Said::Pong { req, ping_id: 1 })
    );
}

#[test]
fn m9_invalid_utf8_in_an_error_is_replaced() {
    let mut rogue = settled(2116);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    let mut body = 0x2144_ca19_u32.to_le_bytes().to_vec();
    body.extend(400_i32.to_le_bytes());
    mtproto_test::tamper::put_bytes(&mut body, b"BAD\xff\xc0");
    rogue.say(Said::result(req, &body));
    assert_eq!(rogue.news(), [rpc_error(id, 500, "BAD\u{fffd}\u{fffd}")]);
}

#[test]
fn m9_unknown_constructors_are_reported_as_they_are() {
    let mut rogue = settled(2117);
    for body in [&b"what?..."[..], &[0xff; 400], &[0, 0, 0, 0]] {
        rogue.say(Said::Other(Bytes::copy_from_slice(body)));
        assert_eq!(rogue.news(), [update(body)]);
    }
    still_works(&mut rogue, "unknown constructors");
}

/// Every code by itself stands in `session.rs`; here all kinds of nonsense come one after another.
#[test]
fn m10_a_client_that_does_everything_wrong_executes_nothing_and_gets_one_code_for_each() {
    let (mut rogue, conn) = settled_server(2118);
    let items = |rogue: &mut mtproto_test::rogue::RogueClient| {
        vec![
            rogue.item(&Said::other(b"a call..")),
            rogue.item(&Said::Ping(1)),
        ]
    };
    let call = Said::other(b"a call..");
    let mut expected = Vec::new();
    let mut wrong = |code, plain: Plain, rogue: &mut mtproto_test::rogue::RogueClient| {
        expected.push((plain.msg_id, code));
        rogue.send(conn, &plain);
    };
    for bits in [1, 2, 3] {
        let plain = rogue.plain(&call);
        let msg_id = MsgId(plain.msg_id.0 | bits);
        wrong(18, Plain { msg_id, ..plain }, &mut rogue);
    }
    for (code, seconds) in [(16, -400), (17, 400)] {
        let msg_id = rogue.msg_id_moved(seconds);
        let plain = rogue.plain(&call);
        wrong(code, Plain { msg_id, ..plain }, &mut rogue);
    }
    let plain = rogue.plain(&call);
    wrong(48, Plain { salt: 9, ..plain }, &mut rogue);
    let mut deep = items(&mut rogue);
    deep[1].body = container(&items(&mut rogue), None);
    let nested = rogue.container(container(&deep, None));
    wrong(64, nested, &mut rogue);
    let mut many = items(&mut rogue);
    while many.len() < 1_100 {
        many.push(many[1].clone());
    }
    let many = rogue.container(container(&many, None));
    wrong(64, many, &mut rogue);
    let odd = items(&mut rogue);
    let odd = rogue.container(container(&odd, None));
    let seq_no = odd.seq_no | 1;
    wrong(34, Plain { seq_no, ..odd }, &mut rogue);
    let even = rogue.plain(&call);
    let seq_no = even.seq_no + 1;
    wrong(35, Plain { seq_no, ..even }, &mut rogue);

    let told: Vec<_> = rogue
        .hear_said(conn)
        .into_iter()
        .map(|said| match said {
            Said::BadMsg { bad, code, .. } => (bad, code),
            Said::BadSalt { bad, .. } => (bad, 48),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, expected);
    assert_eq!(rogue.calls(), []);
    assert_eq!(rogue.closed(conn), None);
}

#[test]
fn m10_more_ids_than_a_message_may_name_and_larger_packets_than_any() {
    let (mut rogue, conn) = settled_server(2119);
    let many: Vec<_> = (0..20_000).map(|n| MsgId(n * 4)).collect();
    for said in [
        Said::Acks(many.clone()),
        Said::StateReq(many.clone()),
        Said::ResendReq(many.clone()),
        Said::AllInfo {
            ids: many.clone(),
            info: vec![4; 20_000],
        },
    ] {
        let (_, bytes) = peak(|| {
            rogue.say(conn, said);
        });
        assert!(bytes < 4 << 20, "{bytes} bytes");
        assert_eq!(rogue.hear_said(conn), []);
    }
    // A frame that announces more than a server takes.
    let length = (mtproto_proto::transport::MAX_SERVER_FRAME as u32 + 4).to_le_bytes();
    rogue.send_bytes(conn, &length);
    assert!(matches!(rogue.closed(conn), Some(Error::Transport(_))));
    assert_eq!(rogue.calls(), []);
}
