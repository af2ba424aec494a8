//! One real handshake, and what it takes to change any message of it.
//!
//! Made once per process; generators with fixed seeds make it the same every time.

use std::sync::OnceLock;

use mtproto_proto::crypto::{AesKeyIv, AuthKey, RsaPrivateKey, ige_decrypt, ige_encrypt, tmp_aes};
use mtproto_proto::handshake::{
    ClientHandshake, PlainMessage, Reply, ServerHandshake, Step, client, server,
};
use mtproto_proto::{DcId, MsgId, Rng};
use mtproto_schema::mtproto::{enums, functions, types};
use mtproto_schema::{Bytes, Decode, Encode, Reader};
use sha1::{Digest, Sha1};

use super::input::Input;
use crate::pair::START;

const DC: DcId = DcId(2);
/// SHA-1 of inner data, before it.
const HASH: usize = 20;
const BLOCK: usize = 16;
/// The identifier of forged messages, which nobody judges.
const ID: MsgId = MsgId(4);

/// Who sends a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Client,
    Server,
}

/// What both sides say in a handshake that succeeds, and know.
pub(super) struct Transcript {
    private: RsaPrivateKey,
    /// The client's packets, in order, and the server's.
    pub(super) questions: [Vec<u8>; 3],
    pub(super) answers: [Vec<u8>; 3],
    pub(super) key: AuthKey,
    pub(super) nonce: [u8; 16],
    pub(super) server_nonce: [u8; 16],
    /// What is encrypted: `p_q_inner_data_dc`, `server_DH_inner_data`, `client_DH_inner_data`.
    pub(super) inner: [Vec<u8>; 3],
    p: Bytes,
    q: Bytes,
    tmp_aes: AesKeyIv,
}

/// How an input becomes a message.
#[derive(Clone, Copy)]
enum Mode {
    /// As it is.
    Packet,
    /// As the body of a plain message.
    Body,
    /// As edits of the real packet.
    Edit,
    /// As edits of what the real packet has encrypted; without that, like `Edit`.
    EditSealed,
    /// As what the packet has encrypted; without that, like `Body`.
    Sealed,
}

const MODES: [Mode; 5] = [
    Mode::Packet,
    Mode::Body,
    Mode::Edit,
    Mode::EditSealed,
    Mode::Sealed,
];

/// The handshake.
pub(super) fn transcript() -> &'static Transcript {
    static TRANSCRIPT: OnceLock<Transcript> = OnceLock::new();
    TRANSCRIPT.get_or_init(Transcript::make)
}

impl Transcript {
    /// A client at its beginning; with the real answers it says the real questions.
    pub(super) fn client(&self) -> (ClientHandshake, Rng) {
        let mut rng = Rng::from_seed([2; 32]);
        let config = client::Config::new(vec![self.private.public().clone()], DC);
        (ClientHandshake::new(config, START, &mut rng), rng)
    }

    /// A server at its beginning; with the real questions it gives the real answers.
    pub(super) fn server(&self) -> (ServerHandshake, server::Config, Rng) {
        let config = server::Config {
            keys: vec![self.private.clone()],
            dc: Some(DC),
        };
        (ServerHandshake::new(START), config, Rng::from_seed([3; 32]))
    }

    /// The message that takes the place of the real one, as the input says.
    pub(super) fn forge(&self, from: From, at: usize, mut input: Input<'_>) -> Vec<u8> {
        let (real, sealed) = match (from, at) {
            (From::Client, 1) => (&self.questions[at], Some(0)),
            (From::Client, 2) => (&self.questions[at], Some(2)),
            (From::Client, _) => (&self.questions[at], None),
            (From::Server, 1) => (&self.answers[at], Some(1)),
            (From::Server, _) => (&self.answers[at], None),
        };
        let mode = MODES[usize::from(input.u8()) % MODES.len()];
        match (mode, sealed) {
            (Mode::EditSealed, Some(what)) => {
                self.seal(what, &input.edit(self.inner[what].clone()))
            }
            (Mode::Sealed, Some(what)) => self.seal(what, input.rest()),
            (Mode::Packet, _) => input.rest().to_vec(),
            (Mode::Body | Mode::Sealed, _) => PlainMessage::write(ID, input.rest()),
            (Mode::Edit | Mode::EditSealed, _) => input.edit(real.clone()),
        }
    }

    /// The message around other inner data, encrypted and hashed as it has to be.
    fn seal(&self, what: usize, inner: &[u8]) -> Vec<u8> {
        let (nonce, server_nonce) = (self.nonce, self.server_nonce);
        let mut hashed = Sha1::digest(inner).to_vec();
        hashed.extend(inner);
        hashed.resize(hashed.len().next_multiple_of(BLOCK), 0);
        ige_encrypt(&mut hashed, &self.tmp_aes).expect("whole blocks");
        let body = match what {
            0 => {
                let key = self.private.public();
                // What is too long for RSA stands there in the clear.
                let encrypted = key.pad_encrypt(inner, &mut Rng::from_seed([4; 32]));
                functions::ReqDhParams {
                    nonce,
                    server_nonce,
                    p: self.p.clone(),
                    q: self.q.clone(),
                    public_key_fingerprint: key.fingerprint(),
                    encrypted_data: match encrypted {
                        Ok(encrypted) => Bytes::copy_from_slice(&encrypted),
                        Err(_) => Bytes::copy_from_slice(inner),
                    },
                }
                .to_bytes()
            }
            1 => enums::ServerDhParams::Ok(types::ServerDhParamsOk {
                nonce,
                server_nonce,
                encrypted_answer: hashed.into(),
            })
            .to_bytes(),
            _ => functions::SetClientDhParams {
                nonce,
                server_nonce,
                encrypted_data: hashed.into(),
            }
            .to_bytes(),
        };
        PlainMessage::write(ID, &body)
    }

