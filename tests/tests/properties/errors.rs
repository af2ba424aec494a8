//! Line 5 of the contract: errors are final, and what came before them comes out.

use std::sync::Arc;

use mtproto_proto::connection::{Error, ServerConnection};
use mtproto_proto::crypto::{AuthKey, Direction};
use mtproto_proto::server::Event;
use mtproto_proto::transport::{Codec, Frame, Framing};
use mtproto_proto::{Machine, PeerMisbehaved, Rng, SessionId};
use mtproto_test::pair::START;
use mtproto_test::rogue::{Said, msg_id_at};
use mtproto_test::tamper::{Plain, seal};
use mtproto_test::{Dice, Seed};

use crate::both::server_config;
use crate::support::{response, secs, settled, update};

#[test]
fn what_a_client_heard_before_an_error_comes_out_and_the_error_repeats() {
    let mut rogue = settled(5101);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    let key = rogue.key().clone();
    // An update, an answer, a packet that does not open, another update: in one piece.
    let mut bytes = Vec::new();
    for said in [Said::other(b"update 1"), Said::result(req, b"answered")] {
        let plain = rogue.plain(&said);
        let packet = seal(&key, Direction::ToClient, &plain, rogue.dice());
        bytes.extend(rogue.frame(&packet));
    }
    bytes.extend(rogue.frame(&[7; 88]));
    let plain = rogue.plain(&Said::other(b"update 2"));
    let packet = seal(&key, Direction::ToClient, &plain, rogue.dice());
    bytes.extend(rogue.frame(&packet));

    let now = rogue.now();
    let error = Error::PeerMisbehaved(PeerMisbehaved::BadPacket);
    assert_eq!(rogue.client.handle_input(now, &bytes), Err(error.clone()));
    let mut out = Vec::new();
    for _ in 0..3 {
        assert_eq!(rogue.client.handle_input(now, &[1]), Err(error.clone()));
        assert_eq!(rogue.client.handle_timeout(now), Err(error.clone()));
        assert_eq!(rogue.client.handle_eof(now), Err(error.clone()));
        assert!(!rogue.client.poll_transmit(now, &mut out));
        assert_eq!(rogue.client.poll_timeout(), None);
    }
    assert_eq!(
        rogue.news(),
        [update(b"update 1"), response(id, b"answered")]
    );
}

#[test]
fn what_a_server_heard_before_an_error_comes_out_and_so_does_a_last_frame() {
    let mut dice = Dice::new(Seed::from_env_or(5102));
    let mut rng: Rng = dice.rng();
    let key = AuthKey::from_bytes(&dice.array());
    let mut server = ServerConnection::new(Arc::new(server_config()), dice.rng(), START);
    server
        .server()
        .provide_key(START, key.id(), Some(key.clone()));
    let mut codec = Codec::client(Framing::Intermediate, None, &mut rng).unwrap();
    let mut write = |packet: &[u8]| {
        let mut bytes = Vec::new();
        codec
            .write_packet(&mut rng, &mut bytes, packet.len(), false, |out, _| {
                out.extend(packet);
            })
            .unwrap();
        bytes
    };
    // The salt first.
    let ping = |salt, n: u64, said: &Said, dice: &mut Dice| {
        let plain = Plain::new(
            salt,
            SessionId(1),
            msg_id_at(START + std::time::Duration::from_millis(n), 0),
            i32::from(said.is_content()),
            said.to_bytes(),
        );
        seal(&key, Direction::ToServer, &plain, dice)
    };
    let mut client =
        Codec::client(Framing::Intermediate, None, &mut Rng::from_seed([1; 32])).unwrap();
    server
        .handle_input(START, &write(&ping(0, 1, &Said::Ping(1), &mut dice)))
        .unwrap();
    let mut out = Vec::new();
    assert!(server.poll_transmit(START, &mut out));
    client.feed(&out);
    let Some(Frame::Packet { data, .. }) = client.next_frame().unwrap() else {
        panic!();
    };
    let plain = mtproto_test::tamper::open(&key, Direction::ToClient, &data).unwrap();
    let Said::BadSalt { new_salt, .. } = Said::read(&plain.body.into()) else {
        panic!();
    };
    while server.poll_event().is_some() {}

    // A call, a packet that does not open, another call: in one piece.
    let mut bytes = write(&ping(new_salt, 2, &Said::other(b"call one"), &mut dice));
    bytes.extend(write(&[7; 88]));
    bytes.extend(write(&ping(
        new_salt,
        3,
        &Said::other(b"call two"),
        &mut dice,
    )));
    let error = server.handle_input(START, &bytes).unwrap_err();
    for _ in 0..3 {
        assert_eq!(server.handle_input(START, &[1]), Err(error.clone()));
        assert_eq!(server.handle_timeout(START + secs(1)), Err(error.clone()));
        assert_eq!(server.handle_eof(START), Err(error.clone()));
        assert_eq!(server.poll_timeout(), None);
    }
    let mut bodies = Vec::new();
    while let Some(event) = server.poll_event() {
        if let Event::Request { body, .. } = event {
            bodies.push(body);
        }
    }
    assert_eq!(bodies, [&b"call one"[..]]);
    out.clear();
    assert!(server.poll_transmit(START, &mut out), "the last frame");
    client.feed(&out);
    assert_eq!(client.next_frame(), Ok(Some(Frame::Status(-404))));
    assert!(!server.poll_transmit(START, &mut out));
}
