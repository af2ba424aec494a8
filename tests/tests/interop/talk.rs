//! Real clients in conversation at our DC.
//!
//! The same conversation for each pair of libraries: whatever one says, the other sees, once and
//! in order, as it happens and when it comes back later.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Dc;
use crate::users::User;

/// Messages that each sends in one go.
const BURST: usize = 15;

pub const ANN: &str = "+9996621111";
pub const BEN: &str = "+9996622222";
pub const PASSWORD: &str = "correct horse battery staple, \u{e4}\u{f6}\u{fc}";

pub const TOKEN: &str = "4242:bots-have-tokens";

/// A DC where Ann and Ben live; Ben has a password.
pub fn dc(test: &str) -> Dc {
    Dc::with(test, &accounts())
}

pub fn accounts() -> Value {
    json!({
            "accounts": [
                {"phone": ANN, "first_name": "Ann", "username": "ann_of_test"},
                {"phone": BEN, "first_name": "Ben", "username": "ben_of_test", "password": PASSWORD, "hint": "a horse"},
                {"token": TOKEN, "first_name": "Echo", "username": "echo_of_test_bot"},
            ],
    })
}

/// What Telethon and all others say of a wrong code, and of a wrong password.
const CODE_REFUSED: [&str; 2] = ["PhoneCodeInvalidError", "PHONE_CODE_INVALID"];
const PASSWORD_REFUSED: [&str; 2] = ["PasswordHashInvalidError", "PASSWORD_HASH_INVALID"];

/// What somebody is called.
pub struct Names {
    pub id: i64,
    pub username: &'static str,
}

/// Signs Ann in by a code, with a wrong one first.
pub fn ann(user: &mut dyn User) -> Names {
    assert_eq!(user.must(json!({"do": "connect"}))["authorized"], false);
    let said =
        user.must(json!({"do": "sign_in", "phone": ANN, "code": "22222", "wrong_code": "54321"}));
    assert_eq!(said["password"], false, "{said}");
    let refused = said["refused"][0].as_str().unwrap();
    assert!(CODE_REFUSED.contains(&refused), "{said}");
    signed_in(user, &said, "Ann", "ann_of_test")
}

/// Signs Ben in by a code and a password, with a wrong one first.
pub fn ben(user: &mut dyn User) -> Names {
    assert_eq!(user.must(json!({"do": "connect"}))["authorized"], false);
    let said = user.must(json!({
        "do": "sign_in", "phone": BEN, "code": "22222",
        "password": PASSWORD, "wrong_password": "Correct horse battery staple",
    }));
    assert_eq!(said["password"], true, "{said}");
    let refused = said["refused"][0].as_str().unwrap();
    assert!(PASSWORD_REFUSED.contains(&refused), "{said}");
    signed_in(user, &said, "Ben", "ben_of_test")
}

fn signed_in(user: &mut dyn User, said: &Value, first_name: &str, username: &'static str) -> Names {
    let me = user.must(json!({"do": "me"}));
    assert_eq!(me["user"], said["user"]);
    assert_eq!(me["first_name"], first_name);
    assert_eq!(me["username"], username);
    Names {
        id: me["user"].as_i64().unwrap(),
        username,
    }
}

/// Next, this message comes to somebody from somebody else.
pub fn hears(user: &mut dyn User, from: &Names, text: &str) -> Value {
    let event = user.event_where("message", &|event| event["out"] == false);
    assert_eq!(event["text"], text, "{}: {event}", user.name());
    assert_eq!(event["from"], from.id, "{}: {event}", user.name());
    event
}

