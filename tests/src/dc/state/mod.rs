//! What survives the process.
//!
//! Does: writes keys, sessions, logins, accounts and what was said to one file, and what happens
//! after that to a journal beside it; reads both again. A write is all or nothing; damaged files are
//! left as they are.
//! In: a [`World`] and its servers' states. Out: the files, and the same again.
//! Must not know: when to save; streams.
//! Spec: none.
//!
//! What was written outlives the process, however it ends. The file is synchronised with the disk,
//! the journal is not: after a power failure the end of it may be missing. Codes and tokens on
//! screens do not survive: clients ask for new ones.

mod format;
mod journal;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use mtproto_proto::DcId;
use mtproto_proto::server::{ServerChange, ServerState};

use super::changes::Change;
use super::world::World;
pub use format::{Servers, State};
use journal::{Entry, Journal};

/// Longest file that is read: a world of a million messages stays below.
const MAX_LEN: u64 = 1 << 30;

/// A program that a test starts holds a copy of every open file for a moment, locks included: one
/// that has just ended may seem to live for so long.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const LOCK_TURNS: u32 = 50;
/// A journal shorter than this is never replaced by a new file …
const MIN_JOURNAL: u64 = 4 << 20;
/// … and one that is longer than the file so many times always: reading it takes as long as
/// writing the file did.
const JOURNAL_SHARE: u64 = 1;

/// The file, which nobody else may use meanwhile.
pub struct StateFile {
    path: PathBuf,
    /// Which state it holds, for the journal.
    generation: u64,
    /// How long it is.
    len: u64,
    journal: Option<Journal>,
    failed: bool,
    _lock: File,
}

impl StateFile {
    /// Locks the file and reads it, if it is there.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or another program uses it. It is not changed.
    pub fn open(path: &Path) -> Result<(Self, Option<State>), String> {
        let about = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let lock = private(&beside(path, ".lock")).map_err(|e| about(&e))?;
        for turn in (0..LOCK_TURNS).rev() {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if turn > 0 => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => return Err(about(&"another test DC uses it")),
                Err(TryLockError::Error(e)) => return Err(about(&e)),
            }
        }
        let mut file = StateFile {
            path: path.to_owned(),
            generation: 0,
            len: 0,
            journal: None,
            failed: false,
            _lock: lock,
        };
        let opened = match File::open(path) {
            Ok(opened) => opened,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((file, None)),
            Err(e) => return Err(about(&e)),
        };
        let mut text = String::new();
        opened
            .take(MAX_LEN)
            .read_to_string(&mut text)
            .map_err(|e| about(&e))?;
        let mut state = format::parse(&text).map_err(|e| about(&e))?;
        file.generation = state.generation;
        file.len = text.len() as u64;
        let beside = file.journal_path();
        state.journal = journal::read(&beside, state.generation)
            .map_err(|e| format!("{}: {e}", beside.display()))?;
        Ok((file, Some(state)))
    }

    fn journal_path(&self) -> PathBuf {
        beside(&self.path, ".journal")
    }

    /// Writes all; a new journal begins. A failure is told on stderr once, until it succeeds
    /// again. Whether it succeeded.
    pub fn save(&mut self, rsa: &str, world: &World, servers: &[(DcId, ServerState)]) -> bool {
        self.journal = None;
        // The journal of the state before, if this process ends right here, must not be taken for
        // this one's.
        self.generation = self.generation.wrapping_add(1);
        let text = format::render(self.generation, rsa, world, servers);
        self.len = text.len() as u64;
        let written = self.write(&text);
        let begun = written.and_then(|()| Journal::begin(&self.journal_path(), self.generation));
        let begun = self.told(begun);
        self.journal = begun;
        self.journal.is_some()
    }

    /// Adds what happened since the file was written. Whether it succeeded; if not, all has to be
    /// written.
    pub fn append(&mut self, servers: Vec<(DcId, ServerChange)>, world: Vec<Change>) -> bool {
        let Some(mut journal) = self.journal.take() else {
            return false;
        };
        let appended = journal.append(&Entry { servers, world });
        self.journal = self.told(appended.map(|()| journal));
        self.journal.is_some()
    }

    /// Whether it is time to write all again.
    pub fn is_long(&self) -> bool {
        let bound = self.len.saturating_mul(JOURNAL_SHARE).max(MIN_JOURNAL);
        self.journal
            .as_ref()
            .is_some_and(|journal| journal.len() > bound)
    }

    fn told<T>(&mut self, result: io::Result<T>) -> Option<T> {
        match result {
            Ok(value) => {
                self.failed = false;
                Some(value)
            }
            Err(e) => {
                if !std::mem::replace(&mut self.failed, true) {
                    eprintln!("mtproto-testdc: cannot save {}: {e}", self.path.display());
                }
                None
            }
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let new = beside(&self.path, ".new");
        // A rest of a crash could have other permissions.
        match fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = private(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a file for writing, for this user only: who reads it is signed in as everybody.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
