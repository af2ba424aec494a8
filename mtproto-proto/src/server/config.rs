//! How a server behaves.
//!
//! Does: values with safe defaults; every bound on what clients can make it keep.
//! In and out: plain values.
//! Must not know: how they are used.
//! Spec: none.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::crypto::RsaPrivateKey;
use crate::handshake;
use crate::ids::DcId;
use crate::server::allowance::Rate;
use crate::session;
use crate::transport::{ProxySecret, ServerTransport};

/// How a server behaves.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The DC that it is: other ids in a handshake are refused with -444.
    pub dc: DcId,
    /// Its RSA keys, all offered.
    pub keys: Vec<RsaPrivateKey>,
    /// Secrets of obfuscated clients, with fake TLS or without, tried besides none.
    pub secrets: Vec<ProxySecret>,
    /// Hand streams that are not ours to the owner, with
    /// [`Action::Fallback`](super::Action::Fallback), instead of closing them in silence: no.
    pub fallback: bool,
    /// A stream has to make progress in its handshake, or bring a packet of a known key, within
    /// this time: 60 s.
    pub handshake_timeout: Duration,
    /// A stream without any packet is closed after this time, unless the client asked for another
    /// with `ping_delay_disconnect`: 10 min.
    pub idle_timeout: Duration,
    /// A session without a stream is forgotten after this time: 1 h.
    pub session_timeout: Duration,
    /// Streams at once: 10,000. A newcomer beyond them takes the place of the one that has been here
    /// for longest without a packet of a key; if there is none, of one of the client that has most.
    /// Whoever gives way, or finds no place, is told -429.
    pub max_streams: usize,
    /// Streams beyond these that are kept until they have shown their framing, in which -429 is to
    /// be told, for at most 5 s: 1,000. Further ones are closed without a word.
    pub max_refused_streams: usize,
    /// Streams of one key: 64; the one unheard of for longest gives way, with -429. At least one.
    pub max_streams_per_key: usize,
    /// Streams from one source, if the owner names sources
    /// ([`Server::handle_connected_from`](super::Server::handle_connected_from)): 1,000, for many
    /// people may share an address. Others are told -429.
    pub max_streams_per_source: usize,
    /// Bytes of frames and packets that were begun and are not complete, or wait for their key, over
    /// all streams: 64 MiB, and at least two of the longest frames. Beyond, the stream whose frame
    /// has been awaited for longest is closed with -429, those without a key first.
    pub max_input_bytes: usize,
    /// Obfuscation headers that are remembered, 40 bytes each: 65,536. A stream that begins with one
    /// of them is a replay and hears nothing.
    pub max_headers: usize,
    /// Handshakes per second, a second's worth at once: 100, each several milliseconds of one
    /// processor. A first question counts as a 64th. Beyond, a question is answered -429 before
    /// anything is computed; the client may go on over another stream. 0: no keys are made.
    pub handshakes_per_second: u32,
    /// Handshakes per minute from one source, if the owner names sources, a minute's worth at once:
    /// 120. With them one source cannot use up what is there for all; without, whoever asks most gets
    /// most.
    pub source_handshakes_per_minute: u32,
    /// Handshakes kept of streams that broke, each for at most ten minutes: 10,000; the one that ends
    /// soonest gives way.
    pub max_half_open: usize,
    /// Keys at once, temporary ones included: 100,000. When there is no room, a key gives way under
    /// which no packet came, the oldest first; then a temporary one that came unbound. A key that was
    /// used never does, unless [`ServerConfig::forget_unkept_keys`] says so. Without any of these, no
    /// key is made, and -429 is told before anything is computed.
    pub max_keys: usize,
    /// Permanent keys that the owner has not vouched for ([`Server::keep_key`](super::Server::keep_key))
    /// may give way too when there is no room, the one unused for longest first: no. Without it, whoever
    /// makes and uses [`ServerConfig::max_keys`] keys keeps everybody else from making any.
    pub forget_unkept_keys: bool,
    /// Temporary keys bound to one key at once: 64; the one that ends soonest gives way. At least one.
    pub max_temp_keys_per_key: usize,
    /// Sessions of one key: 64, at least one. One without a stream gives way, the one unheard of for
    /// longest, then one with; never one that has a stream and something unanswered or
    /// unacknowledged: if there is no other, the newcomer is told -429.
    pub max_sessions_per_key: usize,
    /// Sessions at once: 25,000, each of four to six kilobytes besides what waits in it. Beyond, one
    /// of the key that has most gives way, chosen likewise; if none has two, the newcomer is told -429.
    pub max_sessions: usize,
    /// Ask for unknown keys with [`Event::KeyNeeded`](super::Event::KeyNeeded) instead of refusing
    /// them: no.
    pub external_keys: bool,
    /// Note what changes, for [`Server::poll_change`](super::Server::poll_change), which has to be
    /// called then: no.
    pub journal: bool,
    /// Bytes of answers and updates, over all sessions, that wait for a stream or for an
    /// acknowledgement: 64 MiB. Beyond, the session that has most forgets its oldest; its client
    /// does not get them again and learns by its own deadline. Each counts 256 bytes more than it
    /// has, for what it takes to keep it.
    pub max_unacked_bytes: usize,
    /// Bytes of calls, over all sessions, that the owner has not answered, counted likewise: 32 MiB.
    /// A session may have a quarter of what is left; what is more is answered with the error 429.
    pub max_running_bytes: usize,
    /// Timers and bounds of sessions.
    pub session: session::Config,
}

impl ServerConfig {
    /// The defaults, for this DC and these keys.
    pub fn new(dc: DcId, keys: Vec<RsaPrivateKey>) -> Self {
        ServerConfig {
            dc,
            keys,
            secrets: Vec::new(),
            fallback: false,
            handshake_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(600),
            session_timeout: Duration::from_secs(3_600),
            max_streams: 10_000,
            max_refused_streams: 1_000,
            max_streams_per_key: 64,
            max_streams_per_source: 1_000,
            max_input_bytes: 64 << 20,
            max_headers: 65_536,
            handshakes_per_second: 100,
            source_handshakes_per_minute: 120,
            max_half_open: 10_000,
            max_keys: 100_000,
            forget_unkept_keys: false,
            max_temp_keys_per_key: 64,
            max_sessions_per_key: 64,
            max_sessions: 25_000,
            external_keys: false,
            journal: false,
            max_unacked_bytes: 64 << 20,
            max_running_bytes: 32 << 20,
            session: session::Config::server(),
        }
    }

    pub(super) fn handshake_rate(&self) -> Rate {
        Rate::new(self.handshakes_per_second, Duration::from_secs(1))
    }

    pub(super) fn source_rate(&self) -> Rate {
        Rate::new(self.source_handshakes_per_minute, Duration::from_secs(60))
    }

    pub(super) fn handshake(&self) -> handshake::server::Config {
        handshake::server::Config {
            keys: self.keys.clone(),
            dc: Some(self.dc),
        }
    }

    pub(super) fn transport(&self) -> ServerTransport {
        ServerTransport {
            secrets: self.secrets.clone(),
            max_frame: self.session.limits.packet,
            fallback: self.fallback,
            ..ServerTransport::default()
        }
    }
}

/// Shows how many secrets there are.
impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("dc", &self.dc)
            .field("keys", &self.keys)
            .field("secrets", &self.secrets.len())
            .field("handshake_timeout", &self.handshake_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("session_timeout", &self.session_timeout)
            .field("external_keys", &self.external_keys)
            .field("journal", &self.journal)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
