//! What can be wrong with a path, and what was counted.
//!
//! Does: plain values and their defaults.
//! In and out: plain values.
//! Must not know: how they are brought about.
//! Spec: none.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the target.
    ToServer,
    /// From the target to the client.
    ToClient,
}

impl Direction {
    /// Both.
    pub const ALL: [Direction; 2] = [Direction::ToServer, Direction::ToClient];
}

/// How a stream ends; both of its sides learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// In order: who reads finds the end behind the last byte.
    Fin,
    /// By a reset, which may overtake bytes that are on their way.
    Rst,
}

/// What becomes of clients that connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// They are led to the target; reset if nobody listens there.
    #[default]
    Open,
    /// They are accepted and nothing ever happens: no byte is read or written, and they are led
    /// nowhere, also not when the door is opened later.
    Silent,
    /// They are refused, as where nobody listens.
    Refuse,
    /// They are accepted, and the stream ends at once.
    HangUp(Cut),
}

/// How bytes fare in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub(super) latency: RangeInclusive<Duration>,
    pub(super) segments: Option<RangeInclusive<u64>>,
    pub(super) bytes_per_second: Option<NonZeroU32>,
}

impl Default for Path {
    fn default() -> Self {
        Path {
            latency: Duration::ZERO..=Duration::ZERO,
            segments: None,
            bytes_per_second: None,
        }
    }
}

impl Path {
    /// A path without fault.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes arrive so much later, each slice that was read apart; none overtakes another. A
    /// direction holds at most 256 KiB on their way, then the sender waits.
    ///
    /// # Panics
    /// If the range is empty.
    #[must_use]
    pub fn latency(mut self, latency: RangeInclusive<Duration>) -> Self {
        assert!(!latency.is_empty(), "an empty range: {latency:?}");
        self.latency = latency;
        self
    }

    /// Bytes are handed on so many at a time, each time in a segment of its own. Who reads slowly
    /// may still find several at once.
    ///
    /// # Panics
    /// If the range is empty or has 0.
    #[must_use]
    pub fn segments(mut self, sizes: RangeInclusive<u64>) -> Self {
        assert!(
            !sizes.is_empty() && *sizes.start() > 0,
            "no sizes: {sizes:?}"
        );
        self.segments = Some(sizes);
        self
    }

    /// Not more than this, for each stream apart.
    #[must_use]
    pub fn bytes_per_second(mut self, rate: NonZeroU32) -> Self {
        self.bytes_per_second = Some(rate);
        self
    }
}

/// What a proxy has seen. All but `open` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Streams that were led to the target.
    pub accepted: u64,
    /// Of these, and of the swallowed ones, those that have not ended.
    pub open: usize,
    /// Clients at a [`Door::Silent`].
    pub swallowed: u64,
    /// Clients at a [`Door::HangUp`], and those beyond 1,024 streams at once.
    pub turned_away: u64,
    /// Streams that were reset because the target did not take them.
    pub unreachable: u64,
    /// Streams that were cut.
    pub cut: u64,
    /// Bytes that were handed to the target.
    pub to_server: u64,
    /// Bytes that were handed to clients.
    pub to_client: u64,
}
