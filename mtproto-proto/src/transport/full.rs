//! Full framing: length, sequence number and checksum.
//!
//! Does: reads and writes whole frames; counts the frames of both directions.
//! In: the first bytes of a frame, or a frame. Out: a [`Head`], or the frame's payload.
//! Must not know: bounds; obfuscation, which this framing does not have.
//! Spec: "MTProto transports", Full.
//!
//! ```text
//! 12 + n: u32 │ seq: u32 │ payload of n bytes │ CRC32 of all before: u32
//! ```

use alloc::vec::Vec;

use bytes::{Buf, BytesMut};

use super::{Error, Head};

/// Length and sequence number.
const HEADER: usize = 8;
/// The checksum.
const TRAILER: usize = 4;
/// Both.
const AROUND: u32 = 12;

/// The numbers of the next frames. Each direction of each stream begins at 0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    incoming: u32,
    outgoing: u32,
}

impl Counters {
    /// Reads the length of a frame from its first four bytes.
    pub(super) fn head(&self, bytes: &[u8]) -> Result<Head, Error> {
        let Some(total) = bytes.first_chunk() else {
            return Ok(Head::Partial);
        };
        let total = u32::from_le_bytes(*total);
        // The length counts itself, so a frame without a payload is possible, but nothing sends it.
        match total.checked_sub(AROUND) {
            Some(payload) => Ok(Head::Frame {
                header: HEADER,
                payload,
                trailer: TRAILER,
                quick_ack: false,
            }),
            None => Err(Error::TooShort {
                got: total,
                min: AROUND,
            }),
        }
    }

    /// Checks the sequence number, once it is there.
    pub(super) fn check_sequence(&self, bytes: &[u8]) -> Result<(), Error> {
        let Some((_, got)) = bytes.get(..HEADER).and_then(<[u8]>::split_last_chunk) else {
            return Ok(());
        };
        let got = u32::from_le_bytes(*got);
        if got != self.incoming {
            return Err(Error::Sequence {
                got,
                expected: self.incoming,
            });
        }
        Ok(())
    }

    /// Checks a whole frame's checksum, and leaves its payload.
    pub(super) fn open(&mut self, mut frame: BytesMut) -> Result<BytesMut, Error> {
        let len = frame.len();
        let Some((body, crc)) = frame.split_last_chunk::<TRAILER>() else {
            return Ok(BytesMut::new()); // never shorter: `head` counts the trailer
        };
        let (got, expected) = (u32::from_le_bytes(*crc), crc32fast::hash(body));
        if got != expected {
            return Err(Error::Checksum { got, expected });
        }
        frame.truncate(len.saturating_sub(TRAILER));
        frame.advance(HEADER.min(frame.len()));
        self.incoming = self.incoming.wrapping_add(1);
        Ok(frame)
    }

    /// Writes the head of a frame of `len` bytes of payload, below 2^31.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, len: u32) {
        out.extend(len.saturating_add(AROUND).to_le_bytes());
        out.extend(self.outgoing.to_le_bytes());
    }

    /// Writes the checksum of the frame that begins at `start` and ends with its payload.
    pub(super) fn write_trailer(&mut self, out: &mut Vec<u8>, start: usize) {
        let crc = crc32fast::hash(out.get(start..).unwrap_or(&[]));
        out.extend(crc.to_le_bytes());
        self.outgoing = self.outgoing.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::Counters;

    /// The known-answer vector `full.grammers` has a frame without a payload, which the codec
    /// neither writes nor takes; its checksum holds all the same.
    #[test]
    fn frame_around_nothing_has_the_known_checksum() {
        let mut out = Vec::new();
        let mut counters = Counters::default();
        counters.write_head(&mut out, 0);
        counters.write_trailer(&mut out, 0);
        assert_eq!(out, [12, 0, 0, 0, 0, 0, 0, 0, 0x26, 0xca, 0x8d, 0x32]);
    }
}
