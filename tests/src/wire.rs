//! One direction of a byte stream, with the faults of real ones.
//!
//! Does: [`Wire`] takes what one end writes and gives it to the other end later, cut into other
//! segments, delayed, stalled, broken off or silently lost; never reordered, never altered, as TCP
//! promises. Replay, duplication and corruption are an attacker's: `tamper` does them to packets.
//! In: bytes and the time, a [`Dice`] for every choice. Out: bytes, the end of the stream, the time
//! of the next arrival.
//! Must not know: machines, sockets, the real clock.
//! Spec: none.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use mtproto_proto::Time;

use crate::Dice;

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next bytes of the stream, never empty.
    Bytes(Vec<u8>),
    /// The stream is over. Given once.
    End,
}

/// What becomes of the stream at a position that [`Wire::cut_after`] or [`Wire::vanish_after`] set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Break {
    /// The reader sees the end of the stream.
    Cut,
    /// The reader sees nothing, ever: a half-open stream.
    Vanish,
}

/// One direction of a stream in virtual time.
///
/// A new wire delivers every write whole after one millisecond and holds any amount in flight.
#[derive(Debug)]
pub struct Wire {
    dice: Dice,
    segments: RangeInclusive<usize>,
    latency: Duration,
    jitter: Duration,
    capacity: usize,
    stalled_until: Time,
    breaks: Option<(u64, Break)>,
    written: u64,
    delivered: u64,
    in_flight: VecDeque<(Time, Arrival)>,
    in_flight_bytes: usize,
    latest_arrival: Time,
    ended: bool,
    recording: Option<Vec<u8>>,
}

/// Long enough that an answer is later than its question, short enough not to matter.
const DEFAULT_LATENCY: Duration = Duration::from_millis(1);

impl Wire {
    /// A wire without faults.
    pub fn new(dice: Dice) -> Self {
        Wire {
            dice,
            segments: usize::MAX..=usize::MAX,
            latency: DEFAULT_LATENCY,
            jitter: Duration::ZERO,
            capacity: usize::MAX,
            stalled_until: Time::ZERO,
            breaks: None,
            written: 0,
            delivered: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            latest_arrival: Time::ZERO,
            ended: false,
            recording: None,
        }
    }

    /// Cuts what is written from now on into segments of these sizes, in bytes.
    ///
    /// # Panics
    /// If the range holds 0 or nothing.
    pub fn segments(&mut self, sizes: RangeInclusive<usize>) -> &mut Self {
        assert!(
            *sizes.start() > 0 && !sizes.is_empty(),
            "no such segments: {sizes:?}"
        );
        self.segments = sizes;
        self
    }

    /// Sets how long a segment takes.
    pub fn latency(&mut self, latency: Duration) -> &mut Self {
        self.latency = latency;
        self
    }

    /// Sets how much longer than the latency a segment may take.
    pub fn jitter(&mut self, jitter: Duration) -> &mut Self {
        self.jitter = jitter;
        self
    }

    /// Sets how many bytes may be in flight before the writer has to wait.
    pub fn capacity(&mut self, bytes: usize) -> &mut Self {
        self.capacity = bytes;
        self
    }

    /// Holds everything back until `until`, what is in flight included. [`Time::MAX`] is a reader
    /// that never reads.
    pub fn stall_until(&mut self, until: Time) -> &mut Self {
        self.stalled_until = until;
        self
    }

    /// Ends the stream for its reader after `bytes` more bytes were written; what is written
    /// beyond is lost. With 0 it ends behind what is in flight.
    pub fn cut_after(&mut self, bytes: u64) -> &mut Self {
        self.break_after(bytes, Break::Cut)
    }

    /// Loses what is written after `bytes` more bytes without telling anybody.
    pub fn vanish_after(&mut self, bytes: u64) -> &mut Self {
        self.break_after(bytes, Break::Vanish)
    }

    fn break_after(&mut self, bytes: u64, how: Break) -> &mut Self {
        self.breaks = Some((self.written.saturating_add(bytes), how));
        if bytes == 0 && how == Break::Cut {
            self.end();
        }
        self
    }

    /// Keeps a copy of all that is written from now on, see [`recorded`](Wire::recorded).
    pub fn record(&mut self) -> &mut Self {
        self.recording.get_or_insert_default();
        self
    }

    /// What was written since [`record`](Wire::record), also what never arrived.
    pub fn recorded(&self) -> &[u8] {
        self.recording.as_deref().unwrap_or_default()
    }

