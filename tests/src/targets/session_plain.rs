//! `session_plain`: messages under the right key, to connections of both roles, over several
//! streams and any time; so that fuzzing gets past the cryptography.
//!
//! Must hold: the contract of `Machine`; every request ends once; everything that is written opens
//! with the key, under ids that are good, and new unless it repeats what was said; the same error again
//! after an error.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, Error, KeyState, ServerConnection, Start,
};
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::server::{self, Server, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{DcId, IncomingId, Machine, MsgId, RequestId, Rng, SessionId, Time};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Bytes, Constructor, Encode};

use super::Seed;
use super::input::Input;
use crate::pair::START;
use crate::tamper::{self, Item, Plain};
use crate::{Dice, Seed as Number};

const DC: DcId = DcId(2);
/// Steps of one input: enough for a story, few enough for a fuzzer's speed.
const MAX_STEPS: usize = 300;
/// Ids of the machine's messages that later messages of ours can be about.
const MAX_SEEN: usize = 64;
/// Packets that a machine writes in one go; more is a loop.
const MAX_PACKETS: usize = 2_000;
/// Events of one call; a container has 1,024 messages and ends as many requests.
const MAX_EVENTS: usize = 20_000;
/// The tag of the intermediate framing, which all streams here speak.
const TAG: [u8; 4] = [0xee; 4];

/// What each step begins with.
mod step {
    pub(super) const MESSAGE: u8 = 0;
    pub(super) const CONTAINER: u8 = 1;
    pub(super) const RAW_FIELDS: u8 = 2;
    pub(super) const WAIT: u8 = 3;
    pub(super) const APPLICATION: u8 = 4;
    pub(super) const READ: u8 = 5;
    pub(super) const NOISE: u8 = 6;
    pub(super) const RECONNECT: u8 = 7;
    pub(super) const ALL: u8 = 8;
}

/// What each body begins with.
mod body {
    pub(super) const RAW: u8 = 0;
    pub(super) const RPC_RESULT: u8 = 1;
    pub(super) const ACKS: u8 = 2;
    pub(super) const BAD_MSG: u8 = 3;
    pub(super) const BAD_SALT: u8 = 4;
    pub(super) const NEW_SESSION: u8 = 5;
    pub(super) const STATE_REQ: u8 = 6;
    pub(super) const STATE_INFO: u8 = 7;
    pub(super) const ALL_INFO: u8 = 8;
    pub(super) const DETAILED: u8 = 9;
    pub(super) const NEW_DETAILED: u8 = 10;
    pub(super) const PONG: u8 = 11;
    pub(super) const FUTURE_SALTS: u8 = 12;
    pub(super) const GZIP: u8 = 13;
    pub(super) const BOMB: u8 = 14;
    pub(super) const PING: u8 = 15;
    pub(super) const PING_DISCONNECT: u8 = 16;
    pub(super) const GET_SALTS: u8 = 17;
    pub(super) const DROP_ANSWER: u8 = 18;
    pub(super) const DESTROY_SESSION: u8 = 19;
    pub(super) const DESTROY_KEY: u8 = 20;
    pub(super) const RESEND: u8 = 21;
    pub(super) const RPC_ERROR: u8 = 22;
    pub(super) const ALL: u8 = 23;
}

/// Input: a role, then steps.
pub fn session_plain(data: &[u8]) {
    let mut input = Input::new(data);
    let mut run = Run::new(input.u8() & 1 == 0);
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
        run.take_events();
    }
    run.finish();
}

/// The machine under test.
enum Machines {
    Client(Box<ClientConnection>),
    Server(Box<ServerConnection>),
    /// Between two streams.
    None,
}

