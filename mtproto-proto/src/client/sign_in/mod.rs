//! Signing in and out, as steps that are consumed by value.
//!
//! Does: the flows of an account: code, password, sign-up, bot token, QR code, log out, and the
//! settings of the 2FA password. Each [`Step`] names a call to send and takes its answer.
//! In: what the user typed, the answers of the server. Out: calls, the next question to the user,
//! or a [`SignInError`] that says what to do and gives the question back where it can be tried
//! again.
//! Must not know: how calls are sent; DCs, but for the one that a QR code names.
//! Spec: "User authorization", "Two-factor authentication", "Login via QR code".
//!
//! ```text
//! RequestCode ──► NeedsCode ──submit──► Done          BotSignIn ──► SignedIn
//!                  │  │  └──────────► NeedsSignUp ──sign_up──► Done
//!         resend ──┘  └─────► NeedsPassword ──check──► Done
//!                                │   ▲
//!                        recover─┘   │  QrLogin ──► Show(url) ──again──► QrLogin
//!                    NeedsRecoveryCode                └──► Done, NeedsPassword
//! ```
//!
//! What is asked of the user ([`NeedsCode`], [`NeedsPassword`], …) is `Clone`: keep a copy to try
//! again after an error that is not about what was typed, like a broken network.
//!
//! # A loop of one's own
//!
//! ```
//! use bytes::Bytes;
//! use mtproto_proto::Rng;
//! use mtproto_proto::client::CallError;
//! use mtproto_proto::client::sign_in::{
//!     App, Ask, Next, RequestCode, SignIn, SignInError, SignedIn, Step,
//! };
//!
//! /// Sends the calls of a step until it is done. `call` is `Client::send` and the wait for
//! /// `Event::Response` or `Event::Failed`.
//! fn run<S: Step>(
//!     mut step: S,
//!     call: &mut impl FnMut(Ask) -> Result<Bytes, CallError>,
//! ) -> Result<S::Done, SignInError> {
//!     loop {
//!         let answer = call(step.ask());
//!         match step.handle(answer)? {
//!             Next::Ask(next) => step = next,
//!             Next::Done(done) => return Ok(done),
//!         }
//!     }
//! }
//!
//! fn sign_in(
//!     phone: &str,
//!     call: &mut impl FnMut(Ask) -> Result<Bytes, CallError>,
//!     prompt: impl Fn(&str) -> String,
//!     rng: &mut Rng,
//! ) -> Result<Box<SignedIn>, SignInError> {
//!     let app = App::new(1, "the application's secret");
//!     let mut state = run(RequestCode::new(app, phone), call)?;
//!     loop {
//!         state = match state {
//!             SignIn::NeedsCode(code) => match run(code.submit(&prompt("code")), call) {
//!                 // A typing error: ask again.
//!                 Err(SignInError::CodeInvalid { retry }) => SignIn::NeedsCode(*retry),
//!                 other => other?,
//!             },
//!             SignIn::NeedsPassword(it) => {
//!                 let step = it.check(&prompt("password"), rng)?;
//!                 match run(step, call) {
//!                     Err(SignInError::PasswordInvalid { retry }) => {
//!                         SignIn::NeedsPassword(*retry)
//!                     }
//!                     other => SignIn::Done(other?),
//!                 }
//!             }
//!             SignIn::NeedsSignUp(it) => {
//!                 run(it.sign_up(&prompt("first name"), &prompt("last name")), call)?
//!             }
//!             SignIn::Done(signed_in) => return Ok(signed_in),
//!         };
//!     }
//! }
//! # let lost = mtproto_proto::RequestError::Lost(mtproto_proto::Fate::NotSent);
//! # let mut answers = vec![Err(CallError::Request(lost))];
//! # let error = sign_in("1", &mut |_| answers.pop().unwrap(), |_| String::new(),
//! #     &mut Rng::from_seed([0; 32])).unwrap_err();
//! # assert!(matches!(error, SignInError::Call(_)));
//! ```

mod accept;
mod answer;
mod bot;
mod code;
mod delivery;
mod error;
mod log_out;
mod password;
mod proof;
mod qr;
mod recovery;
mod sign_up;
mod two_factor;

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::api::types;

pub use accept::AcceptLogin;
pub use bot::BotSignIn;
pub use code::{CancelCode, MAX_LOGOUT_TOKENS, NeedsCode, RequestCode, ResendCode, SubmitCode};
pub use delivery::{Delivery, NextDelivery};
pub use error::{Payment, SignInError};
pub use log_out::{LogOut, LoggedOut};
pub use password::{CheckPassword, NeedsPassword};
pub use qr::{MAX_MIGRATIONS, Qr, QrCode, QrLogin};
pub use recovery::{NeedsRecoveryCode, RecoverPassword, RequestRecovery};
pub use sign_up::{NeedsSignUp, SignUp, Terms};
pub use two_factor::{ChangePassword, ConfirmEmail, PasswordChanged};

pub use crate::client::{CallError, Route};

/// A call to send: `Client::send` with this route. Its body may hold what the user typed: secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// The boxed function.
    pub body: Bytes,
    /// Where to.
    pub route: Route,
    /// May be executed twice without harm.
    pub idempotent: bool,
}

/// Shows the length of the body only.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("len", &self.body.len())
            .field("route", &self.route)
            .field("idempotent", &self.idempotent)
            .finish()
    }
}

/// What follows an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next<S, T> {
    /// The step goes on: send what it asks for.
    Ask(S),
    /// It is done.
    Done(T),
}

/// One step of a flow: a call, its answer, perhaps another call.
pub trait Step: Sized + Send {
    /// What comes out.
    type Done;

    /// The call to send next.
    fn ask(&self) -> Ask;

    /// The end of that call.
    ///
    /// # Errors
    /// [`SignInError`]: the server refused, or did not answer.
    fn handle(
        self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, Self::Done>, SignInError>;
}

/// The application, as registered at my.telegram.org.
#[derive(Clone, PartialEq, Eq)]
pub struct App {
    /// Its id.
    pub api_id: i32,
    /// Its secret.
    pub api_hash: String,
}

impl App {
    /// Both together.
    pub fn new(api_id: i32, api_hash: impl Into<String>) -> Self {
        App {
            api_id,
            api_hash: api_hash.into(),
        }
    }
}

/// Shows the id only.
impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("api_id", &self.api_id)
            .finish_non_exhaustive()
    }
}

/// How far signing in has come.
#[derive(Clone, Debug)]
#[must_use]
pub enum SignIn {
    /// The user has to type the code that was sent.
    NeedsCode(NeedsCode),
    /// The account has a password.
    NeedsPassword(NeedsPassword),
    /// There is no account of this number.
    NeedsSignUp(NeedsSignUp),
    /// The account is signed in.
    Done(Box<SignedIn>),
}

/// An account that is signed in.
#[derive(Clone)]
#[non_exhaustive]
pub struct SignedIn {
    /// The account.
    pub user: Box<types::User>,
    /// Signs in without a code after [`LogOut`]: [`RequestCode::logout_tokens`]. Secret; only the
    /// one that `auth.logOut` gives is good.
    pub future_auth_token: Option<Bytes>,
    /// Without a 2FA password the account has to sign in again after this time.
    pub sign_in_again_after: Option<Duration>,
}

/// Shows the account's id only.
impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("user_id", &self.user.id)
            .finish_non_exhaustive()
    }
}
