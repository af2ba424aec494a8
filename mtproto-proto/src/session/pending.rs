//! What we sent and wait for.
//!
//! Does: requests from their submission to their end, under one [`RequestId`]; which message id
//! stands for what, containers included, so that a notification reaches all it concerns.
//! In: submissions, message ids given, notifications. Out: what to send, what ended and how.
//! Must not know: packets, salts, the clock beyond deadlines.
//! Spec: "Service Messages about Messages"; "Service Messages", RPC query result.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use mtproto_schema::Function;
use mtproto_schema::mtproto::functions;

use crate::error::{Progress, RequestError, SendError};
use crate::ids::{MsgId, RequestId};
use crate::sabotage::{self, Sabotage};
use crate::session::after::{self, MAX_AFTER};
use crate::session::outgoing::Notice;
pub(crate) use crate::session::request::{Body, Request, Stage};
use crate::session::{Config, SendOptions};
use crate::time::Time;

/// A request's body: a server closes the connection on anything longer (a container's limit less
/// its headers).
pub const MAX_BODY: usize = 1_044_404;
/// Messages other than requests that are remembered, in case that a notification names them. A
/// notification comes within a round trip.
const MAX_REMEMBERED: usize = 1_024;
/// What they may name or hold in all, in bytes: the members of 128 full containers, the requests of
/// a full session eight times over. The peer decides how many ids we acknowledge.
const MAX_REMEMBERED_BYTES: usize = 1 << 20;

/// What a message id that we gave stands for.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    Request(RequestId),
    Acks(Vec<MsgId>),
    FutureSalts,
    Ping,
    /// `msgs_state_req` for these.
    States(Vec<MsgId>),
    /// `msg_resend_req` for these.
    Resend(Vec<MsgId>),
    Notice(Notice),
    Container(Members),
}

/// What a container held.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub(crate) ids: Vec<MsgId>,
    /// The server said that it has it: it may say so a thousand times.
    acked: bool,
}

impl Members {
    pub(crate) fn new(ids: Vec<MsgId>) -> Self {
        Members { ids, acked: false }
    }
}

impl Sent {
    /// Bytes on the heap.
    fn weight(&self) -> usize {
        match self {
            Sent::Acks(ids) | Sent::States(ids) | Sent::Resend(ids) => size_of_val(ids.as_slice()),
            Sent::Container(members) => size_of_val(members.ids.as_slice()),
            Sent::Notice(notice) => notice.len(),
            Sent::Request(_) | Sent::FutureSalts | Sent::Ping => 0,
        }
    }
}

