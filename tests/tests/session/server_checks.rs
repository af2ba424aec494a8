//! The server's checks of a message: each has its code, said once, and nothing is executed.

use mtproto_proto::MsgId;
use mtproto_test::rogue::{RogueClient, Said};
use mtproto_test::tamper::{Item, Plain, container};

use crate::support::{secs, server_config, settled_server};

/// Sends a message that is to be refused; then a good call, which is executed.
fn refused(seed: u64, what: &str, code: i32, make: impl FnOnce(&mut RogueClient) -> Plain) {
    let (mut rogue, conn) = settled_server(seed);
    let plain = make(&mut rogue);
    rogue.send(conn, &plain);

    let (bad, seq_no) = (plain.msg_id, plain.seq_no);
    let expected = if code == 48 {
        let new_salt = rogue.salt;
        Said::BadSalt {
            bad,
            seq_no,
            new_salt,
        }
    } else {
        Said::BadMsg { bad, seq_no, code }
    };
    assert_eq!(rogue.hear_said(conn), [expected], "{what}");
    rogue.later(secs(1));
    assert_eq!(rogue.hear_said(conn), [], "{what}: said once");
    assert_eq!(rogue.calls(), [], "{what}: nothing is executed");

    let good = rogue.say(conn, Said::other(b"the next"));
    let calls = rogue.calls();
    assert_eq!(calls.len(), 1, "{what}: the session goes on");
    assert_eq!(calls[0].1[..], b"the next"[..]);
    rogue.respond(calls[0].0, b"answered");
    assert_eq!(
        rogue.hear_said(conn),
        [Said::result(good, b"answered")],
        "{what}"
    );
    assert_eq!(rogue.closed(conn), None, "{what}");
}

fn call(rogue: &mut RogueClient) -> Plain {
    rogue.plain(&Said::other(b"the call"))
}

#[test]
fn code_18_for_ids_that_are_not_a_clients() {
    for bits in 1..=3 {
        refused(1001, "low bits", 18, |rogue| {
            let plain = call(rogue);
            Plain {
                msg_id: MsgId(plain.msg_id.0 | bits),
                ..plain
            }
        });
    }
}

#[test]
fn code_16_for_ids_older_than_five_minutes_and_17_for_those_half_a_minute_ahead() {
    for (seconds, code) in [(-302, 16), (-86_400, 16), (32, 17), (86_400, 17)] {
        refused(1002, "time", code, |rogue| Plain {
            msg_id: rogue.msg_id_moved(seconds),
            ..call(rogue)
        });
    }
    refused(1003, "an id of 4", 16, |rogue| Plain {
        msg_id: MsgId(4),
        ..call(rogue)
    });
    refused(1003, "a negative id", 16, |rogue| Plain {
        msg_id: MsgId(-4),
        ..call(rogue)
    });
}

#[test]
fn ids_within_the_window_are_taken() {
    for seconds in [-298, -30, 28] {
        let (mut rogue, conn) = settled_server(1004);
        let plain = Plain {
            msg_id: rogue.msg_id_moved(seconds),
            ..rogue.plain(&Said::Ping(1))
        };
        rogue.send(conn, &plain);
        let req = plain.msg_id;
        let said = rogue.hear_said(conn);
        assert_eq!(said.last(), Some(&Said::Pong { req, ping_id: 1 }));
        // Of what is older than the session it is told that the session begins there.
        let again = matches!(said[0], Said::NewSession { first, .. } if first == req);
        assert_eq!(
            (said.len(), again),
            if seconds < 0 { (2, true) } else { (1, false) }
        );
    }
}

#[test]
fn code_19_for_a_container_under_the_id_of_another() {
    refused(1005, "another container", 19, |rogue| {
        let items = [rogue.item(&Said::Ping(1)), rogue.item(&Said::Ping(2))];
        let first = rogue.container(container(&items, None));
        let conn = mtproto_proto::ConnId(1);
        rogue.send(conn, &first);
        rogue.hear(conn);
        let items = [
            rogue.item(&Said::Ping(3)),
            rogue.item(&Said::other(b"a call..")),
        ];
        Plain {
            body: container(&items, None),
            ..first
        }
    });
}

#[test]
fn code_20_for_ids_below_what_is_remembered() {
    refused(1006, "forgotten", 20, |rogue| {
        let conn = mtproto_proto::ConnId(1);
        let old = call(rogue);
        // Six minutes of many pings: the window moves past the id.
        for _ in 0..360 {
            rogue.later(secs(1));
            rogue.say(conn, Said::Ping(1));
        }
        rogue.hear(conn);
        old
    });
}

#[test]
fn code_48_for_a_wrong_salt() {
    refused(1007, "salt", 48, |rogue| Plain {
        salt: rogue.salt ^ 1,
        ..call(rogue)
    });
}

