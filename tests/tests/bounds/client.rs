//! What a server can make a client keep or do.

use mtproto_proto::connection::{ClientEvent, Error};
use mtproto_proto::crypto::Direction;
use mtproto_proto::session::Limits;
use mtproto_proto::{Machine, MsgId, RequestError, transport};
use mtproto_test::rogue::{RogueServer, Said};
use mtproto_test::tamper::{gzip_packed, seal, zlib};
use mtproto_test::{Seed, alloc};

use crate::support::{config, failed, response, secs, update};
use crate::unread::{alone_to_client, feed_client, to_client};

/// A client's established session with other limits, and its scripted server.
pub fn with(seed: u64, limits: impl FnOnce(&mut Limits)) -> RogueServer {
    let mut config = config();
    limits(&mut config.session.limits);
    RogueServer::settled(config, Seed::from_env_or(seed))
}

/// Compressed zeros that inflate to so many bytes, whose first say what they are.
pub fn zeros(len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    data[..4].copy_from_slice(b"zero");
    gzip_packed(&zlib(&data))
}

/// Bytes that do not compress well, compressed.
fn noise(rogue: &mut RogueServer, len: usize) -> (Vec<u8>, Vec<u8>) {
    let data = rogue.dice().bytes(len);
    let packed = gzip_packed(&zlib(&data));
    (data, packed)
}

#[test]
fn a_packet_beyond_limits_packet_ends_the_stream_and_one_at_the_bound_is_taken() {
    // Key id and `msg_key`, then whole blocks.
    const PACKET: usize = 24 + 16 * 400;
    let mut rogue = with(7101, |limits| limits.packet = PACKET);
    let body = vec![7; PACKET - 24 - 32 - 12];
    rogue.say(Said::other(&body));
    assert_eq!(rogue.news(), [update(&body)]);
    rogue.say(Said::other(&[body, vec![7; 16]].concat()));
    let (got, max) = (PACKET as u32 + 16, PACKET as u32);
    let error = Error::Transport(transport::Error::TooLong { got, max });
    assert_eq!(rogue.error(), Some(&error));
    assert_eq!(rogue.news(), []);
}

#[test]
fn of_a_container_beyond_limits_container_items_so_many_are_taken() {
    for (sent, taken) in [(10, 10), (11, 10), (500, 10)] {
        let mut rogue = with(7102, |limits| limits.container_items = 10);
        let items: Vec<_> = (0..sent)
            .map(|_| rogue.item(&Said::other(b"update 1")))
            .collect();
        rogue.send_container(&items);
        assert_eq!(rogue.news(), vec![update(b"update 1"); taken], "{sent}");
        let malformed = u64::from(sent > taken);
        assert_eq!(rogue.client.stats().malformed, malformed, "{sent}");
    }
}

#[test]
fn what_inflates_beyond_limits_inflated_is_not_taken_and_a_packet_shares_it() {
    const INFLATED: usize = 100_000;
    let mut rogue = with(7103, |limits| limits.inflated = INFLATED);
    let (fits, packed) = noise(&mut rogue, INFLATED);
    let (_, packed_more) = noise(&mut rogue, INFLATED + 4);
    rogue.say(Said::other(&packed));
    assert_eq!(rogue.news(), [update(&fits)]);
    rogue.say(Said::other(&packed_more));
    assert_eq!(rogue.news(), [ClientEvent::UpdatesMissed]);

    let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
    let heard = rogue.hear_one();
    let reqs = [b"call one", b"call two"].map(|call| heard.id_of(&Said::other(call)));
    rogue.say(Said::result(reqs[0], &packed));
    rogue.say(Said::result(reqs[1], &packed_more));
    let bad = failed(ids[1], RequestError::BadAnswer);
    assert_eq!(rogue.news(), [response(ids[0], &fits), bad]);

    // Two that fit alone.
    let (half, packed) = noise(&mut rogue, INFLATED / 2 + 4);
    let items = [(); 2].map(|()| rogue.item(&Said::other(&packed)));
    rogue.send_container(&items);
    assert_eq!(rogue.news(), [update(&half)]);
    assert_eq!(rogue.client.stats().bad_gzip, 3);
}

