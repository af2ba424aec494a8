//! What both sides make of records.

use mtproto_proto::transport::{Codec, Error, Frame, ServerTransport};

use super::super::support::{
    below, cut, drain, encrypted, outcome, packet, plain, rng, status, written,
};
use super::{answer, closed, greeted, hello, secret as secret_of_tls};

/// The records of a stream: kind and contents.
fn records(mut wire: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let [kind, 3, 3, high, low, rest @ ..] = wire {
        let (data, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        all.push((*kind, data));
        wire = rest;
    }
    assert!(wire.is_empty(), "{wire:?}");
    all
}

fn record(kind: u8, data: &[u8]) -> Vec<u8> {
    let len = (data.len() as u16).to_be_bytes();
    [&[kind, 3, 3][..], &len, data].concat()
}

#[test]
fn a_client_says_nothing_once_and_then_data_and_a_server_only_data() {
    let mut rng = rng(1);
    let (mut client, mut server) = greeted(&mut rng);
    let first = written(&mut client, &mut rng, &[1; 40]);
    let second = written(&mut client, &mut rng, &[1; 40]);
    let kinds = |wire: &[u8]| records(wire).iter().map(|r| r.0).collect::<Vec<_>>();
    assert_eq!(first[..6], [0x14, 3, 3, 0, 1, 1]);
    assert_eq!(kinds(&first), [0x14, 0x17]);
    // The obfuscation's header and the frame in one record.
    assert!(records(&first)[1].1.len() >= 64 + 4 + 40);
    assert_eq!(kinds(&second), [0x17]);
    assert_eq!(drain(&mut server, &[first, second].concat()).len(), 2);
    let answers = [
        written(&mut server, &mut rng, &[1; 40]),
        status(&mut server, &mut rng, -404),
        super::super::support::quick_ack(&mut server, &mut rng, 0x8000_0001),
    ];
    for answer in &answers {
        assert_eq!(kinds(answer), [0x17]);
    }
    let frames = drain(&mut client, &answers.concat());
    assert_eq!(
        frames[1..],
        [Frame::Status(-404), Frame::QuickAck(0x8000_0001)]
    );
}

#[test]
fn t5_frames_pass_in_both_directions_however_they_are_cut() {
    for seed in 0..30 {
        let mut rng = rng(seed);
        let (mut client, mut server) = greeted(&mut rng);
        let longest = [1, 3, 50, 2_000, 100_000][seed as usize % 5];
        for from_client in [true, false] {
            let (from, to) = match from_client {
                true => (&mut client, &mut server),
                false => (&mut server, &mut client),
            };
            let (mut wire, mut frames) = (Vec::new(), Vec::new());
            for len in [2, 100, 2_877 / 16, 200, 5_000, 20] {
                let data = encrypted(&mut rng, len);
                wire.extend(written(from, &mut rng, &data));
                frames.push(packet(&data));
            }
            assert!(records(&wire).iter().all(|(_, data)| data.len() <= 2_878));
            let (got, error) = outcome(to, cut(&mut rng, &wire, longest));
            assert!(error.is_none(), "seed {seed}: {error:?}");
            assert!(got == frames, "seed {seed}, from the client: {from_client}");
        }
    }
}

#[test]
fn t5_frames_may_span_and_share_records_of_any_size() {
    for seed in 0..30 {
        let mut rng = rng(seed);
        let (mut client, mut server) = greeted(&mut rng);
        drain(&mut server, &written(&mut client, &mut rng, &[1; 40]));
        let (mut inside, mut frames) = (Vec::new(), Vec::new());
        for blocks in [1, 60, 2_000, 3, 4_000] {
            let data = encrypted(&mut rng, blocks);
            let wire = written(&mut client, &mut rng, &data);
            inside.extend(records(&wire).iter().flat_map(|(_, data)| data.to_vec()));
            frames.push(packet(&data));
        }
        let longest = [1, 40, 2_000, 16_640][seed as usize % 4];
        let mut wire = Vec::new();
        for piece in cut(&mut rng, &inside, longest) {
            if below(&mut rng, 10) == 0 {
                wire.extend(record(0x14, &[1])); // says nothing
            }
            wire.extend(record(0x17, piece));
        }
        let (got, error) = outcome(&mut server, cut(&mut rng, &wire, 1 + 3 * longest));
        assert!(error.is_none() && got == frames, "seed {seed}: {error:?}");
    }
}

#[test]
fn t5_records_that_cannot_be_end_the_stream_after_what_came_before() {
    let bad = |kind: u8, len: u16, error: u16| {
        let head = [&[kind, 3, 3][..], &len.to_be_bytes()].concat();
        (head, Error::TlsRecord { kind, len: error })
    };
    let cases = [
        bad(0x17, 0, 0),
        bad(0x17, 16_384 + 257, 16_641),
        bad(0x17, 0x7fff, 0x7fff),
        bad(0x17, 0xffff, 0xffff),
        bad(0x14, 0, 0),
        bad(0x14, 2, 2),
        bad(0x14, 0xffff, 0xffff),
        bad(0x15, 2, 2),
        bad(0x15, 0, 0),
        bad(0x16, 100, 100),
        bad(0x18, 3, 3),
        bad(0x00, 1, 1),
        (
            vec![0x14, 3, 3, 0, 1, 2],
            Error::TlsRecord { kind: 0x14, len: 1 },
        ),
        (
            vec![0x17, 3, 1, 0, 9],
            Error::TlsRecord { kind: 0x17, len: 9 },
        ),
        (
            vec![0x17, 2, 3, 0, 9],
            Error::TlsRecord { kind: 0x17, len: 9 },
        ),
    ];
    for (bytes, error) in cases {
        for longest in [1, 4, 10_000] {
            let mut rng = rng(2);
            let (mut client, mut server) = greeted(&mut rng);
            let data = encrypted(&mut rng, 3);
            let mut wire = written(&mut client, &mut rng, &data);
            wire.extend(&bytes);
            // Nobody looks behind it.
            wire.extend(record(0x17, &[0; 9]));
            let (frames, got) = outcome(&mut server, wire.chunks(longest));
            assert_eq!((frames, got), (vec![packet(&data)], Some(error.clone())));

            let mut wire = Vec::new();
            let (mut client, mut server) = greeted(&mut rng);
            drain(&mut server, &written(&mut client, &mut rng, &data));
            wire.extend(status(&mut server, &mut rng, -404));
            wire.extend(&bytes);
            let (frames, got) = outcome(&mut client, wire.chunks(longest));
            assert_eq!(
                (frames, got),
                (vec![Frame::Status(-404)], Some(error.clone()))
            );
            assert_eq!(client.next_frame(), Err(error.clone()), "it is final");
        }
    }
}

#[test]
fn t5_a_stream_inside_that_is_not_ours_is_ended_in_silence() {
    use super::super::support::{OTHER_SECRET, SECRET, Setup};
    use mtproto_proto::transport::Framing;

    for (framing, secret) in [
        (Framing::Abridged, Some(SECRET)),
        (Framing::Intermediate, Some(SECRET)),
        (Framing::PaddedIntermediate, None),
        (Framing::PaddedIntermediate, Some(OTHER_SECRET)),
    ] {
        let mut rng = rng(3);
        let mut server = Codec::server(ServerTransport {
            fallback: true,
            ..closed(vec![secret_of_tls()])
        });
        answer(&mut server, &hello(3), &mut rng).unwrap();
        let mut other = Setup::obfuscated(framing, secret).client(&mut rng);
        let inside = written(&mut other, &mut rng, &[1; 40]);
        for piece in inside[..63].chunks(7) {
            assert_eq!(drain(&mut server, &record(0x17, piece)), []);
        }
        server.feed(&record(0x17, &inside[63..]));
        assert_eq!(server.next_frame(), Err(Error::UnknownFraming));
        assert!(Error::UnknownFraming.is_silent());
        assert_eq!(server.refused(), None, "an answer was written already");
    }
}

#[test]
fn t5_records_of_one_byte_hold_no_more_than_their_frame() {
    let mut rng = rng(4);
    let (mut client, mut server) = greeted(&mut rng);
    let data = plain(&mut rng, 250_000);
    let wire = written(&mut client, &mut rng, &data);
    let inside: Vec<u8> = records(&wire)[1..]
        .iter()
        .flat_map(|r| r.1.to_vec())
        .collect();
    server.feed(&record(0x14, &[1]));
    let (last, before) = inside.split_last().unwrap();
    for (i, byte) in before.iter().enumerate() {
        server.feed(&record(0x17, &[*byte]));
        if i % 100 == 0 {
            assert_eq!(server.next_frame(), Ok(None));
            assert!(
                server.buffered() <= (4 * i).clamp(1 << 16, 1_000_100),
                "{i}"
            );
        }
    }
    assert_eq!(drain(&mut server, &record(0x17, &[*last])).len(), 1);
}
