//! API objects in which nothing is set that need not be.
//!
//! Does: [`bare`], an object of which all flags are off: the rest of a literal that sets a few of
//! forty fields (`..bare(..)`), whatever a later layer adds.
//! In: the fields that are always there, in the schema's order. Out: the object.
//! Must not know: which object.
//! Spec: "TL Language": conditional fields.

use bytes::Bytes;
use mtproto_schema::{Constructor, Encode, Reader};

/// No flag.
pub const OFF: &i32 = &0;

/// The object with these fields, its flags among them.
///
/// # Panics
/// If these are not the fields that the constructor always has: the schema has changed them.
#[expect(
    clippy::panic,
    reason = "the schema is compiled in; each use is tested"
)]
pub fn bare<T: Constructor>(fields: &[&dyn Encode]) -> T {
    let mut bytes = Vec::new();
    for field in fields {
        field.encode(&mut bytes);
    }
    let bytes = Bytes::from(bytes);
    let mut reader = Reader::new(&bytes);
    let object = T::decode_bare(&mut reader);
    match object.and_then(|object| reader.finish().map(|()| object)) {
        Ok(object) => object,
        Err(e) => panic!("{} has other fields: {e}", T::NAME),
    }
}
