//! What leaves next: acknowledgements, notices and requests, packed into one message or a
//! container.
//!
//! Does: the queue of everything that is not a request; the plan of one packet; its bytes.
//! In: notices, and what `pending.rs` and `acks.rs` hold. Out: one sealed packet at a time.
//! Must not know: why a notice was queued.
//! Spec: "Service Messages", containers; "Message Identifier (msg_id)".

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Encode, tl};
use rand_core::Rng as _;

use crate::error::count;
use crate::ids::MsgId;
use crate::rng::Rng;
use crate::session::msg_id::Parity;
use crate::session::outgoing_client::{Leaving, ids_len, write_ids};
use crate::session::packet::{self, Header};
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
pub(super) const FUTURE_SALTS_LEN: usize = 8;
/// `ping_delay_disconnect`: constructor, ping id, delay.
pub(super) const PING_LEN: usize = 16;

/// A message that is not a request: a service message, an answer, an update.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// By when they joined the queue.
    notices: BTreeMap<u64, Notice>,
    bytes: usize,
    /// The calls that answers among them are for.
    answers: BTreeMap<MsgId, u64>,
    /// Notices that ever joined the queue.
    pushed: u64,
    /// How often one was taken out of the middle.
    torn: u64,
}

/// A moment in the life of a queue: who had joined, and who had left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueMark {
    pushed: u64,
    popped: u64,
    torn: u64,
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
        self.join(notice);
        true
    }

    fn join(&mut self, notice: Notice) {
        if let Some(request) = notice.answers {
            self.answers.insert(request, self.pushed);
        }
        self.notices.insert(self.pushed, notice);
        self.pushed = self.pushed.saturating_add(1);
    }

    pub(crate) fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.values()
    }

    pub(crate) fn mark(&self) -> QueueMark {
        let waiting = u64::try_from(self.notices.len()).unwrap_or(u64::MAX);
        QueueMark {
            pushed: self.pushed,
            popped: self.pushed.saturating_sub(waiting),
            torn: self.torn,
        }
    }

    /// What happened since a moment: so many of those that waited left, and these joined and wait.
    pub(crate) fn since(&self, then: &QueueMark) -> (usize, VecDeque<Notice>) {
        let now = self.mark();
        // When the numbers mean different notices than they did, all of them left and joined.
        let popped = if now.torn == then.torn {
            now.popped
        } else {
            u64::MAX
        };
        let left = popped.min(then.pushed).saturating_sub(then.popped);
        let first = if now.torn == then.torn {
            then.pushed
        } else {
            0
        };
        let joined = self.notices.range(first..);
        let joined = joined.map(|(_, notice)| notice.clone()).collect();
        (usize::try_from(left).unwrap_or(usize::MAX), joined)
    }

    /// Takes over what waited in another process.
    pub(crate) fn restore(&mut self, notices: VecDeque<Notice>) {
        self.bytes = notices
            .iter()
            .map(Notice::len)
            .fold(0, usize::saturating_add);
        for notice in notices {
            self.join(notice);
        }
    }

    /// Forgets the oldest notice; `false` if there is none.
    pub(crate) fn drop_oldest(&mut self) -> bool {
        self.pop(|_| true).is_some()
    }

    /// Whether an answer to any call waits.
    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// Whether the answer to a call waits.
    pub(crate) fn answers(&self, request: MsgId) -> bool {
        self.answers.contains_key(&request)
    }

    /// Takes the answer to a call out of the queue; its length.
    pub(crate) fn take_answer(&mut self, request: MsgId) -> Option<usize> {
        let at = self.answers.remove(&request)?;
        self.torn = self.torn.saturating_add(1);
        let notice = self.notices.remove(&at)?;
        self.bytes = self.bytes.saturating_sub(notice.len());
        Some(notice.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.notices.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.notices.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the next notice if its length fits.
    fn pop(&mut self, fits: impl Fn(usize) -> bool) -> Option<Notice> {
        let next = self.notices.first_entry()?;
        if !fits(next.get().len()) {
            return None;
        }
        let notice = next.remove();
        self.bytes = self.bytes.saturating_sub(notice.len());
        if let Some(request) = notice.answers {
            self.answers.remove(&request);
        }
        Some(notice)
    }
}

#[derive(Debug)]
pub(super) enum Item {
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
    /// `msgs_state_req`.
    States(Vec<MsgId>),
    /// `msg_resend_req`.
    Resend(Vec<MsgId>),
    Request(Leaving),
    /// A request as it was sent before.
    Repeat {
        msg_id: MsgId,
        seq_no: i32,
        leaving: Leaving,
    },
}

impl Item {
    /// The id and number of what is sent again under its old ones.
    fn old(&self) -> Option<(MsgId, i32)> {
        match self {
            Item::Again { msg_id, seq_no, .. } | Item::Repeat { msg_id, seq_no, .. } => {
                Some((*msg_id, *seq_no))
            }
            Item::Acks(_)
            | Item::Notice(_)
            | Item::FutureSalts
            | Item::Ping
            | Item::States(_)
            | Item::Resend(_)
            | Item::Request(_) => None,
        }
    }

    /// A server's parity, and whether it is content-related.
    fn kind(&self) -> (Parity, bool) {
        match self {
            // Both roles send these.
            Item::Acks(_) | Item::States(_) => (Parity::Push, false),
            Item::FutureSalts | Item::Ping | Item::Resend(_) => (Parity::Client, false),
            Item::Notice(notice) | Item::Again { notice, .. } => (notice.parity, notice.content),
            Item::Request(leaving) | Item::Repeat { leaving, .. } => {
                (Parity::Client, leaving.is_content())
            }
        }
    }
}

/// What goes into one packet, and how long it gets.
pub(super) struct Packing {
    items: Vec<(Item, usize)>,
    body_len: usize,
}

impl Packing {
    /// Whether a message of this length still fits; alone it may be longer than a container.
    pub(super) fn fits(&self, len: usize) -> bool {
        let with = self
            .body_len
            .saturating_add(ITEM_HEADER)
            .saturating_add(len);
        self.items.is_empty()
            || (self.items.len() < MAX_CONTAINER_MESSAGES && with <= MAX_CONTAINER_BODY)
    }

    pub(super) fn add(&mut self, item: Item, len: usize) {
        self.body_len = self
            .body_len
            .saturating_add(ITEM_HEADER)
            .saturating_add(len);
        self.items.push((item, len));
    }
}

#[derive(Debug)]
pub(super) struct Planned {
    pub(super) item: Item,
    len: usize,
    pub(super) msg_id: MsgId,
    pub(super) seq_no: i32,
}

/// The message that travels without a container: the only one, unless its id is an old one, which
/// may not be outermost.
fn bare(items: &[Planned]) -> Option<&Planned> {
    match items {
        [only] if only.item.old().is_none() => Some(only),
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
                Side::Client(client) => {
                    client.ping_due
                        || client.pending.next_ready().is_some()
                        || client.pending.next_repeat().is_some()
                        || self.next_question().is_some_and(|at| at <= self.latest)
                }
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
            let len = ids_len(ids.len());
            if !packing.fits(len) {
                self.acks.put_back(ids, self.config.limits.acks);
                break;
            }
            packing.add(Item::Acks(ids), len);
        }
        if let Side::Server(server) = &mut self.side {
            packing.add_reminders(now, &mut server.unacked);
        }
        while let Some(notice) = self.out.pop(|len| packing.fits(len)) {
            let len = notice.len();
            packing.add(Item::Notice(notice), len);
        }
        let quick_ack = self.pack_client(now, &mut packing);
        let items = packing.items;
        self.timers.set(Timer::Ack, self.acks.deadline());
        if items
            .iter()
            .any(|(item, _)| matches!(item, Item::Request(_) | Item::Repeat { .. }))
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
            let (parity, content) = item.kind();
            let (msg_id, seq_no) = item.old().unwrap_or_else(|| {
                let msg_id = self.ids.next(now, self.parity(parity), rng);
                (msg_id, self.seq_no.next(content))
            });
            body_len = body_len.saturating_add(ITEM_HEADER).saturating_add(len);
            let mut next = Planned {
                item,
                len,
                msg_id,
                seq_no,
            };
            self.note_leaving(now, &mut next);
            planned.push(next);
        }
        let single = bare(&planned).map(|only| (only.msg_id, only.seq_no, only.len));
        let (msg_id, seq_no, body_len) = single.unwrap_or_else(|| {
            let id = self.ids.next(now, self.parity(Parity::Push), rng);
            (id, self.seq_no.next(false), body_len)
        });

        self.keep_sent(now, &planned);
        if single.is_none() {
            self.note_container(msg_id, &planned);
        }
        Plan {
            items: planned,
            msg_id,
            seq_no,
            body_len,
            quick_ack,
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
            Item::Acks(ids) => write_ids(types::MsgsAck::ID, ids, out),
            Item::States(ids) => write_ids(types::MsgsStateReq::ID, ids, out),
            Item::Resend(ids) => write_ids(types::MsgResendReq::ID, ids, out),
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
            Item::Request(leaving) | Item::Repeat { leaving, .. } => {
                leaving.write(planned.msg_id, self.id, rng, out);
            }
        }
    }
}
