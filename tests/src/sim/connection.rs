//! The connection level: client connections against a server, over byte streams.
//!
//! Does: [`ConnectionLevel`] drives one or two clients, each over one stream after the other, and a
//! [`Server`] that may end and come back; temporary keys and handshakes at times.
//! In: what a run asks of a level. Out: events and packets, given to the stage.
//! Must not know: what packets mean; the stage looks into them.
//! Spec: none; the contracts of the machines are what it relies on.

mod client;
mod serving;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::KeyState;
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::server::{Server, ServerConfig, ServerState};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{AuthKeyId, ConnId, RequestId, Time};

use super::clocks;
use super::faults::Fault;
use super::model::{Checked, broken};
use super::outcome::Invariant;
use super::owner::Answer;
use super::run::{Blow, Forged, Level};
use super::session::{DC, RSA};
use super::stage::{Handle, Stage};
use crate::trace::{Recorder, Trace};
use client::Client;
use stream::Stream;

/// Turns at one instant; each moves at least one segment or event.
const MAX_TURNS: u32 = 200_000;

/// Clients and a server.
pub(super) struct ConnectionLevel {
    trace: Trace,
    clients: Vec<Client>,
    server: Recorder<Server>,
    server_config: Arc<ServerConfig>,
    streams: BTreeMap<ConnId, Stream>,
    /// Streams for which the server may have output.
    ready: BTreeSet<ConnId>,
    /// Streams that it wants closed once that is written.
    closing: BTreeSet<ConnId>,
    /// Permanent keys, which the server's owner keeps.
    keys: Vec<AuthKey>,
}

impl ConnectionLevel {
    /// One or two clients; each has a stored key, or (one run in `handshake_one_in`) makes one.
    pub(super) fn new(stage: &mut Stage, trace: &Trace, handshake_one_in: u64) -> Self {
        let count = if stage.dice.chance(1, 6) { 2 } else { 1 };
        stage.server_skew = clocks::roll(&mut stage.dice, &mut stage.faults, Fault::ServerClock);
        let server_config = Arc::new(ServerConfig::new(DC, vec![RSA.clone()]));
        let now = stage.server_now();
        let server = Recorder::<Server>::new(trace, server_config.clone(), stage.dice.array(), now);
        let mut level = ConnectionLevel {
            trace: trace.clone(),
            clients: Vec::new(),
            server,
            server_config,
            streams: BTreeMap::new(),
            ready: BTreeSet::new(),
            closing: BTreeSet::new(),
            keys: Vec::new(),
        };
        for index in 0..count {
            let skew = clocks::roll(&mut stage.dice, &mut stage.faults, Fault::ClientClock);
            stage.add_client(skew);
            let makes_key = stage.dice.chance(1, handshake_one_in);
            let key = if makes_key {
                stage.handshakes += 1;
                None
            } else {
                let bytes = match level.keys.first() {
                    Some(key) if stage.dice.chance(1, 2) => *key.as_bytes(),
                    Some(_) | None => stage.dice.array(),
                };
                let key = AuthKey::from_bytes(&bytes);
                level.server.provide_key(now, key.id(), Some(key.clone()));
                stage.keys.insert(key.id(), key.clone());
                level.keys.push(key);
                Some(KeyState::from_auth_key(bytes, DC))
            };
            let client = Client::new(stage, index, key);
            level.clients.push(client);
        }
        level
    }

    /// The server's process ends, and the next one begins with what was stored.
    fn restart_server(&mut self, stage: &mut Stage, sessions: bool) -> Checked {
        for stream in self.streams.values_mut() {
            stream.served = false;
            stream.to_client.close(stage.now);
        }
        self.ready.clear();
        self.closing.clear();
        if sessions || stage.dice.chance(1, 2) {
            let mut state = self.server.suspend();
            if !sessions {
                state = state.without_sessions();
            }
            let Ok(state) = ServerState::from_bytes(&state.to_bytes()) else {
                return broken(Invariant::KeySurvives, "a stored server cannot be read");
            };
            let (now, seed, config) = self.next_server(stage);
            self.server = Recorder::<Server>::resume(&self.trace, config, state, seed, now);
            return Ok(());
        }
        // With its memory goes its clock: one that remembers must not be set back.
        if stage.dice.chance(1, 2) {
            stage.server_skew = clocks::roll(&mut stage.dice, &mut stage.faults, Fault::ServerJump);
        }
        let (now, seed, config) = self.next_server(stage);
        self.server = Recorder::<Server>::new(&self.trace, config, seed, now);
        for key in &self.keys {
            self.server.provide_key(now, key.id(), Some(key.clone()));
        }
        Ok(())
    }

    fn next_server(&self, stage: &mut Stage) -> (Time, [u8; 32], Arc<ServerConfig>) {
        let seed = stage.dice.array();
        (stage.server_now(), seed, self.server_config.clone())
    }

