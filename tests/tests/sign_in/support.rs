//! Driving steps, and a server's answers.

use std::fmt::Debug;

use mtproto_proto::client::CallError;
use mtproto_proto::client::sign_in::{App, Next, Route, SignInError, Step};
use mtproto_proto::crypto::dh::{Group, KNOWN_PRIME};
use mtproto_proto::crypto::srp::{Challenge, Params};
use mtproto_proto::{RequestError, Rng, RpcError};
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Bytes, Decode, Encode, Function};

pub type Answer = Result<Bytes, CallError>;

pub const PHONE: &str = "+441632960007";
pub const USER_ID: i64 = 777_000_123;

pub fn app() -> App {
    App::new(94, "secret of the application")
}

pub fn rng() -> Rng {
    Rng::from_seed([11; 32])
}

pub fn ok(value: &impl Encode) -> Answer {
    Ok(value.to_bytes())
}

pub fn rpc(code: i32, message: &str) -> Answer {
    Err(call_error(code, message))
}

pub fn call_error(code: i32, message: &str) -> CallError {
    CallError::Request(RequestError::Rpc(RpcError {
        code,
        message: message.to_owned(),
    }))
}

/// The call that the step asks for, which is of this kind and goes this way.
#[track_caller]
pub fn asked_at<F: Function + Decode>(step: &impl Step, route: Route) -> F {
    let ask = step.ask();
    assert_eq!(ask.route, route);
    assert_eq!(ask.idempotent, F::IDEMPOTENT);
    match F::from_bytes(&ask.body) {
        Ok(call) => call,
        Err(error) => panic!("not {}: {error}", F::NAME),
    }
}

#[track_caller]
pub fn asked<F: Function + Decode>(step: &impl Step) -> F {
    asked_at(step, Route::Main)
}

/// The step is done with this answer.
#[track_caller]
pub fn done<S: Step>(step: S, answer: Answer) -> S::Done {
    match step.handle(answer) {
        Ok(Next::Done(done)) => done,
        Ok(Next::Ask(_)) => panic!("another call"),
        Err(error) => panic!("{error:?}"),
    }
}

/// The step wants another call.
#[track_caller]
pub fn goes_on<S: Step>(step: S, answer: Answer) -> S {
    match step.handle(answer) {
        Ok(Next::Ask(step)) => step,
        Ok(Next::Done(_)) => panic!("done"),
        Err(error) => panic!("{error:?}"),
    }
}

/// The step fails. What it says tells what to do.
#[track_caller]
pub fn fails<S: Step>(step: S, answer: Answer) -> SignInError {
    match step.handle(answer) {
        Ok(Next::Ask(_)) => panic!("another call"),
        Ok(Next::Done(_)) => panic!("done"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() > 10 && !text.ends_with('.'), "{text}");
            error
        }
    }
}

/// What is printed has no secret of these tests.
#[track_caller]
pub fn shows_nothing(it: &impl Debug) {
    let text = format!("{it:?}");
    let secrets = [
        PHONE,
        "secret",
        "12345",
        "hunter2",
        "Grace",
        "@example",
        "110201543",
    ];
    for secret in secrets {
        assert!(!text.contains(secret), "{text}");
    }
}

pub fn user() -> types::User {
    // flags, flags2, id.
    let bare = [&[0; 8][..], &USER_ID.to_le_bytes()].concat();
    let boxed = [&0xb1b8_cc83_u32.to_le_bytes()[..], &bare].concat();
    types::User::from_bytes(&boxed.into()).unwrap()
}

pub fn authorization() -> enums::auth::Authorization {
    enums::auth::Authorization::Authorization(types::auth::Authorization {
        otherwise_relogin_days: Some(7),
        tmp_sessions: None,
        future_auth_token: Some(Bytes::from_static(b"token of a login")),
        user: enums::User::User(Box::new(user())),
    })
}

pub fn of_nobody() -> enums::auth::Authorization {
    enums::auth::Authorization::Authorization(types::auth::Authorization {
        otherwise_relogin_days: None,
        tmp_sessions: None,
        future_auth_token: None,
        user: enums::User::Empty(types::UserEmpty { id: USER_ID }),
    })
}

