//! A client's stream: handshake, temporary key, calls.
//!
//! Does: creates or takes a key, binds a temporary one, runs one session over the stream.
//! In: bytes, requests, the time. Out: bytes, [`ClientEvent`]s, the next deadline.
//! Must not know: sockets, other streams, the API's methods.
//! Spec: "Creating an Authorization Key"; "Perfect Forward Secrecy"; "Calling API methods".
//!
//! ```text
//! new key:     [permanent handshake] -> session -> calls
//! stored key:                           session -> ping, calls
//! with pfs:    .. -> temporary handshake -> session -> bind -> calls
//! resumed:     the handshake's last query again, or the session with what waits
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use mtproto_schema::Function;
use rand_core::Rng as _;

use crate::connection::{
    Call, ClientConfig, ClientEvent, ConfigError, Error, InitParams, KeyState, Start, Suspended,
};
use crate::crypto::dh::PrimeHash;
use crate::error::{Fate, PeerMisbehaved, Progress, RequestError, SendError, Stats};
use crate::handshake::{self, ClientHandshake, Complete, Step};
use crate::ids::RequestId;
use crate::machine::Machine;
use crate::rng::Rng;
use crate::session::backlog::Backlog;
use crate::session::{
    BindRequest, ClientStart, Event as SessionEvent, Pending, SendOptions, Session, compressed,
    packet,
};
use crate::tap::{Begins, Opened, Passed, Watched};
use crate::time::Time;
use crate::transport::{Codec, Frame};

/// Answers to calls on an old temporary key are awaited so long before the new one is used.
const SWITCH_WITHIN: Duration = Duration::from_secs(10);
/// A temporary key with less than this left is not taken into a new stream.
const LEAST_LEFT: Duration = Duration::from_secs(60);
/// A new temporary key is used for at least this part of its life, whatever the server's clock says.
const LEAST_USE: u32 = 4;
/// Primes that are remembered; a server has one.
const MAX_GOOD_PRIMES: usize = 8;
/// `boolTrue`, the answer to a successful binding.
const BOOL_TRUE: u32 = 0x9972_75b5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Permanent,
    Temporary,
}

/// A handshake on its way.
#[derive(Debug)]
pub(crate) struct Running {
    handshake: ClientHandshake,
    purpose: Purpose,
    /// Its query has to be sent, for the first time or again.
    unsent: bool,
}

/// A client's end of one stream. Its contract is [`Machine`]'s.
pub struct ClientConnection {
    config: Arc<ClientConfig>,
    rng: Rng,
    codec: Codec,
    perm: Option<KeyState>,
    temp: Option<KeyState>,
    handshake: Option<Running>,
    session: Option<Session>,
    /// What waits while there is no session.
    waiting: Pending,
    /// The request that binds the temporary key.
    binding: Option<RequestId>,
    /// A new temporary key that replaces the session's at this time at the latest.
    switch: Option<(KeyState, Time)>,
    /// When the temporary key has to be replaced.
    renew_at: Option<Time>,
    /// Unknown primes of the server that were tested, so that none is tested twice.
    good_primes: Vec<PrimeHash>,
    connected: bool,
    /// The user waits.
    online: bool,
    events: Backlog<ClientEvent>,
    error: Option<Error>,
    closing: bool,
    latest: Time,
    stats: Stats,
    watched: Watched,
}

