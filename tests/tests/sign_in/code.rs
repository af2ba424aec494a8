//! Codes and sign-up.

use std::time::Duration;

use mtproto_proto::client::sign_in::{
    Delivery, MAX_LOGOUT_TOKENS, NeedsCode, NeedsSignUp, NextDelivery, RequestCode, SignIn,
    SignInError, Step,
};
use mtproto_proto::client::{CallError, SignedOut};
use mtproto_proto::{DcId, Fate, RequestError};
use mtproto_schema::Bytes;
use mtproto_schema::api::enums::auth::{CodeType, SentCode, SentCodeType};
use mtproto_schema::api::{enums, functions, types};

use crate::support::*;

fn sent(kind: SentCodeType) -> SentCode {
    SentCode::SentCode(Box::new(types::auth::SentCode {
        r#type: kind,
        phone_code_hash: "hash of the code".into(),
        next_type: Some(CodeType::Call),
        timeout: Some(60),
    }))
}

fn app_code() -> SentCode {
    sent(SentCodeType::App(types::auth::SentCodeTypeApp {
        length: 5,
    }))
}

fn request() -> RequestCode {
    RequestCode::new(app(), PHONE)
}

fn needs(state: SignIn) -> NeedsCode {
    match state {
        SignIn::NeedsCode(needs) => needs,
        other => panic!("{other:?}"),
    }
}

fn needs_code() -> NeedsCode {
    needs(done(request(), ok(&app_code())))
}

fn needs_sign_up() -> NeedsSignUp {
    let answer =
        enums::auth::Authorization::SignUpRequired(types::auth::AuthorizationSignUpRequired {
            terms_of_service: Some(Box::new(types::help::TermsOfService {
                popup: true,
                id: types::DataJson {
                    data: "{\"v\":1}".into(),
                },
                text: "the terms".into(),
                entities: vec![],
                min_age_confirm: Some(16),
            })),
        });
    match done(needs_code().submit("12345"), ok(&answer)) {
        SignIn::NeedsSignUp(needs) => needs,
        other => panic!("{other:?}"),
    }
}

