//! A server that says exactly what a test wants.
//!
//! Does: [`RogueServer`], with the client's connection inside.
//! In: messages, packets, bytes for the client; calls of its application. Out: its packets, opened
//! and checked; its events; its error.
//! Must not know: what the client ought to do.
//! Spec: "Mobile Protocol: Detailed Description".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, Error, KeyState, Start, Suspended,
};
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::session::SendOptions;
use mtproto_proto::transport::{Codec, Frame, ServerTransport};
use mtproto_proto::{Machine, MsgId, RequestId, SessionId, Time};

use super::pen::{Conduct, Of, Pen, msg_id_at};
use super::{Packet, Said};
use crate::pair::START;
use crate::tamper::{self, Item, Plain, seal};
use crate::{Dice, Seed};

/// More timers than any test can mean to let fire at one instant.
const MAX_TIMERS_PER_INSTANT: u32 = 1_000;

/// A server's end of one stream, played by the test, and the client's connection.
#[derive(Debug)]
pub struct RogueServer {
    /// The machine under test.
    pub client: ClientConnection,
    /// The salt that the server puts into its packets.
    pub salt: i64,
    config: Arc<ClientConfig>,
    key: AuthKey,
    codec: Codec,
    dice: Dice,
    now: Time,
    skew: i64,
    session: SessionId,
    pen: Pen,
    conduct: BTreeMap<SessionId, Conduct>,
    reads: bool,
    answers_pings: bool,
    heard: Vec<Packet>,
    events: Vec<ClientEvent>,
    error: Option<Error>,
    timers_fired: u64,
}

impl RogueServer {
    /// A client that starts with a key that it knows nothing about but its bytes: its first packet
    /// waits, and has an invented salt.
    ///
    /// # Panics
    /// If the configuration is refused.
    pub fn new(config: ClientConfig, seed: Seed) -> Self {
        let mut dice = Dice::new(seed);
        let key: [u8; 256] = dice.array();
        let state = KeyState::from_auth_key(key, config.dc);
        let key = AuthKey::from_bytes(&key);
        RogueServer::start(config, Start::Key(state), key, START, dice)
    }

    /// A client that starts at this time with this key and all that it knows of it.
    ///
    /// # Panics
    /// If the configuration is refused.
    pub fn with_key(config: ClientConfig, state: KeyState, now: Time, seed: Seed) -> Self {
        let key = AuthKey::from_bytes(state.auth_key());
        RogueServer::start(config, Start::Key(state), key, now, Dice::new(seed))
    }

    /// A client with an established session, valid salts for a day and nothing in flight.
    ///
    /// # Panics
    /// If the configuration is refused, or the client does not do what it has to for this.
    pub fn settled(config: ClientConfig, seed: Seed) -> Self {
        let mut rogue = RogueServer::new(config, seed);
        rogue.call(b"warm up.");
        let heard = rogue.hear_one();
        let mut answers = Vec::new();
        for message in &heard.messages {
            let req = message.msg_id;
            let said = message.said();
            answers.push(if let Said::GetFutureSalts(_) = said {
                rogue.future_salts(req)
            } else if let Said::PingDelay { ping_id, .. } = said {
                Said::Pong { req, ping_id }
            } else {
                Said::result(req, b"warm now")
            });
        }
        rogue.say_all(&answers);
        // The acknowledgement of the answer.
        rogue.answers_pings = true;
        rogue.later(rogue.config.session.ack_delay);
        rogue.answers_pings = false;
        rogue.hear();
        rogue.events();
        rogue
    }

    /// A day of salts of half an hour each, the first of them in force since a minute.
    pub fn future_salts(&self, req: MsgId) -> Said {
        let now = self.server_now().unix() as i32;
        Said::FutureSalts {
            req,
            now,
            salts: (0..48)
                .map(|n| (now - 60 + n * 1800, now - 60 + (n + 2) * 1800, salt_of(n)))
                .collect(),
        }
    }

