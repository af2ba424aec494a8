//! A client and several DCs in virtual time.
//!
//! Does: drives a [`Client`] as a driver would, over the kit's wires to a core `Server` for each
//! DC; answers calls by script; fails on a busy loop.
//! In: a configuration, a seed, a script, faults. Out: events, attempts to connect, calls executed.
//! Must not know: what the client does inside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::client::{
    Action, CallOptions, Client, Config, DcTable, Disconnected, Event, Key, Snapshot, Target,
};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{self, Server, ServerConfig};
use mtproto_proto::{AuthKeyId, ConnId, DcId, IncomingId, MsgId, RequestId, SessionId, Time};
use mtproto_schema::api::functions;
use mtproto_schema::{Encode, Function};
use mtproto_test::pair::START;
use mtproto_test::wire::Arrival;
use mtproto_test::{Dice, Seed, Wire};

use crate::queries::{Unwrapped, sign_in_query, unwrap};

static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::from_pem(include_str!("../keys/server.pem")).unwrap());

/// Calls into the client at one instant; a thousand calls at once make about five thousand.
const MAX_TURNS: u32 = 100_000;
/// Timers of the client in one virtual second: a dozen streams with a few timers each.
const MAX_TIMERS: u32 = 200;

pub const PORT: u16 = 443;

/// What every DC takes besides no secret: fake TLS with "google.com".
pub const SECRET: &str = "ee30313233343536373839616263646566676f6f676c652e636f6d";

/// The address of a DC.
pub fn addr(dc: i16) -> SocketAddr {
    (Ipv4Addr::new(10, 0, dc as u8, 1), PORT).into()
}

/// DCs 1, 2, 4, one address each, and no other port.
pub fn table() -> DcTable {
    let mut dcs = DcTable::empty();
    for dc in [1, 2, 4] {
        let mut option = mtproto_proto::client::DcOption::new(DcId(dc), addr(dc));
        option.this_port_only = true;
        dcs.add(option);
    }
    dcs
}

pub fn config() -> Config {
    Config::new(17, "hash", table(), vec![KEY.public().clone()])
}

/// What happens to an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Open,
    Refuses,
    /// Nobody answers.
    Black,
    /// It opens, and every packet is answered with this transport error.
    Status(i32),
    /// It opens, and nothing ever comes.
    Mute,
}

/// A call that reached a DC.
#[derive(Clone, Debug)]
pub struct Executed {
    pub dc: i16,
    /// Without wrappers.
    pub query: Bytes,
    /// Behind `invokeWithLayer(initConnection(..))`.
    pub inits: bool,
    pub key: AuthKeyId,
    pub perm: Option<AuthKeyId>,
    pub session: SessionId,
    pub id: IncomingId,
}

impl Executed {
    pub fn method(&self) -> u32 {
        u32::from_le_bytes(*self.query.first_chunk().unwrap())
    }

    pub fn is<F: Function>(&self) -> bool {
        self.method() == F::ID
    }
}

/// How a DC answers.
#[derive(Clone, Debug)]
pub enum Answer {
    Ok(Bytes),
    Error(i32, String),
    /// Never.
    Silent,
    /// As a DC does without a script.
    Default,
}

pub fn error(code: i32, message: &str) -> Answer {
    Answer::Error(code, message.to_owned())
}

pub fn ok(value: &impl Encode) -> Answer {
    Answer::Ok(value.to_bytes())
}

type Script = Box<dyn FnMut(&Executed) -> Answer>;

pub struct Dc {
    pub server: Server,
    /// Under which permanent keys somebody is signed in.
    pub users: BTreeSet<AuthKeyId>,
    /// Exported authorizations that were not imported yet.
    pub tickets: BTreeSet<i64>,
    /// Keys made, and whether they are temporary.
    pub keys: Vec<(AuthKeyId, bool)>,
    pub destroyed: Vec<AuthKeyId>,
    /// Sessions with a call or more, newest last.
    pub sessions: Vec<(AuthKeyId, SessionId)>,
    /// Under which keys `initConnection` was said.
    initialised: BTreeSet<SessionId>,
    /// Which messages ended, and whether well.
    ended: BTreeMap<(SessionId, MsgId), bool>,
}

