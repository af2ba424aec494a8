//! Everything that can go wrong for the user of a connection, and what to do about it.
//!
//! Does: [`Error`], [`CloseReason`].
//! In: the errors of the rooms below. Out: texts for people, kinds for programs.
//! Must not know: how an error came about.
//! Spec: "Handling errors".

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt, io};

use mtproto_proto::connection::{self, ConfigError};
use mtproto_proto::{Fate, RequestId, RpcError, SendError, handshake};
use mtproto_schema::DecodeError;
#[cfg(feature = "json")]
use mtproto_schema::ValueError;

use super::config::Start;
use crate::shared::Aborted;
#[cfg(feature = "json")]
use crate::shared::json::JsonError;

/// Why a call or a connection failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// No TCP stream.
    Connect {
        /// Where to.
        to: SocketAddr,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// No TCP stream, and nobody said why.
    ConnectTimedOut {
        /// Where to.
        to: SocketAddr,
        /// The patience.
        after: Duration,
    },
    /// The configuration contradicts itself.
    Config(ConfigError),
    /// The operating system has no randomness to give.
    Entropy(Arc<io::Error>),
    /// The connection did not take the request.
    Send(SendError),
    /// The server answered with an error.
    Rpc(RpcError),
    /// No answer within the request's deadline.
    TimedOut(Fate),
    /// The request was given up before it had an answer.
    Lost(Fate),
    /// The call that it was to come after ([`SendOptions::after`]) ended without success; this one
    /// was not executed.
    ///
    /// [`SendOptions::after`]: mtproto_proto::session::SendOptions::after
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
    /// The connection ended while the request was on its way.
    Cut {
        /// What is known of the request.
        fate: Fate,
        /// Why the connection ended.
        reason: CloseReason,
    },
    /// The connection has ended.
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

/// Why a connection ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// [`close`](super::Connection::close) was called, or the last handle was dropped.
    Requested,
    /// The server closed the stream.
    Peer,
    /// The stream broke.
    Io(Arc<io::Error>),
    /// The protocol was violated, a deadline passed, or the server refused the connection.
    Protocol(Arc<connection::Error>),
    /// The runtime dropped the connection's task.
    Aborted,
}

/// Why there is no connection, and what to try again with.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectError {
    /// Why.
    pub error: Error,
    /// What the next attempt begins with, so that nothing of a session that was to be resumed is
    /// lost; `None` when another attempt makes no sense.
    pub retry: Option<Start>,
}

impl Error {
    /// What is known of the call; `None` if the server answered it, or if this is not about a call.
    pub fn fate(&self) -> Option<Fate> {
        match self {
            Error::TimedOut(fate) | Error::Lost(fate) | Error::Cut { fate, .. } => Some(*fate),
            // It was held back, or the server refused it for this reason.
            Error::DependencyFailed(_) => Some(Fate::NotReceived),
            Error::Send(_) => Some(Fate::NotSent),
            #[cfg(feature = "json")]
            Error::UnknownMethod { .. } | Error::Arguments { .. } => Some(Fate::NotSent),
            #[cfg(feature = "json")]
            Error::Answer { .. } => None,
            Error::Connect { .. }
            | Error::ConnectTimedOut { .. }
            | Error::Config(_)
            | Error::Entropy(_)
            | Error::Rpc(_)
            | Error::BadAnswer
            | Error::Decode { .. }
            | Error::Closed(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connect { to, error } => write!(
                f,
                "cannot connect to {to}: {error}; check address, port and network"
            ),
            Error::ConnectTimedOut { to, after } => write!(
                f,
                "no connection to {to} within {after:?}; check address, port and network"
            ),
            Error::Config(error) => write!(f, "the configuration is wrong: {error}"),
            Error::Entropy(error) => {
                write!(f, "the operating system gives no randomness: {error}")
            }
            Error::Send(error) => error.fmt(f),
            Error::Rpc(error) => error.fmt(f),
            Error::TimedOut(fate) => write!(f, "no answer in time; {}", advice(*fate)),
            Error::Lost(fate) => write!(f, "the request was given up; {}", advice(*fate)),
            Error::DependencyFailed(id) => write!(
                f,
                "{id}, which it was to come after, failed; it was not executed"
            ),
            Error::BadAnswer => f.write_str(
                "the answer is compressed and broken, or too large; the request was executed",
            ),
            Error::Decode { method, error } => write!(
                f,
                "the answer to {method} is not of its type ({error}); the server may speak another layer"
            ),
            Error::Cut { fate, reason } => {
                write!(f, "the connection ended: {reason}; {}", advice(*fate))
            }
            Error::Closed(reason) => write!(f, "the connection has ended: {reason}"),
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

/// What to do about a request of this fate.
pub(crate) fn advice(fate: Fate) -> &'static str {
    match fate {
        Fate::NotSent => "it was not sent, so it can be repeated",
        Fate::NotReceived => "the server did not take it, so it can be repeated",
        Fate::MaybeExecuted => "the server may have executed it: check before repeating",
    }
}

impl error::Error for Error {}

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

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Requested => f.write_str("it was closed by this side"),
            CloseReason::Peer => f.write_str("the server closed it"),
            CloseReason::Io(error) => write!(f, "the stream broke ({error})"),
            CloseReason::Protocol(error) if is_silence(error) => f.write_str(
                "the server did not answer in time; check that an MTProto server listens there",
            ),
            CloseReason::Protocol(error) => error.fmt(f),
            CloseReason::Aborted => f.write_str("the runtime dropped the connection's task"),
        }
    }
}

fn is_silence(error: &connection::Error) -> bool {
    *error == connection::Error::Handshake(handshake::Error::TimedOut)
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl error::Error for ConnectError {}

impl From<ConnectError> for Error {
    fn from(failed: ConnectError) -> Self {
        failed.error
    }
}
