//! What we sent and wait for.
//!
//! Does: requests from their submission to their end, under one [`RequestId`]; which message id
//! stands for what, containers included, so that a notification reaches all it concerns.
//! In: submissions, message ids given, notifications. Out: what to send, what ended and how.
//! Must not know: packets, salts, the clock beyond deadlines.
//! Spec: "Service Messages about Messages"; "Service Messages", RPC query result.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::{Fate, SendError};
use crate::ids::{MsgId, RequestId};
use crate::session::bind::BindRequest;
use crate::session::outgoing::Notice;
use crate::session::{Config, SendOptions};
use crate::time::Time;

/// A request's body: a server closes the connection on anything longer (a container's limit less
/// its headers).
pub const MAX_BODY: usize = 1_044_404;
/// Messages other than requests that are remembered, in case that a notification names them. A
/// notification comes within a round trip.
const MAX_REMEMBERED: usize = 1_024;

/// What a request says once it has a message id.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Ready(Bytes),
    /// `auth.bindTempAuthKey`, which contains its own message id.
    Bind(BindRequest),
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
    told: bool,
    pub(crate) idempotent: bool,
    pub(crate) quick_ack: bool,
    /// It was written at least once.
    pub(crate) was_written: bool,
    /// Nobody can tell whether an earlier sending was executed.
    unsure: bool,
    /// It was written in a session that is over: the server cannot be asked about it.
    pub(crate) in_former_session: bool,
    /// When last written it carried `invokeWithLayer(initConnection(..))`.
    pub(crate) initialises: bool,
    written_at: Time,
    retries_left: u8,
    deadline: Time,
}

impl Request {
    /// The id that it was last written under.
    pub(crate) fn msg_id(&self) -> Option<MsgId> {
        match self.stage {
            Stage::Queued => None,
            Stage::Written(msg_id) => Some(msg_id),
        }
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
}

/// What a message id that we gave stands for.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    Request(RequestId),
    Acks(Vec<MsgId>),
    FutureSalts,
    Ping,
    Notice(Notice),
    Container(Vec<MsgId>),
}

/// All that is waiting, in either sense.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    last_id: u64,
    requests: BTreeMap<RequestId, Request>,
    /// Requests without a message id, in the order in which they leave.
    queue: VecDeque<RequestId>,
    queued_bytes: usize,
    deadlines: BTreeSet<(Time, RequestId)>,
    sent: BTreeMap<MsgId, Sent>,
    /// The ids in `sent` that are not requests, oldest first.
    remembered: VecDeque<MsgId>,
    /// Only the binding of a temporary key may leave.
    pub(crate) hold: bool,
}

impl Pending {
    /// Takes a request; `prefix` bytes may have to go before it.
    pub(crate) fn add(
        &mut self,
        now: Time,
        body: Body,
        prefix: usize,
        options: &SendOptions,
        config: &Config,
    ) -> Result<RequestId, SendError> {
        let (got, max) = (body.len(), MAX_BODY.saturating_sub(prefix));
        if got > max {
            return Err(SendError::TooLarge { got, max });
        }
        if got < 4 || !got.is_multiple_of(4) {
            return Err(SendError::Unaligned { got });
        }
        // The one that binds a key is ours: what the application has waiting must not keep it out.
        let counts = matches!(body, Body::Ready(_));
        if counts && self.requests.len() >= config.max_requests {
            return Err(SendError::TooMany {
                max: config.max_requests,
            });
        }
        self.last_id = self.last_id.saturating_add(1);
        let id = RequestId(self.last_id);
        let deadline = now + options.deadline.unwrap_or(config.request_timeout);
        self.deadlines.insert((deadline, id));
        self.queued_bytes = self.queued_bytes.saturating_add(got);
        self.queue.push_back(id);
        self.requests.insert(
            id,
            Request {
                body,
                stage: Stage::Queued,
                acked: false,
                told: false,
                idempotent: options.idempotent,
                quick_ack: options.quick_ack,
                was_written: false,
                unsure: false,
                in_former_session: false,
                initialises: false,
                written_at: now,
                retries_left: options.max_retries.unwrap_or(config.max_retries),
                deadline,
            },
        );
        Ok(id)
    }

