//! Calls that a server's owner has and has not answered.
//!
//! Does: knows them with their bodies, so that they can be handed out again after a restart.
//! In: calls that came, answers. Out: whether an answer is waited for; what changed.
//! Must not know: what a call means, who answers it.
//! Spec: none.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use bytes::Bytes;

use crate::ids::MsgId;
use crate::session::Limits;

/// The calls of one session.
#[derive(Debug, Default)]
pub(super) struct Running {
    calls: BTreeMap<MsgId, Bytes>,
    bytes: usize,
    journal: Option<Journal>,
}

/// What changed. It is bounded by what runs, now and when it was last taken.
#[derive(Debug, Default)]
struct Journal {
    started: BTreeSet<MsgId>,
    ended: Vec<MsgId>,
}

impl Running {
    /// Whether there is room for one more call.
    pub(super) fn has_room_for(&self, body: &Bytes, limits: &Limits) -> bool {
        let bytes = self.bytes.saturating_add(body.len());
        self.calls.len() < limits.calls && (bytes <= limits.call_bytes || self.calls.is_empty())
    }

    /// A call begins; its body keeps little else.
    pub(super) fn start(&mut self, msg_id: MsgId, body: Bytes) {
        self.bytes = self.bytes.saturating_add(body.len());
        self.calls.insert(msg_id, body);
        if let Some(journal) = &mut self.journal {
            journal.started.insert(msg_id);
        }
    }

    /// The call is answered or not wanted any more; whether it ran.
    pub(super) fn end(&mut self, msg_id: MsgId) -> bool {
        let Some(body) = self.calls.remove(&msg_id) else {
            return false;
        };
        self.bytes = self.bytes.saturating_sub(body.len());
        if let Some(journal) = &mut self.journal
            && !journal.started.remove(&msg_id)
        {
            journal.ended.push(msg_id);
        }
        true
    }

    pub(super) fn contains(&self, msg_id: MsgId) -> bool {
        self.calls.contains_key(&msg_id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn calls(&self) -> &BTreeMap<MsgId, Bytes> {
        &self.calls
    }

    pub(super) fn restore(&mut self, calls: BTreeMap<MsgId, Bytes>) {
        self.bytes = calls
            .values()
            .map(Bytes::len)
            .fold(0, usize::saturating_add);
        self.calls = calls;
    }

    pub(super) fn begin_journal(&mut self) {
        self.journal = Some(Journal::default());
    }

    /// Calls that ended and calls that began since this was last called.
    pub(super) fn take_change(&mut self) -> (Vec<MsgId>, BTreeMap<MsgId, Bytes>) {
        let Some(journal) = &mut self.journal else {
            return (Vec::new(), BTreeMap::new());
        };
        let Journal { started, ended } = core::mem::take(journal);
        let started = started
            .into_iter()
            .filter_map(|id| Some((id, self.calls.get(&id)?.clone())))
            .collect();
        (ended, started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Bytes {
        Bytes::from_static(b"call")
    }

    #[test]
    fn a_change_is_what_is_left_of_all_that_happened() {
        let mut running = Running::default();
        running.start(MsgId(4), body());
        running.start(MsgId(8), body());
        running.begin_journal();
        assert!(running.end(MsgId(8)) && !running.end(MsgId(8)));
        running.start(MsgId(12), body());
        running.start(MsgId(16), body());
        assert!(running.end(MsgId(12)));
        assert_eq!(
            running.take_change(),
            ([MsgId(8)].into(), [(MsgId(16), body())].into())
        );
        assert_eq!(running.take_change(), (Vec::new(), BTreeMap::new()));
        assert!(running.end(MsgId(16)));
        assert_eq!(running.take_change(), ([MsgId(16)].into(), BTreeMap::new()));
    }

    #[test]
    fn their_number_and_their_bytes_are_bounded() {
        let mut running = Running::default();
        let limits = Limits::server();
        let large = Bytes::from(alloc::vec![0; limits.call_bytes]);
        assert!(running.has_room_for(&large, &limits));
        running.start(MsgId(4), large.clone());
        assert!(!running.has_room_for(&body(), &limits));
        assert!(running.end(MsgId(4)));
        for id in 0..16_384 {
            assert!(running.has_room_for(&body(), &limits));
            running.start(MsgId(id), body());
        }
        assert!(!running.has_room_for(&body(), &limits));
        assert_eq!(running.bytes, 4 * 16_384);
    }
}
