//! Pairs of real clients, and of one of them with our own: who talks with whom, and where.

use std::path::Path;

use mtproto_proto::DcId;
use mtproto_proto::client::portable::{Format, Portable};
use serde_json::json;

use crate::Dc;
use crate::ours::Ours;
use crate::program::Program;
use crate::talk::{
    ANN, BEN, Names, PASSWORD, TOKEN, accounts, ann, ben, converse, dc, first_words, hears, history,
};
use crate::users::{Process, User};

#[test]
fn two_users_of_telethon_talk_with_each_other() {
    let dc = dc("telethon-talk");
    let Some(mut a) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let mut b = Process::telethon(&dc, "Ben, Telethon").unwrap();
    converse(&mut a, &mut b);
}

#[test]
fn two_users_of_mtcute_talk_with_each_other() {
    let dc = dc("mtcute-talk");
    let Some(mut a) = Process::mtcute(&dc, "Ann, mtcute", &[]) else {
        return;
    };
    let mut b = Process::mtcute(&dc, "Ben, mtcute", &["--pfs"]).unwrap();
    converse(&mut a, &mut b);
}

#[test]
fn a_user_of_telethon_and_one_of_mtcute_talk_with_each_other() {
    let dc = dc("mixed-talk");
    let Some(mut a) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let Some(mut b) = Process::mtcute(&dc, "Ben, mtcute", &[]) else {
        return;
    };
    converse(&mut a, &mut b);
}

#[test]
fn a_user_of_telethon_and_one_of_ours_talk_with_each_other() {
    let dc = dc("ours-telethon");
    let Some(mut a) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let mut b = Ours::new(&dc, "Ben, ours");
    converse(&mut a, &mut b);
}

#[test]
fn a_user_of_ours_and_one_of_mtcute_talk_with_each_other() {
    let dc = dc("ours-mtcute");
    let Some(mut b) = Process::mtcute(&dc, "Ben, mtcute", &[]) else {
        return;
    };
    let mut a = Ours::new(&dc, "Ann, ours");
    converse(&mut a, &mut b);
}

#[test]
fn an_account_moves_from_telethon_to_mtcute_and_back() {
    let dc = dc("moves");
    let Some(mut telethon) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let Some(mut mtcute) = Process::mtcute(&dc, "Ann, mtcute", &[]) else {
        return;
    };
    let names = ann(&mut telethon);
    telethon.must(json!({"do": "send", "to": "me", "text": "remember the milk"}));

    // Telethon's text says where and with which key; mtcute's has room for more.
    let text = telethon.must(json!({"do": "session_text"}));
    telethon.must(json!({"do": "drop"}));
    let mut portable = Portable::parse(text["text"].as_str().unwrap()).unwrap();
    assert_eq!(portable.format, Some(Format::Telethon));
    assert_eq!(
        portable.addr.map(|addr| addr.port()),
        Some(dc.program.port())
    );
    (portable.user_id, portable.bot) = (Some(names.id), Some(false));
    let text = portable.to_mtcute().unwrap();
    let came = mtcute.must(json!({"do": "connect", "session": *text}));
    assert_eq!(came["authorized"], true);
    assert_eq!(mtcute.must(json!({"do": "me"}))["user"], names.id);
    assert_eq!(
        history(&mut mtcute, &names.id.into()),
        ["remember the milk"]
    );
    mtcute.must(json!({"do": "send", "to": "me", "text": "and the bread"}));

    let text = mtcute.must(json!({"do": "session_text"}));
    mtcute.must(json!({"do": "drop"}));
    let portable = Portable::parse(text["text"].as_str().unwrap()).unwrap();
    assert_eq!(portable.format, Some(Format::Mtcute));
    assert_eq!(
        (portable.user_id, portable.bot),
        (Some(names.id), Some(false))
    );
    let text = portable.to_telethon().unwrap();
    let came = telethon.must(json!({"do": "connect", "session": *text}));
    assert_eq!(came["authorized"], true);
    assert_eq!(telethon.must(json!({"do": "me"}))["user"], names.id);
    let said = history(&mut telethon, &"me".into());
    assert_eq!(said, ["remember the milk", "and the bread"]);
}

