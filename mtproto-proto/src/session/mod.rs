//! One encrypted conversation, in either role.
//!
//! Does: opens and seals packets, keeps ids, salts, acknowledgements and requests in order, answers
//! service messages. A session outlives the streams that carry it.
//! In: packets, requests or answers, the time. Out: packets when the stream has room, events, the
//! next deadline.
//! Must not know: framing, handshakes, what the API's methods mean.
//! Spec: "Mobile Protocol: Detailed Description"; "Service Messages"; "Service Messages about
//! Messages"; "Security Guidelines".
//!
//! Packets are made late: a request has no message id until [`Session::plan_packet`] is called,
//! which is when the stream has taken the bytes before.

mod acks;
mod answers;
mod bind;
mod config;
mod event;
mod gzip;
mod incoming;
mod msg_id;
mod outgoing;
pub(crate) mod packet;
mod pending;
mod replay;
mod requests;
mod salts;
mod seq_no;
mod state;
mod timer;
mod unacked;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Function, tl};
use rand_core::Rng as _;

pub(crate) use bind::BindRequest;
pub use config::{Config, SendOptions};
pub use event::{Event, Silent};
pub use gzip::{MAX_INFLATED, inflate};
pub(crate) use msg_id::{MAX_AGE, floor_of};
pub use outgoing::Plan;
pub use pending::MAX_BODY;
pub(crate) use pending::{Body, Pending};
pub use requests::MAX_ANSWER;
pub(crate) use salts::{MAX_FUTURE, Salt};
pub use salts::{Salts, ServerSalts};

use crate::crypto::{AuthKey, Direction};
use crate::error::{Fate, PeerMisbehaved, RequestError, SendError, Stats};
use crate::ids::{MsgId, RequestId, SessionId};
use crate::rng::Rng;
use crate::time::Time;
use acks::Acks;
use msg_id::{MsgIds, Parity};
use outgoing::Outgoing;
use pending::{Request, Stage};
use replay::Replay;
use seq_no::SeqNo;
use timer::{Timer, Timers};
use unacked::Unacked;

/// `get_future_salts` is not repeated within this time. TDLib's number.
const SALTS_AGAIN: Duration = Duration::from_secs(60);
/// Quick acknowledgements that are awaited at most; later ones are not recognised.
const MAX_QUICK_ACKS: usize = 64;

/// One encrypted conversation.
pub struct Session {
    key: AuthKey,
    id: SessionId,
    /// What this session was before it had to be renewed: late answers come under its id.
    former: Option<Former>,
    config: Config,
    ids: MsgIds,
    seq_no: SeqNo,
    replay: Replay,
    /// The first outermost message of the peer.
    first_from_peer: i64,
    acks: Acks,
    out: Outgoing,
    timers: Timers,
    events: VecDeque<Event>,
    stats: Stats,
    side: Side,
    latest: Time,
    /// The peer did not read and a notice had to be dropped.
    overflowed: bool,
    /// Something new came over this stream.
    heard: bool,
}

/// A session that was replaced, and what came in it.
struct Former {
    id: SessionId,
    replay: Replay,
}

enum Side {
    Client(Box<Client>),
    Server(Box<Server>),
}

/// What only a client's session has.
struct Client {
    pending: Pending,
    salts: Salts,
    salts_asked: Option<Time>,
    ping_due: bool,
    /// `invokeWithLayer(initConnection(` up to the query.
    init: Option<Bytes>,
    /// The server has answered a request that carried `init`.
    initialised: bool,
    quick_acks: VecDeque<(u32, MsgId)>,
    /// Bytes of large answers that nobody waits for.
    unwanted: usize,
    /// `unique_id` of the last `new_session_created`.
    created: Option<i64>,
    /// Refusals since the last answer.
    refusals: u8,
    /// When the stream began to carry the session.
    stream_since: Time,
    /// Pings are answered over this stream, requests are not.
    only_pongs: bool,
}

impl Client {
    fn wraps(&self, request: &Request) -> bool {
        self.init.is_some()
            && !self.initialised
            && matches!(request.body, Body::Ready(_))
            && !is_service_call(request.body.constructor())
    }

    fn init_len(&self) -> usize {
        self.init.as_ref().map_or(0, Bytes::len)
    }

    fn expect_quick_ack(&mut self, token: u32, msg_id: MsgId) {
        self.quick_acks.push_back((token, msg_id));
        if self.quick_acks.len() > MAX_QUICK_ACKS {
            self.quick_acks.pop_front();
        }
    }
}

