//! One link: a session with a DC, and the stream that carries it, if there is one.
//!
//! Does: keeps the session between streams, and what waits for either.
//! In: streams opened and ended, calls. Out: requests of the session, what became of them.
//! Must not know: other links, what calls mean (`streams.rs` and `answers.rs` do).
//! Spec: "Working with Different Data Centers".

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::client::dial::Pace;
use crate::connection::{ClientConnection, Suspended};
use crate::error::{Fate, Progress};
use crate::ids::{ConnId, DcId, RequestId};
use crate::machine::Machine;
use crate::time::Time;

/// A stream that was opened for somebody who went away is closed after so long, as TDLib's that are
/// ready and not taken.
const UNUSED: Duration = Duration::from_secs(10);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Calls.
    Main,
    /// Files.
    Media,
    /// Only to destroy a key that is not ours any more.
    Leaving,
}

/// Names a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId {
    pub(super) dc: DcId,
    pub(super) kind: Kind,
}

impl LinkId {
    pub(super) fn main(dc: DcId) -> Self {
        LinkId {
            dc,
            kind: Kind::Main,
        }
    }

    pub(super) fn media(dc: DcId) -> Self {
        LinkId {
            dc,
            kind: Kind::Media,
        }
    }

    pub(super) fn leaving(dc: DcId) -> Self {
        LinkId {
            dc,
            kind: Kind::Leaving,
        }
    }

    pub(super) fn is_media(self) -> bool {
        self.kind == Kind::Media
    }

    /// The DC as handshake and obfuscation name it.
    pub(super) fn wire(self, test_mode: bool) -> DcId {
        const TEST: i16 = 10_000;

        let dc = if test_mode {
            self.dc.0.saturating_add(TEST)
        } else {
            self.dc.0
        };
        DcId(if self.is_media() {
            dc.saturating_neg()
        } else {
            dc
        })
    }
}

/// A stream that carries the session.
pub(super) struct Up {
    pub(super) conn: ConnId,
    pub(super) machine: ClientConnection,
    /// The driver was told that there is output.
    pub(super) announced: bool,
    /// The server has proved over this stream that it has our key.
    pub(super) connected: bool,
    /// The key was there before the stream.
    pub(super) had_key: bool,
    /// It travels under temporary keys, whether the configuration wants them or the permanent one
    /// is doubted.
    pub(super) has_pfs: bool,
    /// It has carried a call.
    pub(super) used: bool,
}

pub(super) enum Stream {
    Down,
    /// The driver opens one, until this time.
    Connecting {
        conn: ConnId,
        until: Time,
        to: Box<super::dial::Candidate>,
    },
    Up(Box<Up>),
}

/// A session with a DC, and its stream.
pub(super) struct Link {
    pub(super) stream: Stream,
    /// The session between two streams.
    pub(super) rest: Option<Box<Suspended>>,
    pub(super) pace: Pace,
    /// Calls that the session does not have.
    pub(super) waiting: BTreeSet<RequestId>,
    /// Calls that wait for the account's authorization.
    pub(super) held: BTreeSet<RequestId>,
    /// The session's requests, and whose they are.
    pub(super) sent: BTreeMap<RequestId, RequestId>,
    /// Since when nothing needs the stream.
    pub(super) idle_since: Option<Time>,
}

impl Link {
    pub(super) fn new() -> Self {
        Link {
            stream: Stream::Down,
            rest: None,
            pace: Pace::default(),
            waiting: BTreeSet::new(),
            held: BTreeSet::new(),
            sent: BTreeMap::new(),
            idle_since: None,
        }
    }

    /// Whether any call needs it.
    pub(super) fn has_calls(&self) -> bool {
        !self.waiting.is_empty() || !self.held.is_empty() || !self.sent.is_empty()
    }

    pub(super) fn is_down(&self) -> bool {
        matches!(self.stream, Stream::Down)
    }

    pub(super) fn conn(&self) -> Option<ConnId> {
        match &self.stream {
            Stream::Down => None,
            Stream::Connecting { conn, .. } => Some(*conn),
            Stream::Up(up) => Some(up.conn),
        }
    }

    pub(super) fn up(&self) -> Option<&Up> {
        match &self.stream {
            Stream::Up(up) => Some(up),
            Stream::Down | Stream::Connecting { .. } => None,
        }
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        match &mut self.stream {
            Stream::Up(up) => Some(up),
            Stream::Down | Stream::Connecting { .. } => None,
        }
    }

    /// The driver has output to fetch that it was not told of.
    pub(super) fn take_announcement(&mut self) -> Option<ConnId> {
        let up = self.up_mut()?;
        let wanted = !up.announced && up.machine.wants_to_transmit();
        up.announced |= wanted;
        wanted.then_some(up.conn)
    }

    /// When the stream is closed if nothing needs it until then; `idle`: one that was of use.
    pub(super) fn rests_at(&self, idle: Duration) -> Option<Time> {
        let used = self.up().is_some_and(|up| up.used);
        let patience = if used { idle } else { idle.min(UNUSED) };
        Some(self.idle_since? + patience)
    }

    /// How far a request of the session is.
    pub(super) fn progress(&self, inner: RequestId) -> Option<Progress> {
        match &self.stream {
            Stream::Up(up) => up.machine.progress(inner),
            Stream::Down | Stream::Connecting { .. } => self.rest.as_ref()?.progress(inner),
        }
    }

    /// Ends a request of a session that has no stream, and tells its fate.
    pub(super) fn withdraw(&mut self, inner: RequestId) -> Fate {
        self.sent.remove(&inner);
        self.rest
            .as_mut()
            .and_then(|rest| rest.cancel(inner))
            .unwrap_or(Fate::NotSent)
    }

    /// Takes the stream off, keeping its session.
    pub(super) fn suspend(&mut self) -> Option<ConnId> {
        match core::mem::replace(&mut self.stream, Stream::Down) {
            Stream::Down => None,
            Stream::Connecting { conn, .. } => Some(conn),
            Stream::Up(up) => {
                self.rest = Some(up.machine.suspend());
                Some(up.conn)
            }
        }
    }

    /// The session's next deadline, while a stream carries it.
    pub(super) fn machine_timeout(&self) -> Option<Time> {
        self.up().and_then(|up| up.machine.poll_timeout())
    }
}
