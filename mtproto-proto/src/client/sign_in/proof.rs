//! What `account.password` says, and a password's proof for it.
//!
//! Does: reads the numbers that a password is proved with; the proof.
//! In: the answer to `account.getPassword`, a password. Out: `InputCheckPasswordSRP`.
//! Must not know: what the proof is for.
//! Spec: "Two-factor authentication" (SRP).

use alloc::vec::Vec;

use bytes::Bytes;
use mtproto_schema::api::{enums, functions, types};
use mtproto_schema::{Decode, DecodeError};

use super::SignInError;
use super::answer::bad;
use crate::client::CallError;
use crate::crypto::dh::Exponent;
use crate::crypto::srp;
use crate::rng::Rng;

type Known = types::PasswordKdfAlgoSha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow;

/// The answer to `account.getPassword`, if its ways of checking a password are known.
pub(super) fn read(
    answer: Result<Bytes, CallError>,
) -> Result<types::account::Password, SignInError> {
    types::account::Password::from_bytes(&answer?).map_err(|error| {
        let expected = "PasswordKdfAlgo";
        // A way that is younger than this layer.
        if matches!(error, DecodeError::UnknownConstructor { expected: it, .. } if it == expected) {
            return SignInError::UnknownPasswordAlgorithm;
        }
        bad::<functions::account::GetPassword>()
    })
}

/// How a password becomes a number.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Algorithm {
    pub salt1: Vec<u8>,
    pub salt2: Vec<u8>,
    pub g: i32,
    pub p: Bytes,
}

impl Algorithm {
    pub(super) fn of(algorithm: &enums::PasswordKdfAlgo) -> Result<Self, SignInError> {
        match algorithm {
            enums::PasswordKdfAlgo::Unknown => Err(SignInError::UnknownPasswordAlgorithm),
            enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(it) => {
                Ok(Algorithm {
                    salt1: it.salt1.to_vec(),
                    salt2: it.salt2.to_vec(),
                    g: it.g,
                    p: super::answer::detached(&it.p),
                })
            }
        }
    }

    pub(super) fn check(&self, rng: &mut Rng) -> Result<srp::Params, SignInError> {
        srp::Params::check(&self.salt1, &self.salt2, self.g, &self.p, &[], rng)
            .map_err(SignInError::UnsafePassword)
    }

    /// Of a new password: the salt gets 32 bytes of ours.
    pub(super) fn salted(mut self, rng: &mut Rng) -> Self {
        self.salt1.extend_from_slice(&rng.array::<32>());
        self
    }

    pub(super) fn to_api(&self) -> enums::PasswordKdfAlgo {
        enums::PasswordKdfAlgo::Sha256Sha256Pbkdf2Hmacsha512iter100000Sha256ModPow(
            Known {
                salt1: self.salt1.clone().into(),
                salt2: self.salt2.clone().into(),
                g: self.g,
                p: self.p.clone(),
            }
            .into(),
        )
    }
}

/// The password that the account has, and this attempt to prove it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Current {
    algorithm: Algorithm,
    srp_id: i64,
    srp_b: Bytes,
}

impl Current {
    /// `None`: the account has no password.
    pub(super) fn of(password: &types::account::Password) -> Result<Option<Self>, SignInError> {
        let Some(group) = &password.current_algo else {
            return Ok(None);
        };
        Ok(Some(Current {
            algorithm: Algorithm::of(&group.current_algo)?,
            srp_id: group.srp_id,
            srp_b: super::answer::detached(&group.srp_b),
        }))
    }

    /// The proof that the user knows it; about 0.1 s.
    pub(super) fn prove(
        &self,
        password: &[u8],
        rng: &mut Rng,
    ) -> Result<enums::InputCheckPasswordSrp, SignInError> {
        let params = self.algorithm.check(rng)?;
        let hash = params.hash(password);
        let proof = params
            .prove(&hash, &self.srp_b, &Exponent::random(rng))
            .map_err(SignInError::UnsafePassword)?;
        Ok(enums::InputCheckPasswordSrp::InputCheckPasswordSrp(
            types::InputCheckPasswordSrp {
                srp_id: self.srp_id,
                a: Bytes::copy_from_slice(&proof.a),
                m1: Bytes::copy_from_slice(&proof.m1),
            }
            .into(),
        ))
    }
}

/// The proof for an account with or without a password.
pub(super) fn prove(
    current: Option<&Current>,
    password: &[u8],
    rng: &mut Rng,
) -> Result<enums::InputCheckPasswordSrp, SignInError> {
    match current {
        Some(current) => current.prove(password, rng),
        None => Ok(enums::InputCheckPasswordSrp::InputCheckPasswordEmpty),
    }
}
