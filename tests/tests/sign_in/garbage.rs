//! Answers that are none: every step gives a typed error, none panics.

use mtproto_proto::Rng;
use mtproto_proto::client::sign_in::{
    AcceptLogin, BotSignIn, ChangePassword, ConfirmEmail, LogOut, NeedsCode, NeedsPassword, Next,
    QrLogin, RequestCode, SignIn, SignInError, Step,
};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Bytes, Encode};

use crate::support::*;

const SEED: u8 = 99;

fn needs_code() -> NeedsCode {
    NeedsCode::resume(app(), PHONE, "hash")
}

fn needs_password() -> NeedsPassword {
    let step = goes_on(
        needs_code().submit("1"),
        rpc(401, "SESSION_PASSWORD_NEEDED"),
    );
    match done(step, ok(&Account::new(Some("hunter2")).password())) {
        SignIn::NeedsPassword(needs) => needs,
        other => panic!("{other:?}"),
    }
}

/// The answers that some step takes.
fn answers() -> Vec<Bytes> {
    let sent = enums::auth::SentCode::SentCode(Box::new(types::auth::SentCode {
        r#type: enums::auth::SentCodeType::App(types::auth::SentCodeTypeApp { length: 5 }),
        phone_code_hash: "hash".into(),
        next_type: None,
        timeout: None,
    }));
    let token = enums::auth::LoginToken::MigrateTo(types::auth::LoginTokenMigrateTo {
        dc_id: 4,
        token: Bytes::from_static(b"token"),
    });
    vec![
        sent.to_bytes(),
        authorization().to_bytes(),
        of_nobody().to_bytes(),
        token.to_bytes(),
        Account::new(Some("hunter2")).password().to_bytes(),
        types::auth::LoggedOut {
            future_auth_token: None,
        }
        .to_bytes(),
        true.to_bytes(),
    ]
}

/// Feeds the step, and whatever it becomes, with the answer; twice at most.
#[track_caller]
fn survives<S: Step>(step: S, answer: &Bytes) {
    let mut step = step;
    for _ in 0..2 {
        match step.handle(Ok(answer.clone())) {
            Ok(Next::Ask(next)) => step = next,
            Ok(Next::Done(_)) => return,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert!(!matches!(error, SignInError::Call(_)), "{error:?}");
                return;
            }
        }
        let _ = step.ask();
    }
}

/// Every step, in every state that a call waits in. The expensive ones not always.
fn everywhere(answer: &Bytes, with_passwords: bool) {
    let needed = || rpc(401, "SESSION_PASSWORD_NEEDED");
    survives(RequestCode::new(app(), PHONE), answer);
    survives(goes_on(RequestCode::new(app(), PHONE), needed()), answer);
    survives(needs_code().submit("1"), answer);
    survives(goes_on(needs_code().submit("1"), needed()), answer);
    survives(needs_code().resend(), answer);
    survives(needs_code().cancel(), answer);
    survives(BotSignIn::new(app(), "token"), answer);
    survives(LogOut::new(), answer);
    survives(QrLogin::new(app(), vec![]), answer);
    survives(goes_on(QrLogin::new(app(), vec![]), needed()), answer);
    survives(AcceptLogin::new(&b"token"[..]), answer);
    survives(ConfirmEmail::new("1"), answer);
    if with_passwords {
        let needs = needs_password();
        survives(needs.clone().recover(), answer);
        survives(needs.check("hunter2", &mut rng()).unwrap(), answer);
        survives(ChangePassword::remove("hunter2", &mut rng()), answer);
    }
}

#[test]
fn an_answer_of_another_call_is_refused_or_makes_sense() {
    for answer in answers() {
        everywhere(&answer, true);
    }
}

#[test]
fn an_answer_that_is_cut_off_or_goes_on_is_refused() {
    for answer in answers() {
        for cut in 0..answer.len() {
            everywhere(&answer.slice(..cut), false);
        }
        let longer: Bytes = [&answer[..], &[0; 4]].concat().into();
        everywhere(&longer, true);
    }
}

#[test]
fn an_answer_with_a_wrong_bit_is_survived() {
    let mut rng = Rng::from_seed([SEED; 32]);
    for answer in answers() {
        for _ in 0..60 {
            let at = usize::from(u16::from_le_bytes(rng.array())) % (answer.len() * 8);
            let mut changed = answer.to_vec();
            changed[at / 8] ^= 1 << (at % 8);
            everywhere(&changed.into(), false);
        }
    }
}

#[test]
fn noise_is_survived() {
    let mut rng = Rng::from_seed([SEED; 32]);
    for _ in 0..2_000 {
        let noise: [u8; 64] = rng.array();
        let len = usize::from(noise[0]) % 64;
        everywhere(&Bytes::copy_from_slice(&noise[..len]), false);
    }
    everywhere(&Bytes::new(), true);
}

#[test]
fn an_answer_for_nobody_is_no_login() {
    let answer = ok(&of_nobody());
    let error = fails(needs_code().submit("1"), answer);
    let method = "auth.signIn";
    assert_eq!(error, SignInError::BadAnswer { method });
}

#[test]
fn steps_are_send_and_static() {
    fn holds<S: Send + 'static>() {}
    holds::<RequestCode>();
    holds::<NeedsCode>();
    holds::<NeedsPassword>();
    holds::<QrLogin>();
    holds::<ChangePassword>();
    holds::<SignIn>();
    holds::<SignInError>();
}
