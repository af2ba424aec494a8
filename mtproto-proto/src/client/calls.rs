//! Calls on their way: the application's and the client's own.
//!
//! Does: a table of calls with their budgets, ordered by deadline and by pause; who waits for whom.
//! In: bodies with options. Out: calls that are due.
//! Must not know: streams; what an answer means (`answers.rs` does).
//! Spec: "Calling methods"; "Handling API errors".

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::client::link::LinkId;
use crate::client::updates::NeedId;
use crate::client::{CallError, FloodPolicy, Route};
use crate::error::Fate;
use crate::ids::{DcId, RequestId};
use crate::time::Time;

/// How often a call may be sent to another DC: to the account's, to a file's, and back once.
pub(super) const MAX_HOPS: u8 = 4;
/// How often a call may find that the temporary key is not bound, or that its DC does not know the
/// account.
pub(super) const MAX_REPAIRS: u8 = 2;

/// Who wants the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Application,
    /// Updates.
    Need(NeedId),
    /// `help.getConfig`.
    Config,
    /// Who is signed in: the stored account does not say.
    WhoAmI,
    /// `auth.exportAuthorization` to this DC.
    Export(DcId),
    /// `auth.importAuthorization` on this DC.
    Import(DcId),
    /// `destroy_auth_key`, after which the link ends.
    Destroy,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is being moved.
    Nowhere,
    /// It waits for a stream.
    Waiting(LinkId),
    /// It waits for the account's authorization on the DC.
    Held(LinkId),
    /// It is a request of the link's session.
    Sent(LinkId, RequestId),
    /// It is sent again at this time.
    Paused(Time),
    /// It waits for the calls that it is to come after.
    Behind,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) origin: Origin,
    pub(super) body: Bytes,
    /// The method behind the wrappers.
    pub(super) method: u32,
    pub(super) route: Route,
    /// A link that it is bound to, whatever the route says.
    pub(super) link: Option<LinkId>,
    pub(super) deadline: Time,
    pub(super) idempotent: bool,
    pub(super) flood: FloodPolicy,
    /// Pauses that the server wanted, in sum.
    pub(super) waited: Duration,
    pub(super) retries_left: u8,
    /// Errors of the server so far.
    pub(super) errors: u8,
    pub(super) hops_left: u8,
    pub(super) repairs_left: u8,
    /// What is known of its sendings before the present one.
    pub(super) fate: Fate,
    /// The server has it.
    pub(super) acked: bool,
    /// Somebody was signed in when it was sent.
    pub(super) for_account: bool,
    /// Those that it is to come after and that have not ended.
    pub(super) after: Vec<RequestId>,
    /// One of them failed while the server had this one, too.
    pub(super) broken: Option<RequestId>,
    pub(super) place: Place,
}

impl Call {
    /// Its fate if the present sending, or none, had this one.
    pub(super) fn fate_with(&self, now: Fate) -> Fate {
        worse(self.fate, now)
    }

    /// Its fate once the server has refused the present sending. What may be executed twice may have
    /// been sent before by its session, and executed then; all else goes out a second time only when
    /// the server says that it does not have it.
    pub(super) fn fate_refused(&self) -> Fate {
        self.fate_with(if self.idempotent {
            Fate::MaybeExecuted
        } else {
            Fate::NotReceived
        })
    }
}

/// The one of which less is known.
fn worse(a: Fate, b: Fate) -> Fate {
    match (a, b) {
        (Fate::MaybeExecuted, _) | (_, Fate::MaybeExecuted) => Fate::MaybeExecuted,
        (Fate::NotReceived, _) | (_, Fate::NotReceived) => Fate::NotReceived,
        (Fate::NotSent, Fate::NotSent) => Fate::NotSent,
    }
}

/// How a call ended.
pub(super) type End = Result<Bytes, CallError>;

/// All calls that have not ended.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: u64,
    calls: BTreeMap<RequestId, Call>,
    deadlines: BTreeSet<(Time, RequestId)>,
    pauses: BTreeSet<(Time, RequestId)>,
    /// Who is to come after whom: the earlier one first.
    order: BTreeSet<(RequestId, RequestId)>,
    /// Those that failed while the application has not heard of it.
    untold: BTreeSet<RequestId>,
    /// Those of the application.
    application: usize,
    /// Bytes of their bodies.
    application_bytes: usize,
}

