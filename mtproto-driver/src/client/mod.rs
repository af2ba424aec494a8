//! The user's handle over one account.
//!
//! Does: [`Client`]: calls (typed, by name with JSON, raw) that find their DC by themselves,
//! signing in and out, updates in order, events, all of it kept in a [`Store`].
//! In: methods and their arguments. Out: answers, updates, typed errors; all bounded in time.
//! Must not know: which runtime it runs on once its task is spawned.
//! Spec: "Calling methods", "User Authorization", "Working with Updates".

mod api;
mod config;
mod error;
mod events;
#[cfg(feature = "json")]
mod json;
mod keeper;
mod log;
mod qr;
mod sign_in;
mod status;
mod stream;
mod task;
mod update;
mod updates;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::client::sign_in::App;
use mtproto_proto::client::{Client as Machine, RpcKind, Snapshot};
use mtproto_proto::{DcId, Fate, Progress, RequestId, Time};
use mtproto_schema::api::{enums, functions};
use mtproto_schema::{Decode, Function};
use zeroize::Zeroizing;

pub use api::{
    BlockedPeer, Dialog, Dialogs, FoundPeers, History, NewChat, NewContact, OutgoingMessage,
    PeerError, PeerRef, Sent, StoredMessage,
};
pub use config::Options;
pub use error::{CloseReason, Error, Trouble};
pub use events::{Event, Events};
#[doc(inline)]
pub use mtproto_proto::client::{
    Account, CallOptions, Config, DcOption, DcTable, Disconnected, FloodPolicy, PeerId, Route,
    SignedOut,
};
pub use qr::{Qr, QrCode};
pub use sign_in::{
    Delivery, LoggedOut, NeedsCode, NeedsPassword, NeedsRecoveryCode, NeedsSignUp, NextDelivery,
    Payment, Refusal, SignIn, SignInError, SignedIn, Terms,
};
pub use update::{NewMessage, Update};
pub use updates::{Incoming, Lost, Updates};

use log::Log;
use status::{Answered, Command, Shared, Status};
use task::Task;

pub use crate::shared::Submitted;
use crate::shared::{Call, Gone, Inbox, Reply, Subscribers, Watched, before, later, reply};
use crate::{Clock, Runtime, Store, StoreError, entropy};

/// One account of Telegram, over as many streams as it needs.
///
/// A handle: clone it freely. One task owns the streams and always reads them, so a call inside a
/// loop over [`updates`](Client::updates) is answered however slow the loop is. A stream that
/// breaks is replaced, and what was on its way goes on. The client ends when
/// [`close`](Client::close) is called, or when the last handle and the last call in flight are
/// gone.
///
/// Dropping a call's future cancels the call. All calls end: with the answer, an error of the
/// server, or an [`Error`] that says whether the call may have been executed.
#[derive(Clone)]
pub struct Client(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    /// The runtime, as far as handles need it.
    sleep: Sleeper,
    config: Arc<Config>,
    connect_wait: Duration,
    #[cfg(feature = "json")]
    schema: Option<Arc<mtproto_schema::Schema>>,
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
type Sleeper = Box<dyn Fn(Duration) -> Sleep + Send + Sync>;

/// How a client ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// Why not everything is stored; `None` when it is, or when the task was dropped and nobody
    /// knows.
    pub unstored: Option<StoreError>,
}

