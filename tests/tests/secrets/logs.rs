//! Accounts over sockets: what the driver logs, what its values print, what a trace that may be
//! given away holds.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use base64ct::{Base64UrlUnpadded, Encoding};
use mtproto_driver::client::{Config, DcTable, Options, Qr, SignIn, SignInError};
use mtproto_driver::{Client, MemorySession};
use mtproto_proto::DcId;
use mtproto_proto::client::Snapshot;
use mtproto_proto::connection::KeyState;
use mtproto_test::dc::Account;
use mtproto_test::trace::{Buffer, Shareable, shareable_to};
use mtproto_test::{DcConfig, TestDc};
use mtproto_tokio::Tokio;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::pieces::Secrets;

const DC: DcId = DcId(2);
const ANN: &str = "+9996621234";
const PASSWORD: &str = "correct horse battery staple";
const WRONG: &str = "wrong horse, wrong battery";
const CODE: &str = "8302711946";
const TOKEN: &str = "7:a-secret-of-a-bot-that-nobody-knows";
const API_HASH: &str = "0123456789abcdef0123456789abcdef";

/// Keeps all that is logged, at any level, by anybody.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = self.0.lock().unwrap();
        let _ = write!(text, "{} ", span.metadata().name());
        span.record(&mut Line(&mut text));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        event.record(&mut Line(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

/// All that was printed on the way, to be looked at when the secrets are known.
#[derive(Default)]
struct Printed(Vec<String>);

impl Printed {
    fn add(&mut self, it: &impl Debug) {
        self.0.push(format!("{it:?}\n{it:#?}\n{it:x?}"));
    }

    fn error(&mut self, error: &SignInError) {
        self.add(error);
        self.0.push(error.to_string());
    }
}

struct Run {
    dc: TestDc,
    tap: Shareable,
    trace: Buffer,
    printed: Printed,
    secrets: Secrets,
}

impl Run {
    async fn open(&mut self, store: &MemorySession) -> Client {
        let mut dcs = DcTable::empty();
        dcs.set(DC, self.dc.addr());
        let mut config = Config::new(94, API_HASH, dcs, vec![self.dc.public_key()]);
        config.pfs = Some(std::time::Duration::from_secs(86_400));
        let mut options = Options::new(config);
        options.record(self.tap.clone());
        self.printed.add(&options);
        let client = Client::open(&Tokio, options, store.clone()).await.unwrap();
        self.printed.add(&client);
        client
    }

    /// What a store holds is secret, and so is each form of it.
    fn stored(&mut self, store: &MemorySession) {
        let snapshot: Snapshot = store.snapshot();
        for dc in snapshot.dcs() {
            let (state, _): (KeyState, bool) = snapshot.dc(dc).unwrap();
            self.secrets.add("a stored key", state.auth_key());
            self.printed.add(&state);
        }
        self.printed.add(&snapshot);
        self.printed.add(store);
    }

    async fn signs_in_with_a_password(&mut self) {
        let store = MemorySession::new();
        let client = self.open(&store).await;
        let SignIn::NeedsCode(code) = client.request_code(ANN).await.unwrap() else {
            panic!("no code was sent");
        };
        self.printed.add(&code);
        self.secrets
            .add("the code's hash", code.phone_code_hash().as_bytes());
        let error = code.submit("1111111111").await.unwrap_err();
        self.printed.error(&error);
        let SignInError::TryAgain { again, .. } = error else {
            panic!("not to be tried again");
        };
        let SignIn::NeedsCode(code) = *again else {
            panic!("not the code");
        };
        let next = code.submit(CODE).await.unwrap();
        self.printed.add(&next);
        let SignIn::NeedsPassword(password) = next else {
            panic!("no password is needed");
        };
        let error = password.check(WRONG).await.unwrap_err();
        self.printed.error(&error);
        let SignInError::TryAgain { again, .. } = error else {
            panic!("not to be tried again");
        };
        let SignIn::NeedsPassword(password) = *again else {
            panic!("not the password");
        };
        let done = password.check(PASSWORD).await.unwrap();
        self.printed.add(&done);
        self.stored(&store);
        let text = client.export_text().await.unwrap();
        self.secrets.add("the account as text", text.as_bytes());
        let out = client.sign_out().await.unwrap();
        self.printed.add(&out);
        if let Some(token) = &out.future_auth_token {
            self.secrets.add("the token of the next login", token);
        }
        self.printed.add(&client);
        client.close().await.unwrap();
    }

    async fn signs_a_bot_in(&mut self) {
        let store = MemorySession::new();
        let client = self.open(&store).await;
        let error = client.bot_sign_in("7:not-the-token-of-this-bot").await;
        self.printed.error(&error.unwrap_err());
        let done = client.bot_sign_in(TOKEN).await.unwrap();
        self.printed.add(&done);
        self.stored(&store);
        client.close().await.unwrap();
    }

    async fn shows_a_code_to_scan(&mut self) {
        let client = self.open(&MemorySession::new()).await;
        let shown = client.qr_sign_in().await.unwrap();
        self.printed.add(&shown);
        let Qr::Show(code) = shown else {
            panic!("nobody scanned it");
        };
        let url = code.url();
        let (_, token) = url.split_once("token=").unwrap();
        let token = Base64UrlUnpadded::decode_vec(token).unwrap();
        self.secrets.add("the token to be scanned", &token);
        drop(code);
        client.close().await.unwrap();
    }
}

#[test]
fn s4_accounts_sign_in_and_out_and_neither_logs_nor_values_nor_a_trace_tell_a_secret() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();

    let mut setup = DcConfig::default();
    let mut ann = Account::user(ANN);
    ann.code = Some(CODE.to_owned());
    ann.password = Some(PASSWORD.to_owned());
    setup.accounts = vec![ann, Account::bot(TOKEN)];
    let mut printed = Printed::default();
    printed.add(&setup);
    let dc = TestDc::start(setup).unwrap();
    printed.add(&dc);
    let trace = Buffer::default();
    let tap = shareable_to(trace.clone(), [1; 32]).unwrap();
    let mut secrets = Secrets::default();
    for (name, secret) in [
        ("the password", PASSWORD),
        ("the wrong password", WRONG),
        ("the code", CODE),
        ("the token", TOKEN),
        ("the application's hash", API_HASH),
    ] {
        secrets.add(name, secret.as_bytes());
    }
    let mut run = Run {
        dc,
        tap,
        trace,
        printed,
        secrets,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        run.signs_in_with_a_password().await;
        run.signs_a_bot_in().await;
        run.shows_a_code_to_scan().await;
    });
    run.tap.finish().unwrap();

    let Run {
        trace,
        printed,
        secrets,
        ..
    } = run;
    assert!(secrets.all().len() >= 11, "{}", secrets.all().len());
    for text in &printed.0 {
        secrets.absent("a value", text);
    }
    let log = std::mem::take(&mut *log.0.lock().unwrap());
    assert!(log.matches("written").count() > 10, "{log}");
    secrets.absent("the log", log);
    let trace = trace.take();
    assert!(trace.len() > 10_000, "{}", trace.len());
    secrets.absent("the trace", trace);
}
