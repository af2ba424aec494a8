//! Questions of ours, which nobody asked us to send: they are bounded, and leave again when they
//! are refused.

use mtproto_proto::connection::ClientEvent;
use mtproto_test::rogue::{Packet, RogueServer, Said};

use crate::support::{response, secs, settled};

/// What the client asks about states, by how many ids each question names.
fn questions(said: &[Said]) -> Vec<usize> {
    said.iter()
        .filter_map(|said| match said {
            Said::StateReq(ids) => Some(ids.len()),
            _ => None,
        })
        .collect()
}

fn next_stream(mut rogue: RogueServer) -> RogueServer {
    rogue.send_eof();
    rogue.reconnect()
}

#[test]
fn questions_about_states_leave_again_with_their_container() {
    for code in [16, 48] {
        let mut rogue = settled(6201);
        let id = rogue.call(b"the call");
        let req = rogue.hear_one().msg_id;
        let mut rogue = next_stream(rogue);
        let first = rogue.hear_one();
        assert!(first.is_container, "a question and a ping");
        let question = Said::StateReq(vec![req]);
        assert!(first.said().contains(&question));
        let pings = |said: &[Said]| {
            let ping = |said: &&Said| matches!(said, Said::PingDelay { .. });
            said.iter().filter(ping).count()
        };
        assert_eq!(pings(&first.said()), 1);
        if code == 48 {
            rogue.say(Said::bad_salt(first.msg_id, 9));
        } else {
            rogue.say(Said::bad_msg(first.msg_id, code));
        }

        rogue.later(secs(1));
        let second = rogue.hear();

        let said: Vec<_> = second.iter().flat_map(Packet::said).collect();
        assert_eq!(questions(&said), [1], "code {code}");
        assert_eq!(pings(&said), 1, "code {code}");
        // The answer counts for the second question.
        let asks = |packet: &&Packet| packet.said().contains(&question);
        let asked = second.iter().find(asks).unwrap().id_of(&question);
        rogue.say(Said::StateInfo {
            req: asked,
            info: vec![2],
        });
        let again = rogue.hear_one().id_of(&Said::other(b"the call"));
        rogue.say(Said::result(again, b"answered"));
        let answered = response(id, b"answered");
        assert_eq!(rogue.news().last(), Some(&answered), "code {code}");
    }
}

#[test]
fn questions_about_states_name_8192_ids_at_most() {
    const CALLS: usize = 9_000;
    let mut rogue = settled(6202);
    for _ in 0..CALLS {
        rogue.call(b"the call");
    }
    rogue.hear();
    let mut rogue = next_stream(rogue);
    let said = rogue.hear_said();
    assert_eq!(questions(&said), [8_192, CALLS - 8_192]);
}

#[test]
fn a_new_session_that_begins_with_an_acknowledgement_knows_its_container() {
    let mut rogue = settled(6203);
    let update = rogue.say(Said::other(b"update 1"));
    let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
    let packet = rogue.hear_one();
    assert_eq!(packet.said()[0], Said::Acks(vec![update]));
    rogue.news();
    // The first message that the server knows is neither a call nor a container.
    rogue.say(Said::NewSession {
        first: packet.messages[0].msg_id,
        unique_id: 3,
        salt: rogue.salt,
    });
    assert_eq!(rogue.hear(), [], "nothing is sent again");
    for message in &packet.messages[1..] {
        rogue.say(Said::result(message.msg_id, b"answered"));
    }
    let mut events = rogue.news();
    events.retain(|event| !matches!(event, ClientEvent::SessionRenewed { .. }));
    assert_eq!(events, ids.map(|id| response(id, b"answered")));

    // And what was before that container is not known.
    let once = rogue.call(b"call 3..");
    rogue.hear();
    rogue.later(secs(1));
    let update = rogue.say(Said::other(b"update 2"));
    rogue.call(b"call 4..");
    let packet = rogue.hear_one();
    assert!(matches!(&packet.said()[0], Said::Acks(ids) if ids.contains(&update)));
    rogue.news();
    rogue.say(Said::NewSession {
        first: packet.messages[0].msg_id,
        unique_id: 4,
        salt: rogue.salt,
    });
    let lost = crate::support::lost(once, mtproto_proto::Fate::MaybeExecuted);
    assert_eq!(rogue.news()[0], lost);
}
