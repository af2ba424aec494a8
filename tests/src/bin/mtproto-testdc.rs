//! `mtproto-testdc`: a Telegram data centre for tests, as a program.
//!
//! Does: runs a [`TestDc`] until it is killed. Prints one line of JSON when clients can connect.
//! In: flags. Out: that line; the public key as a file.
//! Must not know: the protocol.
//! Spec: none.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mtproto_proto::DcId;
use mtproto_test::{Account, DcConfig, Failure, Seed, TestDc};
use serde_json::json;

/// A Telegram data centre for tests, on loopback: makes keys with clients, signs people and bots in,
/// lets them talk.
///
/// Prints one line of JSON when clients can connect:
/// {"ready":true,"dcs":[{"id":2,"host":"127.0.0.1","port":43210}],"key":"key.pem"}
#[derive(Parser)]
#[command(version, after_long_help = CONFIG_HELP)]
struct Flags {
    /// Where the first DC listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Which DC to be; give it more than once for more DCs in one world. The first is where clients
    /// begin; the others listen at a free port unless they name one. [default: 2]
    #[arg(long, value_name = "ID[@ADDRESS:PORT]", value_parser = parse_dc)]
    dc: Vec<DcFlag>,
    /// Tell clients that this DC is at this address, where a proxy leads to it; more than once for
    /// more DCs
    #[arg(long, value_name = "ID@ADDRESS:PORT", value_parser = parse_announced)]
    announce: Vec<(DcId, SocketAddr)>,
    /// Write the public key to this file, as PKCS #1 PEM, for clients to trust
    #[arg(long, value_name = "FILE")]
    key_out: Option<PathBuf>,
    /// Use the private key in this file, PKCS #1 PEM (`openssl genrsa -traditional 2048`), instead
    /// of making one
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Make all randomness, the key included, from this number
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Close streams that make no progress towards a key within this time
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    handshake_timeout: u32,
    /// Listen even where other machines can connect; it is no server for strangers
    #[arg(long)]
    allow_other_machines: bool,

    /// Give a person an account: +9996621234,code=12345,password=…,hint=…,name=…,last_name=…,
    /// username=…,id=…,dc=…,banned; all but the number may be left out
    #[arg(long, value_name = "PHONE[,…]", value_parser = Account::parse_user)]
    account: Vec<Account>,
    /// Give a bot an account: 7:secret,name=…,username=…,dc=…; all but the token may be left out
    #[arg(long, value_name = "TOKEN[,…]", value_parser = Account::parse_bot)]
    bot: Vec<Account>,
    /// The code of all accounts that have none of their own [default: 12345]. That of a test number
    /// 99966XYYYY is X five times
    #[arg(long, value_name = "DIGITS")]
    code: Option<String>,
    /// Let unknown numbers sign up; test numbers always may
    #[arg(long)]
    sign_up: bool,
    /// Take no other program than these
    #[arg(long, value_name = "API_ID:API_HASH", value_parser = parse_app)]
    app: Vec<(i32, String)>,
    /// Send unknown numbers to this DC, with NETWORK_MIGRATE_X
    #[arg(long, value_name = "ID")]
    network_dc: Option<i16>,
    /// Kill keys that are used from two IP addresses at once, with 406 AUTH_KEY_DUPLICATED
    #[arg(long)]
    refuse_duplicated_keys: bool,
    /// Let an account call this method only once in so many seconds, with 420 FLOOD_WAIT_X
    #[arg(long, value_name = "METHOD=SECONDS", value_parser = parse_flood)]
    flood: Vec<(String, u32)>,
    /// Answer the next calls of this method with this error: messages.sendMessage=2:500:RPC_CALL_FAIL
    #[arg(long, value_name = "METHOD=[TIMES:]CODE:TEXT", value_parser = parse_failure)]
    fail: Vec<Failure>,
    /// Read accounts and all of this from a JSON file; flags win, lists are added up
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep keys, sessions, logins, accounts and messages in this file and a journal beside it, and
    /// go on with what they hold, however the program ended. Whoever reads them is signed in as
    /// everybody
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Append a line of JSON to this file for every call that was executed, before it is answered:
    /// dc, key, session, msg_id, method, digest (of the query), error (null if there was none)
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Forget the sessions in the state file: clients are told that theirs are new
    #[arg(long, requires = "state")]
    forget_sessions: bool,
}

const CONFIG_HELP: &str = r#"The file of --config; every field may be left out:
{
  "dcs": [{"id": 2, "listen": "127.0.0.1:4430"}, {"id": 4}],
  "accounts": [
    {"phone": "+9996621234", "code": "12345", "password": "secret", "hint": "easy",
     "first_name": "Ann", "last_name": "Lee", "username": "ann_lee", "id": 7, "dc": 2, "banned": false},
    {"token": "8:secret", "first_name": "Echo", "username": "echo_bot"}
  ],
  "code": "12345", "code_lifetime": 300, "sign_up": true,
  "apps": [{"api_id": 1, "api_hash": "0123456789abcdef"}],
  "network_dc": 2, "refuse_duplicated_keys": false,
  "floods": {"messages.sendMessage": 5},
  "failures": [{"method": "help.getConfig", "times": 1, "code": 500, "text": "RPC_CALL_FAIL"}]
}"#;

/// A DC's id, and where it listens.
type DcFlag = (DcId, Option<SocketAddr>);

