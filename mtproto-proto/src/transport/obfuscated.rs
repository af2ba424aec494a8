//! Obfuscation: 64 random-looking bytes, then AES-CTR over the stream, each direction its own.
//!
//! Does: makes a client's header and recognises one; keeps the two key streams.
//! In: 64 bytes, a secret, a tag. Out: the header, the framing and the data centre in it, and
//! [`Streams`].
//! Must not know: frames.
//! Spec: "Transport obfuscation"; "MTProxy".
//!
//! ```text
//!  0..56  random, and not like the beginning of anything else; 8..40 key, 40..56 IV
//! 56..60  tag of the framing  ┐
//! 60..62  data centre, i16    ├ encrypted with the stream that this header begins
//! 62..64  random              ┘
//! ```

use core::fmt;

use zeroize::Zeroize;

use super::{Error, Framing, Obfuscation, ProxySecret, abridged, intermediate};
use crate::DcId;
use crate::crypto::{Ctr, sha256};

/// Bytes of the header.
pub(super) const HEADER: usize = 64;

/// The bytes of a header that give keys and IVs: a server that has seen them before sees a replay.
pub(super) const NONCE: usize = 48;

/// First words that other framings and protocols begin with; also see [`is_forbidden`].
const FORBIDDEN: [[u8; 4]; 7] = [
    *b"HEAD",
    *b"POST",
    *b"GET ",
    *b"OPTI",
    intermediate::TAG,
    intermediate::PADDED_TAG,
    [0x16, 0x03, 0x01, 0x02],
];

/// The key streams of a connection, seen from one end.
pub(super) struct Streams {
    pub(super) incoming: Ctr,
    pub(super) outgoing: Ctr,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams(..)")
    }
}

/// A client's beginning.
pub(super) struct Begun {
    pub(super) header: [u8; HEADER],
    pub(super) streams: Streams,
}

/// What a server learns from a header.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) framing: Framing,
    pub(super) dc: DcId,
    pub(super) nonce: [u8; NONCE],
    pub(super) streams: Streams,
}

/// Makes a client's header from 64 random bytes.
pub(super) fn begin(
    mut random: [u8; HEADER],
    framing: Framing,
    obfuscation: &Obfuscation,
) -> Result<Begun, Error> {
    let tag = tag(framing).ok_or(Error::FullObfuscated)?;
    if is_forbidden(&random) {
        return Err(Error::ForbiddenHeader);
    }
    let [.., t0, t1, t2, t3, d0, d1, _, _] = &mut random;
    [*t0, *t1, *t2, *t3] = tag;
    if let Some(dc) = obfuscation.dc {
        [*d0, *d1] = dc.0.to_le_bytes();
    }
    let secret = obfuscation.secret.as_ref().map(ProxySecret::key);
    let (to_server, to_client) = key_streams(&random, secret);
    let mut streams = Streams {
        incoming: to_client,
        outgoing: to_server,
    };
    let mut header = random;
    streams.outgoing.apply(&mut header);
    // All but the fields travels in the clear; the key stream has moved on all the same.
    let [clear @ .., _, _, _, _, _, _, _, _] = &random;
    let [start @ .., _, _, _, _, _, _, _, _] = &mut header;
    *start = *clear;
    Ok(Begun { header, streams })
}

/// Reads a client's header with one secret, or with none; `None` if it was not made so.
pub(super) fn accept(header: &[u8; HEADER], secret: Option<&[u8; 16]>) -> Option<Accepted> {
    let (to_server, to_client) = key_streams(header, secret);
    let mut streams = Streams {
        incoming: to_server,
        outgoing: to_client,
    };
    let mut clear = *header;
    streams.incoming.apply(&mut clear);
    let [.., t0, t1, t2, t3, d0, d1, _, _] = clear;
    Some(Accepted {
        framing: framing([t0, t1, t2, t3])?,
        dc: DcId(i16::from_le_bytes([d0, d1])),
        nonce: *nonce(header),
        streams,
    })
}

/// Whether 64 random bytes would be taken for something else.
fn is_forbidden(random: &[u8; HEADER]) -> bool {
    random.starts_with(&[abridged::TAG])
        || FORBIDDEN.iter().any(|word| random.starts_with(word))
        // Full framing begins with a length and a sequence number of 0.
        || random.get(4..8) == Some(&[0; 4])
}

const fn tag(framing: Framing) -> Option<[u8; 4]> {
    match framing {
        Framing::Abridged => Some([abridged::TAG; 4]),
        Framing::Intermediate => Some(intermediate::TAG),
        Framing::PaddedIntermediate => Some(intermediate::PADDED_TAG),
        Framing::Full => None,
    }
}

fn framing(wanted: [u8; 4]) -> Option<Framing> {
    [
        Framing::Abridged,
        Framing::Intermediate,
        Framing::PaddedIntermediate,
    ]
    .into_iter()
    .find(|framing| tag(*framing) == Some(wanted))
}

const fn nonce(header: &[u8; HEADER]) -> &[u8; NONCE] {
    let [_, _, _, _, _, _, _, _, nonce @ .., _, _, _, _, _, _, _, _] = header;
    nonce
}

/// The streams to the server and to the client.
fn key_streams(header: &[u8; HEADER], secret: Option<&[u8; 16]>) -> (Ctr, Ctr) {
    let nonce = nonce(header);
    (
        key_stream(nonce.iter(), secret),
        key_stream(nonce.iter().rev(), secret),
    )
}

/// The stream whose key and IV are 48 bytes in a row.
fn key_stream<'a>(bytes: impl Iterator<Item = &'a u8>, secret: Option<&[u8; 16]>) -> Ctr {
    let (mut key, mut iv) = ([0; 32], [0; 16]);
    for (slot, byte) in key.iter_mut().chain(&mut iv).zip(bytes) {
        *slot = *byte;
    }
    if let Some(secret) = secret {
        key = sha256(&[&key, &secret[..]]);
    }
    let stream = Ctr::new(&key, &iv);
    key.zeroize();
    stream
}
