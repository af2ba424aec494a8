//! Clocks that are wrong, clocks that jump, and timers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "common/both.rs"]
mod both;
#[path = "session/support.rs"]
mod support;

use mtproto_proto::connection::{ClientEvent, Error, KeyState, Start};
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::session::SendOptions;
use mtproto_proto::{Machine, RequestError, Time};
use mtproto_test::Seed;
use mtproto_test::rogue::{RogueClient, RogueServer, Said};

use both::{Both, Owner, client_config, server_config};
use support::{config, failed, response, secs, settled, settled_server};

const HOUR: i64 = 3_600;
const DECADE: i64 = 10 * 365 * 86_400;

/// How far the client's clock is ahead.
const SKEWS: [i64; 8] = [-DECADE, -HOUR, -301, -29, 31, HOUR, 86_400, DECADE];

#[test]
fn the_first_call_of_a_new_key_ends_whatever_the_clocks_say() {
    for skew in SKEWS {
        for skewed_server in [false, true] {
            let skews = if skewed_server { [0, skew] } else { [skew, 0] };
            let (client, server) = (client_config(), server_config());
            let mut both = Both::skewed(client, server, Start::NewKey, skews, 4001);
            let id = both.call_with(b"the call", &SendOptions::default().deadline(secs(600)));
            assert_eq!(
                both.end_of(id, secs(30)),
                response(id, b"the call"),
                "{skew} s, server: {skewed_server}"
            );
            assert_eq!(both.executed.len(), 1, "{skew}");
        }
    }
}

#[test]
fn the_first_call_of_a_stored_key_ends_whatever_the_clocks_say() {
    for skew in SKEWS {
        for skewed_server in [false, true] {
            let key = [9; 256];
            let state = KeyState::from_auth_key(key, mtproto_proto::DcId(2));
            let skews = if skewed_server { [0, skew] } else { [skew, 0] };
            let (client, server) = (client_config(), server_config());
            let mut both = Both::skewed(client, server, Start::Key(state), skews, 4002);
            let key = AuthKey::from_bytes(&key);
            let now = both.pair.server_now();
            both.pair
                .server
                .server()
                .provide_key(now, key.id(), Some(key.clone()));
            let id = both.call(b"the call");
            assert_eq!(
                both.end_of(id, secs(5)),
                response(id, b"the call"),
                "{skew} s, server: {skewed_server}"
            );
            assert_eq!(both.executed.len(), 1, "{skew}");
            let reported: i64 = both
                .events
                .iter()
                .filter_map(|event| match event {
                    ClientEvent::ClockCorrected { by } => Some(*by),
                    _ => None,
                })
                .sum();
            let expected = match (skew.abs() > 30, skewed_server) {
                (false, _) => 0,
                (true, true) => skew,
                (true, false) => -skew,
            };
            assert!((reported - expected).abs() <= 1, "{skew}: {reported}");
            // And the next ones too, for hours.
            for _ in 0..20 {
                let id = both.call(b"the next");
                assert_eq!(
                    both.end_of(id, secs(5)),
                    response(id, b"the next"),
                    "{skew}"
                );
                both.run(secs(600));
            }
        }
    }
}

#[test]
fn a_temporary_key_is_bound_and_renewed_whatever_the_clocks_say() {
    for skew in [-DECADE, -HOUR, HOUR, DECADE] {
        let mut config = client_config();
        config.pfs = Some(secs(3_600));
        let mut both = Both::skewed(config, server_config(), Start::NewKey, [skew, 0], 4003);
        for _ in 0..8 {
            let id = both.call(b"the call");
            assert_eq!(
                both.end_of(id, secs(30)),
                response(id, b"the call"),
                "{skew}"
            );
            both.run(secs(900));
        }
        assert_eq!(both.client_error(), None, "{skew}");
        let temporary = both.keys.iter().filter(|(_, temporary)| *temporary).count();
        assert_eq!(temporary, 3, "{skew}: two hours, 45 minutes each");
    }
}

#[test]
fn the_ends_of_the_scale_are_times_too() {
    for start in [
        Time::ZERO,
        Time::from_unix(1 << 31),
        Time::from_unix(1 << 33),
        Time::MAX,
    ] {
        let state = KeyState::from_auth_key([9; 256], mtproto_proto::DcId(2));
        let mut rogue = RogueServer::with_key(config(), state, start, Seed::from_env_or(4004));
        rogue.call(b"the call");
        let packet = rogue.hear_one();
        assert!(packet.msg_id.0 > 0, "{start:?}");
        rogue.say(Said::bad_msg(packet.msg_id, 17));
        rogue.later(secs(1_000_000));
    }
}

#[test]
fn a_thousand_idle_hours_cost_few_steps_at_a_client() {
    let mut rogue = settled(4005);
    rogue.answers_pings(true);
    let before = rogue.timers_fired();
    let mut pings = 0;
    for _ in 0..1_000 {
        rogue.later(secs(3_600));
        pings += rogue.hear().len();
    }
    let fired = rogue.timers_fired() - before;
    assert_eq!(rogue.error(), None);
    assert!(pings <= 60_000, "{pings}");
    assert!(fired <= 60_000, "one timer for each ping: {fired}");
    assert_eq!(rogue.news(), []);
}

