//! Channels, rule by rule.

use std::time::Duration;

use mtproto_proto::client::updates::Config;
use mtproto_proto::client::{Key, PeerId};
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Bytes, Constructor, Encode, tl};

use crate::build::*;
use crate::rig::*;
use crate::server::{BoxId, Kind};

fn channel_call(id: i64, pts: i32) -> Call {
    Call::Channel {
        id,
        pts,
        limit: 100,
    }
}

/// Channel 11 at pts 50, heard of and with a known access hash.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.each([channel_message(11, 1, 50, 1)]);
    assert_eq!(rig.told(), [post(11, 1)]);
    rig
}

#[test]
fn the_first_update_of_a_channel_is_where_it_begins() {
    let mut rig = rig();
    rig.each([channel_message(11, 9, 49, 1), delete_channel(11, 2, 52, 2)]);
    assert_eq!(
        rig.told(),
        [Told::Update(BoxId::Channel(11), Kind::Other, 2)]
    );
    rig.idle();
}

#[test]
fn where_a_channel_begins_is_stored_before_its_first_update_is_taken() {
    let mut rig = Rig::new();
    rig.each([channel_message(11, 1, 50, 2)]);
    let mut rig = rig.restart();
    let id = rig.need(difference(100));
    rig.answer(id, difference_empty(1_000, 5));
    rig.each([channel_message(11, 2, 51, 1)]);
    rig.seconds(1);
    rig.need(channel_call(11, 48));
}

#[test]
fn a_gap_in_one_channel_stops_no_other_box() {
    let mut rig = rig();
    rig.each([
        channel_message(11, 3, 52, 1),
        channel_message(12, 1, 7, 1),
        new_message(1, 101, 1),
    ]);
    assert_eq!(rig.told(), [post(12, 1), msg(1)]);
    rig.wait(Duration::from_millis(700));
    let id = rig.need(channel_call(11, 50));
    rig.idle();
    let messages = vec![message(2, peer_channel(11)), message(3, peer_channel(11))];
    rig.answer(id, channel_difference((52, true, None), messages, vec![]));
    assert_eq!(rig.told(), [post(11, 2), post(11, 3)]);
    rig.seconds(30);
    rig.idle();
}

#[test]
fn a_difference_that_is_not_final_is_asked_on_at_once() {
    let mut rig = rig();
    rig.each([channel_too_long(11, None)]);
    for pts in 51..=53 {
        let id = rig.need(channel_call(11, pts - 1));
        let messages = vec![message(pts, peer_channel(11))];
        rig.answer(id, channel_difference((pts, false, None), messages, vec![]));
        assert_eq!(rig.told(), [post(11, pts)]);
    }
    let id = rig.need(channel_call(11, 53));
    rig.answer(id, channel_empty(53, true, None));
    rig.idle();
    assert_eq!(
        rig.updates
            .poll_timeout()
            .map(|at| at.saturating_since(rig.now).as_secs()),
        Some(900)
    );
}

#[test]
fn too_long_with_a_pts_that_was_reached_is_no_news() {
    let mut rig = rig();
    rig.each([
        channel_too_long(11, Some(50)),
        channel_too_long(11, Some(49)),
    ]);
    rig.idle();
    rig.each([channel_too_long(11, Some(51))]);
    rig.need(channel_call(11, 50));
}

#[test]
fn what_a_difference_leaves_out_is_a_hole_of_that_channel() {
    let mut rig = rig();
    rig.each([
        channel_too_long(11, Some(900)),
        channel_message(11, 7, 901, 1),
    ]);
    let id = rig.need(channel_call(11, 50));
    rig.answer(id, channel_difference_too_long(11, 900, true));
    assert_eq!(rig.told(), [Told::Lost(Some(11)), post(11, 7)]);
    rig.idle();
}

#[test]
fn a_channel_that_is_told_of_only_as_too_long_is_a_hole_and_begins_there() {
    let mut rig = Rig::new();
    rig.each([
        channel_too_long(11, Some(50)),
        channel_message(11, 7, 51, 1),
    ]);
    assert_eq!(rig.told(), [Told::Lost(Some(11)), post(11, 7)]);
    rig.idle();

    let mut rig = Rig::new();
    rig.each([channel_too_long(11, None)]);
    let id = rig.need(Call::Channel {
        id: 11,
        pts: 1,
        limit: 1,
    });
    rig.answer(id, channel_difference_too_long(11, 50, true));
    rig.each([channel_message(11, 7, 51, 1)]);
    assert_eq!(rig.told(), [Told::Lost(Some(11)), post(11, 7)]);
}

