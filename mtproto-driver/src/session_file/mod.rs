//! One account's file.
//!
//! Does: [`SessionFile`]: the account as it was and a journal of what changed since, in one file,
//! readable by its owner only, locked while it is open, written whole again when the journal
//! outgrows the rest; encrypted if a [`Cipher`] is given.
//! In: changes. Out: all of them folded, after a crash at any moment. The calls block, as files do:
//! a few milliseconds for the disk.
//! Must not know: what is in a change.
//! Spec: none.

mod cipher;
mod error;
mod layout;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mtproto_proto::client::{Change, Key, Snapshot, SnapshotError};
use zeroize::Zeroizing;

pub use cipher::{Cipher, CipherError};
pub use error::SessionFileError;

use error::io_error;
use layout::{Found, HEADER, Header, HeaderError};

use crate::private_file::{self, Lock};
use crate::store::{Store, StoreError};

/// An account is a few kilobytes and some 60 bytes for each of at most 10,000 peers, and the
/// journal is not longer than that; whatever is larger than this is some other file.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

/// A journal shorter than this is not worth writing the file again: some hundred changes.
const MIN_JOURNAL: u64 = 32 * 1024;

/// A file for one account, locked until this is dropped.
///
/// ```no_run
/// # fn example() -> Result<(), mtproto_driver::SessionFileError> {
/// use mtproto_driver::SessionFile;
///
/// let store = SessionFile::open("account.session")?;
/// // … and a client goes on from it, or begins with it.
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// The lock is the file `account.session.lock`. Two clients with one account's keys get them
/// destroyed (`AUTH_KEY_DUPLICATED`): whoever copies a session file must not use both.
pub struct SessionFile {
    path: PathBuf,
    _lock: Lock,
    cipher: Option<Box<dyn Cipher>>,
    /// None until the first change is written.
    journal: Option<Journal>,
    /// What was read while opening, until it is asked for.
    loaded: Option<Snapshot>,
}

/// The open file, and where in it to write.
struct Journal {
    file: File,
    header: Header,
    /// The next block's.
    number: u64,
    /// Where the next block goes.
    end: u64,
    /// Something else may follow there: a crash cut a block off, or writing one failed.
    ragged: bool,
    /// Beyond this length the file is written again.
    compact_at: u64,
}

