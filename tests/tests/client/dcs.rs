//! Several DCs: migrations, the account's authorization elsewhere, files.

use mtproto_proto::client::{CallError, CallOptions, DcTable, Event, Route, SignedOut, Snapshot};
use mtproto_proto::{DcId, Fate, RequestError};
use mtproto_schema::api::functions::{auth, help, messages, upload, users};
use mtproto_test::Dice;

use crate::net::{Answer, Door, Net, addr, config, error};
use crate::queries::{file_call, open_call, unknown, user_call};
use crate::secs;

fn dc(id: i16) -> CallOptions {
    CallOptions::default().route(Route::Dc(DcId(id)))
}

fn media(id: i16) -> CallOptions {
    CallOptions::default().route(Route::Media(DcId(id)))
}

#[test]
fn the_account_is_where_the_server_says() {
    for kind in ["PHONE", "NETWORK", "USER"] {
        let mut net = Net::new(config(), 21);
        net.script(move |call| {
            if call.dc == 2 && call.is::<auth::SendCode>() {
                return error(303, &format!("{kind}_MIGRATE_4"));
            }
            Answer::Default
        });
        let query = auth::SendCode {
            phone_number: "1".into(),
            api_id: 1,
            api_hash: "h".into(),
            settings: mtproto_schema::api::types::CodeSettings {
                allow_flashcall: false,
                current_number: false,
                allow_app_hash: false,
                allow_missed_call: false,
                allow_firebase: false,
                unknown_number: false,
                logout_tokens: None,
                token: None,
            },
        };
        let id = net.send(&query, &CallOptions::default());
        assert!(net.answer(id).is_ok(), "{kind}");
        assert_eq!(net.client.main_dc(), DcId(4));
        assert!(net.happened(&Event::MainDcChanged { dc: DcId(4) }));
        assert_eq!(net.store.account().unwrap().main_dc, DcId(4));
        assert!(net.client.account().is_none());
        // What follows goes there.
        net.sign_in();
        assert_eq!(net.client.account().unwrap().main_dc, DcId(4));
        assert_eq!(net.dcs[&4].users.len(), 1);
    }
}

#[test]
fn calls_that_wait_move_with_the_account() {
    let mut net = Net::new(config(), 22);
    net.script(|call| {
        if call.dc == 2 {
            return error(303, "NETWORK_MIGRATE_1");
        }
        Answer::Default
    });
    let ids: Vec<_> = (0..5)
        .map(|_| net.send_raw(open_call(), &CallOptions::default()))
        .collect();
    for id in ids {
        assert_eq!(net.answer(id), Ok(open_call()));
    }
    assert_eq!(net.client.main_dc(), DcId(1));
}

#[test]
fn a_call_that_is_sent_around_ends() {
    let mut net = Net::new(config(), 23);
    net.script(|call| {
        let next = if call.dc == 2 { 4 } else { 2 };
        error(303, &format!("USER_MIGRATE_{next}"))
    });
    let id = net.send_raw(open_call(), &CallOptions::default());
    let end = net.answer(id);
    assert!(
        matches!(&end, Err(CallError::Request(RequestError::Rpc(e))) if e.code == 303),
        "{end:?}"
    );
}

#[test]
fn an_unknown_dc_is_a_typed_error_and_changes_nothing() {
    let mut net = Net::new(config(), 24);
    net.script(|call| {
        if call.is::<help::GetNearestDc>() {
            return error(303, "NETWORK_MIGRATE_9");
        }
        Answer::Default
    });
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert_eq!(net.answer(id), Err(unknown(9, Fate::NotReceived)));
    assert_eq!(net.client.main_dc(), DcId(2));
    let id = net.send_raw(open_call(), &dc(9));
    assert_eq!(net.answer(id), Err(unknown(9, Fate::NotSent)));
    // The same when the table forgets one that was in use.
    net.script(|_| Answer::Default);
    let id = net.send_raw(open_call(), &dc(4));
    assert!(net.answer(id).is_ok());
    net.door(4, Door::Refuses);
    net.cut(4);
    net.run(secs(1));
    net.client.set_dcs(DcTable::empty());
    let id = net.send_raw(open_call(), &dc(4));
    assert_eq!(net.answer(id), Err(unknown(4, Fate::NotSent)));
}

