//! Configurations, pauses and stored accounts that make no sense.

use std::time::Duration;

use mtproto_proto::client::{
    Account, CallError, CallOptions, Change, Key, PeerId, Route, Snapshot,
};
use mtproto_proto::{DcId, Fate, RequestError};
use mtproto_schema::api::functions::{help, messages};
use mtproto_schema::api::types;
use mtproto_test::alloc;
use mtproto_test::pair::START;

use crate::net::{Answer, Net, addr, config, error, ok};
use crate::queries::{config_answer, open_call, unknown, user_call};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn option(dc: i32, ip: &str, port: i32) -> types::DcOption {
    types::DcOption {
        ipv6: false,
        media_only: false,
        tcpo_only: false,
        cdn: false,
        r#static: false,
        this_port_only: true,
        id: dc,
        ip_address: ip.to_owned().into(),
        port,
        secret: None,
    }
}

/// A client that was told these addresses, and then went on as another process.
fn told(seed: u64, options: Vec<types::DcOption>) -> Net {
    let mut net = Net::new(config(), seed);
    net.script(move |call| {
        if call.is::<help::GetConfig>() {
            let mut answer = config_answer(START, call.dc);
            answer.dc_options = options.clone();
            return ok(&answer);
        }
        Answer::Default
    });
    net.sign_in();
    net.client.connect(net.now());
    net.run(secs(4 * 3_600));
    net.check_store();
    net.restart(config());
    net
}

fn still_reaches_its_main_dc(net: &mut Net) {
    let id = net.send_raw(user_call(1), &CallOptions::default());
    let end = net.answer(id);
    assert!(end.is_ok(), "{end:?}: {:?}", net.client.dcs());
}

#[test]
fn addresses_that_calls_cannot_use_do_not_replace_those_they_can() {
    let home = addr(2).ip().to_string();
    let with = |change: fn(&mut types::DcOption)| {
        let mut option = option(2, &home, 443);
        change(&mut option);
        vec![option]
    };
    for options in [
        with(|o| o.cdn = true),
        with(|o| o.r#static = true),
        with(|o| o.media_only = true),
        with(|o| o.secret = Some(vec![1; 5].into())),
        with(|o| o.port = 0),
        with(|o| o.port = -443),
        with(|o| o.port = 65_536 + 443),
        with(|o| o.ip_address = "".into()),
        with(|o| o.ip_address = "example.org".into()),
        vec![],
    ] {
        let mut net = told(421, options);
        still_reaches_its_main_dc(&mut net);
    }
}

#[test]
fn invented_dcs_do_not_push_out_those_that_were_known() {
    let mut options: Vec<_> = (5..5_000).map(|dc| option(dc, "10.9.9.9", 443)).collect();
    options.insert(300, option(2, &addr(2).ip().to_string(), 443));
    options.truncate(512);
    options.rotate_left(301);
    let mut net = told(422, options.clone());
    assert!(net.client.dcs().iter().count() <= 512);
    still_reaches_its_main_dc(&mut net);
    options.reverse();
    let mut net = told(423, options);
    still_reaches_its_main_dc(&mut net);
}

#[test]
fn pauses_that_make_no_sense_are_errors_or_seconds() {
    let wait = |message: &'static str| {
        let mut net = Net::new(config(), 424);
        let mut times = 0;
        net.script(move |call| {
            if call.is::<help::GetNearestDc>() && times < 3 {
                times += 1;
                return error(420, message);
            }
            Answer::Default
        });
        let id = net.send_raw(open_call(), &CallOptions::default());
        let began = net.now();
        let end = net.answer(id);
        (end.is_ok(), net.now().saturating_since(began).as_secs())
    };
    for message in [
        "FLOOD_WAIT_0",
        "FLOOD_WAIT_1",
        "SLOWMODE_WAIT_0",
        "FLOOD_WAIT_01",
    ] {
        let (fine, took) = wait(message);
        assert!(fine && (3..6).contains(&took), "{message}: {took}");
    }
    for message in [
        "FLOOD_WAIT_-1",
        "FLOOD_WAIT_",
        "FLOOD_WAIT_X",
        "FLOOD_WAIT_61",
        "FLOOD_WAIT_2147483647",
        "FLOOD_WAIT_18446744073709551615",
        "FLOOD_WAIT_99999999999999999999999999",
        "FLOOD_WAIT_1.5",
        "FLOOD_WAIT_1 ",
        "",
    ] {
        let (fine, took) = wait(message);
        assert!(!fine && took < 3, "{message}: {took}");
    }
}

