//! Signing in and out, as straight async functions.
//!
//! Does: runs the steps of the core: [`Client::request_code`], [`Client::bot_sign_in`],
//! [`Client::qr_sign_in`], [`Client::sign_out`], and what follows from their questions.
//! In: what the user types. Out: the next question, or the account.
//! Must not know: the calls and their answers.
//! Spec: "User Authorization", "Two-factor authentication", "Login via QR code".

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::RequestError;
use mtproto_proto::client::sign_in::{self as core, Next, Step};
use mtproto_proto::client::{CallError, CallOptions};
use zeroize::Zeroizing;

use super::qr::Qr;
use super::{Client, Error};
use crate::entropy;
use crate::shared::aside;

#[doc(inline)]
pub use mtproto_proto::client::sign_in::{
    Delivery, LoggedOut, NextDelivery, Payment, SignInError as Refusal, SignedIn, Terms,
};

/// How far signing in has come. Every question that is answered leads to the next.
///
/// ```no_run
/// use mtproto_driver::Client;
/// use mtproto_driver::client::{SignIn, SignInError, SignedIn};
///
/// async fn sign_in(
///     client: &Client,
///     ask: impl Fn(&str) -> String,
/// ) -> Result<Box<SignedIn>, SignInError> {
///     let mut state = client.request_code(&ask("phone")).await?;
///     loop {
///         let next = match state {
///             SignIn::NeedsCode(code) => code.submit(&ask("code")).await,
///             SignIn::NeedsPassword(password) => password.check(&ask("password")).await,
///             SignIn::NeedsSignUp(new) => new.sign_up(&ask("first name"), &ask("last name")).await,
///             SignIn::Done(account) => return Ok(account),
///             _ => unreachable!("nobody asked to recover the password"),
///         };
///         state = match next {
///             // A typing error: the same question again.
///             Err(SignInError::TryAgain { why, again }) => {
///                 eprintln!("{why}");
///                 *again
///             }
///             other => other?,
///         };
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use]
pub enum SignIn {
    /// The user has to type the code that was sent.
    NeedsCode(NeedsCode),
    /// The account has a password.
    NeedsPassword(NeedsPassword),
    /// The user has to type the code that was sent to the email address of the password.
    NeedsRecoveryCode(NeedsRecoveryCode),
    /// There is no account of this number.
    NeedsSignUp(NeedsSignUp),
    /// The account is signed in, and stored.
    Done(Box<SignedIn>),
}

/// Why signing in did not go on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignInError {
    /// What was typed is wrong.
    TryAgain {
        /// What is wrong: [`Refusal::CodeInvalid`], [`Refusal::PasswordInvalid`], …
        why: Refusal,
        /// The same question again.
        again: Box<SignIn>,
    },
    /// The server refused, and the question is void.
    Refused(Refusal),
    /// The client failed, the network for instance. The questions are `Clone`: with a copy the
    /// same can be tried again.
    Client(Error),
}

impl SignInError {
    /// What the server said, if it is that.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            SignInError::TryAgain { why, .. } | SignInError::Refused(why) => Some(why),
            SignInError::Client(_) => None,
        }
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignInError::TryAgain { why, .. } | SignInError::Refused(why) => why.fmt(f),
            SignInError::Client(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SignInError {}

impl From<Error> for SignInError {
    fn from(error: Error) -> Self {
        SignInError::Client(error)
    }
}

/// A code was sent; the user has to type it.
#[derive(Clone)]
#[must_use]
pub struct NeedsCode {
    client: Client,
    question: core::NeedsCode,
}

impl NeedsCode {
    /// The phone number.
    pub fn phone(&self) -> &str {
        self.question.phone()
    }

    /// Where the user finds the code, and what it looks like.
    pub fn delivery(&self) -> &Delivery {
        self.question.delivery()
    }

    /// How [`resend`](Self::resend) would send it.
    pub fn next_delivery(&self) -> Option<NextDelivery> {
        self.question.next_delivery()
    }

    /// When [`resend`](Self::resend) is allowed, from the moment the code was sent.
    pub fn resend_after(&self) -> Option<Duration> {
        self.question.resend_after()
    }

    /// Names the code that was sent; for [`Client::resume_code`].
    pub fn phone_code_hash(&self) -> &str {
        self.question.phone_code_hash()
    }

    /// Signs in with what the user typed.
    ///
    /// # Errors
    /// [`SignInError::TryAgain`] when it was not the code.
    pub async fn submit(self, code: &str) -> Result<SignIn, SignInError> {
        self.client.go_on(self.question.submit(code)).await
    }

    /// Has the code sent again, in the next way.
    ///
    /// # Errors
    /// [`SignInError::TryAgain`] when there is no other way; the code that was sent is good.
    pub async fn resend(self) -> Result<SignIn, SignInError> {
        self.client.go_on(self.question.resend()).await
    }

    /// Makes the code useless: the user gave up, or the number was wrong.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn cancel(self) -> Result<(), SignInError> {
        self.client.run(self.question.cancel()).await
    }
}

impl fmt::Debug for NeedsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.question.fmt(f)
    }
}

