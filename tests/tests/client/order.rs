//! Calls that are to come after others, and how far a call is.

use std::time::Duration;

use mtproto_proto::client::{CallError, CallOptions, Event, Route};
use mtproto_proto::session::MAX_AFTER;
use mtproto_proto::{DcId, Fate, Progress, RequestError, RequestId, SendError};
use mtproto_schema::Reader;
use mtproto_schema::api::functions::messages;

use crate::net::{Answer, Door, Executed, Net, Weather, config, error};
use crate::queries::{file_call, user_call};
use crate::secs;

fn after(ids: &[RequestId]) -> CallOptions {
    let options = CallOptions::default();
    ids.iter().fold(options, |options, id| options.after(*id))
}

fn tag(call: &Executed) -> Option<i32> {
    let mut r = Reader::new(&call.query);
    call.is::<messages::ReceivedMessages>().then(|| {
        r.skip(4);
        r.i32()
    })
}

/// What was executed, in this order.
fn executed(net: &Net) -> Vec<i32> {
    net.executed.iter().filter_map(tag).collect()
}

fn failed(id: RequestId) -> CallError {
    CallError::Request(RequestError::DependencyFailed(id))
}

#[test]
fn over_one_stream_calls_that_come_after_each_other_travel_together() {
    let mut net = Net::new(config(), 120);
    let far = Weather {
        latency: Duration::from_millis(200),
        jitter: Duration::ZERO,
    };
    net.weather.insert(2, far);
    net.sign_in();
    let begun = net.now();
    let mut ids = vec![net.send_raw(user_call(0), &CallOptions::default())];
    for tag in 1..20 {
        let all = after(&ids);
        ids.push(net.send_raw(user_call(tag), &all));
    }
    for (tag, id) in ids.iter().enumerate() {
        assert_eq!(net.answer(*id), Ok(user_call(tag as i32)));
    }
    let took = net.now().saturating_since(begun);
    assert!(
        took < Duration::from_millis(500),
        "one round trip: {took:?}"
    );
    assert_eq!(executed(&net), (0..20).collect::<Vec<_>>());
    assert_eq!(net.overtaking, 0);
}

#[test]
fn more_than_a_server_can_be_told_is_refused_at_once() {
    let mut net = Net::new(config(), 119);
    net.sign_in();
    let ids: Vec<_> = (0..=MAX_AFTER as i32)
        .map(|tag| net.send_raw(user_call(tag), &CallOptions::default()))
        .collect();
    let now = net.now();
    let sent = net.client.send(now, user_call(99), &after(&ids));
    let got = ids.len();
    let max = MAX_AFTER;
    assert_eq!(sent, Err(SendError::TooManyDependencies { got, max }));
    // A name given twice counts once, and the room for the names is the body's.
    let twice = after(&[&ids[1..], &ids[1..]].concat());
    assert!(net.client.send(now, user_call(99), &twice).is_ok());
    let large = bytes::Bytes::from(vec![1; mtproto_proto::session::MAX_BODY - 400]);
    let sent = net.client.send(now, large, &twice);
    assert!(matches!(sent, Err(SendError::TooLarge { .. })), "{sent:?}");
}