#[test]
fn a_salt_is_taken_in_its_half_hour_and_the_next() {
    let mut config = server_config();
    config.idle_timeout = secs(7_200);
    let (mut rogue, conn) = RogueClient::settled(config, mtproto_test::Seed::from_env_or(1008));
    // To the beginning of a half hour.
    let into = rogue.now().unix() % 1800;
    rogue.later(secs(1800 - into));
    rogue.salt = 0;
    rogue.settle(conn);
    let first = rogue.salt;
    let mut taken = 0;
    for _ in 0..8 {
        rogue.salt = first;
        rogue.say(conn, Said::Ping(1));
        match &rogue.hear_said(conn)[..] {
            [Said::Pong { .. }] => taken += 1,
            [Said::BadSalt { new_salt, .. }] => {
                assert_ne!(*new_salt, first);
                rogue.salt = *new_salt;
                rogue.say(conn, Said::Ping(2));
                assert!(matches!(rogue.hear_said(conn)[..], [Said::Pong { .. }]));
            }
            other => panic!("{other:?}"),
        }
        rogue.later(secs(599));
    }
    assert_eq!(taken, 7, "an hour and a little");
}

#[test]
fn code_32_for_a_number_lower_than_before_and_33_for_one_higher_than_later() {
    refused(1009, "lower", 32, |rogue| {
        let conn = mtproto_proto::ConnId(1);
        for _ in 0..3 {
            rogue.say(conn, Said::other(b"a call.."));
        }
        let ids = rogue.calls();
        for (id, _) in ids {
            rogue.respond(id, b"answered");
        }
        rogue.hear(conn);
        Plain {
            seq_no: 1,
            ..call(rogue)
        }
    });
    refused(1010, "higher", 33, |rogue| {
        let early = call(rogue);
        let conn = mtproto_proto::ConnId(1);
        rogue.say(conn, Said::Ping(1));
        rogue.hear(conn);
        Plain {
            seq_no: early.seq_no + 10,
            ..early
        }
    });
}

#[test]
fn code_34_for_a_container_with_an_odd_number_and_35_for_a_call_with_an_even_one() {
    refused(1011, "odd container", 34, |rogue| {
        let items = [
            rogue.item(&Said::other(b"a call..")),
            rogue.item(&Said::Ping(1)),
        ];
        let plain = rogue.container(container(&items, None));
        Plain {
            seq_no: plain.seq_no | 1,
            ..plain
        }
    });
    refused(1012, "even call", 35, |rogue| {
        let plain = call(rogue);
        Plain {
            seq_no: plain.seq_no + 1,
            ..plain
        }
    });
}

#[test]
fn service_calls_may_have_odd_numbers_and_even_ones() {
    let (mut rogue, conn) = settled_server(1013);
    for odd in [0, 1] {
        let mut plain = rogue.plain(&Said::Ping(7));
        plain.seq_no |= odd;
        rogue.send(conn, &plain);
        let said = rogue.hear_said(conn);
        let req = plain.msg_id;
        assert!(said.contains(&Said::Pong { req, ping_id: 7 }), "{said:?}");
    }
}

#[test]
fn code_64_for_every_container_that_cannot_be_taken_apart() {
    /// What is wrong with two items, one of which is a call.
    type Wrong = fn(&mut Vec<Item>) -> Option<i32>;
    let wrongs: [(&str, Wrong); 10] = [
        ("one item is missing", |items| Some(items.len() as i32 + 1)),
        ("a negative count", |_| Some(-1)),
        ("2^31 items", |_| Some(i32::MIN)),
        ("an item beyond the end", |items| {
            items[1].declared_len = Some(1 << 20);
            None
        }),
        ("a negative length", |items| {
            items[1].declared_len = Some(-4);
            None
        }),
        ("no whole words", |items| {
            items[0].body.extend([0, 0]);
            items[1].body.extend([0, 0]);
            None
        }),
        ("a container inside", |items| {
            items[1].body = container(&[], None);
            None
        }),
        ("an id that is not a client's", |items| {
            items[1].msg_id.0 |= 1;
            None
        }),
        ("too many items", |items| {
            let ping = items[1].clone();
            while items.len() < 1_025 {
                let mut next = ping.clone();
                next.msg_id.0 -= items.len() as i64 * 4;
                items.push(next);
            }
            None
        }),
        ("a whole byte is missing", |items| {
            items[1].declared_len = Some(items[1].body.len() as i32 + 4);
            None
        }),
    ];
    for (what, wrong) in wrongs {
        refused(1014, what, 64, |rogue| {
            let mut items = vec![
                rogue.item(&Said::other(b"a call..")),
                rogue.item(&Said::Ping(1)),
            ];
            let count = wrong(&mut items);
            let mut plain = rogue.container(container(&items, count));
            plain.seq_no = rogue.plain(&Said::Ping(1)).seq_no;
            plain
        });
    }
}

#[test]
fn code_64_for_a_compressed_container() {
    refused(1021, "compressed", 64, |rogue| {
        let items = [
            rogue.item(&Said::other(b"a call..")),
            rogue.item(&Said::Ping(1)),
        ];
        let packed = mtproto_test::tamper::gzip(&container(&items, None));
        let plain = rogue.container(mtproto_test::tamper::gzip_packed(&packed));
        let ping = rogue.plain(&Said::Ping(1));
        Plain {
            seq_no: ping.seq_no,
            ..plain
        }
    });
}

