//! Two machines on two wires under a virtual clock.
//!
//! Does: [`Pair`] drives both ends of a stream as a driver would, jumps from event to event, and
//! fails on a busy loop. Hours pass in milliseconds, and a run is repeatable from its seed.
//! In: two [`Machine`]s, a [`Seed`], faults set on the wires. Out: events, errors, the final state.
//! Must not know: what the machines say to each other.
//! Spec: none; the contract of [`Machine`] is what it relies on and checks.
//!
//! ```
//! # use std::convert::Infallible;
//! # use std::time::Duration;
//! # use mtproto_proto::{Machine, Time};
//! use mtproto_test::{Seed, pair};
//! # struct Echo(Vec<u8>, bool);
//! # impl Machine for Echo {
//! #     type Event = usize;
//! #     type Error = Infallible;
//! #     fn handle_input(&mut self, _: Time, bytes: &[u8]) -> Result<(), Infallible> {
//! #         self.0.extend(bytes); self.1 |= self.0.len() < 40; Ok(())
//! #     }
//! #     fn handle_eof(&mut self, _: Time) -> Result<(), Infallible> { Ok(()) }
//! #     fn handle_timeout(&mut self, _: Time) -> Result<(), Infallible> { Ok(()) }
//! #     fn poll_transmit(&mut self, _: Time, out: &mut Vec<u8>) -> bool {
//! #         if self.1 { out.extend(&self.0); out.push(1); }
//! #         std::mem::take(&mut self.1)
//! #     }
//! #     fn poll_event(&mut self) -> Option<usize> { None }
//! #     fn poll_timeout(&self) -> Option<Time> { None }
//! # }
//! # let (client, server) = (Echo(vec![], true), Echo(vec![], false));
//! let mut pair = pair(client, server, Seed(7));
//! pair.client_to_server.segments(1..=3).latency(Duration::from_millis(40));
//! pair.run_for(Duration::from_secs(5))?;
//! assert!(pair.client_error().is_none());
//! # Ok::<(), mtproto_test::pair::BusyLoop>(())
//! ```

use std::fmt;
use std::time::Duration;

use mtproto_proto::{Machine, Time};

use crate::wire::Arrival;
use crate::{Dice, Seed, Wire};

/// When every run begins: 2026-01-01 00:00:00 UTC. A fixed date, so that message ids repeat.
pub const START: Time = Time::from_unix(1_767_225_600);

/// Calls into one machine at one instant; 5,000 requests at once make about 20,000.
const MAX_CALLS_PER_INSTANT: u32 = 100_000;

/// Timers of one machine in one virtual second; the fastest that the design has, the coalescing
/// delay of a millisecond, could fire that often.
const MAX_TIMEOUTS_PER_SECOND: u32 = 1_000;

/// Which machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that opened the stream.
    Client,
    /// The one that accepted it.
    Server,
}

/// A machine that keeps its driver busy without getting anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyLoop {
    /// Which machine it was.
    pub side: Side,
    /// When, on the clock of the pair.
    pub at: Time,
    /// What it did.
    pub why: Busy,
    /// The number that repeats the run.
    pub seed: Seed,
}

/// How a machine keeps its driver busy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Busy {
    /// After `handle_timeout` the next timer was not later than the time given to it.
    TimerNotMoved {
        /// The time that `handle_timeout` was given.
        given: Time,
        /// What `poll_timeout` said next.
        next: Time,
    },
    /// More timers in one second than a machine can have use for.
    TooManyTimers,
    /// More calls at one instant than a machine can have use for.
    TooManyCalls,
    /// `poll_transmit` returned `true` and appended nothing.
    EmptyTransmit,
}

impl fmt::Display for BusyLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the {:?} loops at {:?}: {:?}; seed {}",
            self.side, self.at, self.why, self.seed
        )
    }
}

impl std::error::Error for BusyLoop {}

