//! Signing in and out.

use mtproto_driver::client::{
    CallOptions, Error, Event, FloodPolicy, Qr, Refusal, Route, SignIn, SignInError, SignedOut,
};
use mtproto_driver::{Client, MemorySession, Runtime};
use mtproto_proto::DcId;
use mtproto_proto::client::Key;
use mtproto_proto::client::sign_in::AcceptLogin;
use mtproto_schema::api::functions::{help, users};
use mtproto_schema::api::{enums, types};
use mtproto_test::{DcConfig, TestDc};

use crate::support::*;

fn myself() -> users::GetUsers {
    users::GetUsers {
        id: vec![enums::InputUser::InputUserSelf],
    }
}

fn user(answer: &[enums::User]) -> &types::User {
    match answer {
        [enums::User::User(user)] => user,
        other => panic!("{other:?}"),
    }
}

pub async fn a_wrong_code_is_asked_for_again_and_the_right_one_signs_in<R: Runtime>(rt: R) {
    let dc = start_dc_of_two();
    let store = MemorySession::new();
    let client = Client::open(&rt, config(&dc), store.clone()).await.unwrap();
    let mut events = client.events();
    assert!(!client.is_authorized().await.unwrap());

    let SignIn::NeedsCode(code) = client.request_code(ANN).await.unwrap() else {
        panic!("no code was sent");
    };
    let failed = code.submit("00000").await.unwrap_err();
    assert!(failed.to_string().contains("code"), "{failed}");
    let SignInError::TryAgain { why, again } = failed else {
        panic!("{failed:?}");
    };
    assert!(matches!(why, Refusal::CodeInvalid { .. }), "{why:?}");
    assert!(client.account().is_none());

    let SignIn::NeedsCode(code) = *again else {
        panic!("{again:?}");
    };
    let sent = dc.code_of(ANN).unwrap();
    let SignIn::Done(account) = code.submit(&sent).await.unwrap() else {
        panic!("the code was not enough");
    };
    let id = dc.user_of(ANN).unwrap();
    assert_eq!(account.user.id, id);
    // Whoever has the answer finds everything in its place.
    assert_eq!(client.account().unwrap().user_id, Some(id));
    assert_eq!(store.snapshot().account().unwrap().user_id, Some(id));
    let told = seen(&mut events, |event| match event {
        Event::SignedIn { user_id, dc } => Some((user_id, dc)),
        _ => None,
    });
    assert_eq!(told.await, (id, DC));
    assert!(client.is_authorized().await.unwrap());
    client.close().await.unwrap();

    let client = Client::open(&rt, config(&dc), store).await.unwrap();
    assert_eq!(client.account().unwrap().user_id, Some(id));
    let me = client.invoke(&myself()).await.unwrap();
    assert_eq!(user(&me).id, id);
    client.close().await.unwrap();
}

pub async fn a_password_is_checked_after_the_code<R: Runtime>(rt: R) {
    let mut setup = DcConfig::default();
    let mut ann = mtproto_test::dc::Account::user(ANN);
    ann.password = Some("correct horse".to_owned());
    ann.hint = Some("battery".to_owned());
    setup.accounts = vec![ann];
    let dc = TestDc::start(setup).unwrap();
    let client = open(&rt, config(&dc)).await;

    let SignIn::NeedsCode(code) = client.request_code(ANN).await.unwrap() else {
        panic!("no code was sent");
    };
    let sent = dc.code_of(ANN).unwrap();
    let SignIn::NeedsPassword(password) = code.submit(&sent).await.unwrap() else {
        panic!("no password is needed");
    };
    assert_eq!(password.hint(), Some("battery"));
    let failed = password.check("wrong horse").await.unwrap_err();
    let SignInError::TryAgain { why, again } = failed else {
        panic!("{failed:?}");
    };
    assert!(matches!(why, Refusal::PasswordInvalid { .. }), "{why:?}");
    let SignIn::NeedsPassword(password) = *again else {
        panic!("{again:?}");
    };
    let done = password.check("correct horse").await.unwrap();
    assert!(matches!(done, SignIn::Done(_)), "{done:?}");
    assert!(client.is_authorized().await.unwrap());
}