#[test]
fn dcs_that_are_none_are_no_place_to_go() {
    for message in [
        "USER_MIGRATE_0",
        "USER_MIGRATE_-2",
        "PHONE_MIGRATE_10002",
        "NETWORK_MIGRATE_65538",
        "FILE_MIGRATE_2147483647",
        "STATS_MIGRATE_99999999999999",
        "USER_MIGRATE_",
        "USER_MIGRATE_X",
        "_MIGRATE_4",
        "WHATEVER_MIGRATE_4",
    ] {
        let mut net = Net::new(config(), 425);
        net.script(move |call| {
            if call.is::<help::GetNearestDc>() {
                return error(303, message);
            }
            Answer::Default
        });
        let id = net.send_raw(open_call(), &CallOptions::default());
        let end = net.answer(id);
        assert!(
            matches!(&end, Err(CallError::Request(RequestError::Rpc(e))) if e.code == 303),
            "{message}: {end:?}"
        );
        assert_eq!(net.client.main_dc(), DcId(2), "{message}");
    }
}

#[test]
fn a_cdn_is_no_place_to_go() {
    let mut net = Net::new(config(), 426);
    net.script(|call| {
        if call.is::<help::GetConfig>() {
            let mut answer = config_answer(START, call.dc);
            let mut cdn = option(203, "10.0.4.1", 443);
            cdn.cdn = true;
            answer.dc_options.push(cdn);
            return ok(&answer);
        }
        if call.is::<messages::ReceivedMessages>() {
            return error(303, "USER_MIGRATE_203");
        }
        Answer::Default
    });
    net.sign_in();
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert_eq!(net.answer(id), Err(unknown(203, Fate::NotReceived)));
    assert_eq!(net.client.main_dc(), DcId(2));
}

#[test]
fn a_stored_account_on_a_dc_that_is_nowhere_is_quiet_and_its_calls_end() {
    for main in [i16::MIN, -2, 0, 3, 10_002, i16::MAX] {
        let mut stored = Snapshot::new();
        let mut account = Account::new(DcId(main));
        account.user_id = Some(777);
        stored.apply(Snapshot::account_change(&account));
        let mut net = Net::stored(config(), stored, 427);
        net.client.connect(net.now());
        net.client.want_updates(net.now(), true);
        net.client.set_online(net.now(), true);
        net.run(secs(3_600));
        assert_eq!(net.dials.len(), 0, "{main}");
        let id = net.send_raw(user_call(1), &CallOptions::default());
        assert_eq!(net.answer(id), Err(unknown(main, Fate::NotSent)));
        let id = net.send_raw(
            open_call(),
            &CallOptions::default().route(Route::Dc(DcId(4))),
        );
        assert!(net.answer(id).is_ok());
        let id = net.send_raw(
            user_call(1),
            &CallOptions::default().route(Route::Dc(DcId(4))),
        );
        assert!(net.answer(id).is_err());
        net.client.close(net.now());
        net.run(secs(10));
        assert!(net.client.is_closed());
    }
}

#[test]
fn a_stored_account_without_its_key_makes_another_and_hears_what_the_server_says() {
    let mut stored = Snapshot::new();
    let mut account = Account::new(DcId(2));
    account.user_id = Some(777);
    stored.apply(Snapshot::account_change(&account));
    let mut net = Net::stored(config(), stored, 428);
    net.client.connect(net.now());
    net.client.want_updates(net.now(), true);
    net.run(secs(600));
    // Without a key there is no login: the server's word is enough.
    assert!(net.client.account().is_none());
    assert!(net.executed.len() < 30, "{}", net.executed.len());
    net.check_store();
}

#[test]
fn stored_values_that_are_nonsense_are_passed_over() {
    let mut net = Net::new(config(), 429);
    net.sign_in();
    net.client.want_updates(net.now(), true);
    net.run(secs(1));
    let good = net.store.clone();
    let junk: [&[u8]; 6] = [
        b"",
        b"\0",
        b"\x01",
        b"\xff\xff\xff\xff",
        &[0xff; 17],
        &[1; 300],
    ];
    for bytes in junk {
        for key in [
            Key::DcOptions,
            Key::Updates,
            Key::Channel(i64::MIN),
            Key::Channel(0),
            Key::Peer(PeerId::User(-1)),
            Key::Peer(PeerId::Channel(i64::MAX)),
            Key::Dc(DcId(-2)),
            Key::Dc(DcId(4)),
        ] {
            let mut stored = good.clone();
            stored.apply(Change {
                key,
                value: Some(bytes.to_vec().into()),
            });
            let mut net = Net::stored(config(), stored, 429);
            // The servers know the key.
            net.restart_server(2, true);
            net.client.connect(net.now());
            net.client.want_updates(net.now(), true);
            net.run(secs(120));
            let id = net.send_raw(open_call(), &CallOptions::default());
            assert!(net.answer(id).is_ok(), "{key:?} {bytes:?}");
        }
    }
}

