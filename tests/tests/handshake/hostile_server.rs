//! H1 to H6: what a server, or someone on the wire, may send to our client.

use mtproto_proto::crypto::FactorError;
use mtproto_proto::crypto::dh::DhError;
use mtproto_proto::handshake::{
    ClientHandshake, Error, MAX_RETRIES, PlainError, PlainMessage, Step, client,
};
use mtproto_proto::{Rng, Time};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{DecodeError, Encode};
use num_bigint::BigUint;
use sha1::{Digest, Sha1};

use super::puppets::{
    PuppetServer, before_dh_gen, before_dh_params, before_res_pq, bytes, new_client, with_hash,
};
use super::support::{
    ANSWER, Server, client_config, foreign_key, next, object, plain, refused, rng, seconds, start,
};

#[test]
fn h1_an_encrypted_answer_of_any_wrong_length_is_an_error() {
    for got in (0..=96).chain([591, 593, 600, 639]) {
        let (client, server, _) = before_dh_params();
        let error = refused(client, &plain(&server.params(vec![0x5c; got])));
        if got % 16 != 0 || got < 20 {
            assert_eq!(error, Error::EncryptedLength { got });
        } else {
            assert!(matches!(error, Error::Decode(_)), "{got} bytes: {error:?}");
        }
    }
}

#[test]
fn h2_a_pq_that_is_no_product_of_two_primes_ends_in_bounded_time() {
    let pq = |pq: u64| pq.to_be_bytes().to_vec();
    let (p31, p32, p63) = (2_147_483_647, 4_294_967_291, 9_223_372_036_854_775_783);
    let length = |got| Error::PqLength { got, max: 8 };
    let cases = [
        (vec![], length(0)),
        (vec![0; 9], length(9)),
        (vec![0xff; 1000], length(1000)),
        (vec![0], Error::Pq(FactorError::NotOddProduct)),
        (vec![1], Error::Pq(FactorError::NotOddProduct)),
        (vec![3], Error::Pq(FactorError::Prime)),
        (vec![9], Error::Pq(FactorError::Square)),
        (pq(0), Error::Pq(FactorError::NotOddProduct)),
        (pq(2 * p31), Error::Pq(FactorError::NotOddProduct)),
        (pq(p31), Error::Pq(FactorError::Prime)),
        (pq(p63), Error::Pq(FactorError::Prime)),
        (pq(p31 * p31), Error::Pq(FactorError::Square)),
        (
            pq(3_037_000_493 * 3_037_000_493),
            Error::Pq(FactorError::Square),
        ),
        (
            pq(1_000_003 * 1_000_033 * 1_000_037),
            Error::Pq(FactorError::ManyFactors),
        ),
        (pq(1 << 63), Error::Pq(FactorError::TooLarge)),
        (pq((1 << 63) + 29), Error::Pq(FactorError::TooLarge)),
        (pq(p32 * p32), Error::Pq(FactorError::TooLarge)),
        (pq(u64::MAX), Error::Pq(FactorError::TooLarge)),
    ];
    for (pq, expected) in cases {
        let (client, _, mut answer) = before_res_pq();
        answer.pq = bytes(&pq);
        assert_eq!(refused(client, &plain(&answer)), expected, "{pq:x?}");
    }
}

#[test]
fn h2_a_pq_of_any_length_is_repeated_as_it_was_sent() {
    for pq in [&[15][..], &[0, 0, 15], &[0, 0, 0, 0, 0, 0, 0, 15]] {
        let (client, server, mut answer) = before_res_pq();
        answer.pq = bytes(pq);
        let client = next(client, &plain(&answer));
        let question: functions::ReqDhParams = object(client.query());
        assert_eq!((&question.p[..], &question.q[..]), (&[3][..], &[5][..]));
        let opened = server.key.decrypt_inner(&question.encrypted_data).unwrap();
        let (inner, _) = super::support::first::<types::PQInnerDataDc>(opened.data());
        assert_eq!(
            (&inner.pq[..], &inner.p[..], &inner.q[..]),
            (pq, &[3][..], &[5][..])
        );
    }
}

