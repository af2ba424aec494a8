//! The strict server as a process, and our client in front of it.

use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use mtproto_proto::DcId;
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_schema::LAYER;
use mtproto_tokio::{
    ClientConfig, Config, Connection, Error, InitParams, KeyState, SendOptions, Start,
};
use serde_json::{Value, json};

use crate::peers::python;

pub const DC: DcId = DcId(2);

/// A secret that the server takes for obfuscated streams.
pub const SECRET: [u8; 16] = *b"0123456789abcdef";

/// The server's own key, so that it need not make one each time; no secret.
const RSA_KEY: &str = "tests/keys/server.pem";

/// No whole test takes longer, whatever goes wrong.
const PATIENCE: Duration = Duration::from_secs(600);

/// Nothing that the server is asked takes so long, even on a loaded machine.
const COMMAND: Duration = Duration::from_secs(60);

/// How a stream is framed, and how calls are made over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub framing: Framing,
    pub obfuscated: bool,
    pub secret: Option<[u8; 16]>,
    /// Calls travel under a temporary key.
    pub temporary: bool,
}

impl Line {
    pub const fn plain(framing: Framing) -> Self {
        Line {
            framing,
            obfuscated: false,
            secret: None,
            temporary: false,
        }
    }

    pub const fn obfuscated(framing: Framing) -> Self {
        Line {
            obfuscated: true,
            ..Line::plain(framing)
        }
    }

    pub const fn temporary(self, temporary: bool) -> Self {
        Line { temporary, ..self }
    }

    pub const INTERMEDIATE: Line = Line::plain(Framing::Intermediate);

    /// All framings, plain and obfuscated, as far as that exists.
    pub const ALL: [Line; 7] = [
        Line::plain(Framing::Abridged),
        Line::plain(Framing::Intermediate),
        Line::plain(Framing::PaddedIntermediate),
        Line::plain(Framing::Full),
        Line::obfuscated(Framing::Abridged),
        Line::obfuscated(Framing::Intermediate),
        Line::obfuscated(Framing::PaddedIntermediate),
    ];

    /// The server's name for it.
    pub fn name(self) -> String {
        let framing = match self.framing {
            Framing::Abridged => "abridged",
            Framing::Intermediate => "intermediate",
            Framing::PaddedIntermediate => "padded",
            Framing::Full => "full",
        };
        let obfuscated = if self.obfuscated { "obfuscated-" } else { "" };
        format!("{obfuscated}{framing}")
    }
}

/// The server, until this is dropped.
pub struct Strict {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    pub addr: SocketAddr,
    pub key_file: PathBuf,
    pub key: RsaPublicKey,
}

