//! Generated code, and what it imports.
#[cfg(feature = "dispatch")]
pub(crate) mod dispatch_api;
#[cfg(feature = "dispatch")]
pub(crate) mod dispatch_mtproto;
mod layer;
mod prelude;

#[cfg(feature = "api")]
pub mod api;
pub mod mtproto;

pub use layer::LAYER;
