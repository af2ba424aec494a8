//! Handshakes whose stream broke: they may go on over another one.
//!
//! Does: keeps them by the client's nonce; the one that ends soonest gives way.
//! In: handshakes. Out: handshakes, and which one had to go.
//! Must not know: streams, timers.
//! Spec: "Creating an Authorization Key", handling of errors.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::handshake::ServerHandshake;
use crate::time::Time;

#[derive(Default)]
pub(super) struct HalfOpen {
    by_nonce: BTreeMap<[u8; 16], ServerHandshake>,
    by_deadline: BTreeSet<(Time, [u8; 16])>,
}

impl HalfOpen {
    pub(super) fn len(&self) -> usize {
        self.by_nonce.len()
    }

    pub(super) fn insert(&mut self, nonce: [u8; 16], handshake: ServerHandshake) {
        self.by_deadline.insert((handshake.deadline(), nonce));
        self.by_nonce.insert(nonce, handshake);
    }

    pub(super) fn take(&mut self, nonce: &[u8; 16]) -> Option<ServerHandshake> {
        let handshake = self.by_nonce.remove(nonce)?;
        self.by_deadline.remove(&(handshake.deadline(), *nonce));
        Some(handshake)
    }

    /// The one that would be forgotten first.
    pub(super) fn oldest(&self) -> Option<[u8; 16]> {
        self.by_deadline.first().map(|(_, nonce)| *nonce)
    }
}
