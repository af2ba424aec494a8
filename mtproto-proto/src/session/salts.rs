//! Server salts: which one to send with, and which ones a server accepts.
//!
//! Does: [`Salts`] for a client: the current one and those announced. [`ServerSalts`] for a
//! server: one for each half hour, derived from a secret.
//! In: the server's time; what a server said. Out: a salt, or whether one is valid.
//! Must not know: packets, requests.
//! Spec: "Server Salt"; "Service Messages", getting a salt in advance.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use mtproto_schema::mtproto::types;
use rand_core::Rng as _;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::ids::AuthKeyId;
use crate::rng::Rng;
use crate::session::{Session, Side};
use crate::time::Time;

/// Salts asked for at once, and kept at most: the specification's upper bound.
pub(crate) const MAX_FUTURE: usize = 64;
/// A salt has to be good for this much longer to be used. TDLib's number.
const MARGIN: Duration = Duration::from_secs(60);
/// A salt whose end nobody told is trusted for so long. TDLib's number.
const TRUSTED: Duration = Duration::from_secs(600);

/// A salt with the time in which the server accepts it (server time).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Salt {
    pub(crate) since: Time,
    pub(crate) until: Time,
    pub(crate) salt: i64,
}

/// What a client knows of a key's salts.
#[derive(Clone, PartialEq, Eq)]
pub struct Salts {
    current: Salt,
    /// Sorted by beginning, at most [`MAX_FUTURE`].
    future: Vec<Salt>,
}

impl Salts {
    /// The first salt, from the handshake or made up: the server answers a made-up one with
    /// `bad_server_salt`.
    pub(crate) fn new(salt: i64, until: Time) -> Self {
        Salts {
            current: Salt {
                since: Time::ZERO,
                until,
                salt,
            },
            future: Vec::new(),
        }
    }

    /// Nothing is known: the first packet carries an invented salt, which the server corrects.
    pub fn unknown() -> Self {
        Salts::new(0, Time::ZERO)
    }

    /// From the handshake: good for ten minutes unless the server says more.
    pub fn first(salt: i64, server_now: Time) -> Self {
        Salts::new(salt, server_now + TRUSTED)
    }

    /// The same, with a random salt if none is known: 0 would look like none.
    pub(crate) fn or_made_up(mut self, rng: &mut Rng) -> Self {
        while self.current.salt == 0 {
            self.current.salt = rng.next_u64().cast_signed();
        }
        self
    }

    /// The parts, to be stored.
    pub(crate) fn parts(&self) -> (Salt, &[Salt]) {
        (self.current, &self.future)
    }

    /// From stored parts.
    pub(crate) fn from_parts(current: Salt, future: Vec<Salt>) -> Self {
        let mut salts = Salts { current, future };
        salts.future.sort_by_key(|salt| salt.since);
        salts.future.truncate(MAX_FUTURE);
        salts
    }

    /// The salt to send with.
    pub(crate) fn get(&mut self, server_now: Time) -> i64 {
        while self
            .future
            .first()
            .is_some_and(|next| next.since <= server_now)
        {
            let next = self.future.remove(0);
            if next.until > self.current.until {
                self.current = next;
            }
        }
        self.current.salt
    }

    /// Whether new ones should be asked for: nothing follows the current one for long. Asking while
    /// it is good is what lets a stored key begin without a question a day later.
    pub(crate) fn needs_more(&self, server_now: Time) -> bool {
        self.future
            .last()
            .is_none_or(|last| last.until <= server_now + MARGIN)
    }

    /// Whether the server is expected to accept the salt of [`Salts::get`].
    pub(crate) fn is_valid(&self, server_now: Time) -> bool {
        self.current.until > server_now + MARGIN
    }

    /// `bad_server_salt` named this one: what was announced before is worth nothing.
    pub(crate) fn replace(&mut self, salt: i64, server_now: Time) {
        *self = Salts::first(salt, server_now);
    }