impl Client {
    /// Goes on from what the store has, or begins from nothing. No network is needed: streams are
    /// opened when a call needs one.
    ///
    /// # Errors
    /// The store cannot be read, or the configuration contradicts itself.
    pub async fn open<R: Runtime>(
        runtime: &R,
        options: impl Into<Options>,
        mut store: impl Store,
    ) -> Result<Self, Error> {
        let options = options.into();
        let rng = entropy::rng().map_err(|e| Error::Entropy(Arc::new(e)))?;
        let mut clock = Clock::system(runtime.now());
        let now = clock.time(runtime.now());
        let stored = store.load()?;
        let machine = Machine::new(options.config.clone(), stored, rng, now);
        let machine = machine.map_err(Error::Config)?;
        let shared = Arc::new(Shared {
            inbox: Inbox::new(options.command_queue),
            status: Watched::new(Status::new(&machine)),
            log: Watched::new(Log::new()),
            events: Subscribers::new(),
            event_queue: options.event_queue,
        });
        let task = Task::new(
            machine,
            runtime.clone(),
            clock,
            shared.clone(),
            store,
            options.config.connect_timeout,
            options.close_timeout,
        );
        runtime.spawn(task.run());
        let runtime = runtime.clone();
        Ok(Client(Arc::new(Handle {
            shared,
            sleep: Box::new(move |time| Box::pin(runtime.sleep_until(later(runtime.now(), time)))),
            config: options.config,
            connect_wait: options.connect_wait,
            #[cfg(feature = "json")]
            schema: options.schema,
        })))
    }

    /// Keeps a stream to the main DC from now on, and returns when the server has proved itself
    /// over it. Without, streams are there only while calls need them, or updates are wanted, and a
    /// session whose stream breaks while nothing needs it is dropped: what the next one says first
    /// may be lost unnoticed, and a call in it that must not run twice then ends as
    /// [`Fate::MaybeExecuted`].
    ///
    /// # Errors
    /// [`Error::Unreachable`] after [`Options::connect_wait`], or at once when other attempts would
    /// end in the same way; the client goes on trying. [`Error::UnknownDc`] without an address.
    pub async fn connect(&self) -> Result<(), Error> {
        let known = self.with(|machine, now| {
            let dc = machine.main_dc();
            if machine.dcs().get(dc).next().is_none() {
                let fate = Fate::NotSent;
                return Err(Error::UnknownDc { dc, fate });
            }
            machine.connect(now);
            Ok(())
        });
        known.await??;
        let status = &self.0.shared.status;
        let proved = status.wait(|status| {
            if let Some(reason) = status.ended {
                return Some(Err(Error::Closed(reason)));
            }
            let dc = status.main_dc;
            if status.connected.contains(&dc) {
                return Some(Ok(()));
            }
            let trouble = status.trouble.get(&dc).cloned();
            let lasting = trouble.as_ref().is_some_and(Trouble::is_lasting);
            lasting.then_some(Err(Error::Unreachable { dc, trouble }))
        });
        let patience = self.sleep(self.0.connect_wait);
        match before(patience, proved).await {
            Some(result) => result,
            None => Err(status.with(|status| Error::Unreachable {
                dc: status.main_dc,
                trouble: status.trouble.get(&status.main_dc).cloned(),
            })),
        }
    }

    /// Calls a method: on the main DC, with a deadline and a policy for pauses from the
    /// configuration.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Rpc`] is the server's own.
    pub fn invoke<F: Function>(
        &self,
        method: &F,
    ) -> impl Future<Output = Result<F::Response, Error>> + Send + use<F> {
        self.invoke_with(method, CallOptions::default())
    }

