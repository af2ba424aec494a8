//! Streams: addresses, attempts and pauses, sleep, idleness, refusals, closing.

use std::time::Duration;

use mtproto_proto::client::{
    CallError, CallOptions, Client, DcOption, DcTable, Disconnected, Event, Route,
};
use mtproto_proto::connection::{ConfigError, Error};
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_proto::{DcId, Fate, RequestError, Time};
use mtproto_schema::api::functions;
use mtproto_test::Dice;
use mtproto_test::pair::START;

use crate::addresses::at;
use crate::net::{Answer, Door, Net, addr, config};
use crate::pacing::within;
use crate::queries::{open_call, user_call};
use crate::secs;

#[test]
fn attempts_are_paced_and_backed_off() {
    for seed in 0..20 {
        let mut net = Net::new(config(), seed);
        net.door(2, Door::Refuses);
        net.client.connect(net.now());
        net.run(secs(120));
        let times: Vec<Duration> = net
            .dials
            .iter()
            .map(|(t, ..)| t.saturating_since(START))
            .collect();
        within(&times, &[(secs(1), 1), (secs(4), 2), (secs(8), 3)], seed);
        let pauses: Vec<Duration> = times.windows(2).map(|w| w[1] - w[0]).collect();
        let last = pauses.last().unwrap();
        assert!(
            *last > secs(11) && *last <= secs(17),
            "seed {seed}: {pauses:?}"
        );
        assert!(times.len() >= 8, "seed {seed}: {times:?}");
        assert_eq!(net.disconnects().len(), times.len());

        // The user waits: more often, still bounded.
        let before = net.dials.len();
        net.client.set_online(net.now(), true);
        let begun = net.now();
        net.run(secs(60));
        let times: Vec<Duration> = net.dials[before..]
            .iter()
            .map(|(t, ..)| t.saturating_since(begun))
            .collect();
        within(&times, &[(secs(1), 4), (secs(5), 5)], seed);
        assert!(times.len() >= 50, "seed {seed}: {}", times.len());

        // Another network: at once, and as at the beginning.
        net.client.set_online(net.now(), false);
        let now = net.now();
        net.client.network_changed(now);
        net.run(Duration::ZERO);
        assert_eq!(net.dials.last().unwrap().0, now, "seed {seed}");
    }
}

#[test]
fn on_another_network_streams_are_opened_anew_and_lose_nothing() {
    let mut net = Net::new(config(), 56);
    net.sign_in();
    net.client.connect(net.now());
    net.run(secs(5));
    let session = *net.dcs[&2].sessions.last().unwrap();
    // The old one is silently dead.
    net.vanish(2);
    let id = net.send_raw(user_call(1), &CallOptions::default());
    let begun = net.now();
    net.client.network_changed(begun);
    assert_eq!(net.answer(id), Ok(user_call(1)));
    assert!(net.now().saturating_since(begun) < secs(1));
    assert_eq!(*net.dcs[&2].sessions.last().unwrap(), session);
}

#[test]
fn a_server_that_refuses_is_left_alone_for_longer_even_if_the_user_waits() {
    let mut net = Net::new(config(), 57);
    net.door(2, Door::Status(-429));
    net.client.set_online(net.now(), true);
    net.client.connect(net.now());
    net.run(secs(120));
    let told = Disconnected::Error(Error::Status { code: -429 });
    assert!(net.disconnects().iter().all(|(_, reason)| *reason == told));
    assert!((8..16).contains(&net.dials.len()), "{}", net.dials.len());
}

#[test]
fn how_bytes_are_cut_does_not_matter() {
    let run = |sizes: std::ops::RangeInclusive<usize>| {
        let mut net = Net::new(config(), 58);
        net.segments = sizes;
        net.sign_in();
        let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
        let ids: Vec<_> = (0..20)
            .map(|tag| net.send_raw(user_call(tag), &to_4))
            .collect();
        let answers: Vec<_> = ids.into_iter().map(|id| net.answer(id)).collect();
        (answers, net.store.account(), net.dcs[&4].keys.len())
    };
    assert_eq!(run(1..=7), run(usize::MAX..=usize::MAX));
}

