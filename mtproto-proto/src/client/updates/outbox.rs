//! What leaves the room: updates to the application, and the state that is stored.
//!
//! Does: pairs each move of a counter with the update that it came after; stores the move when the
//! application has taken that update, never before.
//! In: updates and moves in order, what was taken. Out: [`Event`]s, [`Change`]s.
//! Must not know: gaps, differences.
//! Spec: none; an application that ends anywhere must find in the store what it has not handled.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::incoming::Incoming;
use super::queue::Queue;
use super::state::{self, State};
use super::{Event, UpdateId};
use crate::client::{Change, Key, Snapshot};

/// Moves of counters that wait for an update to be taken: those of the updates of the default
/// queue, and as many again that have none. Beyond it a move is left out: the next one of the
/// same counter stands for it, and until then the store lags, which is safe.
const MAX_MARKS: usize = 16_384;

/// A counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Which {
    Pts,
    Qts,
    Seq,
    Date,
    Channel(i64),
}

/// One thing that the application gets.
#[derive(Debug)]
pub(super) enum Item {
    Update(Incoming),
    /// A hole, in a channel or in everything else.
    Lost(Option<i64>),
}

/// The way out.
#[derive(Debug)]
pub(super) struct Outbox {
    queue: Queue,
    /// By the update that they wait for; `None` forgets a channel.
    marks: BTreeMap<(UpdateId, Which), Option<i32>>,
    state: Option<State>,
    state_changed: bool,
    channels: BTreeMap<i64, i32>,
    channels_changed: BTreeSet<i64>,
    /// The date is not stored beyond this: a channel has been behind since then, and the common
    /// difference tells of channels that moved after the date that it is asked with.
    floor: Option<i32>,
}

impl Outbox {
    /// With what was stored, of at most `max_channels` channels.
    pub fn new(queue: usize, stored: &Snapshot, max_channels: usize) -> Self {
        let channels = stored
            .iter()
            .filter_map(|(key, value)| match key {
                Key::Channel(id) => Some((id, state::channel_from_bytes(value)?)),
                Key::Account | Key::Dc(_) | Key::DcOptions | Key::Updates | Key::Peer(_) => None,
            })
            .take(max_channels)
            .collect();
        Outbox {
            queue: Queue::new(queue),
            marks: BTreeMap::new(),
            state: stored
                .get(Key::Updates)
                .and_then(|bytes| State::from_bytes(bytes)),
            state_changed: false,
            channels,
            channels_changed: BTreeSet::new(),
            floor: None,
        }
    }

    /// The stored state.
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// The stored pts of channels.
    pub fn channels(&self) -> impl Iterator<Item = (i64, i32)> {
        self.channels.iter().map(|(id, pts)| (*id, *pts))
    }

    pub fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    pub fn has_room_for(&self, n: usize) -> bool {
        self.queue.has_room_for(n)
    }

    /// Hands an update on, or gives it back when there is no room.
    pub fn push(&mut self, item: Item) -> Result<(), Item> {
        match item {
            Item::Update(update) => self.queue.push(update).map_err(Item::Update),
            Item::Lost(channel) if self.queue.push_lost(channel) => Ok(()),
            Item::Lost(channel) => Err(Item::Lost(channel)),
        }
    }

    /// A counter has moved, past all that was pushed so far.
    pub fn mark(&mut self, which: Which, value: Option<i32>) {
        match self.queue.untaken() {
            None => self.store(which, value),
            Some(id) => {
                if self.marks.len() < MAX_MARKS || self.marks.contains_key(&(id, which)) {
                    self.marks.insert((id, which), value);
                }
            }
        }
    }

    /// A channel is seen for the first time: where it begins is stored at once, so that what
    /// comes is not lost with this process.
    pub fn mark_begin(&mut self, id: i64, pts: i32) {
        let which = Which::Channel(id);
        if self.marks.keys().any(|(_, other)| *other == which) {
            self.mark(which, Some(pts));
        } else {
            self.store(which, Some(pts));
        }
    }

    pub fn poll(&mut self) -> Option<Event> {
        self.queue.pop()
    }

    pub fn taken(&mut self, id: UpdateId) {
        let taken = self.queue.take(id);
        while let Some(entry) = self.marks.first_entry()
            && entry.key().0 <= taken
        {
            let ((_, which), value) = entry.remove_entry();
            self.store(which, value);
        }
    }

    /// See the field.
    pub fn set_floor(&mut self, floor: Option<i32>) {
        if self.floor != floor {
            let before = self.stored_state();
            self.floor = floor;
            self.state_changed |= self.stored_state() != before;
        }
    }

    /// Forgets everything, also in the store.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.marks.clear();
        self.floor = None;
        self.state_changed |= self.state.take().is_some();
        self.channels_changed
            .extend(core::mem::take(&mut self.channels).into_keys());
    }

    pub fn poll_change(&mut self) -> Option<Change> {
        if core::mem::take(&mut self.state_changed) {
            return Some(self.state_change());
        }
        let id = self.channels_changed.pop_first()?;
        Some(self.channel_change(id))
    }

    pub fn changes(&self) -> Vec<Change> {
        let state = self.state.map(|_| self.state_change());
        state
            .into_iter()
            .chain(self.channels.keys().map(|id| self.channel_change(*id)))
            .collect()
    }

    fn store(&mut self, which: Which, value: Option<i32>) {
        let before = self.stored_state();
        match (which, value) {
            (Which::Channel(id), None) => {
                if self.channels.remove(&id).is_some() {
                    self.channels_changed.insert(id);
                }
            }
            (Which::Channel(id), Some(pts)) => {
                if self.channels.insert(id, pts) != Some(pts) {
                    self.channels_changed.insert(id);
                }
            }
            (Which::Pts | Which::Qts | Which::Seq | Which::Date, None) => {}
            (Which::Pts, Some(pts)) => self.state.get_or_insert_default().pts = pts,
            (Which::Qts, Some(qts)) => self.state.get_or_insert_default().qts = qts,
            (Which::Seq, Some(seq)) => self.state.get_or_insert_default().seq = seq,
            (Which::Date, Some(date)) => self.state.get_or_insert_default().date = date,
        }
        self.state_changed |= self.stored_state() != before;
    }

    fn stored_state(&self) -> Option<State> {
        let mut state = self.state?;
        state.date = state.date.min(self.floor.unwrap_or(i32::MAX));
        Some(state)
    }

    fn state_change(&self) -> Change {
        Change {
            key: Key::Updates,
            value: self.stored_state().map(State::to_bytes),
        }
    }

    fn channel_change(&self, id: i64) -> Change {
        Change {
            key: Key::Channel(id),
            value: self
                .channels
                .get(&id)
                .map(|pts| state::channel_to_bytes(*pts)),
        }
    }
}