#[test]
fn an_account_moves_from_telethon_to_us_and_on_to_mtcute() {
    let dc = dc("moves-on");
    let Some(mut telethon) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let Some(mut mtcute) = Process::mtcute(&dc, "Ann, mtcute", &[]) else {
        return;
    };
    let mut ours = Ours::new(&dc, "Ann, ours");
    let names = ann(&mut telethon);
    telethon.must(json!({"do": "send", "to": "me", "text": "one"}));
    let text = telethon.must(json!({"do": "session_text"}));
    telethon.must(json!({"do": "drop"}));

    let came = ours.must(json!({"do": "connect", "session": text["text"]}));
    assert_eq!(came["authorized"], true);
    assert_eq!(ours.must(json!({"do": "me"}))["user"], names.id);
    assert_eq!(history(&mut ours, &"me".into()), ["one"]);
    ours.must(json!({"do": "send", "to": "me", "text": "two"}));
    ours.must(json!({"do": "drop"}));

    let mut portable = ours.portable().unwrap();
    assert_eq!(
        portable.addr.map(|addr| addr.port()),
        Some(dc.program.port())
    );
    (portable.user_id, portable.bot) = (Some(names.id), Some(false));
    let text = portable.to_mtcute().unwrap();
    let came = mtcute.must(json!({"do": "connect", "session": *text}));
    assert_eq!(came["authorized"], true);
    assert_eq!(history(&mut mtcute, &names.id.into()), ["one", "two"]);
}

#[test]
fn a_bot_of_telethon_answers_a_user_of_mtcute() {
    let dc = dc("bot");
    let Some(mut bot) = Process::telethon(&dc, "Echo, Telethon") else {
        return;
    };
    let Some(mut user) = Process::mtcute(&dc, "Ann, mtcute", &[]) else {
        return;
    };
    let ann = ann(&mut user);
    answers_as_a_bot(&mut bot, &mut user, &ann);
}

#[test]
fn a_bot_of_mtcute_answers_a_user_of_telethon() {
    let dc = dc("mtcute-bot");
    let Some(mut bot) = Process::mtcute(&dc, "Echo, mtcute", &[]) else {
        return;
    };
    let Some(mut user) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let ann = ann(&mut user);
    answers_as_a_bot(&mut bot, &mut user, &ann);
}

#[test]
fn a_bot_of_ours_answers_a_user_of_telethon() {
    let dc = dc("ours-bot");
    let Some(mut user) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let mut bot = Ours::new(&dc, "Echo, ours");
    let ann = ann(&mut user);
    answers_as_a_bot(&mut bot, &mut user, &ann);
}

fn answers_as_a_bot(bot: &mut dyn User, user: &mut dyn User, ann: &Names) {
    bot.must(json!({"do": "connect"}));
    let said = bot.must(json!({"do": "sign_in_bot", "token": TOKEN}));
    assert_eq!((&said["user"], &said["bot"]), (&4242.into(), &true.into()));
    let found = user.must(json!({"do": "resolve", "username": "echo_of_test_bot"}));
    assert_eq!(found["user"], 4242);
    for text in ["/start", "say something"] {
        user.must(json!({"do": "send", "to": "echo_of_test_bot", "text": text}));
        let heard = hears(bot, ann, text);
        bot.must(json!({"do": "send", "to": heard["chat"], "text": format!("you said {text}"), "reply_to": heard["message"]}));
        let echo = user.event_where("message", &|event| event["out"] == false);
        assert_eq!(echo["text"], format!("you said {text}"));
        assert_eq!(echo["from"], 4242);
    }
}

#[test]
fn an_unknown_test_number_signs_up_with_telethon() {
    let dc = dc("sign-up");
    let Some(mut user) = Process::telethon(&dc, "somebody, Telethon") else {
        return;
    };
    user.must(json!({"do": "connect"}));
    let said = user.must(
        json!({"do": "sign_up", "phone": "+9996623333", "code": "22222", "first_name": "Cleo"}),
    );
    assert_eq!(said["required"], true);
    assert_eq!(user.must(json!({"do": "me"}))["first_name"], "Cleo");
}

/// Both begin at DC 2 and are sent to where the account is at home.
fn dc_of_others(test: &str) -> Dc {
    Dc::with(
        test,
        &json!({
            "dcs": [{"id": 2}, {"id": 4}],
            "accounts": [
                {"phone": ANN, "first_name": "Ann", "username": "ann_of_test", "dc": 4, "code": "22222"},
                {"phone": BEN, "first_name": "Ben", "username": "ben_of_test", "dc": 4, "password": PASSWORD},
            ],
        }),
    )
}

