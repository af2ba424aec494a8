//! Encryption at rest: the hook, without a cipher of our own.
//!
//! Does: [`Cipher`], what a session file asks of an AEAD.
//! In: blocks. Out: sealed blocks.
//! Must not know: where its key comes from.
//! Spec: none.

use std::{error, fmt};

/// An AEAD with its key: what a [`SessionFile`](super::SessionFile) seals its blocks with.
///
/// With the crate `chacha20poly1305`, whose nonces of 24 bytes may be random:
///
/// ```
/// use chacha20poly1305::aead::{Aead, Payload};
/// use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
/// use mtproto_driver::{Cipher, CipherError};
///
/// struct Sealed(XChaCha20Poly1305);
///
/// impl Cipher for Sealed {
///     fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherError> {
///         let mut nonce = [0; 24];
///         getrandom::fill(&mut nonce).map_err(|_| CipherError)?;
///         let payload = Payload { msg: plain, aad: context };
///         let sealed = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| CipherError)?;
///         Ok([&nonce[..], &sealed].concat())
///     }
///
///     fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
///         let (nonce, sealed) = sealed.split_first_chunk::<24>().ok_or(CipherError)?;
///         let payload = Payload { msg: sealed, aad: context };
///         self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| CipherError)
///     }
/// }
///
/// let key = [7; 32]; // from the system's keychain, or made from a password by argon2
/// let cipher = Sealed(XChaCha20Poly1305::new(&key.into()));
/// let sealed = cipher.seal(b"here", b"a key")?;
/// assert_eq!(cipher.open(b"here", &sealed)?, b"a key");
/// assert!(cipher.open(b"there", &sealed).is_err());
/// # Ok::<_, CipherError>(())
/// ```
pub trait Cipher: Send {
    /// Seals a block so that only [`open`](Cipher::open) with the same `context` opens it.
    ///
    /// The nonce is the cipher's to choose and to put into what it returns. It must be a new one
    /// for every call, over restarts too: the same context comes again with another block after a
    /// crash.
    ///
    /// # Errors
    /// There is no randomness for a nonce, or the block is too long.
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherError>;

    /// The block that was sealed.
    ///
    /// # Errors
    /// It was sealed with another key or for another context, or was changed.
    fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherError>;
}

/// A [`Cipher`] could not seal a block or open one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CipherError;

impl fmt::Display for CipherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cipher refused the block")
    }
}

impl error::Error for CipherError {}
