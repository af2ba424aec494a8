//! The handshake: from nothing to an authorization key, in three questions.
//!
//! Does: both roles of the key exchange, for permanent and temporary keys, and the message that
//! binds the two.
//! In: plain packets, the time, an [`Rng`](crate::Rng). Out: plain packets, [`Complete`].
//! Must not know: streams, sessions, what the key is for.
//! Spec: "Creating an Authorization Key", "Perfect Forward Secrecy", "Security Guidelines".
//!
//! ```text
//!  client                                                     server
//!    │ req_pq_multi    nonce                                     │
//!    │──────────────────────────────────────────────────────────▶│ picks p, q, server_nonce
//!    │ resPQ           nonce, server_nonce, pq, fingerprints     │
//!    │◀──────────────────────────────────────────────────────────│
//!    │ factors pq, picks new_nonce                               │
//!    │ req_DH_params   p, q, RSA(pq, p, q, nonces, new_nonce)    │
//!    │──────────────────────────────────────────────────────────▶│ picks a
//!    │ server_DH_params_ok   AES(g, dh_prime, g_a, server_time)  │
//!    │◀──────────────────────────────────────────────────────────│
//!    │ checks the group, picks b                                 │
//!    │ set_client_DH_params  AES(g_b, retry_id)                  │◀─┐
//!    │──────────────────────────────────────────────────────────▶│  │
//!    │ dh_gen_ok       new_nonce_hash1                           │  │ dh_gen_retry:
//!    │◀──────────────────────────────────────────────────────────│  │ another b
//!    │ checks the hash: both sides hold g^ab              ───────┼──┘
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use mtproto_schema::DecodeError;

use crate::crypto::dh::{DhError, PrimeHash};
use crate::crypto::{AuthKey, FactorError, RsaError};
use crate::{DcId, Time};

pub mod bind;
pub mod client;
pub mod plain;
mod sealed;
pub mod server;

pub use bind::{BindError, BindInner, OpenedBind, bind_message, open_bind_message};
pub use client::ClientHandshake;
pub use plain::{PlainError, PlainMessage};
pub use server::{Reply, ServerHandshake};

/// How often one exchange may be answered with `dh_gen_retry`. A retry means that the new key's
/// identifier is taken, which chance never brings about; five are asked of nobody.
pub const MAX_RETRIES: u8 = 5;

/// The longest life of a temporary key in seconds: a day, the specification's bound.
pub const MAX_EXPIRES_IN: u32 = 86_400;

/// Fingerprints that [`Error::UnknownFingerprints`] keeps: enough to read, whatever was sent.
pub const MAX_FINGERPRINTS_SHOWN: usize = 8;

/// What a handshake became by an answer.
#[must_use]
#[derive(Debug)]
pub enum Step<S> {
    /// It goes on: send the next message.
    Continue(S),
    /// It is over.
    Complete(Box<Complete>),
}

/// A finished handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct Complete {
    /// The authorization key.
    pub key: AuthKey,
    /// The first salt of the key.
    pub salt: i64,
    /// The server's Unix time in seconds, as it said during the handshake.
    pub server_time: i32,
    /// The local time when `server_time` was read.
    pub at: Time,
    /// When a temporary key ends, in the server's Unix time; `None` for a permanent key.
    pub expires_at: Option<i32>,
    /// A prime that had to be tested and is good. Put it into the configuration of the next
    /// handshake and it will not be tested again.
    pub good_prime: Option<PrimeHash>,
}

/// Leaves the salt out, which betrays the beginning of `new_nonce` to who saw the handshake.
impl fmt::Debug for Complete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Complete")
            .field("key", &self.key)
            .field("server_time", &self.server_time)
            .field("at", &self.at)
            .field("expires_at", &self.expires_at)
            .field("good_prime", &self.good_prime)
            .finish_non_exhaustive()
    }
}

/// Why a handshake cannot go on. All of it is forgotten; a new one begins at the first step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The envelope is not that of a plain message.
    Plain(PlainError),
    /// The message is not what this step expects.
    Decode(DecodeError),
    /// The message belongs to another step, or to no handshake.
    OutOfOrder {
        /// Its constructor.
        constructor: u32,
    },
    /// `nonce` is not ours.
    Nonce,
    /// `server_nonce` changed.
    ServerNonce,
    /// `new_nonce_hash` is not the hash of what both sides should hold.
    NewNonceHash,
    /// We have none of the keys that the server offers.
    UnknownFingerprints {
        /// What it offers, at most [`MAX_FINGERPRINTS_SHOWN`].
        offered: Vec<i64>,
    },
    /// The client used a key that we do not have.
    ForeignFingerprint {
        /// The key's fingerprint.
        got: i64,
    },
    /// `pq` has the wrong length.
    PqLength {
        /// Its length in bytes.
        got: usize,
        /// The longest.
        max: usize,
    },
    /// `pq` is not a product of two primes.
    Pq(FactorError),
    /// The client's `p` and `q` are not those of `pq`, or the two copies of them differ.
    Factors,
    /// What RSA should protect is broken.
    Rsa(RsaError),
    /// An encrypted part has no length that AES gives.
    EncryptedLength {
        /// Its length in bytes.
        got: usize,
    },
    /// An encrypted part has too much padding.
    Padding {
        /// Bytes of padding.
        got: usize,
        /// The most that its purpose explains.
        max: usize,
    },
    /// An encrypted part does not match its hash.
    Hash,
    /// The group or a public value is not safe.
    Dh(DhError),
    /// `retry_id` does not name the key that was refused.
    RetryId,
    /// The client wants another data centre.
    WrongDc {
        /// The number that it wants.
        got: i32,
        /// Ours.
        want: DcId,
    },
    /// The server answered `server_DH_params_fail`.
    DhParamsFail,
    /// The server answered `dh_gen_fail`.
    DhGenFail,
    /// The server answered `dh_gen_retry` again and again.
    TooManyRetries {
        /// The most that are followed.
        max: u8,
    },
    /// The client began again and again.
    TooManyRestarts {
        /// The most that are allowed.
        max: u16,
    },
    /// The deadline passed.
    TimedOut,
}

