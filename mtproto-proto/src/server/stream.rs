//! One stream of a server.
//!
//! Does: framing, the handshake on it, the sessions that speak through it, frames that go before
//! messages.
//! In: what the server decides. Out: bytes, deadlines.
//! Must not know: keys, other streams.
//! Spec: "MTProto transports"; "Quick ack".

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;

use crate::connection::Error;
use crate::handshake::ServerHandshake;
use crate::handshake::server::LIFETIME;
use crate::ids::{AuthKeyId, SessionId, SourceId};
use crate::rng::Rng;
use crate::server::ServerConfig;
use crate::server::seats::Seat;
use crate::session::packet;
use crate::time::Time;
use crate::transport::{Codec, MAX_SERVER_FRAME};

/// Replies of handshakes, quick acknowledgements and errors that wait for the stream: a client
/// that asks for more without reading is closed.
const MAX_CONTROL: usize = 256;
/// What waits when quick acknowledgements are dropped: as many as a client of ours awaits. All
/// streams together hold so many of somebody who reads nothing.
const MAX_HINTS: usize = 64;
/// Replies of handshakes among them. A client needs each answer for its next question, and a stranger
/// can ask for one as often as it likes.
const MAX_REPLIES: usize = 4;
/// Packets that wait for their key, …
const MAX_PARKED: usize = 64;
/// … and their bytes: whoever sends them may have no key at all.
const MAX_PARKED_BYTES: usize = MAX_SERVER_FRAME;
/// Sessions that speak through one stream; clients use one.
const MAX_SESSIONS: usize = 16;

/// How long a client that finds no place may take to show in which framing it is to be told so.
const REFUSAL: Duration = Duration::from_secs(5);

/// What a stream holds of what it has not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) bytes: usize,
    pub(super) since: Time,
    /// It has shown a key.
    pub(super) client: bool,
}

pub(super) enum Control {
    /// What goes before all frames.
    Hello(Vec<u8>),
    Plain(Vec<u8>),
    QuickAck(u32),
    Status(i32),
}

pub(super) struct Stream {
    pub(super) codec: Codec,
    pub(super) source: Option<SourceId>,
    /// `None`: it is to be told that there is no place for it, or is over.
    pub(super) seat: Option<Seat>,
    /// What it holds of what it has not finished, as it was counted, and since when.
    pub(super) held: Option<Held>,
    /// Its first packet waits for this key.
    pub(super) awaits: Option<AuthKeyId>,
    pub(super) handshake: Option<ServerHandshake>,
    control: VecDeque<Control>,
    /// Packets that wait for their key, the first of which names it.
    pub(super) parked: VecDeque<(BytesMut, bool)>,
    pub(super) sessions: Vec<(AuthKeyId, SessionId)>,
    turn: usize,
    opened: Time,
    /// A packet of a known key came.
    authenticated: bool,
    pub(super) deadline: Time,
    /// The client chose when silence ends the stream.
    disconnect: Option<Duration>,
    pub(super) closing: bool,
    /// It is somebody else's now.
    pub(super) handed_on: bool,
    /// The driver was told that there is output.
    pub(super) announced: bool,
    pub(super) header_checked: bool,
}

impl Stream {
    pub(super) fn new(config: &ServerConfig, source: Option<SourceId>, now: Time) -> Self {
        Stream {
            codec: Codec::server(config.transport()),
            source,
            seat: None,
            held: None,
            awaits: None,
            handshake: None,
            control: VecDeque::new(),
            parked: VecDeque::new(),
            sessions: Vec::new(),
            turn: 0,
            opened: now,
            authenticated: false,
            deadline: now + config.handshake_timeout,
            disconnect: None,
            closing: false,
            handed_on: false,
            announced: false,
            header_checked: false,
        }
    }

    /// There is no place for it.
    pub(super) fn refuse(&mut self, now: Time) {
        self.deadline = self.deadline.min(now + REFUSAL);
    }

    /// Bytes of what was begun and is not complete, or waits for its key.
    pub(super) fn unfinished(&self) -> usize {
        if self.closing {
            return 0;
        }
        let parked = self.parked.iter().map(|(packet, _)| packet.len());
        parked.fold(self.codec.buffered(), usize::saturating_add)
    }

    /// A step of a handshake was taken.
    pub(super) fn progress(&mut self, config: &ServerConfig, now: Time) {
        let mut until = now + config.handshake_timeout;
        if !self.authenticated {
            // However often it asks.
            until = until.min(self.opened + LIFETIME);
        }
        self.deadline = self.deadline.max(until);
    }

    /// A packet opened.
    pub(super) fn authenticated(&mut self, config: &ServerConfig, now: Time) {
        self.authenticated = true;
        self.deadline = now + self.disconnect.unwrap_or(config.idle_timeout);
    }

    pub(super) fn disconnect_after(&mut self, now: Time, delay: Duration) {
        self.disconnect = Some(delay);
        self.deadline = now + delay;
    }

