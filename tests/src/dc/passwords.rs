//! Passwords of the second step, as a server keeps them.
//!
//! Does: makes the verifier of a password; the API's form of its algorithm.
//! In: a password, or what a client sends instead of one. Out: [`Password`].
//! Must not know: whose password it is, who tries it.
//! Spec: "Two-factor authentication" (SRP).

use bytes::Bytes;
use mtproto_proto::Rng;
use mtproto_proto::crypto::dh::{Group, SIZE};
use mtproto_proto::crypto::srp::{Challenge, Params};
use mtproto_schema::api::{enums, types};

use super::people::Password;

/// The generator, in the group of the known prime.
const GENERATOR: i32 = 3;

/// What the server gives of the first salt.
const SALT1: usize = 8;

/// What the client adds to the first salt of a new password.
const SALT1_OF_CLIENT: usize = 32;

/// Longest hint, in bytes.
const MAX_HINT: usize = 255;

#[expect(clippy::expect_used, reason = "constants of this file")]
fn group() -> Group {
    Group::known(GENERATOR).expect("3 fits the known prime")
}

/// What is kept of this password.
pub fn make(password: &str, hint: Option<String>, rng: &mut Rng) -> Password {
    let salt1: [u8; SALT1 + SALT1_OF_CLIENT] = rng.array();
    let salt2: [u8; 16] = rng.array();
    let params = Params::new(&salt1, &salt2, group());
    let verifier = params.verifier(&params.hash(password.as_bytes()));
    Password {
        salt1: salt1.to_vec(),
        salt2: salt2.to_vec(),
        verifier: verifier.to_vec(),
        hint,
    }
}

/// An attempt to prove this password.
pub fn challenge(password: &Password, rng: &mut Rng) -> Option<Challenge> {
    let params = Params::new(&password.salt1, &password.salt2, group());
    Challenge::new(params, &password.verifier, rng)
}

/// The salts for the next password of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salts {
    salt1: Vec<u8>,
    salt2: Vec<u8>,
}

impl Salts {
    /// New ones.
    pub fn new(rng: &mut Rng) -> Self {
        Salts {
            salt1: rng.array::<SALT1>().to_vec(),
            salt2: rng.array::<16>().to_vec(),
        }
    }

    /// The API's form.
    pub fn algo(&self) -> enums::PasswordKdfAlgo {
        algo(&self.salt1, &self.salt2)
    }

    /// The password that a client made with these salts; `None` if it did not use them, or sends
    /// no verifier.
    pub fn accept(
        &self,
        algo: &enums::PasswordKdfAlgo,
        verifier: &[u8],
        hint: &str,
    ) -> Result<Password, &'static str> {
        let enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(algo) = algo
        else {
            return Err("NEW_SETTINGS_INVALID");
        };
        let group = group();
        let same = algo.salt1.len() == SALT1 + SALT1_OF_CLIENT
            && algo.salt1.starts_with(&self.salt1)
            && algo.salt2 == self.salt2[..]
            && algo.g == GENERATOR
            && algo.p == group.prime()[..];
        if !same {
            return Err("NEW_SALT_INVALID");
        }
        // A power of the generator is in this range but for a chance of 2^-63.
        if verifier.len() != SIZE || group.public_value(verifier).is_err() || hint.len() > MAX_HINT
        {
            return Err("NEW_SETTINGS_INVALID");
        }
        Ok(Password {
            salt1: algo.salt1.to_vec(),
            salt2: algo.salt2.to_vec(),
            verifier: verifier.to_vec(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        })
    }
}

/// The API's form of the algorithm with these salts.
pub fn algo(salt1: &[u8], salt2: &[u8]) -> enums::PasswordKdfAlgo {
    enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(Box::new(
        types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow {
            salt1: Bytes::copy_from_slice(salt1),
            salt2: Bytes::copy_from_slice(salt2),
            g: GENERATOR,
            p: Bytes::copy_from_slice(&group().prime()),
        },
    ))
}
