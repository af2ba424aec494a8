//! Keys that servers deny, and what that proves; accounts that are gone.

use mtproto_proto::client::{CallError, CallOptions, Disconnected, Event, Route, SignedOut};
use mtproto_proto::connection::Error;
use mtproto_proto::{DcId, Fate, RequestId};
use mtproto_schema::api::functions::{auth, messages};

use crate::net::{Answer, Door, Net, config, error};
use crate::queries::{open_call, user_call};
use crate::secs;

/// Of a call that may not run twice nobody could tell whether a server that denied its key took it.
#[test]
fn a_call_that_a_server_got_before_it_denied_the_key_may_have_been_executed() {
    let mut net = key_is_lost(false, 180);
    let id = net.send_raw(user_call(1), &CallOptions::default());
    let begun = net.now();
    let end = net.answer(id).unwrap_err();
    assert_eq!(end.fate(), Some(Fate::MaybeExecuted), "{end:?}");
    assert!(net.now().saturating_since(begun) < secs(20));
}

/// Somebody is signed in under a key that the server has lost.
fn key_is_lost(pfs: bool, seed: u64) -> Net {
    let mut config = config();
    config.pfs = pfs.then_some(secs(3_600));
    let mut net = Net::new(config, seed);
    net.sign_in();
    net.run(secs(120));
    net.restart_server(2, false);
    net
}

#[test]
fn calls_under_a_key_that_the_server_lost_end_soon_and_the_account_stays() {
    for pfs in [false, true] {
        let mut net = key_is_lost(pfs, 181);
        let harmless = CallOptions::default().idempotent();
        for tag in 0..3 {
            let begun = net.now();
            let id = net.send_raw(user_call(tag), &harmless);
            let end = net.answer(id).unwrap_err();
            assert!(
                matches!(end, CallError::KeyDenied { dc: DcId(2), .. }),
                "{end:?}"
            );
            let took = net.now().saturating_since(begun);
            assert!(took < secs(20), "{took:?}");
            // Only the first one was on its way when the server forgot.
            assert!(tag == 0 || end.fate() == Some(Fate::NotSent), "{end:?}");
            assert!(net.client.account().is_some());
            net.run(secs(10));
        }
        // It was for a while only.
        let key = *net.store.dc(DcId(2)).unwrap().0.auth_key();
        let key = mtproto_proto::crypto::AuthKey::from_bytes(&key);
        let now = net.now();
        let server = &mut net.dcs.get_mut(&2).unwrap().server;
        server.provide_key(now, key.id(), Some(key));
        let id = net.send_raw(user_call(9), &CallOptions::default());
        assert_eq!(net.answer(id), Ok(user_call(9)));
        net.check_store();
    }
}

#[test]
fn an_account_whose_key_has_not_worked_since_the_beginning_is_signed_out_upon_proof() {
    for pfs in [false, true] {
        let mut net = key_is_lost(pfs, 182);
        let mut config = config();
        config.pfs = pfs.then_some(secs(3_600));
        net.restart(config);
        let begun = net.now();
        let harmless = CallOptions::default().idempotent();
        let id = net.send_raw(user_call(1), &harmless);
        let end = net.answer(id).unwrap_err();
        let reason = SignedOut::KeyInvalid;
        assert!(
            matches!(end, CallError::SignedOut { reason: told, .. } if told == reason),
            "{end:?}"
        );
        assert!(net.now().saturating_since(begun) < secs(20));
        assert!(net.happened(&Event::SignedOut(reason)));
        assert!(net.client.account().is_none());
        net.sign_in();
        net.check_store();
    }
}

