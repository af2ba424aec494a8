//! What a hostile peer sends: cases T2, T3 and T4, each test with its number in its name.

use mtproto_proto::Rng;
use mtproto_proto::transport::{
    Codec, Error, Frame, Framing, MAX_CLIENT_FRAME, MAX_SERVER_FRAME, Obfuscation,
};

use super::support::{
    OTHER_SECRET, SECRET, Setup, below, cut, drain, encrypted, outcome, packet, quick_ack, random,
    rng, status, try_drain, written,
};

const CLIENT: u32 = MAX_CLIENT_FRAME as u32;
const SERVER: u32 = MAX_SERVER_FRAME as u32;

/// Framing, bytes, what a client and a server make of them. `None`: the bytes mean something else
/// to that role.
type BadHead = (Framing, Vec<u8>, Option<Error>, Option<Error>);

/// Heads that no frame has.
fn bad_heads() -> Vec<BadHead> {
    let long = |got, max| Some(Error::TooLong { got, max });
    let both = |framing, bytes: &[u8], error: Error| {
        (framing, bytes.to_vec(), Some(error.clone()), Some(error))
    };
    let mut heads = vec![
        (
            Framing::Abridged,
            vec![0x7f, 0xff, 0xff, 0xff],
            long(0x03ff_fffc, CLIENT),
            long(0x03ff_fffc, SERVER),
        ),
        (
            Framing::Abridged,
            vec![0xff, 0xff, 0xff, 0xff],
            None, // a quick ack
            long(0x03ff_fffc, SERVER),
        ),
        both(Framing::Abridged, &[0], Error::TooShort { got: 0, min: 4 }),
        both(
            Framing::Abridged,
            &[0x7f, 0, 0, 0],
            Error::TooShort { got: 0, min: 4 },
        ),
        (
            Framing::Abridged,
            vec![0x80],
            None,
            Some(Error::TooShort { got: 0, min: 4 }),
        ),
        (
            Framing::Full,
            (-4_i32).to_le_bytes().to_vec(),
            long(0xffff_fff0, CLIENT),
            long(0xffff_fff0, SERVER),
        ),
        (
            Framing::Full,
            i32::MAX.to_le_bytes().to_vec(),
            long(0x7fff_fff3, CLIENT),
            long(0x7fff_fff3, SERVER),
        ),
        both(
            Framing::Full,
            &12_u32.to_le_bytes(),
            Error::TooShort { got: 0, min: 4 },
        ),
        both(
            Framing::Full,
            &26_u32.to_le_bytes(),
            Error::Unaligned { got: 14 },
        ),
    ];
    for total in [0_u32, 4, 8, 11] {
        let error = Error::TooShort {
            got: total,
            min: 12,
        };
        heads.push(both(Framing::Full, &total.to_le_bytes(), error));
    }
    for framing in [Framing::Intermediate, Framing::PaddedIntermediate] {
        heads.extend([
            (
                framing,
                i32::MAX.to_le_bytes().to_vec(),
                long(0x7fff_ffff, CLIENT),
                long(0x7fff_ffff, SERVER),
            ),
            (
                framing,
                (CLIENT + 4).to_le_bytes().to_vec(),
                long(CLIENT + 4, CLIENT),
                long(CLIENT + 4, SERVER),
            ),
            both(framing, &[0; 4], Error::TooShort { got: 0, min: 4 }),
        ]);
    }
    for got in [17_u32, 18, 19, 41] {
        heads.push(both(
            Framing::Intermediate,
            &got.to_le_bytes(),
            Error::Unaligned { got },
        ));
    }
    for got in [1_u32, 2, 3] {
        heads.push(both(
            Framing::PaddedIntermediate,
            &got.to_le_bytes(),
            Error::TooShort { got, min: 4 },
        ));
    }
    // Negative lengths: to a client of the padded variant the top bit means nothing else.
    heads.push((
        Framing::PaddedIntermediate,
        (-16_i32).to_le_bytes().to_vec(),
        long(0xffff_fff0, CLIENT),
        long(0x7fff_fff0, SERVER),
    ));
    heads
}

/// A stream on which both sides have said something, so that hostile bytes come in the middle.
fn bare(framing: Framing) -> (Codec, Codec) {
    let mut rng = rng(1);
    let (mut client, mut server) = Setup::bare(framing).met(&mut rng);
    let data = encrypted(&mut rng, 3);
    let wire = written(&mut server, &mut rng, &data);
    assert_eq!(drain(&mut client, &wire), [packet(&data)]);
    (client, server)
}

