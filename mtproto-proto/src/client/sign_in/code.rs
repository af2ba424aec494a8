//! Signing in with a code that is sent to the phone, the app or an email address.
//!
//! Does: [`RequestCode`], and what can be done with the code that was sent: submit it, have it
//! sent again, cancel it.
//! In: a phone number, a code. Out: [`SignIn`].
//! Must not know: passwords and names, which other files ask for.
//! Spec: "User authorization": auth.sendCode, auth.resendCode, auth.cancelCode, auth.signIn.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::Str;
use mtproto_schema::api::{enums, functions, types};
use zeroize::Zeroizing;

use super::answer::{ask, bad, name, password_needed, read, seconds, signed_in};
use super::delivery::{Delivery, NextDelivery};
use super::sign_up::Terms;
use super::{App, Ask, NeedsPassword, NeedsSignUp, Next, Payment, SignIn, SignInError, Step};
use crate::client::{CallError, Route};

/// Tokens of former logins that are sent with a request: the server looks at no more.
pub const MAX_LOGOUT_TOKENS: usize = 20;

/// Asks for a code: `auth.sendCode`.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestCode {
    app: App,
    phone: String,
    logout_tokens: Vec<Bytes>,
    /// The server knows a token, and the account has a password.
    password: bool,
}

impl RequestCode {
    /// For this number, with its country code.
    pub fn new(app: App, phone: impl Into<String>) -> Self {
        RequestCode {
            app,
            phone: phone.into(),
            logout_tokens: Vec::new(),
            password: false,
        }
    }

    /// What [`LogOut`](super::LogOut) gave earlier: with one of them no code may be needed. The
    /// last [`MAX_LOGOUT_TOKENS`] are used.
    #[must_use]
    pub fn logout_tokens(mut self, tokens: impl IntoIterator<Item = Bytes>) -> Self {
        self.logout_tokens = tokens.into_iter().collect();
        let surplus = self.logout_tokens.len().saturating_sub(MAX_LOGOUT_TOKENS);
        self.logout_tokens.drain(..surplus);
        self
    }

    /// What was sent.
    fn sent<F>(self, body: &Bytes) -> Result<SignIn, SignInError>
    where
        F: mtproto_schema::Function<Response = enums::auth::SentCode>,
    {
        let sent = match read::<F>(body)? {
            enums::auth::SentCode::SentCode(sent) => sent,
            enums::auth::SentCode::Success(success) => {
                return self.authorized::<F>(success.authorization, "");
            }
            enums::auth::SentCode::PaymentRequired(it) => {
                return Err(SignInError::PaymentRequired(Box::new(Payment {
                    store_product: it.store_product.to_string(),
                    currency: it.currency.to_string(),
                    amount: it.amount,
                    support_email: it.support_email_address.to_string(),
                    support_subject: it.support_email_subject.to_string(),
                })));
            }
        };
        let delivery = Delivery::of(sent.r#type).ok_or(SignInError::EmailSetupRequired)?;
        Ok(SignIn::NeedsCode(NeedsCode {
            request: self,
            phone_code_hash: sent.phone_code_hash.to_string(),
            delivery,
            next: sent.next_type.map(NextDelivery::of),
            timeout: sent.timeout.map(seconds),
        }))
    }

    /// The answer of a call that signs in.
    fn authorized<F: mtproto_schema::Function>(
        self,
        authorization: enums::auth::Authorization,
        phone_code_hash: &str,
    ) -> Result<SignIn, SignInError> {
        match authorization {
            enums::auth::Authorization::Authorization(it) => signed_in::<F>(it).map(SignIn::Done),
            enums::auth::Authorization::SignUpRequired(_) if phone_code_hash.is_empty() => {
                Err(bad::<F>())
            }
            enums::auth::Authorization::SignUpRequired(it) => {
                let terms = it.terms_of_service.as_deref().map(Terms::of);
                let needs = NeedsSignUp::new(self.phone, phone_code_hash.into(), terms);
                Ok(SignIn::NeedsSignUp(needs))
            }
        }
    }
}

impl Step for RequestCode {
    type Done = SignIn;

