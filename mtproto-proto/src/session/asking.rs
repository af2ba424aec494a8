//! When the server is asked what it has, and for what it has not sent.
//!
//! Does: for each request that is not acknowledged, the next time at which its state is asked for;
//! for each message that the server described instead of sending it, when it is asked for again.
//! In: requests that leave, arrive or end; descriptions; the time. Out: what is due.
//! Must not know: how a question is written, what its answer does (`state.rs`).
//! Spec: "Service Messages about Messages".

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::{MsgId, RequestId};
use crate::session::pending::Pending;
use crate::time::Time;

/// Between two questions on a stream lies so much time, and what is due by then goes with the
/// first: however many requests are slow, a question a second is enough.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// The time between two questions about the same request doubles up to this, which is also the
/// time after which a stream that does not answer is given up.
const LONGEST: Duration = Duration::from_secs(60);
/// Messages that are waited for after they were described. A server describes what is too long to
/// be repeated unasked; more than this many at once are not asked for a second time.
const MAX_DESCRIBED: usize = 1_024;
/// How often one of them is asked for. With the doubling that is two minutes, longer than a request
/// waits by default.
const MAX_TIMES: u8 = 5;

fn doubled(interval: Duration) -> Duration {
    interval.saturating_mul(2).min(LONGEST)
}

impl Pending {
    /// The request's state is to be asked for at this time, or not at all.
    pub(super) fn ask_at(&mut self, id: RequestId, at: Option<Time>) {
        // The end of the scale is not a time to wait for, or to ask at again and again.
        let at = at.filter(|at| *at < Time::MAX);
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if let Some(before) = core::mem::replace(&mut request.ask_at, at) {
            self.asks.remove(&(before, id));
        }
        if let Some(at) = at {
            self.asks.insert((at, id));
        }
    }

    /// When the next state is to be asked for.
    pub(super) fn next_ask(&self) -> Option<Time> {
        self.asks.first().map(|(at, _)| *at)
    }

    /// The messages whose states are to be asked for now or soon. What is not acknowledged yet will
    /// be asked for again, each time after twice the time.
    pub(super) fn take_asks(&mut self, now: Time) -> Vec<MsgId> {
        let until = now + PAUSE;
        let due: Vec<_> = self
            .asks
            .iter()
            .take_while(|(at, _)| *at <= until)
            .map(|(_, id)| *id)
            .collect();
        let mut asked = Vec::with_capacity(due.len());
        for id in due {
            let Some(request) = self.requests.get_mut(&id) else {
                continue;
            };
            asked.extend(request.msg_id());
            request.ask_again = doubled(request.ask_again);
            let next = (!request.acked).then_some(now + request.ask_again);
            self.ask_at(id, next);
        }
        asked
    }

    /// Asks about these at once: the question was refused or did not leave.
    pub(super) fn ask_soon(&mut self, msg_ids: &[MsgId], now: Time) {
        for msg_id in msg_ids {
            let Some(id) = self.request_of(*msg_id) else {
                continue;
            };
            let asked = self.get(id).is_some_and(|r| !r.in_former_session);
            self.ask_at(id, asked.then_some(now));
        }
    }

    /// A stream was opened: what was written to another one is asked for at once, whatever the
    /// server said of it before. `first` is the time until the second question.
    pub(super) fn ask_all(&mut self, now: Time, first: Duration) {
        for id in self.written_requests() {
            let Some(request) = self.requests.get_mut(&id) else {
                continue;
            };
            if request.in_former_session {
                continue;
            }
            request.uncertain = !request.acked;
            request.ask_again = first;
            self.ask_at(id, Some(now));
        }
        self.settle_all_dependants();
    }
}

/// Messages of the server that it described and has not sent.
#[derive(Debug, Default)]
pub(super) struct Described {
    messages: BTreeMap<MsgId, Wanted>,
    due: BTreeSet<(Time, MsgId)>,
}

#[derive(Debug)]
struct Wanted {
    /// The message of ours that it answers.
    answers: Option<MsgId>,
    at: Time,
    again: Duration,
    times_left: u8,
}

