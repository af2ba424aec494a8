//! H7: what any peer may send to our server.

use mtproto_proto::crypto::RsaError;
use mtproto_proto::crypto::dh::DhError;
use mtproto_proto::handshake::server::{LIFETIME, MAX_RESTARTS};
use mtproto_proto::handshake::{ClientHandshake, Error, PlainError, PlainMessage, ServerHandshake};
use mtproto_proto::{DcId, MsgId, Time};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Bytes, Encode};
use num_bigint::BigUint;

use super::puppets::{PuppetClient, bytes, with_hash};
use super::support::{ANSWER, Server, client_config, plain, private_key, rng, seconds, start};

/// The server's error for a second question that was changed.
fn second(change: impl FnOnce(&mut functions::ReqDhParams)) -> Error {
    let mut c = PuppetClient::new(1);
    let encrypted = c.padded(&c.inner());
    let mut question = c.question(&encrypted);
    change(&mut question);
    c.server.error(&plain(&question))
}

/// The server's error for contents of the second question that were changed.
fn second_inside(change: impl FnOnce(&mut types::PQInnerDataDc)) -> Error {
    let mut c = PuppetClient::new(2);
    let mut inner = c.inner();
    change(&mut inner);
    let encrypted = c.padded(&inner);
    c.server.error(&plain(&c.question(&encrypted)))
}

/// The server's error for a third question that was changed.
fn third(change: impl FnOnce(&mut functions::SetClientDhParams)) -> Error {
    let mut c = PuppetClient::new(3).with_params();
    let (data, _) = c.key(0);
    let mut question = c.set(&data);
    change(&mut question);
    c.server.error(&plain(&question))
}

/// The server's error for contents of the third question that were changed.
fn third_inside(change: impl FnOnce(&mut types::ClientDhInnerData)) -> Error {
    let mut c = PuppetClient::new(4).with_params();
    let (mut data, _) = c.key(0);
    change(&mut data);
    c.server
        .error(&plain(&c.set_bytes(with_hash(&data.to_bytes()))))
}

#[test]
fn h7_wrong_nonces_are_refused_outside_and_inside() {
    assert_eq!(second(|q| q.nonce[0] ^= 1), Error::Nonce);
    assert_eq!(second(|q| q.server_nonce[15] ^= 0x80), Error::ServerNonce);
    assert_eq!(second_inside(|q| q.nonce[0] ^= 1), Error::Nonce);
    assert_eq!(
        second_inside(|q| q.server_nonce[15] ^= 0x80),
        Error::ServerNonce
    );
    assert_eq!(third(|q| q.nonce[0] ^= 1), Error::Nonce);
    assert_eq!(third(|q| q.server_nonce[15] ^= 0x80), Error::ServerNonce);
    assert_eq!(third_inside(|q| q.nonce[0] ^= 1), Error::Nonce);
    assert_eq!(
        third_inside(|q| q.server_nonce[15] ^= 0x80),
        Error::ServerNonce
    );
}

#[test]
fn h7_wrong_factors_are_refused_outside_and_inside() {
    let exchange = |p: &mut Bytes, q: &mut Bytes| std::mem::swap(p, q);
    assert_eq!(second(|q| exchange(&mut q.p, &mut q.q)), Error::Factors);
    assert_eq!(second(|q| q.p = bytes(&[])), Error::Factors);
    assert_eq!(second(|q| q.q = bytes(&[0xff; 300])), Error::Factors);
    assert_eq!(second(|q| q.p = bytes(&[1])), Error::Factors);
    assert_eq!(
        second_inside(|q| exchange(&mut q.p, &mut q.q)),
        Error::Factors
    );
    assert_eq!(second_inside(|q| q.pq = bytes(&[15])), Error::Factors);
    assert_eq!(second_inside(|q| q.pq = bytes(&[])), Error::Factors);
}

#[test]
fn h7_a_foreign_fingerprint_is_refused() {
    let got = private_key().fingerprint() ^ 1;
    let error = second(|q| q.public_key_fingerprint = got);
    assert_eq!(error, Error::ForeignFingerprint { got });
}

