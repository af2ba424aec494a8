//! mtcute's session string, version 3.
//!
//! Does: base64url without padding of the version (1 byte), flags (4, little endian), the main DC,
//! a DC for files if it is another, the user and whether it is a bot, the key; TL's forms of
//! `bytes`, `string`, `long` and `Bool`. A DC: version, number, flags (1 byte each), host, port.
//! In: text. Out: [`Portable`]; and back.
//! Must not know: the other formats.
//! Spec: `@mtcute/core`, `highlevel/utils/string-session`, `utils/dcs`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use zeroize::Zeroizing;

use super::text::{self, Alphabet, Cursor};
use super::{Field, Format, Portable, PortableError};
use crate::ids::DcId;

const FORMAT: Format = Format::Mtcute;
const VERSION: u8 = 3;
/// Versions that a text is recognised by: those that were, and some that may come.
const PLAUSIBLE_VERSIONS: core::ops::RangeInclusive<u8> = 1..=15;

/// The text has a user.
const SELF: i32 = 1;
/// Test servers: where an older release wrote it.
const TEST_MODE_OLD: i32 = 2;
/// The text has a DC for files.
const MEDIA: i32 = 4;

/// The version of a DC, with the mark of test servers; the one before had none.
const DC_VERSION: u8 = 2;
const DC_IPV6: u8 = 1;
const DC_TEST_MODE: u8 = 4;
/// Version, number, flags, an empty host and a port: the least that a DC has.
const DC_MIN: u8 = 11;

const TRUE: i32 = 0x9972_75b5_u32.cast_signed();
const FALSE: i32 = 0xbc79_9737_u32.cast_signed();

/// A version, few flags, and a DC's length and version.
pub(super) fn looks_like(head: &[u8]) -> bool {
    let mut cursor = Cursor::new(FORMAT, head);
    let (version, flags) = (cursor.u8(), cursor.i32_le());
    let (dc_len, dc_version) = (cursor.u8(), cursor.u8());
    version.is_some_and(|v| PLAUSIBLE_VERSIONS.contains(&v))
        && flags.is_some_and(|flags| (0..=0xff).contains(&flags))
        && dc_len.is_some_and(|len| len >= DC_MIN)
        && dc_version.is_some_and(|v| PLAUSIBLE_VERSIONS.contains(&v))
}

pub(super) fn parse(text: &str) -> Result<Portable, PortableError> {
    let bytes = text::decode(FORMAT, Alphabet::Url, 0, text)?;
    let wrong_length = || text::length(FORMAT, 0, text);
    let mut cursor = Cursor::new(FORMAT, &bytes);
    let version = cursor.u8().ok_or_else(wrong_length)?;
    if version != VERSION {
        return Err(other_version(version));
    }
    let flags = cursor.i32_le().ok_or_else(wrong_length)?;
    // A flag that is not known may mean a field that is not known.
    if flags & !(SELF | TEST_MODE_OLD | MEDIA) != 0 {
        return Err(cursor.invalid(Field::Flags));
    }
    let main = tl_bytes(&mut cursor).ok_or_else(wrong_length)?;
    if flags & MEDIA != 0 {
        tl_bytes(&mut cursor).ok_or_else(wrong_length)?;
    }
    let user = if flags & SELF == 0 {
        None
    } else {
        Some((
            cursor.u64_le().ok_or_else(wrong_length)?,
            cursor.i32_le().ok_or_else(wrong_length)?,
        ))
    };
    let key = tl_bytes(&mut cursor).ok_or_else(wrong_length)?;
    if !cursor.is_empty() {
        return Err(wrong_length());
    }

    let key = <&[u8; 256]>::try_from(key).map_err(|_| cursor.invalid(Field::AuthKey))?;
    cursor.key(key)?;
    let main = parse_dc(main)?;
    let bot = match user {
        Some((_, TRUE)) => Some(true),
        Some((_, FALSE)) => Some(false),
        Some(_) => return Err(cursor.invalid(Field::Bot)),
        None => None,
    };
    let user_id = user.map(|(id, _)| cursor.user_id(id)).transpose()?;
    Ok(Portable {
        format: Some(FORMAT),
        addr: main.addr,
        user_id,
        bot,
        test_mode: Some(main.test_mode || flags & TEST_MODE_OLD != 0),
        ..Portable::new(main.dc, key)
    })
}

