//! Where streams come from, as far as the owner says.
//!
//! Does: counts the streams of each source, and what its handshakes have cost.
//! In: sources, the time. Out: whether one has too much.
//! Must not know: what a source is; streams.
//! Spec: "Creating an Authorization Key": handshakes are to be limited by address.
//!
//! A source is known while it has streams, and after that until what its handshakes cost has been
//! earned again: as many as there are streams, and handshakes in a minute.

use alloc::collections::BTreeMap;

use crate::ids::SourceId;
use crate::server::allowance::Allowance;
use crate::time::Time;

#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) streams: usize,
    pub(super) spent: Allowance,
    /// When its timer fires.
    pub(super) armed: Option<Time>,
}

#[derive(Debug, Default)]
pub(super) struct Sources(BTreeMap<SourceId, Source>);

impl Sources {
    pub(super) fn streams(&self, source: SourceId) -> usize {
        self.0.get(&source).map_or(0, |source| source.streams)
    }

    pub(super) fn opened(&mut self, source: SourceId) {
        let source = self.0.entry(source).or_default();
        source.streams = source.streams.saturating_add(1);
    }

    pub(super) fn get_mut(&mut self, source: SourceId) -> Option<&mut Source> {
        self.0.get_mut(&source)
    }

    /// A stream of it is gone, or its timer fired: until when it has to be remembered; `None` if it
    /// was forgotten or has streams, or its timer is set.
    pub(super) fn rest(&mut self, now: Time, id: SourceId) -> Option<Time> {
        let source = self.0.get_mut(&id)?;
        if source.streams > 0 || source.armed.is_some() {
            return None;
        }
        let until = source.spent.repaid();
        if until <= now {
            self.0.remove(&id);
            return None;
        }
        source.armed = Some(until);
        Some(until)
    }
}
