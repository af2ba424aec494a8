//! Calls: their answers, their errors, their ends.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use mtproto_driver::client::{CallOptions, DcTable, Error, Route};
use mtproto_driver::{Client, MemorySession, Runtime};
use mtproto_proto::{DcId, Fate, Progress, SendError};
use mtproto_schema::Encode;
use mtproto_schema::api::functions::help;
use mtproto_test::{DcConfig, TestDc};
use serde_json::json;

use crate::relay::Relay;
use crate::support::*;

pub async fn a_call_opens_what_it_needs_as_a_type_by_name_or_as_bytes<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    let answer = client.invoke(&help::GetConfig).await.unwrap();
    assert_eq!(answer.this_dc, 2);
    let answer = client.invoke_json("help.getNearestDc", &json!({})).await;
    let expected = json!({ "_": "nearestDc", "country": "XX", "this_dc": 2, "nearest_dc": 2 });
    assert_eq!(answer.unwrap(), expected);
    let body = help::GetNearestDc.to_bytes();
    let answer = client.invoke_raw(body).await.unwrap();
    assert_eq!(answer.first_chunk(), Some(&0x8e1a_1775_u32.to_le_bytes()));
    client.close().await.unwrap();
}

pub async fn a_route_goes_to_its_dc_over_a_stream_of_its_own<R: Runtime>(rt: R) {
    let two = start_dc();
    let mut other = DcConfig::default();
    other.dc = DcId(4);
    let four = TestDc::start(other).unwrap();
    let mut config = config(&two);
    config.dcs.set(DcId(4), four.addr());
    let store = MemorySession::new();
    let client = Client::open(&rt, config, store.clone()).await.unwrap();

    let options = |route| {
        let mut options = CallOptions::default();
        options.route = route;
        options
    };
    let here = client.invoke(&help::GetNearestDc);
    let there = client.invoke_with(&help::GetNearestDc, options(Route::Dc(DcId(4))));
    let (here, there) = both(here, there).await;
    assert_eq!((here.unwrap().this_dc, there.unwrap().this_dc), (2, 4));
    assert!(has_key(&store, DcId(2)) && has_key(&store, DcId(4)));

    let nowhere = client.invoke_with(&help::GetNearestDc, options(Route::Dc(DcId(5))));
    let failed = nowhere.await.unwrap_err();
    assert!(
        matches!(failed, Error::UnknownDc { dc: DcId(5), .. }),
        "{failed:?}"
    );
    assert!(failed.to_string().contains("add it"), "{failed}");
    client.close().await.unwrap();
}

pub async fn an_unknown_method_is_the_servers_error_or_the_schemas<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    let body = Bytes::from_static(&[0x0d, 0xf0, 0xad, 0xba]);
    let failed = client.invoke_raw(body).await.unwrap_err();
    assert_eq!(failed.rpc().map(|error| error.code), Some(400), "{failed}");

    let failed = client.invoke_json("help.getNothing", &json!({})).await;
    let failed = failed.unwrap_err();
    assert!(matches!(failed, Error::UnknownMethod { .. }), "{failed:?}");
    let failed = client
        .invoke_json("users.getUsers", &json!({ "id": 7 }))
        .await
        .unwrap_err();
    assert!(matches!(failed, Error::Arguments { .. }), "{failed:?}");

    // Neither disturbs the client.
    client.invoke(&help::GetNearestDc).await.unwrap();
}

pub async fn a_request_that_is_too_large_fails_at_once<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    let body = Bytes::from(vec![1; 2 << 20]);
    let failed = client.invoke_raw(body).await.unwrap_err();
    assert!(
        matches!(failed, Error::Send(SendError::TooLarge { .. })),
        "{failed:?}"
    );
    client.invoke(&help::GetNearestDc).await.unwrap();
}

pub async fn a_deadline_ends_a_call_and_tells_its_fate<R: Runtime>(rt: R) {
    let dc = start_dc();
    let relay = Relay::start(dc.addr());
    let client = open(&rt, config_at(relay.addr, dc.public_key())).await;
    client.invoke(&help::GetNearestDc).await.unwrap();

    relay.hold(true);
    let mut options = CallOptions::default();
    options.deadline = Some(SHORT);
    let failed = client
        .invoke_with(&help::GetNearestDc, options)
        .await
        .unwrap_err();
    assert!(
        matches!(failed, Error::TimedOut(Fate::MaybeExecuted)),
        "{failed:?}"
    );
    relay.hold(false);
    client.invoke(&help::GetNearestDc).await.unwrap();
}

pub async fn a_call_without_a_network_ends_at_its_deadline_as_not_sent<R: Runtime>(rt: R) {
    let mut dcs = DcTable::empty();
    dcs.set(DC, nobody());
    let mut config = config(&start_dc());
    config.dcs = dcs;
    let client = open(&rt, config).await;
    let mut options = CallOptions::default();
    options.deadline = Some(SHORT);
    let failed = client
        .invoke_with(&help::GetNearestDc, options)
        .await
        .unwrap_err();
    assert!(
        matches!(failed, Error::TimedOut(Fate::NotSent)),
        "{failed:?}"
    );
}

