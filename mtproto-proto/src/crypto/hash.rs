//! SHA-1 and SHA-256 of a concatenation.
//!
//! Does: hashes pieces one after the other without joining them first.
//! In: byte strings. Out: the digest in natural order.
//! Must not know: what is hashed.
//! Spec: FIPS 180-4.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// SHA-1 of the pieces, one after the other.
#[inline]
pub(crate) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// SHA-256 of the pieces, one after the other.
#[inline]
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
