//! Which key is signed in as whom.
//!
//! Does: [`Logins`] keeps what each key said of itself and who signed in with it. Logins belong to
//! permanent keys.
//! In: what `initConnection` says, sign-ins and their ends. Out: the same.
//! Must not know: how one signs in; streams.
//! Spec: "Calling methods", "User Authorization", "Perfect Forward Secrecy".

use std::collections::BTreeMap;

use mtproto_proto::{AuthKeyId, DcId};
use serde::{Deserialize, Serialize};

use super::saved;

/// Keys that are remembered. Beyond, one without a login is forgotten, and its client is told
/// `CONNECTION_NOT_INITED`, on which clients initialise again.
const MAX_KEYS: usize = 1 << 16;

/// A key of one DC: the permanent one, or a temporary one that is not bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAt {
    /// The DC.
    #[serde(with = "saved::dc")]
    pub dc: DcId,
    /// The key.
    #[serde(with = "saved::key")]
    pub key: AuthKeyId,
}

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The program's number.
    pub api_id: i32,
    /// The machine.
    pub model: String,
    /// Its operating system.
    pub system: String,
    /// The program's version.
    pub app: String,
}

/// Whether somebody is signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Login {
    /// Nobody.
    #[default]
    None,
    /// This account, as soon as it has said its password.
    Password(i64),
    /// This one.
    In(SignedIn),
    /// Nobody any more: it was ended from elsewhere.
    Revoked,
    /// The key was used in two places at once and is dead.
    Duplicated,
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIn {
    /// Who.
    pub user: i64,
    /// Names the login to others of the same account: its key's id.
    pub hash: i64,
    /// Since when, in Unix seconds.
    pub since: i32,
    /// The key that it was imported from; it ends with that one's login.
    pub from: Option<KeyAt>,
}

/// All that is known of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The layer that it speaks; 0 before it said so.
    pub layer: i32,
    /// Since it initialised.
    pub device: Option<Device>,
    /// Who signed in.
    pub login: Login,
    /// When it was last heard of, in Unix seconds.
    pub active: i32,
    /// From where.
    pub ip: String,
}

/// All keys that said something.
#[derive(Debug, Default)]
pub struct Logins {
    keys: BTreeMap<KeyAt, Known>,
}

impl Logins {
    /// What is known of a key.
    pub fn get(&self, at: KeyAt) -> Option<&Known> {
        self.keys.get(&at)
    }

    /// All keys that something is known of.
    pub fn iter(&self) -> impl Iterator<Item = (KeyAt, &Known)> {
        self.keys.iter().map(|(at, known)| (*at, known))
    }

    /// What is known of a key, to add to it.
    pub fn entry(&mut self, at: KeyAt) -> &mut Known {
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(&at) {
            let nobody = self.keys.iter().find(|(_, k)| k.login == Login::None);
            let first = nobody.or_else(|| self.keys.first_key_value());
            if let Some(at) = first.map(|(at, _)| *at) {
                self.keys.remove(&at);
            }
        }
        self.keys.entry(at).or_default()
    }

    /// Who is signed in with a key.
    pub fn signed_in(&self, at: KeyAt) -> Option<&SignedIn> {
        match &self.keys.get(&at)?.login {
            Login::In(login) => Some(login),
            Login::None | Login::Password(_) | Login::Revoked | Login::Duplicated => None,
        }
    }

    /// The logins of an account that were not imported, oldest first.
    pub fn of(&self, user: i64) -> Vec<(KeyAt, &Known, &SignedIn)> {
        let mut logins: Vec<_> = self
            .keys
            .iter()
            .filter_map(|(at, known)| {
                let login = self.signed_in(*at)?;
                (login.user == user && login.from.is_none()).then_some((*at, known, login))
            })
            .collect();
        logins.sort_by_key(|(at, _, login)| (login.since, *at));
        logins
    }

    /// Somebody signed in, or has to say a password.
    pub fn set(&mut self, at: KeyAt, login: Login) {
        self.end_imported(at);
        self.entry(at).login = login;
    }

    /// A login ends, and those that were imported from it with it; `then` is left in its place.
    pub fn end(&mut self, at: KeyAt, then: &Login) {
        self.end_imported(at);
        if let Some(known) = self.keys.get_mut(&at) {
            known.login = then.clone();
        }
    }

    /// An account is at home on a DC from now on: what was imported there stands on its own.
    pub fn settle(&mut self, user: i64, dc: DcId) {
        for (at, known) in &mut self.keys {
            if let Login::In(login) = &mut known.login
                && at.dc == dc
                && login.user == user
            {
                login.from = None;
            }
        }
    }

    fn end_imported(&mut self, from: KeyAt) {
        for known in self.keys.values_mut() {
            if let Login::In(login) = &known.login
                && login.from == Some(from)
            {
                known.login = Login::Revoked;
            }
        }
    }

    /// Forgets a key that is gone.
    pub fn forget(&mut self, at: KeyAt) {
        self.end_imported(at);
        self.keys.remove(&at);
    }

    /// A temporary key is bound: what it said of itself holds for the permanent one.
    pub fn bound(&mut self, temp: KeyAt, perm: KeyAt) {
        let Some(said) = self.keys.remove(&temp) else {
            return;
        };
        let known = self.entry(perm);
        if said.layer != 0 {
            known.layer = said.layer;
        }
        known.device = said.device.or(known.device.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(dc: i16, key: i64) -> KeyAt {
        KeyAt {
            dc: DcId(dc),
            key: AuthKeyId(key),
        }
    }

    fn login(user: i64, from: Option<KeyAt>) -> Login {
        Login::In(SignedIn {
            user,
            hash: 1,
            since: 1,
            from,
        })
    }

    #[test]
    fn an_imported_login_ends_with_the_one_it_came_from() {
        let mut logins = Logins::default();
        logins.set(at(2, 1), login(7, None));
        logins.set(at(4, 2), login(7, Some(at(2, 1))));
        logins.set(at(4, 3), login(7, Some(at(2, 9))));
        assert_eq!(logins.of(7).len(), 1, "imported ones do not count");
        logins.end(at(2, 1), &Login::None);
        assert_eq!(logins.get(at(4, 2)).unwrap().login, Login::Revoked);
        assert!(logins.signed_in(at(4, 3)).is_some());
    }

    #[test]
    fn an_imported_login_stands_on_its_own_where_the_account_has_moved_to() {
        let mut logins = Logins::default();
        logins.set(at(2, 1), login(7, None));
        logins.set(at(4, 2), login(7, Some(at(2, 1))));
        logins.settle(7, DcId(4));
        // The former home gets the account from the new one.
        logins.set(at(2, 1), login(7, Some(at(4, 2))));
        assert!(logins.signed_in(at(4, 2)).is_some());
        logins.end(at(4, 2), &Login::None);
        assert!(logins.signed_in(at(2, 1)).is_none());
    }

    #[test]
    fn a_login_outlives_any_number_of_keys_without_one() {
        let mut logins = Logins::default();
        logins.set(at(2, i64::MIN), login(7, None));
        for key in 0..=MAX_KEYS {
            logins.entry(at(2, i64::try_from(key).unwrap())).layer = 1;
        }
        assert_eq!(logins.keys.len(), MAX_KEYS);
        assert!(logins.signed_in(at(2, i64::MIN)).is_some());
    }
}
