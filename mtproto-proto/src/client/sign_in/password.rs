//! The 2FA password of an account that is being signed in.
//!
//! Does: asks for the password, proves it without sending it.
//! In: a password. Out: the account.
//! Must not know: how signing in began, but for the DC where it goes on.
//! Spec: "Two-factor authentication": account.getPassword, auth.checkPassword.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use mtproto_schema::api::{enums, functions};
use zeroize::Zeroizing;

use super::answer::{ask, name, only_signed_in};
use super::proof::{self, Current};
use super::{Ask, Next, RequestRecovery, SignInError, SignedIn, Step};
use crate::client::{CallError, Route};
use crate::rng::Rng;

/// How often the numbers of a proof are fetched again within one attempt. They go stale when
/// another session fetches them in between; twice in a row is rare enough.
pub(super) const MAX_FETCHES: u8 = 3;

/// The account has a password; the user has to type it.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct NeedsPassword {
    route: Route,
    current: Option<Current>,
    /// The numbers were used: they are good for one attempt.
    used: bool,
    hint: Option<String>,
    has_recovery: bool,
    pending_reset: Option<i32>,
}

impl NeedsPassword {
    pub(super) fn fetch(route: Route) -> Ask {
        ask(&functions::account::GetPassword, route)
    }

    pub(super) fn read(
        answer: Result<Bytes, CallError>,
        route: Route,
    ) -> Result<Self, SignInError> {
        let password = proof::read(answer)?;
        Ok(NeedsPassword {
            route,
            current: Current::of(&password)?,
            used: false,
            hint: password.hint.map(|hint| hint.to_string()),
            has_recovery: password.has_recovery,
            pending_reset: password.pending_reset_date,
        })
    }

    /// What the user wrote down to remember it by.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether [`recover`](Self::recover) can help: there is an email address for it.
    pub fn has_recovery(&self) -> bool {
        self.has_recovery
    }

    /// When the password is removed, as the user asked for elsewhere; server time, Unix seconds.
    pub fn pending_reset(&self) -> Option<i32> {
        self.pending_reset
    }

    /// Proves the password, as UTF-8. Computes for about 0.1 s, here and perhaps once more in the
    /// step's `handle`.
    ///
    /// # Errors
    /// [`SignInError::UnsafePassword`]: the server's numbers are bad; nothing is sent.
    pub fn check(self, password: &str, rng: &mut Rng) -> Result<CheckPassword, SignInError> {
        let password = Zeroizing::new(password.as_bytes().to_vec());
        let state = if self.used {
            State::Fetch
        } else {
            State::Check(proof::prove(self.current.as_ref(), &password, rng)?)
        };
        Ok(CheckPassword {
            needs: self,
            password,
            rng: Rng::from_rng(rng),
            state,
            fetches: 0,
        })
    }

    /// The user does not know it: a code by email instead.
    pub fn recover(self) -> RequestRecovery {
        RequestRecovery::new(self)
    }

    pub(super) fn route(&self) -> Route {
        self.route
    }

    /// For another attempt.
    fn again(mut self) -> Box<Self> {
        self.used = true;
        Box::new(self)
    }
}

/// Shows nothing that helps to guess.
impl fmt::Debug for NeedsPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsPassword")
            .field("route", &self.route)
            .field("has_recovery", &self.has_recovery)
            .finish_non_exhaustive()
    }
}

/// Proves a password: `auth.checkPassword`.
pub struct CheckPassword {
    needs: NeedsPassword,
    password: Zeroizing<Vec<u8>>,
    rng: Rng,
    state: State,
    fetches: u8,
}

enum State {
    /// The numbers are stale.
    Fetch,
    Check(enums::InputCheckPasswordSrp),
}

impl Step for CheckPassword {
    type Done = Box<SignedIn>;

    fn ask(&self) -> Ask {
        match &self.state {
            State::Fetch => NeedsPassword::fetch(self.needs.route),
            State::Check(proof) => {
                let call = functions::auth::CheckPassword {
                    password: proof.clone(),
                };
                ask(&call, self.needs.route)
            }
        }
    }

    fn handle(
        mut self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, Box<SignedIn>>, SignInError> {
        if let State::Fetch = self.state {
            self.needs = NeedsPassword::read(answer, self.needs.route)?;
            let current = self.needs.current.as_ref();
            self.state = State::Check(proof::prove(current, &self.password, &mut self.rng)?);
            return Ok(Next::Ask(self));
        }
        let error = match answer {
            Ok(body) => {
                return only_signed_in::<functions::auth::CheckPassword>(&body).map(Next::Done);
            }
            Err(error) => error,
        };
        Err(match name(&error) {
            "PASSWORD_HASH_INVALID" => SignInError::PasswordInvalid {
                retry: self.needs.again(),
            },
            stale if is_stale(stale) => {
                if self.fetches == MAX_FETCHES {
                    return Err(SignInError::PasswordBusy {
                        retry: self.needs.again(),
                    });
                }
                self.fetches = self.fetches.saturating_add(1);
                self.state = State::Fetch;
                return Ok(Next::Ask(self));
            }
            _ => error.into(),
        })
    }
}

/// Whether the numbers have to be fetched again.
pub(super) fn is_stale(name: &str) -> bool {
    matches!(name, "SRP_ID_INVALID" | "SRP_PASSWORD_CHANGED")
}

/// Shows nothing of the password.
impl fmt::Debug for CheckPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckPassword")
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}
