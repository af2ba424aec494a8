//! Restarts, one by one: what a client sees of them. The kit checks that no id and no number comes
//! twice, over all streams and restarts.

use mtproto_proto::handshake::bind::{BindInner, bind_message};
use mtproto_proto::server::{BindRefused, Event};
use mtproto_proto::{IncomingId, MsgId};
use mtproto_test::rogue::Said;

use super::support::{config, content, full, resume, said, secs, settled, stored};

#[test]
fn a_session_goes_on_where_it_was() {
    let (mut rogue, conn) = settled(1_901);
    rogue.say(conn, Said::other(b"the call"));
    let (id, _) = rogue.calls()[0];
    rogue.respond(id, b"answered");
    rogue.push(b"update 1");
    let kept = rogue.hear(conn);
    let state = stored(&mut rogue);
    resume(&mut rogue, state, config());

    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let told = rogue.hear(conn);
    let again: Vec<_> = told.iter().flat_map(|packet| &packet.messages).collect();
    let before: Vec<_> = kept.iter().flat_map(|packet| &packet.messages).collect();
    assert_eq!(again[..2], before, "as they were");
    assert!(
        matches!(said(&told)[2..], [Said::Pong { .. }]),
        "no new session"
    );
    assert_eq!(rogue.events(), []);

    rogue.say(conn, Said::Acks(content(&told)));
    rogue.push(b"update 2");
    rogue.hear(conn);
    rogue.say(conn, Said::other(b"call two"));
    let (next, _) = rogue.calls()[0];
    assert!(next > id, "names are given once");
}

#[test]
fn a_call_that_ran_comes_again_under_its_name_and_only_its_owner_knows_what_it_did() {
    let (mut rogue, conn) = settled(1_902);
    let (auth_key_id, session) = (rogue.key().id(), rogue.session);
    let requests = [&b"call one"[..], b"call two"].map(|body| {
        let msg_id = rogue.say(conn, Said::other(body));
        (msg_id, body)
    });
    let ids: Vec<IncomingId> = rogue.calls().iter().map(|(id, _)| *id).collect();
    rogue.later(secs(1));
    rogue.hear(conn);
    let state = stored(&mut rogue);
    resume(&mut rogue, state, config());

    let expected: Vec<_> = ids
        .iter()
        .zip(requests)
        .map(|(id, (msg_id, body))| Event::Request {
            id: *id,
            auth_key_id,
            perm_key: Some(auth_key_id),
            session,
            msg_id,
            body: body.into(),
            again: true,
        })
        .collect();
    assert_eq!(rogue.events(), expected, "in their order");
    assert!(rogue.respond(ids[0], b"answered"));
    assert!(!rogue.respond(ids[0], b"answered"), "once");

    let conn = rogue.connect();
    let req = rogue.say(
        conn,
        Said::StateReq(requests.iter().map(|(msg_id, _)| *msg_id).collect()),
    );
    assert_eq!(
        rogue.hear_said(conn),
        [
            Said::result(requests[0].0, b"answered"),
            Said::StateInfo {
                req,
                info: vec![4 | 32 | 64, 4 | 8 | 32]
            }
        ]
    );
    // The client may still take it back.
    rogue.say(conn, Said::DropAnswer(requests[1].0));
    assert_eq!(rogue.events(), [Event::Dropped { id: ids[1] }]);
}

#[test]
fn a_copy_of_a_packet_is_no_new_call_after_a_restart() {
    for forget in [false, true] {
        let (mut rogue, conn) = settled(1_903);
        let plain = rogue.plain(&Said::other(b"the call"));
        let packet = rogue.seal(&plain);
        rogue.send_packet(conn, &packet, false);
        let (id, _) = rogue.calls()[0];
        rogue.respond(id, b"answered");
        let answer = rogue.hear(conn);
        rogue.say(conn, Said::Acks(content(&answer)));
        let mut state = stored(&mut rogue);
        if forget {
            state = state.without_sessions();
            let session = rogue.session;
            rogue.begins_anew(session);
        }
        resume(&mut rogue, state, config());
        let conn = rogue.connect();
        rogue.send_packet(conn, &packet, false);
        rogue.say(conn, Said::Ping(1));
        rogue.send_packet(conn, &packet, false);
        assert_eq!(rogue.calls(), [], "forgotten: {forget}");
    }
}