/// A server that knows a password.
pub struct Account {
    params: Params,
    verifier: Option<[u8; 256]>,
    challenge: Option<Challenge>,
    srp_id: i64,
    pub hint: Option<&'static str>,
    pub has_recovery: bool,
    rng: Rng,
}

impl Account {
    pub fn new(password: Option<&str>) -> Self {
        let group = Group::known(3).unwrap();
        let params = Params::new(b"salt 1", b"salt 2", group);
        let verifier = password.map(|it| params.verifier(&params.hash(it.as_bytes())));
        Account {
            params,
            verifier,
            challenge: None,
            srp_id: 0,
            hint: Some("a hint"),
            has_recovery: true,
            rng: Rng::from_seed([12; 32]),
        }
    }

    /// `account.getPassword`: numbers for one attempt.
    pub fn password(&mut self) -> types::account::Password {
        self.srp_id += 1;
        self.challenge = self
            .verifier
            .and_then(|it| Challenge::new(self.params.clone(), &it, &mut self.rng));
        let current = self.challenge.as_ref().map(|challenge| {
            Box::new(types::account::PasswordCurrentAlgoGroup {
                current_algo: algorithm(self.params.salt1(), self.params.salt2()),
                srp_b: Bytes::copy_from_slice(challenge.srp_b()),
                srp_id: self.srp_id,
            })
        });
        types::account::Password {
            has_recovery: self.has_recovery,
            has_secure_values: false,
            current_algo: current,
            hint: self.hint.map(Into::into),
            email_unconfirmed_pattern: None,
            new_algo: algorithm(b"new salt", b"new salt 2"),
            new_secure_algo: enums::SecurePasswordKdfAlgo::Unknown,
            secure_random: Bytes::from_static(&[7; 32]),
            pending_reset_date: None,
            login_email_pattern: None,
        }
    }

    /// What a server says to a proof: nothing against it, or the name of an error.
    pub fn check(&mut self, proof: &enums::InputCheckPasswordSrp) -> Result<(), &'static str> {
        match (proof, &self.verifier) {
            (enums::InputCheckPasswordSrp::InputCheckPasswordEmpty, None) => Ok(()),
            (enums::InputCheckPasswordSrp::InputCheckPasswordEmpty, Some(_)) => {
                Err("PASSWORD_HASH_INVALID")
            }
            (enums::InputCheckPasswordSrp::InputCheckPasswordSrp(it), _) => {
                let challenge = self.challenge.take().filter(|_| it.srp_id == self.srp_id);
                match challenge.ok_or("SRP_ID_INVALID")?.accepts(&it.a, &it.m1) {
                    true => Ok(()),
                    false => Err("PASSWORD_HASH_INVALID"),
                }
            }
        }
    }

    /// `account.updatePasswordSettings`.
    pub fn update(&mut self, call: &functions::account::UpdatePasswordSettings) -> Answer {
        if let Err(error) = self.check(&call.password) {
            return rpc(400, error);
        }
        let new = call.new_settings.new_algo.as_ref().unwrap();
        self.verifier = match &new.new_algo {
            enums::PasswordKdfAlgo::Unknown => {
                assert!(new.new_password_hash.is_empty());
                None
            }
            enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(it) => {
                assert!(it.salt1.starts_with(b"new salt") && it.salt1.len() == 8 + 32);
                assert_eq!(it.salt2[..], b"new salt 2"[..]);
                let group = Group::known(it.g).unwrap();
                self.params = Params::new(&it.salt1, &it.salt2, group);
                Some(new.new_password_hash[..].try_into().unwrap())
            }
        };
        ok(&true)
    }
}

pub fn algorithm(salt1: &[u8], salt2: &[u8]) -> enums::PasswordKdfAlgo {
    enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(Box::new(
        types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
            salt1: Bytes::copy_from_slice(salt1),
            salt2: Bytes::copy_from_slice(salt2),
            g: 3,
            p: prime(),
        },
    ))
}

pub fn prime() -> Bytes {
    let hex = KNOWN_PRIME.as_bytes().as_chunks::<2>().0.iter();
    hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
