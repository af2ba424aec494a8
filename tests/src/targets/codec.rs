//! `codec`: a stream, to codecs of both roles, cut in several ways.
//!
//! Must hold: the same frames and the same error however the stream is cut, bounded memory, and
//! what was read can be written and read again.

use mtproto_proto::crypto::Ctr;
use mtproto_proto::transport::{
    Codec, Error, Frame, Framing, MAX_CLIENT_FRAME, MAX_SERVER_FRAME, Obfuscation, SeenHellos,
    ServerTransport,
};
use mtproto_proto::{Rng, Time};
use sha2::{Digest, Sha256};

use super::Seed;
use super::input::Input;
use super::vectors::vectors;

/// What the codec may keep for a frame of which next to nothing has arrived.
const FIRST_BUFFER: usize = 1 << 16;
/// Head and checksum of the longest framing.
const AROUND: usize = 12;
const SECRET: [u8; 16] = [0x5e; 16];
/// When all of it happens.
pub(super) const NOW: Time = Time::from_unix(1_700_000_000);

const FRAMINGS: [Framing; 4] = [
    Framing::Abridged,
    Framing::Intermediate,
    Framing::PaddedIntermediate,
    Framing::Full,
];

/// Input: how to frame, how to cut, and the stream.
pub fn codec(data: &[u8]) {
    let mut input = Input::new(data);
    let (mode, longest) = (input.u8(), usize::from(input.u8()) + 1);
    let stream = input.rest();
    let framing = FRAMINGS[usize::from(mode & 3)];

    // From the first byte: the fuzzer has to find what begins a framing.
    let config = || ServerTransport {
        secrets: vec![SECRET.into()],
        ..ServerTransport::default()
    };
    check(
        || Codec::server(config()),
        stream,
        longest,
        MAX_SERVER_FRAME,
    );

    // Right into a framing.
    let obfuscation = (mode & 4 != 0 && framing != Framing::Full).then(Obfuscation::default);
    let client = || Codec::client(framing, obfuscation.clone(), &mut rng()).expect("no full");
    let (mut opening, mut to_server) = (opening(framing, &obfuscation), stream.to_vec());
    let mut to_client = stream.to_vec();
    if obfuscation.is_some() {
        let (mut out, mut back) = key_streams(&opening, None);
        out.apply(&mut to_server);
        back.apply(&mut to_client);
    }
    check(client, &to_client, longest, MAX_CLIENT_FRAME);
    opening.extend(to_server);
    let (server, frames) = check(
        || Codec::server(config()),
        &opening,
        longest,
        MAX_SERVER_FRAME,
    );
    if let Some(server) = server {
        rewrite(server, &frames);
    }
}

pub(super) fn rng() -> Rng {
    Rng::from_seed([1; 32])
}

/// What a client writes before its first frame.
fn opening(framing: Framing, obfuscation: &Option<Obfuscation>) -> Vec<u8> {
    match (obfuscation, framing) {
        (None, Framing::Abridged) => vec![0xef],
        (None, Framing::Intermediate) => vec![0xee; 4],
        (None, Framing::PaddedIntermediate) => vec![0xdd; 4],
        (None, Framing::Full) => vec![],
        (Some(obfuscation), _) => {
            let mut client =
                Codec::client(framing, Some(obfuscation.clone()), &mut rng()).expect("no full");
            let mut out = Vec::new();
            client
                .write_status(&mut rng(), &mut out, 0)
                .expect("nothing is wrong with it");
            out.truncate(64);
            out
        }
    }
}

