//! Salts: refused, announced, used in their time, kept with the key.

use mtproto_proto::connection::ClientEvent;
use mtproto_test::Seed;
use mtproto_test::pair::START;
use mtproto_test::rogue::{RogueServer, Said};

use crate::support::{config, response, secs, settled};

#[test]
fn a_wrong_salt_sends_the_message_again_under_the_same_request_id() {
    let mut rogue = settled(101);
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();

    rogue.say(Said::bad_salt(first.msg_id, 77));
    let second = rogue.hear_one();
    rogue.say(Said::result(second.messages[1].msg_id, b"answered"));

    // What was announced before is worth nothing any more.
    assert_eq!(
        second.said(),
        [Said::GetFutureSalts(64), Said::other(b"the call")]
    );
    assert_eq!(second.salt, 77);
    assert_eq!(second.session, first.session);
    assert!(second.messages[1].msg_id > first.msg_id);
    assert!(second.messages[1].seq_no > first.seq_no);
    assert_eq!(rogue.news(), [response(id, b"answered")]);
}

#[test]
fn r2_a_wrong_salt_of_a_container_sends_all_its_members_again_acks_included() {
    let mut rogue = settled(102);
    let update = rogue.say(Said::other(b"update 1"));
    let ids = [rogue.call(b"call one"), rogue.call(b"call two")];
    rogue.events();
    let first = rogue.hear_one();
    assert_eq!(
        first.said(),
        [
            Said::Acks(vec![update]),
            Said::other(b"call one"),
            Said::other(b"call two"),
        ]
    );

    rogue.say(Said::bad_salt(first.msg_id, 78));
    let second = rogue.hear_one();

    assert_eq!(
        second.said(),
        [
            Said::Acks(vec![update]),
            Said::GetFutureSalts(64),
            Said::other(b"call one"),
            Said::other(b"call two"),
        ]
    );
    assert_eq!(second.salt, 78);
    assert!(second.messages[0].msg_id > first.msg_id, "all ids are new");
    for (message, answer) in second.messages[2..].iter().zip([b"answer 1", b"answer 2"]) {
        rogue.say(Said::result(message.msg_id, answer));
    }
    assert_eq!(
        rogue.news(),
        [response(ids[0], b"answer 1"), response(ids[1], b"answer 2")]
    );
}

#[test]
fn a_wrong_salt_that_names_a_member_of_a_container_sends_that_one_again() {
    let mut rogue = settled(103);
    rogue.call(b"call one");
    rogue.call(b"call two");
    let first = rogue.hear_one();

    rogue.say(Said::bad_salt(first.messages[1].msg_id, 79));

    let second = rogue.hear_one();
    assert_eq!(
        second.said(),
        [Said::GetFutureSalts(64), Said::other(b"call two")]
    );
}

#[test]
fn future_salts_are_asked_for_along_with_the_first_call_and_each_is_used_in_its_time() {
    let mut rogue = RogueServer::new(config(), Seed::from_env_or(104));
    rogue.call(b"call one");
    let first = rogue.hear_one();
    assert_eq!(first.said()[0], Said::GetFutureSalts(64));
    assert_eq!(first.said()[1], Said::other(b"call one"));
    let answers = [
        rogue.future_salts(first.messages[0].msg_id),
        Said::result(first.messages[1].msg_id, b"answered"),
    ];
    let Said::FutureSalts { salts, .. } = answers[0].clone() else {
        panic!();
    };
    rogue.say_all(&answers);

    // In the middle of each half hour but the first.
    rogue.answers_pings(true);
    rogue.later(secs(900));
    for (since, until, salt) in &salts[..40] {
        rogue.hear();
        rogue.call(b"call now");
        let packet = rogue.hear_one();
        assert_eq!(
            packet.salt,
            *salt,
            "{since} to {until}, now {:?}",
            rogue.now()
        );
        assert_eq!(
            packet.messages.last().unwrap().said(),
            Said::other(b"call now")
        );
        rogue.say(Said::result(
            packet.messages.last().unwrap().msg_id,
            b"answered",
        ));
        rogue.later(secs(1800));
    }
}

