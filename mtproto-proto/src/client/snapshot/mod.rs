//! What to store of an account: changes one by one, or all of it as one blob or text.
//!
//! Does: [`Snapshot`], the sum of all [`Change`]s; its versioned bytes and text; the records of a
//! journal of changes.
//! In: changes, stored bytes. Out: the same, or a [`SnapshotError`]; nothing is lost silently.
//! Must not know: files, or what the values of other rooms mean.
//! Spec: none, the format is this project's.
//!
//! # Versions
//!
//! One number, [`VERSION`], covers everything here: the frame, the kinds of keys, and the values.
//! Whoever adds a kind of key, or changes a value so that an older release would misread it,
//! raises it; newer releases read all older versions. A release that meets a newer version
//! refuses it ([`SnapshotError::Version`]) and leaves what is stored untouched, so that nothing
//! that it does not know is dropped. A kind of key that its own version does not have is damage.
//!
//! # Bytes of a snapshot
//!
//! Integers are little endian.
//!
//! | Bytes | What |
//! | --- | --- |
//! | 4 | `mtps` |
//! | 1 | version, 1 |
//! | 4 | number of entries |
//! | … | entries: key, length of the value (4), value; keys ascend strictly |
//! | 8 | the first bytes of the SHA-256 of all before |
//!
//! A key is a tag of one byte and, for some, what it is about: 1 [`Key::Account`]; 2 [`Key::Dc`],
//! id (2); 3 [`Key::DcOptions`]; 4 [`Key::Updates`]; 5 [`Key::Channel`], id (8); [`Key::Peer`] is
//! 6 for a user, 7 for a chat, 8 for a channel, id (8).
//!
//! The value of [`Key::Account`] is the main DC (2), flags (1: bit 0 a bot, bit 1 test servers,
//! bit 2 signed in) and, if signed in, the user id (8). That of [`Key::Dc`] is flags (1: bit 0
//! authorized) and the bytes of [`KeyState`]. Both are checked when they are read. The other
//! values belong to `DcTable`, `Updates` and `Peers`.
//!
//! # Text
//!
//! `mtproto1.` and the bytes as base64url without padding; 1 is the version.
//!
//! # Bytes of a record
//!
//! | Bytes | What |
//! | --- | --- |
//! | 1 | version, 1 |
//! | 4 | length of the content |
//! | 4 | the first bytes of the SHA-256 of the 5 before |
//! | … | content: 0 to forget or 1 to store, the key, the value to the end |
//! | 8 | the first bytes of the SHA-256 of all before |
//!
//! The second checksum tells a damaged length from a record that is cut off. These first 9 bytes
//! stay as they are in all versions.
//!
//! # Example
//!
//! ```
//! use mtproto_proto::client::{Account, Change, Snapshot};
//! use mtproto_proto::DcId;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A journal: each `Event::Changed` is appended …
//! let mut account = Account::new(DcId(2));
//! account.user_id = Some(777_000);
//! let mut journal = Vec::new();
//! journal.extend_from_slice(&Snapshot::account_change(&account).to_record()?);
//!
//! // … and read at the next start. What follows the last whole record was cut off by a crash.
//! let mut stored = Snapshot::new();
//! let mut rest = journal.as_slice();
//! while let Some((change, tail)) = Change::from_record(rest)? {
//!     stored.apply(change);
//!     rest = tail;
//! }
//! assert_eq!(stored.account(), Some(account));
//!
//! // The whole account fits into a variable of the environment.
//! let text = stored.to_text()?;
//! assert!(text.starts_with("mtproto1."));
//! assert_eq!(Snapshot::from_text(&text)?, stored);
//! # Ok(())
//! # }
//! ```

mod account;
mod error;
mod format;
mod record;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::{fmt, mem};

use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use zeroize::{Zeroize, Zeroizing};

pub use account::Account;
pub use error::SnapshotError;
use format::{CHECKSUM, checksum};

use crate::client::PeerId;
use crate::connection::KeyState;
use crate::ids::DcId;

/// The version that is written, and the newest that is read.
pub const VERSION: u8 = 1;

/// Longest value, in bytes. A key is 1,850 at most and Telegram's table of DCs about as long;
/// the others are below 100.
pub const MAX_VALUE: usize = 1 << 20;

