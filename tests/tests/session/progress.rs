//! How far a request is, and what is known of it at its end.

use mtproto_proto::Fate::{MaybeExecuted, NotReceived, NotSent};
use mtproto_proto::Progress::{Acked, Queued, Written};
use mtproto_proto::session::SendOptions;
use mtproto_proto::{RequestError, RequestId, RpcError};
use mtproto_test::rogue::{RogueServer, Said};

use crate::both::{Both, client_config, server_config};
use crate::support::{lost, secs, settled};

fn progress(rogue: &RogueServer, id: RequestId) -> Option<mtproto_proto::Progress> {
    rogue.client.progress(id)
}

#[test]
fn a_request_is_queued_written_acked_and_then_gone() {
    let mut rogue = settled(1001);
    rogue.reads(false);
    let id = rogue.call(b"the call");
    assert_eq!(progress(&rogue, id), Some(Queued));
    rogue.reads(true);
    let req = rogue.hear_one().msg_id;
    assert_eq!(progress(&rogue, id), Some(Written));
    rogue.say(Said::Acks(vec![req]));
    assert_eq!(progress(&rogue, id), Some(Acked));
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(progress(&rogue, id), None);
    assert_eq!(progress(&rogue, RequestId(0)), None);
    assert_eq!(progress(&rogue, RequestId(u64::MAX)), None);
}

#[test]
fn every_authentic_word_that_it_came_counts_and_a_quick_ack_does_not() {
    for word in [
        "quick",
        "ack",
        "container",
        "info",
        "all",
        "flags",
        "detailed",
    ] {
        let mut rogue = settled(1002);
        let mut options = SendOptions::default();
        options.quick_ack = true;
        let id = rogue.call_with(b"the call", &options);
        rogue.call(b"another.");
        let packet = rogue.hear_one();
        let req = packet.messages[0].msg_id;
        match word {
            "quick" => rogue.send_quick_ack(&packet),
            "ack" => _ = rogue.say(Said::Acks(vec![req])),
            "container" => _ = rogue.say(Said::Acks(vec![packet.msg_id])),
            "info" => {
                let question = rogue.wait(secs(5));
                let req = question.messages[0].msg_id;
                let info = vec![4; 2];
                _ = rogue.say(Said::StateInfo { req, info });
            }
            "all" | "flags" => {
                let info = vec![if word == "all" { 4 } else { 64 }];
                _ = rogue.say(Said::AllInfo {
                    ids: vec![req],
                    info,
                });
            }
            _ => {
                let answer = rogue.msg_id_moved(0);
                _ = rogue.say(Said::DetailedInfo {
                    msg_id: req,
                    answer,
                });
            }
        }
        let expected = if word == "quick" { Written } else { Acked };
        assert_eq!(progress(&rogue, id), Some(expected), "{word}");
    }
}

#[test]
fn what_is_to_be_sent_again_is_queued_again() {
    let mut rogue = settled(1003);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    rogue.reads(false);
    rogue.say(Said::bad_msg(req, 16));
    assert_eq!(progress(&rogue, id), Some(Queued));
    rogue.reads(true);
    rogue.hear();
    assert_eq!(progress(&rogue, id), Some(Written));
}

#[test]
fn progress_outlives_the_stream() {
    let mut rogue = settled(1004);
    let acked = rogue.call(b"call one");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::Acks(vec![req]));
    let written = rogue.call(b"call two");
    rogue.hear();
    rogue.reads(false);
    let queued = rogue.call(b"call 3..");
    let all = [
        (acked, Some(Acked)),
        (written, Some(Written)),
        (queued, Some(Queued)),
        (RequestId(99), None),
    ];
    rogue.send_eof();
    let rogue = rogue.reconnect_with(|suspended| {
        for (id, expected) in all {
            assert_eq!(suspended.progress(id), expected);
        }
        suspended
    });
    for (id, expected) in all {
        assert_eq!(progress(&rogue, id), expected);
    }
}

#[test]
fn what_waits_for_a_key_is_queued() {
    let mut both = Both::new(client_config(), server_config(), 1005);
    let id = both.call(b"the call");
    assert_eq!(both.pair.client.progress(id), Some(Queued));
    both.end_of(id, secs(10));
    assert_eq!(both.pair.client.progress(id), None);
}

#[test]
fn every_error_says_what_is_known_of_the_request() {
    let rpc = RpcError {
        code: 400,
        message: "NO".into(),
    };
    for (error, fate) in [
        (RequestError::Rpc(rpc), None),
        (RequestError::BadAnswer, None),
        (RequestError::TimedOut(NotSent), Some(NotSent)),
        (RequestError::Cancelled(MaybeExecuted), Some(MaybeExecuted)),
        (RequestError::Lost(NotReceived), Some(NotReceived)),
        (
            RequestError::DependencyFailed(RequestId(1)),
            Some(NotReceived),
        ),
    ] {
        assert_eq!(error.fate(), fate, "{error}");
    }
}

/// The table of fates, where nothing helps any more: no retries are left.
#[test]
fn a_budget_of_nothing_gives_each_refusal_its_fate() {
    for (said, fate) in [
        ("16", NotReceived),
        ("19", MaybeExecuted),
        ("20", MaybeExecuted),
        ("64", NotReceived),
        ("salt", NotReceived),
        ("state 1", MaybeExecuted),
        ("state 2", NotReceived),
        ("state 3", NotReceived),
        ("new session", MaybeExecuted),
    ] {
        for idempotent in [false, true] {
            let mut rogue = settled(1006);
            let mut options = SendOptions::default();
            options.max_retries = Some(0);
            options.idempotent = idempotent;
            let id = rogue.call_with(b"the call", &options);
            let req = rogue.hear_one().msg_id;
            let words: Vec<_> = said.split(' ').collect();
            match words[..] {
                ["salt"] => rogue.say(Said::bad_salt(req, 5)),
                ["state", state] => rogue.say(Said::AllInfo {
                    ids: vec![req],
                    info: vec![state.parse().unwrap()],
                }),
                ["new", _] => rogue.say(Said::NewSession {
                    first: rogue.msg_id_moved(1),
                    unique_id: 1,
                    salt: rogue.salt,
                }),
                [code] => rogue.say(Said::bad_msg(req, code.parse().unwrap())),
                _ => panic!("{said}"),
            };
            assert_eq!(rogue.news()[0], lost(id, fate), "{said}");
        }
    }
}
