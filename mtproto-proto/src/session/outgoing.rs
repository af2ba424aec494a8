//! What leaves next: acknowledgements, notices and requests, packed into one message or a
//! container.
//!
//! Does: the queue of everything that is not a request; the plan of one packet; its bytes.
//! In: notices, and what `pending.rs` and `acks.rs` hold. Out: one sealed packet at a time.
//! Must not know: why a notice was queued.
//! Spec: "Service Messages", containers; "Message Identifier (msg_id)".

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Encode, tl};
use rand_core::Rng as _;

use crate::error::count;
use crate::ids::{MsgId, RequestId};
use crate::rng::Rng;
use crate::session::msg_id::Parity;
use crate::session::packet::{self, Header};
use crate::session::pending::{Body, Sent};
use crate::session::timer::Timer;
use crate::session::{Session, Side};
use crate::time::Time;

/// Messages in a container that we send. A server accepts 1,024; some stop at 1,020.
pub(crate) const MAX_CONTAINER_MESSAGES: usize = 1_020;
/// Bytes of a container's body that we send: a server closes the connection on more.
pub(crate) const MAX_CONTAINER_BODY: usize = 1_044_456;
/// Notices that wait at most in the client's role, where each is small: more only wait when the
/// server asks and never reads.
const MAX_CLIENT_NOTICES: usize = 1_024;
/// Header of a message inside a container: id, sequence number, length.
const ITEM_HEADER: usize = 16;
/// Constructor and count.
const CONTAINER_HEADER: usize = 8;
/// Constructor and message id before an answer's body.
const ANSWER_HEADER: usize = 12;
/// `get_future_salts`: constructor and count.
const FUTURE_SALTS_LEN: usize = 8;
/// `ping_delay_disconnect`: constructor, ping id, delay.
const PING_LEN: usize = 16;

/// A message that is not a request: a service message, an answer, an update.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) parity: Parity,
    pub(crate) content: bool,
    /// The body is the result of this request, to be written as `rpc_result`.
    pub(crate) answers: Option<MsgId>,
    pub(crate) body: Bytes,
}

impl Notice {
    pub(crate) fn len(&self) -> usize {
        let header = if self.answers.is_some() {
            ANSWER_HEADER
        } else {
            0
        };
        self.body.len().saturating_add(header)
    }

    fn write(&self, out: &mut Vec<u8>) {
        if let Some(request) = self.answers {
            tl::put_u32(out, types::RpcResult::ID);
            tl::put_i64(out, request.0);
        }
        out.extend_from_slice(&self.body);
    }
}

/// Notices that wait to leave.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    notices: VecDeque<Notice>,
    bytes: usize,
}

impl Outgoing {
    /// Queues a notice; `false` if the bounds do not allow it.
    pub(crate) fn push(&mut self, notice: Notice, max_count: usize, max_bytes: usize) -> bool {
        let bytes = self.bytes.saturating_add(notice.len());
        // A single large one may always wait: its own length is bounded elsewhere.
        if self.notices.len() >= max_count || (bytes > max_bytes && !self.notices.is_empty()) {
            return false;
        }
        self.bytes = bytes;
        self.notices.push_back(notice);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.notices.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the next notice if its length fits.
    fn pop(&mut self, fits: impl Fn(usize) -> bool) -> Option<Notice> {
        if !fits(self.notices.front()?.len()) {
            return None;
        }
        let notice = self.notices.pop_front()?;
        self.bytes = self.bytes.saturating_sub(notice.len());
        Some(notice)
    }
}

#[derive(Debug)]
enum Item {
    Acks(Vec<MsgId>),
    Notice(Notice),
    /// What was not acknowledged, as it was sent before.
    Again {
        msg_id: MsgId,
        seq_no: i32,
        notice: Notice,
    },
    FutureSalts,
    Ping,
    /// `initialises`: behind the `invokeWithLayer(initConnection(..))` prefix.
    Request {
        id: RequestId,
        initialises: bool,
    },
}

/// What goes into one packet, and how long it gets.
struct Packing {
    items: Vec<(Item, usize)>,
    body_len: usize,
}

impl Packing {
    /// Whether a message of this length still fits; alone it may be longer than a container.
    fn fits(&self, len: usize) -> bool {
        let with = self
            .body_len
            .saturating_add(ITEM_HEADER)
            .saturating_add(len);
        self.items.is_empty()
            || (self.items.len() < MAX_CONTAINER_MESSAGES && with <= MAX_CONTAINER_BODY)
    }

