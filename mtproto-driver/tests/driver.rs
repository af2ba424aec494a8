//! The loop against machines that know no MTProto, in virtual time and over TCP.

mod support;

#[expect(dead_code, reason = "its `main` is for the command line")]
#[path = "../examples/own_runtime.rs"]
mod own_runtime;

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mtproto_driver::{Clock, Driver, Runtime, StreamError};
use mtproto_proto::{Machine, Time};
use own_runtime::Threads;
use support::{Pipe, Virtual, duplex};

const START: Time = Time::from_unix(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

fn driver<M: Machine>(machine: M, stream: Pipe, runtime: &Virtual) -> Driver<M, Virtual> {
    let clock = Clock::anchored(runtime.now(), START);
    Driver::new(machine, stream, runtime.clone(), clock)
}

#[test]
fn eight_mib_both_ways_at_once_through_a_narrow_pipe() {
    let runtime = Virtual::new();
    let (left, right) = duplex(4096);
    let mut left = driver(Pump::new(8 * MIB, 1, 2), left, &runtime);
    let mut right = driver(Pump::new(8 * MIB, 2, 1), right, &runtime);
    runtime.spawn(async move {
        assert_eq!(right.next().await.unwrap(), Some(Received(8 * MIB)));
        assert_eq!(right.next().await.unwrap(), None);
    });
    runtime.run(async {
        assert_eq!(left.next().await.unwrap(), Some(Received(8 * MIB)));
        left.close();
        assert_eq!(left.next().await.unwrap(), None);
    });
}

#[test]
fn eight_mib_are_echoed_through_a_narrow_pipe() {
    let runtime = Virtual::new();
    let (left, right) = duplex(4096);
    let mut left = driver(Pump::new(8 * MIB, 7, 7), left, &runtime);
    let mut right = driver(Echo::default(), right, &runtime);
    runtime.spawn(async move { assert_eq!(right.next().await.unwrap(), None) });
    runtime.run(async {
        assert_eq!(left.next().await.unwrap(), Some(Received(8 * MIB)));
    });
}

#[test]
fn eight_mib_both_ways_at_once_over_tcp() {
    let (left, right) = tcp_pair();
    let threads = Threads;
    let run = |stream, seed, expected| {
        let clock = Clock::system(threads.now());
        let mut driver = Driver::new(Pump::new(8 * MIB, seed, expected), stream, threads, clock);
        std::thread::spawn(move || {
            async_io::block_on(async {
                assert_eq!(driver.next().await.unwrap(), Some(Received(8 * MIB)));
                driver.close();
                assert_eq!(driver.next().await.unwrap(), None);
            });
        })
    };
    let (a, b) = (run(left, 1, 2), run(right, 2, 1));
    a.join().unwrap();
    b.join().unwrap();
}

#[test]
fn timers_go_off_on_time_over_tcp() {
    let (left, _right) = tcp_pair();
    let clock = Clock::system(Threads.now());
    let begin = Threads.now();
    let mut ticker = Ticker::new(Duration::from_millis(20));
    ticker.next = clock.clone().time(begin) + ticker.every;
    let mut driver = Driver::new(ticker, left, Threads, clock);
    async_io::block_on(async {
        for n in 1..=5 {
            assert_eq!(driver.next().await.unwrap(), Some(n));
        }
    });
    assert!(Threads.now() - begin >= Duration::from_millis(100));
}

#[test]
fn a_timer_goes_off_when_it_is_due_and_costs_one_wake_up() {
    let runtime = Virtual::new();
    let (stream, _peer) = duplex(64);
    let mut driver = driver(Ticker::new(SECOND), stream, &runtime);
    runtime.run(async {
        for n in 1..=100 {
            assert_eq!(driver.next().await.unwrap(), Some(n));
            assert_eq!(runtime.elapsed(), SECOND * n);
        }
    });
    assert!(runtime.rounds() <= 110, "{} rounds", runtime.rounds());
}

#[test]
fn a_deadline_that_moves_is_followed_both_ways() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(64);
    let mut driver = driver(Ticker::new(SECOND * 10), stream, &runtime);
    runtime.run(async {
        // Later: the timer that is set already goes off for nothing.
        driver.machine().next = START + SECOND * 20;
        assert_eq!(driver.next().await.unwrap(), Some(1));
        assert_eq!(runtime.elapsed(), SECOND * 20);
        // Earlier, by what the peer sends: every byte pulls the deadline in by a second.
        assert!(peer.put(&[0; 4]));
        assert_eq!(driver.next().await.unwrap(), Some(2));
        assert_eq!(runtime.elapsed(), SECOND * 26);
    });
}

