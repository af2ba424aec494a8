//! A server with many clients of many keys, on virtual time, and a driver as it should be: it writes
//! what there is, and closes what the server wants closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::Error;
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::handshake::{Complete, client};
use mtproto_proto::server::{Action, Event, Server, ServerConfig};
use mtproto_proto::transport::{Codec, Frame, Framing, Obfuscation};
use mtproto_proto::{AuthKeyId, ConnId, IncomingId, SourceId, Time};
use mtproto_schema::mtproto::functions::{Ping, ReqPqMulti};
use mtproto_schema::mtproto::types::{BadServerSalt, MsgsAck, Pong};
use mtproto_schema::{Decode, Encode};
use mtproto_test::pair::START;
use mtproto_test::tamper::Item;
use mtproto_test::{Dice, Peer, Seed, peer};

pub const TOO_MANY: Error = Error::Status { code: -429 };

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub struct House {
    pub server: Server,
    pub now: Time,
    pub dice: Dice,
    lines: BTreeMap<ConnId, Line>,
    events: Vec<Event>,
    last: u64,
}

struct Line {
    codec: Codec,
    reads: bool,
    frames: Vec<Frame>,
    closed: Option<Error>,
}

/// A client: its key, its session, and the stream that it uses.
pub struct Client {
    pub peer: Peer,
    pub conn: ConnId,
}

impl House {
    pub fn new(config: ServerConfig, seed: u64) -> Self {
        let mut dice = Dice::new(Seed::from_env_or(seed));
        let server = Server::new(Arc::new(config), dice.rng(), START);
        House {
            server,
            now: START,
            dice,
            lines: BTreeMap::new(),
            events: Vec::new(),
            last: 0,
        }
    }

    // ---- Streams.

    pub fn connect(&mut self) -> ConnId {
        self.connect_as(Framing::Intermediate, None, None)
    }

    pub fn connect_from(&mut self, source: u64) -> ConnId {
        self.connect_as(Framing::Intermediate, None, Some(source))
    }

    pub fn connect_as(
        &mut self,
        framing: Framing,
        obfuscation: Option<Obfuscation>,
        source: Option<u64>,
    ) -> ConnId {
        self.last += 1;
        let conn = ConnId(self.last);
        let line = Line {
            codec: Codec::client(framing, obfuscation, &mut self.dice.rng()).unwrap(),
            reads: true,
            frames: Vec::new(),
            closed: None,
        };
        self.lines.insert(conn, line);
        match source {
            Some(source) => {
                let source = SourceId(source);
                self.server.handle_connected_from(self.now, conn, source);
            }
            None => self.server.handle_connected(self.now, conn),
        }
        self.pump();
        conn
    }

    pub fn disconnect(&mut self, conn: ConnId) {
        self.server.handle_closed(self.now, conn);
        self.lines.remove(&conn);
        self.pump();
    }

    pub fn reads(&mut self, conn: ConnId, reads: bool) {
        self.line(conn).reads = reads;
    }

    /// Why the server closed the stream, if it did.
    pub fn closed(&mut self, conn: ConnId) -> Option<Error> {
        self.line(conn).closed.clone()
    }

    fn line(&mut self, conn: ConnId) -> &mut Line {
        self.lines.get_mut(&conn).expect("it was connected")
    }

    /// The bytes that carry this packet next.
    pub fn frame(&mut self, conn: ConnId, packet: &[u8]) -> Vec<u8> {
        let (mut out, mut rng) = (Vec::new(), self.dice.rng());
        self.line(conn)
            .codec
            .write_packet(&mut rng, &mut out, packet.len(), false, |out, _| {
                out.extend_from_slice(packet);
            })
            .unwrap();
        out
    }