/// A client machine over `client`, a server machine over `server`, and a stream between them.
pub fn pair<C: Machine, S: Machine>(client: C, server: S, seed: Seed) -> Pair<C, S> {
    Pair::new(client, server, seed)
}

/// Two machines, the two directions of their stream, and the clock.
pub struct Pair<C: Machine, S: Machine> {
    /// The machine that opened the stream.
    pub client: C,
    /// The machine that accepted it.
    pub server: S,
    /// What the client writes.
    pub client_to_server: Wire,
    /// What the server writes.
    pub server_to_client: Wire,
    now: Time,
    seed: Seed,
    client_end: End<C>,
    server_end: End<S>,
}

/// What a driver keeps for its machine.
struct End<M: Machine> {
    side: Side,
    /// Written by the machine, not yet taken by the wire.
    outbox: Vec<u8>,
    events: Vec<M::Event>,
    holds_events: bool,
    error: Option<M::Error>,
    /// The stream is over: nothing goes into the machine any more.
    over: bool,
    /// The machine's clock less the pair's, in nanoseconds.
    skew: i128,
    instant: (Time, u32),
    second: (u64, u32),
}

impl<C: Machine, S: Machine> Pair<C, S> {
    /// A pair at [`START`], on wires without faults.
    pub fn new(client: C, server: S, seed: Seed) -> Self {
        let mut dice = Dice::new(seed);
        Pair {
            client,
            server,
            client_to_server: Wire::new(dice.fork()),
            server_to_client: Wire::new(dice.fork()),
            now: START,
            seed,
            client_end: End::new(Side::Client),
            server_end: End::new(Side::Server),
        }
    }

    /// The time on the pair's clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The time on the client's clock.
    pub fn client_now(&self) -> Time {
        self.client_end.local(self.now)
    }

    /// The time on the server's clock.
    pub fn server_now(&self) -> Time {
        self.server_end.local(self.now)
    }

    /// Sets the client's clock this many seconds ahead of the pair's; negative: behind.
    pub fn skew_client(&mut self, seconds: i64) {
        self.client_end.skew = i128::from(seconds) * 1_000_000_000;
    }

    /// Sets the server's clock this many seconds ahead of the pair's; negative: behind.
    pub fn skew_server(&mut self, seconds: i64) {
        self.server_end.skew = i128::from(seconds) * 1_000_000_000;
    }

    /// Whether the client's application takes its events; a slow one does not.
    pub fn hold_client_events(&mut self, hold: bool) {
        self.client_end.holds_events = hold;
    }

    /// Whether the server's application takes its events; a slow one does not.
    pub fn hold_server_events(&mut self, hold: bool) {
        self.server_end.holds_events = hold;
    }

    /// The client's events since the last call.
    pub fn client_events(&mut self) -> Vec<C::Event> {
        std::mem::take(&mut self.client_end.events)
    }

    /// The server's events since the last call.
    pub fn server_events(&mut self) -> Vec<S::Event> {
        std::mem::take(&mut self.server_end.events)
    }

    /// Why the client ended the stream, if it did.
    pub fn client_error(&self) -> Option<&C::Error> {
        self.client_end.error.as_ref()
    }

    /// Why the server ended the stream, if it did.
    pub fn server_error(&self) -> Option<&S::Error> {
        self.server_end.error.as_ref()
    }

    /// Whether the stream is over at both ends.
    pub fn is_over(&self) -> bool {
        self.client_end.over && self.server_end.over
    }

    /// Lets `time` pass.
    ///
    /// # Errors
    /// If a machine keeps its driver busy without getting anywhere.
    pub fn run_for(&mut self, time: Duration) -> Result<(), BusyLoop> {
        self.run_until(time, |_| false).map(drop)
    }

