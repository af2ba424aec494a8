//! The session level: two sessions and what lies between them, packet by packet.
//!
//! Does: [`SessionLevel`] drives a client's `Session` and the server's (one for each session id)
//! over streams that carry sealed packets, without framing.
//! In: what a run asks of a level. Out: events and packets, given to the stage.
//! Must not know: framing; handshakes, but for the one that may come first.
//! Spec: none; the contract of `Session` is what it relies on.

mod handshake;
mod pipe;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::session::{Config, Event, SendOptions, ServerSalts};
use mtproto_proto::{MsgId, RequestId, Rng, SessionId, Time};
use mtproto_schema::Encode;
use mtproto_schema::mtproto::types;

use super::clocks;
use super::faults::Fault;
use super::middle::{Passed, To};
use super::model::{Checked, broken};
use super::outcome::Invariant;
use super::owner::Answer;
use super::run::{Blow, Forged, Level};
use super::stage::{Call, Handle, Stage, Told};
use super::watch::From;
use crate::trace::{OwnSession, Recorder, ServedStart, SessionStart};
pub(super) use handshake::{DC, RSA};
use pipe::{Cargo, Pipe};

/// The only client.
const CLIENT: usize = 0;
/// Turns at one instant; each moves at least one packet or event.
const MAX_TURNS: u32 = 100_000;

/// One stream.
#[derive(Debug, Default)]
struct Stream {
    to_server: Pipe,
    to_client: Pipe,
    /// The server has closed its end.
    closed: bool,
}

/// The server's end of a session.
struct Served {
    session: Recorder<OwnSession>,
    /// The stream that it speaks through.
    through: Option<u64>,
    newest: MsgId,
}

/// Two ends of a key.
pub(super) struct SessionLevel {
    key: AuthKey,
    client: Recorder<OwnSession>,
    /// What the client's sessions are seeded from, and the server's.
    client_rng: Rng,
    client_config: Config,
    server_config: Config,
    /// The client's stream.
    stream: Option<u64>,
    /// When the client opens the next one.
    reconnect_at: Option<Time>,
    streams: BTreeMap<u64, Stream>,
    served: BTreeMap<SessionId, Served>,
    server_rng: Rng,
    secret: [u8; 32],
    /// The salt of the handshake, and when it was made.
    first_salt: Option<(i64, Time)>,
}

impl SessionLevel {
    /// Both ends, with a shared key or (`handshake`) one that they make first.
    pub(super) fn new(stage: &mut Stage, handshake: bool) -> Checked<Self> {
        stage.watch.leaves_at_once = true;
        let skew = clocks::roll(&mut stage.dice, &mut stage.faults, Fault::ClientClock);
        stage.add_client(skew);
        stage.server_skew = clocks::roll(&mut stage.dice, &mut stage.faults, Fault::ServerClock);
        let (now, server_now) = (stage.client_now(CLIENT), stage.server_now());
        let key: [u8; 256] = stage.dice.array();
        let mut start = SessionStart {
            key: AuthKey::from_bytes(&key),
            salt: None,
            // A hint of an earlier run, or none.
            time_offset: 0,
            time_synced: false,
            init: None,
        };
        let mut first_salt = None;
        if handshake {
            stage.handshakes += 1;
            let complete = handshake::make_key(&mut stage.dice, now, server_now)?;
            let server = Time::from_unix(complete.server_time.unsigned_abs().into());
            start.key = complete.key.clone();
            start.salt = Some((complete.salt, server));
            start.time_offset = clocks::offset(server, complete.at);
            start.time_synced = true;
            first_salt = Some((complete.salt, server_now));
            stage.watch.salt_of(start.key.id(), complete.salt);
        } else if stage.dice.chance(1, 3) {
            start.time_offset = clocks::offset(server_now, now);
        }
        let key = start.key.clone();
        stage.keys.insert(key.id(), key.clone());
        let mut client_rng = stage.dice.rng();
        let mut client_config = Config::default();
        if stage.dice.chance(1, 6) {
            client_config.compress_from = Some(256);
        }
        let (config, seed) = (client_config.clone(), client_rng.array());
        let client = Recorder::<OwnSession>::client(&stage.trace, start, config, seed, now);
        Ok(SessionLevel {
            key,
            client,
            client_rng,
            client_config,
            server_config: Config::server(),
            stream: None,
            reconnect_at: Some(stage.now),
            streams: BTreeMap::new(),
            served: BTreeMap::new(),
            server_rng: stage.dice.rng(),
            secret: stage.dice.array(),
            first_salt,
        })
    }

