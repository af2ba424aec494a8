//! A server's streams: what they bring, what they carry away, how they end.
//!
//! Does: opens and closes streams, cuts their bytes into frames, fills their output.
//! In: bytes, the time. Out: packets for `packets.rs`, bytes, actions.
//! Must not know: what packets hold.
//! Spec: "MTProto transports".

use alloc::vec::Vec;

use crate::connection::Error;
use crate::error::{PeerMisbehaved, count};
use crate::ids::ConnId;
use crate::server::stream::{Control, Stream};
use crate::server::timers::TimerOf;
use crate::server::{Action, MAX_EVENTS, Server};
use crate::time::Time;
use crate::transport::Frame;

impl Server {
    /// The stream is gone, whoever closed it.
    pub fn handle_closed(&mut self, now: Time, conn: ConnId) {
        let now = self.forward(now);
        let Some(mut stream) = self.streams.remove(&conn) else {
            return;
        };
        self.arm(TimerOf::Stream(conn), Some(stream.deadline), None);
        self.release(conn, &mut stream);
        if stream.handed_on {
            self.handed_on = self.handed_on.saturating_sub(1);
        }
        self.source_left(now, stream.source);
        if let Some(handshake) = stream.handshake {
            self.keep_half_open(handshake);
        }
        for (key, session) in stream.sessions {
            let gone = !self.keys.knows(key);
            self.registry.detach(key, session, conn, now);
            if gone {
                self.remove_session(key, session);
            } else {
                self.arm_session(key, session);
            }
        }
    }

    /// Takes bytes that a stream delivered, in any slicing.
    pub fn handle_input(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        let now = self.forward(now);
        // Out of the map, so that keys and sessions can be borrowed beside it.
        let Some(mut stream) = self.streams.remove(&conn) else {
            return;
        };
        let before = stream.deadline;
        if !stream.closing {
            stream.codec.feed(bytes);
        }
        let mut progress = false;
        while !stream.closing {
            let handled = match stream.codec.next_frame() {
                Ok(_) if stream.seat.is_none() => {
                    if stream.codec.framing().is_none() {
                        break;
                    }
                    Err(Error::Status { code: -429 })
                }
                Ok(Some(frame)) => {
                    progress = true;
                    self.handle_frame(now, conn, &mut stream, frame)
                }
                Ok(None) => match self.answer_hello(now, &mut stream) {
                    Ok(true) => Ok(()),
                    Ok(false) => break,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error.into()),
            };
            if let Err(error) = handled {
                self.refuse(conn, &mut stream, error);
            }
        }
        self.put_back(now, conn, stream, before, progress);
    }

    /// Puts a stream back where it belongs. `progress`: something was complete.
    pub(super) fn put_back(
        &mut self,
        now: Time,
        conn: ConnId,
        mut stream: Stream,
        before: Time,
        progress: bool,
    ) {
        self.arm(TimerOf::Stream(conn), Some(before), Some(stream.deadline));
        // Sessions that ended meanwhile did not find it where it belongs.
        stream
            .sessions
            .retain(|(key, session)| self.registry.stream_of(*key, *session) == Some(conn));
        self.note_awaited(conn, &mut stream);
        self.note_input(now, conn, &mut stream, progress);
        self.streams.insert(conn, stream);
        self.shed_input();
        self.wake(conn);
    }

    /// Whether there was a hello, which is answered then.
    fn answer_hello(&mut self, now: Time, stream: &mut Stream) -> Result<bool, Error> {
        let mut answer = Vec::new();
        let (seen, rng) = (&mut self.hellos, &mut self.rng);
        let answered = stream.codec.answer_hello(now, seen, rng, &mut answer)?;
        if answered {
            stream.push(Control::Hello(answer))?;
        }
        Ok(answered)
    }

    /// Ends a stream because of what came over it.
    fn refuse(&mut self, conn: ConnId, stream: &mut Stream, error: Error) {
        match stream.codec.refused() {
            Some(bytes) => {
                stream.closing = true;
                stream.handed_on = true;
                self.handed_on = self.handed_on.saturating_add(1);
                stream.deadline = Time::MAX;
                self.release(conn, stream);
                self.actions.push_back(Action::Fallback {
                    conn,
                    bytes: bytes.freeze(),
                    error,
                });
            }
            None => self.close(conn, stream, error),
        }
    }

