//! What is missing in the common boxes: asked for, repeated, given up.

use std::time::Duration;

use mtproto_proto::{RequestError, Time};
use mtproto_schema::api::enums;
use mtproto_schema::{Bytes, Encode, tl};

use crate::build::*;
use crate::rig::*;

#[test]
fn a_jump_is_asked_for_at_once() {
    let mut rig = Rig::new();
    rig.each([new_message(2, 100_101, 1)]);
    rig.need(difference(100));

    let mut rig = Rig::new();
    rig.each([new_message(2, 100_100, 1)]);
    rig.idle();
}

#[test]
fn what_comes_while_the_difference_is_out_waits_for_it() {
    let mut rig = Rig::new();
    rig.push(too_long());
    let id = rig.need(difference(100));
    rig.each([
        new_message(1, 101, 1),
        new_message(2, 102, 1),
        new_message(3, 103, 1),
    ]);
    rig.each([new_encrypted(1, 21), new_encrypted(2, 22)]);
    rig.push(updates(vec![phone(1)], 6, 1_006));
    rig.push(updates(vec![phone(2)], 7, 1_007));
    assert_eq!(rig.told(), []);
    let answer = Difference {
        messages: vec![message(1, peer_user(1)), message(2, peer_user(1))],
        encrypted: vec![encrypted(1)],
        others: vec![phone(1)],
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(102, 21, 1_006, 6)));
    let expected = [
        msg(1),
        msg(2),
        secret(1),
        other(1),
        msg(3),
        secret(2),
        other(2),
    ];
    assert_eq!(rig.told(), expected);
    rig.idle();
}

#[test]
fn slices_are_asked_for_one_after_the_other() {
    let mut rig = Rig::new();
    rig.push(too_long());
    for pts in 101..=103 {
        let id = rig.need(Call::Difference {
            pts: pts - 1,
            qts: 20,
            date: 1_000,
        });
        let answer = Difference {
            messages: vec![message(pts, peer_user(1))],
            ..Difference::default()
        };
        rig.answer(id, answer.slice(state(pts, 20, 1_000, 5)));
        assert_eq!(rig.told(), [msg(pts)]);
    }
    let id = rig.need(difference(103));
    rig.answer(id, difference_empty(1_010, 5));
    rig.idle();
    rig.each([new_message(4, 104, 1)]);
    assert_eq!(rig.told(), [msg(4)]);
}

#[test]
fn a_slice_that_brings_nothing_is_not_asked_for_in_a_hurry() {
    let mut rig = Rig::new();
    rig.push(too_long());
    let mut calls = 0;
    for _ in 0..60 {
        while let Some((id, _)) = rig.call() {
            calls += 1;
            rig.answer(id, Difference::default().slice(state(100, 20, 1_000, 5)));
        }
        rig.seconds(1);
    }
    assert!((5..=8).contains(&calls), "{calls} calls in a minute");
}

#[test]
fn a_difference_that_is_too_long_is_a_hole_and_goes_on_from_there() {
    let mut rig = Rig::new();
    rig.push(too_long());
    let id = rig.need(difference(100));
    rig.answer(id, difference_too_long(500));
    assert_eq!(rig.told(), [Told::Lost(None)]);
    let id = rig.need(difference(500));
    rig.answer(id, difference_empty(1_010, 9));
    rig.each([new_message(1, 501, 1)]);
    rig.push(updates(vec![phone(2)], 10, 1_011));
    assert_eq!(rig.told(), [msg(1), other(2)]);
}

#[test]
fn a_difference_that_brings_its_own_channels_routes_their_updates_to_them() {
    let mut rig = Rig::new();
    rig.each([channel_message(11, 1, 51, 1)]);
    rig.push(too_long());
    let id = rig.need(difference(100));
    let answer = Difference {
        others: vec![channel_message(11, 1, 51, 1), channel_message(11, 2, 52, 1)],
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(100, 20, 1_001, 5)));
    assert_eq!(rig.told(), [post(11, 1), post(11, 2)]);
}

