//! Signing in by a code on the screen.
//!
//! Does: `auth.exportLoginToken`, `auth.importLoginToken`, `auth.acceptLoginToken`.
//! In: a client that waits, another one that is signed in and read its token. Out: a login; the
//! news of it to the client that waits.
//! Must not know: how the token gets from one to the other.
//! Spec: "Login via QR code".

use std::collections::BTreeMap;

use bytes::Bytes;
use mtproto_schema::Encode;
use mtproto_schema::api::enums::auth::LoginToken;
use mtproto_schema::api::functions::auth::{AcceptLoginToken, ExportLoginToken, ImportLoginToken};
use mtproto_schema::api::{enums, types};

use super::super::logins::{KeyAt, Known, SignedIn};
use super::super::refusal::{Refusal, Reply, bad, unauthorized};
use super::super::world::{Call, To, World};
use super::sessions;

/// Tokens on screens; beyond, the one that ends first is dropped.
const MAX_OFFERS: usize = 10_000;

/// Seconds that a token is shown: as Telegram's.
const LIFETIME: i32 = 30;

/// Seconds that the waiting client has to come back after its token was accepted: a key on another
/// DC may have to be made.
const PICK_UP: i32 = 300;

/// Most accounts that a client may name as already signed in.
const MAX_EXCEPT: usize = 100;

/// Tokens that are shown somewhere.
#[derive(Debug, Default)]
pub struct Offers(BTreeMap<[u8; 32], Offer>);

#[derive(Debug)]
struct Offer {
    /// Who shows it.
    at: KeyAt,
    except: Vec<i64>,
    /// Who read and accepted it.
    accepted: Option<i64>,
    due: i32,
}

impl Offers {
    /// The token of this key that was accepted.
    fn accepted_at(&self, at: KeyAt, now: i32) -> Option<([u8; 32], i64)> {
        self.0
            .iter()
            .filter(|(_, offer)| offer.at == at && now < offer.due)
            .find_map(|(token, offer)| Some((*token, offer.accepted?)))
    }

    fn insert(&mut self, token: [u8; 32], offer: Offer, now: i32) {
        self.0.retain(|_, offer| now < offer.due);
        if self.0.len() >= MAX_OFFERS
            && let Some(first) = self.0.iter().min_by_key(|(_, offer)| offer.due)
        {
            let first = *first.0;
            self.0.remove(&first);
        }
        self.0.insert(token, offer);
    }
}

impl World {
    pub(in super::super) fn export_login_token(
        &mut self,
        call: &Call,
        query: ExportLoginToken,
    ) -> Reply {
        self.check_app(query.api_id, &query.api_hash)?;
        if query.except_ids.len() > MAX_EXCEPT {
            return Err(bad("LIMIT_INVALID"));
        }
        if let Some((token, user)) = self.offers.accepted_at(call.at, call.now) {
            return self.pick_up(call, token, user);
        }
        // Its answer to the last one got lost.
        if let Some(login) = self.logins.signed_in(call.at) {
            return self.success(self.authorization(login.user)?);
        }
        let token = self.rng.array();
        let expires = call.now.saturating_add(LIFETIME);
        let offer = Offer {
            at: call.at,
            except: query.except_ids,
            accepted: None,
            due: expires,
        };
        self.offers.insert(token, offer, call.now);
        let token = Bytes::copy_from_slice(&token);
        let offered = types::auth::LoginToken { expires, token };
        Ok(LoginToken::LoginToken(offered).to_bytes())
    }

    pub(in super::super) fn import_login_token(
        &mut self,
        call: &Call,
        query: &ImportLoginToken,
    ) -> Reply {
        let (token, offer) = self.offer(call, &query.token)?;
        let accepted = offer.accepted;
        let user = accepted.ok_or_else(|| bad("AUTH_TOKEN_INVALID"))?;
        self.pick_up(call, token, user)
    }

    pub(in super::super) fn accept_login_token(
        &mut self,
        call: &Call,
        user: i64,
        query: &AcceptLoginToken,
    ) -> Reply {
        let (_, offer) = self.offer(call, &query.token)?;
        if offer.accepted.is_some() {
            return Err(bad("AUTH_TOKEN_ALREADY_ACCEPTED"));
        }
        if offer.except.contains(&user) {
            return Err(bad("AUTH_TOKEN_EXCEPTION"));
        }
        offer.accepted = Some(user);
        offer.due = call.now.saturating_add(PICK_UP);
        let at = offer.at;
        let news = types::UpdateShort {
            update: enums::Update::LoginToken,
            date: call.now,
        };
        self.push(To::Key(at), news.to_bytes());
        let login = SignedIn {
            user,
            hash: at.key.0,
            since: call.now,
            from: None,
        };
        let nothing = Known::default();
        let known = self.logins.get(at).unwrap_or(&nothing);
        Ok(sessions::told(known, &login, false).to_bytes())
    }

    fn offer(&mut self, call: &Call, token: &[u8]) -> Result<([u8; 32], &mut Offer), Refusal> {
        let token = <[u8; 32]>::try_from(token).map_err(|_| bad("AUTH_TOKEN_INVALID"))?;
        let offer = self.offers.0.get_mut(&token);
        let offer = offer.ok_or_else(|| bad("AUTH_TOKEN_INVALID"))?;
        if call.now < offer.due {
            Ok((token, offer))
        } else {
            Err(bad("AUTH_TOKEN_EXPIRED"))
        }
    }

    /// The waiting client comes back: it is signed in, or sent to the account's DC.
    fn pick_up(&mut self, call: &Call, token: [u8; 32], user: i64) -> Reply {
        let person = self.people.get(user);
        let home = person.ok_or_else(|| unauthorized("USER_DEACTIVATED"))?.dc;
        if home != call.at.dc {
            let migrate = types::auth::LoginTokenMigrateTo {
                dc_id: home.0.into(),
                token: Bytes::copy_from_slice(&token),
            };
            return Ok(LoginToken::MigrateTo(migrate).to_bytes());
        }
        self.offers.0.remove(&token);
        let authorization = self.begin(call, user)?;
        self.success(authorization)
    }

    fn success(&self, authorization: enums::auth::Authorization) -> Reply {
        let success = types::auth::LoginTokenSuccess { authorization };
        Ok(LoginToken::Success(success).to_bytes())
    }
}
