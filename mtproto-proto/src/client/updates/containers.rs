//! Containers that are numbered by seq, and came too early.
//!
//! Does: keeps them in the order of seq, within bounds.
//! In: containers. Out: the next one that fits.
//! Must not know: what becomes of it.
//! Spec: "Working with updates", "seq".

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::incoming::Incoming;
use super::pending::Budget;

/// Containers that wait for their seq: the server numbers few of them.
const MAX_CONTAINERS: usize = 64;

/// A seq that falls by more has begun anew: it is counted modulo 2^30.
const RESTART: i32 = 1 << 29;

/// What has no counter but its container's.
#[derive(Debug)]
pub(super) struct Container {
    pub seq: i32,
    pub date: i32,
    pub updates: Vec<Incoming>,
}

impl Container {
    fn cost(&self) -> (usize, usize) {
        (
            self.updates.len(),
            self.updates.first().map_or(0, |update| update.weight),
        )
    }
}

/// Those that wait, and the seq that they wait for.
#[derive(Debug, Default)]
pub(super) struct Containers {
    /// Of the last one that was applied.
    pub seq: i32,
    /// By the seq that they begin with.
    waiting: BTreeMap<i32, Container>,
}

/// The first one.
#[derive(Debug)]
pub(super) enum First {
    /// There is none.
    None,
    /// It fits.
    Next(Container),
    /// Others are missing before it.
    Gap,
    /// Part of what it covers was applied.
    Overlap,
}

impl Containers {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the server counts anew.
    pub fn restarted(&self, seq: i32) -> bool {
        self.seq.saturating_sub(seq) > RESTART
    }

    /// Keeps one; `false` if there is no room. One that is there already is not kept again.
    #[must_use]
    pub fn insert(&mut self, budget: &mut Budget, start: i32, container: Container) -> bool {
        if self.waiting.contains_key(&start) {
            return true;
        }
        let (updates, bytes) = container.cost();
        let fits = self.waiting.len() < MAX_CONTAINERS && budget.take(updates, bytes);
        if fits {
            self.waiting.insert(start, container);
        }
        fits
    }

    /// Takes the first one out if it fits, and those before that are old.
    pub fn next(&mut self, budget: &mut Budget) -> First {
        while let Some(first) = self.waiting.first_entry() {
            let start = *first.key();
            if start > self.seq.saturating_add(1) {
                return First::Gap;
            }
            let container = first.remove();
            let (updates, bytes) = container.cost();
            budget.give(updates, bytes);
            if container.seq > self.seq {
                // The server says what is after it in any case.
                return if start > self.seq {
                    First::Next(container)
                } else {
                    First::Overlap
                };
            }
        }
        First::None
    }

    /// The seq before the first one.
    pub fn before_first(&self) -> Option<i32> {
        self.waiting
            .first_key_value()
            .map(|(start, _)| start.saturating_sub(1))
    }

    pub fn clear(&mut self, budget: &mut Budget) {
        for container in core::mem::take(&mut self.waiting).into_values() {
            let (updates, bytes) = container.cost();
            budget.give(updates, bytes);
        }
    }
}
