//! Whole connections inside of fake TLS, in virtual time.

use std::time::Duration;

use mtproto_proto::connection::{ClientConfig, ClientConnection, ClientEvent, Error, Start};
use mtproto_proto::server::ServerConfig;
use mtproto_proto::transport::{self, Framing, Obfuscation};
use mtproto_proto::{DcId, Machine};
use mtproto_test::alloc::peak;
use mtproto_test::pair::START;
use mtproto_test::{Dice, Seed};

use crate::both::{Both, client_config, server_config};

/// "0123456789abcdef" and "google.com".
const TEXT: &str = "ee30313233343536373839616263646566676f6f676c652e636f6d";

fn client() -> ClientConfig {
    let mut config = client_config();
    // Whatever it is, the secret knows better.
    config.framing = Framing::Intermediate;
    config.obfuscation = Some(Obfuscation {
        secret: Some(TEXT.parse().unwrap()),
        dc: Some(DcId(2)),
    });
    config
}

fn server() -> ServerConfig {
    let mut config = server_config();
    config.secrets = vec![TEXT.parse().unwrap()];
    config
}

fn body(event: ClientEvent) -> Vec<u8> {
    if let ClientEvent::Response { body, .. } = &event {
        return body.to_vec();
    }
    panic!("{event:?}");
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn t5_a_handshake_and_calls_pass_through_it_in_every_weather() {
    for seed in 0..12 {
        let mut both = Both::new(client(), server(), 5_500 + seed);
        let largest = [1, 2, 7, 100, 1_500, 70_000][seed as usize % 6];
        for wire in [
            &mut both.pair.client_to_server,
            &mut both.pair.server_to_client,
        ] {
            wire.record()
                .segments(1..=largest)
                .latency(Duration::from_millis(40));
        }
        // The kit does not believe in more pieces at one instant.
        let long = if largest < 7 { 10_000 } else { 300_000 };
        let bodies = [vec![1; 4], vec![2; 4_000], vec![3; long]];
        let ids = bodies.clone().map(|body| both.call(&body));
        for (id, expected) in ids.into_iter().zip(bodies) {
            assert!(
                body(both.end_of(id, 10 * MINUTE)) == expected,
                "seed {seed}"
            );
        }
        assert_eq!(both.client_error(), None);
        // Nothing but TLS in either direction.
        for wire in [&both.pair.client_to_server, &both.pair.server_to_client] {
            let mut bytes = wire.recorded();
            let mut kinds = Vec::new();
            while let [kind, 3, 1 | 3, high, low, rest @ ..] = bytes {
                kinds.push(*kind);
                bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
            }
            assert!(bytes.is_empty(), "seed {seed}");
            assert_eq!(kinds[..3], [0x16, 0x14, 0x17], "seed {seed}");
            assert!(kinds[3..].iter().all(|kind| *kind == 0x17), "seed {seed}");
        }
    }
}

#[test]
fn one_server_serves_those_with_tls_those_with_a_secret_and_everybody_else() {
    let mut server = server();
    server.secrets.push([7; 16].into());
    let secret = |secret| {
        Some(Obfuscation {
            secret,
            dc: Some(DcId(2)),
        })
    };
    for (framing, obfuscation) in [
        (Framing::Full, None),
        (Framing::Abridged, None),
        (Framing::Intermediate, secret(None)),
        (Framing::Abridged, secret(Some([7; 16].into()))),
        (
            Framing::PaddedIntermediate,
            secret(Some(TEXT.parse().unwrap())),
        ),
    ] {
        let mut config = client_config();
        (config.framing, config.obfuscation) = (framing, obfuscation);
        let mut both = Both::new(config, server.clone(), 5_600);
        let id = both.call(b"call");
        assert_eq!(body(both.end_of(id, MINUTE)), b"call", "{framing:?}");
    }
}

#[test]
fn a_session_goes_on_over_another_stream() {
    let mut both = Both::new(client(), server(), 5_700);
    let first = both.call(b"one.");
    both.end_of(first, MINUTE);
    let keys = both.keys.len();
    both.pair.client_to_server.cut_after(0);
    both.run(MINUTE);
    let mut both = both.reconnect();
    let second = both.call(b"two.");
    assert_eq!(body(both.end_of(second, MINUTE)), b"two.");
    assert_eq!(both.keys.len(), keys);
}

#[test]
fn t5_with_another_secret_or_a_wrong_clock_nobody_is_let_in() {
    let other = "ee30313233343536373839616263646567676f6f676c652e636f6d";
    let mut stranger = client();
    stranger.obfuscation.as_mut().unwrap().secret = Some(other.parse().unwrap());
    for (config, skew) in [(stranger, 0), (client(), 3_600), (client(), -3_600)] {
        let mut both = Both::skewed(config, server(), Start::NewKey, [skew, 0], 5_800);
        both.call(b"call");
        both.run(MINUTE);
        assert!(both.keys.is_empty() && both.executed.is_empty());
        assert_eq!(both.pair.server_to_client.written(), 0, "in silence");
        let refused = both.pair.server_error().cloned();
        assert_eq!(refused, Some(transport::Error::Tls.into()));
        assert!(both.client_error().is_some());
    }
}

#[test]
fn a_client_with_a_wrong_clock_tells_the_servers_time_once_it_knows_it() {
    let skews = [-86_400, 0];
    let mut both = Both::skewed(client_config(), server(), Start::NewKey, skews, 5_900);
    let id = both.call(b"call");
    both.end_of(id, MINUTE);
    let key = both.pair.client.key_state().unwrap().clone();
    let mut both = Both::skewed(client(), server(), Start::Key(key), skews, 5_901);
    both.run(Duration::from_secs(5));
    // This server does not know the key, and says so inside.
    let unknown = Some(&Error::Status { code: -404 });
    assert_eq!(both.pair.server_error(), unknown);
    assert_eq!(both.client_error(), unknown);
}

#[test]
fn t5_a_proxy_that_never_answers_the_hello_meets_the_deadline() {
    let mut learnt = Both::new(client(), server(), 5_950);
    let id = learnt.call(b"call");
    learnt.end_of(id, MINUTE);
    let key = learnt.pair.client.key_state().unwrap().clone();
    for start in [Start::NewKey, Start::Key(key)] {
        let mut client =
            ClientConnection::new(client().into(), start, Dice::new(Seed(1)).rng(), START).unwrap();
        let mut out = Vec::new();
        assert!(client.poll_transmit(START, &mut out));
        assert!(out.starts_with(&[0x16, 3, 1]));
        out.clear();
        assert!(!client.poll_transmit(START, &mut out) && out.is_empty());
        let deadline = client.poll_timeout().unwrap();
        assert!(deadline <= START + Duration::from_secs(11));
        assert!(client.handle_timeout(deadline).is_err());
    }
}

#[test]
fn t5_a_web_server_in_the_place_of_the_proxy_is_no_server_of_ours() {
    let mut client = ClientConnection::new(
        client().into(),
        Start::NewKey,
        Dice::new(Seed(1)).rng(),
        START,
    )
    .unwrap();
    let mut out = Vec::new();
    while client.poll_transmit(START, &mut out) {}
    // "handshake_failure", as a web server would say it.
    let alert = [0x15, 3, 3, 0, 2, 2, 40];
    let error = client.handle_input(START, &alert).unwrap_err();
    assert_eq!(error, Error::Transport(transport::Error::TlsAnswer));
    assert!(!client.poll_transmit(START, &mut out));
}

#[test]
fn t5_ten_thousand_streams_with_half_a_hello_fit_into_memory() {
    use mtproto_proto::ConnId;
    use mtproto_proto::server::Server;

    let mut config = server();
    config.fallback = true;
    let rng = Dice::new(Seed(1)).rng();
    let mut server = Server::new(std::sync::Arc::new(config), rng, START);
    let half = [&[0x16, 3, 1, 0x0f, 0xf0, 1, 0, 0x0f, 0xec][..], &[0; 4_000]].concat();
    let ((), held) = peak(|| {
        for conn in 0..10_000 {
            server.handle_connected(START, ConnId(conn));
            for piece in half.chunks(1_400) {
                server.handle_input(START, ConnId(conn), piece);
            }
        }
    });
    assert_eq!(server.streams(), 10_000);
    assert!(held < 128 << 20, "{held} bytes");
    server.handle_timeout(START + 2 * MINUTE);
    let closes = std::iter::from_fn(|| server.poll_action())
        .filter(|action| matches!(action, mtproto_proto::server::Action::Close { .. }))
        .count();
    assert_eq!(closes, 10_000);
}
