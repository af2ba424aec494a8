//! Events that the owner has not taken.
//!
//! Does: queues them; knows what they weigh, so that a peer cannot fill memory while nobody takes
//! them; lets no event keep much more of a packet than its own body.
//! In: events, bodies as parts of packets. Out: events; whether there is room.
//! Must not know: what an event means.
//! Spec: none.

use alloc::collections::VecDeque;

use bytes::Bytes;

use crate::error::count;
use crate::ids::RequestId;
use crate::session::{Event, Session, Side};
use crate::time::Time;

/// What an event takes besides its body: its place in a queue that has doubled, and the counter of
/// the body's owners.
const EVENT: usize = 256;
/// Events that wait at most and are neither answers nor updates nor the end of a request: each says
/// what a later one may say again.
pub(crate) const MAX_NOTES: usize = 1_024;
/// A body from this length on may stay a part of its packet, if it is most of it. A shorter one
/// would keep a chunk of the stream that is many times longer.
const SHARED_FROM: usize = 16 << 10;

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Bytes of updates.
    updates: usize,
    /// Bytes of answers.
    answers: usize,
    /// Number of notes.
    notes: usize,
}

impl Load {
    pub(crate) fn update(body: &Bytes) -> Self {
        Load {
            updates: body.len().saturating_add(EVENT),
            ..Load::default()
        }
    }

    pub(crate) fn answer(body: &Bytes) -> Self {
        Load {
            answers: body.len().saturating_add(EVENT),
            ..Load::default()
        }
    }

    pub(crate) fn note() -> Self {
        Load {
            notes: 1,
            ..Load::default()
        }
    }

    fn plus(self, other: Load) -> Self {
        Load {
            updates: self.updates.saturating_add(other.updates),
            answers: self.answers.saturating_add(other.answers),
            notes: self.notes.saturating_add(other.notes),
        }
    }

    fn minus(self, other: Load) -> Self {
        Load {
            updates: self.updates.saturating_sub(other.updates),
            answers: self.answers.saturating_sub(other.answers),
            notes: self.notes.saturating_sub(other.notes),
        }
    }
}

/// What has a weight.
pub(crate) trait Weigh {
    /// Nothing for what is bounded by what the owner did: the ends of its requests.
    fn weight(&self) -> Load;
}

impl Weigh for Event {
    fn weight(&self) -> Load {
        match self {
            Event::Update { body } => Load::update(body),
            Event::Response { body, .. } => Load::answer(body),
            Event::SessionRenewed { .. }
            | Event::ClockCorrected { .. }
            | Event::KeyStateChanged
            | Event::Dropped { .. }
            | Event::DisconnectAfter { .. }
            | Event::DestroySession { .. }
            | Event::DestroyAuthKey { .. } => Load::note(),
            // Each request ends once, is acknowledged once each time that it leaves, and each call
            // runs until it is answered; updates are missed once a minute.
            Event::Failed { .. }
            | Event::Acked { .. }
            | Event::Request { .. }
            | Event::UpdatesMissed => Load::default(),
        }
    }
}

/// Events in their order.
#[derive(Debug)]
pub(crate) struct Backlog<E> {
    events: VecDeque<E>,
    load: Load,
}

impl<E> Default for Backlog<E> {
    fn default() -> Self {
        Backlog {
            events: VecDeque::new(),
            load: Load::default(),
        }
    }
}

impl<E: Weigh> Backlog<E> {
    pub(crate) fn push(&mut self, event: E) {
        self.load = self.load.plus(event.weight());
        self.events.push_back(event);
    }

    pub(crate) fn pop(&mut self) -> Option<E> {
        let event = self.events.pop_front()?;
        self.load = self.load.minus(event.weight());
        if self.events.is_empty() && self.events.capacity() > MAX_NOTES {
            // A burst is over.
            self.events = VecDeque::new();
        }
        Some(event)
    }

    pub(crate) fn load(&self) -> Load {
        self.load
    }
}