struct Stream {
    dc: i16,
    door: Door,
    to_server: Wire,
    to_client: Wire,
    accepted: bool,
    /// Written by a side, not yet taken by the wire.
    outbox: [Vec<u8>; 2],
}

/// A line between the client and a DC.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub latency: Duration,
    pub jitter: Duration,
}

pub struct Net {
    pub client: Client,
    pub dcs: BTreeMap<i16, Dc>,
    pub doors: BTreeMap<SocketAddr, Door>,
    pub weather: BTreeMap<i16, Weather>,
    pub script: Script,
    pub executed: Vec<Executed>,
    pub events: Vec<(Time, Event)>,
    pub dials: Vec<(Time, ConnId, DcId, SocketAddr)>,
    pub closed: Vec<ConnId>,
    /// Calls without initialisation are refused.
    pub strict_init: bool,
    /// Into which pieces the wires cut what they carry.
    pub segments: std::ops::RangeInclusive<usize>,
    /// What was told to be stored.
    pub store: Snapshot,
    pub dice: Dice,
    streams: BTreeMap<ConnId, Stream>,
    opening: Vec<(Time, ConnId, bool)>,
    seed: Seed,
    now: Time,
    pub next_ticket: i64,
    timers: (u64, u32),
    /// Calls that were refused because what they were to come after had not ended well.
    pub overtaking: usize,
    /// Timers of the client that fired, and bytes that it was given at once, since the beginning.
    pub steps: (u64, u64),
}

impl Net {
    pub fn new(config: Config, seed: u64) -> Self {
        Net::stored(config, Snapshot::new(), seed)
    }

    pub fn stored(config: Config, stored: Snapshot, seed: u64) -> Self {
        let seed = Seed::from_env_or(seed);
        let mut dice = Dice::new(seed);
        let dcs = [1, 2, 4]
            .into_iter()
            .map(|id| {
                let wire = if config.test_mode { id + 10_000 } else { id };
                let mut config = ServerConfig::new(DcId(wire), vec![KEY.clone()]);
                config.secrets.push(SECRET.parse().unwrap());
                let dc = Dc {
                    server: Server::new(Arc::new(config), dice.rng(), START),
                    users: BTreeSet::new(),
                    tickets: BTreeSet::new(),
                    keys: Vec::new(),
                    destroyed: Vec::new(),
                    sessions: Vec::new(),
                    initialised: BTreeSet::new(),
                    ended: BTreeMap::new(),
                };
                (id, dc)
            })
            .collect();
        let client = Client::new(Arc::new(config), stored.clone(), dice.rng(), START).unwrap();
        Net {
            client,
            dcs,
            doors: BTreeMap::new(),
            weather: BTreeMap::new(),
            script: Box::new(|_| Answer::Default),
            executed: Vec::new(),
            events: Vec::new(),
            dials: Vec::new(),
            closed: Vec::new(),
            strict_init: true,
            segments: usize::MAX..=usize::MAX,
            store: stored,
            dice,
            streams: BTreeMap::new(),
            opening: Vec::new(),
            seed,
            now: START,
            next_ticket: 1,
            timers: (0, 0),
            overtaking: 0,
            steps: (0, 0),
        }
    }

    pub fn now(&self) -> Time {
        self.now
    }

    /// The process ends and another one goes on with what was stored.
    pub fn restart(&mut self, config: Config) {
        let conns: Vec<ConnId> = self.streams.keys().copied().collect();
        for conn in conns {
            self.drop_stream(conn);
        }
        self.opening.clear();
        // The next process counts its calls anew.
        self.events.clear();
        let rng = self.dice.rng();
        self.client = Client::new(Arc::new(config), self.store.clone(), rng, self.now).unwrap();
    }

    pub fn script(&mut self, script: impl FnMut(&Executed) -> Answer + 'static) {
        self.script = Box::new(script);
    }

    pub fn door(&mut self, dc: i16, door: Door) {
        self.doors.insert(addr(dc), door);
    }

    pub fn send(&mut self, body: &impl Encode, options: &CallOptions) -> RequestId {
        self.send_raw(body.to_bytes(), options)
    }

    pub fn send_raw(&mut self, body: Bytes, options: &CallOptions) -> RequestId {
        self.client.send(self.now, body, options).unwrap()
    }

