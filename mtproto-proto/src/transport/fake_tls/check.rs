//! A client's hello at a server: was it made with one of our secrets?
//!
//! Does: finds the end of the hello, reads it, tries the secrets.
//! In: the beginning of a stream, secrets. Out: [`Checked`].
//! Must not know: the time, other hellos.
//! Spec: the shape is RFC 8446, section 4.1.2; what makes it ours is MTProxy's.

use alloc::boxed::Box;

use zeroize::Zeroizing;

use super::seen::STEADY;
use super::{HANDSHAKE, HEADER, HELLO_WINDOW_SECS, RANDOM, RANDOM_AT, SESSION_ID};
use crate::Time;
use crate::crypto::{ct_eq, hmac_sha256};
use crate::transport::ProxySecret;

/// The longest hello that is awaited, in bytes after the record's header: twice what browsers and
/// clients send, post-quantum key share and the longest domain included.
pub const MAX_CLIENT_HELLO: usize = 4_096;

/// What a stream that begins as TLS begins with.
#[derive(Debug)]
pub(in crate::transport) enum Checked {
    /// Too few bytes to tell.
    Partial,
    /// A hello that was made with one of the secrets.
    Ours(Box<Hello>),
    /// Anything else.
    Foreign,
}

/// A client's hello that was made with one of our secrets.
pub(in crate::transport) struct Hello {
    pub(super) key: Zeroizing<[u8; 16]>,
    pub(super) random: [u8; RANDOM],
    pub(super) session_id: [u8; SESSION_ID],
    /// The cipher suite that it would like best.
    pub(super) cipher_suite: [u8; 2],
    /// Unix seconds, as the client says.
    time: u32,
    /// Bytes, with the record's header.
    pub(in crate::transport) len: usize,
}

impl Hello {
    /// Whether it was made about now.
    pub(in crate::transport) fn is_timely(&self, now: Time) -> bool {
        u64::from(self.time).abs_diff(now.unix()) <= HELLO_WINDOW_SECS
    }

    #[cfg(test)]
    pub(super) fn of(random: [u8; RANDOM]) -> Self {
        Hello {
            key: Zeroizing::new([0; 16]),
            random,
            session_id: [0; SESSION_ID],
            cipher_suite: [0; 2],
            time: 0,
            len: 0,
        }
    }

    /// What stays the same if somebody writes another time into it.
    pub(super) fn steady(&self) -> [u8; STEADY] {
        let [steady @ .., _, _, _, _] = self.random;
        steady
    }
}

impl core::fmt::Debug for Hello {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Hello")
            .field("time", &self.time)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Looks at the bytes of a stream from its beginning.
pub(in crate::transport) fn check(bytes: &[u8], secrets: &[ProxySecret]) -> Checked {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Checked::Partial;
    };
    let [_, _, _, high, low] = *header;
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_CLIENT_HELLO {
        return Checked::Foreign;
    }
    let Some(record) = bytes.get(..HEADER.saturating_add(len)) else {
        return Checked::Partial;
    };
    ours(record, secrets).map_or(Checked::Foreign, |hello| Checked::Ours(Box::new(hello)))
}

fn ours(record: &[u8], secrets: &[ProxySecret]) -> Option<Hello> {
    let parts = read(record)?;
    let before = record.get(..RANDOM_AT)?;
    let after = record.get(RANDOM_AT.checked_add(RANDOM)?..)?;
    let mut found = None;
    // All of them, so that the time tells nothing of which one it is.
    for secret in secrets {
        let Some(domain) = secret.domain() else {
            continue;
        };
        let digest = hmac_sha256(secret.key(), &[before, &[0; RANDOM], after]);
        let (steady, time) = digest.split_last_chunk::<4>()?;
        let (sent, sent_time) = parts.random.split_last_chunk::<4>()?;
        let same_domain = parts.domain.eq_ignore_ascii_case(domain.as_bytes());
        if ct_eq(steady, sent) & same_domain {
            let time = u32::from_le_bytes(*time) ^ u32::from_le_bytes(*sent_time);
            found = Some((*secret.key(), time));
        }
    }
    let (key, time) = found?;
    Some(Hello {
        key: Zeroizing::new(key),
        random: *parts.random,
        session_id: *parts.session_id,
        cipher_suite: parts.cipher_suite,
        time,
        len: record.len(),
    })
}

/// What counts in a hello.
struct Parts<'a> {
    random: &'a [u8; RANDOM],
    session_id: &'a [u8; SESSION_ID],
    cipher_suite: [u8; 2],
    domain: &'a [u8],
}

/// Reads a whole record; `None` if it is no hello of a client of TLS 1.3.
fn read(record: &[u8]) -> Option<Parts<'_>> {
    const CLIENT_HELLO: u8 = 1;

    let mut record = Cut(record);
    let [kind, _, _, _, _] = *record.array::<HEADER>()?;
    let [message, high, middle, low] = *record.array::<4>()?;
    let len = u32::from_be_bytes([0, high, middle, low]);
    let whole = usize::try_from(len).ok()? == record.0.len();
    if (kind, message, whole) != (HANDSHAKE, CLIENT_HELLO, true) || record.array()? != &[3, 3] {
        return None;
    }
    let random = record.array()?;
    let session_id = record.short()?.try_into().ok()?;
    let (cipher_suites, rest) = record.long()?.as_chunks::<2>();
    let cipher_suite = *cipher_suites.iter().find(|suite| !is_grease(suite))?;
    if !rest.is_empty() || !matches!(cipher_suite, [0x13, 0x01..=0x03]) {
        return None;
    }
    let _compression = record.short()?;
    let extensions = record.long()?;
    let domain = server_name(extensions)?;
    record.0.is_empty().then_some(Parts {
        random,
        session_id,
        cipher_suite,
        domain,
    })
}

/// The host's name in the extensions; all of them have to be whole.
fn server_name(extensions: &[u8]) -> Option<&[u8]> {
    const SERVER_NAME: [u8; 2] = [0, 0];
    const HOST_NAME: [u8; 1] = [0];

    let mut extensions = Cut(extensions);
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.array()?;
        let data = extensions.long()?;
        if kind == &SERVER_NAME {
            let mut names = Cut(Cut(data).long()?);
            if names.array()? != &HOST_NAME {
                return None;
            }
            found = Some(names.long()?);
        }
    }
    found
}

/// Values that mean nothing: RFC 8701.
fn is_grease([a, b]: &[u8; 2]) -> bool {
    a == b && a & 0x0f == 0x0a
}

/// Bytes that are taken from their front.
struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// What stands behind its length in one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let [len] = *self.array()?;
        self.take(usize::from(len))
    }

    /// What stands behind its length in two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let len = u16::from_be_bytes(*self.array()?);
        self.take(usize::from(len))
    }
}
