//! Signing in by number and code, signing up.
//!
//! Does: `auth.sendCode`, `resendCode`, `cancelCode`, `signIn`, `signUp`.
//! In: numbers and codes. Out: logins, new accounts.
//! Must not know: how a code reaches a person: tests know it.
//! Spec: "User Authorization".

use std::collections::BTreeMap;

use mtproto_schema::Encode;
use mtproto_schema::api::enums::auth::{Authorization, CodeType, SentCode, SentCodeType};
use mtproto_schema::api::functions::auth::{CancelCode, ResendCode, SendCode, SignIn, SignUp};
use mtproto_schema::api::types;

use super::super::account::{MAX_NAME, home, test_digit};
use super::super::logins::KeyAt;
use super::super::people::{Person, normalize_phone};
use super::super::refusal::{Refusal, Reply, bad, migrate, not_acceptable};
use super::super::world::{Call, World};

/// Codes that wait to be said; beyond, the one that ends first is dropped.
const MAX_CODES: usize = 10_000;

/// Wrong codes after which the right one does not help any more, as with Telegram.
const MAX_TRIES: u32 = 5;

/// Seconds after which a client may offer to send the code in another way.
const NEXT_TYPE_AFTER: i32 = 60;

/// The codes that were sent, by their `phone_code_hash`.
#[derive(Debug, Default)]
pub struct Codes {
    sent: BTreeMap<String, Sent>,
}

#[derive(Debug)]
struct Sent {
    phone: String,
    code: String,
    at: KeyAt,
    way: Way,
    /// When it cannot be used any more, in Unix seconds.
    due: i32,
    wrong: u32,
    /// The code was right, and nobody has the number: it may sign up.
    confirmed: bool,
}

/// How a code is sent, in the order of trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    App,
    Sms,
    Call,
}

impl Way {
    fn next(self) -> Option<Way> {
        match self {
            Way::App => Some(Way::Sms),
            Way::Sms => Some(Way::Call),
            Way::Call => None,
        }
    }
}

impl Codes {
    /// The code that was sent last to this number and may still be said.
    pub fn of(&self, phone: &str, now: i32) -> Option<&str> {
        self.sent
            .values()
            .filter(|sent| sent.phone == phone && now < sent.due)
            .max_by_key(|sent| sent.due)
            .map(|sent| &*sent.code)
    }

    fn insert(&mut self, hash: String, sent: Sent) {
        // A client that asks again means the last one.
        self.sent
            .retain(|_, old| (old.at, &old.phone) != (sent.at, &sent.phone));
        if self.sent.len() >= MAX_CODES
            && let Some(first) = self.sent.iter().min_by_key(|(_, sent)| sent.due)
        {
            let first = first.0.clone();
            self.sent.remove(&first);
        }
        self.sent.insert(hash, sent);
    }

    /// The code that this hash names, of this number.
    fn find(&mut self, hash: &str, phone: &str, now: i32) -> Result<&mut Sent, Refusal> {
        if hash.is_empty() {
            return Err(bad("PHONE_CODE_HASH_EMPTY"));
        }
        self.sent
            .get_mut(hash)
            .filter(|sent| sent.phone == phone && now < sent.due)
            .ok_or_else(|| bad("PHONE_CODE_EXPIRED"))
    }
}

impl World {
    pub(in super::super) fn send_code(&mut self, call: &Call, query: &SendCode) -> Reply {
        self.check_app(query.api_id, &query.api_hash)?;
        let phone = self.locate(call, &query.phone_number)?;
        let user = self.people.by_phone(&phone).map(|person| person.id);
        if let Some(user) = user
            && let Some(tokens) = &query.settings.logout_tokens
            && self.future.redeem(user, tokens)
        {
            let authorization = self.begin(call, user)?;
            let success = types::auth::SentCodeSuccess { authorization };
            return Ok(SentCode::Success(Box::new(success)).to_bytes());
        }
        let has_logins = user.is_some_and(|user| !self.logins.of(user).is_empty());
        let sent = Sent {
            code: self.code_for(&phone),
            at: call.at,
            way: if has_logins { Way::App } else { Way::Sms },
            due: call.now.saturating_add(self.rules.code_lifetime),
            wrong: 0,
            confirmed: false,
            phone,
        };
        let hash = self.random_text();
        let answer = told(&hash, &sent);
        self.codes.insert(hash, sent);
        Ok(answer.to_bytes())
    }

    pub(in super::super) fn resend_code(&mut self, call: &Call, query: &ResendCode) -> Reply {
        let phone = self.locate(call, &query.phone_number)?;
        let lifetime = self.rules.code_lifetime;
        let sent = self.codes.find(&query.phone_code_hash, &phone, call.now)?;
        let way = sent.way.next();
        sent.way = way.ok_or_else(|| not_acceptable("SEND_CODE_UNAVAILABLE"))?;
        sent.due = call.now.saturating_add(lifetime);
        Ok(told(&query.phone_code_hash, sent).to_bytes())
    }