    /// How many bytes were written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How many bytes were read.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// How many bytes are written and not read.
    pub fn in_flight(&self) -> usize {
        self.in_flight_bytes
    }

    /// Takes bytes from the writer and tells how many: fewer than given when too much is in
    /// flight. On a broken stream all are taken and lost, as a socket's buffer would take them.
    #[must_use]
    pub fn write(&mut self, now: Time, bytes: &[u8]) -> usize {
        let taken = bytes
            .len()
            .min(self.capacity.saturating_sub(self.in_flight_bytes));
        let bytes = &bytes[..taken];
        if let Some(recording) = &mut self.recording {
            recording.extend_from_slice(bytes);
        }
        let alive = self.breaks.map_or(taken, |(position, _)| {
            let left = position.saturating_sub(self.written);
            usize::try_from(left).map_or(taken, |left| left.min(taken))
        });
        self.written += taken as u64;
        if self.ended {
            return taken;
        }
        let mut rest = &bytes[..alive];
        while !rest.is_empty() {
            let size = self
                .dice
                .range(*self.segments.start() as u64..=*self.segments.end() as u64);
            let (segment, tail) = rest.split_at((size as usize).min(rest.len()));
            rest = tail;
            let at = self.arrival(now);
            self.in_flight_bytes += segment.len();
            self.in_flight
                .push_back((at, Arrival::Bytes(segment.to_vec())));
        }
        if matches!(self.breaks, Some((position, Break::Cut)) if position <= self.written) {
            self.end();
        }
        taken
    }

    /// Whether a writer would have to wait.
    pub fn is_full(&self) -> bool {
        self.in_flight_bytes >= self.capacity
    }

    /// The writer ends the stream: the reader sees the end behind what is in flight.
    pub fn close(&mut self, now: Time) {
        if !matches!(self.breaks, Some((position, Break::Vanish)) if position <= self.written) {
            self.arrival(now);
            self.end();
        }
    }

    /// The next piece that has arrived by now.
    pub fn read(&mut self, now: Time) -> Option<Arrival> {
        if now < self.stalled_until || self.in_flight.front()?.0 > now {
            return None;
        }
        let (_, arrival) = self.in_flight.pop_front()?;
        if let Arrival::Bytes(bytes) = &arrival {
            self.in_flight_bytes -= bytes.len();
            self.delivered += bytes.len() as u64;
        }
        Some(arrival)
    }

    /// When [`read`](Wire::read) gives something next.
    pub fn next_arrival(&self) -> Option<Time> {
        let (at, _) = self.in_flight.front()?;
        Some((*at).max(self.stalled_until))
    }

    /// A new stream over the same line: the delays and sizes stay, faults and bytes are gone.
    pub fn renew(&mut self) {
        let fresh = Wire::new(self.dice.fork());
        let old = std::mem::replace(self, fresh);
        self.segments = old.segments;
        self.latency = old.latency;
        self.jitter = old.jitter;
        self.capacity = old.capacity;
        self.recording = old.recording;
    }

    /// Nothing overtakes what was written before it.
    fn arrival(&mut self, now: Time) -> Time {
        let delay = self.latency + self.dice.duration(Duration::ZERO..=self.jitter);
        self.latest_arrival = self.latest_arrival.max(now + delay);
        self.latest_arrival
    }