#[test]
fn order_survives_streams_that_break() {
    for seed in 0..40 {
        let mut net = Net::new(config(), seed);
        let mut dice = mtproto_test::Dice::from_env_or(seed);
        net.sign_in();
        let mut refuse = net.dice.fork();
        net.script(move |call| {
            if tag(call).is_some() && refuse.chance(1, 5) {
                return error(500, "INTERNAL");
            }
            Answer::Default
        });
        let patience = secs(3_600);
        let mut ids: Vec<RequestId> = Vec::new();
        for tag in 0..60 {
            let mut options = CallOptions::default().idempotent().deadline(patience);
            options.max_retries = Some(200);
            if let Some(last) = ids.last() {
                options = options.after(*last);
            }
            options.route = match dice.range(0..=5) {
                0 => Route::Dc(DcId(4)),
                _ => Route::Main,
            };
            ids.push(net.send_raw(user_call(tag), &options));
            if dice.chance(1, 4) {
                net.cut(*dice.choose(&[2, 4]));
            }
            net.run(Duration::from_millis(dice.range(0..=300)));
        }
        for (tag, id) in ids.iter().enumerate() {
            let end = net.answer_within(*id, patience);
            assert_eq!(end, Ok(user_call(tag as i32)), "seed {seed}");
        }
        // Each first ran after the one before it had run well for the last time; a repetition of
        // what was answered with an error, or of what is harmless, is no overtaking.
        let ran = executed(&net);
        let firsts: Vec<_> = (0..60)
            .map(|tag| ran.iter().position(|t| *t == tag))
            .collect();
        assert!(firsts.is_sorted(), "seed {seed}: {ran:?}");
    }
}

#[test]
fn a_call_comes_after_one_that_is_paused() {
    let mut net = Net::new(config(), 121);
    net.sign_in();
    let mut left = 1;
    net.script(move |call| {
        if tag(call) == Some(1) && left > 0 {
            left -= 1;
            return error(420, "SLOWMODE_WAIT_20");
        }
        Answer::Default
    });
    let first = net.send_raw(user_call(1), &CallOptions::default());
    let second = net.send_raw(user_call(2), &after(&[first]));
    let third = net.send_raw(user_call(3), &after(&[second, first]));
    let free = net.send_raw(user_call(4), &CallOptions::default());
    assert_eq!(net.answer(free), Ok(user_call(4)), "nobody else waits");
    net.run(secs(10));
    assert_eq!(net.client.progress(second), Some(Progress::Queued));
    for (id, tag) in [(first, 1), (second, 2), (third, 3)] {
        assert_eq!(net.answer(id), Ok(user_call(tag)));
    }
    // The refused ones were not executed.
    let ran: Vec<_> = executed(&net).into_iter().filter(|tag| *tag != 4).collect();
    assert_eq!(ran.last_chunk(), Some(&[1, 2, 3]));
}

#[test]
fn a_call_comes_after_one_that_is_repeated_or_moved() {
    for refusal in [
        (500, "INTERNAL"),
        (303, "STATS_MIGRATE_4"),
        (401, "AUTH_KEY_PERM_EMPTY"),
    ] {
        let mut config = config();
        config.pfs = Some(secs(3_600));
        let mut net = Net::new(config, 122);
        net.sign_in();
        let mut left = 1;
        net.script(move |call| {
            if tag(call) == Some(1) && left > 0 {
                left -= 1;
                return error(refusal.0, refusal.1);
            }
            Answer::Default
        });
        let first = net.send_raw(user_call(1), &CallOptions::default());
        let second = net.send_raw(user_call(2), &after(&[first]));
        assert_eq!(net.answer(first), Ok(user_call(1)), "{refusal:?}");
        assert_eq!(net.answer(second), Ok(user_call(2)), "{refusal:?}");
        let ran = executed(&net);
        let first_done = ran.iter().rposition(|tag| *tag == 1);
        let second_done = ran.iter().position(|tag| *tag == 2);
        assert!(first_done < second_done, "{refusal:?}: {ran:?}");
    }
}

#[test]
fn a_call_comes_after_one_on_another_dc() {
    let mut net = Net::new(config(), 123);
    net.sign_in();
    net.door(4, Door::Refuses);
    let to = |dc| CallOptions::default().route(Route::Dc(DcId(dc)));
    let far = net.send_raw(user_call(1), &to(4));
    let near = net.send_raw(user_call(2), &after(&[far]));
    // Nor is a stream opened for what cannot go.
    let elsewhere = net.send_raw(user_call(3), &to(1).after(far).after(near));
    net.run(secs(5));
    assert_eq!(executed(&net), [0_i32; 0]);
    assert!(net.dials.iter().all(|(_, _, dc, _)| *dc != DcId(1)));
    net.door(4, Door::Open);
    for (id, tag) in [(far, 1), (near, 2), (elsewhere, 3)] {
        assert_eq!(net.answer(id), Ok(user_call(tag)));
    }
    assert_eq!(executed(&net), [1, 2, 3]);
}