/// The client's judgement of a group and a public value.
fn group(prime: &BigUint, g: i32, g_a: &BigUint) -> Result<(), Error> {
    let (client, server, mut inner) = before_dh_params();
    inner.dh_prime = bytes(&prime.to_bytes_be());
    inner.g = g;
    inner.g_a = bytes(&g_a.to_bytes_be());
    let packet = plain(&server.sealed_bytes(with_hash(&inner.to_bytes())));
    client.handle(start(), &packet, &mut rng(1)).map(|_| ())
}

fn known_prime() -> BigUint {
    BigUint::from_bytes_be(&PuppetServer::new().group.prime())
}

fn power_of_two(exponent: u32) -> BigUint {
    BigUint::from(1u8) << exponent
}

#[test]
fn h3_unsafe_primes_are_refused() {
    let size = |got| Err(Error::Dh(DhError::PrimeSize { got }));
    let composite = Err(Error::Dh(DhError::NotSafePrime));
    let (known, two) = (known_prime(), BigUint::from(2u8));
    for (prime, expected) in [
        (BigUint::ZERO, size(0)),
        (&known >> 47, size(2001)),
        (&known << 2048, size(4096)),
        (&known + &known, size(2049)),
        (&known - BigUint::from(1u8), composite.clone()),
        (power_of_two(2047) + power_of_two(1000), composite.clone()),
        (BigUint::from(3u8).pow(1292), composite.clone()),
        (&known + &two, composite.clone()),
    ] {
        assert_eq!(group(&prime, 4, &(&prime >> 1)), expected, "{prime:x}");
    }
}

#[test]
fn h3_a_prime_whose_half_is_composite_is_refused() {
    // 2^2047 + 1919 is a prime, found with another library; half of it is not.
    let prime = power_of_two(2047) + 1_919u32;
    let fermat = |n: &BigUint| BigUint::from(2u8).modpow(&(n - 1u8), n) == BigUint::from(1u8);
    assert!(fermat(&prime) && !fermat(&(&prime >> 1)));
    let refused = Err(Error::Dh(DhError::NotSafePrime));
    assert_eq!(group(&prime, 4, &(&prime >> 1)), refused);
}

#[test]
fn h3_generators_that_do_not_fit_are_refused() {
    let prime = known_prime();
    for got in [i32::MIN, -1, 0, 1, 2, 5, 6, 8, 1_000_003, i32::MAX] {
        let refused = Err(Error::Dh(DhError::Generator { got }));
        assert_eq!(group(&prime, got, &(&prime >> 1)), refused);
    }
    for g in [3, 4, 7] {
        assert_eq!(group(&prime, g, &(&prime >> 1)), Ok(()));
    }
}

#[test]
fn h3_public_values_out_of_range_are_refused() {
    let (prime, margin) = (known_prime(), power_of_two(1984));
    let one = BigUint::from(1u8);
    for inside in [margin.clone(), &prime - &margin] {
        assert_eq!(group(&prime, 3, &inside), Ok(()), "{inside:x}");
    }
    for outside in [
        BigUint::ZERO,
        one.clone(),
        &margin - &one,
        &prime - &margin + &one,
        &prime - &one,
        prime.clone(),
        &prime + &margin,
        &prime << 64,
    ] {
        let refused = Err(Error::Dh(DhError::PublicValue));
        assert_eq!(group(&prime, 3, &outside), refused, "{outside:x}");
    }
}

