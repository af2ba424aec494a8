//! What a server says: answers, notifications, new sessions, salts.
//!
//! Does: the client's half of the service messages, in the specification's order.
//! In: single messages of opened packets. Out: events, requests ended or sent again, a repaired
//! clock, new salts.
//! Must not know: packets, containers.
//! Spec: "Service Messages"; "Service Messages about Messages".

use alloc::string::String;

use bytes::{Buf, Bytes};
use mtproto_schema::mtproto::enums::DestroyAuthKeyRes;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Decode, DecodeError, Function, Reader};

use crate::error::{Fate, RequestError, RpcError, count};
use crate::ids::{MsgId, RequestId};
use crate::rng::Rng;
use crate::sabotage::{self, Sabotage};
use crate::session::after;
use crate::session::backlog::keep;
use crate::session::client::ONLY_PONGS;
use crate::session::incoming::{Context, Message, constructor, inflate, parse};
use crate::session::msg_id::{MsgIds, Parity};
use crate::session::pending::{Request, Sent};
use crate::session::{Event, Session, Side, is_service_call};
use crate::time::Time;

/// An answer that nobody waits for counts towards the renewal of the session from this size. TDLib's number.
const LARGE_ANSWER: usize = 16 << 10;

impl Session {
    /// One message of the server. `Ok(false)`: it was dropped and is not to be acknowledged.
    pub(super) fn take_from_server(
        &mut self,
        context: &mut Context,
        constructor: u32,
        message: Message,
        rng: &mut Rng,
    ) -> Result<bool, DecodeError> {
        let Message {
            msg_id,
            body,
            whole,
            ..
        } = message;
        if context.stale && !self.repairs_clock(context, msg_id, constructor, &body, rng) {
            self.dropped_as_too_old(context.now, constructor);
            return Ok(false);
        }
        match constructor {
            types::RpcResult::ID => self.handle_result(context, msg_id, &body, whole, rng)?,
            types::Pong::ID => {
                let pong: types::Pong = parse(&body)?;
                self.check_time_of_answer(context, msg_id, MsgId(pong.msg_id), rng);
                self.check_answers(context.now, MsgId(pong.msg_id));
                self.handle_bare_answer(MsgId(pong.msg_id), keep(body, whole));
            }
            types::BadMsgNotification::ID => {
                let bad: types::BadMsgNotification = parse(&body)?;
                self.handle_bad_msg(context, msg_id, &bad, rng);
            }
            types::BadServerSalt::ID => {
                let bad: types::BadServerSalt = parse(&body)?;
                self.handle_bad_salt(context.now, &bad);
            }
            types::NewSessionCreated::ID if !self.is_current(context) => return Ok(false),
            types::NewSessionCreated::ID => {
                let created: types::NewSessionCreated = parse(&body)?;
                self.handle_new_session(context.now, &created);
            }
            types::FutureSalts::ID => {
                let salts: types::FutureSalts = parse(&body)?;
                self.handle_future_salts(context.now, &salts, keep(body, whole));
            }
            types::MsgDetailedInfo::ID => {
                let info: types::MsgDetailedInfo = parse(&body)?;
                let request = MsgId(info.msg_id);
                self.acknowledged(request);
                self.handle_detailed_info(context.now, MsgId(info.answer_msg_id), Some(request));
            }
            types::MsgNewDetailedInfo::ID => {
                let info: types::MsgNewDetailedInfo = parse(&body)?;
                self.handle_detailed_info(context.now, MsgId(info.answer_msg_id), None);
            }
            functions::Ping::ID => {
                let mut reader = Reader::new(&body);
                let _ = reader.u32();
                let ping_id = reader.i64();
                reader.check()?;
                self.notify_service(
                    Parity::Client,
                    &types::Pong {
                        msg_id: msg_id.0,
                        ping_id,
                    },
                );
            }
            types::DestroySessionOk::ID | types::DestroySessionNone::ID => {
                self.handle_answer_without_id(functions::DestroySession::ID, keep(body, whole));
            }
            types::MsgResendReq::ID => {
                let asked: types::MsgResendReq = parse(&body)?;
                self.handle_resend_req(context, msg_id, &asked.msg_ids);
            }
            // A client has no answers.
            types::MsgResendAnsReq::ID => {}
            _ if DestroyAuthKeyRes::from_bytes(&body).is_ok() => {
                self.handle_answer_without_id(functions::DestroyAuthKey::ID, keep(body, whole));
            }
            _ => {
                if !self.take_common(msg_id, constructor, &body)? {
                    self.tell_update(context.now, keep(body, whole));
                }
            }
        }
        Ok(true)
    }

