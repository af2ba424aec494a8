//! Servers that say anything about who is signed in, and where.

use std::time::Duration;

use mtproto_proto::client::{CallError, CallOptions, Event, Route, SignedOut};
use mtproto_proto::{DcId, RequestError};
use mtproto_schema::api::functions::{auth, messages, upload, users};

use crate::net::{Answer, Net, config, error, ok};
use crate::queries::{authorization, file_call, open_call, sign_in_query, user_call};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn dc(id: i16) -> CallOptions {
    CallOptions::default().route(Route::Dc(DcId(id)))
}

fn media(id: i16) -> CallOptions {
    CallOptions::default().route(Route::Media(DcId(id)))
}

#[test]
fn thousands_of_answers_that_the_key_is_dead_do_not_exhaust_the_stack() {
    let mut net = Net::new(config(), 401);
    net.sign_in();
    let id = net.send_raw(user_call(-1), &dc(4));
    assert!(net.answer(id).is_ok());
    net.script(|call| {
        if call.dc == 4 && call.is::<messages::ReceivedMessages>() {
            return error(406, "AUTH_KEY_DUPLICATED");
        }
        Answer::Default
    });
    let ids: Vec<_> = (0..8_000)
        .map(|n| net.send_raw(user_call(n), &dc(4)))
        .collect();
    net.run(secs(600));
    for id in ids {
        let ends = net.events.iter().filter(|(_, event)| {
            matches!(event, Event::Response { id: of, .. } | Event::Failed { id: of, .. } if *of == id)
        });
        assert_eq!(ends.count(), 1);
    }
    assert!(net.client.account().is_some());
    net.check_store();
}

