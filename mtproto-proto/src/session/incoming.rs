//! One opened packet: its checks, its messages, what each one means.
//!
//! Does: walks containers and compressed messages, removes duplicates, collects what must be
//! acknowledged, and hands each message to its room.
//! In: opened packets. Out: calls into `answers.rs` (client), `requests.rs` (server), `state.rs`.
//! Must not know: keys, bytes on the wire.
//! Spec: "Security Guidelines", checks of incoming messages; "Service Messages", containers and
//! packed objects.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use mtproto_schema::mtproto::types;
use mtproto_schema::{Constructor, DecodeError, Reader};

use crate::error::{PeerMisbehaved, count};
use crate::ids::{MsgId, SessionId};
use crate::rng::Rng;
use crate::sabotage::{self, Sabotage};
use crate::session::msg_id::Age;
use crate::session::packet::Opened;
use crate::session::replay::{Replay, Seen};
use crate::session::timer::Timer;
use crate::session::{Limits, Session, Side, gzip, seq_no};
use crate::time::Time;

/// A message as it came, outermost or from a container.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) msg_id: MsgId,
    pub(super) seq_no: i32,
    pub(super) body: Bytes,
    /// Bytes of the packet, or of what was inflated, that the body is a part of.
    pub(super) whole: usize,
}

/// What the messages of one packet share.
pub(super) struct Context {
    pub(super) now: Time,
    /// The session that the packet came in.
    session: SessionId,
    /// The packet is older than the window: only what repairs the clock is taken from it.
    pub(super) stale: bool,
    /// Its messages are a container's.
    inner: bool,
    /// Bytes that its compressed messages may still inflate to.
    inflatable: usize,
    /// What one compressed byte may become.
    ratio: usize,
}

impl Context {
    pub(super) fn new(now: Time, session: SessionId, limits: &Limits) -> Self {
        Context {
            now,
            session,
            stale: false,
            inner: false,
            inflatable: limits.inflated,
            ratio: limits.inflate_ratio,
        }
    }
}

impl Session {
    /// Takes a packet that was opened with this session's key.
    pub(crate) fn handle_opened(
        &mut self,
        now: Time,
        opened: Opened,
        rng: &mut Rng,
    ) -> Result<(), PeerMisbehaved> {
        let now = self.forward(now);
        let header = opened.header;
        let former = self.former.as_ref().map(|former| former.id);
        if header.session_id != self.id && Some(header.session_id) != former {
            return Err(PeerMisbehaved::ForeignSession);
        }
        count(&mut self.stats.packets_in);
        let message = Message {
            msg_id: header.msg_id,
            seq_no: header.seq_no,
            whole: opened.body.len(),
            body: opened.body,
        };
        match self.side {
            Side::Client(_) => {
                // A copy of an old packet is no sign of life.
                if self.judge_from_server(now, header.session_id, message, rng) {
                    self.heard(now);
                }
            }
            Side::Server(_) => self.judge_from_client(now, header.salt, message, rng),
        }
        Ok(())
    }

    /// The client's checks of an outermost message; whether it is news.
    fn judge_from_server(
        &mut self,
        now: Time,
        session: SessionId,
        message: Message,
        rng: &mut Rng,
    ) -> bool {
        let msg_id = message.msg_id;
        let mut context = Context::new(now, session, &self.config.limits);
        if msg_id.0 & 1 == 0 {
            count(&mut self.stats.bad_msg_ids);
            return false;
        }
        match self.replay(session).check(msg_id.0) {
            Seen::New => {}
            Seen::Before => {
                self.came_twice(&context, msg_id, message.seq_no);
                return false;
            }
            // Ours may be the clock that is wrong.
            Seen::Unknown => context.stale = true,
        }
        // The server's time comes first: it decides what is old.
        let corrected = self.ids.observe(msg_id, now);
        self.clock_corrected(corrected);
        context.stale |= self.ids.age(msg_id, now) == Age::TooOld;
        self.first_from_peer = self.first_from_peer.min(msg_id.0);
        // What is not taken has not come: once our clock is right it may come again.
        let horizon = self.ids.horizon(now);
        if !context.stale {
            self.replay(session).insert(msg_id.0, horizon);
            self.has_come(msg_id);
        }
        let was_stale = context.stale;
        self.walk(&mut context, message, rng);
        if was_stale && !context.stale {
            let horizon = self.ids.horizon(now);
            self.replay(session).insert(msg_id.0, horizon);
            self.has_come(msg_id);
        }
        !context.stale
    }

