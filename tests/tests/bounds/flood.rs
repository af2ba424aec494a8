//! Everything at once, for as long as it takes to fill memory if anything could.

use mtproto_proto::server::{Action, Event, Server};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{ConnId, Machine, MsgId, SendError, SessionId, Time};
use mtproto_test::alloc::{held, peak};
use mtproto_test::rogue::{RogueClient, RogueServer, Said};
use mtproto_test::tamper::{container, gzip_packed, zlib};
use mtproto_test::{Dice, Seed};

use crate::unread::{alone_to_client, to_client};
use crate::{client, server};

/// Bytes of one flood: as much as a fast line brings in a second.
const FLOOD: usize = 4 << 20;
/// What a client may hold then: updates that nobody takes, what one packet inflates to while its
/// buffer grows, and what is remembered.
const MOST: usize = 32 << 20;
/// What a server's session may hold: calls, answers that wait, answers that are not acknowledged,
/// and what one packet inflates to.
const MOST_OF_A_SERVER: usize = 48 << 20;

/// Zeros that inflate to 60 KB, a little below what is looked at.
fn bomb() -> Said {
    Said::other(&gzip_packed(&zlib(&vec![0; 60_000])))
}

/// What a server floods with: of one kind, a packet's worth.
fn flood_of_a_server(rogue: &mut RogueServer, kind: u64, open: &[MsgId], n: i64) -> Vec<Said> {
    let many = |said: Said| vec![said; 1_000];
    let some = open.last().copied().unwrap_or(MsgId(4));
    let ids: Vec<_> = (0..8_000).map(|at| MsgId(some.0 - at * 4)).collect();
    let salt = rogue.salt;
    match kind {
        0 => many(Said::other(b"tiny")),
        1 => many(bomb()),
        2 => vec![Said::other(&vec![1; 900_000])],
        3 => vec![Said::Acks(ids)],
        4 => vec![Said::StateReq(ids)],
        5 => {
            let answer = |at: i64| MsgId(rogue.msg_id_moved(-100).0 + at * 4 + n * 4_096);
            let described = |at| Said::NewDetailedInfo { answer: answer(at) };
            (0..1_000).map(described).collect()
        }
        6 => {
            let session = |at| Said::NewSession {
                first: MsgId(4),
                unique_id: n * 1_000 + at,
                salt,
            };
            (0..1_000).map(session).collect()
        }
        7 => many(Said::result(MsgId(4), &[0; 100])),
        8 => many(Said::Ping(n)),
        9 => {
            let mut pong = Said::Pong {
                req: some,
                ping_id: 1,
            }
            .to_bytes();
            pong.resize(500_000, 0);
            vec![Said::Other(pong.into())]
        }
        10 => open
            .iter()
            .map(|req| Said::result(*req, &[2; 2_000]))
            .collect(),
        11 => {
            let packed = gzip_packed(&zlib(&vec![3; 3_000_000]));
            open.iter()
                .take(3)
                .map(|req| Said::result(*req, &packed))
                .collect()
        }
        12 => vec![Said::bad_salt(some, salt), Said::bad_msg(some, 33)],
        13 => {
            let now = rogue.server_now().unix() as i32;
            let salts = (0..64).map(|at| (now, now + 100 + at, n)).collect();
            many(Said::FutureSalts {
                req: some,
                now,
                salts,
            })
        }
        14 => vec![Said::ResendReq(ids)],
        15 => vec![Said::AllInfo {
            info: vec![2; ids.len()],
            ids,
        }],
        _ => {
            let session = SessionId(n);
            many(Said::SessionDestroyed {
                session,
                found: false,
            })
        }
    }
}

const KINDS: u64 = 17;

/// What is held beyond what was held before, while a peer floods.
#[derive(Debug, Default)]
struct Growth {
    now: isize,
    most: isize,
}

impl Growth {
    /// Counts what this leaves behind, and the most that it takes meanwhile.
    fn count<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let before = held();
        let (result, at_most) = peak(run);
        self.most = self.most.max(self.now + at_most as isize);
        self.now += held() - before;
        result
    }
}

