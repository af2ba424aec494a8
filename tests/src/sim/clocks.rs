//! Clocks that are wrong.
//!
//! Does: rolls how wrong; converts between spans, moments and the machines' offsets.
//! In: dice. Out: nanoseconds.
//! Must not know: whose clock it is.
//! Spec: none.

use std::time::Duration;

use mtproto_proto::Time;

use super::faults::{Fault, Faults};
use crate::Dice;

const NANOS: i128 = 1_000_000_000;

/// How far a clock is ahead, in nanoseconds: mostly right, else off by up to seconds, minutes, hours
/// or ten years, either way.
pub(super) fn roll(dice: &mut Dice, faults: &mut Faults, fault: Fault) -> i128 {
    const SPANS: [u64; 5] = [20, 1_000, 20_000, 2_000_000, 10 * 365 * 86_400];
    if dice.chance(1, 2) {
        return 0;
    }
    faults.count(fault);
    let most = *dice.choose(&SPANS);
    let off = i128::from(dice.range(0..=most)) * NANOS;
    if dice.chance(1, 2) { off } else { -off }
}

/// A span in nanoseconds.
pub(super) fn nanos(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

/// Server time minus local time, as the machines keep it.
pub(super) fn offset(server: Time, local: Time) -> i64 {
    let nanos = i128::from(server.as_nanos()) - i128::from(local.as_nanos());
    i64::try_from(nanos).unwrap_or_default()
}
