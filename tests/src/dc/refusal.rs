//! How a call is refused.
//!
//! Does: the errors of `rpc_error`, by what they mean to a client.
//! In: a text. Out: code and text.
//! Must not know: which call it was.
//! Spec: "Error handling".

use bytes::Bytes;
use mtproto_proto::DcId;

/// The code and the text of an `rpc_error`.
pub type Refusal = (i32, String);

/// An answer: the boxed result, or why there is none.
pub type Reply = Result<Bytes, Refusal>;

/// The call is wrong.
pub fn bad(text: &str) -> Refusal {
    (400, text.to_owned())
}

/// The caller is not who may do that.
pub fn unauthorized(text: &str) -> Refusal {
    (401, text.to_owned())
}

/// It cannot be done, and nothing is to be shown of it.
pub fn not_acceptable(text: &str) -> Refusal {
    (406, text.to_owned())
}

/// The call belongs to another DC; `what` is `PHONE`, `USER` or `NETWORK`.
pub fn migrate(what: &str, dc: DcId) -> Refusal {
    (303, format!("{what}_MIGRATE_{dc}"))
}

/// The call came too early by so many seconds.
pub fn flood_wait(seconds: i32) -> Refusal {
    (420, format!("FLOOD_WAIT_{seconds}"))
}
