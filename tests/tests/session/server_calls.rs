//! Calls at a server: executed once, answered, repeated, dropped; updates.

use mtproto_proto::server::Event;
use mtproto_test::rogue::{Packet, Said};
use mtproto_test::tamper::{gzip, gzip_packed};

use crate::support::{self, secs, settled_server};

#[test]
fn a_call_is_answered_and_the_answer_acknowledges_it() {
    let (mut rogue, conn) = settled_server(1101);
    let req = rogue.say(conn, Said::other(b"the call"));
    let events = rogue.events();
    let [
        Event::Request {
            id,
            auth_key_id,
            perm_key,
            session,
            msg_id,
            body,
            again: false,
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(*auth_key_id, rogue.key().id());
    assert_eq!(*perm_key, Some(rogue.key().id()));
    assert_eq!((*session, *msg_id), (rogue.session, req));
    assert_eq!(body[..], b"the call"[..]);

    assert!(rogue.respond(*id, b"answered"));
    assert!(!rogue.respond(*id, b"answered"), "once");
    assert_eq!(rogue.hear_said(conn), [Said::result(req, b"answered")]);
    rogue.later(secs(1));
    assert_eq!(rogue.hear_said(conn), [], "no acknowledgement besides");
}

#[test]
fn a_call_that_takes_long_is_acknowledged_soon() {
    let (mut rogue, conn) = settled_server(1102);
    let req = rogue.say(conn, Said::other(b"the call"));
    rogue.later(secs(1));
    assert_eq!(rogue.hear_said(conn), [Said::Acks(vec![req])]);
}

#[test]
fn errors_are_answers() {
    let (mut rogue, conn) = settled_server(1103);
    let req = rogue.say(conn, Said::other(b"the call"));
    let (id, _) = rogue.calls()[0];
    rogue
        .server
        .respond_error(rogue.now(), id, 420, "FLOOD_WAIT_5");
    assert_eq!(
        rogue.hear_said(conn),
        [Said::error(req, 420, "FLOOD_WAIT_5")]
    );
}

#[test]
fn calls_inside_containers_and_compressed_ones_are_executed_in_order() {
    let (mut rogue, conn) = settled_server(1104);
    let long = b"a long call ".repeat(300);
    rogue.say_all(
        conn,
        &[
            Said::other(b"call one"),
            Said::Ping(1),
            Said::other(&gzip_packed(&gzip(&long))),
            Said::other(b"call 3.."),
        ],
    );
    let bodies: Vec<_> = rogue.calls().into_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies, [&b"call one"[..], &long, b"call 3.."]);
}

#[test]
fn a_call_that_comes_twice_is_executed_once_and_its_answer_is_sent_again() {
    let (mut rogue, conn) = settled_server(1105);
    let plain = rogue.plain(&Said::other(b"the call"));
    let packet = rogue.seal(&plain);
    rogue.send_packet(conn, &packet, false);
    let (id, _) = rogue.calls()[0];

    // While it runs: acknowledged again.
    rogue.later(secs(1));
    rogue.hear(conn);
    rogue.send_packet(conn, &packet, false);
    rogue.later(secs(1));
    assert_eq!(rogue.hear_said(conn), [Said::Acks(vec![plain.msg_id])]);

    // After its answer: the same message, in a container.
    rogue.respond(id, b"answered");
    let answer = rogue.hear(conn).remove(0);
    rogue.send_packet(conn, &packet, false);
    let again = rogue.hear(conn).remove(0);
    assert!(again.is_container);
    assert_eq!(again.messages, answer.messages);
    assert_eq!(rogue.calls(), []);

    // Acknowledged: there is nothing left to send.
    rogue.say(conn, Said::Acks(vec![answer.msg_id]));
    rogue.send_packet(conn, &packet, false);
    rogue.later(secs(1));
    assert_eq!(rogue.hear_said(conn), [Said::Acks(vec![plain.msg_id])]);
    assert_eq!(rogue.calls(), []);
}

#[test]
fn a_long_answer_is_described_instead_and_sent_when_it_is_asked_for() {
    let (mut rogue, conn) = settled_server(1106);
    let plain = rogue.plain(&Said::other(b"the call"));
    rogue.send(conn, &plain);
    let (id, _) = rogue.calls()[0];
    rogue.respond(id, &[7; 4_000]);
    let answer = rogue.hear(conn).remove(0);

    rogue.send(conn, &plain);
    assert_eq!(
        rogue.hear_said(conn),
        [Said::Other(
            [
                &0x276d_3ec6_u32.to_le_bytes()[..],
                &plain.msg_id.0.to_le_bytes(),
                &answer.msg_id.0.to_le_bytes(),
                &4_012_i32.to_le_bytes(),
                &[0; 4],
            ]
            .concat()
            .into()
        )]
        .map(|said| Said::read(&said.to_bytes().into()))
    );
    rogue.say(conn, Said::ResendReq(vec![answer.msg_id, plain.msg_id]));
    let again: Vec<Packet> = rogue.hear(conn);
    assert_eq!(again[0].messages[..1], answer.messages);
}

#[test]
fn a_copy_of_a_containers_packet_is_not_refused_and_executes_nothing() {
    let (mut rogue, conn) = settled_server(1107);
    let items = [
        rogue.item(&Said::other(b"call one")),
        rogue.item(&Said::other(b"call two")),
    ];
    let plain = rogue.container(mtproto_test::tamper::container(&items, None));
    let packet = rogue.seal(&plain);
    rogue.send_packet(conn, &packet, false);
    assert_eq!(rogue.calls().len(), 2);
    rogue.later(secs(1));
    rogue.hear(conn);

    rogue.send_packet(conn, &packet, false);
    rogue.later(secs(1));
    assert_eq!(rogue.calls(), []);
    assert_eq!(
        rogue.hear_said(conn),
        [Said::Acks(items.iter().map(|item| item.msg_id).collect())]
    );
}

#[test]
fn what_was_not_acknowledged_is_sent_again_on_the_next_stream() {
    let (mut rogue, conn) = settled_server(1108);
    let req = rogue.say(conn, Said::other(b"the call"));
    let (id, _) = rogue.calls()[0];
    rogue.respond(id, b"answered");
    rogue.push(b"update 1");
    rogue.push(b"update 2");
    let sent: Vec<_> = rogue
        .hear(conn)
        .into_iter()
        .flat_map(|packet| packet.messages)
        .collect();
    assert_eq!(sent.len(), 3);
    rogue.say(conn, Said::Acks(vec![sent[1].msg_id]));
    rogue.disconnect(conn);

    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    let packets = rogue.hear(conn);

    assert_eq!(packets[0].messages[0], sent[0], "the answer, as it was");
    assert_eq!(
        packets[0].messages[1], sent[2],
        "the second update, as it was"
    );
    assert_eq!(packets[0].said()[0], Said::result(req, b"answered"));
    // On the same stream nothing is sent a third time.
    rogue.say(conn, Said::Ping(2));
    assert!(matches!(rogue.hear_said(conn)[..], [Said::Pong { .. }]));
}

#[test]
fn an_old_message_comes_again_inside_a_container_with_a_new_id() {
    let (mut rogue, conn) = settled_server(1109);
    rogue.push(b"update 1");
    let update = rogue.hear(conn).remove(0);
    rogue.disconnect(conn);
    rogue.later(secs(600));
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(1));
    rogue.hear(conn);
    rogue.settle(conn);
    rogue.say(conn, Said::ResendReq(vec![update.msg_id]));
    let again = rogue.hear(conn).remove(0);
    assert!(again.is_container);
    assert_eq!(again.messages, update.messages);
    assert!(rogue.now().unix() as i64 - again.msg_id.unix() <= 1);
}

