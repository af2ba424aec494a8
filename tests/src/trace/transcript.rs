//! A shareable trace, for people.
//!
//! Does: opens every packet with the throw-away key that it names and says what is in it; remarks on
//! what contradicts the protocol's rules for ids and answers.
//! In: lines that anybody may have written. Out: text, and whether every packet opened.
//! Must not know: what was there before it was overwritten.
//! Spec: "Message Identifier (msg_id)"; "Service Messages"; "Service Messages about Messages".

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};

use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::{AuthKeyId, ConnId, DcId, Time};

use super::file::{Lines, Next, ReadError};
use super::names::name;
use super::replay::ReplayError;
use super::said::{self, Said};
use super::shareable::{packet_word, plain_word, strange_word};
use super::text::{Pairs, Word, hex};
use crate::tamper::{self, OUTER_HEADER, Plain};

/// Throw-away keys in one file: as many as are remembered when it is written, and again as many.
const MAX_KEYS: usize = 8_192;
/// Message ids of each direction that answers and acknowledgements may name.
const MAX_IDS: usize = 65_536;

/// What was found in a shareable trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// Streams that were opened.
    pub streams: u64,
    /// Packets that opened.
    pub packets: u64,
    /// Packets that do not open with the key of the file that they name: the file was changed.
    pub broken: u64,
    /// What contradicts the protocol's rules.
    pub remarks: u64,
    /// The line at which the file is cut off, if it is.
    pub cut: Option<u64>,
}

/// Prints a shareable trace.
pub(super) fn transcript(
    lines: &mut Lines<impl BufRead>,
    out: &mut impl Write,
) -> Result<Shown, ReplayError> {
    let mut reader = Transcript {
        out,
        keys: BTreeMap::new(),
        ids: [BTreeSet::new(), BTreeSet::new()],
        newest: BTreeMap::new(),
        start: None,
        shown: Shown::default(),
    };
    loop {
        let line = match lines.next()? {
            Next::Line(line) => line.to_owned(),
            Next::End => return Ok(reader.shown),
            Next::Cut => {
                reader.shown.cut = Some(lines.number());
                return Ok(reader.shown);
            }
        };
        if reader.line(&line)?.is_none() {
            return Err(ReplayError::Read(ReadError::BadLine {
                line: lines.number(),
                why: "it says nothing that is known".to_owned(),
            }));
        }
    }
}

struct Transcript<'a, W> {
    out: &'a mut W,
    keys: BTreeMap<AuthKeyId, AuthKey>,
    /// Of the client and of the server.
    ids: [BTreeSet<i64>; 2],
    /// The greatest id of each session's client.
    newest: BTreeMap<i64, i64>,
    start: Option<Time>,
    shown: Shown,
}

type Written = Result<Option<()>, ReplayError>;

