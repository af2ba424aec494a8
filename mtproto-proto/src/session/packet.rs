//! One encrypted packet: sealing and opening.
//!
//! Does: header, padding, `msg_key`, AES-IGE, in place; every check that needs only the packet.
//! In: a key and plaintext, or a key and a packet. Out: the other one.
//! Must not know: the session's state; these are pure functions.
//! Spec: "Mobile Protocol: Detailed Description", encrypted message; "Security Guidelines".

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use rand_core::Rng as _;
use subtle::ConstantTimeEq;

use crate::crypto::{
    AuthKey, Direction, MsgKey, aes_key_iv, ige_decrypt, ige_encrypt, msg_key, part,
};
use crate::error::PeerMisbehaved;
use crate::ids::{MsgId, SessionId};
use crate::rng::Rng;

/// `auth_key_id` and `msg_key`.
pub(crate) const OUTER_HEADER: usize = 24;
/// Salt, session id, message id, sequence number, length.
pub(crate) const INNER_HEADER: usize = 32;
/// The specification's bounds for padding.
const MIN_PADDING: usize = 12;
const MAX_PADDING: usize = 1024;

/// What stands before the message inside a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) salt: i64,
    pub(crate) session_id: SessionId,
    pub(crate) msg_id: MsgId,
    pub(crate) seq_no: i32,
}

/// A packet whose every check passed that needs only the packet and its key.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) header: Header,
    pub(crate) body: Bytes,
    /// What the receiver sends back if the sender asked for a quick acknowledgement.
    pub(crate) quick_ack: u32,
}

/// Length of the packet that carries a message of `body` bytes. Lengths fall into few classes, so
/// that they tell an observer little.
pub(crate) fn sealed_len(body: usize) -> usize {
    // TDLib's classes, all multiples of 16.
    const CLASSES: [usize; 9] = [64, 128, 192, 256, 384, 512, 768, 1024, 1280];
    const STEP: usize = 448;

    let least = body
        .saturating_add(INNER_HEADER)
        .saturating_add(MIN_PADDING);
    let class = CLASSES
        .into_iter()
        .find(|class| *class >= least)
        .unwrap_or_else(|| {
            least
                .saturating_sub(1280)
                .div_ceil(STEP)
                .saturating_mul(STEP)
                .saturating_add(1280)
        });
    class.saturating_add(OUTER_HEADER)
}

/// Appends one packet of `sealed_len(body_len)` bytes to `out`; `fill` appends the body. Returns
/// the token of a quick acknowledgement.
pub(crate) fn seal(
    key: &AuthKey,
    direction: Direction,
    header: Header,
    body_len: usize,
    rng: &mut Rng,
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Vec<u8>, &mut Rng),
) -> u32 {
    let start = out.len();
    let end = start.saturating_add(sealed_len(body_len));
    out.reserve(end.saturating_sub(start));
    out.extend_from_slice(&key.id().0.to_le_bytes());
    out.extend_from_slice(&[0; 16]);
    out.extend_from_slice(&header.salt.to_le_bytes());
    out.extend_from_slice(&header.session_id.0.to_le_bytes());
    out.extend_from_slice(&header.msg_id.0.to_le_bytes());
    out.extend_from_slice(&header.seq_no.to_le_bytes());
    out.extend_from_slice(&u32::try_from(body_len).unwrap_or(u32::MAX).to_le_bytes());
    fill(out, rng);
    let filled = out.len();
    debug_assert_eq!(
        filled.saturating_sub(start),
        body_len
            .saturating_add(OUTER_HEADER)
            .saturating_add(INNER_HEADER)
    );
    out.resize(end, 0);
    if let Some(padding) = out.get_mut(filled..) {
        rng.fill_bytes(padding);
    }

    let Some((outer, plain)) = out
        .get_mut(start..)
        .and_then(|packet| packet.split_at_mut_checked(OUTER_HEADER))
    else {
        return 0;
    };
    let MsgKey { msg_key, quick_ack } = msg_key(key, direction, plain);
    if let Some(slot) = outer.last_chunk_mut::<16>() {
        *slot = msg_key;
    }
    let sealed = ige_encrypt(plain, &aes_key_iv(key, direction, &msg_key));
    debug_assert!(sealed.is_ok(), "every class is a multiple of 16");
    quick_ack
}

/// The key that a packet names.
pub(crate) fn auth_key_id(packet: &[u8]) -> Option<i64> {
    packet.first_chunk::<8>().map(|id| i64::from_le_bytes(*id))
}

