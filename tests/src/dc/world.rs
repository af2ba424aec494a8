//! The world of a test: several DCs, one set of accounts.
//!
//! Does: decides who may call what, and hands each call to the room that answers it. Remembers
//! what each key said of itself, and which sessions want updates.
//! In: a request's body and whose it is, the time. Out: [`Answer`]s, and what is to be pushed to
//! whom.
//! Must not know: streams, the clock.
//! Spec: "Calling methods", "Error handling", "Perfect Forward Secrecy", "Working with Updates".

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;
use mtproto_proto::{AuthKeyId, DcId, MsgId, Rng, SessionId, Time};
use mtproto_schema::api::functions::auth::{BindTempAuthKey, DropTempAuthKeys};
use mtproto_schema::api::functions::help::{GetConfig, GetNearestDc};
use mtproto_schema::api::functions::{account as a, auth as f};
use mtproto_schema::api::types::NearestDc;
use mtproto_schema::{Decode, Encode, Function};

use super::account::Account;
use super::auth::code::Codes;
use super::auth::password::Proofs;
use super::auth::qr::Offers;
use super::auth::sessions::FutureTokens;
use super::auth::transfer::Exports;
use super::changes::{Change, Deed, save_session};
use super::faults::Faults;
use super::help_config::config;
use super::layers;
use super::logins::{KeyAt, Login, Logins};
use super::methods;
use super::order::{Order, SessionAt};
use super::people::People;
use super::refusal::{Refusal, Reply, bad, migrate, not_acceptable, unauthorized};
use super::setup::DcConfig;
use super::talk::{Cx, Origin, Talk};
use super::wrappers::{Unreadable, peel};

/// Whose request it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The DC that it came to.
    pub dc: DcId,
    /// The key as sent.
    pub key: AuthKeyId,
    /// The permanent key that it is, or that it is bound to; `None`: an unbound temporary key.
    pub perm: Option<AuthKeyId>,
    /// The session.
    pub session: SessionId,
    /// The address that it came from, without the port; empty if the stream is gone.
    pub ip: String,
    /// The key speaks from another address too.
    pub elsewhere: bool,
    /// The message.
    pub msg_id: MsgId,
}

/// A call, as the rooms see it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Unix seconds.
    pub now: i32,
    /// The key that remembers: bindings change, the permanent key stays.
    pub at: KeyAt,
    /// The session.
    pub session: SessionId,
}

/// What to do about a request.
pub enum Answer {
    /// Answer with this object.
    Result(Bytes),
    /// Answer with an `rpc_error`.
    Error(i32, String),
    /// Bind the temporary key that the request came under.
    Bind(BindTempAuthKey),
    /// Drop the temporary keys of this permanent key, except these.
    DropTempKeys(AuthKeyId, Vec<i64>),
}

/// Who is to get an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// All sessions of a key, whether somebody is signed in or not.
    Key(KeyAt),
    /// All sessions of an account that want updates, but for one.
    User(i64, Option<Origin>),
}

/// What the operator decided.
#[derive(Debug)]
pub struct Rules {
    /// The programs that may sign in; if empty, any.
    pub apps: Vec<(i32, String)>,
    /// The code of who has none of their own.
    pub code: String,
    /// Seconds that a code may be used.
    pub code_lifetime: i32,
    /// Whether unknown numbers may sign up.
    pub sign_up: bool,
    /// Where unknown numbers belong.
    pub network_dc: Option<DcId>,
    /// Whether a key that is used from two addresses dies.
    pub refuse_duplicated_keys: bool,
}

/// A session that has called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Its permanent key.
    pub(super) perm: AuthKeyId,
    /// It called something with updates.
    pub(super) wants_updates: bool,
}

/// All DCs and all that is known in them.
#[derive(Debug)]
pub struct World {
    dcs: Vec<(DcId, SocketAddr)>,
    pub(super) rules: Rules,
    /// Who has an account.
    pub people: People,
    /// Who is signed in.
    pub logins: Logins,
    /// What fails on demand.
    pub faults: Faults,
    pub(super) codes: Codes,
    pub(super) proofs: Proofs,
    pub(super) offers: Offers,
    pub(super) exports: Exports,
    pub(super) future: FutureTokens,
    pub(super) talk: Talk,
    pub(super) rng: Rng,
    pub(super) sessions: BTreeMap<SessionAt, Heard>,
    /// How the last calls ended.
    pub(super) order: Order,
    /// What happened, if it is to be noted.
    pub(super) changes: Option<Vec<Change>>,
    /// The last call was one of those that may change who is signed in.
    about_logins: bool,
    pushes: VecDeque<(To, Bytes)>,
}