#[test]
fn a_call_that_runs_can_be_dropped() {
    let (mut rogue, conn) = settled_server(1110);
    let req = rogue.say(conn, Said::other(b"the call"));
    let (id, _) = rogue.calls()[0];
    let drop = rogue.say(conn, Said::DropAnswer(req));
    assert_eq!(rogue.events(), [Event::Dropped { id }]);
    let told = rogue.hear(conn);
    assert_eq!(
        support::said(&told),
        [
            Said::Dropped { req, running: true },
            Said::Dropped {
                req: drop,
                running: true
            },
        ]
    );
    assert!(!rogue.respond(id, b"too late"));
    rogue.say(conn, Said::Acks(support::content(&told)));

    let drop = rogue.say(conn, Said::DropAnswer(req));
    assert_eq!(
        rogue.hear_said(conn),
        [Said::Dropped {
            req: drop,
            running: false
        }]
    );
}

#[test]
fn an_update_goes_to_a_session_that_a_stream_carries() {
    let (mut rogue, conn) = settled_server(1111);
    assert!(rogue.push(b"update 1"));
    assert_eq!(rogue.hear_said(conn), [Said::other(b"update 1")]);
    let stranger = rogue.key().id();
    assert!(!rogue.server.push(
        rogue.now(),
        stranger,
        mtproto_proto::SessionId(1),
        b"update 2"[..].into()
    ));
    rogue.disconnect(conn);
    assert!(!rogue.push(b"update 3"));
}

#[test]
fn an_answer_longer_than_a_client_takes_is_not_sent() {
    use mtproto_proto::transport::MAX_CLIENT_FRAME;

    let (mut rogue, conn) = settled_server(1112);
    rogue.say(conn, Said::other(b"the call"));
    let (id, _) = rogue.calls()[0];
    assert!(!rogue.respond(id, &vec![0; MAX_CLIENT_FRAME]));
    assert!(!rogue.push(&vec![0; MAX_CLIENT_FRAME]));

    // The longest one, alone and with an acknowledgement before it.
    let longest = (1 << 22) - 1_024;
    for ack in [false, true] {
        rogue.say(conn, Said::other(b"the call"));
        let (id, _) = rogue.calls()[0];
        if ack {
            rogue.say(conn, Said::other(b"another."));
        }
        assert!(rogue.respond(id, &vec![0; longest]));
        assert!(!rogue.hear(conn).is_empty());
        rogue.calls();
        rogue.later(secs(1));
        rogue.hear(conn);
    }
}
