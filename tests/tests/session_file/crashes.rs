//! A process that dies, a disk that is full, at every moment.

use std::fs;
use std::path::PathBuf;

use mtproto_driver::{SessionFile, SessionFileError, Store};
use mtproto_proto::client::{Change, Snapshot};
use mtproto_test::Dice;

use crate::cipher::cipher;
use crate::support::{Folder, account, dc, folded, peer, random_change, updates};

/// A file of some batches, with what it held and how long it was after each.
struct History {
    folder: Folder,
    sealed: bool,
    states: Vec<(usize, Snapshot)>,
}

impl History {
    fn new(sealed: bool) -> Self {
        let mut history = History {
            folder: Folder::new(),
            sealed,
            states: Vec::new(),
        };
        let mut dice = Dice::from_env_or(2);
        let mut changes = vec![account(7), dc(2)];
        let mut file = history.open();
        file.apply(&changes).unwrap();
        history.note(&changes);
        for _ in 0..8 {
            let batch: Vec<_> = (0..dice.range(1..=4))
                .map(|_| random_change(&mut dice))
                .collect();
            file.apply(&batch).unwrap();
            changes.extend(batch);
            history.note(&changes);
        }
        drop(file);
        history
    }

    fn note(&mut self, changes: &[Change]) {
        let len = self.folder.len() as usize;
        self.states.push((len, folded(changes)));
    }

    fn open(&self) -> SessionFile {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<SessionFile, SessionFileError> {
        if self.sealed {
            SessionFile::open_with(self.folder.file(), cipher(1))
        } else {
            SessionFile::open(self.folder.file())
        }
    }

    /// What a file of so many bytes holds.
    fn state(&self, len: usize) -> Option<&Snapshot> {
        let whole = self.states.iter().rev().find(|(end, _)| *end <= len);
        whole.map(|(_, state)| state)
    }

    /// The file with this content holds `state`, and goes on from there.
    fn goes_on_from(&self, content: &[u8], state: &Snapshot, what: &str) {
        fs::write(self.folder.file(), content).unwrap();
        let mut file = self.open();
        assert!(file.load().unwrap() == *state, "{what}");
        assert_eq!(self.folder.bytes(), content, "{what}: changed by reading");
        file.apply(&[updates(-1)]).unwrap();
        drop(file);
        let mut expected = state.clone();
        expected.apply(updates(-1));
        assert!(
            self.open().load().unwrap() == expected,
            "{what}, written on"
        );
    }
}

#[test]
fn a_journal_cut_at_any_byte_keeps_what_came_before_and_goes_on() {
    for sealed in [false, true] {
        let history = History::new(sealed);
        let bytes = history.folder.bytes();
        for cut in 0..=bytes.len() {
            match history.state(cut) {
                Some(state) => {
                    history.goes_on_from(&bytes[..cut], state, &format!("cut at {cut}"));
                }
                // The first block comes with the file by renaming: it is never cut by a crash.
                None => {
                    fs::write(history.folder.file(), &bytes[..cut]).unwrap();
                    history.try_open().unwrap_err();
                    assert_eq!(history.folder.bytes(), &bytes[..cut], "cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn a_tail_that_the_file_system_lengthened_and_did_not_fill_is_a_cut() {
    let history = History::new(false);
    let bytes = history.folder.bytes();
    let (first, _) = history.states[0];
    for cut in first..bytes.len() {
        for zeros in [1, 9, 500] {
            let mut content = bytes[..cut].to_vec();
            content.resize(cut + zeros, 0);
            // What happened to be written as zeros is there.
            let there = bytes
                .iter()
                .zip(&content)
                .take_while(|(there, found)| there == found)
                .count();
            let state = history.state(there).unwrap();
            history.goes_on_from(&content, state, &format!("cut at {cut}, {zeros} zeros"));
        }
    }
}

#[test]
fn a_crash_while_the_file_is_written_again_leaves_the_old_one_or_the_new_one() {
    let history = History::new(false);
    let before = history.folder.bytes();
    let (_, state) = history.states.last().unwrap();
    history.open().compact().unwrap();
    let after = history.folder.bytes();
    assert!(after.len() < before.len());
    let beside = PathBuf::from(format!("{}.tmp", history.folder.file().display()));
    // Not yet renamed: the new one lies beside, written up to any byte.
    for cut in 0..=after.len() {
        fs::write(&beside, &after[..cut]).unwrap();
        history.goes_on_from(&before, state, &format!("new one written up to {cut}"));
        // The next writing is not in its way.
        history.open().compact().unwrap();
        assert!(!beside.exists());
    }
    history.goes_on_from(&after, state, "renamed");
}

#[test]
fn when_writing_the_file_again_fails_the_changes_are_in_the_journal() {
    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7)]).unwrap();
    // Nothing can be written beside.
    let beside = PathBuf::from(format!("{}.tmp", folder.file().display()));
    fs::create_dir(&beside).unwrap();
    let mut expected = folded(&[account(7)]);
    for pts in 0..2_000 {
        let batch = [updates(pts), peer(1, pts.into())];
        file.apply(&batch).unwrap();
        for change in batch {
            expected.apply(change);
        }
    }
    assert!(file.compact().is_err());
    let long = folder.len();
    drop(file);
    let mut file = SessionFile::open(folder.file()).unwrap();
    assert!(file.load().unwrap() == expected);
    // And once it can, the next change does it.
    fs::remove_dir(&beside).unwrap();
    file.apply(&[updates(-1)]).unwrap();
    assert!(folder.len() < long / 10, "{} of {long}", folder.len());
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_the_file_holds_what_it_held() {
    use std::process::Command;

    let folder = Folder::new();
    let mut file = SessionFile::open(folder.file()).unwrap();
    file.apply(&[account(7)]).unwrap();
    drop(file);
    // A process that may not write files beyond a few kilobytes.
    let limited =
        r#"trap '' XFSZ; ulimit -f 8; exec "$0" --exact crashes::fills_the_disk --nocapture"#;
    let output = Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .env(FILL, folder.file())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let pts = said.lines().find_map(|line| line.strip_prefix("kept "));
    let pts: i32 = pts.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    let mut file = SessionFile::open(folder.file()).unwrap();
    assert!(file.load().unwrap() == folded(&[account(7), updates(pts)]));
    file.apply(&[updates(-1)]).unwrap();
}

#[cfg(unix)]
const FILL: &str = "MTPROTO_TEST_FILL";

/// Not a test by itself: the other process of the one above.
#[cfg(unix)]
#[test]
fn fills_the_disk() {
    let Some(path) = std::env::var_os(FILL) else {
        return;
    };
    let mut file = SessionFile::open(path).unwrap();
    let mut pts = 0;
    let error = loop {
        assert!(pts < 100_000, "the disk is not full");
        match file.apply(&[updates(pts + 1)]) {
            Ok(()) => pts += 1,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("cannot write"), "{error}");
    // It stays one, and what is kept stays the same.
    file.apply(&[account(8), updates(0)]).unwrap_err();
    assert!(file.load().unwrap() == folded(&[account(7), updates(pts)]));
    println!("\nkept {pts}");
}
