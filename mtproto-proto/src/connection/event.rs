//! What a client's connection tells, and the type of an answer.
//!
//! Does: [`ClientEvent`]; [`Call`], which remembers what its answer decodes to.
//! In and out: plain values.
//! Must not know: when they come about (`client.rs` does).
//! Spec: "Service Messages"; "Calling API methods".

use core::fmt;
use core::marker::PhantomData;

use bytes::Bytes;
use mtproto_schema::{Decode, DecodeError, Function};

use crate::connection::KeyState;
use crate::error::RequestError;
use crate::ids::{MsgId, RequestId};
use crate::session::backlog::{Load, Weigh};
use crate::shown::Shown;

/// What a client's connection tells.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// A permanent key was made. Store it: it is the login.
    KeyCreated(KeyState),
    /// Salts or the server's time changed; what is stored of the permanent key is out of date.
    KeyStateChanged(KeyState),
    /// The server has proved that it has the key; a temporary key is bound.
    Connected,
    /// The answer to a request.
    Response {
        /// As given by [`ClientConnection::send`](crate::connection::ClientConnection::send).
        id: RequestId,
        /// The boxed result.
        body: Bytes,
    },
    /// A request ended without an answer.
    Failed {
        /// As given by [`ClientConnection::send`](crate::connection::ClientConnection::send).
        id: RequestId,
        /// Why, and what is known of its fate.
        error: RequestError,
    },
    /// The server has the request.
    Acked {
        /// As given by [`ClientConnection::send`](crate::connection::ClientConnection::send).
        id: RequestId,
    },
    /// An update, raw, or any other object that the protocol does not know.
    Update {
        /// The boxed object.
        body: Bytes,
    },
    /// Updates may have been missed: the server has a new session for us, or sent something again
    /// that is so old that nobody can tell whether it came.
    SessionRenewed {
        /// Messages with smaller ids are unknown to the server; or the message that is too old.
        first_msg_id: MsgId,
        /// The server's name for the event; 0 if something was too old.
        unique_id: i64,
    },
    /// Something that may have been an update was dropped: it came so late that nobody could tell
    /// whether it had come before, or did not inflate. Get the difference. At most once a minute.
    UpdatesMissed,
    /// The server's time differs from what was believed by more than half a minute.
    ClockCorrected {
        /// Seconds, positive when the server is ahead of what was believed.
        by: i64,
    },
}

impl Weigh for ClientEvent {
    fn weight(&self) -> Load {
        match self {
            Self::Update { body } => Load::update(body),
            Self::Response { body, .. } => Load::answer(body),
            Self::KeyStateChanged(_)
            | Self::SessionRenewed { .. }
            | Self::ClockCorrected { .. } => Load::note(),
            // Once for each key, stream, request or minute.
            Self::KeyCreated(_)
            | Self::Connected
            | Self::Failed { .. }
            | Self::Acked { .. }
            | Self::UpdatesMissed => Load::default(),
        }
    }
}

/// Shows of a body its constructor and its length only.
impl fmt::Debug for ClientEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyCreated(key) => f.debug_tuple("KeyCreated").field(key).finish(),
            Self::KeyStateChanged(key) => f.debug_tuple("KeyStateChanged").field(key).finish(),
            Self::Connected => f.write_str("Connected"),
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
        }
    }
}

/// A request that remembers the type of its answer.
pub struct Call<F> {
    id: RequestId,
    function: PhantomData<fn() -> F>,
}

impl<F: Function> Call<F> {
    pub(crate) fn new(id: RequestId) -> Self {
        Call {
            id,
            function: PhantomData,
        }
    }

    /// The request's id, which its events carry.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// The answer from the body of [`ClientEvent::Response`].
    ///
    /// # Errors
    /// [`DecodeError`] if the body is no such answer, for example in another layer.
    pub fn decode(&self, body: &Bytes) -> Result<F::Response, DecodeError> {
        F::Response::from_bytes(body)
    }
}

impl<F> Clone for Call<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Call<F> {}

impl<F> fmt::Debug for Call<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", self.id)
    }
}
