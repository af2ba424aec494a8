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
    let before = rogue.timers_fired();
    rogue.later(secs(1_000 * 3_600));
    assert_eq!(rogue.closed(conn), None);
    assert_eq!(rogue.hear(conn), []);
    assert_eq!(rogue.timers_fired() - before, 0, "nothing is awaited");
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
    let options = SendOptions::default().deadline(secs(5));
    rogue
        .client
        .send(early, b"call two"[..].into(), &options)
        .unwrap();
    assert_eq!(rogue.client.poll_timeout(), Some(start + secs(5)));
    let mut out = Vec::new();
    assert!(rogue.client.poll_transmit(early, &mut out));
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(rogue.news(), [response(id, b"answered")]);
}

#[test]
fn early_and_repeated_timeouts_do_nothing() {
    let mut rogue = settled(4011);
    rogue.call(b"the call");
    rogue.hear();
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
