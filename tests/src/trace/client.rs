//! A whole client, recorded: one account over many streams.
//!
//! Does: how one begins, what it can be told.
//! In: as [`Client`]. Out: the same, and lines.
//! Must not know: files, other machines.
//! Spec: none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::client::updates::{self, UpdateId};
use mtproto_proto::client::{
    Action, CallOptions, Client, Config, DcTable, Event, FloodPolicy, Limits, PeerId, Route,
    Snapshot,
};
use mtproto_proto::connection::{Call, ConfigError, InitParams};
use mtproto_proto::{ConnId, DcId, RequestId, Rng, SendError, Time};
use mtproto_schema::Function;

use super::config::{Stored, fields};
use super::file::Trace;
use super::recorder::{Log, Recordable, Recorder, Unfit};
use super::step::Step;
use super::text::{Hex, Pairs, Word, put, put_bytes};

/// The kind's name in a trace.
pub(super) const KIND: &str = "client";

const CALL: &str = "call";
const CONNECT: &str = "connect";
const WANT_UPDATES: &str = "want-updates";
const TAKEN: &str = "taken";
const OPEN: &str = "open";
const NETWORK_CHANGED: &str = "network-changed";
const SET_DCS: &str = "set-dcs";

impl Recorder<Client> {
    /// A client that goes on from what was stored, as [`Client::new`]; its randomness is made from
    /// `seed`, which a trace holds.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(
        trace: &Trace,
        config: Arc<Config>,
        stored: Snapshot,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Self, ConfigError> {
        Self::start(Log::new(trace), config, stored, seed, now)
    }

    fn start(
        mut log: Log,
        config: Arc<Config>,
        stored: Snapshot,
        seed: [u8; 32],
        now: Time,
    ) -> Result<Self, ConfigError> {
        let mut words = String::new();
        if log.trace.is_on() {
            words = format!("new {KIND}");
            put(&mut words, "seed", &seed);
            match stored.to_bytes() {
                Ok(stored) => put(&mut words, "stored", &Hex(stored.to_vec())),
                // Nothing reads a question mark.
                Err(_) => words.push_str(" stored=?"),
            }
            log.trace.config(&mut words, &*config);
        }
        let made = Client::new(config, stored, Rng::from_seed(seed), now);
        if log.trace.is_on() {
            log.created(now, &words, made.as_ref());
        }
        Ok(Recorder {
            machine: made?,
            log,
        })
    }

    /// The same from the words of a trace.
    pub(super) fn again(
        log: Log,
        now: Time,
        mut pairs: Pairs<'_>,
    ) -> Option<Result<Self, ConfigError>> {
        let seed = pairs.need("seed")?;
        let Hex(stored) = pairs.need("stored")?;
        let stored = Snapshot::from_bytes(&stored).ok()?;
        let config = Config::take("", &mut pairs)?;
        let made = pairs.is_empty();
        made.then(|| Self::start(log, Arc::new(config), stored, seed, now))
    }

    /// As [`Client::connect`].
    pub fn connect(&mut self, now: Time) {
        self.machine.connect(now);
        self.other(now, CONNECT, |_| {});
    }

    /// As [`Client::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(
        &mut self,
        now: Time,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<RequestId, SendError> {
        let result = self.machine.send(now, body.clone(), options);
        if self.is_on() {
            let mut words = String::new();
            put_bytes(&mut words, &body);
            // Nothing reads a question mark: better no replay than another one.
            words.push_str(&options.words().unwrap_or_else(|| " ?".to_owned()));
            self.note_result(now, &Step::Other(CALL, words), &result);
        }
        result
    }

    /// As [`Client::call`].
    ///
    /// # Errors
    /// As there.
    pub fn call<F: Function>(
        &mut self,
        now: Time,
        function: &F,
        options: &CallOptions,
    ) -> Result<Call<F>, SendError> {
        let mut options = options.clone();
        options.idempotent |= F::IDEMPOTENT;
        let result = self.machine.call(now, function, &options);
        if self.is_on() {
            let mut words = String::new();
            put_bytes(&mut words, &function.to_bytes());
            words.push_str(&options.words().unwrap_or_else(|| " ?".to_owned()));
            let id = result.as_ref().map(Call::id);
            self.note_result(now, &Step::Other(CALL, words), &id);
        }
        result
    }

    /// As [`Client::cancel`].
    pub fn cancel(&mut self, now: Time, id: RequestId) {
        self.machine.cancel(now, id);
        self.note(now, &Step::Cancel(id), "ok");
    }

    /// As [`Client::want_updates`].
    pub fn want_updates(&mut self, now: Time, wanted: bool) {
        self.machine.want_updates(now, wanted);
        self.other(now, WANT_UPDATES, |words| wanted.write(words));
    }

    /// As [`Client::update_taken`].
    pub fn update_taken(&mut self, now: Time, id: UpdateId) {
        self.machine.update_taken(now, id);
        self.other(now, TAKEN, |words| id.0.write(words));
    }

