//! A server tells from the first bytes what a client speaks.

use mtproto_proto::DcId;
use mtproto_proto::transport::{Codec, Error, Framing, ServerTransport};

use super::support::{
    OTHER_SECRET, SECRET, Setup, drain, encrypted, outcome, packet, random, rng, try_drain, written,
};

#[test]
fn every_framing_is_known_by_its_first_bytes_alone() {
    for setup in Setup::all() {
        let mut rng = rng(1);
        let mut client = setup.client(&mut rng);
        let data = encrypted(&mut rng, 3);
        let wire = written(&mut client, &mut rng, &data);
        let needed = match (&setup.obfuscation, setup.framing) {
            (Some(_), _) => 64,
            (None, Framing::Abridged) => 1,
            (None, Framing::Intermediate | Framing::PaddedIntermediate) => 4,
            (None, Framing::Full) => 8,
        };
        let mut server = setup.server();
        for byte in &wire[..needed - 1] {
            assert_eq!(drain(&mut server, &[*byte]), []);
            assert_eq!(server.framing(), None, "{setup:?}");
        }
        assert_eq!(drain(&mut server, &wire[needed - 1..needed]), []);
        assert_eq!(server.framing(), Some(setup.framing), "{setup:?}");
        let dc = setup
            .obfuscation
            .as_ref()
            .and_then(|obfuscation| obfuscation.dc);
        assert_eq!(server.dc(), dc);
        assert_eq!(server.obfuscation_nonce().is_some(), dc.is_some());
        assert_eq!(drain(&mut server, &wire[needed..]), [packet(&data)]);
    }
}

/// Who waited for more would take this for full framing, or give away that it knows no TLS.
#[test]
fn a_beginning_that_no_header_has_is_tls_as_soon_as_four_bytes_say_so() {
    for begin in [
        &b"\x16\x03\x01\x02"[..],
        b"\x16\x03\x01\x02\x00\x00\x00\x00",
    ] {
        let mut server = Codec::server(ServerTransport::default());
        assert_eq!(try_drain(&mut server, begin), Err(Error::Tls));
    }
    let mut server = Codec::server(ServerTransport::default());
    assert_eq!(try_drain(&mut server, b"\x16\x03\x01"), Ok(vec![]));
}

#[test]
fn other_protocols_are_called_by_their_names() {
    for (begin, error) in [
        (&b"POST /api HTTP/1.1\r\n"[..], Error::Http),
        (b"HEAD / HTTP/1.1\r\n", Error::Http),
        (b"OPTIONS /apiw1 HTTP/1.1\r\n", Error::Http),
        (b"GET /apiws HTTP/1.1\r\n", Error::WebSocket),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Error::Tls),
        (b"\x16\x03\x01\x07\x1a\x01\x00\x07\x16\x03\x03", Error::Tls),
    ] {
        assert!(error.is_silent());
        for open in [true, false] {
            let server = || {
                Codec::server(ServerTransport {
                    open,
                    ..ServerTransport::default()
                })
            };
            let whole = try_drain(&mut server(), begin);
            assert_eq!(whole, Err(error.clone()));
            let (frames, cut) = outcome(&mut server(), begin.chunks(1));
            assert_eq!((frames, cut), (vec![], Some(error.clone())));
        }
    }
}

#[test]
fn undecided_streams_are_decided_by_their_64th_byte() {
    for seed in 0..2000 {
        let mut rng = rng(seed);
        // Random beginnings, some of which start like one of ours.
        let mut begin = random(&mut rng, 64);
        let prefix: &[u8] = match seed % 8 {
            0 => &[0xee, 0xee, 0xee],
            1 => &[0xdd],
            2 => b"POS",
            3 => &[0x16, 0x03, 0x01],
            4 => &[1, 2, 3, 4, 0, 0, 0],
            _ => &[],
        };
        begin[..prefix.len()].copy_from_slice(prefix);
        let mut server = Codec::server(ServerTransport::default());
        let mut decided = false;
        for (i, byte) in begin.iter().enumerate() {
            let result = try_drain(&mut server, &[*byte]);
            decided = result.is_err() || server.framing().is_some();
            assert!(decided || i < 63, "seed {seed}");
            if decided {
                break;
            }
        }
        assert!(decided, "seed {seed}");
    }
}

#[test]
fn whoever_needs_a_secret_does_not_get_in_without_it() {
    for framing in super::support::FRAMINGS {
        let mut closed = Setup::bare(framing);
        closed.server.open = false;
        closed.server.secrets = vec![SECRET.into()];
        check_refused(&closed);
        if framing == Framing::Full {
            continue;
        }
        for secret in [None, Some(OTHER_SECRET)] {
            let mut closed = Setup::obfuscated(framing, secret);
            closed.server.open = false;
            closed.server.secrets = vec![SECRET.into()];
            check_refused(&closed);
        }
    }
}

fn check_refused(setup: &Setup) {
    let mut rng = rng(4);
    let mut client = setup.client(&mut rng);
    let data = encrypted(&mut rng, 8);
    let wire = written(&mut client, &mut rng, &data);
    let refused = try_drain(&mut setup.server(), &wire);
    assert_eq!(refused, Err(Error::UnknownFraming), "{setup:?}");
    assert!(Error::UnknownFraming.is_silent());
}

#[test]
fn an_open_server_with_secrets_lets_both_in() {
    for secret in [None, Some(SECRET)] {
        let mut setup = Setup::obfuscated(Framing::Intermediate, secret);
        setup.server.open = true;
        setup.server.secrets = vec![OTHER_SECRET.into(), SECRET.into()];
        setup.met(&mut rng(5));
    }
    let mut setup = Setup::bare(Framing::Full);
    setup.server.secrets = vec![SECRET.into()];
    setup.met(&mut rng(5));
}

#[test]
fn a_header_names_the_data_centre_that_it_was_made_for() {
    for dc in [1, 2, 5, -2, 10_002, -10_002, 203, i16::MIN, i16::MAX] {
        let mut setup = Setup::obfuscated(Framing::PaddedIntermediate, Some(SECRET));
        setup.obfuscation.as_mut().unwrap().dc = Some(DcId(dc));
        let (_, server) = setup.met(&mut rng(6));
        assert_eq!(server.dc(), Some(DcId(dc)));
    }
}