#[test]
fn a_server_that_begins_anew_is_followed_and_the_hole_is_told() {
    let mut rig = Rig::new();
    rig.push(too_long());
    let id = rig.need(difference(100));
    rig.answer(
        id,
        Difference::default().last(state(2_000_000, 20, 1_000, 5)),
    );
    rig.each([new_message(1, 2_000_000 - 1_000_009, 1)]);
    assert_eq!(rig.told(), []);
    rig.each([new_message(2, 2_000_000 - 1_000_010, 1)]);
    assert_eq!(rig.told(), [Told::Lost(None), msg(2)]);
    let id = rig.need(difference(2_000_000 - 1_000_010));
    rig.answer(id, difference_empty(1_000, 5));
    rig.each([new_message(3, 2_000_000 - 1_000_009, 1)]);
    assert_eq!(rig.told(), [msg(3)]);
}

#[test]
fn a_counter_that_the_server_does_not_know_is_fetched_anew() {
    let mut rig = Rig::new();
    rig.push(too_long());
    let id = rig.need(difference(100));
    rig.fail(id, 400, "PERSISTENT_TIMESTAMP_INVALID");
    let id = rig.need(Call::State);
    rig.answer(id, state(7, 8, 9, 10).to_bytes());
    assert_eq!(rig.told(), [Told::Lost(None)]);
    // What came while the state was looked up is asked for.
    let id = rig.need(Call::Difference {
        pts: 7,
        qts: 8,
        date: 9,
    });
    rig.answer(id, difference_empty(9, 10));
    rig.each([new_message(1, 8, 1)]);
    assert_eq!(rig.told(), [msg(1)]);
    rig.idle();
}

#[test]
fn pts_changed_fetches_the_state() {
    let mut rig = Rig::new();
    rig.push(short(enums::Update::PtsChanged));
    let id = rig.need(Call::State);
    rig.answer(id, state(7, 20, 1_001, 5).to_bytes());
    assert_eq!(rig.told(), [Told::Lost(None)]);
    rig.need(Call::Difference {
        pts: 7,
        qts: 20,
        date: 1_001,
    });
}

#[test]
fn failing_calls_are_repeated_ever_more_slowly() {
    let mut rig = Rig::new();
    rig.push(too_long());
    for nominal in [1_u64, 2, 4, 8, 16, 32, 70, 70, 70] {
        let id = rig.need(difference(100));
        match nominal % 3 {
            0 => rig.fail(id, 500, "PERSISTENT_TIMESTAMP_OUTDATED"),
            1 => rig.fail(id, -503, "Timeout"),
            _ => {
                let lost = RequestError::Lost(mtproto_proto::Fate::NotSent);
                rig.updates
                    .handle_need(rig.now, id, Err(lost), &mut rig.peers);
            }
        }
        rig.idle();
        let pause = rig
            .updates
            .poll_timeout()
            .unwrap()
            .saturating_since(rig.now);
        let (low, high) = if nominal == 70 {
            (60_000, 80_000)
        } else {
            (nominal * 800, nominal * 1_200)
        };
        let ms = pause.as_millis() as u64;
        assert!((low..=high).contains(&ms), "{ms} ms instead of {nominal} s");
        rig.wait(pause);
    }
    let id = rig.need(difference(100));
    rig.answer(id, difference_empty(1_000, 5));
    rig.push(too_long());
    let id = rig.need(difference(100));
    rig.fail(id, 420, "FLOOD_WAIT_33");
    let pause = rig
        .updates
        .poll_timeout()
        .unwrap()
        .saturating_since(rig.now);
    assert_eq!(pause, Duration::from_secs(33));
}

#[test]
fn silence_is_not_trusted_for_ever() {
    let mut rig = Rig::new();
    rig.seconds(10 * 60);
    rig.each([new_message(1, 101, 1)]);
    rig.told();
    rig.seconds(15 * 60 - 1);
    rig.idle();
    rig.seconds(1);
    let id = rig.need(difference(101));
    rig.answer(id, difference_empty(1_000, 5));
    rig.seconds(15 * 60 - 1);
    rig.idle();
    rig.seconds(1);
    rig.need(difference(101));
}

