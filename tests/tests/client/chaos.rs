//! Bad weather over several DCs: streams that break or fall silent, doors that close, servers that
//! forget, refuse, send elsewhere and want pauses. Every call ends once; what may run once runs
//! once; what is to come after something never overtakes it; no timer loops. Long runs are the
//! simulator's: `simulate --profile client`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use mtproto_proto::client::{CallOptions, Event, Route};
use mtproto_proto::{ConnId, DcId, RequestId};
use mtproto_schema::Reader;
use mtproto_schema::api::functions::{auth, help, messages};
use mtproto_test::{Dice, Seed};

use crate::net::{Answer, Door, Net, Weather, config, error};
use crate::queries::user_call;
use crate::secs;

#[derive(Debug, Default)]
struct Count {
    answered: usize,
    failed: usize,
    dials: usize,
    minutes: u64,
}

/// How a DC of this world answers: now and then not at all, or with any of the errors that a client
/// has to deal with. What it executes is remembered.
fn moody(net: &mut Net, calm: &Rc<RefCell<bool>>) -> Rc<RefCell<Vec<i32>>> {
    let executed = Rc::new(RefCell::new(Vec::new()));
    let (mut dice, calm, ours) = (net.dice.fork(), calm.clone(), executed.clone());
    net.script(move |call| {
        if call.is::<auth::BindTempAuthKey>() || call.is::<auth::SignIn>() {
            return Answer::Default;
        }
        let calm = *calm.borrow();
        if !calm && dice.chance(1, 4) {
            let elsewhere = dice.choose(&[1, 2, 4]);
            match dice.range(0..=8) {
                0 => return error(420, &format!("FLOOD_WAIT_{}", dice.range(0..=40))),
                1 => return error(500, "INTERNAL"),
                2 => return error(500, "WORKER_BUSY_TOO_LONG_RETRY"),
                3 => return error(303, &format!("FILE_MIGRATE_{elsewhere}")),
                4 => return error(303, &format!("STATS_MIGRATE_{elsewhere}")),
                5 => return error(400, "CONNECTION_NOT_INITED"),
                6 if call.dc != 2 => return error(401, "AUTH_KEY_UNREGISTERED"),
                7 => return error(401, "AUTH_KEY_PERM_EMPTY"),
                _ => {}
            }
        }
        let lost = !calm && dice.chance(1, 20);
        if call.is::<messages::ReceivedMessages>() {
            let mut r = Reader::new(&call.query);
            r.skip(4);
            let tag = r.i32();
            if !calm && dice.chance(1, 30) {
                // It ran, and the server lost sight of it.
                ours.borrow_mut().push(tag);
                return error(-503, "Timeout");
            }
            ours.borrow_mut().push(tag);
        }
        if lost && !call.is::<help::GetConfig>() {
            return Answer::Silent;
        }
        Answer::Default
    });
    executed
}

