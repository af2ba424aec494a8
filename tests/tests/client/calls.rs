//! Calls on one DC: answers, errors of the server, pauses, deadlines, ends.

use std::time::Duration;

use mtproto_proto::client::{CallError, CallOptions, Event, FloodPolicy};
use mtproto_proto::{DcId, Fate, RequestError, RpcError, SendError};
use mtproto_schema::api::functions;

use crate::net::{Answer, Door, Executed, Net, config, error};
use crate::queries::{open_call, user_call};
use crate::secs;

fn rpc(code: i32, message: &str) -> CallError {
    CallError::Request(RequestError::Rpc(RpcError {
        code,
        message: message.to_owned(),
    }))
}

/// A DC that answers the first `times` calls of `open_call` with this error.
fn fails(net: &mut Net, times: usize, code: i32, message: &'static str) {
    let mut left = times;
    net.script(move |call| {
        if call.is::<functions::help::GetNearestDc>() && left > 0 {
            left -= 1;
            return error(code, message);
        }
        Answer::Default
    });
}

fn executed(net: &Net) -> usize {
    net.count::<functions::help::GetNearestDc>(2)
}

#[test]
fn a_call_makes_a_key_and_is_answered() {
    let mut net = Net::new(config(), 1);
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(open_call()));
    assert_eq!(net.dcs[&2].keys.len(), 1);
    let connected = Event::Connected {
        dc: DcId(2),
        media: false,
    };
    assert!(net.happened(&connected));
    assert!(net.store.dc(DcId(2)).is_some(), "the key is to be stored");
}

#[test]
fn the_configuration_is_asked_for_once_and_again_when_it_has_expired() {
    let mut net = Net::new(config(), 2);
    net.client.connect(net.now());
    net.run(secs(3_000));
    assert_eq!(net.count::<functions::help::GetConfig>(2), 1);
    net.run(secs(1_000));
    assert_eq!(net.count::<functions::help::GetConfig>(2), 2);
}

#[test]
fn a_pause_is_kept_and_told_and_the_call_is_sent_again() {
    let mut net = Net::new(config(), 3);
    fails(&mut net, 2, 420, "FLOOD_WAIT_10");
    let begun = net.now();
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(open_call()));
    let took = net.now().saturating_since(begun);
    assert!(took >= secs(20) && took < secs(21), "{took:?}");
    let told = Event::FloodWait { id, wait: secs(10) };
    let count = net.events.iter().filter(|(_, e)| *e == told).count();
    assert_eq!((count, executed(&net)), (2, 3));
}

#[test]
fn every_kind_of_pause_is_known_and_a_frozen_method_is_none() {
    for name in [
        "FLOOD_WAIT_0",
        "FLOOD_PREMIUM_WAIT_1",
        "SLOWMODE_WAIT_1",
        "2FA_CONFIRM_WAIT_1",
        "TAKEOUT_INIT_DELAY_1",
        "FLOOD_TEST_PHONE_WAIT_1",
    ] {
        let mut net = Net::new(config(), 4);
        fails(&mut net, 1, 420, name);
        let id = net.send_raw(open_call(), &CallOptions::default());
        assert_eq!(net.answer(id), Ok(open_call()), "{name}");
        assert_eq!(executed(&net), 2, "{name}");
    }
    let mut net = Net::new(config(), 4);
    fails(&mut net, 1, 420, "FROZEN_METHOD_INVALID");
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert_eq!(net.answer(id), Err(rpc(420, "FROZEN_METHOD_INVALID")));
}

#[test]
fn pauses_beyond_the_policy_or_the_deadline_fail_at_once_with_the_servers_error() {
    let cases = [
        (CallOptions::default().flood(FloodPolicy::Fail), 1),
        (CallOptions::default(), 61),
        (
            CallOptions::default()
                .flood(FloodPolicy::WaitUpTo(secs(100)))
                .deadline(secs(20)),
            30,
        ),
    ];
    for (options, wait) in cases {
        let mut net = Net::new(config(), 5);
        let message: &'static str = format!("FLOOD_WAIT_{wait}").leak();
        fails(&mut net, 1, 420, message);
        let begun = net.now();
        let id = net.send_raw(open_call(), &options);
        assert_eq!(net.answer(id), Err(rpc(420, message)));
        assert!(net.now().saturating_since(begun) < secs(1));
    }
}