struct Run {
    machine: Machines,
    now: Time,
    key: AuthKey,
    dice: Dice,
    /// Bytes that the machine wrote and that are no whole frame yet.
    wire: Vec<u8>,
    /// The machine's error on this stream.
    error: Option<Error>,
    /// What we know of the session.
    session: SessionId,
    salt: i64,
    last_id: i64,
    content: i32,
    seen: VecDeque<i64>,
    /// Outer ids of the machine, by session.
    written: BTreeMap<SessionId, BTreeMap<i64, (i32, Vec<u8>)>>,
    /// The client's requests that have not ended, and all of them.
    open: BTreeSet<RequestId>,
    submitted: BTreeSet<RequestId>,
    /// The server's calls, as they came.
    calls: Vec<IncomingId>,
}

impl Run {
    fn new(client: bool) -> Self {
        let (key, mut dice) = (AuthKey::from_bytes(&[0x4b; 256]), Dice::new(Number(1)));
        let machine = if client {
            let start = Start::Key(KeyState::from_auth_key([0x4b; 256], DC));
            Machines::Client(Box::new(connect(start, dice.rng(), START)))
        } else {
            let config = Arc::new(ServerConfig::new(DC, Vec::new()));
            let mut server = Server::new(config, dice.rng(), START);
            server.provide_key(START, key.id(), Some(key.clone()));
            Machines::Server(Box::new(ServerConnection::with(server, START)))
        };
        let mut run = Run {
            machine,
            now: START,
            key,
            dice,
            wire: Vec::new(),
            error: None,
            session: SessionId(0x5e55),
            salt: 0,
            last_id: 0,
            content: 0,
            seen: VecDeque::new(),
            written: BTreeMap::new(),
            open: BTreeSet::new(),
            submitted: BTreeSet::new(),
            calls: Vec::new(),
        };
        run.begin_stream();
        run
    }

    fn begin_stream(&mut self) {
        self.wire.clear();
        self.error = None;
        match self.machine {
            Machines::Server(_) => self.deliver(&TAG),
            Machines::Client(_) | Machines::None => self.read(),
        }
    }

    fn is_client(&self) -> bool {
        matches!(self.machine, Machines::Client(_))
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % step::ALL {
            step::MESSAGE => {
                let item = self.item(input);
                let plain =
                    Plain::new(self.salt, self.session, item.msg_id, item.seq_no, item.body);
                self.send(&plain);
            }
            step::CONTAINER => {
                let count = input.u8();
                let items: Vec<_> = (0..count % 8).map(|_| self.item(input)).collect();
                let declared = (count & 0x80 != 0).then(|| input.i32());
                let body = tamper::container(&items, declared);
                let (msg_id, seq_no) = self.ids(input);
                self.send(&Plain::new(self.salt, self.session, msg_id, seq_no, body));
            }
            step::RAW_FIELDS => {
                let fields = input.u8();
                let item = self.item(input);
                let mut plain =
                    Plain::new(self.salt, self.session, item.msg_id, item.seq_no, item.body);
                if fields & 1 != 0 {
                    plain.salt = input.i64();
                }
                if fields & 2 != 0 {
                    plain.session = SessionId(input.i64());
                }
                if fields & 4 != 0 {
                    plain.declared_len = Some(input.i32());
                }
                if fields & 8 != 0 {
                    // Up to 96 blocks, which is more than the rules allow, or none.
                    let len = tamper::INNER_HEADER + plain.body.len();
                    let blocks = usize::from(input.u8() % 97);
                    let padding = len.next_multiple_of(16) - len + 16 * blocks;
                    plain.padding = Some(vec![0x33; padding]);
                }
                self.send(&plain);
            }
            step::WAIT => {
                let (amount, unit) = (u64::from(input.u16()), input.u8());
                self.wait(match unit & 3 {
                    0 => Duration::from_millis(amount),
                    1 => Duration::from_secs(amount),
                    2 => Duration::from_secs(60 * amount),
                    _ => Duration::ZERO,
                });
            }
            step::APPLICATION => self.act(input),
            step::READ => self.read(),
            step::NOISE => {
                let noise = input.chunk();
                self.deliver(noise);
            }
            _ => self.reconnect(),
        }
    }

