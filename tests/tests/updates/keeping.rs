//! What is queued, stored, and kept for whom.

use mtproto_proto::client::updates::Config;
use mtproto_proto::client::{Change, Key};
use mtproto_schema::api::{enums, functions};
use mtproto_schema::{Bytes, Encode};

use crate::build::*;
use crate::rig::*;

#[test]
fn nothing_is_queued_while_nobody_wants_it() {
    let mut rig = Rig::new();
    rig.each([new_message(1, 101, 1)]);
    rig.push(too_long());
    let id = rig.need(difference(101));
    rig.updates.set_wanted(rig.now, false);
    rig.each([new_message(2, 102, 1)]);
    rig.updates.handle_may_have_missed(rig.now);
    let messages = vec![message(2, peer_user(1))];
    let answer = Difference {
        messages,
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(102, 20, 1_001, 5)));
    // What was queued before is still there.
    assert_eq!(rig.told(), [msg(1)]);
    assert_eq!(rig.updates.poll_timeout(), None);
    rig.seconds(10_000);
    rig.idle();
    rig.updates.set_wanted(rig.now, true);
    rig.need(difference(101));
}

#[test]
fn what_comes_unwanted_moves_no_counter() {
    let mut rig = Rig::new();
    rig.each([channel_message(11, 1, 50, 1)]);
    rig.told();
    rig.updates.set_wanted(rig.now, false);
    rig.each([
        new_message(1, 101, 1),
        new_encrypted(1, 21),
        channel_message(11, 2, 51, 1),
    ]);
    rig.push(updates(vec![phone(1)], 6, 1_001));
    rig.push(updates(vec![phone(2)], 0, 1_001));
    rig.push(unreadable());
    let query = functions::messages::DeleteMessages {
        revoke: true,
        id: vec![1],
    };
    rig.called(query, updates(vec![new_message(2, 102, 1)], 0, 0));
    assert_eq!(rig.told(), []);
    rig.idle();
    rig.updates.set_wanted(rig.now, true);
    let id = rig.need(difference(100));
    rig.answer(id, difference_empty(1_000, 5));
    rig.each([channel_message(11, 2, 51, 1)]);
    assert_eq!(rig.told(), [post(11, 2)]);
}

#[test]
fn that_an_account_is_a_bot_may_turn_out_later() {
    let mut rig = Rig::new();
    rig.updates.set_account(rig.now, Some(ME), true);
    rig.idle();
    rig.each([channel_message(11, 1, 50, 1), channel_too_long(11, None)]);
    rig.need(Call::Channel {
        id: 11,
        pts: 50,
        limit: 100_000,
    });
}

#[test]
fn a_full_queue_stops_the_counter_and_the_difference_brings_the_rest() {
    let mut rig = Rig::queue(2);
    rig.each((1..=5).map(|n| new_message(n, 100 + n, 1)));
    rig.seconds(100);
    rig.idle();
    let ready = rig.poll();
    assert_eq!(
        ready
            .iter()
            .map(|(_, told)| told.clone())
            .collect::<Vec<_>>(),
        [msg(1), msg(2)]
    );
    // Handed out is not taken.
    rig.idle();
    rig.updates.taken(rig.now, ready[0].0);
    let id = rig.need(difference(102));
    let messages = (3..=6).map(|n| message(n, peer_user(1))).collect();
    let answer = Difference {
        messages,
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(106, 20, 1_001, 5)));
    assert_eq!(rig.poll().len(), 1);
    assert_eq!(rig.poll(), []);
    rig.updates.taken(rig.now, ready[1].0);
    assert_eq!(rig.told(), [msg(4), msg(5), msg(6)]);
    rig.each([new_message(7, 107, 1)]);
    assert_eq!(rig.told(), [msg(7)]);
    rig.idle();
}

#[test]
fn a_container_of_more_than_the_queue_comes_in_parts() {
    let mut rig = Rig::queue(2);
    rig.push(updates((1..=5).map(phone).collect(), 6, 1_001));
    assert_eq!(
        rig.told(),
        [other(1), other(2), other(3), other(4), other(5)]
    );
    rig.push(updates(vec![phone(6)], 7, 1_002));
    assert_eq!(rig.told(), [other(6)]);
}

