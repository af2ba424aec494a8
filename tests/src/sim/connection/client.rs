//! The clients of the connection level.
//!
//! Does: [`Client`] is one application with its connection, from stream to stream; turns of its
//! driver.
//! In: what the level asks. Out: bytes for the stream, events for the stage.
//! Must not know: the server.
//! Spec: none; the contract of [`Machine`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, InitParams, KeyState,
};
use mtproto_proto::session::SendOptions;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_proto::{AuthKeyId, ConnId, Machine, RequestId, Time};

use super::ConnectionLevel;
use super::stream::Stream;
use crate::Dice;
use crate::sim::clocks;
use crate::sim::faults::Fault;
use crate::sim::model::{Checked, broken};
use crate::sim::outcome::Invariant;
use crate::sim::session::{DC, RSA};
use crate::sim::stage::{Stage, Told};
use crate::sim::watch::From;
use crate::trace::{Begin, Recorder, Rest};
use crate::wire::Arrival;

/// What it has between two streams.
enum Between {
    Running(Box<Recorder<ClientConnection>>, ConnId),
    Resting(Begin),
}

/// An application and its connection.
pub(super) struct Client {
    index: usize,
    config: Arc<ClientConfig>,
    opaque: bool,
    state: Option<Between>,
    reconnect_at: Option<Time>,
    /// The key that must never be lost.
    key: Option<AuthKeyId>,
    /// Events that the application has not taken.
    backlog: VecDeque<ClientEvent>,
}

impl Client {
    pub(super) fn new(stage: &mut Stage, index: usize, key: Option<KeyState>) -> Self {
        let (config, opaque) = config(&mut stage.dice);
        Client {
            index,
            config: Arc::new(config),
            opaque,
            reconnect_at: Some(stage.now),
            key: key.as_ref().map(KeyState::auth_key_id),
            state: Some(Between::Resting(key.map_or(Begin::NewKey, Begin::Key))),
            backlog: VecDeque::new(),
        }
    }

    pub(super) fn conn(&self) -> Option<ConnId> {
        match &self.state {
            Some(Between::Running(_, conn)) => Some(*conn),
            Some(Between::Resting(_)) | None => None,
        }
    }

    fn machine(&mut self) -> Option<&mut Recorder<ClientConnection>> {
        match &mut self.state {
            Some(Between::Running(machine, _)) => Some(machine),
            Some(Between::Resting(_)) | None => None,
        }
    }

    pub(super) fn send(
        &mut self,
        stage: &Stage,
        body: Bytes,
        options: &SendOptions,
    ) -> Option<RequestId> {
        let now = stage.client_now(self.index);
        self.machine()?.send(now, body, options).ok()
    }

    pub(super) fn cancel(&mut self, stage: &Stage, id: RequestId) {
        let now = stage.client_now(self.index);
        if let Some(machine) = self.machine() {
            machine.cancel(now, id);
        }
    }

    pub(super) fn queued_bytes(&self) -> usize {
        match &self.state {
            Some(Between::Running(machine, _)) => machine.queued_bytes(),
            Some(Between::Resting(_)) | None => 0,
        }
    }

    /// When its timer fires, and when it opens the next stream.
    pub(super) fn next(&self, stage: &Stage) -> [Option<Time>; 2] {
        let timer = match &self.state {
            Some(Between::Running(machine, _)) => machine.poll_timeout(),
            Some(Between::Resting(_)) | None => None,
        };
        let timer = timer.map(|at| stage.at_client(self.index, at));
        [timer, self.reconnect_at]
    }

    /// Gives the application its events.
    fn take_events(&mut self, stage: &mut Stage) -> Checked<bool> {
        if let Some(machine) = self.machine() {
            let mut events = Vec::new();
            while let Some(event) = machine.poll_event() {
                events.push(event);
            }
            self.backlog.extend(events);
        }
        let mut busy = false;
        while !stage.holds[self.index]
            && let Some(event) = self.backlog.pop_front()
        {
            busy = true;
            stage.step()?;
            let told = match event {
                ClientEvent::Response { id, body } => Told::Answer(id, body),
                ClientEvent::Failed { id, error } => Told::Failed(id, error),
                ClientEvent::Update { body } => Told::Update(body),
                ClientEvent::SessionRenewed { unique_id, .. } => Told::NewSession(unique_id),
                ClientEvent::UpdatesMissed => Told::Missed,
                ClientEvent::KeyCreated(key) => {
                    self.key = Some(key.auth_key_id());
                    continue;
                }
                _ => continue,
            };
            stage.told(self.index, told)?;
        }
        Ok(busy)
    }
}

impl ConnectionLevel {
    /// Opens a stream for a client that has none.
    pub(super) fn connect(&mut self, stage: &mut Stage, client: usize) {
        let this = &mut self.clients[client];
        let Some(Between::Resting(_)) = &this.state else {
            return;
        };
        let Some(Between::Resting(begin)) = this.state.take() else {
            return;
        };
        this.reconnect_at = None;
        stage.streams += 1;
        let conn = ConnId(stage.streams);
        let now = stage.client_now(client);
        let seed = stage.dice.array();
        let machine =
            Recorder::<ClientConnection>::new(&self.trace, this.config.clone(), begin, seed, now)
                .expect("the configurations of runs are good");
        this.state = Some(Between::Running(Box::new(machine), conn));
        let stream = Stream::new(stage, client, this.opaque);
        self.streams.insert(conn, stream);
        self.server.handle_connected(stage.server_now(), conn);
    }

