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
use crate::server::tally::Tally;
use crate::server::waiting::{MAX_REMEMBERED, call_bytes};
use crate::session::{self, MAX_AGE, ServerSalts, Session, floor_of};
use crate::time::Time;

/// Keys whose sessions' end is remembered before it is looked whether any of them is so long ago that
/// it need not be.
const FEW_FLOORS: usize = 16_384;

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
    pub(super) waiting: usize,
    /// Bytes of calls that run, likewise.
    pub(super) running: usize,
    /// Ids that it remembers, likewise.
    pub(super) remembered: usize,
}

impl Entry {
    /// It has a stream, and calls that are not answered, or whose answers may not have come: it must
    /// not give way.
    fn is_busy(&self) -> bool {
        self.conn.is_some() && self.session.owes_answers()
    }
}

/// Whether there is room for one more session.
pub(super) enum Room {
    Free,
    /// Once this one has gone.
    After(AuthKeyId, SessionId),
    None,
}

pub(super) struct Registry {
    pub(super) sessions: BTreeMap<(AuthKeyId, SessionId), Entry>,
    per_key: Tally,
    /// The newest message of a key's sessions that are forgotten: a copy of one of their packets
    /// must not begin them anew.
    floors: BTreeMap<AuthKeyId, MsgId>,
    look_at_floors: usize,
    max_floors: usize,
    calls: BTreeMap<IncomingId, Call>,
    last_call: u64,
    salt_secret: Zeroizing<[u8; 32]>,
    config: session::Config,
    session_timeout: Duration,
    max_per_key: usize,
    max_sessions: usize,
    /// Bytes that wait in all sessions, and in which.
    pub(super) waiting: usize,
    pub(super) by_waiting: BTreeSet<(usize, AuthKeyId, SessionId)>,
    pub(super) max_waiting: usize,
    /// Bytes of calls that run, in all sessions.
    pub(super) running: usize,
    pub(super) max_running: usize,
    /// Ids that are remembered in all sessions, and in which.
    pub(super) remembered: usize,
    pub(super) by_remembered: BTreeSet<(usize, AuthKeyId, SessionId)>,
    pub(super) max_remembered: usize,
    journal: Option<Journal>,
}

/// A call that runs.
#[derive(Clone, Copy)]
struct Call {
    key: AuthKeyId,
    session: SessionId,
    msg_id: MsgId,
    /// What it counts.
    bytes: usize,
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
            per_key: Tally::default(),
            floors: BTreeMap::new(),
            look_at_floors: FEW_FLOORS,
            max_floors: config.max_keys.saturating_mul(2).max(FEW_FLOORS),
            calls: BTreeMap::new(),
            last_call: 0,
            salt_secret,
            config: config.session.clone(),
            session_timeout: config.session_timeout,
            max_per_key: config.max_sessions_per_key.max(1),
            max_sessions: config.max_sessions,
            waiting: 0,
            by_waiting: BTreeSet::new(),
            max_waiting: config.max_unacked_bytes,
            running: 0,
            max_running: config.max_running_bytes,
            remembered: 0,
            by_remembered: BTreeSet::new(),
            max_remembered: MAX_REMEMBERED,
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

    /// Whether this key may have another session, and which one has to go before.
    pub(super) fn room_for(&self, key: AuthKeyId) -> Room {
        let crowded = if self.per_key.of(key) >= self.max_per_key {
            Some(key)
        } else if self.sessions.len() < self.max_sessions {
            return Room::Free;
        } else {
            // Whoever has most, so that nobody loses a session to somebody who has many.
            self.per_key
                .most()
                .filter(|(_, count)| *count > 1)
                .map(|(key, _)| key)
        };
        crowded
            .and_then(|key| Some((key, self.least_of(key)?)))
            .map_or(Room::None, |(key, session)| Room::After(key, session))
    }

