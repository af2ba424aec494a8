//! Sessions, and which stream speaks for each now.
//!
//! Does: finds a session by key and id; moves it between streams; names the calls that wait.
//! In: what the server decides. Out: sessions, names of calls.
//! Must not know: packets, framing.
//! Spec: "Service Messages", sessions.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::crypto::AuthKey;
use crate::ids::{AuthKeyId, ConnId, IncomingId, MsgId, SessionId};
use crate::server::ServerConfig;
use crate::server::keys::Keys;
use crate::server::state::{Saved, SavedSession};
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
    /// Bytes that wait, as the registry has counted them.
    waiting: usize,
}

pub(super) struct Registry {
    sessions: BTreeMap<(AuthKeyId, SessionId), Entry>,
    /// The newest message of a key's sessions that are forgotten: a copy of one of their packets
    /// must not begin them anew.
    floors: BTreeMap<AuthKeyId, MsgId>,
    calls: BTreeMap<IncomingId, (AuthKeyId, SessionId, MsgId)>,
    last_call: u64,
    salt_secret: Zeroizing<[u8; 32]>,
    config: session::Config,
    session_timeout: Duration,
    max_per_key: usize,
    /// Bytes that wait in all sessions, and in which.
    waiting: usize,
    by_waiting: BTreeSet<(usize, AuthKeyId, SessionId)>,
    max_waiting: usize,
    journal: Option<Journal>,
}

/// What may have changed since the journal was last taken.
#[derive(Default)]
struct Journal {
    sessions: BTreeSet<(AuthKeyId, SessionId)>,
    /// Sessions that ended: what begins under the same name is another one.
    gone: BTreeSet<(AuthKeyId, SessionId)>,
    floors: BTreeSet<AuthKeyId>,
    last_call: u64,
}

impl Registry {
    pub(super) fn new(config: &ServerConfig, salt_secret: Zeroizing<[u8; 32]>) -> Self {
        Registry {
            sessions: BTreeMap::new(),
            floors: BTreeMap::new(),
            calls: BTreeMap::new(),
            last_call: 0,
            salt_secret,
            config: config.session.clone(),
            session_timeout: config.session_timeout,
            max_per_key: config.max_sessions_per_key,
            waiting: 0,
            by_waiting: BTreeSet::new(),
            max_waiting: config.max_unacked_bytes,
            journal: config.journal.then(Journal::default),
        }
    }

    pub(super) fn contains(&self, key: AuthKeyId, session: SessionId) -> bool {
        self.sessions.contains_key(&(key, session))
    }

    /// The session, which is noted as changed.
    pub(super) fn get_mut(&mut self, key: AuthKeyId, session: SessionId) -> Option<&mut Entry> {
        let entry = self.sessions.get_mut(&(key, session))?;
        if let Some(journal) = &mut self.journal {
            journal.sessions.insert((key, session));
        }
        Some(entry)
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
        let salts = ServerSalts::new(*self.salt_secret, id, first_salt);
        let mut new = Session::server(key.clone(), session, salts, self.config.clone(), now);
        if let Some(floor) = self.floors.get(&id) {
            new.forget_below(*floor);
        }
        self.insert(id, session, new, now);
    }

    fn insert(&mut self, key: AuthKeyId, id: SessionId, mut session: Session, heard: Time) {
        if let Some(journal) = &mut self.journal {
            session.begin_journal();
            journal.sessions.insert((key, id));
        }
        let entry = Entry {
            session,
            conn: None,
            heard,
            forget_at: None,
            armed: None,
            calls: BTreeMap::new(),
            waiting: 0,
        };
        self.sessions.insert((key, id), entry);
    }

