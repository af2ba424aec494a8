//! The accounts of a test DC: people and bots.
//!
//! Does: keeps them, finds them by id, phone, username or token; makes the API's `user` of one.
//! In: accounts from the configuration, the state file or a sign-up. Out: [`Person`]s.
//! Must not know: keys, sessions, who is signed in; messages.
//! Spec: "User Authorization", "Bots".

use std::collections::BTreeMap;
use std::fmt;

use mtproto_proto::DcId;
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Constructor, Decode};
use serde::{Deserialize, Serialize};

use super::saved;

/// Accounts at once: sign-ups are answered `PHONE_NUMBER_FLOOD` beyond. A test has a few, a test of
/// load some thousands.
const MAX_PEOPLE: usize = 100_000;

/// The first id that is given to an account that names none: of ten digits, as today's users have,
/// so that nobody takes it for the id of a basic group.
const FIRST_ID: i64 = 5_000_000_001;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Its id: positive.
    pub id: i64,
    /// What others have to show when they name it.
    pub access_hash: i64,
    /// Its number, digits only; empty for a bot.
    pub phone: String,
    /// Its name.
    pub first_name: String,
    /// Its other name; may be empty.
    pub last_name: String,
    /// Its username, without `@`.
    pub username: Option<String>,
    /// Whether it is a bot.
    pub bot: bool,
    /// The DC where it is at home.
    #[serde(with = "saved::dc")]
    pub dc: DcId,
    /// The code that signs it in; without, the one of the whole DC.
    pub code: Option<String>,
    /// A bot's token.
    pub token: Option<String>,
    /// Its second factor.
    pub password: Option<Password>,
    /// Whether its number is banned.
    pub banned: bool,
    /// Whether it ever signed in.
    pub joined: bool,
}

/// What a server keeps of a password: enough to check it, not enough to know it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Password {
    /// The first salt, with what the client added to it.
    #[serde(with = "saved::hex")]
    pub salt1: Vec<u8>,
    /// The second salt.
    #[serde(with = "saved::hex")]
    pub salt2: Vec<u8>,
    /// g to the power of the password's hash, 256 bytes, big endian.
    #[serde(with = "saved::hex")]
    pub verifier: Vec<u8>,
    /// What helps to remember it.
    pub hint: Option<String>,
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password")
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

impl Person {
    /// A person with nothing but an id, an access hash and a name, at home on DC 2.
    pub fn new(id: i64, access_hash: i64, first_name: &str) -> Self {
        Person {
            id,
            access_hash,
            phone: String::new(),
            first_name: first_name.to_owned(),
            last_name: String::new(),
            username: None,
            bot: false,
            dc: DcId(2),
            code: None,
            token: None,
            password: None,
            banned: false,
            joined: false,
        }
    }

    /// The API's object of it, as the account `me` sees it: its own number only to itself.
    pub fn user(&self, me: i64) -> types::User {
        let text = |text: &str| (!text.is_empty()).then(|| text.into());
        let mut user = bare_user(self.id);
        user.self_ = self.id == me;
        user.access_hash = Some(self.access_hash);
        user.first_name = text(&self.first_name);
        user.last_name = text(&self.last_name);
        user.username = self.username.as_deref().and_then(text);
        if self.id == me {
            user.phone = text(&self.phone);
        }
        user.bot_info_version = self.bot.then_some(1);
        user
    }

    /// [`user`](Person::user), boxed.
    pub fn boxed_user(&self, me: i64) -> enums::User {
        enums::User::User(Box::new(self.user(me)))
    }
}

/// A user without any optional field; there are fifty of them.
#[expect(
    clippy::expect_used,
    reason = "bytes of our making, in which nothing varies but the id"
)]
fn bare_user(id: i64) -> types::User {
    let mut bytes = types::User::ID.to_le_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend(id.to_le_bytes());
    types::User::from_bytes(&bytes.into()).expect("two empty words of flags and an id")
}

/// All accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    people: BTreeMap<i64, Person>,
}

impl People {
    /// No accounts.
    pub fn new() -> Self {
        People::default()
    }

    /// The account with this id.
    pub fn get(&self, id: i64) -> Option<&Person> {
        self.people.get(&id)
    }

    /// The account with this id, to change it.
    pub fn get_mut(&mut self, id: i64) -> Option<&mut Person> {
        self.people.get_mut(&id)
    }

