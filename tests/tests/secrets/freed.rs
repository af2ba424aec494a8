//! What is given back to the allocator holds no secret.

use std::fmt::Write as _;
use std::fs;

use mtproto_driver::{KeyFile, MemorySession, SessionFile, Store};
use mtproto_proto::client::portable::Portable;
use mtproto_proto::client::sign_in::{App, BotSignIn, NeedsCode};
use mtproto_proto::client::{Change, Snapshot};
use mtproto_proto::connection::{ClientEvent, KeyState};
use mtproto_proto::crypto::dh::{Exponent, Group};
use mtproto_proto::crypto::srp::Params;
use mtproto_proto::crypto::{AesKeyIv, AuthKey, Ctr, RsaPrivateKey};
use mtproto_proto::{DcId, Rng};
use mtproto_test::Seed;
use mtproto_test::alloc::{Freed, freed_with};

use crate::both::{Both, client_config, server_config};
use crate::handshake::{PEM, SEED, Script};

fn bytes<const N: usize>(seed: u64) -> [u8; N] {
    Rng::from_seed(Seed(seed).bytes()).array()
}

/// Nothing was found; else who left it.
#[track_caller]
fn clean(found: &[Freed]) {
    let mut report = String::new();
    for Freed { secret, size, by } in found {
        let ours: Vec<_> = by
            .lines()
            .filter(|line| !line.trim_start().starts_with("at "))
            .filter(|line| line.contains("mtproto") || line.contains("secrets::"))
            .take(12)
            .collect();
        let _ = writeln!(report, "{secret} in {size} bytes:\n{}", ours.join("\n"));
    }
    assert!(found.is_empty(), "{report}");
}

#[test]
fn s1_what_is_left_in_freed_memory_is_seen() {
    let secret = bytes::<256>(1);
    let half = &secret[100..108];
    let ((), found) = freed_with(&[("it", &secret)], || drop(half.to_vec()));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].secret, found[0].size), ("it", 8));

    // Numbers begin with their low end, and growing leaves the old block behind.
    let backwards: Vec<u8> = secret.iter().rev().copied().collect();
    let (grown, found) = freed_with(&[("it", &secret)], || {
        let mut grows = Vec::with_capacity(64);
        grows.extend_from_slice(&backwards[..64]);
        grows.reserve(1_000);
        grows
    });
    assert_eq!(found.len(), 1, "{}", grown.len());

    let ((), found) = freed_with(&[("it", &secret)], || drop(vec![7_u8; 10_000]));
    clean(&found);
    let (key, found) = freed_with(&[("it", &secret)], || AuthKey::from_bytes(&secret));
    clean(&found);
    drop(key);
}

#[test]
fn s1_a_handshake_leaves_none_of_its_secrets_behind_on_either_side() {
    let script = Script::new(SEED);
    let secrets = script.secrets();
    let (made, found) = freed_with(&secrets.all(), || script.converse(|_| {}));
    assert_eq!(made.client.key, script.key());
    clean(&found);
    let ((), found) = freed_with(&secrets.all(), || drop(made));
    clean(&found);
}

/// Both keys of a conversation with perfect forward secrecy; it is resumed on a second stream, and
/// everything is dropped at the end.
fn conversation(keys: &mut Vec<AuthKey>) {
    let mut client = client_config();
    client.pfs = Some(std::time::Duration::from_secs(86_400));
    let mut server = server_config();
    server.journal = true;
    let mut both = Both::new(client, server, 2_102);
    let id = both.call(b"a call to be answered...");
    both.end_of(id, std::time::Duration::from_secs(20));
    for event in both.take_events() {
        if let ClientEvent::KeyCreated(state) = event {
            let bytes = state.to_bytes();
            assert_eq!(KeyState::from_bytes(&bytes).unwrap(), state);
            keys.push(AuthKey::from_bytes(state.auth_key()));
        }
    }
    keys.append(&mut both.made);
    let mut both = both.reconnect();
    let id = both.call(b"and one more on it......");
    both.end_of(id, std::time::Duration::from_secs(20));
}

#[test]
fn s1_a_conversation_leaves_no_key_behind_on_either_side() {
    // The first run tells the keys that the second one makes again.
    let mut known = Vec::new();
    conversation(&mut known);
    assert!(known.len() >= 3, "{known:?}");
    let secrets: Vec<(&str, &[u8])> = known
        .iter()
        .map(|key| ("a key", key.as_bytes().as_slice()))
        .collect();
    let mut again = Vec::with_capacity(16);
    let ((), found) = freed_with(&secrets, || conversation(&mut again));
    assert_eq!(again, known);
    clean(&found);
}

