//! The 2FA password and its recovery.

use mtproto_proto::client::sign_in::{
    CheckPassword, NeedsCode, NeedsPassword, NeedsRecoveryCode, Route, SignIn, SignInError, Step,
};
use mtproto_proto::crypto::dh::DhError;
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Bytes, Encode};

use crate::support::*;

const PASSWORD: &str = "hunter2 🔑";

/// After the code.
fn fetch(answer: Answer) -> Result<NeedsPassword, SignInError> {
    let needs = NeedsCode::resume(app(), PHONE, "hash");
    let step = goes_on(needs.submit("12345"), rpc(401, "SESSION_PASSWORD_NEEDED"));
    let _: functions::account::GetPassword = asked(&step);
    match step.handle(answer) {
        Ok(mtproto_proto::client::sign_in::Next::Done(SignIn::NeedsPassword(needs))) => Ok(needs),
        Err(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn needs(account: &mut Account) -> NeedsPassword {
    fetch(ok(&account.password())).unwrap()
}

/// The server's answer to the step's proof.
#[track_caller]
fn judged(account: &mut Account, step: &CheckPassword) -> Answer {
    let call: functions::auth::CheckPassword = asked(step);
    match account.check(&call.password) {
        Ok(()) => ok(&authorization()),
        Err(name) => rpc(400, name),
    }
}

#[test]
fn a_right_password_signs_in() {
    let mut account = Account::new(Some(PASSWORD));
    let needs = needs(&mut account);
    assert_eq!(needs.hint(), Some("a hint"));
    assert!(needs.has_recovery());
    assert_eq!(needs.pending_reset(), None);
    let step = needs.check(PASSWORD, &mut rng()).unwrap();
    let answer = judged(&mut account, &step);
    assert_eq!(done(step, answer).user.id, USER_ID);
}

#[test]
fn a_wrong_password_can_be_typed_again_with_new_numbers() {
    let mut account = Account::new(Some(PASSWORD));
    let step = needs(&mut account).check("hunter3", &mut rng()).unwrap();
    let answer = judged(&mut account, &step);
    let SignInError::PasswordInvalid { retry } = fails(step, answer) else {
        panic!("another error");
    };
    // The numbers are good for one attempt.
    let step = retry.check(PASSWORD, &mut rng()).unwrap();
    let _: functions::account::GetPassword = asked(&step);
    let step = goes_on(step, ok(&account.password()));
    let answer = judged(&mut account, &step);
    assert_eq!(done(step, answer).user.id, USER_ID);
}

#[test]
fn stale_numbers_are_fetched_again() {
    for stale in ["SRP_ID_INVALID", "SRP_PASSWORD_CHANGED"] {
        let mut account = Account::new(Some("another"));
        let step = needs(&mut account).check(PASSWORD, &mut rng()).unwrap();
        // Somebody changed the password meanwhile.
        let mut account = Account::new(Some(PASSWORD));
        let step = goes_on(step, rpc(400, stale));
        let _: functions::account::GetPassword = asked(&step);
        let step = goes_on(step, ok(&account.password()));
        let answer = judged(&mut account, &step);
        assert_eq!(done(step, answer).user.id, USER_ID);
    }
}

#[test]
fn numbers_that_stay_stale_end_the_attempt() {
    let mut account = Account::new(Some(PASSWORD));
    let mut step = needs(&mut account).check(PASSWORD, &mut rng()).unwrap();
    for _ in 0..3 {
        step = goes_on(step, rpc(400, "SRP_ID_INVALID"));
        step = goes_on(step, ok(&account.password()));
    }
    let error = fails(step, rpc(400, "SRP_ID_INVALID"));
    let SignInError::PasswordBusy { retry } = error else {
        panic!("{error:?}");
    };
    let step = retry.check(PASSWORD, &mut rng()).unwrap();
    let _: functions::account::GetPassword = asked(&step);
}

#[test]
fn an_account_without_password_needs_no_proof() {
    let mut account = Account::new(None);
    let needs = needs(&mut account);
    let step = needs.check("whatever", &mut rng()).unwrap();
    let call: functions::auth::CheckPassword = asked(&step);
    assert_eq!(
        call.password,
        enums::InputCheckPasswordSrp::InputCheckPasswordEmpty
    );
    let answer = judged(&mut account, &step);
    assert_eq!(done(step, answer).user.id, USER_ID);
}

#[test]
fn two_attempts_never_share_a_secret() {
    let mut account = Account::new(Some(PASSWORD));
    let needs = needs(&mut account);
    let mut rng = rng();
    let first: functions::auth::CheckPassword =
        asked(&needs.clone().check(PASSWORD, &mut rng).unwrap());
    let second: functions::auth::CheckPassword = asked(&needs.check(PASSWORD, &mut rng).unwrap());
    assert_ne!(first, second);
}

#[test]
fn an_unknown_algorithm_is_said() {
    let mut password = Account::new(Some(PASSWORD)).password();
    password.current_algo.as_mut().unwrap().current_algo = enums::PasswordKdfAlgo::Unknown;
    let error = fetch(ok(&password)).unwrap_err();
    assert_eq!(error, SignInError::UnknownPasswordAlgorithm);
    assert!(error.to_string().contains("update"), "{error}");

    // A constructor that is younger than this layer.
    let bytes = password.to_bytes();
    let unknown = 0xd45a_b096_u32.to_le_bytes();
    let at = bytes.windows(4).position(|it| it == unknown).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[at..at + 4].copy_from_slice(&0x1234_5678_u32.to_le_bytes());
    let error = fetch(Ok(bytes.into())).unwrap_err();
    assert_eq!(error, SignInError::UnknownPasswordAlgorithm);
}

#[test]
fn unsafe_numbers_are_refused_before_anything_is_proved() {
    fn numbers(
        password: &mut types::account::Password,
    ) -> &mut types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
        match &mut password.current_algo.as_mut().unwrap().current_algo {
            enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(it) => it,
            enums::PasswordKdfAlgo::Unknown => panic!("unknown"),
        }
    }
    type Change = fn(&mut types::account::Password);
    let cases: [(Change, DhError); 5] = [
        (|it| numbers(it).g = 2, DhError::Generator { got: 2 }),
        (
            |it| numbers(it).p = Bytes::from_static(&[0x17]),
            DhError::PrimeSize { got: 5 },
        ),
        (
            |it| {
                let mut even = numbers(it).p.to_vec();
                even[255] ^= 1;
                (numbers(it).p, numbers(it).g) = (even.into(), 4);
            },
            DhError::NotSafePrime,
        ),
        (
            |it| it.current_algo.as_mut().unwrap().srp_b = Bytes::new(),
            DhError::PublicValue,
        ),
        (
            |it| it.current_algo.as_mut().unwrap().srp_b = prime(),
            DhError::PublicValue,
        ),
    ];
    for (change, expected) in cases {
        let mut password = Account::new(Some(PASSWORD)).password();
        change(&mut password);
        let expected = SignInError::UnsafePassword(expected);
        let error = fetch(ok(&password)).unwrap().check(PASSWORD, &mut rng());
        assert_eq!(error.unwrap_err(), expected);

        // Also when they come in the middle of an attempt.
        let step = needs(&mut Account::new(Some(PASSWORD)))
            .check(PASSWORD, &mut rng())
            .unwrap();
        let step = goes_on(step, rpc(400, "SRP_ID_INVALID"));
        assert_eq!(fails(step, ok(&password)), expected);
    }
}

#[test]
fn too_many_attempts_are_said() {
    let mut account = Account::new(Some(PASSWORD));
    let step = needs(&mut account).check(PASSWORD, &mut rng()).unwrap();
    let error = fails(step, rpc(420, "FLOOD_WAIT_3600"));
    assert_eq!(error.to_string(), "too many attempts; try again in 3600 s");
}

fn recovery() -> NeedsRecoveryCode {
    let step = needs(&mut Account::new(Some(PASSWORD))).recover();
    let _: functions::auth::RequestPasswordRecovery = asked(&step);
    let sent = types::auth::PasswordRecovery {
        email_pattern: "g***@example.org".into(),
    };
    done(step, ok(&sent))
}

#[test]
fn a_forgotten_password_is_recovered_by_email() {
    let needs = recovery();
    assert_eq!(needs.email_pattern(), "g***@example.org");
    assert_eq!(needs.clone().back().hint(), Some("a hint"));
    let step = needs.submit("12345");
    let call: functions::auth::RecoverPassword = asked(&step);
    assert_eq!((&*call.code, call.new_settings), ("12345", None));
    assert_eq!(done(step, ok(&authorization())).user.id, USER_ID);
}

#[test]
fn each_error_of_recovery_has_a_name() {
    let password = Box::new(recovery().back());
    let error = fails(password.clone().recover(), rpc(400, "PASSWORD_RECOVERY_NA"));
    let retry = password.clone();
    assert_eq!(error, SignInError::RecoveryUnavailable { retry });

    let needs = recovery();
    let retry = Box::new(needs.clone());
    let error = fails(needs.clone().submit("1"), rpc(400, "CODE_INVALID"));
    assert_eq!(error, SignInError::RecoveryCodeInvalid { retry });
    let retry = Box::new(needs.clone().back());
    let error = fails(needs.submit("12345"), rpc(400, "PASSWORD_RECOVERY_EXPIRED"));
    assert_eq!(error, SignInError::RecoveryExpired { retry });
}

#[test]
fn the_password_is_checked_where_it_was_asked_for() {
    // `qr.rs` has the other DC; this is the main one.
    let needs = needs(&mut Account::new(Some(PASSWORD)));
    let step = needs.clone().check(PASSWORD, &mut rng()).unwrap();
    assert_eq!(step.ask().route, Route::Main);
    assert_eq!(needs.recover().ask().route, Route::Main);
}

#[test]
fn nothing_of_the_password_is_printed() {
    let needs = needs(&mut Account::new(Some(PASSWORD)));
    shows_nothing(&needs);
    shows_nothing(&needs.clone().check(PASSWORD, &mut rng()));
    shows_nothing(&needs.recover());
    shows_nothing(&recovery());
    shows_nothing(&recovery().submit("12345"));
}
