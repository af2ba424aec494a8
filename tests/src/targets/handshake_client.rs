//! `handshake_client`: the server's messages to a client, after real steps.
//!
//! Must hold: nothing but a `handshake::Error`, or a step on; and a handshake that completes has
//! the key of the real server, whatever was changed on the way.

use std::sync::OnceLock;

use mtproto_proto::crypto::{AesKeyIv, AuthKey, RsaPrivateKey, ige_decrypt, ige_encrypt, tmp_aes};
use mtproto_proto::handshake::{
    ClientHandshake, PlainMessage, ServerHandshake, Step, client, server,
};
use mtproto_proto::{DcId, MsgId, Rng};
use mtproto_schema::mtproto::{enums, functions, types};
use mtproto_schema::{Bytes, Constructor, Decode, Encode, Function, Reader};
use sha1::{Digest, Sha1};

use super::Seed;
use super::input::Input;
use crate::pair::START;

const DC: DcId = DcId(2);
/// SHA-1 of the answer, before it.
const HASH: usize = 20;
const BLOCK: usize = 16;

/// What a server says in a handshake that succeeds, and what it takes to change it.
struct Transcript {
    config: client::Config,
    /// The server's packets, in order.
    answers: [Vec<u8>; 3],
    /// `server_DH_inner_data`, which is encrypted in the second, and its key.
    inner: Vec<u8>,
    tmp_aes: AesKeyIv,
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    key: AuthKey,
}

/// How the input becomes a message.
#[derive(Clone, Copy)]
enum Mode {
    /// As it is.
    Packet,
    /// As the body of a plain message.
    Body,
    /// As edits of the real packet.
    Edit,
    /// As edits of what the second answer has encrypted; elsewhere like `Edit`.
    EditSealed,
    /// As what the second answer has encrypted; elsewhere like `Body`.
    Sealed,
}

const MODES: [Mode; 5] = [
    Mode::Packet,
    Mode::Body,
    Mode::Edit,
    Mode::EditSealed,
    Mode::Sealed,
];

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
    let mode = MODES[usize::from(input.u8()) % MODES.len()];
    let forged = transcript.forge(at, mode, input);

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
        assert!(
            handshake.query().len() > 20,
            "a client that goes on has something to say"
        );
        handshake = match handshake.handle(START, answer, &mut rng) {
            Ok(Step::Continue(next)) => next,
            Ok(Step::Complete(complete)) => {
                assert!(
                    complete.key == transcript.key,
                    "a key that the server does not have"
                );
                return;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return;
            }
        };
    }
}

impl Transcript {
    fn client(&self) -> (ClientHandshake, Rng) {
        let mut rng = Rng::from_seed([2; 32]);
        (
            ClientHandshake::new(self.config.clone(), START, &mut rng),
            rng,
        )
    }

    fn forge(&self, at: usize, mode: Mode, mut input: Input<'_>) -> Vec<u8> {
        let real = self.answers[at].clone();
        match (mode, at) {
            (Mode::EditSealed, 1) => self.seal(&input.edit(self.inner.clone())),
            (Mode::Sealed, 1) => self.seal(input.rest()),
            (Mode::Packet, _) => input.rest().to_vec(),
            (Mode::Body | Mode::Sealed, _) => PlainMessage::write(MsgId(1), input.rest()),
            (Mode::Edit | Mode::EditSealed, _) => input.edit(real),
        }
    }

    /// The second answer around other inner data, encrypted and hashed as it has to be.
    fn seal(&self, inner: &[u8]) -> Vec<u8> {
        let mut answer = Sha1::digest(inner).to_vec();
        answer.extend(inner);
        answer.resize(answer.len().next_multiple_of(BLOCK), 0);
        ige_encrypt(&mut answer, &self.tmp_aes).expect("whole blocks");
        let params = types::ServerDhParamsOk {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            encrypted_answer: answer.into(),
        };
        PlainMessage::write(MsgId(1), &enums::ServerDhParams::Ok(params).to_bytes())
    }
}

