//! What `Debug` shows of a body.
//!
//! Does: [`Shown`], the first word of an object, which names its constructor, and its length.
//! In: bytes of TL. Out: a few characters.
//! Must not know: what the object says: codes, tokens and proofs of passwords travel in bodies, and
//! events are what everybody prints.
//! Spec: none.

use core::fmt;

/// A body, for `Debug`: its constructor and its length.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((constructor, _)) = self.0.split_first_chunk() {
            write!(f, "{:#010x}, ", u32::from_le_bytes(*constructor))?;
        }
        write!(f, "{} bytes", self.0.len())
    }
}