/// The body of an event, which is a part of `whole` bytes: on its own, unless it is most of them.
pub(super) fn keep(body: Bytes, whole: usize) -> Bytes {
    if body.len() >= SHARED_FROM && body.len() >= whole / 2 {
        body
    } else {
        Bytes::copy_from_slice(&body)
    }
}

impl Session {
    /// What the owner holds of this session's events, or will hand on: it counts as waiting here.
    pub(crate) fn set_elsewhere(&mut self, load: Load) {
        self.elsewhere = load;
    }

    fn load(&self) -> Load {
        self.events.load().plus(self.elsewhere)
    }

    /// Tells of an update, if there is room.
    pub(super) fn tell_update(&mut self, now: Time, body: Bytes) {
        let load = self.load().plus(Load::update(&body));
        if load.updates > self.config.limits.update_bytes {
            count(&mut self.stats.overflow);
            return self.updates_missed(now);
        }
        self.events.push(Event::Update { body });
    }

    /// Whether there is room for this answer; if not, it is counted.
    pub(super) fn has_room_for_answer(&mut self, body: &Bytes) -> bool {
        let load = self.load().plus(Load::answer(body));
        let room = load.answers <= self.config.limits.answer_bytes;
        if !room {
            count(&mut self.stats.overflow);
        }
        room
    }

    /// Tells of something else, if there is room; whether there was.
    pub(super) fn tell_note(&mut self, event: Event) -> bool {
        let room = self.load().notes < MAX_NOTES;
        if room {
            self.events.push(event);
        } else {
            count(&mut self.stats.overflow);
        }
        room
    }

    /// Tells that what is stored with the key has changed: now, or when there is room again.
    pub(super) fn tell_key_state(&mut self) {
        self.untold_key_state = !self.tell_note(Event::KeyStateChanged);
    }

    /// Whether the owner has yet to hear that what is stored with the key has changed.
    pub(crate) fn take_untold_key_state(&mut self) -> bool {
        core::mem::take(&mut self.untold_key_state)
    }

    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.next_event()?;
        if let Event::Failed { id, .. } = &event {
            self.told(*id);
        }
        Some(event)
    }

    /// The application has heard that this request failed.
    pub(crate) fn told(&mut self, id: RequestId) {
        if let Side::Client(client) = &mut self.side {
            client.pending.told(id);
        }
    }

    /// Takes the oldest event for an owner that hands it on: see [`Session::told`].
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop() {
            return Some(event);
        }
        let told = self.load().notes < MAX_NOTES && self.take_untold_key_state();
        told.then_some(Event::KeyStateChanged)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::ids::RequestId;

    #[test]
    fn what_was_taken_weighs_nothing() {
        let mut backlog = Backlog::default();
        let body = Bytes::from(vec![0; 1_000]);
        for id in 0..5_000 {
            let body = body.clone();
            backlog.push(Event::Update { body: body.clone() });
            let id = RequestId(id);
            backlog.push(Event::Response { id, body });
            backlog.push(Event::KeyStateChanged);
        }
        let load = backlog.load();
        assert_eq!(load.updates, 5_000 * (1_000 + EVENT));
        assert_eq!((load.answers, load.notes), (load.updates, 5_000));
        while backlog.pop().is_some() {}
        assert_eq!(backlog.load(), Load::default());
        assert_eq!(backlog.events.capacity(), 0);
    }

    #[test]
    fn a_small_part_does_not_keep_the_whole() {
        let whole = Bytes::from(vec![0; 100_000]);
        for (len, shared) in [(8, false), (49_996, false), (50_000, true), (99_000, true)] {
            let part = whole.slice(..len);
            let kept = keep(part.clone(), whole.len());
            assert_eq!(kept.as_ptr() == part.as_ptr(), shared, "{len}");
        }
        let small = whole.slice(..10_000);
        assert_ne!(keep(small.clone(), small.len()).as_ptr(), small.as_ptr());
    }
}