    fn start(config: ClientConfig, start: Start, key: AuthKey, now: Time, mut dice: Dice) -> Self {
        let config = Arc::new(config);
        let client = ClientConnection::new(config.clone(), start, dice.rng(), now)
            .expect("the test's configuration is good");
        RogueServer {
            client,
            salt: salt_of(0),
            config,
            key,
            codec: Codec::server(ServerTransport::default()),
            dice,
            now,
            skew: 0,
            session: SessionId(0),
            pen: Pen::default(),
            conduct: BTreeMap::new(),
            reads: true,
            answers_pings: false,
            heard: Vec::new(),
            events: Vec::new(),
            error: None,
            timers_fired: 0,
        }
    }

    // ---- Time.

    /// The client's clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The server's clock.
    pub fn server_now(&self) -> Time {
        let seconds = Duration::from_secs(self.skew.unsigned_abs());
        if self.skew < 0 {
            self.now - seconds
        } else {
            self.now + seconds
        }
    }

    /// Sets the server's clock this many seconds ahead of the client's; negative: behind. Its
    /// message ids follow, also backwards.
    pub fn skew(&mut self, seconds: i64) {
        self.skew = seconds;
        self.pen.clock_was_set();
    }

    /// How often a timer of the client fired.
    pub fn timers_fired(&self) -> u64 {
        self.timers_fired
    }