impl Strict {
    /// The server for the test of this name, if it is installed.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, &[])
    }

    pub fn start_with(test: &str, flags: &[&str]) -> Option<Self> {
        let mut command = python("strict_server.py")?;
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let key_file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("strict-{test}.pem"));
        let secret: String = SECRET.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut child = command
            .arg("--rsa-key")
            .arg(manifest.join(RSA_KEY))
            .arg("--key-out")
            .arg(&key_file)
            .args(["--secret", &secret])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                let line = serde_json::from_str(&line.unwrap()).unwrap();
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let ready = next_line(&lines);
        let port = ready["port"].as_u64().unwrap_or_else(|| panic!("{ready}"));
        let written = std::fs::read_to_string(&key_file).unwrap();
        assert!(
            written.starts_with("-----BEGIN RSA PUBLIC KEY-----"),
            "{written}"
        );
        Some(Strict {
            child,
            stdin,
            lines,
            addr: SocketAddr::from(([127, 0, 0, 1], port.try_into().unwrap())),
            key: RsaPublicKey::from_pem(&written).unwrap(),
            key_file,
        })
    }

    /// Tells the server to do something; returns its state after it.
    pub fn command(&mut self, command: Value) -> Value {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{command}").unwrap();
        let answer = next_line(&self.lines);
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer
    }

    pub fn state(&mut self) -> Value {
        self.command(json!({ "do": "state" }))
    }

    /// One number of the state.
    pub fn count(&mut self, name: &str) -> u64 {
        let state = self.state();
        state[name].as_u64().unwrap_or_else(|| panic!("{state}"))
    }

    /// Waits for a number of the state to be this; what our client wrote may be under way.
    pub fn wait_for(&mut self, name: &str, wanted: u64) {
        const STEP: Duration = Duration::from_millis(20);
        let mut left = COMMAND;
        while self.count(name) != wanted {
            assert!(!left.is_zero(), "{name} is not {wanted}: {}", self.state());
            thread::sleep(STEP);
            left = left.saturating_sub(STEP);
        }
    }

    pub fn option(&mut self, name: &str, value: impl Into<Value>) {
        let value: Value = value.into();
        self.command(json!({ "do": "option", name: value }));
    }

    /// Attacks from now on.
    pub fn attack(&mut self, case: &str) {
        self.command(json!({ "do": "evil", "case": case }));
    }

    /// Attacks no more; returns how often it did.
    pub fn relent(&mut self) -> u64 {
        let attacks = self.count("attacks");
        self.command(json!({ "do": "evil", "case": null }));
        attacks
    }

    /// Fails if our client has broken a rule so far.
    pub fn assert_no_violations(&mut self, context: &str) {
        let state = self.state();
        assert_eq!(state["violations"], json!([]), "{context}");
    }

    /// Ends the server; returns its last state and whether it was content.
    pub fn stop(mut self) -> (Value, bool) {
        drop(self.stdin.take());
        let last = next_line(&self.lines);
        let status = self.child.wait().unwrap();
        (last, status.success())
    }

    /// Ends the server, which must have found nothing.
    pub fn stop_content(self) -> Value {
        let (last, content) = self.stop();
        assert_eq!(last["violations"], json!([]));
        assert!(content, "{last}");
        last
    }

    pub fn config(&self, line: Line) -> Config {
        let mut client = ClientConfig::new(DC, vec![self.key.clone()]);
        client.framing = line.framing;
        client.obfuscation = line.obfuscated.then_some(Obfuscation {
            secret: line.secret.map(Into::into),
            dc: Some(DC),
        });
        client.pfs = line.temporary.then_some(Duration::from_secs(3_600));
        client.init = Some(InitParams::new(1, LAYER));
        // The machine may be loaded; what has to be quick says so itself.
        client.handshake_timeout = Duration::from_secs(30);
        Config::new(client)
    }

    pub async fn connect(&self, line: Line, start: Start) -> Connection {
        mtproto_tokio::connect(self.addr, self.config(line), start)
            .await
            .unwrap_or_else(|e| panic!("{line:?}: {e}"))
    }

    /// A permanent key that the server knows.
    pub async fn new_key(&self) -> KeyState {
        let connection = self.connect(Line::INTERMEDIATE, Start::NewKey).await;
        assert_answered(&connection).await;
        let key = connection.key_state().unwrap();
        connection.close().await;
        key
    }

    /// Fails unless the key still serves calls over a stream of its own.
    pub async fn assert_key_serves(&self, key: &KeyState, line: Line) {
        let connection = self.connect(line, Start::Key(key.clone())).await;
        assert_answered(&connection).await;
        let same = connection.key_state().unwrap().auth_key_id();
        assert_eq!(same, key.auth_key_id(), "{line:?}");
        connection.close().await;
    }
}

fn next_line(lines: &Receiver<Value>) -> Value {
    match lines.recv_timeout(COMMAND) {
        Ok(line) => line,
        Err(RecvTimeoutError::Timeout) => panic!("the server does not answer"),
        Err(RecvTimeoutError::Disconnected) => panic!("the server ended by itself"),
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A call whose answer is known.
pub async fn nearest_dc(connection: &Connection) -> Result<Value, Error> {
    let options = SendOptions::default().deadline(Duration::from_secs(30));
    connection
        .invoke_json_with("help.getNearestDc", &json!({}), options)
        .await
}

/// Fails unless it is answered with the truth.
pub async fn assert_answered(connection: &Connection) {
    let answer = nearest_dc(connection).await.unwrap();
    assert_eq!(
        answer,
        json!({ "_": "nearestDc", "country": "XX", "this_dc": 2, "nearest_dc": 2 })
    );
}

/// Runs a test's future to its end, in bounded time.
pub fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(PATIENCE, future).await })
        .expect("the test takes too long")
}
