//! The async loop around `mtproto-proto`, written once for every runtime.
#![doc = include_str!("../README.md")]

mod clock;
mod driver;
mod runtime;
mod trace;

pub use clock::Clock;
pub use driver::{Driver, StreamError};
pub use runtime::Runtime;
