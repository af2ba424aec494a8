//! How the cryptography behaves outside of its known answers: hostile numbers, bounds, secrets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use mtproto_proto::Rng;
use mtproto_proto::crypto::dh::{DhError, Exponent, Group, KNOWN_PRIME, PrimeHash};
use mtproto_proto::crypto::factor::is_prime;
use mtproto_proto::crypto::rsa::{MAX_DATA, RsaError, RsaPrivateKey, RsaPublicKey};
use mtproto_proto::crypto::{
    AesKeyIv, AuthKey, Direction, FactorError, UnalignedLength, factor, ige_decrypt, ige_encrypt,
    msg_key,
};
use num_bigint::BigUint;

/// A server's key for these tests. Made once with `RsaPrivateKey::generate`; no secret.
const KEY: &str = include_str!("keys/server.pem");

fn rng(seed: u8) -> Rng {
    Rng::from_seed([seed; 32])
}

// AES.

#[test]
fn ige_refuses_a_buffer_of_half_a_block_and_leaves_it_alone() {
    let key = AesKeyIv::new(&[1; 32], &[2; 32]);
    for got in (1..=40).filter(|n| n % 16 != 0) {
        let mut buf = vec![7; got];
        assert_eq!(ige_encrypt(&mut buf, &key), Err(UnalignedLength { got }));
        assert_eq!(ige_decrypt(&mut buf, &key), Err(UnalignedLength { got }));
        assert_eq!(buf, vec![7; got]);
    }
}

#[test]
fn ige_undoes_itself_at_every_length() {
    let mut rng = rng(1);
    for blocks in 0..70 {
        let key = AesKeyIv::new(&rng.array(), &rng.array());
        let plain: Vec<u8> = (0..blocks).flat_map(|_| rng.array::<16>()).collect();
        let mut data = plain.clone();
        ige_encrypt(&mut data, &key).unwrap();
        assert!(blocks == 0 || data != plain);
        ige_decrypt(&mut data, &key).unwrap();
        assert_eq!(data, plain, "{blocks} blocks, seed 1");
    }
}

// Secrets.

#[test]
fn secrets_do_not_print() {
    let key = AuthKey::from_bytes(&[0xab; 256]);
    assert_eq!(format!("{key:?}"), format!("AuthKey({})", key.id()));
    assert_eq!(
        format!("{:?}", AesKeyIv::new(&[0xab; 32], &[0xab; 32])),
        "AesKeyIv(..)"
    );
    assert_eq!(
        format!("{:?}", Exponent::from_bytes(&[0xab; 256])),
        "Exponent(..)"
    );
    let private = RsaPrivateKey::from_pem(KEY).unwrap();
    let printed = format!("RsaPrivateKey({:#018x})", private.fingerprint());
    assert_eq!(format!("{private:?}"), printed);
}

#[test]
fn the_two_directions_have_different_message_keys() {
    let key = AuthKey::from_bytes(&std::array::from_fn(|i| i as u8));
    let up = msg_key(&key, Direction::ToServer, b"the same text");
    let down = msg_key(&key, Direction::ToClient, b"the same text");
    assert_ne!(up.msg_key, down.msg_key);
}

// Factoring.

#[test]
fn hostile_products_end_with_an_error() {
    // The largest primes below 2^32 and 2^63 and 2^31.
    let (p32, p63, p31) = (4_294_967_291, 9_223_372_036_854_775_783, 2_147_483_647);
    let cases = [
        (0, FactorError::NotOddProduct),
        (1, FactorError::NotOddProduct),
        (2, FactorError::NotOddProduct),
        (3, FactorError::Prime),
        (4, FactorError::NotOddProduct),
        (6, FactorError::NotOddProduct),
        (9, FactorError::Square),
        (27, FactorError::ManyFactors),
        (81, FactorError::ManyFactors),
        (105, FactorError::ManyFactors),
        (p31, FactorError::Prime),
        (p32, FactorError::Prime),
        (p63, FactorError::Prime),
        (p31 * p31, FactorError::Square),
        (3_037_000_493 * 3_037_000_493, FactorError::Square),
        (1_000_003 * 1_000_033 * 1_000_037, FactorError::ManyFactors),
        (2_097_143u64.pow(3), FactorError::ManyFactors),
        ((1 << 63) - 1, FactorError::ManyFactors),
        (1 << 63, FactorError::TooLarge),
        ((1 << 63) + 29, FactorError::TooLarge),
        (p32 * 4_294_967_279, FactorError::TooLarge),
        (u64::MAX, FactorError::TooLarge),
    ];
    for (pq, expected) in cases {
        assert_eq!(factor(pq), Err(expected), "{pq}");
    }
}

