//! Signing in by a code on the screen.

use bytes::Bytes;
use mtproto_schema::api::enums::auth::LoginToken;
use mtproto_schema::api::enums::{Update, Updates};
use mtproto_schema::api::functions::auth::{AcceptLoginToken, ExportLoginToken, ImportLoginToken};
use mtproto_schema::api::types;
use mtproto_test::DcConfig;

use super::support::{ANN, UNREGISTERED, ann, client, try_sign_in, user, who_am_i, world};
use crate::by_hand::{Client, door};

fn export(client: &mut Client, except: &[i64]) -> Result<LoginToken, String> {
    client.call(&ExportLoginToken {
        api_id: 1,
        api_hash: "hash".into(),
        except_ids: except.to_vec(),
    })
}

/// The token that is shown.
fn shown(client: &mut Client, except: &[i64]) -> Bytes {
    let LoginToken::LoginToken(shown) = export(client, except).unwrap() else {
        panic!("nobody accepted anything");
    };
    let lasts = shown.expires - client.now.unix() as i32;
    assert!((20..100).contains(&lasts), "{lasts} s");
    shown.token
}

fn accept(client: &mut Client, token: &Bytes) -> Result<types::Authorization, String> {
    let token = token.clone();
    client.call(&AcceptLoginToken { token })
}

fn import(client: &mut Client, token: &Bytes) -> Result<LoginToken, String> {
    let token = token.clone();
    client.call(&ImportLoginToken { token })
}

fn success(token: Result<LoginToken, String>) -> i64 {
    let LoginToken::Success(success) = token.unwrap() else {
        panic!("it was accepted");
    };
    user(success.authorization).id
}

/// The news that a token was accepted.
fn is_told(client: &mut Client) {
    let Updates::UpdateShort(short) = client.update::<Updates>() else {
        panic!("there is nothing else to tell");
    };
    assert_eq!(short.update, Update::LoginToken);
}

#[test]
fn a_shown_token_signs_in_after_it_was_read_and_accepted() {
    let dc = world(|_| {});
    let mut old = ann(&dc, 1);
    let mut new = client(&dc, 2);
    let token = shown(&mut new, &[]);
    assert_ne!(token, shown(&mut new, &[]), "each is shown once");
    let seen = accept(&mut old, &token).unwrap();
    assert_eq!((&*seen.device_model, seen.current), ("test", false));
    assert_eq!(seen.hash, new.peer.key.id().0, "it can be ended by this");
    is_told(&mut new);
    assert_eq!(who_am_i(&mut new).unwrap_err(), UNREGISTERED, "not yet");
    assert_eq!(success(export(&mut new, &[])), 11);
    assert_eq!(who_am_i(&mut new), Ok(11));
    assert_eq!(
        success(export(&mut new, &[])),
        11,
        "an answer that got lost"
    );
}

#[test]
fn a_token_shown_on_the_wrong_dc_is_taken_to_the_right_one() {
    let dc = world(|_| {});
    let mut old = ann(&dc, 1);
    let mut four = client(door(&dc, 4), 2);
    let token = shown(&mut four, &[]);
    accept(&mut old, &token).unwrap();
    is_told(&mut four);
    let LoginToken::MigrateTo(migrate) = export(&mut four, &[]).unwrap() else {
        panic!("she is not at home there");
    };
    assert_eq!(migrate.dc_id, 2);
    let mut two = client(&dc, 3);
    assert_eq!(success(import(&mut two, &migrate.token)), 11);
    assert_eq!(who_am_i(&mut two), Ok(11));
    assert_eq!(
        import(&mut two, &migrate.token).unwrap_err(),
        "400 AUTH_TOKEN_INVALID",
        "used up"
    );
}

#[test]
fn the_second_step_follows_a_token_too() {
    let secret = |config: &mut DcConfig| config.accounts[0].password = Some("secret".into());
    let dc = world(|config| {
        secret(config);
        config.accounts[1].dc = Some(2);
        config.accounts[1].password = Some("other".into());
    });
    let mut new = client(&dc, 2);
    let token = shown(&mut new, &[]);
    // Whoever accepts it has no password yet; then one is set.
    let mut old = client(&dc, 1);
    assert_eq!(
        try_sign_in(&mut old, ANN, "22222").unwrap_err(),
        "401 SESSION_PASSWORD_NEEDED"
    );
    assert_eq!(
        accept(&mut old, &token).unwrap_err(),
        "401 SESSION_PASSWORD_NEEDED",
        "who is not in cannot let others in"
    );
    super::passwords::say_password(&mut old, "secret");
    accept(&mut old, &token).unwrap();
    is_told(&mut new);
    assert_eq!(
        export(&mut new, &[]).unwrap_err(),
        "401 SESSION_PASSWORD_NEEDED"
    );
    super::passwords::say_password(&mut new, "secret");
    assert_eq!(who_am_i(&mut new), Ok(11));
}

#[test]
fn wrong_tokens_are_refused_by_name() {
    let dc = world(|_| {});
    let mut old = ann(&dc, 1);
    let mut new = client(&dc, 2);
    let invalid = "400 AUTH_TOKEN_INVALID";
    for wrong in [Bytes::new(), vec![0; 32].into(), vec![0; 33].into()] {
        assert_eq!(accept(&mut old, &wrong).unwrap_err(), invalid);
        assert_eq!(import(&mut new, &wrong).unwrap_err(), invalid);
    }
    let token = shown(&mut new, &[11]);
    assert_eq!(accept(&mut new, &token).unwrap_err(), UNREGISTERED);
    assert_eq!(
        import(&mut new, &token).unwrap_err(),
        invalid,
        "nobody accepted it"
    );
    assert_eq!(
        accept(&mut old, &token).unwrap_err(),
        "400 AUTH_TOKEN_EXCEPTION",
        "she is signed in there already"
    );
    let token = shown(&mut new, &[12]);
    accept(&mut old, &token).unwrap();
    assert_eq!(
        accept(&mut old, &token).unwrap_err(),
        "400 AUTH_TOKEN_ALREADY_ACCEPTED"
    );
    let many: Vec<i64> = (0..101).collect();
    assert_eq!(export(&mut new, &many).unwrap_err(), "400 LIMIT_INVALID");
    let query = ExportLoginToken {
        api_id: 0,
        api_hash: "hash".into(),
        except_ids: Vec::new(),
    };
    assert_eq!(new.call(&query).unwrap_err(), "400 API_ID_INVALID");
}
