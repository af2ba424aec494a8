//! A server's answer to a hello.
//!
//! Does: makes it; at a client collects it and checks that it was made with the secret.
//! In: the client's hello. Out: the answer's bytes; whether it is one.
//! Must not know: what follows it.
//! Spec: the layout is MTProxy's, the shapes are RFC 8446's, section 4.1.3.
//!
//! ```text
//! 16 03 03 len   02 len24  03 03  random  20 session_id  cipher_suite 00  extensions
//! 14 03 03 00 01 01
//! 17 03 03 len   noise, where a web server's certificate would be
//! ```
//! The random is the HMAC over the client's random and all of the answer, with zeros in its place.

use alloc::vec::Vec;

use rand_core::Rng as _;
use zeroize::Zeroizing;

use super::check::Hello;
use super::{DATA, HANDSHAKE, HEADER, MAX_RECORD, NOTHING, RANDOM, RANDOM_AT};
use crate::Rng;
use crate::crypto::{ct_eq, hmac_sha256, x25519_public};
use crate::transport::Error;

/// What is between the two records of an answer, with the header of the second one.
const BETWEEN: usize = NOTHING.len() + HEADER;

/// Appends the answer to a hello.
pub(super) fn write(out: &mut Vec<u8>, hello: &Hello, rng: &mut Rng) {
    let mut reply = Vec::with_capacity(1 << 10);
    reply.extend([HANDSHAKE, 3, 3, 0x00, 0x7a, 0x02, 0x00, 0x00, 0x76, 3, 3]);
    reply.extend([0; RANDOM]);
    reply.push(0x20);
    reply.extend(hello.session_id);
    reply.extend(hello.cipher_suite);
    reply.extend([0x00, 0x00, 0x2e]);
    let [turned] = rng.array();
    let key = x25519_public(rng.array());
    let key_share = [&[0x00, 0x33, 0x00, 0x24, 0x00, 0x1d, 0x00, 0x20][..], &key].concat();
    let versions = &[0x00, 0x2b, 0x00, 0x02, 0x03, 0x04][..];
    if turned & 1 == 0 {
        reply.extend([&key_share, versions].concat());
    } else {
        reply.extend([versions, &key_share].concat());
    }
    reply.extend(NOTHING);
    let noise = noise(hello, rng);
    let [high, low] = noise.to_be_bytes();
    reply.extend([DATA, 3, 3, high, low]);
    let start = reply.len();
    reply.resize(start.saturating_add(usize::from(noise)), 0);
    rng.fill_bytes(reply.get_mut(start..).unwrap_or_default());

    let digest = hmac_sha256(&hello.key, &[&hello.random, &reply]);
    if let Some(random) = reply.get_mut(RANDOM_AT..).and_then(|r| r.first_chunk_mut()) {
        *random = digest;
    }
    out.extend(reply);
}

/// How much noise: a web server's certificate and its signature have the same length each time, but
/// for a few bytes, so the length is made from the secret.
fn noise(hello: &Hello, rng: &mut Rng) -> u16 {
    const LEAST: u16 = 1_024;
    const SPAN: u16 = 3_072;
    const JITTER: u8 = 3;

    let [a, b, ..] = hmac_sha256(&hello.key, &[b"length of the certificate"]);
    let steady = u16::from_be_bytes([a, b]).checked_rem(SPAN).unwrap_or(0);
    let [jitter] = rng.array();
    LEAST
        .saturating_add(steady)
        .saturating_add(u16::from(jitter & JITTER))
}

/// A client's wait for the answer.
pub(super) struct Answer {
    key: Zeroizing<[u8; 16]>,
    /// Of our hello.
    random: [u8; RANDOM],
    /// What came, at most two records.
    came: Vec<u8>,
}

impl Answer {
    pub(super) fn new(key: [u8; 16], random: [u8; RANDOM]) -> Self {
        Answer {
            key: Zeroizing::new(key),
            random,
            came: Vec::new(),
        }
    }

    pub(super) fn held(&self) -> usize {
        self.came.capacity()
    }

    /// Takes what belongs to the answer off the front of `bytes`; the key once it is whole and was
    /// made with it.
    pub(super) fn take(&mut self, bytes: &mut &[u8]) -> Result<Option<Zeroizing<[u8; 16]>>, Error> {
        loop {
            let wanted = wanted(&self.came)?;
            let missing = wanted.saturating_sub(self.came.len());
            if missing == 0 {
                break;
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            let (own, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.came.extend(own);
            *bytes = rest;
        }
        let before = self.came.get(..RANDOM_AT);
        let after = self.came.get(RANDOM_AT..).unwrap_or_default();
        let random = after.split_first_chunk::<RANDOM>();
        let (Some(before), Some((random, after))) = (before, random) else {
            return Err(Error::TlsAnswer); // never shorter: `wanted` has seen to it
        };
        let parts = [&self.random, before, &[0; RANDOM], after];
        if !ct_eq(&hmac_sha256(&self.key, &parts), random) {
            return Err(Error::TlsAnswer);
        }
        Ok(Some(self.key.clone()))
    }
}

/// Up to where an answer that begins so is known to reach: up to there and no further it is read,
/// so that what does not belong to it is left.
fn wanted(came: &[u8]) -> Result<usize, Error> {
    /// Whether the bytes begin with these, as far as they are there.
    fn begin(bytes: &[u8], with: &[u8]) -> bool {
        bytes.iter().zip(with).all(|(a, b)| a == b)
    }
    const DATA_HEADER: [u8; 3] = [DATA, 3, 3];

    if !begin(came, &[HANDSHAKE, 3, 3]) {
        return Err(Error::TlsAnswer);
    }
    let Some(first) = record_end(came, 0)? else {
        return Ok(HEADER);
    };
    if first < RANDOM_AT.saturating_add(RANDOM) {
        return Err(Error::TlsAnswer);
    }
    let Some(rest) = came.get(first..) else {
        return Ok(first);
    };
    let data = rest.get(NOTHING.len()..).unwrap_or_default();
    if !begin(rest, &NOTHING) || !begin(data, &DATA_HEADER) {
        return Err(Error::TlsAnswer);
    }
    let second = first.saturating_add(NOTHING.len());
    Ok(record_end(came, second)?.unwrap_or(first.saturating_add(BETWEEN)))
}

/// The end of the record that begins at `at`, if its header is there.
fn record_end(came: &[u8], at: usize) -> Result<Option<usize>, Error> {
    let header = came.get(at..).and_then(|r| r.first_chunk::<HEADER>());
    let Some([_, _, _, high, low]) = header else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if !(1..=MAX_RECORD).contains(&len) {
        return Err(Error::TlsAnswer);
    }
    Ok(Some(at.saturating_add(HEADER).saturating_add(len)))
}
