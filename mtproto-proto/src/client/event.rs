//! What the client wants done, and what it tells.
//!
//! Does: [`Action`] for the driver, [`Event`] for the application, reasons.
//! In and out: plain values.
//! Must not know: when they come about.
//! Spec: "Handling API errors".

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::client::Change;
use crate::connection;
use crate::error::{Fate, RequestError};
use crate::ids::{ConnId, DcId, RequestId};
use crate::shown::Shown;

/// What the driver is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Open a stream; report [`Client::handle_connected`](super::Client::handle_connected) or
    /// [`Client::handle_connect_failed`](super::Client::handle_connect_failed).
    Connect {
        /// The stream's name, never used before.
        conn: ConnId,
        /// Whose it is.
        dc: DcId,
        /// Where to.
        target: Target,
    },
    /// There is output for this stream: call
    /// [`Client::poll_transmit`](super::Client::poll_transmit) until it says `false`.
    Transmit {
        /// The stream.
        conn: ConnId,
    },
    /// Write what `poll_transmit` still gives (a second at most), then close it; also aborts an
    /// attempt to connect. No `handle_closed` is expected.
    Close {
        /// The stream.
        conn: ConnId,
    },
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// TCP.
    Tcp(SocketAddr),
}

/// What happened.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to a call.
    Response {
        /// As given by [`Client::send`](super::Client::send).
        id: RequestId,
        /// The boxed result.
        body: Bytes,
    },
    /// A call ended without one.
    Failed {
        /// As given by [`Client::send`](super::Client::send).
        id: RequestId,
        /// Why.
        error: CallError,
    },
    /// The server wants a pause; the call is sent again after it, as the policy says.
    FloodWait {
        /// As given by [`Client::send`](super::Client::send).
        id: RequestId,
        /// The pause.
        wait: Duration,
    },
    /// The server has proved to be a DC with our key.
    Connected {
        /// Which DC.
        dc: DcId,
        /// A stream for files.
        media: bool,
    },
    /// A stream to a DC ended, or could not be opened; another follows if one is needed.
    Disconnected {
        /// Which DC.
        dc: DcId,
        /// A stream for files.
        media: bool,
        /// Why.
        reason: Disconnected,
    },
    /// An account is signed in on this DC, which is the main one.
    SignedIn {
        /// Who.
        user_id: i64,
        /// Where.
        dc: DcId,
    },
    /// The account is no longer signed in here; calls that waited fail with
    /// [`CallError::SignedOut`], and so do later ones that the server refuses because nobody is
    /// signed in.
    SignedOut(SignedOut),
    /// The main DC is another one.
    MainDcChanged {
        /// Which.
        dc: DcId,
    },
    /// Store this.
    Changed(Change),
}

/// Shows of a body its constructor and its length only.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Response { id, body } => f
                .debug_struct("Response")
                .field("id", id)
                .field("body", &Shown(body))
                .finish(),
            Self::Failed { id, error } => f
                .debug_struct("Failed")
                .field("id", id)
                .field("error", error)
                .finish(),
            Self::FloodWait { id, wait } => f
                .debug_struct("FloodWait")
                .field("id", id)
                .field("wait", wait)
                .finish(),
            Self::Connected { dc, media } => f
                .debug_struct("Connected")
                .field("dc", dc)
                .field("media", media)
                .finish(),
            Self::Disconnected { dc, media, reason } => f
                .debug_struct("Disconnected")
                .field("dc", dc)
                .field("media", media)
                .field("reason", reason)
                .finish(),
            Self::SignedIn { user_id, dc } => f
                .debug_struct("SignedIn")
                .field("user_id", user_id)
                .field("dc", dc)
                .finish(),
            Self::SignedOut(reason) => f.debug_tuple("SignedOut").field(reason).finish(),
            Self::MainDcChanged { dc } => f.debug_struct("MainDcChanged").field("dc", dc).finish(),
            Self::Changed(change) => f.debug_tuple("Changed").field(change).finish(),
        }
    }
}

