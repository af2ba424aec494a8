//! The server's side of the handshake.
//!
//! Does: answers three questions; repeats an answer when its question is repeated; reports a key
//! when both sides hold it.
//! In: the client's plain packets. Out: [`Reply`].
//! Must not know: where keys are kept (it asks whether one exists), which stream it speaks over:
//! a client that lost its stream goes on over another one, see [`ServerHandshake::nonce`].
//! Spec: "Creating an Authorization Key".
//!
//! ```text
//!                          WaitReqPq ◀──────────────────────────────────────────┐
//!      resPQ ◀──────────────── │ req_pq, req_pq_multi                           │
//!                              ▼     (again with the same nonce: the same       │
//!                       WaitReqDhParams   answer, in every state; with another  │
//!  server_DH_params_ok ◀────── │          nonce: from the beginning)            │
//!                              │ req_DH_params: nonces · p, q · a key of ours · │
//!                              ▼     RSA · the same inside · our dc             │
//!                       WaitSetClientDh ◀───┐                                   │
//!        dh_gen_retry ◀─────── │  └─────────┘ the key exists already            │
//!           dh_gen_ok ◀─────── │ set_client_DH_params: nonces outside and ──────┘
//!                                  inside · hash · retry_id · g_b in range
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::mtproto::enums::PQInnerData;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Decode, Encode, Function, Reader};
use zeroize::{Zeroize, Zeroizing};

use super::sealed::{first_salt, minimal, number, open, seal};
use super::{Complete, Error, MAX_EXPIRES_IN, MAX_RETRIES, PlainMessage};
use crate::crypto::dh::{Exponent, Group};
use crate::crypto::factor::is_prime;
use crate::crypto::{AesKeyIv, AuthKey, RsaPrivateKey, ct_eq, sha256, tmp_aes};
use crate::{AuthKeyId, DcId, MsgId, Rng, Time};

/// How long a handshake is remembered: the specification's ten minutes after its first question.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// How often one stream may begin a handshake: clients probe a server by a first question or two,
/// and make a permanent key, then a temporary one. More is a waste of our primes.
pub const MAX_RESTARTS: u16 = 64;

/// The generator that goes with the known prime.
const GENERATOR: i32 = 3;

/// What a server needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our private keys. The first is the one that clients get which can use only one.
    pub keys: Vec<RsaPrivateKey>,
    /// Our data centre, if clients that want another one are to be refused.
    pub dc: Option<DcId>,
}

/// What to do after a client's message.
#[must_use]
#[derive(Debug)]
pub struct Reply {
    /// The packet to send; `None` if the message asks for none.
    pub packet: Option<Vec<u8>>,
    /// A key that was just made. Keep it before the packet goes out.
    pub complete: Option<Box<Complete>>,
}

/// What a message of a client makes the server compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cost {
    /// Next to nothing: it is refused or was answered before.
    Little,
    /// Two small primes: tens of microseconds.
    Primes,
    /// The private RSA operation and a power of 2048 bits, and once more such a power for the
    /// question that follows: several milliseconds.
    Exchange,
}

/// A handshake that waits for the client.
pub struct ServerHandshake {
    deadline: Time,
    restarts: u16,
    last: Option<Exchange>,
    state: State,
}

impl ServerHandshake {
    /// A handshake that has not begun.
    pub fn new(now: Time) -> Self {
        ServerHandshake {
            deadline: now + LIFETIME,
            restarts: 0,
            last: None,
            state: State::ReqPq,
        }
    }

    /// When this handshake is forgotten: [`LIFETIME`] after its first question, or after it was
    /// made.
    pub fn deadline(&self) -> Time {
        self.deadline
    }

    /// The client's nonce, from the first question on and after the end too, for an owner that
    /// lets clients go on over another stream: it looks a message's [`nonce_of`] up here.
    pub fn nonce(&self) -> Option<[u8; 16]> {
        self.last.as_ref().map(|last| last.nonce)
    }

