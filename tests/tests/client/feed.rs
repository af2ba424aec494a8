//! Updates: which bodies count, when the difference is asked for, what is stored.

use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::DcId;
use mtproto_proto::client::updates;
use mtproto_proto::client::{CallOptions, Key, Route};
use mtproto_schema::api::functions::help::GetConfig;
use mtproto_schema::api::functions::updates::{GetDifference, GetState};
use mtproto_schema::api::{enums, types};
use mtproto_schema::{Constructor, Encode, tl};

use crate::net::{Net, config};
use crate::queries::{file_call, user_call};
use crate::secs;

/// `updateShort` with an update that needs no counter.
fn short() -> Bytes {
    types::UpdateShort {
        update: enums::Update::Config,
        date: 1,
    }
    .to_bytes()
}

/// The same with one that moves pts from 1 to 2.
fn counted() -> Bytes {
    let mut update = Vec::new();
    tl::put_u32(&mut update, types::UpdateDeleteMessages::ID);
    vec![5_i32].encode(&mut update);
    tl::put_i32(&mut update, 2);
    tl::put_i32(&mut update, 1);
    let mut body = Vec::new();
    tl::put_u32(&mut body, types::UpdateShort::ID);
    body.extend(update);
    tl::put_i32(&mut body, 1);
    body.into()
}

fn ready(seed: u64) -> Net {
    let mut net = Net::new(config(), seed);
    let now = net.now();
    net.client.want_updates(now, true);
    net.client.connect(now);
    net.sign_in();
    net.run(secs(5));
    net.executed.clear();
    net
}

fn polled(net: &mut Net) -> Vec<updates::Update> {
    let mut polled = Vec::new();
    while let Some(event) = net.client.poll_update() {
        match event {
            updates::Event::Update(update) => polled.push(update),
            other => panic!("{other:?}"),
        }
    }
    polled
}

#[test]
fn the_state_is_asked_for_once_somebody_is_signed_in() {
    let mut net = Net::new(config(), 91);
    net.client.connect(net.now());
    net.run(secs(10));
    assert_eq!(net.count::<GetState>(2), 0);
    let id = net.send(&crate::queries::sign_in_query(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    net.run(secs(10));
    assert_eq!(net.count::<GetState>(2), 1);
    assert!(net.store.get(Key::Updates).is_some());
}

#[test]
fn updates_of_the_main_stream_come_out_and_move_the_stored_state_when_taken() {
    let mut net = ready(92);
    let before = net.store.get(Key::Updates).cloned();
    assert!(net.push(2, short()));
    assert!(net.push(2, counted()));
    net.run(secs(1));
    let updates = polled(&mut net);
    assert_eq!(updates.len(), 2, "{updates:?}");
    net.run(secs(1));
    assert_eq!(net.store.get(Key::Updates).cloned(), before, "not yet");
    net.client.update_taken(net.now(), updates[1].id);
    net.run(secs(1));
    assert_ne!(net.store.get(Key::Updates).cloned(), before);
    assert_eq!(net.count::<GetDifference>(2), 0);
}

#[test]
fn the_configuration_is_asked_for_when_the_server_says_that_it_changed_but_not_in_a_loop() {
    let mut net = ready(97);
    net.run(secs(100));
    net.executed.clear();
    for _ in 0..30 {
        assert!(net.push(2, short()));
        net.run(secs(1));
        assert_eq!(polled(&mut net).len(), 1);
    }
    net.run(Duration::ZERO);
    assert_eq!(net.count::<GetConfig>(2), 1);
    net.run(secs(60));
    assert_eq!(net.count::<GetConfig>(2), 2);
    net.run(secs(600));
    assert_eq!(net.count::<GetConfig>(2), 2);
}

#[test]
fn what_comes_over_other_streams_is_no_update() {
    let mut net = ready(93);
    let media = CallOptions::default().route(Route::Media(DcId(2)));
    let id = net.send_raw(file_call(0), &media);
    assert!(net.answer(id).is_ok());
    assert!(net.push(2, short()), "to the session of the files");
    let elsewhere = CallOptions::default().route(Route::Dc(DcId(4)));
    let id = net.send_raw(user_call(0), &elsewhere);
    assert!(net.answer(id).is_ok());
    assert!(net.push(4, short()));
    net.run(secs(1));
    assert!(polled(&mut net).is_empty());
}

#[test]
fn a_server_that_lost_the_session_is_asked_for_the_difference() {
    let mut net = ready(94);
    net.restart_server(2, true);
    net.run(secs(30));
    // For the stream that broke, refused once because the server had forgotten the initialisation,
    // too; and for the session that it made anew.
    let asked = net
        .executed
        .iter()
        .filter(|call| call.is::<GetDifference>());
    let inits: Vec<bool> = asked.map(|call| call.inits).collect();
    assert_eq!(inits, [false, true, false]);
}

#[test]
fn after_a_broken_stream_the_difference_is_asked_for() {
    let mut net = ready(98);
    net.cut(2);
    net.run(secs(30));
    assert_eq!(net.count::<GetDifference>(2), 1);
}

#[test]
fn after_a_sleep_the_difference_is_asked_for() {
    let mut net = ready(95);
    let now = net.now() + secs(4 * 3_600);
    net.sleep_until(now);
    net.run(secs(30));
    assert!(net.count::<GetDifference>(2) >= 1);
}

#[test]
fn another_process_goes_on_with_the_difference() {
    let mut net = ready(96);
    net.restart(config());
    let now = net.now();
    net.client.want_updates(now, true);
    net.run(secs(10));
    assert_eq!(net.count::<GetState>(2), 0);
    assert!(net.count::<GetDifference>(2) >= 1);
}