    /// The end arrives with the last byte.
    fn end(&mut self) {
        if !self.ended {
            self.ended = true;
            self.in_flight
                .push_back((self.latest_arrival, Arrival::End));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seed;

    const T0: Time = Time::from_unix(1_000);

    fn wire() -> Wire {
        Wire::new(Dice::from_env_or(11))
    }

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// Everything that arrives by `now`, joined, and whether the end was seen.
    fn drain(wire: &mut Wire, now: Time) -> (Vec<u8>, bool) {
        let (mut bytes, mut end) = (Vec::new(), false);
        while let Some(arrival) = wire.read(now) {
            match arrival {
                Arrival::Bytes(more) => bytes.extend(more),
                Arrival::End => end = true,
            }
        }
        (bytes, end)
    }

    #[test]
    fn bytes_arrive_after_the_latency_and_not_before() {
        let mut wire = wire();
        wire.latency(millis(40));
        assert_eq!(wire.write(T0, b"abc"), 3);
        assert_eq!(wire.next_arrival(), Some(T0 + millis(40)));
        assert_eq!(wire.read(T0 + millis(39)), None);
        assert_eq!(
            wire.read(T0 + millis(40)),
            Some(Arrival::Bytes(b"abc".to_vec()))
        );
        assert_eq!(wire.next_arrival(), None);
        assert_eq!((wire.written(), wire.delivered()), (3, 3));
    }

    #[test]
    fn segments_and_jitter_never_reorder_or_alter() {
        for seed in 0..50 {
            let mut wire = Wire::new(Dice::new(Seed(seed)));
            wire.segments(1..=3).latency(millis(5)).jitter(millis(30));
            let sent: Vec<u8> = (0..=255).collect();
            for (i, piece) in sent.chunks(7).enumerate() {
                assert_eq!(wire.write(T0 + millis(i as u64), piece), piece.len());
            }
            let (mut got, mut last) = (Vec::new(), Time::ZERO);
            while let Some(at) = wire.next_arrival() {
                assert!(at >= last, "seed {seed}");
                last = at;
                match wire.read(at) {
                    Some(Arrival::Bytes(bytes)) => {
                        assert!((1..=3).contains(&bytes.len()), "seed {seed}");
                        got.extend(bytes);
                    }
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
            assert_eq!(got, sent, "seed {seed}");
        }
    }

    #[test]
    fn one_seed_gives_one_timing() {
        let run = || {
            let mut wire = Wire::new(Dice::new(Seed(5)));
            wire.segments(1..=9).jitter(millis(100));
            let _ = wire.write(T0, &[7; 100]);
            std::iter::from_fn(|| wire.next_arrival().map(|at| (at, wire.read(at))))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn a_cut_is_at_the_byte() {
        for n in 0..=9 {
            let mut wire = wire();
            let _ = wire.write(T0, b"before");
            wire.cut_after(n);
            assert_eq!(wire.write(T0, b"012345678"), 9);
            assert_eq!(wire.write(T0, b"lost"), 4);
            let expected = [b"before", &b"012345678"[..n as usize]].concat();
            assert_eq!(
                drain(&mut wire, T0 + millis(1)),
                (expected, true),
                "cut after {n}"
            );
        }
    }

    #[test]
    fn a_vanished_stream_is_silent_for_ever_even_when_closed() {
        let mut wire = wire();
        wire.vanish_after(2);
        assert_eq!(wire.write(T0, b"abcd"), 4);
        wire.close(T0);
        assert_eq!(drain(&mut wire, Time::MAX), (b"ab".to_vec(), false));
    }

    #[test]
    fn a_stall_holds_back_what_is_in_flight() {
        let mut wire = wire();
        let _ = wire.write(T0, b"x");
        wire.stall_until(T0 + millis(500));
        assert_eq!(wire.next_arrival(), Some(T0 + millis(500)));
        assert_eq!(wire.read(T0 + millis(499)), None);
        assert_eq!(drain(&mut wire, T0 + millis(500)), (b"x".to_vec(), false));
    }

    #[test]
    fn a_full_wire_makes_the_writer_wait() {
        let mut wire = wire();
        wire.capacity(4);
        assert_eq!(wire.write(T0, b"abcdef"), 4);
        assert!(wire.is_full());
        assert_eq!(wire.write(T0, b"ef"), 0);
        assert_eq!(drain(&mut wire, T0 + millis(1)).0, b"abcd");
        assert_eq!(wire.write(T0, b"ef"), 2);
    }

    #[test]
    fn the_end_comes_once_and_behind_the_last_byte() {
        let mut wire = wire();
        wire.jitter(millis(50));
        let _ = wire.write(T0, b"last");
        wire.close(T0);
        wire.close(T0);
        let mut seen = Vec::new();
        while let Some(at) = wire.next_arrival() {
            seen.extend(wire.read(at));
        }
        assert_eq!(seen, [Arrival::Bytes(b"last".to_vec()), Arrival::End]);
    }

    #[test]
    fn a_renewed_wire_keeps_its_delays_and_forgets_its_faults() {
        let mut wire = wire();
        wire.latency(millis(9)).cut_after(0);
        wire.renew();
        let _ = wire.write(T0, b"new");
        assert_eq!(wire.next_arrival(), Some(T0 + millis(9)));
        assert_eq!(drain(&mut wire, T0 + millis(9)), (b"new".to_vec(), false));
    }
}
