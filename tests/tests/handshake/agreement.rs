//! What two honest peers get.

use mtproto_proto::crypto::dh::{Group, PrimeHash};
use mtproto_proto::crypto::{AuthKey, Direction, ige_encrypt, v1};
use mtproto_proto::handshake::server::{self, LIFETIME};
use mtproto_proto::handshake::{
    BindError, BindInner, ClientHandshake, Error, MAX_RETRIES, OpenedBind, PlainMessage,
    ServerHandshake, Step, bind_message, client, open_bind_message,
};
use mtproto_proto::{AuthKeyId, DcId, MsgId, SessionId, Time};
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Decode, DecodeError, Encode};

use super::puppets::{PuppetClient, before_dh_params, bytes, with_hash};
use super::support::{
    ANSWER, Server, agree, client_config, converse, foreign_key, next, object, plain, private_key,
    rng, seconds, server_config, start, temporary,
};

#[test]
fn a_permanent_key_is_agreed_on() {
    for seed in 0..4 {
        let (client, server) = agree(client_config(), &mut Server::new(seed), seed);
        assert_eq!(client.expires_at, None);
        assert_eq!(client.good_prime, None);
        assert_eq!(client.server_time, 1_800_000_000);
        assert_eq!(client.at, start());
        assert_eq!(server, client, "seed {seed}");
    }
}

#[test]
fn a_temporary_key_ends_when_both_sides_say() {
    for (asked, given) in [
        (1, 1),
        (3600, 3600),
        (86_400, 86_400),
        (0, 1),
        (u32::MAX, 86_400),
    ] {
        let (client, server) = agree(temporary(asked), &mut Server::new(1), 1);
        assert_eq!(
            client.expires_at,
            Some(1_800_000_000 + given),
            "asked for {asked}"
        );
        assert_eq!(server.expires_at, client.expires_at);
    }
}

#[test]
fn a_slow_answer_makes_a_temporary_key_end_early_for_its_client() {
    let mut server = Server::new(2);
    let mut rng = rng(2);
    let client = ClientHandshake::new(temporary(1000), start(), &mut rng);
    let answer = server.packet(client.query());
    let Ok(Step::Continue(client)) = client.handle(start(), &answer, &mut rng) else {
        panic!()
    };
    server.now = start() + seconds(3);
    let answer = server.packet(client.query());
    let later = start() + seconds(5);
    let Ok(Step::Continue(client)) = client.handle(later, &answer, &mut rng) else {
        panic!()
    };
    let reply = server.handle(client.query()).unwrap();
    let answer = reply.packet.unwrap();
    let Ok(Step::Complete(complete)) = client.handle(later, &answer, &mut rng) else {
        panic!()
    };

    assert_eq!(
        reply.complete.unwrap().expires_at,
        Some(1_800_000_003 + 1000)
    );
    assert_eq!(complete.expires_at, Some(1_800_000_003 + 1000 - 5));
    assert_eq!((complete.server_time, complete.at), (1_800_000_003, later));
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let run = || converse(client_config(), &mut Server::new(3), 3, |_, _| {}).packets;
    let packets = run();
    assert_eq!(packets.len(), 6);
    assert_eq!(packets, run());
    let other = converse(client_config(), &mut Server::new(4), 4, |_, _| {}).packets;
    assert!(packets.iter().zip(&other).all(|(a, b)| a[20..] != b[20..]));
}

#[test]
fn a_key_that_exists_is_tried_again() {
    for taken in 1..=usize::from(MAX_RETRIES) {
        let mut server = Server {
            taken,
            ..Server::new(5)
        };
        let outcome = converse(temporary(60), &mut server, 5, |_, _| {});
        assert_eq!(outcome.client, outcome.server, "{taken} retries");
        assert!(outcome.client.is_some());
        assert_eq!(outcome.packets.len(), 6 + 2 * taken);
    }
}

#[test]
fn a_server_gives_up_when_every_key_exists() {
    let mut server = Server {
        taken: 100,
        ..Server::new(6)
    };
    let outcome = converse(client_config(), &mut server, 6, |_, _| {});
    assert_eq!((outcome.client, outcome.server), (None, None));
    let last = outcome.packets.last().unwrap();
    assert!(types::DhGenFail::from_bytes(&PlainMessage::read(last).unwrap().body).is_ok());
    // The stream may begin again.
    server.taken = 0;
    agree(client_config(), &mut server, 7);
}

