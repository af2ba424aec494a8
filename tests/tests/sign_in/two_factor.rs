//! The settings of the 2FA password.

use std::time::Duration;

use mtproto_proto::client::sign_in::{ChangePassword, ConfirmEmail, PasswordChanged, SignInError};
use mtproto_schema::api::{enums, functions};

use crate::support::*;

/// The step goes through against the server.
#[track_caller]
fn change(account: &mut Account, step: ChangePassword) -> Result<PasswordChanged, SignInError> {
    use mtproto_proto::client::sign_in::{Next, Step};

    let _: functions::account::GetPassword = asked(&step);
    let Next::Ask(step) = step.handle(ok(&account.password()))? else {
        panic!("done");
    };
    let call: functions::account::UpdatePasswordSettings = asked(&step);
    match step.handle(account.update(&call))? {
        Next::Done(changed) => Ok(changed),
        Next::Ask(_) => panic!("another call"),
    }
}

/// Whether the server lets this password in.
fn is_let_in(account: &mut Account, password: &str) -> bool {
    let step = ChangePassword::set(password, password, "", &mut rng()).unwrap();
    let step = goes_on(step, ok(&account.password()));
    let call: functions::account::UpdatePasswordSettings = asked(&step);
    account.check(&call.password).is_ok()
}

#[test]
fn a_password_is_set_changed_and_removed() {
    let mut account = Account::new(None);
    let mut rng = rng();
    let set = ChangePassword::set("", "hunter2", "a hint", &mut rng).unwrap();
    assert_eq!(change(&mut account, set), Ok(PasswordChanged::Done));
    assert!(is_let_in(&mut account, "hunter2"));
    assert!(!is_let_in(&mut account, "hunter3"));

    let set = ChangePassword::set("hunter2", "hunter3", "", &mut rng).unwrap();
    assert_eq!(change(&mut account, set), Ok(PasswordChanged::Done));
    assert!(is_let_in(&mut account, "hunter3"));

    let wrong = ChangePassword::remove("hunter2", &mut rng);
    let error = change(&mut account, wrong).unwrap_err();
    assert_eq!(error, SignInError::CurrentPasswordInvalid);
    let remove = ChangePassword::remove("hunter3", &mut rng);
    assert_eq!(change(&mut account, remove), Ok(PasswordChanged::Done));
    assert_eq!(account.password().current_algo, None);
}

#[test]
fn what_is_sent_has_the_hint_and_the_address() {
    let step = ChangePassword::set("", "hunter2", "a hint", &mut rng())
        .unwrap()
        .recovery_email("grace@example.org");
    let step = goes_on(step, ok(&Account::new(None).password()));
    let call: functions::account::UpdatePasswordSettings = asked(&step);
    assert_eq!(
        call.password,
        enums::InputCheckPasswordSrp::InputCheckPasswordEmpty
    );
    assert_eq!(call.new_settings.new_algo.unwrap().hint, "a hint");
    assert_eq!(
        call.new_settings.email.as_deref(),
        Some("grace@example.org")
    );
    let changed = done(step, rpc(400, "EMAIL_UNCONFIRMED_6"));
    assert_eq!(changed, PasswordChanged::ConfirmEmail { length: 6 });
}

#[test]
fn an_address_is_confirmed_with_the_code_from_the_email() {
    let call: functions::account::ConfirmPasswordEmail = asked(&ConfirmEmail::new("12345"));
    assert_eq!(call.code, "12345");
    done(ConfirmEmail::new("12345"), ok(&true));
    let error = fails(ConfirmEmail::new("1"), rpc(400, "CODE_INVALID"));
    assert_eq!(error, SignInError::EmailCodeInvalid);
    let error = fails(ConfirmEmail::new("12345"), rpc(400, "EMAIL_HASH_EXPIRED"));
    assert_eq!(error, SignInError::EmailCodeExpired);
}

#[test]
fn a_password_that_is_not_given_is_noticed_before_it_is_sent() {
    let error = ChangePassword::set("", "", "", &mut rng()).unwrap_err();
    assert_eq!(error, SignInError::NewPasswordRefused);
    let step = ChangePassword::remove("", &mut rng());
    let error = fails(step, ok(&Account::new(Some("hunter2")).password()));
    assert_eq!(error, SignInError::CurrentPasswordInvalid);
}

#[test]
fn each_error_of_a_change_has_a_name() {
    let errors = [
        ("PASSWORD_HASH_INVALID", SignInError::CurrentPasswordInvalid),
        ("NEW_SETTINGS_INVALID", SignInError::NewPasswordRefused),
        ("NEW_SALT_INVALID", SignInError::NewPasswordRefused),
        ("EMAIL_INVALID", SignInError::EmailInvalid),
        (
            "PASSWORD_TOO_FRESH_86400",
            SignInError::TooFresh(Duration::from_secs(86_400)),
        ),
        (
            "SESSION_TOO_FRESH_60",
            SignInError::TooFresh(Duration::from_secs(60)),
        ),
    ];
    for (name, expected) in errors {
        let step = ChangePassword::set("", "hunter2", "", &mut rng()).unwrap();
        let step = goes_on(step, ok(&Account::new(None).password()));
        assert_eq!(fails(step, rpc(400, name)), expected);
    }
}

#[test]
fn stale_numbers_are_fetched_again_a_few_times() {
    let mut account = Account::new(None);
    let mut step = ChangePassword::set("", "hunter2", "", &mut rng()).unwrap();
    for _ in 0..3 {
        step = goes_on(step, ok(&account.password()));
        step = goes_on(step, rpc(400, "SRP_ID_INVALID"));
    }
    step = goes_on(step, ok(&account.password()));
    let error = fails(step, rpc(400, "SRP_ID_INVALID"));
    assert_eq!(error, SignInError::Call(call_error(400, "SRP_ID_INVALID")));
}

#[test]
fn an_unknown_algorithm_for_new_passwords_is_said() {
    let mut password = Account::new(None).password();
    password.new_algo = enums::PasswordKdfAlgo::Unknown;
    let step = ChangePassword::set("", "hunter2", "", &mut rng()).unwrap();
    assert_eq!(
        fails(step, ok(&password)),
        SignInError::UnknownPasswordAlgorithm
    );
    // Removing one needs none.
    goes_on(ChangePassword::remove("", &mut rng()), ok(&password));
}

#[test]
fn nothing_of_the_passwords_is_printed() {
    shows_nothing(&ChangePassword::set(
        "hunter2",
        "hunter22",
        "secret",
        &mut rng(),
    ));
    shows_nothing(&ConfirmEmail::new("12345"));
}
