//! Fake TLS: a stream that looks like a browser's to a web server.
//!
//! Does: the hellos of both roles and their checks; the records around everything after them. It
//! is a layer below the obfuscation and hides nothing itself.
//! In: the bytes of the stream in any slicing, a [`ProxySecret`](super::ProxySecret)'s key and
//! domain, the time. Out: hellos; the bytes inside of the records.
//! Must not know: framings, what the bytes inside mean.
//! Spec: none of Telegram's; MTProxy and TDLib agree on it. The shapes are those of RFC 8446.
//!
//! ```text
//! client                                             server
//! hello: domain, random = HMAC(key, hello) ^ time ─►  check: key, domain, time, seen before?
//!        check: the random, over all of it        ◄─  hello, a record that says nothing, a record of noise
//! 14 03 03 00 01 01, records 17 03 03              ⇄  records 17 03 03
//!        of the obfuscated stream
//! ```
//!
//! The time in a hello is not protected by its HMAC: who holds a hello can write another time into
//! it. So what is remembered of hellos is what does not change with the time; see [`SeenHellos`].

mod check;
mod client_hello;
mod records;
mod seen;
mod server_hello;

use alloc::boxed::Box;
use alloc::vec::Vec;

use zeroize::Zeroizing;

pub use check::MAX_CLIENT_HELLO;
pub(super) use check::{Checked, Hello, check};
pub use seen::{MAX_SEEN_HELLOS, SeenHellos};

use super::{Error, ProxySecret};
use crate::{Rng, Time};
use records::{Reader, wrap};
use server_hello::Answer;

/// How far the time of a client's hello may be from a server's, in seconds, either way: MTProxy's
/// ten minutes in the past, and the same for clocks that are ahead.
pub const HELLO_WINDOW_SECS: u64 = 600;

/// Where the random bytes are in the hellos of both roles.
const RANDOM: usize = 32;
const RANDOM_AT: usize = 11;
/// A session id, which clients make up and servers repeat.
const SESSION_ID: usize = 32;
/// Bytes in front of what a record holds.
const HEADER: usize = 5;
/// Kinds of records.
const CHANGE_CIPHER_SPEC: u8 = 0x14;
const HANDSHAKE: u8 = 0x16;
const DATA: u8 = 0x17;
/// The record that says nothing, which both sides send once before their first data.
const NOTHING: [u8; 6] = [CHANGE_CIPHER_SPEC, 0x03, 0x03, 0x00, 0x01, 0x01];
/// The most that a record may hold: RFC 8446, section 5.2.
const MAX_RECORD: usize = (1 << 14) + 256;

/// The layer of one stream, of either role.
pub(super) struct FakeTls {
    phase: Phase,
    reader: Reader,
    /// What came makes no sense; what came before it may be read first.
    error: Option<Error>,
    /// Something has to go before the first data.
    first: bool,
}

enum Phase {
    /// A client that has not written its hello.
    Silent(ProxySecret),
    /// A client that awaits the answer.
    Awaiting(Answer),
    /// A server that has a hello and has not judged it.
    Asked(Box<Hello>),
    /// Records, obfuscated with this key.
    Open(Zeroizing<[u8; 16]>),
}

impl FakeTls {
    /// A client's.
    pub(super) fn client(secret: ProxySecret) -> Self {
        FakeTls::new(Phase::Silent(secret), true)
    }

    /// A server's, for a hello that was made with one of its secrets.
    pub(super) fn server(hello: Box<Hello>) -> Self {
        FakeTls::new(Phase::Asked(hello), false)
    }

    /// A client whose hello has these random bytes.
    #[cfg(feature = "testing")]
    pub(super) fn awaiting(secret: &ProxySecret, random: [u8; RANDOM]) -> Self {
        FakeTls::new(Phase::Awaiting(Answer::new(*secret.key(), random)), true)
    }

    fn new(phase: Phase, first: bool) -> Self {
        FakeTls {
            phase,
            reader: Reader::default(),
            error: None,
            first,
        }
    }

    /// Whether a client has yet to write its hello.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.phase, Phase::Silent(_))
    }

    /// Whether both hellos are over, and nothing was wrong since.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_)) && self.error.is_none()
    }

    /// What a server has to judge.
    pub(super) fn asked(&self) -> Option<&Hello> {
        match &self.phase {
            Phase::Asked(hello) => Some(hello),
            Phase::Silent(_) | Phase::Awaiting(_) | Phase::Open(_) => None,
        }
    }

    /// The key that the stream inside is obfuscated with, once there is one.
    pub(super) fn key(&self) -> Option<&[u8; 16]> {
        match &self.phase {
            Phase::Open(key) => Some(key),
            Phase::Silent(_) | Phase::Awaiting(_) | Phase::Asked(_) => None,
        }
    }

    pub(super) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Bytes of memory that hold what came of an answer.
    pub(super) fn held(&self) -> usize {
        match &self.phase {
            Phase::Awaiting(answer) => answer.held(),
            Phase::Silent(_) | Phase::Asked(_) | Phase::Open(_) => 0,
        }
    }

    /// Appends a client's hello, if it was not written yet; whether it did.
    pub(super) fn write_hello(
        &mut self,
        server_time: Time,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) -> bool {
        let Phase::Silent(secret) = &self.phase else {
            return false;
        };
        let domain = secret.domain().unwrap_or_default();
        let random = client_hello::write(out, secret.key(), domain, server_time, rng);
        self.phase = Phase::Awaiting(Answer::new(*secret.key(), random));
        true
    }

    /// Appends a server's answer, if there is a hello to be answered.
    pub(super) fn write_answer(&mut self, rng: &mut Rng, out: &mut Vec<u8>) {
        if let Phase::Asked(hello) = &self.phase {
            server_hello::write(out, hello, rng);
            self.phase = Phase::Open(hello.key.clone());
        }
    }

    /// Takes bytes of the stream and hands on what the records hold. A server's are handed on as
    /// they are until it has judged the hello.
    pub(super) fn feed(&mut self, bytes: &[u8], inside: impl FnMut(&[u8])) {
        if self.error.is_none()
            && let Err(error) = self.try_feed(bytes, inside)
        {
            self.error = Some(error);
        }
    }

    fn try_feed(&mut self, mut bytes: &[u8], mut inside: impl FnMut(&[u8])) -> Result<(), Error> {
        if let Phase::Awaiting(answer) = &mut self.phase
            && let Some(key) = answer.take(&mut bytes)?
        {
            self.phase = Phase::Open(key);
        }
        match &self.phase {
            Phase::Open(_) => self.reader.feed(bytes, inside),
            Phase::Asked(_) => {
                inside(bytes);
                Ok(())
            }
            Phase::Awaiting(_) => Ok(()),
            // Nobody asked for it yet.
            Phase::Silent(_) => Err(Error::TlsAnswer),
        }
    }

    /// Puts what `out` holds from `start` on into records.
    pub(super) fn wrap(&mut self, out: &mut Vec<u8>, start: usize) {
        if out.len() > start {
            wrap(out, start, core::mem::take(&mut self.first));
        }
    }
}
