//! Servers whose answers lead nowhere: they are asked ever more slowly, whatever they say.

use std::time::Duration;

use mtproto_schema::Bytes;
use mtproto_schema::Encode;
use mtproto_schema::api::enums;

use crate::build::*;
use crate::rig::*;

/// Calls of one hour; with a pause of a minute in the long run, most of which are at the beginning.
const IN_AN_HOUR: u32 = 120;

/// Answers every call at once, for an hour, and takes everything.
fn ask_for_an_hour(name: &str, rig: &mut Rig, mut answer: impl FnMut(u32, Call) -> Bytes) {
    let (mut calls, end) = (0, rig.now + Duration::from_secs(3_600));
    while rig.now < end {
        while let Some((id, call)) = rig.call() {
            calls += 1;
            assert!(calls < IN_AN_HOUR, "{name}: {calls} calls at {:?}", rig.now);
            rig.answer(id, answer(calls, call));
            rig.told();
        }
        match rig.updates.poll_timeout() {
            Some(at) => {
                assert!(at > rig.now, "{name}: busy");
                rig.now = at;
                rig.updates.handle_timeout(at);
            }
            None => return,
        }
    }
}

fn nothing_else(others: Vec<enums::Update>) -> Difference {
    Difference {
        messages: vec![],
        encrypted: vec![],
        others,
        chats: vec![],
        users: vec![],
    }
}

#[test]
fn differences_that_lead_nowhere_are_not_asked_for_in_a_hurry() {
    let there = || state(100, 20, 1_000, 5);
    type Answer = Box<dyn FnMut(u32) -> Bytes>;
    let cases: [(&str, Answer); 8] = [
        ("too long", Box::new(|_| difference_too_long(100))),
        (
            "too long, here and there",
            Box::new(|n| difference_too_long(100 + (n % 2) as i32)),
        ),
        (
            "begins anew for ever",
            Box::new(move |n| {
                let pts = if n % 2 == 0 { 100 } else { 5_000_000 };
                nothing_else(vec![]).slice(state(pts, 20, 1_000, 5))
            }),
        ),
        (
            "empty slices",
            Box::new(move |_| nothing_else(vec![]).slice(there())),
        ),
        (
            "counters change for ever",
            Box::new(move |_| nothing_else(vec![enums::Update::PtsChanged]).last(there())),
        ),
        (
            "a channel whose access hash does not come",
            Box::new(move |_| nothing_else(vec![channel_too_long(12, Some(9))]).last(there())),
        ),
        ("unreadable", Box::new(|_| unreadable())),
        (
            "states for differences",
            Box::new(move |_| there().to_bytes()),
        ),
    ];
    for (name, mut answer) in cases {
        let mut rig = Rig::new();
        rig.push(too_long());
        ask_for_an_hour(name, &mut rig, |n, call| match call {
            Call::State => there().to_bytes(),
            _ => answer(n),
        });
    }
}

#[test]
fn an_open_channel_is_not_polled_more_than_once_a_second_whatever_its_answers_say() {
    for timeout in [i32::MIN, -1, 0] {
        let mut rig = Rig::new();
        rig.each([channel_message(11, 1, 10, 1)]);
        rig.told();
        let open = mtproto_proto::client::PeerId::Channel(11);
        rig.updates.set_open(rig.now, open, true);
        for second in 0..60 {
            for _ in 0..2 {
                while let Some((id, _)) = rig.call() {
                    rig.answer(id, channel_empty(10, true, Some(timeout)));
                }
                let next = rig.updates.poll_timeout().unwrap();
                assert!(next > rig.now, "{timeout}, second {second}");
            }
            rig.seconds(1);
        }
    }
}

#[test]
fn differences_of_a_channel_that_lead_nowhere_are_not_asked_for_in_a_hurry() {
    type Answer = Box<dyn FnMut(u32) -> Bytes>;
    let fell = |n: u32| if n.is_multiple_of(2) { 10 } else { 5_000_000 };
    let cases: [(&str, Answer); 6] = [
        (
            "empty, not the last",
            Box::new(|_| channel_empty(10, false, None)),
        ),
        (
            "more, for ever",
            Box::new(|_| {
                channel_difference((10, true, None), vec![], vec![channel_too_long(11, None)])
            }),
        ),
        (
            "begins anew for ever",
            Box::new(move |n| channel_difference((fell(n), false, None), vec![], vec![])),
        ),
        (
            "too long for ever",
            Box::new(move |n| channel_difference_too_long(11, fell(n), false)),
        ),
        ("unreadable", Box::new(|_| unreadable())),
        ("a common one", Box::new(|_| difference_empty(1, 1))),
    ];
    for (name, mut answer) in cases {
        let mut rig = Rig::new();
        rig.each([channel_message(11, 1, 10, 1)]);
        rig.told();
        rig.each([channel_too_long(11, None)]);
        ask_for_an_hour(name, &mut rig, |n, call| match call {
            Call::Channel { .. } => answer(n),
            _ => nothing_else(vec![]).last(state(100, 20, 1_000, 5)),
        });
    }
}