    /// A message with a body and ids as the input wants them.
    fn item(&mut self, input: &mut Input<'_>) -> Item {
        let body = self.body(input);
        let (msg_id, seq_no) = self.ids(input);
        Item::new(msg_id, seq_no, body)
    }

    fn ids(&mut self, input: &mut Input<'_>) -> (MsgId, i32) {
        let mode = input.u8();
        let parity = match (self.is_client(), mode & 0x40) {
            (true, 0) => 1,
            (true, _) => 3,
            (false, _) => 0,
        };
        let now = (self.now.unix() as i64) << 32;
        let next = now.max(self.last_id & !3).wrapping_add(4) | parity;
        let msg_id = match mode & 7 {
            0..=2 => {
                self.last_id = next;
                next
            }
            3 => self.last_id,
            4 => next.wrapping_sub(i64::from(input.u16()) << 32),
            5 => next.wrapping_add(i64::from(input.u16()) << 32),
            6 => next ^ i64::from(mode >> 3 & 3),
            _ => input.i64(),
        };
        let seq_no = match mode >> 3 & 7 {
            0..=3 => {
                self.content = self.content.wrapping_add(1);
                self.content.wrapping_mul(2).wrapping_sub(1)
            }
            4 | 5 => self.content.wrapping_mul(2),
            6 => self.content.wrapping_mul(2).wrapping_sub(1),
            _ => input.i32(),
        };
        (MsgId(msg_id), seq_no)
    }

    /// An id of a message that the machine wrote, or any other.
    fn about(&self, input: &mut Input<'_>) -> i64 {
        match input.u8() {
            0xff => input.i64(),
            back => {
                let at = usize::from(back) % self.seen.len().max(1);
                self.seen.iter().rev().nth(at).copied().unwrap_or(0)
            }
        }
    }

    fn some_about(&self, input: &mut Input<'_>) -> Vec<i64> {
        let count = input.u8();
        (0..count)
            .map_while(|_| (!input.is_empty()).then(|| self.about(input)))
            .collect()
    }

