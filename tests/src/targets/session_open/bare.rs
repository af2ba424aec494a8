//! Bare sessions of both roles, and honest peers.
//!
//! Does: what the target asks of the machine, without framing and connections.
//! In: packets. Out: what the owner was told, the error.
//! Must not know: what is wrong with a packet.
//! Spec: "Mobile Protocol: Detailed Description".

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mtproto_proto::connection::Error;
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::session::{
    ClientStart, Config, Event, Salts, SendOptions, ServerSalts, Session,
};
use mtproto_proto::{MsgId, Rng, SessionId, Time};

use super::Subject;
use crate::pair::START;
use crate::rogue::Said;
use crate::tamper::{Item, Plain};
use crate::{Dice, Peer, Seed};

const CALL: &[u8] = b"an honest call..";
const ANSWER: &[u8] = b"and its answer..";
/// As of a client's connection.
const MAX_ROUNDS: usize = 8;
const ROUND: Duration = Duration::from_secs(5);

/// A session, its stream, and the peer.
struct Bare {
    session: Session,
    rng: Rng,
    peer: Peer,
    now: Time,
    error: Option<Error>,
    last: Option<Vec<u8>>,
    told: Vec<Vec<u8>>,
    requests: Vec<MsgId>,
    answers: Vec<Bytes>,
}

impl Bare {
    fn new(session: Session, rng: Rng, peer: Peer) -> Self {
        let mut bare = Bare {
            session,
            rng,
            peer,
            now: START,
            error: None,
            last: None,
            told: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
        };
        bare.session.stream_opened(START);
        bare
    }

    fn packet(&mut self, packet: &[u8]) {
        let packet = BytesMut::from(packet);
        let taken = self.session.handle_packet(self.now, packet, &mut self.rng);
        if let Err(error) = taken {
            self.error.get_or_insert(error.into());
        }
        self.take_events();
    }

    fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Update { body } => self.told.push(body.to_vec()),
                Event::Request { msg_id, body } => {
                    self.requests.push(msg_id);
                    self.told.push(body.to_vec());
                }
                Event::Response { body, .. } => self.answers.push(body),
                Event::Failed { id, error } => panic!("{id} fails: {error}"),
                Event::DestroySession { .. } | Event::DestroyAuthKey { .. } => {
                    panic!("nobody asks for {event:?}")
                }
                _ => {}
            }
        }
    }

    /// What the machine says now.
    fn hear(&mut self) -> Vec<Item> {
        let mut all = Vec::new();
        while let Some(plan) = self.session.plan_packet(self.now, &mut self.rng) {
            let mut packet = Vec::new();
            self.session
                .write_packet(self.now, &plan, &mut self.rng, &mut packet);
            let items = self.peer.open(&packet).expect("a good packet");
            all.extend(items);
            self.last = Some(packet);
        }
        all
    }

    fn say(&mut self, said: &Said) {
        let plain = self
            .peer
            .plain(self.now, said.is_content(), said.to_bytes());
        let packet = self.peer.seal(&plain);
        self.packet(&packet);
    }

    fn later(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let alive = self.session.handle_timeout(self.now);
            let next = self.session.poll_timeout();
            assert!(next.is_none_or(|at| at > self.now), "a timer that stays");
            if alive.is_err() {
                self.renew_stream();
            }
            self.hear();
            self.take_events();
        }
        self.now = end;
        self.hear();
    }

    fn renew_stream(&mut self) {
        self.error = None;
        self.session.stream_closed();
        self.session.stream_opened(self.now);
    }
}

/// A client's session.
pub(super) struct Client(Bare);

impl Client {
    pub(super) fn new() -> Self {
        let mut dice = Dice::new(Seed(6));
        let key = AuthKey::from_bytes(&dice.array());
        let start = ClientStart {
            key: key.clone(),
            salts: Salts::unknown(),
            time_offset: 0,
            time_synced: false,
            init: None,
        };
        let mut rng = dice.rng();
        let session = Session::client(start, Config::default(), START, &mut rng);
        let peer = Peer::server(key, 0x5a17, session.id(), dice);
        let mut client = Client(Bare::new(session, rng, peer));
        client.survives();
        client
    }
}

impl Subject for Client {
    const TO_IT: Direction = Direction::ToClient;
    const FRAMED: bool = false;
    const ONE_SESSION: bool = true;

    fn key(&self) -> AuthKey {
        self.0.peer.key.clone()
    }

    fn session(&self) -> SessionId {
        self.0.session.id()
    }

