//! What can be wrong with a stream's framing, and with what is asked of a codec.

use core::fmt;

/// Why a codec cannot go on, or refused a call.
///
/// What is found in the stream is final: every later call of the codec repeats it. A call to write
/// that is refused on its own account has changed nothing.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A frame is longer than this side takes, or a packet to send longer than the other side
    /// takes. A negative length is read as the large number that its bits are.
    TooLong {
        /// Bytes of payload and padding.
        got: u32,
        /// The bound in force.
        max: u32,
    },
    /// A frame has fewer bytes than its smallest content.
    TooShort {
        /// Bytes of payload and padding; in full framing, of the whole frame.
        got: u32,
        /// The least that makes sense.
        min: u32,
    },
    /// A length is not a multiple of four where padding is not allowed.
    Unaligned {
        /// The length.
        got: u32,
    },
    /// Full framing: a frame was skipped, repeated or forged.
    Sequence {
        /// The number in the frame.
        got: u32,
        /// The number of the next frame of this stream.
        expected: u32,
    },
    /// Full framing: the frame was damaged.
    Checksum {
        /// The CRC32 in the frame.
        got: u32,
        /// The CRC32 of the frame.
        expected: u32,
    },
    /// The stream begins as an HTTP request.
    Http,
    /// The stream begins as an HTTP `GET`, as a WebSocket does.
    WebSocket,
    /// The stream begins as a TLS handshake, and not as one that was made with a secret of ours,
    /// about now, for the first time.
    Tls,
    /// The stream begins with none of the framings that are accepted, or is obfuscated with an
    /// unknown secret.
    UnknownFraming,
    /// A client with a fake TLS secret: what came is no answer to its hello, or was made with
    /// another secret. Perhaps this is the web server that the proxy looks like.
    TlsAnswer,
    /// A client with a fake TLS secret was asked to write before its hello was answered.
    HelloUnanswered,
    /// Fake TLS: a record that has no place in the stream.
    TlsRecord {
        /// Its kind, 23 for data.
        kind: u8,
        /// The bytes that it announces, from 1 to 16,640 where it holds data.
        len: u16,
    },
    /// Full framing cannot be obfuscated.
    FullObfuscated,
    /// Obfuscation headers were drawn time and again, and each began as another protocol does.
    ForbiddenHeader,
    /// A server was asked to write before the client has shown which framing it speaks.
    FramingUnknown,
    /// A quick ack was to be written by a client, or in full framing, which has none.
    NoQuickAck,
    /// `fill` wrote another number of bytes than it was to.
    Filled {
        /// The bytes written.
        got: usize,
        /// The bytes announced.
        expected: usize,
    },
}

impl Error {
    /// Whether a server should let the stream die without a byte in answer, as a server that
    /// cannot be recognised does: the client has not proved that it speaks this protocol.
    pub const fn is_silent(&self) -> bool {
        matches!(
            self,
            Error::Http | Error::WebSocket | Error::Tls | Error::UnknownFraming
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooLong { got, max } => write!(f, "frame of {got} bytes, at most {max} allowed"),
            Error::TooShort { got, min } => {
                write!(f, "frame of {got} bytes, at least {min} needed")
            }
            Error::Unaligned { got } => {
                write!(f, "frame of {got} bytes, not a multiple of four")
            }
            Error::Sequence { got, expected } => {
                write!(f, "frame {got} in the place of {expected}")
            }
            Error::Checksum { got, expected } => {
                write!(
                    f,
                    "frame has checksum {got:#010x}, computed {expected:#010x}"
                )
            }
            Error::Http => f.write_str("stream begins as http"),
            Error::WebSocket => f.write_str("stream begins as a websocket"),
            Error::Tls => f.write_str("stream begins as tls"),
            Error::UnknownFraming => f.write_str("stream begins as no accepted framing"),
            Error::TlsAnswer => {
                f.write_str("the answer to the tls hello was not made with the proxy's secret")
            }
            Error::HelloUnanswered => f.write_str("the tls hello was not answered yet"),
            Error::TlsRecord { kind, len } => {
                write!(f, "tls record of kind {kind} with {len} bytes")
            }
            Error::FullObfuscated => f.write_str("full framing cannot be obfuscated"),
            Error::ForbiddenHeader => f.write_str("obfuscation headers begin as other protocols"),
            Error::FramingUnknown => f.write_str("client has not shown its framing yet"),
            Error::NoQuickAck => f.write_str("no quick acks in this role and framing"),
            Error::Filled { got, expected } => {
                write!(f, "packet of {got} bytes, {expected} announced")
            }
        }
    }
}

impl core::error::Error for Error {}