    /// Signs user 777 in on the main DC.
    pub fn sign_in(&mut self) {
        let id = self.send(&sign_in_query(), &CallOptions::default());
        let answer = self.answer(id);
        assert!(answer.is_ok(), "seed {}: {answer:?}", self.seed);
        self.run(Duration::from_secs(1));
        self.executed.clear();
    }

    /// Runs until the call ended.
    pub fn answer(&mut self, id: RequestId) -> Result<Bytes, mtproto_proto::client::CallError> {
        self.answer_within(id, Duration::from_secs(300))
    }

    pub fn answer_within(
        &mut self,
        id: RequestId,
        limit: Duration,
    ) -> Result<Bytes, mtproto_proto::client::CallError> {
        let is_end = move |event: &Event| matches!(event, Event::Response { id: of, .. } | Event::Failed { id: of, .. } if *of == id);
        self.run_until(limit, |net| net.events.iter().any(|(_, e)| is_end(e)));
        let mut ends: Vec<_> = self.events.iter().filter(|(_, e)| is_end(e)).collect();
        assert_eq!(ends.len(), 1, "seed {}: {:?}", self.seed, self.events);
        match ends.remove(0).1.clone() {
            Event::Response { body, .. } => Ok(body),
            Event::Failed { error, .. } => Err(error),
            _ => unreachable!(),
        }
    }

    /// What was told to be stored is all that there is to store.
    pub fn check_store(&self) {
        let now = self.client.snapshot();
        assert_eq!(self.store.account(), now.account(), "seed {}", self.seed);
        let keys = |of: &Snapshot| {
            let dcs = [1, 2, 4].map(|dc| of.dc(DcId(dc)));
            dcs.map(|dc| dc.map(|(key, authorized)| (key.auth_key_id(), authorized)))
        };
        assert_eq!(keys(&self.store), keys(&now), "seed {}", self.seed);
        let others = |of: &Snapshot| {
            let other = |key: &Key| !matches!(key, Key::Account | Key::Dc(_));
            let entries = of.iter().map(|(key, value)| (key, value.clone()));
            entries.filter(|(key, _)| other(key)).collect::<Vec<_>>()
        };
        assert_eq!(others(&self.store), others(&now), "seed {}", self.seed);
    }

    /// How often a method was executed on a DC.
    pub fn count<F: Function>(&self, dc: i16) -> usize {
        self.executed
            .iter()
            .filter(|call| call.dc == dc && call.is::<F>())
            .count()
    }

    pub fn happened(&self, event: &Event) -> bool {
        self.events.iter().any(|(_, e)| e == event)
    }

