//! A client that a test drives by hand.
//!
//! Does: [`Client`] makes a key with a test DC and calls it, one call after the other.
//! In: queries. Out: answers, or the text of their errors; updates.
//! Must not know: what the test is about.
//! Spec: "Mobile Protocol: Detailed Description".

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_proto::handshake::bind::{BindInner, bind_message};
use mtproto_proto::handshake::client;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_proto::{DcId, Time};
use mtproto_schema::api::functions::auth::BindTempAuthKey;
use mtproto_schema::api::functions::help::GetConfig;
use mtproto_schema::api::functions::{InitConnection, InvokeWithLayer};
use mtproto_schema::api::types::Config;
use mtproto_schema::mtproto::types::{BadServerSalt, MsgsAck, RpcError, RpcResult};
use mtproto_schema::{Decode, Encode, LAYER};
use mtproto_test::tamper::{Item, Plain};
use mtproto_test::{Dice, Line, Peer, Seed, TestDc, peer};

/// A DC to connect to.
#[derive(Clone)]
pub struct Door {
    pub addr: SocketAddr,
    pub key: RsaPublicKey,
    pub dc: DcId,
}

impl From<&TestDc> for Door {
    fn from(dc: &TestDc) -> Self {
        Door {
            addr: dc.addr(),
            key: dc.public_key(),
            dc: dc.dc(),
        }
    }
}

/// The door of one DC of several.
pub fn door(dc: &TestDc, id: i16) -> Door {
    let (dc_id, addr) = *dc.dcs().iter().find(|(dc, _)| dc.0 == id).unwrap();
    Door {
        addr,
        key: dc.public_key(),
        dc: dc_id,
    }
}

/// A client with a key and a stream. Its time stands still at the server's time of the handshake;
/// the window of message ids is wide enough for a test.
pub struct Client {
    pub line: Line,
    pub peer: Peer,
    pub now: Time,
    pub expires_at: Option<i32>,
    /// What came besides answers.
    heard: VecDeque<Bytes>,
}

impl Client {
    pub fn new(dc: impl Into<Door>, seed: u64) -> Self {
        Client::over(dc, Framing::Intermediate, None, None, seed)
    }

    /// A client that made a temporary key.
    pub fn temporary(dc: impl Into<Door>, seed: u64) -> Self {
        Client::over(dc, Framing::Intermediate, None, Some(86_400), seed)
    }

    pub fn over(
        door: impl Into<Door>,
        framing: Framing,
        obfuscation: Option<Obfuscation>,
        expires_in: Option<u32>,
        seed: u64,
    ) -> Self {
        let door = door.into();
        let mut dice = Dice::new(Seed(seed));
        let mut line = Line::connect(door.addr, framing, obfuscation, dice.rng()).unwrap();
        let mut config = client::Config::new(vec![door.key], door.dc);
        config.expires_in = expires_in;
        let complete = peer::make_key(config, Time::ZERO, &mut dice.rng(), |packet| {
            line.exchange(packet).unwrap()
        })
        .unwrap();
        Client {
            line,
            now: Time::from_unix(complete.server_time as u64),
            expires_at: complete.expires_at,
            peer: Peer::client(complete.key, complete.salt, dice),
            heard: VecDeque::new(),
        }
    }

    /// Another client with the same key, a stream and a session of its own.
    pub fn sibling(&self, door: impl Into<Door>, seed: u64) -> Self {
        let mut dice = Dice::new(Seed(seed));
        let framing = Framing::Intermediate;
        Client {
            line: Line::connect(door.into().addr, framing, None, dice.rng()).unwrap(),
            peer: Peer::client(self.peer.key.clone(), self.peer.salt, dice),
            now: self.now,
            expires_at: self.expires_at,
            heard: VecDeque::new(),
        }
    }

    pub fn send(&mut self, body: &[u8]) -> Item {
        let item = self.peer.item(self.now, true, body.to_vec());
        self.send_item(&item);
        item
    }

    pub fn send_item(&mut self, item: &Item) {
        let plain = Plain::new(
            self.peer.salt,
            self.peer.session,
            item.msg_id,
            item.seq_no,
            item.body.clone(),
        );
        let packet = self.peer.seal(&plain);
        self.line.send(&packet).unwrap();
    }

    /// The answer to a call, as it came.
    pub fn answer(&mut self, item: &Item) -> Bytes {
        let mut item = item.clone();
        loop {
            let mut answer = None;
            let mut refused = false;
            for body in self.read() {
                if let Ok(result) = RpcResult::from_bytes(&body) {
                    // An older one comes again over a new stream: nothing is acknowledged here.
                    if result.req_msg_id == item.msg_id.0 {
                        answer = Some(result.result.0);
                    }
                } else if let Ok(bad) = BadServerSalt::from_bytes(&body) {
                    self.peer.salt = bad.new_server_salt;
                    refused = true;
                } else {
                    self.heard.push_back(body);
                }
            }
            if refused {
                // A message that was refused is never taken under its old id.
                item = self.send(&item.body);
            }
            if let Some(answer) = answer {
                return answer;
            }
        }
    }

