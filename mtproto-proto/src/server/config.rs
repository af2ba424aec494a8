//! How a server behaves.
//!
//! Does: values with safe defaults; every bound on what clients can make it keep.
//! In and out: plain values.
//! Must not know: how they are used.
//! Spec: none.

use alloc::vec::Vec;
use core::time::Duration;

use crate::crypto::RsaPrivateKey;
use crate::handshake;
use crate::ids::DcId;
use crate::session;
use crate::transport::ServerTransport;

/// How a server behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The DC that it is: other ids in a handshake are refused with -444.
    pub dc: DcId,
    /// Its RSA keys, all offered.
    pub keys: Vec<RsaPrivateKey>,
    /// Secrets of obfuscated clients, tried besides none.
    pub secrets: Vec<[u8; 16]>,
    /// A stream has to make progress in its handshake, or bring a packet of a known key, within
    /// this time: 60 s.
    pub handshake_timeout: Duration,
    /// A stream without any packet is closed after this time, unless the client asked for another
    /// with `ping_delay_disconnect`: 10 min.
    pub idle_timeout: Duration,
    /// A session without a stream is forgotten after this time: 1 h.
    pub session_timeout: Duration,
    /// Streams at once: 10,000.
    pub max_streams: usize,
    /// Handshakes kept of streams that broke, each for at most ten minutes: 10,000.
    pub max_half_open: usize,
    /// Keys at once, temporary ones included: 100,000.
    pub max_keys: usize,
    /// Sessions of one key: 64; the one unheard of for longest gives way.
    pub max_sessions_per_key: usize,
    /// Ask for unknown keys with [`Event::KeyNeeded`](super::Event::KeyNeeded) instead of refusing
    /// them: no.
    pub external_keys: bool,
    /// Note what changes, for [`Server::poll_change`](super::Server::poll_change), which has to be
    /// called then: no.
    pub journal: bool,
    /// Bytes of answers and updates, over all sessions, that wait for a stream or for an
    /// acknowledgement: 256 MiB. Beyond, the session that has most forgets its oldest; its client
    /// does not get them again and learns by its own deadline.
    pub max_unacked_bytes: usize,
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
            handshake_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(600),
            session_timeout: Duration::from_secs(3_600),
            max_streams: 10_000,
            max_half_open: 10_000,
            max_keys: 100_000,
            max_sessions_per_key: 64,
            external_keys: false,
            journal: false,
            max_unacked_bytes: 256 << 20,
            session: session::Config::server(),
        }
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
            ..ServerTransport::default()
        }
    }
}
