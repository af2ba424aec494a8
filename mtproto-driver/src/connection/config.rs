//! What a connection is told at its start.
//!
//! Does: [`Config`], [`Start`].
//! In and out: plain values.
//! Must not know: what they lead to.
//! Spec: none.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mtproto_proto::connection::{self, ClientConfig, KeyState};
use mtproto_proto::tap::Tap;
#[cfg(feature = "json")]
use mtproto_schema::Schema;

use crate::Clock;

/// How to connect: the protocol's side in [`client`](Config::client), the driver's beside it.
///
/// ```
/// # fn config(keys: Vec<mtproto_proto::crypto::rsa::RsaPublicKey>) {
/// use mtproto_driver::{ClientConfig, Config};
/// use mtproto_proto::DcId;
///
/// let mut config = Config::new(ClientConfig::new(DcId(2), keys));
/// config.update_queue = 16;
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The data centre, its keys, the framing, the first call's parameters.
    pub client: Arc<ClientConfig>,
    /// How long opening the TCP stream may take; 10 s. The handshake has a deadline of its own in
    /// [`client`](Config::client).
    pub connect_timeout: Duration,
    /// How long [`close`](super::Connection::close) may take to write what is queued; 5 s.
    pub close_timeout: Duration,
    /// Updates that wait for a slow subscriber; 1,024. The next one is dropped and the gap
    /// reported, as it is beyond the session's `limits.update_bytes`.
    pub update_queue: usize,
    /// Calls on their way to the connection's task; 1,024. The next one waits.
    pub command_queue: usize,
    /// The schema of calls by name; `None` for the built-in one.
    #[cfg(feature = "json")]
    pub schema: Option<Arc<Schema>>,
}

impl Config {
    /// The defaults around a protocol configuration.
    pub fn new(client: impl Into<Arc<ClientConfig>>) -> Self {
        Config {
            client: client.into(),
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            update_queue: 1024,
            command_queue: 1024,
            #[cfg(feature = "json")]
            schema: None,
        }
    }

    /// Lets somebody watch the stream, to make a bug report of it: see
    /// [a bug report is a file](crate#a-bug-report-is-a-file). A tap sees everything, keys too.
    pub fn record(&mut self, tap: impl Tap + 'static) {
        Arc::make_mut(&mut self.client).record(tap);
    }
}

/// What a connection begins with.
#[derive(Debug)]
pub enum Start {
    /// No key: a handshake makes one, in three round trips.
    NewKey,
    /// A key that was kept, as from [`KeyFile::load`](crate::KeyFile::load).
    Key(KeyState),
    /// What an ended stream left: the same session goes on.
    Resume(Suspended),
}

/// What outlives a stream: session and key, or a handshake half done, and the clock that they
/// were told the time by.
pub struct Suspended {
    pub(crate) machine: Box<connection::Suspended>,
    pub(crate) clock: Clock,
}

impl fmt::Debug for Suspended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Suspended(..)")
    }
}
