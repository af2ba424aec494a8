//! `session_open`: packets that are not what they seem, to a client's connection, to a server's
//! streams and to bare sessions of both roles.
//!
//! A packet is made from an honest one: bits changed, cut, lengthened, sealed with another key, for
//! another session or for the other direction, with a length or a padding that lies; or it is noise,
//! a message without a key, an old packet, or the machine's own.
//!
//! Must hold: what does not open ends its stream with an error that is the same for all such packets,
//! and tells nobody anything; what came before is told once; other streams go on. Key and session
//! survive: over the next stream an honest call is answered. Memory is bounded by what came and a
//! constant.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a peer looks for a few kinds of messages and events and passes over the others"
)]

mod bare;
mod client;
mod server;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use mtproto_proto::connection::Error;
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::transport::MIN_PACKET;
use mtproto_proto::{MsgId, PeerMisbehaved, SessionId};

use super::Seed;
use super::input::Input;
use super::vectors::vectors;
use crate::alloc;
use crate::tamper::{self, Plain};
use crate::{Dice, Seed as Number};

/// Packets of one input; each that ends a stream costs a new one.
const MAX_STEPS: usize = 40;
/// Good packets and packets of the machine that are kept, to come again or to be changed.
const MAX_KEPT: usize = 8;
/// Time that one input lets pass: salts live for half an hour, and ids of an earlier one may come.
const MAX_TIME: Duration = Duration::from_secs(1_200);
/// What a machine may hold while it takes a packet, for each byte of it: as it came, opened, inflated
/// in part, told; …
const HELD_FOR_EACH: usize = 8;
/// … and whatever comes: a chunk of the inbox is 64 KiB, and there may be two of them; a new session.
const HELD: usize = 256 << 10;
/// What a machine may keep of all packets of an input: what it tells and what it remembers of ids.
const KEPT: isize = 512 << 10;
/// A constructor that no schema has, so that it is a call to a server and an update to a client.
const BODY: [u8; 4] = [0x01, 0x00, 0xd0, 0x51];
/// The error of everything that does not open.
const BAD_PACKET: Error = Error::PeerMisbehaved(PeerMisbehaved::BadPacket);
/// Status that a server answers with where a key is not known.
const UNKNOWN_KEY: Error = Error::Status { code: -404 };

/// What each step begins with.
mod step {
    pub(super) const HONEST: u8 = 0;
    pub(super) const FLIP: u8 = 1;
    pub(super) const EDIT: u8 = 2;
    pub(super) const OTHER_KEY: u8 = 3;
    pub(super) const OTHER_WAY: u8 = 4;
    pub(super) const OTHER_SESSION: u8 = 5;
    pub(super) const INNER: u8 = 6;
    pub(super) const PLAINTEXT: u8 = 7;
    pub(super) const NOISE: u8 = 8;
    pub(super) const NO_KEY: u8 = 9;
    pub(super) const AGAIN: u8 = 10;
    pub(super) const OWN: u8 = 11;
    pub(super) const STREAM: u8 = 12;
    pub(super) const WAIT: u8 = 13;
    pub(super) const RECONNECT: u8 = 14;
    pub(super) const ALL: u8 = 15;
}

/// The machine under test with an honest peer of it.
trait Subject {
    /// Which way packets to it are sealed.
    const TO_IT: Direction;
    fn key(&self) -> AuthKey;
    /// Packets come in frames, and some frames are none.
    const FRAMED: bool;
    /// Packets for other sessions end the stream; otherwise they begin sessions.
    const ONE_SESSION: bool;
    /// The honest peer's session.
    fn session(&self) -> SessionId;
    /// A message as an honest peer makes the next one.
    fn honest(&mut self, body: Vec<u8>) -> Plain;
    /// Gives it a packet as the stream delivers one.
    fn packet(&mut self, packet: &[u8], quick_ack: bool);
    /// Gives it bytes of the stream; `false` if it knows no streams of bytes.
    fn bytes(&mut self, bytes: &[u8]) -> bool;
    /// Why its stream is over.
    fn ended(&mut self) -> Option<Error>;
    /// Bodies that it told its owner since the last call.
    fn told(&mut self) -> Vec<Vec<u8>>;
    /// A packet that it wrote.
    fn own(&mut self) -> Option<Vec<u8>>;
    fn later(&mut self, time: Duration);
    /// The stream is replaced, and everything is as before: an honest call is answered.
    fn survives(&mut self);
}

