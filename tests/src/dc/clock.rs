//! The one place of the kit that reads a clock.
//!
//! Does: [`Clock`], anchored to the wall clock once and advanced by the monotonic one.
//! In: nothing. Out: [`Time`].
//! Must not know: who needs the time.
//! Spec: "Message Identifier (msg_id)": ids are Unix time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mtproto_proto::Time;

/// A clock that starts at the wall clock's time and never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Duration,
    anchor: Instant,
}

impl Clock {
    /// A clock that is right now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the test DC is a program: it has to know the time"
    )]
    pub fn start() -> Self {
        Clock {
            // Before 1970 the protocol has no time.
            wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            anchor: Instant::now(),
        }
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time::ZERO + self.wall + self.anchor.elapsed()
    }
}
