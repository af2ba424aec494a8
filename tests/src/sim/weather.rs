//! What may go wrong in one stretch of a run.
//!
//! Does: [`Weather`], rolled anew for each stretch: how the line behaves, and how often the man in
//! the middle does what.
//! In: dice. Out: rates and delays.
//! Must not know: packets, machines.
//! Spec: none.

use std::time::Duration;

use super::faults::{Fault, Faults};
use crate::Dice;

/// One packet in so many.
pub(super) type OneIn = Option<u64>;

/// One stretch of a run.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    /// Nothing goes wrong.
    pub(super) calm: bool,
    pub(super) latency: Duration,
    pub(super) jitter: Duration,
    pub(super) segments: usize,
    pub(super) capacity: usize,
    /// What happens to packets.
    pub(super) loss: OneIn,
    pub(super) twice: OneIn,
    pub(super) replay: OneIn,
    pub(super) flip: OneIn,
    pub(super) bad_msg: OneIn,
    pub(super) bad_salt: OneIn,
    pub(super) detailed: OneIn,
    pub(super) forged_session: OneIn,
    pub(super) session_again: OneIn,
    pub(super) session_with_answer: OneIn,
    pub(super) status: OneIn,
    /// What becomes of calls.
    pub(super) late: OneIn,
    pub(super) unanswered: OneIn,
    pub(super) error: OneIn,
}

/// The calm at the end of each run.
const CALM: Duration = Duration::from_millis(20);

impl Weather {
    /// Nothing goes wrong.
    pub(super) fn calm() -> Self {
        Weather {
            calm: true,
            latency: CALM,
            jitter: Duration::ZERO,
            segments: usize::MAX,
            capacity: usize::MAX,
            loss: None,
            twice: None,
            replay: None,
            flip: None,
            bad_msg: None,
            bad_salt: None,
            detailed: None,
            forged_session: None,
            session_again: None,
            session_with_answer: None,
            status: None,
            late: None,
            unanswered: None,
            error: None,
        }
    }

    /// How often the one in the middle does what.
    pub(super) fn rates(&mut self) -> [&mut OneIn; 11] {
        [
            &mut self.loss,
            &mut self.twice,
            &mut self.replay,
            &mut self.flip,
            &mut self.bad_msg,
            &mut self.bad_salt,
            &mut self.detailed,
            &mut self.forged_session,
            &mut self.session_again,
            &mut self.session_with_answer,
            &mut self.status,
        ]
    }

    /// A few things go wrong, seldom or often.
    pub(super) fn roll(dice: &mut Dice, faults: &mut Faults) -> Self {
        let mut weather = Weather {
            calm: false,
            ..Weather::calm()
        };
        let ms = Duration::from_millis;
        weather.latency = ms(dice.range(1..=150));
        if dice.chance(1, 8) {
            weather.latency = ms(dice.range(500..=5_000));
            faults.count(Fault::Latency);
        }
        if dice.chance(1, 3) {
            weather.jitter = ms(dice.range(1..=2_000));
            faults.count(Fault::Jitter);
        }
        if dice.chance(1, 4) {
            weather.segments = dice.range(1..=40) as usize;
            faults.count(Fault::Segments);
        }
        if dice.chance(1, 10) {
            weather.capacity = dice.range(200..=2_000) as usize;
            faults.count(Fault::SlowReader);
        }
        for rate in weather.rates() {
            *rate = dice.chance(1, 7).then(|| dice.range(2..=40));
        }
        // Everything refused for a while: budgets are used up.
        if dice.chance(1, 40) {
            weather.bad_salt = Some(1);
        }
        weather.late = dice.chance(1, 2).then(|| dice.range(1..=8));
        weather.unanswered = dice.chance(1, 4).then(|| dice.range(3..=20));
        weather.error = dice.chance(1, 2).then(|| dice.range(2..=12));
        weather
    }
}

/// Whether it happens now.
pub(super) fn happens(dice: &mut Dice, rate: OneIn) -> bool {
    rate.is_some_and(|of| dice.chance(1, of))
}
