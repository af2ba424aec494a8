//! Everything but channels: pts, qts and seq, which share one difference.
//!
//! Does: applies what fits, waits for gaps to fill, asks for the difference, hands it on, and goes
//! on after it.
//! In: updates by their counter, answers. Out: updates in order; the bodies of calls.
//! Must not know: channels, bytes of updates.
//! Spec: "Working with updates"; "updates.getDifference", "updates.getState".

mod difference;

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Cx;
use super::containers::{Container, Containers, First};
use super::counter::{Counter, Drained, Offered};
use super::fetch::{self, Fetch, Haste};
use super::incoming::Incoming;
use super::outbox::{Item, Outbox, Which};
use super::parse::Several;
use super::pending::{Budget, Waiting};
use super::state::State;
use crate::time::Time;

/// Differences in a row that bring nothing while updates wait beyond a gap. Then the gap is not of
/// this account, or the server has lost it: the application is told of a hole.
pub(super) const MAX_FRUITLESS: u32 = 3;

/// Bodies that cannot be read and are kept until the difference was asked for.
const MAX_UNREAD: usize = 16;

/// Bytes of these.
const MAX_UNREAD_BYTES: usize = 1 << 20;

/// The box of everything but channels.
#[derive(Debug, Default)]
pub(super) struct Common {
    /// The counters are those of the server, not zeros.
    known: bool,
    pts: Counter,
    qts: Counter,
    containers: Containers,
    date: i32,
    fetch: Fetch,
    /// Something happened that the answer on its way may not know.
    again: bool,
    /// The counters mean nothing any more: `updates.getState` is next, and what lies between is
    /// lost.
    reset: bool,
    /// The next state comes after a hole.
    lost: bool,
    /// When a gap has had its time.
    gap: Option<Time>,
    /// Calls in a row that failed.
    failures: u32,
    /// Differences in a row that moved no counter.
    fruitless: u32,
    haste: Haste,
    stage: VecDeque<Item>,
    end: End,
    unread: Vec<Bytes>,
    /// The call that is out is `updates.getState`.
    asked_state: bool,
    /// When it was asked, something was known to be missing.
    asked_behind: bool,
}

/// What is left to do when all of a difference is handed on.
#[derive(Debug, Default)]
struct End {
    pts: Option<i32>,
    qts: Option<i32>,
    seq: Option<i32>,
    date: Option<i32>,
    /// The counters may go back.
    force: bool,
    /// It was a part: ask for the next.
    more: bool,
}

impl Common {
    pub fn new(stored: Option<State>) -> Self {
        let mut common = Common::default();
        if let Some(state) = stored {
            common.known = true;
            common.pts.value = state.pts;
            common.qts.value = state.qts;
            common.containers.seq = state.seq;
            common.date = state.date;
        }
        common
    }

    pub fn is_known(&self) -> bool {
        self.known
    }

    pub fn is_idle(&self) -> bool {
        self.fetch == Fetch::Idle
    }

    /// The server's date that the counters belong to.
    pub fn date(&self) -> i32 {
        self.date
    }

    /// A difference is needed, whatever is on its way.
    pub fn want(&mut self) {
        self.again |= self.fetch.want();
        self.gap = None;
    }

    /// The difference may bring what is missing elsewhere, as the last one may have done in vain.
    pub fn want_for_others(&mut self, now: Time) {
        if self.fetch == Fetch::Idle {
            let salt = u64::from(self.pts.value.unsigned_abs());
            self.fetch = self.haste.go_on(now, false, salt);
            self.gap = None;
        } else {
            self.want();
        }
    }

    /// The counters are no longer the server's.
    pub fn reset(&mut self) {
        self.reset = true;
        self.want();
    }

    /// Something is missing, and nobody knows what: it is told when the state is known.
    pub fn lose(&mut self) {
        self.lost = true;
    }

    /// A body that cannot be read; it is told as it is if the difference cannot be read either.
    pub fn unreadable(&mut self, body: &Bytes) {
        let held = self
            .unread
            .iter()
            .fold(body.len(), |sum, body| sum.saturating_add(body.len()));
        if self.unread.len() < MAX_UNREAD && held <= MAX_UNREAD_BYTES {
            self.unread.push(Bytes::copy_from_slice(body));
        }
        self.want();
    }

    /// Whether this pts is behind us.
    pub fn is_old(&self, pts: i32) -> bool {
        self.known && pts <= self.pts.value && !self.pts.fell(pts)
    }