#[test]
fn h7_rsa_values_that_no_client_makes_are_refused() {
    for got in [0, 1, 255, 257, 1000] {
        let error = second(|q| q.encrypted_data = vec![1; got].into());
        assert_eq!(error, Error::Rsa(RsaError::ValueSize { got }));
    }
    let modulus = private_key().public().modulus();
    for large in [modulus, [0xff; 256]] {
        let error = second(|q| q.encrypted_data = bytes(&large));
        assert_eq!(error, Error::Rsa(RsaError::ValueTooLarge));
    }
    let broken = |value: [u8; 256]| second(|q| q.encrypted_data = bytes(&value));
    for seed in 0..6 {
        let mut random: [u8; 256] = rng(seed).array();
        random[0] &= 0x7f;
        assert_eq!(broken(random), Error::Rsa(RsaError::Padding), "seed {seed}");
    }
    // 0 is 0 again: it looks like the old padding, of nothing.
    assert!(matches!(broken([0; 256]), Error::Decode(_)));
}

#[test]
fn h7_contents_of_the_second_question_must_match_their_hash() {
    // RSA_PAD: everything is covered.
    let mut c = PuppetClient::new(5);
    let mut encrypted = c.padded(&c.inner());
    encrypted[200] ^= 1;
    let error = c.server.error(&plain(&c.question(&encrypted)));
    assert!(matches!(error, Error::Rsa(RsaError::Padding)), "{error:?}");
    // The old padding: the data are covered, the random bytes are not.
    let end = 21 + 100;
    for (at, good) in [
        (1, false),
        (20, false),
        (end - 1, false),
        (end, true),
        (255, true),
    ] {
        let mut c = PuppetClient::new(6);
        let data = c.inner().to_bytes();
        let mut value = [7; 256];
        value[0] = 0;
        value[1..21].copy_from_slice(&<sha1::Sha1 as sha1::Digest>::digest(&data));
        value[21..end].copy_from_slice(&data);
        value[at] ^= 1;
        let encrypted = private_key().public().apply(&value).unwrap();
        let result = c.server.handle(&plain(&c.question(&encrypted)));
        assert_eq!(result.is_ok(), good, "byte {at}");
    }
}

#[test]
fn h7_contents_of_the_second_question_must_be_one_of_four_objects() {
    let mut c = PuppetClient::new(7);
    let encrypted = c.padded(&types::Pong {
        msg_id: 1,
        ping_id: 2,
    });
    let error = c.server.error(&plain(&c.question(&encrypted)));
    assert!(matches!(error, Error::Decode(_)), "{error:?}");
}

#[test]
fn h7_another_data_centre_is_refused_with_its_own_code() {
    for (got, want) in [(3, 2), (10_003, 2), (-1, 2), (0, 2), (i32::MIN, 2), (2, 5)] {
        let mut c = PuppetClient::new(8);
        c.server.config.dc = Some(DcId(want));
        let mut inner = c.inner();
        inner.dc = got;
        let encrypted = c.padded(&inner);
        let error = c.server.error(&plain(&c.question(&encrypted)));
        assert_eq!(
            error,
            Error::WrongDc {
                got,
                want: DcId(want)
            }
        );
        assert_eq!(error.transport_code(), -444);
    }
}

#[test]
fn h7_every_other_refusal_has_the_code_of_an_unknown_key() {
    for error in [
        second(|q| q.nonce[0] ^= 1),
        second_inside(|q| q.pq = bytes(&[15])),
        third_inside(|q| q.retry_id = 1),
        Server::new(9).error(&[0; 10]),
        Error::TimedOut,
    ] {
        assert_eq!(error.transport_code(), -404, "{error}");
    }
}

#[test]
fn h7_encrypted_data_of_any_wrong_length_are_refused() {
    for got in (0..=64).chain([303, 305, 335]) {
        let error = third(|q| q.encrypted_data = vec![0x11; got].into());
        if got % 16 != 0 || got < 20 {
            assert_eq!(error, Error::EncryptedLength { got });
        } else {
            assert!(matches!(error, Error::Decode(_)), "{got} bytes: {error:?}");
        }
    }
}

