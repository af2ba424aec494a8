//! The program's flags and its configuration file.

use std::fs;

use mtproto_schema::Encode;
use mtproto_schema::api::enums;
use mtproto_schema::api::functions::{help, users};
use mtproto_test::DcConfig;
use mtproto_test::dc::digest;
use serde_json::json;

use super::state::{program_door, scratch};
use super::support::{client, code, say, send_code, try_sign_in, user, who_am_i};
use crate::program::{Program, program};

#[test]
fn a_login_survives_that_the_program_is_killed() {
    let (state, key) = (scratch("killed.json"), scratch("killed.pem"));
    let flags = [
        "--dc",
        "2",
        "--dc",
        "4",
        "--account",
        "+9996621111,name=Ann,id=11,dc=4,code=424242",
        "--key-out",
        key.to_str().unwrap(),
        "--state",
        state.to_str().unwrap(),
    ];
    let first = Program::start(&flags);
    assert_eq!(first.line["dcs"][1]["id"], 4);
    let pem = fs::read_to_string(&key).unwrap();
    let mut ann = client(program_door(&first, &pem, 1), 1);
    let me = user(try_sign_in(&mut ann, "+9996621111", "424242").unwrap());
    assert_eq!(me.id, 11);
    // Killed, not asked to end.
    drop(first);
    let second = Program::start(&flags);
    assert_eq!(fs::read_to_string(&key).unwrap(), pem);
    let mut ann = ann.sibling(program_door(&second, &pem, 1), 2);
    assert_eq!(who_am_i(&mut ann), Ok(11));
    drop(second);
    for path in [state, key] {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_was_executed_stands_in_the_log_and_clients_are_told_of_the_announced_address() {
    let (log, key) = (scratch("executed.log"), scratch("executed.pem"));
    let flags = [
        "--announce",
        "2@127.0.0.1:4430",
        "--key-out",
        key.to_str().unwrap(),
        "--log",
        log.to_str().unwrap(),
    ];
    let mut expected = Vec::new();
    for _ in 0..2 {
        let program = Program::start(&flags);
        let pem = fs::read_to_string(&key).unwrap();
        let mut one = client(program_door(&program, &pem, 0), 1);
        let config = one.call(&help::GetConfig).unwrap();
        assert_eq!(config.dc_options[0].port, 4430);
        let me = users::GetUsers {
            id: vec![enums::InputUser::InputUserSelf],
        };
        let refused = one.call(&me).err().unwrap();
        assert_eq!(refused, "401 AUTH_KEY_UNREGISTERED");
        let asked = digest(&help::GetConfig.to_bytes());
        // The kit's client has asked for it too.
        for _ in 0..2 {
            expected.push((json!("help.getConfig"), json!(asked), json!(null)));
        }
        expected.push((
            json!("users.getUsers"),
            json!(digest(&me.to_bytes())),
            json!(refused),
        ));
        // Killed: who has an answer finds its line.
        drop(program);
        let text = fs::read_to_string(&log).unwrap();
        let lines = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["dc"], 2);
            assert!(
                ["key", "session", "msg_id"]
                    .iter()
                    .all(|field| line[field].is_i64())
            );
            let field = |name: &str| line[name].clone();
            (field("method"), field("digest"), field("error"))
        });
        assert_eq!(lines.collect::<Vec<_>>(), expected);
        // A program that is killed in the middle of a line does not spoil the next one's.
        fs::write(&log, text.clone() + r#"{"dc":2,"dig"#).unwrap();
    }
    for path in [log, key] {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn accounts_and_faults_come_from_a_file_and_flags_add_to_it() {
    let (config, key) = (scratch("config.json"), scratch("config.pem"));
    let file = json!({
        "dcs": [{"id": 1}, {"id": 3, "listen": "127.0.0.1:0"}],
        "accounts": [{"phone": "+9996611111", "id": 7, "first_name": "Ann"}],
        "code": "99999",
        "sign_up": true,
        "failures": [{"method": "auth.sendCode", "code": 500, "text": "AUTH_RESTART"}],
    });
    fs::write(&config, file.to_string()).unwrap();
    let program = Program::start(&[
        "--config",
        config.to_str().unwrap(),
        "--bot",
        "8:x",
        "--flood",
        "auth.importBotAuthorization=1000",
        "--fail",
        "help.getNearestDc=2:400:NO",
        "--app",
        "1:hash",
        "--key-out",
        key.to_str().unwrap(),
    ]);
    assert_eq!(
        (&program.line["dcs"][0]["id"], &program.line["dcs"][1]["id"]),
        (&json!(1), &json!(3))
    );
    let pem = fs::read_to_string(&key).unwrap();
    let mut one = client(program_door(&program, &pem, 0), 1);
    let phone = "+9996611111";
    assert_eq!(one.call(&send_code(phone)).unwrap_err(), "500 AUTH_RESTART");
    assert_eq!(user(try_sign_in(&mut one, phone, "11111").unwrap()).id, 7);
    let stranger = "+4915112345678";
    let hash = code(&mut one, stranger).phone_code_hash;
    assert!(say(&mut one, stranger, &hash, "99999").is_ok());
    let nearest = mtproto_schema::api::functions::help::GetNearestDc;
    for _ in 0..2 {
        assert_eq!(one.call(&nearest).err().unwrap(), "400 NO");
    }
    assert!(one.call(&nearest).is_ok());
    let mut bot = client(program_door(&program, &pem, 0), 2);
    let sign_in = super::support::bot_sign_in("8:x");
    assert_eq!(user(bot.call(&sign_in).unwrap()).id, 8);
    let mut other = sign_in;
    other.api_id = 2;
    let mut third = client(program_door(&program, &pem, 1), 3);
    assert_eq!(third.call(&other).unwrap_err(), "400 API_ID_INVALID");
    drop(program);
    for path in [config, key] {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn the_help_shows_a_file_that_can_be_read() {
    let output = program(&["--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let example = &help[help.find("\n{\n").unwrap()..];
    let mut config = DcConfig::default();
    config.read_json(example).unwrap();
    assert_eq!(config.accounts.len(), 2);
    assert_eq!(config.more_dcs.len(), 1);
    assert_eq!(config.floods.len(), 1);
    assert_eq!(config.failures.len(), 1);
}

#[test]
fn mistakes_are_told_before_anybody_can_connect() {
    let config = scratch("mistakes.json");
    let file = config.to_str().unwrap();
    for (flags, message) in [
        (&["--account", "x"][..], "`x` is no phone number"),
        (
            &["--account", "+9996621111,pin=1"],
            "`pin=1`: an account has",
        ),
        (&["--account", "+9996621111,dc=9"], "there is no DC 9"),
        (
            &["--account", "+9996621111,code=x"],
            "a code has 3 to 10 digits",
        ),
        (
            &["--account", "+9996621111", "--account", "9996621111"],
            "two accounts have the number +9996621111",
        ),
        (&["--bot", "secret"], "a bot's token is its id"),
        (
            &["--bot", "7:x", "--bot", "7:y"],
            "two accounts have the id 7",
        ),
        (&["--dc", "2", "--dc", "2"], "DC 2 is named twice"),
        (&["--dc", "2@localhost"], "localhost"),
        (
            &["--dc", "2", "--dc", "4@0.0.0.0:0"],
            "not a loopback address",
        ),
        (&["--code", "x"], "a code has 3 to 10 digits"),
        (&["--app", "hash"], "an app is its api_id"),
        (&["--announce", "2"], "a DC's id, `@` and its address"),
        (
            &["--announce", "5@127.0.0.1:443"],
            "the announced DC 5 is not there",
        ),
        (
            &["--log", "/nonexistent/log"],
            "/nonexistent/log: No such file",
        ),
        (&["--network-dc", "5"], "the network's DC 5 is not there"),
        (&["--flood", "users.getUsers"], "a flood is a method"),
        (
            &["--flood", "users.get=1"],
            "there is no method `users.get`",
        ),
        (&["--fail", "users.getUsers=X"], "a failure is a method"),
        (
            &["--fail", "users.get=1:400:X"],
            "there is no method `users.get`",
        ),
        (
            &["--config", "/nonexistent.json"],
            "/nonexistent.json: No such file",
        ),
        (
            &["--state", "/nonexistent/state"],
            "/nonexistent/state: No such file",
        ),
    ] {
        refuses(flags, message);
    }
    for (text, message) in [
        ("{", "EOF while parsing"),
        (r#"{"account": []}"#, "unknown field `account`"),
        (
            r#"{"accounts": [{"phone": 1}]}"#,
            "invalid type: integer `1`",
        ),
        (r#"{"accounts": [{}]}"#, "either a phone or a token"),
        (
            r#"{"dcs": [{"id": 2, "listen": "x"}]}"#,
            "invalid socket address",
        ),
    ] {
        fs::write(&config, text).unwrap();
        refuses(&["--config", file], message);
    }
    fs::remove_file(config).unwrap();
}

fn refuses(flags: &[&str], message: &str) {
    let output = program(flags).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{flags:?}");
    assert!(output.stdout.is_empty(), "{flags:?} is not ready");
    assert!(stderr.contains(message), "{flags:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{flags:?}: {stderr}");
}
