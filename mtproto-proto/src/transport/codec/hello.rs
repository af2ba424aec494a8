//! The TLS hellos of a codec whose stream has them.
//!
//! Does: writes a client's hello; has a server's caller judge one, answer it, or hand the stream to
//! somebody else.
//! In: the time, hellos that were seen. Out: hellos; what came of a stream that is refused.
//! Must not know: how hellos are made and read (`fake_tls/` does).
//! Spec: as `fake_tls/`.

use alloc::vec::Vec;

use bytes::BytesMut;

use super::{Codec, State};
use crate::transport::{Error, SeenHellos};
use crate::{Rng, Time};

impl Codec {
    /// Whether a client has a TLS hello to write.
    pub fn wants_hello(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_silent())
    }

    /// Appends the TLS hello of a client with a fake TLS secret, once; `false` if there is none to
    /// be written. `server_time` goes into it, as far as it is known: a proxy refuses hellos that
    /// are more than some minutes off. Packets can be written once it is answered.
    pub fn write_hello(&mut self, server_time: Time, rng: &mut Rng, out: &mut Vec<u8>) -> bool {
        match &mut self.tls {
            Some(tls) => tls.write_hello(server_time, rng, out),
            None => false,
        }
    }

    /// At a server with fake TLS secrets: judges the hello of a client, if one waits, and appends
    /// the answer to it; `false` if none waits. What came after the hello is then there for
    /// [`next_frame`](Codec::next_frame).
    ///
    /// # Errors
    /// [`Error::Tls`], which is final, if the hello was not made about `now`
    /// ([`HELLO_WINDOW_SECS`](crate::transport::HELLO_WINDOW_SECS)) or is among those that were `seen`.
    pub fn answer_hello(
        &mut self,
        now: Time,
        seen: &mut SeenHellos,
        rng: &mut Rng,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let Some(tls) = &mut self.tls else {
            return Ok(false);
        };
        let Some(hello) = tls.asked() else {
            return Ok(false);
        };
        if !hello.is_timely(now) || !seen.insert(hello) {
            self.fail(Error::Tls);
            return Err(Error::Tls);
        }
        self.inbox.skip(hello.len);
        let after = self.inbox.take_all();
        tls.write_answer(rng, out);
        self.feed(&after);
        Ok(true)
    }

    /// At a server with [`ServerTransport::fallback`](crate::transport::ServerTransport::fallback): all bytes of a stream that was refused
    /// before anything was written to it, once. Whoever the server poses as may answer them, and
    /// what comes after them.
    pub fn refused(&mut self) -> Option<BytesMut> {
        match &self.state {
            State::Failed(_) => Some(self.inbox.take_all()).filter(|bytes| !bytes.is_empty()),
            State::Detecting(_) | State::Speaking(_) => None,
        }
    }
}

#[cfg(feature = "testing")]
impl Codec {
    /// As [`client`](Codec::client), with a hello sent that has these random bytes: known answers
    /// fix what is random.
    ///
    /// # Errors
    /// As [`client`](Codec::client).
    #[doc(hidden)]
    pub fn client_awaiting(
        secret: crate::transport::ProxySecret,
        hello: [u8; 32],
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        let tls = crate::transport::fake_tls::FakeTls::awaiting(&secret, hello);
        let obfuscation = crate::transport::Obfuscation {
            secret: Some(secret),
            dc: None,
        };
        let framing = crate::transport::Framing::PaddedIntermediate;
        let mut codec = Codec::client(framing, Some(obfuscation), rng)?;
        codec.tls = Some(alloc::boxed::Box::new(tls));
        Ok(codec)
    }
}
