//! Calls that are to come after others.
//!
//! Does: holds a call back until those that it is to come after have been executed, or sends it
//! behind them over the same session; ends it when one of them failed.
//! In: calls sent and ended. Out: calls on their way again, or ended.
//! Must not know: streams, errors of the server (`answers.rs` does).
//! Spec: "Calling methods", invokeAfterMsg.
//!
//! ```text
//! first:      waiting ─► sent ─► answered ──► Ok    ─► the dependant goes
//!                │         │         └──────► error ─► DependencyFailed
//!                │         └ over the dependant's link: its session keeps the order, no round trip
//!                └ held, paused, elsewhere: the dependant is Behind
//! ```

use alloc::vec::Vec;

use crate::client::CallError;
use crate::client::calls::{Call, End, Place};
use crate::client::link::LinkId;
use crate::client::machine::Client;
use crate::error::{Fate, Progress, RequestError};
use crate::ids::RequestId;
use crate::time::Time;

impl Client {
    /// How far a call is; `None` if it is none or has ended.
    pub fn progress(&self, id: RequestId) -> Option<Progress> {
        let call = self.calls.get(id)?;
        let Place::Sent(link, inner) = call.place else {
            return Some(Progress::Queued);
        };
        let known = self.links.get(&link)?.progress(inner);
        Some(known.unwrap_or(Progress::Queued))
    }

    /// Whether all that a call is to come after are on the link, or on their way to it.
    pub(super) fn may_follow(&self, link: LinkId, call: &Call) -> bool {
        call.after.iter().all(|first| {
            let first = self.calls.get(*first).map(|first| first.place);
            matches!(first, Some(Place::Waiting(at) | Place::Held(at) | Place::Sent(at, _)) if at == link)
        })
    }

    /// The session's names of those that a call is to come after, if the link's session has all of
    /// them; `None` while it has to be held back.
    pub(super) fn order_in(&self, link: LinkId, id: RequestId) -> Option<Vec<RequestId>> {
        let call = self.calls.get(id)?;
        call.after
            .iter()
            .map(|first| match self.calls.get(*first)?.place {
                Place::Sent(at, inner) if at == link => Some(inner),
                Place::Nowhere
                | Place::Waiting(_)
                | Place::Held(_)
                | Place::Sent(..)
                | Place::Paused(_)
                | Place::Behind => None,
            })
            .collect()
    }

    /// The call was handed to the link's session: what is to come after it may follow there.
    pub(super) fn let_follow(&mut self, now: Time, link: LinkId, id: RequestId) {
        for dependant in self.calls.dependants(id) {
            let call = self.calls.get(dependant);
            if call.is_some_and(|c| c.place == Place::Behind && self.link_for(c) == link) {
                self.place(now, dependant);
            }
        }
    }

    /// One that `id` was to come after has ended; how `id` ends thereby, if it does.
    pub(super) fn predecessor_ended(
        &mut self,
        now: Time,
        id: RequestId,
        first: RequestId,
        error: Option<&CallError>,
    ) -> Option<End> {
        self.calls.release(first, id);
        let Some(error) = error else {
            let call = self.calls.get(id);
            if call.is_some_and(|call| call.place == Place::Behind) {
                self.place(now, id);
            }
            return None;
        };
        let call = self.calls.get_mut(id)?;
        if matches!(call.place, Place::Sent(..)) {
            // The server may have executed both, whatever is known of the first one here.
            call.broken = Some(first);
            return None;
        }
        let fate = self.withdraw(now, id);
        Some(Err(match error {
            CallError::SignedOut { .. } => error.with_fate(fate),
            CallError::Request(_) | CallError::UnknownDc { .. } | CallError::KeyDenied { .. } => {
                broken(first, fate)
            }
        }))
    }

    /// A session or the server did not execute a call because it did not execute one before it;
    /// `false` if that is not known here.
    pub(super) fn order_broken(&mut self, now: Time, id: RequestId) -> bool {
        let Some(call) = self.calls.get(id) else {
            return true;
        };
        if let Some(first) = call.broken {
            let fate = call.fate_with(Fate::NotReceived);
            self.finish(now, id, Err(broken(first, fate)));
            return true;
        }
        let goes_on = call.after.iter().any(|first| {
            let first = self.calls.get(*first);
            first.is_some_and(|first| !matches!(first.place, Place::Sent(..)))
        });
        if goes_on && let Some(call) = self.calls.get_mut(id) {
            // It is paused, or goes elsewhere: this one follows it.
            call.fate = call.fate_with(Fate::NotReceived);
            self.place(now, id);
        }
        goes_on
    }
}

/// How a call ends that was to come after one that failed.
pub(super) fn broken(first: RequestId, fate: Fate) -> CallError {
    CallError::Request(match fate {
        // An earlier sending of it may have been executed.
        Fate::MaybeExecuted => RequestError::Lost(fate),
        Fate::NotSent | Fate::NotReceived => RequestError::DependencyFailed(first),
    })
}
