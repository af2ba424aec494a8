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
use std::time::Instant;

use mtproto_driver::Runtime;
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

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

/// The tokio runtime that the caller is in.
///
/// Its methods panic outside of one, as tokio's own do. A paused clock (`tokio::time::pause`)
/// drives timers; the time that the server is told stays the wall clock's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Runtime for Tokio {
    type Stream = Compat<TcpStream>;
    type Sleep = tokio::time::Sleep;

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn sleep_until(&self, at: Instant) -> Self::Sleep {
        tokio::time::sleep_until(at.into())
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Self::Stream> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream.compat())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }
}

/// Any machine over a tokio stream, without a task: for who wants the loop in their own hands.
pub type Driver<M> = mtproto_driver::Driver<M, Tokio>;

/// Connects to a data centre over TCP: [`Connection::connect`] on [`Tokio`].
///
/// # Errors
/// The address does not answer, the configuration is wrong, or the handshake failed.
pub async fn connect(
    to: SocketAddr,
    config: Config,
    start: Start,
) -> Result<Connection, ConnectError> {
    Connection::connect(&Tokio, to, config, start).await
}

/// Opens an account, stored or new: [`Client::open`] on [`Tokio`]. No network is needed yet.
///
/// # Errors
/// The store cannot be read, or the configuration contradicts itself.
#[cfg(feature = "client")]
pub async fn open(
    options: impl Into<client::Options>,
    store: impl Store,
) -> Result<Client, client::Error> {
    Client::open(&Tokio, options, store).await
}
