//! How often something may be done, with bursts.
//!
//! Does: [`Rate`] says how often; [`Allowance`] keeps how much of it is spent, in one number.
//! In: the time, the price of what is to be done. Out: whether it may be done now.
//! Must not know: what is done, and for whom.
//! Spec: "Creating an Authorization Key": handshakes are to be limited.

use core::time::Duration;

use crate::time::Time;

/// So much within a period, at any moment of it: all at once too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// What one costs, in time that has to pass; `None`: it may never be done.
    each: Option<Duration>,
    period: Duration,
}

impl Rate {
    pub(super) fn new(count: u32, period: Duration) -> Self {
        Rate {
            each: period.checked_div(count),
            period,
        }
    }
}

/// What is spent of a [`Rate`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    /// When everything that was spent has been earned again.
    repaid: Time,
}

impl Allowance {
    /// The same after another one was done, `parts` of which cost as much as one; `None` if it must
    /// not be done now.
    pub(super) fn spend(self, now: Time, rate: Rate, parts: u32) -> Option<Self> {
        let price = rate.each?.checked_div(parts)?;
        let repaid = self.repaid.max(now) + price;
        (repaid <= now + rate.period).then_some(Allowance { repaid })
    }

    /// When everything that was spent has been earned again.
    pub(super) fn repaid(self) -> Time {
        self.repaid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_700_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    /// How often it can be done at this moment.
    fn times(allowance: &mut Allowance, now: Time, rate: Rate, parts: u32) -> u32 {
        let mut times = 0_u32;
        while times < 10_000
            && let Some(spent) = allowance.spend(now, rate, parts)
        {
            *allowance = spent;
            times = times.saturating_add(1);
        }
        times
    }

    #[test]
    fn a_period_s_worth_at_once_and_then_one_after_the_other() {
        let (mut allowance, rate) = (Allowance::default(), Rate::new(30, MINUTE));
        assert_eq!(times(&mut allowance, NOW, rate, 1), 30);
        assert_eq!(allowance.repaid(), NOW + MINUTE);
        let soon = NOW + Duration::from_secs(1);
        assert_eq!(times(&mut allowance, soon, rate, 1), 0);
        let later = NOW + Duration::from_secs(5);
        assert_eq!(times(&mut allowance, later, rate, 1), 2);
        assert_eq!(times(&mut allowance, NOW + MINUTE * 9, rate, 1), 30);
    }

    #[test]
    fn what_costs_a_part_can_be_done_as_often_more() {
        let (mut allowance, rate) = (Allowance::default(), Rate::new(30, MINUTE));
        assert_eq!(times(&mut allowance, NOW, rate, 64), 30 * 64);
    }

    #[test]
    fn none_is_none_and_very_many_are_all() {
        let mut allowance = Allowance::default();
        assert_eq!(times(&mut allowance, NOW, Rate::new(0, MINUTE), 1), 0);
        let all = Rate::new(u32::MAX, Duration::from_secs(1));
        assert_eq!(times(&mut allowance, NOW, all, 1), 10_000);
        assert_eq!(
            times(&mut allowance, Time::MAX, Rate::new(1, MINUTE), 1),
            10_000
        );
    }
}