    /// The session of a key that gives way: one without a stream first, the one unheard of for
    /// longest.
    fn least_of(&self, key: AuthKeyId) -> Option<SessionId> {
        self.of_key(key)
            .filter(|(_, entry)| !entry.is_busy())
            .min_by_key(|(_, entry)| (entry.conn.is_some(), entry.heard))
            .map(|(session, _)| session)
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
            running: 0,
            remembered: 0,
        };
        if self.sessions.insert((key, id), entry).is_none() {
            self.per_key.add(key);
        }
    }

    pub(super) fn remove(&mut self, key: AuthKeyId, session: SessionId) -> Option<Entry> {
        let entry = self.sessions.remove(&(key, session))?;
        self.per_key.remove(key);
        self.by_waiting.remove(&(entry.waiting, key, session));
        self.waiting = self.waiting.saturating_sub(entry.waiting);
        self.running = self.running.saturating_sub(entry.running);
        self.by_remembered.remove(&(entry.remembered, key, session));
        self.remembered = self.remembered.saturating_sub(entry.remembered);
        if let Some(journal) = &mut self.journal {
            journal.sessions.remove(&(key, session));
            journal.gone.insert((key, session));
            journal.floors.insert(key);
        }
        if let Some(newest) = entry.session.newest_settled() {
            self.forget_floors(entry.heard);
            let floor = self.floors.entry(key).or_insert(newest);
            *floor = newest.max(*floor);
        }
        for call in entry.calls.values() {
            self.calls.remove(call);
        }
        Some(entry)
    }

    /// Makes room among the floors. What is older than any message may be is refused without one. If
    /// there are more all the same than the keys that are known could leave, the lower half goes.
    fn forget_floors(&mut self, now: Time) {
        if self.floors.len() < self.look_at_floors {
            return;
        }
        let too_old = MsgId(floor_of(now - MAX_AGE));
        self.floors.retain(|_, floor| *floor > too_old);
        if self.floors.len() >= self.max_floors {
            let mut sorted: Vec<MsgId> = self.floors.values().copied().collect();
            sorted.sort_unstable();
            if let Some(middle) = sorted.get(sorted.len() / 2).copied() {
                self.floors.retain(|_, floor| *floor > middle);
            }
        }
        // So that looking at all is rare.
        let twice = self.floors.len().saturating_mul(2);
        self.look_at_floors = twice.clamp(FEW_FLOORS, self.max_floors);
    }

    /// Whether a packet with this id cannot be a copy of one that came before.
    pub(super) fn is_news(
        &self,
        key: AuthKeyId,
        session: SessionId,
        msg_id: MsgId,
        now: Time,
    ) -> bool {
        self.sessions.get(&(key, session)).is_some_and(|entry| {
            entry.session.is_new(msg_id) && msg_id.0 >= floor_of(now - MAX_AGE)
        })
    }

    /// Whether a message shows that the session speaks through the stream that brought it: a copy of
    /// an old packet does not, nor of one that was refused. It is newer than all before; while there
    /// is no stream it need not be the newest, or may be one that was refused and is the newest.
    pub(super) fn moves(&self, key: AuthKeyId, session: SessionId, msg_id: MsgId) -> bool {
        self.sessions.get(&(key, session)).is_some_and(|entry| {
            let newest = entry.session.newest_from_peer();
            let is_newest = newest.is_none_or(|newest| msg_id > newest);
            let is_new = entry.session.is_new(msg_id);
            match entry.conn {
                Some(_) => is_newest && is_new,
                None => is_newest || is_new,
            }
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

    /// Names a call whose body has so many bytes.
    pub(super) fn register(
        &mut self,
        key: AuthKeyId,
        session: SessionId,
        msg_id: MsgId,
        len: usize,
    ) -> IncomingId {
        self.last_call = self.last_call.saturating_add(1);
        let id = IncomingId(self.last_call);
        self.name(key, session, msg_id, id, len);
        id
    }

    fn name(
        &mut self,
        key: AuthKeyId,
        session: SessionId,
        msg_id: MsgId,
        id: IncomingId,
        len: usize,
    ) {
        let bytes = call_bytes(len);
        let call = Call {
            key,
            session,
            msg_id,
            bytes,
        };
        if let Some(entry) = self.sessions.get_mut(&(key, session)) {
            self.calls.insert(id, call);
            entry.calls.insert(msg_id, id);
            entry.running = entry.running.saturating_add(bytes);
            self.running = self.running.saturating_add(bytes);
        }
    }

    pub(super) fn unregister(
        &mut self,
        key: AuthKeyId,
        session: SessionId,
        msg_id: MsgId,
    ) -> Option<IncomingId> {
        let id = *self.sessions.get(&(key, session))?.calls.get(&msg_id)?;
        self.take_call(id).map(|_| id)
    }

    pub(super) fn call(&self, id: IncomingId) -> Option<(AuthKeyId, SessionId, MsgId)> {
        let call = self.calls.get(&id)?;
        Some((call.key, call.session, call.msg_id))
    }

    pub(super) fn take_call(&mut self, id: IncomingId) -> Option<(AuthKeyId, SessionId, MsgId)> {
        let call = self.calls.remove(&id)?;
        self.running = self.running.saturating_sub(call.bytes);
        if let Some(entry) = self.sessions.get_mut(&(call.key, call.session)) {
            entry.calls.remove(&call.msg_id);
            entry.running = entry.running.saturating_sub(call.bytes);
        }
        Some((call.key, call.session, call.msg_id))
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
                        self.name(key, id, msg_id, call, body.len());
                        call
                    }
                    None => self.register(key, id, msg_id, body.len()),
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
#[path = "registry_tests.rs"]
mod tests;
