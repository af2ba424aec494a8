//! `invokeWithLayer(initConnection(..))`: with calls until one is answered.

use mtproto_proto::connection::{ClientConfig, InitParams};
use mtproto_schema::Encode;
use mtproto_schema::mtproto::functions::Ping;
use mtproto_test::Seed;
use mtproto_test::rogue::{Packet, RogueServer, Said};

use crate::support::{config, response, rpc_error, secs};

fn with_init() -> (ClientConfig, Vec<u8>) {
    let mut config = config();
    let mut init = InitParams::new(12_345, 230);
    init.device_model = "a test".into();
    let prefix = init.prefix().to_vec();
    config.init = Some(init);
    (config, prefix)
}

/// The bodies of calls, and where they begin with the prefix, `true` and the rest.
fn calls(packet: &Packet, prefix: &[u8]) -> Vec<(bool, Vec<u8>)> {
    packet
        .messages
        .iter()
        .filter(|message| matches!(message.said(), Said::Other(_)))
        .map(|message| match message.body.strip_prefix(prefix) {
            Some(rest) => (true, rest.to_vec()),
            None => (false, message.body.to_vec()),
        })
        .collect()
}

#[test]
fn the_prefix_says_layer_and_application() {
    let mut init = InitParams::new(6, 7);
    init.device_model = "dev".into();
    init.system_version = "sys".into();
    init.app_version = "1.0".into();
    init.system_lang_code = "en".into();
    init.lang_pack = String::new();
    init.lang_code = "de".into();
    let mut expected = Vec::new();
    expected.extend(0xda9b_0d0d_u32.to_le_bytes());
    expected.extend(7_i32.to_le_bytes());
    expected.extend(0xc1cd_5ea9_u32.to_le_bytes());
    expected.extend(0_u32.to_le_bytes());
    expected.extend(6_i32.to_le_bytes());
    expected.extend(b"\x03dev\x03sys\x031.0\x02en\0\0\0\0\0\x02de\0");
    assert_eq!(&init.prefix()[..], expected);
}

#[test]
fn calls_carry_the_prefix_until_one_is_answered() {
    let (config, prefix) = with_init();
    let mut rogue = RogueServer::new(config, Seed::from_env_or(801));
    let first = rogue.call(b"call one");
    rogue.call(&Ping { ping_id: 3 }.to_bytes());
    let packet = rogue.hear_one();
    assert_eq!(calls(&packet, &prefix), [(true, b"call one".to_vec())]);
    assert!(
        packet.said().contains(&Said::Ping(3)),
        "service calls go bare"
    );

    rogue.call(b"call two");
    let second = rogue.hear_one();
    assert_eq!(calls(&second, &prefix), [(true, b"call two".to_vec())]);
    let wrapped = [&prefix[..], b"call one"].concat();
    let req = packet.id_of(&Said::other(&wrapped));
    rogue.say(Said::result(req, b"answered"));
    assert!(rogue.news().contains(&response(first, b"answered")));

    rogue.call(b"call 3..");
    let third = rogue.hear_one();
    assert_eq!(calls(&third, &prefix), [(false, b"call 3..".to_vec())]);
}

#[test]
fn an_error_is_no_proof_that_the_connection_is_initialised() {
    let (config, prefix) = with_init();
    let mut rogue = RogueServer::new(config, Seed::from_env_or(802));
    rogue.call(b"call one");
    let packet = rogue.hear_one();
    let req = packet.messages.iter().find(|m| m.body.starts_with(&prefix));
    rogue.say(Said::error(req.unwrap().msg_id, 400, "SOMETHING"));
    rogue.call(b"call two");
    assert_eq!(
        calls(&rogue.hear_one(), &prefix),
        [(true, b"call two".to_vec())]
    );
}

#[test]
fn a_server_that_forgot_hears_it_again_and_the_call_is_not_lost() {
    let (config, prefix) = with_init();
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(803));
    for error in ["CONNECTION_NOT_INITED", "CONNECTION_LAYER_INVALID"] {
        let id = rogue.call(b"call one");
        let packet = rogue.hear_one();
        assert_eq!(calls(&packet, &prefix), [(false, b"call one".to_vec())]);
        let req = packet.messages.last().unwrap().msg_id;
        rogue.say(Said::error(req, 400, error));

        let again = rogue.hear_one();
        assert_eq!(calls(&again, &prefix), [(true, b"call one".to_vec())]);
        let req = again.messages.last().unwrap().msg_id;
        rogue.say(Said::result(req, b"answered"));
        assert_eq!(rogue.news(), [response(id, b"answered")]);
        rogue.answers_pings(true);
        rogue.later(secs(30));
        rogue.hear();
    }
}

#[test]
fn a_new_session_is_initialised_again() {
    let (config, prefix) = with_init();
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(806));
    rogue.call(b"call one");
    let packet = rogue.hear_one();
    assert_eq!(calls(&packet, &prefix), [(false, b"call one".to_vec())]);
    rogue.say(Said::bad_msg(packet.msg_id, 32));

    let again = rogue.hear_one();

    assert_ne!(again.session, packet.session);
    assert_eq!(calls(&again, &prefix), [(true, b"call one".to_vec())]);
}

#[test]
fn an_answer_from_the_session_before_does_not_initialise_the_new_one() {
    let (config, prefix) = with_init();
    let mut rogue = RogueServer::new(config, Seed::from_env_or(807));
    let early = rogue.call(b"call one");
    let first = rogue.hear_one();
    rogue.call(b"call two");
    let second = rogue.hear_one();
    rogue.say(Said::bad_msg(second.msg_id, 32));
    let third = rogue.hear_one();
    assert_eq!(calls(&third, &prefix), [(true, b"call two".to_vec())]);
    let wrapped = [&prefix[..], b"call one"].concat();
    let req = first.id_of(&Said::other(&wrapped));
    let mut late = rogue.plain(&Said::result(req, b"answered"));
    late.session = first.session;
    rogue.send(&late);
    assert!(rogue.news().contains(&response(early, b"answered")));

    rogue.call(b"call 3..");
    assert_eq!(
        calls(&rogue.hear_one(), &prefix),
        [(true, b"call 3..".to_vec())]
    );
}

#[test]
fn a_server_that_is_never_content_gets_the_call_once_with_the_prefix() {
    let (config, prefix) = with_init();
    let mut rogue = RogueServer::settled(config, Seed::from_env_or(804));
    let id = rogue.call(b"call one");
    let mut sent = 0;
    while let Some(packet) = rogue.hear().pop() {
        sent += 1;
        assert!(sent <= 2);
        assert_eq!(calls(&packet, &prefix)[0].0, sent == 2);
        let req = packet.messages.last().unwrap().msg_id;
        rogue.say(Said::error(req, 400, "CONNECTION_NOT_INITED"));
    }
    assert_eq!(rogue.news(), [rpc_error(id, 400, "CONNECTION_NOT_INITED")]);
}
