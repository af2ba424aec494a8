//! The one owner of the server: all that happens to it happens here, one thing after the other.
//!
//! Does: moves [`Input`]s into the [`Server`], its requests through the [`Api`], and its output to
//! the streams, at most one buffer for each stream at a time, so that what a client does not read
//! waits in the server, where it is bounded.
//! In: inputs. Out: buffers for the streams.
//! Must not know: threads, sockets.
//! Spec: none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::server::{Action, Event, Server};
use mtproto_proto::{AuthKeyId, ConnId, IncomingId, Time};
use mtproto_schema::Encode;

use super::api::{Answer, Api, Caller};
use super::clock::Clock;
use super::net::{Input, Stream};

/// Bytes given to a stream's writer at once, plus at most one packet.
const WRITE_SIZE: usize = 64 << 10;

/// Inputs handled before output is looked at: enough to answer a burst with one write.
const BATCH: usize = 32;

/// How long to wait when no timer runs; there is nothing to do then.
const IDLE: Duration = Duration::from_secs(3600);

/// How long a client may take to read what is left when its stream is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The server, its streams and its API.
pub struct Owner {
    server: Server,
    api: Api,
    clock: Clock,
    streams: BTreeMap<ConnId, Link>,
    /// Streams that are being closed, and when they are no longer waited for.
    closing: BTreeSet<(Time, ConnId)>,
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
    /// An owner without streams.
    pub fn new(server: Server, api: Api, clock: Clock) -> Self {
        Owner {
            server,
            api,
            clock,
            streams: BTreeMap::new(),
            closing: BTreeSet::new(),
        }
    }

    /// Works until told to stop.
    pub fn run(mut self, inputs: &Receiver<Input>) {
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
        match self.server.poll_timeout().into_iter().chain(closing).min() {
            Some(due) => due.saturating_since(self.clock.now()).min(IDLE),
            None => IDLE,
        }
    }

    fn fire_timers(&mut self) {
        let now = self.clock.now();
        if self.server.poll_timeout().is_some_and(|due| due <= now) {
            self.server.handle_timeout(now);
        }
        while let Some((due, conn)) = self.closing.first().copied()
            && due <= now
        {
            self.closing.pop_first();
            self.streams.remove(&conn);
            self.server.handle_closed(now, conn);
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
                self.streams.insert(conn, link);
                self.server.handle_connected(now, conn);
            }
            Input::Bytes(conn, bytes) => {
                self.server.handle_input(now, conn, &bytes);
            }
            Input::Written(conn) => {
                if let Some(link) = self.streams.get_mut(&conn) {
                    link.writing = false;
                    self.flush(conn);
                }
            }
            Input::Closed(conn) => {
                self.streams.remove(&conn);
                self.server.handle_closed(now, conn);
            }
            Input::Push(body, reply) => {
                // Whoever asked may have gone.
                let _ = reply.try_send(self.push(&body));
            }
            Input::Stop => return false,
        }
        true
    }

    fn push(&mut self, body: &Bytes) -> usize {
        let now = self.clock.now();
        let sessions: Vec<_> = self.server.sessions().collect();
        sessions
            .into_iter()
            .filter(|(key, session)| self.server.push(now, *key, *session, body.clone()))
            .count()
    }

    /// Takes what the server has: requests first, for answers are output too.
    fn pump(&mut self) {
        while let Some(event) = self.server.poll_event() {
            self.event(event);
        }
        let mut ready = BTreeSet::new();
        while let Some(action) = self.server.poll_action() {
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
                // A later core's; without it nothing hangs but what it is about.
                _ => continue,
            };
            if let Some(link) = self.streams.get_mut(&conn) {
                link.waiting = true;
                ready.insert(conn);
            }
        }
        for conn in ready {
            self.flush(conn);
        }
    }

    /// Gives a stream's writer the next buffer, if it has none and there is something to write.
    fn flush(&mut self, conn: ConnId) {
        let now = self.clock.now();
        let Some(link) = self.streams.get_mut(&conn) else {
            return;
        };
        if link.writing {
            return;
        }
        let mut buffer = Vec::new();
        while link.waiting && buffer.len() < WRITE_SIZE {
            link.waiting = self.server.poll_transmit(now, conn, &mut buffer);
        }
        if !buffer.is_empty() {
            link.writing = true;
            link.stream.write(buffer);
        } else if link.closing {
            link.stream.finish();
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Request {
                id,
                auth_key_id,
                perm_key,
                body,
                ..
            } => {
                let caller = Caller {
                    key: auth_key_id,
                    perm: perm_key,
                };
                let answer = self.api.call(self.clock.now(), caller, &body);
                self.answer(id, caller, answer);
            }
            Event::KeyDestroyed { auth_key_id } => self.api.forget(auth_key_id),
            // Nothing is kept for sessions, keys need not survive the process, and every call is
            // answered at once.
            Event::KeyCreated { .. }
            | Event::KeyNeeded { .. }
            | Event::SessionCreated { .. }
            | Event::SessionClosed { .. }
            | Event::Dropped { .. }
            | _ => {}
        }
    }

    fn answer(&mut self, id: IncomingId, caller: Caller, answer: Answer) {
        let now = self.clock.now();
        // The client may have gone meanwhile; then nobody waits for the answer.
        let _ = match answer {
            Answer::Result(body) => self.server.respond(now, id, body),
            Answer::Error(code, message) => self.server.respond_error(now, id, code, &message),
            Answer::DropTempKeys(key, except) => {
                self.server.drop_temp_keys(now, key, &except);
                self.server.respond(now, id, true.to_bytes())
            }
            Answer::Bind(query) => {
                let bound = self.server.bind_temp_key(
                    now,
                    id,
                    query.perm_auth_key_id,
                    query.nonce,
                    query.expires_at,
                    &query.encrypted_message,
                );
                match bound {
                    Ok(()) => {
                        self.api
                            .bound(caller.key, AuthKeyId(query.perm_auth_key_id));
                        self.server.respond(now, id, true.to_bytes())
                    }
                    Err(error) => self.server.respond_error(now, id, 400, error.message()),
                }
            }
        };
    }
}