/// Input: which machine, then packets.
pub fn session_open(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() & 7 {
        0 => Run::new(client::Client::new()).steps(input),
        1 => Run::new(server::Streams::new(false)).steps(input),
        2 => Run::new(bare::Client::new()).steps(input),
        3 => Run::new(bare::Server::new()).steps(input),
        // A server that asks its owner for keys.
        4 => Run::new(server::Streams::new(true)).steps(input),
        _ => Run::new(client::Client::new()).steps(input),
    }
}

/// What must come of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Due {
    /// The stream ends with this error.
    Ends(Error),
    /// The stream ends.
    EndsSomehow,
    /// Nobody is told anything.
    Nothing,
    /// It is told, once, and the stream lives.
    Told(Vec<u8>),
    /// It opens in a session of its own, and is told at most once.
    Perhaps,
}

struct Run<S> {
    subject: S,
    dice: Dice,
    other_key: AuthKey,
    /// Packets that were given to the machine and are good.
    kept: VecDeque<Vec<u8>>,
    taken: BTreeSet<MsgId>,
    left: Duration,
    held: isize,
}

impl<S: Subject> Run<S> {
    fn new(subject: S) -> Self {
        Run {
            subject,
            dice: Dice::new(Number(3)),
            other_key: AuthKey::from_bytes(&[0x0e; 256]),
            kept: VecDeque::new(),
            taken: BTreeSet::new(),
            left: MAX_TIME,
            held: alloc::held(),
        }
    }

    fn steps(mut self, mut input: Input<'_>) {
        for _ in 0..MAX_STEPS {
            if input.is_empty() {
                break;
            }
            self.step(&mut input);
        }
        self.subject.survives();
        let kept = alloc::held() - self.held;
        assert!(kept <= KEPT, "{kept} bytes are kept");
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (key, to_it) = (self.subject.key(), S::TO_IT);
        let packet = match input.u8() % step::ALL {
            step::HONEST => {
                let plain = self.honest(input);
                self.seal(&key, &plain)
            }
            step::FLIP => {
                let mut packet = self.good(input);
                for _ in 0..=input.u8() % 4 {
                    let bit = usize::from(input.u16()) % (8 * packet.len());
                    packet[bit / 8] ^= 1 << (bit % 8);
                }
                packet
            }
            step::EDIT => {
                let packet = self.good(input);
                input.edit(packet)
            }
            step::OTHER_KEY => {
                let (how, plain) = (input.u8(), self.honest(input));
                let mut packet = self.seal(&self.other_key.clone(), &plain);
                if how & 1 == 0 {
                    packet[..8].copy_from_slice(&key.id().0.to_le_bytes());
                }
                packet
            }
            step::OTHER_WAY => {
                let plain = self.honest(input);
                let way = match to_it {
                    Direction::ToClient => Direction::ToServer,
                    Direction::ToServer => Direction::ToClient,
                };
                tamper::seal(&key, way, &plain, &mut self.dice)
            }
            step::OTHER_SESSION => {
                let mut plain = self.honest(input);
                plain.session = SessionId(input.i64());
                self.seal(&key, &plain)
            }
            step::INNER => {
                let (fields, mut plain) = (input.u8(), self.honest(input));
                if fields & 1 != 0 {
                    plain.declared_len = Some(input.i32());
                }
                if fields & 2 != 0 {
                    // Up to 96 blocks, which is more than the rules allow, or none.
                    let len = tamper::INNER_HEADER + plain.body.len();
                    let blocks = usize::from(input.u8() % 97);
                    plain.padding = Some(vec![0x33; len.next_multiple_of(16) - len + 16 * blocks]);
                }
                tamper::seal_bytes(&key, to_it, &plain.to_bytes(&mut self.dice))
            }
            step::PLAINTEXT => {
                let packet = tamper::seal_bytes(&key, to_it, input.chunk());
                if tamper::open(&key, to_it, &packet).is_ok() {
                    // What a peer with the key may say is another target's.
                    return;
                }
                packet
            }
            step::NOISE => {
                let (how, noise) = (input.u8(), input.chunk());
                let id: &[u8] = match how & 3 {
                    0 => &key.id().0.to_le_bytes(),
                    1 => &self.other_key.id().0.to_le_bytes(),
                    _ => &[],
                };
                [id, noise].concat()
            }
            step::NO_KEY => {
                let (id, body) = (input.i64(), input.chunk());
                let len = i32::try_from(body.len()).unwrap_or(0).to_le_bytes();
                [&[0; 8], &id.to_le_bytes()[..], &len, body].concat()
            }
            step::AGAIN => match self.kept(input) {
                Some(packet) => packet,
                None => return,
            },
            step::OWN => match self.subject.own() {
                Some(packet) => packet,
                None => return,
            },
            step::STREAM => {
                let bytes = input.chunk();
                return self.stream(bytes);
            }
            step::WAIT => {
                let time = Duration::from_secs(input.u8().into()).min(self.left);
                self.left -= time;
                self.subject.later(time);
                self.subject.told();
                return;
            }
            _ => return self.subject.survives(),
        };
        // To a client, the same bit is a quick acknowledgement, without a packet.
        let quick_ack = input.u8() == 0xff && to_it == Direction::ToServer;
        self.give(&packet, quick_ack);
    }

