//! Message ids: making ours, judging the peer's, and the server's time that both depend on.
//!
//! Does: unique, increasing ids; the offset between the local clock and the server's.
//! In: the local time, ids from opened packets. Out: ids, ages, corrections.
//! Must not know: packets, requests, why an id is wanted.
//! Spec: "Message Identifier (msg_id)"; "Security Guidelines", checking msg_id.

use core::time::Duration;

use rand_core::Rng as _;

use crate::ids::MsgId;
use crate::rng::Rng;
use crate::time::Time;

/// How far in the past a message may lie: the specification's number.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(300);
/// How far in the future a message may lie: the specification's number.
pub(crate) const MAX_AHEAD: Duration = Duration::from_secs(30);
/// An answer that is this much older than its request shows that our time is wrong. TDLib's number.
const ANSWER_BEFORE_REQUEST_SECS: i64 = 15;
/// A correction below this is latency, not news.
const REPORTED_JUMP_SECS: u64 = 30;
const NANOS: i64 = 1_000_000_000;
/// Ids are believed to tell the time up to a day before their seconds run out, in January 2038: a
/// server that claims to be there already would leave us no ids that rise.
const LAST_BELIEVED_SECS: i64 = i32::MAX as i64 - 86_400;

/// The two low bits: who sends it and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parity {
    /// A client's message.
    Client = 0,
    /// A server's message that answers a client's.
    Response = 1,
    /// Any other message of a server.
    Push = 3,
}

/// How an id's time compares with the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    Fine,
    TooOld,
    TooNew,
}

/// The server's time as seen from here, and the last id that was made.
#[derive(Clone, Debug)]
pub(crate) struct MsgIds {
    /// Server time minus local time, nanoseconds.
    offset: i64,
    /// Whether the offset comes from the server and not from a hint.
    synced: bool,
    last: i64,
}

impl MsgIds {
    /// A client that was told nothing, or only a hint from an earlier run.
    pub(crate) fn unsynced(offset: i64) -> Self {
        MsgIds {
            offset,
            synced: false,
            last: 0,
        }
    }

    /// A client that knows the server's time, or the server itself (offset 0).
    pub(crate) fn synced(offset: i64) -> Self {
        MsgIds {
            offset,
            synced: true,
            last: 0,
        }
    }

    /// Server time minus local time, nanoseconds.
    pub(crate) fn offset(&self) -> i64 {
        self.offset
    }

