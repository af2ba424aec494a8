//! T1, T2, T6: streams.

use std::sync::Arc;

use mtproto_proto::connection::{ClientConnection, ClientEvent, Error, ServerConnection, Start};
use mtproto_proto::transport::{self, Framing, MAX_CLIENT_FRAME, MAX_SERVER_FRAME};
use mtproto_proto::{Machine, Rng};
use mtproto_test::Seed;
use mtproto_test::alloc::peak;
use mtproto_test::pair::START;
use mtproto_test::rogue::{RogueServer, Said};

use crate::both::{client_config, server_config};
use crate::support::{config, response, secs, settled, settled_server, update};

#[test]
fn t1_a_forged_404_never_loses_the_key() {
    let mut rogue = settled(2201);
    let key = rogue.client.key_state().unwrap().clone();
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    for attack in 0..20 {
        rogue.send_status(-404);
        assert_eq!(rogue.error(), Some(&Error::Status { code: -404 }));
        rogue = rogue.reconnect_with(|rest| {
            assert_eq!(rest.key_state(), Some(&key), "attack {attack}");
            rest
        });
        let packet = rogue.hear_one();
        assert_eq!(packet.session, first.session, "attack {attack}");
    }
    rogue.say(Said::result(first.msg_id, b"answered"));
    assert_eq!(
        rogue.news(),
        [ClientEvent::Connected, response(id, b"answered")]
    );
}

#[test]
fn t1_nor_does_it_when_it_is_the_first_answer_to_a_stored_key() {
    let mut rogue = RogueServer::new(config(), Seed::from_env_or(2202));
    let key = rogue.client.key_state().unwrap().clone();
    rogue.hear();
    for code in [-404, -429, -444, -1, i32::MIN, 5] {
        rogue.send_status(code);
        assert_eq!(rogue.error(), Some(&Error::Status { code }));
        rogue = rogue.reconnect_with(|rest| {
            assert_eq!(rest.key_state(), Some(&key));
            rest
        });
        rogue.hear();
    }
    assert_eq!(rogue.news(), [], "no other key was made");
}

/// A frame of a client and of a server, in this framing, that announce so many bytes.
fn announcing(framing: Framing, len: u32) -> Option<Vec<u8>> {
    match framing {
        Framing::Abridged => {
            let words = len / 4;
            let long = [&[0x7f][..], &words.to_le_bytes()[..3]].concat();
            (words < 1 << 24).then_some(long)
        }
        Framing::Intermediate | Framing::PaddedIntermediate => Some(len.to_le_bytes().to_vec()),
        Framing::Full => Some([len.to_le_bytes(), [0; 4]].concat()),
    }
}

const FRAMINGS: [Framing; 4] = [
    Framing::Abridged,
    Framing::Intermediate,
    Framing::PaddedIntermediate,
    Framing::Full,
];

#[test]
fn t2_impossible_lengths_end_the_stream_and_hold_no_memory() {
    for framing in FRAMINGS {
        for len in [
            0x00ff_ffff_u32 << 2,
            i32::MAX as u32,
            MAX_CLIENT_FRAME as u32 + 64,
            1 << 30,
            0,
        ] {
            let Some(bytes) = announcing(framing, len) else {
                continue;
            };
            let mut config = config();
            config.framing = framing;
            let mut rogue = RogueServer::new(config, Seed::from_env_or(2203));
            rogue.hear();
            let (_, held) = peak(|| rogue.send_bytes(&bytes));
            assert!(
                matches!(rogue.error(), Some(Error::Transport(_))),
                "{framing:?} {len:#x}: {:?}",
                rogue.error()
            );
            assert!(held < 100_000, "{framing:?} {len:#x}: {held} bytes");
        }
    }
}

#[test]
fn t2_the_largest_frame_is_awaited_and_holds_what_came_of_it() {
    for framing in FRAMINGS {
        let mut config = config();
        config.framing = framing;
        let mut rogue = RogueServer::new(config, Seed::from_env_or(2204));
        rogue.hear();
        let bytes = announcing(framing, MAX_CLIENT_FRAME as u32).unwrap();
        let (_, held) = peak(|| {
            rogue.send_bytes(&bytes);
            for _ in 0..10 {
                rogue.send_bytes(&[0; 1_000]);
            }
        });
        assert_eq!(rogue.error(), None, "{framing:?}");
        assert!(held < 300_000, "{framing:?}: {held} bytes");
        rogue.send_eof();
        assert_eq!(rogue.error(), Some(&Error::Eof), "{framing:?}");
    }
}

#[test]
fn t2_lengths_that_are_no_whole_words_end_the_stream_where_they_cannot_be() {
    for framing in [Framing::Intermediate, Framing::Full] {
        let mut config = config();
        config.framing = framing;
        let mut rogue = RogueServer::new(config, Seed::from_env_or(2205));
        rogue.hear();
        rogue.send_bytes(&announcing(framing, 101).unwrap());
        assert!(
            matches!(rogue.error(), Some(Error::Transport(_))),
            "{framing:?}"
        );
    }
}

#[test]
fn t2_bytes_that_are_no_beginning_close_a_server_in_silence() {
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"[..],
        b"POST /api HTTP/1.1\r\n\r\n",
        &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc],
        &[0x41; 64],
    ] {
        let mut server =
            ServerConnection::new(Arc::new(server_config()), Rng::from_seed([1; 32]), START);
        let error = server.handle_input(START, bytes).unwrap_err();
        assert!(matches!(error, Error::Transport(_)), "{error:?}");
        let mut out = Vec::new();
        assert!(!server.poll_transmit(START, &mut out), "{bytes:?}");
        assert!(out.is_empty());
    }
}

