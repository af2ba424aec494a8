//! The proof that one knows a password, without saying it: SRP as the 2FA password uses it.
//!
//! Does: the client's half (hash of a password, its proof, the verifier of a new one) and the
//! server's (its public value, the check of a proof).
//! In: the numbers of `account.password` as byte strings, the password, a secret exponent.
//! Out: [`Proof`], or why the other side's numbers are refused.
//! Must not know: the API's types, who asks, how often a password may be tried.
//! Spec: "Two-factor authentication" (SRP).
//!
//! ```text
//! client                                             server, knows v = g^x
//!  x = hash(password, salts)                          b random, k = H(p | g)
//!                         <--  srp_id, B  --          B = k·v + g^b
//!  a random, A = g^a, u = H(A | B)
//!  S = (B − k·g^x) ^ (a + u·x)
//!  M1 = H(H(p) ⊕ H(g) | H(salt1) | H(salt2) | A | B | H(S))
//!                         --  srp_id, A, M1  -->      S = (A · v^u) ^ b, the same M1?
//! ```
//!
//! All is computed in constant time.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crypto_bigint::{U256, U512, U2048};
use pbkdf2::pbkdf2_hmac;
use sha2::Sha512;
use zeroize::{Zeroize, Zeroizing};

use super::dh::{DhError, Exponent, Group, Number, PrimeHash, SIZE, from_bytes, to_bytes};
use super::{ct_eq, sha256};
use crate::rng::Rng;

/// Rounds of PBKDF2: the algorithm's name says so. It is what a password costs who guesses it,
/// and about 0.1 s of ours.
const ROUNDS: u32 = 100_000;

/// The numbers of one account: how its password becomes a number
/// (`passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    salt1: Vec<u8>,
    salt2: Vec<u8>,
    group: Group,
}

impl Params {
    /// The numbers that a server named; `prime` big endian.
    ///
    /// The known prime and those in `good` are accepted at once; any other one costs a primality
    /// test, half a second if it is good.
    ///
    /// # Errors
    /// Every [`DhError`] but [`DhError::PublicValue`], if the group is not safe.
    pub fn check(
        salt1: &[u8],
        salt2: &[u8],
        generator: i32,
        prime: &[u8],
        good: &[PrimeHash],
        rng: &mut Rng,
    ) -> Result<Self, DhError> {
        let group = Group::check(prime, generator, good, rng)?;
        Ok(Params::new(salt1, salt2, group))
    }

    /// The numbers of a group that is known to be good.
    pub fn new(salt1: &[u8], salt2: &[u8], group: Group) -> Self {
        Params {
            salt1: salt1.into(),
            salt2: salt2.into(),
            group,
        }
    }

    /// The first salt, as it is used.
    pub fn salt1(&self) -> &[u8] {
        &self.salt1
    }

    /// The second salt.
    pub fn salt2(&self) -> &[u8] {
        &self.salt2
    }

    /// The group.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The number of a password, which is taken as its UTF-8 bytes. Costs about 0.1 s.
    pub fn hash(&self, password: &[u8]) -> PasswordHash {
        let (salt1, salt2) = (self.salt1.as_slice(), self.salt2.as_slice());
        let inner = Zeroizing::new(sha256(&[salt1, password, salt1]));
        let inner = Zeroizing::new(sha256(&[salt2, &inner[..], salt2]));
        let slow = pbkdf2(&inner[..], salt1, ROUNDS);
        PasswordHash(Box::new(Zeroizing::new(sha256(&[salt2, &slow[..], salt2]))))
    }

    /// What the server keeps of a password: `g^x`, padded on the left (`new_password_hash`).
    pub fn verifier(&self, password: &PasswordHash) -> [u8; SIZE] {
        let mut power = self.generator().pow(&*password.number());
        let bytes = to_bytes(&power.retrieve());
        power.zeroize();
        bytes
    }

    /// The client's proof for the server's public value `srp_b`, padded or not. `secret` must be
    /// random, and new for each proof: [`Exponent::random`].
    ///
    /// # Errors
    /// [`DhError::PublicValue`] if `srp_b` is not between 2^1984 and the prime minus 2^1984, which
    /// is stricter than the specification's 0 and the prime by a chance of 2^-63.
    pub fn prove(
        &self,
        password: &PasswordHash,
        srp_b: &[u8],
        secret: &Exponent,
    ) -> Result<Proof, DhError> {
        let group = &self.group;
        let b = group.public_value(srp_b)?.to_bytes();
        let x = password.number();
        let a = to_bytes(&self.generator().pow(secret.number()).retrieve());
        let u = number(&sha256(&[&a, &b]));

        let mut v = self.generator().pow(&*x);
        let mut masked = self.k().mul(&v);
        let mut base = group.number(&U2048::from_be_slice(&b)).sub(&masked);
        // The exponent a + u·x is a plain sum: two powers need no number longer than the prime.
        let mut ux: U512 = u.concatenating_mul(&*x);
        let mut shared = base.pow(secret.number()).mul(&base.pow(&ux));
        let m1 = self.m1(&a, &b, &shared);
        v.zeroize();
        masked.zeroize();
        base.zeroize();
        ux.zeroize();
        shared.zeroize();
        Ok(Proof { a, m1 })
    }

