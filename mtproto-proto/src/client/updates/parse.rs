//! Boxed `Updates` and differences, read with the bytes of each update.
//!
//! Does: decodes what the server sends, and keeps beside each update the bytes that it was read
//! from; turns the bare messages of differences into updates.
//! In: bodies. Out: [`Packet`], [`Answer`], [`ChannelAnswer`].
//! Must not know: counters, what becomes of it.
//! Spec: "Working with updates"; "updates.Difference", "updates.ChannelDifference".

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Constructor, Decode, Encode, Reader, tl};

use super::Related;
use super::incoming::{Incoming, channel_of};
use super::short;
use super::state::State;

/// Updates that one body may bring: a bot may ask for 100,000 at once.
const MAX_UPDATES: usize = 131_072;

/// `updatesTooLong`, which has no fields and so no struct.
const TOO_LONG: u32 = 0xe317_af7e;

/// Bytes of the shortest update: its id.
const MIN_UPDATE: usize = 4;

/// The longest that a channel says to wait before it is asked again, in seconds.
const MAX_TIMEOUT: i32 = 3_600;

/// The shortest: without it, a server that says 0 is asked as fast as it answers.
const MIN_TIMEOUT: i32 = 1;

/// A boxed `Updates`.
#[derive(Debug)]
pub(super) enum Packet {
    /// Too much to be sent: ask.
    TooLong,
    /// One update without users and chats; those that must be known already.
    Short(Incoming, Vec<short::Known>),
    /// A message of ours was sent: its counter counts, the caller has the rest.
    Sent { pts: i32, count: i32 },
    /// Several.
    Several(Several),
}

/// `updates` or `updatesCombined`.
#[derive(Debug)]
pub(super) struct Several {
    pub updates: Vec<Incoming>,
    pub peers: Arc<Related>,
    pub date: i32,
    pub seq_start: i32,
    pub seq: i32,
}

/// The answer to `updates.getDifference`.
#[derive(Debug)]
pub(super) enum Answer {
    Empty {
        date: i32,
        seq: i32,
    },
    Part {
        updates: Vec<Incoming>,
        peers: Arc<Related>,
        state: State,
        last: bool,
    },
    TooLong {
        pts: i32,
    },
}

/// The answer to `updates.getChannelDifference`.
#[derive(Debug)]
pub(super) struct ChannelAnswer {
    pub updates: Vec<Incoming>,
    pub peers: Arc<Related>,
    pub pts: i32,
    pub last: bool,
    /// When to ask again if the channel is open.
    pub timeout: Option<Duration>,
    /// What is between the old pts and this one is not told.
    pub too_long: bool,
}

/// Whether an id begins a boxed `Updates`.
pub(super) fn is_updates(id: u32) -> bool {
    [
        TOO_LONG,
        types::UpdateShortMessage::ID,
        types::UpdateShortChatMessage::ID,
        types::UpdateShort::ID,
        types::UpdatesCombined::ID,
        types::Updates::ID,
        types::UpdateShortSentMessage::ID,
    ]
    .contains(&id)
}

/// A boxed `Updates`; `me` is the account's user.
pub(super) fn packet(body: &Bytes, me: i64) -> Option<Packet> {
    let mut r = Reader::new(body);
    let packet = read_packet(&mut r, body, me)?;
    r.finish().ok()?;
    Some(packet)
}

/// The same, followed by other things.
pub(super) fn packet_before_others(body: &Bytes, me: i64) -> Option<Packet> {
    read_packet(&mut Reader::new(body), body, me)
}

fn read_packet(r: &mut Reader<'_>, body: &Bytes, me: i64) -> Option<Packet> {
    let id = r.peek_u32()?;
    let packet = match id {
        types::UpdateShort::ID => {
            r.skip(4);
            let mut read = Read::new(body);
            let update = read.update(r)?;
            let _date = r.i32();
            Packet::Short(read.finish(r, update, Related::default())?, Vec::new())
        }
        types::Updates::ID | types::UpdatesCombined::ID => {
            r.skip(4);
            let mut read = Read::new(body);
            let updates = read.updates(r)?;
            let users = r.get()?;
            let chats = r.get()?;
            let date = r.i32();
            let first = r.i32();
            let seq = if id == types::Updates::ID {
                first
            } else {
                r.i32()
            };
            let peers = Arc::new(Related { users, chats });
            let updates = read.finish_all(r, updates, &peers);
            Packet::Several(Several {
                updates,
                peers,
                date,
                seq_start: first,
                seq,
            })
        }
        _ => match enums::Updates::decode(r).ok()? {
            enums::Updates::TooLong => Packet::TooLong,
            enums::Updates::UpdateShortMessage(m) => {
                let known = short::known_to(&m);
                Packet::Short(made(short::message(*m, me), body), known)
            }
            enums::Updates::UpdateShortChatMessage(m) => {
                let known = short::known_to_chat(&m);
                Packet::Short(made(short::chat_message(*m), body), known)
            }
            enums::Updates::UpdateShortSentMessage(m) => Packet::Sent {
                pts: m.pts,
                count: m.pts_count,
            },
            // Read above.
            enums::Updates::UpdateShort(_)
            | enums::Updates::Combined(_)
            | enums::Updates::Updates(_) => return None,
        },
    };
    r.check().ok()?;
    Some(packet)
}