    /// A message was dropped because nobody can tell whether it came before.
    pub(super) fn dropped_as_too_old(&mut self, now: Time, constructor: u32) {
        count(&mut self.stats.too_old);
        self.lost_unread(now, constructor);
    }

    /// A message was dropped: it may have been an update, or have stood for some.
    pub(super) fn lost_unread(&mut self, now: Time, constructor: u32) {
        if !tells_nothing_of_updates(constructor) {
            self.updates_missed(now);
        }
    }

    /// Whether a message that seems too old shows that our time is wrong, which is repaired here
    /// if nothing else does it.
    fn repairs_clock(
        &mut self,
        context: &mut Context,
        msg_id: MsgId,
        constructor: u32,
        body: &Bytes,
        rng: &mut Rng,
    ) -> bool {
        match constructor {
            types::BadMsgNotification::ID | types::BadServerSalt::ID => {
                !sabotage::breaks(Sabotage::ClockExemption)
            }
            types::RpcResult::ID | types::Pong::ID => {
                // Both begin with the id of the request's message.
                let request = body.get(4..).and_then(|body| body.first_chunk::<8>());
                let Some(request) = request.map(|id| MsgId(i64::from_le_bytes(*id))) else {
                    return false;
                };
                self.check_time_of_answer(context, msg_id, request, rng);
                context.stale = self.ids.age(msg_id, context.now) == super::msg_id::Age::TooOld;
                !context.stale
            }
            _ => false,
        }
    }