    pub(super) fn remove(&mut self, key: AuthKeyId, session: SessionId) -> Option<Entry> {
        let entry = self.sessions.remove(&(key, session))?;
        self.by_waiting.remove(&(entry.waiting, key, session));
        self.waiting = self.waiting.saturating_sub(entry.waiting);
        if let Some(journal) = &mut self.journal {
            journal.sessions.remove(&(key, session));
            journal.gone.insert((key, session));
            journal.floors.insert(key);
        }
        if let Some(newest) = entry.session.newest_settled() {
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
        self.name(key, session, msg_id, id);
        id
    }

    fn name(&mut self, key: AuthKeyId, session: SessionId, msg_id: MsgId, id: IncomingId) {
        self.calls.insert(id, (key, session, msg_id));
        if let Some(entry) = self.sessions.get_mut(&(key, session)) {
            entry.calls.insert(msg_id, id);
        }
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

/// What waits in all sessions together.
impl Registry {
    /// Counts what waits in a session; sessions that have too much forget their oldest.
    pub(super) fn weigh(&mut self, key: AuthKeyId, session: SessionId) {
        self.count_waiting(key, session);
        while self.waiting > self.max_waiting
            && let Some((_, key, session)) = self.by_waiting.last().copied()
        {
            let forgot = self
                .get_mut(key, session)
                .is_some_and(|entry| entry.session.forget_oldest());
            self.count_waiting(key, session);
            if !forgot {
                break;
            }
        }
    }

    fn count_waiting(&mut self, key: AuthKeyId, session: SessionId) {
        let Some(entry) = self.sessions.get_mut(&(key, session)) else {
            return;
        };
        let now = entry.session.waiting_bytes();
        let before = core::mem::replace(&mut entry.waiting, now);
        if now == before {
            return;
        }
        self.waiting = self.waiting.saturating_sub(before).saturating_add(now);
        self.by_waiting.remove(&(before, key, session));
        if now > 0 {
            self.by_waiting.insert((now, key, session));
        }
    }
}

/// What survives the process.
impl Registry {
    /// All sessions and what is remembered of those that are over.
    pub(super) fn save(&mut self, into: &mut Saved) {
        if let Some(journal) = &mut self.journal {
            *journal = Journal {
                last_call: self.last_call,
                ..Journal::default()
            };
            for entry in self.sessions.values_mut() {
                entry.session.begin_journal();
            }
        }
        into.salt_secret = self.salt_secret.clone();
        into.last_call = self.last_call;
        into.floors = self.floors.clone();
        into.sessions = self
            .sessions
            .iter()
            .map(|(id, entry)| {
                let saved = SavedSession {
                    heard: entry.heard,
                    calls: entry.calls.clone(),
                    session: entry.session.save(),
                };
                (*id, saved)
            })
            .collect();
    }

    /// Takes over what was stored, but for the sessions of keys that are over. The calls that ran
    /// are returned in their order.
    pub(super) fn restore(
        &mut self,
        saved: &mut Saved,
        keys: &Keys,
        now: Time,
    ) -> Vec<(IncomingId, AuthKeyId, SessionId, MsgId, Bytes)> {
        self.last_call = saved.last_call;
        self.floors = core::mem::take(&mut saved.floors);
        let mut running = Vec::new();
        for ((key, id), saved) in core::mem::take(&mut saved.sessions) {
            let Some(auth_key) = keys.get(key, now).cloned() else {
                continue;
            };
            let salts = ServerSalts::new(*self.salt_secret, key, keys.first_salt(key));
            let mut session = Session::server(auth_key, id, salts, self.config.clone(), now);
            let calls = saved.session.running.clone();
            session.restore(saved.session, now);
            self.insert(key, id, session, saved.heard);
            for (msg_id, body) in calls {
                let call = saved.calls.get(&msg_id).copied();
                let call = call.filter(|call| !self.calls.contains_key(call));
                let call = match call {
                    Some(call) => {
                        self.last_call = self.last_call.max(call.0);
                        self.name(key, id, msg_id, call);
                        call
                    }
                    None => self.register(key, id, msg_id),
                };
                running.push((call, key, id, msg_id, body));
            }
            if let Some(entry) = self.sessions.get_mut(&(key, id)) {
                entry.forget_at = Some(now + self.session_timeout);
            }
            self.weigh(key, id);
        }
        if let Some(journal) = &mut self.journal {
            *journal = Journal {
                last_call: self.last_call,
                ..Journal::default()
            };
        }
        running.sort_unstable_by_key(|(call, ..)| *call);
        running
    }

    /// Adds what changed since this was last called; whether anything did.
    pub(super) fn take_change(&mut self, into: &mut Saved) -> bool {
        let Some(journal) = &mut self.journal else {
            return false;
        };
        let journal = core::mem::replace(
            journal,
            Journal {
                last_call: self.last_call,
                ..Journal::default()
            },
        );
        into.salt_secret = self.salt_secret.clone();
        into.last_call = self.last_call;
        into.sessions_gone = journal.gone.into_iter().collect();
        into.floors = journal
            .floors
            .into_iter()
            .filter_map(|key| Some((key, *self.floors.get(&key)?)))
            .collect();
        for id in journal.sessions {
            let Some(entry) = self.sessions.get_mut(&id) else {
                continue;
            };
            if let Some(session) = entry.session.take_change() {
                let calls = session
                    .running
                    .keys()
                    .filter_map(|msg_id| Some((*msg_id, *entry.calls.get(msg_id)?)))
                    .collect();
                let saved = SavedSession {
                    heard: entry.heard,
                    calls,
                    session,
                };
                into.sessions.insert(id, saved);
            }
        }
        self.last_call != journal.last_call
            || !(into.sessions_gone.is_empty()
                && into.floors.is_empty()
                && into.sessions.is_empty())
    }
}
