//! Who has a stream: strangers and clients.
//!
//! Does: orders the streams by what they have shown and when they were last heard, so that the one
//! that has to give way is found without looking at all.
//! In: streams that come, show a key, and go. Out: which one gives way.
//! Must not know: bytes, deadlines.
//! Spec: none.

use alloc::collections::BTreeSet;

use crate::ids::{AuthKeyId, ConnId};
use crate::server::tally::Tally;
use crate::time::Time;

/// A client keeps so many streams even when a newcomer finds no place: what one needs for calls and
/// files at once.
const FAIR_STREAMS: usize = 4;

/// What a stream has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// Nothing, since it was opened.
    Stranger(Time),
    /// A packet under this key that was news, last at this time.
    Client(AuthKeyId, Time),
}

/// All streams that are being served.
#[derive(Debug, Default)]
pub(super) struct Seats {
    strangers: BTreeSet<(Time, ConnId)>,
    clients: BTreeSet<(AuthKeyId, Time, ConnId)>,
    per_key: Tally,
}

impl Seats {
    pub(super) fn len(&self) -> usize {
        self.strangers.len().saturating_add(self.clients.len())
    }

    pub(super) fn take(&mut self, seat: Seat, conn: ConnId) {
        match seat {
            Seat::Stranger(opened) => {
                self.strangers.insert((opened, conn));
            }
            Seat::Client(key, heard) => {
                self.clients.insert((key, heard, conn));
                self.per_key.add(key);
            }
        }
    }

    pub(super) fn leave(&mut self, seat: Seat, conn: ConnId) {
        match seat {
            Seat::Stranger(opened) => {
                self.strangers.remove(&(opened, conn));
            }
            Seat::Client(key, heard) => {
                if self.clients.remove(&(key, heard, conn)) {
                    self.per_key.remove(key);
                }
            }
        }
    }

    /// The stream that gives way to a newcomer: of the strangers the one that has been here for
    /// longest. Without strangers, of the client that has most, if that is more than anybody needs,
    /// the one unheard of for longest.
    pub(super) fn least(&self) -> Option<ConnId> {
        if let Some((_, conn)) = self.strangers.first() {
            return Some(*conn);
        }
        let (key, _) = self
            .per_key
            .most()
            .filter(|(_, count)| *count > FAIR_STREAMS)?;
        self.of_key(key).next()
    }

    /// The stream that gives way if this key has more than `max`, but not this one.
    pub(super) fn over(&self, key: AuthKeyId, max: usize, but: ConnId) -> Option<ConnId> {
        (self.per_key.of(key) > max)
            .then(|| self.of_key(key).find(|conn| *conn != but))
            .flatten()
    }

    /// The one unheard of for longest first.
    fn of_key(&self, key: AuthKeyId) -> impl Iterator<Item = ConnId> + '_ {
        let first = (key, Time::ZERO, ConnId(0));
        let last = (key, Time::MAX, ConnId(u64::MAX));
        self.clients.range(first..=last).map(|(_, _, conn)| *conn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: AuthKeyId = AuthKeyId(1);
    const B: AuthKeyId = AuthKeyId(2);

    fn at(second: u64) -> Time {
        Time::from_unix(second)
    }

    #[test]
    fn strangers_give_way_first_then_the_client_that_has_most() {
        let mut seats = Seats::default();
        for n in 0..5 {
            seats.take(Seat::Client(A, at(10 + n)), ConnId(n));
        }
        for n in 5..8 {
            seats.take(Seat::Client(B, at(n - 5)), ConnId(n));
        }
        seats.take(Seat::Stranger(at(20)), ConnId(9));
        seats.take(Seat::Stranger(at(19)), ConnId(8));
        let mut gone = alloc::vec::Vec::new();
        while let Some(conn) = seats.least() {
            gone.push(conn.0);
            let seat = match conn.0 {
                8 => Seat::Stranger(at(19)),
                9 => Seat::Stranger(at(20)),
                n => Seat::Client(A, at(10 + n)),
            };
            seats.leave(seat, conn);
        }
        assert_eq!(gone, [8, 9, 0], "then nobody has more than anybody needs");
        assert_eq!(seats.len(), 7);
        assert_eq!(seats.over(B, 3, ConnId(5)), None);
        assert_eq!(seats.over(B, 2, ConnId(5)), Some(ConnId(6)));
        assert_eq!(seats.over(B, 2, ConnId(7)), Some(ConnId(5)));
    }
}
