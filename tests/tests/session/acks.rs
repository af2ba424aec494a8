//! Acknowledgements: when they leave, and for what.

use mtproto_test::rogue::Said;

use crate::support::{response, secs, settled, update};

#[test]
fn r5_an_ack_waits_at_most_thirty_seconds() {
    let mut rogue = settled(301);
    let first = rogue.say(Said::other(b"update 1"));
    rogue.later(secs(20));
    let second = rogue.say(Said::other(b"update 2"));
    assert_eq!(rogue.hear(), []);

    rogue.later(secs(9));
    assert_eq!(rogue.hear(), [], "29 s after the first");
    rogue.later(secs(1));
    assert_eq!(rogue.hear_said(), [Said::Acks(vec![first, second])]);
    rogue.later(secs(25));
    assert_eq!(rogue.hear(), []);
}

#[test]
fn acks_travel_with_any_packet() {
    let mut rogue = settled(302);
    let id = rogue.say(Said::other(b"update 1"));
    rogue.call(b"the call");
    assert_eq!(
        rogue.hear_one().said(),
        [Said::Acks(vec![id]), Said::other(b"the call")]
    );

    let id = rogue.say(Said::other(b"update 2"));
    let ping = rogue.say(Said::Ping(9));
    assert_eq!(
        rogue.hear_one().said(),
        [
            Said::Acks(vec![id]),
            Said::Pong {
                req: ping,
                ping_id: 9
            }
        ]
    );
}

#[test]
fn a_hundred_acks_leave_at_once() {
    let mut rogue = settled(303);
    let mut ids = Vec::new();
    for _ in 0..99 {
        ids.push(rogue.say(Said::other(b"an update...")));
    }
    assert_eq!(rogue.hear(), []);
    ids.push(rogue.say(Said::other(b"an update...")));
    assert_eq!(rogue.hear_one().said(), [Said::Acks(ids)]);
}

#[test]
fn r12_only_odd_sequence_numbers_are_acknowledged_whatever_the_message_is() {
    let mut rogue = settled(304);
    let call = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    // A container of things that are not content-related, and one that is.
    let ids = rogue.say_all(&[
        Said::Acks(vec![req]),
        Said::Pong { req, ping_id: 1 },
        Said::StateInfo { req, info: vec![4] },
        Said::result(req, b"answered"),
    ]);
    // An update with an even number, a pong with an odd one: the number decides.
    let mut quiet = rogue.plain(&Said::other(b"silently"));
    quiet.seq_no &= !1;
    rogue.send(&quiet);
    let mut loud = rogue.plain(&Said::Pong { req, ping_id: 2 });
    loud.seq_no |= 1;
    rogue.send(&loud);
    rogue.later(secs(30));

    assert_eq!(rogue.hear_said(), [Said::Acks(vec![ids[3], loud.msg_id])]);
    assert_eq!(
        rogue.news(),
        [
            crate::support::acked(call),
            response(call, b"answered"),
            update(b"silently"),
        ]
    );
}

#[test]
fn a_duplicate_is_delivered_once_and_acknowledged_again() {
    let mut rogue = settled(305);
    let original = rogue.plain(&Said::other(b"update 1"));
    rogue.send(&original);
    rogue.later(secs(30));
    assert_eq!(rogue.hear_said(), [Said::Acks(vec![original.msg_id])]);

    rogue.send(&original);
    rogue.later(secs(30));
    // A copy is no sign of life: the next ping is due too.
    assert_eq!(rogue.hear_said()[0], Said::Acks(vec![original.msg_id]));
    assert_eq!(rogue.news(), [update(b"update 1")]);
    assert_eq!(rogue.client.stats().duplicates, 1);
}

#[test]
fn a_duplicate_inside_a_container_is_delivered_once_and_acknowledged_again() {
    let mut rogue = settled(306);
    let first = rogue.item(&Said::other(b"update 1"));
    let second = rogue.item(&Said::other(b"update 2"));
    rogue.send_container(&[first.clone(), second.clone()]);
    rogue.later(secs(30));
    assert_eq!(
        rogue.hear_said(),
        [Said::Acks(vec![first.msg_id, second.msg_id])]
    );

    // The second again, alone in a new container, and then with a third. One acknowledgement that
    // has not left is enough for both.
    rogue.send_container(std::slice::from_ref(&second));
    let third = rogue.item(&Said::other(b"update 3"));
    rogue.send_container(&[second.clone(), third.clone()]);
    rogue.later(secs(30));

    assert_eq!(
        rogue.hear_said(),
        [Said::Acks(vec![second.msg_id, third.msg_id])]
    );
    assert_eq!(
        rogue.news(),
        [
            update(b"update 1"),
            update(b"update 2"),
            update(b"update 3")
        ]
    );
}

#[test]
fn what_cannot_be_read_is_acknowledged_too() {
    let mut rogue = settled(307);
    let broken_gzip = Said::other(&mtproto_test::tamper::gzip_packed(b"not compressed"));
    let mut truncated = rogue.plain(&Said::NewSession {
        first: mtproto_proto::MsgId(4),
        unique_id: 1,
        salt: 2,
    });
    truncated.body.truncate(8);
    rogue.send(&truncated);
    let packed = rogue.say(broken_gzip);
    rogue.later(secs(30));
    assert_eq!(
        rogue.hear_said(),
        [Said::Acks(vec![truncated.msg_id, packed])]
    );
    // Either may have stood for an update.
    assert_eq!(
        rogue.news(),
        [mtproto_proto::connection::ClientEvent::UpdatesMissed]
    );
}

#[test]
fn answers_are_acknowledged_even_if_nobody_waits_for_them() {
    let mut rogue = settled(308);
    let id = rogue.call(b"the call");
    let req = rogue.hear_one().msg_id;
    let ids = [
        rogue.say(Said::result(req, b"answered")),
        rogue.say(Said::result(req, b"answered")),
        rogue.say(Said::result(mtproto_proto::MsgId(0), b"answered")),
    ];
    rogue.later(secs(30));
    assert_eq!(rogue.hear_said(), [Said::Acks(ids.to_vec())]);
    assert_eq!(rogue.news(), [response(id, b"answered")]);
    assert_eq!(rogue.client.stats().unknown_answers, 2);
}