#[test]
fn a_private_channel_is_forgotten() {
    let mut rig = rig();
    rig.save();
    assert!(rig.store.get(Key::Channel(11)).is_some());
    rig.each([channel_too_long(11, None)]);
    let id = rig.need(channel_call(11, 50));
    rig.fail(id, 400, "CHANNEL_PRIVATE");
    assert_eq!(rig.told(), [Told::Lost(Some(11))]);
    rig.save();
    assert_eq!(rig.store.get(Key::Channel(11)), None);
    rig.seconds(60);
    rig.idle();
    rig.each([channel_message(11, 2, 70, 1)]);
    assert_eq!(rig.told(), [post(11, 2)]);
}

#[test]
fn a_channel_without_access_hash_waits_for_the_common_difference() {
    let mut rig = Rig::new();
    rig.peers.learn(&[], &[channel_with(12, Some(9), true)]);
    rig.each([channel_message(12, 1, 50, 1), channel_message(12, 3, 52, 1)]);
    assert_eq!(rig.told(), [post(12, 1)]);
    rig.seconds(1);
    let id = rig.need(difference(100));
    rig.idle();
    let answer = Difference {
        chats: vec![channel(12, false)],
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(100, 20, 1_001, 5)));
    let id = rig.need(channel_call(12, 50));
    let messages = vec![message(2, peer_channel(12)), message(3, peer_channel(12))];
    rig.answer(id, channel_difference((52, true, None), messages, vec![]));
    assert_eq!(rig.told(), [post(12, 2), post(12, 3)]);
}

#[test]
fn a_channel_whose_access_hash_nobody_tells_goes_on_after_a_hole() {
    let mut rig = Rig::new();
    rig.each([channel_message(12, 1, 50, 1), channel_message(12, 3, 52, 1)]);
    rig.each([channel_message(12, 5, 54, 1)]);
    rig.seconds(1);
    let id = rig.need(difference(100));
    rig.answer(id, difference_empty(1_000, 5));
    rig.idle();
    assert_eq!(rig.told(), [post(12, 1), Told::Lost(Some(12)), post(12, 3)]);
    rig.seconds(2);
    let id = rig.need(difference(100));
    rig.answer(id, difference_empty(1_000, 5));
    rig.idle();
    assert_eq!(rig.told(), [Told::Lost(Some(12)), post(12, 5)]);
    rig.each([channel_message(12, 6, 55, 1)]);
    assert_eq!(rig.told(), [post(12, 6)]);
}

#[test]
fn an_access_hash_is_looked_for_in_a_difference_that_was_asked_for_after_it_was_missed() {
    let mut rig = Rig::new();
    rig.each([channel_message(12, 1, 50, 1)]);
    rig.told();
    rig.push(too_long());
    let id = rig.need(difference(100));
    rig.each([channel_too_long(12, None)]);
    rig.idle();
    rig.answer(id, difference_empty(1_000, 5));
    let id = rig.need(difference(100));
    rig.idle();
    let answer = Difference {
        chats: vec![channel(12, false)],
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(100, 20, 1_001, 5)));
    rig.need(channel_call(12, 50));
    assert_eq!(rig.told(), []);
}

#[test]
fn ten_channels_are_asked_for_at_once() {
    let mut rig = Rig::new();
    for id in 100..130 {
        rig.peers.learn(&[], &[channel(id, false)]);
        rig.each([channel_message(id, 1, 50, 1), channel_too_long(id, None)]);
    }
    rig.told();
    let mut out: Vec<_> = std::iter::from_fn(|| rig.call()).collect();
    assert_eq!(out.len(), 10);
    for expected in 110..130 {
        let (id, _) = out.remove(0);
        rig.answer(id, channel_empty(50, true, None));
        out.push((
            rig.need(channel_call(expected, 50)),
            channel_call(expected, 50),
        ));
        rig.idle();
    }
}

#[test]
fn an_open_channel_is_polled_as_its_answers_say() {
    let mut rig = rig();
    rig.updates.set_open(rig.now, PeerId::Channel(11), true);
    let id = rig.need(channel_call(11, 50));
    rig.answer(id, channel_empty(50, true, Some(30)));
    rig.seconds(29);
    rig.idle();
    // Between polls it takes what comes.
    rig.each([channel_message(11, 2, 51, 1)]);
    assert_eq!(rig.told(), [post(11, 2)]);
    rig.seconds(1);
    let id = rig.need(channel_call(11, 51));
    rig.answer(id, channel_empty(51, true, None));
    rig.seconds(1);
    let id = rig.need(channel_call(11, 51));
    rig.updates.set_open(rig.now, PeerId::Channel(11), false);
    rig.answer(id, channel_empty(51, true, Some(1)));
    rig.seconds(60);
    rig.idle();
}

