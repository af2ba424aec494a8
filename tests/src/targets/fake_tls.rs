//! `fake_tls`: a stream to codecs of both roles whose secret asks for fake TLS.
//!
//! Must hold: as of `codec`; and what a server with somebody to pose as refuses, it hands on whole.

use hmac::{Hmac, KeyInit, Mac};
use mtproto_proto::transport::{
    Codec, Framing, MAX_CLIENT_FRAME, MAX_SERVER_FRAME, Obfuscation, ProxySecret, ServerTransport,
};
use sha2::Sha256;

use super::Seed;
use super::codec::{NOW, check, key_streams, rng};
use super::input::Input;

const KEY: [u8; 16] = [0x5e; 16];
const DOMAIN: &str = "example.com";
/// The random bytes of the hello that the client of an answer has sent.
const ASKED: [u8; 32] = [0xa5; 32];
/// Where the random bytes are in the hellos of both roles.
const RANDOM: std::ops::Range<usize> = 11..43;
const HEADER: usize = 5;
/// The record that says nothing, in front of the first data.
const NOTHING: [u8; 6] = [0x14, 3, 3, 0, 1, 1];

/// What the stream is, by the lowest bits of the first byte.
const HELLO: u8 = 0;
const ANSWER: u8 = 1;
const TO_SERVER: u8 = 2;
const TO_CLIENT: u8 = 3;
/// A hello is signed with the secret; what follows the hellos is inside of records, obfuscated.
const OURS: u8 = 4;
/// The server poses as somebody else to who does not know the secret.
const FALLBACK: u8 = 8;

/// Input: what the stream is, how to cut it, and the stream.
pub fn fake_tls(data: &[u8]) {
    run(data);
}

/// The frames that came through.
fn run(data: &[u8]) -> usize {
    let mut input = Input::new(data);
    let (mode, longest) = (input.u8(), usize::from(input.u8()) + 1);
    let (ours, mut stream) = (mode & OURS != 0, input.rest().to_vec());
    let server = || {
        Codec::server(ServerTransport {
            secrets: vec![secret()],
            open: mode & 16 != 0,
            fallback: mode & FALLBACK != 0,
            ..ServerTransport::default()
        })
    };
    let (_, frames) = match mode & 3 {
        HELLO => {
            if ours {
                sign(&mut stream, &[], hello_end);
            }
            check(server, &stream, longest, MAX_SERVER_FRAME)
        }
        ANSWER => {
            if ours {
                sign(&mut stream, &ASKED, answer_end);
            }
            check(asking, &stream, longest, MAX_CLIENT_FRAME)
        }
        TO_SERVER => {
            let (mut whole, header) = begun();
            if ours {
                let (mut keys, _) = key_streams(&header, Some(&KEY));
                // The packet that the header came with.
                keys.apply(&mut vec![0; first_len(&whole) - header.len()]);
                keys.apply(&mut stream);
                stream = records(&stream, longest);
            }
            whole.extend(stream);
            check(server, &whole, longest, MAX_SERVER_FRAME)
        }
        _ => {
            let mut whole = answer();
            if ours {
                let mut client = asking();
                client.feed(&whole);
                let header = header(&written(&mut client));
                let (_, mut keys) = key_streams(&header, Some(&KEY));
                keys.apply(&mut stream);
                stream = records(&stream, longest);
            }
            whole.extend(stream);
            check(asking, &whole, longest, MAX_CLIENT_FRAME)
        }
    };
    frames.len()
}

fn secret() -> ProxySecret {
    ProxySecret::fake_tls(KEY, DOMAIN).expect("a short name")
}

/// A client that awaits the answer to its hello, always the same.
fn asking() -> Codec {
    Codec::client_awaiting(secret(), ASKED, &mut rng()).expect("not full")
}

/// An answer that it takes.
fn answer() -> Vec<u8> {
    let mut answer = [&[0x16, 3, 3, 0, 0x7a, 2, 0, 0, 0x76, 3, 3][..], &[0; 32]].concat();
    answer.resize(HEADER + 0x7a, 0);
    answer.extend(NOTHING);
    answer.extend([0x17, 3, 3, 0, 40]);
    answer.extend([7; 40]);
    sign(&mut answer, &ASKED, answer_end);
    answer
}

/// A hello, and one packet behind it with the header of the obfuscation; and that header.
fn begun() -> (Vec<u8>, [u8; 64]) {
    let obfuscation = Obfuscation {
        secret: Some(secret()),
        dc: None,
    };
    let mut client =
        Codec::client(Framing::Intermediate, Some(obfuscation), &mut rng()).expect("not full");
    let (mut hello, mut answer) = (Vec::new(), Vec::new());
    assert!(client.write_hello(NOW, &mut rng(), &mut hello));
    let mut server = Codec::server(ServerTransport {
        secrets: vec![secret()],
        ..ServerTransport::default()
    });
    server.feed(&hello);
    assert_eq!(server.next_frame(), Ok(None));
    let answered = server.answer_hello(NOW, &mut Default::default(), &mut rng(), &mut answer);
    assert_eq!(answered, Ok(true));
    client.feed(&answer);
    assert_eq!(client.next_frame(), Ok(None));
    let first = written(&mut client);
    let header = header(&first);
    hello.extend(first);
    (hello, header)
}