#[test]
fn accounts_of_another_dc_are_found_there() {
    let dc = dc_of_others("elsewhere");
    let Some(mut a) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let Some(mut b) = Process::mtcute(&dc, "Ben, mtcute", &[]) else {
        return;
    };
    let (ann, ben) = (ann(&mut a), ben(&mut b));
    first_words(&mut a, &mut b, &ann, &ben);
    for (user, format) in [(&mut a, Format::Telethon), (&mut b, Format::Mtcute)] {
        let text = user.must(json!({"do": "session_text"}));
        let portable = Portable::parse(text["text"].as_str().unwrap()).unwrap();
        assert_eq!(
            (portable.format, portable.dc),
            (Some(format), DcId(4)),
            "{text}"
        );
    }
}

#[test]
fn our_account_of_another_dc_is_found_there() {
    let dc = dc_of_others("ours-elsewhere");
    let Some(mut a) = Process::telethon(&dc, "Ann, Telethon") else {
        return;
    };
    let mut b = Ours::new(&dc, "Ben, ours");
    let (ann, ben) = (ann(&mut a), ben(&mut b));
    first_words(&mut a, &mut b, &ann, &ben);
    b.must(json!({"do": "drop"}));
    assert_eq!(b.portable().map(|portable| portable.dc), Some(DcId(4)));
}

/// Everybody is still signed in and connects again by themselves.
fn survive(dc: Restarted, a: &mut dyn User, b: &mut dyn User) {
    let (ann, ben) = (ann(a), ben(b));
    a.must(json!({"do": "send", "to": ben.username, "text": "before"}));
    hears(b, &ann, "before");
    let dc = dc.again();
    a.must(json!({"do": "send", "to": ben.id, "text": "after"}));
    // Whoever is new to a server gets updates after the first call. mtcute asks for what it missed
    // only when the next update shows a gap.
    b.must(json!({"do": "send", "to": ann.id, "text": "still here"}));
    hears(a, &ben, "still here");
    a.must(json!({"do": "send", "to": ben.id, "text": "good"}));
    hears(b, &ann, "after");
    hears(b, &ann, "good");
    assert_eq!(
        history(a, &ben.id.into()),
        ["before", "after", "still here", "good"]
    );
    drop(dc);
}

/// A DC that can be stopped and started again where it was.
struct Restarted {
    dc: Dc,
    flags: Vec<String>,
}

impl Restarted {
    fn new(test: &str) -> Self {
        let file = |end| {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("interop-{test}.{end}"));
            let _ = std::fs::remove_file(&path);
            path.to_str().unwrap().to_owned()
        };
        let (config, state) = (file("json"), file("state"));
        std::fs::write(&config, accounts().to_string()).unwrap();
        let flags = vec!["--state".to_owned(), state];
        let first: Vec<_> = flags
            .iter()
            .map(String::as_str)
            .chain(["--config", &config])
            .collect();
        let dc = Dc::with_flags(test, &first);
        Restarted { dc, flags }
    }

    /// Stops it and starts it again: what was answered is kept.
    fn again(self) -> Dc {
        let Restarted { dc, mut flags } = self;
        let port = dc.program.port();
        let key = dc.key.clone();
        drop(dc);
        flags.extend(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
        let program = Program::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        Dc { program, key }
    }
}

#[test]
fn telethon_and_mtcute_go_on_after_the_servers_restart() {
    let dc = Restarted::new("restart");
    let Some(mut a) = Process::telethon(&dc.dc, "Ann, Telethon") else {
        return;
    };
    let Some(mut b) = Process::mtcute(&dc.dc, "Ben, mtcute", &[]) else {
        return;
    };
    survive(dc, &mut a, &mut b);
}

#[test]
fn telethon_and_we_go_on_after_the_servers_restart() {
    let dc = Restarted::new("ours-restart");
    let Some(mut a) = Process::telethon(&dc.dc, "Ann, Telethon") else {
        return;
    };
    let mut b = Ours::new(&dc.dc, "Ben, ours");
    survive(dc, &mut a, &mut b);
}
