//! Updates in order, each once.
//!
//! Does: applies what the server sends in the order of its counters (pts, qts, seq, and a pts per
//! channel); notices what is missing and asks for it; hands on one update at a time, no faster than
//! they are taken; says what to store, never ahead of what was taken.
//! In: bodies that came unasked, answers to the application's calls and to our own, the time.
//! Out: [`Event`]s, [`Need`]s, [`Change`]s.
//! Must not know: streams, sessions, DCs; what an update means.
//! Spec: "Working with updates".
//!
//! ```text
//!  body ─ parse.rs, short.rs, answers.rs ─→ one update each, with its place (incoming.rs)
//!                                             │
//!             common.rs: pts, qts, seq   ←────┴────→   channels.rs → channel.rs: a pts each
//!               counter.rs: next, old or too early;  pending.rs: what is too early
//!               fetch.rs: the difference is wanted, asked for, handed on
//!                                             │
//!  application ←─ queue.rs ←─ outbox.rs ←─────┘   outbox.rs, state.rs: what is taken is stored
//! ```
//!
//! What holds, per box (a channel, or everything else): each update is handed out once, in the
//! order of the server's counter, or the application is told [`Event::Lost`]. After a process that
//! went on from what was stored, what was not taken comes again. A difference brings new messages
//! before other updates, as the server lists them; both are in order.
//!
//! While a box waits for its difference, nothing of it is handed out. What has no counter at all
//! (somebody is typing) goes out as it comes and is dropped when the queue is full.

mod answers;
mod channel;
mod channels;
mod common;
mod containers;
mod counter;
mod fetch;
mod incoming;
mod outbox;
mod parse;
mod pending;
mod queue;
mod short;
mod state;
mod types;

use alloc::vec::Vec;

use bytes::Bytes;

use self::answers::Found;
use self::channels::Channels;
use self::common::Common;
use self::incoming::{Incoming, Place};
use self::outbox::{Item, Outbox};
use self::parse::Packet;
use self::pending::Budget;
pub use self::types::{Config, Event, Lost, Need, NeedId, Related, Update, UpdateId};
use crate::client::{Change, Key, PeerId, Peers, Snapshot};
use crate::error::RequestError;
use crate::time::Time;

/// Updates in order.
#[derive(Debug)]
pub struct Updates {
    config: Config,
    account: Option<Account>,
    wanted: bool,
    out: Outbox,
    budget: Budget,
    common: Common,
    channels: Channels,
    /// When anything came last.
    heard: Time,
    last_need: u64,
    /// What was stored cannot be read: the application hears that something is missing.
    damaged: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    user_id: i64,
    bot: bool,
}

/// What a box needs to do its work.
#[derive(Debug)]
struct Cx<'a> {
    now: Time,
    config: &'a Config,
    out: &'a mut Outbox,
    budget: &'a mut Budget,
}

/// Lends the parts that the boxes need, beside the boxes.
macro_rules! cx {
    ($self:ident, $now:expr) => {
        &mut Cx {
            now: $now,
            config: &$self.config,
            out: &mut $self.out,
            budget: &mut $self.budget,
        }
    };
}

impl Updates {
    /// With what was stored. Does nothing until somebody is signed in and updates are wanted.
    pub fn new(config: Config, stored: &Snapshot, now: Time) -> Self {
        let out = Outbox::new(config.queue, stored, channels::MAX_CHANNELS);
        Updates {
            account: None,
            wanted: false,
            budget: Budget::default(),
            common: Common::new(out.state()),
            channels: Channels::new(out.channels()),
            heard: now,
            last_need: 0,
            damaged: stored.get(Key::Updates).is_some() && out.state().is_none(),
            out,
            config,
        }
    }

    /// Somebody signed in or out. Out, or somebody else in: the state is forgotten (changes say
    /// so). In, without stored state: `updates.getState` is needed, wanted or not.
    pub fn set_account(&mut self, now: Time, user_id: Option<i64>, bot: bool) {
        let account = user_id.map(|user_id| Account { user_id, bot });
        let before = core::mem::replace(&mut self.account, account);
        if account.map(|account| account.user_id) == before.map(|account| account.user_id) {
            return;
        }
        if account.is_none() || before.is_some() {
            self.forget();
        }
        if account.is_some() {
            self.heard = now;
            if !self.common.is_known() || self.wanted {
                self.common.want();
            }
            if core::mem::take(&mut self.damaged) {
                self.common.lose();
            }
            self.pump(now);
        }
    }

    /// What was stored is nobody's any more; changes say so.
    pub(in crate::client) fn forget(&mut self) {
        self.common.clear(&mut self.budget);
        self.channels.clear(&mut self.budget);
        self.out.clear();
        self.damaged = false;
    }

    /// Whether updates are wanted; at first they are not. While they are not, none is queued and
    /// the stored state stays where it is (what was queued before can still be polled and taken);
    /// when they are again, the difference is fetched.
    pub fn set_wanted(&mut self, now: Time, wanted: bool) {
        if core::mem::replace(&mut self.wanted, wanted) == wanted || !wanted {
            return;
        }
        self.heard = now;
        if self.account.is_some() {
            self.common.want();
            self.pump(now);
        }
    }

