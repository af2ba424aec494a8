//! A server's keys: permanent, temporary, and which belongs to which.
//!
//! Does: keeps them, bounded; binds temporary keys.
//! In: completed handshakes, stored keys, binding requests. Out: keys.
//! Must not know: sessions, streams.
//! Spec: "Perfect Forward Secrecy"; "auth.bindTempAuthKey".

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::crypto::AuthKey;
use crate::handshake::Complete;
use crate::handshake::bind::open_bind_message;
use crate::ids::{AuthKeyId, MsgId, SessionId};
use crate::server::ServerConfig;
use crate::server::state::SavedKey;
use crate::session::floor_of;
use crate::time::Time;

/// Longest life of a temporary key that is accepted, with a minute for clocks that differ.
const MAX_TEMP_LIFE: Duration = Duration::from_secs(86_400 + 60);

pub(super) struct Keys {
    keys: BTreeMap<AuthKeyId, SavedKey>,
    max: usize,
    last_plain_id: i64,
    /// Keys that came, changed or went since the journal was last taken.
    journal: Option<BTreeSet<AuthKeyId>>,
}

/// What `auth.bindTempAuthKey` says, and where it came.
pub(super) struct Bind {
    pub(super) temp: AuthKeyId,
    pub(super) perm: AuthKeyId,
    pub(super) session: SessionId,
    pub(super) msg_id: MsgId,
    pub(super) nonce: i64,
    pub(super) expires_at: i32,
}

/// Why a temporary key was not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindRefused {
    /// The message does not open with the permanent key, or contradicts the call.
    EncryptedMessageInvalid,
    /// The end is past or too far away.
    ExpiresAtInvalid,
    /// The key is bound to another one.
    AlreadyBound,
    /// The call did not come under a temporary key.
    NotTemporary,
}

impl BindRefused {
    /// The message of the `rpc_error` with code 400.
    pub fn message(self) -> &'static str {
        match self {
            Self::EncryptedMessageInvalid => "ENCRYPTED_MESSAGE_INVALID",
            Self::ExpiresAtInvalid => "EXPIRES_AT_INVALID",
            Self::AlreadyBound => "TEMP_AUTH_KEY_ALREADY_BOUND",
            Self::NotTemporary => "TEMP_AUTH_KEY_EMPTY",
        }
    }
}

impl fmt::Display for BindRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for BindRefused {}