#[test]
fn idle_means_asleep() {
    let runtime = Virtual::new();
    let (stream, _peer) = duplex(64);
    let mut driver = driver(Ticker::new(SECOND * 86_400), stream, &runtime);
    runtime.run(async { driver.next().await.unwrap() });
    // One look a minute at the wall clock, no more.
    assert!(runtime.rounds() <= 1442, "{} rounds", runtime.rounds());
}

#[test]
fn nothing_is_read_while_an_event_waits() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(256 * 1024);
    let mut driver = driver(Recorder::default(), stream, &runtime);
    assert!(peer.put(&[1; 100 * 1024]));
    runtime.run(async {
        assert_eq!(driver.next().await.unwrap(), Some(Got::Bytes(64 * 1024)));
        assert_eq!(peer.unread_by_peer(), 36 * 1024);
        assert!(peer.put(&[2; 200 * 1024]), "room for as much as was read");
        assert!(!peer.put(&[2; 100 * 1024]), "no more: the peer has to wait");
    });
}

#[test]
fn what_the_socket_holds_is_read_before_a_deadline_that_passed_during_a_pause() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(256 * 1024);
    let recorder = Recorder {
        deadline: Some(START + SECOND * 30),
        ..Recorder::default()
    };
    let mut driver = driver(recorder, stream, &runtime);
    assert!(peer.put(&[1]));
    runtime.run(async {
        assert_eq!(driver.next().await.unwrap(), Some(Got::Bytes(1)));
        // The application is slow; meanwhile pongs arrive and the deadline passes.
        assert!(peer.put(&[2; 65 * 1024]));
        runtime.sleep_until(runtime.now() + SECOND * 31).await;
        assert_eq!(driver.next().await.unwrap(), Some(Got::Bytes(64 * 1024)));
        assert_eq!(driver.next().await.unwrap(), Some(Got::Bytes(1024)));
        assert_eq!(driver.next().await.unwrap(), Some(Got::Timeout(31)));
    });
}

#[test]
fn a_flood_does_not_keep_a_deadline_away_for_ever() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(64 * 1024);
    let recorder = Recorder {
        deadline: Some(START),
        ..Recorder::default()
    };
    let mut driver = driver(recorder, stream, &runtime);
    let mut read = 0;
    runtime.run(async {
        loop {
            while peer.put(&[3; 4096]) {}
            match driver.next().await.unwrap() {
                Some(Got::Bytes(n)) => read += n,
                got => break assert_eq!(got, Some(Got::Timeout(0))),
            }
        }
    });
    assert!((8 * MIB..9 * MIB).contains(&read), "{read} bytes");
}

#[test]
fn dropping_next_at_any_moment_loses_nothing() {
    for patience in 1..20 {
        let runtime = Virtual::new();
        let (left, right) = duplex(1000);
        let mut left = driver(Pump::new(256 * 1024, 3, 4), left, &runtime);
        let mut right = driver(Pump::new(256 * 1024, 4, 3), right, &runtime);
        runtime.spawn(async move {
            assert_eq!(right.next().await.unwrap(), Some(Received(256 * 1024)));
            assert_eq!(right.next().await.unwrap(), None);
        });
        let event = runtime.run(async {
            loop {
                // A fresh future each time, given up after some polls.
                let mut next = pin!(left.next());
                let mut polls = 0;
                let result = poll_fn(|cx| match next.as_mut().poll(cx) {
                    Poll::Ready(result) => Poll::Ready(Some(result)),
                    Poll::Pending if polls == patience => Poll::Ready(None),
                    Poll::Pending => {
                        polls += 1;
                        Poll::Pending
                    }
                })
                .await;
                if let Some(result) = result {
                    break result.unwrap();
                }
            }
        });
        assert_eq!(event, Some(Received(256 * 1024)), "patience {patience}");
    }
}

