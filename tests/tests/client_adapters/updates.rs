//! Updates: each once and in order, whatever happens to streams, processes and subscribers.

use mtproto_driver::client::{Incoming, OutgoingMessage, Update, Updates};
use mtproto_driver::{Client, MemorySession, Runtime};
use mtproto_proto::client::PeerId;
use mtproto_schema::api::functions::help;
use mtproto_test::TestDc;

use crate::relay::Relay;
use crate::support::*;

/// Ann writes to Bob.
async fn write(ann: &Client, text: impl ToString) {
    let message = OutgoingMessage::new(text.to_string());
    ann.send_message("bob_of_two", message).await.unwrap();
}

/// The text of the next new message.
async fn next_text(updates: &mut Updates) -> String {
    next_message(updates, |update| {
        let new = update.as_new_message()?;
        Some(new.text().to_owned())
    })
    .await
}

async fn next_message<T>(updates: &mut Updates, look: impl Fn(&Update) -> Option<T>) -> T {
    loop {
        match updates.next().await.expect("the client has ended") {
            Incoming::Update(update) => {
                if let Some(found) = look(&update) {
                    return found;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Ann and Bob, signed in, and Bob's store.
async fn two<R: Runtime>(rt: &R) -> (TestDc, Client, Client, MemorySession) {
    let dc = start_dc_of_two();
    let (ann, _) = signed_in(rt, &dc, ANN).await;
    let (bob, store) = signed_in(rt, &dc, BOB).await;
    knows_where_it_stands(rt, &bob).await;
    (dc, ann, bob, store)
}

pub async fn a_message_arrives_and_says_who_wrote_what<R: Runtime>(rt: R) {
    let (dc, ann, bob, _) = two(&rt).await;
    let id = dc.user_of(ANN).unwrap();
    let mut updates = bob.updates();
    write(&ann, "hello").await;
    let (sender, chat, text, outgoing, known) = next_message(&mut updates, |update| {
        let new = update.as_new_message()?;
        let known = new.sender_user().map(|user| user.id);
        let text = new.text().to_owned();
        Some((new.sender(), new.chat(), text, new.is_outgoing(), known))
    })
    .await;
    assert_eq!(sender, Some(PeerId::User(id)));
    assert_eq!(chat, PeerId::User(id));
    assert_eq!(text, "hello");
    assert!(!outgoing);
    assert_eq!(known, Some(id));
}

pub async fn calls_inside_the_loop_are_answered_however_full_the_queue_is<R: Runtime>(rt: R) {
    const COUNT: usize = 40;
    let dc = start_dc_of_two();
    let (ann, _) = signed_in(&rt, &dc, ANN).await;
    let mut config = config(&dc);
    config.updates.queue = 4;
    let bob = open(&rt, config).await;
    sign_in(&bob, &dc, BOB).await;
    knows_where_it_stands(&rt, &bob).await;
    let mut updates = bob.updates();
    for n in 0..COUNT {
        write(&ann, n).await;
    }
    for n in 0..COUNT {
        assert_eq!(next_text(&mut updates).await, n.to_string());
        // The loop is slow, and what it calls is answered.
        bob.invoke(&help::GetNearestDc).await.unwrap();
    }
}

pub async fn every_subscriber_gets_everything_and_the_slowest_decides<R: Runtime>(rt: R) {
    let (dc, ann, bob, store) = two(&rt).await;
    let (mut fast, mut slow) = (bob.updates(), bob.updates());
    write(&ann, "one").await;
    write(&ann, "two").await;
    for text in ["one", "two"] {
        assert_eq!(next_text(&mut fast).await, text);
    }
    fast.handled();
    assert_eq!(next_text(&mut slow).await, "one");
    bob.close().await.unwrap();

    // The slow one had not said that it is done with anything.
    let bob = Client::open(&rt, config(&dc), store).await.unwrap();
    let mut updates = bob.updates();
    assert_eq!(next_text(&mut updates).await, "one");
    assert_eq!(next_text(&mut updates).await, "two");
}

pub async fn what_was_handled_does_not_come_again_and_what_was_missed_does<R: Runtime>(rt: R) {
    let (dc, ann, bob, store) = two(&rt).await;
    let mut updates = bob.updates();
    write(&ann, "handled").await;
    assert_eq!(next_text(&mut updates).await, "handled");
    updates.handled();
    bob.close().await.unwrap();
    write(&ann, "missed").await;

    let bob = Client::open(&rt, config(&dc), store.clone()).await.unwrap();
    let mut updates = bob.updates();
    assert_eq!(next_text(&mut updates).await, "missed");
    // It is given and not handled when the process ends.
    bob.close().await.unwrap();

    let bob = Client::open(&rt, config(&dc), store).await.unwrap();
    let mut updates = bob.updates();
    assert_eq!(next_text(&mut updates).await, "missed");
    write(&ann, "new").await;
    assert_eq!(next_text(&mut updates).await, "new");
}

pub async fn who_subscribes_late_gets_what_came_meanwhile<R: Runtime>(rt: R) {
    let (_dc, ann, bob, _) = two(&rt).await;
    let mut updates = bob.updates();
    write(&ann, "first").await;
    assert_eq!(next_text(&mut updates).await, "first");
    updates.handled();
    drop(updates);
    // So that the client knows that nobody listens.
    bob.invoke(&help::GetNearestDc).await.unwrap();
    write(&ann, "unheard").await;
    bob.invoke(&help::GetNearestDc).await.unwrap();
    let mut updates = bob.updates();
    assert_eq!(next_text(&mut updates).await, "unheard");
}

pub async fn nothing_is_lost_when_the_stream_breaks<R: Runtime>(rt: R) {
    const COUNT: usize = 30;
    let dc = start_dc_of_two();
    let (ann, _) = signed_in(&rt, &dc, ANN).await;
    let relay = Relay::start(dc.addr());
    let bob = open(&rt, config_at(relay.addr, dc.public_key())).await;
    sign_in(&bob, &dc, BOB).await;
    knows_where_it_stands(&rt, &bob).await;
    let mut updates = bob.updates();
    let writing = async {
        for n in 1..COUNT {
            write(&ann, n).await;
            if n % 10 == 5 {
                relay.cut();
            }
        }
        // The DC keeps nothing for a session without a stream: what comes over the next one shows
        // the gap.
        bob.invoke(&help::GetNearestDc).await.unwrap();
        write(&ann, COUNT).await;
    };
    let reading = async {
        let mut got = Vec::new();
        while got.len() < COUNT {
            got.push(next_text(&mut updates).await);
        }
        got
    };
    let ((), got) = both(writing, reading).await;
    let expected: Vec<_> = (1..=COUNT).map(|n| n.to_string()).collect();
    assert_eq!(got, expected, "each once and in order");
}