    fn honest(&mut self, body: Vec<u8>) -> Plain {
        let now = self.0.now;
        self.0.peer.plain(now, true, body)
    }

    fn packet(&mut self, packet: &[u8], _: bool) {
        self.0.packet(packet);
    }

    fn bytes(&mut self, _: &[u8]) -> bool {
        false
    }

    fn ended(&mut self) -> Option<Error> {
        self.0.error.clone()
    }

    fn told(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.0.told)
    }

    fn own(&mut self) -> Option<Vec<u8>> {
        self.0.hear();
        self.0.last.clone()
    }

    fn later(&mut self, time: Duration) {
        self.0.later(time);
    }

    fn survives(&mut self) {
        let Client(bare) = self;
        let id = bare.session.id();
        bare.renew_stream();
        bare.answers.clear();
        let options = SendOptions::default();
        bare.session
            .send(bare.now, CALL.into(), &options)
            .expect("there is room");
        for _ in 0..MAX_ROUNDS {
            for item in bare.hear() {
                let req = item.msg_id;
                let answer = match Said::read(&item.body.into()) {
                    Said::GetFutureSalts(_) => {
                        let now = i32::try_from(bare.now.unix()).expect("a date of this century");
                        let salts = vec![(now - 60, now + 86_400, 0x5a17)];
                        Said::FutureSalts { req, now, salts }
                    }
                    Said::Ping(ping_id) | Said::PingDelay { ping_id, .. } => {
                        Said::Pong { req, ping_id }
                    }
                    Said::StateReq(ids) => {
                        let info = vec![1; ids.len()];
                        Said::StateInfo { req, info }
                    }
                    said if said == Said::other(CALL) => Said::result(req, ANSWER),
                    _ => continue,
                };
                bare.say(&answer);
            }
            assert_eq!(bare.error, None, "the server is honest");
            if bare.answers.iter().any(|answer| answer == ANSWER) {
                assert_eq!(bare.session.id(), id, "the session survives");
                return;
            }
            bare.later(ROUND);
        }
        panic!("an honest call is not answered");
    }
}

/// A server's session.
pub(super) struct Server(Bare, ServerSalts);

impl Server {
    pub(super) fn new() -> Self {
        let mut dice = Dice::new(Seed(7));
        let key = AuthKey::from_bytes(&dice.array());
        let salts = ServerSalts::new(dice.array(), key.id(), None);
        let rng = dice.rng();
        let peer = Peer::client(key.clone(), salts.current(START), dice);
        let config = Config::server();
        let session = Session::server(key, peer.session, salts.clone(), config, START);
        let mut server = Server(Bare::new(session, rng, peer), salts);
        server.survives();
        server
    }
}

impl Subject for Server {
    const TO_IT: Direction = Direction::ToServer;
    const FRAMED: bool = false;
    const ONE_SESSION: bool = true;

    fn key(&self) -> AuthKey {
        self.0.peer.key.clone()
    }

    fn session(&self) -> SessionId {
        self.0.session.id()
    }

    fn honest(&mut self, body: Vec<u8>) -> Plain {
        let now = self.0.now;
        self.0.peer.salt = self.1.current(now);
        self.0.peer.plain(now, true, body)
    }

    fn packet(&mut self, packet: &[u8], _: bool) {
        self.0.packet(packet);
    }

    fn bytes(&mut self, _: &[u8]) -> bool {
        false
    }

    fn ended(&mut self) -> Option<Error> {
        self.0.error.clone()
    }

    fn told(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.0.told)
    }

    fn own(&mut self) -> Option<Vec<u8>> {
        self.0.hear();
        self.0.last.clone()
    }

    fn later(&mut self, time: Duration) {
        self.0.later(time);
    }

    fn survives(&mut self) {
        let Server(bare, salts) = self;
        bare.renew_stream();
        bare.told.clear();
        bare.peer.salt = salts.current(bare.now);
        let plain = bare.peer.plain(bare.now, true, CALL.to_vec());
        let packet = bare.peer.seal(&plain);
        bare.packet(&packet);
        assert_eq!(bare.error, None, "the client is honest");
        assert_eq!(bare.told.pop().as_deref(), Some(CALL), "the call is told");
        let request = bare.requests.pop().expect("it was told");
        assert_eq!(request, plain.msg_id);
        assert!(bare.session.respond(request, ANSWER.into()));
        let answer = Said::result(request, ANSWER).to_bytes();
        let heard = bare.hear();
        assert!(
            heard.iter().any(|item| item.body == answer),
            "the call is answered: {heard:?}"
        );
    }
}
