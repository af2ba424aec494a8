//! Packets, tampered or not.
//!
//! Does: what somebody on the wire does to a packet without its key, and what a peer with the key
//! may get wrong inside.
//! In: packets, keys. Out: packets.
//! Must not know: who takes them.
//! Spec: "Mobile Protocol: Detailed Description", encrypted message; "Security Guidelines".

use mtproto_proto::crypto::{AuthKey, Direction};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::tamper::{Plain, seal_bytes};
use crate::{Dice, Seed};

/// What is done to a packet without its key. A receiver has to end the stream, and only the
/// stream, whichever it is.
#[derive(Clone, Debug)]
pub enum Tampering {
    /// One bit is flipped.
    Flip(Index, u8),
    /// Bytes are written over, at least one of them with another.
    Overwrite(Index, Vec<u8>),
    /// It ends early, by whole words; the key's id is left.
    Truncate(Index),
    /// Whole blocks are put behind it.
    Extend(Vec<[u8; 16]>),
    /// Two blocks change places, if they differ.
    Swap(Index, Index),
}

/// Any of them. It shrinks to a flip of the first bit.
pub fn tampering() -> impl Strategy<Value = Tampering> + Clone {
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Tampering::Flip(at, bit)),
        (any::<Index>(), vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Tampering::Overwrite(at, bytes)),
        any::<Index>().prop_map(Tampering::Truncate),
        vec(any::<[u8; 16]>(), 1..4).prop_map(Tampering::Extend),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Tampering::Swap(a, b)),
    ]
}

impl Tampering {
    /// The packet after it; `None` if it would be the same packet.
    pub fn apply(&self, packet: &[u8]) -> Option<Vec<u8>> {
        const BLOCK: usize = 16;
        const OUTER_HEADER: usize = 24;

        let mut out = packet.to_vec();
        if out.is_empty() {
            return None;
        }
        match self {
            Tampering::Flip(at, bit) => out[at.index(packet.len())] ^= 1 << bit,
            Tampering::Overwrite(at, bytes) => {
                let at = at.index(packet.len());
                let len = bytes.len().min(packet.len() - at);
                out[at..at + len].copy_from_slice(&bytes[..len]);
            }
            Tampering::Truncate(len) => {
                let words = packet.len().saturating_sub(8) / 4;
                out.truncate(8 + len.index(words.max(1)) * 4);
            }
            Tampering::Extend(blocks) => out.extend(blocks.iter().flatten()),
            Tampering::Swap(a, b) => {
                let blocks = packet.len().saturating_sub(OUTER_HEADER) / BLOCK;
                let block = |at: &Index| {
                    let start = OUTER_HEADER + at.index(blocks) * BLOCK;
                    start..start + BLOCK
                };
                if blocks > 0 {
                    let (a, b) = (block(a), block(b));
                    out[a.clone()].copy_from_slice(&packet[b.clone()]);
                    out[b].copy_from_slice(&packet[a]);
                }
            }
        }
        (out != packet).then_some(out)
    }
}

/// A field of the inside that a peer with the key sets to something else. What a receiver has to do
/// is said of each; none may cost the key.
#[derive(Clone, Debug)]
pub enum Forgery {
    /// `message_data_length`, of which the padding follows: the stream ends unless 12 to 1,024
    /// bytes are left.
    Length(i32),
    /// Padding of up to 525 words: the stream ends unless it is 12 to 1,024 bytes, whole blocks
    /// with the rest.
    Padding(Vec<u8>),
    /// `session_id`: another session; a client ends the stream.
    Session(i64),
    /// `server_salt`: a server answers 48, a client does not look.
    Salt(i64),
    /// `seq_no`: a server answers 32 to 35, a client does not look.
    SeqNo(i32),
}

/// Any of them.
pub fn forgery() -> impl Strategy<Value = Forgery> + Clone {
    prop_oneof![
        prop_oneof![any::<i32>(), -64..2_000_i32].prop_map(Forgery::Length),
        vec(any::<[u8; 4]>(), 0..525).prop_map(|words| Forgery::Padding(words.concat())),
        any::<i64>().prop_map(Forgery::Session),
        any::<i64>().prop_map(Forgery::Salt),
        any::<i32>().prop_map(Forgery::SeqNo),
    ]
}

impl Forgery {
    /// The message with this field.
    pub fn apply(&self, mut plain: Plain) -> Plain {
        match self {
            Forgery::Length(length) => plain.declared_len = Some(*length),
            Forgery::Padding(padding) => plain.padding = Some(padding.clone()),
            Forgery::Session(session) => plain.session.0 = *session,
            Forgery::Salt(salt) => plain.salt = *salt,
            Forgery::SeqNo(seq_no) => plain.seq_no = *seq_no,
        }
        plain
    }
}

/// Seals a message as it is, whole blocks or not, with the padding that it has or the fewest bytes
/// that the rules allow, all of them the same on each run.
pub fn seal(key: &AuthKey, direction: Direction, plain: &Plain) -> Vec<u8> {
    seal_bytes(key, direction, &plain.to_bytes(&mut Dice::new(Seed(0))))
}