#[test]
fn products_of_two_primes_of_any_size_are_factored() {
    for (p, q) in [
        (3, 5),
        (3, 3_074_457_345_618_258_599),
        (61, 67),
        (59, 1_000_003),
        (2_147_483_629, 2_147_483_647),
        (2_147_483_647, 4_294_967_291),
        (3_037_000_453, 3_037_000_493),
    ] {
        assert!(is_prime(p) && is_prime(q), "{p} {q}");
        assert_eq!(factor(p * q), Ok((p, q)));
    }
}

#[test]
fn small_numbers_are_judged_like_by_trial_division() {
    let divisors = |n: u64| (2..n).filter(|d| n.is_multiple_of(*d)).collect::<Vec<_>>();
    for n in 0..3000 {
        let divisors = divisors(n);
        assert_eq!(is_prime(n), n >= 2 && divisors.is_empty(), "{n}");
        let expected = match divisors[..] {
            [p, q] if p > 2 && is_prime(p) && is_prime(q) => Some((p, q)),
            _ => None,
        };
        assert_eq!(factor(n).ok(), expected, "{n}");
    }
}

#[test]
fn random_products_are_factored() {
    let mut rng = rng(2);
    for round in 0..40 {
        let mut prime = || loop {
            let n = u64::from(u32::from_le_bytes(rng.array())) >> 1 | 1 << 30 | 1;
            if is_prime(n) {
                return n;
            }
        };
        let (a, b) = (prime(), prime());
        assert_eq!(
            factor(a * b),
            Ok((a.min(b), a.max(b))),
            "seed 2, round {round}"
        );
    }
}

// Diffie–Hellman.

fn known_prime() -> BigUint {
    BigUint::parse_bytes(KNOWN_PRIME.as_bytes(), 16).unwrap()
}

fn check(prime: &BigUint, g: i32) -> Result<Group, DhError> {
    Group::check(&prime.to_bytes_be(), g, &[], &mut rng(3))
}

/// A safe prime that is not the known one: group 14 of RFC 3526, whose generator 2 fits.
fn other_prime() -> BigUint {
    BigUint::parse_bytes(
        b"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
        020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
        4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
        EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
        98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
        9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
        E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
        3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
        16,
    )
    .unwrap()
}

#[test]
fn an_unknown_safe_prime_is_accepted_after_a_test_and_at_once_when_remembered() {
    let prime = other_prime();
    let group = check(&prime, 2).unwrap();
    assert!(!group.is_known());
    let remembered = [PrimeHash([0; 32]), group.hash()];
    // The test draws its bases; a remembered prime draws nothing.
    let (mut used, mut fresh) = (rng(4), rng(4));
    Group::check(&prime.to_bytes_be(), 2, &remembered, &mut used).unwrap();
    assert_eq!(used.array::<8>(), fresh.array::<8>());
}

#[test]
fn generators_fit_exactly_the_primes_that_euler_says() {
    for prime in [known_prime(), other_prime()] {
        for got in 2..=7u8 {
            let residue = BigUint::from(got).modpow(&(&prime >> 1), &prime) == BigUint::from(1u8);
            let error = DhError::Generator { got: got.into() };
            let expected = if residue { None } else { Some(error) };
            assert_eq!(check(&prime, got.into()).err(), expected, "{prime:x}");
        }
    }
}

#[test]
fn padding_of_the_prime_does_not_matter() {
    let padded = [vec![0; 7], known_prime().to_bytes_be()].concat();
    assert_eq!(Group::check(&padded, 3, &[], &mut rng(5)), Group::known(3));
}