    /// An outermost message: a container's members, or itself.
    pub(super) fn walk(&mut self, context: &mut Context, message: Message, rng: &mut Rng) {
        let was_packed = constructor(&message.body) == Some(types::GzipPacked::ID);
        let Some(message) = self.unpack(context, message) else {
            return;
        };
        if constructor(&message.body) != Some(types::MsgContainer::ID) {
            return self.take(context, message, rng);
        }
        if was_packed && matches!(self.side, Side::Server(_)) {
            // Its members were not judged.
            return self.bad_container(&message);
        }
        let members = match container(&message, self.config.limits.container_items) {
            Ok(members) => members,
            Err(members) => {
                // The rest cannot be found; those before it are good.
                count(&mut self.stats.malformed);
                members
            }
        };
        context.inner = true;
        for member in members {
            if !self.is_peers_id(member.msg_id) {
                count(&mut self.stats.bad_msg_ids);
                continue;
            }
            if self.disowns(member.msg_id) {
                self.refuse_again(context.now, &member);
                continue;
            }
            if self.is_too_new(context.now, member.msg_id) {
                self.refuse_too_new(context.now, &member);
                continue;
            }
            let seen = self.replay(context.session).check(member.msg_id.0);
            if seen == Seen::Before {
                self.came_twice(context, member.msg_id, member.seq_no);
                continue;
            }
            // The peer may send an old message again inside a new container, but then nobody can
            // tell whether it came: only an answer shows that by itself.
            let unknown = seen == Seen::Unknown;
            if unknown && matches!(self.side, Side::Server(_)) {
                self.too_old_to_know(&member);
                continue;
            }
            if !context.stale {
                let horizon = self.ids.horizon(context.now);
                self.replay(context.session)
                    .insert(member.msg_id.0, horizon);
                self.has_come(member.msg_id);
            }
            let Some(member) = self.unpack(context, member) else {
                continue;
            };
            if constructor(&member.body) == Some(types::MsgContainer::ID) {
                // Containers do not nest.
                count(&mut self.stats.malformed);
                continue;
            }
            // A refusal shows it too: it names a message of ours that waits, once.
            if unknown
                && let Some(constructor) = constructor(&member.body)
                && !matches!(
                    constructor,
                    types::RpcResult::ID | types::BadMsgNotification::ID | types::BadServerSalt::ID
                )
            {
                self.dropped_as_too_old(context.now, constructor);
                self.acknowledge_content(context, member.msg_id, member.seq_no);
                continue;
            }
            self.take(context, member, rng);
        }
    }

    /// A message that was only described need not be asked for any more.
    fn has_come(&mut self, msg_id: MsgId) {
        if let Side::Client(client) = &mut self.side {
            client.described.came(msg_id);
        }
    }

    /// A message came a second time: it is not taken twice, but the peer missed that it came.
    pub(super) fn came_twice(&mut self, context: &Context, msg_id: MsgId, seq_no: i32) {
        count(&mut self.stats.duplicates);
        if !self.answer_again(msg_id) {
            self.acknowledge_content(context, msg_id, seq_no);
        }
    }

    /// Inflates `gzip_packed`, once; anything else is returned as it is. A client's call that does
    /// not inflate stays as it is too, so that the owner answers it.
    fn unpack(&mut self, context: &mut Context, mut message: Message) -> Option<Message> {
        if constructor(&message.body) == Some(types::GzipPacked::ID) {
            match inflate(&message.body, context) {
                Some(body) if constructor(&body) != Some(types::GzipPacked::ID) => {
                    message.whole = body.len();
                    message.body = body;
                }
                Some(_) | None => {
                    count(&mut self.stats.bad_gzip);
                    if matches!(self.side, Side::Client(_)) {
                        self.updates_missed(context.now);
                        self.acknowledge_content(context, message.msg_id, message.seq_no);
                        return None;
                    }
                }
            }
        }
        Some(message)
    }

    fn is_peers_id(&self, id: MsgId) -> bool {
        match self.side {
            Side::Client(_) => id.0 & 1 == 1,
            Side::Server(_) => id.0 & 3 == 0,
        }
    }

