//! One channel's box.
//!
//! Does: what `common.rs` does, for one channel.
//! In: its updates, answers. Out: updates in order; the body of its call.
//! Must not know: other channels.
//! Spec: "Working with updates", "Recovering gaps"; "updates.getChannelDifference".

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::Encode;
use mtproto_schema::api::{enums, functions::updates::GetChannelDifference};

use super::common::MAX_FRUITLESS;
use super::counter::{Counter, Drained, Offered};
use super::fetch::{self, Fetch, Haste};
use super::incoming::{Incoming, Place};
use super::outbox::{Item, Outbox, Which};
use super::parse::ChannelAnswer;
use super::pending::Waiting;
use super::{Cx, NeedId};
use crate::error::RequestError;
use crate::time::Time;

/// Updates that a user asks for at once; the documentation wants 10 to 100.
const LIMIT: i32 = 100;

/// Updates that a bot asks for at once.
const BOT_LIMIT: i32 = 100_000;

/// An open channel is asked again after this, unless its answer says when.
const POLL: Duration = Duration::from_secs(1);

/// After so many times PERSISTENT_TIMESTAMP_INVALID the server will not know the counter again.
const MAX_INVALID: u32 = 3;

/// A channel and its counter.
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub id: i64,
    pub counter: Counter,
    /// The counter is the server's, not zero.
    known: bool,
    pub fetch: Fetch,
    /// Something happened that the answer on its way may not know.
    again: bool,
    gap: Option<Time>,
    /// It is on the screen.
    pub open: bool,
    /// When it is asked for what is new.
    poll: Option<Time>,
    /// The server said that it is at least there.
    target: Option<i32>,
    failures: u32,
    fruitless: u32,
    haste: Haste,
    invalid: u32,
    /// When it was asked for, something was known to be missing.
    asked_behind: bool,
    /// The common difference was asked for its access hash, and did not bring it.
    nowhere: bool,
    stage: VecDeque<Item>,
    end: End,
}

/// What is left to do when all of a difference is handed on.
#[derive(Debug, Default)]
struct End {
    pts: Option<i32>,
    /// The counter may go back.
    force: bool,
    more: bool,
    timeout: Option<Duration>,
    /// The channel is none of this account's any more.
    forget: bool,
}

/// What is to do with a channel after a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    Forget,
}

impl Channel {
    /// A channel whose counter is known.
    pub fn at(id: i64, pts: i32) -> Self {
        let mut channel = Channel {
            id,
            known: true,
            ..Channel::default()
        };
        channel.counter.value = pts;
        channel
    }

    /// A channel of which only the id is known.
    pub fn unknown(id: i64) -> Self {
        Channel {
            id,
            ..Channel::default()
        }
    }

    /// Whether it has all that is known to exist.
    pub fn is_behind(&self) -> bool {
        self.fetch.is_frozen() || !self.counter.pending.is_empty()
    }

    pub fn want(&mut self) {
        self.again |= self.fetch.want();
        self.gap = None;
        self.poll = None;
    }

    pub fn offer(&mut self, cx: &mut Cx<'_>, pts: i32, count: i32, update: Option<Incoming>) {
        if !self.known && self.fetch == Fetch::Idle {
            self.known = true;
            self.counter.value = pts.saturating_sub(count);
        }
        let waiting = Waiting { pts, count, update };
        let frozen = self.fetch.is_frozen();
        match self
            .counter
            .offer(self.which(), waiting, frozen, cx.budget, cx.out)
        {
            Offered::Gap => self.arm(cx),
            Offered::Fetch => self.want(),
            Offered::Restarted(update) => {
                let items = [self.lost()].into_iter().chain(update.map(Item::Update));
                let end = End {
                    pts: Some(pts),
                    force: true,
                    more: true,
                    ..End::default()
                };
                self.stage(items, end);
            }
            Offered::Fine => {
                if self.counter.pending.is_empty() {
                    self.gap = None;
                }
            }
        }
    }

    /// The server says that there is more.
    pub fn too_long(&mut self, pts: Option<i32>) {
        let ahead = match pts {
            Some(pts) => pts > self.counter.value || self.counter.fell(pts),
            None => true,
        };
        if ahead || !self.known {
            self.target = self.target.max(pts.filter(|pts| *pts > self.counter.value));
            self.want();
        }
    }