/// Opens a packet in place.
///
/// Every failure is the same error: the key's id, the length, `msg_key`, the length inside and
/// the padding are all judged before it is given.
pub(crate) fn open(
    key: &AuthKey,
    direction: Direction,
    mut packet: BytesMut,
) -> Result<Opened, PeerMisbehaved> {
    const BAD: PeerMisbehaved = PeerMisbehaved::BadPacket;

    let (outer, plain) = packet.split_at_mut_checked(OUTER_HEADER).ok_or(BAD)?;
    let (id, key_of_message) = outer.split_first_chunk::<8>().ok_or(BAD)?;
    let key_of_message: [u8; 16] = *key_of_message.first_chunk().ok_or(BAD)?;
    if plain.len() < INNER_HEADER.saturating_add(16) {
        return Err(BAD);
    }
    let same_key = id.ct_eq(&key.id().0.to_le_bytes());
    // Whole blocks, or it fails.
    ige_decrypt(plain, &aes_key_iv(key, direction, &key_of_message)).map_err(|_| BAD)?;
    let MsgKey { msg_key, quick_ack } = msg_key(key, direction, plain);
    let authentic = same_key & msg_key.ct_eq(&key_of_message);

    let (header, message) = plain.split_first_chunk::<INNER_HEADER>().ok_or(BAD)?;
    let (header, body_len) = parse_header(header);
    // A negative length is a huge one here, and one that exceeds the packet leaves a huge padding.
    let body_len = usize::try_from(body_len).unwrap_or(usize::MAX);
    let padding = message.len().wrapping_sub(body_len);
    let sound =
        body_len >= 4 && body_len % 4 == 0 && (MIN_PADDING..=MAX_PADDING).contains(&padding);
    if !bool::from(authentic) | !sound {
        return Err(BAD);
    }
    let start = OUTER_HEADER.saturating_add(INNER_HEADER);
    let body = packet.freeze().slice(start..start.saturating_add(body_len));
    Ok(Opened {
        header,
        body,
        quick_ack,
    })
}

fn parse_header(header: &[u8; INNER_HEADER]) -> (Header, u32) {
    let long = |at| i64::from_le_bytes(*part(header, at));
    let body_len = u32::from_le_bytes(*part(header, 28));
    let header = Header {
        salt: long(0),
        session_id: SessionId(long(8)),
        msg_id: MsgId(long(16)),
        seq_no: i32::from_le_bytes(*part(header, 24)),
    };
    (header, body_len)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]
mod tests {
    use super::*;

    #[test]
    fn every_length_class_leaves_legal_padding() {
        for body in (4..20_000).step_by(4) {
            let len = sealed_len(body);
            let padding = len - OUTER_HEADER - INNER_HEADER - body;
            assert_eq!((len - OUTER_HEADER) % 16, 0, "{body}");
            assert!(
                (MIN_PADDING..=MAX_PADDING).contains(&padding),
                "{body}: {padding}"
            );
        }
    }

    /// A packet whose header declares `body_len` bytes, with `tail` zeros behind the header.
    fn sealed(key: &AuthKey, body_len: i32, tail: usize) -> BytesMut {
        let mut plain = Vec::new();
        for long in [1_i64, 2, 3] {
            plain.extend(long.to_le_bytes());
        }
        plain.extend(5_i32.to_le_bytes());
        plain.extend(body_len.to_le_bytes());
        plain.resize(INNER_HEADER + tail, 0);
        let MsgKey { msg_key, .. } = msg_key(key, Direction::ToServer, &plain);
        // Whole blocks or not at all.
        let _ = ige_encrypt(&mut plain, &aes_key_iv(key, Direction::ToServer, &msg_key));
        let id = key.id().0.to_le_bytes();
        id.into_iter().chain(msg_key).chain(plain).collect()
    }

    fn key() -> AuthKey {
        AuthKey::from_bytes(&core::array::from_fn(|n| n as u8))
    }

    #[test]
    fn lengths_and_paddings_are_taken_up_to_their_bounds_and_no_further() {
        let key = key();
        for (body_len, tail) in [(4, 16), (20, 32), (16, 1_040), (1_024, 1_040)] {
            let opened = open(&key, Direction::ToServer, sealed(&key, body_len, tail)).unwrap();
            assert_eq!(opened.body.len(), body_len as usize);
            let header = Header {
                salt: 1,
                session_id: SessionId(2),
                msg_id: MsgId(3),
                seq_no: 5,
            };
            assert_eq!(opened.header, header);
        }
        for (body_len, tail) in [
            // Padding of 8 and of 1,028 bytes.
            (8, 16),
            (12, 1_040),
            // No message, one that is no whole words, one that exceeds the packet by little and much.
            (0, 16),
            (6, 32),
            (20, 16),
            (i32::MAX - 3, 16),
            (-4, 16),
            // Not a block of it; none; half of one.
            (4, 0),
            (0, 0),
            (4, 24),
        ] {
            let packet = sealed(&key, body_len, tail);
            let opened = open(&key, Direction::ToServer, packet);
            assert_eq!(
                opened.unwrap_err(),
                PeerMisbehaved::BadPacket,
                "{body_len} {tail}"
            );
        }
    }

    #[test]
    fn the_key_its_message_key_and_the_direction_must_all_be_right() {
        let key = key();
        for (byte, body_len) in [(0, 4), (8, 4), (0, 0), (8, 0)] {
            let mut packet = sealed(&key, body_len, 16);
            packet[byte] ^= 1;
            assert!(
                open(&key, Direction::ToServer, packet).is_err(),
                "byte {byte}"
            );
        }
        let packet = sealed(&key, 4, 16);
        assert!(open(&key, Direction::ToClient, packet.clone()).is_err());
        for len in 0..packet.len() {
            let cut = BytesMut::from(&packet[..len]);
            assert!(open(&key, Direction::ToServer, cut).is_err(), "{len} bytes");
        }
        assert_eq!(auth_key_id(&packet), Some(key.id().0));
        assert_eq!(auth_key_id(&packet[..7]), None);
    }
}
