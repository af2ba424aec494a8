//! What a stored state consists of, and how each part stands in bytes.
//!
//! Does: [`Saved`] with its keys and sessions; writes and reads them; applies a change.
//! In and out: plain values, bytes.
//! Must not know: checksums, versions, the server.
//! Spec: none.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::bytes::{Sink, Source};
use crate::crypto::AuthKey;
use crate::ids::{AuthKeyId, IncomingId, MsgId, SessionId};
use crate::session::msg_id::{Parity, newest_possible};
use crate::session::outgoing::Notice;
use crate::session::saved::{self, Counters};
use crate::time::Time;

/// A server's keys and sessions, or what changed of them: then the maps hold what is new or
/// different, and the lists of what is gone are not empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) salt_secret: Zeroizing<[u8; 32]>,
    /// The last name that a call was given.
    pub(crate) last_call: u64,
    pub(crate) keys_gone: Vec<AuthKeyId>,
    pub(crate) keys: BTreeMap<AuthKeyId, SavedKey>,
    /// Nothing up to these is taken in a key's sessions that begin anew.
    pub(crate) floors: BTreeMap<AuthKeyId, MsgId>,
    pub(crate) sessions_gone: Vec<(AuthKeyId, SessionId)>,
    pub(crate) sessions: BTreeMap<(AuthKeyId, SessionId), SavedSession>,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SavedKey {
    pub(crate) key: AuthKey,
    /// The salt of the handshake, and when that was.
    pub(crate) first_salt: Option<(i64, Time)>,
    /// A temporary key's end.
    pub(crate) expires: Option<Time>,
    /// The permanent key that a temporary one is bound to.
    pub(crate) bound: Option<AuthKeyId>,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct SavedSession {
    /// When it was last heard of.
    pub(crate) heard: Time,
    /// The names of the calls that run.
    pub(crate) calls: BTreeMap<MsgId, IncomingId>,
    pub(crate) session: saved::Saved,
}

impl Saved {
    /// Brings it up to date.
    pub(super) fn apply(&mut self, mut change: Saved) {
        self.salt_secret = change.salt_secret;
        self.last_call = change.last_call;
        for key in change.keys_gone {
            self.keys.remove(&key);
        }
        self.keys.append(&mut change.keys);
        self.floors.append(&mut change.floors);
        for id in change.sessions_gone {
            self.sessions.remove(&id);
        }
        for (id, change) in change.sessions {
            let session = self.sessions.entry(id).or_default();
            session.heard = change.heard;
            for ended in &change.session.ended {
                session.calls.remove(ended);
            }
            session.calls.extend(change.calls);
            session.session.apply(change.session);
        }
    }

    /// Ends all sessions; what came in them is not taken again.
    pub(super) fn forget_sessions(&mut self) {
        for ((key, _), session) in core::mem::take(&mut self.sessions) {
            let counters = session.session.counters;
            let horizon = newest_possible(session.heard);
            let disowned = session.session.disowned.range(..=horizon).next_back();
            let newest = session.session.came.last().max(disowned).copied();
            let floor = MsgId(newest.unwrap_or(counters.floor).max(counters.floor));
            let known = self.floors.entry(key).or_insert(floor);
            *known = floor.max(*known);
        }
    }

    pub(super) fn write(&self, to: &mut Sink) {
        to.put(self.salt_secret.as_slice());
        to.u64(self.last_call);
        to.list(self.keys_gone.iter(), |to, key| to.i64(key.0));
        to.list(self.keys.values(), |to, key| key.write(to));
        to.list(self.floors.iter(), |to, (key, floor)| {
            to.i64(key.0);
            to.i64(floor.0);
        });
        to.list(self.sessions_gone.iter(), |to, (key, session)| {
            to.i64(key.0);
            to.i64(session.0);
        });
        to.list(self.sessions.iter(), |to, ((key, session), saved)| {
            to.i64(key.0);
            to.i64(session.0);
            saved.write(to);
        });
    }

    pub(super) fn read(mut from: Source<'_>) -> Option<Self> {
        let saved = Saved {
            salt_secret: Zeroizing::new(*from.array()?),
            last_call: from.u64()?,
            keys_gone: from.list(|from| from.i64().map(AuthKeyId))?,
            keys: from.list(|from| {
                let key = SavedKey::read(from)?;
                Some((key.key.id(), key))
            })?,
            floors: from.list(|from| Some((AuthKeyId(from.i64()?), MsgId(from.i64()?))))?,
            sessions_gone: from.list(read_session_id)?,
            sessions: from.list(|from| {
                let id = read_session_id(from)?;
                Some((id, SavedSession::read(from)?))
            })?,
        };
        from.is_empty().then_some(saved)
    }
}

fn read_session_id(from: &mut Source<'_>) -> Option<(AuthKeyId, SessionId)> {
    Some((AuthKeyId(from.i64()?), SessionId(from.i64()?)))
}

impl SavedKey {
    fn write(&self, to: &mut Sink) {
        to.put(self.key.as_bytes());
        to.option(self.first_salt, |to, (salt, made)| {
            to.i64(salt);
            to.u64(made.as_nanos());
        });
        to.option(self.expires, |to, at| to.u64(at.as_nanos()));
        to.option(self.bound, |to, perm| to.i64(perm.0));
    }

    fn read(from: &mut Source<'_>) -> Option<Self> {
        Some(SavedKey {
            key: AuthKey::from_bytes(from.array()?),
            first_salt: from.option(|from| Some((from.i64()?, Time::from_nanos(from.u64()?))))?,
            expires: from.option(|from| from.u64().map(Time::from_nanos))?,
            bound: from.option(|from| from.i64().map(AuthKeyId))?,
        })
    }
}

impl SavedSession {
    fn write(&self, to: &mut Sink) {
        let session = &self.session;
        let counters = &session.counters;
        to.u64(self.heard.as_nanos());
        to.i64(counters.first_from_peer);
        to.i64(counters.floor);
        to.i64(counters.newest.0);
        to.i32(counters.newest.1);
        to.i32(counters.content_messages);
        to.i64(counters.last_id);
        to.option(counters.created, Sink::i64);
        to.list(session.acks.iter(), |to, id| to.i64(id.0));
        to.list(session.came.iter(), |to, id| to.i64(*id));
        to.list(session.disowned.iter(), |to, id| to.i64(*id));
        to.list(session.ended.iter(), |to, id| to.i64(id.0));
        to.list(session.running.iter(), |to, (id, body)| {
            to.i64(id.0);
            to.option(self.calls.get(id), |to, call| to.u64(call.0));
            to.bytes(body);
        });
        to.count(session.unqueued);
        to.list(session.queued.iter(), write_notice);
        to.list(session.forgotten.iter(), |to, id| to.i64(id.0));
        to.list(session.kept.iter(), |to, (id, (seq_no, notice))| {
            to.i64(id.0);
            to.i32(*seq_no);
            write_notice(to, notice);
        });
    }

    fn read(from: &mut Source<'_>) -> Option<Self> {
        let heard = Time::from_nanos(from.u64()?);
        let mut calls = BTreeMap::new();
        let session = saved::Saved {
            counters: Counters {
                first_from_peer: from.i64()?,
                floor: from.i64()?,
                newest: (from.i64()?, from.i32()?),
                content_messages: from.i32()?,
                last_id: from.i64()?,
                created: from.option(Source::i64)?,
            },
            acks: from.list(|from| from.i64().map(MsgId))?,
            came: from.list(Source::i64)?,
            disowned: from.list(Source::i64)?,
            ended: from.list(|from| from.i64().map(MsgId))?,
            running: from.list(|from| {
                let id = MsgId(from.i64()?);
                if let Some(call) = from.option(Source::u64)? {
                    calls.insert(id, IncomingId(call));
                }
                Some((id, from.bytes()?))
            })?,
            unqueued: usize::try_from(u32::from_le_bytes(*from.array()?)).ok()?,
            queued: from.list(read_notice)?,
            forgotten: from.list(|from| from.i64().map(MsgId))?,
            kept: from.list(|from| {
                let id = MsgId(from.i64()?);
                Some((id, (from.i32()?, read_notice(from)?)))
            })?,
        };
        Some(SavedSession {
            heard,
            calls,
            session,
        })
    }
}

/// Bits of a notice's first byte.
const IS_RESPONSE: u8 = 1;
const IS_CONTENT: u8 = 2;

fn write_notice(to: &mut Sink, notice: &Notice) {
    let response = match notice.parity {
        Parity::Response => IS_RESPONSE,
        Parity::Push | Parity::Client => 0,
    };
    let content = if notice.content { IS_CONTENT } else { 0 };
    to.u8(response | content);
    to.option(notice.answers, |to, id| to.i64(id.0));
    to.bytes(&notice.body);
}

fn read_notice(from: &mut Source<'_>) -> Option<Notice> {
    let bits = from.u8()?;
    if bits & !(IS_RESPONSE | IS_CONTENT) != 0 {
        return None;
    }
    Some(Notice {
        parity: if bits & IS_RESPONSE == 0 {
            Parity::Push
        } else {
            Parity::Response
        },
        content: bits & IS_CONTENT != 0,
        answers: from.option(|from| from.i64().map(MsgId))?,
        body: from.bytes()?,
    })
}
