//! From nothing to an answer, on any runtime; each adapter's `quickstart` example runs it.

use std::error::Error;
use std::path::Path;

use mtproto_driver::{
    ClientConfig, Config, Connection, Incoming, InitParams, KeyFile, Runtime, Start,
};
use mtproto_proto::DcId;
use mtproto_schema::api::{enums::Updates, functions::help};
use mtproto_schema::{Encode, LAYER};
use mtproto_test::{DcConfig, TestDc};
use serde_json::json;

/// The whole tour, against a data centre of its own on loopback.
pub async fn run<R: Runtime>(runtime: R) -> Result<(), Box<dyn Error>> {
    // A local data centre. For Telegram's own, my.telegram.org/apps names addresses, public keys
    // and your api_id.
    let dc = TestDc::start(DcConfig::default())?;
    println!("a test DC listens on {}", dc.addr());

    let mut client = ClientConfig::new(DcId(2), vec![dc.public_key()]);
    client.init = Some(InitParams::new(1, LAYER));
    let config = Config::new(client);

    // Without a stored key, connecting makes one.
    let connection =
        Connection::connect(&runtime, dc.addr(), config.clone(), Start::NewKey).await?;
    let key = connection.key_state().ok_or("no key")?;
    println!("made key {}", key.auth_key_id());

    // A method as a type: arguments and answer are checked by the compiler …
    let answer = connection.invoke(&help::GetConfig).await?;
    println!(
        "help.getConfig: DC {} of {}",
        answer.this_dc,
        answer.dc_options.len()
    );

    // … or by its name, with JSON.
    let answer = connection
        .invoke_json("help.getNearestDc", &json!({}))
        .await?;
    println!("help.getNearestDc: {answer}");

    // What the server sends unasked.
    let mut updates = connection.updates();
    dc.push(Updates::TooLong.to_bytes());
    match updates.next().await {
        Some(Incoming::Update(update)) => println!("an update: {:?}", update.decode::<Updates>()?),
        other => return Err(format!("no update but {other:?}").into()),
    }

    // Keep the key, close in good order, come back.
    let folder = std::env::temp_dir().join(format!("mtproto-quickstart-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let kept = keep_and_return(&runtime, &dc, config, connection, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    kept
}

async fn keep_and_return<R: Runtime>(
    runtime: &R,
    dc: &TestDc,
    config: Config,
    connection: Connection,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let file = KeyFile::open(folder.join("account.key"))?;
    file.save(&connection.key_state().ok_or("no key")?)?;
    connection.close().await;

    let start = file.load()?.map_or(Start::NewKey, Start::Key);
    let connection = Connection::connect(runtime, dc.addr(), config, start).await?;
    let answer = connection.invoke(&help::GetNearestDc).await?;
    println!(
        "with the same key again: nearest DC is {}",
        answer.nearest_dc
    );
    connection.close().await;
    Ok(())
}