#[test]
fn after_an_error_come_the_events_then_the_last_frame_then_the_error_for_ever() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(4096);
    let recorder = Recorder {
        last_words: vec![0xAA; 10_000],
        ..Recorder::default()
    };
    let mut driver = driver(recorder, stream, &runtime);
    assert!(peer.put(&[1, 1, FATAL]));
    let mut heard = 0;
    runtime.spawn({
        let runtime = runtime.clone();
        async move {
            while !peer.peer_has_closed() {
                heard += peer.take().len();
                runtime
                    .sleep_until(runtime.now() + Duration::from_millis(10))
                    .await;
            }
            heard += peer.take().len();
            assert_eq!(heard, 10_000);
        }
    });
    runtime.run(async {
        assert_eq!(driver.next().await.unwrap(), Some(Got::Bytes(3)));
        for _ in 0..3 {
            assert_fatal(driver.next().await);
        }
        // Let the peer see the end.
        runtime.sleep_until(runtime.now() + SECOND).await;
    });
    assert!(runtime.elapsed() < SECOND * 2);
}

#[test]
fn last_words_to_a_peer_that_does_not_read_take_a_second() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(4096);
    let recorder = Recorder {
        last_words: vec![0xAA; 10_000],
        ..Recorder::default()
    };
    let mut driver = driver(recorder, stream, &runtime);
    assert!(peer.put(&[FATAL]));
    runtime.run(async {
        assert_eq!(driver.next().await.unwrap(), Some(Got::Bytes(1)));
        assert_fatal(driver.next().await);
    });
    assert_eq!(runtime.elapsed(), SECOND);
    assert!(peer.peer_has_closed());
}

#[test]
fn last_words_to_a_peer_that_reads_a_byte_now_and_then_take_a_second() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(1);
    let recorder = Recorder {
        last_words: vec![0xAA; 10_000],
        ..Recorder::default()
    };
    let mut driver = driver(recorder, stream, &runtime);
    assert!(peer.put(&[FATAL]));
    runtime.spawn({
        let runtime = runtime.clone();
        async move {
            while !peer.peer_has_closed() {
                _ = peer.take();
                runtime
                    .sleep_until(runtime.now() + Duration::from_millis(10))
                    .await;
            }
        }
    });
    runtime.run(async {
        assert_eq!(driver.next().await.unwrap(), Some(Got::Bytes(1)));
        assert_fatal(driver.next().await);
    });
    assert_eq!(runtime.elapsed(), SECOND);
}

#[test]
fn the_end_of_the_input_lets_the_machine_finish() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(4096);
    let recorder = Recorder {
        last_words: vec![0xAA; 100],
        ..Recorder::default()
    };
    let mut driver = driver(recorder, stream, &runtime);
    assert!(peer.put(&[1; 5]));
    runtime.run(async {
        assert_eq!(driver.next().await.unwrap(), Some(Got::Bytes(5)));
        let peer = half_close(peer);
        assert_eq!(driver.next().await.unwrap(), Some(Got::Eof));
        assert_eq!(driver.next().await.unwrap(), None);
        assert_eq!(peer.take(), [0xAA; 100]);
        assert_eq!(driver.next().await.unwrap(), None);
    });
}

#[test]
fn a_peer_that_says_why_and_closes_is_heard_although_writing_fails() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(4096);
    let mut pump = Pump::new(8 * MIB, 1, 1);
    pump.fatal = true;
    let mut driver = driver(pump, stream, &runtime);
    peer.stop_reading();
    runtime.spawn({
        let runtime = runtime.clone();
        async move {
            runtime.sleep_until(runtime.now() + SECOND / 2).await;
            assert!(peer.put(&[FATAL]));
        }
    });
    runtime.run(async { assert_fatal(driver.next().await) });
}

