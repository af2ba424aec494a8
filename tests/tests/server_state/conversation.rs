//! A whole conversation of a real client and a real server in virtual time, whose server is
//! restarted after each of its steps in turn: with its sessions nothing is lost and nothing
//! doubled, without them everything has a fate that is true.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, KeyState, ServerConnection, Start,
};
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::server::{Event, Server, ServerChange, ServerState};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{DcId, Fate, IncomingId, RequestError, RequestId, Time};
use mtproto_test::pair::START;
use mtproto_test::{Dice, Pair, Seed};

use super::support::{config, secs};

/// How the server comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// It stops in order: its state is taken at the end.
    Suspended,
    /// It is killed: what it wrote to its journal is there.
    Killed,
    /// It has kept its keys only.
    KeysOnly,
}

/// What an owner keeps together with the state of its server.
#[derive(Default)]
struct Owner {
    /// How often each call was executed, by its name.
    executed: BTreeMap<IncomingId, Bytes>,
    counts: BTreeMap<Bytes, u32>,
    /// Calls that take a while.
    running: Vec<(Time, IncomingId)>,
}

impl Owner {
    fn handle(&mut self, server: &mut Server, now: Time, event: Event) {
        let Event::Request {
            id, body, again, ..
        } = event
        else {
            return;
        };
        // What it has done it does not do again.
        if self.executed.insert(id, body.clone()).is_none() {
            *self.counts.entry(body.clone()).or_default() += 1;
        } else {
            assert!(again, "a name is given once");
            self.running.retain(|(_, other)| *other != id);
        }
        match body[0] {
            b'0' => {
                server.respond(now, id, body);
            }
            b'1' => self.running.push((now + secs(2), id)),
            _ => {
                let long = [&body[..], &[9; 4_000]].concat();
                server.respond(now, id, long.into());
            }
        }
    }

    fn finish(&mut self, server: &mut Server, now: Time) {
        let due = |(at, _): &(Time, IncomingId)| *at <= now;
        for (_, id) in self.running.iter().copied().filter(due) {
            server.respond(now, id, self.executed[&id].clone());
        }
        self.running.retain(|running| !due(running));
    }
}

struct Run {
    pair: Pair<ClientConnection, ServerConnection>,
    owner: Owner,
    dice: Dice,
    client_config: Arc<ClientConfig>,
    /// What the disk has.
    stored: ServerState,
    ends: BTreeMap<RequestId, Result<Bytes, RequestError>>,
    updates: Vec<Bytes>,
    steps: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(Seed(seed));
        let key: [u8; 256] = dice.array();
        let client_config = Arc::new(ClientConfig::new(DcId(2), Vec::new()));
        let start = Start::Key(KeyState::from_auth_key(key, DcId(2)));
        let client =
            ClientConnection::new(client_config.clone(), start, dice.rng(), START).unwrap();
        let mut server = Server::new(Arc::new(config()), dice.rng(), START);
        let key = AuthKey::from_bytes(&key);
        server.provide_key(START, key.id(), Some(key));
        let stored = server.suspend();
        let server = ServerConnection::with(server, START);
        let mut pair = Pair::new(client, server, Seed(seed));
        for wire in [&mut pair.client_to_server, &mut pair.server_to_client] {
            // So that every hundred bytes are a step.
            wire.capacity(100);
        }
        Run {
            pair,
            owner: Owner::default(),
            dice,
            client_config,
            stored,
            ends: BTreeMap::new(),
            updates: Vec::new(),
            steps: 0,
        }
    }

    /// Goes on until time is over or so many steps were taken.
    fn go(&mut self, time: u64, max_steps: usize) {
        let end = self.pair.now() + secs(time);
        loop {
            let due = self.owner.running.iter().map(|(at, _)| *at).min();
            let until = due.unwrap_or(end).min(end);
            let (owner, steps) = (&mut self.owner, &mut self.steps);
            let stored = &mut self.stored;
            let left = until.saturating_since(self.pair.now());
            let stopped = self
                .pair
                .run_until(left, |pair| {
                    let now = pair.server_now();
                    let events = pair.server_events();
                    let server = pair.server.server();
                    let called = !events.is_empty();
                    for event in events {
                        owner.handle(server, now, event);
                    }
                    owner.finish(server, now);
                    if let Some(change) = server.poll_change() {
                        let bytes = change.to_bytes();
                        stored.apply(ServerChange::from_bytes(&bytes).unwrap());
                    }
                    *steps += 1;
                    *steps >= max_steps || called
                })
                .unwrap();
            for event in self.pair.client_events() {
                self.note(event);
            }
            if self.steps >= max_steps || (!stopped && self.pair.now() >= end) {
                return;
            }
            let now = self.pair.server_now();
            self.owner.finish(self.pair.server.server(), now);
        }
    }

    fn note(&mut self, event: ClientEvent) {
        let (id, end) = match event {
            ClientEvent::Response { id, body } => (id, Ok(body)),
            ClientEvent::Failed { id, error } => (id, Err(error)),
            ClientEvent::Update { body } => return self.updates.push(body),
            _ => return,
        };
        let before = self.ends.insert(id, end);
        assert_eq!(before, None, "{id} ended twice");
    }

    fn restart(mut self, how: How) -> Self {
        for event in self.pair.client_events() {
            self.note(event);
        }
        // Nobody answers what this server handed out; the one that follows hands it out again.
        self.owner.running.clear();
        let (client_rng, server_rng) = (self.dice.rng(), self.dice.rng());
        let config_of_client = self.client_config.clone();
        let stored = &mut self.stored;
        let pair = self.pair.reconnect(|client, server, now| {
            let resumed = Start::Resume(client.suspend());
            let client = ClientConnection::new(config_of_client, resumed, client_rng, now).unwrap();
            let state = match how {
                How::Suspended => server.into_server(now).suspend(),
                How::Killed => stored.clone(),
                How::KeysOnly => stored.clone().without_sessions(),
            };
            let state = ServerState::from_bytes(&state.to_bytes()).unwrap();
            let mut server = Server::resume(Arc::new(config()), state, server_rng, now);
            *stored = server.suspend();
            (client, ServerConnection::with(server, now))
        });
        self.pair = pair;
        self.steps = 0;
        self
    }
}