#[test]
fn h7_contents_of_the_third_question_must_match_their_hash() {
    for at in [0, 19] {
        let mut c = PuppetClient::new(10).with_params();
        let (data, _) = c.key(0);
        let mut sealed = with_hash(&data.to_bytes());
        sealed[at] ^= 1;
        assert_eq!(c.server.error(&plain(&c.set_bytes(sealed))), Error::Hash);
    }
    let mut c = PuppetClient::new(11).with_params();
    let (data, _) = c.key(0);
    let mut sealed = with_hash(&data.to_bytes());
    let got = sealed.len() - 20 - data.to_bytes().len() + 16;
    sealed.extend([0; 16]);
    let error = c.server.error(&plain(&c.set_bytes(sealed)));
    assert_eq!(error, Error::Padding { got, max: 15 });
}

#[test]
fn h7_public_values_out_of_range_are_refused() {
    let prime = BigUint::from_bytes_be(&PuppetClient::new(12).group.prime());
    let margin = BigUint::from(1u8) << 1984;
    let one = BigUint::from(1u8);
    for g_b in [
        BigUint::ZERO,
        one.clone(),
        &margin - &one,
        &prime - &margin + &one,
        &prime - &one,
        prime.clone(),
        &prime << 8,
    ] {
        let error = third_inside(|q| q.g_b = bytes(&g_b.to_bytes_be()));
        assert_eq!(error, Error::Dh(DhError::PublicValue), "{g_b:x}");
    }
}

#[test]
fn h7_retry_ids_must_name_the_refused_key() {
    for retry_id in [1, -1, i64::MAX] {
        assert_eq!(third_inside(|q| q.retry_id = retry_id), Error::RetryId);
    }
    for right in [false, true] {
        let mut c = PuppetClient::new(13).with_params();
        c.server.taken = 1;
        let (data, key) = c.key(0);
        let reply = c.server.handle(&plain(&c.set(&data))).unwrap();
        assert!(reply.complete.is_none());
        let retry_id = if right {
            i64::from_le_bytes(key.aux_hash())
        } else {
            0
        };
        let (data, key) = c.key(retry_id);
        match c.server.handle(&plain(&c.set(&data))) {
            Ok(reply) => assert_eq!((right, reply.complete.unwrap().key), (true, key)),
            Err(error) => assert_eq!((right, error), (false, Error::RetryId)),
        }
    }
}

#[test]
fn h7_out_of_order_steps_are_refused() {
    let out_of_order =
        |error: Error| assert!(matches!(error, Error::OutOfOrder { .. }), "{error:?}");
    let mut c = PuppetClient::new(14);
    let encrypted = c.padded(&c.inner());
    let second = plain(&c.question(&encrypted));
    c.g_a = Some(c.group.generate(&mut rng(1)).1);
    let (data, _) = c.key(0);
    let third = plain(&c.set(&data));
    // Before the first.
    out_of_order(Server::new(14).error(&second));
    out_of_order(Server::new(14).error(&third));
    // The third after the first.
    out_of_order(c.server.error(&third));
    // After such an error nothing is left of the handshake.
    out_of_order(c.server.error(&second));
    // Not a question at all.
    out_of_order(Server::new(15).error(&plain(&functions::Ping { ping_id: 1 })));
    out_of_order(Server::new(15).error(&PlainMessage::write(ANSWER, &[])));
    out_of_order(Server::new(15).error(&PlainMessage::write(ANSWER, &[1, 2])));
}

#[test]
fn h7_replayed_steps_are_answered_as_before_or_refused() {
    let mut c = PuppetClient::new(16);
    let encrypted = c.padded(&c.inner());
    let second = plain(&c.question(&encrypted));
    let answer = c.server.packet(&second);
    assert_eq!(c.server.packet(&second), answer);
    c.take_params(&answer);
    // The same step with other contents is no repeat.
    let encrypted = c.padded(&c.inner());
    let other = plain(&c.question(&encrypted));
    assert!(matches!(c.server.error(&other), Error::OutOfOrder { .. }));

    let mut c = PuppetClient::new(17).with_params();
    let (data, _) = c.key(0);
    let third = plain(&c.set(&data));
    let first = c.server.handle(&third).unwrap();
    let again = c.server.handle(&third).unwrap();
    assert_eq!((first.packet, again.complete), (again.packet, None));
    // With another g_b it would be a second key from one exchange.
    let (data, _) = c.key(0);
    let other = plain(&c.set(&data));
    assert!(matches!(c.server.error(&other), Error::OutOfOrder { .. }));
}