/// Why a call ended without an answer. [`CallError::fate`] says what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// As for one connection: an error of the server, a deadline, …
    Request(RequestError),
    /// The account was signed out.
    SignedOut {
        /// Why.
        reason: SignedOut,
        /// What is known of the call.
        fate: Fate,
    },
    /// The table has no usable address of this DC.
    UnknownDc {
        /// Which.
        dc: DcId,
        /// What is known of the call.
        fate: Fate,
    },
    /// The DC has proved its identity and says that it does not know the account's key. The account
    /// is kept: servers have lost sight of keys for a while. Try again later; if it lasts, the
    /// account has to sign in anew.
    KeyDenied {
        /// Which.
        dc: DcId,
        /// What is known of the call.
        fate: Fate,
    },
}

impl CallError {
    /// What is known of the call; `None` if the server answered it: with an error
    /// ([`RequestError::Rpc`]) or with what cannot be read ([`RequestError::BadAnswer`]).
    pub fn fate(&self) -> Option<Fate> {
        match self {
            Self::Request(error) => error.fate(),
            Self::SignedOut { fate, .. }
            | Self::UnknownDc { fate, .. }
            | Self::KeyDenied { fate, .. } => Some(*fate),
        }
    }

    /// The same for another call that ends for the same reason.
    pub(super) fn with_fate(&self, fate: Fate) -> Self {
        match self {
            Self::Request(error) => Self::Request(match error {
                RequestError::TimedOut(_) => RequestError::TimedOut(fate),
                RequestError::Cancelled(_) => RequestError::Cancelled(fate),
                RequestError::Lost(_) => RequestError::Lost(fate),
                other @ (RequestError::Rpc(_)
                | RequestError::DependencyFailed(_)
                | RequestError::BadAnswer) => other.clone(),
            }),
            Self::SignedOut { reason, .. } => Self::SignedOut {
                reason: *reason,
                fate,
            },
            Self::UnknownDc { dc, .. } => Self::UnknownDc { dc: *dc, fate },
            Self::KeyDenied { dc, .. } => Self::KeyDenied { dc: *dc, fate },
        }
    }
}

impl From<RequestError> for CallError {
    fn from(error: RequestError) -> Self {
        CallError::Request(error)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(error) => error.fmt(f),
            Self::SignedOut { reason, fate } => {
                write!(f, "the account was signed out: {reason}; {fate}")
            }
            Self::UnknownDc { dc, fate } => write!(f, "no address of DC {dc} is known; {fate}"),
            Self::KeyDenied { dc, fate } => write!(
                f,
                "DC {dc} says that it does not know the account's key; {fate}"
            ),
        }
    }
}

impl core::error::Error for CallError {}

/// Why an account is no longer signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignedOut {
    /// By `auth.logOut` of this client.
    Requested,
    /// Another session of the account ended this one (`SESSION_REVOKED`, `AUTH_KEY_UNREGISTERED`).
    Revoked,
    /// `SESSION_EXPIRED`.
    Expired,
    /// `USER_DEACTIVATED`.
    Deactivated,
    /// `USER_DEACTIVATED_BAN`.
    Banned,
    /// `AUTH_KEY_DUPLICATED`: the key was used from two places at once and is dead.
    KeyDuplicated,
    /// `AUTH_KEY_INVALID`, or the server has proved its identity and does not know the key, which
    /// has not worked for a day or since the client began.
    KeyInvalid,
}

impl fmt::Display for SignedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "this client logged out",
            Self::Revoked => "another session of the account ended this one",
            Self::Expired => "the session expired",
            Self::Deactivated => "the account was deleted",
            Self::Banned => "the account was banned",
            Self::KeyDuplicated => "the key was used from two places at once and is dead",
            Self::KeyInvalid => "the server refuses the key",
        })
    }
}

/// Why a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disconnected {
    /// It could not be opened.
    NotConnected,
    /// The peer or the network closed it, or the network is another one.
    Closed,
    /// A protocol error or a deadline.
    Error(connection::Error),
    /// It was idle and is not needed.
    Idle,
}