/// The account has a password.
#[derive(Clone)]
#[must_use]
pub struct NeedsPassword {
    client: Client,
    question: core::NeedsPassword,
}

impl NeedsPassword {
    /// What helps the user to remember it.
    pub fn hint(&self) -> Option<&str> {
        self.question.hint()
    }

    /// Whether [`recover`](Self::recover) is possible.
    pub fn has_recovery(&self) -> bool {
        self.question.has_recovery()
    }

    /// Signs in with the password. It does not leave this process; to prove it takes some tens of
    /// milliseconds of computing, on a thread of its own.
    ///
    /// # Errors
    /// [`SignInError::TryAgain`] when it was not the password.
    pub async fn check(self, password: &str) -> Result<SignIn, SignInError> {
        let mut rng = entropy::rng().map_err(|e| Error::Entropy(Arc::new(e)))?;
        let password = Zeroizing::new(password.to_owned());
        let NeedsPassword { client, question } = self;
        let step = aside(move || question.check(&password, &mut rng)).await;
        let mut step = step.map_err(|why| client.refused(why))?;
        loop {
            let answer = client.ask(step.ask()).await?;
            // The proof may have to be made once more.
            let next = aside(move || step.handle(answer)).await;
            match next.map_err(|why| client.refused(why))? {
                Next::Ask(next) => step = next,
                Next::Done(done) => return Ok(SignIn::Done(done)),
            }
        }
    }

    /// Has a code sent to the email address of the password, which replaces it.
    ///
    /// # Errors
    /// [`SignInError::TryAgain`] when there is no such address.
    pub async fn recover(self) -> Result<SignIn, SignInError> {
        let question = self.client.run(self.question.recover()).await?;
        Ok(SignIn::NeedsRecoveryCode(NeedsRecoveryCode {
            client: self.client,
            question,
        }))
    }
}

impl fmt::Debug for NeedsPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.question.fmt(f)
    }
}

/// A code was sent to the email address of the password.
#[derive(Clone)]
#[must_use]
pub struct NeedsRecoveryCode {
    client: Client,
    question: core::NeedsRecoveryCode,
}

impl NeedsRecoveryCode {
    /// The address, with stars in it.
    pub fn email_pattern(&self) -> &str {
        self.question.email_pattern()
    }

    /// Signs in with the code; the account has no password then.
    ///
    /// # Errors
    /// [`SignInError::TryAgain`] when it was not the code.
    pub async fn submit(self, code: &str) -> Result<SignIn, SignInError> {
        let step = self.question.submit(code);
        Ok(SignIn::Done(self.client.run(step).await?))
    }

    /// The user has remembered the password.
    pub fn back(self) -> NeedsPassword {
        NeedsPassword {
            client: self.client,
            question: self.question.back(),
        }
    }
}

impl fmt::Debug for NeedsRecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.question.fmt(f)
    }
}

/// There is no account of this number: make one.
#[derive(Clone)]
#[must_use]
pub struct NeedsSignUp {
    client: Client,
    question: core::NeedsSignUp,
}

impl NeedsSignUp {
    /// The phone number.
    pub fn phone(&self) -> &str {
        self.question.phone()
    }

    /// What the user agrees to by signing up.
    pub fn terms(&self) -> Option<&Terms> {
        self.question.terms()
    }

    /// Makes an account and signs in.
    ///
    /// # Errors
    /// [`SignInError::TryAgain`] when a name was refused.
    pub async fn sign_up(self, first_name: &str, last_name: &str) -> Result<SignIn, SignInError> {
        let step = self.question.sign_up(first_name, last_name);
        self.client.go_on(step).await
    }
}

impl fmt::Debug for NeedsSignUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.question.fmt(f)
    }
}

impl Client {
    /// Has a code sent to the account of this number, with its country code: the beginning of
    /// signing in. Where the account lives is found out on the way.
    ///
    /// # Errors
    /// [`SignInError::Refused`] for a number that is none, is banned, has had too many codes, …
    pub async fn request_code(&self, phone: &str) -> Result<SignIn, SignInError> {
        self.request_code_with(phone, []).await
    }

    /// [`request_code`](Client::request_code) with what [`sign_out`](Client::sign_out) gave
    /// earlier: with one of these tokens no code may be needed.
    ///
    /// # Errors
    /// As for [`request_code`](Client::request_code).
    pub async fn request_code_with(
        &self,
        phone: &str,
        logout_tokens: impl IntoIterator<Item = Bytes>,
    ) -> Result<SignIn, SignInError> {
        let step = core::RequestCode::new(self.app(), phone);
        self.go_on(step.logout_tokens(logout_tokens)).await
    }

    /// Goes on with a code that was requested before, by another process for example.
    pub fn resume_code(&self, phone: &str, phone_code_hash: &str) -> NeedsCode {
        NeedsCode {
            client: self.clone(),
            question: core::NeedsCode::resume(self.app(), phone, phone_code_hash),
        }
    }

    /// Signs in as a bot, with the token from @BotFather.
    ///
    /// # Errors
    /// [`SignInError::Refused`] for a token that is none or was replaced.
    pub async fn bot_sign_in(&self, token: &str) -> Result<Box<SignedIn>, SignInError> {
        self.run(core::BotSignIn::new(self.app(), token)).await
    }