/// The first packet of a client that may write.
fn written(client: &mut Codec) -> Vec<u8> {
    let mut out = Vec::new();
    client
        .write_packet(&mut rng(), &mut out, 40, false, |out, _| {
            out.extend([1; 40])
        })
        .expect("the hello is answered");
    out
}

/// The header of the obfuscation in a client's first record.
fn header(first: &[u8]) -> [u8; 64] {
    *first[NOTHING.len() + HEADER..]
        .first_chunk()
        .expect("it comes before the packet")
}

/// How many bytes are in the last record, which is the client's first with data.
fn first_len(whole: &[u8]) -> usize {
    whole.len() - (hello_end(whole) + NOTHING.len() + HEADER)
}

/// Puts the digest of both hellos' random bytes into the hello, as far as it reaches.
fn sign(hello: &mut [u8], asked: &[u8], end: fn(&[u8]) -> usize) {
    let end = end(hello).min(hello.len());
    let hello = &mut hello[..end];
    let Some(random) = hello.get_mut(RANDOM) else {
        return;
    };
    random.fill(0);
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).expect("any length");
    mac.update(asked);
    mac.update(hello);
    let mut digest: [u8; 32] = mac.finalize().into_bytes().into();
    if asked.is_empty() {
        let time = u32::try_from(NOW.unix()).expect("before 2106");
        for (to, from) in digest[28..].iter_mut().zip(time.to_le_bytes()) {
            *to ^= from;
        }
    }
    hello[RANDOM].copy_from_slice(&digest);
}

fn record_end(bytes: &[u8], at: usize) -> usize {
    let len = bytes.get(at + 3..at + HEADER).unwrap_or(&[0, 0]);
    at + HEADER + usize::from(u16::from_be_bytes([len[0], len[1]]))
}

fn hello_end(bytes: &[u8]) -> usize {
    record_end(bytes, 0)
}

fn answer_end(bytes: &[u8]) -> usize {
    record_end(bytes, record_end(bytes, 0) + NOTHING.len())
}

/// The bytes in records of data.
fn records(bytes: &[u8], longest: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in bytes.chunks(longest) {
        let [high, low] = u16::try_from(piece.len()).expect("short").to_be_bytes();
        out.extend([0x17, 3, 3, high, low]);
        out.extend(piece);
    }
    out
}

pub(super) fn seeds() -> Vec<Seed> {
    let (begun, _) = begun();
    let hello = begun[..hello_end(&begun)].to_vec();
    let frame = |len: u32| [&len.to_le_bytes()[..], &vec![1; len as usize]].concat();
    let packets = [frame(40), frame(4), frame(100)].concat();
    let inside = |mode: u8, stream: &[u8]| [&[mode, 30], stream].concat();
    vec![
        ("hello".into(), inside(HELLO, &hello)),
        ("hello-signed".into(), inside(HELLO | OURS, &hello)),
        (
            "hello-fallback".into(),
            inside(HELLO | FALLBACK, &hello[..200]),
        ),
        ("begun".into(), inside(HELLO | OURS | FALLBACK, &begun)),
        ("answer".into(), inside(ANSWER, &answer())),
        ("answer-signed".into(), inside(ANSWER | OURS, &answer())),
        (
            "to-server-records".into(),
            inside(TO_SERVER, &records(&packets, 50)),
        ),
        ("to-server".into(), inside(TO_SERVER | OURS, &packets)),
        (
            "to-client-records".into(),
            inside(TO_CLIENT, &[&NOTHING[..], &records(&packets, 50)].concat()),
        ),
        ("to-client".into(), inside(TO_CLIENT | OURS, &packets)),
    ]
}

pub(super) fn words() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("tls_data", vec![0x17, 3, 3]),
        ("tls_nothing", NOTHING.to_vec()),
        ("tls_server_hello", vec![0x16, 3, 3]),
        ("tls_domain", DOMAIN.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_get_as_far_as_they_are_meant_to() {
        for (name, seed) in seeds() {
            let frames = match name.as_str() {
                "begun" => 1,
                "to-server" => 4,
                "to-client" => 3,
                _ => 0,
            };
            // Records that are not obfuscated become noise inside.
            assert!(
                run(&seed) == frames || name.ends_with("records"),
                "{name}: {} frames",
                run(&seed)
            );
        }
        let mut client = asking();
        client.feed(&answer());
        assert_eq!(client.next_frame(), Ok(None));
        assert!(client.can_write());
    }
}
