//! MTProto, the protocol under Telegram, as machines that do no I/O: bytes and the time go in;
//! bytes, events and the next deadline come out. Both roles, client and server.
//!
//! ```text
//!              bytes              packets               messages             answers, updates
//!   socket ⇄  Codec  ⇄  ClientConnection  ⇄  Session  ⇄  your application
//!            transport/     connection/      session/
//!                           Handshake                      Server: many streams, shared keys
//!                           handshake/                     server/
//! ```
//!
//! No machine reads a clock, a socket or the operating system's randomness: the crate is `no_std`,
//! so the compiler sees to it. The same input and the same seed give the same output, byte for
//! byte.
//!
//! # The loop
//!
//! Everything that talks over one stream is a [`Machine`]. Its owner writes what it gives, feeds
//! what comes, and wakes it at its deadline:
//!
//! ```
//! use mtproto_proto::{Machine, Time};
//!
//! trait Socket {
//!     fn write(&mut self, bytes: &[u8]);
//!     /// What came until the deadline: bytes, nothing at the end of the stream, or time.
//!     fn read(&mut self, until: Option<Time>) -> Option<Vec<u8>>;
//! }
//!
//! /// One turn. Events come out before an error counts: a request's fate is among them.
//! fn step<M: Machine>(
//!     machine: &mut M,
//!     socket: &mut impl Socket,
//!     now: impl Fn() -> Time,
//! ) -> (Vec<M::Event>, Result<(), M::Error>) {
//!     let mut out = Vec::new();
//!     while machine.poll_transmit(now(), &mut out) {
//!         socket.write(&out);
//!         out.clear();
//!     }
//!     let result = match socket.read(machine.poll_timeout()) {
//!         Some(bytes) if bytes.is_empty() => machine.handle_eof(now()),
//!         Some(bytes) => machine.handle_input(now(), &bytes),
//!         None => machine.handle_timeout(now()),
//!     };
//!     (std::iter::from_fn(|| machine.poll_event()).collect(), result)
//! }
//! ```
//!
//! # A call
//!
//! ```
//! use std::sync::Arc;
//!
//! use mtproto_proto::connection::{ClientConfig, ClientConnection, Start};
//! use mtproto_proto::crypto::RsaPublicKey;
//! use mtproto_proto::session::SendOptions;
//! use mtproto_proto::{DcId, Machine, Rng, Time};
//! use mtproto_schema::mtproto::functions::Ping;
//!
//! # const PEM: &str = include_str!("../examples/test-key.pem");
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Arc::new(ClientConfig::new(DcId(2), vec![RsaPublicKey::from_pem(PEM)?]));
//! let now = Time::from_unix(1_750_000_000);
//! // Outside of examples the seed comes from the operating system: `getrandom::fill(&mut seed)`.
//! let rng = Rng::from_seed([7; 32]);
//! let mut connection = ClientConnection::new(config, Start::NewKey, rng, now)?;
//!
//! // It leaves as soon as there is a key; its answer is `ClientEvent::Response` with this id.
//! let call = connection.call(now, &Ping { ping_id: 1 }, &SendOptions::default())?;
//!
//! let mut out = Vec::new();
//! assert!(connection.poll_transmit(now, &mut out)); // the handshake's first question
//! # let _ = (call.id(), connection.poll_timeout());
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! | You want to … | Look at |
//! | --- | --- |
//! | be a client over one stream | [`connection::ClientConnection`] |
//! | be a server over one stream, or over many | [`connection::ServerConnection`], [`server::Server`] |
//! | go on after a stream broke | [`connection::ClientConnection::suspend`], [`connection::Start`] |
//! | keep the login | [`connection::KeyState`] |
//! | let a server outlive its process | [`server::Server::suspend`], [`server::Server::poll_change`] |
//! | bring your own transport | [`session::Session`], [`handshake::ClientHandshake`] |
//! | only frame packets | [`transport::Codec`] |
//! | know what happened to a request | [`Fate`], [`RequestError`] |
//!
//! Complete programs are in the crate's `examples/`: `in_memory`, `blocking` (std::net),
//! `poll_loop` (many connections on one thread).
//!
//! The types of the protocol and of Telegram's API are in `mtproto-schema`; an async loop and
//! ready handles in `mtproto-driver`, `mtproto-tokio` and `mtproto-async-std`.
#![no_std]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

extern crate alloc;

#[cfg(feature = "client")]
pub mod client;
pub mod connection;
pub mod crypto;
pub mod error;
pub mod handshake;
pub mod ids;
pub mod machine;
pub mod rng;
#[doc(hidden)]
pub mod sabotage;
pub mod server;
pub mod session;
mod shown;
pub mod tap;
pub mod time;
pub mod transport;

pub use error::{Fate, PeerMisbehaved, Progress, RequestError, RpcError, SendError, Stats};
pub use ids::{AuthKeyId, ConnId, DcId, IncomingId, MsgId, RequestId, SessionId, SourceId};
pub use machine::Machine;
pub use rng::Rng;
pub use time::Time;

/// The README's example is compiled with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
