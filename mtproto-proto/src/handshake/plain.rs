//! The envelope of a message that is not encrypted.
//!
//! Does: reads and writes key id 0, `msg_id`, length, body.
//! In: a packet, or a body. Out: the other one.
//! Must not know: what the body says. Peers put random bytes after the one object in it, counted
//! in its length, and transports put more behind it: a reader of the body ignores both.
//! Spec: "Mobile Protocol: Detailed Description", "Unencrypted Message".

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::{MsgId, Time};

/// Bytes before the body.
pub const HEADER: usize = 20;

/// The longest packet that is read: the longest message of a handshake has some 650 bytes, and
/// official clients pad with up to 255; the rest is room for many fingerprints.
pub const MAX_PACKET: usize = 8192;

/// Why a packet is not a plain message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlainError {
    /// The packet ends before its header does.
    TooShort {
        /// Its length in bytes.
        got: usize,
        /// The shortest.
        min: usize,
    },
    /// The packet is longer than any message of a handshake.
    TooLong {
        /// Its length in bytes.
        got: usize,
        /// The longest.
        max: usize,
    },
    /// The packet begins with a key's identifier: it is encrypted.
    Encrypted,
    /// The declared length is negative or exceeds the packet.
    Length {
        /// The length as declared.
        got: i32,
        /// Bytes that are there.
        max: usize,
    },
}

impl fmt::Display for PlainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlainError::TooShort { got, min } => write!(f, "{got} bytes, at least {min} needed"),
            PlainError::TooLong { got, max } => write!(f, "{got} bytes, at most {max} allowed"),
            PlainError::Encrypted => f.write_str("it is encrypted"),
            PlainError::Length { got, max } => {
                write!(f, "a declared length of {got}, {max} bytes are there")
            }
        }
    }
}

impl core::error::Error for PlainError {}

/// A message that is not encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainMessage {
    /// The identifier; a server must not judge it: clients send 0, 1, or times that are far off.
    pub msg_id: MsgId,
    /// One object, and possibly random bytes after it.
    pub body: Bytes,
}

impl PlainMessage {
    /// The message in a packet.
    ///
    /// # Errors
    /// [`PlainError`].
    pub fn read(packet: &[u8]) -> Result<Self, PlainError> {
        let got = packet.len();
        if got > MAX_PACKET {
            return Err(PlainError::TooLong {
                got,
                max: MAX_PACKET,
            });
        }
        let too_short = PlainError::TooShort { got, min: HEADER };
        let (key_id, rest) = packet.split_first_chunk::<8>().ok_or(too_short)?;
        let (msg_id, rest) = rest.split_first_chunk::<8>().ok_or(too_short)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(too_short)?;
        if *key_id != [0; 8] {
            return Err(PlainError::Encrypted);
        }
        let length = i32::from_le_bytes(*length);
        let body = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length))
            .ok_or(PlainError::Length {
                got: length,
                max: rest.len(),
            })?;
        Ok(PlainMessage {
            msg_id: MsgId(i64::from_le_bytes(*msg_id)),
            body: Bytes::copy_from_slice(body),
        })
    }

    /// The packet of a message.
    pub fn write(msg_id: MsgId, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER.saturating_add(body.len()));
        out.extend([0; 8]);
        out.extend(msg_id.0.to_le_bytes());
        // Our messages have a few hundred bytes.
        out.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(body);
        out
    }
}

/// A client's identifier for a plain message: `now`, a multiple of 4, greater than `last`, with a
/// fraction of a second that is not zero.
pub(super) fn client_msg_id(now: Time, last: MsgId) -> MsgId {
    let fraction = (u64::from(now.subsec_nanos()) << 32)
        .checked_div(1_000_000_000)
        .unwrap_or_default();
    let time = (now.unix() << 32 | fraction.max(4)) & !3;
    MsgId(time.cast_signed().max(last.0.saturating_add(4)))
}
