//! Service requests at a server.

use mtproto_proto::server::Event;
use mtproto_proto::{MsgId, SessionId};
use mtproto_schema::mtproto::enums::DestroyAuthKeyRes;
use mtproto_test::rogue::Said;

use crate::support::{secs, settled_server};

#[test]
fn pings_are_answered() {
    let (mut rogue, conn) = settled_server(1201);
    let req = rogue.say(conn, Said::Ping(5));
    assert_eq!(rogue.hear_said(conn), [Said::Pong { req, ping_id: 5 }]);
    let req = rogue.say(
        conn,
        Said::PingDelay {
            ping_id: 6,
            delay: 60,
        },
    );
    assert_eq!(rogue.hear_said(conn), [Said::Pong { req, ping_id: 6 }]);
}

#[test]
fn salts_are_told_as_many_as_wanted_within_bounds() {
    let (mut rogue, conn) = settled_server(1202);
    for (wanted, given) in [
        (1, 1),
        (64, 64),
        (0, 1),
        (-5, 1),
        (1_000, 64),
        (i32::MIN, 1),
    ] {
        let asked = rogue.say(conn, Said::GetFutureSalts(wanted));
        let said = rogue.hear_said(conn);
        let [Said::FutureSalts { req, now, salts }] = &said[..] else {
            panic!("{said:?}");
        };
        assert_eq!(*req, asked);
        assert_eq!(i64::from(*now), rogue.now().unix() as i64);
        assert_eq!(salts.len(), given, "{wanted}");
        assert_eq!(salts[0].2, rogue.salt, "the current one first");
        assert!(salts[0].0 <= *now && *now < salts[0].1);
        for pair in salts.windows(2) {
            assert_eq!(pair[1].0, pair[0].0 + 1800);
            assert!(pair[0].1 > pair[1].0, "they overlap");
        }
    }
}

#[test]
fn states_of_the_clients_messages_are_told() {
    let (mut rogue, conn) = settled_server(1203);
    let old = rogue.say(conn, Said::Ping(1));
    rogue.later(secs(2));
    let never = rogue.plain(&Said::Ping(2)).msg_id;
    let newest = rogue.say(conn, Said::other(b"the call"));
    rogue.hear(conn);
    let later = rogue.msg_id_moved(10);
    let before_the_session = rogue.msg_id_moved(-100);
    let req = rogue.say(
        conn,
        Said::StateReq(vec![old, never, newest, later, before_the_session]),
    );
    assert_eq!(
        rogue.hear_said(conn),
        [
            Said::Acks(vec![newest]),
            Said::StateInfo {
                req,
                info: vec![4, 2, 4 | 32, 3, 1]
            }
        ]
    );
}

#[test]
fn at_most_8192_states_are_told_at_once() {
    let (mut rogue, conn) = settled_server(1204);
    let req = rogue.say(conn, Said::StateReq(vec![MsgId(4); 8_192]));
    assert_eq!(
        rogue.hear_said(conn),
        [Said::StateInfo {
            req,
            info: vec![1; 8_192]
        }]
    );
    rogue.say(conn, Said::StateReq(vec![MsgId(4); 8_193]));
    assert_eq!(rogue.hear_said(conn), []);
    assert_eq!(rogue.closed(conn), None);
}

#[test]
fn another_session_of_the_key_can_be_destroyed_but_not_the_present_one() {
    let (mut rogue, conn) = settled_server(1205);
    let own = rogue.session;
    let other = SessionId(0x0123);
    rogue.session = other;
    rogue.say(conn, Said::Ping(1));
    rogue.session = own;
    rogue.hear(conn);
    rogue.events();

    for (session, found) in [(other, true), (other, false), (own, false)] {
        rogue.say(conn, Said::DestroySession(session));
        assert_eq!(
            rogue.hear_said(conn),
            [Said::SessionDestroyed { session, found }]
        );
    }
    assert_eq!(
        rogue.events(),
        [Event::SessionClosed {
            auth_key_id: rogue.key().id(),
            session: other
        }]
    );
    let sessions: Vec<_> = rogue.server.sessions().collect();
    assert_eq!(sessions, [(rogue.key().id(), own)]);
}

#[test]
fn a_destroyed_key_is_gone_with_all_its_sessions_after_the_answer() {
    let (mut rogue, conn) = settled_server(1206);
    let other = SessionId(0x0123);
    let own = std::mem::replace(&mut rogue.session, other);
    rogue.say(conn, Said::Ping(1));
    rogue.session = own;
    rogue.hear(conn);
    rogue.events();

    rogue.say(conn, Said::DestroyAuthKey);

    assert_eq!(
        rogue.hear_said(conn),
        [Said::KeyDestroyed(DestroyAuthKeyRes::DestroyAuthKeyOk)]
    );
    let auth_key_id = rogue.key().id();
    assert_eq!(
        rogue.events(),
        [
            Event::SessionClosed {
                auth_key_id,
                session: other
            },
            Event::KeyDestroyed { auth_key_id },
        ]
    );
    rogue.say(conn, Said::Ping(2));
    assert_eq!(rogue.statuses(conn), [-404]);
    rogue.disconnect(conn);
    assert_eq!(rogue.server.sessions().count(), 0);
    let conn = rogue.connect();
    rogue.say(conn, Said::Ping(3));
    assert_eq!(rogue.statuses(conn), [-404]);
}

#[test]
fn what_means_nothing_here_is_taken_in_silence() {
    let (mut rogue, conn) = settled_server(1207);
    let http_wait = [&0x9299_359f_u32.to_le_bytes()[..], &[0; 12]].concat();
    for said in [
        Said::result(MsgId(4), b"a result"),
        Said::Pong {
            req: MsgId(4),
            ping_id: 1,
        },
        Said::Acks(vec![MsgId(4), MsgId(i64::MIN)]),
        Said::StateInfo {
            req: MsgId(4),
            info: vec![1, 2, 3],
        },
        Said::AllInfo {
            ids: vec![MsgId(4)],
            info: vec![4],
        },
        Said::ResendReq(vec![MsgId(4); 9_000]),
    ] {
        let mut plain = rogue.plain(&said);
        plain.seq_no &= !1;
        rogue.send(conn, &plain);
    }
    let mut wait = rogue.plain(&Said::other(&http_wait));
    wait.seq_no &= !1;
    rogue.send(conn, &wait);
    assert_eq!(rogue.hear_said(conn), []);
    assert_eq!(rogue.calls(), []);
    assert_eq!(rogue.closed(conn), None);
}
