//! One request, from its submission to its end.
//!
//! Does: its body, what was written of it, what the server said of it; from that its [`Fate`] and
//! [`Progress`].
//! In and out: plain values.
//! Must not know: other requests, but by their ids.
//! Spec: "Service Messages", RPC query result; "Service Messages about Messages".

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::error::{Fate, Progress};
use crate::ids::{MsgId, RequestId};
use crate::sabotage::{self, Sabotage};
use crate::session::after;
use crate::session::bind::BindRequest;
use crate::session::is_service_call;
use crate::shown::Shown;
use crate::time::Time;

/// What a request says once it has a message id.
#[derive(Clone)]
pub(crate) enum Body {
    Ready(Bytes),
    /// `auth.bindTempAuthKey`, which contains its own message id.
    Bind(BindRequest),
}

/// Shows its constructor and its length only: what waits may be a code or a token.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Ready(bytes) => Shown(bytes).fmt(f),
            Body::Bind(request) => request.fmt(f),
        }
    }
}

impl Body {
    pub(crate) fn len(&self) -> usize {
        match self {
            Body::Ready(bytes) => bytes.len(),
            Body::Bind(_) => BindRequest::LEN,
        }
    }

    /// The constructor's id.
    pub(crate) fn constructor(&self) -> u32 {
        match self {
            Body::Ready(bytes) => bytes.first_chunk().map_or(0, |id| u32::from_le_bytes(*id)),
            Body::Bind(_) => BindRequest::ID,
        }
    }

    /// Whether it is a call of the application to the API: what may stand in a wrapper, and what
    /// others may come after.
    pub(crate) fn is_api_call(&self) -> bool {
        matches!(self, Body::Ready(_)) && !is_service_call(self.constructor())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Queued,
    Written(MsgId),
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) body: Body,
    pub(crate) stage: Stage,
    /// The server said that it has it.
    pub(crate) acked: bool,
    /// The application heard that the server has it.
    pub(super) told: bool,
    pub(crate) idempotent: bool,
    pub(crate) quick_ack: bool,
    /// It was written at least once.
    pub(crate) was_written: bool,
    /// Nobody can tell whether an earlier sending was executed.
    pub(super) unsure: bool,
    /// It was written in a session that is over: the server cannot be asked about it.
    pub(crate) in_former_session: bool,
    /// It was written to a stream that broke, and the server has not said that it has it.
    pub(super) uncertain: bool,
    /// It was written more than once under its message id: that one packet was refused does not say
    /// that the others were.
    pub(super) repeated: bool,
    /// When last written it carried `invokeWithLayer(initConnection(..))`.
    pub(crate) initialises: bool,
    pub(crate) written_at: Time,
    /// The number that it was last written under.
    pub(crate) seq_no: i32,
    /// The container that it was last written in.
    pub(super) container: Option<MsgId>,
    pub(super) retries_left: u8,
    pub(super) deadline: Time,
    /// What it comes after and has not ended, each once, sorted.
    pub(super) after: Vec<RequestId>,
    /// What it was last written to come after.
    pub(crate) named: Vec<MsgId>,
    /// What it came after ended without success when it had been written.
    pub(super) failed_dependency: Option<RequestId>,
    /// The server did not wait for what it comes after: it is held back until that has ended.
    pub(super) patient: bool,
    /// When the server is asked whether it has it.
    pub(super) ask_at: Option<Time>,
    /// How long after that it is asked again.
    pub(super) ask_again: Duration,
}

impl Request {
    /// The id that it was last written under.
    pub(crate) fn msg_id(&self) -> Option<MsgId> {
        match self.stage {
            Stage::Queued => None,
            Stage::Written(msg_id) => Some(msg_id),
        }
    }

    /// The outermost message that it left in, if that was in this session: a container's id stands
    /// for its members.
    pub(super) fn outermost(&self) -> Option<MsgId> {
        let written = self.msg_id().filter(|_| !self.in_former_session);
        written.map(|msg_id| self.container.unwrap_or(msg_id))
    }

    /// What is known of it if nothing more is heard.
    pub(crate) fn fate(&self) -> Fate {
        match (self.stage, self.was_written) {
            (Stage::Queued, false) => Fate::NotSent,
            // It waits to be sent again because the server refused it.
            (Stage::Queued, true) if !self.unsure => Fate::NotReceived,
            (Stage::Queued, true) | (Stage::Written(_), _) => Fate::MaybeExecuted,
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        match (self.stage, self.acked) {
            (Stage::Queued, _) => Progress::Queued,
            (Stage::Written(_), false) => Progress::Written,
            (Stage::Written(_), true) => Progress::Acked,
        }
    }

    /// Whether a copy of it may be on its way over another stream than the server's answer.
    pub(super) fn may_still_arrive(&self) -> bool {
        self.uncertain || self.repeated
    }

    /// Whether it left once more after this message of ours.
    pub(super) fn was_written_after(&self, message: Option<MsgId>) -> bool {
        let outermost = self.container.or(self.msg_id());
        self.repeated && message.is_none_or(|message| outermost > Some(message))
    }

    /// Whether the server can be told to execute something after it: it got, or gets with the next
    /// packet, an id that this session's server knows or has yet to read.
    pub(super) fn can_be_named(&self) -> bool {
        self.stage != Stage::Queued
            && !self.in_former_session
            && !self.uncertain
            && self.body.is_api_call()
    }

    /// Takes one retry off its budget; `false` if nothing is left of it.
    pub(super) fn pay(&mut self) -> bool {
        let Some(left) = self.retries_left.checked_sub(1) else {
            return false;
        };
        if !sabotage::breaks(Sabotage::RetryBudget) {
            self.retries_left = left;
        }
        true
    }

    /// Bytes of the body with what says after which messages it is to be executed.
    pub(crate) fn len_after(&self, named: usize) -> usize {
        self.body.len().saturating_add(after::wrapper_len(named))
    }
}
