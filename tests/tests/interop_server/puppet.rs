//! A client by hand, each of whose words can be changed.

use mtproto_proto::connection::InitParams;
use mtproto_proto::crypto::{
    AuthKey, Direction, RsaPublicKey, factor, ige_decrypt, ige_encrypt, tmp_aes,
};
use mtproto_proto::handshake::PlainMessage;
use mtproto_proto::transport::{Frame, Framing, Obfuscation};
use mtproto_proto::{MsgId, SessionId};
use mtproto_schema::api::functions::help::GetNearestDc;
use mtproto_schema::mtproto::enums::{ServerDhParams, SetClientDhParamsAnswer};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Bytes, Decode, Encode, LAYER, Reader};
use mtproto_test::tamper::{self, Item, Plain};
use mtproto_test::{Dice, Line, tamper::open_container};
use num_bigint::BigUint;
use sha1::{Digest, Sha1};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{DC, Strict};

/// What a handshake says, before it is said.
pub enum Word<'a> {
    Inner(&'a mut Inner),
    ReqDh(&'a mut functions::ReqDhParams),
    ClientInner(&'a mut types::ClientDhInnerData),
    /// Hash, data and padding, before encryption.
    Sealed(&'a mut Vec<u8>),
    SetClient(&'a mut functions::SetClientDhParams),
}

/// `p_q_inner_data_dc`, or `p_q_inner_data_temp_dc` with a lifetime.
pub struct Inner {
    pub data: types::PQInnerDataDc,
    pub expires_in: Option<i32>,
}

impl Inner {
    fn to_bytes(&self) -> Bytes {
        let types::PQInnerDataDc {
            pq,
            p,
            q,
            nonce,
            server_nonce,
            new_nonce,
            dc,
        } = self.data.clone();
        match self.expires_in {
            None => self.data.to_bytes(),
            Some(expires_in) => types::PQInnerDataTempDc {
                pq,
                p,
                q,
                nonce,
                server_nonce,
                new_nonce,
                dc,
                expires_in,
            }
            .to_bytes(),
        }
    }
}

pub fn connect(
    server: &Strict,
    framing: Framing,
    obfuscation: Option<Obfuscation>,
    dice: &mut Dice,
) -> Line {
    Line::connect(server.addr, framing, obfuscation, dice.rng()).unwrap()
}

/// Asks a question of the handshake; the code of the transport error if it is refused.
pub fn ask<T: Decode>(line: &mut Line, question: &[u8]) -> Result<T, i32> {
    line.send(&PlainMessage::write(MsgId(4), question)).unwrap();
    match line.recv().unwrap() {
        Frame::Packet { data, .. } => {
            let body = PlainMessage::read(&data).unwrap().body;
            Ok(T::decode(&mut Reader::new(&body)).unwrap())
        }
        Frame::Status(code) => Err(code),
        other @ Frame::QuickAck(_) => panic!("{other:?}"),
    }
}

/// Makes a key and its first salt, with changed words.
pub fn make_key(
    line: &mut Line,
    rsa: &RsaPublicKey,
    dice: &mut Dice,
    change: &mut dyn FnMut(Word<'_>),
) -> Result<(AuthKey, i64), i32> {
    let nonce = dice.array();
    let res: types::ResPq = ask(line, &functions::ReqPqMulti { nonce }.to_bytes())?;
    let server_nonce = res.server_nonce;
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let minimal = |n: u64| Bytes::from(n.to_be_bytes()[n.leading_zeros() as usize / 8..].to_vec());
    let (p, q) = factor(number(&res.pq)).unwrap();
    let (p, q) = (minimal(p), minimal(q));
    let mut inner = Inner {
        data: types::PQInnerDataDc {
            pq: res.pq,
            p: p.clone(),
            q: q.clone(),
            nonce,
            server_nonce,
            new_nonce: dice.array(),
            dc: i32::from(DC.0),
        },
        expires_in: None,
    };
    change(Word::Inner(&mut inner));
    let new_nonce = inner.data.new_nonce;
    let encrypted = rsa.pad_encrypt(&inner.to_bytes(), &mut dice.rng()).unwrap();
    let mut question = functions::ReqDhParams {
        nonce,
        server_nonce,
        p,
        q,
        public_key_fingerprint: rsa.fingerprint(),
        encrypted_data: Bytes::copy_from_slice(&encrypted),
    };
    change(Word::ReqDh(&mut question));
    let ServerDhParams::Ok(params) = ask(line, &question.to_bytes())? else {
        panic!("server_DH_params_fail");
    };
    let aes = tmp_aes(&server_nonce, &new_nonce);
    let mut answer = params.encrypted_answer.to_vec();
    ige_decrypt(&mut answer, &aes).unwrap();
    let answer = Bytes::from(answer).slice(20..);
    let group = types::ServerDhInnerData::decode(&mut Reader::new(&answer)).unwrap();

    let prime = BigUint::from_bytes_be(&group.dh_prime);
    let b = BigUint::from_bytes_be(&dice.bytes(256));
    let g_b = BigUint::from(group.g as u32).modpow(&b, &prime);
    let mut inner = types::ClientDhInnerData {
        nonce,
        server_nonce,
        retry_id: 0,
        g_b: g_b.to_bytes_be().into(),
    };
    change(Word::ClientInner(&mut inner));
    let data = inner.to_bytes();
    let mut sealed = Sha1::digest(&data).to_vec();
    sealed.extend(&data);
    sealed.extend(dice.bytes(sealed.len().wrapping_neg() % 16));
    change(Word::Sealed(&mut sealed));
    ige_encrypt(&mut sealed, &aes).unwrap();
    let mut question = functions::SetClientDhParams {
        nonce,
        server_nonce,
        encrypted_data: sealed.into(),
    };
    change(Word::SetClient(&mut question));
    let SetClientDhParamsAnswer::DhGenOk(_) = ask(line, &question.to_bytes())? else {
        panic!("no dh_gen_ok");
    };
    let shared = BigUint::from_bytes_be(&group.g_a).modpow(&b, &prime);
    let mut key = [0; 256];
    let shared = shared.to_bytes_be();
    key[256 - shared.len()..].copy_from_slice(&shared);
    let half = |bytes: &[u8]| i64::from_le_bytes(bytes[..8].try_into().unwrap());
    Ok((
        AuthKey::from_bytes(&key),
        half(&new_nonce) ^ half(&server_nonce),
    ))
}

/// A session over a stream of its own.
pub struct Puppet {
    pub line: Line,
    pub dice: Dice,
    pub key: AuthKey,
    pub salt: i64,
    pub session: SessionId,
    last_id: i64,
    content: i32,
}

impl Puppet {
    pub fn new(line: Line, mut dice: Dice, key: &AuthKey, salt: i64) -> Self {
        Puppet {
            line,
            key: key.clone(),
            salt,
            session: SessionId(i64::from_le_bytes(dice.array()) | 1),
            dice,
            last_id: 0,
            content: 0,
        }
    }

    /// The id of a message of so many seconds from now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the server's clock is this machine's"
    )]
    pub fn id_at(&self, seconds: i64) -> MsgId {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
        MsgId(((now.as_secs() as i64 + seconds) << 32 | fraction as i64) & !3)
    }

    /// The next id.
    pub fn id(&mut self) -> MsgId {
        self.last_id = self.id_at(0).0.max(self.last_id + 4);
        MsgId(self.last_id)
    }

    /// The next number.
    pub fn seq_no(&mut self, content: bool) -> i32 {
        self.content += i32::from(content);
        2 * self.content - i32::from(content)
    }

    /// A message that breaks no rule by its envelope.
    pub fn plain(&mut self, body: Vec<u8>, content: bool) -> Plain {
        let (msg_id, seq_no) = (self.id(), self.seq_no(content));
        Plain::new(self.salt, self.session, msg_id, seq_no, body)
    }

    pub fn item(&mut self, body: Vec<u8>, content: bool) -> Item {
        let (msg_id, seq_no) = (self.id(), self.seq_no(content));
        Item::new(msg_id, seq_no, body)
    }

    pub fn seal(&mut self, plain: &Plain) -> Vec<u8> {
        tamper::seal(&self.key, Direction::ToServer, plain, &mut self.dice)
    }

    pub fn send(&mut self, plain: &Plain) {
        let packet = self.seal(plain);
        self.line.send(&packet).unwrap();
    }

    pub fn say(&mut self, body: Vec<u8>, content: bool) {
        let plain = self.plain(body, content);
        self.send(&plain);
    }

    /// The messages of the next packet.
    pub fn hear(&mut self) -> Vec<Item> {
        let packet = self.line.recv_packet().unwrap();
        let packet = match packet.len() % 16 {
            8 => &packet[..],
            _ => &packet[..24 + (packet.len() - 24) / 16 * 16],
        };
        let plain = tamper::open(&self.key, Direction::ToClient, packet).unwrap();
        open_container(&plain.body)
            .unwrap_or_else(|| vec![Item::new(plain.msg_id, plain.seq_no, plain.body.clone())])
    }

    /// Makes the first call, and returns the ids of what has to be acknowledged, in order.
    pub fn settle(&mut self) -> Vec<i64> {
        self.say(first_call(), true);
        // new_session_created and rpc_result.
        let mut ids = Vec::new();
        while ids.len() < 2 {
            let heard = self.hear();
            ids.extend(
                heard
                    .iter()
                    .filter(|i| i.seq_no & 1 == 1)
                    .map(|i| i.msg_id.0),
            );
        }
        ids
    }
}

/// `help.getNearestDc` as it is.
pub fn call() -> Vec<u8> {
    GetNearestDc.to_bytes().to_vec()
}

/// `help.getNearestDc` in the envelopes of a first call.
pub fn first_call() -> Vec<u8> {
    [InitParams::new(1, LAYER).prefix().to_vec(), call()].concat()
}

pub fn acks(msg_ids: Vec<i64>) -> Vec<u8> {
    types::MsgsAck { msg_ids }.to_bytes().to_vec()
}
