//! One counter: what is next, what is old, what is too early.
//!
//! Does: applies updates in the counter's order; keeps those beyond a gap.
//! In: updates with their counter. Out: updates in order, and whether a difference is needed.
//! Must not know: which box it counts, timers.
//! Spec: "Working with updates", "Message-related event sequences".

use super::incoming::Incoming;
use super::outbox::{Item, Outbox, Which};
use super::pending::{Budget, Pending, Waiting};

/// A counter that falls by more was started anew by the server; by less, the update is old. The
/// number is TDLib's.
const RESTART: i64 = 1_000_009;

/// A gap of more than this does not fill itself: the number is TDLib's.
const JUMP: i64 = 100_000;

/// A counter and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Counter {
    pub value: i32,
    pub pending: Pending,
}

/// What became of an update.
#[derive(Debug)]
pub(super) enum Offered {
    /// It was applied, is old, or waits for a difference that is on its way.
    Fine,
    /// It waits for others to come.
    Gap,
    /// A difference is needed to go on.
    Fetch,
    /// The server's counter was started anew.
    Restarted(Option<Incoming>),
}

/// How far the waiting ones could be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// None is left.
    All,
    /// Others are missing before the first that is left.
    Gap,
    /// A difference is needed to go on.
    Fetch,
}

enum Verdict {
    Next,
    Old,
    Gap,
    Restarted,
    /// It is neither: part of what it covers was applied.
    Overlap,
}

impl Counter {
    /// Takes an update in. While `frozen` it waits for the difference.
    pub fn offer(
        &mut self,
        which: Which,
        waiting: Waiting,
        frozen: bool,
        budget: &mut Budget,
        out: &mut Outbox,
    ) -> Offered {
        match self.judge(waiting.pts, waiting.count) {
            Verdict::Old => Offered::Fine,
            Verdict::Next | Verdict::Gap | Verdict::Restarted | Verdict::Overlap if frozen => {
                match self.pending.insert(budget, waiting) {
                    true => Offered::Fine,
                    false => Offered::Fetch,
                }
            }
            Verdict::Next => match self.apply(which, waiting, out) {
                Some(waiting) => {
                    // Dropped before the counter moves, or kept if that is cheap: the difference
                    // has it in any case.
                    let _ = self.pending.insert(budget, waiting);
                    Offered::Fetch
                }
                None => match self.drain(which, budget, out) {
                    Drained::All => Offered::Fine,
                    Drained::Gap => Offered::Gap,
                    Drained::Fetch => Offered::Fetch,
                },
            },
            Verdict::Gap => {
                let jump = i64::from(waiting.pts).saturating_sub(i64::from(self.value)) > JUMP;
                match self.pending.insert(budget, waiting) && !jump {
                    true => Offered::Gap,
                    false => Offered::Fetch,
                }
            }
            Verdict::Overlap => Offered::Fetch,
            Verdict::Restarted => {
                // They are numbered as it was before.
                self.pending.clear(budget);
                Offered::Restarted(waiting.update)
            }
        }
    }

    /// Applies what waits, as far as it fits.
    pub fn drain(&mut self, which: Which, budget: &mut Budget, out: &mut Outbox) -> Drained {
        while let Some((pts, count)) = self.pending.first() {
            match self.judge(pts, count) {
                Verdict::Gap => return Drained::Gap,
                Verdict::Old => {
                    self.pending.pop(budget);
                }
                Verdict::Overlap | Verdict::Restarted => {
                    self.pending.pop(budget);
                    return Drained::Fetch;
                }
                Verdict::Next => {
                    let Some(waiting) = self.pending.pop(budget) else {
                        return Drained::All;
                    };
                    if let Some(waiting) = self.apply(which, waiting, out) {
                        let _ = self.pending.insert(budget, waiting);
                        return Drained::Fetch;
                    }
                }
            }
        }
        Drained::All
    }

    /// Sets the counter to what the server says it is; `false` if that is behind what was applied,
    /// which a server that lags says.
    pub fn advance(&mut self, value: i32) -> bool {
        let ahead = value >= self.value || self.fell(value);
        if ahead {
            self.value = value;
        }
        ahead
    }

    /// Whether the server's counter was started anew.
    pub fn fell(&self, value: i32) -> bool {
        value > 0 && i64::from(self.value).saturating_sub(i64::from(value)) > RESTART
    }

    /// Drops what is numbered as it was before the server began anew: it is further ahead of what
    /// the server has just told than any counter gets.
    pub fn drop_foreign(&mut self, budget: &mut Budget) {
        let highest = i64::from(self.value).saturating_add(RESTART);
        while self
            .pending
            .last()
            .is_some_and(|pts| i64::from(pts) > highest)
        {
            self.pending.pop_last(budget);
        }
    }

    fn judge(&self, pts: i32, count: i32) -> Verdict {
        let sum = i64::from(self.value).saturating_add(i64::from(count));
        let got = i64::from(pts);
        if sum == got {
            Verdict::Next
        } else if self.fell(pts) {
            Verdict::Restarted
        } else if pts <= self.value {
            Verdict::Old
        } else if sum < got {
            Verdict::Gap
        } else {
            Verdict::Overlap
        }
    }

    /// Hands an update on and moves, or gives it back when there is no room.
    fn apply(&mut self, which: Which, waiting: Waiting, out: &mut Outbox) -> Option<Waiting> {
        let Waiting { pts, count, update } = waiting;
        if let Some(update) = update
            && let Err(Item::Update(update)) = out.push(Item::Update(update))
        {
            return Some(Waiting {
                pts,
                count,
                update: Some(update),
            });
        }
        self.value = pts;
        out.mark(which, Some(pts));
        None
    }
}
