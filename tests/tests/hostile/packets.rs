//! M1 to M4: packets.

use mtproto_proto::connection::{ClientEvent, Error};
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::{ConnId, PeerMisbehaved, SessionId};
use mtproto_test::rogue::{RogueClient, RogueServer, Said};
use mtproto_test::tamper::{Plain, seal, seal_bytes};

use crate::support::{response, secs, settled, settled_server, update};

const BAD_PACKET: Error = Error::PeerMisbehaved(PeerMisbehaved::BadPacket);

/// The client goes on over a new stream: its key and its session are the same, and a call is
/// answered.
fn client_survives(rogue: RogueServer) -> RogueServer {
    let key = rogue.client.key_state().unwrap().auth_key_id();
    let session = rogue.session();
    let mut rogue = rogue.reconnect();
    assert_eq!(rogue.client.key_state().unwrap().auth_key_id(), key);
    let id = rogue.call(b"the call");
    let packet = rogue.hear_one();
    assert_eq!(packet.session, session);
    let req = packet.id_of(&Said::other(b"the call"));
    rogue.say(Said::result(req, b"answered"));
    assert!(rogue.news().contains(&response(id, b"answered")));
    rogue
}

/// The server has closed the stream with -404; over a new stream the session goes on.
fn server_survives(rogue: &mut RogueClient, conn: ConnId, what: &str) -> ConnId {
    assert!(rogue.closed(conn).is_some(), "{what}");
    assert_eq!(rogue.statuses(conn), [-404], "{what}");
    assert_eq!(rogue.calls(), [], "{what}");
    rogue.disconnect(conn);
    let conn = rogue.connect();
    let req = rogue.say(conn, Said::Ping(1));
    assert_eq!(
        rogue.hear_said(conn),
        [Said::Pong { req, ping_id: 1 }],
        "{what}"
    );
    conn
}

#[test]
fn m1_any_flipped_bit_ends_the_stream_and_only_the_stream() {
    let mut rogue = settled(2001);
    let plain = rogue.plain(&Said::other(b"flip"));
    let key = rogue.key().clone();
    let packet = seal(&key, Direction::ToClient, &plain, rogue.dice());
    for bit in 0..packet.len() * 8 {
        let mut flipped = packet.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        rogue.send_packet(&flipped);
        assert_eq!(rogue.error(), Some(&BAD_PACKET), "bit {bit}");
        assert_eq!(rogue.news(), [], "bit {bit}");
        rogue = rogue.reconnect();
        rogue.hear();
    }
    let mut rogue = client_survives(rogue);
    rogue.send_packet(&packet);
    assert_eq!(rogue.news(), [update(b"flip")], "unflipped it is good");
}

#[test]
fn m1_any_flipped_bit_ends_the_stream_at_a_server_too() {
    let (mut rogue, mut conn) = settled_server(2002);
    let plain = rogue.plain(&Said::other(b"flip"));
    let packet = rogue.seal(&plain);
    for bit in 0..packet.len() * 8 {
        let mut flipped = packet.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        rogue.send_packet(conn, &flipped, false);
        conn = server_survives(&mut rogue, conn, &format!("bit {bit}"));
    }
    rogue.send_packet(conn, &packet, false);
    assert_eq!(rogue.calls().len(), 1, "unflipped it is good");
    assert_eq!(rogue.server.sessions().count(), 1);
}

#[test]
fn m1_a_packet_of_any_other_length_ends_the_stream() {
    let mut rogue = settled(2003);
    let plain = rogue.plain(&Said::other(b"short"[..4].as_ref()));
    let key = rogue.key().clone();
    let packet = seal(&key, Direction::ToClient, &plain, rogue.dice());
    for len in (16..packet.len()).step_by(4) {
        rogue.send_packet(&packet[..len]);
        assert_eq!(rogue.error(), Some(&BAD_PACKET), "{len}");
        rogue = rogue.reconnect();
        rogue.hear();
    }
    client_survives(rogue);
}

