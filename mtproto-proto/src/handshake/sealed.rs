//! The encrypted part of the handshake's last messages: SHA-1, one object, padding, under AES-IGE.
//!
//! Does: makes it and opens it; what comes out has passed every check.
//! In: an object or the encrypted bytes, the key of both nonces. Out: the other one.
//! Must not know: which object; both directions have this form.
//! Spec: "Creating an Authorization Key", steps 5 and 6.

use alloc::vec::Vec;

use bytes::Bytes;
use mtproto_schema::{Decode, Encode, Reader};
use zeroize::Zeroize;

use super::Error;
use crate::Rng;
use crate::crypto::{AesKeyIv, ct_eq, ige_decrypt, ige_encrypt, sha1};

/// Bytes of the hash in front.
const HASH: usize = 20;

/// Bytes of a block.
const BLOCK: usize = 16;

/// The most padding that fills a block.
const MAX_PADDING: usize = BLOCK - 1;

/// Bytes of the longest number that is read: `pq` has 64 bits.
pub(super) const MAX_NUMBER: usize = 8;

/// Encrypts an object.
pub(super) fn seal(object: &impl Encode, key: &AesKeyIv, rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend([0; HASH]);
    object.encode(&mut out);
    if let Some((hash, object)) = out.split_first_chunk_mut::<HASH>() {
        *hash = sha1(&[object]);
    }
    let mut padding = rng.array::<MAX_PADDING>().into_iter();
    while !out.len().is_multiple_of(BLOCK) {
        out.extend(padding.next());
    }
    // Whole blocks, by the line above.
    let _ = ige_encrypt(&mut out, key);
    out
}

/// Decrypts an object, checks that at most 15 bytes follow it and that its hash is right.
pub(super) fn open<T: Decode>(encrypted: &[u8], key: &AesKeyIv) -> Result<T, Error> {
    let length = Error::EncryptedLength {
        got: encrypted.len(),
    };
    let mut plain = encrypted.to_vec();
    ige_decrypt(&mut plain, key).map_err(|_| length.clone())?;
    let plain = Bytes::from(plain);
    let (hash, _) = plain.split_first_chunk::<HASH>().ok_or(length)?;
    let rest = plain.slice(HASH..);
    let mut r = Reader::new(&rest);
    let object = T::decode(&mut r)?;
    r.check()?;
    let got = r.remaining();
    if got >= BLOCK {
        return Err(Error::Padding {
            got,
            max: MAX_PADDING,
        });
    }
    let used = rest.len().saturating_sub(got);
    if !ct_eq(hash, &sha1(&[rest.get(..used).unwrap_or_default()])) {
        return Err(Error::Hash);
    }
    Ok(object)
}

/// A number as the specification writes it in strings: big endian without leading zeros.
pub(super) fn minimal(bytes: &[u8]) -> Bytes {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Bytes::copy_from_slice(bytes.get(zeros..).unwrap_or_default())
}

/// The inverse of [`minimal`] for numbers of at most 64 bits, padded or not; `None` if there is
/// nothing or too much.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    let mut wide = [0; MAX_NUMBER];
    let start = MAX_NUMBER.checked_sub(bytes.len())?;
    wide.get_mut(start..)?.copy_from_slice(bytes);
    (!bytes.is_empty()).then_some(u64::from_be_bytes(wide))
}

/// The first salt: the beginnings of both nonces, xored.
pub(super) fn first_salt(new_nonce: &[u8; 32], server_nonce: &[u8; 16]) -> i64 {
    let mut salt = [0; 8];
    for ((to, a), b) in salt.iter_mut().zip(new_nonce).zip(server_nonce) {
        *to = a ^ b;
    }
    let number = i64::from_le_bytes(salt);
    salt.zeroize();
    number
}
