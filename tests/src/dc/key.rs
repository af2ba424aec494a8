//! The RSA key of a test DC.
//!
//! Does: makes one that every known client accepts, or reads one.
//! In: randomness, or PEM. Out: [`RsaPrivateKey`].
//! Must not know: where the key is kept.
//! Spec: "Creating an Authorization Key".

use mtproto_proto::Rng;
use mtproto_proto::crypto::{RsaError, RsaPrivateKey};

/// A new key.
pub fn generate(rng: &mut Rng) -> RsaPrivateKey {
    loop {
        let key = RsaPrivateKey::generate(rng);
        if is_suitable(&key) {
            return key;
        }
    }
}

/// The key in a PKCS #1 PEM, the secret one.
///
/// # Errors
/// If it is not such a key.
pub fn read(pem: &str) -> Result<RsaPrivateKey, RsaError> {
    RsaPrivateKey::from_pem(pem)
}

/// Whether every client finds the key by its fingerprint: one of them compares fingerprints in
/// hexadecimal without leading zeros.
pub fn is_suitable(key: &RsaPrivateKey) -> bool {
    key.fingerprint() as u64 >> 60 != 0
}
