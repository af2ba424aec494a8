//! The journal beside the state file: what happened since the file was written.
//!
//! Does: appends entries, each whole or not at all; reads them again.
//! In: changes of servers and of the world. Out: the same.
//! Must not know: what they mean.
//! Spec: none.
//!
//! It begins with a magic number and the number of the state that it goes on from. An entry is its
//! length, its CRC32 and its bytes. It is not synchronised with the disk: it outlives the process,
//! not a power failure.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use mtproto_proto::DcId;
use mtproto_proto::server::ServerChange;

use super::super::changes::Change;
use super::{MAX_LEN, private};

const MAGIC: &[u8; 8] = b"mtdcjnl1";
/// Length and checksum before each entry.
const ENTRY_HEADER: usize = 8;

/// What happened at one moment: everything between two times that output left.
pub struct Entry {
    /// To keys and sessions.
    pub servers: Vec<(DcId, ServerChange)>,
    /// To the world.
    pub world: Vec<Change>,
}

/// The open journal.
pub struct Journal {
    file: File,
    /// Its length.
    len: u64,
}

impl Journal {
    /// An empty one that goes on from this state.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(path: &Path, generation: u64) -> io::Result<Self> {
        let mut file = private(path)?;
        file.set_len(0)?;
        let header = [&MAGIC[..], &generation.to_le_bytes()].concat();
        file.write_all(&header)?;
        Ok(Journal {
            file,
            len: header.len() as u64,
        })
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Adds what happened; when this returns, it outlives the process.
    ///
    /// # Errors
    /// If it cannot be written. It may be torn then and nothing more may be added.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let bytes = write_entry(entry);
        self.file.write_all(&bytes)?;
        self.len = self.len.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

/// What happened since this state; nothing if the journal is not there or goes on from another.
///
/// # Errors
/// What is wrong with it. The end of an entry that the process did not live to write is left out.
pub fn read(path: &Path, generation: u64) -> Result<Vec<Entry>, String> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_LEN).read_to_end(&mut bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => Err(e),
    }
    .map_err(|e| e.to_string())?;
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        // One that the process did not live to begin.
        return if MAGIC.starts_with(&bytes) {
            Ok(Vec::new())
        } else {
            Err("no journal of a test DC".to_owned())
        };
    };
    let Some((of, mut rest)) = rest.split_first_chunk::<8>() else {
        return Ok(Vec::new());
    };
    if u64::from_le_bytes(*of) != generation {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    while let Some((header, tail)) = rest.split_first_chunk::<ENTRY_HEADER>() {
        let (len, crc) = header.split_at(4);
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap_or_default());
        let Some((entry, tail)) = tail.split_at_checked(number(len) as usize) else {
            break;
        };
        if crc32fast::hash(entry) != number(crc) {
            if tail.is_empty() {
                break;
            }
            return Err(format!("damaged: entry {}", entries.len()));
        }
        let entry = read_entry(entry).map_err(|e| format!("entry {}: {e}", entries.len()))?;
        entries.push(entry);
        rest = tail;
    }
    Ok(entries)
}

#[expect(
    clippy::expect_used,
    reason = "a writer to memory, and no map with odd keys: nothing can fail"
)]
fn write_entry(entry: &Entry) -> Vec<u8> {
    let mut out = vec![0; ENTRY_HEADER];
    put_len(&mut out, entry.servers.len());
    for (dc, change) in &entry.servers {
        let change = change.to_bytes();
        out.extend_from_slice(&dc.0.to_le_bytes());
        put_len(&mut out, change.len());
        out.extend_from_slice(&change);
    }
    serde_json::to_writer(&mut out, &entry.world).expect("it has text and numbers only");
    if let Some((header, content)) = out.split_first_chunk_mut::<ENTRY_HEADER>() {
        let (len, crc) = (content.len() as u32, crc32fast::hash(content));
        let numbers = len.to_le_bytes().into_iter().chain(crc.to_le_bytes());
        for (to, from) in header.iter_mut().zip(numbers) {
            *to = from;
        }
    }
    out
}

/// Lengths stay below 2^32: an entry holds what a moment brought.
fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&(len as u32).to_le_bytes());
}

fn read_entry(bytes: &[u8]) -> Result<Entry, String> {
    let damaged = || "damaged".to_owned();
    let mut rest = bytes;
    let take = |rest: &mut &[u8], len: usize| {
        let (taken, tail) = rest.split_at_checked(len)?;
        *rest = tail;
        Some(taken.to_vec())
    };
    let len = |rest: &mut &[u8]| {
        let bytes = take(rest, 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    let mut servers = Vec::new();
    for _ in 0..len(&mut rest).ok_or_else(damaged)? {
        let dc = take(&mut rest, 2).and_then(|dc| dc.try_into().ok());
        let dc = DcId(i16::from_le_bytes(dc.ok_or_else(damaged)?));
        let len = len(&mut rest).ok_or_else(damaged)?;
        let change = take(&mut rest, len).ok_or_else(damaged)?;
        let change = ServerChange::from_bytes(&change).map_err(|e| e.to_string())?;
        servers.push((dc, change));
    }
    let world = serde_json::from_slice(rest).map_err(|e| e.to_string())?;
    Ok(Entry { servers, world })
}
