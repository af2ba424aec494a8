//! Generated code, and what it imports.
mod layer;
mod prelude;

pub mod mtproto;

pub use layer::LAYER;
