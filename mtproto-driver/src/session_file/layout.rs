//! The bytes of a session file: a header, then blocks.
//!
//! Does: writes and finds blocks; tells a block that a crash cut off from one that was changed.
//! In: bytes. Out: bytes.
//! Must not know: what is in a block.
//! Spec: none.
//!
//! ```text
//! header   magic 8 | version 1 | sealed 1 | 0 0 | file id 16 | crc32 4
//! block    length 4 | crc32 of (file id, number, length) 4 | payload | crc32 4 | mark 1
//! ```
//! Numbers are little endian. Block 0 is the whole of the account when the file was written, each
//! other block a batch of changes. A block that ends with its mark was written to its end: file
//! systems that lengthen a file before they fill it fill it with zeros.

use crc32fast::Hasher;

const MAGIC: [u8; 8] = *b"mtpsess\x1a";

/// The layout that is written, and the newest one that is read.
pub(super) const VERSION: u8 = 1;

/// The header's length, bytes.
pub(super) const HEADER: usize = 32;

const HEAD: usize = 8;
const TAIL: usize = 5;
/// What a block is longer than its payload, bytes.
pub(super) const OVERHEAD: u64 = (HEAD + TAIL) as u64;

const MARK: u8 = b'\n';

/// What the file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its payloads went through a cipher.
    pub(super) sealed: bool,
    /// Another one for every file that is written.
    pub(super) id: [u8; 16],
}

/// Why a file does not begin like ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    NotASession,
    Version(u8),
    Damaged,
}

/// What is found where a block may be.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A block: its payload, and where the next one begins.
    Block { payload: &'a [u8], next: usize },
    /// The end of the file.
    End,
    /// A block that was not written to its end.
    Torn,
    /// A block that was changed, or is no block.
    Damaged,
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8] = VERSION;
        bytes[9] = u8::from(self.sealed);
        bytes[12..28].copy_from_slice(&self.id);
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn parse(file: &[u8]) -> Result<Self, HeaderError> {
        if !file.starts_with(&MAGIC) {
            return Err(HeaderError::NotASession);
        }
        // A newer header may be longer, or shorter.
        match file.get(8) {
            None => return Err(HeaderError::Damaged),
            Some(&version) if version > VERSION => return Err(HeaderError::Version(version)),
            Some(_) => {}
        }
        let Some(bytes) = file.first_chunk::<HEADER>() else {
            return Err(HeaderError::Damaged);
        };
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[12..28]);
        let header = Header {
            sealed: bytes[9] != 0,
            id,
        };
        if header.to_bytes() == *bytes {
            Ok(header)
        } else {
            Err(HeaderError::Damaged)
        }
    }

    /// What a sealed block is bound to: its file, and its place in it.
    pub(super) fn context(&self, number: u64) -> [u8; 24] {
        let mut context = [0; 24];
        context[..16].copy_from_slice(&self.id);
        context[16..].copy_from_slice(&number.to_le_bytes());
        context
    }

    /// Appends a block; its payload is at most 4 GiB long.
    pub(super) fn write_block(&self, number: u64, payload: &[u8], out: &mut Vec<u8>) {
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&self.head_crc(number, len).to_le_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        out.push(MARK);
    }

    /// The block with this number, which begins at `at`.
    pub(super) fn find_block<'a>(&self, file: &'a [u8], at: usize, number: u64) -> Found<'a> {
        let rest = file.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Found::End;
        }
        let Some(head) = rest.first_chunk::<HEAD>() else {
            return Found::Torn;
        };
        let [l0, l1, l2, l3, crc @ ..] = *head;
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        if crc != self.head_crc(number, len).to_le_bytes() {
            // From the last byte of the head on: the file system lengthened the file and filled in
            // nothing.
            return torn_if(rest.iter().skip(HEAD - 1).all(|byte| *byte == 0));
        }
        let end = usize::try_from(len).unwrap_or(usize::MAX);
        let body = rest.get(HEAD..).and_then(|it| it.split_at_checked(end));
        let Some((payload, (tail, after))) =
            body.and_then(|(payload, it)| Some((payload, it.split_first_chunk::<TAIL>()?)))
        else {
            return Found::Torn;
        };
        let [crc @ .., mark] = *tail;
        if crc == crc32fast::hash(payload).to_le_bytes() && mark == MARK {
            let next = file.len().saturating_sub(after.len());
            Found::Block { payload, next }
        } else {
            torn_if(mark == 0 && is_zero(after))
        }
    }

    fn head_crc(&self, number: u64, len: u32) -> u32 {
        let mut hasher = Hasher::new();
        hasher.update(&self.context(number));
        hasher.update(&len.to_le_bytes());
        hasher.finalize()
    }
}

fn torn_if(torn: bool) -> Found<'static> {
    if torn { Found::Torn } else { Found::Damaged }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
