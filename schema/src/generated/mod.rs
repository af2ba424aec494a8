//! Generated code, and what it imports.
#[cfg(feature = "dispatch")]
pub(crate) mod dispatch_api;
#[cfg(feature = "dispatch")]
pub(crate) mod dispatch_mtproto;
#[cfg(feature = "json")]
mod idempotent;
mod layer;
mod prelude;

#[cfg(feature = "api")]
pub mod api;
pub mod mtproto;

pub use layer::LAYER;

/// Whether running the method of this name twice does no more than running it once, as
/// `Function::IDEMPOTENT` says of a typed one. `false` for wrappers: their query decides.
#[cfg(feature = "json")]
pub fn is_idempotent(name: &str) -> bool {
    idempotent::NAMES.binary_search(&name).is_ok()
}