    fn body(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let kind = input.u8() % body::ALL;
        let bytes: Bytes = match kind {
            body::RPC_RESULT => {
                let mut out = 0xf35c_6d01_u32.to_le_bytes().to_vec();
                out.extend(self.about(input).to_le_bytes());
                // What is in it: any body, one level deep or more.
                out.extend(if input.u8() & 1 == 0 {
                    words(input)
                } else {
                    self.body(input)
                });
                return out;
            }
            body::ACKS => types::MsgsAck {
                msg_ids: self.some_about(input),
            }
            .to_bytes(),
            body::BAD_MSG => {
                let (bad_msg_id, bad_msg_seqno) = (self.about(input), input.i32());
                let error_code = i32::from(input.u8());
                types::BadMsgNotification {
                    bad_msg_id,
                    bad_msg_seqno,
                    error_code,
                }
                .to_bytes()
            }
            body::BAD_SALT => {
                let (bad_msg_id, bad_msg_seqno) = (self.about(input), input.i32());
                let (error_code, new_server_salt) = (i32::from(input.u8()), input.i64());
                types::BadServerSalt {
                    bad_msg_id,
                    bad_msg_seqno,
                    error_code,
                    new_server_salt,
                }
                .to_bytes()
            }
            body::NEW_SESSION => types::NewSessionCreated {
                first_msg_id: self.about(input),
                unique_id: input.i64(),
                server_salt: input.i64(),
            }
            .to_bytes(),
            body::STATE_REQ => types::MsgsStateReq {
                msg_ids: self.some_about(input),
            }
            .to_bytes(),
            body::STATE_INFO => {
                let (req_msg_id, info) = (self.about(input), input.chunk());
                types::MsgsStateInfo {
                    req_msg_id,
                    info: Bytes::copy_from_slice(info),
                }
                .to_bytes()
            }
            body::ALL_INFO => {
                let (msg_ids, info) = (self.some_about(input), input.chunk());
                types::MsgsAllInfo {
                    msg_ids,
                    info: Bytes::copy_from_slice(info),
                }
                .to_bytes()
            }
            body::DETAILED => {
                let (msg_id, answer_msg_id) = (self.about(input), self.about(input));
                let (bytes, status) = (input.i32(), input.i32());
                types::MsgDetailedInfo {
                    msg_id,
                    answer_msg_id,
                    bytes,
                    status,
                }
                .to_bytes()
            }
            body::NEW_DETAILED => {
                let answer_msg_id = self.about(input);
                let (bytes, status) = (input.i32(), input.i32());
                types::MsgNewDetailedInfo {
                    answer_msg_id,
                    bytes,
                    status,
                }
                .to_bytes()
            }
            body::PONG => {
                let (msg_id, ping_id) = (self.about(input), input.i64());
                types::Pong { msg_id, ping_id }.to_bytes()
            }
            body::FUTURE_SALTS => {
                let (req_msg_id, now, count) = (self.about(input), input.i32(), input.u8());
                let salts = (0..count)
                    .map_while(|_| (!input.is_empty()).then(|| salt(input)))
                    .collect();
                types::FutureSalts {
                    req_msg_id,
                    now,
                    salts,
                }
                .to_bytes()
            }
            body::GZIP => {
                let (form, inner) = (input.u8(), self.body(input));
                return tamper::gzip_packed(&match form & 3 {
                    0 => tamper::gzip(&inner),
                    1 => tamper::zlib(&inner),
                    2 => input.edit(tamper::gzip(&inner)),
                    _ => inner,
                });
            }
            body::BOMB => {
                let size = usize::from(input.u8()) << 12;
                return tamper::gzip_packed(&tamper::gzip(&vec![0; size]));
            }
            body::PING => functions::Ping {
                ping_id: input.i64(),
            }
            .to_bytes(),
            body::PING_DISCONNECT => functions::PingDelayDisconnect {
                ping_id: input.i64(),
                disconnect_delay: input.i32(),
            }
            .to_bytes(),
            body::GET_SALTS => functions::GetFutureSalts { num: input.i32() }.to_bytes(),
            body::DROP_ANSWER => {
                // Ours, not the machine's: the call that is to be dropped.
                let req_msg_id = self.last_id.wrapping_sub(4 * i64::from(input.u8()));
                functions::RpcDropAnswer { req_msg_id }.to_bytes()
            }
            body::DESTROY_SESSION => {
                let own = input.u8() & 1 == 0;
                let session_id = if own { self.session.0 } else { input.i64() };
                functions::DestroySession { session_id }.to_bytes()
            }
            body::DESTROY_KEY => functions::DestroyAuthKey {}.to_bytes(),
            body::RESEND => types::MsgResendReq {
                msg_ids: self.some_about(input),
            }
            .to_bytes(),
            body::RPC_ERROR => {
                let (error_code, text) = (input.i32(), input.chunk());
                let error_message = String::from_utf8_lossy(text).into_owned().into();
                types::RpcError {
                    error_code,
                    error_message,
                }
                .to_bytes()
            }
            _ => return words(input),
        };
        bytes.to_vec()
    }

    /// The application behind the machine does something.
    fn act(&mut self, input: &mut Input<'_>) {
        let (what, which) = (input.u8(), usize::from(input.u8()));
        match &mut self.machine {
            Machines::Client(client) => {
                if what & 3 == 3 {
                    if let Some(id) = self.open.iter().nth(which % self.open.len().max(1)) {
                        client.cancel(self.now, *id);
                    }
                    return;
                }
                let mut options = SendOptions::default();
                options.quick_ack = what & 4 != 0;
                options.idempotent = what & 8 != 0;
                options.max_retries = (what & 16 != 0).then_some(what >> 5);
                options.deadline =
                    (what & 32 != 0).then(|| Duration::from_secs(which.try_into().unwrap_or(0)));
                if let Ok(id) = client.send(self.now, words(input).into(), &options) {
                    assert!(self.submitted.insert(id), "a request's id is used once");
                    self.open.insert(id);
                }
            }
            Machines::Server(server) => {
                let call = self.calls.get(which % self.calls.len().max(1)).copied();
                let server = server.server();
                match (what & 3, call) {
                    (0 | 1, Some(id)) => {
                        let body = Bytes::from(words(input));
                        if server.respond(self.now, id, body.clone()) {
                            assert!(!server.respond(self.now, id, body), "one answer each");
                        }
                    }
                    (2, Some(id)) => {
                        server.respond_error(self.now, id, what.into(), "FUZZ");
                    }
                    _ => {
                        let body = words(input).into();
                        server.push(self.now, self.key.id(), self.session, body);
                    }
                }
            }
            Machines::None => {}
        }
    }

