//! A server's side of updates: what happened in each box, and what it tells who asks.
//!
//! It numbers as the specification says: a common box with pts, one with qts, channels with a pts
//! each, and containers with seq. It remembers everything, unless it is told to forget.

use std::collections::{BTreeMap, BTreeSet};

use mtproto_proto::{RequestError, RpcError};
use mtproto_schema::api::functions::updates::{GetChannelDifference, GetDifference, GetState};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Bytes, Decode, Encode};
use mtproto_test::Dice;

use crate::build::*;

/// What orders updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BoxId {
    Pts,
    Qts,
    Seq,
    Channel(i64),
}

impl BoxId {
    /// How the application is told of a hole in it.
    pub fn lost(self) -> Option<i64> {
        match self {
            BoxId::Channel(id) => Some(id),
            BoxId::Pts | BoxId::Qts | BoxId::Seq => None,
        }
    }
}

/// How a difference lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Among the new messages.
    Message,
    /// Among the other updates.
    Other,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub tag: i32,
    pub kind: Kind,
    /// It was this account's own doing: live it is told by an answer, not by an update.
    pub own: bool,
    counter: i32,
    count: i32,
    date: i32,
}

/// What happened in one box.
#[derive(Debug, Default)]
pub struct Log {
    pub entries: Vec<Entry>,
    /// Entries before this one are numbered as it was before a restart, and gone.
    base: usize,
    value: i32,
    date: i32,
}

/// What the server may do that loses updates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Answers that are too long, counters that begin anew, channels that become private, answers
    /// that nobody can read, channels without an access hash.
    pub lossy: bool,
    /// Errors of one in so many answers; 0: never.
    pub errors: u64,
    /// One in so many answers comes from a server that lags; 0: never, and never two in a row.
    pub stale: u64,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    pub boxes: BTreeMap<BoxId, Log>,
    pub faults: Faults,
    pub private: Option<i64>,
    /// Some of what was asked for cannot be had, so holes are in order.
    pub excuses: u64,
    date: i32,
    /// Boxes whose last answer lagged.
    stale: BTreeSet<BoxId>,
}

pub const CHANNELS: [i64; 4] = [11, 12, 13, 14];

impl Server {
    pub fn new(faults: Faults) -> Self {
        let mut boxes = BTreeMap::new();
        for (id, value) in [
            (BoxId::Pts, 20_000_000),
            (BoxId::Qts, 100),
            (BoxId::Seq, 40),
        ] {
            boxes.insert(
                id,
                Log {
                    value,
                    ..Log::default()
                },
            );
        }
        for (n, id) in CHANNELS.into_iter().enumerate() {
            let value = 20_000_000 * n as i32 + 1;
            boxes.insert(
                BoxId::Channel(id),
                Log {
                    value,
                    ..Log::default()
                },
            );
        }
        Server {
            boxes,
            faults,
            private: None,
            excuses: 0,
            date: 1_000_000,
            stale: BTreeSet::new(),
        }
    }

    /// Something happens. Gives it as an update with its counter.
    pub fn add(&mut self, id: BoxId, kind: Kind, own: bool, count: i32) -> enums::Update {
        self.date += 1;
        let log = self.boxes.get_mut(&id).unwrap();
        log.value += count;
        log.date = self.date;
        let tag = log.entries.len() as i32 + 1;
        let entry = Entry {
            tag,
            kind,
            own,
            counter: log.value,
            count,
            date: self.date,
        };
        log.entries.push(entry);
        update(id, &entry)
    }

    pub fn value(&self, id: BoxId) -> i32 {
        self.boxes[&id].value
    }

    pub fn len(&self, id: BoxId) -> usize {
        self.boxes[&id].entries.len()
    }

    pub fn date(&self) -> i32 {
        self.date
    }

    /// A box begins anew, far behind; what was in it is gone.
    pub fn restart(&mut self, id: BoxId) {
        let log = self.boxes.get_mut(&id).unwrap();
        if log.value > 10_000_000 {
            log.value -= 5_000_000;
            log.base = log.entries.len();
            self.excuses += 1;
        }
    }

