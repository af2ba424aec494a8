//! All channels, and whose turn it is.
//!
//! Does: finds a channel's box; keeps lists of those that are due, ready, full or behind, so that
//! nobody walks through all of them; bounds how many there are.
//! In: updates by channel, the time, answers. Out: the next channel to ask for.
//! Must not know: what a box does with an update.
//! Spec: "Working with updates".

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use bytes::Bytes;

use super::channel::{Channel, Then};
use super::fetch::Fetch;
use super::incoming::Incoming;
use super::outbox::{Item, Which};
use super::pending::Budget;
use super::{Cx, NeedId};
use crate::client::Peers;
use crate::time::Time;

/// Channels whose pts is kept. A user is in 1,000 at most; a bot may be in more. Beyond it the one
/// that was silent for longest is forgotten, which is told as a hole.
pub(super) const MAX_CHANNELS: usize = 10_000;

/// Channels that are on the screen: what the documentation allows to be polled.
const MAX_OPEN: usize = 10;

/// How many of the most silent channels are looked at to find one without work at hand.
const MAX_LOOKS: usize = 16;

/// All channels.
#[derive(Debug, Default)]
pub(super) struct Channels {
    slots: BTreeMap<i64, Slot>,
    /// By when something happened last.
    order: BTreeSet<(u64, i64)>,
    /// By when they want to be woken.
    agenda: BTreeSet<(Time, i64)>,
    /// Those that want to ask, in the order in which they came.
    ready: BTreeSet<(u64, i64)>,
    asked: BTreeMap<NeedId, i64>,
    staged: BTreeSet<i64>,
    blocked: BTreeSet<i64>,
    newly_blocked: bool,
    open: BTreeSet<i64>,
    /// By the date at which they were last complete.
    behind: BTreeSet<(i32, i64)>,
    ticks: u64,
}

/// A channel, and where it stands in the lists.
#[derive(Debug)]
struct Slot {
    channel: Channel,
    touched: u64,
    due: Option<Time>,
    ticket: Option<u64>,
    asked: Option<NeedId>,
    behind: Option<i32>,
}

/// A channel's update that finds no place to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

impl Channels {
    pub fn new(stored: impl Iterator<Item = (i64, i32)>) -> Self {
        let mut channels = Channels::default();
        for (id, pts) in stored {
            channels.insert(Channel::at(id, pts));
        }
        channels
    }

    /// Takes an update of a channel in; `date` is the server's.
    pub fn offer(
        &mut self,
        cx: &mut Cx<'_>,
        date: i32,
        (id, pts, count): (i64, i32, i32),
        update: Option<Incoming>,
    ) -> Result<(), Refused> {
        if pts <= 0 || count < 0 || count > pts {
            self.edit(id, date, Channel::want);
            return Ok(());
        }
        if !self.slots.contains_key(&id) {
            self.make_room(cx)?;
            // The first update of a channel is where it begins.
            let begin = pts.saturating_sub(count);
            cx.out.mark_begin(id, begin);
            self.insert(Channel::at(id, begin));
        }
        self.touch(id);
        self.edit(id, date, |channel| channel.offer(cx, pts, count, update));
        Ok(())
    }

    /// A channel has more than is told.
    pub fn too_long(
        &mut self,
        cx: &mut Cx<'_>,
        date: i32,
        id: i64,
        pts: Option<i32>,
    ) -> Result<(), Refused> {
        if !self.slots.contains_key(&id) {
            self.make_room(cx)?;
            // Of what was before nothing is known, and something there was.
            cx.out.push(Item::Lost(Some(id))).map_err(|_| Refused)?;
            let Some(pts) = pts.filter(|pts| *pts > 0) else {
                self.insert(Channel::unknown(id));
                self.edit(id, date, Channel::want);
                return Ok(());
            };
            cx.out.mark(Which::Channel(id), Some(pts));
            self.insert(Channel::at(id, pts));
            return Ok(());
        }
        self.edit(id, date, |channel| channel.too_long(pts));
        Ok(())
    }

    /// A channel came onto the screen, or left it.
    pub fn set_open(&mut self, cx: &mut Cx<'_>, date: i32, id: i64, open: bool) {
        if open {
            if self.open.contains(&id) || self.open.len() >= MAX_OPEN {
                return;
            }
            if !self.slots.contains_key(&id) {
                if self.make_room(cx).is_err() {
                    return;
                }
                self.insert(Channel::unknown(id));
            }
            self.open.insert(id);
        } else if !self.open.remove(&id) {
            return;
        }
        self.edit(id, date, |channel| channel.set_open(open));
    }

    /// The next call, if one is due; `at_once` may be out.
    pub fn ask(
        &mut self,
        date: i32,
        id: NeedId,
        (at_once, bot): (usize, bool),
        peers: &Peers,
    ) -> Option<Bytes> {
        while self.asked.len() < at_once.max(1) {
            let (_, channel_id) = *self.ready.first()?;
            let input = peers.input_channel(channel_id);
            let body = self.edit(channel_id, date, |channel| channel.ask(id, input, bot))?;
            if body.is_some() {
                return body;
            }
        }
        None
    }

    /// Whose call this is.
    pub fn asked(&self, id: NeedId) -> Option<i64> {
        self.asked.get(&id).copied()
    }

    /// Changes a channel and finds its places in the lists anew.
    pub fn edit<R>(&mut self, id: i64, date: i32, f: impl FnOnce(&mut Channel) -> R) -> Option<R> {
        let slot = self.slots.get_mut(&id)?;
        let result = f(&mut slot.channel);
        self.place(id, date);
        Some(result)
    }