    /// All requests, oldest first.
    pub(crate) fn ids(&self) -> Vec<RequestId> {
        self.requests.keys().copied().collect()
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// Bytes of the bodies that have not been written.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Whether anything waits for an answer.
    pub(crate) fn any_written(&self) -> bool {
        self.requests.len() > self.queue.len()
    }

    /// The request to send next.
    pub(crate) fn next_ready(&self) -> Option<(RequestId, &Request)> {
        let id = if self.hold {
            self.queue.iter().find(|id| {
                matches!(
                    self.requests.get(id),
                    Some(Request {
                        body: Body::Bind(_),
                        ..
                    })
                )
            })
        } else {
            self.queue.front()
        };
        let id = *id?;
        Some((id, self.requests.get(&id)?))
    }

    /// The request goes into the packet that is being planned.
    pub(crate) fn stage(&mut self, id: RequestId, initialises: bool) {
        self.leave_queue(id);
        if let Some(request) = self.requests.get_mut(&id) {
            request.initialises = initialises;
            request.was_written = true;
            request.in_former_session = false;
            request.stage = Stage::Written(MsgId(0));
        }
    }

    /// The request leaves under this message id.
    pub(crate) fn written(&mut self, id: RequestId, msg_id: MsgId, now: Time) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.stage = Stage::Written(msg_id);
            request.written_at = now;
            self.sent.insert(msg_id, Sent::Request(id));
        }
    }

    /// Something other than a request leaves under this message id.
    pub(crate) fn remember(&mut self, msg_id: MsgId, what: Sent) {
        self.sent.insert(msg_id, what);
        self.remembered.push_back(msg_id);
        while self.remembered.len() > MAX_REMEMBERED {
            if let Some(oldest) = self.remembered.pop_front() {
                self.sent.remove(&oldest);
            }
        }
    }

    fn leave_queue(&mut self, id: RequestId) {
        if self
            .requests
            .get(&id)
            .is_none_or(|request| request.stage != Stage::Queued)
        {
            return;
        }
        // Nearly always the first.
        if let Some(at) = self.queue.iter().position(|queued| *queued == id) {
            self.queue.remove(at);
            let len = self
                .requests
                .get(&id)
                .map_or(0, |request| request.body.len());
            self.queued_bytes = self.queued_bytes.saturating_sub(len);
        }
    }

    /// What stands behind a message id.
    pub(crate) fn sent(&self, msg_id: MsgId) -> Option<&Sent> {
        self.sent.get(&msg_id)
    }

    /// The request that was written under this id.
    pub(crate) fn request_of(&self, msg_id: MsgId) -> Option<RequestId> {
        match self.sent.get(&msg_id)? {
            Sent::Request(id) => Some(*id),
            Sent::Acks(_)
            | Sent::FutureSalts
            | Sent::Ping
            | Sent::Notice(_)
            | Sent::Container(_) => None,
        }
    }

    /// The oldest written request with this constructor: for answers that name no message.
    pub(crate) fn written_with_constructor(&self, constructor: u32) -> Option<RequestId> {
        self.requests
            .iter()
            .find(|(_, request)| {
                request.stage != Stage::Queued && request.body.constructor() == constructor
            })
            .map(|(id, _)| *id)
    }

    /// Ends a request.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<Request> {
        self.leave_queue(id);
        let request = self.requests.remove(&id)?;
        self.deadlines.remove(&(request.deadline, id));
        if let Stage::Written(msg_id) = request.stage {
            self.sent.remove(&msg_id);
        }
        Some(request)
    }

    /// The requests behind a message id or behind a container's that the server said it has, each
    /// once. What is not authentic is told and changes nothing.
    pub(crate) fn acknowledge(&mut self, msg_id: MsgId, authentic: bool) -> Vec<RequestId> {
        let members = match self.sent.get(&msg_id) {
            Some(Sent::Container(members)) => members.clone(),
            Some(_) => [msg_id].into(),
            None => return Vec::new(),
        };
        let ids: Vec<_> = members
            .into_iter()
            .filter_map(|id| self.request_of(id))
            .collect();
        ids.into_iter()
            .filter(|id| {
                self.requests.get_mut(id).is_some_and(|request| {
                    request.acked |= authentic;
                    !core::mem::replace(&mut request.told, true)
                })
            })
            .collect()
    }

    /// Forgets a message of ours, no request and no container, that got its answer; whether there
    /// was one.
    pub(crate) fn answered(&mut self, msg_id: MsgId) -> bool {
        match self.sent.get(&msg_id) {
            Some(Sent::FutureSalts | Sent::Ping | Sent::Notice(_)) => {
                self.sent.remove(&msg_id);
                true
            }
            Some(Sent::Request(_) | Sent::Acks(_) | Sent::Container(_)) | None => false,
        }
    }

    /// Forgets a refused message id; returns what stood behind it, a container's members one by
    /// one. The requests among them stay written until they are queued again or taken.
    pub(crate) fn refused(&mut self, msg_id: MsgId) -> Option<Vec<Sent>> {
        Some(match self.sent.remove(&msg_id)? {
            Sent::Container(members) => members
                .into_iter()
                .filter_map(|member| self.sent.remove(&member))
                .collect(),
            other @ (Sent::Request(_)
            | Sent::Acks(_)
            | Sent::FutureSalts
            | Sent::Ping
            | Sent::Notice(_)) => [other].into(),
        })
    }

    /// Sends requests again, before all others and in their order, each at the price of one retry;
    /// `fate` is that of the sending before. Returns those whose budget is used up, ended, each
    /// with its fate.
    pub(crate) fn retry(&mut self, ids: &[RequestId], fate: Fate) -> Vec<(RequestId, Fate)> {
        let mut exhausted = Vec::new();
        for id in ids.iter().rev() {
            let Some(request) = self.requests.get_mut(id) else {
                continue;
            };
            if request.stage == Stage::Queued {
                continue;
            }
            request.unsure |= fate == Fate::MaybeExecuted;
            if let Some(left) = request.retries_left.checked_sub(1) {
                request.retries_left = left;
                if let Stage::Written(msg_id) = request.stage {
                    self.sent.remove(&msg_id);
                }
                request.stage = Stage::Queued;
                request.acked = false;
                request.told = false;
                self.queued_bytes = self.queued_bytes.saturating_add(request.body.len());
                self.queue.push_front(*id);
            } else {
                let unsure = request.unsure;
                exhausted.push((*id, if unsure { Fate::MaybeExecuted } else { fate }));
            }
        }
        exhausted.reverse();
        for (id, _) in &exhausted {
            self.take(*id);
        }
        exhausted
    }

    /// What is written was written in a session that is over.
    pub(crate) fn session_replaced(&mut self) {
        for request in self.requests.values_mut() {
            request.in_former_session |= request.stage != Stage::Queued;
        }
    }

    /// Requests written in this session whose id, or whose container's, is below `first`.
    pub(crate) fn written_before(&self, first: MsgId) -> Vec<RequestId> {
        // A container's id stands for its members.
        let covered: BTreeSet<MsgId> = self
            .sent
            .range(first..)
            .filter_map(|(_, sent)| match sent {
                Sent::Container(members) => Some(members),
                Sent::Request(_)
                | Sent::Acks(_)
                | Sent::FutureSalts
                | Sent::Ping
                | Sent::Notice(_) => None,
            })
            .flatten()
            .copied()
            .collect();
        self.sent
            .range(..first)
            .filter(|(msg_id, _)| !covered.contains(msg_id))
            .filter_map(|(_, sent)| match sent {
                Sent::Request(id) => Some(*id),
                Sent::Acks(_)
                | Sent::FutureSalts
                | Sent::Ping
                | Sent::Notice(_)
                | Sent::Container(_) => None,
            })
            .filter(|id| {
                self.requests
                    .get(id)
                    .is_some_and(|request| !request.in_former_session)
            })
            .collect()
    }

    /// When the oldest request was written that waits for its answer.
    pub(crate) fn oldest_written(&self) -> Option<Time> {
        self.requests
            .values()
            .filter(|request| request.stage != Stage::Queued)
            .map(|request| request.written_at)
            .min()
    }

    /// All written requests, oldest first.
    pub(crate) fn written_requests(&self) -> Vec<RequestId> {
        self.requests
            .iter()
            .filter(|(_, request)| request.stage != Stage::Queued)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// One request whose deadline has passed.
    pub(crate) fn expired(&self, now: Time) -> Option<RequestId> {
        self.deadlines
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, id)| *id)
    }
}