impl ClientConnection {
    /// A connection over a stream that was just opened.
    ///
    /// # Errors
    /// [`ConfigError`] if the configuration contradicts itself or the key.
    pub fn new(
        config: Arc<ClientConfig>,
        start: Start,
        mut rng: Rng,
        now: Time,
    ) -> Result<Self, ConfigError> {
        let mut codec = config.check_transport(&mut rng)?;
        codec.set_max_frame(config.session.limits.packet);
        let rest = match start {
            Start::NewKey => Suspended::default(),
            Start::Key(state) => Suspended {
                perm: Some(state),
                ..Suspended::default()
            },
            Start::Resume(rest) => *rest,
        };
        if let Some(key) = &rest.perm
            && key.dc != config.dc
        {
            return Err(ConfigError::WrongDc {
                key: key.dc,
                config: config.dc,
            });
        }
        config.check_keys(rest.perm.is_none())?;
        let watched = config.taps.opened(
            now,
            &Opened {
                dc: config.dc,
                framing: codec.framing().unwrap_or(config.framing),
                obfuscated: config.obfuscation.is_some(),
                pfs: config.pfs.is_some(),
                begins: match &rest {
                    Suspended {
                        session: Some(_), ..
                    } => Begins::Session,
                    Suspended { perm: Some(_), .. } => Begins::Key,
                    _ => Begins::Nothing,
                },
            },
        );
        let mut connection = ClientConnection {
            config,
            rng,
            codec,
            perm: rest.perm,
            temp: rest.temp,
            handshake: rest.handshake,
            session: rest.session,
            waiting: rest.waiting,
            binding: None,
            switch: None,
            renew_at: None,
            good_primes: rest.good_primes,
            connected: false,
            online: false,
            events: Backlog::default(),
            error: None,
            closing: false,
            latest: now,
            stats: Stats::default(),
            watched,
        };
        connection.begin(now);
        Ok(connection)
    }

    /// Goes on from what is there: a handshake, a session, a key, or nothing.
    fn begin(&mut self, now: Time) {
        self.tell_orphans();
        if self
            .temp
            .as_ref()
            .is_some_and(|temp| temp.expires_within(now, LEAST_LEFT))
            || self.config.pfs.is_none() != self.temp.is_none()
        {
            self.drop_session();
            self.temp = None;
        }
        if self.config.pfs.is_none() {
            // It would go on without the temporary key's lifetime, and be renewed as a permanent one.
            self.handshake
                .take_if(|running| running.purpose == Purpose::Temporary);
        }
        if let Some(running) = &mut self.handshake {
            running.unsent = true;
            running.handshake.restart_deadline(now);
            return;
        }
        if let Some(session) = &mut self.session {
            session.set_online(now, self.online);
            session.tell_orphans();
            session.stream_opened(now);
            session.probe(now, self.config.handshake_timeout);
            self.renew_at = self.temp.as_ref().and_then(KeyState::renew_at);
            self.drain_session();
            return;
        }
        match (&self.perm, &self.temp, self.config.pfs) {
            (None, _, _) => self.start_handshake(now, Purpose::Permanent),
            (Some(_), None, Some(_)) => self.start_handshake(now, Purpose::Temporary),
            (Some(_), Some(temp), Some(_)) => {
                let key = temp.clone();
                self.start_session(now, &key, false);
            }
            (Some(perm), _, None) => {
                let key = perm.clone();
                self.start_session(now, &key, false);
                if let Some(session) = &mut self.session {
                    session.probe(now, self.config.handshake_timeout);
                }
            }
        }
    }