    /// The server's time.
    pub(crate) fn server_now(&self, now: Time) -> Time {
        let nanos = signed(now).saturating_add(self.offset);
        Time::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// The next id: about the server's time, greater than every id before.
    pub(crate) fn next(&mut self, now: Time, parity: Parity, rng: &mut Rng) -> MsgId {
        let random = i64::from(rng.next_u32());
        // 22 random low bits are about a millisecond; the two lowest are the parity.
        let with_parity = |id: i64| (id & !3) | parity as i64;
        let mut id = with_parity(floor_of(self.server_now(now)) ^ (random & 0x3f_fffc));
        if id <= self.last {
            let step = (random & 0x3ff).saturating_add(1).saturating_mul(8);
            id = with_parity(self.last.saturating_add(step));
        }
        self.last = id;
        MsgId(id)
    }

    /// Learns the server's time from an authentic id of the server; the offset only grows, for a
    /// message in flight makes it look too small. Returns a correction worth reporting, seconds.
    pub(crate) fn observe(&mut self, id: MsgId, now: Time) -> Option<i64> {
        let seen = offset_from(id, now);
        if id.unix() > LAST_BELIEVED_SECS || self.synced && seen <= self.offset {
            return None;
        }
        self.set(seen)
    }

    /// The last id that was given.
    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// Ids go on above this one.
    pub(crate) fn restore(&mut self, last: i64) {
        self.last = last;
    }

    /// A new session begins: its ids may be lower than those before.
    pub(crate) fn start_again(&mut self) {
        self.last = 0;
    }

    /// Takes the server's time from this id, forwards or back; ids that have to go back need a new
    /// session. Returns a correction worth reporting, seconds.
    pub(crate) fn reset(&mut self, id: MsgId, now: Time) -> Option<i64> {
        if id.unix() > LAST_BELIEVED_SECS {
            return None;
        }
        self.set(offset_from(id, now))
    }

    fn set(&mut self, offset: i64) -> Option<i64> {
        let by = offset.saturating_sub(self.offset);
        // Rounded: an id is a little older than its arrival.
        let by = by
            .saturating_add(by.signum().saturating_mul(NANOS / 2))
            .checked_div(NANOS)
            .unwrap_or(0);
        self.offset = offset;
        self.synced = true;
        (by.unsigned_abs() > REPORTED_JUMP_SECS).then_some(by)
    }

    /// Whether an answer's id is so much older than its request's that our time must be wrong.
    pub(crate) fn answer_shows_wrong_time(answer: MsgId, request: MsgId) -> bool {
        answer.unix() < request.unix().saturating_sub(ANSWER_BEFORE_REQUEST_SECS)
    }

    /// Where an id lies in the window around the server's time; everything is fine while that
    /// time is unknown.
    pub(crate) fn age(&self, id: MsgId, now: Time) -> Age {
        if !self.synced {
            return Age::Fine;
        }
        if id.0 < self.horizon(now) {
            Age::TooOld
        } else if id.0 > floor_of(self.server_now(now) + MAX_AHEAD) {
            Age::TooNew
        } else {
            Age::Fine
        }
    }

    /// The smallest id that is not too old.
    pub(crate) fn horizon(&self, now: Time) -> i64 {
        floor_of(self.server_now(now) - MAX_AGE)
    }
}

fn signed(time: Time) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// The smallest id of a moment: whole seconds in the high half, a binary fraction in the low one.
pub(crate) fn floor_of(time: Time) -> i64 {
    // Seconds that do not fit 31 bits lie after 2038, where the id's sign would change.
    let secs = i64::try_from(time.unix())
        .unwrap_or(i64::MAX)
        .min(i64::from(i32::MAX));
    let fraction = (i64::from(time.subsec_nanos()) << 32)
        .checked_div(NANOS)
        .unwrap_or(0);
    (secs << 32).saturating_add(fraction)
}

/// The greatest id that may come at this time.
pub(crate) fn newest_possible(now: Time) -> i64 {
    floor_of(now + MAX_AHEAD)
}

fn offset_from(id: MsgId, now: Time) -> i64 {
    let fraction = (id.0 & 0xffff_ffff).saturating_mul(NANOS) >> 32;
    let nanos = id.unix().saturating_mul(NANOS).saturating_add(fraction);
    nanos.saturating_sub(signed(now))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_700_000_000);

    #[test]
    fn ids_grow_and_carry_their_parity_even_when_the_clock_stands_still() {
        let mut rng = Rng::from_seed([1; 32]);
        let mut ids = MsgIds::synced(0);
        let mut last = 0;
        for (n, parity) in [Parity::Client, Parity::Response, Parity::Push]
            .iter()
            .cycle()
            .take(9_000)
            .enumerate()
        {
            let id = ids.next(NOW, *parity, &mut rng);
            assert!(id.0 > last, "id {n}");
            assert_eq!(id.0 & 3, *parity as i64);
            assert!((id.unix() - 1_700_000_000).abs() <= 1);
            last = id.0;
        }
    }

    /// A fraction of a second whose two lowest bits are set: they become the parity.
    #[test]
    fn ids_grow_whatever_bits_the_time_has() {
        let now = NOW + Duration::from_nanos(11);
        assert_eq!(floor_of(now) & 3, 3);
        let mut rng = Rng::from_seed([2; 32]);
        for run in 0..100_000 {
            let mut ids = MsgIds::synced(0);
            let mut last = 0;
            for n in 0..100 {
                let id = ids.next(now, Parity::Client, &mut rng).0;
                assert!(id > last, "run {run}, id {n}");
                last = id;
            }
        }
    }

