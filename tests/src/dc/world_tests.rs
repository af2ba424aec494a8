//! What passes with time in a world, without streams and in virtual time.

use std::net::{Ipv4Addr, SocketAddr};

use mtproto_schema::api::functions::account::GetAuthorizations;
use mtproto_schema::api::functions::auth::{
    AcceptLoginToken, ExportAuthorization, ExportLoginToken, ImportAuthorization, ImportLoginToken,
    SendCode, SignIn,
};
use mtproto_schema::api::functions::{InitConnection, InvokeWithLayer};
use mtproto_schema::api::{enums, types};

use super::*;
use crate::Dice;

const BEGIN: u64 = 1_767_225_600;
const ANN: &str = "9996621111";

/// A world and the seconds since it began.
struct Clocked {
    world: World,
    seconds: u64,
}

/// The key that is the client's.
#[derive(Clone, Copy)]
struct Client {
    dc: i16,
    key: i64,
}

fn clocked() -> Clocked {
    let listen: SocketAddr = (Ipv4Addr::LOCALHOST, 1).into();
    let dcs = vec![(DcId(2), listen), (DcId(4), listen)];
    let config = DcConfig::default();
    let mut world = World::new(dcs, &config, Rng::from_seed([1; 32])).unwrap();
    world.add(Account::user(ANN)).unwrap();
    Clocked { world, seconds: 0 }
}

impl Clocked {
    fn raw(&mut self, client: Client, body: &Bytes) -> Result<Bytes, String> {
        let caller = Caller {
            dc: DcId(client.dc),
            key: AuthKeyId(client.key),
            perm: Some(AuthKeyId(client.key)),
            session: SessionId(client.key),
            ip: "127.0.0.1".to_owned(),
            elsewhere: false,
            msg_id: MsgId(0),
        };
        let now = Time::from_unix(BEGIN + self.seconds);
        match self.world.call(now, &caller, body) {
            Answer::Result(body) => Ok(body),
            Answer::Error(_, text) => Err(text),
            Answer::Bind(_) | Answer::DropTempKeys(..) => panic!("about keys"),
        }
    }

    fn call<F: Function>(&mut self, client: Client, query: F) -> Result<F::Response, String> {
        let query = InvokeWithLayer {
            layer: 230,
            query: InitConnection {
                api_id: 1,
                device_model: "m".repeat(1_000).into(),
                system_version: "s".into(),
                app_version: "a".into(),
                system_lang_code: "en".into(),
                lang_pack: "".into(),
                lang_code: "en".into(),
                proxy: None,
                params: None,
                query,
            },
        };
        let answer = self.raw(client, &query.to_bytes())?;
        Ok(F::Response::from_bytes(&answer).unwrap())
    }

    fn code(&mut self, client: Client) -> String {
        let query = SendCode {
            phone_number: ANN.into(),
            api_id: 1,
            api_hash: "hash".into(),
            settings: types::CodeSettings {
                allow_flashcall: false,
                current_number: false,
                allow_app_hash: false,
                allow_missed_call: false,
                allow_firebase: false,
                unknown_number: false,
                logout_tokens: None,
                token: None,
            },
        };
        let Ok(enums::auth::SentCode::SentCode(sent)) = self.call(client, query) else {
            panic!("there is no token");
        };
        sent.phone_code_hash.to_string()
    }

    fn say(&mut self, client: Client, hash: &str) -> Result<(), String> {
        let query = SignIn {
            phone_number: ANN.into(),
            phone_code_hash: hash.into(),
            phone_code: Some("22222".into()),
            email_verification: None,
        };
        self.call(client, query).map(|_| ())
    }

    fn sign_in(&mut self, client: Client) {
        let hash = self.code(client);
        self.say(client, &hash).unwrap();
    }

    fn show(&mut self, client: Client) -> Bytes {
        let query = ExportLoginToken {
            api_id: 1,
            api_hash: "hash".into(),
            except_ids: Vec::new(),
        };
        let Ok(enums::auth::LoginToken::LoginToken(shown)) = self.call(client, query) else {
            panic!("nobody accepted anything");
        };
        shown.token
    }
}

const OLD: Client = Client { dc: 2, key: 1 };
const NEW: Client = Client { dc: 2, key: 2 };

#[test]
fn a_code_may_be_said_for_five_minutes() {
    for (seconds, said) in [(299, Ok(())), (300, Err("PHONE_CODE_EXPIRED".to_owned()))] {
        let mut clocked = clocked();
        let hash = clocked.code(OLD);
        clocked.seconds = seconds;
        let code = clocked.world.code_of(ANN, Time::from_unix(BEGIN + seconds));
        assert_eq!(code.is_some(), said.is_ok());
        assert_eq!(clocked.say(OLD, &hash), said);
    }
}

#[test]
fn a_token_may_be_read_for_half_a_minute_and_picked_up_for_five_more() {
    let accept = |token| AcceptLoginToken { token };
    let mut clocked = clocked();
    clocked.sign_in(OLD);
    let token = clocked.show(NEW);
    clocked.seconds = 30;
    let late = clocked.call(OLD, accept(token)).err();
    assert_eq!(late.as_deref(), Some("AUTH_TOKEN_EXPIRED"));

    let token = clocked.show(NEW);
    clocked.seconds = 59;
    clocked.call(OLD, accept(token.clone())).ok().unwrap();
    clocked.seconds = 59 + 299;
    assert!(clocked.call(NEW, ImportLoginToken { token }).is_ok());

    let third = Client { dc: 2, key: 3 };
    let token = clocked.show(third);
    clocked.call(OLD, accept(token.clone())).ok().unwrap();
    clocked.seconds += 300;
    let late = clocked.call(third, ImportLoginToken { token }).err();
    assert_eq!(late.as_deref(), Some("AUTH_TOKEN_EXPIRED"));
}

