//! What a session tells its owner.
//!
//! Does: [`Event`], for both roles; [`Silent`], the end of a stream on which nothing comes.
//! In and out: plain values.
//! Must not know: when they come about.
//! Spec: "Service Messages"; "Service Messages about Messages".

use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::error::RequestError;
use crate::ids::{MsgId, RequestId, SessionId};
use crate::shown::Shown;

/// What a session tells its owner.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to a request. Client.
    Response {
        /// As given by [`Session::send`](crate::session::Session::send).
        id: RequestId,
        /// The boxed result; errors come as [`Event::Failed`].
        body: Bytes,
    },
    /// A request ended without an answer. Client.
    Failed {
        /// As given by [`Session::send`](crate::session::Session::send).
        id: RequestId,
        /// Why, and what is known of its fate.
        error: RequestError,
    },
    /// The server has the request. Client.
    Acked {
        /// As given by [`Session::send`](crate::session::Session::send).
        id: RequestId,
    },
    /// Anything that is neither a service message nor an answer: an update, raw. Client.
    Update {
        /// The boxed object.
        body: Bytes,
    },
    /// Updates may have been missed: the server has a new session for us, or sent something again
    /// that is so old that nobody can tell whether it came. Client.
    SessionRenewed {
        /// Messages with smaller ids are unknown to the server; or the message that is too old.
        first_msg_id: MsgId,
        /// The server's name for the event; 0 if something was too old.
        unique_id: i64,
    },
    /// Something came that may have been an update and could not be taken: it was too old, or did not
    /// inflate. Client.
    UpdatesMissed,
    /// The server's time differs from what was believed. Client.
    ClockCorrected {
        /// Seconds, positive when the server is ahead of what was believed.
        by: i64,
    },
    /// Salts or the time offset changed: what is stored with the key should be stored again.
    /// Client.
    KeyStateChanged,
    /// A call to be answered with [`Session::respond`](crate::session::Session::respond). Server.
    Request {
        /// The message to answer.
        msg_id: MsgId,
        /// The boxed function.
        body: Bytes,
    },
    /// The client does not want this call's answer any more. Server.
    Dropped {
        /// The call's message.
        msg_id: MsgId,
    },
    /// `ping_delay_disconnect`: close the stream unless this comes again in time. Server.
    DisconnectAfter {
        /// The client's delay, at most 10 minutes.
        delay: Duration,
    },
    /// `destroy_session`, to be answered with `destroy_session_ok` or `_none`. Server.
    DestroySession {
        /// The message to answer.
        msg_id: MsgId,
        /// The session to forget.
        session_id: SessionId,
    },
    /// `destroy_auth_key`, to be answered before the key is forgotten. Server.
    DestroyAuthKey {
        /// The message to answer.
        msg_id: MsgId,
    },
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
            Self::Acked { id } => f.debug_struct("Acked").field("id", id).finish(),
            Self::Update { body } => f
                .debug_struct("Update")
                .field("body", &Shown(body))
                .finish(),
            Self::SessionRenewed {
                first_msg_id,
                unique_id,
            } => f
                .debug_struct("SessionRenewed")
                .field("first_msg_id", first_msg_id)
                .field("unique_id", unique_id)
                .finish(),
            Self::UpdatesMissed => f.write_str("UpdatesMissed"),
            Self::ClockCorrected { by } => {
                f.debug_struct("ClockCorrected").field("by", by).finish()
            }
            Self::KeyStateChanged => f.write_str("KeyStateChanged"),
            Self::Request { msg_id, body } => f
                .debug_struct("Request")
                .field("msg_id", msg_id)
                .field("body", &Shown(body))
                .finish(),
            Self::Dropped { msg_id } => f.debug_struct("Dropped").field("msg_id", msg_id).finish(),
            Self::DisconnectAfter { delay } => f
                .debug_struct("DisconnectAfter")
                .field("delay", delay)
                .finish(),
            Self::DestroySession { msg_id, session_id } => f
                .debug_struct("DestroySession")
                .field("msg_id", msg_id)
                .field("session_id", session_id)
                .finish(),
            Self::DestroyAuthKey { msg_id } => f
                .debug_struct("DestroyAuthKey")
                .field("msg_id", msg_id)
                .finish(),
        }
    }
}

/// The stream is dead: nothing came after a ping, or for a minute nothing but pongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent;

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer has been silent for too long, even after a ping")
    }
}

impl core::error::Error for Silent {}
