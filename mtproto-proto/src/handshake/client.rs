//! The client's side of the handshake.
//!
//! Does: asks three questions and judges the answers; the first one that fails ends it.
//! In: the server's plain packets. Out: our next packet, at last [`Complete`].
//! Must not know: the stream; on a new one the owner sends [`ClientHandshake::query`] again.
//! Spec: "Creating an Authorization Key", "Security Guidelines".
//!
//! ```text
//!   new ── req_pq_multi ──▶ WaitResPq
//!                               │ resPQ: nonce · a key that we know · pq = p·q
//!          req_DH_params ◀──────┤
//!                               ▼
//!                          WaitDhParams
//!                               │ server_DH_params_ok: nonces outside and inside · hash ·
//!                               │ safe prime, generator · g_a in range
//!   set_client_DH_params ◀──────┤
//!                               ▼
//!                           WaitDhGen ◀───┐ dh_gen_retry: nonces · new_nonce_hash2;
//!                               │  └──────┘ another b, at most MAX_RETRIES times
//!                               │ dh_gen_ok: nonces · new_nonce_hash1
//!                               ▼
//!                           Complete
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::mtproto::enums::{ServerDhParams, SetClientDhParamsAnswer};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Decode, Encode, Reader};
use zeroize::{Zeroize, Zeroizing};

use super::plain::client_msg_id;
use super::sealed::{MAX_NUMBER, first_salt, minimal, number, open, seal};
use super::{
    Complete, Error, MAX_EXPIRES_IN, MAX_FINGERPRINTS_SHOWN, MAX_RETRIES, PlainMessage, Step,
};
use crate::crypto::dh::{Group, PrimeHash, PublicValue};
use crate::crypto::{AuthKey, RsaPublicKey, ct_eq, factor, part, rsa, sha1, tmp_aes};
use crate::{DcId, MsgId, Rng, Time};

/// How a client makes a key.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public keys of servers that we trust.
    pub keys: Vec<RsaPublicKey>,
    /// The data centre that we think we talk to; the server refuses if it is another one.
    pub dc: DcId,
    /// For a temporary key: its life in seconds, at most [`MAX_EXPIRES_IN`].
    pub expires_in: Option<u32>,
    /// How long the whole handshake may take on one stream.
    pub timeout: Duration,
    /// Primes that were tested before: see [`Complete::good_prime`].
    pub good_primes: Vec<PrimeHash>,
}

impl Config {
    /// A permanent key within 10 seconds, the time that official clients give it.
    pub fn new(keys: Vec<RsaPublicKey>, dc: DcId) -> Self {
        Config {
            keys,
            dc,
            expires_in: None,
            timeout: Duration::from_secs(10),
            good_primes: Vec::new(),
        }
    }

    fn expires_in(&self) -> Option<u32> {
        self.expires_in
            .map(|seconds| seconds.clamp(1, MAX_EXPIRES_IN))
    }
}

/// A handshake that waits for the server.
pub struct ClientHandshake {
    link: Link,
    state: State,
}

impl ClientHandshake {
    /// A handshake whose first message waits in [`query`](Self::query).
    pub fn new(config: Config, now: Time, rng: &mut Rng) -> Self {
        let nonce = rng.array();
        let deadline = now + config.timeout;
        let mut link = Link {
            config,
            deadline,
            last_id: MsgId(0),
            query: Vec::new(),
        };
        link.ask(now, &functions::ReqPqMulti { nonce });
        ClientHandshake {
            link,
            state: State::ResPq(WaitResPq { nonce }),
        }
    }

