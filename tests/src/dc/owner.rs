//! The one owner of the servers and their world: all that happens to them happens here, one thing
//! after the other.
//!
//! Does: moves [`Input`]s into the [`Server`] of their DC, its requests through the [`World`], and
//! its output to the streams, at most one buffer for each stream at a time, so that what a client
//! does not read waits in the server, where it is bounded. Saves what happened before anybody hears
//! of it.
//! In: inputs. Out: buffers for the streams; the state file.
//! Must not know: threads, sockets; what the methods do.
//! Spec: none.
#![expect(
    clippy::indexing_slicing,
    reason = "listeners are numbered as the DCs are, and no DC is ever removed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::server::{Action, Event, Server};
use mtproto_proto::{AuthKeyId, ConnId, DcId, IncomingId, MsgId, SessionId, Time};
use mtproto_schema::Encode;

use super::clock::Clock;
use super::log::Log;
use super::logins::KeyAt;
use super::net::{Input, Stream};
use super::state::StateFile;
use super::world::{Answer, Caller, To, World};

/// Bytes given to a stream's writer at once, plus at most one packet.
const WRITE_SIZE: usize = 64 << 10;

/// Inputs handled before output is looked at: enough to answer a burst with one write.
const BATCH: usize = 32;

/// How long to wait when no timer runs; there is nothing to do then.
const IDLE: Duration = Duration::from_secs(3600);

/// How long a client may take to read what is left when its stream is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait after a failure before all is saved again.
const SAVE_RETRY: Duration = Duration::from_millis(200);

/// One DC.
pub struct Dc {
    /// Its id.
    pub id: DcId,
    /// Its keys, sessions and streams.
    pub server: Server,
}

/// What the world is saved with.
pub struct Saver {
    /// Where to.
    pub file: StateFile,
    /// The private RSA key, PEM.
    pub rsa: String,
}

/// The servers, their streams and their world.
pub struct Owner {
    /// All that is known.
    pub world: World,
    /// What was executed, if anybody wants to know.
    pub log: Option<Log>,
    dcs: Vec<Dc>,
    clock: Clock,
    streams: BTreeMap<ConnId, Link>,
    /// Streams that are being closed, and when they are no longer waited for.
    closing: BTreeSet<(Time, ConnId)>,
    /// Streams that may have output.
    ready: BTreeSet<ConnId>,
    saver: Option<Saver>,
    /// When to save all, if something happened that is not noted by itself.
    save_at: Option<Time>,
}

struct Link {
    stream: Stream,
    /// The writer has a buffer.
    writing: bool,
    /// The server has output.
    waiting: bool,
    /// The server wants it closed behind its output.
    closing: bool,
}