    fn ask(&self) -> Ask {
        if self.password {
            return NeedsPassword::fetch(Route::Main);
        }
        let tokens = &self.logout_tokens;
        let call = functions::auth::SendCode {
            phone_number: self.phone.as_str().into(),
            api_id: self.app.api_id,
            api_hash: self.app.api_hash.as_str().into(),
            settings: types::CodeSettings {
                allow_flashcall: false,
                current_number: false,
                allow_app_hash: false,
                allow_missed_call: false,
                allow_firebase: false,
                unknown_number: false,
                logout_tokens: (!tokens.is_empty()).then(|| tokens.clone()),
                token: None,
            },
        };
        ask(&call, Route::Main)
    }

    fn handle(
        mut self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, SignIn>, SignInError> {
        if self.password {
            let needs = NeedsPassword::read(answer, Route::Main)?;
            return Ok(Next::Done(SignIn::NeedsPassword(needs)));
        }
        match answer {
            Ok(body) => self
                .sent::<functions::auth::SendCode>(&body)
                .map(Next::Done),
            Err(error) if password_needed(&error) => {
                self.password = true;
                Ok(Next::Ask(self))
            }
            Err(error) => Err(refused(error, self)),
        }
    }
}

/// Errors after which a new code is requested, and those of every step.
fn refused(error: CallError, request: RequestCode) -> SignInError {
    let retry = || Box::new(request);
    match name(&error) {
        "PHONE_CODE_EXPIRED" | "EMAIL_VERIFY_EXPIRED" => {
            SignInError::CodeExpired { retry: retry() }
        }
        restart if restart.starts_with("AUTH_RESTART") => SignInError::Restart { retry: retry() },
        _ => error.into(),
    }
}

/// Shows the application only.
impl fmt::Debug for RequestCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestCode")
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

/// A code was sent; the user has to type it.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct NeedsCode {
    request: RequestCode,
    phone_code_hash: String,
    delivery: Delivery,
    next: Option<NextDelivery>,
    timeout: Option<Duration>,
}

impl NeedsCode {
    /// Of a code that another process requested; `phone_code_hash` as it got it.
    pub fn resume(app: App, phone: impl Into<String>, phone_code_hash: impl Into<String>) -> Self {
        NeedsCode {
            request: RequestCode::new(app, phone),
            phone_code_hash: phone_code_hash.into(),
            delivery: Delivery::Unknown,
            next: None,
            timeout: None,
        }
    }

    /// The phone number.
    pub fn phone(&self) -> &str {
        &self.request.phone
    }

    /// Names the code that was sent; for [`resume`](Self::resume).
    pub fn phone_code_hash(&self) -> &str {
        &self.phone_code_hash
    }

    /// Where the user finds the code, and what it looks like.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// How [`resend`](Self::resend) would send it.
    pub fn next_delivery(&self) -> Option<NextDelivery> {
        self.next
    }

    /// When [`resend`](Self::resend) is allowed, from the moment the code was sent.
    pub fn resend_after(&self) -> Option<Duration> {
        self.timeout
    }

    /// Signs in with what the user typed.
    pub fn submit(self, code: &str) -> SubmitCode {
        SubmitCode {
            needs: self,
            code: Zeroizing::new(code.into()),
            password: false,
        }
    }

    /// Has the code sent again, in the next way.
    pub fn resend(self) -> ResendCode {
        ResendCode(self)
    }

    /// Makes the code useless: the user gave up, or the number was wrong.
    pub fn cancel(self) -> CancelCode {
        CancelCode(self)
    }
}

/// Shows how the code was sent, not to whom.
impl fmt::Debug for NeedsCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedsCode")
            .field("delivery", &self.delivery)
            .field("next", &self.next)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Signs in with a code: `auth.signIn`.
pub struct SubmitCode {
    needs: NeedsCode,
    code: Zeroizing<String>,
    /// The code was right, and the account has a password.
    password: bool,
}

impl Step for SubmitCode {
    type Done = SignIn;