    /// `future_salts` announced these. What is over is left out.
    pub(crate) fn learn(&mut self, announced: &[types::FutureSalt], server_now: Time) {
        let mut known: Vec<Salt> = announced
            .iter()
            .map(|salt| Salt {
                since: from_unix(salt.valid_since),
                until: from_unix(salt.valid_until),
                salt: salt.salt,
            })
            .filter(|salt| salt.until > server_now && salt.since < salt.until)
            .take(MAX_FUTURE)
            .collect();
        if known.is_empty() {
            return;
        }
        known.sort_by_key(|salt| salt.since);
        if let Some(current) = known.iter().find(|salt| salt.salt == self.current.salt) {
            self.current = *current;
        }
        self.future = known;
        let _ = self.get(server_now);
    }
}

/// Salts are not secret, but they belong with a key that is.
impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Salts(until {:?}, {} more)",
            self.current.until,
            self.future.len()
        )
    }
}

fn from_unix(secs: i32) -> Time {
    Time::from_unix(u64::try_from(secs).unwrap_or(0))
}

/// A server's salts of one key: each half hour has its own, made from a secret, so that nothing is
/// stored and a restart with the same secret changes nothing.
#[derive(Clone)]
pub struct ServerSalts {
    secret: [u8; 32],
    key: AuthKeyId,
    /// The salt that both sides computed in the handshake, and until when it is accepted.
    first: Option<(i64, Time)>,
    /// The salts of a period and of those that follow, as far as a client has asked for them. It may
    /// ask a thousand times in one packet, and each is a hash.
    computed: (u64, Vec<i64>),
}

/// Length of one salt's time: the specification's number.
const PERIOD: u64 = 1800;

impl ServerSalts {
    /// The salts of a key. `first` is the handshake's salt and the time of the handshake.
    pub fn new(secret: [u8; 32], key: AuthKeyId, first: Option<(i64, Time)>) -> Self {
        // As long as any other salt: its period and one more.
        let first = first.map(|(salt, made)| (salt, made + Duration::from_secs(2 * PERIOD)));
        ServerSalts {
            secret,
            key,
            first,
            computed: (0, Vec::new()),
        }
    }

    fn of_period(&self, period: u64) -> i64 {
        let digest = Sha256::new()
            .chain_update(self.secret)
            .chain_update(self.key.0.to_le_bytes())
            .chain_update(period.to_le_bytes())
            .finalize();
        let mut salt = [0; 8];
        for (to, from) in salt.iter_mut().zip(digest) {
            *to = from;
        }
        i64::from_le_bytes(salt)
    }

    /// The salt of this half hour, by the server's clock.
    pub fn current(&self, now: Time) -> i64 {
        self.of_period(now.unix() / PERIOD)
    }

    /// Whether a client may send with this salt now: it is this half hour's, the last one's, or
    /// the handshake's.
    pub(crate) fn accepts(&self, salt: i64, now: Time) -> bool {
        let period = now.unix() / PERIOD;
        salt == self.of_period(period)
            || salt == self.of_period(period.saturating_sub(1))
            || self
                .first
                .is_some_and(|(first, until)| salt == first && now < until)
    }

    /// The answer to `get_future_salts`: this half hour's salt and those that follow.
    pub(crate) fn future(&mut self, count: i32, now: Time) -> Vec<types::FutureSalt> {
        let count = usize::try_from(count).unwrap_or(0).clamp(1, MAX_FUTURE);
        let first = now.unix() / PERIOD;
        if self.computed.0 != first {
            self.computed = (first, Vec::new());
        }
        let known = u64::try_from(self.computed.1.len()).unwrap_or(u64::MAX);
        let end = first.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        for period in first.saturating_add(known)..end {
            let salt = self.of_period(period);
            self.computed.1.push(salt);
        }
        (first..end)
            .zip(&self.computed.1)
            .map(|(period, salt)| types::FutureSalt {
                valid_since: unix_i32(period.saturating_mul(PERIOD)),
                // Accepted for one more period.
                valid_until: unix_i32(period.saturating_add(2).saturating_mul(PERIOD)),
                salt: *salt,
            })
            .collect()
    }
}

impl Session {
    /// Goes on with other salts, as when the secret behind them was changed: the client is told with
    /// its next packet. Server; `false` for a client's session.
    pub fn replace_salts(&mut self, salts: ServerSalts) -> bool {
        match &mut self.side {
            Side::Server(server) => {
                server.salts = salts;
                true
            }
            Side::Client(_) => false,
        }
    }
}