impl Described {
    /// The server described a message that has not come: it is asked for at once, and after
    /// `again` once more. `false` if there is no room for it.
    pub(super) fn add(
        &mut self,
        message: MsgId,
        answers: Option<MsgId>,
        now: Time,
        again: Duration,
    ) -> bool {
        if self.messages.len() >= MAX_DESCRIBED && !self.messages.contains_key(&message) {
            return false;
        }
        let wanted = self.messages.entry(message).or_insert(Wanted {
            answers,
            at: now,
            again,
            times_left: MAX_TIMES,
        });
        self.due.remove(&(wanted.at, message));
        wanted.at = now;
        self.due.insert((now, message));
        true
    }

    /// A message came.
    pub(super) fn came(&mut self, message: MsgId) {
        if let Some(wanted) = self.messages.remove(&message) {
            self.due.remove(&(wanted.at, message));
        }
    }

    /// When the next one is to be asked for.
    pub(super) fn next(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Asks for all of them, or for these, at once.
    pub(super) fn ask_soon(&mut self, messages: Option<&[MsgId]>, now: Time) {
        let all: Vec<MsgId>;
        let messages = match messages {
            Some(messages) => messages,
            None => {
                all = self.messages.keys().copied().collect();
                &all
            }
        };
        for message in messages {
            if let Some(wanted) = self.messages.get_mut(message) {
                self.due.remove(&(wanted.at, *message));
                wanted.at = now;
                self.due.insert((now, *message));
            }
        }
    }

    /// The messages to ask for now. Those that were asked for often enough are forgotten, and so are
    /// answers that nobody waits for any more, once they were asked for.
    pub(super) fn take_due(&mut self, now: Time, awaited: impl Fn(MsgId) -> bool) -> Vec<MsgId> {
        let mut asked = Vec::new();
        while let Some((at, message)) = self.due.first().copied()
            && at <= now
        {
            self.due.remove(&(at, message));
            let Some(wanted) = self.messages.get_mut(&message) else {
                continue;
            };
            let first = wanted.times_left == MAX_TIMES;
            let left = wanted
                .times_left
                .checked_sub(1)
                .filter(|_| first || wanted.answers.is_none_or(&awaited));
            let Some(left) = left else {
                self.messages.remove(&message);
                continue;
            };
            asked.push(message);
            wanted.times_left = left;
            // Never now again, whatever the configuration says.
            wanted.at = now + wanted.again.max(PAUSE);
            wanted.again = doubled(wanted.again);
            self.due.insert((wanted.at, message));
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_700_000_000);
    const FIRST: Duration = Duration::from_secs(4);

    #[test]
    fn what_does_not_come_is_asked_for_five_times_ever_more_slowly() {
        let mut described = Described::default();
        assert!(described.add(MsgId(5), None, NOW, FIRST));
        let mut asked = Vec::new();
        while let Some(at) = described.next() {
            if described.take_due(at, |_| true) == [MsgId(5)] {
                asked.push(at.saturating_since(NOW).as_secs());
            }
        }
        assert_eq!(asked, [0, 4, 12, 28, 60]);
        assert!(described.messages.is_empty());
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_asked_for_once() {
        let mut described = Described::default();
        described.add(MsgId(5), Some(MsgId(4)), NOW, FIRST);
        assert_eq!(described.take_due(NOW, |_| false), [MsgId(5)]);
        assert_eq!(described.take_due(NOW + FIRST, |_| false), []);
        assert_eq!(described.next(), None);
    }

    #[test]
    fn what_came_is_not_asked_for() {
        let mut described = Described::default();
        described.add(MsgId(5), None, NOW, FIRST);
        described.add(MsgId(9), None, NOW, FIRST);
        described.came(MsgId(5));
        described.came(MsgId(7));
        assert_eq!(described.take_due(NOW, |_| true), [MsgId(9)]);
    }

    #[test]
    fn descriptions_without_end_take_a_bounded_place() {
        let mut described = Described::default();
        for id in 0..10_000 {
            let taken = described.add(MsgId(id), None, NOW, FIRST);
            assert_eq!(taken, id < 1_024, "{id}");
        }
        assert_eq!(described.take_due(NOW, |_| true).len(), 1_024);
    }
}