    /// As [`Client::set_open`].
    pub fn set_open(&mut self, now: Time, peer: PeerId, open: bool) {
        self.machine.set_open(now, peer, open);
        self.other(now, OPEN, |words| {
            peer.write(words);
            words.push(' ');
            open.write(words);
        });
    }

    /// As [`Client::set_online`].
    pub fn set_online(&mut self, now: Time, online: bool) {
        self.machine.set_online(now, online);
        self.note(now, &Step::Online(online), "ok");
    }

    /// As [`Client::network_changed`].
    pub fn network_changed(&mut self, now: Time) {
        self.machine.network_changed(now);
        self.other(now, NETWORK_CHANGED, |_| {});
    }

    /// As [`Client::set_dcs`].
    pub fn set_dcs(&mut self, dcs: DcTable) {
        let (now, bytes) = (self.latest(), dcs.to_bytes());
        self.machine.set_dcs(dcs);
        self.other(now, SET_DCS, |words| put_bytes(words, &bytes));
    }

    /// As [`Client::close`].
    pub fn close(&mut self, now: Time) {
        self.machine.close(now);
        self.note(now, &Step::Close, "ok");
    }

    /// As [`Client::handle_connected`].
    pub fn handle_connected(&mut self, now: Time, conn: ConnId) {
        self.machine.handle_connected(now, conn);
        self.note(now, &Step::Connected(conn), "ok");
    }

    /// As [`Client::handle_connect_failed`].
    pub fn handle_connect_failed(&mut self, now: Time, conn: ConnId) {
        self.machine.handle_connect_failed(now, conn);
        self.note(now, &Step::ConnectFailed(conn), "ok");
    }

    /// As [`Client::handle_input`].
    pub fn handle_input(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        self.machine.handle_input(now, conn, bytes);
        self.note(now, &Step::Input(conn, bytes.into()), "ok");
    }

    /// As [`Client::handle_closed`].
    pub fn handle_closed(&mut self, now: Time, conn: ConnId) {
        self.machine.handle_closed(now, conn);
        self.note(now, &Step::Closed(conn), "ok");
    }

    /// As [`Client::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Time) {
        self.machine.handle_timeout(now);
        self.note(now, &Step::Timeout, "ok");
    }

    /// As [`Client::poll_action`].
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.machine.poll_action();
        self.note_taken(&Step::Action, action.as_ref());
        action
    }

    /// As [`Client::poll_transmit`].
    #[must_use]
    pub fn poll_transmit(&mut self, now: Time, conn: ConnId, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let written = self.machine.poll_transmit(now, conn, out);
        let packet = written.then(|| out.get(before..).unwrap_or_default());
        self.note_packet(now, &Step::Transmit(conn), packet);
        written
    }

    /// As [`Client::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.machine.poll_event();
        self.note_taken(&Step::Event, event.as_ref());
        event
    }

    /// As [`Client::poll_update`].
    pub fn poll_update(&mut self) -> Option<updates::Event> {
        let update = self.machine.poll_update();
        self.note_taken(&Step::Update, update.as_ref());
        update
    }

    fn other(&mut self, now: Time, name: &'static str, arguments: impl FnOnce(&mut String)) {
        if self.is_on() {
            let mut words = String::new();
            arguments(&mut words);
            self.note(now, &Step::Other(name, words), "ok");
        }
    }
}

impl Recordable for Client {
    const OTHERS: &'static [&'static str] = &[
        CALL,
        CONNECT,
        WANT_UPDATES,
        TAKEN,
        OPEN,
        NETWORK_CHANGED,
        SET_DCS,
    ];

    fn wake(&self) -> Option<Time> {
        self.poll_timeout()
    }

    fn apply(recorder: &mut Recorder<Self>, now: Time, step: &Step<'_>) -> Result<(), Unfit> {
        match step {
            Step::Connected(conn) => recorder.handle_connected(now, *conn),
            Step::ConnectFailed(conn) => recorder.handle_connect_failed(now, *conn),
            Step::Input(conn, bytes) => recorder.handle_input(now, *conn, bytes),
            Step::Closed(conn) => recorder.handle_closed(now, *conn),
            Step::Timeout => recorder.handle_timeout(now),
            Step::Transmit(conn) => {
                let _ = recorder.poll_transmit(now, *conn, &mut Vec::new());
            }
            Step::Event => return recorder.poll_event().map(drop).ok_or(Unfit),
            Step::Action => return recorder.poll_action().map(drop).ok_or(Unfit),
            Step::Update => return recorder.poll_update().map(drop).ok_or(Unfit),
            Step::Cancel(id) => recorder.cancel(now, *id),
            Step::Close => recorder.close(now),
            Step::Online(online) => recorder.set_online(now, *online),
            Step::Other(name, words) => return tell(recorder, now, name, words).ok_or(Unfit),
            _ => return Err(Unfit),
        }
        Ok(())
    }
}

