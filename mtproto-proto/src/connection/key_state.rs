//! What outlives a stream, and what outlives the process.
//!
//! Does: [`KeyState`], a key with what belongs to it, as versioned bytes; [`Suspended`], a session
//! or a handshake between two streams.
//! In and out: plain values and bytes.
//! Must not know: where they are stored.
//! Spec: "Creating an Authorization Key"; "Server Salt".

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Buf;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::connection::client::Running;
use crate::crypto::AuthKey;
use crate::crypto::dh::PrimeHash;
#[cfg(feature = "client")]
use crate::error::Fate;
use crate::error::{Progress, RequestError};
use crate::handshake::Complete;
use crate::ids::{AuthKeyId, DcId, RequestId};
use crate::session::{MAX_FUTURE, Pending, Salt, Salts, Session};
use crate::time::Time;

/// An authorization key with its DC, its salts and the server's time: what the owner of a key
/// keeps. Keep it secret: it is the login.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyState {
    pub(crate) key: AuthKey,
    pub(crate) dc: DcId,
    pub(crate) salts: Salts,
    /// Server time minus local time, nanoseconds: a hint after a restart.
    pub(crate) time_offset: i64,
    /// Server time, Unix seconds.
    pub(crate) created_at: i64,
    /// Server time, Unix seconds; none for a permanent key.
    pub(crate) expires_at: Option<i64>,
}

/// Why stored bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyStateError {
    /// It does not begin like a stored key.
    NotAKey,
    /// It was written by a newer release.
    Version {
        /// The version found.
        got: u8,
        /// The newest version that this release reads.
        max: u8,
    },
    /// It is cut off or was changed.
    Damaged,
}

impl fmt::Display for KeyStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKey => f.write_str("this is no stored authorization key"),
            Self::Version { got, max } => write!(
                f,
                "the key was stored in version {got}, this release reads versions up to {max}; update"
            ),
            Self::Damaged => f.write_str("the stored key is cut off or damaged"),
        }
    }
}

impl core::error::Error for KeyStateError {}

const MAGIC: &[u8; 4] = b"mtpk";
const VERSION: u8 = 1;
const CHECKSUM: usize = 8;

impl KeyState {
    /// A key from elsewhere, with nothing known of it but its DC. The first salt is asked for and
    /// costs one round trip.
    pub fn from_auth_key(key: [u8; 256], dc: DcId) -> Self {
        KeyState {
            key: AuthKey::from_bytes(&key),
            dc,
            salts: Salts::new(0, Time::ZERO),
            time_offset: 0,
            created_at: 0,
            expires_at: None,
        }
    }

    pub(crate) fn created(complete: &Complete, dc: DcId) -> Self {
        let server = Time::from_unix(u64::try_from(complete.server_time).unwrap_or(0));
        KeyState {
            key: complete.key.clone(),
            dc,
            salts: Salts::first(complete.salt, server),
            time_offset: signed(server).saturating_sub(signed(complete.at)),
            created_at: i64::from(complete.server_time),
            expires_at: complete.expires_at.map(i64::from),
        }
    }

    /// The key's id.
    pub fn auth_key_id(&self) -> AuthKeyId {
        self.key.id()
    }

    /// The 256 bytes of the key itself, for export to other libraries.
    pub fn auth_key(&self) -> &[u8; 256] {
        self.key.as_bytes()
    }

    /// The DC that the key was made with.
    pub fn dc(&self) -> DcId {
        self.dc
    }

    /// When the key was made, server time, Unix seconds; 0 if unknown.
    pub fn created_at(&self) -> i64 {
        self.created_at
    }

