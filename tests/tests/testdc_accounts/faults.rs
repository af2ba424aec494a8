//! Errors and flood waits on demand.

use mtproto_schema::api::functions::help::GetConfig;
use mtproto_test::{DcConfig, Failure, TestDc};

use super::support::{ANN, ann, client, send_code, who_am_i, world};

#[test]
fn the_next_calls_fail_as_told_and_then_no_more() {
    let dc = world(|_| {});
    let mut client = ann(&dc, 1);
    dc.fail_next("users.getUsers", 2, 500, "RPC_CALL_FAIL")
        .unwrap();
    dc.fail_next("users.getUsers", 1, -503, "Timeout").unwrap();
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(who_am_i(&mut client).err());
    }
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        answers,
        [
            text("500 RPC_CALL_FAIL"),
            text("500 RPC_CALL_FAIL"),
            text("-503 Timeout"),
            None
        ]
    );
}

#[test]
fn before_the_sign_in_too() {
    let dc = world(|_| {});
    let mut client = client(&dc, 1);
    for text in ["AUTH_RESTART", "PHONE_NUMBER_FLOOD"] {
        dc.fail_next("auth.sendCode", 1, 500, text).unwrap();
        assert_eq!(
            client.call(&send_code(ANN)).unwrap_err(),
            format!("500 {text}")
        );
    }
    dc.fail_next("help.getConfig", 1, 420, "FLOOD_WAIT_3")
        .unwrap();
    assert_eq!(client.call(&GetConfig).err().unwrap(), "420 FLOOD_WAIT_3");
    assert!(client.call(&GetConfig).is_ok());
}

#[test]
fn a_limited_method_says_how_long_to_wait_to_each_account_by_itself() {
    let dc = world(|config| {
        config.floods.insert("users.getUsers".into(), 1_000);
    });
    let mut one = ann(&dc, 1);
    let mut two = ann(&dc, 2);
    assert_eq!(who_am_i(&mut one), Ok(11));
    let error = who_am_i(&mut two).unwrap_err();
    let wait: i32 = error
        .strip_prefix("420 FLOOD_WAIT_")
        .unwrap()
        .parse()
        .unwrap();
    assert!((900..=1_000).contains(&wait), "{error}");
    let mut bot = client(&dc, 3);
    bot.call(&super::support::bot_sign_in(super::support::BOT))
        .unwrap();
    assert_eq!(who_am_i(&mut bot), Ok(77));
    dc.flood("users.getUsers", 0).unwrap();
    assert_eq!(who_am_i(&mut two), Ok(11));
}

#[test]
fn methods_that_do_not_exist_cannot_fail() {
    let dc = world(|_| {});
    for error in [
        dc.fail_next("users.getUser", 1, 500, "X"),
        dc.flood("users.getUser", 1),
    ] {
        assert!(error.unwrap_err().to_string().contains("users.getUser"));
    }
    let start = |change: fn(&mut DcConfig)| {
        let mut config = DcConfig::default();
        change(&mut config);
        TestDc::start(config).unwrap_err().to_string()
    };
    assert!(
        start(|config| {
            config.floods.insert("x".into(), 1);
        })
        .contains("`x`")
    );
    assert!(
        start(|config| config.failures.push(Failure {
            method: "y".into(),
            times: 1,
            code: 500,
            text: "X".into(),
        }))
        .contains("`y`")
    );
}
