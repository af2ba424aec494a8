//! A blocking stream of packets, for tests that talk to a DC by hand.
//!
//! Does: [`Line`] is a TCP stream and the client's framing on it.
//! In: packets. Out: the server's frames, in bounded time.
//! Must not know: keys, messages.
//! Spec: "MTProto transports".

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use mtproto_proto::Rng;
use mtproto_proto::transport::{Codec, Frame, Framing, Obfuscation};

/// How long a test waits for a frame, at most, unless it says otherwise: much more than any answer
/// takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client's stream.
pub struct Line {
    stream: TcpStream,
    codec: Codec,
    rng: Rng,
}

impl Line {
    /// Connects. Reads time out with an error after 20 s.
    ///
    /// # Errors
    /// If there is no connection, or the framing cannot be obfuscated.
    pub fn connect(
        addr: SocketAddr,
        framing: Framing,
        obfuscation: Option<Obfuscation>,
        rng: Rng,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
        Line::over(stream, framing, obfuscation, rng)
    }

    /// The same over a stream that is there.
    ///
    /// # Errors
    /// If the stream is broken, or the framing cannot be obfuscated.
    pub fn over(
        stream: TcpStream,
        framing: Framing,
        obfuscation: Option<Obfuscation>,
        mut rng: Rng,
    ) -> io::Result<Self> {
        let codec = Codec::client(framing, obfuscation, &mut rng).map_err(io::Error::other)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Line { stream, codec, rng })
    }

    /// The stream below the framing.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Writes one packet.
    ///
    /// # Errors
    /// If the stream is broken, or the framing refuses the packet.
    pub fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        let mut out = Vec::new();
        self.codec
            .write_packet(&mut self.rng, &mut out, packet.len(), false, |out, _| {
                out.extend_from_slice(packet);
            })
            .map_err(io::Error::other)?;
        self.stream.write_all(&out)
    }

    /// The next frame.
    ///
    /// # Errors
    /// `UnexpectedEof` when the server has closed, a time-out when nothing came, and `Other` when
    /// what came is no frame.
    pub fn recv(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.codec.next_frame().map_err(io::Error::other)? {
                return Ok(frame);
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.codec.feed(buffer.get(..n).unwrap_or_default()),
                // A process that was stopped and goes on.
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The next packet.
    ///
    /// # Errors
    /// As [`recv`](Line::recv), and `Other` for a transport error or a quick acknowledgement.
    pub fn recv_packet(&mut self) -> io::Result<Vec<u8>> {
        match self.recv()? {
            Frame::Packet { data, .. } => Ok(data.to_vec()),
            other @ (Frame::QuickAck(_) | Frame::Status(_)) => {
                Err(io::Error::other(format!("no packet but {other:?}")))
            }
        }
    }

    /// Sends a packet and gives the next one.
    ///
    /// # Errors
    /// As [`send`](Line::send) and [`recv_packet`](Line::recv_packet).
    pub fn exchange(&mut self, packet: &[u8]) -> io::Result<Vec<u8>> {
        self.send(packet)?;
        self.recv_packet()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
