//! What a client says: calls and service requests.
//!
//! Does: the server's half: judges each packet's outermost message, answers service requests,
//! hands calls to the owner once.
//! In: opened packets, answers of the owner. Out: notices, events.
//! Must not know: what a call means, other sessions.
//! Spec: "Service Messages about Messages", notice of ignored error message; "Service Messages".

use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::mtproto::enums::RpcDropAnswer;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, DecodeError, Encode, Function, Reader};
use rand_core::Rng as _;

use crate::error::count;
use crate::ids::{MsgId, SessionId};
use crate::rng::Rng;
use crate::session::backlog::keep;
use crate::session::incoming::{Context, Message, constructor, container, parse};
use crate::session::msg_id::{Age, Parity};
use crate::session::outgoing::Notice;
use crate::session::replay::Seen;
use crate::session::{Event, Session, Side, seq_no};
use crate::time::Time;

/// Longest delay of `ping_delay_disconnect` that is honoured.
const MAX_DISCONNECT_DELAY: i32 = 600;
/// Longest answer: a client refuses frames over 4 MiB.
pub const MAX_ANSWER: usize = (1 << 22) - 1_024;

/// Codes of `bad_msg_notification`.
mod code {
    pub(super) const TOO_LOW: i32 = 16;
    pub(super) const TOO_HIGH: i32 = 17;
    pub(super) const WRONG_LOW_BITS: i32 = 18;
    pub(super) const CONTAINER_SEEN_BEFORE: i32 = 19;
    pub(super) const TOO_OLD_TO_KNOW: i32 = 20;
    pub(super) const ODD_CONTAINER: i32 = 34;
    pub(super) const EVEN_CALL: i32 = 35;
    pub(super) const BAD_SALT: i32 = 48;
    pub(super) const BAD_CONTAINER: i32 = 64;
}

impl Session {
    /// The server's checks of an outermost message, in the specification's order; the first that
    /// fails gives one notification and nothing is executed.
    pub(super) fn judge_from_client(
        &mut self,
        now: Time,
        salt: i64,
        message: Message,
        rng: &mut Rng,
    ) {
        let (msg_id, seq_no) = (message.msg_id, message.seq_no);
        if self.disowns(msg_id) {
            return self.refuse_again(now, &message);
        }
        let is_container = constructor(&message.body) == Some(types::MsgContainer::ID);
        let refuse = match (self.ids.age(msg_id, now), self.replay.check(msg_id.0)) {
            _ if msg_id.0 & 3 != 0 => Some(code::WRONG_LOW_BITS),
            // The id of another message; the same container twice is walked, and its members are
            // known. To refuse it would make the client believe that they were not executed.
            (_, Seen::Before) if is_container && !self.knows_members(&message) => {
                Some(code::CONTAINER_SEEN_BEFORE)
            }
            (_, Seen::Before) if is_container => {
                let mut context = Context::new(now, self.id, &self.config.limits);
                return self.walk(&mut context, message, rng);
            }
            (_, Seen::Before) => {
                return self.came_twice(
                    &Context::new(now, self.id, &self.config.limits),
                    msg_id,
                    seq_no,
                );
            }
            (Age::TooNew, _) => Some(code::TOO_HIGH),
            (Age::TooOld, Seen::Unknown) => Some(code::TOO_OLD_TO_KNOW),
            (Age::TooOld, Seen::New) => Some(code::TOO_LOW),
            (Age::Fine, Seen::Unknown) => Some(code::TOO_OLD_TO_KNOW),
            (Age::Fine, Seen::New) => None,
        };
        let Side::Server(server) = &mut self.side else {
            return;
        };
        let server_now = self.ids.server_now(now);
        let refuse = refuse
            .or_else(|| (!server.salts.accepts(salt, server_now)).then_some(code::BAD_SALT))
            .or_else(|| server.incoming.check(msg_id.0, seq_no))
            .or_else(|| (is_container && seq_no::is_content(seq_no)).then_some(code::ODD_CONTAINER))
            .or_else(|| {
                (is_container && !sound_container(&message, self.config.limits.container_items))
                    .then_some(code::BAD_CONTAINER)
            })
            .or_else(|| {
                (!seq_no::is_content(seq_no) && is_call(&message.body)).then_some(code::EVEN_CALL)
            });
        if let Some(code) = refuse {
            return self.refuse(now, msg_id, seq_no, code);
        }
        server.incoming.accept(msg_id.0, seq_no);
        server.heard = now;
        self.replay.insert(msg_id.0, self.ids.horizon(now));
        let first = self.first_from_peer.min(msg_id.0);
        let before = core::mem::replace(&mut self.first_from_peer, first);
        if server.created.is_none() || first != before {
            self.announce(msg_id, rng);
        }
        let mut context = Context::new(now, self.id, &self.config.limits);
        self.walk(&mut context, message, rng);
    }