#[test]
fn m1_a_packet_of_any_other_length_ends_the_stream_at_a_server_too() {
    let (mut rogue, mut conn) = settled_server(2014);
    let plain = rogue.plain(&Said::other(b"short"[..4].as_ref()));
    let packet = rogue.seal(&plain);
    for len in (16..packet.len()).step_by(4) {
        rogue.send_packet(conn, &packet[..len], false);
        assert_eq!(rogue.closed(conn), Some(BAD_PACKET), "{len}");
        conn = server_survives(&mut rogue, conn, &format!("{len} bytes"));
    }
    rogue.send_packet(conn, &packet, false);
    assert_eq!(rogue.calls().len(), 1, "uncut it is good");
}

#[test]
fn m2_a_packet_that_comes_again_is_delivered_once() {
    let mut rogue = settled(2004);
    let key = rogue.key().clone();
    // Out of order: an older id is accepted after a newer one, and both come again.
    let older = rogue.plain(&Said::other(b"update 1"));
    let newer = rogue.plain(&Said::other(b"update 2"));
    let packets =
        [&newer, &older].map(|plain| seal(&key, Direction::ToClient, plain, rogue.dice()));
    let items = [
        rogue.item(&Said::other(b"inside 1")),
        rogue.item(&Said::other(b"inside 2")),
    ];
    let container = rogue.container(mtproto_test::tamper::container(&items, None));
    let container = seal(&key, Direction::ToClient, &container, rogue.dice());
    let mut again = Vec::new();
    for _ in 0..3 {
        for packet in packets.iter().chain([&container]) {
            rogue.send_packet(packet);
        }
        // The same messages in another container.
        rogue.send_container(&items);
        rogue.later(secs(30));
        again.extend(rogue.hear_said());
    }
    assert_eq!(
        rogue.news(),
        [
            update(b"update 2"),
            update(b"update 1"),
            update(b"inside 1"),
            update(b"inside 2"),
        ]
    );
    let again: Vec<_> = again
        .into_iter()
        .filter_map(|said| match said {
            Said::Acks(ids) => Some(ids),
            _ => None,
        })
        .flatten()
        .collect();
    for id in [older.msg_id, newer.msg_id, items[0].msg_id, items[1].msg_id] {
        let times = again.iter().filter(|acked| **acked == id).count();
        assert!(times >= 3, "the duplicate is acknowledged again: {times}");
    }
    assert_eq!(rogue.error(), None);
}

#[test]
fn m2_a_packet_of_an_earlier_connection_is_not_delivered_again() {
    let mut rogue = settled(2005);
    let key = rogue.key().clone();
    let plain = rogue.plain(&Said::other(b"update 1"));
    let packet = seal(&key, Direction::ToClient, &plain, rogue.dice());
    rogue.send_packet(&packet);
    assert_eq!(rogue.news(), [update(b"update 1")]);

    // The same session on another stream.
    let mut rogue = rogue.reconnect();
    rogue.hear();
    rogue.send_packet(&packet);
    assert_eq!(
        rogue.news(),
        [],
        "it does not even prove that the server is there"
    );
    assert_eq!(rogue.error(), None);

    // Another session of the key.
    let state = rogue.client.key_state().unwrap().clone();
    let mut other = RogueServer::with_key(
        crate::support::config(),
        state,
        rogue.now(),
        mtproto_test::Seed::from_env_or(2006),
    );
    other.hear();
    other.send_packet(&packet);
    assert_eq!(
        other.error(),
        Some(&Error::PeerMisbehaved(PeerMisbehaved::ForeignSession))
    );
    assert_eq!(other.news(), []);
}

