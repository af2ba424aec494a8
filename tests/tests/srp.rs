//! The password proof, both halves: who knows the password is let in, nobody else, and the numbers
//! agree with a second implementation over another library.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use mtproto_proto::Rng;
use mtproto_proto::crypto::dh::{DhError, Exponent, Group, KNOWN_PRIME, PrimeHash};
use mtproto_proto::crypto::srp::{Challenge, Params, PasswordHash, Proof};
use num_bigint::BigUint;
use sha2::{Digest, Sha256};

const SALT1: &[u8] = b"forty bytes of salt, as a server keeps it";
const SALT2: &[u8] = b"the other salt";

fn params() -> Params {
    Params::new(SALT1, SALT2, Group::known(3).unwrap())
}

fn prime() -> BigUint {
    BigUint::parse_bytes(KNOWN_PRIME.as_bytes(), 16).unwrap()
}

fn padded(number: &BigUint) -> Vec<u8> {
    let digits = number.to_bytes_be();
    [vec![0; 256 - digits.len()], digits].concat()
}

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    Sha256::digest(parts.concat()).to_vec()
}

/// The same formulas over `num-bigint`, with the exponent as one number.
fn oracle(x: &PasswordHash, srp_b: &[u8], secret: &[u8; 256]) -> (Vec<u8>, Vec<u8>) {
    let (p, g) = (prime(), BigUint::from(3u8));
    let x = BigUint::from_bytes_be(x.as_bytes());
    let a = BigUint::from_bytes_be(secret);
    let b = BigUint::from_bytes_be(srp_b);
    let public = padded(&g.modpow(&a, &p));
    let k = BigUint::from_bytes_be(&hash(&[&padded(&p), &padded(&g)]));
    let u = BigUint::from_bytes_be(&hash(&[&public, &padded(&b)]));
    let kv = (k * g.modpow(&x, &p)) % &p;
    let t = (&p + &b - kv) % &p;
    let s = t.modpow(&(a + u * x), &p);
    let mixed: Vec<u8> = hash(&[&padded(&p)])
        .iter()
        .zip(hash(&[&padded(&g)]))
        .map(|(left, right)| left ^ right)
        .collect();
    let (salt1, salt2) = (hash(&[SALT1]), hash(&[SALT2]));
    let key = hash(&[&padded(&s)]);
    let m1 = hash(&[&mixed, &salt1, &salt2, &public, &padded(&b), &key]);
    (public, m1)
}

#[test]
fn who_knows_the_password_is_let_in_and_nobody_else() {
    let params = params();
    let right = params.hash("пароль 🔑".as_bytes());
    let verifier = params.verifier(&right);
    let wrong = [&b""[..], b"password", "пароль 🔑 ".as_bytes()].map(|it| params.hash(it));
    for seed in 0..8 {
        let mut rng = Rng::from_seed([seed; 32]);
        let challenge = Challenge::new(params.clone(), &verifier, &mut rng).unwrap();
        let secret = Exponent::random(&mut rng);
        let proof = params.prove(&right, challenge.srp_b(), &secret).unwrap();
        assert!(challenge.accepts(&proof.a, &proof.m1), "seed {seed}");
        for hash in &wrong {
            let Proof { a, m1 } = params.prove(hash, challenge.srp_b(), &secret).unwrap();
            assert!(!challenge.accepts(&a, &m1), "seed {seed}");
        }
        // A proof belongs to one challenge.
        let other = Challenge::new(params.clone(), &verifier, &mut rng).unwrap();
        assert!(!other.accepts(&proof.a, &proof.m1), "seed {seed}");
    }
}

#[test]
fn proofs_agree_with_a_second_implementation() {
    let params = params();
    let x = params.hash(b"secret");
    let verifier = BigUint::from_bytes_be(&params.verifier(&x));
    let expected = BigUint::from(3u8).modpow(&BigUint::from_bytes_be(x.as_bytes()), &prime());
    assert_eq!(verifier, expected);
    let mut rng = Rng::from_seed([3; 32]);
    for round in 0..20 {
        // Any number in the range is a B; half of them are less than k·v.
        let srp_b = padded(&(BigUint::from_bytes_be(&rng.array::<256>()) % prime()));
        let mut secret = rng.array::<256>();
        match round {
            0 => secret = [0xff; 256],
            1 => secret = [0; 256],
            _ => {}
        }
        let proof = params
            .prove(&x, &srp_b, &Exponent::from_bytes(&secret))
            .unwrap();
        let (a, m1) = oracle(&x, &srp_b, &secret);
        assert_eq!(proof.a[..], a, "seed 3, round {round}");
        assert_eq!(proof.m1[..], m1, "seed 3, round {round}");
    }
}