#[test]
fn hostile_primes_are_refused() {
    let one = BigUint::from(1u8);
    let known = known_prime();
    let size = |got| Err(DhError::PrimeSize { got });
    assert_eq!(check(&BigUint::ZERO, 4), size(0));
    assert_eq!(check(&one, 4), size(1));
    assert_eq!(check(&(&known >> 1), 4), size(2047));
    assert_eq!(check(&(&known << 1), 4), size(2049));
    assert_eq!(check(&(&known << 2048), 4), size(4096));
    assert_eq!(check(&(known.clone() >> 47), 4), size(2001));
    assert_eq!(Group::check(&[], 4, &[], &mut rng(6)), size(0));

    let composite = |n: &BigUint| {
        assert_eq!(n.bits(), 2048);
        assert_eq!(check(n, 4), Err(DhError::NotSafePrime));
    };
    composite(&((&one << 2047) + (&one << 1000)));
    composite(&(&known + &one));
    composite(&(&known + 2u8));
    composite(&(&known - 2u8));
    composite(&BigUint::from(3u8).pow(1292));
    // A prime whose half is composite: 3 modulo 4, found by a search with another library.
    let mut prime = (&one << 2047) + 3u8;
    let four = BigUint::from(4u8);
    while !probably_prime(&prime) {
        prime += &four;
    }
    composite(&prime);
}

/// Fermat's test to the bases 2 and 3: enough for a number that nobody chose to deceive.
fn probably_prime(n: &BigUint) -> bool {
    let small = [
        3u32, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71,
    ];
    small.iter().all(|p| n % p != BigUint::ZERO)
        && [2u8, 3]
            .iter()
            .all(|base| BigUint::from(*base).modpow(&(n - 1u8), n) == BigUint::from(1u8))
}

#[test]
fn hostile_generators_are_refused() {
    for got in [
        i32::MIN,
        -3,
        -1,
        0,
        1,
        2,
        5,
        6,
        8,
        9,
        259,
        1_000_003,
        i32::MAX,
    ] {
        assert_eq!(check(&known_prime(), got), Err(DhError::Generator { got }));
    }
}

#[test]
fn public_values_keep_their_distance_from_both_ends() {
    let group = Group::known(3).unwrap();
    let (p, margin): (_, BigUint) = (known_prime(), BigUint::from(1u8) << 1984);
    let judge = |v: &BigUint| group.public_value(&v.to_bytes_be()).map(|v| v.to_bytes());
    for inside in [margin.clone(), &margin + 1u8, &p >> 1, &p - &margin] {
        let mut padded = vec![0; 256 - inside.to_bytes_be().len()];
        padded.extend(inside.to_bytes_be());
        assert_eq!(judge(&inside).unwrap()[..], padded);
        // Zeros on the left do no harm.
        assert!(group.public_value(&[&[0; 9], &padded[..]].concat()).is_ok());
    }
    let small = |n: u8| BigUint::from(n);
    for outside in [
        small(0),
        small(1),
        small(2),
        &margin - 1u8,
        &p - &margin + 1u8,
        &p - 1u8,
        p.clone(),
        &p + 1u8,
        &p + &margin,
        &p << 8,
    ] {
        assert_eq!(judge(&outside), Err(DhError::PublicValue), "{outside:x}");
    }
    assert_eq!(group.public_value(&[]), Err(DhError::PublicValue));
}

#[test]
fn both_sides_share_one_secret_that_another_library_confirms() {
    for group in [
        Group::known(3).unwrap(),
        Group::known(4).unwrap(),
        check(&other_prime(), 2).unwrap(),
    ] {
        let mut rng = rng(7);
        let (a, g_a) = group.generate(&mut rng);
        let (b, g_b) = group.generate(&mut rng);
        let shared = group.shared(&g_a, &b);
        assert_eq!(shared, group.shared(&g_b, &a));

        let p = BigUint::from_bytes_be(&group.prime());
        let secret = BigUint::from_bytes_be(&self::rng(7).array::<256>());
        let g = BigUint::from(group.generator());
        assert_eq!(
            BigUint::from_bytes_be(&g_a.to_bytes()),
            g.modpow(&secret, &p)
        );
        let g_b = BigUint::from_bytes_be(&g_b.to_bytes());
        assert_eq!(BigUint::from_bytes_be(&shared[..]), g_b.modpow(&secret, &p));
    }
}

