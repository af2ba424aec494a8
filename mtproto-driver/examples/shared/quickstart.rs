//! Two people talk, the program ends and starts again; each adapter's `quickstart` example runs it.

use std::error::Error;
use std::path::Path;

use mtproto_driver::client::{Config, DcTable, Incoming, NewContact, SignIn, Updates};
use mtproto_driver::{Client, Runtime, SessionFile};
use mtproto_test::{Account, DcConfig, TestDc};

const ANN: &str = "+9996620001";
const BOB: &str = "+9996620002";

/// The whole tour, against a data centre of its own on loopback.
pub async fn run<R: Runtime>(runtime: R) -> Result<(), Box<dyn Error>> {
    // A local data centre with two accounts. For Telegram's own it is
    // `Config::production(api_id, api_hash)`, with what my.telegram.org/apps gives you.
    let mut servers = DcConfig::default();
    for (phone, name) in [(ANN, "Ann"), (BOB, "Bob")] {
        let mut account = Account::user(phone);
        account.first_name = Some(name.into());
        servers.accounts.push(account);
    }
    let dc = TestDc::start(servers)?;
    println!("a test DC listens on {}", dc.addr());

    let folder = std::env::temp_dir().join(format!("mtproto-quickstart-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let told = tell(&runtime, &dc, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    told
}

async fn tell<R: Runtime>(runtime: &R, dc: &TestDc, folder: &Path) -> Result<(), Box<dyn Error>> {
    first_start(runtime, dc, folder).await?;
    println!("the program starts again, with nothing but the two files");
    second_start(runtime, dc, folder).await
}

async fn first_start<R: Runtime>(
    runtime: &R,
    dc: &TestDc,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let ann = open(runtime, dc, folder, "ann").await?;
    let bob = open(runtime, dc, folder, "bob").await?;
    sign_in(dc, &ann, ANN).await?;
    sign_in(dc, &bob, BOB).await?;

    // Ann finds Bob by his number.
    let contact = NewContact {
        phone: BOB.into(),
        first_name: "Bob".into(),
        last_name: String::new(),
    };
    ann.import_contacts(&[contact]).await?;
    for contact in ann.contacts().await? {
        let name = contact.first_name.as_deref();
        println!("Ann's contact: {}", name.unwrap_or_default());
        ann.send_message(&contact, "Hi Bob!").await?;
    }

    // What she writes is an update for him, and what he answers is one for her.
    let (mut for_ann, mut for_bob) = (ann.updates(), bob.updates());
    answer(&bob, "Bob", &mut for_bob, "Hi Ann, what's new?").await?;
    hear("Ann", &mut for_ann).await?;

    // Everything is in the two files by now; this closes the connections in good order.
    ann.close().await?;
    bob.close().await?;
    Ok(())
}

async fn second_start<R: Runtime>(
    runtime: &R,
    dc: &TestDc,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let ann = open(runtime, dc, folder, "ann").await?;
    let bob = open(runtime, dc, folder, "bob").await?;
    for client in [&ann, &bob] {
        let me = client.get_me().await?;
        let name = me.first_name.unwrap_or_default();
        println!("{name} is still signed in");
    }
    let (mut for_ann, mut for_bob) = (ann.updates(), bob.updates());
    ann.send_message(BOB, "We were restarted!").await?;
    answer(&bob, "Bob", &mut for_bob, "I did not notice.").await?;
    hear("Ann", &mut for_ann).await?;

    let history = ann.history(BOB, 10).await?;
    println!("Ann and Bob have exchanged {} messages", history.len());
    ann.close().await?;
    bob.close().await?;
    Ok(())
}

/// Opens an account: its key, its login and how far its updates were handled are in its file.
async fn open<R: Runtime>(
    runtime: &R,
    dc: &TestDc,
    folder: &Path,
    name: &str,
) -> Result<Client, Box<dyn Error>> {
    let mut dcs = DcTable::empty();
    dcs.set(dc.dc(), dc.addr());
    let config = Config::new(1, "api_hash", dcs, vec![dc.public_key()]);
    let file = SessionFile::open(folder.join(name).with_extension("session"))?;
    Ok(Client::open(runtime, config, file).await?)
}

async fn sign_in(dc: &TestDc, client: &Client, phone: &str) -> Result<(), Box<dyn Error>> {
    // The first call connects and makes a key.
    let SignIn::NeedsCode(code) = client.request_code(phone).await? else {
        return Err("no code is asked for".into());
    };
    // A person reads it on another device; the test DC tells.
    let said = dc.code_of(phone).ok_or("no code was sent")?;
    let SignIn::Done(account) = code.submit(&said).await? else {
        return Err("the code is not all that is asked for".into());
    };
    let name = account.user.first_name.unwrap_or_default();
    println!("{name} signed in with the code {said}");
    Ok(())
}

/// Answers the next message.
async fn answer(
    client: &Client,
    name: &str,
    updates: &mut Updates,
    text: &str,
) -> Result<(), Box<dyn Error>> {
    while let Some(incoming) = updates.next().await {
        if let Incoming::Update(update) = &incoming
            && let Some(message) = update.as_new_message()
            && !message.is_outgoing()
        {
            println!("{name} reads: {}", message.text());
            client.send_message(message.chat(), text).await?;
            // What is not handled when the program ends comes again at the next start.
            updates.handled();
            return Ok(());
        }
    }
    Err("the updates have ended".into())
}

/// Shows the next message.
async fn hear(name: &str, updates: &mut Updates) -> Result<(), Box<dyn Error>> {
    while let Some(incoming) = updates.next().await {
        if let Incoming::Update(update) = &incoming
            && let Some(message) = update.as_new_message()
            && !message.is_outgoing()
        {
            println!("{name} reads: {}", message.text());
            updates.handled();
            return Ok(());
        }
    }
    Err("the updates have ended".into())
}
