//! The user's handle over one connection.
//!
//! Does: [`Connection`]: connect, call (typed, by name with JSON, raw), subscribe to updates,
//! close, and resume what an ended stream left.
//! In: methods and their arguments. Out: answers, updates, typed errors; all bounded in time.
//! Must not know: which runtime it runs on once its task is spawned.
//! Spec: "Invoking API methods".

mod config;
mod error;
#[cfg(feature = "json")]
mod json;
mod task;
mod updates;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use mtproto_proto::connection::{self as proto, ClientConnection, KeyState};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{Progress, RequestId};
use mtproto_schema::{Decode, Function};

pub use config::{Config, Start, Suspended};
#[cfg(feature = "client")]
pub(crate) use error::advice;
pub use error::{CloseReason, ConnectError, Error};
pub use updates::{Gap, Incoming, Update, Updates};

use task::{Answered, Command, Shared, Status, Task};

use crate::shared::{Call, Gone, Inbox, Reply, Submitted, Subscribers, Watched, reply, within};
use crate::{Clock, Driver, Runtime, entropy};

/// A connection to one data centre.
///
/// A handle: clone it freely. One task owns the stream and always reads it, so a call inside a
/// loop over [`updates`](Connection::updates) is answered however slow the loop is. The
/// connection ends when [`close`](Connection::close) is called, when the stream ends, or when the
/// last handle and the last call in flight are gone.
///
/// Dropping a call's future cancels the call. All calls end: with the answer, an error of the
/// server, or an [`Error`] that says whether the request may have been executed.
#[derive(Clone)]
pub struct Connection(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    #[cfg(feature = "json")]
    schema: Option<Arc<mtproto_schema::Schema>>,
}

/// How a connection ended, and what is left of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// For [`Start::Resume`], so that the session goes on over another stream. Only the first who
    /// asks gets it.
    pub suspended: Option<Suspended>,
}

impl Connection {
    /// Connects over TCP.
    ///
    /// With [`Start::NewKey`] it returns when the key is made; with a key or a session at hand, as
    /// soon as requests can be sent, which needs no word from the server.
    ///
    /// # Errors
    /// The address does not answer, the configuration is wrong, or the handshake failed. What is
    /// to be resumed is handed back.
    pub async fn connect<R: Runtime>(
        runtime: &R,
        to: SocketAddr,
        config: Config,
        start: Start,
    ) -> Result<Self, ConnectError> {
        let after = config.connect_timeout;
        let error = match within(runtime, after, runtime.connect(to)).await {
            Some(Ok(stream)) => return Self::over(runtime, stream, config, start).await,
            Some(Err(error)) => Error::Connect {
                to,
                error: Arc::new(error),
            },
            None => Error::ConnectTimedOut { to, after },
        };
        Err(ConnectError {
            error,
            retry: Some(start),
        })
    }

    /// Connects over a stream that is open already, for instance through a proxy.
    ///
    /// # Errors
    /// The configuration is wrong, or the handshake failed. What is to be resumed is handed back.
    pub async fn over<R: Runtime>(
        runtime: &R,
        stream: R::Stream,
        config: Config,
        start: Start,
    ) -> Result<Self, ConnectError> {
        let rng = match entropy::rng() {
            Ok(rng) => rng,
            Err(e) => {
                return Err(ConnectError {
                    error: Error::Entropy(Arc::new(e)),
                    retry: Some(start),
                });
            }
        };
        let mut status = Status::default();
        let mut fresh = true;
        let mut clock = Clock::system(runtime.now());
        let start = match start {
            Start::NewKey => proto::Start::NewKey,
            Start::Key(key) => {
                status.key = Some(key.clone());
                status.ready = true;
                proto::Start::Key(key)
            }
            Start::Resume(suspended) => {
                clock = suspended.clock;
                status.key = suspended.machine.key_state().cloned();
                status.ready = status.key.is_some();
                fresh = status.key.is_none();
                proto::Start::Resume(suspended.machine)
            }
        };
        let now = clock.time(runtime.now());
        let machine = match ClientConnection::new(config.client.clone(), start, rng, now) {
            Ok(machine) => machine,
            Err(e) => {
                return Err(ConnectError {
                    error: Error::Config(e),
                    retry: None,
                });
            }
        };
        let shared = Arc::new(Shared {
            inbox: Inbox::new(config.command_queue),
            status: Watched::new(status),
            subscribers: Subscribers::new(),
            update_queue: updates::Capacity {
                updates: config.update_queue,
                bytes: config.client.session.limits.update_bytes,
            },
        });
        let driver = Driver::new(machine, stream, runtime.clone(), clock);
        let patience = config.close_timeout;
        let task = Task::new(driver, runtime.clone(), shared.clone(), fresh, patience);
        runtime.spawn(task.run());
        let connection = Connection(Arc::new(Handle {
            shared,
            #[cfg(feature = "json")]
            schema: config.schema,
        }));
        connection.ready().await
    }

