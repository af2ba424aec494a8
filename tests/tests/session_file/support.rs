//! A folder to be thrown away, and changes to keep.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use mtproto_proto::DcId;
use mtproto_proto::client::{Account, Change, Key, PeerId, Snapshot};
use mtproto_proto::connection::KeyState;
use mtproto_test::Dice;

/// A folder that is gone at the end of the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mtproto-session-file-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path.canonicalize().unwrap())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The session file in it.
    pub fn file(&self) -> PathBuf {
        self.0.join("a.session")
    }

    pub fn bytes(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    pub fn len(&self) -> u64 {
        fs::metadata(self.file()).unwrap().len()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

pub fn account(user_id: i64) -> Change {
    let mut account = Account::new(DcId(2));
    account.user_id = Some(user_id);
    Snapshot::account_change(&account)
}

/// The bytes of each key of [`dc`].
pub const KEY_BYTE: u8 = 0x5e;

pub fn dc(dc: i16) -> Change {
    let key = KeyState::from_auth_key([KEY_BYTE; 256], DcId(dc));
    Snapshot::dc_change(&key, true)
}

pub fn updates(pts: i32) -> Change {
    change(Key::Updates, &pts.to_le_bytes())
}

pub fn channel(id: i64, pts: i32) -> Change {
    change(Key::Channel(id), &pts.to_le_bytes())
}

pub fn peer(id: i64, access_hash: i64) -> Change {
    change(Key::Peer(PeerId::User(id)), &access_hash.to_le_bytes())
}

pub fn forget(what: &Change) -> Change {
    Change {
        key: what.key,
        value: None,
    }
}

fn change(key: Key, value: &[u8]) -> Change {
    Change {
        key,
        value: Some(Bytes::copy_from_slice(value)),
    }
}

pub fn random_change(dice: &mut Dice) -> Change {
    let change = match dice.range(1..=100) {
        1 => account(dice.range(1..=9) as i64),
        2 => dc(dice.range(1..=5) as i16),
        3..=30 => updates(dice.range(1..=1_000) as i32),
        31..=60 => channel(dice.range(1..=100) as i64, dice.range(1..=1_000) as i32),
        _ => peer(dice.range(1..=500) as i64, dice.range(1..=1_000) as i64),
    };
    if dice.range(1..=10) == 1 {
        forget(&change)
    } else {
        change
    }
}

/// All of them folded.
pub fn folded<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Snapshot {
    let mut snapshot = Snapshot::new();
    for change in changes {
        snapshot.apply(change.clone());
    }
    snapshot
}
