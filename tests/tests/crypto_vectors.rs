//! The known answers of `vectors/vectors.json` that concern `crypto` and `handshake`, by id.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::fmt::Debug;

use hmac::{Hmac, KeyInit, Mac};
use mtproto_proto::crypto::dh::{Exponent, Group, KNOWN_PRIME, generates_subgroup};
use mtproto_proto::crypto::rsa::{self, RsaPublicKey};
use mtproto_proto::crypto::{
    AesKeyIv, AuthKey, Ctr, Direction, aes_key_iv, factor, ige_decrypt, ige_encrypt, kdf, msg_key,
    srp, tmp_aes, v1,
};
use mtproto_proto::handshake::{
    BindInner, OpenedBind, PlainMessage, bind_message, open_bind_message,
};
use mtproto_proto::{AuthKeyId, MsgId, Rng, SessionId};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Bytes, Decode, DecodeError, Encode};
use serde_json::Value;
use sha2::Digest;

/// One test function per vector, and the list of what is tested.
macro_rules! vectors {
    ($($id:literal => $name:ident),* $(,)?) => {
        const TESTED: &[&str] = &[$($id),*];

        mod by_id {
            $(#[test] fn $name() { super::$name(&super::vector($id)) })*
        }
    };
}

vectors! {
    "sample.p_q_inner_data_dc" => sample_p_q_inner_data_dc,
    "sample.req_pq_multi_packet" => sample_req_pq_multi_packet,
    "sample.resPQ_body" => sample_res_pq_body,
    "sample.tmp_aes" => sample_tmp_aes,
    "sample.server_DH_inner_data" => sample_server_dh_inner_data,
    "sample.g_b" => sample_g_b,
    "sample.client_DH_inner_data" => sample_client_dh_inner_data,
    "sample.auth_key" => sample_auth_key,
    "sample.new_nonce_hash1" => sample_new_nonce_hash1,
    "sample.derived" => sample_derived,
    "sample_old.resPQ_packet" => sample_old_res_pq_packet,
    "dh.known_good_prime" => dh_known_good_prime,
    "dh.subgroup_toy" => dh_subgroup_toy,
    "ige.openssl" => ige_openssl,
    "ige.seq_enc" => ige_seq_enc,
    "ige.seq_dec" => ige_seq_dec,
    "ige.tdlib_lcg" => ige_tdlib_lcg,
    "ctr.tdlib_lcg" => ctr_tdlib_lcg,
    "ctr.stateful" => ctr_stateful,
    "kdf2.mtcute.x0" => kdf2_mtcute_x0,
    "kdf2.mtcute.x8" => kdf2_mtcute_x8,
    "kdf1.mtcute.x0" => kdf1_mtcute_x0,
    "kdf1.mtcute.x8" => kdf1_mtcute_x8,
    "kdf1.gotd" => kdf1_gotd,
    "msgkey1.gotd" => msgkey1_gotd,
    "kdf2.grammers.x0" => kdf2_grammers_x0,
    "kdf2.grammers.x8" => kdf2_grammers_x8,
    "tmpkey.grammers" => tmpkey_grammers,
    "tmpkey.mtcute" => tmpkey_mtcute,
    "authkey.seq" => authkey_seq,
    "authkey.mtcute" => authkey_mtcute,
    "enc2.grammers" => enc2_grammers,
    "enc2.mtcute" => enc2_mtcute,
    "dec2.grammers_real_server" => dec2_grammers_real_server,
    "dec2.mtcute.ok" => dec2_mtcute_ok,
    "dec2.mtcute.bad_session" => dec2_mtcute_bad_session,
    "dec2.mtcute.len_too_long" => dec2_mtcute_len_too_long,
    "dec2.mtcute.len_unaligned" => dec2_mtcute_len_unaligned,
    "dec2.mtcute.bad_padding" => dec2_mtcute_bad_padding,
    "quickack.computed" => quickack_computed,
    "rsa.fingerprints" => rsa_fingerprints,
    "rsa.tdlib_raw" => rsa_tdlib_raw,
    "rsa.fingerprint_1024" => rsa_fingerprint_1024,
    "rsa_pad.grammers" => rsa_pad_grammers,
    "pq.factor" => pq_factor,
    "bind.encrypted_message" => bind_encrypted_message,
    "srp.gotd" => srp_gotd,
    "srp.gotd_new_hash" => srp_gotd_new_hash,
    "srp.mtcute" => srp_mtcute,
    "srp.grammers" => srp_grammers,
    "pbkdf2.mtcute" => pbkdf2_mtcute,
    "hmac256.mtcute" => hmac256_mtcute,
}

/// Families of vectors that this file answers for, as a whole.
const OURS: &[&str] = &[
    "sample",
    "sample_old",
    "dh",
    "ige",
    "ctr",
    "kdf1",
    "kdf2",
    "msgkey1",
    "tmpkey",
    "authkey",
    "enc2",
    "dec2",
    "quickack",
    "rsa",
    "rsa_pad",
    "pq",
    "bind",
    "srp",
    "pbkdf2",
    "hmac256",
];

/// Families whose code is not written, so their tests cannot be.
const DEFERRED: &[&str] = &["cdn"];

/// Families that other suites answer for.
const ELSEWHERE: &[&str] = &[
    "obf2",
    "full",
    "transport",
    "abridged",
    "padded",
    "tl",
    "mtproxy",
    "faketls",
];

#[test]
fn every_vector_of_these_rooms_has_a_test() {
    let tested: BTreeSet<_> = TESTED.iter().copied().collect();
    assert_eq!(tested.len(), TESTED.len(), "an id is named twice");
    let mut known = BTreeSet::new();
    for vector in file() {
        let id = vector["id"].as_str().unwrap().to_owned();
        let family = id.split('.').next().unwrap();
        if OURS.contains(&family) {
            assert!(tested.contains(id.as_str()), "{id} has no test");
        } else {
            assert!(
                DEFERRED.contains(&family) || ELSEWHERE.contains(&family),
                "{id}: who answers for this family?"
            );
        }
        known.insert(id);
    }
    for id in tested {
        assert!(known.contains(id), "{id} is tested but not in the file");
    }
}

// The worked example of the specification.

fn sample_p_q_inner_data_dc(v: &Value) {
    let input = &v["inputs"];
    let (server_nonce, new_nonce) = nonces(v);
    let data = types::PQInnerDataDc {
        pq: number(&input["pq"]),
        p: number(&input["p"]),
        q: number(&input["q"]),
        nonce: array(&input["nonce"]),
        server_nonce,
        new_nonce,
        dc: i32::try_from(input["dc"].as_i64().unwrap()).unwrap(),
    };
    let expected = bytes(&v["expected"]);
    assert_eq!(data.to_bytes(), expected);
    three_ways(&data, &expected);
}

fn sample_req_pq_multi_packet(v: &Value) {
    let question = functions::ReqPqMulti {
        nonce: array(&v["inputs"]["nonce"]),
    };
    let msg_id = MsgId(i64::from_le_bytes(array(&v["inputs"]["message_id_le"])));
    let expected = bytes(&v["expected"]);
    assert_eq!(PlainMessage::write(msg_id, &question.to_bytes()), expected);
    packet_three_ways(msg_id, &question, &expected);
}

fn sample_res_pq_body(v: &Value) {
    let input = &v["inputs"];
    let resumed = vector("sample.p_q_inner_data_dc");
    let answer = types::ResPq {
        nonce: array(&resumed["inputs"]["nonce"]),
        server_nonce: array(&resumed["inputs"]["server_nonce"]),
        pq: number(&input["pq"]),
        server_public_key_fingerprints: list(&input["fingerprints_le"])
            .iter()
            .map(|f| i64::from_le_bytes(array(f)))
            .collect(),
    };
    let expected = bytes(&v["expected"]);
    assert_eq!(answer.to_bytes(), expected);
    three_ways(&answer, &expected);
}

fn sample_old_res_pq_packet(v: &Value) {
    let input = &v["inputs"];
    let answer = types::ResPq {
        nonce: array(&input["nonce"]),
        server_nonce: array(&input["server_nonce"]),
        pq: bytes(&input["pq"]).into(),
        server_public_key_fingerprints: vec![i64::from_le_bytes(array(&input["fp_le"]))],
    };
    let msg_id = MsgId(i64::from_le_bytes(array(&input["msg_id_le"])));
    let expected = bytes(&v["expected"]);
    assert_eq!(PlainMessage::write(msg_id, &answer.to_bytes()), expected);
    packet_three_ways(msg_id, &answer, &expected);
}

/// Reads an object whole, cut at every byte, and with bytes after it.
fn three_ways<T: Decode + PartialEq + Debug>(object: &T, wire: &[u8]) {
    let read = |wire: &[u8]| T::from_bytes(&Bytes::copy_from_slice(wire));
    assert_eq!(read(wire).as_ref(), Ok(object));
    for cut in 0..wire.len() {
        assert!(read(&wire[..cut]).is_err(), "{cut} bytes");
    }
    let trailing = read(&[wire, &[0; 4]].concat());
    assert_eq!(trailing, Err(DecodeError::TrailingBytes { left: 4 }));
}

/// Reads a packet whole, cut at every byte, and with bytes after it, which a transport may add.
fn packet_three_ways<T: Decode + PartialEq + Debug>(msg_id: MsgId, object: &T, wire: &[u8]) {
    let message = PlainMessage::read(wire).unwrap();
    assert_eq!(message.msg_id, msg_id);
    three_ways(object, &message.body);
    for cut in 0..wire.len() {
        assert!(PlainMessage::read(&wire[..cut]).is_err(), "{cut} bytes");
    }
    assert_eq!(
        PlainMessage::read(&[wire, &[0xff; 13]].concat()),
        Ok(message)
    );
}

/// A decimal number as the specification writes it in strings.
fn number(value: &Value) -> Bytes {
    decimal(value.as_str().unwrap()).into()
}

fn sample_tmp_aes(v: &Value) {
    let (server_nonce, new_nonce) = nonces(v);
    assert_key(&tmp_aes(&server_nonce, &new_nonce), v);
}

fn sample_server_dh_inner_data(v: &Value) {
    let (input, expected) = (&v["inputs"], &v["expected"]);
    let key = AesKeyIv::new(&array(&input["tmp_aes_key"]), &array(&input["tmp_aes_iv"]));
    let mut plain = bytes(&input["encrypted_answer"]);
    ige_decrypt(&mut plain, &key).unwrap();
    let parts = [&expected["sha1"], &expected["answer"], &expected["padding"]].map(bytes);
    assert_eq!(plain, parts.concat());
    assert_eq!(sha1::Sha1::digest(&parts[1])[..], parts[0]);
}

fn sample_g_b(v: &Value) {
    let input = &v["inputs"];
    let group = group(&input["dh_prime"], input["g"].as_i64().unwrap());
    let b = Exponent::from_bytes(&array(&input["b"]));
    assert_eq!(group.pow(&[3], &b).unwrap()[..], bytes(&v["expected"]));
}

fn sample_client_dh_inner_data(v: &Value) {
    let input = &v["inputs"];
    let key = AesKeyIv::new(&array(&input["tmp_aes_key"]), &array(&input["tmp_aes_iv"]));
    let data = bytes(&input["data"]);
    let hash = sha1::Sha1::digest(&data).to_vec();
    let mut packet = [hash, data, bytes(&input["padding"])].concat();
    ige_encrypt(&mut packet, &key).unwrap();
    assert_eq!(packet, bytes(&v["expected"]));
}

fn sample_auth_key(v: &Value) {
    assert_eq!(sample_key(v).as_bytes()[..], bytes(&v["expected"]));
}

fn sample_key(v: &Value) -> AuthKey {
    let input = &v["inputs"];
    let group = group(&input["dh_prime"], 3);
    let g_a = group.public_value(&bytes(&input["g_a"])).unwrap();
    AuthKey::from_bytes(&group.shared(&g_a, &Exponent::from_bytes(&array(&input["b"]))))
}

fn sample_new_nonce_hash1(v: &Value) {
    let key = sample_key(&vector("sample.auth_key"));
    let sha1 = sha1::Sha1::digest(key.as_bytes());
    assert_eq!(sha1[..], bytes(&v["inputs"]["auth_key_sha1"]));
    let new_nonce = array(&v["inputs"]["new_nonce"]);
    assert_eq!(key.new_nonce_hash(&new_nonce, 1)[..], bytes(&v["expected"]));
}

fn sample_derived(v: &Value) {
    let expected = &v["expected"];
    let key = sample_key(&vector("sample.auth_key"));
    assert_eq!(key.aux_hash()[..], bytes(&expected["auth_key_aux_hash"]));
    assert_eq!(
        key.id().0.to_le_bytes()[..],
        bytes(&expected["auth_key_id_le"])
    );
    let (server_nonce, new_nonce) = nonces(&vector("sample.tmp_aes"));
    let salt: Vec<u8> = (0..8).map(|i| server_nonce[i] ^ new_nonce[i]).collect();
    assert_eq!(salt, bytes(&expected["server_salt_le"]));
}

// Diffie–Hellman.

fn dh_known_good_prime(v: &Value) {
    let prime = bytes(&v["expected"]["prime"]);
    let good: Vec<i64> = (-1..=300)
        .filter(|g| {
            let g = i32::try_from(*g).unwrap();
            let checked = Group::check(&prime, g, &[], &mut rng());
            assert_eq!(checked, Group::known(g), "g = {g}");
            checked.is_ok_and(|group| group.is_known() && group.prime()[..] == prime)
        })
        .collect();
    assert_eq!(Value::from(good), v["expected"]["ok_g"]);
}

fn dh_subgroup_toy(v: &Value) {
    for (input, expected) in list(&v["inputs"]).iter().zip(list(&v["expected"])) {
        let p = u32::try_from(input["p"].as_u64().unwrap())
            .unwrap()
            .to_be_bytes();
        let g = i32::try_from(input["g"].as_i64().unwrap()).unwrap();
        assert_eq!(
            generates_subgroup(&p, g),
            expected.as_bool().unwrap(),
            "{input}"
        );
    }
}

fn group(prime: &Value, g: i64) -> Group {
    Group::check(&bytes(prime), i32::try_from(g).unwrap(), &[], &mut rng()).unwrap()
}

// AES.

fn ige_key(v: &Value) -> AesKeyIv {
    AesKeyIv::new(&array(&v["inputs"]["key"]), &array(&v["inputs"]["iv"]))
}

fn ige_openssl(v: &Value) {
    ige_seq_enc(v);
    let mut back = bytes(&v["expected"]);
    ige_decrypt(&mut back, &ige_key(v)).unwrap();
    assert_eq!(back, bytes(&v["inputs"]["plaintext"]));
}

fn ige_seq_enc(v: &Value) {
    let mut data = bytes(&v["inputs"]["plaintext"]);
    ige_encrypt(&mut data, &ige_key(v)).unwrap();
    assert_eq!(data, bytes(&v["expected"]));
}

fn ige_seq_dec(v: &Value) {
    let mut data = bytes(&v["inputs"]["ciphertext"]);
    ige_decrypt(&mut data, &ige_key(v)).unwrap();
    assert_eq!(data, bytes(&v["expected"]));
}

/// The linear congruential generator of the TDLib tests.
struct Lcg(u32);

impl Lcg {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(123_457_567).wrapping_add(987_651_241);
        (self.0 >> 23) as u8
    }
}

