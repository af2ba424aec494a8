//! The loop: one machine, one byte stream.
//!
//! Does: [`Driver`] hands out events, writes, reads and keeps the timer, in that order, until
//! nothing moves. It is also the worked example for who wants a loop of their own.
//! In: bytes and wake-ups. Out: the machine's events, and how the stream ended.
//! Must not know: which machine it drives, which runtime it runs on, MTProto.
//! Spec: none; the contract is that of [`Machine`].

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use mtproto_proto::{Machine, Time};

use crate::trace::trace;
use crate::{Clock, Runtime};

/// One read: large enough that a busy stream costs few system calls, small enough to keep.
const READ_BUFFER: usize = 64 * 1024;

/// An empty output buffer above this size is given back once there is nothing more to send.
const KEPT_OUTPUT: usize = 64 * 1024;

/// After an error or the end of the input, what is left to say is written for at most this long.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// No sleep is longer: a monotonic clock may stand still while the computer sleeps, and somebody
/// has to look at the wall clock afterwards.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Turns of the loop without an event before other tasks are let in.
const TURNS_PER_POLL: usize = 64;

/// How much is read past a due deadline before the machine hears of it. What is behind this had
/// not yet arrived when the deadline passed: a receive buffer (Linux: 6 MiB) and the rest of a
/// frame fit.
const READ_BEFORE_TIMEOUT: usize = 8 * 1024 * 1024;

/// Why a stream ended, other than by its regular end.
///
/// Shared, so that it can be repeated whatever is inside.
#[derive(Debug)]
pub enum StreamError<E> {
    /// The machine refused to go on.
    Machine(Arc<E>),
    /// The operating system did.
    Io(Arc<io::Error>),
}

impl<E> Clone for StreamError<E> {
    fn clone(&self) -> Self {
        match self {
            StreamError::Machine(e) => StreamError::Machine(e.clone()),
            StreamError::Io(e) => StreamError::Io(e.clone()),
        }
    }
}

impl<E: fmt::Display> fmt::Display for StreamError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamError::Machine(e) => e.fmt(f),
            StreamError::Io(e) => write!(f, "the stream broke: {e}"),
        }
    }
}

impl<E: std::error::Error> std::error::Error for StreamError<E> {}

/// Drives one [`Machine`] over one stream.
///
/// Reading and writing go on in the same turn, so two peers that both write cannot block each
/// other. While an event waits to be taken nothing is read: a slow application slows its peer
/// down instead of filling memory. After such a pause what has arrived is read before the
/// machine learns that time has passed, so that an answer in the socket's buffer counts.
///
/// ```no_run
/// # use mtproto_driver::{Clock, Driver, Runtime, StreamError};
/// # use mtproto_proto::Machine;
/// # async fn run<M: Machine<Event: std::fmt::Debug>, R: Runtime>(
/// #     machine: M, stream: R::Stream, runtime: R,
/// # ) -> Result<(), StreamError<M::Error>> {
/// let clock = Clock::system(runtime.now());
/// let mut driver = Driver::new(machine, stream, runtime, clock);
/// while let Some(event) = driver.next().await? {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Driver<M: Machine, R: Runtime> {
    machine: M,
    /// `None` once closed.
    stream: Option<R::Stream>,
    runtime: R,
    clock: Clock,
    phase: Phase<M::Error>,
    alarm: Option<Alarm<R>>,
    input: Box<[u8]>,
    /// Read since the machine's deadline became due.
    read_while_due: usize,
    /// At most one packet, of which the first `written` bytes have left.
    output: Vec<u8>,
    written: usize,
    unflushed: bool,
}

enum Phase<E> {
    Running,
    /// Writing failed. The peer may have said why before it closed, so reading goes on for a
    /// moment.
    Listening {
        error: Arc<io::Error>,
        until: Instant,
    },
    /// Nothing more is read; what is left to say is written.
    Ending {
        outcome: Result<(), StreamError<E>>,
        until: Instant,
    },
    Ended(Result<(), StreamError<E>>),
}

struct Alarm<R: Runtime> {
    at: Instant,
    sleep: Pin<Box<R::Sleep>>,
}

impl<M: Machine, R: Runtime> Driver<M, R> {
    /// A driver for a machine and the stream that it talks over.
    ///
    /// `clock` is the one by which the machine was made: its time must not go back.
    pub fn new(machine: M, stream: R::Stream, runtime: R, clock: Clock) -> Self {
        Driver {
            machine,
            stream: Some(stream),
            runtime,
            clock,
            phase: Phase::Running,
            alarm: None,
            input: vec![0; READ_BUFFER].into_boxed_slice(),
            read_while_due: 0,
            output: Vec::new(),
            written: 0,
            unflushed: false,
        }
    }

