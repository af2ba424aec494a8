//! What accounts are called.
//!
//! Does: [`AccountId`], a name that is safe in a path.
//! In: texts. Out: names, or what is wrong with them.
//! Must not know: where accounts are kept.
//! Spec: none.

use std::str::FromStr;
use std::sync::Arc;
use std::{error, fmt};

/// Leaves room for suffixes in the 255 bytes that file systems give a name.
const MAX_LEN: usize = 64;

/// An account's name among [`Accounts`](super::Accounts): 1 to 64 of the letters a–z, A–Z, digits,
/// `-` and `_`, and no `-` in front. Cheap to clone.
///
/// ```
/// use mtproto_driver::AccountId;
///
/// assert_eq!(AccountId::new("work")?.as_str(), "work");
/// assert!(AccountId::new("../work").is_err());
/// # Ok::<_, mtproto_driver::AccountIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// Checks the name.
    ///
    /// # Errors
    /// It is empty, too long, or has other letters.
    pub fn new(name: &str) -> Result<Self, AccountIdError> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=MAX_LEN).contains(&name.len());
        if fits && name.bytes().all(letter) && !name.starts_with('-') {
            return Ok(AccountId(name.into()));
        }
        Err(AccountIdError)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for AccountId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(name: &str) -> Result<Self, AccountIdError> {
        AccountId::new(name)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name is none for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountIdError;

impl fmt::Display for AccountIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an account's name has 1 to {MAX_LEN} of a-z, A-Z, 0-9, - and _, and does not begin with -"
        )
    }
}

impl error::Error for AccountIdError {}
