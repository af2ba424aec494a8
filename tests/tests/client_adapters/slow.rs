//! R8, R9: an application that sleeps, a DC that is silent; everything else goes on.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use mtproto_driver::Runtime;
use mtproto_driver::client::{CallOptions, Incoming, OutgoingMessage, Route, Updates};
use mtproto_proto::DcId;
use mtproto_schema::api::functions::help;

use crate::support::*;

/// The text of the next new message.
async fn next_text(updates: &mut Updates) -> String {
    loop {
        match updates.next().await.expect("the client has ended") {
            Incoming::Update(update) => {
                if let Some(new) = update.as_new_message() {
                    return new.text().to_owned();
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

pub async fn r8_who_sleeps_is_answered_and_gets_every_update_by_and_by<R: Runtime>(rt: R) {
    const COUNT: usize = 60;
    let dc = start_dc_of_two();
    let (ann, _) = signed_in(&rt, &dc, ANN).await;
    let mut config = config(&dc);
    config.updates.queue = 4;
    let bob = open(&rt, config).await;
    sign_in(&bob, &dc, BOB).await;
    knows_where_it_stands(&rt, &bob).await;
    // Bob listens and takes nothing.
    let mut updates = bob.updates();
    for n in 0..COUNT {
        let message = OutgoingMessage::new(n.to_string());
        ann.send_message("bob_of_two", message).await.unwrap();
    }
    // What he calls is answered all the same, at once and many together.
    for _ in 0..10 {
        bob.invoke(&help::GetNearestDc).await.unwrap();
    }
    let many = (0..200).map(|_| bob.invoke(&help::GetNearestDc));
    assert!(join_all(many).await.iter().all(Result::is_ok));
    // He wakes up: everything comes, in order, although the queue had room for four; and within the
    // loop, with the queue full again, his calls are answered.
    for n in 0..COUNT {
        assert_eq!(next_text(&mut updates).await, n.to_string());
        bob.invoke(&help::GetNearestDc).await.unwrap();
    }
}

/// An address where every stream is accepted and read, and nothing is ever said.
fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || while stream.read(&mut [0; 4_096]).is_ok_and(|n| n > 0) {});
        }
    });
    addr
}

pub async fn r9_a_silent_dc_holds_up_its_own_calls_only<R: Runtime>(rt: R) {
    let dc = start_dc();
    let mut config = config(&dc);
    config.dcs.set(DcId(4), silent());
    let client = open(&rt, config).await;
    client.invoke(&help::GetNearestDc).await.unwrap();
    let mut to_4 = CallOptions::default();
    (to_4.route, to_4.deadline) = (Route::Dc(DcId(4)), Some(2 * PATIENCE));
    let mut stuck =
        pin!(join_all((0..20).map(|_| {
            client.invoke_with(&help::GetNearestDc, to_4.clone())
        })));
    let mut waits = async || !ready_within(&rt, Duration::ZERO, stuck.as_mut()).await;
    assert!(waits().await);
    for _ in 0..200 {
        client.invoke(&help::GetNearestDc).await.unwrap();
        assert!(waits().await, "nobody answers there");
    }
}