#[test]
fn m2_a_call_that_comes_again_is_executed_once_on_whatever_stream() {
    let (mut rogue, conn) = settled_server(2007);
    let call = rogue.plain(&Said::other(b"the call"));
    let items = [
        rogue.item(&Said::other(b"call one")),
        rogue.item(&Said::other(b"call two")),
    ];
    let container = rogue.container(mtproto_test::tamper::container(&items, None));
    let packets = [rogue.seal(&call), rogue.seal(&container)];
    for packet in packets.iter().rev() {
        rogue.send_packet(conn, packet, false);
    }
    assert_eq!(rogue.calls().len(), 3);

    let stranger = rogue.connect();
    for _ in 0..3 {
        for packet in &packets {
            rogue.send_packet(conn, packet, false);
            rogue.send_packet(stranger, packet, false);
        }
    }
    assert_eq!(rogue.calls(), []);
    // Whoever has a copy of a packet does not get what belongs to the session.
    rogue.push(b"an update of the client.");
    assert_eq!(rogue.hear(stranger), []);
    assert!(
        rogue
            .hear_said(conn)
            .contains(&Said::other(b"an update of the client."))
    );
}

#[test]
fn m2_a_copy_does_not_begin_a_forgotten_session_anew() {
    let (mut rogue, conn) = settled_server(2008);
    let own = rogue.session;
    rogue.session = SessionId(0x0777);
    let call = rogue.plain(&Said::other(b"the call"));
    let packet = rogue.seal(&call);
    rogue.send_packet(conn, &packet, false);
    assert_eq!(rogue.calls().len(), 1);
    rogue.session = own;
    rogue.say(conn, Said::DestroySession(SessionId(0x0777)));
    rogue.events();

    rogue.begins_anew(SessionId(0x0777));
    let stranger = rogue.connect();
    rogue.send_packet(stranger, &packet, false);
    assert_eq!(rogue.calls(), []);

    // A new session of the client begins all the same.
    rogue.session = SessionId(0x0888);
    rogue.later(secs(1));
    rogue.say(conn, Said::other(b"the next"));
    assert_eq!(rogue.calls().len(), 1);
}

/// What is wrong: a declared length, and a number of padding bytes.
const WRONG: [(Option<i32>, usize); 11] = [
    (None, 0),
    (None, 8),
    (None, 1_040),
    (None, 1_132),
    (Some(0), 16),
    (Some(3), 16),
    (Some(-4), 16),
    (Some(1 << 30), 16),
    (Some(i32::MIN), 16),
    (Some(40), 16),
    (Some(26), 20),
];

/// A body that fills whole blocks with this padding.
fn body_for(padding: usize) -> Vec<u8> {
    vec![7; 24 + (32 + 24 + padding).wrapping_neg() % 16]
}

#[test]
fn m3_wrong_lengths_and_paddings_are_one_error() {
    let mut rogue = settled(2009);
    for (declared_len, padding) in WRONG {
        let plain = Plain {
            declared_len,
            padding: Some(vec![1; padding]),
            body: body_for(padding),
            ..rogue.plain(&Said::other(b"any."))
        };
        rogue.send(&plain);
        assert_eq!(
            rogue.error(),
            Some(&BAD_PACKET),
            "{declared_len:?} {padding}"
        );
        assert_eq!(rogue.news(), []);
        rogue = rogue.reconnect();
        rogue.hear();
    }
    let mut rogue = client_survives(rogue);
    for padding in [12, 1_024] {
        let plain = Plain {
            padding: Some(vec![1; padding]),
            body: body_for(padding),
            ..rogue.plain(&Said::other(b"any."))
        };
        rogue.send(&plain);
        assert_eq!(rogue.news(), [update(&plain.body)], "{padding} is legal");
    }
}

#[test]
fn m3_wrong_lengths_and_paddings_are_one_error_at_a_server_too() {
    let (mut rogue, mut conn) = settled_server(2010);
    for (declared_len, padding) in WRONG {
        let plain = Plain {
            declared_len,
            padding: Some(vec![1; padding]),
            body: body_for(padding),
            ..rogue.plain(&Said::other(b"any."))
        };
        rogue.send(conn, &plain);
        assert_eq!(rogue.closed(conn), Some(BAD_PACKET));
        conn = server_survives(&mut rogue, conn, &format!("{declared_len:?} {padding}"));
    }
}