fn parse_dc(text: &str) -> Result<DcFlag, String> {
    let (id, listen) = match text.split_once('@') {
        Some((id, listen)) => (id, Some(listen)),
        None => (text, None),
    };
    let id = match id.parse() {
        Ok(id) if id > 0 => DcId(id),
        Ok(_) => return Err("a DC's id is positive".to_owned()),
        Err(e) => return Err(format!("{e}")),
    };
    let listen = listen
        .map(|listen| listen.parse().map_err(|e| format!("{listen}: {e}")))
        .transpose()?;
    Ok((id, listen))
}

fn parse_announced(text: &str) -> Result<(DcId, SocketAddr), String> {
    let (dc, listen) = parse_dc(text)?;
    let listen = listen.ok_or_else(|| "a DC's id, `@` and its address".to_owned())?;
    Ok((dc, listen))
}

fn parse_app(text: &str) -> Result<(i32, String), String> {
    text.split_once(':')
        .and_then(|(id, hash)| Some((id.parse().ok()?, hash.to_owned())))
        .ok_or_else(|| "an app is its api_id, a colon and its api_hash".to_owned())
}

fn parse_flood(text: &str) -> Result<(String, u32), String> {
    text.split_once('=')
        .and_then(|(method, seconds)| Some((method.to_owned(), seconds.parse().ok()?)))
        .ok_or_else(|| "a flood is a method, `=` and seconds".to_owned())
}

fn parse_failure(text: &str) -> Result<Failure, String> {
    let parse = || {
        let (method, error) = text.split_once('=')?;
        let parts: Vec<_> = error.split(':').collect();
        let (times, code, text) = match &parts[..] {
            [code, text] => (1, code, text),
            [times, code, text] => (times.parse().ok()?, code, text),
            _ => return None,
        };
        Some(Failure {
            method: method.to_owned(),
            times,
            code: code.parse().ok()?,
            text: (*text).to_owned(),
        })
    };
    parse().ok_or_else(|| "a failure is a method, `=` and [times:]code:text".to_owned())
}

fn main() -> ExitCode {
    match start(&Flags::parse()) {
        // It works on threads of its own until the program is killed.
        Ok(_dc) => loop {
            std::thread::park();
        },
        Err(message) => {
            eprintln!("mtproto-testdc: {message}");
            ExitCode::FAILURE
        }
    }
}

fn start(flags: &Flags) -> Result<TestDc, String> {
    let config = configure(flags)?;
    let dc = TestDc::start(config).map_err(|e| format!("cannot start: {e}"))?;
    if let Some(path) = &flags.key_out {
        fs::write(path, dc.public_key_pem()).map_err(|e| about(path, &e))?;
    }
    announce(&dc, flags.key_out.as_deref()).map_err(|e| format!("cannot write: {e}"))?;
    Ok(dc)
}

fn configure(flags: &Flags) -> Result<DcConfig, String> {
    let mut config = DcConfig::default();
    if let Some(path) = &flags.config {
        let text = fs::read_to_string(path).map_err(|e| about(path, &e))?;
        config.read_json(&text).map_err(|e| about(path, &e))?;
    }
    if let Some(listen) = flags.listen {
        config.listen = listen;
    }
    if let Some(((dc, listen), more)) = flags.dc.split_first() {
        config.dc = *dc;
        config.listen = listen.unwrap_or(config.listen);
        let free = SocketAddr::new(config.listen.ip(), 0);
        let more = more
            .iter()
            .map(|(dc, listen)| (*dc, listen.unwrap_or(free)));
        config.more_dcs = more.collect();
    }
    config.announce.clone_from(&flags.announce);
    config.allow_other_machines = flags.allow_other_machines;
    config.seed = flags.seed.map(|seed| Seed(seed).bytes());
    config.handshake_timeout = Duration::from_secs(flags.handshake_timeout.into());
    if let Some(path) = &flags.key {
        config.key = Some(fs::read_to_string(path).map_err(|e| about(path, &e))?);
    }
    config.accounts.extend(flags.account.iter().cloned());
    config.accounts.extend(flags.bot.iter().cloned());
    if let Some(code) = &flags.code {
        config.code.clone_from(code);
    }
    config.sign_up |= flags.sign_up;
    config.apps.extend(flags.app.iter().cloned());
    config.network_dc = flags.network_dc.map(DcId).or(config.network_dc);
    config.refuse_duplicated_keys |= flags.refuse_duplicated_keys;
    config.floods.extend(flags.flood.iter().cloned());
    config.failures.extend(flags.fail.iter().cloned());
    config.state.clone_from(&flags.state);
    config.log.clone_from(&flags.log);
    config.forget_sessions = flags.forget_sessions;
    Ok(config)
}

fn about(path: &Path, error: &impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

fn announce(dc: &TestDc, key: Option<&Path>) -> io::Result<()> {
    let dcs = dc.dcs().iter().map(|(id, addr)| {
        let host = json!(addr.ip().to_string());
        format!(r#"{{"id":{id},"host":{host},"port":{}}}"#, addr.port())
    });
    let dcs = dcs.collect::<Vec<_>>().join(",");
    let key = json!(key.map(|path| path.to_string_lossy()));
    let mut out = io::stdout().lock();
    writeln!(out, r#"{{"ready":true,"dcs":[{dcs}],"key":{key}}}"#)?;
    out.flush()
}