    pub(super) fn push(&mut self, control: Control) -> Result<(), Error> {
        let is_reply = |control: &Control| matches!(control, Control::Plain(_));
        let replies = || self.control.iter().filter(|waits| is_reply(waits)).count();
        let most = match control {
            Control::QuickAck(_) => MAX_HINTS,
            Control::Hello(_) | Control::Plain(_) | Control::Status(_) => MAX_CONTROL,
        };
        let room = self.control.len() < most;
        if room && !(is_reply(&control) && replies() >= MAX_REPLIES) {
            self.control.push_back(control);
            return Ok(());
        }
        match control {
            // Only a hint: a client may ask for many before it reads.
            Control::QuickAck(_) => Ok(()),
            Control::Hello(_) | Control::Plain(_) | Control::Status(_) => Err(Error::Silent),
        }
    }

    pub(super) fn pop_control(&mut self) -> Option<Control> {
        self.control.pop_front()
    }

    /// Whether anything was written.
    pub(super) fn write_control(
        &mut self,
        rng: &mut Rng,
        out: &mut Vec<u8>,
        control: Control,
    ) -> Result<bool, Error> {
        match control {
            Control::Hello(bytes) => out.extend(bytes),
            Control::Plain(bytes) => {
                self.codec
                    .write_packet(rng, out, bytes.len(), false, |out, _| {
                        out.extend_from_slice(&bytes);
                    })?;
            }
            Control::QuickAck(token) => self.codec.write_quick_ack(rng, out, token)?,
            Control::Status(code) => self.codec.write_status(rng, out, code)?,
        }
        Ok(true)
    }

    /// Keeps a packet until its key is known.
    pub(super) fn park(&mut self, packet: BytesMut, quick_ack: bool) -> Result<(), Error> {
        let bytes = self.parked.iter().map(|(packet, _)| packet.len());
        let bytes = bytes.fold(packet.len(), usize::saturating_add);
        if self.parked.len() >= MAX_PARKED || bytes > MAX_PARKED_BYTES {
            return Err(Error::Status { code: -429 });
        }
        self.parked.push_back((packet, quick_ack));
        Ok(())
    }

    /// The key that the stream waits for.
    pub(super) fn waits_for(&self) -> Option<AuthKeyId> {
        self.parked
            .front()
            .and_then(|(packet, _)| packet::auth_key_id(packet))
            .map(AuthKeyId)
    }

    /// Whether one more session, if this one is not among them, may speak through this stream.
    pub(super) fn has_room_for(&self, key: AuthKeyId, session: SessionId) -> bool {
        self.sessions.len() < MAX_SESSIONS || self.sessions.contains(&(key, session))
    }

    pub(super) fn attach(&mut self, key: AuthKeyId, session: SessionId) {
        // It may have been here before, under the same name, and been destroyed.
        if !self.sessions.contains(&(key, session)) {
            self.sessions.push((key, session));
        }
    }

    /// The session whose turn it is.
    pub(super) fn next_session(&mut self) -> Option<(AuthKeyId, SessionId)> {
        let at = self.turn.checked_rem(self.sessions.len())?;
        self.turn = at.wrapping_add(1);
        self.sessions.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DcId;

    fn stream() -> Stream {
        let config = ServerConfig::new(DcId(2), Vec::new());
        Stream::new(&config, None, Time::from_unix(1_700_000_000))
    }

    #[test]
    fn who_never_reads_is_told_so_much_and_hints_are_dropped() {
        let mut stream = stream();
        for n in 0..256 {
            assert_eq!(stream.push(Control::Status(-404)), Ok(()), "{n}");
        }
        assert_eq!(stream.push(Control::QuickAck(1)), Ok(()));
        assert_eq!(stream.push(Control::Status(-404)), Err(Error::Silent));
        assert_eq!(stream.push(Control::Plain(Vec::new())), Err(Error::Silent));
        assert_eq!(stream.control.len(), 256);
    }

    #[test]
    fn packets_that_wait_for_their_key_are_few_and_small() {
        let too_many = Err(Error::Status { code: -429 });
        let mut many = stream();
        for n in 0..64 {
            assert_eq!(many.park(BytesMut::zeroed(40), false), Ok(()), "{n}");
        }
        assert_eq!(many.park(BytesMut::new(), false), too_many);

        let mut large = stream();
        let most = BytesMut::zeroed(MAX_SERVER_FRAME - 40);
        assert_eq!(large.park(most, false), Ok(()));
        assert_eq!(large.park(BytesMut::zeroed(41), false), too_many);
        assert_eq!(large.park(BytesMut::zeroed(40), false), Ok(()));
        assert_eq!(large.park(BytesMut::zeroed(1), false), too_many);
    }

    #[test]
    fn sixteen_sessions_speak_through_one_stream() {
        let (mut stream, key) = (stream(), AuthKeyId(1));
        for n in 0..16 {
            assert!(stream.has_room_for(key, SessionId(n)), "{n}");
            stream.attach(key, SessionId(n));
        }
        assert!(stream.has_room_for(key, SessionId(0)));
        assert!(!stream.has_room_for(key, SessionId(16)));
        assert!(!stream.has_room_for(AuthKeyId(2), SessionId(0)));
    }
}
