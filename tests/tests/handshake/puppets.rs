//! The two roles once more, written from the specification's formulas with every number in the
//! open, so that a test can make one of them lie.

use mtproto_proto::Rng;
use mtproto_proto::crypto::dh::{Exponent, Group, PublicValue};
use mtproto_proto::crypto::{AesKeyIv, AuthKey, RsaPrivateKey, ige_decrypt, ige_encrypt, tmp_aes};
use mtproto_proto::handshake::ClientHandshake;
use mtproto_schema::mtproto::{enums, functions, types};
use mtproto_schema::{Bytes, Encode};
use sha1::{Digest, Sha1};

use super::support::{Server, client_config, first, next, object, plain, private_key, rng, start};

pub fn bytes(slice: &[u8]) -> Bytes {
    Bytes::copy_from_slice(slice)
}

fn hash(data: &[u8]) -> [u8; 20] {
    Sha1::digest(data).into()
}

/// SHA-1, data, filled up to whole blocks.
pub fn with_hash(data: &[u8]) -> Vec<u8> {
    let mut out = [&hash(data)[..], data].concat();
    out.resize(out.len().next_multiple_of(16), 0xee);
    out
}

/// A server that a test can make lie.
pub struct PuppetServer {
    pub key: RsaPrivateKey,
    pub nonce: [u8; 16],
    pub server_nonce: [u8; 16],
    pub new_nonce: [u8; 32],
    pub group: Group,
    pub a: Exponent,
    pub g_a: PublicValue,
}

impl PuppetServer {
    pub fn new() -> Self {
        let group = Group::known(3).unwrap();
        let (a, g_a) = group.generate(&mut rng(21));
        PuppetServer {
            key: private_key(),
            nonce: [0; 16],
            server_nonce: [0xb5; 16],
            new_nonce: [0; 32],
            group,
            a,
            g_a,
        }
    }

    pub fn res_pq(&mut self, query: &[u8]) -> types::ResPq {
        let functions::ReqPqMulti { nonce } = object(query);
        self.nonce = nonce;
        types::ResPq {
            nonce,
            server_nonce: self.server_nonce,
            pq: bytes(&2_694_724_800_268_887_959u64.to_be_bytes()),
            server_public_key_fingerprints: vec![7, self.key.fingerprint(), 8],
        }
    }

    pub fn inner(&mut self, query: &[u8]) -> types::ServerDhInnerData {
        let question: functions::ReqDhParams = object(query);
        let opened = self.key.decrypt_inner(&question.encrypted_data).unwrap();
        self.new_nonce = match first(opened.data()).0 {
            enums::PQInnerData::Dc(data) => data.new_nonce,
            enums::PQInnerData::TempDc(data) => data.new_nonce,
            enums::PQInnerData::PQInnerData(_) | enums::PQInnerData::Temp(_) => panic!("legacy"),
        };
        types::ServerDhInnerData {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            g: 3,
            dh_prime: bytes(&self.group.prime()),
            g_a: bytes(&self.g_a.to_bytes()),
            server_time: 1_800_000_123,
        }
    }

    pub fn aes(&self) -> AesKeyIv {
        tmp_aes(&self.server_nonce, &self.new_nonce)
    }

    pub fn params(&self, encrypted_answer: Vec<u8>) -> types::ServerDhParamsOk {
        types::ServerDhParamsOk {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            encrypted_answer: encrypted_answer.into(),
        }
    }

    pub fn sealed(&self, inner: &types::ServerDhInnerData) -> types::ServerDhParamsOk {
        self.sealed_bytes(with_hash(&inner.to_bytes()))
    }

    pub fn sealed_bytes(&self, mut plain: Vec<u8>) -> types::ServerDhParamsOk {
        ige_encrypt(&mut plain, &self.aes()).unwrap();
        self.params(plain)
    }

    /// The client's last question and the key that follows from it.
    pub fn key_of(&self, query: &[u8]) -> (types::ClientDhInnerData, AuthKey) {
        let question: functions::SetClientDhParams = object(query);
        let mut inner = question.encrypted_data.to_vec();
        ige_decrypt(&mut inner, &self.aes()).unwrap();
        let (data, len) = first::<types::ClientDhInnerData>(&inner[20..]);
        assert_eq!(inner[..20], hash(&inner[20..20 + len]));
        let g_b = self.group.public_value(&data.g_b).unwrap();
        (data, AuthKey::from_bytes(&self.group.shared(&g_b, &self.a)))
    }

    pub fn ok(&self, key: &AuthKey) -> types::DhGenOk {
        types::DhGenOk {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            new_nonce_hash1: key.new_nonce_hash(&self.new_nonce, 1),
        }
    }

    pub fn retry(&self, key: &AuthKey) -> types::DhGenRetry {
        types::DhGenRetry {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            new_nonce_hash2: key.new_nonce_hash(&self.new_nonce, 2),
        }
    }

    pub fn fail(&self, key: &AuthKey) -> types::DhGenFail {
        types::DhGenFail {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            new_nonce_hash3: key.new_nonce_hash(&self.new_nonce, 3),
        }
    }
}

pub fn new_client() -> ClientHandshake {
    ClientHandshake::new(client_config(), start(), &mut rng(22))
}

/// A client that waits for resPQ, and an honest one.
pub fn before_res_pq() -> (ClientHandshake, PuppetServer, types::ResPq) {
    let (client, mut server) = (new_client(), PuppetServer::new());
    let answer = server.res_pq(client.query());
    (client, server, answer)
}

