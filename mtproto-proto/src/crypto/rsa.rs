//! RSA as the handshake uses it.
//!
//! Does: reads and writes keys, names them by fingerprint, encrypts to a server (RSA_PAD) and
//! opens what was encrypted to us, in constant time.
//! In: PEM, a message, an [`Rng`]. Out: 256-byte values.
//! Must not know: what the message says; a reader of the old padding gets back to us with the
//! length that it found ([`Decrypted::check`]).
//! Spec: "Creating an Authorization Key", step 4 and "RSA_PAD"; PKCS #1 for the PEM form.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{NonZero, Odd, U1024, U2048, Uint};
use crypto_primes::{Flavor, random_prime};
use pkcs1::der::asn1::UintRef;
use pkcs1::der::pem::PemLabel;
use pkcs1::der::{Document, Encode, SecretDocument};
use pkcs1::{LineEnding, RsaPrivateKeyRef, RsaPublicKeyRef};
use zeroize::{Zeroize, Zeroizing};

use super::dh::{from_bytes, to_bytes};
use super::rsa_pad::{PADDED, hide, reveal};
use super::{part, sha1};
use crate::Rng;

pub use super::rsa_pad::Decrypted;

/// Bytes of a modulus, and of everything encrypted under it.
pub const SIZE: usize = 256;

/// The longest message that RSA_PAD takes: the specification's bound, so that at least 48 random
/// bytes accompany it.
pub const MAX_DATA: usize = 144;

/// The public exponent of every key we make; it is also what all of Telegram's keys have.
const EXPONENT: u32 = 65_537;

/// Tries at finding a padding below the modulus. One succeeds with a chance of at least 1/2, so
/// only a broken generator reaches the end.
const PAD_TRIES: u32 = 128;

type Params = FixedMontyParams<{ U2048::LIMBS }>;
type Number = FixedMontyForm<{ U2048::LIMBS }>;
type HalfParams = FixedMontyParams<{ U1024::LIMBS }>;
type HalfNumber = FixedMontyForm<{ U1024::LIMBS }>;

/// What is wrong with a key or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RsaError {
    /// The text is not a PKCS #1 PEM key ("BEGIN RSA PUBLIC KEY", "BEGIN RSA PRIVATE KEY").
    Pem,
    /// The modulus does not have 2048 bits.
    ModulusSize {
        /// Its length in bits.
        got: usize,
    },
    /// The numbers do not make a key.
    InvalidKey,
    /// The message is longer than [`MAX_DATA`].
    DataTooLong {
        /// Its length in bytes.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// The encrypted value does not have 256 bytes.
    ValueSize {
        /// Its length in bytes.
        got: usize,
    },
    /// The encrypted value is not below the modulus.
    ValueTooLarge,
    /// What was decrypted has no padding that we know, or its hash does not match.
    Padding,
    /// No padding below the modulus was found: the random generator repeats itself.
    Randomness,
}

impl fmt::Display for RsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RsaError::Pem => f.write_str("not a PKCS #1 key in PEM form"),
            RsaError::ModulusSize { got } => {
                write!(f, "the modulus has {got} bits instead of 2048")
            }
            RsaError::InvalidKey => f.write_str("the numbers do not make an RSA key"),
            RsaError::DataTooLong { got, max } => {
                write!(f, "{got} bytes do not fit the padding, which takes {max}")
            }
            RsaError::ValueSize { got } => {
                write!(f, "the encrypted value has {got} bytes instead of 256")
            }
            RsaError::ValueTooLarge => f.write_str("the encrypted value exceeds the modulus"),
            RsaError::Padding => f.write_str("the decrypted padding is wrong"),
            RsaError::Randomness => f.write_str("the random generator repeats itself"),
        }
    }
}

impl core::error::Error for RsaError {}

