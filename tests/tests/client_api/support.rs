//! A DC with three people who know each other by username.

use std::time::Duration;

use mtproto_driver::client::{
    Config, DcTable, Error, Incoming, PeerId, PeerRef, SignIn, Update, Updates,
};
use mtproto_driver::{Client, MemorySession};
use mtproto_proto::DcId;
use mtproto_test::{Account, DcConfig, TestDc};
use mtproto_tokio::Tokio;

/// No test takes longer, whatever goes wrong.
const PATIENCE: Duration = Duration::from_secs(60);

pub const ANN: &str = "+9996620001";
pub const BOB: &str = "+9996620002";
pub const EVE: &str = "+9996620003";

pub struct World {
    pub dc: TestDc,
    pub ann: Client,
    pub bob: Client,
    pub eve: Client,
}

impl World {
    async fn start() -> Self {
        let mut config = DcConfig::default();
        config.accounts = [(ANN, "ann_lee"), (BOB, "bob_ray"), (EVE, "eve_orr")]
            .map(|(phone, username)| {
                let mut account = Account::user(phone);
                let (first, _) = username.split_once('_').unwrap();
                account.first_name = Some(first.into());
                account.username = Some(username.into());
                account
            })
            .into();
        let dc = TestDc::start(config).unwrap();
        World {
            ann: sign_in(&dc, ANN).await,
            bob: sign_in(&dc, BOB).await,
            eve: sign_in(&dc, EVE).await,
            dc,
        }
    }

    pub fn id(&self, phone: &str) -> i64 {
        self.dc.user_of(phone).unwrap()
    }

    pub fn peer(&self, phone: &str) -> PeerId {
        PeerId::User(self.id(phone))
    }

    /// The next call of this method fails, so that it is known to be called.
    pub fn mark(&self, method: &str) {
        self.dc.fail_next(method, 1, 400, MARK).unwrap();
    }
}

const MARK: &str = "MARKED_FOR_TEST";

/// Whether the call reached the method that was marked.
#[track_caller]
pub fn was_marked<T>(result: Result<T, Error>) {
    match result {
        Err(Error::Rpc(error)) if error.message == MARK => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("another method was called"),
    }
}

async fn sign_in(dc: &TestDc, phone: &str) -> Client {
    let mut dcs = DcTable::empty();
    dcs.set(DcId(2), dc.addr());
    let config = Config::new(1, "hash", dcs, vec![dc.public_key()]);
    let client = Client::open(&Tokio, config, MemorySession::new())
        .await
        .unwrap();
    let SignIn::NeedsCode(code) = client.request_code(phone).await.unwrap() else {
        panic!("no code is asked for");
    };
    let said = dc.code_of(phone).unwrap();
    let SignIn::Done(_) = code.submit(&said).await.unwrap() else {
        panic!("the code does not do");
    };
    client
}

/// Runs a test in a world of its own.
pub fn in_world<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let test = async { test(World::start().await).await };
        let done = tokio::time::timeout(PATIENCE, test).await;
        done.unwrap_or_else(|_| panic!("not done within {PATIENCE:?}"));
    });
}

/// The first update that says what is looked for.
pub async fn seen<T>(updates: &mut Updates, look: impl Fn(&Update) -> Option<T>) -> T {
    loop {
        match updates.next().await.expect("the client has ended") {
            Incoming::Update(update) => {
                if let Some(found) = look(&update) {
                    return found;
                }
            }
            Incoming::Lost(lost) => panic!("{lost:?}"),
            other => panic!("{other:?}"),
        }
    }
}

/// The next new message: its number, text and sender.
pub async fn heard(updates: &mut Updates) -> (i32, String, Option<PeerId>) {
    seen(updates, |update| {
        let message = update.as_new_message()?;
        let heard = (!message.is_outgoing()).then_some(message)?;
        Some((heard.id(), heard.text().to_owned(), heard.sender()))
    })
    .await
}

pub fn me() -> PeerRef {
    PeerRef::Me
}

#[track_caller]
pub fn refused_as<T>(result: Result<T, Error>, message: &str) {
    match result {
        Err(Error::Rpc(error)) => assert_eq!(error.message, message),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}