    fn stream_of(&mut self, client: usize) -> Option<&mut Stream> {
        let conn = self.clients.get(client)?.conn()?;
        self.streams.get_mut(&conn)
    }
}

impl Level for ConnectionLevel {
    fn clients(&self) -> usize {
        self.clients.len()
    }

    fn submit(
        &mut self,
        stage: &mut Stage,
        client: usize,
        body: Bytes,
        options: &SendOptions,
    ) -> Option<RequestId> {
        self.connect(stage, client);
        self.clients[client].send(stage, body, options)
    }

    fn cancel(&mut self, stage: &mut Stage, client: usize, id: RequestId) {
        self.connect(stage, client);
        self.clients[client].cancel(stage, id);
    }

    fn respond(&mut self, stage: &mut Stage, handle: Handle, answer: Answer) {
        let Handle::Incoming(id) = handle else {
            return;
        };
        let now = stage.server_now();
        match answer {
            Answer::Result(body) => self.server.respond(now, id, body),
            Answer::Error(code, message) => self.server.respond_error(now, id, code, &message),
        };
    }

    fn push(&mut self, stage: &mut Stage, client: usize, body: Bytes) -> bool {
        let Some(current) = stage.watch.current.get(&client).copied() else {
            return false;
        };
        let found = self.server.sessions().into_iter();
        let found: Vec<(AuthKeyId, _)> = found.filter(|(_, session)| *session == current).collect();
        match found.first() {
            Some((key, session)) => self.server.push(stage.server_now(), *key, *session, body),
            None => false,
        }
    }

    fn strike(&mut self, stage: &mut Stage, client: usize, blow: Blow) -> Checked<bool> {
        match blow {
            Blow::Cut | Blow::Vanish | Blow::Stall(_) | Blow::Dead => {
                let now = stage.now;
                let Some(stream) = self.stream_of(client) else {
                    return Ok(false);
                };
                let way = stage.dice.index(2);
                let [to_server, to_client] = stream.ways();
                let way = if way == 0 {
                    &mut *to_server
                } else {
                    &mut *to_client
                };
                match blow {
                    Blow::Cut => way.cut(&mut stage.dice),
                    Blow::Vanish => way.vanish(stage.dice.range(0..=1_500)),
                    Blow::Stall(time) => way.stall(now + time),
                    _ => {
                        to_server.vanish(0);
                        to_client.vanish(0);
                    }
                }
            }
            Blow::RestartKept => self.restart_server(stage, true)?,
            Blow::RestartLost => self.restart_server(stage, false)?,
            Blow::ClientRestart => self.restart_client(stage, client)?,
            Blow::Switch => {
                let late = stage
                    .dice
                    .duration(Duration::ZERO..=Duration::from_secs(10));
                let until = stage.now + late;
                let Some(stream) = self.stream_of(client) else {
                    return Ok(false);
                };
                stream.to_server.stall(until);
                self.disconnect(stage, client)?;
                self.connect(stage, client);
            }
            // A server's salts follow its clock and its restarts.
            Blow::Salts => return Ok(false),
            Blow::ClientJump(by) => stage.client_skew[client] += clocks::nanos(by),
            Blow::ServerJump(by) => stage.server_skew += clocks::nanos(by),
        }
        Ok(true)
    }

    fn feel(&mut self, stage: &mut Stage) {
        for stream in self.streams.values_mut() {
            for way in stream.ways() {
                way.feel(&stage.weather);
            }
        }
    }

    fn forge(&mut self, stage: &mut Stage, client: usize, forged: Forged) -> bool {
        let _ = stage;
        let stream = self.stream_of(client);
        stream.is_some_and(|stream| stream.forge(forged))
    }

    fn settle(&mut self, stage: &mut Stage) -> Checked {
        for _ in 0..MAX_TURNS {
            let mut busy = false;
            for client in 0..self.clients.len() {
                busy |= self.client_turn(stage, client)?;
            }
            busy |= self.server_turn(stage)?;
            if !busy {
                return Ok(());
            }
        }
        broken(Invariant::NoBusyLoop, "the machines never come to rest")
    }

    fn next(&self, stage: &Stage) -> Option<Time> {
        let clients = self
            .clients
            .iter()
            .flat_map(|client| client.next(stage).into_iter().flatten());
        let streams = self.streams.values().flat_map(|stream| {
            let up = stream.to_server.next().filter(|_| stream.served);
            let down = stream.to_client.next().filter(|_| stream.used);
            [up, down].into_iter().flatten()
        });
        let server = self.server.poll_timeout();
        let server = server.map(|at| stage.at_server(at));
        clients.chain(streams).chain(server).min()
    }

    fn queued_bytes(&self, client: usize) -> usize {
        self.clients[client].queued_bytes()
    }

    fn is_running(&self, client: usize) -> bool {
        self.clients[client].conn().is_some()
    }

    fn check_end(&mut self, stage: &mut Stage) -> Checked {
        for client in 0..self.clients.len() {
            self.disconnect(stage, client)?;
        }
        Ok(())
    }
}