#[test]
fn the_sum_of_the_pauses_counts() {
    let mut net = Net::new(config(), 6);
    fails(&mut net, 9, 420, "FLOOD_WAIT_25");
    let options = CallOptions::default().deadline(secs(1_000));
    let id = net.send_raw(open_call(), &options);
    assert_eq!(net.answer(id), Err(rpc(420, "FLOOD_WAIT_25")));
    assert_eq!(executed(&net), 3, "25 and 50 s are allowed, 75 s are not");
}

#[test]
fn errors_of_the_server_are_repeated_after_growing_pauses_and_then_told() {
    let mut net = Net::new(config(), 7);
    fails(&mut net, 99, 500, "INTERNAL");
    let begun = net.now();
    let id = net.send_raw(open_call(), &CallOptions::default().deadline(secs(600)));
    assert_eq!(net.answer(id), Err(rpc(500, "INTERNAL")));
    assert_eq!(executed(&net), 6, "once, and five times again");
    let took = net.now().saturating_since(begun);
    assert!(took >= secs(1 + 2 + 4 + 8 + 16), "{took:?}");

    let mut net = Net::new(config(), 7);
    fails(&mut net, 2, 500, "WORKER_BUSY_TOO_LONG_RETRY");
    let begun = net.now();
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(open_call()));
    assert!(net.now().saturating_since(begun) < Duration::from_millis(2_500));
}

#[test]
fn a_timeout_of_the_server_is_repeated_only_if_that_is_harmless() {
    let mut net = Net::new(config(), 8);
    fails(&mut net, 1, -503, "Timeout");
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert_eq!(net.answer(id), Err(rpc(-503, "Timeout")));

    let mut net = Net::new(config(), 8);
    fails(&mut net, 1, -503, "Timeout");
    let id = net.send_raw(open_call(), &CallOptions::default().idempotent());
    assert_eq!(net.answer(id), Ok(open_call()));
}

#[test]
fn what_is_wrong_with_the_call_is_told_at_once() {
    for (code, message) in [
        (400, "PEER_ID_INVALID"),
        (403, "CHAT_WRITE_FORBIDDEN"),
        (404, "METHOD_INVALID"),
        (406, "PHONE_PASSWORD_FLOOD"),
        (401, "SESSION_PASSWORD_NEEDED"),
        (500, "AUTH_RESTART"),
    ] {
        let mut net = Net::new(config(), 9);
        fails(&mut net, 1, code, message);
        let id = net.send_raw(open_call(), &CallOptions::default());
        assert_eq!(net.answer(id), Err(rpc(code, message)));
        assert_eq!(executed(&net), 1, "{message}");
    }
}

#[test]
fn a_server_that_forgets_the_initialisation_is_told_again() {
    for message in ["CONNECTION_NOT_INITED", "CONNECTION_LAYER_INVALID"] {
        let mut net = Net::new(config(), 10);
        let id = net.send_raw(open_call(), &CallOptions::default());
        assert!(net.answer(id).is_ok());
        net.executed.clear();
        fails(&mut net, 1, 400, message);
        let id = net.send_raw(open_call(), &CallOptions::default());
        assert_eq!(net.answer(id), Ok(open_call()));
        let inits: Vec<bool> = net.executed.iter().map(|call| call.inits).collect();
        assert_eq!(inits, [false, true], "{message}");
    }
    let mut net = Net::new(config(), 10);
    fails(&mut net, 99, 400, "CONNECTION_NOT_INITED");
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert_eq!(net.answer(id), Err(rpc(400, "CONNECTION_NOT_INITED")));
    assert!(executed(&net) <= 2, "saying it again does not help");
}

#[test]
fn a_deadline_counts_over_everything() {
    // Nobody answers the door.
    let mut net = Net::new(config(), 11);
    net.door(2, Door::Black);
    let begun = net.now();
    let id = net.send_raw(open_call(), &CallOptions::default().deadline(secs(7)));
    let error = CallError::Request(RequestError::TimedOut(Fate::NotSent));
    assert_eq!(net.answer(id), Err(error));
    assert_eq!(net.now(), begun + secs(7));

    // The server never answers.
    let mut net = Net::new(config(), 11);
    net.script(|call| {
        if call.is::<functions::help::GetNearestDc>() {
            Answer::Silent
        } else {
            Answer::Default
        }
    });
    let begun = net.now();
    let id = net.send_raw(open_call(), &CallOptions::default());
    let error = CallError::Request(RequestError::TimedOut(Fate::MaybeExecuted));
    assert_eq!(net.answer(id), Err(error.clone()));
    assert_eq!(net.now(), begun + secs(60), "the default");

    // The stream is gone while it waits for its answer.
    let id = net.send_raw(open_call(), &CallOptions::default().deadline(secs(20)));
    net.run(secs(1));
    net.door(2, Door::Refuses);
    net.cut(2);
    assert_eq!(net.answer(id), Err(error));
    assert_eq!(net.now(), begun + secs(80));
}

