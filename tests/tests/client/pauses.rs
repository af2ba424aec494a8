//! Pauses of methods: one refusal holds back all calls that can wait.

use std::cell::RefCell;
use std::rc::Rc;

use mtproto_proto::client::{CallError, CallOptions, Event, FloodPolicy, Route};
use mtproto_proto::{DcId, RequestError};
use mtproto_schema::api::functions::{auth, messages};

use crate::net::{Answer, Net, config, error};
use crate::queries::{open_call, user_call};
use crate::secs;

/// A DC that refuses a method's first call with a pause of this name; how often it is called.
fn flooded(net: &mut Net, name: &'static str, wait: u64) -> Rc<RefCell<usize>> {
    let asked = Rc::new(RefCell::new(0));
    let ours = asked.clone();
    let mut refused = false;
    net.script(move |call| {
        if !call.is::<messages::ReceivedMessages>() {
            return Answer::Default;
        }
        *ours.borrow_mut() += 1;
        if !std::mem::replace(&mut refused, true) {
            return error(420, &format!("{name}_{wait}"));
        }
        Answer::Default
    });
    asked
}

#[test]
fn one_flood_wait_holds_back_all_later_calls_of_the_method() {
    for name in ["FLOOD_WAIT", "FLOOD_PREMIUM_WAIT"] {
        let mut net = Net::new(config(), 171);
        net.sign_in();
        let asked = flooded(&mut net, name, 20);
        let begun = net.now();
        let first = net.send_raw(user_call(0), &CallOptions::default());
        net.run(secs(5));
        let later: Vec<_> = (1..50)
            .map(|tag| net.send_raw(user_call(tag), &CallOptions::default()))
            .collect();
        // What is of another method goes.
        let other = net.send_raw(open_call(), &CallOptions::default());
        assert!(net.answer(other).is_ok());
        net.run(secs(10));
        assert_eq!(*asked.borrow(), 1, "{name}: the server was asked once");
        // What is left of the pause is told of each.
        let waits = net.events.iter().filter_map(|(_, event)| match event {
            Event::FloodWait { id, wait } if later.contains(id) => Some(*wait),
            _ => None,
        });
        let waits: Vec<_> = waits.collect();
        assert_eq!(waits.len(), later.len(), "{name}");
        let left = |wait: &std::time::Duration| (secs(15)..secs(16)).contains(wait);
        assert!(waits.iter().all(left), "{name}: {waits:?}");
        for id in later.into_iter().chain([first]) {
            assert!(net.answer(id).is_ok());
        }
        assert_eq!(*asked.borrow(), 51, "{name}: once more each");
        let took = net.now().saturating_since(begun);
        assert!(took >= secs(20) && took < secs(22), "{name}: {took:?}");
    }
}

#[test]
fn a_chats_slow_mode_is_the_chats() {
    let mut net = Net::new(config(), 172);
    net.sign_in();
    flooded(&mut net, "SLOWMODE_WAIT", 20);
    let first = net.send_raw(user_call(0), &CallOptions::default());
    net.run(secs(1));
    let begun = net.now();
    let other_chat = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(other_chat).is_ok());
    assert!(net.now().saturating_since(begun) < secs(1));
    assert!(net.answer(first).is_ok());
}

#[test]
fn who_may_not_wait_so_long_asks_the_server() {
    let mut net = Net::new(config(), 173);
    net.sign_in();
    flooded(&mut net, "FLOOD_WAIT", 20);
    let first = net.send_raw(user_call(0), &CallOptions::default());
    net.run(secs(1));
    for options in [
        CallOptions::default().flood(FloodPolicy::Fail),
        CallOptions::default().flood(FloodPolicy::WaitUpTo(secs(18))),
        CallOptions::default().deadline(secs(10)),
    ] {
        // It turned out to be about one chat.
        let id = net.send_raw(user_call(1), &options);
        let begun = net.now();
        assert!(net.answer(id).is_ok());
        assert!(net.now().saturating_since(begun) < secs(1));
    }
    assert!(net.answer(first).is_ok());
}

#[test]
fn a_call_waits_for_its_methods_pauses_up_to_its_own_sum() {
    let mut net = Net::new(config(), 174);
    net.sign_in();
    net.script(|call| {
        if call.is::<messages::ReceivedMessages>() {
            return error(420, "FLOOD_WAIT_25");
        }
        Answer::Default
    });
    let up_to = |sum| CallOptions::default().flood(FloodPolicy::WaitUpTo(secs(sum)));
    let first = net.send_raw(user_call(0), &up_to(31));
    net.run(secs(20));
    let ids = [31, 29].map(|sum| net.send_raw(user_call(1), &up_to(sum)));
    net.run(secs(1));
    let asked = |net: &Net| net.count::<messages::ReceivedMessages>(2);
    assert_eq!(asked(&net), 1);
    for id in ids.into_iter().chain([first]) {
        let end = net.answer(id);
        assert!(
            matches!(&end, Err(CallError::Request(RequestError::Rpc(e))) if e.message == "FLOOD_WAIT_25"),
            "{end:?}"
        );
    }
    // After 25 s; after 5 and 25 s; after 5 s, and 25 more would be too many.
    assert_eq!(asked(&net), 2 + 2 + 1);
}

#[test]
fn a_pause_ends_with_the_account_and_is_its_dcs() {
    let mut net = Net::new(config(), 175);
    net.sign_in();
    flooded(&mut net, "FLOOD_WAIT", 50);
    let first = net.send_raw(user_call(0), &CallOptions::default());
    net.run(secs(1));
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let begun = net.now();
    let elsewhere = net.send_raw(user_call(1), &to_4);
    assert!(net.answer(elsewhere).is_ok());
    assert!(net.now().saturating_since(begun) < secs(2));
    let out = net.send(&auth::LogOut, &CallOptions::default());
    assert!(net.answer(out).is_ok());
    assert!(net.answer(first).is_err());
    net.sign_in();
    let begun = net.now();
    let id = net.send_raw(user_call(2), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    assert!(net.now().saturating_since(begun) < secs(1));
}
