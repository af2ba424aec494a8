//! Case T5: fake TLS, at a server, at a client, and with both of them.

mod client;
mod connections;
mod fallback;
mod hello;
mod records;
mod server;

use hmac::{Hmac, KeyInit, Mac};
use mtproto_proto::transport::{
    Codec, Error, Obfuscation, ProxySecret, SeenHellos, ServerTransport,
};
use mtproto_proto::{DcId, Rng, Time};
use sha2::Sha256;

use super::support::{SECRET, rng};

pub const DOMAIN: &str = "google.com";
pub const NOW: Time = Time::from_unix(1_700_000_000);

pub fn secret() -> ProxySecret {
    ProxySecret::fake_tls(SECRET, DOMAIN).unwrap()
}

pub fn client_of(secret: ProxySecret, rng: &mut Rng) -> Codec {
    let obfuscation = Obfuscation {
        secret: Some(secret),
        dc: Some(DcId(-2)),
    };
    // The secret says which framing it is.
    let framing = mtproto_proto::transport::Framing::Abridged;
    Codec::client(framing, Some(obfuscation), rng).unwrap()
}

/// A server that takes nothing but this secret.
pub fn closed(secrets: Vec<ProxySecret>) -> ServerTransport {
    ServerTransport {
        secrets,
        open: false,
        ..ServerTransport::default()
    }
}

pub fn server() -> Codec {
    Codec::server(closed(vec![secret()]))
}

/// A client's hello at [`NOW`].
pub fn hello(seed: u64) -> Vec<u8> {
    let mut rng = rng(seed);
    let mut hello = Vec::new();
    assert!(client_of(secret(), &mut rng).write_hello(NOW, &mut rng, &mut hello));
    hello
}

/// What a server answers to these bytes, of a client that it has not seen.
pub fn answer(server: &mut Codec, bytes: &[u8], rng: &mut Rng) -> Result<Vec<u8>, Error> {
    answer_at(server, bytes, rng, NOW, &mut SeenHellos::default())
}

pub fn answer_at(
    server: &mut Codec,
    bytes: &[u8],
    rng: &mut Rng,
    now: Time,
    seen: &mut SeenHellos,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    server.feed(bytes);
    assert_eq!(server.next_frame()?, None);
    let answered = server.answer_hello(now, seen, rng, &mut out)?;
    assert_eq!(answered, !out.is_empty());
    Ok(out)
}

/// A client and a server after both hellos.
pub fn greeted(rng: &mut Rng) -> (Codec, Codec) {
    let (mut client, mut server) = (client_of(secret(), rng), server());
    let mut hello = Vec::new();
    assert!(client.write_hello(NOW, rng, &mut hello));
    let reply = answer(&mut server, &hello, rng).unwrap();
    client.feed(&reply);
    assert_eq!(client.next_frame(), Ok(None));
    assert!(client.can_write());
    (client, server)
}

/// The digest as everybody else computes it.
pub fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Signs a hello anew, after something was changed in it.
pub fn sign(hello: &mut [u8], key: &[u8], time: u32) {
    hello[11..43].fill(0);
    let mut random = hmac(key, hello);
    for (to, from) in random[28..].iter_mut().zip(time.to_le_bytes()) {
        *to ^= from;
    }
    hello[11..43].copy_from_slice(&random);
}

pub fn signed(mut hello: Vec<u8>) -> Vec<u8> {
    sign(&mut hello, &SECRET, NOW.unix() as u32);
    hello
}

/// A hello with these parts, signed. Lengths that are not given are right.
#[derive(Clone)]
pub struct Parts {
    pub session_id: Vec<u8>,
    pub cipher_suites: Vec<u8>,
    pub compression: Vec<u8>,
    pub extensions: Vec<u8>,
    pub trailing: Vec<u8>,
    pub record_len: Option<u16>,
    pub message_len: Option<u32>,
    pub extensions_len: Option<u16>,
}

impl Default for Parts {
    fn default() -> Self {
        Parts {
            session_id: vec![7; 32],
            cipher_suites: vec![0x13, 0x01, 0x13, 0x02],
            compression: vec![0],
            extensions: server_name(DOMAIN.as_bytes()),
            trailing: Vec::new(),
            record_len: None,
            message_len: None,
            extensions_len: None,
        }
    }
}

impl Parts {
    pub fn build(&self) -> Vec<u8> {
        let long = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
        let short = |bytes: &[u8]| [&[bytes.len() as u8], bytes].concat();
        let mut extensions = long(&self.extensions);
        if let Some(len) = self.extensions_len {
            extensions[..2].copy_from_slice(&len.to_be_bytes());
        }
        let body = [
            &[3, 3][..],
            &[0; 32],
            &short(&self.session_id),
            &long(&self.cipher_suites),
            &short(&self.compression),
            &extensions,
            &self.trailing,
        ]
        .concat();
        let message_len = self.message_len.unwrap_or(body.len() as u32);
        let message = [&[1][..], &message_len.to_be_bytes()[1..], &body].concat();
        let record_len = self.record_len.unwrap_or(message.len() as u16);
        let record = [&[0x16, 3, 1][..], &record_len.to_be_bytes(), &message].concat();
        signed(record)
    }
}

pub fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    let len = (data.len() as u16).to_be_bytes();
    [&kind.to_be_bytes()[..], &len, data].concat()
}

pub fn server_name(name: &[u8]) -> Vec<u8> {
    let len = name.len() as u16;
    let list = (len + 3).to_be_bytes();
    extension(0, &[&list[..], &[0], &len.to_be_bytes(), name].concat())
}