    fn add(&mut self, item: Item, len: usize) {
        self.body_len = self
            .body_len
            .saturating_add(ITEM_HEADER)
            .saturating_add(len);
        self.items.push((item, len));
    }
}

#[derive(Debug)]
struct Planned {
    item: Item,
    len: usize,
    msg_id: MsgId,
    seq_no: i32,
}

/// The message that travels without a container: the only one, unless its id is an old one, which
/// may not be outermost.
fn bare(items: &[Planned]) -> Option<&Planned> {
    match items {
        [only] if !matches!(only.item, Item::Again { .. }) => Some(only),
        _ => None,
    }
}

/// The next packet: its messages have ids, its length is known, its bytes are not written.
#[derive(Debug)]
pub struct Plan {
    items: Vec<Planned>,
    msg_id: MsgId,
    seq_no: i32,
    body_len: usize,
    quick_ack: bool,
}

impl Plan {
    /// Bytes of the sealed packet.
    pub fn packet_len(&self) -> usize {
        packet::sealed_len(self.body_len)
    }

    /// Whether the receiver should be asked for a quick acknowledgement.
    pub fn quick_ack(&self) -> bool {
        self.quick_ack
    }
}

impl Session {
    pub(crate) fn notify(&mut self, notice: Notice) {
        let (count_bound, byte_bound) = match &self.side {
            Side::Client(_) => (MAX_CLIENT_NOTICES, usize::MAX),
            Side::Server(_) => (self.config.max_notices, self.config.max_notice_bytes),
        };
        if !self.out.push(notice, count_bound, byte_bound) {
            count(&mut self.stats.overflow);
            self.overflowed = true;
        }
    }

    /// A service message of ours that needs no acknowledgement.
    pub(crate) fn notify_service(&mut self, parity: Parity, message: &impl Encode) {
        let body = message.to_bytes();
        self.notify(Notice {
            parity: self.parity(parity),
            content: false,
            answers: None,
            body,
        });
    }

    /// A client's messages all have the same parity.
    pub(crate) fn parity(&self, server: Parity) -> Parity {
        match self.side {
            Side::Client(_) => Parity::Client,
            Side::Server(_) => server,
        }
    }

    /// Whether something is reason enough for a packet.
    pub(crate) fn wants_to_send(&self) -> bool {
        self.acks.is_due()
            || !self.out.is_empty()
            || match &self.side {
                Side::Client(client) => client.ping_due || client.pending.next_ready().is_some(),
                Side::Server(server) => server.unacked.wants_to_send(),
            }
    }

