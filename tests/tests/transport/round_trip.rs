//! Both roles against each other: every framing, obfuscation and secret, however the stream is cut.

use mtproto_proto::Rng;
use mtproto_proto::transport::{Codec, Frame, Framing};

use super::support::{
    Setup, below, cut, drain, encrypted, outcome, packet, plain, quick_ack, rng, status, written,
};

/// A script of frames from one side, as bytes and as what the other side should see.
struct Script {
    wire: Vec<u8>,
    frames: Vec<Frame>,
}

fn script(codec: &mut Codec, from_client: bool, rng: &mut Rng) -> Script {
    let mut script = Script {
        wire: Vec::new(),
        frames: Vec::new(),
    };
    for _ in 0..=below(rng, 12) {
        match below(rng, 6) {
            0 if !from_client => {
                let code = -404 - i32::try_from(below(rng, 40)).unwrap();
                script.wire.extend(status(codec, rng, code));
                script.frames.push(Frame::Status(code));
            }
            1 if !from_client && codec.framing() != Some(Framing::Full) => {
                let token = u32::from_le_bytes(rng.array()) | 1 << 31;
                script.wire.extend(quick_ack(codec, rng, token));
                script.frames.push(Frame::QuickAck(token));
            }
            kind => {
                let data = match (kind, below(rng, 20)) {
                    (2, words) => plain(rng, words),
                    (_, 0) => {
                        let blocks = below(rng, 16_000);
                        encrypted(rng, blocks)
                    }
                    (_, blocks) => encrypted(rng, 2 * blocks),
                };
                let asked = from_client && below(rng, 2) == 0;
                codec
                    .write_packet(rng, &mut script.wire, data.len(), asked, |out, _| {
                        out.extend(&data);
                    })
                    .unwrap();
                script.frames.push(Frame::Packet {
                    data: data[..].into(),
                    quick_ack: asked && codec.framing() != Some(Framing::Full),
                });
            }
        }
    }
    script
}

/// The longest pieces of a cut: single bytes, what an Ethernet frame holds, what a socket gives.
const PIECES: [usize; 5] = [1, 5, 64, 1400, 65536];

#[test]
fn segmentation_changes_nothing_in_any_setup() {
    for setup in Setup::all() {
        for seed in 0..40 {
            let mut rng = rng(seed);
            let (mut client, mut server) = (setup.client(&mut rng), setup.server());
            let sent = script(&mut client, true, &mut rng);
            let longest = PIECES[below(&mut rng, PIECES.len())];
            let (frames, error) = outcome(&mut server, cut(&mut rng, &sent.wire, longest));
            assert!(error.is_none(), "seed {seed}, {setup:?}: {error:?}");
            assert!(
                frames == sent.frames,
                "seed {seed}, {setup:?}, to the server"
            );
            assert_eq!(server.framing(), Some(setup.framing), "seed {seed}");

            let sent = script(&mut server, false, &mut rng);
            let longest = PIECES[below(&mut rng, PIECES.len())];
            let (frames, error) = outcome(&mut client, cut(&mut rng, &sent.wire, longest));
            assert!(error.is_none(), "seed {seed}, {setup:?}: {error:?}");
            assert!(
                frames == sent.frames,
                "seed {seed}, {setup:?}, to the client"
            );
        }
    }
}

#[test]
fn frames_may_be_taken_late() {
    for setup in Setup::all() {
        for seed in 0..10 {
            let mut rng = rng(seed);
            let (mut client, mut server) = (setup.client(&mut rng), setup.server());
            let sent = script(&mut client, true, &mut rng);
            for piece in cut(&mut rng, &sent.wire, 3000) {
                server.feed(piece);
                // At times one frame is taken, mostly none.
                if below(&mut rng, 4) == 0 {
                    let frame = server.next_frame().unwrap();
                    assert!(frame.is_none() || frame == Some(sent.frames[0].clone()));
                    if frame.is_some() {
                        break;
                    }
                }
            }
            // Whatever was left out is fed again to a codec that never looked in between.
            let mut late = setup.server();
            for piece in cut(&mut rng, &sent.wire, 3000) {
                late.feed(piece);
            }
            assert!(
                drain(&mut late, &[]) == sent.frames,
                "seed {seed}, {setup:?}"
            );
        }
    }
}

#[test]
fn frames_of_every_size_around_the_boundaries_pass() {
    // 508 bytes need the long form of abridged; 65,536 is the inbox's first buffer.
    let lens = [
        16, 20, 40, 500, 504, 508, 512, 65_528, 65_532, 65_536, 65_540, 300_000,
    ];
    for setup in Setup::all() {
        let mut rng = rng(5);
        let (mut client, mut server) = setup.met(&mut rng);
        for len in lens {
            // A plain packet shows its length, so that no padding is left with it.
            let data = match len {
                16 if setup.framing == Framing::PaddedIntermediate => continue,
                16 => vec![1; 16],
                len => plain(&mut rng, (len - 20) / 4),
            };
            let wire = written(&mut client, &mut rng, &data);
            let pieces = cut(&mut rng, &wire, 70_000);
            assert_eq!(outcome(&mut server, pieces), (vec![packet(&data)], None));
            let wire = written(&mut server, &mut rng, &data);
            let pieces = cut(&mut rng, &wire, 70_000);
            assert_eq!(outcome(&mut client, pieces), (vec![packet(&data)], None));
        }
    }
}

