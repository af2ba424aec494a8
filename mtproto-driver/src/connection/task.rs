//! The task that owns a connection.
//!
//! Does: [`Task`]: takes commands, drives the machine, hands answers to their futures and updates
//! to their queues. It always reads; nothing that a user does or leaves undone stops it.
//! In: commands, the driver's events. Out: answers, updates, the connection's status.
//! Must not know: runtimes, TL.
//! Spec: none; the protocol is the machine's.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{self, ClientConnection, ClientEvent, KeyState};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{Fate, Machine, Progress, RequestError, RequestId};

use super::config::Suspended;
use super::error::{CloseReason, Error};
use super::updates::{Capacity, Gap, Queue, missed, update};
use crate::shared::{Gone, Inbox, Reply, Subscribers, Watched, later, trace};
use crate::{Driver, Runtime, StreamError};

/// Events and commands in one go before other tasks are let in.
const STEPS_PER_POLL: usize = 256;

/// What comes of a call.
pub(crate) type Answered = Result<Bytes, Error>;

/// What handles ask for.
pub(crate) enum Command {
    Send {
        body: Bytes,
        options: SendOptions,
        reply: Reply<Answered>,
        /// Who wants the call's name.
        taken: Option<Reply<Result<RequestId, Error>>>,
    },
    Progress {
        id: RequestId,
        reply: Reply<Result<Option<Progress>, Error>>,
    },
    Cancel(Gone<Answered>),
    Close,
}

/// What the handles and the task share.
pub(crate) struct Shared {
    pub(crate) inbox: Inbox<Command, CloseReason>,
    pub(crate) status: Watched<Status>,
    pub(crate) subscribers: Subscribers<Queue>,
    /// Updates that wait for each.
    pub(crate) update_queue: Capacity,
}

/// How the connection is.
#[derive(Default)]
pub(crate) struct Status {
    /// There is a key, and requests can be sent.
    pub(crate) ready: bool,
    /// The server has shown that it has the key.
    pub(crate) proved: bool,
    pub(crate) key: Option<KeyState>,
    pub(crate) ended: Option<CloseReason>,
    pub(crate) suspended: Option<Suspended>,
}

/// Everything that belongs to the stream, owned by one future.
pub(crate) struct Task<R: Runtime> {
    driver: Driver<ClientConnection, R>,
    runtime: R,
    shared: Arc<Shared>,
    replies: BTreeMap<RequestId, Reply<Answered>>,
    /// The server has not yet said that the session is new, and it is: nothing can be missing.
    fresh: bool,
    closing: Closing<R>,
    close_timeout: Duration,
}

enum Closing<R: Runtime> {
    No,
    /// The machine was told; what is queued is written until then.
    Flushing(Pin<Box<R::Sleep>>),
    /// The stream is on its way down.
    Down,
}

impl<R: Runtime> Task<R> {
    pub(crate) fn new(
        driver: Driver<ClientConnection, R>,
        runtime: R,
        shared: Arc<Shared>,
        fresh: bool,
        close_timeout: Duration,
    ) -> Self {
        Task {
            driver,
            runtime,
            shared,
            replies: BTreeMap::new(),
            fresh,
            closing: Closing::No,
            close_timeout,
        }
    }

