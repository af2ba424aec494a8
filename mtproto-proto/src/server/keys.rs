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
use crate::handshake::bind::{BindInner, OpenedBind, open_bind_message};
use crate::ids::{AuthKeyId, MsgId, SessionId};
use crate::server::ServerConfig;
use crate::server::state::SavedKey;
use crate::session::floor_of;
use crate::time::Time;

/// Longest life of a temporary key that is accepted, with a minute for clocks that differ.
const MAX_TEMP_LIFE: Duration = Duration::from_secs(86_400 + 60);

/// A key is noted as used again after this time: often enough to tell which was unused for longest.
const USED_AGAIN: Duration = Duration::from_secs(60);

/// What makes a key give way: the first in this order is the first to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// No packet came under it since it was made.
    Unused(Time),
    /// One came, last about then.
    Used(Time),
}

pub(super) struct Keys {
    keys: BTreeMap<AuthKeyId, SavedKey>,
    max: usize,
    /// Temporary keys by the permanent one that they are bound to.
    bound: BTreeSet<(AuthKeyId, AuthKeyId)>,
    max_bound: usize,
    /// The keys that may give way, and in which order.
    standing: BTreeMap<AuthKeyId, Standing>,
    order: BTreeSet<(Standing, AuthKeyId)>,
    /// Used permanent keys may give way too: somebody can be asked for them, or the owner keeps those
    /// that matter.
    forgets_used: bool,
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

/// There are as many keys as there may be, and none of them gives way.
pub(super) struct NoRoom;

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
            bound: BTreeSet::new(),
            max_bound: config.max_temp_keys_per_key.max(1),
            standing: BTreeMap::new(),
            order: BTreeSet::new(),
            forgets_used: config.forget_unkept_keys || config.external_keys,
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
    pub(super) fn restore(&mut self, keys: BTreeMap<AuthKeyId, SavedKey>, now: Time) {
        let bound = keys.iter().filter_map(|(id, key)| Some((key.bound?, *id)));
        self.bound = bound.collect();
        self.keys = keys;
        let ids: Vec<AuthKeyId> = self.keys.keys().copied().collect();
        for id in ids {
            self.stand(id, Standing::Used(now));
        }
    }

    /// Notes that a key may give way, if it may.
    fn stand(&mut self, id: AuthKeyId, standing: Standing) {
        self.stay(id);
        let Some(key) = self.keys.get(&id) else {
            return;
        };
        let may_go = match standing {
            Standing::Unused(_) => true,
            // A temporary key that is lost is made again; a bound one is left to its own bound.
            Standing::Used(_) if key.expires.is_some() => key.bound.is_none(),
            Standing::Used(_) => self.forgets_used,
        };
        if may_go {
            self.standing.insert(id, standing);
            self.order.insert((standing, id));
        }
    }

    /// The key does not give way.
    fn stay(&mut self, id: AuthKeyId) {
        if let Some(standing) = self.standing.remove(&id) {
            self.order.remove(&(standing, id));
        }
    }

    /// A packet came under a key.
    pub(super) fn used(&mut self, id: AuthKeyId, now: Time) {
        match self.standing.get(&id) {
            None => {}
            Some(Standing::Used(last)) if now < *last + USED_AGAIN => {}
            Some(_) => self.stand(id, Standing::Used(now)),
        }
    }

    /// Whether the owner wants a permanent key not to give way.
    pub(super) fn keep(&mut self, id: AuthKeyId, now: Time, keep: bool) {
        if keep {
            self.stay(id);
        } else {
            self.stand(id, Standing::Used(now));
        }
    }

