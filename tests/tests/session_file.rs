//! One account's file: crashes at every byte, damage, locks, encryption.

#[path = "session_file/cipher.rs"]
mod cipher;
#[path = "session_file/crashes.rs"]
mod crashes;
#[path = "session_file/damage.rs"]
mod damage;
#[path = "session_file/format.rs"]
mod format;
#[path = "session_file/locks.rs"]
mod locks;
#[path = "session_file/support.rs"]
mod support;

use mtproto_driver::{MemorySession, SessionFile, Store};
use mtproto_proto::client::Snapshot;
use mtproto_test::Dice;

use support::{Folder, account, channel, dc, forget, peer, random_change, updates};

#[test]
fn a_file_that_is_not_there_is_nobody_and_is_made_by_the_first_change() {
    let folder = Folder::new();
    let path = folder.file();
    let mut file = SessionFile::open(&path).unwrap();
    assert!(file.load().unwrap() == Snapshot::new());
    assert!(!path.exists());
    file.apply(&[]).unwrap();
    assert!(!path.exists());

    file.apply(&[account(7)]).unwrap();
    assert!(path.exists());
    drop(file);
    let kept = SessionFile::open(&path).unwrap().load().unwrap();
    assert_eq!(kept.account().unwrap().user_id, Some(7));
}

#[test]
fn ten_thousand_changes_come_back_folded_and_the_file_does_not_grow_with_them() {
    let folder = Folder::new();
    let mut dice = Dice::from_env_or(1);
    let mut file = SessionFile::open(folder.file()).unwrap();
    let mut expected = Snapshot::new();
    let mut left = 10_000;
    let mut longest = 0;
    while left > 0 {
        let batch: Vec<_> = (0..dice.range(1..=40))
            .map(|_| random_change(&mut dice))
            .collect();
        for change in &batch {
            expected.apply(change.clone());
        }
        file.apply(&batch).unwrap();
        longest = longest.max(folder.len());
        left -= batch.len().min(left);
        if dice.range(1..=100) == 1 {
            drop(file);
            file = SessionFile::open(folder.file()).unwrap();
            assert!(file.load().unwrap() == expected);
        }
    }
    assert!(file.snapshot().unwrap() == expected);
    drop(file);
    assert!(SessionFile::open(folder.file()).unwrap().load().unwrap() == expected);
    // The journal is at most as long as the rest, or 32 KiB, and one batch more.
    let whole = expected.to_bytes().unwrap().len() as u64;
    assert!(longest < 2 * whole + 40 * 1024, "{longest} for {whole}");
}

#[test]
fn loading_again_tells_what_was_applied_since() {
    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7)]).unwrap();
    file.apply(&[updates(1), peer(5, 55)]).unwrap();
    file.apply(&[forget(&peer(5, 55)), updates(2)]).unwrap();
    let mut expected = Snapshot::new();
    expected.apply(account(7));
    expected.apply(updates(2));
    assert!(file.load().unwrap() == expected);
    assert!(file.load().unwrap() == expected);
}

#[test]
fn an_account_moves_as_text_from_file_to_memory_to_file() {
    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7), dc(2), peer(5, 55), channel(9, 3)])
        .unwrap();

    let mut memory = MemorySession::from_text(&file.to_text().unwrap()).unwrap();
    let seen_elsewhere = memory.clone();
    memory.apply(&[updates(9)]).unwrap();
    assert!(memory.load().unwrap() == seen_elsewhere.snapshot());
    assert!(!format!("{memory:?}{file:?}").contains("auth_key"));

    let other = Folder::new();
    let mut copy = SessionFile::open(other.file()).unwrap();
    copy.apply(&[account(8), peer(1, 1)]).unwrap();
    copy.replace(&seen_elsewhere.snapshot()).unwrap();
    drop(copy);
    let kept = SessionFile::open(other.file()).unwrap().load().unwrap();
    assert!(kept == seen_elsewhere.snapshot());
    assert_eq!(kept.account().unwrap().user_id, Some(7));
}

#[test]
fn a_deleted_file_leaves_nothing_and_its_name_is_free() {
    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7)]).unwrap();
    file.delete().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let mut file = SessionFile::open(folder.file()).unwrap();
    assert!(file.load().unwrap() == Snapshot::new());
}