#[test]
fn t2_a_server_holds_little_of_what_is_announced() {
    let (mut rogue, conn) = settled_server(2206);
    let length = (MAX_SERVER_FRAME as u32).to_le_bytes();
    let (_, held) = peak(|| {
        rogue.send_bytes(conn, &length);
        for _ in 0..10 {
            rogue.send_bytes(conn, &[0; 1_000]);
        }
    });
    assert_eq!(rogue.closed(conn), None);
    assert!(held < 300_000, "{held} bytes");
}

#[test]
fn t2_a_packet_that_is_cut_into_bytes_is_the_same_packet() {
    for framing in FRAMINGS {
        let mut config = config();
        config.framing = framing;
        let mut rogue = RogueServer::settled(config, Seed::from_env_or(2207));
        let mut codec_bytes = Vec::new();
        // Two packets, recorded as the client would get them, fed byte by byte.
        for body in [b"update 1", b"update 2"] {
            let plain = rogue.plain(&Said::other(body));
            let key = rogue.key().clone();
            let packet = mtproto_test::tamper::seal(
                &key,
                mtproto_proto::crypto::Direction::ToClient,
                &plain,
                rogue.dice(),
            );
            codec_bytes.extend(rogue.frame(&packet));
        }
        for byte in codec_bytes {
            rogue.send_bytes(&[byte]);
        }
        assert_eq!(
            rogue.news(),
            [update(b"update 1"), update(b"update 2")],
            "{framing:?}"
        );
    }
}

#[test]
fn t6_a_server_that_never_speaks_ends_the_stream_in_bounded_time() {
    // During the handshake.
    let mut client = ClientConnection::new(
        Arc::new(client_config()),
        Start::NewKey,
        Rng::from_seed([1; 32]),
        START,
    )
    .unwrap();
    let mut out = Vec::new();
    while client.poll_transmit(START, &mut out) {}
    let deadline = client.poll_timeout().unwrap();
    assert_eq!(deadline, START + secs(10));
    assert_eq!(
        client.handle_timeout(deadline),
        Err(Error::Handshake(mtproto_proto::handshake::Error::TimedOut))
    );
    assert_eq!(client.poll_timeout(), None);

    // With a stored key, and in a session: whatever bytes drip in, as long as they are no packet.
    for settled_first in [false, true] {
        let mut rogue = if settled_first {
            settled(2208)
        } else {
            RogueServer::new(config(), Seed::from_env_or(2208))
        };
        let started = rogue.now();
        rogue.hear();
        let frame = 1_000_u32.to_le_bytes();
        let mut drip = frame.into_iter().chain([0].into_iter().cycle());
        while rogue.error().is_none() {
            rogue.send_bytes(&[drip.next().unwrap()]);
            rogue.later(secs(6));
            assert!(rogue.now() < started + secs(120));
        }
        assert_eq!(rogue.error(), Some(&Error::Silent));
    }
}

#[test]
fn t6_a_client_that_never_speaks_or_one_byte_a_minute_leaves_the_others_alone() {
    let (mut rogue, conn) = settled_server(2209);
    let silent: Vec<_> = (0..50).map(|_| rogue.connect()).collect();
    for stream in &silent[..25] {
        rogue.send_bytes(*stream, &[0xee]);
    }
    for _ in 0..3 {
        rogue.later(secs(30));
        for stream in &silent[..25] {
            if rogue.closed(*stream).is_none() {
                rogue.send_bytes(*stream, &[0xee]);
            }
        }
        let req = rogue.say(conn, Said::Ping(1));
        assert_eq!(rogue.hear_said(conn), [Said::Pong { req, ping_id: 1 }]);
    }
    for stream in silent {
        assert_eq!(rogue.closed(stream), Some(Error::Silent));
        rogue.disconnect(stream);
    }
    assert_eq!(rogue.server.streams(), 1);
}

#[test]
fn t6_a_client_that_never_reads_holds_a_bounded_amount() {
    let (mut rogue, conn) = settled_server(2210);
    rogue.reads(conn, false);
    let (pushed, held) = peak(|| {
        let mut pushed = 0_usize;
        while rogue.closed(conn).is_none() {
            rogue.push(&vec![0; 1 << 20]);
            pushed += 1;
            assert!(pushed < 100);
        }
        pushed
    });
    assert_eq!(pushed, 17, "16 MiB, and one that does not fit");
    assert!(held < 20 << 20, "{held} bytes");
    assert_eq!(rogue.closed(conn), Some(Error::Silent));
}

#[test]
fn t6_a_server_that_never_reads_is_not_fed_and_the_stream_ends() {
    let mut rogue = settled(2211);
    rogue.reads(false);
    let (_, held) = peak(|| {
        // It asks and asks.
        for n in 0..5_000 {
            rogue.say(Said::Ping(n));
        }
    });
    assert!(held < 2 << 20, "{held} bytes");
    rogue.later(secs(120));
    assert_eq!(rogue.error(), Some(&Error::Silent));
    assert!(matches!(
        rogue.error(),
        Some(Error::Silent | Error::Transport(transport::Error::TooLong { .. }))
    ));
}
