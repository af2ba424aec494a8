//! A client whose server is the test: answers that the core's own server never gives.

use std::sync::Arc;

use mtproto_proto::client::{Action, CallOptions, Client, Event, SignedOut};
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::{ConnId, DcId, Time};
use mtproto_schema::api::{functions, types};
use mtproto_schema::{Encode, Function, mtproto, tl};
use mtproto_test::tamper::{self, Item};
use mtproto_test::{Dice, Peer, Seed};

use crate::net::{Net, config};
use crate::queries::unwrap;
use crate::secs;

/// What the framing, Intermediate, begins a stream with.
const TAG: usize = 4;

struct ByHand {
    client: Client,
    server: Option<Peer>,
    key: AuthKey,
    conn: ConnId,
    now: Time,
    dice: Dice,
}

impl ByHand {
    /// Somebody is signed in, and nothing is connected.
    fn new(seed: u64) -> Self {
        let mut net = Net::new(config(), seed);
        net.sign_in();
        let (key, _) = net.store.dc(DcId(2)).unwrap();
        let mut dice = Dice::new(Seed::from_env_or(seed));
        let (config, rng, now) = (Arc::new(config()), dice.rng(), net.now());
        ByHand {
            client: Client::new(config, net.store.clone(), rng, now).unwrap(),
            server: None,
            key: AuthKey::from_bytes(key.auth_key()),
            conn: ConnId(0),
            now,
            dice,
        }
    }

    /// Takes the client's actions: opens what it dials, and gives what it wrote.
    fn written(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Connect { conn, .. } => {
                    (self.conn, self.server) = (conn, None);
                    self.client.handle_connected(self.now, conn);
                }
                Action::Transmit { conn } => {
                    let mut out = Vec::new();
                    while self.client.poll_transmit(self.now, conn, &mut out) {}
                    items.extend(self.read(&out));
                }
                Action::Close { .. } => {}
                _ => panic!("{action:?}"),
            }
        }
        items
    }

    fn read(&mut self, mut bytes: &[u8]) -> Vec<Item> {
        if self.server.is_none() {
            bytes = &bytes[TAG..];
        }
        let mut items = Vec::new();
        while let Some((len, rest)) = bytes.split_first_chunk() {
            let (packet, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
            bytes = rest;
            let plain = tamper::open(&self.key, Direction::ToServer, packet).unwrap();
            let (key, dice) = (self.key.clone(), &mut self.dice);
            let server = self
                .server
                .get_or_insert_with(|| Peer::server(key, plain.salt, plain.session, dice.fork()));
            items.extend(server.open(packet).unwrap());
        }
        items
    }

    fn answer(&mut self, to: &Item, result: &impl Encode) {
        let mut body = Vec::new();
        tl::put_u32(
            &mut body,
            <mtproto::types::RpcResult as mtproto_schema::Constructor>::ID,
        );
        tl::put_i64(&mut body, to.msg_id.0);
        body.extend(result.to_bytes());
        let server = self.server.as_mut().unwrap();
        let plain = server.plain(self.now, true, body);
        let packet = server.seal(&plain);
        let mut bytes = u32::try_from(packet.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend(packet);
        self.client.handle_input(self.now, self.conn, &bytes);
    }
}

fn call_of<F: Function>(items: &[Item]) -> Option<&Item> {
    items.iter().find(|item| {
        unwrap(&item.body.clone().into())
            .query
            .starts_with(&F::ID.to_le_bytes())
    })
}

#[test]
fn f24_a_farewell_that_was_refused_is_not_said_again_under_another_key() {
    for (code, message) in [(500, "INTERNAL"), (420, "FLOOD_WAIT_3"), (-503, "Timeout")] {
        let mut hand = ByHand::new(77);
        let log_out = functions::auth::LogOut.to_bytes();
        let options = CallOptions::default();
        hand.client.send(hand.now, log_out, &options).unwrap();
        let written = hand.written();
        let asked = call_of::<functions::auth::LogOut>(&written).unwrap();
        let left = types::auth::LoggedOut {
            future_auth_token: None,
        };
        hand.answer(asked, &left);
        let written = hand.written();
        let farewell = call_of::<mtproto::functions::DestroyAuthKey>(&written).unwrap();
        let refusal = mtproto::types::RpcError {
            error_code: code,
            error_message: message.into(),
        };
        hand.answer(farewell, &refusal);
        assert_eq!(hand.written(), []);
        let events: Vec<_> = std::iter::from_fn(|| hand.client.poll_event()).collect();
        assert!(events.contains(&Event::SignedOut(SignedOut::Requested)));
        while let Some(at) = hand
            .client
            .poll_timeout()
            .filter(|at| *at < hand.now + secs(60))
        {
            hand.now = at;
            hand.client.handle_timeout(at);
            assert_eq!(hand.client.poll_action(), None, "{message}");
        }
    }
}
