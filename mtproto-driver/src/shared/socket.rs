//! A byte stream and the output that it has not taken yet.
//!
//! Does: [`Socket`]: writes packet after packet, each made when the one before has left; reads
//! once; flushes and closes.
//! In: packets to write. Out: bytes that came, and the errors of the operating system.
//! Must not know: what the bytes mean, how long to wait.
//! Spec: none.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::trace;

/// An empty output buffer above this size is given back once there is nothing more to send.
const KEPT_OUTPUT: usize = 64 * 1024;

/// A stream with its output.
pub(crate) struct Socket<S> {
    stream: S,
    /// At most one packet, of which the first `written` bytes have left.
    output: Vec<u8>,
    written: usize,
    unflushed: bool,
}

/// What a read found.
pub(crate) enum Read {
    /// So many bytes.
    Took(usize),
    /// Nothing: a signal came.
    Interrupted,
    Waits,
    Eof,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) fn new(stream: S) -> Self {
        Socket {
            stream,
            output: Vec::new(),
            written: 0,
            unflushed: false,
        }
    }

    /// Whether everything that was given so far has been handed to the stream.
    pub(crate) fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    /// Asks `next` for a packet when the last one has left, and writes. `false` when there is
    /// nothing to write or the stream takes nothing.
    pub(crate) fn write(
        &mut self,
        cx: &mut Context<'_>,
        next: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> io::Result<bool> {
        let stream = Pin::new(&mut self.stream);
        if self.output.is_empty() && !next(&mut self.output) {
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
                self.written = self.written.saturating_add(n);
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

    /// Reads once.
    pub(crate) fn read(&mut self, cx: &mut Context<'_>, input: &mut [u8]) -> io::Result<Read> {
        match Pin::new(&mut self.stream).poll_read(cx, input) {
            Poll::Pending => Ok(Read::Waits),
            Poll::Ready(Ok(0)) => Ok(Read::Eof),
            Poll::Ready(Ok(n)) => {
                trace!(len = n, "read");
                Ok(Read::Took(n))
            }
            Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::Interrupted => Ok(Read::Interrupted),
            Poll::Ready(Err(e)) => Err(e),
        }
    }

    /// Closes the stream; `true` when that is done, well or not.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>) -> bool {
        Pin::new(&mut self.stream).poll_close(cx).is_ready()
    }

    /// Forgets the output: nobody takes it any more.
    pub(crate) fn discard_output(&mut self) {
        self.output = Vec::new();
        self.written = 0;
        self.unflushed = false;
    }
}
