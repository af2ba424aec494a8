//! What of a server outlives its process.
//!
//! Does: [`ServerState`], keys and sessions as versioned bytes; [`ServerChange`], what changed of
//! them, for a journal.
//! In: a server ([`Server::suspend`](super::Server::suspend),
//! [`Server::poll_change`](super::Server::poll_change)), bytes. Out: the same again.
//! Must not know: where they are stored.
//! Spec: "Mobile Protocol: Detailed Description"; "Service Messages": a message is executed once, an
//! id is given once.

mod bytes;
mod records;

use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::bytes::{Sink, Source};
pub(crate) use self::records::{Saved, SavedKey, SavedSession};
use crate::ids::{AuthKeyId, SessionId};

const STATE_MAGIC: &[u8; 4] = b"mtps";
const CHANGE_MAGIC: &[u8; 4] = b"mtpc";
const VERSION: u8 = 1;
const CHECKSUM: usize = 8;

/// All that a server has to remember: its keys with their bindings and first salts, the secret that
/// its salts are made from, and its sessions: what came in them, which calls run, what was answered
/// and not acknowledged.
///
/// Keep it secret: whoever has it is the server, and everybody who has a key with it. It is zeroised
/// on drop, but for the bodies of calls and answers.
///
/// Streams and half-done handshakes are not part of it; clients come back. Its size is bounded by
/// the [`ServerConfig`](super::ServerConfig) of the server that it is of.
///
/// ```
/// use std::sync::Arc;
///
/// use mtproto_proto::crypto::RsaPrivateKey;
/// use mtproto_proto::server::{Server, ServerConfig, ServerState};
/// use mtproto_proto::{DcId, Rng, Time};
///
/// # const PEM: &str = include_str!("../../../../tests/tests/keys/server.pem");
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Arc::new(ServerConfig::new(DcId(2), vec![RsaPrivateKey::from_pem(PEM)?]));
/// let now = Time::from_unix(1_750_000_000);
/// let mut server = Server::new(config.clone(), Rng::from_seed([7; 32]), now);
/// let stored = server.suspend().to_bytes();
///
/// // The process ends; another one begins.
/// let state = ServerState::from_bytes(&stored)?;
/// let server = Server::resume(config, state, Rng::from_seed([8; 32]), now);
/// # let _ = server;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ServerState(pub(crate) Saved);

/// What changed of a server's [`ServerState`] in some time: append its bytes to a journal, and after
/// a restart [`apply`](ServerState::apply) all of them in their order.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerChange(pub(crate) Saved);

/// Why stored bytes are no state, or no change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerStateError {
    /// They do not begin like it.
    NotAState,
    /// They were written by a newer release.
    Version {
        /// The version found.
        got: u8,
        /// The newest version that this release reads.
        max: u8,
    },
    /// They are cut off or were changed.
    Damaged,
}

impl fmt::Display for ServerStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAState => f.write_str("this is no stored state of a server"),
            Self::Version { got, max } => write!(
                f,
                "the state was stored in version {got}, this release reads versions up to {max}; update"
            ),
            Self::Damaged => f.write_str("the stored state is cut off or damaged"),
        }
    }
}

impl core::error::Error for ServerStateError {}

impl ServerState {
    /// Versioned bytes, to be stored in a secret place. They are zeroised on drop.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        seal(STATE_MAGIC, &self.0)
    }

    /// The state that [`ServerState::to_bytes`] stored. The checksum finds damage, not malice.
    ///
    /// # Errors
    /// [`ServerStateError`] if it is not one, is damaged, or is newer than this release.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ServerStateError> {
        open(STATE_MAGIC, bytes).map(ServerState)
    }

    /// Brings it up to date with what changed next.
    pub fn apply(&mut self, change: ServerChange) {
        self.0.apply(change.0);
    }

    /// Keys only. Clients are told with `new_session_created` that their sessions are new, and
    /// nothing that came in an old one is taken again: that is remembered.
    #[must_use]
    pub fn without_sessions(mut self) -> Self {
        self.0.forget_sessions();
        self
    }

    /// The ids of all keys, temporary ones included.
    pub fn keys(&self) -> impl Iterator<Item = AuthKeyId> + '_ {
        self.0.keys.keys().copied()
    }

    /// All sessions, by key and id.
    pub fn sessions(&self) -> impl Iterator<Item = (AuthKeyId, SessionId)> + '_ {
        self.0.sessions.keys().copied()
    }
}

impl ServerChange {
    /// Versioned bytes, to be stored in a secret place. They are zeroised on drop.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        seal(CHANGE_MAGIC, &self.0)
    }

    /// The change that [`ServerChange::to_bytes`] stored.
    ///
    /// # Errors
    /// [`ServerStateError`] if it is not one, is damaged, or is newer than this release.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ServerStateError> {
        open(CHANGE_MAGIC, bytes).map(ServerChange)
    }
}

fn seal(magic: &[u8], saved: &Saved) -> Zeroizing<Vec<u8>> {
    Sink::collect(|to| {
        to.put(magic);
        to.u8(VERSION);
        saved.write(to);
        let digest = Sha256::digest(to.written());
        to.put(digest.first_chunk::<CHECKSUM>().unwrap_or(&[0; CHECKSUM]));
    })
}

fn open(magic: &[u8], bytes: &[u8]) -> Result<Saved, ServerStateError> {
    let rest = bytes
        .strip_prefix(magic)
        .ok_or(ServerStateError::NotAState)?;
    let (version, rest) = rest.split_first().ok_or(ServerStateError::Damaged)?;
    if *version != VERSION {
        return Err(ServerStateError::Version {
            got: *version,
            max: VERSION,
        });
    }
    let (content, checksum) = bytes
        .split_last_chunk::<CHECKSUM>()
        .ok_or(ServerStateError::Damaged)?;
    if !Sha256::digest(content).starts_with(checksum) {
        return Err(ServerStateError::Damaged);
    }
    rest.split_last_chunk::<CHECKSUM>()
        .and_then(|(payload, _)| Saved::read(Source(payload)))
        .ok_or(ServerStateError::Damaged)
}

/// Shows how much there is.
impl fmt::Debug for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("ServerState", &self.0, f)
    }
}

/// Shows how much there is.
impl fmt::Debug for ServerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show("ServerChange", &self.0, f)
    }
}

fn show(name: &str, saved: &Saved, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("keys", &saved.keys.len())
        .field("sessions", &saved.sessions.len())
        .finish_non_exhaustive()
}