#[test]
fn a_channel_may_be_open_before_anything_is_known_of_it() {
    let mut rig = Rig::new();
    rig.updates.set_open(rig.now, PeerId::Channel(11), true);
    let id = rig.need(Call::Channel {
        id: 11,
        pts: 1,
        limit: 1,
    });
    rig.each([channel_message(11, 2, 51, 1)]);
    rig.answer(id, channel_difference_too_long(11, 50, true));
    assert_eq!(rig.told(), [post(11, 2)]);
    rig.seconds(1);
    rig.need(channel_call(11, 51));
}

#[test]
fn ten_channels_may_be_open() {
    let mut rig = Rig::new();
    for id in 100..120 {
        rig.peers.learn(&[], &[channel(id, false)]);
        rig.updates.set_open(rig.now, PeerId::Channel(id), true);
    }
    for id in 100..110 {
        let need = rig.need(Call::Channel {
            id,
            pts: 1,
            limit: 1,
        });
        rig.answer(need, channel_difference_too_long(id, 50, true));
    }
    rig.idle();
}

#[test]
fn bots_ask_for_more() {
    let mut rig = Rig::unknown(Config::default());
    rig.updates.set_account(rig.now, Some(5), true);
    let id = rig.need(Call::State);
    rig.answer(id, state(100, 20, 1_000, 5).to_bytes());
    rig.peers.learn(&[], &[channel(11, false)]);
    rig.each([channel_message(11, 1, 50, 1), channel_too_long(11, None)]);
    rig.need(Call::Channel {
        id: 11,
        pts: 50,
        limit: 100_000,
    });
}

#[test]
fn a_channel_whose_counter_the_server_does_not_know_begins_anew() {
    let mut rig = rig();
    rig.each([channel_too_long(11, None)]);
    for _ in 0..3 {
        let id = rig.need(channel_call(11, 50));
        rig.fail(id, 400, "PERSISTENT_TIMESTAMP_INVALID");
        rig.seconds(10);
    }
    rig.idle();
    assert_eq!(rig.told(), [Told::Lost(Some(11))]);
    rig.each([channel_message(11, 2, 5, 1)]);
    assert_eq!(rig.told(), [post(11, 2)]);
}

#[test]
fn a_channel_that_falls_far_is_followed_and_the_hole_is_told() {
    let mut rig = Rig::new();
    rig.each([
        channel_message(11, 1, 3_000_000, 1),
        channel_message(11, 2, 7, 1),
    ]);
    assert_eq!(rig.told(), [post(11, 1), Told::Lost(Some(11)), post(11, 2)]);
    rig.need(channel_call(11, 7));
}

#[test]
fn failing_channels_do_not_hurry() {
    let mut rig = rig();
    rig.each([channel_too_long(11, None)]);
    let mut calls = 0;
    for _ in 0..120 {
        while let Some((id, call)) = rig.call() {
            assert_eq!(call, channel_call(11, 50));
            calls += 1;
            rig.fail(id, 500, "INTERNAL");
        }
        rig.seconds(1);
    }
    assert!((6..=9).contains(&calls), "{calls} calls in two minutes");
}

#[test]
fn a_difference_that_cannot_be_read_is_a_hole_up_to_its_pts() {
    let mut rig = rig();
    rig.each([channel_too_long(11, None)]);
    let id = rig.need(channel_call(11, 50));
    let mut newer = Vec::new();
    tl::put_u32(&mut newer, types::updates::ChannelDifference::ID);
    tl::put_u32(&mut newer, 1);
    tl::put_i32(&mut newer, 60);
    tl::put_u32(&mut newer, 0xdead_beef);
    rig.answer(id, Bytes::from(newer));
    rig.each([channel_message(11, 9, 61, 1)]);
    assert_eq!(rig.told(), [Told::Lost(Some(11)), post(11, 9)]);
    rig.idle();
}