fn tell(recorder: &mut Recorder<Client>, now: Time, name: &str, words: &str) -> Option<()> {
    match name {
        CALL => {
            let mut words = words.split(' ');
            let Hex(body) = Word::read(words.next()?)?;
            let mut pairs = Pairs::read(words)?;
            let options = CallOptions::take("", &mut pairs)?;
            if !pairs.is_empty() {
                return None;
            }
            // A refusal is part of the line that is written.
            let _ = recorder.send(now, body.into(), &options);
        }
        CONNECT if words.is_empty() => recorder.connect(now),
        WANT_UPDATES => recorder.want_updates(now, Word::read(words)?),
        TAKEN => recorder.update_taken(now, UpdateId(Word::read(words)?)),
        OPEN => {
            let (peer, open) = words.split_once(' ')?;
            recorder.set_open(now, Word::read(peer)?, Word::read(open)?);
        }
        NETWORK_CHANGED if words.is_empty() => recorder.network_changed(now),
        SET_DCS => {
            let Hex(bytes) = Word::read(words)?;
            recorder.set_dcs(DcTable::from_bytes(&bytes.into())?);
        }
        _ => return None,
    }
    Some(())
}

impl Word for PeerId {
    fn write(&self, out: &mut String) {
        let (kind, id) = match self {
            PeerId::User(id) => ("user:", id),
            PeerId::Chat(id) => ("chat:", id),
            PeerId::Channel(id) => ("channel:", id),
            // Nothing reads this.
            _ => ("?:", &0),
        };
        out.push_str(kind);
        id.write(out);
    }

    fn read(word: &str) -> Option<Self> {
        let (kind, id) = word.split_once(':')?;
        let id = Word::read(id)?;
        Some(match kind {
            "user" => PeerId::User(id),
            "chat" => PeerId::Chat(id),
            "channel" => PeerId::Channel(id),
            _ => return None,
        })
    }
}

impl Word for Route {
    fn write(&self, out: &mut String) {
        let (kind, dc) = match self {
            Route::Main => return out.push_str("main"),
            Route::Dc(dc) => ("dc:", dc),
            Route::Media(dc) => ("media:", dc),
            // Nothing reads this.
            _ => ("?:", &DcId(0)),
        };
        out.push_str(kind);
        dc.write(out);
    }

    fn read(word: &str) -> Option<Self> {
        if word == "main" {
            return Some(Route::Main);
        }
        let (kind, dc) = word.split_once(':')?;
        let dc = Word::read(dc)?;
        Some(match kind {
            "dc" => Route::Dc(dc),
            "media" => Route::Media(dc),
            _ => return None,
        })
    }
}

impl Word for FloodPolicy {
    fn write(&self, out: &mut String) {
        match self {
            FloodPolicy::Fail => out.push_str("fail"),
            FloodPolicy::WaitUpTo(most) => most.write(out),
            // Nothing reads this.
            _ => out.push('?'),
        }
    }

    fn read(word: &str) -> Option<Self> {
        if word == "fail" {
            return Some(FloodPolicy::Fail);
        }
        Duration::read(word).map(FloodPolicy::WaitUpTo)
    }
}

fields!(put_options, take_options, CallOptions:
    route, deadline, idempotent, flood, max_retries, after,
);

impl Stored for CallOptions {
    fn put(&self, prefix: &str, out: &mut String) {
        put_options(self, prefix, out);
    }

    fn take(prefix: &str, pairs: &mut Pairs<'_>) -> Option<Self> {
        let mut options = CallOptions::default();
        take_options(&mut options, prefix, pairs)?;
        Some(options)
    }
}

fields!(put_limits, take_limits, Limits: calls, call_bytes, peers, idle);
fields!(put_updates, take_updates, updates::Config: queue, gap_wait, idle, channels_at_once);
fields!(put_config, take_config, Config:
    api_id, api_hash, public_keys, test_mode, first_dc, framing, obfuscation, pfs, prefer_ipv6,
    flood, max_retries, handshake_timeout, connect_timeout,
);

impl Stored for Config {
    fn put(&self, prefix: &str, out: &mut String) {
        put_config(self, prefix, out);
        put(out, &format!("{prefix}dcs"), &Hex(self.dcs.to_bytes()));
        Some(self.init.clone()).put(prefix, out);
        self.session.put(&format!("{prefix}session."), out);
        put_updates(&self.updates, &format!("{prefix}updates."), out);
        put_limits(&self.limits, &format!("{prefix}limits."), out);
    }

    fn take(prefix: &str, pairs: &mut Pairs<'_>) -> Option<Self> {
        let Hex(dcs) = pairs.need(&format!("{prefix}dcs"))?;
        let dcs = DcTable::from_bytes(&dcs.into())?;
        let mut config = Config::new(0, "", dcs, Vec::new());
        take_config(&mut config, prefix, pairs)?;
        config.init = <Option<InitParams> as Stored>::take(prefix, pairs)??;
        config.session = Stored::take(&format!("{prefix}session."), pairs)?;
        take_updates(&mut config.updates, &format!("{prefix}updates."), pairs)?;
        take_limits(&mut config.limits, &format!("{prefix}limits."), pairs)?;
        Some(config)
    }
}
