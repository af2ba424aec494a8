//! The known answers of `vectors/vectors.json` that concern transports, by id. What is read is read
//! whole, byte by byte and with more behind it.

use std::collections::BTreeSet;
use std::time::Duration;

use mtproto_proto::crypto::Ctr;
use mtproto_proto::transport::{
    Codec, Error, Frame, Framing, Obfuscation, ProxySecret, SecretError, SeenHellos,
    ServerTransport,
};
use mtproto_proto::{DcId, Rng, Time};
use serde_json::Value;

use super::support::{Setup, drain, encrypted, hex, packet, quick_ack, rng, status, written};

/// One test function per vector, and the list of what is tested.
macro_rules! vectors {
    ($($id:literal => $name:ident),* $(,)?) => {
        const TESTED: &[&str] = &[$($id),*];

        mod by_id {
            $(#[test] fn $name() { super::$name(&super::vector($id)) })*
        }
    };
}

vectors! {
    "full.grammers" => full_grammers,
    "transport.error_404" => transport_error_404,
    "abridged.lengths" => abridged_lengths,
    "padded.mtcute" => padded_mtcute,
    "quickack.computed" => quickack_computed,
    "obf2.mtcute.plain" => obf2_header,
    "obf2.mtcute.mtproxy_dc1" => obf2_mtproxy_dc1,
    "obf2.mtcute.mtproxy_dc10001" => obf2_mtproxy_dc10001,
    "obf2.mtcute.mtproxy_dc-1" => obf2_mtproxy_dc_minus_1,
    "obf2.mtcute.keys" => obf2_mtcute_keys,
    "obf2.mtcute.decrypt" => obf2_mtcute_decrypt,
    "obf2.mtcute.keys_secret" => obf2_mtcute_keys_secret,
    "obf2.gotd" => obf2_gotd,
    "obf2.gotd_a" => obf2_gotd_a,
    "mtproxy.secret_kinds" => mtproxy_secret_kinds,
    "faketls.client_hello" => faketls_client_hello,
    "faketls.server_hello" => faketls_server_hello,
}

#[test]
fn every_vector_of_this_room_has_a_test() {
    let rooms = [
        "full",
        "transport",
        "abridged",
        "padded",
        "obf2",
        "quickack",
        "mtproxy",
        "faketls",
    ];
    let wanted: BTreeSet<_> = file()
        .into_iter()
        .map(|vector| vector["id"].as_str().unwrap().to_owned())
        .filter(|id| rooms.contains(&id.split('.').next().unwrap()))
        .collect();
    let tested: BTreeSet<_> = TESTED.iter().map(|id| id.to_string()).collect();
    assert_eq!(wanted, tested);
}

// The checksum of the vector's empty frame is tested beside the framing, which sends none.
fn full_grammers(v: &Value) {
    let payload: Vec<u8> = (0..128).collect();
    let setup = Setup::bare(Framing::Full);
    let (mut client, mut rng) = (setup.client(&mut rng(1)), rng(1));
    let mut wire = written(&mut client, &mut rng, &payload);
    assert_eq!(wire[..8], [140, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(wire[136..], bytes(&v["expected"]["n128_seq0_crc"]));
    wire.extend(written(&mut client, &mut rng, &payload));
    assert_eq!(wire[140..148], [140, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(wire[276..], bytes(&v["expected"]["n128_seq1_crc"]));
    let frames = [packet(&payload), packet(&payload)];
    read_three_ways(|| setup.server(), &wire, &frames);

    let empty = bytes(&v["expected"]["empty_seq0"]);
    let mut server = setup.server();
    server.feed(&empty);
    assert_eq!(
        server.next_frame(),
        Err(Error::TooShort { got: 0, min: 4 }),
        "a frame without a payload"
    );
}

fn transport_error_404(v: &Value) {
    let code = i32::try_from(v["inputs"]["code"].as_i64().unwrap()).unwrap();
    for (framing, name) in [
        (Framing::Abridged, "abridged"),
        (Framing::Intermediate, "intermediate"),
    ] {
        let wire = bytes(&v["expected"][name]);
        assert_eq!(wire[wire.len() - 4..], bytes(&v["expected"]["payload"]));
        let setup = Setup::bare(framing);
        let (_, mut server) = setup.met(&mut rng(1));
        assert_eq!(status(&mut server, &mut rng(1), code), wire);
        read_three_ways(|| setup.client(&mut rng(1)), &wire, &[Frame::Status(code)]);
    }
}

fn abridged_lengths(v: &Value) {
    let setup = Setup::bare(Framing::Abridged);
    let lengths = v["inputs"].as_array().unwrap();
    for (len, head) in lengths.iter().zip(v["expected"].as_array().unwrap()) {
        let len = usize::try_from(len.as_u64().unwrap()).unwrap();
        let (mut client, mut server) = setup.met(&mut rng(1));
        let payload = vec![0x55; len];
        let wire = written(&mut client, &mut rng(1), &payload);
        assert_eq!(wire, [bytes(head), payload.clone()].concat());
        if len >= 16 {
            assert_eq!(drain(&mut server, &wire), [packet(&payload)]);
        }
    }
}

fn padded_mtcute(v: &Value) {
    let wire = bytes(&v["expected"]);
    let setup = Setup::bare(Framing::PaddedIntermediate);
    read_three_ways(|| setup.client(&mut rng(1)), &wire, &[Frame::Status(-404)]);

    // The vector's padding is longer than ours: the same frame but for that.
    let padding = bytes(&v["inputs"]["padding"]);
    let (_, mut server) = setup.met(&mut rng(1));
    let script = [&[2][..], &padding, &[0; 10]].concat(); // its length, and 16 bytes to take it from
    let ours = status(&mut server, &mut Rng::scripted(&script), -404);
    let payload = bytes(&v["inputs"]["payload"]);
    assert_eq!(ours, [&[6, 0, 0, 0], &payload[..], &padding[..2]].concat());
}

fn quickack_computed(v: &Value) {
    let token = u32::try_from(v["expected"]["token_u32"].as_u64().unwrap()).unwrap();
    for (framing, name) in [
        (Framing::Abridged, "abridged_wire"),
        (Framing::Intermediate, "intermediate_wire"),
    ] {
        let setup = Setup::bare(framing);
        let wire = bytes(&v["expected"][name]);
        let (_, mut server) = setup.met(&mut rng(1));
        assert_eq!(quick_ack(&mut server, &mut rng(1), token), wire);
        read_three_ways(
            || setup.client(&mut rng(1)),
            &wire,
            &[Frame::QuickAck(token)],
        );
    }
    let payload = bytes(&v["expected"]["padded_wire_prefix"]);
    let setup = Setup::bare(Framing::PaddedIntermediate);
    for padding in 0..8 {
        let (_, mut server) = setup.met(&mut rng(1));
        let script = [&[padding][..], &[0xee; 16]].concat();
        let ours = quick_ack(&mut server, &mut Rng::scripted(&script), token);
        assert_eq!(ours[4..12], payload);
        assert!(ours.len() - 4 < 16, "clients take it for a packet");
        assert_eq!(usize::from(ours[0]), ours.len() - 4);

        let len = 8 + usize::from(padding);
        let mut wire = vec![u8::try_from(len).unwrap(), 0, 0, 0];
        wire.extend(&payload);
        wire.resize(4 + len, 0xee);
        read_three_ways(
            || setup.client(&mut rng(1)),
            &wire,
            &[Frame::QuickAck(token)],
        );
    }
}

/// The whole header, as a client makes it and as a server reads it.
fn obf2_header(v: &Value) {
    check_header(v, &v["inputs"], &bytes(&v["expected"]));
}

fn obf2_mtproxy_dc1(v: &Value) {
    obf2_header(v);
}

fn obf2_mtproxy_dc10001(v: &Value) {
    obf2_header(v);
}

fn obf2_mtproxy_dc_minus_1(v: &Value) {
    obf2_header(v);
}

fn obf2_gotd_a(v: &Value) {
    obf2_header(v);
}

fn obf2_mtcute_keys(v: &Value) {
    let header = bytes(&v["expected"]["wire_init"]);
    check_header(v, &v["inputs"], &header);
    let (mut client, mut server) = (client(&v["inputs"]), server(&v["inputs"]));
    let first = status(&mut client, &mut rng(1), -404);
    let second = status(&mut client, &mut rng(1), -404);
    assert_eq!(first[..64], header);
    assert_eq!(first[64..], bytes(&v["expected"]["frame1_of_6cfeffff"]));
    assert_eq!(second, bytes(&v["expected"]["frame2_of_6cfeffff"]));
    let wire = [first, second].concat();
    assert_eq!(
        drain(&mut server, &wire),
        [const { Frame::Status(-404) }; 2]
    );
    for (key, iv, from_client) in [("enc_key", "enc_iv", true), ("dec_key", "dec_iv", false)] {
        check_key(v, &v["expected"][key], &v["expected"][iv], from_client);
    }
}

fn obf2_mtcute_decrypt(v: &Value) {
    let inputs = &v["inputs"];
    let pieces: Vec<_> = inputs["server_bytes"]
        .as_array()
        .unwrap()
        .iter()
        .map(bytes)
        .collect();
    let frames = v["expected"].as_array().unwrap();
    assert_eq!(frames.len(), 2);
    for frame in frames {
        assert_eq!(frame, "040000006cfeffff");
    }
    let client = || client(&serde_json::json!({ "random": inputs["random"], "tag": "eeeeeeee" }));
    read_three_ways(
        client,
        &pieces.concat(),
        &[const { Frame::Status(-404) }; 2],
    );
}

fn obf2_mtcute_keys_secret(v: &Value) {
    let random = bytes(&v["inputs"]["random"]);
    let enc_iv = Value::from(encode(&random[40..56]));
    let dec_iv = Value::from(encode(
        &random[8..24].iter().rev().copied().collect::<Vec<_>>(),
    ));
    check_key(v, &v["expected"]["enc_key"], &enc_iv, true);
    check_key(v, &v["expected"]["dec_key"], &dec_iv, false);
}

fn obf2_gotd(v: &Value) {
    check_header(v, &v["inputs"], &bytes(&v["expected"]["header"]));
    // "abcd", in either direction, right after the header. As a length word it announces a
    // frame that is too long, so the first four bytes of a length that we do write stand for it:
    // both are the key stream's bytes with something added.
    let (mut client, mut server) = (client(&v["inputs"]), server(&v["inputs"]));
    let wire = status(&mut client, &mut Rng::scripted(&[0; 17]), 1);
    assert_eq!(
        added(&wire[64..68], [4, 0, 0, 0]),
        added(&bytes(&v["expected"]["enc_abcd"]), *b"abcd")
    );
    assert_eq!(drain(&mut server, &wire), [Frame::Status(1)]);
    let wire = status(&mut server, &mut Rng::scripted(&[0; 17]), 1);
    assert_eq!(
        added(&wire[..4], [4, 0, 0, 0]),
        added(&bytes(&v["expected"]["dec_abcd"]), *b"abcd")
    );
    assert_eq!(drain(&mut client, &wire), [Frame::Status(1)]);
}

fn added(bytes: &[u8], with: [u8; 4]) -> Vec<u8> {
    bytes.iter().zip(with).map(|(a, b)| a ^ b).collect()
}

/// What a client writes first is `header`, and a server reads in it what the inputs say.
fn check_header(v: &Value, inputs: &Value, header: &[u8]) {
    let (mut client, mut rng) = (client(inputs), rng(1));
    let sent = encrypted(&mut rng, 2);
    let wire = written(&mut client, &mut rng, &sent);
    assert_eq!(wire[..64], *header, "{v}");
    read_three_ways(|| server(inputs), &wire, &[packet(&sent)]);

    let mut server = server(inputs);
    drain(&mut server, &wire);
    assert_eq!(server.framing(), Some(framing(inputs)));
    assert_eq!(server.obfuscation_nonce().unwrap()[..], header[8..56]);
    if let Some(dc) = dc(inputs) {
        assert_eq!(server.dc(), Some(dc));
    }
}

/// The stream of one direction is AES-CTR with this key and IV, of which the header takes 64 bytes
/// when it goes to the server.
fn check_key(v: &Value, key: &Value, iv: &Value, from_client: bool) {
    let key: [u8; 32] = bytes(key).try_into().unwrap();
    let iv: [u8; 16] = bytes(iv).try_into().unwrap();
    let mut stream = Ctr::new(&key, &iv);
    let (mut client, mut server) = (client(&v["inputs"]), server(&v["inputs"]));
    let first = status(&mut client, &mut rng(1), -404);
    let mut wire = if from_client {
        stream.apply(&mut [0; 64]);
        first[64..].to_vec()
    } else {
        drain(&mut server, &first);
        status(&mut server, &mut rng(1), -404)
    };
    stream.apply(&mut wire);
    assert_eq!(wire, hex("040000006cfeffff"));
}

fn mtproxy_secret_kinds(v: &Value) {
    let texts = v["inputs"].as_array().unwrap();
    let kinds = v["expected"].as_array().unwrap();
    assert_eq!(texts.len(), kinds.len());
    for (text, kind) in texts.iter().zip(kinds) {
        let secret = text.as_str().unwrap().parse::<ProxySecret>();
        let named = match &secret {
            Ok(secret) => match (secret.framing(), secret.domain()) {
                (None, None) => "plain16".to_owned(),
                (Some(Framing::PaddedIntermediate), None) => "padded(dd)".to_owned(),
                (Some(Framing::PaddedIntermediate), Some(domain)) => format!("tls {domain}"),
                other => panic!("{other:?}"),
            },
            Err(SecretError::TooShort { got: 1 }) => "error".to_owned(),
            Err(SecretError::TooShort { .. }) => "error: too short".to_owned(),
            Err(SecretError::Unknown) => "error: 17 bytes not starting with dd".to_owned(),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(named, kind.as_str().unwrap());
        if let Ok(secret) = secret {
            assert_eq!(secret.to_bytes()[..], bytes(text));
        }
    }
}

fn tls_secret(inputs: &Value, domain: &str) -> ProxySecret {
    ProxySecret::fake_tls(bytes(&inputs["secret"]).try_into().unwrap(), domain).unwrap()
}

fn faketls_client_hello(v: &Value) {
    let inputs = &v["inputs"];
    let now = Time::from_unix(inputs["unix_time"].as_u64().unwrap());
    let secret = tls_secret(inputs, inputs["domain"].as_str().unwrap());
    let hello = bytes(&v["expected"]["hello"]);
    assert_eq!(hello[11..43], bytes(&v["expected"]["client_random"]));
    let server = || {
        Codec::server(ServerTransport {
            secrets: vec![secret.clone()],
            open: false,
            ..ServerTransport::default()
        })
    };
    let mut random = rng(1);
    let mut answered = |server: &mut Codec, at| {
        let (mut seen, mut out) = (SeenHellos::default(), Vec::new());
        assert_eq!(server.next_frame(), Ok(None));
        let answered = server.answer_hello(at, &mut seen, &mut random, &mut out);
        answered.map(|_| out)
    };
    let [mut whole, mut single, mut trailing] = [server(), server(), server()];
    whole.feed(&hello);
    assert!(!answered(&mut whole, now).unwrap().is_empty(), "whole");
    for (i, byte) in hello.iter().enumerate() {
        single.feed(&[*byte]);
        let out = answered(&mut single, now).unwrap();
        assert_eq!(!out.is_empty(), i == hello.len() - 1, "byte by byte");
    }
    trailing.feed(&[&hello[..], &[0x17]].concat());
    assert!(
        !answered(&mut trailing, now).unwrap().is_empty(),
        "with more behind"
    );
    // And it is the hello of just this time: 600 seconds either way are the bound.
    for (seconds, good) in [(600, true), (601, false)] {
        for at in [
            now - Duration::from_secs(seconds),
            now + Duration::from_secs(seconds),
        ] {
            let mut server = server();
            server.feed(&hello);
            assert_eq!(answered(&mut server, at).is_ok(), good);
        }
    }
    let mut zero = server();
    zero.feed(&bytes(&inputs["hello_with_zero_random"]));
    assert_eq!(zero.next_frame(), Err(Error::Tls), "unsigned");
}

fn faketls_server_hello(v: &Value) {
    let inputs = &v["inputs"];
    let random = bytes(&inputs["client_random"]).try_into().unwrap();
    let secret = tls_secret(inputs, "google.com");
    let client = || Codec::client_awaiting(secret.clone(), random, &mut rng(1)).unwrap();
    let response = bytes(&v["expected"]["response"]);
    assert_eq!(response[11..43], bytes(&v["expected"]["server_random"]));
    let [mut whole, mut single, mut trailing] = [client(), client(), client()];
    assert_eq!(drain(&mut whole, &response), []);
    assert!(whole.can_write(), "whole");
    for byte in &response {
        assert!(!single.can_write(), "too early");
        assert_eq!(drain(&mut single, &[*byte]), []);
    }
    assert!(single.can_write(), "byte by byte");
    assert_eq!(drain(&mut trailing, &[&response[..], &[0x17]].concat()), []);
    assert!(trailing.can_write(), "with more behind");
    let mut zero = client();
    zero.feed(&bytes(&inputs["response_with_zero_random"]));
    assert_eq!(zero.next_frame(), Err(Error::TlsAnswer), "unsigned");
}

/// The frames come whole, byte by byte, and with the beginning of another frame behind them.
fn read_three_ways(codec: impl Fn() -> Codec, wire: &[u8], frames: &[Frame]) {
    assert_eq!(drain(&mut codec(), wire), frames, "whole");

    let mut one = codec();
    let (last, before) = wire.split_last().unwrap();
    let mut got: Vec<_> = before
        .iter()
        .flat_map(|byte| drain(&mut one, &[*byte]))
        .collect();
    assert!(got.len() < frames.len(), "a frame came too early");
    got.extend(drain(&mut one, &[*last]));
    assert_eq!(got, frames, "byte by byte");

    // One byte begins no frame that is wrong already, in any framing.
    let trailing = [wire, &[0x04]].concat();
    assert_eq!(drain(&mut codec(), &trailing), frames, "with more behind");
}

fn client(inputs: &Value) -> Codec {
    let obfuscation = Obfuscation {
        secret: secret(inputs),
        dc: dc(inputs),
    };
    let mut rng = Rng::scripted(&bytes(&inputs["random"]));
    Codec::client(framing(inputs), Some(obfuscation), &mut rng).unwrap()
}

fn server(inputs: &Value) -> Codec {
    let secret = secret(inputs);
    Codec::server(ServerTransport {
        open: secret.is_none(),
        secrets: secret.into_iter().collect(),
        ..ServerTransport::default()
    })
}

/// Vectors of keys name no framing; any will do.
fn framing(inputs: &Value) -> Framing {
    match inputs["tag"].as_str() {
        None | Some("eeeeeeee") => Framing::Intermediate,
        Some("dddddddd") => Framing::PaddedIntermediate,
        Some(tag) => panic!("unknown tag {tag}"),
    }
}

fn dc(inputs: &Value) -> Option<DcId> {
    let dc = inputs["dc"].as_i64()?;
    Some(DcId(i16::try_from(dc).unwrap()))
}

fn secret(inputs: &Value) -> Option<ProxySecret> {
    let secret = inputs["secret"].as_str()?;
    Some(ProxySecret::from_bytes(&hex(secret)).unwrap())
}

fn bytes(value: &Value) -> Vec<u8> {
    hex(value.as_str().unwrap())
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn vector(id: &str) -> Value {
    file()
        .into_iter()
        .find(|vector| vector["id"] == id)
        .unwrap_or_else(|| panic!("no vector {id}"))
}

fn file() -> Vec<Value> {
    let text = include_str!("../../vectors/vectors.json");
    let file: Value = serde_json::from_str(text).unwrap();
    file["vectors"].as_array().unwrap().clone()
}
