//! Messages of the client that were refused, and will never be taken.
//!
//! Does: remembers the ids that a server refused. The client sends such a message again under
//! another id; a copy of the first one, sent again by somebody on the path once its salt, its time
//! or its number has become right, must not be executed then.
//! In: ids, and the smallest that is not too old anyway. Out: whether an id is one of them.
//! Must not know: why a message was refused.
//! Spec: "Service Messages about Messages", notice of ignored error message.

use alloc::collections::BTreeSet;

use crate::ids::MsgId;

/// Ids that are remembered: as many as a client of ours has requests.
pub(super) const MAX: usize = 16_384;

/// The ids, for as long as they are not too old to be taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disowned {
    ids: BTreeSet<i64>,
    /// Those that are new since the journal was last taken.
    journal: Option<BTreeSet<i64>>,
}

impl Disowned {
    /// Remembers an id; those before `horizon` are refused for their age. When there are too many,
    /// the oldest are forgotten.
    pub(crate) fn insert(&mut self, id: MsgId, horizon: i64) {
        if self.ids.insert(id.0)
            && let Some(journal) = &mut self.journal
        {
            journal.insert(id.0);
            if journal.len() > MAX {
                journal.pop_first();
            }
        }
        if self.ids.len() > MAX {
            self.ids = self.ids.split_off(&horizon);
        }
        if self.ids.len() > MAX {
            self.ids.pop_first();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Forgets the older half; the greatest of them, up to which nothing must be taken any more.
    pub(crate) fn forget_half(&mut self) -> Option<i64> {
        let middle = self.ids.iter().nth(self.ids.len() / 2).copied()?;
        self.ids = self.ids.split_off(&middle.saturating_add(1));
        Some(middle)
    }

    pub(crate) fn contains(&self, id: MsgId) -> bool {
        self.ids.contains(&id.0)
    }

    /// The greatest that is not above this one.
    pub(crate) fn newest_up_to(&self, limit: i64) -> Option<i64> {
        self.ids.range(..=limit).next_back().copied()
    }

    pub(crate) fn ids(&self) -> &BTreeSet<i64> {
        &self.ids
    }

    /// Goes on with what another process remembered; the greatest if it is too much.
    pub(crate) fn restore(&mut self, ids: BTreeSet<i64>) {
        let over = ids.len().saturating_sub(MAX);
        self.ids = ids.into_iter().skip(over).collect();
    }

    /// Notes ids from here on:.
    pub(crate) fn begin_journal(&mut self) {
        self.journal = Some(BTreeSet::new());
    }

    /// The ids since this was last called.
    pub(crate) fn take_change(&mut self) -> BTreeSet<i64> {
        self.journal
            .as_mut()
            .map(core::mem::take)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_gives_way_first_then_the_oldest() {
        let mut disowned = Disowned::default();
        for id in 0..16_384 {
            disowned.insert(MsgId(id), 0);
        }
        disowned.insert(MsgId(20_000), 0);
        assert!(!disowned.contains(MsgId(0)) && disowned.contains(MsgId(1)));
        disowned.insert(MsgId(20_001), 10_000);
        assert!(!disowned.contains(MsgId(9_999)) && disowned.contains(MsgId(10_000)));
        assert!(disowned.contains(MsgId(20_000)));
    }

    #[test]
    fn a_full_set_forgets_nothing_before_it_has_to() {
        let mut disowned = Disowned::default();
        for id in 0..16_384 {
            disowned.insert(MsgId(id), 10_000);
        }
        assert!(disowned.contains(MsgId(0)));
        disowned.insert(MsgId(16_384), 10_000);
        assert!(!disowned.contains(MsgId(9_999)) && disowned.contains(MsgId(10_000)));
    }

    #[test]
    fn the_journal_holds_what_is_new_and_no_more_than_all() {
        let mut disowned = Disowned::default();
        disowned.insert(MsgId(4), 0);
        disowned.begin_journal();
        disowned.insert(MsgId(4), 0);
        assert!(disowned.take_change().is_empty());
        for id in 5..5 + 16_384 {
            disowned.insert(MsgId(id), 0);
        }
        let change = disowned.take_change();
        assert_eq!((change.len(), change.first()), (16_384, Some(&5)));
        for id in 20_000..20_000 + 16_385 {
            disowned.insert(MsgId(id), 0);
        }
        let change = disowned.take_change();
        assert_eq!((change.len(), change.first()), (16_384, Some(&20_001)));
    }

    #[test]
    fn what_is_restored_is_bounded_too() {
        let mut disowned = Disowned::default();
        disowned.restore((0..16_384).collect());
        assert_eq!(disowned.ids().len(), 16_384);
        disowned.restore((0..16_386).collect());
        assert_eq!(disowned.ids().first(), Some(&2));
        assert_eq!(disowned.ids().len(), 16_384);
    }
}
