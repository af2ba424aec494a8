//! Abridged framing: the length in units of four bytes, in one byte or in four.
//!
//! Does: reads and writes heads of frames and quick acks.
//! In: the first bytes of a frame. Out: a [`Head`].
//! Must not know: bounds, obfuscation.
//! Spec: "MTProto transports", Abridged; "Quick ack".
//!
//! ```text
//! n | bit 7            n < 127: payload of 4·n bytes
//! 7f | bit 7, n: u24   payload of 4·n bytes
//! t: u32 big endian    to a client: quick ack, whose top bit comes first for this reason
//! ```

use alloc::vec::Vec;

use super::{Head, QUICK_ACK_BIT, Role};

/// What a client sends once, first.
pub(super) const TAG: u8 = 0xef;

/// In the place of a short length: a length of three bytes follows.
const LONG: u8 = 0x7f;

/// In the first byte: a quick ack, or that the sender asks for one.
const FLAG: u8 = 0x80;

/// Reads the head of a frame that came in at `role`. A long form where the short one would do is
/// read as well; it is never written.
pub(super) fn head(bytes: &[u8], role: Role) -> Head {
    let Some((&first, rest)) = bytes.split_first() else {
        return Head::Partial;
    };
    let flag = first & FLAG != 0;
    if flag && role == Role::Client {
        return match bytes.first_chunk() {
            Some(token) => Head::QuickAck(u32::from_be_bytes(*token)),
            None => Head::Partial,
        };
    }
    let (header, units) = match first & !FLAG {
        LONG => match rest.first_chunk() {
            Some(&[a, b, c]) => (4, u32::from_le_bytes([a, b, c, 0])),
            None => return Head::Partial,
        },
        short => (1, u32::from(short)),
    };
    Head::Frame {
        header,
        payload: units << 2, // 24 bits and 2
        trailer: 0,
        quick_ack: flag,
    }
}

/// Writes the head of a frame of `len` bytes, a multiple of four below 2^26.
pub(super) fn write_head(out: &mut Vec<u8>, len: u32, quick_ack: bool) {
    let units = len >> 2;
    let flag = if quick_ack { FLAG } else { 0 };
    match u8::try_from(units) {
        Ok(short) if short < LONG => out.push(short | flag),
        Ok(_) | Err(_) => {
            let [a, b, c, _] = units.to_le_bytes();
            out.extend([LONG | flag, a, b, c]);
        }
    }
}

/// Writes a quick ack.
pub(super) fn write_quick_ack(out: &mut Vec<u8>, token: u32) {
    out.extend((token | QUICK_ACK_BIT).to_be_bytes());
}
