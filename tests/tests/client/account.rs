//! The account: signing in and out, whoever does it.

use mtproto_proto::client::{CallError, CallOptions, Change, Event, Key, Route, SignedOut};
use mtproto_proto::{DcId, Fate, RequestError};
use mtproto_schema::api::{enums, functions, types};

use crate::net::{Answer, Door, Net, config, error, ok};
use crate::queries::{authorization, user_call};
use crate::secs;

fn dc(id: i16) -> CallOptions {
    CallOptions::default().route(Route::Dc(DcId(id)))
}

fn log_out() -> functions::auth::LogOut {
    functions::auth::LogOut
}

fn nothing_is_stored(net: &Net) {
    assert_eq!(net.store.get(Key::Account), None);
    for dc in [1, 2, 4] {
        assert!(net.store.dc(DcId(dc)).is_none(), "DC {dc}");
    }
}

#[test]
fn a_late_refusal_of_a_call_from_before_the_sign_in_ends_no_account() {
    let mut net = Net::new(config(), 60);
    net.script(|call| {
        if call.is::<functions::messages::ReceivedMessages>() {
            return Answer::Silent;
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(1), &CallOptions::default());
    net.run(secs(1));
    let is_it = |call: &&crate::net::Executed| call.is::<functions::messages::ReceivedMessages>();
    let early = net.executed.iter().find(is_it).unwrap().id;
    net.script(|_| Answer::Default);
    net.sign_in();
    net.respond(2, early, error(401, "AUTH_KEY_UNREGISTERED"));
    assert_eq!(net.answer(id), Ok(user_call(1)));
    assert!(net.client.account().is_some());
    net.check_store();
}

#[test]
fn who_signs_in_is_known_and_stored() {
    let mut net = Net::new(config(), 61);
    net.sign_in();
    let event = Event::SignedIn {
        user_id: 777,
        dc: DcId(2),
    };
    assert!(net.happened(&event), "{:?}", net.events);
    let account = net.store.account().unwrap();
    assert_eq!((account.user_id, account.main_dc), (Some(777), DcId(2)));
    assert!(net.store.dc(DcId(2)).unwrap().1);
    assert_eq!(net.client.account(), Some(&account));
    net.check_store();

    net.restart(config());
    assert_eq!(net.client.account(), Some(&account));
    let id = net.send_raw(user_call(5), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(user_call(5)));
    assert_eq!(net.dcs[&2].keys.len(), 1);
}

#[test]
fn every_answer_that_signs_in_is_recognised() {
    let inner = || authorization(5);
    let token = enums::auth::LoginToken::Success(types::auth::LoginTokenSuccess {
        authorization: inner(),
    });
    let code = enums::auth::SentCode::Success(Box::new(types::auth::SentCodeSuccess {
        authorization: inner(),
    }));
    let import = functions::auth::ImportLoginToken {
        token: b"t"[..].into(),
    };
    let bot = functions::auth::ImportBotAuthorization {
        flags: 0,
        api_id: 1,
        api_hash: "h".into(),
        bot_auth_token: "5:x".into(),
    };
    let resend = functions::auth::ResendCode {
        phone_number: "1".into(),
        phone_code_hash: "h".into(),
        reason: None,
    };
    use mtproto_schema::Encode;
    for (query, answer) in [
        (import.to_bytes(), ok(&token)),
        (bot.to_bytes(), ok(&inner())),
        (resend.to_bytes(), ok(&code)),
    ] {
        let mut net = Net::new(config(), 62);
        net.script(move |call| {
            if call.is::<functions::help::GetConfig>() {
                Answer::Default
            } else {
                answer.clone()
            }
        });
        // Also where the application chose the DC, as after `loginTokenMigrateTo`.
        let id = net.send_raw(query, &dc(4));
        assert!(net.answer(id).is_ok());
        let event = Event::SignedIn {
            user_id: 5,
            dc: DcId(4),
        };
        assert!(net.happened(&event));
        assert!(net.happened(&Event::MainDcChanged { dc: DcId(4) }));
        assert_eq!(net.client.main_dc(), DcId(4));
    }
}

#[test]
fn an_answer_that_only_looks_like_it_signs_nobody_in() {
    let mut net = Net::new(config(), 63);
    net.script(|call| {
        if call.is::<functions::help::GetNearestDc>() {
            ok(&authorization(5))
        } else {
            Answer::Default
        }
    });
    let id = net.send_raw(crate::queries::open_call(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    assert!(net.client.account().is_none());
}

#[test]
fn errors_of_the_account_sign_out_with_their_reason() {
    for (code, message, reason) in [
        (401, "AUTH_KEY_UNREGISTERED", SignedOut::Revoked),
        (401, "SESSION_REVOKED", SignedOut::Revoked),
        (401, "SESSION_EXPIRED", SignedOut::Expired),
        (401, "USER_DEACTIVATED", SignedOut::Deactivated),
        (401, "USER_DEACTIVATED_BAN", SignedOut::Banned),
        (401, "AUTH_KEY_INVALID", SignedOut::KeyInvalid),
        (406, "AUTH_KEY_DUPLICATED", SignedOut::KeyDuplicated),
    ] {
        let mut net = Net::new(config(), 64);
        net.sign_in();
        let waits = net.send_raw(user_call(9), &dc(4));
        net.script(move |call| {
            if call.dc == 4 {
                Answer::Silent
            } else {
                error(code, message)
            }
        });
        let ids = [1, 2, 3].map(|tag| net.send_raw(user_call(tag), &CallOptions::default()));
        for id in ids.into_iter().chain([waits]) {
            let end = net.answer(id).unwrap_err();
            assert!(
                matches!(end, CallError::SignedOut { reason: told, .. } if told == reason),
                "{message}: {end:?}"
            );
        }
        assert!(net.happened(&Event::SignedOut(reason)));
        assert!(net.client.account().is_none());
        assert_eq!(net.store.get(Key::Account), None);
        assert!(net.store.dc(DcId(2)).is_none(), "{message}");
        // Somebody may sign in again, with a new key.
        net.script(|_| Answer::Default);
        net.sign_in();
        assert_eq!(net.dcs[&2].keys.len(), 2, "{message}");
    }
}

#[test]
fn who_is_not_signed_in_is_not_signed_out() {
    let mut net = Net::new(config(), 65);
    let id = net.send_raw(user_call(1), &CallOptions::default());
    let end = net.answer(id);
    assert!(
        matches!(&end, Err(CallError::Request(RequestError::Rpc(e))) if e.code == 401),
        "{end:?}"
    );
    assert_eq!(net.dcs[&2].keys.len(), 1);
    // The password is asked for by an error of the same code.
    net.sign_in();
    net.script(|_| error(401, "SESSION_PASSWORD_NEEDED"));
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(id).is_err());
    assert!(net.client.account().is_some());
}

#[test]
fn logging_out_destroys_every_key() {
    for pfs in [None, Some(secs(3_600))] {
        let mut config = config();
        config.pfs = pfs;
        let mut net = Net::new(config, 66);
        net.sign_in();
        let id = net.send_raw(user_call(1), &dc(4));
        assert!(net.answer(id).is_ok());
        net.script(|call| {
            if call.dc == 4 {
                Answer::Silent
            } else {
                Answer::Default
            }
        });
        let waits = net.send_raw(user_call(2), &dc(4));
        net.run(secs(1));
        let permanent = |net: &Net, dc: i16| {
            let keys = net.dcs[&dc].keys.iter();
            keys.filter(|(_, temp)| !temp)
                .map(|(key, _)| *key)
                .collect::<Vec<_>>()
        };
        let id = net.send(&log_out(), &CallOptions::default());
        assert!(net.answer(id).is_ok());
        let gone = CallError::SignedOut {
            reason: SignedOut::Requested,
            fate: Fate::MaybeExecuted,
        };
        assert_eq!(net.answer(waits), Err(gone));
        assert!(net.happened(&Event::SignedOut(SignedOut::Requested)));
        nothing_is_stored(&net);
        net.run(secs(10));
        assert_eq!(net.dcs[&2].destroyed, permanent(&net, 2));
        assert_eq!(net.dcs[&4].destroyed, permanent(&net, 4));
        assert_eq!(net.open_streams(), [0_i16; 0]);
        net.script(|_| Answer::Default);
        net.sign_in();
        assert_eq!(permanent(&net, 2).len(), 2, "with a new key");
        net.check_store();
    }
}

#[test]
fn a_log_out_that_the_server_has_counts_without_its_answer() {
    let mut net = Net::new(config(), 67);
    net.sign_in();
    net.script(|call| {
        if call.is::<functions::auth::LogOut>() {
            Answer::Silent
        } else {
            Answer::Default
        }
    });
    let id = net.send(&log_out(), &CallOptions::default());
    // The server's acknowledgement comes after 50 ms; then the stream breaks.
    net.run(secs(1));
    net.cut(2);
    let answer = net.answer(id).unwrap();
    let none = types::auth::LoggedOut {
        future_auth_token: None,
    };
    assert_eq!(answer, mtproto_schema::Encode::to_bytes(&none));
    assert!(net.happened(&Event::SignedOut(SignedOut::Requested)));
    nothing_is_stored(&net);
}

#[test]
fn a_log_out_that_the_server_has_and_never_answers_ends_by_its_deadline() {
    let mut net = Net::new(config(), 73);
    net.sign_in();
    net.script(|call| {
        if call.is::<functions::auth::LogOut>() {
            Answer::Silent
        } else {
            Answer::Default
        }
    });
    let id = net.send(&log_out(), &CallOptions::default().deadline(secs(5)));
    assert!(net.answer(id).is_ok());
    assert!(net.happened(&Event::SignedOut(SignedOut::Requested)));
}

#[test]
fn an_account_without_its_key_is_no_account() {
    let mut net = Net::new(config(), 74);
    net.sign_in();
    let key = Key::Dc(DcId(2));
    net.store
        .apply(mtproto_proto::client::Change { key, value: None });
    net.restart(config());
    assert!(net.client.account().is_none());
    net.sign_in();
    assert!(net.client.account().is_some());
}

#[test]
fn wrappers_hide_nothing() {
    use mtproto_schema::{Encode, tl};

    let wrap = |query: &dyn Fn(&mut Vec<u8>)| {
        let mut body = Vec::new();
        tl::put_u32(&mut body, 0xbf94_59b7); // invokeWithoutUpdates
        tl::put_u32(&mut body, 0xaca9_fd2e); // invokeWithTakeout
        tl::put_i64(&mut body, 5);
        query(&mut body);
        mtproto_schema::Bytes::from(body)
    };
    let mut net = Net::new(config(), 75);
    net.script(|call| {
        let inner = call.query.get(16..).unwrap_or_default();
        if inner.starts_with(&0x8d52_a951_u32.to_le_bytes()) {
            return ok(&authorization(777));
        }
        Answer::Default
    });
    let query = wrap(&|body| crate::queries::sign_in_query().encode(body));
    let id = net.send_raw(query, &CallOptions::default());
    assert!(net.answer(id).is_ok());
    assert_eq!(net.client.account().unwrap().user_id, Some(777));
    // What needs a user inside needs one.
    let query = wrap(&|body| body.extend(user_call(1)));
    net.send_raw(query, &dc(4));
    net.run(secs(1));
    assert_eq!(net.count::<functions::auth::ExportAuthorization>(2), 1);
}

#[test]
fn a_log_out_that_never_arrived_fails_and_the_account_stays() {
    let mut net = Net::new(config(), 68);
    net.sign_in();
    net.door(2, Door::Black);
    net.vanish(2);
    let id = net.send(&log_out(), &CallOptions::default());
    assert!(net.answer(id).is_err());
    assert!(net.client.account().is_some());
}

#[test]
fn keys_are_forgotten_even_if_their_servers_are_away() {
    let mut net = Net::new(config(), 69);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    net.door(4, Door::Black);
    net.cut(4);
    let id = net.send(&log_out(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    nothing_is_stored(&net);
    net.run(secs(60));
    assert_eq!(net.dcs[&4].destroyed, []);
    let dials = net.dials.len();
    net.run(secs(600));
    assert_eq!(net.dials.len(), dials, "it is not tried for ever");
    assert_eq!(net.client.poll_timeout(), None);
}

#[test]
fn a_key_that_its_server_does_not_know_any_more_needs_no_destroying() {
    let mut net = Net::new(config(), 76);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    net.restart_server(4, false);
    net.run(secs(1));
    let dials = net.dials.len();
    let id = net.send(&log_out(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    net.run(secs(60));
    assert_eq!(net.dials.len(), dials + 1, "asked once");
    nothing_is_stored(&net);
}

#[test]
fn another_account_is_not_taken_for_the_former_one_elsewhere() {
    let mut net = Net::new(config(), 70);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    net.script(|call| {
        if call.is::<functions::auth::SignIn>() {
            ok(&authorization(888))
        } else {
            Answer::Default
        }
    });
    net.sign_in();
    assert_eq!(net.client.account().unwrap().user_id, Some(888));
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    assert_eq!(net.count::<functions::auth::ImportAuthorization>(4), 1);
}

#[test]
fn f27_what_is_left_of_a_sign_out_is_not_the_next_account_s_elsewhere() {
    let mut net = Net::new(config(), 73);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    // The process ended between the changes of a sign-out: a key of another DC is still stored.
    for key in [Key::Account, Key::Dc(DcId(2))] {
        net.store.apply(Change { key, value: None });
    }
    net.restart(config());
    assert_eq!(net.client.account(), None);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    assert_eq!(net.count::<functions::auth::ImportAuthorization>(4), 1);
    net.check_store();
}

#[test]
fn an_account_that_is_stored_without_its_user_is_asked_for() {
    use mtproto_schema::tl;

    let mut net = Net::new(config(), 71);
    net.sign_in();
    // As other libraries store it: a key that is signed in, nothing else.
    let (key, _) = net.store.dc(DcId(2)).unwrap();
    let mut stored = mtproto_proto::client::Snapshot::new();
    stored.apply(mtproto_proto::client::Snapshot::dc_change(&key, true));
    net.store = stored;
    net.restart(config());
    net.script(|call| {
        if !call.is::<functions::users::GetUsers>() {
            return Answer::Default;
        }
        let mut user = Vec::new();
        tl::put_vector(&mut user, 1);
        tl::put_u32(&mut user, <types::User as mtproto_schema::Constructor>::ID);
        tl::put_u32(&mut user, 1 << 14 | 1 << 14);
        tl::put_u32(&mut user, 0);
        tl::put_i64(&mut user, 99);
        tl::put_i32(&mut user, 1);
        Answer::Ok(user.into())
    });
    net.client.connect(net.now());
    net.run(secs(5));
    let account = net.client.account().unwrap();
    assert_eq!((account.user_id, account.bot), (Some(99), true));
    let event = Event::SignedIn {
        user_id: 99,
        dc: DcId(2),
    };
    assert!(net.happened(&event));
    assert_eq!(net.count::<functions::users::GetUsers>(2), 1);
    net.check_store();
}

#[test]
fn logging_out_and_closing_at_once_still_destroys_the_key() {
    let mut net = Net::new(config(), 72);
    net.sign_in();
    let id = net.send(&log_out(), &CallOptions::default());
    let key = net.dcs[&2].keys[0].0;
    assert!(net.answer(id).is_ok());
    net.client.close(net.now());
    net.run(secs(1));
    assert!(net.client.is_closed());
    assert_eq!(net.dcs[&2].destroyed, [key]);
    nothing_is_stored(&net);
}
