//! The words of a trace's lines.
//!
//! Does: values as words without blanks, and back: numbers, times, bytes as hex, texts with their
//! odd characters escaped; `name=value` pairs in any order.
//! In: values, or words that anybody may have written. Out: words, or `None`.
//! Must not know: which words a line has.
//! Spec: none.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use mtproto_proto::crypto::{AuthKey, RsaPrivateKey, RsaPublicKey};
use mtproto_proto::transport::{Framing, Obfuscation, ProxySecret};
use mtproto_proto::{AuthKeyId, ConnId, DcId, IncomingId, RequestId, SessionId, Time};

/// What stands for nothing: no other value is written like this.
const NONE: &str = "-";
/// Between the members of a list.
const COMMA: char = ',';

/// A value that is one word of a line.
pub(super) trait Word: Sized {
    /// Appends the word.
    fn write(&self, out: &mut String);
    /// The value; `None` if the word is none of this kind.
    fn read(word: &str) -> Option<Self>;
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Word for $type {
            fn write(&self, out: &mut String) {
                let _ = write!(out, "{self}");
            }

            fn read(word: &str) -> Option<Self> {
                word.parse().ok()
            }
        }
    )*};
}

numbers!(u8, i16, i32, u32, i64, u64, usize, bool, SocketAddr);

macro_rules! ids {
    ($($type:ident),*) => {$(
        impl Word for $type {
            fn write(&self, out: &mut String) {
                self.0.write(out);
            }

            fn read(word: &str) -> Option<Self> {
                Word::read(word).map($type)
            }
        }
    )*};
}

ids!(AuthKeyId, ConnId, DcId, IncomingId, RequestId, SessionId);

/// Nanoseconds since the Unix epoch.
impl Word for Time {
    fn write(&self, out: &mut String) {
        self.as_nanos().write(out);
    }

    fn read(word: &str) -> Option<Self> {
        Word::read(word).map(Time::from_nanos)
    }
}

/// Nanoseconds; what is longer than 584 years is that.
impl Word for Duration {
    fn write(&self, out: &mut String) {
        u64::try_from(self.as_nanos())
            .unwrap_or(u64::MAX)
            .write(out);
    }

    fn read(word: &str) -> Option<Self> {
        Word::read(word).map(Duration::from_nanos)
    }
}

impl<T: Word> Word for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str(NONE),
        }
    }

    fn read(word: &str) -> Option<Self> {
        if word == NONE {
            return Some(None);
        }
        T::read(word).map(Some)
    }
}

/// Appends bytes as hexadecimal digits.
pub(super) fn put_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    out.reserve(2 * bytes.len());
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)].into());
        out.push(DIGITS[usize::from(byte & 15)].into());
    }
}

/// The bytes of hexadecimal digits.
pub(super) fn hex(word: &str) -> Option<Vec<u8>> {
    let (pairs, []) = word.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok())
        .collect()
}

/// Bytes: hexadecimal digits, and a dot for none at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl Word for Hex {
    fn write(&self, out: &mut String) {
        put_bytes(out, &self.0);
    }

    fn read(word: &str) -> Option<Self> {
        if word == EMPTY {
            return Some(Hex(Vec::new()));
        }
        hex(word).filter(|bytes| !bytes.is_empty()).map(Hex)
    }
}

/// What stands for no bytes or no text.
const EMPTY: &str = ".";

/// Appends [`Hex`] without a copy.
pub(super) fn put_bytes(out: &mut String, bytes: &[u8]) {
    if bytes.is_empty() {
        out.push_str(EMPTY);
    } else {
        put_hex(out, bytes);
    }
}

impl<const N: usize> Word for [u8; N] {
    fn write(&self, out: &mut String) {
        put_hex(out, self);
    }

    fn read(word: &str) -> Option<Self> {
        hex(word)?.try_into().ok()
    }
}

impl Word for AuthKey {
    fn write(&self, out: &mut String) {
        self.as_bytes().write(out);
    }

    fn read(word: &str) -> Option<Self> {
        <[u8; 256]>::read(word).map(|bytes| AuthKey::from_bytes(&bytes))
    }
}

/// Letters, digits and a few signs as they are, every other byte as `%` and two digits.
impl Word for String {
    fn write(&self, out: &mut String) {
        if self.is_empty() {
            return out.push_str(EMPTY);
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:/+@".contains(&byte);
        for byte in self.bytes() {
            if plain(byte) {
                out.push(byte.into());
            } else {
                out.push('%');
                put_hex(out, &[byte]);
            }
        }
    }

    fn read(word: &str) -> Option<Self> {
        if word == EMPTY {
            return Some(String::new());
        }
        let mut pieces = word.split('%');
        let mut bytes = pieces.next()?.as_bytes().to_vec();
        for piece in pieces {
            let (escaped, plain) = piece.split_at_checked(2)?;
            bytes.extend(hex(escaped)?);
            bytes.extend(plain.as_bytes());
        }
        String::from_utf8(bytes).ok()
    }
}

impl<T: Word> Word for Vec<T> {
    fn write(&self, out: &mut String) {
        if self.is_empty() {
            return out.push_str(EMPTY);
        }
        for (n, item) in self.iter().enumerate() {
            if n > 0 {
                out.push(COMMA);
            }
            item.write(out);
        }
    }

