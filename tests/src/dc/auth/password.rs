//! The second step, and setting it up.
//!
//! Does: `account.getPassword`, `auth.checkPassword`, `account.updatePasswordSettings`,
//! `account.getPasswordSettings`.
//! In: proofs. Out: logins, changed passwords.
//! Must not know: how the first step went.
//! Spec: "Two-factor authentication" (SRP).

use std::collections::BTreeMap;

use bytes::Bytes;
use mtproto_proto::crypto::dh::SIZE;
use mtproto_proto::crypto::srp::Challenge;
use mtproto_schema::Encode;
use mtproto_schema::api::functions::account::{GetPasswordSettings, UpdatePasswordSettings};
use mtproto_schema::api::functions::auth::CheckPassword;
use mtproto_schema::api::{enums, types};

use super::super::logins::{KeyAt, Login};
use super::super::passwords::{self, Salts};
use super::super::refusal::{Refusal, Reply, bad, unauthorized};
use super::super::world::{Call, World};

/// Proofs that are awaited; beyond, one is forgotten, and its client is told `SRP_ID_INVALID`, on
/// which clients begin anew.
const MAX_CHALLENGES: usize = 10_000;

/// Proofs that are awaited, and salts that were given away.
#[derive(Debug, Default)]
pub struct Proofs {
    challenges: BTreeMap<KeyAt, Awaited>,
    /// For the next password of each account.
    salts: BTreeMap<i64, Salts>,
}

#[derive(Debug)]
struct Awaited {
    srp_id: i64,
    user: i64,
    challenge: Challenge,
}

impl World {
    pub(in super::super) fn get_password(&mut self, call: &Call) -> Reply {
        let user = self.named_account(call)?;
        let password = self.people.get(user).and_then(|p| p.password.as_ref());
        let current = match password {
            None => None,
            Some(password) => {
                let challenge = passwords::challenge(password, &mut self.rng)
                    .ok_or_else(|| (500, "PASSWORD_UNREADABLE".to_owned()))?;
                let srp_id = i64::from_le_bytes(self.rng.array());
                let group = types::account::PasswordCurrentAlgoGroup {
                    current_algo: passwords::algo(&password.salt1, &password.salt2),
                    srp_b: Bytes::copy_from_slice(challenge.srp_b()),
                    srp_id,
                };
                let awaited = Awaited {
                    srp_id,
                    user,
                    challenge,
                };
                let challenges = &mut self.proofs.challenges;
                if challenges.len() >= MAX_CHALLENGES {
                    challenges.pop_first();
                }
                challenges.insert(call.at, awaited);
                Some(Box::new(group))
            }
        };
        let salts = self.proofs.salts.entry(user);
        let salts = salts.or_insert_with(|| Salts::new(&mut self.rng));
        let answer = types::account::Password {
            has_recovery: false,
            has_secure_values: false,
            hint: password.and_then(|p| p.hint.as_deref()).map(Into::into),
            current_algo: current,
            email_unconfirmed_pattern: None,
            new_algo: salts.algo(),
            new_secure_algo: enums::SecurePasswordKdfAlgo::Pbkdf2Hmacsha512iter100000(
                types::SecurePasswordKdfAlgoPbkdf2Hmacsha512iter100000 {
                    salt: Bytes::copy_from_slice(&self.rng.array::<8>()),
                },
            ),
            secure_random: Bytes::copy_from_slice(&self.rng.array::<SIZE>()),
            pending_reset_date: None,
            login_email_pattern: None,
        };
        Ok(answer.to_bytes())
    }

    pub(in super::super) fn check_password(&mut self, call: &Call, query: &CheckPassword) -> Reply {
        let user = self.named_account(call)?;
        self.prove(call, user, &query.password)?;
        Ok(self.admit(call, user)?.to_bytes())
    }

    pub(in super::super) fn update_password_settings(
        &mut self,
        call: &Call,
        user: i64,
        query: &UpdatePasswordSettings,
    ) -> Reply {
        self.prove(call, user, &query.password)?;
        let new = &query.new_settings;
        // Nothing here sends mail.
        if new.email.as_deref().is_some_and(|email| !email.is_empty()) {
            return Err(bad("EMAIL_INVALID"));
        }
        let Some(group) = &new.new_algo else {
            return Ok(true.to_bytes());
        };
        let password = if group.new_password_hash.is_empty() {
            None
        } else {
            let salts = self.proofs.salts.get(&user);
            let password = salts.ok_or("NEW_SALT_INVALID").and_then(|salts| {
                salts.accept(&group.new_algo, &group.new_password_hash, &group.hint)
            });
            Some(password.map_err(bad)?)
        };
        self.proofs.salts.remove(&user);
        // A proof of the old one is worth nothing any more.
        self.proofs
            .challenges
            .retain(|_, awaited| awaited.user != user);
        if let Some(person) = self.people.get_mut(user) {
            person.password = password;
        }
        Ok(true.to_bytes())
    }

    pub(in super::super) fn get_password_settings(
        &mut self,
        call: &Call,
        user: i64,
        query: &GetPasswordSettings,
    ) -> Reply {
        self.prove(call, user, &query.password)?;
        let settings = types::account::PasswordSettings {
            email: None,
            secure_settings: None,
        };
        Ok(settings.to_bytes())
    }

    /// Who is signed in with the caller's key, or about to be.
    fn named_account(&self, call: &Call) -> Result<i64, Refusal> {
        match self.logins.get(call.at).map(|known| &known.login) {
            Some(Login::Password(user)) => Ok(*user),
            Some(Login::In(login)) => Ok(login.user),
            Some(Login::None | Login::Revoked | Login::Duplicated) | None => {
                Err(unauthorized("AUTH_KEY_UNREGISTERED"))
            }
        }
    }

    /// The caller knows the account's password, if it has one.
    fn prove(
        &mut self,
        call: &Call,
        user: i64,
        proof: &enums::InputCheckPasswordSrp,
    ) -> Result<(), Refusal> {
        let has_password = self.people.get(user).is_some_and(|p| p.password.is_some());
        let proof = match proof {
            enums::InputCheckPasswordSrp::InputCheckPasswordEmpty if has_password => {
                return Err(bad("PASSWORD_HASH_INVALID"));
            }
            enums::InputCheckPasswordSrp::InputCheckPasswordEmpty => return Ok(()),
            enums::InputCheckPasswordSrp::InputCheckPasswordSrp(proof) => proof,
        };
        if !has_password {
            return Err(bad("PASSWORD_HASH_INVALID"));
        }
        let invalid = || bad("SRP_ID_INVALID");
        let awaited = self.proofs.challenges.get(&call.at);
        let is_awaited = |a: &&Awaited| a.srp_id == proof.srp_id && a.user == user;
        awaited.filter(is_awaited).ok_or_else(invalid)?;
        // One attempt for each challenge.
        let awaited = self
            .proofs
            .challenges
            .remove(&call.at)
            .ok_or_else(invalid)?;
        if awaited.challenge.accepts(&proof.a, &proof.m1) {
            Ok(())
        } else {
            Err(bad("PASSWORD_HASH_INVALID"))
        }
    }
}