#[test]
fn m4_another_session_an_unknown_key_or_a_plain_packet_ends_the_stream() {
    let mut rogue = settled(2011);
    let key = rogue.key().clone();

    let foreign = Plain {
        session: SessionId(rogue.session().0 ^ 1),
        ..rogue.plain(&Said::other(b"any."))
    };
    rogue.send(&foreign);
    assert_eq!(
        rogue.error(),
        Some(&Error::PeerMisbehaved(PeerMisbehaved::ForeignSession))
    );
    let mut rogue = client_survives(rogue);

    let other = AuthKey::from_bytes(&rogue.dice().array());
    let plain = rogue.plain(&Said::other(b"any."));
    let packet = seal(&other, Direction::ToClient, &plain, rogue.dice());
    rogue.send_packet(&packet);
    assert_eq!(rogue.error(), Some(&BAD_PACKET));
    let mut rogue = client_survives(rogue);

    // Sealed for the other direction.
    let plain = rogue.plain(&Said::other(b"any."));
    let packet = seal(&key, Direction::ToServer, &plain, rogue.dice());
    rogue.send_packet(&packet);
    assert_eq!(rogue.error(), Some(&BAD_PACKET));
    let mut rogue = client_survives(rogue);

    let plain = [&[0; 8][..], &[1; 8], &16_i32.to_le_bytes(), &[2; 16]].concat();
    rogue.send_packet(&plain);
    assert_eq!(
        rogue.error(),
        Some(&Error::PeerMisbehaved(PeerMisbehaved::PlainPacket))
    );
    assert_eq!(rogue.news(), []);
    client_survives(rogue);
}

#[test]
fn m4_an_unknown_key_or_no_session_ends_the_stream_at_a_server() {
    let (mut rogue, conn) = settled_server(2012);
    let other = AuthKey::from_bytes(&rogue.dice().array());
    let plain = rogue.plain(&Said::other(b"any."));
    let packet = seal(&other, Direction::ToServer, &plain, rogue.dice());
    rogue.send_packet(conn, &packet, false);
    let conn = server_survives(&mut rogue, conn, "unknown key");

    let plain = Plain {
        session: SessionId(0),
        ..rogue.plain(&Said::other(b"any."))
    };
    rogue.send(conn, &plain);
    let conn = server_survives(&mut rogue, conn, "session 0");

    // An unencrypted message may begin a handshake; anything else ends the stream.
    let plain = [&[0; 8][..], &[1; 8], &16_i32.to_le_bytes(), &[2; 16]].concat();
    rogue.send_packet(conn, &plain, false);
    let conn = server_survives(&mut rogue, conn, "plain");

    let bytes = rogue.dice().bytes(64);
    let key = rogue.key().clone();
    let packet = seal_bytes(&key, Direction::ToClient, &bytes);
    rogue.send_packet(conn, &packet, false);
    server_survives(&mut rogue, conn, "the other direction");
}

#[test]
fn m4_an_encrypted_packet_before_there_is_a_key_ends_the_stream() {
    use mtproto_proto::connection::{ClientConnection, Start};
    use mtproto_proto::transport::{Codec, ServerTransport};
    use mtproto_proto::{Machine, Rng};
    use mtproto_test::pair::START;

    let mut rng = Rng::from_seed([1; 32]);
    let config = std::sync::Arc::new(crate::both::client_config());
    let mut client =
        ClientConnection::new(config, Start::NewKey, Rng::from_seed([2; 32]), START).unwrap();
    let (mut bytes, mut server) = (Vec::new(), Codec::server(ServerTransport::default()));
    assert!(client.poll_transmit(START, &mut bytes));
    server.feed(&bytes);
    server.next_frame().unwrap();
    bytes.clear();
    server
        .write_packet(&mut rng, &mut bytes, 88, false, |out, _| {
            out.extend([1; 88])
        })
        .unwrap();
    assert_eq!(
        client.handle_input(START, &bytes),
        Err(Error::PeerMisbehaved(PeerMisbehaved::EncryptedBeforeKey))
    );
    assert_eq!(client.poll_event(), None::<ClientEvent>);
}
