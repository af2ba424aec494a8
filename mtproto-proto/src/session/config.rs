//! How a session behaves, and how one request is sent.
//!
//! Does: values with defaults, every bound among them.
//! In and out: plain values.
//! Must not know: how they are used.
//! Spec: "Service Messages"; the numbers that are TDLib's say so.

use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::RequestId;
use crate::session::Limits;

/// How a session behaves. The defaults suit a client; [`Config::server`] those of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// A request's deadline if its options name none: 60 s.
    pub request_timeout: Duration,
    /// How often a refused request is sent again if its options do not say: 5.
    pub max_retries: u8,
    /// Requests that may wait at once, for the stream or for an answer: 16,384, …
    pub max_requests: usize,
    /// … and the bytes of their bodies, of which a single one may always wait: 64 MiB, sixty times
    /// the longest.
    pub max_request_bytes: usize,
    /// Acknowledgements wait at most so long for a packet to travel with: 30 s, a server's 50 ms.
    pub ack_delay: Duration,
    /// A client asks whether the server lives after so much silence: 60 s.
    pub ping_interval: Duration,
    /// The same while requests wait for answers: 15 s.
    pub ping_interval_busy: Duration,
    /// The same, requests or not, while the user waits
    /// ([`ClientConnection::set_online`](crate::connection::ClientConnection::set_online)): 5 s.
    pub ping_interval_online: Duration,
    /// The stream is dead if nothing follows a ping for so long: 15 s.
    pub pong_timeout: Duration,
    /// The same while the user waits: 10 s.
    pub pong_timeout_online: Duration,
    /// A peer that has a stream is asked what became of messages that it has neither answered nor
    /// acknowledged for so long; each question that changes nothing doubles the time to the next. A
    /// client's requests: 4 s, for a server acknowledges within tens of milliseconds what it does not
    /// answer at once; up to a minute. A server's answers and updates: 120 s, for clients may collect
    /// acknowledgements for as long as that; at least 1 s.
    pub state_after: Duration,
    /// Requests from so many bytes are compressed if that saves a tenth; `None` (the default):
    /// never.
    pub compress_from: Option<usize>,
    /// A server's answers and updates that wait for the stream: at most 16,384, as many as a
    /// client's requests, …
    pub max_notices: usize,
    /// … and 16 MiB, beyond which the client counts as gone.
    pub max_notice_bytes: usize,
    /// What the peer can make the session keep or do.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            request_timeout: Duration::from_secs(60),
            max_retries: 5,
            max_requests: 16_384,
            max_request_bytes: 64 << 20,
            ack_delay: Duration::from_secs(30),
            ping_interval: Duration::from_secs(60),
            ping_interval_busy: Duration::from_secs(15),
            ping_interval_online: Duration::from_secs(5),
            pong_timeout: Duration::from_secs(15),
            pong_timeout_online: Duration::from_secs(10),
            state_after: Duration::from_secs(4),
            compress_from: None,
            max_notices: 16_384,
            max_notice_bytes: 16 << 20,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The defaults of a server.
    pub fn server() -> Self {
        Config {
            ack_delay: Duration::from_millis(50),
            state_after: Duration::from_secs(120),
            limits: Limits::server(),
            ..Config::default()
        }
    }

    /// What `ping_delay_disconnect` asks for: the server closes a little after we would.
    pub(super) fn disconnect_delay(&self) -> Duration {
        self.ping_interval
            .saturating_add(self.pong_timeout)
            .saturating_add(Duration::from_secs(2))
    }
}

/// How one request is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendOptions {
    /// Ends the request after this time; `None`: [`Config::request_timeout`].
    pub deadline: Option<Duration>,
    /// Asks for a quick acknowledgement: [`Event::Acked`](crate::session::Event::Acked) comes as soon as the server has the
    /// packet. It is not authenticated.
    pub quick_ack: bool,
    /// Overrides [`Config::max_retries`].
    pub max_retries: Option<u8>,
    /// The request may be executed twice without harm, so it is sent again when it is unknown
    /// whether it was executed.
    pub idempotent: bool,
    /// The server is to execute it after these, which were submitted before it to the same session
    /// or connection (`invokeAfterMsgs`): at most [`MAX_AFTER`](crate::session::MAX_AFTER) that have
    /// not ended. One that was answered, or was never submitted, or whose failure has been taken with
    /// `poll_event`, holds nothing back. When one of them ends without success this request ends with
    /// [`RequestError::DependencyFailed`](crate::RequestError::DependencyFailed) unless it had been
    /// written; then the server decides, and its answer counts. Service calls, like pings, are not
    /// ordered by the server: what comes before or after them waits for an answer.
    pub after: Vec<RequestId>,
}

impl SendOptions {
    /// Ends the request after this time.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The server is to execute it after this one.
    #[must_use]
    pub fn after(mut self, request: RequestId) -> Self {
        self.after.push(request);
        self
    }

    /// The request may be executed twice without harm.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }
}
