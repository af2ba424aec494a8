//! The counters as they are stored.
//!
//! Does: [`State`] and a channel's pts as versioned bytes, and back.
//! In: counters. Out: bytes for [`Change`](crate::client::Change)s.
//! Must not know: when they are stored.
//! Spec: "Working with updates", "updates.state".

use alloc::vec::Vec;

use bytes::Bytes;

/// The format of this release.
const VERSION: u8 = 1;

/// The counters of everything but channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub pts: i32,
    pub qts: i32,
    /// Of the server, in seconds.
    pub date: i32,
    pub seq: i32,
}

impl State {
    pub fn to_bytes(self) -> Bytes {
        words(&[self.pts, self.qts, self.date, self.seq])
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [pts, qts, date, seq] = read(bytes)?;
        Some(State {
            pts,
            qts,
            date,
            seq,
        })
    }
}

/// A channel's pts.
pub(super) fn channel_to_bytes(pts: i32) -> Bytes {
    words(&[pts])
}

/// Of [`channel_to_bytes`].
pub(super) fn channel_from_bytes(bytes: &[u8]) -> Option<i32> {
    let [pts] = read(bytes)?;
    Some(pts)
}

fn words(values: &[i32]) -> Bytes {
    let mut out = Vec::with_capacity(values.len().saturating_mul(4).saturating_add(1));
    out.push(VERSION);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.into()
}

fn read<const N: usize>(bytes: &[u8]) -> Option<[i32; N]> {
    let (&VERSION, mut rest) = bytes.split_first()? else {
        return None;
    };
    let mut out = [0; N];
    for value in &mut out {
        let (word, after) = rest.split_first_chunk::<4>()?;
        *value = i32::from_le_bytes(*word);
        rest = after;
    }
    rest.is_empty().then_some(out)
}