#[test]
fn an_address_where_nobody_answers_is_left_after_the_timeout() {
    let mut config = config();
    let mut dcs = DcTable::empty();
    dcs.add(DcOption::new(DcId(2), at("10.0.2.9:1")));
    dcs.add(DcOption::new(DcId(2), addr(2)));
    config.dcs = dcs;
    let mut net = Net::new(config, 43);
    net.doors.insert(at("10.0.2.9:1"), Door::Black);
    let id = net.send_raw(open_call(), &CallOptions::default());
    let end = net.answer(id);
    assert!(end.is_ok(), "{end:?} {:?}", net.events);
    assert!(net.now() < START + secs(12), "{:?}", net.now());
    assert_eq!(net.closed.len(), 1, "the attempt was given up");
    // What worked is used first from now on.
    net.cut(2);
    let id = net.send_raw(open_call(), &CallOptions::default());
    let end = net.answer(id);
    assert!(end.is_ok(), "{end:?} {:?}", net.events);
    assert_eq!(net.dials.last().unwrap().3, addr(2));
    assert_eq!(net.dials.len(), 3);
}

#[test]
fn nothing_is_connected_before_it_is_needed_nor_kept_longer() {
    let mut net = Net::new(config(), 44);
    net.run(secs(3_600));
    assert_eq!(net.dials.len(), 0);
    assert_eq!(net.client.poll_timeout(), None);

    net.sign_in();
    net.client.connect(net.now());
    let id = net.send_raw(
        user_call(1),
        &CallOptions::default().route(Route::Dc(DcId(4))),
    );
    assert!(net.answer(id).is_ok());
    assert_eq!(net.open_streams(), [2, 4]);
    net.run(secs(290));
    assert_eq!(net.open_streams(), [2, 4]);
    net.run(secs(20));
    assert_eq!(net.open_streams(), [2]);
    assert_eq!(net.disconnects(), [(4, Disconnected::Idle)]);
    net.run(secs(3_600));
    assert_eq!(net.open_streams(), [2], "the main one is kept");

    // Without `connect` it is not.
    let mut net = Net::new(config(), 44);
    net.sign_in();
    net.run(secs(310));
    assert_eq!(net.open_streams(), [0_i16; 0]);
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(id).is_ok(), "and opened again when needed");
}

#[test]
fn the_kept_stream_is_opened_again_at_once_with_the_same_session() {
    let mut net = Net::new(config(), 45);
    net.sign_in();
    net.client.connect(net.now());
    net.run(secs(10));
    let session = *net.dcs[&2].sessions.last().unwrap();
    net.cut(2);
    net.run(Duration::from_millis(100));
    assert_eq!(net.open_streams(), [2]);
    assert!(net.disconnects().contains(&(2, Disconnected::Closed)));
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    assert_eq!(*net.dcs[&2].sessions.last().unwrap(), session);
}

#[test]
fn a_stream_that_fell_silent_is_noticed_and_replaced() {
    let mut net = Net::new(config(), 46);
    net.sign_in();
    net.client.connect(net.now());
    net.run(secs(10));
    net.vanish(2);
    let begun = net.now();
    let id = net.send_raw(user_call(1), &CallOptions::default().idempotent());
    assert_eq!(net.answer(id), Ok(user_call(1)));
    let took = net.now().saturating_since(begun);
    assert!(took < secs(35), "{took:?}");
    let silent = (2, Disconnected::Error(Error::Silent));
    assert!(
        net.disconnects().contains(&silent),
        "{:?}",
        net.disconnects()
    );

    // Sooner when the user comes back and looks.
    net.vanish(2);
    net.client.set_online(net.now(), true);
    let begun = net.now();
    net.run_until(secs(60), |net| net.disconnects().len() > 1);
    assert!(net.now().saturating_since(begun) <= secs(10));
}

#[test]
fn after_a_sleep_the_streams_are_checked_at_once() {
    let mut net = Net::new(config(), 47);
    net.sign_in();
    net.client.connect(net.now());
    net.run(secs(10));
    net.vanish(2);
    // The device slept for an hour: no timer ran.
    let woke = net.now() + secs(3_600);
    net.client.handle_timeout(woke);
    let next = net.client.poll_timeout().unwrap();
    assert!(next <= woke + secs(10), "{next:?}");
}

