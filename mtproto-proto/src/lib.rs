//! MTProto as machines: bytes and the time in; bytes, events and the next deadline out.
#![no_std]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

extern crate alloc;

pub mod connection;
pub mod crypto;
pub mod error;
pub mod handshake;
pub mod ids;
pub mod machine;
pub mod rng;
pub mod server;
pub mod session;
pub mod time;
pub mod transport;

pub use error::{Fate, PeerMisbehaved, RequestError, RpcError, SendError, Stats};
pub use ids::{AuthKeyId, ConnId, DcId, IncomingId, MsgId, RequestId, SessionId};
pub use machine::Machine;
pub use rng::Rng;
pub use time::Time;
