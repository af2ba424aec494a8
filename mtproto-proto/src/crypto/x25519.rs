//! Public values of X25519, as TLS handshakes show them.
//!
//! Does: multiplies the base point by a random number.
//! In: 32 random bytes. Out: the value as it travels.
//! Must not know: a secret. Nobody agrees on a key with these values, they only have to be what
//! they look like; so this need not take the same time for every number.
//! Spec: RFC 7748, section 5, whose names these are.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U256};

/// 2^255 - 19.
const PRIME: &str = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
const BASE: u8 = 9;
const A24: u32 = 121_665;

type Number = FixedMontyForm<{ U256::LIMBS }>;

/// The public value of these random bytes.
pub(crate) fn x25519_public(mut scalar: [u8; 32]) -> [u8; 32] {
    let [first, .., last] = &mut scalar;
    *first &= 0xf8;
    *last = *last & 0x7f | 0x40;
    let params = FixedMontyParams::new_vartime(const { Odd::<U256>::from_be_hex(PRIME) });
    let number = |small: u32| Number::new(&U256::from(small), &params);
    let (x_1, a24) = (number(u32::from(BASE)), number(A24));
    let (mut x_2, mut z_2, mut x_3, mut z_3) = (number(1), number(0), x_1, number(1));
    // The Montgomery ladder, from bit 254 down.
    for bit in scalar.iter().rev().flat_map(bits).skip(1) {
        if bit {
            (x_2, z_2, x_3, z_3) = (x_3, z_3, x_2, z_2);
        }
        let (a, b) = (x_2.add(&z_2), x_2.sub(&z_2));
        let (aa, bb) = (a.square(), b.square());
        let e = aa.sub(&bb);
        let (c, d) = (x_3.add(&z_3), x_3.sub(&z_3));
        let (da, cb) = (d.mul(&a), c.mul(&b));
        x_3 = da.add(&cb).square();
        z_3 = x_1.mul(&da.sub(&cb).square());
        x_2 = aa.mul(&bb);
        z_2 = e.mul(&aa.add(&a24.mul(&e)));
        if bit {
            (x_2, z_2, x_3, z_3) = (x_3, z_3, x_2, z_2);
        }
    }
    // z^(p - 2) is 1 / z.
    let inverse = params.modulus().as_ref().wrapping_sub(&U256::from(2_u8));
    let public = x_2.mul(&z_2.pow_vartime(&inverse)).retrieve();
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(public.to_le_bytes().as_slice()) {
        *to = *from;
    }
    out
}

/// The bits of a byte, the highest first.
fn bits(byte: &u8) -> impl Iterator<Item = bool> + use<> {
    let byte = *byte;
    (0..8).rev().map(move |at| byte >> at & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As these values travel.
    fn bytes(hex: &str) -> [u8; 32] {
        let number = U256::from_be_hex(hex);
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(number.to_be_bytes().as_slice()) {
            *to = *from;
        }
        out
    }

    #[test]
    fn public_values_are_those_of_the_rfc_and_of_openssl() {
        let mut nine = [0; 32];
        nine[0] = 9;
        let rfc = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
        assert_eq!(x25519_public(nine), bytes(rfc));
        for (secret, public) in [
            (
                "a8260931ad878d9975ad3ff376a31c81fc8e2b919d67683c80a784ca43d18257",
                "1415582ff4407842d7575a770e5756e84c6d8316d7b7fca53bf9bd9cf88d652b",
            ),
            (
                "30d9410da4a9bb0916d28b023a8138b52a0e5ee46c99dbf665514097bf3c886a",
                "683f48823a85d6dd9b3a08e685e656c0cb964220294eb38803e2b72200441c38",
            ),
        ] {
            assert_eq!(x25519_public(bytes(secret)), bytes(public));
        }
    }
}
