//! The one trait: a protocol endpoint over one byte stream.
//!
//! Does: names the six calls and their contract.
//! In: bytes, the end of the stream, the time. Out: bytes, events, the next deadline.
//! Must not know: sockets, clocks, threads, runtimes.
//! Spec: none; this is the shape of the crate.
//!
//! # Contract
//!
//! 1. Polls and handles may come in any order and any number. After any handle or command, call
//!    [`poll_transmit`](Machine::poll_transmit) while the socket accepts bytes.
//! 2. How the input is cut into slices does not matter.
//! 3. After `handle_timeout(t)` with `t >= poll_timeout()`, the next `poll_timeout()` is later
//!    than `t` or `None`, whether or not output is taken.
//! 4. An early or repeated `handle_timeout` does nothing.
//! 5. An error is final. Events queued before it still come out, `poll_transmit` may give one
//!    last frame, and every later handle repeats the error.
//! 6. `now` does not go back; if it does, the latest time seen is used instead.

use alloc::vec::Vec;

use crate::Time;

/// A protocol endpoint that talks over one byte stream and does no I/O of its own.
pub trait Machine {
    /// What the machine tells its owner.
    type Event;
    /// Why the stream cannot go on.
    type Error: core::error::Error + Send + Sync + 'static;

    /// Takes bytes that the stream delivered, in any slicing.
    ///
    /// # Errors
    /// The stream's final error; close the stream after writing what `poll_transmit` still gives.
    fn handle_input(&mut self, now: Time, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Learns that the peer has closed its side of the stream.
    ///
    /// # Errors
    /// The stream's final error, if the end came at a bad moment.
    fn handle_eof(&mut self, now: Time) -> Result<(), Self::Error>;

    /// Learns that time has passed; call it when [`poll_timeout`](Machine::poll_timeout) is due.
    ///
    /// # Errors
    /// The stream's final error, for example a deadline that ran out.
    fn handle_timeout(&mut self, now: Time) -> Result<(), Self::Error>;

    /// Appends at most one packet to `out`; `false` when there is nothing to send.
    #[must_use]
    fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool;

    /// Takes the oldest event.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// The earliest timer: when to call [`handle_timeout`](Machine::handle_timeout).
    /// Says nothing about waiting output or events.
    fn poll_timeout(&self) -> Option<Time>;
}