#[test]
fn padding_is_taken_away_however_long_it_is() {
    let setup = Setup::bare(Framing::PaddedIntermediate);
    for padding in 0..16 {
        for seed in 0..20 {
            let mut rng = rng(seed);
            for data in [encrypted(&mut rng, 3), plain(&mut rng, 7)] {
                let (mut client, mut server) = setup.met(&mut rng);
                let len = data.len() + padding;
                let mut wire = u32::try_from(len).unwrap().to_le_bytes().to_vec();
                wire.extend(&data);
                wire.extend(super::support::random(&mut rng, padding));
                for codec in [&mut client, &mut server] {
                    assert_eq!(drain(codec, &wire), [packet(&data)], "seed {seed}");
                }
            }
        }
    }
}

#[test]
fn padding_that_does_not_show_is_left_to_the_reader_of_the_packet() {
    let setup = Setup::bare(Framing::PaddedIntermediate);
    let mut rng = rng(1);
    // Plain, with a length that is negative or longer than the packet; plain without a length;
    // encrypted without room for its header.
    let mut negative = plain(&mut rng, 3);
    negative[16..20].copy_from_slice(&(-4_i32).to_le_bytes());
    let mut long = plain(&mut rng, 3);
    long[16..20].copy_from_slice(&13_i32.to_le_bytes());
    for data in [negative, long, vec![0; 19], vec![1; 23]] {
        let (mut client, _) = setup.met(&mut rng);
        let len = u32::try_from(data.len()).unwrap().to_le_bytes();
        let wire = [&len[..], &data].concat();
        assert_eq!(drain(&mut client, &wire), [packet(&data)]);
    }
}

#[test]
fn quick_acks_are_asked_for_and_given_in_three_framings() {
    for setup in Setup::all() {
        for seed in 0..20 {
            let mut rng = rng(seed);
            let mut client = setup.client(&mut rng);
            let mut server = setup.server();
            for blocks in [3, 40] {
                let data = encrypted(&mut rng, blocks);
                let mut wire = Vec::new();
                client
                    .write_packet(&mut rng, &mut wire, data.len(), true, |out, _| {
                        out.extend(&data);
                    })
                    .unwrap();
                let asked = Frame::Packet {
                    data: data[..].into(),
                    quick_ack: setup.framing.has_quick_acks(),
                };
                assert_eq!(drain(&mut server, &wire), [asked], "seed {seed}, {setup:?}");
            }
            if !setup.framing.has_quick_acks() {
                continue;
            }
            // The token, and a packet behind it.
            let token = u32::from_le_bytes(rng.array()) | 1 << 31;
            let data = encrypted(&mut rng, 3);
            let mut wire = quick_ack(&mut server, &mut rng, token);
            wire.extend(written(&mut server, &mut rng, &data));
            let frames = vec![Frame::QuickAck(token), packet(&data)];
            let pieces = cut(&mut rng, &wire, 3);
            assert_eq!(outcome(&mut client, pieces), (frames, None), "seed {seed}");
        }
    }
}

#[test]
fn transport_errors_pass_in_every_framing_and_role() {
    for setup in Setup::all() {
        for code in [-404, -429, -444, -403, -1, 1, i32::MIN] {
            let mut rng = rng(9);
            let (mut client, mut server) = setup.met(&mut rng);
            let wire = status(&mut server, &mut rng, code);
            assert_eq!(
                drain(&mut client, &wire),
                [Frame::Status(code)],
                "{setup:?}"
            );
            let wire = status(&mut client, &mut rng, code);
            assert_eq!(
                drain(&mut server, &wire),
                [Frame::Status(code)],
                "{setup:?}"
            );
        }
    }
}

#[test]
fn short_payloads_are_control_in_every_framing() {
    for setup in Setup::all() {
        for (payload, frame) in [
            (&[0; 4][..], None),
            (&[0; 12], None),
            (&[0xff; 4], Some(Frame::Status(-1))),
            (
                &[0xff, 0xff, 0xff, 0xff, 1, 2, 3, 0x84],
                Some(Frame::QuickAck(0x8403_0201)),
            ),
            (
                &[0x6c, 0xfe, 0xff, 0xff, 1, 1, 1, 1, 1, 1, 1, 1],
                Some(Frame::Status(-404)),
            ),
        ] {
            let mut rng = rng(3);
            let (mut client, mut server) = setup.met(&mut rng);
            let data = encrypted(&mut rng, 3);
            let mut wire = written(&mut server, &mut Rng::scripted(&[0; 17]), payload);
            wire.extend(written(&mut server, &mut rng, &data));
            let frames: Vec<_> = frame.into_iter().chain([packet(&data)]).collect();
            assert_eq!(drain(&mut client, &wire), frames, "{setup:?}, {payload:?}");
        }
    }
}

#[test]
fn abridged_reads_a_long_form_where_the_short_one_would_do() {
    let setup = Setup::bare(Framing::Abridged);
    let (mut client, mut server) = setup.met(&mut rng(1));
    let data = encrypted(&mut rng(1), 3);
    let units = u8::try_from(data.len() / 4).unwrap();
    let wire = [&[0x7f, units, 0, 0], &data[..]].concat();
    assert_eq!(drain(&mut client, &wire), [packet(&data)]);
    assert_eq!(drain(&mut server, &wire), [packet(&data)]);
}