/// A client that waits for server_DH_params_ok, and honest contents of it.
pub fn before_dh_params() -> (ClientHandshake, PuppetServer, types::ServerDhInnerData) {
    let (client, mut server, answer) = before_res_pq();
    let client = next(client, &plain(&answer));
    let inner = server.inner(client.query());
    (client, server, inner)
}

/// A client that waits for dh_gen_ok, and the key that it should accept.
pub fn before_dh_gen() -> (ClientHandshake, PuppetServer, AuthKey) {
    let (client, server, inner) = before_dh_params();
    let client = next(client, &plain(&server.sealed(&inner)));
    let (_, key) = server.key_of(client.query());
    (client, server, key)
}

/// A client that a test can make lie, and the server it talks to.
pub struct PuppetClient {
    pub server: Server,
    pub rng: Rng,
    pub nonce: [u8; 16],
    pub server_nonce: [u8; 16],
    pub new_nonce: [u8; 32],
    pub pq: Bytes,
    pub p: Bytes,
    pub q: Bytes,
    pub group: Group,
    pub g_a: Option<PublicValue>,
}

impl PuppetClient {
    /// A client that has its resPQ.
    pub fn new(seed: u64) -> Self {
        let mut server = Server::new(seed);
        let mut rng = rng(seed);
        let nonce = rng.array();
        let answer: types::ResPq = object(&server.packet(&plain(&functions::ReqPqMulti { nonce })));
        assert_eq!(answer.nonce, nonce);
        assert_eq!(
            answer.server_public_key_fingerprints,
            [private_key().fingerprint()]
        );
        let pq = u64::from_be_bytes(answer.pq[..].try_into().unwrap());
        let (p, q) = mtproto_proto::crypto::factor(pq).unwrap();
        assert!(p > 1 << 30 && q < 1 << 31, "{p} {q}");
        let four = |n: u64| bytes(&u32::try_from(n).unwrap().to_be_bytes());
        PuppetClient {
            server,
            nonce,
            server_nonce: answer.server_nonce,
            new_nonce: rng.array(),
            pq: answer.pq,
            p: four(p),
            q: four(q),
            group: Group::known(3).unwrap(),
            g_a: None,
            rng,
        }
    }

    pub fn inner(&self) -> types::PQInnerDataDc {
        types::PQInnerDataDc {
            pq: self.pq.clone(),
            p: self.p.clone(),
            q: self.q.clone(),
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            new_nonce: self.new_nonce,
            dc: 2,
        }
    }

    pub fn question(&self, encrypted_data: &[u8]) -> functions::ReqDhParams {
        functions::ReqDhParams {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            p: self.p.clone(),
            q: self.q.clone(),
            public_key_fingerprint: private_key().fingerprint(),
            encrypted_data: bytes(encrypted_data),
        }
    }

    /// Under RSA_PAD.
    pub fn padded(&mut self, inner: &impl Encode) -> [u8; 256] {
        private_key()
            .public()
            .pad_encrypt(&inner.to_bytes(), &mut self.rng)
            .unwrap()
    }

    /// Under the padding before RSA_PAD.
    pub fn padded_as_before(&mut self, inner: &impl Encode) -> [u8; 256] {
        let data = inner.to_bytes();
        let mut value: [u8; 256] = self.rng.array();
        value[0] = 0;
        value[1..21].copy_from_slice(&hash(&data));
        value[21..21 + data.len()].copy_from_slice(&data);
        private_key().public().apply(&value).unwrap()
    }

    /// Takes server_DH_params_ok.
    pub fn take_params(&mut self, packet: &[u8]) -> types::ServerDhInnerData {
        let params: types::ServerDhParamsOk = object(packet);
        let mut answer = params.encrypted_answer.to_vec();
        ige_decrypt(&mut answer, &self.aes()).unwrap();
        let (inner, len) = first::<types::ServerDhInnerData>(&answer[20..]);
        assert_eq!(answer[..20], hash(&answer[20..20 + len]));
        assert!(answer.len() - 20 - len < 16);
        self.g_a = Some(self.group.public_value(&inner.g_a).unwrap());
        inner
    }

    pub fn aes(&self) -> AesKeyIv {
        tmp_aes(&self.server_nonce, &self.new_nonce)
    }

    /// Honest contents of set_client_DH_params, and the key that follows.
    pub fn key(&mut self, retry_id: i64) -> (types::ClientDhInnerData, AuthKey) {
        let (b, g_b) = self.group.generate(&mut self.rng);
        let data = types::ClientDhInnerData {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            retry_id,
            g_b: bytes(&g_b.to_bytes()),
        };
        (
            data,
            AuthKey::from_bytes(&self.group.shared(&self.g_a.unwrap(), &b)),
        )
    }

    pub fn set(&self, inner: &types::ClientDhInnerData) -> functions::SetClientDhParams {
        self.set_bytes(with_hash(&inner.to_bytes()))
    }

    pub fn set_bytes(&self, mut data: Vec<u8>) -> functions::SetClientDhParams {
        ige_encrypt(&mut data, &self.aes()).unwrap();
        functions::SetClientDhParams {
            nonce: self.nonce,
            server_nonce: self.server_nonce,
            encrypted_data: data.into(),
        }
    }

    /// Goes on until the last question is due.
    pub fn with_params(mut self) -> Self {
        let inner = self.inner();
        let encrypted = self.padded(&inner);
        let packet = self.server.packet(&plain(&self.question(&encrypted)));
        self.take_params(&packet);
        self
    }
}
