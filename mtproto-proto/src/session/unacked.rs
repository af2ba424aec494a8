//! What a server said and its client has not acknowledged.
//!
//! Does: keeps answers and updates until they are acknowledged, and names those that have to be
//! sent again, announced or asked after: on a new stream all of them, short ones as they are and
//! long ones by their ids; one when the client asks for it.
//! In: messages that left, acknowledgements, states. Out: messages to send again, under their old
//! ids; announcements; questions.
//! Must not know: packets, streams, timers (the session arms one).
//! Spec: "Mobile Protocol: Detailed Description", acknowledgement of receipt; "Service Messages
//! about Messages".

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::MsgId;
use crate::session::acks::MAX_PER_MESSAGE;
use crate::session::outgoing::{MAX_CONTAINER_MESSAGES, Notice};
use crate::time::Time;

/// A longer message is not sent a second time unasked but announced: whoever sends an old packet
/// again would make much of little, and a client whose stream breaks often would get nothing else.
const MAX_REPEATED: usize = 1_024;
/// Each question that changes nothing doubles the time to the next one; after so many, two hours by
/// default, the client has shown that it does not answer any.
const MAX_QUESTIONS: u32 = 6;
/// A client that has spoken this part of the time after a message came, 30 s by default, should have
/// acknowledged it: clients collect acknowledgements for as long as that. TDLib's number.
const SETTLED: u32 = 4;

#[derive(Debug)]
struct Kept {
    seq_no: i32,
    notice: Notice,
    /// When it was sent, or asked after.
    since: Time,
}

/// Messages of one session, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unacked {
    kept: BTreeMap<MsgId, Kept>,
    /// Which message answers which.
    answers: BTreeMap<MsgId, MsgId>,
    bytes: usize,
    again: BTreeSet<MsgId>,
    announce: BTreeSet<MsgId>,
    /// What is kept from the first of these to the second comes to the two above, a packet's worth at a
    /// time: whoever changes streams all the time must not make it look at all each time.
    unsure: Option<(MsgId, MsgId)>,
    /// To be asked after in the next packet.
    question: Vec<MsgId>,
    /// The last question, which waits for its answer.
    asked: Option<(MsgId, Vec<MsgId>)>,
    /// Questions since the client last acknowledged anything.
    questions: u32,
    journal: Option<Journal>,
}

/// What changed. It is bounded by what was kept when it was last taken.
#[derive(Debug)]
struct Journal {
    /// Newer ones are new.
    up_to: MsgId,
    forgotten: Vec<MsgId>,
}

/// A message that the client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) msg_id: MsgId,
    /// The call that it answers.
    pub(super) answers: Option<MsgId>,
    pub(super) bytes: usize,
}

impl Unacked {
    /// Keeps a message that leaves. Beyond the bounds the oldest are forgotten: the client will
    /// not get them a second time.
    pub(super) fn keep(
        &mut self,
        now: Time,
        msg_id: MsgId,
        (seq_no, notice): (i32, Notice),
        max_count: usize,
        max_bytes: usize,
    ) {
        self.insert(now, msg_id, seq_no, notice);
        while self.kept.len() > max_count || self.bytes > max_bytes {
            if !self.forget_oldest() {
                break;
            }
        }
    }

    fn insert(&mut self, since: Time, msg_id: MsgId, seq_no: i32, notice: Notice) {
        if let Some(request) = notice.answers {
            self.answers.insert(request, msg_id);
        }
        self.bytes = self.bytes.saturating_add(notice.len());
        let kept = Kept {
            seq_no,
            notice,
            since,
        };
        self.kept.insert(msg_id, kept);
    }