    /// Decides what the next packet holds, and gives it its ids; `None` when nothing has to leave.
    /// What is planned counts as sent: write it with [`Session::write_packet`].
    pub fn plan_packet(&mut self, now: Time, rng: &mut Rng) -> Option<Plan> {
        let now = self.forward(now);
        if !self.wants_to_send() {
            return None;
        }
        let mut packing = Packing {
            items: Vec::new(),
            body_len: CONTAINER_HEADER,
        };

        while let Some(ids) = self.acks.take() {
            // Constructor, vector constructor, count, ids.
            let len = ids.len().saturating_mul(8).saturating_add(12);
            if !packing.fits(len) {
                self.acks.put_back(ids);
                break;
            }
            packing.add(Item::Acks(ids), len);
        }
        if let Side::Server(server) = &mut self.side {
            while let Some((msg_id, seq_no, notice)) = server.unacked.next(|len| packing.fits(len))
            {
                let len = notice.len();
                let again = Item::Again {
                    msg_id,
                    seq_no,
                    notice,
                };
                packing.add(again, len);
            }
        }
        while let Some(notice) = self.out.pop(|len| packing.fits(len)) {
            let len = notice.len();
            packing.add(Item::Notice(notice), len);
        }
        let mut quick_ack = false;
        if let Side::Client(client) = &mut self.side {
            let server_now = self.ids.server_now(now);
            // Asked for along with something else, but binding, and again only after a minute.
            let ask = client.pending.next_ready().is_some()
                && !client.pending.hold
                && client.salts.needs_more(server_now)
                && client
                    .salts_asked
                    .is_none_or(|at| now >= at + super::SALTS_AGAIN);
            if ask && packing.fits(FUTURE_SALTS_LEN) {
                client.salts_asked = Some(now);
                packing.add(Item::FutureSalts, FUTURE_SALTS_LEN);
            }
            while let Some((id, request)) = client.pending.next_ready() {
                let initialises = client.wraps(request);
                let prefix = if initialises { client.init_len() } else { 0 };
                let len = request.body.len().saturating_add(prefix);
                if !packing.fits(len) {
                    break;
                }
                quick_ack |= request.quick_ack;
                client.pending.stage(id, initialises);
                packing.add(Item::Request { id, initialises }, len);
            }
            if client.ping_due && packing.fits(PING_LEN) {
                client.ping_due = false;
                packing.add(Item::Ping, PING_LEN);
            }
        }
        let items = packing.items;
        self.timers.set(Timer::Ack, self.acks.deadline());
        if items
            .iter()
            .any(|(item, _)| matches!(item, Item::Request { .. }))
        {
            self.expect_answers(now);
        }
        if items.is_empty() {
            return None;
        }
        Some(self.number(now, items, quick_ack, rng))
    }

    /// Gives ids and sequence numbers: inner messages first, the container last, so that its id is
    /// the greatest.
    fn number(
        &mut self,
        now: Time,
        items: Vec<(Item, usize)>,
        quick_ack: bool,
        rng: &mut Rng,
    ) -> Plan {
        let mut planned = Vec::with_capacity(items.len());
        let mut body_len = CONTAINER_HEADER;
        for (item, len) in items {
            let (parity, content) = match &item {
                Item::Acks(_) => (Parity::Push, false),
                Item::FutureSalts | Item::Ping => (Parity::Client, false),
                Item::Notice(notice) | Item::Again { notice, .. } => {
                    (notice.parity, notice.content)
                }
                Item::Request { id, .. } => (Parity::Client, self.is_content_request(*id)),
            };
            let (msg_id, seq_no) = if let Item::Again { msg_id, seq_no, .. } = item {
                (msg_id, seq_no)
            } else {
                let msg_id = self.ids.next(now, self.parity(parity), rng);
                (msg_id, self.seq_no.next(content))
            };
            body_len = body_len.saturating_add(ITEM_HEADER).saturating_add(len);
            planned.push(Planned {
                item,
                len,
                msg_id,
                seq_no,
            });
        }
        let single = bare(&planned).map(|only| (only.msg_id, only.seq_no, only.len));
        let (msg_id, seq_no, body_len) = single.unwrap_or_else(|| {
            let id = self.ids.next(now, self.parity(Parity::Push), rng);
            (id, self.seq_no.next(false), body_len)
        });

        if let Side::Server(server) = &mut self.side {
            for planned in &planned {
                if let Item::Notice(notice) = &planned.item
                    && notice.content
                {
                    server.unacked.keep(
                        planned.msg_id,
                        planned.seq_no,
                        notice.clone(),
                        self.config.max_notices,
                        self.config.max_notice_bytes,
                    );
                }
            }
        }
        if let Side::Client(client) = &mut self.side {
            for Planned { item, msg_id, .. } in &planned {
                match item {
                    Item::Acks(ids) => client.pending.remember(*msg_id, Sent::Acks(ids.clone())),
                    Item::FutureSalts => client.pending.remember(*msg_id, Sent::FutureSalts),
                    Item::Ping => client.pending.remember(*msg_id, Sent::Ping),
                    Item::Notice(notice) => {
                        client
                            .pending
                            .remember(*msg_id, Sent::Notice(notice.clone()));
                    }
                    Item::Request { id, .. } => {
                        client.pending.written(*id, *msg_id, now);
                    }
                    // A server's.
                    Item::Again { .. } => {}
                }
            }
            if single.is_none() {
                let members = planned.iter().map(|planned| planned.msg_id).collect();
                client.pending.remember(msg_id, Sent::Container(members));
            }
        }
        Plan {
            items: planned,
            msg_id,
            seq_no,
            body_len,
            quick_ack,
        }
    }

