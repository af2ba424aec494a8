//! Accounts as they are configured.
//!
//! Does: [`Account`], from a program, a flag or a JSON object; makes a [`Person`] of it.
//! In: what a test or a user of the program says. Out: people, or what is wrong with them.
//! Must not know: who signs in.
//! Spec: "User Authorization", test accounts; "Bots".

use mtproto_proto::{DcId, Rng};
use serde::Deserialize;

use super::passwords;
use super::people::{People, Person, normalize_phone};

/// Longest name that is taken, in characters; what Telegram allows.
pub const MAX_NAME: usize = 64;

/// Shortest and longest code; clients draw as many boxes as it has digits.
const CODE_LENGTHS: std::ops::RangeInclusive<usize> = 3..=10;

/// Shortest and longest username, as Telegram's.
const USERNAME_LENGTHS: std::ops::RangeInclusive<usize> = 5..=32;

/// An account to be.
///
/// It has either a `phone` or a `token`; everything else has a default.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Account {
    /// A person's number, in any notation.
    pub phone: Option<String>,
    /// A bot's token: its id, a colon, a secret.
    pub token: Option<String>,
    /// The id; a bot's stands in its token. The next free one otherwise.
    pub id: Option<i64>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name: none.
    pub last_name: Option<String>,
    /// The username, without `@`. A bot that names none gets one.
    pub username: Option<String>,
    /// The home DC. Otherwise the one that a test number names, if it is there, or the first one.
    pub dc: Option<i16>,
    /// The code that signs it in. Otherwise the digit of a test number, five times, or the code of
    /// the whole DC.
    pub code: Option<String>,
    /// The password of the second step: none.
    pub password: Option<String>,
    /// What helps to remember the password.
    pub hint: Option<String>,
    /// Whether the number is banned.
    pub banned: bool,
}

impl Account {
    /// A person with this number.
    pub fn user(phone: &str) -> Self {
        Account {
            phone: Some(phone.to_owned()),
            ..Account::default()
        }
    }

    /// A bot with this token.
    pub fn bot(token: &str) -> Self {
        Account {
            token: Some(token.to_owned()),
            ..Account::default()
        }
    }

    /// A person as a flag describes it: `+9996621234,code=12345,name=Ann,dc=2`. A value has no
    /// comma.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn parse_user(text: &str) -> Result<Self, String> {
        let (phone, rest) = text.split_once(',').unwrap_or((text, ""));
        normalize_phone(phone).ok_or_else(|| format!("`{phone}` is no phone number"))?;
        Account::user(phone).with(rest)
    }

    /// A bot as a flag describes it: `7:secret,name=Echo,username=echo_bot`.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn parse_bot(text: &str) -> Result<Self, String> {
        let (token, rest) = text.split_once(',').unwrap_or((text, ""));
        bot_id(token)?;
        Account::bot(token).with(rest)
    }

    fn with(mut self, options: &str) -> Result<Self, String> {
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let text = Some(value.to_owned());
            let number = || format!("`{name}={value}`: not a number");
            match name {
                "name" => self.first_name = text,
                "last_name" => self.last_name = text,
                "username" => self.username = text,
                "code" => self.code = text,
                "password" => self.password = text,
                "hint" => self.hint = text,
                "id" => self.id = Some(value.parse().map_err(|_| number())?),
                "dc" => self.dc = Some(value.parse().map_err(|_| number())?),
                "banned" if value.is_empty() => self.banned = true,
                _ => {
                    return Err(format!(
                        "`{option}`: an account has name=, last_name=, username=, code=, \
                         password=, hint=, id=, dc= and banned"
                    ));
                }
            }
        }
        Ok(self)
    }

    /// The person that this describes, at home on one of these DCs.
    pub(super) fn person(
        self,
        people: &People,
        dcs: &[DcId],
        rng: &mut Rng,
    ) -> Result<Person, String> {
        let (phone, id) = match (&self.phone, &self.token) {
            (Some(phone), None) => {
                let phone = normalize_phone(phone)
                    .ok_or_else(|| format!("`{phone}` is no phone number"))?;
                (phone, self.id.unwrap_or_else(|| people.free_id()))
            }
            (None, Some(token)) => {
                let id = bot_id(token)?;
                if self.id.is_some_and(|other| other != id) {
                    return Err(format!("the id of the bot {id} stands in its token"));
                }
                if self.code.is_some() || self.password.is_some() {
                    return Err(format!("the bot {id} has neither code nor password"));
                }
                (String::new(), id)
            }
            _ => return Err("an account has either a phone or a token".to_owned()),
        };
        let name = self.first_name.unwrap_or_else(|| match phone.len() {
            0 => "Bot".to_owned(),
            len => format!(
                "User {}",
                phone.get(len.saturating_sub(4)..).unwrap_or(&phone)
            ),
        });
        let last_name = self.last_name.unwrap_or_default();
        if name.is_empty() || name.chars().chain(last_name.chars()).count() > 2 * MAX_NAME {
            return Err(format!("`{name}`: a name has 1 to {MAX_NAME} characters"));
        }
        if let Some(code) = &self.code {
            check_code(code)?;
        }
        if let Some(username) = &self.username {
            check_username(username)?;
        }
        let dc = match self.dc {
            Some(dc) if dcs.contains(&DcId(dc)) => DcId(dc),
            Some(dc) => return Err(format!("there is no DC {dc}")),
            None => home(&phone, dcs),
        };
        let mut person = Person::new(id, i64::from_le_bytes(rng.array()), &name);
        person.bot = self.token.is_some();
        person.username = match self.username {
            None if person.bot => Some(format!("test{id}_bot")),
            other => other,
        };
        person.password = self
            .password
            .map(|password| passwords::make(&password, self.hint, rng));
        person.phone = phone;
        person.last_name = last_name;
        person.dc = dc;
        person.code = self.code;
        person.token = self.token;
        person.banned = self.banned;
        Ok(person)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("phone", &self.phone)
            .field("id", &self.id)
            .field("dc", &self.dc)
            .finish_non_exhaustive()
    }
}