    /// Answers a call.
    pub fn answer(&mut self, dice: &mut Dice, body: &Bytes) -> Result<Bytes, RequestError> {
        if self.faults.errors > 0 && dice.chance(1, self.faults.errors) {
            return Err(match dice.range(0..=5) {
                0 => error(500, "INTERNAL"),
                1 => error(500, "PERSISTENT_TIMESTAMP_OUTDATED"),
                2 => error(420, "FLOOD_WAIT_7"),
                3 => RequestError::TimedOut(mtproto_proto::Fate::MaybeExecuted),
                4 => RequestError::Lost(mtproto_proto::Fate::NotSent),
                _ => error(-503, "Timeout"),
            });
        }
        if GetState::from_bytes(body).is_ok() {
            return Ok(self.state().to_bytes());
        }
        if self.faults.lossy && dice.chance(1, 30) {
            self.excuses += 1;
            return Ok(unreadable());
        }
        if let Ok(call) = GetDifference::from_bytes(body) {
            return self.difference(dice, &call);
        }
        let call = GetChannelDifference::from_bytes(body).expect("one of three calls");
        self.channel_difference(dice, &call)
    }

    fn state(&self) -> types::updates::State {
        let [pts, qts, seq] = [BoxId::Pts, BoxId::Qts, BoxId::Seq].map(|id| self.value(id));
        state(pts, qts, self.date, seq)
    }

    /// Whether this answer comes from a server that lags: so many entries behind.
    fn lag(&mut self, dice: &mut Dice, id: BoxId) -> usize {
        let again = self.stale.remove(&id);
        if again || self.faults.stale == 0 || !dice.chance(1, self.faults.stale) {
            return 0;
        }
        self.stale.insert(id);
        dice.range(1..=4) as usize
    }

    fn difference(&mut self, dice: &mut Dice, call: &GetDifference) -> Result<Bytes, RequestError> {
        if call.pts > self.value(BoxId::Pts) {
            return Err(error(400, "PERSISTENT_TIMESTAMP_INVALID"));
        }
        let lag = self.lag(dice, BoxId::Pts);
        let view = |id, after| self.boxes[&id].after(after, lag);
        let (pts, qts) = (view(BoxId::Pts, call.pts), view(BoxId::Qts, call.qts));
        if self.faults.lossy && pts.len() > 3 && dice.chance(1, 10) {
            self.excuses += 1;
            return Ok(difference_too_long(self.value(BoxId::Pts)));
        }
        let seq_log = &self.boxes[&BoxId::Seq];
        let seq: Vec<Entry> = seq_log
            .entries
            .iter()
            .filter(|entry| entry.date > call.date)
            .copied()
            .collect();
        let channels: Vec<i64> = CHANNELS
            .into_iter()
            .filter(|id| self.boxes[&BoxId::Channel(*id)].date > call.date)
            .collect();

        let mut difference = Difference::default();
        let parts = dice.range(1..=12) as usize;
        let cut = pts.len() + qts.len() > parts && dice.chance(1, 2);
        let (pts_part, qts_part) = if cut {
            let split = dice.range(0..=parts as u64) as usize;
            (
                &pts[..split.min(pts.len())],
                &qts[..(parts - split).min(qts.len())],
            )
        } else {
            (&pts[..], &qts[..])
        };
        for entry in pts_part {
            match entry.kind {
                Kind::Message => difference.messages.push(message(entry.tag, peer_user(1))),
                Kind::Other => difference.others.push(update(BoxId::Pts, entry)),
            }
        }
        for entry in qts_part {
            match entry.kind {
                Kind::Message => difference.encrypted.push(encrypted(entry.tag)),
                Kind::Other => difference.others.push(update(BoxId::Qts, entry)),
            }
        }
        let reached = |part: &[Entry], before: i32| part.last().map_or(before, |e| e.counter);
        let (pts, qts) = (reached(pts_part, call.pts), reached(qts_part, call.qts));
        if cut {
            let seq = seq_log.before_date(call.date);
            return Ok(difference.slice(state(pts, qts, call.date, seq)));
        }
        for entry in &seq {
            difference.others.push(update(BoxId::Seq, entry));
        }
        for id in &channels {
            difference.chats.push(channel(*id, false));
            let told = dice.chance(1, 2).then(|| self.value(BoxId::Channel(*id)));
            difference.others.push(channel_too_long(*id, told));
        }
        let nothing = pts_part.is_empty() && qts_part.is_empty() && seq.is_empty();
        if nothing && channels.is_empty() && dice.chance(2, 3) {
            return Ok(difference_empty(self.date, self.value(BoxId::Seq)));
        }
        Ok(difference.last(state(pts, qts, self.date, self.value(BoxId::Seq))))
    }

