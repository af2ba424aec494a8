//! Proxy secrets: what a proxy and its clients share.
//!
//! Does: [`ProxySecret`] from its bytes or its text, and what its kind asks for.
//! In: bytes, text. Out: a secret that exists only if it makes sense.
//! Must not know: how streams are obfuscated with it.
//! Spec: "MTProxy"; the kinds beyond sixteen bytes are TDLib's and MTProxy's.
//!
//! ```text
//! key[16]              any framing
//! dd key[16]           padded intermediate
//! ee key[16] domain    padded intermediate inside of what looks like TLS with that domain
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use zeroize::{Zeroize, Zeroizing};

use super::Framing;

/// Bytes of the key.
const KEY: usize = 16;
/// The first byte of a secret that asks for padding, …
const PADDED: u8 = 0xdd;
/// … and of one that asks for TLS.
const TLS: u8 = 0xee;
/// The longest domain that clients take, in bytes.
pub const MAX_DOMAIN: usize = 182;
/// Characters of the longest secret in its longest form, hexadecimal.
const MAX_TEXT: usize = 2 * (1 + KEY + MAX_DOMAIN);

/// A secret that a proxy and its clients share.
///
/// It is read from bytes ([`ProxySecret::from_bytes`]) or from text in hexadecimal, base64url or
/// base64:
///
/// ```
/// use mtproto_proto::transport::{Framing, ProxySecret};
///
/// # fn main() -> Result<(), mtproto_proto::transport::SecretError> {
/// let secret: ProxySecret = "ee30313233343536373839616263646566676f6f676c652e636f6d".parse()?;
/// assert_eq!(secret.domain(), Some("google.com"));
/// assert_eq!(secret.framing(), Some(Framing::PaddedIntermediate));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ProxySecret {
    key: [u8; KEY],
    kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Plain,
    Padded,
    FakeTls(Arc<str>),
}

impl ProxySecret {
    /// A secret from its bytes: 16, or 17 that begin with DD, or 18 to 199 that begin with EE and
    /// end with a domain.
    ///
    /// # Errors
    /// [`SecretError`], if they are none of these.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        let plain = |key| ProxySecret {
            key,
            kind: Kind::Plain,
        };
        match bytes {
            [TLS, rest @ ..] if rest.len() >= KEY => {
                let (key, domain) = rest.split_first_chunk().ok_or(SecretError::Unknown)?;
                let domain = str::from_utf8(domain).map_err(|_| SecretError::DomainText)?;
                ProxySecret::fake_tls(*key, domain)
            }
            [PADDED, key @ ..] if key.len() == KEY => Ok(ProxySecret {
                kind: Kind::Padded,
                ..plain(key.try_into().map_err(|_| SecretError::Unknown)?)
            }),
            _ if bytes.len() < KEY => Err(SecretError::TooShort { got: bytes.len() }),
            _ => bytes
                .try_into()
                .map(plain)
                .map_err(|_| SecretError::Unknown),
        }
    }

    /// The secret of a proxy that looks like a web server of this domain.
    ///
    /// # Errors
    /// [`SecretError::Domain`] if the domain does not have 1 to [`MAX_DOMAIN`] bytes.
    pub fn fake_tls(key: [u8; KEY], domain: &str) -> Result<Self, SecretError> {
        let got = domain.len();
        if !(1..=MAX_DOMAIN).contains(&got) {
            return Err(SecretError::Domain { got });
        }
        Ok(ProxySecret {
            key,
            kind: Kind::FakeTls(domain.into()),
        })
    }

    /// The secret as bytes, which [`from_bytes`](Self::from_bytes) reads. They are zeroised on
    /// drop.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (first, domain): (&[u8], _) = match &self.kind {
            Kind::Plain => (&[], ""),
            Kind::Padded => (&[PADDED], ""),
            Kind::FakeTls(domain) => (&[TLS], &**domain),
        };
        Zeroizing::new([first, &self.key, domain.as_bytes()].concat())
    }

    /// The domain whose web server the stream looks like it goes to.
    pub fn domain(&self) -> Option<&str> {
        match &self.kind {
            Kind::Plain | Kind::Padded => None,
            Kind::FakeTls(domain) => Some(domain),
        }
    }

    /// The only framing that this secret allows, if it does not allow all that can be obfuscated.
    pub fn framing(&self) -> Option<Framing> {
        match &self.kind {
            Kind::Plain => None,
            Kind::Padded | Kind::FakeTls(_) => Some(Framing::PaddedIntermediate),
        }
    }

    pub(super) fn key(&self) -> &[u8; KEY] {
        &self.key
    }

    /// Whether a stream of this framing may be obfuscated with it.
    pub(super) fn allows(&self, framing: Framing) -> bool {
        self.framing().is_none_or(|only| only == framing)
    }
}

/// Sixteen bytes.
impl From<[u8; KEY]> for ProxySecret {
    fn from(key: [u8; KEY]) -> Self {
        ProxySecret {
            key,
            kind: Kind::Plain,
        }
    }
}

/// Hexadecimal, base64url or base64, the latter two padded or not; tried in this order.
impl FromStr for ProxySecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        if text.len() > MAX_TEXT {
            return Err(SecretError::Text);
        }
        let bytes = unhex(text)
            .or_else(|| Base64UrlUnpadded::decode_vec(text).ok())
            .or_else(|| Base64Url::decode_vec(text).ok())
            .or_else(|| Base64Unpadded::decode_vec(text).ok())
            .or_else(|| Base64::decode_vec(text).ok())
            .ok_or(SecretError::Text)?;
        ProxySecret::from_bytes(&Zeroizing::new(bytes))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

impl Drop for ProxySecret {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// Shows the kind and the domain, which travels in the clear, and not the key.
impl fmt::Debug for ProxySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Plain => f.write_str("Plain(..)"),
            Kind::Padded => f.write_str("Padded(..)"),
            Kind::FakeTls(domain) => write!(f, "FakeTls({domain:?}, ..)"),
        }
    }
}

/// Why something is no proxy secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is too long, or neither hexadecimal nor base64.
    Text,
    /// There are fewer bytes than a key has.
    TooShort {
        /// How many there are, of 16.
        got: usize,
    },
    /// There are more than 16 bytes, and their first one or their number is that of no kind.
    Unknown,
    /// The domain does not have 1 to [`MAX_DOMAIN`] bytes.
    Domain {
        /// How many it has.
        got: usize,
    },
    /// The domain is not UTF-8.
    DomainText,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretError::Text => {
                f.write_str("the proxy secret is neither hexadecimal nor base64, or too long")
            }
            SecretError::TooShort { got } => {
                write!(f, "the proxy secret has {got} bytes, at least {KEY} needed")
            }
            SecretError::Unknown => f.write_str("the proxy secret is of no known kind"),
            SecretError::Domain { got } => write!(
                f,
                "the domain in the proxy secret has {got} bytes, 1 to {MAX_DOMAIN} allowed"
            ),
            SecretError::DomainText => {
                f.write_str("the domain in the proxy secret is not valid utf-8")
            }
        }
    }
}

impl core::error::Error for SecretError {}