    /// Makes room; `false` if there is nothing to forget.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let oldest = self.kept.first_key_value().map(|(oldest, _)| *oldest);
        oldest.is_some_and(|oldest| self.remove(oldest).is_some())
    }

    /// The client has it.
    pub(super) fn acknowledged(&mut self, msg_id: MsgId) {
        if self.remove(msg_id).is_some() {
            self.questions = 0;
        }
    }

    /// Forgets a message: its number and its length.
    pub(super) fn remove(&mut self, msg_id: MsgId) -> Option<(i32, usize)> {
        let kept = self.kept.remove(&msg_id)?;
        self.again.remove(&msg_id);
        self.announce.remove(&msg_id);
        let len = kept.notice.len();
        self.bytes = self.bytes.saturating_sub(len);
        if let Some(request) = kept.notice.answers {
            self.answers.remove(&request);
        }
        if let Some(journal) = &mut self.journal
            && msg_id <= journal.up_to
        {
            journal.forgotten.push(msg_id);
        }
        Some((kept.seq_no, len))
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn contains(&self, msg_id: MsgId) -> bool {
        self.kept.contains_key(&msg_id)
    }

    /// The answer to a call.
    pub(super) fn answer_to(&self, request: MsgId) -> Option<MsgId> {
        self.answers.get(&request).copied()
    }

    pub(super) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Sends one message again, whatever its length: the client asked for it.
    pub(super) fn again(&mut self, msg_id: MsgId) {
        if self.kept.contains_key(&msg_id) {
            self.announce.remove(&msg_id);
            self.again.insert(msg_id);
        }
    }

    /// Sends one message again if it is short, or says that it is there.
    pub(super) fn remind(&mut self, msg_id: MsgId) {
        let Some(kept) = self.kept.get(&msg_id) else {
            return;
        };
        if kept.notice.len() <= MAX_REPEATED {
            self.again.insert(msg_id);
        } else if !self.again.contains(&msg_id) {
            self.announce.insert(msg_id);
        }
    }

    /// The stream that carried everything broke; another one carries the session now.
    pub(super) fn remind_of_all(&mut self) {
        let (first, last) = (self.kept.first_key_value(), self.kept.last_key_value());
        self.unsure = first
            .zip(last)
            .map(|((first, _), (last, _))| (*first, *last));
        self.stop_asking();
        self.questions = 0;
    }

    /// Goes on with what [`Unacked::remind_of_all`] is about, as far as a packet may need it.
    pub(super) fn go_on_reminding(&mut self) {
        while self.again.len().saturating_add(self.announce.len()) < MAX_CONTAINER_MESSAGES
            && let Some(msg_id) = self.next_unsure()
        {
            self.remind(msg_id);
            self.unsure = self
                .unsure
                .filter(|(_, last)| msg_id < *last)
                .map(|(_, last)| (MsgId(msg_id.0.saturating_add(1)), last));
        }
    }

    pub(super) fn wants_to_send(&self) -> bool {
        !(self.again.is_empty() && self.announce.is_empty() && self.question.is_empty())
            || self.next_unsure().is_some()
    }

    fn next_unsure(&self) -> Option<MsgId> {
        let (first, last) = self.unsure?;
        let next = self.kept.range(first..=last).next();
        next.map(|(msg_id, _)| *msg_id)
    }

    /// Takes the next message to send again if its length fits.
    pub(super) fn next_again(
        &mut self,
        now: Time,
        fits: impl Fn(usize) -> bool,
    ) -> Option<(MsgId, i32, Notice)> {
        let msg_id = *self.again.first()?;
        let kept = self.kept.get_mut(&msg_id)?;
        if !fits(kept.notice.len()) {
            return None;
        }
        kept.since = now;
        let next = (msg_id, kept.seq_no, kept.notice.clone());
        self.again.remove(&msg_id);
        Some(next)
    }

    /// Takes the next message to announce.
    pub(super) fn next_announcement(&mut self, now: Time) -> Option<Announcement> {
        let msg_id = self.announce.pop_first()?;
        let kept = self.kept.get_mut(&msg_id)?;
        kept.since = now;
        Some(Announcement {
            msg_id,
            answers: kept.notice.answers,
            bytes: kept.notice.len(),
        })
    }

    /// After how long the client is to be asked next; `None`: there is nothing to ask.
    pub(super) fn ask_after(&self, first: Duration) -> Option<Duration> {
        (!self.kept.is_empty())
            .then(|| first.saturating_mul(1 << self.questions.min(MAX_QUESTIONS)))
    }

    /// It is time to ask after what has waited for `after`. `heard`: when the client last spoke; what
    /// was sent about then or later may still be acknowledged, or will never be because the client
    /// has left this session for another one. Returns when to come again; `None`: do not.
    pub(super) fn ask(&mut self, now: Time, after: Duration, heard: Time) -> Option<Time> {
        if self.questions >= MAX_QUESTIONS {
            return None;
        }
        let oldest = self.kept.values().map(|kept| kept.since).min()?;
        if oldest + after > now {
            return Some(oldest + after);
        }
        let settled = after.checked_div(SETTLED).unwrap_or(after);
        let due = self
            .kept
            .iter_mut()
            .filter(|(_, kept)| kept.since + after <= now && kept.since + settled <= heard);
        self.question = due
            .take(MAX_PER_MESSAGE)
            .map(|(msg_id, kept)| {
                kept.since = now;
                *msg_id
            })
            .collect();
        self.questions = self.questions.saturating_add(1);
        self.ask_after(after).map(|wait| now + wait)
    }

    /// Takes the question that is to leave.
    pub(super) fn take_question(&mut self) -> Option<Vec<MsgId>> {
        let question = core::mem::take(&mut self.question);
        (!question.is_empty()).then_some(question)
    }

    /// It did not fit.
    pub(super) fn put_back(&mut self, question: Vec<MsgId>) {
        self.question = question;
    }

    /// The question left under this id.
    pub(super) fn asked(&mut self, msg_id: MsgId, about: Vec<MsgId>) {
        self.asked = Some((msg_id, about));
    }

    /// What was asked with this message.
    pub(super) fn answered(&mut self, question: MsgId) -> Option<Vec<MsgId>> {
        self.asked
            .take_if(|(asked, _)| *asked == question)
            .map(|(_, about)| about)
    }

    /// No stream carries the session.
    pub(super) fn stop_asking(&mut self) {
        self.question.clear();
        self.asked = None;
    }
}