fn ige_tdlib_lcg(v: &Value) {
    for (len, crc) in [0, 16, 32, 256, 1024, 65_536]
        .into_iter()
        .zip(list(&v["expected"]))
    {
        let mut lcg = Lcg(len);
        let plain: Vec<u8> = (0..len).map(|_| lcg.byte()).collect();
        let key = AesKeyIv::new(&lcg.bytes(), &lcg.bytes());
        let mut data = plain.clone();
        ige_encrypt(&mut data, &key).unwrap();
        assert_eq!(
            u64::from(crc32fast::hash(&data)),
            crc.as_u64().unwrap(),
            "length {len}"
        );
        ige_decrypt(&mut data, &key).unwrap();
        assert_eq!(data, plain, "length {len}");
    }
}

fn ctr_tdlib_lcg(v: &Value) {
    let lengths = [0, 1, 31, 32, 33, 9999, 10_000, 10_001, 999_999, 1_000_001];
    for (i, len) in lengths.into_iter().enumerate() {
        let mut lcg = Lcg(len);
        let plain: Vec<u8> = (0..len).map(|_| lcg.byte()).collect();
        let (key, iv) = (lcg.bytes(), lcg.bytes());
        for (iv, list) in [(iv, "a"), ([0xff; 16], "iv_ff")] {
            let mut whole = plain.clone();
            Ctr::new(&key, &iv).apply(&mut whole);
            let crc = u64::from(crc32fast::hash(&whole));
            assert_eq!(
                crc,
                v["expected"][list][i].as_u64().unwrap(),
                "length {len}, {list}"
            );

            let mut pieces = plain.clone();
            let mut stream = Ctr::new(&key, &iv);
            for piece in pieces.chunks_mut(7) {
                stream.apply(piece);
            }
            assert_eq!(pieces, whole, "length {len}, {list}, in pieces");
        }
    }
}

