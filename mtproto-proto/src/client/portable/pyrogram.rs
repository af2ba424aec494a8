//! Pyrogram's session string.
//!
//! Does: base64url without padding of DC (1 byte), `api_id` (4), test mode (1), key (256), user
//! (8), bot (1), big endian; reads what releases before 2.0 wrote, without `api_id` and with a
//! user of 4 bytes, or of 8.
//! In: text. Out: [`Portable`]; and back.
//! Must not know: the other formats.
//! Spec: `pyrogram/storage/storage.py`.

use alloc::string::String;

use zeroize::Zeroizing;

use super::text::{self, Alphabet, Cursor};
use super::{Field, Format, Portable, PortableError};

const FORMAT: Format = Format::Pyrogram;
/// Bytes with `api_id`, and a user of 8 bytes: since 2.0.
const SIZE: usize = 271;
/// Bytes without `api_id`, and a user of 8 bytes: 1.3 and 1.4, for large ids.
const SIZE_1_3: usize = 267;
/// Bytes without `api_id`, and a user of 4 bytes: 1.x.
const SIZE_1_0: usize = 263;
/// From here on users have 8 bytes. It tells half of the texts of 2.0 that lost eleven characters
/// from those of 1.0; by the other half the server sees a key that it does not know.
const MAX_USER_ID_1_0: u64 = 0x7fff_ffff;
/// The highest DC that a text is recognised by; Telegram has five.
const LAST_DC: u8 = 5;

/// Whether a text has one of the three lengths.
pub(super) fn has_length_of(text: &str) -> bool {
    let got = text::unpadded_len(text);
    [SIZE, SIZE_1_3, SIZE_1_0]
        .iter()
        .any(|size| size.saturating_mul(4).div_ceil(3) == got)
}

/// A DC, and then a mark of the test servers at the place of an old or a new text.
pub(super) fn looks_like(head: &[u8]) -> bool {
    let mark = |at: usize| head.get(at).is_some_and(|b| *b <= 1);
    head.first().is_some_and(|dc| (1..=LAST_DC).contains(dc)) && (mark(1) || mark(5))
}

pub(super) fn parse(text: &str) -> Result<Portable, PortableError> {
    let bytes = text::decode(FORMAT, Alphabet::Url, 0, text)?;
    let wrong_length = || text::length(FORMAT, 0, text);
    let mut cursor = Cursor::new(FORMAT, &bytes);
    let dc = cursor.u8().ok_or_else(wrong_length)?;
    let api_id = match bytes.len() {
        SIZE => cursor.u32_be(),
        SIZE_1_3 | SIZE_1_0 => Some(0),
        _ => None,
    };
    let api_id = api_id.ok_or_else(wrong_length)?;
    let test_mode = cursor.u8().ok_or_else(wrong_length)?;
    let key = cursor.array::<256>().ok_or_else(wrong_length)?;
    let user_id = if bytes.len() == SIZE_1_0 {
        cursor.u32_be().map(u64::from)
    } else {
        cursor.u64_be()
    };
    let user_id = user_id.ok_or_else(wrong_length)?;
    let bot = cursor.u8().ok_or_else(wrong_length)?;

    cursor.key(key)?;
    // Converters write zeros for what they do not know; Pyrogram itself always knows.
    let user_id = match user_id {
        0 if bytes.len() == SIZE => None,
        id if bytes.len() == SIZE_1_0 && id >= MAX_USER_ID_1_0 => {
            return Err(cursor.invalid(Field::UserId));
        }
        id => Some(cursor.user_id(id)?),
    };
    let api_id = i32::try_from(api_id).map_err(|_| cursor.invalid(Field::ApiId))?;
    let bot = mark(&cursor, bot, Field::Bot)?;
    Ok(Portable {
        format: Some(FORMAT),
        user_id,
        bot: user_id.map(|_| bot),
        api_id: Some(api_id).filter(|id| *id != 0),
        test_mode: Some(mark(&cursor, test_mode, Field::TestMode)?),
        ..Portable::new(cursor.dc(dc)?, key)
    })
}

fn mark(cursor: &Cursor<'_>, byte: u8, field: Field) -> Result<bool, PortableError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(cursor.invalid(field)),
    }
}

pub(super) fn write(portable: &Portable) -> Result<Zeroizing<String>, PortableError> {
    let api_id = text::wanted(portable.api_id, FORMAT, Field::ApiId)?;
    let api_id = u32::try_from(api_id).map_err(|_| PortableError::Unrepresentable {
        format: FORMAT,
        field: Field::ApiId,
    })?;
    let user_id = text::wanted(portable.user_id, FORMAT, Field::UserId)?;
    let user_id = text::user_id(user_id, FORMAT)?;
    let bot = text::wanted(portable.bot, FORMAT, Field::Bot)?;
    let mut out = text::buffer();
    out.push(text::dc_byte(portable, FORMAT)?);
    out.extend_from_slice(&api_id.to_be_bytes());
    out.push(u8::from(portable.test_mode.unwrap_or(false)));
    out.extend_from_slice(portable.auth_key.as_bytes());
    out.extend_from_slice(&user_id.to_be_bytes());
    out.push(u8::from(bot));
    Ok(text::encode_url("", &out, false))
}