/// What only a server's session has.
struct Server {
    salts: ServerSalts,
    incoming: seq_no::Incoming,
    /// Calls that the owner has not answered.
    running: BTreeSet<MsgId>,
    /// What the client has not acknowledged.
    unacked: Unacked,
    /// `new_session_created` was queued.
    announced: bool,
}

/// What a client's session starts from.
#[derive(Debug)]
pub struct ClientStart {
    /// The key of the conversation.
    pub key: AuthKey,
    /// Its salts.
    pub salts: Salts,
    /// Server time minus local time, nanoseconds.
    pub time_offset: i64,
    /// Whether the offset was just learnt, and is not a hint from an earlier run.
    pub time_synced: bool,
    /// What goes before calls until one is answered: `invokeWithLayer(initConnection(`.
    pub init: Option<Bytes>,
}

/// Calls that the session layer answers, without `rpc_result`; they are never wrapped.
pub(crate) fn is_service_call(constructor: u32) -> bool {
    const SERVICE: [u32; 7] = [
        functions::Ping::ID,
        functions::PingDelayDisconnect::ID,
        functions::GetFutureSalts::ID,
        functions::RpcDropAnswer::ID,
        functions::DestroySession::ID,
        functions::DestroyAuthKey::ID,
        BindRequest::ID,
    ];
    // Binding is an API call for its sequence number and answer; only its wrapping differs.
    SERVICE.contains(&constructor) && constructor != BindRequest::ID
}

impl Session {
    /// A client's session, with a new random id.
    pub fn client(start: ClientStart, config: Config, now: Time, rng: &mut Rng) -> Self {
        Session::client_with(start, Pending::default(), config, now, rng)
    }

    /// A client's session that takes over what waits.
    pub(crate) fn client_with(
        start: ClientStart,
        pending: Pending,
        config: Config,
        now: Time,
        rng: &mut Rng,
    ) -> Self {
        let ids = if start.time_synced {
            MsgIds::synced(start.time_offset)
        } else {
            MsgIds::unsynced(start.time_offset)
        };
        let client = Client {
            pending,
            salts: start.salts,
            salts_asked: None,
            ping_due: false,
            init: start.init,
            initialised: false,
            quick_acks: VecDeque::new(),
            unwanted: 0,
            created: None,
            refusals: 0,
            stream_since: now,
            only_pongs: false,
        };
        let side = Side::Client(Box::new(client));
        Session::new(start.key, random_id(rng), ids, side, config, now)
    }

    /// A server's session, under the id that the client chose. The server's clock is the truth.
    pub fn server(
        key: AuthKey,
        id: SessionId,
        salts: ServerSalts,
        config: Config,
        now: Time,
    ) -> Self {
        let server = Server {
            salts,
            incoming: seq_no::Incoming::default(),
            running: BTreeSet::new(),
            unacked: Unacked::default(),
            announced: false,
        };
        Session::new(
            key,
            id,
            MsgIds::synced(0),
            Side::Server(Box::new(server)),
            config,
            now,
        )
    }

    fn new(
        key: AuthKey,
        id: SessionId,
        ids: MsgIds,
        side: Side,
        config: Config,
        now: Time,
    ) -> Self {
        Session {
            key,
            id,
            former: None,
            config,
            ids,
            seq_no: SeqNo::default(),
            replay: Replay::default(),
            first_from_peer: i64::MAX,
            acks: Acks::default(),
            out: Outgoing::default(),
            timers: Timers::default(),
            events: VecDeque::new(),
            stats: Stats::default(),
            side,
            latest: now,
            overflowed: false,
            heard: false,
        }
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// What was dropped or repaired.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether the peer left so much unread that something had to be dropped; the stream should
    /// be closed.
    pub fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Bytes that wait for the stream.
    pub fn queued_bytes(&self) -> usize {
        let requests = match &self.side {
            Side::Client(client) => client.pending.queued_bytes(),
            Side::Server(_) => 0,
        };
        self.out.bytes().saturating_add(requests)
    }

    /// Whether nothing waits: no request, no answer, no acknowledgement that is due.
    pub fn is_idle(&self) -> bool {
        let idle = match &self.side {
            Side::Client(client) => client.pending.is_empty(),
            Side::Server(server) => server.running.is_empty(),
        };
        idle && self.out.is_empty() && !self.acks.is_due()
    }

    /// Submits a request. Client.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent at all; nothing was queued then.
    pub fn send(
        &mut self,
        now: Time,
        body: Bytes,
        options: &SendOptions,
    ) -> Result<RequestId, SendError> {
        let now = self.forward(now);
        let config = &self.config;
        let Side::Client(client) = &mut self.side else {
            return Err(SendError::Ended);
        };
        let prefix = client.init_len();
        client
            .pending
            .add(now, compressed(body, config), prefix, options, config)
    }

    /// Ends a request: it is not sent, or its answer is not wanted. Client.
    pub fn cancel(&mut self, now: Time, id: RequestId) {
        let _ = self.forward(now);
        self.give_up(id, RequestError::Cancelled);
    }

    /// Takes a packet as the stream delivered it, without the transport's padding. Client.
    ///
    /// # Errors
    /// The stream must end; the session survives.
    pub fn handle_packet(
        &mut self,
        now: Time,
        packet: BytesMut,
        rng: &mut Rng,
    ) -> Result<(), PeerMisbehaved> {
        let opened = packet::open(&self.key, self.incoming_direction(), packet)?;
        self.handle_opened(now, opened, rng)
    }

    /// When [`Session::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Time> {
        let deadline = match &self.side {
            Side::Client(client) => client.pending.next_deadline(),
            Side::Server(_) => None,
        };
        [deadline, self.timers.next()].into_iter().flatten().min()
    }