impl Keys {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Keys {
            keys: BTreeMap::new(),
            max: config.max_keys,
            last_plain_id: 0,
            journal: config.journal.then(BTreeSet::new),
        }
    }

    fn note(&mut self, id: AuthKeyId) {
        if let Some(journal) = &mut self.journal {
            journal.insert(id);
        }
    }

    /// All keys, as they are stored.
    pub(super) fn save(&mut self) -> BTreeMap<AuthKeyId, SavedKey> {
        if let Some(journal) = &mut self.journal {
            journal.clear();
        }
        self.keys.clone()
    }

    /// Takes over what was stored; the owner answers for how many there are.
    pub(super) fn restore(&mut self, keys: BTreeMap<AuthKeyId, SavedKey>) {
        self.keys = keys;
    }

    /// Those that went and those that came or changed since this was last called.
    pub(super) fn take_change(&mut self) -> (Vec<AuthKeyId>, BTreeMap<AuthKeyId, SavedKey>) {
        let changed = self.journal.as_mut().map(core::mem::take);
        let (mut gone, mut keys) = (Vec::new(), BTreeMap::new());
        for id in changed.unwrap_or_default() {
            match self.keys.get(&id) {
                Some(key) => {
                    keys.insert(id, key.clone());
                }
                None => gone.push(id),
            }
        }
        (gone, keys)
    }

    pub(super) fn knows(&self, id: AuthKeyId) -> bool {
        self.keys.contains_key(&id)
    }

    /// The key, unless it is over.
    pub(super) fn get(&self, id: AuthKeyId, now: Time) -> Option<&AuthKey> {
        self.keys
            .get(&id)
            .filter(|key| key.expires.is_none_or(|expires| now < expires))
            .map(|key| &key.key)
    }

    pub(super) fn expires(&self, id: AuthKeyId) -> Option<Time> {
        self.keys.get(&id)?.expires
    }

    pub(super) fn first_salt(&self, id: AuthKeyId) -> Option<(i64, Time)> {
        self.keys.get(&id)?.first_salt
    }

    /// The permanent key behind a key.
    pub(super) fn permanent(&self, id: AuthKeyId) -> Option<AuthKeyId> {
        let key = self.keys.get(&id)?;
        if key.expires.is_none() {
            Some(id)
        } else {
            key.bound
        }
    }

    /// Keeps a new key; `false` if there are too many.
    pub(super) fn insert_new(&mut self, complete: &Complete, now: Time) -> bool {
        if self.keys.len() >= self.max {
            return false;
        }
        let expires = complete
            .expires_at
            .map(|at| Time::from_unix(u64::try_from(at).unwrap_or(0)).max(now));
        let key = SavedKey {
            key: complete.key.clone(),
            first_salt: Some((complete.salt, now)),
            expires,
            bound: None,
        };
        self.keys.insert(complete.key.id(), key);
        self.note(complete.key.id());
        true
    }

    /// Adds a permanent key from elsewhere.
    pub(super) fn insert_stored(&mut self, key: AuthKey) {
        if self.keys.len() < self.max {
            let id = key.id();
            self.keys.entry(id).or_insert(SavedKey {
                key,
                first_salt: None,
                expires: None,
                bound: None,
            });
            self.note(id);
        }
    }

    pub(super) fn remove(&mut self, id: AuthKeyId) {
        self.keys.remove(&id);
        self.note(id);
    }

    /// Forgets a permanent key and the temporary ones bound to it, which are returned; `None` for a
    /// temporary key.
    pub(super) fn destroy(&mut self, id: AuthKeyId) -> Option<Vec<AuthKeyId>> {
        if self.keys.get(&id).is_none_or(|key| key.expires.is_some()) {
            return None;
        }
        self.remove(id);
        Some(self.drop_temp(id, &[]))
    }

    /// Forgets the temporary keys bound to this one but for those named.
    pub(super) fn drop_temp(&mut self, perm: AuthKeyId, except: &[i64]) -> Vec<AuthKeyId> {
        let dropped: Vec<AuthKeyId> = self
            .keys
            .iter()
            .filter(|(id, key)| key.bound == Some(perm) && !except.contains(&id.0))
            .map(|(id, _)| *id)
            .collect();
        for id in &dropped {
            self.remove(*id);
        }
        dropped
    }

    pub(super) fn bind(
        &mut self,
        now: Time,
        bind: &Bind,
        message: &[u8],
    ) -> Result<(), BindRefused> {
        const INVALID: BindRefused = BindRefused::EncryptedMessageInvalid;

        let temp = self
            .keys
            .get(&bind.temp)
            .filter(|key| key.expires.is_some());
        let bound = temp.ok_or(BindRefused::NotTemporary)?.bound;
        let perm = self
            .keys
            .get(&bind.perm)
            .filter(|key| key.expires.is_none())
            .ok_or(INVALID)?;
        let opened = open_bind_message(&perm.key, message).map_err(|_| INVALID)?;
        let inner = opened.inner;
        let agrees = opened.msg_id == bind.msg_id
            && opened.seq_no == 0
            && inner.nonce == bind.nonce
            && inner.temp_auth_key_id == bind.temp
            && inner.perm_auth_key_id == bind.perm
            && inner.temp_session_id == bind.session
            && inner.expires_at == bind.expires_at;
        if !agrees {
            return Err(INVALID);
        }
        let expires = Time::from_unix(u64::try_from(bind.expires_at).unwrap_or(0));
        if expires <= now || expires > now + MAX_TEMP_LIFE {
            return Err(BindRefused::ExpiresAtInvalid);
        }
        if bound.is_some_and(|bound| bound != bind.perm) {
            return Err(BindRefused::AlreadyBound);
        }
        if let Some(temp) = self.keys.get_mut(&bind.temp) {
            temp.bound = Some(bind.perm);
        }
        self.note(bind.temp);
        Ok(())
    }

    /// The id of an unencrypted reply.
    pub(super) fn plain_msg_id(&mut self, now: Time) -> MsgId {
        let id = (floor_of(now) | 1).max(self.last_plain_id.saturating_add(4));
        self.last_plain_id = id;
        MsgId(id)
    }
}