    /// The server answers our ping, and perhaps nothing else.
    fn check_answers(&mut self, now: Time, ping: MsgId) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let waited = client
            .pending
            .oldest_written()
            .map(|at| now.saturating_since(at.max(client.stream_since)));
        if matches!(client.pending.sent(ping), Some(Sent::Ping))
            && waited.is_some_and(|waited| waited >= ONLY_PONGS)
        {
            client.only_pongs = true;
        }
    }

    /// An answer much older than its request shows that our time is wrong, and the ids of this
    /// session too far ahead.
    fn check_time_of_answer(
        &mut self,
        context: &Context,
        answer: MsgId,
        request: MsgId,
        rng: &mut Rng,
    ) {
        let Side::Client(client) = &self.side else {
            return;
        };
        if self.is_current(context)
            && client.pending.sent(request).is_some()
            && MsgIds::answer_shows_wrong_time(answer, request)
        {
            let corrected = self.ids.reset(answer, context.now);
            self.clock_corrected(corrected);
            self.renew(rng);
        }
    }

    pub(super) fn clock_corrected(&mut self, corrected: Option<i64>) {
        if let Some(by) = corrected {
            self.tell_note(Event::ClockCorrected { by });
            self.tell_key_state();
        }
    }

    /// `rpc_result`: the message id of the request, then the result up to the end.
    fn handle_result(
        &mut self,
        context: &mut Context,
        msg_id: MsgId,
        body: &Bytes,
        whole: usize,
        rng: &mut Rng,
    ) -> Result<(), DecodeError> {
        let mut reader = Reader::new(body);
        let _ = reader.u32();
        let request = MsgId(reader.i64());
        let result = reader.rest();
        reader.check()?;
        self.check_time_of_answer(context, msg_id, request, rng);
        let Side::Client(client) = &mut self.side else {
            return Ok(());
        };
        let Some(id) = client.pending.request_of(request) else {
            // The answer to our own rpc_drop_answer is expected and needs no care.
            if !client.pending.answered(request) {
                self.unwanted(context, result.len(), rng);
            }
            return Ok(());
        };
        let result = match constructor(&result) {
            Some(types::GzipPacked::ID) => inflate(&result, context),
            Some(_) | None => Some(keep(result, whole)),
        };
        let error = result.as_ref().and_then(rpc_error);
        if let Some(error) = &error
            && (self.initialise_again(error, id) || self.wait_again(error, id))
        {
            return Ok(());
        }
        let inflated = result.is_some();
        let result = result.filter(|body| error.is_some() || self.has_room_for_answer(body));
        let Side::Client(client) = &mut self.side else {
            return Ok(());
        };
        let ended = match (&error, &result) {
            (None, Some(_)) => client.pending.answer(id),
            _ => client.pending.fail(id),
        };
        let Some(ended) = ended else {
            return Ok(());
        };
        client.refusals = 0;
        client.initialised |= ended.initialises && !ended.in_former_session && error.is_none();
        let event = match (error, result) {
            (Some(error), _) => Event::Failed {
                id,
                error: RequestError::Rpc(error),
            },
            (None, Some(body)) => Event::Response { id, body },
            (None, None) => {
                if !inflated {
                    count(&mut self.stats.bad_gzip);
                }
                Event::Failed {
                    id,
                    error: RequestError::BadAnswer,
                }
            }
        };
        self.tell_end(event);
        Ok(())
    }

    /// The server did not execute a call because of what that comes after: it is sent again when
    /// that is done, or ends if that failed.
    fn wait_again(&mut self, error: &RpcError, id: RequestId) -> bool {
        let Side::Client(client) = &mut self.side else {
            return false;
        };
        // If nothing was named the error is somebody else's.
        let named = |request: &Request| !request.named.is_empty();
        if !after::is_wait_error(&error.message) || !client.pending.get(id).is_some_and(named) {
            return false;
        }
        match client.pending.was_not_waited_for(id) {
            Some(error) => {
                client.pending.fail(id);
                self.tell_end(Event::Failed { id, error });
            }
            None => self.send_again(&[id], Fate::NotReceived),
        }
        true
    }

    /// The server forgot how this connection was initialised: says so again with the next calls,
    /// this one first.
    fn initialise_again(&mut self, error: &RpcError, id: RequestId) -> bool {
        let forgotten = error.code == 400
            && matches!(
                error.message.as_str(),
                "CONNECTION_NOT_INITED" | "CONNECTION_LAYER_INVALID"
            );
        let Side::Client(client) = &mut self.side else {
            return false;
        };
        // If this very call carried it, saying it again does not help.
        let helps = client.init.is_some()
            && client
                .pending
                .get(id)
                .is_some_and(|request| !request.initialises);
        if !forgotten || !helps {
            return false;
        }
        client.initialised = false;
        self.send_again(&[id], Fate::NotReceived);
        true
    }

    /// An answer to a request of ours that is not wrapped into `rpc_result`.
    fn handle_bare_answer(&mut self, request: MsgId, body: Bytes) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let Some(id) = client.pending.request_of(request) else {
            if client.pending.answered(request) {
                client.refusals = 0;
            } else {
                count(&mut self.stats.unknown_answers);
            }
            return;
        };
        // A call of the API is answered by `rpc_result` only.
        let is_service = |request: &Request| is_service_call(request.body.constructor());
        if !client.pending.get(id).is_some_and(is_service) {
            return count(&mut self.stats.unknown_answers);
        }
        client.refusals = 0;
        self.end_with_answer(id, body);
    }

    /// A request is answered by the whole of a message.
    fn end_with_answer(&mut self, id: RequestId, body: Bytes) {
        let room = self.has_room_for_answer(&body);
        let Side::Client(client) = &mut self.side else {
            return;
        };
        if room {
            client.pending.answer(id);
            self.tell_end(Event::Response { id, body });
        } else {
            client.pending.fail(id);
            let error = RequestError::BadAnswer;
            self.tell_end(Event::Failed { id, error });
        }
    }

    /// An answer that names no message: it belongs to the oldest such request.
    fn handle_answer_without_id(&mut self, function: u32, body: Bytes) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        match client.pending.written_with_constructor(function) {
            Some(id) => self.end_with_answer(id, body),
            None => count(&mut self.stats.unknown_answers),
        }
    }

    /// Nobody waits for this answer; too many large ones renew the session, and end the stream if
    /// they keep coming under the former one.
    fn unwanted(&mut self, context: &Context, bytes: usize, rng: &mut Rng) {
        count(&mut self.stats.unknown_answers);
        let Side::Client(client) = &mut self.side else {
            return;
        };
        if bytes >= LARGE_ANSWER {
            client.unwanted = client.unwanted.saturating_add(bytes);
            if client.unwanted > self.config.limits.unwanted_bytes {
                if self.is_current(context) {
                    self.renew(rng);
                } else {
                    self.former = None;
                }
            }
        }
    }

    /// `new_session_created`: what lies before its first message is not known to the server.
    fn handle_new_session(&mut self, now: Time, created: &types::NewSessionCreated) {
        let server_now = self.ids.server_now(now);
        let Side::Client(client) = &mut self.side else {
            return;
        };
        if client.created.replace(created.unique_id) == Some(created.unique_id) {
            return;
        }
        if !client.salts.is_valid(server_now) {
            client.salts.replace(created.server_salt, server_now);
            self.tell_key_state();
        }
        let Side::Client(client) = &self.side else {
            return;
        };
        let first_msg_id = MsgId(created.first_msg_id);
        if sabotage::breaks(Sabotage::FirstMsgId) {
            let all = client.pending.written_requests();
            return self.send_again(&all, Fate::NotReceived);
        }
        let before = client.pending.written_before(first_msg_id);
        self.send_again_or_lose(before);
        let told = self.tell_note(Event::SessionRenewed {
            first_msg_id,
            unique_id: created.unique_id,
        });
        if !told {
            self.updates_missed(now);
        }
    }

    fn handle_future_salts(&mut self, now: Time, salts: &types::FutureSalts, body: Bytes) {
        let request = MsgId(salts.req_msg_id);
        let server_now = self.ids.server_now(now);
        let Side::Client(client) = &mut self.side else {
            return;
        };
        if client.pending.sent(request).is_none() {
            return count(&mut self.stats.unknown_answers);
        }
        client.salts.learn(&salts.salts, server_now);
        self.tell_key_state();
        self.handle_bare_answer(request, body);
    }
}