impl World {
    /// A world with these DCs, whose first is where clients begin, and nobody in it.
    pub fn new(dcs: Vec<(DcId, SocketAddr)>, config: &DcConfig, rng: Rng) -> Result<Self, String> {
        methods::load();
        let mut faults = Faults::default();
        for (method, seconds) in &config.floods {
            faults.flood(method, *seconds)?;
        }
        for failure in &config.failures {
            faults.fail_next(&failure.method, failure.times, failure.code, &failure.text)?;
        }
        Ok(World {
            dcs,
            rules: Rules {
                apps: config.apps.clone(),
                code: config.code.clone(),
                code_lifetime: i32::try_from(config.code_lifetime.as_secs()).unwrap_or(i32::MAX),
                sign_up: config.sign_up,
                network_dc: config.network_dc,
                refuse_duplicated_keys: config.refuse_duplicated_keys,
            },
            people: People::new(),
            logins: Logins::default(),
            faults,
            codes: Codes::default(),
            proofs: Proofs::default(),
            offers: Offers::default(),
            exports: Exports::default(),
            future: FutureTokens::default(),
            talk: Talk::default(),
            rng,
            sessions: BTreeMap::new(),
            order: Order::default(),
            changes: None,
            about_logins: false,
            pushes: VecDeque::new(),
        })
    }