fn ctr_stateful(v: &Value) {
    let input = &v["inputs"];
    let chunk = bytes(&input["each_chunk"]);
    for step in [16, 1] {
        let mut stream = Ctr::new(&array(&input["key"]), &array(&input["iv"]));
        for expected in list(&v["expected"]) {
            let mut data = chunk.clone();
            data.chunks_mut(step).for_each(|piece| stream.apply(piece));
            assert_eq!(data, bytes(expected), "{step} bytes at a time");
        }
    }
}

// Key derivation.

fn direction(v: &Value) -> Direction {
    match v["inputs"]["x"].as_u64() {
        Some(0) => Direction::ToServer,
        Some(8) => Direction::ToClient,
        x => panic!("x = {x:?}"),
    }
}

fn key(v: &Value) -> AuthKey {
    let text = &v["inputs"]["auth_key"];
    if text == "00..ff" {
        AuthKey::from_bytes(&std::array::from_fn(|i| i as u8))
    } else {
        AuthKey::from_bytes(&array(text))
    }
}

fn assert_key(got: &AesKeyIv, v: &Value) {
    assert_eq!(got.key()[..], bytes(&v["expected"]["key"]));
    assert_eq!(got.iv()[..], bytes(&v["expected"]["iv"]));
}

fn kdf2(v: &Value) {
    assert_key(
        &aes_key_iv(&key(v), direction(v), &array(&v["inputs"]["msg_key"])),
        v,
    );
}

