//! What the tests of this suite share: setups, packets, and streams that are cut into pieces.

use mtproto_proto::transport::{
    Codec, Error, Frame, Framing, Obfuscation, ProxySecret, ServerTransport,
};
use mtproto_proto::{DcId, Rng};

pub const SECRET: [u8; 16] = *b"0123456789abcdef";
pub const OTHER_SECRET: [u8; 16] = *b"fedcba9876543210";

pub const FRAMINGS: [Framing; 4] = [
    Framing::Abridged,
    Framing::Intermediate,
    Framing::PaddedIntermediate,
    Framing::Full,
];

/// A client and the server that it meets.
#[derive(Clone, Debug)]
pub struct Setup {
    pub framing: Framing,
    pub obfuscation: Option<Obfuscation>,
    pub server: ServerTransport,
}

impl Setup {
    pub fn bare(framing: Framing) -> Self {
        Setup {
            framing,
            obfuscation: None,
            server: ServerTransport::default(),
        }
    }

    pub fn obfuscated(framing: Framing, secret: Option<[u8; 16]>) -> Self {
        Setup {
            framing,
            obfuscation: Some(Obfuscation {
                secret: secret.map(ProxySecret::from),
                dc: Some(DcId(-2)),
            }),
            server: ServerTransport {
                // The right secret is not the first that a server tries.
                secrets: [OTHER_SECRET]
                    .into_iter()
                    .chain(secret)
                    .map(ProxySecret::from)
                    .collect(),
                open: secret.is_none(),
                ..ServerTransport::default()
            },
        }
    }

    /// Every framing with every obfuscation that it can have.
    pub fn all() -> Vec<Setup> {
        let mut all: Vec<_> = FRAMINGS.map(Setup::bare).into();
        for framing in &FRAMINGS[..3] {
            all.push(Setup::obfuscated(*framing, None));
            all.push(Setup::obfuscated(*framing, Some(SECRET)));
        }
        all
    }

    pub fn client(&self, rng: &mut Rng) -> Codec {
        Codec::client(self.framing, self.obfuscation.clone(), rng).unwrap()
    }

    pub fn server(&self) -> Codec {
        Codec::server(self.server.clone())
    }

    /// Both codecs after a first packet of the client, so that the server can write.
    pub fn met(&self, rng: &mut Rng) -> (Codec, Codec) {
        let (mut client, mut server) = (self.client(rng), self.server());
        let hello = encrypted(rng, 3);
        let wire = written(&mut client, rng, &hello);
        assert_eq!(drain(&mut server, &wire), [packet(&hello)]);
        (client, server)
    }
}

pub fn rng(seed: u64) -> Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Rng::from_seed(bytes)
}

/// A number below `limit`.
pub fn below(rng: &mut Rng, limit: usize) -> usize {
    usize::try_from(u64::from_le_bytes(rng.array()) % limit as u64).unwrap()
}

pub fn random(rng: &mut Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| rng.array::<1>()[0]).collect()
}

/// A packet that looks encrypted: key id, `msg_key`, `blocks` blocks.
pub fn encrypted(rng: &mut Rng, blocks: usize) -> Vec<u8> {
    let mut packet = random(rng, 24 + 16 * blocks);
    packet[0] |= 1; // a key id of zero is no key id
    packet
}

/// A plain packet with a body of `words` words.
pub fn plain(rng: &mut Rng, words: usize) -> Vec<u8> {
    let body = random(rng, 4 * words);
    let mut packet = vec![0; 8];
    packet.extend(rng.array::<8>());
    packet.extend(i32::try_from(body.len()).unwrap().to_le_bytes());
    packet.extend(body);
    packet
}

pub fn packet(data: &[u8]) -> Frame {
    Frame::Packet {
        data: data.into(),
        quick_ack: false,
    }
}

pub fn written(codec: &mut Codec, rng: &mut Rng, packet: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    codec
        .write_packet(rng, &mut wire, packet.len(), false, |out, _| {
            out.extend(packet);
        })
        .unwrap();
    wire
}

pub fn status(codec: &mut Codec, rng: &mut Rng, code: i32) -> Vec<u8> {
    let mut wire = Vec::new();
    codec.write_status(rng, &mut wire, code).unwrap();
    wire
}

pub fn quick_ack(codec: &mut Codec, rng: &mut Rng, token: u32) -> Vec<u8> {
    let mut wire = Vec::new();
    codec.write_quick_ack(rng, &mut wire, token).unwrap();
    wire
}

/// Feeds one piece and takes all frames.
pub fn drain(codec: &mut Codec, wire: &[u8]) -> Vec<Frame> {
    try_drain(codec, wire).unwrap()
}

/// Feeds one piece and takes frames until there are no more, or until the error.
pub fn try_drain(codec: &mut Codec, wire: &[u8]) -> Result<Vec<Frame>, Error> {
    let mut frames = Vec::new();
    codec.feed(wire);
    while let Some(frame) = codec.next_frame()? {
        frames.push(frame);
    }
    Ok(frames)
}

/// Feeds a stream in pieces, taking all frames after each; the frames, and the error if any.
pub fn outcome<'a>(
    codec: &mut Codec,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Frame>, Option<Error>) {
    let mut frames = Vec::new();
    for piece in pieces {
        codec.feed(piece);
        loop {
            match codec.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// Cuts a stream at random places into pieces of 1 to `longest` bytes.
pub fn cut<'a>(rng: &mut Rng, mut wire: &'a [u8], longest: usize) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while !wire.is_empty() {
        let (piece, rest) = wire.split_at((1 + below(rng, longest)).min(wire.len()));
        pieces.push(piece);
        wire = rest;
    }
    pieces
}

pub fn hex(text: &str) -> Vec<u8> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    assert!(rest.is_empty());
    pairs
        .iter()
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