    fn send(&mut self, plain: &Plain) {
        let direction = if self.is_client() {
            Direction::ToClient
        } else {
            Direction::ToServer
        };
        let packet = tamper::seal_bytes(&self.key, direction, &plain.to_bytes(&mut self.dice));
        let mut frame = u32::try_from(packet.len())
            .expect("small")
            .to_le_bytes()
            .to_vec();
        frame.extend(packet);
        self.deliver(&frame);
    }

    fn deliver(&mut self, bytes: &[u8]) {
        let now = self.now;
        let result = match &mut self.machine {
            Machines::Client(machine) => machine.handle_input(now, bytes),
            Machines::Server(machine) => machine.handle_input(now, bytes),
            Machines::None => return,
        };
        self.after(result);
    }

    /// The result of a call: an error is the last one of its stream.
    fn after(&mut self, result: Result<(), Error>) {
        match (result, &self.error) {
            (Ok(()), None) => {}
            (Ok(()), Some(error)) => panic!("no error after {error:?}"),
            (Err(got), Some(error)) => assert_eq!(&got, error, "errors are final"),
            (Err(got), None) => self.error = Some(got),
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        match &self.machine {
            Machines::Client(machine) => machine.poll_timeout(),
            Machines::Server(machine) => machine.poll_timeout(),
            Machines::None => None,
        }
    }

    /// Lets time pass, with every timer on the way.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        let mut timers = 0;
        loop {
            let due = self.poll_timeout().filter(|at| *at <= until);
            self.now = self.now.max(due.unwrap_or(until));
            let now = self.now;
            let result = match &mut self.machine {
                Machines::Client(machine) => machine.handle_timeout(now),
                Machines::Server(machine) => machine.handle_timeout(now),
                Machines::None => return,
            };
            self.after(result);
            if due.is_none() || self.error.is_some() {
                break;
            }
            let next = self.poll_timeout();
            assert!(
                next.is_none_or(|at| at > now),
                "a timer that stays at {next:?}"
            );
            self.take_events();
            timers += 1;
            assert!(timers < MAX_EVENTS, "timers without an end");
        }
        self.now = until;
    }

    /// Reads all that the machine has to say.
    fn read(&mut self) {
        for packets in 0.. {
            assert!(packets < MAX_PACKETS, "packets without an end");
            let written = match &mut self.machine {
                Machines::Client(machine) => machine.poll_transmit(self.now, &mut self.wire),
                Machines::Server(machine) => machine.poll_transmit(self.now, &mut self.wire),
                Machines::None => false,
            };
            if !written {
                break;
            }
        }
        if self.is_client() && self.wire.starts_with(&TAG) {
            self.wire.drain(..TAG.len());
        }
        let wire = std::mem::take(&mut self.wire);
        let mut rest = &wire[..];
        while let Some((word, after)) = rest.split_first_chunk() {
            let word = u32::from_le_bytes(*word);
            let len = match (word >> 31, self.is_client()) {
                (1, false) => 0, // a quick ack
                _ => (word & !(1 << 31)) as usize,
            };
            let Some((packet, after)) = after.split_at_checked(len) else {
                panic!("a frame of {len} bytes is cut off");
            };
            rest = after;
            if len >= 16 && packet[..8] != [0; 8] {
                self.look_at(packet);
            }
        }
        assert!(rest.is_empty(), "whole frames are written");
    }

