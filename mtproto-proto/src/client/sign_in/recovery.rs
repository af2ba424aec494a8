//! Signing in without the 2FA password, by a code that goes to the password's email address.
//!
//! Does: asks for the code, submits it.
//! In: the code. Out: the account, whose password is gone then.
//! Must not know: passwords.
//! Spec: "Two-factor authentication": auth.requestPasswordRecovery, auth.recoverPassword.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

use bytes::Bytes;
use mtproto_schema::api::functions;
use zeroize::Zeroizing;

use super::answer::{ask, name, only_signed_in, read};
use super::{Ask, NeedsPassword, Next, SignInError, SignedIn, Step};
use crate::client::CallError;

/// Sends a code to the email address: `auth.requestPasswordRecovery`.
#[derive(Debug)]
pub struct RequestRecovery {
    password: NeedsPassword,
}

impl RequestRecovery {
    pub(super) fn new(password: NeedsPassword) -> Self {
        RequestRecovery { password }
    }
}

impl Step for RequestRecovery {
    type Done = NeedsRecoveryCode;

    fn ask(&self) -> Ask {
        ask(
            &functions::auth::RequestPasswordRecovery,
            self.password.route(),
        )
    }

    fn handle(
        self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, NeedsRecoveryCode>, SignInError> {
        match answer {
            Ok(body) => {
                let sent = read::<functions::auth::RequestPasswordRecovery>(&body)?;
                Ok(Next::Done(NeedsRecoveryCode {
                    password: self.password,
                    email_pattern: sent.email_pattern.to_string(),
                }))
            }
            Err(error) => Err(match name(&error) {
                "PASSWORD_RECOVERY_NA" => SignInError::RecoveryUnavailable {
                    retry: Box::new(self.password),
                },
                _ => error.into(),
            }),
        }
    }
}

/// A code was sent by email; the user has to type it.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct NeedsRecoveryCode {
    password: NeedsPassword,
    email_pattern: String,
}

impl NeedsRecoveryCode {
    /// What the address looks like, most of it hidden.
    pub fn email_pattern(&self) -> &str {
        &self.email_pattern
    }

    /// The user remembers the password.
    pub fn back(self) -> NeedsPassword {
        self.password
    }

    /// Signs in with the code. **The account has no password afterwards**; set a new one with
    /// [`ChangePassword`](super::ChangePassword).
    pub fn submit(self, code: &str) -> RecoverPassword {
        RecoverPassword {
            needs: self,
            code: Zeroizing::new(code.into()),
        }
    }
}

/// Shows nothing of the address.
impl fmt::Debug for NeedsRecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsRecoveryCode").finish_non_exhaustive()
    }
}

/// Removes the password and signs in: `auth.recoverPassword`.
pub struct RecoverPassword {
    needs: NeedsRecoveryCode,
    code: Zeroizing<String>,
}

impl Step for RecoverPassword {
    type Done = Box<SignedIn>;

    fn ask(&self) -> Ask {
        let call = functions::auth::RecoverPassword {
            code: self.code.as_str().into(),
            new_settings: None,
        };
        ask(&call, self.needs.password.route())
    }

    fn handle(
        self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, Box<SignedIn>>, SignInError> {
        let error = match answer {
            Ok(body) => {
                return only_signed_in::<functions::auth::RecoverPassword>(&body).map(Next::Done);
            }
            Err(error) => error,
        };
        Err(match name(&error) {
            "CODE_INVALID" | "CODE_EMPTY" => SignInError::RecoveryCodeInvalid {
                retry: Box::new(self.needs),
            },
            "PASSWORD_RECOVERY_EXPIRED" => SignInError::RecoveryExpired {
                retry: Box::new(self.needs.password),
            },
            "PASSWORD_RECOVERY_NA" => SignInError::RecoveryUnavailable {
                retry: Box::new(self.needs.password),
            },
            _ => error.into(),
        })
    }
}

/// Shows nothing of the code.
impl fmt::Debug for RecoverPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecoverPassword").finish_non_exhaustive()
    }
}
