//! What the modules share: worlds, and the steps of a sign-in.

use bytes::Bytes;
use mtproto_proto::DcId;
use mtproto_schema::api::enums::auth::{Authorization, SentCode};
use mtproto_schema::api::enums::{InputUser, User};
use mtproto_schema::api::functions::auth::{ImportBotAuthorization, SendCode, SignIn};
use mtproto_schema::api::functions::users::GetUsers;
use mtproto_schema::api::types::{self, CodeSettings};
use mtproto_test::{Account, DcConfig, TestDc};

use crate::by_hand::{Client, Door, init, with_layer};

pub const UNREGISTERED: &str = "401 AUTH_KEY_UNREGISTERED";

/// At home on DC 2, signs in with 22222.
pub const ANN: &str = "+9996621111";
/// At home on DC 4.
pub const BEN: &str = "+9996624444";
/// At home on DC 2.
pub const BOT: &str = "77:secret";

/// DCs 2 and 4 with Ann (id 11), Ben (id 12) and the bot 77.
pub fn world(change: impl FnOnce(&mut DcConfig)) -> TestDc {
    let mut config = DcConfig::default();
    config.more_dcs = vec![(DcId(4), config.listen)];
    let mut ann = Account::user(ANN);
    ann.id = Some(11);
    ann.first_name = Some("Ann".into());
    ann.username = Some("ann_lee".into());
    let mut ben = Account::user(BEN);
    ben.id = Some(12);
    ben.dc = Some(4);
    config.accounts = vec![ann, ben, Account::bot(BOT)];
    change(&mut config);
    TestDc::start(config).unwrap()
}

/// A client that has initialised.
pub fn client(door: impl Into<Door>, seed: u64) -> Client {
    let mut client = Client::new(door, seed);
    client.initialize();
    client
}

pub fn settings() -> CodeSettings {
    CodeSettings {
        allow_flashcall: false,
        current_number: false,
        allow_app_hash: false,
        allow_missed_call: false,
        allow_firebase: false,
        unknown_number: false,
        logout_tokens: None,
        token: None,
    }
}

pub fn send_code(phone: &str) -> SendCode {
    SendCode {
        phone_number: phone.into(),
        api_id: 1,
        api_hash: "hash".into(),
        settings: settings(),
    }
}

/// Asks for a code.
pub fn code(client: &mut Client, phone: &str) -> types::auth::SentCode {
    let SentCode::SentCode(sent) = client.call(&send_code(phone)).unwrap() else {
        panic!("there is no token");
    };
    *sent
}

/// Says a code.
pub fn say(
    client: &mut Client,
    phone: &str,
    hash: &str,
    code: &str,
) -> Result<Authorization, String> {
    client.call(&SignIn {
        phone_number: phone.into(),
        phone_code_hash: hash.into(),
        phone_code: Some(code.into()),
        email_verification: None,
    })
}

/// Signs in by code.
pub fn try_sign_in(
    client: &mut Client,
    phone: &str,
    digits: &str,
) -> Result<Authorization, String> {
    let hash = code(client, phone).phone_code_hash;
    say(client, phone, &hash, digits)
}

/// The user of a successful sign-in.
pub fn user(authorization: Authorization) -> types::User {
    let Authorization::Authorization(authorization) = authorization else {
        panic!("not signed up");
    };
    let User::User(user) = authorization.user else {
        panic!("nobody");
    };
    *user
}

/// A client of Ann's.
pub fn ann(dc: &TestDc, seed: u64) -> Client {
    let mut client = client(dc, seed);
    let me = user(try_sign_in(&mut client, ANN, "22222").unwrap());
    assert_eq!(me.id, 11);
    client
}

pub fn bot_sign_in(token: &str) -> ImportBotAuthorization {
    ImportBotAuthorization {
        flags: 0,
        api_id: 1,
        api_hash: "hash".into(),
        bot_auth_token: token.into(),
    }
}

/// Who is signed in, as the DC says.
pub fn who_am_i(client: &mut Client) -> Result<i64, String> {
    let id = vec![InputUser::InputUserSelf];
    let users = client.call(&GetUsers { id })?;
    match &users[..] {
        [User::User(user)] => Ok(user.id),
        other => panic!("{other:?}"),
    }
}

/// A query in all that a first call needs.
pub fn first<F>(
    query: F,
) -> mtproto_schema::api::functions::InvokeWithLayer<
    mtproto_schema::api::functions::InitConnection<F>,
> {
    with_layer(init(query))
}

pub fn update() -> Bytes {
    Bytes::from_static(b"an update of 20 byte")
}