    /// The body to ask with, now that it is time; `None` if there is no access hash, and then it
    /// waits for the common difference, or is told as a hole.
    pub fn ask(
        &mut self,
        id: NeedId,
        channel: Option<enums::InputChannel>,
        bot: bool,
    ) -> Option<Bytes> {
        let Some(channel) = channel else {
            if core::mem::replace(&mut self.nowhere, true) {
                self.give_up();
            } else {
                self.fetch = Fetch::Blocked;
            }
            return None;
        };
        self.nowhere = false;
        self.fetch = Fetch::Asked(id);
        self.asked_behind = !self.counter.pending.is_empty() || self.target.is_some();
        let limit = match (self.known, bot) {
            // From an unknown place only what the place is.
            (false, _) => 1,
            (true, false) => LIMIT,
            (true, true) => BOT_LIMIT,
        };
        let filter = enums::ChannelMessagesFilter::Empty;
        let pts = self.counter.value.max(1);
        Some(
            GetChannelDifference {
                force: false,
                channel,
                filter,
                pts,
                limit,
            }
            .to_bytes(),
        )
    }

    /// The difference is here. Gives the updates that belong elsewhere.
    pub fn handle_answer(&mut self, answer: ChannelAnswer) -> Vec<Incoming> {
        let ChannelAnswer {
            updates,
            pts,
            last,
            timeout,
            too_long,
            peers: _,
        } = answer;
        let mut items = Vec::with_capacity(updates.len());
        let mut elsewhere = Vec::new();
        let fell = self.counter.fell(pts);
        if self.known && (too_long || fell) {
            items.push(self.lost());
        }
        for update in updates {
            match update.place() {
                Place::Channel { id, .. } if id == self.id => items.push(Item::Update(update)),
                Place::Other => items.push(Item::Update(update)),
                Place::Channel { .. }
                | Place::ChannelTooLong { .. }
                | Place::Pts { .. }
                | Place::Qts(_)
                | Place::PtsChanged => elsewhere.push(update),
            }
        }
        let pts = (pts > 0).then_some(pts);
        self.invalid = 0;
        self.stage(
            items,
            End {
                pts,
                force: false,
                more: !last,
                timeout,
                forget: false,
            },
        );
        elsewhere
    }

    /// The difference is here and cannot be read, but for its head.
    pub fn handle_unreadable(&mut self, head: Option<(i32, bool)>) {
        match head.filter(|(pts, _)| *pts > self.counter.value) {
            Some((pts, last)) => {
                let end = End {
                    pts: Some(pts),
                    more: !last,
                    ..End::default()
                };
                self.stage([self.lost()], end);
            }
            None => self.give_up(),
        }
    }

    /// The call failed.
    pub fn handle_error(&mut self, now: Time, id: NeedId, error: &RequestError) {
        const GONE: [&str; 4] = [
            "CHANNEL_PRIVATE",
            "CHANNEL_INVALID",
            "CHANNEL_PUBLIC_GROUP_NA",
            "USER_BANNED_IN_CHANNEL",
        ];
        self.again = false;
        if fetch::is_rpc(error, &GONE) {
            return self.stage(
                [self.lost()],
                End {
                    forget: true,
                    ..End::default()
                },
            );
        }
        if fetch::is_rpc(error, &["PERSISTENT_TIMESTAMP_INVALID"]) {
            self.invalid = self.invalid.saturating_add(1);
            if self.invalid >= MAX_INVALID {
                self.invalid = 0;
                return self.give_up();
            }
        }
        self.failures = self.failures.saturating_add(1);
        let salt = id.0.rotate_left(32) ^ self.id.cast_unsigned();
        let pause = fetch::backoff(self.failures, salt).max(fetch::pause_of(error));
        self.fetch = Fetch::Waiting(now + pause);
    }

    /// Hands on what a difference brought. `true` when all of it is.
    #[must_use]
    pub fn flush(&mut self, out: &mut Outbox) -> bool {
        if self.fetch != Fetch::Staged {
            return false;
        }
        while let Some(item) = self.stage.pop_front() {
            if let Err(item) = out.push(item) {
                self.stage.push_front(item);
                return false;
            }
        }
        true
    }

