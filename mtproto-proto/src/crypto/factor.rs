//! Factoring `pq`, the handshake's proof of work.
//!
//! Does: splits a product of two primes below 2^63; Brent's variant of Pollard's rho.
//! In: the number. Out: the two primes, or why it is not such a product.
//! Must not know: the handshake. A hostile number costs a bounded number of steps.
//! Spec: "Creating an Authorization Key", step 3.

use core::fmt;

/// Numbers from here on are refused: Telegram keeps `pq` below 2^63, and Montgomery reduction in
/// 64 bits needs a spare bit.
const LIMIT: u64 = 1 << 63;

/// Primes tried by division before the search; rho is unreliable for factors this small.
const SMALL_PRIMES: [u64; 15] = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53];

/// Bases that make Miller–Rabin exact for all 64-bit numbers (Sorenson and Webster, 2015: the
/// first 12 primes suffice below 3.18 · 10^23).
const WITNESSES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// Steps of the whole search. The smaller factor is below 2^31.5, where one search takes about
/// 10^5 steps on average and 20 times that practically never (about 10 ms in all).
const STEPS: u32 = 1 << 21;

/// Steps between two greatest common divisors.
const BATCH: u32 = 128;

/// Why a number is not the product of two different odd primes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactorError {
    /// It is 2^63 or more.
    TooLarge,
    /// It has a divisor 2, is 0 or is 1.
    NotOddProduct,
    /// It is itself a prime.
    Prime,
    /// It is the square of a prime.
    Square,
    /// It has more than two prime factors.
    ManyFactors,
    /// The bounded search found nothing.
    GaveUp,
}

impl fmt::Display for FactorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FactorError::TooLarge => "pq is not below 2^63",
            FactorError::NotOddProduct => "pq is even, 0 or 1",
            FactorError::Prime => "pq is a prime",
            FactorError::Square => "pq is a square",
            FactorError::ManyFactors => "pq has more than two prime factors",
            FactorError::GaveUp => "pq was not factored within the bound of steps",
        })
    }
}

impl core::error::Error for FactorError {}

/// The two primes whose product is `pq`, the smaller one first.
///
/// Deterministic, and bounded for every input.
///
/// # Errors
/// [`FactorError`] if `pq` is not the product of two different odd primes, or not below 2^63.
pub fn factor(pq: u64) -> Result<(u64, u64), FactorError> {
    if pq >= LIMIT {
        return Err(FactorError::TooLarge);
    }
    let n = Montgomery::new(pq).ok_or(FactorError::NotOddProduct)?;
    if is_prime(pq) {
        return Err(FactorError::Prime);
    }
    let root = pq.isqrt();
    if root.wrapping_mul(root) == pq {
        return Err(if is_prime(root) {
            FactorError::Square
        } else {
            FactorError::ManyFactors
        });
    }
    let one = SMALL_PRIMES
        .into_iter()
        .find(|small| pq.is_multiple_of(*small))
        .or_else(|| search(&n))
        .ok_or(FactorError::GaveUp)?;
    let other = pq.checked_div(one).ok_or(FactorError::GaveUp)?;
    if !is_prime(one) || !is_prime(other) {
        return Err(FactorError::ManyFactors);
    }
    Ok((one.min(other), one.max(other)))
}

/// Whether a number is prime; exact.
pub fn is_prime(n: u64) -> bool {
    if n < 2 {
        return false;
    }
    if let Some(small) = WITNESSES.into_iter().find(|p| n.is_multiple_of(*p)) {
        return n == small;
    }
    let Some(field) = Montgomery::new(n) else {
        return false;
    };
    let even = n.wrapping_sub(1);
    let twos = even.trailing_zeros();
    let odd = even >> twos;
    let one = field.enter(1);
    let minus_one = n.wrapping_sub(one);
    WITNESSES.into_iter().all(|base| {
        let mut x = field.pow(field.enter(base), odd);
        if x == one {
            return true;
        }
        for _ in 0..twos {
            if x == minus_one {
                return true;
            }
            x = field.mul(x, x);
        }
        false
    })
}

