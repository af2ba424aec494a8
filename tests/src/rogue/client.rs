//! A client that says exactly what a test wants, over any number of streams.
//!
//! Does: [`RogueClient`], with the server inside.
//! In: messages, packets, bytes for the server; answers of its owner. Out: its packets, opened and
//! checked; its events and actions.
//! Must not know: what the server ought to do.
//! Spec: "Mobile Protocol: Detailed Description".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::Error;
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::server::{Action, Event, Server, ServerConfig};
use mtproto_proto::transport::{Codec, Frame, Framing};
use mtproto_proto::{ConnId, IncomingId, MsgId, SessionId, Time};

use super::pen::{Conduct, Of, Pen, msg_id_at};
use super::{Packet, Said};
use crate::pair::START;
use crate::tamper::{self, Item, Plain, seal};
use crate::{Dice, Seed};

/// More timers than any test can mean to let fire at one instant.
const MAX_TIMERS_PER_INSTANT: u32 = 100_000;

/// A client's side of a server's streams, played by the test, and the server.
#[derive(Debug)]
pub struct RogueClient {
    /// The machine under test.
    pub server: Server,
    /// The salt that the client puts into its packets.
    pub salt: i64,
    /// The session that it speaks in.
    pub session: SessionId,
    key: AuthKey,
    dice: Dice,
    now: Time,
    skew: i64,
    framing: Framing,
    pen: Pen,
    conduct: BTreeMap<(i64, SessionId), Conduct>,
    lines: BTreeMap<ConnId, Line>,
    events: Vec<Event>,
    last_conn: u64,
    timers_fired: u64,
}

/// One stream.
#[derive(Debug)]
struct Line {
    codec: Codec,
    reads: bool,
    heard: Vec<Packet>,
    plain: Vec<Vec<u8>>,
    statuses: Vec<i32>,
    quick_acks: Vec<u32>,
    closed: Option<Error>,
}

impl RogueClient {
    /// A server that knows one key, and no stream. The client does not know a salt.
    pub fn new(config: ServerConfig, seed: Seed) -> Self {
        let mut rogue = RogueClient::unknown(config, seed);
        let key = rogue.key.clone();
        rogue.server.provide_key(START, key.id(), Some(key));
        rogue
    }

    /// A server that knows no key, also not the client's.
    pub fn unknown(config: ServerConfig, seed: Seed) -> Self {
        let mut dice = Dice::new(seed);
        let key = AuthKey::from_bytes(&dice.array());
        let server = Server::new(Arc::new(config), dice.rng(), START);
        RogueClient {
            server,
            salt: 0,
            session: SessionId(0x5e55_0001),
            key,
            dice,
            now: START,
            skew: 0,
            framing: Framing::Intermediate,
            pen: Pen::default(),
            conduct: BTreeMap::new(),
            lines: BTreeMap::new(),
            events: Vec::new(),
            last_conn: 0,
            timers_fired: 0,
        }
    }

    /// The same with one stream, a session that was announced, a valid salt and nothing in flight.
    ///
    /// # Panics
    /// If the server does not do what it has to for this.
    pub fn settled(config: ServerConfig, seed: Seed) -> (Self, ConnId) {
        let mut rogue = RogueClient::new(config, seed);
        let conn = rogue.connect();
        rogue.settle(conn);
        (rogue, conn)
    }

    /// Learns the salt, pings, acknowledges what is to be acknowledged, forgets what was heard.
    ///
    /// # Panics
    /// If the server does not tell a salt.
    pub fn settle(&mut self, conn: ConnId) {
        for _ in 0..2 {
            self.say(conn, Said::Ping(0));
            let ids: Vec<_> = self
                .hear(conn)
                .iter()
                .flat_map(|packet| packet.messages.clone())
                .filter_map(|message| {
                    if let Said::BadSalt { new_salt: salt, .. } | Said::NewSession { salt, .. } =
                        message.said()
                    {
                        self.salt = salt;
                    }
                    (message.seq_no & 1 == 1).then_some(message.msg_id)
                })
                .collect();
            if !ids.is_empty() {
                self.say(conn, Said::Acks(ids));
            }
        }
        assert_ne!(self.salt, 0, "no salt was told");
        self.later(Duration::from_secs(1));
        self.hear(conn);
        self.events();
    }

    /// Chooses the framing of the streams that are opened from now on.
    pub fn framing(&mut self, framing: Framing) -> &mut Self {
        self.framing = framing;
        self
    }

    // ---- Time.

    /// The server's clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The client's clock.
    pub fn client_now(&self) -> Time {
        let seconds = Duration::from_secs(self.skew.unsigned_abs());
        if self.skew < 0 {
            self.now - seconds
        } else {
            self.now + seconds
        }
    }

    /// Sets the client's clock this many seconds ahead of the server's; negative: behind.
    pub fn skew(&mut self, seconds: i64) {
        self.skew = seconds;
    }

