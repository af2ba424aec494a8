//! How many of something each key has, and which key has most.
//!
//! Does: counts; finds the greatest count without looking at all.
//! In: keys. Out: counts.
//! Must not know: what is counted.
//! Spec: none.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::ids::AuthKeyId;

/// Counts by key. It holds the keys that have any.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: BTreeMap<AuthKeyId, usize>,
    sorted: BTreeSet<(usize, AuthKeyId)>,
}

impl Tally {
    /// How many this key has.
    pub(super) fn of(&self, key: AuthKeyId) -> usize {
        self.counts.get(&key).copied().unwrap_or(0)
    }

    /// The key that has most, and how many.
    pub(super) fn most(&self) -> Option<(AuthKeyId, usize)> {
        self.sorted.last().map(|(count, key)| (*key, *count))
    }

    pub(super) fn add(&mut self, key: AuthKeyId) {
        let count = self.of(key);
        self.set(key, count, count.saturating_add(1));
    }

    pub(super) fn remove(&mut self, key: AuthKeyId) {
        let count = self.of(key);
        self.set(key, count, count.saturating_sub(1));
    }

    fn set(&mut self, key: AuthKeyId, before: usize, count: usize) {
        self.sorted.remove(&(before, key));
        if count == 0 {
            self.counts.remove(&key);
        } else {
            self.counts.insert(key, count);
            self.sorted.insert((count, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_has_most_is_known_and_nothing_stays_of_one_that_has_none() {
        let mut tally = Tally::default();
        for key in [1, 2, 2, 3, 3, 3] {
            tally.add(AuthKeyId(key));
        }
        assert_eq!(tally.most(), Some((AuthKeyId(3), 3)));
        for _ in 0..4 {
            tally.remove(AuthKeyId(3));
        }
        assert_eq!(tally.most(), Some((AuthKeyId(2), 2)));
        assert_eq!((tally.of(AuthKeyId(3)), tally.counts.len()), (0, 2));
    }
}
