//! Connections and clients over real sockets, watched: once per runtime.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mtproto_driver::client::{self, DcTable, Options, Route};
use mtproto_driver::{
    Client, ClientConfig, Clock, Config, Connection, Driver, InitParams, MemorySession, Runtime,
    Start, StreamError,
};
use mtproto_proto::DcId;
use mtproto_proto::client::CallOptions;
use mtproto_proto::connection::{ClientConnection, ClientEvent};
use mtproto_proto::session::SendOptions;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_schema::LAYER;
use mtproto_schema::api::functions::{contacts, help};
use mtproto_test::dc::Account;
use mtproto_test::trace::{
    Begin, Buffer, Recorder, Trace, Verdict, replay, shareable, shareable_to,
};
use mtproto_test::{DcConfig, TestDc};

use crate::shared::{contents, transcript, windows};

const DC: DcId = DcId(2);
const TOKEN: &str = "7:a-secret-of-a-bot-that-nobody-knows";
const SEARCHED: &str = "Wilhelmina Featherstone of Nottingham";

fn assert_absent(file: &[u8], secrets: &[&[u8]]) {
    let contents = contents(file);
    for secret in secrets {
        let secret = windows(secret);
        for bytes in &contents {
            assert!(windows(bytes).is_disjoint(&secret), "{secret:?}");
        }
    }
}