    /// Lets time pass; the client's timers fire when they are due, and what it sends is read at
    /// once, unless the server does not read.
    ///
    /// # Panics
    /// If a timer does not move.
    pub fn later(&mut self, time: Duration) {
        let end = self.now + time;
        let mut at_this_instant = 0;
        loop {
            self.pump();
            let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) else {
                break;
            };
            if due > self.now {
                at_this_instant = 0;
            }
            at_this_instant += 1;
            assert!(at_this_instant < MAX_TIMERS_PER_INSTANT, "a timer is stuck");
            self.now = self.now.max(due);
            self.timers_fired += 1;
            let result = self.client.handle_timeout(self.now);
            self.note(result);
            if let Some(next) = self.client.poll_timeout() {
                assert!(next > self.now, "{next:?} is not later than {:?}", self.now);
            }
        }
        self.now = end;
    }

    // ---- The client's application.

    /// Submits a call.
    ///
    /// # Panics
    /// If the client does not take it.
    pub fn call(&mut self, body: &[u8]) -> RequestId {
        self.call_with(body, &SendOptions::default())
    }

    /// Submits a call that may be executed twice.
    ///
    /// # Panics
    /// If the client does not take it.
    pub fn call_idempotent(&mut self, body: &[u8]) -> RequestId {
        self.call_with(body, &SendOptions::default().idempotent())
    }

    /// Submits a call.
    ///
    /// # Panics
    /// If the client does not take it.
    pub fn call_with(&mut self, body: &[u8], options: &SendOptions) -> RequestId {
        self.client
            .send(self.now, Bytes::copy_from_slice(body), options)
            .expect("the client takes the call")
    }

    /// Cancels a call.
    pub fn cancel(&mut self, id: RequestId) {
        self.client.cancel(self.now, id);
    }

    /// The client's events since the last call.
    pub fn events(&mut self) -> Vec<ClientEvent> {
        while let Some(event) = self.client.poll_event() {
            self.events.push(event);
        }
        std::mem::take(&mut self.events)
    }

    /// The client's events since the last call, but for those that only say what is to be stored
    /// with the key.
    pub fn news(&mut self) -> Vec<ClientEvent> {
        let mut events = self.events();
        events.retain(|event| !matches!(event, ClientEvent::KeyStateChanged(_)));
        events
    }

    /// Why the client ended the stream, if it did.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    // ---- Hearing.

    /// Whether the server reads; at first it does.
    pub fn reads(&mut self, reads: bool) {
        self.reads = reads;
    }

    /// Whether the server answers pings by itself; at first it does not.
    pub fn answers_pings(&mut self, answers: bool) {
        self.answers_pings = answers;
    }

    /// The client's packets since the last call.
    ///
    /// # Panics
    /// If one does not open, or breaks a rule that every sender keeps.
    pub fn hear(&mut self) -> Vec<Packet> {
        self.pump();
        std::mem::take(&mut self.heard)
    }

    /// Lets time pass until the client sends something.
    ///
    /// # Panics
    /// If it does not within this time.
    pub fn wait(&mut self, limit: Duration) -> Packet {
        let end = self.now + limit;
        self.pump();
        while self.heard.is_empty() {
            let due = self.client.poll_timeout().filter(|due| *due <= end);
            let due = due.expect("the client sends something");
            self.later(due.saturating_since(self.now));
        }
        self.hear_one()
    }

    /// The client's only packet since the last call.
    ///
    /// # Panics
    /// If there is none, or more than one.
    pub fn hear_one(&mut self) -> Packet {
        let mut heard = self.hear();
        match heard.pop() {
            Some(packet) if heard.is_empty() => packet,
            last => panic!("not one packet: {heard:?} {last:?}"),
        }
    }

    /// What the client said in all packets since the last call.
    pub fn hear_said(&mut self) -> Vec<Said> {
        self.hear().iter().flat_map(Packet::said).collect()
    }

    fn pump(&mut self) {
        let mut bytes = Vec::new();
        while self.reads && self.client.poll_transmit(self.now, &mut bytes) {
            self.codec.feed(&bytes);
            bytes.clear();
            while let Some(frame) = self.codec.next_frame().expect("the client writes frames") {
                let Frame::Packet { data, quick_ack } = frame else {
                    panic!("a client never sends {frame:?}");
                };
                self.take(data.to_vec(), quick_ack);
            }
        }
    }

    fn take(&mut self, sealed: Vec<u8>, quick_ack: bool) {
        let plain = tamper::open(&self.key, Direction::ToServer, &sealed)
            .unwrap_or_else(|error| panic!("a packet that does not open: {error}"));
        let packet = Packet::new(self.now, plain, quick_ack, sealed);
        self.session = packet.session;
        self.conduct
            .entry(packet.session)
            .or_default()
            .check(Of::Client, &packet);
        let pings: Vec<_> = packet
            .messages
            .iter()
            .filter(|_| self.answers_pings)
            .filter_map(|message| {
                let (Said::Ping(ping_id) | Said::PingDelay { ping_id, .. }) = message.said() else {
                    return None;
                };
                Some((message.msg_id, ping_id))
            })
            .collect();
        self.heard.push(packet);
        for (req, ping_id) in pings {
            self.say(Said::Pong { req, ping_id });
        }
    }

    /// The session that the client last spoke in.
    pub fn session(&self) -> SessionId {
        self.session
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

    /// Says one thing as an honest server would; its message id.
    pub fn say(&mut self, said: Said) -> MsgId {
        let plain = self.plain(&said);
        self.send(&plain);
        plain.msg_id
    }

    /// Says several things in one container; their message ids.
    pub fn say_all(&mut self, said: &[Said]) -> Vec<MsgId> {
        let items: Vec<_> = said.iter().map(|said| self.item(said)).collect();
        let ids = items.iter().map(|item| item.msg_id).collect();
        self.send_container(&items);
        ids
    }

    /// Sends a container of these items.
    pub fn send_container(&mut self, items: &[Item]) {
        let plain = self.container(tamper::container(items, None));
        self.send(&plain);
    }

    /// The packet of a container with this body, to be changed.
    pub fn container(&mut self, body: Vec<u8>) -> Plain {
        let now = self.server_now();
        let msg_id = self.pen.msg_id(now, 1);
        let seq_no = self.pen.seq_no(self.session, false);
        Plain::new(self.salt, self.session, msg_id, seq_no, body)
    }

    /// A message for a container, to be changed.
    pub fn item(&mut self, said: &Said) -> Item {
        let now = self.server_now();
        let parity = if said.is_response() { 1 } else { 3 };
        let msg_id = self.pen.msg_id(now, parity);
        let seq_no = self.pen.seq_no(self.session, said.is_content());
        Item::new(msg_id, seq_no, said.to_bytes())
    }

    /// A packet as an honest server would make it, to be changed.
    pub fn plain(&mut self, said: &Said) -> Plain {
        let item = self.item(said);
        Plain::new(self.salt, self.session, item.msg_id, item.seq_no, item.body)
    }

    /// A message id of the server's clock moved by seconds, of a push.
    pub fn msg_id_moved(&self, seconds: i64) -> MsgId {
        let by = Duration::from_secs(seconds.unsigned_abs());
        let now = self.server_now();
        msg_id_at(if seconds < 0 { now - by } else { now + by }, 3)
    }

    /// Seals and sends a message.
    pub fn send(&mut self, plain: &Plain) {
        let packet = seal(&self.key, Direction::ToClient, plain, &mut self.dice);
        self.send_packet(&packet);
    }

    /// Sends bytes as one packet.
    pub fn send_packet(&mut self, packet: &[u8]) {
        let bytes = self.frame(packet);
        self.send_bytes(&bytes);
    }

    /// The bytes of the stream that carry this packet next.
    pub fn frame(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rng = self.dice.rng();
        self.codec
            .write_packet(&mut rng, &mut bytes, packet.len(), false, |out, _| {
                out.extend(packet);
            })
            .expect("the client has begun, and the packet fits a frame");
        bytes
    }

    /// Sends a transport error.
    pub fn send_status(&mut self, code: i32) {
        let mut bytes = Vec::new();
        let mut rng = self.dice.rng();
        self.codec
            .write_status(&mut rng, &mut bytes, code)
            .expect("the client has begun");
        self.send_bytes(&bytes);
    }

    /// Sends a quick acknowledgement of a packet.
    pub fn send_quick_ack(&mut self, packet: &Packet) {
        let plain = tamper::open(&self.key, Direction::ToServer, &packet.sealed)
            .expect("it opened before")
            .to_bytes(&mut self.dice);
        let key = mtproto_proto::crypto::msg_key(&self.key, Direction::ToServer, &plain);
        self.send_quick_ack_token(key.quick_ack);
    }

    /// Sends a quick acknowledgement with this token.
    pub fn send_quick_ack_token(&mut self, token: u32) {
        let mut bytes = Vec::new();
        let mut rng = self.dice.rng();
        self.codec
            .write_quick_ack(&mut rng, &mut bytes, token)
            .expect("the framing has quick acknowledgements");
        self.send_bytes(&bytes);
    }

    /// Sends bytes of the stream as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let result = self.client.handle_input(self.now, bytes);
        self.note(result);
    }

    /// Closes the stream.
    pub fn send_eof(&mut self) {
        let result = self.client.handle_eof(self.now);
        self.note(result);
    }

    fn note(&mut self, result: Result<(), Error>) {
        match (result, &self.error) {
            (Err(error), None) => self.error = Some(error),
            (result, Some(error)) => assert_eq!(result.as_ref(), Err(error), "errors are final"),
            (Ok(()), None) => {}
        }
    }

    // ---- Streams.

    /// Ends the stream and goes on over a new one.
    pub fn reconnect(self) -> Self {
        self.reconnect_with(|suspended| suspended)
    }

    /// Ends the stream; `between` sees what is left, and the client goes on over a new stream.
    ///
    /// # Panics
    /// If the client does not take what is left.
    pub fn reconnect_with(
        mut self,
        between: impl FnOnce(Box<Suspended>) -> Box<Suspended>,
    ) -> Self {
        self.events = {
            let mut events = std::mem::take(&mut self.events);
            while let Some(event) = self.client.poll_event() {
                events.push(event);
            }
            events
        };
        let rest = between(self.client.suspend());
        let client = ClientConnection::new(
            self.config.clone(),
            Start::Resume(rest),
            self.dice.rng(),
            self.now,
        )
        .expect("what was suspended resumes");
        RogueServer {
            client,
            codec: Codec::server(ServerTransport::default()),
            error: None,
            heard: Vec::new(),
            ..self
        }
    }
}

/// The salt of a half hour, as [`RogueServer::future_salts`] announces them.
fn salt_of(n: i32) -> i64 {
    0x5a17_0000_0000_0000 + i64::from(n)
}