    /// [`invoke`](Client::invoke) with a route, a deadline and other options of its own.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub fn invoke_with<F: Function>(
        &self,
        method: &F,
        mut options: CallOptions,
    ) -> impl Future<Output = Result<F::Response, Error>> + Send + use<F> {
        options.idempotent |= F::IDEMPOTENT;
        let answer = self.invoke_raw_with(method.to_bytes(), options);
        async move { decode::<F>(answer.await?) }
    }

    /// Sends a body as it is, a boxed function, and returns the answer's: the boxed result,
    /// uncompressed.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub fn invoke_raw(
        &self,
        body: Bytes,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send + use<> {
        self.invoke_raw_with(body, CallOptions::default())
    }

    /// [`invoke_raw`](Client::invoke_raw) with a route, a deadline and other options of its own.
    /// Unless they say that it is idempotent, a body is never sent again when it may have been
    /// executed.
    ///
    /// # Errors
    /// As for [`invoke`](Client::invoke).
    pub fn invoke_raw_with(
        &self,
        body: Bytes,
        options: CallOptions,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send + use<> {
        let client = self.clone();
        async move { client.hand_over(body, options, None).await?.wait().await }
    }

    /// Hands a call over and returns as soon as the client has taken it, with the call's name:
    /// others may be told to come [`after`](CallOptions::after) it.
    ///
    /// The server executes such a call only after the other one, and not at all if that fails
    /// ([`Error::DependencyFailed`]). Over one stream they travel together.
    ///
    /// ```no_run
    /// use mtproto_driver::Client;
    /// use mtproto_driver::client::{CallOptions, Error};
    /// use mtproto_schema::api::functions::account::{UpdateProfile, UpdateStatus};
    ///
    /// async fn rename(client: &Client, rename: &UpdateProfile) -> Result<(), Error> {
    ///     let rename = client.submit(rename, CallOptions::default()).await?;
    ///     let show = UpdateStatus { offline: false };
    ///     let show = client.submit(&show, CallOptions::default().after(rename.id())).await?;
    ///     rename.await?;
    ///     show.await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The client did not take it: [`Error::Send`], [`Error::Closed`]. The answer's errors come with
    /// the answer.
    pub fn submit<F: Function>(
        &self,
        method: &F,
        mut options: CallOptions,
    ) -> impl Future<Output = Result<Submitted<F::Response, Error>, Error>> + Send + use<F> {
        options.idempotent |= F::IDEMPOTENT;
        self.clone()
            .submitted(method.to_bytes(), options, decode::<F>)
    }

    /// [`submit`](Client::submit) for a body as it is, as in
    /// [`invoke_raw_with`](Client::invoke_raw_with).
    ///
    /// # Errors
    /// As for [`submit`](Client::submit).
    pub fn submit_raw(
        &self,
        body: Bytes,
        options: CallOptions,
    ) -> impl Future<Output = Result<Submitted<Bytes, Error>, Error>> + Send + use<> {
        self.clone().submitted(body, options, Ok)
    }

    async fn submitted<T>(
        self,
        body: Bytes,
        options: CallOptions,
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
        options: CallOptions,
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

    /// How far a call is that was [submitted](Client::submit); `None` when it has ended.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn progress(&self, id: RequestId) -> Result<Option<Progress>, Error> {
        self.with(move |machine, _| machine.progress(id)).await
    }

    /// The account's updates, in order, from now on: see [`Updates`].
    pub fn updates(&self) -> Updates {
        Updates::new(&self.0.shared)
    }

    /// What happens to the client, from now on: streams, pauses, signing in and out, the store.
    pub fn events(&self) -> Events {
        Events::new(&self.0.shared)
    }

    /// The account that is stored: who is signed in, and where.
    pub fn account(&self) -> Option<Account> {
        self.0.shared.status.with(|status| status.account.clone())
    }

    /// Whether an account is signed in and the server agrees, which costs a call if so.
    ///
    /// # Errors
    /// The server could not be asked.
    pub async fn is_authorized(&self) -> Result<bool, Error> {
        // A session from another library may not say whose it is.
        if self.account().is_none() {
            return Ok(false);
        }
        let me = functions::users::GetUsers {
            id: vec![enums::InputUser::InputUserSelf],
        };
        match self.invoke(&me).await {
            Ok(_) => Ok(true),
            Err(Error::SignedOut { .. }) => Ok(false),
            // It was signed out between the two lines above.
            Err(Error::Rpc(error)) if matches!(error.kind(), RpcKind::SignedOut(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The DC that calls go to by default.
    pub fn main_dc(&self) -> DcId {
        self.0.shared.status.with(|status| status.main_dc)
    }

    /// Where DCs are.
    pub fn dcs(&self) -> Arc<DcTable> {
        self.0.shared.status.with(|status| status.dcs.clone())
    }

    /// Changes where DCs are, for streams to come, and stores it.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_dcs(&self, dcs: DcTable) -> Result<(), Error> {
        self.with(|machine, _| machine.set_dcs(dcs)).await
    }

    /// Whether the user is there: attempts to connect are repeated sooner then, and the server is
    /// asked more often whether it lives. How soon a dead stream is noticed stands at
    /// [`mtproto_proto::client::Client::set_online`].
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_online(&self, online: bool) -> Result<(), Error> {
        self.with(move |machine, now| machine.set_online(now, online))
            .await
    }

    /// Whether a chat is on the screen: the server sends what happens in a large channel only to
    /// who looks at it, so those that are open are asked for it.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_open(&self, chat: PeerId, open: bool) -> Result<(), Error> {
        self.with(move |machine, now| machine.set_open(now, chat, open))
            .await
    }

    /// The network is another one: streams are checked, and attempts to connect begin anew.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn network_changed(&self) -> Result<(), Error> {
        self.with(|machine, now| machine.network_changed(now)).await
    }

    /// Everything that is stored of the account, as of now. Secret: it is the login.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        self.with(|machine, _| machine.snapshot()).await
    }

    /// [`snapshot`](Client::snapshot) as a line of text, for
    /// [`MemorySession::from_text`](crate::MemorySession::from_text). Secret: it is the login. Two
    /// clients must not use it at once.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Snapshot`] when there are too many peers for a text.
    pub async fn export_text(&self) -> Result<Zeroizing<String>, Error> {
        self.snapshot().await?.to_text().map_err(Error::Snapshot)
    }

    /// Writes what is queued, closes the streams, hands the rest to the store and returns when all
    /// is done. Calls still in flight fail; await them first if their answers matter.
    ///
    /// # Errors
    /// [`Error::Store`] when not everything is stored; [`Error::Closed`] when the task was dropped,
    /// and nobody knows.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.shared.inbox.send_now(Command::Close);
        match self.closed().await {
            Closed {
                unstored: Some(error),
                ..
            } => Err(Error::Store(error)),
            Closed {
                reason: CloseReason::Requested,
                ..
            } => Ok(()),
            Closed { reason, .. } => Err(Error::Closed(reason)),
        }
    }

    /// Returns when the client has ended.
    pub async fn closed(&self) -> Closed {
        let ended = self.0.shared.status.wait(|status| {
            let reason = status.ended?;
            let unstored = status.unstored.clone();
            Some(Closed { reason, unstored })
        });
        ended.await
    }

    /// How the client was told to behave.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    fn app(&self) -> App {
        App::new(self.0.config.api_id, self.0.config.api_hash.as_str())
    }

    fn sleep(&self, time: Duration) -> Sleep {
        (self.0.sleep)(time)
    }

    /// Does something with the machine, in the task that owns it.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Machine, Time) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = reply();
        let job = Box::new(move |machine: Result<(&mut Machine, Time), Error>| {
            reply.set(machine.map(|(machine, now)| job(machine, now)));
        });
        let inbox = &self.0.shared.inbox;
        inbox.send(Command::Do(job)).await.map_err(Error::Closed)?;
        answer.wait().await
    }
}

/// The answer of a method.
fn decode<F: Function>(body: Bytes) -> Result<F::Response, Error> {
    F::Response::from_bytes(&body).map_err(|error| Error::Decode {
        method: F::NAME,
        error,
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.shared.status.with(|status| {
            f.debug_struct("Client")
                .field("account", &status.account)
                .field("main_dc", &status.main_dc)
                .field("connected", &status.connected)
                .field("ended", &status.ended)
                .finish_non_exhaustive()
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.inbox.send_now(Command::Close);
    }
}
