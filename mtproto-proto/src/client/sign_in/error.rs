//! Why signing in did not go on, and what to do.
//!
//! Does: one enum for all steps; the names of errors that mean the same everywhere.
//! In: [`CallError`]. Out: [`SignInError`].
//! Must not know: which step it was; what only one step can tell is told there.
//! Spec: "User authorization"; the possible errors of each method.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use super::answer::{name, rpc};
use super::{NeedsCode, NeedsPassword, NeedsRecoveryCode, NeedsSignUp, RequestCode};
use crate::client::{CallError, RpcKind};
use crate::crypto::dh::DhError;
use crate::error::RpcError;

/// Why signing in did not go on. `retry` is the question that can be put to the user again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInError {
    /// `API_ID_INVALID`: id and hash of the application do not belong together.
    ApiIdInvalid,
    /// `API_ID_PUBLISHED_FLOOD`: this id was published and may not sign in.
    ApiIdPublished,
    /// `UPDATE_APP_TO_LOGIN`.
    UpdateApp,
    /// `PHONE_NUMBER_INVALID`.
    PhoneNumberInvalid,
    /// `PHONE_NUMBER_BANNED`.
    PhoneNumberBanned,
    /// `PHONE_NUMBER_FLOOD`: too many codes for this number.
    PhoneNumberFlood,
    /// `PHONE_PASSWORD_FLOOD`: too many attempts with this number.
    PhonePasswordFlood,
    /// `PHONE_NUMBER_OCCUPIED`: sign in, not up.
    PhoneNumberOccupied,
    /// `PHONE_NUMBER_APP_SIGNUP_FORBIDDEN`: new accounts are made in official apps only.
    SignUpForbidden,
    /// A code is sent only after a payment.
    PaymentRequired(Box<Payment>),
    /// The account wants an email address first, which official apps set up.
    EmailSetupRequired,
    /// `SMS_CODE_CREATE_FAILED`: the server could not send a code.
    CodeNotSent,
    /// `SEND_CODE_UNAVAILABLE`: there is no further way to send the code.
    ResendUnavailable {
        /// The code that was sent is good.
        retry: Box<NeedsCode>,
    },
    /// `PHONE_CODE_INVALID`: a wrong code.
    CodeInvalid {
        /// To type it again.
        retry: Box<NeedsCode>,
    },
    /// `PHONE_CODE_EMPTY`: no code.
    CodeEmpty {
        /// To type it.
        retry: Box<NeedsCode>,
    },
    /// `PHONE_CODE_EXPIRED`.
    CodeExpired {
        /// Sends another one.
        retry: Box<RequestCode>,
    },
    /// `AUTH_RESTART`: the server lost this attempt.
    Restart {
        /// Begins anew.
        retry: Box<RequestCode>,
    },
    /// `FIRSTNAME_INVALID`.
    FirstNameInvalid {
        /// To type it again.
        retry: Box<NeedsSignUp>,
    },
    /// `LASTNAME_INVALID`.
    LastNameInvalid {
        /// To type it again.
        retry: Box<NeedsSignUp>,
    },
    /// `PASSWORD_HASH_INVALID`: a wrong password.
    PasswordInvalid {
        /// To type it again.
        retry: Box<NeedsPassword>,
    },
    /// Another session changes or tries the password at the same time.
    PasswordBusy {
        /// To try again.
        retry: Box<NeedsPassword>,
    },
    /// The account's password is checked in a way that this release does not know.
    UnknownPasswordAlgorithm,
    /// The server named numbers under which a password would not be safe.
    UnsafePassword(DhError),
    /// `PASSWORD_RECOVERY_NA`: the account has no email address for its password.
    RecoveryUnavailable {
        /// The password itself can be typed.
        retry: Box<NeedsPassword>,
    },
    /// `CODE_INVALID`: a wrong code from the email.
    RecoveryCodeInvalid {
        /// To type it again.
        retry: Box<NeedsRecoveryCode>,
    },
    /// `PASSWORD_RECOVERY_EXPIRED`.
    RecoveryExpired {
        /// Asks for another code.
        retry: Box<NeedsPassword>,
    },
    /// `ACCESS_TOKEN_INVALID`: no bot's token.
    BotTokenInvalid,
    /// `ACCESS_TOKEN_EXPIRED`: the bot's token was replaced.
    BotTokenExpired,
    /// `AUTH_TOKEN_INVALID`: no login token.
    LoginTokenInvalid,
    /// `AUTH_TOKEN_EXPIRED`: the code was shown for too long.
    LoginTokenExpired,
    /// `AUTH_TOKEN_ALREADY_ACCEPTED`.
    LoginTokenAlreadyAccepted,
    /// The current password is wrong or was not given ([`ChangePassword`](super::ChangePassword)).
    CurrentPasswordInvalid,
    /// The new password is empty, or the server refused it.
    NewPasswordRefused,
    /// `EMAIL_INVALID`.
    EmailInvalid,
    /// A wrong code from the email ([`ConfirmEmail`](super::ConfirmEmail)).
    EmailCodeInvalid,
    /// The email's code expired.
    EmailCodeExpired,
    /// `PASSWORD_TOO_FRESH_X`, `SESSION_TOO_FRESH_X`: the password or this session is too new to
    /// change it. How long to wait.
    TooFresh(Duration),
    /// `FLOOD_WAIT_X` and its relatives: how long to wait before this is tried again.
    FloodWait(Duration),
    /// Everything else: an error of the server without a name here, no answer, …
    Call(CallError),
    /// An answer that cannot be read. The server has executed the call.
    BadAnswer {
        /// The call.
        method: &'static str,
    },
}