impl Drop for ServerSalts {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for ServerSalts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerSalts({})", self.key)
    }
}

fn unix_i32(secs: u64) -> i32 {
    i32::try_from(secs).unwrap_or(i32::MAX)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests")]
mod tests {
    use super::*;

    const NOW: Time = Time::from_unix(1_700_000_000);

    #[test]
    fn a_client_follows_the_announced_salts_and_a_server_accepts_each() {
        let mut server = ServerSalts::new([7; 32], AuthKeyId(1), Some((42, NOW)));
        let mut client = Salts::first(42, NOW);
        assert!(server.accepts(client.get(NOW), NOW));
        client.learn(&server.future(64, NOW), NOW);
        assert!(!client.needs_more(NOW));
        for minutes in 0..(31 * 60) {
            let now = NOW + Duration::from_secs(minutes * 60);
            assert!(
                client.is_valid(now) || client.needs_more(now),
                "minute {minutes}"
            );
            assert!(server.accepts(client.get(now), now), "minute {minutes}");
        }
        let later = NOW + Duration::from_secs(40 * 3600);
        assert!(client.needs_more(later));
        assert!(!server.accepts(client.get(later), later));
    }

    #[test]
    fn salts_that_were_computed_are_those_that_would_be() {
        let mut server = ServerSalts::new([7; 32], AuthKeyId(1), None);
        for (count, hours) in [
            (3, 0),
            (1, 0),
            (64, 0),
            (i32::MAX, 0),
            (-5, 0),
            (2, 9),
            (64, 9),
        ] {
            let now = NOW + Duration::from_secs(hours * 3600);
            let salts = server.future(count, now);
            let len = usize::try_from(count).unwrap_or(0).clamp(1, MAX_FUTURE);
            assert_eq!(salts.len(), len, "{count}");
            for salt in salts {
                let since = from_unix(salt.valid_since);
                assert_eq!(salt.salt, server.current(since));
                assert_eq!(
                    from_unix(salt.valid_until),
                    since + Duration::from_secs(3600)
                );
            }
        }
    }

    #[test]
    fn a_salt_that_replaced_a_bad_one_is_trusted_for_ten_minutes() {
        let mut client = Salts::new(0, Time::ZERO);
        assert!(client.needs_more(NOW));
        client.replace(9, NOW);
        assert_eq!(client.get(NOW), 9);
        assert!(client.is_valid(NOW + Duration::from_secs(500)));
        assert!(!client.is_valid(NOW + Duration::from_secs(590)));
    }

    #[test]
    fn a_server_accepts_this_period_s_salt_the_last_one_s_and_the_handshake_s_for_an_hour() {
        let server = ServerSalts::new([7; 32], AuthKeyId(1), Some((42, NOW)));
        let period = |n: u64| server.of_period(NOW.unix() / PERIOD + n);
        let at = |secs| NOW + Duration::from_secs(secs);
        let begin = Time::from_unix((NOW.unix() / PERIOD + 5) * PERIOD);
        let end = begin + Duration::from_secs(PERIOD - 1);
        for now in [begin, end] {
            let accepted = [3, 4, 5, 6, 7].map(|n| server.accepts(period(n), now));
            assert_eq!(accepted, [false, true, true, false, false]);
        }
        assert!(server.accepts(42, at(0)) && server.accepts(42, at(3_599)));
        assert!(!server.accepts(42, at(3_600)) && !server.accepts(42, at(3_601)));
        assert!(!server.accepts(41, at(0)));
        let stored = ServerSalts::new([7; 32], AuthKeyId(1), None);
        assert!(!stored.accepts(42, at(0)) && !stored.accepts(0, at(0)));
        assert!(stored.accepts(period(0), NOW));
    }

    #[test]
    fn a_salt_is_valid_while_it_lasts_for_more_than_a_minute() {
        let salts = Salts::new(9, NOW + MARGIN);
        assert!(salts.is_valid(Time::from_nanos(NOW.as_nanos() - 1)));
        assert!(!salts.is_valid(NOW));
        assert!(!salts.is_valid(NOW + Duration::from_nanos(1)));
    }
}