    pub fn offer_pts(&mut self, cx: &mut Cx<'_>, pts: i32, count: i32, update: Option<Incoming>) {
        if pts <= 0 || count < 0 || count > pts {
            return self.want();
        }
        let waiting = Waiting { pts, count, update };
        let frozen = self.fetch.is_frozen();
        let offered = self
            .pts
            .offer(Which::Pts, waiting, frozen, cx.budget, cx.out);
        self.after(
            cx,
            offered,
            End {
                pts: Some(pts),
                ..End::restart()
            },
        );
    }

    pub fn offer_qts(&mut self, cx: &mut Cx<'_>, qts: i32, update: Incoming) {
        if qts <= 0 {
            return self.want();
        }
        let waiting = Waiting {
            pts: qts,
            count: 1,
            update: Some(update),
        };
        let frozen = self.fetch.is_frozen();
        let offered = self
            .qts
            .offer(Which::Qts, waiting, frozen, cx.budget, cx.out);
        self.after(
            cx,
            offered,
            End {
                qts: Some(qts),
                ..End::restart()
            },
        );
    }

    /// What has no counter of its own; `seq_start` 0 if the container has none either.
    pub fn offer_rest(&mut self, cx: &mut Cx<'_>, several: Several) {
        let Several {
            updates,
            date,
            seq_start,
            seq,
            ..
        } = several;
        if seq_start == 0 || seq == 0 {
            for update in updates {
                if cx.out.push(Item::Update(update)).is_err() {
                    return self.want();
                }
            }
            return;
        }
        if seq_start < 0 || seq < seq_start {
            return self.want();
        }
        let restarted = self.known && self.containers.restarted(seq);
        if self.known && !restarted && seq <= self.containers.seq {
            return;
        }
        let frozen = self.fetch.is_frozen();
        let container = Container { seq, date, updates };
        if (restarted && !frozen) || !self.containers.insert(cx.budget, seq_start, container) {
            self.want();
        } else if !frozen {
            let offered = match self.drain_containers(cx) {
                Drained::All => Offered::Fine,
                Drained::Gap => Offered::Gap,
                Drained::Fetch => Offered::Fetch,
            };
            self.after(cx, offered, End::default());
        }
    }

    /// Hands on what a difference brought. `true` when all of it is.
    #[must_use]
    pub fn flush(&mut self, out: &mut Outbox) -> bool {
        if self.fetch != Fetch::Staged {
            return false;
        }
        while let Some(item) = self.stage.pop_front() {
            if let Err(item) = out.push(item) {
                self.stage.push_front(item);
                return false;
            }
        }
        true
    }

    /// Whether something waits to be handed on.
    pub fn is_staged(&self) -> bool {
        !self.stage.is_empty()
    }

    /// Goes on after a difference; `true` if it was the last part, and no other is due.
    pub fn finish(&mut self, cx: &mut Cx<'_>) -> bool {
        let end = core::mem::take(&mut self.end);
        let before = self.position();
        for (counter, which, value) in [
            (&mut self.pts, Which::Pts, end.pts),
            (&mut self.qts, Which::Qts, end.qts),
        ] {
            let Some(value) = value else { continue };
            if end.force {
                counter.value = value;
            } else {
                counter.advance(value);
            }
            cx.out.mark(which, Some(counter.value));
        }
        if let Some(seq) = end.seq {
            self.containers.seq = seq;
            cx.out.mark(Which::Seq, Some(seq));
        }
        if let Some(date) = end.date {
            self.date = date;
            cx.out.mark(Which::Date, Some(date));
        }
        self.known |= end.pts.is_some() && end.seq.is_some();
        let moved = before != self.position();
        let (_, pts, qts, seq) = before;
        let back = pts > self.pts.value || qts > self.qts.value || seq > self.containers.seq;
        let salt = u64::from(self.pts.value.unsigned_abs());
        self.failures = 0;
        if moved {
            self.fruitless = 0;
        } else if self.asked_behind || end.more {
            self.fruitless = self.fruitless.saturating_add(1);
        }

        if end.more && !moved && !self.reset {
            let pause = fetch::backoff(self.fruitless, u64::from(self.fruitless));
            self.fetch = Fetch::Waiting(cx.now + pause);
        } else if end.more || self.reset || core::mem::take(&mut self.again) {
            self.fetch = self.haste.go_on(cx.now, moved && !back, salt);
        } else {
            self.fetch = Fetch::Idle;
            self.pts.drop_foreign(cx.budget);
            self.qts.drop_foreign(cx.budget);
            self.settle(cx);
            match self.fetch {
                Fetch::Idle => self.haste.rest(cx.now),
                // What waits could not be applied, for want of room or of a place.
                Fetch::Ready => self.fetch = self.haste.go_on(cx.now, moved && !back, salt),
                Fetch::Waiting(_) | Fetch::Blocked | Fetch::Asked(_) | Fetch::Staged => {}
            }
        }
        !end.more && self.fetch != Fetch::Ready
    }

