//! A server, recorded: with many streams, or with one.
//!
//! Does: how one begins, what it can be told, how it moves from stream to stream.
//! In: as [`Server`] and [`ServerConnection`]. Out: the same, and lines.
//! Must not know: files, other machines.
//! Spec: none.

use std::sync::Arc;

use bytes::Bytes;
use mtproto_proto::connection::ServerConnection;
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::server::{
    Action, BindRefused, Event, Server, ServerChange, ServerConfig, ServerState,
};
use mtproto_proto::{AuthKeyId, ConnId, IncomingId, Machine, Rng, SessionId, Time};

use super::config::Stored;
use super::file::Trace;
use super::recorder::{Log, Recordable, Recorder, Unfit, apply_machine, digest};
use super::step::Step;
use super::text::{Hex, Pairs, put};

/// The kind's name in a trace.
pub(super) const KIND: &str = "server";

/// A machine that is a server, or has one.
pub trait HasServer: Recordable {
    /// The server.
    fn server(&mut self) -> &mut Server;
}

impl HasServer for Server {
    fn server(&mut self) -> &mut Server {
        self
    }
}

impl HasServer for ServerConnection {
    fn server(&mut self) -> &mut Server {
        self.server()
    }
}

/// What the owner of a server tells it.
impl<M: HasServer> Recorder<M> {
    /// As [`Server::sessions`].
    pub fn sessions(&mut self) -> Vec<(AuthKeyId, SessionId)> {
        self.machine.server().sessions().collect()
    }

    /// As [`Server::respond`].
    pub fn respond(&mut self, now: Time, id: IncomingId, body: Bytes) -> bool {
        let done = self.machine.server().respond(now, id, body.clone());
        let step = Step::Respond(id, body.as_ref().into());
        self.note_bool(now, &step, done)
    }

    /// As [`Server::respond_error`].
    pub fn respond_error(&mut self, now: Time, id: IncomingId, code: i32, message: &str) -> bool {
        let server = self.machine.server();
        let done = server.respond_error(now, id, code, message);
        if self.is_on() {
            let step = Step::RespondError(id, code, message.to_owned());
            self.note_bool(now, &step, done);
        }
        done
    }

    /// As [`Server::push`].
    pub fn push(
        &mut self,
        now: Time,
        auth_key_id: AuthKeyId,
        session: SessionId,
        body: Bytes,
    ) -> bool {
        let server = self.machine.server();
        let done = server.push(now, auth_key_id, session, body.clone());
        let step = Step::Push(auth_key_id, session, body.as_ref().into());
        self.note_bool(now, &step, done)
    }

    /// As [`Server::bind_temp_key`].
    ///
    /// # Errors
    /// As there.
    pub fn bind_temp_key(
        &mut self,
        now: Time,
        id: IncomingId,
        perm_auth_key_id: i64,
        nonce: i64,
        expires_at: i32,
        encrypted_message: &[u8],
    ) -> Result<(), BindRefused> {
        let result = self.machine.server().bind_temp_key(
            now,
            id,
            perm_auth_key_id,
            nonce,
            expires_at,
            encrypted_message,
        );
        let step = Step::Bind {
            id,
            perm: perm_auth_key_id,
            nonce,
            expires_at,
            message: encrypted_message.into(),
        };
        self.note_result(now, &step, &result);
        result
    }

    /// As [`Server::drop_temp_keys`].
    pub fn drop_temp_keys(&mut self, now: Time, perm: AuthKeyId, except: &[i64]) {
        self.machine.server().drop_temp_keys(now, perm, except);
        if self.is_on() {
            self.note(now, &Step::DropTempKeys(perm, except.to_vec()), "ok");
        }
    }

    /// As [`Server::provide_key`].
    pub fn provide_key(&mut self, now: Time, auth_key_id: AuthKeyId, key: Option<AuthKey>) {
        let server = self.machine.server();
        server.provide_key(now, auth_key_id, key.clone());
        self.note(now, &Step::ProvideKey(auth_key_id, key), "ok");
    }