#[test]
fn counters_of_a_stored_account_may_be_anything() {
    let mut net = Net::new(config(), 430);
    net.sign_in();
    let good = net.store.clone();
    for word in [i32::MIN, -1, 0, i32::MAX] {
        let mut stored = good.clone();
        let mut state = vec![1];
        for _ in 0..4 {
            state.extend(word.to_le_bytes());
        }
        stored.apply(Change {
            key: Key::Updates,
            value: Some(state.into()),
        });
        for channel in [i64::MIN, -1, 0, 1, i64::MAX] {
            let mut pts = vec![1];
            pts.extend(word.to_le_bytes());
            stored.apply(Change {
                key: Key::Channel(channel),
                value: Some(pts.into()),
            });
        }
        let mut net = Net::stored(config(), stored, 431);
        net.restart_server(2, true);
        net.client.connect(net.now());
        net.client.want_updates(net.now(), true);
        net.run(secs(3_600));
        assert!(net.executed.len() < 60, "{}", net.executed.len());
    }
}

#[test]
fn a_hundred_thousand_stored_entries_are_held_within_bounds() {
    let mut stored = Snapshot::new();
    let mut account = Account::new(DcId(2));
    account.user_id = Some(777);
    stored.apply(Snapshot::account_change(&account));
    for id in 0..100_000 {
        let mut pts = vec![1];
        pts.extend(7_i32.to_le_bytes());
        stored.apply(Change {
            key: Key::Channel(id),
            value: Some(pts.into()),
        });
        stored.apply(Change {
            key: Key::Peer(PeerId::Channel(id)),
            value: Some(vec![1, 0, 1, 2, 3, 4, 5, 6, 7, 8].into()),
        });
    }
    let (net, bytes) = alloc::peak(|| Net::stored(config(), stored.clone(), 432));
    let text = net.client.snapshot().iter().count();
    assert!(text < 20_100, "{text}");
    // The copy of the store that the harness keeps is not the client's.
    assert!(bytes < 64 << 20, "{bytes}");
    assert_eq!(*net.client.dcs(), config().dcs);
}

#[test]
fn what_is_left_of_an_account_is_not_the_next_one_s() {
    // A process ended between the changes of a sign-out: updates and peers are still stored.
    let mut net = Net::new(config(), 433);
    net.sign_in();
    net.client.want_updates(net.now(), true);
    net.run(secs(1));
    let mut stored = Snapshot::new();
    let value = Some(net.store.get(Key::Updates).unwrap().clone());
    stored.apply(Change {
        key: Key::Updates,
        value,
    });
    let channel = Key::Channel(11);
    let peer = Key::Peer(PeerId::Channel(11));
    for (key, value) in [
        (channel, vec![1, 9, 0, 0, 0]),
        (peer, vec![1, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ] {
        let value = Some(value.into());
        stored.apply(Change { key, value });
    }
    let mut net = Net::stored(config(), stored, 434);
    assert!(net.client.peers().get(PeerId::Channel(11)).is_none());
    net.sign_in();
    net.client.want_updates(net.now(), true);
    net.run(secs(5));
    assert_eq!(net.store.get(channel), None);
    assert_eq!(net.store.get(peer), None);
    net.check_store();
}

#[test]
fn hundreds_of_thousands_of_users_in_an_answer_take_little_memory() {
    use mtproto_schema::tl;

    let mut net = Net::new(config(), 435);
    net.sign_in();
    let mut body = Vec::new();
    tl::put_u32(&mut body, 0x1cb5_c415);
    let count = 300_000;
    tl::put_i32(&mut body, count);
    let user = mtproto_schema::api::enums::User::Empty(types::UserEmpty { id: 5 });
    for _ in 0..count {
        mtproto_schema::Encode::encode(&user, &mut body);
    }
    let len = body.len();
    let body = bytes::Bytes::from(body);
    net.script(move |call| {
        if call.is::<messages::ReceivedMessages>() {
            return Answer::Ok(body.clone());
        }
        Answer::Default
    });
    let id = net.send_raw(user_call(1), &CallOptions::default());
    let (end, bytes) = alloc::peak(|| net.answer(id));
    assert!(end.is_ok());
    // The wires, sealing and opening hold a few copies beside what is decoded.
    assert!(bytes < 10 * len, "{len} bytes took {bytes}");
}