#[test]
fn h4_nonces_must_return_at_every_step() {
    let flip = |nonce: &mut [u8; 16], bit: usize| nonce[bit / 8] ^= 1 << (bit % 8);
    for bit in [0, 7, 64, 127] {
        let (client, _, mut answer) = before_res_pq();
        flip(&mut answer.nonce, bit);
        assert_eq!(refused(client, &plain(&answer)), Error::Nonce);

        for (which, error) in [(0, Error::Nonce), (1, Error::ServerNonce)] {
            let (client, server, inner) = before_dh_params();
            let mut answer = server.sealed(&inner);
            flip([&mut answer.nonce, &mut answer.server_nonce][which], bit);
            assert_eq!(
                refused(client, &plain(&answer)),
                error,
                "outside, bit {bit}"
            );

            let (client, server, mut inner) = before_dh_params();
            flip([&mut inner.nonce, &mut inner.server_nonce][which], bit);
            assert_eq!(
                refused(client, &plain(&server.sealed(&inner))),
                error,
                "inside"
            );

            let (client, server, _) = before_dh_params();
            let mut fail = refusal(&server);
            flip([&mut fail.nonce, &mut fail.server_nonce][which], bit);
            assert_eq!(
                refused(client, &plain(&fail)),
                error,
                "server_DH_params_fail"
            );

            let (client, server, key) = before_dh_gen();
            let mut answer = server.ok(&key);
            flip([&mut answer.nonce, &mut answer.server_nonce][which], bit);
            assert_eq!(refused(client, &plain(&answer)), error, "dh_gen_ok");
        }
        let (client, server, key) = before_dh_gen();
        let mut answer = server.ok(&key);
        flip(&mut answer.new_nonce_hash1, bit);
        assert_eq!(refused(client, &plain(&answer)), Error::NewNonceHash);
    }
}

fn refusal(server: &PuppetServer) -> types::ServerDhParamsFail {
    types::ServerDhParamsFail {
        nonce: server.nonce,
        server_nonce: server.server_nonce,
        new_nonce_hash: Sha1::digest(server.new_nonce)[4..20].try_into().unwrap(),
    }
}

#[test]
fn h4_a_refusal_is_believed_only_with_its_hash() {
    let (client, server, _) = before_dh_params();
    assert_eq!(
        refused(client, &plain(&refusal(&server))),
        Error::DhParamsFail
    );
    let (client, server, _) = before_dh_params();
    let mut forged = refusal(&server);
    forged.new_nonce_hash[15] ^= 1;
    assert_eq!(refused(client, &plain(&forged)), Error::NewNonceHash);
}

#[test]
fn h4_nonces_have_16_bytes_even_with_leading_zeros() {
    let mut rng = Rng::scripted(&[0; 16]);
    let client = ClientHandshake::new(client_config(), start(), &mut rng);
    let mut server = PuppetServer::new();
    server.server_nonce = [0; 16];
    server.server_nonce[15] = 1;
    let answer = server.res_pq(client.query());
    let client = next(client, &plain(&answer));
    assert_eq!(server.nonce, [0; 16]);
    let inner = server.inner(client.query());
    let client = next(client, &plain(&server.sealed(&inner)));
    let (_, key) = server.key_of(client.query());
    let end = client
        .handle(start(), &plain(&server.ok(&key)), &mut rng)
        .unwrap();
    assert!(matches!(end, Step::Complete(complete) if complete.key == key));
}

#[test]
fn h4_messages_of_other_steps_are_refused_at_every_step() {
    let (_, mut server, inner) = before_dh_params();
    let res_pq = plain(&server.res_pq(new_client().query()));
    let (_, server_after, key) = before_dh_gen();
    let messages = [
        res_pq,
        plain(&server.sealed(&inner)),
        plain(&refusal(&server)),
        plain(&server_after.ok(&key)),
        plain(&server_after.retry(&key)),
        plain(&server_after.fail(&key)),
        plain(&types::MsgsAck { msg_ids: vec![1] }),
        plain(&functions::ReqPqMulti { nonce: [0; 16] }),
        PlainMessage::write(ANSWER, &[]),
    ];
    for (at, message) in messages.iter().enumerate() {
        let foreign = |error: Error| assert!(matches!(error, Error::Decode(_)), "{at}: {error:?}");
        if at != 0 {
            foreign(refused(new_client(), message));
        }
        if ![1, 2].contains(&at) {
            foreign(refused(before_dh_params().0, message));
        }
        if ![3, 4, 5].contains(&at) {
            foreign(refused(before_dh_gen().0, message));
        }
    }
}

