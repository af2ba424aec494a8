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
mod after;
mod again;
mod answers;
mod asking;
pub(crate) mod backlog;
mod bind;
mod client;
mod config;
mod disowned;
mod event;
mod gzip;
mod incoming;
mod limits;
pub(crate) mod msg_id;
pub(crate) mod outgoing;
mod outgoing_client;
pub(crate) mod packet;
mod pending;
mod refusals;
mod reminders;
mod replay;
mod request;
mod requests;
mod running;
mod salts;
pub(crate) mod saved;
mod seq_no;
mod state;
mod timer;
mod unacked;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::{Bytes, BytesMut};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Function, tl};
use rand_core::Rng as _;

pub use after::MAX_AFTER;
#[cfg(feature = "client")]
pub(crate) use after::wrapper_len;
pub(crate) use bind::BindRequest;
pub use config::{Config, SendOptions};
pub use event::{Event, Silent};
pub use gzip::{MAX_INFLATED, inflate};
pub use limits::Limits;
pub(crate) use msg_id::{MAX_AGE, floor_of};
pub use outgoing::Plan;
pub use pending::MAX_BODY;
pub(crate) use pending::{Body, Pending};
pub use requests::MAX_ANSWER;
pub(crate) use salts::{MAX_FUTURE, Salt};
pub use salts::{Salts, ServerSalts};

use crate::crypto::{AuthKey, Direction};
use crate::error::{PeerMisbehaved, RequestError, SendError, Stats, count};
use crate::ids::{MsgId, RequestId, SessionId};
use crate::rng::Rng;
use crate::time::Time;
use acks::Acks;
use backlog::{Backlog, Load};
use client::Client;
use disowned::Disowned;
use msg_id::MsgIds;
use outgoing::Outgoing;
use replay::Replay;
use running::Running;
use saved::Mark;
use seq_no::SeqNo;
use timer::{Timer, Timers};
use unacked::Unacked;

/// `get_future_salts` is not repeated within this time. TDLib's number.
const SALTS_AGAIN: Duration = Duration::from_secs(60);

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
    events: Backlog<Event>,
    /// Events that were taken and wait for somebody else.
    elsewhere: Load,
    /// There was no room to say that the key's state changed.
    untold_key_state: bool,
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

/// What only a server's session has.
struct Server {
    salts: ServerSalts,
    incoming: seq_no::Incoming,
    /// Calls that the owner has not answered.
    running: Running,
    /// What the client has not acknowledged.
    unacked: Unacked,
    /// `unique_id` of `new_session_created`, once that was queued.
    created: Option<i64>,
    /// When the client last said something new.
    heard: Time,
    /// What the journal knows.
    mark: Mark,
    /// What was refused, and is not taken any more.
    disowned: Disowned,
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
        let start = ClientStart {
            salts: start.salts.or_made_up(rng),
            ..start
        };
        let (client, key) = Client::new(pending, start, now);
        let side = Side::Client(Box::new(client));
        Session::new(key, random_id(rng), ids, side, config, now)
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
            running: Running::default(),
            unacked: Unacked::default(),
            created: None,
            heard: now,
            mark: Mark::default(),
            disowned: Disowned::default(),
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
            events: Backlog::default(),
            elsewhere: Load::default(),
            untold_key_state: false,
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

    /// The key of the conversation, for who watches the stream.
    pub(crate) fn key(&self) -> &AuthKey {
        &self.key
    }

    /// What was dropped or repaired.
    pub fn stats(&self) -> &Stats {
        &self.stats
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
        let body = compressed(body, config);
        let id = client.pending.add(now, body, prefix, options, config)?;
        self.tell_orphans();
        Ok(id)
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
        // What is due already leaves with the next packet.
        let question = self.next_question().filter(|at| *at > self.latest);
        [deadline, question, self.timers.next()]
            .into_iter()
            .flatten()
            .min()
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
                        let patience = if client.online {
                            self.config.pong_timeout_online
                        } else {
                            self.config.pong_timeout
                        };
                        self.timers.set(Timer::Silence, Some(now + patience));
                    }
                }
                Timer::Silence => return Err(Silent),
                Timer::Unacked => self.ask_after_unacked(now),
                Timer::Missed => self.updates_missed(now),
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
        let heard = core::mem::replace(&mut self.heard, false);
        if let Side::Client(client) = &mut self.side {
            client.stream_since = now;
            client.only_pongs = false;
            // What was refused over the last one is asked again over this one.
            client.refusals = 0;
            client.stream_open = true;
            client.pinged = None;
            client.asked_at = None;
            client.described.ask_soon(None, now);
        }
        self.expect_life(now);
        self.ask_after_unanswered(now, heard);
        self.remind_of_all(now);
    }

    /// No stream carries the session: it stops asking whether the peer lives.
    pub fn stream_closed(&mut self) {
        self.timers.set(Timer::Ping, None);
        self.timers.set(Timer::Silence, None);
        self.timers.set(Timer::Unacked, None);
        match &mut self.side {
            Side::Client(client) => {
                client.ping_due = false;
                client.stream_open = false;
                client.quick_acks.clear();
            }
            Side::Server(server) => server.unacked.stop_asking(),
        }
    }

    /// Takes the later of the time given and the latest one seen.
    fn forward(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
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

/// What a server needs of its sessions.
impl Session {
    /// The greatest message id that was accepted. Server.
    pub(crate) fn newest_from_peer(&self) -> Option<MsgId> {
        self.replay.newest().map(MsgId)
    }

    /// The greatest id that must not be taken by a successor that knows nothing of this session.
    /// Server.
    pub(crate) fn newest_settled(&self) -> Option<MsgId> {
        let disowned = match &self.side {
            Side::Server(server) => server
                .disowned
                .newest_up_to(msg_id::newest_possible(self.latest)),
            Side::Client(_) => None,
        };
        self.replay.newest().max(disowned).map(MsgId)
    }

    /// Whether a message of the peer with this id is not known to have come.
    pub(crate) fn is_new(&self, msg_id: MsgId) -> bool {
        self.replay.check(msg_id.0) == replay::Seen::New && !self.disowns(msg_id)
    }

    /// How many ids are remembered, but for those that any session may have. Server.
    pub(crate) fn remembered(&self) -> usize {
        let disowned = match &self.side {
            Side::Server(server) => server.disowned.len(),
            Side::Client(_) => 0,
        };
        let came = self.replay.many().saturating_add(self.acks.len());
        came.saturating_add(disowned)
    }

    /// Forgets the older half of them, up to which nothing is accepted then, and what is still to be
    /// acknowledged: the client asks again. Server.
    pub(crate) fn forget_ids(&mut self) {
        let refused = match &mut self.side {
            Side::Server(server) => server.disowned.forget_half(),
            Side::Client(_) => None,
        };
        if let Some(floor) = self.replay.middle().max(refused) {
            self.replay.raise(floor);
        }
        self.acks = Acks::default();
        self.timers.set(Timer::Ack, None);
        count(&mut self.stats.overflow);
    }

    /// Nothing up to this id is accepted: it may have been executed in another life of the session.
    pub(crate) fn forget_below(&mut self, floor: MsgId) {
        self.replay = Replay::above(floor.0);
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
