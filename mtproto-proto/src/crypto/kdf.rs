//! Key derivation: what encrypts one message, and what encrypts a handshake.
//!
//! Does: `msg_key` and the AES key of a message, version 2 and version 1; `tmp_aes` of the
//! handshake.
//! In: the authorization key, plaintext, nonces. Out: [`MsgKey`], [`AesKeyIv`].
//! Must not know: the layout of what is encrypted.
//! Spec: "Mobile Protocol: Detailed Description", "Defining AES Key and Initialization Vector";
//! "Mobile Protocol: Detailed Description (v.1.0, DEPRECATED)"; "Creating an Authorization Key".

use super::bytes::join;
use super::{AesKeyIv, AuthKey, part, sha1, sha256};

/// Who encrypts: the two directions use different bytes of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server: `x = 0`.
    ToServer,
    /// From the server to the client: `x = 8`.
    ToClient,
}

impl Direction {
    /// The specification's `x`, at most 8.
    #[inline]
    const fn offset(self, at: usize) -> usize {
        match self {
            Direction::ToServer => at,
            Direction::ToClient => at.saturating_add(8),
        }
    }
}

/// The authenticator of a message, and the token by which a transport acknowledges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsgKey {
    /// The middle 16 bytes of the hash, as in the packet. Compare it in constant time.
    pub msg_key: [u8; 16],
    /// The hash's first 4 bytes as a little-endian number with the highest bit set.
    pub quick_ack: u32,
}

/// The `msg_key` of a plaintext: header, message and padding.
pub fn msg_key(key: &AuthKey, direction: Direction, plaintext_and_padding: &[u8]) -> MsgKey {
    let large = sha256(&[
        part::<32, 256>(key.as_bytes(), direction.offset(88)),
        plaintext_and_padding,
    ]);
    MsgKey {
        msg_key: *part(&large, 8),
        quick_ack: u32::from_le_bytes(*part(&large, 0)) | 1 << 31,
    }
}

/// What encrypts the message with this `msg_key`.
pub fn aes_key_iv(key: &AuthKey, direction: Direction, msg_key: &[u8; 16]) -> AesKeyIv {
    let k = key.as_bytes();
    let a = sha256(&[msg_key, part::<36, 256>(k, direction.offset(0))]);
    let b = sha256(&[part::<36, 256>(k, direction.offset(40)), msg_key]);
    AesKeyIv::new(
        &join(
            part::<8, 32>(&a, 0),
            part::<16, 32>(&b, 8),
            part::<8, 32>(&a, 24),
            &[],
        ),
        &join(
            part::<8, 32>(&b, 0),
            part::<16, 32>(&a, 8),
            part::<8, 32>(&b, 24),
            &[],
        ),
    )
}

/// What encrypts the answers and questions of a handshake once both nonces are known.
pub fn tmp_aes(server_nonce: &[u8; 16], new_nonce: &[u8; 32]) -> AesKeyIv {
    tmp_aes_of(server_nonce, new_nonce, part(new_nonce, 0))
}

/// [`tmp_aes`] for a nonce of 16 bytes, which no handshake has but a known answer does.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub fn tmp_aes_short(server_nonce: &[u8; 16], new_nonce: &[u8; 16]) -> AesKeyIv {
    tmp_aes_of(server_nonce, new_nonce, part(new_nonce, 0))
}

/// The formula for a `new_nonce` of any length that begins with `head`.
fn tmp_aes_of(server_nonce: &[u8; 16], new_nonce: &[u8], head: &[u8; 4]) -> AesKeyIv {
    let a = sha1(&[new_nonce, server_nonce]);
    let b = sha1(&[server_nonce, new_nonce]);
    let c = sha1(&[new_nonce, new_nonce]);
    AesKeyIv::new(
        &join(&a, part::<12, 20>(&b, 0), &[], &[]),
        &join(part::<8, 20>(&b, 12), &c, head, &[]),
    )
}

/// Version 1, which the protocol still uses inside `auth.bindTempAuthKey`.
pub mod v1 {
    use super::{AesKeyIv, AuthKey, Direction, join, part, sha1};

    /// The `msg_key` of a plaintext: header and message, no padding.
    pub fn msg_key(plaintext_without_padding: &[u8]) -> [u8; 16] {
        *part(&sha1(&[plaintext_without_padding]), 4)
    }

    /// What encrypts the message with this `msg_key`.
    pub fn aes_key_iv(key: &AuthKey, x: Direction, msg_key: &[u8; 16]) -> AesKeyIv {
        let k = key.as_bytes();
        let a = sha1(&[msg_key, part::<32, 256>(k, x.offset(0))]);
        let b = sha1(&[
            part::<16, 256>(k, x.offset(32)),
            msg_key,
            part::<16, 256>(k, x.offset(48)),
        ]);
        let c = sha1(&[part::<32, 256>(k, x.offset(64)), msg_key]);
        let d = sha1(&[msg_key, part::<32, 256>(k, x.offset(96))]);
        AesKeyIv::new(
            &join(
                part::<8, 20>(&a, 0),
                part::<12, 20>(&b, 8),
                part::<12, 20>(&c, 4),
                &[],
            ),
            &join(
                part::<12, 20>(&a, 8),
                part::<8, 20>(&b, 0),
                part::<4, 20>(&c, 16),
                part::<8, 20>(&d, 0),
            ),
        )
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_quick_ack_is_the_hash_s_beginning_with_its_highest_bit_set() {
        let key = AuthKey::from_bytes(&core::array::from_fn(|n| n as u8));
        let mut bits = [0; 2];
        for n in 0..32_u8 {
            let large = sha256(&[part::<32, 256>(key.as_bytes(), 96), &[n; 16]]);
            let first = u32::from_le_bytes(*part(&large, 0));
            let MsgKey { msg_key, quick_ack } = msg_key(&key, Direction::ToClient, &[n; 16]);
            assert_eq!(quick_ack, first | 0x8000_0000);
            assert_eq!(&msg_key, part(&large, 8));
            bits[usize::from(first >= 0x8000_0000)] += 1;
        }
        assert!(bits[0] > 0 && bits[1] > 0, "{bits:?}");
    }
}
