//! Cryptography: pure functions over bytes.
//!
//! Does: AES in the two modes the protocol uses, key derivation, RSA, Diffie–Hellman, factoring,
//! public values of X25519 for show, and with feature `client` the proof of a password.
//! In and out: bytes, keys, an [`Rng`](crate::Rng) where something must be random.
//! Must not know: messages, sessions, time, policy; it holds no state between calls.
//! Spec: "Mobile Protocol: Detailed Description", "Creating an Authorization Key".

pub mod aes;
pub mod auth_key;
mod bytes;
pub mod dh;
pub mod factor;
mod hash;
pub mod kdf;
pub mod rsa;
mod rsa_pad;
#[cfg(feature = "client")]
pub mod srp;
mod x25519;

pub use aes::{AesKeyIv, Ctr, UnalignedLength, ige_decrypt, ige_encrypt};
pub use auth_key::AuthKey;
pub(crate) use bytes::{ct_eq, part};
pub use factor::{FactorError, factor};
pub(crate) use hash::{hmac_sha256, sha1, sha256};
pub use kdf::v1;
pub use kdf::{Direction, MsgKey, aes_key_iv, msg_key, tmp_aes};
pub use rsa::{RsaError, RsaPrivateKey, RsaPublicKey};
pub(crate) use x25519::x25519_public;