    /// A boxed object that came unasked over a session of the main DC.
    ///
    /// While nobody is signed in, only what needs no counter is handed on (`updateLoginToken`).
    pub fn handle(&mut self, now: Time, body: &Bytes, peers: &mut Peers) {
        match parse::packet(body, self.me()) {
            Some(packet) => self.handle_packet(now, packet, peers),
            None => self.handle_unreadable(now, body),
        }
    }

    /// The answer to a call of the application, before it is given to it: answers that are `Updates`,
    /// or move a pts (`messages.affectedMessages`, ..), count. `query`: the call's body, unwrapped.
    pub fn handle_answer(&mut self, now: Time, query: &Bytes, answer: &Bytes, peers: &mut Peers) {
        match answers::look(query, answer, self.me()) {
            Found::Nothing => {}
            Found::Packet(packet) => self.handle_packet(now, packet, peers),
            Found::Unreadable => self.handle_unreadable(now, answer),
            Found::Moved {
                channel,
                pts,
                count,
            } => {
                if self.is_active() {
                    let place = match channel {
                        Some(id) => Place::Channel { id, pts, count },
                        None => Place::Pts { pts, count },
                    };
                    self.route(now, place, None);
                    self.pump(now);
                }
            }
        }
    }

    /// `new_session_created`, or a session was replaced, or a sleep of hours: updates may be missing.
    pub fn handle_may_have_missed(&mut self, now: Time) {
        if self.is_active() {
            self.heard = now;
            self.common.want();
        }
    }

    /// A call to send.
    pub fn poll_need(&mut self, now: Time, peers: &Peers) -> Option<Need> {
        let account = self.account?;
        let id = NeedId(self.last_need.saturating_add(1));
        let mut body = self.common.ask(id, self.wanted, &self.out);
        if body.is_none() && self.wanted && self.out.has_room() {
            let how = (self.config.channels_at_once, account.bot);
            body = self.channels.ask(self.common.date(), id, how, peers);
            // Those without an access hash wait for the common difference, or have given up.
            self.want_for_blocked(now);
            self.pump(now);
            if body.is_none() {
                body = self.common.ask(id, self.wanted, &self.out);
            }
        }
        let body = body?;
        self.last_need = id.0;
        Some(Need { id, body })
    }

    /// Its end. An id that is not waited for is ignored.
    pub fn handle_need(
        &mut self,
        now: Time,
        id: NeedId,
        result: Result<Bytes, RequestError>,
        peers: &mut Peers,
    ) {
        if self.common.asked() == Some(id) {
            self.handle_common(now, id, result, peers);
        } else if let Some(channel) = self.channels.asked(id) {
            self.handle_channel(now, (id, channel), result, peers);
        }
        self.pump(now);
    }

    /// The next update. At most `Config::queue` are ready or untaken at any time.
    pub fn poll_update(&mut self) -> Option<Event> {
        self.out.poll()
    }

    /// The application is done with all up to this one.
    pub fn taken(&mut self, now: Time, id: UpdateId) {
        self.out.taken(id);
        self.pump(now);
    }

    /// What to store.
    pub fn poll_change(&mut self) -> Option<Change> {
        self.out.poll_change()
    }