    /// `k = H(p | g)`.
    fn k(&self) -> Number {
        let hash = sha256(&[&self.group.prime(), &self.padded_generator()]);
        self.group.number(&number(&hash).resize())
    }

    fn generator(&self) -> Number {
        self.group.number(&U2048::from(self.group.generator()))
    }

    fn padded_generator(&self) -> [u8; SIZE] {
        to_bytes(&U2048::from(self.group.generator()))
    }

    fn m1(&self, a: &[u8; SIZE], b: &[u8; SIZE], shared: &Number) -> [u8; 32] {
        let mut number = shared.retrieve();
        let padded = Zeroizing::new(to_bytes(&number));
        number.zeroize();
        let key = Zeroizing::new(sha256(&[&padded[..]]));
        let mut group = sha256(&[&self.group.prime()]);
        let generator = sha256(&[&self.padded_generator()]);
        for (byte, other) in group.iter_mut().zip(generator) {
            *byte ^= other;
        }
        let (salt1, salt2) = (sha256(&[&self.salt1]), sha256(&[&self.salt2]));
        sha256(&[&group, &salt1, &salt2, a, b, &key[..]])
    }
}

/// A password as a number: as good as the password for this account. Zeroised on drop, never
/// printed.
// On the heap, so that moving it leaves no copy behind.
#[derive(Clone)]
pub struct PasswordHash(Box<Zeroizing<[u8; 32]>>);

impl PasswordHash {
    /// Big endian.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn number(&self) -> Zeroizing<U256> {
        Zeroizing::new(number(&self.0))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// What the client sends (`inputCheckPasswordSRP`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// Its public value, big endian, padded on the left.
    pub a: [u8; SIZE],
    /// The proof itself.
    pub m1: [u8; 32],
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}

/// The server's half: one attempt to prove one account's password.
pub struct Challenge {
    params: Params,
    verifier: Number,
    secret: Exponent,
    srp_b: [u8; SIZE],
}

impl Challenge {
    /// A new attempt for the password with this verifier ([`Params::verifier`]); `None` if the
    /// verifier has more than 2048 bits.
    pub fn new(params: Params, verifier: &[u8], rng: &mut Rng) -> Option<Self> {
        let group = &params.group;
        let verifier = group.number(&from_bytes(verifier)?);
        let masked = params.k().mul(&verifier);
        loop {
            let secret = Exponent::random(rng);
            let value = masked.add(&params.generator().pow(secret.number()));
            let srp_b = to_bytes(&value.retrieve());
            // Outside of the range with a chance of 2^-63; then once more.
            if group.public_value(&srp_b).is_ok() {
                return Some(Challenge {
                    params,
                    verifier,
                    secret,
                    srp_b,
                });
            }
        }
    }

    /// The server's public value, padded on the left.
    pub fn srp_b(&self) -> &[u8; SIZE] {
        &self.srp_b
    }

    /// Whether this proof is one: `a` the client's public value, padded or not.
    pub fn accepts(&self, a: &[u8], m1: &[u8]) -> bool {
        let group = &self.params.group;
        let Some(a) = from_bytes(a) else {
            return false;
        };
        let a_number = group.number(&a);
        let value = a_number.retrieve();
        let a = to_bytes(&value);
        // A multiple of the prime would make S a zero that everybody knows.
        if value == U2048::ZERO {
            return false;
        }
        let u = number(&sha256(&[&a, &self.srp_b]));
        let mut shared = a_number
            .mul(&self.verifier.pow(&u))
            .pow(self.secret.number());
        let expected = self.params.m1(&a, &self.srp_b, &shared);
        shared.zeroize();
        ct_eq(&expected, m1)
    }
}

impl Drop for Challenge {
    fn drop(&mut self) {
        self.verifier.zeroize();
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// PBKDF2 with HMAC-SHA-512, one block of it.
pub fn pbkdf2(password: &[u8], salt: &[u8], rounds: u32) -> Zeroizing<[u8; 64]> {
    let mut out = Zeroizing::new([0; 64]);
    pbkdf2_hmac::<Sha512>(password, salt, rounds, &mut out[..]);
    out
}

fn number(bytes: &[u8; 32]) -> U256 {
    U256::from_be_slice(bytes)
}
