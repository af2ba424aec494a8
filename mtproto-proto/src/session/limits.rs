//! What a peer can make a session keep or do, at most.
//!
//! Does: values with safe defaults; each says what happens beyond it.
//! In and out: plain values.
//! Must not know: how they are used.
//! Spec: "Service Messages"; the numbers that are TDLib's say so. `BOUNDS.md` lists these and the
//! bounds that are constants.

use crate::session::gzip::{MAX_INFLATED, MAX_RATIO};
use crate::transport::{MAX_CLIENT_FRAME, MAX_SERVER_FRAME};

/// What the peer of a session can make it keep or do, at most. Any value is allowed: 0 takes nothing
/// of a kind, [`usize::MAX`] everything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a packet with its transport's padding: 4 MiB and 1 KiB; a server's 1 MiB and
    /// 64 KiB. A longer one ends the stream
    /// ([`TooLong`](crate::transport::Error::TooLong)) when its length is announced. Below 4 KiB no
    /// key can be made. Who brings a transport to a [`Session`](crate::session::Session) bounds
    /// its packets there.
    pub packet: usize,
    /// Messages of a container: 1,024, the specification's number. A server refuses a longer one
    /// (code 64), a client takes so many and drops the rest.
    pub container_items: usize,
    /// Bytes that all compressed messages of one packet inflate to: 10 MiB. Beyond, an answer
    /// becomes [`RequestError::BadAnswer`](crate::RequestError::BadAnswer), an update is dropped
    /// ([`Event::UpdatesMissed`](crate::session::Event::UpdatesMissed)), a call stays as it came.
    pub inflated: usize,
    /// Inflated bytes for one compressed byte, from 64 KiB on: 512. Deflate cannot exceed 1,032;
    /// real answers stay below 50. Beyond, as with `inflated`.
    pub inflate_ratio: usize,
    /// Acknowledgements that wait for the stream: 16,384, two messages full. Beyond, they are
    /// dropped and counted; the peer sends again what it misses.
    pub acks: usize,
    /// Bytes of answers above 16 KiB that nobody asked for: 256 KiB, TDLib's number. Beyond, the
    /// session is renewed; what comes under its former id after as many ends the stream. Client.
    pub unwanted_bytes: usize,
    /// Bytes of updates that the owner has not taken: 16 MiB; each counts for 256 more than it has.
    /// Beyond, updates are dropped and the owner is told by
    /// [`Event::UpdatesMissed`](crate::session::Event::UpdatesMissed). Who takes the events after
    /// each input never comes near. Client.
    pub update_bytes: usize,
    /// The same of answers: 32 MiB. Beyond, a request ends with
    /// [`RequestError::BadAnswer`](crate::RequestError::BadAnswer). Client.
    pub answer_bytes: usize,
    /// Calls that the owner has not answered: 16,384, as many as a client of ours sends by default
    /// and sixteen times what one of TDLib's keeps in flight. Beyond, a call is answered with
    /// `429 Too Many Requests`. Server.
    pub calls: usize,
    /// Bytes of these calls, of which a single one may always wait: 16 MiB, as much as may wait in
    /// the other direction. Beyond, as with `calls`. Server.
    pub call_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            packet: MAX_CLIENT_FRAME,
            container_items: 1_024,
            inflated: MAX_INFLATED,
            inflate_ratio: MAX_RATIO,
            acks: 16_384,
            unwanted_bytes: 256 << 10,
            update_bytes: 16 << 20,
            answer_bytes: 32 << 20,
            calls: 16_384,
            call_bytes: 16 << 20,
        }
    }
}

impl Limits {
    /// The defaults of a server.
    pub fn server() -> Self {
        Limits {
            packet: MAX_SERVER_FRAME,
            ..Limits::default()
        }
    }
}