/// Floods a client with one kind or all of them; the most that it held. `polls`: somebody takes its
/// events and writes its packets.
fn flood_client(seed: u64, only: Option<u64>, polls: bool) -> usize {
    let mut dice = Dice::new(Seed(seed));
    let mut rogue = client::with(seed, |_| ());
    let mut growth = Growth::default();
    let (mut fed, mut n) = (0, 0);
    let mut open = Vec::new();
    while fed < FLOOD {
        if polls || n == 0 {
            for _ in 0..20 {
                let now = rogue.now();
                let sent = rogue
                    .client
                    .send(now, vec![7; 200].into(), &SendOptions::default());
                assert!(sent.is_ok() || sent == Err(SendError::TooMany { max: 16_384 }));
            }
            let heard = rogue.hear();
            let messages = heard.iter().flat_map(|packet| packet.messages.clone());
            open.extend(messages.map(|message| message.msg_id));
            open = open.split_off(open.len().saturating_sub(2_000));
        }
        // A driver reads 64 KiB; here it is a whole mebibyte.
        let mut bytes = Vec::new();
        while bytes.len() < 1 << 20 {
            n += 1;
            let kind = only.unwrap_or_else(|| u64::from(dice.array::<1>()[0]) % KINDS);
            let said = flood_of_a_server(&mut rogue, kind, &open, n);
            if let [only] = &said[..] {
                bytes.extend(alone_to_client(&mut rogue, only));
            } else {
                let items: Vec<_> = said.iter().map(|said| rogue.item(said)).collect();
                bytes.extend(to_client(&mut rogue, &items));
            }
        }
        fed += bytes.len();
        growth.count(|| rogue.send_bytes(&bytes));
        if polls {
            growth.count(|| while rogue.client.poll_event().is_some() {});
        }
        if rogue.error().is_some() {
            // It goes on with what it had over the next stream.
            rogue = rogue.reconnect();
            rogue.hear();
        }
    }
    usize::try_from(growth.most).unwrap()
}

#[test]
fn a_server_that_floods_a_client_that_nobody_serves_does_not_fill_memory() {
    for kind in 0..KINDS {
        let most = flood_client(7_700 + kind, Some(kind), false);
        println!("kind {kind}: {most} bytes");
        assert!(most < MOST, "kind {kind}: {most} bytes");
    }
    let seed = Seed::from_env_or(7_720).0;
    let most = flood_client(seed, None, false);
    println!("all: {most} bytes");
    assert!(most < MOST, "seed {seed}: {most} bytes");
}

#[test]
fn a_server_that_floods_a_client_does_not_fill_memory() {
    let seed = Seed::from_env_or(7_721).0;
    for seed in seed..seed + 3 {
        let most = flood_client(seed, None, true);
        println!("seed {seed}: {most} bytes");
        assert!(most < MOST, "seed {seed}: {most} bytes");
    }
}

/// What a client floods with: of one kind, a packet's worth.
fn flood_of_a_client(rogue: &RogueClient, kind: u64, n: i64) -> Vec<Said> {
    let many = |said: Said| vec![said; 1_000];
    let recent = rogue.msg_id_moved(-1).0;
    let ids: Vec<_> = (0..8_000).map(|at| MsgId(recent + at * 4)).collect();
    match kind {
        0 => many(Said::other(b"tiny")),
        1 => many(bomb()),
        2 => vec![Said::other(&vec![1; 900_000])],
        3 => vec![Said::Acks(ids)],
        4 => vec![Said::StateReq(ids)],
        5 => vec![Said::ResendReq(ids)],
        6 => many(Said::GetFutureSalts(64)),
        7 => many(Said::Ping(n)),
        8 => many(Said::PingDelay {
            ping_id: n,
            delay: 60,
        }),
        9 => many(Said::DestroySession(SessionId(n))),
        10 => (0..1_000)
            .map(|at| Said::DropAnswer(MsgId(recent + at * 4)))
            .collect(),
        11 => {
            // A call and what drops it, again and again.
            let call = Said::other(&[5; 400]);
            (0..500)
                .flat_map(|_| [call.clone(), Said::DropAnswer(MsgId(0))])
                .collect()
        }
        _ => many(Said::other(&[7; 900])),
    }
}

