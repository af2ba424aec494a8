//! The life of a client: opening, streams that break, the store, the end.

use futures_util::future::join_all;
use mtproto_driver::client::{CloseReason, Disconnected, Error, Event, Options, Trouble};
use mtproto_driver::{Client, MemorySession, Runtime};
use mtproto_proto::Fate;
use mtproto_schema::api::functions::help;
use mtproto_test::{DcConfig, TestDc};

use crate::relay::Relay;
use crate::support::*;

pub async fn connecting_waits_for_the_servers_proof<R: Runtime>(rt: R) {
    let dc = start_dc();
    let client = open(&rt, config(&dc)).await;
    let mut events = client.events();
    client.connect().await.unwrap();
    let proved = seen(&mut events, |event| {
        matches!(
            event,
            Event::Connected {
                dc: DC,
                media: false
            }
        )
        .then_some(())
    });
    proved.await;
    client.connect().await.unwrap();
    client.close().await.unwrap();
    let failed = client.connect().await.unwrap_err();
    assert!(
        matches!(failed, Error::Closed(CloseReason::Requested)),
        "{failed:?}"
    );
}

pub async fn connecting_to_nobody_says_why_and_goes_on_trying<R: Runtime>(rt: R) {
    let dc = start_dc();
    let nobody = nobody();
    let mut options = Options::new(config_at(nobody, dc.public_key()));
    options.connect_wait = SHORT;
    let client = Client::open(&rt, options, MemorySession::new())
        .await
        .unwrap();
    let mut events = client.events();
    let failed = client.connect().await.unwrap_err();
    let Error::Unreachable {
        dc: DC,
        trouble: Some(Trouble::Connect { to, error }),
    } = &failed
    else {
        panic!("{failed:?}");
    };
    assert_eq!(*to, nobody);
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(
        failed.to_string().contains("check address, port"),
        "{failed}"
    );
    for _ in 0..2 {
        let attempt = seen(&mut events, |event| {
            matches!(event, Event::ConnectFailed { dc: DC, .. }).then_some(())
        });
        attempt.await;
    }

    // It is where it was looked for after all.
    let mut late = DcConfig::default();
    late.listen = nobody;
    let _late = TestDc::start(late).unwrap();
    client.network_changed().await.unwrap();
    client.invoke(&help::GetNearestDc).await.unwrap();
}

pub async fn a_foreign_fingerprint_is_named_at_once<R: Runtime>(rt: R) {
    let mut other = DcConfig::default();
    other.key = Some(include_str!("../keys/server.pem").to_owned());
    let other = TestDc::start(other).unwrap();
    let dc = start_dc();
    let client = open(&rt, config_at(dc.addr(), other.public_key())).await;
    let begin = rt.now();
    let failed = client.connect().await.unwrap_err();
    assert!(rt.now() - begin < SHORT * 20);
    assert!(
        failed.to_string().contains("add the public key"),
        "{failed}"
    );
}