    fn make() -> Self {
        let pem = include_str!("../../tests/keys/server.pem");
        let mut this = Transcript {
            private: RsaPrivateKey::from_pem(pem).expect("a good key"),
            questions: Default::default(),
            answers: Default::default(),
            key: AuthKey::from_bytes(&[0; 256]),
            nonce: [0; 16],
            server_nonce: [0; 16],
            inner: Default::default(),
            p: Bytes::new(),
            q: Bytes::new(),
            tmp_aes: AesKeyIv::new(&[0; 32], &[0; 32]),
        };
        let (mut client, mut client_rng) = this.client();
        let (mut server, config, mut server_rng) = this.server();
        for at in 0.. {
            let question = client.query().to_vec();
            let (next, reply) = ask(server, &config, &question, &mut server_rng)
                .expect("the client's questions are good");
            server = next;
            let answer = reply.packet.expect("every question is answered");
            (this.questions[at], this.answers[at]) = (question, answer.clone());
            match client.handle(START, &answer, &mut client_rng) {
                Ok(Step::Continue(next)) => client = next,
                Ok(Step::Complete(complete)) => {
                    this.key = complete.key;
                    break;
                }
                Err(error) => panic!("the server's answers are good: {error}"),
            }
        }
        this.look_inside();
        this
    }

    /// Learns what only the two sides know, with the server's private key.
    fn look_inside(&mut self) {
        let question: functions::ReqDhParams = body(&self.questions[1]);
        let enums::ServerDhParams::Ok(params) = body(&self.answers[1]) else {
            panic!("the server agrees");
        };
        let last: functions::SetClientDhParams = body(&self.questions[2]);
        let opened = self.private.decrypt_inner(&question.encrypted_data);
        let opened = Bytes::copy_from_slice(opened.expect("for this key").data());
        let inner: types::PQInnerDataDc = first(&opened);
        self.tmp_aes = tmp_aes(&inner.server_nonce, &inner.new_nonce);
        let open = |sealed: &Bytes| {
            let mut bytes = sealed.to_vec();
            ige_decrypt(&mut bytes, &self.tmp_aes).expect("whole blocks");
            Bytes::from(bytes.split_off(HASH))
        };
        let server: types::ServerDhInnerData = first(&open(&params.encrypted_answer));
        let client: types::ClientDhInnerData = first(&open(&last.encrypted_data));
        self.inner = [inner.to_bytes(), server.to_bytes(), client.to_bytes()].map(Vec::from);
        (self.p, self.q) = (question.p, question.q);
        (self.nonce, self.server_nonce) = (params.nonce, params.server_nonce);
    }
}

/// A question to the server, whose answer's identifier does not matter.
pub(super) fn ask(
    server: ServerHandshake,
    config: &server::Config,
    question: &[u8],
    rng: &mut Rng,
) -> Result<(ServerHandshake, Reply), mtproto_proto::handshake::Error> {
    server.handle(config, START, question, MsgId(1), &mut |_| false, rng)
}

fn body<T: Decode>(packet: &[u8]) -> T {
    first(&PlainMessage::read(packet).expect("a plain message").body)
}

/// The object at the beginning, with whatever behind it.
fn first<T: Decode>(bytes: &Bytes) -> T {
    T::decode(&mut Reader::new(bytes)).expect("a real message")
}

/// Inputs around the messages of one side: as they are, edited, cut, longer, resealed. `steps` are
/// the bytes that choose the message.
pub(super) fn seeds(from: From, steps: [u8; 3]) -> Vec<super::Seed> {
    let transcript = transcript();
    let (packets, sealed): (_, [Option<usize>; 3]) = match from {
        From::Client => (&transcript.questions, [None, Some(0), Some(2)]),
        From::Server => (&transcript.answers, [None, Some(1), None]),
    };
    let mut seeds = Vec::new();
    for (at, step) in steps.into_iter().enumerate() {
        let packet = &packets[at];
        let mut add = |name: &str, bytes: &[u8]| {
            seeds.push((format!("{at}-{name}"), [&[step], bytes].concat()));
        };
        add("packet", &[&[0], &packet[..]].concat());
        add("body", &[&[1], &packet[20..]].concat());
        add("edit", &[2, 1, 0, 30, 0, 0x55]);
        add("cut", &[2, 0, 1 | 8 << 2]);
        add("longer", &[2, 0, 2 | 4 << 2, 1, 2, 3, 4]);
        let Some(what) = sealed[at] else {
            continue;
        };
        add("sealed", &[&[4], &transcript.inner[what][..]].concat());
        for offset in [4, 36, 40, 44, 80, 302, 560, 600] {
            let [low, high] = u16::to_le_bytes(offset);
            add(&format!("sealed-edit-{offset}"), &[3, 1, 0, low, high, 0]);
        }
    }
    seeds
}
