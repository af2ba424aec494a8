//! What a server said and its client has not acknowledged.
//!
//! Does: keeps answers and updates until they are acknowledged, and names those that have to be
//! sent again: all of them on a new stream, one when it is asked for.
//! In: messages that left, acknowledgements. Out: messages to send again, under their old ids.
//! Must not know: packets, streams.
//! Spec: "Mobile Protocol: Detailed Description", acknowledgement of receipt; "Service Messages
//! about Messages", explicit request to re-send messages.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::ids::MsgId;
use crate::session::outgoing::Notice;

/// Messages of one session, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unacked {
    kept: BTreeMap<MsgId, (i32, Notice)>,
    /// Which message answers which.
    answers: BTreeMap<MsgId, MsgId>,
    bytes: usize,
    again: BTreeSet<MsgId>,
}

impl Unacked {
    /// Keeps a message that leaves. Beyond the bounds the oldest are forgotten: the client will
    /// not get them a second time.
    pub(super) fn keep(
        &mut self,
        msg_id: MsgId,
        seq_no: i32,
        notice: Notice,
        max_count: usize,
        max_bytes: usize,
    ) {
        if let Some(request) = notice.answers {
            self.answers.insert(request, msg_id);
        }
        self.bytes = self.bytes.saturating_add(notice.len());
        self.kept.insert(msg_id, (seq_no, notice));
        while (self.kept.len() > max_count || self.bytes > max_bytes)
            && let Some((oldest, _)) = self.kept.first_key_value()
        {
            self.remove(*oldest);
        }
    }

    /// The client has it.
    pub(super) fn remove(&mut self, msg_id: MsgId) {
        self.again.remove(&msg_id);
        if let Some((_, notice)) = self.kept.remove(&msg_id) {
            self.bytes = self.bytes.saturating_sub(notice.len());
            if let Some(request) = notice.answers {
                self.answers.remove(&request);
            }
        }
    }

    /// The answer to a call, and its length.
    pub(super) fn answer_to(&self, request: MsgId) -> Option<(MsgId, usize)> {
        let answer = *self.answers.get(&request)?;
        let (_, notice) = self.kept.get(&answer)?;
        Some((answer, notice.len()))
    }

    /// Sends one message again.
    pub(super) fn again(&mut self, msg_id: MsgId) {
        if self.kept.contains_key(&msg_id) {
            self.again.insert(msg_id);
        }
    }

    /// Sends everything again: the stream that carried it broke.
    pub(super) fn all_again(&mut self) {
        self.again.extend(self.kept.keys());
    }

    pub(super) fn wants_to_send(&self) -> bool {
        !self.again.is_empty()
    }

    /// Takes the next message to send again if its length fits.
    pub(super) fn next(&mut self, fits: impl Fn(usize) -> bool) -> Option<(MsgId, i32, Notice)> {
        let msg_id = *self.again.first()?;
        let (seq_no, notice) = self.kept.get(&msg_id)?;
        if !fits(notice.len()) {
            return None;
        }
        let next = (msg_id, *seq_no, notice.clone());
        self.again.remove(&msg_id);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::session::msg_id::Parity;

    fn notice(answers: Option<i64>) -> Notice {
        Notice {
            parity: Parity::Push,
            content: true,
            answers: answers.map(MsgId),
            body: Bytes::from_static(&[0; 100]),
        }
    }

    #[test]
    fn the_oldest_give_way_and_nothing_of_them_stays() {
        let mut unacked = Unacked::default();
        for id in 0..100 {
            unacked.keep(MsgId(id), 1, notice(Some(id + 1_000)), 10, 550);
        }
        unacked.all_again();
        // Five of 112 bytes are too many.
        assert_eq!((unacked.kept.len(), unacked.bytes), (4, 448));
        assert_eq!((unacked.answers.len(), unacked.again.len()), (4, 4));
        for id in 0..100 {
            unacked.remove(MsgId(id));
        }
        assert_eq!((unacked.bytes, unacked.answers.len()), (0, 0));
        assert!(!unacked.wants_to_send());
    }

    #[test]
    fn they_are_sent_again_in_their_order_under_their_ids() {
        let mut unacked = Unacked::default();
        for id in [4, 8, 12] {
            unacked.keep(MsgId(id), 7, notice(None), 10, 10_000);
        }
        unacked.again(MsgId(8));
        unacked.again(MsgId(99));
        assert!(unacked.next(|len| len < 100).is_none());
        assert_eq!(unacked.next(|_| true).map(|next| next.0), Some(MsgId(8)));
        assert!(unacked.next(|_| true).is_none());
        unacked.all_again();
        unacked.remove(MsgId(4));
        let ids = [(); 3].map(|()| unacked.next(|_| true).map(|next| next.0));
        assert_eq!(ids, [Some(MsgId(8)), Some(MsgId(12)), None]);
    }
}