    /// Timers: gaps, retries, channel polls, 15 min of silence.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.account.is_none() {
            return;
        }
        self.common.handle_timeout(now, self.wanted);
        if self.wanted {
            self.channels.handle_timeout(now, self.common.date());
            if self.idle_timeout().is_some_and(|at| at <= now) {
                self.heard = now;
                self.common.want();
            }
        }
    }

    /// The earliest.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.account?;
        let mut earliest = self.common.timeout(self.wanted);
        if self.wanted {
            let others = [self.channels.timeout(), self.idle_timeout()];
            earliest = others.into_iter().flatten().chain(earliest).min();
        }
        earliest
    }

    /// The state as changes, as far as updates are taken.
    pub fn changes(&self) -> Vec<Change> {
        self.out.changes()
    }

    /// Channels that are on the screen: polled between updates (at most 10; others are not polled).
    pub fn set_open(&mut self, now: Time, peer: PeerId, open: bool) {
        if let PeerId::Channel(id) = peer {
            self.channels
                .set_open(cx!(self, now), self.common.date(), id, open);
        }
    }

    fn me(&self) -> i64 {
        self.account.map_or(0, |account| account.user_id)
    }

    fn is_active(&self) -> bool {
        self.account.is_some() && self.wanted
    }

    fn idle_timeout(&self) -> Option<Time> {
        self.common.is_idle().then(|| self.heard + self.config.idle)
    }

    fn handle_unreadable(&mut self, now: Time, body: &Bytes) {
        if self.is_active() {
            self.heard = now;
            self.common.unreadable(body);
        }
    }

    fn handle_packet(&mut self, now: Time, packet: Packet, peers: &mut Peers) {
        if let Packet::Several(several) = &packet {
            peers.learn(&several.peers.users, &several.peers.chats);
        }
        if !self.wanted {
            return;
        }
        self.heard = now;
        match packet {
            Packet::TooLong => self.common.want(),
            Packet::Sent { pts, count } => self.route(now, Place::Pts { pts, count }, None),
            Packet::Short(update, known) => {
                let me = self.me();
                let place = update.place();
                let is_old = matches!(place, Place::Pts { pts, .. } if self.common.is_old(pts));
                if !known.iter().all(|known| known.is_in(peers, me)) {
                    if !is_old {
                        self.common.want();
                    }
                } else {
                    self.route(now, place, Some(update));
                }
            }
            Packet::Several(mut several) => {
                // First what has a counter of its own, then the rest under the container's.
                let mut rest = Vec::new();
                for update in core::mem::take(&mut several.updates) {
                    let place = update.place();
                    if place == Place::Other {
                        rest.push(update);
                    } else {
                        self.route(now, place, Some(update));
                    }
                }
                several.updates = rest;
                if self.account.is_some() {
                    self.common.offer_rest(cx!(self, now), several);
                }
            }
        }
        self.pump(now);
    }

    /// Brings an update to its box. Without an account there are none.
    fn route(&mut self, now: Time, place: Place, update: Option<Incoming>) {
        let date = self.common.date();
        let signed_in = self.account.is_some();
        let refused = match place {
            Place::Other => {
                let lost = update.is_some_and(|u| self.out.push(Item::Update(u)).is_err());
                lost && signed_in
            }
            _ if !signed_in => false,
            Place::Pts { pts, count } => {
                self.common.offer_pts(cx!(self, now), pts, count, update);
                false
            }
            Place::Qts(qts) => {
                if let Some(update) = update {
                    self.common.offer_qts(cx!(self, now), qts, update);
                }
                false
            }
            Place::Channel { id, pts, count } => self
                .channels
                .offer(cx!(self, now), date, (id, pts, count), update)
                .is_err(),
            Place::ChannelTooLong { id, pts } => self
                .channels
                .too_long(cx!(self, now), date, id, pts)
                .is_err(),
            Place::PtsChanged => {
                self.common.reset();
                false
            }
        };
        if refused {
            self.common.want();
        }
    }

    fn handle_common(
        &mut self,
        now: Time,
        id: NeedId,
        result: Result<Bytes, RequestError>,
        peers: &mut Peers,
    ) {
        if !self.wanted && self.common.is_known() {
            return self.common.ask_again();
        }
        let body = match result {
            Ok(body) => body,
            // It inflates to more than anybody reads: no other answer will come.
            Err(RequestError::BadAnswer) => Bytes::new(),
            Err(error) => return self.common.handle_error(now, id, &error),
        };
        if self.common.asked_state() {
            match parse::state(&body) {
                Some(state) => self.common.handle_state(cx!(self, now), state),
                None => self.common.handle_error(now, id, &RequestError::BadAnswer),
            }
            return;
        }
        let Some(answer) = parse::difference(&body) else {
            return self.common.handle_unreadable();
        };
        if let parse::Answer::Part { peers: related, .. } = &answer {
            peers.learn(&related.users, &related.chats);
        }
        for update in self.common.handle_difference(answer) {
            self.route(now, update.place(), Some(update));
        }
    }

    fn handle_channel(
        &mut self,
        now: Time,
        (id, channel): (NeedId, i64),
        result: Result<Bytes, RequestError>,
        peers: &mut Peers,
    ) {
        let date = self.common.date();
        if !self.wanted {
            self.channels
                .edit(channel, date, |channel| channel.ask_again());
            return;
        }
        let body = match result {
            Ok(body) => body,
            Err(RequestError::BadAnswer) => Bytes::new(),
            Err(error) => {
                self.channels.edit(channel, date, |channel| {
                    channel.handle_error(now, id, &error)
                });
                return;
            }
        };
        let Some(answer) = parse::channel_difference(&body) else {
            let head = parse::channel_head(&body);
            self.channels
                .edit(channel, date, |channel| channel.handle_unreadable(head));
            return;
        };
        peers.learn(&answer.peers.users, &answer.peers.chats);
        let elsewhere = self
            .channels
            .edit(channel, date, |channel| channel.handle_answer(answer));
        for update in elsewhere.unwrap_or_default() {
            self.route(now, update.place(), Some(update));
        }
    }

    /// A channel waits for the common difference to bring its access hash: for one that is asked
    /// for from now on.
    fn want_for_blocked(&mut self, now: Time) {
        if self.channels.take_blocked() {
            self.common.want_for_others(now);
        }
    }

    /// Hands on what was fetched as there is room, and goes on behind it.
    fn pump(&mut self, now: Time) {
        loop {
            let mut went_on = false;
            if (self.wanted || !self.common.is_staged()) && self.common.flush(&mut self.out) {
                if self.common.finish(cx!(self, now)) {
                    self.channels.unblock(self.common.date());
                }
                went_on = true;
            }
            if self.wanted {
                went_on |= self.channels.pump(cx!(self, now), self.common.date());
            }
            if !went_on {
                break;
            }
        }
        self.out.set_floor(self.channels.floor());
    }
}
