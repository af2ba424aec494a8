//! Signing in by a QR code that another device of the user scans.
//!
//! Does: gets a token to show, follows it to the account's DC, and asks again when it was
//! scanned or has expired.
//! In: updates. Out: the address to show as a QR code, then [`SignIn`].
//! Must not know: how a QR code is drawn; the time.
//! Spec: "Login via QR code".
//!
//! ```text
//! QrLogin ── auth.exportLoginToken ──► loginToken ──► Qr::Show ── scanned, or expired ──► again
//!    │                                 loginTokenSuccess ──────────────► Qr::SignIn(Done)
//!    │   SESSION_PASSWORD_NEEDED ── account.getPassword ───────────────► Qr::SignIn(NeedsPassword)
//!    └── loginTokenMigrateTo ── auth.importLoginToken on that DC ──► the same three
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use mtproto_schema::api::{enums, functions};
use mtproto_schema::{Decode, Function};

use super::answer::{ask, bad, detached, name, password_needed, read, signed_in};
use super::{App, Ask, NeedsPassword, Next, SignIn, SignInError, Step};
use crate::client::{CallError, Route};
use crate::ids::DcId;

/// How often one token may name another DC. An account lives on one; it may move meanwhile.
pub const MAX_MIGRATIONS: u8 = 3;

/// What the address of a login token begins with.
pub(super) const URL: &str = "tg://login?token=";

/// Gets a token, or looks whether it was scanned: `auth.exportLoginToken`.
pub struct QrLogin {
    app: App,
    except_ids: Vec<i64>,
    state: State,
    migrations: u8,
}

enum State {
    Export,
    /// The account lives on another DC.
    Import {
        dc: DcId,
        token: Bytes,
    },
    /// The account has a password.
    Password(Route),
}

impl QrLogin {
    /// `except_ids`: accounts that this application is signed in with already; their devices
    /// refuse the code.
    pub fn new(app: App, except_ids: Vec<i64>) -> Self {
        QrLogin {
            app,
            except_ids,
            state: State::Export,
            migrations: 0,
        }
    }

    fn route(&self) -> Route {
        match &self.state {
            State::Export => Route::Main,
            State::Import { dc, .. } => Route::Dc(*dc),
            State::Password(route) => *route,
        }
    }

    fn token<F>(mut self, body: &Bytes) -> Result<Next<Self, Qr>, SignInError>
    where
        F: Function<Response = enums::auth::LoginToken>,
    {
        match (read::<F>(body)?, &self.state) {
            (enums::auth::LoginToken::Success(it), _) => match it.authorization {
                enums::auth::Authorization::Authorization(it) => {
                    let signed_in = signed_in::<F>(it)?;
                    Ok(Next::Done(Qr::SignIn(SignIn::Done(signed_in))))
                }
                enums::auth::Authorization::SignUpRequired(_) => Err(bad::<F>()),
            },
            (enums::auth::LoginToken::MigrateTo(it), _) => {
                let dc = i16::try_from(it.dc_id).map_err(|_| bad::<F>())?;
                if self.migrations == MAX_MIGRATIONS {
                    return Err(bad::<F>());
                }
                self.migrations = self.migrations.saturating_add(1);
                self.state = State::Import {
                    dc: DcId(dc),
                    token: detached(&it.token),
                };
                Ok(Next::Ask(self))
            }
            (enums::auth::LoginToken::LoginToken(it), State::Export) => {
                Ok(Next::Done(Qr::Show(QrCode {
                    app: self.app,
                    except_ids: self.except_ids,
                    token: detached(&it.token),
                    expires: it.expires,
                })))
            }
            // A token was imported, and another one comes to be shown: nobody could accept it.
            (enums::auth::LoginToken::LoginToken(_), State::Import { .. } | State::Password(_)) => {
                Err(bad::<F>())
            }
        }
    }
}

impl Step for QrLogin {
    type Done = Qr;

    fn ask(&self) -> Ask {
        match &self.state {
            State::Export => {
                let call = functions::auth::ExportLoginToken {
                    api_id: self.app.api_id,
                    api_hash: self.app.api_hash.as_str().into(),
                    except_ids: self.except_ids.clone(),
                };
                ask(&call, self.route())
            }
            State::Import { token, .. } => {
                let call = functions::auth::ImportLoginToken {
                    token: token.clone(),
                };
                ask(&call, self.route())
            }
            State::Password(route) => NeedsPassword::fetch(*route),
        }
    }

    fn handle(mut self, answer: Result<Bytes, CallError>) -> Result<Next<Self, Qr>, SignInError> {
        if let State::Password(route) = self.state {
            let needs = NeedsPassword::read(answer, route)?;
            return Ok(Next::Done(Qr::SignIn(SignIn::NeedsPassword(needs))));
        }
        match answer {
            Ok(body) => match self.state {
                State::Import { .. } => self.token::<functions::auth::ImportLoginToken>(&body),
                State::Export | State::Password(_) => {
                    self.token::<functions::auth::ExportLoginToken>(&body)
                }
            },
            Err(error) if password_needed(&error) => {
                self.state = State::Password(self.route());
                Ok(Next::Ask(self))
            }
            // The token expired on its way to the other DC: a new one to show.
            Err(error)
                if matches!(self.state, State::Import { .. })
                    && name(&error) == "AUTH_TOKEN_EXPIRED"
                    && self.migrations < MAX_MIGRATIONS =>
            {
                self.state = State::Export;
                Ok(Next::Ask(self))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Shows nothing of the tokens.
impl fmt::Debug for QrLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QrLogin")
            .field("app", &self.app)
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}

/// How far it has come.
#[derive(Debug)]
#[must_use]
pub enum Qr {
    /// Show this.
    Show(QrCode),
    /// It was scanned.
    SignIn(SignIn),
}

/// A code to show.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct QrCode {
    app: App,
    except_ids: Vec<i64>,
    token: Bytes,
    expires: i32,
}

impl QrCode {
    /// What the QR code says: `tg://login?token=…`. Who scans it gives this client the account.
    pub fn url(&self) -> String {
        let mut url = String::from(URL);
        url.push_str(&Base64UrlUnpadded::encode_string(&self.token));
        url
    }

    /// The token itself.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// When the code expires: server time, Unix seconds; about 30 s from now.
    pub fn expires(&self) -> i32 {
        self.expires
    }

    /// Whether this boxed `Updates` object, or single `Update`, says that the code was scanned
    /// (`updateLoginToken`). It comes although nobody is signed in.
    pub fn is_scanned(body: &Bytes) -> bool {
        let hit = |update: &enums::Update| matches!(update, enums::Update::LoginToken);
        if enums::Update::from_bytes(body).is_ok_and(|update| hit(&update)) {
            return true;
        }
        match enums::Updates::from_bytes(body) {
            Ok(enums::Updates::UpdateShort(it)) => hit(&it.update),
            Ok(enums::Updates::Updates(it)) => it.updates.iter().any(hit),
            Ok(enums::Updates::Combined(it)) => it.updates.iter().any(hit),
            Ok(
                enums::Updates::TooLong
                | enums::Updates::UpdateShortMessage(_)
                | enums::Updates::UpdateShortChatMessage(_)
                | enums::Updates::UpdateShortSentMessage(_),
            )
            | Err(_) => false,
        }
    }

    /// Asks again: the code was scanned, or has expired. Nothing is lost if neither is so; another
    /// code to show comes then.
    pub fn again(self) -> QrLogin {
        QrLogin::new(self.app, self.except_ids)
    }
}

/// Shows nothing of the token: it is the account, once it is scanned.
impl fmt::Debug for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QrCode")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
