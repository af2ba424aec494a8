//! Updates between the machine and the subscribers.
//!
//! Does: [`Log`]: keeps each update until the slowest subscriber has taken it. It needs no bound of
//! its own: the machine gives no more than `Config::updates.queue` that are not taken.
//! In: updates in order; what subscribers take. Out: the same to each, and what all have taken.
//! Must not know: what an update is.
//! Spec: none.

use std::collections::{BTreeMap, VecDeque};

use mtproto_proto::client::updates::UpdateId;

/// Updates that somebody has not taken.
pub(crate) struct Log<T> {
    entries: VecDeque<(UpdateId, T)>,
    /// The place of the first entry, counted from the client's start.
    first: u64,
    readers: BTreeMap<u64, Reader>,
    next_reader: u64,
    /// All up to this one are taken, and the machine does not know.
    taken: Option<UpdateId>,
    /// The task was told to look here.
    told: bool,
    ended: bool,
}

#[derive(Clone, Copy)]
struct Reader {
    /// What it gets next.
    next: u64,
    /// What it has not handled yet.
    handled: u64,
}

impl<T: Clone> Log<T> {
    pub(crate) fn new() -> Self {
        Log {
            entries: VecDeque::new(),
            first: 0,
            readers: BTreeMap::new(),
            next_reader: 0,
            taken: None,
            told: false,
            ended: false,
        }
    }

    /// One more update.
    pub(crate) fn push(&mut self, id: UpdateId, item: T) {
        self.entries.push_back((id, item));
    }

    /// A subscriber begins: with what comes from now on, or, when there is no other, with what
    /// nobody has taken.
    pub(crate) fn join(&mut self) -> u64 {
        let next = match self.readers.is_empty() {
            true => self.first,
            false => self.end(),
        };
        self.next_reader = self.next_reader.wrapping_add(1);
        let handled = next;
        self.readers
            .insert(self.next_reader, Reader { next, handled });
        self.next_reader
    }

    /// A subscriber goes; what it has not handled is nobody's business but that of the others.
    pub(crate) fn leave(&mut self, reader: u64) {
        self.readers.remove(&reader);
        self.settle();
    }

    /// A subscriber has handled everything that it got.
    pub(crate) fn handled(&mut self, reader: u64) {
        if let Some(reader) = self.readers.get_mut(&reader)
            && reader.handled < reader.next
        {
            reader.handled = reader.next;
            self.settle();
        }
    }

    /// The next item of a subscriber; `Some(None)` at the end.
    pub(crate) fn next(&mut self, reader: u64) -> Option<Option<T>> {
        let found = self.readers.get_mut(&reader).and_then(|reader| {
            let at = usize::try_from(reader.next.checked_sub(self.first)?).ok()?;
            let (_, item) = self.entries.get(at)?;
            reader.next = reader.next.saturating_add(1);
            Some(item.clone())
        });
        (found.is_some() || self.ended).then_some(found)
    }

    /// Whether the task is to be told to look here; it is told once until it looks.
    pub(crate) fn tell(&mut self, changed: bool) -> bool {
        let news = changed || self.taken.is_some();
        news && !std::mem::replace(&mut self.told, true)
    }

    /// The task looks: whether anybody wants updates, and up to where all are taken.
    pub(crate) fn look(&mut self) -> (bool, Option<UpdateId>) {
        self.told = false;
        (!self.readers.is_empty(), self.taken.take())
    }

    /// No more will come.
    pub(crate) fn finish(&mut self) {
        self.ended = true;
    }

    fn end(&self) -> u64 {
        let len = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(len)
    }

    /// Forgets what all have handled.
    fn settle(&mut self) {
        let Some(handled) = self.readers.values().map(|reader| reader.handled).min() else {
            return;
        };
        while self.first < handled
            && let Some((id, _)) = self.entries.pop_front()
        {
            self.first = self.first.saturating_add(1);
            self.taken = Some(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log with items 0 to `n`.
    fn log(n: u64) -> Log<u64> {
        let mut log = Log::new();
        for id in 0..n {
            push(&mut log, id);
        }
        log
    }

    fn push(log: &mut Log<u64>, id: u64) {
        log.push(UpdateId(id), id);
    }

    /// What a subscriber gets next, which is not the end.
    fn next(log: &mut Log<u64>, reader: u64) -> Option<u64> {
        log.next(reader).map(|item| item.expect("it has not ended"))
    }

    #[test]
    fn the_slowest_subscriber_decides_what_is_taken() {
        let mut log = Log::<u64>::new();
        let (fast, slow) = (log.join(), log.join());
        (0..3).for_each(|id| push(&mut log, id));

        for id in 0..3 {
            log.handled(fast);
            assert_eq!(next(&mut log, fast), Some(id));
        }
        log.handled(fast);
        assert_eq!(next(&mut log, fast), None);
        assert_eq!(log.look(), (true, None));

        assert_eq!(next(&mut log, slow), Some(0));
        assert_eq!(next(&mut log, slow), Some(1));
        assert_eq!(log.look(), (true, None), "given is not handled");
        log.handled(slow);
        assert_eq!(log.look(), (true, Some(UpdateId(1))));
        log.leave(slow);
        assert_eq!(log.look(), (true, Some(UpdateId(2))));
        assert_eq!(log.entries.len(), 0);
    }

    #[test]
    fn the_first_subscriber_gets_what_nobody_has_taken_and_a_second_what_comes() {
        let mut log = log(2);
        let first = log.join();
        let second = log.join();
        push(&mut log, 2);
        assert_eq!(next(&mut log, first), Some(0));
        assert_eq!(next(&mut log, second), Some(2));

        log.leave(second);
        log.leave(first);
        let heir = log.join();
        assert_eq!(next(&mut log, heir), Some(0), "nobody has handled it");
    }

    #[test]
    fn without_a_subscriber_nothing_counts_as_taken() {
        let mut log = log(3);
        assert_eq!(log.look(), (false, None));
        let late = log.join();
        assert_eq!(log.look(), (true, None));
        assert_eq!(next(&mut log, late), Some(0));
    }

    #[test]
    fn the_task_is_told_once_until_it_looks() {
        let mut log = Log::<u64>::new();
        let reader = log.join();
        assert!(log.tell(true));
        assert!(!log.tell(true));
        assert_eq!(log.look(), (true, None));
        assert!(!log.tell(false));
        push(&mut log, 0);
        assert_eq!(next(&mut log, reader), Some(0));
        log.handled(reader);
        assert!(log.tell(false));
        assert!(!log.tell(false));
    }

    #[test]
    fn the_end_comes_after_what_is_left() {
        let mut log = Log::<u64>::new();
        let reader = log.join();
        push(&mut log, 0);
        log.finish();
        assert_eq!(next(&mut log, reader), Some(0));
        assert_eq!(log.next(reader), Some(None));
    }
}
