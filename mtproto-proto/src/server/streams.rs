//! A server's streams: what they bring, what they carry away, how they end.
//!
//! Does: opens and closes streams, cuts their bytes into frames, fills their output.
//! In: bytes, the time. Out: packets for `packets.rs`, bytes, actions.
//! Must not know: what packets hold.
//! Spec: "MTProto transports".

use alloc::vec::Vec;

use crate::connection::Error;
use crate::error::PeerMisbehaved;
use crate::ids::ConnId;
use crate::server::stream::{Control, Stream};
use crate::server::timers::TimerOf;
use crate::server::{Action, Server};
use crate::time::Time;
use crate::transport::Frame;

/// Obfuscation headers that are remembered: a header that comes again is a replay.
const MAX_HEADERS: usize = 4_096;

impl Server {
    /// A stream was accepted. Its id must never have been used before.
    pub fn handle_connected(&mut self, now: Time, conn: ConnId) {
        let now = self.forward(now);
        if self.streams.len() >= self.config.max_streams {
            self.actions.push_back(Action::Close {
                conn,
                error: Error::Status { code: -429 },
            });
            return;
        }
        let stream = Stream::new(&self.config, now);
        self.arm(TimerOf::Stream(conn), None, Some(stream.deadline));
        self.streams.insert(conn, stream);
    }

    /// The stream is gone, whoever closed it.
    pub fn handle_closed(&mut self, now: Time, conn: ConnId) {
        let now = self.forward(now);
        let Some(stream) = self.streams.remove(&conn) else {
            return;
        };
        self.arm(TimerOf::Stream(conn), Some(stream.deadline), None);
        if let Some(handshake) = stream.handshake
            && let Some(nonce) = handshake.nonce()
            && self.half_open.len() < self.config.max_half_open
        {
            self.arm(TimerOf::Handshake(nonce), None, Some(handshake.deadline()));
            self.half_open.insert(nonce, handshake);
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
        while !stream.closing {
            let handled = match stream.codec.next_frame() {
                Ok(Some(frame)) => self.handle_frame(now, conn, &mut stream, frame),
                Ok(None) => break,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = handled {
                self.close(conn, &mut stream, error);
            }
        }
        self.arm(TimerOf::Stream(conn), Some(before), Some(stream.deadline));
        self.streams.insert(conn, stream);
        self.wake(conn);
    }

    fn handle_frame(
        &mut self,
        now: Time,
        conn: ConnId,
        stream: &mut Stream,
        frame: Frame,
    ) -> Result<(), Error> {
        if !stream.header_checked {
            stream.header_checked = true;
            if let Some(header) = stream.codec.obfuscation_nonce()
                && self.is_replayed(*header)
            {
                return Err(Error::Closed);
            }
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

    fn is_replayed(&mut self, header: [u8; 48]) -> bool {
        let (order, known) = &mut self.headers;
        if !known.insert(header) {
            return true;
        }
        order.push_back(header);
        if order.len() > MAX_HEADERS
            && let Some(oldest) = order.pop_front()
        {
            known.remove(&oldest);
        }
        false
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
        if let Some(code) = code {
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