/// The fingerprint of a key of any size: the last 8 bytes of the SHA-1 over modulus and exponent,
/// both big endian without leading zeros, each written as a TL string.
pub fn fingerprint(modulus: &[u8], exponent: &[u8]) -> i64 {
    let mut text = Vec::new();
    for number in [modulus, exponent] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        put_tl_string(&mut text, number.get(zeros..).unwrap_or_default());
    }
    i64::from_le_bytes(*part(&sha1(&[&text]), 12))
}

fn put_tl_string(out: &mut Vec<u8>, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(short) if short < 254 => out.push(short),
        Ok(_) | Err(_) => {
            let [a, b, c, ..] = bytes.len().to_le_bytes();
            out.extend([254, a, b, c]);
        }
    }
    out.extend(bytes);
    while !out.len().is_multiple_of(4) {
        out.push(0);
    }
}

/// A server's public key: 2048 bits.
#[derive(Clone)]
pub struct RsaPublicKey {
    params: Params,
    exponent: u32,
    fingerprint: i64,
}

impl RsaPublicKey {
    /// A key from its PKCS #1 PEM form ("BEGIN RSA PUBLIC KEY").
    ///
    /// # Errors
    /// [`RsaError::Pem`], [`RsaError::ModulusSize`], [`RsaError::InvalidKey`].
    pub fn from_pem(pem: &str) -> Result<Self, RsaError> {
        let (label, document) = Document::from_pem(pem.trim()).map_err(|_| RsaError::Pem)?;
        RsaPublicKeyRef::validate_pem_label(label).map_err(|_| RsaError::Pem)?;
        let key = RsaPublicKeyRef::try_from(document.as_bytes()).map_err(|_| RsaError::Pem)?;
        Self::from_components(key.modulus.as_bytes(), key.public_exponent.as_bytes())
    }

    /// A key from its modulus and public exponent, big endian.
    ///
    /// # Errors
    /// [`RsaError::ModulusSize`] unless the modulus has 2048 bits, [`RsaError::InvalidKey`] if it
    /// is even or the exponent is not an odd number from 3 to 2^32 − 1.
    pub fn from_components(modulus: &[u8], exponent: &[u8]) -> Result<Self, RsaError> {
        let n = number(modulus)?;
        let exponent = exponent
            .iter()
            .try_fold(0u32, |e, byte| {
                e.checked_mul(256)?.checked_add((*byte).into())
            })
            .filter(|e| *e >= 3 && !e.is_multiple_of(2))
            .ok_or(RsaError::InvalidKey)?;
        Ok(RsaPublicKey {
            params: Params::new_vartime(odd(n)?),
            exponent,
            fingerprint: fingerprint(modulus, &exponent.to_be_bytes()),
        })
    }

    /// The PKCS #1 PEM form, with a line feed after every line.
    pub fn to_pem(&self) -> String {
        let (n, e) = (self.modulus(), self.exponent.to_be_bytes());
        let document = UintRef::new(&n).and_then(|modulus| {
            let key = RsaPublicKeyRef {
                modulus,
                public_exponent: UintRef::new(&e)?,
            };
            Document::try_from(key.to_der()?)
        });
        // Writing two numbers of bounded size to memory has no way to fail.
        document
            .ok()
            .and_then(|der| der.to_pem(RsaPublicKeyRef::PEM_LABEL, LineEnding::LF).ok())
            .unwrap_or_default()
    }

    /// The name by which servers offer the key: the last 8 bytes of a SHA-1, little endian.
    pub fn fingerprint(&self) -> i64 {
        self.fingerprint
    }

    /// The modulus, big endian.
    pub fn modulus(&self) -> [u8; SIZE] {
        to_bytes(self.params.modulus().as_ref())
    }