#[test]
fn a_login_travels_for_five_minutes() {
    for (seconds, arrives) in [(299, true), (300, false)] {
        let mut clocked = clocked();
        clocked.sign_in(OLD);
        let exported = clocked
            .call(OLD, ExportAuthorization { dc_id: 4 })
            .ok()
            .unwrap();
        clocked.seconds = seconds;
        let query = ImportAuthorization {
            id: exported.id,
            bytes: exported.bytes,
        };
        let there = Client { dc: 4, key: 9 };
        let error = clocked.call(there, query).err();
        let late = Some("AUTH_BYTES_INVALID".to_owned());
        assert_eq!(error, if arrives { None } else { late });
    }
}

#[test]
fn a_login_tells_when_it_was_used_last_and_keeps_no_endless_names() {
    let mut clocked = clocked();
    clocked.sign_in(OLD);
    clocked.seconds = 100;
    let logins = clocked.call(OLD, GetAuthorizations).ok().unwrap();
    let login = &logins.authorizations[0];
    let begin = i32::try_from(BEGIN).unwrap();
    assert_eq!(
        (login.date_created, login.date_active),
        (begin, begin + 100)
    );
    assert_eq!(login.device_model.len(), 64);
}

#[test]
fn news_of_a_token_go_to_the_key_that_shows_it_and_to_no_other() {
    let mut clocked = clocked();
    clocked.sign_in(OLD);
    let token = clocked.show(NEW);
    while clocked.world.poll_push().is_some() {}
    clocked.call(OLD, AcceptLoginToken { token }).ok().unwrap();
    let (to, _) = clocked.world.poll_push().unwrap();
    assert_eq!(
        clocked.world.sessions_of(to),
        [(DcId(2), AuthKeyId(NEW.key), SessionId(NEW.key))]
    );
    assert!(clocked.world.poll_push().is_none());
}

#[test]
fn no_bytes_of_a_client_break_the_world() {
    const ROUNDS: usize = 300;
    let mut dice = Dice::from_env_or(11);
    let mut clocked = clocked();
    clocked.sign_in(OLD);
    let hash = clocked.code(NEW);
    let token = clocked.show(NEW);
    let exported = clocked
        .call(OLD, ExportAuthorization { dc_id: 4 })
        .ok()
        .unwrap();
    let phone = || ANN.into();
    let hash = || hash.as_str().into();
    let api_hash = || "hash".into();
    let proof = || {
        enums::InputCheckPasswordSrp::InputCheckPasswordSrp(Box::new(
            types::InputCheckPasswordSrp {
                srp_id: 1,
                a: vec![7; 256].into(),
                m1: vec![7; 32].into(),
            },
        ))
    };
    let queries = [
        f::SignIn {
            phone_number: phone(),
            phone_code_hash: hash(),
            phone_code: Some("1".into()),
            email_verification: None,
        }
        .to_bytes(),
        f::SignUp {
            no_joined_notifications: false,
            phone_number: phone(),
            phone_code_hash: hash(),
            first_name: "A".into(),
            last_name: "".into(),
        }
        .to_bytes(),
        f::ResendCode {
            phone_number: phone(),
            phone_code_hash: hash(),
            reason: None,
        }
        .to_bytes(),
        f::CancelCode {
            phone_number: phone(),
            phone_code_hash: hash(),
        }
        .to_bytes(),
        f::CheckPassword { password: proof() }.to_bytes(),
        a::GetPassword.to_bytes(),
        a::GetPasswordSettings { password: proof() }.to_bytes(),
        a::ResetAuthorization { hash: 1 }.to_bytes(),
        f::ImportBotAuthorization {
            flags: 0,
            api_id: 1,
            api_hash: api_hash(),
            bot_auth_token: "7:x".into(),
        }
        .to_bytes(),
        f::ImportLoginToken {
            token: token.clone(),
        }
        .to_bytes(),
        f::AcceptLoginToken { token }.to_bytes(),
        f::ImportAuthorization {
            id: exported.id,
            bytes: exported.bytes,
        }
        .to_bytes(),
    ];
    let abroad = Client { dc: 4, key: 3 };
    for client in [OLD, NEW, abroad] {
        let _ = clocked.call(client, GetConfig);
    }
    for round in 0..ROUNDS {
        for query in &queries {
            let mut bytes = query.to_vec();
            for _ in 0..dice.range(0..=2) {
                let at = dice.range(4..=bytes.len() as u64) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= dice.range(1..=255) as u8;
                }
            }
            if round % 3 == 0 {
                bytes.truncate(dice.range(4..=bytes.len() as u64) as usize);
            }
            for client in [OLD, NEW, abroad] {
                let _ = clocked.raw(client, &bytes.clone().into());
            }
        }
    }
    assert!(clocked.call(NEW, GetConfig).is_ok());
}
