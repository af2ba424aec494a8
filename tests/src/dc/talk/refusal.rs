//! How a request is refused.
//!
//! Does: [`Refusal`], the code and the text of an `rpc_error`.
//! In: nothing. Out: what clients know from the real server.
//! Must not know: which request it was.
//! Spec: "Error handling".

/// The code and the text of an `rpc_error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code, as in HTTP.
    pub code: i32,
    /// The text, in capitals.
    pub text: &'static str,
}

/// What a method of this folder ends with.
pub type Outcome<T> = Result<T, Refusal>;

/// The request cannot be carried out as it is.
pub fn bad(text: &'static str) -> Refusal {
    Refusal { code: 400, text }
}

/// The account may not do that.
pub fn forbidden(text: &'static str) -> Refusal {
    Refusal { code: 403, text }
}

/// Refuses unless the condition holds.
pub fn ensure(condition: bool, refusal: Refusal) -> Outcome<()> {
    if condition { Ok(()) } else { Err(refusal) }
}
