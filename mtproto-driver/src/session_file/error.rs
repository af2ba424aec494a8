//! Why a session file is of no use.
//!
//! Does: [`SessionFileError`].
//! In: what was found. Out: texts that name the file and what to do.
//! Must not know: how the file is laid out.
//! Spec: none.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use mtproto_proto::client::SnapshotError;

use crate::StoreError;

/// Why a session file is of no use. In every case it was left as it is, byte for byte.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionFileError {
    /// Somebody else has it open, in this process or another.
    Locked {
        /// The session file.
        path: PathBuf,
    },
    /// It is there, and it is something else.
    NotASession {
        /// The file.
        path: PathBuf,
    },
    /// A newer release wrote it.
    Version {
        /// The session file.
        path: PathBuf,
        /// The version found.
        got: u8,
        /// The newest version that this release reads.
        max: u8,
    },
    /// Something in its middle was changed or is missing. A cut-off end is no error: a crash
    /// leaves one.
    Damaged {
        /// The session file.
        path: PathBuf,
        /// Where the part that is wrong begins, bytes.
        at: u64,
    },
    /// Its parts are whole, and one of them is not what this release stores.
    Content {
        /// The session file.
        path: PathBuf,
        /// What is wrong.
        error: SnapshotError,
    },
    /// It is encrypted, and no cipher was given.
    Sealed {
        /// The session file.
        path: PathBuf,
    },
    /// It is not encrypted, and a cipher was given.
    NotSealed {
        /// The session file.
        path: PathBuf,
    },
    /// The cipher does not open it: another key.
    WrongCipher {
        /// The session file.
        path: PathBuf,
    },
    /// The cipher could not seal what was to be written.
    NoCipher {
        /// The session file.
        path: PathBuf,
    },
    /// It is larger than any session.
    TooLarge {
        /// The session file.
        path: PathBuf,
        /// Bytes at least.
        got: u64,
        /// Bytes at most.
        max: u64,
    },
    /// The operating system refused.
    Io {
        /// What was tried: `"lock"`, `"read"`, `"write"` or `"delete"`.
        action: &'static str,
        /// The session file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

pub(super) fn io_error(
    action: &'static str,
    path: &Path,
) -> impl Fn(io::Error) -> SessionFileError {
    move |error| SessionFileError::Io {
        action,
        path: path.to_owned(),
        error,
    }
}

impl SessionFileError {
    fn path(&self) -> &Path {
        match self {
            Self::Locked { path }
            | Self::NotASession { path }
            | Self::Version { path, .. }
            | Self::Damaged { path, .. }
            | Self::Content { path, .. }
            | Self::Sealed { path }
            | Self::NotSealed { path }
            | Self::WrongCipher { path }
            | Self::NoCipher { path }
            | Self::TooLarge { path, .. }
            | Self::Io { path, .. } => path,
        }
    }
}

impl fmt::Display for SessionFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            Self::Locked { .. } => write!(
                f,
                "the session file {path} is in use: one account's keys serve one client at a time"
            ),
            Self::NotASession { .. } => write!(f, "{path} is not a session file; name another one"),
            Self::Version { got, max, .. } => write!(
                f,
                "the session file {path} has version {got}, this release reads versions up to {max}; update"
            ),
            Self::Damaged { at, .. } => write!(
                f,
                "the session file {path} is damaged at byte {at}; take a copy of it from before, or sign in anew with another file"
            ),
            Self::Content { error, .. } => write!(f, "the session file {path}: {error}"),
            Self::Sealed { .. } => {
                write!(f, "the session file {path} is encrypted; give its cipher")
            }
            Self::NotSealed { .. } => write!(
                f,
                "the session file {path} is not encrypted; open it without a cipher, then set one"
            ),
            Self::WrongCipher { .. } => write!(
                f,
                "the session file {path} is encrypted with another key than this"
            ),
            Self::NoCipher { .. } => write!(
                f,
                "the cipher did not encrypt what was to be written to the session file {path}"
            ),
            Self::TooLarge { got, max, .. } => write!(
                f,
                "the session file {path} is too large: {got} bytes, at most {max}"
            ),
            Self::Io { action, error, .. } => {
                write!(f, "cannot {action} the session file {path}: {error}")
            }
        }
    }
}

impl error::Error for SessionFileError {}

impl From<SessionFileError> for StoreError {
    fn from(error: SessionFileError) -> Self {
        StoreError::new(error)
    }
}
