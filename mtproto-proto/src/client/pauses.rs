//! Methods that the server wants left alone for a while.
//!
//! Does: remembers until when, so that one refusal holds back all calls of the method.
//! In: pauses. Out: until when a call has to wait.
//! Must not know: calls, and what they may wait (`answers.rs` does).
//! Spec: "Handling API errors", 420.

use alloc::collections::BTreeMap;

use crate::ids::DcId;
use crate::time::Time;

/// Pauses that are remembered at once. The API has about 800 methods, of which a client that has
/// got this many in trouble at once need not be spared a refusal more.
const MAX: usize = 256;

/// Pauses by DC and method.
#[derive(Debug, Default)]
pub(super) struct Pauses(BTreeMap<(DcId, u32), Time>);

impl Pauses {
    /// The server wants a pause of the method; a longer one that is known stays.
    pub(super) fn add(&mut self, now: Time, dc: DcId, method: u32, until: Time) {
        self.0.retain(|_, until| *until > now);
        if self.0.len() < MAX || self.0.contains_key(&(dc, method)) {
            let known = self.0.entry((dc, method)).or_insert(until);
            *known = until.max(*known);
        }
    }

    /// Until when calls of the method have to wait.
    pub(super) fn of(&self, now: Time, dc: DcId, method: u32) -> Option<Time> {
        let until = self.0.get(&(dc, method))?;
        (*until > now).then_some(*until)
    }

    /// Somebody else is, or nobody is any more, signed in: the pauses were another one's.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
