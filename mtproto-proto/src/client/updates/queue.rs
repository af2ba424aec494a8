//! Updates that are ready, and how far the application is.
//!
//! Does: numbers what is handed out; bounds what is ready or untaken, in updates and in bytes.
//! In: updates in order, what the application took. Out: [`Event`]s.
//! Must not know: counters.
//! Spec: none.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::incoming::Incoming;
use super::{Event, Lost, Related, Update, UpdateId};

/// Bytes of bodies, and of what they were read into, that updates may keep alive which are ready or
/// not taken: four answers of the greatest size. What comes then waits for the application.
const MAX_READY_BYTES: usize = 64 << 20;

/// The queue to the application.
#[derive(Debug)]
pub(super) struct Queue {
    ready: VecDeque<Ready>,
    /// Ready or untaken at most.
    max: u64,
    /// The id that was given last; 0 before the first.
    last: u64,
    /// The id that was handed out last.
    polled: u64,
    taken: u64,
    /// What was handed out and is not taken: ids and weights. Its owner may keep it for whoever is slow.
    out: VecDeque<(u64, usize)>,
    bytes: usize,
}

#[derive(Debug)]
struct Ready {
    event: Event,
    /// A body is charged to its last update in a row, which leaves last.
    weight: usize,
}

impl Queue {
    pub fn new(max: usize) -> Self {
        Queue {
            ready: VecDeque::new(),
            max: u64::try_from(max.max(1)).unwrap_or(u64::MAX),
            last: 0,
            polled: 0,
            taken: 0,
            out: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Whether one more fits.
    pub fn has_room(&self) -> bool {
        self.has_room_for(1)
    }

    /// Whether so many more fit.
    pub fn has_room_for(&self, n: usize) -> bool {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        self.outstanding().saturating_add(n) <= self.max && self.bytes < MAX_READY_BYTES
    }

    /// Adds an update, or gives it back when there is no room.
    pub fn push(&mut self, update: Incoming) -> Result<(), Incoming> {
        if !self.has_room() {
            return Err(update);
        }
        let mut weight = update.weight;
        if let Some(before) = self.ready.back_mut()
            && before.event.body() == Some(Arc::as_ptr(&update.peers))
        {
            self.bytes = self.bytes.saturating_sub(before.weight);
            weight = weight.max(core::mem::take(&mut before.weight));
        }
        self.bytes = self.bytes.saturating_add(weight);
        let id = self.next_id();
        let Incoming {
            raw,
            parsed,
            peers,
            weight: _,
        } = update;
        let event = Event::Update(Update {
            id,
            raw,
            parsed,
            peers,
        });
        self.ready.push_back(Ready { event, weight });
        Ok(())
    }

    /// Adds a hole; `false` when there is no room.
    #[must_use]
    pub fn push_lost(&mut self, channel: Option<i64>) -> bool {
        if !self.has_room() {
            return false;
        }
        let id = self.next_id();
        self.ready.push_back(Ready {
            event: Event::Lost(Lost { id, channel }),
            weight: 0,
        });
        true
    }

    pub fn pop(&mut self) -> Option<Event> {
        let Ready { event, weight } = self.ready.pop_front()?;
        self.polled = match &event {
            Event::Update(update) => update.id.0,
            Event::Lost(lost) => lost.id.0,
        };
        self.out.push_back((self.polled, weight));
        Some(event)
    }

    /// All up to this one are taken; gives the last of them. What was not handed out cannot be.
    pub fn take(&mut self, id: UpdateId) -> UpdateId {
        self.taken = self.taken.max(id.0.min(self.polled));
        while let Some((id, weight)) = self.out.front().copied()
            && id <= self.taken
        {
            self.out.pop_front();
            self.bytes = self.bytes.saturating_sub(weight);
        }
        UpdateId(self.taken)
    }

    /// The last one, if it is not taken yet.
    pub fn untaken(&self) -> Option<UpdateId> {
        (self.outstanding() > 0).then_some(UpdateId(self.last))
    }

    /// Drops what is ready; what was handed out counts as taken. Ids go on.
    pub fn clear(&mut self) {
        self.ready.clear();
        self.out.clear();
        self.bytes = 0;
        self.polled = self.last;
        self.taken = self.last;
    }

    fn outstanding(&self) -> u64 {
        self.last.saturating_sub(self.taken)
    }

    fn next_id(&mut self) -> UpdateId {
        self.last = self.last.saturating_add(1);
        UpdateId(self.last)
    }
}

impl Event {
    /// Which body it is of.
    fn body(&self) -> Option<*const Related> {
        match self {
            Event::Update(update) => Some(Arc::as_ptr(&update.peers)),
            Event::Lost(_) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use alloc::vec;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_was_handed_out_and_is_not_taken_counts_towards_the_bound_of_bytes() {
        let mut queue = Queue::new(1_000);
        let body = Bytes::from(vec![1; 1 << 20]);
        let mut fitted = 0;
        while queue.push(Incoming::unread(body.clone())).is_ok() {
            fitted += 1;
            assert!(queue.pop().is_some());
            assert!(fitted <= 64);
        }
        assert_eq!(fitted, 64);
        queue.take(UpdateId(1));
        queue.push(Incoming::unread(body.clone())).unwrap();
        assert!(!queue.has_room());
        queue.take(UpdateId(64));
        assert_eq!(queue.bytes, 1 << 20, "one is ready");
        assert!(queue.pop().is_some());
        queue.take(UpdateId(65));
        assert_eq!((queue.bytes, queue.out.len()), (0, 0));
    }
}
