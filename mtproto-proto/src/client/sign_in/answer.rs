//! What the steps do with answers, all alike.
//!
//! Does: encodes calls, decodes results, names errors.
//! In: functions, boxed results, [`CallError`]s. Out: [`Ask`]s, typed results, [`SignIn`].
//! Must not know: which step it is.
//! Spec: "User authorization".

use alloc::boxed::Box;
use core::time::Duration;

use bytes::Bytes;
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Decode, Function};

use super::{Ask, SignInError, SignedIn};
use crate::client::{CallError, Route};
use crate::error::{RequestError, RpcError};

/// A call.
pub(super) fn ask<F: Function>(function: &F, route: Route) -> Ask {
    Ask {
        body: function.to_bytes(),
        route,
        idempotent: F::IDEMPOTENT,
    }
}

/// The result of a call.
pub(super) fn read<F: Function>(body: &Bytes) -> Result<F::Response, SignInError> {
    F::Response::from_bytes(body).map_err(|_| bad::<F>())
}

/// The result of a call cannot be used.
pub(super) fn bad<F: Function>() -> SignInError {
    SignInError::BadAnswer { method: F::NAME }
}

/// The server's error, if it is one.
pub(super) fn rpc(error: &CallError) -> Option<&RpcError> {
    match error {
        CallError::Request(RequestError::Rpc(rpc)) => Some(rpc),
        CallError::Request(
            RequestError::TimedOut(_)
            | RequestError::Cancelled(_)
            | RequestError::Lost(_)
            | RequestError::DependencyFailed(_)
            | RequestError::BadAnswer,
        )
        | CallError::SignedOut { .. }
        | CallError::UnknownDc { .. }
        | CallError::KeyDenied { .. } => None,
    }
}

/// The name of the server's error; empty if it is none.
pub(super) fn name(error: &CallError) -> &str {
    rpc(error).map_or("", |rpc| rpc.message.as_str())
}

/// The number at the end of a name like `EMAIL_UNCONFIRMED_6`.
pub(super) fn number(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.parse().ok()
}

/// Whether the account has a password that has to follow.
pub(super) fn password_needed(error: &CallError) -> bool {
    name(error) == "SESSION_PASSWORD_NEEDED"
}

/// Seconds of the API, which are signed.
pub(super) fn seconds(count: i32) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or(0))
}

/// A count of the API, which is signed.
pub(super) fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// Who is signed in: only an account that exists.
pub(super) fn signed_in<F: Function>(
    authorization: types::auth::Authorization,
) -> Result<Box<SignedIn>, SignInError> {
    const DAY: u64 = 86_400;

    let user = match authorization.user {
        enums::User::User(user) => user,
        enums::User::Empty(_) => return Err(bad::<F>()),
    };
    Ok(Box::new(SignedIn {
        user,
        future_auth_token: authorization.future_auth_token.as_ref().map(detached),
        sign_in_again_after: authorization
            .otherwise_relogin_days
            .map(|days| Duration::from_secs(u64::from(count(days)).saturating_mul(DAY))),
    }))
}

/// The result of a call that can only sign in.
pub(super) fn only_signed_in<F>(body: &Bytes) -> Result<Box<SignedIn>, SignInError>
where
    F: Function<Response = enums::auth::Authorization>,
{
    match read::<F>(body)? {
        enums::auth::Authorization::Authorization(it) => signed_in::<F>(it),
        enums::auth::Authorization::SignUpRequired(_) => Err(bad::<F>()),
    }
}

/// A copy that does not keep the packet alive.
pub(super) fn detached(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