    /// Goes on after a difference.
    pub fn finish(&mut self, cx: &mut Cx<'_>) -> Then {
        let end = core::mem::take(&mut self.end);
        if end.forget {
            self.counter.pending.clear(cx.budget);
            cx.out.mark(self.which(), None);
            return Then::Forget;
        }
        let before = (self.known, self.counter.value);
        if let Some(pts) = end.pts {
            if end.force {
                self.counter.value = pts;
            } else {
                self.counter.advance(pts);
            }
            self.known = true;
            cx.out.mark(self.which(), Some(self.counter.value));
        }
        let moved = before != (self.known, self.counter.value);
        let forward = moved && before.1 <= self.counter.value;
        self.failures = 0;
        if moved {
            self.fruitless = 0;
        } else if self.asked_behind || end.more {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        if end.more && !moved {
            self.fetch = Fetch::Waiting(cx.now + self.pause());
        } else if end.more || core::mem::take(&mut self.again) {
            self.fetch = self.haste.go_on(cx.now, forward, self.id.cast_unsigned());
        } else {
            self.fetch = Fetch::Idle;
            self.counter.drop_foreign(cx.budget);
            self.settle(cx);
            match self.fetch {
                Fetch::Idle => self.haste.rest(cx.now),
                // What waits could not be applied, for want of room or of a place.
                Fetch::Ready => {
                    self.fetch = self.haste.go_on(cx.now, forward, self.id.cast_unsigned());
                }
                Fetch::Waiting(_) | Fetch::Blocked | Fetch::Asked(_) | Fetch::Staged => {}
            }
            if self.open && self.fetch == Fetch::Idle {
                self.poll = Some(cx.now + end.timeout.unwrap_or(POLL));
            }
        }
        Then::Keep
    }

    /// The common difference is done: it may have brought the access hash.
    pub fn unblock(&mut self) {
        if self.fetch == Fetch::Blocked {
            self.fetch = Fetch::Ready;
        }
    }

    /// The answer is of no use; it is asked for again.
    pub fn ask_again(&mut self) {
        self.fetch = Fetch::Ready;
    }

    pub fn set_open(&mut self, open: bool) {
        self.open = open;
        self.poll = None;
        if open {
            self.want();
        }
    }

    pub fn handle_timeout(&mut self, now: Time) {
        self.fetch.wake(now);
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if due(self.gap) || due(self.poll) {
            self.want();
        }
    }

    pub fn timeout(&self) -> Option<Time> {
        [self.fetch.timeout(), self.gap, self.poll]
            .into_iter()
            .flatten()
            .min()
    }

    /// Applies what came meanwhile.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        self.target = self.target.filter(|target| *target > self.counter.value);
        match self.counter.drain(self.which(), cx.budget, cx.out) {
            Drained::Fetch => self.want(),
            Drained::All if self.target.is_none() => {
                self.fruitless = 0;
                self.gap = None;
            }
            Drained::All | Drained::Gap if self.fruitless >= MAX_FRUITLESS => self.give_up(),
            Drained::Gap if self.fruitless == 0 => self.arm(cx),
            Drained::All | Drained::Gap => self.fetch = Fetch::Waiting(cx.now + self.pause()),
        }
    }

    /// What is missing cannot be had: tells so, and goes on after it.
    fn give_up(&mut self) {
        self.fruitless = 0;
        self.nowhere = false;
        let waiting = self
            .counter
            .pending
            .first()
            .map(|(pts, count)| pts.saturating_sub(count));
        let pts = waiting.or(self.target.take()).filter(|pts| *pts > 0);
        // Without any place to go on from, the next update is where it begins again.
        let end = End {
            pts,
            force: true,
            forget: pts.is_none(),
            ..End::default()
        };
        self.stage([self.lost()], end);
    }

    fn arm(&mut self, cx: &Cx<'_>) {
        if self.gap.is_none() && self.fetch == Fetch::Idle {
            self.gap = Some(cx.now + cx.config.gap_wait);
        }
    }

    fn pause(&self) -> Duration {
        fetch::backoff(self.fruitless, self.id.cast_unsigned())
    }

    fn stage(&mut self, items: impl IntoIterator<Item = Item>, end: End) {
        self.stage.extend(items);
        self.end = end;
        self.fetch = Fetch::Staged;
        self.gap = None;
        self.poll = None;
    }

    fn lost(&self) -> Item {
        Item::Lost(Some(self.id))
    }

    fn which(&self) -> Which {
        Which::Channel(self.id)
    }
}