#[test]
fn h4_messages_that_end_early_are_refused_at_every_length() {
    let shorter = |packet: Vec<u8>, client: &dyn Fn() -> ClientHandshake| {
        for cut in 0..packet.len() {
            let error = refused(client(), &packet[..cut]);
            assert!(matches!(error, Error::Plain(_)), "{cut} bytes: {error:?}");
        }
        let body = &packet[20..];
        for cut in (0..body.len()).step_by(1 + body.len() / 100) {
            let error = refused(client(), &PlainMessage::write(ANSWER, &body[..cut]));
            assert!(
                matches!(error, Error::Decode(_)),
                "body of {cut} bytes: {error:?}"
            );
        }
    };
    let (_, _, answer) = before_res_pq();
    shorter(plain(&answer), &new_client);
    let (_, server, inner) = before_dh_params();
    // The states behind cost milliseconds each: reach them once per packet, by the same seed.
    let packet = plain(&server.sealed(&inner));
    let cheap = |packet: &[u8]| refused(before_dh_params().0, packet);
    for cut in [0, 7, 8, 19, 20, 24, 40, 56, 59, 60, 300, packet.len() - 1] {
        assert!(matches!(cheap(&packet[..cut]), Error::Plain(_)), "{cut}");
        let body = &packet[20.min(cut)..cut];
        assert!(
            matches!(cheap(&PlainMessage::write(ANSWER, body)), Error::Decode(_)),
            "{cut}"
        );
    }
}

#[test]
fn h4_envelopes_that_lie_are_refused() {
    let (_, _, answer) = before_res_pq();
    let packet = plain(&answer);
    let with = |at: usize, new: &[u8]| {
        let mut packet = packet.clone();
        packet[at..at + new.len()].copy_from_slice(new);
        refused(new_client(), &packet)
    };
    let max = packet.len() - 20;
    for got in [-1, i32::MIN, i32::MAX, i32::try_from(max).unwrap() + 1] {
        let error = Error::Plain(PlainError::Length { got, max });
        assert_eq!(with(16, &got.to_le_bytes()), error);
    }
    assert_eq!(with(0, &[1]), Error::Plain(PlainError::Encrypted));
    let long = [&packet[..], &[0; 8192]].concat();
    let error = Error::Plain(PlainError::TooLong {
        got: long.len(),
        max: 8192,
    });
    assert_eq!(refused(new_client(), &long), error);
}

#[test]
fn h4_trailing_bytes_in_encrypted_answers_are_refused() {
    // 16 bytes more than fill the last block.
    let (client, server, inner) = before_dh_params();
    let mut answer = with_hash(&inner.to_bytes());
    let got = answer.len() - 20 - inner.to_bytes().len() + 16;
    answer.extend([0; 16]);
    let error = refused(client, &plain(&server.sealed_bytes(answer)));
    assert_eq!(error, Error::Padding { got, max: 15 });
}

#[test]
fn h4_a_wrong_hash_of_the_inner_data_is_refused() {
    for at in [0, 19] {
        let (client, server, inner) = before_dh_params();
        let mut answer = with_hash(&inner.to_bytes());
        answer[at] ^= 1;
        assert_eq!(
            refused(client, &plain(&server.sealed_bytes(answer))),
            Error::Hash
        );
    }
    // The hash covers the object alone, whatever the padding is.
    let (client, server, inner) = before_dh_params();
    let mut answer = with_hash(&inner.to_bytes());
    *answer.last_mut().unwrap() ^= 0xff;
    let _ = next(client, &plain(&server.sealed_bytes(answer)));
}

#[test]
fn h4_a_claim_of_many_fingerprints_is_refused_before_they_are_read() {
    let (client, _, answer) = before_res_pq();
    let mut packet = plain(&answer);
    let count = packet.len() - 3 * 8 - 4;
    packet[count..count + 4].copy_from_slice(&(1u32 << 24).to_le_bytes());
    let error = Error::Decode(DecodeError::Count {
        got: 1 << 24,
        max: 3,
    });
    assert_eq!(refused(client, &packet), error);
}

#[test]
fn h4_a_server_with_other_keys_is_named_with_what_it_offers() {
    let (client, _, mut answer) = before_res_pq();
    answer.server_public_key_fingerprints = (1..=900).collect();
    let offered = (1..=8).collect();
    assert_eq!(
        refused(client, &plain(&answer)),
        Error::UnknownFingerprints { offered }
    );

    let (_, _, answer) = before_res_pq();
    for keys in [vec![], vec![foreign_key()]] {
        let config = client::Config {
            keys,
            ..client_config()
        };
        let client = ClientHandshake::new(config, start(), &mut rng(22));
        let error = refused(client, &plain(&answer));
        let offered = answer.server_public_key_fingerprints.clone();
        assert_eq!(error, Error::UnknownFingerprints { offered });
    }
}

