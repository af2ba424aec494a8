//! `handshake_client`: the server's messages to a client, after real steps.
//!
//! Must hold: nothing but a `handshake::Error`, or a step on; and a handshake that completes has
//! the key of the real server, whatever was changed on the way.

use mtproto_proto::handshake::Step;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Encode, Function};

use super::Seed;
use super::input::Input;
use super::transcript::{self, From, transcript};
use super::vectors::vectors;
use crate::pair::START;

/// Input: which answer, how to make it, and the bytes for that.
pub fn handshake_client(data: &[u8]) {
    let transcript = transcript();
    let mut input = Input::new(data);
    // The last step costs two powers of 2,048 bits before it begins.
    let at = match input.u8() % 16 {
        0..5 => 0,
        5..15 => 1,
        _ => 2,
    };
    let forged = transcript.forge(From::Server, at, input);

    let (mut handshake, mut rng) = transcript.client();
    for answer in &transcript.answers[..at] {
        handshake = match handshake.handle(START, answer, &mut rng) {
            Ok(Step::Continue(next)) => next,
            other => panic!("the real steps succeed: {other:?}"),
        };
    }
    // What follows is real, in case the forged message was good enough to go on.
    let follow = transcript.answers.iter().skip(at + 1).map(Vec::as_slice);
    for answer in [&forged[..]].into_iter().chain(follow) {
        let silent = handshake.query().is_empty();
        assert!(!silent, "a client that goes on has something to say");
        handshake = match handshake.handle(START, answer, &mut rng) {
            Ok(Step::Continue(next)) => next,
            Ok(Step::Complete(complete)) => {
                let real = complete.key == transcript.key;
                assert!(real, "a key that the server does not have");
                return;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return;
            }
        };
    }
}

/// Every real answer in several ways, and other answers that have their place here.
pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = transcript::seeds(From::Server, [0, 5, 15]);
    let (nonce, server_nonce) = (transcript().nonce, transcript().server_nonce);
    let new_nonce_hash = [0; 16];
    let fail = types::ServerDhParamsFail {
        nonce,
        server_nonce,
        new_nonce_hash,
    };
    let retry = types::DhGenRetry {
        nonce,
        server_nonce,
        new_nonce_hash2: new_nonce_hash,
    };
    let failed = types::DhGenFail {
        nonce,
        server_nonce,
        new_nonce_hash3: new_nonce_hash,
    };
    for (name, step, body) in [
        ("1-fail", 5, fail.to_bytes()),
        ("2-retry", 15, retry.to_bytes()),
        ("2-fail", 15, failed.to_bytes()),
    ] {
        seeds.push((name.into(), [&[step, 1], &body[..]].concat()));
    }
    // Of other handshakes: a packet, a body, what was sealed.
    for (room, step, mode) in [
        ("sample_old.resPQ", 0, 0),
        ("sample.resPQ_body", 0, 1),
        ("sample.server_DH", 5, 4),
    ] {
        for (name, bytes) in vectors(&[room]) {
            seeds.push((name, [&[step, mode], &bytes[..]].concat()));
        }
    }
    seeds
}

pub(super) fn words() -> Vec<(&'static str, Vec<u8>)> {
    fn word<T: Constructor>() -> (&'static str, Vec<u8>) {
        (T::NAME, T::ID.to_le_bytes().to_vec())
    }
    fn function<T: Function>() -> (&'static str, Vec<u8>) {
        (T::NAME, T::ID.to_le_bytes().to_vec())
    }
    vec![
        word::<types::ResPq>(),
        word::<types::ServerDhParamsOk>(),
        word::<types::ServerDhParamsFail>(),
        word::<types::ServerDhInnerData>(),
        word::<types::DhGenOk>(),
        word::<types::DhGenRetry>(),
        word::<types::DhGenFail>(),
        word::<types::PQInnerData>(),
        word::<types::PQInnerDataDc>(),
        word::<types::PQInnerDataTemp>(),
        word::<types::PQInnerDataTempDc>(),
        word::<types::ClientDhInnerData>(),
        function::<functions::ReqPq>(),
        function::<functions::ReqPqMulti>(),
        function::<functions::ReqDhParams>(),
        function::<functions::SetClientDhParams>(),
    ]
}
