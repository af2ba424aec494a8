//! What a server refuses: wrong salts, clocks, numbers.
//!
//! Does: sends again what was refused, with what the notification taught; begins a new session where
//! only that helps.
//! In: `bad_msg_notification`, `bad_server_salt`. Out: requests sent again or ended, a repaired
//! clock, a new salt, a new session.
//! Must not know: packets, containers.
//! Spec: "Service Messages about Messages", notice of ignored error message; "Service Messages",
//! server salts.

use alloc::vec::Vec;

use mtproto_schema::mtproto::types;

use crate::error::{Fate, count};
use crate::ids::{MsgId, RequestId};
use crate::rng::Rng;
use crate::session::asking::Described;
use crate::session::incoming::Context;
use crate::session::pending::Sent;
use crate::session::{Acks, Former, SeqNo, Session, Side, random_id};
use crate::time::Time;

/// Requests have a budget; acknowledgements, pings and questions of ours are sent again after so
/// many refusals in a row: a salt, the clock and the session cost one each, times two.
const MAX_SERVICE_REFUSALS: u8 = 6;

impl Session {
    /// `bad_msg_notification`: none of what it names was executed, but for codes 19 and 20. One
    /// that comes in a former session was answered by the present one already.
    pub(super) fn handle_bad_msg(
        &mut self,
        context: &Context,
        msg_id: MsgId,
        bad: &types::BadMsgNotification,
        rng: &mut Rng,
    ) {
        let Some(refused) = self.refused(MsgId(bad.bad_msg_id)) else {
            return;
        };
        match bad.error_code {
            // Too old to know whether it came, or a container's id that came before. The latter need
            // not be a mistake of ours: whoever can write to the stream can send a packet a second
            // time, and a server that does not compare the members then refuses what it has
            // executed. (Ours says 19 only if it has not taken all members; some it may have.)
            19 | 20 => self.send_again_or_lose(refused),
            // Our clock was behind; the notification's own id has put it right.
            16 => self.send_again(&refused, Fate::NotReceived),
            // Our clock is ahead. Ids would have to go back, which needs a new session.
            17 => {
                if self.is_current(context) {
                    let corrected = self.ids.reset(msg_id, context.now);
                    self.clock_corrected(corrected);
                    self.renew(rng);
                }
                self.send_again(&refused, Fate::NotReceived);
            }
            // Numbers or containers that the server does not like: only a new session helps.
            _ => {
                if self.is_current(context) {
                    self.renew(rng);
                }
                self.send_again(&refused, Fate::NotReceived);
            }
        }
    }

    /// `bad_server_salt`: the same with the right salt.
    pub(super) fn handle_bad_salt(&mut self, now: Time, bad: &types::BadServerSalt) {
        let Some(refused) = self.refused(MsgId(bad.bad_msg_id)) else {
            return;
        };
        let server_now = self.ids.server_now(now);
        if let Side::Client(client) = &mut self.side {
            client.salts.replace(bad.new_server_salt, server_now);
            client.salts_asked = None;
        }
        self.tell_key_state();
        self.send_again(&refused, Fate::NotReceived);
    }

    /// Everything behind a refused message id: puts back what is not a request, and returns the
    /// requests. `None` if we did not send it.
    fn refused(&mut self, msg_id: MsgId) -> Option<Vec<RequestId>> {
        let Side::Client(client) = &mut self.side else {
            return None;
        };
        let Some(members) = client.pending.refused(msg_id, self.latest) else {
            count(&mut self.stats.unknown_notifications);
            return None;
        };
        client.refusals = client.refusals.saturating_add(1);
        let repeat = client.refusals <= MAX_SERVICE_REFUSALS;
        let mut requests = Vec::new();
        for member in members {
            match member {
                Sent::Request(id) => requests.push(id),
                _ if !repeat => {}
                Sent::Acks(ids) => self.acks.put_back(ids, self.config.limits.acks),
                Sent::FutureSalts => {
                    if let Side::Client(client) = &mut self.side {
                        client.salts_asked = None;
                    }
                }
                Sent::Ping => {
                    if let Side::Client(client) = &mut self.side {
                        client.ping_due = true;
                    }
                }
                Sent::States(ids) => {
                    if let Side::Client(client) = &mut self.side {
                        client.pending.ask_soon(&ids, self.latest);
                    }
                }
                Sent::Resend(ids) => {
                    if let Side::Client(client) = &mut self.side {
                        client.described.ask_soon(Some(&ids), self.latest);
                    }
                }
                Sent::Notice(notice) => self.notify(notice),
                Sent::Container(_) => {}
            }
        }
        Some(requests)
    }

    /// A new session id. What was written stays awaited: late answers come under the old id.
    pub(super) fn renew(&mut self, rng: &mut Rng) {
        count(&mut self.stats.sessions_renewed);
        self.former = Some(Former {
            id: core::mem::replace(&mut self.id, random_id(rng)),
            replay: core::mem::take(&mut self.replay),
        });
        self.ids.start_again();
        self.seq_no = SeqNo::default();
        self.acks = Acks::default();
        if let Side::Client(client) = &mut self.side {
            client.unwanted = 0;
            // A server may keep what it was told of the application with the session.
            client.initialised = false;
            client.pending.session_replaced();
            client.described = Described::default();
        }
    }
}