    /// What it would cost to answer this message: a server that many ask decides first whether it
    /// has so much.
    pub fn cost(&self, packet: &[u8]) -> Cost {
        let Ok(message) = PlainMessage::read(packet) else {
            return Cost::Little;
        };
        let mut r = Reader::new(&message.body);
        let constructor = r.peek_u32().unwrap_or_default();
        let costly = match (constructor, &self.state) {
            (functions::ReqPqMulti::ID | functions::ReqPq::ID, _) => Cost::Primes,
            (functions::ReqDhParams::ID, State::ReqDhParams(opening)) => {
                match question(&mut r) {
                    Ok(question) if opening.check(&question).is_ok() => Cost::Exchange,
                    // It is refused before anything is computed.
                    Ok(_) | Err(_) => Cost::Little,
                }
            }
            _ => Cost::Little,
        };
        // A repetition is looked up.
        let repeated = costly != Cost::Little
            && self
                .last
                .as_ref()
                .is_some_and(|last| last.question == sha256(&[&message.body]));
        if repeated { Cost::Little } else { costly }
    }

    /// Answers a client's message with a packet whose identifier is `msg_id`.
    ///
    /// `key_exists` is asked whether a key has the identifier of the new one.
    ///
    /// # Errors
    /// Every check that fails is final: send [`Error::transport_code`] and close the stream.
    pub fn handle(
        self,
        config: &Config,
        now: Time,
        packet: &[u8],
        msg_id: MsgId,
        key_exists: &mut dyn FnMut(AuthKeyId) -> bool,
        rng: &mut Rng,
    ) -> Result<(Self, Reply), Error> {
        if now >= self.deadline {
            return Err(Error::TimedOut);
        }
        let body = PlainMessage::read(packet)?.body;
        let hash = sha256(&[&body]);
        if let Some(last) = &self.last
            && last.question == hash
        {
            let packet = Some(last.answer.clone());
            return Ok((
                self,
                Reply {
                    packet,
                    complete: None,
                },
            ));
        }
        let mut r = Reader::new(&body);
        let constructor = r.peek_u32().unwrap_or_default();
        let (mut this, nonce, body, complete) = match constructor {
            functions::ReqPqMulti::ID => {
                let functions::ReqPqMulti { nonce } = question(&mut r)?;
                self.open(config, now, nonce, config.keys.len(), rng)?
            }
            functions::ReqPq::ID => {
                let functions::ReqPq { nonce } = question(&mut r)?;
                self.open(config, now, nonce, 1, rng)?
            }
            functions::ReqDhParams::ID => {
                let State::ReqDhParams(state) = self.state else {
                    return Err(Error::OutOfOrder { constructor });
                };
                let nonce = state.nonce;
                let (state, body) = state.handle(config, now, question(&mut r)?, rng)?;
                let state = State::SetClientDh(Box::new(state));
                (ServerHandshake { state, ..self }, nonce, body, None)
            }
            functions::SetClientDhParams::ID => {
                let State::SetClientDh(state) = self.state else {
                    return Err(Error::OutOfOrder { constructor });
                };
                let nonce = state.opening.nonce;
                let (state, body, complete) = state.handle(now, question(&mut r)?, key_exists)?;
                (ServerHandshake { state, ..self }, nonce, body, complete)
            }
            types::MsgsAck::ID => {
                // Some clients acknowledge plain messages too.
                return Ok((
                    self,
                    Reply {
                        packet: None,
                        complete: None,
                    },
                ));
            }
            _ => return Err(Error::OutOfOrder { constructor }),
        };
        let answer = PlainMessage::write(msg_id, &body);
        this.last = Some(Exchange {
            nonce,
            question: hash,
            answer: answer.clone(),
        });
        Ok((
            this,
            Reply {
                packet: Some(answer),
                complete,
            },
        ))
    }

