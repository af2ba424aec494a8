//! What only a client packs: questions, requests, pings.
//!
//! Does: chooses what of it goes into the packet that is being planned; notes what left under which
//! id; writes a request with what goes before it.
//! In: what `pending.rs` and `asking.rs` hold. Out: items of a packet.
//! Must not know: how a packet is sealed.
//! Spec: "Calling API methods"; "Service Messages about Messages".

use alloc::vec::Vec;

use bytes::Bytes;
use mtproto_schema::tl;

use crate::error::count;
use crate::ids::{MsgId, RequestId, SessionId};
use crate::rng::Rng;
use crate::session::acks::MAX_PER_MESSAGE;
use crate::session::after;
use crate::session::outgoing::{FUTURE_SALTS_LEN, Item, PING_LEN, Packing, Planned};
use crate::session::pending::{Body, Members, Request, Sent};
use crate::session::{SALTS_AGAIN, Session, Side};
use crate::time::Time;

/// A request as it leaves.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) id: RequestId,
    body: Body,
    /// `invokeWithLayer(initConnection(`, if it goes before it.
    init: Option<Bytes>,
    /// What the server is to execute before it.
    named: Vec<MsgId>,
}

impl Leaving {
    fn new(id: RequestId, request: &Request, init: Option<&Bytes>) -> Self {
        Leaving {
            id,
            body: request.body.clone(),
            init: init.cloned(),
            named: request.named.clone(),
        }
    }

    pub(super) fn is_content(&self) -> bool {
        !super::is_service_call(self.body.constructor())
    }

    pub(super) fn write(
        &self,
        msg_id: MsgId,
        session: SessionId,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) {
        if let Some(init) = &self.init {
            out.extend_from_slice(init);
        }
        after::write_wrapper(&self.named, out);
        match &self.body {
            Body::Ready(body) => out.extend_from_slice(body),
            Body::Bind(bind) => bind.write(out, msg_id, session, rng),
        }
    }
}

/// A message of these ids, by its constructor.
pub(super) fn write_ids(constructor: u32, ids: &[MsgId], out: &mut Vec<u8>) {
    tl::put_u32(out, constructor);
    tl::put_vector(out, ids.len());
    for id in ids {
        tl::put_i64(out, id.0);
    }
}

/// Bytes of such a message: constructor, vector constructor, count, ids.
pub(super) fn ids_len(count: usize) -> usize {
    count.saturating_mul(8).saturating_add(12)
}

impl Session {
    /// Packs what a client has to send besides acknowledgements and notices; whether a quick
    /// acknowledgement is wanted.
    pub(super) fn pack_client(&mut self, now: Time, packing: &mut Packing) -> bool {
        let server_now = self.ids.server_now(now);
        if self.next_question().is_some_and(|at| at <= now) {
            self.pack_questions(now, packing);
        }
        let Side::Client(client) = &mut self.side else {
            return false;
        };
        // Asked for along with something else, but binding, and again only after a minute.
        let ask = client.pending.next_ready().is_some()
            && !client.pending.hold
            && client.salts.needs_more(server_now)
            && client.salts_asked.is_none_or(|at| now >= at + SALTS_AGAIN);
        if ask && packing.fits(FUTURE_SALTS_LEN) {
            client.salts_asked = Some(now);
            packing.add(Item::FutureSalts, FUTURE_SALTS_LEN);
        }
        let mut quick_ack = false;
        while let Some((id, request)) = client.pending.next_repeat() {
            let init = client.init.as_ref().filter(|_| request.initialises);
            let prefix = init.map_or(0, Bytes::len);
            let len = request
                .len_after(request.named.len())
                .saturating_add(prefix);
            let Some(msg_id) = request.msg_id().filter(|_| packing.fits(len)) else {
                break;
            };
            quick_ack |= request.quick_ack;
            let (seq_no, leaving) = (request.seq_no, Leaving::new(id, request, init));
            client.pending.repeated(id, now, self.config.state_after);
            count(&mut self.stats.resent);
            let repeat = Item::Repeat {
                msg_id,
                seq_no,
                leaving,
            };
            packing.add(repeat, len);
        }
        while let Some((id, request)) = client.pending.next_ready() {
            let initialises = client.wraps(request);
            let init = client.init.as_ref().filter(|_| initialises);
            let prefix = init.map_or(0, Bytes::len);
            let named = client.pending.ids_after(request).len();
            let len = request.len_after(named).saturating_add(prefix);
            if !packing.fits(len) {
                break;
            }
            quick_ack |= request.quick_ack;
            let leaving = Leaving::new(id, request, init);
            client.pending.stage(id, initialises);
            packing.add(Item::Request(leaving), len);
        }
        if client.ping_due && packing.fits(PING_LEN) {
            client.ping_due = false;
            client.pinged = Some(now);
            packing.add(Item::Ping, PING_LEN);
        }
        quick_ack
    }

    fn pack_questions(&mut self, now: Time, packing: &mut Packing) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let asked = client.pending.take_asks(now);
        if !asked.is_empty() {
            client.asked_at = Some(now);
        }
        for ids in asked.chunks(MAX_PER_MESSAGE) {
            let len = ids_len(ids.len());
            if packing.fits(len) {
                packing.add(Item::States(ids.to_vec()), len);
            } else {
                client.pending.ask_soon(ids, now);
            }
        }
        let pending = &client.pending;
        let awaited = |msg_id| pending.request_of(msg_id).is_some();
        let wanted = client.described.take_due(now, awaited);
        for ids in wanted.chunks(MAX_PER_MESSAGE) {
            let len = ids_len(ids.len());
            if packing.fits(len) {
                packing.add(Item::Resend(ids.to_vec()), len);
            } else {
                client.described.ask_soon(Some(ids), now);
            }
        }
    }

    /// Notes what leaves under which id. What is named to the server has its id already: it stands
    /// before what comes after it, or left before.
    pub(super) fn note_leaving(&mut self, now: Time, planned: &mut Planned) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let msg_id = planned.msg_id;
        let sent = match &mut planned.item {
            Item::Acks(ids) => Sent::Acks(ids.clone()),
            Item::FutureSalts => Sent::FutureSalts,
            Item::Ping => Sent::Ping,
            Item::States(ids) => Sent::States(ids.clone()),
            Item::Resend(ids) => Sent::Resend(ids.clone()),
            Item::Notice(notice) => Sent::Notice(notice.clone()),
            Item::Request(leaving) => {
                let id = leaving.id;
                let ask_after = self.config.state_after;
                leaving.named = client
                    .pending
                    .written(id, msg_id, planned.seq_no, now, ask_after);
                return;
            }
            // It has its id; the other is a server's.
            Item::Repeat { .. } | Item::Again { .. } => return,
        };
        client.pending.remember(msg_id, sent);
    }

    /// Notes which messages left in a container.
    pub(super) fn note_container(&mut self, container: MsgId, members: &[Planned]) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        for planned in members {
            if let Item::Request(leaving) | Item::Repeat { leaving, .. } = &planned.item {
                client.pending.written_in(leaving.id, container);
            }
        }
        let members = members.iter().map(|planned| planned.msg_id).collect();
        client
            .pending
            .remember(container, Sent::Container(Members::new(members)));
    }
}
