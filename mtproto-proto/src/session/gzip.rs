//! `gzip_packed`: inflating what came, bounded, and deflating what goes.
//!
//! Does: RFC 1952 (gzip) and RFC 1950 (zlib) in, gzip out.
//! In: compressed bytes that a peer chose. Out: at most [`MAX_INFLATED`] bytes.
//! Must not know: messages.
//! Spec: "Service Messages", packed object.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// Inflated bytes of all that one packet holds: the largest answers seen are 2–3 MB, times four.
pub const MAX_INFLATED: usize = 10 << 20;
/// Inflated bytes for one compressed byte. Deflate cannot exceed 1,032; real answers stay below
/// 50. Small messages are exempt up to [`RATIO_FROM`].
pub(super) const MAX_RATIO: usize = 512;
/// Inflated sizes below this are never a bomb.
const RATIO_FROM: usize = 64 << 10;
/// Growth of the output buffer.
const CHUNK: usize = 32 << 10;
/// All of the output is one buffer, which grows.
const BARE: u32 = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
/// The same, with the header and the checksum of zlib.
const ZLIB: u32 = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER | BARE;

/// Inflates gzip or zlib data into at most `room` bytes; `None` if it is broken, larger, or too
/// good to be true.
pub fn inflate(packed: &[u8], room: usize) -> Option<Bytes> {
    let mut room = room;
    inflate_within(packed, &mut room, MAX_RATIO)
}

/// The same with another bound on what one compressed byte may become. The `room` is less afterwards
/// by what was inflated, in vain too: that has cost as much.
pub(super) fn inflate_within(packed: &[u8], room: &mut usize, ratio: usize) -> Option<Bytes> {
    let (deflated, flags) = match packed {
        [0x1f, 0x8b, ..] => (skip_gzip_header(packed)?, BARE),
        _ => (packed, ZLIB),
    };
    let limit = packed
        .len()
        .saturating_mul(ratio)
        .max(RATIO_FROM)
        .min(*room);
    let mut state = DecompressorOxide::new();
    let mut out = vec![0; packed.len().saturating_mul(4).clamp(256, CHUNK).min(*room)];
    let (mut read, mut written) = (0_usize, 0_usize);
    loop {
        let (status, consumed, produced) =
            decompress(&mut state, deflated.get(read..)?, &mut out, written, flags);
        read = read.checked_add(consumed)?;
        written = written.checked_add(produced)?;
        *room = room.saturating_sub(produced);
        if status == TINFLStatus::Done {
            out.truncate(written);
            // Who keeps it keeps no more than it.
            out.shrink_to_fit();
            return Some(out.into());
        }
        let grown = out.len().saturating_mul(2).min(limit);
        if status != TINFLStatus::HasMoreOutput || grown <= out.len() {
            return None;
        }
        out.resize(grown, 0);
    }
}

/// The deflate stream behind a gzip header with any of its optional fields.
fn skip_gzip_header(packed: &[u8]) -> Option<&[u8]> {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const HEADER_CRC: u8 = 2;

    let (header, mut rest) = packed.split_first_chunk::<10>()?;
    let [_, _, method, flags, ..] = *header;
    if method != 8 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (len, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*len))..)?;
    }
    for field in [NAME, COMMENT] {
        if flags & field != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end.checked_add(1)?..)?;
        }
    }
    if flags & HEADER_CRC != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// Compression level: the usual middle.
const LEVEL: u8 = 6;

/// Compresses into gzip; `None` unless at least a tenth is saved.
pub(crate) fn deflate(data: &[u8]) -> Option<Vec<u8>> {
    let deflated = compress_to_vec(data, LEVEL);
    // Header and trailer.
    let total = deflated.len().saturating_add(18);
    if total >= data.len().saturating_sub(data.len() / 10) {
        return None;
    }
    let mut out = Vec::with_capacity(total);
    // Method 8, no flags, no time, unknown system.
    out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    out.extend_from_slice(&deflated);
    out.extend_from_slice(&crc32fast::hash(data).to_le_bytes());
    out.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    Some(out)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deflated_inflates_to_itself_and_zlib_too() {
        let data: Vec<u8> = (0..100_000_u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        let packed = deflate(&data).unwrap();
        assert!(packed.len() < data.len() / 2);
        assert_eq!(inflate(&packed, MAX_INFLATED).unwrap(), data);
        let zlib = miniz_oxide::deflate::compress_to_vec_zlib(&data, 6);
        assert_eq!(inflate(&zlib, MAX_INFLATED).unwrap(), data);
        for cut in 0..64 {
            assert_eq!(inflate(&packed[..cut], MAX_INFLATED), None, "cut {cut}");
        }
    }

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        let data: Vec<u8> = (0..200_u8).collect();
        assert_eq!(deflate(&data), None);
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 512 << 20], 9);
        assert!(bomb.len() < 600 << 10);
        assert_eq!(inflate(&bomb, MAX_INFLATED), None);
        let small = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 1 << 20], 9);
        assert_eq!(inflate(&small, MAX_INFLATED), None);
    }

    #[test]
    fn the_bounds_of_size_and_ratio_are_taken_and_nothing_more() {
        let pack = |len: usize| miniz_oxide::deflate::compress_to_vec_zlib(&vec![7; len], 9);
        let inflated = |packed: &[u8], room| inflate(packed, room).map(|out| out.len());
        // Noise does not shrink, so only the room bounds it.
        let noise: Vec<u8> = (0..100_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&noise, 6);
        assert_eq!(inflated(&packed, noise.len()), Some(noise.len()));
        assert_eq!(inflated(&packed, noise.len() - 1), None);
        assert_eq!(inflated(&packed, 0), None);
        // What is small may have any ratio.
        assert_eq!(inflated(&pack(RATIO_FROM), MAX_INFLATED), Some(RATIO_FROM));
        assert_eq!(inflated(&pack(RATIO_FROM + 1), MAX_INFLATED), None);
        // Some more bytes allow some more.
        let mut stored = pack(RATIO_FROM);
        stored.extend([0; 100]);
        let allowed = stored.len() * MAX_RATIO;
        let mut large = pack(allowed);
        assert!(large.len() < stored.len());
        large.resize(stored.len(), 0);
        assert_eq!(inflated(&large, MAX_INFLATED), Some(allowed));
        let mut larger = pack(allowed + 1);
        larger.resize(stored.len(), 0);
        assert_eq!(inflated(&larger, MAX_INFLATED), None);
    }

    #[test]
    fn what_breaks_off_or_is_damaged_is_refused() {
        let data: Vec<u8> = (0..50_000_u32)
            .flat_map(|n| (n / 3).to_le_bytes())
            .collect();
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&data, 6);
        for cut in [1, 2, 3, packed.len() / 2, packed.len() - 1] {
            assert_eq!(inflate(&packed[..cut], MAX_INFLATED), None, "cut {cut}");
        }
        // The checksum at the end.
        let mut damaged = packed.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(inflate(&damaged, MAX_INFLATED), None);
    }
}