    pub(in super::super) fn cancel_code(&mut self, call: &Call, query: &CancelCode) -> Reply {
        let phone = self.locate(call, &query.phone_number)?;
        self.codes.find(&query.phone_code_hash, &phone, call.now)?;
        self.codes.sent.remove(&*query.phone_code_hash);
        Ok(true.to_bytes())
    }

    pub(in super::super) fn sign_in(&mut self, call: &Call, query: &SignIn) -> Reply {
        let phone = self.locate(call, &query.phone_number)?;
        let may_sign_up = self.may_sign_up(&phone);
        let hash = &*query.phone_code_hash;
        let sent = self.codes.find(hash, &phone, call.now)?;
        let code = query.phone_code.as_deref().unwrap_or_default();
        if code.is_empty() {
            return Err(bad("PHONE_CODE_EMPTY"));
        }
        if code != sent.code {
            sent.wrong = sent.wrong.saturating_add(1);
            if sent.wrong >= MAX_TRIES {
                self.codes.sent.remove(hash);
            }
            return Err(bad("PHONE_CODE_INVALID"));
        }
        if let Some(person) = self.people.by_phone(&phone) {
            let id = person.id;
            let authorization = self.begin(call, id)?;
            self.codes.sent.remove(hash);
            return Ok(authorization.to_bytes());
        }
        if !may_sign_up {
            return Err(bad("PHONE_NUMBER_UNOCCUPIED"));
        }
        sent.confirmed = true;
        let required = types::auth::AuthorizationSignUpRequired {
            terms_of_service: None,
        };
        Ok(Authorization::SignUpRequired(required).to_bytes())
    }

    pub(in super::super) fn sign_up(&mut self, call: &Call, query: &SignUp) -> Reply {
        let phone = self.locate(call, &query.phone_number)?;
        let hash = &*query.phone_code_hash;
        let confirmed = self.codes.find(hash, &phone, call.now)?.confirmed;
        if self.people.by_phone(&phone).is_some() {
            return Err(bad("PHONE_NUMBER_OCCUPIED"));
        }
        if !self.may_sign_up(&phone) {
            return Err(bad("PHONE_NUMBER_UNOCCUPIED"));
        }
        if !confirmed {
            return Err(bad("PHONE_CODE_INVALID"));
        }
        let (first, last) = (query.first_name.trim(), query.last_name.trim());
        if first.is_empty() || first.chars().count() > MAX_NAME {
            return Err(bad("FIRSTNAME_INVALID"));
        }
        if last.chars().count() > MAX_NAME {
            return Err(bad("LASTNAME_INVALID"));
        }
        let access_hash = i64::from_le_bytes(self.rng.array());
        let mut person = Person::new(self.people.free_id(), access_hash, first);
        person.last_name = last.to_owned();
        person.phone = phone;
        person.dc = call.at.dc;
        let id = person.id;
        self.people
            .insert(person)
            .map_err(|_| bad("PHONE_NUMBER_FLOOD"))?;
        self.codes.sent.remove(hash);
        Ok(self.begin(call, id)?.to_bytes())
    }

    /// The number as it is kept, if it may sign in on this DC.
    fn locate(&self, call: &Call, phone: &str) -> Result<String, Refusal> {
        let phone = normalize_phone(phone).ok_or_else(|| bad("PHONE_NUMBER_INVALID"))?;
        let (what, dc) = match self.people.by_phone(&phone) {
            Some(person) if person.banned => return Err(bad("PHONE_NUMBER_BANNED")),
            Some(person) => ("PHONE", person.dc),
            None if test_digit(&phone).is_some() => ("PHONE", home(&phone, &self.dc_ids())),
            None => ("NETWORK", self.rules.network_dc.unwrap_or(call.at.dc)),
        };
        if dc == call.at.dc {
            Ok(phone)
        } else {
            Err(migrate(what, dc))
        }
    }

    fn may_sign_up(&self, phone: &str) -> bool {
        self.rules.sign_up || test_digit(phone).is_some()
    }

    fn code_for(&self, phone: &str) -> String {
        let own = self.people.by_phone(phone).and_then(|p| p.code.clone());
        own.or_else(|| test_digit(phone).map(|digit| digit.to_string().repeat(5)))
            .unwrap_or_else(|| self.rules.code.clone())
    }
}

/// What the client learns of a code that was sent.
fn told(hash: &str, sent: &Sent) -> SentCode {
    let length = i32::try_from(sent.code.len()).unwrap_or(i32::MAX);
    let r#type = match sent.way {
        Way::App => SentCodeType::App(types::auth::SentCodeTypeApp { length }),
        Way::Sms => SentCodeType::Sms(types::auth::SentCodeTypeSms { length }),
        Way::Call => SentCodeType::Call(types::auth::SentCodeTypeCall { length }),
    };
    let next_type = sent.way.next().map(|way| match way {
        Way::App | Way::Sms => CodeType::Sms,
        Way::Call => CodeType::Call,
    });
    SentCode::SentCode(Box::new(types::auth::SentCode {
        r#type,
        phone_code_hash: hash.into(),
        timeout: next_type.is_some().then_some(NEXT_TYPE_AFTER),
        next_type,
    }))
}