#[test]
fn all_four_forms_of_the_inner_data_are_served_under_both_paddings() {
    for (form, old) in (0..4).flat_map(|form| [(form, false), (form, true)]) {
        let mut c = PuppetClient::new(8);
        let types::PQInnerDataDc {
            pq,
            p,
            q,
            nonce,
            server_nonce,
            new_nonce,
            dc,
        } = c.inner();
        let inner = match form {
            0 => types::PQInnerData {
                pq,
                p,
                q,
                nonce,
                server_nonce,
                new_nonce,
            }
            .to_bytes(),
            1 => c.inner().to_bytes(),
            2 => {
                let expires_in = 77;
                types::PQInnerDataTemp {
                    pq,
                    p,
                    q,
                    nonce,
                    server_nonce,
                    new_nonce,
                    expires_in,
                }
                .to_bytes()
            }
            _ => {
                let expires_in = -5;
                types::PQInnerDataTempDc {
                    pq,
                    p,
                    q,
                    nonce,
                    server_nonce,
                    new_nonce,
                    dc,
                    expires_in,
                }
                .to_bytes()
            }
        };
        let inner = Boxed(inner.to_vec());
        let encrypted = if old {
            c.padded_as_before(&inner)
        } else {
            c.padded(&inner)
        };
        let answer = c.server.packet(&plain(&c.question(&encrypted)));
        c.take_params(&answer);
        let (data, key) = c.key(0);
        let reply = c.server.handle(&plain(&c.set(&data))).unwrap();

        let complete = reply.complete.unwrap();
        assert_eq!(complete.key, key, "form {form}, old padding {old}");
        let ends = [None, None, Some(1_800_000_077), Some(1_800_000_001)][form];
        assert_eq!(complete.expires_at, ends);
        let ok: types::DhGenOk = object(&reply.packet.unwrap());
        assert_eq!(ok.new_nonce_hash1, key.new_nonce_hash(&c.new_nonce, 1));
    }
}

/// Bytes that are an object already.
struct Boxed(Vec<u8>);

impl Encode for Boxed {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(&self.0);
    }
}

#[test]
fn the_data_centre_is_recognised_by_its_media_and_test_numbers() {
    for (client, server) in [
        (2, 2),
        (-2, 2),
        (10_002, 2),
        (-10_002, 2),
        (2, 10_002),
        (2, -2),
    ] {
        let mut dc = Server::new(9);
        dc.config.dc = Some(DcId(server));
        agree(
            client::Config {
                dc: DcId(client),
                ..client_config()
            },
            &mut dc,
            9,
        );
    }
    let mut any = Server::new(10);
    any.config.dc = None;
    agree(
        client::Config {
            dc: DcId(-404),
            ..client_config()
        },
        &mut any,
        10,
    );
}

#[test]
fn the_server_s_order_of_keys_decides() {
    let mut server = Server::new(11);
    let outcome = converse(
        client::Config {
            keys: vec![foreign_key(), private_key().public().clone()],
            ..client_config()
        },
        &mut server,
        11,
        |number, packet| {
            if number == 1 {
                let mut answer: types::ResPq = object(packet);
                answer.server_public_key_fingerprints =
                    vec![1, private_key().fingerprint(), foreign_key().fingerprint()];
                *packet = plain(&answer);
            }
        },
    );
    let question: functions::ReqDhParams = object(&outcome.packets[2]);
    assert_eq!(question.public_key_fingerprint, private_key().fingerprint());
    assert_eq!(outcome.client, outcome.server);
}

// What real peers do that the specification's picture does not show.

#[test]
fn random_bytes_after_plain_messages_are_ignored_by_both_roles() {
    for len in [1, 4, 15, 88, 255] {
        for counted in [false, true] {
            let tamper = |_: usize, packet: &mut Vec<u8>| {
                packet.extend(vec![0xa5; len]);
                if counted {
                    let length = u32::try_from(packet.len() - 20).unwrap();
                    packet[16..20].copy_from_slice(&length.to_le_bytes());
                }
            };
            let outcome = converse(client_config(), &mut Server::new(12), 12, tamper);
            assert!(outcome.client.is_some(), "{len} bytes, counted {counted}");
            assert_eq!(outcome.client, outcome.server);
        }
    }
}

#[test]
fn a_client_s_message_id_does_not_matter() {
    for id in [0i64, 1, -1, i64::MIN, 5 << 32] {
        let tamper = |number: usize, packet: &mut Vec<u8>| {
            if number.is_multiple_of(2) {
                packet[8..16].copy_from_slice(&id.to_le_bytes());
            }
        };
        let outcome = converse(client_config(), &mut Server::new(13), 13, tamper);
        assert!(outcome.client.is_some(), "id {id}");
    }
}