    /// Lets deadlines pass.
    ///
    /// # Errors
    /// The stream is dead.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Silent> {
        let now = self.forward(now);
        while let Side::Client(client) = &self.side
            && let Some(id) = client.pending.expired(now)
        {
            self.give_up(id, RequestError::TimedOut);
        }
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Ack => self.acks.make_due(),
                Timer::Ping => {
                    if let Side::Client(client) = &mut self.side {
                        client.ping_due = true;
                        self.timers
                            .set(Timer::Silence, Some(now + self.config.pong_timeout));
                    }
                }
                Timer::Silence => return Err(Silent),
            }
        }
        Ok(())
    }

    /// A stream carries the session from now on. What was written to an earlier one and may have
    /// been lost is asked for, or sent again if that is harmless. A server sends again whatever
    /// was not acknowledged.
    pub fn stream_opened(&mut self, now: Time) {
        let now = self.forward(now);
        self.overflowed = false;
        self.heard = false;
        if let Side::Client(client) = &mut self.side {
            client.stream_since = now;
            client.only_pongs = false;
        }
        self.expect_life(now);
        self.ask_after_unanswered();
        if let Side::Server(server) = &mut self.side {
            server.unacked.all_again();
        }
    }

    /// No stream carries the session: it stops asking whether the peer lives.
    pub fn stream_closed(&mut self) {
        self.timers.set(Timer::Ping, None);
        self.timers.set(Timer::Silence, None);
        if let Side::Client(client) = &mut self.side {
            client.ping_due = false;
            client.quick_acks.clear();
        }
    }

    /// Takes the later of the time given and the latest one seen.
    fn forward(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// Something new came: the stream lives.
    fn heard(&mut self, now: Time) {
        self.heard = true;
        self.expect_life(now);
    }

    /// Asks after so much silence from now on.
    fn expect_life(&mut self, now: Time) {
        if let Side::Client(client) = &self.side {
            let after = if client.pending.any_written() {
                self.config.ping_interval_busy
            } else {
                self.config.ping_interval
            };
            self.timers.set(Timer::Ping, Some(now + after));
            self.timers
                .set(Timer::Silence, client.only_pongs.then_some(now));
        }
    }

    /// Requests were written: their answers are expected sooner than the next idle ping.
    fn expect_answers(&mut self, now: Time) {
        if self.timers.get(Timer::Silence).is_none() {
            let busy = now + self.config.ping_interval_busy;
            if self.timers.get(Timer::Ping).is_some_and(|at| at > busy) {
                self.timers.set(Timer::Ping, Some(busy));
            }
        }
    }

    fn give_up(&mut self, id: RequestId, error: impl FnOnce(Fate) -> RequestError) {
        if let Some(fate) = self.withdraw(id) {
            self.events.push_back(Event::Failed {
                id,
                error: error(fate),
            });
        }
    }

    /// Ends a request without an event; what is known of its fate.
    pub(crate) fn withdraw(&mut self, id: RequestId) -> Option<Fate> {
        let Side::Client(client) = &mut self.side else {
            return None;
        };
        let request = client.pending.take(id)?;
        let fate = request.fate();
        if let Stage::Written(req_msg_id) = request.stage
            && !is_service_call(request.body.constructor())
        {
            let drop_answer = functions::RpcDropAnswer {
                req_msg_id: req_msg_id.0,
            };
            self.notify_service(Parity::Client, &drop_answer);
        }
        Some(fate)
    }

    fn incoming_direction(&self) -> Direction {
        match self.side {
            Side::Client(_) => Direction::ToClient,
            Side::Server(_) => Direction::ToServer,
        }
    }

    fn outgoing_direction(&self) -> Direction {
        match self.side {
            Side::Client(_) => Direction::ToServer,
            Side::Server(_) => Direction::ToClient,
        }
    }
}

