//! A server's life beyond its process.
//!
//! Does: takes a server apart into a [`ServerState`], makes one of it again, says what changed.
//! In: states. Out: states, changes; the calls that ran.
//! Must not know: bytes, files.
//! Spec: none.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::rng::Rng;
use crate::server::state::Saved;
use crate::server::timers::TimerOf;
use crate::server::waiting::call_bytes;
use crate::server::{Event, Server, ServerChange, ServerConfig, ServerState};
use crate::time::Time;

impl Server {
    /// All that has to be remembered. The server may go on, but what it says then is missing from
    /// the state: whoever resumes an old state gives ids twice and executes calls twice. Either
    /// nothing leaves any more (throw the server away), or what follows is stored too, with
    /// [`Server::poll_change`], which from here on tells what changed since.
    #[must_use]
    pub fn suspend(&mut self) -> ServerState {
        let mut saved = Saved {
            keys: self.keys.save(),
            ..Saved::default()
        };
        self.registry.save(&mut saved);
        ServerState(saved)
    }

    /// What changed since the state was taken or resumed, or since the last call; `None`: nothing.
    /// Only with [`ServerConfig::journal`](super::ServerConfig::journal).
    ///
    /// To lose nothing and to double nothing when the process is killed: handle input, answer the
    /// calls, take all output with [`Server::poll_transmit`]; then store the effects of the calls
    /// together with this; then write the output.
    pub fn poll_change(&mut self) -> Option<ServerChange> {
        let (keys_gone, keys) = self.keys.take_change();
        let mut saved = Saved {
            keys_gone,
            keys,
            ..Saved::default()
        };
        let changed = self.registry.take_change(&mut saved);
        let changed = changed || !(saved.keys.is_empty() && saved.keys_gone.is_empty());
        changed.then_some(ServerChange(saved))
    }

    /// A server with the keys and sessions of another one, which runs no more.
    ///
    /// Nothing is executed twice: what came is known. Calls that were not answered come again as
    /// [`Event::Request`], under their old names and with `again`, before
    /// anything else; whoever stored the state along with what the calls did knows what to answer.
    /// Answers and updates that were not acknowledged are sent again, or announced, when their
    /// session comes back; a session that does not is forgotten after
    /// [`ServerConfig::session_timeout`](super::ServerConfig::session_timeout). Keys that are over by
    /// now are left out, with their sessions.
    ///
    /// `rng` must not be one that a server had before: nonces and padding would come twice.
    pub fn resume(config: Arc<ServerConfig>, state: ServerState, rng: Rng, now: Time) -> Self {
        let mut saved = state.0;
        let mut keys = core::mem::take(&mut saved.keys);
        keys.retain(|_, key| key.expires.is_none_or(|at| now < at));
        let mut server = Server::with_secret(config, saved.salt_secret.clone(), rng, now);
        for (id, key) in &keys {
            server.arm(TimerOf::Key(*id), None, key.expires);
        }
        server.keys.restore(keys, now);
        let running = server.registry.restore(&mut saved, &server.keys, now);
        for (id, auth_key_id, session, msg_id, body) in running {
            server.untaken = server.untaken.saturating_add(call_bytes(body.len()));
            server.events.push_back(Event::Request {
                id,
                auth_key_id,
                perm_key: server.keys.permanent(auth_key_id),
                session,
                msg_id,
                body,
                again: true,
            });
        }
        let sessions: Vec<_> = server.registry.ids().collect();
        for (key, session) in sessions {
            server.arm_session(key, session);
        }
        server
    }
}