    /// Answers a first question, anew or as before, with `fingerprints` of our keys.
    fn open(
        mut self,
        config: &Config,
        now: Time,
        nonce: [u8; 16],
        fingerprints: usize,
        rng: &mut Rng,
    ) -> Result<Answered, Error> {
        let before = match &self.state {
            State::ReqPq => None,
            State::ReqDhParams(opening) => Some(opening),
            State::SetClientDh(state) => Some(&state.opening),
        };
        let opening = match before {
            Some(opening) if ct_eq(&opening.nonce, &nonce) => opening.clone(),
            Some(_) | None => {
                if self.restarts >= MAX_RESTARTS {
                    return Err(Error::TooManyRestarts { max: MAX_RESTARTS });
                }
                self.restarts = self.restarts.saturating_add(1);
                self.deadline = now + LIFETIME;
                let opening = Opening::new(nonce, rng);
                self.state = State::ReqDhParams(opening.clone());
                opening
            }
        };
        let answer = types::ResPq {
            nonce,
            server_nonce: opening.server_nonce,
            pq: minimal(&opening.pq().to_be_bytes()),
            server_public_key_fingerprints: config
                .keys
                .iter()
                .take(fingerprints)
                .map(RsaPrivateKey::fingerprint)
                .collect(),
        };
        Ok((self, nonce, answer.to_bytes(), None))
    }
}

impl fmt::Debug for ServerHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::ReqPq => "ServerHandshake(WaitReqPq)",
            State::ReqDhParams(_) => "ServerHandshake(WaitReqDhParams)",
            State::SetClientDh(_) => "ServerHandshake(WaitSetClientDh)",
        })
    }
}

/// The nonce that every question of a handshake begins with; `None` for anything else.
pub fn nonce_of(packet: &[u8]) -> Option<[u8; 16]> {
    let body = PlainMessage::read(packet).ok()?.body;
    let mut r = Reader::new(&body);
    match r.u32() {
        functions::ReqPqMulti::ID
        | functions::ReqPq::ID
        | functions::ReqDhParams::ID
        | functions::SetClientDhParams::ID => {}
        _ => return None,
    }
    let nonce = r.int128();
    r.check().is_ok().then_some(nonce)
}

/// The last question, as a hash, and its answer.
struct Exchange {
    nonce: [u8; 16],
    question: [u8; 32],
    answer: Vec<u8>,
}

/// The handshake after a question, the client's nonce, the answer, a key if there is one.
type Answered = (ServerHandshake, [u8; 16], Bytes, Option<Box<Complete>>);

/// The question that is awaited, in the protocol's order.
enum State {
    ReqPq,
    ReqDhParams(Opening),
    SetClientDh(Box<WaitSetClientDh>),
}

/// Reads one object and ignores what follows it: official clients pad plain messages.
fn question<T: Decode>(r: &mut Reader<'_>) -> Result<T, Error> {
    let question = T::decode(r)?;
    r.check()?;
    Ok(question)
}

/// What the first question and its answer agreed on.
#[derive(Clone)]
struct Opening {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    p: u64,
    q: u64,
}

impl Opening {
    fn new(nonce: [u8; 16], rng: &mut Rng) -> Self {
        let server_nonce = rng.array();
        let p = random_prime(rng);
        let mut q = p;
        while q == p {
            q = random_prime(rng);
        }
        Opening {
            nonce,
            server_nonce,
            p: p.min(q),
            q: p.max(q),
        }
    }