#[test]
fn what_becomes_more_than_limits_inflate_ratio_is_no_message_from_64_kib_on() {
    for (ratio, len, taken) in [
        (10, 1_000_000, false),
        (0, 65_536, true),
        (0, 65_540, false),
        (1_100, 1_000_000, true),
        (usize::MAX, 1_000_000, true),
    ] {
        let mut rogue = with(7104, |limits| limits.inflate_ratio = ratio);
        let packed = zeros(len);
        assert!(packed.len() < len / 600);
        let bytes = alone_to_client(&mut rogue, &Said::other(&packed));
        let cost = feed_client(&mut rogue, &bytes);
        let events = rogue.news();
        let update = matches!(&events[..], [ClientEvent::Update { body }] if body.len() == len);
        assert_eq!(update, taken, "{ratio}, {len}: {events:?}");
        if !taken {
            assert!(cost.peak < 300_000, "{ratio}, {len}: {cost:?}");
        }
    }
}

#[test]
fn acknowledgements_beyond_limits_acks_are_dropped_and_counted() {
    for limit in [0, 100, 3_000] {
        let mut rogue = with(7105, |limits| limits.acks = limit);
        rogue.reads(false);
        let before = rogue.client.stats().overflow;
        for _ in 0..2 {
            let items: Vec<_> = (0..1_000)
                .map(|_| rogue.item(&Said::result(MsgId(4), b"nobody's")))
                .collect();
            let bytes = to_client(&mut rogue, &items);
            feed_client(&mut rogue, &bytes);
        }
        rogue.reads(true);
        let said = rogue.hear_said();
        let acked = said.iter().map(|said| match said {
            Said::Acks(ids) => ids.len(),
            _ => 0,
        });
        assert_eq!(acked.sum::<usize>(), limit.min(2_000));
        let dropped = rogue.client.stats().overflow - before;
        assert_eq!(dropped, 2_000_u64.saturating_sub(limit as u64));
    }
}

#[test]
fn answers_that_nobody_asked_for_renew_the_session_beyond_limits_unwanted_bytes() {
    let mut rogue = with(7106, |limits| limits.unwanted_bytes = 100_000);
    for _ in 0..5 {
        rogue.say(Said::result(MsgId(4), &[0; 20_000]));
    }
    assert_eq!(rogue.client.stats().sessions_renewed, 0);
    rogue.say(Said::result(MsgId(4), &[0; 20_000]));
    assert_eq!(rogue.client.stats().sessions_renewed, 1);
}

#[test]
fn updates_that_nobody_takes_weigh_at_most_limits_update_bytes_and_the_owner_is_told() {
    const LIMIT: usize = 200_000;
    for len in [4, 1_000, 100_000] {
        let mut rogue = with(7107, |limits| limits.update_bytes = LIMIT);
        let mut held = 0;
        let mut sent = 0;
        for _ in 0..15 {
            let count = (100_000 / len).clamp(1, 1_000);
            let items: Vec<_> = (0..count)
                .map(|_| rogue.item(&Said::other(&vec![9; len])))
                .collect();
            sent += count;
            let bytes = to_client(&mut rogue, &items);
            held += feed_client(&mut rogue, &bytes).held;
        }
        // Besides them there are acknowledgements and ids that came.
        let ids = 3 * 64 * sent;
        assert!(held <= LIMIT + ids, "{len}: {held} bytes");
        let events = rogue.news();
        let taken = events.len() - 1;
        assert_eq!(taken, LIMIT / (len + 256), "{len}");
        assert_eq!(events[taken], ClientEvent::UpdatesMissed, "{len}");
        let lost = (sent - taken) as u64;
        assert_eq!(rogue.client.stats().overflow, lost, "{len}");

        // They were taken: there is room again. Dropped ones were told of a moment ago.
        rogue.say(Said::other(b"update 1"));
        assert_eq!(rogue.news(), [update(b"update 1")], "{len}");
    }
}

#[test]
fn who_takes_the_events_after_each_input_loses_none() {
    let mut rogue = with(7108, |limits| limits.update_bytes = 100_000);
    let mut seen = 0;
    for _ in 0..50 {
        let items: Vec<_> = (0..80)
            .map(|_| rogue.item(&Said::other(&[9; 900])))
            .collect();
        rogue.send_container(&items);
        let events = rogue.news();
        seen += events.len();
        assert!(events.iter().all(|event| *event == update(&[9; 900])));
    }
    assert_eq!(seen, 50 * 80);
}

