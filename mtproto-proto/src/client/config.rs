//! How a client behaves, and how one call is sent.
//!
//! Does: values with defaults; what contradicts itself.
//! In and out: plain values.
//! Must not know: how they are used.
//! Spec: "Calling methods"; the numbers that are TDLib's say so.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use mtproto_schema::LAYER;

use crate::client::{DcTable, public_keys, updates};
use crate::connection::InitParams;
use crate::crypto::RsaPublicKey;
use crate::ids::{DcId, RequestId};
use crate::session;
use crate::tap::{Tap, Taps};
use crate::transport::{Framing, Obfuscation};

/// The DC that an account without a stored one begins with, as TDLib's does.
const FIRST_DC: DcId = DcId(2);

/// How a client behaves.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// The application's id, from my.telegram.org. Also in `init`.
    pub api_id: i32,
    /// The application's secret.
    pub api_hash: String,
    /// What to say of the application.
    pub init: InitParams,
    /// Where DCs are; what is stored with the account is merged over it.
    pub dcs: DcTable,
    /// The servers' RSA keys.
    pub public_keys: Vec<RsaPublicKey>,
    /// Test servers: DC ids are plus 10,000 in the handshake and in the obfuscation. No.
    pub test_mode: bool,
    /// Where an account without a stored DC begins: 2.
    pub first_dc: DcId,
    /// How packets are delimited. [`Framing::Intermediate`].
    pub framing: Framing,
    /// Hides the framing; the DC's id is filled in for each stream. None.
    pub obfuscation: Option<Obfuscation>,
    /// Lifetime of temporary keys, between 1 minute and 24 hours. None.
    pub pfs: Option<Duration>,
    /// IPv6 addresses are tried first: no.
    pub prefer_ipv6: bool,
    /// What happens on FLOOD_WAIT and its relatives.
    pub flood: FloodPolicy,
    /// How often a call is repeated after errors of the server (500 and the like): 5. The
    /// session's `max_retries` counts refusals of the protocol.
    pub max_retries: u8,
    /// Updates: timers and bounds.
    pub updates: updates::Config,
    /// The sessions: timers and bounds. `max_requests` and `max_request_bytes` are set by
    /// [`Limits::calls`] and [`Limits::call_bytes`].
    pub session: session::Config,
    /// How long a handshake may take on one stream, and how long a stored key may go unanswered:
    /// 10 s.
    pub handshake_timeout: Duration,
    /// How long opening a stream may take: 10 s.
    pub connect_timeout: Duration,
    /// Bounds.
    pub limits: Limits,
    /// Who watches the streams. Nobody.
    pub taps: Taps,
}

/// Leaves the application's secret out.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("api_id", &self.api_id)
            .field("init", &self.init)
            .field("dcs", &self.dcs)
            .field("public_keys", &self.public_keys)
            .field("test_mode", &self.test_mode)
            .field("first_dc", &self.first_dc)
            .field("framing", &self.framing)
            .field("obfuscation", &self.obfuscation)
            .field("pfs", &self.pfs)
            .field("prefer_ipv6", &self.prefer_ipv6)
            .field("flood", &self.flood)
            .field("max_retries", &self.max_retries)
            .field("updates", &self.updates)
            .field("session", &self.session)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Bounds of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Calls that may wait at once: 16,384.
    pub calls: usize,
    /// Bytes of their bodies, of which a single one may always wait: 64 MiB.
    pub call_bytes: usize,
    /// Peers that are remembered; the one not seen for longest goes first: 10,000.
    pub peers: usize,
    /// A stream that nothing keeps is closed after so long without calls: 5 min. TDLib's number.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            calls: 16_384,
            call_bytes: 64 << 20,
            peers: 10_000,
            idle: Duration::from_secs(300),
        }
    }
}

impl Config {
    /// Telegram's production servers, with their keys.
    pub fn production(api_id: i32, api_hash: impl Into<String>) -> Self {
        Config::new(
            api_id,
            api_hash,
            DcTable::production(),
            public_keys::production(),
        )
    }