    fn pq(&self) -> u64 {
        self.p.wrapping_mul(self.q)
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

    /// Whether these are our numbers, in this order, written without padding or with.
    fn check_factors(&self, p: &[u8], q: &[u8]) -> Result<(), Error> {
        if number(p) == Some(self.p) && number(q) == Some(self.q) {
            Ok(())
        } else {
            Err(Error::Factors)
        }
    }

    /// Whether a second question, as far as it is readable, belongs to this.
    fn check(&self, question: &functions::ReqDhParams) -> Result<(), Error> {
        self.check_nonces(&question.nonce, &question.server_nonce)?;
        self.check_factors(&question.p, &question.q)
    }

    fn handle(
        self,
        config: &Config,
        now: Time,
        question: functions::ReqDhParams,
        rng: &mut Rng,
    ) -> Result<(WaitSetClientDh, Bytes), Error> {
        self.check(&question)?;
        let got = question.public_key_fingerprint;
        let key = config.keys.iter().find(|key| key.fingerprint() == got);
        let key = key.ok_or(Error::ForeignFingerprint { got })?;
        let inner = Inner::open(key, &question.encrypted_data)?;
        self.check_nonces(&inner.nonce, &inner.server_nonce)?;
        self.check_factors(&inner.p, &inner.q)?;
        if number(&inner.pq) != Some(self.pq()) {
            return Err(Error::Factors);
        }
        if let (Some(got), Some(want)) = (inner.dc, config.dc)
            && !same_dc(got, want)
        {
            return Err(Error::WrongDc { got, want });
        }
        let group = Group::known(GENERATOR)?;
        let (a, g_a) = group.generate(rng);
        let server_time = unix(now);
        let answer = types::ServerDhInnerData {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            g: GENERATOR,
            dh_prime: minimal(&group.prime()),
            g_a: minimal(&g_a.to_bytes()),
            server_time,
        };
        let longest = MAX_EXPIRES_IN.cast_signed();
        let expires_at = inner
            .expires_in
            .map(|seconds| server_time.saturating_add(seconds.clamp(1, longest)));
        let state = WaitSetClientDh {
            opening: self,
            new_nonce: inner.new_nonce,
            a,
            expires_at,
            retry_id: 0,
            retries: 0,
        };
        let answer = types::ServerDhParamsOk {
            nonce: state.opening.nonce,
            server_nonce: state.opening.server_nonce,
            encrypted_answer: seal(&answer, &state.aes(), rng).into(),
        };
        Ok((state, answer.to_bytes()))
    }
}

/// A prime of 31 bits whose two highest are set: any two have a product of 62 bits.
fn random_prime(rng: &mut Rng) -> u64 {
    loop {
        let random = u32::from_le_bytes(rng.array());
        let candidate = u64::from(random >> 1 | 0x6000_0001);
        if is_prime(candidate) {
            return candidate;
        }
    }
}

/// Whether a client means our data centre: media connections have a minus sign, test servers
/// 10,000 more.
fn same_dc(got: i32, want: DcId) -> bool {
    let plain = |dc: u32| dc.checked_rem(10_000);
    plain(got.unsigned_abs()) == plain(u32::from(want.0.unsigned_abs()))
}

/// Whole seconds, as the wire has them.
fn unix(now: Time) -> i32 {
    i32::try_from(now.unix()).unwrap_or(i32::MAX)
}

/// What a client encrypted to us, in any of its four forms.
struct Inner {
    pq: Bytes,
    p: Bytes,
    q: Bytes,
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    /// On the heap, so that moving it leaves no copy behind.
    new_nonce: Box<Zeroizing<[u8; 32]>>,
    dc: Option<i32>,
    expires_in: Option<i32>,
}

impl Inner {
    fn open(key: &RsaPrivateKey, encrypted: &[u8]) -> Result<Self, Error> {
        let decrypted = key.decrypt_inner(encrypted)?;
        // Owned by `Bytes`, and zeroised when the last slice of it is gone.
        let data = Bytes::from_owner(Zeroizing::new(decrypted.data().to_vec()));
        let mut r = Reader::new(&data);
        let inner: PQInnerData = question(&mut r)?;
        decrypted.check(data.len().saturating_sub(r.remaining()))?;
        Ok(Self::from(inner))
    }
}

impl From<PQInnerData> for Inner {
    fn from(inner: PQInnerData) -> Self {
        macro_rules! inner {
            ($data:ident, $dc:expr, $expires_in:expr) => {{
                let mut data = $data;
                let new_nonce = Box::new(Zeroizing::new(data.new_nonce));
                data.new_nonce.zeroize();
                Inner {
                    dc: $dc(&data),
                    expires_in: $expires_in(&data),
                    pq: data.pq,
                    p: data.p,
                    q: data.q,
                    nonce: data.nonce,
                    server_nonce: data.server_nonce,
                    new_nonce,
                }
            }};
        }
        match inner {
            PQInnerData::PQInnerData(data) => inner!(data, |_: &_| None, |_: &_| None),
            PQInnerData::Dc(data) => {
                inner!(data, |d: &types::PQInnerDataDc| Some(d.dc), |_: &_| None)
            }
            PQInnerData::Temp(data) => {
                inner!(data, |_: &_| None, |d: &types::PQInnerDataTemp| Some(
                    d.expires_in
                ))
            }
            PQInnerData::TempDc(data) => inner!(
                data,
                |d: &types::PQInnerDataTempDc| Some(d.dc),
                |d: &types::PQInnerDataTempDc| Some(d.expires_in)
            ),
        }
    }
}

struct WaitSetClientDh {
    opening: Opening,
    new_nonce: Box<Zeroizing<[u8; 32]>>,
    a: Exponent,
    expires_at: Option<i32>,
    /// What the client must repeat: 0, or the hash of the key that was refused.
    retry_id: i64,
    retries: u8,
}

impl WaitSetClientDh {
    fn aes(&self) -> AesKeyIv {
        tmp_aes(&self.opening.server_nonce, &self.new_nonce)
    }