#[test]
fn h7_packets_that_are_no_plain_message_are_refused() {
    let packet = ClientHandshake::new(client_config(), start(), &mut rng(18))
        .query()
        .to_vec();
    for cut in 0..packet.len() {
        let error = Server::new(18).error(&packet[..cut]);
        assert!(matches!(error, Error::Plain(_)), "{cut} bytes: {error:?}");
    }
    let mut encrypted = packet.clone();
    encrypted[7] = 1;
    assert_eq!(
        Server::new(18).error(&encrypted),
        Error::Plain(PlainError::Encrypted)
    );
    let long = [&packet[..], &[0; 8192]].concat();
    let error = Error::Plain(PlainError::TooLong {
        got: long.len(),
        max: 8192,
    });
    assert_eq!(Server::new(18).error(&long), error);
    let longest = &long[..8192];
    assert!(
        Server::new(18).handle(longest).is_ok(),
        "what follows it is ignored"
    );
    for cut in 0..packet.len() - 20 {
        let error = Server::new(18).error(&PlainMessage::write(MsgId(0), &packet[20..20 + cut]));
        assert!(
            matches!(error, Error::Decode(_) | Error::OutOfOrder { .. }),
            "{cut}: {error:?}"
        );
    }
}

#[test]
fn h7_half_open_handshakes_are_small_and_end_in_time() {
    // A million of them: what each one holds is its struct and one answer.
    assert!(
        size_of::<ServerHandshake>() <= 256,
        "{}",
        size_of::<ServerHandshake>()
    );
    let (config, mut rng) = (super::support::server_config(), rng(19));
    let mut held = Vec::new();
    for i in 0u32..10_000 {
        let mut nonce = [0; 16];
        nonce[..4].copy_from_slice(&i.to_le_bytes());
        let question = plain(&functions::ReqPqMulti { nonce });
        let handshake = ServerHandshake::new(start());
        let (handshake, reply) = handshake
            .handle(
                &config,
                start(),
                &question,
                ANSWER,
                &mut |_| false,
                &mut rng,
            )
            .unwrap();
        assert!(reply.packet.unwrap().len() <= 128);
        assert_eq!(handshake.deadline(), start() + LIFETIME);
        held.push((handshake, question));
    }
    let late = start() + LIFETIME;
    for (handshake, question) in held {
        let after = handshake.handle(&config, late, &question, ANSWER, &mut |_| false, &mut rng);
        assert_eq!(
            after.map(|(_, reply)| reply.packet).unwrap_err(),
            Error::TimedOut
        );
    }
}

#[test]
fn h7_one_stream_cannot_begin_for_ever() {
    let mut server = Server::new(20);
    for i in 0..MAX_RESTARTS {
        let mut nonce = [0; 16];
        nonce[..2].copy_from_slice(&i.to_le_bytes());
        let question = plain(&functions::ReqPqMulti { nonce });
        server.packet(&question);
        // Repeating is free.
        server.packet(&question);
    }
    let error = server.error(&plain(&functions::ReqPqMulti { nonce: [0xff; 16] }));
    assert_eq!(error, Error::TooManyRestarts { max: MAX_RESTARTS });
}

#[test]
fn h7_a_clock_beyond_the_wire_s_range_does_no_harm() {
    for now in [
        Time::ZERO,
        Time::from_unix(u64::from(u32::MAX)),
        Time::MAX - seconds(10_000),
    ] {
        let mut server = Server::new(21);
        server.now = now;
        server.machine = ServerHandshake::new(now);
        let (client, _) = super::support::agree(super::support::temporary(9), &mut server, 21);
        assert_eq!(
            client.server_time,
            i32::try_from(now.unix()).unwrap_or(i32::MAX)
        );
    }
}
