//! The loop: one machine, one byte stream.
//!
//! Does: [`Driver`] hands out events, writes, reads and keeps the timer, in that order, until
//! nothing moves. It is also the worked example for who wants a loop of their own.
//! In: bytes and wake-ups. Out: the machine's events, and how the stream ended.
//! Must not know: which machine it drives, which runtime it runs on, MTProto.
//! Spec: none; the contract is that of [`Machine`].

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use mtproto_proto::{Machine, Time};

use crate::shared::{self, LAST_WORDS, READ_BUFFER, Socket, Timed, Timer, later, trace};
use crate::{Clock, Runtime};

/// Turns of the loop without an event before other tasks are let in.
const TURNS_PER_POLL: usize = 64;

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
    socket: Option<Socket<R::Stream>>,
    runtime: R,
    clock: Clock,
    phase: Phase<M::Error>,
    timer: Timer<R>,
    input: Box<[u8]>,
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

impl<M: Machine, R: Runtime> Driver<M, R> {
    /// A driver for a machine and the stream that it talks over.
    ///
    /// `clock` is the one by which the machine was made: its time must not go back.
    pub fn new(machine: M, stream: R::Stream, runtime: R, clock: Clock) -> Self {
        Driver {
            machine,
            socket: Some(Socket::new(stream)),
            runtime,
            clock,
            phase: Phase::Running,
            timer: Timer::new(),
            input: vec![0; READ_BUFFER].into_boxed_slice(),
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
        self.socket.as_ref().is_none_or(Socket::is_flushed)
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
                if let Some(socket) = &mut self.socket {
                    socket.discard_output();
                }
                self.phase = Phase::Listening {
                    error: Arc::new(error),
                    until: later(self.runtime.now(), LAST_WORDS),
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
        let machine = &mut self.machine;
        match &mut self.socket {
            Some(socket) => socket.write(cx, |out| machine.poll_transmit(now, out)),
            None => Ok(false),
        }
    }

    /// Reads once and tells the machine.
    fn read(&mut self, cx: &mut Context<'_>, now: Time) -> Result<Read, StreamError<M::Error>> {
        let Some(socket) = &mut self.socket else {
            return Ok(Read::Eof);
        };
        match socket.read(cx, &mut self.input) {
            Ok(shared::Read::Took(n)) => {
                self.timer.note_read(n);
                let bytes = self.input.get(..n).unwrap_or_default();
                match self.machine.handle_input(now, bytes) {
                    Ok(()) => Ok(Read::Took),
                    Err(e) => Err(StreamError::Machine(Arc::new(e))),
                }
            }
            Ok(shared::Read::Interrupted) => Ok(Read::Took),
            Ok(shared::Read::Waits) => Ok(Read::Waits),
            Ok(shared::Read::Eof) => Ok(Read::Eof),
            Err(e) => Err(StreamError::Io(Arc::new(e))),
        }
    }

    /// Tells the machine that its deadline has passed, or sets the timer to it.
    fn keep_time(&mut self, cx: &mut Context<'_>, now: Time, just_read: bool) -> bool {
        let deadline = self.machine.poll_timeout();
        let (runtime, clock) = (&self.runtime, &mut self.clock);
        match self.timer.poll(cx, runtime, clock, deadline, just_read) {
            Timed::Waits => return false,
            Timed::Again => {}
            Timed::Due => {
                trace!("deadline");
                if let Err(e) = self.machine.handle_timeout(now) {
                    self.fail(StreamError::Machine(Arc::new(e)));
                }
            }
        }
        true
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
            until: later(self.runtime.now(), LAST_WORDS),
        };
    }

    fn ended(&mut self, outcome: Result<(), StreamError<M::Error>>) {
        trace!(ok = outcome.is_ok(), "ended");
        self.phase = Phase::Ended(outcome);
        self.socket = None;
        self.timer.stop();
    }

    fn listen(&mut self, cx: &mut Context<'_>, error: Arc<io::Error>, until: Instant) -> bool {
        if self.runtime.now() >= until {
            self.ended(Err(StreamError::Io(error)));
            return true;
        }
        let now = self.now();
        match self.read(cx, now) {
            Ok(Read::Took) => return true,
            Ok(Read::Waits) => return self.timer.poll_at(cx, &self.runtime, until),
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
                if self.socket.as_mut().is_none_or(|socket| socket.close(cx)) {
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
        self.timer.poll_at(cx, &self.runtime, until)
    }
}

enum Read {
    Took,
    Waits,
    Eof,
}