/// Longest snapshot, in bytes: a hundred times an account that remembers 10,000 peers and as many
/// channels.
pub const MAX_SNAPSHOT: usize = 1 << 26;

const MAGIC: &[u8; 4] = b"mtps";
const TEXT: &str = "mtproto";

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Key {
    /// Who is signed in, and where: [`Account`].
    Account,
    /// A DC's authorization key ([`KeyState`]) and whether the account's authorization is there.
    Dc(DcId),
    /// Addresses of the DCs: `DcTable::to_bytes`.
    DcOptions,
    /// pts, qts, seq, date.
    Updates,
    /// A channel's pts.
    Channel(i64),
    /// A peer's access hash.
    Peer(PeerId),
}

/// One thing to store; `None`: to forget. Its value may hold a key: secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub key: Key,
    /// The value, in the format of this release.
    pub value: Option<Bytes>,
}

/// Shows the length of the value only.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("key", &self.key)
            .field("len", &self.value.as_ref().map(Bytes::len))
            .finish()
    }
}

/// Everything that is stored of an account: the sum of all changes. It holds keys: secret. Those
/// are zeroised on drop unless a copy of their [`Bytes`] is still held elsewhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    entries: BTreeMap<Key, Bytes>,
}

impl Snapshot {
    /// Of nobody.
    pub fn new() -> Self {
        Snapshot::default()
    }

    /// Folds a change in.
    pub fn apply(&mut self, change: Change) {
        let old = match change.value {
            Some(value) => self.entries.insert(change.key, value),
            None => self.entries.remove(&change.key),
        };
        if let (Key::Dc(_), Some(old)) = (change.key, old) {
            wipe(old);
        }
    }

    /// The stored value.
    pub fn get(&self, key: Key) -> Option<&Bytes> {
        self.entries.get(&key)
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Bytes)> {
        self.entries.iter().map(|(key, value)| (*key, value))
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The account.
    pub fn account(&self) -> Option<Account> {
        Account::from_bytes(self.get(Key::Account)?)
    }

    /// As a change.
    pub fn account_change(account: &Account) -> Change {
        Change {
            key: Key::Account,
            value: Some(account.to_bytes()),
        }
    }

    /// A DC's key, and whether the account's authorization is there.
    pub fn dc(&self, dc: DcId) -> Option<(KeyState, bool)> {
        account::dc_from_bytes(dc, self.get(Key::Dc(dc))?)
    }

    /// The DCs of which a key is stored.
    pub fn dcs(&self) -> impl Iterator<Item = DcId> {
        self.entries.keys().filter_map(|key| match key {
            Key::Dc(dc) => Some(*dc),
            Key::Account | Key::DcOptions | Key::Updates | Key::Channel(_) | Key::Peer(_) => None,
        })
    }

    /// As a change; its key is [`Key::Dc`] of [`KeyState::dc`].
    pub fn dc_change(key: &KeyState, authorized: bool) -> Change {
        Change {
            key: Key::Dc(key.dc()),
            value: Some(account::dc_to_bytes(key, authorized)),
        }
    }

    /// The login alone: the account, its keys and where the DCs are, without updates and peers.
    /// For a short text: 500 to 2,500 characters for each DC with a key.
    pub fn login(&self) -> Snapshot {
        let entries = self
            .entries
            .iter()
            .filter(|(key, _)| match key {
                Key::Account | Key::Dc(_) | Key::DcOptions => true,
                Key::Updates | Key::Channel(_) | Key::Peer(_) => false,
            })
            // A copy, so that each snapshot wipes its own.
            .map(|(key, value)| (*key, account::value_of(*key, value)))
            .collect();
        Snapshot { entries }
    }

    /// Versioned bytes, secret; zeroised on drop.
    ///
    /// # Errors
    /// [`SnapshotError::TooLarge`] beyond [`MAX_VALUE`] or [`MAX_SNAPSHOT`].
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, SnapshotError> {
        const FRAME: usize = MAGIC.len() + 1 + 4 + CHECKSUM;

        let mut size = FRAME;
        for value in self.entries.values() {
            let entry = format::MAX_KEY
                .saturating_add(4)
                .saturating_add(value.len());
            size = size.saturating_add(entry);
        }
        // Reserved at once: growing would leave copies behind.
        let mut out = Zeroizing::new(Vec::with_capacity(size.min(MAX_SNAPSHOT)));
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        format::put_len(&mut out, self.entries.len(), MAX_SNAPSHOT)?;
        for (key, value) in &self.entries {
            format::put_key(&mut out, *key);
            format::put_len(&mut out, value.len(), MAX_VALUE)?;
            check(
                out.len()
                    .saturating_add(value.len())
                    .saturating_add(CHECKSUM),
                MAX_SNAPSHOT,
            )?;
            out.extend_from_slice(value);
        }
        let sum = checksum(&out);
        out.extend_from_slice(&sum);
        Ok(out)
    }

    /// Of [`to_bytes`](Self::to_bytes), of this or an older release.
    ///
    /// # Errors
    /// [`SnapshotError`] if they are something else, damaged, too large or of a newer release.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or(SnapshotError::NotASnapshot)?;
        check(bytes.len(), MAX_SNAPSHOT)?;
        let (version, _) = rest.split_first().ok_or(SnapshotError::Damaged)?;
        known_version(*version)?;
        let content = format::checked(bytes).ok_or(SnapshotError::Damaged)?;
        content
            .get(MAGIC.len().saturating_add(1)..)
            .and_then(format::entries)
            .map(|entries| Snapshot { entries })
            .ok_or(SnapshotError::Damaged)
    }

