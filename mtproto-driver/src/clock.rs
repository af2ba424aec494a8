//! From the runtime's `Instant` to the machines' [`Time`].
//!
//! Does: [`Clock`], anchored once to the wall clock and advanced by the monotonic one. At every
//! reading it is compared with the wall clock, because a monotonic clock may stand still while
//! the computer sleeps.
//! In: `Instant`s. Out: `Time`s that never go back, and the way from a `Time` to an `Instant`.
//! Must not know: timers, streams, machines. Only here does the crate read the wall clock.
//! Spec: "Message Identifier (msg_id)": an id is Unix time.

use std::time::{Duration, Instant, SystemTime};

use mtproto_proto::Time;

/// The wall clock has to be further ahead than this before the clock follows it: more than what
/// a clock that is slewed or read late differs by, less than what any timer of the protocol is
/// worth.
const JUMP: Duration = Duration::from_secs(5);

/// Maps a runtime's `Instant` to the [`Time`] that machines are told.
///
/// It never goes back. It jumps forward when the wall clock turns out to be more than five
/// seconds ahead, as after the lid of a laptop was closed.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The moment at which the time was `base`.
    origin: Instant,
    base: Time,
    latest: Time,
    wall: Wall,
}

#[derive(Clone, Copy, Debug)]
enum Wall {
    System,
    None,
    #[cfg(test)]
    At(fn() -> Time),
}

impl Clock {
    /// A clock that shows the system's wall-clock time at `now`.
    pub fn system(now: Instant) -> Self {
        let base = system_time().unwrap_or(Time::ZERO);
        Clock {
            origin: now,
            base,
            latest: base,
            wall: Wall::System,
        }
    }

    /// A clock that shows `time` at `now` and advances with the runtime's clock alone: for tests
    /// with a paused or a virtual clock.
    pub fn anchored(now: Instant, time: Time) -> Self {
        Clock {
            origin: now,
            base: time,
            latest: time,
            wall: Wall::None,
        }
    }

    /// The time at `now`; never earlier than what was returned before.
    pub fn time(&mut self, now: Instant) -> Time {
        let mut time = self.base + now.saturating_duration_since(self.origin);
        if let Some(wall) = self.wall.read()
            && wall > time + JUMP
        {
            (self.origin, self.base) = (now, wall);
            time = wall;
        }
        self.latest = self.latest.max(time);
        self.latest
    }

    /// When the runtime's clock will have reached `time`; `None` if an `Instant` cannot say.
    pub fn instant(&self, time: Time) -> Option<Instant> {
        self.origin.checked_add(time.saturating_since(self.base))
    }
}

impl Wall {
    fn read(self) -> Option<Time> {
        match self {
            Wall::System => system_time(),
            Wall::None => None,
            #[cfg(test)]
            Wall::At(read) => Some(read()),
        }
    }
}

/// `None` before 1970, where a clock without a battery may stand.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the wall clock is read"
)]
fn system_time() -> Option<Time> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    Some(Time::ZERO + since)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static WALL: Cell<Time> = const { Cell::new(Time::ZERO) };
    }

    const START: Time = Time::from_unix(1_800_000_000);

    fn clock(now: Instant) -> Clock {
        WALL.set(START);
        let mut clock = Clock::anchored(now, START);
        clock.wall = Wall::At(|| WALL.get());
        clock
    }

    #[expect(clippy::disallowed_methods, reason = "any Instant will do")]
    fn any_instant() -> Instant {
        Instant::now()
    }

    #[test]
    fn advances_with_the_monotonic_clock() {
        let t0 = any_instant();
        let mut clock = clock(t0);
        let later = Duration::from_millis(1500);
        assert_eq!(clock.time(t0 + later), START + later);
        assert_eq!(clock.instant(START + later), Some(t0 + later));
    }

    #[test]
    fn follows_a_wall_clock_that_is_more_than_five_seconds_ahead() {
        let t0 = any_instant();
        let mut clock = clock(t0);

        WALL.set(START + Duration::from_secs(5));
        assert_eq!(clock.time(t0), START);

        let slept = START + Duration::from_secs(8 * 3600);
        WALL.set(slept);
        assert_eq!(clock.time(t0), slept);
        let second = Duration::from_secs(1);
        assert_eq!(clock.time(t0 + second), slept + second);
        assert_eq!(clock.instant(slept + second), Some(t0 + second));
    }

    #[test]
    fn never_goes_back() {
        let t0 = any_instant();
        let mut clock = clock(t0);
        let second = Duration::from_secs(1);
        assert_eq!(clock.time(t0 + second), START + second);

        WALL.set(START - Duration::from_secs(3600));
        assert_eq!(clock.time(t0 + second), START + second);
        assert_eq!(clock.time(t0), START + second);
    }

    #[test]
    fn a_time_out_of_reach_has_no_instant_or_one_far_ahead() {
        let t0 = any_instant();
        let clock = clock(t0);
        assert!(
            clock
                .instant(Time::MAX)
                .is_none_or(|at| at > t0 + Duration::from_secs(1 << 32))
        );
        assert_eq!(clock.instant(Time::ZERO), Some(t0));
    }
}
