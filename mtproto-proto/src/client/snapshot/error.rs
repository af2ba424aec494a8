//! Why stored bytes are no snapshot.
//!
//! Does: the one error of this folder, with what to do about it.
//! In and out: plain values. Must not know: where the bytes came from.
//! Spec: none.

use core::fmt;

/// Why stored bytes are no snapshot, or a snapshot cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It does not begin like one.
    NotASnapshot,
    /// A newer release wrote it.
    Version {
        /// The version found.
        got: u8,
        /// The newest version that this release reads.
        max: u8,
    },
    /// Cut off or changed.
    Damaged,
    /// Larger than anything that is stored.
    TooLarge {
        /// Its bytes.
        got: usize,
        /// How many there may be.
        max: usize,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASnapshot => f.write_str(
                "this is no stored account of this library; check what was passed, or import \
                 another library's format",
            ),
            Self::Version { got, max } => write!(
                f,
                "the account was stored in version {got}, this release reads versions up to \
                 {max}; update"
            ),
            Self::Damaged => f.write_str(
                "the stored account is cut off or damaged; restore a copy, or sign in again",
            ),
            Self::TooLarge { got, max } => write!(
                f,
                "{got} bytes are too many to store, the most is {max}; remember fewer peers"
            ),
        }
    }
}

impl core::error::Error for SnapshotError {}