#[test]
fn our_message_ids_are_those_of_a_client() {
    for now in [start(), Time::ZERO, start() + seconds(1) / 3] {
        let mut server = Server {
            now,
            ..Server::new(14)
        };
        let packets = converse(client_config(), &mut server, 14, |_, _| {}).packets;
        let ids: Vec<_> = packets.iter().step_by(2).map(|p| id(p)).collect();
        assert_eq!(ids.len(), 3);
        for id in &ids {
            assert_eq!(id.0 % 4, 0);
            assert_ne!(id.0 as u32, 0);
            assert_eq!(id.unix(), now.unix().cast_signed());
        }
        assert!(ids.is_sorted_by(|a, b| a < b));
    }
}

fn id(packet: &[u8]) -> MsgId {
    PlainMessage::read(packet).unwrap().msg_id
}

#[test]
fn first_questions_may_be_repeated_and_varied() {
    let mut server = Server::new(15);
    server.config.keys.push(private_key());
    let ask =
        |server: &mut Server, packet: Vec<u8>| object::<types::ResPq>(&server.packet(&packet));
    let (one, two) = ([1; 16], [2; 16]);
    let multi = |nonce| plain(&functions::ReqPqMulti { nonce });
    let first = ask(&mut server, multi(one));
    assert_eq!(ask(&mut server, multi(one)), first);
    // The old form gets one fingerprint, and the same numbers.
    let old = ask(&mut server, plain(&functions::ReqPq { nonce: one }));
    assert_eq!(
        old.server_public_key_fingerprints,
        first.server_public_key_fingerprints[..1]
    );
    assert_eq!((&old.pq, old.server_nonce), (&first.pq, first.server_nonce));
    assert_eq!(ask(&mut server, multi(one)), first);
    // Another nonce begins anew.
    let other = ask(&mut server, multi(two));
    assert_eq!(other.nonce, two);
    assert_ne!(other.server_nonce, first.server_nonce);
    assert_ne!(other.pq, first.pq);
    agree(client_config(), &mut server, 15);
}

#[test]
fn a_first_question_in_the_middle_does_not_disturb_it() {
    let mut c = PuppetClient::new(16).with_params();
    let again = c
        .server
        .packet(&plain(&functions::ReqPqMulti { nonce: c.nonce }));
    assert_eq!(object::<types::ResPq>(&again).server_nonce, c.server_nonce);
    let (data, key) = c.key(0);
    assert_eq!(
        c.server
            .handle(&plain(&c.set(&data)))
            .unwrap()
            .complete
            .unwrap()
            .key,
        key
    );
}

#[test]
fn acknowledgements_are_not_answered() {
    let mut server = Server::new(17);
    let reply = server
        .handle(&plain(&types::MsgsAck { msg_ids: vec![5] }))
        .unwrap();
    assert_eq!(reply.packet, None);
    agree(client_config(), &mut server, 17);
}

#[test]
fn one_stream_makes_a_permanent_key_and_then_a_temporary_one() {
    let mut server = Server::new(18);
    let (permanent, _) = agree(client_config(), &mut server, 18);
    let (temporary, _) = agree(temporary(60), &mut server, 19);
    assert_ne!(permanent.key, temporary.key);
}

#[test]
fn every_answer_is_repeated_exactly_and_makes_no_second_key() {
    let mut server = Server {
        taken: 1,
        ..Server::new(20)
    };
    let mut rng = rng(20);
    let mut client = ClientHandshake::new(client_config(), start(), &mut rng);
    let mut keys = 0;
    for step in 0.. {
        let first = server.handle(client.query()).unwrap();
        keys += usize::from(first.complete.is_some());
        for _ in 0..3 {
            let again = server.handle(client.query()).unwrap();
            assert_eq!(again.packet, first.packet, "step {step}");
            assert!(again.complete.is_none());
        }
        match client
            .handle(start(), &first.packet.unwrap(), &mut rng)
            .unwrap()
        {
            Step::Continue(next) => client = next,
            Step::Complete(_) => break,
        }
    }
    assert_eq!(keys, 1);
}

