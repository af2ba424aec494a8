//! Transports: the bytes of one stream ⇄ packets.
//!
//! Does: four framings, the obfuscation around three of them, the fake TLS around that, the
//! detection of all by a server; quick acks and transport errors in every framing. A framing is one
//! file, both directions.
//! In: the stream's bytes in any slicing; packets to send. Out: [`Frame`]s; bytes to write.
//! Must not know: keys, messages, sockets; of the time only what a TLS hello says. It looks into a packet at one place only, where
//! the padded framing cannot find the packet's end otherwise.
//! Spec: "MTProto transports", "Transport obfuscation", "Quick ack", "Transport errors"; fake TLS is
//! MTProxy's.
//!
//! ```text
//! feed ─► (out of TLS records) ─► Inbox ─► (detect) ─► head of frame ─► Frame::{Packet, QuickAck, Status}
//!                                   └ de-obfuscated in place, once, as it arrives
//! write_packet ─► [tag or 64-byte header, once] header · packet · trailer ─► obfuscated in place
//!                                                                     ─► (into TLS records)
//! ```
//!
//! ```
//! use mtproto_proto::Rng;
//! use mtproto_proto::transport::{Codec, Frame, Framing, ServerTransport};
//!
//! # fn main() -> Result<(), mtproto_proto::transport::Error> {
//! let mut rng = Rng::from_seed([7; 32]);
//! let mut client = Codec::client(Framing::Intermediate, None, &mut rng)?;
//! let mut server = Codec::server(ServerTransport::default());
//!
//! let mut wire = Vec::new();
//! client.write_packet(&mut rng, &mut wire, 24, false, |out, _| out.extend([1; 24]))?;
//! server.feed(&wire);
//! assert_eq!(
//!     server.next_frame()?,
//!     Some(Frame::Packet { data: [1; 24][..].into(), quick_ack: false })
//! );
//! assert_eq!(server.framing(), Some(Framing::Intermediate));
//! # Ok(())
//! # }
//! ```

mod abridged;
mod codec;
mod detect;
mod error;
mod fake_tls;
mod full;
mod inbox;
mod intermediate;
mod obfuscated;
mod secret;

use alloc::vec::Vec;
use core::fmt;

use bytes::BytesMut;

use crate::DcId;

pub use codec::Codec;
pub use error::Error;
pub use fake_tls::{HELLO_WINDOW_SECS, MAX_CLIENT_HELLO, MAX_SEEN_HELLOS, SeenHellos};
pub use secret::{MAX_DOMAIN, ProxySecret, SecretError};

/// The largest frame that a client takes, in bytes of payload and padding: what official clients
/// bear, 4 MiB and 1 KiB.
pub const MAX_CLIENT_FRAME: usize = (1 << 22) + 1024;

/// The largest frame that a server takes, in bytes of payload and padding: the largest container
/// that servers accept is below 1 MiB, and 64 KiB are left for what surrounds it.
pub const MAX_SERVER_FRAME: usize = (1 << 20) + (1 << 16);

/// Payloads shorter than this are no packets but control: a transport error, a quick ack, or
/// nothing at all. The smallest packet is the plain envelope of 20 bytes.
pub const MIN_PACKET: usize = 16;

/// How packets are delimited in a byte stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One byte of length, or four from 508 bytes on.
    Abridged,
    /// Four bytes of length.
    Intermediate,
    /// Four bytes of length, and up to 15 random bytes after each packet.
    PaddedIntermediate,
    /// Length, sequence number and CRC32. Neither obfuscation nor quick acks.
    Full,
}

impl Framing {
    /// Whether a client can ask for quick acks; what asks for them elsewhere is sent without.
    pub const fn has_quick_acks(self) -> bool {
        match self {
            Framing::Abridged | Framing::Intermediate | Framing::PaddedIntermediate => true,
            Framing::Full => false,
        }
    }
}

/// What a stream carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A packet of at least 16 bytes.
    Packet {
        /// The packet, without framing and without the padding that the codec can tell apart.
        data: BytesMut,
        /// Its sender, a client, asks for a quick ack.
        quick_ack: bool,
    },
    /// The other side has a packet with this token, as it came; the top bit is set in all that are
    /// asked for. Nothing authenticates it.
    QuickAck(u32),
    /// A transport error, negative by the specification, such as -404. Nothing authenticates it.
    Status(i32),
}

/// How a client obfuscates its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obfuscation {
    /// The secret that is shared with a proxy; without it the stream only looks random. It may ask
    /// for a framing ([`ProxySecret::framing`]), which is spoken then whatever is configured.
    pub secret: Option<ProxySecret>,
    /// The data centre that a proxy is to connect to; random bytes stand in its place otherwise.
    pub dc: Option<DcId>,
}

/// What a server accepts as the beginning of a stream.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerTransport {
    /// Secrets of which a client must have obfuscated its stream with one, in a framing that the
    /// secret allows and, if it has a domain, inside of fake TLS; tried in this order.
    pub secrets: Vec<ProxySecret>,
    /// Accept also who knows no secret: bare framings, and obfuscation without a secret.
    pub open: bool,
    /// Keep what came of a stream that is refused before anything was written to it, for
    /// [`Codec::refused`].
    pub fallback: bool,
    /// The largest frame, in bytes of payload and padding.
    pub max_frame: usize,
}

/// Everyone is let in, no secrets, no fallback, frames up to [`MAX_SERVER_FRAME`].
impl Default for ServerTransport {
    fn default() -> Self {
        ServerTransport {
            secrets: Vec::new(),
            open: true,
            fallback: false,
            max_frame: MAX_SERVER_FRAME,
        }
    }
}

/// Does not show the secrets.
impl fmt::Debug for ServerTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTransport")
            .field("secrets", &self.secrets.len())
            .field("open", &self.open)
            .field("fallback", &self.fallback)
            .field("max_frame", &self.max_frame)
            .finish()
    }
}

/// Which end of the stream this is. The two ends differ in who begins the stream and in what the
/// top bit of a length means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// What the first bytes of a frame say, as far as they are there.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// Too few bytes to tell.
    Partial,
    /// A frame of so many bytes each; `header` may reach beyond the bytes that are there.
    Frame {
        header: usize,
        payload: u32,
        trailer: usize,
        quick_ack: bool,
    },
    /// A quick ack of [`QUICK_ACK`] bytes in the place of a header.
    QuickAck(u32),
}

/// Bytes of a quick ack that stands in the place of a header.
const QUICK_ACK: usize = 4;

/// Marks the tokens of quick acks, and the packets whose sender asks for one.
const QUICK_ACK_BIT: u32 = 1 << 31;
