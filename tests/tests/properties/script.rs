//! What was done to a machine, call by call, and the same done to another one.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use mtproto_proto::connection::{ClientConfig, ClientConnection, ServerConnection, Start};
use mtproto_proto::server::{Event, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{IncomingId, Machine, Time};
use mtproto_schema::Reader;
use mtproto_test::pair::START;
use mtproto_test::{Dice, Pair, Seed, pair};

use crate::both::{client_config, server_config};

const BIND_TEMP_AUTH_KEY: u32 = 0xcdd4_2a05;
const BOOL_TRUE: u32 = 0x9972_75b5;

/// A call into a machine that changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Input(Time, Vec<u8>),
    Eof(Time),
    Timeout(Time),
    /// Once.
    Transmit(Time),
    Send(Time, Bytes, bool),
    Cancel(Time, u64),
    Respond(Time, IncomingId, Bytes),
    /// A temporary key is bound: the call and its body.
    Bind(Time, IncomingId, Bytes),
    /// To every session.
    Push(Time, Bytes),
}

/// A machine that takes its steps from a script.
pub trait Scripted: Machine {
    fn command(&mut self, step: &Step);
}

impl Scripted for ClientConnection {
    fn command(&mut self, step: &Step) {
        match step {
            Step::Send(now, body, idempotent) => {
                let mut options = SendOptions::default();
                options.idempotent = *idempotent;
                options.quick_ack = *idempotent;
                let _ = self.send(*now, body.clone(), &options);
            }
            Step::Cancel(now, id) => self.cancel(*now, mtproto_proto::RequestId(*id)),
            _ => panic!("a client cannot {step:?}"),
        }
    }
}

impl Scripted for ServerConnection {
    fn command(&mut self, step: &Step) {
        match step {
            Step::Respond(now, id, body) => {
                self.server().respond(*now, *id, body.clone());
            }
            Step::Bind(now, id, body) => {
                let mut r = Reader::new(body);
                let _ = r.u32();
                let (perm, nonce, expires_at, message) = (r.i64(), r.i64(), r.i32(), r.bytes());
                let server = self.server();
                server
                    .bind_temp_key(*now, *id, perm, nonce, expires_at, &message)
                    .unwrap();
                server.respond(*now, *id, BOOL_TRUE.to_le_bytes()[..].to_vec().into());
            }
            Step::Push(now, body) => {
                let sessions: Vec<_> = self.server().sessions().collect();
                for (key, session) in sessions {
                    self.server().push(*now, key, session, body.clone());
                }
            }
            _ => panic!("a server cannot {step:?}"),
        }
    }
}

/// All that a machine gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub bytes: Vec<u8>,
    pub events: Vec<String>,
    pub error: Option<String>,
}

impl Outcome {
    fn note<E: std::error::Error>(&mut self, result: Result<(), E>) -> Result<(), E> {
        if let Err(error) = &result {
            self.error.get_or_insert(error.to_string());
        }
        result
    }

    /// Panics with the first difference, for the whole is long.
    pub fn assert_is(&self, expected: &Outcome, what: &str) {
        assert_eq!(self.error, expected.error, "{what}");
        let events = self.events.iter().zip(&expected.events);
        if let Some((n, (got, wanted))) = events.enumerate().find(|(_, (a, b))| a != b) {
            panic!("{what}: event {n} is {got:.200}, expected {wanted:.200}");
        }
        assert_eq!(self.events.len(), expected.events.len(), "{what}: events");
        let bytes = self.bytes.iter().zip(&expected.bytes);
        if let Some(at) = bytes.enumerate().position(|(_, (a, b))| a != b) {
            panic!("{what}: byte {at} differs");
        }
        assert_eq!(self.bytes.len(), expected.bytes.len(), "{what}: bytes");
    }
}

/// A machine whose steps are noted.
pub struct Recorder<M> {
    pub machine: M,
    pub steps: Vec<Step>,
    pub outcome: Outcome,
}

