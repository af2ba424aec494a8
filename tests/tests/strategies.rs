//! Properties of the core, held with the strategies that the kit gives to its users. A failure says
//! the smallest case; `MTPROTO_SEED` chooses other cases.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mtproto_proto::connection::{ClientConfig, ClientEvent};
use mtproto_proto::crypto::Direction;
use mtproto_proto::server::ServerConfig;
use mtproto_proto::transport::{Codec, Frame, Framing, ServerTransport};
use mtproto_proto::{DcId, MsgId, Rng, SessionId};
use mtproto_schema::api::{enums, types};
use mtproto_schema::model::{Kind, Type};
use mtproto_schema::{Decode, Encode, Schema};
use mtproto_test::pair::START;
use mtproto_test::rogue::{RogueClient, RogueServer, Said};
use mtproto_test::strategies::packets::Tampering;
use mtproto_test::strategies::{ids, messages, packets, runner, streams, values};
use mtproto_test::tamper::Plain;
use mtproto_test::{Seed, tamper};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

fn settled() -> RogueServer {
    RogueServer::settled(ClientConfig::new(DcId(2), Vec::new()), Seed(1))
}

/// A call is answered.
fn client_works(rogue: &mut RogueServer) {
    let id = rogue.call(b"the call");
    let mut answered = false;
    for _ in 0..10 {
        for packet in rogue.hear() {
            for message in packet.messages {
                if message.said() == Said::other(b"the call") {
                    rogue.say(Said::result(message.msg_id, b"answered"));
                }
            }
        }
        answered |= rogue
            .events()
            .iter()
            .any(|event| matches!(event, ClientEvent::Response { id: of, .. } if *of == id));
        if answered {
            return;
        }
        rogue.later(Duration::from_secs(1));
    }
    panic!("a call is not answered: {:?}", rogue.error());
}

fn framed(framing: Framing, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut rng = Rng::from_seed([1; 32]);
    let mut client = Codec::client(framing, None, &mut rng).unwrap();
    let mut wire = Vec::new();
    for packet in packets {
        client
            .write_packet(&mut rng, &mut wire, packet.len(), false, |out, _| {
                out.extend(packet);
            })
            .unwrap();
    }
    wire
}

