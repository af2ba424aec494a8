//! Updates that cannot be taken: the application hears of it.

use mtproto_proto::connection::ClientEvent;
use mtproto_test::rogue::{RogueServer, Said};
use mtproto_test::tamper::gzip_packed;

use crate::support::{secs, settled, update};

/// Says this under an id that is too old to be taken by itself.
fn say_too_late(rogue: &mut RogueServer, said: &Said, by: i64) {
    let mut plain = rogue.plain(said);
    plain.msg_id = rogue.msg_id_moved(-300 - by);
    rogue.send(&plain);
}

#[test]
fn an_update_that_is_too_old_is_reported_and_once_a_minute_is_enough() {
    let mut rogue = settled(1201);
    rogue.answers_pings(true);
    for by in 1..50 {
        say_too_late(&mut rogue, &Said::other(b"update 1"), by);
    }
    assert_eq!(rogue.news(), [ClientEvent::UpdatesMissed]);
    rogue.later(secs(59));
    assert_eq!(rogue.news(), []);
    rogue.later(secs(1));
    // The other forty-eight.
    assert_eq!(rogue.news(), [ClientEvent::UpdatesMissed]);
    rogue.later(secs(600));
    assert_eq!(rogue.news(), []);
    say_too_late(&mut rogue, &Said::other(b"update 1"), 99);
    assert_eq!(rogue.news(), [ClientEvent::UpdatesMissed]);
    assert_eq!(rogue.client.stats().too_old, 50);
}

#[test]
fn what_is_too_old_and_no_update_is_not_reported() {
    let mut rogue = settled(1202);
    let id = rogue.msg_id_moved(-400);
    let said = [
        Said::Acks(vec![id]),
        Said::Ping(1),
        Said::StateReq(vec![id]),
        Said::AllInfo {
            ids: vec![id],
            info: vec![4],
        },
    ];
    for (by, said) in (1..).zip(said) {
        say_too_late(&mut rogue, &said, by);
        assert_eq!(rogue.news(), [], "{said:?}");
    }
    assert_eq!(rogue.client.stats().too_old, 4);
}

#[test]
fn news_of_a_new_session_or_of_an_unsent_message_stands_for_updates() {
    for said in [
        Said::NewSession {
            first: mtproto_proto::MsgId(4),
            unique_id: 1,
            salt: 1,
        },
        Said::NewDetailedInfo {
            answer: mtproto_proto::MsgId(5),
        },
    ] {
        let mut rogue = settled(1203);
        say_too_late(&mut rogue, &said, 1);
        assert_eq!(rogue.news(), [ClientEvent::UpdatesMissed], "{said:?}");
    }
}

#[test]
fn an_update_that_does_not_inflate_is_reported() {
    let mut rogue = settled(1204);
    rogue.say(Said::other(&gzip_packed(b"no gzip!")));
    assert_eq!(rogue.news(), [ClientEvent::UpdatesMissed]);
}

#[test]
fn an_old_update_in_a_fresh_container_is_taken() {
    let mut rogue = settled(1205);
    let mut item = rogue.item(&Said::other(b"update 1"));
    item.msg_id = rogue.msg_id_moved(-400);
    rogue.send_container(&[item]);
    assert_eq!(rogue.news(), [update(b"update 1")]);
}