impl<W: Write> Transcript<'_, W> {
    fn line(&mut self, line: &str) -> Written {
        let mut words = line.splitn(3, ' ');
        let (Some(at), Some(stream), Some(rest)) = (words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        let (Some(at), Some(stream)) = (Time::read(at), ConnId::read(stream)) else {
            return Ok(None);
        };
        let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let begin = self.begin(at, stream);
        for direction in [Direction::ToServer, Direction::ToClient] {
            if verb == packet_word(direction) {
                let Some(packet) = hex(rest) else {
                    return Ok(None);
                };
                return self.packet(&begin, direction, &packet);
            }
            if verb == plain_word(direction) {
                let Some((len, id)) = rest.split_once(' ') else {
                    return Ok(None);
                };
                let (Some(len), Some(id)) = (usize::read(len), <Option<u32>>::read(id)) else {
                    return Ok(None);
                };
                let what = id.map_or("nothing".to_owned(), name);
                let arrow = arrow(direction);
                writeln!(self.out, "{begin} {arrow} handshake: {what}, {len} bytes")?;
                return Ok(Some(()));
            }
            if verb == strange_word(direction) {
                let Some(len) = usize::read(rest) else {
                    return Ok(None);
                };
                let arrow = arrow(direction);
                writeln!(
                    self.out,
                    "{begin} {arrow} {len} bytes that did not open with the session's key"
                )?;
                return Ok(Some(()));
            }
        }
        let text = match verb {
            "key" => {
                let Some(key) = AuthKey::read(rest) else {
                    return Ok(None);
                };
                if self.keys.len() >= MAX_KEYS {
                    self.keys.clear();
                }
                let text = format!("a key comes into use; here it is {}", key.id());
                self.keys.insert(key.id(), key);
                text
            }
            "opened" => match opened(rest) {
                Some(text) => {
                    self.shown.streams += 1;
                    text
                }
                None => return Ok(None),
            },
            "quick-ack" => match <Option<i64>>::read(rest) {
                Some(Some(msg_id)) => format!("\u{2190} quick ack of {msg_id}"),
                Some(None) => "\u{2190} quick ack of nothing that is known".to_owned(),
                None => return Ok(None),
            },
            "status" => match i32::read(rest) {
                Some(code) => format!("\u{2190} transport error {code}"),
                None => return Ok(None),
            },
            "failed" => match String::read(rest) {
                Some(why) => format!("failed: {}", why.escape_debug()),
                None => return Ok(None),
            },
            "suspended" if rest.is_empty() => "taken off its stream".to_owned(),
            _ => return Ok(None),
        };
        writeln!(self.out, "{begin} {text}")?;
        Ok(Some(()))
    }

    /// When, and on which stream.
    fn begin(&mut self, at: Time, stream: ConnId) -> String {
        let start = *self.start.get_or_insert(at);
        let since = at.saturating_since(start);
        format!(
            "{:>6}.{:06} #{stream}",
            since.as_secs(),
            since.subsec_micros()
        )
    }

    fn packet(&mut self, begin: &str, direction: Direction, packet: &[u8]) -> Written {
        let arrow = arrow(direction);
        let len = packet.len();
        let id = packet
            .first_chunk()
            .map(|id| AuthKeyId(i64::from_le_bytes(*id)));
        let key = id.and_then(|id| self.keys.get(&id));
        let opened = key.map(|key| tamper::open(key, direction, packet));
        let Some(Ok(plain)) = opened else {
            self.shown.broken += 1;
            writeln!(
                self.out,
                "{begin} {arrow} {len} bytes that do not open: the file was changed"
            )?;
            return Ok(Some(()));
        };
        self.shown.packets += 1;
        let padding = len - OUTER_HEADER - tamper::INNER_HEADER - plain.body.len();
        writeln!(
            self.out,
            "{begin} {arrow} {len} bytes, {padding} of padding, session {:016x}, salt {:016x}",
            plain.session.0, plain.salt
        )?;
        let remarks = self.judge(direction, &plain);
        said::write(self.out, plain.msg_id.0, plain.seq_no, &plain.body)?;
        for remark in remarks {
            self.shown.remarks += 1;
            writeln!(self.out, "{:>16} ! {remark}", "")?;
        }
        Ok(Some(()))
    }

    /// What contradicts the rules; what is fine is remembered.
    fn judge(&mut self, direction: Direction, plain: &Plain) -> Vec<String> {
        let mut remarks = Vec::new();
        let session = plain.session.0;
        if direction == Direction::ToServer {
            let newest = self.newest.entry(session).or_insert(plain.msg_id.0);
            if plain.msg_id.0 < *newest {
                remarks.push(format!("the id is not greater than {newest} before it"));
            }
            *newest = plain.msg_id.0.max(*newest);
        }
        if self.newest.len() > MAX_KEYS {
            self.newest.clear();
        }
        let messages = said::messages(plain.msg_id.0, plain.seq_no, &plain.body);
        for Said {
            msg_id,
            seq_no,
            body,
            depth,
        } in &messages
        {
            let parity = msg_id & 3;
            let right = match direction {
                Direction::ToServer => parity == 0,
                Direction::ToClient => parity == 1 || parity == 3,
            };
            if !right {
                remarks.push(format!("{msg_id} is no id that this side gives"));
            }
            if *depth > 0 && direction == Direction::ToServer && *msg_id >= plain.msg_id.0 {
                remarks.push(format!("{msg_id} is not smaller than its container's id"));
            }
            if *seq_no < 0 {
                remarks.push(format!("{seq_no} is no sequence number"));
            }
            let [ours, theirs] = &self.ids;
            let other = match direction {
                Direction::ToServer => theirs,
                Direction::ToClient => ours,
            };
            // Of a session that goes on nobody here knows the beginning, and of a long one not any
            // more.
            let about = said::about(body);
            for about in about.iter().filter(|about| !other.contains(about)) {
                remarks.push(format!("{about} is no message of this trace"));
            }
        }
        let ids = match direction {
            Direction::ToServer => &mut self.ids[0],
            Direction::ToClient => &mut self.ids[1],
        };
        ids.insert(plain.msg_id.0);
        ids.extend(messages.iter().map(|said| said.msg_id));
        while ids.len() > MAX_IDS {
            ids.pop_first();
        }
        remarks
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "\u{2192}",
        Direction::ToClient => "\u{2190}",
    }
}

fn opened(words: &str) -> Option<String> {
    let mut pairs = Pairs::read(words.split(' '))?;
    let dc: DcId = pairs.need("dc")?;
    let framing: mtproto_proto::transport::Framing = pairs.need("framing")?;
    let obfuscated: bool = pairs.need("obfuscated")?;
    let pfs: bool = pairs.need("pfs")?;
    let begins: String = pairs.need("begins")?;
    let begins = match begins.as_str() {
        "nothing" => "with a handshake",
        "key" => "with a stored key",
        "session" => "with the session of an earlier stream",
        _ => "somehow",
    };
    let hidden = if obfuscated { ", obfuscated" } else { "" };
    let pfs = if pfs { ", temporary keys" } else { "" };
    let framing = format!("{framing:?}").to_lowercase();
    pairs
        .is_empty()
        .then(|| format!("stream to DC {dc} begins {begins}: {framing}{hidden}{pfs}"))
}