/// The bodies of the calls: short and quick, slow, with a long answer.
fn body(n: u32) -> Bytes {
    let kind = b"012"[n as usize % 3];
    let mut body = vec![kind, 0, 0, 0x40];
    body.extend(n.to_le_bytes());
    body.into()
}

/// Calls, a restart after so many steps, more calls, time.
fn converse(seed: u64, at: usize, how: How) -> (Run, Vec<(RequestId, Bytes)>, bool) {
    let mut run = Run::new(seed);
    let mut calls = Vec::new();
    let mut call = |run: &mut Run, n: u32| {
        let now = run.pair.client_now();
        let options = SendOptions::default();
        let id = run.pair.client.send(now, body(n), &options).unwrap();
        calls.push((id, body(n)));
    };
    // Of a session that never heard of it a server cannot tell anything.
    call(&mut run, 99);
    run.go(1, usize::MAX);
    run.steps = 0;
    for n in 0..3 {
        call(&mut run, n);
    }
    run.go(5, at);
    let mut restarted = run.steps >= at;
    let mut left = at.saturating_sub(run.steps);
    if restarted {
        run = run.restart(how);
        left = usize::MAX;
    }
    for n in 3..6 {
        call(&mut run, n);
    }
    let now = run.pair.server_now();
    let session = run.pair.server.server().sessions().next();
    if let Some((key, session)) = session {
        for update in [vec![1; 8], vec![2; 4_000]] {
            run.pair
                .server
                .server()
                .push(now, key, session, update.into());
        }
    }
    run.steps = 0;
    run.go(5, left);
    if !restarted && run.steps >= left {
        restarted = true;
        run = run.restart(how);
    }
    run.go(200, usize::MAX);
    (run, calls, restarted)
}

fn every_step(how: How, check: impl Fn(usize, &Run, &[(RequestId, Bytes)])) {
    let mut at = 1;
    loop {
        let (run, calls, restarted) = converse(3_000, at, how);
        assert_eq!(run.ends.len(), calls.len(), "step {at}: {:?}", run.ends);
        check(at, &run, &calls);
        if !restarted {
            break;
        }
        at += 1;
    }
    assert!(at > 100, "{at} steps are no conversation");
}

fn is_answer(to: &Bytes, answer: &Bytes) -> bool {
    answer.starts_with(to) && (answer.len() > 4_000) == (to[0] == b'2')
}

fn nothing_is_lost(at: usize, run: &Run, calls: &[(RequestId, Bytes)]) {
    for (id, body) in calls {
        let answer = run.ends[id].as_ref();
        let answer = answer.unwrap_or_else(|e| panic!("step {at}: {body:?}: {e}"));
        assert!(is_answer(body, answer), "step {at}: {body:?}");
        assert_eq!(run.owner.counts[body], 1, "step {at}: {body:?}");
    }
    let mut updates = run.updates.clone();
    let all = updates.len();
    updates.dedup();
    assert_eq!(updates.len(), all, "step {at}: an update came twice");
}

#[test]
fn a_restart_after_any_step_loses_nothing_and_doubles_nothing() {
    every_step(How::Suspended, nothing_is_lost);
}

#[test]
fn a_kill_after_any_step_loses_nothing_and_doubles_nothing() {
    every_step(How::Killed, nothing_is_lost);
}

#[test]
fn a_restart_without_sessions_after_any_step_doubles_nothing_and_tells_no_lie() {
    every_step(How::KeysOnly, |at, run, calls| {
        for (id, body) in calls {
            let executed = run.owner.counts.get(body).copied().unwrap_or(0);
            assert!(
                executed <= 1,
                "step {at}: {body:?} was executed {executed} times"
            );
            match &run.ends[id] {
                Ok(answer) => {
                    assert!(is_answer(body, answer), "step {at}: {body:?}");
                    assert_eq!(executed, 1);
                }
                Err(RequestError::Lost(fate) | RequestError::TimedOut(fate)) => {
                    let unsure = *fate == Fate::MaybeExecuted;
                    assert!(executed == 0 || unsure, "step {at}: {body:?}: {fate:?}");
                }
                Err(other) => panic!("step {at}: {body:?}: {other}"),
            }
        }
    });
}
