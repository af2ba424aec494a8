//! A handshake whose secrets are known: both sides draw them from a script.

use mtproto_proto::crypto::dh::{Exponent, Group};
use mtproto_proto::crypto::factor::is_prime;
use mtproto_proto::crypto::{AuthKey, RsaPrivateKey};
use mtproto_proto::handshake::{
    ClientHandshake, Complete, Error, PlainMessage, ServerHandshake, Step, client, server,
};
use mtproto_proto::{AuthKeyId, DcId, MsgId, Rng, Time};
use mtproto_schema::Decode;
use mtproto_schema::mtproto::types::ResPq;
use mtproto_test::Seed;

use crate::pieces::Secrets;

pub const PEM: &str = include_str!("../keys/server.pem");

/// What a client draws: `nonce`, `new_nonce`, RSA_PAD's padding and its key, the exponent.
const NONCE: usize = 16;
const NEW_NONCE: usize = 32;
/// Of a `p_q_inner_data_dc` with a `pq` of 8 bytes: 192 less its 100 bytes.
const PADDING: usize = 92;
const TEMP_KEY: usize = 32;
const EXPONENT: usize = 256;

/// What the sides draw.
pub struct Script {
    client: Vec<u8>,
    server: Vec<u8>,
}

/// What came of it.
pub struct Made {
    pub client: Complete,
    pub server: Complete,
}

impl Script {
    /// A script that is read as it is meant: the first key for RSA_PAD gives a value below the
    /// modulus. Else another one would be drawn, and what follows from other places.
    pub fn new(seed: u64) -> Self {
        let mut tried = (seed..seed + 64).map(Script::any);
        let fits = |script: &Script| script.converse(|_| {}).client.key == script.key();
        tried.find(fits).expect("one of two fits")
    }

    fn any(seed: u64) -> Self {
        let mut rng = Rng::from_seed(Seed(seed).bytes());
        let client = rng.array::<{ NONCE + NEW_NONCE + PADDING + TEMP_KEY + EXPONENT }>();
        let mut prime = || loop {
            let bytes: [u8; 4] = rng.array();
            let candidate = u64::from(u32::from_le_bytes(bytes) >> 1 | 0x6000_0001);
            if is_prime(candidate) {
                break bytes;
            }
        };
        let primes = [prime(), prime()].concat();
        let server_nonce: [u8; 16] = rng.array();
        let exponent: [u8; EXPONENT] = rng.array();
        Script {
            client: client.to_vec(),
            server: [&server_nonce[..], &primes, &exponent].concat(),
        }
    }

    pub fn new_nonce(&self) -> &[u8] {
        &self.client[NONCE..NONCE + NEW_NONCE]
    }

    fn client_exponent(&self) -> &[u8] {
        &self.client[self.client.len() - EXPONENT..]
    }

    fn server_exponent(&self) -> &[u8] {
        &self.server[self.server.len() - EXPONENT..]
    }

    /// The key, computed beside the machines: a script that is not read as it is meant gives
    /// another one.
    pub fn key(&self) -> AuthKey {
        let group = Group::known(3).unwrap();
        let exponent = |bytes: &[u8]| Exponent::from_bytes(bytes.try_into().unwrap());
        let g_a = group.pow(&[3], &exponent(self.server_exponent())).unwrap();
        let g_a = group.public_value(&g_a[..]).unwrap();
        AuthKey::from_bytes(&group.shared(&g_a, &exponent(self.client_exponent())))
    }

    /// The first salt, of which `new_nonce` follows for who saw `server_nonce`.
    fn salt(&self) -> i64 {
        let bytes = self.new_nonce().iter().zip(&self.server[..NONCE]);
        let salt: Vec<u8> = bytes.map(|(a, b)| a ^ b).take(8).collect();
        i64::from_le_bytes(salt.try_into().unwrap())
    }

