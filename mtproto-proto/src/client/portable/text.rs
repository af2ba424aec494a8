//! What the formats have in common: base64 in two alphabets, bytes read and written in order.
//!
//! Does: decodes and encodes without leaving copies of keys behind; names the wrong character.
//! In: text or bytes. Out: bytes or text, zeroised on drop.
//! Must not know: any format.
//! Spec: RFC 4648, sections 4 and 5.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use bytes::Buf;
use zeroize::Zeroizing;

use super::{Field, Format, MAX_TEXT, MAX_USER_ID, Portable, PortableError};
use crate::ids::DcId;

/// Bytes that are enough to tell formats apart: 12 characters.
const HEAD: usize = 9;

/// The text without white space around, if it is of a sensible length.
pub(super) fn trim(text: &str) -> Result<&str, PortableError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(PortableError::Empty);
    }
    if text.len() > MAX_TEXT {
        return Err(PortableError::TooLong {
            got: text.len(),
            max: MAX_TEXT,
        });
    }
    Ok(text)
}

/// The first bytes of a text in either alphabet; a short format's have some of the key.
pub(super) fn head(text: &str) -> Option<Zeroizing<[u8; HEAD]>> {
    let text = text.get(..HEAD.div_ceil(3).saturating_mul(4))?;
    let mut out = Zeroizing::new([0; HEAD]);
    let read = if is_url(text) {
        Base64UrlUnpadded::decode(text, out.as_mut_slice())
    } else {
        Base64Unpadded::decode(text, out.as_mut_slice())
    };
    read.ok()?;
    Some(out)
}

/// Characters of a text that stand for bytes.
pub(super) fn unpadded_len(text: &str) -> usize {
    text.trim_end_matches('=').len()
}

/// Which characters stand for 62 and 63.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// `-` and `_`.
    Url,
    /// `+` and `/`, or `-` and `_`, as JavaScript reads them, but not both.
    Either,
}

/// The bytes of `text`, which begins at character `start` of the whole. Padding may be missing,
/// since people lose it; if it is there, it has to be right.
pub(super) fn decode(
    format: Format,
    alphabet: Alphabet,
    start: usize,
    text: &str,
) -> Result<Zeroizing<Vec<u8>>, PortableError> {
    let url = alphabet == Alphabet::Url || is_url(text);
    let wrong = |at: usize| PortableError::Encoding {
        format,
        at: start.saturating_add(at),
    };
    let unpadded = unpadded_len(text);
    let body = text.get(..unpadded).unwrap_or_default();
    if let Some(at) = body.bytes().position(|b| !is_of(b, url)) {
        return Err(wrong(at));
    }
    if unpadded != text.len() && text.len() != unpadded.next_multiple_of(4) {
        return Err(wrong(unpadded));
    }
    // A last character alone is too little for a byte: the text was cut off.
    if unpadded % 4 == 1 {
        return Err(length(format, start, text));
    }
    let mut out = Zeroizing::new(vec![0; unpadded]);
    let read = if url {
        Base64UrlUnpadded::decode(body, &mut out)
    } else {
        Base64Unpadded::decode(body, &mut out)
    };
    // Only the last character can still be wrong: its lowest bits stand for nothing.
    let len = read.map_err(|_| wrong(unpadded.saturating_sub(1)))?.len();
    out.truncate(len);
    Ok(out)
}

/// The text is too long or too short.
pub(super) fn length(format: Format, start: usize, text: &str) -> PortableError {
    PortableError::Length {
        format,
        got: start.saturating_add(unpadded_len(text)),
    }
}

fn is_url(text: &str) -> bool {
    text.contains(['-', '_'])
}

fn is_of(b: u8, url: bool) -> bool {
    b.is_ascii_alphanumeric()
        || if url {
            matches!(b, b'-' | b'_')
        } else {
            matches!(b, b'+' | b'/')
        }
}

