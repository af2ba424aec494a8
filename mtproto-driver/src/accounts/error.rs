//! Why something could not be done with an account.
//!
//! Does: [`AccountsError`].
//! In: the errors of the rooms below. Out: texts with the account's name.
//! Must not know: how an error came about.
//! Spec: none.

use std::path::PathBuf;
use std::{error, fmt, io};

use super::AccountId;
use crate::{SessionFileError, client};

/// Why something could not be done with an account.
#[derive(Debug)]
#[non_exhaustive]
pub enum AccountsError {
    /// The accounts' folder cannot be made or read.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The account's file is of no use, or in use.
    File {
        /// Whose.
        account: AccountId,
        /// Why.
        error: SessionFileError,
    },
    /// The account's client did not open, or not close as it should.
    Client {
        /// Whose.
        account: AccountId,
        /// Why.
        error: client::Error,
    },
    /// There is an account of this name.
    Exists(AccountId),
}

impl fmt::Display for AccountsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder { path, error } => {
                write!(f, "cannot keep accounts in {}: {error}", path.display())
            }
            Self::File { account, error } => write!(f, "account {account}: {error}"),
            Self::Client { account, error } => write!(f, "account {account}: {error}"),
            Self::Exists(account) => {
                write!(
                    f,
                    "there is an account {account} already; take another name"
                )
            }
        }
    }
}

impl error::Error for AccountsError {}