    /// A message that was refused comes again: it is not taken, and another id would be.
    pub(super) fn refuse_again(&mut self, now: Time, message: &Message) {
        count(&mut self.stats.duplicates);
        self.refuse(now, message.msg_id, message.seq_no, code::TOO_LOW);
    }

    /// Whether a member of a container is from the future. Once taken, it would make everything after
    /// it old, in the sessions that the key has later too. Server.
    pub(super) fn is_too_new(&self, now: Time, msg_id: MsgId) -> bool {
        matches!(self.side, Side::Server(_)) && self.ids.age(msg_id, now) == Age::TooNew
    }

    pub(super) fn refuse_too_new(&mut self, now: Time, member: &Message) {
        self.refuse(now, member.msg_id, member.seq_no, code::TOO_HIGH);
    }

    /// Whether the client was told that this message was refused.
    pub(super) fn disowns(&self, msg_id: MsgId) -> bool {
        match &self.side {
            Side::Server(server) => server.disowned.contains(msg_id),
            Side::Client(_) => false,
        }
    }

    /// Whether every member of a container came before.
    fn knows_members(&self, message: &Message) -> bool {
        container(message, self.config.limits.container_items).is_ok_and(|members| {
            members
                .iter()
                .all(|member| self.replay.check(member.msg_id.0) != Seen::New)
        })
    }

    /// A message came a second time: sends its answer again, or says that it is there if it is
    /// long. Server. `false` if there is none.
    pub(super) fn answer_again(&mut self, request: MsgId) -> bool {
        let Side::Server(server) = &mut self.side else {
            return false;
        };
        match server.unacked.answer_to(request) {
            Some(answer) => {
                server.unacked.remind(answer);
                true
            }
            None => self.out.answers(request),
        }
    }

    /// A member of a container is older than what is remembered: it may have been executed.
    pub(super) fn too_old_to_know(&mut self, member: &Message) {
        let (msg_id, seq_no) = (member.msg_id, member.seq_no);
        self.refuse(self.latest, msg_id, seq_no, code::TOO_OLD_TO_KNOW);
    }

    /// A container where none may be.
    pub(super) fn bad_container(&mut self, message: &Message) {
        self.refuse(
            self.latest,
            message.msg_id,
            message.seq_no,
            code::BAD_CONTAINER,
        );
    }

    fn refuse(&mut self, now: Time, msg_id: MsgId, seq_no: i32, code: i32) {
        let (bad_msg_id, bad_msg_seqno, error_code) = (msg_id.0, seq_no, code);
        let (server_now, horizon) = (self.ids.server_now(now), self.ids.horizon(now));
        let Side::Server(server) = &mut self.side else {
            return;
        };
        // A copy of it must not be taken when its salt, its time or its number has become right.
        server.disowned.insert(msg_id, horizon);
        if code == code::BAD_SALT {
            let new_server_salt = server.salts.current(server_now);
            self.notify_service(
                Parity::Response,
                &types::BadServerSalt {
                    bad_msg_id,
                    bad_msg_seqno,
                    error_code,
                    new_server_salt,
                },
            );
        } else {
            self.notify_service(
                Parity::Response,
                &types::BadMsgNotification {
                    bad_msg_id,
                    bad_msg_seqno,
                    error_code,
                },
            );
        }
    }

