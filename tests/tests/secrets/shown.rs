//! What whole conversations print: machines, events, errors, configurations, stored states.

use std::time::Duration;

use mtproto_proto::client::portable::Portable;
use mtproto_proto::client::{Change, Config, DcOption, DcTable, Snapshot};
use mtproto_proto::connection::{ClientEvent, KeyState};
use mtproto_proto::crypto::dh::{Exponent, Group};
use mtproto_proto::crypto::srp::Params;
use mtproto_proto::crypto::{AesKeyIv, Ctr, RsaPrivateKey};
use mtproto_proto::session::Event;
use mtproto_proto::transport::{Obfuscation, ServerTransport};
use mtproto_proto::{DcId, Rng};
use mtproto_test::Seed;
use mtproto_test::trace::Buffer;

use crate::both::{Both, Owner, client_config, server_config};
use crate::freed::private_part;
use crate::handshake::PEM;
use crate::pieces::Secrets;

const PATIENCE: Duration = Duration::from_secs(20);

fn bytes<const N: usize>(seed: u64) -> [u8; N] {
    Rng::from_seed(Seed(seed).bytes()).array()
}

/// The keys of a run that goes on when they are known; everything is looked at again then.
fn keys(both: &Both) -> Secrets {
    let mut secrets = Secrets::default();
    for key in &both.made {
        secrets.add("a key", key.as_bytes());
    }
    secrets
}

fn look(both: &Both, secrets: &Secrets) {
    secrets.not_in(&both.pair.client);
    secrets.not_in(&both.pair.server);
    secrets.not_in(&both.pair.client.key_state());
    secrets.not_in(&both.events);
    if let Some(error) = both.client_error() {
        secrets.not_in_error(error);
    }
    if let Some(error) = both.pair.server_error() {
        secrets.not_in_error(error);
    }
}

#[test]
fn s2_connections_print_no_key_while_they_make_bind_use_and_resume_them() {
    let mut client = client_config();
    client.pfs = Some(Duration::from_secs(86_400));
    client.obfuscation = Some(Obfuscation {
        secret: Some(bytes(11).into()),
        dc: Some(DcId(2)),
    });
    let mut server = server_config();
    server.secrets = vec![bytes(11).into()];
    let mut secrets = Secrets::default();
    secrets.add("the proxy's secret", &bytes::<16>(11));
    secrets.not_in(&client);
    secrets.not_in(&server);

    let mut both = Both::new(client, server, 2_103);
    let said = b"what was said is nobody's affair, a code";
    let id = both.call(said);
    both.end_of(id, PATIENCE);
    let mut secrets = keys(&both);
    assert_eq!(both.made.len(), 2);
    secrets.add("the proxy's secret", &bytes::<16>(11));
    secrets.add("what was said", said);
    look(&both, &secrets);
    let stored = both.pair.client.key_state().unwrap().clone();
    assert!(format!("{stored:?}").contains(&stored.auth_key_id().to_string()));
    secrets.not_in(&stored);
    secrets.not_in_error(&KeyState::from_bytes(&stored.to_bytes()[1..]).unwrap_err());

    let mut both = both.reconnect();
    let id = both.call(said);
    both.end_of(id, PATIENCE);
    look(&both, &secrets);
    // What waits is nobody's business either.
    both.call(said);
    let rest = both.pair.client.suspend();
    secrets.not_in(&rest);
    secrets.not_in(&mtproto_proto::connection::Start::Resume(rest));
}

#[test]
fn s2_what_waits_for_a_key_is_not_printed() {
    let said = b"a code that waits for its stream";
    let mut secrets = Secrets::default();
    secrets.add("what waits", said);
    let mut both = Both::new(client_config(), server_config(), 2_107);
    both.call(said);
    secrets.not_in(&both.pair.client);
    let rest = both.pair.client.suspend();
    assert!(format!("{rest:?}").contains("32 bytes"), "{rest:?}");
    secrets.not_in(&rest);
}

#[test]
fn s2_a_stream_that_ends_with_an_error_prints_no_key() {
    for (seed, spoil) in [(2_104, 40), (2_105, 60), (2_106, 1)] {
        let mut both = Both::new(client_config(), server_config(), seed);
        both.owner = Owner::IsSilent;
        both.call(b"a call that has no answer...");
        both.run(Duration::from_secs(2));
        let secrets = keys(&both);
        let garbage = vec![0x0c; spoil];
        let now = both.pair.client_now();
        let _ = mtproto_proto::Machine::handle_input(&mut both.pair.client, now, &garbage);
        let now = both.pair.server_now();
        let _ = mtproto_proto::Machine::handle_input(&mut both.pair.server, now, &garbage);
        both.run(Duration::from_secs(200));
        look(&both, &secrets);
    }
}

