//! QR codes, both sides.

use mtproto_proto::DcId;
use mtproto_proto::client::sign_in::{
    AcceptLogin, MAX_MIGRATIONS, Qr, QrCode, QrLogin, Route, SignIn, SignInError, Step,
};
use mtproto_schema::api::enums::auth::LoginToken;
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Bytes, Encode};

use crate::support::*;

fn login() -> QrLogin {
    QrLogin::new(app(), vec![5, 6])
}

fn token() -> LoginToken {
    LoginToken::LoginToken(types::auth::LoginToken {
        expires: 1_767_225_630,
        token: Bytes::from_static(&[0xfb, 0xff, 0x00, 0x01]),
    })
}

fn migrate(dc_id: i32) -> LoginToken {
    LoginToken::MigrateTo(types::auth::LoginTokenMigrateTo {
        dc_id,
        token: Bytes::from_static(b"imported"),
    })
}

fn success() -> LoginToken {
    LoginToken::Success(types::auth::LoginTokenSuccess {
        authorization: authorization(),
    })
}

fn shown(qr: Qr) -> QrCode {
    match qr {
        Qr::Show(code) => code,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn signed_in(qr: Qr) -> i64 {
    match qr {
        Qr::SignIn(SignIn::Done(signed_in)) => signed_in.user.id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_code_is_shown_scanned_and_signs_in() {
    let step = login();
    let call: functions::auth::ExportLoginToken = asked(&step);
    assert_eq!((call.api_id, &call.except_ids[..]), (94, &[5, 6][..]));
    let code = shown(done(step, ok(&token())));
    assert_eq!(code.url(), "tg://login?token=-_8AAQ");
    assert_eq!(code.expires(), 1_767_225_630);
    assert_eq!(code.token(), [0xfb, 0xff, 0x00, 0x01]);

    // It was scanned, or has expired: the same call, another answer.
    let step = code.again();
    assert_eq!(call, asked(&step));
    assert_eq!(signed_in(done(step, ok(&success()))), USER_ID);
}

#[test]
fn an_expired_code_is_replaced() {
    let code = shown(done(login(), ok(&token())));
    let next = LoginToken::LoginToken(types::auth::LoginToken {
        expires: 1_767_225_660,
        token: Bytes::from_static(b"next"),
    });
    let code = shown(done(code.again(), ok(&next)));
    assert_eq!(code.url(), "tg://login?token=bmV4dA");
}

#[test]
fn an_account_of_another_dc_is_signed_in_there() {
    let step = goes_on(login(), ok(&migrate(4)));
    let call: functions::auth::ImportLoginToken = asked_at(&step, Route::Dc(DcId(4)));
    assert_eq!(call.token[..], b"imported"[..]);
    assert_eq!(signed_in(done(step, ok(&success()))), USER_ID);
}

#[test]
fn a_password_is_asked_for_where_the_account_lives() {
    let routes = [Route::Main, Route::Dc(DcId(4))];
    for route in routes {
        let mut step = login();
        if route != Route::Main {
            step = goes_on(step, ok(&migrate(4)));
        }
        let step = goes_on(step, rpc(401, "SESSION_PASSWORD_NEEDED"));
        let _: functions::account::GetPassword = asked_at(&step, route);
        let mut account = Account::new(Some("hunter2"));
        let Qr::SignIn(SignIn::NeedsPassword(needs)) = done(step, ok(&account.password())) else {
            panic!("no password");
        };
        assert_eq!(needs.clone().recover().ask().route, route);
        let step = needs.check("hunter2", &mut rng()).unwrap();
        let step = goes_on(step, rpc(400, "SRP_ID_INVALID"));
        let _: functions::account::GetPassword = asked_at(&step, route);
        let step = goes_on(step, ok(&account.password()));
        let call: functions::auth::CheckPassword = asked_at(&step, route);
        assert_eq!(account.check(&call.password), Ok(()));
        assert_eq!(done(step, ok(&authorization())).user.id, USER_ID);
    }
}

#[test]
fn a_token_that_expires_on_its_way_is_replaced() {
    let step = goes_on(login(), ok(&migrate(4)));
    let step = goes_on(step, rpc(400, "AUTH_TOKEN_EXPIRED"));
    let _: functions::auth::ExportLoginToken = asked(&step);
    assert_eq!(shown(done(step, ok(&token()))).token().len(), 4);
}

#[test]
fn a_server_that_sends_from_dc_to_dc_is_not_followed_for_ever() {
    let mut step = login();
    for dc in 0..i32::from(MAX_MIGRATIONS) {
        step = goes_on(step, ok(&migrate(dc + 1)));
    }
    let method = "auth.importLoginToken";
    assert_eq!(
        fails(step, ok(&migrate(1))),
        SignInError::BadAnswer { method }
    );

    // Nor if each token expires on its way.
    let mut step = login();
    for _ in 1..MAX_MIGRATIONS {
        step = goes_on(step, ok(&migrate(4)));
        step = goes_on(step, rpc(400, "AUTH_TOKEN_EXPIRED"));
    }
    step = goes_on(step, ok(&migrate(4)));
    let error = fails(step, rpc(400, "AUTH_TOKEN_EXPIRED"));
    assert_eq!(error, SignInError::LoginTokenExpired);
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    let method = "auth.exportLoginToken";
    for dc in [i32::MAX, i32::MIN, 40_000] {
        let error = fails(login(), ok(&migrate(dc)));
        assert_eq!(error, SignInError::BadAnswer { method });
    }
    let nobody = LoginToken::Success(types::auth::LoginTokenSuccess {
        authorization: of_nobody(),
    });
    assert_eq!(
        fails(login(), ok(&nobody)),
        SignInError::BadAnswer { method }
    );
    let step = goes_on(login(), ok(&migrate(4)));
    let method = "auth.importLoginToken";
    assert_eq!(fails(step, ok(&token())), SignInError::BadAnswer { method });
}

#[test]
fn each_error_of_a_token_has_a_name() {
    let errors = [
        ("AUTH_TOKEN_INVALID", SignInError::LoginTokenInvalid),
        ("AUTH_TOKEN_INVALIDX", SignInError::LoginTokenInvalid),
        ("AUTH_TOKEN_EXCEPTION", SignInError::LoginTokenInvalid),
        (
            "AUTH_TOKEN_ALREADY_ACCEPTED",
            SignInError::LoginTokenAlreadyAccepted,
        ),
        ("API_ID_INVALID", SignInError::ApiIdInvalid),
    ];
    for (name, expected) in errors {
        assert_eq!(fails(login(), rpc(400, name)), expected);
        let step = goes_on(login(), ok(&migrate(4)));
        assert_eq!(fails(step, rpc(400, name)), expected);
        assert_eq!(
            fails(AcceptLogin::new(&b"token"[..]), rpc(400, name)),
            expected
        );
    }
    let error = fails(
        AcceptLogin::new(&b"token"[..]),
        rpc(400, "AUTH_TOKEN_EXPIRED"),
    );
    assert_eq!(error, SignInError::LoginTokenExpired);
}

#[test]
fn the_update_that_says_scanned_is_recognised() {
    let short = enums::Updates::UpdateShort(Box::new(types::UpdateShort {
        update: enums::Update::LoginToken,
        date: 0,
    }));
    assert!(QrCode::is_scanned(&short.to_bytes()));
    assert!(QrCode::is_scanned(&enums::Update::LoginToken.to_bytes()));
    assert!(!QrCode::is_scanned(&enums::Update::Config.to_bytes()));
    let many = enums::Updates::Updates(Box::new(types::Updates {
        updates: vec![enums::Update::Config, enums::Update::LoginToken],
        users: vec![],
        chats: vec![],
        date: 0,
        seq: 0,
    }));
    assert!(QrCode::is_scanned(&many.to_bytes()));
    let other = enums::Updates::UpdateShort(Box::new(types::UpdateShort {
        update: enums::Update::Config,
        date: 0,
    }));
    assert!(!QrCode::is_scanned(&other.to_bytes()));
    assert!(!QrCode::is_scanned(&enums::Updates::TooLong.to_bytes()));
    assert!(!QrCode::is_scanned(&Bytes::from_static(b"no update")));
}

#[test]
fn a_device_that_scans_lets_the_other_one_in() {
    let url = shown(done(login(), ok(&token()))).url();
    for url in [url.clone(), format!(" {url}\n"), format!("{url}==")] {
        let step = AcceptLogin::from_url(&url).unwrap();
        let call: functions::auth::AcceptLoginToken = asked(&step);
        assert_eq!(call.token[..], [0xfb, 0xff, 0x00, 0x01]);
    }
    let session = types::Authorization {
        current: false,
        official_app: false,
        password_pending: false,
        encrypted_requests_disabled: false,
        call_requests_disabled: false,
        unconfirmed: false,
        hash: 42,
        device_model: "a device".into(),
        platform: "".into(),
        system_version: "".into(),
        api_id: 94,
        app_name: "".into(),
        app_version: "".into(),
        date_created: 0,
        date_active: 0,
        ip: "".into(),
        country: "".into(),
        region: "".into(),
    };
    let step = AcceptLogin::from_url(&url).unwrap();
    assert_eq!(*done(step, ok(&session)), session);
}

#[test]
fn an_address_that_is_no_login_code_is_refused() {
    let long = format!("tg://login?token={}", "A".repeat(1_028));
    let bad = [
        "",
        "tg://login?token=",
        "tg://login?token===",
        "tg://login?token=+/8AAQ",
        "tg://login?token=A",
        "tg://resolve?domain=x",
        "https://example.org/login?token=AAAA",
        &long,
    ];
    for url in bad {
        let error = AcceptLogin::from_url(url).unwrap_err();
        assert_eq!(error, SignInError::LoginTokenInvalid, "{url}");
    }
}

#[test]
fn nothing_of_a_token_is_printed() {
    let shows = |it: &dyn std::fmt::Debug| {
        let text = format!("{it:?}");
        assert!(
            !text.contains("251, 255") && !text.contains("-_8AAQ"),
            "{text}"
        );
        assert!(
            !text.contains("imported") && !text.contains("xfb"),
            "{text}"
        );
    };
    shows(&shown(done(login(), ok(&token()))));
    shows(&goes_on(login(), ok(&migrate(4))));
    shows(&AcceptLogin::new(&[0xfb, 0xff][..]));
    shows_nothing(&login());
}
