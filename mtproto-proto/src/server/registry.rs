//! Sessions, and which stream speaks for each now.
//!
//! Does: finds a session by key and id; moves it between streams; names the calls that wait.
//! In: what the server decides. Out: sessions, names of calls.
//! Must not know: packets, framing.
//! Spec: "Service Messages", sessions.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::crypto::AuthKey;
use crate::ids::{AuthKeyId, ConnId, IncomingId, MsgId, SessionId};
use crate::server::ServerConfig;
use crate::session::{self, MAX_AGE, ServerSalts, Session, floor_of};
use crate::time::Time;

/// Keys whose sessions' end is remembered; what is older than any message may be is forgotten
/// first.
const MAX_FLOORS: usize = 16_384;

pub(super) struct Entry {
    pub(super) session: Session,
    pub(super) conn: Option<ConnId>,
    heard: Time,
    /// Without a stream: when it is forgotten.
    pub(super) forget_at: Option<Time>,
    /// When the server's timer for it is set.
    pub(super) armed: Option<Time>,
    calls: BTreeMap<MsgId, IncomingId>,
}

pub(super) struct Registry {
    sessions: BTreeMap<(AuthKeyId, SessionId), Entry>,
    /// The newest message of a key's sessions that are forgotten: a copy of one of their packets
    /// must not begin them anew.
    floors: BTreeMap<AuthKeyId, MsgId>,
    calls: BTreeMap<IncomingId, (AuthKeyId, SessionId, MsgId)>,
    last_call: u64,
    salt_secret: [u8; 32],
    config: session::Config,
    session_timeout: Duration,
    max_per_key: usize,
}

impl Registry {
    pub(super) fn new(config: &ServerConfig, salt_secret: [u8; 32]) -> Self {
        Registry {
            sessions: BTreeMap::new(),
            floors: BTreeMap::new(),
            calls: BTreeMap::new(),
            last_call: 0,
            salt_secret,
            config: config.session.clone(),
            session_timeout: config.session_timeout,
            max_per_key: config.max_sessions_per_key,
        }
    }

    pub(super) fn contains(&self, key: AuthKeyId, session: SessionId) -> bool {
        self.sessions.contains_key(&(key, session))
    }

    pub(super) fn get_mut(&mut self, key: AuthKeyId, session: SessionId) -> Option<&mut Entry> {
        self.sessions.get_mut(&(key, session))
    }

    pub(super) fn stream_of(&self, key: AuthKeyId, session: SessionId) -> Option<ConnId> {
        self.sessions.get(&(key, session))?.conn
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = (AuthKeyId, SessionId)> + '_ {
        self.sessions.keys().copied()
    }

    fn of_key(&self, key: AuthKeyId) -> impl Iterator<Item = (SessionId, &Entry)> {
        self.sessions
            .range((key, SessionId(i64::MIN))..=(key, SessionId(i64::MAX)))
            .map(|((_, session), entry)| (*session, entry))
    }

    pub(super) fn sessions_of(&self, key: AuthKeyId) -> Vec<SessionId> {
        self.of_key(key).map(|(session, _)| session).collect()
    }

    /// The session that must go before this key may have another: one without a stream first, the
    /// one unheard of for longest.
    pub(super) fn make_room(&self, key: AuthKeyId) -> Option<(AuthKeyId, SessionId)> {
        if self.of_key(key).count() < self.max_per_key {
            return None;
        }
        self.of_key(key)
            .min_by_key(|(_, entry)| (entry.conn.is_some(), entry.heard))
            .map(|(session, _)| (key, session))
    }

    pub(super) fn create(
        &mut self,
        key: &AuthKey,
        session: SessionId,
        first_salt: Option<(i64, Time)>,
        now: Time,
    ) {
        let id = key.id();
        let salts = ServerSalts::new(self.salt_secret, id, first_salt);
        let mut new = Session::server(key.clone(), session, salts, self.config.clone(), now);
        if let Some(floor) = self.floors.get(&id) {
            new.forget_below(*floor);
        }
        let entry = Entry {
            session: new,
            conn: None,
            heard: now,
            forget_at: None,
            armed: None,
            calls: BTreeMap::new(),
        };
        self.sessions.insert((id, session), entry);
    }