    fn handle_frame(
        &mut self,
        now: Time,
        conn: ConnId,
        stream: &mut Stream,
        frame: Frame,
    ) -> Result<(), Error> {
        if self.is_replay(stream) {
            return Err(Error::Closed);
        }
        // Each may bring about a few: sessions and keys come and go.
        if self.events.len() >= MAX_EVENTS {
            return Err(Error::Status { code: -429 });
        }
        match frame {
            Frame::Packet { data, quick_ack } => {
                if !stream.parked.is_empty() {
                    return stream.park(data, quick_ack);
                }
                self.handle_packet(now, conn, stream, data, quick_ack)
            }
            Frame::QuickAck(_) | Frame::Status(_) => Err(PeerMisbehaved::UnexpectedFrame.into()),
        }
    }

    /// Whether the stream begins with an obfuscation header that came before; asked once for each.
    fn is_replay(&mut self, stream: &mut Stream) -> bool {
        if core::mem::replace(&mut stream.header_checked, true) {
            return false;
        }
        let nonce = stream.codec.obfuscation_nonce();
        let replayed = nonce.is_some_and(|nonce| self.headers.is_known(nonce));
        if replayed {
            count(&mut self.stats.headers_replayed);
        }
        replayed
    }

    /// Appends at most one packet for this stream to `out`; `false` when there is nothing to send.
    pub fn poll_transmit(&mut self, now: Time, conn: ConnId, out: &mut Vec<u8>) -> bool {
        let now = self.forward(now);
        let Some(stream) = self.streams.get_mut(&conn) else {
            return false;
        };
        let written = if let Some(control) = stream.pop_control() {
            stream.write_control(&mut self.rng, out, control)
        } else if stream.closing {
            Ok(false)
        } else {
            let mut written = Ok(false);
            // Each session in turn, so that a busy one does not silence the others.
            for _ in 0..stream.sessions.len() {
                let Some((key, session)) = stream.next_session() else {
                    break;
                };
                let Some(entry) = self.registry.get_mut(key, session) else {
                    continue;
                };
                let Some(plan) = entry.session.plan_packet(now, &mut self.rng) else {
                    continue;
                };
                written = stream
                    .codec
                    .write_packet(&mut self.rng, out, plan.packet_len(), false, |out, rng| {
                        entry.session.write_packet(now, &plan, rng, out);
                    })
                    .map(|()| true)
                    .map_err(Error::from);
                self.arm_session(key, session);
                break;
            }
            written
        };
        match written {
            Ok(true) => true,
            Ok(false) => {
                if let Some(stream) = self.streams.get_mut(&conn) {
                    stream.announced = false;
                }
                false
            }
            Err(error) => {
                self.close_by_id(conn, error);
                false
            }
        }
    }

    /// Ends a stream: with a transport error as its last frame where the protocol has one.
    pub(super) fn close(&mut self, conn: ConnId, stream: &mut Stream, error: Error) {
        if core::mem::replace(&mut stream.closing, true) {
            return;
        }
        self.release(conn, stream);
        stream.codec.forget_input();
        stream.parked.clear();
        let code = match &error {
            Error::Status { code } => Some(*code),
            Error::Handshake(error) => Some(error.transport_code()),
            Error::PeerMisbehaved(_) => Some(-404),
            // Whoever sends bytes that are no frames learns nothing.
            Error::Transport(_)
            | Error::Silent
            | Error::BindRefused(_)
            | Error::Eof
            | Error::Closed => None,
        };
        // Whoever sends a header again learns nothing either, not even that the house is full.
        if let Some(code) = code
            && !self.is_replay(stream)
        {
            // If even this does not fit, the client is not reading anyway.
            let _ = stream.push(Control::Status(code));
        }
        self.actions.push_back(Action::Close { conn, error });
    }

    pub(super) fn close_by_id(&mut self, conn: ConnId, error: Error) {
        if let Some(mut stream) = self.streams.remove(&conn) {
            self.close(conn, &mut stream, error);
            self.arm(TimerOf::Stream(conn), Some(stream.deadline), None);
            stream.deadline = Time::MAX;
            self.streams.insert(conn, stream);
        }
    }
}