    /// Gets a login token to show as a QR code, which a device that is signed in scans.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn qr_sign_in(&self) -> Result<Qr, SignInError> {
        Qr::begin(self).await
    }

    /// Signs out: the server forgets the login, this side the keys and everything of the account.
    /// Other calls on their way fail.
    ///
    /// # Errors
    /// [`SignInError`]; the account is signed in as before then.
    pub async fn sign_out(&self) -> Result<LoggedOut, SignInError> {
        self.run(core::LogOut::new()).await
    }

    /// Runs a step of the core to its end: for what has no method here, like
    /// [`ChangePassword`](core::ChangePassword) and [`AcceptLogin`](core::AcceptLogin).
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn run<S: Step>(&self, mut step: S) -> Result<S::Done, SignInError> {
        loop {
            let answer = self.ask(step.ask()).await?;
            match step.handle(answer).map_err(|why| self.refused(why))? {
                Next::Ask(next) => step = next,
                Next::Done(done) => return Ok(done),
            }
        }
    }

    /// Sends the call of a step; a failure that is no business of the step is an error.
    async fn ask(&self, ask: core::Ask) -> Result<Result<Bytes, CallError>, Error> {
        let mut options = CallOptions::default();
        options.route = ask.route;
        options.idempotent = ask.idempotent;
        match self.invoke_raw_with(ask.body, options).await {
            Ok(body) => Ok(Ok(body)),
            Err(error) => call_error(error).map(Err),
        }
    }

    async fn go_on<S>(&self, step: S) -> Result<SignIn, SignInError>
    where
        S: Step<Done = core::SignIn>,
    {
        let state = self.run(step).await?;
        Ok(self.state(state))
    }

    /// A state that knows its client.
    pub(super) fn state(&self, state: core::SignIn) -> SignIn {
        match state {
            core::SignIn::NeedsCode(question) => SignIn::NeedsCode(NeedsCode {
                client: self.clone(),
                question,
            }),
            core::SignIn::NeedsPassword(question) => SignIn::NeedsPassword(NeedsPassword {
                client: self.clone(),
                question,
            }),
            core::SignIn::NeedsSignUp(question) => SignIn::NeedsSignUp(NeedsSignUp {
                client: self.clone(),
                question,
            }),
            core::SignIn::Done(account) => SignIn::Done(account),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what has nothing to try again is final"
    )]
    fn refused(&self, why: Refusal) -> SignInError {
        let again = match &why {
            Refusal::CodeInvalid { retry }
            | Refusal::CodeEmpty { retry }
            | Refusal::ResendUnavailable { retry } => core::SignIn::NeedsCode((**retry).clone()),
            Refusal::PasswordInvalid { retry }
            | Refusal::PasswordBusy { retry }
            | Refusal::RecoveryUnavailable { retry }
            | Refusal::RecoveryExpired { retry } => core::SignIn::NeedsPassword((**retry).clone()),
            Refusal::FirstNameInvalid { retry } | Refusal::LastNameInvalid { retry } => {
                core::SignIn::NeedsSignUp((**retry).clone())
            }
            Refusal::RecoveryCodeInvalid { retry } => {
                let again = SignIn::NeedsRecoveryCode(NeedsRecoveryCode {
                    client: self.clone(),
                    question: (**retry).clone(),
                });
                let again = Box::new(again);
                return SignInError::TryAgain { why, again };
            }
            Refusal::Call(error) => return SignInError::Client(error.clone().into()),
            _ => return SignInError::Refused(why),
        };
        let again = Box::new(self.state(again));
        SignInError::TryAgain { why, again }
    }
}

/// What the machine said of a call, for the step that asked for it.
fn call_error(error: Error) -> Result<CallError, Error> {
    Ok(match error {
        Error::Rpc(error) => CallError::Request(RequestError::Rpc(error)),
        Error::TimedOut(fate) => CallError::Request(RequestError::TimedOut(fate)),
        Error::Lost(fate) => CallError::Request(RequestError::Lost(fate)),
        Error::BadAnswer => CallError::Request(RequestError::BadAnswer),
        Error::DependencyFailed(id) => CallError::Request(RequestError::DependencyFailed(id)),
        Error::SignedOut { reason, fate } => CallError::SignedOut { reason, fate },
        Error::UnknownDc { dc, fate } => CallError::UnknownDc { dc, fate },
        Error::KeyDenied { dc, fate } => CallError::KeyDenied { dc, fate },
        // No business of the step.
        error @ (Error::Config(_)
        | Error::Entropy(_)
        | Error::Store(_)
        | Error::Snapshot(_)
        | Error::Unreachable { .. }
        | Error::Peer(_)
        | Error::Send(_)
        | Error::Decode { .. }
        | Error::Cut { .. }
        | Error::Closed(_)) => return Err(error),
        #[cfg(feature = "json")]
        error @ (Error::UnknownMethod { .. } | Error::Arguments { .. } | Error::Answer { .. }) => {
            return Err(error);
        }
    })
}
