//! Text that is a slice of the packet that brought it.
//!
//! Does: [`Str`], a `Bytes` that is known to be UTF-8.
//! In: bytes from the reader, or the application's strings. Out: `&str`.
//! Must not know: TL framing.
//! Spec: "Binary Data Serialization", base types.

use alloc::string::String;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use core::str;

use bytes::Bytes;

/// A string that shares its memory: cheap to clone, and free to read out of a packet.
///
/// A `Str` that was decoded keeps the whole packet alive. Call [`detach`](Str::detach) on what is
/// stored for long.
///
/// ```
/// use mtproto_schema::Str;
///
/// let hello = Str::from("hello");
/// assert_eq!(hello, "hello");
/// assert_eq!(hello.detach().len(), 5);
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Str(Bytes);

impl Str {
    /// The empty string.
    pub const fn new() -> Self {
        Str(Bytes::new())
    }

    /// A string that borrows static memory.
    pub const fn from_static(s: &'static str) -> Self {
        Str(Bytes::from_static(s.as_bytes()))
    }

    /// The string in these bytes.
    ///
    /// # Errors
    /// The bytes are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, str::Utf8Error> {
        str::from_utf8(&bytes)?;
        Ok(Str(bytes))
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        // Checked by every constructor. An unchecked conversion would be unsafe code; a second
        // check costs what a short `memchr` does, and only to who looks at the text.
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The UTF-8 bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The UTF-8 bytes, sharing this string's memory.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// A copy in memory of its own, which keeps no packet alive.
    #[must_use]
    pub fn detach(&self) -> Self {
        Str(Bytes::copy_from_slice(&self.0))
    }
}

impl Deref for Str {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        self
    }
}

// Not derived: a map with `Str` keys is looked up by `&str`, so the hashes must be the same.
impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for Str {
    fn from(s: &str) -> Self {
        Str(Bytes::copy_from_slice(s.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(s: String) -> Self {
        Str(s.into_bytes().into())
    }
}

impl From<Str> for String {
    fn from(s: Str) -> Self {
        String::from(s.as_str())
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Debug for Str {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}
