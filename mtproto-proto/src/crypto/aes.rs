//! AES-256 in the two modes of the protocol, in place.
//!
//! Does: IGE for messages and handshakes, CTR for obfuscated streams and CDN files.
//! In: a buffer and a key. Out: the same buffer.
//! Must not know: where keys come from (`kdf.rs`), or what a packet is.
//! Spec: "Mobile Protocol: Detailed Description" (IGE); "Transport Obfuscation" (CTR).

use core::fmt;

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherDecBackend, BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncBackend,
    BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit, KeyIvInit, StreamCipher,
};
use aes::{Aes256, Aes256Dec, Aes256Enc};
use zeroize::Zeroize;

use super::part;

/// Bytes of one AES block.
const BLOCK: usize = 16;

/// A buffer that is not a whole number of 16-byte blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnalignedLength {
    /// The buffer's length in bytes.
    pub got: usize,
}

impl fmt::Display for UnalignedLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are not a multiple of {BLOCK}", self.got)
    }
}

impl core::error::Error for UnalignedLength {}

/// A key and an initialisation vector for IGE; zeroised on drop, never printed.
#[derive(Clone)]
pub struct AesKeyIv {
    key: [u8; 32],
    iv: [u8; 32],
}

impl AesKeyIv {
    /// A key with its vector: first the block that plays the previous ciphertext, then the one
    /// that plays the previous plaintext.
    pub fn new(key: &[u8; 32], iv: &[u8; 32]) -> Self {
        AesKeyIv { key: *key, iv: *iv }
    }

    /// The AES-256 key.
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The 32-byte vector.
    pub fn iv(&self) -> &[u8; 32] {
        &self.iv
    }

    /// The previous ciphertext and plaintext that the first block sees.
    fn before(&self) -> Previous {
        Previous {
            cipher: u128::from_ne_bytes(*part(&self.iv, 0)),
            plain: u128::from_ne_bytes(*part(&self.iv, BLOCK)),
        }
    }
}

impl Drop for AesKeyIv {
    fn drop(&mut self) {
        self.key.zeroize();
        self.iv.zeroize();
    }
}

impl fmt::Debug for AesKeyIv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesKeyIv(..)")
    }
}

/// Encrypts a buffer in place.
///
/// # Errors
/// [`UnalignedLength`] if it is not a whole number of blocks; the buffer is then untouched.
pub fn ige_encrypt(buf: &mut [u8], k: &AesKeyIv) -> Result<(), UnalignedLength> {
    let blocks = whole_blocks(buf)?;
    Aes256Enc::new(&k.key.into()).encrypt_with_backend(Ige {
        blocks,
        previous: k.before(),
    });
    Ok(())
}

/// Decrypts a buffer in place.
///
/// # Errors
/// [`UnalignedLength`] if it is not a whole number of blocks; the buffer is then untouched.
pub fn ige_decrypt(buf: &mut [u8], k: &AesKeyIv) -> Result<(), UnalignedLength> {
    let blocks = whole_blocks(buf)?;
    Aes256Dec::new(&k.key.into()).decrypt_with_backend(Ige {
        blocks,
        previous: k.before(),
    });
    Ok(())
}

fn whole_blocks(buf: &mut [u8]) -> Result<&mut [[u8; BLOCK]], UnalignedLength> {
    let got = buf.len();
    match buf.as_chunks_mut() {
        (blocks, []) => Ok(blocks),
        (_, _) => Err(UnalignedLength { got }),
    }
}

struct Previous {
    cipher: u128,
    plain: u128,
}

/// The whole chain as one closure: the cipher picks its backend once, not for every block.
struct Ige<'a> {
    blocks: &'a mut [[u8; BLOCK]],
    previous: Previous,
}

impl BlockSizeUser for Ige<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Ige<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Previous {
            mut cipher,
            mut plain,
        } = self.previous;
        for block in self.blocks {
            let this = u128::from_ne_bytes(*block);
            let mut work = Array::from((this ^ cipher).to_ne_bytes());
            backend.encrypt_block_inplace(&mut work);
            cipher = u128::from_ne_bytes(work.into()) ^ plain;
            plain = this;
            *block = cipher.to_ne_bytes();
        }
    }
}

impl BlockCipherDecClosure for Ige<'_> {
    #[inline(always)]
    fn call<B: BlockCipherDecBackend<BlockSize = U16>>(self, backend: &B) {
        let Previous {
            mut cipher,
            mut plain,
        } = self.previous;
        for block in self.blocks {
            let this = u128::from_ne_bytes(*block);
            let mut work = Array::from((this ^ plain).to_ne_bytes());
            backend.decrypt_block_inplace(&mut work);
            plain = u128::from_ne_bytes(work.into()) ^ cipher;
            cipher = this;
            *block = plain.to_ne_bytes();
        }
    }
}

/// An endless AES-256-CTR keystream: the counter is the whole block, big endian, and wraps.
///
/// How the bytes are cut into calls does not matter. Zeroised on drop.
pub struct Ctr(ctr::Ctr128BE<Aes256>);

impl Ctr {
    /// A stream at its beginning.
    pub fn new(key: &[u8; 32], iv: &[u8; 16]) -> Self {
        Ctr(ctr::Ctr128BE::new(key.into(), iv.into()))
    }

    /// Encrypts or decrypts the next bytes of the stream in place.
    pub fn apply(&mut self, buf: &mut [u8]) {
        self.0.apply_keystream(buf);
    }
}

impl fmt::Debug for Ctr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ctr(..)")
    }
}