    pub fn send_bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        self.server.handle_input(self.now, conn, bytes);
        self.pump();
    }

    pub fn send_packet(&mut self, conn: ConnId, packet: &[u8]) {
        let bytes = self.frame(conn, packet);
        self.send_bytes(conn, &bytes);
    }

    /// The frames that came on this stream since the last call.
    pub fn frames(&mut self, conn: ConnId) -> Vec<Frame> {
        self.pump();
        std::mem::take(&mut self.line(conn).frames)
    }

    /// The packets among them.
    pub fn packets(&mut self, conn: ConnId) -> Vec<Vec<u8>> {
        let packet = |frame| match frame {
            Frame::Packet { data, .. } => Some(data.to_vec()),
            _ => None,
        };
        self.frames(conn).into_iter().filter_map(packet).collect()
    }

    /// Does what the server wants done.
    fn pump(&mut self) {
        while let Some(action) = self.server.poll_action() {
            match action {
                Action::Transmit { conn } => self.read(conn),
                Action::Close { conn, error } => {
                    self.read(conn);
                    if let Some(line) = self.lines.get_mut(&conn) {
                        line.closed.get_or_insert(error);
                    }
                    self.server.handle_closed(self.now, conn);
                }
                other => panic!("{other:?}"),
            }
        }
        while let Some(event) = self.server.poll_event() {
            self.events.push(event);
        }
    }

    fn read(&mut self, conn: ConnId) {
        let Some(line) = self.lines.get_mut(&conn).filter(|line| line.reads) else {
            return;
        };
        let mut bytes = Vec::new();
        while self.server.poll_transmit(self.now, conn, &mut bytes) {}
        line.codec.feed(&bytes);
        while let Some(frame) = line.codec.next_frame().unwrap() {
            line.frames.push(frame);
        }
    }

    pub fn later(&mut self, time: Duration) {
        let end = self.now + time;
        let mut fired = 0;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now);
            self.pump();
            fired += 1;
            assert!(fired < 1_000_000, "a timer is stuck");
        }
        self.now = end;
    }

    // ---- Events.

    pub fn events(&mut self) -> Vec<Event> {
        self.pump();
        std::mem::take(&mut self.events)
    }

    /// The calls among the events, the others are dropped.
    pub fn calls(&mut self) -> Vec<(IncomingId, AuthKeyId)> {
        let call = |event| match event {
            Event::Request {
                id, auth_key_id, ..
            } => Some((id, auth_key_id)),
            _ => None,
        };
        self.events().into_iter().filter_map(call).collect()
    }

    // ---- Clients.

    /// A client with a key that the server was given, and a stream.
    pub fn client(&mut self) -> Client {
        let key = AuthKey::from_bytes(&self.dice.array());
        let (now, id) = (self.now, key.id());
        self.server.provide_key(now, id, Some(key.clone()));
        let peer = Peer::client(key, 1, self.dice.fork());
        let conn = self.connect();
        let mut client = Client { peer, conn };
        self.assert_served(&mut client);
        client
    }

    /// Another stream and session with a client's key.
    pub fn sibling(&mut self, of: &Client) -> Client {
        let (key, salt) = (of.peer.key.clone(), of.peer.salt);
        Client {
            peer: Peer::client(key, salt, self.dice.fork()),
            conn: self.connect(),
        }
    }

    /// Says something; its message.
    pub fn say(&mut self, client: &mut Client, content: bool, body: Vec<u8>) -> Item {
        let plain = client.peer.plain(self.now, content, body);
        let packet = client.peer.seal(&plain);
        self.send_packet(client.conn, &packet);
        Item::new(plain.msg_id, plain.seq_no, plain.body)
    }

    /// What came for a client since the last call, acknowledged.
    pub fn hear(&mut self, client: &mut Client) -> Vec<Item> {
        let packets = self.packets(client.conn);
        let open = |packet: &Vec<u8>| client.peer.open(packet).unwrap();
        let items: Vec<Item> = packets.iter().flat_map(open).collect();
        let msg_ids: Vec<i64> = items
            .iter()
            .filter(|item| item.seq_no & 1 == 1)
            .map(|item| item.msg_id.0)
            .collect();
        if !msg_ids.is_empty() {
            let acks = MsgsAck { msg_ids }.to_bytes();
            self.say(client, false, acks.to_vec());
        }
        items
    }

    /// Whether a ping is answered at once: no time passes, nothing else has to happen first.
    pub fn is_served(&mut self, client: &mut Client) -> bool {
        // The salt may be another one by now.
        for _ in 0..2 {
            let ping_id = self.dice.range(1..=u64::from(u32::MAX)) as i64;
            let body = Ping { ping_id }.to_bytes().to_vec();
            self.say(client, false, body);
            for item in self.hear(client) {
                let body = Bytes::from(item.body);
                if let Ok(bad) = BadServerSalt::from_bytes(&body) {
                    client.peer.salt = bad.new_server_salt;
                } else if Pong::from_bytes(&body).is_ok_and(|pong| pong.ping_id == ping_id) {
                    return true;
                }
            }
        }
        false
    }

    pub fn assert_served(&mut self, client: &mut Client) {
        let served = self.is_served(client);
        let (closed, stats) = (self.closed(client.conn), self.server.stats());
        assert!(served, "{closed:?}, {stats:?}");
    }

    // ---- Handshakes.

    /// Makes a key over a stream; `None` if the server does not answer.
    pub fn make_key(&mut self, conn: ConnId, expires_in: Option<u32>) -> Option<Complete> {
        let config = crate::both::client_config();
        let mut handshake = client::Config::new(config.public_keys, config.dc);
        handshake.expires_in = expires_in;
        let (now, mut rng) = (self.now, self.dice.rng());
        peer::make_key(handshake, now, &mut rng, |packet| {
            if self.closed(conn).is_some() {
                return Vec::new();
            }
            self.send_packet(conn, packet);
            // Repeated packets aside, one question has one answer.
            self.line(conn).answer()
        })
        .ok()
    }

    /// The same, and a client with that key on that stream.
    pub fn newcomer(&mut self, conn: ConnId) -> Option<Client> {
        let complete = self.make_key(conn, None)?;
        let peer = Peer::client(complete.key, complete.salt, self.dice.fork());
        Some(Client { peer, conn })
    }

    /// A first question that nobody has asked.
    pub fn first_question(&mut self) -> Vec<u8> {
        let nonce = self.dice.array();
        plain(&ReqPqMulti { nonce })
    }
}

impl Line {
    fn answer(&mut self) -> Vec<u8> {
        match self.frames.pop() {
            Some(Frame::Packet { data, .. }) => data.to_vec(),
            Some(other) => {
                self.frames.push(other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }
}

/// A question in its envelope.
pub fn plain(question: &impl Encode) -> Vec<u8> {
    let body = question.to_bytes();
    let msg_id = mtproto_test::rogue::msg_id_at(START, 0);
    mtproto_proto::handshake::PlainMessage::write(msg_id, &body)
}
