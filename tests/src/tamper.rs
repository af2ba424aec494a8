//! Packets, opened and edited with the test's keys: what a malicious peer does.
//!
//! Does: [`open`] and [`seal`] take an encrypted packet apart and make one, well formed or not;
//! [`Plain`] is every field that can be wrong; helpers build containers and gzip bombs.
//! In: the key of the session, a direction, fields. Out: packets for a framing to carry.
//! Must not know: sessions, and what the machines under test make of it. It is written apart from
//! the core's packet code, so that the two check each other; only the primitives are shared.
//! Spec: "Mobile Protocol: Detailed Description", "Service Messages".

use std::fmt;

use mtproto_proto::crypto::{AuthKey, Direction, aes_key_iv, ige_decrypt, ige_encrypt, msg_key};
use mtproto_proto::{AuthKeyId, MsgId, SessionId};

use crate::Dice;

/// Key id and `msg_key`.
pub const OUTER_HEADER: usize = 24;

/// Salt, session, message id, sequence number, length.
pub const INNER_HEADER: usize = 32;

/// The decrypted content of a packet, every field settable to anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// `server_salt`.
    pub salt: i64,
    /// `session_id`.
    pub session: SessionId,
    /// `msg_id`.
    pub msg_id: MsgId,
    /// `seq_no`.
    pub seq_no: i32,
    /// What the length field says; `None`: the truth.
    pub declared_len: Option<i32>,
    /// The message.
    pub body: Vec<u8>,
    /// What follows it, as it is; `None`: the fewest bytes that the rules allow.
    pub padding: Option<Vec<u8>>,
}

impl Plain {
    /// A well-formed message with the fewest padding bytes that the rules allow.
    pub fn new(salt: i64, session: SessionId, msg_id: MsgId, seq_no: i32, body: Vec<u8>) -> Self {
        Plain {
            salt,
            session,
            msg_id,
            seq_no,
            declared_len: None,
            body,
            padding: None,
        }
    }

    /// The bytes that are encrypted.
    pub fn to_bytes(&self, dice: &mut Dice) -> Vec<u8> {
        let mut out = Vec::with_capacity(INNER_HEADER + self.body.len() + 28);
        out.extend(self.salt.to_le_bytes());
        out.extend(self.session.0.to_le_bytes());
        out.extend(self.msg_id.0.to_le_bytes());
        out.extend(self.seq_no.to_le_bytes());
        let len = self.declared_len.unwrap_or(self.body.len() as i32);
        out.extend(len.to_le_bytes());
        out.extend(&self.body);
        match &self.padding {
            Some(padding) => out.extend(padding),
            None => out.extend(dice.bytes(12 + (out.len() + 12).wrapping_neg() % 16)),
        }
        out
    }
}

