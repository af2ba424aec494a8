//! Everything that can go wrong for the user of a client, and what to do about it.
//!
//! Does: [`Error`], [`Trouble`], [`CloseReason`].
//! In: the errors of the rooms below. Out: texts for people, kinds for programs.
//! Must not know: how an error came about.
//! Spec: "Handling errors".

use std::net::SocketAddr;
use std::sync::Arc;
use std::{error, fmt, io};

use mtproto_proto::client::{CallError, Disconnected, Migrate, RpcKind, SignedOut, SnapshotError};
use mtproto_proto::connection::{self, ConfigError};
use mtproto_proto::{DcId, Fate, RequestError, RequestId, RpcError, SendError, handshake};
use mtproto_schema::DecodeError;
#[cfg(feature = "json")]
use mtproto_schema::ValueError;

use super::api::PeerError;
use crate::StoreError;
use crate::connection::advice;
use crate::shared::Aborted;
#[cfg(feature = "json")]
use crate::shared::json::JsonError;

/// Why a call or a client failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration contradicts itself.
    Config(ConfigError),
    /// The operating system has no randomness to give.
    Entropy(Arc<io::Error>),
    /// The account could not be read, or not everything could be kept.
    Store(StoreError),
    /// The account is too large for one text.
    Snapshot(SnapshotError),
    /// The main DC has not proved itself in time. The client goes on trying.
    Unreachable {
        /// Which DC.
        dc: DcId,
        /// What the last attempt ran into.
        trouble: Option<Trouble>,
    },
    /// No address of this DC is known.
    UnknownDc {
        /// Which.
        dc: DcId,
        /// What is known of the call.
        fate: Fate,
    },
    /// The DC has proved its identity and does not know the account's key. The account is kept:
    /// servers have lost sight of keys for a while. If it lasts, sign in anew.
    KeyDenied {
        /// Which.
        dc: DcId,
        /// What is known of the call.
        fate: Fate,
    },
    /// The user, chat or channel cannot be used.
    Peer(PeerError),
    /// The client did not take the call.
    Send(SendError),
    /// The server answered with an error.
    Rpc(RpcError),
    /// The account is no longer signed in.
    SignedOut {
        /// Why.
        reason: SignedOut,
        /// What is known of the call.
        fate: Fate,
    },
    /// No answer within the call's deadline.
    TimedOut(Fate),
    /// The call was given up before it had an answer.
    Lost(Fate),
    /// The call that it was to come after ([`CallOptions::after`](super::CallOptions::after)) ended
    /// without success; this one was not executed.
    DependencyFailed(RequestId),
    /// The answer came, and is compressed data that is broken or too large.
    BadAnswer,
    /// The answer came, and is not of the method's type.
    Decode {
        /// The method.
        method: &'static str,
        /// What was found.
        error: DecodeError,
    },
    /// The client ended while the call was on its way.
    Cut {
        /// What is known of the call.
        fate: Fate,
        /// Why the client ended.
        reason: CloseReason,
    },
    /// The client has ended.
    Closed(CloseReason),
    /// The schema of calls by name has no such method; nothing was sent.
    #[cfg(feature = "json")]
    UnknownMethod {
        /// The name.
        method: String,
    },
    /// The JSON does not fit the method; nothing was sent.
    #[cfg(feature = "json")]
    Arguments {
        /// The method.
        method: String,
        /// What is wrong, and where.
        error: ValueError,
    },
    /// The answer came, and does not fit the schema.
    #[cfg(feature = "json")]
    Answer {
        /// The method.
        method: String,
        /// What was found.
        error: ValueError,
    },
}

/// Why a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// [`close`](super::Client::close) was called, or the last handle was dropped.
    Requested,
    /// The runtime dropped the client's task.
    Aborted,
}

/// Why there is no stream to a DC at the moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// It could not be opened.
    Connect {
        /// Where to.
        to: SocketAddr,
        /// What the operating system said; of kind `TimedOut` after `Config::connect_timeout`.
        error: Arc<io::Error>,
    },
    /// It ended.
    Ended(Disconnected),
}

impl Trouble {
    /// Whether another attempt will end in the same way until somebody changes something.
    pub(crate) fn is_lasting(&self) -> bool {
        let Trouble::Ended(Disconnected::Error(error)) = self else {
            return false;
        };
        matches!(
            error,
            connection::Error::Handshake(handshake::Error::UnknownFingerprints { .. })
                | connection::Error::Status { code: -444 }
        )
    }
}

impl Error {
    /// What is known of the call; `None` if the server answered it, or if this is not about a call.
    pub fn fate(&self) -> Option<Fate> {
        match self {
            Error::TimedOut(fate)
            | Error::Lost(fate)
            | Error::SignedOut { fate, .. }
            | Error::UnknownDc { fate, .. }
            | Error::KeyDenied { fate, .. }
            | Error::Cut { fate, .. } => Some(*fate),
            // It was held back, or the server refused it for this reason.
            Error::DependencyFailed(_) => Some(Fate::NotReceived),
            Error::Send(_) | Error::Peer(_) => Some(Fate::NotSent),
            #[cfg(feature = "json")]
            Error::UnknownMethod { .. } | Error::Arguments { .. } => Some(Fate::NotSent),
            #[cfg(feature = "json")]
            Error::Answer { .. } => None,
            Error::Config(_)
            | Error::Entropy(_)
            | Error::Store(_)
            | Error::Snapshot(_)
            | Error::Unreachable { .. }
            | Error::Rpc(_)
            | Error::BadAnswer
            | Error::Decode { .. }
            | Error::Closed(_) => None,
        }
    }