/// A proper divisor of the modulus, by Brent's cycle search over `x² + c` for `c` = 1, 2, …
fn search(n: &Montgomery) -> Option<u64> {
    let mut steps = STEPS;
    let mut c = 0;
    while steps > 0 {
        c = n.add(c, n.one);
        match brent(n, c, &mut steps) {
            Some(divisor) if divisor != n.modulus => return Some(divisor),
            Some(_) | None => {}
        }
    }
    None
}

/// A divisor greater than 1, possibly the modulus itself; `None` when the steps are used up.
fn brent(n: &Montgomery, c: u64, steps: &mut u32) -> Option<u64> {
    let next = |x| n.add(n.mul(x, x), c);
    let mut y = n.add(n.one, n.one);
    let mut length: u32 = 1;
    loop {
        let x = y;
        for _ in 0..length {
            *steps = steps.checked_sub(1)?;
            y = next(y);
        }
        let mut done: u32 = 0;
        while done < length {
            let batch = BATCH.min(length.wrapping_sub(done));
            let start = y;
            let mut product = n.one;
            for _ in 0..batch {
                *steps = steps.checked_sub(1)?;
                y = next(y);
                product = n.mul(product, x.abs_diff(y));
            }
            let divisor = gcd(product, n.modulus);
            if divisor == n.modulus {
                // The batch ran over several factors at once, or over the cycle's end: again,
                // one step at a time.
                return again(n, c, x, start, batch);
            }
            if divisor > 1 {
                return Some(divisor);
            }
            done = done.wrapping_add(batch);
        }
        length = length.checked_mul(2)?;
    }
}

/// The first divisor greater than 1 in a batch that is known to hold one.
fn again(n: &Montgomery, c: u64, x: u64, start: u64, batch: u32) -> Option<u64> {
    let mut y = start;
    for _ in 0..batch {
        y = n.add(n.mul(y, y), c);
        let divisor = gcd(x.abs_diff(y), n.modulus);
        if divisor > 1 {
            return Some(divisor);
        }
    }
    Some(n.modulus)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while let Some(rest) = b.checked_rem(a) {
        (a, b) = (rest, a);
    }
    b
}

/// Arithmetic modulo an odd number; values are kept multiplied by 2^64.
struct Montgomery {
    modulus: u64,
    /// −modulus⁻¹ mod 2^64.
    inverse: u64,
    /// 2^64 mod modulus.
    one: u64,
    /// 2^128 mod modulus.
    square: u64,
}

impl Montgomery {
    /// `None` for an even number and for 1.
    fn new(modulus: u64) -> Option<Self> {
        if modulus.is_multiple_of(2) || modulus == 1 {
            return None;
        }
        // Newton's iteration doubles the correct low bits: 3, 6, 12, 24, 48, 96.
        let mut inverse = modulus;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(modulus.wrapping_mul(inverse)));
        }
        let one = u64::MAX
            .checked_rem(modulus)?
            .wrapping_add(1)
            .checked_rem(modulus)?;
        let square = u128::from(one)
            .wrapping_mul(u128::from(one))
            .checked_rem(u128::from(modulus))?;
        Some(Montgomery {
            modulus,
            inverse: inverse.wrapping_neg(),
            one,
            square: low(square),
        })
    }

    fn enter(&self, value: u64) -> u64 {
        self.mul(value, self.square)
    }

    #[inline]
    fn mul(&self, a: u64, b: u64) -> u64 {
        let product = u128::from(a).wrapping_mul(u128::from(b));
        let factor = low(product).wrapping_mul(self.inverse);
        let (sum, carry) =
            product.overflowing_add(u128::from(factor).wrapping_mul(u128::from(self.modulus)));
        let high = low(sum >> 64);
        if carry || high >= self.modulus {
            high.wrapping_sub(self.modulus)
        } else {
            high
        }
    }

    #[inline]
    fn add(&self, a: u64, b: u64) -> u64 {
        let (sum, carry) = a.overflowing_add(b);
        if carry || sum >= self.modulus {
            sum.wrapping_sub(self.modulus)
        } else {
            sum
        }
    }

    fn pow(&self, base: u64, mut exponent: u64) -> u64 {
        let mut base = base;
        let mut result = self.one;
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = self.mul(result, base);
            }
            base = self.mul(base, base);
            exponent >>= 1;
        }
        result
    }
}

/// The low 64 bits.
#[inline]
const fn low(wide: u128) -> u64 {
    (wide & u64::MAX as u128) as u64
}
