//! The bytes that snapshots and records share.
//!
//! Does: keys, lengths, checksums and lists of entries, both ways.
//! In and out: byte strings; whatever is not exactly as it is written is `None`.
//! Must not know: files, or what values mean, but for those of the account and its keys.
//! Spec: the folder's `mod.rs`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use super::{Account, Key, MAX_VALUE, SnapshotError, account, check};
use crate::client::PeerId;
use crate::crypto::{ct_eq, sha256};
use crate::ids::DcId;

/// Bytes of a checksum.
pub(super) const CHECKSUM: usize = 8;

/// The longest key: a tag and an id.
pub(super) const MAX_KEY: usize = 9;

pub(super) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, e, f, g, h, ..] = sha256(&[bytes]);
    [a, b, c, d, e, f, g, h]
}

/// What stands before the checksum, if that is right.
pub(super) fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (content, sum) = bytes.split_last_chunk::<CHECKSUM>()?;
    ct_eq(&checksum(content), sum).then_some(content)
}

/// A length of four bytes.
pub(super) fn put_len(out: &mut Vec<u8>, len: usize, max: usize) -> Result<(), SnapshotError> {
    check(len, max)?;
    let short = u32::try_from(len).map_err(|_| SnapshotError::TooLarge { got: len, max })?;
    out.extend_from_slice(&short.to_le_bytes());
    Ok(())
}

pub(super) fn put_key(out: &mut Vec<u8>, key: Key) {
    let mut tagged = |tag, id: &[u8]| {
        out.push(tag);
        out.extend_from_slice(id);
    };
    match key {
        Key::Account => tagged(1, &[]),
        Key::Dc(dc) => tagged(2, &dc.0.to_le_bytes()),
        Key::DcOptions => tagged(3, &[]),
        Key::Updates => tagged(4, &[]),
        Key::Channel(id) => tagged(5, &id.to_le_bytes()),
        Key::Peer(PeerId::User(id)) => tagged(6, &id.to_le_bytes()),
        Key::Peer(PeerId::Chat(id)) => tagged(7, &id.to_le_bytes()),
        Key::Peer(PeerId::Channel(id)) => tagged(8, &id.to_le_bytes()),
    }
}

pub(super) fn key(bytes: &mut &[u8]) -> Option<Key> {
    let tag = bytes.try_get_u8().ok()?;
    let mut id = || bytes.try_get_i64_le().ok();
    Some(match tag {
        1 => Key::Account,
        2 => Key::Dc(DcId(bytes.try_get_i16_le().ok()?)),
        3 => Key::DcOptions,
        4 => Key::Updates,
        5 => Key::Channel(id()?),
        6 => Key::Peer(PeerId::User(id()?)),
        7 => Key::Peer(PeerId::Chat(id()?)),
        8 => Key::Peer(PeerId::Channel(id()?)),
        _ => return None,
    })
}

/// A value of this key, copied out of the input: it must not hold the whole of it.
pub(super) fn value(key: Key, bytes: &[u8]) -> Option<Bytes> {
    let good = bytes.len() <= MAX_VALUE
        && match key {
            Key::Account => Account::from_bytes(bytes).is_some(),
            Key::Dc(dc) => account::dc_from_bytes(dc, bytes).is_some(),
            Key::DcOptions | Key::Updates | Key::Channel(_) | Key::Peer(_) => true,
        };
    good.then(|| account::value_of(key, bytes))
}

/// Their number and all entries, to the end. Memory grows with what is read, not with the number.
pub(super) fn entries(mut bytes: &[u8]) -> Option<BTreeMap<Key, Bytes>> {
    let count = bytes.try_get_u32_le().ok()?;
    let mut entries = BTreeMap::new();
    let mut last = None;
    for _ in 0..count {
        let key = key(&mut bytes)?;
        if last >= Some(key) {
            return None;
        }
        last = Some(key);
        let len = usize::try_from(bytes.try_get_u32_le().ok()?).ok()?;
        let (content, rest) = bytes.split_at_checked(len)?;
        entries.insert(key, value(key, content)?);
        bytes = rest;
    }
    bytes.is_empty().then_some(entries)
}