#[test]
fn salts_are_asked_for_again_before_the_last_one_ends_and_at_most_once_a_minute() {
    let mut rogue = settled(105);
    rogue.answers_pings(true);
    // The list is empty when the last of 48 is in force.
    rogue.later(secs(47 * 1800 + 60));
    let mut asked = Vec::new();
    for _ in 0..12 {
        rogue.hear();
        rogue.call(b"call now");
        let packet = rogue.hear_one();
        if packet.said().contains(&Said::GetFutureSalts(64)) {
            asked.push(packet.at);
        }
        let call = packet.id_of(&Said::other(b"call now"));
        rogue.say(Said::result(call, b"answered"));
        rogue.later(secs(10));
    }
    assert_eq!(asked.len(), 2, "in two minutes: {asked:?}");
    assert!(asked[1].saturating_since(asked[0]) >= secs(60), "{asked:?}");
}

#[test]
fn an_answer_with_nothing_but_the_current_salt_is_not_followed_by_the_question_in_every_packet() {
    let mut rogue = settled(106);
    rogue.answers_pings(true);
    rogue.later(secs(47 * 1800 + 60));
    rogue.hear();
    let mut asked = 0;
    for _ in 0..20 {
        rogue.call(b"call now");
        let packet = rogue.hear_one();
        let (now, mut answers) = (rogue.now().unix() as i32, Vec::new());
        for message in &packet.messages {
            let req = message.msg_id;
            match message.said() {
                Said::GetFutureSalts(_) => {
                    asked += 1;
                    let salts = vec![(now - 1800, now + 1800, packet.salt)];
                    answers.push(Said::FutureSalts { req, now, salts });
                }
                Said::Other(_) => answers.push(Said::result(req, b"answered")),
                _ => {}
            }
        }
        rogue.say_all(&answers);
        rogue.later(secs(1));
    }
    assert_eq!(asked, 1);
}

#[test]
fn r13_a_key_that_was_stored_with_its_salts_gets_its_first_answer_in_one_round_trip() {
    let mut rogue = RogueServer::new(config(), Seed::from_env_or(107));
    rogue.call(b"call one");
    let first = rogue.hear_one();
    rogue.say_all(&[
        rogue.future_salts(first.messages[0].msg_id),
        Said::result(first.messages[1].msg_id, b"answered"),
    ]);
    let stored = rogue
        .events()
        .into_iter()
        .filter_map(|event| match event {
            ClientEvent::KeyStateChanged(state) => Some(state),
            _ => None,
        })
        .next_back()
        .unwrap();
    let Said::FutureSalts { salts, .. } = rogue.future_salts(first.msg_id) else {
        panic!();
    };

    // Another process, twenty hours later.
    let now = START + secs(20 * 3600);
    let stored = mtproto_proto::connection::KeyState::from_bytes(&stored.to_bytes()).unwrap();
    let mut rogue = RogueServer::with_key(config(), stored, now, Seed::from_env_or(107));
    let id = rogue.call(b"call two");
    let packet = rogue.hear_one();

    let unix = now.unix() as i32;
    let valid: Vec<_> = salts
        .iter()
        .filter(|(since, until, _)| *since <= unix && unix < *until)
        .map(|(_, _, salt)| *salt)
        .collect();
    assert!(valid.contains(&packet.salt), "{} of {valid:?}", packet.salt);
    rogue.say(Said::result(
        packet.id_of(&Said::other(b"call two")),
        b"answered",
    ));
    assert_eq!(
        rogue.news(),
        [ClientEvent::Connected, response(id, b"answered")]
    );
}

#[test]
fn a_key_without_salts_needs_two_round_trips() {
    let mut rogue = RogueServer::new(config(), Seed::from_env_or(108));
    let id = rogue.call(b"the call");
    let first = rogue.hear_one();
    rogue.say(Said::bad_salt(first.msg_id, 4));
    let second = rogue.hear_one();
    assert_eq!(second.salt, 4);
    let call = second.id_of(&Said::other(b"the call"));
    rogue.say(Said::result(call, b"answered"));
    assert_eq!(
        rogue.news(),
        [ClientEvent::Connected, response(id, b"answered")]
    );
}
