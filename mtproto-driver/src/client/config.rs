//! What a client is told at its start.
//!
//! Does: [`Options`].
//! In and out: plain values.
//! Must not know: what they lead to.
//! Spec: none.

use std::sync::Arc;
use std::time::Duration;

use mtproto_proto::client::Config;
use mtproto_proto::tap::Tap;
#[cfg(feature = "json")]
use mtproto_schema::Schema;

/// How to be a client: the API's side in [`config`](Options::config), the driver's beside it.
///
/// Made from a [`Config`], which stands for the defaults of the rest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The application, the servers, the policies.
    pub config: Arc<Config>,
    /// How long [`connect`](super::Client::connect) waits for the server's proof; 30 s. Beyond it
    /// the client goes on trying.
    pub connect_wait: Duration,
    /// How long [`close`](super::Client::close) may take to write what is queued; 5 s.
    pub close_timeout: Duration,
    /// Events that wait for a slow subscriber; 256. The oldest makes room for the newest.
    pub event_queue: usize,
    /// Calls on their way to the client's task; 1,024. The next one waits.
    pub command_queue: usize,
    /// The schema of calls by name; `None` for the built-in one.
    #[cfg(feature = "json")]
    pub schema: Option<Arc<Schema>>,
}

impl Options {
    /// The defaults around a configuration.
    pub fn new(config: impl Into<Arc<Config>>) -> Self {
        Options {
            config: config.into(),
            connect_wait: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            event_queue: 256,
            command_queue: 1024,
            #[cfg(feature = "json")]
            schema: None,
        }
    }

    /// Lets somebody watch all streams, to make a bug report of it: see
    /// [a bug report is a file](crate#a-bug-report-is-a-file). A tap sees everything, keys too.
    pub fn record(&mut self, tap: impl Tap + 'static) {
        Arc::make_mut(&mut self.config).record(tap);
    }
}

impl From<Config> for Options {
    fn from(config: Config) -> Self {
        Options::new(config)
    }
}

impl From<Arc<Config>> for Options {
    fn from(config: Arc<Config>) -> Self {
        Options::new(config)
    }
}