#[test]
fn another_account_does_not_inherit_authorizations_not_even_from_the_store() {
    let mut net = Net::new(config(), 403);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    net.script(|call| {
        if call.is::<auth::SignIn>() {
            return ok(&authorization(888));
        }
        Answer::Default
    });
    let id = net.send(&sign_in_query(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    net.run(secs(1));
    assert_eq!(net.client.account().unwrap().user_id, Some(888));
    net.check_store();
    net.restart(config());
    net.executed.clear();
    let id = net.send_raw(user_call(2), &dc(4));
    assert!(net.answer(id).is_ok());
    assert_eq!(net.count::<auth::ImportAuthorization>(4), 1);
}

#[test]
fn an_authorization_on_its_way_is_not_taken_for_the_next_account_s() {
    let mut net = Net::new(config(), 404);
    net.sign_in();
    net.script(|call| {
        if call.is::<auth::SignIn>() {
            return ok(&authorization(888));
        }
        if call.is::<auth::ImportAuthorization>() {
            return Answer::Silent;
        }
        Answer::Default
    });
    let waits = net.send_raw(user_call(1), &dc(4));
    net.run(secs(2));
    assert_eq!(net.count::<auth::ImportAuthorization>(4), 1);
    let import = net.executed.last().unwrap().clone();
    let id = net.send(&sign_in_query(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    net.script(|_| Answer::Default);
    net.respond(4, import.id, ok(&authorization(777)));
    assert!(net.answer(waits).is_ok());
    // The first was 777's.
    assert_eq!(net.count::<auth::ImportAuthorization>(4), 2);
}

#[test]
fn a_dc_that_knows_nobody_is_asked_a_handful_of_times() {
    for (code, message) in [
        (401, "AUTH_KEY_UNREGISTERED"),
        (401, "AUTH_KEY_INVALID"),
        (401, "SESSION_EXPIRED"),
        (401, "AUTH_KEY_PERM_EMPTY"),
        (406, "AUTH_KEY_DUPLICATED"),
        (401, "WHATEVER"),
        (401, ""),
    ] {
        for pfs in [None, Some(secs(3600))] {
            let mut config = config();
            config.pfs = pfs;
            let mut net = Net::new(config, 405);
            net.sign_in();
            net.script(move |call| {
                if call.dc == 4
                    && (call.is::<messages::ReceivedMessages>() || call.is::<upload::GetFile>())
                {
                    return error(code, message);
                }
                Answer::Default
            });
            let ids: Vec<_> = (0..50)
                .flat_map(|n| {
                    [
                        net.send_raw(user_call(n), &dc(4)),
                        net.send_raw(file_call(i64::from(n) * 4096), &media(4)),
                    ]
                })
                .collect();
            for id in ids {
                assert!(net.answer(id).is_err(), "{message}");
            }
            assert!(net.client.account().is_some(), "{message}");
            let calls = net.executed.iter().filter(|call| call.dc == 4).count();
            assert!(calls < 400, "{message}: {calls}");
            let keys = net.dcs[&4].keys.len();
            assert!(keys < 12, "{message}, {pfs:?}: {keys} keys");
        }
    }
}

#[test]
fn an_import_that_is_refused_for_ever_ends_its_calls() {
    let answers: Vec<(&str, Answer)> = vec![
        ("unregistered", error(401, "AUTH_KEY_UNREGISTERED")),
        ("duplicated", error(406, "AUTH_KEY_DUPLICATED")),
        ("bytes", error(400, "AUTH_BYTES_INVALID")),
        ("migrate", error(303, "USER_MIGRATE_1")),
        ("migrate a file", error(303, "FILE_MIGRATE_1")),
        ("flood", error(420, "FLOOD_WAIT_1")),
        ("server", error(500, "")),
    ];
    for (name, answer) in answers {
        let mut net = Net::new(config(), 406);
        net.sign_in();
        let script = answer.clone();
        net.script(move |call| {
            if call.is::<auth::ImportAuthorization>() {
                return script.clone();
            }
            Answer::Default
        });
        let id = net.send_raw(user_call(1), &dc(4).deadline(secs(3_000)));
        let end = net.answer_within(id, secs(3_600));
        assert!(end.is_err(), "{name}");
        let imports = net
            .executed
            .iter()
            .filter(|c| c.is::<auth::ImportAuthorization>());
        let imports = imports.count();
        assert!(imports < 400, "{name}: {imports}");
        assert_eq!(net.client.main_dc(), DcId(2), "{name}");
        assert!(net.client.account().is_some(), "{name}");
    }
}

#[test]
fn an_import_answered_with_something_else_is_no_authorization() {
    let mut net = Net::new(config(), 407);
    net.sign_in();
    net.script(|call| {
        if call.is::<auth::ImportAuthorization>() {
            return ok(&false);
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_err());
    assert!(!net.store.dc(DcId(4)).unwrap().1);
}

#[test]
fn an_export_answered_with_something_else_sends_nothing_anywhere() {
    for body in [
        ok(&true),
        ok(&authorization(777)),
        Answer::Ok(vec![0; 4096].into()),
    ] {
        let mut net = Net::new(config(), 408);
        net.sign_in();
        let script = body.clone();
        net.script(move |call| {
            if call.is::<auth::ExportAuthorization>() {
                return script.clone();
            }
            Answer::Default
        });
        let id = net.send_raw(user_call(1), &dc(4));
        let end = net.answer(id);
        assert_eq!(end, Err(CallError::Request(RequestError::BadAnswer)));
        assert_eq!(net.count::<auth::ImportAuthorization>(4), 0);
        assert!(net.count::<auth::ExportAuthorization>(2) <= 5);
    }
}

#[test]
fn an_export_of_megabytes_ends_its_calls() {
    let mut net = Net::new(config(), 409);
    net.sign_in();
    net.script(|call| {
        if call.is::<auth::ExportAuthorization>() {
            return ok(&mtproto_schema::api::types::auth::ExportedAuthorization {
                id: 1,
                bytes: vec![7; 3 << 20].into(),
            });
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_err());
    assert!(net.client.account().is_some());
}

#[test]
fn an_account_that_every_dc_sends_elsewhere_is_asked_for_slowly() {
    let mut net = Net::new(config(), 410);
    net.sign_in();
    net.client.connect(net.now());
    net.client.want_updates(net.now(), true);
    net.run(secs(5));
    net.executed.clear();
    net.script(|call| {
        let next = if call.dc == 2 { 4 } else { 2 };
        error(303, &format!("USER_MIGRATE_{next}"))
    });
    for n in 0..10 {
        net.send_raw(user_call(n), &CallOptions::default());
    }
    net.run(secs(3_600));
    assert!(net.executed.len() < 2_000, "{}", net.executed.len());
    assert!(net.dials.len() < 1_000, "{}", net.dials.len());
    assert!(net.client.account().is_some());
    net.check_store();
}

#[test]
fn an_account_sent_to_a_dc_that_does_not_know_it_is_no_proof_that_it_is_gone() {
    let mut net = Net::new(config(), 411);
    net.sign_in();
    net.script(|call| match call.dc {
        2 if call.is::<messages::ReceivedMessages>() => error(303, "USER_MIGRATE_4"),
        4 => error(401, "AUTH_KEY_UNREGISTERED"),
        _ => Answer::Default,
    });
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(id).is_err());
    net.run(secs(60));
    let outs = net
        .events
        .iter()
        .filter(|(_, e)| matches!(e, Event::SignedOut(_)));
    assert_eq!(outs.count(), 0, "{:?}", net.events);
    assert!(net.store.dc(DcId(2)).unwrap().1, "the login is still there");
}

#[test]
fn whoever_the_server_says_signed_in_is_stored_as_such() {
    for id in [i64::MIN, -1, 0, 1, i64::MAX] {
        let mut net = Net::new(config(), 412);
        net.sign_in();
        net.script(move |call| {
            if call.is::<auth::SignIn>() {
                return ok(&authorization(id));
            }
            Answer::Default
        });
        let call = net.send(&sign_in_query(), &CallOptions::default());
        assert!(net.answer(call).is_ok());
        net.run(secs(1));
        assert_eq!(net.client.account().unwrap().user_id, Some(id));
        net.check_store();
        net.restart(config());
        assert_eq!(net.client.account().unwrap().user_id, Some(id));
    }
}

#[test]
fn a_server_that_never_says_who_is_signed_in_is_asked_once_a_stream() {
    let mut net = Net::new(config(), 413);
    net.sign_in();
    // An account whose user is not known, as some session strings are.
    let mut account = net.store.account().unwrap();
    account.user_id = None;
    net.store
        .apply(mtproto_proto::client::Snapshot::account_change(&account));
    net.restart(config());
    net.script(|call| {
        if call.is::<users::GetUsers>() {
            return ok(&true);
        }
        Answer::Default
    });
    net.executed.clear();
    net.client.connect(net.now());
    net.client.want_updates(net.now(), true);
    net.run(secs(600));
    assert_eq!(net.count::<users::GetUsers>(2), 1);
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    assert!(!net.happened(&Event::SignedOut(SignedOut::Revoked)));
}