    fn salts(&self) -> ServerSalts {
        ServerSalts::new(self.secret, self.key.id(), self.first_salt)
    }

    fn connect(&mut self, stage: &mut Stage) {
        stage.streams += 1;
        self.reconnect_at = None;
        self.streams.insert(stage.streams, Stream::default());
        self.stream = Some(stage.streams);
        self.client.stream_opened(stage.client_now(CLIENT));
    }

    /// The client's stream is over for it, and it opens another one after a while.
    fn disconnect(&mut self, stage: &mut Stage) {
        let Some(id) = self.stream.take() else {
            return;
        };
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.to_server.end(stage.now);
        }
        self.client.stream_closed();
        stage.watch.stream_ended(CLIENT);
        let most = if stage.weather.calm { 100 } else { 3_000 };
        let after = Duration::from_millis(stage.dice.range(0..=most));
        self.reconnect_at = Some(stage.now + after);
    }

    /// The server closes its end of a stream.
    fn close(&mut self, stage: &Stage, id: u64) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.closed = true;
            stream.to_client.end(stage.now);
        }
        for served in self.served.values_mut() {
            if served.through == Some(id) {
                served.through = None;
                served.session.stream_closed();
            }
        }
    }

    fn client_turn(&mut self, stage: &mut Stage) -> Checked<bool> {
        let mut busy = false;
        let local = stage.client_now(CLIENT);
        if self.reconnect_at.is_some_and(|at| at <= stage.now) {
            busy = true;
            self.connect(stage);
        }
        while let Some(id) = self.stream
            && let Some(stream) = self.streams.get_mut(&id)
            && let Some(cargo) = stream.to_client.read(stage.now)
        {
            busy = true;
            stage.arrival();
            match cargo {
                Cargo::End => self.disconnect(stage),
                Cargo::Packet(passed) => self.client_takes(stage, local, &passed)?,
            }
        }
        if self.client.poll_timeout().is_some_and(|at| at <= local) {
            busy = true;
            stage.step()?;
            let silent = self.client.handle_timeout(local);
            // A dead stream comes first; what else was due follows at once, without it.
            match silent {
                Ok(()) => stage.timer_moved("client", local, self.client.poll_timeout())?,
                Err(_) => self.disconnect(stage),
            }
        }
        if let Some(id) = self.stream {
            let mut sealed = Vec::new();
            while let Some(quick_ack) = self.client.poll_transmit(local, &mut sealed) {
                busy = true;
                stage.step()?;
                self.carry(stage, From::Client, id, &sealed, quick_ack)?;
                sealed.clear();
            }
        }
        if !stage.holds[CLIENT] {
            busy |= self.take_events(stage)?;
        }
        Ok(busy)
    }

    fn client_takes(&mut self, stage: &mut Stage, local: Time, passed: &Passed) -> Checked {
        let before = *self.client.stats();
        let taken = self.client.handle_packet(local, &passed.sealed);
        if passed.packet.is_none() && (taken.is_ok() || before != *self.client.stats()) {
            return broken(
                Invariant::BitFlip,
                "the client took a packet with a changed bit",
            );
        }
        match taken {
            Ok(()) => stage.reached_client(CLIENT, passed),
            Err(_) => self.disconnect(stage),
        }
        Ok(())
    }

    fn take_events(&mut self, stage: &mut Stage) -> Checked<bool> {
        let mut busy = false;
        while let Some(event) = self.client.poll_event() {
            busy = true;
            stage.step()?;
            let told = match event {
                Event::Response { id, body } => Told::Answer(id, body),
                Event::Failed { id, error } => Told::Failed(id, error),
                Event::Update { body } => Told::Update(body),
                Event::SessionRenewed { unique_id, .. } => Told::NewSession(unique_id),
                Event::UpdatesMissed => Told::Missed,
                _ => continue,
            };
            stage.told(CLIENT, told)?;
        }
        Ok(busy)
    }

    fn server_turn(&mut self, stage: &mut Stage) -> Checked<bool> {
        let mut busy = false;
        let local = stage.server_now();
        let ids: Vec<u64> = self.streams.keys().copied().collect();
        for id in ids {
            while let Some(stream) = self.streams.get_mut(&id)
                && !stream.closed
                && let Some(cargo) = stream.to_server.read(stage.now)
            {
                busy = true;
                stage.arrival();
                match cargo {
                    Cargo::End => self.close(stage, id),
                    Cargo::Packet(passed) => self.server_takes(stage, local, id, &passed)?,
                }
            }
        }
        let stream = self.stream;
        self.streams
            .retain(|id, streams| !streams.closed || Some(*id) == stream);
        let names: Vec<SessionId> = self.served.keys().copied().collect();
        for name in names {
            busy |= self.serve(stage, local, name)?;
        }
        Ok(busy)
    }

    fn server_takes(
        &mut self,
        stage: &mut Stage,
        local: Time,
        id: u64,
        passed: &Passed,
    ) -> Checked {
        let name = passed.session;
        if !self.served.contains_key(&name) {
            if passed.packet.is_none() {
                self.close(stage, id);
                return Ok(());
            }
            let start = ServedStart {
                key: self.key.clone(),
                id: name,
                secret: self.secret,
                first: self.first_salt,
            };
            let (config, seed) = (self.server_config.clone(), self.server_rng.array());
            let session = Recorder::<OwnSession>::server(&stage.trace, start, config, seed, local);
            let served = Served {
                session,
                through: None,
                newest: MsgId(0),
            };
            self.served.insert(name, served);
        }
        let Some(served) = self.served.get_mut(&name) else {
            return Ok(());
        };
        if let Some(packet) = &passed.packet
            && packet.msg_id > served.newest
        {
            served.newest = packet.msg_id;
            if served.through != Some(id) {
                served.through = Some(id);
                served.session.stream_opened(local);
            }
        }
        let taken = served.session.handle_packet(local, &passed.sealed);
        match (taken, &passed.packet) {
            (Ok(()), None) => broken(
                Invariant::BitFlip,
                "the server took a packet with a changed bit",
            ),
            (Ok(()), Some(packet)) => {
                stage.watch.reached_server(CLIENT, packet, stage.now);
                Ok(())
            }
            (Err(_), _) => {
                self.close(stage, id);
                Ok(())
            }
        }
    }

    /// One session of the server: its timers, packets and events.
    fn serve(&mut self, stage: &mut Stage, local: Time, name: SessionId) -> Checked<bool> {
        let mut busy = false;
        let Some(served) = self.served.get_mut(&name) else {
            return Ok(false);
        };
        if served.session.poll_timeout().is_some_and(|at| at <= local) {
            busy = true;
            stage.step()?;
            let _ = served.session.handle_timeout(local);
            stage.timer_moved("server", local, served.session.poll_timeout())?;
        }
        while let Some(event) = served.session.poll_event() {
            busy = true;
            stage.step()?;
            if let Event::Request { msg_id, body } = event {
                stage.calls.push_back(Call {
                    key: self.key.id(),
                    session: name,
                    msg_id,
                    handle: Handle::Message(name, msg_id),
                    again: false,
                    body,
                });
            }
        }
        let mut sealed = Vec::new();
        while let Some(served) = self.served.get_mut(&name)
            && let Some(id) = served.through
            && served.session.poll_transmit(local, &mut sealed).is_some()
        {
            busy = true;
            stage.step()?;
            self.carry(stage, From::Server, id, &sealed, false)?;
            sealed.clear();
        }
        Ok(busy)
    }

    /// A packet sets out, and whatever the one in the middle makes of it.
    fn carry(
        &mut self,
        stage: &mut Stage,
        from: From,
        id: u64,
        sealed: &[u8],
        quick_ack: bool,
    ) -> Checked {
        let salt = self.salts().current(stage.server_now());
        let all = stage.pass(from, CLIENT, sealed, quick_ack, Some(salt))?;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        for passed in all.unwrap_or_default() {
            let pipe = match passed.to {
                To::Client => &mut stream.to_client,
                To::Server => &mut stream.to_server,
            };
            pipe.write(stage.now, passed, &stage.weather, &mut stage.dice);
        }
        Ok(())
    }
}

