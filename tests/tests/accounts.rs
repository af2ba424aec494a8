//! Several accounts in one process: a folder, clients, one stream of updates.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use futures_util::future::join;
use mtproto_driver::client::{Config, DcTable, Event, Incoming, SignIn};
use mtproto_driver::{
    AccountId, AccountUpdates, Accounts, AccountsError, Cipher, CipherError, Client, SessionFile,
    SessionFileError,
};
use mtproto_proto::DcId;
use mtproto_proto::client::Snapshot;
use mtproto_test::alloc::{Counting, held};
use mtproto_test::{Account, DcConfig, TestDc};
use mtproto_tokio::Tokio;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// No test takes longer, whatever goes wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that is gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mtproto-accounts-{}-{number}", std::process::id());
        Folder(std::env::temp_dir().join(name).join("accounts"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

/// One thread, so that all that is held is held by it.
fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let done = tokio::time::timeout(PATIENCE, test).await;
        done.unwrap_or_else(|_| panic!("not done within {PATIENCE:?}"));
    });
}

const PHONES: [&str; 3] = ["+9996620001", "+9996620002", "+9996620003"];

fn start_dc() -> TestDc {
    let mut config = DcConfig::default();
    config.accounts = PHONES.map(Account::user).into();
    TestDc::start(config).unwrap()
}

fn config(dc: &TestDc) -> Config {
    let mut dcs = DcTable::empty();
    dcs.set(DcId(2), dc.addr());
    Config::new(1, "hash", dcs, vec![dc.public_key()])
}

/// Servers that nobody talks to.
fn nowhere() -> Config {
    let mut config = Config::production(1, "hash");
    config.dcs = DcTable::empty();
    config
}

