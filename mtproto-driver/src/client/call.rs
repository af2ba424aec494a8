//! One call from the handle's side: handed to the task, named, awaited, cancelled when dropped.
//!
//! Does: [`Call`], and [`Submitted`], a call that has its name before its answer.
//! In: a body with options. Out: the answer.
//! Must not know: what the task does with it.
//! Spec: "Calling methods", invokeAfterMsg.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use mtproto_proto::client::CallOptions;
use mtproto_proto::{Progress, RequestId};

use super::status::{Answered, Command};
use super::{Client, Error};
use crate::shared::{Answer, Reply, reply};

/// A call in flight; dropped before its answer, it is cancelled.
pub(super) struct Call {
    /// The handle goes with the call: dropping the others does not cut it off.
    client: Client,
    answer: Answer<Answered>,
    done: bool,
}

impl Call {
    /// Hands it to the task, which says in `taken` under which name it has taken it.
    pub(super) async fn send(
        client: Client,
        body: Bytes,
        options: CallOptions,
        taken: Option<Reply<Result<RequestId, Error>>>,
    ) -> Result<Self, Error> {
        let (reply, answer) = reply();
        let command = Command::Send {
            body,
            options,
            reply,
            taken,
        };
        let inbox = &client.0.shared.inbox;
        inbox.send(command).await.map_err(Error::Closed)?;
        Ok(Call {
            client,
            answer,
            done: false,
        })
    }

    pub(super) async fn wait(mut self) -> Answered {
        let result = self.answer.wait().await;
        self.done = true;
        result
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.done {
            let gone = self.answer.gone();
            self.client.0.shared.inbox.send_now(Command::Cancel(gone));
        }
    }
}

/// A call that the client has taken: it has a name, for [`CallOptions::after`], and goes on whether
/// it is awaited or not. It is a future, of the answer. Dropping it cancels the call.
#[must_use = "dropping it cancels the call"]
pub struct Submitted<T> {
    id: RequestId,
    client: Client,
    answer: Pin<Box<dyn Future<Output = Answered> + Send>>,
    decode: fn(Bytes) -> Result<T, Error>,
}

impl<T> Submitted<T> {
    pub(super) async fn new(
        client: Client,
        body: Bytes,
        options: CallOptions,
        decode: fn(Bytes) -> Result<T, Error>,
    ) -> Result<Self, Error> {
        let (taken, name) = reply();
        let call = Call::send(client.clone(), body, options, Some(taken)).await?;
        let id = name.wait().await?;
        Ok(Submitted {
            id,
            client,
            answer: Box::pin(call.wait()),
            decode,
        })
    }

    /// The call's name.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// How far it is; `None` when it has ended.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn progress(&self) -> Result<Option<Progress>, Error> {
        self.client.progress(self.id).await
    }
}

impl<T> Future for Submitted<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let decode = self.decode;
        let answer = self.answer.as_mut().poll(cx);
        answer.map(|body| body.and_then(decode))
    }
}

impl<T> fmt::Debug for Submitted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitted")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