    /// A message that an honest peer says next.
    fn honest(&mut self, input: &mut Input<'_>) -> Plain {
        let mut body = BODY.to_vec();
        let len = input.u8();
        body.extend(input.take(len.into()));
        body.resize(body.len().next_multiple_of(4), 0);
        self.subject.honest(body)
    }

    fn seal(&mut self, key: &AuthKey, plain: &Plain) -> Vec<u8> {
        tamper::seal(key, S::TO_IT, plain, &mut self.dice)
    }

    fn kept(&self, input: &mut Input<'_>) -> Option<Vec<u8>> {
        let at = usize::from(input.u8()).checked_rem(self.kept.len())?;
        self.kept.get(at).cloned()
    }

    /// A good packet: a new one, or one that the machine had.
    fn good(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        match self.kept(input) {
            Some(packet) => packet,
            None => {
                let (key, plain) = (self.subject.key(), self.honest(input));
                self.seal(&key, &plain)
            }
        }
    }

    /// What must come of this packet, judged by code that is not the core's.
    fn due(&self, packet: &[u8]) -> Due {
        let key = self.subject.key();
        let to_client = S::TO_IT == Direction::ToClient;
        // Control.
        if S::FRAMED && packet.len() < MIN_PACKET {
            return Due::Nothing;
        }
        if S::FRAMED && packet.starts_with(&[0; 8]) {
            return if to_client {
                Due::EndsSomehow
            } else {
                Due::Nothing
            };
        }
        match tamper::open(&key, S::TO_IT, packet) {
            // No frame has such a length.
            Err(_) if S::FRAMED && !packet.len().is_multiple_of(4) => Due::EndsSomehow,
            // Another key may be known.
            Err(_) if S::FRAMED && !to_client && !packet.starts_with(&key.id().0.to_le_bytes()) => {
                Due::EndsSomehow
            }
            Err(_) => Due::Ends(BAD_PACKET),
            // An empty message is none.
            Ok(plain) if plain.body.is_empty() => Due::Ends(BAD_PACKET),
            Ok(plain) if plain.session != self.subject.session() => {
                if S::ONE_SESSION {
                    Due::Ends(Error::PeerMisbehaved(PeerMisbehaved::ForeignSession))
                } else if plain.session.0 == 0 {
                    Due::Ends(UNKNOWN_KEY)
                } else {
                    Due::Perhaps
                }
            }
            Ok(plain) if self.taken.contains(&plain.msg_id) => Due::Nothing,
            Ok(plain) => Due::Told(plain.body),
        }
    }

    fn give(&mut self, packet: &[u8], quick_ack: bool) {
        let due = self.due(packet);
        self.subject.told();
        let ((), held) = alloc::peak(|| self.subject.packet(packet, quick_ack));
        let most = HELD + HELD_FOR_EACH * packet.len();
        assert!(held <= most, "{} bytes make it hold {held}", packet.len());
        let (told, ended) = (self.subject.told(), self.subject.ended());
        match &due {
            Due::Ends(error) => assert_eq!(ended.as_ref(), Some(error), "{packet:02x?}"),
            Due::EndsSomehow => assert_ne!(ended, None, "{packet:02x?}"),
            Due::Told(_) => assert_eq!(ended, None, "{packet:02x?}"),
            Due::Nothing | Due::Perhaps => {}
        }
        match due {
            Due::Told(body) => {
                assert_eq!(told, [body], "it is told once");
                let opened = tamper::open(&self.subject.key(), S::TO_IT, packet);
                self.taken.extend(opened.map(|plain| plain.msg_id));
                self.kept.push_back(packet.to_vec());
                if self.kept.len() > MAX_KEPT {
                    self.kept.pop_front();
                }
            }
            Due::Perhaps => assert!(told.len() <= 1),
            _ => assert_eq!(told, [] as [Vec<u8>; 0], "{packet:02x?}"),
        }
        if ended.is_some() {
            self.subject.survives();
        }
    }

