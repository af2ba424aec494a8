//! Order between requests.
//!
//! Does: holds a request back while what it comes after cannot be named to the server, lets it go
//! when that was answered, ends it when that failed; writes `invokeAfterMsg` and `invokeAfterMsgs`.
//! In: requests that were written, refused, acknowledged, ended. Out: what may leave, what ended.
//! Must not know: packets, the stream.
//! Spec: "Calling API methods", sequence of requests; "Handling errors", `MSG_WAIT_FAILED`.
//!
//! A request leaves together with or behind what it comes after, and names it: the server waits.
//! It stays here as long as that cannot be named, which does not hold up anything else: while it
//! waits itself, while it is unknown whether the server has it, when it was written in a session
//! that is over, and when the server has answered that it did not wait.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use mtproto_schema::tl;

use crate::error::{Fate, RequestError};
use crate::ids::{MsgId, RequestId};
use crate::session::pending::Pending;
use crate::session::request::{Request, Stage};

/// Requests that one may come after. A chain needs one, a barrier behind an album of ten needs ten;
/// each costs eight bytes of the request's room.
pub const MAX_AFTER: usize = 64;

/// `invokeAfterMsg#cb9f372d {X:Type} msg_id:long query:!X = X;`
const INVOKE_AFTER_MSG: u32 = 0xcb9f_372d;
/// `invokeAfterMsgs#3dc4b4f0 {X:Type} msg_ids:Vector<long> query:!X = X;`
const INVOKE_AFTER_MSGS: u32 = 0x3dc4_b4f0;

/// Bytes before a query that is to be executed after so many messages.
pub(crate) fn wrapper_len(named: usize) -> usize {
    match named {
        0 => 0,
        1 => 12,
        // Constructor, vector constructor, count.
        more => more.saturating_mul(8).saturating_add(12),
    }
}

/// Writes what goes before a query that is to be executed after these.
pub(crate) fn write_wrapper(named: &[MsgId], out: &mut Vec<u8>) {
    match named {
        [] => {}
        [only] => {
            tl::put_u32(out, INVOKE_AFTER_MSG);
            tl::put_i64(out, only.0);
        }
        more => {
            tl::put_u32(out, INVOKE_AFTER_MSGS);
            tl::put_vector(out, more.len());
            for msg_id in more {
                tl::put_i64(out, msg_id.0);
            }
        }
    }
}

/// Whether the server says that it did not execute a request because of what it came after. The
/// code differs from server to server.
pub(crate) fn is_wait_error(message: &str) -> bool {
    matches!(message, "MSG_WAIT_FAILED" | "MSG_WAIT_TIMEOUT")
}

impl Pending {
    /// Whether a request has to stay here because of what it comes after.
    fn is_held_back(&self, request: &Request) -> bool {
        let waits_for_ends = request.patient || !request.body.is_api_call();
        request
            .after
            .iter()
            .filter_map(|dependency| self.get(*dependency))
            .any(|dependency| waits_for_ends || !dependency.can_be_named())
    }

    /// A queued request may leave, or may not, as things stand.
    pub(super) fn settle(&mut self, id: RequestId) {
        let Some(request) = self.get(id) else {
            return;
        };
        if request.stage == Stage::Queued && !self.is_held_back(request) {
            self.ready.insert(id);
        } else {
            self.ready.remove(&id);
        }
    }

    /// Something happened to this request: those that come after it may leave, or may not.
    pub(super) fn settle_dependants(&mut self, id: RequestId) {
        for dependant in self.dependants_of(id) {
            self.settle(dependant);
        }
    }

    /// Something happened to many requests.
    pub(super) fn settle_all_dependants(&mut self) {
        let all: BTreeSet<_> = self.dependants.iter().map(|(_, id)| *id).collect();
        for id in all {
            self.settle(id);
        }
    }

    fn dependants_of(&self, id: RequestId) -> Vec<RequestId> {
        self.dependants
            .range((id, RequestId(0))..=(id, RequestId(u64::MAX)))
            .map(|(_, dependant)| *dependant)
            .collect()
    }

    /// The ids of what a request comes after.
    pub(super) fn ids_after(&self, request: &Request) -> Vec<MsgId> {
        request
            .after
            .iter()
            .filter_map(|dependency| self.get(*dependency)?.msg_id())
            .collect()
    }

    /// A request was answered: what comes after it need not name it any more.
    pub(super) fn release_dependants(&mut self, id: RequestId) {
        for dependant in self.dependants_of(id) {
            self.unlink(dependant, id);
            self.settle(dependant);
        }
    }

    /// A request ended without success: what comes after it and has not left ends too, and what
    /// comes after that. What has left waits for its own answer.
    pub(super) fn fail_dependants(&mut self, id: RequestId) {
        let mut failed = BTreeSet::from([id]);
        while let Some(dependency) = failed.pop_first() {
            for dependant in self.dependants_of(dependency) {
                self.unlink(dependant, dependency);
                let Some(request) = self.requests.get_mut(&dependant) else {
                    continue;
                };
                if request.stage == Stage::Queued {
                    let error = dependency_failed(dependency, request.fate());
                    self.remove(dependant);
                    self.untold.insert(dependant);
                    self.orphans.push((dependant, error));
                    failed.insert(dependant);
                } else {
                    request.failed_dependency.get_or_insert(dependency);
                }
            }
        }
    }

    /// A request is to come after one whose failure the owner has not heard of: it does not leave.
    pub(super) fn end_unsent(&mut self, id: RequestId, dependency: RequestId) {
        self.untold.insert(id);
        let error = RequestError::DependencyFailed(dependency);
        self.orphans.push((id, error));
    }

    fn unlink(&mut self, dependant: RequestId, dependency: RequestId) {
        self.dependants.remove(&(dependency, dependant));
        if let Some(request) = self.requests.get_mut(&dependant) {
            request.after.retain(|id| *id != dependency);
        }
    }

    /// The server answered that it did not execute a request because of what that came after. Why
    /// it has ended, if it has; otherwise it is to be sent again, and waits here until nothing is
    /// left to come after: a server that gave up waiting once would do so again.
    pub(crate) fn was_not_waited_for(&mut self, id: RequestId) -> Option<RequestError> {
        let request = self.requests.get_mut(&id)?;
        if let Some(dependency) = request.failed_dependency {
            let fate = if request.unsure {
                Fate::MaybeExecuted
            } else {
                Fate::NotReceived
            };
            return Some(dependency_failed(dependency, fate));
        }
        request.patient = true;
        None
    }

    /// Takes what ended because of what it came after.
    pub(crate) fn take_orphans(&mut self) -> Vec<(RequestId, RequestError)> {
        core::mem::take(&mut self.orphans)
    }
}

/// How a request ends whose dependency failed. An earlier sending of it may have been executed,
/// which counts for more.
pub(super) fn dependency_failed(dependency: RequestId, fate: Fate) -> RequestError {
    match fate {
        Fate::NotSent | Fate::NotReceived => RequestError::DependencyFailed(dependency),
        Fate::MaybeExecuted => RequestError::Lost(Fate::MaybeExecuted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapper_is_as_long_as_it_says() {
        for named in 0..=MAX_AFTER {
            let ids: Vec<_> = (0..named)
                .map(|n| MsgId(i64::try_from(n).unwrap_or(0)))
                .collect();
            let mut out = Vec::new();
            write_wrapper(&ids, &mut out);
            assert_eq!(out.len(), wrapper_len(named), "{named}");
        }
    }
}
