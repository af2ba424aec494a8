//! Peers that say anything: a random server, a random client. Whatever they say, requests end once,
//! calls run once, senders keep their rules (the kit checks every packet), and nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mtproto_proto::connection::ClientEvent;
use mtproto_proto::server::Event;
use mtproto_proto::session::SendOptions;
use mtproto_proto::{ConnId, MsgId, RequestId, SessionId};
use mtproto_test::rogue::{RogueClient, RogueServer, Said};
use mtproto_test::tamper::{Plain, container, gzip, gzip_packed};
use mtproto_test::{Dice, Seed};

use crate::support::{config, secs, server_config};

const CODES: [i32; 14] = [0, 15, 16, 17, 18, 19, 20, 32, 33, 34, 35, 48, 64, 1_000];

/// What a random server knows of its client.
struct Heard {
    /// Every id that the client gave to a message or a container, newest last.
    ids: Vec<MsgId>,
    sessions: Vec<SessionId>,
    /// Packets that were sent, to be sent again.
    sent: Vec<Plain>,
}

impl Heard {
    fn listen(&mut self, rogue: &mut RogueServer) {
        for packet in rogue.hear() {
            self.ids
                .extend(packet.messages.iter().map(|message| message.msg_id));
            self.ids.push(packet.msg_id);
            if self.sessions.last() != Some(&packet.session) {
                self.sessions.push(packet.session);
            }
        }
    }

    /// An id of the client, mostly a new one, sometimes an invented one.
    fn id(&self, dice: &mut Dice) -> MsgId {
        if self.ids.is_empty() || dice.chance(1, 20) {
            return MsgId(dice.range(0..=u64::MAX) as i64);
        }
        let most = dice.range(0..=self.ids.len() as u64 - 1);
        let back = dice.range(0..=most);
        self.ids[self.ids.len() - 1 - back as usize]
    }

    fn ids(&self, dice: &mut Dice) -> Vec<MsgId> {
        (0..dice.range(0..=6)).map(|_| self.id(dice)).collect()
    }
}

fn anything(heard: &Heard, rogue: &RogueServer, dice: &mut Dice) -> Said {
    let id = heard.id(dice);
    match dice.range(0..=20) {
        0..=3 => Said::result(id, b"answered"),
        4 => Said::error(id, 400, "CONNECTION_NOT_INITED"),
        5 => Said::Acks(heard.ids(dice)),
        6 | 7 => Said::bad_msg(id, *dice.choose(&CODES)),
        8 => Said::bad_salt(id, dice.range(0..=9) as i64),
        9 => Said::NewSession {
            first: id,
            unique_id: dice.range(0..=3) as i64,
            salt: 1,
        },
        10 => Said::StateInfo {
            req: id,
            info: dice.bytes(1),
        },
        11 => {
            let ids = heard.ids(dice);
            let info = ids
                .iter()
                .map(|_| *dice.choose(&[0, 1, 2, 3, 4, 12, 196]))
                .collect();
            Said::AllInfo { ids, info }
        }
        12 => Said::DetailedInfo {
            msg_id: id,
            answer: rogue.msg_id_moved(-1),
        },
        13 => Said::NewDetailedInfo {
            answer: rogue.msg_id_moved(-2),
        },
        14 => Said::StateReq(heard.ids(dice)),
        15 => Said::ResendReq(heard.ids(dice)),
        16 => Said::Ping(7),
        17 => Said::Pong {
            req: id,
            ping_id: 7,
        },
        18 => rogue.future_salts(id),
        19 => Said::other(&gzip_packed(&gzip(
            &Said::result(id, b"packed..").to_bytes(),
        ))),
        _ => Said::other(b"an update..."),
    }
}

/// One random thing that the server does.
fn act(rogue: &mut RogueServer, heard: &mut Heard, dice: &mut Dice) {
    let said = anything(heard, rogue, dice);
    let mut plain = if dice.chance(1, 4) {
        let items: Vec<_> = (0..dice.range(0..=5))
            .map(|_| {
                let said = anything(heard, rogue, dice);
                rogue.item(&said)
            })
            .collect();
        rogue.container(container(&items, None))
    } else {
        rogue.plain(&said)
    };
    match dice.range(0..=30) {
        0 => plain.msg_id = MsgId(rogue.msg_id_moved(dice.range(0..=9_000) as i64 - 4_500).0),
        1 => plain.msg_id.0 &= !3,
        2 if !heard.sent.is_empty() => plain = dice.choose(&heard.sent).clone(),
        3 if !heard.sessions.is_empty() => plain.session = *dice.choose(&heard.sessions),
        4 => plain.seq_no ^= 1,
        5 => rogue.skew(dice.range(0..=8_000) as i64 - 4_000),
        _ => {}
    }
    heard.sent.push(plain.clone());
    rogue.send(&plain);
}

