//! Which message ids have come before.
//!
//! Does: remembers the ids of the window, and one floor below which nothing is accepted.
//! In: ids of opened messages. Out: new, seen before, or too old to tell.
//! Must not know: time (the caller says where the window begins), acknowledgements.
//! Spec: "Security Guidelines", checking msg_id.

use alloc::collections::{BTreeSet, VecDeque};

use crate::sabotage::{self, Sabotage};

/// Ids that are kept whatever their age, so that a quiet session still knows its last messages.
const KEEP: usize = 128;
/// Ids that are kept at most. A busy connection brings a few hundred messages a second; when more
/// come within the window, the floor rises early.
const MAX: usize = 16_384;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    New,
    Before,
    /// Not above the floor: it may have come before.
    Unknown,
}

/// The ids of one direction of a session, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    ids: VecDeque<i64>,
    floor: i64,
    /// Those of the ids that came since the journal was last taken.
    journal: Option<BTreeSet<i64>>,
}

impl Default for Replay {
    fn default() -> Self {
        Replay {
            ids: VecDeque::new(),
            floor: i64::MIN,
            journal: None,
        }
    }
}

impl Replay {
    /// Knows nothing of what came up to this id.
    pub(crate) fn above(floor: i64) -> Self {
        Replay {
            floor,
            ..Replay::default()
        }
    }

    pub(crate) fn check(&self, id: i64) -> Seen {
        if sabotage::breaks(Sabotage::Replay) {
            return Seen::New;
        }
        if self.ids.binary_search(&id).is_ok() {
            Seen::Before
        } else if id <= self.floor {
            Seen::Unknown
        } else {
            Seen::New
        }
    }

    /// Remembers an id; ids before `horizon` may be forgotten.
    pub(crate) fn insert(&mut self, id: i64, horizon: i64) {
        if let Some(journal) = &mut self.journal {
            journal.insert(id);
        }
        if let Err(at) = self.ids.binary_search(&id) {
            self.ids.insert(at, id);
        }
        while self.ids.len() > MAX
            || (self.ids.len() > KEEP && self.ids.front().is_some_and(|oldest| *oldest < horizon))
        {
            let Some(oldest) = self.ids.pop_front() else {
                break;
            };
            self.floor = self.floor.max(oldest);
            if let Some(journal) = &mut self.journal {
                // What is below the floor is known by the floor.
                journal.remove(&oldest);
            }
        }
    }

    /// How many are remembered beyond those that are kept in any case.
    pub(crate) fn many(&self) -> usize {
        self.ids.len().saturating_sub(KEEP)
    }

    /// Nothing up to this id is accepted any more, and those that came need not be known.
    pub(crate) fn raise(&mut self, floor: i64) {
        self.floor = self.floor.max(floor);
        let known = self.ids.partition_point(|id| *id <= self.floor);
        self.ids.drain(..known);
        self.ids.shrink_to_fit();
        if let Some(journal) = &mut self.journal {
            *journal = journal.split_off(&self.floor.saturating_add(1));
        }
    }

    /// The newest of the older half, of which none is kept in any case.
    pub(crate) fn middle(&self) -> Option<i64> {
        let last = self.many().checked_sub(1)?;
        self.ids.get(last.min(self.ids.len() / 2)).copied()
    }

    /// The greatest id that has come.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.ids.back().copied()
    }

    /// Nothing up to this id is accepted.
    pub(crate) fn floor(&self) -> i64 {
        self.floor
    }

    /// The ids above the floor, sorted.
    pub(crate) fn ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.ids.iter().copied()
    }

    /// Takes over what another process knew.
    pub(crate) fn restore(&mut self, floor: i64, ids: BTreeSet<i64>) {
        self.floor = floor;
        self.ids = ids.into_iter().filter(|id| *id > floor).collect();
    }

    /// Notes ids from here on.
    pub(crate) fn begin_journal(&mut self) {
        self.journal = Some(BTreeSet::new());
    }

    /// The ids above the floor that came since this was last called. There are never more than
    /// the window holds.
    pub(crate) fn take_change(&mut self) -> BTreeSet<i64> {
        self.journal
            .as_mut()
            .map(core::mem::take)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn an_id_is_new_once_in_any_order() {
        let mut replay = Replay::default();
        for id in [10, 30, 20, 5, 25] {
            assert_eq!(replay.check(id), Seen::New, "{id}");
            replay.insert(id, 0);
            assert_eq!(replay.check(id), Seen::Before, "{id}");
        }
        assert_eq!(replay.newest(), Some(30));
    }

    #[test]
    fn what_lies_below_the_window_is_unknown_once_it_is_forgotten() {
        let mut replay = Replay::default();
        for id in 1..=200 {
            replay.insert(id, 150);
        }
        assert_eq!(replay.check(200), Seen::Before);
        assert_eq!(replay.check(73), Seen::Before);
        assert_eq!(replay.check(72), Seen::Unknown);
        assert_eq!(replay.check(201), Seen::New);
    }

    #[test]
    fn a_flood_within_the_window_keeps_memory_bounded() {
        let mut replay = Replay::default();
        for id in 0..100_000 {
            replay.insert(id, 0);
        }
        assert_eq!(replay.ids.len(), MAX);
        assert_eq!(replay.check(1), Seen::Unknown);
    }

    #[test]
    fn a_change_and_the_floor_make_the_same_of_what_was_known_before() {
        let mut replay = Replay::default();
        let mut copy = Replay::default();
        replay.begin_journal();
        for (n, id) in (0..50_000).map(|id| id ^ 7).enumerate() {
            replay.insert(id, id - 300);
            if n % 1_000 == 0 {
                let mut known: BTreeSet<i64> = copy.ids().collect();
                known.extend(replay.take_change());
                copy.restore(replay.floor(), known);
                assert_eq!((&copy.ids, copy.floor), (&replay.ids, replay.floor));
            }
        }
        for id in 100_000..200_000 {
            replay.insert(id, 0);
        }
        assert_eq!(replay.take_change().len(), MAX, "however long nobody asks");
    }

    #[test]
    fn the_floor_and_all_below_it_are_unknown() {
        let mut replay = Replay::above(100);
        assert_eq!(replay.check(99), Seen::Unknown);
        assert_eq!(replay.check(100), Seen::Unknown);
        assert_eq!(replay.check(101), Seen::New);
        replay.restore(7, [6, 7, 8].into());
        assert_eq!(replay.ids().collect::<Vec<_>>(), [8]);
        assert_eq!(
            (replay.check(7), replay.check(8)),
            (Seen::Unknown, Seen::Before)
        );
        assert_eq!((replay.floor(), replay.newest()), (7, Some(8)));
    }

    #[test]
    fn what_is_as_old_as_the_window_is_kept() {
        let mut replay = Replay::default();
        for id in 1..=200 {
            replay.insert(id, 10);
        }
        assert_eq!(replay.check(10), Seen::Before);
        assert_eq!(replay.check(9), Seen::Unknown);
    }
}
