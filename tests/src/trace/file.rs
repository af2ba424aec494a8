//! The file: its head, its lines, and who writes them.
//!
//! Does: [`Trace`], what recorders write to, shared by all machines of a run; [`Lines`], which reads
//! with bounded memory and knows a file that was cut off.
//! In: lines, or bytes that anybody may have written. Out: the other one.
//! Must not know: what the lines mean.
//! Spec: none.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::Stored;

/// The first word of every trace.
const MAGIC: &str = "mtproto-trace";
/// The format that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;
/// The last line of a trace that is whole, before the number of the lines that count.
const END: &str = "end";
/// One line: the largest frame that a client reads, 4 MiB, in two digits for each byte, with room
/// for what several frames read at once are longer.
pub const MAX_LINE: usize = 32 << 20;

/// What kind of trace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With seeds and keys: it can be run again.
    Full,
    /// Under throw-away keys, without contents: it can be given away.
    Shareable,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Full => "full",
            Kind::Shareable => "shareable",
        }
    }

    /// What everybody has to know who holds such a file.
    pub fn notice(self) -> &'static [&'static str] {
        match self {
            Kind::Full => &[
                "SECRET. THIS FILE CONTAINS KEYS AND THE SEED THAT THEY WERE MADE FROM.",
                "WHOEVER HAS THIS FILE OWNS THE ACCOUNT. GIVE IT TO NOBODY WHO IS NOT TO HAVE THAT.",
            ],
            Kind::Shareable => &[
                "Packets under a throw-away key; contents are replaced by as many random bytes.",
                "It shows when and how much was said, and which methods were called.",
            ],
        }
    }
}

/// Where recorders write to. Clones write to the same place; the last one ends it.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Shared>>);

struct Shared(Mutex<Sink>);

struct Sink {
    out: Box<dyn Write + Send>,
    /// The first thing that went wrong; nothing is written after it.
    error: Option<io::Error>,
    machines: u64,
    lines: u64,
    /// Every line leaves at once: the program may not live long.
    flush: bool,
    ended: bool,
}

impl Trace {
    /// Writes nothing: recorders cost a comparison.
    pub fn off() -> Self {
        Trace(None)
    }

    /// A full trace in a new file that only its owner may read; a former one is replaced.
    ///
    /// **It contains the keys: whoever has the file owns the account.**
    ///
    /// # Errors
    /// Of the operating system.
    pub fn full(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::full_to(BufWriter::new(create(path.as_ref())?))
    }

    /// A full trace into anything. **It contains the keys.**
    ///
    /// # Errors
    /// The head could not be written.
    pub fn full_to(out: impl Write + Send + 'static) -> io::Result<Self> {
        Self::begin(Kind::Full, Box::new(out), false)
    }

    pub(super) fn begin(
        kind: Kind,
        mut out: Box<dyn Write + Send>,
        flush: bool,
    ) -> io::Result<Self> {
        writeln!(out, "{MAGIC} {VERSION} {}", kind.name())?;
        for line in kind.notice() {
            writeln!(out, "# {line}")?;
        }
        writeln!(
            out,
            "# Written by mtproto-test {}.",
            env!("CARGO_PKG_VERSION")
        )?;
        out.flush()?;
        Ok(Trace(Some(Arc::new(Shared(Mutex::new(Sink {
            out,
            error: None,
            machines: 0,
            lines: 0,
            flush,
            ended: false,
        }))))))
    }

    /// Whether anything is written.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes the end, if nobody has yet. Without, the last clone that is dropped does so.
    ///
    /// # Errors
    /// The first error of all writing: from there on the trace is cut off.
    pub fn finish(&self) -> io::Result<()> {
        let Some(shared) = &self.0 else {
            return Ok(());
        };
        let mut sink = shared.lock();
        sink.end();
        match sink.error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// A name for one more machine.
    pub(super) fn machine(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| {
            let mut sink = shared.lock();
            sink.machines += 1;
            sink.machines
        })
    }

    /// Appends what a machine is made from. What cannot be written cannot be run again: that is an
    /// error of the trace.
    pub(super) fn config(&self, words: &mut String, config: &impl Stored) {
        if let Some(config) = config.words() {
            words.push_str(&config);
        } else if let Some(shared) = &self.0 {
            let error = io::Error::other("a configuration has a field that no trace can hold");
            shared.lock().error.get_or_insert(error);
        }
    }