    /// Checks a packet of the machine, and remembers what it says.
    fn look_at(&mut self, packet: &[u8]) {
        let (direction, parities): (_, &[i64]) = match self.is_client() {
            true => (Direction::ToServer, &[0]),
            false => (Direction::ToClient, &[1, 3]),
        };
        let plain = tamper::open(&self.key, direction, packet).expect("a good packet");
        if self.is_client() {
            self.session = plain.session;
        }
        let ids = self.written.entry(plain.session).or_default();
        let items = tamper::open_container(&plain.body).unwrap_or_default();
        let messages = items
            .iter()
            .map(|item| (item.msg_id.0, item.seq_no, &item.body[..]))
            .chain([(plain.msg_id.0, plain.seq_no, &plain.body[..])]);
        for (id, seq_no, body) in messages {
            assert!(
                parities.contains(&(id & 3)),
                "{id:#x} is no id of this side"
            );
            // What may have been missed is repeated as it was, in a container.
            if let Some(before) = ids.insert(id, (seq_no, body.to_vec())) {
                assert_ne!(id, plain.msg_id.0, "{id:#x} is used twice");
                assert_eq!(before, (seq_no, body.to_vec()), "{id:#x} is used twice");
            }
            assert!(body.len().is_multiple_of(4), "bodies are whole words");
            if seq_no & 1 != 0 {
                self.seen.push_back(id);
                if self.seen.len() > MAX_SEEN {
                    self.seen.pop_front();
                }
            }
            let salted = [
                types::BadServerSalt::ID.to_le_bytes(),
                types::NewSessionCreated::ID.to_le_bytes(),
            ];
            if !matches!(self.machine, Machines::Client(_))
                && salted
                    .iter()
                    .any(|constructor| body.starts_with(constructor))
                && let Some(salt) = body.last_chunk()
            {
                self.salt = i64::from_le_bytes(*salt);
            }
        }
    }

    fn take_events(&mut self) {
        for events in 0.. {
            assert!(events < MAX_EVENTS, "events without an end");
            match &mut self.machine {
                Machines::Client(client) => match client.poll_event() {
                    None => break,
                    Some(ClientEvent::Response { id, .. } | ClientEvent::Failed { id, .. }) => {
                        assert!(self.open.remove(&id), "{id} ended twice");
                    }
                    Some(ClientEvent::Acked { id }) => assert!(self.submitted.contains(&id)),
                    Some(_) => {}
                },
                Machines::Server(server) => match server.poll_event() {
                    None => break,
                    Some(server::Event::Request { id, .. }) => self.calls.push(id),
                    Some(_) => {}
                },
                Machines::None => break,
            }
        }
    }

    /// The stream ends, and the session goes on over another one.
    fn reconnect(&mut self) {
        self.take_events();
        self.machine = match std::mem::replace(&mut self.machine, Machines::None) {
            Machines::Client(client) => {
                let start = Start::Resume(client.suspend());
                Machines::Client(Box::new(connect(start, self.dice.rng(), self.now)))
            }
            Machines::Server(server) => {
                let server = server.into_server(self.now);
                Machines::Server(Box::new(ServerConnection::with(server, self.now)))
            }
            Machines::None => Machines::None,
        };
        self.begin_stream();
    }

    /// No request is forgotten.
    fn finish(mut self) {
        self.take_events();
        if let Machines::Client(client) = self.machine {
            let failures = client.suspend().into_failures();
            let failed: BTreeSet<_> = failures.iter().map(|(id, _)| *id).collect();
            assert_eq!(failed.len(), failures.len(), "a request fails once");
            assert_eq!(failed, self.open, "every request ends");
        }
    }
}

fn connect(start: Start, rng: Rng, now: Time) -> ClientConnection {
    let config = Arc::new(ClientConfig::new(DC, Vec::new()));
    ClientConnection::new(config, start, rng, now).expect("a good start")
}

