//! What becomes of streams that are not ours.

use std::sync::Arc;

use mtproto_proto::connection::{self, ServerConnection};
use mtproto_proto::server::{Action, Server};
use mtproto_proto::transport::{Codec, Error, SeenHellos, ServerTransport};
use mtproto_proto::{ConnId, Machine, Rng, Time};

use super::super::support::{OTHER_SECRET, SECRET, rng};
use super::{NOW, answer_at, closed, hello, secret, sign};
use crate::both::server_config;

fn with_fallback() -> ServerTransport {
    ServerTransport {
        fallback: true,
        ..closed(vec![secret()])
    }
}

/// Beginnings that are not ours, at [`NOW`], and why.
fn foreign() -> Vec<(&'static str, Vec<u8>, Error)> {
    let with = |key: &[u8], time: u64| {
        let mut hello = hello(1);
        sign(&mut hello, key, time as u32);
        hello
    };
    let now = NOW.unix();
    vec![
        ("another key", with(&OTHER_SECRET, now), Error::Tls),
        ("too old", with(&SECRET, now - 601), Error::Tls),
        ("too new", with(&SECRET, now + 601), Error::Tls),
        (
            "far too long",
            vec![0x16, 3, 1, 0xff, 0xff, 1, 0],
            Error::Tls,
        ),
        (
            "websocket",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            Error::WebSocket,
        ),
        ("http", b"POST / HTTP/1.1\r\n\r\n".to_vec(), Error::Http),
        ("noise", vec![0x41; 70], Error::UnknownFraming),
    ]
}

#[test]
fn t5_what_is_not_ours_can_be_handed_on_byte_for_byte() {
    for (what, bytes, error) in foreign() {
        for longest in [1, 50, 10_000] {
            let mut server = Codec::server(with_fallback());
            let (mut seen, mut rng, mut fed) = (SeenHellos::default(), rng(1), 0);
            let mut end = None;
            for piece in bytes.chunks(longest) {
                assert_eq!(server.refused(), None);
                fed += piece.len();
                end = answer_at(&mut server, piece, &mut rng, NOW, &mut seen).err();
                if end.is_some() {
                    break;
                }
            }
            assert_eq!(end, Some(error.clone()), "{what}");
            let refused = server.refused().unwrap();
            assert_eq!(refused[..], bytes[..fed], "{what}");
            assert_eq!(server.refused(), None, "once");
            server.feed(b"more");
            assert_eq!(server.next_frame(), Err(error.clone()));
            assert_eq!((server.refused(), server.buffered()), (None, 0), "{what}");
        }
    }
}

#[test]
fn t5_a_replayed_hello_is_handed_on_too() {
    let mut seen = SeenHellos::default();
    for first in [true, false] {
        let mut server = Codec::server(with_fallback());
        let answered = answer_at(&mut server, &hello(1), &mut rng(1), NOW, &mut seen);
        assert_eq!(answered.is_ok(), first);
        let refused = server.refused().map(|bytes| bytes.to_vec());
        assert_eq!(refused, (!first).then(|| hello(1)));
    }
}

#[test]
fn t5_without_a_fallback_nothing_is_kept() {
    for (what, bytes, error) in foreign() {
        let mut server = Codec::server(closed(vec![secret()]));
        let mut seen = SeenHellos::default();
        let answered = answer_at(&mut server, &bytes, &mut rng(1), NOW, &mut seen);
        assert_eq!(answered, Err(error.clone()), "{what}");
        assert!(error.is_silent());
        assert_eq!((server.refused(), server.buffered()), (None, 0), "{what}");
    }
}

#[test]
fn frames_that_are_wrong_later_on_are_nobody_elses() {
    let mut server = Codec::server(ServerTransport {
        fallback: true,
        ..ServerTransport::default()
    });
    server.feed(&[0xee, 0xee, 0xee, 0xee, 0, 0, 0, 0]);
    assert_eq!(server.next_frame(), Err(Error::TooShort { got: 0, min: 4 }));
    assert_eq!(server.refused(), None);
}

/// What a server does with its streams, but for output.
fn ends(server: &mut Server) -> Vec<Action> {
    let all = std::iter::from_fn(|| server.poll_action());
    all.filter(|action| !matches!(action, Action::Transmit { .. }))
        .collect()
}

fn core_server(fallback: bool) -> Server {
    let mut config = server_config();
    config.secrets = vec![secret()];
    config.fallback = fallback;
    Server::new(Arc::new(config), Rng::from_seed([1; 32]), NOW)
}