    /// The pause between attempts is over, or a gap has had its time.
    pub fn handle_timeout(&mut self, now: Time, wanted: bool) {
        if !wanted && self.known {
            return;
        }
        self.fetch.wake(now);
        if self.gap.is_some_and(|at| at <= now) {
            self.want();
        }
    }

    pub fn timeout(&self, wanted: bool) -> Option<Time> {
        if !wanted && self.known {
            return None;
        }
        [self.fetch.timeout(), self.gap].into_iter().flatten().min()
    }

    /// Applies what came meanwhile.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let pts = self.pts.drain(Which::Pts, cx.budget, cx.out);
        let qts = self.qts.drain(Which::Qts, cx.budget, cx.out);
        let seq = self.drain_containers(cx);
        if self.fetch == Fetch::Staged {
            return;
        }
        let all = [pts, qts, seq];
        if all.contains(&Drained::Fetch) {
            self.want();
        } else if !all.contains(&Drained::Gap) {
            self.fruitless = 0;
            self.gap = None;
        } else if self.fruitless >= MAX_FRUITLESS {
            self.fruitless = 0;
            let start = |drained, counter: &Counter| match (drained, counter.pending.first()) {
                (Drained::Gap, Some((pts, count))) => Some(pts.saturating_sub(count)),
                (Drained::Gap | Drained::All | Drained::Fetch, _) => None,
            };
            let seq = self
                .containers
                .before_first()
                .filter(|_| seq == Drained::Gap);
            let end = End {
                pts: start(pts, &self.pts),
                qts: start(qts, &self.qts),
                seq,
                ..End::default()
            };
            self.stage([Item::Lost(None)], end);
        } else if self.fruitless > 0 {
            let pause = fetch::backoff(self.fruitless, u64::from(self.fruitless));
            self.fetch = Fetch::Waiting(cx.now + pause);
        } else {
            self.arm(cx);
        }
    }

    /// Nothing waits for what is missing.
    fn is_complete(&self) -> bool {
        self.pts.pending.is_empty() && self.qts.pending.is_empty() && self.containers.is_empty()
    }

    fn position(&self) -> (bool, i32, i32, i32) {
        (
            self.known,
            self.pts.value,
            self.qts.value,
            self.containers.seq,
        )
    }

    /// Goes on after an update came; `restart` is where it began anew, if it did.
    fn after(&mut self, cx: &Cx<'_>, offered: Offered, restart: End) {
        match offered {
            Offered::Gap => self.arm(cx),
            Offered::Fetch => self.want(),
            Offered::Restarted(update) => {
                let items = [Item::Lost(None)]
                    .into_iter()
                    .chain(update.map(Item::Update));
                self.stage(items, restart);
            }
            Offered::Fine => {
                if self.is_complete() {
                    self.gap = None;
                }
            }
        }
    }

    fn arm(&mut self, cx: &Cx<'_>) {
        if self.gap.is_none() && self.fetch == Fetch::Idle {
            self.gap = Some(cx.now + cx.config.gap_wait);
        }
    }

    fn drain_containers(&mut self, cx: &mut Cx<'_>) -> Drained {
        loop {
            let Container { seq, date, updates } = match self.containers.next(cx.budget) {
                First::Next(container) => container,
                First::None => return Drained::All,
                First::Gap => return Drained::Gap,
                First::Overlap => return Drained::Fetch,
            };
            if !cx.out.has_room_for(updates.len()) {
                // It cannot be dropped by halves, so it goes out as there is room.
                let end = End {
                    seq: Some(seq),
                    date: Some(date),
                    ..End::default()
                };
                self.stage(updates.into_iter().map(Item::Update), end);
                return Drained::All;
            }
            for update in updates {
                // There is room.
                let _ = cx.out.push(Item::Update(update));
            }
            self.containers.seq = seq;
            self.date = date;
            cx.out.mark(Which::Seq, Some(seq));
            cx.out.mark(Which::Date, Some(date));
        }
    }

    fn stage(&mut self, items: impl IntoIterator<Item = Item>, end: End) {
        self.stage.extend(items);
        self.end = end;
        self.fetch = Fetch::Staged;
        self.gap = None;
    }

    /// Forgets all that waits.
    pub fn clear(&mut self, budget: &mut Budget) {
        self.pts.pending.clear(budget);
        self.qts.pending.clear(budget);
        self.containers.clear(budget);
        *self = Common::default();
    }
}

impl End {
    /// A counter began anew; the difference tells of the others.
    fn restart() -> Self {
        End {
            force: true,
            more: true,
            ..End::default()
        }
    }
}
