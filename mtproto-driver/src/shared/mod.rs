//! What the loops and the handles are made of.
//!
//! Does: the parts that one stream and many have in common: a socket with its output, the timer,
//! the queue of commands, answers on their way, subscribers.
//! In and out: see each file.
//! Must not know: MTProto, machines, which handle it serves.
//! Spec: none.

#[cfg(feature = "client")]
mod aside;
mod call;
mod inbox;
#[cfg(feature = "json")]
pub(crate) mod json;
mod reply;
mod socket;
mod subscribers;
mod timer;
mod trace;
mod watched;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

#[cfg(feature = "client")]
pub(crate) use aside::aside;
pub(crate) use call::Call;
pub use call::Submitted;
pub(crate) use inbox::Inbox;
pub(crate) use reply::{Aborted, Gone, Reply, reply};
pub(crate) use socket::{Read, Socket};
pub(crate) use subscribers::{Pending, Subscribers, Subscription};
pub(crate) use timer::{Timed, Timer, later};
pub(crate) use trace::trace;
#[cfg(feature = "client")]
pub(crate) use watched::Place;
pub(crate) use watched::Watched;

use crate::Runtime;

/// One read: large enough that a busy stream costs few system calls, small enough to keep.
pub(crate) const READ_BUFFER: usize = 64 * 1024;

/// After an error or the end of the input, what is left to say is written for at most this long,
/// and what the peer has said before it closed is listened to.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// `None` if the alarm rang before the future was ready.
pub(crate) async fn before<T>(
    alarm: impl Future<Output = ()>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut alarm = pin!(alarm);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// `None` if the future was not ready in time.
pub(crate) async fn within<R: Runtime, T>(
    runtime: &R,
    time: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    before(runtime.sleep_until(later(runtime.now(), time)), future).await
}