    /// How often a timer of the server fired.
    pub fn timers_fired(&self) -> u64 {
        self.timers_fired
    }

    /// Lets time pass; the server's timers fire when they are due, and what it sends is read at
    /// once from the streams that are read.
    ///
    /// # Panics
    /// If a timer does not move.
    pub fn later(&mut self, time: Duration) {
        let end = self.now + time;
        let mut at_this_instant = 0;
        loop {
            self.pump();
            let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) else {
                break;
            };
            if due > self.now {
                at_this_instant = 0;
            }
            at_this_instant += 1;
            assert!(at_this_instant < MAX_TIMERS_PER_INSTANT, "a timer is stuck");
            self.now = self.now.max(due);
            self.timers_fired += 1;
            self.server.handle_timeout(self.now);
            if let Some(next) = self.server.poll_timeout() {
                assert!(next > self.now, "{next:?} is not later than {:?}", self.now);
            }
        }
        self.now = end;
    }

    // ---- The server's owner.

    /// The server's events since the last call.
    pub fn events(&mut self) -> Vec<Event> {
        while let Some(event) = self.server.poll_event() {
            self.events.push(event);
        }
        std::mem::take(&mut self.events)
    }

    /// The calls among the server's events since the last call; the others are dropped.
    pub fn calls(&mut self) -> Vec<(IncomingId, Bytes)> {
        self.events()
            .into_iter()
            .filter_map(|event| {
                let Event::Request { id, body, .. } = event else {
                    return None;
                };
                Some((id, body))
            })
            .collect()
    }

    /// Answers a call.
    pub fn respond(&mut self, id: IncomingId, result: &[u8]) -> bool {
        self.server
            .respond(self.now, id, Bytes::copy_from_slice(result))
    }

    /// Sends an update to the session that the client speaks in.
    pub fn push(&mut self, body: &[u8]) -> bool {
        self.server.push(
            self.now,
            self.key.id(),
            self.session,
            Bytes::copy_from_slice(body),
        )
    }

    // ---- Streams.

    /// Opens a stream.
    pub fn connect(&mut self) -> ConnId {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let mut rng = self.dice.rng();
        let line = Line {
            codec: Codec::client(self.framing, None, &mut rng).expect("a bare framing"),
            reads: true,
            heard: Vec::new(),
            plain: Vec::new(),
            statuses: Vec::new(),
            quick_acks: Vec::new(),
            closed: None,
        };
        self.lines.insert(conn, line);
        self.server.handle_connected(self.now, conn);
        self.pump();
        conn
    }

    /// Closes a stream.
    pub fn disconnect(&mut self, conn: ConnId) {
        self.pump();
        self.server.handle_closed(self.now, conn);
        self.lines.remove(&conn);
        self.pump();
    }

    /// Whether the client reads this stream; at first it does.
    pub fn reads(&mut self, conn: ConnId, reads: bool) {
        self.line(conn).reads = reads;
    }

    /// Whether the client has the stream open; the server may have closed its side.
    pub fn is_open(&self, conn: ConnId) -> bool {
        self.lines.contains_key(&conn)
    }

    /// Why the server closed the stream, if it did.
    pub fn closed(&mut self, conn: ConnId) -> Option<Error> {
        self.pump();
        self.line(conn).closed.clone()
    }

    // ---- Hearing.

    /// The server's packets on this stream since the last call.
    ///
    /// # Panics
    /// If one does not open, or breaks a rule that every sender keeps.
    pub fn hear(&mut self, conn: ConnId) -> Vec<Packet> {
        self.pump();
        std::mem::take(&mut self.line(conn).heard)
    }

    /// What the server said on this stream in all packets since the last call.
    pub fn hear_said(&mut self, conn: ConnId) -> Vec<Said> {
        self.hear(conn).iter().flat_map(Packet::said).collect()
    }

    /// The transport errors on this stream since the last call.
    pub fn statuses(&mut self, conn: ConnId) -> Vec<i32> {
        self.pump();
        std::mem::take(&mut self.line(conn).statuses)
    }

    /// The quick acknowledgements on this stream since the last call.
    pub fn quick_acks(&mut self, conn: ConnId) -> Vec<u32> {
        self.pump();
        std::mem::take(&mut self.line(conn).quick_acks)
    }

    /// The unencrypted packets on this stream since the last call.
    pub fn hear_plain(&mut self, conn: ConnId) -> Vec<Vec<u8>> {
        self.pump();
        std::mem::take(&mut self.line(conn).plain)
    }

    fn line(&mut self, conn: ConnId) -> &mut Line {
        self.lines.get_mut(&conn).expect("the stream is open")
    }

    fn pump(&mut self) {
        while let Some(action) = self.server.poll_action() {
            match action {
                Action::Transmit { .. } => {}
                Action::Close { conn, error } => {
                    if let Some(line) = self.lines.get_mut(&conn) {
                        line.closed.get_or_insert(error);
                    }
                }
                other @ (Action::Fallback { .. } | _) => {
                    panic!("an action that the kit does not know: {other:?}")
                }
            }
        }
        let conns: Vec<_> = self.lines.keys().copied().collect();
        for conn in conns {
            let mut bytes = Vec::new();
            while self.line(conn).reads && self.server.poll_transmit(self.now, conn, &mut bytes) {}
            let line = self.line(conn);
            line.codec.feed(&bytes);
            loop {
                let line = self.line(conn);
                match line.codec.next_frame().expect("the server writes frames") {
                    None => break,
                    Some(Frame::Packet { data, .. }) => self.take(conn, data.to_vec()),
                    Some(Frame::Status(code)) => line.statuses.push(code),
                    Some(Frame::QuickAck(token)) => line.quick_acks.push(token),
                }
            }
        }
    }

    fn take(&mut self, conn: ConnId, sealed: Vec<u8>) {
        if sealed.starts_with(&[0; 8]) {
            self.line(conn).plain.push(sealed);
            return;
        }
        let plain = tamper::open(&self.key, Direction::ToClient, &sealed)
            .unwrap_or_else(|error| panic!("a packet that does not open: {error}"));
        let packet = Packet::new(self.now, plain, false, sealed);
        self.conduct
            .entry((self.key.id().0, packet.session))
            .or_default()
            .check(Of::Server, &packet);
        self.line(conn).heard.push(packet);
    }

    /// The server forgets this session: if it comes again, its numbers begin anew.
    pub fn begins_anew(&mut self, session: SessionId) {
        self.conduct.remove(&(self.key.id().0, session));
    }

    /// The key.
    pub fn key(&self) -> &AuthKey {
        &self.key
    }

    /// Dice of the run.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    // ---- Saying.

    /// Says one thing as an honest client would; its message id.
    pub fn say(&mut self, conn: ConnId, said: Said) -> MsgId {
        let plain = self.plain(&said);
        self.send(conn, &plain);
        plain.msg_id
    }

    /// Says several things in one container; their message ids.
    pub fn say_all(&mut self, conn: ConnId, said: &[Said]) -> Vec<MsgId> {
        let items: Vec<_> = said.iter().map(|said| self.item(said)).collect();
        let ids = items.iter().map(|item| item.msg_id).collect();
        self.send_container(conn, &items);
        ids
    }

    /// Sends a container of these items.
    pub fn send_container(&mut self, conn: ConnId, items: &[Item]) {
        let plain = self.container(tamper::container(items, None));
        self.send(conn, &plain);
    }

    /// The packet of a container with this body, to be changed.
    pub fn container(&mut self, body: Vec<u8>) -> Plain {
        let now = self.client_now();
        let msg_id = self.pen.msg_id(now, 0);
        let seq_no = self.pen.seq_no(self.session, false);
        Plain::new(self.salt, self.session, msg_id, seq_no, body)
    }

    /// A message for a container, to be changed.
    pub fn item(&mut self, said: &Said) -> Item {
        let now = self.client_now();
        let msg_id = self.pen.msg_id(now, 0);
        let seq_no = self.pen.seq_no(self.session, said.is_content());
        Item::new(msg_id, seq_no, said.to_bytes())
    }

    /// A packet as an honest client would make it, to be changed.
    pub fn plain(&mut self, said: &Said) -> Plain {
        let item = self.item(said);
        Plain::new(self.salt, self.session, item.msg_id, item.seq_no, item.body)
    }

    /// A message id of the client's clock moved by seconds.
    pub fn msg_id_moved(&self, seconds: i64) -> MsgId {
        let by = Duration::from_secs(seconds.unsigned_abs());
        let now = self.client_now();
        msg_id_at(if seconds < 0 { now - by } else { now + by }, 0)
    }

    /// The packet of a message.
    pub fn seal(&mut self, plain: &Plain) -> Vec<u8> {
        seal(&self.key, Direction::ToServer, plain, &mut self.dice)
    }

    /// Seals and sends a message.
    pub fn send(&mut self, conn: ConnId, plain: &Plain) {
        let packet = self.seal(plain);
        self.send_packet(conn, &packet, false);
    }

    /// Sends bytes as one packet.
    pub fn send_packet(&mut self, conn: ConnId, packet: &[u8], quick_ack: bool) {
        let bytes = self.frame(conn, packet, quick_ack);
        self.send_bytes(conn, &bytes);
    }

    /// The bytes of the stream that carry this packet next.
    pub fn frame(&mut self, conn: ConnId, packet: &[u8], quick_ack: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rng = self.dice.rng();
        self.line(conn)
            .codec
            .write_packet(&mut rng, &mut bytes, packet.len(), quick_ack, |out, _| {
                out.extend(packet);
            })
            .expect("the packet fits a frame");
        bytes
    }

    /// Sends bytes of the stream as they are.
    pub fn send_bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        self.server.handle_input(self.now, conn, bytes);
        self.pump();
    }
}
