//! Records of a journal: one change each.
//!
//! Does: writes a change so that a reader tells a record that is whole from one that a crash cut
//! off and from one that was damaged.
//! In: a [`Change`], or the bytes of a journal. Out: the other one.
//! Must not know: files; when a journal is made short again.
//! Spec: the folder's `mod.rs`.

use alloc::vec::Vec;

use bytes::Buf;
use zeroize::Zeroizing;

use super::format::{self, CHECKSUM, MAX_KEY, checksum};
use super::{Change, MAX_VALUE, SnapshotError, VERSION, check, known_version};
use crate::crypto::sha256;

/// Version and length.
const FACTS: usize = 1 + 4;
/// The checksum of version and length.
const FACTS_SUM: usize = 4;
/// What precedes the content, in all versions.
const HEADER: usize = FACTS + FACTS_SUM;
/// The longest content: what to do, a key and a value.
const MAX_CONTENT: usize = 1 + MAX_KEY + MAX_VALUE;

impl Change {
    /// A record of a journal: one change as versioned bytes with a length and checksums. Secret;
    /// zeroised on drop.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] if the value is longer than [`MAX_VALUE`].
    pub fn to_record(&self) -> Result<Zeroizing<Vec<u8>>, SnapshotError> {
        let value = self.value.as_deref().unwrap_or_default();
        check(value.len(), MAX_VALUE)?;
        let mut content =
            Zeroizing::new(Vec::with_capacity(value.len().saturating_add(1 + MAX_KEY)));
        content.push(u8::from(self.value.is_some()));
        format::put_key(&mut content, self.key);
        content.extend_from_slice(value);

        let size = content.len().saturating_add(HEADER + CHECKSUM);
        let mut out = Zeroizing::new(Vec::with_capacity(size));
        out.push(VERSION);
        format::put_len(&mut out, content.len(), MAX_CONTENT)?;
        let sum = facts_sum(&out);
        out.extend_from_slice(&sum);
        out.extend_from_slice(&content);
        let sum = checksum(&out);
        out.extend_from_slice(&sum);
        Ok(out)
    }

    /// The first record of these bytes and what follows it.
    ///
    /// `Ok(None)`: no whole record is left. If these bytes are not empty then, a crash cut off
    /// what was being written, or left zeros in its place: write the next record over them.
    ///
    /// # Errors
    /// [`SnapshotError`] if the record is damaged, or of a newer release. What follows it cannot
    /// be told apart then.
    pub fn from_record(bytes: &[u8]) -> Result<Option<(Self, &[u8])>, SnapshotError> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (facts, sum) = header.split_at(FACTS);
        if facts_sum(facts) != sum {
            return Err(SnapshotError::Damaged);
        }
        let mut facts = facts;
        let version = facts.try_get_u8().map_err(|_| SnapshotError::Damaged)?;
        known_version(version)?;
        let len = facts.try_get_u32_le().map_err(|_| SnapshotError::Damaged)?;
        let len = usize::try_from(len).map_err(|_| SnapshotError::Damaged)?;
        check(len, MAX_CONTENT)?;
        let size = len.saturating_add(HEADER + CHECKSUM);
        let Some((record, rest)) = bytes.split_at_checked(size) else {
            return Ok(None);
        };
        let change = format::checked(record)
            .and_then(|record| record.get(HEADER..))
            .and_then(parse)
            .ok_or(SnapshotError::Damaged)?;
        Ok(Some((change, rest)))
    }
}

fn parse(mut content: &[u8]) -> Option<Change> {
    let stored = content.try_get_u8().ok()?;
    let key = format::key(&mut content)?;
    let value = match stored {
        0 if content.is_empty() => None,
        1 => Some(format::value(key, content)?),
        _ => return None,
    };
    Some(Change { key, value })
}

fn facts_sum(facts: &[u8]) -> [u8; FACTS_SUM] {
    let [a, b, c, d, ..] = sha256(&[facts]);
    [a, b, c, d]
}