#[test]
fn a_client_of_a_forgotten_session_is_told_where_it_begins() {
    let (mut rogue, conn) = settled(1_904);
    let old = rogue.say(conn, Said::other(b"the call"));
    rogue.calls();
    rogue.hear(conn);
    let state = stored(&mut rogue).without_sessions();
    assert_eq!(state.sessions().count(), 0);
    let session = rogue.session;
    rogue.begins_anew(session);
    resume(&mut rogue, state, config());
    assert_eq!(rogue.events(), [], "the call is forgotten too");

    let conn = rogue.connect();
    let req = rogue.say(conn, Said::StateReq(vec![old]));
    let told = rogue.hear_said(conn);
    let salt = rogue.salt;
    let [
        Said::NewSession {
            first,
            salt: told_salt,
            ..
        },
        Said::StateInfo { .. },
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!((*first, *told_salt), (req, salt), "salts go on");
    let info = vec![1];
    assert_eq!(told[1], Said::StateInfo { req, info }, "nothing is known");
}

#[test]
fn a_session_that_does_not_come_back_is_forgotten_in_time() {
    let mut rogue = full(1_905);
    let state = stored(&mut rogue);
    resume(&mut rogue, state, config());
    rogue.events();
    rogue.later(secs(3_599));
    assert_eq!(rogue.server.sessions().count(), 1);
    rogue.later(secs(1));
    assert_eq!(rogue.server.sessions().count(), 0);
    assert_eq!(rogue.server.poll_timeout(), None);
}

#[test]
fn what_waited_for_its_stream_leaves_over_the_next() {
    let mut rogue = full(1_906);
    let state = stored(&mut rogue);
    resume(&mut rogue, state, config());
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let told = rogue.hear_said(conn);
    let results: Vec<_> = told
        .iter()
        .filter_map(|said| match said {
            Said::Result { result, .. } => Some(&result[..]),
            Said::Other(update) => Some(&update[..]),
            _ => None,
        })
        .collect();
    assert_eq!(results, [&b"kept"[..], b"kept too", b"waiting."]);
}

#[test]
fn salts_go_on_and_so_do_first_salts_and_bindings_of_temporary_keys() {
    // The kit's client has one key; a second one is given to the server beside it.
    let (mut rogue, conn) = settled(1_907);
    let salt = rogue.salt;
    rogue.later(secs(1_700));
    let state = stored(&mut rogue);
    resume(&mut rogue, state, config());
    let conn2 = rogue.connect();
    rogue.salt = salt;
    let req = rogue.say(conn2, Said::Ping(1));
    assert_eq!(rogue.hear_said(conn2), [Said::Pong { req, ping_id: 1 }]);
    assert!(!rogue.is_open(conn));
}

#[test]
fn a_clock_that_went_back_gives_no_id_twice() {
    let (mut rogue, conn) = settled(1_908);
    rogue.push(b"update 1");
    let last = rogue.hear(conn)[0].msg_id;
    let state = stored(&mut rogue);
    // Ten seconds earlier than it was.
    let (rng, now) = (rogue.dice().rng(), rogue.now() - secs(10));
    let mut server =
        mtproto_proto::server::Server::resume(std::sync::Arc::new(config()), state, rng, now);
    let (key, session) = (rogue.key().id(), rogue.session);
    assert_eq!(server.sessions().collect::<Vec<_>>(), [(key, session)]);
    std::mem::swap(&mut rogue.server, &mut server);
    rogue.disconnect(conn);
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let told = rogue.hear(conn);
    let newest = told.iter().map(|packet| packet.msg_id).max();
    assert!(newest > Some(last), "{newest:?} after {last}");
}

/// `auth.bindTempAuthKey` is an owner's business; the binding is the server's.
#[test]
fn a_temporary_key_stays_bound_and_ends_when_it_ends() {
    use std::sync::Arc;

    use mtproto_proto::crypto::{RsaPrivateKey, RsaPublicKey};
    use mtproto_proto::handshake::client;
    use mtproto_proto::server::{Server, ServerConfig, ServerState};
    use mtproto_proto::transport::{Codec, Frame, Framing};
    use mtproto_proto::{ConnId, DcId, Rng};
    use mtproto_test::pair::START;
    use mtproto_test::peer::{Peer, make_key};
    use mtproto_test::{Dice, Seed};

    let rsa = RsaPrivateKey::from_pem(include_str!("../keys/server.pem")).unwrap();
    let config = Arc::new(ServerConfig::new(DcId(2), vec![rsa.clone()]));
    let public: RsaPublicKey = rsa.public().clone();
    let mut dice = Dice::new(Seed(1_909));
    let mut now = START;
    let mut server = Server::new(config.clone(), dice.rng(), now);
    let mut last = 0;
    let mut stream = |server: &mut Server, dice: &mut Dice, now| {
        last += 1;
        let conn = ConnId(last);
        server.handle_connected(now, conn);
        let codec = Codec::client(Framing::Intermediate, None, &mut dice.rng()).unwrap();
        (conn, codec)
    };
    // One packet there, one back.
    fn exchange(
        server: &mut Server,
        (conn, codec): &mut (ConnId, Codec),
        rng: &mut Rng,
        now: mtproto_proto::Time,
        packet: &[u8],
    ) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        codec
            .write_packet(rng, &mut bytes, packet.len(), false, |out, _| {
                out.extend_from_slice(packet);
            })
            .unwrap();
        server.handle_input(now, *conn, &bytes);
        let mut out = Vec::new();
        while server.poll_transmit(now, *conn, &mut out) {}
        codec.feed(&out);
        match codec.next_frame().unwrap() {
            Some(Frame::Packet { data, .. }) => Some(data.to_vec()),
            _ => None,
        }
    }
    let keys = [None, Some(86_400)].map(|expires_in| {
        let mut line = stream(&mut server, &mut dice, now);
        let mut settings = client::Config::new(vec![public.clone()], DcId(2));
        settings.expires_in = expires_in;
        let (mut rng, mut wire) = (dice.rng(), dice.rng());
        make_key(settings, now, &mut rng, |packet| {
            exchange(&mut server, &mut line, &mut wire, now, packet).unwrap()
        })
        .unwrap()
    });
    let [perm, temp] = keys;
    let expires_at = temp.expires_at.unwrap();
    let mut peer = Peer::client(temp.key.clone(), temp.salt, dice.fork());
    while server.poll_event().is_some() {}

    let mut rng = dice.rng();
    let mut restart = |server: &mut Server, now| {
        let bytes = server.suspend().to_bytes();
        let state = ServerState::from_bytes(&bytes).unwrap();
        *server = Server::resume(config.clone(), state, rng_of(&mut rng), now);
    };
    fn rng_of(rng: &mut Rng) -> Rng {
        Rng::from_seed(rng.array())
    }
    // The first salt of the handshake is good after the restart.
    restart(&mut server, now);
    let mut line = stream(&mut server, &mut dice, now);
    let mut wire = dice.rng();
    let item = peer.item(now, true, b"the call".to_vec());
    let inner = BindInner {
        nonce: 7,
        temp_auth_key_id: temp.key.id(),
        perm_auth_key_id: perm.key.id(),
        temp_session_id: peer.session,
        expires_at,
    };
    let message = bind_message(&perm.key, item.msg_id, &inner, &mut wire);
    let plain = mtproto_test::tamper::Plain::new(
        peer.salt,
        peer.session,
        item.msg_id,
        item.seq_no,
        item.body.clone(),
    );
    let packet = peer.seal(&plain);
    let told = exchange(&mut server, &mut line, &mut wire, now, &packet).unwrap();
    assert!(!peer.open(&told).unwrap().is_empty(), "not refused");
    let id = std::iter::from_fn(|| server.poll_event())
        .find_map(|event| match event {
            Event::Request { id, perm_key, .. } => Some((id, perm_key)),
            _ => None,
        })
        .unwrap();
    assert_eq!(id.1, None, "it is not bound");
    let bind = |server: &mut Server, perm: i64| {
        server.bind_temp_key(now, id.0, perm, 7, expires_at, &message)
    };
    assert_eq!(bind(&mut server, perm.key.id().0), Ok(()));

    restart(&mut server, now);
    let Some(Event::Request {
        perm_key, again, ..
    }) = server.poll_event()
    else {
        panic!("the call was not answered");
    };
    assert_eq!(
        (perm_key, again),
        (Some(perm.key.id()), true),
        "it is bound"
    );
    assert_ne!(bind(&mut server, 5), Err(BindRefused::NotTemporary));

    let state = server.suspend();
    assert_eq!(state.keys().count(), 2);
    now = now + secs(86_400 + 60);
    restart(&mut server, now);
    assert_eq!(server.suspend().keys().collect::<Vec<_>>(), [perm.key.id()]);
    assert_eq!(server.sessions().count(), 0);
}

#[test]
fn a_state_is_the_same_whoever_reads_it() {
    let mut rogue = full(1_910);
    let state = stored(&mut rogue);
    let first = state.to_bytes();
    resume(&mut rogue, state, config());
    assert_eq!(*rogue.server.suspend().to_bytes(), *first);
    assert_eq!(MsgId(0), MsgId(0));
}