fn kdf1(v: &Value) {
    assert_key(
        &v1::aes_key_iv(&key(v), direction(v), &array(&v["inputs"]["msg_key"])),
        v,
    );
}

use kdf1 as kdf1_gotd;
use kdf1 as kdf1_mtcute_x0;
use kdf1 as kdf1_mtcute_x8;
use kdf2 as kdf2_grammers_x0;
use kdf2 as kdf2_grammers_x8;
use kdf2 as kdf2_mtcute_x0;
use kdf2 as kdf2_mtcute_x8;

fn msgkey1_gotd(v: &Value) {
    let plain = v["inputs"]["plaintext_utf8"].as_str().unwrap();
    assert_eq!(v1::msg_key(plain.as_bytes())[..], bytes(&v["expected"]));
}

fn tmpkey_grammers(v: &Value) {
    let (server_nonce, new_nonce) = nonces(v);
    assert_key(&tmp_aes(&server_nonce, &new_nonce), v);
}

fn tmpkey_mtcute(v: &Value) {
    let input = &v["inputs"];
    let got = kdf::tmp_aes_short(&array(&input["server_nonce"]), &array(&input["new_nonce"]));
    assert_key(&got, v);
}

fn nonces(v: &Value) -> ([u8; 16], [u8; 32]) {
    (
        array(&v["inputs"]["server_nonce"]),
        array(&v["inputs"]["new_nonce"]),
    )
}

