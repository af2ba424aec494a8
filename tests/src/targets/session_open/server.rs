//! A server with two streams of one key, and honest clients on both.
//!
//! Does: what the target asks of the machine; the second stream has a session of its own, and nothing
//! that comes over the first one may disturb it.
//! In: packets. Out: what the owner was told, the error.
//! Must not know: what is wrong with a packet.
//! Spec: "Mobile Protocol: Detailed Description".

use std::time::Duration;

use mtproto_proto::connection::Error;
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::server::{Event, ServerConfig};
use mtproto_proto::{ConnId, DcId, IncomingId, SessionId};

use super::{Subject, frame};
use crate::Seed;
use crate::rogue::{RogueClient, Said};
use crate::tamper::Plain;

const CALL: &[u8] = b"an honest call..";
const ANSWER: &[u8] = b"and its answer..";
/// Two sessions of the clients.
const FIRST: SessionId = SessionId(0x5e55_0001);
const SECOND: SessionId = SessionId(0x5e55_0002);
/// Who is silent for longer than ten minutes is closed; an honest client speaks before.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Streams {
    clients: RogueClient,
    /// The stream that bad packets come over, and the one beside it.
    conn: ConnId,
    beside: ConnId,
    last: Option<Vec<u8>>,
    calls: Vec<IncomingId>,
    told: Vec<Vec<u8>>,
    max_sessions: usize,
}

impl Streams {
    /// `asks`: it does not know all keys, and asks its owner, who does not either.
    pub(super) fn new(asks: bool) -> Self {
        let mut config = ServerConfig::new(DcId(2), Vec::new());
        config.external_keys = asks;
        let max_sessions = config.max_sessions_per_key;
        let mut clients = RogueClient::new(config, Seed(5));
        let (conn, beside) = (clients.connect(), clients.connect());
        let mut streams = Streams {
            clients,
            conn,
            beside,
            last: None,
            calls: Vec::new(),
            told: Vec::new(),
            max_sessions,
        };
        streams.settle();
        streams
    }

    /// Both clients learn the salt and say that they live.
    fn settle(&mut self) {
        for (session, conn) in [(SECOND, self.beside), (FIRST, self.conn)] {
            self.clients.session = session;
            self.clients.settle(conn);
        }
    }

    /// A call over a stream is answered.
    fn is_served(&mut self, session: SessionId, conn: ConnId) {
        self.clients.session = session;
        self.clients.settle(conn);
        self.calls.clear();
        let req = self.clients.say(conn, Said::other(CALL));
        self.take_events();
        assert_eq!(self.told.pop().as_deref(), Some(CALL), "the call is told");
        let id = self.calls.pop().expect("it was told");
        assert!(self.clients.respond(id, ANSWER));
        let said = self.clients.hear_said(conn);
        let answer = Said::result(req, ANSWER);
        assert!(said.contains(&answer), "the call is answered: {said:?}");
        assert_eq!(self.clients.closed(conn), None);
        self.clients.session = FIRST;
    }

    fn take_events(&mut self) {
        let now = self.clients.now();
        for event in self.clients.events() {
            match event {
                Event::Request { id, body, .. } => {
                    self.calls.push(id);
                    self.told.push(body.to_vec());
                }
                Event::KeyNeeded { auth_key_id } => {
                    self.clients.server.provide_key(now, auth_key_id, None);
                }
                Event::KeyDestroyed { auth_key_id } => panic!("{auth_key_id} is lost"),
                Event::KeyCreated { .. } => panic!("a key that nobody made"),
                _ => {}
            }
        }
    }
}

impl Subject for Streams {
    const TO_IT: Direction = Direction::ToServer;
    const FRAMED: bool = true;
    const ONE_SESSION: bool = false;

    fn key(&self) -> AuthKey {
        self.clients.key().clone()
    }

    fn session(&self) -> SessionId {
        FIRST
    }

    fn honest(&mut self, body: Vec<u8>) -> Plain {
        self.clients.plain(&Said::other(&body))
    }

    fn packet(&mut self, packet: &[u8], quick_ack: bool) {
        self.clients
            .send_bytes(self.conn, &frame(packet, quick_ack));
        self.take_events();
    }

    fn bytes(&mut self, bytes: &[u8]) -> bool {
        self.clients.send_bytes(self.conn, bytes);
        self.take_events();
        true
    }

    fn ended(&mut self) -> Option<Error> {
        self.clients.closed(self.conn)
    }

    fn told(&mut self) -> Vec<Vec<u8>> {
        self.take_events();
        std::mem::take(&mut self.told)
    }

    fn own(&mut self) -> Option<Vec<u8>> {
        let heard = self.clients.hear(self.conn);
        if let Some(packet) = heard.last() {
            self.last = Some(packet.sealed.clone());
        }
        self.last.clone()
    }

    fn later(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let some = left.min(PATIENCE);
            self.clients.later(some);
            left -= some;
            self.settle();
        }
    }

    fn survives(&mut self) {
        self.told();
        let error = self.clients.closed(self.conn);
        let statuses = self.clients.statuses(self.conn);
        match error {
            // As its last frame.
            Some(Error::PeerMisbehaved(_) | Error::Status { code: -404 }) => {
                assert_eq!(statuses, [-404]);
            }
            Some(Error::Transport(_)) | None => assert_eq!(statuses, [] as [i32; 0]),
            Some(_) => {}
        }
        self.clients.disconnect(self.conn);
        assert!(self.clients.server.sessions().count() <= self.max_sessions);
        self.conn = self.clients.connect();
        self.is_served(FIRST, self.conn);
        assert_eq!(self.clients.closed(self.beside), None, "it did nothing");
        self.is_served(SECOND, self.beside);
    }
}
