//! Bots and signing out.

use std::time::Duration;

use mtproto_proto::client::sign_in::{BotSignIn, LogOut, RequestCode, SignInError};
use mtproto_proto::client::{CallError, SignedOut};
use mtproto_proto::{Fate, RequestError};
use mtproto_schema::Bytes;
use mtproto_schema::api::{functions, types};

use crate::support::*;

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

fn bot() -> BotSignIn {
    BotSignIn::new(app(), TOKEN)
}

#[test]
fn a_bot_signs_in_with_its_token() {
    let call: functions::auth::ImportBotAuthorization = asked(&bot());
    assert_eq!((call.flags, call.api_id), (0, 94));
    assert_eq!(call.api_hash, "secret of the application");
    assert_eq!(call.bot_auth_token, TOKEN);
    assert_eq!(done(bot(), ok(&authorization())).user.id, USER_ID);
    shows_nothing(&bot());
}

#[test]
fn each_error_of_a_bot_has_a_name() {
    let errors = [
        (400, "ACCESS_TOKEN_INVALID", SignInError::BotTokenInvalid),
        (400, "ACCESS_TOKEN_EXPIRED", SignInError::BotTokenExpired),
        (400, "API_ID_INVALID", SignInError::ApiIdInvalid),
        (
            420,
            "FLOOD_WAIT_1200",
            SignInError::FloodWait(Duration::from_secs(1_200)),
        ),
    ];
    for (code, name, expected) in errors {
        assert_eq!(fails(bot(), rpc(code, name)), expected);
    }
    let method = "auth.importBotAuthorization";
    assert_eq!(
        fails(bot(), ok(&of_nobody())),
        SignInError::BadAnswer { method }
    );
}

#[test]
fn signing_out_gives_a_token_for_the_next_time() {
    let _: functions::auth::LogOut = asked(&LogOut::new());
    let answer = types::auth::LoggedOut {
        future_auth_token: Some(Bytes::from_static(b"future token")),
    };
    let logged_out = done(LogOut::new(), ok(&answer));
    assert_eq!(format!("{logged_out:?}"), "LoggedOut { has_token: true }");
    let token = logged_out.future_auth_token.unwrap();

    let request = RequestCode::new(app(), PHONE).logout_tokens([token.clone()]);
    let call: functions::auth::SendCode = asked(&request);
    assert_eq!(call.settings.logout_tokens, Some(vec![token]));

    let answer = types::auth::LoggedOut {
        future_auth_token: None,
    };
    assert_eq!(done(LogOut::new(), ok(&answer)).future_auth_token, None);
}

#[test]
fn who_is_signed_out_already_is_signed_out() {
    // The server may acknowledge auth.logOut and never answer it.
    for why in [SignedOut::Requested, SignedOut::Revoked, SignedOut::Expired] {
        let answer = Err(CallError::SignedOut {
            reason: why,
            fate: mtproto_proto::Fate::NotReceived,
        });
        assert_eq!(done(LogOut::new(), answer).future_auth_token, None);
    }
    let lost = CallError::Request(RequestError::TimedOut(Fate::MaybeExecuted));
    let error = fails(LogOut::new(), Err(lost.clone()));
    assert_eq!(error, SignInError::Call(lost));
}