fn id(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

async fn sign_in(dc: &TestDc, client: &Client, phone: &str) {
    let SignIn::NeedsCode(code) = client.request_code(phone).await.unwrap() else {
        panic!("no code is asked for");
    };
    let said = dc.code_of(phone).unwrap();
    let SignIn::Done(_) = code.submit(&said).await.unwrap() else {
        panic!("the code does not do");
    };
}

/// The next message that somebody else sent, and which account heard it.
async fn heard(updates: &mut AccountUpdates) -> (String, String) {
    loop {
        let (account, item) = updates.next().await.expect("all have ended");
        if let Incoming::Update(update) = item
            && let Some(message) = update.as_new_message()
            && !message.is_outgoing()
        {
            return (account.to_string(), message.text().to_owned());
        }
    }
}

#[test]
fn three_accounts_live_beside_each_other_and_come_back_without_signing_in() {
    let folder = Folder::new();
    block_on(async {
        let dc = start_dc();
        let accounts = Accounts::new(Tokio, &folder.0, config(&dc)).unwrap();
        assert!(accounts.list().unwrap().is_empty());
        let mut updates = accounts.updates();
        let names = ["a", "b", "c"].map(id);
        for (name, phone) in names.iter().zip(PHONES) {
            let client = accounts.open(name).await.unwrap();
            sign_in(&dc, &client, phone).await;
        }
        assert_eq!(accounts.list().unwrap(), names);
        assert_eq!(accounts.opened().len(), 3);

        // Each hears what is sent to it, and says so by name.
        let a = accounts.get(&id("a")).unwrap();
        a.send_message(PHONES[1], "to b").await.unwrap();
        assert_eq!(heard(&mut updates).await, ("b".into(), "to b".into()));
        a.send_message(PHONES[2], "to c").await.unwrap();
        assert_eq!(heard(&mut updates).await, ("c".into(), "to c".into()));
        updates.handled();

        // What one does is nothing to the others.
        accounts.close(&id("b")).await.unwrap();
        assert!(accounts.get(&id("b")).is_none());
        assert!(a.is_authorized().await.unwrap());
        a.send_message(PHONES[1], "while b is closed")
            .await
            .unwrap();
        let b = accounts.open(&id("b")).await.unwrap();
        assert!(b.is_authorized().await.unwrap());
        let caught_up = ("b".into(), "while b is closed".into());
        assert_eq!(heard(&mut updates).await, caught_up);

        accounts.close_all().await.unwrap();
        assert!(accounts.opened().is_empty());
        drop((accounts, a, b));
        assert!(updates.next().await.is_none());

        // Another start of the program.
        let accounts = Accounts::new(Tokio, &folder.0, config(&dc)).unwrap();
        for name in accounts.list().unwrap() {
            let client = accounts.open(&name).await.unwrap();
            assert!(client.is_authorized().await.unwrap());
        }
        accounts.close_all().await.unwrap();
    });
}

#[test]
fn opening_twice_is_one_client_and_another_folder_s_handle_is_refused() {
    let folder = Folder::new();
    block_on(async {
        let accounts = Accounts::new(Tokio, &folder.0, nowhere()).unwrap();
        let a = id("a");
        let (first, second) = join(accounts.open(&a), accounts.open(&a)).await;
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_eq!(accounts.opened().len(), 1);

        let others = Accounts::new(Tokio, &folder.0, nowhere()).unwrap();
        let refused = others.open(&a).await.unwrap_err();
        assert!(
            matches!(
                refused,
                AccountsError::File {
                    error: SessionFileError::Locked { .. },
                    ..
                }
            ),
            "{refused}"
        );
        assert!(refused.to_string().contains("account a"), "{refused}");

        // Closed by its own handle, it can be opened again.
        first.close().await.unwrap();
        assert!(accounts.get(&a).is_none());
        second.closed().await;
        accounts.open(&a).await.unwrap();
        assert!(accounts.get(&a).is_some());
    });
}

#[test]
fn events_of_all_accounts_come_with_their_names() {
    let folder = Folder::new();
    block_on(async {
        let dc = start_dc();
        let accounts = Accounts::new(Tokio, &folder.0, config(&dc)).unwrap();
        let first = accounts.open(&id("first")).await.unwrap();
        let mut events = accounts.events();
        let second = accounts.open(&id("second")).await.unwrap();
        for (client, name) in [(&second, "second"), (&first, "first")] {
            client.connect().await.unwrap();
            let account = loop {
                let (account, event) = events.next().await.unwrap();
                if matches!(event, Event::Connected { .. }) {
                    break account;
                }
            };
            assert_eq!(account.as_str(), name);
        }
        drop((accounts, first, second));
        while events.next().await.is_some() {}
    });
}

#[test]
fn a_deleted_account_is_gone_and_its_name_is_free() {
    let folder = Folder::new();
    block_on(async {
        let dc = start_dc();
        let accounts = Accounts::new(Tokio, &folder.0, config(&dc)).unwrap();
        let a = id("a");
        let client = accounts.open(&a).await.unwrap();
        client.connect().await.unwrap();
        let text = client.export_text().await.unwrap();
        accounts.delete(&a).await.unwrap();
        client.closed().await;
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
        accounts.delete(&a).await.unwrap();

        // A damaged file can be deleted too.
        fs::write(folder.0.join("a.session"), "hello").unwrap();
        accounts.open(&a).await.unwrap_err();
        accounts.delete(&a).await.unwrap();
        assert!(accounts.list().unwrap().is_empty());

        // And what was exported before comes in again, once.
        let kept = Snapshot::from_text(&text).unwrap();
        accounts.import(&a, &kept).await.unwrap();
        let twice = accounts.import(&a, &kept).await.unwrap_err();
        assert!(matches!(twice, AccountsError::Exists(_)), "{twice}");
        let client = accounts.open(&a).await.unwrap();
        assert!(client.snapshot().await.unwrap().iter().next().is_some());
        let twice = accounts.import(&a, &kept).await.unwrap_err();
        assert!(matches!(twice, AccountsError::Exists(_)), "{twice}");
    });
}

#[test]
fn names_are_checked_and_other_files_are_nothing_of_ours() {
    let long = "x".repeat(65);
    for name in ["", ".", "..", "a/b", "a b", "a.b", "-a", "ä", "a\0", &long] {
        assert!(AccountId::new(name).is_err(), "{name:?}");
    }
    let folder = Folder::new();
    let accounts = Accounts::new(Tokio, &folder.0, nowhere()).unwrap();
    for name in [
        "b.session",
        "a.session",
        "a.session.lock",
        "c.session.tmp",
        "note.txt",
        ".session",
    ] {
        fs::write(folder.0.join(name), "").unwrap();
    }
    assert_eq!(accounts.list().unwrap(), [id("a"), id("b")]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&folder.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn each_account_has_a_cipher_of_its_own() {
    struct Sealed(XChaCha20Poly1305);

    impl Cipher for Sealed {
        fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherError> {
            let mut nonce = [0; 24];
            getrandom::fill(&mut nonce).map_err(|_| CipherError)?;
            let payload = Payload {
                msg: plain,
                aad: context,
            };
            let sealed = self.0.encrypt(&XNonce::from(nonce), payload);
            Ok([&nonce[..], &sealed.map_err(|_| CipherError)?].concat())
        }

        fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherError> {
            let (nonce, sealed) = sealed.split_first_chunk::<24>().ok_or(CipherError)?;
            let payload = Payload {
                msg: sealed,
                aad: context,
            };
            let plain = self.0.decrypt(&XNonce::from(*nonce), payload);
            plain.map_err(|_| CipherError)
        }
    }

    fn cipher(account: &AccountId) -> Box<dyn Cipher> {
        let key = [account.as_str().as_bytes()[0]; 32];
        Box::new(Sealed(XChaCha20Poly1305::new(&key.into())))
    }

    let folder = Folder::new();
    block_on(async {
        let dc = start_dc();
        let accounts = Accounts::new_with(Tokio, &folder.0, config(&dc), cipher).unwrap();
        for (name, phone) in [("a", PHONES[0]), ("b", PHONES[1])] {
            let client = accounts.open(&id(name)).await.unwrap();
            sign_in(&dc, &client, phone).await;
        }
        accounts.close_all().await.unwrap();
        let swapped = SessionFile::open_with(folder.0.join("a.session"), cipher(&id("b")));
        let error = swapped.unwrap_err();
        assert!(
            matches!(error, SessionFileError::WrongCipher { .. }),
            "{error}"
        );
        let client = accounts.open(&id("a")).await.unwrap();
        assert!(client.is_authorized().await.unwrap());
        accounts.close_all().await.unwrap();
    });
}

/// Bytes that each of these accounts holds.
async fn held_by_each(accounts: usize, open: impl AsyncFn(usize)) -> isize {
    // What is made once is made before.
    open(0).await;
    let before = held();
    for number in 1..=accounts {
        open(number).await;
    }
    tokio::task::yield_now().await;
    (held() - before) / isize::try_from(accounts).unwrap()
}

#[test]
fn a_thousand_accounts_that_do_nothing_cost_a_few_kibibytes_each() {
    let folder = Folder::new();
    block_on(async {
        let accounts = Accounts::new(Tokio, &folder.0, nowhere()).unwrap();
        let mut updates = accounts.updates();
        let each = held_by_each(1_000, async |number| {
            accounts
                .open(&id(&format!("account_{number}")))
                .await
                .unwrap();
        })
        .await;
        println!("{each} bytes each");
        assert!(each < 8 * 1024, "{each} bytes each");
        let next = updates.next();
        let nothing = tokio::time::timeout(Duration::from_millis(10), next).await;
        assert!(nothing.is_err());
        accounts.close_all().await.unwrap();
    });
}

#[test]
fn accounts_that_are_connected_and_idle_cost_some_thirty_kibibytes_each() {
    let folder = Folder::new();
    block_on(async {
        let dc = start_dc();
        let accounts = Accounts::new(Tokio, &folder.0, config(&dc)).unwrap();
        let each = held_by_each(30, async |number| {
            let client = accounts
                .open(&id(&format!("account_{number}")))
                .await
                .unwrap();
            client.connect().await.unwrap();
            client.nearest_dc().await.unwrap();
        })
        .await;
        println!("{each} bytes each");
        assert!(each < 40 * 1024, "{each} bytes each");
        accounts.close_all().await.unwrap();
    });
}
