//! A server: many streams, the keys and sessions that they share.
//!
//! Does: makes keys with clients, opens their packets, hands their calls to the owner, carries
//! answers and updates to the stream that a session speaks through now.
//! In: streams opened and closed, bytes, answers, the time. Out: actions, events, bytes per stream.
//! Must not know: sockets, the API's methods; wrappers like `invokeWithLayer` are the owner's.
//! Spec: "Creating an Authorization Key"; "Mobile Protocol: Detailed Description"; "Service
//! Messages"; "Perfect Forward Secrecy".

mod admission;
mod allowance;
mod calls;
mod config;
mod event;
mod half_open;
mod headers;
mod inputs;
mod keys;
mod packets;
mod plain;
mod registry;
mod resume;
mod seats;
mod sources;
mod state;
mod stats;
mod stream;
mod streams;
mod tally;
mod timers;
mod waiting;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::fmt;

use zeroize::Zeroizing;

pub use config::ServerConfig;
pub use event::{Action, Event};
pub use keys::BindRefused;
pub use state::{ServerChange, ServerState, ServerStateError};
pub use stats::ServerStats;

use crate::handshake;
use crate::ids::{AuthKeyId, ConnId, SessionId};
use crate::rng::Rng;
use crate::time::Time;
use crate::transport::SeenHellos;
use allowance::Allowance;
use half_open::HalfOpen;
use headers::Headers;
use inputs::Inputs;
use keys::Keys;
use registry::Registry;
use seats::Seats;
use sources::Sources;
use stream::Stream;
use timers::TimerOf;
use waiting::call_bytes;

/// Events that the owner has not taken, beyond which no stream's bytes are handled: more than the calls
/// that `max_running_bytes` lets wait by default. What one packet, the owner or timers add comes on top.
const MAX_EVENTS: usize = 1 << 17;

/// Many streams, the keys and sessions that they share. It does no I/O of its own.
pub struct Server {
    config: Arc<ServerConfig>,
    /// Made once: the private keys are not copied for each step of each client.
    handshake: handshake::server::Config,
    rng: Rng,
    keys: Keys,
    registry: Registry,
    streams: BTreeMap<ConnId, Stream>,
    /// Those of them that were handed on.
    handed_on: usize,
    seats: Seats,
    inputs: Inputs,
    /// Streams whose first packet waits for a key.
    awaiting: BTreeSet<(AuthKeyId, ConnId)>,
    sources: Sources,
    /// What handshakes have cost.
    spent: Allowance,
    half_open: HalfOpen,
    /// One entry for each armed timer.
    timers: BTreeSet<(Time, TimerOf)>,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    /// Bytes of the calls among them.
    untaken: usize,
    headers: Headers,
    stats: ServerStats,
    hellos: SeenHellos,
    latest: Time,
}

impl Server {
    /// A server without streams and keys.
    pub fn new(config: Arc<ServerConfig>, mut rng: Rng, now: Time) -> Self {
        let salt_secret = Zeroizing::new(rng.array());
        Server::with_secret(config, salt_secret, rng, now)
    }

    fn with_secret(
        config: Arc<ServerConfig>,
        salt_secret: Zeroizing<[u8; 32]>,
        rng: Rng,
        now: Time,
    ) -> Self {
        Server {
            handshake: config.handshake(),
            keys: Keys::new(&config),
            registry: Registry::new(&config, salt_secret),
            headers: Headers::new(config.max_headers),
            config,
            rng,
            streams: BTreeMap::new(),
            handed_on: 0,
            seats: Seats::default(),
            inputs: Inputs::default(),
            awaiting: BTreeSet::new(),
            sources: Sources::default(),
            spent: Allowance::default(),
            half_open: HalfOpen::default(),
            timers: BTreeSet::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            untaken: 0,
            stats: ServerStats::default(),
            hellos: SeenHellos::default(),
            latest: now,
        }
    }

    /// Takes the oldest action.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Takes the oldest event.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Request { body, .. } = &event {
            self.untaken = self.untaken.saturating_sub(call_bytes(body.len()));
        }
        Some(event)
    }

    /// All sessions, by key and id; those without a stream too.
    pub fn sessions(&self) -> impl Iterator<Item = (AuthKeyId, SessionId)> + '_ {
        self.registry.ids()
    }

    /// The stream that a session speaks through now; `None` without one.
    pub fn stream_of(&self, auth_key_id: AuthKeyId, session: SessionId) -> Option<ConnId> {
        self.registry.stream_of(auth_key_id, session)
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// What was turned away.
    pub fn stats(&self) -> &ServerStats {
        &self.stats
    }

    fn forward(&mut self, now: Time) -> Time {
        self.latest = self.latest.max(now);
        self.latest
    }

    /// Says once that a stream may have output.
    fn wake(&mut self, conn: ConnId) {
        if let Some(stream) = self.streams.get_mut(&conn)
            && !core::mem::replace(&mut stream.announced, true)
        {
            self.actions.push_back(Action::Transmit { conn });
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("dc", &self.config.dc)
            .field("streams", &self.streams.len())
            .field("sessions", &self.registry.ids().count())
            .finish_non_exhaustive()
    }
}
