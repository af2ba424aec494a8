//! Signing in and out.
//!
//! Does: the methods that make, prove, move and end logins, one file for each way.
//! In: calls. Out: answers; who is signed in with which key.
//! Must not know: streams, messages.
//! Spec: "User Authorization", "Two-factor authentication", "Login via QR code", "Bots".

pub mod bot;
pub mod code;
pub mod password;
pub mod qr;
pub mod sessions;
pub mod transfer;

use mtproto_schema::api::{enums, types};

use super::logins::{Login, SignedIn};
use super::refusal::{Refusal, bad, unauthorized};
use super::world::{Call, World};

impl World {
    /// The program must be one that may sign in.
    fn check_app(&self, api_id: i32, api_hash: &str) -> Result<(), Refusal> {
        let known = self.rules.apps.is_empty()
            || self
                .rules
                .apps
                .iter()
                .any(|app| *app == (api_id, api_hash.to_owned()));
        if known && api_id > 0 && !api_hash.is_empty() {
            Ok(())
        } else {
            Err(bad("API_ID_INVALID"))
        }
    }

    /// An account proved its first factor: it is signed in, or has to say its password.
    fn begin(&mut self, call: &Call, user: i64) -> Result<enums::auth::Authorization, Refusal> {
        let has_password = self.people.get(user).is_some_and(|p| p.password.is_some());
        if has_password {
            self.logins.set(call.at, Login::Password(user));
            return Err(unauthorized("SESSION_PASSWORD_NEEDED"));
        }
        self.admit(call, user)
    }

    /// Signs an account in with the caller's key.
    fn admit(&mut self, call: &Call, user: i64) -> Result<enums::auth::Authorization, Refusal> {
        let login = SignedIn {
            user,
            hash: call.at.key.0,
            since: call.now,
            from: None,
        };
        self.logins.set(call.at, Login::In(login));
        let person = self.people.get_mut(user);
        if person.is_some_and(|person| !std::mem::replace(&mut person.joined, true)) {
            self.joined(call, user);
        }
        self.authorization(user)
    }

    /// `auth.authorization` of an account.
    fn authorization(&self, user: i64) -> Result<enums::auth::Authorization, Refusal> {
        let person = self
            .people
            .get(user)
            .ok_or_else(|| unauthorized("AUTH_KEY_UNREGISTERED"))?;
        Ok(enums::auth::Authorization::Authorization(
            types::auth::Authorization {
                otherwise_relogin_days: None,
                tmp_sessions: None,
                future_auth_token: None,
                user: person.boxed_user(user),
            },
        ))
    }
}