impl Level for SessionLevel {
    fn clients(&self) -> usize {
        1
    }

    fn submit(
        &mut self,
        stage: &mut Stage,
        client: usize,
        body: Bytes,
        options: &SendOptions,
    ) -> Option<RequestId> {
        self.client
            .send(stage.client_now(client), body, options)
            .ok()
    }

    fn cancel(&mut self, stage: &mut Stage, client: usize, id: RequestId) {
        self.client.cancel(stage.client_now(client), id);
    }

    fn respond(&mut self, stage: &mut Stage, handle: Handle, answer: Answer) {
        let _ = stage;
        let Handle::Message(name, msg_id) = handle else {
            return;
        };
        if let Some(served) = self.served.get_mut(&name) {
            let body = match answer {
                Answer::Result(body) => body,
                Answer::Error(error_code, message) => types::RpcError {
                    error_code,
                    error_message: message.into(),
                }
                .to_bytes(),
            };
            served.session.respond(msg_id, body);
        }
    }

    fn push(&mut self, stage: &mut Stage, client: usize, body: Bytes) -> bool {
        let current = stage.watch.current.get(&client);
        match current.and_then(|name| self.served.get_mut(name)) {
            Some(served) if served.through.is_some() => served.session.push(body),
            Some(_) | None => false,
        }
    }