    /// Whether one more key can be had, and which one has to go for that.
    pub(super) fn room(&self) -> Result<Option<AuthKeyId>, NoRoom> {
        if self.keys.len() < self.max {
            return Ok(None);
        }
        match self.order.first() {
            Some((_, id)) if self.keys.len() == self.max => Ok(Some(*id)),
            Some(_) | None => Err(NoRoom),
        }
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

    /// Keeps a new key, for which there is [`Keys::room`].
    pub(super) fn insert_new(&mut self, complete: &Complete, now: Time) {
        let expires = complete
            .expires_at
            .map(|at| Time::from_unix(u64::try_from(at).unwrap_or(0)).max(now));
        let key = SavedKey {
            key: complete.key.clone(),
            first_salt: Some((complete.salt, now)),
            expires,
            bound: None,
        };
        let id = complete.key.id();
        self.keys.insert(id, key);
        self.stand(id, Standing::Unused(now));
        self.note(id);
    }

    /// Adds a permanent key from elsewhere, for which there is [`Keys::room`].
    pub(super) fn insert_stored(&mut self, key: AuthKey, now: Time) {
        let id = key.id();
        self.keys.entry(id).or_insert(SavedKey {
            key,
            first_salt: None,
            expires: None,
            bound: None,
        });
        self.stand(id, Standing::Used(now));
        self.note(id);
    }

    /// Forgets one key; when it would have ended.
    pub(super) fn remove(&mut self, id: AuthKeyId) -> Option<Time> {
        self.stay(id);
        let key = self.keys.remove(&id)?;
        if let Some(perm) = key.bound {
            self.bound.remove(&(perm, id));
        }
        self.note(id);
        key.expires
    }

    pub(super) fn is_permanent(&self, id: AuthKeyId) -> bool {
        self.keys.get(&id).is_some_and(|key| key.expires.is_none())
    }

    /// The temporary keys bound to this one but for those named.
    pub(super) fn bound_to(&self, perm: AuthKeyId, except: &[i64]) -> Vec<AuthKeyId> {
        self.bound
            .range((perm, AuthKeyId(i64::MIN))..=(perm, AuthKeyId(i64::MAX)))
            .map(|(_, temp)| *temp)
            .filter(|temp| !except.contains(&temp.0))
            .collect()
    }

    /// Binds a temporary key; which other one of the same permanent key has to go for that.
    pub(super) fn bind(
        &mut self,
        now: Time,
        bind: &Bind,
        message: &[u8],
    ) -> Result<Option<AuthKeyId>, BindRefused> {
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
        let agreed = OpenedBind {
            msg_id: bind.msg_id,
            seq_no: 0,
            inner: BindInner {
                nonce: bind.nonce,
                temp_auth_key_id: bind.temp,
                perm_auth_key_id: bind.perm,
                temp_session_id: bind.session,
                expires_at: bind.expires_at,
            },
        };
        if opened != agreed {
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
        self.bound.insert((bind.perm, bind.temp));
        self.stay(bind.temp);
        self.used(bind.perm, now);
        self.note(bind.temp);
        let others = self.bound_to(bind.perm, &[bind.temp.0]);
        if others.len() < self.max_bound {
            return Ok(None);
        }
        Ok(others.into_iter().min_by_key(|temp| self.expires(*temp)))
    }

    /// The id of an unencrypted reply.
    pub(super) fn plain_msg_id(&mut self, now: Time) -> MsgId {
        let id = (floor_of(now) | 1).max(self.last_plain_id.saturating_add(4));
        self.last_plain_id = id;
        MsgId(id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::DcId;
    use crate::handshake::bind::bind_message;
    use crate::rng::Rng;

    const NOW: Time = Time::from_unix(1_700_000_000);
    const PERM: u8 = 1;
    const TEMP: u8 = 2;

    fn key(n: u8) -> AuthKey {
        AuthKey::from_bytes(&[n; 256])
    }

    fn id(n: u8) -> AuthKeyId {
        key(n).id()
    }

    fn at(secs: u64) -> Time {
        NOW + Duration::from_secs(secs)
    }

    /// A server that goes on with these keys, each with its end.
    fn keys(max: usize, stored: &[(u8, Option<Time>)]) -> Keys {
        let mut config = ServerConfig::new(DcId(2), Vec::new());
        (config.max_keys, config.max_temp_keys_per_key) = (max, 2);
        let mut keys = Keys::new(&config);
        let stored = stored.iter().map(|(n, expires)| {
            let saved = SavedKey {
                key: key(*n),
                first_salt: None,
                expires: *expires,
                bound: None,
            };
            (id(*n), saved)
        });
        keys.restore(stored.collect(), NOW);
        keys
    }

    #[test]
    fn a_temporary_key_is_over_at_its_end_and_is_nobodys_until_it_is_bound() {
        let mut keys = keys(9, &[(PERM, None), (TEMP, Some(at(100)))]);
        assert!(keys.get(id(TEMP), at(99)).is_some());
        assert!(keys.get(id(TEMP), at(100)).is_none());
        assert!(keys.get(id(PERM), Time::MAX).is_some());
        assert!(keys.get(id(9), NOW).is_none());
        assert!(keys.is_permanent(id(PERM)) && !keys.is_permanent(id(TEMP)));
        assert!(!keys.is_permanent(id(9)));
        let of = |keys: &Keys| [PERM, TEMP, 9].map(|n| keys.permanent(id(n)));
        assert_eq!(of(&keys), [Some(id(PERM)), None, None]);
        assert_eq!(bind(&mut keys, |_| {}, |_| {}), Ok(None));
        assert_eq!(of(&keys), [Some(id(PERM)), Some(id(PERM)), None]);
    }

    #[test]
    fn there_is_room_up_to_the_bound_and_then_only_in_the_place_of_another() {
        let room = |keys: &Keys| keys.room().ok();
        let temp = (TEMP, Some(at(100)));
        assert_eq!(room(&keys(2, &[(PERM, None)])), Some(None));
        assert_eq!(room(&keys(2, &[(PERM, None), (3, None)])), None);
        assert_eq!(room(&keys(2, &[(PERM, None), temp])), Some(Some(id(TEMP))));
        // What was stored may be more; then one that goes makes no room.
        assert_eq!(room(&keys(2, &[(PERM, None), (3, None), temp])), None);
        assert_eq!(room(&keys(0, &[])), None);
    }

    /// Binds [`TEMP`] to [`PERM`] until 100 s from now, with a change of what the call says and of
    /// what the message inside does.
    fn bind(
        keys: &mut Keys,
        outside: impl FnOnce(&mut Bind),
        inside: impl FnOnce(&mut BindInner),
    ) -> Result<Option<AuthKeyId>, BindRefused> {
        let mut call = Bind {
            temp: id(TEMP),
            perm: id(PERM),
            session: SessionId(7),
            msg_id: MsgId(8),
            nonce: 9,
            expires_at: 1_700_000_100,
        };
        let sent_as = call.msg_id;
        outside(&mut call);
        let mut inner = BindInner {
            nonce: call.nonce,
            temp_auth_key_id: call.temp,
            perm_auth_key_id: call.perm,
            temp_session_id: call.session,
            expires_at: call.expires_at,
        };
        inside(&mut inner);
        let message = bind_message(&key(PERM), sent_as, &inner, &mut Rng::from_seed([3; 32]));
        keys.bind(NOW, &call, &message)
    }

    #[test]
    fn a_bind_counts_only_if_the_message_inside_says_the_same() {
        const INVALID: Result<Option<AuthKeyId>, BindRefused> =
            Err(BindRefused::EncryptedMessageInvalid);
        let mut keys = keys(9, &[(PERM, None), (TEMP, Some(at(100))), (3, None)]);
        let changes: [fn(&mut BindInner); 5] = [
            |inner| inner.nonce = 1,
            |inner| inner.temp_auth_key_id = id(3),
            |inner| inner.perm_auth_key_id = id(3),
            |inner| inner.temp_session_id = SessionId(1),
            |inner| inner.expires_at = 1_700_000_099,
        ];
        for change in changes {
            assert_eq!(bind(&mut keys, |_| {}, change), INVALID);
        }
        assert_eq!(
            bind(&mut keys, |call| call.msg_id = MsgId(4), |_| {}),
            INVALID
        );
        // Sealed by another permanent key, or by none.
        assert_eq!(bind(&mut keys, |call| call.perm = id(3), |_| {}), INVALID);
        assert_eq!(bind(&mut keys, |call| call.perm = id(9), |_| {}), INVALID);
        assert_eq!(
            bind(&mut keys, |call| call.perm = id(TEMP), |_| {}),
            INVALID
        );
        for not_temporary in [PERM, 9] {
            let refused = bind(&mut keys, |call| call.temp = id(not_temporary), |_| {});
            assert_eq!(refused, Err(BindRefused::NotTemporary));
        }
        assert_eq!(keys.permanent(id(TEMP)), None);
        assert_eq!(bind(&mut keys, |_| {}, |_| {}), Ok(None));
    }

    #[test]
    fn a_bind_ends_after_now_and_within_a_day_and_a_minute() {
        let mut keys = keys(9, &[(PERM, None), (TEMP, Some(at(100)))]);
        for (secs, good) in [
            (-1, false),
            (0, false),
            (1, true),
            (86_460, true),
            (86_461, false),
        ] {
            let bound = bind(
                &mut keys,
                |call| call.expires_at = 1_700_000_000 + secs,
                |_| {},
            );
            let expected = if good {
                Ok(None)
            } else {
                Err(BindRefused::ExpiresAtInvalid)
            };
            assert_eq!(bound, expected, "{secs}");
        }
    }

    #[test]
    fn a_key_has_one_owner_and_an_owner_so_many_keys() {
        let end = |n: u8| Some(at(100 + u64::from(n)));
        let mut keys = keys(9, &[(PERM, None), (TEMP, end(2)), (3, end(3)), (4, end(4))]);
        for again in 0..2 {
            assert_eq!(bind(&mut keys, |_| {}, |_| {}), Ok(None), "{again}");
        }
        assert_eq!(bind(&mut keys, |call| call.temp = id(3), |_| {}), Ok(None));
        let third = bind(&mut keys, |call| call.temp = id(4), |_| {});
        assert_eq!(third, Ok(Some(id(TEMP))), "the one that ends first");

        let bound_elsewhere = |saved: &mut SavedKey| saved.bound = Some(id(9));
        keys.keys.get_mut(&id(TEMP)).map(bound_elsewhere).unwrap();
        assert_eq!(
            bind(&mut keys, |_| {}, |_| {}),
            Err(BindRefused::AlreadyBound)
        );
    }
}