    fn handle(
        mut self: Box<Self>,
        now: Time,
        question: functions::SetClientDhParams,
        key_exists: &mut dyn FnMut(AuthKeyId) -> bool,
    ) -> Result<(State, Bytes, Option<Box<Complete>>), Error> {
        self.opening
            .check_nonces(&question.nonce, &question.server_nonce)?;
        let inner: types::ClientDhInnerData = open(&question.encrypted_data, &self.aes())?;
        self.opening
            .check_nonces(&inner.nonce, &inner.server_nonce)?;
        if inner.retry_id != self.retry_id {
            return Err(Error::RetryId);
        }
        let group = Group::known(GENERATOR)?;
        let g_b = group.public_value(&inner.g_b)?;
        let key = AuthKey::from_bytes(&group.shared(&g_b, &self.a));

        let Opening {
            nonce,
            server_nonce,
            ..
        } = self.opening;
        let hash = |number| key.new_nonce_hash(&self.new_nonce, number);
        if key.id() != AuthKeyId(0) && !key_exists(key.id()) {
            let new_nonce_hash1 = hash(1);
            let answer = types::DhGenOk {
                nonce,
                server_nonce,
                new_nonce_hash1,
            };
            let complete = Complete {
                salt: first_salt(&self.new_nonce, &server_nonce),
                key,
                server_time: unix(now),
                at: now,
                expires_at: self.expires_at,
                good_prime: None,
            };
            return Ok((State::ReqPq, answer.to_bytes(), Some(Box::new(complete))));
        }
        if self.retries >= MAX_RETRIES {
            let new_nonce_hash3 = hash(3);
            let answer = types::DhGenFail {
                nonce,
                server_nonce,
                new_nonce_hash3,
            };
            return Ok((State::ReqPq, answer.to_bytes(), None));
        }
        let new_nonce_hash2 = hash(2);
        let answer = types::DhGenRetry {
            nonce,
            server_nonce,
            new_nonce_hash2,
        };
        self.retry_id = i64::from_le_bytes(key.aux_hash());
        self.retries = self.retries.saturating_add(1);
        Ok((State::SetClientDh(self), answer.to_bytes(), None))
    }
}