#[test]
fn answers_that_nobody_takes_weigh_at_most_limits_answer_bytes_and_every_request_ends() {
    const LIMIT: usize = 500_000;
    let mut rogue = with(7109, |limits| limits.answer_bytes = LIMIT);
    let calls: Vec<_> = (0..20_u32)
        .map(|n| {
            let body = n.to_le_bytes().repeat(2);
            (rogue.call(&body), body)
        })
        .collect();
    let heard = rogue.hear_one();
    let mut held = 0;
    for (_, body) in &calls {
        let req = heard.id_of(&Said::other(body));
        let bytes = alone_to_client(&mut rogue, &Said::result(req, &[5; 50_000]));
        held += feed_client(&mut rogue, &bytes).held;
    }
    assert!(held <= LIMIT + 50_000, "{held} bytes");
    let fit = LIMIT / (50_000 + 256);
    let expected: Vec<_> = calls
        .iter()
        .enumerate()
        .map(|(n, (id, _))| {
            if n < fit {
                response(*id, &[5; 50_000])
            } else {
                failed(*id, RequestError::BadAnswer)
            }
        })
        .collect();
    assert_eq!(rogue.news(), expected);

    // Answers that are no `rpc_result` count too: what follows a pong is nobody's.
    let ids = [(); 6].map(|()| rogue.call(&Said::Ping(7).to_bytes()));
    let heard = rogue.hear();
    let mut messages = heard.iter().flat_map(|packet| &packet.messages);
    for _ in ids {
        let ping = messages.find(|message| message.said() == Said::Ping(7));
        let (req, ping_id) = (ping.unwrap().msg_id, 7);
        let mut pong = Said::Pong { req, ping_id }.to_bytes();
        pong.extend([0; 100_000]);
        let bytes = alone_to_client(&mut rogue, &Said::Other(pong.into()));
        feed_client(&mut rogue, &bytes);
    }
    let events = rogue.news();
    let bad = events
        .iter()
        .filter(|event| matches!(event, ClientEvent::Failed { .. }));
    assert_eq!((events.len(), bad.count()), (6, 2));
}

