//! The logins of one account, and their ends.
//!
//! Does: `auth.logOut`, `auth.resetAuthorizations`, `account.getAuthorizations`,
//! `account.resetAuthorization`; the tokens that sign in again without a code.
//! In: calls of who is signed in. Out: lists, ended logins.
//! Must not know: how the logins came about.
//! Spec: "User Authorization", "Future auth tokens".

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use mtproto_schema::Encode;
use mtproto_schema::api::functions::account::ResetAuthorization;
use mtproto_schema::api::types;
use serde::{Deserialize, Serialize};

use super::super::logins::{Device, Known, Login, SignedIn};
use super::super::refusal::{Reply, bad};
use super::super::world::{Call, World};

/// Tokens of one account; beyond, the oldest is forgotten. Clients keep twenty.
const MAX_TOKENS: usize = 20;

/// Days after which Telegram ends a login that is not used; here they stay.
const TTL_DAYS: i32 = 180;

/// Tokens that sign an account in without a code, once each.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FutureTokens(BTreeMap<i64, VecDeque<String>>);

impl FutureTokens {
    fn add(&mut self, user: i64, token: String) {
        let tokens = self.0.entry(user).or_default();
        if tokens.len() >= MAX_TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(token);
    }

    /// Whether one of these is the account's; it is used up.
    pub fn redeem(&mut self, user: i64, tokens: &[Bytes]) -> bool {
        let Some(own) = self.0.get_mut(&user) else {
            return false;
        };
        let before = own.len();
        own.retain(|own| !tokens.iter().any(|token| token == own.as_bytes()));
        own.len() < before
    }
}

impl World {
    pub(in super::super) fn log_out(&mut self, call: &Call, user: i64) -> Reply {
        self.logins.end(call.at, &Login::None);
        let is_bot = self.people.get(user).is_none_or(|person| person.bot);
        let token = (!is_bot).then(|| self.random_text());
        if let Some(token) = &token {
            self.future.add(user, token.clone());
        }
        let logged_out = types::auth::LoggedOut {
            future_auth_token: token.map(Bytes::from),
        };
        Ok(logged_out.to_bytes())
    }

    pub(in super::super) fn reset_authorizations(&mut self, call: &Call, user: i64) -> Reply {
        let others = self.logins.of(user).into_iter().map(|(at, ..)| at);
        let others: Vec<_> = others.filter(|at| *at != call.at).collect();
        for at in others {
            self.logins.end(at, &Login::Revoked);
        }
        self.future.0.remove(&user);
        Ok(true.to_bytes())
    }

    pub(in super::super) fn get_authorizations(&self, call: &Call, user: i64) -> Reply {
        let mut logins = self.logins.of(user);
        logins.sort_by_key(|(at, ..)| *at != call.at);
        let authorizations = logins
            .into_iter()
            .map(|(at, known, login)| told(known, login, at == call.at))
            .collect();
        let answer = types::account::Authorizations {
            authorization_ttl_days: TTL_DAYS,
            authorizations,
        };
        Ok(answer.to_bytes())
    }

    pub(in super::super) fn reset_authorization(
        &mut self,
        call: &Call,
        user: i64,
        query: &ResetAuthorization,
    ) -> Reply {
        let logins = self.logins.of(user);
        let named = logins
            .into_iter()
            .find(|(at, _, login)| login.hash == query.hash && *at != call.at);
        let (at, ..) = named.ok_or_else(|| bad("HASH_INVALID"))?;
        self.logins.end(at, &Login::Revoked);
        Ok(true.to_bytes())
    }

    /// Ends all logins of an account, as if it did so from elsewhere; how many there were.
    pub fn revoke(&mut self, user: i64) -> usize {
        let all: Vec<_> = self
            .logins
            .of(user)
            .into_iter()
            .map(|(at, ..)| at)
            .collect();
        for at in &all {
            self.logins.end(*at, &Login::Revoked);
        }
        all.len()
    }
}

/// What an account learns of one of its logins; its own one is named 0.
pub fn told(known: &Known, login: &SignedIn, current: bool) -> types::Authorization {
    let unknown = Device::default();
    let device = known.device.as_ref().unwrap_or(&unknown);
    types::Authorization {
        current,
        official_app: false,
        password_pending: false,
        encrypted_requests_disabled: false,
        call_requests_disabled: false,
        unconfirmed: false,
        hash: if current { 0 } else { login.hash },
        device_model: (&*device.model).into(),
        platform: "".into(),
        system_version: (&*device.system).into(),
        api_id: device.api_id,
        app_name: "".into(),
        app_version: (&*device.app).into(),
        date_created: login.since,
        date_active: known.active,
        ip: (&*known.ip).into(),
        country: "".into(),
        region: "".into(),
    }
}