/// What survives the process.
impl Unacked {
    pub(super) fn kept(&self) -> impl Iterator<Item = (MsgId, (i32, Notice))> + '_ {
        self.kept
            .iter()
            .map(|(msg_id, kept)| (*msg_id, (kept.seq_no, kept.notice.clone())))
    }

    pub(super) fn restore(&mut self, kept: BTreeMap<MsgId, (i32, Notice)>, now: Time) {
        for (msg_id, (seq_no, notice)) in kept {
            self.insert(now, msg_id, seq_no, notice);
        }
    }

    pub(super) fn begin_journal(&mut self) {
        self.journal = Some(Journal {
            up_to: self.newest(),
            forgotten: Vec::new(),
        });
    }

    fn newest(&self) -> MsgId {
        self.kept
            .last_key_value()
            .map_or(MsgId(i64::MIN), |(newest, _)| *newest)
    }

    /// What was forgotten and what is kept since this was last called.
    pub(super) fn take_change(&mut self) -> (Vec<MsgId>, BTreeMap<MsgId, (i32, Notice)>) {
        let newest = self.newest();
        let Some(journal) = &mut self.journal else {
            return (Vec::new(), BTreeMap::new());
        };
        let forgotten = core::mem::take(&mut journal.forgotten);
        let after = MsgId(journal.up_to.0.saturating_add(1));
        journal.up_to = newest.max(journal.up_to);
        let new = self.kept.range(after..);
        let new = new.map(|(msg_id, kept)| (*msg_id, (kept.seq_no, kept.notice.clone())));
        (forgotten, new.collect())
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::session::msg_id::Parity;

    const NOW: Time = Time::from_unix(1_700_000_000);
    const AFTER: Duration = Duration::from_secs(120);

    fn notice(answers: Option<i64>, len: usize) -> Notice {
        Notice {
            parity: Parity::Push,
            content: true,
            answers: answers.map(MsgId),
            body: Bytes::from(alloc::vec![0; len]),
        }
    }

    fn kept(ids: &[i64], len: usize) -> Unacked {
        let mut unacked = Unacked::default();
        for id in ids {
            unacked.keep(NOW, MsgId(*id), (7, notice(None, len)), 100, 1_000_000);
        }
        unacked
    }

    #[test]
    fn the_oldest_give_way_and_nothing_of_them_stays() {
        let mut unacked = Unacked::default();
        for id in 0..100 {
            let notice = notice(Some(id + 1_000), 100);
            unacked.keep(NOW, MsgId(id), (1, notice), 10, 550);
        }
        unacked.remind_of_all();
        unacked.go_on_reminding();
        // Five of 112 bytes are too many.
        assert_eq!((unacked.kept.len(), unacked.bytes), (4, 448));
        assert_eq!((unacked.answers.len(), unacked.again.len()), (4, 4));
        for id in 0..100 {
            unacked.acknowledged(MsgId(id));
        }
        assert_eq!((unacked.bytes, unacked.answers.len()), (0, 0));
        assert!(!unacked.wants_to_send());
    }

    #[test]
    fn they_are_sent_again_in_their_order_under_their_ids() {
        let mut unacked = kept(&[4, 8, 12], 100);
        unacked.again(MsgId(8));
        unacked.again(MsgId(99));
        assert!(unacked.next_again(NOW, |len| len < 100).is_none());
        let next = |unacked: &mut Unacked| unacked.next_again(NOW, |_| true).map(|next| next.0);
        assert_eq!(next(&mut unacked), Some(MsgId(8)));
        assert_eq!(next(&mut unacked), None);
        unacked.remind_of_all();
        unacked.go_on_reminding();
        unacked.acknowledged(MsgId(4));
        let ids = [(); 3].map(|()| next(&mut unacked));
        assert_eq!(ids, [Some(MsgId(8)), Some(MsgId(12)), None]);
    }

    #[test]
    fn of_all_a_packet_s_worth_comes_at_a_time_and_each_once() {
        let mut unacked = Unacked::default();
        let ids: Vec<i64> = (0..2_500).collect();
        for id in &ids {
            unacked.keep(NOW, MsgId(*id), (7, notice(None, 4)), 10_000, 1_000_000);
        }
        unacked.remind_of_all();
        // It was kept later.
        unacked.keep(NOW, MsgId(9_000), (7, notice(None, 4)), 10_000, 1_000_000);
        unacked.acknowledged(MsgId(1_500));
        let mut came = Vec::new();
        while unacked.wants_to_send() {
            unacked.go_on_reminding();
            assert!(unacked.again.len() <= MAX_CONTAINER_MESSAGES);
            while let Some((msg_id, ..)) = unacked.next_again(NOW, |_| true) {
                came.push(msg_id.0);
            }
        }
        let expected: Vec<i64> = ids.into_iter().filter(|id| *id != 1_500).collect();
        assert_eq!(came, expected);
    }

    #[test]
    fn a_long_one_is_announced_until_it_is_asked_for() {
        let mut unacked = Unacked::default();
        let long = notice(Some(40), MAX_REPEATED);
        unacked.keep(NOW, MsgId(4), (7, long), 100, 1_000_000);
        unacked.remind_of_all();
        unacked.go_on_reminding();
        assert!(unacked.next_again(NOW, |_| true).is_none());
        let announcement = Announcement {
            msg_id: MsgId(4),
            answers: Some(MsgId(40)),
            bytes: MAX_REPEATED + 12,
        };
        assert_eq!(unacked.next_announcement(NOW), Some(announcement));
        assert_eq!(unacked.next_announcement(NOW), None);
        unacked.remind(MsgId(4));
        unacked.again(MsgId(4));
        unacked.remind(MsgId(4));
        assert_eq!(unacked.next_announcement(NOW), None, "it is on its way");
        assert!(unacked.next_again(NOW, |_| true).is_some());
    }

    #[test]
    fn questions_come_less_and_less_often_and_end() {
        let mut unacked = kept(&[4], 100);
        let (mut now, mut waits) = (NOW, Vec::new());
        while let Some(wait) = unacked.ask_after(AFTER)
            && let now_asked = now + wait
            && unacked.ask(now_asked, AFTER, now_asked).is_some()
        {
            assert_eq!(unacked.take_question(), Some([MsgId(4)].into()));
            waits.push(wait.as_secs());
            now = now_asked;
        }
        assert_eq!(waits, [120, 240, 480, 960, 1_920, 3_840]);
        unacked.remind_of_all();
        assert_eq!(unacked.ask_after(AFTER), Some(AFTER), "on a new stream");
        assert_eq!(kept(&[], 0).ask_after(AFTER), None);
    }

    #[test]
    fn only_what_waits_for_long_is_asked_after() {
        let mut unacked = kept(&[4], 100);
        let later = NOW + Duration::from_secs(60);
        unacked.keep(later, MsgId(8), (9, notice(None, 100)), 100, 1_000_000);
        assert_eq!(unacked.ask(later, AFTER, later), Some(NOW + AFTER));
        assert_eq!(unacked.take_question(), None);
        let due = NOW + AFTER;
        assert_eq!(unacked.ask(due, AFTER, due), Some(due + AFTER * 2));
        let question = unacked.take_question().unwrap_or_default();
        assert_eq!(question, [MsgId(4)]);
        unacked.asked(MsgId(99), question);
        assert_eq!(unacked.answered(MsgId(98)), None);
        assert_eq!(unacked.answered(MsgId(99)), Some([MsgId(4)].into()));
        assert_eq!(unacked.answered(MsgId(99)), None);
    }

    #[test]
    fn a_client_that_is_silent_is_not_asked() {
        let mut unacked = kept(&[4], 100);
        let due = NOW + AFTER;
        let soon = NOW + Duration::from_secs(29);
        assert_eq!(unacked.ask(due, AFTER, soon), Some(due + AFTER * 2));
        assert_eq!(unacked.take_question(), None);
        let (due, spoke) = (due + AFTER * 2, NOW + Duration::from_secs(30));
        assert_eq!(unacked.ask(due, AFTER, spoke), Some(due + AFTER * 4));
        assert_eq!(unacked.take_question(), Some([MsgId(4)].into()));
    }

    #[test]
    fn a_change_is_what_is_left_of_all_that_happened() {
        let mut unacked = kept(&[4, 8], 100);
        unacked.begin_journal();
        unacked.acknowledged(MsgId(4));
        for id in [12, 16] {
            unacked.keep(NOW, MsgId(id), (9, notice(None, 10)), 100, 1_000_000);
        }
        unacked.acknowledged(MsgId(12));
        let (forgotten, new) = unacked.take_change();
        assert_eq!(forgotten, [MsgId(4)]);
        assert_eq!(new, [(MsgId(16), (9, notice(None, 10)))].into());
        for id in [8, 16] {
            unacked.acknowledged(MsgId(id));
        }
        let (forgotten, new) = unacked.take_change();
        assert_eq!((forgotten, new.len()), ([MsgId(8), MsgId(16)].into(), 0));
        assert_eq!(unacked.take_change(), (Vec::new(), BTreeMap::new()));
    }
}