#[test]
fn a_server_that_denies_the_key_never_costs_the_login() {
    let mut net = Net::new(config(), 48);
    net.sign_in();
    net.client.connect(net.now());
    net.run(secs(1));
    let key = net.dcs[&2].keys[0];
    net.door(2, Door::Status(-404));
    net.cut(2);
    net.run(secs(3_600));
    let told = net
        .disconnects()
        .iter()
        .filter(|(_, reason)| *reason == Disconnected::Error(Error::Status { code: -404 }))
        .count();
    assert!((200..300).contains(&told), "with pauses of 16 s: {told}");
    assert!(net.client.account().is_some());
    net.door(2, Door::Open);
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    let permanent: Vec<_> = net.dcs[&2].keys.iter().filter(|(_, temp)| !temp).collect();
    assert_eq!(permanent, [&key], "the same key");
}

#[test]
fn another_dc_that_lost_the_key_gets_a_new_one_and_the_account_again() {
    let mut net = Net::new(config(), 49);
    net.sign_in();
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let id = net.send_raw(user_call(1), &to_4);
    assert!(net.answer(id).is_ok());
    net.restart_server(4, false);
    net.dcs.get_mut(&4).unwrap().users.clear();
    // Whether the server that denied the key took the call, nobody can tell.
    let id = net.send_raw(user_call(2), &to_4.idempotent());
    assert_eq!(net.answer(id), Ok(user_call(2)));
    assert_eq!(net.dcs[&4].keys.len(), 2);
    assert_eq!(net.count::<functions::auth::ImportAuthorization>(4), 2);
    assert!(net.client.account().is_some());
}

#[test]
fn a_main_dc_that_lost_the_key_of_nobody_gets_a_new_one() {
    let mut net = Net::new(config(), 50);
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    net.restart_server(2, false);
    let id = net.send_raw(open_call(), &CallOptions::default().idempotent());
    assert!(net.answer(id).is_ok());
    assert_eq!(net.dcs[&2].keys.len(), 2);
}

#[test]
fn a_temporary_key_that_is_not_known_is_replaced_and_the_permanent_one_stays() {
    let mut config = config();
    config.pfs = Some(secs(3_600));
    let mut net = Net::new(config, 51);
    net.sign_in();
    net.client.connect(net.now());
    net.run(secs(1));
    let permanent = net.dcs[&2].keys[0];
    net.restart_server(2, true);
    let id = net.send_raw(user_call(1), &CallOptions::default().idempotent());
    assert_eq!(net.answer(id), Ok(user_call(1)));
    let made: Vec<_> = net.dcs[&2].keys.iter().filter(|(_, temp)| !temp).collect();
    assert_eq!(made, [&permanent]);
}

#[test]
fn a_permanent_key_that_cannot_be_bound_to_is_given_up_only_where_it_is_no_login() {
    let mut config = config();
    config.pfs = Some(secs(3_600));
    let mut net = Net::new(config, 60);
    net.sign_in();
    let permanent = |net: &Net, dc: i16| {
        let keys = net.dcs[&dc].keys.iter();
        keys.filter(|(_, temporary)| !temporary).count()
    };
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let id = net.send_raw(user_call(1), &to_4);
    assert!(net.answer(id).is_ok());
    net.restart_server(4, false);
    net.dcs.get_mut(&4).unwrap().users.clear();
    let id = net.send_raw(user_call(2), &to_4.idempotent());
    assert_eq!(net.answer(id), Ok(user_call(2)));
    assert_eq!(permanent(&net, 4), 2);

    net.client.connect(net.now());
    net.restart_server(2, false);
    net.run(secs(600));
    assert_eq!(permanent(&net, 2), 1);
    assert!(net.client.account().is_some());
    let refused =
        |reason: &Disconnected| matches!(reason, Disconnected::Error(Error::BindRefused(_)));
    let told = net.disconnects();
    assert!(told.iter().any(|(dc, reason)| *dc == 2 && refused(reason)));
}

