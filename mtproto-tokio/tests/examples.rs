//! The examples do what they say.

#[allow(dead_code, reason = "its `token` is for the command line")]
#[path = "../../mtproto-driver/examples/shared/echo_bot.rs"]
mod echo_bot;
#[path = "../../mtproto-driver/examples/shared/quickstart.rs"]
mod quickstart;
#[path = "../../mtproto-driver/examples/shared/server.rs"]
mod server;
#[path = "../../mtproto-driver/examples/shared/sign_in.rs"]
mod sign_in;

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::time::Duration;

use mtproto_test::{Account, DcConfig, TestDc};
use mtproto_tokio::client::{Incoming, SignIn};
use mtproto_tokio::proto::client::Key;
use mtproto_tokio::{MemorySession, SessionFile, Tokio};

use server::Server;

/// No example takes longer here, whatever goes wrong.
const PATIENCE: Duration = Duration::from_secs(20);
const PERSON: &str = "+9996620001";
const TOKEN: &str = "7:secret";

/// A folder that is gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("mtproto-examples-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn start_dc(folder: &Folder) -> (TestDc, impl Fn() -> Server + use<>) {
    let mut config = DcConfig::default();
    let mut person = Account::user(PERSON);
    person.first_name = Some("Ann".into());
    person.password = Some("swordfish".into());
    let mut bot = Account::bot(TOKEN);
    bot.username = Some("echo_bot".into());
    config.accounts = vec![person, bot, Account::user("+9996620002")];
    let dc = TestDc::start(config).unwrap();
    let key = folder.0.join("key.pem");
    fs::write(&key, dc.public_key_pem()).unwrap();
    let (addr, id) = (dc.addr(), dc.dc());
    (dc, move || Server::new(addr, id, key.clone()))
}

#[tokio::test]
async fn quickstart_tells_its_story() {
    quickstart::run(Tokio).await.unwrap();
}

#[tokio::test]
async fn sign_in_asks_until_it_is_right_and_nothing_the_next_time() {
    let folder = Folder::new("sign_in");
    let (_dc, server) = start_dc(&folder);
    let args = || sign_in::Args {
        server: server(),
        session: folder.0.join("a.session"),
    };
    let typed = format!("{PERSON}\n00000\n22222\nwrong\nswordfish\n");
    let mut said = Vec::new();
    sign_in::run(Tokio, args(), Cursor::new(typed), &mut said)
        .await
        .unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.contains("Code: ") && said.contains("Password "),
        "{said}"
    );
    assert!(said.ends_with("Signed in as Ann.\n"), "{said}");

    let mut said = Vec::new();
    sign_in::run(Tokio, args(), Cursor::new(""), &mut said)
        .await
        .unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), "Signed in as Ann.\n");
}

#[tokio::test]
async fn echo_bot_says_what_it_hears_and_what_came_while_it_was_off() {
    let folder = Folder::new("echo_bot");
    let (dc, server) = start_dc(&folder);
    let config = server().config().unwrap();
    let client = mtproto_tokio::open(config, MemorySession::new())
        .await
        .unwrap();
    let phone = "+9996620002";
    let SignIn::NeedsCode(code) = client.request_code(phone).await.unwrap() else {
        panic!("no code is asked for");
    };
    let said = dc.code_of(phone).unwrap();
    let SignIn::Done(_) = code.submit(&said).await.unwrap() else {
        panic!("the code does not do");
    };
    // A bot hears what is said after it learnt where the updates are: with its first sign-in.
    let session = || folder.0.join("bot.session");
    let file = SessionFile::open(session()).unwrap();
    let bot = mtproto_tokio::open(server().config().unwrap(), file)
        .await
        .unwrap();
    bot.bot_sign_in(TOKEN).await.unwrap();
    while bot.snapshot().await.unwrap().get(Key::Updates).is_none() {
        tokio::task::yield_now().await;
    }
    bot.close().await.unwrap();

    let mut updates = client.updates();
    for text in ["while it was off", "and once more"] {
        client.send_message("echo_bot", text).await.unwrap();
        let args = echo_bot::Args {
            server: server(),
            session: session(),
            count: Some(1),
        };
        let echoed = echo_bot::run(Tokio, args, TOKEN);
        tokio::time::timeout(PATIENCE, echoed)
            .await
            .unwrap()
            .unwrap();
        let echo = loop {
            let Some(Incoming::Update(update)) = updates.next().await else {
                panic!("the updates have ended");
            };
            if let Some(message) = update.as_new_message()
                && !message.is_outgoing()
            {
                break message.text().to_owned();
            }
        };
        assert_eq!(echo, text);
    }
    client.close().await.unwrap();
}