fn authkey_seq(v: &Value) {
    let (key, expected) = (key(v), &v["expected"]);
    assert_eq!(key.aux_hash()[..], bytes(&expected["aux_hash"]));
    assert_eq!(key.id().0.to_le_bytes()[..], bytes(&expected["key_id_le"]));
    let new_nonce = array(&v["inputs"]["new_nonce"]);
    for number in 1..=3 {
        assert_eq!(
            key.new_nonce_hash(&new_nonce, number)[..],
            bytes(&expected[format!("new_nonce_hash{number}")]),
            "new_nonce_hash{number}"
        );
    }
}

fn authkey_mtcute(v: &Value) {
    let (key, expected) = (key(v), &v["expected"]);
    assert_eq!(key.id().0.to_le_bytes()[..], bytes(&expected["id_le"]));
    assert_eq!(
        key.as_bytes()[88..120],
        bytes(&expected["client_key_frag_88_120"])
    );
    assert_eq!(
        key.as_bytes()[96..128],
        bytes(&expected["server_key_frag_96_128"])
    );
}

// Packets, as far as they are cryptography: the session judges what is inside.

fn seal(key: &AuthKey, direction: Direction, plain: &[u8]) -> Vec<u8> {
    let msg_key = msg_key(key, direction, plain).msg_key;
    let mut data = plain.to_vec();
    ige_encrypt(&mut data, &aes_key_iv(key, direction, &msg_key)).unwrap();
    [&key.id().0.to_le_bytes()[..], &msg_key, &data].concat()
}