    /// The account with this number, digits only.
    pub fn by_phone(&self, phone: &str) -> Option<&Person> {
        let of_somebody = !phone.is_empty();
        self.iter().find(|p| of_somebody && p.phone == phone)
    }

    /// The account with this username, in any case of letters and without `@`.
    pub fn by_username(&self, username: &str) -> Option<&Person> {
        self.iter().find(|p| {
            p.username
                .as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(username))
        })
    }

    /// The bot with this token.
    pub fn by_token(&self, token: &str) -> Option<&Person> {
        self.iter().find(|p| p.token.as_deref() == Some(token))
    }

    /// All accounts, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.people.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// An id that nobody has.
    pub fn free_id(&self) -> i64 {
        let last = self.people.last_key_value().map_or(0, |(id, _)| *id);
        last.saturating_add(1).max(FIRST_ID)
    }

    /// Adds an account.
    ///
    /// # Errors
    /// What of it is another one's, or that there are too many.
    pub fn insert(&mut self, person: Person) -> Result<(), String> {
        if self.people.len() >= MAX_PEOPLE {
            return Err(format!("there are {MAX_PEOPLE} accounts already"));
        }
        if person.id <= 0 {
            return Err(format!("the id {} is not positive", person.id));
        }
        if self.people.contains_key(&person.id) {
            return Err(format!("two accounts have the id {}", person.id));
        }
        if self.by_phone(&person.phone).is_some() {
            return Err(format!("two accounts have the number +{}", person.phone));
        }
        if let Some(username) = &person.username
            && self.by_username(username).is_some()
        {
            return Err(format!("two accounts have the username {username}"));
        }
        if let Some(token) = &person.token
            && self.by_token(token).is_some()
        {
            return Err("two bots have the same token".to_owned());
        }
        self.people.insert(person.id, person);
        Ok(())
    }
}

/// A number as it is kept: digits only. `None` if it is none.
///
/// Clients send it with or without `+`, spaces, hyphens and brackets. E.164 allows 15 digits; the
/// shortest numbers in use have 5.
pub fn normalize_phone(phone: &str) -> Option<String> {
    let digits: String = phone
        .chars()
        .filter(|c| !matches!(c, '+' | ' ' | '-' | '(' | ')'))
        .collect();
    let valid = (5..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    valid.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_as_digits_and_what_is_none_is_refused() {
        for (written, kept) in [
            ("+99966 2 1234", Some("9996621234")),
            ("+1 (555) 010-9999", Some("15550109999")),
            ("42777", Some("42777")),
            ("", None),
            ("1234", None),
            ("1234567890123456", None),
            ("+49 30 x", None),
            ("٤٢٧٧٧", None),
        ] {
            assert_eq!(normalize_phone(written).as_deref(), kept, "{written}");
        }
    }

    #[test]
    fn nothing_that_names_an_account_is_given_twice() {
        let mut people = People::new();
        let mut one = Person::new(7, 1, "One");
        one.phone = "9996621234".into();
        one.username = Some("one_two".into());
        people.insert(one.clone()).unwrap();
        let mut bot = Person::new(8, 1, "Bot");
        bot.token = Some("8:x".into());
        people.insert(bot.clone()).unwrap();

        let refused = |change: &dyn Fn(&mut Person)| {
            let mut other = Person::new(9, 1, "Other");
            change(&mut other);
            people.clone().insert(other).unwrap_err()
        };
        assert!(refused(&|p| p.id = 7).contains("id 7"));
        assert!(refused(&|p| p.id = 0).contains("not positive"));
        assert!(refused(&|p| p.phone = one.phone.clone()).contains("number +9996621234"));
        assert!(refused(&|p| p.username = Some("ONE_two".into())).contains("username"));
        assert!(refused(&|p| p.token = bot.token.clone()).contains("token"));
        assert_eq!(people.free_id(), FIRST_ID);
    }

    #[test]
    fn a_number_is_shown_to_its_owner_only() {
        let mut person = Person::new(7, 3, "Ann");
        person.phone = "9996621234".into();
        let (own, others) = (person.user(7), person.user(8));
        assert!(own.self_ && !others.self_);
        assert_eq!(own.phone.as_deref(), Some("9996621234"));
        assert!(others.phone.is_none());
        assert_eq!(others.access_hash, Some(3));
    }
}
