//! The values that this room owns: the account, and its keys by DC.
//!
//! Does: [`Account`]; the bytes of both values.
//! In and out: plain values, byte strings; whatever is not exactly as it is written is `None`.
//! Must not know: how the bytes are framed.
//! Spec: the folder's `mod.rs`.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use zeroize::Zeroizing;

use super::Key;
use crate::connection::KeyState;
use crate::ids::DcId;

const BOT: u8 = 1;
const TEST_MODE: u8 = 1 << 1;
const SIGNED_IN: u8 = 1 << 2;

const AUTHORIZED: u8 = 1;

/// The account of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// Its main DC.
    pub main_dc: DcId,
    /// Its id; `None` while nobody is signed in.
    pub user_id: Option<i64>,
    /// Whether it is a bot's.
    pub bot: bool,
    /// Whether the keys are those of test servers.
    pub test_mode: bool,
}

impl Account {
    /// Nobody yet, at a DC of production.
    pub fn new(main_dc: DcId) -> Self {
        Account {
            main_dc,
            user_id: None,
            bot: false,
            test_mode: false,
        }
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let mut out = Vec::with_capacity(11);
        out.extend_from_slice(&self.main_dc.0.to_le_bytes());
        out.push(
            flag(self.bot, BOT)
                | flag(self.test_mode, TEST_MODE)
                | flag(self.user_id.is_some(), SIGNED_IN),
        );
        if let Some(id) = self.user_id {
            out.extend_from_slice(&id.to_le_bytes());
        }
        out.into()
    }

    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let main_dc = DcId(bytes.try_get_i16_le().ok()?);
        let flags = bytes.try_get_u8().ok()?;
        let user_id = match flags & SIGNED_IN {
            0 => None,
            _ => Some(bytes.try_get_i64_le().ok()?),
        };
        let known = flags & !(BOT | TEST_MODE | SIGNED_IN) == 0;
        (known && bytes.is_empty()).then_some(Account {
            main_dc,
            user_id,
            bot: flags & BOT != 0,
            test_mode: flags & TEST_MODE != 0,
        })
    }
}

pub(super) fn dc_to_bytes(key: &KeyState, authorized: bool) -> Bytes {
    let key = key.to_bytes();
    let mut out = Zeroizing::new(Vec::with_capacity(key.len().saturating_add(1)));
    out.push(if authorized { AUTHORIZED } else { 0 });
    out.extend_from_slice(&key);
    secret(out)
}

/// Bytes that are zeroised when the last copy of them is gone.
pub(super) fn secret(bytes: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(bytes)
}

/// The value of a key, copied out of other bytes.
pub(super) fn value_of(key: Key, bytes: &[u8]) -> Bytes {
    match key {
        Key::Dc(_) => secret(Zeroizing::new(bytes.to_vec())),
        Key::Account | Key::DcOptions | Key::Updates | Key::Channel(_) | Key::Peer(_) => {
            Bytes::copy_from_slice(bytes)
        }
    }
}

/// A key that names another DC than `dc` is none: used there, it would be refused for ever.
pub(super) fn dc_from_bytes(dc: DcId, bytes: &[u8]) -> Option<(KeyState, bool)> {
    let (flags, key) = bytes.split_first()?;
    let key = KeyState::from_bytes(key).ok()?;
    (flags & !AUTHORIZED == 0 && key.dc() == dc).then_some((key, flags & AUTHORIZED != 0))
}
