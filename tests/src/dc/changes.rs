//! What happens to a world between two times that it is saved whole.
//!
//! Does: [`Change`], noted as it happens and done again after a restart.
//! In: calls. Out: changes; the same world again.
//! Must not know: files.
//! Spec: none.
//!
//! What accounts do with each other is saved as the calls that did it, each with the randomness
//! that it had. What changes rarely, like logins, is not noted: it makes the owner save all.

use bytes::Bytes;
use mtproto_proto::{AuthKeyId, DcId, MsgId, Rng, SessionId};
use serde::{Deserialize, Serialize};

use super::logins::{Device, KeyAt};
use super::order::SessionAt;
use super::saved;
use super::talk::{Cx, Origin};
use super::world::{Heard, World};

/// A session as it is saved: DC, key, session.
pub type SavedSession = (i16, i64, i64);

/// One thing that happened.
#[derive(Debug, Serialize, Deserialize)]
pub enum Change {
    /// A call ended: in which session, under which message, and whether well.
    Ended(SavedSession, i64, bool),
    /// A session said under which permanent key it is, and whether it wants updates.
    Heard(SavedSession, i64, bool),
    /// A key said something of itself.
    Said(KeyAt, i32, Option<Device>),
    /// An account did something.
    Did(Box<Deed>),
}

/// Something that an account did.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deed {
    /// When, in Unix seconds.
    now: i32,
    /// Who.
    me: i64,
    /// With which permanent key …
    at: KeyAt,
    /// … and in which session.
    session: i64,
    /// The method.
    id: u32,
    /// The query.
    #[serde(with = "saved::hex")]
    query: Vec<u8>,
    /// All randomness that it had.
    #[serde(with = "saved::hex")]
    seed: Vec<u8>,
}

impl Deed {
    /// What is about to happen.
    pub fn new(now: i32, me: i64, origin: Origin, id: u32, query: &[u8], seed: [u8; 32]) -> Self {
        Deed {
            now,
            me,
            at: KeyAt {
                dc: origin.dc,
                key: origin.key,
            },
            session: origin.session.0,
            id,
            query: query.to_vec(),
            seed: seed.to_vec(),
        }
    }
}

/// A session for the file.
pub fn save_session((dc, key, session): SessionAt) -> SavedSession {
    (dc.0, key.0, session.0)
}

/// A session from the file.
pub fn load_session((dc, key, session): SavedSession) -> SessionAt {
    (DcId(dc), AuthKeyId(key), SessionId(session))
}

impl World {
    /// Whether and what to note from here on.
    pub fn note_changes(&mut self) {
        self.changes = Some(Vec::new());
    }

    /// What happened since this was last called.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.changes
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    pub(super) fn note(&mut self, change: impl FnOnce() -> Change) {
        if let Some(changes) = &mut self.changes {
            changes.push(change());
        }
    }

    /// Does again what happened.
    ///
    /// # Errors
    /// If it is not what this program notes.
    pub fn apply(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::Ended(session, msg_id, well) => {
                let session = load_session(session);
                self.order.ended(session, MsgId(msg_id), well);
            }
            Change::Heard(session, perm, wants_updates) => {
                let heard = Heard {
                    perm: AuthKeyId(perm),
                    wants_updates,
                };
                self.sessions.insert(load_session(session), heard);
            }
            Change::Said(at, layer, device) => {
                let known = self.logins.entry(at);
                known.layer = layer;
                known.device = device;
            }
            Change::Did(deed) => {
                let seed = <[u8; 32]>::try_from(&deed.seed[..]);
                let seed = seed.map_err(|_| "a seed has 32 bytes".to_owned())?;
                let mut cx = Cx {
                    people: &mut self.people,
                    me: deed.me,
                    now: deed.now,
                    rng: &mut Rng::from_seed(seed),
                    origin: Origin {
                        dc: deed.at.dc,
                        key: deed.at.key,
                        session: SessionId(deed.session),
                    },
                };
                // Its answer is with the session, and so are the updates.
                let _ = self.talk.call(&mut cx, deed.id, &Bytes::from(deed.query));
                while self.talk.poll_push().is_some() {}
            }
        }
        Ok(())
    }

    /// All sessions that were heard of: which permanent key, and whether they want updates.
    pub fn heard(&self) -> impl Iterator<Item = Change> {
        self.sessions
            .iter()
            .map(|(at, heard)| Change::Heard(save_session(*at), heard.perm.0, heard.wants_updates))
    }

    /// How the last calls ended.
    pub fn ended(&self) -> impl Iterator<Item = Change> {
        self.order.iter().flat_map(|(session, outcomes)| {
            outcomes
                .iter()
                .map(move |(id, well)| Change::Ended(save_session(session), id.0, *well))
        })
    }

    /// Forgets sessions that are not among these.
    pub fn keep_sessions(&mut self, known: impl Fn(SessionAt) -> bool) {
        let gone: Vec<SessionAt> = self
            .sessions
            .keys()
            .copied()
            .chain(self.order.iter().map(|(session, _)| session))
            .filter(|session| !known(*session))
            .collect();
        for (dc, key, session) in gone {
            self.session_closed(dc, key, session);
        }
    }
}
