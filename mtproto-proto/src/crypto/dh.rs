//! Diffie–Hellman in the groups that MTProto accepts.
//!
//! Does: decides whether a prime, a generator and a public value are safe; computes powers in
//! constant time.
//! In: big-endian bytes. Out: [`Group`], [`PublicValue`] and [`Exponent`], which exist only if
//! their checks passed.
//! Must not know: who asks; the handshake, the 2FA password and secret chats share these rules.
//! Spec: "Creating an Authorization Key", steps 5–7; "Security Guidelines", "Checking DH parameters".

use alloc::boxed::Box;
use core::fmt;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U2048};
use crypto_primes::Flavor;
use crypto_primes::fips::{FipsOptions, is_prime};
use zeroize::{Zeroize, Zeroizing};

use super::sha256;
use crate::Rng;

/// Bytes of the prime, of public values and of keys.
pub const SIZE: usize = 256;

/// The prime that every known server uses. The generators 3, 4 and 7 fit it.
pub const KNOWN_PRIME: &str = "\
C71CAEB9C6B1C9048E6C522F70F13F73980D40238E3E21C14934D037563D930F\
48198A0AA7C14058229493D22530F4DBFA336F6E0AC925139543AED44CCE7C37\
20FD51F69458705AC68CD4FE6B6B13ABDC9746512969328454F18FAF8C595F64\
2477FE96BB2A941D5BCD1D4AC8CC49880708FA9B378E3C4F3A9060BEE67CF9A4\
A4A695811051907E162753B56B0F6B410DBA74D8A84B2A14B3144E0EF1284754\
FD17ED950D5965B4B9DD46582DB1178D169C6BC465B0D6FF9CA3928FEF5B9AE4\
E418FC15E83EBEA0F87FA9FF5EED70050DED2849F47BF959D956850CE929851F\
0D8115F635B105EE2E4E15D04B2454BF6F4FADF034B10403119CD8E3B92FCC5B";

/// Miller–Rabin rounds for a prime that is not known, each with its own random base, before a
/// strong Lucas test. A composite number passes a round with a chance of at most 1/4: 2^-64 in
/// all, for a number chosen to deceive. The specification asks for 15 at least.
const ROUNDS: usize = 32;

/// 2^(2048−64): a public value keeps at least this distance from 0 and from the prime.
const MARGIN: U2048 = U2048::ONE.shl_vartime(2048 - 64);

type Params = FixedMontyParams<{ U2048::LIMBS }>;
pub(super) type Number = FixedMontyForm<{ U2048::LIMBS }>;

/// What is wrong with the other side's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DhError {
    /// The prime does not have exactly 2048 bits.
    PrimeSize {
        /// Its length in bits.
        got: usize,
    },
    /// It is not a prime, or half of it is not.
    NotSafePrime,
    /// The generator is not one of 2 to 7, or does not generate the large subgroup.
    Generator {
        /// The generator.
        got: i32,
    },
    /// A public value is too close to 0 or to the prime.
    PublicValue,
}

impl fmt::Display for DhError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DhError::PrimeSize { got } => write!(f, "the prime has {got} bits instead of 2048"),
            DhError::NotSafePrime => f.write_str("the modulus is not a safe prime"),
            DhError::Generator { got } => write!(f, "{got} is no generator for this prime"),
            DhError::PublicValue => {
                f.write_str("a public value is not between 2^1984 and the prime minus 2^1984")
            }
        }
    }
}

impl core::error::Error for DhError {}

/// The SHA-256 of a prime that passed the test, so that its owner need not test it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrimeHash(pub [u8; 32]);

/// A group that passed every check: a 2048-bit safe prime and a generator of its large subgroup.
#[derive(Clone)]
pub struct Group {
    params: Params,
    generator: u8,
}

impl Group {
    /// The group of the known prime.
    ///
    /// # Errors
    /// [`DhError::Generator`] unless the generator is 3, 4 or 7.
    pub fn known(generator: i32) -> Result<Self, DhError> {
        Self::with(known_prime(), generator)
    }

    /// A group from the other side's numbers: the prime as big-endian bytes (zeros on the left do
    /// no harm) and the generator.
    ///
    /// The known prime and those in `good` are accepted at once; any other one costs a primality
    /// test, half a second if it is good. Keep its [`hash`](Self::hash) then.
    ///
    /// # Errors
    /// Every [`DhError`] but [`DhError::PublicValue`].
    pub fn check(
        prime: &[u8],
        generator: i32,
        good: &[PrimeHash],
        rng: &mut Rng,
    ) -> Result<Self, DhError> {
        let digits = significant(prime);
        let bits = match digits.first() {
            Some(first) => digits
                .len()
                .saturating_mul(8)
                .saturating_sub(first.leading_zeros() as usize),
            None => 0,
        };
        let (Ok(bytes), 2048) = (<&[u8; SIZE]>::try_from(digits), bits) else {
            return Err(DhError::PrimeSize { got: bits });
        };
        let number = U2048::from_be_slice(bytes);
        let odd = Option::<Odd<U2048>>::from(Odd::new(number)).ok_or(DhError::NotSafePrime)?;
        let group = Self::with(odd, generator)?;
        if odd != known_prime() && !good.contains(&group.hash()) {
            let options = FipsOptions::with_mr_iterations(ROUNDS).with_lucas_test();
            if !is_prime(rng, Flavor::Safe, &number, options) {
                return Err(DhError::NotSafePrime);
            }
        }
        Ok(group)
    }

    fn with(prime: Odd<U2048>, generator: i32) -> Result<Self, DhError> {
        let error = DhError::Generator { got: generator };
        if !generates_subgroup(&to_bytes(prime.as_ref()), generator) {
            return Err(error);
        }
        Ok(Group {
            params: Params::new_vartime(prime),
            generator: u8::try_from(generator).map_err(|_| error)?,
        })
    }