#[test]
fn a_full_container_is_taken() {
    let (mut rogue, conn) = settled_server(1015);
    let said: Vec<_> = (0..1_024).map(Said::Ping).collect();
    rogue.say_all(conn, &said);
    assert_eq!(rogue.hear_said(conn).len(), 1_024);
}

#[test]
fn a_call_with_an_even_number_inside_a_container_is_refused_alone() {
    let (mut rogue, conn) = settled_server(1016);
    let good = rogue.item(&Said::other(b"good one"));
    let mut bad = rogue.item(&Said::other(b"bad one."));
    bad.seq_no += 1;
    let container = container(&[good, bad.clone()], None);
    let plain = rogue.container(container);
    rogue.send(conn, &plain);
    let calls = rogue.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].1[..], b"good one"[..]);
    let said = rogue.hear_said(conn);
    let (bad, seq_no, code) = (bad.msg_id, bad.seq_no, 35);
    assert_eq!(said.last(), Some(&Said::BadMsg { bad, seq_no, code }));
    assert!(!said.contains(&Said::Acks(vec![bad])), "{said:?}");
}

#[test]
fn of_several_faults_the_first_in_the_specifications_order_is_told() {
    // Salt and number are wrong too.
    for (code, msg_id) in [(18, Some(1)), (17, None)] {
        refused(1017, "several", code, |rogue| {
            let plain = call(rogue);
            Plain {
                salt: 5,
                seq_no: 0,
                msg_id: match msg_id {
                    Some(bits) => MsgId(plain.msg_id.0 | bits),
                    None => rogue.msg_id_moved(40),
                },
                ..plain
            }
        });
    }
    refused(1018, "salt before number", 48, |rogue| Plain {
        salt: 5,
        seq_no: 0,
        ..call(rogue)
    });
}

#[test]
fn a_new_session_is_announced_once_and_before_its_first_answer() {
    let (mut rogue, conn) = settled_server(1019);
    rogue.session = mtproto_proto::SessionId(0x77);
    let first = rogue.say(conn, Said::Ping(1));
    let packets = rogue.hear(conn);
    let said: Vec<_> = packets.iter().flat_map(|packet| packet.said()).collect();
    let [
        Said::NewSession {
            first: told, salt, ..
        },
        Said::Pong { req, ping_id: 1 },
    ] = said[..]
    else {
        panic!("{said:?}");
    };
    assert_eq!((told, salt, req), (first, rogue.salt, first));
    rogue.say(conn, Said::Ping(2));
    assert!(matches!(rogue.hear_said(conn)[..], [Said::Pong { .. }]));
}

/// A call is told from a service message before anything is noted of it.
#[test]
fn a_new_session_whose_first_call_has_an_even_number_is_not_announced() {
    let (mut rogue, conn) = settled_server(1021);
    rogue.session = mtproto_proto::SessionId(0x78);
    let call = call(&mut rogue);
    let bad = Plain {
        seq_no: call.seq_no & !1,
        ..call
    };
    rogue.send(conn, &bad);
    assert_eq!(
        rogue.hear_said(conn),
        [Said::BadMsg {
            bad: bad.msg_id,
            seq_no: bad.seq_no,
            code: 35
        }]
    );
    assert_eq!(rogue.calls(), []);
}

#[test]
fn a_new_session_whose_first_message_is_refused_is_announced_with_its_first_good_one() {
    let mut rogue = RogueClient::new(server_config(), mtproto_test::Seed::from_env_or(1020));
    let conn = rogue.connect();
    let bad = rogue.say(conn, Said::other(b"the call"));
    let said = rogue.hear_said(conn);
    let [
        Said::BadSalt {
            bad: named,
            new_salt,
            ..
        },
    ] = said[..]
    else {
        panic!("{said:?}");
    };
    assert_eq!(named, bad);
    rogue.salt = new_salt;
    let again = rogue.say(conn, Said::other(b"the call"));
    let said = rogue.hear_said(conn);
    assert!(
        matches!(said.last(), Some(Said::NewSession { first, .. }) if *first == again),
        "{said:?}"
    );
    assert_eq!(rogue.calls().len(), 1);
}

/// Whoever keeps a packet that was refused for a number, a time or a salt could send it again when
/// that has become right; the client has sent it under another id by then.
#[test]
fn what_was_refused_is_not_executed_when_its_time_has_come() {
    let (mut rogue, conn) = settled_server(1020);
    let mut plain = call(&mut rogue);
    // 40 seconds ahead.
    plain.msg_id = MsgId(plain.msg_id.0 + (40 << 32));
    rogue.send(conn, &plain);
    let heard = rogue.hear_said(conn);
    assert!(
        matches!(heard[..], [Said::BadMsg { bad, code: 17, .. }] if bad == plain.msg_id),
        "{heard:?}"
    );
    rogue.later(secs(60));
    rogue.hear_said(conn);
    rogue.send(conn, &plain);
    let heard = rogue.hear_said(conn);
    assert!(
        matches!(heard[..], [Said::BadMsg { bad, code: 16, .. }] if bad == plain.msg_id),
        "{heard:?}"
    );
    assert_eq!(rogue.calls(), [], "it is not executed");
}