#[test]
fn however_a_stream_is_cut_the_frames_are_the_same() {
    // As long as encrypted packets are: padding is told from blocks by it.
    let packets = vec((any::<[u8; 24]>(), vec(any::<[u8; 16]>(), 1..50)), 1..6);
    let cases = (streams::framing(), packets, streams::cuts());
    let result = runner(256).run(&cases, |(framing, packets, cuts)| {
        let packets = packets.into_iter();
        let mut packets: Vec<Vec<u8>> = packets
            .map(|(head, blocks)| [&head[..], &blocks.concat()].concat())
            .collect();
        for packet in &mut packets {
            // None is a plain message, which says itself how long it is.
            packet[0] |= 1;
        }
        let mut server = Codec::server(ServerTransport::default());
        let mut read = Vec::new();
        for piece in cuts.split(&framed(framing, &packets)) {
            server.feed(piece);
            while let Some(frame) = server.next_frame().unwrap() {
                let Frame::Packet { data, .. } = frame else {
                    panic!("{frame:?}");
                };
                read.push(data.to_vec());
            }
        }
        prop_assert_eq!(read, packets, "{:?}", framing);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn any_tampered_packet_ends_a_clients_stream_and_only_the_stream() {
    let cases = (messages::body(), packets::tampering());
    let result = runner(128).run(&cases, |(body, tampering)| {
        let mut rogue = settled();
        let plain = rogue.plain(&Said::Other(body));
        let packet = packets::seal(rogue.key(), Direction::ToClient, &plain);
        let Some(packet) = tampered(&tampering, &packet)? else {
            return Ok(());
        };
        rogue.send_packet(&packet);
        prop_assert!(rogue.error().is_some(), "the stream goes on");
        let news = rogue.news();
        prop_assert!(news.is_empty(), "{:?}", news);
        client_works(&mut rogue.reconnect());
        Ok(())
    });
    result.unwrap();
}

#[test]
fn any_tampered_packet_ends_a_servers_stream_and_only_the_stream() {
    let cases = (messages::body(), packets::tampering());
    let result = runner(128).run(&cases, |(body, tampering)| {
        let config = ServerConfig::new(DcId(2), Vec::new());
        let (mut rogue, conn) = RogueClient::settled(config, Seed(2));
        let plain = rogue.plain(&Said::Other(body.clone()));
        let packet = rogue.seal(&plain);
        let Some(packet) = tampered(&tampering, &packet)? else {
            return Ok(());
        };
        rogue.send_packet(conn, &packet, false);
        prop_assert!(rogue.closed(conn).is_some(), "the stream goes on");
        prop_assert!(rogue.calls().is_empty());
        let again = rogue.connect();
        rogue.say(again, Said::Other(body));
        let calls = rogue.calls();
        prop_assert_eq!(calls.len(), 1, "the key and the session are there");
        Ok(())
    });
    result.unwrap();
}

/// The packet after it, if it is another and not a word that is no packet.
fn tampered(tampering: &Tampering, packet: &[u8]) -> Result<Option<Vec<u8>>, TestCaseError> {
    Ok(tampering
        .apply(packet)
        // A status, or nothing that a transport takes.
        .filter(|packet| packet.len() >= 16))
}

#[test]
fn whatever_is_forged_inside_a_packet_costs_no_key() {
    let cases = (messages::body(), packets::forgery());
    let result = runner(128).run(&cases, |(body, forgery)| {
        let mut rogue = settled();
        let plain: Plain = forgery.apply(rogue.plain(&Said::Other(body)));
        let packet = packets::seal(rogue.key(), Direction::ToClient, &plain);
        let opens = tamper::open(rogue.key(), Direction::ToClient, &packet);
        rogue.send_packet(&packet);
        // The kit's own reader and the core agree on what is a packet of this session.
        let good = opens.is_ok_and(|plain| plain.session == rogue.session());
        prop_assert_eq!(rogue.error().is_none(), good, "{:?}", rogue.error());
        client_works(&mut rogue.reconnect());
        Ok(())
    });
    result.unwrap();
}

/// Ids of messages that a server is told of: the client's last ones, its own, any.
fn some_ids(mine: Vec<MsgId>) -> impl Strategy<Value = MsgId> + Clone + 'static {
    prop_oneof![
        2 => proptest::sample::select(mine),
        1 => ids::server_msg_id(START),
        1 => ids::any_msg_id(),
    ]
}

#[test]
fn whatever_a_server_says_a_clients_timers_move_and_its_calls_end() {
    let said = |rogue: &mut RogueServer| {
        let mut mine = Vec::new();
        for _ in 0..3 {
            rogue.call(b"in flight...");
        }
        for packet in rogue.hear() {
            mine.push(packet.msg_id);
            mine.extend(packet.messages.iter().map(|message| message.msg_id));
        }
        mine
    };
    let mine = said(&mut settled());
    let one = messages::from_server(some_ids(mine));
    let nested = messages::perhaps_gzipped(messages::container_of_any_kind(
        one.clone(),
        ids::server_msg_id(START),
    ));
    let bodies = prop_oneof![
        3 => one.prop_map(|said| Bytes::from(said.to_bytes())),
        1 => nested.prop_map(Bytes::from),
    ];
    let result = runner(192).run(&vec(bodies, 1..8), |bodies| {
        let mut rogue = settled();
        said(&mut rogue);
        for body in bodies {
            // What was written meanwhile is not listened to.
            rogue.hear();
            rogue.say(Said::Other(body));
        }
        let before = rogue.timers_fired();
        rogue.later(Duration::from_secs(600));
        let fired = rogue.timers_fired() - before;
        prop_assert!(fired < 600, "{} timers in ten minutes", fired);
        prop_assert!(rogue.error().is_some() || fired > 0);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn whatever_a_client_says_a_server_answers_the_next_one() {
    let one = messages::from_client(prop_oneof![ids::client_msg_id(START), ids::any_msg_id()]);
    let nested = messages::perhaps_gzipped(messages::container_of_any_kind(
        one.clone(),
        ids::client_msg_id(START),
    ));
    let bodies = prop_oneof![
        3 => one.prop_map(|said| Bytes::from(said.to_bytes())),
        1 => nested.prop_map(Bytes::from),
    ];
    let result = runner(192).run(&vec(bodies, 1..8), |bodies| {
        let config = ServerConfig::new(DcId(2), Vec::new());
        let (mut rogue, conn) = RogueClient::settled(config, Seed(3));
        for body in bodies {
            rogue.say(conn, Said::Other(body));
        }
        rogue.calls();
        rogue.begins_anew(SessionId(77));
        let honest = rogue.connect();
        rogue.say(honest, Said::other(b"the honest call."));
        let calls = rogue.calls();
        prop_assert!(
            calls
                .iter()
                .any(|(_, body)| body == &b"the honest call."[..]),
            "{:?}",
            rogue.closed(honest)
        );
        Ok(())
    });
    result.unwrap();
}

fn rewrite<T: Decode + Encode>(bytes: &Bytes) -> Option<Bytes> {
    T::from_bytes(bytes).ok().map(|value| value.to_bytes())
}

#[test]
fn values_made_by_the_schema_are_values_of_the_generated_types() {
    let schema = Arc::new(Schema::builtin());
    type Rewrite = fn(&Bytes) -> Option<Bytes>;
    let known: [(&str, Rewrite); 6] = [
        ("Updates", rewrite::<enums::Updates>),
        ("updates.Difference", rewrite::<enums::updates::Difference>),
        ("messages.Messages", rewrite::<enums::messages::Messages>),
        ("users.UserFull", rewrite::<types::users::UserFull>),
        ("PageBlock", rewrite::<enums::PageBlock>),
        ("Config", rewrite::<types::Config>),
    ];
    for (name, rewrite) in known {
        let ty = Type::parse(name).unwrap();
        let result = runner(48).run(&values::value(&schema, &ty, 4), |value| {
            let bytes = schema.encode_result(&ty, &value).unwrap();
            let read = schema.decode_result(&ty, &bytes).unwrap();
            prop_assert_eq!(&read, &value);
            prop_assert_eq!(rewrite(&bytes), Some(bytes), "{}", name);
            Ok(())
        });
        result.unwrap();
    }
}

#[test]
fn calls_of_every_function_go_through_bytes_and_json() {
    let schema = Arc::new(Schema::builtin());
    let functions = schema.definitions().iter();
    let functions: Vec<_> = functions.filter(|d| d.kind == Kind::Function).collect();
    assert!(functions.len() > 500);
    for function in functions.iter().step_by(7) {
        let calls = values::call(&schema, &function.name, 2).unwrap();
        let result = runner(4).run(&calls, |call| {
            let (bytes, _) = schema.encode_query(&call).unwrap();
            let read = schema.decode_function(&bytes).unwrap();
            prop_assert_eq!(read.as_object(), Some(&call));
            let json = call.to_json();
            let again = schema.function_from_json(&function.name, &json).unwrap();
            prop_assert_eq!(again, call, "{}", json);
            Ok(())
        });
        result.unwrap();
    }
}
