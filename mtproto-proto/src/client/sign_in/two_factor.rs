//! The settings of the 2FA password, for an account that is signed in.
//!
//! Does: sets, changes and removes the password; confirms its email address.
//! In: the current and the new password. Out: whether an email address waits to be confirmed.
//! Must not know: signing in.
//! Spec: "Two-factor authentication": account.updatePasswordSettings, account.confirmPasswordEmail.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::Str;
use mtproto_schema::api::{enums, functions, types};
use zeroize::Zeroizing;

use super::answer::{ask, bad, name, number, read};
use super::password::{MAX_FETCHES, is_stale};
use super::proof::{self, Algorithm, Current};
use super::{Ask, NeedsPassword, Next, SignInError, Step};
use crate::client::{CallError, Route};
use crate::rng::Rng;

/// Sets, changes or removes the password: `account.getPassword`, then
/// `account.updatePasswordSettings`.
pub struct ChangePassword {
    current: Zeroizing<String>,
    /// Empty: none.
    new: Zeroizing<String>,
    hint: String,
    email: Option<String>,
    rng: Rng,
    state: State,
    fetches: u8,
}

enum State {
    Fetch,
    Update(Box<functions::account::UpdatePasswordSettings>),
}

impl ChangePassword {
    /// Sets a new password; `current` is empty if there is none. The hint is shown to everybody
    /// who tries to sign in. The step's `handle` computes for about 0.2 s.
    ///
    /// # Errors
    /// [`SignInError::NewPasswordRefused`] if the new one is empty.
    pub fn set(
        current: &str,
        new: &str,
        hint: impl Into<String>,
        rng: &mut Rng,
    ) -> Result<Self, SignInError> {
        if new.is_empty() {
            return Err(SignInError::NewPasswordRefused);
        }
        Ok(Self::with(current, new, hint.into(), rng))
    }

    /// Removes the password.
    pub fn remove(current: &str, rng: &mut Rng) -> Self {
        Self::with(current, "", String::new(), rng)
    }

    fn with(current: &str, new: &str, hint: String, rng: &mut Rng) -> Self {
        ChangePassword {
            current: Zeroizing::new(current.into()),
            new: Zeroizing::new(new.into()),
            hint,
            email: None,
            rng: Rng::from_rng(rng),
            state: State::Fetch,
            fetches: 0,
        }
    }

    /// Sets the address for [`NeedsPassword::recover`] too.
    #[must_use]
    pub fn recovery_email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    fn update(
        &mut self,
        password: &types::account::Password,
    ) -> Result<functions::account::UpdatePasswordSettings, SignInError> {
        let current = Current::of(password)?;
        if current.is_some() && self.current.is_empty() {
            return Err(SignInError::CurrentPasswordInvalid);
        }
        let (new_algo, new_password_hash) = if self.new.is_empty() {
            (enums::PasswordKdfAlgo::Unknown, Bytes::new())
        } else {
            let algorithm = Algorithm::of(&password.new_algo)?.salted(&mut self.rng);
            let params = algorithm.check(&mut self.rng)?;
            let verifier = params.verifier(&params.hash(self.new.as_bytes()));
            (algorithm.to_api(), Bytes::copy_from_slice(&verifier))
        };
        let proof = proof::prove(current.as_ref(), self.current.as_bytes(), &mut self.rng)?;
        Ok(functions::account::UpdatePasswordSettings {
            password: proof,
            new_settings: types::account::PasswordInputSettings {
                new_algo: Some(Box::new(
                    types::account::PasswordInputSettingsNewAlgoGroup {
                        new_algo,
                        new_password_hash,
                        hint: self.hint.as_str().into(),
                    },
                )),
                email: self.email.as_deref().map(Str::from),
                new_secure_settings: None,
            },
        })
    }
}

/// The password was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub enum PasswordChanged {
    /// That is all.
    Done,
    /// A code was sent to the email address: [`ConfirmEmail`].
    ConfirmEmail {
        /// Its characters; 0 if the server did not say.
        length: u32,
    },
}

impl Step for ChangePassword {
    type Done = PasswordChanged;

    fn ask(&self) -> Ask {
        match &self.state {
            State::Fetch => NeedsPassword::fetch(Route::Main),
            State::Update(call) => ask(call.as_ref(), Route::Main),
        }
    }

    fn handle(
        mut self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, PasswordChanged>, SignInError> {
        if let State::Fetch = self.state {
            let update = self.update(&proof::read(answer)?)?;
            self.state = State::Update(Box::new(update));
            return Ok(Next::Ask(self));
        }
        let error = match answer {
            Ok(body) => {
                return match read::<functions::account::UpdatePasswordSettings>(&body)? {
                    true => Ok(Next::Done(PasswordChanged::Done)),
                    false => Err(bad::<functions::account::UpdatePasswordSettings>()),
                };
            }
            Err(error) => error,
        };
        let name = name(&error);
        if name.starts_with("EMAIL_UNCONFIRMED") {
            let length = number(name, "EMAIL_UNCONFIRMED_").unwrap_or(0);
            return Ok(Next::Done(PasswordChanged::ConfirmEmail { length }));
        }
        if is_stale(name) && self.fetches < MAX_FETCHES {
            self.fetches = self.fetches.saturating_add(1);
            self.state = State::Fetch;
            return Ok(Next::Ask(self));
        }
        let fresh = number(name, "PASSWORD_TOO_FRESH_").or(number(name, "SESSION_TOO_FRESH_"));
        if let Some(wait) = fresh {
            return Err(SignInError::TooFresh(Duration::from_secs(u64::from(wait))));
        }
        Err(match name {
            "PASSWORD_HASH_INVALID" => SignInError::CurrentPasswordInvalid,
            "NEW_SETTINGS_INVALID" | "NEW_SETTINGS_EMPTY" | "NEW_SALT_INVALID" => {
                SignInError::NewPasswordRefused
            }
            "EMAIL_INVALID" => SignInError::EmailInvalid,
            _ => error.into(),
        })
    }
}

/// Shows nothing of the passwords.
impl fmt::Debug for ChangePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangePassword").finish_non_exhaustive()
    }
}

/// Confirms the password's email address: `account.confirmPasswordEmail`.
pub struct ConfirmEmail {
    code: Zeroizing<String>,
}

impl ConfirmEmail {
    /// With the code from the email.
    pub fn new(code: &str) -> Self {
        ConfirmEmail {
            code: Zeroizing::new(code.into()),
        }
    }
}

impl Step for ConfirmEmail {
    type Done = ();

    fn ask(&self) -> Ask {
        let call = functions::account::ConfirmPasswordEmail {
            code: self.code.as_str().into(),
        };
        ask(&call, Route::Main)
    }

    fn handle(self, answer: Result<Bytes, CallError>) -> Result<Next<Self, ()>, SignInError> {
        match answer {
            Ok(body) => match read::<functions::account::ConfirmPasswordEmail>(&body)? {
                true => Ok(Next::Done(())),
                false => Err(bad::<functions::account::ConfirmPasswordEmail>()),
            },
            Err(error) => Err(match name(&error) {
                "CODE_INVALID" | "CODE_EMPTY" => SignInError::EmailCodeInvalid,
                "EMAIL_HASH_EXPIRED" => SignInError::EmailCodeExpired,
                _ => error.into(),
            }),
        }
    }
}

/// Shows nothing of the code.
impl fmt::Debug for ConfirmEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfirmEmail").finish_non_exhaustive()
    }
}
