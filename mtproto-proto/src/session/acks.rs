//! Acknowledgements: collected, and sent with the next packet or at their deadline.
//!
//! Does: holds the ids that the peer must hear of.
//! In: ids of content-related messages. Out: batches for `msgs_ack`.
//! Must not know: packets, timers (the session arms one from [`Acks::deadline`]).
//! Spec: "Acknowledgment of Receipt".

use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::MsgId;
use crate::time::Time;

/// Ids in one `msgs_ack`: the specification's number.
pub(crate) const MAX_PER_MESSAGE: usize = 8_192;
/// So many ids are sent at once instead of waiting. TDLib's number.
const FLUSH_AT: usize = 100;
/// So many ids wait at most while the peer does not read; the peer sends again what it misses.
const MAX_PENDING: usize = 2 * MAX_PER_MESSAGE;

#[derive(Clone, Debug, Default)]
pub(crate) struct Acks {
    pending: Vec<MsgId>,
    deadline: Option<Time>,
    due: bool,
}

impl Acks {
    /// Notes that a message is to be acknowledged within `delay`. `false` if there was no room.
    pub(crate) fn push(&mut self, id: MsgId, now: Time, delay: Duration) -> bool {
        if self.pending.len() >= MAX_PENDING {
            return false;
        }
        self.pending.push(id);
        if self.pending.len() >= FLUSH_AT {
            self.due = true;
        }
        if !self.due {
            self.deadline.get_or_insert(now + delay);
        }
        true
    }

    /// An answer that names the message acknowledges it already.
    pub(crate) fn forget(&mut self, id: MsgId) {
        if let Some(at) = self.pending.iter().rposition(|pending| *pending == id) {
            self.pending.swap_remove(at);
        }
        if self.pending.is_empty() {
            self.due = false;
            self.deadline = None;
        }
    }

    /// When they have to leave, unless a packet leaves earlier.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// The deadline has come: from now on they are reason enough for a packet.
    pub(crate) fn make_due(&mut self) {
        self.deadline = None;
        self.due = !self.pending.is_empty();
    }

    /// All that waits.
    pub(crate) fn pending(&self) -> &[MsgId] {
        &self.pending
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// Takes one message's worth.
    pub(crate) fn take(&mut self) -> Option<Vec<MsgId>> {
        if self.pending.is_empty() {
            return None;
        }
        let rest = self
            .pending
            .split_off(self.pending.len().min(MAX_PER_MESSAGE));
        let batch = core::mem::replace(&mut self.pending, rest);
        self.deadline = None;
        self.due = !self.pending.is_empty();
        Some(batch)
    }

    /// Puts back what was in a message that the peer refused.
    pub(crate) fn put_back(&mut self, ids: Vec<MsgId>) {
        let room = MAX_PENDING.saturating_sub(self.pending.len());
        self.pending.extend(ids.into_iter().take(room));
        self.due = !self.pending.is_empty();
        self.deadline = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_700_000_000);
    const DELAY: Duration = Duration::from_secs(30);

    #[test]
    fn the_deadline_is_that_of_the_oldest() {
        let mut acks = Acks::default();
        acks.push(MsgId(1), NOW, DELAY);
        acks.push(MsgId(5), NOW + DELAY, DELAY);
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
            assert_eq!(acks.push(MsgId(id), NOW, DELAY), id < 16_384);
            assert_eq!(acks.is_due(), id >= 99);
        }
        assert_eq!(acks.take().map(|ids| ids.len()), Some(8_192));
        assert_eq!(acks.take().map(|ids| ids.len()), Some(8_192));
        assert_eq!(acks.take(), None);
    }
}