#[test]
fn when_a_call_fails_what_was_to_come_after_it_is_not_executed() {
    let mut net = Net::new(config(), 124);
    net.sign_in();
    net.script(|call| {
        if tag(call) == Some(1) {
            return error(400, "PEER_ID_INVALID");
        }
        Answer::Default
    });
    let first = net.send_raw(user_call(1), &CallOptions::default());
    let second = net.send_raw(user_call(2), &after(&[first]));
    let third = net.send_raw(user_call(3), &after(&[second]));
    let fourth = net.send_raw(
        file_call(0),
        &CallOptions::default()
            .route(Route::Media(DcId(2)))
            .after(second),
    );
    assert!(net.answer(first).is_err());
    for (id, of) in [(second, first), (third, second), (fourth, second)] {
        let end = net.answer(id).unwrap_err();
        assert_eq!(end, failed(of));
        assert_eq!(end.fate(), Some(Fate::NotReceived));
    }
    net.run(secs(10));
    assert!(!executed(&net).contains(&3), "{:?}", executed(&net));
    assert_eq!(net.client.progress(second), None);
}

#[test]
fn a_call_that_waits_for_another_may_be_cancelled_and_has_its_own_deadline() {
    let mut net = Net::new(config(), 125);
    net.sign_in();
    net.door(4, Door::Black);
    let far = CallOptions::default()
        .route(Route::Dc(DcId(4)))
        .deadline(secs(50));
    let first = net.send_raw(user_call(1), &far);
    let begun = net.now();
    let cancelled = net.send_raw(user_call(2), &after(&[first]));
    let short = net.send_raw(user_call(3), &after(&[first]).deadline(secs(5)));
    let patient = net.send_raw(user_call(4), &after(&[first]).deadline(secs(500)));
    net.client.cancel(net.now(), cancelled);
    let end = RequestError::Cancelled(Fate::NotSent);
    assert_eq!(net.answer(cancelled), Err(end.into()));
    let end = RequestError::TimedOut(Fate::NotSent);
    assert_eq!(net.answer(short), Err(end.into()));
    assert_eq!(net.now(), begun + secs(5));
    assert_eq!(net.answer(patient), Err(failed(first)));
    assert_eq!(net.now(), begun + secs(50));
}

#[test]
fn what_comes_after_a_call_that_was_given_up_is_not_executed() {
    let mut net = Net::new(config(), 118);
    net.sign_in();
    net.script(|call| match tag(call) {
        Some(1) => Answer::Silent,
        _ => Answer::Default,
    });
    // Both are with the server, which executes the second one behind the first.
    let first = net.send_raw(user_call(1), &CallOptions::default());
    let second = net.send_raw(user_call(2), &after(&[first]));
    let third = net.send_raw(user_call(3), &after(&[second]));
    net.run(secs(2));
    assert_eq!(executed(&net), [1]);
    net.client.cancel(net.now(), first);
    let given_up = RequestError::Cancelled(Fate::MaybeExecuted);
    assert_eq!(net.answer(first), Err(given_up.into()));
    assert_eq!(net.answer(second), Err(failed(first)));
    assert_eq!(net.answer(third), Err(failed(second)));
    net.run(secs(60));
    assert_eq!(executed(&net), [1]);
}

#[test]
fn what_has_ended_holds_nothing_back() {
    let mut net = Net::new(config(), 126);
    net.sign_in();
    let first = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(first).is_ok());
    let stranger = RequestId(1 << 40);
    let second = net.send_raw(user_call(2), &after(&[first, stranger, first]));
    assert_eq!(net.answer(second), Ok(user_call(2)));
}

