//! Records: the stream in pieces, each behind a header.
//!
//! Does: takes the pieces out of what comes, puts what goes into pieces.
//! In: bytes in any slicing. Out: the bytes inside; records.
//! Must not know: what the bytes inside are, and that records should be encrypted.
//! Spec: RFC 8446, section 5.1.
//!
//! ```text
//! kind  03 03  length, u16 BE  data
//! ```

use alloc::vec::Vec;

use super::{CHANGE_CIPHER_SPEC, DATA, HEADER, MAX_RECORD, NOTHING};
use crate::transport::Error;

/// The most that is written into one record: TDLib's number.
const MAX_WRITTEN: usize = 2_878;

/// Takes data out of records. It keeps the header of the one that has begun.
#[derive(Debug, Default)]
pub(super) struct Reader {
    header: [u8; HEADER],
    /// Bytes of the header that are there.
    known: usize,
    /// Bytes of the record that are not.
    left: usize,
}

impl Reader {
    /// Hands the data on, in as many pieces as it comes in.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut data: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let free = self.header.get_mut(self.known..).unwrap_or_default();
                let taken = free.len().min(bytes.len());
                let (new, rest) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
                for (to, from) in free.iter_mut().zip(new) {
                    *to = *from;
                }
                self.known = self.known.saturating_add(taken);
                bytes = rest;
                if self.known == HEADER {
                    self.left = length(&self.header)?;
                    self.known = 0;
                }
                continue;
            }
            let (piece, rest) = bytes.split_at_checked(self.left).unwrap_or((bytes, &[]));
            self.left = self.left.saturating_sub(piece.len());
            bytes = rest;
            match self.header {
                [DATA, ..] => data(piece),
                // Web servers send it once; what is in it is no data.
                [kind, ..] if piece != [1] => return Err(Error::TlsRecord { kind, len: 1 }),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The bytes of a record that may come, by its header.
fn length(header: &[u8; HEADER]) -> Result<usize, Error> {
    let [kind, major, minor, high, low] = *header;
    let len = u16::from_be_bytes([high, low]);
    let allowed = match kind {
        DATA => 1..=MAX_RECORD,
        CHANGE_CIPHER_SPEC => 1..=1,
        _ => 0..=0,
    };
    let size = usize::from(len);
    if [major, minor] != [0x03, 0x03] || size == 0 || !allowed.contains(&size) {
        return Err(Error::TlsRecord { kind, len });
    }
    Ok(size)
}

/// Puts what `out` holds from `start` on into records. `first`: the one that says nothing goes
/// before them.
pub(super) fn wrap(out: &mut Vec<u8>, start: usize, first: bool) {
    let data = out.split_off(start);
    let records = data.len().div_ceil(MAX_WRITTEN);
    let headers = records.saturating_mul(HEADER);
    out.reserve(
        data.len()
            .saturating_add(headers)
            .saturating_add(NOTHING.len()),
    );
    if first {
        out.extend(NOTHING);
    }
    for piece in data.chunks(MAX_WRITTEN) {
        let len = u16::try_from(piece.len()).unwrap_or(u16::MAX); // never more than MAX_WRITTEN
        let [high, low] = len.to_be_bytes();
        out.extend([DATA, 0x03, 0x03, high, low]);
        out.extend(piece);
    }
}
