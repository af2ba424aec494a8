//! GramJS' `StringSession`.
//!
//! Does: `1`, then padded base64 of DC (1 byte), the host's length (2, big endian), the host, the
//! port (2, big endian), the key (256).
//! In: text. Out: [`Portable`]; and back.
//! Must not know: the other formats, but what tells it from Telethon's.
//! Spec: `telegram/sessions/StringSession.js`. GramJS reads Telethon's texts, too.

use alloc::string::{String, ToString};
use core::net::SocketAddr;

use zeroize::Zeroizing;

use super::telethon::{VERSION, versioned};
use super::text::{self, Alphabet, Cursor};
use super::{Field, Format, Portable, PortableError};

const FORMAT: Format = Format::GramJs;
/// The longest host that GramJS takes for one; above, it reads an IPv6 address of Telethon's.
const MAX_HOST: u16 = 100;
/// Below, GramJS takes its own text for one of Telethon's, by the length: `::1` is too short.
const MIN_HOST: usize = 4;
/// GramJS reads the port with a sign.
const MAX_PORT: u16 = 0x7fff;

/// By the length before the host, and the host's first characters. As addresses of Telethon's these
/// would lie in the reserved blocks `0.0.0.0/8` and `0000::/8`.
pub(super) fn looks_like(head: &[u8]) -> bool {
    let mut cursor = Cursor::new(FORMAT, head);
    let (_, len) = (cursor.u8(), cursor.u16_be());
    let begins_as_host = cursor.take(2).is_some_and(text::is_host);
    len.is_some_and(|len| (1..=MAX_HOST).contains(&len)) && begins_as_host
}

pub(super) fn parse(text: &str) -> Result<Portable, PortableError> {
    let body = versioned(FORMAT, text)?;
    let bytes = text::decode(FORMAT, Alphabet::Either, VERSION.len(), body)?;
    let wrong_length = || text::length(FORMAT, VERSION.len(), body);
    let mut cursor = Cursor::new(FORMAT, &bytes);
    let dc = cursor.u8().ok_or_else(wrong_length)?;
    let len = cursor.u16_be().ok_or_else(wrong_length)?;
    if !(1..=MAX_HOST).contains(&len) {
        return Err(cursor.invalid(Field::Addr));
    }
    let host = cursor.take(usize::from(len)).ok_or_else(wrong_length)?;
    let port = cursor.u16_be().ok_or_else(wrong_length)?;
    let key = cursor.array::<256>().ok_or_else(wrong_length)?;
    if !cursor.is_empty() {
        return Err(wrong_length());
    }

    cursor.key(key)?;
    let port = cursor.port(port)?;
    Ok(Portable {
        format: Some(FORMAT),
        addr: cursor.host(host)?.map(|ip| SocketAddr::new(ip, port)),
        ..Portable::new(cursor.dc(dc)?, key)
    })
}

pub(super) fn write(portable: &Portable) -> Result<Zeroizing<String>, PortableError> {
    let addr = text::addr(portable, FORMAT)?;
    let unrepresentable = |field| PortableError::Unrepresentable {
        format: FORMAT,
        field,
    };
    if addr.port() > MAX_PORT {
        return Err(unrepresentable(Field::Port));
    }
    let host = addr.ip().to_string();
    if host.len() < MIN_HOST {
        return Err(unrepresentable(Field::Addr));
    }
    let mut out = text::buffer();
    out.push(text::dc_byte(portable, FORMAT)?);
    // An IP address has at most 45 characters.
    out.extend_from_slice(&u16::try_from(host.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(&addr.port().to_be_bytes());
    out.extend_from_slice(portable.auth_key.as_bytes());
    Ok(text::encode_standard(VERSION, &out))
}