    /// Adds an account; its id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, account: Account) -> Result<i64, String> {
        let person = account.person(&self.people, &self.dc_ids(), &mut self.rng)?;
        let id = person.id;
        self.people.insert(person)?;
        Ok(id)
    }

    /// An account is at home on another DC from now on.
    ///
    /// # Errors
    /// If there is no such account or DC.
    pub fn move_to(&mut self, user: i64, dc: DcId) -> Result<(), String> {
        if !self.dc_ids().contains(&dc) {
            return Err(format!("there is no DC {dc}"));
        }
        let person = self.people.get_mut(user);
        person
            .ok_or_else(|| format!("there is no account {user}"))?
            .dc = dc;
        self.logins.settle(user, dc);
        Ok(())
    }

    /// The ids of all DCs, the first one first.
    pub fn dc_ids(&self) -> Vec<DcId> {
        self.dcs.iter().map(|(dc, _)| *dc).collect()
    }

    /// What to do about the request with this body.
    pub fn call(&mut self, now: Time, caller: &Caller, body: &Bytes) -> Answer {
        let answer = self.judge(now, caller, body);
        let session = (caller.dc, caller.key, caller.session);
        let (msg_id, well) = (caller.msg_id, answer.is_ok());
        self.order.ended(session, msg_id, well);
        self.note(|| Change::Ended(save_session(session), msg_id.0, well));
        match answer {
            Ok(answer) => answer,
            Err((code, text)) => Answer::Error(code, text),
        }
    }

    fn judge(&mut self, now: Time, caller: &Caller, body: &Bytes) -> Result<Answer, Refusal> {
        let peeled = peel(body).map_err(invalid)?;
        let call = Call {
            now: i32::try_from(now.unix()).unwrap_or(i32::MAX),
            at: KeyAt {
                dc: caller.dc,
                key: caller.perm.unwrap_or(caller.key),
            },
            session: caller.session,
        };
        if peeled.layer.is_some_and(|layer| layer <= 0) {
            return Err(bad("CONNECTION_LAYER_INVALID"));
        }
        if peeled.layer.is_some() || peeled.device.is_some() || self.logins.get(call.at).is_some() {
            let known = self.logins.entry(call.at);
            let before = (known.layer, known.device.clone());
            known.layer = peeled.layer.unwrap_or(known.layer);
            known.device = peeled.device.or(known.device.take());
            known.active = call.now;
            known.ip.clone_from(&caller.ip);
            let said = (known.layer, known.device.clone());
            if said != before {
                self.note(|| Change::Said(call.at, said.0, said.1));
            }
        }
        if !self
            .order
            .all_ended_well((caller.dc, caller.key, caller.session), &peeled.after)
        {
            return Err(bad("MSG_WAIT_FAILED"));
        }
        let (id, query) = (peeled.id, &peeled.query);
        let name = methods::name(id).ok_or_else(|| invalid(Unreadable { id }))?;
        self.about_logins = name.starts_with("auth.") || name.starts_with("account.");
        // Sent before anything else under a new key, and without a wrapper.
        if id == BindTempAuthKey::ID {
            return read(query).map(Answer::Bind);
        }
        if let Some(perm) = caller.perm {
            let wants = !peeled.without_updates && !name.starts_with("upload.");
            self.hear((caller.dc, caller.key, caller.session), perm, wants);
        }
        self.judge_key(&call, caller)?;
        let user = self.logins.signed_in(call.at).map(|login| login.user);
        let who = user.unwrap_or(call.at.key.0);
        if let Some(refusal) = self.faults.strike(id, who, call.now) {
            return Err(refusal);
        }
        let public = [GetConfig::ID, GetNearestDc::ID].contains(&id);
        if caller.perm.is_none() && !public {
            return Err(unauthorized("AUTH_KEY_PERM_EMPTY"));
        }
        let known = self.logins.get(call.at);
        let (has_layer, has_device) =
            known.map_or((false, false), |k| (k.layer > 0, k.device.is_some()));
        if !has_layer || !(has_device || public || id == DropTempAuthKeys::ID) {
            return Err(bad("CONNECTION_NOT_INITED"));
        }
        match id {
            DropTempAuthKeys::ID => read(query).map(|query: DropTempAuthKeys| {
                Answer::DropTempKeys(call.at.key, query.except_auth_keys)
            }),
            GetConfig::ID => {
                let GetConfig = read(query)?;
                let config = config(call.at.dc, &self.dcs, call.now);
                Ok(Answer::Result(config.to_bytes()))
            }
            GetNearestDc::ID => {
                let GetNearestDc = read(query)?;
                Ok(Answer::Result(self.nearest_dc(call.at.dc).to_bytes()))
            }
            _ => {
                let answer = self.dispatch(&call, id, name, query)?;
                let layer = self.layer_of(call.at);
                Ok(Answer::Result(layers::answer(layer, id, answer)))
            }
        }
    }

    /// A session called something under this permanent key, with updates or without.
    fn hear(&mut self, session: SessionAt, perm: AuthKeyId, wants: bool) {
        let before = self.sessions.get(&session);
        let wants_updates = wants || before.is_some_and(|heard| heard.wants_updates);
        let heard = Heard {
            perm,
            wants_updates,
        };
        if before != Some(&heard) {
            self.sessions.insert(session, heard);
            self.note(|| Change::Heard(save_session(session), perm.0, wants_updates));
        }
    }

    /// A key that is used in two places dies, if it is to.
    fn judge_key(&mut self, call: &Call, caller: &Caller) -> Result<(), Refusal> {
        let is_in = self.logins.signed_in(call.at).is_some();
        if is_in && caller.elsewhere && self.rules.refuse_duplicated_keys {
            self.logins.end(call.at, &Login::Duplicated);
        }
        match self.logins.get(call.at).map(|known| &known.login) {
            Some(Login::Duplicated) => Err(not_acceptable("AUTH_KEY_DUPLICATED")),
            _ => Ok(()),
        }
    }

    /// Methods of the sign-in, and all that comes after it.
    fn dispatch(&mut self, call: &Call, id: u32, name: &str, query: &Bytes) -> Reply {
        match id {
            f::SendCode::ID => return self.send_code(call, &read(query)?),
            f::ResendCode::ID => return self.resend_code(call, &read(query)?),
            f::CancelCode::ID => return self.cancel_code(call, &read(query)?),
            f::SignIn::ID => return self.sign_in(call, &read(query)?),
            f::SignUp::ID => return self.sign_up(call, &read(query)?),
            f::CheckPassword::ID => return self.check_password(call, &read(query)?),
            f::RequestPasswordRecovery::ID => return Err(bad("PASSWORD_RECOVERY_NA")),
            f::ImportBotAuthorization::ID => return self.import_bot(call, &read(query)?),
            f::ExportLoginToken::ID => return self.export_login_token(call, read(query)?),
            f::ImportLoginToken::ID => return self.import_login_token(call, &read(query)?),
            f::ImportAuthorization::ID => return self.import_authorization(call, &read(query)?),
            a::GetPassword::ID => {
                let a::GetPassword = read(query)?;
                return self.get_password(call);
            }
            _ => {}
        }
        if !methods::needs_sign_in(id) {
            let user = self.logins.signed_in(call.at).map(|login| login.user);
            let answer = user.and_then(|user| self.ask_talk(call, user, id, query));
            return answer.unwrap_or_else(|| Err(bad("METHOD_INVALID")));
        }
        let user = self.signed_in(call, name)?;
        match id {
            f::LogOut::ID => {
                let f::LogOut = read(query)?;
                self.log_out(call, user)
            }
            f::ResetAuthorizations::ID => {
                let f::ResetAuthorizations = read(query)?;
                self.reset_authorizations(call, user)
            }
            f::ExportAuthorization::ID => self.export_authorization(call, user, &read(query)?),
            f::AcceptLoginToken::ID => self.accept_login_token(call, user, &read(query)?),
            a::GetAuthorizations::ID => {
                let a::GetAuthorizations = read(query)?;
                self.get_authorizations(call, user)
            }
            a::ResetAuthorization::ID => self.reset_authorization(call, user, &read(query)?),
            a::UpdatePasswordSettings::ID => {
                self.update_password_settings(call, user, &read(query)?)
            }
            a::GetPasswordSettings::ID => self.get_password_settings(call, user, &read(query)?),
            _ => self
                .ask_talk(call, user, id, query)
                .unwrap_or_else(|| Err(bad("METHOD_INVALID"))),
        }
    }

    /// Who is signed in with the caller's key, if this DC is the account's home. Elsewhere it may
    /// move files only.
    fn signed_in(&self, call: &Call, name: &str) -> Result<i64, Refusal> {
        let login = match self.logins.get(call.at).map(|known| &known.login) {
            Some(Login::In(login)) => login,
            Some(Login::Password(_)) => return Err(unauthorized("SESSION_PASSWORD_NEEDED")),
            Some(Login::Revoked) => return Err(unauthorized("SESSION_REVOKED")),
            Some(Login::None | Login::Duplicated) | None => {
                return Err(unauthorized("AUTH_KEY_UNREGISTERED"));
            }
        };
        let person = self.people.get(login.user);
        let home = person.ok_or_else(|| unauthorized("USER_DEACTIVATED"))?.dc;
        // Whose account moved takes the login along.
        let takes_along = login.from.is_none() && name == "auth.exportAuthorization";
        let anywhere = name.starts_with("upload.") || name == "auth.logOut" || takes_along;
        if home != call.at.dc && !anywhere {
            return Err(migrate("USER", home));
        }
        Ok(login.user)
    }

    fn ask_talk(&mut self, call: &Call, user: i64, id: u32, query: &Bytes) -> Option<Reply> {
        let mut seed = None;
        if self.changes.is_some() {
            seed = Some(self.rng.array());
        }
        let (talk, mut cx) = self.talk(call, user);
        let reply = match seed {
            None => talk.call(&mut cx, id, query),
            Some(seed) => {
                // With randomness of its own, so that it can be done again.
                let (now, me, origin) = (cx.now, cx.me, cx.origin);
                let mut rng = Rng::from_seed(seed);
                cx.rng = &mut rng;
                let reply = talk.call(&mut cx, id, query);
                let deed = || Deed::new(now, me, origin, id, query, seed);
                self.note(|| Change::Did(Box::new(deed())));
                reply
            }
        };
        self.take_pushes();
        reply
    }

    /// An account signed in for the first time.
    pub(super) fn joined(&mut self, call: &Call, user: i64) {
        let (talk, mut cx) = self.talk(call, user);
        talk.joined(&mut cx, user);
        self.take_pushes();
    }

    fn talk(&mut self, call: &Call, me: i64) -> (&mut Talk, Cx<'_>) {
        let cx = Cx {
            people: &mut self.people,
            me,
            now: call.now,
            rng: &mut self.rng,
            origin: Origin {
                dc: call.at.dc,
                key: call.at.key,
                session: call.session,
            },
        };
        (&mut self.talk, cx)
    }

    fn take_pushes(&mut self) {
        while let Some(push) = self.talk.poll_push() {
            self.pushes
                .push_back((To::User(push.user_id, push.except), push.body));
        }
    }

    /// Whether the last call may have changed who is signed in, or who has an account.
    pub fn was_about_logins(&self) -> bool {
        self.about_logins
    }

    /// Wants an update sent.
    pub fn push(&mut self, to: To, body: Bytes) {
        self.pushes.push_back((to, body));
    }

    /// The layer that a key speaks; 0 before it said so.
    fn layer_of(&self, at: KeyAt) -> i32 {
        self.logins.get(at).map_or(0, |known| known.layer)
    }

    /// An update as a session's layer has it.
    pub fn update_for(&self, to: (DcId, AuthKeyId, SessionId), body: &Bytes) -> Bytes {
        let perm = self.sessions.get(&to).map_or(to.1, |heard| heard.perm);
        let at = KeyAt {
            dc: to.0,
            key: perm,
        };
        layers::updates(self.layer_of(at), body)
    }

    /// The next update to be sent, and to whom.
    pub fn poll_push(&mut self) -> Option<(To, Bytes)> {
        self.pushes.pop_front()
    }

    /// The sessions that an update goes to: a DC, the key as used, the session. An account gets
    /// its updates at home.
    pub fn sessions_of(&self, to: To) -> Vec<(DcId, AuthKeyId, SessionId)> {
        let home = match to {
            To::Key(at) => Some(at.dc),
            To::User(user, _) => self.people.get(user).map(|person| person.dc),
        };
        let is_meant = |dc: DcId, session: SessionId, heard: &Heard| {
            let at = KeyAt {
                dc,
                key: heard.perm,
            };
            match to {
                To::Key(wanted) => at == wanted,
                To::User(user, except) => {
                    let origin = Origin {
                        dc,
                        key: heard.perm,
                        session,
                    };
                    let login = self.logins.signed_in(at);
                    heard.wants_updates
                        && login.is_some_and(|login| login.user == user)
                        && except != Some(origin)
                }
            }
        };
        self.sessions
            .iter()
            .filter(|((dc, _, session), heard)| Some(*dc) == home && is_meant(*dc, *session, heard))
            .map(|(session, _)| *session)
            .collect()
    }

    /// A session is over.
    pub fn session_closed(&mut self, dc: DcId, key: AuthKeyId, session: SessionId) {
        self.sessions.remove(&(dc, key, session));
        self.order.forget((dc, key, session));
    }

    /// A temporary key is bound: what it said of itself holds for the permanent one.
    pub fn bound(&mut self, dc: DcId, temp: AuthKeyId, perm: AuthKeyId) {
        let at = |key| KeyAt { dc, key };
        self.logins.bound(at(temp), at(perm));
    }

    /// A key is gone, and with it what it said and who was signed in.
    pub fn key_destroyed(&mut self, dc: DcId, key: AuthKeyId) {
        self.logins.forget(KeyAt { dc, key });
    }

    /// The code that was sent last to a number and may still be said.
    pub fn code_of(&self, phone: &str, now: Time) -> Option<String> {
        let phone = super::people::normalize_phone(phone)?;
        let now = i32::try_from(now.unix()).unwrap_or(i32::MAX);
        self.codes.of(&phone, now).map(str::to_owned)
    }

    /// 32 random hexadecimal digits.
    pub(super) fn random_text(&mut self) -> String {
        format!("{:032x}", u128::from_le_bytes(self.rng.array()))
    }

    fn nearest_dc(&self, this: DcId) -> NearestDc {
        let first = self.dcs.first().map_or(this, |(dc, _)| *dc);
        NearestDc {
            country: "XX".into(),
            this_dc: this.0.into(),
            nearest_dc: self.rules.network_dc.unwrap_or(first).0.into(),
        }
    }
}

/// The arguments, unless they cannot be read.
fn read<F: Function + Decode>(query: &Bytes) -> Result<F, Refusal> {
    F::from_bytes(query).map_err(|_| invalid(Unreadable { id: F::ID }))
}

fn invalid(Unreadable { id }: Unreadable) -> Refusal {
    (400, format!("INPUT_METHOD_INVALID_{id}_0"))
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