    fn channel_difference(
        &mut self,
        dice: &mut Dice,
        call: &GetChannelDifference,
    ) -> Result<Bytes, RequestError> {
        let enums::InputChannel::InputChannel(input) = &call.channel else {
            panic!("a channel with its access hash: {:?}", call.channel);
        };
        let id = input.channel_id;
        assert_eq!(
            input.access_hash,
            id * 1_000,
            "the full hash, not a min one"
        );
        if self.private == Some(id) {
            self.excuses += 1;
            return Err(error(400, "CHANNEL_PRIVATE"));
        }
        let box_id = BoxId::Channel(id);
        if call.pts > self.value(box_id) {
            return Err(error(400, "PERSISTENT_TIMESTAMP_INVALID"));
        }
        let lag = self.lag(dice, box_id);
        let log = &self.boxes[&box_id];
        let all = log.after(call.pts, lag);
        let timeout = dice.chance(1, 3).then(|| dice.range(0..=5) as i32);
        // Whoever does not know where the channel is, only wants to know that.
        if call.limit == 1 {
            return Ok(channel_difference_too_long(id, log.value, true));
        }
        if self.faults.lossy && all.len() > 3 && dice.chance(1, 6) {
            self.excuses += 1;
            return Ok(channel_difference_too_long(id, log.value, true));
        }
        if all.is_empty() {
            return Ok(channel_empty(call.pts, true, timeout));
        }
        let parts = (dice.range(1..=6) as usize).min(all.len());
        let part = &all[..parts];
        let mut messages = vec![];
        let mut others = vec![];
        for entry in part {
            match entry.kind {
                Kind::Message => messages.push(message(entry.tag, peer_channel(id))),
                Kind::Other => others.push(update(box_id, entry)),
            }
        }
        let reached = part.last().map_or(call.pts, |entry| entry.counter);
        Ok(channel_difference(
            (reached, parts == all.len(), timeout),
            messages,
            others,
        ))
    }
}

impl Log {
    /// Entries after a counter, but for the last `lag`.
    fn after(&self, counter: i32, lag: usize) -> Vec<Entry> {
        let end = self.entries.len().saturating_sub(lag).max(self.base);
        self.entries[self.base..end]
            .iter()
            .filter(|e| e.counter > counter)
            .copied()
            .collect()
    }

    /// The counter as it was then.
    fn before_date(&self, date: i32) -> i32 {
        let later = self.entries.iter().filter(|entry| entry.date > date);
        self.value - later.map(|entry| entry.count).sum::<i32>()
    }
}

/// An entry as an update.
fn update(id: BoxId, entry: &Entry) -> enums::Update {
    let Entry {
        tag,
        counter,
        count,
        ..
    } = *entry;
    match (id, entry.kind) {
        (BoxId::Pts, Kind::Message) => new_message(tag, counter, count),
        (BoxId::Pts, Kind::Other) => delete_messages(tag, counter, count),
        (BoxId::Qts, Kind::Message) => new_encrypted(tag, counter),
        (BoxId::Qts, Kind::Other) => bot_stopped(tag, counter),
        (BoxId::Seq, _) => phone(tag),
        (BoxId::Channel(id), Kind::Message) => channel_message(id, tag, counter, count),
        (BoxId::Channel(id), Kind::Other) => delete_channel(id, tag, counter, count),
    }
}

/// Which box and entry an update tells of; `None` for what is in no box.
pub fn read(update: &enums::Update) -> Option<(BoxId, Kind, i32)> {
    use enums::Update as U;
    let id_of = |message: &enums::Message| match message {
        enums::Message::Empty(m) => m.id,
        enums::Message::Message(m) => m.id,
        enums::Message::Service(m) => m.id,
    };
    Some(match update {
        U::NewMessage(u) => (BoxId::Pts, Kind::Message, id_of(&u.message)),
        U::DeleteMessages(u) => (BoxId::Pts, Kind::Other, u.messages[0]),
        U::NewEncryptedMessage(u) => match &u.message {
            enums::EncryptedMessage::Service(m) => (BoxId::Qts, Kind::Message, m.random_id as i32),
            enums::EncryptedMessage::EncryptedMessage(_) => return None,
        },
        U::BotStopped(u) => (BoxId::Qts, Kind::Other, u.user_id as i32),
        U::UserPhone(u) => (BoxId::Seq, Kind::Other, u.user_id as i32),
        U::NewChannelMessage(u) => match &u.message {
            enums::Message::Empty(m) => match m.peer_id {
                Some(enums::Peer::Channel(ref c)) => {
                    (BoxId::Channel(c.channel_id), Kind::Message, m.id)
                }
                _ => return None,
            },
            _ => return None,
        },
        U::DeleteChannelMessages(u) => (BoxId::Channel(u.channel_id), Kind::Other, u.messages[0]),
        _ => return None,
    })
}

pub fn error(code: i32, message: &str) -> RequestError {
    RequestError::Rpc(RpcError {
        code,
        message: message.into(),
    })
}
