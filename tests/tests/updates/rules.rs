//! The common boxes, rule by rule: what comes, in which order it counts.

use std::time::Duration;

use mtproto_schema::Encode;
use mtproto_schema::api::{enums, functions, types};

use crate::build::*;
use crate::rig::*;
use crate::server::{BoxId, Kind};

#[test]
fn what_is_next_is_applied_and_what_is_old_is_dropped() {
    let mut rig = Rig::new();
    rig.each([
        new_message(1, 101, 1),
        new_message(2, 104, 3),
        new_message(2, 104, 3),
    ]);
    rig.each([new_message(1, 101, 1), delete_messages(3, 105, 1)]);
    assert_eq!(
        rig.told(),
        [msg(1), msg(2), Told::Update(BoxId::Pts, Kind::Other, 3)]
    );
    rig.idle();
}

#[test]
fn an_update_that_moves_no_pts_is_applied_at_its_pts_only() {
    let mut rig = Rig::new();
    rig.each([web_page(99), web_page(100), web_page(101)]);
    assert_eq!(rig.told(), [Told::Other(web_page(100))]);
    rig.each([new_message(1, 101, 1)]);
    assert_eq!(rig.told(), [msg(1), Told::Other(web_page(101))]);
    rig.seconds(10);
    rig.idle();
}

#[test]
fn a_gap_that_fills_itself_costs_no_call() {
    let mut rig = Rig::new();
    rig.each([new_message(2, 102, 1), new_message(3, 103, 1)]);
    assert_eq!(rig.told(), []);
    rig.wait(Duration::from_millis(699));
    rig.idle();
    rig.each([new_message(1, 101, 1)]);
    assert_eq!(rig.told(), [msg(1), msg(2), msg(3)]);
    rig.seconds(60);
    rig.idle();
}

#[test]
fn a_gap_is_asked_for_after_its_time() {
    let mut rig = Rig::new();
    rig.each([new_message(2, 102, 1)]);
    rig.wait(Duration::from_millis(699));
    rig.idle();
    rig.wait(Duration::from_millis(1));
    let id = rig.need(difference(100));
    rig.idle();
    let messages = vec![message(1, peer_user(1)), message(2, peer_user(1))];
    let answer = Difference {
        messages,
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(102, 20, 1_001, 5)));
    assert_eq!(rig.told(), [msg(1), msg(2)]);
    rig.idle();
    rig.each([new_message(3, 103, 1)]);
    assert_eq!(rig.told(), [msg(3)]);
}

#[test]
fn qts_counts_by_one_and_zero_counts_nothing() {
    let mut rig = Rig::new();
    rig.each([
        new_encrypted(1, 21),
        new_encrypted(1, 21),
        new_encrypted(9, 0),
    ]);
    assert_eq!(rig.told(), [secret(1), secret(9)]);
    rig.each([bot_stopped(3, 23)]);
    assert_eq!(rig.told(), []);
    rig.seconds(1);
    rig.need(Call::Difference {
        pts: 100,
        qts: 21,
        date: 1_000,
    });
}

#[test]
fn containers_are_applied_by_seq() {
    let mut rig = Rig::new();
    rig.push(updates(vec![phone(1)], 0, 1_001));
    rig.push(updates(vec![phone(2)], 6, 1_002));
    rig.push(updates(vec![phone(2)], 6, 1_002));
    rig.push(updates(vec![phone(2)], 3, 1_002));
    rig.push(combined(vec![phone(3), phone(4)], 7, 8, 1_003));
    assert_eq!(rig.told(), [other(1), other(2), other(3), other(4)]);
    rig.push(updates(vec![phone(6)], 10, 1_005));
    assert_eq!(rig.told(), []);
    rig.push(updates(vec![phone(5)], 9, 1_004));
    assert_eq!(rig.told(), [other(5), other(6)]);
    rig.push(updates(vec![phone(8)], 12, 1_007));
    rig.seconds(1);
    rig.need(Call::Difference {
        pts: 100,
        qts: 20,
        date: 1_005,
    });
}

#[test]
fn in_a_container_what_has_a_counter_comes_first() {
    let mut rig = Rig::new();
    let all = vec![
        phone(1),
        new_message(2, 101, 1),
        phone(3),
        new_encrypted(4, 21),
    ];
    rig.push(updates(all, 6, 1_001));
    assert_eq!(rig.told(), [msg(2), secret(4), other(1), other(3)]);
}

