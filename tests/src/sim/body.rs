//! What calls, answers and updates of a run look like inside.
//!
//! Does: writes and reads them; a call carries its tag, so that the server's owner, the wire and the
//! application mean the same request whatever message ids it had.
//! In: tags, lengths. Out: bodies; a call's tag, and what it is to come after.
//! Must not know: who says what.
//! Spec: "Calling API methods", invokeAfterMsg.

use bytes::Bytes;
use mtproto_proto::MsgId;
use mtproto_proto::session::{MAX_INFLATED, inflate};
use mtproto_schema::mtproto::types;
use mtproto_schema::{Constructor, Reader, tl};

/// Names one request for a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// The longest call has so many words behind its tag.
pub(super) const MAX_WORDS: usize = 20_000;
/// Bytes of the longest call.
pub(super) const MAX_LEN: usize = 12 + 4 * MAX_WORDS;

const CALL: u32 = 0x51_4d_ca_11;
const ANSWER: u32 = 0x51_4d_a2_5e;
const UPDATE: u32 = 0x51_4d_06_da;
const INVOKE_AFTER_MSG: u32 = 0xcb9f_372d;
const INVOKE_AFTER_MSGS: u32 = 0x3dc4_b4f0;

/// A call of `words` 32-bit words behind its tag.
pub(super) fn call(tag: Tag, words: usize) -> Bytes {
    body(CALL, tag.0, words)
}

/// The answer to the call with this tag.
pub(super) fn answer(tag: Tag, words: usize) -> Bytes {
    body(ANSWER, tag.0, words)
}

/// The tag of an answer.
pub(super) fn answered(body: &Bytes) -> Option<Tag> {
    read(ANSWER, body).map(Tag)
}

/// An update with this number.
pub(super) fn update(number: u64, words: usize) -> Bytes {
    body(UPDATE, number, words)
}

/// The number of an update.
pub(super) fn updated(body: &Bytes) -> Option<u64> {
    read(UPDATE, body)
}

/// The message of the error that the owner answers a call with.
pub(super) fn error_of(tag: Tag) -> String {
    format!("SIM_ERROR_{}", tag.0)
}

fn body(constructor: u32, number: u64, words: usize) -> Bytes {
    let mut out = Vec::with_capacity(12 + words * 4);
    tl::put_u32(&mut out, constructor);
    tl::put_i64(&mut out, number as i64);
    // Neither all the same nor without a pattern: it compresses as text does.
    for word in 0..words as u64 {
        tl::put_u32(&mut out, (number.wrapping_mul(31) + word / 3) as u32 & 0xff);
    }
    out.into()
}

fn read(constructor: u32, body: &Bytes) -> Option<u64> {
    let mut reader = Reader::new(body);
    let is = reader.u32() == constructor;
    let number = reader.i64() as u64;
    reader.check().ok()?;
    is.then_some(number)
}

/// A call without what was wrapped around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peeled {
    pub tag: Tag,
    /// The messages that it is to be executed after.
    pub after: Vec<MsgId>,
}

/// Takes `invokeWithLayer`, `initConnection`, `invokeAfterMsg(s)` and `gzip_packed` off a call, in
/// any order.
pub(super) fn peel(body: &Bytes) -> Option<Peeled> {
    let mut after = Vec::new();
    let mut rest = body.clone();
    while let Some(constructor) = rest.first_chunk().map(|id| u32::from_le_bytes(*id)) {
        match constructor {
            CALL => {
                let tag = Tag(read(CALL, &rest)?);
                return Some(Peeled { tag, after });
            }
            INVOKE_AFTER_MSG => {
                let mut reader = Reader::new(&rest);
                reader.u32();
                after.push(MsgId(reader.i64()));
                reader.check().ok()?;
                rest = rest.slice(12..);
            }
            INVOKE_AFTER_MSGS => {
                let mut reader = Reader::new(&rest);
                reader.u32();
                reader.u32();
                let count = reader.u32() as usize;
                after.extend((0..count.min(rest.len() / 8)).map(|_| MsgId(reader.i64())));
                reader.check().ok()?;
                rest = rest.slice(12 + 8 * count..);
            }
            types::GzipPacked::ID => {
                let mut reader = Reader::new(&rest);
                reader.u32();
                let packed = reader.bytes();
                reader.check().ok()?;
                rest = inflate(&packed, MAX_INFLATED)?;
            }
            // A word of `initConnection` or of what else is in the way.
            _ => rest = rest.slice(4..),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tamper::{gzip, gzip_packed};

    #[test]
    fn a_call_is_found_behind_everything_that_is_wrapped_around_it() {
        let plain = call(Tag(77), 40);
        let peeled = |after: &[i64]| Peeled {
            tag: Tag(77),
            after: after.iter().copied().map(MsgId).collect(),
        };
        assert_eq!(peel(&plain), Some(peeled(&[])));
        let packed = Bytes::from(gzip_packed(&gzip(&plain)));
        assert_eq!(peel(&packed), Some(peeled(&[])));
        let mut after = Vec::new();
        tl::put_u32(&mut after, INVOKE_AFTER_MSG);
        tl::put_i64(&mut after, 4);
        tl::put_u32(&mut after, INVOKE_AFTER_MSGS);
        tl::put_vector(&mut after, 2);
        tl::put_i64(&mut after, 8);
        tl::put_i64(&mut after, 12);
        after.extend(&packed);
        assert_eq!(peel(&after.into()), Some(peeled(&[4, 8, 12])));
        assert_eq!(peel(&update(5, 3)), None);
        assert_eq!(updated(&update(5, 3)), Some(5));
        assert_eq!(answered(&answer(Tag(9), 0)), Some(Tag(9)));
    }
}