impl Owner {
    /// An owner without streams. The DCs are in the order of their listeners' numbers.
    pub fn new(dcs: Vec<Dc>, mut world: World, clock: Clock, saver: Option<Saver>) -> Self {
        let now = clock.now();
        if saver.is_some() {
            world.note_changes();
        }
        Owner {
            world,
            log: None,
            dcs,
            clock,
            streams: BTreeMap::new(),
            closing: BTreeSet::new(),
            ready: BTreeSet::new(),
            saver,
            save_at: Some(now),
        }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Works until told to stop.
    pub fn run(mut self, inputs: &Receiver<Input>) {
        // The configuration may have brought accounts, the state calls that were not answered.
        self.pump();
        loop {
            match inputs.recv_timeout(self.patience()) {
                Ok(input) => {
                    if !self.handle(input) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for input in inputs.try_iter().take(BATCH) {
                if !self.handle(input) {
                    return;
                }
            }
            self.fire_timers();
            self.pump();
        }
    }

    fn patience(&self) -> Duration {
        let closing = self.closing.first().map(|(due, _)| *due);
        let servers = self.dcs.iter().filter_map(|dc| dc.server.poll_timeout());
        let save = self.saver.is_some().then_some(self.save_at).flatten();
        match servers.chain(closing).chain(save).min() {
            Some(due) => due.saturating_since(self.clock.now()).min(IDLE),
            None => IDLE,
        }
    }

    fn fire_timers(&mut self) {
        let now = self.clock.now();
        for dc in &mut self.dcs {
            if dc.server.poll_timeout().is_some_and(|due| due <= now) {
                dc.server.handle_timeout(now);
            }
        }
        while let Some((due, conn)) = self.closing.first().copied()
            && due <= now
        {
            self.closing.pop_first();
            self.closed(conn);
        }
    }

    fn closed(&mut self, conn: ConnId) {
        let now = self.clock.now();
        if let Some(link) = self.streams.remove(&conn) {
            self.dcs[link.stream.listener]
                .server
                .handle_closed(now, conn);
        }
    }

    /// Whether to go on.
    fn handle(&mut self, input: Input) -> bool {
        let now = self.clock.now();
        match input {
            Input::Opened(conn, stream) => {
                let link = Link {
                    stream,
                    writing: false,
                    waiting: false,
                    closing: false,
                };
                self.dcs[link.stream.listener]
                    .server
                    .handle_connected(now, conn);
                self.streams.insert(conn, link);
            }
            Input::Bytes(conn, bytes) => {
                if let Some(link) = self.streams.get(&conn) {
                    self.dcs[link.stream.listener]
                        .server
                        .handle_input(now, conn, &bytes);
                }
            }
            Input::Written(conn) => {
                if let Some(link) = self.streams.get_mut(&conn) {
                    link.writing = false;
                    self.ready.insert(conn);
                }
            }
            Input::Closed(conn) => self.closed(conn),
            Input::Do(job) => {
                job(self);
                self.save_at = Some(now);
            }
            Input::Stop => {
                self.save();
                return false;
            }
            Input::Kill => return false,
        }
        true
    }

    /// Sends an update to every session that has a stream; how many there were.
    pub fn push(&mut self, body: &Bytes) -> usize {
        let now = self.clock.now();
        let mut reached = 0;
        for dc in &mut self.dcs {
            let sessions: Vec<_> = dc.server.sessions().collect();
            let pushed = sessions
                .into_iter()
                .filter(|(key, session)| dc.server.push(now, *key, *session, body.clone()));
            reached = pushed.count().saturating_add(reached);
        }
        reached
    }

    /// Sends an update to those whom it is for and who have a stream; how many there were.
    pub fn push_to(&mut self, to: To, body: &Bytes) -> usize {
        let now = self.clock.now();
        let mut reached = 0;
        for (id, key, session) in self.world.sessions_of(to) {
            if let Some(dc) = self.dcs.iter_mut().find(|dc| dc.id == id) {
                let body = self.world.update_for((id, key, session), body);
                let sent = dc.server.push(now, key, session, body);
                reached = usize::from(sent).saturating_add(reached);
            }
        }
        reached
    }

    /// Breaks all streams, as a network does; how many there were. Keys and sessions stay.
    pub fn cut(&mut self) -> usize {
        let all: Vec<ConnId> = self.streams.keys().copied().collect();
        for conn in &all {
            self.closed(*conn);
        }
        all.len()
    }

    /// Saves all.
    fn save(&mut self) {
        self.save_at = None;
        let Some(saver) = &mut self.saver else {
            return;
        };
        let states: Vec<_> = self
            .dcs
            .iter_mut()
            .map(|dc| (dc.id, dc.server.suspend()))
            .collect();
        // They are part of it.
        self.world.take_changes();
        if !saver.file.save(&saver.rsa, &self.world, &states) {
            self.save_at = Some(self.clock.now() + SAVE_RETRY);
        }
    }

    /// Saves what happened, all that the servers made of it included.
    fn commit(&mut self) {
        let Some(saver) = &mut self.saver else {
            return;
        };
        let now = self.clock.now();
        if self.save_at.is_some_and(|at| at <= now) || saver.file.is_long() {
            return self.save();
        }
        let changes = self.world.take_changes();
        let servers: Vec<_> = self
            .dcs
            .iter_mut()
            .filter_map(|dc| Some((dc.id, dc.server.poll_change()?)))
            .collect();
        let nothing = changes.is_empty() && servers.is_empty();
        if !nothing && self.save_at.is_none() && !saver.file.append(servers, changes) {
            // What was not noted is only in the whole.
            self.save();
        }
    }

    /// Takes what the servers have: requests first, for answers are output too. What leaves is
    /// saved before, with what it tells of: who is told of something finds it again.
    fn pump(&mut self) {
        for number in 0..self.dcs.len() {
            while let Some(event) = self.dcs[number].server.poll_event() {
                self.event(number, event);
            }
        }
        // An event of one server makes output in another.
        for number in 0..self.dcs.len() {
            self.act(number);
        }
        let mut output = Vec::new();
        while let Some(conn) = self.ready.pop_first() {
            if let Some(buffer) = self.take_output(conn) {
                output.push((conn, buffer));
            }
            // A stream that breaks on its own output is closed.
            for number in 0..self.dcs.len() {
                self.act(number);
            }
        }
        self.commit();
        if let Some(log) = &mut self.log {
            log.flush();
        }
        for (conn, buffer) in output {
            if let Some(link) = self.streams.get_mut(&conn) {
                link.stream.write(buffer);
            }
        }
    }

    fn act(&mut self, number: usize) {
        while let Some(action) = self.dcs[number].server.poll_action() {
            let conn = match action {
                Action::Transmit { conn } => conn,
                Action::Close { conn, .. } => {
                    if let Some(link) = self.streams.get_mut(&conn)
                        && !std::mem::replace(&mut link.closing, true)
                    {
                        let due = self.clock.now() + CLOSE_TIMEOUT;
                        self.closing.insert((due, conn));
                    }
                    conn
                }
                // No fallback is configured; of a later core's actions nothing hangs but what they are
                // about.
                Action::Fallback { .. } | _ => continue,
            };
            if let Some(link) = self.streams.get_mut(&conn) {
                link.waiting = true;
                self.ready.insert(conn);
            }
        }
    }

    /// The next buffer for a stream's writer, if it has none and there is something to write.
    fn take_output(&mut self, conn: ConnId) -> Option<Vec<u8>> {
        let now = self.clock.now();
        let link = self.streams.get_mut(&conn)?;
        if link.writing {
            return None;
        }
        let server = &mut self.dcs[link.stream.listener].server;
        let mut buffer = Vec::new();
        while link.waiting && buffer.len() < WRITE_SIZE {
            link.waiting = server.poll_transmit(now, conn, &mut buffer);
        }
        if buffer.is_empty() {
            if link.closing {
                link.stream.finish();
            }
            return None;
        }
        link.writing = true;
        Some(buffer)
    }

    fn event(&mut self, number: usize, event: Event) {
        let dc = self.dcs[number].id;
        match event {
            Event::Request {
                id,
                auth_key_id,
                perm_key,
                session,
                msg_id,
                body,
                again: _,
            } => {
                let caller = self.caller(number, auth_key_id, perm_key, session, msg_id);
                let now = self.clock.now();
                let answer = self.world.call(now, &caller, &body);
                if let Some(log) = &mut self.log {
                    log.executed(&caller, msg_id, &body, &answer);
                }
                if self.world.was_about_logins() {
                    self.save_at = Some(now);
                }
                self.answer(number, id, &caller, answer);
                while let Some((to, body)) = self.world.poll_push() {
                    self.push_to(to, &body);
                }
            }
            Event::KeyDestroyed { auth_key_id } => {
                self.world.key_destroyed(dc, auth_key_id);
                self.save_at = Some(self.clock.now());
            }
            Event::SessionClosed {
                auth_key_id,
                session,
            } => self.world.session_closed(dc, auth_key_id, session),
            // The server remembers its keys, all are there from the beginning, and every call is
            // answered at once.
            Event::KeyCreated { .. }
            | Event::KeyNeeded { .. }
            | Event::SessionCreated { .. }
            | Event::Dropped { .. }
            | _ => {}
        }
    }

    fn caller(
        &self,
        number: usize,
        key: AuthKeyId,
        perm: Option<AuthKeyId>,
        session: SessionId,
        msg_id: MsgId,
    ) -> Caller {
        let dc = &self.dcs[number];
        let ip_of = |key, session| {
            let conn = dc.server.stream_of(key, session)?;
            Some(self.streams.get(&conn)?.stream.ip)
        };
        let ip = ip_of(key, session);
        let at = KeyAt {
            dc: dc.id,
            key: perm.unwrap_or(key),
        };
        let elsewhere = self.world.rules.refuse_duplicated_keys
            && self
                .world
                .sessions_of(To::Key(at))
                .into_iter()
                .filter_map(|(_, key, session)| ip_of(key, session))
                .any(|other| ip.is_some_and(|ip| ip != other));
        Caller {
            dc: dc.id,
            key,
            perm,
            session,
            ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
            elsewhere,
            msg_id,
        }
    }

    fn answer(&mut self, number: usize, id: IncomingId, caller: &Caller, answer: Answer) {
        let now = self.clock.now();
        let Dc { id: dc, server } = &mut self.dcs[number];
        // The client may have gone meanwhile; then nobody waits for the answer.
        let _ = match answer {
            // What is too long to be sent is not waited for in vain.
            Answer::Result(body) => {
                server.respond(now, id, body)
                    || server.respond_error(now, id, 500, "RESPONSE_TOO_LONG")
            }
            Answer::Error(code, message) => server.respond_error(now, id, code, &message),
            Answer::DropTempKeys(key, except) => {
                server.drop_temp_keys(now, key, &except);
                server.respond(now, id, true.to_bytes())
            }
            Answer::Bind(query) => {
                let bound = server.bind_temp_key(
                    now,
                    id,
                    query.perm_auth_key_id,
                    query.nonce,
                    query.expires_at,
                    &query.encrypted_message,
                );
                match bound {
                    Ok(()) => {
                        let perm = AuthKeyId(query.perm_auth_key_id);
                        self.world.bound(*dc, caller.key, perm);
                        server.respond(now, id, true.to_bytes())
                    }
                    Err(error) => server.respond_error(now, id, 400, error.message()),
                }
            }
        };
    }
}
