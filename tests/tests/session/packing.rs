//! Packing: containers in and out, their limits; compression in and out.

use mtproto_proto::SendError;
use mtproto_proto::connection::ClientEvent;
use mtproto_proto::session::{MAX_BODY, SendOptions};
use mtproto_test::Seed;
use mtproto_test::rogue::{Packet, RogueServer, Said};
use mtproto_test::tamper::{self, gzip, gzip_packed, zlib};

use crate::support::{config, response, settled, update};

#[test]
fn a_single_message_travels_without_a_container_and_several_in_one() {
    let mut rogue = settled(601);
    rogue.call(b"call one");
    assert!(!rogue.hear_one().is_container);
    rogue.call(b"call two");
    rogue.call(b"call 3..");
    let packet = rogue.hear_one();
    assert!(packet.is_container);
    assert_eq!(
        packet.said(),
        [Said::other(b"call two"), Said::other(b"call 3..")]
    );
}

#[test]
fn r11_five_thousand_requests_at_once_leave_in_containers_within_the_limits() {
    let mut rogue = settled(602);
    let calls: Vec<_> = (0..5_000)
        .map(|n| format!("call number {n:08}").into_bytes())
        .collect();
    let ids: Vec<_> = calls.iter().map(|call| rogue.call(call)).collect();
    let packets = rogue.hear();

    // The kit checks 1,020 messages and 1,044,456 bytes for every packet.
    assert_eq!(packets.len(), 5);
    let messages: Vec<_> = packets.iter().flat_map(|packet| &packet.messages).collect();
    assert_eq!(
        messages.iter().map(|m| &m.body[..]).collect::<Vec<_>>(),
        calls.iter().map(|call| &call[..]).collect::<Vec<_>>(),
        "each once, in order"
    );
    for message in messages {
        rogue.say(Said::result(message.msg_id, &message.body));
        rogue.hear();
    }
    let expected: Vec<_> = ids
        .iter()
        .zip(&calls)
        .map(|(id, call)| response(*id, call))
        .collect();
    assert_eq!(rogue.news(), expected);
}

#[test]
fn large_requests_leave_in_containers_within_the_limit_of_bytes() {
    let mut rogue = settled(603);
    let part = vec![7; 512 << 10];
    for _ in 0..5 {
        rogue.call(&part);
    }
    let lengths: Vec<_> = rogue
        .hear()
        .iter()
        .map(|packet| packet.messages.len())
        .collect();
    assert_eq!(
        lengths,
        [1, 1, 1, 1, 1],
        "two and their headers are too much"
    );
    let smaller = vec![7; 500_000];
    for _ in 0..5 {
        rogue.call(&smaller);
    }
    let lengths: Vec<_> = rogue
        .hear()
        .iter()
        .map(|packet| packet.messages.len())
        .collect();
    assert_eq!(lengths, [2, 2, 1]);
}

#[test]
fn r11_a_request_that_no_server_takes_fails_at_once() {
    let mut rogue = settled(604);
    let options = SendOptions::default();
    let mut send = |len: usize| {
        rogue
            .client
            .send(rogue.now(), vec![0; len].into(), &options)
    };
    assert_eq!(
        send(2 << 20),
        Err(SendError::TooLarge {
            got: 2 << 20,
            max: MAX_BODY
        })
    );
    assert_eq!(
        send(MAX_BODY + 4),
        Err(SendError::TooLarge {
            got: MAX_BODY + 4,
            max: MAX_BODY
        })
    );
    for got in [0, 1, 3, 6] {
        assert_eq!(send(got), Err(SendError::Unaligned { got }));
    }
    assert!(send(MAX_BODY).is_ok());
    let packet = rogue.hear_one();
    assert_eq!(packet.body_len, MAX_BODY);
    assert!(!packet.is_container);
}

#[test]
fn the_largest_request_fits_its_packet_with_what_goes_before_it() {
    let mut config = config();
    config.init = Some(mtproto_proto::connection::InitParams::new(1, 230));
    let prefix = config.init.as_ref().unwrap().prefix().len();
    let mut rogue = RogueServer::new(config, Seed::from_env_or(605));
    let options = SendOptions::default();
    let max = MAX_BODY - prefix;
    assert_eq!(
        rogue
            .client
            .send(rogue.now(), vec![0; MAX_BODY].into(), &options),
        Err(SendError::TooLarge { got: MAX_BODY, max })
    );
    rogue.call(&vec![0; max]);
    let packets = rogue.hear();
    let messages = packets.iter().flat_map(|packet| &packet.messages);
    let longest = messages.map(|message| message.body.len()).max();
    assert_eq!(longest, Some(MAX_BODY));
}