#[test]
fn powers_are_padded_on_the_left() {
    let group = Group::known(3).unwrap();
    let mut two = [0; 256];
    two[255] = 2;
    let nine = group.pow(&[3], &Exponent::from_bytes(&two)).unwrap();
    assert_eq!(nine[..255], [0; 255]);
    assert_eq!(nine[255], 9);
    assert_eq!(group.pow(&[1; 257], &Exponent::from_bytes(&two)), None);
}

// RSA.

#[test]
fn what_is_encrypted_to_a_key_is_opened_by_it() {
    let key = RsaPrivateKey::from_pem(KEY).unwrap();
    let mut rng = rng(8);
    for len in [0, 1, 96, 100, MAX_DATA] {
        let data = vec![0xda; len];
        let encrypted = key.public().pad_encrypt(&data, &mut rng).unwrap();
        let opened = key.decrypt_inner(&encrypted).unwrap();
        assert_eq!(opened.data().len(), 192);
        assert_eq!(opened.data()[..len], data);
        assert_eq!(opened.check(len), Ok(()));
        assert_eq!(opened.check(193), Err(RsaError::Padding));
    }
    let got = MAX_DATA + 1;
    let refused = key.public().pad_encrypt(&vec![0; got], &mut rng);
    assert_eq!(refused, Err(RsaError::DataTooLong { got, max: MAX_DATA }));
}

#[test]
fn the_padding_of_old_clients_is_opened_and_its_hash_checked() {
    let key = RsaPrivateKey::from_pem(KEY).unwrap();
    let data = [0x5a; 96];
    let mut value = [0; 256];
    value[1..21].copy_from_slice(&<sha1::Sha1 as sha1::Digest>::digest(data));
    value[21..117].copy_from_slice(&data);
    value[117..].copy_from_slice(&rng(9).array::<139>());

    let opened = key
        .decrypt_inner(&key.public().apply(&value).unwrap())
        .unwrap();

    assert_eq!(opened.data()[..96], data);
    assert_eq!(opened.check(96), Ok(()));
    assert_eq!(opened.check(95), Err(RsaError::Padding));
    assert_eq!(opened.check(97), Err(RsaError::Padding));
    assert_eq!(opened.check(usize::MAX), Err(RsaError::Padding));
}

#[test]
fn hostile_encrypted_values_are_refused() {
    let key = RsaPrivateKey::from_pem(KEY).unwrap();
    for got in [0, 1, 255, 257, 512] {
        assert_eq!(
            key.decrypt_inner(&vec![1; got]).unwrap_err(),
            RsaError::ValueSize { got }
        );
    }
    let modulus = key.public().modulus();
    assert_eq!(
        key.decrypt_inner(&modulus).unwrap_err(),
        RsaError::ValueTooLarge
    );
    assert_eq!(
        key.decrypt_inner(&[0xff; 256]).unwrap_err(),
        RsaError::ValueTooLarge
    );
    // 0, 1 and n − 1 are their own powers.
    let mut one = [0; 256];
    one[255] = 1;
    for fixed in [[0; 256], one] {
        assert_eq!(*key.apply(&fixed).unwrap(), fixed);
        assert_eq!(
            key.decrypt_inner(&fixed).unwrap().check(96),
            Err(RsaError::Padding)
        );
    }
    let mut largest = modulus;
    largest[255] -= 1;
    assert_eq!(key.decrypt_inner(&largest).unwrap_err(), RsaError::Padding);
    // Of a flipped bit nothing is left.
    let good = key.public().pad_encrypt(&[3; 100], &mut rng(10)).unwrap();
    for bit in [7, 100, 1000, 2047] {
        let mut bad = good;
        bad[bit / 8] ^= 0x80 >> (bit % 8);
        if let Ok(opened) = key.decrypt_inner(&bad) {
            assert_eq!(opened.check(100), Err(RsaError::Padding), "bit {bit}");
        }
    }
}

#[test]
fn the_private_operation_agrees_with_another_library() {
    let key = RsaPrivateKey::from_pem(KEY).unwrap();
    let n = BigUint::from_bytes_be(&key.public().modulus());
    let e = BigUint::from(key.public().exponent());
    let mut rng = rng(11);
    for round in 0..8 {
        let mut value: [u8; 256] = rng.array();
        value[0] = 0;
        let root = BigUint::from_bytes_be(&key.apply(&value).unwrap()[..]);
        let undone = root.modpow(&e, &n);
        assert_eq!(
            undone,
            BigUint::from_bytes_be(&value),
            "seed 11, round {round}"
        );
    }
}

