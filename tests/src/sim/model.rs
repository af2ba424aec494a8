//! The reference model: what was asked for, what was executed, what the application was told.
//!
//! Does: [`Model`] takes every submission, every execution by the server's owner and every event of
//! the client's application, and says which invariant they break.
//! In: submissions, executions, events, the time. Out: nothing, or [`Broken`].
//! Must not know: packets, streams, sessions beyond their ids; how the machines work.
//! Spec: none; the invariants are the project's own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::{AuthKeyId, MsgId, RequestError, RequestId, SessionId, Time};

use super::body::{self, Tag};
use super::outcome::{End, FateName, Invariant};

/// An invariant that does not hold, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub Invariant, pub String);

/// The result of a check.
pub type Checked<T = ()> = Result<T, Broken>;

/// Breaks an invariant.
pub(super) fn broken<T>(invariant: Invariant, detail: impl Into<String>) -> Checked<T> {
    Err(Broken(invariant, detail.into()))
}

/// A machine is called at its deadline; what it then says comes at the same instant.
const DEADLINE_SLACK: Duration = Duration::from_millis(1);

/// Errors that a server of the core gives by itself.
const SERVERS_OWN: [&str; 3] = [
    "AUTH_KEY_PERM_EMPTY",
    "Too Many Requests",
    "MSG_WAIT_FAILED",
];

/// A request as it was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Which client.
    pub client: usize,
    /// What it is called everywhere.
    pub tag: Tag,
    /// What the machine calls it.
    pub id: RequestId,
    /// It may be executed twice.
    pub idempotent: bool,
    /// The client's time from which on it may end by its deadline.
    pub deadline: Time,
    /// How often it may be sent again.
    pub retries: u8,
    /// The requests that had not ended which it is to come after.
    pub after: Vec<Tag>,
    /// The owner never answers it.
    pub unanswered: bool,
}

/// What the model knows of a request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) submission: Submission,
    /// The run's time of the submission.
    pub(super) since: Time,
    pub(super) cancelled: bool,
    pub(super) ended: Option<End>,
    /// Places in the order of executions.
    pub(super) executed: Vec<u64>,
}

/// Everything that was asked for, executed and told in one run.
#[derive(Clone, Debug, Default)]
pub struct Model {
    requests: BTreeMap<Tag, Request>,
    by_id: BTreeMap<(usize, RequestId), Tag>,
    open: BTreeSet<(usize, Time, Tag)>,
    executions: u64,
    /// By the message that asked for them, in this life of the server.
    executed_ids: BTreeSet<(AuthKeyId, SessionId, MsgId)>,
    /// Updates in the order in which they reached a client.
    arrivals: BTreeMap<usize, VecDeque<u64>>,
    delivered: BTreeSet<(usize, u64)>,
    ends: BTreeMap<End, u64>,
}

impl Model {
    /// The application submitted a request.
    pub fn submitted(&mut self, submission: Submission, now: Time) {
        let (client, tag) = (submission.client, submission.tag);
        self.by_id.insert((client, submission.id), tag);
        self.open.insert((client, submission.deadline, tag));
        let request = Request {
            submission,
            since: now,
            cancelled: false,
            ended: None,
            executed: Vec::new(),
        };
        self.requests.insert(tag, request);
    }

    /// The application cancelled it, if it had not ended.
    pub fn cancelled(&mut self, tag: Tag) {
        if let Some(request) = self.requests.get_mut(&tag) {
            request.cancelled = true;
        }
    }

    /// The server's owner executed a call.
    ///
    /// # Errors
    /// If it must not have been executed (again, or so early).
    pub fn executed(
        &mut self,
        tag: Tag,
        key: AuthKeyId,
        session: SessionId,
        msg_id: MsgId,
    ) -> Checked {
        if !self.executed_ids.insert((key, session, msg_id)) {
            return broken(
                Invariant::NeverTwice,
                format!("{tag:?} was executed twice under message {msg_id}"),
            );
        }
        let Some(request) = self.requests.get(&tag) else {
            return broken(Invariant::SenderRules, format!("nobody asked for {tag:?}"));
        };
        let times = request.executed.len();
        if times > 0 && !request.submission.idempotent {
            return broken(
                Invariant::NeverTwice,
                format!("{tag:?}, not idempotent, was executed again, as message {msg_id}"),
            );
        }
        if let Some(FateName::NotSent | FateName::NotReceived) = request.ended.and_then(End::fate) {
            return broken(
                Invariant::FateIsTrue,
                format!(
                    "{tag:?} ended ({}) and was executed",
                    request.ended.expect("it has")
                ),
            );
        }
        for before in &request.submission.after {
            let first = self.requests.get(before);
            if first.is_none_or(|first| first.executed.is_empty()) {
                return broken(
                    Invariant::Order,
                    format!("{tag:?} was executed before {before:?}, which it comes after"),
                );
            }
        }
        self.executions += 1;
        let order = self.executions;
        if let Some(request) = self.requests.get_mut(&tag) {
            request.executed.push(order);
        }
        Ok(())
    }

    /// The server begins anew: message ids of its former life say nothing.
    pub fn server_forgot(&mut self) {
        self.executed_ids.clear();
    }