    /// The packet that waits for its answer. Send it, and on a new stream send the same bytes
    /// again: a server that has answered it gives the same answer.
    pub fn query(&self) -> &[u8] {
        &self.link.query
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn deadline(&self) -> Time {
        self.link.deadline
    }

    /// Gives the handshake its whole time again, because it goes on over a new stream.
    pub fn restart_deadline(&mut self, now: Time) {
        self.link.deadline = now + self.link.config.timeout;
    }

    /// Judges the passing of time.
    ///
    /// # Errors
    /// [`Error::TimedOut`] from the deadline on.
    pub fn handle_timeout(&self, now: Time) -> Result<(), Error> {
        if now < self.link.deadline {
            Ok(())
        } else {
            Err(Error::TimedOut)
        }
    }

    /// Takes the server's answer. After [`Step::Continue`] the next message waits in
    /// [`query`](Self::query).
    ///
    /// # Errors
    /// Every check that fails is final: close the stream, begin a new handshake on another one.
    pub fn handle(self, now: Time, packet: &[u8], rng: &mut Rng) -> Result<Step<Self>, Error> {
        let ClientHandshake { mut link, state } = self;
        let body = PlainMessage::read(packet)?.body;
        let state = match state {
            State::ResPq(state) => State::DhParams(state.handle(&mut link, now, &body, rng)?),
            State::DhParams(state) => State::DhGen(state.handle(&mut link, now, &body, rng)?),
            State::DhGen(state) => match state.handle(&mut link, now, &body, rng)? {
                Step::Continue(state) => State::DhGen(state),
                Step::Complete(complete) => return Ok(Step::Complete(complete)),
            },
        };
        Ok(Step::Continue(ClientHandshake { link, state }))
    }
}

impl fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::ResPq(_) => "ClientHandshake(WaitResPq)",
            State::DhParams(_) => "ClientHandshake(WaitDhParams)",
            State::DhGen(_) => "ClientHandshake(WaitDhGen)",
        })
    }
}

/// What all states need.
struct Link {
    config: Config,
    deadline: Time,
    last_id: MsgId,
    query: Vec<u8>,
}

impl Link {
    fn ask(&mut self, now: Time, question: &impl Encode) {
        self.last_id = client_msg_id(now, self.last_id);
        self.query = PlainMessage::write(self.last_id, &question.to_bytes());
    }
}

/// The answer that is awaited, in the protocol's order.
enum State {
    ResPq(WaitResPq),
    DhParams(WaitDhParams),
    DhGen(Box<WaitDhGen>),
}

/// Reads one object and ignores what follows it: servers pad plain messages.
fn answer<T: Decode>(body: &Bytes) -> Result<T, Error> {
    let mut r = Reader::new(body);
    let answer = T::decode(&mut r)?;
    r.check()?;
    Ok(answer)
}

struct WaitResPq {
    nonce: [u8; 16],
}

impl WaitResPq {
    fn handle(
        self,
        link: &mut Link,
        now: Time,
        body: &Bytes,
        rng: &mut Rng,
    ) -> Result<WaitDhParams, Error> {
        let types::ResPq {
            nonce,
            server_nonce,
            pq,
            server_public_key_fingerprints: offered,
        } = answer(body)?;
        if !ct_eq(&nonce, &self.nonce) {
            return Err(Error::Nonce);
        }
        let config = &link.config;
        let known =
            |fingerprint: &i64| config.keys.iter().find(|k| k.fingerprint() == *fingerprint);
        let Some(key) = offered.iter().find_map(known) else {
            let offered = offered.into_iter().take(MAX_FINGERPRINTS_SHOWN).collect();
            return Err(Error::UnknownFingerprints { offered });
        };
        let (p, q) = factor(number(&pq).ok_or(Error::PqLength {
            got: pq.len(),
            max: MAX_NUMBER,
        })?)?;
        let (p, q) = (minimal(&p.to_be_bytes()), minimal(&q.to_be_bytes()));
        let new_nonce = Box::new(Zeroizing::new(rng.array()));
        let inner = inner_data(config, [&pq, &p, &q], nonce, server_nonce, &new_nonce);
        let question = functions::ReqDhParams {
            nonce,
            server_nonce,
            p,
            q,
            public_key_fingerprint: key.fingerprint(),
            encrypted_data: Bytes::copy_from_slice(&key.pad_encrypt(&inner, rng)?),
        };
        link.ask(now, &question);
        Ok(WaitDhParams {
            nonce,
            server_nonce,
            new_nonce,
            asked_at: now,
        })
    }
}

