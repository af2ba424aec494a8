//! Any method on any server, JSON in, JSON out; each adapter's `call` example runs it.
//!
//! Failures are one line of JSON on stderr, `{"error":{"kind":…,"code":…,"message":…}}`, and an
//! exit code that is not 0. `kind` says what went wrong in one word, `code` is the server's if it gave
//! one.

use std::ffi::OsString;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use clap::{Parser, ValueEnum};
use mtproto_driver::{
    ClientConfig, CloseReason, Config, Connection, Error, InitParams, Runtime, SendOptions, Start,
};
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_proto::{DcId, connection, handshake};
use mtproto_schema::{LAYER, Schema};
use serde_json::{Value, json};

/// Longest wait for a TCP stream, and for the server's first words.
const FIRST_WORDS: Duration = Duration::from_secs(10);

/// How long temporary keys live: no call lasts longer.
const TEMP_KEY_LIFETIME: Duration = Duration::from_secs(3600);

/// Calls one method and prints its answer as JSON.
#[derive(Debug, Parser)]
#[command(
    name = "call",
    after_help = "The environment's API_ID and API_HASH (defaults: 1 and 32 times 'x', which a test \
                  DC takes) go into initConnection, and into the method's own api_id and api_hash \
                  unless the parameters name them.\n\n\
                  On failure: {\"error\":{\"kind\",\"code\",\"message\"}} on stderr, exit code not 0."
)]
struct Args {
    /// Where the server listens
    #[arg(long, value_name = "HOST:PORT")]
    server: String,
    /// The data centre that it is; plus 10000 for a test one, negative for media only
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    dc: i16,
    /// The server's public RSA key, PEM (PKCS #1)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// How packets are framed
    #[arg(long, value_enum, default_value = "intermediate")]
    framing: FramingName,
    /// Obfuscate the stream
    #[arg(long)]
    obfuscated: bool,
    /// Call under a temporary key that is bound to the permanent one
    #[arg(long)]
    temp_key: bool,
    /// The layer to announce; that of the schema unless given
    #[arg(long, value_name = "N")]
    layer: Option<i32>,
    /// Another schema, JSON
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// When to give up
    #[arg(long, value_name = "SECS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    /// The method's name, like help.getConfig
    method: String,
    /// Its parameters, a JSON object
    #[arg(default_value = "{}")]
    params: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FramingName {
    Abridged,
    Intermediate,
    Padded,
    Full,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Failure {
    pub kind: &'static str,
    pub code: Option<i32>,
    pub message: String,
}

/// Reads the command line, calls, prints.
pub async fn run<R: Runtime>(runtime: R) -> ExitCode {
    match answer(&runtime, env::args_os()).await {
        Ok(answer) => {
            // It fails when nobody listens any more.
            let _ = writeln!(io::stdout(), "{answer}");
            ExitCode::SUCCESS
        }
        Err(Failure {
            kind,
            code,
            message,
        }) => {
            let error = json!({ "error": { "kind": kind, "code": code, "message": message } });
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(if kind == "usage" { 2 } else { 1 })
        }
    }
}

/// What goes to stdout for this command line, the program's name included.
pub async fn answer<R: Runtime>(
    runtime: &R,
    args: impl IntoIterator<Item = OsString>,
) -> Result<String, Failure> {
    match Args::try_parse_from(args) {
        Ok(args) => Ok(call(runtime, args).await?.to_string()),
        // `--help` is an answer.
        Err(e) if !e.use_stderr() => Ok(e.to_string()),
        Err(e) => {
            let text = e.to_string();
            // The first paragraph says what is wrong, the others how to get help.
            let text = text.trim_start_matches("error: ").split("\n\n").next();
            let words: Vec<_> = text.unwrap_or_default().split_whitespace().collect();
            Err(Failure::new(
                "usage",
                format!("{}; see --help", words.join(" ")),
            ))
        }
    }
}

async fn call<R: Runtime>(runtime: &R, args: Args) -> Result<Value, Failure> {
    let timeout = Duration::from_secs(args.timeout);
    let plan = Plan::read(args, timeout)?;
    let until = runtime.now() + timeout;
    match before(runtime, until, plan.run(runtime, until)).await {
        Some(result) => result,
        None => Err(Failure::new(
            "timeout",
            format!("no answer within {timeout:?}"),
        )),
    }
}

/// What to do, once everything that the command line names was read.
struct Plan {
    to: SocketAddr,
    config: Config,
    method: String,
    params: Value,
}

impl Plan {
    fn read(args: Args, timeout: Duration) -> Result<Self, Failure> {
        let to = address(&args.server)?;
        let key = public_key(&args.key)?;
        let schema = schema(args.schema.as_deref())?;
        let (api_id, api_hash) = application()?;
        let params = parameters(&args.params)?;
        let params = with_application(params, &schema, &args.method, api_id, &api_hash);

        let mut client = ClientConfig::new(DcId(args.dc), vec![key]);
        client.framing = match args.framing {
            FramingName::Abridged => Framing::Abridged,
            FramingName::Intermediate => Framing::Intermediate,
            FramingName::Padded => Framing::PaddedIntermediate,
            FramingName::Full => Framing::Full,
        };
        client.obfuscation = args.obfuscated.then_some(Obfuscation {
            secret: None,
            dc: Some(client.dc),
        });
        client.pfs = args.temp_key.then_some(TEMP_KEY_LIFETIME);
        client.init = Some(InitParams::new(
            api_id,
            args.layer.or(schema.layer()).unwrap_or(LAYER),
        ));
        // Before the timeout, so that silence is told from slowness.
        let first_words = FIRST_WORDS.min(timeout * 3 / 4);
        client.handshake_timeout = first_words;

        let mut config = Config::new(client);
        config.connect_timeout = first_words;
        config.close_timeout = Duration::from_secs(1);
        config.schema = Some(schema);
        Ok(Plan {
            to,
            config,
            method: args.method,
            params,
        })
    }

    async fn run<R: Runtime>(self, runtime: &R, until: Instant) -> Result<Value, Failure> {
        let connection = Connection::connect(runtime, self.to, self.config, Start::NewKey)
            .await
            .map_err(Error::from)?;
        let left = until.saturating_duration_since(runtime.now());
        let options = SendOptions::default().deadline(left);
        let answer = connection
            .invoke_json_with(&self.method, &self.params, options)
            .await?;
        connection.close().await;
        Ok(answer)
    }
}

fn address(server: &str) -> Result<SocketAddr, Failure> {
    let resolved = server.to_socket_addrs().map(|mut all| all.next());
    match resolved {
        Ok(Some(to)) => Ok(to),
        Ok(None) => Err(Failure::new("address", format!("{server} has no address"))),
        Err(e) => Err(Failure::new(
            "address",
            format!("{server} is not HOST:PORT or has no address: {e}"),
        )),
    }
}

fn public_key(path: &Path) -> Result<RsaPublicKey, Failure> {
    let pem = read("key_file", path)?;
    RsaPublicKey::from_pem(&pem).map_err(|e| {
        let path = path.display();
        Failure::new(
            "key_file",
            format!(
                "{path} is no public RSA key: {e}; expected -----BEGIN RSA PUBLIC KEY-----, which \
                 `openssl rsa -pubin -in {path} -RSAPublicKey_out` makes of other forms"
            ),
        )
    })
}

fn schema(path: Option<&Path>) -> Result<Arc<Schema>, Failure> {
    let Some(path) = path else {
        return Ok(Arc::new(Schema::builtin()));
    };
    match Schema::from_json(&read("schema_file", path)?) {
        Ok(schema) => Ok(Arc::new(schema)),
        Err(e) => Err(Failure::new(
            "schema_file",
            format!("{} is no schema: {e}", path.display()),
        )),
    }
}

fn read(kind: &'static str, path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|e| Failure::new(kind, format!("cannot read {}: {e}", path.display())))
}

fn application() -> Result<(i32, String), Failure> {
    let id = match env::var("API_ID") {
        Ok(id) => id
            .parse()
            .map_err(|_| Failure::new("usage", format!("API_ID is not a number: {id:?}")))?,
        Err(_) => 1,
    };
    Ok((id, env::var("API_HASH").unwrap_or_else(|_| "x".repeat(32))))
}

fn parameters(text: &str) -> Result<Value, Failure> {
    match serde_json::from_str(text) {
        Ok(params @ Value::Object(_)) => Ok(params),
        Ok(_) => Err(Failure::new(
            "json",
            "the parameters are JSON, but not an object",
        )),
        Err(e) => Err(Failure::new(
            "json",
            format!("the parameters are not JSON: {e}"),
        )),
    }
}

/// Fills in `api_id` and `api_hash` where the method has them and the parameters do not.
fn with_application(
    mut params: Value,
    schema: &Schema,
    method: &str,
    api_id: i32,
    api_hash: &str,
) -> Value {
    let fields = schema.function(method).map_or(&[][..], |row| &row.fields);
    if let Some(params) = params.as_object_mut() {
        for field in fields {
            let value = match &*field.name {
                "api_id" => json!(api_id),
                "api_hash" => json!(api_hash),
                _ => continue,
            };
            params.entry(field.name.to_string()).or_insert(value);
        }
    }
    params
}

impl Failure {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Failure {
            kind,
            code: None,
            message: message.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (kind, code) = match &error {
            Error::Connect { error, .. } if error.kind() == ErrorKind::ConnectionRefused => {
                ("connection_refused", None)
            }
            Error::Connect { .. } => ("connect", None),
            Error::ConnectTimedOut { .. } => ("connect_timeout", None),
            Error::Config(_) => ("config", None),
            Error::Send(_) => ("request", None),
            Error::Rpc(e) => ("rpc", Some(e.code)),
            Error::TimedOut(_) => ("timeout", None),
            Error::Lost(_) => ("lost", None),
            Error::BadAnswer | Error::Decode { .. } | Error::Answer { .. } => ("answer", None),
            Error::UnknownMethod { .. } => ("unknown_method", None),
            Error::Arguments { .. } => ("arguments", None),
            Error::Cut { reason, .. } | Error::Closed(reason) => closed(reason),
            Error::Entropy(_) | _ => ("other", None),
        };
        Failure {
            kind,
            code,
            message: error.to_string(),
        }
    }
}

fn closed(reason: &CloseReason) -> (&'static str, Option<i32>) {
    let CloseReason::Protocol(error) = reason else {
        return ("closed", None);
    };
    match &**error {
        connection::Error::Status { code: -444 } => ("unknown_dc", Some(-444)),
        connection::Error::Status { code } => ("transport_error", Some(*code)),
        connection::Error::Silent | connection::Error::Handshake(handshake::Error::TimedOut) => {
            ("silent_server", None)
        }
        connection::Error::Handshake(handshake::Error::UnknownFingerprints { .. }) => {
            ("foreign_fingerprint", None)
        }
        connection::Error::Handshake(_) => ("handshake", None),
        connection::Error::BindRefused(_) => ("temp_key", None),
        connection::Error::Transport(_)
        | connection::Error::PeerMisbehaved(_)
        | connection::Error::Eof
        | connection::Error::Closed
        | _ => ("protocol", None),
    }
}

/// `None` if the future was not ready at that time.
async fn before<R: Runtime, T>(
    runtime: &R,
    until: Instant,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut sleep = pin!(runtime.sleep_until(until));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}