/// The texts of a chat as somebody has them, oldest first.
pub fn history(user: &mut dyn User, chat: &Value) -> Vec<String> {
    let got = user.must(json!({"do": "history", "chat": chat}));
    let mut texts: Vec<_> = got["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["text"].as_str().unwrap_or_default().to_owned())
        .collect();
    texts.reverse();
    texts
}

/// All of it.
pub fn converse(a: &mut dyn User, b: &mut dyn User) {
    let (ann, ben) = (ann(a), ben(b));
    first_words(a, b, &ann, &ben);
    bursts(a, b, &ann, &ben);
    changes(a, b, &ann, &ben);
    groups(a, b, &ann, &ben);
    absence(a, b, &ann, &ben);
    farewell(a);
    farewell(b);
}

/// They find each other and answer each other.
pub fn first_words(a: &mut dyn User, b: &mut dyn User, ann: &Names, ben: &Names) {
    has_heard_nothing(a);
    has_heard_nothing(b);
    let found = a.must(json!({"do": "resolve", "username": ben.username}));
    assert_eq!(
        (&found["user"], &found["first_name"]),
        (&ben.id.into(), &"Ben".into())
    );
    assert_eq!(
        a.must(json!({"do": "full", "username": ben.username}))["user"],
        ben.id
    );
    let nobody = a.ask(json!({"do": "resolve", "username": "nobody_of_test"}));
    assert!(nobody["error"].is_string(), "{nobody}");

    let hello = "Hello, Ben! \u{1f44b} \u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}";
    let sent = a.must(json!({"do": "send", "to": ben.username, "text": hello}));
    assert_eq!(sent["text"], hello);
    let heard = hears(b, ann, hello);
    b.must(json!({"do": "send", "to": heard["from"], "text": "Hello, Ann!", "reply_to": heard["message"]}));
    let answer = hears(a, ben, "Hello, Ann!");
    assert_eq!(answer["reply_to"], sent["message"], "in Ann's numbers");

    let contacts = b.must(json!({"do": "import_contact", "phone": ANN, "first_name": "Annie"}));
    assert_eq!(contacts["users"], json!([ann.id]));
}

fn has_heard_nothing(user: &mut dyn User) {
    let state = user.must(json!({"do": "state"}));
    assert!(state["pts"].as_i64().unwrap() >= 0, "{state}");
    let dialogs = user.must(json!({"do": "dialogs"}));
    assert_eq!(dialogs["dialogs"], json!([]), "nobody has spoken");
}

/// Many messages at once, both ways.
fn bursts(a: &mut dyn User, b: &mut dyn User, ann: &Names, ben: &Names) {
    for i in 0..BURST {
        a.must(json!({"do": "send", "to": ben.id, "text": format!("a{i}")}));
        b.must(json!({"do": "send", "to": ann.id, "text": format!("b{i}")}));
    }
    for i in 0..BURST {
        hears(b, ann, &format!("a{i}"));
        hears(a, ben, &format!("b{i}"));
    }
    let (of_ann, of_ben) = (history(a, &ben.id.into()), history(b, &ann.id.into()));
    assert_eq!(of_ann, of_ben);
    assert_eq!(of_ann.len(), 2 + 2 * BURST);
    assert_eq!(of_ann[2..6], ["a0", "b0", "a1", "b1"]);
    let found = a.must(json!({"do": "search", "chat": ben.id, "text": "b3"}));
    assert_eq!(found["messages"][0]["text"], "b3", "{found}");
}

/// What is edited, read, deleted or being typed is seen.
fn changes(a: &mut dyn User, b: &mut dyn User, ann: &Names, ben: &Names) {
    let dialogs = b.must(json!({"do": "dialogs"}));
    let dialog = &dialogs["dialogs"][0];
    assert_eq!(
        (&dialog["chat"], &dialog["last"]),
        (&ann.id.into(), &format!("b{}", BURST - 1).into())
    );
    assert!(dialog["unread"].as_u64().unwrap() > 0, "{dialog}");
    b.must(json!({"do": "read", "chat": ann.id}));
    let read = a.event_where("read", &|event| event["outbox"] == true);
    assert_eq!(read["chat"], ben.id, "{read}");
    let dialogs = b.must(json!({"do": "dialogs"}));
    assert_eq!(dialogs["dialogs"][0]["unread"], 0);

    b.must(json!({"do": "typing", "chat": ann.id}));
    assert_eq!(a.event("typing")["from"], ben.id);

    let sent = a.must(json!({"do": "send", "to": ben.id, "text": "a tpyo"}));
    let heard = hears(b, ann, "a tpyo");
    a.must(json!({"do": "edit", "chat": ben.id, "message_id": sent["message"], "text": "a typo"}));
    let edited = b.event("edit");
    assert_eq!(
        (&edited["text"], &edited["message"]),
        (&"a typo".into(), &heard["message"])
    );
    a.must(json!({"do": "delete", "chat": ben.id, "messages": [sent["message"]]}));
    assert_eq!(b.event("delete")["messages"], json!([heard["message"]]));
    assert_eq!(history(b, &ann.id.into()).len(), 2 + 2 * BURST);
}

/// In a basic group and in a supergroup.
fn groups(a: &mut dyn User, b: &mut dyn User, ann: &Names, ben: &Names) {
    for kind in ["group", "supergroup"] {
        let made =
            a.must(json!({"do": kind, "title": format!("A {kind}"), "users": [ben.username]}));
        let chat = &made["chat"];
        a.must(json!({"do": "send", "to": chat, "text": "all of you"}));
        let heard = b.event_where("message", &|event| event["text"] == "all of you");
        assert_eq!(
            (&heard["chat"], &heard["from"]),
            (chat, &ann.id.into()),
            "{kind}"
        );
        b.must(json!({"do": "send", "to": chat, "text": "only me"}));
        let heard = a.event_where("message", &|event| event["text"] == "only me");
        assert_eq!(
            (&heard["chat"], &heard["from"]),
            (chat, &ben.id.into()),
            "{kind}"
        );
        let (of_ann, of_ben) = (history(a, chat), history(b, chat));
        let said = |texts: &[String]| -> Vec<String> {
            texts
                .iter()
                .filter(|text| !text.is_empty())
                .cloned()
                .collect()
        };
        assert_eq!(said(&of_ann), ["all of you", "only me"], "{kind}");
        assert_eq!(said(&of_ben), said(&of_ann), "{kind}");
    }
}

/// What is said to who is away is heard on coming back, once.
fn absence(a: &mut dyn User, b: &mut dyn User, ann: &Names, ben: &Names) {
    b.must(json!({"do": "drop"}));
    for i in 0..3 {
        a.must(json!({"do": "send", "to": ben.id, "text": format!("away {i}")}));
    }
    assert_eq!(b.must(json!({"do": "connect"}))["authorized"], true);
    a.must(json!({"do": "send", "to": ben.id, "text": "back again"}));
    for i in 0..3 {
        hears(b, ann, &format!("away {i}"));
    }
    hears(b, ann, "back again");
    let more = b.next_event(Duration::from_secs(1));
    assert!(more.is_none_or(|event| event["event"] != "message"), "once");
}

/// Whoever signed out is nobody, even with the same key.
fn farewell(user: &mut dyn User) {
    let session = user.must(json!({"do": "session_text"}));
    assert_eq!(user.must(json!({"do": "sign_out"}))["signed_out"], true);
    let state = user.ask(json!({"do": "state"}));
    assert!(state["error"].is_string(), "{state}");
    user.must(json!({"do": "drop"}));
    let again = user.must(json!({"do": "connect", "session": session["text"]}));
    assert_eq!(again["authorized"], false);
}
