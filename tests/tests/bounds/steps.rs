//! How work grows with what a peer sends: what is named is looked up, so that the same messages take
//! about the same time against a list that is sixteen times as long. A search would take sixteen
//! times as long. Only times of one process are compared, the best of several.

use std::time::{Duration, Instant};

use mtproto_proto::{ConnId, Machine, MsgId, SessionId};
use mtproto_test::rogue::{RogueClient, RogueServer, Said};
use mtproto_test::tamper::Item;

use crate::unread::{alone_to_client, to_client, to_server};
use crate::{client, server};

/// Messages whose time is taken: so few that it is short, for a thread loses the processor to others
/// in what takes long.
const MESSAGES: usize = 300;
/// Lengths of the list that they are about.
const SHORT: usize = 800;
const LONG: usize = 16 * SHORT;
/// What a longer list may cost: deeper trees, memory that is further away. Far from sixteen.
const SLACK: u32 = 6;

/// `run` takes a length, and gives the time of its [`MESSAGES`].
fn assert_looked_up(name: &str, run: impl Fn(usize) -> Duration) {
    let best = |len| (0..5).map(|_| run(len)).min().unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (short, long) = (best(SHORT), best(LONG));
        println!("{name}: {short:?} with {SHORT}, {long:?} with {LONG}");
        if long < SLACK * short {
            return;
        }
        seen.push((short, long));
    }
    panic!("{name}: {seen:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "times of one process are compared with each other"
)]
fn timed(run: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    run();
    begun.elapsed()
}

fn client_takes(rogue: &mut RogueServer, items: &[Item]) -> Duration {
    let (bytes, now) = (to_client(rogue, items), rogue.now());
    timed(|| rogue.client.handle_input(now, &bytes).unwrap())
}

fn server_takes(rogue: &mut RogueClient, conn: ConnId, items: &[Item]) -> Duration {
    let (bytes, now) = (to_server(rogue, conn, items), rogue.now());
    timed(|| rogue.server.handle_input(now, conn, &bytes))
}

/// A client with so many requests that wait for their answers.
fn asking(seed: u64, requests: usize) -> RogueServer {
    let mut rogue = client::with(seed, |_| ());
    for _ in 0..requests {
        rogue.call(b"the call");
    }
    rogue.hear();
    rogue
}

/// A server that has so many calls of a client that does not read; their ids.
fn called(seed: u64, calls: usize) -> (RogueClient, ConnId, Vec<MsgId>) {
    let (mut rogue, conn) = server::with(seed, |_| ());
    rogue.reads(conn, false);
    let items: Vec<_> = (0..calls)
        .map(|_| rogue.item(&Said::other(b"a call..")))
        .collect();
    for items in items.chunks(1_000) {
        server_takes(&mut rogue, conn, items);
    }
    (rogue, conn, items.iter().map(|item| item.msg_id).collect())
}

#[test]
fn a_state_is_told_without_a_search_through_what_is_not_acknowledged_yet() {
    assert_looked_up("states", |len| {
        let (mut rogue, conn, _) = called(7501, len);
        let items: Vec<_> = (0..MESSAGES)
            .map(|_| rogue.item(&Said::StateReq(vec![MsgId(4)])))
            .collect();
        server_takes(&mut rogue, conn, &items)
    });
}

#[test]
fn an_answer_is_given_without_a_search_through_what_is_not_acknowledged_yet() {
    assert_looked_up("answers", |len| {
        let (mut rogue, ..) = called(7502, len);
        let (calls, now) = (rogue.calls(), rogue.now());
        assert_eq!(calls.len(), len);
        // The oldest, and the newest.
        let some = calls.iter().take(MESSAGES / 2);
        let some: Vec<_> = some.chain(calls.iter().rev().take(MESSAGES / 2)).collect();
        timed(|| {
            for (id, _) in some {
                rogue.server.respond(now, *id, b"answered"[..].into());
            }
        })
    });
}

