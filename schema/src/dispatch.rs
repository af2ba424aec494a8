//! Every typed constructor and function by its id, for tests and fuzzing.
//!
//! Does: [`by_id`]: decodes bytes as the type that the id belongs to, and encodes the value again.
//! In: an id and bytes. Out: bytes, the same if both directions are right.
//! Must not know: the dynamic side, which it is compared with.
//! Spec: none.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::DecodeError;
use crate::generated::{dispatch_api, dispatch_mtproto};
use crate::traits::{Decode, Encode};

/// The bytes of the value that was decoded, and the shortest that such a value can be.
pub type Reencoded = Result<(Vec<u8>, usize), DecodeError>;

/// Decodes `bytes` as the type with the constructor or function `id`, and encodes the value.
/// `None` if there is no such id.
///
/// The code is compiled where it is called: all types of the layer, so not everywhere.
#[inline]
pub fn by_id(id: u32, bytes: &Bytes) -> Option<Reencoded> {
    dispatch_mtproto::by_id(id, bytes).or_else(|| dispatch_api::by_id(id, bytes))
}

/// Not inlined: the table of all types would be one function of all their code, which takes an
/// optimising compiler minutes.
#[inline(never)]
pub(crate) fn reencode<T: Decode + Encode>(bytes: &Bytes) -> Reencoded {
    let mut out = Vec::new();
    T::from_bytes(bytes)?.encode(&mut out);
    Ok((out, T::MIN_SIZE))
}
