//! A bare session, recorded: what lies below a connection.
//!
//! Does: how one begins, in either role; what it can be told. It has randomness of its own instead of
//! being lent some.
//! In: as [`Session`]. Out: the same, and lines.
//! Must not know: files, framing, other machines.
//! Spec: none.

use std::ops::Deref;

use bytes::{Bytes, BytesMut};
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::session::{
    ClientStart, Config, Event, Salts, SendOptions, ServerSalts, Session, Silent,
};
use mtproto_proto::{AuthKeyId, MsgId, PeerMisbehaved, RequestId, Rng, SendError, SessionId, Time};

use super::config::Stored;
use super::file::Trace;
use super::recorder::{Log, Recordable, Recorder, Unfit};
use super::step::Step;
use super::text::{Hex, Pairs, Word, put};

/// The kinds' names in a trace.
pub(super) const CLIENT: &str = "client-session";
pub(super) const SERVER: &str = "server-session";

const STREAM_OPENED: &str = "stream-opened";
const STREAM_CLOSED: &str = "stream-closed";
const RESPOND: &str = "answer";
const PUSH: &str = "tell";
const SALTS: &str = "salts";

/// A session with randomness of its own.
#[derive(Debug)]
pub struct OwnSession {
    session: Session,
    rng: Rng,
}

impl Deref for OwnSession {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

/// What a client's session begins with, as [`ClientStart`].
#[derive(Clone, Debug)]
pub struct SessionStart {
    /// The key of the conversation.
    pub key: AuthKey,
    /// A handshake's salt, and the server's time when it was made; `None`: no salt is known.
    pub salt: Option<(i64, Time)>,
    /// Server time minus local time, nanoseconds.
    pub time_offset: i64,
    /// Whether the offset was just learnt, and is not a hint from an earlier run.
    pub time_synced: bool,
    /// What goes before calls until one is answered.
    pub init: Option<Bytes>,
}

/// What a server's session begins with.
#[derive(Clone, Debug)]
pub struct ServedStart {
    /// The key of the conversation.
    pub key: AuthKey,
    /// As the client chose it.
    pub id: SessionId,
    /// What salts are made from.
    pub secret: [u8; 32],
    /// The handshake's salt and time.
    pub first: Option<(i64, Time)>,
}

impl ServedStart {
    fn salts(&self) -> ServerSalts {
        ServerSalts::new(self.secret, self.key.id(), self.first)
    }
}

impl Recorder<OwnSession> {
    /// A client's session, as [`Session::client`]; its randomness is made from `seed`, which a trace
    /// holds.
    pub fn client(
        trace: &Trace,
        start: SessionStart,
        config: Config,
        seed: [u8; 32],
        now: Time,
    ) -> Self {
        Self::start_client(Log::new(trace), start, config, seed, now)
    }

    fn start_client(
        log: Log,
        start: SessionStart,
        config: Config,
        seed: [u8; 32],
        now: Time,
    ) -> Self {
        let mut words = String::new();
        if log.trace.is_on() {
            words = format!("new {CLIENT}");
            put(&mut words, "seed", &seed);
            put(&mut words, "key", &start.key);
            put_salt(&mut words, start.salt);
            put(&mut words, "time_offset", &start.time_offset);
            put(&mut words, "time_synced", &start.time_synced);
            put(
                &mut words,
                "init",
                &start.init.as_ref().map(|init| Hex(init.to_vec())),
            );
            log.trace.config(&mut words, &config);
        }
        let mut rng = Rng::from_seed(seed);
        let start = ClientStart {
            key: start.key,
            salts: match start.salt {
                Some((salt, at)) => Salts::first(salt, at),
                None => Salts::unknown(),
            },
            time_offset: start.time_offset,
            time_synced: start.time_synced,
            init: start.init,
        };
        let session = Session::client(start, config, now, &mut rng);
        Self::made(log, now, &words, OwnSession { session, rng })
    }

    /// A server's session, as [`Session::server`].
    pub fn server(
        trace: &Trace,
        start: ServedStart,
        config: Config,
        seed: [u8; 32],
        now: Time,
    ) -> Self {
        Self::start_server(Log::new(trace), start, config, seed, now)
    }

