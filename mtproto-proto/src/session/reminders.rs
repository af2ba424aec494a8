//! What a server does about messages that its client has not acknowledged.
//!
//! Does: keeps what leaves; sends again, announces and asks after it; tells the client what it knows
//! of the client's messages, their answers included.
//! In: planned packets, states, timers. Out: items of packets, states.
//! Must not know: calls, bytes on the wire.
//! Spec: "Service Messages about Messages".

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::Encode;
use mtproto_schema::mtproto::types;

use crate::error::count;
use crate::ids::MsgId;
use crate::session::acks::MAX_PER_MESSAGE;
use crate::session::msg_id::Parity;
use crate::session::outgoing::{Item, Notice, Packing, Planned};
use crate::session::outgoing_client::ids_len;
use crate::session::timer::Timer;
use crate::session::unacked::{Announcement, Unacked};
use crate::session::{Session, Side};
use crate::time::Time;

/// `msg_detailed_info`, the longer announcement: constructor, two ids, length, status.
const ANNOUNCEMENT_LEN: usize = 28;
/// What it takes to keep a message besides its bytes: its places in up to four maps, with the slack of
/// trees and of the allocator.
const NOTICE_OVERHEAD: usize = 256;
/// The client is not asked more often, whatever the config says.
const MIN_STATE_AFTER: Duration = Duration::from_secs(1);

/// What a state says besides whether the message came.
mod flag {
    /// Its acknowledgement, or its answer, was sent.
    pub(super) const ACKNOWLEDGED: u8 = 8;
    /// It is a call that runs, or ran.
    pub(super) const CALL: u8 = 32;
    /// The call's answer is there.
    pub(super) const ANSWERED: u8 = 64;
}

/// The state of a message that nothing is known of.
const NOTHING_KNOWN: u8 = 1;
/// The state of a message that came.
const RECEIVED: u8 = 4;
/// States of a message of ours that has to be sent again.
const NOT_RECEIVED: [u8; 3] = [1, 2, 3];
/// The bits that say whether a message came.
const STATE: u8 = 7;

impl Session {
    /// What the client has to acknowledge is kept until it does.
    pub(super) fn keep_sent(&mut self, now: Time, planned: &[Planned]) {
        let Side::Server(server) = &mut self.side else {
            return;
        };
        for Planned {
            item,
            msg_id,
            seq_no,
            ..
        } in planned
        {
            match item {
                Item::Notice(notice) if notice.content => server.unacked.keep(
                    now,
                    *msg_id,
                    (*seq_no, notice.clone()),
                    self.config.max_notices,
                    self.config.max_notice_bytes,
                ),
                Item::States(about) => server.unacked.asked(*msg_id, about.clone()),
                Item::Notice(_)
                | Item::Acks(_)
                | Item::Again { .. }
                | Item::FutureSalts
                | Item::Ping
                | Item::Resend(_)
                | Item::Request(_)
                | Item::Repeat { .. } => {}
            }
        }
        self.expect_acks(now);
    }

    /// Sets the timer after which the client is asked for what it has not acknowledged.
    pub(super) fn expect_acks(&mut self, now: Time) {
        let Side::Server(server) = &self.side else {
            return;
        };
        if self.timers.get(Timer::Unacked).is_none() {
            let wait = server.unacked.ask_after(self.state_after());
            self.timers.set(Timer::Unacked, wait.map(|wait| now + wait));
        }
    }

    fn state_after(&self) -> Duration {
        self.config.state_after.max(MIN_STATE_AFTER)
    }

    /// The time has come.
    pub(super) fn ask_after_unacked(&mut self, now: Time) {
        let after = self.state_after();
        if let Side::Server(server) = &mut self.side {
            let next = server.unacked.ask(now, after, server.heard);
            self.timers.set(Timer::Unacked, next);
        }
    }

    /// Bytes of what waits for the stream or for an acknowledgement, with what it takes to keep it.
    pub(crate) fn waiting_bytes(&self) -> usize {
        let (unacked, count) = match &self.side {
            Side::Client(_) => (0, 0),
            Side::Server(server) => (server.unacked.bytes(), server.unacked.len()),
        };
        let count = count.saturating_add(self.out.len());
        unacked
            .saturating_add(self.out.bytes())
            .saturating_add(count.saturating_mul(NOTICE_OVERHEAD))
    }

    /// Whether a call was not answered, or its answer not acknowledged. Server.
    pub(crate) fn owes_answers(&self) -> bool {
        match &self.side {
            Side::Client(_) => false,
            Side::Server(server) => {
                !server.running.is_empty() || server.unacked.has_answers() || self.out.has_answers()
            }
        }
    }

