//! The logins of one account, and their ends.

use mtproto_schema::api::enums::auth::SentCode;
use mtproto_schema::api::functions::account::{GetAuthorizations, ResetAuthorization};
use mtproto_schema::api::functions::auth::{LogOut, ResetAuthorizations};
use mtproto_schema::api::types;

use super::support::{
    ANN, BOT, UNREGISTERED, ann, bot_sign_in, client, send_code, try_sign_in, user, who_am_i, world,
};
use crate::by_hand::Client;

const REVOKED: &str = "401 SESSION_REVOKED";

fn logins(client: &mut Client) -> Vec<types::Authorization> {
    client.call(&GetAuthorizations).unwrap().authorizations
}

#[test]
fn logins_are_listed_and_one_of_them_ended() {
    let dc = world(|_| {});
    let mut one = ann(&dc, 1);
    let mut two = ann(&dc, 2);
    let seen = logins(&mut one);
    let [own, other] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!((own.current, own.hash), (true, 0));
    assert!(!other.current && other.hash != 0);
    for login in [own, other] {
        assert_eq!(
            (&*login.device_model, &*login.app_version, login.api_id),
            ("test", "1", 1)
        );
        assert_eq!(&*login.ip, "127.0.0.1");
        assert!(login.date_created <= login.date_active);
    }
    for hash in [0, 1] {
        assert_eq!(
            one.call(&ResetAuthorization { hash }).unwrap_err(),
            "400 HASH_INVALID"
        );
    }
    let hash = other.hash;
    assert_eq!(one.call(&ResetAuthorization { hash }), Ok(true));
    assert_eq!(who_am_i(&mut two).unwrap_err(), REVOKED);
    assert_eq!(logins(&mut one).len(), 1);
    assert!(
        try_sign_in(&mut two, ANN, "22222").is_ok(),
        "it may sign in again"
    );
    assert_eq!(who_am_i(&mut two), Ok(11));
}

#[test]
fn all_other_logins_are_ended_at_once() {
    let dc = world(|_| {});
    let mut one = ann(&dc, 1);
    let mut others = [ann(&dc, 2), ann(&dc, 3)];
    assert_eq!(one.call(&ResetAuthorizations), Ok(true));
    for other in &mut others {
        assert_eq!(who_am_i(other).unwrap_err(), REVOKED);
    }
    assert_eq!(who_am_i(&mut one), Ok(11));
    assert_eq!(dc.revoke(11), 1, "by the test");
    assert_eq!(who_am_i(&mut one).unwrap_err(), REVOKED);
}

#[test]
fn who_logged_out_signs_in_again_without_a_code_once() {
    let dc = world(|_| {});
    let mut client_ = ann(&dc, 1);
    let token = client_.call(&LogOut).unwrap().future_auth_token.unwrap();
    assert_eq!(who_am_i(&mut client_).unwrap_err(), UNREGISTERED);
    assert_eq!(client_.call(&LogOut).err().unwrap(), UNREGISTERED);

    let mut again = client(&dc, 2);
    let mut query = send_code(ANN);
    query.settings.logout_tokens = Some(vec![b"other".to_vec().into(), token]);
    let SentCode::Success(success) = again.call(&query).unwrap() else {
        panic!("it has a token");
    };
    assert_eq!(user(success.authorization).id, 11);
    assert_eq!(who_am_i(&mut again), Ok(11));
    let mut third = client(&dc, 3);
    assert!(
        matches!(third.call(&query).unwrap(), SentCode::SentCode(_)),
        "used up"
    );
}

#[test]
fn a_future_token_does_not_stand_for_the_password() {
    let dc = world(|config| config.accounts[0].password = Some("secret".into()));
    let mut client = client(&dc, 1);
    try_sign_in(&mut client, ANN, "22222").unwrap_err();
    super::passwords::say_password(&mut client, "secret");
    let token = client.call(&LogOut).unwrap().future_auth_token.unwrap();
    let mut query = send_code(ANN);
    query.settings.logout_tokens = Some(vec![token]);
    assert_eq!(
        client.call(&query).unwrap_err(),
        "401 SESSION_PASSWORD_NEEDED"
    );
}

#[test]
fn a_bot_gets_no_future_token() {
    let dc = world(|_| {});
    let mut bot = client(&dc, 1);
    bot.call(&bot_sign_in(BOT)).unwrap();
    assert_eq!(bot.call(&LogOut).unwrap().future_auth_token, None);
    assert_eq!(who_am_i(&mut bot).unwrap_err(), UNREGISTERED);
}