#[test]
fn answers_move_the_channel_that_their_call_names() {
    let input = || {
        enums::InputChannel::InputChannel(types::InputChannel {
            channel_id: 11,
            access_hash: 1,
        })
    };
    let peer = || {
        enums::InputPeer::Channel(types::InputPeerChannel {
            channel_id: 11,
            access_hash: 1,
        })
    };
    let from_message = || {
        let types = types::InputPeerChannelFromMessage {
            peer: Box::new(peer()),
            msg_id: 1,
            channel_id: 11,
        };
        enums::InputPeer::ChannelFromMessage(types)
    };
    let mut rig = rig();
    let mut pts = 50;
    let mut called = |query: Bytes| {
        pts += 1;
        let body = query;
        rig.updates
            .handle_answer(rig.now, &body, &affected_history(pts, 1), &mut rig.peers);
        rig.each([channel_message(11, pts + 1, pts + 1, 1)]);
        pts += 1;
        assert_eq!(rig.told(), [post(11, pts)]);
    };
    called(
        functions::channels::DeleteMessages {
            channel: input(),
            id: vec![1],
        }
        .to_bytes(),
    );
    called(
        functions::channels::DeleteParticipantHistory {
            channel: input(),
            participant: peer(),
        }
        .to_bytes(),
    );
    called(
        functions::messages::ReadHistory {
            peer: peer(),
            max_id: 1,
        }
        .to_bytes(),
    );
    called(
        functions::messages::DeleteTopicHistory {
            peer: peer(),
            top_msg_id: 1,
        }
        .to_bytes(),
    );
    called(
        functions::messages::DeleteHistory {
            just_clear: true,
            revoke: false,
            peer: from_message(),
            max_id: 1,
            min_date: None,
            max_date: Some(1),
        }
        .to_bytes(),
    );
    called(
        functions::messages::ReadMentions {
            peer: peer(),
            top_msg_id: Some(1),
        }
        .to_bytes(),
    );
    called(
        functions::messages::UnpinAllMessages {
            peer: peer(),
            top_msg_id: None,
            saved_peer_id: Some(peer()),
        }
        .to_bytes(),
    );
    called(
        functions::messages::ReadReactions {
            peer: peer(),
            top_msg_id: None,
            saved_peer_id: None,
        }
        .to_bytes(),
    );
    called(
        functions::messages::ReadPollVotes {
            peer: peer(),
            top_msg_id: None,
        }
        .to_bytes(),
    );
    called(
        functions::messages::DeleteSavedHistory {
            parent_peer: Some(peer()),
            peer: enums::InputPeer::InputPeerSelf,
            max_id: 1,
            min_date: None,
            max_date: None,
        }
        .to_bytes(),
    );
    // And the common box did not move.
    rig.each([new_message(1, 101, 1)]);
    assert_eq!(rig.told(), [msg(1)]);
}

#[test]
fn answers_of_private_chats_move_the_common_box() {
    let mut rig = rig();
    let peer = enums::InputPeer::User(types::InputPeerUser {
        user_id: 11,
        access_hash: 1,
    });
    rig.called(
        functions::messages::ReadHistory { peer, max_id: 1 },
        affected(101, 1),
    );
    rig.each([new_message(1, 102, 1), channel_message(11, 2, 51, 1)]);
    assert_eq!(rig.told(), [msg(1), post(11, 2)]);
}

#[test]
fn the_stored_date_stands_still_while_a_channel_is_behind() {
    let mut rig = rig();
    rig.each([channel_message(11, 3, 52, 1)]);
    rig.push(updates(vec![phone(1)], 6, 2_000));
    rig.told();
    // The common difference tells of channels that moved after its date: this one has.
    let mut rig = rig.restart();
    let id = rig.need(difference(100));
    rig.answer(id, difference_empty(2_000, 6));
    let mut rig = rig.restart();
    rig.need(Call::Difference {
        pts: 100,
        qts: 20,
        date: 2_000,
    });
}

#[test]
fn channels_of_a_full_queue_wait_for_room() {
    let mut rig = Rig::queue(1);
    rig.each([
        channel_message(11, 1, 50, 1),
        channel_message(11, 2, 51, 1),
        new_message(1, 101, 1),
    ]);
    rig.idle();
    let ready = rig.poll();
    assert_eq!(ready.len(), 1);
    rig.updates.taken(rig.now, ready[0].0);
    let common = rig.need(difference(100));
    let channel = rig.need(channel_call(11, 50));
    let messages = vec![message(1, peer_user(1))];
    let answer = Difference {
        messages,
        ..Difference::default()
    };
    rig.answer(common, answer.last(state(101, 20, 1_001, 5)));
    let messages = vec![message(2, peer_channel(11))];
    rig.answer(
        channel,
        channel_difference((51, true, None), messages, vec![]),
    );
    assert_eq!(rig.told(), [msg(1), post(11, 2)]);
}
