//! Both roles on the kit's wires: whatever the weather, in virtual time, repeatable from a seed.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{
    ClientConfig, ClientConnection, ClientEvent, ServerConnection, Start,
};
use mtproto_proto::crypto::RsaPrivateKey;
use mtproto_proto::server::{Event, ServerConfig};
use mtproto_proto::session::SendOptions;
use mtproto_proto::transport::{Framing, Obfuscation};
use mtproto_proto::{DcId, Fate, RequestError, RequestId};
use mtproto_test::pair::START;
use mtproto_test::{Dice, Pair, Seed, pair};

type RealPair = Pair<ClientConnection, ServerConnection>;

static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::generate(&mut Dice::new(Seed(0)).rng()));

fn client_config(framing: Framing, obfuscated: bool) -> Arc<ClientConfig> {
    let mut config = ClientConfig::new(DcId(2), vec![KEY.public().clone()]);
    config.framing = framing;
    config.obfuscation = obfuscated.then_some(Obfuscation {
        secret: None,
        dc: None,
    });
    Arc::new(config)
}

fn server_config() -> Arc<ServerConfig> {
    Arc::new(ServerConfig::new(DcId(2), vec![KEY.clone()]))
}

fn real_pair(client: &Arc<ClientConfig>, seed: Seed) -> RealPair {
    let mut dice = Dice::new(seed);
    let client = ClientConnection::new(client.clone(), Start::NewKey, dice.rng(), START).unwrap();
    let server = ServerConnection::new(server_config(), dice.rng(), START);
    pair(client, server, seed)
}

/// Answers every call with its own body, four bytes more, and counts them.
fn answer(pair: &mut RealPair) -> usize {
    let now = pair.server_now();
    let mut calls = 0;
    for event in pair.server_events() {
        if let Event::Request { id, body, .. } = event {
            calls += 1;
            let answer = Bytes::from([&body[..], b"echo"].concat());
            assert!(pair.server.server().respond(now, id, answer));
        }
    }
    calls
}

fn send(pair: &mut RealPair, body: &'static [u8], idempotent: bool) -> RequestId {
    let now = pair.client_now();
    let mut options = SendOptions::default();
    options.idempotent = idempotent;
    pair.client.send(now, body.into(), &options).unwrap()
}

/// Runs until the client has answers to so many requests, and gives them.
fn answers(pair: &mut RealPair, count: usize) -> Vec<(RequestId, Bytes)> {
    let mut found = Vec::new();
    let done = pair.run_until(Duration::from_secs(120), |pair| {
        answer(pair);
        for event in pair.client_events() {
            if let ClientEvent::Response { id, body } = event {
                found.push((id, body));
            }
        }
        found.len() >= count
    });
    assert_eq!(done, Ok(true), "{found:?}");
    found
}

const FRAMINGS: [(Framing, bool); 7] = [
    (Framing::Abridged, false),
    (Framing::Intermediate, false),
    (Framing::PaddedIntermediate, false),
    (Framing::Full, false),
    (Framing::Abridged, true),
    (Framing::Intermediate, true),
    (Framing::PaddedIntermediate, true),
];

#[test]
fn calls_are_answered_in_every_weather() {
    for seed in 0..21 {
        let mut dice = Dice::new(Seed(seed));
        let (framing, obfuscated) = FRAMINGS[seed as usize % FRAMINGS.len()];
        let mut pair = real_pair(&client_config(framing, obfuscated), Seed(seed));
        for wire in [&mut pair.client_to_server, &mut pair.server_to_client] {
            let largest = dice.range(1..=2_000) as usize;
            let jitter = dice.duration(Duration::ZERO..=Duration::from_millis(300));
            wire.segments(1..=largest)
                .latency(Duration::from_millis(40))
                .jitter(jitter);
        }
        let ids = [b"one.", b"two."].map(|body| send(&mut pair, body, false));
        let mut found = answers(&mut pair, 2);
        found.sort();
        let expected = [
            (ids[0], Bytes::from_static(b"one.echo")),
            (ids[1], Bytes::from_static(b"two.echo")),
        ];
        assert_eq!(found, expected, "seed {seed}, {framing:?}");
        assert!(pair.client_error().is_none() && pair.server_error().is_none());
    }
}

