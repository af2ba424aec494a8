//! Randomness from one number.
//!
//! Does: [`Dice`], the source of every random choice of a test; it prints its seed when the test
//! fails, so that the failure can be repeated from its output alone.
//! In: a [`Seed`], or the environment variable `MTPROTO_SEED`. Out: numbers, bytes, generators.
//! Must not know: what the choices are for.
//! Spec: none.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use mtproto_proto::Rng;
use rand_core::{Rng as _, TryCryptoRng, TryRng};

/// The environment variable that overrides the seed of a test: a decimal number.
pub const SEED_VARIABLE: &str = "MTPROTO_SEED";

/// The one number that a run is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed from the environment variable [`SEED_VARIABLE`], or `default` when it is not set.
    ///
    /// # Panics
    /// If the variable is set to something else than a decimal number: a failure that somebody
    /// wants to repeat must not silently run another seed.
    pub fn from_env_or(default: u64) -> Self {
        match std::env::var(SEED_VARIABLE) {
            Ok(text) => match u64::from_str(text.trim()) {
                Ok(number) => Seed(number),
                Err(e) => panic!("{SEED_VARIABLE}={text:?} is not a seed: {e}"),
            },
            Err(_) => Seed(default),
        }
    }

    /// The 32 bytes that generators of this seed start from.
    pub fn bytes(self) -> [u8; 32] {
        let mut out = *b"mtproto-test seed               ";
        out[24..].copy_from_slice(&self.0.to_le_bytes());
        out
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A seeded source of choices; a cryptographic generator as far as the machines can tell.
///
/// ```
/// use mtproto_test::{Dice, Seed};
///
/// let mut a = Dice::new(Seed(7));
/// let mut b = Dice::new(Seed(7));
/// assert_eq!(a.bytes(9), b.bytes(9));
/// assert!((1..=6).contains(&a.range(1..=6)));
/// ```
#[derive(Debug)]
pub struct Dice {
    seed: Seed,
    rng: Rng,
    /// What the next choices are made from, before the generator.
    loaded: VecDeque<u8>,
}

impl Dice {
    /// The dice of this seed.
    pub fn new(seed: Seed) -> Self {
        Dice {
            seed,
            rng: Rng::from_seed(seed.bytes()),
            loaded: VecDeque::new(),
        }
    }

    /// Makes the next choices from these bytes, as a fuzzer wants them: each takes as many as its
    /// range needs, and 0 is the first of a range. What [`Dice::load`] left before is forgotten;
    /// when the bytes are used up, choices are the seed's again. Random bytes and generators are
    /// the seed's always.
    ///
    /// ```
    /// use mtproto_test::{Dice, Seed};
    ///
    /// let mut dice = Dice::new(Seed(7));
    /// dice.load(&[3, 0]);
    /// assert_eq!((dice.range(10..=19), dice.chance(1, 100)), (13, true));
    /// ```
    pub fn load(&mut self, bytes: &[u8]) {
        self.loaded = bytes.iter().copied().collect();
    }

    /// The dice of the seed in the environment, or of `default`.
    pub fn from_env_or(default: u64) -> Self {
        Dice::new(Seed::from_env_or(default))
    }

    /// The number that repeats this run.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// A number of the range, each as likely as the others (but for a bias below 2^-32 in ranges
    /// of less than 2^32 numbers).
    ///
    /// # Panics
    /// If the range is empty.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = range.into_inner();
        assert!(low <= high, "an empty range: {low}..={high}");
        let roll = self.roll(high - low);
        match (high - low).checked_add(1) {
            Some(count) => low + roll % count,
            None => roll,
        }
    }

    /// A number for a range of so many and one more.
    fn roll(&mut self, most: u64) -> u64 {
        if self.loaded.is_empty() {
            return self.rng.next_u64();
        }
        let bytes = (u64::BITS - most.leading_zeros()).div_ceil(8);
        (0..bytes).fold(0, |roll, _| {
            roll << 8 | u64::from(self.loaded.pop_front().unwrap_or(0))
        })
    }

    /// An index below `len`.
    ///
    /// # Panics
    /// If `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        assert!(len > 0, "nothing to choose from");
        self.range(0..=len as u64 - 1) as usize
    }

    /// True in `hits` of `of` cases.
    pub fn chance(&mut self, hits: u64, of: u64) -> bool {
        self.range(1..=of) <= hits
    }

    /// A time span between the two, both included.
    pub fn duration(&mut self, range: RangeInclusive<Duration>) -> Duration {
        let nanos = |d: &Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.range(nanos(range.start())..=nanos(range.end())))
    }

    /// One of the items.
    ///
    /// # Panics
    /// If there is none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// `len` random bytes.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.rng.fill_bytes(&mut out);
        out
    }

    /// `N` random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        self.rng.array()
    }

    /// A generator of its own, to give away to a machine.
    pub fn rng(&mut self) -> Rng {
        Rng::from_rng(&mut self.rng)
    }

    /// Dice of their own, which print the same seed.
    pub fn fork(&mut self) -> Dice {
        Dice {
            seed: self.seed,
            rng: self.rng(),
            loaded: VecDeque::new(),
        }
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat with {SEED_VARIABLE}={}", self.seed);
        }
    }
}

impl TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.rng.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.rng.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.rng.try_fill_bytes(dst)
    }
}

impl TryCryptoRng for Dice {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_run_and_another_seed_another() {
        let run = |seed| {
            let mut dice = Dice::new(Seed(seed));
            (
                dice.range(0..=u64::MAX),
                dice.bytes(33),
                dice.fork().bytes(5),
                dice.chance(1, 2),
            )
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn ranges_reach_both_ends_and_nothing_else() {
        let mut dice = Dice::from_env_or(3);
        let mut seen = [false; 3];
        for _ in 0..200 {
            seen[dice.range(5..=7) as usize - 5] = true;
        }
        assert_eq!(seen, [true; 3]);
        assert_eq!(dice.range(9..=9), 9);
        assert_eq!(dice.index(1), 0);
        assert!(!dice.chance(0, 5) && dice.chance(5, 5));
        let second = Duration::from_secs(1);
        assert_eq!(dice.duration(second..=second), second);
    }

    #[test]
    fn loaded_dice_show_what_they_were_loaded_with_and_then_the_seed() {
        let mut honest = Dice::new(Seed(5));
        let mut dice = Dice::new(Seed(5));
        dice.load(&[4, 0xff, 1, 2]);
        assert_eq!(dice.range(9..=9), 9, "takes nothing");
        assert_eq!(dice.range(0..=255), 4);
        assert_eq!(dice.range(10..=12), 10, "255 is a multiple of three");
        assert_eq!(dice.range(0..=0xffff), 0x0102);
        assert_eq!(dice.range(0..=255), honest.range(0..=255));
        dice.load(&[7; 9]);
        assert_eq!(dice.range(0..=u64::MAX), 0x0707_0707_0707_0707);
        dice.load(&[]);
        assert_eq!(dice.bytes(5), honest.bytes(5));
    }
}
