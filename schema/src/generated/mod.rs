//! Generated code, and what it imports.
mod layer;
mod prelude;

#[cfg(feature = "api")]
pub mod api;
pub mod mtproto;

pub use layer::LAYER;
