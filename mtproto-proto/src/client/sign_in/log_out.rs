//! Signing out.
//!
//! Does: one call, which may never be answered.
//! In: nothing. Out: a token with which signing in again may need no code.
//! Must not know: that the keys are destroyed afterwards; the machine does that.
//! Spec: "User authorization": auth.logOut, "Future auth tokens".

use core::fmt;

use bytes::Bytes;
use mtproto_schema::api::functions;

use super::answer::{ask, detached, read};
use super::{Ask, Next, SignInError, Step};
use crate::client::{CallError, Route};

/// Signs out: `auth.logOut`.
#[derive(Debug, Default)]
pub struct LogOut {
    _private: (),
}

impl LogOut {
    /// Of the account that is signed in.
    pub fn new() -> Self {
        LogOut::default()
    }
}

/// The account is signed out.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedOut {
    /// For [`RequestCode::logout_tokens`](super::RequestCode::logout_tokens): signs in again
    /// without a code, for a while. Secret.
    pub future_auth_token: Option<Bytes>,
}

/// Shows whether there is a token.
impl fmt::Debug for LoggedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedOut")
            .field("has_token", &self.future_auth_token.is_some())
            .finish()
    }
}

impl Step for LogOut {
    type Done = LoggedOut;

    fn ask(&self) -> Ask {
        ask(&functions::auth::LogOut, Route::Main)
    }

    fn handle(
        self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, LoggedOut>, SignInError> {
        let future_auth_token = match answer {
            Ok(body) => read::<functions::auth::LogOut>(&body)?
                .future_auth_token
                .as_ref()
                .map(detached),
            // Acknowledged and never answered, or signed out elsewhere before.
            Err(CallError::SignedOut { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Next::Done(LoggedOut { future_auth_token }))
    }
}
