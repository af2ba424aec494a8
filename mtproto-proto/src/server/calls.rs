//! What the sessions say, and what the owner says to them.
//!
//! Does: hands calls to the owner, carries answers and updates to the sessions; ends sessions and
//! keys as clients ask for it; binds temporary keys.
//! In: sessions' events, the owner's answers. Out: events.
//! Must not know: packets, framing, what a call means.
//! Spec: "Service Messages"; "Perfect Forward Secrecy".

use alloc::string::String;

use bytes::Bytes;
use mtproto_schema::Encode;
use mtproto_schema::mtproto::enums::DestroyAuthKeyRes;
use mtproto_schema::mtproto::types;

use crate::connection::Error;
use crate::error::count;
use crate::ids::{AuthKeyId, IncomingId, MsgId, SessionId};
use crate::server::keys::{self, NoRoom};
use crate::server::stream::Stream;
use crate::server::timers::TimerOf;
use crate::server::waiting::call_bytes;
use crate::server::{BindRefused, Event, Server};
use crate::session::{Event as SessionEvent, MAX_ANSWER};
use crate::time::Time;

impl Server {
    /// Answers a call with its boxed result. `false` if nobody waits for it any more, or it is
    /// longer than a client takes ([`MAX_ANSWER`]); then the call waits for another one.
    pub fn respond(&mut self, now: Time, id: IncomingId, body: Bytes) -> bool {
        self.forward(now);
        if body.len() > MAX_ANSWER {
            return false;
        }
        let Some((key, session, msg_id)) = self.registry.take_call(id) else {
            return false;
        };
        let Some(entry) = self.registry.get_mut(key, session) else {
            return false;
        };
        let done = entry.session.respond(msg_id, body);
        self.after_queueing(key, session);
        done
    }

    /// Answers a call with `rpc_error`.
    pub fn respond_error(&mut self, now: Time, id: IncomingId, code: i32, message: &str) -> bool {
        let error = types::RpcError {
            error_code: code,
            error_message: String::from(message).into(),
        };
        self.respond(now, id, error.to_bytes())
    }

    /// Sends an update to a session. `false` if no stream carries it now or its queue is full.
    pub fn push(
        &mut self,
        now: Time,
        auth_key_id: AuthKeyId,
        session: SessionId,
        body: Bytes,
    ) -> bool {
        self.forward(now);
        let Some(entry) = self.registry.get_mut(auth_key_id, session) else {
            return false;
        };
        if entry.conn.is_none() {
            return false;
        }
        let done = entry.session.push(body);
        self.after_queueing(auth_key_id, session);
        done
    }

    /// Binds the temporary key that a call came under to a permanent one: the owner has found
    /// `auth.bindTempAuthKey` in it and answers it according to the result.
    ///
    /// # Errors
    /// [`BindRefused`], whose message is the answer.
    pub fn bind_temp_key(
        &mut self,
        now: Time,
        id: IncomingId,
        perm_auth_key_id: i64,
        nonce: i64,
        expires_at: i32,
        encrypted_message: &[u8],
    ) -> Result<(), BindRefused> {
        let now = self.forward(now);
        let (key, session, msg_id) = self
            .registry
            .call(id)
            .ok_or(BindRefused::EncryptedMessageInvalid)?;
        let request = keys::Bind {
            temp: key,
            perm: AuthKeyId(perm_auth_key_id),
            session,
            msg_id,
            nonce,
            expires_at,
        };
        let gone = self.keys.bind(now, &request, encrypted_message)?;
        if let Some(gone) = gone {
            self.drop_key(gone);
        }
        Ok(())
    }

    /// Forgets temporary keys bound to this permanent key, but for those named
    /// (`auth.dropTempAuthKeys`).
    pub fn drop_temp_keys(&mut self, now: Time, perm: AuthKeyId, except: &[i64]) {
        let _ = self.forward(now);
        for key in self.keys.bound_to(perm, except) {
            self.drop_key(key);
        }
    }

    /// Vouches for a permanent key, as when somebody signed in with it, or no more: with
    /// [`ServerConfig::forget_unkept_keys`](super::ServerConfig::forget_unkept_keys) the others may
    /// give way when there are too many. What was said of keys is not part of a [`ServerState`](super::ServerState):
    /// after [`Server::resume`] it has to be said again, before anything else.
    pub fn keep_key(&mut self, now: Time, auth_key_id: AuthKeyId, keep: bool) {
        let now = self.forward(now);
        self.keys.keep(auth_key_id, now, keep);
    }

    /// Forgets a key with its sessions.
    pub(super) fn drop_key(&mut self, key: AuthKeyId) {
        let expires = self.keys.remove(key);
        self.arm(TimerOf::Key(key), expires, None);
        for session in self.registry.sessions_of(key) {
            self.remove_session(key, session);
        }
    }

    /// Makes room for a key; `false` if there is none to be made.
    pub(super) fn make_room_for_key(&mut self) -> bool {
        match self.keys.room() {
            Ok(None) => true,
            Ok(Some(gone)) => {
                for bound in self.keys.bound_to(gone, &[]) {
                    self.drop_key(bound);
                }
                self.drop_key(gone);
                count(&mut self.stats.keys_forgotten);
                let auth_key_id = gone;
                self.events.push_back(Event::KeyForgotten { auth_key_id });
                true
            }
            Err(NoRoom) => {
                count(&mut self.stats.keys_refused);
                false
            }
        }
    }