#[test]
fn what_comes_after_a_failure_that_nobody_has_heard_of_fails_with_it() {
    let mut net = Net::new(config(), 127);
    net.sign_in();
    let first = net.send_raw(user_call(1), &CallOptions::default());
    let now = net.now();
    net.client.cancel(now, first);
    let second = net.send_raw(user_call(2), &after(&[first]));
    let third = net.send_raw(user_call(3), &after(&[second]));
    assert_eq!(net.answer(second), Err(failed(first)));
    assert_eq!(net.answer(third), Err(failed(second)));
    // Whoever names it now knows.
    let fourth = net.send_raw(user_call(4), &after(&[first, third]));
    assert_eq!(net.answer(fourth), Ok(user_call(4)));
    assert_eq!(executed(&net), [4]);
}

#[test]
fn a_chain_of_thousands_ends_once_each_however_its_first_one_ends() {
    for dies in [false, true] {
        let mut net = Net::new(config(), 127);
        net.sign_in();
        net.script(move |call| match tag(call) {
            Some(0) if dies => error(400, "PEER_ID_INVALID"),
            _ => Answer::Default,
        });
        let mut ids = vec![net.send_raw(user_call(0), &CallOptions::default())];
        for tag in 1..5_000 {
            let options = after(&[*ids.last().unwrap()]).deadline(secs(3_600));
            ids.push(net.send_raw(user_call(tag), &options));
        }
        net.run(secs(3_000));
        let ends = |ok: bool| {
            let events = net.events.iter().filter(|(_, event)| match event {
                Event::Response { id, .. } => ok && ids.contains(id),
                Event::Failed { id, .. } => !ok && ids.contains(id),
                _ => false,
            });
            events.count()
        };
        if dies {
            assert_eq!((ends(true), ends(false)), (0, 5_000));
            assert_eq!(executed(&net)[0], 0);
        } else {
            assert_eq!((ends(true), ends(false)), (5_000, 0));
            assert!(executed(&net).is_sorted());
        }
    }
}

#[test]
fn closing_and_signing_out_end_what_waits_for_another() {
    let mut net = Net::new(config(), 128);
    net.sign_in();
    net.script(|_| Answer::Silent);
    let first = net.send_raw(user_call(1), &CallOptions::default());
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let second = net.send_raw(user_call(2), &to_4.after(first));
    net.run(secs(1));
    let open = net.client.progress(first);
    assert!(
        matches!(open, Some(Progress::Acked | Progress::Written)),
        "{open:?}"
    );
    net.client.close(net.now());
    assert!(net.answer(first).is_err());
    let end = net.answer(second).unwrap_err();
    assert!(
        matches!(end.fate(), Some(Fate::NotSent | Fate::NotReceived)),
        "{end:?}"
    );
    assert!(net.client.is_closed());
}

#[test]
fn progress_follows_a_call_from_its_submission_to_its_end() {
    let mut net = Net::new(config(), 129);
    net.sign_in();
    net.script(|_| Answer::Silent);
    net.door(2, Door::Refuses);
    net.cut(2);
    net.run(secs(1));
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert_eq!(net.client.progress(id), Some(Progress::Queued));
    net.run(secs(1));
    assert_eq!(net.client.progress(id), Some(Progress::Queued), "no stream");
    net.door(2, Door::Open);
    net.run_until(secs(60), |net| {
        net.client.progress(id) == Some(Progress::Written)
    });
    assert_eq!(net.client.progress(id), Some(Progress::Written));
    // The server's acknowledgement comes after 50 ms.
    net.run(Duration::from_millis(200));
    assert_eq!(net.client.progress(id), Some(Progress::Acked));
    net.door(2, Door::Refuses);
    net.cut(2);
    net.run(secs(1));
    assert_eq!(
        net.client.progress(id),
        Some(Progress::Acked),
        "known between streams"
    );
    net.client.cancel(net.now(), id);
    assert_eq!(net.client.progress(id), None);
}