    /// The hash under which this group's prime can be remembered as good.
    pub fn hash(&self) -> PrimeHash {
        PrimeHash(sha256(&[&self.prime()]))
    }

    /// Whether this is the group of [`KNOWN_PRIME`].
    pub fn is_known(&self) -> bool {
        *self.params.modulus() == known_prime()
    }

    /// The prime, big endian.
    pub fn prime(&self) -> [u8; SIZE] {
        to_bytes(self.params.modulus().as_ref())
    }

    /// The generator, 2 to 7.
    pub fn generator(&self) -> u8 {
        self.generator
    }

    /// A public value of the other side, big endian, padded or not.
    ///
    /// # Errors
    /// [`DhError::PublicValue`] if it is not between 2^1984 and prime − 2^1984, both included.
    pub fn public_value(&self, bytes: &[u8]) -> Result<PublicValue, DhError> {
        let value = from_bytes(bytes).ok_or(DhError::PublicValue)?;
        let highest = self.params.modulus().as_ref().wrapping_sub(&MARGIN);
        if value < MARGIN || value > highest {
            return Err(DhError::PublicValue);
        }
        Ok(PublicValue(value))
    }

    /// A secret exponent and its public value, which is in the range that the other side checks.
    pub fn generate(&self, rng: &mut Rng) -> (Exponent, PublicValue) {
        loop {
            let secret = Exponent::random(rng);
            let power = self.power(&U2048::from(self.generator), &secret);
            // Outside of the range with a chance of 2^-63; then once more.
            if let Ok(value) = self.public_value(&power[..]) {
                return (secret, value);
            }
        }
    }

    /// The secret that two sides share: their public value to the power of our exponent, padded
    /// on the left.
    pub fn shared(&self, theirs: &PublicValue, ours: &Exponent) -> Zeroizing<[u8; SIZE]> {
        self.power(&theirs.0, ours)
    }

    /// `base` to the power of `exponent`, padded on the left; `None` if the base has more than
    /// 2048 bits. The time depends on neither number.
    pub fn pow(&self, base: &[u8], exponent: &Exponent) -> Option<Zeroizing<[u8; SIZE]>> {
        Some(self.power(&from_bytes(base)?, exponent))
    }

    fn power(&self, base: &U2048, exponent: &Exponent) -> Zeroizing<[u8; SIZE]> {
        let mut number = self.number(base).pow(&exponent.0);
        let mut value = number.retrieve();
        number.zeroize();
        let bytes = Zeroizing::new(to_bytes(&value));
        value.zeroize();
        bytes
    }

    /// A number modulo the prime, to be computed with.
    pub(super) fn number(&self, value: &U2048) -> Number {
        Number::new(&value.rem(self.params.modulus().as_nz_ref()), &self.params)
    }
}

impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        self.params.modulus() == other.params.modulus() && self.generator == other.generator
    }
}

impl Eq for Group {}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("known", &self.is_known())
            .field("generator", &self.generator)
            .finish()
    }
}

/// A public value inside the range of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicValue(U2048);

impl PublicValue {
    /// The value, big endian, padded on the left.
    pub fn to_bytes(&self) -> [u8; SIZE] {
        to_bytes(&self.0)
    }
}

/// A secret exponent of 2048 bits; zeroised on drop, never printed.
// On the heap, so that moving it leaves no copy behind.
#[derive(Clone)]
pub struct Exponent(Box<U2048>);

impl Exponent {
    /// A random exponent.
    pub fn random(rng: &mut Rng) -> Self {
        Self::from_bytes(&Zeroizing::new(rng.array()))
    }

    /// An exponent from its bytes, big endian.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Self {
        Exponent(Box::new(U2048::from_be_slice(bytes)))
    }

    #[cfg(feature = "client")]
    pub(super) fn number(&self) -> &U2048 {
        &self.0
    }
}

impl Drop for Exponent {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Exponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exponent(..)")
    }
}

/// Whether `generator` is one of 2 to 7 and a quadratic residue modulo the safe prime, so that it
/// generates the subgroup of prime order. The prime is big endian, of any length.
pub fn generates_subgroup(prime: &[u8], generator: i32) -> bool {
    let modulo = |m: u32| {
        prime.iter().fold(0u32, |rest, byte| {
            // At most 23 · 256 + 255.
            rest.wrapping_shl(8)
                .wrapping_add(u32::from(*byte))
                .checked_rem(m)
                .unwrap_or(0)
        })
    };
    match generator {
        2 => modulo(8) == 7,
        3 => modulo(3) == 2,
        4 => true,
        5 => matches!(modulo(5), 1 | 4),
        6 => matches!(modulo(24), 19 | 23),
        7 => matches!(modulo(7), 3 | 5 | 6),
        _ => false,
    }
}

const fn known_prime() -> Odd<U2048> {
    const PRIME: Odd<U2048> = Odd::<U2048>::from_be_hex(KNOWN_PRIME);
    PRIME
}

/// The bytes without the zeros that pad them on the left.
fn significant(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// A number of at most 2048 bits.
pub(super) fn from_bytes(bytes: &[u8]) -> Option<U2048> {
    let digits = significant(bytes);
    let mut padded = [0; SIZE];
    let start = SIZE.checked_sub(digits.len())?;
    padded.get_mut(start..)?.copy_from_slice(digits);
    let number = U2048::from_be_slice(&padded);
    padded.zeroize();
    Some(number)
}

pub(super) fn to_bytes(number: &U2048) -> [u8; SIZE] {
    let mut out = [0; SIZE];
    for (to, from) in out.iter_mut().zip(number.to_be_bytes().as_slice()) {
        *to = *from;
    }
    out
}