#[test]
fn the_servers_number_may_have_no_zeros_on_the_left() {
    let params = params();
    let x = params.hash(b"secret");
    let secret = Exponent::from_bytes(&[9; 256]);
    let mut padded = [1; 256];
    padded[0] = 0;
    let proof = params.prove(&x, &padded, &secret).unwrap();
    assert_eq!(params.prove(&x, &padded[1..], &secret), Ok(proof));
}

#[test]
fn a_servers_number_outside_of_the_group_is_refused() {
    let params = params();
    let x = params.hash(b"secret");
    let secret = Exponent::from_bytes(&[9; 256]);
    let one = BigUint::from(1u8);
    let edge: BigUint = &one << (2048 - 64);
    let bad = [
        BigUint::ZERO,
        one.clone(),
        &edge - &one,
        prime() - &edge + &one,
        prime() - &one,
        prime(),
        prime() + &edge,
    ];
    for number in bad {
        let result = params.prove(&x, &padded(&number), &secret);
        assert_eq!(result, Err(DhError::PublicValue), "{number:x}");
    }
    for number in [edge.clone(), prime() - &edge] {
        assert!(params.prove(&x, &padded(&number), &secret).is_ok());
    }
    assert_eq!(
        params.prove(&x, &[1; 257], &secret),
        Err(DhError::PublicValue)
    );
    assert_eq!(params.prove(&x, &[], &secret), Err(DhError::PublicValue));
}

#[test]
fn an_unsafe_group_is_refused() {
    let mut rng = Rng::from_seed([4; 32]);
    let known = padded(&prime());
    let mut check = |g, p: &[u8]| Params::check(SALT1, SALT2, g, p, &[], &mut rng).map(|_| ());
    assert_eq!(check(3, &known), Ok(()));
    for g in [-1, 0, 1, 2, 5, 6, 8, 256 + 3] {
        assert_eq!(check(g, &known), Err(DhError::Generator { got: g }));
    }
    assert_eq!(check(3, &known[1..]), Err(DhError::PrimeSize { got: 2037 }));
    assert_eq!(check(3, &[]), Err(DhError::PrimeSize { got: 0 }));
    let even = padded(&(prime() - BigUint::from(1u8)));
    assert_eq!(check(4, &even), Err(DhError::NotSafePrime));
    let composite = padded(&(prime() - BigUint::from(2u8)));
    assert_eq!(check(4, &composite), Err(DhError::NotSafePrime));
    // What the owner tested before is taken on its word.
    let good = PrimeHash(Sha256::digest(&composite).into());
    let params = Params::check(SALT1, SALT2, 4, &composite, &[good], &mut rng).unwrap();
    assert_eq!(params.group().prime()[..], composite);
}

#[test]
fn a_server_refuses_numbers_that_make_the_secret_public() {
    let params = params();
    let verifier = params.verifier(&params.hash(b"secret"));
    let mut rng = Rng::from_seed([5; 32]);
    let challenge = Challenge::new(params.clone(), &verifier, &mut rng).unwrap();
    // With S = 0, or S = 1, anybody can compute M1.
    for s in [0u8, 1] {
        let key = hash(&[&padded(&BigUint::from(s))]);
        for a in [vec![], vec![0; 256], padded(&prime()), vec![0xff; 257]] {
            let (p, g) = (prime(), BigUint::from(3u8));
            let mixed: Vec<u8> = hash(&[&padded(&p)])
                .iter()
                .zip(hash(&[&padded(&g)]))
                .map(|(left, right)| left ^ right)
                .collect();
            let (salt1, salt2) = (hash(&[SALT1]), hash(&[SALT2]));
            let m1 = hash(&[&mixed, &salt1, &salt2, &[0; 256], challenge.srp_b(), &key]);
            assert!(!challenge.accepts(&a, &m1), "{a:?}");
        }
    }
    let proof = params
        .prove(
            &params.hash(b"secret"),
            challenge.srp_b(),
            &Exponent::random(&mut rng),
        )
        .unwrap();
    assert!(challenge.accepts(&proof.a, &proof.m1));
    assert!(!challenge.accepts(&proof.a, &proof.m1[1..]));
    assert!(!challenge.accepts(&proof.a, &[]));
    for bit in [0, 100, 255] {
        let mut m1 = proof.m1;
        m1[bit / 8] ^= 1 << (bit % 8);
        assert!(!challenge.accepts(&proof.a, &m1), "bit {bit}");
    }
    assert!(Challenge::new(params, &[1; 257], &mut rng).is_none());
}

#[test]
fn no_secret_is_printed() {
    let params = params();
    let hash = params.hash(b"secret");
    let challenge = Challenge::new(
        params.clone(),
        &params.verifier(&hash),
        &mut Rng::from_seed([6; 32]),
    );
    let shown = format!("{hash:?} {:?}", challenge.unwrap());
    assert_eq!(shown, "PasswordHash(..) Challenge(..)");
}
