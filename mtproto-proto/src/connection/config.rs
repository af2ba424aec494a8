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
use crate::session;
use crate::transport::{self, Framing, Obfuscation};

/// How a client connects.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The DC on the other end, as the handshake names it: plus 10,000 for test servers, negative
    /// for media only.
    pub dc: DcId,
    /// How packets are delimited. [`Framing::Intermediate`].
    pub framing: Framing,
    /// Hides the framing behind AES-CTR. None.
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
        }
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
            Self::PfsLifetime { got, min, max } => {
                write!(f, "temporary keys live {min} to {max} seconds, not {got}")
            }
        }
    }
}

impl core::error::Error for ConfigError {}
