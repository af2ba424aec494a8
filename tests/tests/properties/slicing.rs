//! Lines 1, 2, 4 and 6 of the contract, and that a run is made of its seed.

use std::time::Duration;

use mtproto_proto::Machine;
use mtproto_test::rogue::{RogueServer, Said};
use mtproto_test::{Dice, Seed};

use crate::script::{Step, Variation, converse, machines, play};
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
        let pair = converse(seed);
        let (client, server) = (&pair.client.outcome, &pair.server.outcome);
        events += client.events.len();
        let mut dice = Dice::new(seed);
        for variation in VARIATIONS {
            let machine = machines(seed).0;
            let again = play(machine, &pair.client.steps, variation, &mut dice);
            again.assert_is(client, &format!("client, seed {seed}, {variation:?}"));
            let machine = machines(seed).1;
            let again = play(machine, &pair.server.steps, variation, &mut dice);
            again.assert_is(server, &format!("server, seed {seed}, {variation:?}"));
        }
    }
    assert!(events > 100, "something happens: {events}");
}

#[test]
fn one_seed_gives_one_run() {
    for seed in [1, 2, 3].map(Seed) {
        let (a, b) = (converse(seed), converse(seed));
        assert_eq!(a.client.steps, b.client.steps, "seed {seed}");
        assert_eq!(
            a.client.outcome.bytes, b.client.outcome.bytes,
            "seed {seed}"
        );
        assert_eq!(
            a.server.outcome.bytes, b.server.outcome.bytes,
            "seed {seed}"
        );
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
    let pair = converse(seed);
    let back = |steps: &[Step]| -> Vec<Step> {
        // Every second call is given a time an hour earlier, once time has begun.
        steps
            .iter()
            .enumerate()
            .map(|(n, step)| match step {
                Step::Transmit(now) if n > 40 && n % 2 == 0 => {
                    Step::Transmit(*now - Duration::from_secs(3_600))
                }
                other => other.clone(),
            })
            .collect()
    };
    let mut dice = Dice::new(seed);
    // What moves a clock back is ignored, so a machine gives what it gives with the latest time.
    let (mut latest, mut forward) = (mtproto_proto::Time::ZERO, Vec::new());
    for step in back(&pair.client.steps) {
        let step = match step {
            Step::Input(now, bytes) => {
                latest = latest.max(now);
                Step::Input(latest, bytes)
            }
            Step::Eof(now) => {
                latest = latest.max(now);
                Step::Eof(latest)
            }
            Step::Timeout(now) => {
                latest = latest.max(now);
                Step::Timeout(latest)
            }
            Step::Transmit(now) => {
                latest = latest.max(now);
                Step::Transmit(latest)
            }
            Step::Send(now, body, idempotent) => {
                latest = latest.max(now);
                Step::Send(latest, body, idempotent)
            }
            Step::Cancel(now, id) => {
                latest = latest.max(now);
                Step::Cancel(latest, id)
            }
            other => other,
        };
        forward.push(step);
    }
    let variation = VARIATIONS[1];
    let a = play(
        machines(seed).0,
        &back(&pair.client.steps),
        variation,
        &mut dice,
    );
    let b = play(machines(seed).0, &forward, variation, &mut dice);
    a.assert_is(&b, &format!("seed {seed}"));
}

#[test]
fn polling_a_machine_that_has_nothing_to_say_changes_nothing() {
    let (mut client, mut server) = machines(Seed(5004));
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
