#![doc = include_str!("../README.md")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Instant;

use async_std::net::TcpStream;
use mtproto_driver::Runtime;

#[cfg(feature = "client")]
#[doc(inline)]
pub use mtproto_driver::{
    AccountEvents, AccountId, AccountIdError, AccountUpdates, Accounts, AccountsError, Cipher,
    CipherError, Client, MemorySession, SessionFile, SessionFileError, Store, StoreError, client,
    guide,
};
#[doc(inline)]
pub use mtproto_driver::{
    ClientConfig, Clock, CloseReason, Closed, Config, ConnectError, Connection, Error, Gap,
    Incoming, InitParams, KeyFile, KeyFileError, KeyState, SendOptions, Start, StreamError,
    Suspended, Update, Updates,
};
#[doc(no_inline)]
pub use mtproto_proto as proto;

/// The async-std runtime: there is one per process.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Stream = TcpStream;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    #[expect(clippy::disallowed_methods, reason = "a Runtime is the clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, at: Instant) -> Self::Sleep {
        let time = at.saturating_duration_since(self.now());
        Box::pin(async_std::task::sleep(time))
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(task);
    }
}

/// Any machine over an async-std stream, without a task: for who wants the loop in their own
/// hands.
pub type Driver<M> = mtproto_driver::Driver<M, AsyncStd>;

/// Connects to a data centre over TCP: [`Connection::connect`] on [`AsyncStd`].
///
/// # Errors
/// The address does not answer, the configuration is wrong, or the handshake failed.
pub async fn connect(
    to: SocketAddr,
    config: Config,
    start: Start,
) -> Result<Connection, ConnectError> {
    Connection::connect(&AsyncStd, to, config, start).await
}

/// Opens an account, stored or new: [`Client::open`] on [`AsyncStd`]. No network is needed yet.
///
/// # Errors
/// The store cannot be read, or the configuration contradicts itself.
#[cfg(feature = "client")]
pub async fn open(
    options: impl Into<client::Options>,
    store: impl Store,
) -> Result<Client, client::Error> {
    Client::open(&AsyncStd, options, store).await
}
