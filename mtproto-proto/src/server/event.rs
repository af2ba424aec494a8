//! What a server wants done, and what it tells.
//!
//! Does: [`Action`] for the driver, [`Event`] for the owner.
//! In and out: plain values.
//! Must not know: when they come about.
//! Spec: "Service Messages"; "Perfect Forward Secrecy".

use core::fmt;

use bytes::Bytes;

use crate::connection::Error;
use crate::crypto::AuthKey;
use crate::ids::{AuthKeyId, ConnId, IncomingId, MsgId, SessionId};
use crate::shown::Shown;

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// There is output for this stream: call [`Server::poll_transmit`](super::Server::poll_transmit) until it says `false`.
    Transmit {
        /// The stream.
        conn: ConnId,
    },
    /// Write what [`Server::poll_transmit`](super::Server::poll_transmit) still gives, for at most a second, and close.
    Close {
        /// The stream.
        conn: ConnId,
        /// Why.
        error: Error,
    },
    /// The stream is not ours, and nothing was written to it: pass these bytes, and all that comes
    /// after them, to the web server that this one poses as, and its answers back; or close. The
    /// server is done with the stream, which takes no place among its streams any more; call
    /// [`Server::handle_closed`](super::Server::handle_closed) when it is over. Only with
    /// [`ServerConfig::fallback`](super::ServerConfig::fallback).
    Fallback {
        /// The stream.
        conn: ConnId,
        /// All that came, at most 4 KiB and what came last.
        bytes: Bytes,
        /// Why it is not ours.
        error: Error,
    },
}

/// What a server tells its owner.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A client made a key. It is known from now on; store it if it is to survive the process.
    KeyCreated {
        /// The key.
        key: AuthKey,
        /// The first salt.
        salt: i64,
        /// For a temporary key: when it ends, Unix seconds.
        expires_at: Option<i32>,
    },
    /// A packet names a key that is not known: answer with [`Server::provide_key`](super::Server::provide_key). Only with
    /// [`ServerConfig::external_keys`](super::ServerConfig::external_keys).
    KeyNeeded {
        /// The key's id.
        auth_key_id: AuthKeyId,
    },
    /// A client destroyed its key.
    KeyDestroyed {
        /// The key's id.
        auth_key_id: AuthKeyId,
    },
    /// There were too many keys, and this one gave way
    /// ([`ServerConfig::max_keys`](super::ServerConfig::max_keys)); temporary keys bound to it go with
    /// it. The server does not know it any more.
    KeyForgotten {
        /// The key's id.
        auth_key_id: AuthKeyId,
    },
    /// A session was heard of for the first time.
    SessionCreated {
        /// Its key, as used.
        auth_key_id: AuthKeyId,
        /// Its id.
        session: SessionId,
    },
    /// A session is forgotten: it was destroyed, or unused for too long.
    SessionClosed {
        /// Its key, as used.
        auth_key_id: AuthKeyId,
        /// Its id.
        session: SessionId,
    },
    /// A call to be answered with [`Server::respond`](super::Server::respond) or [`Server::respond_error`](super::Server::respond_error).
    Request {
        /// Names the call.
        id: IncomingId,
        /// The key that it came under.
        auth_key_id: AuthKeyId,
        /// The permanent key behind it; none for a temporary key that is not bound.
        perm_key: Option<AuthKeyId>,
        /// The session.
        session: SessionId,
        /// The message.
        msg_id: MsgId,
        /// The boxed function, wrappers and all.
        body: Bytes,
        /// It came before a restart and was not answered: whoever ran the server then may have
        /// been told of it under the same `id`, and may have executed it. The client does not send
        /// it again; answer it, with what came of it or with an error.
        again: bool,
    },
    /// The client does not want this call's answer any more.
    Dropped {
        /// The call.
        id: IncomingId,
    },
}

/// Shows of a body its constructor and its length only, and of a new key its id: the first salt
/// betrays the beginning of `new_nonce` to who saw the handshake.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyCreated {
                key,
                salt: _,
                expires_at,
            } => f
                .debug_struct("KeyCreated")
                .field("key", key)
                .field("expires_at", expires_at)
                .finish_non_exhaustive(),
            Self::KeyNeeded { auth_key_id } => f
                .debug_struct("KeyNeeded")
                .field("auth_key_id", auth_key_id)
                .finish(),
            Self::KeyDestroyed { auth_key_id } => f
                .debug_struct("KeyDestroyed")
                .field("auth_key_id", auth_key_id)
                .finish(),
            Self::KeyForgotten { auth_key_id } => f
                .debug_struct("KeyForgotten")
                .field("auth_key_id", auth_key_id)
                .finish(),
            Self::SessionCreated {
                auth_key_id,
                session,
            } => f
                .debug_struct("SessionCreated")
                .field("auth_key_id", auth_key_id)
                .field("session", session)
                .finish(),
            Self::SessionClosed {
                auth_key_id,
                session,
            } => f
                .debug_struct("SessionClosed")
                .field("auth_key_id", auth_key_id)
                .field("session", session)
                .finish(),
            Self::Request {
                id,
                auth_key_id,
                perm_key,
                session,
                msg_id,
                body,
                again,
            } => f
                .debug_struct("Request")
                .field("id", id)
                .field("auth_key_id", auth_key_id)
                .field("perm_key", perm_key)
                .field("session", session)
                .field("msg_id", msg_id)
                .field("body", &Shown(body))
                .field("again", again)
                .finish(),
            Self::Dropped { id } => f.debug_struct("Dropped").field("id", id).finish(),
        }
    }
}