#[test]
fn what_may_have_been_missed_is_asked_for_also_behind_a_call_that_is_out() {
    let mut rig = Rig::new();
    rig.updates.handle_may_have_missed(rig.now);
    let id = rig.need(difference(100));
    rig.updates.handle_may_have_missed(rig.now);
    rig.idle();
    rig.answer(id, difference_empty(1_000, 5));
    let id = rig.need(difference(100));
    rig.answer(id, difference_empty(1_000, 5));
    rig.idle();
}

#[test]
fn a_gap_that_no_difference_explains_is_told_as_a_hole() {
    let mut rig = Rig::new();
    rig.each([new_message(2, 102, 1), new_encrypted(2, 22)]);
    rig.push(updates(vec![phone(2)], 7, 1_000));
    let mut calls = 0;
    for _ in 0..20 {
        rig.seconds(1);
        while let Some((id, call)) = rig.call() {
            assert_eq!(call, difference(100));
            calls += 1;
            rig.answer(id, difference_empty(1_000, 5));
        }
    }
    assert_eq!(calls, 3);
    assert_eq!(rig.told(), [Told::Lost(None), msg(2), secret(2), other(2)]);
    rig.each([new_message(3, 103, 1)]);
    assert_eq!(rig.told(), [msg(3)]);
}

#[test]
fn part_of_what_was_applied_already_is_asked_for() {
    let mut rig = Rig::new();
    rig.each([new_message(2, 102, 5)]);
    assert_eq!(rig.told(), []);
    rig.need(difference(100));
}

#[test]
fn what_cannot_be_read_is_asked_for_once() {
    let mut rig = Rig::new();
    rig.push(unreadable());
    let id = rig.need(difference(100));
    let messages = vec![message(1, peer_user(1))];
    let answer = Difference {
        messages,
        ..Difference::default()
    };
    rig.answer(id, answer.last(state(101, 20, 1_001, 5)));
    assert_eq!(rig.told(), [msg(1)]);
    rig.idle();
}

#[test]
fn what_no_difference_makes_readable_is_told_as_it_is_and_the_state_goes_on() {
    let mut rig = Rig::new();
    // An update of a newer layer in a container of ours.
    let mut newer = Vec::new();
    tl::put_u32(&mut newer, 0x78d4_dec1);
    tl::put_u32(&mut newer, 0xdead_beef);
    tl::put_i32(&mut newer, 1);
    let newer = Bytes::from(newer);
    rig.push(newer.clone());
    let id = rig.need(difference(100));
    rig.answer(id, unreadable());
    assert_eq!(rig.told(), [Told::Raw(newer)]);
    let id = rig.need(Call::State);
    rig.answer(id, state(105, 20, 1_002, 5).to_bytes());
    assert_eq!(rig.told(), [Told::Lost(None)]);
    let id = rig.need(Call::Difference {
        pts: 105,
        qts: 20,
        date: 1_002,
    });
    rig.answer(id, difference_empty(1_002, 5));
    rig.each([new_message(6, 106, 1)]);
    assert_eq!(rig.told(), [msg(6)]);
}

#[test]
fn an_answer_that_inflates_too_far_is_like_one_that_cannot_be_read() {
    let mut rig = Rig::new();
    rig.push(too_long());
    let id = rig.need(difference(100));
    rig.updates
        .handle_need(rig.now, id, Err(RequestError::BadAnswer), &mut rig.peers);
    rig.need(Call::State);
}

#[test]
fn an_answer_to_another_call_is_ignored() {
    let mut rig = Rig::new();
    rig.push(too_long());
    let id = rig.need(difference(100));
    let old = mtproto_proto::client::updates::NeedId(id.0 + 7);
    rig.answer(old, difference_too_long(500));
    assert_eq!(rig.told(), []);
    rig.answer(id, difference_empty(1_000, 5));
    rig.answer(id, difference_too_long(500));
    assert_eq!(rig.told(), []);
    assert!(rig.updates.poll_timeout() > Some(Time::ZERO));
}
