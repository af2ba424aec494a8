//! The state of messages: asked for and answered.
//!
//! Does: asks after requests whose stream broke; tells the peer which of its messages came.
//! In: `msgs_state_req`, `msgs_state_info`, `msgs_all_info`, `msg_detailed_info`. Out: notices,
//! and requests that are sent again or given up.
//! Must not know: packets.
//! Spec: "Service Messages about Messages", message status information.

use alloc::vec::Vec;

use bytes::Bytes;
use mtproto_schema::Decode;
use mtproto_schema::mtproto::types;

use crate::error::{Fate, RequestError, count};
use crate::ids::{MsgId, RequestId};
use crate::session::acks::MAX_PER_MESSAGE;
use crate::session::msg_id::Parity;
use crate::session::pending::Sent;
use crate::session::replay::Seen;
use crate::session::{Event, Session, Side};

/// The low bits of a state: what the peer knows of a message.
const STATE: u8 = 7;
const NOTHING_KNOWN: u8 = 1;
const NOT_RECEIVED: u8 = 2;
const NOT_RECEIVED_TOO_HIGH: u8 = 3;
const RECEIVED: u8 = 4;

impl Session {
    /// Requests that were written to a stream that broke: harmless ones are sent again, the server
    /// is asked about the others, and about all that it said it had.
    pub(super) fn ask_after_unanswered(&mut self) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let (again, unknown): (Vec<_>, Vec<_>) = client
            .pending
            .written_requests()
            .into_iter()
            .partition(|id| {
                client.pending.get(*id).is_some_and(|request| {
                    request.idempotent && (!request.acked || request.in_former_session)
                })
            });
        let (lost, unknown): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|id| {
            client
                .pending
                .get(*id)
                .is_some_and(|request| request.in_former_session)
        });
        let unknown: Vec<i64> = unknown
            .into_iter()
            .filter_map(|id| client.pending.get(id))
            .filter_map(|request| request.msg_id())
            .map(|msg_id| msg_id.0)
            .collect();
        self.send_again(&again, Fate::MaybeExecuted);
        // The server knows messages by their session, so its answer would mean nothing.
        for id in lost {
            self.lose(id);
        }
        for msg_ids in unknown.chunks(MAX_PER_MESSAGE) {
            self.notify_service(
                Parity::Client,
                &types::MsgsStateReq {
                    msg_ids: msg_ids.to_vec(),
                },
            );
        }
    }

    /// `msgs_state_req`: the answer names each message's state.
    pub(super) fn handle_state_req(&mut self, msg_id: MsgId, request: &types::MsgsStateReq) {
        if request.msg_ids.len() > MAX_PER_MESSAGE {
            return count(&mut self.stats.malformed);
        }
        let info: Vec<u8> = request
            .msg_ids
            .iter()
            .map(|id| match self.replay.check(*id) {
                Seen::Before => RECEIVED,
                Seen::Unknown => NOTHING_KNOWN,
                // Older than this session: another one may have taken it.
                Seen::New if *id < self.first_from_peer => NOTHING_KNOWN,
                Seen::New if self.replay.newest().is_none_or(|newest| *id > newest) => {
                    NOT_RECEIVED_TOO_HIGH
                }
                Seen::New => NOT_RECEIVED,
            })
            .collect();
        let info = types::MsgsStateInfo {
            req_msg_id: msg_id.0,
            info: Bytes::from(info),
        };
        self.notify_service(Parity::Response, &info);
    }

    /// `msgs_state_info`: the answer to a question of ours.
    pub(super) fn handle_state_info(&mut self, info: &types::MsgsStateInfo) {
        let Side::Client(client) = &self.side else {
            return;
        };
        let asked = match client.pending.sent(MsgId(info.req_msg_id)) {
            Some(Sent::Notice(notice)) => types::MsgsStateReq::from_bytes(&notice.body).ok(),
            Some(
                Sent::Request(_)
                | Sent::Acks(_)
                | Sent::FutureSalts
                | Sent::Ping
                | Sent::Container(_),
            )
            | None => None,
        };
        match asked {
            Some(asked) => self.handle_states(&asked.msg_ids, &info.info),
            None => count(&mut self.stats.unknown_notifications),
        }
    }

    /// One state for each id.
    pub(super) fn handle_states(&mut self, msg_ids: &[i64], states: &[u8]) {
        if msg_ids.len() != states.len() {
            return count(&mut self.stats.malformed);
        }
        let (mut refused, mut unknown) = (Vec::new(), Vec::new());
        for (msg_id, state) in msg_ids.iter().zip(states) {
            let msg_id = MsgId(*msg_id);
            let Side::Client(client) = &self.side else {
                return;
            };
            let Some(id) = client.pending.request_of(msg_id) else {
                continue;
            };
            let Some(request) = client.pending.get(id) else {
                continue;
            };
            let idempotent = request.idempotent;
            match state & STATE {
                // Of another session it means nothing, and once it was received it was.
                NOT_RECEIVED | NOT_RECEIVED_TOO_HIGH
                    if !request.in_former_session && !request.acked =>
                {
                    refused.push(id);
                }
                NOT_RECEIVED | NOT_RECEIVED_TOO_HIGH | NOTHING_KNOWN => {
                    if idempotent {
                        unknown.push(id);
                    } else {
                        self.lose(id);
                    }
                }
                RECEIVED => self.acknowledged(msg_id),
                _ => {}
            }
        }
        self.send_again(&refused, Fate::NotReceived);
        self.send_again(&unknown, Fate::MaybeExecuted);
    }

    /// `msg_detailed_info` and `msg_new_detailed_info`: the peer has a message for us that it does
    /// not send unasked.
    pub(super) fn handle_detailed_info(&mut self, now: crate::Time, answer: MsgId) {
        match self.replay.check(answer.0) {
            // The acknowledgement was lost.
            Seen::Before => self.acknowledge(now, answer),
            Seen::New | Seen::Unknown => self.notify_service(
                Parity::Client,
                &types::MsgResendReq {
                    msg_ids: [answer.0].into(),
                },
            ),
        }
    }

    /// The peer said that it has this message, or this container's.
    pub(super) fn acknowledged(&mut self, msg_id: MsgId) {
        self.tell_acked(msg_id, true);
    }

    pub(super) fn tell_acked(&mut self, msg_id: MsgId, authentic: bool) {
        let client = match &mut self.side {
            Side::Client(client) => client,
            Side::Server(server) => return server.unacked.remove(msg_id),
        };
        for id in client.pending.acknowledge(msg_id, authentic) {
            self.events.push_back(Event::Acked { id });
        }
    }

    /// Sends requests again under new ids; those whose budget is used up have failed, with this
    /// fate.
    pub(super) fn send_again(&mut self, ids: &[RequestId], fate: Fate) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let exhausted = client.pending.retry(ids, fate);
        for _ in 0..ids.len().saturating_sub(exhausted.len()) {
            count(&mut self.stats.resent);
        }
        for (id, fate) in exhausted {
            let error = RequestError::Lost(fate);
            self.events.push_back(Event::Failed { id, error });
        }
    }

    /// Gives a request up that the server may have executed.
    pub(super) fn lose(&mut self, id: RequestId) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        if client.pending.take(id).is_some() {
            let error = RequestError::Lost(Fate::MaybeExecuted);
            self.events.push_back(Event::Failed { id, error });
        }
    }
}