    /// The application got an answer.
    ///
    /// # Errors
    /// If it is not this request's, or the request had ended.
    pub fn answered(&mut self, client: usize, id: RequestId, body: &Bytes) -> Checked {
        let tag = self.ends(client, id, End::Answered)?;
        let request = &self.requests[&tag];
        if body::answered(body) != Some(tag) {
            return broken(
                Invariant::OwnAnswer,
                format!("{tag:?} got another answer: {:?}", body::answered(body)),
            );
        }
        if request.executed.is_empty() {
            return broken(
                Invariant::OwnAnswer,
                format!("{tag:?} was answered and never executed"),
            );
        }
        Ok(())
    }

    /// A request failed; `now` is the client's time.
    ///
    /// # Errors
    /// If what the error says is not true, or the request had ended.
    pub fn failed(
        &mut self,
        client: usize,
        id: RequestId,
        error: &RequestError,
        now: Time,
    ) -> Checked {
        let end = End::of(error);
        let tag = self.ends(client, id, end)?;
        let request = &self.requests[&tag];
        let deadline = request.submission.deadline;
        let ran = !request.executed.is_empty();
        match end {
            End::TimedOut(_) if now < deadline => {
                return broken(
                    Invariant::EndsInTime,
                    format!(
                        "{tag:?} ended by its deadline {:?} before it",
                        deadline.saturating_since(now)
                    ),
                );
            }
            End::Cancelled(_) if !request.cancelled => {
                return broken(Invariant::EndsOnce, format!("nobody cancelled {tag:?}"));
            }
            End::BadAnswer => {
                return broken(
                    Invariant::OwnAnswer,
                    format!("{tag:?} got an answer that cannot be used"),
                );
            }
            End::DependencyFailed if request.submission.after.is_empty() => {
                return broken(
                    Invariant::Order,
                    format!("{tag:?} comes after nothing and failed for it"),
                );
            }
            _ => {}
        }
        if let RequestError::Rpc(rpc) = error
            && !SERVERS_OWN.contains(&rpc.message.as_str())
            && (rpc.message != body::error_of(tag) || !ran)
        {
            return broken(
                Invariant::OwnAnswer,
                format!("{tag:?} got {rpc}; executed: {ran}"),
            );
        }
        if let Some(FateName::NotSent | FateName::NotReceived) = end.fate()
            && ran
        {
            return broken(
                Invariant::FateIsTrue,
                format!("{tag:?} was executed and ended: {end}"),
            );
        }
        Ok(())
    }

    fn ends(&mut self, client: usize, id: RequestId, end: End) -> Checked<Tag> {
        let Some(tag) = self.by_id.get(&(client, id)).copied() else {
            return broken(
                Invariant::EndsOnce,
                format!("{id} was never submitted and ended: {end}"),
            );
        };
        let Some(request) = self.requests.get_mut(&tag) else {
            return broken(Invariant::EndsOnce, format!("{tag:?} is unknown"));
        };
        if let Some(before) = request.ended.replace(end) {
            return broken(
                Invariant::EndsOnce,
                format!("{tag:?} ended twice: {before}, then {end}"),
            );
        }
        self.open
            .remove(&(client, request.submission.deadline, tag));
        *self.ends.entry(end).or_default() += 1;
        Ok(tag)
    }

    /// What is known of a request.
    pub(super) fn get(&self, tag: Tag) -> Option<&Request> {
        self.requests.get(&tag)
    }

    /// Requests of a client that have not ended.
    pub(super) fn open(&self, client: usize) -> impl Iterator<Item = &Request> {
        self.open
            .range((client, Time::ZERO, Tag(0))..=(client, Time::MAX, Tag(u64::MAX)))
            .filter_map(|(_, _, tag)| self.requests.get(tag))
    }

    /// How many have not ended.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// No request of a running client is beyond its deadline; `now` is the client's time.
    ///
    /// # Errors
    /// If one is.
    pub fn check_deadlines(&self, client: usize, now: Time) -> Checked {
        match self.open(client).next() {
            Some(request) if request.submission.deadline + DEADLINE_SLACK < now => broken(
                Invariant::EndsInTime,
                format!(
                    "{:?} has not ended {:?} after its deadline",
                    request.submission.tag,
                    now.saturating_since(request.submission.deadline)
                ),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// An update reached the client's end.
    pub fn update_arrived(&mut self, client: usize, number: u64) {
        self.arrivals.entry(client).or_default().push_back(number);
    }

    /// The application got an update.
    ///
    /// # Errors
    /// If it had it before, or got a later one first.
    pub fn update_told(&mut self, client: usize, body: &Bytes) -> Checked {
        let Some(number) = body::updated(body) else {
            return broken(Invariant::OwnAnswer, "an update that nobody pushed");
        };
        if !self.delivered.insert((client, number)) {
            return broken(
                Invariant::DeliveredOnce,
                format!("update {number} came twice"),
            );
        }
        let arrivals = self.arrivals.entry(client).or_default();
        // What lies before it was not taken, and was not acknowledged.
        match arrivals.iter().position(|arrived| *arrived == number) {
            Some(at) => drop(arrivals.drain(..=at)),
            None => {
                return broken(
                    Invariant::InOrder,
                    format!("update {number} was delivered after one that came later"),
                );
            }
        }
        Ok(())
    }

    /// Whether the application got this update.
    pub(super) fn has_update(&self, client: usize, number: u64) -> bool {
        self.delivered.contains(&(client, number))
    }

    /// Requests by their end.
    pub fn ends_by_kind(&self) -> &BTreeMap<End, u64> {
        &self.ends
    }

    /// Calls executed and updates delivered.
    pub fn totals(&self) -> (u64, u64) {
        (self.executions, self.delivered.len() as u64)
    }
}