    fn start_server(
        log: Log,
        start: ServedStart,
        config: Config,
        seed: [u8; 32],
        now: Time,
    ) -> Self {
        let mut words = String::new();
        if log.trace.is_on() {
            words = format!("new {SERVER}");
            put(&mut words, "seed", &seed);
            put(&mut words, "key", &start.key);
            put(&mut words, "id", &start.id);
            put(&mut words, "secret", &start.secret);
            put_salt(&mut words, start.first);
            log.trace.config(&mut words, &config);
        }
        let salts = start.salts();
        let session = Session::server(start.key, start.id, salts, config, now);
        let rng = Rng::from_seed(seed);
        Self::made(log, now, &words, OwnSession { session, rng })
    }

    fn made(mut log: Log, now: Time, words: &str, machine: OwnSession) -> Self {
        if log.trace.is_on() {
            log.created::<_, ()>(now, words, Ok(&machine));
        }
        Recorder { machine, log }
    }

    /// The same from the words of a trace.
    pub(super) fn again(log: Log, now: Time, kind: &str, mut pairs: Pairs<'_>) -> Option<Self> {
        let seed = pairs.need("seed")?;
        let key = pairs.need("key")?;
        let salt = take_salt(&mut pairs)?;
        let config;
        if kind == CLIENT {
            let start = SessionStart {
                key,
                salt,
                time_offset: pairs.need("time_offset")?,
                time_synced: pairs.need("time_synced")?,
                init: pairs
                    .need::<Option<Hex>>("init")?
                    .map(|Hex(init)| init.into()),
            };
            config = Config::take("", &mut pairs)?;
            let made = pairs.is_empty();
            return made.then(|| Self::start_client(log, start, config, seed, now));
        }
        let start = ServedStart {
            key,
            id: pairs.need("id")?,
            secret: pairs.need("secret")?,
            first: salt,
        };
        config = Config::take("", &mut pairs)?;
        let made = pairs.is_empty();
        made.then(|| Self::start_server(log, start, config, seed, now))
    }

    /// As [`Session::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(
        &mut self,
        now: Time,
        body: Bytes,
        options: &SendOptions,
    ) -> Result<RequestId, SendError> {
        let result = self.machine.session.send(now, body.clone(), options);
        if self.is_on() {
            let step = Step::Send(body.as_ref().into(), options.clone());
            self.note_result(now, &step, &result);
        }
        result
    }

    /// As [`Session::cancel`].
    pub fn cancel(&mut self, now: Time, id: RequestId) {
        self.machine.session.cancel(now, id);
        self.note(now, &Step::Cancel(id), "ok");
    }

    /// As [`Session::handle_packet`].
    ///
    /// # Errors
    /// As there.
    pub fn handle_packet(&mut self, now: Time, packet: &[u8]) -> Result<(), PeerMisbehaved> {
        let OwnSession { session, rng } = &mut self.machine;
        let result = session.handle_packet(now, BytesMut::from(packet), rng);
        self.note_result(now, &Step::Input(Step::ONLY, packet.into()), &result);
        result
    }

    /// As [`Session::handle_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn handle_timeout(&mut self, now: Time) -> Result<(), Silent> {
        let result = self.machine.session.handle_timeout(now);
        self.note_result(now, &Step::Timeout, &result);
        result
    }

    /// [`Session::plan_packet`] and [`Session::write_packet`] in one: appends the next packet, and
    /// says whether the receiver should be asked for a quick acknowledgement; `None` when there is
    /// nothing to send.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> Option<bool> {
        let OwnSession { session, rng } = &mut self.machine;
        let start = out.len();
        let plan = session.plan_packet(now, rng);
        if let Some(plan) = &plan {
            session.write_packet(now, plan, rng, out);
        }
        let packet = plan.as_ref().map(|_| out.get(start..).unwrap_or_default());
        self.note_packet(now, &Step::Transmit(Step::ONLY), packet);
        plan.map(|plan| plan.quick_ack())
    }

    /// As [`Session::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.machine.session.poll_event();
        self.note_taken(&Step::Event, event.as_ref());
        event
    }

    /// As [`Session::stream_opened`].
    pub fn stream_opened(&mut self, now: Time) {
        self.machine.session.stream_opened(now);
        self.other(now, STREAM_OPENED, "ok", |_| {});
    }

    /// As [`Session::stream_closed`].
    pub fn stream_closed(&mut self) {
        self.machine.session.stream_closed();
        self.other(self.latest(), STREAM_CLOSED, "ok", |_| {});
    }

    /// As [`Session::respond`].
    pub fn respond(&mut self, request: MsgId, body: Bytes) -> bool {
        let done = self.machine.session.respond(request, body.clone());
        self.other(self.latest(), RESPOND, yes(done), |words| {
            request.0.write(words);
            words.push(' ');
            Hex(body.to_vec()).write(words);
        });
        done
    }

    /// As [`Session::push`].
    pub fn push(&mut self, body: Bytes) -> bool {
        let done = self.machine.session.push(body.clone());
        self.other(self.latest(), PUSH, yes(done), |words| {
            Hex(body.to_vec()).write(words);
        });
        done
    }

    /// As [`Session::replace_salts`], from what salts are made from.
    pub fn replace_salts(
        &mut self,
        secret: [u8; 32],
        key: AuthKeyId,
        first: Option<(i64, Time)>,
    ) -> bool {
        let salts = ServerSalts::new(secret, key, first);
        let done = self.machine.session.replace_salts(salts);
        self.other(self.latest(), SALTS, yes(done), |words| {
            words.push_str("secret=");
            secret.write(words);
            put(words, "key", &key);
            put_salt(words, first);
        });
        done
    }

    fn other(
        &mut self,
        now: Time,
        name: &'static str,
        outcome: &str,
        arguments: impl FnOnce(&mut String),
    ) {
        if self.is_on() {
            let mut words = String::new();
            arguments(&mut words);
            self.note(now, &Step::Other(name, words), outcome);
        }
    }
}

