//! The `call` example, command line by command line.

#[allow(dead_code, reason = "its `run` is for the command line")]
#[path = "../../mtproto-driver/examples/shared/call.rs"]
mod call;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mtproto_test::{DcConfig, TestDc};
use mtproto_tokio::Tokio;
use serde_json::{Value, json};

#[tokio::test]
async fn every_framing_plain_and_obfuscated_and_temporary_keys() {
    let dc = Dc::start();
    for framing in ["abridged", "intermediate", "padded", "full"] {
        let answer = dc
            .call(&["--framing", framing, "help.getConfig", "{}"])
            .await
            .unwrap();
        assert_eq!(answer["this_dc"], 2, "{framing}");
        let obfuscated = ["--obfuscated", "--framing", framing, "help.getConfig"];
        match dc.call(&obfuscated).await {
            Ok(answer) => assert_eq!(answer["_"], "config", "{framing}"),
            Err(failure) => assert_eq!((framing, failure.kind), ("full", "config")),
        }
    }
    let answer = dc.call(&["--temp-key", "help.getNearestDc"]).await.unwrap();
    assert_eq!(
        answer,
        json!({ "_": "nearestDc", "country": "XX", "this_dc": 2, "nearest_dc": 2 })
    );
}

#[tokio::test]
async fn another_schema_has_other_names() {
    let dc = Dc::start();
    let schema = json!({
        "layer": 100,
        "constructors": [{
            "id": "-1910892683", "predicate": "whereabouts", "type": "Whereabouts", "params": [
                { "name": "land", "type": "string" },
                { "name": "here", "type": "int" },
                { "name": "there", "type": "int" },
            ],
        }],
        "methods": [{
            "id": "531836966", "method": "where.amI", "type": "Whereabouts", "params": [],
        }],
    });
    let schema = dc.file("schema.json", &schema.to_string());
    let answer = dc.call(&["--schema", &schema, "where.amI"]).await.unwrap();
    assert_eq!(
        answer,
        json!({ "_": "whereabouts", "land": "XX", "here": 2, "there": 2 })
    );
    let answer = dc
        .call(&["--schema", &schema, "--layer", "7", "where.amI"])
        .await;
    assert_eq!(answer.unwrap()["land"], "XX");
    assert_eq!(
        dc.kind(&["--schema", &schema, "help.getConfig"]).await,
        "unknown_method"
    );
}

#[tokio::test]
async fn every_bad_input_has_a_kind_of_its_own() {
    let dc = Dc::start();
    let no_schema = dc.file("no-schema.json", "{}");
    for (args, kind) in [
        (&["help.getNothing"][..], "unknown_method"),
        (&["auth.sendCode", "{}"], "arguments"),
        (
            &["users.getUsers", r#"{"id":[{"_":"inputUserNobody"}]}"#],
            "arguments",
        ),
        (&["help.getConfig", "{"], "json"),
        (&["help.getConfig", "[]"], "json"),
        (&["--schema", &no_schema, "help.getConfig"], "schema_file"),
        (&["--schema", "/nowhere", "help.getConfig"], "schema_file"),
        (&["--framing", "round", "help.getConfig"], "usage"),
        (&["--timeout", "0", "help.getConfig"], "usage"),
        (&["--timeout", "soon", "help.getConfig"], "usage"),
        (&[], "usage"),
        (
            &["users.getUsers", r#"{"id":[{"_":"inputUserSelf"}]}"#],
            "rpc",
        ),
    ] {
        assert_eq!(dc.kind(args).await, kind, "{args:?}");
    }
    let failure = dc
        .call(&["users.getUsers", r#"{"id":[]}"#])
        .await
        .unwrap_err();
    assert_eq!(failure.code, Some(401));
    // `api_id` and `api_hash` are filled in: only what is really missing is missed.
    let failure = dc
        .call(&["auth.sendCode", r#"{"phone_number":"1"}"#])
        .await
        .unwrap_err();
    assert!(failure.message.contains("settings"), "{}", failure.message);

    assert_eq!(dc.kind_at(&dc.addr(), "5", &dc.key).await, "unknown_dc");
    assert_eq!(dc.kind_at("127.0.0.1", "2", &dc.key).await, "address");
    assert_eq!(dc.kind_at(&dc.addr(), "two", &dc.key).await, "usage");
    assert_eq!(dc.kind_at(&dc.addr(), "2", "/nowhere").await, "key_file");
    let no_key = dc.file("no-key.pem", "-----BEGIN NONSENSE-----");
    assert_eq!(dc.kind_at(&dc.addr(), "2", &no_key).await, "key_file");

    let pem = include_str!("../../tests/tests/keys/server.pem");
    let mut config = DcConfig::default();
    config.key = Some(pem.to_owned());
    let other = TestDc::start(config).unwrap();
    let foreign = dc.file("foreign.pem", other.public_key_pem());
    assert_eq!(
        dc.kind_at(&dc.addr(), "2", &foreign).await,
        "foreign_fingerprint"
    );

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    assert_eq!(dc.kind_at(&addr, "2", &dc.key).await, "silent_server");
    thread::spawn(move || while listener.accept().is_ok() {});
    assert_eq!(dc.kind_at(&addr, "2", &dc.key).await, "closed");
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    assert_eq!(
        dc.kind_at(&nobody, "2", &dc.key).await,
        "connection_refused"
    );
}

#[tokio::test]
async fn help_is_an_answer() {
    let args = ["call", "--help"].map(Into::into);
    let help = call::answer(&Tokio, args).await.unwrap();
    assert!(help.contains("API_HASH"), "{help}");
}

// Helpers.

/// A test DC, and a folder for the files that a command line names.
struct Dc {
    dc: TestDc,
    folder: PathBuf,
    key: String,
}

impl Dc {
    fn start() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mtproto-call-{}-{n}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let dc = TestDc::start(DcConfig::default()).unwrap();
        let key = String::new();
        let mut this = Dc { dc, folder, key };
        this.key = this.file("key.pem", this.dc.public_key_pem());
        this
    }

    fn addr(&self) -> String {
        self.dc.addr().to_string()
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn call(&self, args: &[&str]) -> Result<Value, call::Failure> {
        let server = self.addr();
        let fixed = ["call", "--server", &server, "--dc", "2", "--key", &self.key];
        let args = fixed.iter().chain(args).map(Into::into);
        let answer = call::answer(&Tokio, args).await?;
        assert!(!answer.contains('\n'), "one line");
        Ok(serde_json::from_str(&answer).unwrap())
    }

    async fn kind(&self, args: &[&str]) -> &'static str {
        self.call(args).await.unwrap_err().kind
    }

    async fn kind_at(&self, server: &str, dc: &str, key: &str) -> &'static str {
        let args = [
            "call",
            "--server",
            server,
            "--dc",
            dc,
            "--key",
            key,
            "--timeout",
            "2",
            "help.getConfig",
        ];
        call::answer(&Tokio, args.map(Into::into))
            .await
            .unwrap_err()
            .kind
    }
}

impl Drop for Dc {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}