#[test]
fn a_handshake_goes_on_over_another_stream() {
    // The owner of the streams keeps the server's half under the nonce, see `nonce_of`.
    let mut server = Server::new(23);
    let mut rng = rng(23);
    let mut client = ClientHandshake::new(client_config(), start(), &mut rng);
    let mut parked: Vec<ServerHandshake> = Vec::new();
    loop {
        let packet = client.query().to_vec();
        let nonce = server::nonce_of(&packet);
        assert!(nonce.is_some());
        // The answer is lost with its stream; the client sends its question over a new one.
        for _ in 0..2 {
            server.machine = match parked.iter().position(|s| s.nonce() == nonce) {
                Some(at) => parked.swap_remove(at),
                None => ServerHandshake::new(start()),
            };
            let _ = server.handle(&packet).unwrap();
            parked.push(std::mem::replace(
                &mut server.machine,
                ServerHandshake::new(start()),
            ));
        }
        server.machine = parked.pop().unwrap();
        let answer = server.packet(&packet);
        parked.push(std::mem::replace(
            &mut server.machine,
            ServerHandshake::new(start()),
        ));
        client.restart_deadline(start() + seconds(8));
        assert_eq!(client.deadline(), start() + seconds(18));
        match client.handle(start(), &answer, &mut rng).unwrap() {
            Step::Continue(next) => client = next,
            Step::Complete(_) => break,
        }
    }
    assert_eq!(parked.len(), 1);
}

#[test]
fn only_questions_of_a_handshake_have_a_nonce() {
    let nonce = [9; 16];
    assert_eq!(
        server::nonce_of(&plain(&functions::ReqPq { nonce })),
        Some(nonce)
    );
    assert_eq!(
        server::nonce_of(&plain(&types::MsgsAck { msg_ids: vec![] })),
        None
    );
    let packet = plain(&functions::ReqPq { nonce });
    for cut in 0..packet.len() {
        assert_eq!(server::nonce_of(&packet[..cut]), None);
    }
}

#[test]
fn a_server_s_prime_that_is_new_but_good_is_reported_and_remembered() {
    let prime = other_prime();
    let group = Group::check(&prime, 2, &[], &mut rng(24)).unwrap();
    let run = |good_primes: Vec<PrimeHash>| {
        let config = client::Config {
            good_primes,
            ..client_config()
        };
        let mut client_rng = rng(25);
        let client = ClientHandshake::new(config, start(), &mut client_rng);
        let mut server = super::puppets::PuppetServer::new();
        let (a, g_a) = group.generate(&mut rng(26));
        (server.group, server.a, server.g_a) = (group.clone(), a, g_a);
        let answer = server.res_pq(client.query());
        let client = next(client, &plain(&answer));
        let mut inner = server.inner(client.query());
        inner.g = 2;
        let client = next(client, &plain(&server.sealed(&inner)));
        let (_, key) = server.key_of(client.query());
        match client
            .handle(start(), &plain(&server.ok(&key)), &mut client_rng)
            .unwrap()
        {
            Step::Complete(complete) => *complete,
            Step::Continue(_) => panic!(),
        }
    };
    let first = run(vec![]);
    assert_eq!(first.good_prime, Some(group.hash()));
    assert_eq!(run(vec![group.hash()]).good_prime, None);
}

/// Group 14 of RFC 3526.
fn other_prime() -> Vec<u8> {
    let hex = b"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
        020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
        4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
        EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
        98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
        9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
        E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
        3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF";
    num_bigint::BigUint::parse_bytes(hex, 16)
        .unwrap()
        .to_bytes_be()
}

#[test]
fn numbers_in_strings_may_be_padded_or_not() {
    // A g_b with zeros on the left has both forms; one in 256 exponents gives one.
    let mut c = PuppetClient::new(27).with_params();
    let (mut data, key) = loop {
        let (data, key) = c.key(0);
        if data.g_b[0] == 0 {
            break (data, key);
        }
    };
    data.g_b = data.g_b.slice(1..);
    assert_eq!(
        c.server
            .handle(&plain(&c.set(&data)))
            .unwrap()
            .complete
            .unwrap()
            .key,
        key
    );

    let (client, server, mut inner) = before_dh_params();
    inner.dh_prime = bytes(&[&[0; 3], &inner.dh_prime[..]].concat());
    inner.g_a = bytes(&[&[0; 2], &inner.g_a[..]].concat());
    let client = next(
        client,
        &plain(&server.sealed_bytes(with_hash(&inner.to_bytes()))),
    );
    let (_, key) = server.key_of(client.query());
    let end = client
        .handle(start(), &plain(&server.ok(&key)), &mut rng(28))
        .unwrap();
    assert!(matches!(end, Step::Complete(complete) if complete.key == key));
}