fn random_server(seed: u64) {
    let mut dice = Dice::new(Seed(seed));
    let mut rogue = RogueServer::settled(config(), Seed(seed));
    let mut heard = Heard {
        ids: Vec::new(),
        sessions: vec![rogue.session()],
        sent: Vec::new(),
    };
    let mut open: BTreeSet<RequestId> = BTreeSet::new();
    let mut ended: BTreeMap<RequestId, String> = BTreeMap::new();
    let mut take = |rogue: &mut RogueServer, open: &mut BTreeSet<RequestId>| {
        for event in rogue.news() {
            if let ClientEvent::Response { id, .. } | ClientEvent::Failed { id, .. } = event {
                let text = format!("{event:?}");
                assert!(
                    open.remove(&id),
                    "seed {seed}: {text} after {:?}",
                    ended.get(&id)
                );
                ended.insert(id, text);
            }
        }
    };
    for _ in 0..80 {
        match dice.range(0..=9) {
            0..=2 => {
                let options = SendOptions::default();
                let options = if dice.chance(1, 2) {
                    options.idempotent()
                } else {
                    options
                };
                if let Ok(id) = rogue
                    .client
                    .send(rogue.now(), b"a call.."[..].into(), &options)
                {
                    open.insert(id);
                }
            }
            3 => {
                if let Some(id) = open.iter().next().copied().filter(|_| dice.chance(1, 2)) {
                    rogue.cancel(id);
                }
            }
            4 => rogue.later(dice.duration(Duration::ZERO..=secs(12))),
            5 if dice.chance(1, 4) => match dice.range(0..=2) {
                0 => rogue.send_eof(),
                1 => rogue.send_status(-404),
                _ => rogue.send_packet(&[9; 88]),
            },
            6 => rogue.reads(dice.chance(3, 4)),
            _ => act(&mut rogue, &mut heard, &mut dice),
        }
        heard.listen(&mut rogue);
        take(&mut rogue, &mut open);
        if rogue.error().is_some() {
            rogue = rogue.reconnect();
            // A server cannot write before its client has.
            rogue.reads(true);
            heard.listen(&mut rogue);
        }
    }
    // A minute later everything has ended.
    rogue.reads(true);
    let until = rogue.now() + secs(61);
    while rogue.now() < until {
        rogue.later(secs(1));
        heard.listen(&mut rogue);
        if rogue.error().is_some() {
            rogue = rogue.reconnect();
        }
    }
    take(&mut rogue, &mut open);
    assert!(open.is_empty(), "seed {seed}: {open:?}");
    assert_eq!(rogue.client.queued_bytes(), 0, "seed {seed}");
}

#[test]
fn whatever_a_server_says_every_request_ends_once() {
    let first = Seed::from_env_or(5301).0;
    for seed in first..first + 300 {
        random_server(seed);
    }
}

/// One random thing that the client says, or a copy of what it said.
fn say(rogue: &mut RogueClient, conn: ConnId, known: &mut Known, dice: &mut Dice) {
    let id = known.id(dice);
    let said = match dice.range(0..=14) {
        0..=3 => Said::other(&dice.bytes(8)),
        4 => Said::Ping(1),
        5 => Said::PingDelay {
            ping_id: 1,
            delay: dice.range(0..=700) as i32,
        },
        6 => Said::GetFutureSalts(dice.range(0..=99) as i32),
        7 => Said::DropAnswer(id),
        8 => Said::StateReq(vec![id, MsgId(4)]),
        9 => Said::ResendReq(known.heard.iter().rev().take(3).copied().collect()),
        10 => Said::Acks(known.heard.iter().rev().take(5).copied().collect()),
        11 => Said::DestroySession(SessionId(dice.range(1..=6) as i64)),
        12 => Said::other(&gzip_packed(&gzip(&dice.bytes(64)))),
        13 => Said::StateInfo {
            req: id,
            info: dice.bytes(2),
        },
        _ => Said::other(&gzip_packed(&dice.bytes(16))),
    };
    let mut plain = if dice.chance(1, 4) {
        let mut items: Vec<_> = (0..dice.range(0..=4))
            .map(|_| rogue.item(&Said::other(&dice.bytes(12))))
            .collect();
        items.push(rogue.item(&said));
        rogue.container(container(&items, None))
    } else {
        rogue.plain(&said)
    };
    match dice.range(0..=20) {
        0 => plain.msg_id = rogue.msg_id_moved(dice.range(0..=900) as i64 - 450),
        1 => plain.msg_id.0 |= 1,
        2 | 3 if !known.sent.is_empty() => plain = dice.choose(&known.sent).clone(),
        4 => plain.salt ^= 1,
        5 => plain.seq_no ^= 1,
        6 => plain.seq_no += 2,
        7 => plain.session = SessionId(dice.range(1..=6) as i64),
        _ => {}
    }
    known.said.push(plain.msg_id);
    known.sent.push(plain.clone());
    rogue.send(conn, &plain);
}