/// The streams that the header begins, to the server and to the client.
pub(super) fn key_streams(header: &[u8], secret: Option<&[u8; 16]>) -> (Ctr, Ctr) {
    let stream = |bytes: Vec<u8>| {
        let (key, iv) = bytes.split_at(32);
        let key: [u8; 32] = match secret {
            None => key.try_into().expect("32 bytes"),
            Some(secret) => Sha256::new_with_prefix(key)
                .chain_update(secret)
                .finalize()
                .into(),
        };
        Ctr::new(&key, iv.try_into().expect("16 bytes"))
    };
    let mut to_server = stream(header[8..56].to_vec());
    to_server.apply(&mut [0; 64]);
    (
        to_server,
        stream(header[8..56].iter().rev().copied().collect()),
    )
}

/// Reads the stream whole and cut, and gives what was read whole, with the codec unless it failed.
pub(super) fn check(
    codec: impl Fn() -> Codec,
    stream: &[u8],
    longest: usize,
    max: usize,
) -> (Option<Codec>, Vec<Frame>) {
    let mut whole = codec();
    let (frames, error) = read(&mut whole, [stream], max);
    let cut = read(&mut codec(), stream.chunks(longest), max);
    assert_eq!(
        (&frames, &error),
        (&cut.0, &cut.1),
        "in pieces of {longest}"
    );
    let uneven = stream.split_at(stream.len() / longest);
    let cut = read(&mut codec(), [uneven.0, uneven.1], max);
    assert_eq!(
        (&frames, &error),
        (&cut.0, &cut.1),
        "cut at {}",
        uneven.0.len()
    );
    if let Some(error) = error {
        assert_eq!(whole.next_frame(), Err(error), "errors are final");
        return (None, frames);
    }
    (Some(whole), frames)
}

pub(super) fn read<'a>(
    codec: &mut Codec,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    max: usize,
) -> (Vec<Frame>, Option<Error>) {
    let (mut frames, mut came, mut taken) = (Vec::new(), Vec::new(), 0);
    let (mut seen, mut answer) = (SeenHellos::default(), Vec::new());
    for piece in pieces {
        codec.feed(piece);
        came.extend(piece);
        let fed = came.len();
        loop {
            let next = match codec.next_frame() {
                // There may be more behind a hello.
                Ok(None) => match codec.answer_hello(NOW, &mut seen, &mut rng(), &mut answer) {
                    Ok(true) => continue,
                    Ok(false) => Ok(None),
                    Err(error) => Err(error),
                },
                next => next,
            };
            match next {
                Ok(Some(frame)) => {
                    if let Frame::Packet { data, .. } = &frame {
                        taken += data.len();
                        assert!(data.len() <= max);
                    }
                    frames.push(frame);
                    assert!(taken <= fed, "more bytes out than in");
                }
                Ok(None) => break,
                Err(error) => {
                    if let Some(refused) = codec.refused() {
                        assert_eq!(refused, came, "handed on whole");
                        assert!(frames.is_empty() && answer.is_empty());
                    }
                    assert_eq!(codec.buffered(), 0, "nothing is kept after an error");
                    return (frames, Some(error));
                }
            }
        }
        let bound = (4 * fed).max(FIRST_BUFFER).min(max + AROUND);
        assert!(
            codec.buffered() <= bound,
            "{} bytes kept of {fed}",
            codec.buffered()
        );
    }
    (frames, None)
}

/// A client that writes the frames is read as they were.
fn rewrite(mut server: Codec, frames: &[Frame]) {
    // A stream that should begin in full framing may begin with another one's tag.
    let Some(framing) = server.framing() else {
        return;
    };
    let (mut rng, mut answer) = (rng(), Vec::new());
    server
        .write_status(&mut rng, &mut answer, -404)
        .expect("the framing is known");
    let mut client = Codec::client(framing, None, &mut rng).expect("not obfuscated");
    let mut server = Codec::server(ServerTransport::default());
    for frame in frames {
        let mut wire = Vec::new();
        match frame {
            // Padding that the reader of the packet has to take away.
            Frame::Packet { data, .. } if data.len() % 4 != 0 => continue,
            Frame::Packet { .. } if framing == Framing::PaddedIntermediate => continue,
            Frame::Packet { data, quick_ack } => client
                .write_packet(&mut rng, &mut wire, data.len(), *quick_ack, |out, _| {
                    out.extend(data);
                })
                .expect("what was read is not too long"),
            // A client asks for none.
            Frame::QuickAck(_) => continue,
            Frame::Status(code) => {
                client
                    .write_status(&mut rng, &mut wire, *code)
                    .expect("always possible");
            }
        }
        let read = read(&mut server, [&wire[..]], MAX_SERVER_FRAME);
        assert_eq!(read, (vec![frame.clone()], None));
    }
}