fn open(key: &AuthKey, direction: Direction, packet: &[u8]) -> Vec<u8> {
    assert_eq!(packet[..8], key.id().0.to_le_bytes());
    let claimed = packet[8..24].try_into().unwrap();
    let mut plain = packet[24..].to_vec();
    ige_decrypt(&mut plain, &aes_key_iv(key, direction, &claimed)).unwrap();
    assert_eq!(msg_key(key, direction, &plain).msg_key, claimed);
    plain
}

fn enc2_grammers(v: &Value) {
    let plain = bytes(&v["inputs"]["plaintext_with_padding"]);
    assert_eq!(seal(&key(v), direction(v), &plain), bytes(&v["expected"]));
}

fn enc2_mtcute(v: &Value) {
    let input = &v["inputs"];
    let body = input["body_utf8"].as_str().unwrap().as_bytes();
    let plain = [
        &bytes(&input["salt_le"])[..],
        &bytes(&input["session_id_le"]),
        &bytes(&input["msg_id_le"]),
        &u32::try_from(input["seq_no"].as_u64().unwrap())
            .unwrap()
            .to_le_bytes(),
        &u32::try_from(body.len()).unwrap().to_le_bytes(),
        body,
        &bytes(&input["padding"]),
    ]
    .concat();
    assert_eq!(seal(&key(v), direction(v), &plain), bytes(&v["expected"]));
}

fn dec2(v: &Value) {
    let packet = bytes(&v["inputs"]["message"]);
    let plain = open(&key(v), direction(v), &packet);
    assert_eq!(plain, bytes(&v["expected"]["plaintext"]));
    assert_eq!(seal(&key(v), direction(v), &plain), packet);
}

use dec2 as dec2_grammers_real_server;
use dec2 as dec2_mtcute_bad_padding;
use dec2 as dec2_mtcute_bad_session;
use dec2 as dec2_mtcute_len_too_long;
use dec2 as dec2_mtcute_len_unaligned;
use dec2 as dec2_mtcute_ok;

fn quickack_computed(v: &Value) {
    let plain = bytes(&v["inputs"]["plaintext_with_padding"]);
    let got = msg_key(&key(v), Direction::ToServer, &plain);
    assert_eq!(
        u64::from(got.quick_ack),
        v["expected"]["token_u32"].as_u64().unwrap()
    );
    assert_eq!(got.msg_key[..], bytes(&v["inputs"]["msg_key_large"])[8..24]);
}

// RSA.

fn rsa_fingerprints(v: &Value) {
    for entry in list(&v["expected"]) {
        let pem = entry["pem"].as_str().unwrap();
        let modulus = bytes(&entry["modulus"]);
        let expected = entry["fingerprint_i64"].as_i64().unwrap();
        let exponent = u32::try_from(entry["e"].as_u64().unwrap()).unwrap();

        let key = RsaPublicKey::from_pem(pem).unwrap();

        assert_eq!(key.fingerprint(), expected);
        assert_eq!(
            key.fingerprint().to_le_bytes()[..],
            bytes(&entry["fingerprint_wire_le"])
        );
        assert_eq!(key.modulus()[..], modulus);
        assert_eq!(key.exponent(), exponent);
        assert_eq!(key.to_pem().trim(), pem);
        let same = RsaPublicKey::from_components(&modulus, &exponent.to_be_bytes()).unwrap();
        assert_eq!(same, key);
        assert_eq!(same.fingerprint(), expected);
    }
}

