//! Updates that came too early.
//!
//! Does: keeps them in the order of their counter, within bounds that all boxes share.
//! In: updates beyond a gap, or of a box that waits for its difference. Out: the same, in order.
//! Must not know: what the counter's value is.
//! Spec: "Working with updates", "Recovering gaps".

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use super::incoming::Incoming;

/// Updates of one box that wait: a gap fills itself within a second or not at all, and no account
/// gets as many in a second.
const MAX_PENDING: usize = 512;

/// Updates of all boxes that wait.
const MAX_PENDING_IN_ALL: usize = 8_192;

/// Bytes that all of them keep alive, each charged with its whole body: two answers of the
/// greatest size.
const MAX_PENDING_BYTES: usize = 32 << 20;

/// What all boxes share.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    updates: usize,
    bytes: usize,
}

impl Budget {
    /// Reserves, or says that there is no room.
    pub fn take(&mut self, updates: usize, bytes: usize) -> bool {
        let updates = self.updates.saturating_add(updates);
        let bytes = self.bytes.saturating_add(bytes);
        let fits = updates <= MAX_PENDING_IN_ALL && bytes <= MAX_PENDING_BYTES;
        if fits {
            *self = Budget { updates, bytes };
        }
        fits
    }

    pub fn give(&mut self, updates: usize, bytes: usize) {
        self.updates = self.updates.saturating_sub(updates);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub pts: i32,
    pub count: i32,
    /// `None`: the counter moves and nothing is told (an answer that the caller gets anyway).
    pub update: Option<Incoming>,
}

impl Waiting {
    fn weight(&self) -> usize {
        self.update.as_ref().map_or(0, |update| update.weight)
    }
}

/// Those of one box.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Several may have one counter if all but the first do not move it (`pts_count` 0): they come
    /// after it, as they came.
    waiting: BTreeMap<(i32, u32), Waiting>,
    next: u32,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps one; `false` if there is no room. One that is there already is not kept again.
    #[must_use]
    pub fn insert(&mut self, budget: &mut Budget, waiting: Waiting) -> bool {
        let order = if waiting.count == 0 {
            self.next = self.next.saturating_add(1);
            self.next
        } else {
            0
        };
        let len = self.waiting.len();
        match self.waiting.entry((waiting.pts, order)) {
            Entry::Occupied(_) => true,
            Entry::Vacant(entry) => {
                if len >= MAX_PENDING || !budget.take(1, waiting.weight()) {
                    return false;
                }
                entry.insert(waiting);
                true
            }
        }
    }

    /// The first one's counter and how far it moves it.
    pub fn first(&self) -> Option<(i32, i32)> {
        self.waiting
            .first_key_value()
            .map(|(_, waiting)| (waiting.pts, waiting.count))
    }

    pub fn pop(&mut self, budget: &mut Budget) -> Option<Waiting> {
        let (_, waiting) = self.waiting.pop_first()?;
        budget.give(1, waiting.weight());
        Some(waiting)
    }

    /// The last one's counter.
    pub fn last(&self) -> Option<i32> {
        self.waiting
            .last_key_value()
            .map(|(_, waiting)| waiting.pts)
    }

    pub fn pop_last(&mut self, budget: &mut Budget) {
        if let Some((_, waiting)) = self.waiting.pop_last() {
            budget.give(1, waiting.weight());
        }
    }

    pub fn clear(&mut self, budget: &mut Budget) {
        while self.pop(budget).is_some() {}
        self.next = 0;
    }
}
