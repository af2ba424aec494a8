//! What was executed, for who wants to know afterwards.
//!
//! Does: [`Log`] appends a line to a file for every call that was executed.
//! In: calls and their answers. Out: lines of JSON.
//! Must not know: streams; what the methods do.
//! Spec: none.
//!
//! ```json
//! {"dc":2,"key":-81985529216486896,"session":5124095576030431,"msg_id":7351234567890123456,
//!  "method":"messages.sendMessage","digest":"9f86d081884c7d659a2feaa0c55ad015","error":null}
//! ```
//!
//! (in one line). The line is handed to the operating system after what the call did was saved and
//! before the answer is handed to the stream, so who has an answer finds its line, also when the
//! program was killed meanwhile. The exception: what was saved just before the program was killed may
//! miss its line, and is answered by the next one. A call that is executed twice has two lines. `key`
//! is the permanent key, if there is one.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mtproto_proto::MsgId;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::methods;
use super::world::{Answer, Caller};
use super::wrappers::peel;

/// Bytes of a SHA-256 that name a query: enough that no two of a test are taken for one.
const DIGEST: usize = 16;

/// No line is longer: its texts are names, numbers and one of the test DC's errors.
const MAX_LINE: u64 = 4 << 10;

/// The file, which is only ever appended to.
pub struct Log {
    path: PathBuf,
    file: File,
    /// Lines of calls whose answers nobody has seen.
    lines: String,
    failed: bool,
}

impl Log {
    /// Opens the file, or makes it, for this user only: it says who did what. Half a line at its end,
    /// which a program did not live to write, is taken away.
    ///
    /// # Errors
    /// If it cannot be read or written to.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        drop_half_line(&mut file)?;
        Ok(Log {
            path: path.to_owned(),
            file,
            lines: String::new(),
            failed: false,
        })
    }

    /// A call was executed; nobody has seen the answer yet.
    pub fn executed(&mut self, caller: &Caller, msg_id: MsgId, body: &Bytes, answer: &Answer) {
        let (query, id) = match peel(body) {
            Ok(peeled) => (peeled.query, peeled.id),
            Err(unreadable) => (body.clone(), unreadable.id),
        };
        let error = match answer {
            Answer::Error(code, text) => Some(format!("{code} {text}")),
            Answer::Result(_) | Answer::Bind(_) | Answer::DropTempKeys(..) => None,
        };
        let line = json!({
            "dc": caller.dc.0,
            "key": caller.perm.unwrap_or(caller.key).0,
            "session": caller.session.0,
            "msg_id": msg_id.0,
            "method": methods::name(id),
            "digest": digest(&query),
            "error": error,
        })
        .to_string();
        self.lines.push_str(&line);
        self.lines.push('\n');
    }

    /// What was executed counts from now on: it is saved, and its answers may leave. A failure to
    /// write is told on stderr once, until it succeeds again.
    pub fn flush(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.lines);
        // At once: half a line would be worse than none.
        match self.file.write_all(lines.as_bytes()) {
            Ok(()) => self.failed = false,
            Err(e) if !self.failed => {
                eprintln!("mtproto-testdc: cannot write {}: {e}", self.path.display());
                self.failed = true;
            }
            Err(_) => {}
        }
    }
}

fn drop_half_line(file: &mut File) -> io::Result<()> {
    let len = file.seek(SeekFrom::End(0))?;
    let from = len.saturating_sub(MAX_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n');
    match whole {
        Some(end) => file.set_len(from.saturating_add(end as u64).saturating_add(1)),
        None if from == 0 && (tail.is_empty() || tail.starts_with(b"{")) => file.set_len(0),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "no log of a test DC",
        )),
    }
}

/// What a query is known by in the log: the first 16 bytes of the SHA-256 of its id and arguments,
/// without any wrapper, in hexadecimal.
pub fn digest(query: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(query).iter().take(DIGEST) {
        // Writing to a `String` does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
