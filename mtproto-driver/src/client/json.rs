//! Calls by name, with JSON.
//!
//! Does: [`Client::invoke_json`], from a schema that is data: every method of every layer.
//! In: a method's name and its arguments. Out: its answer.
//! Must not know: how a call travels.
//! Spec: "TL Language"; the JSON form is described in `mtproto_schema::Value`.

use std::future::Future;
use std::sync::Arc;

use mtproto_proto::client::CallOptions;
use mtproto_schema::Schema;
use serde_json::Value;

use super::{Client, Error};
use crate::shared::json;

impl Client {
    /// Calls a method by its name, like `help.getConfig`, with an object of arguments.
    ///
    /// The schema is [`Options::schema`](super::Options::schema), or the built-in one, which the
    /// first call of the process spends some milliseconds on.
    ///
    /// # Errors
    /// [`Error::UnknownMethod`] and [`Error::Arguments`] before anything is sent,
    /// [`Error::Answer`] for an answer that the schema does not know, and all the others of
    /// [`invoke`](Client::invoke).
    pub fn invoke_json(
        &self,
        method: &str,
        arguments: &Value,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<> {
        self.invoke_json_with(method, arguments, CallOptions::default())
    }

    /// [`invoke_json`](Client::invoke_json) with a route, a deadline and other options of its own.
    /// What [`mtproto_schema::is_idempotent`] names is idempotent whatever the options say.
    ///
    /// # Errors
    /// As for [`invoke_json`](Client::invoke_json).
    pub fn invoke_json_with(
        &self,
        method: &str,
        arguments: &Value,
        mut options: CallOptions,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<> {
        options.idempotent |= mtproto_schema::is_idempotent(method);
        let encoded = json::encode(self.schema(), method, arguments);
        let sent = encoded.map(|(body, asked)| (self.invoke_raw_with(body, options), asked));
        async move {
            let (answer, asked) = sent?;
            let body = answer.await?;
            Ok(json::decode(asked, &body)?)
        }
    }

    /// The schema of calls by name.
    pub fn schema(&self) -> Arc<Schema> {
        json::schema(self.0.schema.as_ref())
    }
}