    fn read(word: &str) -> Option<Self> {
        if word == EMPTY {
            return Some(Vec::new());
        }
        word.split(COMMA).map(T::read).collect()
    }
}

impl Word for Framing {
    fn write(&self, out: &mut String) {
        out.push_str(match self {
            Framing::Abridged => "abridged",
            Framing::Intermediate => "intermediate",
            Framing::PaddedIntermediate => "padded-intermediate",
            Framing::Full => "full",
        });
    }

    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "abridged" => Framing::Abridged,
            "intermediate" => Framing::Intermediate,
            "padded-intermediate" => Framing::PaddedIntermediate,
            "full" => Framing::Full,
            _ => return None,
        })
    }
}

/// Its bytes as hex.
impl Word for ProxySecret {
    fn write(&self, out: &mut String) {
        Hex(self.to_bytes().to_vec()).write(out);
    }

    fn read(word: &str) -> Option<Self> {
        ProxySecret::from_bytes(&Hex::read(word)?.0).ok()
    }
}

/// `SECRET:DC`.
impl Word for Obfuscation {
    fn write(&self, out: &mut String) {
        self.secret.write(out);
        out.push(':');
        self.dc.write(out);
    }

    fn read(word: &str) -> Option<Self> {
        let (secret, dc) = word.split_once(':')?;
        Some(Obfuscation {
            secret: Word::read(secret)?,
            dc: Word::read(dc)?,
        })
    }
}

/// `MODULUS:EXPONENT`.
impl Word for RsaPublicKey {
    fn write(&self, out: &mut String) {
        self.modulus().write(out);
        out.push(':');
        self.exponent().write(out);
    }

    fn read(word: &str) -> Option<Self> {
        let (modulus, exponent) = word.split_once(':')?;
        let modulus = hex(modulus)?;
        let exponent = u32::read(exponent)?.to_be_bytes();
        RsaPublicKey::from_components(&modulus, &exponent).ok()
    }
}

/// Its PEM form.
impl Word for RsaPrivateKey {
    fn write(&self, out: &mut String) {
        String::clone(&self.to_pem()).write(out);
    }

    fn read(word: &str) -> Option<Self> {
        RsaPrivateKey::from_pem(&String::read(word)?).ok()
    }
}

/// Appends ` name=value`.
pub(super) fn put(out: &mut String, name: &str, value: &impl Word) {
    let _ = write!(out, " {name}=");
    value.write(out);
}

/// `name=value` pairs that are taken one by one; what is left over nobody knows.
pub(super) struct Pairs<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Pairs<'a> {
    /// All pairs of these words; `None` if one is none, or comes twice.
    pub(super) fn read(words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut pairs = BTreeMap::new();
        for word in words {
            let (name, value) = word.split_once('=')?;
            if pairs.insert(name, value).is_some() {
                return None;
            }
        }
        Some(Pairs(pairs))
    }

    /// The value of this name.
    pub(super) fn need<T: Word>(&mut self, name: &str) -> Option<T> {
        T::read(self.0.remove(name)?)
    }

    /// Changes `value` if the name is there: an older trace does not have what came later.
    pub(super) fn take<T: Word>(&mut self, name: &str, value: &mut T) -> Option<()> {
        if let Some(word) = self.0.remove(name) {
            *value = T::read(word)?;
        }
        Some(())
    }

    /// Whether every pair was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Word + PartialEq + std::fmt::Debug>(value: T) {
        let mut word = String::new();
        value.write(&mut word);
        assert!(!word.contains(char::is_whitespace), "{word}");
        assert_eq!(T::read(&word), Some(value), "{word}");
    }

    #[test]
    fn words_read_as_what_was_written() {
        there_and_back(String::new());
        there_and_back(String::from("-"));
        there_and_back(String::from("."));
        there_and_back(String::from("a b%c=d\n\u{fc}\u{1f600},"));
        there_and_back(vec![String::from("a,b"), String::new()]);
        there_and_back(Vec::<u8>::new());
        there_and_back(Hex(Vec::new()));
        there_and_back(Hex(vec![0, 255]));
        there_and_back(Some(Duration::from_millis(1)));
        there_and_back(None::<Duration>);
        there_and_back(DcId(-10_002));
        there_and_back(Obfuscation {
            secret: Some([7; 16].into()),
            dc: None,
        });
        there_and_back(ProxySecret::fake_tls([7; 16], "a domain, odd: \u{fc}").unwrap());
    }

    #[test]
    fn what_is_no_word_of_a_kind_is_refused() {
        assert_eq!(hex("abc"), None);
        assert_eq!(hex("g0"), None);
        assert_eq!(hex("+1"), None);
        assert_eq!(<[u8; 2]>::read("00"), None);
        assert_eq!(String::read("%4"), None);
        assert_eq!(String::read("%ff"), None);
        assert_eq!(Framing::read("http"), None);
        assert!(Pairs::read(["a=1", "a=2"].into_iter()).is_none());
        assert!(Pairs::read(["a"].into_iter()).is_none());
    }
}