    pub fn secrets(&self) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("new_nonce", self.new_nonce());
        secrets.add("RSA_PAD's padding", &self.client[48..48 + PADDING]);
        secrets.add("RSA_PAD's key", &self.client[48 + PADDING..][..TEMP_KEY]);
        secrets.add("the client's exponent", self.client_exponent());
        secrets.add("the server's exponent", self.server_exponent());
        secrets.add("the key", self.key().as_bytes());
        secrets
    }

    /// Both sides to their end. `look` sees everything that can be printed on the way.
    #[expect(
        clippy::replace_box,
        reason = "the block that held the state before is to be freed, and looked at"
    )]
    pub fn converse(&self, mut look: impl FnMut(&dyn std::fmt::Debug)) -> Made {
        let now = Time::from_unix(1_800_000_000);
        let key = RsaPrivateKey::from_pem(PEM).unwrap();
        let config = client::Config::new(vec![key.public().clone()], DcId(2));
        let server_config = server::Config {
            keys: vec![key],
            dc: Some(DcId(2)),
        };
        look(&config);
        look(&server_config);
        let mut rng = Rng::scripted(&self.client);
        let mut server_rng = Rng::scripted(&self.server);
        // On the heap, where what is left of them would be seen.
        let mut client = Box::new(ClientHandshake::new(config, now, &mut rng));
        let mut server = Box::new(ServerHandshake::new(now));
        let mut made = None;
        loop {
            look(&client);
            look(&server);
            let query = client.query().to_vec();
            let mut exists = |_: AuthKeyId| false;
            let id = MsgId(0x6553_f100_0000_0001);
            let (next, reply) = server
                .handle(
                    &server_config,
                    now,
                    &query,
                    id,
                    &mut exists,
                    &mut server_rng,
                )
                .unwrap();
            look(&reply);
            server = Box::new(next);
            if let Some(complete) = &reply.complete {
                look(complete);
                made = Some((**complete).clone());
            }
            let packet = reply.packet.unwrap();
            look(&PlainMessage::read(&packet));
            if let Ok(res_pq) = ResPq::from_bytes(&PlainMessage::read(&packet).unwrap().body) {
                assert_eq!(res_pq.server_nonce, self.server[..NONCE]);
            }
            let step = client.handle(now, &packet, &mut rng).unwrap();
            look(&step);
            match step {
                Step::Continue(next) => client = Box::new(next),
                Step::Complete(complete) => {
                    let client = (*complete).clone();
                    let server = made.unwrap();
                    return Made { client, server };
                }
            }
        }
    }
}

pub const SEED: u64 = 2_101;

#[test]
fn s2_both_sides_of_a_handshake_print_none_of_its_secrets() {
    let script = Script::new(SEED);
    let mut secrets = script.secrets();
    secrets.add("the first salt", &script.salt().to_le_bytes());
    let mut seen = 0;
    let made = script.converse(|it| {
        seen += 1;
        secrets.not_in(&it);
    });
    assert_eq!(made.client.key, script.key());
    assert_eq!(made.server.key, script.key());
    assert_eq!(made.client.salt, script.salt());
    assert!(seen > 12, "{seen}");
}

#[test]
fn s2_errors_of_a_handshake_print_none_of_its_secrets() {
    let script = Script::new(SEED);
    let mut secrets = script.secrets();
    secrets.add("the first salt", &script.salt().to_le_bytes());
    let now = Time::from_unix(1_800_000_000);
    let key = RsaPrivateKey::from_pem(PEM).unwrap();
    let config = client::Config::new(vec![key.public().clone()], DcId(2));
    let server_config = server::Config {
        keys: vec![key],
        dc: Some(DcId(2)),
    };
    let mut seen: Vec<Error> = Vec::new();
    // One byte of one message is changed: each step, each part of it, either side.
    for victim in 0..6 {
        for at in (0..400).step_by(9) {
            let mut rng = Rng::scripted(&script.client);
            let mut server_rng = Rng::scripted(&script.server);
            let mut client = ClientHandshake::new(config.clone(), now, &mut rng);
            let mut server = ServerHandshake::new(now);
            for turn in 0.. {
                let spoil = |number: usize, packet: &mut Vec<u8>| {
                    if let (true, Some(byte)) = (number == victim, packet.get_mut(at)) {
                        *byte ^= 0x10;
                    }
                };
                let mut query = client.query().to_vec();
                spoil(2 * turn, &mut query);
                let mut exists = |_: AuthKeyId| false;
                let id = MsgId(0x6553_f100_0000_0001);
                let answer = server.handle(
                    &server_config,
                    now,
                    &query,
                    id,
                    &mut exists,
                    &mut server_rng,
                );
                let (next, reply) = match answer {
                    Ok(both) => both,
                    Err(error) => {
                        seen.push(error);
                        break;
                    }
                };
                server = next;
                let mut packet = reply.packet.unwrap();
                spoil(2 * turn + 1, &mut packet);
                match client.handle(now, &packet, &mut rng) {
                    Ok(Step::Continue(next)) => client = next,
                    Ok(Step::Complete(_)) => break,
                    Err(error) => {
                        seen.push(error);
                        break;
                    }
                }
            }
        }
    }
    for error in &seen {
        secrets.not_in_error(error);
    }
    let kinds: std::collections::BTreeSet<_> = seen
        .iter()
        .map(|error| {
            let text = format!("{error:?}");
            text.split(['(', ' ']).next().unwrap().to_owned()
        })
        .collect();
    assert!(kinds.len() >= 7, "{kinds:?}");
}