/// What a format's reader takes values from; `None` when the bytes are at their end.
pub(super) struct Cursor<'a> {
    format: Format,
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(format: Format, bytes: &'a [u8]) -> Self {
        Cursor { format, bytes }
    }

    pub(super) fn invalid(&self, field: Field) -> PortableError {
        PortableError::Invalid {
            format: self.format,
            field,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.bytes.try_get_u8().ok()
    }

    pub(super) fn u16_be(&mut self) -> Option<u16> {
        self.bytes.try_get_u16().ok()
    }

    pub(super) fn u32_be(&mut self) -> Option<u32> {
        self.bytes.try_get_u32().ok()
    }

    pub(super) fn u64_be(&mut self) -> Option<u64> {
        self.bytes.try_get_u64().ok()
    }

    pub(super) fn i32_le(&mut self) -> Option<i32> {
        self.bytes.try_get_i32_le().ok()
    }

    pub(super) fn u64_le(&mut self) -> Option<u64> {
        self.bytes.try_get_u64_le().ok()
    }

    /// A DC: no library numbers from 0.
    pub(super) fn dc(&self, byte: u8) -> Result<DcId, PortableError> {
        if byte == 0 {
            return Err(self.invalid(Field::Dc));
        }
        Ok(DcId(i16::from(byte)))
    }

    /// A port that something can listen at.
    pub(super) fn port(&self, port: u16) -> Result<u16, PortableError> {
        if port == 0 {
            return Err(self.invalid(Field::Port));
        }
        Ok(port)
    }

    /// A key: libraries write zeros where they have none.
    pub(super) fn key(&self, key: &[u8; 256]) -> Result<(), PortableError> {
        if key.iter().all(|b| *b == 0) {
            return Err(self.invalid(Field::AuthKey));
        }
        Ok(())
    }

    /// A user; no library has one of 0.
    pub(super) fn user_id(&self, id: u64) -> Result<i64, PortableError> {
        i64::try_from(id)
            .ok()
            .filter(|id| (1..=MAX_USER_ID).contains(id))
            .ok_or(self.invalid(Field::UserId))
    }

    /// A host: an IP address, or a name, which is not kept, since the DC's number says the same.
    pub(super) fn host(&self, host: &[u8]) -> Result<Option<IpAddr>, PortableError> {
        let text = core::str::from_utf8(host).unwrap_or_default();
        if let Ok(ip) = text.parse() {
            return Ok(Some(ip));
        }
        if !is_host(host) {
            return Err(self.invalid(Field::Addr));
        }
        Ok(None)
    }
}

/// Whether these bytes can be a host name or an address.
pub(super) fn is_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'_'))
}

/// The DC's number as one byte.
pub(super) fn dc_byte(portable: &Portable, format: Format) -> Result<u8, PortableError> {
    u8::try_from(portable.dc.0)
        .ok()
        .filter(|byte| *byte != 0)
        .ok_or(PortableError::Unrepresentable {
            format,
            field: Field::Dc,
        })
}

/// The address, which this format has to have.
pub(super) fn addr(portable: &Portable, format: Format) -> Result<SocketAddr, PortableError> {
    wanted(portable.addr, format, Field::Addr)
}

/// The user, which is known.
pub(super) fn user_id(id: i64, format: Format) -> Result<u64, PortableError> {
    u64::try_from(id)
        .ok()
        .filter(|_| (1..=MAX_USER_ID).contains(&id))
        .ok_or(PortableError::Unrepresentable {
            format,
            field: Field::UserId,
        })
}

/// A value that this format has to have.
pub(super) fn wanted<T>(
    value: Option<T>,
    format: Format,
    field: Field,
) -> Result<T, PortableError> {
    value.ok_or(PortableError::Missing {
        format: Some(format),
        field,
    })
}

/// Room for a session, so that a growing vector leaves no copy of the key behind.
pub(super) fn buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(MAX_TEXT))
}

/// base64url, after `prefix`.
pub(super) fn encode_url(prefix: &str, bytes: &[u8], padded: bool) -> Zeroizing<String> {
    finish(
        prefix,
        &Zeroizing::new(Base64UrlUnpadded::encode_string(bytes)),
        padded,
    )
}

/// base64 with padding, after `prefix`.
pub(super) fn encode_standard(prefix: &str, bytes: &[u8]) -> Zeroizing<String> {
    finish(
        prefix,
        &Zeroizing::new(Base64Unpadded::encode_string(bytes)),
        true,
    )
}

fn finish(prefix: &str, body: &str, padded: bool) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(
        prefix.len().saturating_add(body.len()).saturating_add(3),
    ));
    out.push_str(prefix);
    out.push_str(body);
    if padded {
        let missing = body.len().next_multiple_of(4).saturating_sub(body.len());
        out.extend(core::iter::repeat_n('=', missing));
    }
    out
}
