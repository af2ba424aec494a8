//! A client's connection, and an honest server.
//!
//! Does: what the target asks of the machine; answers its questions, as a server does.
//! In: packets. Out: what the application was told, the error.
//! Must not know: what is wrong with a packet.
//! Spec: "Mobile Protocol: Detailed Description".

use std::time::Duration;

use mtproto_proto::connection::{ClientConfig, ClientEvent, Error};
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::transport::Framing;
use mtproto_proto::{AuthKeyId, DcId, SessionId};

use super::{Subject, frame};
use crate::Seed;
use crate::rogue::{RogueServer, Said};
use crate::tamper::Plain;

const CALL: &[u8] = b"an honest call..";
const ANSWER: &[u8] = b"and its answer..";
/// Rounds of questions and answers until a call is answered: for a salt, for what became of what was
/// said before, for the call.
const MAX_ROUNDS: usize = 8;
/// Between two of them.
const ROUND: Duration = Duration::from_secs(5);

pub(super) struct Client {
    /// Gone only while the stream is replaced.
    server: Option<RogueServer>,
    key: AuthKeyId,
}

impl Client {
    pub(super) fn new() -> Self {
        let mut config = ClientConfig::new(DcId(2), Vec::new());
        config.framing = Framing::Intermediate;
        let mut server = RogueServer::settled(config, Seed(4));
        server.answers_pings(true);
        Client {
            key: server.key().id(),
            server: Some(server),
        }
    }

    fn server(&mut self) -> &mut RogueServer {
        self.server.as_mut().expect("it is there between calls")
    }
}

impl Subject for Client {
    const TO_IT: Direction = Direction::ToClient;
    const FRAMED: bool = true;
    const ONE_SESSION: bool = true;

    fn key(&self) -> AuthKey {
        let server = self.server.as_ref().expect("it is there between calls");
        server.key().clone()
    }

    fn session(&self) -> SessionId {
        self.server
            .as_ref()
            .expect("it is there between calls")
            .session()
    }

    fn honest(&mut self, body: Vec<u8>) -> Plain {
        self.server().plain(&Said::other(&body))
    }

    fn packet(&mut self, packet: &[u8], quick_ack: bool) {
        self.server().send_bytes(&frame(packet, quick_ack));
    }

    fn bytes(&mut self, bytes: &[u8]) -> bool {
        self.server().send_bytes(bytes);
        true
    }

    fn ended(&mut self) -> Option<Error> {
        self.server().error().cloned()
    }

    fn told(&mut self) -> Vec<Vec<u8>> {
        let mut told = Vec::new();
        for event in self.server().events() {
            match event {
                ClientEvent::Update { body } => told.push(body.to_vec()),
                // No request is open.
                ClientEvent::Response { .. } | ClientEvent::Failed { .. } => {
                    panic!("{event:?} of a call that is over")
                }
                _ => {}
            }
        }
        told
    }

    fn own(&mut self) -> Option<Vec<u8>> {
        let heard = self.server().hear();
        heard.last().map(|packet| packet.sealed.clone())
    }

    fn later(&mut self, time: Duration) {
        let server = self.server();
        server.later(time);
        server.hear();
        if server.error().is_some() {
            self.survives();
        }
    }

    fn survives(&mut self) {
        self.told();
        let server = self.server.take().expect("it is there between calls");
        let session = server.session();
        let server = self.server.insert(server.reconnect());
        let state = server.client.key_state().map(|key| key.auth_key_id());
        assert_eq!(state, Some(self.key), "the key survives");
        let id = server.call(CALL);
        for _ in 0..MAX_ROUNDS {
            for packet in server.hear() {
                assert_eq!(packet.session, session, "the session survives");
                for message in packet.messages {
                    let req = message.msg_id;
                    match message.said() {
                        Said::GetFutureSalts(_) => {
                            let salts = server.future_salts(req);
                            server.say(salts);
                        }
                        Said::StateReq(ids) => {
                            // None of them came.
                            let info = vec![1; ids.len()];
                            server.say(Said::StateInfo { req, info });
                        }
                        said if said == Said::other(CALL) => {
                            server.say(Said::result(req, ANSWER));
                        }
                        _ => {}
                    }
                }
            }
            assert_eq!(server.error(), None, "the server is honest");
            let answered = server.events().into_iter().any(|event| {
                matches!(event, ClientEvent::Response { id: of, body } if of == id && body == ANSWER)
            });
            if answered {
                return;
            }
            server.later(ROUND);
        }
        panic!("an honest call is not answered");
    }
}
