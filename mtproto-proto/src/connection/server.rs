//! A server's end of one stream.
//!
//! Does: makes a [`Machine`] of a [`Server`] with one stream.
//! In: bytes, answers, the time. Out: bytes, the server's events, the next deadline.
//! Must not know: other streams; who has many uses [`Server`].
//! Spec: as [`crate::server`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::connection::Error;
use crate::ids::ConnId;
use crate::machine::Machine;
use crate::rng::Rng;
use crate::server::{Action, Event, Server, ServerConfig};
use crate::time::Time;

/// The only stream.
const CONN: ConnId = ConnId(0);

/// A server's end of one stream. Answer calls through [`ServerConnection::server`].
#[derive(Debug)]
pub struct ServerConnection {
    server: Server,
    error: Option<Error>,
}

impl ServerConnection {
    /// A connection over a stream that was just accepted.
    pub fn new(config: Arc<ServerConfig>, rng: Rng, now: Time) -> Self {
        ServerConnection::with(Server::new(config, rng, now), now)
    }

    /// A connection for a server that knows keys and sessions already, of an earlier stream or of
    /// a store ([`Server::resume`]).
    pub fn with(mut server: Server, now: Time) -> Self {
        while server.poll_action().is_some() {}
        server.handle_connected(now, CONN);
        ServerConnection {
            server,
            error: None,
        }
    }

    /// The server, to answer calls and push updates.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// The server with its keys and sessions, for the next stream, or to be stored with
    /// [`Server::suspend`].
    pub fn into_server(mut self, now: Time) -> Server {
        self.server.handle_closed(now, CONN);
        self.server
    }

    fn check(&mut self) -> Result<(), Error> {
        while let Some(action) = self.server.poll_action() {
            match action {
                // The owner of one stream has no other one to pass its bytes to.
                Action::Close { conn: CONN, error }
                | Action::Fallback {
                    conn: CONN, error, ..
                } => {
                    self.error.get_or_insert(error);
                }
                // Of streams that the server had before.
                Action::Close { .. } | Action::Fallback { .. } | Action::Transmit { .. } => {}
            }
        }
        self.error.clone().map_or(Ok(()), Err)
    }
}

impl Machine for ServerConnection {
    type Event = Event;
    type Error = Error;

    fn handle_input(&mut self, now: Time, bytes: &[u8]) -> Result<(), Error> {
        self.check()?;
        self.server.handle_input(now, CONN, bytes);
        self.check()
    }

    fn handle_eof(&mut self, now: Time) -> Result<(), Error> {
        self.check()?;
        self.server.handle_closed(now, CONN);
        Err(self.error.get_or_insert(Error::Eof).clone())
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), Error> {
        self.check()?;
        self.server.handle_timeout(now);
        self.check()
    }

    fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let written = self.server.poll_transmit(now, CONN, out);
        let _ = self.check();
        written
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.server.poll_event()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.server.poll_timeout().filter(|_| self.error.is_none())
    }
}