    /// The same as text: `mtproto1.` and base64url. Secret; zeroised on drop.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes).
    pub fn to_text(&self) -> Result<Zeroizing<String>, SnapshotError> {
        let bytes = self.to_bytes()?;
        let encoded = Zeroizing::new(Base64UrlUnpadded::encode_string(&bytes));
        let prefix = alloc::format!("{TEXT}{VERSION}.");
        let size = prefix.len().saturating_add(encoded.len());
        let mut text = Zeroizing::new(String::with_capacity(size));
        text.push_str(&prefix);
        text.push_str(&encoded);
        Ok(text)
    }

    /// Of [`to_text`](Self::to_text); space around it does no harm.
    ///
    /// # Errors
    /// As [`from_bytes`](Self::from_bytes).
    pub fn from_text(text: &str) -> Result<Self, SnapshotError> {
        let (version, encoded) = text
            .trim()
            .strip_prefix(TEXT)
            .and_then(|rest| rest.split_once('.'))
            .ok_or(SnapshotError::NotASnapshot)?;
        let canonical = !version.starts_with(['0', '+']);
        let version = version
            .parse()
            .ok()
            .filter(|_| canonical)
            .ok_or(SnapshotError::NotASnapshot)?;
        known_version(version)?;
        // Four characters are three bytes.
        check(encoded.len().saturating_mul(3) / 4, MAX_SNAPSHOT)?;
        let bytes = Base64UrlUnpadded::decode_vec(encoded).map_err(|_| SnapshotError::Damaged)?;
        let bytes = Zeroizing::new(bytes);
        Snapshot::from_bytes(&bytes).map_err(|error| match error {
            SnapshotError::NotASnapshot => SnapshotError::Damaged,
            SnapshotError::Version { .. }
            | SnapshotError::Damaged
            | SnapshotError::TooLarge { .. } => error,
        })
    }
}

/// Shows keys and lengths only.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.entries.iter().map(|(key, value)| (key, value.len())))
            .finish()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        for (key, value) in mem::take(&mut self.entries) {
            if let Key::Dc(_) = key {
                wipe(value);
            }
        }
    }
}

/// Zeroises a value that nobody else holds.
fn wipe(value: Bytes) {
    if let Ok(mut bytes) = value.try_into_mut() {
        bytes.as_mut().zeroize();
    }
}

fn known_version(got: u8) -> Result<(), SnapshotError> {
    match got {
        VERSION => Ok(()),
        // No release wrote it.
        0 => Err(SnapshotError::Damaged),
        _ => Err(SnapshotError::Version { got, max: VERSION }),
    }
}

fn check(got: usize, max: usize) -> Result<(), SnapshotError> {
    if got > max {
        return Err(SnapshotError::TooLarge { got, max });
    }
    Ok(())
}