/// `updates.Difference`.
pub(super) fn difference(body: &Bytes) -> Option<Answer> {
    use types::updates::{Difference, DifferenceEmpty, DifferenceSlice, DifferenceTooLong};
    let mut r = Reader::new(body);
    let id = r.u32();
    let answer = match id {
        DifferenceEmpty::ID => Answer::Empty {
            date: r.i32(),
            seq: r.i32(),
        },
        DifferenceTooLong::ID => Answer::TooLong { pts: r.i32() },
        Difference::ID | DifferenceSlice::ID => {
            let mut read = Read::new(body);
            let mut updates = read.messages(&mut r)?;
            updates.extend(read.encrypted(&mut r)?);
            updates.extend(read.updates(&mut r)?);
            let chats = r.get()?;
            let users = r.get()?;
            let state: types::updates::State = r.get()?;
            let peers = Arc::new(Related { users, chats });
            Answer::Part {
                updates: read.finish_all(&r, updates, &peers),
                peers,
                state: State::from(&state),
                last: id == Difference::ID,
            }
        }
        _ => return None,
    };
    r.finish().ok()?;
    Some(answer)
}

/// `updates.State`.
pub(super) fn state(body: &Bytes) -> Option<State> {
    types::updates::State::from_bytes(body)
        .ok()
        .map(|state| State::from(&state))
}

/// `updates.ChannelDifference`.
pub(super) fn channel_difference(body: &Bytes) -> Option<ChannelAnswer> {
    use types::updates::{ChannelDifference, ChannelDifferenceEmpty, ChannelDifferenceTooLong};
    let mut r = Reader::new(body);
    let id = r.u32();
    let flags = r.u32();
    let last = flags & 1 != 0;
    let has_timeout = flags & 2 != 0;
    let mut answer = ChannelAnswer {
        updates: Vec::new(),
        peers: Arc::default(),
        pts: 0,
        last,
        timeout: None,
        too_long: false,
    };
    let timeout = match id {
        ChannelDifferenceEmpty::ID => {
            answer.pts = r.i32();
            r.opt_i32(has_timeout)
        }
        ChannelDifference::ID => {
            answer.pts = r.i32();
            let timeout = r.opt_i32(has_timeout);
            let mut read = Read::new(body);
            let mut updates = read.messages(&mut r)?;
            updates.extend(read.updates(&mut r)?);
            let chats = r.get()?;
            let users = r.get()?;
            answer.peers = Arc::new(Related { users, chats });
            answer.updates = read.finish_all(&r, updates, &answer.peers);
            timeout
        }
        ChannelDifferenceTooLong::ID => {
            let timeout = r.opt_i32(has_timeout);
            let enums::Dialog::Dialog(dialog) = r.get()? else {
                return None;
            };
            let _history: Vec<enums::Message> = r.get()?;
            let chats = r.get()?;
            let users = r.get()?;
            answer.pts = dialog.pts?;
            answer.peers = Arc::new(Related { users, chats });
            answer.too_long = true;
            timeout
        }
        _ => return None,
    };
    answer.timeout = timeout
        .map(|secs| secs.clamp(MIN_TIMEOUT, MAX_TIMEOUT))
        .and_then(|secs| u64::try_from(secs).ok())
        .map(Duration::from_secs);
    r.finish().ok()?;
    Some(answer)
}

/// The pts at the head of a `channelDifference` that cannot be read as a whole, and whether it is
/// the last one.
pub(super) fn channel_head(body: &Bytes) -> Option<(i32, bool)> {
    let mut r = Reader::new(body);
    if r.u32() != types::updates::ChannelDifference::ID {
        return None;
    }
    let (flags, pts) = (r.u32(), r.i32());
    r.check().ok()?;
    Some((pts, flags & 1 != 0))
}