const KINDS_OF_A_CLIENT: u64 = 13;

/// A stream of the intermediate framing, whose client never reads what it asked for if `reads` is
/// false.
struct Line {
    conn: ConnId,
    reads: bool,
    began: bool,
}

impl Line {
    /// Feeds these packets, and takes what the server writes.
    fn feed(&mut self, server: &mut Server, now: Time, packets: &[Vec<u8>]) {
        let mut bytes = Vec::new();
        if !std::mem::replace(&mut self.began, true) {
            server.handle_connected(now, self.conn);
            bytes.extend([0xee; 4]);
        }
        for packet in packets {
            bytes.extend((packet.len() as u32).to_le_bytes());
            bytes.extend(packet);
        }
        server.handle_input(now, self.conn, &bytes);
        drop(bytes);
        let mut out = Vec::new();
        while self.reads && server.poll_transmit(now, self.conn, &mut out) {
            out.clear();
        }
        let mut closed = false;
        while let Some(action) = server.poll_action() {
            closed |= matches!(action, Action::Close { conn, .. } if conn == self.conn);
        }
        if closed {
            server.handle_closed(now, self.conn);
            self.conn.0 += 1;
            self.began = false;
        }
    }
}

/// Floods a server in one session; the most that it held. `answers`: its owner answers the calls,
/// and the client reads.
fn flood_server(seed: u64, only: Option<u64>, answers: bool) -> usize {
    let mut dice = Dice::new(Seed(seed));
    let (mut rogue, conn) = server::with(seed, |_| ());
    rogue.disconnect(conn);
    let mut line = Line {
        conn: ConnId(1_000),
        reads: answers,
        began: false,
    };
    let mut growth = Growth::default();
    let (mut fed, mut n) = (0, 0);
    while fed < FLOOD {
        let (mut packets, mut len) = (Vec::new(), 0);
        while len < 1 << 20 {
            n += 1;
            let kind = only.unwrap_or_else(|| u64::from(dice.array::<1>()[0]) % KINDS_OF_A_CLIENT);
            let said = flood_of_a_client(&rogue, kind, n);
            let mut items: Vec<_> = said.iter().map(|said| rogue.item(said)).collect();
            for at in 1..items.len() {
                // A drop that means the message before it.
                if kind == 11 && at % 2 == 1 {
                    items[at].body = Said::DropAnswer(items[at - 1].msg_id).to_bytes();
                }
            }
            let plain = rogue.container(container(&items, None));
            packets.push(rogue.seal(&plain));
            len += packets.last().unwrap().len();
        }
        fed += len;
        let (now, server) = (rogue.now(), &mut rogue.server);
        // One by one, as the network brings them.
        for packet in packets.chunks(1) {
            growth.count(|| {
                line.feed(server, now, packet);
                while answers && let Some(event) = server.poll_event() {
                    if let Event::Request { id, .. } = event {
                        server.respond(now, id, vec![8; 2_000].into());
                    }
                }
            });
        }
    }
    usize::try_from(growth.most).unwrap()
}

#[test]
fn a_client_that_floods_a_server_does_not_fill_memory() {
    for answers in [false, true] {
        for kind in 0..KINDS_OF_A_CLIENT {
            let most = flood_server(7_730 + kind, Some(kind), answers);
            println!("kind {kind}, {answers}: {most} bytes");
            assert!(
                most < MOST_OF_A_SERVER,
                "kind {kind}, {answers}: {most} bytes"
            );
        }
        let seed = Seed::from_env_or(7_750).0;
        let most = flood_server(seed, None, answers);
        println!("all, {answers}: {most} bytes");
        assert!(
            most < MOST_OF_A_SERVER,
            "seed {seed}, {answers}: {most} bytes"
        );
    }
}