#[test]
fn a_thousand_idle_hours_cost_few_steps_at_a_server() {
    let mut config = support::server_config();
    config.idle_timeout = secs(10_000 * 3_600);
    let (mut rogue, conn) = RogueClient::settled(config, Seed::from_env_or(4006));
    // What was said last may have to be repeated until it is acknowledged.
    rogue.later(secs(600));
    let before = rogue.timers_fired();
    rogue.later(secs(1_000 * 3_600));
    assert_eq!(rogue.closed(conn), None);
    assert_eq!(rogue.hear(conn), []);
    assert_eq!(rogue.timers_fired() - before, 0, "nothing is awaited");
}

/// A machine, and how often its driver had to do something with it.
struct Counted<M>(M, u64);

impl<M: Machine> Machine for Counted<M> {
    type Event = M::Event;
    type Error = M::Error;

    fn handle_input(&mut self, now: Time, bytes: &[u8]) -> Result<(), M::Error> {
        self.1 += 1;
        self.0.handle_input(now, bytes)
    }

    fn handle_eof(&mut self, now: Time) -> Result<(), M::Error> {
        self.0.handle_eof(now)
    }

    fn handle_timeout(&mut self, now: Time) -> Result<(), M::Error> {
        self.1 += 1;
        self.0.handle_timeout(now)
    }

    fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let written = self.0.poll_transmit(now, out);
        self.1 += u64::from(written);
        written
    }

    fn poll_event(&mut self) -> Option<M::Event> {
        self.0.poll_event()
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.0.poll_timeout()
    }
}

#[test]
fn a_thousand_idle_hours_of_a_pair_cost_a_ping_a_minute() {
    use std::sync::Arc;

    let (hours, seed) = (1_000, Seed::from_env_or(4016));
    let mut dice = mtproto_test::Dice::new(seed);
    let start = mtproto_test::pair::START;
    let (config, rng) = (Arc::new(client_config()), dice.rng());
    let client =
        mtproto_proto::connection::ClientConnection::new(config, Start::NewKey, rng, start);
    let server = mtproto_proto::connection::ServerConnection::new(
        Arc::new(server_config()),
        dice.rng(),
        start,
    );
    let client = Counted(client.unwrap(), 0);
    let mut pair = mtproto_test::pair(client, Counted(server, 0), seed);
    pair.run_for(secs(60)).unwrap();
    let before = [pair.client.1, pair.server.1];
    pair.run_for(secs(hours * 3_600)).unwrap();
    assert_eq!((pair.client_error(), pair.server_error()), (None, None));
    let steps = [pair.client.1 - before[0], pair.server.1 - before[1]];
    println!("{steps:?}");
    // A client: the timer, the ping, the pong. A server: the ping, the pong. Each half hour the salt
    // changes, which costs a ping more.
    assert!(steps[0] <= hours * (60 * 3 + 2 * 2), "{steps:?}");
    assert!(steps[1] <= hours * (60 * 2 + 2 * 2), "{steps:?}");
    // While the user waits, a ping each five seconds.
    let now = pair.client_now();
    pair.client.0.set_online(now, true);
    let before = pair.client.1;
    pair.run_for(secs(10 * 3_600)).unwrap();
    let online = (pair.client.1 - before) / 10;
    assert!((720 * 3 - 10..=720 * 3 + 10).contains(&online), "{online}");
}

#[test]
fn silence_is_noticed_sooner_while_the_user_waits() {
    let config = config().session;
    for (online, busy, bound) in [
        (false, false, config.ping_interval + config.pong_timeout),
        (false, true, config.ping_interval_busy + config.pong_timeout),
        (
            true,
            false,
            config.ping_interval_online + config.pong_timeout_online,
        ),
        (
            true,
            true,
            config.ping_interval_online + config.pong_timeout_online,
        ),
    ] {
        let mut rogue = settled(4017);
        let now = rogue.now();
        rogue.client.set_online(now, online);
        rogue.say(Said::other(b"an update..."));
        if busy {
            rogue.call(b"the call");
        }
        rogue.hear();
        let mut last = now;
        while let Some(at) = rogue.client.poll_timeout() {
            last = at;
            let ended = rogue.client.handle_timeout(at);
            let mut out = Vec::new();
            while rogue.client.poll_transmit(at, &mut out) {}
            if ended.is_err() {
                assert_eq!(ended, Err(Error::Silent));
                break;
            }
        }
        let took = last.saturating_since(now);
        assert_eq!(took, bound, "online: {online}, busy: {busy}");
    }
}

#[test]
fn an_idle_pair_lives_for_days() {
    let mut both = Both::new(client_config(), server_config(), 4007);
    both.run(secs(3 * 86_400));
    assert_eq!(both.client_error(), None);
    let id = both.call(b"the call");
    assert_eq!(both.end_of(id, secs(5)), response(id, b"the call"));
}

