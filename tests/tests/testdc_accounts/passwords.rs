//! The second step, and setting it up.

use bytes::Bytes;
use mtproto_proto::Rng;
use mtproto_proto::crypto::dh::{Exponent, Group};
use mtproto_proto::crypto::srp::Params;
use mtproto_schema::api::enums::{InputCheckPasswordSrp, PasswordKdfAlgo};
use mtproto_schema::api::functions::account::{
    GetPassword, GetPasswordSettings, UpdatePasswordSettings,
};
use mtproto_schema::api::functions::auth::{CheckPassword, RequestPasswordRecovery};
use mtproto_schema::api::types;
use mtproto_test::TestDc;

use super::support::{ANN, UNREGISTERED, ann, client, try_sign_in, user, who_am_i, world};
use crate::by_hand::Client;

const NEEDED: &str = "401 SESSION_PASSWORD_NEEDED";
const WRONG: &str = "400 PASSWORD_HASH_INVALID";

fn with_password() -> TestDc {
    world(|config| {
        config.accounts[0].password = Some("pässword".into());
        config.accounts[0].hint = Some("umlaut".into());
    })
}

fn rng() -> Rng {
    Rng::from_seed([3; 32])
}

fn params(algo: &PasswordKdfAlgo) -> Params {
    let PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algo) = algo else {
        panic!("an algorithm that nobody knows");
    };
    Params::check(&algo.salt1, &algo.salt2, algo.g, &algo.p, &[], &mut rng()).unwrap()
}

/// What a client sends instead of the password.
fn prove(password: &types::account::Password, said: &str) -> InputCheckPasswordSrp {
    let current = password.current_algo.as_ref().unwrap();
    let params = params(&current.current_algo);
    let hash = params.hash(said.as_bytes());
    let proof = params
        .prove(&hash, &current.srp_b, &Exponent::random(&mut rng()))
        .unwrap();
    InputCheckPasswordSrp::InputCheckPasswordSrp(Box::new(types::InputCheckPasswordSrp {
        srp_id: current.srp_id,
        a: Bytes::copy_from_slice(&proof.a),
        m1: Bytes::copy_from_slice(&proof.m1),
    }))
}

/// Asks for the challenge and answers it.
fn proof(client: &mut Client, said: &str) -> InputCheckPasswordSrp {
    let password = client.call(&GetPassword).unwrap();
    match password.current_algo {
        Some(_) => prove(&password, said),
        None => InputCheckPasswordSrp::InputCheckPasswordEmpty,
    }
}

fn check(client: &mut Client, said: &str) -> Result<i64, String> {
    let password = proof(client, said);
    client
        .call(&CheckPassword { password })
        .map(|authorization| user(authorization).id)
}

#[test]
fn a_password_is_asked_for_after_the_code() {
    let dc = with_password();
    let mut client = client(&dc, 1);
    assert_eq!(
        client.call(&GetPassword).err().unwrap(),
        UNREGISTERED,
        "nobody's"
    );
    assert_eq!(try_sign_in(&mut client, ANN, "22222").unwrap_err(), NEEDED);
    assert_eq!(who_am_i(&mut client).unwrap_err(), NEEDED, "not yet");
    let password = client.call(&GetPassword).unwrap();
    assert_eq!(password.hint.as_deref(), Some("umlaut"));
    assert_eq!(check(&mut client, "pässword"), Ok(11));
    assert_eq!(who_am_i(&mut client), Ok(11));
}

#[test]
fn wrong_proofs_are_refused_by_name_and_the_right_one_still_helps() {
    let dc = with_password();
    let mut client = client(&dc, 1);
    try_sign_in(&mut client, ANN, "22222").unwrap_err();
    for wrong in ["", "password", "pässword "] {
        assert_eq!(check(&mut client, wrong).unwrap_err(), WRONG, "{wrong}");
    }
    let empty = CheckPassword {
        password: InputCheckPasswordSrp::InputCheckPasswordEmpty,
    };
    assert_eq!(client.call(&empty).unwrap_err(), WRONG);

    let password = proof(&mut client, "wrong");
    let query = CheckPassword { password };
    assert_eq!(client.call(&query).unwrap_err(), WRONG);
    assert_eq!(
        client.call(&query).unwrap_err(),
        "400 SRP_ID_INVALID",
        "one attempt for each challenge"
    );
    let old = proof(&mut client, "pässword");
    let _new = client.call(&GetPassword).unwrap();
    assert_eq!(
        client.call(&CheckPassword { password: old }).unwrap_err(),
        "400 SRP_ID_INVALID",
        "of an older challenge"
    );
    let InputCheckPasswordSrp::InputCheckPasswordSrp(mut zero) = proof(&mut client, "pässword")
    else {
        panic!("there is a password");
    };
    zero.a = Bytes::from(vec![0; 256]);
    let password = InputCheckPasswordSrp::InputCheckPasswordSrp(zero);
    assert_eq!(client.call(&CheckPassword { password }).unwrap_err(), WRONG);
    assert_eq!(check(&mut client, "pässword"), Ok(11));
}

#[test]
fn the_key_of_another_account_does_not_take_the_proof() {
    let dc = with_password();
    let mut one = client(&dc, 1);
    try_sign_in(&mut one, ANN, "22222").unwrap_err();
    let mut two = client(&dc, 2);
    let password = proof(&mut one, "pässword");
    assert_eq!(
        two.call(&CheckPassword { password }).unwrap_err(),
        UNREGISTERED,
        "without the first step"
    );
    assert_eq!(
        one.call(&RequestPasswordRecovery).unwrap_err(),
        "400 PASSWORD_RECOVERY_NA"
    );
}