#[test]
fn an_answer_is_dropped_without_a_search_through_all_that_wait() {
    assert_looked_up("answers dropped", |len| {
        let (mut rogue, conn, ids) = called(7503, len);
        for (id, _) in rogue.calls() {
            assert!(rogue.respond(id, b"answered"));
        }
        let middle = &ids[len / 2..][..MESSAGES];
        let items: Vec<_> = middle
            .iter()
            .map(|id| rogue.item(&Said::DropAnswer(*id)))
            .collect();
        server_takes(&mut rogue, conn, &items)
    });
}

#[test]
fn a_container_that_is_acknowledged_again_and_again_is_taken_apart_once() {
    let run = |members: usize| {
        let mut rogue = client::with(7504, |_| ());
        for _ in 0..members {
            rogue.call(b"the call");
        }
        let container = rogue.hear_one().msg_id;
        let acks = Said::Acks(vec![container; 50_000]);
        let (bytes, now) = (alone_to_client(&mut rogue, &acks), rogue.now());
        timed(|| rogue.client.handle_input(now, &bytes).unwrap())
    };
    assert_looked_up("acks of a container", |len| run(len / 16));
}

#[test]
fn a_new_session_concerns_only_the_requests_before_it() {
    assert_looked_up("new sessions", |len| {
        let mut rogue = asking(7505, len);
        let (first, salt) = (MsgId(4), rogue.salt);
        let items: Vec<_> = (0..MESSAGES as i64)
            .map(|unique_id| {
                rogue.item(&Said::NewSession {
                    first,
                    unique_id,
                    salt,
                })
            })
            .collect();
        client_takes(&mut rogue, &items)
    });
}

#[test]
fn an_answer_without_an_id_is_not_searched_for_among_all_requests() {
    assert_looked_up("sessions destroyed", |len| {
        let mut rogue = asking(7506, len);
        let (session, found) = (SessionId(5), true);
        let items: Vec<_> = (0..MESSAGES)
            .map(|_| rogue.item(&Said::SessionDestroyed { session, found }))
            .collect();
        client_takes(&mut rogue, &items)
    });
}

#[test]
fn answers_states_and_errors_of_one_request_do_not_look_at_the_others() {
    for kind in 0..4 {
        assert_looked_up("about one request", |len| {
            let mut rogue = client::with(7507, |_| ());
            for _ in 0..len {
                rogue.call(b"the call");
            }
            let heard = rogue.hear();
            let messages = heard.iter().flat_map(|packet| &packet.messages);
            let ids: Vec<_> = messages.map(|message| message.msg_id).collect();
            let salt = rogue.salt;
            let items: Vec<_> = ids[len / 3..][..MESSAGES]
                .iter()
                .map(|id| {
                    let said = match kind {
                        0 => Said::result(*id, b"answered"),
                        1 => Said::Acks(vec![*id]),
                        2 => Said::bad_salt(*id, salt),
                        _ => Said::AllInfo {
                            ids: vec![*id],
                            info: vec![2],
                        },
                    };
                    rogue.item(&said)
                })
                .collect();
            client_takes(&mut rogue, &items)
        });
    }
}

#[test]
fn an_id_is_remembered_in_any_order() {
    assert_looked_up("ids that come", |len| {
        let mut rogue = client::with(7508, |_| ());
        let first = rogue.msg_id_moved(-60).0;
        let mut item = |at: usize| {
            let mut item = rogue.item(&Said::result(MsgId(4), b""));
            // Each once, within a few seconds, in no order.
            item.msg_id = MsgId(first + 4 * ((at as i64 * 7_919) % 104_729));
            item
        };
        let before: Vec<_> = (0..len).map(&mut item).collect();
        let items: Vec<_> = (len..len + MESSAGES).map(&mut item).collect();
        for items in before.chunks(1_000) {
            client_takes(&mut rogue, items);
        }
        client_takes(&mut rogue, &items)
    });
}