/// A suspended laptop: the clock jumps, nothing was said meanwhile.
#[test]
fn after_a_jump_the_stream_is_checked_at_once() {
    let mut rogue = settled(4008);
    rogue.hear();
    rogue.reads(false);
    let at = rogue.now() + secs(8 * 3_600);
    rogue.client.handle_timeout(at).unwrap();
    let mut out = Vec::new();
    assert!(rogue.client.poll_transmit(at, &mut out), "a ping");
    let silent = rogue.client.poll_timeout().unwrap();
    assert_eq!(silent, at + secs(15));
    assert_eq!(rogue.client.handle_timeout(silent), Err(Error::Silent));
}

#[test]
fn after_a_jump_requests_whose_time_is_over_end_once() {
    let mut rogue = settled(4009);
    let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
    rogue.hear();
    let at = rogue.now() + secs(8 * 3_600);
    rogue.client.handle_timeout(at).unwrap();
    let timed_out = RequestError::TimedOut(mtproto_proto::Fate::MaybeExecuted);
    assert_eq!(rogue.news(), ids.map(|id| failed(id, timed_out.clone())));
}

#[test]
fn a_clock_that_goes_back_is_not_followed() {
    let mut rogue = settled(4010);
    let start = rogue.now();
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    let next = rogue.client.poll_timeout();
    for back in [1, 60, 86_400] {
        rogue.client.handle_timeout(start - secs(back)).unwrap();
        assert_eq!(rogue.client.poll_timeout(), next);
    }
    // A request made at an earlier time has its deadline from the latest time seen.
    let early = start - secs(3_600);
    let options = SendOptions::default().deadline(secs(3));
    rogue
        .client
        .send(early, b"call two"[..].into(), &options)
        .unwrap();
    assert_eq!(rogue.client.poll_timeout(), Some(start + secs(3)));
    let mut out = Vec::new();
    assert!(rogue.client.poll_transmit(early, &mut out));
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
}

#[test]
fn early_and_repeated_timeouts_do_nothing() {
    let mut rogue = settled(4011);
    rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    rogue.say(Said::Acks(vec![req]));
    rogue.say(Said::other(b"update 1"));
    rogue.news();
    let next = rogue.client.poll_timeout().unwrap();
    for nanos in [0, 1, 1_000_000, 14_000_000_000] {
        let early = rogue.now() + std::time::Duration::from_nanos(nanos);
        assert!(early < next);
        for _ in 0..3 {
            rogue.client.handle_timeout(early).unwrap();
            assert_eq!(rogue.client.poll_timeout(), Some(next));
            assert_eq!(rogue.client.poll_event(), None);
            let mut out = Vec::new();
            assert!(!rogue.client.poll_transmit(early, &mut out));
        }
    }
    rogue.client.handle_timeout(next).unwrap();
    let after = rogue.client.poll_timeout().unwrap();
    assert!(after > next);
    rogue.client.handle_timeout(next).unwrap();
    assert_eq!(rogue.client.poll_timeout(), Some(after));
}

/// The kit asserts after every timer that the next one is later; here nothing is ever taken.
#[test]
fn timers_move_on_although_nobody_takes_the_output() {
    let mut rogue = settled(4012);
    rogue.reads(false);
    for n in 0..50_u32 {
        rogue.call(&n.to_le_bytes().repeat(2));
        rogue.say(Said::other(b"an update..."));
        rogue.say(Said::Ping(1));
    }
    while rogue.error().is_none() {
        rogue.later(secs(1));
    }
    assert_eq!(rogue.client.poll_timeout(), None);
    assert!(rogue.timers_fired() < 200);

    let (mut rogue, conn) = settled_server(4013);
    rogue.reads(conn, false);
    for n in 0..50 {
        rogue.say(conn, Said::other(b"a call.."));
        rogue.say(conn, Said::Ping(n));
    }
    rogue.later(secs(3_600));
    assert!(rogue.timers_fired() < 200);
}

/// A machine's clock never goes back; when a server's jumps ahead, that is as if it had slept.
#[test]
fn a_server_whose_clock_jumps_ahead_goes_on() {
    let mut both = Both::new(client_config(), server_config(), 4014);
    both.run(secs(10));
    for skew in [40, 400, 7_200, 100_000, DECADE] {
        both.pair.skew_server(skew);
        both.run(secs(1));
        if both.client_error().is_some() {
            both = both.reconnect();
        }
        for _ in 0..3 {
            let id = both.call_with(b"the call", &SendOptions::default().idempotent());
            let end = both.end_of(id, secs(60));
            assert_eq!(end, response(id, b"the call"), "{skew}");
            both.run(secs(20));
        }
    }
}

#[test]
fn deadlines_are_the_clients_own_whatever_the_server_says_of_time() {
    let (client, server) = (client_config(), server_config());
    let mut both = Both::skewed(client, server, Start::NewKey, [0, DECADE], 4015);
    both.owner = Owner::IsSilent;
    let start = both.pair.now();
    let id = both.call_with(b"the call", &SendOptions::default().deadline(secs(20)));
    both.end_of(id, secs(60));
    let took = both.pair.now().saturating_since(start);
    assert!(took <= secs(21), "{took:?}");
}