impl Calls {
    pub(super) fn add(&mut self, mut call: Call) -> RequestId {
        let id = self.next_id();
        // What has ended holds nothing back.
        call.after.retain(|first| self.calls.contains_key(first));
        call.after.sort_unstable();
        call.after.dedup();
        self.order
            .extend(call.after.iter().map(|first| (*first, id)));
        self.deadlines.insert((call.deadline, id));
        if call.origin == Origin::Application {
            self.application = self.application.saturating_add(1);
            self.application_bytes = self.application_bytes.saturating_add(call.body.len());
        }
        self.calls.insert(id, call);
        id
    }

    pub(super) fn next_id(&mut self) -> RequestId {
        self.last = self.last.saturating_add(1);
        RequestId(self.last)
    }

    /// One of these that failed while the application has not heard of it.
    pub(super) fn untold_of(&self, ids: &[RequestId]) -> Option<RequestId> {
        ids.iter().find(|id| self.untold.contains(id)).copied()
    }

    /// The application is to be told that a call failed.
    pub(super) fn failed(&mut self, id: RequestId) {
        self.untold.insert(id);
    }

    /// It has heard of it.
    pub(super) fn told(&mut self, id: RequestId) {
        self.untold.remove(&id);
    }

    /// How many of the application's wait.
    pub(super) fn of_application(&self) -> usize {
        self.application
    }

    /// Bytes of their bodies.
    pub(super) fn application_bytes(&self) -> usize {
        self.application_bytes
    }

    pub(super) fn get(&self, id: RequestId) -> Option<&Call> {
        self.calls.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: RequestId) -> Option<&mut Call> {
        self.calls.get_mut(&id)
    }

    /// All of them, oldest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = RequestId> {
        self.calls.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RequestId, &Call)> {
        self.calls.iter().map(|(id, call)| (*id, call))
    }

    /// Moves a call; its pause ends.
    pub(super) fn put(&mut self, id: RequestId, place: Place) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let Place::Paused(until) = core::mem::replace(&mut call.place, place) {
            self.pauses.remove(&(until, id));
        }
        if let Place::Paused(until) = place {
            self.pauses.insert((until, id));
        }
    }

    /// Those that are to come after this one, oldest first.
    pub(super) fn dependants(&self, id: RequestId) -> Vec<RequestId> {
        let all = self
            .order
            .range((id, RequestId(0))..=(id, RequestId(u64::MAX)));
        all.map(|(_, dependant)| *dependant).collect()
    }

    /// The earlier one has ended: the later one does not wait for it any more.
    pub(super) fn release(&mut self, first: RequestId, dependant: RequestId) {
        self.order.remove(&(first, dependant));
        if let Some(call) = self.calls.get_mut(&dependant) {
            call.after.retain(|id| *id != first);
        }
    }

    /// Ends a call.
    pub(super) fn take(&mut self, id: RequestId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        for first in &call.after {
            self.order.remove(&(*first, id));
        }
        self.deadlines.remove(&(call.deadline, id));
        if let Place::Paused(until) = call.place {
            self.pauses.remove(&(until, id));
        }
        if call.origin == Origin::Application {
            self.application = self.application.saturating_sub(1);
            self.application_bytes = self.application_bytes.saturating_sub(call.body.len());
        }
        Some(call)
    }

    /// A call whose deadline has passed.
    pub(super) fn expired(&self, now: Time) -> Option<RequestId> {
        due(&self.deadlines, now)
    }

    /// A call whose pause is over.
    pub(super) fn rested(&self, now: Time) -> Option<RequestId> {
        due(&self.pauses, now)
    }

    /// The next deadline or end of a pause.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        [self.deadlines.first(), self.pauses.first()]
            .into_iter()
            .flatten()
            .map(|(at, _)| *at)
            .min()
    }
}

fn due(set: &BTreeSet<(Time, RequestId)>, now: Time) -> Option<RequestId> {
    set.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
}
