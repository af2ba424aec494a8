//! A test DC as a process of its own behind a proxy, to be killed and started again.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Mutex;

use mtproto_driver::client::{Config, DcTable, SignIn};
use mtproto_driver::{Client, MemorySession, Runtime};
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_test::{Proxy, Seed};
use serde_json::Value;

use crate::program::Program;
use crate::support::*;

/// The private key of the suites' servers: a start needs not make one.
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/server.pem");

/// An address where nobody listens.
const NOBODY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9));

pub const ANN: &str = "+9996621234";
const CODE: &str = "314159";
/// Bob's username.
pub const BOB: &str = "bob_of_two";

/// The process, which is DC 2 and DC 4, and the proxies that lead to it whatever ports it has.
pub struct Dc {
    /// To DC 2, where everybody is at home.
    pub proxy: Proxy,
    /// To DC 4.
    pub proxy_of_4: Proxy,
    pub key: RsaPublicKey,
    flags: Vec<String>,
    program: Mutex<Option<Program>>,
    log: String,
    _folder: Folder,
}

/// What the log says of one call.
#[derive(Clone, Debug)]
pub struct Executed {
    pub error: Option<String>,
}

impl Dc {
    /// Starts the process, with these flags besides the usual ones.
    pub fn start(seed: Seed, more: &[&str]) -> Self {
        let folder = Folder::new();
        let (log, pem) = (folder.file("log"), folder.file("key.pem"));
        let ann = format!("{ANN},code={CODE},name=Ann");
        let bob = format!("+9996625678,name=Bob,username={BOB}");
        // The first ports are not known before, and no later ones.
        let proxy = Proxy::start(NOBODY, seed).unwrap();
        let proxy_of_4 = Proxy::start(NOBODY, Seed(!seed.0)).unwrap();
        let announce =
            [(2, &proxy), (4, &proxy_of_4)].map(|(dc, proxy)| format!("{dc}@{}", proxy.addr()));
        let pairs = [
            ("--dc", "2"),
            ("--dc", "4"),
            ("--announce", &announce[0]),
            ("--announce", &announce[1]),
            ("--key", KEY),
            ("--key-out", &pem),
            ("--log", &log),
            ("--account", &ann),
            ("--account", &bob),
        ];
        let flags = pairs.iter().flat_map(|(flag, value)| [*flag, *value]);
        let flags = flags.chain(more.iter().copied()).map(str::to_owned);
        let mut flags: Vec<String> = flags.collect();
        // What it is to keep is kept in the folder.
        if flags.last().is_some_and(|flag| flag == "--state") {
            flags.push(folder.file("state"));
        }
        let dc = Dc {
            proxy,
            proxy_of_4,
            program: Mutex::new(Some(start(&flags))),
            key: RsaPublicKey::from_pem(&fs::read_to_string(pem).unwrap()).unwrap(),
            flags,
            log,
            _folder: folder,
        };
        dc.lead();
        dc
    }

    /// Leads the proxies to the process.
    fn lead(&self) {
        let program = self.program.lock().unwrap();
        let line = &program.as_ref().expect("it runs").line;
        for (n, proxy) in [&self.proxy, &self.proxy_of_4].into_iter().enumerate() {
            let port = line["dcs"][n]["port"].as_u64().unwrap();
            proxy.set_target((Ipv4Addr::LOCALHOST, port.try_into().unwrap()).into());
        }
    }

    /// Kills the process, as `kill -9` does; returns when it is dead.
    pub fn kill(&self) {
        drop(self.program.lock().unwrap().take());
    }

    /// Starts it again with what it has kept; returns when clients can connect.
    pub fn start_again(&self) {
        *self.program.lock().unwrap() = Some(start(&self.flags));
        self.lead();
    }

    /// A client that knows the proxies only.
    pub fn config(&self) -> Config {
        let mut dcs = DcTable::empty();
        dcs.set(DC, self.proxy.addr());
        dcs.set(DC_4, self.proxy_of_4.addr());
        Config::new(1, "hash", dcs, vec![self.key.clone()])
    }

    /// A client that nobody has used, whose user waits for answers.
    pub async fn client<R: Runtime>(&self, rt: &R, config: Config) -> Client {
        let client = Client::open(rt, config, MemorySession::new()).await;
        let client = client.unwrap();
        client.set_online(true).await.unwrap();
        client
    }

    /// Ann, signed in. Her client was told to connect, so it keeps its session and replaces its
    /// stream when nothing is in flight too: a first packet in a new session may be lost unnoticed.
    pub async fn ann<R: Runtime>(&self, rt: &R, config: Config) -> Client {
        let client = self.client(rt, config).await;
        sign_in(&client).await;
        client.connect().await.unwrap();
        client
    }

    /// All calls that were executed, by digest.
    pub fn executed(&self) -> BTreeMap<String, Vec<Executed>> {
        let text = fs::read_to_string(&self.log).unwrap();
        let mut executed = BTreeMap::<_, Vec<_>>::new();
        // Repetitions that nobody waits for may still be written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| line[field].as_str().map(str::to_owned);
            let call = Executed {
                error: text("error"),
            };
            executed
                .entry(text("digest").unwrap())
                .or_default()
                .push(call);
        }
        executed
    }
}

/// Signs Ann in.
pub async fn sign_in(client: &Client) {
    let SignIn::NeedsCode(code) = client.request_code(ANN).await.unwrap() else {
        panic!("no code was sent");
    };
    let SignIn::Done(_) = code.submit(CODE).await.unwrap() else {
        panic!("the code was not enough");
    };
}

fn start(flags: &[String]) -> Program {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Program::start(&flags)
}
