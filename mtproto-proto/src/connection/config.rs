//! How a client connects.
//!
//! Does: values with defaults; what contradicts itself.
//! In and out: plain values.
//! Must not know: how they are used (`client.rs` does).
//! Spec: as `client.rs`.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::connection::InitParams;
use crate::crypto::RsaPublicKey;
use crate::ids::DcId;
use crate::rng::Rng;
use crate::session;
use crate::tap::{Tap, Taps};
use crate::transport::{self, Codec, Framing, Obfuscation};

/// How a client connects.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The DC on the other end, as the handshake names it: plus 10,000 for test servers, negative
    /// for media only.
    pub dc: DcId,
    /// How packets are delimited, if the proxy's secret does not say. [`Framing::Intermediate`].
    pub framing: Framing,
    /// Hides the framing behind AES-CTR, and that behind fake TLS if the secret asks for it. None.
    pub obfuscation: Option<Obfuscation>,
    /// The server's RSA keys; one of them has to be the server's.
    pub public_keys: Vec<RsaPublicKey>,
    /// Perfect forward secrecy: calls travel under temporary keys of this lifetime, between 1
    /// minute and 24 hours. None.
    pub pfs: Option<Duration>,
    /// What to say of the application; without it calls go out as they are. None.
    pub init: Option<InitParams>,
    /// How long a handshake may take on one stream, and how long a stored key may go unanswered:
    /// 10 s.
    pub handshake_timeout: Duration,
    /// Timers and bounds of the session.
    pub session: session::Config,
    /// Who watches the streams. Nobody.
    pub taps: Taps,
}

impl ClientConfig {
    /// The defaults, for this DC and these keys.
    pub fn new(dc: DcId, public_keys: Vec<RsaPublicKey>) -> Self {
        ClientConfig {
            dc,
            framing: Framing::Intermediate,
            obfuscation: None,
            public_keys,
            pfs: None,
            init: None,
            handshake_timeout: Duration::from_secs(10),
            session: session::Config::default(),
            taps: Taps::default(),
        }
    }

    /// Lets somebody watch the streams: everything is shown, keys too.
    pub fn record(&mut self, tap: impl Tap + 'static) {
        self.taps = Taps::new(tap);
    }
}

impl ClientConfig {
    /// The transport's beginning, if the configuration does not contradict itself.
    pub(super) fn check_transport(&self, rng: &mut Rng) -> Result<Codec, ConfigError> {
        const PFS_MIN: u64 = 60;
        const PFS_MAX: u64 = 86_400;

        if let Some(lifetime) = self.pfs
            && !(PFS_MIN..=PFS_MAX).contains(&lifetime.as_secs())
        {
            let got = lifetime.as_secs();
            return Err(ConfigError::PfsLifetime {
                got,
                min: PFS_MIN,
                max: PFS_MAX,
            });
        }
        Codec::client(self.framing, self.obfuscation.clone(), rng).map_err(ConfigError::Transport)
    }

    /// Whether there are public keys if a key has to be made.
    pub(super) fn check_keys(&self, makes_key: bool) -> Result<(), ConfigError> {
        if (makes_key || self.pfs.is_some()) && self.public_keys.is_empty() {
            return Err(ConfigError::NoPublicKey);
        }
        Ok(())
    }

    /// Both.
    #[cfg(feature = "client")]
    pub(crate) fn check(&self, makes_key: bool, rng: &mut Rng) -> Result<(), ConfigError> {
        self.check_transport(rng)?;
        self.check_keys(makes_key)
    }
}

/// Why a connection cannot begin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The framing cannot be used like this.
    Transport(transport::Error),
    /// A handshake needs at least one public key of the server.
    NoPublicKey,
    /// The key belongs to another DC.
    WrongDc {
        /// The key's.
        key: DcId,
        /// The configuration's.
        config: DcId,
    },
    /// What was stored belongs to the other kind of servers: test instead of production, or the
    /// reverse.
    OtherServers {
        /// What was stored is of test servers.
        stored_test: bool,
    },
    /// The lifetime of temporary keys is out of range.
    PfsLifetime {
        /// Seconds.
        got: u64,
        /// Seconds.
        min: u64,
        /// Seconds.
        max: u64,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::NoPublicKey => {
                f.write_str("no public key is configured; add the server's RSA key")
            }
            Self::WrongDc { key, config } => {
                write!(
                    f,
                    "the key belongs to DC {key}, the connection goes to DC {config}"
                )
            }
            Self::OtherServers { stored_test } => {
                let (stored, config) = if *stored_test {
                    ("test", "production")
                } else {
                    ("production", "test")
                };
                write!(
                    f,
                    "the stored account is of {stored} servers, the configuration of {config} servers"
                )
            }
            Self::PfsLifetime { got, min, max } => {
                write!(f, "temporary keys live {min} to {max} seconds, not {got}")
            }
        }
    }
}

impl core::error::Error for ConfigError {}