    /// Versioned bytes, to be stored in a secret place. They are zeroised on drop.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(2_048));
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&self.dc.0.to_le_bytes());
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(&self.time_offset.to_le_bytes());
        out.extend_from_slice(&self.created_at.to_le_bytes());
        out.extend_from_slice(&self.expires_at.unwrap_or(0).to_le_bytes());
        let (current, future) = self.salts.parts();
        let count = u8::try_from(future.len().min(MAX_FUTURE)).unwrap_or(0);
        out.push(count);
        for salt in core::iter::once(&current).chain(future.iter().take(usize::from(count))) {
            out.extend_from_slice(&salt.since.as_nanos().to_le_bytes());
            out.extend_from_slice(&salt.until.as_nanos().to_le_bytes());
            out.extend_from_slice(&salt.salt.to_le_bytes());
        }
        let digest = Sha256::digest(out.as_slice());
        out.extend(digest.iter().take(CHECKSUM));
        out
    }

    /// The key that [`KeyState::to_bytes`] stored.
    ///
    /// # Errors
    /// [`KeyStateError`] if it is not one, is damaged, or is newer than this release.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyStateError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(KeyStateError::NotAKey)?;
        let (version, _) = rest.split_first().ok_or(KeyStateError::Damaged)?;
        if *version != VERSION {
            return Err(KeyStateError::Version {
                got: *version,
                max: VERSION,
            });
        }
        let (content, checksum) = bytes
            .split_last_chunk::<CHECKSUM>()
            .ok_or(KeyStateError::Damaged)?;
        if !Sha256::digest(content).starts_with(checksum) {
            return Err(KeyStateError::Damaged);
        }
        KeyState::parse(
            content
                .get(MAGIC.len().saturating_add(1)..)
                .unwrap_or_default(),
        )
        .ok_or(KeyStateError::Damaged)
    }

    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let dc = DcId(bytes.try_get_i16_le().ok()?);
        let (key, mut bytes) = bytes.split_first_chunk::<256>()?;
        let time_offset = bytes.try_get_i64_le().ok()?;
        let created_at = bytes.try_get_i64_le().ok()?;
        let expires_at = bytes.try_get_i64_le().ok()?;
        let count = usize::from(bytes.try_get_u8().ok()?);
        let mut salt = || {
            let since = Time::from_nanos(bytes.try_get_u64_le().ok()?);
            let until = Time::from_nanos(bytes.try_get_u64_le().ok()?);
            Some(Salt {
                since,
                until,
                salt: bytes.try_get_i64_le().ok()?,
            })
        };
        let current = salt()?;
        let future = (0..count).map(|_| salt()).collect::<Option<Vec<_>>>()?;
        if !bytes.is_empty() || count > MAX_FUTURE {
            return None;
        }
        Some(KeyState {
            key: AuthKey::from_bytes(key),
            dc,
            salts: Salts::from_parts(current, future),
            time_offset,
            created_at,
            expires_at: (expires_at != 0).then_some(expires_at),
        })
    }

    /// Server time as far as this key knows it.
    pub(crate) fn server_now(&self, now: Time) -> Time {
        let nanos = signed(now).saturating_add(self.time_offset);
        Time::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// The local time at which a temporary key should be replaced: an hour before its end, or
    /// after three quarters of a short life.
    pub(crate) fn renew_at(&self) -> Option<Time> {
        const MARGIN_SECS: i64 = 3_600;

        let expires_at = self.expires_at?;
        let margin = MARGIN_SECS.min(expires_at.saturating_sub(self.created_at) / 4);
        let server = expires_at.saturating_sub(margin);
        let server = Time::from_unix(u64::try_from(server).unwrap_or(0));
        let nanos = signed(server).saturating_sub(self.time_offset);
        Some(Time::from_nanos(u64::try_from(nanos).unwrap_or(0)))
    }

    /// Whether a temporary key has less than this left.
    pub(crate) fn expires_within(&self, now: Time, left: Duration) -> bool {
        let soon = i64::try_from((self.server_now(now) + left).unix()).unwrap_or(i64::MAX);
        self.expires_at.is_some_and(|at| at <= soon)
    }
}

fn signed(time: Time) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Shows the id only.
impl fmt::Debug for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyState")
            .field("auth_key_id", &self.key.id())
            .field("dc", &self.dc)
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// How a connection begins.
#[derive(Debug)]
#[non_exhaustive]
pub enum Start {
    /// With a handshake: a new permanent key.
    NewKey,
    /// With a stored key and a new session.
    Key(KeyState),
    /// With the session, or the half-done handshake, of a stream that ended.
    Resume(Box<Suspended>),
}

/// What is left of a connection whose stream ended: its keys, its session with all that waits, or
/// its half-done handshake. It lives in memory only: a session's counters must never be used twice.
#[derive(Debug, Default)]
pub struct Suspended {
    pub(crate) perm: Option<KeyState>,
    pub(crate) temp: Option<KeyState>,
    pub(crate) handshake: Option<Running>,
    pub(crate) session: Option<Session>,
    pub(crate) waiting: Pending,
    pub(crate) good_primes: Vec<PrimeHash>,
}

impl Suspended {
    /// The permanent key, if there is one.
    pub fn key_state(&self) -> Option<&KeyState> {
        self.perm.as_ref()
    }

    /// Ends a request; what is known of its fate, if it was one. The server is told over the next
    /// stream that its answer is not wanted.
    #[cfg(feature = "client")]
    pub(crate) fn cancel(&mut self, id: RequestId) -> Option<Fate> {
        match &mut self.session {
            Some(session) => session.withdraw(id),
            None => self.waiting.withdraw(id).map(|request| request.fate()),
        }
    }

    /// How far a request is; `None` when it has ended or never was.
    pub fn progress(&self, id: RequestId) -> Option<Progress> {
        match &self.session {
            Some(session) => session.progress(id),
            None => self.waiting.progress(id),
        }
    }

    /// Whether there is a session under a temporary key.
    #[cfg(feature = "client")]
    pub(crate) fn runs_on_temporary_key(&self) -> bool {
        self.session.is_some() && self.temp.is_some()
    }

    /// What is worth keeping when nothing waits and no stream follows soon: a temporary key.
    #[cfg(feature = "client")]
    pub(crate) fn without_session(mut self: Box<Self>) -> Option<Box<Self>> {
        self.session = None;
        self.handshake = None;
        self.temp.is_some().then_some(self)
    }

    /// What waits, for another key.
    #[cfg(feature = "client")]
    pub(crate) fn without_key(self: Box<Self>) -> Box<Self> {
        let waiting = self.session.map_or(self.waiting, Session::into_pending);
        Box::new(Suspended {
            waiting,
            good_primes: self.good_primes,
            ..Suspended::default()
        })
    }

    /// Requests that wait, and how each ends if there is no further stream.
    pub fn into_failures(self) -> Vec<(RequestId, RequestError)> {
        let pending = self.session.map_or(self.waiting, Session::into_pending);
        pending.into_fates()
    }
}