#[test]
fn a_server_forgets_after_ten_minutes() {
    let mut c = PuppetClient::new(29);
    assert_eq!(c.server.machine.deadline(), start() + LIFETIME);
    c.server.now = start() + seconds(599);
    let mut c = c.with_params();
    c.server.now = start() + seconds(600);
    let (data, _) = c.key(0);
    assert_eq!(c.server.error(&plain(&c.set(&data))), Error::TimedOut);
}

#[test]
fn errors_say_what_to_do_and_secrets_do_not_print() {
    let error = Error::UnknownFingerprints {
        offered: vec![-3_414_540_481_677_951_611, 7],
    };
    assert_eq!(
        error.to_string(),
        "the server offers only public keys that are not configured (0xd09d1d85de64fd85, \
         0x0000000000000007); add the public key of this server to the configuration"
    );
    let client = ClientHandshake::new(client_config(), start(), &mut rng(30));
    assert_eq!(format!("{client:?}"), "ClientHandshake(WaitResPq)");
    assert_eq!(
        format!("{:?}", ServerHandshake::new(start())),
        "ServerHandshake(WaitReqPq)"
    );
    assert!(!format!("{:?}", server_config()).contains("PRIVATE"));
    assert_eq!(ANSWER.0 % 4, 1);
}

// Binding.

fn bind() -> (AuthKey, BindInner) {
    let key = AuthKey::from_bytes(&rng(31).array());
    let inner = BindInner {
        nonce: 1,
        temp_auth_key_id: AuthKeyId(2),
        perm_auth_key_id: key.id(),
        temp_session_id: SessionId(-3),
        expires_at: 1_800_000_000,
    };
    (key, inner)
}

#[test]
fn a_binding_is_opened_by_the_permanent_key_only() {
    let (key, inner) = bind();
    let msg_id = MsgId(0x6553_f100_0000_0004);
    let message = bind_message(&key, msg_id, &inner, &mut rng(32));
    assert_eq!(
        open_bind_message(&key, &message),
        Ok(OpenedBind {
            msg_id,
            seq_no: 0,
            inner
        })
    );
    assert_ne!(message, bind_message(&key, msg_id, &inner, &mut rng(33)));

    let other = AuthKey::from_bytes(&[1; 256]);
    let foreign = BindError::KeyId {
        got: key.id(),
        want: other.id(),
    };
    assert_eq!(open_bind_message(&other, &message), Err(foreign));
    for got in (0..104).chain([105, 120, 1 << 16]) {
        let mut long = message.to_vec();
        long.resize(got, 0);
        assert_eq!(
            open_bind_message(&key, &long),
            Err(BindError::Length { got, want: 104 })
        );
    }
}

#[test]
fn a_binding_with_any_bit_flipped_is_refused() {
    let (key, inner) = bind();
    let message = bind_message(&key, MsgId(4), &inner, &mut rng(34));
    for bit in 0..message.len() * 8 {
        let mut bad = message;
        bad[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 64 {
            let got = AuthKeyId(i64::from_le_bytes(bad[..8].try_into().unwrap()));
            BindError::KeyId {
                got,
                want: key.id(),
            }
        } else {
            BindError::MsgKey
        };
        assert_eq!(open_bind_message(&key, &bad), Err(expected), "bit {bit}");
    }
}

#[test]
fn a_binding_whose_contents_are_wrong_is_refused() {
    let (key, _) = bind();
    let seal = |plain: &[u8; 72]| {
        let msg_key = v1::msg_key(plain);
        let mut data = [&plain[..], &[0; 8]].concat();
        ige_encrypt(
            &mut data,
            &v1::aes_key_iv(&key, Direction::ToServer, &msg_key),
        )
        .unwrap();
        [&key.id().0.to_le_bytes()[..], &msg_key, &data].concat()
    };
    let mut plain = [0; 72];
    plain[28] = 40;
    let unknown = DecodeError::UnknownConstructor {
        id: 0,
        expected: "bind_auth_key_inner",
    };
    assert_eq!(
        open_bind_message(&key, &seal(&plain)),
        Err(BindError::Decode(unknown))
    );
    for (at, seq_no, length) in [(24, 1, 40), (28, 0, 41), (31, 0, 40 | 1 << 24)] {
        let mut bad = plain;
        bad[at] ^= 1;
        let error = BindError::Header { seq_no, length };
        assert_eq!(
            open_bind_message(&key, &seal(&bad)),
            Err(error),
            "byte {at}"
        );
    }
}
