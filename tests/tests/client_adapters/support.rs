//! What the suites share: DCs, clients, patience.

use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use mtproto_driver::client::{Config, DcTable, Event, Events, SignIn};
use mtproto_driver::{Client, MemorySession, Runtime, Store, StoreError};
use mtproto_proto::client::{Change, Key, Snapshot};
use mtproto_proto::crypto::RsaPublicKey;
use mtproto_proto::{AuthKeyId, DcId};
use mtproto_test::dc::Account;
use mtproto_test::{DcConfig, TestDc};

/// No test takes longer, whatever goes wrong.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Where a test waits for something to fail.
pub const SHORT: Duration = Duration::from_millis(500);
pub const DC: DcId = DcId(2);

pub fn start_dc() -> TestDc {
    TestDc::start(DcConfig::default()).unwrap()
}

/// A client of the DC at this address.
pub fn config_at(addr: SocketAddr, key: RsaPublicKey) -> Config {
    let mut dcs = DcTable::empty();
    dcs.set(DC, addr);
    Config::new(1, "hash", dcs, vec![key])
}

pub fn config(dc: &TestDc) -> Config {
    config_at(dc.addr(), dc.public_key())
}

pub async fn open<R: Runtime>(rt: &R, config: Config) -> Client {
    Client::open(rt, config, MemorySession::new())
        .await
        .unwrap()
}

/// An address where nobody listens.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

pub async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    futures_util::future::join(a, b).await
}

pub async fn pause<R: Runtime>(rt: &R, time: Duration) {
    rt.sleep_until(rt.now() + time).await;
}

/// Polls a future for a while.
pub async fn ready_within<R: Runtime, T>(
    rt: &R,
    time: Duration,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> bool {
    let mut sleep = pin!(rt.sleep_until(rt.now() + time));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(true),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| false),
    })
    .await
}

/// The first event that says what is looked for.
pub async fn seen<T>(events: &mut Events, mut look: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let event = events.next().await.expect("the client has ended");
        if let Some(found) = look(event) {
            return found;
        }
    }
}

/// A store with a switch.
#[derive(Clone, Default)]
pub struct Faulty {
    pub kept: MemorySession,
    wire: Arc<FaultyWire>,
}

#[derive(Default)]
struct FaultyWire {
    broken: AtomicBool,
    attempts: AtomicUsize,
}

impl Faulty {
    pub fn breaks(&self, broken: bool) {
        self.wire.broken.store(broken, Ordering::SeqCst);
    }

    pub fn attempts(&self) -> usize {
        self.wire.attempts.load(Ordering::SeqCst)
    }
}

impl Store for Faulty {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.kept.load()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.wire.attempts.fetch_add(1, Ordering::SeqCst);
        if self.wire.broken.load(Ordering::SeqCst) {
            return Err(StoreError::new("the disk is full"));
        }
        self.kept.apply(changes)
    }
}

/// Whether this DC's key is kept.
pub fn has_key(store: &MemorySession, dc: DcId) -> bool {
    store.snapshot().get(Key::Dc(dc)).is_some()
}

/// The id of this DC's key.
pub fn key_id(store: &MemorySession, dc: DcId) -> AuthKeyId {
    let (key, _) = store.snapshot().dc(dc).expect("a key is kept");
    key.auth_key_id()
}

pub const ANN: &str = "+9996621234";
pub const BOB: &str = "+9996625678";

/// A DC where Ann and Bob have accounts; Bob has a username.
pub fn start_dc_of_two() -> TestDc {
    let mut config = DcConfig::default();
    let mut bob = Account::user(BOB);
    (bob.first_name, bob.username) = (Some("Bob".to_owned()), Some("bob_of_two".to_owned()));
    config.accounts = vec![Account::user(ANN), bob];
    TestDc::start(config).unwrap()
}

/// Signs in with the code that was sent.
pub async fn sign_in(client: &Client, dc: &TestDc, phone: &str) -> i64 {
    let SignIn::NeedsCode(code) = client.request_code(phone).await.unwrap() else {
        panic!("no code was sent");
    };
    let sent = dc.code_of(phone).expect("a code was sent");
    let SignIn::Done(account) = code.submit(&sent).await.unwrap() else {
        panic!("the code was not enough");
    };
    account.user.id
}

/// A client that is signed in, and its store.
pub async fn signed_in<R: Runtime>(rt: &R, dc: &TestDc, phone: &str) -> (Client, MemorySession) {
    let store = MemorySession::new();
    let client = Client::open(rt, config(dc), store.clone()).await.unwrap();
    sign_in(&client, dc, phone).await;
    (client, store)
}

/// What comes before a new login has asked for the state of its updates belongs to the past.
pub async fn knows_where_it_stands<R: Runtime>(rt: &R, client: &Client) {
    while client.snapshot().await.unwrap().get(Key::Updates).is_none() {
        pause(rt, SHORT / 100).await;
    }
}
