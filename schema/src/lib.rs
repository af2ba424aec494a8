//! Telegram's TL schemas: the codec, the generated types, and the schemas as data.
//!
//! - [`mtproto`]: the service types and methods of the protocol itself; always there.
//! - `api`, feature `api`: the types and methods of Telegram's API, layer [`LAYER`].
//! - `Schema`, `Value`, feature `json`: any schema at run time, values without types, JSON.
//! - `codegen`, feature `codegen`: the generator.
//!
//! A type with one constructor is a struct in `types`; a type with several is an enum in `enums`
//! whose variants hold those structs; a method is a struct in `functions`.
//!
//! ```
//! use mtproto_schema::mtproto::{functions::Ping, types::Pong};
//! use mtproto_schema::{Constructor, Decode, Encode, Function};
//!
//! assert_eq!(Ping { ping_id: 7 }.to_bytes(), [0xec, 0x77, 0xbe, 0x7a, 7, 0, 0, 0, 0, 0, 0, 0][..]);
//!
//! let pong = Pong { msg_id: 1, ping_id: 7 };
//! assert_eq!(<Ping as Function>::Response::from_bytes(&pong.to_bytes()), Ok(pong));
//! assert_eq!(Pong::NAME, "pong");
//! ```
//!
//! No clock, no I/O, no allocation that the bytes at hand do not justify; `no_std`.
#![no_std]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

extern crate alloc;

#[cfg(feature = "codegen")]
pub mod codegen;
#[cfg(feature = "dispatch")]
#[doc(hidden)]
pub mod dispatch;
mod envelope;
mod error;
#[rustfmt::skip]
mod generated;
#[cfg(feature = "json")]
mod ids;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "json")]
pub mod model;
mod raw;
mod reader;
#[cfg(feature = "json")]
mod schema;
#[cfg(feature = "json")]
mod sizes;
#[cfg(feature = "json")]
mod steps;
mod string;
#[cfg(feature = "json")]
pub mod text;
mod traits;
#[cfg(feature = "json")]
pub mod value;
mod writer;

pub use bytes::Bytes;

pub use error::DecodeError;
#[cfg(feature = "api")]
pub use generated::api;
#[cfg(feature = "json")]
pub use generated::is_idempotent;
pub use generated::{LAYER, mtproto};
pub use raw::Raw;
pub use reader::{MAX_DEPTH, MAX_MEMORY, Reader};
#[cfg(feature = "json")]
pub use schema::{Schema, SchemaError};
pub use string::Str;
pub use traits::{Constructor, Decode, Encode, Function};
#[cfg(feature = "json")]
pub use value::{MAX_VALUES, Object, Value, ValueError, ValueErrorKind};

/// Writing primitives.
pub mod tl {
    pub use crate::writer::*;
}

#[cfg(all(doctest, feature = "api", feature = "json"))]
#[doc = include_str!("../README.md")]
struct Readme;