/// What a random client knows of its server.
#[derive(Default)]
struct Known {
    said: Vec<MsgId>,
    heard: Vec<MsgId>,
    sent: Vec<Plain>,
}

impl Known {
    fn id(&self, dice: &mut Dice) -> MsgId {
        if self.said.is_empty() {
            MsgId(4)
        } else {
            *dice.choose(&self.said)
        }
    }
}

fn random_client(seed: u64) {
    let mut dice = Dice::new(Seed(seed));
    let mut config = server_config();
    config.max_sessions_per_key = 4;
    let mut rogue = RogueClient::new(config, Seed(seed));
    let mut known = Known::default();
    let mut conns = vec![rogue.connect()];
    rogue.session = SessionId(1);
    let mut executed = BTreeSet::new();
    let mut waiting = Vec::new();
    for _ in 0..120 {
        match dice.range(0..=12) {
            0 => conns.push(rogue.connect()),
            1 if conns.len() > 1 => {
                let conn = conns.swap_remove(dice.index(conns.len()));
                rogue.disconnect(conn);
            }
            2 => rogue.later(dice.duration(Duration::ZERO..=secs(90))),
            3 => rogue.session = SessionId(dice.range(1..=6) as i64),
            4 => {
                let conn = *dice.choose(&conns);
                rogue.reads(conn, dice.chance(4, 5));
            }
            5 => {
                rogue.push(b"an update...");
            }
            6 => rogue.skew(dice.range(0..=200) as i64 - 100),
            _ => {
                let conn = *dice.choose(&conns);
                say(&mut rogue, conn, &mut known, &mut dice);
            }
        }
        for event in rogue.events() {
            if let Event::Request {
                id,
                session,
                msg_id,
                ..
            } = event
            {
                assert!(
                    executed.insert((session, msg_id)),
                    "seed {seed}: {msg_id} of {session} runs twice"
                );
                waiting.push(id);
            } else if let Event::SessionClosed { session, .. } = event {
                rogue.begins_anew(session);
            }
        }
        if !waiting.is_empty() && dice.chance(1, 2) {
            let id = waiting.swap_remove(dice.index(waiting.len()));
            let len = 4 * dice.range(1..=600) as usize;
            rogue.respond(id, &vec![5; len]);
        }
        for conn in &conns {
            for packet in rogue.hear(*conn) {
                for message in packet.messages {
                    if let Said::BadSalt { new_salt: salt, .. } | Said::NewSession { salt, .. } =
                        message.said()
                    {
                        rogue.salt = salt;
                    }
                    known.heard.push(message.msg_id);
                }
            }
        }
        // What the server closed, the driver closes.
        conns.retain(|conn| {
            let closed = rogue.closed(*conn).is_some();
            if closed {
                rogue.disconnect(*conn);
            }
            !closed
        });
        if conns.is_empty() {
            conns.push(rogue.connect());
        }
    }
    for conn in conns {
        rogue.disconnect(conn);
    }
    rogue.later(secs(7_200));
    assert_eq!(rogue.server.streams(), 0, "seed {seed}");
    assert_eq!(rogue.server.sessions().count(), 0, "seed {seed}");
    assert_eq!(rogue.server.poll_timeout(), None, "seed {seed}");
}

#[test]
fn whatever_a_client_says_every_call_runs_once_and_nothing_is_left() {
    let first = Seed::from_env_or(5302).0;
    for seed in first..first + 300 {
        random_client(seed);
    }
}
