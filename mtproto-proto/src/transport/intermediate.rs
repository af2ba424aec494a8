//! Intermediate framing: the length in four bytes; and its padded variant.
//!
//! Does: reads and writes heads of frames and quick acks; adds padding, and takes it away where
//! the packet shows how long it is.
//! In: the first bytes of a frame, or a packet with its padding. Out: a [`Head`], or the packet.
//! Must not know: bounds, obfuscation; of a packet only where its length shows.
//! Spec: "MTProto transports", Intermediate and Padded intermediate; "Quick ack".
//!
//! ```text
//! n: u31 | bit 31      payload, and in the padded variant padding, of n bytes
//! t: u32, bit 31 set   to a client, not padded: quick ack
//! ff ff ff ff, t: u32  as a payload, padded: quick ack
//! ```

use alloc::vec::Vec;

use super::{Head, QUICK_ACK_BIT, Role};
use crate::Rng;

/// What a client sends once, first.
pub(super) const TAG: [u8; 4] = [0xee; 4];

/// The same, in the padded variant.
pub(super) const PADDED_TAG: [u8; 4] = [0xdd; 4];

/// Padding that a client adds to a packet is shorter than this, as official clients do.
const CLIENT_PADDING: u8 = 16;

/// Padding that a server adds, and that control frames get, is shorter than this: clients exist
/// that take away `n % 4` bytes only, and a control frame has to stay below 16 bytes.
const SERVER_PADDING: u8 = 4;

/// The fields before the ciphertext of an encrypted packet: key id and `msg_key`.
const ENCRYPTED_HEADER: usize = 24;

/// The fields before the body of a plain packet: key id of zero, `msg_id`, length.
const PLAIN_HEADER: usize = 20;

/// Reads the head of a frame that came in at `role`.
pub(super) fn head(bytes: &[u8], role: Role, padded: bool) -> Head {
    let Some(word) = bytes.first_chunk() else {
        return Head::Partial;
    };
    let word = u32::from_le_bytes(*word);
    let flag = word & QUICK_ACK_BIT != 0;
    match role {
        Role::Client if flag && !padded => Head::QuickAck(word),
        // The padded variant has no meaning for the bit at a client; as a length it is too long.
        Role::Client => frame(word, false),
        Role::Server => frame(word & !QUICK_ACK_BIT, flag),
    }
}

const fn frame(payload: u32, quick_ack: bool) -> Head {
    Head::Frame {
        header: 4,
        payload,
        trailer: 0,
        quick_ack,
    }
}

/// Writes the head of a frame of `len` bytes below 2^31.
pub(super) fn write_head(out: &mut Vec<u8>, len: u32, quick_ack: bool) {
    let flag = if quick_ack { QUICK_ACK_BIT } else { 0 };
    out.extend((len | flag).to_le_bytes());
}

/// Writes a quick ack without padding.
pub(super) fn write_quick_ack(out: &mut Vec<u8>, token: u32) {
    out.extend((token | QUICK_ACK_BIT).to_le_bytes());
}

/// Random padding for one frame.
pub(super) struct Padding {
    bytes: [u8; 16],
    len: u8,
}

impl Padding {
    /// For a packet from `role`.
    pub(super) fn packet(role: Role, rng: &mut Rng) -> Self {
        match role {
            Role::Client => Padding::below(CLIENT_PADDING, rng),
            Role::Server => Padding::below(SERVER_PADDING, rng),
        }
    }

    /// For a control frame.
    pub(super) fn control(rng: &mut Rng) -> Self {
        Padding::below(SERVER_PADDING, rng)
    }

    /// `limit` is a power of two, so that every length is equally likely.
    fn below(limit: u8, rng: &mut Rng) -> Self {
        let [len] = rng.array();
        Padding {
            bytes: rng.array(),
            len: len & limit.saturating_sub(1),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// The length of a packet without its padding, or all of it where it does not show.
pub(super) fn stripped(packet: &[u8]) -> usize {
    let len = packet.len();
    if packet.starts_with(&[0; 8]) {
        return plain_len(packet).filter(|n| *n <= len).unwrap_or(len);
    }
    match len.checked_sub(ENCRYPTED_HEADER) {
        // The ciphertext is whole blocks of 16 bytes.
        Some(ciphertext) => ENCRYPTED_HEADER.saturating_add(ciphertext & !15),
        None => len,
    }
}

/// What the length field of a plain packet says of the packet's length.
fn plain_len(packet: &[u8]) -> Option<usize> {
    let (_, field) = packet.get(..PLAIN_HEADER)?.split_last_chunk()?;
    let body = usize::try_from(i32::from_le_bytes(*field)).ok()?;
    body.checked_add(PLAIN_HEADER)
}
