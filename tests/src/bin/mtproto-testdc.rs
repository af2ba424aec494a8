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
use mtproto_test::{DcConfig, Seed, TestDc};
use serde_json::Value;

/// A Telegram data centre for tests, on loopback: makes keys with clients, answers help.getConfig.
///
/// Prints one line of JSON when clients can connect:
/// {"ready":true,"dcs":[{"id":2,"host":"127.0.0.1","port":43210}],"key":"key.pem"}
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Which DC to be
    #[arg(long, value_name = "ID", default_value_t = 2, value_parser = parse_dc)]
    dc: i16,
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
}

fn parse_dc(text: &str) -> Result<i16, String> {
    match text.parse() {
        Ok(dc) if dc > 0 => Ok(dc),
        Ok(_) => Err("a DC's id is positive".to_owned()),
        Err(e) => Err(format!("{e}")),
    }
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
    let mut config = DcConfig::default();
    config.listen = flags.listen;
    config.allow_other_machines = flags.allow_other_machines;
    config.dc = DcId(flags.dc);
    config.seed = flags.seed.map(|seed| Seed(seed).bytes());
    config.handshake_timeout = Duration::from_secs(flags.handshake_timeout.into());
    if let Some(path) = &flags.key {
        config.key = Some(fs::read_to_string(path).map_err(|e| about(path, &e))?);
    }
    let dc = TestDc::start(config).map_err(|e| format!("cannot start: {e}"))?;
    if let Some(path) = &flags.key_out {
        fs::write(path, dc.public_key_pem()).map_err(|e| about(path, &e))?;
    }
    announce(&dc, flags.key_out.as_deref()).map_err(|e| format!("cannot write: {e}"))?;
    Ok(dc)
}

fn about(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn announce(dc: &TestDc, key: Option<&Path>) -> io::Result<()> {
    let host = Value::from(dc.addr().ip().to_string());
    let key = Value::from(key.map(|path| path.to_string_lossy()));
    let (id, port) = (dc.dc(), dc.addr().port());
    let mut out = io::stdout().lock();
    writeln!(
        out,
        r#"{{"ready":true,"dcs":[{{"id":{id},"host":{host},"port":{port}}}],"key":{key}}}"#
    )?;
    out.flush()
}