#[test]
fn keys_survive_their_text_form() {
    let key = RsaPrivateKey::from_pem(KEY).unwrap();
    assert_eq!(*key.to_pem(), KEY);
    let public = RsaPublicKey::from_pem(&key.public().to_pem()).unwrap();
    assert_eq!(&public, key.public());
    assert_eq!(public.fingerprint(), key.fingerprint());
    let spaced = format!("\n  {}\n\n", key.public().to_pem());
    assert_eq!(RsaPublicKey::from_pem(&spaced).unwrap(), public);
}

#[test]
fn text_that_is_no_key_is_refused() {
    let key = RsaPrivateKey::from_pem(KEY).unwrap();
    let pem = key.public().to_pem();
    assert_eq!(RsaPublicKey::from_pem("").unwrap_err(), RsaError::Pem);
    assert_eq!(RsaPublicKey::from_pem("hello").unwrap_err(), RsaError::Pem);
    assert_eq!(RsaPublicKey::from_pem(KEY).unwrap_err(), RsaError::Pem);
    assert_eq!(RsaPrivateKey::from_pem(&pem).unwrap_err(), RsaError::Pem);
    for cut in 0..pem.trim().len() {
        assert!(RsaPublicKey::from_pem(&pem[..cut]).is_err(), "{cut} bytes");
    }
    for cut in (0..KEY.trim().len()).step_by(13) {
        assert!(RsaPrivateKey::from_pem(&KEY[..cut]).is_err(), "{cut} bytes");
    }
}

#[test]
fn numbers_that_make_no_key_are_refused() {
    let e = [1, 0, 1];
    let modulus = RsaPrivateKey::from_pem(KEY).unwrap().public().modulus();
    let size = |got| RsaError::ModulusSize { got };
    let of = |n: &[u8], e: &[u8]| RsaPublicKey::from_components(n, e).unwrap_err();
    assert_eq!(of(&[], &e), size(0));
    assert_eq!(of(&modulus[..255], &e), size(2040));
    assert_eq!(of(&[&[1], &modulus[..]].concat(), &e), size(2056));
    let mut even = modulus;
    even[255] &= !1;
    assert_eq!(of(&even, &e), RsaError::InvalidKey);
    for bad in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert_eq!(of(&modulus, bad), RsaError::InvalidKey, "{bad:?}");
    }
    // A private key with a number changed: the file contradicts itself.
    let der = <base64ct::Base64 as base64ct::Encoding>::decode_vec(
        &KEY.lines()
            .filter(|line| !line.starts_with('-'))
            .collect::<String>(),
    )
    .unwrap();
    let prime = 4 + 3 + 4 + 257 + 5 + 4 + 256 + 4;
    for at in [100, prime + 60, prime + 200] {
        let mut bad = der.clone();
        bad[at] ^= 4;
        let base64 = <base64ct::Base64 as base64ct::Encoding>::encode_string(&bad);
        let lines: Vec<_> = base64
            .as_bytes()
            .chunks(64)
            .map(|l| str::from_utf8(l).unwrap())
            .collect();
        let pem = format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
            lines.join("\n")
        );
        assert_eq!(
            RsaPrivateKey::from_pem(&pem).unwrap_err(),
            RsaError::InvalidKey,
            "byte {at}"
        );
    }
}

#[test]
fn a_new_key_depends_on_the_seed_only() {
    let key = RsaPrivateKey::generate(&mut rng(12));
    assert_eq!(
        *key.to_pem(),
        *RsaPrivateKey::generate(&mut rng(12)).to_pem(),
        "seed 12"
    );
    assert_eq!(
        *RsaPrivateKey::from_pem(&key.to_pem()).unwrap().to_pem(),
        *key.to_pem()
    );
    let encrypted = key.public().pad_encrypt(&[1, 2, 3], &mut rng(13)).unwrap();
    assert_eq!(
        key.decrypt_inner(&encrypted).unwrap().data()[..3],
        [1, 2, 3]
    );
}