    fn strike(&mut self, stage: &mut Stage, _: usize, blow: Blow) -> Checked<bool> {
        let to_server = stage.dice.chance(1, 2);
        let pipe = self
            .stream
            .and_then(|id| self.streams.get_mut(&id))
            .map(|stream| {
                if to_server {
                    &mut stream.to_server
                } else {
                    &mut stream.to_client
                }
            });
        let packets = stage.dice.range(0..=3);
        match (blow, pipe) {
            (Blow::Cut, Some(pipe)) => pipe.cut_after(packets),
            (Blow::Vanish, Some(pipe)) => pipe.vanish_after(packets),
            (Blow::Stall(time), Some(pipe)) => pipe.stall_until(stage.now + time),
            (Blow::Cut | Blow::Vanish | Blow::Stall(_), None) => return Ok(false),
            (Blow::Dead, _) => {
                let Some(stream) = self.stream.and_then(|id| self.streams.get_mut(&id)) else {
                    return Ok(false);
                };
                stream.to_server.vanish_after(0);
                stream.to_client.vanish_after(0);
            }
            (Blow::RestartKept | Blow::RestartLost, _) => {
                let ids: Vec<u64> = self.streams.keys().copied().collect();
                for id in ids {
                    self.close(stage, id);
                }
                if blow == Blow::RestartLost {
                    self.served.clear();
                    self.secret = stage.dice.array();
                    self.first_salt = None;
                    if stage.dice.chance(1, 3) {
                        stage.server_skew =
                            clocks::roll(&mut stage.dice, &mut stage.faults, Fault::ServerJump);
                    }
                }
            }
            (Blow::ClientRestart, _) => self.restart_client(stage)?,
            (Blow::Switch, _) => {
                let Some(stream) = self.stream.and_then(|id| self.streams.get_mut(&id)) else {
                    return Ok(false);
                };
                let late = stage
                    .dice
                    .duration(Duration::ZERO..=Duration::from_secs(10));
                stream.to_server.stall_until(stage.now + late);
                self.disconnect(stage);
                self.reconnect_at = Some(stage.now);
            }
            (Blow::Salts, _) => {
                self.secret = stage.dice.array();
                for served in self.served.values_mut() {
                    let key = self.key.id();
                    served
                        .session
                        .replace_salts(self.secret, key, self.first_salt);
                }
            }
            (Blow::ClientJump(by), _) => stage.client_skew[CLIENT] += clocks::nanos(by),
            (Blow::ServerJump(by), _) => stage.server_skew += clocks::nanos(by),
        }
        Ok(true)
    }