    /// Takes a session's events.
    pub(super) fn drain_session(
        &mut self,
        now: Time,
        key: AuthKeyId,
        session: SessionId,
        mut stream: Option<&mut Stream>,
    ) {
        while let Some(entry) = self.registry.get_mut(key, session)
            && let Some(event) = entry.session.poll_event()
        {
            match event {
                SessionEvent::Request { msg_id, body } => {
                    if !self.has_room_for_call(key, session, body.len()) {
                        self.refuse_call(key, session, msg_id);
                        continue;
                    }
                    let perm_key = self.keys.permanent(key);
                    let id = self.registry.register(key, session, msg_id, body.len());
                    self.untaken = self.untaken.saturating_add(call_bytes(body.len()));
                    self.events.push_back(Event::Request {
                        id,
                        auth_key_id: key,
                        perm_key,
                        session,
                        msg_id,
                        body,
                        again: false,
                    });
                }
                SessionEvent::Dropped { msg_id } => {
                    if let Some(id) = self.registry.unregister(key, session, msg_id) {
                        self.events.push_back(Event::Dropped { id });
                    }
                }
                SessionEvent::DisconnectAfter { delay } => {
                    if let Some(stream) = stream.as_deref_mut() {
                        stream.disconnect_after(now, delay);
                    }
                }
                SessionEvent::DestroySession { session_id, .. } => {
                    let found = session_id != session && self.registry.contains(key, session_id);
                    if found {
                        self.remove_session(key, session_id);
                    }
                    if let Some(entry) = self.registry.get_mut(key, session) {
                        let session_id = session_id.0;
                        if found {
                            entry
                                .session
                                .respond_bare(&types::DestroySessionOk { session_id });
                        } else {
                            entry
                                .session
                                .respond_bare(&types::DestroySessionNone { session_id });
                        }
                    }
                }
                SessionEvent::DestroyAuthKey { .. } => self.destroy_key(key, session),
                // A client's.
                SessionEvent::Response { .. }
                | SessionEvent::Failed { .. }
                | SessionEvent::Acked { .. }
                | SessionEvent::Update { .. }
                | SessionEvent::SessionRenewed { .. }
                | SessionEvent::UpdatesMissed
                | SessionEvent::ClockCorrected { .. }
                | SessionEvent::KeyStateChanged => {}
            }
        }
        self.arm_session(key, session);
    }

    /// Whether a call may be handed out. One that was dropped, or whose session has ended, does not run
    /// any more but keeps its bytes until the owner takes it.
    fn has_room_for_call(&self, key: AuthKeyId, session: SessionId, len: usize) -> bool {
        let untaken = self.untaken.saturating_add(call_bytes(len));
        untaken <= self.config.max_running_bytes
            && self.registry.has_room_for_call(key, session, len)
    }

    /// A call that nobody is told of.
    fn refuse_call(&mut self, key: AuthKeyId, session: SessionId, msg_id: MsgId) {
        count(&mut self.stats.calls_refused);
        if let Some(entry) = self.registry.get_mut(key, session) {
            entry.session.respond_busy(msg_id);
        }
    }

    /// A permanent key is forgotten at once; the session that asked still gets its answer.
    fn destroy_key(&mut self, key: AuthKeyId, session: SessionId) {
        let destroyed = self.keys.is_permanent(key);
        if destroyed {
            for temp in self.keys.bound_to(key, &[]) {
                self.drop_key(temp);
            }
            self.keys.remove(key);
        }
        if let Some(entry) = self.registry.get_mut(key, session) {
            if destroyed {
                entry
                    .session
                    .respond_bare(&DestroyAuthKeyRes::DestroyAuthKeyOk);
            } else {
                entry
                    .session
                    .respond_bare(&DestroyAuthKeyRes::DestroyAuthKeyFail);
            }
        }
        if destroyed {
            for other in self.registry.sessions_of(key) {
                if other != session {
                    self.remove_session(key, other);
                }
            }
            self.events
                .push_back(Event::KeyDestroyed { auth_key_id: key });
        }
    }

    pub(super) fn remove_session(&mut self, key: AuthKeyId, session: SessionId) {
        let Some(entry) = self.registry.remove(key, session) else {
            return;
        };
        self.arm(TimerOf::Session(key, session), entry.armed, None);
        if let Some(stream) = entry.conn.and_then(|conn| self.streams.get_mut(&conn)) {
            stream.sessions.retain(|other| *other != (key, session));
        }
        self.events.push_back(Event::SessionClosed {
            auth_key_id: key,
            session,
        });
    }

    /// Something may wait for the session's stream; a client that does not read is closed.
    fn after_queueing(&mut self, key: AuthKeyId, session: SessionId) {
        let Some(entry) = self.registry.get_mut(key, session) else {
            return;
        };
        let (conn, overflowed) = (entry.conn, entry.session.has_overflowed());
        self.arm_session(key, session);
        if let Some(conn) = conn {
            if overflowed {
                self.close_by_id(conn, Error::Silent);
            }
            self.wake(conn);
        }
    }
}