#[test]
fn more_requests_than_may_wait_are_refused() {
    let mut config = config();
    config.session.max_requests = 3;
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(606));
    let ids = [(); 3].map(|()| rogue.call(b"the call"));
    let options = SendOptions::default();
    let fourth = rogue
        .client
        .send(rogue.now(), b"the call"[..].into(), &options);
    assert_eq!(fourth, Err(SendError::TooMany { max: 3 }));
    let req = rogue.hear_one().messages[0].msg_id;
    rogue.say(Said::result(req, b"answered"));
    assert_eq!(rogue.news(), [response(ids[0], b"answered")]);
    rogue.call(b"the call");
}

#[test]
fn compressed_answers_and_updates_are_inflated_in_both_forms_and_at_every_place() {
    let text = b"a text that repeats itself ".repeat(400);
    let text = &text[..text.len() / 4 * 4];
    for packed in [gzip(text), zlib(text)] {
        let packed = gzip_packed(&packed);
        let mut rogue = settled(607);
        let id = rogue.call(b"the call");
        let req = rogue.hear_one().msg_id;
        // The result; an update, alone and in a container; an answer packed as a whole; a
        // container packed as a whole.
        rogue.say(Said::result(req, &packed));
        rogue.say(Said::other(&packed));
        rogue.say_all(&[Said::other(&packed), Said::other(b"as it is")]);
        let second = rogue.call(b"call two");
        let packet = rogue.hear_one();
        let req = packet.id_of(&Said::other(b"call two"));
        let whole = Said::result(req, text).to_bytes();
        rogue.say(Said::other(&gzip_packed(&gzip(&whole))));
        let item = rogue.item(&Said::other(b"inside, packed.."));
        let inner = tamper::container(&[item], None);
        let outer = rogue.container(gzip_packed(&gzip(&inner)));
        rogue.send(&outer);

        assert_eq!(
            rogue.news(),
            [
                response(id, text),
                update(text),
                update(text),
                update(b"as it is"),
                response(second, text),
                update(b"inside, packed.."),
            ]
        );
        assert_eq!(rogue.client.stats().bad_gzip, 0);
    }
}

#[test]
fn requests_are_compressed_if_that_is_wanted_and_helps() {
    let mut config = config();
    config.session.compress_from = Some(128);
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(608));
    let random = rogue.dice().bytes(4_000);
    let (long, short) = (b"word".repeat(1_000), b"word".repeat(31));
    for body in [&long, &short, &random] {
        rogue.call(body);
        let packet: Packet = rogue.hear_one();
        let sent = &packet.messages[0].body;
        if body == &long {
            assert!(sent.len() < long.len() / 10);
            assert_eq!(sent[..4], 0x3072_cfa1_u32.to_le_bytes());
            assert_eq!(packet.seq_no & 1, 1, "judged by what it holds");
        } else {
            assert_eq!(&sent[..], &body[..]);
        }
        rogue.say(Said::result(packet.msg_id, b"answered"));
        rogue.news();
        rogue.call(b"flush acks..");
        let packet = rogue.hear_one();
        rogue.say(Said::result(
            packet.messages.last().unwrap().msg_id,
            b"answered",
        ));
        rogue.later(crate::support::secs(30));
        rogue.answers_pings(true);
        rogue.hear();
    }
}

#[test]
fn an_empty_container_and_a_full_one_are_taken() {
    let mut rogue = settled(609);
    rogue.send_container(&[]);
    let said: Vec<_> = (0..1_024_u32)
        .map(|n| Said::other(&n.to_le_bytes().repeat(2)))
        .collect();
    rogue.say_all(&said);
    let events: Vec<ClientEvent> = rogue.news();
    assert_eq!(events.len(), 1_024);
    assert_eq!(rogue.error(), None);
    assert_eq!(rogue.client.stats().malformed, 0);
}

#[test]
fn padding_hides_lengths_in_few_classes() {
    let mut rogue = settled(610);
    let mut lengths = std::collections::BTreeSet::new();
    for words in 1..300 {
        rogue.call(&vec![1; words * 4]);
        lengths.insert(rogue.hear_one().sealed.len());
    }
    assert!(lengths.len() <= 10, "{lengths:?}");
}
