//! SHA-1, SHA-256 and HMAC-SHA256 of a concatenation.
//!
//! Does: hashes pieces one after the other without joining them first.
//! In: byte strings. Out: the digest in natural order.
//! Must not know: what is hashed.
//! Spec: FIPS 180-4; RFC 2104 for HMAC.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

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

/// HMAC-SHA256 of the pieces, one after the other, with a key that is shorter than a block: the
/// crate `hmac` does no more, and is in the tree with feature `client` only.
pub(crate) fn hmac_sha256(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 32] {
    let mut pads = [[0x36; 64], [0x5c; 64]];
    for pad in &mut pads {
        for (slot, byte) in pad.iter_mut().zip(key) {
            *slot ^= *byte;
        }
    }
    let [inner, outer] = &pads;
    let mut hash = Sha256::new();
    hash.update(inner);
    for part in parts {
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let hash = sha256(&[outer, &hash]);
    pads.zeroize();
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `python3 -c 'import hmac; print(hmac.new(bytes(range(16)), b"x" * 200, "sha256").hexdigest())'`
    #[test]
    fn hmac_is_that_of_the_rfc_however_the_text_is_cut() {
        let key = core::array::from_fn(|i| u8::try_from(i).unwrap_or_default());
        let expected = [
            0xe4, 0x48, 0x55, 0x5a, 0x35, 0x76, 0xe9, 0x4a, 0xd7, 0x34, 0xa8, 0x27, 0x6d, 0x71,
            0xb5, 0x68, 0x48, 0x28, 0xeb, 0xf5, 0x01, 0xc6, 0xda, 0x85, 0xc0, 0x3f, 0xd6, 0xa4,
            0xb5, 0xa4, 0x9b, 0xd2,
        ];
        let text = [b'x'; 200];
        assert_eq!(hmac_sha256(&key, &[&text]), expected);
        let (a, b) = text.split_at(77);
        assert_eq!(hmac_sha256(&key, &[a, &[], b]), expected);
    }
}
