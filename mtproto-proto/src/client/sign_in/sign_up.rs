//! Making an account for a number that has none.
//!
//! Does: asks for the name, and signs up with it.
//! In: first and last name. Out: [`SignIn`].
//! Must not know: codes; the number was proved before.
//! Spec: "User authorization": auth.signUp.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

use bytes::Bytes;
use mtproto_schema::api::{functions, types};

use super::answer::{ask, name, only_signed_in};
use super::{Ask, Next, SignIn, SignInError, Step};
use crate::client::{CallError, Route};

/// What a new user agrees to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// For `help.acceptTermsOfService`, JSON.
    pub id: String,
    /// The text.
    pub text: String,
    /// It has to be shown before signing up.
    pub popup: bool,
    /// The user has to confirm to be that old, in years.
    pub min_age: Option<u32>,
}

impl Terms {
    pub(super) fn of(terms: &types::help::TermsOfService) -> Self {
        Terms {
            id: terms.id.data.to_string(),
            text: terms.text.to_string(),
            popup: terms.popup,
            min_age: terms.min_age_confirm.map(super::answer::count),
        }
    }
}

/// There is no account of this number; the user has to say a name.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct NeedsSignUp {
    phone: String,
    phone_code_hash: String,
    terms: Option<Terms>,
}

impl NeedsSignUp {
    pub(super) fn new(phone: String, phone_code_hash: String, terms: Option<Terms>) -> Self {
        NeedsSignUp {
            phone,
            phone_code_hash,
            terms,
        }
    }

    /// The phone number.
    pub fn phone(&self) -> &str {
        &self.phone
    }

    /// What the user agrees to by signing up.
    pub fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    /// Makes the account. The last name may be empty.
    pub fn sign_up(self, first_name: &str, last_name: &str) -> SignUp {
        SignUp {
            needs: self,
            first_name: first_name.into(),
            last_name: last_name.into(),
            silent: false,
        }
    }
}

/// Shows nothing of the user.
impl fmt::Debug for NeedsSignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsSignUp").finish_non_exhaustive()
    }
}

/// Makes an account: `auth.signUp`.
pub struct SignUp {
    needs: NeedsSignUp,
    first_name: String,
    last_name: String,
    silent: bool,
}

impl SignUp {
    /// People who have the number among their contacts are not told.
    #[must_use]
    pub fn silently(mut self) -> Self {
        self.silent = true;
        self
    }
}

impl Step for SignUp {
    type Done = SignIn;

    fn ask(&self) -> Ask {
        let call = functions::auth::SignUp {
            no_joined_notifications: self.silent,
            phone_number: self.needs.phone.as_str().into(),
            phone_code_hash: self.needs.phone_code_hash.as_str().into(),
            first_name: self.first_name.as_str().into(),
            last_name: self.last_name.as_str().into(),
        };
        ask(&call, Route::Main)
    }

    fn handle(self, answer: Result<Bytes, CallError>) -> Result<Next<Self, SignIn>, SignInError> {
        let error = match answer {
            Ok(body) => {
                let signed_in = only_signed_in::<functions::auth::SignUp>(&body)?;
                return Ok(Next::Done(SignIn::Done(signed_in)));
            }
            Err(error) => error,
        };
        let retry = Box::new(self.needs);
        Err(match name(&error) {
            "FIRSTNAME_INVALID" => SignInError::FirstNameInvalid { retry },
            "LASTNAME_INVALID" => SignInError::LastNameInvalid { retry },
            _ => error.into(),
        })
    }
}

/// Shows nothing of the user.
impl fmt::Debug for SignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignUp").finish_non_exhaustive()
    }
}