#[test]
fn t5_a_server_with_a_fallback_hands_the_stream_to_its_owner() {
    let mut server = core_server(true);
    for (n, (what, bytes, error)) in (1..).zip(foreign()) {
        let conn = ConnId(n);
        server.handle_connected(NOW, conn);
        server.handle_input(NOW, conn, &bytes);
        let expected = Action::Fallback {
            conn,
            bytes: bytes.into(),
            error: error.into(),
        };
        assert_eq!(server.poll_action(), Some(expected), "{what}");
        // The server is done with it: no word, no deadline, no second action.
        let mut out = Vec::new();
        server.handle_input(NOW, conn, b"more");
        assert!(
            !server.poll_transmit(NOW, conn, &mut out) && out.is_empty(),
            "{what}"
        );
        while let Some(action) = server.poll_action() {
            assert_eq!(action, Action::Transmit { conn }, "{what}");
        }
        assert_eq!(server.poll_timeout(), None, "{what}");
        assert_eq!(server.streams(), 1);
        server.handle_closed(NOW, conn);
        assert_eq!(server.streams(), 0);
    }
}

#[test]
fn t5_a_server_without_one_closes_in_silence() {
    let mut server = core_server(false);
    for (n, (what, bytes, error)) in (1..).zip(foreign()) {
        let conn = ConnId(n);
        server.handle_connected(NOW, conn);
        server.handle_input(NOW, conn, &bytes);
        let error = error.into();
        assert_eq!(ends(&mut server), [Action::Close { conn, error }], "{what}");
        let mut out = Vec::new();
        assert!(
            !server.poll_transmit(NOW, conn, &mut out) && out.is_empty(),
            "{what}"
        );
        server.handle_closed(NOW, conn);
    }
}

#[test]
fn t5_a_server_knows_a_hello_that_another_stream_brought() {
    let mut server = core_server(true);
    for (n, answered) in [(1, true), (2, false), (3, false)] {
        let conn = ConnId(n);
        server.handle_connected(NOW, conn);
        server.handle_input(NOW, conn, &hello(1));
        let mut out = Vec::new();
        assert_eq!(server.poll_transmit(NOW, conn, &mut out), answered);
        assert_eq!(out.starts_with(&[0x16, 3, 3, 0, 0x7a]), answered);
        server.handle_closed(NOW, conn);
    }
}

#[test]
fn t5_a_hello_that_never_ends_meets_the_deadline() {
    let mut server = core_server(true);
    server.handle_connected(NOW, ConnId(1));
    let mut now = NOW;
    for byte in &hello(1)[..100] {
        now = now + std::time::Duration::from_secs(1);
        server.handle_timeout(now);
        server.handle_input(now, ConnId(1), &[*byte]);
    }
    let error = connection::Error::Silent;
    let conn = ConnId(1);
    assert_eq!(ends(&mut server), [Action::Close { conn, error }]);
}

#[test]
fn the_owner_of_one_stream_is_told_that_it_is_over() {
    let mut config = server_config();
    config.secrets = vec![secret()];
    config.fallback = true;
    let mut server = ServerConnection::new(Arc::new(config), Rng::from_seed([1; 32]), NOW);
    let error = server.handle_input(NOW, b"GET / HTTP/1.1\r\n").unwrap_err();
    assert_eq!(error, Error::WebSocket.into());
    assert_eq!(server.poll_timeout(), None::<Time>);
}

#[test]
fn streams_that_were_handed_on_keep_nobody_out() {
    let mut config = server_config();
    config.secrets = vec![secret()];
    config.fallback = true;
    (config.max_streams, config.max_refused_streams) = (3, 1);
    let mut server = Server::new(Arc::new(config), Rng::from_seed([1; 32]), NOW);
    let (_, foreign, _) = foreign().remove(0);
    for n in 1..=10 {
        let conn = ConnId(n);
        server.handle_connected(NOW, conn);
        server.handle_input(NOW, conn, &foreign);
        let ends = ends(&mut server);
        assert!(
            matches!(ends[..], [Action::Fallback { .. }]),
            "{n}: {ends:?}"
        );
    }
    // Those that are not handed on still count.
    for n in 11..=20 {
        server.handle_connected(NOW, ConnId(n));
    }
    assert!(server.streams() <= 10 + 4, "{}", server.streams());
    for n in 1..=20 {
        server.handle_closed(NOW, ConnId(n));
    }
    ends(&mut server);
    server.handle_connected(NOW, ConnId(21));
    assert_eq!((ends(&mut server), server.streams()), (Vec::new(), 1));
}