impl<M: Scripted> Recorder<M> {
    pub fn new(machine: M) -> Self {
        Recorder {
            machine,
            steps: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    pub fn command(&mut self, step: Step) {
        self.machine.command(&step);
        self.steps.push(step);
    }
}

impl<M: Scripted<Event: Debug>> Machine for Recorder<M> {
    type Event = M::Event;
    type Error = M::Error;

    fn handle_input(&mut self, now: Time, bytes: &[u8]) -> Result<(), M::Error> {
        self.steps.push(Step::Input(now, bytes.to_vec()));
        let result = self.machine.handle_input(now, bytes);
        self.outcome.note(result)
    }

    fn handle_eof(&mut self, now: Time) -> Result<(), M::Error> {
        self.steps.push(Step::Eof(now));
        let result = self.machine.handle_eof(now);
        self.outcome.note(result)
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), M::Error> {
        self.steps.push(Step::Timeout(now));
        let result = self.machine.handle_timeout(now);
        self.outcome.note(result)
    }

    fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        self.steps.push(Step::Transmit(now));
        let before = out.len();
        let written = self.machine.poll_transmit(now, out);
        self.outcome.bytes.extend(&out[before..]);
        written
    }

    fn poll_event(&mut self) -> Option<M::Event> {
        let event = self.machine.poll_event();
        self.outcome
            .events
            .extend(event.as_ref().map(|event| format!("{event:?}")));
        event
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.machine.poll_timeout()
    }
}

/// How a script is done differently without changing anything.
#[derive(Clone, Copy, Debug)]
pub struct Variation {
    /// Longest slice of the input.
    pub slice: usize,
    /// Polls for events and timeouts between the steps.
    pub polls: bool,
    /// Calls `handle_timeout` too early and a second time.
    pub timeouts: bool,
}

/// Does a script to a machine.
pub fn play<M: Scripted<Event: Debug>>(
    mut machine: M,
    steps: &[Step],
    variation: Variation,
    dice: &mut Dice,
) -> Outcome {
    let mut outcome = Outcome::default();
    for step in steps {
        match step {
            Step::Input(now, bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let len = dice.range(1..=variation.slice as u64) as usize;
                    let (slice, tail) = rest.split_at(len.min(rest.len()));
                    rest = tail;
                    let result = machine.handle_input(*now, slice);
                    let _ = outcome.note(result);
                    if variation.polls && dice.chance(1, 3) {
                        let _ = machine.poll_timeout();
                        take_events(&mut machine, &mut outcome, 1);
                    }
                    if variation.timeouts
                        && dice.chance(1, 3)
                        && machine.poll_timeout().is_none_or(|at| at > *now)
                    {
                        let result = machine.handle_timeout(*now);
                        let _ = outcome.note(result);
                    }
                }
            }
            Step::Eof(now) => {
                let result = machine.handle_eof(*now);
                let _ = outcome.note(result);
            }
            Step::Timeout(now) => {
                let times = if variation.timeouts { 3 } else { 1 };
                for _ in 0..times {
                    let result = machine.handle_timeout(*now);
                    let _ = outcome.note(result);
                }
            }
            Step::Transmit(now) => {
                let _ = machine.poll_transmit(*now, &mut outcome.bytes);
            }
            command => machine.command(command),
        }
        if variation.polls && dice.chance(1, 2) {
            take_events(&mut machine, &mut outcome, dice.range(1..=3));
            let _ = machine.poll_timeout();
        }
    }
    take_events(&mut machine, &mut outcome, u64::MAX);
    outcome
}

fn take_events<M: Machine<Event: Debug>>(machine: &mut M, outcome: &mut Outcome, most: u64) {
    for _ in 0..most {
        let Some(event) = machine.poll_event() else {
            return;
        };
        outcome.events.push(format!("{event:?}"));
    }
}

/// The two machines of a seed, always the same; every third has temporary keys, which last for the
/// shortest time that there is.
pub fn machines(seed: Seed) -> (ClientConnection, ServerConnection) {
    let mut config: ClientConfig = client_config();
    let pfs = seed.0.is_multiple_of(3);
    config.pfs = pfs.then(|| std::time::Duration::from_secs(60));
    let server: ServerConfig = server_config();
    let mut dice = Dice::new(seed);
    let client = ClientConnection::new(Arc::new(config), Start::NewKey, dice.rng(), START).unwrap();
    let server = ServerConnection::new(Arc::new(server), dice.rng(), START);
    (client, server)
}

/// What was done to both in a conversation with calls, cancellations, updates; at its end the stream
/// is cut, or garbage comes, or nothing happens.
pub type Recorded = Pair<Recorder<ClientConnection>, Recorder<ServerConnection>>;

/// A conversation of this seed.
pub fn converse(seed: Seed) -> Recorded {
    use std::time::Duration;

    let mut dice = Dice::new(seed);
    let (client, server) = machines(seed);
    let mut pair = pair(Recorder::new(client), Recorder::new(server), seed);
    for wire in [&mut pair.client_to_server, &mut pair.server_to_client] {
        let segment = dice.range(1..=3_000) as usize;
        wire.segments(1..=segment)
            .latency(Duration::from_millis(30))
            .jitter(Duration::from_millis(dice.range(0..=100)));
    }
    for round in 0..6_u32 {
        for _ in 0..dice.range(0..=4) {
            let len = 4 * dice.range(1..=200) as usize;
            let body = Bytes::from(dice.bytes(len));
            let now = pair.client_now();
            pair.client
                .command(Step::Send(now, body, dice.chance(1, 2)));
        }
        if dice.chance(1, 4) {
            let now = pair.client_now();
            let id = dice.range(1..=u64::from(round) * 2 + 1);
            pair.client.command(Step::Cancel(now, id));
        }
        let time = dice.duration(Duration::ZERO..=Duration::from_secs(40));
        let mut server_dice = dice.fork();
        pair.run_until(time, |pair| {
            let now = pair.server_now();
            for event in pair.server_events() {
                if let Event::Request { id, body, .. } = event {
                    if body.starts_with(&BIND_TEMP_AUTH_KEY.to_le_bytes()) {
                        pair.server.command(Step::Bind(now, id, body));
                        continue;
                    }
                    // Some are never answered.
                    if server_dice.chance(4, 5) {
                        pair.server.command(Step::Respond(now, id, body));
                    }
                }
            }
            if server_dice.chance(1, 20) {
                let update = Bytes::from(server_dice.bytes(16));
                pair.server.command(Step::Push(now, update));
            }
            false
        })
        .unwrap();
    }
    match dice.range(0..=3) {
        0 => {
            pair.client_to_server.cut_after(dice.range(0..=200));
        }
        1 => {
            let garbage = dice.bytes(600);
            let (client_now, server_now) = (pair.client_now(), pair.server_now());
            let _ = pair.client.handle_input(client_now, &garbage);
            let _ = pair.server.handle_input(server_now, &garbage);
        }
        _ => {}
    }
    pair.run_for(Duration::from_secs(90)).unwrap();
    pair
}
