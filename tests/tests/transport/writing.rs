//! What is written: a client's first bytes, and what is refused.

use mtproto_proto::transport::{
    Codec, Error, Framing, MAX_CLIENT_FRAME, MAX_SERVER_FRAME, Obfuscation,
};

use super::support::{
    SECRET, Setup, drain, encrypted, packet, quick_ack, random, rng, status, written,
};

#[test]
fn a_client_begins_with_its_tag_or_header_and_never_repeats_it() {
    for setup in Setup::all() {
        let mut rng = rng(1);
        let mut client = setup.client(&mut rng);
        let data = encrypted(&mut rng, 3);
        let first = written(&mut client, &mut rng, &data);
        let second = written(&mut client, &mut rng, &data);
        let opening = match (&setup.obfuscation, setup.framing) {
            (Some(_), _) => 64,
            (None, Framing::Abridged) => 1,
            (None, Framing::Intermediate | Framing::PaddedIntermediate) => 4,
            (None, Framing::Full) => 0,
        };
        let padding = match setup.framing {
            Framing::PaddedIntermediate => 15,
            Framing::Abridged | Framing::Intermediate | Framing::Full => 0,
        };
        let less = first.len().checked_sub(opening).unwrap();
        assert!(less.abs_diff(second.len()) <= padding, "{setup:?}");

        let mut server = setup.server();
        assert_eq!(drain(&mut server, &first), [packet(&data)], "{setup:?}");
        assert_eq!(drain(&mut server, &second), [packet(&data)], "{setup:?}");
    }
}

#[test]
fn bytes_that_stand_before_a_frame_are_left_alone() {
    for setup in Setup::all() {
        let mut rng = rng(2);
        let (mut client, mut server) = (setup.client(&mut rng), setup.server());
        let (one, two) = (encrypted(&mut rng, 3), encrypted(&mut rng, 4));
        let mut out = b"written before".to_vec();
        for data in [&one, &two] {
            client
                .write_packet(&mut rng, &mut out, data.len(), false, |out, _| {
                    out.extend(data);
                })
                .unwrap();
        }
        let wire = out.strip_prefix(b"written before").unwrap();
        assert_eq!(drain(&mut server, wire), [packet(&one), packet(&two)]);
    }
}

#[test]
fn a_refused_packet_leaves_the_stream_as_it_was() {
    for setup in Setup::all() {
        let mut rng = rng(3);
        let (mut client, mut server) = (setup.client(&mut rng), setup.server());
        let mut out = vec![7];
        for (announced, filled, error) in [
            (0, 0, Error::TooShort { got: 0, min: 4 }),
            (6, 6, Error::Unaligned { got: 6 }),
            (
                24,
                20,
                Error::Filled {
                    got: 20,
                    expected: 24,
                },
            ),
            (
                24,
                28,
                Error::Filled {
                    got: 28,
                    expected: 24,
                },
            ),
            (
                MAX_SERVER_FRAME + 4,
                0,
                Error::TooLong {
                    got: u32::try_from(MAX_SERVER_FRAME).unwrap() + 4,
                    max: u32::try_from(MAX_SERVER_FRAME).unwrap(),
                },
            ),
        ] {
            let result = client.write_packet(&mut rng, &mut out, announced, false, |out, _| {
                out.extend(vec![1; filled]);
            });
            assert_eq!(result, Err(error), "{setup:?}");
            assert_eq!(out, [7], "{setup:?}");
        }
        let data = encrypted(&mut rng, 3);
        let wire = written(&mut client, &mut rng, &data);
        assert_eq!(drain(&mut server, &wire), [packet(&data)], "{setup:?}");
    }
}