#[test]
fn h5_retries_end() {
    let (mut client, server, mut key) = before_dh_gen();
    let mut hashes = vec![key.aux_hash()];
    for round in 1..=MAX_RETRIES {
        client = next(client, &plain(&server.retry(&key)));
        let (data, new_key) = server.key_of(client.query());
        assert_eq!(data.retry_id.to_le_bytes(), key.aux_hash(), "round {round}");
        key = new_key;
        assert!(!hashes.contains(&key.aux_hash()));
        hashes.push(key.aux_hash());
    }
    let error = refused(client, &plain(&server.retry(&key)));
    assert_eq!(error, Error::TooManyRetries { max: MAX_RETRIES });
}

#[test]
fn h5_a_failure_is_an_error() {
    let (client, server, key) = before_dh_gen();
    assert_eq!(
        refused(client, &plain(&server.fail(&key))),
        Error::DhGenFail
    );
}

#[test]
fn h5_the_hash_of_another_answer_is_refused() {
    let hashes = |server: &PuppetServer, key: &mtproto_proto::crypto::AuthKey| {
        [1, 2, 3].map(|number| key.new_nonce_hash(&server.new_nonce, number))
    };
    for (kind, wrong) in [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)] {
        let (client, server, key) = before_dh_gen();
        let hash = hashes(&server, &key)[wrong - 1];
        let packet = match kind {
            1 => plain(&types::DhGenOk {
                new_nonce_hash1: hash,
                ..server.ok(&key)
            }),
            2 => plain(&types::DhGenRetry {
                new_nonce_hash2: hash,
                ..server.retry(&key)
            }),
            _ => plain(&types::DhGenFail {
                new_nonce_hash3: hash,
                ..server.fail(&key)
            }),
        };
        assert_eq!(
            refused(client, &packet),
            Error::NewNonceHash,
            "{kind} with hash {wrong}"
        );
    }
}

#[test]
fn h5_an_old_answer_to_a_new_key_is_refused() {
    let (client, server, key) = before_dh_gen();
    let client = next(client, &plain(&server.retry(&key)));
    assert_eq!(
        refused(client, &plain(&server.ok(&key))),
        Error::NewNonceHash
    );
}

#[test]
fn h6_silence_at_any_step_ends_at_the_deadline() {
    let check = |client: &ClientHandshake, from: Time| {
        assert_eq!(client.deadline(), from + seconds(10));
        for early in [start(), from, from + seconds(9)] {
            assert_eq!(client.handle_timeout(early), Ok(()));
        }
        for late in [from + seconds(10), from + seconds(3600), Time::MAX] {
            assert_eq!(client.handle_timeout(late), Err(Error::TimedOut));
        }
    };
    check(&new_client(), start());
    check(&before_dh_params().0, start());
    let (mut client, ..) = before_dh_gen();
    check(&client, start());
    // A new stream gives new time, and the same question.
    let query = client.query().to_vec();
    client.restart_deadline(start() + seconds(60));
    check(&client, start() + seconds(60));
    assert_eq!(client.query(), query);
}

#[test]
fn h6_a_resumed_handshake_asks_byte_for_byte_and_gets_the_same_answer() {
    let mut server = Server::new(7);
    let mut rng = rng(7);
    let mut client = ClientHandshake::new(client_config(), start(), &mut rng);
    loop {
        let lost = server.packet(client.query());
        client.restart_deadline(start() + seconds(5));
        let found = server.packet(client.query());
        assert_eq!(lost, found);
        match client
            .handle(start() + seconds(6), &found, &mut rng)
            .unwrap()
        {
            Step::Continue(next) => client = next,
            Step::Complete(complete) => {
                assert_eq!(complete.at, start() + seconds(6));
                return;
            }
        }
    }
}