fn rsa_tdlib_raw(v: &Value) {
    let pem = v["inputs"]["pem"].as_str().unwrap();
    let key = RsaPublicKey::from_pem(pem).unwrap();
    assert_eq!(
        key.fingerprint(),
        v["expected"]["fingerprint_i64"].as_i64().unwrap()
    );
    let encrypted = key
        .apply(pem.as_bytes()[..256].try_into().unwrap())
        .unwrap();
    let expected = base64(v["expected"]["sha256_of_ciphertext_b64"].as_str().unwrap());
    assert_eq!(sha2::Sha256::digest(encrypted)[..], expected);
}

fn rsa_fingerprint_1024(v: &Value) {
    let der = base64(v["inputs"]["spki_der_b64"].as_str().unwrap());
    // The key proper is two INTEGERs at the end: 00 + 128 bytes, and 01 00 01.
    let (modulus, exponent) = (&der[der.len() - 133..der.len() - 5], &der[der.len() - 3..]);
    assert_eq!(
        rsa::fingerprint(modulus, exponent),
        v["expected"].as_i64().unwrap()
    );
}

fn rsa_pad_grammers(v: &Value) {
    let (input, expected) = (&v["inputs"], &v["expected"]);
    let modulus = decimal(input["modulus_dec"].as_str().unwrap());
    let key = RsaPublicKey::from_components(&modulus, &[1, 0, 1]).unwrap();
    let fingerprint = format!("{:#018x}", key.fingerprint());
    assert_eq!(fingerprint, expected["fingerprint_u64"].as_str().unwrap());
    assert_eq!(input["rejected_temp_keys_before"].as_u64().unwrap(), 1);
    let script = ["random_padding", "first_rejected_temp_key", "temp_key"];
    let script = script.map(|part| bytes(&input[part])).concat();

    let got = key
        .pad_encrypt(&bytes(&input["data"]), &mut Rng::scripted(&script))
        .unwrap();

    assert_eq!(got[..], bytes(&expected["encrypted_data"]));
    assert_eq!(
        key.apply(&array(&expected["key_aes_encrypted"])).unwrap(),
        got
    );
}

// Factoring.

fn pq_factor(v: &Value) {
    for (input, expected) in list(&v["inputs"]).iter().zip(list(&v["expected"])) {
        let pq = input.as_str().unwrap().parse().unwrap();
        let (p, q) = factor(pq).unwrap();
        assert_eq!(
            [&expected[0], &expected[1]],
            [p.to_string().as_str(), &q.to_string()]
        );
    }
}

// Binding.

fn bind_encrypted_message(v: &Value) {
    let (input, expected) = (&v["inputs"], &v["expected"]);
    let perm = AuthKey::from_bytes(&std::array::from_fn(|i| 255 - i as u8));
    assert_eq!(
        perm.id().0.to_le_bytes()[..],
        bytes(&input["perm_auth_key_id_le"])
    );
    let hex = |name: &str| {
        let digits = input[name].as_str().unwrap().strip_prefix("0x").unwrap();
        i64::from_str_radix(digits, 16).unwrap()
    };
    let msg_id = MsgId(hex("msg_id"));
    let inner = BindInner {
        nonce: hex("nonce"),
        temp_auth_key_id: AuthKeyId(hex("temp_auth_key_id")),
        perm_auth_key_id: perm.id(),
        temp_session_id: SessionId(hex("temp_session_id")),
        expires_at: i32::try_from(input["expires_at"].as_i64().unwrap()).unwrap(),
    };
    let script = [bytes(&input["random128"]), bytes(&input["tail_padding"])].concat();
    let wire = bytes(&expected["encrypted_message"]);

    let got = bind_message(&perm, msg_id, &inner, &mut Rng::scripted(&script));

    assert_eq!(got[..], wire);
    assert_eq!(got.len() as u64, expected["length"].as_u64().unwrap());
    assert_eq!(got[8..24], bytes(&expected["msg_key"]));
    let key = v1::aes_key_iv(&perm, Direction::ToServer, &array(&expected["msg_key"]));
    assert_eq!(key.key()[..], bytes(&expected["aes_key"]));
    assert_eq!(key.iv()[..], bytes(&expected["aes_iv"]));
    let mut plain = wire[24..].to_vec();
    ige_decrypt(&mut plain, &key).unwrap();
    assert_eq!(plain[..72], bytes(&expected["plain72"]));
    assert_eq!(v1::msg_key(&plain[..72])[..], bytes(&expected["msg_key"]));

    let opened = OpenedBind {
        msg_id,
        seq_no: 0,
        inner,
    };
    assert_eq!(open_bind_message(&perm, &wire), Ok(opened));
    for cut in 0..wire.len() {
        assert!(
            open_bind_message(&perm, &wire[..cut]).is_err(),
            "{cut} bytes"
        );
    }
    assert!(open_bind_message(&perm, &[&wire[..], &[0; 16]].concat()).is_err());
}

