//! What of a server's session outlives the process, whole or as what changed of it.
//!
//! Does: [`Saved`]; takes a session apart into one, makes a session of one, applies one to another.
//! In: a server's session. Out: plain values.
//! Must not know: their bytes (`server/state/` does), other sessions, keys.
//! Spec: none; "a message is executed once" and "an id is given once" are to hold over restarts.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

use crate::ids::MsgId;
use crate::session::disowned;
use crate::session::outgoing::{Notice, QueueMark};
use crate::session::timer::Timer;
use crate::session::{Session, Side};
use crate::time::Time;

/// Numbers that are small enough to be said again with every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The first outermost message that was taken; the greatest number if none was.
    pub(crate) first_from_peer: i64,
    /// Nothing up to this id is taken.
    pub(crate) floor: i64,
    /// The newest message, and the greatest number, by which the next one's is judged.
    pub(crate) newest: (i64, i32),
    /// Content-related messages that were sent.
    pub(crate) content_messages: i32,
    /// The last id that was given to a message of ours.
    pub(crate) last_id: i64,
    /// `unique_id` of `new_session_created`, once that was queued.
    pub(crate) created: Option<i64>,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            first_from_peer: i64::MAX,
            floor: i64::MIN,
            newest: (0, 0),
            content_messages: 0,
            last_id: 0,
            created: None,
        }
    }
}

/// A session, or what changed of it: then the lists hold what is new, and those of what is gone
/// are not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) counters: Counters,
    /// What is to be acknowledged; all of it, in a change too.
    pub(crate) acks: Vec<MsgId>,
    /// Ids above the floor that came.
    pub(crate) came: BTreeSet<i64>,
    /// Ids that were refused, and are not taken any more.
    pub(crate) disowned: BTreeSet<i64>,
    pub(crate) ended: Vec<MsgId>,
    /// Calls that the owner has not answered.
    pub(crate) running: BTreeMap<MsgId, Bytes>,
    /// So many left the front of the queue.
    pub(crate) unqueued: usize,
    pub(crate) queued: VecDeque<Notice>,
    pub(crate) forgotten: Vec<MsgId>,
    /// What was sent and not acknowledged.
    pub(crate) kept: BTreeMap<MsgId, (i32, Notice)>,
}

impl Saved {
    /// Brings a whole session up to date.
    pub(crate) fn apply(&mut self, change: Saved) {
        self.counters = change.counters;
        self.acks = change.acks;
        for id in change.ended {
            self.running.remove(&id);
        }
        self.running.extend(change.running);
        self.came.extend(change.came);
        self.disowned.extend(change.disowned);
        while self.disowned.len() > disowned::MAX {
            self.disowned.pop_first();
        }
        while self
            .came
            .first()
            .is_some_and(|oldest| *oldest <= self.counters.floor)
        {
            self.came.pop_first();
        }
        for _ in 0..change.unqueued.min(self.queued.len()) {
            self.queued.pop_front();
        }
        self.queued.extend(change.queued);
        for id in change.forgotten {
            self.kept.remove(&id);
        }
        self.kept.extend(change.kept);
    }
}

/// What was last saved, to tell what changed since.
#[derive(Debug, Default)]
pub(super) struct Mark {
    counters: Counters,
    acks: Vec<MsgId>,
    queue: QueueMark,
}

impl Session {
    fn counters(&self) -> Counters {
        let Side::Server(server) = &self.side else {
            return Counters::default();
        };
        Counters {
            first_from_peer: self.first_from_peer,
            floor: self.replay.floor(),
            newest: server.incoming.newest(),
            content_messages: self.seq_no.content_messages(),
            last_id: self.ids.last(),
            created: server.created,
        }
    }

    /// All of it. Server.
    pub(crate) fn save(&self) -> Saved {
        let Side::Server(server) = &self.side else {
            return Saved::default();
        };
        Saved {
            counters: self.counters(),
            acks: self.acks.pending(),
            came: self.replay.ids().collect(),
            disowned: server.disowned.ids().clone(),
            ended: Vec::new(),
            running: server.running.calls().clone(),
            unqueued: 0,
            queued: self.out.notices().cloned().collect(),
            forgotten: Vec::new(),
            kept: server.unacked.kept().collect(),
        }
    }

    /// Begins to note what changes, from here on.
    pub(crate) fn begin_journal(&mut self) {
        let counters = self.counters();
        let Side::Server(server) = &mut self.side else {
            return;
        };
        self.replay.begin_journal();
        server.disowned.begin_journal();
        server.running.begin_journal();
        server.unacked.begin_journal();
        server.mark = Mark {
            counters,
            acks: self.acks.pending(),
            queue: self.out.mark(),
        };
    }

    /// What changed since this was last called, or since the journal began; `None`: nothing.
    pub(crate) fn take_change(&mut self) -> Option<Saved> {
        let counters = self.counters();
        let Side::Server(server) = &mut self.side else {
            return None;
        };
        let (ended, running) = server.running.take_change();
        let (forgotten, kept) = server.unacked.take_change();
        let (unqueued, queued) = self.out.since(&server.mark.queue);
        let change = Saved {
            counters,
            acks: self.acks.pending(),
            came: self.replay.take_change(),
            disowned: server.disowned.take_change(),
            ended,
            running,
            unqueued,
            queued,
            forgotten,
            kept,
        };
        let unchanged = Saved {
            counters: server.mark.counters,
            acks: core::mem::take(&mut server.mark.acks),
            ..Saved::default()
        };
        server.mark = Mark {
            counters,
            acks: change.acks.clone(),
            queue: self.out.mark(),
        };
        (change != unchanged).then_some(change)
    }

    /// Goes on where another process stopped. Server; the session is new.
    pub(crate) fn restore(&mut self, saved: Saved, now: Time) {
        let Side::Server(server) = &mut self.side else {
            return;
        };
        let counters = saved.counters;
        self.first_from_peer = counters.first_from_peer;
        self.replay.restore(counters.floor, saved.came);
        server.disowned.restore(saved.disowned);
        self.seq_no.restore(counters.content_messages);
        self.ids.restore(counters.last_id);
        server.incoming.restore(counters.newest);
        server.created = counters.created;
        server.running.restore(saved.running);
        server.unacked.restore(saved.kept, now);
        self.out.restore(saved.queued);
        for id in saved.acks {
            let (delay, max) = (self.config.ack_delay, self.config.limits.acks);
            self.acks.push(id, now, delay, max);
        }
        self.timers.set(Timer::Ack, self.acks.deadline());
    }
}
