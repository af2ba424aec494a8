//! R2 to R4: a server that refuses, by error or by malice.

use mtproto_proto::Fate::{MaybeExecuted, NotReceived};
use mtproto_proto::connection::ClientEvent;
use mtproto_test::Seed;
use mtproto_test::rogue::{RogueServer, Said};

use crate::support::{config, lost, response, secs, settled};

#[test]
fn r2_a_refused_container_leaves_again_with_all_that_was_in_it() {
    for code in [16, 17, 32, 48, 64] {
        let mut rogue = settled(2401);
        let update = rogue.say(Said::other(b"update 1"));
        let ping = rogue.say(Said::Ping(4));
        let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
        let first = rogue.hear_one();
        rogue.news();
        let pong = Said::Pong {
            req: ping,
            ping_id: 4,
        };
        let calls = [Said::other(b"call one"), Said::other(b"call two")];
        assert_eq!(
            first.said(),
            [&[Said::Acks(vec![update]), pong.clone()][..], &calls].concat()
        );
        if code == 48 {
            rogue.say(Said::bad_salt(first.msg_id, 5));
        } else {
            rogue.say(Said::bad_msg(first.msg_id, code));
        }

        let mut second = rogue.hear_one();

        // A new session cannot acknowledge what came in the former one, nor answer it.
        let said = second.said();
        if second.session == first.session {
            assert!(said.contains(&Said::Acks(vec![update])), "code {code}");
            assert!(said.contains(&pong), "code {code}");
        }
        assert_eq!(said[said.len() - 2..], calls, "code {code}");
        let answers = second.messages.split_off(said.len() - 2);
        for message in answers {
            rogue.say(Said::result(message.msg_id, b"answered"));
        }
        assert_eq!(
            rogue.news(),
            ids.map(|id| response(id, b"answered")),
            "code {code}"
        );
    }
}

#[test]
fn r3_codes_answered_to_every_resend_cost_no_more_than_the_budget() {
    for code in [17, 20, 34, 64] {
        let mut rogue = settled(2402);
        let ids = [rogue.call(b"call one"), rogue.call_idempotent(b"call two")];
        let mut packets = 0;
        loop {
            let heard = rogue.hear();
            if heard.is_empty() {
                break;
            }
            packets += heard.len();
            assert!(packets < 50, "code {code}: a storm");
            for packet in heard {
                rogue.say(Said::bad_msg(packet.msg_id, code));
            }
        }
        // Sent once, and five times again.
        assert!(packets <= 6, "code {code}: {packets} packets");
        let events: Vec<_> = rogue
            .news()
            .into_iter()
            .filter(|event| !matches!(event, ClientEvent::ClockCorrected { .. }))
            .collect();
        let fate = if code == 20 {
            MaybeExecuted
        } else {
            NotReceived
        };
        assert_eq!(events, ids.map(|id| lost(id, fate)), "code {code}");
    }
}

/// A server that judges ids by its own clock, as real ones do.
fn honest_about_time(rogue: &mut RogueServer, packets: &mut usize) {
    for packet in rogue.hear() {
        *packets += 1;
        let off = packet.msg_id.unix() - rogue.server_now().unix() as i64;
        if off > 30 {
            rogue.say(Said::bad_msg(packet.msg_id, 17));
        } else if off < -300 {
            rogue.say(Said::bad_msg(packet.msg_id, 16));
        } else {
            for message in &packet.messages {
                let req = message.msg_id;
                match message.said() {
                    Said::PingDelay { ping_id, .. } => {
                        rogue.say(Said::Pong { req, ping_id });
                    }
                    Said::Other(body) => {
                        rogue.say(Said::Result { req, result: body });
                    }
                    Said::GetFutureSalts(_) => {
                        let salts = rogue.future_salts(req);
                        rogue.say(salts);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn r4_a_clock_ahead_costs_one_new_session_and_no_loop() {
    for skew in [-3_600, -31, -86_400 * 365 * 10] {
        let mut rogue = RogueServer::new(config(), Seed::from_env_or(2403));
        rogue.skew(skew);
        let id = rogue.call(b"the call");
        let mut packets = 0;
        for _ in 0..10 {
            honest_about_time(&mut rogue, &mut packets);
        }
        assert!(rogue.news().contains(&response(id, b"the call")), "{skew}");
        assert!(packets <= 4, "{skew}: {packets} packets");
        assert_eq!(rogue.client.stats().sessions_renewed, 1, "{skew}");
        let before = rogue.session();
        for _ in 0..20 {
            rogue.call(b"the next");
            honest_about_time(&mut rogue, &mut packets);
            rogue.later(secs(10));
        }
        assert_eq!(rogue.session(), before, "{skew}");
        assert_eq!(rogue.client.stats().sessions_renewed, 1, "{skew}");
    }
}

#[test]
fn r4_the_servers_clock_going_back_in_mid_session_costs_one_too() {
    let mut rogue = settled(2404);
    for _ in 0..300 {
        rogue.say(Said::other(b"an update..."));
    }
    rogue.hear();
    rogue.skew(-3_600);
    let id = rogue.call(b"the call");
    let mut packets = 0;
    for _ in 0..10 {
        honest_about_time(&mut rogue, &mut packets);
    }
    assert!(rogue.news().contains(&response(id, b"the call")));
    assert!(packets <= 3, "{packets} packets");
    assert_eq!(rogue.client.stats().sessions_renewed, 1);
}