impl SessionFile {
    /// Locks and reads a file that is not encrypted. It need not exist yet, its folder must.
    ///
    /// # Errors
    /// [`SessionFileError::Locked`] when somebody else has it; all the others when it is of no use.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SessionFileError> {
        Self::open_any(path.as_ref(), None)
    }

    /// Locks and reads an encrypted file, or begins one.
    ///
    /// # Errors
    /// As for [`open`](SessionFile::open), and [`SessionFileError::WrongCipher`].
    pub fn open_with(
        path: impl AsRef<Path>,
        cipher: Box<dyn Cipher>,
    ) -> Result<Self, SessionFileError> {
        Self::open_any(path.as_ref(), Some(cipher))
    }

    fn open_any(path: &Path, cipher: Option<Box<dyn Cipher>>) -> Result<Self, SessionFileError> {
        let (path, lock) = Self::lock(path)?;
        let mut opened = SessionFile {
            path,
            _lock: lock,
            cipher,
            journal: None,
            loaded: None,
        };
        opened.read_file()?;
        Ok(opened)
    }

    /// Where the account is: the path, in its one form.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that is kept, as of now.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn snapshot(&self) -> Result<Snapshot, SessionFileError> {
        let Some(journal) = &self.journal else {
            return Ok(Snapshot::new());
        };
        let mut bytes = buffer(journal.end);
        let mut file = &journal.file;
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.take(journal.end).read_to_end(&mut bytes))
            .map_err(io_error("read", &self.path))?;
        Ok(self.parse(&bytes)?.snapshot)
    }

    /// The same as text, to take the account elsewhere. Secret: it is the login.
    ///
    /// # Errors
    /// As for [`snapshot`](SessionFile::snapshot).
    pub fn to_text(&self) -> Result<Zeroizing<String>, SessionFileError> {
        let text = self.snapshot()?.to_text();
        text.map_err(|error| self.content(error))
    }

    /// Forgets what is kept and keeps this: an account from elsewhere.
    ///
    /// # Errors
    /// When the disk or the permissions say so; what was kept is still there then.
    pub fn replace(&mut self, snapshot: &Snapshot) -> Result<(), SessionFileError> {
        self.loaded = None;
        self.write_file(snapshot)
    }

    /// Encrypts the file from now on, with another key, or not at all.
    ///
    /// # Errors
    /// As for [`replace`](SessionFile::replace).
    pub fn set_cipher(&mut self, cipher: Option<Box<dyn Cipher>>) -> Result<(), SessionFileError> {
        let snapshot = self.snapshot()?;
        let old = std::mem::replace(&mut self.cipher, cipher);
        let written = self.write_file(&snapshot);
        if written.is_err() {
            self.cipher = old;
        }
        written
    }

    /// Writes the file without its journal. It happens by itself as the journal grows.
    ///
    /// # Errors
    /// As for [`replace`](SessionFile::replace).
    pub fn compact(&mut self) -> Result<(), SessionFileError> {
        let snapshot = self.snapshot()?;
        self.write_file(&snapshot)
    }

    /// Deletes the file. Sign out first if the server is to forget the login too.
    ///
    /// # Errors
    /// The operating system refused.
    pub fn delete(self) -> Result<(), SessionFileError> {
        private_file::delete(&self.path).map_err(io_error("delete", &self.path))
    }

    /// [`delete`](SessionFile::delete) for a file that may be of no use otherwise, or not be there.
    ///
    /// # Errors
    /// [`SessionFileError::Locked`] when somebody has it open; the operating system refused.
    pub fn delete_at(path: impl AsRef<Path>) -> Result<(), SessionFileError> {
        let (path, _lock) = Self::lock(path.as_ref())?;
        private_file::delete(&path).map_err(io_error("delete", &path))
    }

    fn lock(path: &Path) -> Result<(PathBuf, Lock), SessionFileError> {
        let failed = io_error("lock", path);
        let path = private_file::one_name(path).map_err(&failed)?;
        match private_file::lock(&path).map_err(&failed)? {
            Some(lock) => Ok((path, lock)),
            None => Err(SessionFileError::Locked { path }),
        }
    }

    fn read_file(&mut self) -> Result<(), SessionFileError> {
        let failed = io_error("read", &self.path);
        let file = match File::options().read(true).write(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let len = file.metadata().map_err(&failed)?.len();
        self.check_size(len)?;
        let mut bytes = buffer(len);
        (&file)
            .take(MAX_SIZE + 1)
            .read_to_end(&mut bytes)
            .map_err(&failed)?;
        self.check_size(length(&bytes))?;
        let Parsed {
            snapshot,
            header,
            number,
            base,
            end,
        } = self.parse(&bytes)?;
        private_file::make_private(&file).map_err(&failed)?;
        self.journal = Some(Journal {
            file,
            header,
            number,
            end,
            ragged: end < length(&bytes),
            compact_at: compact_at(base),
        });
        self.loaded = Some(snapshot);
        Ok(())
    }

    /// Reads as much as was written to its end.
    fn parse(&self, file: &[u8]) -> Result<Parsed, SessionFileError> {
        let path = || self.path.clone();
        let header = Header::parse(file).map_err(|error| match error {
            HeaderError::NotASession => SessionFileError::NotASession { path: path() },
            HeaderError::Version(got) => SessionFileError::Version {
                path: path(),
                got,
                max: layout::VERSION,
            },
            HeaderError::Damaged => SessionFileError::Damaged {
                path: path(),
                at: 0,
            },
        })?;
        if header.sealed != self.cipher.is_some() {
            let path = path();
            return Err(if header.sealed {
                SessionFileError::Sealed { path }
            } else {
                SessionFileError::NotSealed { path }
            });
        }
        let mut parsed = Parsed {
            snapshot: Snapshot::new(),
            header,
            number: 0,
            base: 0,
            end: 0,
        };
        let mut at = HEADER;
        loop {
            let damaged = || SessionFileError::Damaged {
                path: path(),
                at: at as u64,
            };
            let (payload, next) = match header.find_block(file, at, parsed.number) {
                Found::Block { payload, next } => (payload, next),
                // The first block came with the file, whole.
                Found::End | Found::Torn if parsed.number == 0 => return Err(damaged()),
                Found::End | Found::Torn => break,
                Found::Damaged => return Err(damaged()),
            };
            let opened;
            let plain = match &self.cipher {
                None => payload,
                Some(cipher) => {
                    let plain = cipher.open(&header.context(parsed.number), payload);
                    // Its checksum is right: if it is the first, the key is not.
                    opened = Zeroizing::new(plain.map_err(|_| {
                        if parsed.number == 0 {
                            SessionFileError::WrongCipher { path: path() }
                        } else {
                            damaged()
                        }
                    })?);
                    &opened[..]
                }
            };
            if parsed.number == 0 {
                parsed.snapshot =
                    Snapshot::from_bytes(plain).map_err(|error| self.content(error))?;
                parsed.base = next as u64;
            } else {
                let mut records = plain;
                while !records.is_empty() {
                    let (change, rest) = Change::from_record(records)
                        .map_err(|error| self.content(error))?
                        .ok_or_else(damaged)?;
                    parsed.snapshot.apply(change);
                    records = rest;
                }
            }
            parsed.number = parsed.number.saturating_add(1);
            parsed.end = next as u64;
            at = next;
        }
        Ok(parsed)
    }

    /// A file with nothing but a snapshot, in the place of what is there.
    fn write_file(&mut self, snapshot: &Snapshot) -> Result<(), SessionFileError> {
        let failed = io_error("write", &self.path);
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| failed(error.into()))?;
        let header = Header {
            sealed: self.cipher.is_some(),
            id,
        };
        let plain = snapshot.to_bytes().map_err(|error| self.content(error))?;
        let block = self.block(&header, 0, &plain)?;
        let mut bytes = buffer(length(&block).saturating_add(HEADER as u64));
        bytes.extend_from_slice(&header.to_bytes());
        bytes.extend_from_slice(&block);
        let end = length(&bytes);
        self.check_size(end)?;
        let file = private_file::replace(&self.path, &bytes).map_err(&failed)?;
        self.journal = Some(Journal {
            file,
            header,
            number: 1,
            end,
            ragged: false,
            compact_at: compact_at(end),
        });
        private_file::sync_folder(&self.path).map_err(&failed)
    }

    fn block(
        &self,
        header: &Header,
        number: u64,
        plain: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SessionFileError> {
        let mut block = buffer(length(plain).saturating_add(layout::OVERHEAD));
        match &self.cipher {
            None => header.write_block(number, plain, &mut block),
            Some(cipher) => {
                let sealed = cipher.seal(&header.context(number), plain);
                let sealed = sealed.map_err(|CipherError| SessionFileError::NoCipher {
                    path: self.path.clone(),
                })?;
                header.write_block(number, &sealed, &mut block);
            }
        }
        Ok(block)
    }

    fn append(&mut self, changes: &[Change]) -> Result<(), SessionFileError> {
        if changes.is_empty() {
            return Ok(());
        }
        let Some(journal) = &self.journal else {
            let mut snapshot = Snapshot::new();
            for change in changes {
                snapshot.apply(change.clone());
            }
            return self.write_file(&snapshot);
        };
        let mut records = Vec::with_capacity(changes.len());
        for change in changes {
            records.push(change.to_record().map_err(|error| self.content(error))?);
        }
        let mut all = buffer(records.iter().map(|record| length(record)).sum());
        for record in &records {
            all.extend_from_slice(record);
        }
        let block = self.block(&journal.header, journal.number, &all)?;
        self.check_size(journal.end.saturating_add(length(&block)))?;
        let durable = changes
            .iter()
            .any(|change| matches!(change.key, Key::Account | Key::Dc(_)));
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let failed = io_error("write", &self.path);
        journal.append(&block, durable).map_err(failed)?;
        if journal.end > journal.compact_at {
            // The changes are in the journal: when the rest fails, nothing is lost, and it is
            // tried again when the journal is twice as long.
            journal.compact_at = journal.compact_at.saturating_mul(2);
            _ = self.compact();
        }
        Ok(())
    }

    fn content(&self, error: SnapshotError) -> SessionFileError {
        SessionFileError::Content {
            path: self.path.clone(),
            error,
        }
    }

    fn check_size(&self, got: u64) -> Result<(), SessionFileError> {
        if got <= MAX_SIZE {
            return Ok(());
        }
        Err(SessionFileError::TooLarge {
            path: self.path.clone(),
            got,
            max: MAX_SIZE,
        })
    }
}

