//! A client's connection, recorded.
//!
//! Does: how one begins, what it can be told, how it is taken off its stream.
//! In: as [`ClientConnection`]. Out: the same, and lines.
//! Must not know: files, other machines.
//! Spec: none.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use mtproto_proto::connection::{
    Call, ClientConfig, ClientConnection, ConfigError, KeyState, Start, Suspended,
};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{Machine, RequestId, Rng, SendError, Time};
use mtproto_schema::Function;

use super::config::Stored;
use super::file::Trace;
use super::recorder::{Log, Recordable, Recorder, Unfit, apply_machine};
use super::step::Step;
use super::text::{Hex, Pairs, put};

/// The kind's name in a trace.
pub(super) const KIND: &str = "client-connection";

/// How a recorded connection begins: as [`Start`].
#[derive(Debug)]
pub enum Begin {
    /// With a handshake.
    NewKey,
    /// With a stored key and a new session.
    Key(KeyState),
    /// With what an earlier stream left.
    Resume(Rest),
}

/// What is left of a recorded connection, as [`Suspended`].
#[derive(Debug)]
pub struct Rest {
    rest: Box<Suspended>,
    /// The machine whose it was.
    of: u64,
}

impl Rest {
    /// Takes it out of the trace: no recorded machine can go on with it.
    pub fn into_inner(self) -> Box<Suspended> {
        self.rest
    }

    pub(super) fn of(&self) -> u64 {
        self.of
    }
}

impl Deref for Rest {
    type Target = Suspended;

    fn deref(&self) -> &Suspended {
        &self.rest
    }
}

impl Recorder<ClientConnection> {
    /// A connection over a stream that was just opened, as [`ClientConnection::new`]; its
    /// randomness is made from `seed`, which a trace holds.
    ///
    /// # Errors
    /// As [`ClientConnection::new`].
    pub fn new(
        trace: &Trace,
        config: Arc<ClientConfig>,
        begin: Begin,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Self, ConfigError> {
        Self::start(Log::new(trace), config, begin, seed, now)
    }

    pub(super) fn start(
        mut log: Log,
        config: Arc<ClientConfig>,
        begin: Begin,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Self, ConfigError> {
        let mut words = String::new();
        if log.trace.is_on() {
            words = format!("new {KIND}");
            put(&mut words, "seed", &seed);
            match &begin {
                Begin::NewKey => {}
                Begin::Key(key) => put(&mut words, "key", &Hex(key.to_bytes().to_vec())),
                Begin::Resume(rest) => put(&mut words, "resume", &rest.of),
            }
            log.trace.config(&mut words, &*config);
        }
        let start = match begin {
            Begin::NewKey => Start::NewKey,
            Begin::Key(key) => Start::Key(key),
            Begin::Resume(rest) => Start::Resume(rest.rest),
        };
        let made = ClientConnection::new(config, start, Rng::from_seed(seed), now);
        if log.trace.is_on() {
            log.created(now, &words, made.as_ref());
        }
        Ok(Recorder {
            machine: made?,
            log,
        })
    }

    /// The same from the words of a trace. `resume` finds what a machine has left.
    pub(super) fn again(
        log: Log,
        now: Time,
        mut pairs: Pairs<'_>,
        resume: impl FnOnce(u64) -> Option<Rest>,
    ) -> Option<Result<Self, ConfigError>> {
        let seed = pairs.need("seed")?;
        let (mut key, mut resumed) = (None::<Hex>, None::<u64>);
        pairs.take("key", &mut key)?;
        pairs.take("resume", &mut resumed)?;
        let begin = match (key, resumed) {
            (None, None) => Begin::NewKey,
            (Some(Hex(key)), None) => Begin::Key(KeyState::from_bytes(&key).ok()?),
            (None, Some(id)) => Begin::Resume(resume(id)?),
            (Some(_), Some(_)) => return None,
        };
        let config = ClientConfig::take("", &mut pairs)?;
        let made = pairs.is_empty();
        made.then(|| Self::start(log, Arc::new(config), begin, seed, now))
    }

    /// As [`ClientConnection::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(
        &mut self,
        now: Time,
        body: Bytes,
        options: &SendOptions,
    ) -> Result<RequestId, SendError> {
        let result = self.machine.send(now, body.clone(), options);
        if self.is_on() {
            let step = Step::Send(body.as_ref().into(), options.clone());
            self.note_result(now, &step, &result);
        }
        result
    }

    /// As [`ClientConnection::call`], but that the answer is decoded by hand.
    ///
    /// # Errors
    /// As there.
    pub fn call<F: Function>(
        &mut self,
        now: Time,
        function: &F,
        options: &SendOptions,
    ) -> Result<Call<F>, SendError> {
        let mut options = options.clone();
        options.idempotent |= F::IDEMPOTENT;
        let body = function.to_bytes();
        let result = self.machine.call(now, function, &options);
        if self.is_on() {
            let step = Step::Send(body.as_ref().into(), options);
            self.note_result(now, &step, &result.as_ref().map(Call::id));
        }
        result
    }

    /// As [`ClientConnection::cancel`].
    pub fn cancel(&mut self, now: Time, id: RequestId) {
        self.machine.cancel(now, id);
        self.note(now, &Step::Cancel(id), "ok");
    }

    /// As [`ClientConnection::check`].
    pub fn check(&mut self, now: Time) {
        self.machine.check(now);
        self.note(now, &Step::Check, "ok");
    }

    /// As [`ClientConnection::close`].
    pub fn close(&mut self) {
        self.machine.close();
        self.note(self.latest(), &Step::Close, "ok");
    }

    /// As [`ClientConnection::set_online`].
    pub fn set_online(&mut self, now: Time, online: bool) {
        self.machine.set_online(now, online);
        self.note(now, &Step::Online(online), "ok");
    }

    /// As [`ClientConnection::suspend`].
    pub fn suspend(mut self) -> Rest {
        // Afterwards there is no machine whose timer could be written.
        self.note(self.latest(), &Step::Suspend, "ok");
        Rest {
            rest: self.machine.suspend(),
            of: self.log.id,
        }
    }
}

impl Recordable for ClientConnection {
    fn wake(&self) -> Option<Time> {
        self.poll_timeout()
    }

    fn apply(recorder: &mut Recorder<Self>, now: Time, step: &Step<'_>) -> Result<(), Unfit> {
        match step {
            Step::Send(body, options) => {
                let _ = recorder.send(now, Bytes::copy_from_slice(body), options);
            }
            Step::Cancel(id) => recorder.cancel(now, *id),
            Step::Check => recorder.check(now),
            Step::Close => recorder.close(),
            Step::Online(online) => recorder.set_online(now, *online),
            other => return apply_machine(recorder, now, other),
        }
        Ok(())
    }
}
