//! The state of messages: asked for and answered.
//!
//! Does: asks after requests whose stream broke; tells the peer which of its messages came.
//! In: `msgs_state_req`, `msgs_state_info`, `msgs_all_info`, `msg_detailed_info`, a server's
//! `msg_resend_req`. Out: notices, and requests that are sent again or given up.
//! Must not know: packets.
//! Spec: "Service Messages about Messages", message status information.

use alloc::vec::Vec;

use mtproto_schema::mtproto::types;

use crate::error::{Fate, RequestError, count};
use crate::ids::{MsgId, RequestId};
use crate::session::acks::MAX_PER_MESSAGE;
use crate::session::again::Repeat;
use crate::session::incoming::Context;
use crate::session::pending::Sent;
use crate::session::replay::Seen;
use crate::session::{Event, Session, Side};
use crate::time::Time;

/// The low bits of a state: what the peer knows of a message.
const STATE: u8 = 7;
const NOTHING_KNOWN: u8 = 1;
const NOT_RECEIVED: u8 = 2;
const NOT_RECEIVED_TOO_HIGH: u8 = 3;
const RECEIVED: u8 = 4;
/// Bits that only a peer sets that has the message: acknowledged already, RPC in progress or done,
/// response generated, known to be received.
const HAS_IT: u8 = 8 | 32 | 64 | 128;

impl Session {
    /// Requests that were written to a stream that broke: harmless ones are sent again, the server
    /// is asked about the others, and about all that it said it had. If nothing was `heard` over that
    /// stream it is asked about the harmless ones too, which costs no retry: there may be no server,
    /// and until there is one streams may break many times.
    pub(super) fn ask_after_unanswered(&mut self, now: Time, heard: bool) {
        let again = self.config.state_after;
        let Side::Client(client) = &mut self.side else {
            return;
        };
        client.pending.ask_all(now, again);
        let (mut harmless, mut lost) = (Vec::new(), Vec::new());
        for id in client.pending.written_requests() {
            let Some(request) = client.pending.get(id) else {
                continue;
            };
            if request.idempotent && (request.in_former_session || heard && !request.acked) {
                harmless.push(id);
            } else if request.in_former_session {
                // The server knows messages by their session, so its answer would mean nothing.
                lost.push(id);
            }
        }
        self.send_again(&harmless, Fate::MaybeExecuted);
        for id in lost {
            self.lose(id);
        }
    }

    /// `msgs_state_req`: the answer names each message's state.
    pub(super) fn handle_state_req(&mut self, msg_id: MsgId, request: &types::MsgsStateReq) {
        if request.msg_ids.len() > MAX_PER_MESSAGE {
            return count(&mut self.stats.malformed);
        }
        self.tell_states(msg_id, &request.msg_ids);
    }

    /// Whether a message of the peer came.
    pub(super) fn arrival_of(&self, msg_id: MsgId) -> u8 {
        match self.replay.check(msg_id.0) {
            Seen::Before => RECEIVED,
            Seen::Unknown => NOTHING_KNOWN,
            // Older than this session: another one may have taken it.
            Seen::New if msg_id.0 < self.first_from_peer => NOTHING_KNOWN,
            Seen::New if self.replay.newest().is_none_or(|newest| msg_id.0 > newest) => {
                NOT_RECEIVED_TOO_HIGH
            }
            Seen::New => NOT_RECEIVED,
        }
    }

    /// `msg_resend_req`: what still waits for its answer leaves once more, under its own id and at
    /// the price of one retry. If anything else is named the server hears how things stand, for it
    /// would wait for ever.
    pub(super) fn handle_resend_req(&mut self, context: &Context, msg_id: MsgId, ids: &[i64]) {
        if ids.len() > MAX_PER_MESSAGE {
            return count(&mut self.stats.malformed);
        }
        let server_now = self.ids.server_now(context.now);
        let current = self.is_current(context);
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let mut all = current;
        for asked in ids {
            let id = client.pending.request_of(MsgId(*asked));
            let leaves = |id| client.pending.repeat(id, server_now) == Repeat::Leaves;
            all &= current && id.is_some_and(leaves);
        }
        if !all {
            self.tell_states(msg_id, ids);
        }
    }

    /// `msgs_state_info`: the answer to a question of ours.
    pub(super) fn handle_state_info(&mut self, info: &types::MsgsStateInfo) {
        let Side::Client(client) = &self.side else {
            return self.learn_state_info(info);
        };
        let asked = match client.pending.sent(MsgId(info.req_msg_id)) {
            Some(Sent::States(asked)) if asked.len() != info.info.len() => {
                return count(&mut self.stats.malformed);
            }
            Some(Sent::States(asked)) => asked.iter().map(|id| id.0).collect::<Vec<_>>(),
            Some(
                Sent::Request(_)
                | Sent::Acks(_)
                | Sent::FutureSalts
                | Sent::Ping
                | Sent::Resend(_)
                | Sent::Notice(_)
                | Sent::Container(_),
            )
            | None => return count(&mut self.stats.unknown_notifications),
        };
        self.handle_states(Some(MsgId(info.req_msg_id)), &asked, &info.info);
    }

