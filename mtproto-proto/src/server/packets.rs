//! Encrypted packets: under which key, in which session.
//!
//! Does: finds a packet's key and session, moves the session to the stream that brought it; lets
//! packets wait for a key that the owner has to find.
//! In: frames' packets, keys. Out: what the sessions make of them.
//! Must not know: framing, calls.
//! Spec: "Mobile Protocol: Detailed Description"; "Service Messages", sessions.

use alloc::vec::Vec;

use bytes::BytesMut;

use crate::connection::Error;
use crate::crypto::{AuthKey, Direction};
use crate::error::count;
use crate::ids::{AuthKeyId, ConnId};
use crate::server::registry::Room;
use crate::server::stream::{Control, Stream};
use crate::server::{Event, Server};
use crate::session::packet;
use crate::time::Time;

impl Server {
    pub(super) fn handle_packet(
        &mut self,
        now: Time,
        conn: ConnId,
        stream: &mut Stream,
        packet: BytesMut,
        quick_ack: bool,
    ) -> Result<(), Error> {
        let unknown = Error::Status { code: -404 };
        match packet::auth_key_id(&packet) {
            None => Err(unknown),
            Some(0) => self.handle_plain(now, stream, &packet),
            Some(id) => {
                let id = AuthKeyId(id);
                if let Some(key) = self.keys.get(id, now) {
                    let key = key.clone();
                    return self.handle_encrypted(now, conn, stream, &key, packet, quick_ack);
                }
                if !self.config.external_keys {
                    return Err(unknown);
                }
                self.events.push_back(Event::KeyNeeded { auth_key_id: id });
                stream.park(packet, quick_ack)
            }
        }
    }

    fn handle_encrypted(
        &mut self,
        now: Time,
        conn: ConnId,
        stream: &mut Stream,
        key: &AuthKey,
        packet: BytesMut,
        quick_ack: bool,
    ) -> Result<(), Error> {
        let opened = packet::open(key, Direction::ToServer, packet)?;
        if quick_ack {
            stream.push(Control::QuickAck(opened.quick_ack))?;
        }
        let (id, session) = (key.id(), opened.header.session_id);
        if session.0 == 0 {
            return Err(Error::Status { code: -404 });
        }
        if !stream.has_room_for(id, session) {
            return Err(Error::Status { code: -429 });
        }
        if !self.registry.contains(id, session) {
            if !self.make_room_for_session(id) {
                return Err(Error::Status { code: -429 });
            }
            self.registry
                .create(key, session, self.keys.first_salt(id), now);
            self.events.push_back(Event::SessionCreated {
                auth_key_id: id,
                session,
            });
        }
        // Whoever sends a copy of somebody's packet has not shown that he has the key.
        if self
            .registry
            .is_news(id, session, opened.header.msg_id, now)
        {
            stream.authenticated(&self.config, now);
            self.keys.used(id, now);
            self.seat_client(conn, stream, id, now);
        }
        if self.registry.moves(id, session, opened.header.msg_id)
            && let Some(former) = self.registry.attach(id, session, conn, now)
        {
            if let Some(former) = self.streams.get_mut(&former) {
                former.sessions.retain(|other| *other != (id, session));
            }
            stream.attach(id, session);
        }
        let Some(entry) = self.registry.get_mut(id, session) else {
            return Ok(());
        };
        entry.session.handle_opened(now, opened, &mut self.rng)?;
        let (speaks_through, overflowed) = (entry.conn, entry.session.has_overflowed());
        self.drain_session(now, id, session, Some(stream));
        match speaks_through {
            // It asks and does not read.
            Some(this) if this == conn && overflowed => Err(Error::Silent),
            Some(this) => {
                // This one is woken in any case.
                self.wake(this);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Answers [`Event::KeyNeeded`]; `None`: there is no such key. Also adds a stored permanent
    /// key before anybody asks.
    pub fn provide_key(&mut self, now: Time, auth_key_id: AuthKeyId, key: Option<AuthKey>) {
        let now = self.forward(now);
        let mut refusal = -404;
        if let Some(key) = key
            && !self.keys.knows(key.id())
        {
            if self.make_room_for_key() {
                self.keys.insert_stored(key, now);
            } else {
                // It exists: to deny it would make the client throw it away.
                refusal = -429;
            }
        }
        let range = (auth_key_id, ConnId(0))..=(auth_key_id, ConnId(u64::MAX));
        let waiting: Vec<ConnId> = self.awaiting.range(range).map(|(_, conn)| *conn).collect();
        for conn in waiting {
            let Some(mut stream) = self.streams.remove(&conn) else {
                continue;
            };
            let before = stream.deadline;
            // One that is over and still in the list would be asked for again.
            let known = self.keys.get(auth_key_id, now).is_some();
            let mut handled = if known {
                Ok(())
            } else {
                Err(Error::Status { code: refusal })
            };
            let mut parked = core::mem::take(&mut stream.parked);
            while handled.is_ok()
                && !stream.closing
                && stream.parked.is_empty()
                && let Some((packet, quick_ack)) = parked.pop_front()
            {
                handled = self.handle_packet(now, conn, &mut stream, packet, quick_ack);
            }
            stream.parked.append(&mut parked);
            if let Err(error) = handled {
                self.close(conn, &mut stream, error);
            }
            self.put_back(now, conn, stream, before, true);
        }
    }

    /// Makes room for a session; `false` if there is none to be made.
    fn make_room_for_session(&mut self, key: AuthKeyId) -> bool {
        match self.registry.room_for(key) {
            Room::Free => true,
            Room::After(key, session) => {
                count(&mut self.stats.sessions_displaced);
                self.remove_session(key, session);
                true
            }
            Room::None => {
                count(&mut self.stats.sessions_refused);
                false
            }
        }
    }
}
