//! What is sent again, and at what price.
//!
//! Does: puts written requests back into the queue, or repeats them as they are; keeps budgets; knows
//! what a server that is new cannot have.
//! In: requests that were refused or lost. Out: what leaves again, what ends instead.
//! Must not know: why a request was refused.
//! Spec: "Service Messages about Messages"; "Service Messages", notification of a new session.

use alloc::vec::Vec;
use core::time::Duration;

use crate::error::{Fate, RequestError};
use crate::ids::RequestId;
use crate::session::after;
use crate::session::msg_id::{MAX_AGE, floor_of};
use crate::session::pending::{Pending, Request, Stage};
use crate::time::Time;

/// What becomes of a request that is to be sent again as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It leaves with the next packet.
    Leaves,
    /// Its budget is used up.
    TooOften,
    /// It is a service message or of another session, or its id is too old to be taken.
    Impossible,
}

impl Pending {
    /// Sends requests again under new ids, before all others and in their order, each at the price
    /// of one retry; `fate` is that of the sending before. Returns those that end instead, because
    /// their budget is used up or what they come after has failed.
    pub(crate) fn retry(
        &mut self,
        ids: &[RequestId],
        fate: Fate,
    ) -> Vec<(RequestId, RequestError)> {
        let mut ended = Vec::new();
        for id in ids {
            let Some(request) = self.requests.get_mut(id) else {
                continue;
            };
            let Stage::Written(msg_id) = request.stage else {
                continue;
            };
            request.unsure |= fate == Fate::MaybeExecuted;
            let fate = if request.unsure {
                Fate::MaybeExecuted
            } else {
                fate
            };
            let hopeless = request
                .failed_dependency
                .map(|dependency| after::dependency_failed(dependency, fate));
            let error = hopeless.or_else(|| (!request.pay()).then_some(RequestError::Lost(fate)));
            if let Some(error) = error {
                ended.push((*id, error));
                continue;
            }
            let written_at = request.written_at;
            self.place(*id, |request| {
                request.stage = Stage::Queued;
                request.container = None;
                request.acked = false;
                request.told = false;
            });
            self.written.remove(&(written_at, *id));
            self.repeats.remove(id);
            self.sent.remove(&msg_id);
            self.ask_at(*id, None);
            self.joins_queue(*id);
            self.settle_dependants(*id);
        }
        for (id, _) in &ended {
            self.fail(*id);
        }
        ended
    }

    /// Sends a written request again as it is, under its own message id, at the price of one retry.
    /// A server executes a message id once, so this is harmless even if it has it after all.
    pub(crate) fn repeat(&mut self, id: RequestId, server_now: Time) -> Repeat {
        if self.repeats.contains(&id) {
            return Repeat::Leaves;
        }
        let Some(request) = self.requests.get_mut(&id) else {
            return Repeat::Impossible;
        };
        // What is older a server would not take if it came by itself.
        let oldest = floor_of(server_now - MAX_AGE);
        let possible = request.body.is_api_call()
            && !request.in_former_session
            && request.msg_id().is_some_and(|msg_id| msg_id.0 > oldest);
        if !possible {
            return Repeat::Impossible;
        }
        if !request.pay() {
            return Repeat::TooOften;
        }
        self.repeats.insert(id);
        Repeat::Leaves
    }

    /// The request to send next as it was.
    pub(crate) fn next_repeat(&self) -> Option<(RequestId, &Request)> {
        let id = *self.repeats.first().filter(|_| !self.hold)?;
        Some((id, self.requests.get(&id)?))
    }

    /// The request left again as it was; its state is asked for after `ask_after`.
    pub(crate) fn repeated(&mut self, id: RequestId, now: Time, ask_after: Duration) {
        self.repeats.remove(&id);
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        self.written.remove(&(request.written_at, id));
        self.written.insert((now, id));
        request.written_at = now;
        request.uncertain = false;
        request.repeated = true;
        request.ask_again = ask_after;
        self.ask_at(id, Some(now + ask_after));
        self.settle_dependants(id);
    }

    /// What is written was written in a session that is over.
    pub(crate) fn session_replaced(&mut self) {
        for request in self.requests.values_mut() {
            request.in_former_session |= request.stage != Stage::Queued;
            request.ask_at = None;
        }
        self.outermost.clear();
        self.asks.clear();
        self.repeats.clear();
        self.settle_all_dependants();
    }
}