    /// The public exponent.
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// RSA_PAD: the message, padded, hidden under a random key, encrypted.
    ///
    /// # Errors
    /// [`RsaError::DataTooLong`] for more than [`MAX_DATA`] bytes.
    pub fn pad_encrypt(&self, data: &[u8], rng: &mut Rng) -> Result<[u8; SIZE], RsaError> {
        let mut padded = Zeroizing::new([0; PADDED]);
        let too_long = RsaError::DataTooLong {
            got: data.len(),
            max: MAX_DATA,
        };
        if data.len() > MAX_DATA {
            return Err(too_long);
        }
        let (message, padding) = padded.split_at_mut_checked(data.len()).ok_or(too_long)?;
        message.copy_from_slice(data);
        rand_core::Rng::fill_bytes(rng, padding);
        for _ in 0..PAD_TRIES {
            let temp_key = Zeroizing::new(rng.array());
            // Not below the modulus: the same padding under another key.
            if let Ok(value) = self.apply(&hide(&padded, &temp_key)) {
                return Ok(value);
            }
        }
        Err(RsaError::Randomness)
    }

    /// The public operation alone: the value to the power of the exponent.
    ///
    /// # Errors
    /// [`RsaError::ValueTooLarge`] if the value is not below the modulus.
    pub fn apply(&self, value: &[u8; SIZE]) -> Result<[u8; SIZE], RsaError> {
        let number = U2048::from_be_slice(value);
        if number >= *self.params.modulus().as_ref() {
            return Err(RsaError::ValueTooLarge);
        }
        Ok(to_bytes(&self.power(&number)))
    }

    fn power(&self, number: &U2048) -> U2048 {
        // The exponent is public; nothing else depends on the time.
        Number::new(number, &self.params)
            .pow_vartime(&Uint::<1>::from(self.exponent))
            .retrieve()
    }
}

impl PartialEq for RsaPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.params.modulus() == other.params.modulus() && self.exponent == other.exponent
    }
}

impl Eq for RsaPublicKey {}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({:#018x})", self.fingerprint)
    }
}

/// A server's private key: 2048 bits, two primes of 1024. Zeroised on drop, never printed.
#[derive(Clone)]
pub struct RsaPrivateKey {
    public: RsaPublicKey,
    secret: Box<Secret>,
}

/// The private numbers, in the form of the Chinese remainder theorem.
#[derive(Clone)]
struct Secret {
    p: HalfParams,
    q: HalfParams,
    d_p: U1024,
    d_q: U1024,
    /// q⁻¹ mod p.
    q_inverse: U1024,
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.p.zeroize();
        self.q.zeroize();
        self.d_p.zeroize();
        self.d_q.zeroize();
        self.q_inverse.zeroize();
    }
}