#[test]
fn nobody_on_the_path_can_sign_an_account_out() {
    // Whatever the stream is, it is answered with -404; the account was not used before.
    let mut net = Net::new(config(), 183);
    net.sign_in();
    net.run(secs(120));
    net.restart(config());
    net.door(2, Door::Status(-404));
    net.client.connect(net.now());
    net.client.set_online(net.now(), true);
    let id = net.send_raw(user_call(1), &CallOptions::default());
    net.run(secs(3_600));
    assert!(net.answer(id).is_err());
    assert!(net.client.account().is_some());
    let told = (2, Disconnected::Error(Error::Status { code: -404 }));
    assert!(net.disconnects().contains(&told));
    // The key is the same, and what proved it serves.
    net.door(2, Door::Open);
    let id = net.send_raw(user_call(2), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(user_call(2)));
    let permanent = net.dcs[&2].keys.iter().filter(|(_, temp)| !temp).count();
    assert_eq!(permanent, 1);
    // Nor does what began under the temporary key get lost with its stream.
    net.script(|call| {
        if call.is::<messages::ReceivedMessages>() {
            Answer::Silent
        } else {
            Answer::Default
        }
    });
    let id = net.send_raw(user_call(3), &CallOptions::default());
    net.run(secs(1));
    net.cut(2);
    net.run(secs(5));
    let call = net.executed.last().unwrap().clone();
    net.respond(2, call.id, Answer::Ok(user_call(3)));
    assert_eq!(net.answer(id), Ok(user_call(3)));
}

/// Somebody is signed in on DC 2, and was sent to DC 4, which the account cannot reach yet.
fn on_the_move(seed: u64) -> (Net, RequestId) {
    let mut net = Net::new(config(), seed);
    net.sign_in();
    net.run(secs(120));
    net.script(|call| {
        if call.dc == 2 && call.is::<messages::ReceivedMessages>() {
            error(303, "USER_MIGRATE_4")
        } else if call.is::<auth::ExportAuthorization>() {
            Answer::Silent
        } else {
            Answer::Default
        }
    });
    let patient = CallOptions::default().deadline(secs(3_600));
    let id = net.send_raw(user_call(1), &patient);
    net.run(secs(2));
    assert_eq!(net.client.main_dc(), DcId(4));
    (net, id)
}

#[test]
fn f23_nobody_on_the_path_can_take_the_key_that_an_account_comes_along_with() {
    let (mut net, id) = on_the_move(191);
    let before = net.store.dc(DcId(2)).unwrap().0.auth_key_id();
    net.door(2, Door::Status(-404));
    net.cut(2);
    net.run(secs(600));
    let told = (2, Disconnected::Error(Error::Status { code: -404 }));
    assert!(net.disconnects().iter().filter(|end| **end == told).count() > 3);
    let stored = net.store.dc(DcId(2)).expect("the key is kept").0;
    assert_eq!(stored.auth_key_id(), before);
    net.door(2, Door::Open);
    net.script(|_| Answer::Default);
    assert_eq!(net.answer_within(id, secs(600)), Ok(user_call(1)));
    assert_eq!(net.client.account().unwrap().main_dc, DcId(4));
    net.check_store();
}

#[test]
fn an_account_whose_last_key_is_gone_while_it_moves_is_signed_out() {
    let (mut net, id) = on_the_move(192);
    // The server proves itself, and has lost the key.
    net.sleep_until(net.now() + secs(25 * 3_600));
    net.run(secs(1));
    let _ = net.answer(id);
    net.restart_server(2, false);
    net.script(|_| Answer::Default);
    let id = net.send_raw(user_call(2), &CallOptions::default());
    assert!(net.answer(id).is_err());
    let gone = |reason| net.happened(&Event::SignedOut(reason));
    assert!(gone(SignedOut::KeyInvalid) || gone(SignedOut::Revoked));
    assert_eq!(net.client.account(), None);
    net.check_store();
}

#[test]
fn a_key_that_was_just_made_is_not_believed_to_be_gone() {
    let mut net = Net::new(config(), 184);
    net.sign_in();
    net.restart(config());
    net.restart_server(2, false);
    let harmless = CallOptions::default().idempotent();
    let id = net.send_raw(user_call(1), &harmless);
    let end = net.answer(id).unwrap_err();
    assert!(matches!(end, CallError::KeyDenied { .. }), "{end:?}");
    assert!(net.client.account().is_some());
}

