//! Both roles through hours of bad weather: streams that break or fall silent anywhere, servers that
//! forget their sessions, clocks that jump. Every request ends once, what may run once runs once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mtproto_proto::connection::ClientEvent;
use mtproto_proto::session::SendOptions;
use mtproto_proto::{Fate, RequestError, RequestId};
use mtproto_test::{Dice, Seed};

use crate::both::{Both, client_config, server_config};
use crate::support::secs;

/// What became of a run's requests.
#[derive(Debug, Default)]
struct Count {
    answered: usize,
    failed: usize,
    streams: usize,
}

fn run(seed: u64) -> Count {
    let mut dice = Dice::new(Seed(seed));
    let mut config = client_config();
    // From the shortest life that there is, so that keys are renewed in the middle of things.
    config.pfs = dice.chance(1, 2).then(|| secs(dice.range(60..=600)));
    let mut both = Both::new(config, server_config(), seed);
    let mut open: BTreeMap<RequestId, (Vec<u8>, bool)> = BTreeMap::new();
    let mut once = BTreeSet::new();
    let mut count = Count::default();
    let mut take = |both: &mut Both, open: &mut BTreeMap<RequestId, (Vec<u8>, bool)>| {
        for event in both.take_events() {
            let (id, error) = match event {
                ClientEvent::Response { id, body } => {
                    let (sent, _) = &open[&id];
                    assert_eq!(body[..], sent[..], "seed {seed}: another's answer");
                    (id, None)
                }
                ClientEvent::Failed { id, error } => (id, Some(error)),
                _ => continue,
            };
            let (body, idempotent) = open.remove(&id).expect("it ends once");
            let runs = both
                .executed
                .iter()
                .filter(|call| call.body[..] == body[..])
                .count();
            assert!(runs <= 1 || idempotent, "seed {seed}: {runs} times");
            if let Some(RequestError::TimedOut(fate) | RequestError::Lost(fate)) = error {
                count.failed += 1;
                // Whoever says that it did not run must be right.
                assert!(
                    fate == Fate::MaybeExecuted || runs == 0,
                    "seed {seed}: {fate} and it ran {runs} times"
                );
            } else {
                assert_eq!(error, None, "seed {seed}");
                assert!(runs >= 1, "seed {seed}: who has answered it?");
                count.answered += 1;
            }
        }
        count.streams
    };
    let (mut number, mut skew) = (0_u32, 0_i64);
    let mut streams = 1;
    for _ in 0..25 {
        for _ in 0..dice.range(0..=4) {
            number += 1;
            let body = number
                .to_le_bytes()
                .repeat(1 + dice.range(1..=300) as usize);
            let idempotent = dice.chance(1, 2);
            let options = SendOptions::default().deadline(secs(dice.range(5..=120)));
            let options = if idempotent {
                options.idempotent()
            } else {
                options
            };
            let id = both.call_with(&body, &options);
            if !idempotent {
                once.insert(body.clone());
            }
            open.insert(id, (body, idempotent));
        }
        for wire in [
            &mut both.pair.client_to_server,
            &mut both.pair.server_to_client,
        ] {
            wire.segments(1..=1 + dice.range(1..=2_000) as usize)
                .latency(Duration::from_millis(dice.range(1..=300)))
                .jitter(Duration::from_millis(dice.range(0..=300)));
            match dice.range(0..=9) {
                0 | 1 => {
                    wire.cut_after(dice.range(0..=3_000));
                }
                2 => {
                    wire.vanish_after(dice.range(0..=3_000));
                }
                _ => {}
            }
        }
        if dice.chance(1, 12) {
            // A server's clock jumps ahead, as after a sleep.
            skew += dice.range(0..=4_000) as i64;
            both.pair.skew_server(skew);
        }
        both.run(dice.duration(Duration::ZERO..=secs(40)));
        take(&mut both, &mut open);
        if both.client_error().is_some() {
            streams += 1;
            both = if dice.chance(1, 4) {
                both.restart_server(server_config())
            } else {
                both.reconnect()
            };
        }
    }
    // Fair weather.
    for wire in [
        &mut both.pair.client_to_server,
        &mut both.pair.server_to_client,
    ] {
        wire.segments(usize::MAX..=usize::MAX);
    }
    let end = both.pair.now() + secs(121);
    while both.pair.now() < end {
        both.run(secs(1));
        if both.client_error().is_some() {
            streams += 1;
            both = both.reconnect();
        }
    }
    take(&mut both, &mut open);
    assert!(open.is_empty(), "seed {seed}: {open:?}");
    for body in once {
        let runs = both
            .executed
            .iter()
            .filter(|call| call.body[..] == body[..])
            .count();
        assert!(runs <= 1, "seed {seed}: {runs} times");
    }
    count.streams = streams;
    count
}

#[test]
fn in_any_weather_every_request_ends_once_and_none_runs_twice_unasked() {
    let first = Seed::from_env_or(5401).0;
    let mut all = Count::default();
    for seed in first..first + 30 {
        let count = run(seed);
        all.answered += count.answered;
        all.failed += count.failed;
        all.streams += count.streams;
    }
    println!("{all:?}");
    assert!(all.answered > 500 && all.streams > 100, "{all:?}");
}