pub async fn dropping_a_calls_future_cancels_it<R: Runtime>(rt: R) {
    let dc = start_dc();
    let relay = Relay::start(dc.addr());
    let mut config = config_at(relay.addr, dc.public_key());
    config.limits.calls = 2;
    let client = open(&rt, config).await;
    client.invoke(&help::GetNearestDc).await.unwrap();

    relay.hold(true);
    {
        let mut first = pin!(client.invoke(&help::GetNearestDc));
        let mut second = pin!(client.invoke(&help::GetNearestDc));
        assert!(!ready_within(&rt, SHORT / 5, first.as_mut()).await);
        assert!(!ready_within(&rt, SHORT / 5, second.as_mut()).await);
        let third = client.invoke(&help::GetNearestDc).await.unwrap_err();
        assert!(
            matches!(third, Error::Send(SendError::TooMany { max: 2 })),
            "{third:?}"
        );
    }
    // Both places are free again, though the server has not answered.
    let one = client.invoke(&help::GetNearestDc);
    let two = client.invoke(&help::GetNearestDc);
    let later = async {
        pause(&rt, SHORT / 5).await;
        relay.hold(false);
    };
    let ((one, two), ()) = both(both(one, two), later).await;
    one.unwrap();
    two.unwrap();
}

pub async fn five_thousand_calls_at_once_are_all_answered<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    let calls = (0..5000).map(|_| client.invoke(&help::GetNearestDc));
    for result in join_all(calls).await {
        assert_eq!(result.unwrap().this_dc, 2);
    }
    client.close().await.unwrap();
}

pub async fn temporary_keys_are_made_and_bound<R: Runtime>(rt: R) {
    let dc = start_dc();
    let mut config = config(&dc);
    config.pfs = Some(Duration::from_secs(3600));
    let store = MemorySession::new();
    for _ in 0..2 {
        let client = Client::open(&rt, config.clone(), store.clone())
            .await
            .unwrap();
        client.invoke(&help::GetConfig).await.unwrap();
        client.close().await.unwrap();
    }
    assert!(has_key(&store, DC));
}

pub async fn large_requests_pass_a_server_that_reads_late_and_others_go_on<R: Runtime>(rt: R) {
    let slow = start_dc();
    let relay = Relay::start(slow.addr());
    let mut other = DcConfig::default();
    other.dc = DcId(4);
    let other = TestDc::start(other).unwrap();
    let mut config = config_at(relay.addr, slow.public_key());
    config.dcs.set(DcId(4), other.addr());
    let client = open(&rt, config).await;
    client.invoke(&help::GetNearestDc).await.unwrap();

    relay.hold(true);
    let body = Bytes::from(vec![1; 1 << 19]);
    let calls = join_all((0..16).map(|_| client.invoke_raw(body.clone())));
    let meanwhile = async {
        pause(&rt, SHORT / 5).await;
        let mut options = CallOptions::default();
        options.route = Route::Dc(DcId(4));
        let there = client.invoke_with(&help::GetNearestDc, options).await;
        assert_eq!(there.unwrap().this_dc, 4);
        relay.hold(false);
    };
    let (results, ()) = both(calls, meanwhile).await;
    for result in results {
        assert!(matches!(result, Err(Error::Rpc(_))), "{result:?}");
    }
}

pub async fn calls_come_after_each_other_and_tell_how_far_they_are<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    // The first one has to be repeated after a second; the others do not overtake it.
    dc.fail_next("help.getConfig", 1, 500, "WORKER_BUSY_TOO_LONG_RETRY")
        .unwrap();
    let first = client.submit(&help::GetConfig, CallOptions::default());
    let first = first.await.unwrap();
    let mut ids = vec![first.id()];
    let mut later = Vec::new();
    for _ in 0..10 {
        let options = CallOptions::default().after(*ids.last().unwrap());
        let call = client.submit_raw(help::GetNearestDc.to_bytes(), options);
        let call = call.await.unwrap();
        ids.push(call.id());
        later.push(call);
    }
    let mut rest = pin!(join_all(later));
    assert!(!ready_within(&rt, SHORT, rest.as_mut()).await);
    assert!(client.progress(first.id()).await.unwrap().is_some());
    let last = *ids.last().unwrap();
    assert_eq!(client.progress(last).await.unwrap(), Some(Progress::Queued));
    assert_eq!(first.await.unwrap().this_dc, 2);
    assert!(rest.await.iter().all(Result::is_ok));
    assert_eq!(client.progress(last).await.unwrap(), None);
    client.close().await.unwrap();
    let late = client.submit(&help::GetConfig, CallOptions::default());
    assert!(matches!(late.await, Err(Error::Closed(_))));
}

pub async fn what_comes_after_a_call_that_fails_is_not_executed<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    dc.fail_next("help.getConfig", 1, 400, "INPUT_FETCH_ERROR")
        .unwrap();
    let first = client.submit(&help::GetConfig, CallOptions::default());
    let first = first.await.unwrap();
    let id = first.id();
    let options = CallOptions::default().after(id);
    let second = client.invoke_with(&help::GetNearestDc, options);
    let (first, second) = both(first, second).await;
    assert!(first.unwrap_err().rpc().is_some());
    let failed = second.unwrap_err();
    assert!(
        matches!(failed, Error::DependencyFailed(of) if of == id),
        "{failed:?}"
    );
    assert_eq!(failed.fate(), Some(Fate::NotReceived));

    // Dropping a call's future cancels it, and what was to come after it.
    let silent = nobody();
    let client = open(&rt, config_at(silent, dc.public_key())).await;
    let first = client.submit(&help::GetConfig, CallOptions::default());
    let first = first.await.unwrap();
    let options = CallOptions::default().after(first.id());
    let second = client.submit(&help::GetNearestDc, options).await.unwrap();
    drop(first);
    let failed = second.await.unwrap_err();
    assert!(matches!(failed, Error::DependencyFailed(_)), "{failed:?}");
}
