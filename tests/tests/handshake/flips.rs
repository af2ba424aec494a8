//! Whatever byte of whatever packet is changed on the way, nobody ends up with a key that the
//! other side does not have.

use mtproto_proto::Rng;
use mtproto_proto::handshake::PlainMessage;
use mtproto_schema::mtproto::{functions, types};
use mtproto_schema::{Constructor, Function};

use super::puppets::new_client;
use super::support::{ANSWER, Server, client_config, converse, refused, rng};

/// Flips tried in a packet, besides its first 64 bytes: each costs a handshake.
const SAMPLES: usize = 60;

#[test]
fn a_changed_byte_never_leads_to_different_keys() {
    let seed = 40;
    let honest = converse(client_config(), &mut Server::new(seed), seed, |_, _| {});
    assert_eq!(honest.packets.len(), 6);
    let mut dice = rng(seed);
    for (number, packet) in honest.packets.iter().enumerate() {
        let random = |dice: &mut Rng| u32::from_le_bytes(dice.array()) as usize % packet.len();
        let mut places: Vec<usize> = (0..packet.len().min(64)).collect();
        if packet.len() > 64 {
            places.extend((0..SAMPLES).map(|_| random(&mut dice)));
        }
        for at in places {
            let [change] = dice.array::<1>();
            let change = change.max(1);
            let outcome = converse(
                client_config(),
                &mut Server::new(seed),
                seed,
                |n, packet| {
                    if n == number {
                        packet[at] ^= change;
                    }
                },
            );
            let context = format!("seed {seed}, packet {number}, byte {at} ^ {change:#04x}");
            match (outcome.client, outcome.server) {
                (Some(client), Some(server)) => {
                    assert_eq!(client.key, server.key, "{context}");
                    assert_eq!(client.salt, server.salt, "{context}");
                    assert!(means_nothing(number, at), "{context}");
                }
                (Some(_), None) => panic!("{context}: the client alone has a key"),
                (None, _) => {}
            }
        }
    }
}

/// Bytes that may change unnoticed: the message's id, the zeros that fill up `p`, `q` and `pq`,
/// and what the server offers besides the key that is used.
fn means_nothing(packet: usize, at: usize) -> bool {
    let filling = match packet {
        1 => at >= 20,
        2 => (61..64).contains(&at) || (69..72).contains(&at),
        _ => false,
    };
    filling || (8..16).contains(&at)
}

#[test]
fn a_lost_tail_never_leads_to_a_key() {
    let seed = 41;
    let honest = converse(client_config(), &mut Server::new(seed), seed, |_, _| {});
    for (number, packet) in honest.packets.iter().enumerate() {
        let mut lengths = vec![0, 1, 19, 20, packet.len() - 4, packet.len() - 1];
        let mut dice = rng(seed);
        lengths.extend((0..6).map(|_| u32::from_le_bytes(dice.array()) as usize % packet.len()));
        for length in lengths {
            let outcome = converse(
                client_config(),
                &mut Server::new(seed),
                seed,
                |n, packet| {
                    if n == number {
                        packet.truncate(length);
                    }
                },
            );
            assert_eq!(
                outcome.client, None,
                "seed {seed}, packet {number}, {length} bytes"
            );
            assert!(outcome.server.is_none() || number == 5);
        }
    }
}

#[test]
fn noise_is_refused_by_both_roles() {
    let seed = 42;
    let mut dice = rng(seed);
    let ids = [
        functions::ReqPqMulti::ID,
        functions::ReqDhParams::ID,
        functions::SetClientDhParams::ID,
        types::ResPq::ID,
        types::ServerDhParamsOk::ID,
        types::DhGenOk::ID,
    ];
    let random = |dice: &mut Rng, below: usize| u32::from_le_bytes(dice.array()) as usize % below;
    for round in 0..3000 {
        let len = random(&mut dice, 400);
        let mut noise: Vec<u8> = (0..len).map(|_| dice.array::<1>()[0]).collect();
        if round % 3 > 0 {
            let id = ids[random(&mut dice, ids.len())];
            noise = PlainMessage::write(ANSWER, &[&id.to_le_bytes(), &noise[..]].concat());
        }
        let _ = refused(new_client(), &noise);
        let answer = Server::new(seed).handle(&noise);
        // Sixteen bytes of noise are a nonce.
        let asked = noise.get(20..24) == Some(&functions::ReqPqMulti::ID.to_le_bytes());
        assert!(asked || answer.is_err(), "seed {seed}, round {round}");
    }
}