pub async fn a_stream_that_breaks_is_replaced_and_its_calls_go_on<R: Runtime>(rt: R) {
    let dc = start_dc();
    let relay = Relay::start(dc.addr());
    let store = MemorySession::new();
    let config = config_at(relay.addr, dc.public_key());
    let client = Client::open(&rt, config, store.clone()).await.unwrap();
    let mut events = client.events();
    client.invoke(&help::GetNearestDc).await.unwrap();
    let key = key_id(&store, DC);

    relay.hold(true);
    let calls = join_all((0..10).map(|_| client.invoke(&help::GetNearestDc)));
    let cut = async {
        pause(&rt, SHORT / 5).await;
        relay.cut();
    };
    let (results, ()) = both(calls, cut).await;
    for result in results {
        result.unwrap();
    }
    let reason = seen(&mut events, |event| match event {
        Event::Disconnected { dc: DC, reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, Disconnected::Closed);
    assert_eq!(key_id(&store, DC), key, "the same key goes on");
    client.close().await.unwrap();
}

pub async fn the_next_start_goes_on_with_the_key_that_was_kept<R: Runtime>(rt: R) {
    let dc = start_dc();
    let store = MemorySession::new();
    let client = Client::open(&rt, config(&dc), store.clone()).await.unwrap();
    client.invoke(&help::GetNearestDc).await.unwrap();
    let text = client.export_text().await.unwrap();
    client.close().await.unwrap();
    let key = key_id(&store, DC);

    for store in [store, MemorySession::from_text(&text).unwrap()] {
        let client = Client::open(&rt, config(&dc), store.clone()).await.unwrap();
        client.invoke(&help::GetNearestDc).await.unwrap();
        client.close().await.unwrap();
        assert_eq!(key_id(&store, DC), key);
    }
}

pub async fn a_store_that_fails_is_told_of_and_gets_everything_later<R: Runtime>(rt: R) {
    let dc = start_dc();
    let store = Faulty::default();
    let client = Client::open(&rt, config(&dc), store.clone()).await.unwrap();
    let mut events = client.events();
    store.breaks(true);
    client.invoke(&help::GetNearestDc).await.unwrap();
    let waiting = seen(&mut events, |event| match event {
        Event::StoreFailed { error, waiting } => {
            assert_eq!(error.to_string(), "the disk is full");
            Some(waiting)
        }
        _ => None,
    });
    assert!(waiting.await > 0);
    assert!(!has_key(&store.kept, DC));

    store.breaks(false);
    let recovered = seen(&mut events, |event| {
        matches!(event, Event::StoreRecovered).then_some(())
    });
    recovered.await;
    assert!(has_key(&store.kept, DC));
    client.close().await.unwrap();
}

pub async fn closing_says_what_the_store_did_not_take<R: Runtime>(rt: R) {
    let dc = start_dc();
    let store = Faulty::default();
    let client = Client::open(&rt, config(&dc), store.clone()).await.unwrap();
    store.breaks(true);
    client.invoke(&help::GetNearestDc).await.unwrap();
    let tried = store.attempts();
    let failed = client.close().await.unwrap_err();
    assert!(matches!(failed, Error::Store(_)), "{failed:?}");
    assert!(failed.to_string().contains("the disk is full"), "{failed}");
    assert!(store.attempts() > tried, "the end is one more attempt");

    // And what it takes at the last moment is kept.
    let client = Client::open(&rt, config(&dc), store.clone()).await.unwrap();
    client.invoke(&help::GetNearestDc).await.unwrap();
    store.breaks(false);
    client.close().await.unwrap();
    assert!(has_key(&store.kept, DC));
}

pub async fn closing_ends_everything_in_time<R: Runtime>(rt: R) {
    let dc = start_dc();
    let relay = Relay::start(dc.addr());
    let client = open(&rt, config_at(relay.addr, dc.public_key())).await;
    client.invoke(&help::GetNearestDc).await.unwrap();
    let (mut updates, mut events) = (client.updates(), client.events());

    relay.hold(true);
    let call = client.invoke(&help::GetNearestDc);
    let close = async {
        pause(&rt, SHORT / 5).await;
        let begin = rt.now();
        client.close().await.unwrap();
        assert!(rt.now() - begin < SHORT * 20);
    };
    let (failed, ()) = both(call, close).await;
    let failed = failed.unwrap_err();
    assert!(
        matches!(
            failed,
            Error::Cut {
                fate: Fate::MaybeExecuted,
                reason: CloseReason::Requested
            } | Error::Lost(Fate::MaybeExecuted)
        ),
        "{failed:?}"
    );
    let failed = client.invoke(&help::GetNearestDc).await.unwrap_err();
    assert!(matches!(failed, Error::Closed(_)), "{failed:?}");
    assert!(updates.next().await.is_none());
    while events.next().await.is_some() {}
    assert_eq!(client.closed().await.reason, CloseReason::Requested);
    client.close().await.unwrap();
}

pub async fn the_last_handle_closes_the_client_and_a_call_counts_as_one<R: Runtime>(rt: R) {
    let dc = start_dc();
    let relay = Relay::start(dc.addr());
    let client = open(&rt, config_at(relay.addr, dc.public_key())).await;
    client.connect().await.unwrap();
    let mut events = client.events();
    let call = client.invoke(&help::GetNearestDc);
    drop(client);
    call.await.unwrap();
    while events.next().await.is_some() {}
    while relay.open() > 0 {
        pause(&rt, SHORT / 50).await;
    }
}
