//! Calls by name, with JSON.
//!
//! Does: [`Connection::invoke_json`], from a schema that is data: every method of every layer.
//! In: a method's name and its arguments. Out: its answer.
//! Must not know: how a call travels.
//! Spec: "TL Language"; the JSON form is described in `mtproto_schema::Value`.

use std::future::Future;
use std::sync::{Arc, LazyLock};

use mtproto_proto::session::SendOptions;
use mtproto_schema::Schema;
use serde_json::Value;

use super::{Connection, Error};

/// Read once per process, when it is first asked for.
static BUILTIN: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::builtin()));

impl Connection {
    /// Calls a method by its name, like `help.getConfig`, with an object of arguments.
    ///
    /// The schema is [`Config::schema`](super::Config::schema), or the built-in one, which the
    /// first call of the process spends some milliseconds on.
    ///
    /// # Errors
    /// [`Error::UnknownMethod`] and [`Error::Arguments`] before anything is sent,
    /// [`Error::Answer`] for an answer that the schema does not know, and all the others of
    /// [`invoke`](Connection::invoke).
    pub fn invoke_json(
        &self,
        method: &str,
        arguments: &Value,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<> {
        self.invoke_json_with(method, arguments, SendOptions::default())
    }

    /// [`invoke_json`](Connection::invoke_json) with a deadline and other options of its own. What
    /// [`mtproto_schema::is_idempotent`] names is idempotent whatever the options say.
    ///
    /// # Errors
    /// As for [`invoke_json`](Connection::invoke_json).
    pub fn invoke_json_with(
        &self,
        method: &str,
        arguments: &Value,
        mut options: SendOptions,
    ) -> impl Future<Output = Result<Value, Error>> + Send + use<> {
        options.idempotent |= mtproto_schema::is_idempotent(method);
        let schema = self.schema();
        let method = method.to_owned();
        let call = if schema.function(&method).is_none() {
            Err(Error::UnknownMethod {
                method: method.clone(),
            })
        } else {
            schema
                .encode_function(&method, arguments)
                .map_err(|error| Error::Arguments {
                    method: method.clone(),
                    error,
                })
        };
        let sent = call.map(|(body, ty)| (self.invoke_raw_with(body, options), ty));
        async move {
            let (answer, ty) = sent?;
            let body = answer.await?;
            match schema.decode_result(&ty, &body) {
                Ok(value) => Ok(value.to_json()),
                Err(error) => Err(Error::Answer { method, error }),
            }
        }
    }

    /// The schema of calls by name.
    pub fn schema(&self) -> Arc<Schema> {
        let schema = self.0.schema.as_ref().unwrap_or(&BUILTIN);
        schema.clone()
    }
}
