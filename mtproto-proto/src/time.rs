//! The moment that every machine is told.
//!
//! Does: one newtype, [`Time`], that serves as wall clock and as monotonic clock at once.
//! In: nanoseconds from the caller's clock. Out: the same, with saturating arithmetic.
//! Must not know: where the time comes from; nothing in this crate reads a clock.
//! Spec: "Message Identifier (msg_id)": an id is Unix time, so the hot path needs wall time.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment: nanoseconds since the Unix epoch on a clock that never runs backwards.
///
/// The caller anchors it once to the wall clock and advances it with a monotonic one. It may be
/// wrong by years: machines learn the server's time from the server.
///
/// ```
/// use core::time::Duration;
/// use mtproto_proto::Time;
///
/// let t = Time::from_unix(1_700_000_000);
/// assert_eq!((t + Duration::from_millis(1500)).unix(), 1_700_000_001);
/// assert_eq!(t.saturating_since(t + Duration::from_secs(1)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

const NANOS: u64 = 1_000_000_000;

impl Time {
    /// The Unix epoch, the earliest moment.
    pub const ZERO: Time = Time(0);

    /// The latest moment, in the year 2554.
    pub const MAX: Time = Time(u64::MAX);

    /// A moment from whole seconds since the Unix epoch; saturates in the year 2554.
    pub const fn from_unix(secs: u64) -> Self {
        Time(secs.saturating_mul(NANOS))
    }

    /// A moment from nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn unix(self) -> u64 {
        self.0 / NANOS
    }

    /// Nanoseconds past the whole second, below 10^9.
    pub const fn subsec_nanos(self) -> u32 {
        // The remainder of a division by 10^9 fits 32 bits.
        (self.0 % NANOS) as u32
    }

    /// How long after `earlier` this is; zero if it is before.
    pub const fn saturating_since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at [`Time::MAX`].
impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, rhs: Duration) -> Time {
        Time(
            self.0
                .saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// Saturates at [`Time::ZERO`].
impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, rhs: Duration) -> Time {
        Time(
            self.0
                .saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.unix(), self.subsec_nanos())
    }
}