/// What only the server may read. `pq` is repeated as it was sent.
fn inner_data(
    config: &Config,
    [pq, p, q]: [&Bytes; 3],
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    new_nonce: &[u8; 32],
) -> Zeroizing<Vec<u8>> {
    // All of it at once: a buffer that grew would leave the nonce behind.
    let mut out = Zeroizing::new(Vec::with_capacity(rsa::MAX_DATA));
    let (pq, p, q) = (pq.clone(), p.clone(), q.clone());
    let (mut new_nonce, dc) = (*new_nonce, i32::from(config.dc.0));
    match config.expires_in() {
        None => {
            let mut data = types::PQInnerDataDc {
                pq,
                p,
                q,
                nonce,
                server_nonce,
                new_nonce,
                dc,
            };
            data.encode(&mut out);
            data.new_nonce.zeroize();
        }
        Some(seconds) => {
            let expires_in = seconds.cast_signed();
            let mut data = types::PQInnerDataTempDc {
                pq,
                p,
                q,
                nonce,
                server_nonce,
                new_nonce,
                dc,
                expires_in,
            };
            data.encode(&mut out);
            data.new_nonce.zeroize();
        }
    }
    new_nonce.zeroize();
    out
}

struct WaitDhParams {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    /// On the heap, so that moving it leaves no copy behind.
    new_nonce: Box<Zeroizing<[u8; 32]>>,
    /// When the server learned of a temporary key's life at the earliest.
    asked_at: Time,
}

impl WaitDhParams {
    fn handle(
        self,
        link: &mut Link,
        now: Time,
        body: &Bytes,
        rng: &mut Rng,
    ) -> Result<Box<WaitDhGen>, Error> {
        let params = match answer(body)? {
            ServerDhParams::Ok(params) => params,
            ServerDhParams::Fail(fail) => {
                self.check_nonces(&fail.nonce, &fail.server_nonce)?;
                let hash = sha1(&[&self.new_nonce[..]]);
                return Err(if ct_eq(part::<16, 20>(&hash, 4), &fail.new_nonce_hash) {
                    Error::DhParamsFail
                } else {
                    Error::NewNonceHash
                });
            }
        };
        self.check_nonces(&params.nonce, &params.server_nonce)?;
        let key = tmp_aes(&self.server_nonce, &self.new_nonce);
        let inner: types::ServerDhInnerData = open(&params.encrypted_answer, &key)?;
        self.check_nonces(&inner.nonce, &inner.server_nonce)?;
        let good_primes = &link.config.good_primes;
        let group = Group::check(&inner.dh_prime, inner.g, good_primes, rng)?;
        let g_a = group.public_value(&inner.g_a)?;
        // The server counts from the moment it read our message, which is not before it was
        // sent: we may end the key a little early, never late.
        let expires_at = link.config.expires_in().map(|seconds| {
            let elapsed = now.saturating_since(self.asked_at).as_secs();
            inner
                .server_time
                .saturating_add_unsigned(seconds)
                .saturating_sub_unsigned(u32::try_from(elapsed).unwrap_or(u32::MAX))
        });
        let tested = !group.is_known() && !good_primes.contains(&group.hash());
        let key = WaitDhGen::ask(link, now, (&self, &group, &g_a), 0, rng);
        Ok(Box::new(WaitDhGen {
            good_prime: tested.then(|| group.hash()),
            exchange: self,
            group,
            g_a,
            key,
            server_time: inner.server_time,
            at: now,
            expires_at,
            retries: 0,
        }))
    }

