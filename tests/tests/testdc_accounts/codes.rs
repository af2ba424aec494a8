//! Signing in by number and code, signing up; bots.

use std::time::Duration;

use mtproto_schema::api::enums::auth::{Authorization, CodeType, SentCode, SentCodeType};
use mtproto_schema::api::functions::auth::{CancelCode, ResendCode, SignIn, SignUp};
use mtproto_schema::api::types;
use mtproto_schema::{Encode, LAYER};
use mtproto_test::{Account, TestDc};

use super::support::{
    ANN, BOT, UNREGISTERED, ann, bot_sign_in, client, code, say, send_code, try_sign_in, user,
    who_am_i, world,
};
use crate::by_hand::Client;

#[test]
fn a_person_signs_in_with_number_and_code() {
    let dc = world(|_| {});
    let mut client = client(&dc, 1);
    assert_eq!(who_am_i(&mut client).unwrap_err(), UNREGISTERED);
    let sent = code(&mut client, ANN);
    assert_eq!(
        sent.r#type,
        SentCodeType::Sms(types::auth::SentCodeTypeSms { length: 5 })
    );
    assert_eq!(sent.next_type, Some(CodeType::Call));
    assert_eq!(sent.timeout, Some(60));
    assert_eq!(dc.code_of("99966 2 1111").as_deref(), Some("22222"));
    let me = user(say(&mut client, ANN, &sent.phone_code_hash, "22222").unwrap());
    assert!(me.self_);
    assert_eq!((me.id, dc.user_of(ANN)), (11, Some(11)));
    assert_eq!(me.first_name.as_deref(), Some("Ann"));
    assert_eq!(me.username.as_deref(), Some("ann_lee"));
    assert_eq!(me.phone.as_deref(), Some("9996621111"));
    assert_eq!(who_am_i(&mut client), Ok(11));
    assert_eq!(dc.code_of(ANN), None, "it is used up");
}

