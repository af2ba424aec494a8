//! A trace that can be given away: the default for what runs against real servers.
//!
//! Does: [`Shareable`] watches the streams of clients. Each packet is opened, what it says is
//! overwritten, and it is sealed again under a throw-away key that the file holds. Handshakes become
//! lengths and times.
//! In: what the core shows a [`Tap`]. Out: lines.
//! Must not know: drivers, sockets.
//! Spec: "Mobile Protocol: Detailed Description"; "Security Guidelines".

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mtproto_proto::connection::Error;
use mtproto_proto::crypto::{AuthKey, Direction, msg_key};
use mtproto_proto::tap::{Begins, Opened, Passed, Tap};
use mtproto_proto::{ConnId, Rng, SessionId, Time};

use super::file::{Kind, Trace, create};
use super::masks::Masks;
use super::scrub::{constructor, scrub};
use super::text::{Word, put, put_hex};
use crate::tamper::{self, Plain};

/// Packets whose quick acknowledgement may still come, of one stream: as many as the core awaits.
const MAX_TOKENS: usize = 64;
/// Streams at once whose packets are remembered; of others quick acknowledgements stay without name.
const MAX_STREAMS: usize = 1_024;
/// Of a plain message: key id, message id, length.
const PLAIN_HEADER: usize = 20;

/// Writes what the streams of clients carry into a file that can be given away. Clones write to the
/// same file; one may watch any number of clients and connections.
#[derive(Clone)]
pub struct Shareable(Arc<Mutex<Writer>>);

struct Writer {
    trace: Trace,
    masks: Masks,
    streams: BTreeMap<ConnId, Tokens>,
    last: u64,
}

/// Tokens of quick acknowledgements, and of which message each is.
type Tokens = VecDeque<(u32, i64)>;

/// A shareable trace in a new file; a former one is replaced. Set it with `config.record(tap)`, of a
/// `ClientConfig` or a `client::Config`.
///
/// # Errors
/// Of the operating system.
pub fn shareable(path: impl AsRef<Path>) -> io::Result<Shareable> {
    // None of this is a secret: the keys that are made of it are in the file. But two files should
    // differ, and what replaces contents should not look like contents.
    let mut seed = [0; 32];
    for (n, part) in seed.chunks_exact_mut(8).enumerate() {
        let number: u64 = RandomState::new().hash_one(n);
        part.copy_from_slice(&number.to_le_bytes());
    }
    shareable_to(create(path.as_ref())?, seed)
}

/// A shareable trace into anything. Throw-away keys and what replaces contents are made from `seed`,
/// which must have nothing to do with that of a client.
///
/// # Errors
/// The head could not be written.
pub fn shareable_to(out: impl Write + Send + 'static, seed: [u8; 32]) -> io::Result<Shareable> {
    let writer = Writer {
        trace: Trace::begin(Kind::Shareable, Box::new(out), true)?,
        masks: Masks::new(Rng::from_seed(seed)),
        streams: BTreeMap::new(),
        last: 0,
    };
    Ok(Shareable(Arc::new(Mutex::new(writer))))
}

impl Shareable {
    /// Writes the end of the file; nothing is written any more. Without, the last clone that is
    /// dropped does so, the one in a configuration too.
    ///
    /// # Errors
    /// The first error of all writing: from there on the trace is cut off.
    pub fn finish(&self) -> io::Result<()> {
        self.with(|writer| writer.trace.finish())
    }

