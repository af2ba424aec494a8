//! One byte stream from its first byte to its last.
//!
//! Does: joins framing, handshake and session into [`Machine`](crate::Machine)s for both roles.
//! In: bytes, requests or answers, the time. Out: bytes, events, the next deadline.
//! Must not know: other streams; reconnecting is [`ClientConnection::suspend`] and a new
//! connection with [`Start::Resume`].
//! Spec: "Mobile Protocol: Detailed Description"; "Perfect Forward Secrecy".

mod client;
mod config;
mod event;
mod init;
mod key_state;
mod server;

use core::fmt;

pub use client::ClientConnection;
pub use config::{ClientConfig, ConfigError};
pub use event::{Call, ClientEvent};
pub use init::InitParams;
pub use key_state::{KeyState, KeyStateError, Start, Suspended};
pub use server::ServerConnection;

use crate::error::{PeerMisbehaved, RequestError};
use crate::{handshake, transport};

/// Why a stream ended. Keys and sessions survive it; see [`ClientConnection::suspend`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no frames of the expected framing.
    Transport(transport::Error),
    /// No key could be agreed upon.
    Handshake(handshake::Error),
    /// The peer broke the protocol.
    PeerMisbehaved(PeerMisbehaved),
    /// The server ended the stream with a transport error. It is not authenticated: somebody on the
    /// path may have sent it, so it is no reason to give up a key.
    Status {
        /// -404: the key or the handshake is not known; -429: too many connections;
        /// -444: the server does not serve this DC.
        code: i32,
    },
    /// Nothing came for too long, not even after a ping; or a request stays without an answer although
    /// pings are answered.
    Silent,
    /// The temporary key could not be bound. The permanent key survives.
    BindRefused(RequestError),
    /// The peer closed the stream.
    Eof,
    /// This side closed the stream.
    Closed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Handshake(error) => error.fmt(f),
            Self::PeerMisbehaved(error) => error.fmt(f),
            Self::Status { code: -404 } => f.write_str(
                "the server answered -404: it does not know our key, or the handshake was refused",
            ),
            Self::Status { code: -429 } => f.write_str(
                "the server answered -429: too many connections; wait before the next one",
            ),
            Self::Status { code: -444 } => {
                f.write_str("the server answered -444: it does not serve this DC; check the DC id")
            }
            Self::Status { code } => write!(f, "the server answered transport error {code}"),
            Self::Silent => f.write_str("the server is silent, even after a ping"),
            Self::BindRefused(error) => {
                write!(f, "the temporary key could not be bound: {error}")
            }
            Self::Eof => f.write_str("the peer closed the stream"),
            Self::Closed => f.write_str("the connection was closed"),
        }
    }
}

impl core::error::Error for Error {}

impl From<transport::Error> for Error {
    fn from(error: transport::Error) -> Self {
        Error::Transport(error)
    }
}

impl From<handshake::Error> for Error {
    fn from(error: handshake::Error) -> Self {
        Error::Handshake(error)
    }
}

impl From<PeerMisbehaved> for Error {
    fn from(error: PeerMisbehaved) -> Self {
        Error::PeerMisbehaved(error)
    }
}
