//! The server of the connection level.
//!
//! Does: turns of its driver, and the part of its owner that binds temporary keys.
//! In: bytes of streams, the time. Out: bytes for streams, calls for the stage.
//! Must not know: what calls mean beyond binding.
//! Spec: "Perfect Forward Secrecy".

use mtproto_proto::server::{Action, Event};
use mtproto_proto::{ConnId, IncomingId};
use mtproto_schema::{Reader, tl};

use super::ConnectionLevel;
use crate::sim::model::{Checked, broken};
use crate::sim::outcome::Invariant;
use crate::sim::stage::{Call, Handle, Stage};
use crate::sim::watch::From;
use crate::wire::Arrival;

const BIND_TEMP_AUTH_KEY: u32 = 0xcdd4_2a05;
const BOOL_TRUE: u32 = 0x9972_75b5;

impl ConnectionLevel {
    /// One turn of the server's driver; whether anything happened.
    pub(super) fn server_turn(&mut self, stage: &mut Stage) -> Checked<bool> {
        let mut busy = self.read_streams(stage)?;
        let local = stage.server_now();
        if self.server.poll_timeout().is_some_and(|at| at <= local) {
            busy = true;
            stage.step()?;
            self.server.handle_timeout(local);
            stage.timer_moved("server", local, self.server.poll_timeout())?;
        }
        while let Some(event) = self.server.poll_event() {
            busy = true;
            stage.step()?;
            self.server_event(stage, event);
        }
        busy |= self.write_streams(stage)?;
        self.streams
            .retain(|_, stream| stream.used || stream.served);
        Ok(busy)
    }

    fn read_streams(&mut self, stage: &mut Stage) -> Checked<bool> {
        let mut busy = false;
        let local = stage.server_now();
        for (conn, stream) in &mut self.streams {
            while stream.served
                && let Some(arrival) = stream.to_server.read(stage.now)
            {
                busy = true;
                stage.arrival();
                match arrival {
                    Arrival::Bytes(bytes) => self.server.handle_input(local, *conn, &bytes),
                    Arrival::End => {
                        self.server.handle_closed(local, *conn);
                        stream.served = false;
                        stream.to_client.close(stage.now);
                    }
                }
                self.ready.insert(*conn);
                let packets = stream.to_server.read_packets();
                while let Some(action) = self.server.poll_action() {
                    match action {
                        Action::Transmit { conn } => drop(self.ready.insert(conn)),
                        Action::Close { conn: of, .. } => {
                            self.closing.insert(of);
                            self.ready.insert(of);
                        }
                        _ => {}
                    }
                }
                for passed in packets {
                    if self.closing.contains(conn) || !stream.served {
                        continue;
                    }
                    match &passed.packet {
                        Some(packet) => {
                            stage.watch.reached_server(stream.client, packet, stage.now);
                        }
                        None => {
                            return broken(
                                Invariant::BitFlip,
                                "the server took a packet with a changed bit",
                            );
                        }
                    }
                }
            }
        }
        Ok(busy)
    }

    fn server_event(&mut self, stage: &mut Stage, event: Event) {
        match event {
            Event::KeyCreated {
                key,
                salt,
                expires_at,
            } => {
                stage.keys.insert(key.id(), key.clone());
                stage.watch.salt_of(key.id(), salt);
                if expires_at.is_none() {
                    self.keys.push(key);
                }
            }
            Event::SessionClosed {
                auth_key_id,
                session,
            } => stage.watch.session_forgotten(auth_key_id, session),
            Event::Request {
                id,
                auth_key_id,
                perm_key,
                session,
                msg_id,
                body,
                again,
            } => {
                let mut reader = Reader::new(&body);
                if reader.u32() == BIND_TEMP_AUTH_KEY {
                    return self.bind(stage, id, &mut reader);
                }
                if perm_key.is_none() {
                    let now = stage.server_now();
                    self.server
                        .respond_error(now, id, 401, "AUTH_KEY_PERM_EMPTY");
                    return;
                }
                stage.calls.push_back(Call {
                    key: auth_key_id,
                    session,
                    msg_id,
                    handle: Handle::Incoming(id),
                    again,
                    body,
                });
            }
            _ => {}
        }
    }

    fn bind(&mut self, stage: &Stage, id: IncomingId, reader: &mut Reader<'_>) {
        let (perm, nonce, expires_at) = (reader.i64(), reader.i64(), reader.i32());
        let message = reader.bytes();
        let now = stage.server_now();
        let bound = self
            .server
            .bind_temp_key(now, id, perm, nonce, expires_at, &message);
        match bound {
            Ok(()) => {
                let mut answer = Vec::new();
                tl::put_u32(&mut answer, BOOL_TRUE);
                self.server.respond(now, id, answer.into());
            }
            Err(refused) => {
                self.server.respond_error(now, id, 400, refused.message());
            }
        }
    }

    fn write_streams(&mut self, stage: &mut Stage) -> Checked<bool> {
        let mut busy = false;
        while let Some(action) = self.server.poll_action() {
            busy = true;
            match action {
                Action::Transmit { conn } => drop(self.ready.insert(conn)),
                Action::Close { conn, .. } => {
                    self.closing.insert(conn);
                    self.ready.insert(conn);
                }
                _ => {}
            }
        }
        let ready: Vec<ConnId> = self.ready.iter().copied().collect();
        for conn in ready {
            busy |= self.write_stream(stage, conn)?;
        }
        Ok(busy)
    }

    fn write_stream(&mut self, stage: &mut Stage, conn: ConnId) -> Checked<bool> {
        let local = stage.server_now();
        let mut busy = false;
        let Some(stream) = self.streams.get_mut(&conn).filter(|stream| stream.served) else {
            self.ready.remove(&conn);
            self.closing.remove(&conn);
            return Ok(false);
        };
        let mut out = Vec::new();
        let mut blocked = !stream.to_client.flush(stage.now);
        while !blocked {
            out.clear();
            if !self.server.poll_transmit(local, conn, &mut out) {
                break;
            }
            busy = true;
            stage.step()?;
            stream.frame(stage, From::Server, &out)?;
            blocked = !stream.to_client.flush(stage.now);
        }
        if self.closing.remove(&conn) {
            busy = true;
            self.ready.remove(&conn);
            self.server.handle_closed(local, conn);
            stream.served = false;
            stream.to_client.close(stage.now);
        } else if !blocked {
            self.ready.remove(&conn);
        }
        Ok(busy)
    }
}