#[test]
fn s2_events_of_both_roles_show_of_bodies_their_constructor_only() {
    let token = b"a token of a login, or a code";
    let body = bytes::Bytes::from([&0x6287_9a5d_u32.to_le_bytes()[..], token].concat());
    let mut secrets = Secrets::default();
    secrets.add("the token", token);
    let id = mtproto_proto::RequestId(7);
    let msg_id = mtproto_proto::MsgId(8);
    let shown = [
        format!(
            "{:?}",
            ClientEvent::Response {
                id,
                body: body.clone()
            }
        ),
        format!("{:?}", ClientEvent::Update { body: body.clone() }),
        format!(
            "{:?}",
            Event::Response {
                id,
                body: body.clone()
            }
        ),
        format!("{:?}", Event::Update { body: body.clone() }),
        format!(
            "{:?}",
            Event::Request {
                msg_id,
                body: body.clone()
            }
        ),
        format!(
            "{:?}",
            mtproto_proto::client::Event::Response {
                id,
                body: body.clone()
            }
        ),
    ];
    for text in shown {
        assert!(text.contains("0x62879a5d, 33 bytes"), "{text}");
        secrets.absent("an event", text);
    }
}

#[test]
fn s2_values_that_hold_secrets_print_none() {
    let key = bytes::<256>(12);
    let small = bytes::<32>(13);
    let secret: [u8; 16] = bytes(14);
    let password = "correct horse battery staple";
    let api_hash = "0123456789abcdef0123456789abcdef";
    let params = Params::new(b"salt 1", b"salt 2", Group::known(3).unwrap());
    let hash = params.hash(password.as_bytes());
    let mut secrets = Secrets::default();
    secrets.add("the key", &key);
    secrets.add("the small key", &small);
    secrets.add("the secret", &secret);
    secrets.add("the hash of the application", api_hash.as_bytes());
    secrets.add("the password's hash", hash.as_bytes());
    secrets.add("the primes", &private_part());

    let rsa = RsaPrivateKey::from_pem(PEM).unwrap();
    secrets.not_in(&rsa);
    secrets.not_in(&rsa.public());
    secrets.not_in(&Exponent::from_bytes(&key));
    secrets.not_in(&AesKeyIv::new(&small, &small));
    secrets.not_in(&Ctr::new(&small, &secret));
    secrets.not_in(&Rng::from_seed(small));
    secrets.not_in(&hash);
    let proof = params
        .prove(
            &hash,
            &[&[0x40], &key[1..]].concat(),
            &Exponent::from_bytes(&key),
        )
        .unwrap();
    let mut of_proof = Secrets::default();
    of_proof.add("the proof", &proof.m1);
    of_proof.not_in(&proof);

    let state = KeyState::from_auth_key(key, DcId(2));
    let change: Change = Snapshot::dc_change(&state, true);
    let mut snapshot = Snapshot::new();
    snapshot.apply(change.clone());
    let portable = Portable::new(DcId(2), &key);
    let mut text = Secrets::default();
    text.add("the text", snapshot.to_text().unwrap().as_bytes());
    for secrets in [&secrets, &text] {
        secrets.not_in(&state);
        secrets.not_in(&change);
        secrets.not_in(&snapshot);
        secrets.not_in(&portable);
    }
    let mut damaged = snapshot.to_bytes().unwrap().to_vec();
    damaged[200] ^= 1;
    secrets.not_in_error(&Snapshot::from_bytes(&damaged).unwrap_err());

    let mut config = Config::new(94, api_hash, DcTable::empty(), Vec::new());
    let mut option = DcOption::new(DcId(2), "127.0.0.1:1".parse().unwrap());
    option.secret = Some(secret.to_vec());
    secrets.not_in(&option);
    config.obfuscation = Some(Obfuscation {
        secret: Some(secret.into()),
        dc: None,
    });
    secrets.not_in(&config);
    let mut server = server_config();
    server.secrets = vec![secret.into()];
    secrets.not_in(&server);
    secrets.not_in(&ServerTransport {
        secrets: vec![secret.into()],
        ..ServerTransport::default()
    });

    let mut buffer = Buffer::default();
    std::io::Write::write_all(&mut buffer, &key).unwrap();
    secrets.not_in(&buffer);
}