    fn feel(&mut self, stage: &mut Stage) {
        if stage.weather.calm {
            for stream in self.streams.values_mut() {
                stream.to_server.calm_down();
                stream.to_client.calm_down();
            }
        }
    }

    fn forge(&mut self, stage: &mut Stage, _: usize, forged: Forged) -> bool {
        let Some(stream) = self.stream.and_then(|id| self.streams.get_mut(&id)) else {
            return false;
        };
        let passed = match forged {
            // Only framings have them.
            Forged::Status(_) => return false,
            // Without a framing, which session it is for is told beside it.
            Forged::Packet(passed) => Passed {
                session: self.client.id(),
                ..passed
            },
            Forged::Copy(passed) => passed,
        };
        let pipe = match passed.to {
            To::Client => &mut stream.to_client,
            To::Server => &mut stream.to_server,
        };
        pipe.write(stage.now, passed, &stage.weather, &mut stage.dice);
        true
    }

    fn settle(&mut self, stage: &mut Stage) -> Checked {
        for _ in 0..MAX_TURNS {
            let client = self.client_turn(stage)?;
            let server = self.server_turn(stage)?;
            if !client && !server {
                return Ok(());
            }
        }
        broken(Invariant::NoBusyLoop, "the machines never come to rest")
    }

    fn next(&self, stage: &Stage) -> Option<Time> {
        let client = self
            .stream
            .and_then(|id| self.streams.get(&id)?.to_client.next());
        let client_timer = self
            .client
            .poll_timeout()
            .map(|at| stage.at_client(CLIENT, at));
        let server = self
            .streams
            .values()
            .filter(|stream| !stream.closed)
            .filter_map(|stream| stream.to_server.next())
            .min();
        let server_timer = self
            .served
            .values()
            .filter_map(|served| served.session.poll_timeout())
            .min()
            .map(|at| stage.at_server(at));
        [
            client,
            client_timer,
            server,
            server_timer,
            self.reconnect_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn queued_bytes(&self, _: usize) -> usize {
        self.client.queued_bytes()
    }

    fn is_running(&self, _: usize) -> bool {
        true
    }

    fn check_end(&mut self, _: &mut Stage) -> Checked {
        Ok(())
    }
}

impl SessionLevel {
    /// The client's process ends, and begins again with its key and nothing else.
    fn restart_client(&mut self, stage: &mut Stage) -> Checked {
        let now = stage.client_now(CLIENT);
        let open: Vec<_> = stage
            .model
            .open(CLIENT)
            .map(|request| (request.submission.tag, request.submission.id))
            .collect();
        for (tag, id) in open {
            stage.model.cancelled(tag);
            self.client.cancel(now, id);
        }
        self.take_events(stage)?;
        self.disconnect(stage);
        stage.watch.client_restarted(CLIENT);
        let skew = clocks::roll(&mut stage.dice, &mut stage.faults, Fault::ClientClock);
        stage.client_skew[CLIENT] = skew;
        let start = SessionStart {
            key: self.key.clone(),
            salt: None,
            time_offset: 0,
            time_synced: false,
            init: None,
        };
        let (config, now) = (self.client_config.clone(), stage.client_now(CLIENT));
        let seed = self.client_rng.array();
        self.client = Recorder::<OwnSession>::client(&stage.trace, start, config, seed, now);
        Ok(())
    }
}
