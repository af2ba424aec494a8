//! Signing in as a bot.
//!
//! Does: one call with the bot's token.
//! In: the token from @BotFather. Out: the bot's account.
//! Must not know: DCs; the machine follows `USER_MIGRATE_X`.
//! Spec: "User authorization": auth.importBotAuthorization.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use bytes::Bytes;
use mtproto_schema::api::functions;
use zeroize::Zeroizing;

use super::answer::{ask, only_signed_in};
use super::{App, Ask, Next, SignInError, SignedIn, Step};
use crate::client::{CallError, Route};

/// Signs in as a bot: `auth.importBotAuthorization`.
pub struct BotSignIn {
    app: App,
    token: Zeroizing<String>,
}

impl BotSignIn {
    /// With the token from @BotFather.
    pub fn new(app: App, token: impl Into<String>) -> Self {
        BotSignIn {
            app,
            token: Zeroizing::new(token.into()),
        }
    }
}

impl Step for BotSignIn {
    type Done = Box<SignedIn>;

    fn ask(&self) -> Ask {
        let call = functions::auth::ImportBotAuthorization {
            flags: 0,
            api_id: self.app.api_id,
            api_hash: self.app.api_hash.as_str().into(),
            bot_auth_token: self.token.as_str().into(),
        };
        ask(&call, Route::Main)
    }

    fn handle(
        self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, Box<SignedIn>>, SignInError> {
        only_signed_in::<functions::auth::ImportBotAuthorization>(&answer?).map(Next::Done)
    }
}

/// Shows nothing of the token.
impl fmt::Debug for BotSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BotSignIn")
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}