fn user_id(state: SignIn) -> i64 {
    match state {
        SignIn::Done(signed_in) => signed_in.user.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_code_is_requested_typed_and_signs_in() {
    let step = request();
    let call: functions::auth::SendCode = asked(&step);
    assert_eq!(call.phone_number, PHONE);
    assert_eq!(
        (call.api_id, &*call.api_hash),
        (94, "secret of the application")
    );
    assert_eq!(call.settings.logout_tokens, None);

    let needs = needs(done(step, ok(&app_code())));
    assert_eq!(needs.delivery(), &Delivery::App { length: 5 });
    assert_eq!(needs.next_delivery(), Some(NextDelivery::Call));
    assert_eq!(needs.resend_after(), Some(Duration::from_secs(60)));
    assert_eq!(needs.phone(), PHONE);

    let step = needs.submit("12345");
    let call: functions::auth::SignIn = asked(&step);
    assert_eq!(call.phone_number, PHONE);
    assert_eq!(call.phone_code_hash, "hash of the code");
    assert_eq!(call.phone_code.as_deref(), Some("12345"));
    assert_eq!(call.email_verification, None);

    let SignIn::Done(signed_in) = done(step, ok(&authorization())) else {
        panic!("not signed in");
    };
    assert_eq!(signed_in.user.id, USER_ID);
    assert_eq!(
        signed_in.future_auth_token.as_deref(),
        Some(&b"token of a login"[..])
    );
    assert_eq!(
        signed_in.sign_in_again_after,
        Some(Duration::from_secs(7 * 86_400))
    );
}

#[test]
fn every_way_of_delivery_is_told() {
    let kinds = [
        (
            SentCodeType::Sms(types::auth::SentCodeTypeSms { length: 6 }),
            Delivery::Sms { length: 6 },
        ),
        (
            SentCodeType::Call(types::auth::SentCodeTypeCall { length: -1 }),
            Delivery::Call { length: 0 },
        ),
        (
            SentCodeType::FlashCall(types::auth::SentCodeTypeFlashCall {
                pattern: "+44*".into(),
            }),
            Delivery::FlashCall {
                pattern: "+44*".into(),
            },
        ),
        (
            SentCodeType::MissedCall(types::auth::SentCodeTypeMissedCall {
                prefix: "+44".into(),
                length: 4,
            }),
            Delivery::MissedCall {
                prefix: "+44".into(),
                length: 4,
            },
        ),
        (
            SentCodeType::FragmentSms(types::auth::SentCodeTypeFragmentSms {
                url: "https://fragment.com/x".into(),
                length: 5,
            }),
            Delivery::Fragment {
                url: "https://fragment.com/x".into(),
                length: 5,
            },
        ),
        (
            SentCodeType::FirebaseSms(types::auth::SentCodeTypeFirebaseSms {
                nonce: None,
                play_integrity_project_id: None,
                receipt: None,
                length: 5,
            }),
            Delivery::Firebase { length: 5 },
        ),
        (
            SentCodeType::SmsWord(types::auth::SentCodeTypeSmsWord {
                beginning: Some("ab".into()),
            }),
            Delivery::SmsWord {
                beginning: Some("ab".into()),
            },
        ),
        (
            SentCodeType::SmsPhrase(types::auth::SentCodeTypeSmsPhrase { beginning: None }),
            Delivery::SmsPhrase { beginning: None },
        ),
    ];
    for (kind, expected) in kinds {
        let needs = needs(done(request(), ok(&sent(kind))));
        assert_eq!(needs.delivery(), &expected);
        let call: functions::auth::SignIn = asked(&needs.submit("12345"));
        assert_eq!(call.phone_code.as_deref(), Some("12345"), "{expected:?}");
    }
}

#[test]
fn a_code_from_an_email_goes_back_as_such() {
    let kind = SentCodeType::EmailCode(types::auth::SentCodeTypeEmailCode {
        apple_signin_allowed: false,
        google_signin_allowed: false,
        email_pattern: "g***@example.org".into(),
        length: 6,
        reset_available_period: None,
        reset_pending_date: None,
    });
    let needs = needs(done(request(), ok(&sent(kind))));
    let step = needs.submit("123456");
    let call: functions::auth::SignIn = asked(&step);
    assert_eq!(call.phone_code, None);
    let expected = enums::EmailVerification::Code(types::EmailVerificationCode {
        code: "123456".into(),
    });
    assert_eq!(call.email_verification, Some(Box::new(expected)));
    let error = fails(step, rpc(400, "EMAIL_CODE_INVALID"));
    assert!(
        matches!(error, SignInError::CodeInvalid { .. }),
        "{error:?}"
    );
}

#[test]
fn an_email_address_that_is_missing_is_said() {
    let kind = SentCodeType::SetUpEmailRequired(types::auth::SentCodeTypeSetUpEmailRequired {
        apple_signin_allowed: false,
        google_signin_allowed: false,
    });
    let error = fails(request(), ok(&sent(kind)));
    assert_eq!(error, SignInError::EmailSetupRequired);
}

#[test]
fn a_payment_that_is_required_is_said() {
    let answer = SentCode::PaymentRequired(Box::new(types::auth::SentCodePaymentRequired {
        store_product: "product".into(),
        phone_code_hash: "hash".into(),
        support_email_address: "help@example.org".into(),
        support_email_subject: "please".into(),
        premium_days: 7,
        currency: "EUR".into(),
        amount: 199,
    }));
    let error = fails(request(), ok(&answer));
    assert!(error.to_string().contains("help@example.org"), "{error}");
    let SignInError::PaymentRequired(payment) = error else {
        panic!("{error:?}");
    };
    assert_eq!((payment.amount, &*payment.currency), (199, "EUR"));
    assert_eq!(
        (&*payment.store_product, &*payment.support_subject),
        ("product", "please")
    );
}

#[test]
fn a_token_of_a_former_login_signs_in_without_a_code() {
    let tokens = (0..30u8).map(|it| Bytes::from(vec![it; 4]));
    let step = request().logout_tokens(tokens);
    let call: functions::auth::SendCode = asked(&step);
    let tokens = call.settings.logout_tokens.unwrap();
    assert_eq!(tokens.len(), MAX_LOGOUT_TOKENS);
    assert_eq!(
        (&tokens[0][..], &tokens[19][..]),
        (&[10; 4][..], &[29; 4][..])
    );

    let success = SentCode::Success(Box::new(types::auth::SentCodeSuccess {
        authorization: authorization(),
    }));
    assert_eq!(user_id(done(step.clone(), ok(&success))), USER_ID);

    // With a password that is asked for all the same.
    let step = goes_on(step, rpc(401, "SESSION_PASSWORD_NEEDED"));
    let _: functions::account::GetPassword = asked(&step);
    let password = Account::new(Some("hunter2")).password();
    assert!(matches!(
        done(step, ok(&password)),
        SignIn::NeedsPassword(_)
    ));
}

#[test]
fn a_code_is_sent_again_another_way() {
    let step = needs_code().resend();
    let call: functions::auth::ResendCode = asked(&step);
    assert_eq!(
        (&*call.phone_number, &*call.phone_code_hash),
        (PHONE, "hash of the code")
    );
    let kind = SentCodeType::Call(types::auth::SentCodeTypeCall { length: 5 });
    let needs = needs(done(step, ok(&sent(kind))));
    assert_eq!(needs.delivery(), &Delivery::Call { length: 5 });

    let error = fails(needs.clone().resend(), rpc(406, "SEND_CODE_UNAVAILABLE"));
    let retry = Box::new(needs);
    assert_eq!(error, SignInError::ResendUnavailable { retry });
}

#[test]
fn a_code_is_cancelled() {
    let step = needs_code().cancel();
    let call: functions::auth::CancelCode = asked(&step);
    assert_eq!(
        (&*call.phone_number, &*call.phone_code_hash),
        (PHONE, "hash of the code")
    );
    done(step, ok(&true));
    done(needs_code().cancel(), rpc(400, "PHONE_CODE_EXPIRED"));
    let error = fails(needs_code().cancel(), rpc(400, "PHONE_NUMBER_INVALID"));
    assert_eq!(error, SignInError::PhoneNumberInvalid);
}

#[test]
fn another_process_goes_on_with_the_code() {
    let needs = needs_code();
    let resumed = NeedsCode::resume(app(), needs.phone(), needs.phone_code_hash());
    assert_eq!(resumed.delivery(), &Delivery::Unknown);
    let call: functions::auth::SignIn = asked(&resumed.submit("12345"));
    assert_eq!(call, asked(&needs.submit("12345")));
}

#[test]
fn a_wrong_code_can_be_typed_again() {
    let needs = needs_code();
    let retry = Box::new(needs.clone());
    let error = fails(needs.clone().submit("1"), rpc(400, "PHONE_CODE_INVALID"));
    assert_eq!(
        error,
        SignInError::CodeInvalid {
            retry: retry.clone()
        }
    );
    let error = fails(needs.submit(""), rpc(400, "PHONE_CODE_EMPTY"));
    assert_eq!(
        error,
        SignInError::CodeEmpty {
            retry: retry.clone()
        }
    );
    assert_eq!(
        user_id(done(retry.submit("12345"), ok(&authorization()))),
        USER_ID
    );
}

#[test]
fn an_expired_code_is_requested_again() {
    let retry = Box::new(request());
    let error = fails(needs_code().submit("12345"), rpc(400, "PHONE_CODE_EXPIRED"));
    assert_eq!(
        error,
        SignInError::CodeExpired {
            retry: retry.clone()
        }
    );
    let error = fails(needs_code().resend(), rpc(400, "PHONE_CODE_EXPIRED"));
    assert_eq!(
        error,
        SignInError::CodeExpired {
            retry: retry.clone()
        }
    );
    for restart in ["AUTH_RESTART", "AUTH_RESTART_2"] {
        let error = fails(needs_code().submit("12345"), rpc(500, restart));
        assert_eq!(
            error,
            SignInError::Restart {
                retry: retry.clone()
            }
        );
        let error = fails(request(), rpc(500, restart));
        assert_eq!(
            error,
            SignInError::Restart {
                retry: retry.clone()
            }
        );
    }
}

#[test]
fn each_error_about_the_number_or_the_application_has_a_name() {
    let errors = [
        (400, "API_ID_INVALID", SignInError::ApiIdInvalid),
        (400, "API_ID_PUBLISHED_FLOOD", SignInError::ApiIdPublished),
        (406, "UPDATE_APP_TO_LOGIN", SignInError::UpdateApp),
        (400, "PHONE_NUMBER_INVALID", SignInError::PhoneNumberInvalid),
        (406, "PHONE_NUMBER_INVALID", SignInError::PhoneNumberInvalid),
        (400, "PHONE_NUMBER_BANNED", SignInError::PhoneNumberBanned),
        (400, "PHONE_NUMBER_FLOOD", SignInError::PhoneNumberFlood),
        (406, "PHONE_PASSWORD_FLOOD", SignInError::PhonePasswordFlood),
        (400, "SMS_CODE_CREATE_FAILED", SignInError::CodeNotSent),
        (
            406,
            "PHONE_NUMBER_APP_SIGNUP_FORBIDDEN",
            SignInError::SignUpForbidden,
        ),
        (
            420,
            "FLOOD_WAIT_17",
            SignInError::FloodWait(Duration::from_secs(17)),
        ),
        (
            420,
            "FLOOD_WAIT_0",
            SignInError::FloodWait(Duration::from_secs(1)),
        ),
        (
            420,
            "FLOOD_TEST_PHONE_WAIT_9",
            SignInError::FloodWait(Duration::from_secs(9)),
        ),
    ];
    for (code, name, expected) in errors {
        assert_eq!(fails(request(), rpc(code, name)), expected);
        assert_eq!(
            fails(needs_code().submit("12345"), rpc(code, name)),
            expected
        );
        assert_eq!(fails(needs_code().resend(), rpc(code, name)), expected);
    }
}

fn signed_out(reason: SignedOut) -> CallError {
    CallError::SignedOut {
        reason,
        fate: Fate::MaybeExecuted,
    }
}

#[test]
fn what_has_no_name_here_comes_as_it_is() {
    let calls = [
        call_error(400, "SOMETHING_NEW"),
        call_error(400, "FLOOD_WAIT_5"),
        call_error(420, "FLOOD_WAIT_X"),
        call_error(420, ""),
        CallError::Request(RequestError::TimedOut(Fate::MaybeExecuted)),
        CallError::Request(RequestError::Cancelled(Fate::NotSent)),
        CallError::Request(RequestError::Lost(Fate::NotReceived)),
        CallError::Request(RequestError::BadAnswer),
        signed_out(SignedOut::Revoked),
        signed_out(SignedOut::Banned),
        CallError::UnknownDc {
            dc: DcId(9),
            fate: Fate::NotSent,
        },
    ];
    for call in calls {
        let expected = SignInError::Call(call.clone());
        assert_eq!(fails(request(), Err(call.clone())), expected);
        assert_eq!(fails(needs_code().submit("12345"), Err(call)), expected);
    }
}

#[test]
fn a_number_without_account_is_signed_up() {
    let needs = needs_sign_up();
    let terms = needs.terms().unwrap();
    assert_eq!((&*terms.id, &*terms.text), ("{\"v\":1}", "the terms"));
    assert_eq!((terms.popup, terms.min_age), (true, Some(16)));

    let step = needs.clone().sign_up("Grace", "Hopper");
    let call: functions::auth::SignUp = asked(&step);
    assert_eq!(
        (&*call.phone_number, &*call.phone_code_hash),
        (PHONE, "hash of the code")
    );
    assert_eq!((&*call.first_name, &*call.last_name), ("Grace", "Hopper"));
    assert!(!call.no_joined_notifications);
    let silent: functions::auth::SignUp = asked(&needs.sign_up("Grace", "").silently());
    assert!(silent.no_joined_notifications);
    assert_eq!(user_id(done(step, ok(&authorization()))), USER_ID);
}

#[test]
fn a_server_that_names_an_error_for_a_new_number_leads_to_sign_up_too() {
    let step = needs_code().submit("12345");
    let SignIn::NeedsSignUp(needs) = done(step, rpc(400, "PHONE_NUMBER_UNOCCUPIED")) else {
        panic!("no sign-up");
    };
    assert!(needs.terms().is_none() && needs.phone() == PHONE);
}

#[test]
fn each_error_of_sign_up_has_a_name() {
    let needs = needs_sign_up();
    let step = || needs.clone().sign_up("", "");
    let retry = Box::new(needs.clone());
    let error = fails(step(), rpc(400, "FIRSTNAME_INVALID"));
    assert_eq!(
        error,
        SignInError::FirstNameInvalid {
            retry: retry.clone()
        }
    );
    let error = fails(step(), rpc(400, "LASTNAME_INVALID"));
    assert_eq!(error, SignInError::LastNameInvalid { retry });
    let error = fails(step(), rpc(400, "PHONE_NUMBER_OCCUPIED"));
    assert_eq!(error, SignInError::PhoneNumberOccupied);
    let error = fails(step(), rpc(400, "PHONE_NUMBER_FLOOD"));
    assert_eq!(error, SignInError::PhoneNumberFlood);
}

#[test]
fn nothing_that_the_user_typed_is_printed() {
    shows_nothing(&request().logout_tokens([Bytes::from_static(b"secret")]));
    shows_nothing(&request().ask());
    shows_nothing(&needs_code());
    shows_nothing(&needs_code().submit("12345"));
    shows_nothing(&needs_code().resend());
    shows_nothing(&needs_code().cancel());
    shows_nothing(&needs_sign_up());
    shows_nothing(&needs_sign_up().sign_up("Grace", ""));
    shows_nothing(&fails(
        needs_code().submit("12345"),
        rpc(400, "PHONE_CODE_INVALID"),
    ));
}