fn run(seed: u64) -> Count {
    let mut config = config();
    let mut dice = Dice::new(Seed(seed ^ 0x5eed));
    config.pfs = dice.chance(1, 3).then(|| secs(dice.range(60..=3_600)));
    let mut net = Net::new(config, seed);
    for dc in [1, 2, 4] {
        let weather = Weather {
            latency: Duration::from_millis(dice.range(1..=300)),
            jitter: Duration::from_millis(dice.range(0..=300)),
        };
        net.weather.insert(dc, weather);
    }
    net.strict_init = dice.chance(1, 2);
    net.sign_in();
    net.events.clear();
    if dice.chance(1, 2) {
        net.client.connect(net.now());
    }
    let calm = Rc::new(RefCell::new(false));
    let executed = moody(&mut net, &calm);
    let begun = net.now();

    let mut sent: BTreeMap<RequestId, (i32, bool)> = BTreeMap::new();
    // Which tag is to come after which.
    let mut order: Vec<(i32, i32)> = Vec::new();
    for tag in 0..i32::try_from(dice.range(20..=80)).unwrap() {
        for _ in 0..dice.range(0..=2) {
            let dc = *dice.choose(&[1, 2, 4]);
            match dice.range(0..=9) {
                0 => net.cut(dc),
                1 => net.vanish(dc),
                2 => {
                    let doors = [Door::Refuses, Door::Black, Door::Mute, Door::Status(-404)];
                    net.door(dc, *dice.choose(&doors));
                }
                3..=5 => net.door(dc, Door::Open),
                6 => net.client.set_online(net.now(), dice.chance(1, 2)),
                7 => net.client.network_changed(net.now()),
                8 => net.fail_socket(ConnId(dice.range(0..=50))),
                _ => {
                    if let Some(id) = sent.keys().copied().next_back() {
                        net.client.cancel(net.now(), id);
                    }
                }
            }
        }
        let route = match dice.range(0..=4) {
            0 => Route::Dc(DcId(*dice.choose(&[1, 2, 4]))),
            1 => Route::Media(DcId(*dice.choose(&[1, 2, 4]))),
            _ => Route::Main,
        };
        let mut options = CallOptions::default().route(route);
        options.idempotent = dice.chance(1, 2);
        options.deadline = dice.chance(1, 2).then(|| secs(dice.range(0..=200)));
        if dice.chance(1, 3)
            && let Some((first, (of, _))) = sent.iter().nth_back(dice.range(0..=2) as usize)
        {
            options.after.push(*first);
            if net.client.progress(*first).is_some() {
                order.push((*of, tag));
            }
        }
        let id = net.send_raw(user_call(tag), &options);
        sent.insert(id, (tag, options.idempotent));
        net.run(Duration::from_millis(dice.range(0..=8_000)));
    }
    // The weather gets better; whatever is left ends by its deadline.
    *calm.borrow_mut() = true;
    for dc in [1, 2, 4] {
        net.door(dc, Door::Open);
    }
    net.run(secs(201));

    let mut count = Count {
        dials: net.dials.len(),
        minutes: net.now().saturating_since(begun).as_secs() / 60,
        ..Count::default()
    };
    let mut ended = BTreeSet::new();
    for (_, event) in &net.events {
        let id = match event {
            Event::Response { id, body } => {
                assert_eq!(
                    *body,
                    user_call(sent[id].0),
                    "seed {seed}: another's answer"
                );
                count.answered += 1;
                id
            }
            Event::Failed { id, .. } => {
                count.failed += 1;
                id
            }
            Event::SignedOut(reason) => panic!("seed {seed}: {reason:?}"),
            _ => continue,
        };
        assert!(ended.insert(*id), "seed {seed}: {id} ended twice");
    }
    let open: Vec<_> = sent.keys().filter(|id| !ended.contains(id)).collect();
    assert!(open.is_empty(), "seed {seed}: {open:?} never ended");
    for (tag, idempotent) in sent.values() {
        let times = executed.borrow().iter().filter(|t| *t == tag).count();
        assert!(
            *idempotent || times <= 1,
            "seed {seed}: {tag} was executed {times} times"
        );
    }
    for (first, later) in order {
        let at = |tag| executed.borrow().iter().position(|t| *t == tag);
        assert!(
            at(later).is_none() || at(first) < at(later) && at(first).is_some(),
            "seed {seed}: {later} overtook {first}"
        );
    }
    // And the account is still good for something.
    let id = net.send_raw(user_call(-1), &CallOptions::default());
    assert!(net.answer(id).is_ok(), "seed {seed}");
    net.check_store();
    net.client.close(net.now());
    net.run(secs(10));
    net.check_store();
    assert!(net.client.is_closed(), "seed {seed}");
    count
}

#[test]
fn every_call_ends_once_in_any_weather() {
    const RUNS: u64 = 200;
    let mut all = Count::default();
    for seed in 0..RUNS {
        let count = run(seed);
        all.answered += count.answered;
        all.failed += count.failed;
        all.dials += count.dials;
        all.minutes += count.minutes;
    }
    println!("{RUNS} runs: {all:?}");
    assert!(all.answered > all.failed, "{all:?}");
}