    /// Tells the client that its session is new here: once, and again when an older message comes
    /// than the one that was the first so far.
    fn announce(&mut self, first: MsgId, rng: &mut Rng) {
        let server_now = self.ids.server_now(self.latest);
        let Side::Server(server) = &mut self.side else {
            return;
        };
        let unique_id = *server
            .created
            .get_or_insert_with(|| rng.next_u64().cast_signed());
        let created = types::NewSessionCreated {
            first_msg_id: first.0,
            unique_id,
            server_salt: server.salts.current(server_now),
        };
        let body = created.to_bytes();
        self.notify(Notice {
            parity: Parity::Push,
            content: true,
            answers: None,
            body,
        });
    }

    /// One message of the client. `Ok(false)`: it was refused and is not to be acknowledged.
    pub(super) fn take_from_client(
        &mut self,
        context: &mut Context,
        constructor: u32,
        message: Message,
    ) -> Result<bool, DecodeError> {
        let Message {
            msg_id,
            seq_no,
            body,
            whole,
        } = message;
        let mut reader = Reader::new(&body);
        let _ = reader.u32();
        match constructor {
            functions::Ping::ID => {
                let ping_id = reader.i64();
                reader.check()?;
                self.notify_service(Parity::Response, &types::Pong { msg_id: msg_id.0, ping_id });
            }
            functions::PingDelayDisconnect::ID => {
                let ping_id = reader.i64();
                let delay = reader.i32();
                reader.check()?;
                self.notify_service(Parity::Response, &types::Pong { msg_id: msg_id.0, ping_id });
                let secs = u64::try_from(delay.clamp(0, MAX_DISCONNECT_DELAY)).unwrap_or(0);
                let delay = Duration::from_secs(secs);
                self.tell_note(Event::DisconnectAfter { delay });
            }
            functions::GetFutureSalts::ID => {
                let num = reader.i32();
                reader.check()?;
                self.answer_future_salts(context.now, msg_id, num);
            }
            functions::RpcDropAnswer::ID => {
                let dropped = MsgId(reader.i64());
                reader.check()?;
                self.drop_answer(msg_id, dropped);
            }
            functions::DestroySession::ID => {
                let session_id = SessionId(reader.i64());
                reader.check()?;
                self.tell_note(Event::DestroySession { msg_id, session_id });
            }
            functions::DestroyAuthKey::ID => {
                self.tell_note(Event::DestroyAuthKey { msg_id });
            }
            // Only over HTTP does waiting mean anything.
            types::HttpWait::ID
            // A client's answers to questions that we do not ask.
            | types::RpcResult::ID
            | types::Pong::ID
            => {}
            types::MsgResendReq::ID => {
                let asked: types::MsgResendReq = parse(&body)?;
                self.send_kept(msg_id, &asked.msg_ids, false);
            }
            types::MsgResendAnsReq::ID => {
                let asked: types::MsgResendAnsReq = parse(&body)?;
                self.send_kept(msg_id, &asked.msg_ids, true);
            }
            _ => {
                if self.take_common(msg_id, constructor, &body)? {
                    return Ok(true);
                }
                let call = Message { msg_id, seq_no, body, whole };
                return Ok(self.take_call(context.now, call));
            }
        }
        Ok(true)
    }

    fn take_call(&mut self, now: Time, call: Message) -> bool {
        let Message {
            msg_id,
            seq_no,
            body,
            whole,
        } = call;
        if !seq_no::is_content(seq_no) {
            self.refuse(now, msg_id, seq_no, code::EVEN_CALL);
            return false;
        }
        let Side::Server(server) = &mut self.side else {
            return false;
        };
        if !server.running.has_room_for(&body, &self.config.limits) {
            self.answer_busy(msg_id);
            return true;
        }
        let body = keep(body, whole);
        server.running.start(msg_id, body.clone());
        self.events.push(Event::Request { msg_id, body });
        true
    }

    fn answer_future_salts(&mut self, now: Time, msg_id: MsgId, num: i32) {
        let server_now = self.ids.server_now(now);
        let Side::Server(server) = &mut self.side else {
            return;
        };
        let salts = types::FutureSalts {
            req_msg_id: msg_id.0,
            now: i32::try_from(server_now.unix()).unwrap_or(i32::MAX),
            salts: server.salts.future(num, server_now),
        };
        self.notify_service(Parity::Response, &salts);
    }

