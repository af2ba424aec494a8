//! A client's session: what only it has, and what its connection needs of it.
//!
//! Does: the state beside the requests; liveness; the end of requests that the application gives up.
//! In: commands of the connection, the time. Out: events, requests to carry over.
//! Must not know: packets, what the server says.
//! Spec: "Service Messages", ping messages, cancellation of an RPC query.

use alloc::collections::VecDeque;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::mtproto::functions;

use crate::crypto::AuthKey;
use crate::error::{Fate, Progress, RequestError, SendError};
use crate::ids::{MsgId, RequestId};
use crate::session::asking::{Described, PAUSE};
use crate::session::msg_id::Parity;
use crate::session::pending::{Body, Pending, Request, Stage};
use crate::session::timer::Timer;
use crate::session::{
    BindRequest, ClientStart, Event, Salts, SendOptions, Session, Side, is_service_call,
};
use crate::time::Time;

/// Quick acknowledgements that are awaited at most; later ones are not recognised.
const MAX_QUICK_ACKS: usize = 64;
/// A stream that answered a ping but not a request of this age is as good as dead: on the next one
/// the server is asked what became of it. TDLib's number. A question about states is never older
/// than the request that it is about, so one that is not answered is noticed by the same rule.
pub(super) const ONLY_PONGS: Duration = Duration::from_secs(60);
/// The owner hears at most so often that updates may be missing.
const MISSED_AGAIN: Duration = Duration::from_secs(60);

/// What only a client's session has.
pub(super) struct Client {
    pub(super) pending: Pending,
    pub(super) salts: Salts,
    pub(super) salts_asked: Option<Time>,
    pub(super) ping_due: bool,
    /// `invokeWithLayer(initConnection(` up to the query.
    pub(super) init: Option<Bytes>,
    /// The server has answered a request that carried `init`.
    pub(super) initialised: bool,
    pub(super) quick_acks: VecDeque<(u32, MsgId)>,
    /// Bytes of large answers that nobody waits for.
    pub(super) unwanted: usize,
    /// `unique_id` of the last `new_session_created`.
    pub(super) created: Option<i64>,
    /// Refusals since the last answer.
    pub(super) refusals: u8,
    /// When the stream began to carry the session.
    pub(super) stream_since: Time,
    /// Pings are answered over this stream, requests are not.
    pub(super) only_pongs: bool,
    /// The user waits.
    pub(super) online: bool,
    /// A stream carries the session.
    pub(super) stream_open: bool,
    /// When the last ping of ours left.
    pub(super) pinged: Option<Time>,
    /// When the server was last asked for states over this stream.
    pub(super) asked_at: Option<Time>,
    /// What the server described and has not sent.
    pub(super) described: Described,
    /// When the owner last heard that updates may be missing.
    pub(super) missed_at: Option<Time>,
}

impl Client {
    pub(super) fn new(pending: Pending, start: ClientStart, now: Time) -> (Self, AuthKey) {
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
            online: false,
            stream_open: false,
            pinged: None,
            asked_at: None,
            described: Described::default(),
            missed_at: None,
        };
        (client, start.key)
    }

    pub(super) fn wraps(&self, request: &Request) -> bool {
        self.init.is_some() && !self.initialised && request.body.is_api_call()
    }

    pub(super) fn init_len(&self) -> usize {
        self.init.as_ref().map_or(0, Bytes::len)
    }

    pub(super) fn expect_quick_ack(&mut self, token: u32, msg_id: MsgId) {
        self.quick_acks.push_back((token, msg_id));
        if self.quick_acks.len() > MAX_QUICK_ACKS {
            self.quick_acks.pop_front();
        }
    }
}

/// Life and death.
impl Session {
    /// Something new came: the stream lives.
    pub(super) fn heard(&mut self, now: Time) {
        self.heard = true;
        self.expect_life(now);
    }

    /// Asks after so much silence from now on.
    pub(super) fn expect_life(&mut self, now: Time) {
        if let Side::Client(client) = &self.side {
            let (idle, busy) = if client.online {
                let online = self.config.ping_interval_online;
                (online, online)
            } else {
                (self.config.ping_interval, self.config.ping_interval_busy)
            };
            let ping = match client.pending.oldest_written() {
                None => now + idle,
                // However much else comes: a request that is not answered wants a pong to compare
                // with.
                Some(at) => {
                    let overdue = at.max(client.stream_since) + ONLY_PONGS;
                    let overdue = overdue.max(client.pinged.map_or(now, |at| at + busy));
                    overdue.min(now + busy).max(now)
                }
            };
            self.timers.set(Timer::Ping, Some(ping));
            self.timers
                .set(Timer::Silence, client.only_pongs.then_some(now));
        }
    }

