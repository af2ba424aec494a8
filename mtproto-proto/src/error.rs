//! What went wrong, who is to blame, and what was merely dropped.
//!
//! Does: the errors that several rooms share, and the counters for noise.
//! In and out: plain values.
//! Must not know: how an error came about; each room has its own enum beside it.
//! Spec: "Security Guidelines"; "Mobile Protocol: Detailed Description".

use alloc::string::String;
use core::fmt;

use crate::ids::RequestId;

/// The peer broke the protocol in a way that ends the stream. Session and key survive it: any of
/// these can be forged by somebody on the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// An encrypted packet that does not open: key id, `msg_key`, length or padding are wrong.
    /// One variant for all of them, so that an answer tells nobody which.
    BadPacket,
    /// A packet that opens, for a session that is not ours.
    ForeignSession,
    /// An unencrypted message after the authorization key was established.
    PlainPacket,
    /// An encrypted message before the authorization key was established.
    EncryptedBeforeKey,
    /// A frame that only the other role may send.
    UnexpectedFrame,
}

impl fmt::Display for PeerMisbehaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadPacket => "the peer sent an encrypted packet that does not open with our key",
            Self::ForeignSession => "the peer sent a packet for a session that is not ours",
            Self::PlainPacket => "the peer sent an unencrypted message inside a session",
            Self::EncryptedBeforeKey => "the peer sent an encrypted message before a key existed",
            Self::UnexpectedFrame => "the peer sent a frame that only the other role may send",
        })
    }
}

impl core::error::Error for PeerMisbehaved {}

/// An error that the server gave as the answer to a request (`rpc_error`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// The error's class, like an HTTP status: 303, 400, 401, 403, 404, 406, 420, 500.
    /// A code of 0 or beyond ±9,999 is reported as 500.
    pub code: i32,
    /// The error's name, like `FLOOD_WAIT_17`; at most [`RpcError::MAX_MESSAGE`] bytes are kept.
    pub message: String,
}

impl RpcError {
    /// Longest message that is kept, in bytes: known names are below 100.
    pub const MAX_MESSAGE: usize = 512;
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {} {}", self.code, self.message)
    }
}

impl core::error::Error for RpcError {}

/// What is known of a request that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never left this process.
    NotSent,
    /// It was sent, and the server said that it did not take it.
    NotReceived,
    /// It was sent; the server may have executed it.
    MaybeExecuted,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "it was not sent",
            Self::NotReceived => "the server did not take it",
            Self::MaybeExecuted => "the server may have executed it",
        })
    }
}

/// How far a request is that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits in this process: for the stream, for its turn, or to be sent again.
    Queued,
    /// It was handed to a stream; nothing is known of its arrival.
    Written,
    /// The server has said that it has it. A quick acknowledgement is not authentic and does not
    /// count.
    Acked,
}

/// Why a request ended without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The server answered with an error.
    Rpc(RpcError),
    /// The request's deadline passed.
    TimedOut(Fate),
    /// The application cancelled it.
    Cancelled(Fate),
    /// It was refused or lost more often than its retry budget allows, or its session is gone.
    Lost(Fate),
    /// This request, which it was to come after, ended without an answer that was a success. It was
    /// not executed itself: it had not left, or the server said so. One that may have been executed
    /// ends as [`RequestError::Lost`].
    DependencyFailed(RequestId),
    /// The answer came and cannot be used: it is compressed data that is broken or inflates beyond
    /// [`Limits::inflated`](crate::session::Limits::inflated), or more answers wait to be taken than
    /// [`Limits::answer_bytes`](crate::session::Limits::answer_bytes). The request was executed.
    BadAnswer,
}

impl RequestError {
    /// What is known of a request that got no answer; `None` when it got one: what a method has done
    /// before it failed is the method's affair.
    pub fn fate(&self) -> Option<Fate> {
        match self {
            Self::Rpc(_) | Self::BadAnswer => None,
            Self::TimedOut(fate) | Self::Cancelled(fate) | Self::Lost(fate) => Some(*fate),
            // Whether it never left or was refused, the server did not take it.
            Self::DependencyFailed(_) => Some(Fate::NotReceived),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpc(error) => error.fmt(f),
            Self::TimedOut(fate) => write!(f, "the request's deadline passed; {fate}"),
            Self::Cancelled(fate) => write!(f, "the request was cancelled; {fate}"),
            Self::Lost(fate) => write!(f, "the request was lost; {fate}"),
            Self::DependencyFailed(id) => {
                write!(
                    f,
                    "{id}, which it was to come after, failed; it was not executed"
                )
            }
            Self::BadAnswer => f.write_str("the answer is broken or too large"),
        }
    }
}

impl core::error::Error for RequestError {}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The body is longer than a server accepts; split it (files go in parts).
    TooLarge {
        /// The body's bytes.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// A body is whole 32-bit words and at least one.
    Unaligned {
        /// The body's bytes.
        got: usize,
    },
    /// So many requests are waiting already; wait for answers.
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Requests of so many bytes are waiting already; wait for answers.
    TooManyBytes {
        /// The bytes with this request's.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// It is to come after more requests than can be named.
    TooManyDependencies {
        /// Requests that have not ended.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// The stream has ended or was closed; suspend it and resume on a new one.
    Ended,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { got, max } => {
                write!(f, "the request has {got} bytes, a server accepts {max}")
            }
            Self::Unaligned { got } => {
                write!(
                    f,
                    "the request has {got} bytes, which is not whole 32-bit words"
                )
            }
            Self::TooMany { max } => write!(f, "{max} requests are waiting already"),
            Self::TooManyBytes { got, max } => {
                write!(f, "requests of {max} bytes may wait, these would be {got}")
            }
            Self::TooManyDependencies { got, max } => {
                write!(
                    f,
                    "the request is to come after {got} others, {max} can be named"
                )
            }
            Self::Ended => f.write_str("the connection has ended"),
        }
    }
}

impl core::error::Error for SendError {}

/// What was dropped or repaired without ending the stream. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets that opened.
    pub packets_in: u64,
    /// Packets that were sealed.
    pub packets_out: u64,
    /// Messages in opened packets, those inside containers counted one by one.
    pub messages_in: u64,
    /// Messages that had come before and were dropped (and acknowledged again).
    pub duplicates: u64,
    /// Messages that were older than the window allows and were dropped.
    pub too_old: u64,
    /// Messages with an id that their sender may not use, dropped.
    pub bad_msg_ids: u64,
    /// Answers to requests that nobody waits for, dropped.
    pub unknown_answers: u64,
    /// Notifications about messages that we did not send, dropped.
    pub unknown_notifications: u64,
    /// Service messages or containers that did not parse, dropped.
    pub malformed: u64,
    /// Compressed messages that were broken or too large, dropped.
    pub bad_gzip: u64,
    /// Requests that were sent again.
    pub resent: u64,
    /// Queued acknowledgements and replies that were dropped because the peer does not read.
    pub overflow: u64,
    /// Times that the session was replaced by a new one.
    pub sessions_renewed: u64,
}

/// Adds one; a counter that is full stays full.
pub(crate) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
