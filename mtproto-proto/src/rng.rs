//! Randomness from one seed.
//!
//! Does: [`Rng`], ChaCha20 keyed once, so that a run can be repeated from its seed and a packet
//! costs no system call.
//! In: 32 secret bytes, or any cryptographic generator. Out: `rand_core::CryptoRng`.
//! Must not know: the operating system's entropy; drivers seed it.
//! Spec: "Security Guidelines": nonces, exponents and padding come from a secure generator.

use alloc::boxed::Box;
use core::convert::Infallible;
use core::fmt;

use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng, TryCryptoRng, TryRng};

/// A cryptographic random generator that is given to the outermost machine once and lent inwards.
///
/// It is not `Clone`: two machines with one stream of randomness would share their nonces.
/// Its state is zeroised on drop.
pub struct Rng {
    // On the heap, so that moving it leaves no copy behind: all that it gave follows from it.
    stream: Box<ChaCha20Rng>,
    /// Bytes that tests want to come first, the last one at the beginning.
    #[cfg(feature = "testing")]
    script: zeroize::Zeroizing<alloc::vec::Vec<u8>>,
    /// The same for whole numbers.
    #[cfg(feature = "testing")]
    numbers: alloc::vec::Vec<u64>,
}

impl Rng {
    /// A generator from a seed. Outside of tests the seed comes from the operating system (for
    /// example with `getrandom::fill`) and is used once.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self::new(ChaCha20Rng::from_seed(seed))
    }

    /// A generator seeded from another one.
    pub fn from_rng(source: &mut impl CryptoRng) -> Self {
        Self::new(ChaCha20Rng::from_rng(source))
    }

    fn new(stream: ChaCha20Rng) -> Self {
        Rng {
            stream: Box::new(stream),
            #[cfg(feature = "testing")]
            script: zeroize::Zeroizing::default(),
            #[cfg(feature = "testing")]
            numbers: alloc::vec::Vec::new(),
        }
    }

    /// A generator that gives `script` first and random bytes of a fixed seed afterwards: for
    /// known answers, which fix what should be random.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn scripted(script: &[u8]) -> Self {
        let mut rng = Self::from_seed([0; 32]);
        rng.script = zeroize::Zeroizing::new(script.iter().rev().copied().collect());
        rng
    }

    /// A generator that gives these whole numbers first, to whoever asks for one of 64 bits.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn scripted_numbers(numbers: &[u64]) -> Self {
        let mut rng = Self::from_seed([0; 32]);
        rng.numbers = numbers.iter().rev().copied().collect();
        rng
    }

    /// `N` random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        rand_core::Rng::fill_bytes(self, &mut out);
        out
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng(..)")
    }
}

impl TryRng for Rng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.stream.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        #[cfg(feature = "testing")]
        if let Some(number) = self.numbers.pop() {
            return Ok(number);
        }
        self.stream.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        #[cfg(feature = "testing")]
        let dst = {
            let scripted = dst.len().min(self.script.len());
            let (first, rest) = dst.split_at_mut(scripted);
            first.fill_with(|| self.script.pop().unwrap_or_default());
            rest
        };
        self.stream.try_fill_bytes(dst)
    }
}

impl TryCryptoRng for Rng {}
