//! What survives a restart.

use std::fs;
use std::path::{Path, PathBuf};

use mtproto_proto::DcId;
use mtproto_schema::api::enums::auth::SentCode;
use mtproto_schema::api::functions::account::GetAuthorizations;
use mtproto_schema::api::functions::auth::{
    ExportAuthorization, ImportAuthorization, LogOut, SignUp,
};
use mtproto_test::{Account, DcConfig, TestDc};

use super::support::{
    ANN, UNREGISTERED, ann, client, code, say, send_code, try_sign_in, user, who_am_i, world,
};
use crate::by_hand::{Client, Door, door};

/// A file that no other test has, and that is not there.
pub fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("testdc_accounts");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{}-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn kept(path: &Path) -> TestDc {
    world(|config| config.state = Some(path.to_owned()))
}

fn refused(path: &Path) -> String {
    let mut config = DcConfig::default();
    config.state = Some(path.to_owned());
    let error = TestDc::start(config).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    error
}

#[test]
fn keys_logins_and_accounts_survive_a_restart() {
    let path = scratch("restart.json");
    let dc = kept(&path);
    let pem = dc.public_key_pem().to_owned();
    let signed_in = ann(&dc, 1);
    let nobody = client(&dc, 2);
    let mut new = client(&dc, 3);
    let phone = "+9996625555";
    let hash = code(&mut new, phone).phone_code_hash;
    say(&mut new, phone, &hash, "22222").unwrap();
    let query = SignUp {
        no_joined_notifications: false,
        phone_number: phone.into(),
        phone_code_hash: hash,
        first_name: "Eve".into(),
        last_name: "".into(),
    };
    let eve = user(new.call(&query).unwrap()).id;
    let mut left = ann(&dc, 4);
    let token = left.call(&LogOut).unwrap().future_auth_token.unwrap();
    drop(dc);

    let dc = kept(&path);
    assert_eq!(dc.public_key_pem(), pem, "clients need not be told");
    let mut signed_in = signed_in.sibling(&dc, 5);
    assert_eq!(who_am_i(&mut signed_in), Ok(11), "without initConnection");
    let logins = signed_in.call(&GetAuthorizations).unwrap().authorizations;
    assert_eq!(logins.len(), 1);
    assert_eq!(&*logins[0].device_model, "test");
    let mut nobody = nobody.sibling(&dc, 6);
    assert_eq!(who_am_i(&mut nobody).unwrap_err(), UNREGISTERED);
    let mut left = left.sibling(&dc, 7);
    assert_eq!(who_am_i(&mut left).unwrap_err(), UNREGISTERED);
    assert_eq!(who_am_i(&mut new.sibling(&dc, 8)), Ok(eve));
    assert_eq!(dc.user_of(phone), Some(eve));
    let mut query = send_code(ANN);
    query.settings.logout_tokens = Some(vec![token]);
    assert!(matches!(left.call(&query).unwrap(), SentCode::Success(_)));
    fs::remove_file(path).unwrap();
}

#[test]
fn temporary_keys_survive_and_codes_do_not() {
    let path = scratch("temporary.json");
    let dc = kept(&path);
    let mut perm = client(&dc, 1);
    let mut temp = Client::temporary(&dc, 2);
    assert_eq!(temp.bind(&perm.peer, |_| {}), Ok(true));
    user(try_sign_in(&mut temp, ANN, "22222").unwrap());
    let hash = code(&mut perm, ANN).phone_code_hash;
    drop(dc);

    let dc = kept(&path);
    assert_eq!(who_am_i(&mut temp.sibling(&dc, 3)), Ok(11), "it is bound");
    let mut perm = perm.sibling(&dc, 4);
    assert_eq!(
        who_am_i(&mut perm),
        Ok(11),
        "its login is the permanent key's"
    );
    assert_eq!(
        say(&mut perm, ANN, &hash, "22222").unwrap_err(),
        "400 PHONE_CODE_EXPIRED"
    );
    fs::remove_file(path).unwrap();
}

#[test]
fn logins_on_other_dcs_and_ended_ones_stay_what_they_are() {
    let path = scratch("transfer.json");
    let dc = kept(&path);
    let mut two = ann(&dc, 1);
    let mut four = client(door(&dc, 4), 2);
    let exported = two.call(&ExportAuthorization { dc_id: 4 }).unwrap();
    let query = ImportAuthorization {
        id: exported.id,
        bytes: exported.bytes,
    };
    user(four.call(&query).unwrap());
    let revoked = ann(&dc, 3);
    let hash = revoked.peer.key.id().0;
    let reset = mtproto_schema::api::functions::account::ResetAuthorization { hash };
    assert_eq!(two.call(&reset), Ok(true));
    drop(dc);

    let dc = kept(&path);
    let mut four = four.sibling(door(&dc, 4), 4);
    assert_eq!(who_am_i(&mut four).unwrap_err(), "303 USER_MIGRATE_2");
    let mut revoked = revoked.sibling(&dc, 5);
    assert_eq!(who_am_i(&mut revoked).unwrap_err(), "401 SESSION_REVOKED");
    fs::remove_file(path).unwrap();
}

