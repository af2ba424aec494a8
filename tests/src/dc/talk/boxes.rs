//! A box of messages and what happened to it.
//!
//! Does: [`Mailbox`], the messages of an account (its private chats and basic groups) or of a
//! channel, numbered for it alone, and a bounded log of [`Event`]s, each with its `pts`.
//! In: messages and events. Out: ids, events from a `pts` on.
//! Must not know: what a message says, who is told.
//! Spec: "Working with Updates": common box, channel boxes.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::limits::LOG;
use super::peer::Peer;

/// The `pts` of a box in which nothing has happened; 0 stands for "unknown" in requests.
const FIRST_PTS: i32 = 1;

/// A message as it lies in a box.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Held {
    /// Which post it is.
    pub uid: u64,
    /// The message of the same box that it replies to.
    pub reply_to: Option<i32>,
    /// Whether it mentions the owner.
    pub mentioned: bool,
    /// Whether the owner has yet to look at the mention.
    pub unread_mention: bool,
}

/// What happens to a box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A message came.
    New(i32),
    /// A message was changed.
    Edit(i32),
    /// Messages are gone.
    Delete(Vec<i32>),
    /// The owner has read up to this message.
    ReadInbox(Peer, i32),
    /// The others have read the owner's messages up to this one.
    ReadOutbox(Peer, i32),
    /// The owner has looked at these mentions.
    Contents(Vec<i32>),
}

impl Event {
    /// By how much it moves `pts`.
    fn count(&self) -> i32 {
        let many = |ids: &Vec<i32>| i32::try_from(ids.len()).unwrap_or(i32::MAX);
        match self {
            Event::Delete(ids) | Event::Contents(ids) => many(ids),
            Event::New(_) | Event::Edit(_) | Event::ReadInbox(..) | Event::ReadOutbox(..) => 1,
        }
    }
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// The box's `pts` after it.
    pub pts: i32,
    /// By how much it moved it.
    pub count: i32,
    /// The event.
    pub event: Event,
}

/// The messages of an account or a channel.
#[derive(Debug, Serialize, Deserialize)]
pub struct Mailbox {
    /// How much has happened.
    pub pts: i32,
    /// The newest message's id ever.
    pub last_id: i32,
    /// When something happened last, in Unix seconds.
    pub changed: i32,
    /// The messages.
    pub held: BTreeMap<i32, Held>,
    log: VecDeque<Logged>,
}

impl Default for Mailbox {
    fn default() -> Self {
        Mailbox {
            pts: FIRST_PTS,
            last_id: 0,
            changed: 0,
            held: BTreeMap::new(),
            log: VecDeque::new(),
        }
    }
}

impl Mailbox {
    /// Takes a message in, under the next id.
    pub fn add(&mut self, held: Held) -> i32 {
        self.last_id = self.last_id.saturating_add(1);
        self.held.insert(self.last_id, held);
        self.last_id
    }

    /// Notes an event.
    pub fn log(&mut self, now: i32, event: Event) -> Logged {
        let count = event.count();
        self.changed = now;
        self.pts = self.pts.saturating_add(count);
        let logged = Logged {
            pts: self.pts,
            count,
            event,
        };
        self.log.push_back(logged.clone());
        if self.log.len() > LOG {
            self.log.pop_front();
        }
        logged
    }

    /// What happened after this `pts`, oldest first; `None`: that is forgotten.
    pub fn since(&self, pts: i32) -> Option<impl ExactSizeIterator<Item = &Logged>> {
        let oldest = match self.log.front() {
            Some(first) => first.pts.saturating_sub(first.count),
            None => self.pts,
        };
        let start = self.log.partition_point(|logged| logged.pts <= pts);
        (pts >= oldest).then(|| self.log.range(start..))
    }
}