#[test]
fn a_call_is_cancelled_wherever_it_is() {
    let cancelled = |fate| Err(CallError::Request(RequestError::Cancelled(fate)));

    // Before there is a stream.
    let mut net = Net::new(config(), 12);
    let id = net.send_raw(open_call(), &CallOptions::default());
    net.client.cancel(net.now(), id);
    assert_eq!(net.answer(id), cancelled(Fate::NotSent));
    net.client.cancel(net.now(), id);
    net.run(secs(5));
    assert_eq!(executed(&net), 0);

    // While the server works on it.
    net.script(|_| Answer::Silent);
    let id = net.send_raw(open_call(), &CallOptions::default());
    net.run(secs(1));
    net.client.cancel(net.now(), id);
    assert_eq!(net.answer(id), cancelled(Fate::MaybeExecuted));

    // Between two streams.
    let id = net.send_raw(open_call(), &CallOptions::default());
    net.run(secs(1));
    net.door(2, Door::Refuses);
    net.cut(2);
    net.run(secs(1));
    net.client.cancel(net.now(), id);
    assert_eq!(net.answer(id), cancelled(Fate::MaybeExecuted));

    // In a pause.
    let mut net = Net::new(config(), 12);
    fails(&mut net, 1, 420, "FLOOD_WAIT_30");
    let id = net.send_raw(open_call(), &CallOptions::default());
    net.run(secs(5));
    net.client.cancel(net.now(), id);
    assert_eq!(net.answer(id), cancelled(Fate::NotReceived));
    net.run(secs(60));
    assert_eq!(executed(&net), 1);
}

#[test]
fn calls_are_bounded_and_judged_before_they_are_taken() {
    let mut config = config();
    config.limits.calls = 3;
    let mut net = Net::new(config, 13);
    net.door(2, Door::Refuses);
    let now = net.now();
    for _ in 0..3 {
        net.send_raw(open_call(), &CallOptions::default());
    }
    let options = CallOptions::default();
    let sent = net.client.send(now, open_call(), &options);
    assert_eq!(sent, Err(SendError::TooMany { max: 3 }));
    let sent = net.client.send(now, vec![1, 2, 3].into(), &options);
    assert_eq!(sent, Err(SendError::Unaligned { got: 3 }));
    let sent = net.client.send(now, vec![0; 2 << 20].into(), &options);
    assert!(matches!(sent, Err(SendError::TooLarge { .. })), "{sent:?}");
    net.client.close(now);
    let sent = net.client.send(now, open_call(), &options);
    assert_eq!(sent, Err(SendError::Ended));
}

#[test]
fn ten_thousand_calls_at_once_are_answered() {
    let mut net = Net::new(config(), 14);
    net.sign_in();
    let ids: Vec<_> = (0..10_000)
        .map(|tag| net.send_raw(user_call(tag), &CallOptions::default()))
        .collect();
    net.run(secs(30));
    let answered = net
        .events
        .iter()
        .filter(|(_, e)| matches!(e, Event::Response { id, .. } if ids.contains(id)))
        .count();
    assert_eq!(answered, ids.len());
}

#[test]
fn a_stream_that_breaks_loses_no_call() {
    let mut net = Net::new(config(), 15);
    net.sign_in();
    net.script(|call| {
        if call.is::<functions::messages::ReceivedMessages>() {
            Answer::Silent
        } else {
            Answer::Default
        }
    });
    let id = net.send_raw(user_call(1), &CallOptions::default());
    net.run(secs(1));
    // The answer comes while there is no stream, and over the next one.
    net.door(2, Door::Refuses);
    net.cut(2);
    net.run(secs(3));
    let ours = |call: &&Executed| call.is::<functions::messages::ReceivedMessages>();
    let call = net.executed.iter().find(ours).unwrap().clone();
    net.respond(2, call.id, Answer::Ok(user_call(1)));
    net.door(2, Door::Open);
    assert_eq!(net.answer(id), Ok(user_call(1)));
    assert_eq!(
        net.count::<functions::messages::ReceivedMessages>(2),
        1,
        "it was not sent twice"
    );
}
