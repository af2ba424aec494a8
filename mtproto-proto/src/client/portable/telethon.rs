//! Telethon's `StringSession`.
//!
//! Does: `1`, then padded base64url of DC (1 byte), IP (4 or 16), port (2, big endian), key (256).
//! In: text. Out: [`Portable`]; and back.
//! Must not know: the other formats.
//! Spec: `telethon/sessions/string.py`.

use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zeroize::Zeroizing;

use super::gramjs;
use super::text::{self, Alphabet, Cursor};
use super::{Field, Format, Portable, PortableError};

const FORMAT: Format = Format::Telethon;
/// The version, a character; GramJS counts with Telethon.
pub(super) const VERSION: &str = "1";
/// Bytes with an IPv4 address.
const SIZE_V4: usize = 263;
/// Bytes with an IPv6 address.
const SIZE_V6: usize = 275;

pub(super) fn parse(text: &str) -> Result<Portable, PortableError> {
    let body = versioned(FORMAT, text)?;
    let bytes = text::decode(FORMAT, Alphabet::Url, VERSION.len(), body)?;
    let wrong_length = || text::length(FORMAT, VERSION.len(), body);
    let mut cursor = Cursor::new(FORMAT, &bytes);
    let dc = cursor.u8().ok_or_else(wrong_length)?;
    let ip = match bytes.len() {
        SIZE_V4 => cursor
            .array::<4>()
            .map(|ip| IpAddr::V4(Ipv4Addr::from(*ip))),
        SIZE_V6 => cursor
            .array::<16>()
            .map(|ip| IpAddr::V6(Ipv6Addr::from(*ip))),
        _ => None,
    };
    let ip = ip.ok_or_else(wrong_length)?;
    let port = cursor.u16_be().ok_or_else(wrong_length)?;
    let key = cursor.array::<256>().ok_or_else(wrong_length)?;

    cursor.key(key)?;
    if gramjs::looks_like(&bytes) {
        return Err(cursor.invalid(Field::Addr));
    }
    Ok(Portable {
        format: Some(FORMAT),
        addr: Some(SocketAddr::new(ip, cursor.port(port)?)),
        ..Portable::new(cursor.dc(dc)?, key)
    })
}

pub(super) fn write(portable: &Portable) -> Result<Zeroizing<String>, PortableError> {
    let addr = text::addr(portable, FORMAT)?;
    let mut out = text::buffer();
    out.push(text::dc_byte(portable, FORMAT)?);
    match addr.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&addr.port().to_be_bytes());
    out.extend_from_slice(portable.auth_key.as_bytes());
    Ok(text::encode_url(VERSION, &out, true))
}

/// What follows the version, which Telethon and GramJS have in common.
pub(super) fn versioned(format: Format, text: &str) -> Result<&str, PortableError> {
    let reads = VERSION
        .as_bytes()
        .first()
        .map_or(0, |b| b.wrapping_sub(b'0'));
    if let Some(body) = text.strip_prefix(VERSION) {
        return Ok(body);
    }
    match text.bytes().next() {
        Some(first) if first.is_ascii_digit() => Err(PortableError::Version {
            format,
            got: first.wrapping_sub(b'0'),
            reads,
        }),
        _ => Err(PortableError::Encoding { format, at: 0 }),
    }
}