#[test]
fn who_is_signed_in_elsewhere_gets_the_code_there_and_may_have_it_sent_otherwise() {
    let dc = world(|_| {});
    let _first = ann(&dc, 1);
    let mut client = client(&dc, 2);
    let sent = code(&mut client, ANN);
    assert_eq!(
        (sent.r#type, sent.next_type),
        (
            SentCodeType::App(types::auth::SentCodeTypeApp { length: 5 }),
            Some(CodeType::Sms)
        )
    );
    let resend = ResendCode {
        phone_number: ANN.into(),
        phone_code_hash: sent.phone_code_hash,
        reason: None,
    };
    let mut ways = Vec::new();
    for _ in 0..2 {
        let SentCode::SentCode(sent) = client.call(&resend).unwrap() else {
            panic!("no code was sent");
        };
        assert_eq!(sent.phone_code_hash, resend.phone_code_hash);
        assert_eq!(sent.timeout.is_some(), sent.next_type.is_some());
        ways.push((sent.r#type, sent.next_type));
    }
    let length = 5;
    assert_eq!(
        ways,
        [
            (
                SentCodeType::Sms(types::auth::SentCodeTypeSms { length }),
                Some(CodeType::Call)
            ),
            (
                SentCodeType::Call(types::auth::SentCodeTypeCall { length }),
                None
            ),
        ]
    );
    assert_eq!(
        client.call(&resend).unwrap_err(),
        "406 SEND_CODE_UNAVAILABLE"
    );
}

#[test]
fn wrong_numbers_and_programs_are_refused_by_name() {
    let dc = world(|config| {
        let mut banned = Account::user("+49123456789");
        banned.banned = true;
        config.accounts.push(banned);
        config.apps = vec![(1, "hash".into()), (2, "other".into())];
    });
    let mut client = client(&dc, 1);
    for (phone, message) in [
        ("", "400 PHONE_NUMBER_INVALID"),
        ("+1", "400 PHONE_NUMBER_INVALID"),
        ("hello", "400 PHONE_NUMBER_INVALID"),
        ("+1234567890123456", "400 PHONE_NUMBER_INVALID"),
        ("+49 123 456789", "400 PHONE_NUMBER_BANNED"),
    ] {
        assert_eq!(
            client.call(&send_code(phone)).unwrap_err(),
            message,
            "{phone}"
        );
    }
    for (api_id, api_hash) in [
        (0, "hash"),
        (-1, "hash"),
        (1, ""),
        (1, "other"),
        (3, "hash"),
    ] {
        let mut query = send_code(ANN);
        (query.api_id, query.api_hash) = (api_id, api_hash.into());
        assert_eq!(
            client.call(&query).unwrap_err(),
            "400 API_ID_INVALID",
            "{api_id} {api_hash}"
        );
        let mut query = bot_sign_in(BOT);
        (query.api_id, query.api_hash) = (api_id, api_hash.into());
        assert_eq!(client.call(&query).unwrap_err(), "400 API_ID_INVALID");
    }
    assert!(client.call(&send_code(ANN)).is_ok());
}

#[test]
fn wrong_codes_are_refused_by_name_and_the_right_one_still_helps() {
    let dc = world(|_| {});
    let mut client = client(&dc, 1);
    let hash = code(&mut client, ANN).phone_code_hash;
    let said = |client: &mut Client, hash: &str, code: Option<&str>| {
        let query = SignIn {
            phone_number: ANN.into(),
            phone_code_hash: hash.into(),
            phone_code: code.map(Into::into),
            email_verification: None,
        };
        client.call(&query).err().unwrap_or_default()
    };
    assert_eq!(said(&mut client, &hash, None), "400 PHONE_CODE_EMPTY");
    assert_eq!(said(&mut client, &hash, Some("")), "400 PHONE_CODE_EMPTY");
    assert_eq!(
        said(&mut client, "", Some("22222")),
        "400 PHONE_CODE_HASH_EMPTY"
    );
    assert_eq!(
        said(&mut client, "0", Some("22222")),
        "400 PHONE_CODE_EXPIRED"
    );
    assert_eq!(
        say(&mut client, "+9996622222", &hash, "22222").unwrap_err(),
        "400 PHONE_CODE_EXPIRED",
        "the code of another number"
    );
    for wrong in ["1", "22221", "222222", "x"] {
        assert_eq!(
            said(&mut client, &hash, Some(wrong)),
            "400 PHONE_CODE_INVALID"
        );
    }
    assert_eq!(said(&mut client, &hash, Some("22222")), "");
}

#[test]
fn a_code_ends_by_time_by_guessing_by_asking_again_and_by_cancelling() {
    let expired = "400 PHONE_CODE_EXPIRED";
    let dc = world(|config| config.code_lifetime = Duration::ZERO);
    assert_eq!(
        try_sign_in(&mut client(&dc, 1), ANN, "22222").unwrap_err(),
        expired,
        "by time"
    );

    let dc = world(|_| {});
    let mut client = client(&dc, 1);
    let hash = code(&mut client, ANN).phone_code_hash;
    for _ in 0..5 {
        let answer = say(&mut client, ANN, &hash, "0").unwrap_err();
        assert_eq!(answer, "400 PHONE_CODE_INVALID");
    }
    assert_eq!(
        say(&mut client, ANN, &hash, "22222").unwrap_err(),
        expired,
        "by guessing"
    );

    let hash = code(&mut client, ANN).phone_code_hash;
    let newer = code(&mut client, ANN).phone_code_hash;
    assert_eq!(
        say(&mut client, ANN, &hash, "22222").unwrap_err(),
        expired,
        "by asking again"
    );
    let cancel = CancelCode {
        phone_number: ANN.into(),
        phone_code_hash: newer.clone(),
    };
    assert_eq!(client.call(&cancel), Ok(true));
    assert_eq!(client.call(&cancel).unwrap_err(), expired);
    assert_eq!(
        say(&mut client, ANN, &newer, "22222").unwrap_err(),
        expired,
        "by cancelling"
    );
}

fn sign_up(phone: &str, hash: &str, first: &str, last: &str) -> SignUp {
    SignUp {
        no_joined_notifications: false,
        phone_number: phone.into(),
        phone_code_hash: hash.into(),
        first_name: first.into(),
        last_name: last.into(),
    }
}

#[test]
fn a_test_number_signs_up_once_and_is_found_again() {
    let dc = world(|_| {});
    let phone = "+9996625555";
    let mut new = client(&dc, 1);
    let hash = code(&mut new, phone).phone_code_hash;
    let query = |first: &str, last: &str| sign_up(phone, &hash, first, last);
    assert_eq!(
        new.call(&query("Eve", "")).unwrap_err(),
        "400 PHONE_CODE_INVALID",
        "before the code was said"
    );
    let required = say(&mut new, phone, &hash, "22222").unwrap();
    assert!(matches!(required, Authorization::SignUpRequired(_)));
    assert_eq!(who_am_i(&mut new).unwrap_err(), UNREGISTERED);
    let long = "x".repeat(65);
    for (first, last, message) in [
        ("", "Adams", "400 FIRSTNAME_INVALID"),
        ("  ", "", "400 FIRSTNAME_INVALID"),
        (&long, "", "400 FIRSTNAME_INVALID"),
        ("Eve", &long, "400 LASTNAME_INVALID"),
    ] {
        assert_eq!(new.call(&query(first, last)).unwrap_err(), message);
    }
    let eve = user(new.call(&query(" Eve ", "Adams")).unwrap());
    assert_eq!(eve.first_name.as_deref(), Some("Eve"));
    assert_eq!(dc.user_of(phone), Some(eve.id));
    assert_eq!(who_am_i(&mut new), Ok(eve.id));
    assert_eq!(
        new.call(&query("Eve", "")).unwrap_err(),
        "400 PHONE_CODE_EXPIRED",
        "the code is used up"
    );

    let mut again = client(&dc, 2);
    let same = user(try_sign_in(&mut again, phone, "22222").unwrap());
    assert_eq!(same.id, eve.id);

    // Two who signed up at once: the later one finds the number taken.
    let phone = "+9996626666";
    let (mut one, mut two) = (client(&dc, 3), client(&dc, 4));
    let hashes = [&mut one, &mut two].map(|client| {
        let hash = code(client, phone).phone_code_hash;
        say(client, phone, &hash, "22222").unwrap();
        hash
    });
    assert!(one.call(&sign_up(phone, &hashes[0], "One", "")).is_ok());
    assert_eq!(
        two.call(&sign_up(phone, &hashes[1], "Two", ""))
            .unwrap_err(),
        "400 PHONE_NUMBER_OCCUPIED"
    );
}

#[test]
fn other_unknown_numbers_sign_up_only_if_they_may() {
    let phone = "+4915112345678";
    let dc = world(|_| {});
    let mut client_ = client(&dc, 1);
    let hash = code(&mut client_, phone).phone_code_hash;
    assert_eq!(dc.code_of(phone).as_deref(), Some("12345"));
    assert_eq!(
        say(&mut client_, phone, &hash, "12345").unwrap_err(),
        "400 PHONE_NUMBER_UNOCCUPIED"
    );
    assert_eq!(
        client_.call(&sign_up(phone, &hash, "Eve", "")).unwrap_err(),
        "400 PHONE_NUMBER_UNOCCUPIED"
    );

    let dc = world(|config| {
        config.sign_up = true;
        config.code = "777777".into();
    });
    let mut client_ = client(&dc, 1);
    let sent = code(&mut client_, phone);
    assert_eq!(
        sent.r#type,
        SentCodeType::Sms(types::auth::SentCodeTypeSms { length: 6 })
    );
    let hash = sent.phone_code_hash;
    say(&mut client_, phone, &hash, "777777").unwrap();
    assert!(client_.call(&sign_up(phone, &hash, "Eve", "")).is_ok());
}

#[test]
fn an_account_may_have_a_code_of_its_own_and_be_added_later() {
    let dc = world(|_| {});
    let mut account = Account::user("+4915112345678");
    account.code = Some("1234567".into());
    let id = dc.add_account(account.clone()).unwrap();
    assert!(
        dc.add_account(account)
            .unwrap_err()
            .to_string()
            .contains("two accounts have the number")
    );
    let mut client = client(&dc, 1);
    let me = try_sign_in(&mut client, "4915112345678", "1234567").unwrap();
    assert_eq!(user(me).id, id);
}

#[test]
fn a_bot_signs_in_with_its_token() {
    let dc = world(|_| {});
    let mut client = client(&dc, 1);
    for token in ["", "77", "77:wrong", "78:secret"] {
        assert_eq!(
            client.call(&bot_sign_in(token)).unwrap_err(),
            "400 ACCESS_TOKEN_INVALID",
            "{token}"
        );
    }
    let bot = user(client.call(&bot_sign_in(BOT)).unwrap());
    assert_eq!(bot.id, 77);
    assert!(bot.bot_info_version.is_some(), "it is one");
    assert_eq!(bot.username.as_deref(), Some("test77_bot"));
    assert_eq!(who_am_i(&mut client), Ok(77));
}

#[test]
fn nobody_signs_in_before_init_connection() {
    let dc: TestDc = world(|_| {});
    let mut client = Client::new(&dc, 1);
    let not_inited = "400 CONNECTION_NOT_INITED";
    assert_eq!(client.call(&send_code(ANN)).unwrap_err(), not_inited);
    let with_layer = mtproto_schema::api::functions::InvokeWithLayer {
        layer: LAYER,
        query: send_code(ANN),
    };
    assert_eq!(client.call(&with_layer).unwrap_err(), not_inited);
    let whole = super::support::first(send_code(ANN));
    assert!(client.call_raw(&whole.to_bytes()).is_ok());
}
