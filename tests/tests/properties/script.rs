//! What was done to a machine, step by step, and the same done to another one with variations.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{ClientConfig, ClientConnection, ServerConnection};
use mtproto_proto::server::{Event, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{IncomingId, Machine, RequestId, Time};
use mtproto_schema::Reader;
use mtproto_test::pair::START;
use mtproto_test::trace::{self, Begin, Buffer, Done, Recordable, Recorder, Step, Trace};
use mtproto_test::{Dice, Pair, Seed, pair};

use crate::both::{client_config, server_config};

const BIND_TEMP_AUTH_KEY: u32 = 0xcdd4_2a05;
const BOOL_TRUE: u32 = 0x9972_75b5;

/// A step and when it was done.
pub type At = (Time, Step<'static>);

/// All that a machine gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Of all packets, in the digits of the trace.
    pub bytes: String,
    pub events: Vec<String>,
    pub error: Option<String>,
}

impl Outcome {
    fn note(&mut self, step: &Step<'_>, outcome: &str) {
        // What the machine wants next is not what it gave.
        let outcome = outcome.split(" @").next().unwrap();
        match step {
            Step::Transmit(_) if outcome != "-" => self.bytes += outcome,
            Step::Event => self.events.push(outcome.to_owned()),
            Step::Input(..) | Step::Closed(_) | Step::Timeout if outcome.starts_with("err") => {
                self.error.get_or_insert_with(|| outcome.to_owned());
            }
            _ => {}
        }
    }

    /// Panics with the first difference, for the whole is long.
    pub fn assert_is(&self, expected: &Outcome, what: &str) {
        assert_eq!(self.error, expected.error, "{what}");
        let events = self.events.iter().zip(&expected.events);
        if let Some((n, (got, wanted))) = events.enumerate().find(|(_, (a, b))| a != b) {
            panic!("{what}: event {n} is {got:.200}, expected {wanted:.200}");
        }
        assert_eq!(self.events.len(), expected.events.len(), "{what}: events");
        let bytes = self.bytes.bytes().zip(expected.bytes.bytes());
        if let Some(at) = bytes.enumerate().position(|(_, (a, b))| a != b) {
            panic!("{what}: byte {} differs", at / 2);
        }
        assert_eq!(self.bytes.len(), expected.bytes.len(), "{what}: bytes");
    }
}

/// What was done to one machine of a trace, and what came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// But for events, which are taken whenever anybody likes.
    pub steps: Vec<At>,
    pub outcome: Outcome,
}