    fn with<T>(&self, job: impl FnOnce(&mut Writer) -> T) -> T {
        // A line is written whole or not at all.
        job(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tap for Shareable {
    fn opened(&self, now: Time, stream: &Opened) -> ConnId {
        self.with(|writer| writer.opened(now, stream))
    }

    fn passed(&self, now: Time, stream: ConnId, what: Passed<'_>) {
        self.with(|writer| writer.passed(now, stream, &what));
    }
}

impl Writer {
    fn line(&self, now: Time, stream: ConnId, words: impl FnOnce(&mut String)) {
        let mut line = String::new();
        now.write(&mut line);
        line.push(' ');
        stream.write(&mut line);
        line.push(' ');
        words(&mut line);
        self.trace.line(&line);
    }

    fn opened(&mut self, now: Time, stream: &Opened) -> ConnId {
        self.last += 1;
        let name = ConnId(self.last);
        if self.streams.len() >= MAX_STREAMS {
            self.streams.pop_first();
        }
        self.streams.insert(name, Tokens::new());
        self.line(now, name, |line| {
            line.push_str("opened");
            put(line, "dc", &stream.dc);
            put(line, "framing", &stream.framing);
            put(line, "obfuscated", &stream.obfuscated);
            put(line, "pfs", &stream.pfs);
            line.push_str(match stream.begins {
                Begins::Nothing => " begins=nothing",
                Begins::Key => " begins=key",
                Begins::Session => " begins=session",
                _ => " begins=other",
            });
        });
        name
    }

    fn passed(&mut self, now: Time, stream: ConnId, what: &Passed<'_>) {
        match what {
            Passed::Out { key, packet } => {
                self.packet(now, stream, Direction::ToServer, *key, packet);
            }
            Passed::In { key, packet } => {
                self.packet(now, stream, Direction::ToClient, *key, packet);
            }
            Passed::QuickAck(token) => {
                let tokens = self.streams.get(&stream).into_iter().flatten();
                let of = tokens.rev().find(|(known, _)| known == token);
                let of = of.map(|(_, msg_id)| *msg_id);
                self.line(now, stream, |line| {
                    line.push_str("quick-ack ");
                    of.write(line);
                });
            }
            Passed::Status(code) => self.line(now, stream, |line| {
                let _ = write!(line, "status {code}");
            }),
            Passed::Failed(error) => self.line(now, stream, |line| {
                line.push_str("failed ");
                said(error).write(line);
            }),
            Passed::Suspended => {
                self.streams.remove(&stream);
                self.line(now, stream, |line| line.push_str("suspended"));
            }
            _ => {}
        }
    }

    fn packet(
        &mut self,
        now: Time,
        stream: ConnId,
        direction: Direction,
        key: Option<&AuthKey>,
        packet: &[u8],
    ) {
        if packet.starts_with(&[0; 8]) {
            // Its name is no secret; everything behind it may be.
            let name = packet.get(PLAIN_HEADER..).and_then(constructor);
            return self.line(now, stream, |line| {
                let _ = write!(line, "{} {} ", plain_word(direction), packet.len());
                name.write(line);
            });
        }
        let opened = key.map(|key| (key, tamper::open(key, direction, packet)));
        let Some((key, Ok(plain))) = opened else {
            return self.line(now, stream, |line| {
                let _ = write!(line, "{} {}", strange_word(direction), packet.len());
            });
        };
        let (mask, is_new) = self.masks.key(key.id());
        if is_new {
            self.line(now, stream, |line| {
                line.push_str("key ");
                mask.write(line);
            });
        }
        if direction == Direction::ToServer
            && let Some(tokens) = self.streams.get_mut(&stream)
        {
            let token = msg_key(key, direction, &bytes(&plain)).quick_ack;
            tokens.push_back((token, plain.msg_id.0));
            if tokens.len() > MAX_TOKENS {
                tokens.pop_front();
            }
        }
        let plain = self.masked(plain);
        let sealed = tamper::seal_bytes(&mask, direction, &bytes(&plain));
        self.line(now, stream, |line| {
            line.push_str(packet_word(direction));
            line.push(' ');
            put_hex(line, &sealed);
        });
    }

    /// The same message without anything that is anybody's.
    fn masked(&mut self, mut plain: Plain) -> Plain {
        plain.salt = self.masks.salt(plain.salt);
        plain.session = SessionId(self.masks.session(plain.session.0));
        scrub(&mut plain.body, &mut self.masks);
        if let Some(padding) = &mut plain.padding {
            self.masks.fill(padding);
        }
        plain
    }
}

pub(super) fn packet_word(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "out",
        Direction::ToClient => "in",
    }
}

pub(super) fn plain_word(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "out-plain",
        Direction::ToClient => "in-plain",
    }
}

/// What does not open with the session's key.
pub(super) fn strange_word(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "out-strange",
        Direction::ToClient => "in-strange",
    }
}

/// The bytes that are encrypted, of a message that was opened.
fn bytes(plain: &Plain) -> Vec<u8> {
    let mut out = Vec::with_capacity(tamper::INNER_HEADER + plain.body.len() + 1_024);
    out.extend(plain.salt.to_le_bytes());
    out.extend(plain.session.0.to_le_bytes());
    out.extend(plain.msg_id.0.to_le_bytes());
    out.extend(plain.seq_no.to_le_bytes());
    // What was opened says how long it is.
    out.extend(plain.declared_len.unwrap_or_default().to_le_bytes());
    out.extend(&plain.body);
    out.extend(plain.padding.iter().flatten());
    out
}

/// Why a stream failed, without words that the server chose.
fn said(error: &Error) -> String {
    match error {
        Error::BindRefused(_) => "the temporary key could not be bound".to_owned(),
        other => other.to_string(),
    }
}