    /// Waits until requests can be sent. What happens to the stream after that is for those who
    /// send them.
    async fn ready(self) -> Result<Self, ConnectError> {
        let status = &self.0.shared.status;
        let ended = status.wait(|status| {
            if status.ready {
                return Some(None);
            }
            let reason = status.ended.clone()?;
            Some(Some((reason, status.suspended.take())))
        });
        match ended.await {
            None => Ok(self),
            Some((reason, suspended)) => Err(ConnectError {
                error: Error::Closed(reason),
                retry: suspended.map(Start::Resume),
            }),
        }
    }

    /// Returns when the server has proved that it has the key: one round trip after a
    /// [`connect`](Connection::connect) with a stored key.
    ///
    /// # Errors
    /// [`Error::Closed`] when the stream ended before that.
    pub async fn connected(&self) -> Result<(), Error> {
        let proved = self.0.shared.status.wait(|status| {
            let ended = status
                .ended
                .clone()
                .map(|reason| Err(Error::Closed(reason)));
            ended.or(status.proved.then_some(Ok(())))
        });
        proved.await
    }

    /// Calls a method.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Rpc`] is the server's own.
    pub fn invoke<F: Function>(
        &self,
        method: &F,
    ) -> impl Future<Output = Result<F::Response, Error>> + Send + use<F> {
        self.invoke_with(method, SendOptions::default())
    }

    /// [`invoke`](Connection::invoke) with a deadline and other options of its own.
    ///
    /// # Errors
    /// As for [`invoke`](Connection::invoke).
    pub fn invoke_with<F: Function>(
        &self,
        method: &F,
        mut options: SendOptions,
    ) -> impl Future<Output = Result<F::Response, Error>> + Send + use<F> {
        options.idempotent |= F::IDEMPOTENT;
        let answer = self.invoke_raw_with(method.to_bytes(), options);
        async move { decode::<F>(answer.await?) }
    }

