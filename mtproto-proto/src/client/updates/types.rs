//! What goes in and out: plain values.
//!
//! Does: [`Config`], [`Event`] and [`Need`] with what they hold.
//! In and out: these.
//! Must not know: how they come about.
//! Spec: "Working with updates".

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::api;

use crate::shown::Shown;

/// Timers and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Updates that are ready or untaken at most, at least 1: 1,024.
    pub queue: usize,
    /// How long a gap may fill itself: 0.7 s, as TDLib.
    pub gap_wait: Duration,
    /// Without any update for so long the difference is asked for: 15 min.
    pub idle: Duration,
    /// Channel differences at once: 10.
    pub channels_at_once: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            queue: 1_024,
            gap_wait: Duration::from_millis(700),
            idle: Duration::from_secs(15 * 60),
            channels_at_once: 10,
        }
    }
}

/// Names an update of this process, in the order of delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UpdateId(pub u64);

/// What the application gets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An update.
    Update(Update),
    /// Here some are missing that cannot be fetched.
    Lost(Lost),
}

/// One update.
#[derive(Clone)]
#[non_exhaustive]
pub struct Update {
    /// For [`Updates::taken`](super::Updates::taken).
    pub id: UpdateId,
    /// The boxed `Update` object. Messages that the server sent in a short form or in a difference
    /// are in an `updateNewMessage` of our making; in a difference they have no counter, and
    /// `pts`, `pts_count` and `qts` are 0.
    pub raw: Bytes,
    /// The same, typed; `None` if the layer of this build does not know it: `raw` is then the whole
    /// boxed `Updates` that could not be read.
    pub parsed: Option<api::enums::Update>,
    /// Users and chats that came with it.
    pub peers: Arc<Related>,
}

/// Shows of the boxed object its constructor and its length only.
impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("id", &self.id)
            .field("raw", &Shown(&self.raw))
            .field("parsed", &self.parsed)
            .field("peers", &self.peers)
            .finish()
    }
}

/// Users and chats that came with an update.
#[derive(Clone, Debug, Default)]
pub struct Related {
    /// Users.
    pub users: Vec<api::enums::User>,
    /// Chats and channels.
    pub chats: Vec<api::enums::Chat>,
}

/// A hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// For [`Updates::taken`](super::Updates::taken).
    pub id: UpdateId,
    /// A channel, or `None` for everything else.
    pub channel: Option<i64>,
}

/// A call that the machine needs answered; at most one per box at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// For [`Updates::handle_need`](super::Updates::handle_need).
    pub id: NeedId,
    /// The boxed call: updates.getState, getDifference, getChannelDifference. Idempotent, main DC.
    pub body: Bytes,
}

/// Names a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeedId(pub u64);