#[test]
fn a_container_that_is_old_by_seq_still_brings_what_has_a_counter() {
    let mut rig = Rig::new();
    rig.push(updates(vec![phone(1), new_message(2, 101, 1)], 4, 1_001));
    assert_eq!(rig.told(), [msg(2)]);
}

#[test]
fn users_and_chats_come_with_the_update() {
    let mut rig = Rig::new();
    let (users, chats) = (vec![user(5, false)], vec![channel(9, false)]);
    rig.push(updates_with(
        vec![phone(1), new_message(2, 101, 1)],
        users,
        chats,
        0,
        0,
    ));
    for _ in 0..2 {
        let Some(mtproto_proto::client::updates::Event::Update(update)) = rig.updates.poll_update()
        else {
            panic!("two updates");
        };
        assert_eq!(update.peers.users, [user(5, false)]);
        assert_eq!(update.peers.chats, [channel(9, false)]);
    }
    assert!(rig.peers.input_user(5).is_some() && rig.peers.input_channel(9).is_some());
}

#[test]
fn a_short_message_of_a_known_user_becomes_a_full_one() {
    let mut rig = Rig::new();
    rig.peers.learn(&[user(5, false)], &[]);
    rig.push(short_message(1, 5, 101, 1));
    let [Told::Update(BoxId::Pts, Kind::Message, 1)] = rig.poll_full()[..] else {
        panic!("one message");
    };
}

#[test]
fn a_short_message_of_somebody_unknown_is_asked_for() {
    let mut rig = Rig::new();
    rig.push(short_message(1, 5, 101, 1));
    assert_eq!(rig.told(), []);
    rig.need(difference(100));

    // One that is old costs nothing.
    let mut rig = Rig::new();
    rig.push(short_message(1, 5, 100, 1));
    rig.idle();
}

#[test]
fn a_short_message_of_a_group_names_its_sender_and_the_group() {
    let mut rig = Rig::new();
    rig.peers.learn(&[user(5, true)], &[]);
    rig.push(short_chat_message(1, 5, 6, 101));
    let id = rig.need(difference(100));
    rig.answer(id, difference_empty(1_000, 5));
    rig.peers.learn(&[], &[group(6)]);
    rig.push(short_chat_message(1, 5, 6, 101));
    assert_eq!(rig.poll_full(), [msg(1)]);
}

#[test]
fn answers_that_are_updates_count_as_such() {
    let mut rig = Rig::new();
    let query = functions::messages::DeleteMessages {
        revoke: true,
        id: vec![],
    };
    rig.called(query, updates(vec![phone(7), new_message(1, 101, 1)], 0, 0));
    // It may come unasked, too.
    rig.each([new_message(1, 101, 1)]);
    assert_eq!(rig.told(), [msg(1), other(7)]);

    let inner = enums::Updates::Updates(Box::new(types::Updates {
        updates: vec![new_message(2, 102, 1)],
        users: vec![],
        chats: vec![],
        date: 0,
        seq: 0,
    }));
    let invited = types::messages::InvitedUsers {
        updates: inner,
        missing_invitees: vec![],
    };
    let query = functions::messages::DeleteMessages {
        revoke: true,
        id: vec![],
    };
    rig.called(query, invited.to_bytes());
    assert_eq!(rig.told(), [msg(2)]);
}

#[test]
fn answers_that_only_move_a_pts_move_it() {
    let mut rig = Rig::new();
    let delete = || functions::messages::DeleteMessages {
        revoke: true,
        id: vec![1],
    };
    rig.called(delete(), affected(101, 1));
    rig.called(delete(), short_sent(1, 102, 1));
    rig.called(delete(), affected_history(104, 2));
    let found = types::messages::AffectedFoundMessages {
        pts: 105,
        pts_count: 1,
        offset: 0,
        messages: vec![],
    };
    rig.called(delete(), found.to_bytes());
    rig.each([new_message(1, 106, 1)]);
    assert_eq!(rig.told(), [msg(1)]);
    rig.idle();
    // Beyond a gap they wait as updates do.
    rig.called(delete(), affected(108, 1));
    rig.each([new_message(3, 109, 1), new_message(2, 107, 1)]);
    assert_eq!(rig.told(), [msg(2), msg(3)]);
}