#[test]
fn closing_writes_what_is_queued_and_ends_every_call() {
    let mut net = Net::new(config(), 52);
    net.sign_in();
    net.script(|_| Answer::Silent);
    let sent = net.send_raw(user_call(1), &CallOptions::default());
    let now = net.now();
    net.client.close(now);
    assert!(!net.client.is_closed());
    let elsewhere = CallOptions::default().route(Route::Dc(DcId(4)));
    assert!(net.client.send(now, open_call(), &elsewhere).is_err());
    net.run(Duration::ZERO);
    assert!(net.client.is_closed());
    let lost = CallError::Request(RequestError::Lost(Fate::MaybeExecuted));
    assert_eq!(net.answer(sent), Err(lost));
    net.run(secs(1));
    assert_eq!(net.executed.len(), 1, "it was written before the end");
    assert_eq!(net.client.poll_timeout(), None);

    // Before there is a stream.
    let mut net = Net::new(config(), 52);
    net.door(2, Door::Black);
    let id = net.send_raw(open_call(), &CallOptions::default());
    net.run(secs(1));
    net.client.close(net.now());
    let lost = CallError::Request(RequestError::Lost(Fate::NotSent));
    assert_eq!(net.answer(id), Err(lost));
    assert!(net.client.is_closed());
    assert_eq!(net.closed.len(), 1);
}

#[test]
fn a_driver_that_takes_nothing_does_not_keep_the_client_open() {
    let mut net = Net::new(config(), 53);
    net.sign_in();
    let now = net.now();
    net.client
        .send(now, user_call(1), &CallOptions::default())
        .unwrap();
    net.client.close(now);
    let mut at = now;
    while let Some(next) = net.client.poll_timeout() {
        assert!(next > at, "{next:?}");
        at = next;
        net.client.handle_timeout(at);
    }
    assert!(net.client.is_closed());
    assert!(at <= now + secs(10));
}

#[test]
fn a_driver_that_does_nothing_is_not_woken_for_ever() {
    let mut net = Net::new(config(), 59);
    net.sign_in();
    let mut now = net.now();
    net.client.connect(now);
    for tag in 0..10 {
        let to = CallOptions::default().route(Route::Dc(DcId(*[1, 2, 4].get(tag % 3).unwrap())));
        net.client.send(now, user_call(1), &to).unwrap();
    }
    let end = now + secs(3_600);
    let mut timers = 0;
    while let Some(next) = net.client.poll_timeout().filter(|at| *at < end) {
        now = now.max(next);
        net.client.handle_timeout(now);
        assert!(net.client.poll_timeout().is_none_or(|at| at > now));
        timers += 1;
    }
    assert!(timers < 3_000, "{timers} in an hour");
}

#[test]
fn contradictions_are_told_at_the_beginning() {
    let new = |config| {
        let rng = Dice::from_env_or(1).rng();
        Client::new(std::sync::Arc::new(config), Default::default(), rng, START).map(drop)
    };
    let mut without_keys = config();
    without_keys.public_keys.clear();
    assert_eq!(new(without_keys), Err(ConfigError::NoPublicKey));
    let mut short = config();
    short.pfs = Some(secs(1));
    assert!(matches!(new(short), Err(ConfigError::PfsLifetime { .. })));
    let mut full = config();
    full.framing = Framing::Full;
    full.obfuscation = Some(Obfuscation::default());
    assert!(matches!(new(full), Err(ConfigError::Transport(_))));

    let mut net = Net::new(config(), 1);
    net.sign_in();
    let mut other = config();
    other.test_mode = true;
    let rng = Dice::from_env_or(1).rng();
    let result = Client::new(std::sync::Arc::new(other), net.store.clone(), rng, START);
    assert_eq!(
        result.map(drop),
        Err(ConfigError::OtherServers { stored_test: false })
    );
}

#[test]
fn strangers_and_late_reports_are_ignored() {
    let mut net = Net::new(config(), 54);
    net.sign_in();
    let now = net.now();
    let stranger = mtproto_proto::ConnId(99);
    net.client.handle_connect_failed(Time::ZERO, stranger);
    net.client.handle_connected(now, stranger);
    net.client.handle_input(now, stranger, &[1; 100]);
    net.client.handle_closed(now, stranger);
    let mut out = Vec::new();
    assert!(!net.client.poll_transmit(now, stranger, &mut out));
    assert!(out.is_empty());
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(id).is_ok());
}

#[test]
fn salts_are_not_stored_with_every_packet() {
    let mut net = Net::new(config(), 55);
    net.sign_in();
    net.client.connect(net.now());
    let before = net.events.len();
    net.run(secs(3_600));
    let stored = net.events[before..]
        .iter()
        .filter(|(_, e)| matches!(e, Event::Changed(_)))
        .count();
    assert!(stored <= 61, "{stored}");
}