pub async fn a_number_without_an_account_signs_up<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    let SignIn::NeedsCode(code) = client.request_code(ANN).await.unwrap() else {
        panic!("no code was sent");
    };
    let sent = dc.code_of(ANN).unwrap();
    let SignIn::NeedsSignUp(new) = code.submit(&sent).await.unwrap() else {
        panic!("there is an account");
    };
    let SignIn::Done(account) = new.sign_up("Ann", "Other").await.unwrap() else {
        panic!("not signed up");
    };
    assert_eq!(dc.user_of(ANN), Some(account.user.id));
}

pub async fn numbers_and_tokens_that_are_none_are_refused_by_name<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    let failed = client.request_code("no number").await.unwrap_err();
    assert_eq!(failed.refusal(), Some(&Refusal::PhoneNumberInvalid));
    let failed = client.bot_sign_in("7:nothing").await.unwrap_err();
    assert_eq!(failed.refusal(), Some(&Refusal::BotTokenInvalid));
}

pub async fn a_bot_signs_in_with_its_token<R: Runtime>(rt: R) {
    let mut setup = DcConfig::default();
    setup.accounts = vec![mtproto_test::dc::Account::bot("7:secret")];
    let dc = TestDc::start(setup).unwrap();
    let client = open(&rt, config(&dc)).await;
    let account = client.bot_sign_in("7:secret").await.unwrap();
    assert!(account.user.bot());
    let stored = client.account().unwrap();
    assert_eq!((stored.user_id, stored.bot), (Some(7), true));
}

/// Two DCs of one world; Ann is at home on the second.
fn start_two_dcs() -> TestDc {
    let mut setup = DcConfig::default();
    setup.more_dcs = vec![(DcId(4), "127.0.0.1:0".parse().unwrap())];
    let mut ann = mtproto_test::dc::Account::user(ANN);
    ann.dc = Some(4);
    setup.accounts = vec![ann];
    TestDc::start(setup).unwrap()
}

pub async fn an_account_is_found_on_its_dc_and_used_on_the_others<R: Runtime>(rt: R) {
    let dc = start_two_dcs();
    let mut config = config(&dc);
    for (id, addr) in dc.dcs() {
        config.dcs.set(*id, *addr);
    }
    let store = MemorySession::new();
    let client = Client::open(&rt, config.clone(), store.clone())
        .await
        .unwrap();
    assert_eq!(client.main_dc(), DC);
    let id = sign_in(&client, &dc, ANN).await;
    assert_eq!(client.main_dc(), DcId(4));
    assert_eq!(client.invoke(&help::GetConfig).await.unwrap().this_dc, 4);

    // The first DC gets the authorization on the way.
    let mut options = CallOptions::default();
    options.route = Route::Dc(DC);
    let me = client
        .invoke_with(&myself(), options.clone())
        .await
        .unwrap();
    assert_eq!(user(&me).id, id);
    client.close().await.unwrap();

    let client = Client::open(&rt, config, store).await.unwrap();
    assert_eq!(client.main_dc(), DcId(4));
    let me = client.invoke_with(&myself(), options).await.unwrap();
    assert_eq!(user(&me).id, id);
    client.close().await.unwrap();
}

