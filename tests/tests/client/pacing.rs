//! When the client connects: pauses, bounds, other networks, streams that nobody takes.

use std::time::Duration;

use mtproto_proto::client::{
    Action, CallOptions, Client, DcOption, DcTable, Disconnected, Route, Snapshot,
};
use mtproto_proto::{ConnId, DcId, Time};
use mtproto_test::Dice;
use mtproto_test::pair::START;

use crate::addresses::at;
use crate::net::{Door, Net, Weather, addr, config};
use crate::queries::{open_call, user_call};
use crate::secs;

fn times(net: &Net, from: usize) -> Vec<Duration> {
    let dials = net.dials[from..].iter();
    dials.map(|(t, ..)| t.saturating_since(START)).collect()
}

/// No window of this length holds more attempts.
pub fn within(times: &[Duration], rules: &[(Duration, usize)], seed: u64) {
    for (window, max) in rules {
        for run in times.windows(max + 1) {
            let took = run[*max] - run[0];
            assert!(took >= *window, "seed {seed}: {max} in {window:?}: {run:?}");
        }
    }
}

#[test]
fn a_network_that_changes_all_the_time_does_not_make_attempts_without_bound() {
    for seed in 0..10 {
        let mut net = Net::new(config(), seed);
        let mut dice = Dice::from_env_or(seed);
        net.door(2, Door::Refuses);
        net.client.set_online(net.now(), true);
        net.client.connect(net.now());
        let end = net.now() + secs(60);
        while net.now() < end {
            net.client.network_changed(net.now());
            net.run(Duration::from_millis(dice.range(1..=100)));
        }
        let times = times(&net, 0);
        within(&times, &[(secs(5), 10)], seed);
        assert!(times.len() > 60, "seed {seed}: {}", times.len());
    }
}

#[test]
fn pauses_differ_from_client_to_client() {
    let pauses = |seed: u64| {
        let mut net = Net::new(config(), seed);
        net.door(2, Door::Refuses);
        net.client.connect(net.now());
        net.run(secs(120));
        times(&net, 0)
    };
    let all: Vec<_> = (0..20).map(pauses).collect();
    let last: std::collections::BTreeSet<_> = all.iter().map(|times| times[7]).collect();
    assert!(last.len() > 15, "{last:?}");
    for times in &all {
        assert!(times.windows(2).all(|w| w[1] - w[0] <= secs(17)));
    }
}

#[test]
fn a_stream_that_is_refused_by_word_is_paced_even_if_it_proved_itself_before() {
    // Each stream proves itself, and then the server ends it.
    let mut net = Net::new(config(), 101);
    net.sign_in();
    net.client.set_online(net.now(), true);
    net.client.connect(net.now());
    net.run(secs(10));
    let from = net.dials.len();
    net.door(2, Door::Status(-429));
    net.cut(2);
    net.run(secs(60));
    within(
        &times(&net, from),
        &[(secs(1), 1), (secs(4), 2), (secs(8), 3)],
        101,
    );
    let refused = net.dials.len();
    // On another network that says nothing.
    net.client.network_changed(net.now());
    net.run(Duration::ZERO);
    assert_eq!(net.dials.len(), refused + 1);
}

#[test]
fn streams_that_prove_themselves_and_break_at_once_are_paced_too() {
    for (online, rules) in [
        (false, &[(secs(1), 1), (secs(4), 2), (secs(8), 3)][..]),
        (true, &[(secs(1), 4), (secs(5), 5)][..]),
    ] {
        let mut net = Net::new(config(), 102);
        net.sign_in();
        net.client.set_online(net.now(), online);
        net.client.connect(net.now());
        net.run(secs(10));
        let from = net.dials.len();
        let end = net.now() + secs(60);
        while net.now() < end {
            net.cut(2);
            net.run(Duration::from_millis(20));
        }
        let times = times(&net, from);
        within(&times, rules, 102);
        assert!(times.len() >= 20, "{}", times.len());
    }
}