    /// The machine, to command it. What it has to send leaves with the next call of
    /// [`next`](Driver::next).
    pub fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The present, to command the machine by.
    pub fn now(&mut self) -> Time {
        self.clock.time(self.runtime.now())
    }

    /// Whether everything that the machine has given so far has been handed to the stream.
    pub fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    /// Ends the stream: what the machine has to send at this moment is written, for at most a
    /// second, then the stream is closed and [`next`](Driver::next) returns `Ok(None)`.
    pub fn close(&mut self) {
        if let Phase::Running = self.phase {
            self.end(Ok(()));
        }
    }

    /// The machine and the clock, for instance to go on over another stream.
    pub fn into_parts(self) -> (M, Clock) {
        (self.machine, self.clock)
    }

    /// The machine's next event; `None` when the stream has ended as it should.
    ///
    /// Cancel-safe: dropping the future loses nothing, and the next call goes on where it
    /// stopped. The stream is served only while this future is polled.
    ///
    /// # Errors
    /// The final error of the stream. It comes after the events before it, when the machine's
    /// last frame has been written (or a second has passed) and the stream is closed; it is
    /// repeated for ever.
    pub async fn next(&mut self) -> Result<Option<M::Event>, StreamError<M::Error>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Driver::next) for who polls by hand.
    ///
    /// # Errors
    /// As for [`next`](Driver::next).
    #[expect(clippy::type_complexity, reason = "it is `next`'s type in a `Poll`")]
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<M::Event>, StreamError<M::Error>>> {
        for _ in 0..TURNS_PER_POLL {
            if let Some(event) = self.machine.poll_event() {
                return Poll::Ready(Ok(Some(event)));
            }
            let moved = match &self.phase {
                Phase::Running => self.turn(cx),
                Phase::Listening { error, until } => {
                    let (error, until) = (error.clone(), *until);
                    self.listen(cx, error, until)
                }
                Phase::Ending { outcome, until } => {
                    let (outcome, until) = (outcome.clone(), *until);
                    self.finish(cx, outcome, until)
                }
                Phase::Ended(outcome) => return Poll::Ready(outcome.clone().map(|()| None)),
            };
            if !moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes, reads, keeps the timer: each once. `false` when all of them wait.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.now();
        let wrote = match self.write(cx, now) {
            Ok(moved) => moved,
            Err(error) => {
                self.output = Vec::new();
                self.phase = Phase::Listening {
                    error: Arc::new(error),
                    until: self.runtime.now() + LAST_WORDS,
                };
                return true;
            }
        };
        let read = match self.read(cx, now) {
            Ok(Read::Waits) => false,
            Ok(Read::Took) => true,
            Ok(Read::Eof) => {
                let outcome = self.machine.handle_eof(now);
                self.end(outcome.map_err(|e| StreamError::Machine(Arc::new(e))));
                return true;
            }
            Err(error) => {
                self.fail(error);
                return true;
            }
        };
        wrote | read | self.keep_time(cx, now, read)
    }

    /// Asks the machine for a packet when the last one has left, and writes.
    fn write(&mut self, cx: &mut Context<'_>, now: Time) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        let stream = Pin::new(stream);
        if self.output.is_empty() && !self.machine.poll_transmit(now, &mut self.output) {
            if self.output.capacity() > KEPT_OUTPUT {
                self.output = Vec::new();
            }
            if self.unflushed && stream.poll_flush(cx)?.is_ready() {
                self.unflushed = false;
                return Ok(true);
            }
            return Ok(false);
        }
        let rest = self.output.get(self.written..).unwrap_or_default();
        if rest.is_empty() {
            // A packet of no bytes: nothing to write, something to ask for again.
            return Ok(true);
        }
        match stream.poll_write(cx, rest) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(n)) => {
                trace!(len = n, "written");
                self.written += n;
                self.unflushed = true;
                if self.written >= self.output.len() {
                    self.output.clear();
                    self.written = 0;
                }
                Ok(true)
            }
            Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::Interrupted => Ok(true),
            Poll::Ready(Err(e)) => Err(e),
        }
    }

    /// Reads once and tells the machine.
    fn read(&mut self, cx: &mut Context<'_>, now: Time) -> Result<Read, StreamError<M::Error>> {
        let Some(stream) = &mut self.stream else {
            return Ok(Read::Eof);
        };
        match Pin::new(stream).poll_read(cx, &mut self.input) {
            Poll::Pending => Ok(Read::Waits),
            Poll::Ready(Ok(0)) => Ok(Read::Eof),
            Poll::Ready(Ok(n)) => {
                trace!(len = n, "read");
                let bytes = self.input.get(..n).unwrap_or_default();
                self.read_while_due = self.read_while_due.saturating_add(n);
                match self.machine.handle_input(now, bytes) {
                    Ok(()) => Ok(Read::Took),
                    Err(e) => Err(StreamError::Machine(Arc::new(e))),
                }
            }
            Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::Interrupted => Ok(Read::Took),
            Poll::Ready(Err(e)) => Err(StreamError::Io(Arc::new(e))),
        }
    }

    /// Tells the machine that its deadline has passed, or sets the timer to it.
    fn keep_time(&mut self, cx: &mut Context<'_>, now: Time, just_read: bool) -> bool {
        let deadline = self.machine.poll_timeout();
        if deadline.is_none_or(|at| at > now) {
            self.read_while_due = 0;
        }
        let Some(deadline) = deadline else {
            self.alarm = None;
            return false;
        };
        if deadline <= now {
            // What the socket holds comes first.
            if !just_read || self.read_while_due > READ_BEFORE_TIMEOUT {
                trace!("deadline");
                self.read_while_due = 0;
                if let Err(e) = self.machine.handle_timeout(now) {
                    self.fail(StreamError::Machine(Arc::new(e)));
                }
            }
            return true;
        }
        let longest = self.runtime.now() + LONGEST_SLEEP;
        let at = self.clock.instant(deadline).unwrap_or(longest);
        self.alarm_at(cx, at.min(longest))
    }

    /// `true` when the alarm went off. One that is set for an earlier moment stays: a deadline
    /// that is put off again and again, as by every packet, then costs no new timer.
    fn alarm_at(&mut self, cx: &mut Context<'_>, at: Instant) -> bool {
        if self.alarm.as_ref().is_none_or(|alarm| alarm.at > at) {
            self.alarm = Some(Alarm {
                at,
                sleep: Box::pin(self.runtime.sleep_until(at)),
            });
        }
        let rang = self
            .alarm
            .as_mut()
            .is_some_and(|alarm| alarm.sleep.as_mut().poll(cx).is_ready());
        if rang {
            self.alarm = None;
        }
        rang
    }

    fn fail(&mut self, error: StreamError<M::Error>) {
        match error {
            StreamError::Machine(_) => self.end(Err(error)),
            // There is nobody left to talk to.
            StreamError::Io(_) => self.ended(Err(error)),
        }
    }

    fn end(&mut self, outcome: Result<(), StreamError<M::Error>>) {
        self.phase = Phase::Ending {
            outcome,
            until: self.runtime.now() + LAST_WORDS,
        };
    }

    fn ended(&mut self, outcome: Result<(), StreamError<M::Error>>) {
        trace!(ok = outcome.is_ok(), "ended");
        self.phase = Phase::Ended(outcome);
        self.stream = None;
        self.alarm = None;
        self.output = Vec::new();
        self.written = 0;
        self.unflushed = false;
    }

    fn listen(&mut self, cx: &mut Context<'_>, error: Arc<io::Error>, until: Instant) -> bool {
        if self.runtime.now() >= until {
            self.ended(Err(StreamError::Io(error)));
            return true;
        }
        let now = self.now();
        match self.read(cx, now) {
            Ok(Read::Took) => return true,
            Ok(Read::Waits) => return self.alarm_at(cx, until),
            Err(StreamError::Machine(e)) => {
                self.ended(Err(StreamError::Machine(e)));
                return true;
            }
            Ok(Read::Eof) | Err(StreamError::Io(_)) => {}
        }
        self.ended(Err(StreamError::Io(error)));
        true
    }

    fn finish(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Result<(), StreamError<M::Error>>,
        until: Instant,
    ) -> bool {
        if self.runtime.now() >= until {
            self.ended(outcome);
            return true;
        }
        let now = self.now();
        match self.write(cx, now) {
            Ok(true) => return true,
            Ok(false) if self.is_flushed() => {
                let closed = match &mut self.stream {
                    Some(stream) => Pin::new(stream).poll_close(cx).is_ready(),
                    None => true,
                };
                if closed {
                    self.ended(outcome);
                    return true;
                }
            }
            Ok(false) => {}
            Err(_) => {
                self.ended(outcome);
                return true;
            }
        }
        self.alarm_at(cx, until)
    }
}

enum Read {
    Took,
    Waits,
    Eof,
}