/// What a server says about messages and keys only. A new session and a description of an unsent
/// message are not among it: both may stand for updates.
fn tells_nothing_of_updates(constructor: u32) -> bool {
    matches!(
        constructor,
        types::RpcResult::ID
            | types::Pong::ID
            | types::BadMsgNotification::ID
            | types::BadServerSalt::ID
            | types::FutureSalts::ID
            | types::MsgDetailedInfo::ID
            | types::MsgsAck::ID
            | types::MsgsStateReq::ID
            | types::MsgsStateInfo::ID
            | types::MsgsAllInfo::ID
            | types::MsgResendReq::ID
            | types::MsgResendAnsReq::ID
            | types::DestroySessionOk::ID
            | types::DestroySessionNone::ID
            | functions::Ping::ID
    )
}

/// `rpc_error`, if the result is one. A code that no server gives is 500, like a text that is no
/// text.
fn rpc_error(result: &Bytes) -> Option<RpcError> {
    if constructor(result)? != types::RpcError::ID {
        return None;
    }
    let broken = || RpcError {
        code: 500,
        message: String::new(),
    };
    let mut body = result.slice(4..);
    let Ok(code) = body.try_get_i32_le() else {
        return Some(broken());
    };
    let mut reader = Reader::new(&body);
    let text = reader.bytes();
    if reader.check().is_err() {
        return Some(broken());
    }
    let text = text
        .get(..text.len().min(RpcError::MAX_MESSAGE))
        .unwrap_or_default();
    let valid = core::str::from_utf8(text).is_ok() && code != 0 && code.unsigned_abs() < 10_000;
    let code = if valid { code } else { 500 };
    Some(RpcError {
        code,
        message: String::from_utf8_lossy(text).into_owned(),
    })
}