    /// Hands on what was fetched, as there is room. `true` if a channel went on.
    pub fn pump(&mut self, cx: &mut Cx<'_>, date: i32) -> bool {
        let mut went_on = false;
        let staged: Vec<i64> = self.staged.iter().copied().collect();
        for id in staged {
            let then = self.edit(id, date, |channel| {
                channel.flush(cx.out).then(|| channel.finish(cx))
            });
            match then.flatten() {
                Some(Then::Forget) => self.remove(id),
                Some(Then::Keep) => {}
                // It is full.
                None => break,
            }
            went_on = true;
        }
        went_on
    }

    /// The common difference is done.
    pub fn unblock(&mut self, date: i32) {
        for id in core::mem::take(&mut self.blocked) {
            self.edit(id, date, Channel::unblock);
        }
    }

    /// Whether one waits for the common difference since the last call.
    pub fn take_blocked(&mut self) -> bool {
        core::mem::take(&mut self.newly_blocked)
    }

    pub fn handle_timeout(&mut self, now: Time, date: i32) {
        while let Some((at, id)) = self.agenda.first().copied()
            && at <= now
        {
            self.edit(id, date, |channel| channel.handle_timeout(now));
        }
    }

    pub fn timeout(&self) -> Option<Time> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// The earliest date at which a channel that is not complete was.
    pub fn floor(&self) -> Option<i32> {
        self.behind.first().map(|(date, _)| *date)
    }

    /// Forgets all that waits.
    pub fn clear(&mut self, budget: &mut Budget) {
        for slot in self.slots.values_mut() {
            slot.channel.counter.pending.clear(budget);
        }
        *self = Channels::default();
    }

    fn insert(&mut self, channel: Channel) {
        let id = channel.id;
        let slot = Slot {
            channel,
            touched: 0,
            due: None,
            ticket: None,
            asked: None,
            behind: None,
        };
        self.slots.insert(id, slot);
        self.touch(id);
    }

    fn touch(&mut self, id: i64) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        self.order.remove(&(slot.touched, id));
        self.ticks = self.ticks.saturating_add(1);
        slot.touched = self.ticks;
        self.order.insert((slot.touched, id));
    }

    /// Makes sure that one more channel may be kept.
    fn make_room(&mut self, cx: &mut Cx<'_>) -> Result<(), Refused> {
        if self.slots.len() < MAX_CHANNELS {
            return Ok(());
        }
        let silent = self
            .order
            .iter()
            .take(MAX_LOOKS)
            .map(|(_, id)| *id)
            .find(|id| {
                self.slots
                    .get(id)
                    .is_some_and(|s| !s.channel.is_behind() && !s.channel.open)
            });
        let id = silent.ok_or(Refused)?;
        cx.out.push(Item::Lost(Some(id))).map_err(|_| Refused)?;
        cx.out.mark(Which::Channel(id), None);
        self.remove(id);
        Ok(())
    }

    fn remove(&mut self, id: i64) {
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        self.order.remove(&(slot.touched, id));
        if let Some(due) = slot.due {
            self.agenda.remove(&(due, id));
        }
        if let Some(ticket) = slot.ticket {
            self.ready.remove(&(ticket, id));
        }
        if let Some(need) = slot.asked {
            self.asked.remove(&need);
        }
        if let Some(date) = slot.behind {
            self.behind.remove(&(date, id));
        }
        self.staged.remove(&id);
        self.blocked.remove(&id);
        self.open.remove(&id);
    }

    fn place(&mut self, id: i64, date: i32) {
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        let fetch = slot.channel.fetch;
        let due = slot.channel.timeout();
        if slot.due != due {
            if let Some(due) = slot.due {
                self.agenda.remove(&(due, id));
            }
            self.agenda.extend(due.map(|due| (due, id)));
            slot.due = due;
        }
        if slot.ticket.is_some() != (fetch == Fetch::Ready) {
            slot.ticket = match slot.ticket {
                Some(ticket) => {
                    self.ready.remove(&(ticket, id));
                    None
                }
                None => {
                    self.ticks = self.ticks.saturating_add(1);
                    self.ready.insert((self.ticks, id));
                    Some(self.ticks)
                }
            };
        }
        let asked = match fetch {
            Fetch::Asked(need) => Some(need),
            Fetch::Idle | Fetch::Waiting(_) | Fetch::Ready | Fetch::Blocked | Fetch::Staged => None,
        };
        if slot.asked != asked {
            if let Some(need) = slot.asked {
                self.asked.remove(&need);
            }
            self.asked.extend(asked.map(|need| (need, id)));
            slot.asked = asked;
        }
        if slot.behind.is_some() != slot.channel.is_behind() {
            slot.behind = match slot.behind {
                Some(date) => {
                    self.behind.remove(&(date, id));
                    None
                }
                None => {
                    self.behind.insert((date, id));
                    Some(date)
                }
            };
        }
        member(&mut self.staged, id, fetch == Fetch::Staged);
        self.newly_blocked |= fetch == Fetch::Blocked && !self.blocked.contains(&id);
        member(&mut self.blocked, id, fetch == Fetch::Blocked);
    }
}

fn member(set: &mut BTreeSet<i64>, id: i64, is: bool) {
    if is {
        set.insert(id);
    } else {
        set.remove(&id);
    }
}
