#![doc = include_str!("../README.md")]

mod clock;
mod connection;
mod driver;
mod entropy;
mod key_file;
mod runtime;
mod trace;

pub use clock::Clock;
pub use connection::{
    CloseReason, Closed, Config, ConnectError, Connection, Error, Gap, Incoming, Start, Suspended,
    Update, Updates,
};
pub use driver::{Driver, StreamError};
pub use entropy::rng;
pub use key_file::{KeyFile, KeyFileError};
pub use runtime::Runtime;

#[doc(inline)]
pub use mtproto_proto::connection::{ClientConfig, InitParams, KeyState};
#[doc(inline)]
pub use mtproto_proto::session::SendOptions;