    #[test]
    fn the_offset_only_grows_unless_it_is_reset() {
        let mut ids = MsgIds::unsynced(0);
        let hour_ahead = MsgId(floor_of(NOW + Duration::from_secs(3600)) | 1);
        assert_eq!(ids.age(hour_ahead, NOW), Age::Fine);
        assert_eq!(ids.observe(hour_ahead, NOW), Some(3600));
        let slightly_less = MsgId(floor_of(NOW + Duration::from_secs(3590)) | 1);
        assert_eq!(ids.observe(slightly_less, NOW), None);
        assert_eq!(ids.server_now(NOW).unix(), 1_700_003_600);
        assert_eq!(ids.age(MsgId(floor_of(NOW)), NOW), Age::TooOld);
        assert_eq!(
            ids.age(MsgId(floor_of(NOW + Duration::from_secs(4000))), NOW),
            Age::TooNew
        );
        assert_eq!(ids.reset(MsgId(floor_of(NOW)), NOW), Some(-3600));
        assert_eq!(ids.age(MsgId(floor_of(NOW)), NOW), Age::Fine);
    }

    #[test]
    fn an_id_from_the_end_of_its_range_is_no_time() {
        let last = LAST_BELIEVED_SECS << 32;
        for (id, believed) in [
            (last | 1, true),
            (last + (1 << 32) + 1, false),
            (i64::MAX, false),
        ] {
            let mut observes = MsgIds::synced(0);
            observes.observe(MsgId(id), NOW);
            let mut resets = MsgIds::synced(0);
            resets.reset(MsgId(id), NOW);
            for mut ids in [observes, resets] {
                assert_eq!(ids.offset() != 0, believed, "{id:#x}");
                let mut rng = Rng::from_seed([3; 32]);
                let first = ids.next(NOW, Parity::Client, &mut rng);
                assert!(ids.next(NOW, Parity::Client, &mut rng) > first, "{id:#x}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_years_wrong_neither_overflows_nor_sticks() {
        for local in [
            Time::ZERO,
            Time::MAX,
            Time::from_unix(1),
            Time::from_unix(4_000_000_000),
        ] {
            let mut ids = MsgIds::unsynced(0);
            ids.observe(MsgId(floor_of(NOW) | 1), local);
            let off = ids
                .server_now(local)
                .saturating_since(NOW)
                .max(NOW.saturating_since(ids.server_now(local)));
            if local != Time::MAX {
                assert!(off < Duration::from_millis(1), "{local:?} {off:?}");
            }
        }
        let mut ids = MsgIds::unsynced(0);
        for id in [i64::MIN, -1, 0, 5, i64::MAX] {
            ids.reset(MsgId(id), NOW);
            let _ = ids.age(MsgId(5), NOW);
            let _ = ids.next(NOW, Parity::Client, &mut Rng::from_seed([0; 32]));
        }
    }

    #[test]
    fn the_window_holds_its_ends_and_nothing_beyond() {
        let ids = MsgIds::synced(0);
        let oldest = floor_of(NOW - Duration::from_secs(300));
        let newest = floor_of(NOW + Duration::from_secs(30));
        assert_eq!((ids.horizon(NOW), newest_possible(NOW)), (oldest, newest));
        for (id, age) in [
            (oldest - 1, Age::TooOld),
            (oldest, Age::Fine),
            (newest, Age::Fine),
            (newest + 1, Age::TooNew),
        ] {
            assert_eq!(ids.age(MsgId(id), NOW), age);
            assert_eq!(MsgIds::unsynced(0).age(MsgId(id), NOW), Age::Fine);
        }
        let half = floor_of(Time::from_unix(5) + Duration::from_millis(500));
        assert_eq!(half, (5 << 32) | 1 << 31);
    }

    #[test]
    fn a_hint_gives_way_in_both_directions_and_what_the_server_said_only_forwards() {
        let id = |secs| MsgId(floor_of(NOW + Duration::from_secs(secs)));
        let offset = |ids: &MsgIds| ids.offset() / NANOS;
        let mut ids = MsgIds::unsynced(7_200 * NANOS);
        ids.observe(id(3_600), NOW);
        assert_eq!(offset(&ids), 3_600);
        ids.observe(id(3_599), NOW);
        assert_eq!(offset(&ids), 3_600);
        ids.observe(id(3_601), NOW);
        assert_eq!(offset(&ids), 3_601);
    }

    #[test]
    fn an_answer_more_than_15_seconds_older_than_its_request_shows_a_wrong_clock() {
        let id = |secs: i64| MsgId(secs << 32);
        let shows = |answer| MsgIds::answer_shows_wrong_time(id(answer), id(100));
        assert_eq!([84, 85, 86, 101].map(shows), [true, false, false, false]);
    }
}
