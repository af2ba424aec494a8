//! One stream at a time, in the caller's own hands: `Connection`, suspended and resumed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use mtproto_driver::{
    ClientConfig, CloseReason, Config, Connection, Error, InitParams, Runtime, Start,
};
use mtproto_proto::{Fate, connection};
use mtproto_schema::api::functions::auth::SendCode;
use mtproto_schema::api::functions::help;
use mtproto_schema::api::types::CodeSettings;
use mtproto_schema::{Encode, LAYER};
use mtproto_test::Seed;
use mtproto_test::dc::digest;

use crate::dc::Dc;
use crate::support::*;

/// Calls that must not run twice.
const REQUESTS: usize = 1_000;
/// Requests that are in flight at once.
const AT_ONCE: usize = 50;

fn config(dc: &Dc) -> Config {
    let mut client = ClientConfig::new(DC, vec![dc.key.clone()]);
    client.init = Some(InitParams::new(1, LAYER));
    Config::new(client)
}

/// Sends a code to a number that nobody else has.
fn request(n: usize) -> SendCode {
    SendCode {
        phone_number: format!("+999662{n:04}").into(),
        api_id: 1,
        api_hash: "hash".into(),
        settings: CodeSettings {
            allow_flashcall: false,
            current_number: false,
            allow_app_hash: false,
            allow_missed_call: false,
            allow_firebase: false,
            unknown_number: false,
            logout_tokens: None,
            token: None,
        },
    }
}

/// Connects, however often that fails, and goes on from where the last stream ended.
async fn connect<R: Runtime>(rt: &R, dc: &Dc, mut start: Start) -> Connection {
    loop {
        match Connection::connect(rt, dc.proxy.addr(), config(dc), start).await {
            Ok(connection) => return connection,
            Err(failed) => start = failed.retry.expect("another attempt makes sense"),
        }
    }
}

pub async fn a_connection_goes_on_over_streams_that_are_cut_at_random_bytes<R: Runtime>(rt: R) {
    let seed = Seed::from_env_or(31);
    let dc = Dc::start(seed, &[]);
    dc.proxy.cut_each(Some(100..=30_000));
    let mut connection = connect(&rt, &dc, Start::NewKey).await;
    // What is to be sent, and how often it was: what was not executed for sure is sent again.
    let mut left: Vec<usize> = (0..REQUESTS).collect();
    let mut fates = BTreeMap::<usize, Result<(), Fate>>::new();
    let mut streams = 1;
    while !left.is_empty() {
        let now: Vec<usize> = left.drain(..AT_ONCE.min(left.len())).collect();
        let calls = now.iter().map(|n| connection.invoke(&request(*n)));
        for (n, result) in now.iter().zip(join_all(calls).await) {
            let fate = match result {
                Ok(_) => Ok(()),
                Err(Error::Cut { fate, reason }) => {
                    let cut = matches!(reason, CloseReason::Peer | CloseReason::Io(_));
                    assert!(cut, "{reason:?}");
                    Err(fate)
                }
                Err(Error::Closed(_)) => Err(Fate::NotSent),
                Err(error) => panic!("request {n}: {error:?}"),
            };
            if matches!(fate, Err(Fate::NotSent | Fate::NotReceived)) {
                left.push(*n);
            } else {
                assert!(fates.insert(*n, fate).is_none(), "request {n} has ended");
            }
        }
        if connection.invoke(&help::GetNearestDc).await.is_err() {
            let rest = connection.closed().await.suspended.unwrap();
            connection = connect(&rt, &dc, Start::Resume(rest)).await;
            streams += 1;
        }
    }
    let executed = dc.executed();
    let (mut unknown, mut ran) = (0, 0);
    for (n, fate) in &fates {
        let runs = executed.get(&digest(&request(*n).to_bytes()));
        let runs = runs.map_or(0, Vec::len);
        assert!(runs <= 1, "seed {seed}: request {n} ran {runs} times");
        match fate {
            Ok(()) => assert_eq!(runs, 1, "seed {seed}: request {n} was lost"),
            Err(_) => {
                unknown += 1;
                ran += runs;
            }
        }
    }
    println!("seed {seed}: {streams} streams, unknown {unknown}, of which ran {ran}");
    assert!(streams > 3, "{streams} streams");
    assert!(unknown <= AT_ONCE * streams, "{unknown} unknown");
}

pub async fn a_connection_that_died_silently_says_so_and_resumes<R: Runtime>(rt: R) {
    let seed = Seed::from_env_or(32);
    let dc = Dc::start(seed, &[]);
    let mut config = config(&dc);
    let mut client = (*config.client).clone();
    client.session.ping_interval_busy = Duration::from_millis(300);
    client.session.pong_timeout = Duration::from_millis(300);
    config.client = client.into();
    let mut start = Start::NewKey;
    for n in 0..3 {
        let connection = Connection::connect(&rt, dc.proxy.addr(), config.clone(), start);
        let connection = connection.await.unwrap();
        connection.invoke(&help::GetNearestDc).await.unwrap();
        assert_eq!(dc.proxy.freeze(), n + 1);
        let (call, closed) = both(connection.invoke(&request(n)), connection.closed()).await;
        let CloseReason::Protocol(error) = &closed.reason else {
            panic!("{:?}", closed.reason);
        };
        assert_eq!(**error, connection::Error::Silent);
        let call = call.unwrap_err();
        let unknown = matches!(
            call,
            Error::Cut {
                fate: Fate::MaybeExecuted,
                ..
            }
        );
        assert!(unknown, "{call:?}");
        start = Start::Resume(closed.suspended.unwrap());
    }
    // None of them came through, and none was sent again behind the caller's back.
    let connection = Connection::connect(&rt, dc.proxy.addr(), config, start).await;
    connection
        .unwrap()
        .invoke(&help::GetNearestDc)
        .await
        .unwrap();
    let executed = dc.executed();
    for n in 0..3 {
        assert!(!executed.contains_key(&digest(&request(n).to_bytes())));
    }
}