    fn read(&mut self) -> Vec<Bytes> {
        let packet = self.line.recv_packet().unwrap();
        let items = self.peer.open(&packet).unwrap();
        items.into_iter().map(|item| item.body.into()).collect()
    }

    /// The next message of this type that is no answer.
    pub fn update<T: Decode>(&mut self) -> T {
        loop {
            while let Some(body) = self.heard.pop_front() {
                if let Ok(update) = T::from_bytes(&body) {
                    return update;
                }
            }
            let bodies = self.read();
            self.heard.extend(bodies);
        }
    }

    /// Whether a message with this body came by now, besides answers: what was sent before the
    /// answer to a further call.
    pub fn has_heard(&mut self, body: &[u8]) -> bool {
        self.call(&GetConfig).unwrap();
        self.heard.iter().any(|heard| heard == body)
    }

    /// Reads one packet and acknowledges what wants it.
    pub fn read_and_acknowledge(&mut self) -> Vec<Item> {
        let packet = self.line.recv_packet().unwrap();
        let items = self.peer.open(&packet).unwrap();
        let wanted = items.iter().filter(|item| item.seq_no % 2 == 1);
        let msg_ids = wanted.map(|item| item.msg_id.0).collect();
        let ack = MsgsAck { msg_ids }.to_bytes();
        let plain = self.peer.plain(self.now, false, ack.to_vec());
        let packet = self.peer.seal(&plain);
        self.line.send(&packet).unwrap();
        items
    }

    /// A call's answer, or the text of its error.
    pub fn call_raw(&mut self, body: &[u8]) -> Result<Bytes, String> {
        let item = self.send(body);
        let answer = self.answer(&item);
        match RpcError::from_bytes(&answer) {
            Ok(error) => Err(format!("{} {}", error.error_code, &*error.error_message)),
            Err(_) => Ok(answer),
        }
    }

    pub fn call<F: mtproto_schema::Function>(&mut self, query: &F) -> Result<F::Response, String> {
        let answer = self.call_raw(&query.to_bytes())?;
        Ok(F::Response::from_bytes(&answer).unwrap())
    }

    /// The configuration, asked for with everything that a first call needs.
    pub fn initialize(&mut self) -> Config {
        self.call(&with_layer(init(GetConfig))).unwrap()
    }

    /// `auth.bindTempAuthKey` for this client's temporary key, and the message that it goes in.
    pub fn binding(&mut self, perm: &Peer, change: impl FnOnce(&mut BindInner)) -> Item {
        let mut item = self.peer.item(self.now, true, Vec::new());
        let mut inner = BindInner {
            nonce: 7,
            temp_auth_key_id: self.peer.key.id(),
            perm_auth_key_id: perm.key.id(),
            temp_session_id: self.peer.session,
            expires_at: self.expires_at.unwrap_or(i32::MAX),
        };
        let (nonce, expires_at) = (inner.nonce, inner.expires_at);
        change(&mut inner);
        let mut rng = Dice::new(Seed(99)).rng();
        let message = bind_message(&perm.key, item.msg_id, &inner, &mut rng);
        item.body = BindTempAuthKey {
            perm_auth_key_id: perm.key.id().0,
            nonce,
            expires_at: if inner.expires_at == expires_at {
                expires_at
            } else {
                inner.expires_at
            },
            encrypted_message: message.to_vec().into(),
        }
        .to_bytes()
        .to_vec();
        item
    }

    pub fn bind(
        &mut self,
        perm: &Peer,
        change: impl FnOnce(&mut BindInner),
    ) -> Result<bool, String> {
        let item = self.binding(perm, change);
        self.send_item(&item);
        let answer = self.answer(&item);
        match RpcError::from_bytes(&answer) {
            Ok(error) => Err(format!("{} {}", error.error_code, &*error.error_message)),
            Err(_) => Ok(bool::from_bytes(&answer).unwrap()),
        }
    }
}

pub fn with_layer<F>(query: F) -> InvokeWithLayer<F> {
    InvokeWithLayer {
        layer: LAYER,
        query,
    }
}

pub fn init<F>(query: F) -> InitConnection<F> {
    InitConnection {
        api_id: 1,
        device_model: "test".into(),
        system_version: "1".into(),
        app_version: "1".into(),
        system_lang_code: "en".into(),
        lang_pack: "".into(),
        lang_code: "en".into(),
        proxy: None,
        params: None,
        query,
    }
}