/// Why a packet does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// Too short, or not whole blocks.
    Length {
        /// The packet's length in bytes.
        got: usize,
    },
    /// Another key's packet, or a plain one.
    Key {
        /// The key id in the packet.
        got: AuthKeyId,
        /// The id of the key given.
        expected: AuthKeyId,
    },
    /// The `msg_key` is not the hash of the content.
    MsgKey,
    /// The length field does not leave 12 to 1,024 bytes of padding.
    Padding {
        /// The length field.
        declared: i32,
        /// The bytes behind the header.
        available: usize,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Length { got } => write!(f, "{got} bytes are no packet"),
            OpenError::Key { got, expected } => write!(f, "key {got}, expected {expected}"),
            OpenError::MsgKey => f.write_str("the msg_key is not that of the content"),
            OpenError::Padding {
                declared,
                available,
            } => write!(f, "{declared} bytes declared, {available} there"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Encrypts a message into a packet.
///
/// # Panics
/// If the plaintext is not whole blocks, which padding that was set can bring about;
/// [`seal_bytes`] encrypts what it can of such a plaintext.
pub fn seal(key: &AuthKey, direction: Direction, plain: &Plain, dice: &mut Dice) -> Vec<u8> {
    let bytes = plain.to_bytes(dice);
    assert!(
        bytes.len().is_multiple_of(16),
        "{} bytes are not whole blocks",
        bytes.len()
    );
    seal_bytes(key, direction, &bytes)
}

/// Encrypts any plaintext under a correct `msg_key`; what is beyond the last whole block stays as
/// it is.
pub fn seal_bytes(key: &AuthKey, direction: Direction, plaintext: &[u8]) -> Vec<u8> {
    let msg_key = msg_key(key, direction, plaintext).msg_key;
    let mut out = Vec::with_capacity(OUTER_HEADER + plaintext.len());
    out.extend(key.id().0.to_le_bytes());
    out.extend(msg_key);
    out.extend(plaintext);
    let blocks = plaintext.len() / 16 * 16;
    ige_encrypt(
        &mut out[OUTER_HEADER..OUTER_HEADER + blocks],
        &aes_key_iv(key, direction, &msg_key),
    )
    .expect("whole blocks");
    out
}

/// Decrypts a packet and checks everything that does not depend on the session. The packet must be
/// free of transport padding.
///
/// # Errors
/// If the packet is not one that an honest peer with this key makes.
pub fn open(key: &AuthKey, direction: Direction, packet: &[u8]) -> Result<Plain, OpenError> {
    let got = packet.len();
    if got < OUTER_HEADER + INNER_HEADER + 16 || !(got - OUTER_HEADER).is_multiple_of(16) {
        return Err(OpenError::Length { got });
    }
    let id = AuthKeyId(tl_i64(packet, 0));
    if id != key.id() {
        return Err(OpenError::Key {
            got: id,
            expected: key.id(),
        });
    }
    let claimed: [u8; 16] = packet[8..24].try_into().expect("16 bytes");
    let mut plain = packet[OUTER_HEADER..].to_vec();
    ige_decrypt(&mut plain, &aes_key_iv(key, direction, &claimed)).expect("whole blocks");
    if msg_key(key, direction, &plain).msg_key != claimed {
        return Err(OpenError::MsgKey);
    }
    let declared = tl_i32(&plain, 28);
    let available = plain.len() - INNER_HEADER;
    let len = usize::try_from(declared)
        .ok()
        .filter(|len| len.is_multiple_of(4))
        .filter(|len| (12..=1024).contains(&available.wrapping_sub(*len)))
        .ok_or(OpenError::Padding {
            declared,
            available,
        })?;
    let (body, padding) = plain[INNER_HEADER..].split_at(len);
    Ok(Plain {
        salt: tl_i64(&plain, 0),
        session: SessionId(tl_i64(&plain, 8)),
        msg_id: MsgId(tl_i64(&plain, 16)),
        seq_no: tl_i32(&plain, 24),
        declared_len: Some(declared),
        body: body.to_vec(),
        padding: Some(padding.to_vec()),
    })
}

/// One message of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// `msg_id`.
    pub msg_id: MsgId,
    /// `seqno`.
    pub seq_no: i32,
    /// What the length field says; `None`: the truth.
    pub declared_len: Option<i32>,
    /// The message.
    pub body: Vec<u8>,
}

impl Item {
    /// A well-formed item.
    pub fn new(msg_id: MsgId, seq_no: i32, body: Vec<u8>) -> Self {
        Item {
            msg_id,
            seq_no,
            declared_len: None,
            body,
        }
    }
}

const MSG_CONTAINER: u32 = 0x73f1_f8dc;
const GZIP_PACKED: u32 = 0x3072_cfa1;

/// A `msg_container` that claims `count` items, or as many as it has.
pub fn container(items: &[Item], count: Option<i32>) -> Vec<u8> {
    let mut out = MSG_CONTAINER.to_le_bytes().to_vec();
    out.extend(count.unwrap_or(items.len() as i32).to_le_bytes());
    for item in items {
        out.extend(item.msg_id.0.to_le_bytes());
        out.extend(item.seq_no.to_le_bytes());
        let len = item.declared_len.unwrap_or(item.body.len() as i32);
        out.extend(len.to_le_bytes());
        out.extend(&item.body);
    }
    out
}

/// The items of a `msg_container`, or `None` if it is none.
pub fn open_container(body: &[u8]) -> Option<Vec<Item>> {
    let (head, mut rest) = body.split_at_checked(8)?;
    if tl_i32(head, 0) as u32 != MSG_CONTAINER {
        return None;
    }
    let mut items = Vec::new();
    for _ in 0..tl_i32(head, 4) {
        let (head, tail) = rest.split_at_checked(16)?;
        let len = tl_i32(head, 12);
        let (body, tail) = tail.split_at_checked(usize::try_from(len).ok()?)?;
        items.push(Item {
            msg_id: MsgId(tl_i64(head, 0)),
            seq_no: tl_i32(head, 8),
            declared_len: Some(len),
            body: body.to_vec(),
        });
        rest = tail;
    }
    rest.is_empty().then_some(items)
}

/// A `gzip_packed` around bytes that are compressed already, in any form or none.
pub fn gzip_packed(compressed: &[u8]) -> Vec<u8> {
    let mut out = GZIP_PACKED.to_le_bytes().to_vec();
    put_bytes(&mut out, compressed);
    out
}

/// Appends a TL `bytes`: its length, the bytes, zeros up to a multiple of four.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    if bytes.len() < 254 {
        out.push(bytes.len() as u8);
    } else {
        out.push(254);
        out.extend(&(bytes.len() as u32).to_le_bytes()[..3]);
    }
    out.extend(bytes);
    out.resize(start + (out.len() - start).next_multiple_of(4), 0);
}