#[test]
fn s1_passwords_tokens_and_what_is_made_of_them_leave_nothing_behind() {
    let password = "correct horse battery staple";
    let token = "7:AAtoken-of-a-bot";
    let code = "8302711946";
    let exponent = bytes::<256>(3);
    let seed = bytes::<32>(4);
    let group = Group::known(3).unwrap();
    let params = Params::new(b"the first salt", b"the second salt", group);
    let hash = params.hash(password.as_bytes());
    let secrets: [(&str, &[u8]); 6] = [
        ("the password", password.as_bytes()),
        ("its hash", hash.as_bytes()),
        ("the token", token.as_bytes()),
        ("the code", code.as_bytes()),
        ("the exponent", &exponent),
        ("the seed", &seed),
    ];
    // What the server would see of the right attempt.
    let b = bytes::<256>(5);
    let ((), found) = freed_with(&secrets, || {
        let secret = Box::new(Exponent::from_bytes(&exponent));
        let hash = Box::new(params.hash(password.as_bytes()));
        let mut srp_b = b;
        srp_b[0] = 0x40;
        params.prove(&hash, &srp_b, &secret).unwrap();
        drop(Box::new((*hash, *secret)));
        let app = || App::new(94, "an application's");
        drop(Box::new(BotSignIn::new(app(), token)));
        let needs = NeedsCode::resume(app(), "+9996621234", "a hash of a code");
        drop(Box::new(needs.submit(code)));
        let mut rng = Box::new(Rng::from_seed(seed));
        let _ = rng.array::<100>();
        drop(Box::new(*rng));
    });
    clean(&found);
}

#[test]
fn s1_generators_and_ciphers_leave_nothing_behind() {
    let seed = bytes::<32>(6);
    let mut twin = Rng::from_seed(seed);
    let _ = twin.array::<4>();
    // What comes next lies in the generator's buffer already.
    let next = twin.array::<60>();
    let key = bytes::<32>(7);
    let iv = bytes::<32>(8);
    let secrets: [(&str, &[u8]); 4] = [
        ("the seed", &seed),
        ("what comes next", &next),
        ("the key", &key),
        ("the vector", &iv),
    ];
    let ((), found) = freed_with(&secrets, || {
        let mut rng = Box::new(Rng::from_seed(seed));
        let _ = rng.array::<4>();
        drop(rng);
        let mut stream = Box::new(Ctr::new(&key, iv.first_chunk().unwrap()));
        stream.apply(&mut [0; 100]);
        drop(stream);
        drop(Box::new(AesKeyIv::new(&key, &iv)));
    });
    clean(&found);
}

#[test]
fn s1_private_keys_leave_nothing_behind() {
    let der = private_part();
    let ((), found) = freed_with(&[("the primes", &der)], || {
        let key = RsaPrivateKey::from_pem(PEM).unwrap();
        let again = RsaPrivateKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(again.public(), key.public());
        again.apply(&[1; 256]).unwrap();
    });
    clean(&found);
}

/// What a private key's file has beyond modulus and public exponent.
pub fn private_part() -> Vec<u8> {
    use base64ct::{Base64, Encoding};

    let text: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
    let der = Base64::decode_vec(&text).unwrap();
    let modulus = RsaPrivateKey::from_pem(PEM).unwrap().public().modulus();
    let at = der.windows(256).position(|window| window == modulus);
    // The exponent 65,537 follows with two bytes before it.
    der[at.unwrap() + 256 + 5..].to_vec()
}

#[test]
fn s1_what_is_stored_leaves_no_key_behind() {
    let secret = bytes::<256>(9);
    let state = KeyState::from_auth_key(secret, DcId(2));
    let folder = std::env::temp_dir().join(format!("mtproto-secrets-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let ((), found) = freed_with(&[("the key", &secret)], || {
        // One after the other, as a client stores them, and by an application that drops them.
        let change = || Snapshot::dc_change(&state, true);
        drop(change());
        let mut snapshot = Snapshot::new();
        snapshot.apply(change());
        snapshot.apply(change());
        let bytes = snapshot.to_bytes().unwrap();
        let again = Snapshot::from_bytes(&bytes).unwrap();
        assert_eq!(again.login().dc(DcId(2)).unwrap().0, state);
        let text = again.to_text().unwrap();
        assert_eq!(Snapshot::from_text(&text).unwrap(), snapshot);
        let record = change().to_record().unwrap();
        let (read, _) = Change::from_record(&record).unwrap().unwrap();
        drop(read);

        let portable = Portable::new(DcId(2), &secret);
        drop(portable);

        let mut memory = MemorySession::new();
        memory.apply(&[change()]).unwrap();
        drop(memory.load().unwrap());
        drop(memory);

        let file = KeyFile::open(folder.join("a.key")).unwrap();
        file.save(&state).unwrap();
        assert_eq!(file.load().unwrap().unwrap(), state);
        drop(file);
        let mut file = SessionFile::open(folder.join("a.session")).unwrap();
        file.apply(&[change()]).unwrap();
        file.apply(&[change(), change()]).unwrap();
        file.compact().unwrap();
        drop(file);
        let mut file = SessionFile::open(folder.join("a.session")).unwrap();
        assert_eq!(file.load().unwrap().dc(DcId(2)).unwrap().0, state);
        drop(file.to_text().unwrap());
    });
    fs::remove_dir_all(&folder).unwrap();
    clean(&found);
}
