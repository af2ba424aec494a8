//! What a client costs while nothing happens, and how soon it notices that nothing comes any more.

use std::time::Duration;

use mtproto_proto::client::{CallOptions, Disconnected};
use mtproto_proto::connection::Error;

use crate::net::{Net, config};
use crate::queries::user_call;
use crate::secs;

const HOURS: u64 = 1_000;

/// Signed in, updates wanted, the main stream kept.
fn settled(seed: u64) -> Net {
    let mut net = Net::new(config(), seed);
    net.client.want_updates(net.now(), true);
    net.client.connect(net.now());
    net.sign_in();
    net.run(secs(60));
    net
}

#[test]
fn a_thousand_idle_hours_of_an_account_cost_a_step_a_minute() {
    let mut net = settled(131);
    let (timers, inputs) = net.steps;
    let (dials, calls) = (net.dials.len(), net.executed.len());
    net.events.clear();
    net.run(secs(HOURS * 3_600));
    let timers = (net.steps.0 - timers) / HOURS;
    let inputs = (net.steps.1 - inputs) / HOURS;
    let calls = (net.executed.len() - calls) as u64 / HOURS;
    println!("an hour: {timers} timers, {inputs} inputs, {calls} calls");
    assert_eq!(net.dials.len(), dials, "one stream");
    assert_eq!(net.disconnects(), []);
    // A ping a minute and its pong; the configuration and the acknowledgement of its answer; what
    // is stored of salts.
    assert!(timers <= 70, "{timers} timers an hour");
    assert!(inputs <= 70, "{inputs} inputs an hour");
    assert!(calls <= 5, "{calls} calls an hour");
    let id = net.send_raw(user_call(1), &CallOptions::default());
    assert!(net.answer(id).is_ok());
}

#[test]
fn a_client_that_keeps_nothing_costs_nothing_once_its_streams_were_idle() {
    let mut net = Net::new(config(), 132);
    net.sign_in();
    net.run(secs(400));
    assert_eq!(net.open_streams(), [0_i16; 0]);
    let (steps, dials) = (net.steps, net.dials.len());
    assert_eq!(net.client.poll_timeout(), None);
    net.run(secs(HOURS * 3_600));
    assert_eq!((net.steps, net.dials.len()), (steps, dials));
}

#[test]
fn while_the_user_waits_the_server_is_asked_more_often_but_not_without_bound() {
    let mut net = settled(133);
    net.client.set_online(net.now(), true);
    net.run(secs(60));
    let timers = net.steps.0;
    net.run(secs(10 * 3_600));
    let online = (net.steps.0 - timers) / 10;
    assert!((600..=800).contains(&online), "{online} timers an hour");
    net.client.set_online(net.now(), false);
    net.run(secs(60));
    let timers = net.steps.0;
    net.run(secs(10 * 3_600));
    let offline = (net.steps.0 - timers) / 10;
    assert!(offline <= 80, "{offline} timers an hour");
}

/// How long it takes to notice that the stream is silently dead.
fn noticed(online: bool, pending: bool, seed: u64) -> Duration {
    let mut net = settled(seed);
    net.client.set_online(net.now(), online);
    net.run(secs(31) + Duration::from_millis(seed * 997 % 30_000));
    net.vanish(2);
    let begun = net.now();
    if pending {
        net.send_raw(user_call(1), &CallOptions::default());
    }
    let silent = (2, Disconnected::Error(Error::Silent));
    let seen = net.run_until(secs(600), |net| net.disconnects().contains(&silent));
    assert!(seen, "seed {seed}");
    net.now().saturating_since(begun)
}

/// The table of `Client::set_online`.
#[test]
fn silence_is_noticed_within_the_bounds_that_the_documentation_tells() {
    let config = config().session;
    let idle = config.ping_interval + config.pong_timeout;
    let busy = config.ping_interval_busy + config.pong_timeout;
    let online = config.ping_interval_online + config.pong_timeout_online;
    assert_eq!((idle, busy, online), (secs(75), secs(30), secs(15)));
    for (is_online, pending, bound) in [
        (false, false, idle),
        (false, true, busy),
        (true, false, online),
        (true, true, online),
    ] {
        let mut longest = Duration::ZERO;
        for seed in 134..164 {
            let took = noticed(is_online, pending, seed);
            assert!(
                took <= bound + Duration::from_millis(10),
                "online: {is_online}, pending: {pending}, seed {seed}: {took:?}"
            );
            longest = longest.max(took);
        }
        // And the server is not asked needlessly often either.
        assert!(longest > bound / 2, "{longest:?} of {bound:?}");
    }
}

#[test]
fn a_stream_that_is_opened_while_the_user_waits_is_watched_as_closely() {
    let mut net = settled(165);
    net.client.set_online(net.now(), true);
    net.run(secs(20));
    for _ in 0..3 {
        net.cut(2);
        net.run(secs(20));
        net.events.clear();
        net.vanish(2);
        let begun = net.now();
        net.run_until(secs(600), |net| !net.disconnects().is_empty());
        let took = net.now().saturating_since(begun);
        assert!(took <= secs(15), "{took:?}");
        net.run(secs(20));
    }
}

#[test]
fn attempts_and_first_answers_have_their_own_bounds() {
    use crate::net::Door;

    for (door, reason) in [
        (Door::Black, Disconnected::NotConnected),
        (Door::Mute, Disconnected::Error(Error::Silent)),
    ] {
        let mut net = settled(166);
        net.door(2, door);
        net.cut(2);
        net.run(Duration::from_millis(100));
        net.events.clear();
        let begun = net.now();
        net.run_until(secs(60), |net| !net.disconnects().is_empty());
        assert_eq!(net.disconnects(), [(2, reason)]);
        let took = net.now().saturating_since(begun);
        assert!(took <= secs(10), "{door:?}: {took:?}");
    }
}
