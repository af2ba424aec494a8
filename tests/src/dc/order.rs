//! Which calls may come after which.
//!
//! Does: remembers how the last calls of each session ended; holds those back that
//! `invokeAfterMsg` orders behind a call that failed or is not known.
//! In: calls that ended; what a call asks for. Out: whether it may go on.
//! Must not know: what a call does. Calls are answered as they come, so none has to wait.
//! Spec: "Calling methods".

use std::collections::BTreeMap;

use mtproto_proto::{AuthKeyId, DcId, MsgId, SessionId};

/// Calls of a session that are remembered: as many as clients have in flight, who order a call
/// behind those only that they have no answer to.
const MAX_OUTCOMES: usize = 1_024;

/// A session of a key of a DC.
pub type SessionAt = (DcId, AuthKeyId, SessionId);

/// How calls ended, by session and message.
#[derive(Debug, Default)]
pub struct Order {
    sessions: BTreeMap<SessionAt, BTreeMap<MsgId, bool>>,
}

impl Order {
    /// A call ended: well, or with an error.
    pub fn ended(&mut self, session: SessionAt, msg_id: MsgId, well: bool) {
        let outcomes = self.sessions.entry(session).or_default();
        outcomes.insert(msg_id, well);
        if outcomes.len() > MAX_OUTCOMES {
            outcomes.pop_first();
        }
    }

    /// Whether all of these ended well.
    pub fn all_ended_well(&self, session: SessionAt, after: &[i64]) -> bool {
        let outcomes = self.sessions.get(&session);
        after.iter().all(|msg_id| {
            let outcome = outcomes.and_then(|outcomes| outcomes.get(&MsgId(*msg_id)));
            outcome == Some(&true)
        })
    }

    /// A session is over.
    pub fn forget(&mut self, session: SessionAt) {
        self.sessions.remove(&session);
    }

    /// All that is remembered.
    pub fn iter(&self) -> impl Iterator<Item = (SessionAt, &BTreeMap<MsgId, bool>)> {
        self.sessions
            .iter()
            .map(|(session, outcomes)| (*session, outcomes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_goes_on_behind_what_ended_well_in_its_session() {
        let session = |n| (DcId(2), AuthKeyId(1), SessionId(n));
        let mut order = Order::default();
        for id in 0..2_000 {
            order.ended(session(1), MsgId(id), id % 2 == 0);
        }
        assert!(order.all_ended_well(session(1), &[]));
        assert!(order.all_ended_well(session(1), &[1_998, 1_000]));
        assert!(!order.all_ended_well(session(1), &[1_998, 1_999]), "failed");
        assert!(!order.all_ended_well(session(1), &[974]), "too long ago");
        assert!(!order.all_ended_well(session(1), &[2_000]), "never came");
        assert!(!order.all_ended_well(session(2), &[1_998]), "elsewhere");
        order.forget(session(1));
        assert!(!order.all_ended_well(session(1), &[1_998]));
    }
}
