//! Detection: which framing a client's first bytes begin.
//!
//! Does: tells the framings and the obfuscation apart, and knows the beginnings of protocols that
//! come to the same port.
//! In: what has arrived of a stream, a server's secrets. Out: [`Found`].
//! Must not know: what follows the beginning.
//! Spec: "MTProto transports"; "Transport obfuscation".
//!
//! ```text
//! byte  0      ef                                abridged
//! bytes 0..4   eeeeeeee, dddddddd                intermediate, padded
//!              "POST", "HEAD", "OPTI"; "GET "    HTTP; WebSocket
//! bytes 0..7   16 03 01 .. .. 01 00              TLS: fake, if it was made with a secret
//! bytes 4..8   0                                 full
//! bytes 0..64                                    obfuscated, or nothing that we know
//! ```
//! The rules apply in this order, each as soon as its bytes are there; at most 64 bytes wait, and of
//! a TLS hello [`MAX_CLIENT_HELLO`](super::MAX_CLIENT_HELLO) where one may be fake.

use alloc::boxed::Box;

use super::fake_tls::{self, Checked, Hello};
use super::obfuscated::{self, Accepted};
use super::{Error, Framing, ProxySecret, ServerTransport, abridged, intermediate};

/// What a stream begins with.
#[derive(Debug)]
pub(super) enum Found {
    /// Too few bytes to tell.
    Undecided,
    /// A framing, after a tag of so many bytes.
    Bare(Framing, usize),
    /// An obfuscation header of [`obfuscated::HEADER`] bytes.
    Obfuscated(Box<Accepted>),
    /// A TLS hello that was made with one of our secrets.
    Hello(Box<Hello>),
}

/// Looks at the bytes of a stream from its beginning.
pub(super) fn detect(bytes: &[u8], config: &ServerTransport) -> Result<Found, Error> {
    // Whoever has to know a secret learns nothing from other beginnings.
    let bare = |framing, tag| {
        if config.open {
            Ok(Found::Bare(framing, tag))
        } else {
            Err(Error::UnknownFraming)
        }
    };
    if bytes.first() == Some(&abridged::TAG) {
        return bare(Framing::Abridged, 1);
    }
    let Some(word) = bytes.first_chunk() else {
        return Ok(Found::Undecided);
    };
    match word {
        &intermediate::TAG => return bare(Framing::Intermediate, 4),
        &intermediate::PADDED_TAG => return bare(Framing::PaddedIntermediate, 4),
        b"POST" | b"HEAD" | b"OPTI" => return Err(Error::Http),
        b"GET " => return Err(Error::WebSocket),
        // A ClientHello of 512 to 767 bytes: no obfuscation header begins so.
        [0x16, 0x03, 0x01, 0x02] => return hello(bytes, config),
        _ => {}
    }
    // One of any other length; an obfuscation header looks like this once in 2^40.
    if let [0x16, 0x03, 0x01, _, _, 0x01, 0x00, ..] = bytes {
        return hello(bytes, config);
    }
    match bytes.get(4..8) {
        None => return Ok(Found::Undecided),
        Some(&[0, 0, 0, 0]) => return bare(Framing::Full, 0),
        Some(_) => {}
    }
    let Some(header) = bytes.first_chunk() else {
        return Ok(Found::Undecided);
    };
    let without = config.open.then_some(None);
    let usable = config.secrets.iter().filter(|one| one.domain().is_none());
    without
        .into_iter()
        .chain(usable.map(Some))
        .find_map(|secret| {
            let accepted = obfuscated::accept(header, secret.map(ProxySecret::key))?;
            let allowed = secret.is_none_or(|secret| secret.allows(accepted.framing));
            allowed.then_some(accepted)
        })
        .map(|accepted| Found::Obfuscated(Box::new(accepted)))
        .ok_or(Error::UnknownFraming)
}

/// Looks at the bytes of a stream that begins as TLS.
fn hello(bytes: &[u8], config: &ServerTransport) -> Result<Found, Error> {
    if config.secrets.iter().all(|one| one.domain().is_none()) {
        return Err(Error::Tls);
    }
    match fake_tls::check(bytes, &config.secrets) {
        Checked::Partial => Ok(Found::Undecided),
        Checked::Ours(hello) => Ok(Found::Hello(hello)),
        Checked::Foreign => Err(Error::Tls),
    }
}

/// Looks at the bytes inside of fake TLS from their beginning.
pub(super) fn inside(bytes: &[u8], key: &[u8; 16]) -> Result<Found, Error> {
    let Some(header) = bytes.first_chunk() else {
        return Ok(Found::Undecided);
    };
    obfuscated::accept(header, Some(key))
        .filter(|accepted| accepted.framing == Framing::PaddedIntermediate)
        .map(|accepted| Found::Obfuscated(Box::new(accepted)))
        .ok_or(Error::UnknownFraming)
}