impl Error {
    /// The code that a server sends as its last frame: -444 for a wrong data centre, else -404.
    pub fn transport_code(&self) -> i32 {
        if let Error::WrongDc { .. } = self {
            -444
        } else {
            -404
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Plain(e) => write!(f, "not a plain message: {e}"),
            Error::Decode(e) => write!(f, "not the message of this step: {e}"),
            Error::OutOfOrder { constructor } => {
                write!(
                    f,
                    "constructor {constructor:#010x} has no place at this step"
                )
            }
            Error::Nonce => f.write_str("the peer changed nonce"),
            Error::ServerNonce => f.write_str("the peer changed server_nonce"),
            Error::NewNonceHash => f.write_str("the peer does not prove that it holds the key"),
            Error::UnknownFingerprints { offered } => {
                f.write_str("the server offers only public keys that are not configured (")?;
                for (i, fingerprint) in offered.iter().enumerate() {
                    write!(f, "{}{fingerprint:#018x}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("); add the public key of this server to the configuration")
            }
            Error::ForeignFingerprint { got } => {
                write!(
                    f,
                    "the client encrypted for the key {got:#018x}, which is not ours"
                )
            }
            Error::PqLength { got, max } => write!(f, "pq has {got} bytes, at most {max}"),
            Error::Pq(e) => e.fmt(f),
            Error::Factors => f.write_str("p and q are not the factors of pq"),
            Error::Rsa(e) => e.fmt(f),
            Error::EncryptedLength { got } => {
                write!(f, "an encrypted part of {got} bytes cannot be")
            }
            Error::Padding { got, max } => {
                write!(
                    f,
                    "an encrypted part has {got} bytes of padding, at most {max}"
                )
            }
            Error::Hash => f.write_str("an encrypted part does not match its hash"),
            Error::Dh(e) => e.fmt(f),
            Error::RetryId => f.write_str("retry_id does not name the refused key"),
            Error::WrongDc { got, want } => {
                write!(f, "the client wants data centre {got}, this is {want}")
            }
            Error::DhParamsFail => f.write_str("the server refused our first answer"),
            Error::DhGenFail => f.write_str("the server refused the key"),
            Error::TooManyRetries { max } => {
                write!(f, "the server refused more than {max} keys in a row")
            }
            Error::TooManyRestarts { max } => {
                write!(f, "the client began more than {max} handshakes")
            }
            Error::TimedOut => f.write_str("the handshake took too long"),
        }
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Error::Plain(e) => Some(e),
            Error::Decode(e) => Some(e),
            Error::Pq(e) => Some(e),
            Error::Rsa(e) => Some(e),
            Error::Dh(e) => Some(e),
            Error::OutOfOrder { .. }
            | Error::Nonce
            | Error::ServerNonce
            | Error::NewNonceHash
            | Error::UnknownFingerprints { .. }
            | Error::ForeignFingerprint { .. }
            | Error::PqLength { .. }
            | Error::Factors
            | Error::EncryptedLength { .. }
            | Error::Padding { .. }
            | Error::Hash
            | Error::RetryId
            | Error::WrongDc { .. }
            | Error::DhParamsFail
            | Error::DhGenFail
            | Error::TooManyRetries { .. }
            | Error::TooManyRestarts { .. }
            | Error::TimedOut => None,
        }
    }
}

impl From<PlainError> for Error {
    fn from(e: PlainError) -> Self {
        Error::Plain(e)
    }
}

impl From<DecodeError> for Error {
    fn from(e: DecodeError) -> Self {
        Error::Decode(e)
    }
}

impl From<FactorError> for Error {
    fn from(e: FactorError) -> Self {
        Error::Pq(e)
    }
}

impl From<RsaError> for Error {
    fn from(e: RsaError) -> Self {
        Error::Rsa(e)
    }
}

impl From<DhError> for Error {
    fn from(e: DhError) -> Self {
        Error::Dh(e)
    }
}
