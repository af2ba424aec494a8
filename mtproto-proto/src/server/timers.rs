//! A server's timers.
//!
//! Does: one entry for each stream, session, key and half-open handshake that has a deadline.
//! In: deadlines, the time. Out: what is due.
//! Must not know: why a deadline was set.
//! Spec: none.

use crate::connection::Error;
use crate::ids::{AuthKeyId, ConnId, SessionId, SourceId};
use crate::server::Server;
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerOf {
    Stream(ConnId),
    Session(AuthKeyId, SessionId),
    Key(AuthKeyId),
    Handshake([u8; 16]),
    Source(SourceId),
}

impl Server {
    /// Lets deadlines pass.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.forward(now);
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, timer));
            match timer {
                TimerOf::Stream(conn) => self.close_by_id(conn, Error::Silent),
                TimerOf::Handshake(nonce) => {
                    self.half_open.take(&nonce);
                }
                TimerOf::Source(source) => {
                    if let Some(source) = self.sources.get_mut(source) {
                        source.armed = None;
                    }
                    self.rest_source(now, source);
                }
                TimerOf::Key(key) => self.drop_key(key),
                TimerOf::Session(key, session) => {
                    let Some(entry) = self.registry.get_mut(key, session) else {
                        continue;
                    };
                    entry.armed = None;
                    if entry.forget_at.is_some_and(|at| at <= now) {
                        self.remove_session(key, session);
                        continue;
                    }
                    // A server's session is not silent on its own: streams have deadlines.
                    let _ = entry.session.handle_timeout(now);
                    let conn = entry.conn;
                    self.drain_session(now, key, session, None);
                    if let Some(conn) = conn {
                        self.wake(conn);
                    }
                }
            }
        }
    }

    /// The earliest timer.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn arm(&mut self, timer: TimerOf, before: Option<Time>, after: Option<Time>) {
        if let Some(at) = before {
            self.timers.remove(&(at, timer));
        }
        if let Some(at) = after.filter(|at| *at != Time::MAX) {
            self.timers.insert((at, timer));
        }
    }

    /// Something happened in a session: its timer and what waits in it may have changed.
    pub(super) fn arm_session(&mut self, key: AuthKeyId, session: SessionId) {
        self.registry.weigh(key, session);
        let Some(entry) = self.registry.get_mut(key, session) else {
            return;
        };
        let wanted = [entry.session.poll_timeout(), entry.forget_at]
            .into_iter()
            .flatten()
            .min();
        let before = core::mem::replace(&mut entry.armed, wanted);
        self.arm(TimerOf::Session(key, session), before, wanted);
    }
}