impl From<&types::updates::State> for State {
    fn from(state: &types::updates::State) -> Self {
        State {
            pts: state.pts,
            qts: state.qts,
            date: state.date,
            seq: state.seq,
        }
    }
}

/// An update that the server did not send in this form.
fn made(update: enums::Update, body: &Bytes) -> Incoming {
    Incoming {
        raw: update.to_bytes(),
        parsed: Some(update),
        peers: Arc::default(),
        weight: body.len(),
    }
}

/// An update and its bytes.
type Pair = (Bytes, enums::Update);

/// Reads updates out of one body.
struct Read<'a> {
    body: &'a Bytes,
    left: usize,
}

impl<'a> Read<'a> {
    fn new(body: &'a Bytes) -> Self {
        Read {
            body,
            left: MAX_UPDATES,
        }
    }

    /// One value and the bytes that it was read from.
    fn spanned<T: Decode>(&mut self, r: &mut Reader<'_>) -> Option<(Bytes, T)> {
        self.left = self.left.checked_sub(1)?;
        let start = self.body.len().checked_sub(r.remaining())?;
        let value = r.get()?;
        r.check().ok()?;
        let end = self.body.len().checked_sub(r.remaining())?;
        (start <= end).then(|| (self.body.slice(start..end), value))
    }

    fn update(&mut self, r: &mut Reader<'_>) -> Option<Pair> {
        self.spanned(r)
    }

    fn updates(&mut self, r: &mut Reader<'_>) -> Option<Vec<Pair>> {
        self.vector(r, |read, r| read.update(r))
    }

    /// `Vector<Message>` as updates. The server says no counters of these.
    fn messages(&mut self, r: &mut Reader<'_>) -> Option<Vec<Pair>> {
        self.vector(r, |read, r| {
            let (bytes, message) = read.spanned::<enums::Message>(r)?;
            let in_channel = channel_of(&message).is_some();
            let id = if in_channel {
                types::UpdateNewChannelMessage::ID
            } else {
                types::UpdateNewMessage::ID
            };
            let raw = wrap(id, &bytes, &[0, 0]);
            let update = if in_channel {
                let update = types::UpdateNewChannelMessage {
                    message,
                    pts: 0,
                    pts_count: 0,
                };
                enums::Update::NewChannelMessage(update)
            } else {
                let update = types::UpdateNewMessage {
                    message,
                    pts: 0,
                    pts_count: 0,
                };
                enums::Update::NewMessage(update)
            };
            Some((raw, update))
        })
    }

    /// `Vector<EncryptedMessage>` as updates.
    fn encrypted(&mut self, r: &mut Reader<'_>) -> Option<Vec<Pair>> {
        self.vector(r, |read, r| {
            let (bytes, message) = read.spanned::<enums::EncryptedMessage>(r)?;
            let raw = wrap(types::UpdateNewEncryptedMessage::ID, &bytes, &[0]);
            let update = types::UpdateNewEncryptedMessage { message, qts: 0 };
            Some((raw, enums::Update::NewEncryptedMessage(update)))
        })
    }

    fn vector(
        &mut self,
        r: &mut Reader<'_>,
        item: impl Fn(&mut Self, &mut Reader<'_>) -> Option<Pair>,
    ) -> Option<Vec<Pair>> {
        r.vector_id()?;
        let n = r.count(MIN_UPDATE)?;
        if n > self.left {
            return None;
        }
        r.enter()?;
        let mut out = Vec::with_capacity(n);
        for _ in 0..n {
            out.push(item(self, r)?);
        }
        r.leave();
        Some(out)
    }

    fn finish(&self, r: &Reader<'_>, pair: Pair, peers: Related) -> Option<Incoming> {
        self.finish_all(r, [pair].into(), &Arc::new(peers)).pop()
    }

    /// When all of the body is read.
    fn finish_all(&self, r: &Reader<'_>, pairs: Vec<Pair>, peers: &Arc<Related>) -> Vec<Incoming> {
        let weight = self.body.len().saturating_add(r.memory());
        pairs
            .into_iter()
            .map(|(raw, update)| Incoming {
                raw,
                parsed: Some(update),
                peers: Arc::clone(peers),
                weight,
            })
            .collect()
    }
}

/// A boxed value in a constructor that has it first and numbers after it.
fn wrap(id: u32, value: &[u8], numbers: &[i32]) -> Bytes {
    let mut out = Vec::with_capacity(value.len().saturating_add(12));
    tl::put_u32(&mut out, id);
    tl::put_raw(&mut out, value);
    for number in numbers {
        tl::put_i32(&mut out, *number);
    }
    out.into()
}