impl Script {
    /// The script of the machine with this number.
    fn of(file: &[u8], machine: u64) -> Self {
        let mut script = Script::default();
        for entry in trace::Reader::open(file).unwrap() {
            let entry = entry.unwrap();
            let (true, Done::Step(step)) = (entry.machine == machine, entry.done) else {
                continue;
            };
            script.outcome.note(&step, &entry.outcome);
            // How a machine is made belongs to its making.
            if !matches!(step, Step::Event | Step::IntoConnection) {
                script.steps.push((entry.at, step));
            }
        }
        script
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

/// Does a script to the machine that `make` gives.
pub fn play<M: Recordable + Machine<Event: std::fmt::Debug>>(
    make: impl FnOnce(&Trace) -> Recorder<M>,
    steps: &[At],
    variation: Variation,
    dice: &mut Dice,
) -> Outcome {
    let file = Buffer::default();
    let trace = Trace::full_to(file.clone()).unwrap();
    let mut machine = make(&trace);
    for (now, step) in steps {
        match step {
            Step::Input(_, bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let len = dice.range(1..=variation.slice as u64) as usize;
                    let (slice, tail) = rest.split_at(len.min(rest.len()));
                    rest = tail;
                    // The error is in the outcome, here and below.
                    let _ = machine.handle_input(*now, slice);
                    if variation.polls && dice.chance(1, 3) {
                        let _ = machine.poll_timeout();
                        let _ = machine.poll_event();
                    }
                    if variation.timeouts
                        && dice.chance(1, 3)
                        && machine.poll_timeout().is_none_or(|at| at > *now)
                    {
                        let _ = machine.handle_timeout(*now);
                    }
                }
            }
            Step::Timeout => {
                let times = if variation.timeouts { 3 } else { 1 };
                for _ in 0..times {
                    let _ = machine.handle_timeout(*now);
                }
            }
            step => machine.apply(*now, step).unwrap(),
        }
        if variation.polls && dice.chance(1, 2) {
            for _ in 0..dice.range(1..=3) {
                let _ = machine.poll_event();
            }
            let _ = machine.poll_timeout();
        }
    }
    while machine.poll_event().is_some() {}
    trace.finish().unwrap();
    Script::of(&file.take(), 1).outcome
}

/// The seeds of the two machines.
fn seeds(seed: Seed) -> ([u8; 32], [u8; 32]) {
    let mut dice = Dice::new(seed);
    (dice.array(), dice.array())
}

/// The client of a seed, always the same; every third has temporary keys, which last for the
/// shortest time that there is.
pub fn client(trace: &Trace, seed: Seed) -> Recorder<ClientConnection> {
    let mut config: ClientConfig = client_config();
    let pfs = seed.0.is_multiple_of(3);
    config.pfs = pfs.then(|| Duration::from_secs(60));
    let config = Arc::new(config);
    Recorder::<ClientConnection>::new(trace, config, Begin::NewKey, seeds(seed).0, START).unwrap()
}

/// The server of a seed, always the same.
pub fn server(trace: &Trace, seed: Seed) -> Recorder<ServerConnection> {
    let config: ServerConfig = server_config();
    Recorder::<ServerConnection>::new(trace, Arc::new(config), seeds(seed).1, START)
}

fn bind(server: &mut Recorder<ServerConnection>, now: Time, id: IncomingId, body: &Bytes) {
    let mut r = Reader::new(body);
    let _ = r.u32();
    let (perm, nonce, expires_at, message) = (r.i64(), r.i64(), r.i32(), r.bytes());
    server
        .bind_temp_key(now, id, perm, nonce, expires_at, &message)
        .unwrap();
    server.respond(now, id, BOOL_TRUE.to_le_bytes()[..].to_vec().into());
}

/// What was done to both in a conversation.
#[derive(Debug, PartialEq)]
pub struct Recorded {
    pub client: Script,
    pub server: Script,
}

/// A conversation of this seed with calls, cancellations, updates; at its end the stream is cut, or
/// garbage comes, or nothing happens.
pub fn converse(seed: Seed) -> Recorded {
    let file = Buffer::default();
    let trace = Trace::full_to(file.clone()).unwrap();
    let mut dice = Dice::new(seed);
    let mut pair = pair(client(&trace, seed), server(&trace, seed), seed);
    for wire in [&mut pair.client_to_server, &mut pair.server_to_client] {
        let segment = dice.range(1..=3_000) as usize;
        wire.segments(1..=segment)
            .latency(Duration::from_millis(30))
            .jitter(Duration::from_millis(dice.range(0..=100)));
    }
    for round in 0..6_u32 {
        ask(&mut pair, &mut dice, round);
        let time = dice.duration(Duration::ZERO..=Duration::from_secs(40));
        let mut server_dice = dice.fork();
        pair.run_until(time, |pair| {
            let now = pair.server_now();
            for event in pair.server_events() {
                if let Event::Request { id, body, .. } = event {
                    if body.starts_with(&BIND_TEMP_AUTH_KEY.to_le_bytes()) {
                        bind(&mut pair.server, now, id, &body);
                    } else if server_dice.chance(4, 5) {
                        // Some are never answered.
                        pair.server.respond(now, id, body);
                    }
                }
            }
            if server_dice.chance(1, 20) {
                let update = Bytes::from(server_dice.bytes(16));
                for (key, session) in pair.server.sessions() {
                    pair.server.push(now, key, session, update.clone());
                }
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
    while pair.client.poll_event().is_some() {}
    while pair.server.poll_event().is_some() {}
    trace.finish().unwrap();
    let file = file.take();
    Recorded {
        client: Script::of(&file, 1),
        server: Script::of(&file, 2),
    }
}

fn ask(
    pair: &mut Pair<Recorder<ClientConnection>, Recorder<ServerConnection>>,
    dice: &mut Dice,
    round: u32,
) {
    let now = pair.client_now();
    for _ in 0..dice.range(0..=4) {
        let len = 4 * dice.range(1..=200) as usize;
        let body = Bytes::from(dice.bytes(len));
        let mut options = SendOptions::default();
        options.idempotent = dice.chance(1, 2);
        options.quick_ack = options.idempotent;
        // After the end none is taken.
        let _ = pair.client.send(now, body, &options);
    }
    if dice.chance(1, 4) {
        let id = dice.range(1..=u64::from(round) * 2 + 1);
        pair.client.cancel(now, RequestId(id));
    }
}
