//! `handshake_server`: a client's messages to a server, after real steps.
//!
//! Must hold: nothing but a `handshake::Error` with a code for the wire, or an answer, the same
//! again to the same question; a key that comes about is new to nobody but its two sides.

use mtproto_proto::handshake::server::nonce_of;

use super::Seed;
use super::input::Input;
use super::transcript::{self, From, ask, transcript};
use super::vectors::vectors;

/// Input: which question, how to make it, and the bytes for that.
pub fn handshake_server(data: &[u8]) {
    let transcript = transcript();
    let mut input = Input::new(data);
    // Each step costs a power of 2,048 bits more than the one before.
    let at = match input.u8() % 16 {
        0..6 => 0,
        6..12 => 1,
        _ => 2,
    };
    let forged = transcript.forge(From::Client, at, input);

    let (mut handshake, config, mut rng) = transcript.server();
    for question in &transcript.questions[..at] {
        (handshake, _) = ask(handshake, &config, question, &mut rng).expect("a real question");
    }
    // What follows is real, in case the forged message was good enough to go on.
    let follow = transcript.questions.iter().skip(at + 1).map(Vec::as_slice);
    for question in [&forged[..]].into_iter().chain(follow) {
        let (next, reply) = match ask(handshake, &config, question, &mut rng) {
            Ok(answered) => answered,
            Err(error) => {
                assert!([-404, -444].contains(&error.transport_code()), "{error}");
                assert!(!error.to_string().is_empty());
                return;
            }
        };
        let Some(packet) = reply.packet else {
            handshake = next;
            continue;
        };
        assert_eq!(nonce_of(question), next.nonce(), "whose handshake this is");
        let (next, again) = ask(next, &config, question, &mut rng).expect("asked before");
        assert_eq!(again.packet.as_ref(), Some(&packet), "the same answer");
        assert!(again.complete.is_none(), "a key is made once");
        if question == transcript.questions[2] && reply.complete.is_some() {
            // The server's own numbers and the client's real one.
            let key = reply.complete.map(|complete| complete.key);
            assert!(
                key.as_ref() == Some(&transcript.key),
                "the key that the client has"
            );
        }
        handshake = next;
    }
}

/// Every real question in several ways.
pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = transcript::seeds(From::Client, [0, 6, 12]);
    // Of another handshake: a packet, and what was sealed.
    for (room, step, mode) in [
        ("sample.req_pq_multi", 0, 0),
        ("sample.p_q_inner_data", 6, 4),
        ("sample.client_DH", 12, 4),
    ] {
        for (name, bytes) in vectors(&[room]) {
            seeds.push((name, [&[step, mode], &bytes[..]].concat()));
        }
    }
    seeds
}
