//! What a server turned away.
//!
//! Does: [`ServerStats`], one counter for each bound that somebody met.
//! In and out: plain values.
//! Must not know: why a bound is where it is (`config.rs` does).
//! Spec: none.

/// What a server turned away, dropped or forgot because a bound of
/// [`ServerConfig`](super::ServerConfig) was met. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Streams that were not admitted: there were too many, of all or of their source.
    pub streams_refused: u64,
    /// Streams that were closed to make room: for another one, or for another one of their key.
    pub streams_displaced: u64,
    /// Streams that were closed because of what they had begun to send and not finished.
    pub inputs_shed: u64,
    /// Obfuscated streams whose header had come before.
    pub headers_replayed: u64,
    /// Messages of handshakes that would have cost more than there was.
    pub handshakes_refused: u64,
    /// Half-done handshakes of streams that broke, forgotten before their time.
    pub half_open_forgotten: u64,
    /// Keys that were not made, or not taken over, for want of room.
    pub keys_refused: u64,
    /// Keys that gave way to another one.
    pub keys_forgotten: u64,
    /// Sessions that gave way to another one.
    pub sessions_displaced: u64,
    /// Sessions that were not begun for want of room.
    pub sessions_refused: u64,
    /// Calls that the server itself answered with error 429, for want of room.
    pub calls_refused: u64,
}