/// What a connection needs of its client session.
impl Session {
    /// Salts and time offset, to be kept with the key.
    pub(crate) fn learnt(&self) -> Option<(Salts, i64)> {
        match &self.side {
            Side::Client(client) => Some((client.salts.clone(), self.ids.offset())),
            Side::Server(_) => None,
        }
    }

    /// Asks at once whether the server answers under this key; the stream is dead if nothing comes
    /// within `timeout`.
    pub(crate) fn probe(&mut self, now: Time, timeout: Duration) {
        let now = self.forward(now);
        if let Side::Client(client) = &mut self.side {
            client.ping_due = true;
            self.timers.set(Timer::Ping, None);
            self.timers.set(Timer::Silence, Some(now + timeout));
        }
    }

    /// The greatest message id that was accepted. Server.
    pub(crate) fn newest_from_peer(&self) -> Option<MsgId> {
        self.replay.newest().map(MsgId)
    }

    /// Whether a message of the peer with this id is not known to have come.
    pub(crate) fn is_new(&self, msg_id: MsgId) -> bool {
        self.replay.check(msg_id.0) == replay::Seen::New
    }

    /// Nothing up to this id is accepted: it may have been executed in another life of the session.
    pub(crate) fn forget_below(&mut self, floor: MsgId) {
        self.replay = Replay::above(floor.0);
    }

    /// Whether the peer has shown over this stream that it has the key: a copy of an old packet does
    /// not.
    pub(crate) fn has_heard(&self) -> bool {
        self.heard
    }

    /// Lets acknowledgements leave without waiting.
    pub(crate) fn flush_acks(&mut self) {
        self.acks.make_due();
    }

    pub(crate) fn pending_mut(&mut self) -> Option<&mut Pending> {
        match &mut self.side {
            Side::Client(client) => Some(&mut client.pending),
            Side::Server(_) => None,
        }
    }

    pub(crate) fn pending(&self) -> Option<&Pending> {
        match &self.side {
            Side::Client(client) => Some(&client.pending),
            Side::Server(_) => None,
        }
    }

    /// The session is over; what waits goes to its successor, which knows nothing of what was
    /// written.
    pub(crate) fn into_pending(self) -> Pending {
        match self.side {
            Side::Client(mut client) => {
                client.pending.session_replaced();
                client.pending
            }
            Side::Server(_) => Pending::default(),
        }
    }

    /// Submits `auth.bindTempAuthKey`; until it is answered nothing else leaves.
    pub(crate) fn bind(
        &mut self,
        now: Time,
        bind: BindRequest,
        options: &SendOptions,
    ) -> Result<RequestId, SendError> {
        let now = self.forward(now);
        let config = &self.config;
        let Side::Client(client) = &mut self.side else {
            return Err(SendError::Ended);
        };
        client.pending.hold = true;
        client
            .pending
            .add(now, Body::Bind(bind), 0, options, config)
    }

    /// The transport brought a quick acknowledgement.
    pub(crate) fn handle_quick_ack(&mut self, token: u32) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        let Some(at) = client
            .quick_acks
            .iter()
            .position(|(awaited, _)| *awaited == token)
        else {
            return;
        };
        if let Some((_, msg_id)) = client.quick_acks.remove(at) {
            self.tell_acked(msg_id, false);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("key", &self.key.id())
            .field("id", &self.id)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// A session id: 0 would be refused by servers.
fn random_id(rng: &mut Rng) -> SessionId {
    loop {
        let id = rng.next_u64().cast_signed();
        if id != 0 {
            return SessionId(id);
        }
    }
}

/// The request's body, compressed if the config asks for it and it helps.
pub(crate) fn compressed(body: Bytes, config: &Config) -> Body {
    let wanted = config.compress_from.is_some_and(|from| body.len() >= from);
    let constructor = body.first_chunk().map_or(0, |id| u32::from_le_bytes(*id));
    if wanted
        && !is_service_call(constructor)
        && let Some(packed) = gzip::deflate(&body)
    {
        let mut out = Vec::with_capacity(packed.len().saturating_add(12));
        tl::put_u32(&mut out, types::GzipPacked::ID);
        tl::put_bytes(&mut out, &packed);
        return Body::Ready(out.into());
    }
    Body::Ready(body)
}
