//! What a client's hello looks like.

use std::collections::BTreeSet;

use mtproto_proto::Time;
use mtproto_proto::transport::{MAX_CLIENT_HELLO, MAX_DOMAIN, ProxySecret};
use num_bigint::BigUint;

use super::super::support::{SECRET, rng};
use super::{DOMAIN, NOW, client_of, hello, hmac};

/// A hello, taken apart.
struct Read {
    session_id: Vec<u8>,
    cipher_suites: Vec<u16>,
    extensions: Vec<(u16, Vec<u8>)>,
}

struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn number(&mut self, bytes: usize) -> usize {
        let all = self.take(bytes);
        all.iter().fold(0, |n, byte| n << 8 | usize::from(*byte))
    }

    fn block(&mut self, bytes: usize) -> &'a [u8] {
        let len = self.number(bytes);
        self.take(len)
    }
}

fn numbers(bytes: &[u8]) -> Vec<u16> {
    let (pairs, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
}

fn read(hello: &[u8]) -> Read {
    let mut record = Cut(hello);
    assert_eq!(record.take(3), [0x16, 3, 1]);
    let mut message = Cut(record.block(2));
    assert!(record.0.is_empty());
    assert_eq!(message.take(1), [1]);
    let mut body = Cut(message.block(3));
    assert!(message.0.is_empty());
    assert_eq!(body.take(2), [3, 3]);
    body.take(32);
    let session_id = body.block(1).to_vec();
    let cipher_suites = numbers(body.block(2));
    assert_eq!(body.block(1), [0]);
    let mut left = Cut(body.block(2));
    assert!(body.0.is_empty());
    let mut extensions = Vec::new();
    while !left.0.is_empty() {
        let kind = left.number(2) as u16;
        extensions.push((kind, left.block(2).to_vec()));
    }
    Read {
        session_id,
        cipher_suites,
        extensions,
    }
}

fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

/// Whether there is a point of Curve25519 with this x; for a point of its twist there is none.
fn is_on_curve(x: &[u8]) -> bool {
    let p = (BigUint::from(1_u8) << 255) - 19_u8;
    let x = BigUint::from_bytes_le(x);
    assert!(x < p);
    let y2 = (&x * &x * &x + &x * &x * 486_662_u32 + &x) % &p;
    let half = (&p - 1_u8) / 2_u8;
    y2.modpow(&half, &p) == BigUint::from(1_u8)
}

#[test]
fn t5_a_hello_is_signed_with_the_secret_and_the_time() {
    for seed in 0..10 {
        let mut hello = hello(seed);
        let sent = hello[11..43].to_vec();
        hello[11..43].fill(0);
        let digest = hmac(&SECRET, &hello);
        assert_eq!(sent[..28], digest[..28]);
        let time: Vec<u8> = sent[28..]
            .iter()
            .zip(&digest[28..])
            .map(|(a, b)| a ^ b)
            .collect();
        assert_eq!(time, (NOW.unix() as u32).to_le_bytes());
    }
}

#[test]
fn a_hello_is_like_a_browsers() {
    let mut orders = BTreeSet::new();
    let mut lens = BTreeSet::new();
    for seed in 0..30 {
        let wire = hello(seed);
        let read = read(&wire);
        lens.insert(wire.len());
        assert!(
            (1_600..2_200).contains(&wire.len()),
            "seed {seed}: {}",
            wire.len()
        );
        assert_eq!(read.session_id.len(), 32);
        assert!(is_grease(read.cipher_suites[0]), "seed {seed}");
        assert_eq!(read.cipher_suites[1..4], [0x1301, 0x1302, 0x1303]);
        assert_eq!(read.cipher_suites.len(), 16);

        let kinds: Vec<u16> = read.extensions.iter().map(|(kind, _)| *kind).collect();
        let all: BTreeSet<_> = kinds.iter().copied().collect();
        assert_eq!(all.len(), kinds.len(), "seed {seed}: one comes twice");
        let (first, last) = (kinds[0], kinds[kinds.len() - 1]);
        assert!(is_grease(first) && is_grease(last), "seed {seed}");
        let inner = &kinds[1..kinds.len() - 1];
        assert!(!inner.iter().any(|kind| is_grease(*kind)));
        assert_eq!(inner.len(), 16);
        orders.insert(inner.to_vec());

        let find = |kind: u16| &read.extensions.iter().find(|e| e.0 == kind).unwrap().1[..];
        assert_eq!(find(0), &super::server_name(DOMAIN.as_bytes())[4..]);
        let mut groups = Cut(find(0x0a));
        let groups = numbers(groups.block(2));
        assert!(is_grease(groups[0]));
        assert_eq!(groups[1..], [0x11ec, 0x001d, 0x0017, 0x0018]);
        let versions = find(0x2b);
        assert_eq!(versions[0], 6);
        assert_eq!(numbers(&versions[3..]), [0x0304, 0x0303]);

        let mut shares = Cut(find(0x33));
        let mut shares = Cut(shares.block(2));
        assert_eq!(
            shares.number(2) as u16,
            groups[0],
            "the same that means nothing"
        );
        assert_eq!(shares.block(2), [0]);
        assert_eq!(shares.number(2), 0x11ec);
        let hybrid = shares.block(2);
        assert_eq!(hybrid.len(), 1_184 + 32);
        for three in hybrid[..1_152].chunks(3) {
            let a = u16::from(three[0]) | u16::from(three[1] & 0x0f) << 8;
            let b = u16::from(three[1] >> 4) | u16::from(three[2]) << 4;
            assert!(a < 3_329 && b < 3_329, "seed {seed}: {a} {b}");
        }
        assert_eq!(shares.number(2), 0x1d);
        let share = shares.block(2);
        assert!(shares.0.is_empty());
        let mut outer = Cut(find(0xfe0d));
        assert_eq!(outer.take(5), [0, 0, 1, 0, 1]);
        outer.take(1);
        let encapsulated = outer.block(2);
        assert!([144, 176, 208, 240].contains(&outer.block(2).len()));
        for point in [&hybrid[1_184..], share, encapsulated] {
            assert_eq!(point.len(), 32);
            assert!(is_on_curve(point), "seed {seed}");
        }
    }
    assert!(orders.len() > 25, "the order is drawn each time");
    assert_eq!(lens.len(), 4, "one for each length of the encrypted hello");
}

#[test]
fn one_seed_gives_the_same_hello_and_another_seed_another() {
    assert_eq!(hello(1), hello(1));
    assert_ne!(hello(1), hello(2));
}

#[test]
fn t5_the_longest_domain_and_any_time_fit() {
    for domain in [
        "d".repeat(MAX_DOMAIN),
        "d".into(),
        "b\u{fc}cher.example".into(),
    ] {
        for time in [Time::ZERO, NOW, Time::MAX] {
            let secret = ProxySecret::fake_tls(SECRET, &domain).unwrap();
            let mut rng = rng(3);
            let mut client = client_of(secret, &mut rng);
            assert!(client.wants_hello());
            let mut wire = b"before".to_vec();
            assert!(client.write_hello(time, &mut rng, &mut wire));
            assert!(wire.len() <= MAX_CLIENT_HELLO + 5);
            let read = read(&wire[6..]);
            let name = &read.extensions.iter().find(|e| e.0 == 0).unwrap().1;
            assert_eq!(name[5..], *domain.as_bytes());

            // Once.
            let before = wire.len();
            assert!(!client.wants_hello());
            assert!(!client.write_hello(time, &mut rng, &mut wire));
            assert_eq!(wire.len(), before);
        }
    }
}
