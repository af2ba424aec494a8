//! What stands in a shareable trace for what must not be in it.
//!
//! Does: a throw-away key for each key, another number for each session id and each salt, always
//! the same one; random bytes for contents.
//! In: what is secret. Out: what is not, made of other randomness.
//! Must not know: packets, files.
//! Spec: none.

use std::collections::BTreeMap;

use mtproto_proto::crypto::AuthKey;
use mtproto_proto::{AuthKeyId, Rng};
use rand_core::Rng as _;

/// Keys, sessions and salts that are remembered, each: a client has a few, and a new salt every half
/// hour. Beyond it all get new masks.
const MAX: usize = 4_096;

pub(super) struct Masks {
    rng: Rng,
    keys: BTreeMap<AuthKeyId, AuthKey>,
    numbers: BTreeMap<(Number, i64), i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    Session,
    Salt,
}

impl Masks {
    pub(super) fn new(rng: Rng) -> Self {
        Masks {
            rng,
            keys: BTreeMap::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// The throw-away key for this one, and whether it is new.
    pub(super) fn key(&mut self, key: AuthKeyId) -> (AuthKey, bool) {
        if let Some(known) = self.keys.get(&key) {
            return (known.clone(), false);
        }
        if self.keys.len() >= MAX {
            self.keys.clear();
        }
        let mask = AuthKey::from_bytes(&self.rng.array());
        self.keys.insert(key, mask.clone());
        (mask, true)
    }

    pub(super) fn session(&mut self, id: i64) -> i64 {
        self.number(Number::Session, id)
    }

    pub(super) fn salt(&mut self, salt: i64) -> i64 {
        self.number(Number::Salt, salt)
    }

    fn number(&mut self, kind: Number, number: i64) -> i64 {
        // It means that there is none.
        if number == 0 {
            return 0;
        }
        if self.numbers.len() >= MAX {
            self.numbers.clear();
        }
        let rng = &mut self.rng;
        let mask = self.numbers.entry((kind, number));
        *mask.or_insert_with(|| rng.next_u64().cast_signed() | 1)
    }

    /// Overwrites contents.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
    }
}
