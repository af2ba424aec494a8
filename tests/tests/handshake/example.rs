//! The specification's worked example, replayed through the client.

use mtproto_proto::crypto::{AuthKey, RsaPublicKey};
use mtproto_proto::handshake::{ClientHandshake, PlainMessage, Step, client};
use mtproto_proto::{DcId, Rng};
use mtproto_schema::Bytes;
use mtproto_schema::mtproto::{functions, types};
use serde_json::Value;

use super::support::{object, plain, start};

fn vector(id: &str) -> Value {
    let file: Value = serde_json::from_str(include_str!("../../vectors/vectors.json")).unwrap();
    file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|v| v["id"] == id)
        .unwrap()
        .clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    let pairs = value.as_str().unwrap().as_bytes().as_chunks::<2>().0.iter();
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

/// The key that the example's client chose: Telegram's current one.
fn production_key() -> RsaPublicKey {
    let keys = vector("rsa.fingerprints");
    let keys = keys["expected"].as_array().unwrap();
    let key = keys
        .iter()
        .find(|k| k["fingerprint_u64"] == "0xd09d1d85de64fd85")
        .unwrap();
    RsaPublicKey::from_pem(key["pem"].as_str().unwrap()).unwrap()
}

/// Every random number of the page that it prints is put in the client's hand. It does not print
/// the temporary key of RSA_PAD, so `encrypted_data` alone differs.
#[test]
fn the_worked_example_ends_with_its_key() {
    let inner = vector("sample.p_q_inner_data_dc");
    let config = client::Config::new(vec![production_key()], DcId(2));
    let script = |parts: &[&Value]| {
        Rng::scripted(
            &parts
                .iter()
                .flat_map(|part| bytes(part))
                .collect::<Vec<_>>(),
        )
    };

    let mut rng = script(&[&inner["inputs"]["nonce"]]);
    let client = ClientHandshake::new(config, start(), &mut rng);
    let expected = bytes(&vector("sample.req_pq_multi_packet")["expected"]);
    assert_eq!(client.query()[..8], expected[..8]);
    assert_eq!(client.query()[16..], expected[16..]);

    // The live server's length counts 88 random bytes that the page does not show.
    let mut answer = bytes(&vector("sample.resPQ_body")["expected"]);
    answer.extend([0x5a; 88]);
    let answer = PlainMessage::write(super::support::ANSWER, &answer);
    assert_eq!(answer[16..20], 168u32.to_le_bytes());
    let mut rng = script(&[&inner["inputs"]["new_nonce"]]);
    let Ok(Step::Continue(client)) = client.handle(start(), &answer, &mut rng) else {
        panic!()
    };
    let question: functions::ReqDhParams = object(client.query());
    assert_eq!(question.p[..], 1_513_098_571u32.to_be_bytes());
    assert_eq!(question.q[..], 1_780_931_429u32.to_be_bytes());
    assert_eq!(
        question.public_key_fingerprint,
        production_key().fingerprint()
    );
    assert_eq!(question.encrypted_data.len(), 256);

    let (nonce, server_nonce) = (
        array(&inner["inputs"]["nonce"]),
        array(&inner["inputs"]["server_nonce"]),
    );
    let encrypted = bytes(&vector("sample.server_DH_inner_data")["inputs"]["encrypted_answer"]);
    let answer = plain(&types::ServerDhParamsOk {
        nonce,
        server_nonce,
        encrypted_answer: Bytes::from(encrypted),
    });
    let data = vector("sample.client_DH_inner_data");
    let mut rng = script(&[
        &vector("sample.g_b")["inputs"]["b"],
        &data["inputs"]["padding"],
    ]);
    let Ok(Step::Continue(client)) = client.handle(start(), &answer, &mut rng) else {
        panic!()
    };
    let question: functions::SetClientDhParams = object(client.query());
    assert_eq!(
        (question.nonce, question.server_nonce),
        (nonce, server_nonce)
    );
    assert_eq!(question.encrypted_data[..], bytes(&data["expected"]));

    let answer = plain(&types::DhGenOk {
        nonce,
        server_nonce,
        new_nonce_hash1: array(&vector("sample.new_nonce_hash1")["expected"]),
    });
    let Ok(Step::Complete(complete)) = client.handle(start(), &answer, &mut rng) else {
        panic!()
    };
    let derived = &vector("sample.derived")["expected"];
    assert_eq!(
        complete.key,
        AuthKey::from_bytes(&array(&vector("sample.auth_key")["expected"]))
    );
    assert_eq!(
        complete.key.id().0.to_le_bytes()[..],
        bytes(&derived["auth_key_id_le"])
    );
    assert_eq!(
        complete.salt.to_le_bytes()[..],
        bytes(&derived["server_salt_le"])
    );
    assert_eq!(complete.server_time, 1_707_425_105);
    assert_eq!(complete.expires_at, None);
    assert_eq!(complete.good_prime, None);
}
