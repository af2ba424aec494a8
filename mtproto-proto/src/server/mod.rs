//! A server: many streams, the keys and sessions that they share.
//!
//! Does: makes keys with clients, opens their packets, hands their calls to the owner, carries
//! answers and updates to the stream that a session speaks through now.
//! In: streams opened and closed, bytes, answers, the time. Out: actions, events, bytes per stream.
//! Must not know: sockets, the API's methods; wrappers like `invokeWithLayer` are the owner's.
//! Spec: "Creating an Authorization Key"; "Mobile Protocol: Detailed Description"; "Service
//! Messages"; "Perfect Forward Secrecy".

mod config;
mod event;
mod keys;
mod registry;
mod stream;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::{Bytes, BytesMut};
use mtproto_schema::Encode;
use mtproto_schema::mtproto::enums::DestroyAuthKeyRes;
use mtproto_schema::mtproto::types;

pub use config::ServerConfig;
pub use event::{Action, Event};
pub use keys::BindRefused;

use crate::connection::Error;
use crate::crypto::{AuthKey, Direction};
use crate::error::PeerMisbehaved;
use crate::handshake::{self, ServerHandshake};
use crate::ids::{AuthKeyId, ConnId, IncomingId, SessionId};
use crate::rng::Rng;
use crate::session::{Event as SessionEvent, packet};
use crate::time::Time;
use crate::transport::Frame;
use keys::Keys;
use registry::Registry;
use stream::{Control, Stream};

/// Obfuscation headers that are remembered: a header that comes again is a replay.
const MAX_HEADERS: usize = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TimerOf {
    Stream(ConnId),
    Session(AuthKeyId, SessionId),
    Key(AuthKeyId),
    Handshake([u8; 16]),
}

/// Many streams, the keys and sessions that they share. It does no I/O of its own.
pub struct Server {
    config: Arc<ServerConfig>,
    /// Made once: the private keys are not copied for each step of each client.
    handshake: handshake::server::Config,
    rng: Rng,
    keys: Keys,
    registry: Registry,
    streams: BTreeMap<ConnId, Stream>,
    /// Handshakes whose stream broke, by the client's nonce: they may go on over another one.
    half_open: BTreeMap<[u8; 16], ServerHandshake>,
    /// One entry for each armed timer.
    timers: BTreeSet<(Time, TimerOf)>,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    /// Obfuscation headers, to know a replay; oldest first and sorted.
    headers: (VecDeque<[u8; 48]>, BTreeSet<[u8; 48]>),
    latest: Time,
}

impl Server {
    /// A server without streams and keys.
    pub fn new(config: Arc<ServerConfig>, mut rng: Rng, now: Time) -> Self {
        let salt_secret = rng.array();
        Server {
            handshake: config.handshake(),
            keys: Keys::new(&config),
            registry: Registry::new(&config, salt_secret),
            config,
            rng,
            streams: BTreeMap::new(),
            half_open: BTreeMap::new(),
            timers: BTreeSet::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            headers: (VecDeque::new(), BTreeSet::new()),
            latest: now,
        }
    }

    /// A stream was accepted. Its id must never have been used before.
    pub fn handle_connected(&mut self, now: Time, conn: ConnId) {
        let now = self.forward(now);
        if self.streams.len() >= self.config.max_streams {
            self.actions.push_back(Action::Close {
                conn,
                error: Error::Status { code: -429 },
            });
            return;
        }
        let stream = Stream::new(&self.config, now);
        self.arm(TimerOf::Stream(conn), None, Some(stream.deadline));
        self.streams.insert(conn, stream);
    }

    /// The stream is gone, whoever closed it.
    pub fn handle_closed(&mut self, now: Time, conn: ConnId) {
        let now = self.forward(now);
        let Some(stream) = self.streams.remove(&conn) else {
            return;
        };
        self.arm(TimerOf::Stream(conn), Some(stream.deadline), None);
        if let Some(handshake) = stream.handshake
            && let Some(nonce) = handshake.nonce()
            && self.half_open.len() < self.config.max_half_open
        {
            self.arm(TimerOf::Handshake(nonce), None, Some(handshake.deadline()));
            self.half_open.insert(nonce, handshake);
        }
        for (key, session) in stream.sessions {
            let gone = !self.keys.knows(key);
            self.registry.detach(key, session, conn, now);
            if gone {
                self.remove_session(key, session);
            } else {
                self.arm_session(key, session);
            }
        }
    }

