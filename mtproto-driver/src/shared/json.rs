//! Calls by name: from JSON to a body, from an answer to JSON.
//!
//! Does: [`encode`], [`decode`], and the schema that both use unless there is another.
//! In: a method's name and its arguments. Out: its body; its answer.
//! Must not know: how a call travels.
//! Spec: "TL Language"; the JSON form is described in `mtproto_schema::Value`.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use mtproto_schema::model::Type;
use mtproto_schema::{Schema, ValueError};
use serde_json::Value;

/// Read once per process, when it is first asked for.
static BUILTIN: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::builtin()));

/// Why a call by name did not come about, or its answer is of no use.
pub(crate) enum JsonError {
    /// No such method.
    UnknownMethod { method: String },
    /// They do not fit the method.
    Arguments { method: String, error: ValueError },
    /// It does not fit the schema.
    Answer { method: String, error: ValueError },
}

/// A call that was encoded, without its body: what is needed to read the answer.
pub(crate) struct Asked {
    schema: Arc<Schema>,
    method: String,
    ty: Type,
}

/// The given schema or the built-in one.
pub(crate) fn schema(given: Option<&Arc<Schema>>) -> Arc<Schema> {
    given.unwrap_or(&BUILTIN).clone()
}

/// The body of a call.
pub(crate) fn encode(
    schema: Arc<Schema>,
    method: &str,
    arguments: &Value,
) -> Result<(Bytes, Asked), JsonError> {
    let method = method.to_owned();
    if schema.function(&method).is_none() {
        return Err(JsonError::UnknownMethod { method });
    }
    match schema.encode_function(&method, arguments) {
        Ok((body, ty)) => Ok((body, Asked { schema, method, ty })),
        Err(error) => Err(JsonError::Arguments { method, error }),
    }
}

/// An answer to it.
pub(crate) fn decode(asked: Asked, body: &Bytes) -> Result<Value, JsonError> {
    match asked.schema.decode_result(&asked.ty, body) {
        Ok(value) => Ok(value.to_json()),
        Err(error) => Err(JsonError::Answer {
            method: asked.method,
            error,
        }),
    }
}