/// All that is waiting, in either sense.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    last_id: u64,
    pub(super) requests: BTreeMap<RequestId, Request>,
    /// Bytes of their bodies.
    request_bytes: usize,
    /// Requests that may leave now. The oldest goes first, so that what is sent again does, and so
    /// that nothing overtakes what it comes after.
    pub(super) ready: BTreeSet<RequestId>,
    queued: usize,
    queued_bytes: usize,
    deadlines: BTreeSet<(Time, RequestId)>,
    /// Requests that have left, by when they did.
    pub(super) written: BTreeSet<(Time, RequestId)>,
    /// Requests whose state is to be asked for, by when.
    pub(super) asks: BTreeSet<(Time, RequestId)>,
    /// Requests that leave again as they did, under the same message id.
    pub(super) repeats: BTreeSet<RequestId>,
    /// Which request others come after, and which.
    pub(super) dependants: BTreeSet<(RequestId, RequestId)>,
    /// Ended because of what they came after; nobody was told yet.
    pub(super) orphans: Vec<(RequestId, RequestError)>,
    pub(super) sent: BTreeMap<MsgId, Sent>,
    /// The requests written in this session, by the outermost message that they left in.
    pub(super) outermost: BTreeSet<(MsgId, RequestId)>,
    /// Requests whose answer names no message.
    nameless: BTreeSet<RequestId>,
    /// The ids in `sent` that are not requests, oldest first.
    remembered: VecDeque<MsgId>,
    /// Bytes behind them.
    remembered_bytes: usize,
    /// Those that ended without success while the owner has not heard of it.
    pub(super) untold: BTreeSet<RequestId>,
    /// The request that binds a temporary key.
    binding: Option<RequestId>,
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
        let after = self.known(&options.after);
        if after.len() > MAX_AFTER {
            return Err(SendError::TooManyDependencies {
                got: after.len(),
                max: MAX_AFTER,
            });
        }
        let before = prefix.saturating_add(after::wrapper_len(after.len()));
        let (got, max) = (body.len(), MAX_BODY.saturating_sub(before));
        if got > max {
            return Err(SendError::TooLarge { got, max });
        }
        if got < 4 || !got.is_multiple_of(4) {
            return Err(SendError::Unaligned { got });
        }
        // The one that binds a key is ours: what the application has waiting must not keep it out.
        let is_binding = matches!(body, Body::Bind(_));
        if !is_binding && self.requests.len() >= config.max_requests {
            return Err(SendError::TooMany {
                max: config.max_requests,
            });
        }
        let (got, max) = (
            self.request_bytes.saturating_add(got),
            config.max_request_bytes,
        );
        if !is_binding && got > max && !self.requests.is_empty() {
            return Err(SendError::TooManyBytes { got, max });
        }
        self.last_id = self.last_id.saturating_add(1);
        let id = RequestId(self.last_id);
        if let Some(dependency) = options.after.iter().find(|id| self.untold.contains(id)) {
            self.end_unsent(id, *dependency);
            return Ok(id);
        }
        if is_binding {
            self.binding = Some(id);
        }
        self.request_bytes = got;
        if is_nameless(body.constructor()) {
            self.nameless.insert(id);
        }
        let deadline = now + options.deadline.unwrap_or(config.request_timeout);
        self.deadlines.insert((deadline, id));
        self.dependants
            .extend(after.iter().map(|dependency| (*dependency, id)));
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
                uncertain: false,
                repeated: false,
                initialises: false,
                written_at: now,
                seq_no: 0,
                container: None,
                retries_left: options.max_retries.unwrap_or(config.max_retries),
                deadline,
                after,
                named: Vec::new(),
                failed_dependency: None,
                patient: false,
                ask_at: None,
                ask_again: config.state_after,
            },
        );
        self.joins_queue(id);
        Ok(id)
    }

    /// Those of them that have not ended, each once.
    fn known(&self, ids: &[RequestId]) -> Vec<RequestId> {
        let known: BTreeSet<_> = ids
            .iter()
            .filter(|id| self.requests.contains_key(id))
            .copied()
            .collect();
        known.into_iter().collect()
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    pub(crate) fn progress(&self, id: RequestId) -> Option<Progress> {
        self.get(id).map(Request::progress)
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
        self.requests.len() > self.queued
    }

    /// The request to send next.
    pub(crate) fn next_ready(&self) -> Option<(RequestId, &Request)> {
        let id = if self.hold {
            self.binding.filter(|id| self.ready.contains(id))?
        } else {
            *self.ready.first()?
        };
        Some((id, self.requests.get(&id)?))
    }

    /// Changes where a request is.
    pub(super) fn place(&mut self, id: RequestId, change: impl FnOnce(&mut Request)) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        let before = request.outermost();
        change(request);
        let after = request.outermost();
        if let Some(before) = before {
            self.outermost.remove(&(before, id));
        }
        if let Some(after) = after {
            self.outermost.insert((after, id));
        }
    }

    /// Requests written in this session whose id, or whose container's, is below `first`.
    pub(crate) fn written_before(&self, first: MsgId) -> Vec<RequestId> {
        let before = self.outermost.range(..(first, RequestId(0)));
        let mut ids: Vec<_> = before.map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// The request goes into the packet that is being planned.
    pub(crate) fn stage(&mut self, id: RequestId, initialises: bool) {
        self.leaves_queue(id);
        self.place(id, |request| {
            request.initialises = initialises;
            request.was_written = true;
            request.in_former_session = false;
            request.uncertain = false;
            request.stage = Stage::Written(MsgId(0));
        });
        // What comes after it may travel in the same packet.
        self.settle_dependants(id);
    }

    /// The request leaves under this message id and number; its state is asked for after `ask_after`.
    /// Returns which messages the server is to execute before it.
    pub(crate) fn written(
        &mut self,
        id: RequestId,
        msg_id: MsgId,
        seq_no: i32,
        now: Time,
        ask_after: Duration,
    ) -> Vec<MsgId> {
        let named = self.get(id).map(|request| self.ids_after(request));
        let Some(named) = named else {
            return Vec::new();
        };
        self.place(id, |request| {
            request.stage = Stage::Written(msg_id);
            request.seq_no = seq_no;
            request.container = None;
            request.repeated = false;
            request.written_at = now;
            request.named.clone_from(&named);
            request.ask_again = ask_after;
        });
        self.written.insert((now, id));
        self.sent.insert(msg_id, Sent::Request(id));
        self.ask_at(id, Some(now + ask_after));
        named
    }

    /// The request left inside this container.
    pub(crate) fn written_in(&mut self, id: RequestId, container: MsgId) {
        self.place(id, |request| request.container = Some(container));
    }

    /// Something other than a request leaves under this message id.
    pub(crate) fn remember(&mut self, msg_id: MsgId, what: Sent) {
        self.remembered_bytes = self.remembered_bytes.saturating_add(what.weight());
        self.sent.insert(msg_id, what);
        self.remembered.push_back(msg_id);
        while (self.remembered.len() > MAX_REMEMBERED
            || self.remembered_bytes > MAX_REMEMBERED_BYTES)
            && let Some(oldest) = self.remembered.pop_front()
        {
            self.take_sent(oldest);
        }
    }

    fn take_sent(&mut self, msg_id: MsgId) -> Option<Sent> {
        let sent = self.sent.remove(&msg_id)?;
        self.remembered_bytes = self.remembered_bytes.saturating_sub(sent.weight());
        Some(sent)
    }

    pub(super) fn joins_queue(&mut self, id: RequestId) {
        let len = self.get(id).map_or(0, |request| request.body.len());
        self.queued = self.queued.saturating_add(1);
        self.queued_bytes = self.queued_bytes.saturating_add(len);
        self.settle(id);
    }

    fn leaves_queue(&mut self, id: RequestId) {
        let Some(request) = self.get(id).filter(|r| r.stage == Stage::Queued) else {
            return;
        };
        let len = request.body.len();
        self.queued = self.queued.saturating_sub(1);
        self.queued_bytes = self.queued_bytes.saturating_sub(len);
        self.ready.remove(&id);
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
            | Sent::States(_)
            | Sent::Resend(_)
            | Sent::Notice(_)
            | Sent::Container(_) => None,
        }
    }

    /// The oldest written request with this constructor: for answers that name no message.
    pub(crate) fn written_with_constructor(&self, constructor: u32) -> Option<RequestId> {
        self.nameless.iter().copied().find(|id| {
            self.get(*id).is_some_and(|request| {
                request.stage != Stage::Queued && request.body.constructor() == constructor
            })
        })
    }

    /// Ends a request that was answered with success: nothing has to name it any more.
    pub(crate) fn answer(&mut self, id: RequestId) -> Option<Request> {
        let request = self.remove(id)?;
        self.release_dependants(id);
        Some(request)
    }

    /// Ends a request in any other way. What comes after it and has not left ends with it: see
    /// [`Pending::take_orphans`].
    pub(crate) fn fail(&mut self, id: RequestId) -> Option<Request> {
        let request = self.remove(id)?;
        self.untold.insert(id);
        self.fail_dependants(id);
        Some(request)
    }

    /// The same for a request whose end the owner knows.
    pub(crate) fn withdraw(&mut self, id: RequestId) -> Option<Request> {
        let request = self.fail(id)?;
        self.told(id);
        Some(request)
    }

    /// The owner has heard that this request failed: what is to come after it leaves from now on.
    pub(crate) fn told(&mut self, id: RequestId) {
        self.untold.remove(&id);
    }

    /// Forgets a request, whatever comes after it.
    pub(super) fn remove(&mut self, id: RequestId) -> Option<Request> {
        self.leaves_queue(id);
        self.ask_at(id, None);
        let request = self.requests.remove(&id)?;
        self.request_bytes = self.request_bytes.saturating_sub(request.body.len());
        self.nameless.remove(&id);
        if let Some(outermost) = request.outermost() {
            self.outermost.remove(&(outermost, id));
        }
        self.deadlines.remove(&(request.deadline, id));
        self.written.remove(&(request.written_at, id));
        self.repeats.remove(&id);
        if let Stage::Written(msg_id) = request.stage {
            self.sent.remove(&msg_id);
        }
        for dependency in &request.after {
            self.dependants.remove(&(*dependency, id));
        }
        Some(request)
    }

    /// Ends all requests; what is known of each.
    pub(crate) fn into_fates(self) -> Vec<(RequestId, RequestError)> {
        let mut ended = self.orphans;
        ended.extend(
            self.requests
                .into_iter()
                .map(|(id, request)| (id, RequestError::Lost(request.fate()))),
        );
        ended.sort_by_key(|(id, _)| *id);
        ended
    }

    /// The requests behind a message id or behind a container's that the server said it has, each
    /// once. What is not authentic is told and changes nothing.
    pub(crate) fn acknowledge(&mut self, msg_id: MsgId, authentic: bool) -> Vec<RequestId> {
        let members = match self.sent.get_mut(&msg_id) {
            Some(Sent::Container(members)) => {
                if members.acked {
                    return Vec::new();
                }
                members.acked = authentic;
                members.ids.clone()
            }
            Some(_) => [msg_id].into(),
            None => return Vec::new(),
        };
        let ids: Vec<_> = members
            .into_iter()
            .filter_map(|id| self.request_of(id))
            .collect();
        if authentic {
            for id in &ids {
                self.has_arrived(*id);
            }
        }
        ids.into_iter()
            .filter(|id| {
                self.requests
                    .get_mut(id)
                    .is_some_and(|request| !core::mem::replace(&mut request.told, true))
            })
            .collect()
    }

    fn has_arrived(&mut self, id: RequestId) {
        self.repeats.remove(&id);
        self.ask_at(id, None);
        if let Some(request) = self.requests.get_mut(&id) {
            request.acked = true;
            if core::mem::take(&mut request.uncertain) {
                self.settle_dependants(id);
            }
        }
    }

    /// Forgets a message of ours, no request and no container, that got its answer; whether there
    /// was one.
    pub(crate) fn answered(&mut self, msg_id: MsgId) -> bool {
        match self.sent.get(&msg_id) {
            Some(
                Sent::FutureSalts
                | Sent::Ping
                | Sent::States(_)
                | Sent::Resend(_)
                | Sent::Notice(_),
            ) => {
                self.take_sent(msg_id);
                true
            }
            Some(Sent::Request(_) | Sent::Acks(_) | Sent::Container(_)) | None => false,
        }
    }

    /// Forgets a refused message id; returns what stood behind it, a container's members one by
    /// one. The requests among them stay written until they are queued again or taken. Those that
    /// left more than once under their id are not among them: their states are asked for.
    pub(crate) fn refused(&mut self, msg_id: MsgId, now: Time) -> Option<Vec<Sent>> {
        let members = match self.sent.get(&msg_id)? {
            Sent::Container(_) if sabotage::breaks(Sabotage::ContainerMembership) => Vec::new(),
            Sent::Container(members) => members.ids.clone(),
            Sent::Request(_)
            | Sent::Acks(_)
            | Sent::FutureSalts
            | Sent::Ping
            | Sent::States(_)
            | Sent::Resend(_)
            | Sent::Notice(_) => [msg_id].into(),
        };
        if matches!(self.sent.get(&msg_id), Some(Sent::Container(_))) {
            self.take_sent(msg_id);
        }
        let (unsettled, refused): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| {
            self.request_of(*member)
                .and_then(|id| self.get(id))
                .is_some_and(|request| request.repeated)
        });
        self.ask_soon(&unsettled, now);
        Some(
            refused
                .into_iter()
                .filter_map(|member| self.take_sent(member))
                .collect(),
        )
    }

    /// When the oldest request was written that waits for its answer.
    pub(crate) fn oldest_written(&self) -> Option<Time> {
        self.written.first().map(|(at, _)| *at)
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

/// Whether the answer to a call says nothing of the message that it answers.
fn is_nameless(constructor: u32) -> bool {
    matches!(
        constructor,
        functions::DestroySession::ID | functions::DestroyAuthKey::ID
    )
}