// The password of two-factor authentication.

fn srp_params(input: &Value, salt1: &str) -> srp::Params {
    let prime = match input["p"].as_str().unwrap() {
        "dh.known_good_prime" => KNOWN_PRIME.to_owned(),
        hex => hex.to_owned(),
    };
    let (salt1, salt2) = (bytes(&input[salt1]), bytes(&input["salt2"]));
    let g = i32::try_from(input["g"].as_i64().unwrap()).unwrap();
    srp::Params::check(&salt1, &salt2, g, &bytes(&prime.into()), &[], &mut rng()).unwrap()
}

fn srp_proof(v: &Value) -> srp::PasswordHash {
    let input = &v["inputs"];
    let params = srp_params(input, "salt1");
    let password = match input["password"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => bytes(&input["password_bytes"]),
    };
    let hash = params.hash(&password);
    let secret = Exponent::from_bytes(&array(&input["a"]));
    let proof = params
        .prove(&hash, &bytes(&input["srp_B"]), &secret)
        .unwrap();
    let expected = &v["expected"];
    assert_eq!(proof.a[..], bytes(&expected["A"]));
    assert_eq!(proof.m1[..], bytes(&expected["M1"]));
    hash
}

fn srp_gotd(v: &Value) {
    srp_proof(v);
}

fn srp_grammers(v: &Value) {
    srp_proof(v);
}

fn srp_mtcute(v: &Value) {
    let hash = srp_proof(v);
    assert_eq!(hash.as_bytes()[..], bytes(&v["expected"]["x_PH2"]));
}

fn srp_gotd_new_hash(v: &Value) {
    let input = &v["inputs"];
    let params = srp_params(input, "salt1_with_32_random");
    let hash = params.hash(input["password"].as_str().unwrap().as_bytes());
    assert_eq!(params.verifier(&hash)[..], bytes(&v["expected"]));
}

fn pbkdf2_mtcute(v: &Value) {
    let input = &v["inputs"];
    let text = |name: &str| input[name].as_str().unwrap().as_bytes().to_vec();
    let rounds = u32::try_from(input["iterations"].as_u64().unwrap()).unwrap();
    let key = srp::pbkdf2(&text("password"), &text("salt"), rounds);
    assert_eq!(key[..], bytes(&v["expected"]));
}

/// The crate that PBKDF2 stands on.
fn hmac256_mtcute(v: &Value) {
    let input = &v["inputs"];
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&bytes(&input["key"])).unwrap();
    mac.update(input["data_utf8"].as_str().unwrap().as_bytes());
    assert_eq!(mac.finalize().into_bytes()[..], bytes(&v["expected"]));
}

// Reading the file.

fn file() -> Vec<Value> {
    let text = include_str!("../vectors/vectors.json");
    let file: Value = serde_json::from_str(text).unwrap();
    list(&file["vectors"]).to_vec()
}

fn vector(id: &str) -> Value {
    file()
        .into_iter()
        .find(|v| v["id"] == id)
        .unwrap_or_else(|| panic!("no vector {id}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap().as_bytes();
    let pairs = hex.as_chunks::<2>().0.iter();
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn base64(text: &str) -> Vec<u8> {
    <base64ct::Base64 as base64ct::Encoding>::decode_vec(text).unwrap()
}

/// A decimal number as big-endian bytes.
fn decimal(text: &str) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for digit in text.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in &mut out {
            carry += u32::from(*byte) * 10;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            out.push(carry as u8);
        }
    }
    out.reverse();
    out
}

fn rng() -> Rng {
    Rng::from_seed([1; 32])
}
