//! What all streams together hold of what they have not finished.
//!
//! Does: counts it; tells which stream gives way.
//! In: what each stream holds. Out: streams.
//! Must not know: why a stream holds it.
//! Spec: none.

use alloc::collections::BTreeSet;

use crate::ids::ConnId;
use crate::server::stream::Held;
use crate::time::Time;

#[derive(Debug, Default)]
pub(super) struct Inputs {
    bytes: usize,
    /// Strangers first, then whoever has taken longest.
    order: BTreeSet<(bool, Time, ConnId)>,
}

impl Inputs {
    pub(super) fn insert(&mut self, conn: ConnId, held: Held) {
        self.bytes = self.bytes.saturating_add(held.bytes);
        self.order.insert((held.client, held.since, conn));
    }

    pub(super) fn remove(&mut self, conn: ConnId, held: Held) {
        if self.order.remove(&(held.client, held.since, conn)) {
            self.bytes = self.bytes.saturating_sub(held.bytes);
        }
    }

    /// The stream that gives way while they hold more than so many bytes.
    pub(super) fn over(&self, max: usize) -> Option<ConnId> {
        (self.bytes > max)
            .then(|| self.order.first().map(|(_, _, conn)| *conn))
            .flatten()
    }
}