#[test]
fn a_connection_of_the_former_network_is_refused() {
    let rng = Dice::from_env_or(103).rng();
    let config = std::sync::Arc::new(config());
    let mut client = Client::new(config, Snapshot::new(), rng, START).unwrap();
    let connects = |client: &mut Client| {
        let mut conns = Vec::new();
        let mut closed = Vec::new();
        while let Some(action) = client.poll_action() {
            match action {
                Action::Connect { conn, .. } => conns.push(conn),
                Action::Close { conn } => closed.push(conn),
                _ => {}
            }
        }
        (conns, closed)
    };
    let id = client
        .send(START, open_call(), &CallOptions::default())
        .unwrap();
    let (first, _) = connects(&mut client);
    client.network_changed(START + secs(1));
    let (second, closed) = connects(&mut client);
    assert_eq!(closed, first, "the attempt is given up");
    assert_eq!((first.len(), second.len()), (1, 1));
    // The driver's report crossed the change: the stream is nobody's.
    client.handle_connected(START + secs(1), first[0]);
    let mut out = Vec::new();
    assert!(!client.poll_transmit(START + secs(1), first[0], &mut out));
    client.handle_connected(START + secs(1), second[0]);
    assert!(client.poll_transmit(START + secs(1), second[0], &mut out));
    client.cancel(START + secs(1), id);
}

#[test]
fn a_stream_that_was_opened_for_a_call_that_went_away_is_closed_soon() {
    let mut net = Net::new(config(), 104);
    net.sign_in();
    let to_4 = CallOptions::default().route(Route::Dc(DcId(4)));
    let id = net.send_raw(open_call(), &to_4);
    net.client.cancel(net.now(), id);
    net.run(secs(9));
    assert_eq!(net.open_streams(), [2, 4], "somebody else may want it");
    net.run(secs(2));
    assert_eq!(net.open_streams(), [2]);
    assert!(net.disconnects().contains(&(4, Disconnected::Idle)));
    // One that served is kept for longer.
    let id = net.send_raw(open_call(), &to_4);
    assert!(net.answer(id).is_ok());
    net.run(secs(60));
    assert_eq!(net.open_streams(), [2, 4]);
}

#[test]
fn an_attempt_that_nobody_needs_any_more_is_given_up() {
    let mut net = Net::new(config(), 105);
    net.door(2, Door::Black);
    let id = net.send_raw(open_call(), &CallOptions::default());
    net.run(secs(1));
    net.client.cancel(net.now(), id);
    net.run(secs(60));
    assert_eq!(net.dials.len(), 1);
    assert_eq!(net.closed, [ConnId(1)]);
    assert_eq!(net.client.poll_timeout(), None);
}