fn yes(done: bool) -> &'static str {
    if done { "true" } else { "false" }
}

/// A salt and its time: both or neither.
fn put_salt(words: &mut String, salt: Option<(i64, Time)>) {
    if let Some((salt, at)) = salt {
        put(words, "salt", &salt);
        put(words, "salt_at", &at);
    }
}

fn take_salt(pairs: &mut Pairs<'_>) -> Option<Option<(i64, Time)>> {
    let (mut salt, mut at) = (None, None);
    pairs.take("salt", &mut salt)?;
    pairs.take("salt_at", &mut at)?;
    match (salt, at) {
        (Some(salt), Some(at)) => Some(Some((salt, at))),
        (None, None) => Some(None),
        _ => None,
    }
}

impl Recordable for OwnSession {
    const OTHERS: &'static [&'static str] = &[STREAM_OPENED, STREAM_CLOSED, RESPOND, PUSH, SALTS];

    fn wake(&self) -> Option<Time> {
        self.poll_timeout()
    }

    fn apply(recorder: &mut Recorder<Self>, now: Time, step: &Step<'_>) -> Result<(), Unfit> {
        match step {
            Step::Send(body, options) => {
                // A refusal is part of the line that is written, here and below.
                let _ = recorder.send(now, Bytes::copy_from_slice(body), options);
            }
            Step::Cancel(id) => recorder.cancel(now, *id),
            Step::Input(Step::ONLY, packet) => {
                let _ = recorder.handle_packet(now, packet);
            }
            Step::Timeout => {
                let _ = recorder.handle_timeout(now);
            }
            Step::Transmit(Step::ONLY) => {
                let _ = recorder.poll_transmit(now, &mut Vec::new());
            }
            Step::Event => return recorder.poll_event().map(drop).ok_or(Unfit),
            Step::Other(name, words) => return tell(recorder, now, name, words).ok_or(Unfit),
            _ => return Err(Unfit),
        }
        Ok(())
    }
}

fn tell(recorder: &mut Recorder<OwnSession>, now: Time, name: &str, words: &str) -> Option<()> {
    match name {
        STREAM_OPENED if words.is_empty() => recorder.stream_opened(now),
        STREAM_CLOSED if words.is_empty() => recorder.stream_closed(),
        RESPOND => {
            let (request, body) = words.split_once(' ')?;
            let Hex(body) = Word::read(body)?;
            recorder.respond(MsgId(Word::read(request)?), body.into());
        }
        PUSH => {
            let Hex(body) = Word::read(words)?;
            recorder.push(body.into());
        }
        SALTS => {
            let mut pairs = Pairs::read(words.split(' '))?;
            let (secret, key) = (pairs.need("secret")?, pairs.need("key")?);
            let first = take_salt(&mut pairs)?;
            if !pairs.is_empty() {
                return None;
            }
            recorder.replace_salts(secret, key, first);
        }
        _ => return None,
    }
    Some(())
}