    /// Bytes that need not be frames, and then another stream: they may have left half of one.
    fn stream(&mut self, bytes: &[u8]) {
        self.subject.told();
        let (taken, held) = alloc::peak(|| self.subject.bytes(bytes));
        if !taken {
            return;
        }
        let most = HELD + HELD_FOR_EACH * bytes.len();
        assert!(held <= most, "{} bytes make it hold {held}", bytes.len());
        assert_eq!(self.subject.told(), [] as [Vec<u8>; 0]);
        self.subject.survives();
    }
}

/// A packet in the intermediate framing, whatever its length.
fn frame(packet: &[u8], quick_ack: bool) -> Vec<u8> {
    let len = packet.len() as u32 | u32::from(quick_ack) << 31;
    [&len.to_le_bytes(), packet].concat()
}

/// To each machine: one bad packet of each kind between good ones, and captures with flips.
pub(super) fn seeds() -> Vec<Seed> {
    let honest: &[u8] = &[step::HONEST, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    let again: &[u8] = &[step::AGAIN, 0, 0];
    let wait: &[u8] = &[step::WAIT, 200];
    let bad: &[(&str, &[u8])] = &[
        ("flip-key-id", &[step::FLIP, 0, 0, 3, 0, 0]),
        ("flip-msg-key", &[step::FLIP, 0, 0, 70, 0, 0]),
        // Only msg_key tells: what comes before the last block is as it was.
        ("flip-padding", &[step::FLIP, 0, 0, 0xbc, 0x02, 0]),
        ("flip-inside", &[step::FLIP, 0, 1, 0, 1, 1, 1, 0]),
        ("edit", &[step::EDIT, 0, 1, 0x11, 30, 0, 9, 0]),
        ("other-key", &[step::OTHER_KEY, 1, 0, 0]),
        ("other-key-same-id", &[step::OTHER_KEY, 0, 0, 0]),
        ("other-way", &[step::OTHER_WAY, 0, 0]),
        (
            "other-session",
            &[step::OTHER_SESSION, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0],
        ),
        ("length", &[step::INNER, 1, 0, 0xfc, 0xff, 0xff, 0xff, 0]),
        ("padding", &[step::INNER, 2, 0, 96, 0]),
        ("plaintext", &[step::PLAINTEXT, 4, 0, 1, 2, 3, 4, 0]),
        (
            "noise",
            &[
                step::NOISE,
                0,
                16,
                0,
                1,
                2,
                3,
                4,
                5,
                6,
                7,
                8,
                9,
                0,
                1,
                2,
                3,
                4,
                5,
                6,
                0,
            ],
        ),
        (
            "no-key",
            &[step::NO_KEY, 1, 2, 3, 4, 5, 6, 7, 8, 4, 0, 1, 2, 3, 4, 0],
        ),
        ("own", &[step::OWN, 0]),
        ("stream", &[step::STREAM, 6, 0, 0xff, 0xff, 0x3f, 0, 1, 2]),
        (
            "status",
            &[step::STREAM, 8, 0, 4, 0, 0, 0, 0x6c, 0xfe, 0xff, 0xff],
        ),
    ];
    let machines = [
        "client",
        "server",
        "bare-client",
        "bare-server",
        "asking-server",
    ];
    let mut seeds = Vec::new();
    for (machine, name) in (0_u8..).zip(machines) {
        let all: Vec<u8> = bad
            .iter()
            .flat_map(|(_, step)| [honest, step].concat())
            .collect();
        let begin = [machine];
        seeds.push((format!("{name}-all"), [&begin, &all[..], again].concat()));
        let life = [
            &begin[..],
            honest,
            wait,
            again,
            honest,
            &[step::RECONNECT],
            again,
            honest,
        ];
        seeds.push((format!("{name}-life"), life.concat()));
        for (what, step) in bad.iter().filter(|_| machine < 2) {
            let input = [&begin, honest, step, again, honest].concat();
            seeds.push((format!("{name}-{what}"), input));
        }
    }
    let sealed = |packet: &[u8]| packet.len() % 16 == tamper::OUTER_HEADER % 16;
    let packets = vectors(&["enc2", "dec2"]).into_iter();
    for (name, packet) in packets.filter(|(_, packet)| sealed(packet)) {
        let len = u16::try_from(packet.len()).expect("a short packet");
        let noise = [&[step::NOISE, 3], &len.to_le_bytes()[..], &packet, &[0]].concat();
        seeds.push((name, [&[0], honest, &noise, honest].concat()));
    }
    seeds
}