#[test]
fn news_of_salts_and_clocks_that_nobody_takes_are_bounded_and_the_last_state_is_told() {
    let mut rogue = with(7110, |_| ());
    let mut held = 0;
    // Each is half a minute ahead of the one before.
    for n in 1..=3_000 {
        let mut plain = rogue.plain(&Said::result(MsgId(4), b"nobody's"));
        plain.msg_id = rogue.msg_id_moved(n * 32);
        let key = rogue.key().clone();
        let packet = seal(&key, Direction::ToClient, &plain, rogue.dice());
        let bytes = rogue.frame(&packet);
        held += feed_client(&mut rogue, &bytes).held;
    }
    let events = rogue.events();
    assert!(held < 3 << 20, "{held} bytes");
    assert_eq!(events.len(), 1_024 + 1);
    let states: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::KeyStateChanged(state) => Some(state.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(states.last(), rogue.client.key_state());
    assert_eq!(rogue.client.poll_event(), None);
}

#[test]
fn a_session_that_is_renewed_too_often_to_be_told_means_that_updates_are_missing() {
    let mut rogue = with(7111, |_| ());
    for batch in 0..3 {
        let items: Vec<_> = (0..1_000)
            .map(|n| {
                let (first, salt) = (MsgId(4), rogue.salt);
                let unique_id = batch * 1_000 + n;
                rogue.item(&Said::NewSession {
                    first,
                    unique_id,
                    salt,
                })
            })
            .collect();
        let bytes = to_client(&mut rogue, &items);
        feed_client(&mut rogue, &bytes);
    }
    let events = rogue.news();
    let renewed = events
        .iter()
        .filter(|event| matches!(event, ClientEvent::SessionRenewed { .. }));
    assert_eq!(renewed.count(), 1_024);
    assert_eq!(events.len(), 1_025);
    assert_eq!(events.last(), Some(&ClientEvent::UpdatesMissed));
}

#[test]
fn what_was_sent_is_remembered_up_to_a_mebibyte() {
    let mut rogue = with(7112, |_| ());
    let mut held = 0;
    for _ in 0..40 {
        for _ in 0..8 {
            let items: Vec<_> = (0..1_024)
                .map(|_| rogue.item(&Said::result(MsgId(4), b"")))
                .collect();
            let bytes = to_client(&mut rogue, &items);
            held += feed_client(&mut rogue, &bytes).held;
        }
        // 8,192 acknowledgements, which are remembered in case that they are refused.
        let before = alloc::held();
        let mut out = Vec::new();
        let now = rogue.now();
        while rogue.client.poll_transmit(now, &mut out) {
            out = Vec::new();
        }
        drop(out);
        held = held.saturating_add_signed(alloc::held() - before);
    }
    assert!(held < 3 << 19, "{held} bytes");
}

#[test]
fn a_request_whose_container_was_refused_is_not_lost_with_the_servers_former_session() {
    let mut rogue = with(7113, |_| ());
    let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
    let first = rogue.hear_one();
    assert!(first.is_container);
    let salt = rogue.salt;
    rogue.say_all(&[
        Said::bad_salt(first.msg_id, salt),
        Said::NewSession {
            first: MsgId(first.msg_id.0 + 4),
            unique_id: 5,
            salt,
        },
    ]);
    let again = rogue.hear_one();
    for (id, body) in ids.into_iter().zip([b"call one", b"call two"]) {
        rogue.say(Said::result(again.id_of(&Said::other(body)), b"answered"));
        assert!(rogue.news().contains(&response(id, b"answered")));
    }
}

#[test]
fn answers_to_questions_about_states_and_pongs_are_bounded_while_the_server_does_not_read() {
    let mut rogue = with(7114, |_| ());
    rogue.reads(false);
    let asked: Vec<_> = (0..8_192).map(|n| MsgId(n * 4 + 1)).collect();
    let mut held = 0;
    for _ in 0..1_200 {
        let bytes = alone_to_client(&mut rogue, &Said::StateReq(asked.clone()));
        held += feed_client(&mut rogue, &bytes).held;
    }
    // 1,024 answers of a byte for each id.
    assert!(held < 9 << 20, "{held} bytes");
    assert!(rogue.client.stats().overflow >= 1_200 - 1_024);
    rogue.reads(true);
    let answers = rogue.hear_said();
    let answers = answers
        .iter()
        .filter(|said| matches!(said, Said::StateInfo { .. }));
    assert_eq!(answers.count(), 1_024);
}

#[test]
fn descriptions_of_messages_that_are_not_sent_are_bounded() {
    let mut rogue = with(7115, |_| ());
    rogue.reads(false);
    let mut held = 0;
    for batch in 0..4 {
        let items: Vec<_> = (0..1_024)
            .map(|n| {
                let answer = MsgId(rogue.msg_id_moved(-60).0 + batch * 8_192 + n * 4);
                rogue.item(&Said::NewDetailedInfo { answer })
            })
            .collect();
        let bytes = to_client(&mut rogue, &items);
        held += feed_client(&mut rogue, &bytes).held;
    }
    assert!(held < 1 << 20, "{held} bytes");
    assert_eq!(rogue.client.stats().overflow, 3 * 1_024);
    rogue.reads(true);
    rogue.later(secs(1));
    let asked = rogue.hear_said().into_iter().map(|said| match said {
        Said::ResendReq(ids) => ids.len(),
        _ => 0,
    });
    assert_eq!(asked.sum::<usize>(), 1_024);
}

#[test]
fn salts_are_kept_for_a_day_however_many_are_announced() {
    let mut rogue = with(7116, |_| ());
    // A question of the application's, so that the answer is expected.
    rogue.call(&Said::GetFutureSalts(64).to_bytes());
    let req = rogue.hear_one().messages.last().unwrap().msg_id;
    let now = rogue.now().unix() as i32;
    let salts: Vec<_> = (0..100_000).map(|n| (now, now + 4_000, n)).collect();
    let bytes = alone_to_client(&mut rogue, &Said::FutureSalts { req, now, salts });
    let cost = feed_client(&mut rogue, &bytes);
    rogue.events();
    assert!(cost.peak < 4 * cost.fed, "{cost:?}");
    let stored = rogue.client.key_state().unwrap().to_bytes();
    assert!(stored.len() < 2_500, "{}", stored.len());
}