    /// A client's stream is over for it; it opens another one after a while.
    pub(super) fn disconnect(&mut self, stage: &mut Stage, client: usize) -> Checked {
        let this = &mut self.clients[client];
        this.take_events(stage)?;
        let (machine, conn) = match this.state.take() {
            Some(Between::Running(machine, conn)) => (machine, conn),
            other => {
                this.state = other;
                return Ok(());
            }
        };
        let rest: Rest = machine.suspend();
        let key = rest.key_state().map(KeyState::auth_key_id);
        if this.key.is_some() && key != this.key {
            return broken(
                Invariant::KeySurvives,
                format!("the key was {:?} and is {key:?}", this.key),
            );
        }
        this.state = Some(Between::Resting(Begin::Resume(rest)));
        let most = if stage.weather.calm { 100 } else { 3_000 };
        let after = Duration::from_millis(stage.dice.range(0..=most));
        this.reconnect_at = Some(stage.now + after);
        if let Some(stream) = self.streams.get_mut(&conn) {
            stream.used = false;
            stream.to_server.close(stage.now);
        }
        stage.watch.stream_ended(client);
        Ok(())
    }

    /// A client's process ends, and begins again with its key.
    pub(super) fn restart_client(&mut self, stage: &mut Stage, client: usize) -> Checked {
        self.disconnect(stage, client)?;
        let held = std::mem::replace(&mut stage.holds[client], false);
        let this = &mut self.clients[client];
        this.take_events(stage)?;
        stage.holds[client] = held;
        let Some(Between::Resting(begin)) = this.state.take() else {
            return Ok(());
        };
        let key = match begin {
            Begin::NewKey => None,
            Begin::Key(key) => Some(key),
            Begin::Resume(rest) => {
                let key = rest.key_state().cloned();
                for (id, error) in rest.into_inner().into_failures() {
                    stage.told(client, Told::Failed(id, error))?;
                }
                key
            }
        };
        stage.watch.client_restarted(client);
        let key = key.map(|key| KeyState::from_bytes(&key.to_bytes()));
        let begin = match key {
            None => Begin::NewKey,
            Some(Ok(key)) => Begin::Key(key),
            Some(Err(error)) => return broken(Invariant::KeySurvives, error.to_string()),
        };
        this.state = Some(Between::Resting(begin));
        stage.client_skew[client] =
            clocks::roll(&mut stage.dice, &mut stage.faults, Fault::ClientClock);
        Ok(())
    }

    /// One turn of a client's driver; whether anything happened.
    pub(super) fn client_turn(&mut self, stage: &mut Stage, client: usize) -> Checked<bool> {
        let mut busy = false;
        let reconnect_at = self.clients[client].reconnect_at;
        if reconnect_at.is_some_and(|at| at <= stage.now) {
            busy = true;
            self.connect(stage, client);
        }
        let local = stage.client_now(client);
        let mut over = false;
        let this = &mut self.clients[client];
        if let Some(conn) = this.conn()
            && let Some(stream) = self.streams.get_mut(&conn)
            && let Some(machine) = this.machine()
        {
            while !over && let Some(arrival) = stream.to_client.read(stage.now) {
                busy = true;
                stage.arrival();
                over = match arrival {
                    Arrival::Bytes(bytes) => machine.handle_input(local, &bytes).is_err(),
                    Arrival::End => {
                        let _ = machine.handle_eof(local);
                        true
                    }
                };
                for passed in stream.to_client.read_packets() {
                    if passed.packet.is_none() && !over {
                        return broken(
                            Invariant::BitFlip,
                            "the client took a packet with a changed bit",
                        );
                    }
                    // Of what came with the end, it has taken what lay before it.
                    stage.reached_client(client, &passed);
                }
            }
            if !over && machine.poll_timeout().is_some_and(|at| at <= local) {
                busy = true;
                stage.step()?;
                over = machine.handle_timeout(local).is_err();
                if !over {
                    stage.timer_moved("client", local, machine.poll_timeout())?;
                }
            }
            let mut out = Vec::new();
            while !over && stream.to_server.flush(stage.now) {
                out.clear();
                if !machine.poll_transmit(local, &mut out) {
                    break;
                }
                busy = true;
                stage.step()?;
                stream.frame(stage, From::Client, &out)?;
            }
            stream.to_server.flush(stage.now);
        }
        busy |= self.clients[client].take_events(stage)?;
        if over {
            self.disconnect(stage, client)?;
        }
        Ok(busy)
    }
}

/// Mostly the framing that the one in the middle can look into.
fn config(dice: &mut Dice) -> (ClientConfig, bool) {
    let mut config = ClientConfig::new(DC, vec![RSA.public().clone()]);
    let mut opaque = false;
    if dice.chance(1, 8) {
        opaque = true;
        config.framing = *dice.choose(&[
            Framing::Abridged,
            Framing::Intermediate,
            Framing::PaddedIntermediate,
            Framing::Full,
        ]);
        if config.framing != Framing::Full && dice.chance(1, 2) {
            config.obfuscation = Some(Obfuscation::default());
        }
    }
    if dice.chance(1, 6) {
        config.init = Some(InitParams::new(1, 200));
    }
    if dice.chance(1, 6) {
        config.session.compress_from = Some(256);
    }
    // From the shortest life that there is, so that keys are renewed in the middle of things.
    config.pfs = dice
        .chance(1, 100)
        .then(|| Duration::from_secs(dice.range(60..=600)));
    (config, opaque)
}