    fn is_content_request(&self, id: RequestId) -> bool {
        match &self.side {
            Side::Client(client) => client
                .pending
                .get(id)
                .is_some_and(|request| !super::is_service_call(request.body.constructor())),
            Side::Server(_) => false,
        }
    }

    /// Appends the planned packet, sealed, to `out`: exactly [`Plan::packet_len`] bytes.
    pub fn write_packet(&mut self, now: Time, plan: &Plan, rng: &mut Rng, out: &mut Vec<u8>) {
        let now = self.forward(now);
        let server_now = self.ids.server_now(now);
        let salt = match &mut self.side {
            Side::Client(client) => client.salts.get(server_now),
            Side::Server(server) => server.salts.current(server_now),
        };
        let header = Header {
            salt,
            session_id: self.id,
            msg_id: plan.msg_id,
            seq_no: plan.seq_no,
        };
        let this = &*self;
        let token = packet::seal(
            &this.key,
            this.outgoing_direction(),
            header,
            plan.body_len,
            rng,
            out,
            |out, rng| this.write_body(plan, rng, out),
        );
        count(&mut self.stats.packets_out);
        if plan.quick_ack
            && let Side::Client(client) = &mut self.side
        {
            client.expect_quick_ack(token, plan.msg_id);
        }
    }

    fn write_body(&self, plan: &Plan, rng: &mut Rng, out: &mut Vec<u8>) {
        if let Some(only) = bare(&plan.items) {
            return self.write_item(only, rng, out);
        }
        tl::put_u32(out, types::MsgContainer::ID);
        tl::put_count(out, plan.items.len());
        for planned in &plan.items {
            tl::put_i64(out, planned.msg_id.0);
            tl::put_i32(out, planned.seq_no);
            tl::put_count(out, planned.len);
            self.write_item(planned, rng, out);
        }
    }

    fn write_item(&self, planned: &Planned, rng: &mut Rng, out: &mut Vec<u8>) {
        match &planned.item {
            Item::Acks(ids) => {
                tl::put_u32(out, types::MsgsAck::ID);
                tl::put_vector(out, ids.len());
                for id in ids {
                    tl::put_i64(out, id.0);
                }
            }
            Item::FutureSalts => {
                let num = i32::try_from(super::salts::MAX_FUTURE).unwrap_or(i32::MAX);
                functions::GetFutureSalts { num }.encode(out);
            }
            Item::Ping => {
                let disconnect_delay =
                    i32::try_from(self.config.disconnect_delay().as_secs()).unwrap_or(i32::MAX);
                let ping_id = rng.next_u64().cast_signed();
                functions::PingDelayDisconnect {
                    ping_id,
                    disconnect_delay,
                }
                .encode(out);
            }
            Item::Notice(notice) | Item::Again { notice, .. } => notice.write(out),
            Item::Request { id, initialises } => {
                let Side::Client(client) = &self.side else {
                    return;
                };
                let Some(request) = client.pending.get(*id) else {
                    return;
                };
                if *initialises && let Some(prefix) = &client.init {
                    out.extend_from_slice(prefix);
                }
                match &request.body {
                    Body::Ready(body) => out.extend_from_slice(body),
                    Body::Bind(bind) => bind.write(out, planned.msg_id, self.id, rng),
                }
            }
        }
    }
}
