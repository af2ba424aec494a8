//! Acknowledgements: collected, and sent with the next packet or at their deadline.
//!
//! Does: holds the ids that the peer must hear of.
//! In: ids of content-related messages. Out: batches for `msgs_ack`.
//! Must not know: packets, timers (the session arms one from [`Acks::deadline`]).
//! Spec: "Acknowledgment of Receipt".

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::MsgId;
use crate::time::Time;

/// Ids in one `msgs_ack`: the specification's number.
pub(crate) const MAX_PER_MESSAGE: usize = 8_192;
/// So many ids are sent at once instead of waiting. TDLib's number.
const FLUSH_AT: usize = 100;

#[derive(Clone, Debug, Default)]
pub(crate) struct Acks {
    /// Each once.
    ids: BTreeSet<MsgId>,
    /// As they came. What is not in `ids` was forgotten; at most half of them are.
    order: VecDeque<MsgId>,
    deadline: Option<Time>,
    due: bool,
}

impl Acks {
    /// Notes that a message is to be acknowledged within `delay`. `false` if `max` wait already: the
    /// peer sends again what it misses.
    pub(crate) fn push(&mut self, id: MsgId, now: Time, delay: Duration, max: usize) -> bool {
        if !self.add(id, max) {
            return false;
        }
        if self.ids.len() >= FLUSH_AT {
            self.due = true;
        }
        if !self.due {
            self.deadline.get_or_insert(now + delay);
        }
        true
    }

    fn add(&mut self, id: MsgId, max: usize) -> bool {
        if self.ids.contains(&id) {
            return true;
        }
        let room = self.ids.len() < max;
        if room {
            self.ids.insert(id);
            self.order.push_back(id);
        }
        room
    }

    /// An answer that names the message acknowledges it already.
    pub(crate) fn forget(&mut self, id: MsgId) {
        self.ids.remove(&id);
        if self.ids.is_empty() {
            *self = Acks::default();
        } else if self.order.len() / 2 > self.ids.len() {
            self.order.retain(|id| self.ids.contains(id));
        }
    }

    /// When they have to leave, unless a packet leaves earlier.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// The deadline has come: from now on they are reason enough for a packet.
    pub(crate) fn make_due(&mut self) {
        self.deadline = None;
        self.due = !self.ids.is_empty();
    }

    /// All that waits.
    pub(crate) fn pending(&self) -> Vec<MsgId> {
        let waits = |id: &&MsgId| self.ids.contains(id);
        self.order.iter().filter(waits).copied().collect()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether this one waits.
    pub(crate) fn contains(&self, id: MsgId) -> bool {
        self.ids.contains(&id)
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// Takes one message's worth.
    pub(crate) fn take(&mut self) -> Option<Vec<MsgId>> {
        if self.ids.is_empty() {
            return None;
        }
        let mut batch = Vec::with_capacity(self.ids.len().min(MAX_PER_MESSAGE));
        while batch.len() < MAX_PER_MESSAGE
            && let Some(id) = self.order.pop_front()
        {
            if self.ids.remove(&id) {
                batch.push(id);
            }
        }
        if self.ids.is_empty() {
            self.order = VecDeque::new();
        }
        self.deadline = None;
        self.due = !self.ids.is_empty();
        Some(batch)
    }

    /// Puts back what was in a message that the peer refused.
    pub(crate) fn put_back(&mut self, ids: Vec<MsgId>, max: usize) {
        for id in ids {
            self.add(id, max);
        }
        self.due = !self.ids.is_empty();
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_700_000_000);
    const DELAY: Duration = Duration::from_secs(30);
    const MAX: usize = 16_384;

    #[test]
    fn the_deadline_is_that_of_the_oldest() {
        let mut acks = Acks::default();
        acks.push(MsgId(1), NOW, DELAY, MAX);
        acks.push(MsgId(5), NOW + DELAY, DELAY, MAX);
        assert_eq!(acks.deadline(), Some(NOW + DELAY));
        assert!(!acks.is_due());
        acks.make_due();
        assert!(acks.is_due());
        assert_eq!(acks.take(), Some([MsgId(1), MsgId(5)].into()));
        assert_eq!((acks.take(), acks.deadline()), (None, None));
    }

    #[test]
    fn a_hundred_leave_at_once_and_a_message_holds_8192() {
        let mut acks = Acks::default();
        for id in 0..20_000 {
            assert_eq!(acks.push(MsgId(id), NOW, DELAY, MAX), id < 16_384);
            assert_eq!(acks.is_due(), id >= 99);
        }
        assert_eq!(acks.take().map(|ids| ids.len()), Some(8_192));
        assert_eq!(acks.take().map(|ids| ids.len()), Some(8_192));
        assert_eq!(acks.take(), None);
    }

    #[test]
    fn what_is_forgotten_is_not_sent_and_takes_no_place() {
        let mut acks = Acks::default();
        for id in 0..10_000 {
            acks.push(MsgId(id), NOW, DELAY, MAX);
            acks.push(MsgId(id), NOW, DELAY, MAX);
        }
        for id in 0..9_990 {
            acks.forget(MsgId(id));
        }
        assert!(acks.order.len() <= 20);
        acks.push(MsgId(3), NOW, DELAY, MAX);
        let left: Vec<_> = (9_990..10_000).chain([3]).map(MsgId).collect();
        assert_eq!(acks.pending(), left);
        assert_eq!(acks.take(), Some(left));
        acks.push(MsgId(4), NOW, DELAY, MAX);
        acks.forget(MsgId(4));
        assert_eq!(
            (acks.take(), acks.deadline(), acks.is_due()),
            (None, None, false)
        );
    }
}