    /// Telegram's test servers, with their keys.
    pub fn test(api_id: i32, api_hash: impl Into<String>) -> Self {
        let mut config = Config::new(api_id, api_hash, DcTable::test(), public_keys::test());
        config.test_mode = true;
        config
    }

    /// Servers of one's own.
    pub fn new(
        api_id: i32,
        api_hash: impl Into<String>,
        dcs: DcTable,
        public_keys: Vec<RsaPublicKey>,
    ) -> Self {
        Config {
            api_id,
            api_hash: api_hash.into(),
            init: InitParams::new(api_id, LAYER),
            dcs,
            public_keys,
            test_mode: false,
            first_dc: FIRST_DC,
            framing: Framing::Intermediate,
            obfuscation: None,
            pfs: None,
            prefer_ipv6: false,
            flood: FloodPolicy::default(),
            max_retries: 5,
            updates: updates::Config::default(),
            session: session::Config::default(),
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            limits: Limits::default(),
            taps: Taps::default(),
        }
    }

    /// Lets somebody watch the streams: everything is shown, keys too.
    pub fn record(&mut self, tap: impl Tap + 'static) {
        self.taps = Taps::new(tap);
    }
}

/// What happens when the server wants a pause (FLOOD_WAIT_X, SLOWMODE_WAIT_X, ..).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FloodPolicy {
    /// The call fails with the server's error.
    Fail,
    /// The call waits and is sent again while all its pauses sum up to at most this and end before
    /// its deadline; else it fails at once with the server's error. The default: 60 s, TDLib's
    /// number.
    WaitUpTo(Duration),
}

impl Default for FloodPolicy {
    fn default() -> Self {
        FloodPolicy::WaitUpTo(Duration::from_secs(60))
    }
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// The account's main DC.
    #[default]
    Main,
    /// This DC, with the account's authorization exported there if the account is signed in.
    Dc(DcId),
    /// The stream for files of this DC, apart from the main one.
    Media(DcId),
}

/// How one call is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// Where to.
    pub route: Route,
    /// Over everything: connecting, migrating, pauses. None: the session's `request_timeout`.
    pub deadline: Option<Duration>,
    /// May be executed twice without harm.
    pub idempotent: bool,
    /// Overrides the configuration's.
    pub flood: Option<FloodPolicy>,
    /// Overrides the configuration's.
    pub max_retries: Option<u8>,
    /// The server is to execute the call after these, which were submitted before it: at most
    /// [`MAX_AFTER`](crate::session::MAX_AFTER). Over the same stream it travels with them
    /// (`invokeAfterMsgs`); elsewhere it is held back until they are answered. When one of them
    /// fails and this one was not executed, it ends as
    /// [`RequestError::DependencyFailed`](crate::RequestError::DependencyFailed). One that was
    /// answered, or whose failure has been taken with `poll_event`, holds nothing back.
    pub after: Vec<RequestId>,
}

impl CallOptions {
    /// The server is to execute the call after this one.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mtproto_proto::client::{CallOptions, Client, Config, Snapshot};
    /// use mtproto_proto::{Progress, Rng, Time};
    /// use mtproto_schema::api::functions::help::{GetConfig, GetNearestDc};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let config = Arc::new(Config::production(12345, "your api_hash"));
    /// # let now = Time::from_unix(1_750_000_000);
    /// # let mut client = Client::new(config, Snapshot::new(), Rng::from_seed([7; 32]), now)?;
    /// let first = client.call(now, &GetConfig, &CallOptions::default())?;
    /// let options = CallOptions::default().after(first.id());
    /// let second = client.call(now, &GetNearestDc, &options)?;
    /// assert_eq!(client.progress(second.id()), Some(Progress::Queued));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn after(mut self, call: RequestId) -> Self {
        self.after.push(call);
        self
    }

    /// Where to.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// Ends the call after this time.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The call may be executed twice without harm.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// What happens when the server wants a pause.
    #[must_use]
    pub fn flood(mut self, policy: FloodPolicy) -> Self {
        self.flood = Some(policy);
        self
    }
}