/// What the server wants before it sends a code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payment {
    /// What to buy in an official app.
    pub store_product: String,
    /// The currency of the price, ISO 4217.
    pub currency: String,
    /// The price in the smallest unit of the currency.
    pub amount: i64,
    /// Who helps if that is not possible.
    pub support_email: String,
    /// What to write to them as the subject.
    pub support_subject: String,
}

impl From<CallError> for SignInError {
    /// What an error means in every step.
    fn from(error: CallError) -> Self {
        if let Some(RpcKind::Wait(wait)) = rpc(&error).map(RpcError::kind) {
            return SignInError::FloodWait(wait);
        }
        match name(&error) {
            "API_ID_INVALID" => SignInError::ApiIdInvalid,
            "API_ID_PUBLISHED_FLOOD" => SignInError::ApiIdPublished,
            "UPDATE_APP_TO_LOGIN" => SignInError::UpdateApp,
            "PHONE_NUMBER_INVALID" => SignInError::PhoneNumberInvalid,
            "PHONE_NUMBER_BANNED" => SignInError::PhoneNumberBanned,
            "PHONE_NUMBER_FLOOD" => SignInError::PhoneNumberFlood,
            "PHONE_PASSWORD_FLOOD" => SignInError::PhonePasswordFlood,
            "PHONE_NUMBER_OCCUPIED" => SignInError::PhoneNumberOccupied,
            "PHONE_NUMBER_APP_SIGNUP_FORBIDDEN" => SignInError::SignUpForbidden,
            "SMS_CODE_CREATE_FAILED" => SignInError::CodeNotSent,
            "ACCESS_TOKEN_INVALID" => SignInError::BotTokenInvalid,
            "ACCESS_TOKEN_EXPIRED" => SignInError::BotTokenExpired,
            "AUTH_TOKEN_EXPIRED" => SignInError::LoginTokenExpired,
            "AUTH_TOKEN_ALREADY_ACCEPTED" => SignInError::LoginTokenAlreadyAccepted,
            "AUTH_TOKEN_INVALID" | "AUTH_TOKEN_INVALIDX" | "AUTH_TOKEN_EXCEPTION" => {
                SignInError::LoginTokenInvalid
            }
            _ => SignInError::Call(error),
        }
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiIdInvalid => {
                "the application's id and hash do not belong together; copy both from \
                 my.telegram.org"
            }
            Self::ApiIdPublished => {
                "the application's id was published and may not sign in; register one of your own \
                 at my.telegram.org"
            }
            Self::UpdateApp => {
                "the server wants a newer application to sign in; update to a newer API layer"
            }
            Self::PhoneNumberInvalid => {
                "the phone number is invalid; write it with its country code, like +441632960000"
            }
            Self::PhoneNumberBanned => {
                "the phone number is banned from Telegram; write to recover@telegram.org"
            }
            Self::PhoneNumberFlood => {
                "too many codes were sent to this phone number; try again tomorrow"
            }
            Self::PhonePasswordFlood => {
                "too many attempts to sign in with this phone number; try again tomorrow"
            }
            Self::PhoneNumberOccupied => {
                "there is an account of this phone number already; sign in instead of up"
            }
            Self::SignUpForbidden => {
                "new accounts are not made with this application; sign up in an official app first"
            }
            Self::PaymentRequired(payment) => {
                return write!(
                    f,
                    "a code is sent only after a payment in an official app; sign in there first, \
                     or write to {}",
                    payment.support_email
                );
            }
            Self::EmailSetupRequired => {
                "the account needs an email address to sign in; set it up in an official app"
            }
            Self::CodeNotSent => "the server could not send a code; try again later",
            Self::ResendUnavailable { .. } => {
                "there is no other way to send the code; use the one that was sent, or try again \
                 later"
            }
            Self::CodeInvalid { .. } => "the code is wrong; type it again",
            Self::CodeEmpty { .. } => "the code is empty; type it",
            Self::CodeExpired { .. } => "the code has expired; request another one",
            Self::Restart { .. } => "the server lost this attempt to sign in; request a new code",
            Self::FirstNameInvalid { .. } => "the first name is invalid; choose another one",
            Self::LastNameInvalid { .. } => "the last name is invalid; choose another one",
            Self::PasswordInvalid { .. } => "the password is wrong; type it again",
            Self::PasswordBusy { .. } => {
                "the password is being changed or tried elsewhere; try again"
            }
            Self::UnknownPasswordAlgorithm => {
                "the account's password is checked in a way that this release does not know; \
                 update to sign in"
            }
            Self::UnsafePassword(error) => {
                return write!(
                    f,
                    "the server's numbers for the password are not safe ({error}); the password \
                     was not sent, do not trust this server"
                );
            }
            Self::RecoveryUnavailable { .. } => {
                "the account has no email address for its password; type the password, or reset \
                 the account in an official app"
            }
            Self::RecoveryCodeInvalid { .. } => "the code from the email is wrong; type it again",
            Self::RecoveryExpired { .. } => {
                "the code from the email has expired; ask for another one"
            }
            Self::BotTokenInvalid => "the bot's token is wrong; copy it from @BotFather",
            Self::BotTokenExpired => {
                "the bot's token was replaced; copy the new one from @BotFather"
            }
            Self::LoginTokenInvalid => "this is no login code; scan the one that is shown",
            Self::LoginTokenExpired => "the login code has expired; show and scan a new one",
            Self::LoginTokenAlreadyAccepted => "the login code was used already; show a new one",
            Self::CurrentPasswordInvalid => {
                "the current password is wrong or was not given; type it again"
            }
            Self::NewPasswordRefused => {
                "the new password is empty or the server refused it; choose another one"
            }
            Self::EmailInvalid => "the email address is invalid; type it again",
            Self::EmailCodeInvalid => "the code from the email is wrong; type it again",
            Self::EmailCodeExpired => {
                "the code from the email has expired; set the email address again"
            }
            Self::TooFresh(wait) => {
                return write!(
                    f,
                    "the password or this session is too new for that; try again in {} s",
                    wait.as_secs()
                );
            }
            Self::FloodWait(wait) => {
                return write!(f, "too many attempts; try again in {} s", wait.as_secs());
            }
            Self::Call(error @ (CallError::Request(_) | CallError::KeyDenied { .. })) => {
                return write!(f, "{error}");
            }
            Self::Call(error @ CallError::SignedOut { .. }) => {
                return write!(f, "{error}; sign in again");
            }
            Self::Call(error @ CallError::UnknownDc { .. }) => {
                return write!(f, "{error}; add it to the table of DCs");
            }
            Self::BadAnswer { method } => {
                return write!(
                    f,
                    "the answer to {method} cannot be read; update to a newer API layer"
                );
            }
        })
    }
}

impl core::error::Error for SignInError {}