    fn ask(&self) -> Ask {
        if self.password {
            return NeedsPassword::fetch(Route::Main);
        }
        let code = Str::from(self.code.as_str());
        let (phone_code, email_verification) = match self.needs.delivery {
            Delivery::Email { .. } => {
                let code = types::EmailVerificationCode { code };
                (None, Some(Box::new(enums::EmailVerification::Code(code))))
            }
            Delivery::App { .. }
            | Delivery::Sms { .. }
            | Delivery::Call { .. }
            | Delivery::FlashCall { .. }
            | Delivery::MissedCall { .. }
            | Delivery::Fragment { .. }
            | Delivery::Firebase { .. }
            | Delivery::SmsWord { .. }
            | Delivery::SmsPhrase { .. }
            | Delivery::Unknown => (Some(code), None),
        };
        let call = functions::auth::SignIn {
            phone_number: self.needs.phone().into(),
            phone_code_hash: self.needs.phone_code_hash().into(),
            phone_code,
            email_verification,
        };
        ask(&call, Route::Main)
    }

    fn handle(
        mut self,
        answer: Result<Bytes, CallError>,
    ) -> Result<Next<Self, SignIn>, SignInError> {
        if self.password {
            let needs = NeedsPassword::read(answer, Route::Main)?;
            return Ok(Next::Done(SignIn::NeedsPassword(needs)));
        }
        let error = match answer {
            Ok(body) => {
                let authorization = read::<functions::auth::SignIn>(&body)?;
                let NeedsCode {
                    request,
                    phone_code_hash,
                    ..
                } = self.needs;
                return request
                    .authorized::<functions::auth::SignIn>(authorization, &phone_code_hash)
                    .map(Next::Done);
            }
            Err(error) => error,
        };
        let retry = |needs| Box::new(needs);
        Err(match name(&error) {
            "SESSION_PASSWORD_NEEDED" => {
                self.password = true;
                return Ok(Next::Ask(self));
            }
            // Older than auth.authorizationSignUpRequired, which says the same.
            "PHONE_NUMBER_UNOCCUPIED" => {
                let NeedsCode {
                    request,
                    phone_code_hash,
                    ..
                } = self.needs;
                let needs = NeedsSignUp::new(request.phone, phone_code_hash, None);
                return Ok(Next::Done(SignIn::NeedsSignUp(needs)));
            }
            "PHONE_CODE_INVALID" | "CODE_INVALID" | "EMAIL_CODE_INVALID" => {
                SignInError::CodeInvalid {
                    retry: retry(self.needs),
                }
            }
            "PHONE_CODE_EMPTY" | "CODE_EMPTY" => SignInError::CodeEmpty {
                retry: retry(self.needs),
            },
            _ => refused(error, self.needs.request),
        })
    }
}

/// Shows nothing of the code.
impl fmt::Debug for SubmitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitCode")
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

/// Has a code sent again: `auth.resendCode`.
#[derive(Debug)]
pub struct ResendCode(NeedsCode);

impl Step for ResendCode {
    type Done = SignIn;

    fn ask(&self) -> Ask {
        let call = functions::auth::ResendCode {
            phone_number: self.0.phone().into(),
            phone_code_hash: self.0.phone_code_hash().into(),
            reason: None,
        };
        ask(&call, Route::Main)
    }

    fn handle(self, answer: Result<Bytes, CallError>) -> Result<Next<Self, SignIn>, SignInError> {
        match answer {
            Ok(body) => self
                .0
                .request
                .sent::<functions::auth::ResendCode>(&body)
                .map(Next::Done),
            Err(error) if name(&error) == "SEND_CODE_UNAVAILABLE" => {
                Err(SignInError::ResendUnavailable {
                    retry: Box::new(self.0),
                })
            }
            Err(error) => Err(refused(error, self.0.request)),
        }
    }
}

/// Makes a code useless: `auth.cancelCode`.
#[derive(Debug)]
pub struct CancelCode(NeedsCode);

impl Step for CancelCode {
    type Done = ();

    fn ask(&self) -> Ask {
        let call = functions::auth::CancelCode {
            phone_number: self.0.phone().into(),
            phone_code_hash: self.0.phone_code_hash().into(),
        };
        ask(&call, Route::Main)
    }

    fn handle(self, answer: Result<Bytes, CallError>) -> Result<Next<Self, ()>, SignInError> {
        match answer {
            Ok(body) => read::<functions::auth::CancelCode>(&body).map(|_| Next::Done(())),
            // It is useless already.
            Err(error) if name(&error) == "PHONE_CODE_EXPIRED" => Ok(Next::Done(())),
            Err(error) => Err(error.into()),
        }
    }
}