    fn start_handshake(&mut self, now: Time, purpose: Purpose) {
        let expires_in = match (purpose, self.config.pfs) {
            (Purpose::Temporary, Some(lifetime)) => {
                Some(u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX))
            }
            (Purpose::Temporary | Purpose::Permanent, _) => None,
        };
        let config = handshake::client::Config {
            keys: self.config.public_keys.clone(),
            dc: self.config.dc,
            expires_in,
            timeout: self.config.handshake_timeout,
            good_primes: self.good_primes.clone(),
        };
        let handshake = ClientHandshake::new(config, now, &mut self.rng);
        self.handshake = Some(Running {
            handshake,
            purpose,
            unsent: true,
        });
    }

    fn handle_handshake(&mut self, now: Time, packet: &[u8]) -> Result<(), Error> {
        let Some(Running {
            handshake, purpose, ..
        }) = self.handshake.take()
        else {
            return Err(PeerMisbehaved::PlainPacket.into());
        };
        match handshake.handle(now, packet, &mut self.rng)? {
            Step::Continue(handshake) => {
                self.handshake = Some(Running {
                    handshake,
                    purpose,
                    unsent: true,
                });
            }
            Step::Complete(complete) => self.key_complete(now, purpose, &complete),
        }
        Ok(())
    }

    fn key_complete(&mut self, now: Time, purpose: Purpose, complete: &Complete) {
        let key = KeyState::created(complete, self.config.dc);
        if let Some(prime) = complete.good_prime
            && self.good_primes.len() < MAX_GOOD_PRIMES
        {
            self.good_primes.push(prime);
        }
        match purpose {
            Purpose::Permanent => {
                self.perm = Some(key.clone());
                self.events.push(ClientEvent::KeyCreated(key.clone()));
                if self.config.pfs.is_some() {
                    self.start_handshake(now, Purpose::Temporary);
                } else {
                    self.start_session(now, &key, true);
                    self.now_connected();
                }
            }
            Purpose::Temporary if self.session.is_some() => {
                // Calls on the old key get some time to be answered.
                self.switch = Some((key, now + SWITCH_WITHIN));
                if let Some(pending) = self.session.as_mut().and_then(Session::pending_mut) {
                    pending.hold = true;
                }
                self.switch_if_ready(now);
            }
            Purpose::Temporary => {
                self.temp = Some(key.clone());
                self.start_session(now, &key, true);
            }
        }
    }

    /// Moves to the new temporary key once the old one has no more answers to come.
    fn switch_if_ready(&mut self, now: Time) {
        let idle = self
            .session
            .as_ref()
            .and_then(Session::pending)
            .is_none_or(|p| !p.any_written());
        if let Some((key, _)) = self.switch.take_if(|(_, until)| idle || *until <= now) {
            self.drop_session();
            self.temp = Some(key.clone());
            self.start_session(now, &key, true);
        }
    }

    /// Starts a session for what waits. `fresh`: the key was just made, so the server's time is
    /// known; a temporary one has to be bound first.
    fn start_session(&mut self, now: Time, key: &KeyState, fresh: bool) {
        let start = ClientStart {
            key: key.key.clone(),
            salts: key.salts.clone(),
            time_offset: key.time_offset,
            time_synced: fresh,
            init: self.config.init.as_ref().map(InitParams::prefix),
        };
        let waiting = core::mem::take(&mut self.waiting);
        let mut session = Session::client_with(
            start,
            waiting,
            self.config.session.clone(),
            now,
            &mut self.rng,
        );
        session.set_online(now, self.online);
        session.stream_opened(now);
        if key.expires_at.is_some()
            && let Some(perm) = &self.perm
        {
            let request = BindRequest {
                perm: perm.key.clone(),
                temp_auth_key_id: key.auth_key_id(),
                nonce: self.rng.next_u64().cast_signed(),
                expires_at: i32::try_from(key.expires_at.unwrap_or(0)).unwrap_or(i32::MAX),
            };
            let options = SendOptions::default()
                .deadline(self.config.handshake_timeout)
                .idempotent();
            self.binding = session.bind(now, request, &options).ok();
            // A server may say that the key ended when it was made. The next one can wait.
            let least_use = match self.config.pfs {
                Some(lifetime) if fresh => lifetime.checked_div(LEAST_USE).unwrap_or_default(),
                Some(_) | None => Duration::ZERO,
            };
            let earliest = now + least_use;
            self.renew_at = key.renew_at().map(|at| at.max(earliest));
        }
        self.session = Some(session);
        self.drain_session();
    }

    /// Ends the session; what it had waits for the next one.
    fn drop_session(&mut self) {
        if let Some(session) = self.session.take() {
            self.stats = *session.stats();
            self.waiting = session.into_pending();
        }
        if let Some(id) = self.binding.take() {
            self.waiting.withdraw(id);
        }
        self.waiting.hold = false;
    }

    fn now_connected(&mut self) {
        if !core::mem::replace(&mut self.connected, true) {
            self.events.push(ClientEvent::Connected);
        }
    }

    fn handle_packet(&mut self, now: Time, packet: BytesMut) -> Result<(), Error> {
        match packet::auth_key_id(&packet) {
            Some(0) => self.handle_handshake(now, &packet),
            Some(_) => {
                let Some(session) = &mut self.session else {
                    return Err(PeerMisbehaved::EncryptedBeforeKey.into());
                };
                session.set_elsewhere(self.events.load());
                session.handle_packet(now, packet, &mut self.rng)?;
                if self.binding.is_none() && session.has_heard() {
                    self.now_connected();
                }
                let drained = self.drain_session();
                self.switch_if_ready(now);
                drained.map_or(Ok(()), Err)
            }
            None => Err(PeerMisbehaved::BadPacket.into()),
        }
    }

    fn handle_frame(&mut self, now: Time, frame: Frame) -> Result<(), Error> {
        self.watched.passed(now, || match &frame {
            Frame::Packet { data, .. } => Passed::In {
                key: self.session.as_ref().map(Session::key),
                packet: data,
            },
            Frame::QuickAck(token) => Passed::QuickAck(*token),
            Frame::Status(code) => Passed::Status(*code),
        });
        match frame {
            Frame::Packet {
                data,
                quick_ack: false,
            } => self.handle_packet(now, data),
            Frame::Packet {
                quick_ack: true, ..
            } => Err(PeerMisbehaved::UnexpectedFrame.into()),
            Frame::QuickAck(token) => {
                if let Some(session) = &mut self.session {
                    session.handle_quick_ack(token);
                }
                self.drain_session().map_or(Ok(()), Err)
            }
            Frame::Status(code) => {
                if code == -404 && self.temp.is_some() {
                    // Only the temporary key is doubted.
                    self.drop_session();
                    self.temp = None;
                    self.switch = None;
                }
                Err(Error::Status { code })
            }
        }
    }

    /// Takes all of the session's events, which may end with it; returns the error if binding failed.
    fn drain_session(&mut self) -> Option<Error> {
        let mut refused = None;
        while let Some(event) = self.session.as_mut().and_then(Session::next_event) {
            let event = match event {
                SessionEvent::Response { id, body } if Some(id) == self.binding => {
                    if body.first_chunk() != Some(&BOOL_TRUE.to_le_bytes()) {
                        refused.get_or_insert(Error::BindRefused(RequestError::BadAnswer));
                        continue;
                    }
                    self.binding = None;
                    if let Some(pending) = self.session.as_mut().and_then(Session::pending_mut) {
                        pending.hold = false;
                    }
                    self.now_connected();
                    continue;
                }
                // The key stays unbound, which `suspend` sees by this.
                SessionEvent::Failed { id, error } if Some(id) == self.binding => {
                    refused.get_or_insert(Error::BindRefused(error));
                    continue;
                }
                SessionEvent::Acked { id } if Some(id) == self.binding => continue,
                SessionEvent::Response { id, body } => ClientEvent::Response { id, body },
                SessionEvent::Failed { id, error } => ClientEvent::Failed { id, error },
                SessionEvent::Acked { id } => ClientEvent::Acked { id },
                SessionEvent::Update { body } => ClientEvent::Update { body },
                SessionEvent::SessionRenewed {
                    first_msg_id,
                    unique_id,
                } => ClientEvent::SessionRenewed {
                    first_msg_id,
                    unique_id,
                },
                SessionEvent::UpdatesMissed => ClientEvent::UpdatesMissed,
                SessionEvent::ClockCorrected { by } => ClientEvent::ClockCorrected { by },
                SessionEvent::KeyStateChanged => match self.learn_key_state() {
                    Some(state) => ClientEvent::KeyStateChanged(state),
                    None => continue,
                },
                // A server's.
                SessionEvent::Request { .. }
                | SessionEvent::Dropped { .. }
                | SessionEvent::DisconnectAfter { .. }
                | SessionEvent::DestroySession { .. }
                | SessionEvent::DestroyAuthKey { .. } => continue,
            };
            self.events.push(event);
        }
        refused
    }

    /// Takes over what the session learnt; returns the permanent key's state if it changed.
    fn learn_key_state(&mut self) -> Option<KeyState> {
        let (salts, time_offset) = self.session.as_ref()?.learnt()?;
        if let Some(temp) = &mut self.temp {
            temp.salts = salts;
            temp.time_offset = time_offset;
            // The permanent key has salts of its own, but the same server and clock.
            let perm = self.perm.as_mut()?;
            let moved = core::mem::replace(&mut perm.time_offset, time_offset) != time_offset;
            return moved.then(|| perm.clone());
        }
        let perm = self.perm.as_mut()?;
        perm.salts = salts;
        perm.time_offset = time_offset;
        Some(perm.clone())
    }

    /// Submits a request: a boxed function of the API or of the protocol, in whole 32-bit words.
    /// It leaves when the stream has room and a key is there.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent at all; nothing was queued then.
    pub fn send(
        &mut self,
        now: Time,
        body: Bytes,
        options: &SendOptions,
    ) -> Result<RequestId, SendError> {
        let now = self.forward(now);
        if self.closing || self.error.is_some() {
            return Err(SendError::Ended);
        }
        let id = match &mut self.session {
            Some(session) => session.send(now, body, options)?,
            None => {
                let config = &self.config.session;
                let init = self.config.init.as_ref().map(InitParams::prefix);
                let prefix = init.map_or(0, |prefix| prefix.len());
                self.waiting
                    .add(now, compressed(body, config), prefix, options, config)?
            }
        };
        // It may have ended at once, by what it was to come after.
        self.tell_orphans();
        if let Some(error) = self.drain_session() {
            self.fail(error);
        }
        Ok(id)
    }

    /// Submits a typed request.
    ///
    /// # Errors
    /// As [`ClientConnection::send`].
    pub fn call<F: Function>(
        &mut self,
        now: Time,
        function: &F,
        options: &SendOptions,
    ) -> Result<Call<F>, SendError> {
        let mut options = options.clone();
        options.idempotent |= F::IDEMPOTENT;
        let id = self.send(now, function.to_bytes(), &options)?;
        Ok(Call::new(id))
    }

    /// How far a request is; `None` when it has ended or never was.
    pub fn progress(&self, id: RequestId) -> Option<Progress> {
        match &self.session {
            Some(session) => session.progress(id),
            None => self.waiting.progress(id),
        }
    }

    /// Ends a request: it is not sent, or the server is told that its answer is not wanted.
    /// [`ClientEvent::Failed`] tells its fate.
    pub fn cancel(&mut self, now: Time, id: RequestId) {
        let now = self.forward(now);
        match &mut self.session {
            Some(session) => session.cancel(now, id),
            None => self.end_waiting(id, RequestError::Cancelled),
        }
        if let Some(error) = self.drain_session() {
            self.fail(error);
        }
        // It may have been the last one that waited for its answer.
        self.switch_if_ready(now);
    }

    /// Ends a request without an event; what is known of its fate, if it was one.
    #[cfg(feature = "client")]
    pub(crate) fn withdraw(&mut self, now: Time, id: RequestId) -> Option<Fate> {
        let now = self.forward(now);
        let fate = match &mut self.session {
            Some(session) => {
                let fate = session.withdraw(id);
                session.tell_orphans();
                fate
            }
            None => self.waiting.withdraw(id).map(|request| request.fate()),
        };
        self.tell_orphans();
        if let Some(error) = self.drain_session() {
            self.fail(error);
        }
        // It may have been the last one that waited for its answer.
        self.switch_if_ready(now);
        fate
    }

    /// Asks at once whether the server is there: after a sleep, or because the user waits.
    pub fn check(&mut self, now: Time) {
        let now = self.forward(now);
        if self.error.is_none()
            && let Some(session) = &mut self.session
        {
            session.probe(now, self.config.handshake_timeout);
        }
    }

    /// Whether the user waits; each stream begins with no. Then a silent server is asked sooner
    /// whether it lives: see [`ping_interval_online`](crate::session::Config::ping_interval_online).
    ///
    /// To ask at once is [`ClientConnection::check`].
    pub fn set_online(&mut self, now: Time, online: bool) {
        let now = self.forward(now);
        self.online = online;
        if let Some(session) = &mut self.session {
            session.set_online(now, online);
        }
    }

    /// Gives the temporary key up, because the server says that it is not bound, and makes another
    /// one. What was sent under it goes on under the next.
    #[cfg(feature = "client")]
    pub(crate) fn renew_temporary_key(&mut self, now: Time) {
        let now = self.forward(now);
        let usable = self.error.is_none() && !self.closing && self.binding.is_none();
        if self.config.pfs.is_some() && usable && self.handshake.is_none() && self.temp.is_some() {
            self.drop_session();
            self.temp = None;
            self.switch = None;
            self.renew_at = None;
            self.start_handshake(now, Purpose::Temporary);
        }
    }

    /// Why the stream has to end, if it has to.
    #[cfg(feature = "client")]
    pub(crate) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Whether `poll_transmit` has something to give.
    #[cfg(feature = "client")]
    pub(crate) fn wants_to_transmit(&self) -> bool {
        if self.error.is_some() || !self.codec.can_write() {
            return self.error.is_none() && self.codec.wants_hello();
        }
        self.handshake
            .as_ref()
            .is_some_and(|running| running.unsent)
            || self.session.as_ref().is_some_and(Session::wants_to_send)
    }

    /// Closes in good order: no new requests are taken, what waits is still written. Write until
    /// [`ClientConnection::is_drained`], then close the stream.
    pub fn close(&mut self) {
        self.closing = true;
        if let Some(session) = &mut self.session {
            session.flush_acks();
        }
    }

    /// After [`ClientConnection::close`]: whether everything was handed to `poll_transmit`.
    pub fn is_drained(&self) -> bool {
        self.error.is_some()
            || (self.handshake.is_none()
                && self
                    .session
                    .as_ref()
                    .is_none_or(|session| !session.wants_to_send()))
    }

    /// Bytes of requests that have not been written.
    pub fn queued_bytes(&self) -> usize {
        self.session
            .as_ref()
            .map_or_else(|| self.waiting.queued_bytes(), Session::queued_bytes)
    }

    /// Whether the server has proved that it has the key.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// The permanent key as it is known now.
    pub fn key_state(&self) -> Option<&KeyState> {
        self.perm.as_ref()
    }

    /// What was dropped or repaired in the session of this stream.
    pub fn stats(&self) -> &Stats {
        self.session.as_ref().map_or(&self.stats, Session::stats)
    }

    /// What outlives the stream: keys, the session, what waits. Valid at any time, also after an
    /// error. Take the events first.
    pub fn suspend(mut self) -> Box<Suspended> {
        self.watched.passed(self.latest, || Passed::Suspended);
        if let Some(session) = &mut self.session {
            session.stream_closed();
        }
        if self.binding.is_some() || self.switch.is_some() {
            // A half-bound key is not worth keeping.
            self.drop_session();
            self.temp = None;
        }
        if matches!(self.error, Some(Error::Status { .. })) {
            // The server does not know it.
            self.handshake = None;
        }
        let handshake = self
            .handshake
            .filter(|running| running.purpose == Purpose::Permanent || self.session.is_none());
        Box::new(Suspended {
            perm: self.perm,
            temp: self.temp,
            handshake,
            session: self.session,
            waiting: self.waiting,
            good_primes: self.good_primes,
        })
    }

    /// Ends a request that waits for a session, and what is to come after it.
    fn end_waiting(&mut self, id: RequestId, error: impl FnOnce(Fate) -> RequestError) {
        if let Some(request) = self.waiting.fail(id) {
            let error = error(request.fate());
            self.events.push(ClientEvent::Failed { id, error });
        }
        self.tell_orphans();
    }

    /// Tells of requests that ended, while there was no session, because of what they came after.
    fn tell_orphans(&mut self) {
        for (id, error) in self.waiting.take_orphans() {
            self.events.push(ClientEvent::Failed { id, error });
        }
    }

    fn forward(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn fail(&mut self, error: Error) -> Error {
        if self.error.is_none() {
            self.watched.passed(self.latest, || Passed::Failed(&error));
        }
        self.error.get_or_insert(error).clone()
    }

    fn alive(&self) -> Result<(), Error> {
        self.error.clone().map_or(Ok(()), Err)
    }

    fn handle_deadlines(&mut self, now: Time) -> Result<(), Error> {
        while let Some(id) = self.waiting.expired(now) {
            self.end_waiting(id, RequestError::TimedOut);
        }
        if let Some(running) = &self.handshake {
            running.handshake.handle_timeout(now)?;
        }
        if let Some(session) = &mut self.session {
            let silent = session.handle_timeout(now);
            let refused = self.drain_session();
            silent.map_err(|_| Error::Silent)?;
            refused.map_or(Ok(()), Err)?;
        }
        self.switch_if_ready(now);
        if self.renew_at.take_if(|at| *at <= now).is_some() && self.handshake.is_none() {
            self.start_handshake(now, Purpose::Temporary);
        }
        Ok(())
    }
}