#[test]
fn the_account_is_exported_once_before_the_first_call_that_needs_it() {
    let mut net = Net::new(config(), 25);
    net.sign_in();
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(net.send_raw(user_call(n), &dc(4)));
        ids.push(net.send_raw(file_call(i64::from(n) * 4096), &media(4)));
    }
    for id in &ids {
        assert!(net.answer(*id).is_ok());
    }
    assert_eq!(net.count::<auth::ExportAuthorization>(2), 1);
    assert_eq!(net.count::<auth::ImportAuthorization>(4), 1);
    assert_eq!(net.dcs[&4].keys.len(), 1, "one key for both streams");
    assert_eq!(net.client.main_dc(), DcId(2));
    assert!(net.store.dc(DcId(4)).unwrap().1, "stored as authorized");

    // Another process goes on without doing it again.
    net.restart(config());
    net.executed.clear();
    let id = net.send_raw(user_call(99), &dc(4));
    assert!(net.answer(id).is_ok());
    assert_eq!(net.count::<auth::ExportAuthorization>(2), 0);
}

#[test]
fn a_call_that_needs_nobody_does_not_wait_for_the_account() {
    let mut net = Net::new(config(), 26);
    net.sign_in();
    let id = net.send_raw(open_call(), &dc(4));
    assert!(net.answer(id).is_ok());
    assert_eq!(net.count::<auth::ExportAuthorization>(2), 0);
}