#[test]
fn one_seed_gives_the_same_bytes_and_another_seed_others() {
    let run = |seed| {
        let mut pair = real_pair(
            &client_config(Framing::PaddedIntermediate, true),
            Seed(seed),
        );
        for wire in [&mut pair.client_to_server, &mut pair.server_to_client] {
            wire.record()
                .segments(1..=100)
                .jitter(Duration::from_millis(9));
        }
        send(&mut pair, b"data", false);
        answers(&mut pair, 1);
        pair.run_for(Duration::from_secs(3_600)).unwrap();
        (
            pair.client_to_server.recorded().to_vec(),
            pair.server_to_client.recorded().to_vec(),
        )
    };
    assert_eq!(run(4), run(4));
    assert_ne!(run(4), run(5));
}

/// What became of one request over two streams, the first of which was cut somewhere.
#[derive(Debug, Default)]
struct Fates {
    executed: usize,
    answered: usize,
    failed: Vec<RequestError>,
}

fn over_a_cut_stream(seed: u64, idempotent: bool) -> Fates {
    let config = client_config(Framing::Intermediate, false);
    let mut pair = real_pair(&config, Seed(seed));
    let mut dice = Dice::new(Seed(seed));
    // The whole conversation has about 1,500 bytes in each direction.
    let at = dice.range(0..=1_500);
    if dice.chance(1, 2) {
        pair.client_to_server.cut_after(at);
    } else {
        pair.server_to_client.cut_after(at);
    }
    let id = send(&mut pair, b"once", idempotent);
    let mut fates = Fates::default();
    let mut look = |pair: &mut RealPair| {
        fates.executed += answer(pair);
        for event in pair.client_events() {
            if let ClientEvent::Response { id: of, .. } | ClientEvent::Failed { id: of, .. } =
                &event
            {
                assert_eq!(*of, id, "seed {seed}");
            }
            if let ClientEvent::Response { .. } = event {
                fates.answered += 1;
            } else if let ClientEvent::Failed { error, .. } = event {
                fates.failed.push(error);
            }
        }
        pair.is_over()
    };
    if pair.run_until(Duration::from_secs(60), &mut look).unwrap() {
        let mut pair = pair.reconnect(|client, server, now| {
            let resumed = Start::Resume(client.suspend());
            let client = ClientConnection::new(config.clone(), resumed, dice.rng(), now);
            let server = ServerConnection::with(server.into_server(now), now);
            (client.unwrap(), server)
        });
        pair.run_until(Duration::from_secs(60), &mut look).unwrap();
    }
    fates
}

#[test]
fn an_idempotent_request_outlives_a_stream_that_is_cut_anywhere() {
    for seed in 0..60 {
        let fates = over_a_cut_stream(seed, true);
        assert_eq!(fates.answered, 1, "seed {seed}: {fates:?}");
        assert_eq!(fates.failed, [], "seed {seed}: {fates:?}");
    }
}

#[test]
fn another_request_runs_once_at_most_and_ends_once_whatever_is_cut() {
    for seed in 0..60 {
        let fates = over_a_cut_stream(seed, false);
        assert!(fates.executed <= 1, "seed {seed}: {fates:?}");
        assert_eq!(
            fates.answered + fates.failed.len(),
            1,
            "seed {seed}: {fates:?}"
        );
        // Nobody may believe that it did not run.
        let unknown = [
            RequestError::Lost(Fate::MaybeExecuted),
            RequestError::TimedOut(Fate::MaybeExecuted),
        ];
        let known = fates.failed.iter().find(|error| !unknown.contains(error));
        assert_eq!(known, None, "seed {seed}: {fates:?}");
    }
}
