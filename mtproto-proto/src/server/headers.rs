//! Obfuscation headers that came: one that comes again is a replay.
//!
//! Does: remembers the newest of them.
//! In: headers' nonces. Out: whether one came before.
//! Must not know: streams, what is done about a replay.
//! Spec: "Transport obfuscation": a server that hides does not answer what it has seen before.

use alloc::collections::{BTreeSet, VecDeque};

/// So much of a nonce tells it from all others: it is random.
const PART: usize = 16;

pub(super) struct Headers {
    oldest_first: VecDeque<[u8; PART]>,
    known: BTreeSet<[u8; PART]>,
    max: usize,
}

impl Headers {
    pub(super) fn new(max: usize) -> Self {
        Headers {
            oldest_first: VecDeque::new(),
            known: BTreeSet::new(),
            max,
        }
    }

    /// Whether it came before; it is remembered.
    pub(super) fn is_known(&mut self, nonce: &[u8; 48]) -> bool {
        let Some(part) = nonce.first_chunk().copied() else {
            return false;
        };
        if !self.known.insert(part) {
            return true;
        }
        self.oldest_first.push_back(part);
        while self.oldest_first.len() > self.max
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut headers = Headers::new(2);
        for n in 0..3 {
            assert!(!headers.is_known(&[n; 48]));
        }
        assert!(headers.is_known(&[1; 48]) && headers.is_known(&[2; 48]));
        assert!(!headers.is_known(&[0; 48]), "it came so long ago");
        assert!(!Headers::new(0).is_known(&[0; 48]));
    }
}
