//! A key's state in a file.
//!
//! Does: [`KeyFile`]: readable by its owner only, replaced atomically, locked while it is open,
//! because two processes with one key get it destroyed (`AUTH_KEY_DUPLICATED`).
//! In: a `KeyState`. Out: the same, after a restart. The calls block, as files do: a few
//! milliseconds for the disk.
//! Must not know: what is in a `KeyState`; its bytes carry their own version.
//! Spec: none.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use mtproto_proto::connection::{KeyState, KeyStateError};
use zeroize::Zeroizing;

use crate::private_file;

/// A key's state is a few kilobytes (the key, 64 salts); whatever is larger is some other file.
const MAX_SIZE: u64 = 64 * 1024;

/// A file for one key, locked until this is dropped.
///
/// ```no_run
/// # fn example(key: &mtproto_driver::KeyState) -> Result<(), Box<dyn std::error::Error>> {
/// use mtproto_driver::{KeyFile, Start};
///
/// let file = KeyFile::open("account.key")?;
/// let start = match file.load()? {
///     Some(key) => Start::Key(key),
///     None => Start::NewKey,
/// };
/// // … connect, and when done:
/// file.save(key)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    /// A file of its own: replacing the key file would replace what is locked.
    _lock: private_file::Lock,
}

impl KeyFile {
    /// Takes the lock `<path>.lock`. The key file itself need not exist yet, its folder must.
    ///
    /// # Errors
    /// [`KeyFileError::Locked`] when somebody else has it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let path = path.into();
        let failed = io_error("lock", &path);
        let path = private_file::one_name(&path).map_err(&failed)?;
        match private_file::lock(&path).map_err(failed)? {
            Some(lock) => Ok(KeyFile { path, _lock: lock }),
            None => Err(KeyFileError::Locked { path }),
        }
    }

    /// Where the key is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key; `None` when there is no file.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else.
    pub fn load(&self) -> Result<Option<KeyState>, KeyFileError> {
        let failed = io_error("read", &self.path);
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        // With room for all of it: growing would leave copies of the key behind. One byte more, for
        // reading to the end looks for more.
        let len = file.metadata().map_err(&failed)?.len().min(MAX_SIZE);
        let room = usize::try_from(len).unwrap_or(0).saturating_add(1);
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(MAX_SIZE)
            .read_to_end(&mut bytes)
            .map_err(&failed)?;
        match KeyState::from_bytes(&bytes) {
            Ok(key) => Ok(Some(key)),
            Err(error) => Err(KeyFileError::Content {
                path: self.path.clone(),
                error,
            }),
        }
    }

    /// Replaces the file: after a crash at any moment it holds the old key or the new one.
    ///
    /// # Errors
    /// When the disk or the permissions say so; the old file is still there then.
    pub fn save(&self, key: &KeyState) -> Result<(), KeyFileError> {
        self.replace(&key.to_bytes())
            .map_err(io_error("write", &self.path))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        private_file::replace(&self.path, bytes)?;
        private_file::sync_folder(&self.path)
    }
}

/// Why a key file is of no use.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Somebody else has it open.
    Locked {
        /// The key file.
        path: PathBuf,
    },
    /// It is there, and it is not a key.
    Content {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyStateError,
    },
    /// The operating system refused.
    Io {
        /// What was tried: `"lock"`, `"read"` or `"write"`.
        action: &'static str,
        /// The key file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFileError::Locked { path } => write!(
                f,
                "the key file {} is in use by another process: one key serves one process at a time",
                path.display()
            ),
            KeyFileError::Content { path, error } => write!(
                f,
                "{} does not hold a key: {error}; name another file, or delete it to make a new key",
                path.display()
            ),
            KeyFileError::Io {
                action,
                path,
                error,
            } => write!(
                f,
                "cannot {action} the key file {}: {error}",
                path.display()
            ),
        }
    }
}

impl error::Error for KeyFileError {}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> KeyFileError + use<> {
    let path = path.to_owned();
    move |error| KeyFileError::Io {
        action,
        path: path.clone(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::private_file::beside;

    /// A folder that is gone at the end of the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let unique = format!("mtproto-key-file-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(unique);
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let folder = Folder::new("replace");
        let path = folder.0.join("a.key");
        let file = KeyFile::open(&path).unwrap();
        fs::write(beside(&path, ".tmp"), "left by a crash").unwrap();
        for content in [&b"first"[..], b"2nd"] {
            file.replace(content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        #[cfg(unix)]
        for path in [&path, &beside(&path, ".lock")] {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        assert!(!beside(&path, ".tmp").exists());
    }

    #[test]
    fn one_process_at_a_time() {
        let folder = Folder::new("lock");
        let path = folder.0.join("a.key");
        let first = KeyFile::open(&path).unwrap();
        assert!(matches!(
            KeyFile::open(&path),
            Err(KeyFileError::Locked { .. })
        ));
        drop(first);
        KeyFile::open(&path).unwrap();
    }

    #[test]
    fn no_file_is_no_key_and_another_file_is_an_error() {
        let folder = Folder::new("content");
        let path = folder.0.join("a.key");
        let file = KeyFile::open(&path).unwrap();
        assert!(file.load().unwrap().is_none());

        for content in [&b""[..], b"hello", &[0; 100_000]] {
            fs::write(&path, content).unwrap();
            let Err(KeyFileError::Content { .. }) = file.load() else {
                panic!("{} bytes were taken for a key", content.len());
            };
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = KeyFile::open("/nowhere/at/all/a.key").unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all/a.key"));
    }
}