    fn note_bool(&mut self, now: Time, step: &Step<'_>, done: bool) -> bool {
        self.note(now, step, if done { "true" } else { "false" });
        done
    }
}

impl Recorder<Server> {
    /// A server without streams and keys, as [`Server::new`]; its randomness is made from `seed`,
    /// which a trace holds.
    pub fn new(trace: &Trace, config: Arc<ServerConfig>, seed: [u8; 32], now: Time) -> Self {
        Self::start(Log::new(trace), config, None, seed, now)
    }

    /// A server with the keys and sessions of another one, as [`Server::resume`]; its randomness is
    /// made from `seed`, which must not be one that a server had before.
    pub fn resume(
        trace: &Trace,
        config: Arc<ServerConfig>,
        state: ServerState,
        seed: [u8; 32],
        now: Time,
    ) -> Self {
        Self::start(Log::new(trace), config, Some(state), seed, now)
    }

    fn start(
        mut log: Log,
        config: Arc<ServerConfig>,
        state: Option<ServerState>,
        seed: [u8; 32],
        now: Time,
    ) -> Self {
        let mut words = String::new();
        if log.trace.is_on() {
            words = format!("new {KIND}");
            put(&mut words, "seed", &seed);
            if let Some(state) = &state {
                put(&mut words, "state", &Hex(state.to_bytes().to_vec()));
            }
            log.trace.config(&mut words, &*config);
        }
        let rng = Rng::from_seed(seed);
        let machine = match state {
            Some(state) => Server::resume(config, state, rng, now),
            None => Server::new(config, rng, now),
        };
        if log.trace.is_on() {
            log.created::<_, ()>(now, &words, Ok(&machine));
        }
        Recorder { machine, log }
    }

    /// The same from the words of a trace.
    pub(super) fn again(log: Log, now: Time, mut pairs: Pairs<'_>) -> Option<Self> {
        let seed = pairs.need("seed")?;
        let mut state = None::<Hex>;
        pairs.take("state", &mut state)?;
        let state = state.map(|Hex(bytes)| ServerState::from_bytes(&bytes));
        let state = state.transpose().ok()?;
        let config = ServerConfig::take("", &mut pairs)?;
        let made = pairs.is_empty();
        made.then(|| Self::start(log, Arc::new(config), state, seed, now))
    }

    /// As [`Server::handle_connected`].
    pub fn handle_connected(&mut self, now: Time, conn: ConnId) {
        self.machine.handle_connected(now, conn);
        self.note(now, &Step::Connected(conn), "ok");
    }

    /// As [`Server::handle_closed`].
    pub fn handle_closed(&mut self, now: Time, conn: ConnId) {
        self.machine.handle_closed(now, conn);
        self.note(now, &Step::Closed(conn), "ok");
    }

    /// As [`Server::handle_input`].
    pub fn handle_input(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        self.machine.handle_input(now, conn, bytes);
        self.note(now, &Step::Input(conn, bytes.into()), "ok");
    }