#[test]
fn t2_impossible_lengths_are_errors_as_soon_as_they_are_read() {
    for (framing, head, at_client, at_server) in bad_heads() {
        for role in ["client", "server"] {
            let codec = || match role {
                "client" => bare(framing).0,
                _ => bare(framing).1,
            };
            let Some(expected) = (if role == "client" {
                &at_client
            } else {
                &at_server
            }) else {
                continue;
            };
            let what = format!("{framing:?}, {role}, {head:02x?}");
            assert_eq!(
                try_drain(&mut codec(), &head).as_ref(),
                Err(expected),
                "{what}"
            );
            let (frames, error) = outcome(&mut codec(), head.chunks(1));
            assert_eq!((frames, error.as_ref()), (vec![], Some(expected)), "{what}");
            // What follows does not matter.
            let longer = [&head[..], &[0xff; 100]].concat();
            assert_eq!(
                try_drain(&mut codec(), &longer).as_ref(),
                Err(expected),
                "{what}"
            );
        }
    }
}

#[test]
fn t2_the_bound_can_be_lowered() {
    for framing in super::support::FRAMINGS {
        let (mut client, mut server) = bare(framing);
        client.set_max_frame(1 << 10);
        server.set_max_frame(1 << 10);
        let mut rng = rng(2);
        let long = vec![1; 2000];
        let to_server = written(&mut client, &mut rng, &long);
        let to_client = written(&mut server, &mut rng, &long);
        for (codec, wire) in [(&mut client, to_client), (&mut server, to_server)] {
            match try_drain(codec, &wire[..4]) {
                Err(Error::TooLong { got, max: 1024 }) => assert!(got >= 2000),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn t2_a_frame_may_break_off_and_go_on_at_every_byte() {
    for setup in Setup::all() {
        let mut rng = rng(3);
        let (mut client, mut server) = (setup.client(&mut rng), setup.server());
        let (one, two) = (encrypted(&mut rng, 2), encrypted(&mut rng, 33));
        let mut wire = written(&mut client, &mut rng, &one);
        let first = wire.len();
        wire.extend(written(&mut client, &mut rng, &two));
        for at in 0..=wire.len() {
            let mut server = setup.server();
            // A stream that ends here has shown what was whole, and nothing is wrong with it.
            let before = drain(&mut server, &wire[..at]);
            let whole = usize::from(at >= first) + usize::from(at == wire.len());
            assert_eq!(before.len(), whole, "cut at {at}, {setup:?}");
            let after = drain(&mut server, &wire[at..]);
            assert_eq!(
                [before, after].concat(),
                [packet(&one), packet(&two)],
                "cut at {at}"
            );
        }
        drain(&mut server, &wire);

        let mut back = status(&mut server, &mut rng, -429);
        back.extend(written(&mut server, &mut rng, &two));
        let mut frames = vec![Frame::Status(-429), packet(&two)];
        if setup.framing.has_quick_acks() {
            back.extend(quick_ack(&mut server, &mut rng, 0x8000_1234));
            frames.push(Frame::QuickAck(0x8000_1234));
        }
        let wire = back;
        for at in 0..=wire.len() {
            // The client's keys are those that its server has; only how it reads starts again.
            let mut client = setup.client(&mut super::support::rng(3));
            let before = drain(&mut client, &wire[..at]);
            let after = drain(&mut client, &wire[at..]);
            assert_eq!([before, after].concat(), frames, "cut at {at}, {setup:?}");
        }
    }
}

#[test]
fn t2_garbage_gives_the_same_however_it_is_cut() {
    for framing in super::support::FRAMINGS {
        for seed in 0..500 {
            let mut rng = rng(seed);
            let noise = below(&mut rng, 300);
            let mut wire = random(&mut rng, noise);
            // Small lengths, so that some frames come out before the error.
            for byte in wire.iter_mut().skip(1).step_by(4) {
                *byte &= 3;
            }
            let (mut client, mut server) = bare(framing);
            let (mut client_cut, mut server_cut) = bare(framing);
            for (whole, pieces) in [
                (&mut client, &mut client_cut),
                (&mut server, &mut server_cut),
            ] {
                let expected = outcome(whole, [&wire[..]]);
                let got = outcome(pieces, cut(&mut rng, &wire, 7));
                assert_eq!(got, expected, "seed {seed}, {framing:?}");
            }
        }
    }
}

#[test]
fn t2_memory_follows_what_arrived_not_what_was_announced() {
    for setup in Setup::all() {
        let mut rng = rng(13);
        let (mut client, mut server) = setup.met(&mut rng);
        let to_server = written(&mut client, &mut rng, &vec![1; 1 << 20]);
        let to_client = written(&mut server, &mut rng, &vec![1; 1 << 22]);
        for (codec, wire) in [(&mut server, to_server), (&mut client, to_client)] {
            assert_eq!(codec.buffered(), 0);
            let (last, wire) = wire.split_last().unwrap();
            for (i, piece) in wire.chunks(1000).enumerate() {
                assert_eq!(drain(codec, piece), []);
                let arrived = 1000 * i + piece.len();
                let bound = (4 * arrived).max(1 << 16).min(wire.len() + 1);
                assert!(codec.buffered() <= bound, "{setup:?}, {arrived} bytes");
            }
            assert_eq!(drain(codec, &[*last]).len(), 1);
            assert_eq!(codec.buffered(), 0, "{setup:?}");
        }
    }
}

#[test]
fn t2_errors_are_final() {
    for setup in Setup::all() {
        let mut rng = rng(4);
        let (mut client, mut server) = setup.met(&mut rng);
        let data = encrypted(&mut rng, 3);
        let good = written(&mut client, &mut rng, &data);
        client.set_max_frame(8);
        server.set_max_frame(8);
        let back = written(&mut server, &mut rng, &data);
        for (codec, wire) in [(&mut client, &back), (&mut server, &good)] {
            let error = try_drain(codec, wire).unwrap_err();
            codec.set_max_frame(1 << 20);
            for _ in 0..3 {
                codec.feed(wire);
                assert_eq!(codec.next_frame(), Err(error.clone()));
                let mut out = Vec::new();
                let write = codec.write_packet(&mut rng, &mut out, 24, false, |out, _| {
                    out.extend([1; 24]);
                });
                assert_eq!(write, Err(error.clone()));
                assert_eq!(
                    codec.write_status(&mut rng, &mut out, 1),
                    Err(error.clone())
                );
                let ack = codec.write_quick_ack(&mut rng, &mut out, 1 << 31);
                assert_eq!(ack, Err(error.clone()));
                assert!(out.is_empty());
            }
        }
    }
}

#[test]
fn t3_a_damaged_frame_ends_the_stream() {
    let (mut client, server) = bare(Framing::Full);
    drop(server);
    let mut rng = rng(5);
    let data = encrypted(&mut rng, 3);
    let wire = written(&mut client, &mut rng, &data);
    // Any bit after the length: the number of the frame, the packet, the checksum.
    for bit in 32..8 * wire.len() {
        let mut bad = wire.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let (_, mut server) = bare(Framing::Full);
        match try_drain(&mut server, &bad) {
            Err(Error::Sequence { got, expected: 1 }) if bit < 64 => assert_ne!(got, 1),
            Err(Error::Checksum { got, expected }) if bit >= 64 => assert_ne!(got, expected),
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn t3_frames_are_neither_skipped_nor_replayed() {
    let mut rng = rng(6);
    let (mut client, mut server) = Setup::bare(Framing::Full).met(&mut rng);
    let wires: Vec<_> = (0..4)
        .map(|_| {
            let data = encrypted(&mut rng, 3);
            written(&mut client, &mut rng, &data)
        })
        .collect();
    assert_eq!(drain(&mut server, &wires[0]).len(), 1);
    assert_eq!(drain(&mut server, &wires[1]).len(), 1);
    assert_eq!(
        try_drain(&mut server, &wires[1]),
        Err(Error::Sequence {
            got: 2,
            expected: 3
        })
    );

    let mut rng = super::support::rng(6);
    let (_, mut server) = Setup::bare(Framing::Full).met(&mut rng);
    // Known from the head alone.
    assert_eq!(
        try_drain(&mut server, &wires[1][..8]),
        Err(Error::Sequence {
            got: 2,
            expected: 1
        })
    );
}

#[test]
fn t3_the_directions_count_apart() {
    let mut rng = rng(7);
    let (mut client, mut server) = Setup::bare(Framing::Full).met(&mut rng);
    let data = encrypted(&mut rng, 3);
    for n in 0..300_u32 {
        let wire = written(&mut server, &mut rng, &data);
        assert_eq!(wire[4..8], n.to_le_bytes());
        assert_eq!(drain(&mut client, &wire), [packet(&data)]);
    }
    let wire = written(&mut client, &mut rng, &data);
    assert_eq!(wire[4..8], [1, 0, 0, 0]);
    assert_eq!(drain(&mut server, &wire), [packet(&data)]);
}

fn forbidden() -> Vec<[u8; 64]> {
    let mut all = Vec::new();
    let begins: [&[u8]; 8] = [
        &[0xef],
        b"HEAD",
        b"POST",
        b"GET ",
        b"OPTI",
        &[0xdd; 4],
        &[0xee; 4],
        &[0x16, 0x03, 0x01, 0x02],
    ];
    for begin in begins {
        let mut random = [0x33; 64];
        random[..begin.len()].copy_from_slice(begin);
        all.push(random);
    }
    let mut full = [0x33; 64];
    full[4..8].fill(0);
    all.push(full);
    all
}

#[test]
fn t4_a_client_draws_again_when_a_header_looks_like_something_else() {
    for forbidden in forbidden() {
        let mut drawn = forbidden.to_vec();
        drawn.extend([0x44; 64]);
        let mut rng = Rng::scripted(&drawn);
        let obfuscation = Some(Obfuscation::default());
        let mut client = Codec::client(Framing::Abridged, obfuscation, &mut rng).unwrap();
        let wire = status(&mut client, &mut rng, 1);
        assert_eq!(wire[..56], [0x44; 56], "after {forbidden:02x?}");
    }
}

#[test]
fn t4_a_generator_that_gives_forbidden_headers_only_does_not_hang() {
    for forbidden in forbidden() {
        let mut rng = Rng::scripted(&forbidden.repeat(1000));
        let obfuscation = Some(Obfuscation::default());
        let client = Codec::client(Framing::Abridged, obfuscation, &mut rng);
        assert_eq!(client.unwrap_err(), Error::ForbiddenHeader);
    }
}

#[test]
fn t4_a_server_reads_no_forbidden_header_as_obfuscation() {
    for header in forbidden() {
        let mut server = Codec::server(Default::default());
        let result = try_drain(&mut server, &header);
        assert!(
            server.obfuscation_nonce().is_none(),
            "{header:02x?}: {result:?}"
        );
    }
}

#[test]
fn t4_an_unknown_tag_or_secret_is_met_with_silence() {
    let right = Setup::obfuscated(Framing::Intermediate, Some(SECRET));
    let mut streams = Vec::new();
    // The tag of every header, changed by one bit.
    for bit in 0..32 {
        let mut rng = rng(9);
        let mut client = right.client(&mut rng);
        let mut wire = written(&mut client, &mut rng, &[1; 40]);
        wire[56 + bit / 8] ^= 1 << (bit % 8);
        streams.push(wire);
    }
    // A secret that is not the server's; none at all; noise.
    for secret in [Some([9; 16]), None] {
        let mut rng = rng(9);
        let mut client = Setup::obfuscated(Framing::Intermediate, secret).client(&mut rng);
        streams.push(written(&mut client, &mut rng, &[1; 40]));
    }
    streams.push(random(&mut rng(10), 200));
    for wire in streams {
        let mut server = right.server();
        assert_eq!(try_drain(&mut server, &wire[..63]), Ok(vec![]));
        let error = try_drain(&mut server, &wire[63..]).unwrap_err();
        assert_eq!(error, Error::UnknownFraming);
        assert!(error.is_silent());
        let mut out = Vec::new();
        let answer = server.write_status(&mut rng(1), &mut out, -404);
        assert_eq!((answer, out), (Err(error), vec![]));
    }
}

#[test]
fn t4_a_replayed_header_shows_by_its_nonce() {
    for secret in [None, Some(SECRET), Some(OTHER_SECRET)] {
        let setup = Setup::obfuscated(Framing::Abridged, secret);
        let mut rng = rng(11);
        let mut client = setup.client(&mut rng);
        let wire = written(&mut client, &mut rng, &[1; 40]);
        let nonce = |wire: &[u8]| {
            let mut server = setup.server();
            drain(&mut server, wire);
            *server.obfuscation_nonce().unwrap()
        };
        assert_eq!(nonce(&wire), wire[8..56]);
        assert_eq!(nonce(&wire), nonce(&wire));
        let mut client = setup.client(&mut rng);
        let other = written(&mut client, &mut rng, &[1; 40]);
        assert_ne!(nonce(&wire), nonce(&other));
    }
}

#[test]
fn t4_a_flipped_bit_under_obfuscation_desynchronises_nothing_else() {
    // Obfuscation authenticates nothing: a flipped bit of a packet reaches the session as it is,
    // and the next frame is read as if nothing had happened.
    for framing in &super::support::FRAMINGS[..3] {
        let setup = Setup::obfuscated(*framing, Some(SECRET));
        let mut rng = rng(12);
        let (mut client, mut server) = setup.met(&mut rng);
        let data = encrypted(&mut rng, 3);
        let mut wire = written(&mut client, &mut rng, &data);
        let mut flipped = data.clone();
        flipped[20] ^= 0x10;
        wire[4 - 3 * usize::from(*framing == Framing::Abridged) + 20] ^= 0x10;
        assert_eq!(drain(&mut server, &wire), [packet(&flipped)], "{framing:?}");
        let wire = written(&mut client, &mut rng, &data);
        assert_eq!(drain(&mut server, &wire), [packet(&data)], "{framing:?}");
    }
}