/// Whole words of the input.
fn words(input: &mut Input<'_>) -> Vec<u8> {
    let mut out = input.chunk().to_vec();
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn salt(input: &mut Input<'_>) -> types::FutureSalt {
    types::FutureSalt {
        valid_since: input.i32(),
        valid_until: input.i32(),
        salt: input.i64(),
    }
}

/// Stories, in either role.
pub(super) fn seeds() -> Vec<Seed> {
    const CLIENT: u8 = 0;
    const SERVER: u8 = 1;
    /// A fresh id and a counted number; the same with an even number.
    const ODD: u8 = 0;
    const EVEN: u8 = 4 << 3;
    let request: &[u8] = &[step::APPLICATION, 8, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let read: &[u8] = &[step::READ];
    let answer: &[u8] = &[
        step::MESSAGE,
        body::RPC_RESULT,
        0,
        0,
        8,
        0,
        9,
        9,
        9,
        9,
        8,
        8,
        8,
        8,
        ODD,
    ];
    let minute: &[u8] = &[step::WAIT, 61, 0, 1];
    let reconnect: &[u8] = &[step::RECONNECT];
    let call: &[u8] = &[step::MESSAGE, body::RAW, 4, 0, 1, 2, 3, 4, ODD];
    let salted: &[u8] = &[
        step::MESSAGE,
        body::PING,
        1,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        EVEN,
        step::READ,
    ];
    let respond: &[u8] = &[step::APPLICATION, 0, 0, 4, 0, 7, 7, 7, 7];

    let mut seeds = Vec::new();
    let mut story = |name: &str, role: u8, steps: &[&[u8]]| {
        seeds.push((name.to_owned(), [&[role], &steps.concat()[..]].concat()));
    };
    story("client-answered", CLIENT, &[request, read, answer]);
    story(
        "client-silence",
        CLIENT,
        &[request, read, minute, read, minute, reconnect, read],
    );
    story(
        "client-resumed",
        CLIENT,
        &[request, read, reconnect, answer, minute, read],
    );
    story(
        "server-call",
        SERVER,
        &[salted, call, respond, read, minute, read],
    );
    story(
        "server-resumed",
        SERVER,
        &[salted, call, reconnect, salted, respond, read],
    );
    let push: &[u8] = &[step::APPLICATION, 3, 0, 4, 0, 6, 6, 6, 6];
    story(
        "server-push",
        SERVER,
        &[salted, call, push, read, push, reconnect, push, read],
    );
    for kind in 0..body::ALL {
        let message = [&[step::MESSAGE, kind][..], &[0; 20], &[ODD]].concat();
        let packed = [&[step::MESSAGE, body::GZIP, 0, kind][..], &[1; 20], &[EVEN]].concat();
        let pair = [&[step::CONTAINER, 2, kind][..], &[0; 30]].concat();
        story(
            &format!("client-body-{kind}"),
            CLIENT,
            &[
                request, read, &message, read, &packed, read, &pair, minute, read,
            ],
        );
        story(
            &format!("server-body-{kind}"),
            SERVER,
            &[
                salted, call, &message, read, &packed, respond, read, &pair, minute, read,
            ],
        );
    }
    for fields in [1, 2, 4, 8, 15] {
        let message = [&[step::RAW_FIELDS, fields, body::PING][..], &[3; 40]].concat();
        story(
            &format!("client-fields-{fields}"),
            CLIENT,
            &[request, read, &message, reconnect],
        );
        story(
            &format!("server-fields-{fields}"),
            SERVER,
            &[salted, &message, read, reconnect],
        );
    }
    let noise: &[u8] = &[step::NOISE, 4, 0, 0x6c, 0xfe, 0xff, 0xff];
    story(
        "client-noise",
        CLIENT,
        &[request, read, noise, read, reconnect, read],
    );
    story(
        "server-noise",
        SERVER,
        &[salted, noise, read, reconnect, salted],
    );
    seeds
}