/// The digit of a test number: `99966XYYYY` belongs to DC X, and its code is X five times.
pub fn test_digit(phone: &str) -> Option<char> {
    let rest = phone.strip_prefix("99966")?;
    (rest.len() == 5).then(|| rest.chars().next()).flatten()
}

/// Where a number is at home: a test number says it; others on the first DC.
pub fn home(phone: &str, dcs: &[DcId]) -> DcId {
    let named = test_digit(phone)
        .and_then(|digit| i16::try_from(digit.to_digit(10)?).ok())
        .map(DcId)
        .filter(|dc| dcs.contains(dc));
    named.or(dcs.first().copied()).unwrap_or(DcId(2))
}

/// Whether a code may be one.
///
/// # Errors
/// Why not.
pub fn check_code(code: &str) -> Result<(), String> {
    if CODE_LENGTHS.contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit()) {
        Ok(())
    } else {
        Err(format!("`{code}`: a code has 3 to 10 digits"))
    }
}

/// Whether others can name an account by this.
fn check_username(username: &str) -> Result<(), String> {
    let valid = USERNAME_LENGTHS.contains(&username.len())
        && username.starts_with(|c: char| c.is_ascii_alphabetic())
        && username
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let wrong = || format!("`{username}`: a username has 5 to 32 letters, digits and `_`, no `@`");
    if valid { Ok(()) } else { Err(wrong()) }
}

fn bot_id(token: &str) -> Result<i64, String> {
    token
        .split_once(':')
        .filter(|(_, secret)| !secret.is_empty())
        .and_then(|(id, _)| id.parse().ok())
        .filter(|id| *id > 0)
        .ok_or_else(|| "a bot's token is its id, a colon and a secret".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DCS: [DcId; 2] = [DcId(2), DcId(1)];

    fn person(account: Account) -> Result<Person, String> {
        account.person(&People::new(), &DCS, &mut Rng::from_seed([1; 32]))
    }

    #[test]
    fn a_flag_describes_a_person() {
        let text = "+99966 1 1234,code=777,name=Ann,last_name=Lee,username=ann_lee,id=7,banned";
        let ann = person(Account::parse_user(text).unwrap()).unwrap();
        assert_eq!(
            (ann.id, &*ann.phone, &*ann.first_name, &*ann.last_name),
            (7, "9996611234", "Ann", "Lee")
        );
        assert_eq!(ann.username.as_deref(), Some("ann_lee"));
        assert_eq!(ann.code.as_deref(), Some("777"));
        assert!(ann.banned && !ann.bot);
        assert_eq!(ann.dc, DcId(1), "as its number says");
        let elsewhere = person(Account::parse_user("+9996631234").unwrap()).unwrap();
        assert_eq!(elsewhere.dc, DcId(2), "there is no DC 3");
    }

    #[test]
    fn a_flag_describes_a_bot() {
        let bot = person(Account::parse_bot("77:secret,name=Echo,dc=1").unwrap()).unwrap();
        assert_eq!((bot.id, bot.bot, bot.dc), (77, true, DcId(1)));
        assert_eq!(bot.username.as_deref(), Some("test77_bot"));
    }

    #[test]
    fn mistakes_are_named() {
        for (flag, message) in [
            ("x", "`x` is no phone number"),
            ("+9996621234,colour=red", "`colour=red`: an account has"),
            ("+9996621234,dc=two", "`dc=two`: not a number"),
            ("+9996621234,banned=yes", "`banned=yes`: an account has"),
        ] {
            let error = Account::parse_user(flag).unwrap_err();
            assert!(error.contains(message), "{flag}: {error}");
        }
        for token in ["", "7", "7:", "x:y", "-7:y", "0:y"] {
            let error = Account::parse_bot(token).unwrap_err();
            assert!(error.contains("token"), "{token}: {error}");
        }
        for (account, message) in [
            (Account::default(), "either a phone or a token"),
            (Account::parse_user("+9996621234,dc=5").unwrap(), "no DC 5"),
            (
                Account::parse_user("+9996621234,username=ann").unwrap(),
                "5 to 32 letters",
            ),
            (
                Account::parse_user("+9996621234,code=12").unwrap(),
                "3 to 10 digits",
            ),
            (
                Account::parse_bot("7:y,code=12345").unwrap(),
                "neither code nor password",
            ),
            (
                Account::parse_user("+9996621234,name=").unwrap(),
                "1 to 64 characters",
            ),
        ] {
            let error = person(account).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