    /// Takes bytes that a stream delivered, in any slicing.
    pub fn handle_input(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        let now = self.forward(now);
        // Out of the map, so that keys and sessions can be borrowed beside it.
        let Some(mut stream) = self.streams.remove(&conn) else {
            return;
        };
        let before = stream.deadline;
        if !stream.closing {
            stream.codec.feed(bytes);
        }
        while !stream.closing {
            let handled = match stream.codec.next_frame() {
                Ok(Some(frame)) => self.handle_frame(now, conn, &mut stream, frame),
                Ok(None) => break,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = handled {
                self.close(conn, &mut stream, error);
            }
        }
        self.arm(TimerOf::Stream(conn), Some(before), Some(stream.deadline));
        self.streams.insert(conn, stream);
        self.wake(conn);
    }

    fn handle_frame(
        &mut self,
        now: Time,
        conn: ConnId,
        stream: &mut Stream,
        frame: Frame,
    ) -> Result<(), Error> {
        if !stream.header_checked {
            stream.header_checked = true;
            if let Some(header) = stream.codec.obfuscation_nonce()
                && self.is_replayed(*header)
            {
                return Err(Error::Closed);
            }
        }
        match frame {
            Frame::Packet { data, quick_ack } => {
                if !stream.parked.is_empty() {
                    return stream.park(data, quick_ack);
                }
                self.handle_packet(now, conn, stream, data, quick_ack)
            }
            Frame::QuickAck(_) | Frame::Status(_) => Err(PeerMisbehaved::UnexpectedFrame.into()),
        }
    }

    fn is_replayed(&mut self, header: [u8; 48]) -> bool {
        let (order, known) = &mut self.headers;
        if !known.insert(header) {
            return true;
        }
        order.push_back(header);
        if order.len() > MAX_HEADERS
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        false
    }

    fn handle_packet(
        &mut self,
        now: Time,
        conn: ConnId,
        stream: &mut Stream,
        packet: BytesMut,
        quick_ack: bool,
    ) -> Result<(), Error> {
        match packet::auth_key_id(&packet) {
            None => Err(Error::Status { code: -404 }),
            Some(0) => self.handle_plain(now, stream, &packet),
            Some(id) => {
                let id = AuthKeyId(id);
                if let Some(key) = self.keys.get(id, now) {
                    let key = key.clone();
                    return self.handle_encrypted(now, conn, stream, &key, packet, quick_ack);
                }
                if !self.config.external_keys {
                    return Err(Error::Status { code: -404 });
                }
                self.events.push_back(Event::KeyNeeded { auth_key_id: id });
                stream.park(packet, quick_ack)
            }
        }
    }

    /// A step of a handshake.
    fn handle_plain(&mut self, now: Time, stream: &mut Stream, packet: &[u8]) -> Result<(), Error> {
        // A stream may live for days and make a temporary key on each of them.
        let handshake = stream.handshake.take();
        let handshake = handshake
            .filter(|handshake| now < handshake.deadline())
            .or_else(|| self.take_half_open(packet))
            .unwrap_or_else(|| ServerHandshake::new(now));
        let msg_id = self.keys.plain_msg_id(now);
        let keys = &self.keys;
        let (handshake, reply) = handshake.handle(
            &self.handshake,
            now,
            packet,
            msg_id,
            &mut |id| keys.knows(id),
            &mut self.rng,
        )?;
        stream.handshake = Some(handshake);
        if let Some(packet) = reply.packet {
            stream.push(Control::Plain(packet))?;
        }
        stream.progress(&self.config, now);
        if let Some(complete) = reply.complete {
            let id = complete.key.id();
            if !self.keys.insert_new(&complete, now) {
                return Err(Error::Status { code: -429 });
            }
            self.arm(TimerOf::Key(id), None, self.keys.expires(id));
            // Who has just made a key may be silent for as long as anybody who has one.
            stream.authenticated(&self.config, now);
            self.events.push_back(Event::KeyCreated {
                key: complete.key,
                salt: complete.salt,
                expires_at: complete.expires_at,
            });
        }
        Ok(())
    }

    /// The handshake that this message goes on with, from a stream that broke.
    fn take_half_open(&mut self, packet: &[u8]) -> Option<ServerHandshake> {
        let nonce = handshake::server::nonce_of(packet)?;
        let handshake = self.half_open.remove(&nonce)?;
        self.arm(TimerOf::Handshake(nonce), Some(handshake.deadline()), None);
        Some(handshake)
    }

    fn handle_encrypted(
        &mut self,
        now: Time,
        conn: ConnId,
        stream: &mut Stream,
        key: &AuthKey,
        packet: BytesMut,
        quick_ack: bool,
    ) -> Result<(), Error> {
        let opened = packet::open(key, Direction::ToServer, packet)?;
        if quick_ack {
            stream.push(Control::QuickAck(opened.quick_ack))?;
        }
        stream.authenticated(&self.config, now);
        let (id, session) = (key.id(), opened.header.session_id);
        if session.0 == 0 {
            return Err(Error::Status { code: -404 });
        }
        if !stream.has_room_for(id, session) {
            return Err(Error::Status { code: -429 });
        }
        if !self.registry.contains(id, session) {
            if let Some(evicted) = self.registry.make_room(id) {
                self.remove_session(evicted.0, evicted.1);
            }
            self.registry
                .create(key, session, self.keys.first_salt(id), now);
            self.events.push_back(Event::SessionCreated {
                auth_key_id: id,
                session,
            });
        }
        if self.registry.moves(id, session, opened.header.msg_id)
            && let Some(former) = self.registry.attach(id, session, conn, now)
        {
            if let Some(former) = self.streams.get_mut(&former) {
                former.sessions.retain(|other| *other != (id, session));
            }
            stream.attach(id, session);
        }
        let Some(entry) = self.registry.get_mut(id, session) else {
            return Ok(());
        };
        entry.session.handle_opened(now, opened, &mut self.rng)?;
        let (speaks_through, overflowed) = (entry.conn, entry.session.has_overflowed());
        self.drain_session(now, id, session, Some(stream));
        match speaks_through {
            Some(other) if other != conn => self.wake(other),
            // It asks and does not read.
            Some(_) if overflowed => return Err(Error::Silent),
            Some(_) | None => {}
        }
        Ok(())
    }

    /// Takes a session's events.
    fn drain_session(
        &mut self,
        now: Time,
        key: AuthKeyId,
        session: SessionId,
        mut stream: Option<&mut Stream>,
    ) {
        while let Some(entry) = self.registry.get_mut(key, session)
            && let Some(event) = entry.session.poll_event()
        {
            match event {
                SessionEvent::Request { msg_id, body } => {
                    let perm_key = self.keys.permanent(key);
                    let id = self.registry.register(key, session, msg_id);
                    self.events.push_back(Event::Request {
                        id,
                        auth_key_id: key,
                        perm_key,
                        session,
                        msg_id,
                        body,
                    });
                }
                SessionEvent::Dropped { msg_id } => {
                    if let Some(id) = self.registry.unregister(key, session, msg_id) {
                        self.events.push_back(Event::Dropped { id });
                    }
                }
                SessionEvent::DisconnectAfter { delay } => {
                    if let Some(stream) = stream.as_deref_mut() {
                        stream.disconnect_after(now, delay);
                    }
                }
                SessionEvent::DestroySession { session_id, .. } => {
                    let found = session_id != session && self.registry.contains(key, session_id);
                    if found {
                        self.remove_session(key, session_id);
                    }
                    if let Some(entry) = self.registry.get_mut(key, session) {
                        let session_id = session_id.0;
                        if found {
                            entry
                                .session
                                .respond_bare(&types::DestroySessionOk { session_id });
                        } else {
                            entry
                                .session
                                .respond_bare(&types::DestroySessionNone { session_id });
                        }
                    }
                }
                SessionEvent::DestroyAuthKey { .. } => self.destroy_key(key, session),
                // A client's.
                SessionEvent::Response { .. }
                | SessionEvent::Failed { .. }
                | SessionEvent::Acked { .. }
                | SessionEvent::Update { .. }
                | SessionEvent::SessionRenewed { .. }
                | SessionEvent::ClockCorrected { .. }
                | SessionEvent::KeyStateChanged => {}
            }
        }
        self.arm_session(key, session);
    }

    /// A permanent key is forgotten at once; the session that asked still gets its answer.
    fn destroy_key(&mut self, key: AuthKeyId, session: SessionId) {
        let bound = self.keys.destroy(key);
        let destroyed = bound.is_some();
        for temp in bound.into_iter().flatten() {
            for session in self.registry.sessions_of(temp) {
                self.remove_session(temp, session);
            }
        }
        if let Some(entry) = self.registry.get_mut(key, session) {
            if destroyed {
                entry
                    .session
                    .respond_bare(&DestroyAuthKeyRes::DestroyAuthKeyOk);
            } else {
                entry
                    .session
                    .respond_bare(&DestroyAuthKeyRes::DestroyAuthKeyFail);
            }
        }
        if destroyed {
            for other in self.registry.sessions_of(key) {
                if other != session {
                    self.remove_session(key, other);
                }
            }
            self.events
                .push_back(Event::KeyDestroyed { auth_key_id: key });
        }
    }

    fn remove_session(&mut self, key: AuthKeyId, session: SessionId) {
        let Some(entry) = self.registry.remove(key, session) else {
            return;
        };
        self.arm(TimerOf::Session(key, session), entry.armed, None);
        if let Some(stream) = entry.conn.and_then(|conn| self.streams.get_mut(&conn)) {
            stream.sessions.retain(|other| *other != (key, session));
        }
        self.events.push_back(Event::SessionClosed {
            auth_key_id: key,
            session,
        });
    }

    /// Ends a stream: with a transport error as its last frame where the protocol has one.
    fn close(&mut self, conn: ConnId, stream: &mut Stream, error: Error) {
        if core::mem::replace(&mut stream.closing, true) {
            return;
        }
        let code = match &error {
            Error::Status { code } => Some(*code),
            Error::Handshake(error) => Some(error.transport_code()),
            Error::PeerMisbehaved(_) => Some(-404),
            // Whoever sends bytes that are no frames learns nothing.
            Error::Transport(_)
            | Error::Silent
            | Error::BindRefused(_)
            | Error::Eof
            | Error::Closed => None,
        };
        if let Some(code) = code {
            // If even this does not fit, the client is not reading anyway.
            let _ = stream.push(Control::Status(code));
        }
        self.actions.push_back(Action::Close { conn, error });
    }

    fn close_by_id(&mut self, conn: ConnId, error: Error) {
        if let Some(mut stream) = self.streams.remove(&conn) {
            self.close(conn, &mut stream, error);
            self.arm(TimerOf::Stream(conn), Some(stream.deadline), None);
            stream.deadline = Time::MAX;
            self.streams.insert(conn, stream);
        }
    }

    /// Lets deadlines pass.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.forward(now);
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, timer));
            match timer {
                TimerOf::Stream(conn) => self.close_by_id(conn, Error::Silent),
                TimerOf::Handshake(nonce) => {
                    self.half_open.remove(&nonce);
                }
                TimerOf::Key(key) => {
                    self.keys.remove(key);
                    for session in self.registry.sessions_of(key) {
                        self.remove_session(key, session);
                    }
                }
                TimerOf::Session(key, session) => {
                    let Some(entry) = self.registry.get_mut(key, session) else {
                        continue;
                    };
                    entry.armed = None;
                    if entry.forget_at.is_some_and(|at| at <= now) {
                        self.remove_session(key, session);
                        continue;
                    }
                    // A server's session is not silent on its own: streams have deadlines.
                    let _ = entry.session.handle_timeout(now);
                    let conn = entry.conn;
                    self.drain_session(now, key, session, None);
                    if let Some(conn) = conn {
                        self.wake(conn);
                    }
                }
            }
        }
    }

    /// The earliest timer.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Takes the oldest action.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Appends at most one packet for this stream to `out`; `false` when there is nothing to send.
    pub fn poll_transmit(&mut self, now: Time, conn: ConnId, out: &mut Vec<u8>) -> bool {
        let now = self.forward(now);
        let Some(stream) = self.streams.get_mut(&conn) else {
            return false;
        };
        let written = if let Some(control) = stream.pop_control() {
            stream.write_control(&mut self.rng, out, control)
        } else if stream.closing {
            Ok(false)
        } else {
            let mut written = Ok(false);
            // Each session in turn, so that a busy one does not silence the others.
            for _ in 0..stream.sessions.len() {
                let Some((key, session)) = stream.next_session() else {
                    break;
                };
                let Some(entry) = self.registry.get_mut(key, session) else {
                    continue;
                };
                let Some(plan) = entry.session.plan_packet(now, &mut self.rng) else {
                    continue;
                };
                written = stream
                    .codec
                    .write_packet(&mut self.rng, out, plan.packet_len(), false, |out, rng| {
                        entry.session.write_packet(now, &plan, rng, out);
                    })
                    .map(|()| true)
                    .map_err(Error::from);
                self.arm_session(key, session);
                break;
            }
            written
        };
        match written {
            Ok(true) => true,
            Ok(false) => {
                if let Some(stream) = self.streams.get_mut(&conn) {
                    stream.announced = false;
                }
                false
            }
            Err(error) => {
                self.close_by_id(conn, error);
                false
            }
        }
    }

    /// Answers a call with its boxed result. `false` if nobody waits for it any more, or it is
    /// longer than a client takes.
    pub fn respond(&mut self, now: Time, id: IncomingId, body: Bytes) -> bool {
        self.forward(now);
        let Some((key, session, msg_id)) = self.registry.take_call(id) else {
            return false;
        };
        let Some(entry) = self.registry.get_mut(key, session) else {
            return false;
        };
        let done = entry.session.respond(msg_id, body);
        self.after_queueing(key, session);
        done
    }

    /// Answers a call with `rpc_error`.
    pub fn respond_error(&mut self, now: Time, id: IncomingId, code: i32, message: &str) -> bool {
        let error = types::RpcError {
            error_code: code,
            error_message: String::from(message).into(),
        };
        self.respond(now, id, error.to_bytes())
    }

    /// Sends an update to a session. `false` if no stream carries it now or its queue is full.
    pub fn push(
        &mut self,
        now: Time,
        auth_key_id: AuthKeyId,
        session: SessionId,
        body: Bytes,
    ) -> bool {
        self.forward(now);
        let Some(entry) = self.registry.get_mut(auth_key_id, session) else {
            return false;
        };
        if entry.conn.is_none() {
            return false;
        }
        let done = entry.session.push(body);
        self.after_queueing(auth_key_id, session);
        done
    }

    /// Something may wait for the session's stream; a client that does not read is closed.
    fn after_queueing(&mut self, key: AuthKeyId, session: SessionId) {
        let Some(entry) = self.registry.get_mut(key, session) else {
            return;
        };
        let (conn, overflowed) = (entry.conn, entry.session.has_overflowed());
        self.arm_session(key, session);
        if let Some(conn) = conn {
            if overflowed {
                self.close_by_id(conn, Error::Silent);
            }
            self.wake(conn);
        }
    }

    /// Binds the temporary key that a call came under to a permanent one: the owner has found
    /// `auth.bindTempAuthKey` in it and answers it according to the result.
    ///
    /// # Errors
    /// [`BindRefused`], whose message is the answer.
    pub fn bind_temp_key(
        &mut self,
        now: Time,
        id: IncomingId,
        perm_auth_key_id: i64,
        nonce: i64,
        expires_at: i32,
        encrypted_message: &[u8],
    ) -> Result<(), BindRefused> {
        let now = self.forward(now);
        let (key, session, msg_id) = self
            .registry
            .call(id)
            .ok_or(BindRefused::EncryptedMessageInvalid)?;
        let request = keys::Bind {
            temp: key,
            perm: AuthKeyId(perm_auth_key_id),
            session,
            msg_id,
            nonce,
            expires_at,
        };
        self.keys.bind(now, &request, encrypted_message)
    }

    /// Forgets temporary keys bound to this permanent key, but for those named
    /// (`auth.dropTempAuthKeys`).
    pub fn drop_temp_keys(&mut self, now: Time, perm: AuthKeyId, except: &[i64]) {
        let _ = self.forward(now);
        for key in self.keys.drop_temp(perm, except) {
            for session in self.registry.sessions_of(key) {
                self.remove_session(key, session);
            }
        }
    }

    /// Answers [`Event::KeyNeeded`]; `None`: there is no such key. Also adds a stored permanent
    /// key before anybody asks.
    pub fn provide_key(&mut self, now: Time, auth_key_id: AuthKeyId, key: Option<AuthKey>) {
        let now = self.forward(now);
        if let Some(key) = key {
            self.keys.insert_stored(key);
        }
        let waiting: Vec<ConnId> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.waits_for() == Some(auth_key_id))
            .map(|(conn, _)| *conn)
            .collect();
        for conn in waiting {
            let Some(mut stream) = self.streams.remove(&conn) else {
                continue;
            };
            let before = stream.deadline;
            let known = self.keys.knows(auth_key_id);
            let mut handled = if known {
                Ok(())
            } else {
                Err(Error::Status { code: -404 })
            };
            let mut parked = core::mem::take(&mut stream.parked);
            while handled.is_ok()
                && !stream.closing
                && stream.parked.is_empty()
                && let Some((packet, quick_ack)) = parked.pop_front()
            {
                handled = self.handle_packet(now, conn, &mut stream, packet, quick_ack);
            }
            stream.parked.append(&mut parked);
            if let Err(error) = handled {
                self.close(conn, &mut stream, error);
            }
            self.arm(TimerOf::Stream(conn), Some(before), Some(stream.deadline));
            self.streams.insert(conn, stream);
            self.wake(conn);
        }
    }

    /// All sessions, by key and id; those without a stream too.
    pub fn sessions(&self) -> impl Iterator<Item = (AuthKeyId, SessionId)> + '_ {
        self.registry.ids()
    }

    /// The stream that a session speaks through now; `None` without one.
    pub fn stream_of(&self, auth_key_id: AuthKeyId, session: SessionId) -> Option<ConnId> {
        self.registry.stream_of(auth_key_id, session)
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    fn forward(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// Says once that a stream may have output.
    fn wake(&mut self, conn: ConnId) {
        if let Some(stream) = self.streams.get_mut(&conn)
            && !core::mem::replace(&mut stream.announced, true)
        {
            self.actions.push_back(Action::Transmit { conn });
        }
    }

    fn arm(&mut self, timer: TimerOf, before: Option<Time>, after: Option<Time>) {
        if let Some(at) = before {
            self.timers.remove(&(at, timer));
        }
        if let Some(at) = after.filter(|at| *at != Time::MAX) {
            self.timers.insert((at, timer));
        }
    }

    fn arm_session(&mut self, key: AuthKeyId, session: SessionId) {
        let Some(entry) = self.registry.get_mut(key, session) else {
            return;
        };
        let wanted = [entry.session.poll_timeout(), entry.forget_at]
            .into_iter()
            .flatten()
            .min();
        let before = core::mem::replace(&mut entry.armed, wanted);
        self.arm(TimerOf::Session(key, session), before, wanted);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("dc", &self.config.dc)
            .field("streams", &self.streams.len())
            .field("sessions", &self.registry.ids().count())
            .finish_non_exhaustive()
    }
}