impl Machine for ClientConnection {
    type Event = ClientEvent;
    type Error = Error;

    fn handle_input(&mut self, now: Time, bytes: &[u8]) -> Result<(), Error> {
        let now = self.forward(now);
        self.alive()?;
        self.codec.feed(bytes);
        loop {
            let handled = match self.codec.next_frame() {
                Ok(Some(frame)) => self.handle_frame(now, frame),
                Ok(None) => return Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = handled {
                return Err(self.fail(error));
            }
        }
    }

    fn handle_eof(&mut self, now: Time) -> Result<(), Error> {
        let _ = self.forward(now);
        self.alive()?;
        Err(self.fail(if self.closing {
            Error::Closed
        } else {
            Error::Eof
        }))
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        let now = self.forward(now);
        self.alive()?;
        self.handle_deadlines(now).map_err(|error| self.fail(error))
    }

    fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let now = self.forward(now);
        if self.error.is_some() {
            return false;
        }
        if !self.codec.can_write() {
            let key = self.perm.as_ref();
            let server_time = key.map_or(now, |key| key.server_now(now));
            return self.codec.write_hello(server_time, &mut self.rng, out);
        }
        let written = if let Some(running) = &mut self.handshake
            && core::mem::replace(&mut running.unsent, false)
        {
            let query = running.handshake.query();
            self.watched.passed(now, || Passed::Out {
                key: None,
                packet: query,
            });
            self.codec
                .write_packet(&mut self.rng, out, query.len(), false, |out, _| {
                    out.extend_from_slice(query);
                })
        } else if let Some(session) = &mut self.session
            && let Some(plan) = session.plan_packet(now, &mut self.rng)
        {
            self.codec.write_packet(
                &mut self.rng,
                out,
                plan.packet_len(),
                plan.quick_ack(),
                |out, rng| {
                    let start = out.len();
                    session.write_packet(now, &plan, rng, out);
                    self.watched.passed(now, || Passed::Out {
                        key: Some(session.key()),
                        packet: out.get(start..).unwrap_or_default(),
                    });
                },
            )
        } else {
            return false;
        };
        match written {
            Ok(()) => true,
            Err(error) => {
                self.fail(error.into());
                false
            }
        }
    }

    fn poll_event(&mut self) -> Option<ClientEvent> {
        if let Some(event) = self.events.pop() {
            if let ClientEvent::Failed { id, .. } = &event {
                match &mut self.session {
                    Some(session) => session.told(*id),
                    None => self.waiting.told(*id),
                }
            }
            return Some(event);
        }
        // There was no room to say it.
        let untold = self.session.as_mut()?.take_untold_key_state();
        let state = untold.then(|| self.learn_key_state())??;
        Some(ClientEvent::KeyStateChanged(state))
    }

    fn poll_timeout(&self) -> Option<Time> {
        if self.error.is_some() {
            return None;
        }
        let handshake = self
            .handshake
            .as_ref()
            .map(|running| running.handshake.deadline());
        let session = self.session.as_ref().and_then(Session::poll_timeout);
        let switch = self.switch.as_ref().map(|(_, until)| *until);
        [
            handshake,
            session,
            switch,
            self.renew_at,
            self.waiting.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConnection")
            .field("dc", &self.config.dc)
            .field("key", &self.perm)
            .field("session", &self.session)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