    /// Sends a body as it is and returns the answer's: the boxed result, uncompressed.
    ///
    /// # Errors
    /// As for [`invoke`](Connection::invoke).
    pub fn invoke_raw(
        &self,
        body: Bytes,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send + use<> {
        self.invoke_raw_with(body, SendOptions::default())
    }

    /// [`invoke_raw`](Connection::invoke_raw) with a deadline and other options of its own. Unless
    /// they say that it is idempotent, a body is never sent again when it may have been executed.
    ///
    /// # Errors
    /// As for [`invoke`](Connection::invoke).
    pub fn invoke_raw_with(
        &self,
        body: Bytes,
        options: SendOptions,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send + use<> {
        let connection = self.clone();
        async move {
            let call = connection.hand_over(body, options, None).await?;
            call.wait().await
        }
    }

    /// Hands a call over and returns as soon as the connection has taken it, with the call's name:
    /// others may be told to come [`after`](SendOptions::after) it.
    ///
    /// The server executes such a call only after the other one, and not at all if that fails
    /// ([`Error::DependencyFailed`]). They travel together.
    ///
    /// # Errors
    /// The connection did not take it: [`Error::Send`], [`Error::Closed`], [`Error::Cut`]. The
    /// answer's errors come with the answer.
    pub fn submit<F: Function>(
        &self,
        method: &F,
        mut options: SendOptions,
    ) -> impl Future<Output = Result<Submitted<F::Response, Error>, Error>> + Send + use<F> {
        options.idempotent |= F::IDEMPOTENT;
        self.clone()
            .submitted(method.to_bytes(), options, decode::<F>)
    }

    /// [`submit`](Connection::submit) for a body as it is, as in
    /// [`invoke_raw_with`](Connection::invoke_raw_with).
    ///
    /// # Errors
    /// As for [`submit`](Connection::submit).
    pub fn submit_raw(
        &self,
        body: Bytes,
        options: SendOptions,
    ) -> impl Future<Output = Result<Submitted<Bytes, Error>, Error>> + Send + use<> {
        self.clone().submitted(body, options, Ok)
    }

    async fn submitted<T>(
        self,
        body: Bytes,
        options: SendOptions,
        decode: fn(Bytes) -> Result<T, Error>,
    ) -> Result<Submitted<T, Error>, Error> {
        let (taken, name) = reply();
        let call = self.hand_over(body, options, Some(taken)).await?;
        Ok(Submitted::new(name.wait().await?, call.wait(), decode))
    }

    /// Hands a call to the task, which says in `taken` under which name it has taken it.
    async fn hand_over(
        self,
        body: Bytes,
        options: SendOptions,
        taken: Option<Reply<Result<RequestId, Error>>>,
    ) -> Result<Call<Answered, impl Fn(Gone<Answered>) + Send + use<>>, Error> {
        let (reply, answer) = reply();
        let command = Command::Send {
            body,
            options,
            reply,
            taken,
        };
        let inbox = &self.0.shared.inbox;
        inbox.send(command).await.map_err(Error::Closed)?;
        Ok(Call::new(answer, move |gone| {
            self.0.shared.inbox.send_now(Command::Cancel(gone));
        }))
    }

    /// How far a call is that was [submitted](Connection::submit); `None` when it has ended.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn progress(&self, id: RequestId) -> Result<Option<Progress>, Error> {
        let (reply, answer) = reply();
        let command = Command::Progress { id, reply };
        let inbox = &self.0.shared.inbox;
        inbox.send(command).await.map_err(Error::Closed)?;
        answer.wait().await
    }

    /// What the server sends unasked, from now on.
    pub fn updates(&self) -> Updates {
        Updates::new(&self.0.shared)
    }

    /// The key and what belongs to it, as of now, to be kept: see [`KeyFile`](crate::KeyFile).
    /// `None` while a resumed handshake is still at work.
    pub fn key_state(&self) -> Option<KeyState> {
        self.0.shared.status.with(|status| status.key.clone())
    }

    /// Writes what is queued, closes the stream and returns when that is done. Calls still in
    /// flight fail; await them first if their answers matter.
    pub async fn close(&self) {
        self.0.shared.inbox.send_now(Command::Close);
        let ended = self
            .0
            .shared
            .status
            .wait(|status| status.ended.as_ref().map(drop));
        ended.await;
    }

    /// Returns when the connection has ended, with the reason and with what is needed to resume.
    pub async fn closed(&self) -> Closed {
        let ended = self.0.shared.status.wait(|status| {
            let reason = status.ended.clone()?;
            let suspended = status.suspended.take();
            Some(Closed { reason, suspended })
        });
        ended.await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, ended) = self.0.shared.status.with(|status| {
            let key = status.key.as_ref().map(KeyState::auth_key_id);
            (key, status.ended.clone())
        });
        f.debug_struct("Connection")
            .field("key", &key)
            .field("ended", &ended)
            .finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.inbox.send_now(Command::Close);
    }
}

/// The answer of a method.
fn decode<F: Function>(body: Bytes) -> Result<F::Response, Error> {
    F::Response::from_bytes(&body).map_err(|error| Error::Decode {
        method: F::NAME,
        error,
    })
}