    /// As [`Server::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
        self.note(now, &Step::Timeout, "ok");
    }

    /// As [`Server::poll_transmit`].
    pub fn poll_transmit(&mut self, now: Time, conn: ConnId, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let written = self.machine.poll_transmit(now, conn, out);
        let packet = written.then(|| out.get(before..).unwrap_or_default());
        self.note_packet(now, &Step::Transmit(conn), packet);
        written
    }

    /// As [`Server::suspend`].
    #[must_use]
    pub fn suspend(&mut self) -> ServerState {
        let state = self.machine.suspend();
        if self.is_on() {
            let outcome = digest(&state.to_bytes());
            self.note(self.latest(), &Step::Suspend, &outcome);
        }
        state
    }

    /// As [`Server::poll_change`].
    pub fn poll_change(&mut self) -> Option<ServerChange> {
        let change = self.machine.poll_change();
        if self.is_on() {
            let outcome = change.as_ref().map(|change| digest(&change.to_bytes()));
            let outcome = outcome.unwrap_or_else(|| "-".to_owned());
            self.note(self.latest(), &Step::Change, &outcome);
        }
        change
    }

    /// As [`Server::poll_action`].
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.machine.poll_action();
        self.note_taken(&Step::Action, action.as_ref());
        action
    }

    /// As [`Server::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.machine.poll_event();
        self.note_taken(&Step::Event, event.as_ref());
        event
    }

    /// As [`ServerConnection::with`].
    pub fn into_connection(mut self, now: Time) -> Recorder<ServerConnection> {
        self.note(now, &Step::IntoConnection, "ok");
        Recorder {
            machine: ServerConnection::with(self.machine, now),
            log: self.log,
        }
    }
}

impl Recorder<ServerConnection> {
    /// A connection over a stream that was just accepted, as [`ServerConnection::new`].
    pub fn new(trace: &Trace, config: Arc<ServerConfig>, seed: [u8; 32], now: Time) -> Self {
        Recorder::<Server>::new(trace, config, seed, now).into_connection(now)
    }

    /// As [`ServerConnection::into_server`].
    pub fn into_server(mut self, now: Time) -> Recorder<Server> {
        self.note(now, &Step::IntoServer, "ok");
        Recorder {
            machine: self.machine.into_server(now),
            log: self.log,
        }
    }
}

impl Recordable for Server {
    fn wake(&self) -> Option<Time> {
        self.poll_timeout()
    }

    fn apply(recorder: &mut Recorder<Self>, now: Time, step: &Step<'_>) -> Result<(), Unfit> {
        match step {
            Step::Connected(conn) => recorder.handle_connected(now, *conn),
            Step::Closed(conn) => recorder.handle_closed(now, *conn),
            Step::Input(conn, bytes) => recorder.handle_input(now, *conn, bytes),
            Step::Timeout => recorder.handle_timeout(now),
            Step::Transmit(conn) => {
                let _ = recorder.poll_transmit(now, *conn, &mut Vec::new());
            }
            Step::Suspend => drop(recorder.suspend()),
            Step::Change => drop(recorder.poll_change()),
            Step::Action => return recorder.poll_action().map(drop).ok_or(Unfit),
            Step::Event => return recorder.poll_event().map(drop).ok_or(Unfit),
            other => return tell(recorder, now, other),
        }
        Ok(())
    }
}

impl Recordable for ServerConnection {
    fn wake(&self) -> Option<Time> {
        self.poll_timeout()
    }

    fn apply(recorder: &mut Recorder<Self>, now: Time, step: &Step<'_>) -> Result<(), Unfit> {
        apply_machine(recorder, now, step).or_else(|Unfit| tell(recorder, now, step))
    }
}

fn tell<M: HasServer>(recorder: &mut Recorder<M>, now: Time, step: &Step<'_>) -> Result<(), Unfit> {
    match step {
        Step::Respond(id, body) => {
            recorder.respond(now, *id, Bytes::copy_from_slice(body));
        }
        Step::RespondError(id, code, message) => {
            recorder.respond_error(now, *id, *code, message);
        }
        Step::Push(key, session, body) => {
            recorder.push(now, *key, *session, Bytes::copy_from_slice(body));
        }
        Step::Bind {
            id,
            perm,
            nonce,
            expires_at,
            message,
        } => {
            // A refusal is part of the line that is written.
            let _ = recorder.bind_temp_key(now, *id, *perm, *nonce, *expires_at, message);
        }
        Step::DropTempKeys(key, except) => recorder.drop_temp_keys(now, *key, except),
        Step::ProvideKey(id, key) => recorder.provide_key(now, *id, key.clone()),
        _ => return Err(Unfit),
    }
    Ok(())
}
