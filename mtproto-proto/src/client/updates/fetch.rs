//! How a box waits for its difference.
//!
//! Does: the states of a fetch, and the pauses between attempts.
//! In: the time, the number of the attempt. Out: when to try again.
//! Must not know: what is fetched.
//! Spec: "Working with updates", "Recovering gaps"; the pauses are TDLib's.

use core::time::Duration;

use super::NeedId;
use crate::error::RequestError;
use crate::time::Time;

/// The pause after the sixth failure and later; a third of it is added by chance.
const LONGEST: Duration = Duration::from_secs(60);

/// The longest pause that an error of the server may ask for.
const LONGEST_FLOOD: Duration = Duration::from_secs(3_600);

/// Answers in a row that lead nowhere and are followed by the next call at once: a counter that is
/// fetched anew takes three (the difference, the state, the difference from there).
const MAX_HASTE: u32 = 3;

/// How often a box has lately asked in a row without coming forward. A server may give reasons to
/// ask again in every answer; then the pauses are those after failures.
#[derive(Debug)]
pub(super) struct Haste {
    times: u32,
    last: Time,
}

impl Default for Haste {
    fn default() -> Self {
        Haste {
            times: 0,
            last: Time::from_nanos(0),
        }
    }
}

impl Haste {
    /// There is a reason to ask again after an answer that brought the box forward, or did not.
    pub fn go_on(&mut self, now: Time, forward: bool, salt: u64) -> Fetch {
        if !forward {
            self.times = self.times.saturating_add(1);
            self.last = now;
        }
        match self.times.checked_sub(MAX_HASTE) {
            None | Some(0) => Fetch::Ready,
            Some(more) => Fetch::Waiting(now + backoff(more, salt)),
        }
    }

    /// There is none. What else the answer brought may give one at once, so the count is kept for
    /// as long as a pause may be.
    pub fn rest(&mut self, now: Time) {
        if self.last + LONGEST <= now {
            self.times = 0;
        }
    }
}

/// Where a box is with its difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fetch {
    /// None is needed.
    #[default]
    Idle,
    /// It is asked for then.
    Waiting(Time),
    /// It is asked for as soon as there is room.
    Ready,
    /// A channel whose access hash is not known: the common difference may bring it.
    Blocked,
    /// It was asked for.
    Asked(NeedId),
    /// It is here and handed on as there is room.
    Staged,
}

impl Fetch {
    /// Whether updates that come have to wait.
    pub fn is_frozen(self) -> bool {
        self != Fetch::Idle
    }

    /// A difference is needed, from now on. `true` if one that is under way cannot be trusted to
    /// have it.
    #[must_use]
    pub fn want(&mut self) -> bool {
        match self {
            Fetch::Idle => {
                *self = Fetch::Ready;
                false
            }
            Fetch::Waiting(_) | Fetch::Ready | Fetch::Blocked => false,
            Fetch::Asked(_) | Fetch::Staged => true,
        }
    }

    /// The pause is over.
    pub fn wake(&mut self, now: Time) {
        if let Fetch::Waiting(at) = self
            && *at <= now
        {
            *self = Fetch::Ready;
        }
    }

    /// When the pause is over.
    pub fn timeout(self) -> Option<Time> {
        match self {
            Fetch::Waiting(at) => Some(at),
            Fetch::Idle | Fetch::Ready | Fetch::Blocked | Fetch::Asked(_) | Fetch::Staged => None,
        }
    }
}

/// The pause after so many failures in a row: 1, 2, 4 .. 32 s, then 60 to 80 s; each a fifth longer
/// or shorter, by `salt`, so that a thousand clients do not come back at once.
pub(super) fn backoff(failures: u32, salt: u64) -> Duration {
    let dice = mix(salt);
    if failures > 6 {
        return LONGEST.saturating_add(Duration::from_millis(dice % 20_000));
    }
    let whole = Duration::from_secs(1_u64 << failures.saturating_sub(1).min(5));
    let percent = u32::try_from(dice % 41)
        .unwrap_or_default()
        .saturating_add(80);
    whole
        .saturating_mul(percent)
        .checked_div(100)
        .unwrap_or(whole)
}

/// The pause that the error asks for.
pub(super) fn pause_of(error: &RequestError) -> Duration {
    let RequestError::Rpc(error) = error else {
        return Duration::ZERO;
    };
    let seconds = error
        .message
        .strip_prefix("FLOOD_WAIT_")
        .and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default()).min(LONGEST_FLOOD)
}

/// Whether the error's name is this.
pub(super) fn is_rpc(error: &RequestError, names: &[&str]) -> bool {
    matches!(error, RequestError::Rpc(error) if names.contains(&error.message.as_str()))
}

/// SplitMix64's mixing: neighbouring salts give unrelated numbers.
fn mix(salt: u64) -> u64 {
    let z = salt.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