pub(super) fn write(portable: &Portable) -> Result<Zeroizing<String>, PortableError> {
    let dc = write_dc(portable)?;
    let user = portable.user_id.zip(portable.bot);
    let mut out = text::buffer();
    out.push(VERSION);
    out.extend_from_slice(&if user.is_some() { SELF } else { 0 }.to_le_bytes());
    push_tl_bytes(&mut out, &dc);
    if let Some((id, bot)) = user {
        out.extend_from_slice(&text::user_id(id, FORMAT)?.to_le_bytes());
        out.extend_from_slice(&if bot { TRUE } else { FALSE }.to_le_bytes());
    }
    push_tl_bytes(&mut out, portable.auth_key.as_bytes());
    Ok(text::encode_url("", &out, false))
}

fn other_version(got: u8) -> PortableError {
    PortableError::Version {
        format: FORMAT,
        got,
        reads: VERSION,
    }
}

struct Dc {
    dc: DcId,
    addr: Option<SocketAddr>,
    test_mode: bool,
}

fn parse_dc(bytes: &[u8]) -> Result<Dc, PortableError> {
    let mut cursor = Cursor::new(FORMAT, bytes);
    let invalid = PortableError::Invalid {
        format: FORMAT,
        field: Field::Addr,
    };
    let cut = || invalid.clone();
    let [version, dc, flags] = *cursor.array::<3>().ok_or_else(cut)?;
    if !(1..=DC_VERSION).contains(&version) {
        return Err(cut());
    }
    let host = tl_bytes(&mut cursor).ok_or_else(cut)?;
    let port = cursor.i32_le().ok_or_else(cut)?;
    if !cursor.is_empty() {
        return Err(cut());
    }
    let port = u16::try_from(port).map_err(|_| cursor.invalid(Field::Port))?;
    let port = cursor.port(port)?;
    Ok(Dc {
        dc: cursor.dc(dc)?,
        addr: cursor.host(host)?.map(|ip| SocketAddr::new(ip, port)),
        test_mode: version == DC_VERSION && flags & DC_TEST_MODE != 0,
    })
}

fn write_dc(portable: &Portable) -> Result<Vec<u8>, PortableError> {
    let addr = text::addr(portable, FORMAT)?;
    let mut flags = 0;
    if addr.is_ipv6() {
        flags |= DC_IPV6;
    }
    if portable.test_mode == Some(true) {
        flags |= DC_TEST_MODE;
    }
    let mut out = Vec::new();
    out.extend_from_slice(&[DC_VERSION, text::dc_byte(portable, FORMAT)?, flags]);
    push_tl_bytes(&mut out, addr.ip().to_string().as_bytes());
    out.extend_from_slice(&i32::from(addr.port()).to_le_bytes());
    Ok(out)
}

/// TL's `bytes`, by hand: the reader of the schema wants the key in memory that nobody zeroises.
fn tl_bytes<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let (head, len) = match cursor.u8()? {
        254 => {
            let [a, b, c] = *cursor.array::<3>()?;
            (4, u32::from_le_bytes([a, b, c, 0]))
        }
        255 => return None,
        len => (1, u32::from(len)),
    };
    let len = usize::try_from(len).ok()?;
    let bytes = cursor.take(len)?;
    cursor.take(padding(head, len))?;
    Some(bytes)
}

/// For hosts, DCs and keys, all far below the 2^24 bytes that TL has room for.
fn push_tl_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(0);
    let [a, b, c, _] = len.to_le_bytes();
    let head = if len < 254 {
        out.push(a);
        1
    } else {
        out.extend_from_slice(&[254, a, b, c]);
        4
    };
    out.extend_from_slice(bytes);
    out.extend(core::iter::repeat_n(0, padding(head, bytes.len())));
}

/// Zeros up to a multiple of four.
fn padding(head: usize, len: usize) -> usize {
    let used = head.saturating_add(len);
    used.next_multiple_of(4).saturating_sub(used)
}