impl RsaPrivateKey {
    /// A key from its PKCS #1 PEM form ("BEGIN RSA PRIVATE KEY").
    ///
    /// # Errors
    /// [`RsaError::Pem`], [`RsaError::ModulusSize`], or [`RsaError::InvalidKey`] if the numbers
    /// contradict each other or a prime has more than 1024 bits.
    pub fn from_pem(pem: &str) -> Result<Self, RsaError> {
        let (label, document) = SecretDocument::from_pem(pem.trim()).map_err(|_| RsaError::Pem)?;
        RsaPrivateKeyRef::validate_pem_label(label).map_err(|_| RsaError::Pem)?;
        let key = RsaPrivateKeyRef::try_from(document.as_bytes()).map_err(|_| RsaError::Pem)?;
        let public =
            RsaPublicKey::from_components(key.modulus.as_bytes(), key.public_exponent.as_bytes())?;
        let half = |number: UintRef<'_>| {
            let wide = from_bytes(number.as_bytes()).ok_or(RsaError::InvalidKey)?;
            let (low, high) = wide.split();
            if high == U1024::ZERO {
                Ok(low)
            } else {
                Err(RsaError::InvalidKey)
            }
        };
        // The exponents and the inverse follow from the primes; what the file says of them is
        // not needed, so it cannot be wrong.
        Self::from_primes(public, half(key.prime1)?, half(key.prime2)?)
    }

    /// A new key.
    pub fn generate(rng: &mut Rng) -> Self {
        loop {
            let p: U1024 = random_prime(rng, Flavor::Any, 1024);
            let q: U1024 = random_prime(rng, Flavor::Any, 1024);
            let n: U2048 = p.concatenating_mul(&q);
            // Half of the products have a bit too few; one prime in 65,537 does not suit the
            // exponent.
            let key = RsaPublicKey::from_components(&to_bytes(&n), &EXPONENT.to_be_bytes())
                .and_then(|public| Self::from_primes(public, p, q));
            if let Ok(key) = key {
                return key;
            }
        }
    }

    fn from_primes(public: RsaPublicKey, p: U1024, q: U1024) -> Result<Self, RsaError> {
        let product: U2048 = p.concatenating_mul(&q);
        if product != *public.params.modulus().as_ref() {
            return Err(RsaError::InvalidKey);
        }
        let invalid = RsaError::InvalidKey;
        let exponent = U1024::from(public.exponent);
        let private_exponent = |prime: &U1024| {
            let order = NonZero::new(prime.wrapping_sub(&U1024::ONE)).into_option()?;
            exponent.invert_mod(&order).into_option()
        };
        let d_p = private_exponent(&p).ok_or(invalid)?;
        let d_q = private_exponent(&q).ok_or(invalid)?;
        let (p, q) = (odd(p)?, odd(q)?);
        let q_inverse = q
            .as_ref()
            .rem(p.as_nz_ref())
            .invert_odd_mod(&p)
            .into_option()
            .ok_or(invalid)?;
        let secret = Secret {
            p: HalfParams::new(p),
            q: HalfParams::new(q),
            d_p,
            d_q,
            q_inverse,
        };
        let key = RsaPrivateKey {
            public,
            secret: Box::new(secret),
        };
        // Composite "primes" are found here: their exponents do not undo the public operation.
        let mut probe = [0x42; SIZE];
        if let Some(first) = probe.first_mut() {
            *first = 0;
        }
        if *key.apply(&key.public.apply(&probe)?)? != probe {
            return Err(RsaError::InvalidKey);
        }
        Ok(key)
    }

    /// The PKCS #1 PEM form, with a line feed after every line. It is the secret.
    pub fn to_pem(&self) -> Zeroizing<String> {
        // As in the public key's form, there is no way to fail.
        self.try_to_pem().unwrap_or_default()
    }

    fn try_to_pem(&self) -> Option<Zeroizing<String>> {
        let secret = &*self.secret;
        let (p, q) = (secret.p.modulus().as_ref(), secret.q.modulus().as_ref());
        let order: U2048 = p
            .wrapping_sub(&U1024::ONE)
            .concatenating_mul(&q.wrapping_sub(&U1024::ONE));
        let mut d = U2048::from(self.public.exponent)
            .invert_mod(&NonZero::new(order).into_option()?)
            .into_option()?;
        let wide = |half: &U1024| Zeroizing::new(to_bytes(&half.resize()));
        let (n, e) = (self.public.modulus(), self.public.exponent.to_be_bytes());
        let d_bytes = Zeroizing::new(to_bytes(&d));
        d.zeroize();
        let (p, q) = (wide(p), wide(q));
        let (d_p, d_q) = (wide(&secret.d_p), wide(&secret.d_q));
        let q_inverse = wide(&secret.q_inverse);
        let key = RsaPrivateKeyRef {
            modulus: UintRef::new(&n).ok()?,
            public_exponent: UintRef::new(&e).ok()?,
            private_exponent: UintRef::new(&d_bytes[..]).ok()?,
            prime1: UintRef::new(&p[..]).ok()?,
            prime2: UintRef::new(&q[..]).ok()?,
            exponent1: UintRef::new(&d_p[..]).ok()?,
            exponent2: UintRef::new(&d_q[..]).ok()?,
            coefficient: UintRef::new(&q_inverse[..]).ok()?,
            other_prime_infos: None,
        };
        let der = SecretDocument::try_from(key).ok()?;
        der.to_pem(RsaPrivateKeyRef::PEM_LABEL, LineEnding::LF).ok()
    }

    /// The public half.
    pub fn public(&self) -> &RsaPublicKey {
        &self.public
    }

    /// The public half's fingerprint.
    pub fn fingerprint(&self) -> i64 {
        self.public.fingerprint
    }

    /// Opens what a client encrypted: RSA_PAD, or the padding before it, SHA-1 + message + random
    /// bytes in 255 bytes. Call [`Decrypted::check`] once the message's length is known.
    ///
    /// # Errors
    /// [`RsaError::ValueSize`], [`RsaError::ValueTooLarge`], [`RsaError::Padding`].
    pub fn decrypt_inner(&self, encrypted: &[u8]) -> Result<Decrypted, RsaError> {
        let value = encrypted.try_into().map_err(|_| RsaError::ValueSize {
            got: encrypted.len(),
        })?;
        let plain = self.apply(value)?;
        if let Some(padded) = reveal(&plain) {
            return Ok(Decrypted::new(&padded[..], None));
        }
        if plain.first() != Some(&0) {
            return Err(RsaError::Padding);
        }
        let hash = *part(&plain, 1);
        Ok(Decrypted::new(
            part::<{ SIZE - 21 }, SIZE>(&plain, 21),
            Some(hash),
        ))
    }

    /// The private operation alone, in a time that depends on neither value nor key.
    ///
    /// # Errors
    /// [`RsaError::ValueTooLarge`] if the value is not below the modulus; [`RsaError::InvalidKey`]
    /// if the result does not encrypt to the value again, which a fault in the computation would
    /// cause and which must not leave this function: it would betray the primes.
    pub fn apply(&self, value: &[u8; SIZE]) -> Result<Zeroizing<[u8; SIZE]>, RsaError> {
        let number = U2048::from_be_slice(value);
        if number >= *self.public.params.modulus().as_ref() {
            return Err(RsaError::ValueTooLarge);
        }
        let Secret {
            p,
            q,
            d_p,
            d_q,
            q_inverse,
        } = &*self.secret;
        let power = |params: &HalfParams, exponent: &U1024| {
            let rest = number.rem(params.modulus().as_nz_ref());
            HalfNumber::new(&rest, params).pow(exponent)
        };
        let mut of_p = power(p, d_p);
        let mut of_q = power(q, d_q).retrieve();
        let of_q_mod_p = HalfNumber::new(&of_q.rem(p.modulus().as_nz_ref()), p);
        let mut h = of_p
            .sub(&of_q_mod_p)
            .mul(&HalfNumber::new(q_inverse, p))
            .retrieve();
        let high: U2048 = h.concatenating_mul(q.modulus().as_ref());
        let mut result = high.wrapping_add(&of_q.resize());
        of_p.zeroize();
        of_q.zeroize();
        h.zeroize();
        let bytes = Zeroizing::new(to_bytes(&result));
        let undone = self.public.power(&result);
        result.zeroize();
        if undone == number {
            Ok(bytes)
        } else {
            Err(RsaError::InvalidKey)
        }
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPrivateKey({:#018x})", self.public.fingerprint)
    }
}

/// A modulus of exactly 2048 bits.
fn number(bytes: &[u8]) -> Result<U2048, RsaError> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.len().saturating_sub(zeros);
    let got = match from_bytes(bytes) {
        Some(n) if n.bits() == 2048 => return Ok(n),
        Some(n) => n.bits() as usize,
        None => digits.saturating_mul(8),
    };
    Err(RsaError::ModulusSize { got })
}

fn odd<const LIMBS: usize>(number: Uint<LIMBS>) -> Result<Odd<Uint<LIMBS>>, RsaError> {
    Odd::new(number).into_option().ok_or(RsaError::InvalidKey)
}