pub async fn a_code_that_is_scanned_signs_in_at_once<R: Runtime>(rt: R) {
    let dc = start_dc_of_two();
    let (phone, _) = signed_in(&rt, &dc, ANN).await;
    let desktop = open(&rt, config(&dc)).await;
    let Qr::Show(code) = desktop.qr_sign_in().await.unwrap() else {
        panic!("there is nothing to show");
    };
    let url = code.url();
    assert!(url.starts_with("tg://login?token="), "{url}");
    assert!(code.expires() > 0);

    let begin = rt.now();
    let scan = async {
        pause(&rt, SHORT / 5).await;
        phone
            .run(AcceptLogin::from_url(&url).unwrap())
            .await
            .unwrap();
    };
    let (next, ()) = both(code.next(), scan).await;
    let Qr::SignIn(SignIn::Done(account)) = next.unwrap() else {
        panic!("not signed in");
    };
    assert!(rt.now() - begin < SHORT * 8, "the server tells");
    assert_eq!(Some(account.user.id), dc.user_of(ANN));
    assert!(desktop.is_authorized().await.unwrap());
}

pub async fn signing_out_forgets_the_account<R: Runtime>(rt: R) {
    let dc = start_dc_of_two();
    let (client, store) = signed_in(&rt, &dc, ANN).await;
    let mut events = client.events();
    let out = client.sign_out().await.unwrap();
    assert!(client.account().is_none());
    assert!(!client.is_authorized().await.unwrap());
    let reason = seen(&mut events, |event| match event {
        Event::SignedOut(reason) => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, SignedOut::Requested);

    // With the token that it left no code is needed.
    if let Some(token) = out.future_auth_token {
        let again = client.request_code_with(ANN, [token]).await.unwrap();
        assert!(matches!(again, SignIn::Done(_)), "{again:?}");
    } else {
        sign_in(&client, &dc, ANN).await;
    }
    assert!(client.is_authorized().await.unwrap());
    client.sign_out().await.unwrap();
    client.close().await.unwrap();
    assert_eq!(store.snapshot().get(Key::Account), None);
}

pub async fn an_account_that_is_revoked_elsewhere_is_signed_out<R: Runtime>(rt: R) {
    let dc = start_dc_of_two();
    let (client, _) = signed_in(&rt, &dc, ANN).await;
    // Otherwise its question may be the call that learns of it.
    knows_where_it_stands(&rt, &client).await;
    let mut events = client.events();
    assert_eq!(dc.revoke(dc.user_of(ANN).unwrap()), 1);
    let failed = client.invoke(&myself()).await.unwrap_err();
    assert!(
        matches!(
            failed,
            Error::SignedOut {
                reason: SignedOut::Revoked,
                ..
            }
        ),
        "{failed:?}"
    );
    assert!(failed.to_string().contains("sign in again"), "{failed}");
    assert!(!client.is_authorized().await.unwrap());
    let reason = seen(&mut events, |event| match event {
        Event::SignedOut(reason) => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, SignedOut::Revoked);
    // The same client signs in again.
    sign_in(&client, &dc, ANN).await;
    assert!(client.is_authorized().await.unwrap());
}

pub async fn a_pause_that_the_server_wants_is_kept_or_is_an_error<R: Runtime>(rt: R) {
    let dc = start_dc_of_two();
    let (client, _) = signed_in(&rt, &dc, ANN).await;
    dc.flood("help.getNearestDc", 1).unwrap();
    client.invoke(&help::GetNearestDc).await.unwrap();

    let mut options = CallOptions::default();
    options.flood = Some(FloodPolicy::Fail);
    let failed = client
        .invoke_with(&help::GetNearestDc, options)
        .await
        .unwrap_err();
    assert_eq!(failed.rpc().map(|error| error.code), Some(420), "{failed}");
    assert!(failed.to_string().contains("call again in 1s"), "{failed}");

    let mut events = client.events();
    client.invoke(&help::GetNearestDc).await.unwrap();
    let wait = seen(&mut events, |event| match event {
        Event::FloodWait { wait } => Some(wait),
        _ => None,
    });
    // What is left of the pause that the other call was told of.
    let wait = wait.await;
    assert!(wait <= std::time::Duration::from_secs(1), "{wait:?}");
}
