//! The authorization key.
//!
//! Does: holds its 256 bytes, gives its identifier and the hashes made of it.
//! In: the bytes. Out: ids and hashes; the bytes only by an explicit call.
//! Must not know: how the key was agreed, or what it encrypts.
//! Spec: "Creating an Authorization Key", steps 7–9.

use alloc::boxed::Box;
use core::fmt;

use zeroize::Zeroize;

use super::{ct_eq, part, sha1};
use crate::AuthKeyId;

/// A 2048-bit secret that a client and a server share.
///
/// It is zeroised on drop, compares in constant time, and prints only its identifier.
#[derive(Clone)]
pub struct AuthKey {
    // On the heap, so that moving the key leaves no copy behind.
    bytes: Box<[u8; 256]>,
    sha1: [u8; 20],
}

impl AuthKey {
    /// A key from its 256 bytes, big endian and padded with zeros on the left.
    pub fn from_bytes(bytes: &[u8; 256]) -> Self {
        // Copied where it stays: an array made on the stack and moved would leave a copy there.
        let mut key = Box::new([0; 256]);
        key.copy_from_slice(bytes);
        AuthKey {
            bytes: key,
            sha1: sha1(&[bytes]),
        }
    }

    /// The secret bytes. Whoever stores them stores the account.
    pub fn as_bytes(&self) -> &[u8; 256] {
        &self.bytes
    }

    /// The identifier that begins every packet: the last 8 bytes of the key's SHA-1.
    pub fn id(&self) -> AuthKeyId {
        AuthKeyId(i64::from_le_bytes(*part(&self.sha1, 12)))
    }

    /// The first 8 bytes of the key's SHA-1: `retry_id` of a repeated key exchange.
    pub fn aux_hash(&self) -> [u8; 8] {
        *part(&self.sha1, 0)
    }

    /// `new_nonce_hash1`, `2` or `3`: the proof, at the end of a handshake, that both sides hold
    /// this key.
    pub fn new_nonce_hash(&self, new_nonce: &[u8; 32], number: u8) -> [u8; 16] {
        *part(
            &sha1(&[new_nonce, &[number], part::<8, 20>(&self.sha1, 0)]),
            4,
        )
    }
}

impl PartialEq for AuthKey {
    fn eq(&self, other: &Self) -> bool {
        ct_eq(self.bytes.as_slice(), other.bytes.as_slice())
    }
}

impl Eq for AuthKey {}

impl Drop for AuthKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
        self.sha1.zeroize();
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthKey({})", self.id())
    }
}
