//! Lines 1, 2, 4 and 6 of the contract, and that a run is made of its seed.

use std::time::Duration;

use mtproto_proto::Machine;
use mtproto_test::rogue::{RogueServer, Said};
use mtproto_test::trace::{Step, Trace};
use mtproto_test::{Dice, Seed};

use crate::script::{At, Variation, client, converse, play, server};
use crate::support::config;

const SEEDS: u64 = 12;

/// Seeds that once found something.
const FOUND: [u64; 1] = [9_330];

const VARIATIONS: [Variation; 4] = [
    Variation {
        slice: 1,
        polls: false,
        timeouts: false,
    },
    Variation {
        slice: 1_000_000,
        polls: true,
        timeouts: false,
    },
    Variation {
        slice: 1_000_000,
        polls: false,
        timeouts: true,
    },
    Variation {
        slice: 100,
        polls: true,
        timeouts: true,
    },
];

#[test]
fn neither_slicing_nor_polling_changes_what_a_machine_gives() {
    let first = Seed::from_env_or(5001).0;
    let mut events = 0;
    for seed in (first..first + SEEDS).chain(FOUND).map(Seed) {
        let recorded = converse(seed);
        events += recorded.client.outcome.events.len();
        let mut dice = Dice::new(seed);
        for variation in VARIATIONS {
            let script = &recorded.client;
            let make = |trace: &Trace| client(trace, seed);
            let again = play(make, &script.steps, variation, &mut dice);
            again.assert_is(
                &script.outcome,
                &format!("client, seed {seed}, {variation:?}"),
            );
            let script = &recorded.server;
            let make = |trace: &Trace| server(trace, seed);
            let again = play(make, &script.steps, variation, &mut dice);
            again.assert_is(
                &script.outcome,
                &format!("server, seed {seed}, {variation:?}"),
            );
        }
    }
    assert!(events > 100, "something happens: {events}");
}

#[test]
fn one_seed_gives_one_run() {
    for seed in [1, 2, 3].map(Seed) {
        assert!(converse(seed) == converse(seed), "seed {seed}");
    }
    assert_ne!(
        converse(Seed(1)).client.outcome.bytes,
        converse(Seed(2)).client.outcome.bytes
    );
}

#[test]
fn moving_the_writing_changes_only_the_packing() {
    let seed = Seed::from_env_or(5002);
    let run = |after_each: bool| {
        let mut rogue = RogueServer::settled(config(), seed);
        let mut packets = Vec::new();
        for n in 0..20_u32 {
            rogue.call(&n.to_le_bytes().repeat(3));
            rogue.say(Said::Ping(n.into()));
            rogue.say(Said::other(b"an update..."));
            if after_each {
                packets.extend(rogue.hear());
            }
        }
        packets.extend(rogue.hear());
        let mut said: Vec<_> = packets
            .iter()
            .flat_map(|packet| packet.said())
            .map(|said| match said {
                // In one message or in several.
                Said::Acks(ids) => ids.into_iter().map(|id| Said::Acks(vec![id])).collect(),
                other => vec![other],
            })
            .collect::<Vec<_>>()
            .concat();
        said.sort_by_key(|said| format!("{said:?}"));
        (packets.len(), said, rogue.news())
    };
    let ((many, said, events), (one, said_at_once, events_at_once)) = (run(true), run(false));
    assert_eq!((many, one), (20, 1), "seed {seed}");
    assert_eq!(said, said_at_once, "seed {seed}");
    assert_eq!(events, events_at_once, "seed {seed}");
}

#[test]
fn time_that_goes_back_is_the_latest_time_seen() {
    let seed = Seed::from_env_or(5003);
    let steps = converse(seed).client.steps;
    // Every second packet is asked for an hour earlier, once time has begun.
    let back: Vec<At> = steps
        .into_iter()
        .enumerate()
        .map(|(n, (now, step))| match step {
            Step::Transmit(_) if n > 40 && n % 2 == 0 => (now - Duration::from_secs(3_600), step),
            other => (now, other),
        })
        .collect();
    // What moves a clock back is ignored, so a machine gives what it gives with the latest time.
    let mut latest = mtproto_proto::Time::ZERO;
    let forward: Vec<At> = back
        .iter()
        .map(|(now, step)| {
            latest = latest.max(*now);
            (latest, step.clone())
        })
        .collect();
    assert_ne!(back, forward);
    let (variation, mut dice) = (VARIATIONS[1], Dice::new(seed));
    let make = |trace: &Trace| client(trace, seed);
    let a = play(make, &back, variation, &mut dice);
    let b = play(make, &forward, variation, &mut dice);
    a.assert_is(&b, &format!("seed {seed}"));
}

#[test]
fn polling_a_machine_that_has_nothing_to_say_changes_nothing() {
    let off = Trace::off();
    let (mut client, mut server) = (client(&off, Seed(5004)), server(&off, Seed(5004)));
    let mut out = Vec::new();
    let now = mtproto_test::pair::START;
    assert!(client.poll_transmit(now, &mut out));
    let first = out.clone();
    for _ in 0..100 {
        assert!(!client.poll_transmit(now, &mut out));
        assert!(!server.poll_transmit(now, &mut out));
        assert_eq!(client.poll_event(), None);
        assert_eq!(server.poll_event(), None);
        let _ = (client.poll_timeout(), server.poll_timeout());
        client.handle_timeout(now).unwrap();
        server.handle_timeout(now).unwrap();
        client.handle_input(now, &[]).unwrap();
        server.handle_input(now, &[]).unwrap();
    }
    assert_eq!(out, first);
}