    /// Lets time pass until `done` holds after some instant, at most `limit`; whether it held.
    ///
    /// # Errors
    /// If a machine keeps its driver busy without getting anywhere.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Result<bool, BusyLoop> {
        let end = self.now + limit;
        loop {
            self.settle()?;
            if done(self) {
                return Ok(true);
            }
            // What `done` did may have given the machines something to write.
            self.settle()?;
            match self.next_instant() {
                Some(at) if at <= end => self.now = self.now.max(at),
                Some(_) | None => {
                    self.now = end;
                    return Ok(false);
                }
            }
        }
    }

    /// Puts the machines on a new stream at this instant: `remake` gets the old ones and gives the
    /// new ones. The clock, the wires' delays and the events that nobody has taken stay.
    pub fn reconnect<C2, S2>(self, remake: impl FnOnce(C, S, Time) -> (C2, S2)) -> Pair<C2, S2>
    where
        C2: Machine<Event = C::Event>,
        S2: Machine<Event = S::Event>,
    {
        let (mut client_to_server, mut server_to_client) =
            (self.client_to_server, self.server_to_client);
        client_to_server.renew();
        server_to_client.renew();
        let (client, server) = remake(self.client, self.server, self.now);
        Pair {
            client,
            server,
            client_to_server,
            server_to_client,
            now: self.now,
            seed: self.seed,
            client_end: self.client_end.renewed(),
            server_end: self.server_end.renewed(),
        }
    }

    /// Drives both machines at this instant until neither has anything to do.
    fn settle(&mut self) -> Result<(), BusyLoop> {
        let fail = |(side, why)| BusyLoop {
            side,
            at: self.now,
            why,
            seed: self.seed,
        };
        loop {
            let client = self
                .client_end
                .turn(
                    &mut self.client,
                    self.now,
                    &mut self.server_to_client,
                    &mut self.client_to_server,
                )
                .map_err(fail)?;
            let server = self
                .server_end
                .turn(
                    &mut self.server,
                    self.now,
                    &mut self.client_to_server,
                    &mut self.server_to_client,
                )
                .map_err(fail)?;
            if !client && !server {
                return Ok(());
            }
        }
    }

    fn next_instant(&self) -> Option<Time> {
        [
            self.client_to_server
                .next_arrival()
                .filter(|_| !self.server_end.over),
            self.server_to_client
                .next_arrival()
                .filter(|_| !self.client_end.over),
            self.client_end.next_timeout(&self.client),
            self.server_end.next_timeout(&self.server),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl<M: Machine> End<M> {
    fn new(side: Side) -> Self {
        End {
            side,
            outbox: Vec::new(),
            events: Vec::new(),
            holds_events: false,
            error: None,
            over: false,
            skew: 0,
            instant: (Time::ZERO, 0),
            second: (0, 0),
        }
    }

    fn renewed<M2: Machine<Event = M::Event>>(self) -> End<M2> {
        End {
            events: self.events,
            holds_events: self.holds_events,
            skew: self.skew,
            ..End::new(self.side)
        }
    }

    fn local(&self, now: Time) -> Time {
        shift(now, self.skew)
    }

    fn next_timeout(&self, machine: &M) -> Option<Time> {
        machine
            .poll_timeout()
            .filter(|_| !self.over)
            .map(|at| shift(at, -self.skew))
    }

    /// One turn of a driver: read, fire timers, write, take events. Whether anything happened.
    fn turn(
        &mut self,
        machine: &mut M,
        now: Time,
        incoming: &mut Wire,
        outgoing: &mut Wire,
    ) -> Result<bool, (Side, Busy)> {
        let mut busy = false;
        let local = self.local(now);
        if !self.over {
            while let Some(arrival) = incoming.read(now) {
                busy = true;
                self.count_call(now)?;
                let (result, end) = match arrival {
                    Arrival::Bytes(bytes) => (machine.handle_input(local, &bytes), false),
                    Arrival::End => (machine.handle_eof(local), true),
                };
                if self.conclude(result.err(), end) {
                    break;
                }
            }
        }
        if !self.over
            && let Some(due) = machine.poll_timeout()
            && due <= local
        {
            busy = true;
            self.count_timeout(now)?;
            let result = machine.handle_timeout(local);
            if !self.conclude(result.err(), false)
                && let Some(next) = machine.poll_timeout()
                && next <= local
            {
                let given = local;
                return Err((self.side, Busy::TimerNotMoved { given, next }));
            }
        }
        busy |= self.write(machine, now, outgoing)?;
        if !self.holds_events {
            while let Some(event) = machine.poll_event() {
                busy = true;
                self.count_call(now)?;
                self.events.push(event);
            }
        }
        Ok(busy)
    }

    /// Notes the end of the stream; whether it is over.
    fn conclude(&mut self, error: Option<M::Error>, end: bool) -> bool {
        self.over |= end || error.is_some();
        if error.is_some() {
            self.error = error;
        }
        self.over
    }

    /// Writes while the wire takes bytes. When the stream is over, what the machine still gives
    /// goes out (its last frame), and then our direction is closed.
    fn write(
        &mut self,
        machine: &mut M,
        now: Time,
        outgoing: &mut Wire,
    ) -> Result<bool, (Side, Busy)> {
        let mut busy = false;
        loop {
            if !self.outbox.is_empty() {
                let taken = outgoing.write(now, &self.outbox);
                self.outbox.drain(..taken);
                busy |= taken > 0;
                if !self.outbox.is_empty() {
                    return Ok(busy);
                }
            }
            if outgoing.is_full() {
                return Ok(busy);
            }
            self.count_call(now)?;
            if !machine.poll_transmit(self.local(now), &mut self.outbox) {
                break;
            }
            busy = true;
            if self.outbox.is_empty() {
                return Err((self.side, Busy::EmptyTransmit));
            }
        }
        if self.over {
            outgoing.close(now);
        }
        Ok(busy)
    }

    fn count_call(&mut self, now: Time) -> Result<(), (Side, Busy)> {
        if self.instant.0 != now {
            self.instant = (now, 0);
        }
        self.instant.1 += 1;
        if self.instant.1 > MAX_CALLS_PER_INSTANT {
            return Err((self.side, Busy::TooManyCalls));
        }
        Ok(())
    }

    fn count_timeout(&mut self, now: Time) -> Result<(), (Side, Busy)> {
        if self.second.0 != now.unix() {
            self.second = (now.unix(), 0);
        }
        self.second.1 += 1;
        if self.second.1 > MAX_TIMEOUTS_PER_SECOND {
            return Err((self.side, Busy::TooManyTimers));
        }
        Ok(())
    }
}

/// Moves a time by nanoseconds, saturating at both ends of [`Time`].
fn shift(time: Time, nanos: i128) -> Time {
    let shifted = (i128::from(time.as_nanos()) + nanos).clamp(0, i128::from(u64::MAX));
    Time::from_nanos(shifted as u64)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Sends numbered bytes on a timer, counts what it reads, and fails when told `b'!'`.
    #[derive(Debug, Default)]
    struct Ticker {
        period: Option<Duration>,
        next: Option<Time>,
        ticks: u8,
        queue: Vec<u8>,
        seen: Vec<Seen>,
    }

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Seen {
        Byte(u8, Time),
        End,
    }

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Told;

    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("told to fail")
        }
    }

    impl std::error::Error for Told {}

    impl Ticker {
        fn every(period: Duration) -> Self {
            Ticker {
                period: Some(period),
                next: Some(START + period),
                ..Ticker::default()
            }
        }
    }

    impl Machine for Ticker {
        type Event = Seen;
        type Error = Told;

        fn handle_input(&mut self, now: Time, bytes: &[u8]) -> Result<(), Told> {
            self.seen
                .extend(bytes.iter().map(|byte| Seen::Byte(*byte, now)));
            if bytes.contains(&b'!') {
                self.queue = b"bye".to_vec();
                return Err(Told);
            }
            Ok(())
        }

        fn handle_eof(&mut self, _: Time) -> Result<(), Told> {
            self.seen.push(Seen::End);
            Ok(())
        }

        fn handle_timeout(&mut self, now: Time) -> Result<(), Told> {
            if self.next.is_some_and(|next| next <= now) {
                self.next = self.period.map(|period| now + period);
                self.queue.push(self.ticks);
                self.ticks += 1;
            }
            Ok(())
        }

        fn poll_transmit(&mut self, _: Time, out: &mut Vec<u8>) -> bool {
            out.append(&mut self.queue);
            !out.is_empty()
        }

        fn poll_event(&mut self) -> Option<Seen> {
            (!self.seen.is_empty()).then(|| self.seen.remove(0))
        }

        fn poll_timeout(&self) -> Option<Time> {
            self.next
        }
    }

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn at(time: Duration) -> Time {
        START + time + Duration::from_millis(1)
    }

    #[test]
    fn timers_bytes_and_events_happen_in_virtual_time() {
        let mut pair = pair(Ticker::every(secs(3600)), Ticker::default(), Seed(1));
        pair.run_for(secs(2 * 3600 + 1)).unwrap();
        assert_eq!(pair.now(), START + secs(7201));
        assert_eq!(
            pair.server_events(),
            [Seen::Byte(0, at(secs(3600))), Seen::Byte(1, at(secs(7200)))]
        );
        assert_eq!(pair.server_events(), []);
    }

    #[test]
    fn a_cut_stream_ends_at_both_ends() {
        let mut pair = pair(Ticker::every(secs(1)), Ticker::default(), Seed(1));
        pair.client_to_server.cut_after(2);
        pair.run_for(secs(60)).unwrap();
        assert_eq!(
            pair.server_events(),
            [
                Seen::Byte(0, at(secs(1))),
                Seen::Byte(1, at(secs(2))),
                Seen::End
            ]
        );
        assert_eq!(pair.client_events(), [Seen::End]);
        assert!(pair.is_over());
    }

    #[test]
    fn an_error_ends_the_stream_after_the_last_frame() {
        let mut pair = pair(Ticker::default(), Ticker::default(), Seed(1));
        pair.client.queue = b"!".to_vec();
        pair.run_for(secs(1)).unwrap();
        assert_eq!(pair.server_error(), Some(&Told));
        assert_eq!(pair.client_error(), None);
        let bytes: Vec<_> = pair.client_events();
        assert_eq!(bytes.len(), 4, "three bytes and the end: {bytes:?}");
        assert!(pair.is_over());
    }

    #[test]
    fn a_reconnected_pair_goes_on_at_the_same_time() {
        let mut pair = pair(Ticker::every(secs(10)), Ticker::default(), Seed(1));
        pair.client_to_server
            .latency(Duration::from_millis(2))
            .cut_after(0);
        pair.run_for(secs(15)).unwrap();
        let mut pair = pair.reconnect(|client, _, now| {
            assert_eq!(now, START + secs(15));
            (client, Ticker::default())
        });
        assert_eq!(pair.server_events(), [Seen::End], "untaken events stay");
        pair.run_for(secs(10)).unwrap();
        assert_eq!(
            pair.server_events(),
            [Seen::Byte(0, START + secs(15) + Duration::from_millis(2))],
            "the timer that fired late wrote to the new stream"
        );
    }

    #[test]
    fn clocks_may_differ_by_years() {
        let decade = 10 * 365 * 86_400;
        let mut pair = pair(Ticker::every(secs(1)), Ticker::default(), Seed(1));
        pair.skew_client(-decade);
        pair.skew_server(decade);
        pair.client.next = Some(pair.client_now() + secs(1));
        pair.run_for(secs(1) + Duration::from_millis(1)).unwrap();
        assert_eq!(
            pair.server_events(),
            [Seen::Byte(0, at(secs(1)) + secs(decade as u64))]
        );
    }

    #[test]
    fn a_slow_application_leaves_its_events_in_the_machine() {
        let mut pair = pair(Ticker::every(secs(1)), Ticker::default(), Seed(1));
        pair.hold_server_events(true);
        pair.run_for(secs(3)).unwrap();
        assert_eq!(pair.server_events(), []);
        pair.hold_server_events(false);
        pair.run_for(secs(0)).unwrap();
        assert_eq!(pair.server_events().len(), 2);
    }

    #[test]
    fn run_until_stops_at_the_instant() {
        let mut pair = pair(Ticker::every(secs(1)), Ticker::default(), Seed(1));
        let met = pair.run_until(secs(60), |pair| pair.client.ticks == 5);
        assert_eq!((met, pair.now()), (Ok(true), START + secs(5)));
        assert_eq!(pair.run_until(secs(1), |_| false), Ok(false));
    }

    #[test]
    fn back_pressure_keeps_bytes_in_the_machine() {
        let mut pair = pair(Ticker::every(secs(1)), Ticker::default(), Seed(1));
        pair.client_to_server.capacity(2).stall_until(Time::MAX);
        pair.run_for(secs(10)).unwrap();
        assert_eq!(pair.client_to_server.in_flight(), 2);
        assert_eq!(
            pair.client.queue.len(),
            8,
            "nothing is taken from it in vain"
        );
    }

    /// Whatever it is asked, it says that there is more to do.
    struct Restless(Busy);

    impl Machine for Restless {
        type Event = ();
        type Error = Infallible;

        fn handle_input(&mut self, _: Time, _: &[u8]) -> Result<(), Infallible> {
            Ok(())
        }

        fn handle_eof(&mut self, _: Time) -> Result<(), Infallible> {
            Ok(())
        }

        fn handle_timeout(&mut self, _: Time) -> Result<(), Infallible> {
            Ok(())
        }

        fn poll_transmit(&mut self, _: Time, out: &mut Vec<u8>) -> bool {
            match self.0 {
                Busy::TooManyCalls => {
                    out.push(0);
                    true
                }
                Busy::EmptyTransmit => true,
                Busy::TooManyTimers | Busy::TimerNotMoved { .. } => false,
            }
        }

        fn poll_event(&mut self) -> Option<()> {
            None
        }

        fn poll_timeout(&self) -> Option<Time> {
            match self.0 {
                Busy::TimerNotMoved { next, .. } => Some(next),
                Busy::TooManyTimers | Busy::TooManyCalls | Busy::EmptyTransmit => None,
            }
        }
    }

    /// Wakes every microsecond.
    struct Flutter(Time);

    impl Machine for Flutter {
        type Event = ();
        type Error = Infallible;

        fn handle_input(&mut self, _: Time, _: &[u8]) -> Result<(), Infallible> {
            Ok(())
        }

        fn handle_eof(&mut self, _: Time) -> Result<(), Infallible> {
            Ok(())
        }

        fn handle_timeout(&mut self, now: Time) -> Result<(), Infallible> {
            self.0 = now + Duration::from_micros(1);
            Ok(())
        }

        fn poll_transmit(&mut self, _: Time, _: &mut Vec<u8>) -> bool {
            false
        }

        fn poll_event(&mut self) -> Option<()> {
            None
        }

        fn poll_timeout(&self) -> Option<Time> {
            Some(self.0)
        }
    }

    #[test]
    fn every_busy_loop_is_found() {
        let stuck = Busy::TimerNotMoved {
            given: START,
            next: START,
        };
        for why in [stuck, Busy::TooManyCalls, Busy::EmptyTransmit] {
            let mut pair = pair(Ticker::default(), Restless(why.clone()), Seed(9));
            assert_eq!(
                pair.run_for(secs(1)),
                Err(BusyLoop {
                    side: Side::Server,
                    at: START,
                    why,
                    seed: Seed(9)
                })
            );
        }
        let mut pair = pair(Flutter(START), Ticker::default(), Seed(9));
        let error = pair.run_for(secs(1)).unwrap_err();
        assert_eq!((error.side, error.why), (Side::Client, Busy::TooManyTimers));
    }
}