    /// Writes a line.
    pub(super) fn line(&self, line: &str) {
        if let Some(shared) = &self.0 {
            shared.lock().line(line);
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() {
            "Trace(on)"
        } else {
            "Trace(off)"
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Sink> {
        // Whoever panicked did not do so while writing: the lines are whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    fn line(&mut self, line: &str) {
        if self.error.is_some() || self.ended {
            return;
        }
        let mut write = || {
            self.out.write_all(line.as_bytes())?;
            self.out.write_all(b"\n")?;
            if self.flush { self.out.flush() } else { Ok(()) }
        };
        match write() {
            Ok(()) => self.lines += 1,
            Err(error) => self.error = Some(error),
        }
    }

    fn end(&mut self) {
        self.line(&format!("{END} {}", self.lines));
        self.ended = true;
        if let Err(error) = self.out.flush() {
            self.error.get_or_insert(error);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.end();
    }
}

/// A new file for the eyes of its owner.
pub(super) fn create(path: &Path) -> io::Result<std::fs::File> {
    // Who had the former one open does not read on in this one.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A place in memory to write to, for tests.
#[derive(Clone, Default)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

/// Does not show what was written: a full trace holds keys.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffer(..)")
    }
}

impl Buffer {
    /// What was written since the last call.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a file is no trace, or not one that can be read on.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// Of the operating system.
    Io(io::Error),
    /// It does not begin like a trace.
    NotATrace,
    /// It was written by a newer release.
    Version {
        /// The version found.
        got: u32,
        /// The newest that is read.
        max: u32,
    },
    /// A line is longer than any that is written.
    LineTooLong {
        /// Its number, from 1.
        line: u64,
        /// The bound, bytes.
        max: usize,
    },
    /// A line says nothing that is known.
    BadLine {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => write!(f, "the trace cannot be read: {error}"),
            ReadError::NotATrace => f.write_str("this is no trace: it does not begin like one"),
            ReadError::Version { got, max } => write!(
                f,
                "the trace is of version {got}, this release reads versions up to {max}; update"
            ),
            ReadError::LineTooLong { line, max } => {
                write!(f, "line {line} is longer than {max} bytes")
            }
            ReadError::BadLine { line, why } => write!(f, "line {line}: {why}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}

/// A trace's lines, one at a time.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    kind: Kind,
    /// The number of the line that was read last.
    number: u64,
    /// Lines that count so far.
    lines: u64,
    line: Vec<u8>,
    ended: bool,
}

/// What comes next in a file.
pub(super) enum Next<'a> {
    Line(&'a str),
    /// The whole of it was read.
    End,
    /// It stops where more should come.
    Cut,
}

impl<R: BufRead> Lines<R> {
    /// Reads the head.
    pub(super) fn open(input: R) -> Result<Self, ReadError> {
        let mut lines = Lines {
            input,
            kind: Kind::Full,
            number: 0,
            lines: 0,
            line: Vec::new(),
            ended: false,
        };
        // Something else may have no lines at all.
        const LONGEST_HEAD: usize = 64;
        let whole = lines.fill(LONGEST_HEAD);
        let head = match whole {
            Ok(true) => std::str::from_utf8(&lines.line).map_err(|_| ReadError::NotATrace)?,
            Ok(false) | Err(ReadError::LineTooLong { .. }) => return Err(ReadError::NotATrace),
            Err(error) => return Err(error),
        };
        let words: Vec<_> = head.split(' ').collect();
        let [MAGIC, version, kind] = words[..] else {
            return Err(ReadError::NotATrace);
        };
        let got = version.parse().map_err(|_| ReadError::NotATrace)?;
        if got != VERSION {
            return Err(ReadError::Version { got, max: VERSION });
        }
        let kinds = [Kind::Full, Kind::Shareable];
        let kind = kinds.into_iter().find(|known| known.name() == kind);
        lines.kind = kind.ok_or(ReadError::NotATrace)?;
        Ok(lines)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line that is no comment.
    pub(super) fn next(&mut self) -> Result<Next<'_>, ReadError> {
        while !self.ended {
            if !self.fill(MAX_LINE)? {
                return Ok(Next::Cut);
            }
            if self.line.starts_with(b"#") {
                continue;
            }
            let number = self.number;
            let bad = |why: &str| ReadError::BadLine {
                line: number,
                why: why.to_owned(),
            };
            let text = std::str::from_utf8(&self.line).map_err(|_| bad("it is no text"))?;
            let Some(count) = text.strip_prefix(END) else {
                self.lines += 1;
                // Borrowed anew: the checker does not see that this branch returns.
                let text = std::str::from_utf8(&self.line).unwrap_or_default();
                return Ok(Next::Line(text));
            };
            if count.trim_start().parse() != Ok(self.lines) {
                return Err(bad("lines are missing before the end"));
            }
            self.ended = true;
        }
        if self.fill(MAX_LINE)? || !self.line.is_empty() {
            return Err(ReadError::BadLine {
                line: self.number,
                why: "something follows the end".to_owned(),
            });
        }
        Ok(Next::End)
    }

    /// Reads one line; `false` if the file ends before its end.
    fn fill(&mut self, max: usize) -> Result<bool, ReadError> {
        self.line.clear();
        self.number += 1;
        let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
        let mut limited = self.input.by_ref().take(limit);
        limited.read_until(b'\n', &mut self.line)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(true);
        }
        if self.line.len() > max {
            return Err(ReadError::LineTooLong {
                line: self.number,
                max,
            });
        }
        Ok(false)
    }
}