async fn a_connection_is_watched<R: Runtime>(rt: R) {
    let dc = TestDc::start(DcConfig::default()).unwrap();
    let mut client = ClientConfig::new(DC, vec![dc.public_key()]);
    client.init = Some(InitParams::new(1, LAYER));
    client.obfuscation = Some(Obfuscation::default());
    client.framing = Framing::Abridged;
    let file = Buffer::default();
    let tap = shareable_to(file.clone(), [1; 32]).unwrap();
    let mut config = Config::new(client);
    config.record(tap.clone());
    let start = Start::NewKey;
    let connection = Connection::connect(&rt, dc.addr(), config.clone(), start)
        .await
        .unwrap();
    connection.invoke(&help::GetNearestDc).await.unwrap();
    let key = connection.key_state().unwrap();
    connection.close().await;
    let rest = connection.closed().await.suspended.unwrap();
    let start = Start::Resume(rest);
    let connection = Connection::connect(&rt, dc.addr(), config, start)
        .await
        .unwrap();
    connection.invoke(&help::GetConfig).await.unwrap();
    connection.close().await;
    connection.closed().await;
    tap.finish().unwrap();

    let file = file.take();
    let (text, verdict) = transcript(&file);
    assert_eq!(verdict, Verdict::AsRecorded, "{text}");
    for expected in [
        "#1 stream to DC 2 begins with a handshake: abridged, obfuscated",
        "#2 stream to DC 2 begins with the session of an earlier stream",
        "initConnection: help.getNearestDc",
        "rpc_result to ",
        ": nearestDc, ",
        "help.getConfig",
        ": config, ",
        " 0 remarks.",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    let id = key.auth_key_id().0.to_le_bytes();
    assert_absent(&file, &[key.auth_key(), &id]);
}

async fn a_client_is_watched_over_all_its_streams<R: Runtime>(rt: R) {
    let mut served = DcConfig::default();
    served.accounts = vec![Account::bot(TOKEN)];
    let dc = TestDc::start(served).unwrap();
    let mut dcs = DcTable::empty();
    dcs.set(DC, dc.addr());
    let mut config = client::Config::new(1, "0123456789abcdef", dcs, vec![dc.public_key()]);
    config.pfs = Some(Duration::from_secs(3_600));
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("watched-{}.trace", dc.addr().port()));
    let mut options = Options::new(config);
    let tap = shareable(&path).unwrap();
    options.record(tap.clone());
    let client = Client::open(&rt, options, MemorySession::new())
        .await
        .unwrap();
    client.bot_sign_in(TOKEN).await.unwrap();
    let search = contacts::Search {
        broadcasts: false,
        bots: false,
        q: SEARCHED.into(),
        limit: 10,
    };
    // Whatever the answer is.
    let _ = client.invoke(&search).await;
    let media = CallOptions::default().route(Route::Media(DC));
    client
        .invoke_with(&help::GetNearestDc, media)
        .await
        .unwrap();
    let stored = client.snapshot().await.unwrap();
    client.close().await.unwrap();
    tap.finish().unwrap();

    let file = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let (text, verdict) = transcript(&file);
    assert_eq!(verdict, Verdict::AsRecorded, "{text}");
    for expected in [
        "stream to DC 2 begins with a handshake",
        "stream to DC -2 begins with a stored key",
        "temporary keys",
        "auth.importBotAuthorization",
        ": auth.authorization, ",
        "auth.bindTempAuthKey",
        "contacts.search",
        "help.getNearestDc",
        " 0 remarks.",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    let (key, _) = stored.dc(DC).unwrap();
    let id = key.auth_key_id().0.to_le_bytes();
    let secrets: [&[u8]; 5] = [
        key.auth_key(),
        &id,
        TOKEN.as_bytes(),
        SEARCHED.as_bytes(),
        b"0123456789abcdef",
    ];
    assert_absent(&file, &secrets);
}

async fn a_driven_machine_is_done_again<R: Runtime>(rt: R) {
    let dc = TestDc::start(DcConfig::default()).unwrap();
    let mut config = ClientConfig::new(DC, vec![dc.public_key()]);
    config.init = Some(InitParams::new(1, LAYER));
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    let file = Buffer::default();
    let trace = Trace::full_to(file.clone()).unwrap();
    let mut clock = Clock::system(rt.now());
    let now = clock.time(rt.now());
    let machine =
        Recorder::<ClientConnection>::new(&trace, Arc::new(config), Begin::NewKey, seed, now);
    let stream = rt.connect(dc.addr()).await.unwrap();
    let mut driver = Driver::new(machine.unwrap(), stream, rt, clock);
    let now = driver.now();
    let call = driver
        .machine()
        .call(now, &help::GetNearestDc, &SendOptions::default())
        .unwrap();
    loop {
        let event = driver
            .next()
            .await
            .unwrap_or_else(|error: StreamError<_>| panic!("{error}"));
        match event {
            Some(ClientEvent::Response { id, body }) if id == call.id() => {
                assert_eq!(call.decode(&body).unwrap().this_dc, 2);
                break;
            }
            Some(_) => {}
            None => panic!("the stream ended"),
        }
    }
    driver.machine().close();
    driver.close();
    while driver.next().await.is_ok_and(|event| event.is_some()) {}
    drop(driver);
    trace.finish().unwrap();
    let replayed = replay(&file.take()[..]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((replayed.machines, replayed.cut), (1, None));
    assert!(replayed.steps > 20, "{replayed:?}");
}

/// No test takes longer, whatever goes wrong.
async fn in_time<R: Runtime>(rt: R, test: impl Future<Output = ()>) {
    const PATIENCE: Duration = Duration::from_secs(120);

    let patience = rt.sleep_until(rt.now() + PATIENCE);
    let (test, patience) = (std::pin::pin!(test), std::pin::pin!(patience));
    match futures_util::future::select(test, patience).await {
        futures_util::future::Either::Left(_) => {}
        futures_util::future::Either::Right(_) => panic!("not done within {PATIENCE:?}"),
    }
}

macro_rules! suite {
    ($runtime:expr, $block_on:path; $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $block_on(in_time($runtime, super::$test($runtime)));
            }
        )*
    };
    ($runtime:expr, $block_on:path) => {
        suite! { $runtime, $block_on;
            a_connection_is_watched
            a_client_is_watched_over_all_its_streams
            a_driven_machine_is_done_again
        }
    };
}

mod on_tokio {
    use super::in_time;
    use mtproto_tokio::Tokio;

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(test)
    }

    suite!(Tokio, block_on);
}

mod on_async_std {
    use super::in_time;
    use mtproto_async_std::AsyncStd;

    suite!(AsyncStd, async_std::task::block_on);
}