#[test]
fn an_import_that_fails_is_made_again_from_a_new_export() {
    let mut net = Net::new(config(), 27);
    net.sign_in();
    let mut left = 2;
    net.script(move |call| {
        if call.is::<auth::ImportAuthorization>() && left > 0 {
            left -= 1;
            return error(400, "AUTH_BYTES_INVALID");
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(1), &dc(4));
    assert_eq!(net.answer(id), Ok(user_call(1)));
    assert_eq!(net.count::<auth::ExportAuthorization>(2), 3);

    // For ever in vain: those who wait are told why, and the next one tries anew.
    net.script(|call| {
        if call.is::<auth::ImportAuthorization>() {
            return error(400, "AUTH_BYTES_INVALID");
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(1), &dc(1).deadline(secs(3_600)));
    let end = net.answer(id);
    assert!(
        matches!(&end, Err(CallError::Request(RequestError::Rpc(e))) if e.message == "AUTH_BYTES_INVALID"),
        "{end:?}"
    );
    assert_eq!(net.count::<auth::ImportAuthorization>(1), 5);
}

#[test]
fn a_dc_that_forgot_the_account_is_told_again_once() {
    let mut net = Net::new(config(), 28);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    net.dcs.get_mut(&4).unwrap().users.clear();
    let id = net.send_raw(user_call(2), &dc(4));
    assert_eq!(net.answer(id), Ok(user_call(2)));
    assert_eq!(net.count::<auth::ExportAuthorization>(2), 2);
    assert!(net.client.account().is_some());

    // It insists: the call ends, the account stays.
    net.script(|call| {
        if call.dc == 4 && call.is::<messages::ReceivedMessages>() {
            return error(401, "AUTH_KEY_UNREGISTERED");
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(3), &dc(4));
    assert!(net.answer(id).is_err());
    assert!(net.client.account().is_some());
}

#[test]
fn files_go_where_they_are_over_streams_of_their_own() {
    let mut net = Net::new(config(), 29);
    net.sign_in();
    net.script(|call| {
        if call.dc == 2 && call.is::<upload::GetFile>() {
            return error(303, "FILE_MIGRATE_4");
        }
        if call.dc == 2 && call.is::<messages::ReceivedMessages>() {
            return error(303, "STATS_MIGRATE_1");
        }
        Answer::Default
    });
    let id = net.send_raw(file_call(0), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(file_call(0)));
    let id = net.send_raw(user_call(0), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(user_call(0)));
    assert_eq!(net.client.main_dc(), DcId(2), "only these calls moved");
    let media = Event::Connected {
        dc: DcId(4),
        media: true,
    };
    assert!(net.happened(&media));

    // On the account's own DC, too, files have their own session under the same key.
    net.script(|_| Answer::Default);
    net.executed.clear();
    let id = net.send_raw(file_call(0), &self::media(2));
    assert!(net.answer(id).is_ok());
    let id = net.send_raw(user_call(0), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    let [a, b] = &net.executed[..] else {
        panic!("{:?}", net.executed)
    };
    assert_eq!(a.key, b.key);
    assert_ne!(a.session, b.session);
}

#[test]
fn one_link_makes_the_key_and_the_others_wait_for_it() {
    for seed in 0..10 {
        let mut net = Net::new(config(), seed);
        let mut dice = Dice::from_env_or(seed);
        let mut ids = Vec::new();
        for _ in 0..4 {
            let options = if dice.chance(1, 2) { dc(4) } else { media(4) };
            ids.push(net.send_raw(open_call(), &options));
        }
        for id in ids {
            assert!(net.answer(id).is_ok(), "seed {seed}");
        }
        assert_eq!(net.dcs[&4].keys.len(), 1, "seed {seed}");
    }
}

#[test]
fn a_silent_dc_does_not_delay_another() {
    for door in [Door::Black, Door::Mute, Door::Refuses, Door::Status(-404)] {
        let mut net = Net::new(config(), 30);
        net.sign_in();
        net.door(4, door);
        let stuck = net.send_raw(open_call(), &dc(4).deadline(secs(100)));
        for _ in 0..50 {
            let begun = net.now();
            let id = net.send_raw(user_call(1), &CallOptions::default());
            assert!(net.answer(id).is_ok());
            assert!(net.now().saturating_since(begun) < secs(1), "{door:?}");
            net.run(secs(1));
        }
        assert!(net.answer(stuck).is_err(), "{door:?}");
    }
}

#[test]
fn temporary_keys_are_bound_and_bound_again() {
    let mut config = config();
    config.pfs = Some(secs(86_400));
    let mut net = Net::new(config, 31);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    assert_eq!(net.dcs[&4].keys.len(), 2, "a permanent and a temporary one");

    let mut left = 1;
    net.script(move |call| {
        if call.dc == 2 && call.is::<messages::ReceivedMessages>() && left > 0 {
            left -= 1;
            return error(401, "AUTH_KEY_PERM_EMPTY");
        }
        Answer::Default
    });
    let before = net.dcs[&2].keys.len();
    let ids: Vec<_> = (0..3)
        .map(|tag| net.send_raw(user_call(tag), &CallOptions::default()))
        .collect();
    for id in ids {
        assert!(net.answer(id).is_ok());
    }
    assert_eq!(net.dcs[&2].keys.len(), before + 1, "one more temporary key");
    assert!(net.client.account().is_some());

    // For ever: the call ends.
    net.script(|call| {
        if call.is::<messages::ReceivedMessages>() {
            return error(401, "AUTH_KEY_PERM_EMPTY");
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(9), &CallOptions::default());
    assert!(net.answer(id).is_err());
    assert!(net.client.account().is_some());
}

#[test]
fn test_servers_and_media_are_named_as_the_protocol_wants() {
    let mut config = config();
    config.test_mode = true;
    config.obfuscation = Some(Default::default());
    // The servers here accept no other id in the handshake than 10,002 or its negative.
    let mut net = Net::new(config, 32);
    let id = net.send_raw(file_call(0), &media(2));
    let _ = net.answer(id);
    assert_eq!(net.dcs[&2].keys.len(), 1);
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    assert_eq!(net.dcs[&2].keys.len(), 1);
    assert_eq!(net.store.dc(DcId(2)).unwrap().0.dc(), DcId(2));
    assert_eq!(net.dials[0].3, addr(2));
}

#[test]
fn an_account_that_moves_takes_its_authorization_along() {
    let mut net = Net::new(config(), 33);
    net.sign_in();
    net.script(|call| {
        if call.dc == 2 && call.is::<messages::ReceivedMessages>() {
            return error(303, "USER_MIGRATE_4");
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(user_call(1)));
    assert_eq!(net.client.main_dc(), DcId(4));
    assert_eq!(net.client.account().unwrap().user_id, Some(777));
    assert_eq!(net.count::<auth::ImportAuthorization>(4), 1);
    net.check_store();
}

#[test]
fn f25_an_account_that_moves_before_it_is_known_whose_it_is_comes_along() {
    let mut net = Net::new(config(), 44);
    net.sign_in();
    // As some session strings are.
    let mut account = net.store.account().unwrap();
    account.user_id = None;
    net.store.apply(Snapshot::account_change(&account));
    net.restart(config());
    net.script(|call| {
        if call.is::<users::GetUsers>() {
            Answer::Silent
        } else if call.dc == 2 && call.is::<messages::ReceivedMessages>() {
            error(303, "USER_MIGRATE_4")
        } else if call.is::<auth::ExportAuthorization>() {
            Answer::Silent
        } else {
            Answer::Default
        }
    });
    net.send_raw(user_call(1), &CallOptions::default());
    net.run(secs(5));
    assert_eq!(net.client.main_dc(), DcId(4));
    assert!(net.client.account().is_some());
    // Nor is it forgotten over a restart in the midst of it.
    net.restart(config());
    net.script(|call| {
        if call.is::<users::GetUsers>() {
            Answer::Silent
        } else {
            Answer::Default
        }
    });
    let id = net.send_raw(user_call(2), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(user_call(2)));
    assert_eq!(net.count::<auth::ImportAuthorization>(4), 1);
    assert_eq!(net.client.account().unwrap().main_dc, DcId(4));
    assert!(!net.happened(&Event::SignedOut(SignedOut::Revoked)));
    net.check_store();
}

#[test]
fn an_account_that_moved_comes_along_from_whichever_dc_hands_it_on() {
    let mut net = Net::new(config(), 35);
    net.sign_in();
    // DC 1 has the account from DC 2 …
    let id = net.send_raw(user_call(1), &dc(1));
    assert_eq!(net.answer(id), Ok(user_call(1)));
    net.script(|call| {
        let moved = call.dc == 2 && call.is::<messages::ReceivedMessages>();
        // … and does not hand on what is not its own.
        let refused = call.dc == 1 && call.is::<auth::ExportAuthorization>();
        if moved || refused {
            return error(303, "USER_MIGRATE_4");
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(2), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(user_call(2)));
    assert_eq!(net.count::<auth::ExportAuthorization>(2), 2);
    net.check_store();
}

#[test]
fn an_account_that_moves_to_a_dc_that_forgot_its_key_makes_another() {
    let mut net = Net::new(config(), 36);
    net.sign_in();
    let id = net.send_raw(open_call(), &dc(4));
    assert_eq!(net.answer(id), Ok(open_call()));
    net.restart_server(4, false);
    net.script(|call| {
        if call.dc == 2 && call.is::<messages::ReceivedMessages>() {
            return error(303, "USER_MIGRATE_4");
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert_eq!(net.answer(id), Ok(user_call(1)));
    assert_eq!(net.dcs[&4].keys.len(), 2);
    assert_eq!(net.client.account().unwrap().user_id, Some(777));
    net.check_store();
}

#[test]
fn a_key_of_another_dc_that_is_dead_is_replaced() {
    let mut net = Net::new(config(), 34);
    net.sign_in();
    let id = net.send_raw(user_call(1), &dc(4));
    assert!(net.answer(id).is_ok());
    let mut left = 1;
    net.script(move |call| {
        if call.dc == 4 && call.is::<messages::ReceivedMessages>() && left > 0 {
            left -= 1;
            return error(406, "AUTH_KEY_DUPLICATED");
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(2), &dc(4));
    assert_eq!(net.answer(id), Ok(user_call(2)));
    assert_eq!(net.dcs[&4].keys.len(), 2);
    assert!(net.client.account().is_some());
    net.check_store();
}