/// Compresses in the form of RFC 1952, with the `gzip` header of most clients.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    out.extend(miniz_oxide::deflate::compress_to_vec(data, 6));
    out.extend(crc32fast::hash(data).to_le_bytes());
    out.extend((data.len() as u32).to_le_bytes());
    out
}

/// Compresses in the form of RFC 1950, with the `zlib` header of official clients.
pub fn zlib(data: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(data, 6)
}

fn tl_i32(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn tl_i64(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

#[cfg(test)]
mod tests {
    use miniz_oxide::inflate::{decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};

    use super::*;
    use crate::Seed;

    fn setup() -> (AuthKey, Dice, Plain) {
        let mut dice = Dice::from_env_or(21);
        let mut bytes = [0; 256];
        bytes.copy_from_slice(&dice.bytes(256));
        let plain = Plain::new(
            1,
            SessionId(2),
            MsgId(3 << 32),
            5,
            b"four bytes and eight more".to_vec()[..24].to_vec(),
        );
        (AuthKey::from_bytes(&bytes), dice, plain)
    }

    #[test]
    fn what_was_sealed_opens_to_the_same_fields() {
        let (key, mut dice, plain) = setup();
        for direction in [Direction::ToServer, Direction::ToClient] {
            let packet = seal(&key, direction, &plain, &mut dice);
            let opened = open(&key, direction, &packet).unwrap();
            assert_eq!(opened.declared_len, Some(24));
            let padding = opened.padding.clone().unwrap();
            assert!((12..28).contains(&padding.len()));
            assert_eq!(
                Plain {
                    declared_len: None,
                    padding: None,
                    ..opened
                },
                plain
            );
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (key, mut dice, plain) = setup();
        let packet = seal(&key, Direction::ToServer, &plain, &mut dice);
        for bit in 0..packet.len() * 8 {
            let mut bad = packet.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let error = open(&key, Direction::ToServer, &bad).unwrap_err();
            if bit < 64 {
                assert!(matches!(error, OpenError::Key { .. }), "bit {bit}: {error}");
            } else {
                assert_eq!(error, OpenError::MsgKey, "bit {bit}");
            }
        }
        assert_eq!(
            open(&key, Direction::ToClient, &packet),
            Err(OpenError::MsgKey),
            "the directions differ"
        );
        for len in 0..packet.len() {
            assert!(open(&key, Direction::ToServer, &packet[..len]).is_err());
        }
    }

    #[test]
    fn wrong_lengths_and_paddings_can_be_sealed() {
        let (key, mut dice, plain) = setup();
        for (declared_len, padding) in [(None, 8), (None, 1032), (Some(-4), 8), (Some(1 << 30), 8)]
        {
            let bad = Plain {
                declared_len,
                padding: Some(vec![0; padding]),
                ..plain.clone()
            };
            let packet = seal(&key, Direction::ToClient, &bad, &mut dice);
            assert_eq!(
                open(&key, Direction::ToClient, &packet),
                Err(OpenError::Padding {
                    declared: declared_len.unwrap_or(24),
                    available: 24 + padding
                })
            );
        }
    }

    #[test]
    fn containers_open_to_their_items() {
        let items = [
            Item::new(MsgId(4), 1, b"abcd".to_vec()),
            Item::new(MsgId(8), 2, Vec::new()),
        ];
        let opened = open_container(&container(&items, None)).unwrap();
        assert_eq!(opened.len(), 2);
        assert_eq!(opened[0].body, b"abcd");
        assert_eq!(open_container(&container(&items, Some(3))), None);
        assert_eq!(open_container(b"not one of them"), None);
    }

    #[test]
    fn both_headers_inflate() {
        let data = Dice::new(Seed(1)).bytes(1000).repeat(3);
        let limit = data.len();
        let plain = gzip(&data);
        assert_eq!(
            decompress_to_vec_with_limit(&plain[10..plain.len() - 8], limit).unwrap(),
            data
        );
        assert_eq!(
            decompress_to_vec_zlib_with_limit(&zlib(&data), limit).unwrap(),
            data
        );
    }
}