    fn check_nonces(&self, nonce: &[u8; 16], server_nonce: &[u8; 16]) -> Result<(), Error> {
        if !ct_eq(nonce, &self.nonce) {
            return Err(Error::Nonce);
        }
        if !ct_eq(server_nonce, &self.server_nonce) {
            return Err(Error::ServerNonce);
        }
        Ok(())
    }
}

struct WaitDhGen {
    /// The nonces.
    exchange: WaitDhParams,
    group: Group,
    g_a: PublicValue,
    /// The key, if the server agrees.
    key: AuthKey,
    server_time: i32,
    at: Time,
    expires_at: Option<i32>,
    good_prime: Option<PrimeHash>,
    retries: u8,
}

impl WaitDhGen {
    /// Draws an exponent, asks the server to accept its public value, and gives the key that
    /// follows from it.
    fn ask(
        link: &mut Link,
        now: Time,
        (exchange, group, g_a): (&WaitDhParams, &Group, &PublicValue),
        retry_id: i64,
        rng: &mut Rng,
    ) -> AuthKey {
        let WaitDhParams {
            nonce,
            server_nonce,
            new_nonce,
            ..
        } = exchange;
        let (b, g_b) = group.generate(rng);
        let key = AuthKey::from_bytes(&group.shared(g_a, &b));
        let inner = types::ClientDhInnerData {
            nonce: *nonce,
            server_nonce: *server_nonce,
            retry_id,
            g_b: minimal(&g_b.to_bytes()),
        };
        let question = functions::SetClientDhParams {
            nonce: *nonce,
            server_nonce: *server_nonce,
            encrypted_data: seal(&inner, &tmp_aes(server_nonce, new_nonce), rng).into(),
        };
        link.ask(now, &question);
        key
    }

    fn handle(
        mut self: Box<Self>,
        link: &mut Link,
        now: Time,
        body: &Bytes,
        rng: &mut Rng,
    ) -> Result<Step<Box<Self>>, Error> {
        match answer(body)? {
            SetClientDhParamsAnswer::DhGenOk(ok) => {
                self.check(&ok.nonce, &ok.server_nonce, 1, &ok.new_nonce_hash1)?;
                let WaitDhParams {
                    new_nonce,
                    server_nonce,
                    ..
                } = &self.exchange;
                Ok(Step::Complete(Box::new(Complete {
                    salt: first_salt(new_nonce, server_nonce),
                    key: self.key,
                    server_time: self.server_time,
                    at: self.at,
                    expires_at: self.expires_at,
                    good_prime: self.good_prime,
                })))
            }
            SetClientDhParamsAnswer::DhGenRetry(retry) => {
                self.check(&retry.nonce, &retry.server_nonce, 2, &retry.new_nonce_hash2)?;
                if self.retries >= MAX_RETRIES {
                    return Err(Error::TooManyRetries { max: MAX_RETRIES });
                }
                self.retries = self.retries.saturating_add(1);
                let refused = i64::from_le_bytes(self.key.aux_hash());
                let exchange = (&self.exchange, &self.group, &self.g_a);
                self.key = Self::ask(link, now, exchange, refused, rng);
                Ok(Step::Continue(self))
            }
            SetClientDhParamsAnswer::DhGenFail(fail) => {
                self.check(&fail.nonce, &fail.server_nonce, 3, &fail.new_nonce_hash3)?;
                Err(Error::DhGenFail)
            }
        }
    }

    fn check(
        &self,
        nonce: &[u8; 16],
        server_nonce: &[u8; 16],
        number: u8,
        hash: &[u8; 16],
    ) -> Result<(), Error> {
        self.exchange.check_nonces(nonce, server_nonce)?;
        if !ct_eq(
            hash,
            &self.key.new_nonce_hash(&self.exchange.new_nonce, number),
        ) {
            return Err(Error::NewNonceHash);
        }
        Ok(())
    }
}
