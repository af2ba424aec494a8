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

/// What a client's connection tells.
#[derive(Clone, Debug, PartialEq, Eq)]
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