    /// Serves the connection to its end.
    pub(crate) async fn run(mut self) {
        // Should the runtime drop this future, nobody is left waiting.
        let _guard = Guard(self.shared.clone());
        let reason = poll_fn(|cx| self.poll(cx)).await;
        self.finish(reason);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        for _ in 0..STEPS_PER_POLL {
            for command in self.shared.inbox.take(cx) {
                self.command(command);
            }
            // Also before anything is read: a peer that never pauses does not keep us.
            self.close_if_flushed(cx);
            match self.driver.poll_next(cx) {
                Poll::Ready(Ok(Some(event))) => self.event(event),
                Poll::Ready(Ok(None)) => return Poll::Ready(CloseReason::Requested),
                Poll::Ready(Err(error)) => return Poll::Ready(self.reason(error)),
                Poll::Pending if self.close_if_flushed(cx) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn reason(&self, error: StreamError<connection::Error>) -> CloseReason {
        match error {
            // Whatever the stream does while it is being closed, it was closed.
            _ if !matches!(self.closing, Closing::No) => CloseReason::Requested,
            StreamError::Io(e) => CloseReason::Io(e),
            StreamError::Machine(e) if *e == connection::Error::Eof => CloseReason::Peer,
            StreamError::Machine(e) => CloseReason::Protocol(e),
        }
    }

    /// Closes the stream if that was asked for, and all is written or patience is at its end.
    fn close_if_flushed(&mut self, cx: &mut Context<'_>) -> bool {
        let Closing::Flushing(patience) = &mut self.closing else {
            return false;
        };
        // A handshake that no request waits for is not worth finishing.
        let machine = self.driver.machine();
        let drained = machine.is_drained() || machine.queued_bytes() == 0;
        let flushed = drained && self.driver.is_flushed();
        if !flushed && patience.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.closing = Closing::Down;
        self.driver.close();
        true
    }

    fn command(&mut self, command: Command) {
        let now = self.driver.now();
        let machine = self.driver.machine();
        match command {
            Command::Send {
                body,
                options,
                reply,
                taken,
            } => {
                let len = body.len();
                let sent = if let Closing::Flushing(_) | Closing::Down = self.closing {
                    Err(Error::Closed(CloseReason::Requested))
                } else {
                    machine.send(now, body, &options).map_err(Error::Send)
                };
                if let Some(taken) = taken {
                    taken.set(sent.clone());
                }
                match sent {
                    Ok(id) => {
                        trace!(request = id.0, len = len, "send");
                        reply.taken_as(id);
                        self.replies.insert(id, reply);
                    }
                    Err(error) => reply.set(Err(error)),
                }
            }
            Command::Progress { id, reply } => reply.set(Ok(machine.progress(id))),
            Command::Cancel(gone) => {
                if let Some(id) = gone.id()
                    && self.replies.remove(&id).is_some()
                {
                    trace!(request = id.0, "cancel");
                    machine.cancel(now, id);
                }
            }
            Command::Close => {
                if let Closing::No = self.closing {
                    machine.close();
                    let until = later(self.runtime.now(), self.close_timeout);
                    self.closing = Closing::Flushing(Box::pin(self.runtime.sleep_until(until)));
                }
            }
        }
    }

    fn event(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::KeyCreated(key) | ClientEvent::KeyStateChanged(key) => {
                trace!(key = key.auth_key_id().0, "key");
                self.shared.status.update(|status| status.key = Some(key));
            }
            ClientEvent::Connected => {
                trace!("connected");
                self.shared.status.update(|status| {
                    status.ready = true;
                    status.proved = true;
                });
            }
            ClientEvent::Response { id, body } => {
                trace!(request = id.0, len = body.len(), "response");
                self.answer(id, Ok(body));
            }
            ClientEvent::Failed { id, error } => {
                if let RequestError::Rpc(error) = &error {
                    trace!(request = id.0, code = error.code, "rpc error");
                } else {
                    trace!(request = id.0, "failed");
                }
                self.answer(id, Err(request_error(error)));
            }
            ClientEvent::Update { body } => {
                trace!(len = body.len(), "update");
                update(&self.shared.subscribers, &body);
            }
            ClientEvent::SessionRenewed { .. } => {
                trace!("session renewed");
                if !std::mem::take(&mut self.fresh) {
                    missed(&self.shared.subscribers, Gap::SessionRenewed);
                }
            }
            ClientEvent::UpdatesMissed => {
                trace!("updates missed");
                missed(&self.shared.subscribers, Gap::Unusable);
            }
            ClientEvent::Acked { id } => trace!(request = id.0, "acked"),
            ClientEvent::ClockCorrected { by } => trace!(seconds = by, "clock corrected"),
            _ => {}
        }
    }

    fn answer(&mut self, id: RequestId, result: Result<Bytes, Error>) {
        if let Some(reply) = self.replies.remove(&id) {
            reply.set(result);
        }
    }

    /// Tells everybody that it is over, and what is known of their requests.
    fn finish(mut self, reason: CloseReason) {
        let now = self.driver.now();
        let machine = self.driver.machine();
        // Nobody will wait for these when the session is resumed, so it must not send them again.
        for id in self.replies.keys() {
            machine.cancel(now, *id);
        }
        while let Some(event) = self.driver.machine().poll_event() {
            if let ClientEvent::Failed {
                id,
                error: RequestError::Cancelled(fate),
            } = event
            {
                let reason = reason.clone();
                self.answer(id, Err(Error::Cut { fate, reason }));
            } else {
                self.event(event);
            }
        }
        for reply in std::mem::take(&mut self.replies).into_values() {
            reply.set(Err(Error::Cut {
                fate: Fate::MaybeExecuted,
                reason: reason.clone(),
            }));
        }
        let (machine, clock) = self.driver.into_parts();
        let suspended = Suspended {
            machine: machine.suspend(),
            clock,
        };
        end(&self.shared, reason, Some(suspended));
    }
}

/// Ends the connection for its handles, once.
fn end(shared: &Shared, reason: CloseReason, suspended: Option<Suspended>) {
    let Some(left) = shared.inbox.close(reason.clone()) else {
        return;
    };
    for command in left {
        let error = Error::Cut {
            fate: Fate::NotSent,
            reason: reason.clone(),
        };
        match command {
            Command::Send { reply, taken, .. } => {
                if let Some(taken) = taken {
                    taken.set(Err(error.clone()));
                }
                reply.set(Err(error));
            }
            Command::Progress { reply, .. } => reply.set(Err(Error::Closed(reason.clone()))),
            Command::Cancel(_) | Command::Close => {}
        }
    }
    shared.status.update(|status| {
        status.ended = Some(reason);
        status.suspended = suspended;
    });
    shared.subscribers.end();
}

struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        end(&self.0, CloseReason::Aborted, None);
    }
}

fn request_error(error: RequestError) -> Error {
    match error {
        RequestError::Rpc(e) => Error::Rpc(e),
        RequestError::TimedOut(fate) => Error::TimedOut(fate),
        RequestError::Cancelled(fate) | RequestError::Lost(fate) => Error::Lost(fate),
        RequestError::DependencyFailed(id) => Error::DependencyFailed(id),
        RequestError::BadAnswer => Error::BadAnswer,
        _ => Error::Lost(Fate::MaybeExecuted),
    }
}