#[test]
fn what_happened_to_an_account_counts_more_than_how_it_is_configured() {
    let path = scratch("configured.json");
    let start = |name: &str, more: bool| {
        world(|config| {
            config.state = Some(path.clone());
            config.accounts[0].first_name = Some(name.into());
            if more {
                config.accounts.push(Account::user("+9996627777"));
            }
        })
    };
    drop(start("Before", false));
    let dc = start("After", true);
    let mut ann = client(&dc, 1);
    let me = user(try_sign_in(&mut ann, ANN, "22222").unwrap());
    assert_eq!(me.first_name.as_deref(), Some("Before"));
    assert!(dc.user_of("+9996627777").is_some(), "a new one is added");
    fs::remove_file(&path).unwrap();
}

#[test]
#[cfg(unix)]
fn the_file_is_private_and_whole_at_every_moment() {
    use std::os::unix::fs::PermissionsExt;

    let path = scratch("private.json");
    // A rest of a crash, open to everybody.
    let rest = format!("{}.new", path.display());
    fs::write(&rest, "half").unwrap();
    fs::set_permissions(&rest, fs::Permissions::from_mode(0o666)).unwrap();
    let dc = kept(&path);
    let _ann = ann(&dc, 1);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["version"], 2);
    assert!(value["keys"].as_array().unwrap().len() == 1);
    assert!(!PathBuf::from(rest).exists());
    let journal = format!("{}.journal", path.display());
    let mode = fs::metadata(journal).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(dc);
    fs::remove_file(path).unwrap();
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let path = scratch("damaged.json");
    drop(kept(&path));
    let good = fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&good).unwrap();
    let changed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value = value.clone();
        change(&mut value);
        value.to_string()
    };
    for (text, message) in [
        (String::new(), "damaged"),
        (good[..good.len() / 2].to_owned(), "damaged"),
        ("{}".to_owned(), "damaged"),
        (format!("{good}x"), "damaged"),
        (changed(&|v| v["version"] = 3.into()), "version 3"),
        (changed(&|v| v["more"] = 1.into()), "unknown field `more`"),
        (
            changed(&|v| v["people"][0]["id"] = (-1).into()),
            "not positive",
        ),
        (
            changed(&|v| v["people"][1]["id"] = v["people"][0]["id"].clone()),
            "two accounts have the id",
        ),
        (changed(&|v| v["rsa"] = "x".into()), "RSA PRIVATE KEY"),
        (
            changed(&|v| {
                v["version"] = 1.into();
                v["keys"] = serde_json::json!([{
                    "dc": 2, "key": "00", "layer": 1, "device": null, "login": "None",
                    "active": 1, "ip": "",
                }]);
            }),
            "a key has 256 bytes",
        ),
        (
            changed(&|v| v["servers"][1]["state"] = "00".into()),
            "DC 4: this is no stored state of a server",
        ),
        // Ben is at home on DC 4, and only DC 2 is started.
        (good.clone(), "a DC 4"),
    ] {
        fs::write(&path, &text).unwrap();
        let mut config = DcConfig::default();
        config.state = Some(path.clone());
        if !message.contains("DC 4") {
            config.more_dcs = vec![(DcId(4), config.listen)];
        }
        let error = TestDc::start(config).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{message}");
    }
    fs::write(&path, &good).unwrap();
    drop(kept(&path));
    fs::remove_file(path).unwrap();
}

#[test]
fn two_of_them_do_not_share_a_file() {
    let path = scratch("shared.json");
    let first = kept(&path);
    assert!(refused(&path).contains("another test DC uses it"));
    drop(first);
    drop(kept(&path));
    fs::remove_file(path).unwrap();
}

#[test]
fn a_file_that_cannot_be_is_refused() {
    assert!(refused(Path::new("/nonexistent/state.json")).contains("No such file"));
}

/// What a program that was started says of itself.
pub fn program_door(program: &crate::program::Program, key: &str, number: usize) -> Door {
    let dc = &program.line["dcs"][number];
    let id = dc["id"].as_i64().unwrap();
    Door {
        addr: format!("127.0.0.1:{}", dc["port"]).parse().unwrap(),
        key: mtproto_proto::crypto::RsaPublicKey::from_pem(key).unwrap(),
        dc: DcId(i16::try_from(id).unwrap()),
    }
}
