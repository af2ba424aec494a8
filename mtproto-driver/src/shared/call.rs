//! One call from the handle's side: awaited, cancelled when dropped, named before its answer.
//!
//! Does: [`Call`], and [`Submitted`], a call that has its name.
//! In: the place of the answer, how to cancel. Out: the answer.
//! Must not know: which handle it came from, what the task does with it.
//! Spec: "Calling methods", invokeAfterMsg.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use mtproto_proto::RequestId;

use super::reply::{Answer, Gone};

/// A call in flight; dropped before its answer, it is cancelled.
pub(crate) struct Call<A, C: Fn(Gone<A>)> {
    answer: Answer<A>,
    /// It holds the handle: dropping the others does not cut the call off.
    cancel: C,
    done: bool,
}

impl<A, C: Fn(Gone<A>)> Call<A, C> {
    pub(crate) fn new(answer: Answer<A>, cancel: C) -> Self {
        Call {
            answer,
            cancel,
            done: false,
        }
    }

    pub(crate) async fn wait(mut self) -> A {
        let result = self.answer.wait().await;
        self.done = true;
        result
    }
}

impl<A, C: Fn(Gone<A>)> Drop for Call<A, C> {
    fn drop(&mut self) {
        if !self.done {
            (self.cancel)(self.answer.gone());
        }
    }
}

/// A call that was taken: it has a name, for the option `after` of others, and goes on whether it is
/// awaited or not. It is a future, of the answer. Dropping it cancels the call.
#[must_use = "dropping it cancels the call"]
pub struct Submitted<T, E> {
    id: RequestId,
    answer: Pin<Box<dyn Future<Output = Result<Bytes, E>> + Send>>,
    decode: fn(Bytes) -> Result<T, E>,
}

impl<T, E> Submitted<T, E> {
    pub(crate) fn new(
        id: RequestId,
        answer: impl Future<Output = Result<Bytes, E>> + Send + 'static,
        decode: fn(Bytes) -> Result<T, E>,
    ) -> Self {
        Submitted {
            id,
            answer: Box::pin(answer),
            decode,
        }
    }

    /// The call's name.
    pub fn id(&self) -> RequestId {
        self.id
    }
}

impl<T, E> Future for Submitted<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let decode = self.decode;
        let answer = self.answer.as_mut().poll(cx);
        answer.map(|body| body.and_then(decode))
    }
}

impl<T, E> fmt::Debug for Submitted<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitted")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