    /// Forgets the oldest of it, what was sent before what was not; `false` if there is nothing.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        let forgot = match &mut self.side {
            Side::Client(_) => false,
            Side::Server(server) => server.unacked.forget_oldest(),
        };
        forgot || self.out.drop_oldest()
    }

    /// A new stream carries the session: what may have been lost with the old one is sent again,
    /// or announced.
    pub(super) fn remind_of_all(&mut self, now: Time) {
        if let Side::Server(server) = &mut self.side {
            server.unacked.remind_of_all();
            self.timers.set(Timer::Unacked, None);
            self.expect_acks(now);
        }
    }

    /// `msgs_state_info`: the answer to a question of ours.
    pub(super) fn learn_state_info(&mut self, info: &types::MsgsStateInfo) {
        let Side::Server(server) = &mut self.side else {
            return;
        };
        match server.unacked.answered(MsgId(info.req_msg_id)) {
            Some(about) => self.learn_states(about, &info.info),
            None => count(&mut self.stats.unknown_notifications),
        }
    }

    /// One state for each message of ours.
    pub(super) fn learn_states(&mut self, msg_ids: Vec<MsgId>, states: &[u8]) {
        let Side::Server(server) = &mut self.side else {
            return;
        };
        if msg_ids.len() != states.len() {
            return count(&mut self.stats.malformed);
        }
        for (msg_id, state) in msg_ids.into_iter().zip(states) {
            match state & STATE {
                RECEIVED => server.unacked.acknowledged(msg_id),
                state if NOT_RECEIVED.contains(&state) => server.unacked.remind(msg_id),
                _ => {}
            }
        }
    }

    /// `msg_resend_req`, or `msg_resend_ans_req` for the answers to these: sends again what is
    /// there; if anything is not, says of each whether it is.
    pub(super) fn send_kept(&mut self, question: MsgId, msg_ids: &[i64], are_calls: bool) {
        if msg_ids.len() > MAX_PER_MESSAGE {
            return count(&mut self.stats.malformed);
        }
        let Side::Server(server) = &mut self.side else {
            return;
        };
        let mut all = true;
        for msg_id in msg_ids {
            let asked = MsgId(*msg_id);
            let message = if are_calls {
                server.unacked.answer_to(asked)
            } else {
                Some(asked)
            };
            match message.filter(|message| server.unacked.contains(*message)) {
                Some(message) => server.unacked.again(message),
                // An answer that waits will leave without being asked for.
                None => all &= are_calls && self.out.answers(asked),
            }
        }
        if !all {
            self.tell_states(question, msg_ids);
        }
    }

    /// Answers a question for the state of these messages.
    pub(super) fn tell_states(&mut self, question: MsgId, msg_ids: &[i64]) {
        let info: Vec<u8> = msg_ids.iter().map(|id| self.state_of(MsgId(*id))).collect();
        let info = types::MsgsStateInfo {
            req_msg_id: question.0,
            info: Bytes::from(info),
        };
        self.notify_service(Parity::Response, &info);
    }

    /// The state of the other side's message, with what is known of its answer; of a message of
    /// ours, whether it is still there.
    fn state_of(&self, msg_id: MsgId) -> u8 {
        let Side::Server(server) = &self.side else {
            return self.arrival_of(msg_id);
        };
        let acknowledged = if self.acks.contains(msg_id) {
            0
        } else {
            flag::ACKNOWLEDGED
        };
        if server.running.contains(msg_id) {
            RECEIVED | flag::CALL | acknowledged
        } else if server.unacked.answer_to(msg_id).is_some() {
            RECEIVED | flag::CALL | flag::ANSWERED | flag::ACKNOWLEDGED
        } else if self.out.answers(msg_id) {
            RECEIVED | flag::CALL | flag::ANSWERED
        } else if msg_id.0 & 1 == 0 {
            self.arrival_of(msg_id)
        } else if server.unacked.contains(msg_id) {
            RECEIVED
        } else {
            NOTHING_KNOWN
        }
    }
}

impl Packing {
    /// What is to be said about messages that were sent before.
    pub(super) fn add_reminders(&mut self, now: Time, unacked: &mut Unacked) {
        unacked.go_on_reminding();
        while let Some((msg_id, seq_no, notice)) = unacked.next_again(now, |len| self.fits(len)) {
            let len = notice.len();
            let again = Item::Again {
                msg_id,
                seq_no,
                notice,
            };
            self.add(again, len);
        }
        while self.fits(ANNOUNCEMENT_LEN)
            && let Some(announcement) = unacked.next_announcement(now)
        {
            let notice = announcement.notice();
            let len = notice.len();
            self.add(Item::Notice(notice), len);
        }
        if let Some(question) = unacked.take_question() {
            let len = ids_len(question.len());
            if self.fits(len) {
                self.add(Item::States(question), len);
            } else {
                unacked.put_back(question);
            }
        }
    }
}

impl Announcement {
    fn notice(self) -> Notice {
        let bytes = i32::try_from(self.bytes).unwrap_or(i32::MAX);
        let (parity, body) = match self.answers {
            Some(request) => {
                let info = types::MsgDetailedInfo {
                    msg_id: request.0,
                    answer_msg_id: self.msg_id.0,
                    bytes,
                    status: 0,
                };
                (Parity::Response, info.to_bytes())
            }
            None => {
                let info = types::MsgNewDetailedInfo {
                    answer_msg_id: self.msg_id.0,
                    bytes,
                    status: 0,
                };
                (Parity::Push, info.to_bytes())
            }
        };
        Notice {
            parity,
            content: false,
            answers: None,
            body,
        }
    }
}