/// People sign in and out, are thrown out, move; calls go on all the while.
fn come_and_go(seed: u64) -> Count {
    let mut config = config();
    let mut dice = Dice::new(Seed(seed ^ 0xc0de));
    config.pfs = dice.chance(1, 3).then(|| secs(3_600));
    let mut net = Net::new(config, seed);
    net.client.connect(net.now());
    net.client.want_updates(net.now(), dice.chance(1, 2));
    let mut mood = net.dice.fork();
    net.script(move |call| {
        if call.is::<auth::BindTempAuthKey>() {
            return Answer::Default;
        }
        match mood.range(0..=60) {
            0 => error(401, "AUTH_KEY_UNREGISTERED"),
            1 => error(401, "SESSION_REVOKED"),
            2 => error(406, "AUTH_KEY_DUPLICATED"),
            3 => error(401, "AUTH_KEY_INVALID"),
            4 => error(303, &format!("USER_MIGRATE_{}", mood.choose(&[1, 2, 4, 7]))),
            5 => error(303, &format!("PHONE_MIGRATE_{}", mood.choose(&[1, 2, 4]))),
            6 => error(420, &format!("FLOOD_WAIT_{}", mood.range(0..=30))),
            7 => error(500, "INTERNAL"),
            8 => Answer::Silent,
            _ => Answer::Default,
        }
    });
    let mut sent = BTreeSet::new();
    for tag in 0..60 {
        match dice.range(0..=12) {
            0 => net.cut(*dice.choose(&[1, 2, 4])),
            1 => net.vanish(*dice.choose(&[1, 2, 4])),
            2 => net.restart_server(*dice.choose(&[1, 2, 4]), dice.chance(1, 2)),
            _ => {}
        }
        let route = match dice.range(0..=4) {
            0 => Route::Dc(DcId(*dice.choose(&[1, 2, 4, 9]))),
            1 => Route::Media(DcId(*dice.choose(&[1, 2, 4]))),
            _ => Route::Main,
        };
        let options = CallOptions::default().route(route);
        let main = CallOptions::default();
        let id = match dice.range(0..=9) {
            0 => net.send(&auth::LogOut, &main),
            1 | 2 => net.send(&crate::queries::sign_in_query(), &main),
            _ => net.send_raw(user_call(tag), &options),
        };
        sent.insert(id);
        if dice.chance(1, 2) {
            net.run(Duration::from_millis(dice.range(0..=20_000)));
        }
    }
    net.run(secs(61));
    net.check_store();
    net.client.close(net.now());
    net.run(secs(10));
    assert!(net.client.is_closed(), "seed {seed}");
    net.check_store();
    let mut count = Count {
        dials: net.dials.len(),
        ..Count::default()
    };
    let mut ended = BTreeSet::new();
    for (_, event) in &net.events {
        let id = match event {
            Event::Response { id, .. } => {
                count.answered += 1;
                id
            }
            Event::Failed { id, .. } => {
                count.failed += 1;
                id
            }
            _ => continue,
        };
        assert!(ended.insert(*id), "seed {seed}: {id} ended twice");
    }
    assert_eq!(ended, sent, "seed {seed}");
    count
}

#[test]
fn every_call_ends_once_while_people_come_and_go() {
    let mut all = Count::default();
    for seed in 0..40 {
        let count = come_and_go(seed);
        all.answered += count.answered;
        all.failed += count.failed;
        all.dials += count.dials;
    }
    println!("40 runs: {all:?}");
}

#[test]
fn one_seed_gives_one_run() {
    let run = |seed: u64| {
        let mut net = Net::new(config(), seed);
        net.sign_in();
        for tag in 0..20 {
            let options = CallOptions::default().route(Route::Dc(DcId(4)));
            net.send_raw(user_call(tag), &options);
            net.cut(2);
            net.run(secs(1));
        }
        let events: Vec<_> = net.events.iter().map(|e| format!("{e:?}")).collect();
        (events, net.dials, net.store.to_bytes())
    };
    assert_eq!(run(5), run(5));
}
