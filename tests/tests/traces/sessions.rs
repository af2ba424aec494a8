//! Bare sessions of both roles, recorded and done again.

use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::SessionId;
use mtproto_proto::crypto::AuthKey;
use mtproto_proto::session::{Config, Event, SendOptions};
use mtproto_test::pair::START;
use mtproto_test::trace::{Buffer, OwnSession, Recorder, ServedStart, SessionStart, Trace, replay};
use mtproto_test::{Dice, Seed};

/// Both ends, the server's with other salts after a while.
fn converse(trace: &Trace, seed: Seed) -> (Vec<Event>, Vec<u8>) {
    let mut dice = Dice::new(seed);
    let key = AuthKey::from_bytes(&dice.array());
    let start = SessionStart {
        key: key.clone(),
        salt: seed.0.is_multiple_of(2).then_some((77, START)),
        time_offset: 5_000_000_000,
        time_synced: false,
        init: Some(Bytes::from_static(b"invokeWithLayer ")),
    };
    let mut client =
        Recorder::<OwnSession>::client(trace, start, Config::default(), dice.array(), START);
    let id: SessionId = client.id();
    let start = ServedStart {
        key: key.clone(),
        id,
        secret: dice.array(),
        first: None,
    };
    let mut server =
        Recorder::<OwnSession>::server(trace, start, Config::server(), dice.array(), START);
    let (mut events, mut bytes) = (Vec::new(), Vec::new());
    client.stream_opened(START);
    server.stream_opened(START);
    for round in 0..12_u64 {
        let now = START + Duration::from_secs(7 * round);
        let body = Bytes::from(dice.bytes(32));
        let id = client.send(now, body, &SendOptions::default()).unwrap();
        if round == 5 {
            server.replace_salts(dice.array(), key.id(), Some((3, now)));
            client.cancel(now, id);
        }
        if round == 8 {
            client.stream_closed();
            server.stream_closed();
            client.stream_opened(now);
            server.stream_opened(now);
        }
        for _ in 0..4 {
            let mut out = Vec::new();
            while client.poll_transmit(now, &mut out).is_some() {
                server.handle_packet(now, &out).unwrap();
                bytes.append(&mut out);
            }
            while let Some(event) = server.poll_event() {
                if let Event::Request { msg_id, body } = event {
                    server.push(Bytes::from_static(b"an update..."));
                    server.respond(msg_id, body);
                }
            }
            while server.poll_transmit(now, &mut out).is_some() {
                client.handle_packet(now, &out).unwrap();
                bytes.append(&mut out);
            }
            events.extend(std::iter::from_fn(|| client.poll_event()));
        }
        client.handle_timeout(now).unwrap();
        server.handle_timeout(now).unwrap();
    }
    assert!(client.handle_packet(START, b"no packet").is_err());
    (events, bytes)
}

/// The trace of a conversation.
pub fn recorded(seed: Seed) -> Vec<u8> {
    let file = Buffer::default();
    let trace = Trace::full_to(file.clone()).unwrap();
    converse(&trace, seed);
    trace.finish().unwrap();
    file.take()
}

#[test]
fn no_number_in_a_configuration_makes_a_replay_panic_or_hang() {
    let text = String::from_utf8(recorded(Seed(3))).unwrap();
    let (made, rest): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.contains(" new "));
    assert_eq!(made.len(), 2);
    let mut tried = 0;
    for line in made {
        for word in line
            .split(' ')
            .filter(|word| word.contains("s.") || word.contains('_'))
        {
            let Some((name, value)) = word.split_once('=') else {
                continue;
            };
            for other in ["0", "1", "-", "18446744073709551615", "9223372036854775807"] {
                if other == value {
                    continue;
                }
                let changed = text.replace(line, &line.replace(word, &format!("{name}={other}")));
                // Whatever comes of it, something does.
                let _ = replay(changed.as_bytes());
                tried += 1;
            }
        }
    }
    assert!(tried > 60 && rest.len() > 100, "{tried}");
}

#[test]
fn bare_sessions_are_done_again() {
    for seed in [1, 2].map(Seed) {
        let file = Buffer::default();
        let trace = Trace::full_to(file.clone()).unwrap();
        let (events, bytes) = converse(&trace, seed);
        trace.finish().unwrap();
        assert!(events.len() > 12, "seed {seed}: {events:?}");
        let replayed = replay(&file.take()[..]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((replayed.machines, replayed.cut), (2, None), "seed {seed}");
        assert_eq!(
            converse(&Trace::off(), seed),
            (events, bytes),
            "seed {seed}"
        );
    }
}
