//! Who watches what a client's streams carry.
//!
//! Does: [`Tap`], to which a connection shows every packet with the key that it is under, sealed as
//! it travels and free of framing, and how its stream begins and ends.
//! In and out: borrowed values; a watcher changes nothing.
//! Must not know: what a watcher does with them. `mtproto-test`'s `trace` makes files.
//! Spec: none.

use alloc::sync::Arc;
use core::fmt;

use crate::connection::Error;
use crate::crypto::AuthKey;
use crate::ids::{ConnId, DcId};
use crate::time::Time;
use crate::transport::Framing;

/// Watches the streams of clients: set it with
/// [`ClientConfig::record`](crate::connection::ClientConfig::record).
///
/// It is called within the machine's own calls, so it should be quick. It sees keys: what it keeps
/// of them is the login.
pub trait Tap: Send + Sync {
    /// A stream begins; returns how it is to be called. Each stream should have a name of its own.
    fn opened(&self, now: Time, stream: &Opened) -> ConnId;

    /// Something was written to a stream or came over it, or it ended.
    fn passed(&self, now: Time, stream: ConnId, what: Passed<'_>);
}

/// How a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The DC on the other end, as the handshake names it.
    pub dc: DcId,
    /// How packets are delimited.
    pub framing: Framing,
    /// Whether the framing is hidden.
    pub obfuscated: bool,
    /// Whether calls travel under temporary keys.
    pub pfs: bool,
    /// What it goes on from.
    pub begins: Begins,
}

/// What a stream goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begins {
    /// Nothing: a key is made.
    Nothing,
    /// A key, and a new session.
    Key,
    /// The session of an earlier stream.
    Session,
}

/// What passes over a stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Passed<'a> {
    /// A packet that is about to leave, as it travels, without framing.
    Out {
        /// The key that it is under; none for a step of a handshake.
        key: Option<&'a AuthKey>,
        /// The packet.
        packet: &'a [u8],
    },
    /// A packet that came, as it travelled, without framing. Nothing of it was checked.
    In {
        /// The key that the stream's session is under, if there is one: the packet may be under
        /// another one, or none.
        key: Option<&'a AuthKey>,
        /// The packet.
        packet: &'a [u8],
    },
    /// The server has the packet with this token: 31 bits, not authenticated.
    QuickAck(u32),
    /// A transport error of the server, such as -404; not authenticated.
    Status(i32),
    /// The stream cannot go on.
    Failed(&'a Error),
    /// The machine was taken off the stream.
    Suspended,
}

/// Who watches a configuration's streams, if anybody does.
#[derive(Clone, Default)]
pub struct Taps(Option<Arc<dyn Tap>>);

impl Taps {
    /// This one watches.
    pub fn new(tap: impl Tap + 'static) -> Self {
        Taps(Some(Arc::new(tap)))
    }

    /// A stream begins.
    pub(crate) fn opened(&self, now: Time, stream: &Opened) -> Watched {
        let tap = self.0.clone();
        Watched(tap.map(|tap| {
            let name = tap.opened(now, stream);
            (tap, name)
        }))
    }
}

/// Whether anybody watches is no property of a configuration.
impl fmt::Debug for Taps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taps(..)")
    }
}

/// One stream with its watcher, if it has one.
pub(crate) struct Watched(Option<(Arc<dyn Tap>, ConnId)>);

impl Watched {
    /// Shows what `what` makes, if anybody watches.
    pub(crate) fn passed<'a>(&self, now: Time, what: impl FnOnce() -> Passed<'a>) {
        if let Some((tap, name)) = &self.0 {
            tap.passed(now, *name, what());
        }
    }
}