    /// Requests were written: their answers are expected sooner than the next idle ping.
    pub(super) fn expect_answers(&mut self, now: Time) {
        if self.timers.get(Timer::Silence).is_none() {
            let busy = now + self.config.ping_interval_busy;
            if self.timers.get(Timer::Ping).is_some_and(|at| at > busy) {
                self.timers.set(Timer::Ping, Some(busy));
            }
        }
    }

    /// Whether the user waits: how soon a silent server is asked whether it lives. Client.
    pub(crate) fn set_online(&mut self, now: Time, online: bool) {
        let now = self.forward(now);
        if let Side::Client(client) = &mut self.side {
            client.online = online;
            let soon = now + self.config.ping_interval_online;
            if online && self.timers.get(Timer::Ping).is_some_and(|at| at > soon) {
                self.timers.set(Timer::Ping, Some(soon));
            }
        }
    }

    /// When the server is to be asked something about messages.
    pub(super) fn next_question(&self) -> Option<Time> {
        let Side::Client(client) = &self.side else {
            return None;
        };
        let pause = client.asked_at.map_or(Time::ZERO, |at| at + PAUSE);
        let ask = client.pending.next_ask().map(|at| at.max(pause));
        [ask, client.described.next()]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| client.stream_open)
    }

    /// An update may have been dropped: the owner hears it now, or when the last time was long
    /// enough ago. Who sends old packets again must not make it ask for the difference each time.
    pub(super) fn updates_missed(&mut self, now: Time) {
        let Side::Client(client) = &mut self.side else {
            return;
        };
        match client.missed_at.map(|at| at + MISSED_AGAIN) {
            Some(at) if at > now => self.timers.set(Timer::Missed, Some(at)),
            Some(_) | None => {
                client.missed_at = Some(now);
                self.events.push(Event::UpdatesMissed);
            }
        }
    }

    /// Tells the owner how a request ended, and those that came after it.
    pub(super) fn tell_end(&mut self, event: Event) {
        self.events.push(event);
        self.tell_orphans();
    }

    /// Tells the owner of requests that ended because of what they came after.
    pub(crate) fn tell_orphans(&mut self) {
        if let Side::Client(client) = &mut self.side {
            for (id, error) in client.pending.take_orphans() {
                self.events.push(Event::Failed { id, error });
            }
        }
    }

    pub(super) fn give_up(&mut self, id: RequestId, error: impl FnOnce(Fate) -> RequestError) {
        if let Some(fate) = self.end(id) {
            let error = error(fate);
            self.tell_end(Event::Failed { id, error });
        }
    }

    /// Ends a request without an event; what is known of its fate. What came after it and ends with
    /// it is told by [`Session::tell_orphans`].
    #[cfg(feature = "client")]
    pub(crate) fn withdraw(&mut self, id: RequestId) -> Option<Fate> {
        let fate = self.end(id)?;
        self.told(id);
        Some(fate)
    }

    fn end(&mut self, id: RequestId) -> Option<Fate> {
        let Side::Client(client) = &mut self.side else {
            return None;
        };
        let request = client.pending.fail(id)?;
        let fate = request.fate();
        // The server knows messages by their session.
        if let Stage::Written(req_msg_id) = request.stage
            && !is_service_call(request.body.constructor())
            && !request.in_former_session
        {
            let drop_answer = functions::RpcDropAnswer {
                req_msg_id: req_msg_id.0,
            };
            self.notify_service(Parity::Client, &drop_answer);
        }
        Some(fate)
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

    /// Whether the peer has shown over this stream that it has the key: a copy of an old packet does
    /// not.
    pub(crate) fn has_heard(&self) -> bool {
        self.heard
    }

    /// Lets acknowledgements leave without waiting.
    pub(crate) fn flush_acks(&mut self) {
        self.acks.make_due();
    }

    /// How far a request is that has not ended. Client.
    pub fn progress(&self, id: RequestId) -> Option<Progress> {
        self.pending()?.progress(id)
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