#[test]
fn the_longest_frames_of_one_role_are_taken_by_the_other() {
    for setup in Setup::all() {
        let mut rng = rng(4);
        let (mut client, mut server) = setup.met(&mut rng);
        // 15 bytes of padding count.
        let longest = |max: usize| (max - 15 - 24) / 16;
        let data = vec![1; 24 + 16 * longest(MAX_SERVER_FRAME)];
        let wire = written(&mut client, &mut rng, &data);
        assert!(drain(&mut server, &wire) == [packet(&data)], "{setup:?}");
        let data = vec![1; 24 + 16 * longest(MAX_CLIENT_FRAME)];
        let wire = written(&mut server, &mut rng, &data);
        assert!(drain(&mut client, &wire) == [packet(&data)], "{setup:?}");
    }
}

#[test]
fn nobody_writes_a_quick_ack_that_would_be_misread() {
    for setup in Setup::all() {
        let mut rng = rng(5);
        let (mut client, mut server) = setup.met(&mut rng);
        let mut out = Vec::new();
        let by_client = client.write_quick_ack(&mut rng, &mut out, 1 << 31);
        assert_eq!(by_client, Err(Error::NoQuickAck));
        if !setup.framing.has_quick_acks() {
            let by_server = server.write_quick_ack(&mut rng, &mut out, 1 << 31);
            assert_eq!(by_server, Err(Error::NoQuickAck));
        }
        assert!(out.is_empty());
        // Nor does a server ask for one.
        let data = encrypted(&mut rng, 3);
        server
            .write_packet(&mut rng, &mut out, data.len(), true, |out, _| {
                out.extend(&data);
            })
            .unwrap();
        assert_eq!(drain(&mut client, &out), [packet(&data)], "{setup:?}");
    }
}

#[test]
fn a_server_is_mute_until_it_knows_the_framing() {
    for setup in Setup::all() {
        let mut rng = rng(6);
        let (mut client, mut server) = (setup.client(&mut rng), setup.server());
        let mut out = Vec::new();
        let packet = server.write_packet(&mut rng, &mut out, 24, false, |out, _| {
            out.extend([1; 24]);
        });
        assert_eq!(packet, Err(Error::FramingUnknown));
        let status = server.write_status(&mut rng, &mut out, -404);
        assert_eq!(status, Err(Error::FramingUnknown));
        let ack = server.write_quick_ack(&mut rng, &mut out, 1 << 31);
        assert_eq!(ack, Err(Error::FramingUnknown));
        assert!(out.is_empty());

        let data = encrypted(&mut rng, 3);
        let wire = written(&mut client, &mut rng, &data);
        drain(&mut server, &wire);
        assert!(!super::support::status(&mut server, &mut rng, -404).is_empty());
    }
}

#[test]
fn full_framing_is_never_obfuscated() {
    let obfuscation = Some(Obfuscation::default());
    let codec = Codec::client(Framing::Full, obfuscation, &mut rng(1));
    assert_eq!(codec.unwrap_err(), Error::FullObfuscated);
}

#[test]
fn two_streams_of_one_seed_differ_in_nothing() {
    for setup in Setup::all() {
        let run = || {
            let mut rng = rng(8);
            let (mut client, mut server) = setup.met(&mut rng);
            let data = random(&mut rng, 64);
            let mut wire = written(&mut client, &mut rng, &data);
            wire.extend(written(&mut server, &mut rng, &data));
            wire.extend(status(&mut server, &mut rng, -404));
            if setup.framing.has_quick_acks() {
                wire.extend(quick_ack(&mut server, &mut rng, 1 << 31));
            }
            wire
        };
        assert_eq!(run(), run());
    }
}

#[test]
fn secrets_do_not_print() {
    let setup = Setup::obfuscated(Framing::Abridged, Some(SECRET));
    let mut rng = rng(1);
    let (client, server) = setup.met(&mut rng);
    let text = format!(
        "{:?} {:?} {client:?} {server:?}",
        setup.obfuscation, setup.server
    );
    for secret in [&format!("{SECRET:?}")[1..20], "0123456789", "303132"] {
        assert!(!text.contains(secret), "{text}");
    }
}