#[test]
fn after_a_revocation_calls_that_the_server_refuses_say_so() {
    let mut net = Net::new(config(), 185);
    net.sign_in();
    net.dcs.get_mut(&2).unwrap().users.clear();
    let ids: Vec<_> = (0..5)
        .map(|tag| net.send_raw(user_call(tag), &CallOptions::default()))
        .collect();
    net.run_until(secs(10), |net| {
        net.happened(&Event::SignedOut(SignedOut::Revoked))
    });
    // The application has not looked yet.
    let late = net.send_raw(user_call(9), &CallOptions::default());
    for id in ids.into_iter().chain([late]) {
        let end = net.answer(id).unwrap_err();
        let reason = SignedOut::Revoked;
        assert!(
            matches!(end, CallError::SignedOut { reason: told, .. } if told == reason),
            "{end:?}"
        );
    }
    // A new process knows of no former account, and says what the server says.
    net.restart(config());
    let id = net.send_raw(user_call(9), &CallOptions::default());
    let end = net.answer(id).unwrap_err();
    assert_eq!(end.fate(), None, "{end:?}");
}

#[test]
fn a_fate_is_told_of_every_call_when_somebody_signs_out() {
    let mut net = Net::new(config(), 186);
    net.sign_in();
    net.script(|call| {
        if call.is::<auth::LogOut>() {
            Answer::Default
        } else {
            Answer::Silent
        }
    });
    let sent = net.send_raw(user_call(1), &CallOptions::default());
    net.door(4, Door::Black);
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let waits = net.send_raw(open_call(), &to_4);
    net.run(secs(1));
    let out = net.send(&auth::LogOut, &CallOptions::default());
    assert!(net.answer(out).is_ok());
    let fate = |net: &mut Net, id| net.answer(id).unwrap_err().fate();
    assert_eq!(fate(&mut net, sent), Some(Fate::MaybeExecuted));
    assert_eq!(fate(&mut net, waits), Some(Fate::NotSent));
}

#[test]
fn a_call_that_waits_for_the_account_is_not_told_the_fate_of_what_brings_it() {
    let mut net = Net::new(config(), 187);
    net.sign_in();
    net.script(|call| {
        if call.is::<auth::ImportAuthorization>() {
            return error(400, "AUTH_BYTES_INVALID");
        }
        Answer::Silent
    });
    // The export is silent: the call's own deadline ends it, and it was never sent.
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let id = net.send_raw(user_call(1), &to_4.deadline(secs(30)));
    assert_eq!(net.answer(id).unwrap_err().fate(), Some(Fate::NotSent));
    assert_eq!(net.count::<messages::ReceivedMessages>(4), 0);
}

#[test]
fn the_accounts_way_to_a_dc_is_tried_for_as_long_as_calls_wait() {
    let mut net = Net::new(config(), 188);
    net.sign_in();
    let mut left = 8;
    net.script(move |call| {
        if call.is::<auth::ExportAuthorization>() && left > 0 {
            left -= 1;
            return Answer::Silent;
        }
        Answer::Default
    });
    // Eight times a minute without an answer, and a minute's pause at most between.
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let id = net.send_raw(user_call(1), &to_4.deadline(secs(3_600)));
    let end = net.answer_within(id, secs(3_600));
    assert_eq!(end, Ok(user_call(1)));
    assert_eq!(net.count::<auth::ExportAuthorization>(2), 9);
}

#[test]
fn a_dc_that_the_account_does_not_live_on_does_not_move_it() {
    let mut net = Net::new(config(), 189);
    net.sign_in();
    net.script(|call| {
        if call.dc == 4 && call.is::<messages::ReceivedMessages>() {
            return error(303, "USER_MIGRATE_1");
        }
        Answer::Default
    });
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let id = net.send_raw(user_call(1), &to_4);
    assert_eq!(net.answer(id), Ok(user_call(1)));
    assert_eq!(net.client.main_dc(), DcId(2));
    assert_eq!(net.executed.last().unwrap().dc, 1, "the call went there");
}

#[test]
fn a_challenge_is_for_the_application() {
    for (code, name) in [
        (403, "RECAPTCHA_CHECK_signup__key"),
        (420, "FROZEN_METHOD_INVALID"),
    ] {
        let mut net = Net::new(config(), 190);
        net.sign_in();
        net.script(move |call| {
            if call.is::<messages::ReceivedMessages>() {
                return error(code, name);
            }
            Answer::Default
        });
        let id = net.send_raw(user_call(1), &CallOptions::default());
        let end = net.answer(id).unwrap_err();
        assert!(end.to_string().contains(name), "{end}");
        assert_eq!(net.count::<messages::ReceivedMessages>(2), 1);
    }
}
