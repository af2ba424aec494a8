//! Bounds of nothing and of everything: no panic, no spin.

use std::time::Duration;

use mtproto_proto::server::ServerConfig;

use crate::both::server_config;
use crate::house::{House, secs};

/// What a bound is set to.
type Set = fn(&mut ServerConfig, bool);

fn greatest(max: bool) -> usize {
    if max { usize::MAX } else { 0 }
}

fn rate(max: bool) -> u32 {
    if max { u32::MAX } else { 0 }
}

fn time(max: bool) -> Duration {
    if max { Duration::MAX } else { Duration::ZERO }
}

const BOUNDS: [(&str, Set); 20] = [
    ("handshake_timeout", |c, m| c.handshake_timeout = time(m)),
    ("idle_timeout", |c, m| c.idle_timeout = time(m)),
    ("session_timeout", |c, m| c.session_timeout = time(m)),
    ("max_streams", |c, m| c.max_streams = greatest(m)),
    ("max_refused", |c, m| c.max_refused_streams = greatest(m)),
    ("per_key", |c, m| c.max_streams_per_key = greatest(m)),
    ("per_source", |c, m| c.max_streams_per_source = greatest(m)),
    ("max_input_bytes", |c, m| c.max_input_bytes = greatest(m)),
    ("max_headers", |c, m| c.max_headers = greatest(m)),
    ("handshakes", |c, m| c.handshakes_per_second = rate(m)),
    ("of source", |c, m| c.source_handshakes_per_minute = rate(m)),
    ("max_half_open", |c, m| c.max_half_open = greatest(m)),
    ("max_keys", |c, m| c.max_keys = greatest(m)),
    ("temp_keys", |c, m| c.max_temp_keys_per_key = greatest(m)),
    ("of key", |c, m| c.max_sessions_per_key = greatest(m)),
    ("max_sessions", |c, m| c.max_sessions = greatest(m)),
    ("unacked", |c, m| c.max_unacked_bytes = greatest(m)),
    ("running", |c, m| c.max_running_bytes = greatest(m)),
    ("notices", |c, m| c.session.max_notices = greatest(m)),
    ("bytes", |c, m| c.session.max_notice_bytes = greatest(m)),
];

/// All that happens to a server, whoever is answered and whoever is not.
fn a_day(config: ServerConfig, name: &str) {
    let mut house = House::new(config, 4_401);
    for source in 1..4 {
        let conn = house.connect_from(source);
        if let Some(mut client) = house.newcomer(conn) {
            house.is_served(&mut client);
            house.say(&mut client, true, b"call".to_vec());
            for (id, _) in house.calls() {
                house.server.respond(house.now, id, b"answered"[..].into());
            }
            house.hear(&mut client);
            let mut sibling = house.sibling(&client);
            house.is_served(&mut sibling);
        }
        let question = house.first_question();
        let half = house.connect_from(source);
        house.send_packet(half, &question);
        house.disconnect(half);
        house.connect();
    }
    for _ in 0..5 {
        house.later(secs(1_000));
        let due = house.server.poll_timeout();
        assert!(due.is_none_or(|due| due > house.now), "{name}: it spins");
    }
    let state = house.server.suspend();
    assert!(!state.to_bytes().is_empty(), "{name}");
}

#[test]
fn bounds_of_nothing_and_of_everything_do_no_harm() {
    for (name, set) in BOUNDS {
        for max in [false, true] {
            let mut config = server_config();
            set(&mut config, max);
            a_day(config, name);
        }
    }
}

#[test]
fn all_bounds_of_nothing_at_once_and_all_of_everything() {
    for max in [false, true] {
        let mut config = server_config();
        for (_, set) in BOUNDS {
            set(&mut config, max);
        }
        a_day(config, "all");
    }
}

#[test]
fn with_bounds_of_everything_everybody_is_served() {
    let mut config = server_config();
    for (_, set) in BOUNDS {
        set(&mut config, true);
    }
    let mut house = House::new(config, 4_402);
    let conn = house.connect();
    let mut client = house.newcomer(conn).unwrap();
    house.assert_served(&mut client);
}