    pub fn disconnects(&self) -> Vec<(i16, Disconnected)> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Disconnected { dc, reason, .. } => Some((dc.0, reason.clone())),
                _ => None,
            })
            .collect()
    }

    /// Streams that are open now, by DC.
    pub fn open_streams(&self) -> Vec<i16> {
        self.streams
            .values()
            .filter(|stream| stream.accepted)
            .map(|stream| stream.dc)
            .collect()
    }

    /// Breaks all streams of a DC at both ends.
    pub fn cut(&mut self, dc: i16) {
        for stream in self.streams.values_mut().filter(|s| s.dc == dc) {
            stream.to_client.cut_after(0);
            stream.to_server.cut_after(0);
        }
    }

    /// Loses what either end writes from now on.
    pub fn vanish(&mut self, dc: i16) {
        for stream in self.streams.values_mut().filter(|s| s.dc == dc) {
            stream.to_client.vanish_after(0);
            stream.to_server.vanish_after(0);
        }
    }

    /// The client's socket fails.
    pub fn fail_socket(&mut self, conn: ConnId) {
        self.opening.retain(|(_, of, _)| *of != conn);
        self.drop_stream(conn);
        self.client.handle_closed(self.now, conn);
    }

    /// Pushes an object to the newest session of a DC.
    pub fn push(&mut self, dc: i16, body: Bytes) -> bool {
        let now = self.now;
        let dc = self.dcs.get_mut(&dc).unwrap();
        let (key, session) = *dc.sessions.last().unwrap();
        dc.server.push(now, key, session, body)
    }

    /// The server forgets its sessions and, if told so, its keys.
    pub fn restart_server(&mut self, dc: i16, keep_keys: bool) {
        let conns: Vec<ConnId> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.dc == dc)
            .map(|(conn, _)| *conn)
            .collect();
        self.cut(dc);
        let config = ServerConfig::new(DcId(dc), vec![KEY.clone()]);
        let rng = self.dice.rng();
        let now = self.now;
        let old = self.dcs.get_mut(&dc).unwrap();
        old.server = Server::new(Arc::new(config), rng, now);
        old.sessions.clear();
        old.initialised.clear();
        if keep_keys && let Some(key) = self.client_key(dc) {
            let key = mtproto_proto::crypto::AuthKey::from_bytes(&key);
            let server = &mut self.dcs.get_mut(&dc).unwrap().server;
            server.provide_key(now, key.id(), Some(key));
        }
        for conn in conns {
            if let Some(stream) = self.streams.get_mut(&conn) {
                stream.accepted = false;
            }
        }
    }

    fn client_key(&self, dc: i16) -> Option<[u8; 256]> {
        let (key, _) = self.client.snapshot().dc(DcId(dc))?;
        Some(*key.auth_key())
    }

    /// The device sleeps: no timer of the client runs until then.
    pub fn sleep_until(&mut self, at: Time) {
        self.now = at;
    }

    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass until this holds; whether it did.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.settle();
            if done(self) {
                return true;
            }
            match self.next_instant() {
                Some(at) if at <= end => self.now = self.now.max(at),
                Some(_) | None => {
                    self.now = end;
                    self.settle();
                    return done(self);
                }
            }
        }
    }

    fn next_instant(&self) -> Option<Time> {
        let wires = self.streams.values().flat_map(|stream| {
            [
                stream.to_client.next_arrival(),
                stream.to_server.next_arrival(),
            ]
        });
        let servers = self.dcs.values().map(|dc| dc.server.poll_timeout());
        wires
            .chain(servers)
            .flatten()
            .chain(self.opening.iter().map(|(at, ..)| *at))
            .chain(self.client.poll_timeout())
            .min()
    }

    /// Everything that happens at this instant.
    fn settle(&mut self) {
        for turn in 0.. {
            assert!(
                turn < MAX_TURNS,
                "busy at {:?}, seed {}",
                self.now,
                self.seed
            );
            let mut any = self.client_turn();
            any |= self.server_turns();
            any |= self.wires();
            if !any {
                return;
            }
        }
    }

    fn client_turn(&mut self) -> bool {
        let mut any = false;
        let now = self.now;
        if self.client.poll_timeout().is_some_and(|at| at <= now) {
            any = true;
            if self.timers.0 != now.unix() {
                self.timers = (now.unix(), 0);
            }
            self.timers.1 += 1;
            assert!(
                self.timers.1 < MAX_TIMERS,
                "{} timers in a second, seed {}",
                self.timers.1,
                self.seed
            );
            self.steps.0 += 1;
            self.client.handle_timeout(now);
            let next = self.client.poll_timeout();
            assert!(
                next.is_none_or(|at| at > now),
                "a timer did not move: {next:?} at {now:?}, seed {}, {:?}",
                self.seed,
                self.client
            );
        }
        let due: Vec<_> = self
            .opening
            .iter()
            .filter(|(at, ..)| *at <= now)
            .copied()
            .collect();
        self.opening.retain(|(at, ..)| *at > now);
        for (_, conn, opens) in due {
            any = true;
            if opens {
                let stream = self.streams.get_mut(&conn).unwrap();
                stream.accepted = matches!(stream.door, Door::Open);
                if stream.accepted {
                    let dc = stream.dc;
                    let server = &mut self.dcs.get_mut(&dc).unwrap().server;
                    server.handle_connected(now, conn);
                }
                self.client.handle_connected(now, conn);
            } else {
                self.streams.remove(&conn);
                self.client.handle_connect_failed(now, conn);
            }
        }
        while let Some(action) = self.client.poll_action() {
            any = true;
            match action {
                Action::Connect { conn, dc, target } => self.connect(conn, dc, target),
                Action::Transmit { conn } => self.transmit(conn),
                Action::Close { conn } => {
                    self.transmit(conn);
                    self.closed.push(conn);
                    self.opening.retain(|(_, of, _)| *of != conn);
                    self.drop_stream(conn);
                }
                _ => panic!("{action:?}"),
            }
        }
        while let Some(event) = self.client.poll_event() {
            any = true;
            if let Event::Changed(change) = &event {
                self.store.apply(change.clone());
            }
            self.events.push((now, event));
        }
        any
    }

    fn connect(&mut self, conn: ConnId, dc: DcId, target: Target) {
        let Target::Tcp(to) = target else {
            panic!("{target:?}");
        };
        self.dials.push((self.now, conn, dc, to));
        let id = i16::from(match to.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[2],
            std::net::IpAddr::V6(ip) => ip.octets()[15],
        });
        let door = self.doors.get(&to).copied().unwrap_or(Door::Open);
        let weather = self.weather.get(&id).copied().unwrap_or(Weather {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
        });
        let mut wire = || {
            let mut wire = Wire::new(self.dice.fork());
            wire.latency(weather.latency)
                .jitter(weather.jitter)
                .segments(self.segments.clone());
            wire
        };
        let stream = Stream {
            dc: id,
            door,
            to_server: wire(),
            to_client: wire(),
            accepted: false,
            outbox: [Vec::new(), Vec::new()],
        };
        let at = self.now + weather.latency;
        match door {
            Door::Open | Door::Status(_) | Door::Mute => self.opening.push((at, conn, true)),
            Door::Refuses => self.opening.push((at, conn, false)),
            Door::Black => {}
        }
        self.streams.insert(conn, stream);
    }

    fn transmit(&mut self, conn: ConnId) {
        let mut out = Vec::new();
        while self.client.poll_transmit(self.now, conn, &mut out) {}
        if let Some(stream) = self.streams.get_mut(&conn) {
            stream.outbox[0].extend(out);
        }
    }

    /// The client's end is closed.
    fn drop_stream(&mut self, conn: ConnId) {
        let now = self.now;
        if let Some(mut stream) = self.streams.remove(&conn)
            && stream.accepted
        {
            // What was written still arrives, before the end.
            let out = std::mem::take(&mut stream.outbox[0]);
            let _ = stream.to_server.write(now, &out);
            let server = &mut self.dcs.get_mut(&stream.dc).unwrap().server;
            while let Some(at) = stream.to_server.next_arrival() {
                if let Some(Arrival::Bytes(bytes)) = stream.to_server.read(at) {
                    server.handle_input(now, conn, &bytes);
                }
            }
            server.handle_closed(now, conn);
        }
    }

    fn wires(&mut self) -> bool {
        let mut any = false;
        let now = self.now;
        let conns: Vec<ConnId> = self.streams.keys().copied().collect();
        for conn in conns {
            let Some(stream) = self.streams.get_mut(&conn) else {
                continue;
            };
            let [to_server, to_client] = &mut stream.outbox;
            for (wire, bytes) in [
                (&mut stream.to_server, to_server),
                (&mut stream.to_client, to_client),
            ] {
                if !bytes.is_empty() {
                    let taken = wire.write(now, bytes);
                    any |= taken > 0;
                    bytes.drain(..taken);
                }
            }
            while let Some(stream) = self.streams.get_mut(&conn)
                && let Some(arrival) = stream.to_server.read(now)
            {
                any = true;
                let (dc, accepted, door) = (stream.dc, stream.accepted, stream.door);
                match (arrival, door) {
                    (Arrival::Bytes(_), Door::Status(code)) => {
                        // Intermediate framing: a length of four, and the code.
                        let mut out = 4_u32.to_le_bytes().to_vec();
                        out.extend(code.to_le_bytes());
                        stream.outbox[1].extend(out);
                    }
                    (Arrival::Bytes(bytes), _) if accepted => {
                        let server = &mut self.dcs.get_mut(&dc).unwrap().server;
                        server.handle_input(now, conn, &bytes);
                    }
                    (Arrival::End, _) if accepted => {
                        stream.accepted = false;
                        let server = &mut self.dcs.get_mut(&dc).unwrap().server;
                        server.handle_closed(now, conn);
                    }
                    _ => {}
                }
            }
            while let Some(stream) = self.streams.get_mut(&conn)
                && let Some(arrival) = stream.to_client.read(now)
            {
                any = true;
                match arrival {
                    Arrival::Bytes(bytes) => {
                        self.steps.1 += 1;
                        self.client.handle_input(now, conn, &bytes);
                    }
                    Arrival::End => self.fail_socket(conn),
                }
            }
        }
        any
    }

    fn server_turns(&mut self) -> bool {
        let mut any = false;
        let now = self.now;
        let ids: Vec<i16> = self.dcs.keys().copied().collect();
        for id in ids {
            let dc = self.dcs.get_mut(&id).unwrap();
            if dc.server.poll_timeout().is_some_and(|at| at <= now) {
                any = true;
                dc.server.handle_timeout(now);
            }
            while let Some(event) = self.dcs.get_mut(&id).unwrap().server.poll_event() {
                any = true;
                self.serve(id, event);
            }
            let dc = self.dcs.get_mut(&id).unwrap();
            while let Some(action) = dc.server.poll_action() {
                any = true;
                let (conn, closes) = match action {
                    server::Action::Transmit { conn } => (conn, false),
                    server::Action::Close { conn, .. } => (conn, true),
                    _ => panic!("{action:?}"),
                };
                let mut out = Vec::new();
                while dc.server.poll_transmit(now, conn, &mut out) {}
                if closes {
                    dc.server.handle_closed(now, conn);
                }
                if let Some(stream) = self.streams.get_mut(&conn) {
                    stream.outbox[1].extend(out);
                    if closes {
                        stream.accepted = false;
                        let rest = std::mem::take(&mut stream.outbox[1]);
                        let _ = stream.to_client.write(now, &rest);
                        stream.to_client.close(now);
                    }
                }
            }
        }
        any
    }

    fn serve(&mut self, id: i16, event: server::Event) {
        let dc = self.dcs.get_mut(&id).unwrap();
        match event {
            server::Event::KeyCreated {
                key, expires_at, ..
            } => dc.keys.push((key.id(), expires_at.is_some())),
            server::Event::KeyDestroyed { auth_key_id } => {
                dc.destroyed.push(auth_key_id);
                dc.users.remove(&auth_key_id);
            }
            server::Event::Request {
                id: incoming,
                auth_key_id,
                perm_key,
                session,
                msg_id,
                body,
                ..
            } => {
                let Unwrapped {
                    query,
                    inits,
                    after,
                } = unwrap(&body);
                // Executed only behind what has ended well, as a DC does.
                let waits = after
                    .iter()
                    .any(|first| dc.ended.get(&(session, *first)) != Some(&true));
                if dc.sessions.last() != Some(&(auth_key_id, session)) {
                    dc.sessions.push((auth_key_id, session));
                }
                let call = Executed {
                    dc: id,
                    query,
                    inits,
                    key: auth_key_id,
                    perm: perm_key,
                    session,
                    id: incoming,
                };
                if inits {
                    dc.initialised.insert(session);
                }
                let inited = !self.strict_init
                    || dc.initialised.contains(&session)
                    || call.is::<functions::auth::BindTempAuthKey>();
                let answer = if !inited {
                    error(400, "CONNECTION_NOT_INITED")
                } else if waits {
                    error(400, "MSG_WAIT_FAILED")
                } else {
                    (self.script)(&call)
                };
                let answer = match answer {
                    Answer::Default => self.default_answer(&call),
                    other => other,
                };
                let dc = self.dcs.get_mut(&id).unwrap();
                let well = matches!(answer, Answer::Ok(_));
                dc.ended.insert((session, msg_id), well);
                if waits && inited {
                    self.overtaking += 1;
                } else {
                    self.executed.push(call);
                }
                self.respond(id, incoming, answer);
            }
            _ => {}
        }
    }

    pub fn respond(&mut self, dc: i16, id: IncomingId, answer: Answer) {
        let server = &mut self.dcs.get_mut(&dc).unwrap().server;
        match answer {
            Answer::Ok(body) => {
                server.respond(self.now, id, body);
            }
            Answer::Error(code, message) => {
                server.respond_error(self.now, id, code, &message);
            }
            Answer::Silent | Answer::Default => {}
        }
    }
}
