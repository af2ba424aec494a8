#![doc = include_str!("../README.md")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "tests"
    )
)]

#[cfg(feature = "client")]
mod accounts;
#[cfg(feature = "client")]
pub mod client;
mod clock;
mod connection;
mod driver;
mod entropy;
#[cfg(feature = "client")]
pub mod guide;
mod key_file;
mod private_file;
mod runtime;
#[cfg(feature = "client")]
mod session_file;
mod shared;
#[cfg(feature = "client")]
mod store;

#[cfg(feature = "client")]
pub use accounts::{
    AccountEvents, AccountId, AccountIdError, AccountUpdates, Accounts, AccountsError,
};
#[cfg(feature = "client")]
pub use client::Client;
pub use clock::Clock;
pub use connection::{
    CloseReason, Closed, Config, ConnectError, Connection, Error, Gap, Incoming, Start, Suspended,
    Update, Updates,
};
pub use driver::{Driver, StreamError};
pub use entropy::rng;
pub use key_file::{KeyFile, KeyFileError};
pub use runtime::Runtime;
#[cfg(feature = "client")]
pub use session_file::{Cipher, CipherError, SessionFile, SessionFileError};
pub use shared::Submitted;
#[cfg(feature = "client")]
pub use store::{MemorySession, Store, StoreError};

#[doc(inline)]
pub use mtproto_proto::connection::{ClientConfig, InitParams, KeyState};
#[doc(inline)]
pub use mtproto_proto::session::SendOptions;