/// One real handshake, made once: generators with fixed seeds make it the same every time.
fn transcript() -> &'static Transcript {
    static TRANSCRIPT: OnceLock<Transcript> = OnceLock::new();
    TRANSCRIPT.get_or_init(|| {
        let private = RsaPrivateKey::from_pem(include_str!("../../tests/keys/server.pem"))
            .expect("a good key");
        let mut transcript = Transcript {
            config: client::Config::new(vec![private.public().clone()], DC),
            answers: Default::default(),
            inner: Vec::new(),
            tmp_aes: AesKeyIv::new(&[0; 32], &[0; 32]),
            nonce: [0; 16],
            server_nonce: [0; 16],
            key: AuthKey::from_bytes(&[0; 256]),
        };
        let config = server::Config {
            keys: vec![private.clone()],
            dc: Some(DC),
        };
        let (mut server, mut server_rng) = (ServerHandshake::new(START), Rng::from_seed([3; 32]));
        let (mut client, mut rng) = transcript.client();
        for at in 0..3 {
            let question = client.query().to_vec();
            let (next, reply) = server
                .handle(
                    &config,
                    START,
                    &question,
                    MsgId(1),
                    &mut |_| false,
                    &mut server_rng,
                )
                .expect("a real question");
            server = next;
            let answer = reply.packet.expect("every question is answered");
            if at == 1 {
                transcript.look_inside(&private, &question, &answer);
            }
            transcript.answers[at] = answer;
            match client.handle(START, &transcript.answers[at], &mut rng) {
                Ok(Step::Continue(next)) => client = next,
                Ok(Step::Complete(complete)) => {
                    transcript.key = complete.key;
                    return transcript;
                }
                Err(error) => panic!("a real answer: {error}"),
            }
        }
        panic!("three answers complete a handshake");
    })
}

impl Transcript {
    /// Learns what only the two sides know, with the server's private key.
    fn look_inside(&mut self, key: &RsaPrivateKey, question: &[u8], answer: &[u8]) {
        let body = |packet| PlainMessage::read(packet).expect("a plain message").body;
        let question: functions::ReqDhParams = decode(&body(question));
        let opened = key
            .decrypt_inner(&question.encrypted_data)
            .expect("for this key");
        let inner: types::PQInnerDataDc = decode(&Bytes::copy_from_slice(opened.data()));
        let enums::ServerDhParams::Ok(params) = decode(&body(answer)) else {
            panic!("the server agrees");
        };
        (self.nonce, self.server_nonce) = (params.nonce, params.server_nonce);
        self.tmp_aes = tmp_aes(&inner.server_nonce, &inner.new_nonce);
        let mut answer = params.encrypted_answer.to_vec();
        ige_decrypt(&mut answer, &self.tmp_aes).expect("whole blocks");
        let inner: types::ServerDhInnerData = decode(&answer.split_off(HASH).into());
        self.inner = inner.to_bytes().to_vec();
    }
}

/// The object at the beginning, with whatever behind it.
fn decode<T: Decode>(bytes: &Bytes) -> T {
    T::decode(&mut Reader::new(bytes)).expect("a real message")
}

/// Every real answer, without edits and with one, and other answers that have their place here.
pub(super) fn seeds() -> Vec<Seed> {
    let transcript = transcript();
    let mut seeds = Vec::new();
    for (at, step) in [0_u8, 5, 15].into_iter().enumerate() {
        let packet = &transcript.answers[at];
        seeds.push((format!("{at}-packet"), [&[step, 0], &packet[..]].concat()));
        seeds.push((format!("{at}-body"), [&[step, 1], &packet[20..]].concat()));
        seeds.push((format!("{at}-edit"), vec![step, 2, 1, 0, 30, 0, 0x55]));
        seeds.push((format!("{at}-cut"), vec![step, 2, 0, 1 | 8 << 2]));
        seeds.push((
            format!("{at}-longer"),
            vec![step, 2, 0, 2 | 4 << 2, 1, 2, 3, 4],
        ));
    }
    seeds.push(("1-sealed".into(), [&[5, 4], &transcript.inner[..]].concat()));
    for at in [4, 36, 40, 44, 302, 560, 600] {
        let [low, high] = u16::to_le_bytes(at);
        seeds.push((
            format!("1-sealed-edit-{at}"),
            vec![5, 3, 1, 0, low, high, 0],
        ));
    }
    let (nonce, server_nonce) = (transcript.nonce, transcript.server_nonce);
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
    seeds
}

pub(super) fn words() -> Vec<(&'static str, Vec<u8>)> {
    fn word<T: Constructor>() -> (&'static str, Vec<u8>) {
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
        (
            functions::ReqPqMulti::NAME,
            functions::ReqPqMulti::ID.to_le_bytes().to_vec(),
        ),
    ]
}