#[test]
fn a_broken_stream_without_a_word_ends_within_a_second() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(4096);
    let mut driver = driver(Pump::new(8 * MIB, 1, 1), stream, &runtime);
    peer.stop_reading();
    runtime.run(async {
        for _ in 0..2 {
            match driver.next().await {
                Err(StreamError::Io(e)) => {
                    assert_eq!(e.kind(), std::io::ErrorKind::BrokenPipe);
                }
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(runtime.elapsed(), SECOND);
}

#[test]
fn other_tasks_get_their_turn_although_the_stream_is_never_idle() {
    let runtime = Virtual::new();
    let (stream, peer) = duplex(4096);
    let mut driver = driver(Echo::default(), stream, &runtime);
    let mut next = pin!(driver.next());
    let mut cx = Context::from_waker(Waker::noop());
    // A peer that refills whatever is read: the loop gives way by itself.
    for _ in 0..100 {
        peer.put(&[0; 1000]);
        assert!(next.as_mut().poll(&mut cx).is_pending());
        peer.take();
    }
    let mut endless = self::driver(Endless, duplex(64).0, &runtime);
    assert!(pin!(endless.next()).poll(&mut cx).is_pending());
}

// Helpers.

fn assert_fatal<E: fmt::Debug>(result: Result<Option<E>, StreamError<Fatal>>) {
    match result {
        Err(StreamError::Machine(e)) => assert_eq!(*e, Fatal),
        other => panic!("{other:?}"),
    }
}

/// Closes the writing side and keeps the reading one.
fn half_close(mut pipe: Pipe) -> Pipe {
    use futures_io::AsyncWrite;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(std::pin::Pin::new(&mut pipe).poll_close(&mut cx).is_ready());
    pipe
}

fn tcp_pair() -> (async_io::Async<TcpStream>, async_io::Async<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let left = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (right, _) = listener.accept().unwrap();
    (
        async_io::Async::new(left).unwrap(),
        async_io::Async::new(right).unwrap(),
    )
}

/// A byte of the stream that a seed and a position determine.
fn pattern(seed: usize, at: usize) -> u8 {
    (at.wrapping_mul(31) ^ (at >> 8) ^ seed.wrapping_mul(97)) as u8
}

#[derive(Debug, PartialEq, Eq)]
struct Fatal;

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fatal")
    }
}

impl std::error::Error for Fatal {}

/// The byte at which machines with `fatal` fail.
const FATAL: u8 = 0xFF;

#[derive(Debug, PartialEq, Eq)]
struct Received(usize);

/// Sends `total` bytes of one pattern in packets and expects as many of another.
struct Pump {
    seed: usize,
    expected: usize,
    total: usize,
    sent: usize,
    received: usize,
    fatal: bool,
    done: bool,
}

impl Pump {
    fn new(total: usize, seed: usize, expected: usize) -> Self {
        Pump {
            seed,
            expected,
            total,
            sent: 0,
            received: 0,
            fatal: false,
            done: false,
        }
    }
}

impl Machine for Pump {
    type Event = Received;
    type Error = Fatal;

    fn handle_input(&mut self, _: Time, bytes: &[u8]) -> Result<(), Fatal> {
        if self.fatal && bytes.contains(&FATAL) {
            return Err(Fatal);
        }
        for (i, byte) in bytes.iter().enumerate() {
            assert_eq!(*byte, pattern(self.expected, self.received + i));
        }
        self.received += bytes.len();
        Ok(())
    }

    fn handle_eof(&mut self, _: Time) -> Result<(), Fatal> {
        Ok(())
    }

    fn handle_timeout(&mut self, _: Time) -> Result<(), Fatal> {
        Ok(())
    }

    fn poll_transmit(&mut self, _: Time, out: &mut Vec<u8>) -> bool {
        let n = (self.total - self.sent).min(60_000);
        out.extend((self.sent..self.sent + n).map(|at| pattern(self.seed, at)));
        self.sent += n;
        n > 0
    }

    fn poll_event(&mut self) -> Option<Received> {
        if self.done || self.received < self.total || self.sent < self.total {
            return None;
        }
        self.done = true;
        Some(Received(self.received))
    }

    fn poll_timeout(&self) -> Option<Time> {
        None
    }
}

/// Sends back what it gets.
#[derive(Default)]
struct Echo(VecDeque<u8>);

impl Machine for Echo {
    type Event = ();
    type Error = Fatal;

    fn handle_input(&mut self, _: Time, bytes: &[u8]) -> Result<(), Fatal> {
        self.0.extend(bytes);
        Ok(())
    }

    fn handle_eof(&mut self, _: Time) -> Result<(), Fatal> {
        Ok(())
    }

    fn handle_timeout(&mut self, _: Time) -> Result<(), Fatal> {
        Ok(())
    }

    fn poll_transmit(&mut self, _: Time, out: &mut Vec<u8>) -> bool {
        let n = self.0.len().min(50_000);
        out.extend(self.0.drain(..n));
        n > 0
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Time> {
        None
    }
}

/// Counts the times it was woken; each byte of input pulls the next time in by a second.
struct Ticker {
    every: Duration,
    next: Time,
    count: u32,
    events: VecDeque<u32>,
}

impl Ticker {
    fn new(every: Duration) -> Self {
        Ticker {
            every,
            next: START + every,
            count: 0,
            events: VecDeque::new(),
        }
    }
}

impl Machine for Ticker {
    type Event = u32;
    type Error = Fatal;

    fn handle_input(&mut self, _: Time, bytes: &[u8]) -> Result<(), Fatal> {
        self.next = self.next - SECOND * u32::try_from(bytes.len()).unwrap();
        Ok(())
    }

    fn handle_eof(&mut self, _: Time) -> Result<(), Fatal> {
        Ok(())
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), Fatal> {
        assert!(now >= self.next, "woken early");
        self.next = now + self.every;
        self.count += 1;
        self.events.push_back(self.count);
        Ok(())
    }

    fn poll_transmit(&mut self, _: Time, _: &mut Vec<u8>) -> bool {
        false
    }

    fn poll_event(&mut self) -> Option<u32> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        Some(self.next)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Bytes(usize),
    Eof,
    /// Seconds since the start.
    Timeout(u64),
}

/// Reports every handle as an event; fails at [`FATAL`] and then has last words.
#[derive(Default)]
struct Recorder {
    events: VecDeque<Got>,
    deadline: Option<Time>,
    last_words: Vec<u8>,
    ending: bool,
}

impl Machine for Recorder {
    type Event = Got;
    type Error = Fatal;

    fn handle_input(&mut self, _: Time, bytes: &[u8]) -> Result<(), Fatal> {
        self.events.push_back(Got::Bytes(bytes.len()));
        self.ending |= bytes.contains(&FATAL);
        if self.ending { Err(Fatal) } else { Ok(()) }
    }

    fn handle_eof(&mut self, _: Time) -> Result<(), Fatal> {
        self.events.push_back(Got::Eof);
        self.ending = true;
        Ok(())
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), Fatal> {
        self.deadline = None;
        self.events
            .push_back(Got::Timeout(now.saturating_since(START).as_secs()));
        Ok(())
    }

    fn poll_transmit(&mut self, _: Time, out: &mut Vec<u8>) -> bool {
        let speaks = self.ending && !self.last_words.is_empty();
        if speaks {
            out.append(&mut self.last_words);
        }
        speaks
    }

    fn poll_event(&mut self) -> Option<Got> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.deadline
    }
}

/// Breaks the contract: always has a packet, and it is empty.
struct Endless;

impl Machine for Endless {
    type Event = ();
    type Error = Fatal;

    fn handle_input(&mut self, _: Time, _: &[u8]) -> Result<(), Fatal> {
        Ok(())
    }

    fn handle_eof(&mut self, _: Time) -> Result<(), Fatal> {
        Ok(())
    }

    fn handle_timeout(&mut self, _: Time) -> Result<(), Fatal> {
        Ok(())
    }

    fn poll_transmit(&mut self, _: Time, _: &mut Vec<u8>) -> bool {
        true
    }

    fn poll_event(&mut self) -> Option<()> {
        None
    }

    fn poll_timeout(&self) -> Option<Time> {
        None
    }
}
