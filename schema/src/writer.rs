//! Writing TL's primitives.
//!
//! Does: the helpers in [`tl`](crate::tl): numbers, strings, vector headers, appended to a `Vec`.
//! In: values. Out: whole 4-byte words.
//! Must not know: constructors.
//! Spec: "Binary Data Serialization".

use alloc::vec::Vec;

/// The id of `boolTrue`.
pub const BOOL_TRUE: u32 = 0x997275b5;
/// The id of `boolFalse`.
pub const BOOL_FALSE: u32 = 0xbc799737;
/// The id of `vector`.
pub const VECTOR: u32 = 0x1cb5c415;

/// Appends an `int`.
#[inline]
pub fn put_i32(out: &mut Vec<u8>, v: i32) {
    out.extend_from_slice(&v.to_le_bytes());
}

/// Appends a `#` or a constructor's id.
#[inline]
pub fn put_u32(out: &mut Vec<u8>, v: u32) {
    out.extend_from_slice(&v.to_le_bytes());
}

/// Appends a `long`.
#[inline]
pub fn put_i64(out: &mut Vec<u8>, v: i64) {
    out.extend_from_slice(&v.to_le_bytes());
}

/// Appends a `double`.
#[inline]
pub fn put_f64(out: &mut Vec<u8>, v: f64) {
    out.extend_from_slice(&v.to_le_bytes());
}

/// Appends a `Bool`.
#[inline]
pub fn put_bool(out: &mut Vec<u8>, v: bool) {
    put_u32(out, if v { BOOL_TRUE } else { BOOL_FALSE });
}

/// Appends bytes as they stand: an `int128`, an `int256`, something already encoded.
#[inline]
pub fn put_raw(out: &mut Vec<u8>, v: &[u8]) {
    out.extend_from_slice(v);
}

/// Appends `bytes` or a `string`: length, content, zeros up to a whole word.
///
/// From 16 MiB on the length takes seven bytes, as TDLib writes it.
pub fn put_bytes(out: &mut Vec<u8>, v: &[u8]) {
    let len = v.len();
    out.reserve(len.saturating_add(12));
    let [a, b, c, d, e, f, g, _] = u64::try_from(len).unwrap_or(u64::MAX).to_le_bytes();
    let header = match len {
        0..=253 => {
            out.push(a);
            1
        }
        254..=0xff_ffff => {
            out.extend_from_slice(&[254, a, b, c]);
            0
        }
        _ => {
            out.extend_from_slice(&[255, a, b, c, d, e, f, g]);
            0
        }
    };
    out.extend_from_slice(v);
    let zeros: &[u8] = match padding(len.wrapping_add(header)) {
        0 => &[],
        1 => &[0],
        2 => &[0, 0],
        _ => &[0, 0, 0],
    };
    out.extend_from_slice(zeros);
}

/// Appends the count of a bare vector.
#[inline]
pub fn put_count(out: &mut Vec<u8>, n: usize) {
    put_u32(out, u32::try_from(n).unwrap_or(u32::MAX));
}

/// Appends the header of a boxed vector.
#[inline]
pub fn put_vector(out: &mut Vec<u8>, n: usize) {
    put_u32(out, VECTOR);
    put_count(out, n);
}

/// Bytes of padding after `len` bytes: 0 to 3.
#[inline]
pub const fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}

/// The length in four bytes; on a 16-bit machine the longest, which is more than there is.
#[inline]
pub(crate) fn usize_from_le(bytes: [u8; 4]) -> usize {
    usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
}