    /// `rpc_drop_answer`: a call that still runs is not answered normally any more.
    fn drop_answer(&mut self, msg_id: MsgId, dropped: MsgId) {
        let Side::Server(server) = &mut self.side else {
            return;
        };
        let outcome = if server.running.end(dropped) {
            self.tell_note(Event::Dropped { msg_id: dropped });
            let running = RpcDropAnswer::RpcAnswerDroppedRunning;
            self.answer(dropped, running.to_bytes());
            running
        } else if let Some(answer) = server.unacked.answer_to(dropped)
            && let Some((seq_no, len)) = server.unacked.remove(answer)
        {
            dropped_answer(answer, seq_no, len)
        } else if let Some(len) = self.out.take_answer(dropped) {
            // It has not been given an id.
            dropped_answer(MsgId(0), 0, len)
        } else {
            RpcDropAnswer::RpcAnswerUnknown
        };
        self.answer(msg_id, outcome.to_bytes());
    }

    fn answer(&mut self, request: MsgId, body: Bytes) {
        self.acks.forget(request);
        self.notify(Notice {
            parity: Parity::Response,
            content: true,
            answers: Some(request),
            body,
        });
    }

    fn answer_busy(&mut self, request: MsgId) {
        let busy = types::RpcError {
            error_code: 429,
            error_message: "Too Many Requests".into(),
        };
        self.answer(request, busy.to_bytes());
    }

    /// Answers a call for which the owner has no room. Server.
    pub(crate) fn respond_busy(&mut self, request: MsgId) {
        if let Side::Server(server) = &mut self.side
            && server.running.end(request)
        {
            self.answer_busy(request);
        }
    }

    /// Answers a call with its boxed result. Server. `false` if nobody waits for it or it is
    /// longer than [`MAX_ANSWER`].
    pub fn respond(&mut self, request: MsgId, body: Bytes) -> bool {
        let Side::Server(server) = &mut self.side else {
            return false;
        };
        if body.len() > MAX_ANSWER || !server.running.end(request) {
            return false;
        }
        self.answer(request, body);
        true
    }

    /// Answers a service request that goes without `rpc_result`, like `destroy_session`. Server.
    pub(crate) fn respond_bare(&mut self, message: &impl Encode) {
        self.notify_service(Parity::Response, message);
    }

    /// Sends an update. Server. `false` if it is too long or the queue is full.
    pub fn push(&mut self, body: Bytes) -> bool {
        if body.len() > MAX_ANSWER || !matches!(self.side, Side::Server(_)) {
            return false;
        }
        let before = self.stats.overflow;
        self.notify(Notice {
            parity: Parity::Push,
            content: true,
            answers: None,
            body,
        });
        self.stats.overflow == before
    }
}

fn dropped_answer(answer: MsgId, seq_no: i32, len: usize) -> RpcDropAnswer {
    RpcDropAnswer::RpcAnswerDropped(types::RpcAnswerDropped {
        msg_id: answer.0,
        seq_no,
        bytes: i32::try_from(len).unwrap_or(i32::MAX),
    })
}

/// Whether a container can be taken apart, does not nest and has legal ids inside.
fn sound_container(message: &Message, max: usize) -> bool {
    container(message, max).is_ok_and(|members| {
        members.iter().all(|member| {
            member.msg_id.0 & 3 == 0 && constructor(&member.body) != Some(types::MsgContainer::ID)
        })
    })
}

/// Whether this is a call of the API, which has to be content-related. What is compressed is
/// judged by what it holds.
fn is_call(body: &Bytes) -> bool {
    let Some(constructor) = constructor(body) else {
        return false;
    };
    !matches!(
        constructor,
        types::RpcResult::ID
            | types::GzipPacked::ID
            | types::MsgContainer::ID
            | types::MsgsAck::ID
            | types::MsgsStateReq::ID
            | types::MsgsStateInfo::ID
            | types::MsgsAllInfo::ID
            | types::MsgResendReq::ID
            | types::MsgResendAnsReq::ID
            | types::HttpWait::ID
            | types::Pong::ID
    ) && !super::is_service_call(constructor)
}