/// What is in a file.
struct Parsed {
    snapshot: Snapshot,
    header: Header,
    /// Blocks.
    number: u64,
    /// Where the journal begins.
    base: u64,
    /// Where the last whole block ends.
    end: u64,
}

impl Journal {
    /// Appends a block, or leaves the file as it was.
    fn append(&mut self, block: &[u8], durable: bool) -> io::Result<()> {
        if self.ragged {
            self.file.set_len(self.end)?;
        }
        self.ragged = true;
        let written = self
            .file
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.file.write_all(block))
            .and_then(|()| {
                if durable {
                    self.file.sync_data()
                } else {
                    Ok(())
                }
            });
        if let Err(error) = written {
            self.ragged = self.file.set_len(self.end).is_err();
            return Err(error);
        }
        self.ragged = false;
        self.number = self.number.saturating_add(1);
        self.end = self.end.saturating_add(length(block));
        Ok(())
    }
}

/// With enough room for secrets: growing would leave copies of them behind.
fn buffer(len: u64) -> Zeroizing<Vec<u8>> {
    let len = usize::try_from(len.min(MAX_SIZE)).unwrap_or(0);
    // One more, for reading to the end looks for more.
    Zeroizing::new(Vec::with_capacity(len.saturating_add(1)))
}

fn compact_at(base: u64) -> u64 {
    base.saturating_add(base.max(MIN_JOURNAL))
}

fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

impl Store for SessionFile {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        match self.loaded.take() {
            Some(snapshot) => Ok(snapshot),
            None => Ok(self.snapshot()?),
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.loaded = None;
        Ok(self.append(changes)?)
    }
}

impl fmt::Debug for SessionFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFile")
            .field("path", &self.path)
            .field("sealed", &self.cipher.is_some())
            .finish_non_exhaustive()
    }
}