#[test]
fn what_worked_is_tried_first_even_if_the_table_changed() {
    let mut config = config();
    let mut dcs = DcTable::empty();
    for dead in 5..9 {
        dcs.add(DcOption::new(DcId(2), at(&format!("10.0.2.{dead}:1"))));
    }
    dcs.add(DcOption::new(DcId(2), addr(2)));
    config.dcs = dcs;
    let mut net = Net::new(config, 106);
    for dead in 5..9 {
        net.doors
            .insert(at(&format!("10.0.2.{dead}:1")), Door::Refuses);
    }
    let id = net.send_raw(open_call(), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    net.run(secs(1));
    for _ in 0..3 {
        net.run(secs(10));
        net.cut(2);
        let before = net.dials.len();
        let id = net.send_raw(open_call(), &CallOptions::default());
        assert!(net.answer(id).is_ok());
        let to: Vec<_> = net.dials[before..].iter().map(|(.., to)| *to).collect();
        assert_eq!(to, [addr(2)]);
    }
}

#[test]
fn an_address_that_a_server_told_wrongly_does_not_hide_our_own() {
    use mtproto_schema::api::functions::help;

    let mut net = Net::new(config(), 107);
    net.script(|call| {
        if call.is::<help::GetConfig>() {
            let mut told = crate::queries::config_answer(START, call.dc);
            for option in &mut told.dc_options {
                option.ip_address = format!("10.9.9.{}", option.id).into();
            }
            return crate::net::ok(&told);
        }
        crate::net::Answer::Default
    });
    net.sign_in();
    assert_eq!(net.client.dcs().get(DcId(2)).count(), 1);
    for dc in [1, 2, 4] {
        let nowhere = at(&format!("10.9.9.{dc}:443"));
        net.doors.insert(nowhere, Door::Refuses);
    }
    net.cut(2);
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(id).is_ok());
    net.restart(config());
    for dc in [2, 4] {
        let id = net.send_raw(
            open_call(),
            &CallOptions::default().route(Route::Dc(DcId(dc))),
        );
        assert!(net.answer(id).is_ok(), "DC {dc}");
    }
    // What the application says stands alone.
    let mut own = DcTable::empty();
    own.set(DcId(1), at("10.9.9.1:4430"));
    net.doors.insert(at("10.9.9.1:4430"), Door::Refuses);
    net.client.set_dcs(own);
    let from = net.dials.len();
    let id = net.send_raw(
        open_call(),
        &CallOptions::default().route(Route::Dc(DcId(1))),
    );
    assert!(net.answer(id).is_err());
    assert!(
        net.dials[from..]
            .iter()
            .all(|(.., to)| *to == at("10.9.9.1:4430"))
    );
}

#[test]
fn r9_no_dc_delays_another() {
    let bad = [
        Door::Black,
        Door::Mute,
        Door::Refuses,
        Door::Status(-404),
        Door::Status(-429),
    ];
    for (seed, door) in bad.into_iter().enumerate() {
        let mut net = Net::new(config(), 110 + seed as u64);
        let slow = Weather {
            latency: secs(3),
            jitter: secs(2),
        };
        net.client.want_updates(net.now(), true);
        net.client.connect(net.now());
        net.sign_in();
        net.door(4, door);
        net.weather.insert(1, slow);
        let to = |dc| {
            CallOptions::default()
                .route(Route::Dc(DcId(dc)))
                .deadline(secs(200))
        };
        let files = CallOptions::default()
            .route(Route::Media(DcId(4)))
            .deadline(secs(200));
        // The account is to be exported to both; one is slow, the other one not there.
        let mut stuck = vec![
            net.send_raw(user_call(1), &to(4)),
            net.send_raw(open_call(), &to(4)),
            net.send_raw(crate::queries::file_call(0), &files),
        ];
        let slow = net.send_raw(user_call(2), &to(1));
        let mut slow_took = None;
        let begun = net.now();
        for tag in 0..100 {
            let sent = net.now();
            stuck.push(net.send_raw(open_call(), &to(4)));
            let id = net.send_raw(user_call(100 + tag), &CallOptions::default());
            assert_eq!(net.answer(id), Ok(user_call(100 + tag)), "{door:?}");
            let took = net.now().saturating_since(sent);
            assert!(took < Duration::from_millis(10), "{door:?}: {took:?}");
            net.run(secs(1));
            let ended = net.events.iter().any(|(_, event)| {
                matches!(event, mtproto_proto::client::Event::Response { id, .. } if *id == slow)
            });
            if ended && slow_took.is_none() {
                slow_took = Some(net.now().saturating_since(begun));
            }
        }
        // A few round trips of 10 s: the stream, the key, the account, the call.
        assert!(
            slow_took.is_some_and(|took| took < secs(100)),
            "{door:?}: {slow_took:?}"
        );
        for id in stuck {
            assert!(net.answer(id).is_err(), "{door:?}");
        }
        let late: Vec<Time> = net.dials.iter().map(|(at, ..)| *at).collect();
        assert!(late.windows(2).all(|w| w[0] <= w[1]));
    }
}
