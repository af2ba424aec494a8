//! One stream of a client, from the attempt to open it to its end.
//!
//! Does: [`Link`]: opens the socket, writes what the machine gives, reads, closes; each poll does
//! each at most once.
//! In: what the machine asked for. Out: bytes to the machine, and how the stream fares.
//! Must not know: why there is a stream, other streams.
//! Spec: none.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use mtproto_proto::client::Client as Machine;
use mtproto_proto::{ConnId, DcId, Time};

use crate::Runtime;
use crate::shared::{LAST_WORDS, Read, Socket, later, trace, within};

/// A stream that the machine has asked for.
pub(crate) struct Link<R: Runtime> {
    conn: ConnId,
    dc: DcId,
    to: SocketAddr,
    state: State<R>,
}

type Opening<R> = Pin<Box<dyn Future<Output = io::Result<<R as Runtime>::Stream>> + Send>>;

enum State<R: Runtime> {
    Opening(Opening<R>),
    Open {
        socket: Socket<R::Stream>,
        /// The machine has something to send.
        asked: bool,
        end: End<R>,
    },
}

/// Whether and how the stream ends; it does so after [`LAST_WORDS`] at the latest.
enum End<R: Runtime> {
    No,
    /// Writing failed. The peer may have said why before it closed, so reading goes on.
    Listening(Pin<Box<R::Sleep>>),
    /// The machine wants it closed: what is left to say is written.
    Closing(Pin<Box<R::Sleep>>),
}

/// How a stream fares.
pub(crate) enum Step {
    /// Nothing moves.
    Waits,
    /// Something did: so many bytes were read.
    Moved(usize),
    /// It could not be opened.
    Failed {
        dc: DcId,
        to: SocketAddr,
        error: io::Error,
    },
    /// It is gone, and the machine knows.
    Gone,
}

impl<R: Runtime> Link<R> {
    /// Begins to connect.
    pub(crate) fn open(
        runtime: &R,
        conn: ConnId,
        dc: DcId,
        to: SocketAddr,
        timeout: Duration,
    ) -> Self {
        trace!(conn = conn.0, dc = dc.0, "connecting");
        let runtime = runtime.clone();
        let opening = async move {
            let connected = within(&runtime, timeout, runtime.connect(to)).await;
            connected.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
        };
        Link {
            conn,
            dc,
            to,
            state: State::Opening(Box::pin(opening)),
        }
    }

    /// The machine has something to send.
    pub(crate) fn ask(&mut self) {
        if let State::Open { asked, .. } = &mut self.state {
            *asked = true;
        }
    }

    /// The machine wants it closed; `false` when there is nothing to wait for.
    pub(crate) fn close(&mut self, runtime: &R) -> bool {
        match &mut self.state {
            State::Opening(_) => false,
            State::Open { asked, end, .. } => {
                let until = later(runtime.now(), LAST_WORDS);
                *asked = true;
                *end = End::Closing(Box::pin(runtime.sleep_until(until)));
                true
            }
        }
    }

    /// Opens, or writes and reads.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        runtime: &R,
        machine: &mut Machine,
        now: Time,
        input: &mut [u8],
    ) -> Step {
        let opening = match &mut self.state {
            State::Opening(opening) => opening,
            State::Open { .. } => return self.serve(cx, runtime, machine, now, input),
        };
        match opening.as_mut().poll(cx) {
            Poll::Pending => Step::Waits,
            Poll::Ready(Ok(stream)) => {
                trace!(conn = self.conn.0, "connected");
                self.state = State::Open {
                    socket: Socket::new(stream),
                    asked: true,
                    end: End::No,
                };
                machine.handle_connected(now, self.conn);
                Step::Moved(0)
            }
            Poll::Ready(Err(error)) => {
                trace!(conn = self.conn.0, "not connected");
                machine.handle_connect_failed(now, self.conn);
                Step::Failed {
                    dc: self.dc,
                    to: self.to,
                    error,
                }
            }
        }
    }

    fn serve(
        &mut self,
        cx: &mut Context<'_>,
        runtime: &R,
        machine: &mut Machine,
        now: Time,
        input: &mut [u8],
    ) -> Step {
        let conn = self.conn;
        let State::Open { socket, asked, end } = &mut self.state else {
            return Step::Waits;
        };
        let closing = match end {
            End::No => false,
            End::Listening(until) => {
                if until.as_mut().poll(cx).is_ready() {
                    machine.handle_closed(now, conn);
                    return Step::Gone;
                }
                false
            }
            End::Closing(until) => {
                if until.as_mut().poll(cx).is_ready() {
                    return Step::Gone;
                }
                true
            }
        };

        let mut moved = false;
        if let End::No | End::Closing(_) = end {
            let wrote = socket.write(cx, |out| {
                // Asking may have told the machine something, whatever it says.
                moved = *asked;
                *asked = *asked && machine.poll_transmit(now, conn, out);
                *asked
            });
            match wrote {
                Ok(wrote) => moved |= wrote,
                Err(_) if closing => return Step::Gone,
                Err(_) => {
                    socket.discard_output();
                    let until = later(runtime.now(), LAST_WORDS);
                    *end = End::Listening(Box::pin(runtime.sleep_until(until)));
                    moved = true;
                }
            }
        }
        if closing {
            if !moved && socket.is_flushed() && socket.close(cx) {
                trace!(conn = conn.0, "closed");
                return Step::Gone;
            }
            return if moved { Step::Moved(0) } else { Step::Waits };
        }

        match socket.read(cx, input) {
            Ok(Read::Took(n)) => {
                let bytes = input.get(..n).unwrap_or_default();
                machine.handle_input(now, conn, bytes);
                Step::Moved(n)
            }
            Ok(Read::Interrupted) => Step::Moved(0),
            Ok(Read::Waits) if moved => Step::Moved(0),
            Ok(Read::Waits) => Step::Waits,
            Ok(Read::Eof) | Err(_) => {
                trace!(conn = conn.0, "ended");
                machine.handle_closed(now, conn);
                Step::Gone
            }
        }
    }
}
