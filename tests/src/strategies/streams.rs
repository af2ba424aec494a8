//! Streams: how their bytes are delimited, cut into pieces, and held up.
//!
//! Does: framings; ways to cut; the weather of a [`Wire`].
//! In: bytes, wires. Out: pieces.
//! Must not know: packets.
//! Spec: "MTProto transports".

use std::time::Duration;

use mtproto_proto::Time;
use mtproto_proto::transport::Framing;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::Wire;

/// One of the four.
pub fn framing() -> impl Strategy<Value = Framing> + Clone {
    proptest::sample::select(vec![
        Framing::Intermediate,
        Framing::Abridged,
        Framing::PaddedIntermediate,
        Framing::Full,
    ])
}

/// A way to cut any bytes into pieces.
#[derive(Clone, Debug)]
pub enum Cuts {
    /// At these places.
    At(Vec<Index>),
    /// Every so many bytes, at least one.
    Every(usize),
}

/// Any way, byte by byte included. It shrinks to none.
pub fn cuts() -> impl Strategy<Value = Cuts> + Clone {
    prop_oneof![
        vec(any::<Index>(), 0..8).prop_map(Cuts::At),
        (1..70_usize).prop_map(Cuts::Every),
    ]
}

impl Cuts {
    /// The pieces, none of them empty, which are the bytes again when put together.
    pub fn split<'a>(&self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        match self {
            Cuts::Every(len) => bytes.chunks((*len).max(1)).collect(),
            Cuts::At(places) => {
                let mut places: Vec<_> = match bytes.len() {
                    0 => Vec::new(),
                    len => places.iter().map(|at| at.index(len)).collect(),
                };
                places.sort_unstable();
                places.dedup();
                let mut from = 0;
                let mut pieces = Vec::new();
                for at in places.into_iter().chain([bytes.len()]) {
                    if at > from {
                        pieces.push(&bytes[from..at]);
                        from = at;
                    }
                }
                pieces
            }
        }
    }
}

/// What one direction of a stream does to bytes without losing any: segments of 1 byte to 2 KiB, up
/// to half a second of latency and as much jitter, a stall of up to 3 s, room for 4 to 64 KiB. A
/// connection gives up after 10 s without an answer: worse is no weather, it is a cut.
#[derive(Clone, Debug)]
pub struct Weather {
    /// The greatest segment, bytes.
    pub segment: usize,
    /// How long a segment takes.
    pub latency: Duration,
    /// How much longer it may take.
    pub jitter: Duration,
    /// Nothing arrives for so long.
    pub stall: Duration,
    /// Bytes that fit the direction at once.
    pub capacity: usize,
}

/// Any weather. It shrinks to a good day.
pub fn weather() -> impl Strategy<Value = Weather> + Clone {
    let (segment, capacity) = (0..2_048_usize, 0..(60_usize << 10));
    (segment, 0..500_u64, 0..500_u64, 0..3_000_u64, capacity).prop_map(
        |(segment, latency, jitter, stall, capacity)| Weather {
            // From the other end: the smallest is the worst.
            segment: 2_048 - segment,
            latency: Duration::from_millis(latency),
            jitter: Duration::from_millis(jitter),
            stall: Duration::from_millis(stall),
            capacity: (64 << 10) - capacity,
        },
    )
}

impl Weather {
    /// Makes it the weather of this direction from `now` on.
    pub fn apply(&self, wire: &mut Wire, now: Time) {
        wire.segments(1..=self.segment)
            .latency(self.latency)
            .jitter(self.jitter)
            .capacity(self.capacity)
            .stall_until(now + self.stall);
    }
}
