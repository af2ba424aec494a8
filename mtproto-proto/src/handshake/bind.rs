//! Binding a temporary key to a permanent one.
//!
//! Does: makes and opens `encrypted_message` of `auth.bindTempAuthKey`, with version 1 of the
//! protocol's encryption.
//! In: the permanent key, the message's id, [`BindInner`]. Out: 104 bytes, and back.
//! Must not know: the request around it; whoever opens the message compares it with that request.
//! Spec: "auth.bindTempAuthKey", "Perfect Forward Secrecy".

use core::fmt;

use bytes::Bytes;
use mtproto_schema::mtproto::types::BindAuthKeyInner;
use mtproto_schema::{Decode, DecodeError, Encode};
use zeroize::Zeroizing;

use crate::crypto::{AuthKey, Direction, ct_eq, ige_decrypt, ige_encrypt, part, v1};
use crate::{AuthKeyId, MsgId, Rng, SessionId};

/// Bytes of the whole message: key id, `msg_key`, 80 encrypted ones.
pub const SIZE: usize = 104;

/// Bytes of the object inside.
const INNER: usize = 40;

/// Bytes that `msg_key` covers: 16 random ones, id, number, length, object.
const PLAIN: usize = 72;

/// Bytes that are encrypted: the former and padding to whole blocks.
const ENCRYPTED: usize = 80;

/// What a client binds, with the permanent key as its witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindInner {
    /// A random number that the request repeats.
    pub nonce: i64,
    /// The key to bind.
    pub temp_auth_key_id: AuthKeyId,
    /// The key to bind it to.
    pub perm_auth_key_id: AuthKeyId,
    /// The session of the temporary key in which the request is sent.
    pub temp_session_id: SessionId,
    /// When the binding ends, in the server's Unix time.
    pub expires_at: i32,
}

/// An opened message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedBind {
    /// Must be the identifier of the request that carried the message.
    pub msg_id: MsgId,
    /// Always 0.
    pub seq_no: i32,
    /// Must agree with the request, its key and its session.
    pub inner: BindInner,
}

/// Why a message does not bind anything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// It has the wrong length.
    Length {
        /// Its length in bytes.
        got: usize,
        /// The only right one.
        want: usize,
    },
    /// It is encrypted with another key.
    KeyId {
        /// That key.
        got: AuthKeyId,
        /// The permanent key.
        want: AuthKeyId,
    },
    /// Its `msg_key` does not match.
    MsgKey,
    /// The message inside does not have the number and length that it must have.
    Header {
        /// Its sequence number, which must be 0.
        seq_no: i32,
        /// Its length, which must be 40.
        length: i32,
    },
    /// The object inside is not `bind_auth_key_inner`.
    Decode(DecodeError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::Length { got, want } => write!(f, "{got} bytes instead of {want}"),
            BindError::KeyId { got, want } => {
                write!(f, "encrypted with the key {got} instead of {want}")
            }
            BindError::MsgKey => f.write_str("the message does not match its msg_key"),
            BindError::Header { seq_no, length } => {
                write!(
                    f,
                    "seq_no {seq_no} and length {length} instead of 0 and {INNER}"
                )
            }
            BindError::Decode(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for BindError {}

/// The message that binds a temporary key. `msg_id` is the identifier under which the request
/// goes out: under another one the message must be made again.
pub fn bind_message(perm: &AuthKey, msg_id: MsgId, inner: &BindInner, rng: &mut Rng) -> [u8; SIZE] {
    let mut data = alloc::vec::Vec::with_capacity(ENCRYPTED);
    data.extend(rng.array::<16>());
    data.extend(msg_id.0.to_le_bytes());
    data.extend(0i32.to_le_bytes());
    data.extend((INNER as u32).to_le_bytes());
    BindAuthKeyInner {
        nonce: inner.nonce,
        temp_auth_key_id: inner.temp_auth_key_id.0,
        perm_auth_key_id: inner.perm_auth_key_id.0,
        temp_session_id: inner.temp_session_id.0,
        expires_at: inner.expires_at,
    }
    .encode(&mut data);
    let msg_key = v1::msg_key(&data);
    data.extend(rng.array::<{ ENCRYPTED - PLAIN }>());
    // 80 bytes are whole blocks.
    let _ = ige_encrypt(
        &mut data,
        &v1::aes_key_iv(perm, Direction::ToServer, &msg_key),
    );
    let parts = perm
        .id()
        .0
        .to_le_bytes()
        .into_iter()
        .chain(msg_key)
        .chain(data);
    let mut out = [0; SIZE];
    for (to, from) in out.iter_mut().zip(parts) {
        *to = from;
    }
    out
}

/// What a client bound, if the permanent key made the message.
///
/// # Errors
/// [`BindError`]. To a client they all mean `ENCRYPTED_MESSAGE_INVALID`.
pub fn open_bind_message(perm: &AuthKey, message: &[u8]) -> Result<OpenedBind, BindError> {
    let message: &[u8; SIZE] = message.try_into().map_err(|_| BindError::Length {
        got: message.len(),
        want: SIZE,
    })?;
    let got = AuthKeyId(i64::from_le_bytes(*part(message, 0)));
    if got != perm.id() {
        return Err(BindError::KeyId {
            got,
            want: perm.id(),
        });
    }
    let msg_key = part(message, 8);
    let mut plain = Zeroizing::new(*part::<ENCRYPTED, SIZE>(message, 24));
    ige_decrypt(
        &mut plain[..],
        &v1::aes_key_iv(perm, Direction::ToServer, msg_key),
    )
    .map_err(|_| BindError::MsgKey)?;
    if !ct_eq(&v1::msg_key(part::<PLAIN, ENCRYPTED>(&plain, 0)), msg_key) {
        return Err(BindError::MsgKey);
    }
    let seq_no = i32::from_le_bytes(*part(&plain, 24));
    let length = i32::from_le_bytes(*part(&plain, 28));
    if seq_no != 0 || length != INNER as i32 {
        return Err(BindError::Header { seq_no, length });
    }
    let inner = Bytes::copy_from_slice(part::<INNER, ENCRYPTED>(&plain, 32));
    let inner = BindAuthKeyInner::from_bytes(&inner).map_err(BindError::Decode)?;
    Ok(OpenedBind {
        msg_id: MsgId(i64::from_le_bytes(*part(&plain, 16))),
        seq_no,
        inner: BindInner {
            nonce: inner.nonce,
            temp_auth_key_id: AuthKeyId(inner.temp_auth_key_id),
            perm_auth_key_id: AuthKeyId(inner.perm_auth_key_id),
            temp_session_id: SessionId(inner.temp_session_id),
            expires_at: inner.expires_at,
        },
    })
}