    /// One state for each id, as they were when the `question` was asked, if it was.
    pub(super) fn handle_states(
        &mut self,
        question: Option<MsgId>,
        msg_ids: &[i64],
        states: &[u8],
    ) {
        if matches!(self.side, Side::Server(_)) {
            let msg_ids = msg_ids.iter().copied().map(MsgId).collect();
            return self.learn_states(msg_ids, states);
        }
        if msg_ids.len() != states.len() {
            return count(&mut self.stats.malformed);
        }
        let server_now = self.ids.server_now(self.latest);
        let (mut refused, mut unknown, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        for (msg_id, state) in msg_ids.iter().zip(states) {
            let msg_id = MsgId(*msg_id);
            let Side::Client(client) = &mut self.side else {
                return;
            };
            let Some(id) = client.pending.request_of(msg_id) else {
                continue;
            };
            let Some(request) = client.pending.get(id) else {
                continue;
            };
            // Whoever works on it, or has done so, has it. That its answer exists is no reason to
            // ask for it a second time: it may already be on its way.
            let state = if state & HAS_IT != 0 {
                RECEIVED
            } else {
                state & STATE
            };
            match state {
                // Of another session it means nothing, and once it was received it was.
                NOT_RECEIVED | NOT_RECEIVED_TOO_HIGH
                    if !request.in_former_session && !request.acked =>
                {
                    // It was sent once more behind the question.
                    if request.was_written_after(question) {
                        continue;
                    }
                    // A copy may still be on its way over another stream, or in the hands of
                    // somebody on the path: under its own id the request is executed once.
                    let may_still_arrive = request.may_still_arrive();
                    match client.pending.repeat(id, server_now) {
                        Repeat::Leaves => {}
                        Repeat::TooOften if may_still_arrive => lost.push(id),
                        Repeat::TooOften | Repeat::Impossible => refused.push(id),
                    }
                }
                NOT_RECEIVED | NOT_RECEIVED_TOO_HIGH | NOTHING_KNOWN if request.idempotent => {
                    unknown.push(id);
                }
                NOT_RECEIVED | NOT_RECEIVED_TOO_HIGH | NOTHING_KNOWN => self.lose(id),
                RECEIVED => self.acknowledged(msg_id),
                _ => {}
            }
        }
        self.send_again(&refused, Fate::NotReceived);
        self.send_again(&unknown, Fate::MaybeExecuted);
        for id in lost {
            self.lose(id);
        }
    }

    /// `msg_detailed_info` and `msg_new_detailed_info`: the peer has a message for us that it does
    /// not send unasked.
    pub(super) fn handle_detailed_info(
        &mut self,
        now: Time,
        message: MsgId,
        answers: Option<MsgId>,
    ) {
        // The acknowledgement was lost.
        if self.replay.check(message.0) == Seen::Before {
            return self.acknowledge(now, message);
        }
        let again = self.config.state_after;
        if let Side::Client(client) = &mut self.side
            && !client.described.add(message, answers, now, again)
        {
            count(&mut self.stats.overflow);
        }
    }

    /// The peer said that it has this message, or this container's.
    pub(super) fn acknowledged(&mut self, msg_id: MsgId) {
        self.tell_acked(msg_id, true);
    }

    pub(super) fn tell_acked(&mut self, msg_id: MsgId, authentic: bool) {
        let client = match &mut self.side {
            Side::Client(client) => client,
            Side::Server(server) => return server.unacked.acknowledged(msg_id),
        };
        for id in client.pending.acknowledge(msg_id, authentic) {
            self.events.push(Event::Acked { id });
        }
    }

    /// Sends requests again under new ids; those whose budget is used up have failed, with this
    /// fate.
    pub(super) fn send_again(&mut self, ids: &[RequestId], fate: Fate) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let ended = client.pending.retry(ids, fate);
        for _ in 0..ids.len().saturating_sub(ended.len()) {
            count(&mut self.stats.resent);
        }
        for (id, error) in ended {
            self.events.push(Event::Failed { id, error });
        }
        self.tell_orphans();
    }

    /// Sends those again that may be executed twice, and gives the others up: the server may have
    /// executed them.
    pub(super) fn send_again_or_lose(&mut self, ids: Vec<RequestId>) {
        let Side::Client(client) = &self.side else {
            return;
        };
        let harmless = |id: &RequestId| client.pending.get(*id).is_some_and(|r| r.idempotent);
        let (again, lost): (Vec<_>, Vec<_>) = ids.into_iter().partition(harmless);
        self.send_again(&again, Fate::MaybeExecuted);
        for id in lost {
            self.lose(id);
        }
    }

    /// Gives a request up that the server may have executed.
    fn lose(&mut self, id: RequestId) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        if client.pending.fail(id).is_some() {
            let error = RequestError::Lost(Fate::MaybeExecuted);
            self.tell_end(Event::Failed { id, error });
        }
    }
}