/// Streams of every framing, bare and as if obfuscated, with everything that can be in them.
pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (mode, framing) in FRAMINGS.into_iter().enumerate() {
        let mut rng = rng();
        let mut client = Codec::client(framing, None, &mut rng).expect("not obfuscated");
        let mut server = Codec::server(ServerTransport::default());
        let mut wire = Vec::new();
        // An encrypted packet, a plain one, and one that needs the longer head.
        for packet in [
            vec![1; 72],
            [&[0; 16], &[4, 0, 0, 0, 9, 9, 9, 9][..]].concat(),
            vec![1; 520],
        ] {
            let ask = |out: &mut Vec<u8>, _: &mut Rng| out.extend(&packet);
            client
                .write_packet(&mut rng, &mut wire, packet.len(), true, ask)
                .expect("nothing is wrong with it");
        }
        server.feed(&wire);
        while let Ok(Some(_)) = server.next_frame() {}
        let bare = opening(framing, &None).len();
        let mut answers = Vec::new();
        server
            .write_status(&mut rng, &mut answers, -404)
            .expect("the framing is known");
        if framing.has_quick_acks() {
            server
                .write_quick_ack(&mut rng, &mut answers, 1 << 31)
                .expect("it has them");
        }
        server
            .write_packet(&mut rng, &mut answers, 24, false, |out, _| {
                out.extend([1; 24])
            })
            .expect("nothing is wrong with it");
        for (side, stream) in [
            ("stream", &wire[..]),
            ("client", &wire[bare..]),
            ("server", &answers),
        ] {
            for obfuscated in [0, 4] {
                let mode = u8::try_from(mode).expect("four framings") | obfuscated;
                let name = format!("{framing:?}-{side}-{obfuscated}").to_lowercase();
                seeds.push((name, [&[mode, 6], stream].concat()));
            }
        }
    }
    let begins: [(&str, &[u8]); 4] = [
        ("http", b"POST /api HTTP/1.1\r\n"),
        ("websocket", b"GET /apiws HTTP/1.1\r\n"),
        ("tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("announced", b"\xee\xee\xee\xee\xf0\xff\x0f\x00"),
    ];
    for (name, begin) in begins {
        seeds.push((name.into(), [&[1, 3], begin].concat()));
    }
    let mut obfuscated = [
        &[1, 60],
        &opening(Framing::Intermediate, &Some(Obfuscation::default()))[..],
    ]
    .concat();
    obfuscated.extend([0; 40]);
    seeds.push(("header".into(), obfuscated));
    let rooms = ["full", "transport", "padded", "quickack", "obf2"];
    // Shorter ones are what framings are made of, and above already.
    let streams = vectors(&rooms).into_iter();
    for (name, stream) in streams.filter(|(_, stream)| stream.len() > 40) {
        seeds.push((name, [&[1, 6], &stream[..]].concat()));
    }
    seeds
}

pub(super) fn words() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("tag_abridged", vec![0xef]),
        ("tag_intermediate", vec![0xee; 4]),
        ("tag_padded", vec![0xdd; 4]),
        ("tls", vec![0x16, 0x03, 0x01, 0x02]),
        ("quick_ack", vec![0xff; 4]),
        ("status_404", (-404_i32).to_le_bytes().to_vec()),
        ("status_429", (-429_i32).to_le_bytes().to_vec()),
    ]
}
