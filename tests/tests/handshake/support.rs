//! Both roles in one room, and what all tests of the handshake need.

use std::time::Duration;

use mtproto_proto::crypto::{RsaPrivateKey, RsaPublicKey};
use mtproto_proto::handshake::{
    ClientHandshake, Complete, Error, PlainMessage, Reply, ServerHandshake, Step, client, server,
};
use mtproto_proto::{AuthKeyId, DcId, MsgId, Rng, Time};
use mtproto_schema::{Bytes, Decode, Encode, Reader};

/// The key of all servers here; no secret.
pub const KEY: &str = include_str!("../keys/server.pem");

pub const DC: DcId = DcId(2);

/// What servers call their answers; any id does.
pub const ANSWER: MsgId = MsgId(0x6553_f100_0000_0001);

pub fn start() -> Time {
    Time::from_unix(1_800_000_000)
}

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn rng(seed: u64) -> Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Rng::from_seed(bytes)
}

pub fn private_key() -> RsaPrivateKey {
    RsaPrivateKey::from_pem(KEY).unwrap()
}

/// A public key that no server here has the private key of.
pub fn foreign_key() -> RsaPublicKey {
    let mut modulus = private_key().public().modulus();
    modulus[255] ^= 2;
    RsaPublicKey::from_components(&modulus, &[1, 0, 1]).unwrap()
}

pub fn client_config() -> client::Config {
    client::Config::new(vec![private_key().public().clone()], DC)
}

pub fn temporary(expires_in: u32) -> client::Config {
    client::Config {
        expires_in: Some(expires_in),
        ..client_config()
    }
}

pub fn server_config() -> server::Config {
    server::Config {
        keys: vec![private_key()],
        dc: Some(DC),
    }
}

/// A server with its config and its randomness, over any number of streams.
pub struct Server {
    pub config: server::Config,
    pub now: Time,
    pub rng: Rng,
    /// How many keys in a row are said to exist already.
    pub taken: usize,
    pub machine: ServerHandshake,
}

impl Server {
    pub fn new(seed: u64) -> Self {
        Server {
            config: server_config(),
            now: start(),
            rng: rng(seed ^ 0x5e52_5652),
            taken: 0,
            machine: ServerHandshake::new(start()),
        }
    }

    /// The reply, or the error that ends the stream; the next packet finds a new handshake then.
    pub fn handle(&mut self, packet: &[u8]) -> Result<Reply, Error> {
        let machine = std::mem::replace(&mut self.machine, ServerHandshake::new(self.now));
        let taken = &mut self.taken;
        let mut exists = |_: AuthKeyId| {
            let yes = *taken > 0;
            *taken -= usize::from(yes);
            yes
        };
        let Server {
            config, now, rng, ..
        } = self;
        let (machine, reply) = machine.handle(config, *now, packet, ANSWER, &mut exists, rng)?;
        self.machine = machine;
        Ok(reply)
    }

    pub fn packet(&mut self, packet: &[u8]) -> Vec<u8> {
        self.handle(packet).unwrap().packet.unwrap()
    }

    pub fn error(&mut self, packet: &[u8]) -> Error {
        self.handle(packet).map(|reply| reply.packet).unwrap_err()
    }
}

/// How a conversation between our two roles ended.
#[derive(Debug, Default)]
pub struct Outcome {
    pub client: Option<Complete>,
    pub server: Option<Complete>,
    /// Every packet, the client's first.
    pub packets: Vec<Vec<u8>>,
}

/// Runs a conversation to its end; `tamper` may change the packet with a number before it
/// arrives.
pub fn converse(
    config: client::Config,
    server: &mut Server,
    seed: u64,
    mut tamper: impl FnMut(usize, &mut Vec<u8>),
) -> Outcome {
    let mut rng = rng(seed);
    let mut outcome = Outcome::default();
    let mut client = ClientHandshake::new(config, server.now, &mut rng);
    loop {
        let mut packet = client.query().to_vec();
        tamper(outcome.packets.len(), &mut packet);
        outcome.packets.push(packet.clone());
        let Ok(reply) = server.handle(&packet) else {
            return outcome;
        };
        if let Some(complete) = reply.complete {
            outcome.server = Some(*complete);
        }
        let Some(mut packet) = reply.packet else {
            return outcome;
        };
        tamper(outcome.packets.len(), &mut packet);
        outcome.packets.push(packet.clone());
        match client.handle(server.now, &packet, &mut rng) {
            Ok(Step::Continue(next)) => client = next,
            Ok(Step::Complete(complete)) => {
                outcome.client = Some(*complete);
                return outcome;
            }
            Err(_) => return outcome,
        }
    }
}

/// Runs a conversation that must succeed on both sides with one key.
pub fn agree(config: client::Config, server: &mut Server, seed: u64) -> (Complete, Complete) {
    let outcome = converse(config, server, seed, |_, _| {});
    let (client, server) = (outcome.client.unwrap(), outcome.server.unwrap());
    assert_eq!(client.key, server.key, "seed {seed}");
    assert_eq!(client.salt, server.salt, "seed {seed}");
    (client, server)
}

/// A plain packet with one object.
pub fn plain(object: &impl Encode) -> Vec<u8> {
    PlainMessage::write(ANSWER, &object.to_bytes())
}

/// The one object of a plain packet.
pub fn object<T: Decode>(packet: &[u8]) -> T {
    T::from_bytes(&PlainMessage::read(packet).unwrap().body).unwrap()
}

/// The object at the beginning of some bytes, and how many it has.
pub fn first<T: Decode>(bytes: &[u8]) -> (T, usize) {
    let bytes = Bytes::copy_from_slice(bytes);
    let mut r = Reader::new(&bytes);
    let value = T::decode(&mut r).unwrap();
    r.check().unwrap();
    (value, bytes.len() - r.remaining())
}

/// The error of a client that takes a packet.
pub fn refused(client: ClientHandshake, packet: &[u8]) -> Error {
    client.handle(start(), packet, &mut rng(99)).unwrap_err()
}

/// The client after a packet that it takes; its randomness follows from the packet.
pub fn next(client: ClientHandshake, packet: &[u8]) -> ClientHandshake {
    let mut rng = Rng::from_seed(<sha2::Sha256 as sha2::Digest>::digest(packet).into());
    match client.handle(start(), packet, &mut rng).unwrap() {
        Step::Continue(next) => next,
        Step::Complete(_) => panic!("too early"),
    }
}
