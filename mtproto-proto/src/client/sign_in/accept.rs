//! The other side of a QR code: a client that is signed in lets another one in.
//!
//! Does: reads the scanned address, accepts its token.
//! In: `tg://login?token=…`. Out: the new session, to be shown to the user.
//! Must not know: cameras.
//! Spec: "Login via QR code": auth.acceptLoginToken.

use alloc::boxed::Box;
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use bytes::Bytes;
use mtproto_schema::api::{functions, types};

use super::answer::{ask, read};
use super::qr::URL;
use super::{Ask, Next, SignInError, Step};
use crate::client::{CallError, Route};

/// Longest token that is read from an address. Tokens have 36 bytes.
const MAX_TOKEN: usize = 1_024;

/// Lets another client in: `auth.acceptLoginToken`. Ask the user first: it is the whole account.
pub struct AcceptLogin {
    token: Bytes,
}

impl AcceptLogin {
    /// With the token itself.
    pub fn new(token: impl Into<Bytes>) -> Self {
        AcceptLogin {
            token: token.into(),
        }
    }

    /// With what the QR code says, `tg://login?token=…`.
    ///
    /// # Errors
    /// [`SignInError::LoginTokenInvalid`] if it says something else.
    pub fn from_url(url: &str) -> Result<Self, SignInError> {
        let token = url
            .trim()
            .strip_prefix(URL)
            .map(|token| token.trim_end_matches('='))
            .filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN)
            .and_then(|token| Base64UrlUnpadded::decode_vec(token).ok())
            .ok_or(SignInError::LoginTokenInvalid)?;
        Ok(AcceptLogin::new(token))
    }
}

impl Step for AcceptLogin {
    /// The new session.
    type Done = Box<types::Authorization>;

    fn ask(&self) -> Ask {
        let call = functions::auth::AcceptLoginToken {
            token: self.token.clone(),
        };
        ask(&call, Route::Main)
    }

    fn handle(
        self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, Self::Done>, SignInError> {
        let session = read::<functions::auth::AcceptLoginToken>(&answer?)?;
        Ok(Next::Done(Box::new(session)))
    }
}

/// Shows nothing of the token.
impl fmt::Debug for AcceptLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptLogin").finish_non_exhaustive()
    }
}