#[test]
fn the_store_is_never_ahead_of_what_was_taken() {
    let mut rig = Rig::new();
    rig.each([
        new_message(1, 101, 1),
        new_message(2, 102, 1),
        new_message(3, 103, 1),
    ]);
    let ready = rig.poll();
    rig.updates.taken(rig.now, ready[1].0);
    // What was not handed out cannot be taken.
    rig.each([new_message(4, 104, 1)]);
    rig.updates
        .taken(rig.now, mtproto_proto::client::updates::UpdateId(2));
    let mut rig = rig.restart();
    let id = rig.need(difference(102));
    let messages = vec![message(3, peer_user(1)), message(4, peer_user(1))];
    let answer = Difference {
        messages,
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(104, 20, 1_001, 5)));
    let ready = rig.poll();
    // The state of a difference is that after its last update.
    rig.updates.taken(rig.now, ready[0].0);
    let mut rig = rig.restart();
    rig.need(difference(102));
}

#[test]
fn a_move_without_an_update_waits_for_the_update_before_it() {
    let mut rig = Rig::new();
    rig.save();
    let before = rig.store.get(Key::Updates).cloned();
    rig.each([new_message(1, 101, 1)]);
    let query = functions::messages::DeleteMessages {
        revoke: true,
        id: vec![1],
    };
    rig.called(query, affected(102, 1));
    rig.save();
    assert_eq!(rig.store.get(Key::Updates).cloned(), before);
    rig.told();
    let mut rig = rig.restart();
    rig.need(difference(102));
}

#[test]
fn updates_that_come_before_the_first_state_are_sorted_by_it() {
    let mut rig = Rig::unknown(Config::default());
    let id = rig.need(Call::State);
    rig.each([
        new_message(1, 101, 1),
        new_message(2, 102, 1),
        new_encrypted(1, 21),
    ]);
    rig.answer(id, state(101, 20, 1_000, 5).to_bytes());
    assert_eq!(rig.told(), [msg(2), secret(1)]);
    rig.idle();
}

#[test]
fn the_first_state_is_fetched_and_stored_even_if_nobody_wants_updates() {
    let mut rig = Rig::unknown(Config::default());
    rig.updates.set_wanted(rig.now, false);
    let id = rig.need(Call::State);
    rig.fail(id, 500, "INTERNAL");
    rig.seconds(2);
    let id = rig.need(Call::State);
    rig.answer(id, state(101, 20, 1_000, 5).to_bytes());
    rig.idle();
    let mut rig = rig.restart();
    rig.need(Call::Difference {
        pts: 101,
        qts: 20,
        date: 1_000,
    });
}

#[test]
fn signing_out_forgets_everything() {
    let mut rig = Rig::new();
    rig.each([
        new_message(1, 101, 1),
        channel_message(11, 1, 51, 1),
        new_message(9, 109, 1),
    ]);
    rig.save();
    rig.updates.set_account(rig.now, None, false);
    assert_eq!(rig.told(), []);
    rig.save();
    assert_eq!(rig.store.get(Key::Updates), None);
    assert_eq!(rig.store.get(Key::Channel(11)), None);
    assert_eq!(rig.updates.changes(), []);
    assert_eq!(rig.updates.poll_timeout(), None);
    rig.push(too_long());
    rig.idle();
    rig.updates.set_account(rig.now, Some(5), true);
    rig.need(Call::State);
}

#[test]
fn somebody_else_does_not_inherit_the_state() {
    let mut rig = Rig::new();
    rig.updates.set_account(rig.now, Some(ME), false);
    rig.idle();
    rig.updates.set_account(rig.now, Some(ME + 1), false);
    rig.need(Call::State);
}

#[test]
fn without_an_account_only_what_has_no_counter_is_told() {
    let mut rig = Rig::new();
    rig.updates.set_account(rig.now, None, false);
    rig.push(short(enums::Update::LoginToken));
    rig.each([
        new_message(1, 101, 1),
        channel_message(11, 1, 1, 1),
        new_encrypted(1, 21),
    ]);
    rig.each([channel_too_long(11, None), enums::Update::PtsChanged]);
    assert_eq!(rig.told(), [Told::Other(enums::Update::LoginToken)]);
    rig.idle();
}

#[test]
fn a_stored_state_that_cannot_be_read_is_a_hole() {
    let mut rig = Rig::new();
    rig.save();
    rig.store.apply(Change {
        key: Key::Updates,
        value: Some(Bytes::from_static(b"?")),
    });
    let mut rig = rig.restart();
    let id = rig.need(Call::State);
    rig.answer(id, state(101, 20, 1_000, 5).to_bytes());
    assert_eq!(rig.told(), [Told::Lost(None)]);
}
