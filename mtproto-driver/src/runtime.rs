//! What the driver needs from an async runtime.
//!
//! Does: names the five calls; `mtproto-tokio` and `mtproto-async-std` are two implementations,
//! and `examples/own_runtime.rs` shows a third in twenty lines.
//! In: moments and addresses. Out: futures and byte streams in the shape of `futures-io`.
//! Must not know: MTProto.
//! Spec: none; this is the shape of the crate.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};

/// An async runtime, as far as a connection needs one: a clock, a timer, TCP and tasks.
///
/// It is a handle: cheap to clone, and every clone means the same runtime.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected byte stream.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// A timer that has been set.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// The runtime's idea of the present. Timers are set against it, so a paused test clock works.
    fn now(&self) -> Instant;

    /// A future that is ready once [`now`](Runtime::now) has reached `at`.
    fn sleep_until(&self, at: Instant) -> Self::Sleep;

    /// Opens a TCP stream. Small packets should leave at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Whatever the operating system says; a deadline is the caller's affair.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Runs a future to its end in the background.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