    /// The server's error, if that is what this is.
    pub fn rpc(&self) -> Option<&RpcError> {
        if let Error::Rpc(error) = self {
            return Some(error);
        }
        None
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(error) => write!(f, "the configuration is wrong: {error}"),
            Error::Entropy(error) => {
                write!(f, "the operating system gives no randomness: {error}")
            }
            Error::Store(error) => write!(f, "the account cannot be kept: {error}"),
            Error::Snapshot(error) => error.fmt(f),
            Error::Unreachable { dc, trouble } => {
                write!(f, "no connection to DC {} in time", dc.0)?;
                match trouble {
                    Some(trouble) => write!(f, ": {trouble}"),
                    None => f.write_str("; check the network"),
                }
            }
            Error::Peer(error) => error.fmt(f),
            Error::UnknownDc { dc, fate } => write!(
                f,
                "no address of DC {} is known; add it to the table of DCs; {}",
                dc.0,
                advice(*fate)
            ),
            Error::KeyDenied { dc, fate } => write!(
                f,
                "DC {} does not know the account's key; if that lasts, sign in anew; {}",
                dc.0,
                advice(*fate)
            ),
            Error::Send(error) => error.fmt(f),
            Error::Rpc(error) => rpc(error, f),
            Error::SignedOut { reason, fate } => write!(
                f,
                "the account is signed out: {}; {}",
                why(*reason),
                advice(*fate)
            ),
            Error::TimedOut(fate) => write!(f, "no answer in time; {}", advice(*fate)),
            Error::Lost(fate) => write!(f, "the call was given up; {}", advice(*fate)),
            Error::DependencyFailed(id) => {
                write!(
                    f,
                    "{id}, which it was to come after, failed; it was not executed"
                )
            }
            Error::BadAnswer => f.write_str(
                "the answer is compressed and broken, or too large; the call was executed",
            ),
            Error::Decode { method, error } => write!(
                f,
                "the answer to {method} is not of its type ({error}); the server may speak another layer"
            ),
            Error::Cut { fate, reason } => {
                write!(f, "the client ended: {reason}; {}", advice(*fate))
            }
            Error::Closed(reason) => write!(f, "the client has ended: {reason}"),
            #[cfg(feature = "json")]
            Error::UnknownMethod { method } => write!(
                f,
                "the schema has no method {method}; names are like help.getConfig"
            ),
            #[cfg(feature = "json")]
            Error::Arguments { method, error } => {
                write!(f, "the arguments do not fit {method}: {error}")
            }
            #[cfg(feature = "json")]
            Error::Answer { method, error } => write!(
                f,
                "the answer to {method} does not fit the schema ({error}); the server may speak another layer"
            ),
        }
    }
}

impl error::Error for Error {}

/// The server's words, and what they ask for.
fn rpc(error: &RpcError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(error, f)?;
    match error.kind() {
        RpcKind::Wait(pause) => write!(f, ": call again in {pause:?}"),
        RpcKind::PasswordNeeded => f.write_str(": the account has a password, check it"),
        RpcKind::Migrate(Migrate::Account(dc) | Migrate::Call(dc)) => {
            write!(f, ": call DC {} instead", dc.0)
        }
        RpcKind::Server => f.write_str(": the server's trouble, try again later"),
        RpcKind::SignedOut(reason) => write!(f, ": {}", why(reason)),
        RpcKind::NotBound | RpcKind::NotInitialized | RpcKind::Other | _ => Ok(()),
    }
}

fn why(reason: SignedOut) -> &'static str {
    match reason {
        SignedOut::Requested => "by this client; sign in",
        SignedOut::Revoked => "another device of the account ended this session; sign in again",
        SignedOut::Expired => "the session has expired; sign in again",
        SignedOut::Deactivated => "the account was deleted",
        SignedOut::Banned => "the account was banned",
        SignedOut::KeyDuplicated => {
            "its key was used from two places at once and is destroyed; use a stored account in one place, and sign in again"
        }
        SignedOut::KeyInvalid => "the server does not take its key; sign in again",
        _ => "sign in again",
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Connect { to, error } if error.kind() == io::ErrorKind::TimedOut => {
                write!(f, "{to} does not answer; check address, port and network")
            }
            Trouble::Connect { to, error } => {
                write!(f, "{to}: {error}; check address, port and network")
            }
            Trouble::Ended(Disconnected::Closed) => f.write_str("the server closed the stream"),
            Trouble::Ended(Disconnected::Error(error)) => error.fmt(f),
            Trouble::Ended(_) => f.write_str("the stream ended"),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::Requested => "it was closed by this side",
            CloseReason::Aborted => "the runtime dropped the client's task",
        })
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::Store(error)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Request(error) => Error::from(error),
            CallError::SignedOut { reason, fate } => Error::SignedOut { reason, fate },
            CallError::UnknownDc { dc, fate } => Error::UnknownDc { dc, fate },
            CallError::KeyDenied { dc, fate } => Error::KeyDenied { dc, fate },
            other => Error::Lost(other.fate().unwrap_or(Fate::MaybeExecuted)),
        }
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Rpc(error) => Error::Rpc(error),
            RequestError::TimedOut(fate) => Error::TimedOut(fate),
            RequestError::Cancelled(fate) | RequestError::Lost(fate) => Error::Lost(fate),
            RequestError::DependencyFailed(id) => Error::DependencyFailed(id),
            RequestError::BadAnswer => Error::BadAnswer,
            _ => Error::Lost(Fate::MaybeExecuted),
        }
    }
}

impl<T> Aborted for Result<T, Error> {
    fn aborted() -> Self {
        Err(Error::Closed(CloseReason::Aborted))
    }
}

#[cfg(feature = "json")]
impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::UnknownMethod { method } => Error::UnknownMethod { method },
            JsonError::Arguments { method, error } => Error::Arguments { method, error },
            JsonError::Answer { method, error } => Error::Answer { method, error },
        }
    }
}