    pub(super) fn remove(&mut self, key: AuthKeyId, session: SessionId) -> Option<Entry> {
        let entry = self.sessions.remove(&(key, session))?;
        if let Some(newest) = entry.session.newest_from_peer() {
            if self.floors.len() >= MAX_FLOORS {
                // What is older is refused by its age.
                let oldest = self.floors.values().min().copied();
                let horizon = MsgId(floor_of(entry.heard - MAX_AGE)).max(oldest.unwrap_or(newest));
                self.floors.retain(|_, floor| *floor > horizon);
            }
            let floor = self.floors.entry(key).or_insert(newest);
            *floor = newest.max(*floor);
        }
        for call in entry.calls.values() {
            self.calls.remove(call);
        }
        Some(entry)
    }

    /// Whether a message shows that the session speaks through the stream that brought it: a copy of
    /// an old packet does not. It is newer than all before, or at least new while there is no
    /// stream, or nothing was taken before.
    pub(super) fn moves(&self, key: AuthKeyId, session: SessionId, msg_id: MsgId) -> bool {
        self.sessions.get(&(key, session)).is_some_and(|entry| {
            let newest = entry.session.newest_from_peer();
            newest.is_none_or(|newest| msg_id > newest)
                || (entry.conn.is_none() && entry.session.is_new(msg_id))
        })
    }

    /// The session speaks through this stream from now on. Returns the stream that it spoke
    /// through before, or this one if there was none; `None` if nothing changed.
    pub(super) fn attach(
        &mut self,
        key: AuthKeyId,
        session: SessionId,
        conn: ConnId,
        now: Time,
    ) -> Option<ConnId> {
        let entry = self.sessions.get_mut(&(key, session))?;
        entry.heard = now;
        entry.forget_at = None;
        let before = entry.conn.replace(conn);
        if before == Some(conn) {
            return None;
        }
        entry.session.stream_opened(now);
        Some(before.unwrap_or(conn))
    }

    /// The stream is gone.
    pub(super) fn detach(&mut self, key: AuthKeyId, session: SessionId, conn: ConnId, now: Time) {
        if let Some(entry) = self.sessions.get_mut(&(key, session))
            && entry.conn == Some(conn)
        {
            entry.conn = None;
            entry.forget_at = Some(now + self.session_timeout);
            entry.session.stream_closed();
        }
    }

    /// Names a call.
    pub(super) fn register(
        &mut self,
        key: AuthKeyId,
        session: SessionId,
        msg_id: MsgId,
    ) -> IncomingId {
        self.last_call = self.last_call.saturating_add(1);
        let id = IncomingId(self.last_call);
        self.calls.insert(id, (key, session, msg_id));
        if let Some(entry) = self.sessions.get_mut(&(key, session)) {
            entry.calls.insert(msg_id, id);
        }
        id
    }

    pub(super) fn unregister(
        &mut self,
        key: AuthKeyId,
        session: SessionId,
        msg_id: MsgId,
    ) -> Option<IncomingId> {
        let id = self
            .sessions
            .get_mut(&(key, session))?
            .calls
            .remove(&msg_id)?;
        self.calls.remove(&id);
        Some(id)
    }

    pub(super) fn call(&self, id: IncomingId) -> Option<(AuthKeyId, SessionId, MsgId)> {
        self.calls.get(&id).copied()
    }

    pub(super) fn take_call(&mut self, id: IncomingId) -> Option<(AuthKeyId, SessionId, MsgId)> {
        let call = self.calls.remove(&id)?;
        if let Some(entry) = self.sessions.get_mut(&(call.0, call.1)) {
            entry.calls.remove(&call.2);
        }
        Some(call)
    }
}