    /// One message that is no container. What is content-related is acknowledged whatever it is.
    fn take(&mut self, context: &mut Context, message: Message, rng: &mut Rng) {
        count(&mut self.stats.messages_in);
        let Some(constructor) = constructor(&message.body) else {
            return count(&mut self.stats.malformed);
        };
        let (msg_id, seq_no) = (message.msg_id, message.seq_no);
        let taken = match self.side {
            Side::Client(_) => self.take_from_server(context, constructor, message, rng),
            Side::Server(_) => self.take_from_client(context, constructor, message),
        };
        if taken.is_err() {
            count(&mut self.stats.malformed);
            self.lost_unread(context.now, constructor);
        }
        if taken != Ok(false) {
            self.acknowledge_content(context, msg_id, seq_no);
        }
    }

    /// What came in this session.
    fn replay(&mut self, session: SessionId) -> &mut Replay {
        match &mut self.former {
            Some(former) if session != self.id => &mut former.replay,
            Some(_) | None => &mut self.replay,
        }
    }

    /// Whether a packet came in the session that we speak in now.
    pub(super) fn is_current(&self, context: &Context) -> bool {
        context.session == self.id
    }

    /// Notes that the peer is to hear that a message came, if its number asks for it. Messages of
    /// a former session cannot be acknowledged in this one.
    pub(super) fn acknowledge_content(&mut self, context: &Context, msg_id: MsgId, seq_no: i32) {
        let skipped = context.inner && sabotage::breaks(Sabotage::InnerAcks);
        if seq_no::is_content(seq_no) && self.is_current(context) && !skipped {
            self.acknowledge(context.now, msg_id);
        }
    }

    /// Notes that the peer is to hear that a message came.
    pub(super) fn acknowledge(&mut self, now: Time, msg_id: MsgId) {
        let (delay, max) = (self.config.ack_delay, self.config.limits.acks);
        if !self.acks.push(msg_id, now, delay, max) {
            count(&mut self.stats.overflow);
        }
        self.timers.set(Timer::Ack, self.acks.deadline());
    }

    /// Messages that both roles know.
    pub(super) fn take_common(
        &mut self,
        msg_id: MsgId,
        constructor: u32,
        body: &Bytes,
    ) -> Result<bool, DecodeError> {
        match constructor {
            types::MsgsAck::ID => {
                for id in parse::<types::MsgsAck>(body)?.msg_ids {
                    self.acknowledged(MsgId(id));
                }
            }
            types::MsgsStateReq::ID => {
                self.handle_state_req(msg_id, &parse(body)?);
            }
            types::MsgsStateInfo::ID => self.handle_state_info(&parse(body)?),
            types::MsgsAllInfo::ID => {
                let all: types::MsgsAllInfo = parse(body)?;
                self.handle_states(None, &all.msg_ids, &all.info);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The boxed object's constructor.
pub(super) fn constructor(body: &Bytes) -> Option<u32> {
    body.first_chunk().map(|id| u32::from_le_bytes(*id))
}

/// A service message from its boxed form. What follows it is ignored, as other clients do.
pub(super) fn parse<T: Constructor>(body: &Bytes) -> Result<T, DecodeError> {
    let mut reader = Reader::new(body);
    let _ = reader.u32();
    let parsed = T::decode_bare(&mut reader)?;
    reader.check()?;
    Ok(parsed)
}

/// What a `gzip_packed` holds, if it is sound and the packet's bound allows it.
pub(super) fn inflate(body: &Bytes, context: &mut Context) -> Option<Bytes> {
    let mut reader = Reader::new(body);
    let _ = reader.u32();
    let packed = reader.bytes();
    reader.check().ok()?;
    gzip::inflate_within(&packed, &mut context.inflatable, context.ratio)
}

/// A container's members; `Err` with those before the first that is malformed or more than `max`.
pub(super) fn container(message: &Message, max: usize) -> Result<Vec<Message>, Vec<Message>> {
    let mut rest = message.body.clone();
    let mut members = Vec::new();
    if rest.try_get_u32_le().is_err() {
        return Err(members);
    }
    let Ok(announced) = rest.try_get_u32_le() else {
        return Err(members);
    };
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    for _ in 0..announced.min(max) {
        let (Ok(msg_id), Ok(seq_no), Ok(len)) = (
            rest.try_get_i64_le(),
            rest.try_get_i32_le(),
            rest.try_get_u32_le(),
        ) else {
            return Err(members);
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len % 4 != 0 || len > rest.len() {
            return Err(members);
        }
        members.push(Message {
            msg_id: MsgId(msg_id),
            seq_no,
            body: rest.split_to(len),
            whole: message.whole,
        });
    }
    if announced > max {
        return Err(members);
    }
    Ok(members)
}
