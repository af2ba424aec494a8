//! The hellos that a server has answered.
//!
//! Does: knows a hello that comes again.
//! In: hellos. Out: whether one is new.
//! Must not know: streams; one of these serves all streams of a server.
//! Spec: none; MTProxy remembers them for two days.

use alloc::collections::{BTreeSet, VecDeque};

use super::check::Hello;

/// Hellos that are remembered, 28 bytes each: about 6 MB with what keeps them in order. Only who
/// knows a secret has a hello remembered, and who knows one need not replay anything; so whoever
/// floods this gains nothing.
pub const MAX_SEEN_HELLOS: usize = 1 << 16;

/// Bytes of a hello's random that do not depend on its time.
pub(super) const STEADY: usize = 28;

/// The hellos that a server has answered, the latest 65,536: one that comes again is a replay,
/// whatever time is in it. All streams of a server share one.
#[derive(Clone, Default)]
pub struct SeenHellos {
    known: BTreeSet<[u8; STEADY]>,
    order: VecDeque<[u8; STEADY]>,
}

impl SeenHellos {
    /// Remembers a hello; whether it is new.
    pub(in crate::transport) fn insert(&mut self, hello: &Hello) -> bool {
        let steady = hello.steady();
        if !self.known.insert(steady) {
            return false;
        }
        self.order.push_back(steady);
        if self.order.len() > MAX_SEEN_HELLOS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// How many are remembered, at most 65,536.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

/// Shows how many there are: the hellos are nobody's business.
impl core::fmt::Debug for SeenHellos {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SeenHellos")
            .field("len", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(number: u32) -> Hello {
        let mut random = [7; 32];
        for (to, from) in random.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        Hello::of(random)
    }

    #[test]
    fn the_latest_hellos_are_known_and_no_more_are_kept() {
        let mut seen = SeenHellos::default();
        let all = u32::try_from(MAX_SEEN_HELLOS).unwrap_or(u32::MAX);
        for number in 0..all.saturating_add(2) {
            assert!(seen.insert(&hello(number)), "{number}");
        }
        assert_eq!(seen.len(), MAX_SEEN_HELLOS);
        assert_eq!(seen.known.len(), MAX_SEEN_HELLOS);
        assert!(!seen.insert(&hello(2)), "the oldest that is known");
        assert!(seen.insert(&hello(1)), "forgotten");
        assert!(!seen.insert(&hello(all)));
    }
}