fn settings(
    algo: PasswordKdfAlgo,
    verifier: &[u8],
    email: Option<&str>,
) -> types::account::PasswordInputSettings {
    types::account::PasswordInputSettings {
        new_algo: Some(Box::new(
            types::account::PasswordInputSettingsNewAlgoGroup {
                new_algo: algo,
                new_password_hash: Bytes::copy_from_slice(verifier),
                hint: "new".into(),
            },
        )),
        email: email.map(Into::into),
        new_secure_settings: None,
    }
}

/// Settings with a new password, made as clients make them.
fn new_password(
    password: types::account::Password,
    said: &str,
) -> types::account::PasswordInputSettings {
    let PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(mut algo) =
        password.new_algo
    else {
        panic!("an algorithm that nobody knows");
    };
    algo.salt1 = [&algo.salt1[..], &[9; 32]].concat().into();
    let params = Params::new(&algo.salt1, &algo.salt2, Group::known(algo.g).unwrap());
    let verifier = params.verifier(&params.hash(said.as_bytes()));
    let algo = PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algo);
    settings(algo, &verifier, None)
}

#[test]
fn a_password_is_set_changed_and_removed() {
    let dc = world(|_| {});
    let mut first = ann(&dc, 1);
    let mut change = |old: &str, new: &str| {
        let password = proof(&mut first, old);
        let known = first.call(&GetPassword).unwrap();
        // Asked for after the proof was made: the challenge is another one then.
        let password = match password {
            InputCheckPasswordSrp::InputCheckPasswordEmpty => password,
            InputCheckPasswordSrp::InputCheckPasswordSrp(_) => prove(&known, old),
        };
        let new_settings = new_password(known, new);
        first.call(&UpdatePasswordSettings {
            password,
            new_settings,
        })
    };
    assert_eq!(change("", "one"), Ok(true));
    assert_eq!(change("wrong", "two").unwrap_err(), WRONG);
    assert_eq!(change("one", "two"), Ok(true));

    let mut second = client(&dc, 2);
    assert_eq!(try_sign_in(&mut second, ANN, "22222").unwrap_err(), NEEDED);
    assert_eq!(
        second.call(&GetPassword).unwrap().hint.as_deref(),
        Some("new")
    );
    assert_eq!(check(&mut second, "one").unwrap_err(), WRONG);
    assert_eq!(check(&mut second, "two"), Ok(11));

    let password = proof(&mut second, "two");
    let answer = second.call(&GetPasswordSettings { password }).unwrap();
    assert_eq!(answer.email, None);
    let password = proof(&mut second, "two");
    let removed = UpdatePasswordSettings {
        password,
        new_settings: settings(PasswordKdfAlgo::Unknown, &[], None),
    };
    assert_eq!(second.call(&removed), Ok(true));
    let known = second.call(&GetPassword).unwrap();
    assert!(!known.has_recovery && known.current_algo.is_none());
    let mut third = client(&dc, 3);
    assert!(try_sign_in(&mut third, ANN, "22222").is_ok());
}

#[test]
fn new_passwords_that_no_client_makes_are_refused_by_name() {
    let dc = world(|_| {});
    let mut client = ann(&dc, 1);
    let mut refused = |change: &dyn Fn(&mut types::account::PasswordInputSettings)| {
        let known = client.call(&GetPassword).unwrap();
        let mut new_settings = new_password(known, "one");
        change(&mut new_settings);
        let query = UpdatePasswordSettings {
            password: InputCheckPasswordSrp::InputCheckPasswordEmpty,
            new_settings,
        };
        client.call(&query).unwrap_err()
    };
    fn algo(
        settings: &mut types::account::PasswordInputSettings,
    ) -> &mut types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
        match &mut settings.new_algo.as_mut().unwrap().new_algo {
            PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algo) => algo,
            PasswordKdfAlgo::Unknown => panic!("an algorithm that nobody knows"),
        }
    }
    let salt = "400 NEW_SALT_INVALID";
    assert_eq!(
        refused(&|s| algo(s).salt1 = algo(s).salt1.slice(..8)),
        salt,
        "without the client's own part"
    );
    assert_eq!(refused(&|s| algo(s).salt1 = vec![0; 40].into()), salt);
    assert_eq!(refused(&|s| algo(s).salt2 = Bytes::new()), salt);
    assert_eq!(refused(&|s| algo(s).g = 2), salt);
    assert_eq!(refused(&|s| algo(s).p = vec![255; 256].into()), salt);
    let new = "400 NEW_SETTINGS_INVALID";
    let hash = |bytes: Vec<u8>| {
        move |s: &mut types::account::PasswordInputSettings| {
            s.new_algo.as_mut().unwrap().new_password_hash = bytes.clone().into();
        }
    };
    for bytes in [vec![1; 255], vec![0; 256], vec![255; 256]] {
        assert_eq!(refused(&hash(bytes)), new);
    }
    assert_eq!(
        refused(&|s| s.new_algo.as_mut().unwrap().new_algo = PasswordKdfAlgo::Unknown),
        new
    );
}

#[test]
fn no_recovery_mail_is_taken() {
    let dc = world(|_| {});
    let mut client = ann(&dc, 1);
    let query = UpdatePasswordSettings {
        password: InputCheckPasswordSrp::InputCheckPasswordEmpty,
        new_settings: settings(PasswordKdfAlgo::Unknown, &[], Some("ann@example.org")),
    };
    assert_eq!(client.call(&query).unwrap_err(), "400 EMAIL_INVALID");
}

/// Says the password after a first step.
pub fn say_password(client: &mut Client, said: &str) {
    assert_eq!(check(client, said), Ok(11));
}
