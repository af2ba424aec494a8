//! The two paddings of a message that is encrypted to a server's key.
//!
//! Does: RSA_PAD and its inverse; keeps what was decrypted until its hash can be judged.
//! In: a padded message and a temporary key, or a decrypted value. Out: the other one,
//! [`Decrypted`].
//! Must not know: keys (`rsa.rs`), or what the message says.
//! Spec: "Creating an Authorization Key", step 4 and "RSA_PAD".

use core::fmt;

use zeroize::Zeroizing;

use super::rsa::{RsaError, SIZE};
use super::{AesKeyIv, ct_eq, ige_decrypt, ige_encrypt, part, sha1, sha256};

/// Bytes of a message with its padding.
pub(super) const PADDED: usize = 192;

/// What RSA_PAD encrypts: the padded message, reversed and hashed, under the temporary key, and
/// that key hidden by a hash of the rest.
pub(super) fn hide(padded: &[u8; PADDED], temp_key: &[u8; 32]) -> [u8; SIZE] {
    let mut out = [0; SIZE];
    let hash = sha256(&[temp_key, padded]);
    let (key, hidden) = out.split_at_mut(32);
    let (message, hash_at_end) = hidden.split_at_mut(PADDED);
    for (to, from) in message.iter_mut().zip(padded.iter().rev()) {
        *to = *from;
    }
    hash_at_end.copy_from_slice(&hash);
    // 224 bytes are whole blocks.
    let _ = ige_encrypt(hidden, &AesKeyIv::new(temp_key, &[0; 32]));
    for ((to, a), b) in key.iter_mut().zip(temp_key).zip(sha256(&[hidden])) {
        *to = a ^ b;
    }
    out
}

/// The inverse of [`hide`]; `None` if the hash does not match.
pub(super) fn reveal(value: &[u8; SIZE]) -> Option<Zeroizing<[u8; PADDED]>> {
    let mut hidden = Zeroizing::new(*part::<{ SIZE - 32 }, SIZE>(value, 32));
    let mut temp_key = Zeroizing::new(sha256(&[&hidden[..]]));
    for (byte, xor) in temp_key.iter_mut().zip(part::<32, SIZE>(value, 0)) {
        *byte ^= xor;
    }
    ige_decrypt(&mut hidden[..], &AesKeyIv::new(&temp_key, &[0; 32])).ok()?;
    let mut padded = Zeroizing::new(*part::<PADDED, { SIZE - 32 }>(&hidden, 0));
    padded.reverse();
    let hash = sha256(&[&temp_key[..], &padded[..]]);
    ct_eq(&hash, part::<32, { SIZE - 32 }>(&hidden, PADDED)).then_some(padded)
}

/// What was found under an encrypted value: a message with random bytes after it.
pub struct Decrypted {
    bytes: Zeroizing<[u8; SIZE]>,
    /// The old padding only: the SHA-1 of the message alone.
    sha1: Option<[u8; 20]>,
    len: usize,
}

impl Decrypted {
    pub(super) fn new(bytes: &[u8], sha1: Option<[u8; 20]>) -> Self {
        let mut all = Zeroizing::new([0; SIZE]);
        for (to, from) in all.iter_mut().zip(bytes) {
            *to = *from;
        }
        Decrypted {
            bytes: all,
            sha1,
            len: bytes.len().min(SIZE),
        }
    }

    /// The message and the random bytes after it; only a reader of the message can tell them
    /// apart.
    pub fn data(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Confirms the hash, now that the message is known to have `len` bytes. RSA_PAD has covered
    /// everything already; the old padding hashes the message alone.
    ///
    /// # Errors
    /// [`RsaError::Padding`].
    pub fn check(&self, len: usize) -> Result<(), RsaError> {
        let message = self.data().get(..len).ok_or(RsaError::Padding)?;
        match &self.sha1 {
            Some(hash) if !ct_eq(hash, &sha1(&[message])) => Err(RsaError::Padding),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decrypted(..)")
    }
}
